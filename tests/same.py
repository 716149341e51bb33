"""When two scores are the same, to the last bit."""

from polars.testing import assert_frame_equal


def assert_same(got, expected):
    assert_frame_equal(got.to_polars(), expected.to_polars(), check_exact=True)
    assert_frame_equal(got.diagnostics, expected.diagnostics, check_exact=True)
    assert got.definition == expected.definition
    assert got.inputs == expected.inputs
    assert got.dates == expected.dates
    assert got.history == expected.history
    assert got.release == expected.release
