"""Which accounting tags are which metric, as data."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kifactors.errors import DataError

__all__ = ["FilerRule", "Metric", "TagMap"]

# Parts of one sum; most have one.
Group = tuple[str, ...]

KINDS = ("flow", "stock")
UNITS = ("money", "shares")
_TAG = re.compile(r"[a-z][a-z0-9-]*:[A-Za-z][A-Za-z0-9]*")
_CIK = re.compile(r"\d{10}")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Metric:
    """The tags of one metric.

    kind : "flow" over a period, or "stock" on a day.
    unit : "money" in any currency, or "shares".
    groups : tags in the order in which they count; a group of several is a sum.
    """

    kind: str
    unit: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class FilerRule:
    """What is different for one filer; None: nothing."""

    groups: Mapping[str, tuple[Group, ...]] = field(default_factory=dict)
    currency: str | None = None
    asset_id: str | None = None


@dataclass(frozen=True)
class TagMap:
    """Accounting tags of every metric, and what is different for single filers.

    Parameters
    ----------
    metrics : mapping of str to Metric
    filers : mapping of ten-digit CIK to FilerRule

    Raises
    ------
    DataError
        A key is unknown, a tag is not written ``taxonomy:Name``, a tag stands twice in a metric, or a filer is not
        given by ten digits.

    Examples
    --------
    >>> tags = kf.sources.TagMap.default()
    >>> tags.metrics["assets"].groups
    (('us-gaap:Assets',), ('ifrs-full:Assets',))
    >>> kf.sources.TagMap.parse('''
    ... [capex]
    ... kind = "flow"
    ... unit = "money"
    ... tags = [["us-gaap:Tools", "us-gaap:Buildings"], "us-gaap:Total"]
    ... ''').metrics["capex"].groups
    (('us-gaap:Tools', 'us-gaap:Buildings'), ('us-gaap:Total',))
    """

    metrics: Mapping[str, Metric]
    filers: Mapping[str, FilerRule] = field(default_factory=dict)

    @classmethod
    def default(cls) -> "TagMap":
        """Return the map that comes with the package (``kifactors/sources/tags.toml``)."""
        return cls.parse((files("kifactors.sources") / "tags.toml").read_text("utf-8"), what="tags.toml")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "TagMap":
        """Read a TOML file like the one that comes with the package; it replaces that one whole."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the tag map {path} cannot be read: {error}. Give a TOML file.") from error
        return cls.parse(text, what=str(path))

    @classmethod
    def parse(cls, text: str, *, what: str = "tag map") -> "TagMap":
        """Read a map from the text of a TOML file."""
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"{what} is not TOML: {error}. Correct that line.") from error
        rules = tree.pop("filers", {})
        metrics = {name: _metric(entry, f"{what}, [{name}]") for name, entry in tree.items()}
        if not metrics:
            raise DataError(f"{what} names no metric. Add a table like [capex] with kind, unit and tags.")
        filers = {cik: _filer(rule, metrics, f"{what}, [filers.{cik}]", cik) for cik, rule in rules.items()}
        return cls(MappingProxyType(metrics), MappingProxyType(filers))

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Every tag that any rule names."""
        lists = [metric.groups for metric in self.metrics.values()]
        lists += [groups for rule in self.filers.values() for groups in rule.groups.values()]
        return frozenset(tag for groups in lists for group in groups for tag in group)

    def groups(self, cik: str, metric: str) -> tuple[Group, ...]:
        """Return the groups of a metric for one filer."""
        rule = self.filers.get(cik)
        return (rule.groups if rule else {}).get(metric, self.metrics[metric].groups)

    def asset_id(self, cik: str) -> str:
        """Return under which asset_id the facts of a filer stand."""
        rule = self.filers.get(cik)
        return (rule.asset_id if rule else None) or f"cik:{cik}"


def _metric(entry: Any, where: str) -> Metric:
    _keys(entry, {"kind", "unit", "tags"}, where)
    kind, unit = (_one_of(entry, key, known, where) for key, known in (("kind", KINDS), ("unit", UNITS)))
    return Metric(kind, unit, _groups(entry.get("tags"), where))


def _filer(entry: Any, metrics: Mapping[str, Metric], where: str, cik: str) -> FilerRule:
    if not _CIK.fullmatch(cik):
        raise DataError(f"{where}: a filer is named by the ten digits of its CIK, like 0000320193.")
    _keys(entry, {*metrics, "currency", "asset_id"}, where)
    currency, asset = entry.get("currency"), entry.get("asset_id")
    if currency is not None and not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        raise DataError(f"{where}: currency is {currency!r}; expected an ISO 4217 code like 'EUR'.")
    if asset is not None and not (isinstance(asset, str) and asset.strip() == asset != ""):
        raise DataError(f"{where}: asset_id is {asset!r}; expected a key like 'cik:0000320193'.")
    groups = {name: _groups(entry[name], f"{where}, {name}") for name in entry if name in metrics}
    return FilerRule(MappingProxyType(groups), currency, asset)


def _groups(tags: Any, where: str) -> tuple[Group, ...]:
    groups = (
        tuple((tag,) if isinstance(tag, str) else tuple(tag) for tag in tags)
        if isinstance(tags, list) and all(isinstance(tag, str | list) for tag in tags)
        else ()
    )
    flat = [tag for group in groups for tag in group]
    if not flat or not all(groups):
        raise DataError(f"{where}: tags are {tags!r}; expected a list of tags, or of lists of tags to add.")
    for tag in flat:
        if not (isinstance(tag, str) and _TAG.fullmatch(tag)):
            raise DataError(f"{where}: {tag!r} is no tag. Write taxonomy and name, like 'us-gaap:Assets'.")
    twice = sorted({group for group in groups if groups.count(group) > 1 or len(set(group)) < len(group)})
    if twice:
        raise DataError(f"{where}: {' + '.join(twice[0])} stands twice. Keep one.")
    return groups


def _keys(entry: Any, known: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise DataError(f"{where} is {entry!r}; expected a table with {', '.join(sorted(known))}.")
    unknown = sorted(set(entry) - known)
    if unknown:
        raise DataError(f"{where} has {', '.join(unknown)}; known are {', '.join(sorted(known))}.")


def _one_of(entry: dict[str, Any], key: str, known: tuple[str, ...], where: str) -> str:
    value = entry.get(key)
    if value not in known:
        raise DataError(f"{where}: {key} is {value!r}; expected {' or '.join(known)}.")
    return str(value)
