"""The tear sheet: right numbers in the pictures, a page that needs nothing else, and what a real browser says of it."""

import base64
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.evaluation import FRAMES, Evaluation, evaluate
from kifactors.evaluation.tearsheet._axes import GAP, _apart, date_labels
from kifactors.evaluation.tearsheet._canvas import DARK, LIGHT
from kifactors.evaluation.tearsheet._style import NIGHT, PAGE
from kifactors.evaluation.tearsheet._words import answers
from kifactors.schema import SCORES

pytest.importorskip("arch", reason="intervals need the extra evaluation")
pytest.importorskip("matplotlib", reason="pictures need the extra report")
pytest.importorskip("great_tables", reason="tables need the extra report")

PICTURES = [
    "ic", "ic_by_horizon", "ic_decay", "quantiles", "cumulative", "drawdown", "turnover", "exposed_count",
    "factor_returns", "autocorrelation", "members", "dropped",
]  # fmt: skip
HOSTILE = "<script>document.title = 'hacked'</script>$x^2$&#1b2430 id=\"a\""
# WCAG 2.1, level AA.
TEXT_CONTRAST, SHAPE_CONTRAST = 4.5, 3.0


def world(dates=20, names=30, *, unknown=0.0, ticker=lambda k: f"T{k:02}", days=None, **options):
    """Evaluate seeded scores, of month ends if no other days are given, against seeded prices."""
    rng = np.random.default_rng(1)
    days = days or kf.month_ends("2021-01", "2023-12")[:dates]
    ids = [f"a{k:02}" for k in range(names)]
    x = np.maximum(0.0, rng.normal(0.1, 0.3, (len(days), names)))
    x[rng.random(x.shape) < unknown] = np.nan
    frame = pl.DataFrame(
        {
            "date": np.repeat(np.array(days, "datetime64[D]"), names),
            "asset_id": ids * len(days),
            "ticker": [ticker(k) for k in range(names)] * len(days),
            "role": ["pioneer", "tool_supplier", "both"] * (names * len(days) // 3),
            "coverage": 0.5,
            "exposure": pl.Series(x.ravel(), nan_to_null=True),
        }
    ).with_columns(pl.col("date").cast(pl.Date))
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCORES.polars.items() if name not in frame]
    scores = kf.Scores(
        frame.with_columns(absent).select(list(SCORES.polars)), kf.FactorDefinition(), inputs={}, dates=days,
        diagnostics=pl.DataFrame({"date": days}),
    )  # fmt: skip
    sessions = [date(2021, 1, 4) + timedelta(k) for k in range(1100)]
    sessions = [day for day in sessions if day.isoweekday() < 6]
    growth = np.exp(0.02 * rng.standard_normal((len(sessions), names)).cumsum(axis=0))
    prices = pl.DataFrame(
        {
            "date": np.repeat(np.array(sessions, "datetime64[D]"), names),
            "asset_id": ids * len(sessions),
            "close": growth.ravel(),
        }
    ).with_columns(pl.col("date").cast(pl.Date))
    return evaluate(scores, prices=prices, draws=200, **options)


def bare(like):
    """Return an evaluation all of whose frames are without a row."""
    frames = {name: pl.DataFrame(schema=dict(columns)) for name, columns in FRAMES.items()}
    settings = MappingProxyType({**like.settings, "definition": None, "dates": ()})
    return Evaluation(**frames, dropped=pl.LazyFrame(), limits=(), settings=settings)


@pytest.fixture(scope="module")
def found():
    return world()


@pytest.fixture(scope="module")
def others(found):
    """Return evaluations with little in them, and one with much."""
    weekdays = [day for day in (date(2021, 1, 4) + timedelta(k) for k in range(500)) if day.isoweekday() < 6]
    return {
        "no row": bare(found),
        "no known value": world(dates=1, unknown=1.1),
        "one date": world(dates=1),
        "two names": world(names=3, unknown=0.3),
        "daily": world(names=12, days=weekdays, horizons=(1, 2, 5, 10, 21, 63, 126)),
        "long names": world(dates=6, names=60, ticker=lambda k: HOSTILE + str(k)),
    }


KINDS = ["no row", "no known value", "one date", "two names", "daily", "long names"]


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_drawn_and_named(name, found, others):
    # Where no row is dropped there is nothing to draw.
    axes = getattr((others["two names"] if name == "dropped" else found).plot, name)()
    assert axes.has_data()
    assert axes.get_title(loc="left")
    if axes.yaxis.get_visible() and len(axes.get_yticks()):
        assert axes.get_ylabel() or axes.get_xlabel()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_little_and_of_much(name, kind, others):
    axes = getattr(others[kind].plot, name)()
    axes.get_figure().draw_without_rendering()
    if not axes.has_data():
        assert axes.texts[0].get_text().endswith(".")
    if kind == "no row":
        assert not axes.has_data()


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("kind", ["found", "daily", "long names"])
def test_no_text_lies_on_another_or_is_cut_off(name, kind, found, others):
    axes = getattr((others | {"found": found})[kind].plot, name)()
    figure = axes.get_figure()
    figure.draw_without_rendering()
    texts = [axes._left_title, *axes.texts, *axes.get_xticklabels()]
    for one in figure.axes:
        texts += [one.xaxis.label, one.yaxis.label, *one.get_yticklabels()]
    if axes.get_legend():
        texts += axes.get_legend().get_texts()
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text() and t.get_visible()]
    # Labels of ticks beyond the limits are not drawn.
    whole = figure.bbox.padded(1.0)
    inside = [(text, box) for text, box in boxes if whole.contains(*box.min) and whole.contains(*box.max)]
    assert {t.get_text() for t in axes.texts if t.get_text()} <= {text for text, _ in inside}
    for (one, a), (other, b) in combinations(inside, 2):
        assert not a.padded(-1.0).overlaps(b.padded(-1.0)), (one, other)


@pytest.mark.parametrize(
    "wanted", [[0.5, 0.5, 0.5], [0.0, 0.0], [1.0, 1.0, 1.0], [0.2, 0.8], [-0.3, 1.4], []]
)
def test_labels_at_the_ends_of_lines_move_apart_in_order(wanted):
    places = _apart(wanted)
    assert all(b - a >= GAP - 1e-12 for a, b in pairwise(places))
    assert all(-1e-12 <= place <= 1.0 for place in places)


@pytest.mark.parametrize("step", [1, 7, 31, 366])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 12, 60, 200])
def test_a_few_dates_are_written_and_none_twice(n, step):
    days = [date(2020, 11, 30) + timedelta(step * k) for k in range(n)]
    labels = date_labels(days)
    assert 1 <= len(labels) <= 5
    assert len(labels) >= min(n, 2)
    assert len(set(labels.values())) == len(labels)
    assert all(days[0] <= day <= days[-1] for day in labels)
    # Each is more than a sixth of the width from its neighbour, which is as wide as it is.
    assert all(6 * (b - a) >= days[-1] - days[0] for a, b in pairwise(labels))


def test_pictures_take_axes_and_leave_settings_alone(found):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    axes = Figure().add_subplot()
    for name in PICTURES:
        assert getattr(found.plot, name)(axes) is axes
    assert dict(mpl.rcParams) == before


def test_no_window_is_known_and_nothing_is_loaded_before_it_is_asked_for():
    code = (
        "import sys, kifactors.evaluation.tearsheet; "
        "print([m for m in ('matplotlib', 'great_tables', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "pyplot" not in "".join(
        path.read_text() for path in Path(kf.__file__).parent.joinpath("evaluation/tearsheet").glob("*.py")
    )


@pytest.mark.parametrize("absent", ["matplotlib", "great_tables"])
def test_a_missing_extra_is_named(absent, found, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(kf.errors.MissingExtraError, match=r"kifactors\[report\]"):
        found.to_html(tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


# The numbers of the pictures are those of the frames.


def line_of(axes, label):
    return next(line for line in axes.lines if line.get_label() == label).get_ydata()


def test_coefficients_in_the_pictures(found):
    for name, frame in (("ic_by_horizon", found.ic_summary), ("ic_decay", found.decay)):
        axes = getattr(found.plot, name)()
        rows = frame.filter(method="spearman").drop_nulls("mean")
        drawn = sorted(y for line in axes.lines if line.get_marker() in {"o", "s"} for y in line.get_ydata())
        assert drawn == pytest.approx(rows["mean"].sort().to_list())
        ends = sorted(y for bar in axes.collections for part in bar.get_segments() for y in part[:, 1])
        sure = rows.drop_nulls(["low", "high"])
        assert ends == pytest.approx(sorted([*sure["low"], *sure["high"]]))
    each = found.ic.filter(horizon=21, names="exposed").drop_nulls("spearman").sort("date")["spearman"]
    axes = found.plot.ic()
    dots = [list(line.get_ydata()) for line in axes.lines if line.get_marker() == "s"]
    assert dots == [each.to_list()]
    assert line_of(axes, "exposed names") == pytest.approx(
        each.rolling_mean(each.len() // 2).drop_nulls().to_list()
    )


def test_portfolios_in_the_pictures(found):
    bars = found.plot.quantiles().patches
    rows = found.portfolio_summary.filter(pl.col("portfolio").is_in(list("12345")))
    assert [bar.get_height() for bar in bars] == pytest.approx(
        (100 * rows.sort("horizon", "portfolio")["mean_of_means"]).to_list()
    )
    for portfolio in ("exposed", "unexposed", "exposed spread"):
        rows = found.strategies.filter(portfolio=portfolio, weighting="equal").sort("date")
        for name, column in (("cumulative", "cumulative"), ("drawdown", "drawdown")):
            drawn = line_of(getattr(found.plot, name)(), portfolio)
            assert drawn[0] == 0.0
            assert drawn[1:] == pytest.approx((100 * rows[column]).to_list(), abs=1e-9)
    for portfolio in ("exposed", "exposed spread"):
        rows = found.strategies.filter(portfolio=portfolio, weighting="equal").sort("date")
        assert line_of(found.plot.turnover(), portfolio) == pytest.approx(
            (100 * rows["turnover"].drop_nulls()).to_list()
        )
    drawn = found.plot.factor_returns().lines[0].get_ydata()
    values = found.factor_returns.filter(factor="exposure").sort("date")["value"].drop_nulls()
    assert list(drawn) == pytest.approx([0.0, *(100 * values.cum_sum()).to_list()])


def test_names_in_the_pictures(found, others):
    axes = found.plot.members()
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(
        found.members["value"].head(25).to_list()
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == found.members["ticker"].head(
        25
    ).to_list()
    axes = found.plot.exposed_count()
    assert list(line_of(axes, "known")) == found.stability["n"].to_list()
    assert list(line_of(axes, "exposed")) == found.stability["exposed"].to_list()
    coverage = line_of(axes.get_figure().axes[1], "coverage")
    assert list(coverage) == pytest.approx((100 * found.stability["coverage"]).to_list())
    drawn = found.plot.autocorrelation().lines[0].get_ydata()
    assert list(drawn) == found.stability["rank_autocorrelation"].drop_nulls().to_list()
    counts = others["two names"].dropped_counts.filter(horizon=21).sort("rows", descending=True)
    assert [bar.get_width() for bar in others["two names"].plot.dropped().patches] == counts["rows"].to_list()


# Colours.


@pytest.mark.parametrize(("colours", "page"), [(LIGHT, PAGE), (DARK, NIGHT)])
def test_colours_are_seen_on_their_page(colours, page):
    for name, colour in colours.items():
        if name != "grid":
            assert _contrast(_luminance(_hex(colour)), _luminance(_hex(page["paper"]))) >= TEXT_CONTRAST


def _hex(colour):
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


# What the first screen says.


def said(found, **changed):
    """Return the last two answers for a spread that is changed at the main horizon."""
    here = (pl.col("horizon") == 21) & (pl.col("spread") == "exposed")
    frame = found.spread_summary.with_columns(
        pl.when(here).then(pl.lit(value, pl.Float64)).otherwise(pl.col(name)).alias(name)
        for name, value in changed.items()
    )
    return answers(dataclasses.replace(found, spread_summary=frame))[2:]


@pytest.mark.parametrize(
    ("low", "high", "mean", "p", "glance"),
    [
        (-0.01, 0.03, 0.01, 0.2, "Cannot tell from zero"),
        (0.0, 0.03, 0.01, 0.04, "Cannot tell from zero"),
        (0.01, 0.03, 0.02, 0.01, "Above zero, in this sample"),
        (-0.03, -0.01, -0.02, 0.01, "Below zero, in this sample"),
        (0.01, 0.03, 0.02, 0.3, "Interval and t disagree"),
        (0.01, 0.03, 0.02, None, "Interval and t disagree"),
        (None, None, 0.02, 0.01, "Cannot tell"),
        (None, None, None, None, "Not at all"),
    ],
)
def test_no_more_is_said_than_interval_and_test_say_together(found, low, high, mean, p, glance):
    _, sure = said(found, low=low, high=high, mean=mean, p_hac=p)
    assert sure.glance == glance


def test_the_answers_have_the_numbers(found):
    pays, sure = said(found, low=-0.0123, high=0.0456, mean=0.0167, t_hac=1.234, p_hac=0.0)
    assert pays.glance.replace("\u00a0", " ") == "+1.7 % in 21 sessions"
    assert "earned 1.7 % more than unexposed ones" in pays.text.replace("\u00a0", " ")
    text = sure.text.replace("\u00a0", " ")
    assert "The 95 % interval of that difference is \u22121.2 % to +4.6 %; t = 1.23 (Newey-West)" in text
    assert "p under 0.001" in text
    assert "asked for a t of 3" in text
    there = found.stability.filter(pl.col("exposed") > 0)["exposed"]
    assert f"{there.len()} dates with {there.min()} to {there.max()} names exposed" in text
    pays, sure = said(found, low=0.01, high=0.03, mean=-0.02, t_hac=-3.5)
    assert "less than unexposed ones" in pays.text
    assert "asked for" not in sure.text
    _, sure = said(found, t_hac=None)
    assert "t is unknown" in sure.text


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    return found.to_html(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def pages(page, others, tmp_path_factory):
    """Return the paths of all pages by what is in them."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        kind: one.to_html(
            folder / f"{kind.replace(' ', '-')}.html", title=HOSTILE if kind == "long names" else None
        )
        for kind, one in others.items()
    }
    return made | {"found": page}


@pytest.mark.parametrize("kind", ["found", *KINDS])
def test_the_page_is_one_file_that_loads_nothing(pages, kind):
    text = pages[kind].read_text()
    assert not re.findall(r"""<[^>]*\s(?:src|href|xlink:href|data|action)\s*=\s*["'](?!\#)""", text)
    assert "@import" not in text
    assert not re.findall(r"url\((?!\#)", text)
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert len(text) < 2_000_000


@pytest.mark.parametrize("kind", ["found", *KINDS])
def test_the_page_is_well_formed_and_its_ids_are_its_own(pages, kind):
    etree = pytest.importorskip("lxml.etree", reason="needs lxml")
    text = pages[kind].read_text()
    tree = etree.HTML(text, etree.HTMLParser(recover=False, huge_tree=True))
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        etree.fromstring(svg)
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    # Every reference is to something on the page.
    used = {link.lstrip("#") for link in tree.xpath("//@href")}
    used |= set(re.findall(r"url\(#([^)]+)\)", text))
    used |= {label for names in tree.xpath("//@aria-labelledby") for label in names.split()}
    assert used <= set(ids)
    levels = [int(head.tag[1]) for head in tree.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all(svg.get("aria-label") for svg in tree.iter("svg"))
    assert all(box.get("aria-label") for box in tree.xpath("//*[@role='region']"))


def test_pictures_say_their_numbers_to_those_who_cannot_see_them(pages):
    etree = pytest.importorskip("lxml.etree", reason="needs lxml")
    tree = etree.HTML(pages["found"].read_text())
    labels = [svg.get("aria-label") for svg in tree.iter("svg")]
    # No row is dropped, so that picture is a sentence.
    assert len(labels) == len(PICTURES) - 1
    for label in labels:
        assert re.search(r"\d|None", label.partition(". ")[2]), label
    assert len(tree.xpath("//figcaption")) == len(labels)


def test_what_is_unknown_is_called_so_and_nothing_is_called_nan(pages):
    for path in pages.values():
        shown = re.sub(r"<style.*?</style>|<[^>]*>", " ", path.read_text(), flags=re.DOTALL)
        assert not re.findall(r"\b(?:nan|None|null|inf)\b(?! of)", shown)
    assert "unknown" in pages["one date"].read_text()


def test_the_same_evaluation_gives_the_same_bytes(found, page, tmp_path):
    assert found.to_html(tmp_path / "again.html").read_bytes() == page.read_bytes()


@pytest.mark.slow
def test_the_same_bytes_in_another_process(tmp_path):
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['world'](dates=4).to_html(sys.argv[2])"
    made = []
    for seed in "12":
        path = tmp_path / f"{seed}.html"
        subprocess.run(
            [sys.executable, "-c", code, __file__, str(path)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        made.append(path.read_bytes())
    assert made[0] == made[1]


def test_the_first_screen_comes_first(found, page):
    text = page.read_text()
    first = text[: text.index('<section id="')]
    for head in (
        "What is the factor?",
        "Who is in it now?",
        "Does it pay?",
        "How sure?",
        "What could be wrong",
    ):
        assert head in first
    plain = re.sub(r"<[^>]*>", "", first).replace("&#x27;", "'").casefold()
    for limit in found.limits:
        # A limit that has a name has it in front, as a sentence of its own.
        assert limit.casefold() in plain or limit.replace(": ", ". ", 1).casefold() in plain


def test_names_are_text_not_markup(pages):
    etree = pytest.importorskip("lxml.etree", reason="needs lxml")
    text = pages["long names"].read_text()
    assert "<script" not in text
    tree = etree.HTML(text, etree.HTMLParser(huge_tree=True))
    assert tree.findtext(".//title") == HOSTILE
    assert tree.findtext(".//h1") == HOSTILE
    cells = ["".join(cell.itertext()) for cell in tree.iter("td")]
    assert any(cell.startswith(HOSTILE) for cell in cells)
    ticks = ["".join(label.itertext()) for label in tree.xpath("//svg//text")]
    assert any(tick == HOSTILE[:15] + "…" for tick in ticks)


def test_an_empty_evaluation_has_a_page_that_says_so(pages):
    for kind in ("no row", "no known value"):
        text = pages[kind].read_text()
        assert "It cannot be said" in text
        assert "Nobody is exposed on any date" in text
        assert "Not at all" in text
    assert "That does not mean that there is none" in pages["no row"].read_text()


def test_another_column_is_asked_about(tmp_path):
    evaluation = world(dates=3, column="coverage")
    text = evaluation.to_html(tmp_path / "report.html").read_text()
    assert "<h1>Does coverage pay?</h1>" in text


@pytest.fixture(scope="module")
def opposites():
    """Return evaluations of a score and of the same score upside down, with the same exposures."""
    rng = np.random.default_rng(8)
    days = kf.month_ends("2021-01", "2022-06")
    ids = [f"a{k:02}" for k in range(20)]
    frame = pl.DataFrame(
        {
            "date": np.repeat(np.array(days, "datetime64[D]"), 20),
            "asset_id": ids * len(days),
            "exposure": np.maximum(0.0, rng.normal(0.1, 0.3, 20 * len(days))),
            "score": rng.normal(0.0, 1.0, 20 * len(days)),
        }
    ).with_columns(pl.col("date").cast(pl.Date))
    sessions = [date(2021, 1, 4) + timedelta(k) for k in range(600)]
    growth = np.exp(0.02 * rng.standard_normal((len(sessions), 20)).cumsum(axis=0))
    prices = pl.DataFrame(
        {
            "date": np.repeat(np.array(sessions, "datetime64[D]"), 20),
            "asset_id": ids * len(sessions),
            "close": growth.ravel(),
        }
    ).with_columns(pl.col("date").cast(pl.Date))

    def of(sign):
        one = frame.with_columns(score=sign * pl.col("score"))
        absent = [pl.lit(None, kind).alias(name) for name, kind in SCORES.polars.items() if name not in one]
        scores = kf.Scores(
            one.with_columns(absent).select(list(SCORES.polars)), kf.FactorDefinition(), inputs={}, dates=days,
            diagnostics=pl.DataFrame({"date": days}),
        )  # fmt: skip
        return evaluate(scores, prices=prices, draws=100, column="score", quantiles=4)

    return of(1.0), of(-1.0)


def test_the_headline_is_of_the_column_that_was_evaluated(opposites):
    """Of a score and of its opposite the first says more where the second says less, by the same number."""
    one, two = (
        found.spread_summary.filter(horizon=21, spread="quantiles").row(0, named=True) for found in opposites
    )
    assert one["mean"] == pytest.approx(-two["mean"])
    words = [answers(found)[2:] for found in opposites]
    for found, (pays, sure) in zip((one, two), words, strict=True):
        text = pays.text.replace("\u00a0", " ")
        more = "more" if found["mean"] > 0.0 else "less"
        assert text.startswith(
            f"The highest of 4 quantiles by score earned {abs(100 * found['mean']):.1f} % {more} than"
        )
        assert "exposed" not in pays.text + sure.text
        assert "18 dates with 20 names whose score is known" in sure.text
        assert f"{found['t_hac']:.2f}".replace("-", "\u2212") in sure.text
    assert words[0][0].glance != words[1][0].glance


def test_years_and_growth_are_of_the_column_that_was_evaluated(opposites, tmp_path):
    one, two = opposites
    assert one.periods["spread_mean"].to_list() == pytest.approx((-two.periods["spread_mean"]).to_list())
    for name in ("cumulative", "drawdown", "turnover"):
        axes = getattr(one.plot, name)()
        assert axes.has_data()
        assert {text.get_text() for text in axes.texts} <= {"highest", "lowest", "spread", ""}
    rows = one.strategies.filter(portfolio="quantile spread", weighting="equal").sort("date")
    drawn = line_of(one.plot.cumulative(), "quantile spread")
    assert drawn[1:] == pytest.approx((100 * rows["cumulative"]).to_list(), abs=1e-9)
    text = one.to_html(tmp_path / "report.html").read_text()
    assert "highest less lowest quantile" in text


def test_a_page_that_cannot_be_written_leaves_nothing(found, tmp_path):
    with pytest.raises(kf.KifactorsError, match="tear sheet"):
        found.to_html(tmp_path / "absent" / "report.html")
    assert list(tmp_path.iterdir()) == []


# In a real browser.


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "hide-scrollbars",
                 "disable-background-networking", "disable-component-update", "disable-sync",
                 f"user-data-dir={tmp_path_factory.mktemp('profile')}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    # What the browser's own first page asked for is not ours.
    started.get("about:blank")
    started.get_log("performance")
    yield started
    started.quit()


def show(browser, page, width, scheme="light"):
    """Show a page on a screen of this width and return what the browser asked for."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(page.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1400])
@pytest.mark.parametrize("kind", ["found", *KINDS])
def test_a_browser_shows_it_without_an_error_a_request_or_a_sideways_page(
    browser, pages, kind, width, scheme
):
    page = pages[kind]
    asked = show(browser, page, width, scheme)
    assert browser.get_log("browser") == []
    assert {url.split("?")[0] for url in asked} == {page.as_uri()}
    assert "hacked" not in browser.title.replace(HOSTILE, "")
    size = browser.execute_script(
        "window.scrollTo(9999, 0); return [document.documentElement.scrollWidth, window.innerWidth, window.scrollX]"
    )
    assert size[0] <= size[1] == width
    assert size[2] == 0
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == _hex((PAGE if scheme == "light" else NIGHT)["paper"])
    least, where = _least_contrast(browser)
    assert least >= TEXT_CONTRAST, where


@pytest.mark.browser
def test_letters_of_pictures_are_read_on_a_phone(browser, page):
    show(browser, page, 360)
    heights = browser.execute_script(
        """
        return [...document.querySelectorAll('svg text')].map(t => parseFloat(getComputedStyle(t).fontSize)
            * t.ownerSVGElement.getBoundingClientRect().width / t.ownerSVGElement.viewBox.baseVal.width);
        """
    )
    assert min(heights) >= 8.0


@pytest.mark.browser
def test_wide_tables_move_in_their_box(browser, page):
    show(browser, page, 360)
    widths = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth, e.clientWidth, e.tabIndex])"
    )
    assert any(inner > outer for inner, outer, _ in widths)
    assert all(outer <= 360 and place == 0 for _, outer, place in widths)


def _least_contrast(browser):
    """Return the smallest contrast of any text that is shown, by the formula of WCAG 2.1, and where it is."""
    found = browser.execute_script(
        """
        const paper = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
            if (!/rgba\\(.*, 0\\)/.test(c) && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
        const direct = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        return [...document.body.querySelectorAll('*')].filter(direct).map(e => {
            const s = getComputedStyle(e);
            return [e.ownerSVGElement ? s.fill : s.color, paper(e), e.textContent.slice(0, 40)]; });
        """
    )
    assert found
    return min((_contrast(_luminance(ink), _luminance(paper)), text) for ink, paper, text in found)


def _luminance(colour):
    parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(a, b):
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["found", "no row", "daily", "long names"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_prints_on_a4(browser, pages, kind, scheme):
    show(browser, pages[kind], 1400, scheme)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    text = base64.b64decode(printed["data"])
    boxes = {tuple(float(x) for x in box.split()) for box in re.findall(rb"/MediaBox \[([^\]]*)\]", text)}
    assert boxes
    for box in boxes:
        assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((595, 842), abs=1.5)
    assert 2 <= len(re.findall(rb"/Type /Page\b", text)) <= 12
    # On paper it is light, whatever the screen is.
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert paper == _hex(PAGE["paper"])
