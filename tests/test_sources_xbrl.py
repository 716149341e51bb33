"""XBRL documents: two real filings, hand-made ones for each rule, and hostile ones."""

import dataclasses
import gzip
import random
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from kifactors.errors import DataError, DefinitionError
from kifactors.sources import (
    RevenueMembers,
    ai_revenue_share_from_xbrl,
    read_aliases,
    read_members,
    read_xbrl,
    revenue_ties_from_xbrl,
)
from kifactors.sources._contexts import axes_of
from kifactors.sources._customers import is_anonymous, is_several, label_of
from kifactors.sources._transforms import UnreadableError, boolean_of, date_of, number_of

pytest.importorskip("lxml", reason="reading XBRL needs lxml")

XBRL = Path(__file__).parents[2] / "shared" / "data" / "sec" / "xbrl"
NVDA = XBRL / "0001045810-24-000264_nvda-20240728_htm.xml.gz"
INTC = XBRL / "0000050863_intc_instance.xml.gz"
needs_shared = pytest.mark.skipif(
    not XBRL.is_dir(), reason="needs the shared source files beside the checkout"
)

FILED = date(2024, 8, 28)
START, QUARTER, END = date(2024, 1, 29), date(2024, 4, 29), date(2024, 7, 28)
TR = "http://www.xbrl.org/inlineXBRL/transformation/2020-02-12"
OLD_TR = "http://www.xbrl.org/inlineXBRL/transformation/2010-04-20"
SPACES = f"""xmlns="http://www.w3.org/1999/xhtml" xmlns:ix="http://www.xbrl.org/2013/inlineXBRL"
  xmlns:ixt="{TR}" xmlns:old="{OLD_TR}" xmlns:sec="http://www.sec.gov/inlineXBRL/transformation/2015-08-31"
  xmlns:foo="http://foo.com/transformation" xmlns:xi="http://www.xbrl.org/2003/instance"
  xmlns:di="http://xbrl.org/2006/xbrldi" xmlns:g="http://fasb.org/us-gaap/2024" xmlns:s="http://fasb.org/srt/2024"
  xmlns:d="http://xbrl.sec.gov/dei/2024" xmlns:x="http://www.x.com/20240728" xmlns:country="http://xbrl.sec.gov/country/2024"
  xmlns:ecd="http://xbrl.sec.gov/ecd/2024" xmlns:nvda="http://www.nvidia.com/20240728"
  xmlns:iso="http://www.xbrl.org/2003/iso4217" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" """
PREFIX = {"us-gaap": "g", "srt": "s", "dei": "d", "iso4217": "iso", "xbrli": "xi"}
CIK = '<xi:identifier scheme="http://www.sec.gov/CIK">0001045810</xi:identifier>'
UNITS = """<xi:unit id="usd"><xi:measure>iso:USD</xi:measure></xi:unit>
  <xi:unit id="pure"><xi:measure>xi:pure</xi:measure></xi:unit>"""
COVER = """<ix:nonNumeric name="d:DocumentType" contextRef="ytd">10-Q</ix:nonNumeric>
  <ix:nonNumeric name="d:EntityCentralIndexKey" contextRef="ytd">0001045810</ix:nonNumeric>
  <ix:nonNumeric name="d:AmendmentFlag" contextRef="ytd" format="ixt:fixed-false">no</ix:nonNumeric>
  <ix:nonNumeric name="d:DocumentPeriodEndDate" contextRef="ytd" format="ixt:date-monthname-day-year-en"
    continuedAt="more"><b>July</b> 28, </ix:nonNumeric><ix:continuation id="more">2024</ix:continuation>"""


def written(name):
    prefix, _, local = name.partition(":")
    return f"{PREFIX.get(prefix, prefix)}:{local}"


def context(name, start, end, axes=None, entity=CIK):
    segment = "".join(
        f'<di:typedMember dimension="{written(axis)}"><x:Any>{escape(member[1:-1])}</x:Any></di:typedMember>'
        if member.startswith('"')
        else f'<di:explicitMember dimension="{written(axis)}">{written(member)}</di:explicitMember>'
        for axis, member in (axes or {}).items()
    )
    period = (
        f"<xi:instant>{end}</xi:instant>"
        if start is None
        else f"<xi:startDate>{start}</xi:startDate><xi:endDate>{end}</xi:endDate>"
    )
    segment = f"<xi:segment>{segment}</xi:segment>" if segment else ""
    return f'<xi:context id="{name}"><xi:entity>{entity}{segment}</xi:entity><xi:period>{period}</xi:period></xi:context>'


def inline(body, contexts="", *, cover=COVER, units=UNITS):
    return f"""<html {SPACES}><body><div style="display:none"><ix:header><ix:hidden>{cover}</ix:hidden>
      <ix:resources>{context("ytd", START, END)}{contexts}{units}</ix:resources></ix:header></div>
      <p>{body}</p></body></html>""".encode()


def number(text, *, form="ixt:num-dot-decimal", name="g:Revenues", ref="ytd", unit="usd", **more):
    form = f'format="{form}"' if form else ""
    more = " ".join(f'{key}="{value}"' for key, value in {"decimals": "-6", **more}.items())
    return f'<ix:nonFraction name="{name}" contextRef="{ref}" unitRef="{unit}" {form} {more}>{text}</ix:nonFraction>'


def counts(frame):
    total = Counter()
    for reason, rows in frame.select("reason", "rows").iter_rows():
        total[reason] += rows
    return dict(total)


def one(document):
    facts = read_xbrl(document)
    assert facts.facts.height == 1, facts.skipped
    return facts.facts["value"][0]


# --- real filings


@needs_shared
def test_nvidia_half_year_and_no_quarter():
    facts = read_xbrl(NVDA)
    assert (facts.cik, facts.document_type, facts.period_end, facts.amendment, facts.accession) == (
        "0001045810", "10-Q", END, False, "0001045810-24-000264",
    )  # fmt: skip
    assert counts(facts.skipped) == {"nil": 2, "the same fact again": 119}
    ties = revenue_ties_from_xbrl(facts, available_at=FILED, aliases=read_aliases())
    assert ties.revenue_ties.select("customer_id", "customer_label", "revenue_share").rows() == [
        (None, "Customer A", 0.14),
        (None, "Customer D", 0.1),
        (None, "Customer E", 0.1),
    ]
    assert (
        ties.revenue_ties["source"][0] == "0001045810-24-000264 nvda:CustomerAMember 6 months to 2024-07-28"
    )
    assert counts(ties.skipped) == {
        "not a share of total revenue": 5,
        "of a shorter span": 4,
        "of another period": 2,
    }
    assert ties.tie_disclosures.rows() == [("cik:0001045810", END, FILED, "0001045810-24-000264")]


@needs_shared
def test_intel_names_three_customers():
    ties = revenue_ties_from_xbrl(read_xbrl(INTC), available_at=date(2024, 1, 26), aliases=read_aliases())
    assert ties.revenue_ties.select("customer_id", "customer_label", "revenue_share").rows() == [
        ("cik:0001571996", "Dell Inc", 0.19),
        ("cik:0000047217", "HP Inc.", 0.1),
        ("name:lenovo-group", "Lenovo Group Limited", 0.11),
    ]
    assert counts(ties.skipped) == {
        "not a share of total revenue": 1,
        "of another period": 6,
        "of several customers": 3,
    }


@needs_shared
@pytest.mark.parametrize(
    ("path", "share", "scope"), [(NVDA, 48_835 / 56_084, "data_center"), (INTC, 15_521 / 54_228, "broad")]
)
def test_data_centre_share(path, share, scope):
    read = ai_revenue_share_from_xbrl(read_xbrl(path), read_members(), available_at=FILED)
    assert read.ai_revenue_share.select("share", "scope").rows() == [(share, scope)]
    assert read.skipped.is_empty()


@needs_shared
def test_inline_version_has_the_facts_of_the_instance():
    facts = read_xbrl(NVDA).facts
    contexts, units, tags = {}, {}, []
    for row in facts.iter_rows(named=True):
        key = (row["period_start"], row["period_end"], row["dimensions"])
        ref = contexts.setdefault(key, f"c{len(contexts)}")
        unit = units.setdefault(row["unit"], f"u{len(units)}")
        tags.append(_printed(row, ref, unit))
    document = inline(
        "".join(tags),
        "".join(context(ref, start, end, axes_of(axes)) for (start, end, axes), ref in contexts.items()),
        units="".join(_unit(text, name) for text, name in units.items()),
    )
    read = read_xbrl(document)
    assert_frame_equal(read.facts, facts)
    assert read.skipped.is_empty()


def _printed(row, ref, unit):
    exact = Decimal(repr(row["value"]))
    scale = {"-6": 6, "-7": 6, "-8": 9, "2": -2}.get(row["decimals"], 0)
    text = f"{abs(exact.scaleb(-scale).normalize()):,f}"
    form, text = ("ixt:fixed-zero", "—") if exact == 0 else ("ixt:num-dot-decimal", text)
    sign = {"sign": "-"} if exact < 0 else {}
    return number(
        text, form=form, name=written(row["concept"]), ref=ref, unit=unit, scale=scale,
        decimals=row["decimals"], **sign,
    )  # fmt: skip


def _unit(text, name):
    standard = {"USD": "iso:USD", "shares": "xi:shares", "pure": "xi:pure"}
    above, _, below = text.partition("/")
    measure = "<xi:measure>{}</xi:measure>".format
    parts = measure(standard.get(above, above))
    if below:
        parts = (
            f"<xi:divide><xi:unitNumerator>{parts}</xi:unitNumerator><xi:unitDenominator>"
            f"{measure(standard.get(below, below))}</xi:unitDenominator></xi:divide>"
        )
    return f'<xi:unit id="{name}">{parts}</xi:unit>'


# --- inline XBRL


def test_cover_page_of_an_inline_document():
    facts = read_xbrl(inline(""), name="0001045810-24-000264.htm")
    assert (facts.cik, facts.document_type, facts.period_end, facts.amendment, facts.accession) == (
        "0001045810", "10-Q", END, False, "0001045810-24-000264",
    )  # fmt: skip
    assert facts.facts.is_empty()
    assert facts.skipped.is_empty()


@pytest.mark.parametrize(
    ("text", "form", "more", "value"),
    [
        ("26,044", "ixt:num-dot-decimal", {"scale": 6}, 26_044e6),
        ("26.044,5", "ixt:num-comma-decimal", {}, 26_044.5),
        ("1 234,5", "ixt:num-comma-decimal", {}, 1234.5),
        ("12,34,567", "ixt:num-dot-decimal", {}, 1_234_567.0),
        (".5", "ixt:num-dot-decimal", {}, 0.5),
        ("14", "ixt:num-dot-decimal", {"scale": -2}, 0.14),
        ("1,234.5", "old:numcommadot", {}, 1234.5),
        ("1.234,5", "old:numdotcomma", {}, 1234.5),
        ("1,234.5", "ixt:numdotdecimal", {}, 1234.5),
        ("1.234,5", "ixt:numcommadecimal", {}, 1234.5),
        ("—", "ixt:zerodash", {}, 0.0),
        ("none", "ixt:fixed-zero", {"scale": 6}, 0.0),
        ("7", "ixt:num-dot-decimal", {"sign": "-"}, -7.0),
        ("—", "ixt:fixed-zero", {"sign": "-"}, 0.0),
        ("1234.5", "", {}, 1234.5),
        ("<span>1,</span>234", "ixt:num-dot-decimal", {}, 1234.0),
        ("1<ix:exclude>(a)</ix:exclude>2", "ixt:num-dot-decimal", {}, 12.0),
        ("1<!-- 9 -->2", "ixt:num-dot-decimal", {}, 12.0),
    ],
)
def test_numbers_as_printed(text, form, more, value):
    assert one(inline(number(text, form=form, **more))) == value


@pytest.mark.parametrize(
    ("text", "form", "more", "reason"),
    [
        ("1,234", "", {}, "not what its format says"),
        ("(1,234)", "ixt:num-dot-decimal", {}, "not what its format says"),
        ("-5", "ixt:num-dot-decimal", {}, "not what its format says"),
        ("", "ixt:num-dot-decimal", {}, "not what its format says"),
        (".", "ixt:num-dot-decimal", {}, "not what its format says"),
        ("12,34", "ixt:numdotdecimal", {}, "not what its format says"),
        ("5", "ixt:zerodash", {}, "not what its format says"),
        ("ten", "sec:numwordsen", {}, "unknown format"),
        ("5", "foo:num-dot-decimal", {}, "unknown format"),
        ("5", "nowhere:num-dot-decimal", {}, "unknown format"),
        ("5", "ixt:num-dot-decimal", {"sign": "+"}, "a sign that is not a minus"),
        ("5", "ixt:num-dot-decimal", {"scale": "400"}, "not a finite number"),
        ("5", "ixt:num-dot-decimal", {"scale": "1e9"}, "not a finite number"),
        ("1" + "0" * 400, "ixt:num-dot-decimal", {}, "not a finite number"),
        ("NaN", "", {}, "not what its format says"),
        ("5", "ixt:num-dot-decimal", {"xsi:nil": "true"}, "nil"),
        ("5", "ixt:num-dot-decimal", {"target": "other"}, "meant for another document"),
        ("5", "ixt:num-dot-decimal", {"tupleRef": "t"}, "facts in a tuple"),
        ("5", "ixt:num-dot-decimal", {"name": "nowhere:Revenues"}, "a name without a namespace"),
        ("5", "ixt:num-dot-decimal", {"ref": "nowhere"}, "no such context"),
        ("5", "ixt:num-dot-decimal", {"unit": "nowhere"}, "no such unit"),
    ],
)
def test_numbers_that_are_not_guessed(text, form, more, reason):
    facts = read_xbrl(inline(number(text, form=form, **more)))
    assert facts.facts.is_empty()
    assert counts(facts.skipped) == {reason: 1}


def test_nested_numbers():
    both = number(number("5", name="g:SalesRevenueNet", scale=6), scale=6)
    facts = read_xbrl(inline(both)).facts
    assert facts.select("concept", "value").rows() == [
        ("us-gaap:Revenues", 5e6),
        ("us-gaap:SalesRevenueNet", 5e6),
    ]
    differ = read_xbrl(inline(number(number("5", name="g:SalesRevenueNet", scale=3), scale=6)))
    assert differ.facts.is_empty()
    assert counts(differ.skipped) == {"nested numbers that differ in scale, format or unit": 2}


def test_a_fraction_is_counted():
    body = '<ix:fraction name="g:Revenues" contextRef="ytd" unitRef="usd"><ix:numerator>1</ix:numerator></ix:fraction>'
    assert counts(read_xbrl(inline(body)).skipped) == {"a fraction": 1}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2024-07-28", ""),
        ("07/28/2024", "date-month-day-year"),
        ("28.7.24", "datedaymonthyear"),
        ("July 28, 2024", "datemonthdayyearen"),
        ("Jul. 28, 2024", "date-monthname-day-year-en"),
        ("28 July 2024", "date-day-monthname-year-en"),
        ("2024 07 28", "date-year-month-day"),
    ],
)
def test_dates_as_printed(text, form):
    assert date_of(text, form, uri=TR) == END


@pytest.mark.parametrize(
    ("text", "form"),
    [("July 28, 2024", ""), ("13/13/2024", "date-month-day-year"), ("Juli 28, 2024", "datemonthdayyearen"),
     ("2024-02-30", ""), ("5 Heisei 2", "date-jpn-era-year-month-day")],
)  # fmt: skip
def test_dates_that_are_not_guessed(text, form):
    with pytest.raises(UnreadableError):
        date_of(text, form, uri=TR)


def test_yes_and_no():
    assert boolean_of("☒", "boolballotbox", uri=TR)
    assert not boolean_of("whatever", "fixed-false", uri=TR)
    with pytest.raises(UnreadableError, match="neither"):
        boolean_of("perhaps", "")


@pytest.mark.parametrize(
    "more", ['continuedAt="gone"', 'continuedAt="a"'], ids=["no such continuation", "a circle"]
)
def test_a_text_continued_nowhere(more):
    cover = f"""<ix:nonNumeric name="d:DocumentPeriodEndDate" contextRef="ytd" {more}>2024</ix:nonNumeric>
      <ix:continuation id="a" continuedAt="b">x</ix:continuation><ix:continuation id="b" continuedAt="a"/>"""
    facts = read_xbrl(inline("", cover=cover))
    assert facts.period_end is None
    assert counts(facts.skipped) == {"a text that is continued nowhere": 1}


def test_a_cover_page_that_disagrees_says_nothing():
    cover = COVER + '<ix:nonNumeric name="d:DocumentType" contextRef="ytd">10-K</ix:nonNumeric>'
    facts = read_xbrl(inline("", cover=cover))
    assert facts.document_type is None
    assert counts(facts.skipped) == {"a cover page that disagrees with itself": 2}


# --- contexts, units, repetitions


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-01-29", "2024-07-28", (START, END)),
        ("2024-01-29T00:00:00", "2024-07-29T00:00:00", (START, END)),
        (None, "2024-07-29T00:00:00", (None, END)),
        (None, "2024-07-28", (None, END)),
        ("2024-07-28", "2024-07-28", (END, END)),
    ],
)
def test_periods(start, end, expected):
    facts = read_xbrl(inline(number("5", ref="c"), context("c", start, end))).facts
    assert facts.select("period_start", "period_end").row(0) == expected


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("2024-07-28", "2024-01-29", "a period that ends before it starts"),
        ("2024-07-28T00:00:00", "2024-07-28T00:00:00", "a period that ends before it starts"),
        ("2024-01-29", "2024-07-28T12:00:00", "a period with a time within a day"),
        ("2024-01-29", "2024-07-28Z", "not a date"),
        ("2024-01-29", "2024-02-30", "no day of the calendar"),
        ("", "", "not a date"),
        (None, "0001-01-01T00:00:00", "no day of the calendar"),
    ],
)
def test_periods_that_make_no_sense(start, end, reason):
    facts = read_xbrl(inline(number("5", ref="c"), context("c", start, end)))
    assert facts.facts.is_empty()
    assert counts(facts.skipped) == {reason: 1}


def test_axes_are_sorted_and_typed_members_quoted():
    axes = {"us-gaap:ZAxis": "x:BMember", "srt:AAxis": "us-gaap:CMember", "x:TAxis": '"a|b=c"'}
    dimensions = read_xbrl(inline(number("5", ref="c"), context("c", START, END, axes))).facts["dimensions"][
        0
    ]
    assert dimensions == 'srt:AAxis=us-gaap:CMember|us-gaap:ZAxis=x:BMember|x:TAxis="a%7Cb%3Dc"'
    assert axes_of(dimensions)["x:TAxis"] == '"a%7Cb%3Dc"'


def test_facts_of_another_entity_are_counted():
    other = '<xi:identifier scheme="http://www.sec.gov/CIK">0000000002</xi:identifier>'
    facts = read_xbrl(inline(number("5", ref="c"), context("c", START, END, entity=other)))
    assert counts(facts.skipped) == {"of another entity": 1}
    with pytest.raises(DataError, match="2 entities report"):
        read_xbrl(inline("", context("c", START, END, entity=other), cover=""))


def test_contexts_that_cannot_be_told_apart():
    twice = context("c", START, END) + context("c", QUARTER, END)
    assert counts(read_xbrl(inline(number("5", ref="c"), twice)).skipped) == {"two contexts of one id": 1}
    odd = context("c", START, END).replace("</xi:entity>", "<xi:segment><x:Any/></xi:segment></xi:entity>")
    assert counts(read_xbrl(inline(number("5", ref="c"), odd)).skipped) == {"a segment that is no axis": 1}


@pytest.mark.parametrize(
    ("said", "value", "skipped"),
    [
        ([("5", "0"), ("5.0", "1")], 5.0, {"the same fact again": 1}),
        ([("26,044", "0"), ("26,000", "-3")], 26_044.0, {"the same fact again": 1}),
        ([("26,044", "INF"), ("26,000", "-3"), ("26,040", "-1")], 26_044.0, {"the same fact again": 2}),
        ([("26,044", "0"), ("27,000", "-3")], None, {"values that disagree": 2}),
        ([("5", "0"), ("6", "0")], None, {"values that disagree": 2}),
        ([("5", "0"), ("6", "x")], None, {"values that disagree": 2}),
    ],
)
def test_a_fact_said_several_times(said, value, skipped):
    facts = read_xbrl(inline("".join(number(text, decimals=decimals) for text, decimals in said)))
    assert facts.facts["value"].to_list() == ([] if value is None else [value])
    assert counts(facts.skipped) == skipped


def test_prefixes_come_from_namespaces():
    document = inline(number("5") + number("6", name="x:Other")).replace(b"xmlns:x=", b"xmlns:us-gaap=")
    document = document.replace(b'"x:Other', b'"us-gaap:Other')
    assert read_xbrl(document).facts["concept"].sort().to_list() == [
        "us-gaap:Revenues", "{http://www.x.com/20240728}Other",
    ]  # fmt: skip


TAGS = [number(str(n), name=f"x:N{n % 7}", decimals=str(n % 3 - 1)) for n in range(14)]


@given(st.permutations(range(len(TAGS))))
def test_order_of_facts_does_not_matter(order):
    read, base = read_xbrl(inline("".join(TAGS[i] for i in order))), read_xbrl(inline("".join(TAGS)))
    assert_frame_equal(read.facts, base.facts)
    assert_frame_equal(read.skipped, base.skipped)


# --- hostile documents


def instance(body, head=""):
    return f"""<?xml version="1.0"?>{head}<xbrl xmlns="http://www.xbrl.org/2003/instance"
      xmlns:g="http://fasb.org/us-gaap/2024" xmlns:iso="http://www.xbrl.org/2003/iso4217">
      <context id="c"><entity><identifier scheme="http://www.sec.gov/CIK">1045810</identifier></entity>
      <period><startDate>{START}</startDate><endDate>{END}</endDate></period></context>
      <unit id="u"><measure>iso:USD</measure></unit>{body}</xbrl>""".encode()


def fact(text):
    return f'<g:Revenues contextRef="c" unitRef="u" decimals="0">{text}</g:Revenues>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "not a finite number"),
        ("INF", "not a finite number"),
        ("1" + "0" * 400, "not a finite number"),
        ("1e400", "not a finite number"),
        ("9" * 2000, "not a finite number"),
        ("1,000", "not a number"),
        ("", "not a number"),
        ("١٢", "not a number"),
        ("<g:numerator>1</g:numerator>", "a fraction"),
    ],
)
def test_values_of_an_instance_that_are_no_numbers(text, reason):
    facts = read_xbrl(instance(fact(text)))
    assert facts.facts.is_empty()
    assert counts(facts.skipped) == {reason: 1}


def test_a_tuple_is_counted():
    assert counts(read_xbrl(instance(f"<g:Any>{fact('5')}</g:Any>")).skipped) == {"facts in a tuple": 1}


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://localhost/a.dtd"> %a;]>',
        LAUGHS + "]>",
    ],
    ids=["external", "parameter", "laughs"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_documents_with_entities_are_refused(head, encoding):
    document = instance(fact("&a;"), head).decode().replace("?>", f' encoding="{encoding}"?>', 1)
    with pytest.raises(DataError, match=r"bad\.xml declares entities"):
        read_xbrl(document.encode(encoding), name="bad.xml")


def test_an_undeclared_entity_is_no_number():
    public = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://localhost/x.dtd">'
    with pytest.raises(DataError, match="not well-formed"):
        read_xbrl(inline(number("1&nbsp;234")))
    facts = read_xbrl(public.encode() + inline(number("1&nbsp;234")))
    assert counts(facts.skipped) == {"an entity in a fact": 1}


@pytest.mark.parametrize(
    "document",
    [
        instance(fact("5"))[:-30],
        instance(fact("5")).replace(b"</xbrl>", b"<!-- \xe4 --></xbrl>"),
        instance(fact("5")).replace(b'"1.0"?', b'"1.0" encoding="nonsense"?'),
        b"",
        b"PK\x03\x04",
        gzip.compress(instance(fact("5")))[:-40],
    ],
    ids=["truncated", "latin", "nonsense", "empty", "zip", "gzip"],
)
def test_broken_documents_are_named(document):
    with pytest.raises(DataError, match=r"bad\.xml is not"):
        read_xbrl(document, name="bad.xml")


def test_what_is_no_xbrl_is_named(tmp_path):
    with pytest.raises(DataError, match="neither an XBRL instance nor inline"):
        read_xbrl(b"<html/>")
    with pytest.raises(DataError, match="no file"):
        read_xbrl(tmp_path / "absent.xml")


def test_size_is_bounded_before_and_after_unpacking():
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 20_000
    for document in (bomb, b" " * 1_000_001):
        with pytest.raises(DataError, match="larger than 1,000,000 bytes"):
            read_xbrl(document, max_bytes=1_000_000)


def test_a_file_is_read_as_it_is_or_compressed(tmp_path):
    plain, packed = tmp_path / "0001045810-24-000264.xml", tmp_path / "b.xml.gz"
    plain.write_bytes(instance(fact("5")))
    packed.write_bytes(gzip.compress(instance(fact("5"))))
    assert_frame_equal(read_xbrl(plain).facts, read_xbrl(packed).facts)
    assert (read_xbrl(plain).source, read_xbrl(packed).source) == ("0001045810-24-000264", "b.xml.gz")


# --- customers

CUSTOMER, BENCHMARK, TYPE = (
    "srt:MajorCustomersAxis", "us-gaap:ConcentrationRiskByBenchmarkAxis", "us-gaap:ConcentrationRiskByTypeAxis",
)  # fmt: skip
REVENUE = "us-gaap:SalesRevenueNetMember"
CUSTOMERS = "us-gaap:CustomerConcentrationRiskMember"


def filing(*shares):
    """A document with shares: (member, value) and what differs from a customer's share of the half year."""
    contexts, tags = [], []
    for i, (member, value, *rest) in enumerate(shares):
        more = {"start": START, "end": END, "benchmark": REVENUE, "concept": "1", **(rest[0] if rest else {})}
        axes = {CUSTOMER: member, BENCHMARK: more["benchmark"], TYPE: CUSTOMERS} | more.get("axes", {})
        axes = {axis: member for axis, member in axes.items() if member}
        contexts.append(context(f"c{i}", more["start"], more["end"], axes))
        name = f"g:ConcentrationRiskPercentage{more['concept']}"
        tags.append(number(str(value), name=name, ref=f"c{i}", unit=more.get("unit", "pure"), decimals="2"))
    return read_xbrl(inline("".join(tags), "".join(contexts)), name="f.htm")


def ties_of(*shares, **options):
    return revenue_ties_from_xbrl(filing(*shares), available_at=FILED, **options)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"benchmark": "us-gaap:AccountsReceivableMember"}, "not a share of total revenue"),
        ({"benchmark": "us-gaap:SalesRevenueSegmentMember"}, "not a share of total revenue"),
        ({"benchmark": "us-gaap:SalesRevenueProductLineMember"}, "not a share of total revenue"),
        ({"benchmark": "us-gaap:CostOfGoodsTotalMember"}, "not a share of total revenue"),
        ({"benchmark": "x:NetRevenueMember"}, "not a share of total revenue"),
        ({"benchmark": ""}, "not a share of total revenue"),
        ({"axes": {TYPE: "us-gaap:CreditConcentrationRiskMember"}}, "not a concentration of customers"),
        ({"axes": {"srt:StatementGeographicalAxis": "country:US"}}, "of a region"),
        ({"axes": {"dei:LegalEntityAxis": "x:SubsidiaryMember"}}, "of another entity's revenue"),
        ({"axes": {"srt:MajorSuppliersAxis": "x:FabMember"}}, "of a supplier"),
        ({"axes": {"us-gaap:MajorCustomersAxis": "x:HPMember"}}, "not of one customer"),
        ({"axes": {CUSTOMER: ""}}, "not of one customer"),
        ({"start": None}, "of a day, not of a period"),
        ({"unit": "usd"}, "not a pure number"),
        ({"start": date(2023, 1, 30), "end": date(2023, 7, 30)}, "of another period"),
        ({"start": date(2022, 1, 30)}, "of more than a year"),
    ],
)
def test_shares_that_are_no_ties(more, reason):
    ties = ties_of(("x:DellIncMember", 0.2, more))
    assert ties.revenue_ties.is_empty()
    assert counts(ties.skipped) == {reason: 1}
    # Silence in a quarterly report says nothing.
    assert ties.tie_disclosures.is_empty()


@pytest.mark.parametrize(
    ("shares", "kind", "rows"),
    [
        ([], "10-Q", 0),
        ([("x:DellIncMember", 0.2)], "10-Q", 1),
        ([], "10-K", 1),
        ([], "20-F", 1),
        ([], None, 0),
        ([("x:TwoCustomersMember", 0.4)], "10-K", 1),
        # Two values for one customer are no absence of customers.
        (
            [
                (
                    "x:DellIncMember",
                    share,
                    {"axes": {"us-gaap:StatementBusinessSegmentsAxis": f"x:{name}Member"}},
                )
                for name, share in (("A", 0.2), ("B", 0.3))
            ],
            "10-K",
            0,
        ),
    ],
)
def test_an_absence_is_known_from_annual_reports(shares, kind, rows):
    facts = dataclasses.replace(filing(*shares), document_type=kind)
    assert revenue_ties_from_xbrl(facts, available_at=FILED).tie_disclosures.height == rows


@pytest.mark.parametrize(
    "member",
    [
        "ThreeLargestCustomersMember", "TwoCustomersMember", "CustomersMember", "AllOtherCustomersMember",
        "AllOtherMember", "TopTenMember", "OtherCustomersMember", "CustomerAAndBMember", "ChannelPartnersMember",
        "TwoDistributorsMember", "AggregateCustomerMember", "NameOfMajorCustomerDomain",
    ],
)  # fmt: skip
def test_several_customers_are_no_tie(member):
    assert counts(ties_of((f"x:{member}", 0.2)).skipped) == {"of several customers": 1}


def test_names_of_companies_are_no_aggregates():
    for label in (
        "Five Below",
        "Total SA",
        "Lowes Companies Inc",
        "Johnson And Johnson",
        "Seven Eleven",
        "Top Golf",
    ):
        assert not is_several(label), label
        assert not is_anonymous(label), label
    for label in (
        "Customer 1",
        "Customer IV",
        "Largest Customer",
        "Distributor AA",
        "Direct Customer B",
        "Company C",
    ):
        assert is_anonymous(label), label
        assert not is_several(label), label


def test_words_of_members():
    members = ("A10NetworksMember", "Dell_IncMember", "Member", "ATTIncMember", "CustomerOneMember")
    assert [label_of(m) for m in members] == ["A10 Networks", "Dell Inc", "Member", "ATT Inc", "Customer One"]


@pytest.mark.parametrize("value", ["14", "1.01", "0"])
def test_a_share_is_never_rescaled(value):
    assert counts(ties_of(("x:DellIncMember", value)).skipped) == {"not in (0, 1]": 1}


@pytest.mark.parametrize(
    "total",
    [
        REVENUE,
        "us-gaap:RevenueFromContractWithCustomerMember",
        "us-gaap:RevenueFromContractWithCustomerProductAndServiceBenchmarkMember",
    ],
)
@pytest.mark.parametrize(
    "axes", [{}, {TYPE: ""}, {CUSTOMER: "", "us-gaap:MajorCustomersAxis": "x:DellIncMember"}]
)
@pytest.mark.parametrize("concept", ["", "1"])
def test_shares_of_total_revenue_are_ties(total, axes, concept):
    ties = ties_of(("x:DellIncMember", 0.2, {"benchmark": total, "axes": axes, "concept": concept}))
    assert ties.revenue_ties.select("customer_label", "revenue_share").rows() == [("Dell Inc", 0.2)]


def test_spans_do_not_mix():
    quarter = {"start": QUARTER}
    ties = ties_of(("x:DellIncMember", 0.2), ("x:HPInc.Member", 0.3, quarter), ("x:TwoCustomersMember", 0.4))
    assert ties.revenue_ties["customer_label"].to_list() == ["Dell Inc"]
    # A sum over the half year says that the half year is reported, and a quarter is not it.
    assert ties_of(("x:HPInc.Member", 0.3, quarter), ("x:TwoCustomersMember", 0.4)).revenue_ties.is_empty()
    only = ties_of(("x:HPInc.Member", 0.3, quarter)).revenue_ties
    assert only["source"].to_list() == ["f.htm x:HPInc.Member 3 months to 2024-07-28"]


def test_an_axis_more_and_several_values():
    first, second = ({"axes": {"us-gaap:StatementBusinessSegmentsAxis": f"x:{s}Member"}} for s in ("A", "B"))
    alone = ties_of(("x:DellIncMember", 0.2, first))
    assert alone.revenue_ties["revenue_share"].to_list() == [0.2]
    beside = ties_of(("x:DellIncMember", 0.2, first), ("x:DellIncMember", 0.3))
    assert beside.revenue_ties["revenue_share"].to_list() == [0.3]
    assert counts(beside.skipped) == {"under an axis more than the customer needs": 1}
    differ = ties_of(("x:DellIncMember", 0.2, first), ("x:DellIncMember", 0.3, second), ("x:HPMember", 0.1))
    assert differ.revenue_ties["customer_label"].to_list() == ["HP"]
    assert counts(differ.skipped) == {"a customer with several values": 2}
    same = ties_of(("x:DellIncMember", 0.2, first), ("x:DellIncMember", 0.2, second))
    assert same.revenue_ties["revenue_share"].to_list() == [0.2]
    assert counts(same.skipped) == {"the same share again": 1}


def test_ties_need_dates_and_a_filer():
    facts = filing(("x:DellIncMember", 0.2))
    with pytest.raises(DataError, match="before period_end"):
        revenue_ties_from_xbrl(facts, available_at=date(2024, 7, 1))
    for wrong in ("2024-08-28", datetime(2024, 8, 28)):
        with pytest.raises(DataError, match="must be a date"):
            revenue_ties_from_xbrl(facts, available_at=wrong)
    with pytest.raises(DataError, match="names no period"):
        revenue_ties_from_xbrl(read_xbrl(instance(fact("5"))), available_at=FILED)
    named = revenue_ties_from_xbrl(facts, available_at=FILED, asset_id="nvidia")
    assert (
        named.revenue_ties["supplier_id"].to_list()
        == named.tie_disclosures["supplier_id"].to_list()
        == ["nvidia"]
    )


def test_order_of_shares_does_not_matter():
    shares = [(f"x:{name}Member", 0.1, {"start": start}) for name in "PQR" for start in (START, QUARTER)]
    base = ties_of(*shares)
    random.Random(7).shuffle(shares)
    assert_frame_equal(ties_of(*shares).revenue_ties, base.revenue_ties)


# --- segments


def segments(*facts):
    """Facts of revenue: (value, axes) and what differs from the half year."""
    contexts, tags = [], []
    for i, (value, axes, *rest) in enumerate(facts):
        more = {"start": START, "concept": "us-gaap:Revenues", **(rest[0] if rest else {})}
        contexts.append(context(f"c{i}", more["start"], END, axes))
        tags.append(number(str(value), name=written(more["concept"]), ref=f"c{i}", decimals="0"))
    return read_xbrl(inline("".join(tags), "".join(contexts)))


PRODUCT, ITEMS = "srt:ProductOrServiceAxis", "srt:ConsolidationItemsAxis"
OPERATING = {ITEMS: "us-gaap:OperatingSegmentsMember"}
MAPPED = RevenueMembers(
    filer="cik:0001045810", scope="ai", axis=PRODUCT, members=("x:AMember", "x:BMember"),
    besides=(f"{ITEMS}=us-gaap:OperatingSegmentsMember",),
)  # fmt: skip
A, B = {PRODUCT: "x:AMember"}, {PRODUCT: "x:BMember"}


@pytest.mark.parametrize(
    ("facts", "share"),
    [
        ([(100, {}), (30, A), (20, B)], 0.5),
        ([(100, {}), (30, A | OPERATING), (20, B)], 0.5),
        ([(100, {}), (30, A), (99, A | OPERATING), (20, B)], 0.5),
        ([(100, {}), (30, A), (20, B), (10, {}, {"start": QUARTER}), (9, A, {"start": QUARTER})], 0.5),
        ([(100, {}), (30, A)], None),
        ([(30, A), (20, B)], None),
        ([(100, OPERATING), (30, A), (20, B)], None),
        ([(100, {}), (30, A), (20, B, {"start": QUARTER})], None),
        ([(100, {}), (30, A | {"us-gaap:StatementBusinessSegmentsAxis": "x:ZMember"}), (20, B)], None),
        ([(40, {}), (30, A), (20, B)], None),
        ([(0, {}), (0, A), (0, B)], None),
        ([(100, {}), (30, A), (20, B, {"concept": "us-gaap:SalesRevenueNet"})], None),
    ],
)
def test_share_of_members(facts, share):
    read = ai_revenue_share_from_xbrl(segments(*facts), [MAPPED], available_at=FILED)
    assert read.ai_revenue_share["share"].to_list() == ([] if share is None else [share])
    assert read.skipped["rows"].sum() == (share is None)


def test_members_of_nobody_and_of_two_minds():
    facts = segments((100, {}), (30, A), (20, B))
    assert counts(ai_revenue_share_from_xbrl(facts, [], available_at=FILED).skipped) == {
        "no members of the filer are mapped": 1
    }
    other = RevenueMembers(filer="cik:0001045810", scope="ai", axis=PRODUCT, members=("x:AMember",))
    both = ai_revenue_share_from_xbrl(facts, [MAPPED, other], available_at=FILED)
    assert both.ai_revenue_share.is_empty()
    assert counts(both.skipped) == {"members that disagree about a scope": 2}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[filer]]\nfiler='a'", "has the keys"),
        ("[[filer]]\nfiler='a'\nscope='ai'\naxis='x'\nmembers='m'", "must be a list of texts"),
        ("[[filer]]\nfiler='a'\nscope='all'\naxis='x'\nmembers=['m']", "scope must be one of"),
        ("[[filer]]\nfiler='a'\nscope='ai'\naxis='x'\nmembers=[]", "must be named"),
        ("[[filer]]\nfiler='a'\nscope='ai'\naxis='x'\nmembers=['m']\nbesides=['b']", "pairs axis=member"),
        ("[[filers]]\n", "only tables"),
    ],
)
def test_members_are_checked(tmp_path, text, match):
    path = tmp_path / "members.toml"
    path.write_text(text)
    with pytest.raises(DefinitionError, match=match):
        read_members(path)


def test_members_that_cannot_be_read(tmp_path):
    (tmp_path / "members.toml").write_text("[[")
    for name in ("members.toml", "absent.toml"):
        with pytest.raises(DataError, match="cannot be read as TOML"):
            read_members(tmp_path / name)


def test_numbers_are_rounded_once():
    assert number_of("0.1", "num-dot-decimal", uri=TR, scale="-2") == 0.001
    assert pl.Series([number_of("1,234.567", "num-dot-decimal", uri=TR, scale="6")]).to_list() == [
        1_234_567_000.0
    ]
