"""The cross-section kernel, one thread, in every build that this processor can run."""

import pytest
from cross_section import MAD, panel, with_kernel
from twin import assert_equals_twin

from kifactors import _kernels
from kifactors._kernels import _backend

# Least squares on dummies against demeaning within industries.
CLOSE = 1e-9


@pytest.mark.parametrize("level", _kernels.available_levels())
@pytest.mark.parametrize("deviations", [None, MAD], ids=["quantiles", "deviations"])
def test_style_score(benchmark, level, deviations):
    small, frame = panel(10, 300), panel(250, 3000)
    with _backend.using(level):
        assert_equals_twin(lambda: with_kernel(small, deviations, 1), tolerance=CLOSE)
        benchmark(with_kernel, frame, deviations, 1)
