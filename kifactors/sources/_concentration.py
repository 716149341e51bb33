"""Which share of its revenue a company has from which customer, as its filings tag it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from kifactors.schema import INPUTS
from kifactors.sources._contexts import axes_of
from kifactors.sources._customers import is_anonymous, is_several, is_supplier, label_of
from kifactors.sources._names import alias_lookup
from kifactors.sources._period import Filing, filing_of, longest_days, not_current, span_in_words, valid_rows
from kifactors.sources._skips import Skips
from kifactors.sources._xbrl import XbrlFacts

__all__ = ["XbrlTies", "revenue_ties_from_xbrl"]

CONCEPTS = ("us-gaap:ConcentrationRiskPercentage", "us-gaap:ConcentrationRiskPercentage1")
BENCHMARK = "us-gaap:ConcentrationRiskByBenchmarkAxis"
TYPE = "us-gaap:ConcentrationRiskByTypeAxis"
CUSTOMER = ("srt:MajorCustomersAxis", "us-gaap:MajorCustomersAxis")
# Those whose denominator is the revenue of the whole company. Not among them: SalesRevenueSegmentMember and
# SalesRevenueProductLineMember (a part of it), SalesRevenueGoodsNetMember and SalesRevenueServicesNetMember (goods
# or services only), receivables, cost, purchases, and what filers define themselves.
TOTAL_REVENUE = (
    "us-gaap:SalesRevenueNetMember",
    "us-gaap:RevenueFromContractWithCustomerMember",
    "us-gaap:RevenueFromContractWithCustomerProductAndServiceBenchmarkMember",
)
# Major customers are to be named in annual statements (ASC 280-10-50-42).
ANNUAL = {"10-K", "10-K/A", "10-KT", "10-KT/A", "20-F", "20-F/A", "40-F", "40-F/A"}
CUSTOMERS_ARE_THE_RISK = "us-gaap:CustomerConcentrationRiskMember"
# Under these axes the share is not one of the filer's reported revenue.
OTHER_REVENUE = {
    "srt:StatementGeographicalAxis": "of a region",
    "us-gaap:StatementGeographicalAxis": "of a region",
    "dei:LegalEntityAxis": "of another entity's revenue",
    "srt:ScenarioAxis": "of another scenario",
    "us-gaap:StatementScenarioAxis": "of another scenario",
    "srt:RestatementAxis": "of another scenario",
    "us-gaap:RestatementAxis": "of another scenario",
}
TIES = {name: kind for name, kind in INPUTS["revenue_ties"].polars.items() if name != "ai_share"}
# All that is needed to say who and of what.
NEEDED = {BENCHMARK, TYPE, *CUSTOMER}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XbrlTies:
    """Customers named in one filing.

    Parameters
    ----------
    revenue_ties : polars.DataFrame
        Validated rows of the table; none if the filing names nobody.
    tie_disclosures : polars.DataFrame
        One row if absence means that none was named: the filing names customers, or is an annual report with no
        share of a single customer at all. A quarterly report need not repeat them: silent, it gives no row.
    skipped : polars.DataFrame
        What was left out: file, filer, reason, detail, rows.
    """

    revenue_ties: pl.DataFrame
    tie_disclosures: pl.DataFrame
    skipped: pl.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Share:
    """A share of total revenue with one member on the customer axis; `wrong` says why it is no tie."""

    value: float
    start: date
    end: date
    member: str
    label: str
    more_axes: bool
    wrong: str


def revenue_ties_from_xbrl(
    facts: XbrlFacts, *, available_at: date, aliases: pl.DataFrame | None = None, asset_id: str | None = None
) -> XbrlTies:
    """Return the customers of a filing with their shares of its total revenue.

    A share counts if its benchmark is the revenue of the whole company, it is of one customer, of the period that the
    document reports (ending within a week of it), and of the longest span that ends there: the half year, not the
    quarter. Everything else is left out and counted. An axis more, a segment say, is allowed if the customer has no
    share without it. A customer with several values is left out.

    Parameters
    ----------
    facts : XbrlFacts
        From `read_xbrl`.
    available_at : date
        First day on which the filing could be known.
    aliases : polars.DataFrame, optional
        From `read_aliases` or `read_confirmed`: label, asset_id, and supplier_id for an alias that holds for one filer
        only. Without it every customer_id is null; a customer that the filing calls "Customer A" has none anyway.
    asset_id : str, optional
        Key of the filer; by default ``cik:`` and the ten digits.

    Returns
    -------
    XbrlTies
        `revenue_ties` (customer_label from the name of the member; source: accession, member and span),
        `tie_disclosures`, and what was left out.

    Raises
    ------
    DataError
        The document says no period or no filer, or the rows break a rule of the table: known before the period ended,
        named customers above the whole revenue.

    Notes
    -----
    Shares are fractions. One that is not in (0, 1] is left out: whether 14 means 14% is not for the reader to decide.

    Examples
    --------
    >>> from kifactors.sources import read_xbrl, revenue_ties_from_xbrl
    >>> document = '''<xbrl xmlns="http://www.xbrl.org/2003/instance" xmlns:us-gaap="http://fasb.org/us-gaap/2024"
    ...     xmlns:srt="http://fasb.org/srt/2024" xmlns:dei="http://xbrl.sec.gov/dei/2024" xmlns:x="http://x.com/2024"
    ...     xmlns:xbrldi="http://xbrl.org/2006/xbrldi">
    ...   <context id="c"><entity><identifier scheme="http://www.sec.gov/CIK">0000050863</identifier></entity>
    ...     <period><startDate>2023-01-01</startDate><endDate>2023-12-30</endDate></period></context>
    ...   <context id="d"><entity><identifier scheme="http://www.sec.gov/CIK">0000050863</identifier><segment>
    ...     <xbrldi:explicitMember dimension="srt:MajorCustomersAxis">x:DellIncMember</xbrldi:explicitMember>
    ...     <xbrldi:explicitMember dimension="us-gaap:ConcentrationRiskByBenchmarkAxis"
    ...       >us-gaap:SalesRevenueNetMember</xbrldi:explicitMember></segment></entity>
    ...     <period><startDate>2023-01-01</startDate><endDate>2023-12-30</endDate></period></context>
    ...   <unit id="u"><measure>pure</measure></unit>
    ...   <dei:DocumentPeriodEndDate contextRef="c">2023-12-30</dei:DocumentPeriodEndDate>
    ...   <us-gaap:ConcentrationRiskPercentage1 contextRef="d" unitRef="u" decimals="2">0.19</us-gaap:ConcentrationRiskPercentage1>
    ... </xbrl>'''
    >>> from datetime import date
    >>> facts = read_xbrl(document.encode(), name="0000050863-24-000010.xml")
    >>> ties = revenue_ties_from_xbrl(facts, available_at=date(2024, 1, 26)).revenue_ties
    >>> ties.select("supplier_id", "customer_id", "customer_label", "revenue_share", "source").row(0)
    ('cik:0000050863', None, 'Dell Inc', 0.19, '0000050863-24-000010 x:DellIncMember 12 months to 2023-12-30')
    """
    filing = filing_of(facts, available_at=available_at, asset_id=asset_id)
    skips = Skips()
    resolve = alias_lookup(aliases, supplier_id=filing.asset_id)
    current = list(_current(_shares(facts, filing, skips), filing, skips))
    rows = [
        {
            "supplier_id": filing.asset_id,
            "customer_id": None if is_anonymous(share.label) else resolve(share.label),
            "customer_label": share.label,
            "revenue_share": share.value,
            "period_end": filing.period_end,
            "available_at": available_at,
            "source": f"{facts.source} {share.member} {span_in_words(share.start, share.end)}",
        }
        for share in _one_each(current, filing, skips)
    ]
    # Customers that contradict each other are no absence.
    disclosed = bool(rows) or (facts.document_type in ANNUAL and not current)
    read = {
        "supplier_id": filing.asset_id,
        "period_end": filing.period_end,
        "available_at": available_at,
        "source": facts.source,
    }
    return XbrlTies(
        revenue_ties=valid_rows("revenue_ties", pl.DataFrame(rows, schema=TIES)),
        tie_disclosures=valid_rows(
            "tie_disclosures",
            pl.DataFrame([read] if disclosed else [], schema=INPUTS["tie_disclosures"].polars),
        ),
        skipped=skips.to_polars(),
    )


def _shares(facts: XbrlFacts, filing: Filing, skips: Skips) -> Iterator[_Share]:
    """Yield the shares of total revenue that stand with a customer, also those of several."""
    for row in facts.facts.filter(pl.col("concept").is_in(CONCEPTS)).iter_rows(named=True):
        axes = axes_of(row["dimensions"])
        wrong, detail = _no_share(axes, row)
        if wrong:
            filing.skip(skips, wrong, detail)
            continue
        member = next(axes[axis] for axis in CUSTOMER if axis in axes)
        label = label_of(member)
        yield _Share(
            row["value"], row["period_start"], row["period_end"], member, label, bool(axes.keys() - NEEDED),
            _no_tie(label, row),
        )  # fmt: skip


def _no_share(axes: dict[str, str], row: dict[str, Any]) -> tuple[str, str]:
    """Return why a fact is no customer's share of the filer's total revenue, and the member that says so."""
    benchmark, risk = axes.get(BENCHMARK, ""), axes.get(TYPE, CUSTOMERS_ARE_THE_RISK)
    if benchmark not in TOTAL_REVENUE:
        return "not a share of total revenue", benchmark
    if risk != CUSTOMERS_ARE_THE_RISK:
        return "not a concentration of customers", risk
    for axis, reason in OTHER_REVENUE.items():
        if axis in axes:
            return reason, axes[axis]
    if any(is_supplier(label_of(axis)) for axis in axes):
        return "of a supplier", row["dimensions"]
    customers = [axes[axis] for axis in CUSTOMER if axis in axes]
    if len(customers) != 1 or customers[0].startswith('"'):
        return "not of one customer", row["dimensions"]
    return ("of a day, not of a period", customers[0]) if row["period_start"] is None else ("", "")


def _no_tie(label: str, row: dict[str, Any]) -> str:
    if is_supplier(label):
        return "of a supplier"
    if is_several(label):
        return "of several customers"
    if row["unit"] != "pure":
        return "not a pure number"
    return "" if 0.0 < row["value"] <= 1.0 else "not in (0, 1]"


def _current(shares: Iterable[_Share], filing: Filing, skips: Skips) -> Iterator[_Share]:
    """Yield the ties of the period of the document, those of the longest span."""
    shares = list(shares)
    # Shares of several customers say as well which spans the document reports.
    longest = longest_days(((share.start, share.end) for share in shares), filing.period_end)
    for share in shares:
        wrong = share.wrong or not_current(share.start, share.end, filing.period_end, longest=longest)
        if wrong:
            filing.skip(skips, wrong, share.member)
        else:
            yield share


def _one_each(shares: Iterable[_Share], filing: Filing, skips: Skips) -> Iterator[_Share]:
    """Yield one share per customer; of a customer with several values none."""
    by_label: dict[str, list[_Share]] = defaultdict(list)
    for share in shares:
        by_label[share.label].append(share)
    for label, said in by_label.items():
        plain = [share for share in said if not share.more_axes]
        if plain:
            filing.skip(skips, "under an axis more than the customer needs", label, len(said) - len(plain))
        chosen = plain or said
        if len({share.value for share in chosen}) > 1:
            filing.skip(skips, "a customer with several values", label, len(chosen))
            continue
        filing.skip(skips, "the same share again", label, len(chosen) - 1)
        yield min(chosen, key=lambda share: share.member)
