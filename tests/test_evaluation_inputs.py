"""What evaluation is given: columns of one name, delistings, options and numbers that cannot be right."""


import polars as pl
import pytest

from kifactors.errors import DataError
from tests.test_evaluation import DAYS, plain, prices_of, scores_of

NAMES = "abcdef"
PRICES = {name: [100.0 + k + (j * (k + 1)) % 5 for j in range(9)] for k, name in enumerate(NAMES)}
VALUES = {day: {name: 0.1 * k for k, name in enumerate(NAMES)} for day in DAYS[:3]}


def universe_of(**columns):
    """A universe of the dates and names above; a column is a value per name."""
    rows = [(day, name) for day in VALUES for name in NAMES]
    frame = pl.DataFrame(rows, schema={"date": pl.Date, "asset_id": pl.String}, orient="row")
    return frame.with_columns(pl.Series(name, list(x) * len(VALUES)) for name, x in columns.items())


# Columns of one name.


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("return", "styles: 'return' of the universe is a name that the evaluation itself uses"),
        ("size", "styles: 'size' of the universe is a name that the evaluation itself uses"),
        ("market", "styles: 'market' of the universe is a name that the evaluation itself uses"),
        ("industry:x", "styles: 'industry:x' of the universe is a name that the evaluation itself uses"),
        ("coverage", "styles: 'coverage' is a column of the universe and of the scores"),
        ("ticker", "styles: 'ticker' is a column of the universe and of the scores"),
        ("exposure", "styles: 'exposure' is a column of the universe and of the scores"),
        ("score", "styles: 'score' is a column of the universe and of the scores"),
    ],
)
def test_a_style_that_has_the_name_of_something_else_is_refused(name, said):
    universe = universe_of(**{name: [1.0, 3.0, 2.0, 5.0, 4.0, 0.0]})
    with pytest.raises(DataError, match=f"{said}.*Rename it in the universe"):
        plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, styles=(name,))


@pytest.mark.parametrize("others", [{}, {"market_cap": [1.0] * 6}])
def test_groups_of_two_tables_are_refused(others):
    universe = universe_of(role=list("xyxyxy"), **others)
    with pytest.raises(DataError, match="by: 'role' is a column of the universe and of the scores"):
        plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, by="role")


@pytest.mark.parametrize("name", ["date", "asset_id", "return", "weight"])
def test_groups_that_have_the_name_of_something_else_are_refused(name):
    universe = universe_of(**({name: list("xyxyxy")} if name not in {"date", "asset_id"} else {}))
    with pytest.raises(DataError, match=f"by: '{name}' .*is a name that the evaluation itself uses"):
        plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, by=name)


def test_a_universe_of_names_alone_adds_nothing():
    scores = scores_of(VALUES, role=pl.Series(list("xyxyxy") * 3))
    found = plain(scores, prices=prices_of(PRICES), universe=universe_of(), by="role")
    assert found.ic.filter(names="universe")["group"].unique().sort().to_list() == [None, "x", "y"]
    assert found.settings["weightings"] == ("equal",)


def test_caps_and_industries_may_be_groups_and_styles():
    universe = universe_of(market_cap=[1.0, 2.0, 3.0, 4.0, 5.0, 7.0], industry=list("xxxyyy"))
    found = plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, by="industry")
    assert found.ic["group"].drop_nulls().unique().sort().to_list() == ["x", "y"]
