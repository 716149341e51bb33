"""The input tables, as data. DESIGN's table of tables, with the rules that a wrong file breaks first."""

from datetime import date

import polars as pl

from kifactors.schema._declared import Column, Rule, TableSchema

__all__ = ["FLOW_METRICS", "INPUTS", "SCOPES", "STOCK_METRICS"]

FLOW_METRICS = ("capex", "revenue")
STOCK_METRICS = ("assets",)
SCOPES = ("ai", "data_center", "broad")

# Not empty, no blanks around: " a" would silently be another company than "a".
TRIMMED = r"^\S(.*\S)?$"

# Shares are printed rounded; a set of them may add to a little more than one.
SHARE_SUM_TOLERANCE = 0.005 + 1e-9

# No company has that much of any currency; sums and ratios of amounts below it stay finite.
MOST_MONEY = 1e20


def _id(name: str, doc: str, *, nullable: bool = False) -> Column:
    return Column(name=name, dtype=pl.String, doc=doc, nullable=nullable, pattern=TRIMMED)


def _date(name: str, doc: str, *, nullable: bool = False, required: bool = True) -> Column:
    return Column(name=name, dtype=pl.Date, doc=doc, nullable=nullable, required=required)


def _text(name: str, doc: str, *, used: bool = False) -> Column:
    return Column(name=name, dtype=pl.String, doc=doc, nullable=True, required=False, used=used)


def _share(name: str, doc: str) -> Column:
    return Column(name=name, dtype=pl.Float64, doc=doc, unit="fraction", low=0.0, high=1.0)


ASSET_ID = _id("asset_id", "stable key of the company, not a ticker")
AVAILABLE_AT = _date("available_at", "first date on which the row could be known")
SOURCE = _text("source", "accession number, URL or file name")
CURRENCY = Column(name="currency", dtype=pl.String, doc="ISO 4217 code", pattern="^[A-Z]{3}$")
PERIOD_END = _date("period_end", "last day of the period")

_ENDS_BEFORE_START = Rule(
    column="period_end",
    broken=pl.col("period_end") < pl.col("period_start"),
    says="period_end lies before period_start",
    remedy="swap or correct the dates",
)
_KNOWN_BEFORE_END = Rule(
    column="available_at",
    broken=pl.col("available_at") < pl.col("period_end"),
    says="available_at lies before period_end: nobody can report a period that has not ended",
    remedy="use the filing date; drop rows that a filing dates after itself",
)
_IS_FLOW = pl.col("metric").is_in(FLOW_METRICS)

UNIVERSE = TableSchema(
    name="universe",
    doc="Who is scored, and when; absent: every asset with a fact.",
    key=("date", "asset_id"),
    known="date",
    columns=(
        _date("date", "score date"),
        ASSET_ID,
        _text("industry", "industry on that date, for the neutral score", used=True),
        Column(
            name="market_cap", dtype=pl.Float64, unit="USD", doc="market capitalisation known on that date",
            required=False, nullable=True, low=0.0, high=MOST_MONEY, low_open=True,
        ),
        Column(
            name="estimation", dtype=pl.Boolean, doc="whether cross-section statistics include the asset",
            required=False,
        ),
    ),
)  # fmt: skip

FUNDAMENTALS = TableSchema(
    name="fundamentals",
    doc="Reported facts, one row per vintage.",
    key=("asset_id", "metric", "period_start", "period_end", "available_at"),
    known="available_at",
    columns=(
        ASSET_ID,
        Column(name="metric", dtype=pl.String, doc="what was reported", allowed=FLOW_METRICS + STOCK_METRICS),
        _date("period_start", "first day of the period; null for assets", nullable=True),
        PERIOD_END,
        Column(
            name="value",
            dtype=pl.Float64,
            unit="currency units",
            doc="reported amount; capex positive",
            low=-MOST_MONEY,
            high=MOST_MONEY,
        ),
        CURRENCY,
        AVAILABLE_AT,
        SOURCE,
        _text("note", "why a value is negative"),
    ),
    rules=(
        Rule(
            column="period_start",
            broken=_IS_FLOW & pl.col("period_start").is_null(),
            says="capex and revenue cover a period, and period_start is null",
            remedy="give the first day of the period",
        ),
        Rule(
            column="period_start",
            broken=pl.col("metric").is_in(STOCK_METRICS) & pl.col("period_start").is_not_null(),
            says="assets are a value on a day, and period_start is not null",
            remedy="leave period_start empty for metric 'assets'",
        ),
        _ENDS_BEFORE_START,
        _KNOWN_BEFORE_END,
        Rule(
            column="value",
            broken=(pl.col("value") < 0) & pl.col("note").is_null(),
            says="the value is negative without a note",
            remedy="turn the sign if outflows are negative in your source; a real refund keeps its sign and "
            "says why in column 'note'",
        ),
        Rule(
            column="currency",
            broken=_IS_FLOW & (pl.col("currency").filter(_IS_FLOW).n_unique().over("asset_id") > 1),
            says="capex and revenue of one company come in two currencies, so their ratio has no meaning",
            remedy="convert at the source; of a company that changed its currency, keep the facts of one",
        ),
    ),
)

CAPEX_GUIDANCE = TableSchema(
    name="capex_guidance",
    doc="Announced capital expenditure for a period.",
    key=("asset_id", "period_start", "period_end", "available_at"),
    known="available_at",
    columns=(
        ASSET_ID,
        _date("period_start", "first day of the period"),
        PERIOD_END,
        Column(
            name="low",
            dtype=pl.Float64,
            unit="currency units",
            doc="lower end of the range",
            low=0.0,
            high=MOST_MONEY,
        ),
        Column(
            name="high",
            dtype=pl.Float64,
            unit="currency units",
            doc="upper end of the range",
            low=0.0,
            high=MOST_MONEY,
        ),
        CURRENCY,
        AVAILABLE_AT,
        SOURCE,
    ),
    rules=(
        _ENDS_BEFORE_START,
        Rule(
            column="high",
            broken=pl.col("high") < pl.col("low"),
            says="the upper end of the range is below the lower end",
            remedy="swap low and high",
        ),
    ),
)

AI_CAPEX_SHARE = TableSchema(
    name="ai_capex_share",
    doc="theta: share of capital expenditure that is AI infrastructure.",
    key=("asset_id", "available_at"),
    known="available_at",
    columns=(
        ASSET_ID,
        _share("share", "share of capex that is AI infrastructure"),
        AVAILABLE_AT,
        Column(
            name="provenance", dtype=pl.String, doc="how the share is known",
            allowed=("disclosed", "estimated", "assumed"), used=False,
        ),
        SOURCE,
    ),
)  # fmt: skip

AI_REVENUE_SHARE = TableSchema(
    name="ai_revenue_share",
    doc="s: share of a company's own revenue disclosed as AI infrastructure.",
    key=("asset_id", "scope", "period_end", "available_at"),
    known="available_at",
    columns=(
        ASSET_ID,
        _share("share", "share of own revenue"),
        Column(name="scope", dtype=pl.String, doc="how much else the share contains", allowed=SCOPES),
        PERIOD_END,
        AVAILABLE_AT,
        SOURCE,
    ),
    rules=(_KNOWN_BEFORE_END,),
)

_TIE_SET = ("supplier_id", "period_end", "available_at")
_NAMED_SUM = (
    pl.col("revenue_share").filter(pl.col("customer_id").is_not_null()).sum().over(_TIE_SET)
)  # of one filing's set

REVENUE_TIES = TableSchema(
    name="revenue_ties",
    doc="R and Phi: which share of a supplier's revenue comes from which customer.",
    key=("supplier_id", "customer_label", "period_end", "available_at"),
    known="available_at",
    columns=(
        _id("supplier_id", "the company that earns"),
        _id("customer_id", "the company that pays; null: disclosed but anonymous", nullable=True),
        _id("customer_label", "the customer's name as printed"),
        Column(
            name="revenue_share", dtype=pl.Float64, unit="fraction", doc="share of the supplier's revenue",
            low=0.0, high=1.0, low_open=True,
        ),
        Column(
            name="ai_share", dtype=pl.Float64, unit="fraction", low=0.0, high=1.0, nullable=True,
            required=False, doc="share of that flow that is AI infrastructure; null: default_flow_share",
        ),
        PERIOD_END,
        AVAILABLE_AT,
        SOURCE,
    ),
    rules=(
        _KNOWN_BEFORE_END,
        Rule(
            column="customer_id",
            broken=pl.col("customer_id") == pl.col("supplier_id"),
            says="a company is its own customer",
            remedy="drop the row; sales inside a group are not revenue",
        ),
        Rule(
            column="revenue_share",
            broken=pl.col("customer_id").is_not_null() & (_NAMED_SUM > 1 + SHARE_SUM_TOLERANCE),
            says="the named customers of one filing add to more than the whole revenue",
            remedy="keep one benchmark (revenue) and one period per filing, and count no customer twice",
        ),
    ),
)  # fmt: skip

TIE_DISCLOSURES = TableSchema(
    name="tie_disclosures",
    doc="Filings read for customers and segments, so that absence means none was named.",
    key=_TIE_SET,
    known="available_at",
    columns=(_id("supplier_id", "the company that filed"), PERIOD_END, AVAILABLE_AT, SOURCE),
    rules=(_KNOWN_BEFORE_END,),
)

_LAST_END = (
    pl.col("end").fill_null(date.max).cum_max().shift(1).over("index_id", "asset_id", order_by="start")
)

INDEX_MEMBERSHIP = TableSchema(
    name="index_membership",
    doc="Who was in which index from when to when.",
    key=("index_id", "asset_id", "start"),
    known="available_at",
    ends="end",
    columns=(
        _id("index_id", "key of the index"),
        ASSET_ID,
        _date("start", "first day in the index"),
        _date("end", "first day out of it; null: still in", nullable=True),
        AVAILABLE_AT,
        Column(
            name="weight", dtype=pl.Float64, unit="any, per index", doc="index weight; null: market cap or equal",
            required=False, nullable=True, low=0.0, high=MOST_MONEY,
        ),
        SOURCE,
    ),
    rules=(
        Rule(
            column="end",
            broken=pl.col("end") <= pl.col("start"),
            says="the membership ends on or before the day it starts (end is exclusive)",
            remedy="drop the row or correct its dates",
        ),
        Rule(
            column="start",
            broken=pl.col("start") < _LAST_END,
            says="two memberships of one asset in one index overlap",
            remedy="close the earlier one first",
        ),
        Rule(
            column="weight",
            broken=pl.col("weight").is_null()
            & (pl.col("weight").is_not_null().any().over("index_id")),
            says="some members of the index have a weight and this one has none",
            remedy="give every member of the index a weight, or none",
        ),
    ),
)  # fmt: skip

FX = TableSchema(
    name="fx",
    doc="Dated exchange rates.",
    key=("date", "currency"),
    known="date",
    columns=(
        _date("date", "day of the rate"),
        CURRENCY,
        Column(
            name="usd_per_unit",
            dtype=pl.Float64,
            unit="USD",
            doc="dollars for one unit",
            low=1e-12,
            high=1e6,
        ),
    ),
)

ASSETS = TableSchema(
    name="assets",
    doc="Names only; never used in arithmetic.",
    key=("asset_id", "valid_from"),
    known="valid_from",
    ends="valid_to",
    columns=(
        ASSET_ID,
        _text("ticker", "label", used=True),
        _text("name", "label"),
        _text("cik", "SEC central index key, ten digits"),
        _text("lei", "legal entity identifier"),
        _text("figi", "financial instrument global identifier"),
        _date("valid_from", "first day of the names; null: always", nullable=True, required=False),
        _date("valid_to", "first day they no longer hold; null: still do", nullable=True, required=False),
    ),
)

INPUTS: dict[str, TableSchema] = {
    table.name: table
    for table in (
        UNIVERSE, FUNDAMENTALS, CAPEX_GUIDANCE, AI_CAPEX_SHARE, AI_REVENUE_SHARE, REVENUE_TIES,
        TIE_DISCLOSURES, INDEX_MEMBERSHIP, FX, ASSETS,
    )
}  # fmt: skip
