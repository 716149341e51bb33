"""The slow twins: the same names and arguments as the compiled kernels, in numpy anyone can check."""

import ctypes
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "add_by_day",
    "add_numbers",
    "add_texts",
    "composite_standardize",
    "first_fault",
    "last_visible",
    "leave_one_out_mean",
    "locate",
    "propagate",
    "rank",
    "scratch_sizes",
    "style_score",
    "trailing_twelve_months",
]

Floats = NDArray[np.float64]
RELATIVE_FLOOR = 1e-12
RAW, SPARSE, DENSE = range(3)
SCORED, TOO_FEW, RANK_DEFICIENT, NO_DISPERSION = range(4)
NEVER = np.iinfo(np.int32).min


def _slices(offsets: NDArray[np.int64], first: int, last: int) -> Iterator[slice]:
    for d in range(first, last):
        yield slice(int(offsets[d]), int(offsets[d + 1]))


def composite_standardize(
    values: list[Any],
    valid: list[Any],
    starts: Any,
    exposed: Any,
    estimation: Any,
    offsets: Any,
    first: int,
    last: int,
    clip: float,
    scratch: Floats,
    out: Floats,
) -> None:
    """Subtract the weighted mean, divide by the root mean square of that over exposed values."""
    del scratch
    composite, weights = (_unpacked(x, v, k, out.size) for x, v, k in zip(values, valid, starts, strict=True))
    everybody = estimation.astype(bool) if estimation.size else np.ones(out.size, bool)
    for s in _slices(offsets, first, last):
        x, w, used = composite[s], weights[s], everybody[s] & ~np.isnan(composite[s])
        known = used & ~np.isnan(w)
        if not w[known].sum() > 0:
            out[s] = np.nan
            continue
        centred = x - np.average(x[known], weights=w[known])
        active = centred[used & exposed[s].astype(bool)]
        largest = np.abs(x[used]).max()
        rms = largest * np.sqrt(np.mean((active / largest) ** 2)) if active.size and largest > 0 else 0.0
        scaled = np.clip(centred / rms, -clip, clip) if rms > RELATIVE_FLOOR * largest else np.zeros_like(x)
        out[s] = np.where(np.isnan(x), np.nan, scaled)


def leave_one_out_mean(
    values: Floats, weights: Floats, offsets: Any, first: int, last: int, scratch: Floats, out: Floats
) -> None:
    """Weighted mean of the other values."""
    del scratch
    for s in _slices(offsets, first, last):
        x, w = values[s], weights[s]
        for i in range(x.size):
            others = np.delete(np.arange(x.size), i)
            total = w[others].sum()
            out[s.start + i] = (w[others] * x[others]).sum() / total if total > 0 else 0.0


def first_fault(rows: Any, customers: Any, flow: Floats, offsets: Any, most: float) -> int:
    """Return the first node with a tie to another date or with flows that are no shares; else -1."""
    for s in _slices(offsets, 0, len(offsets) - 1):
        for i in range(s.start, s.stop):
            own = slice(rows[i], rows[i + 1])
            inside = (customers[own] >= s.start) & (customers[own] < s.stop)
            if not (inside.all() and (flow[own] >= 0).all() and flow[own].sum() <= most):
                return i
    return -1


def scratch_sizes(nodes: int, width: int, limited: bool) -> tuple[int, int]:  # noqa: FBT001
    """Nothing is needed."""
    del nodes, width, limited
    return 0, 0


def propagate(
    rows: Any,
    customers: Any,
    flow: Floats,
    theta: Floats,
    disclosed: Floats,
    remainder: Floats,
    start: Floats,
    earlier: Any,
    offsets: Any,
    first: int,
    last: int,
    delta: float,
    tolerance: float,
    max_tiers: int,
    passed: Floats,
    revenue: Floats,
    fresh: Floats,
    changes: Floats,
    moving: Floats,
    lines: Any,
    residual: Floats,
    error: Floats,
    sweeps: Any,
) -> None:
    """Plain iteration of r = max(s, remainder + W (theta + delta (1 - theta) r)) with a dense W, column by column."""
    del passed, fresh, changes, moving, lines
    dates, width = len(offsets) - 1, residual.shape[1]
    for unit in range(first, last):
        group, d = divmod(unit, dates)
        a, b = offsets[d], offsets[d + 1]
        W = np.zeros((b - a, b - a))
        for i in range(a, b):
            for k in range(rows[i], rows[i + 1]):
                W[i - a, customers[k] - a] += flow[k]
        for k in range(width if b > a else 0):
            x, s, rest, out = (
                v[group].reshape(-1, width)[:, k] for v in (theta, disclosed, remainder, revenue)
            )
            r = s[a:b].copy()
            if len(start):
                r = np.maximum(r, start[group].reshape(-1, width)[a:b, k])
            if len(earlier):
                has = earlier[a:b] >= 0
                r[has] = np.maximum(s[a:b], out[earlier[a:b]])[has]
            residual[unit, k], error[unit, k], sweeps[unit, k] = 1.0, 1.0, 0
            while sweeps[unit, k] != max_tiers:
                new = rest[a:b] + W @ (x[a:b] + delta * (1 - x[a:b]) * r)
                new = np.minimum(1.0, np.maximum(s[a:b], new))
                residual[unit, k] = np.abs(new - r).max()
                error[unit, k] = residual[unit, k] * delta / (1 - delta)
                sweeps[unit, k] += 1
                r = new
                if error[unit, k] < tolerance:
                    break
            out[a:b] = r


def style_score(
    values: list[Any],
    valid: list[Any],
    starts: Any,
    methods: Any,
    weights: Floats,
    n_controls: int,
    codes: Any,
    estimation: Any,
    offsets: Any,
    first: int,
    last: int,
    options: Floats,
    restandardize: bool,  # noqa: FBT001
    scratch: Floats,
    scratch_codes: Any,
    groups: Floats,
    out: Floats,
    fitted: Floats,
    status: Any,
) -> None:
    """One step after the other, a date at a time."""
    del scratch, scratch_codes, groups
    rows = out.size
    columns = [_unpacked(x, v, k, rows) for x, v, k in zip(values, valid, starts, strict=True)]
    descriptors, controls = columns[: methods.size], columns[methods.size : -2]
    cap, regression_weight = columns[-2:]
    everybody = estimation.astype(bool) if estimation.size else np.ones(rows, bool)
    for d, s in enumerate(_slices(offsets, first, last), start=first):
        inside, fit = everybody[s], np.full(s.stop - s.start, np.nan)
        scaled = [
            _scaled(x[s], cap[s], inside, m, options) for x, m in zip(descriptors, methods, strict=True)
        ]
        share = np.array([w * ~np.isnan(x) for x, w in zip(scaled, weights, strict=True)]).sum(axis=0)
        added = np.array([w * np.nan_to_num(x) for x, w in zip(scaled, weights, strict=True)]).sum(axis=0)
        score = np.divide(added, share, where=share > 0, out=np.full(share.size, np.nan))
        status[d] = SCORED
        if n_controls >= 0:
            x = np.array([control[s] for control in controls]).reshape(n_controls, score.size).T
            status[d], fit = _fit(score, x, regression_weight[s], codes[s], inside)
            score = score - fit
        if restandardize and status[d] == SCORED:
            score = _standardized(score, cap[s], inside, -np.inf, np.inf)
            status[d] = NO_DISPERSION if np.isnan(score).all() else SCORED
        out[s] = score
        if fitted.size:
            fitted[s] = fit


def _unpacked(x: Floats | None, valid: Any, start: int, rows: int) -> Floats:
    if x is None:
        return np.ones(rows)
    if valid is None:
        return x
    bits = np.unpackbits(valid, bitorder="little")[start : start + rows]
    return np.where(bits == 1, x, np.nan)


def _scaled(x: Floats, cap: Floats, inside: Any, method: int, options: Floats) -> Floats:
    low, high, deviations, dense_clip, sparse_clip, min_assets = options
    used = x[inside & ~np.isnan(x)]
    if method == RAW:
        return x
    if method == SPARSE:
        exposed = used[used != 0]
        if not exposed.size:
            return np.where(np.isnan(x), np.nan, 0.0)
        largest = np.abs(exposed).max()
        rms: float = largest * np.sqrt(np.mean((exposed / largest) ** 2))
        return np.clip(x / rms, -sparse_clip, sparse_clip)
    if used.size < min_assets:
        return np.full_like(x, np.nan)
    if np.isnan(deviations):
        bounds = np.quantile(used, [low, high])
    else:
        median = np.median(used)
        bounds = median + deviations * np.median(np.abs(used - median)) * np.array([-1.0, 1.0])
    return np.clip(_standardized(x, cap, inside, *bounds), -dense_clip, dense_clip)


def _standardized(x: Floats, cap: Floats, inside: Any, low: float, high: float) -> Floats:
    """Clip, subtract the weighted mean, divide by the standard deviation; NaN where that cannot be done."""
    x = np.clip(x, low, high)
    used = inside & ~np.isnan(x)
    weighed = used & (np.nan_to_num(cap) > 0)
    spread = np.ptp(x[used]) if used.sum() > 1 else 0.0
    if not (spread > RELATIVE_FLOOR * np.abs(x[used]).max(initial=0.0) and weighed.any()):
        return np.full_like(x, np.nan)
    mean = float(np.average(x[weighed], weights=cap[weighed]))
    deviation = float(spread * (x[used] / spread).std(ddof=1))
    return (x - mean) / deviation


def _fit(y: Floats, x: Floats, w: Floats, codes: Any, inside: Any) -> tuple[int, Floats]:
    """Weighted least squares on explicit dummies and controls x, a column each."""
    # Industries absorb any shift of a control; centred, lstsq keeps its digits.
    x = x - np.nan_to_num(np.nanmean(x, axis=0)) if np.isfinite(x).any(axis=0).all() else x
    usable = (codes >= 0) & ~np.isnan(x).any(axis=1)
    used = usable & inside & ~np.isnan(y) & (w > 0)
    industries = np.unique(codes[used])
    nothing = np.full_like(y, np.nan)
    if used.sum() - industries.size - x.shape[1] < 1:
        return TOO_FEW, nothing
    dummies = (codes[:, None] == industries).astype(float)
    design = np.hstack([dummies, np.where(np.isnan(x), 0.0, x)])
    root = np.sqrt(w[used])[:, None]
    if not _full_rank(design[used] * root, industries.size):
        return RANK_DEFICIENT, nothing
    beta = np.linalg.lstsq(design[used] * root, y[used] * root[:, 0], rcond=None)[0]
    return SCORED, np.where(usable & np.isin(codes, industries), design @ beta, np.nan)


def _full_rank(design: Floats, dummies: int) -> bool:
    """Whether each control keeps variation after industries and the controls before it."""
    for k in range(dummies, design.shape[1]):
        before, column = design[:, :k], design[:, k]
        industries = design[:, :dummies]
        within = column - industries @ np.linalg.lstsq(industries, column, rcond=None)[0]
        rest = column - before @ np.linalg.lstsq(before, column, rcond=None)[0]
        if not rest @ rest > RELATIVE_FLOOR * max(within @ within, RELATIVE_FLOOR * (column @ column)):
            return False
    return True


def locate(
    offsets: Any, codes: Any, section: Any, wanted: Any, first: int, last: int, out: NDArray[np.int64]
) -> None:
    """Look every key up in a dictionary."""
    rows = {
        (d, int(codes[row])): row
        for d in range(offsets.size - 1)
        for row in range(offsets[d], offsets[d + 1])
    }
    for k in range(first, last):
        out[k] = rows.get((int(section[k]), int(wanted[k])), -1)


def by_day(days: Any, starts: Any, order: Any) -> None:
    """Let numpy sort."""
    order[:] = np.argsort(days, kind="stable")
    starts[:] = np.searchsorted(days[order], np.arange(starts.size))


def last_visible(
    rows: Any,
    days: Any,
    codes: Any,
    arrived: Any,
    arrivals: Any,
    holders: Any,
    period: Any,
    expires: Any,
    values: Floats,
    first: int,
    last: int,
    walk: Any,
    now: Floats,
    facts: Any,
    out: Floats,
) -> None:
    """Judge every fact of an asset anew on every date."""
    del walk, now
    for d in range(first, last):
        visible = arrivals[: arrived[d]]
        for row in range(rows[d], rows[d + 1]):
            seen = visible[(holders[visible] == codes[row]) & (codes[row] >= 0)][::-1]
            best = max(seen, key=lambda f: period[f] if period.size else 0, default=-1)
            if best >= 0 and expires.size and expires[best] <= days[d]:
                best = -1
            out[:, row] = values[:, best] if best >= 0 else np.nan
            if facts.size:
                facts[row] = best


def rank(
    values: Floats,
    valid: Any,
    start: int,
    groups: Any,
    n_groups: int,
    offsets: Any,
    first: int,
    last: int,
    method: int,
    scratch: Any,
    counts: Any,
    table: Floats,
    out: Floats,
) -> None:
    """Count for every value how many are smaller, and how many are the same."""
    del n_groups, scratch, counts, table
    x = _unpacked(values, valid if valid.size else None, start, out.size)
    codes = groups if groups.size else np.zeros(out.size, np.int32)
    for s in _slices(offsets, first, last):
        for i in range(s.start, s.stop):
            others = x[s][(codes[s] == codes[i]) & ~np.isnan(x[s])]
            twice = 2 * (others < x[i]).sum() + (others == x[i]).sum() + 1
            known = not np.isnan(x[i]) and codes[i] >= 0
            out[i] = _rank_score(int(twice), others.size, method) if known else np.nan


def _rank_score(twice: int, n: int, method: int) -> float:
    if method == 0:
        return twice / 2
    return twice / 2 / n if method == 1 else NormalDist().inv_cdf((twice / 2 - 0.375) / (n + 0.25))


def correlate(
    values: Floats,
    columns: list[Floats],
    mask: Any,
    offsets: Any,
    first: int,
    last: int,
    n_buckets: int,
    scratch: Any,
    counts: Any,
    numbers: Any,
    bucket_of: Any,
    n: Any,
    pearson: Floats,
    spearman: Floats,
    buckets: Any,
) -> bool:
    """Go through the dates: correlate as the textbook does, and count for every rank and every edge."""
    del scratch, counts, numbers, bucket_of
    for d in range(first, last):
        s = slice(int(offsets[d]), int(offsets[d + 1]))
        usable = ~np.isnan(values[s]) & (mask[s].astype(bool) if mask.size else True)
        known = np.sort(values[s][usable])
        if np.isinf(known).any():
            return True
        if n_buckets and known.size >= n_buckets:
            edges = [known[k * (known.size - 1) // n_buckets] for k in range(1, n_buckets + 1)]
            buckets[s][usable] = 1 + np.searchsorted(edges, values[s][usable], side="left")
        for c, column in enumerate(columns):
            both = usable & ~np.isnan(column[s])
            x, y = values[s][both], column[s][both]
            n[d, c] = x.size
            pearson[d, c] = spearman[d, c] = np.nan
            if np.isinf(y).any():
                return True
            if x.size >= 3 and x.min() < x.max() and y.min() < y.max():
                pearson[d, c] = _correlation(x, y)
                spearman[d, c] = np.corrcoef(_average_ranks(x), _average_ranks(y))[0, 1]
    return False


def _unit(x: Floats) -> tuple[Floats, int]:
    """Divide by the power of two that brings the largest size to between 1/2 and 1."""
    power = int(np.frexp(np.abs(x).max(initial=0.0))[1])
    return np.ldexp(x, -power), power


def _correlation(x: Floats, y: Floats) -> float:
    """Pearson's, of numbers of any size: the mean of the deviations is what rounding left of the mean."""
    a, b = ((unit := _unit(one)[0]) - unit.mean() for one in (x, y))
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip((a @ b) / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def _average_ranks(x: Floats) -> Floats:
    return np.array([(x < one).sum() + ((x == one).sum() + 1) / 2 for one in x])


def forward_returns(
    values: Floats,
    gaps: Any,
    ends: Any,
    places: Any,
    known: Any,
    offsets: Any,
    entries: Any,
    exits: Any,
    first: int,
    last: int,
    out: Floats,
    codes: Any,
) -> None:
    """Take the rows one by one and ask what is known of each."""
    for c in range(entries.shape[0]):
        for d in range(first, last):
            entry, leave = int(entries[c, d]), int(exits[c, d])
            for i in range(int(offsets[d]), int(offsets[d + 1])):
                asset = int(places[i])
                codes[c, i] = _why_not(values, gaps, ends, np.bool_(known[i]), asset, entry, leave)
                out[c, i] = np.nan if codes[c, i] else values[leave, asset] / values[entry, asset] - 1.0


def _why_not(
    values: Floats, gaps: Any, ends: Any, known: np.bool_, asset: int, entry: int, leave: int
) -> int:
    if not known:
        return 1
    if entry < 0:
        return 2
    if asset < 0:
        return 3
    if entry > ends[asset] or np.isnan(values[entry, asset]) or values[entry, asset] == 0.0:
        return 4
    if leave >= values.shape[0]:
        return 5
    if np.isnan(values[leave, asset]):
        return 7 if leave > ends[asset] else 6
    return 8 if gaps.size and gaps[min(leave, ends[asset]), asset] > gaps[entry, asset] else 0


def bucket_means(
    buckets: Any,
    columns: list[Floats],
    weights: Floats,
    offsets: Any,
    first: int,
    last: int,
    numbers: Any,
    n: Any,
    means: Floats,
) -> bool:
    """Average every bucket by itself, and what rounding left of the average."""
    del numbers
    w = weights if weights.size else np.ones(buckets.size)
    for d in range(first, last):
        s = slice(int(offsets[d]), int(offsets[d + 1]))
        for c, column in enumerate(columns):
            for k in range(n.shape[2]):
                inside = (buckets[s] == k + 1) & ~np.isnan(column[s]) & (w[s] > 0.0)
                n[d, c, k] = inside.sum()
                means[d, c, k] = np.nan
                if np.isinf(column[s][inside]).any() or np.isinf(w[s][inside]).any():
                    return True
                if inside.any():
                    (x, power), (weight, _) = _unit(column[s][inside]), _unit(w[s][inside])
                    mean = np.average(x, weights=weight)
                    means[d, c, k] = np.ldexp(mean + np.average(x - mean, weights=weight), power)
    return False


def hold(
    buckets: Any,
    returns: Floats,
    weights: Floats,
    assets: Any,
    offsets: Any,
    dates: Any,
    held: Floats,
    held_in: Any,
    row_weights: Floats,
    n: Any,
    earned: Floats,
    traded: Floats,
) -> None:
    """Keep an account of weights for every bucket by itself."""
    del held, held_in, row_weights
    usable = ~np.isnan(returns) & ((weights > 0.0) if weights.size else True)
    for b in range(n.shape[0]):
        account: dict[int, float] = {}
        ever = False
        for t, d in enumerate(dates.tolist()):
            s = slice(int(offsets[d]), int(offsets[d + 1]))
            inside = (buckets[s] == b + 1) & usable[s]
            names, r = assets[s][inside].tolist(), returns[s][inside]
            w = weights[s][inside] if weights.size else np.ones(len(names))
            w = w / w.sum()
            bought = dict(zip(names, w.tolist(), strict=True))
            ever |= bool(account)
            moved = sum(abs(bought.get(one, 0.0) - account.get(one, 0.0)) for one in bought | account)
            n[b, t] = len(names)
            earned[b, t] = w @ r if names else np.nan
            traded[b, t] = moved / 2.0 if ever else np.nan
            grown = 1.0 + w @ r
            worth = w * (1.0 + r) / (grown if grown > 0.0 else 1.0)
            account = dict(zip(names, worth.tolist(), strict=True))


class _Known:
    """The visible facts of one metric: {(start, end): value}, and the four rules on them."""

    def __init__(self, rules: Any) -> None:
        (
            self.year_low,
            self.year_high,
            self.quarter_low,
            self.quarter_high,
            self.span_tolerance,
            self.gap_tolerance,
            self.match_days,
        ) = (int(rule) for rule in rules)
        self.facts: dict[tuple[int, int], float] = {}

    def years(self, low: int, high: int) -> list[tuple[int, int]]:
        """Facts that span a year and end in [low, high]."""
        return [
            (start, end)
            for start, end in self.facts
            if low <= end <= high and self.year_low <= end - start + 1 <= self.year_high
        ]

    def annual(self, day: int) -> float:
        found = self.years(day, day)
        return (
            self.facts[min(found, key=lambda f: (abs(f[1] - f[0] + 1 - 365), f[0]))]
            if found
            else float("nan")
        )

    def year_to_date(self, day: int) -> float:
        for start, end in sorted(fact for fact in self.facts if fact[1] == day):
            span = end - start + 1
            if span >= self.year_low:
                continue
            years = self.years(start - 1 - self.gap_tolerance, start - 1 + self.gap_tolerance)
            ago = [
                (s, e)
                for s, e in self.facts
                if self.year_low <= end - e <= self.year_high and abs(e - s + 1 - span) <= self.span_tolerance
            ]
            if years and ago:
                year = min(
                    years, key=lambda f: (abs(f[1] - start + 1), abs(f[1] - f[0] + 1 - 365), f[1], f[0])
                )
                past = min(
                    ago, key=lambda f: (abs(end - f[1] - 365), abs(f[1] - f[0] + 1 - span), f[1], f[0])
                )
                return self.facts[year] + self.facts[start, end] - self.facts[past]
        return float("nan")

    def quarter(self, low: int, high: int, wanted: int) -> tuple[int, int] | None:
        found = [
            (start, end)
            for start, end in self.facts
            if low <= end <= high and self.quarter_low <= end - start + 1 <= self.quarter_high
        ]
        key = lambda f: (abs(f[1] - wanted), abs(f[1] - f[0] + 1 - 91), f[1], f[0])  # noqa: E731
        return min(found, key=key) if found else None

    def four_quarters(self, day: int) -> float:
        total, low, high = 0.0, day, day
        for n in range(4):
            quarter = self.quarter(low, high, day)
            if quarter is None:
                return float("nan")
            total = self.facts[quarter] if n == 0 else total + self.facts[quarter]
            day = quarter[0] - 1
            low, high = day - self.gap_tolerance, day + self.gap_tolerance
        return total

    def trailing(self, day: int) -> tuple[float, int]:
        for number, rule in enumerate((self.annual, self.year_to_date, self.four_quarters), start=1):
            value = rule(day)
            if not np.isnan(value):
                return value, number
        return float("nan"), 0


def trailing_twelve_months(
    slot_offsets: Any,
    slot_metric: Any,
    slot_start: Any,
    slot_end: Any,
    fact_offsets: Any,
    fact_slot: Any,
    fact_visible: Any,
    fact_value: Floats,
    dates: Any,
    first: int,
    last: int,
    rules: Any,
    max_age_days: int,
    rows: Any,
    latest: Floats,
    value: Floats,
    value_rule: Any,
    periods: Any,
    capex: Floats,
    revenue: Floats,
    assets: Floats,
    used: Any,
) -> None:
    """Rebuild everything that is visible on every date, and read the rules off it."""
    del slot_offsets, latest, value, value_rule
    for a in range(first, last):
        facts = range(fact_offsets[a], fact_offsets[a + 1])
        for d, today in enumerate(dates):
            row = rows[a, d]
            if row < 0:
                continue
            known = [_Known(rules) for _ in range(3)]
            for f in facts:
                if fact_visible[f] <= today:
                    slot = fact_slot[f]
                    known[slot_metric[slot]].facts[int(slot_start[slot]), int(slot_end[slot])] = fact_value[f]
            ends = sorted({end for _, end in known[0].facts})
            pairs = {end: (known[0].trailing(end), known[1].trailing(end)) for end in ends}
            both = [end for end in ends if not (np.isnan(pairs[end][0][0]) or np.isnan(pairs[end][1][0]))]
            if not both or today - both[-1] > max_age_days:
                continue
            for k in range(4):
                wanted = both[-1] - 365.25 * k
                near = [end for end in both if abs(end - wanted) <= (known[0].match_days if k else 0)]
                if near:
                    end = min(near, key=lambda e: (abs(e - wanted), -e))
                    periods[row, k] = end
                    (capex[row, k], _), (revenue[row, k], _) = pairs[end]
            used[row] = [rule for _, rule in pairs[both[-1]]]
            stock = [value for (_, end), value in known[2].facts.items() if end == both[-1]]
            assets[row] = stock[0] if stock else np.nan


def _mixed(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def _known_rows(valid: Any, start: int, size: int) -> list[int]:
    bits = np.unpackbits(valid, bitorder="little")[start : start + size] if valid.size else np.ones(size)
    return [int(row) for row in np.flatnonzero(bits)]


def _add(out: Any, row: int, digest: int) -> None:
    out[row] = (int(out[row]) + digest) % 2**64


def add_numbers(values: Any, valid: Any, start: int, key: int, out: Any) -> None:
    """Add the digest of each number that is known."""
    for row in _known_rows(valid, start, out.size):
        _add(out, row, _mixed(key ^ (int(values[row]) % 2**64)))


def add_texts(views: Any, addresses: Any, valid: Any, start: int, key: int, out: Any) -> None:
    """Add the digest of each text that is known: eight bytes after eight, the last eight of a long one whole."""
    for row in _known_rows(valid, start, out.size):
        view = views[16 * row : 16 * row + 16].tobytes()
        length, _, buffer, offset = (int.from_bytes(view[k : k + 4], "little") for k in (0, 4, 8, 12))
        if length <= 12:
            text = view[4 : 4 + length]
            words = [text[:8], text[8:]] if length > 8 else [text]
        else:
            text = ctypes.string_at(int(addresses[buffer]) + offset, length)
            words = [text[k : k + 8] for k in range(0, length - 8, 8)] + [text[-8:]]
        digest = (key + length) % 2**64
        for word in words:
            digest = _mixed(digest ^ int.from_bytes(word, "little"))
        _add(out, row, digest)


def add_by_day(rows: Any, days: Any, first: int, sums: Any, counts: Any) -> None:
    """Mix each row and add it to its day."""
    for row, day in zip(rows, days, strict=True):
        _add(sums, day - first, _mixed(int(row)))
        counts[day - first] += 1
