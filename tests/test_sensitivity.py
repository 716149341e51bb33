"""Which assumptions decide: compared with two computations by hand."""

import polars as pl
import pytest

import kifactors as kf
from kifactors.errors import DataError, DefinitionError, MissingColumnError

DATES = ["2025-10-31", "2026-10-31"]


def test_it_compares_two_computations():
    tables = kf.load_bundled()
    grid = {
        "weights": [(0.45, 0.55, 0.0), (0.4, 0.45, 0.15)],
        "theta assumed": [0.5],
        "supplier_ties.delta": [0.5, 0.0],
    }
    found = kf.sensitivity(tables, DATES, grid=grid, top=10)
    # What equals the definition is no variant.
    assert found.by_date.select("assumption", "value").unique(maintain_order=True).rows() == [
        ("weights", "45 / 55 / 0"), ("theta assumed", "x 0.5"), ("supplier_ties.delta", "0"),
    ]  # fmt: skip
    composite = kf.definition.Composite(capex_intensity=0.45, supplier_ties=0.55, index_membership=0.0)
    sides = [
        kf.AIInfrastructureExposure(definition).compute(tables, DATES).at(DATES[1])
        for definition in (kf.FactorDefinition(), kf.FactorDefinition(composite=composite))
    ]
    row = found.by_date.row(
        by_predicate=(pl.col("assumption") == "weights") & (pl.col("date") == pl.date(2026, 10, 31)),
        named=True,
    )
    tops = [set(side.top(10, by="score")["asset_id"]) for side in sides]
    assert row["overlap"] == len(tops[0] & tops[1]) / 10
    values = [side.to_polars().select("asset_id", pl.col("score")) for side in sides]
    both = values[0].join(values[1], on="asset_id").drop_nulls()
    expected = (
        both["score"]
        .rank()
        .to_frame("a")
        .with_columns(b=both["score_right"].rank())
        .select(pl.corr("a", "b"))
    )
    assert row["spearman"] == pytest.approx(expected.item())
    places = [side.top(10_000, by="score")["ticker"].to_list() for side in sides]
    moves = {
        name: abs(places[0].index(name) - places[1].index(name)) for name in places[0] if name in places[1]
    }
    assert moves[row["mover"]] == max(moves.values()) == abs(row["place"] - row["place_after"])


def test_the_sentence_says_what_decides():
    found = kf.sensitivity(
        kf.load_bundled(), DATES[1:], column="exposure", top=5,
        grid={"supplier_ties.default_flow_share": [0.0], "weights": [(0.5, 0.5, 0.0)]},
    )  # fmt: skip
    # Pillar weights do not touch the exposure.
    assert found.summary().filter(assumption="weights").select("spearman", "overlap", "decides").row(0) == (
        1.0,
        1.0,
        False,
    )
    assert "hardly depend on" in found.sentence()
    assert found.sentence().index("weights") > found.sentence().index("hardly")
    assert "top 5" in repr(found)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (
            {"grid": {"supplier_ties.detla": [0.1]}},
            DefinitionError,
            "there is no assumption 'supplier_ties.detla'",
        ),
        ({"grid": {"supplier_ties.delta": [1.5]}}, DefinitionError, "is not allowed"),
        ({"grid": {"supplier_ties.delta": [0.5]}}, DataError, "differs from the definition"),
        ({"grid": {"weights": [(0.5, 0.5)]}}, DataError, "not three"),
        ({"grid": {"theta assumed": [-1]}}, DataError, "is no factor"),
        ({"column": "role"}, MissingColumnError, "no number 'role'"),
        ({"top": 0}, DataError, "at least 1"),
    ],
)
def test_errors_say_what_to_do(options, error, says):
    with pytest.raises(error, match=says):
        kf.sensitivity(kf.load_bundled(), DATES[1:], **options)
