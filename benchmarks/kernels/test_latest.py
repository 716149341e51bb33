"""The as-of kernel, one thread: 100,000 facts to 750,000 rows."""

from asof_join import data, with_kernel
from twin import assert_equals_twin


def test_latest(benchmark):
    small, large = data(300, 20, 30), data(100_000, 250, 3000)
    assert_equals_twin(lambda: with_kernel(*small, 1))
    benchmark(with_kernel, *large, 1)
