"""The commands scenario, network and sensitivity, as a shell sees them."""

import io

import polars as pl
import pytest

import kifactors as kf
from tests.test_cli import one_line_error, run

pytest.importorskip("typer", reason="the command line needs the extra cli")
pytest.importorskip("deltalake", reason="the commands of stores come before")


def test_scenario_shows_the_worst_hit(tmp_path):
    cut = ("scenario", "--shock", "MSFT=-0.3", "--shock", "META=-0.3", "--date", "2026-10-31")
    done = run(tmp_path, *cut)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[1] for line in lines if line and line[0] in {"1", "2", "3"}] == ["CRWV", "ANET", "AAOI"]
    assert "see no change" in done.stderr
    frame = pl.read_csv(io.StringIO(run(tmp_path, *cut, "--csv").stdout))
    expected = (
        kf.scenario(kf.load_bundled(), date="2026-10-31").shock({"MSFT": -0.3, "META": -0.3}).to_polars()
    )
    assert frame["ai_revenue_change"].to_list() == pytest.approx(
        expected["ai_revenue_change"].to_list(), nan_ok=True
    )


def test_scenario_on_a_folder_with_ties_that_end(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name, frame in kf.load_bundled():
        frame.write_parquet(data / f"{name}.parquet")
    options = ("--data", data, "--date", "2026-10-31", "--disclosed", "floor")
    done = run(tmp_path, "scenario", *options, "--lost-tie", "CRWV=MSFT")
    assert "CRWV" in done.stdout
    # Arista's disclosed share stays where it is a floor.
    quiet = run(tmp_path, "scenario", *options, "--lost-tie", "ANET=MSFT")
    assert quiet.stdout.startswith("Nobody whose customers are known")


@pytest.mark.parametrize(
    ("name", "start"), [("net.svg", b"<?xml"), ("net.png", b"\x89PNG"), ("net.graphml", b"<?xml")]
)
def test_network_writes_what_the_name_ends_in(tmp_path, name, start):
    pytest.importorskip("matplotlib")
    done = run(tmp_path, "network", "ANET", "--out", name, "--date", "2026-10-31")
    assert "ANET sells to MSFT: 26 % of revenue, known 2026-07-02" in done.stdout
    assert (tmp_path / name).read_bytes().startswith(start)


def test_sensitivity_says_what_decides(tmp_path):
    done = run(tmp_path, "sensitivity", "--from", "2026-10-31", "--top", "10")
    assert "are decided by weights" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("scenario", "--shock", "MFST=-0.3"), 1, "MSFT"),
        (("scenario", "--shock", "MSFT=-0.3", "--date", "1900-01-01"), 1, "nothing is known on 1900-01-01"),
        (("network", "ANET", "--out", "net.pdf"), 1, "ends in none of .svg"),
        (("network", "ORCL", "--out", "net.svg"), 1, "has no tie"),
    ],
)
def test_errors_are_one_line(tmp_path, arguments, code, says):
    assert says in one_line_error(run(tmp_path, *arguments, code=code))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shock", ["MSFT", "MSFT=much"])
def test_wrong_usage_has_code_2(tmp_path, shock):
    run(tmp_path, "scenario", "--shock", shock, code=2)
