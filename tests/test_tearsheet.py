"""The tear sheet: right numbers in the pictures, a page that needs nothing else, and what a real browser says of it."""

import json
import re
import shutil
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.evaluation import evaluate
from kifactors.schema import SCORES

pytest.importorskip("arch", reason="intervals need the extra evaluation")
pytest.importorskip("matplotlib", reason="pictures need the extra report")
pytest.importorskip("great_tables", reason="tables need the extra report")

PICTURES = [
    "ic", "ic_by_horizon", "ic_decay", "quantiles", "cumulative", "drawdown", "turnover", "exposed_count",
    "factor_returns", "autocorrelation", "members", "dropped",
]  # fmt: skip
HOSTILE = "<script>alert(1)</script>$x^2$&"


def world(dates=20, names=30, *, unknown=0.0, ticker=lambda k: f"T{k:02}"):
    """Evaluate seeded scores of month ends against seeded prices."""
    rng = np.random.default_rng(1)
    days = kf.month_ends("2021-01", "2023-12")[:dates]
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
    return evaluate(scores, prices=prices, draws=200)


@pytest.fixture(scope="module")
def found():
    return world()


@pytest.fixture(scope="module")
def empty():
    """Return an evaluation without a single known value, on one date."""
    return world(dates=1, unknown=1.1)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("kind", ["found", "empty", "one date"])
def test_every_picture_is_drawn_or_says_why_not(name, kind, found, empty):
    evaluation = {"found": found, "empty": empty}.get(kind) or world(dates=1)
    axes = getattr(evaluation.plot, name)()
    figure = axes.get_figure()
    figure.canvas.draw()
    if kind == "found" and name != "dropped":
        assert axes.has_data()
        assert axes.get_title(loc="left")
    if not axes.has_data():
        assert axes.texts[0].get_text().endswith(".")


def test_pictures_take_axes_and_leave_settings_alone(found):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    axes = Figure().add_subplot()
    for name in PICTURES:
        assert getattr(found.plot, name)(axes) is axes
    assert dict(mpl.rcParams) == before


def test_the_numbers_in_the_pictures_are_those_of_the_frames(found):
    axes = found.plot.ic_by_horizon()
    drawn = sorted(y for line in axes.lines[:-1] for y in line.get_ydata() if line.get_marker() == "o")
    means = found.ic_summary.filter(method="spearman")["mean"].sort().to_list()
    assert drawn == pytest.approx(means)
    bars = found.plot.quantiles().patches
    expected = found.portfolio_summary.filter(pl.col("portfolio").is_in(list("12345")))[
        "mean_of_means"
    ].to_list()
    assert sorted(bar.get_height() for bar in bars) == pytest.approx(sorted(100 * x for x in expected))
    members = found.plot.members().patches
    assert [bar.get_width() for bar in members] == pytest.approx(found.members["value"].head(25).to_list())
    line = found.plot.factor_returns().lines[0].get_ydata()
    values = found.factor_returns.filter(factor="exposure")["value"].drop_nulls()
    assert line[-1] == pytest.approx(100 * values.sum())
    grown = next(line for line in found.plot.cumulative().lines if line.get_label() == "exposed").get_ydata()
    cumulative = found.strategies.filter(portfolio="exposed", weighting="equal")["cumulative"]
    assert grown[-1] == pytest.approx(100 * cumulative[-1])
    low = next(line for line in found.plot.drawdown().lines if line.get_label() == "exposed").get_ydata()
    assert min(low) == pytest.approx(100 * found.strategies.filter(portfolio="exposed")["drawdown"].min())


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    return found.to_html(tmp_path_factory.mktemp("page") / "report.html")


def test_the_page_is_one_file_that_loads_nothing(page):
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", text)
    assert "@import" not in text
    assert "url(http" not in text
    assert "<script" not in text
    assert len(text) < 2_000_000


def test_the_page_is_well_formed_and_its_ids_are_its_own(page):
    etree = pytest.importorskip("lxml.etree")
    tree = etree.HTML(page.read_text(), etree.HTMLParser(recover=False, huge_tree=True))
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    # Every reference inside a picture is to something in it.
    used = {link.lstrip("#") for link in tree.xpath("//@*[name()='xlink:href' or name()='href']")}
    assert used <= set(ids)
    levels = [int(head.tag[1]) for head in tree.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all(svg.get("aria-label") for svg in tree.iter("svg"))


def test_the_same_evaluation_gives_the_same_bytes(found, page, tmp_path):
    assert found.to_html(tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_the_first_screen_answers(found, page):
    text = page.read_text()
    for head in ("What is it", "Who is in it", "Does it pay", "How sure", "What could be wrong"):
        assert head in text
    for limit in found.limits:
        assert limit.replace("'", "&#x27;") in text
    row = found.spread_summary.filter(horizon=21, spread="exposed", weighting="equal").row(0, named=True)
    assert f"{abs(100 * row['mean']):.1f} %" in text
    assert f"t = {row['t_hac']:.2f}" in text
    says = "cannot be told from zero" if row["low"] <= 0 <= row["high"] else "the interval excludes zero"
    assert says in text


def test_names_are_text_not_markup(tmp_path):
    evaluation = world(dates=4, ticker=lambda k: HOSTILE + str(k))
    text = evaluation.to_html(tmp_path / "hostile.html", title=HOSTILE).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_an_empty_evaluation_has_a_page_that_says_so(empty, tmp_path):
    text = empty.to_html(tmp_path / "empty.html").read_text()
    assert "It cannot be said" in text
    assert "Nobody is exposed on any date" in text
    assert "nan" not in re.sub(r"<[^>]*>", " ", text).lower().split()


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


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1400])
def test_a_browser_shows_it_without_an_error_a_request_or_a_sideways_page(browser, page, width, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert {url.split("?")[0] for url in asked if not url.startswith("data:")} <= {page.as_uri()}
    size = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert size[0] <= size[1]
    assert _least_contrast(browser) >= 4.5


def _least_contrast(browser):
    """Return the smallest contrast of any text that is shown, by the formula of WCAG 2.1."""
    pairs = browser.execute_script(
        """
        const paper = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
            if (!/rgba\\(.*, 0\\)/.test(c) && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
        return [...document.querySelectorAll('h1, h2, h3, p, li, dt, dd, td, th')].map(
            e => [getComputedStyle(e).color, paper(e)]);
        """
    )
    return min(_contrast(*map(_luminance, pair)) for pair in {tuple(pair) for pair in pairs})


def _luminance(colour):
    parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(a, b):
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


@pytest.mark.browser
def test_it_prints_on_a4(browser, page, tmp_path):
    import base64

    browser.get(page.as_uri())
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    text = base64.b64decode(printed["data"])
    boxes = {tuple(float(x) for x in box.split()) for box in re.findall(rb"/MediaBox \[([^\]]*)\]", text)}
    assert boxes
    for box in boxes:
        assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((595, 842), abs=1.5)
    assert 2 <= len(re.findall(rb"/Type /Page\b", text)) <= 12
