"""Which share of its own revenue a company tags as AI infrastructure, by a table of its members."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from kifactors.errors import DataError, DefinitionError
from kifactors.schema import INPUTS, SCOPES
from kifactors.sources._contexts import axes_of
from kifactors.sources._period import Filing, filing_of, longest_days, not_current, span_in_words, valid_rows
from kifactors.sources._skips import Skips
from kifactors.sources._xbrl import XbrlFacts

__all__ = ["RevenueMembers", "XbrlRevenueShare", "ai_revenue_share_from_xbrl", "read_members"]

REVENUE = (
    "us-gaap:Revenues",
    "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax",
    "us-gaap:RevenueFromContractWithCustomerIncludingAssessedTax",
    "us-gaap:SalesRevenueNet",
)

Span = tuple[date, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueMembers:
    """Members of an axis whose revenue is AI infrastructure.

    Parameters
    ----------
    filer : str
        Key of the company.
    scope : str
        How much else the share contains: ``ai``, ``data_center`` or ``broad``.
    axis : str
        Axis that splits the revenue, ``srt:ProductOrServiceAxis``.
    members : tuple of str
        Members of it; their revenues are added.
    besides : tuple of str
        Pairs ``axis=member`` that may stand beside and change nothing.
    concepts : tuple of str
        Tags of revenue; of the first that has total and members the share is taken.
    """

    filer: str
    scope: str
    axis: str
    members: tuple[str, ...]
    besides: tuple[str, ...] = ()
    concepts: tuple[str, ...] = REVENUE

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise DefinitionError(
                f"{self.filer}: scope must be one of {', '.join(SCOPES)}; got {self.scope!r}."
            )
        if not self.members or len(set(self.members)) < len(self.members):
            raise DefinitionError(
                f"{self.filer}: members must be named, each once; got {list(self.members)}."
            )
        if not self.concepts:
            raise DefinitionError(f"{self.filer}: concepts must name a tag, or be left out.")
        if wrong := [pair for pair in self.besides if not all(pair.partition("="))]:
            raise DefinitionError(f"{self.filer}: besides are pairs axis=member; got {wrong}.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XbrlRevenueShare:
    """Shares of own revenue in one filing.

    Parameters
    ----------
    ai_revenue_share : polars.DataFrame
        Validated rows of the table, at most one per scope.
    skipped : polars.DataFrame
        What was left out: file, filer, reason, detail, rows.
    """

    ai_revenue_share: pl.DataFrame
    skipped: pl.DataFrame = field(repr=False)


def read_members(path: str | PathLike[str] | None = None) -> tuple[RevenueMembers, ...]:
    """Read the table of members, by default the one that comes with the library.

    Parameters
    ----------
    path : str or path, optional
        TOML with tables ``[[filer]]``, whose keys are the parameters of `RevenueMembers`.

    Raises
    ------
    DataError
        There is no such file, or it is not TOML.
    DefinitionError
        A key is unknown or missing, or a value is outside its range.

    Examples
    --------
    >>> from kifactors.sources import read_members
    >>> [members.members for members in read_members()]
    [('nvda:DataCenterMember',), ('intc:DatacenterAndAIMember',)]
    """
    path = Path(str(files("kifactors.sources") / "members.toml")) if path is None else Path(path)
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as TOML ({error}). Check the path and the file.") from error
    if said.keys() - {"filer"} or not isinstance(said.get("filer", []), list):
        raise DefinitionError(f"{path.name}: only tables [[filer]] are known; got {', '.join(said)}.")
    return tuple(_members(entry, path.name) for entry in said.get("filer", []))


def _members(entry: dict[str, Any], where: str) -> RevenueMembers:
    lists = {"members", "besides", "concepts"}
    known = {f.name for f in fields(RevenueMembers)}
    needed = known - {"besides", "concepts"}
    if entry.keys() - known or needed - entry.keys():
        raise DefinitionError(
            f"{where}: a [[filer]] has the keys {', '.join(sorted(needed))} and may have besides, concepts; "
            f"got {', '.join(sorted(entry))}."
        )
    for key, value in entry.items():
        texts = value if key in lists else [value]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DefinitionError(
                f"{where}: {key} must be {'a list of texts' if key in lists else 'text'}; got {value!r}."
            )
    read: dict[str, Any] = {key: tuple(value) if key in lists else value for key, value in entry.items()}
    return RevenueMembers(**read)


def ai_revenue_share_from_xbrl(
    facts: XbrlFacts, members: Iterable[RevenueMembers], *, available_at: date, asset_id: str | None = None
) -> XbrlRevenueShare:
    """Return the share of total revenue of the mapped members of a filer.

    Parameters
    ----------
    facts : XbrlFacts
        From `read_xbrl`.
    members : iterable of RevenueMembers
        From `read_members`; those of other filers are ignored.
    available_at : date
        First day on which the filing could be known.
    asset_id : str, optional
        Key of the filer; by default ``cik:`` and the ten digits.

    Returns
    -------
    XbrlRevenueShare
        `ai_revenue_share`, at most one row per scope, and why there is none.

    Raises
    ------
    DataError
        The document says no period or no filer, or the filing was known before its period ended.

    Notes
    -----
    share = sum over members m of revenue(m) / revenue, both of one tag and one unit, of the period that the document
    reports and of the longest span that ends there. Without a member, or without the total, there is no share.

    Examples
    --------
    NVIDIA's half year to July 2024: 48,835 of 56,084 million dollars.

    >>> from kifactors.sources import Skips, XbrlFacts, ai_revenue_share_from_xbrl, read_members
    >>> from datetime import date
    >>> frame = pl.DataFrame(
    ...     [(48_835e6, "srt:ProductOrServiceAxis=nvda:DataCenterMember"), (56_084e6, "")],
    ...     schema=["value", "dimensions"], orient="row",
    ... ).with_columns(concept=pl.lit("us-gaap:Revenues"), unit=pl.lit("USD"),
    ...     period_start=date(2024, 1, 29), period_end=date(2024, 7, 28))
    >>> facts = XbrlFacts(facts=frame, name="nvda.xml", cik="0001045810", document_type="10-Q",
    ...     period_end=date(2024, 7, 28), amendment=False, accession=None, skipped=Skips().to_polars())
    >>> read = ai_revenue_share_from_xbrl(
    ...     facts, read_members(), available_at=date(2024, 8, 28))
    >>> round(read.ai_revenue_share["share"][0], 6)
    0.870747
    """
    filing = filing_of(facts, available_at=available_at, asset_id=asset_id)
    skips = Skips()
    by_scope: dict[str, dict[float, str]] = {}
    own = [mapped for mapped in members if mapped.filer in (filing.asset_id, f"cik:{facts.cik}")]
    if not own:
        filing.skip(skips, "no members of the filer are mapped", "")
    for mapped in own:
        if found := _share(facts, mapped, filing, skips):
            share, span = found
            said = f"{facts.source} {' + '.join(mapped.members)} {span_in_words(*span)}"
            by_scope.setdefault(mapped.scope, {})[share] = said
    rows = []
    for scope, shares in by_scope.items():
        if len(shares) > 1:
            filing.skip(skips, "members that disagree about a scope", scope, len(shares))
            continue
        ((share, said),) = shares.items()
        rows.append((filing.asset_id, share, scope, filing.period_end, available_at, said))
    frame = pl.DataFrame(rows, schema=INPUTS["ai_revenue_share"].polars, orient="row")
    return XbrlRevenueShare(ai_revenue_share=valid_rows("ai_revenue_share", frame), skipped=skips.to_polars())


def _share(
    facts: XbrlFacts, mapped: RevenueMembers, filing: Filing, skips: Skips
) -> tuple[float, Span] | None:
    """Return the share by the first tag that has total and members, or count why no tag has."""
    flows = facts.facts.filter(pl.col("period_start").is_not_null())
    missing: tuple[str, str] = ("no single total revenue of the period", " or ".join(mapped.concepts))
    for concept in mapped.concepts:
        for (unit,), rows in flows.filter(concept=concept).group_by("unit", maintain_order=True):
            said = _by_member(rows, mapped, filing)
            total = said.pop("", {})
            if len(total) != 1:
                continue
            ((span, revenue),) = total.items()
            parts = [said.get(member, {}).get(span) for member in mapped.members]
            absent = [member for member, part in zip(mapped.members, parts, strict=True) if part is None]
            if absent:
                missing = ("a member without one revenue of the period", f"{concept} {' + '.join(absent)}")
                continue
            share = sum(part for part in parts if part is not None) / revenue if revenue > 0 else -1.0
            if 0.0 <= share <= 1.0:
                return share, span
            missing = ("not in [0, 1]", f"{concept} in {unit}")
    filing.skip(skips, *missing)
    return None


def _by_member(rows: pl.DataFrame, mapped: RevenueMembers, filing: Filing) -> dict[str, dict[Span, float]]:
    """Return revenue by member and span; the total, under the empty member, of the longest span only.

    A member that stands alone goes before the same with something beside; one with several values has none.
    """
    besides = {tuple(pair.partition("=")[::2]) for pair in mapped.besides}
    said: dict[str, dict[Span, dict[bool, set[float]]]] = {}
    for row in rows.iter_rows(named=True):
        axes = axes_of(row["dimensions"])
        member = axes.pop(mapped.axis, "")
        if (not member and axes) or not axes.items() <= besides:
            continue
        spans = said.setdefault(member, {}).setdefault((row["period_start"], row["period_end"]), {})
        spans.setdefault(not axes, set()).add(row["value"])
    longest = longest_days(said.get("", {}), filing.period_end)
    found: dict[str, dict[Span, float]] = {}
    for member, by_span in said.items():
        for span, values in by_span.items():
            best = values.get(True) or values[False]
            if len(best) == 1 and not not_current(*span, filing.period_end, longest=longest):
                found.setdefault(member, {})[span] = next(iter(best))
    return found
