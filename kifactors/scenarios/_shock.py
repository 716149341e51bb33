"""`Shock`: what changes in a scenario, checked; and the same with companies in place of names."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Any

from kifactors.errors import DataError

__all__ = ["PIONEERS", "Settled", "Shock", "settled"]

PIONEERS = "pioneers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """One scenario: everything that is different from the date it is held against.

    Parameters
    ----------
    capex : mapping of str to float
        Relative change of a company's AI spending, -0.3 for 30 % less; -1 at least. Keys are tickers, asset ids or
        groups; where a company is named and also in a group, its own entry counts.
    theta : mapping of str to float
        The new AI share of capex, in [0, 1].
    guidance : mapping of str to float
        Relative change of announced capex; it moves `guided_capex`, hence the score, not the exposure.
    lost_ties : iterable of (supplier, customer)
        Ties that end; what the supplier sold there is not sold elsewhere.
    gone : iterable of str
        Companies that leave: with their ties, their spending and their index memberships.
    unnamed : float
        Relative change of the AI revenue that suppliers disclose and no named customer explains; -1 at least. Where a
        shock is meant for all demand, and half of the suppliers name nobody, give it here as well.

    Raises
    ------
    DataError
        A number is not finite or outside its range, or a tie is not a pair.

    Examples
    --------
    >>> kf.scenarios.Shock(capex={"MSFT": -0.3}, lost_ties=[("CRWV", "MSFT")]).lost_ties
    (('CRWV', 'MSFT'),)
    >>> kf.scenarios.Shock(capex={"MSFT": -30})
    Traceback (most recent call last):
        ...
    kifactors.errors.DataError: capex of 'MSFT' is -30; expected a relative change of at least -1, like -0.3 for 30 %
    less.
    """

    capex: Mapping[str, float] = field(default_factory=dict)
    theta: Mapping[str, float] = field(default_factory=dict)
    guidance: Mapping[str, float] = field(default_factory=dict)
    lost_ties: Iterable[tuple[str, str]] = ()
    gone: Iterable[str] = ()
    unnamed: float = 0.0

    def __post_init__(self) -> None:
        change = "a relative change of at least -1, like -0.3 for 30 % less"
        limits = {"capex": (-1.0, change), "theta": (0.0, "a share from 0 to 1"), "guidance": (-1.0, change)}
        for name, (low, says) in limits.items():
            values = getattr(self, name)
            if not isinstance(values, Mapping):
                raise DataError(
                    f"{name} is a {type(values).__name__}; expected a mapping like {{'MSFT': -0.3}}."
                )
            for key, value in values.items():
                high = 1.0 if name == "theta" else math.inf
                if not _is_number(value) or not low <= value <= high:
                    raise DataError(f"{name} of {key!r} is {value!r}; expected {says}.")
            object.__setattr__(self, name, MappingProxyType({k: float(v) for k, v in values.items()}))
        if not _is_number(self.unnamed) or self.unnamed < -1.0:
            raise DataError(f"unnamed is {self.unnamed!r}; expected {change}.")
        for name in ("lost_ties", "gone"):
            if isinstance(getattr(self, name), str):
                raise DataError(f"{name} is one text; expected a list.")
        given = tuple(self.lost_ties)
        wrong = next((pair for pair in given if isinstance(pair, str) or len(pair) != 2), None)
        if wrong is not None:
            raise DataError(f"lost_ties has {wrong!r}; expected pairs (supplier, customer).")
        object.__setattr__(self, "lost_ties", tuple(tuple(pair) for pair in given))
        object.__setattr__(self, "gone", tuple(self.gone))


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Settled:
    """A shock by asset_id: spending is 1 + capex, unnamed one more than it was; all groups taken apart."""

    spending: Mapping[str, float]
    theta: Mapping[str, float]
    guidance: Mapping[str, float]
    lost_ties: frozenset[tuple[str, str]]
    gone: frozenset[str]
    unnamed: float = 1.0


def settled(shock: Shock, name: Callable[[str], str], groups: Mapping[str, Iterable[str]]) -> Settled:
    """Return a shock with companies in place of names; `name` refuses unknown ones, `groups` are asset ids."""
    gone = frozenset(name(one) for one in shock.gone)
    return Settled(
        {asset: 1.0 + change for asset, change in _spread(shock.capex, name, groups).items()},
        _spread(shock.theta, name, groups),
        _spread(shock.guidance, name, groups),
        frozenset((name(supplier), name(customer)) for supplier, customer in shock.lost_ties),
        gone,
        1.0 + shock.unnamed,
    )


def _spread(
    values: Mapping[str, float], name: Callable[[str], str], groups: Mapping[str, Iterable[str]]
) -> dict[str, float]:
    """Give every company of a group its value; companies by name come after, and count."""
    found: dict[str, float] = {}
    for key, value in values.items():
        if key in groups:
            clash = next((one for one in groups[key] if found.get(one, value) != value), None)
            if clash is not None:
                raise DataError(f"{clash!r} is in two groups with different values. Name it by itself.")
            found |= dict.fromkeys(groups[key], value)
    alone: dict[str, str] = {}
    for key, value in values.items():
        if key not in groups:
            asset = name(key)
            if asset in alone:
                raise DataError(f"{alone[asset]!r} and {key!r} are the same company. Name it once.")
            alone[asset] = key
            found[asset] = value
    return found
