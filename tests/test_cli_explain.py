"""The commands explain and coverage, as a shell sees them."""

import io
import json

import polars as pl
import pytest

import kifactors as kf
from tests.test_cli import one_line_error, run

pytest.importorskip("typer", reason="the command line needs the extra cli")

LAST = "2026-10-31"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scores of the bundled tables at four month ends, and the tables in a folder named data."""
    path = tmp_path_factory.mktemp("explain")
    tables = kf.load_bundled()
    dates = ["2025-03-31", "2026-06-30", "2026-07-31", LAST]
    kf.write_scores(kf.AIInfrastructureExposure().compute(tables, dates), path / "scores.parquet")
    (path / "data").mkdir()
    for name, frame in tables:
        frame.write_parquet(path / "data" / f"{name}.parquet")
    return path


def test_a_tree_of_the_last_date_from_the_bundled_tables(folder):
    told = run(folder, "explain", "scores.parquet", "ANET").stdout
    tables = kf.load_bundled()
    assert told == f"{kf.explain(kf.read_scores(folder / 'scores.parquet'), tables, 'ANET')}\n"
    assert "ANET -> MSFT 0.2600: 26.0% of the revenue of ANET, period to 2025-12-31" in told
    same = run(folder, "explain", "scores.parquet", "anet", "--data", "data", "--date", LAST).stdout
    assert same == told


def test_a_terminal_gets_the_same_in_colours(folder):
    drawn = run(folder, "explain", "scores.parquet", "ANET", columns=100).stdout
    assert "\x1b[" in drawn
    assert "├── " in drawn
    assert "ANET -> MSFT" in drawn


def test_json_for_machines(folder):
    done = run(folder, "explain", "scores.parquet", "CORZ", "--json")
    found = json.loads(done.stdout)
    assert (found["ticker"], found["date"]) == ("CORZ", LAST)
    assert found["tree"]["children"][0]["value"] == pytest.approx(0.205)


def test_what_changed(folder):
    done = run(folder, "explain", "scores.parquet", "CRWV", "--since", "2026-06-30", "--date", "2026-07-31")
    assert "ties CRWV [+0.0335]: MSFT 62.0% -> 67.0%" in done.stdout
    found = run(folder, "explain", "scores.parquet", "CRWV", "--since", "2025-03-31", "--json").stdout
    assert json.loads(found)["end"] == LAST


def test_refusals(folder):
    assert "Near names: NVDA" in one_line_error(run(folder, "explain", "scores.parquet", "NVDIA", code=1))
    late = run(folder, "explain", "scores.parquet", "NVDA", "--date", "2027-01-31", code=1)
    assert f"nearest computed date is {LAST}" in one_line_error(late)
    run(folder, "explain", "scores.parquet", "NVDA", "--date", "soon", code=2)


def test_other_tables_than_those_of_the_scores_are_refused(folder, tmp_path):
    for name, frame in kf.load_bundled():
        theta = frame.with_columns(share=pl.lit(0.4)) if name == "ai_capex_share" else frame
        theta.write_parquet(tmp_path / f"{name}.parquet")
    done = run(folder, "explain", "scores.parquet", "NVDA", "--data", tmp_path, code=1)
    assert "these tables do not give the scores of 2026-10-31: column 'exposure'" in one_line_error(done)


def test_coverage(folder):
    shown = run(folder, "coverage", "--from", "2026-09-30").stdout
    assert "What is disclosed, in % of assets" in shown
    assert "2026-10-31" in shown
    written = run(folder, "coverage", "--data", "data", "--from", "2026-09-30", "--csv").stdout
    table = pl.read_csv(io.StringIO(written), try_parse_dates=True)
    wanted = kf.coverage_report(kf.load_bundled(), kf.month_ends("2026-09", "2026-10")).table
    assert table["width_mean"].to_list() == pytest.approx(wanted["width_mean"].to_list())
    assert table["date"].to_list() == wanted["date"].to_list()


def test_coverage_by_what_the_universe_lacks(folder):
    done = run(folder, "coverage", "--by", "size", code=1)
    assert "needs a universe with the column 'market_cap'" in one_line_error(done)
