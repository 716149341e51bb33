"""Hypothesis strategies and seeded builders: kernel panels, frames, supplier networks, fiscal calendars.

Values lie on a coarse grid times a power of ten: sums that a kernel and its twin take in another order then differ
by rounding only, and never straddle a threshold such as the relative floor of the dispersion.
"""

from dataclasses import astuple, dataclass

import numpy as np
import polars as pl
from hypothesis import strategies as st
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Row = tuple[int, int, int, int, int, float]  # asset, metric, start, end, visible, value

GRID = st.integers(-6, 6)
SHARES = st.integers(0, 20).map(lambda k: k / 20)
EPS = np.finfo(float).eps
CAPEX, REVENUE, ASSETS = 0, 1, 2


@dataclass(frozen=True)
class Panel:
    """Slices of values with weights and masks, as the cross-section kernels take them."""

    values: Floats
    weights: Floats
    exposed: NDArray[np.uint8]
    estimation: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def slices(self):
        return [slice(a, b) for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]


def offsets_of(lengths) -> NDArray[np.int64]:
    return np.append(0, np.cumsum(lengths, dtype=np.int64)).astype(np.int64)


@st.composite
def panels(draw, *, scales=(1.0, 1e-3, 1e12)) -> Panel:
    """Draw empty dates, single assets, ties, unknown values, constants, and constants with rounding noise."""
    lengths = draw(st.lists(st.integers(0, 9), max_size=5))
    parts = [np.empty(0)]
    for length in lengths:
        grid = np.array(draw(st.lists(GRID, min_size=length, max_size=length)), float)
        kind = draw(st.sampled_from(["grid", "grid", "grid", "constant", "noise", "unknown"]))
        scale = draw(st.sampled_from(scales))
        part = {
            "grid": grid * scale,
            "constant": np.full(length, 3.7 * scale),
            "noise": scale * (1.0 + grid * EPS),
            "unknown": np.full(length, np.nan),
        }[kind]
        missing = np.array(draw(st.lists(st.integers(0, 5), min_size=length, max_size=length)), int) == 0
        parts.append(np.where(missing, np.nan, part))
    values = np.concatenate(parts)
    n = values.size
    many = {"min_size": n, "max_size": n}
    weights = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, np.nan]), **many)), float)
    weights *= draw(st.sampled_from([1.0, 1e11]))
    masks = [np.array(draw(st.lists(st.booleans(), **many)), np.uint8) for _ in range(2)]
    if draw(st.booleans()):
        masks[1][:] = 1
    return Panel(values, weights, masks[0], masks[1], offsets_of(lengths))


def random_panel(seed: int, *, dates: int = 23, most: int = 300) -> Panel:
    """Return a panel of continuous values, large enough for the quickselect to recurse."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, most, dates)
    lengths[rng.integers(dates)] = 0
    n = lengths.sum()
    values = rng.normal(size=n) * 10.0 ** rng.integers(-2, 3, n)
    values[rng.random(n) < 0.2] = 0.0
    values[rng.random(n) < 0.1] = np.nan
    weights = rng.lognormal(20, 2, n)
    weights[rng.random(n) < 0.1] = np.nan
    masks = (rng.random((2, n)) < 0.7).astype(np.uint8)
    return Panel(values, weights, masks[0], masks[1], offsets_of(lengths))


@dataclass(frozen=True)
class Regression:
    """Arguments of `neutralize`, in order."""

    values: Floats
    controls: Floats
    weights: Floats
    codes: NDArray[np.int32]
    estimation: NDArray[np.uint8]
    offsets: NDArray[np.int64]


@st.composite
def regressions(draw) -> Regression:
    """Draw unknown industries and controls, weights of 0, saturated dates, collinear and constant controls."""
    panel = draw(panels(scales=(1.0, 1e12)))
    n = panel.values.size
    many = {"min_size": n, "max_size": n}
    codes = np.array(draw(st.lists(st.sampled_from([-1, 0, 0, 0, 1, 1, 3]), **many)), np.int32)
    controls = np.empty((draw(st.integers(0, 2)), n))
    for row in controls:
        row[:] = draw(st.lists(st.integers(-9, 9), **many))
    special = draw(
        st.sampled_from(["as drawn", "as drawn", "collinear", "constant", "by industry", "unknown"])
    )
    if controls.size and special == "collinear":
        controls[-1] = 2.0 * controls[0] + 1.0 if len(controls) == 2 else 0.0
    elif controls.size and special == "constant":
        controls[-1] = 7.3
    elif controls.size and special == "by industry":
        controls[-1] = 0.1 * codes
    elif controls.size and special == "unknown":
        controls[0, :: draw(st.integers(1, 3))] = np.nan
    return Regression(panel.values, controls, panel.weights, codes, panel.estimation, panel.offsets)


def random_regression(seed: int, *, n_controls: int) -> Regression:
    panel = random_panel(seed)
    rng = np.random.default_rng([seed, n_controls])
    codes = rng.integers(-1, 12, panel.values.size).astype(np.int32)
    controls = rng.normal(20, 3, (n_controls, panel.values.size))
    controls[rng.random(controls.shape) < 0.05] = np.nan
    return Regression(panel.values, controls, panel.weights, codes, panel.estimation, panel.offsets)


@dataclass(frozen=True)
class Network:
    """Arguments of the kernel `propagate`, in order."""

    rows: NDArray[np.int64]
    customers: NDArray[np.int64]
    flow: Floats
    theta: Floats
    disclosed: Floats
    remainder: Floats
    offsets: NDArray[np.int64]

    def dense(self) -> Floats:
        W = np.zeros((self.theta.size, self.theta.size))
        np.add.at(W, (np.repeat(np.arange(self.theta.size), np.diff(self.rows)), self.customers), self.flow)
        return W


def _network(lengths, tied, theta, disclosed, remainder) -> Network:
    """`tied`: per node the (customer within its date, flow) pairs, already adding to at most 1 - remainder."""
    offsets = offsets_of(lengths)
    first = np.repeat(offsets[:-1], lengths)
    customers = [first[i] + j for i, pairs in enumerate(tied) for j, _ in pairs]
    flow = [w for pairs in tied for _, w in pairs]
    return Network(
        offsets_of([len(pairs) for pairs in tied]),
        np.array(customers, np.int64),
        np.array(flow, float),
        np.array(theta, float),
        np.array(disclosed, float),
        np.array(remainder, float),
        offsets,
    )


@st.composite
def networks(draw) -> Network:
    """Draw several dates of nodes with loops, cycles, parallel ties and components of their own."""
    lengths = draw(st.lists(st.integers(0, 6), max_size=4))
    tied = []
    for length in lengths:
        for _ in range(length):
            pairs = draw(st.lists(st.tuples(st.integers(0, length - 1), st.integers(1, 6)), max_size=4))
            total = max(20, sum(w for _, w in pairs))
            tied.append([(j, w / total) for j, w in pairs])
    n = sum(lengths)
    theta, disclosed, rest = (draw(st.lists(SHARES, min_size=n, max_size=n)) for _ in range(3))
    remainder = [part * (1 - sum(w for _, w in pairs)) for part, pairs in zip(rest, tied, strict=True)]
    return _network(lengths, tied, theta, disclosed, np.maximum(remainder, 0.0))


def random_network(seed: int, *, dates: int = 23) -> Network:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 60, dates)
    tied = []
    for length in lengths:
        for _ in range(length):
            share = rng.dirichlet(np.ones(5))[:4]
            tied.append(list(zip(rng.integers(0, length, 4), share, strict=True)))
    n = lengths.sum()
    return _network(lengths, tied, rng.random(n) * (rng.random(n) < 0.2), 0.2 * rng.random(n), np.zeros(n))


@dataclass(frozen=True)
class Filings:
    """Arguments of the kernel `trailing_twelve_months`, in order."""

    slot_offsets: NDArray[np.int64]
    slot_metric: NDArray[np.int8]
    slot_start: NDArray[np.int32]
    slot_end: NDArray[np.int32]
    fact_offsets: NDArray[np.int64]
    fact_slot: NDArray[np.int64]
    fact_visible: NDArray[np.int32]
    fact_value: Floats
    dates: NDArray[np.int32]


def filings(rows: list[Row], dates, *, assets: int) -> Filings:
    """Lay rows out as slots and arrivals; of two rows of one identity and day the last counts."""
    values = {row[:5]: row[5] for row in rows}
    slots = sorted({(a, m, end, start) for a, m, start, end, _ in values})
    number = {slot: k for k, slot in enumerate(slots)}
    facts = sorted((a, seen, number[a, m, end, start], v) for (a, m, start, end, seen), v in values.items())
    slot = np.array(slots, np.int64).reshape(-1, 4)
    fact = np.array(facts, float).reshape(-1, 4)
    return Filings(
        offsets_of(np.bincount(slot[:, 0], minlength=assets)),
        slot[:, 1].astype(np.int8),
        slot[:, 3].astype(np.int32),
        slot[:, 2].astype(np.int32),
        offsets_of(np.bincount(fact[:, 0].astype(int), minlength=assets)),
        fact[:, 2].astype(np.int64),
        fact[:, 1].astype(np.int32),
        fact[:, 3],
        np.array(sorted(dates), np.int32),
    )


# How often a filer tags annual, year-to-date, quarterly and rolling twelve-month facts.
HABITS = (
    (0.95, 0.95, 0.0, 0.0),
    (1.0, 0.8, 0.8, 0.0),
    (0.0, 0.0, 0.97, 0.0),
    (1.0, 0.0, 0.0, 0.0),
    (0.5, 0.5, 0.5, 0.5),
    (0.0, 0.3, 0.0, 0.9),
)


def _quarter_ends(rng: np.random.Generator) -> NDArray[np.int64]:
    """Fiscal quarter ends, the first of them a year end: calendar quarters or weeks (52, at times 53)."""
    quarters = 1 + 4 * int(rng.integers(2, 7))
    if rng.random() < 0.5:
        months = 12 * (2014 - 1970) + int(rng.integers(0, 24)) + 3 * np.arange(quarters)
        return (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - 1
    steps = np.full(quarters, 91)
    steps[4::4] += 7 * (rng.random(steps[4::4].size) < 0.3)
    return 16000 + int(rng.integers(0, 400)) + np.cumsum(steps)


def fiscal_rows(rng: np.random.Generator, asset: int) -> list[Row]:
    """Return the facts of one filer, with gaps, odd periods, stray facts and restatements."""
    ends = _quarter_ends(rng)
    periods = [(ASSETS, end, end) for end in ends if rng.random() < 0.8]
    for metric in (CAPEX, REVENUE):
        annual, to_date, quarter, rolling = HABITS[rng.integers(len(HABITS))]
        for i in range(1, ends.size):
            begin = ends[4 * ((i - 1) // 4)] + 1
            usual = [
                (annual if i % 4 == 0 else to_date, begin),
                (quarter, ends[i - 1] + 1),
                (rolling, ends[i - 4] + 1 if i >= 4 else begin),
            ]
            for often, start in usual:
                if rng.random() < often:
                    odd = rng.integers(-12, 13, 2) * (rng.random(2) < 0.05)
                    periods.append((metric, start + odd[0], max(start + odd[0], ends[i] + odd[1])))
        for _ in range(rng.integers(0, 4)):
            start = rng.integers(ends[0] - 400, ends[-1])
            periods.append(
                (metric, start, start + rng.choice([30, 79, 90, 100, 181, 273, 349, 365, 380, 381, 730]))
            )
    rows = []
    for metric, start, end in periods:
        seen = end + rng.integers(15, 100)
        for _ in range(1 + (rng.random() < 0.25) + (rng.random() < 0.1)):
            rows.append((asset, metric, int(start), int(end), int(seen), float(rng.integers(-50, 1000))))
            seen += rng.integers(0, 500)
    return rows


def random_filings(seed: int, *, assets: int = 3, dates: int = 6) -> tuple[list[Row], NDArray[np.int64]]:
    """Return rows and score dates; about one asset in ten has nothing."""
    rng = np.random.default_rng(seed)
    rows = [row for a in range(assets) if rng.random() < 0.9 for row in fiscal_rows(rng, a)]
    last = max((row[3] for row in rows), default=17000)
    return rows, np.unique(rng.integers(16200, last + 700, dates))


SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def frames(draw) -> pl.DataFrame:
    """Draw a frame sorted by date: x with nulls and ties, weight, estimation, hit."""
    lengths = draw(st.lists(st.integers(1, 8), max_size=4))
    n = sum(lengths)
    many = {"min_size": n, "max_size": n}
    return pl.DataFrame(
        {
            "date": np.repeat(np.arange(len(lengths)), lengths),
            "x": draw(st.lists(st.one_of(GRID.map(float), st.none()), **many)),
            "weight": draw(st.lists(st.sampled_from([0.5, 1.0, 3.0, None]), **many)),
            "estimation": draw(st.lists(st.sampled_from([True, True, False, None]), **many)),
            "hit": draw(st.lists(st.booleans(), **many)),
        },
        schema={
            "date": pl.Int64,
            "x": pl.Float64,
            "weight": pl.Float64,
            "estimation": pl.Boolean,
            "hit": pl.Boolean,
        },
    )


NAMES = "abcdef"
TIES = {
    "date": pl.Int64,
    "supplier_id": pl.String,
    "customer_id": pl.String,
    "customer_label": pl.String,
    "revenue_share": pl.Float64,
    "ai_share": pl.Float64,
}


@st.composite
def tie_tables(draw, *, anonymous=True) -> pl.DataFrame:
    """Draw ties in force on a few dates: in percent, at most 100 per supplier, some of them anonymous."""
    customers = [*NAMES, None] if anonymous else list(NAMES)
    rows = []
    for date in range(draw(st.integers(1, 3))):
        for supplier in NAMES:
            left = 100
            for k in range(draw(st.integers(0, 3))):
                percent = draw(st.integers(1, 60))
                if percent > left:
                    continue
                left -= percent
                ai_share = draw(st.sampled_from([0.0, 0.5, 1.0, None]))
                customer = draw(st.sampled_from(customers))
                rows.append((date, supplier, customer, f"Customer {k}", percent / 100, ai_share))
    return pl.DataFrame(rows, schema=TIES, orient="row")


def all_nodes(ties: pl.DataFrame) -> pl.DataFrame:
    """Every name on every date, so that graphs of subsets of one table share their nodes."""
    dates = ties["date"].unique().sort() if ties.height else pl.Series("date", [0])
    return (
        dates.to_frame("date")
        .join(pl.DataFrame({"asset_id": list(NAMES)}), how="cross")
        .sort("date", "asset_id")
    )


def fields_of(record) -> tuple:
    """Return the arrays of a record in the order of the arguments they stand for."""
    return astuple(record)
