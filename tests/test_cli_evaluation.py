"""The command evaluate, as a shell sees it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from tests.test_cli import one_line_error, run

pytest.importorskip("typer", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")
pytest.importorskip("arch", reason="intervals need the extra evaluation")

REAL = Path(__file__).parents[2] / "shared" / "data" / "prices.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scores of two years and simulated closes of those assets."""
    folder = tmp_path_factory.mktemp("evaluation")
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2024-01", "2025-12"))
    kf.write_scores(scores, folder / "scores.parquet")
    assets = scores.to_polars().filter(pl.col("exposure").is_not_null())["asset_id"].unique().sort()
    days = [day for day in kf.calendar.days("2024-01-02", "2026-03-31") if day.isoweekday() < 6]
    noise = np.random.default_rng(0).normal(0.0, 0.02, (len(days), len(assets)))
    prices = pl.DataFrame(
        {
            "date": np.repeat(np.array(days, "datetime64[D]"), len(assets)),
            "asset_id": assets.to_list() * len(days),
            "close": np.exp(noise.cumsum(axis=0)).ravel(),
        }
    ).with_columns(pl.col("date").cast(pl.Date))
    prices.write_parquet(folder / "prices.parquet")
    prices.write_csv(folder / "prices.csv")
    return folder


@pytest.mark.slow
def test_it_prints_figures_and_limits_and_writes_a_page(folder):
    pytest.importorskip("great_tables", reason="tables need the extra report")
    done = run(folder, "evaluate", "scores.parquet", "--prices", "prices.parquet", "--no-dividends", "--horizon", 5,
               "--horizon", 21, "--draws", 100, "--out", "report.html")  # fmt: skip
    assert done.stdout.startswith("exposure against returns, scores of 2024-01-31 to 2025-12-31")
    assert "rank IC, 21 sessions" in done.stdout
    assert "What could be wrong:" in done.stdout
    assert "Returns lack dividends" in done.stdout
    assert "tear sheet written to report.html" in done.stderr
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.slow
def test_a_csv_says_the_same(folder):
    options = ("--horizon", 5, "--draws", 0)
    one, two = (
        run(folder, "evaluate", "scores.parquet", "--prices", name, *options)
        for name in ("prices.parquet", "prices.csv")
    )
    assert one.stdout == two.stdout


@pytest.mark.slow
def test_coefficients_of_groups_are_shown_on_the_terminal_and_on_the_page(folder):
    pytest.importorskip("great_tables", reason="tables need the extra report")
    options = (
        "evaluate",
        "scores.parquet",
        "--prices",
        "prices.parquet",
        "--draws",
        0,
        "--out",
        "groups.html",
    )
    without = run(folder, *options)
    assert "within each" not in without.stdout + (folder / "groups.html").read_text()
    done = run(folder, *options, "--by", "role")
    _, _, table = done.stdout.partition("rank IC within each role, 21 sessions")
    rows = {
        line.split()[0]: line.split()
        for line in table.partition("What could be wrong")[0].splitlines()
        if line.strip()
    }
    found = kf.evaluate(
        kf.read_scores(folder / "scores.parquet"), prices=folder / "prices.parquet", by="role", draws=0
    ).ic_by_group.filter(names="universe", method="spearman", horizon=21)
    assert found.height > 1
    for row in found.iter_rows(named=True):
        shown = rows[row["group"]]
        assert shown[1] == ("unknown" if row["mean"] is None else f"{row['mean']:+.3f}")
        assert shown[-2:] == [str(row["dates"]), f"{row['names_median']:,.0f}"]
    page = (folder / "groups.html").read_text()
    assert "Rank IC within each role, 21 sessions" in page
    assert all(f">{row}<" in page for row in found["group"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either prices= or returns="),
        (("--prices", "absent.parquet"), "there is no file"),
        (("--prices", "prices.parquet", "--out", "report.pdf"), "does not end in .html"),
        (("--returns", "prices.parquet"), "no column return"),
        (("--prices", "prices.parquet", "--column", "beta"), "'beta'"),
    ],
)
def test_it_refuses_in_one_line(folder, arguments, said):
    assert said in one_line_error(run(folder, "evaluate", "scores.parquet", *arguments, code=1))


@pytest.mark.skipif(not REAL.is_file(), reason="needs the shared prices")
def test_real_prices_run_and_their_limits_are_said(tmp_path):
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2022-01", "2024-02"))
    kf.write_scores(scores, tmp_path / "scores.parquet")
    done = run(tmp_path, "evaluate", "scores.parquet", "--prices", REAL, "--no-dividends", "--survivors-only")
    for limit in (
        "Few names: 2 to 8",
        "Short history",
        "Survivors only",
        "Returns lack dividends",
        "No market caps",
    ):
        assert limit in done.stdout
