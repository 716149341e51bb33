"""`IndexRules`: every parameter of an index, frozen, with its range."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from kifactors.definition import Screening
from kifactors.errors import DefinitionError
from kifactors.index_rules._capping import smallest_cap

__all__ = ["IndexRules", "Weighting"]

Weighting = Literal["equal", "cap", "exposure_cap", "score"]
Forced = Literal["error", "exceed"]
QUARTER_ENDS = (3, 6, 9, 12)
MONTHS_OF = {"month": tuple(range(1, 13)), "quarter": QUARTER_ENDS, "year": (12,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRules:
    """What makes an index of dated scores; the defaults are those of METHODOLOGY section 10.

    Parameters
    ----------
    enter_percentile, stay_percentile : float
        In [0, 100]. Who is out comes in at the first, who is in stays down to the second (hysteresis).
    floor : float, optional
        A member's score or exposure is above it, whatever its percentile: where most exposures are 0, so is the
        80th percentile. None: no floor; refused where the score is a weight, which it could make negative.
    min_count : int
        If fewer qualify, the next by rank fill up.
    max_count : int, optional
        If more qualify, the best by rank are taken.
    rank_buffer : float
        In [0, 1), a share of `min_count` or `max_count` n where one of them binds: first who ranks within
        (1 - buffer) n, then members within (1 + buffer) n, then the next by rank.
    weighting : {"equal", "cap", "exposure_cap", "score"}
        Weights before caps are in proportion to 1, market_cap, the ranked column times market_cap, or the ranked
        column. A free_float column of the universe scales market_cap.
    max_weight : float
        Largest weight of one name, in (0, 1].
    max_industry_weight : float, optional
        Largest weight of one industry, in (0, 1].
    min_free_float : float, optional
        In [0, 1]; who has less is not eligible.
    max_turnover : float, optional
        Largest one-way turnover of a reconstitution, 0.5 sum |dw|, in (0, 1]; the first one is free.
    forced_turnover : {"error", "exceed"}
        What to do where names that can no longer be held turn over more than `max_turnover` by themselves: refuse,
        naming the smallest limit that can hold, or go beyond it, by them alone.
    reconstitution_months : tuple of int
        Months, 1 to 12. The index is made anew on the first score date in such a month, or the first one after it.

    Raises
    ------
    DefinitionError
        A parameter is outside its range; `max_count` names cannot carry the whole at `max_weight`.

    Examples
    --------
    >>> kf.index_rules.IndexRules(max_count=20)
    Traceback (most recent call last):
        ...
    kifactors.errors.DefinitionError: max_count=20 names of at most max_weight=0.04 add to 0.8; the smallest feasible
    max_weight is 0.05.
    """

    enter_percentile: float = 80.0
    stay_percentile: float = 65.0
    floor: float | None = 0.0
    min_count: int = 1
    max_count: int | None = None
    rank_buffer: float = 0.0
    weighting: Weighting = "equal"
    max_weight: float = 0.04
    max_industry_weight: float | None = None
    min_free_float: float | None = None
    max_turnover: float | None = None
    forced_turnover: Forced = "error"
    reconstitution_months: tuple[int, ...] = QUARTER_ENDS

    def __post_init__(self) -> None:
        for name, low, high, is_open in (
            ("enter_percentile", 0.0, 100.0, False),
            ("stay_percentile", 0.0, 100.0, False),
            ("rank_buffer", 0.0, math.nextafter(1.0, 0.0), False),
            ("max_weight", 0.0, 1.0, True),
            ("max_industry_weight", 0.0, 1.0, True),
            ("min_free_float", 0.0, 1.0, False),
            ("max_turnover", 0.0, 1.0, True),
            ("floor", -math.inf, math.inf, True),
        ):
            self._check_number(name, low, high, is_open=is_open)
        for name in ("min_count", "max_count"):
            self._check_count(name)
        if self.stay_percentile > self.enter_percentile:
            raise DefinitionError(
                f"stay_percentile={self.stay_percentile:g} is above enter_percentile={self.enter_percentile:g}; who "
                "enters would leave at once. Lower it."
            )
        for name, choices in (("weighting", get_args(Weighting)), ("forced_turnover", get_args(Forced))):
            if getattr(self, name) not in choices:
                raise DefinitionError(
                    f"{name} is {getattr(self, name)!r}; expected one of {', '.join(choices)}."
                )
        if self.weighting in {"exposure_cap", "score"} and (self.floor is None or self.floor < 0.0):
            raise DefinitionError(
                f"weighting={self.weighting!r} needs a floor of at least 0; floor={self.floor} allows negative weights."
            )
        months = self.reconstitution_months
        are_months = isinstance(months, tuple) and all(
            isinstance(month, int) and not isinstance(month, bool) and 1 <= month <= 12 for month in months
        )
        if not are_months or not months:
            raise DefinitionError(
                f"reconstitution_months is {months!r}; expected a tuple of months, (3, 6, 9, 12) say."
            )
        if self.max_count is not None:
            self._check_counts_and_cap(self.max_count)

    @classmethod
    def from_screening(cls, screening: Screening, **changes: Any) -> "IndexRules":
        """Take percentiles, cap and calendar from a definition, ``scores.definition.screening``; change what is named.

        Examples
        --------
        >>> screening = kf.definition.Screening(reconstitute_every="year")
        >>> kf.index_rules.IndexRules.from_screening(screening, max_weight=0.1).reconstitution_months
        (12,)
        """
        known = {
            "enter_percentile": screening.enter_percentile,
            "stay_percentile": screening.stay_percentile,
            "max_weight": screening.max_weight,
            "reconstitution_months": MONTHS_OF[screening.reconstitute_every],
        }
        return cls(**{**known, **changes})

    def _check_number(self, name: str, low: float, high: float, *, is_open: bool) -> None:
        value = getattr(self, name)
        if value is None and name in {"max_industry_weight", "min_free_float", "max_turnover", "floor"}:
            return
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not fits or not (low < value if is_open else low <= value) or value > high:
            if math.isinf(high):
                expected = "a finite number"
            else:
                expected = (
                    f"a number in {'(' if is_open else '['}{low:g}, {'1)' if high < 1.0 else f'{high:g}]'}"
                )
            raise DefinitionError(f"{name} is {value!r}; expected {expected}.")

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if value is None and name == "max_count":
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DefinitionError(f"{name} is {value!r}; expected a whole number of at least 1.")

    def _check_counts_and_cap(self, most: int) -> None:
        if most < self.min_count:
            raise DefinitionError(f"max_count={most} is below min_count={self.min_count}.")
        if most * self.max_weight < 1.0 - 1e-12:
            raise DefinitionError(
                f"max_count={most} names of at most max_weight={self.max_weight:g} add to {most * self.max_weight:g}; "
                f"the smallest feasible max_weight is {smallest_cap(most):g}."
            )
