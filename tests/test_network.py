"""The supplier network: who is central, on whom suppliers depend, the graph in other tools, its picture."""

import sys
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings

import kifactors as kf
from kifactors.errors import DataError, DateError, DefinitionError, MissingExtraError
from tests import worlds

DAY = date(2024, 1, 1)
NOW = "2023-07-31"
FINE = kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(tolerance=1e-14))
few = settings(max_examples=10, deadline=None)


def ties(rows):
    """(supplier, customer, share) as a table."""
    supplier, customer, share = zip(*rows, strict=True)
    return {
        "supplier_id": supplier, "customer_id": customer, "customer_label": customer, "revenue_share": share,
        "period_end": [DAY] * len(rows), "available_at": [DAY] * len(rows),
    }  # fmt: skip


def spends(**shares):
    n = len(shares)
    return {
        "asset_id": list(shares),
        "share": list(shares.values()),
        "available_at": [DAY] * n,
        "provenance": ["assumed"] * n,
    }


@pytest.fixture(scope="module")
def real():
    return kf.network.graph(kf.load_bundled(), "2026-10-31")


@few
@given(worlds.seeds)
def test_what_passes_through_is_what_a_customer_that_leaves_takes_away(seed):
    """An oracle: solve again without what each customer buys."""
    tables = kf.Tables(**worlds.build(seed, universe=False))
    held = kf.scenario(tables, FINE, NOW)
    system, ids = held.system, held.snapshot.ids
    assume(system.revenue.sum() > 0)
    n, delta = len(ids), system.spec.delta
    W = np.zeros((n, n))
    np.add.at(
        W, (np.repeat(np.arange(n), np.diff(system.graph.rows)), system.graph.customers), system.graph.flow
    )
    found = kf.network.centrality(tables, NOW, FINE, weights="equal").customers
    assert found["through"].is_sorted(descending=True)
    for row in found.iter_rows(named=True):
        j = ids.index(row["asset_id"])
        left = W.copy()
        left[:, j] = 0.0
        r = np.linalg.solve(
            np.eye(n) - left * delta * (1 - system.theta), system.unexplained + left @ system.theta
        )
        lost = (system.revenue - r).sum() / system.revenue.sum()
        assert row["through"] == pytest.approx(lost, abs=1e-10)
        assert row["direct"] <= row["through"] + 1e-10


@few
@given(worlds.seeds)
def test_concentration_is_that_of_a_dense_solution(seed):
    tables = kf.Tables(**worlds.build(seed, universe=False))
    held = kf.scenario(tables, FINE, NOW)
    system, ids = held.system, held.snapshot.ids
    n = len(ids)
    W = np.zeros((n, n))
    np.add.at(
        W, (np.repeat(np.arange(n), np.diff(system.graph.rows)), system.graph.customers), system.graph.flow
    )
    parts = np.linalg.solve(np.eye(n) - W * system.spec.delta * (1 - system.theta), W * system.theta)
    for row in kf.network.centrality(tables, NOW, FINE).suppliers.iter_rows(named=True):
        own = parts[ids.index(row["asset_id"])]
        if own.sum() < 1e-12:
            assert row["herfindahl"] is None
            continue
        share = own / own.sum()
        assert row["herfindahl"] == pytest.approx((share**2).sum(), abs=1e-9)
        assert row["largest_share"] == pytest.approx(share.max(), abs=1e-9)
        assert row["traced"] == pytest.approx(own.sum() / row["ai_revenue"], abs=1e-9)


def test_revenue_weights_where_it_is_known():
    """a earns 100 million, b 300: 50 and 60 of AI revenue."""
    facts = pl.DataFrame({"asset_id": ["a", "b", "a", "b"], "metric": ["revenue"] * 2 + ["capex"] * 2,
                          "value": [1e8, 3e8, 1e6, 1e6]}).with_columns(
        currency=pl.lit("USD"), period_start=date(2022, 1, 1), period_end=date(2022, 12, 31),
        available_at=date(2023, 2, 1),
    )  # fmt: skip
    frames = {
        "revenue_ties": ties([("a", "p", 0.5), ("b", "q", 0.2)]),
        "ai_capex_share": spends(p=1.0, q=1.0),
    }
    both = kf.network.centrality(kf.Tables(**frames, fundamentals=facts), "2024-01-31")
    assert both.customers.select("asset_id", "weighting").rows() == [("q", "revenue"), ("p", "revenue")]
    assert both.customers["through"].to_list() == pytest.approx([60 / 110, 50 / 110])
    some = kf.Tables(**frames, fundamentals=facts.filter(asset_id="b"))
    assert kf.network.centrality(some, "2024-01-31").customers["weighting"].unique().to_list() == ["equal"]
    forced = kf.network.centrality(some, "2024-01-31", weights="revenue")
    assert forced.customers.filter(asset_id="q")["through"].item() == pytest.approx(1.0)
    assert forced.left_out["suppliers"].to_list() == [1]


def test_a_cycle_is_not_counted_twice():
    tables = kf.Tables(
        revenue_ties=ties([("a", "b", 1.0), ("b", "a", 0.5), ("b", "p", 0.5)]), ai_capex_share=spends(p=1.0)
    )
    found = kf.network.centrality(tables, "2024-01-31", FINE).customers
    assert found.row(0, named=True)["through"] == pytest.approx(1.0)
    # Without a as a customer b has 0.5 and a 0.25, of 4 / 7 and 2 / 7.
    assert found.filter(asset_id="a")["through"].item() == pytest.approx(1 - 0.75 / (6 / 7))


def test_over_dates_and_refusals():
    tables = kf.load_bundled()
    found = kf.network.centrality(tables, ["2025-10-31", "2026-10-31"])
    assert found.left_out["date"].to_list() == [date(2025, 10, 31), date(2026, 10, 31)]
    assert found.customers.group_by("date", maintain_order=True).first()["ticker"].to_list() == [
        "MSFT",
        "MSFT",
    ]
    assert "2 date(s)" in repr(found)
    with pytest.raises(DataError, match="expected 'revenue'"):
        kf.network.centrality(tables, weights="cap")
    with pytest.raises(DateError, match="nothing is known"):
        kf.network.centrality(tables, "1900-01-01")
    stops = kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(max_tiers=1))
    with pytest.raises(DefinitionError, match="max_tiers"):
        kf.network.centrality(tables, "2026-10-31", stops)


def test_ties_carry_what_the_factor_says(real):
    carried = real.edges.group_by("supplier_id").agg(pl.col("ai_revenue").sum()).rows()
    r = dict(real.nodes.select("asset_id", "ai_revenue").rows())
    assert all(value <= r[supplier] + 1e-9 for supplier, value in carried)
    tie = real.edges.row(by_predicate=(pl.col("supplier") == "CRWV"), named=True)
    assert (tie["customer"], tie["revenue_share"], str(tie["published"])) == ("MSFT", 0.67, "2026-07-02")
    assert tie["source"].startswith("https://")
    earlier = kf.network.graph(kf.load_bundled(), "2026-06-30").edges.filter(supplier="CRWV")
    assert earlier["revenue_share"].to_list() == [0.62]


def test_other_tools_see_the_same_graph(real, tmp_path):
    nx = pytest.importorskip("networkx")
    found = real.to_networkx()
    assert (found.number_of_nodes(), found.number_of_edges()) == (real.nodes.height, real.edges.height)
    anet, msft = "cik:0001596532", "cik:0000789019"
    assert found.edges[anet, msft, 0]["revenue_share"] == 0.26
    matrix = real.to_scipy()
    ids = real.nodes["asset_id"].to_list()
    assert matrix[ids.index(anet), ids.index(msft)] == 0.26
    assert matrix.sum() == pytest.approx(real.edges["flow"].sum())
    real.to_graphml(tmp_path / "net.graphml")
    again = nx.read_graphml(tmp_path / "net.graphml", force_multigraph=True)
    assert set(again.nodes) == set(ids)
    assert again.nodes[msft]["theta"] == 0.67
    assert next(iter(again[anet][msft].values()))["published"] == "2026-07-02"
    assert real.edges.to_arrow().num_rows == real.edges.height


@pytest.mark.parametrize(
    ("module", "method", "extra"),
    [("networkx", "to_networkx", "network"), ("scipy.sparse", "to_scipy", "scipy")],
)
def test_a_missing_library_names_its_extra(real, monkeypatch, module, method, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"kifactors\[{extra}\]"):
        getattr(real, method)()


def test_a_company_without_ties_has_no_picture(real):
    with pytest.raises(DataError, match="'ORCL' has no tie"):
        real.around("ORCL")
    with pytest.raises(DataError, match=r"near it are .*ANET"):
        real.around("ANTE")
    with pytest.raises(DataError, match="at least 1"):
        real.around("ANET", depth=0)


def crowd(n):
    """One hub that sells to pioneers and buys from suppliers with long names; n companies in all."""
    rng = np.random.default_rng(3)
    names = [f"company number {k:02d}" for k in range(n - 1)]
    rows = [("hub", name, 0.04) for name in names[: n // 3]]
    rows += [(name, "hub", float(rng.uniform(0.05, 0.6))) for name in names[n // 3 :]]
    rows += [(name, names[int(rng.integers(n // 3))], 0.2) for name in names[n // 3 :: 2]]
    shares = dict.fromkeys(names[: n // 3], 0.5)
    return kf.network.graph(kf.Tables(revenue_ties=ties(rows), ai_capex_share=spends(**shares)), "2024-01-31")


@pytest.mark.parametrize("n", [3, 12, 30, 60])
def test_labels_do_not_overlap(n):
    pytest.importorskip("matplotlib")
    ax = crowd(n).plot("hub")
    figure = ax.get_figure()
    figure.draw_without_rendering()
    boxes = [(t.get_text(), t.get_bbox_patch().get_window_extent()) for t in ax.texts]
    names = [name for name, _ in boxes if not name.endswith("%")]
    assert len(names) == min(n, 30)
    for k, (name, box) in enumerate(boxes):
        others = [other for other, its in boxes[:k] if box.overlaps(its)]
        assert not others, f"{name} lies on {others}"
    title = ax.get_title(loc="left")
    assert ("30 of 60 companies" in title) == (n == 60)
    # Nothing is cut off.
    edge = figure.bbox
    assert all(
        edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1
        for _, box in boxes
    )


def test_the_same_graph_gives_the_same_picture(real, tmp_path):
    pytest.importorskip("matplotlib")
    for form in ("svg", "png"):
        written = []
        for name in ("one", "two"):
            path = tmp_path / f"{name}.{form}"
            getattr(kf.network.graph(kf.load_bundled(), "2026-10-31"), f"to_{form}")(path, "CRWV")
            written.append(path.read_bytes())
        assert written[0] == written[1]
    text = (tmp_path / "one.svg").read_text()
    assert all(f">{word}<" in text for word in ("CRWV", "MSFT", "CORZ", "67 %"))
