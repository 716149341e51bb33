"""The language: factors and classifiers name columns; what they are compared with makes a condition."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.cross_section import percentile
from kifactors.errors import DataError

__all__ = ["Classifier", "Condition", "Day", "Factor", "Reason", "classifier", "factor"]

Mask = NDArray[np.bool_]
# As narrow as the number of reasons allows.
Codes = NDArray[np.unsignedinteger[Any]]
PASSED, UNKNOWN, FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Day:
    """Some dates of the scores with the columns that conditions name.

    frame : rows sorted on (date, asset_id).
    offsets : (dates + 1,) where each date begins.
    """

    frame: pl.DataFrame
    offsets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an asset fails; `unknown` if it might pass, were the number known."""

    text: str
    unknown: bool = False


class Condition(ABC):
    """What an asset must be on a date; combine conditions with ``&``, ``|`` and ``~``.

    An unknown number or name passes neither a condition nor its opposite (Kleene's three-valued logic): it passes
    ``a | b`` if the other one does, and never ``~a``. Who wants the unknown asks for ``~x.known()``.
    """

    @property
    @abstractmethod
    def columns(self) -> frozenset[str]:
        """Columns of scores or universe that are looked at."""

    @property
    @abstractmethod
    def reasons(self) -> "tuple[Reason, ...]":
        """Why an asset may fail; a verdict's code is the place in it, from 1 on."""

    @abstractmethod
    def judge(self, day: Day) -> Codes:
        """Return of each row 0 if it passes, else the number of the reason why not."""

    def __and__(self, other: "Condition") -> "Condition":
        return _Both(self, _condition(other))

    def __or__(self, other: "Condition") -> "Condition":
        return _Either(self, _condition(other))

    def __invert__(self) -> "Condition":
        return _Not(self)

    def __bool__(self) -> bool:
        raise DataError(
            "a condition is neither true nor false by itself. Combine with & | ~, not with and, or, not."
        )

    @abstractmethod
    def __str__(self) -> str:
        """Return what passes, in words."""

    def __repr__(self) -> str:
        return f"{type(self).__name__.strip('_')}({self})"


@dataclass(frozen=True, eq=False)
class Factor:
    """A column of numbers of the scores or the universe; an unknown number passes no condition.

    Examples
    --------
    >>> str(kf.screen.exposure.top(30, mask=kf.screen.role.element_of(["tool_supplier"])))
    "exposure among the 30 highest of role in ('tool_supplier',)"
    >>> str((kf.screen.coverage >= 0.5) & ~kf.screen.industry.element_of(["Banks"]))
    "coverage >= 0.5 and not industry in ('Banks',)"
    """

    name: str

    def top(self, n: int, *, mask: Condition | None = None) -> Condition:
        """Pass the n highest of each date; of those that pass `mask`, if there is one.

        Equal numbers go by asset_id. Fewer pass if fewer are known.
        """
        return _Extreme(self.name, _count(n), _mask(mask), highest=True)

    def bottom(self, n: int, *, mask: Condition | None = None) -> Condition:
        """Pass the n lowest of each date; of those that pass `mask`, if there is one."""
        return _Extreme(self.name, _count(n), _mask(mask), highest=False)

    def percentile_between(self, low: float, high: float, *, mask: Condition | None = None) -> Condition:
        """Pass numbers between two percentiles of their date, both included, in [0, 100].

        Percentiles are interpolated linearly (definition 7 of Hyndman and Fan, 1996, as numpy's default) over the
        known numbers of the date, of those that pass `mask` if there is one.
        """
        if not 0.0 <= low <= high <= 100.0:
            raise DataError(f"percentiles are {low} to {high}; expected 0 <= low <= high <= 100.")
        return _Percentile(self.name, float(low), float(high), _mask(mask))

    def above(self, limit: float) -> Condition:
        """Pass numbers above a limit."""
        return _Compared(self.name, ">", _number(limit))

    def below(self, limit: float) -> Condition:
        """Pass numbers below a limit."""
        return _Compared(self.name, "<", _number(limit))

    def at_least(self, limit: float) -> Condition:
        """Pass numbers of at least a limit."""
        return _Compared(self.name, ">=", _number(limit))

    def at_most(self, limit: float) -> Condition:
        """Pass numbers of at most a limit."""
        return _Compared(self.name, "<=", _number(limit))

    __gt__, __lt__, __ge__, __le__ = above, below, at_least, at_most

    def known(self) -> Condition:
        """Pass where there is a number."""
        return _Known(self.name)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A column of names of the scores or the universe; an unknown name passes no condition."""

    name: str

    def element_of(self, names: Iterable[str]) -> Condition:
        """Pass these names; nobody, if there are none."""
        if isinstance(names, str):
            raise DataError(f"names is the text {names!r}; expected a list of names.")
        # A set has no order of its own, and reasons must read alike in every run.
        listed = tuple(sorted(names) if isinstance(names, (set, frozenset)) else dict.fromkeys(names))
        if not all(isinstance(name, str) for name in listed):
            raise DataError(f"names are {listed!r}; expected texts.")
        return _Element(self.name, listed)

    def not_element_of(self, names: Iterable[str]) -> Condition:
        """Pass known names but these."""
        return ~self.element_of(names)

    def known(self) -> Condition:
        """Pass where there is a name."""
        return _Known(self.name)


def factor(name: str) -> Factor:
    """Return a column of numbers: a score, a descriptor, or a column of the universe such as a traded volume."""
    return Factor(name)


def classifier(name: str) -> Classifier:
    """Return a column of names: the role, the industry, or any text column of the universe."""
    return Classifier(name)


def _condition(other: object) -> Condition:
    if not isinstance(other, Condition):
        raise DataError(f"a condition is combined with a {type(other).__name__}; expected another condition.")
    return other


def _count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise DataError(f"n is {n!r}; expected a whole number of at least 1.")
    return int(n)


def _mask(mask: Condition | None) -> Condition | None:
    if mask is not None and not isinstance(mask, Condition):
        raise DataError(f"mask is a {type(mask).__name__}; expected a condition.")
    return mask


def _number(limit: Any) -> float:
    if isinstance(limit, bool) or not isinstance(limit, int | float | np.number) or not np.isfinite(limit):
        raise DataError(f"a limit is {limit!r}; expected a finite number.")
    return float(limit)


def _values(day: Day, name: str) -> NDArray[np.float64]:
    """Return numbers, NaN where unknown; the caller must not write to them."""
    column = day.frame[name]
    if not column.dtype.is_numeric():
        raise DataError(
            f"column {name!r} is of type {column.dtype}; expected numbers. Use screen.classifier."
        )
    return column.cast(pl.Float64).to_numpy()


class _Leaf(Condition):
    """A condition on one column, with a reason for the unknown and one for the others."""

    name: str

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.name})

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return (Reason(f"{self.name} unknown", unknown=True), Reason(f"not {self}"))


def _codes(unknown: Mask | None, passed: Mask) -> Codes:
    """Return UNKNOWN, FAILED or PASSED; the unknown have not passed."""
    codes = ~passed * np.uint8(FAILED)
    if unknown is not None and unknown.any():
        codes[unknown] = UNKNOWN
    return codes


def _choose(first: Mask, codes: Codes, others: Codes) -> Codes:
    """Do what numpy.where does, whose branches on a random mask cost more than all the rest of a screen."""
    chosen: Codes = codes * first + others * ~first
    return chosen


def _narrow(condition: Condition) -> np.dtype[Any]:
    """Return the type that holds all codes of a condition."""
    return np.min_scalar_type(len(condition.reasons))


@dataclass(frozen=True, eq=False, repr=False)
class _Compared(_Leaf):
    name: str
    relation: str
    limit: float

    def judge(self, day: Day) -> Codes:
        x = _values(day, self.name)
        compare = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal}[self.relation]
        return _codes(np.isnan(x), compare(x, self.limit))

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.limit:.12g}"


@dataclass(frozen=True, eq=False, repr=False)
class _Known(_Leaf):
    name: str

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return (Reason(f"{self.name} unknown"),)

    def judge(self, day: Day) -> Codes:
        column = day.frame[self.name]
        unknown = (
            np.isnan(_values(day, self.name)) if column.dtype.is_float() else column.is_null().to_numpy()
        )
        return unknown.astype(np.uint8)

    def __str__(self) -> str:
        return f"{self.name} known"


@dataclass(frozen=True, eq=False, repr=False)
class _Element(_Leaf):
    name: str
    names: tuple[str, ...]

    def judge(self, day: Day) -> Codes:
        column = day.frame[self.name]
        if column.dtype.is_numeric():
            raise DataError(
                f"column {self.name!r} is of type {column.dtype}; expected names. Use screen.factor."
            )
        # Several comparisons are faster than polars' is_in on texts.
        passed = np.zeros(len(column), bool)
        for name in self.names:
            passed |= column.eq_missing(name).to_numpy()
        return _codes(column.is_null().to_numpy() if column.null_count() else None, passed)

    def __str__(self) -> str:
        return f"{self.name} in {self.names}"


class _Ranked(_Leaf):
    """A condition on the place of a number among those of its date, or among those that pass a mask."""

    mask: Condition | None

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.name}) | (frozenset() if self.mask is None else self.mask.columns)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        own = super().reasons
        return own if self.mask is None else own + self.mask.reasons

    @abstractmethod
    def chosen(self, x: NDArray[np.float64], usable: Mask, offsets: NDArray[np.int64]) -> Mask:
        """Mark those of the usable numbers that pass, date by date."""

    def judge(self, day: Day) -> Codes:
        x = _values(day, self.name)
        unknown = np.isnan(x)
        outside = None if self.mask is None else self.mask.judge(day)
        usable = ~unknown if outside is None else ~unknown & (outside == PASSED)
        codes = _codes(unknown, self.chosen(x, usable, day.offsets) & usable)
        if outside is None:
            return codes
        shifted = outside.astype(_narrow(self)) + FAILED
        return _choose(outside == PASSED, codes, shifted)

    def _of(self) -> str:
        return "" if self.mask is None else f" of {_inner(self.mask)}"


@dataclass(frozen=True, eq=False, repr=False)
class _Extreme(_Ranked):
    name: str
    n: int
    mask: Condition | None
    highest: bool

    def chosen(self, x: NDArray[np.float64], usable: Mask, offsets: NDArray[np.int64]) -> Mask:
        y = np.where(usable, x if self.highest else -x, -np.inf)
        edges = np.full(offsets.size - 1, -np.inf)
        for k, (a, b) in enumerate(pairwise(offsets.tolist())):
            if b - a > self.n:
                edges[k] = np.partition(y[a:b], b - a - self.n)[b - a - self.n]
        inside = usable & (y >= np.repeat(edges, np.diff(offsets)))
        surplus = _sums(inside, offsets) - self.n
        for k in np.flatnonzero(surplus > 0).tolist():
            # Of equal ones at the edge the first.
            a, b = int(offsets[k]), int(offsets[k + 1])
            equal = np.flatnonzero(inside[a:b] & (y[a:b] == edges[k]))
            inside[a + equal[equal.size - surplus[k] :]] = False
        return inside

    def __str__(self) -> str:
        return f"{self.name} among the {self.n} {'highest' if self.highest else 'lowest'}{self._of()}"


@dataclass(frozen=True, eq=False, repr=False)
class _Percentile(_Ranked):
    name: str
    low: float
    high: float
    mask: Condition | None

    def chosen(self, x: NDArray[np.float64], usable: Mask, offsets: NDArray[np.int64]) -> Mask:
        inside = usable
        for q, compare in ((self.low, np.greater_equal), (self.high, np.less_equal)):
            # Everything lies between the ends.
            if (
                0.0 < q < 100.0
                or (q == 0.0 and compare is np.less_equal)
                or (q == 100.0 and compare is np.greater_equal)
            ):
                limits = _percentiles(x, q, usable, offsets)
                inside = inside & compare(x, np.repeat(limits, np.diff(offsets)))
        return inside

    def __str__(self) -> str:
        return f"{self.name} between percentiles {self.low:g} and {self.high:g}{self._of()}"


def _percentiles(
    x: NDArray[np.float64], q: float, usable: Mask, offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return a percentile of the usable numbers of each date; NaN where there are none."""
    y = np.where(usable, x, np.inf)
    counts = _sums(usable, offsets).tolist()
    ends = pairwise(offsets.tolist())
    return np.array([percentile(y[a:b], q, count=n) for (a, b), n in zip(ends, counts, strict=True)])


def _sums(mask: Mask, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of each date are marked; every date has rows."""
    return np.add.reduceat(mask, offsets[:-1], dtype=np.int64) if mask.size else np.zeros(0, np.int64)


def _unknown(condition: Condition, codes: Codes) -> Mask:
    """Mark codes of reasons that something is unknown."""
    marked = np.zeros(codes.size, bool)
    for code, reason in enumerate(condition.reasons, start=1):
        if reason.unknown:
            marked |= codes == code
    return marked


@dataclass(frozen=True, eq=False, repr=False)
class _Pair(Condition):
    left: Condition
    right: Condition

    @property
    def columns(self) -> frozenset[str]:
        return self.left.columns | self.right.columns


class _Both(_Pair):
    @property
    def reasons(self) -> tuple[Reason, ...]:
        return self.left.reasons + self.right.reasons

    def judge(self, day: Day) -> Codes:
        left, right = self.left.judge(day), self.right.judge(day)
        told = left == PASSED
        unknown = _unknown(self.left, left)
        if unknown.any():
            # Who certainly fails one of the two is told so, even if the first is unknown.
            told |= unknown & (right != PASSED) & ~_unknown(self.right, right)
        later = right.astype(_narrow(self))
        later += (right != PASSED) * later.dtype.type(len(self.left.reasons))
        return _choose(told, later, left)

    def __str__(self) -> str:
        return f"{_inner(self.left)} and {_inner(self.right)}"


class _Either(_Pair):
    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(
            Reason(f"{one.text}; {other.text}", unknown=one.unknown or other.unknown)
            for one in self.left.reasons
            for other in self.right.reasons
        )

    def judge(self, day: Day) -> Codes:
        left, right = (side.judge(day).astype(_narrow(self)) for side in (self.left, self.right))
        passed = (left == PASSED) | (right == PASSED)
        left -= left != PASSED
        left *= left.dtype.type(len(self.right.reasons))
        left += right
        left *= ~passed
        return left

    def __str__(self) -> str:
        return f"{_inner(self.left)} or {_inner(self.right)}"


@dataclass(frozen=True, eq=False, repr=False)
class _Not(Condition):
    inner: Condition

    @property
    def columns(self) -> frozenset[str]:
        return self.inner.columns

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return (Reason(str(self.inner)), *self.inner.reasons)

    def judge(self, day: Day) -> Codes:
        codes = self.inner.judge(day)
        turned = (codes == PASSED).astype(_narrow(self))
        stays = _unknown(self.inner, codes)
        return _choose(stays, codes + turned.dtype.type(1), turned) if stays.any() else turned

    def __str__(self) -> str:
        return f"not {_inner(self.inner)}"


def _inner(condition: Condition) -> str:
    return f"({condition})" if isinstance(condition, _Pair) else str(condition)
