"""A hundred shocks to one date against a hundred computations of changed tables."""

import numpy as np
import polars as pl
from measure import Case
from propagation import network

import kifactors as kf

DAY = "2024-03-31"
DEFINITION = kf.FactorDefinition()


def cases(*, quick: bool) -> list[Case]:
    """Return the case: a date of a large market."""
    firms, ties, count = (2_000, 20_000, 10) if quick else (50_000, 500_000, 100)
    tables, pioneers = tables_of(firms, ties)
    rng = np.random.default_rng(1)
    shocks = {
        f"shock {k}": dict(zip(rng.choice(pioneers, 3, replace=False), -rng.random(3), strict=True))
        for k in range(count)
    }
    held = kf.scenario(tables, date=DAY, disclosed="floor")

    def together() -> np.ndarray:
        return held.shocks(shocks, n_threads=1).revenue

    def with_exposures() -> np.ndarray:
        found = held.shocks(shocks, n_threads=1)
        found.exposures()
        return found.revenue

    def with_ranks() -> np.ndarray:
        found = held.shocks(shocks, n_threads=1)
        found.to_polars()
        return found.revenue

    def one_by_one() -> np.ndarray:
        return np.column_stack(
            [held.shocks({"one": one}, n_threads=1).revenue[:, 0] for one in shocks.values()]
        )

    def recomputed() -> np.ndarray:
        return np.column_stack([_again(tables, one) for one in shocks.values()])

    return [
        Case(
            f"scenario, {firms:,} firms, {ties:,} ties, {count} shocks",
            {
                "kifactors": together,
                "and exposures": with_exposures,
                "and ranks, as a frame": with_ranks,
                "one by one": one_by_one,
                "tie graph and solution again": recomputed,
            },
            rtol=1e-9,
            targets={"tie graph and solution again": 5.0},
            rounds=3,
            limit=1.0,
        )
    ]


def tables_of(firms: int, ties: int) -> tuple[kf.Tables, list[str]]:
    """Return tables of a random network in which pioneers sell to nobody, and the pioneers."""
    rows, customers, flow, theta, disclosed = network(firms, ties)
    supplier = np.repeat(np.arange(firms), np.diff(rows))
    spends = theta > 0
    # A cut at somebody who sells nothing is a smaller share of their ties: changed tables can say it.
    kept = ~spends[supplier] & (flow > 0) & (supplier != customers)
    names = np.array([f"n{k:06d}" for k in range(firms)])
    frame = pl.DataFrame({"supplier_id": names[supplier[kept]], "customer_id": names[customers[kept]],
                          "revenue_share": flow[kept]}).with_columns(
        customer_label=pl.format("tie {}", pl.int_range(pl.len())), ai_share=pl.lit(1.0),
    )  # fmt: skip
    known = pl.date(2024, 1, 31).alias("available_at")
    end = pl.date(2023, 12, 31).alias("period_end")
    discloses = (disclosed > 0) & ~spends
    return kf.Tables(
        revenue_ties=frame.with_columns(end, known),
        ai_capex_share=pl.DataFrame({"asset_id": names[spends], "share": theta[spends]}).with_columns(
            known, provenance=pl.lit("assumed")
        ),
        ai_revenue_share=pl.DataFrame(
            {"asset_id": names[discloses], "share": disclosed[discloses]}
        ).with_columns(end, known, scope=pl.lit("ai")),
    ), names[spends].tolist()


def _again(tables: kf.Tables, shock: dict[str, float]) -> np.ndarray:
    """Compute what a supplier earns from tables in which the ties to the shocked are smaller."""
    coded = tables.encoded()
    dates = kf.calendar.score_dates([DAY])
    changed = dict(coded)
    ids = changed["revenue_ties"]["customer_id"]
    factor = pl.Series(np.ones(len(ids)))
    for asset, change in shock.items():
        factor = factor + change * (ids == asset).cast(pl.Float64)
    changed["revenue_ties"] = changed["revenue_ties"].with_columns(ai_share=pl.col("ai_share") * factor)
    theta = kf.asof.ai_capex_share(coded.ai_capex_share, dates, time=DEFINITION.time)
    system = kf.pillars.supplier_system(
        kf.Tables.unchecked(changed), theta.with_columns(abnormal_capex=0.0), dates, DEFINITION
    )
    return kf.graph.propagate(
        system.graph,
        theta=system.theta,
        disclosed=system.disclosed,
        ties=DEFINITION.supplier_ties,
        n_threads=1,
    ).revenue
