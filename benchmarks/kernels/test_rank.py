"""The rank kernel, one thread, by each method."""

import pytest
from ranks import panel
from twin import assert_equals_twin

import kifactors as kf
from kifactors import _kernels

# Two evaluations of the inverse normal distribution.
CLOSE = 1e-12


@pytest.mark.parametrize("method", _kernels.RANK_METHODS)
def test_rank(benchmark, method):
    def ranked(frame):
        return kf.cross_section.rank(frame, "x", method=method, n_threads=1)

    small, frame = panel(5, 300), panel(250, 3000)
    assert_equals_twin(lambda: ranked(small), tolerance=CLOSE)
    benchmark(ranked, frame)
