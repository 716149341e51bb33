"""Explanations, changes and coverage: contributions add up on any world, and every edge has an answer or an error."""

import io
import json
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError, DateError, DefinitionError, StaleScoresError, UnmatchedAssetError
from kifactors.explanation._bounds import bound_parts
from kifactors.explanation._hybrid import EVERYTHING, hybrid
from kifactors.explanation._state import panels_of
from kifactors.explanation._union import shapley_of_union
from kifactors.factor import pillars_and_composite
from tests import worlds

# Sums of a few dozen numbers of the size of their largest.
EXACT = 1e-12
# What the propagation itself leaves open.
ITERATION = 1e-9
DAY, END = date(2024, 2, 1), date(2023, 12, 31)
few = settings(max_examples=12, deadline=None)


def tables_of(seed, *, universe=True, **replaced):
    return kf.Tables(**{**worlds.build(seed, universe=universe), **replaced})


def assert_adds_up(tree):
    """Check at every node that contributions below it are its value; return how many nodes were checked."""
    checked = 0
    for path, _, node in tree.walk():
        parts = [child.contribution for child in node.children if child.contribution is not None]
        if node.value is not None and parts:
            size = max(1.0, *(abs(part) for part in parts))
            assert abs(sum(parts) - node.value) <= EXACT * size, path
            checked += 1
    return checked


def ties(*rows, day=DAY, end=END):
    names = ("supplier_id", "customer_id", "revenue_share")
    frame = pl.DataFrame(
        rows, schema=dict(zip(names, (pl.String, pl.String, pl.Float64), strict=True)), orient="row"
    )
    return frame.with_columns(
        customer_label=pl.coalesce("customer_id", pl.format("Customer {}", pl.int_range(pl.len()))),
        period_end=pl.lit(end), available_at=pl.lit(day),
        source=pl.format("filing of {}", "supplier_id"),
    )  # fmt: skip


def theta(**shares):
    return pl.DataFrame({"asset_id": [*shares], "share": [*map(float, shares.values())]}).with_columns(
        available_at=pl.lit(DAY), provenance=pl.lit("disclosed"), source=pl.lit("a call")
    )


def explained(asset, *rows, definition=None, spending=None, **options):
    tables = kf.Tables(revenue_ties=ties(*rows), ai_capex_share=theta(**(spending or {"p": 0.6})))
    scores = kf.AIInfrastructureExposure(definition).compute(tables, ["2024-02-29"])
    return kf.explain(scores, tables, asset, **options)


# --- additivity -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@few
@given(seed=worlds.seeds, universe=st.booleans(), day=st.sampled_from(worlds.DATES), sparse=st.booleans())
def test_contributions_add_up_on_any_world(seed, universe, day, sparse):
    tables = tables_of(seed, universe=universe)
    definition = kf.FactorDefinition(
        scaling=kf.definition.Scaling(
            method="sparse" if sparse else "dense", clip=0.8 if seed % 3 == 0 else 5.0
        )
    )
    scores = kf.AIInfrastructureExposure(definition).compute(tables, [day])
    for row in scores.to_polars().iter_rows(named=True):
        why = kf.explain(scores, tables, row["asset_id"], threshold=1e-3)
        assert_adds_up(why.tree)
        for name in ("exposure", "score"):
            assert getattr(why, name).value == row[name]
        for name in ("capex_to_revenue", "abnormal_capex", "capex_pool_share", "guided_capex", "ai_revenue",
                     "demand_growth", "index_relevance"):  # fmt: skip
            assert why.find(name).value == pytest.approx(row[name], abs=EXACT)
        if row["exposure"] is not None:
            assert why.bounds.value == row["exposure_high"] - row["exposure_low"]
            assert all(part.contribution >= -ITERATION for part in why.bounds.children)


@pytest.mark.slow
@few
@given(seed=worlds.seeds, day=st.sampled_from(worlds.DATES), tiers=st.sampled_from([None, 1, 2, 3]))
def test_paths_alone_are_what_ties_bring(seed, day, tiers):
    """With a tiny threshold the listed paths leave nothing but rounding to the remainder."""
    tables = tables_of(seed, universe=False)
    definition = kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(max_tiers=tiers))
    scores = kf.AIInfrastructureExposure(definition).compute(tables, [day])
    for row in scores.to_polars().iter_rows(named=True):
        why = kf.explain(scores, tables, row["asset_id"], threshold=1e-7)
        through = why.find("ties")
        if through is None:
            continue
        rest = [node.value for node in through.children if node.name == "smaller paths"]
        assert why.paths["contribution"].sum() == pytest.approx(through.value, abs=1e-4)
        assert all(-ITERATION <= x < 1e-4 for x in rest)
        if tiers is not None:
            assert (why.paths["tier"] <= tiers).all()


@pytest.mark.slow
@few
@given(seed=worlds.seeds, universe=st.booleans(), at=st.integers(0, len(worlds.DATES) - 2))
def test_changes_add_up_on_any_world(seed, universe, at):
    tables = tables_of(seed, universe=universe)
    dates = worlds.DATES[at], worlds.DATES[-1]
    scores = kf.AIInfrastructureExposure().compute(tables, dates)
    for asset in scores.to_polars()["asset_id"].unique().sort()[1:3]:
        change = kf.explain_change(scores, tables, asset, *dates)
        for name in ("exposure", "score"):
            before, after = getattr(change, name)
            total = sum(getattr(step, name) for step in change.steps)
            assert total == pytest.approx((after or 0.0) - (before or 0.0), abs=EXACT * 10)
        assert change.to_polars().height == len(change.steps)


@few
@given(seed=worlds.seeds, universe=st.booleans(), at=st.integers(0, len(worlds.DATES) - 2))
def test_without_news_the_later_date_gives_the_scores_of_the_earlier(seed, universe, at):
    tables = tables_of(seed, universe=universe)
    start, end = (date.fromisoformat(worlds.DATES[k]) for k in (at, len(worlds.DATES) - 1))
    definition = kf.FactorDefinition()
    for news, day in (({}, start), ({EVERYTHING: ["all"]}, end)):
        _, mixed = panels_of(hybrid(tables, start, end, news), end, definition)
        _, wanted = panels_of(tables, day, definition)
        assert mixed["asset_id"].to_list() == wanted["asset_id"].to_list()
        for name in (
            "exposure",
            "exposure_high",
            "score",
            "abnormal_capex",
            "guided_capex",
            "index_relevance",
        ):
            known = wanted[name].is_not_null()
            assert (mixed[name].is_not_null() == known).all()
            assert np.allclose(mixed[name].filter(known), wanted[name].filter(known), rtol=0, atol=EXACT)


@pytest.mark.slow
@few
@given(seed=worlds.seeds, day=st.sampled_from(worlds.DATES))
def test_the_market_mean_is_that_of_the_scores(seed, day):
    """Retraced from the scores and the universe: nothing but rounding is put where it does not belong."""
    tables = tables_of(seed)
    scores = kf.AIInfrastructureExposure().compute(tables, [day])
    frame = scores.to_polars().join(
        tables.universe, on=["date", "asset_id"], how="left", maintain_order="left"
    )
    pillars = {"score_capex_intensity": 0.4, "score_supplier_ties": 0.45, "score_index_membership": 0.15}
    raw = pl.sum_horizontal(w * pl.col(name).fill_null(0.0) for name, w in pillars.items())
    used = frame.with_columns(raw=raw).filter(
        "estimation", pl.col("market_cap").is_not_null(), pl.col("score").is_not_null()
    )
    if used.is_empty() or not (used["exposure"] != 0).any():
        return
    mean = np.average(used["raw"], weights=used["market_cap"])
    scale = np.sqrt(((used.filter(pl.col("exposure") != 0)["raw"] - mean) ** 2).mean())
    if scale <= 1e-12 * used["raw"].abs().max():
        return  # all alike: everybody has score 0
    for row in frame.filter(pl.col("score").is_not_null()).iter_rows(named=True):
        node = kf.explain(scores, tables, row["asset_id"]).score
        parts = {child.name: child.contribution for child in node.children}
        assert node.find("market mean").value == pytest.approx(mean, abs=EXACT)
        assert parts["market mean"] == pytest.approx(-mean / scale, abs=ITERATION)
        assert ("clip" in parts) == (abs(node.value) == 5.0)
        for name, weight in pillars.items():
            assert parts[name] == pytest.approx(weight * (row[name] or 0.0) / scale, abs=ITERATION)


@few
@given(seed=worlds.seeds, tiers=st.sampled_from([None, 1, 2]))
def test_parts_of_the_bounds_are_all_of_their_width(seed, tiers):
    tables = tables_of(seed, universe=False).encoded()
    definition = kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(max_tiers=tiers))
    dates = kf.calendar.score_dates(worlds.DATES)
    _, earned, _ = pillars_and_composite(tables, dates, definition)
    parts = pl.DataFrame(bound_parts(tables, earned.system, dates, definition))
    found = earned.system.nodes.select("date", "asset_id").hstack(parts)
    both = earned.descriptors.join(found, on=["date", "asset_id"]).drop_nulls("ai_revenue")
    off = both.select(
        pl.sum_horizontal(parts.columns) - (pl.col("ai_revenue_high") - pl.col("ai_revenue_low"))
    )
    assert off.to_series().abs().max() <= ITERATION


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_union_is_split_without_remainder(parts):
    found = shapley_of_union(parts)
    assert sum(found) == pytest.approx(1 - np.prod([1 - x for x in parts]), abs=EXACT)
    assert all(-EXACT <= x <= part + EXACT for x, part in zip(found, parts, strict=True))


def test_who_is_alone_has_no_score_to_split():
    why = explained("s", ("s", "p", 0.5))
    assert (why.score.value, why.score.text) == (
        0.0,
        "0 for everybody: nobody is exposed, or all who are known are alike",
    )
    assert why.exposure.value == pytest.approx(0.3)


# --- bounds -----------------------------------------------------------------------------------------------------------


@few
@given(seed=worlds.seeds, day=st.sampled_from(worlds.DATES))
def test_bounds_contain_what_hidden_ties_reveal(seed, day):
    """Hide ties, compute, reveal: a name is taken away, or a row where others of its filing stay."""
    rng = np.random.default_rng(seed)
    frames = worlds.build(seed)
    if "revenue_ties" not in frames:
        return
    full = frames["revenue_ties"]
    nameless = pl.Series(rng.random(full.height) < 0.4)
    first = pl.int_range(pl.len()).over("supplier_id", "period_end") == 0
    dropped = pl.Series(rng.random(full.height) < 0.4)
    hidden = full.with_columns(customer_id=pl.when(nameless).then(None).otherwise("customer_id")).filter(
        first | ~dropped
    )
    told, truth = (
        kf.AIInfrastructureExposure()
        .compute(kf.Tables(**{**frames, "revenue_ties": table}), [day])
        .to_polars()
        for table in (hidden, full)
    )
    both = told.join(truth, on="asset_id", suffix="_true").filter(pl.col("exposure_true").is_not_null())
    assert both["exposure"].null_count() == 0
    inside = both.select(
        low=pl.col("exposure_low") - pl.col("exposure_true"),
        high=pl.col("exposure_high_true") - pl.col("exposure_high"),
        between=pl.col("exposure_true") - pl.col("exposure_high"),
    )
    assert all((inside[name] <= ITERATION).all() for name in inside.columns)


def test_each_part_of_the_width_has_its_cause():
    tables = kf.Tables(
        revenue_ties=pl.concat(
            [
                ties(("s", "p", 0.3), ("s", None, 0.2)),
                ties(("old", "p", 0.25), end=date(2022, 6, 30), day=date(2022, 9, 1)),
            ]
        ),
        ai_capex_share=theta(p=1.0),
        ai_revenue_share={"asset_id": ["old"], "share": [0.5], "scope": ["data_center"], "period_end": [END],
                          "available_at": [DAY]},
    )  # fmt: skip
    scores = kf.AIInfrastructureExposure().compute(tables, ["2024-02-29"])
    known = kf.explain(scores, tables, "s").bounds
    assert {part.name: round(part.contribution, 9) for part in known.children if part.contribution} == {
        "anonymous customers": 0.2,
        "undisclosed remainder": 0.5,
    }
    assert [source.row["customer_label"] for source in known.find("anonymous customers").sources] == [
        "Customer 1"
    ]
    # 0.5 in full instead of 0.4; 0.25 of expired ties lie below that; the rest of the width is everything else.
    old = kf.explain(scores, tables, "old").bounds
    assert {part.name: round(part.contribution, 9) for part in old.children if part.contribution} == {
        "discounted scopes": 0.1,
        "undisclosed remainder": 0.5,
    }
    assert [source.row["revenue_share"] for source in old.find("expired ties").sources] == [0.25]
    no_share = kf.Tables(
        revenue_ties=tables.revenue_ties, ai_capex_share=theta(p=1.0),
        tie_disclosures={"supplier_id": ["old"], "period_end": [date(2022, 6, 30)], "available_at": [date(2022, 9, 1)]},
        ai_revenue_share={"asset_id": ["old"], "share": [0.0], "scope": ["ai"], "period_end": [END],
                          "available_at": [DAY]},
    )  # fmt: skip
    scores = kf.AIInfrastructureExposure().compute(no_share, ["2024-02-29"])
    gone = kf.explain(scores, no_share, "old").bounds
    assert gone.find("expired ties").contribution == pytest.approx(0.25, abs=EXACT)
    assert gone.find("undisclosed remainder").contribution == pytest.approx(0.75, abs=EXACT)


# --- paths ------------------------------------------------------------------------------------------------------------


def test_a_cycle_is_followed_until_it_carries_too_little():
    why = explained("a", ("a", "b", 0.5), ("b", "a", 0.4), ("b", "p", 0.5), threshold=1e-3)
    # b = 0.3 + 0.4 * 0.5 a, a = 0.5 * 0.5 b
    b = 0.3 / (1 - 0.2 * 0.25)
    assert why.find("ties").value == pytest.approx(0.25 * b, abs=ITERATION)
    assert why.paths["path"].to_list() == ["a -> b -> p", "a -> b -> a -> b -> p"]
    assert why.paths["contribution"].to_list() == pytest.approx([0.25 * 0.3, 0.25 * 0.3 * 0.05])
    rest = why.find("smaller paths").contribution
    assert rest == pytest.approx(0.25 * b - 0.075 - 0.00375, abs=ITERATION)
    assert "passes a and b again (a cycle)" in str(why)
    assert_adds_up(why.tree)


def test_named_shares_of_exactly_one_and_a_little_more():
    exact = explained("s", ("s", "p", 0.6), ("s", "q", 0.4), spending={"p": 1.0, "q": 1.0})
    assert exact.exposure.value == 1.0
    assert exact.bounds.value == 0.0
    more = explained("s", ("s", "p", 0.603), ("s", "q", 0.402), spending={"p": 1.0, "q": 0.5})
    assert more.exposure.value == pytest.approx(0.6 + 0.2, abs=EXACT)
    assert more.paths["ties"].to_list() == [pytest.approx([0.6]), pytest.approx([0.4])]
    for why in (exact, more):
        assert_adds_up(why.tree)


def test_a_supplier_of_its_own_customer_by_way_of_another():
    """s sells to m, m to p; p, who spends, sells to s: the way back to s is told as a cycle, and ends."""
    why = explained("p", ("s", "m", 0.5), ("m", "p", 0.5), ("p", "s", 0.5), threshold=1e-6)
    assert why.paths["path"][0] == "p -> s -> m -> p"
    assert why.find("ties").value == pytest.approx(sum(why.paths["contribution"]), abs=1e-4)
    assert_adds_up(why.tree)


def test_a_company_without_ties_is_zero_if_looked_at_and_unknown_if_not():
    tables = kf.Tables(
        tie_disclosures={"supplier_id": ["alone"], "period_end": [END], "available_at": [DAY]},
        capex_guidance={"asset_id": ["nobody"], "period_start": [date(2024, 1, 1)], "period_end": [date(2024, 12, 31)],
                        "low": [1.0], "high": [1.0], "currency": ["USD"], "available_at": [DAY]},
    )  # fmt: skip
    scores = kf.AIInfrastructureExposure().compute(tables, ["2024-02-29"])
    alone, nobody = (kf.explain(scores, tables, name) for name in ("alone", "nobody"))
    assert (alone.exposure.value, alone.find("ties").text) == (0.0, "no named customer")
    assert nobody.exposure.value is None
    assert nobody.exposure.text.startswith("unknown: ")
    assert "pillar B is absent" in str(nobody)


def test_an_intermediate_customer_passes_on_its_disclosed_share():
    tables = kf.Tables(
        revenue_ties=ties(("s", "c", 0.4)),
        ai_capex_share=theta(c=0.5),
        ai_revenue_share={
            "asset_id": ["c"],
            "share": [0.8],
            "scope": ["ai"],
            "period_end": [END],
            "available_at": [DAY],
        },
    )
    scores = kf.AIInfrastructureExposure().compute(tables, ["2024-02-29"])
    why = kf.explain(scores, tables, "s")
    # 0.4 (0.5 + 0.5 * 0.5 * 0.8)
    assert dict(why.paths.select("ends_in", "contribution").rows()) == {
        "capex": pytest.approx(0.2),
        "disclosed share": pytest.approx(0.08),
    }


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    tables = tables_of(7, assets=pl.DataFrame({"asset_id": worlds.ASSETS, "ticker": ["NVDA", "AMD", "ANET", "MSFT", "META", "MU", "HPQ", "HPE"]}))  # fmt: skip
    return kf.AIInfrastructureExposure().compute(tables, worlds.DATES), tables


def test_names(world):
    scores, tables = world
    by_ticker, by_id = (kf.explain(scores, tables, name) for name in ("anet", "a2"))
    assert by_ticker.to_dict() == by_id.to_dict()
    assert (by_ticker.ticker, str(by_ticker.date)) == ("ANET", worlds.DATES[-1])
    with pytest.raises(UnmatchedAssetError, match=r"ticker 'ANTE'\. Near names: ANET \(a2\)"):
        kf.explain(scores, tables, "ANTE")
    with pytest.raises(UnmatchedAssetError, match=r"ticker 'zzzz'\. Give"):
        kf.explain(scores, tables, "zzzz")


def test_dates(world):
    scores, tables = world
    with pytest.raises(DateError, match=f"nearest computed date is {worlds.DATES[-1]}"):
        kf.explain(scores, tables, "a0", "2031-01-31")
    with pytest.raises(DateError, match="start must be before end"):
        kf.explain_change(scores, tables, "a0", worlds.DATES[2], worlds.DATES[2])


def test_other_tables_are_refused_by_the_column_that_differs(world):
    scores, tables = world
    others = tables.ai_capex_share.with_columns(share=pl.lit(0.9))
    with pytest.raises(StaleScoresError, match=r"column '\w+' of 'a\d' is"):
        kf.explain(scores, tables.replace(ai_capex_share=others), "a0")
    fewer = tables.universe.filter(pl.col("asset_id") != "a1")
    with pytest.raises(StaleScoresError, match=r"1 asset\(s\) are in one only, like 'a1'"):
        kf.explain(scores, tables.replace(universe=fewer), "a0")


def test_what_came_later_does_no_harm(world):
    scores, tables = world
    day = worlds.DATES[4]
    frames = dict(tables)
    names = frames.pop("assets")
    known = kf.Tables(**worlds.known_by(frames, date.fromisoformat(day)), assets=names)
    assert kf.explain(scores, known, "a0", day).to_dict() == kf.explain(scores, tables, "a0", day).to_dict()


def test_wrong_arguments(world):
    scores, tables = world
    with pytest.raises(DefinitionError, match="threshold must be above 0"):
        kf.explain(scores, tables, "a0", threshold=0.0)
    with pytest.raises(DataError, match="scores is a DataFrame"):
        kf.explain(scores.to_polars(), tables, "a0")
    with pytest.raises(DataError, match="tables is a dict"):
        kf.explain(scores, dict(tables), "a0")
    with pytest.raises(DefinitionError, match="what must be one of exposure, score, bounds"):
        kf.explain(scores, tables, "a0").plot(what="all")


# --- forms ------------------------------------------------------------------------------------------------------------


def test_all_forms_tell_the_same(world):
    scores, tables = world
    why = kf.explain(scores, tables, "a1")
    frame = why.to_polars()
    assert frame.columns == ["path", "depth", "name", "value", "contribution", "text", "source", "known_at"]
    assert frame.height == sum(1 for _ in why.tree.walk())
    assert json.loads(why.to_json()) == why.to_dict()
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=1000, record=True, file=io.StringIO())
    console.print(why)
    assert [line.rstrip() for line in console.export_text().splitlines()] == str(why).splitlines()


@pytest.mark.parametrize("what", ["exposure", "score", "bounds"])
def test_bars_end_where_the_sum_does(world, what):
    pytest.importorskip("matplotlib")
    scores, tables = world
    why = next(w for w in (kf.explain(scores, tables, a) for a in worlds.ASSETS[:6]) if w.exposure.value)
    bars = why.plot(what=what).patches
    assert bars[-1].get_width() == getattr(why, what).value
    # Parts below a thousandth are not drawn.
    assert sum(bar.get_width() for bar in bars[:-1]) == pytest.approx(bars[-1].get_width(), abs=3e-3)


def test_a_picture_of_the_unknown_says_so():
    pytest.importorskip("matplotlib")
    tables = kf.Tables(revenue_ties=ties(("s", "p", 0.3)), ai_capex_share=theta(p=0.5))
    scores = kf.AIInfrastructureExposure().compute(tables, ["2024-02-29"])
    ax = kf.explain(scores, tables, "p").plot()
    assert ax.texts[0].get_text().startswith("unknown")


# --- changes ----------------------------------------------------------------------------------------------------------


def test_expiry_is_a_step_of_its_supplier():
    tables = kf.Tables(
        revenue_ties=ties(("s", "c", 0.5), ("c", "p", 0.4)), ai_capex_share=theta(p=1.0),
        ai_revenue_share={"asset_id": ["s"], "share": [0.01], "scope": ["ai"], "period_end": [date(2024, 12, 31)],
                          "available_at": [date(2025, 2, 1)]},
    )  # fmt: skip
    scores = kf.AIInfrastructureExposure().compute(tables, ["2024-02-29", "2025-12-31"])
    change = kf.explain_change(scores, tables, "s", "2024-02-29", "2025-12-31")
    assert change.exposure == (pytest.approx(0.1), pytest.approx(0.01))
    told = [(step.group, step.name, round(step.exposure, 9)) for step in change.steps]
    assert told == [
        ("ties", "s", -0.1),
        ("ties", "c", 0.0),
        ("disclosed share", "s", 0.01),
        ("everybody else", "", 0.0),
    ]
    assert "expired" in change.steps[0].text
    assert [source.source for source in change.steps[0].before] == ["filing of s"]


# --- coverage ---------------------------------------------------------------------------------------------------------


@few
@given(seed=worlds.seeds, by=st.sampled_from([None, "industry", "size"]))
def test_coverage_is_what_the_scores_say(seed, by):
    tables = tables_of(seed)
    found = kf.coverage_report(tables, worlds.DATES, by=by).table
    scores = kf.AIInfrastructureExposure().compute(tables, worlds.DATES).to_polars()
    totals = found.group_by("date").agg(pl.col("assets", "known").sum()).sort("date")
    expected = scores.group_by("date").agg(assets=pl.len(), known=pl.col("exposure").count()).sort("date")
    assert totals.rows() == expected.rows()
    parts = [name for name in found.columns if name.startswith("width_") and name not in {"width_mean", "width_median", "width_weighted"}]  # fmt: skip
    off = found.select((pl.sum_horizontal(parts) - pl.col("width_mean")).abs().max()).item()
    assert (off or 0.0) <= EXACT
    assert all(((found[name] >= -ITERATION) | found[name].is_null()).all() for name in parts)
    shares = found.select(pl.col("^share_.*$").drop_nulls().is_between(0.0, 1.0 + EXACT).all()).row(0)
    assert all(shares)
    if by is None:
        width = scores.with_columns(width=pl.col("exposure_high") - pl.col("exposure_low")).group_by("date")
        mean, median = (dict(width.agg(x).rows()) for x in (pl.col("width").mean(), pl.col("width").median()))
        assert found["width_mean"].to_list() == pytest.approx(
            [mean[day] for day in found["date"]], nan_ok=True
        )
        assert found["width_median"].to_list() == pytest.approx(
            [median[day] for day in found["date"]], nan_ok=True
        )


def test_who_left_and_why():
    universe = pl.DataFrame({"date": ["2024-01-31"] * 2 + ["2024-02-29"], "asset_id": ["a", "b", "a"]})
    universe = universe.with_columns(pl.col("date").str.to_date(), market_cap=pl.Series([3.0, 1.0, 3.0]))
    tables = kf.Tables(universe=universe, revenue_ties=ties(("b", "p", 0.3), day=date(2024, 1, 1)))
    found = kf.coverage_report(tables, ["2024-01-31", "2024-02-29"])
    assert found.left.select("asset_id", "why").rows() == [("b", "left the universe")]
    assert found.table["left"].to_list() == [0, 1]
    assert found.table["share_ties"].to_list() == [0.25, 0.0]
    facts = kf.Tables(revenue_ties=ties(("b", "p", 0.3)))
    assert kf.coverage_report(facts, ["2024-02-29", "2025-12-31"]).left["why"].to_list() == [
        "its data expired"
    ]


def test_coverage_refuses_what_the_universe_lacks():
    tables = kf.Tables(revenue_ties=ties(("b", "p", 0.3)))
    with pytest.raises(DataError, match="needs a universe with the column 'market_cap'"):
        kf.coverage_report(tables, ["2024-02-29"], by="size")
    with pytest.raises(DefinitionError, match="by must be one of industry, size"):
        kf.coverage_report(tables, ["2024-02-29"], by="country")


def test_a_definition_of_the_scores_is_the_one_used():
    definition = replace(
        kf.FactorDefinition(), supplier_ties=kf.definition.SupplierTies(delta=0.2, uncovered="zero")
    )
    why = explained("s", ("s", "c", 0.5), ("c", "p", 0.4), definition=definition)
    assert why.exposure.value == pytest.approx(0.5 * 0.2 * 0.4 * 0.6, abs=ITERATION)
    assert_adds_up(why.tree)
    nobody = explained("p", ("s", "p", 0.5), definition=definition)
    assert nobody.find("ai_revenue").value == 0.0
    assert nobody.bounds.value == nobody.bounds.find("undisclosed remainder").contribution
