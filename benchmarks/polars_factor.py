"""The whole factor in polars, numpy and scipy: what a careful quant would write without this library.

All dates at once: vintages are spells of validity, intersected by joins; `join_asof` finds what counts on a date; the
network of all dates is one block diagonal sparse matrix. Descriptors are worked out only for who can have one: spenders,
covered suppliers, members of an index. Everybody else is 0 or null by definition.

Rules and numbers are those of METHODOLOGY and of a `FactorDefinition`. Left out, and refused where it would matter:
guidance, tie disclosures, anonymous customers, `ai_share` of a tie, weights of indices, a second currency, an
estimation universe, data of assets that the universe lacks; dense scaling, `max_tiers`, `uncovered = "zero"`. All six
tables of `benchmarks/synthetic.py` are needed. Of a company it asks, unchecked, for one fact of a kind (year, quarter,
year to date of so many quarters) per period end, and for ends more than 40 days apart. Not made: tickers, diagnostics,
digests.
"""

from datetime import timedelta

import numpy as np
import polars as pl
import scipy.sparse
from numpy.typing import NDArray

import kifactors as kf

__all__ = ["compute", "prepare"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
KEY = ("date", "asset_id")
TABLES = {
    "universe", "fundamentals", "ai_capex_share", "ai_revenue_share", "revenue_ties", "index_membership",
}  # fmt: skip
CAPEX = ("capex_to_revenue", "abnormal_capex", "capex_pool_share", "guided_capex")
TIES = ("ai_revenue", "demand_growth")
PILLARS = ("capex_intensity", "supplier_ties", "index_membership")
COLUMNS = [name for name in kf.schema.SCORES.polars if name != "ticker"]
DAYS_PER_YEAR = 365.25
FLOOR = 1e-12


def prepare(tables: kf.Tables) -> dict[str, pl.DataFrame]:
    """Return the frames with ids and industries as codes, which is done once for many computations."""
    frames = dict(tables)
    _refuse(frames)
    ids = pl.Enum(frames["universe"]["asset_id"].unique().sort())
    industries = pl.Enum(frames["universe"]["industry"].unique().drop_nulls().sort())
    coded = {"asset_id": ids, "supplier_id": ids, "customer_id": ids, "industry": industries}
    return {
        name: frame.cast({column: kind for column, kind in coded.items() if column in frame.columns})
        for name, frame in frames.items()
    }


def compute(
    tables: dict[str, pl.DataFrame], dates: pl.Series, definition: kf.FactorDefinition
) -> pl.DataFrame:
    """Return the columns of `Scores.to_polars()` but for the ticker, from prepared tables."""
    spec = definition.supplier_ties
    if definition.scaling.method != "sparse" or (spec.max_tiers, spec.uncovered) != (None, "unknown"):
        raise NotImplementedError("the baseline knows sparse scaling, all tiers and unknown suppliers only.")
    panel = Panel(tables["universe"].filter(pl.col("date").is_in(dates.implode())))
    spenders = capex_intensity(tables, panel, dates, definition)
    covered = supplier_ties(tables, panel, spenders, dates, definition)
    frame = attach(panel.frame, spenders, covered).with_columns(
        # Who does not spend on AI has 0, whatever the fundamentals.
        pl.when(pl.col("theta").is_null()).then(0.0).otherwise(pl.col(name)).alias(name)
        for name in (*CAPEX, "score_capex_intensity")
    )
    frame = frame.with_columns(
        economic_exposure(pl.col(f"ai_revenue{end}")).alias(f"exposure{end}") for end in ("", "_low", "_high")
    )
    frame = attach(frame, index_membership(tables, panel, frame, dates, definition))
    frame = frame.with_columns(_outside_is_zero(tables["index_membership"], definition.time.lag_days))
    return composite(panel, frame, definition)


def _refuse(frames: dict[str, pl.DataFrame]) -> None:
    """Raise rather than give numbers that leave something out."""
    unknown = {name for name, frame in frames.items() if frame.height} - TABLES - {"assets"}
    unknown |= {"ai_share"} & {*frames["revenue_ties"].columns}
    unknown |= {"weight"} & {*frames["index_membership"].columns}
    unknown |= {"estimation"} & {*frames["universe"].columns}
    unknown |= {"anonymous customers"} if frames["revenue_ties"]["customer_id"].has_nulls() else set()
    if unknown or frames["fundamentals"]["currency"].n_unique() > 1:
        raise NotImplementedError(f"the baseline knows one currency and no {sorted(unknown)}.")


class Panel:
    """The scored (date, asset_id), sorted, and where each of them stands."""

    def __init__(self, universe: pl.DataFrame) -> None:
        self.frame = universe.with_row_index("row")
        self._keys = _packed(self.frame, "asset_id")

    def rows(self, frame: pl.DataFrame, asset_id: str = "asset_id") -> Rows:
        """Return the row of each date and asset of a frame."""
        wanted = _packed(frame, asset_id)
        rows = np.searchsorted(self._keys, wanted)
        if not np.array_equal(self._keys.take(rows, mode="clip"), wanted):
            raise NotImplementedError("an asset with data is missing from the universe.")
        return rows

    def located(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the row and the market cap to a frame of dates and assets."""
        rows = pl.Series("row", self.rows(frame), dtype=pl.UInt32)
        return frame.with_columns(rows, self.frame["market_cap"].gather(rows))


def attach(frame: pl.DataFrame, *columns: pl.DataFrame) -> pl.DataFrame:
    """Add columns by row; null where they have none."""
    for other in columns:
        new = other.drop("date", "market_cap", strict=False)
        frame = frame.join(new, on="row", how="left", maintain_order="left")
    return frame


def _packed(frame: pl.DataFrame, asset_id: str) -> Rows:
    """Return date and id in one sortable integer."""
    day, code = (frame[name].to_physical().cast(pl.Int64).to_numpy() for name in ("date", asset_id))
    return (day << 32) + code


def counting(rows: pl.DataFrame, lag_days: int, by: list[str]) -> pl.DataFrame:
    """Return the rows that count from `first` on: none of an older period than one already visible."""
    rows = rows.with_columns(first=pl.col("available_at") + pl.duration(days=lag_days))
    order = [*by, "first", *(["period_end"] if "period_end" in rows.columns else [])]
    rows = rows.sort(order)
    if "period_end" not in rows.columns:
        return rows
    return rows.filter(pl.col("period_end") >= pl.col("period_end").cum_max().over(by))


def on_dates(rows: pl.DataFrame, dates: pl.Series, by: list[str], max_age_days: int | None) -> pl.DataFrame:
    """Return the row of each group that counts on each date, unless it has expired."""
    grid = dates.to_frame("date").join(rows.select(by).unique(maintain_order=True), how="cross")
    found = grid.join_asof(
        rows, left_on="date", right_on="first", by=by, strategy="backward", check_sortedness=False
    ).filter(pl.col("available_at").is_not_null())
    if max_age_days is None:
        return found
    return found.filter(pl.col("date") <= pl.col("period_end") + pl.duration(days=max_age_days))


def capex_intensity(
    tables: dict[str, pl.DataFrame], panel: Panel, dates: pl.Series, definition: kf.FactorDefinition
) -> pl.DataFrame:
    """Return theta, the descriptors of pillar A and the pillar, for who has a theta above 0."""
    lag, spec = definition.time.lag_days, definition.capex_intensity
    theta = pl.col("theta")
    shares = counting(tables["ai_capex_share"], lag, ["asset_id"]).select(
        "asset_id", "first", "available_at", theta="share"
    )
    spenders = on_dates(shares, dates, ["asset_id"], None).filter(theta > 0)
    facts = trailing(tables["fundamentals"], spenders["asset_id"].unique(), definition)
    spenders = panel.located(
        spenders.select(*KEY, "theta").join_asof(
            facts,
            left_on="date",
            right_on="first",
            by="asset_id",
            strategy="backward",
            check_sortedness=False,
        )
    )
    fresh = pl.col("date") <= pl.col("period_end") + pl.duration(days=definition.time.max_age_days)
    flows = pl.col(r"^(capex|revenue)_\d$")
    spenders = spenders.with_columns(pl.when(fresh).then(flows).name.keep())
    now, *past = (_intensity(k, spec.min_revenue) for k in range(4))
    usual = (past[0] + past[1] + past[2]) / 3
    spent = theta * pl.col("capex_0").clip(lower_bound=0.0)
    pool = spent.sum().over("date")
    return spenders.select(
        "row", "date", "market_cap", "theta",
        capex_to_revenue=theta * now.clip(0.0, 1.0),
        abnormal_capex=theta * pl.when((now > 0) & (usual > 0)).then((now / usual).log()),
        capex_pool_share=pl.when(pool > 0).then(spent / pool),
        guided_capex=pl.lit(None, pl.Float64),
    ).with_columns(
        score_capex_intensity=pl.when(pl.col("capex_to_revenue").is_not_null()).then(
            mean_of_scaled({name: getattr(spec, name) for name in CAPEX}, definition)
        )
    )  # fmt: skip


def _intensity(k: int, min_revenue: float) -> pl.Expr:
    revenue = pl.col(f"revenue_{k}")
    return pl.when((revenue > 0) & (revenue >= min_revenue)).then(pl.col(f"capex_{k}") / revenue)


def trailing(facts: pl.DataFrame, assets: pl.Series, definition: kf.FactorDefinition) -> pl.DataFrame:
    """Return what is known of capex and revenue now and one to three years ago, from each day it changes on."""
    rules = definition.ttm
    facts = vintages(facts.filter(pl.col("asset_id").is_in(assets.implode())), definition.time.lag_days)
    capex, revenue = (
        twelve_months(facts.filter(pl.col("metric") == metric), rules) for metric in ("capex", "revenue")
    )
    pairs = together(capex, revenue, ["asset_id", "period_end"]).select(
        "asset_id", "period_end", "first", "last", capex="value", revenue="value_right"
    )
    # What is known of a company changes when any of its pairs does.
    changes = (
        pairs.sort("asset_id", "first", "period_end")
        .with_columns(period_end=pl.col("period_end").cum_max().over("asset_id"))
        .unique(["asset_id", "first"], keep="last", maintain_order=True)
        .with_columns(last=pl.col("first").shift(-1).over("asset_id"))
        .with_row_index("change")
    )
    known = changes
    for k in range(4):
        ago = nearest(changes, pairs, day_of("period_end") - DAYS_PER_YEAR * k, rules.match_days if k else 0)
        flows = ago.select("change", **{f"{name}_{k}": f"{name}_right" for name in ("capex", "revenue")})
        known = known.join(flows, on="change", how="left", maintain_order="left")
    return known.drop("change", "last", "capex", "revenue")


def vintages(facts: pl.DataFrame, lag_days: int) -> pl.DataFrame:
    """Add to each fact its spell: from `first` on it counts, from `last` on a newer vintage does."""
    slot = ["asset_id", "metric", "period_end", "period_start"]
    first = pl.col("available_at") + pl.duration(days=lag_days)
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in slot)
    return (
        facts.select(*slot, "value", first=first, span=day_of("period_end") - day_of("period_start") + 1)
        .sort(*slot, "first")
        .with_columns(last=pl.when(again).then(pl.col("first").shift(-1)))
    )


def twelve_months(facts: pl.DataFrame, rules: kf.definition.TrailingTwelveMonths) -> pl.DataFrame:
    """Return (asset_id, period_end, first, last, value) of one flow, by the first of three rules that applies."""
    span, value, other = pl.col("span"), pl.col("value"), pl.col("value_right")
    years = facts.filter(span.is_between(rules.year_days_low, rules.year_days_high))
    quarters = facts.filter(span.is_between(rules.quarter_days_low, rules.quarter_days_high))
    year_to_date = facts.filter(span < rules.year_days_low)

    before = day_of("period_start") - 1
    rolled = nearest(year_to_date, years, before, rules.gap_tolerance_days).with_columns(value=other + value)
    year = (rules.year_days_low + rules.year_days_high) / 2
    parts = pl.col("span").truediv(year / 4).round().cast(pl.Int8)
    rolled = nearest(
        rolled.drop(pl.col("^.*_right$")).with_columns(parts=parts),
        year_to_date.with_columns(parts=parts),
        day_of("period_end") - year,
        (rules.year_days_high - rules.year_days_low) / 2,
        by=["asset_id", "parts"],
    )
    alike = (span - pl.col("span_right")).abs() <= rules.span_tolerance_days
    rolled = rolled.filter(alike).with_columns(value=value - other)

    added = quarters
    for _ in range(3):
        added = nearest(added, quarters, before, rules.gap_tolerance_days).with_columns(value=value + other)
        added = added.with_columns(period_start="period_start_right").drop(pl.col("^.*_right$"))
    return otherwise(otherwise(years, rolled), added)


def nearest(
    left: pl.DataFrame, right: pl.DataFrame, day: pl.Expr, tolerance: float, by: list[str] | None = None
) -> pl.DataFrame:
    """Join the period of right that ends nearest to a day, each vintage for as long as both sides count."""
    by = ["asset_id"] if by is None else by
    ends = right.select(*by, end=day_of("period_end")).unique().sort("end")
    found = left.with_columns(day=day).sort("day").join_asof(
        ends, left_on="day", right_on="end", by=by, strategy="nearest", tolerance=tolerance, check_sortedness=False
    )  # fmt: skip
    both = together(found, right.with_columns(end=day_of("period_end")), [*by, "end"])
    return both.drop("day", "end")


def together(left: pl.DataFrame, right: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Join, and keep the days on which both sides count."""
    return (
        left.join(right, on=on)
        .with_columns(
            first=pl.max_horizontal("first", "first_right"), last=pl.min_horizontal("last", "last_right")
        )
        .filter(pl.col("last").is_null() | (pl.col("first") < pl.col("last")))
    )


def otherwise(better: pl.DataFrame, worse: pl.DataFrame) -> pl.DataFrame:
    """Add the values of a rule for as long as no better one has any at that period end."""
    columns = ["asset_id", "period_end", "first", "last", "value"]
    begin = better.group_by("asset_id", "period_end").agg(begin=pl.col("first").min())
    filled = (
        worse.join(begin, on=["asset_id", "period_end"], how="left")
        .with_columns(last=pl.min_horizontal("last", "begin"))
        .filter(pl.col("last").is_null() | (pl.col("first") < pl.col("last")))
    )
    return pl.concat([better.select(columns), filled.select(columns)])


def day_of(column: str) -> pl.Expr:
    """Return a date as a number of days, which may lie between two."""
    return pl.col(column).to_physical().cast(pl.Float64)


def supplier_ties(
    tables: dict[str, pl.DataFrame],
    panel: Panel,
    spenders: pl.DataFrame,
    dates: pl.Series,
    definition: kf.FactorDefinition,
) -> pl.DataFrame:
    """Return the descriptors of pillar B and the pillar, for suppliers that are covered."""
    spec = definition.supplier_ties
    edges = ties_in_force(tables["revenue_ties"], panel, dates, definition)
    stated = disclosed_shares(tables["ai_revenue_share"], panel, dates, definition)
    node = {name: np.zeros(panel.frame.height) for name in ("theta", "abnormal_capex", "share", "highest")}
    for name in ("theta", "abnormal_capex"):
        node[name][spenders["row"]] = spenders[name].fill_null(0.0)
    for name in ("share", "highest"):
        node[name][stated["row"]] = stated[name]
    network = Network(edges, node["theta"], spec.delta)
    r = network.solve(node["share"], undisclosed=None, tolerance=spec.tolerance)
    high = network.solve(np.maximum(node["highest"], r), network.undisclosed, spec.tolerance)
    growth = np.bincount(
        network.supplier, network.flow * node["abnormal_capex"][network.customer], panel.frame.height
    )
    rows = np.union1d(network.supplier, stated.filter("covers")["row"].to_numpy())
    return (
        panel.frame[rows]
        .select("row", "date", "market_cap", ai_revenue=r[rows], ai_revenue_low=r[rows],
                ai_revenue_high=high[rows], demand_growth=growth[rows])
        .with_columns(
            score_supplier_ties=mean_of_scaled({name: getattr(spec, name) for name in TIES}, definition)
        )
    )  # fmt: skip


def ties_in_force(
    ties: pl.DataFrame, panel: Panel, dates: pl.Series, definition: kf.FactorDefinition
) -> pl.DataFrame:
    """Return (supplier, customer, share) with the rows of both: of each supplier the set of its newest filing."""
    time = definition.time
    # One row per filing, so that a set is replaced whole.
    sets = ties.group_by("supplier_id", "period_end", "available_at", maintain_order=True).agg(
        "customer_id", "revenue_share"
    )
    sets = counting(sets, time.lag_days, ["supplier_id"])
    edges = on_dates(sets, dates, ["supplier_id"], time.tie_expiry_days)
    edges = edges.explode("customer_id", "revenue_share")
    return pl.DataFrame(
        {
            "supplier": panel.rows(edges, "supplier_id"),
            "customer": panel.rows(edges, "customer_id"),
            "share": edges["revenue_share"],
        }
    )


def disclosed_shares(
    shares: pl.DataFrame, panel: Panel, dates: pl.Series, definition: kf.FactorDefinition
) -> pl.DataFrame:
    """Return the weighted and the largest disclosed share per row, and whether a scope of positive weight covers it."""
    weight = pl.col("scope").replace_strict(definition.supplier_ties.scope_weights(), return_dtype=pl.Float64)
    by = ["asset_id", "scope"]
    found = on_dates(counting(shares, definition.time.lag_days, by), dates, by, definition.time.max_age_days)
    found = found.group_by(KEY).agg(
        share=(pl.col("share") * weight).max(), highest=pl.col("share").max(), covers=(weight > 0).any()
    )
    return panel.located(found)


class Network:
    """The ties of all dates: a block per date, for suppliers only, as nobody else's revenue depends on another's."""

    def __init__(self, edges: pl.DataFrame, theta: Floats, delta: float) -> None:
        self.supplier, self.customer = edges["supplier"].to_numpy(), edges["customer"].to_numpy()
        self.rows, at = np.unique(self.supplier, return_inverse=True)
        share = edges["share"].to_numpy()
        total = np.bincount(at, share)
        # Printed shares are rounded: what adds to more than 1 is scaled to 1.
        self.flow = share / np.maximum(total, 1.0)[at]
        self.undisclosed = 1.0 - np.minimum(total, 1.0)
        self.delta = delta
        self._at = at
        self._direct = np.bincount(at, self.flow * theta[self.customer])
        self._passed = self.flow * delta * (1.0 - theta[self.customer])
        place = np.searchsorted(self.rows, self.customer)
        self._inner = self.rows.take(place, mode="clip") == self.customer
        size = self.rows.size
        self._matrix = scipy.sparse.csr_array(
            (self._passed[self._inner], (at[self._inner], place[self._inner])), shape=(size, size)
        )

    def solve(self, known: Floats, undisclosed: Floats | None, tolerance: float) -> Floats:
        """Iterate r = max(known, x) from r = known; with an undisclosed remainder it is AI demand, for all."""
        r = known.copy() if undisclosed is None else np.ones_like(known)
        outer = np.where(self._inner, 0.0, self._passed * r[self.customer])
        fixed = self._direct + np.bincount(self._at, outer)
        if undisclosed is not None:
            fixed += undisclosed
        floor = known[self.rows]
        now = floor
        while True:
            new = self._matrix @ now
            new += fixed
            np.clip(new, floor, 1.0, out=new)
            change = np.abs(new - now).max()
            now = new
            if change * self.delta / (1.0 - self.delta) < tolerance:
                r[self.rows] = now
                return r


def index_membership(
    tables: dict[str, pl.DataFrame],
    panel: Panel,
    frame: pl.DataFrame,
    dates: pl.Series,
    definition: kf.FactorDefinition,
) -> pl.DataFrame:
    """Return the relevance of the indices of each member, itself left out, and pillar C."""
    first = pl.col("available_at") + pl.duration(days=definition.time.lag_days)
    live = (first <= pl.col("date")) & (pl.col("end").is_null() | (pl.col("date") < pl.col("end")))
    by = ["date", "index_id", "asset_id"]
    table = tables["index_membership"].sort("index_id", "asset_id", "start")
    members = dates.to_frame("date").join(table, how="cross").filter(live)
    # Of two announced memberships in one index the later start counts.
    members = members.filter(
        ~pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in by).fill_null(value=False)
    )
    members = panel.located(members)
    members = members.with_columns(frame["exposure"].gather(members["row"]))
    w = pl.col("market_cap").fill_null(0.0)
    value, weight = (_others(x) for x in (w * pl.col("exposure").fill_null(0.0), w))
    others = pl.when(weight > 0).then(value / weight).otherwise(0.0)
    missed = np.ones(panel.frame.height)
    # A product per group takes polars a hundred times as long.
    np.multiply.at(missed, members["row"].to_numpy(), 1.0 - members.select(others).to_series().to_numpy())
    rows = members["row"].unique().sort()
    return (
        panel.frame[rows]
        .select("row", "date", "market_cap", index_relevance=1.0 - missed[rows])
        .with_columns(score_index_membership=mean_of_scaled({"index_relevance": 1.0}, definition))
    )


def _outside_is_zero(table: pl.DataFrame, lag_days: int) -> pl.Expr:
    """Return the columns of pillar C: 0 outside every index, null before any membership is known."""
    known = table["available_at"].min() + timedelta(days=lag_days)
    columns = pl.col("index_relevance", "score_index_membership")
    return pl.when(pl.col("date") >= known).then(columns.fill_null(0.0)).name.keep()


def _others(x: pl.Expr) -> pl.Expr:
    """Return the sum of the other members; before and after, for total less own would cancel."""
    index = ["date", "index_id"]
    before = x.cum_sum().shift(1, fill_value=0.0).over(index)
    return before + x.cum_sum(reverse=True).shift(-1, fill_value=0.0).over(index)


def economic_exposure(r: pl.Expr) -> pl.Expr:
    """Return e = 1 - (1 - p)(1 - r); who is not covered is known only by what it spends."""
    p = pl.col("capex_to_revenue")
    return (
        pl.when(r.is_null()).then(pl.when(p > 0).then(p)).when(p.is_null()).then(r).otherwise(1 - (1 - p) * (1 - r))
    )  # fmt: skip


def mean_of_scaled(weights: dict[str, float], definition: kf.FactorDefinition) -> pl.Expr:
    """Return the mean of scaled descriptors over the known ones."""
    known = pl.sum_horizontal(pl.col(name).is_not_null() * weight for name, weight in weights.items())
    total = pl.sum_horizontal(
        scaled(pl.col(name), definition.scaling.clip).fill_null(0.0) * weight
        for name, weight in weights.items()
    )
    return total / known


def scaled(x: pl.Expr, clip: float) -> pl.Expr:
    """Divide by the root mean square over exposed assets of the estimation universe; 0 if there are none."""
    exposed = pl.when((x != 0) & pl.col("market_cap").is_not_null()).then(x)
    rms = (exposed * exposed).mean().sqrt().over("date")
    return pl.when(rms > 0).then((x / rms).clip(-clip, clip)).otherwise(x * 0.0)


def composite(panel: Panel, frame: pl.DataFrame, definition: kf.FactorDefinition) -> pl.DataFrame:
    """Add up the pillars, centre, scale, neutralize, and name the roles."""
    spec, e = definition.composite, pl.col("exposure")
    pillars = {name: (pl.col(f"score_{name}"), getattr(spec, name)) for name in PILLARS}
    raw = pl.sum_horizontal(score.fill_null(0.0) * weight for score, weight in pillars.values())
    known = frame.filter(e.is_not_null()).with_columns(raw=raw)
    known = known.with_columns(score=standardized(definition.scaling.clip))
    known, fitted = neutralized(panel, known)
    frame = attach(frame, known.select("row", "score", "neutral_score"))
    tools, pioneers = (pl.col(f"score_{name}") for name in ("supplier_ties", "capex_intensity"))
    frame = frame.with_columns(
        score_fitted=pl.Series(fitted).fill_nan(None),
        tools_minus_pioneers=pl.when(e.is_not_null()).then(tools.fill_null(0.0) - pioneers.fill_null(0.0)),
        coverage=pl.sum_horizontal(s.is_not_null() * w for s, w in pillars.values()).clip(0.0, 1.0),
        role=role(spec.role_threshold),
    )
    return frame.select(COLUMNS).cast({"asset_id": pl.String, "role": pl.String})


def standardized(clip: float) -> pl.Expr:
    """Subtract the cap-weighted mean, divide by the root mean square of that over the exposed."""
    raw, cap = pl.col("raw"), pl.col("market_cap")
    centred = raw - ((cap * raw).sum() / cap.sum()).over("date")
    used = cap.is_not_null()
    exposed = pl.when(used & (pl.col("exposure") != 0)).then(centred)
    rms = (exposed * exposed).mean().sqrt().over("date")
    largest = pl.when(used).then(raw.abs()).max().over("date")
    scored = pl.when(rms > FLOOR * largest).then((centred / rms).clip(-clip, clip)).otherwise(0.0)
    return pl.when((cap.sum() > 0).over("date")).then(scored)


def neutralized(panel: Panel, known: pl.DataFrame) -> tuple[pl.DataFrame, Floats]:
    """Return known with its residual on industry and ln(market cap), and the fit of every row; by demeaning."""
    industry = panel.frame["industry"]
    size = len(industry.dtype.categories)
    day = panel.frame["date"].rle_id().to_numpy().astype(np.int64)
    group = day * size + industry.to_physical().fill_null(0).to_numpy()
    cap = panel.frame["market_cap"].fill_null(np.nan).to_numpy()
    x = np.log(cap)
    usable = industry.is_not_null().to_numpy() & ~np.isnan(x)

    rows, y = known["row"].to_numpy(), known["score"].fill_null(np.nan).to_numpy()
    used = usable[rows] & ~np.isnan(y)
    fit, y_fit = rows[used], y[used]
    g, d, w, x_fit = group[fit], day[fit], np.sqrt(cap[fit]), x[fit]
    days = day[-1] + 1
    mass = np.bincount(g, w, days * size)
    present = mass > 0
    mean_x, mean_y = (
        np.divide(np.bincount(g, w * v, mass.size), mass, where=present, out=np.full(mass.size, np.nan))
        for v in (x_fit, y_fit)
    )
    x_in, y_in = x_fit - mean_x[g], y_fit - mean_y[g]
    xx, xy, scale = (np.bincount(d, w * v, days) for v in (x_in * x_in, x_in * y_in, x_fit * x_fit))
    freedom = np.bincount(d, minlength=days) - present.reshape(days, size).sum(axis=1) - 1
    determined = (freedom >= 1) & (xx > FLOOR * FLOOR * scale)
    slope = np.divide(xy, xx, where=determined, out=np.full(days, np.nan))
    fitted = mean_y[group] + slope[day] * (x - mean_x[group])
    fitted[~usable] = np.nan
    return known.with_columns(neutral_score=pl.Series(y - fitted[rows]).fill_nan(None)), fitted


def role(threshold: float) -> pl.Expr:
    """Name what a company is in the theme."""
    spends = (pl.col("capex_to_revenue") >= threshold).fill_null(value=False)
    earns = (pl.col("ai_revenue") >= threshold).fill_null(value=False)
    names = pl.Enum(kf.schema.ROLES)
    return (
        pl.when(pl.col("exposure").is_null()).then(pl.lit("unknown", names))
        .when(spends & earns).then(pl.lit("both", names))
        .when(spends).then(pl.lit("pioneer", names))
        .when(earns).then(pl.lit("tool_supplier", names))
        .when(pl.col("index_relevance") > 0).then(pl.lit("index_only", names))
        .otherwise(pl.lit("none", names))
    )  # fmt: skip
