"""One pass over the dates: returns, correlations and means of portfolios, a few dates at a time.

Returns over all horizons are several times the scores; what is kept of them is small.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.evaluation._forward import NOT_HELD
from kifactors.evaluation._panel import Panel

__all__ = ["Correlations", "GroupCorrelations", "Grouping", "Means", "Measured", "measure"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Rows at a time, in whole dates.
BLOCK_ROWS = 250_000
NAMES = ("universe", "exposed")


@dataclass(frozen=True, slots=True, eq=False)
class Correlations:
    """Correlations of values with returns.

    names : "universe" or "exposed".
    n, pearson, spearman : (dates, columns) arrays.
    """

    names: str
    n: Ints
    pearson: Floats
    spearman: Floats

    def of(self, method: str) -> Floats:
        """Return the coefficients of a method."""
        return self.pearson if method == "pearson" else self.spearman

    def columns(self, which: slice) -> "Correlations":
        """Return some columns."""
        return Correlations(self.names, self.n[:, which], self.pearson[:, which], self.spearman[:, which])


@dataclass(frozen=True, slots=True, eq=False)
class GroupCorrelations:
    """The same within groups.

    places : (blocks,) places of the dates.
    labels : name of the group of each block.
    found : a row per block.
    """

    places: NDArray[np.intp]
    labels: list[str]
    found: Correlations


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Who is in which portfolio.

    spread : which spread its last portfolio makes with its first.
    labels : names of the portfolios, in the order of codes 1, 2, ...
    codes : (n,) int8 array; 0 is none.
    """

    spread: str
    labels: tuple[str, ...]
    codes: NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Means of one grouping and weighting.

    n, mean : (dates, horizons, portfolios) arrays.
    """

    grouping: Grouping
    weighting: str
    n: Ints
    mean: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What is kept of the pass.

    ic, months : correlations over the horizons and over the twelve months, of the universe and of the exposed.
    groups : those over the horizons within groups; empty without groups.
    means : of every grouping and weighting.
    period : (n,) returns until the entry of the next date; NaN where unknown.
    codes : (horizons + 1, n) why there is no return: places in `REASONS`; the last is of the period.
    """

    ic: list[Correlations]
    months: list[Correlations]
    groups: list[GroupCorrelations]
    means: list[Means]
    period: Floats
    codes: NDArray[np.uint8]

    @property
    def groupings(self) -> list[Grouping]:
        """Quantiles, and exposed against unexposed."""
        return [one.grouping for one in self.means if one.weighting == "equal"]


def measure(
    panel: Panel, horizons: Sequence[int], *, quantiles: int, by: str | None, n_threads: int | None
) -> Measured:
    """Go through the dates.

    Quantiles are those of ``pandas.qcut``: edges are percentiles interpolated linearly, and equal values share a
    portfolio, so that some may be empty. Nobody is left out of one for a return that is missing later.
    """
    trades, known = panel.trades(horizons), ~np.isnan(panel.values)
    n, h = panel.values.size, len(horizons)
    groupings = [
        Grouping("quantiles", tuple(str(k) for k in range(1, quantiles + 1)), np.zeros(n, np.int8)),
        Grouping("exposed", ("unexposed", "exposed"), _sides(panel, known)),
    ]
    weightings = [("equal", None), *([("cap", panel.caps)] if panel.caps is not None else [])]
    period, codes = np.empty(n), np.empty((h + 1, n), np.uint8)
    correlated: dict[str, list[_kernels.Correlated]] = {name: [] for name in NAMES}
    means: dict[tuple[int, str], list[tuple[Ints, Floats]]] = {}
    grouped = _Groups(panel, by)
    for dates, rows in _blocks(panel.offsets):
        offsets = panel.offsets[dates.start : dates.stop + 1] - rows.start
        found, why = _kernels.forward_returns(
            panel.sessions.values, panel.sessions.last, panel.places[rows], known[rows], offsets,
            trades.entries[:, dates], trades.exits[:, dates], gaps=panel.sessions.gaps, n_threads=n_threads,
        )  # fmt: skip
        period[rows], codes[:, rows] = found[h], why[: h + 1]
        same = np.repeat(trades.entries[h, dates] == trades.exits[h, dates], np.diff(offsets)) & (why[h] == 0)
        period[rows][same], codes[h, rows][same] = np.nan, NOT_HELD
        columns = [*found[:h], *found[h + 1 :]]
        for name, among in ((NAMES[0], None), (NAMES[1], panel.exposed[rows])):
            one = _kernels.correlate(
                panel.values[rows], columns, offsets, among=among,
                n_buckets=quantiles if among is None else 0, n_threads=n_threads,
            )  # fmt: skip
            if among is None:
                groupings[0].codes[rows] = one.buckets
            correlated[name].append(one)
        for place, grouping in enumerate(groupings):
            for weighting, weights in weightings:
                part = _kernels.bucket_means(
                    grouping.codes[rows], columns[:h], offsets, len(grouping.labels),
                    weights=None if weights is None else weights[rows], n_threads=n_threads,
                )  # fmt: skip
                means.setdefault((place, weighting), []).append(part)
        grouped.add(dates, rows, columns[:h], n_threads)
    whole = [_joined(name, correlated[name]) for name in NAMES]
    return Measured(
        ic=[one.columns(slice(0, h)) for one in whole],
        months=[one.columns(slice(h, None)) for one in whole],
        groups=grouped.joined(),
        means=[
            Means(
                groupings[place], weighting, *(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            )
            for (place, weighting), parts in means.items()
        ],
        period=period,
        codes=codes,
    )


def _sides(panel: Panel, known: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return 2 for exposed and 1 for unexposed names; 0 where the value or the exposure is unknown."""
    sides = np.where(panel.exposed, np.int8(2), panel.unexposed.astype(np.int8))
    return np.where(known, sides, np.int8(0))


def _blocks(offsets: Ints) -> Iterator[tuple[slice, slice]]:
    """Yield places of dates, and their rows, of about so many rows."""
    begin = 0
    for k in range(1, offsets.size):
        if offsets[k] - offsets[begin] >= BLOCK_ROWS or k == offsets.size - 1:
            yield slice(begin, k), slice(int(offsets[begin]), int(offsets[k]))
            begin = k


def _joined(name: str, parts: Sequence[_kernels.Correlated]) -> Correlations:
    return Correlations(
        name,
        *(np.concatenate([getattr(one, field) for one in parts]) for field in ("n", "pearson", "spearman")),
    )


class _Groups:
    """Correlations within groups, collected block by block."""

    def __init__(self, panel: Panel, by: str | None) -> None:
        self._panel, self._places, self._labels = panel, [], []  # type: ignore[var-annotated]
        self._parts: dict[str, list[_kernels.Correlated]] = {name: [] for name in NAMES}
        self._codes: NDArray[np.int64] | None = None
        if by is not None:
            group = panel.rows[by].cast(pl.String)
            self._names = group.drop_nulls().unique().sort()
            self._codes = (
                group.cast(pl.Enum(self._names)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
            )

    def add(self, dates: slice, rows: slice, columns: list[Floats], n_threads: int | None) -> None:
        """Sort the rows of some dates by group and correlate within each."""
        if self._codes is None or not len(self._names):
            return
        panel, codes, m = self._panel, self._codes[rows], len(self._names)
        day = np.repeat(
            np.arange(dates.start, dates.stop), np.diff(panel.offsets[dates.start : dates.stop + 1])
        )
        key = day * m + codes
        inside = np.flatnonzero(codes >= 0)
        order = inside[np.argsort(key[inside], kind="stable")]
        blocks, begin = np.unique(key[order], return_index=True)
        offsets = np.append(begin, order.size).astype(np.int64)
        self._places.append(blocks // m)
        self._labels += self._names.gather(blocks % m).to_list()
        values, returns = panel.values[rows][order], [column[order] for column in columns]
        for name, among in ((NAMES[0], None), (NAMES[1], panel.exposed[rows][order])):
            self._parts[name].append(
                _kernels.correlate(values, returns, offsets, among=among, n_threads=n_threads)
            )

    def joined(self) -> list[GroupCorrelations]:
        """Return what was collected."""
        if not self._places:
            return []
        places = np.concatenate(self._places)
        return [GroupCorrelations(places, self._labels, _joined(name, self._parts[name])) for name in NAMES]
