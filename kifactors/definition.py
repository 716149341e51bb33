"""`FactorDefinition`: every parameter of the factor, frozen, with its range, its unit and its fingerprint."""

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from kifactors.errors import DefinitionError

__all__ = [
    "CapexIntensity",
    "Composite",
    "FactorDefinition",
    "Scaling",
    "Screening",
    "SupplierTies",
    "Time",
    "TrailingTwelveMonths",
]

FORMAT = 1
# A hundred years, in days: long enough for "never", short enough for every calendar.
CENTURY = 36_525
_T = TypeVar("_T")


def _parameter(
    default: _T,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    optional: bool = False,
) -> _T:
    """Declare a parameter: its default, what it means, and the range that `_Part` enforces."""
    metadata = {
        "doc": doc,
        "low": low,
        "high": high,
        "below": below,
        "choices": choices,
        "optional": optional,
        "kind": float if default is None and not optional else type(default),
    }
    return field(default=default, metadata=metadata)


class _Part:
    """A group of parameters that checks itself against their declarations."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            value = _checked(type(self).__name__, spec.name, getattr(self, spec.name), spec.metadata)
            object.__setattr__(self, spec.name, value)


def _checked(part: str, name: str, value: Any, rule: Mapping[str, Any]) -> Any:
    if value is None and rule["optional"]:
        return None
    kind = int if rule["optional"] else rule["kind"]
    fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if fits and kind in (int, float):
        fits = (
            _is_finite(value)
            and (rule["low"] is None or value >= rule["low"])
            and (rule["high"] is None or value <= rule["high"])
            and (rule["below"] is None or value < rule["below"])
        )
    elif fits and rule["choices"]:
        fits = value in rule["choices"]
    if not fits:
        raise DefinitionError(
            f"{part}.{name} = {value!r} is not allowed; expected {_allowed(kind, rule)} ({rule['doc']})."
        )
    # A plain Python value, whatever subclass came: it is written to TOML and into the fingerprint.
    return kind(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _allowed(kind: type, rule: Mapping[str, Any]) -> str:
    if rule["choices"]:
        return "one of " + ", ".join(map(repr, rule["choices"]))
    low = "" if rule["low"] is None else f" >= {rule['low']:g}"
    high = "" if rule["high"] is None else f" <= {rule['high']:g}"
    below = "" if rule["below"] is None else f" < {rule['below']:g}"
    limits = " and".join(limit for limit in (low, high, below) if limit)
    return ("a whole number" if kind is int else "a number") + limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Time(_Part):
    """When a row counts (METHODOLOGY section 2 to 4)."""

    lag_days: int = _parameter(
        1, "days from available_at to the first date that may use a row", low=0, high=CENTURY
    )
    max_age_days: int = _parameter(
        550, "days after its period_end on which a fact still counts", low=1, high=CENTURY
    )
    tie_expiry_days: int = _parameter(
        550, "days after its period_end on which a tie still counts", low=1, high=CENTURY
    )
    fx_max_age_days: int = _parameter(
        31, "oldest exchange rate that may convert money, in days", low=0, high=CENTURY
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailingTwelveMonths(_Part):
    """How flows become trailing-twelve-month values (METHODOLOGY section 3); days count both ends."""

    year_days_low: int = _parameter(350, "shortest period that counts as a year", low=300, high=365)
    year_days_high: int = _parameter(380, "longest period that counts as a year", low=365, high=430)
    quarter_days_low: int = _parameter(80, "shortest period that counts as a quarter", low=60, high=91)
    quarter_days_high: int = _parameter(100, "longest period that counts as a quarter", low=91, high=120)
    span_tolerance_days: int = _parameter(10, "allowed difference of two year-to-date spans", low=0, high=30)
    gap_tolerance_days: int = _parameter(10, "allowed gap or overlap of consecutive periods", low=0, high=30)
    match_days: int = _parameter(20, "allowed distance of a period end from one, two, three years ago", low=0,
                                 high=60)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CapexIntensity(_Part):
    """Pillar A (METHODOLOGY section 5): weights of its descriptors and the smallest usable revenue."""

    min_revenue: float = _parameter(
        10e6, "revenue below it (in the company's currency) gives no ratio", low=0.0
    )
    capex_to_revenue: float = _parameter(0.45, "weight of capex_to_revenue", low=0.0)
    abnormal_capex: float = _parameter(0.25, "weight of abnormal_capex", low=0.0)
    capex_pool_share: float = _parameter(0.15, "weight of capex_pool_share", low=0.0)
    guided_capex: float = _parameter(0.15, "weight of guided_capex", low=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierTies(_Part):
    """Pillar B (METHODOLOGY sections 4 and 6): propagation along ties, and the weights of its descriptors."""

    delta: float = _parameter(
        0.5, "what a tie passes on of the customer's own AI revenue", low=0.0, below=1.0
    )
    tolerance: float = _parameter(1e-10, "error bound at which the iteration stops", low=1e-15, high=1e-3)
    max_tiers: int | None = _parameter(None, "customers further away than this many steps are left out; absent: "
                                       "none", low=0, high=10_000, optional=True)  # fmt: skip
    default_flow_share: float = _parameter(1.0, "ai_share of a tie that states none", low=0.0, high=1.0)
    scope_weight_ai: float = _parameter(1.0, "weight of a disclosed share of AI products", low=0.0, high=1.0)
    scope_weight_data_center: float = _parameter(0.8, "weight of a data-centre share", low=0.0, high=1.0)
    scope_weight_broad: float = _parameter(0.0, "weight of a share that is an upper bound", low=0.0, high=1.0)
    uncovered: str = _parameter("unknown", "a supplier nobody has looked at is null, or 0 for studies that need a "
                                "full cross-section", choices=("unknown", "zero"))  # fmt: skip
    ai_revenue: float = _parameter(0.75, "weight of ai_revenue", low=0.0)
    demand_growth: float = _parameter(0.25, "weight of demand_growth", low=0.0)

    def scope_weights(self) -> dict[str, float]:
        """Return the weight of each scope of `ai_revenue_share`."""
        return {
            "ai": self.scope_weight_ai,
            "data_center": self.scope_weight_data_center,
            "broad": self.scope_weight_broad,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling(_Part):
    """From descriptors to cross-sectional units (METHODOLOGY section 8)."""

    method: str = _parameter("sparse", "sparse: 0 stays 0; dense: z-scores", choices=("sparse", "dense"))
    clip: float = _parameter(5.0, "largest absolute sparse value", low=0.1)
    dense_clip: float = _parameter(3.0, "largest absolute z-score", low=0.1)
    winsorize_low: float = _parameter(0.01, "lower quantile of dense winsorizing", low=0.0, high=0.5)
    winsorize_high: float = _parameter(0.99, "upper quantile of dense winsorizing", low=0.5, high=1.0)
    min_assets: int = _parameter(3, "fewest known values that give a z-score", low=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(_Part):
    """Weights of the pillars and the threshold of the roles (METHODOLOGY section 9)."""

    capex_intensity: float = _parameter(0.40, "weight of pillar A", low=0.0, high=1.0)
    supplier_ties: float = _parameter(0.45, "weight of pillar B", low=0.0, high=1.0)
    index_membership: float = _parameter(0.15, "weight of pillar C", low=0.0, high=1.0)
    role_threshold: float = _parameter(0.02, "share of revenue that makes a pioneer or a tool supplier", low=0.0,
                                       high=1.0)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening(_Part):
    """Defaults of an index built on the exposure (METHODOLOGY section 10); they do not change a score."""

    enter_percentile: float = _parameter(80.0, "percentile of exposure at which an asset enters", low=0.0,
                                         high=100.0)  # fmt: skip
    stay_percentile: float = _parameter(65.0, "percentile below which it leaves", low=0.0, high=100.0)
    max_weight: float = _parameter(0.04, "largest weight of one name", low=0.0, high=1.0)
    compute_every: str = _parameter("month", "how often scores are made", choices=("day", "week", "month"))
    reconstitute_every: str = _parameter("quarter", "how often membership changes", choices=("month", "quarter",
                                         "year"))  # fmt: skip


_PARTS: dict[str, type[_Part]] = {
    "time": Time,
    "ttm": TrailingTwelveMonths,
    "capex_intensity": CapexIntensity,
    "supplier_ties": SupplierTies,
    "scaling": Scaling,
    "composite": Composite,
    "screening": Screening,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorDefinition:
    """The AI infrastructure exposure factor, completely: change a number here, never in the code.

    Weights, delta and thresholds are judgement, not estimates (METHODOLOGY section 9).

    Parameters
    ----------
    time : Time
        Publication lag and expiry, in days.
    ttm : TrailingTwelveMonths
        Tolerances of the trailing-twelve-month rules, in days.
    capex_intensity, supplier_ties : CapexIntensity, SupplierTies
        Parameters and descriptor weights of pillars A and B. Pillar C has none.
    scaling : Scaling
        From descriptors to cross-sectional units.
    composite : Composite
        Pillar weights (they add to 1) and role threshold.
    screening : Screening
        Defaults of index rules; not part of the fingerprint, for they change no score.

    Raises
    ------
    DefinitionError
        A value is outside its range, the pillar weights do not add to 1, a pillar has no weight at all, or
        limits cross.

    Examples
    --------
    >>> definition = kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(delta=0.25))
    >>> definition.supplier_ties.delta
    0.25
    >>> kf.FactorDefinition.from_toml(definition.to_toml()) == definition
    True
    >>> definition.fingerprint() == kf.FactorDefinition().fingerprint()
    False
    """

    time: Time = Time()
    ttm: TrailingTwelveMonths = TrailingTwelveMonths()
    capex_intensity: CapexIntensity = CapexIntensity()
    supplier_ties: SupplierTies = SupplierTies()
    scaling: Scaling = Scaling()
    composite: Composite = Composite()
    screening: Screening = Screening()

    def __post_init__(self) -> None:
        for name, part in _PARTS.items():
            if not isinstance(getattr(self, name), part):
                raise DefinitionError(
                    f"FactorDefinition.{name} is a {type(getattr(self, name)).__name__}; expected {part.__name__}(...)."
                )
        c, a, b, s = self.composite, self.capex_intensity, self.supplier_ties, self.screening
        total = c.capex_intensity + c.supplier_ties + c.index_membership
        _require(abs(total - 1.0) < 1e-9, "composite", f"pillar weights add to {total:g}; they must add to 1")
        _require(
            a.capex_to_revenue > 0, "capex_intensity", "capex_to_revenue needs a weight above 0: A is null without it"
        )  # fmt: skip
        _require(b.ai_revenue > 0, "supplier_ties", "ai_revenue needs a weight above 0: B is null without it")
        _require(
            s.stay_percentile <= s.enter_percentile,
            "screening",
            "stay_percentile must not exceed enter_percentile",
        )

    def to_toml(self) -> str:
        """Write the definition as TOML, each parameter with its meaning as a comment."""
        lines = ["# kifactors: definition of the AI infrastructure exposure factor", f"format = {FORMAT}"]
        for name in _PARTS:
            part = getattr(self, name)
            lines += ["", f"[{name}]"]
            for spec in fields(part):
                value = getattr(part, spec.name)
                written = f"# {spec.name} = 2" if value is None else f"{spec.name} = {_toml(value)}"
                lines.append(f"{written}  # {spec.metadata['doc']}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str) -> "FactorDefinition":
        r"""Read a definition from TOML text; parameters that are left out keep their default.

        Parameters
        ----------
        text : str
            What `to_toml` wrote, edited or not.

        Raises
        ------
        DefinitionError
            The text is not TOML, a table or key is unknown, or a value is outside its range.

        Examples
        --------
        >>> kf.FactorDefinition.from_toml("supplier_ties.delta = 0.3").supplier_ties.delta
        0.3
        >>> kf.FactorDefinition.from_toml("[composite]\nrole_treshold = 0.1")
        Traceback (most recent call last):
            ...
        kifactors.errors.DefinitionError: [composite] has no key 'role_treshold';
        it has capex_intensity, supplier_ties, index_membership, role_threshold.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise DefinitionError(f"the definition is not valid TOML: {error}.") from error
        version = document.pop("format", FORMAT)
        _require(
            version == FORMAT and type(version) is int,
            "format",
            f"{version!r} is not known; this release reads format {FORMAT}",
        )
        parts: dict[str, Any] = {name: _part(name, values) for name, values in document.items()}
        return cls(**parts)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "FactorDefinition":
        """Read a definition from a TOML file; errors name the path.

        Parameters
        ----------
        path : path
            UTF-8 text, as `kifactors definition > my.toml` writes it.

        Raises
        ------
        DefinitionError
            The file cannot be read, or `from_toml` refuses it.
        """
        try:
            return cls.from_toml(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise DefinitionError(f"definition file {path} cannot be read: {error}.") from error
        except DefinitionError as error:
            raise DefinitionError(f"{path}: {error}") from error

    def fingerprint(self) -> str:
        """Return a digest of everything that can change a score; stable across releases of one format."""
        text = json.dumps({"format": FORMAT, **self._scoring()}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def changes_to(self, other: "FactorDefinition") -> list[str]:
        """Return the parameters that make scores of `other` differ from those of this one, with both values.

        Examples
        --------
        >>> ties = kf.definition.SupplierTies(delta=0.25)
        >>> kf.FactorDefinition().changes_to(kf.FactorDefinition(supplier_ties=ties))
        ['supplier_ties.delta 0.5 -> 0.25']
        """
        mine, theirs = self._scoring(), other._scoring()  # noqa: SLF001
        return [
            f"{part}.{name} {value!r} -> {theirs[part][name]!r}"
            for part, values in mine.items()
            for name, value in values.items()
            if value != theirs[part][name]
        ]

    def _scoring(self) -> dict[str, dict[str, Any]]:
        """Everything that can change a score: all parts but screening."""
        return {
            name: {spec.name: getattr(getattr(self, name), spec.name) for spec in fields(getattr(self, name))}
            for name in _PARTS
            if name != "screening"
        }


def _part(name: str, values: Any) -> _Part:
    if name not in _PARTS:
        raise DefinitionError(f"the definition has no table [{name}]; it has {', '.join(_PARTS)}.")
    if not isinstance(values, dict):
        raise DefinitionError(f"{name} = {values!r} stands alone; write a table [{name}] with its keys.")
    allowed = [spec.name for spec in fields(_PARTS[name])]  # type: ignore[arg-type]
    for key in values:
        if key not in allowed:
            raise DefinitionError(f"[{name}] has no key {key!r}; it has {', '.join(allowed)}.")
    return _PARTS[name](**values)


def _require(condition: bool, where: str, says: str) -> None:  # noqa: FBT001
    if not condition:
        raise DefinitionError(f"[{where}] {says}.")


def _toml(value: str | float) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
