"""The propagation kernel, one thread: 20,000 firms with ten customers each."""

from scaling import TOLERANCE, propagation
from twin import assert_equals_twin


def test_propagate(benchmark):
    small, large = propagation(2_000), propagation(200_000)
    # Each is within the tolerance of the limit.
    assert_equals_twin(lambda: small().revenue, tolerance=2 * TOLERANCE)
    benchmark(large)
