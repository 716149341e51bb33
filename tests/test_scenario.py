"""Scenarios: equal to changed tables computed again, additive over tiers, monotone, linear up to the first switch."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError, DateError, DefinitionError
from kifactors.graph import TieGraph, propagate, weighted_customers
from kifactors.scenarios import Shock
from kifactors.scenarios._system import Case, System, derivatives, solve, tiers
from tests import worlds
from tests.strategies import networks

FINE = 1e-14  # so that iterations stop far below what is compared
EXACT = 1e-12
DEFINITION = kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(tolerance=FINE))
NOW = "2023-07-31"
DAY = date(2024, 1, 1)
MODES = st.sampled_from(["floor", "follows"])
few = settings(max_examples=12, deadline=None)


def world(seed, *, universe=False):
    return kf.Tables(**worlds.build(seed, universe=universe))


def prepared(tables, **options):
    return kf.scenario(tables, DEFINITION, NOW, **options)


def after(found, column="ai_revenue_after", scenario="shock"):
    return {
        row["asset_id"]: row[column]
        for row in found.to_polars().filter(scenario=scenario).iter_rows(named=True)
    }


def computed(tables, column="ai_revenue"):
    frame = kf.AIInfrastructureExposure(DEFINITION).compute(tables, [NOW]).to_polars()
    return dict(zip(frame["asset_id"], frame[column], strict=True))


def same(ours, theirs, tolerance=EXACT):
    """Check the assets of ours; theirs may know more."""
    for asset, value in ours.items():
        if value is None:
            assert theirs[asset] is None, asset
        else:
            assert theirs[asset] == pytest.approx(value, abs=tolerance), asset


def pioneers(tables):
    return list(prepared(tables).groups["pioneers"])


def spending_less(tables, shock):
    """Write a cut of AI spending into tables: the AI part of a customer's purchases becomes a customer of its own."""
    held = prepared(tables)
    theta = dict(zip(held.snapshot.ids, held.system.theta, strict=True))
    rows = []
    for row in tables.revenue_ties.iter_rows(named=True):
        customer = row["customer_id"]
        if customer not in shock or theta.get(customer, 0.0) == 0.0:
            rows.append(row)
            continue
        share, flow = theta[customer], 1.0 if row["ai_share"] is None else row["ai_share"]
        spent = {"customer_id": f"spending of {customer}", "customer_label": f"spending of {customer}"}
        factor = 1.0 + shock[customer]
        rows.append(row | spent | {"revenue_share": row["revenue_share"] * share, "ai_share": flow * factor})
        if share < 1.0:
            rows.append(row | {"revenue_share": row["revenue_share"] * (1.0 - share)})
    spends = tables.ai_capex_share.filter(~pl.col("asset_id").is_in(list(shock)))
    said = [{"asset_id": f"spending of {one}", "share": 1.0} for one in shock]
    said += [{"asset_id": one, "share": 0.0} for one in shock]
    told = pl.DataFrame(said).with_columns(
        available_at=pl.lit(date(2019, 1, 1)), provenance=pl.lit("assumed")
    )
    ties = pl.DataFrame(rows, schema=tables.revenue_ties.schema)
    return tables.replace(revenue_ties=ties, ai_capex_share=pl.concat([spends.select(told.columns), told]))


@few
@given(worlds.seeds, st.lists(st.floats(-1.0, 0.0), min_size=5, max_size=5))
def test_a_cut_equals_changed_tables_computed_again(seed, cuts):
    tables = world(seed)
    assume(tables.revenue_ties is not None)
    spenders = pioneers(tables)
    assume(spenders)
    shock = dict(zip(spenders, cuts, strict=False))
    found = prepared(tables, disclosed="floor").shock(shock)
    same(after(found), computed(spending_less(tables, shock)))


@few
@given(worlds.seeds, st.floats(0.05, 1.0), st.data())
def test_another_theta_equals_changed_tables_computed_again(seed, share, data):
    tables = world(seed, universe=data.draw(st.booleans()))
    spenders = pioneers(tables)
    assume(spenders)
    asset = data.draw(st.sampled_from(spenders))
    said = tables.ai_capex_share.filter(pl.col("asset_id") != asset)
    told = said.clear(0).extend(
        pl.DataFrame(
            {
                "asset_id": [asset],
                "share": [share],
                "available_at": [date(2019, 1, 1)],
                "provenance": ["assumed"],
            },
            schema=said.schema,
        )
    )
    changed = tables.replace(ai_capex_share=pl.concat([said, told]))
    found = prepared(tables, disclosed="floor").shock(theta={asset: share})
    same(after(found), computed(changed))
    same(after(found, "exposure_after"), computed(changed, "exposure"))
    scores = found.scores()
    ours = dict(zip(scores["asset_id"], scores["score_after"], strict=True))
    same(ours, computed(changed, "score"), 1e-9)


@few
@given(worlds.seeds, st.data())
def test_a_lost_tie_equals_changed_tables_computed_again(seed, data):
    tables = world(seed)
    held = prepared(tables, disclosed="floor")
    graph = held.system.graph
    assume(graph.flow.size)
    tie = data.draw(st.integers(0, graph.flow.size - 1))
    supplier = held.snapshot.ids[int(np.searchsorted(graph.rows, tie, side="right")) - 1]
    customer = held.snapshot.ids[graph.customers[tie]]
    lost = (pl.col("supplier_id") == supplier) & (pl.col("customer_id") == customer)
    # Without a name it carries nothing.
    unnamed = pl.when(~lost).then("customer_id").alias("customer_id")
    changed = tables.replace(revenue_ties=tables.revenue_ties.with_columns(unnamed))
    found = held.shock(lost_ties=[(supplier, customer)])
    same(after(found), computed(changed))
    same(after(found, "exposure_after"), computed(changed, "exposure"))


@few
@given(worlds.seeds, st.sampled_from(worlds.ASSETS))
def test_a_company_that_leaves_equals_tables_without_it(seed, asset):
    tables = world(seed)
    away = pl.col("customer_id") == asset
    frames = dict(tables)
    for name, frame in frames.items():
        for key in ("asset_id", "supplier_id"):
            if key in frame.columns:
                frames[name] = frames[name].filter(pl.col(key) != asset)
    if tables.revenue_ties is not None:
        frames["revenue_ties"] = frames["revenue_ties"].with_columns(
            pl.when(~away.fill_null(value=False)).then("customer_id").alias("customer_id")
        )
    changed = kf.Tables(**frames)
    held = prepared(tables, disclosed="floor")
    assume(asset in held.snapshot.panel["asset_id"].cast(pl.String).to_list())
    found = held.shock(gone=[asset])
    ours = after(found)
    assert ours.pop(asset) is None
    same(ours, computed(changed))
    scores = found.scores().filter(pl.col("asset_id") != asset)
    same(
        dict(zip(scores["asset_id"], scores["score_index_membership_after"], strict=True)),
        computed(changed, "score_index_membership"),
        1e-9,
    )


def test_a_cut_of_capex_equals_changed_facts():
    """AI capex is half of 40 of revenue 100: a cut of half of it leaves 30, a third of that AI."""
    theta = {"asset_id": ["p"], "available_at": [date(2023, 2, 1)], "provenance": ["assumed"]}

    def tables(capex, share):
        facts = pl.DataFrame({"metric": ["capex", "revenue"], "value": [capex, 1e8]}).with_columns(
            asset_id=pl.lit("p"), currency=pl.lit("USD"), period_start=date(2022, 1, 1),
            period_end=date(2022, 12, 31), available_at=date(2023, 2, 1),
        )  # fmt: skip
        return kf.Tables(fundamentals=facts, ai_capex_share=theta | {"share": [share]})

    for capex, cut_to, share in ((40e6, 30e6, 1 / 3), (160e6, 120e6, 1 / 3)):
        found = after(prepared(tables(capex, 0.5)).shock({"p": -0.5}), "exposure_after")
        same(found, computed(tables(cut_to, share), "exposure"))


def test_guidance_moves_the_score_alone():
    tables = kf.load_bundled()
    found = kf.scenario(tables, date="2026-10-31").shock(guidance={"META": -0.5})
    assert found.worst().is_empty()
    scores = found.scores()
    changed = scores.filter(pl.col("ticker") == "META")
    assert changed["score_change"].item() < 0
    frame = tables.capex_guidance
    low = pl.when(pl.col("asset_id") == changed["asset_id"].item()).then(0.5).otherwise(1.0)
    again = tables.replace(capex_guidance=frame.with_columns(pl.col("low", "high") * low))
    theirs = kf.AIInfrastructureExposure().compute(again, ["2026-10-31"]).to_polars()
    expected = dict(zip(theirs["asset_id"], theirs["score"], strict=True))
    same(dict(zip(scores["asset_id"], scores["score_after"], strict=True)), expected, 1e-9)


def test_nothing_changes_without_a_shock():
    found = kf.scenario(kf.load_bundled(), date="2026-10-31").shock()
    frame = found.to_polars()
    assert frame["rank_change"].drop_nulls().unique().to_list() == [0]
    assert frame["exposure_change"].drop_nulls().abs().max() < 1e-15
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-10-31"]).to_polars()
    assert frame["exposure"].to_list() == scores["exposure"].to_list()
    told = found.scores()
    assert told["score"].to_list() == scores["score"].to_list() == told["score_after"].to_list()


# Systems on networks with loops, cycles and parallel ties.


@st.composite
def systems(draw, *, follows=None):
    """Draw a solved system of one date."""
    network = draw(networks().filter(lambda n: n.offsets.size > 1 and n.offsets[1] > 1))
    n = int(network.offsets[1])
    ties = slice(0, int(network.rows[n]))
    nodes = pl.DataFrame({"date": [1] * n, "asset_id": [f"n{k}" for k in range(n)]})
    flow, customers = network.flow[ties], network.customers[ties].astype(np.int32)
    graph = TieGraph(nodes, np.array([0, n]), network.rows[: n + 1], customers, flow, np.zeros(n))
    theta, disclosed = network.theta[:n], network.disclosed[:n]
    spec = kf.definition.SupplierTies(tolerance=FINE, delta=draw(st.sampled_from([0.0, 0.25, 0.5, 0.9])))
    revenue = propagate(graph, theta=theta, disclosed=disclosed, ties=spec).revenue
    reached = weighted_customers(graph, theta + spec.delta * (1 - theta) * revenue)
    gap = np.where(revenue - reached > EXACT, revenue - reached, 0.0)
    if draw(st.booleans()) if follows is None else follows:
        return System(graph, theta, 0 * theta, gap, revenue, reached + gap, spec)
    return System(graph, theta, disclosed, 0 * theta, revenue, reached, spec)


def dense(graph):
    W = np.zeros((graph.nodes.height,) * 2)
    np.add.at(W, (np.repeat(np.arange(len(W)), np.diff(graph.rows)), graph.customers), graph.flow)
    return W


@st.composite
def cases(draw, system, *, low=-1.0, high=1.0, ties=True):
    n, m = system.theta.size, system.graph.flow.size
    node = st.integers(0, n - 1)
    spending = draw(st.dictionaries(node, st.floats(1 + low, 1 + high), max_size=3))
    if not ties:
        return Case(spending, {})
    theta = draw(st.dictionaries(node, st.floats(0, 1), max_size=2))
    lost = draw(st.frozensets(st.integers(0, m - 1), max_size=2)) if m else frozenset()
    return Case(spending, theta, lost)


def error_of(system):
    """Two solutions, each wrong by its bound, and what a value above 1 is scaled by."""
    return 80 * FINE / (1 - system.spec.delta) + 1e-13


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_solutions_solve_their_equation(data):
    system = data.draw(systems())
    several = data.draw(st.lists(cases(system), min_size=1, max_size=6))
    revenue, error = solve(system, several)
    assert (error <= 20 * FINE).all()
    for case, r in zip(several, revenue.T, strict=True):
        graph = system.graph
        W = dense(
            replace(graph, flow=np.where(np.isin(np.arange(graph.flow.size), list(case.lost)), 0, graph.flow))
        )
        theta, spent = system.theta.copy(), np.ones_like(system.theta)
        theta[list(case.theta)] = list(case.theta.values())
        spent[list(case.spending)] = list(case.spending.values())
        x = system.unexplained + W @ (spent * theta + system.spec.delta * (1 - theta) * r)
        np.testing.assert_allclose(r, np.maximum(system.disclosed, x), atol=error_of(system))
        alone = solve(system, [case])[0][:, 0]
        np.testing.assert_array_equal(alone, r)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_tiers_add_up(data):
    system = data.draw(systems())
    case = data.draw(cases(system))
    r = solve(system, [case])[0][:, 0]
    found = tiers(system, case, r, count=3)
    np.testing.assert_allclose(found.sum(axis=1), r - system.revenue, atol=EXACT)
    # Not because what is beyond was made to fit: it dies out.
    found = tiers(system, case, r, count=400)
    np.testing.assert_allclose(found[:, :-1].sum(axis=1), r - system.revenue, atol=EXACT)
    assert np.abs(found[:, -1]).max() < EXACT


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_less_spending_raises_nobody_and_more_lowers_nobody(data):
    system = data.draw(systems())
    less, more = data.draw(cases(system, high=0.0, ties=False)), data.draw(cases(system, low=0.0, ties=False))
    down, up = solve(system, [less, more])[0].T
    assert (down <= system.revenue + error_of(system)).all()
    assert (up >= system.revenue - error_of(system)).all()


@settings(max_examples=50, deadline=None)
@given(st.data(), st.floats(0.0, 1.0))
def test_where_disclosed_shares_follow_the_change_is_linear(data, part):
    system = data.draw(systems(follows=True))
    one, two = (data.draw(cases(system, ties=False)) for _ in range(2))
    both = {
        node: 1 + part * (one.spending.get(node, 1) - 1) + (1 - part) * (two.spending.get(node, 1) - 1)
        for node in {*one.spending, *two.spending}
    }
    a, b, mixed = solve(system, [one, two, Case(both, {})])[0].T
    np.testing.assert_allclose(mixed, part * a + (1 - part) * b, atol=4 * error_of(system))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_derivatives_are_those_of_differences(data):
    """Up to a switch the change is the derivative times the shock, and not beyond."""
    system = data.draw(systems())
    node = data.draw(st.integers(0, system.theta.size - 1))
    direct = dense(system.graph)[:, [node]] * system.theta[node]
    dr, dx = derivatives(system, direct)
    gap = system.disclosed - system.reached
    size = 1e-3
    switches = ~system.active & (dx[:, 0] * size >= gap)
    assume(not switches.any())
    grown = solve(system, [Case({node: 1 + size}, {})])[0][:, 0]
    np.testing.assert_allclose(grown, system.revenue + size * dr[:, 0], atol=4 * error_of(system))
    inactive = ~system.active
    assert (dr[inactive] == 0).all()
    np.testing.assert_allclose(dx[~inactive], dr[~inactive], atol=1e-11)


@settings(max_examples=50, deadline=None)
@given(worlds.seeds, st.floats(0.05, 1.0))
def test_linear_until_is_where_it_bends(seed, size):
    held = prepared(world(seed), disclosed="floor")
    shock = dict.fromkeys(held.groups["pioneers"], -size)
    assume(shock)
    whole = held.shock(shock)
    until = whole.linear_until()
    r = {name: after(held.shock({one: v * part for one, v in shock.items()}))
         for name, part in (("half", min(until, 1.0) / 2), ("to", min(until, 1.0)), ("whole", 1.0))}  # fmt: skip
    before = after(held.shock())
    for asset, start in before.items():
        if start is not None:
            assert r["half"][asset] - start == pytest.approx((r["to"][asset] - start) / 2, abs=1e-11)
    if until < 0.99:
        bent = [
            abs((r["to"][a] - s) - until * (r["whole"][a] - s)) for a, s in before.items() if s is not None
        ]
        assert max(bent) > 0
        assert whole.to_polars()["switched"].any()
    elif until > 1.01:
        assert not whole.to_polars()["switched"].any()


def test_elasticities_of_real_companies_are_their_shares():
    """Microsoft buys 26 % of Arista's revenue, 67 % of it AI; CoreWeave is 20.5 % of Core Scientific's."""
    found = kf.scenario(kf.load_bundled(), date="2026-10-31").elasticities(["MSFT", "CRWV"]).to_polars()
    rows = {(r["supplier"], r["pioneer"]): r for r in found.iter_rows(named=True)}
    assert rows["ANET", "MSFT"]["d_theta"] == pytest.approx(0.26)
    assert rows["ANET", "MSFT"]["d_spending"] == pytest.approx(0.26 * 0.67)
    assert rows["CORZ", "CRWV"]["d_spending"] == pytest.approx(0.205)
    # All of CoreWeave's spending is AI spending, so that what it buys does not depend on its own customers.
    assert ("CORZ", "MSFT") not in rows


# Names, groups, dates: the right answer or a clear error.


def chain(**more):
    """b sells 40 % to a, a half of its revenue to p; c is on its own."""
    ties = {"supplier_id": ["a", "b", "c"], "customer_id": ["p", "a", None], "customer_label": ["P", "A", "X"],
            "revenue_share": [0.5, 0.4, 0.3], "period_end": [DAY] * 3, "available_at": [DAY] * 3}  # fmt: skip
    theta = {
        "asset_id": ["p", "q"],
        "share": [0.6, 1.0],
        "available_at": [DAY] * 2,
        "provenance": ["assumed"] * 2,
    }
    return kf.Tables(**({"revenue_ties": ties, "ai_capex_share": theta} | more))


def test_a_cycle_and_self_supply_through_a_third_party():
    """a sells to b, b to c, c to a, each all of its revenue; c also discloses nothing: shares add up to exactly 1."""
    ties = {"supplier_id": ["a", "b", "c", "c"], "customer_id": ["b", "c", "a", "p"], "customer_label": list("bcap"),
            "revenue_share": [1.0, 1.0, 0.5, 0.5], "period_end": [DAY] * 4, "available_at": [DAY] * 4}  # fmt: skip
    theta = {"asset_id": ["p"], "share": [1.0], "available_at": [DAY], "provenance": ["assumed"]}
    held = kf.scenario(kf.Tables(revenue_ties=ties, ai_capex_share=theta), DEFINITION, "2024-01-31")
    found = held.shock({"p": -0.5})
    # c = 0.5 + 0.5 * 0.5 * a, a = 0.5 b, b = 0.5 c: c = 0.5 / (1 - 1 / 16).
    c = 0.5 / (1 - 1 / 16)
    changes = (
        found.to_polars().filter(pl.col("asset_id").is_in(["a", "b", "c"]))["ai_revenue_change"].to_list()
    )
    assert changes == pytest.approx([-c / 8, -c / 4, -c / 2], abs=EXACT)
    by_tier = found.tiers(count=4).filter(asset_id="c")
    assert by_tier.select("tier_1", "tier_2", "tier_3", "tier_4").row(0) == pytest.approx(
        (-0.25, 0, 0, -0.25 / 16)
    )


def test_equal_companies_stay_equal():
    """What an iteration leaves open moves nobody: one disclosed 0.3, another earns as much from elsewhere."""
    rows = [("a", "p", 0.5), ("b", "q", 0.3), ("d", "e", 0.7), ("e", "d", 0.7), ("e", "q", 0.3)]
    supplier, customer, share = zip(*rows, strict=True)
    ties = {"supplier_id": supplier, "customer_id": customer, "customer_label": customer, "revenue_share": share,
            "period_end": [DAY] * 5, "available_at": [DAY] * 5}  # fmt: skip
    shares = {"asset_id": ["f"], "share": [0.3], "scope": ["ai"], "period_end": [DAY], "available_at": [DAY]}
    frame = (
        kf.scenario(chain(revenue_ties=ties, ai_revenue_share=shares), date="2024-01-31")
        .shock({"p": -0.01})
        .to_polars()
    )
    same = frame.filter(pl.col("asset_id").is_in(["b", "d", "e", "f"]))
    assert same["ai_revenue_change"].to_list() == [0.0] * 4
    assert frame.filter(asset_id="b")["rank_after"].item() == frame.filter(asset_id="f")["rank_after"].item()


def test_a_disconnected_company_changes_nothing():
    held = kf.scenario(chain(), date="2024-01-31")
    found = held.shock({"q": -1.0, "c": -1.0})
    assert found.worst().is_empty()
    assert found.tiers().is_empty()
    assert found.linear_until() == np.inf


def test_groups_and_names_of_their_own():
    held = kf.scenario(chain(), date="2024-01-31", groups={"others": ["c"]})
    assert held.groups == {"pioneers": ("p", "q"), "others": ("c",)}
    some = held.shocks(
        {"all": {"pioneers": -0.2}, "but p": {"pioneers": -0.2, "p": 0.0}, "grow": Shock(capex={"p": 1.0})}
    )
    change = some.to_polars().filter(asset_id="a")["ai_revenue_change"].to_list()
    assert change == pytest.approx([-0.06, 0.0, 0.3])
    with pytest.raises(DataError, match="'p' is in two groups"):
        kf.scenario(chain(), date="2024-01-31", groups={"g": ["p"]}).shock({"pioneers": -0.2, "g": -0.1})


def test_more_spending_may_make_more_than_all_revenue_of_today():
    ties = {"supplier_id": ["a"], "customer_id": ["p"], "customer_label": ["P"], "revenue_share": [1.0],
            "period_end": [DAY], "available_at": [DAY]}  # fmt: skip
    theta = {"asset_id": ["p"], "share": [1.0], "available_at": [DAY], "provenance": ["assumed"]}
    found = kf.scenario(kf.Tables(revenue_ties=ties, ai_capex_share=theta), date="2024-01-31").shock(
        {"p": 0.5}
    )
    row = found.to_polars().row(by_predicate=pl.col("asset_id") == "a", named=True)
    assert (row["ai_revenue_after"], row["exposure_after"]) == (1.5, 1.0)


def test_revenue_without_named_customers_moves_only_if_told():
    shares = {"asset_id": ["a"], "share": [0.5], "scope": ["ai"], "period_end": [DAY], "available_at": [DAY]}
    held = kf.scenario(chain(ai_revenue_share=shares), date="2024-01-31")
    # 0.3 of 0.5 is the named customer's.
    changes = [after(held.shock({"p": -0.5}, unnamed=unnamed))["a"] - 0.5 for unnamed in (0.0, -0.5)]
    assert changes == pytest.approx([-0.15, -0.25])
    floor = kf.scenario(chain(ai_revenue_share=shares), date="2024-01-31", disclosed="floor")
    assert after(floor.shock({"p": -0.5}))["a"] == 0.5
    with pytest.raises(DataError, match="Use disclosed='follows'"):
        floor.shock({"p": -0.5}, unnamed=-0.5)


@pytest.mark.parametrize(
    ("shock", "says"),
    [
        ({"capex": {"MFST": -0.3}}, "near it are .*MSFT"),
        ({"capex": {"MSFT": -30}}, "at least -1, like -0.3"),
        ({"capex": {"MSFT": float("nan")}}, "at least -1"),
        ({"theta": {"MSFT": 1.2}}, "a share from 0 to 1"),
        ({"lost_ties": [("ANET", "NVDA")]}, "it names META, MSFT"),
        ({"lost_ties": [("MSFT",)]}, "expected pairs"),
        ({"lost_ties": [("GOOGL", "MSFT")]}, "has no tie|does not sell"),
        ({"gone": "MSFT"}, "expected a list"),
        ({"gone": ["zzzzzzzzzzz"]}, "nothing is near it"),
        ({"unnamed": -2.0}, "at least -1"),
    ],
)
def test_errors_say_what_to_do(shock, says):
    with pytest.raises(DataError, match=says):
        kf.scenario(kf.load_bundled(), date="2026-10-31").shock(**shock)


def test_dates_and_definitions_that_have_no_answer():
    with pytest.raises(DateError, match="nothing is known on 1900-01-01"):
        kf.scenario(kf.load_bundled(), date="1900-01-01")
    stops = kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(max_tiers=2))
    with pytest.raises(DefinitionError, match="max_tiers = 2"):
        kf.scenario(chain(), stops, "2024-01-31")
    with pytest.raises(DataError, match="expected one of follows, floor"):
        kf.scenario(chain(), date="2024-01-31", disclosed="stays")
    with pytest.raises(DataError, match="there is no shock"):
        kf.scenario(chain(), date="2024-01-31").shocks({})
    with pytest.raises(DataError, match="expected one of x, y"):
        kf.scenario(chain(), date="2024-01-31").shocks({"x": {}, "y": {}}).tiers()


def test_a_company_is_named_once():
    """A ticker and an id of one company: neither of the two numbers counts more."""
    found = kf.scenario(kf.load_bundled())
    for shock in (
        {"capex": {"MSFT": -0.3, "cik:0000789019": -0.2}},
        {"theta": {"cik:0000789019": 0.2, "MSFT": 0.3}},
    ):
        with pytest.raises(DataError, match="are the same company"):
            found.shock(**shock)


@pytest.mark.parametrize("day", ["1990-01-01", "2099-01-01"])
def test_a_date_on_which_nobody_has_anything_to_lose_is_refused(day):
    with pytest.raises(DateError, match=f"nobody has AI revenue or AI spending on {day}"):
        kf.scenario(kf.load_bundled(), date=day)


def test_the_default_date_is_the_last_one_known():
    assert kf.scenario(kf.load_bundled()).snapshot.day == date(2026, 10, 7)
    days = [date(2024, 1, 31), date(2024, 2, 29)]
    universe = pl.DataFrame({"date": days, "asset_id": ["a", "a"]})
    assert kf.scenario(chain(universe=universe)).snapshot.day == days[-1]


@pytest.mark.parametrize("change", [0.1, 0.25, 0.5, 10.0])
@pytest.mark.parametrize("disclosed", ["follows", "floor"])
def test_rounding_is_no_loss(change, disclosed):
    """Who sells to nobody that spends more is as it was, to the last bit; more spending costs nobody anything."""
    found = kf.scenario(kf.load_bundled(), date="2026-10-07", disclosed=disclosed).shock({"MSFT": change})
    assert found.worst().is_empty()
    moved = found.to_polars().filter(pl.col("ai_revenue") != pl.col("ai_revenue_after"))["ticker"].to_list()
    assert set(moved) <= {"ANET", "AAOI", "CRWV"}


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ({"g": "MSFT"}, "group 'g' is one text, 'MSFT'; expected a list"),
        ({"META": ["MSFT"]}, "group 'META' has the name of a company"),
        ({"pioneers": ["MSFT"]}, "or of 'pioneers'. Call it otherwise"),
    ],
)
def test_groups_are_lists_with_names_of_their_own(groups, says):
    with pytest.raises(DataError, match=says):
        kf.scenario(kf.load_bundled(), groups=groups)


def test_texts_are_not_taken_for_lists():
    found = kf.scenario(kf.load_bundled())
    with pytest.raises(DataError, match="pioneers is one text"):
        found.elasticities("MSFT")
    with pytest.raises(DataError, match="lost_ties has 'AB'; expected pairs"):
        found.shock(lost_ties=["AB"])


def test_who_begins_to_spend_is_scored_as_if_it_had_been_in_the_tables():
    """AAPL has facts and no AI share of capex; with one, all scores are those of tables that have it."""
    tables, day = kf.load_bundled(), date(2026, 6, 30)
    apple = tables.assets.filter(pl.col("ticker") == "AAPL")["asset_id"][0]
    told = pl.DataFrame(
        {"asset_id": [apple], "share": [0.4], "available_at": [date(2026, 6, 1)], "provenance": ["assumed"]}
    )
    shares = pl.concat(
        [tables.ai_capex_share, told.cast({"asset_id": tables.ai_capex_share.schema["asset_id"]})],
        how="diagonal",
    )
    changed = kf.Tables(**(dict(tables) | {"ai_capex_share": shares}))
    expected = kf.AIInfrastructureExposure().compute(changed, [day]).to_polars()
    found = kf.scenario(tables, date=day, disclosed="floor").shock(theta={"AAPL": 0.4}).scores()
    both = found.join(
        expected.select("asset_id", then="score", pillar="score_capex_intensity"), on="asset_id"
    )
    assert both.height == expected.height
    np.testing.assert_allclose(both["score_after"].to_numpy(), both["then"].to_numpy(), atol=1e-9)
    np.testing.assert_allclose(
        both["score_capex_intensity_after"].to_numpy(), both["pillar"].to_numpy(), atol=1e-9
    )


def test_numbers_of_numpy_are_numbers():
    assert kf.scenarios.Shock(capex={"MSFT": np.float32(-0.5), "META": np.int64(-1)}).capex["META"] == -1.0
