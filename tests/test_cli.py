"""The command line, as a shell sees it: output, exit codes, files."""

import io
import os
import subprocess
import sys
from datetime import date, timedelta

import polars as pl
import pytest

import kifactors as kf

pytest.importorskip("typer", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")

START = "from kifactors.cli import main; main()"
# What a terminal or a build server may set, and what would change the output.
DROPPED = (
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "CLICOLOR_FORCE",
    "GITHUB_ACTIONS",
)


def run(folder, *arguments, code=0, start=START, columns=None):
    """Run the command line in a folder, on a terminal of some columns if given, and check its exit code."""
    environment = {name: value for name, value in os.environ.items() if name not in DROPPED}
    done = subprocess.run(
        [sys.executable, "-c", start, *map(str, arguments)],
        cwd=folder,
        env={
            **environment,
            "PYTHONUTF8": "1",
            **({} if columns is None else {"COLUMNS": str(columns), "FORCE_COLOR": "1"}),
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def one_line_error(done):
    """Return the error a user sees: one message, no traceback, nothing on the standard output."""
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("kifactors: ")
    return done.stderr


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two tables: the AI revenue of three companies, in CSV and Parquet."""
    data = tmp_path / "tables"
    data.mkdir()
    ends, filed = [date(2023, 9, 30)] * 3, [date(2023, 11, 1)] * 3
    shares = {"asset_id": ["a", "name:[bold] b", "[/c]"], "share": [0.5, 0.25, 0.125], "scope": ["ai"] * 3}
    pl.DataFrame({**shares, "period_end": ends, "available_at": filed}).write_csv(
        data / "ai_revenue_share.csv"
    )
    pl.DataFrame({"asset_id": ["a"], "ticker": ["AAA"], "name": ["A Inc"]}).write_parquet(
        data / "assets.parquet"
    )
    (data / "notes.txt").write_text("left alone")
    return data


@pytest.fixture
def bad_folder(folder):
    path = folder / "ai_revenue_share.csv"
    path.write_text(path.read_text().replace("0.25", "25"))
    return folder


# Demonstration --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstration")
    return folder, run(folder)


def test_the_demonstration_shows_a_ranking_and_writes_the_scores(demonstration):
    folder, done = demonstration
    file = folder / "ai_infrastructure_exposure.parquet"
    scores = kf.read_scores(file)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"AI infrastructure exposure, {scores.dates[-1]}")
    shown = [line.split() for line in lines if line.split()[:1] and line.split()[0].isdigit()][:25]
    best = scores.at(scores.dates[-1]).top(25)
    assert [row[1] for row in shown] == best["ticker"].to_list()
    assert [float(row[2]) for row in shown] == [round(e, 3) for e in best["exposure"].to_list()]
    assert "unknown, not 0" in done.stdout
    assert f"{len(scores):,} scores on {len(scores.dates)} dates written to {file.name}" in done.stdout
    assert [path.name for path in folder.iterdir()] == [file.name]


def test_the_demonstration_shows_the_companies_of_the_article(demonstration):
    history = demonstration[1].stdout.split("Exposure of the article's companies")[1]
    rows = {line.split()[0]: line.split()[1:] for line in history.splitlines() if line.split()}
    assert {"MSFT", "AMZN", "META", "NVDA"} <= set(rows)
    assert rows["MSFT"][0] == "unknown", "nothing tells the AI share of capex in 2022"
    assert float(rows["MSFT"][-1]) > 0


def test_a_pipe_gets_no_progress_bar_and_no_escape_codes(demonstration):
    done = demonstration[1]
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


# score ----------------------------------------------------------------------------------------------------


def month_ends(year, *months):
    return [date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1) for month in months]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--from", "2023-12-31", "--to", "2024-03-30"], [*month_ends(2023, 12), *month_ends(2024, 1, 2)]),
        (["--from", "2024-01-01", "--to", "2024-01-31", "--every", "week"], [date(2024, 1, d) for d in (5, 12, 19, 26)]),
        (["--from", "2024-02-28", "--to", "2024-03-01", "--every", "day"], [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]),
        (["--from", "2024-01-12", "--to", "2024-01-16", "--every", "session"], [date(2024, 1, 12), date(2024, 1, 16)]),
        (["--from", "2023-09-01"], month_ends(2023, 9, 10, 11)),
    ],
    ids=["month", "week", "day", "session", "to-the-last-report"],
)  # fmt: skip
def test_a_folder_is_scored_on_the_dates_asked_for(tmp_path, folder, options, expected):
    if "session" in options:
        pytest.importorskip("exchange_calendars", reason="sessions need the extra calendar")
    done = run(tmp_path, "score", "--data", folder, "--out", "scores.parquet", *options)
    scores = kf.read_scores(tmp_path / "scores.parquet")
    assert list(scores.dates) == expected
    assert f"on {len(expected)} dates" in done.stderr
    assert "scores.parquet" in done.stderr
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    known = scores.to_polars().filter(pl.col("asset_id") == "a")
    assert set(known["exposure"].round(12)) <= {0.5}
    assert set(known["ticker"]) <= {"AAA"}
    assert known["date"].to_list() == [day for day in expected if day > date(2023, 11, 1)]


@pytest.mark.slow
def test_an_engine_gives_the_same_file(tmp_path, folder):
    for name in ("threads", "processes"):
        run(
            tmp_path,
            "score",
            "--data",
            folder,
            "--out",
            f"{name}.parquet",
            "--from",
            "2023-01-31",
            "--engine",
            name,
        )
    assert (tmp_path / "threads.parquet").read_bytes() == (tmp_path / "processes.parquet").read_bytes()


def test_an_unknown_engine_is_named(tmp_path, folder):
    done = run(
        tmp_path,
        "score",
        "--data",
        folder,
        "--out",
        "s.parquet",
        "--from",
        "2023-01-31",
        "--engine",
        "ray",
        code=1,
    )
    assert "engine is 'ray'; expected" in done.stderr


def test_the_bundled_data_is_scored(tmp_path):
    run(tmp_path, "score", "--out", "scores.parquet", "--from", "2024-06-01", "--to", "2024-06-30")
    got = kf.read_scores(tmp_path / "scores.parquet")
    expected = kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2024-06-30"])
    assert got.to_polars().equals(expected.to_polars())
    assert got.inputs == expected.inputs


def test_a_definition_is_used_and_kept(tmp_path, folder):
    (tmp_path / "half.toml").write_text("[supplier_ties]\nscope_weight_ai = 0.5\n")
    options = ["--from", "2024-01-31", "--to", "2024-01-31", "--definition", "half.toml"]
    run(tmp_path, "score", "--data", folder, "--out", "scores.parquet", *options)
    scores = kf.read_scores(tmp_path / "scores.parquet")
    assert scores.definition == kf.FactorDefinition.read(tmp_path / "half.toml")
    assert sorted(scores.to_polars()["exposure"].round(12)) == [0.0625, 0.125, 0.25]


def test_the_dates_of_a_universe_are_the_default(tmp_path, folder):
    days = [date(2023, 12, 15), date(2024, 1, 15), date(2024, 2, 15)]
    pl.DataFrame({"date": days, "asset_id": ["a"] * 3}).write_csv(folder / "universe.csv")
    run(tmp_path, "score", "--data", folder, "--out", "scores.parquet", "--from", "2024-01-01")
    scores = kf.read_scores(tmp_path / "scores.parquet")
    assert list(scores.dates) == days[1:]
    assert scores.to_polars()["asset_id"].unique().to_list() == ["a"]


def test_a_file_name_is_shown_as_it_is(tmp_path, folder):
    done = run(
        tmp_path,
        "score",
        "--data",
        folder,
        "--out",
        "scores[a].parquet",
        "--from",
        "2024-01-31",
        "--to",
        "2024-01-31",
    )
    assert (tmp_path / "scores[a].parquet").is_file()
    assert "scores[a].parquet" in done.stderr


# Errors ---------------------------------------------------------------------------------------------------


def test_bad_data_is_one_message_and_no_file(tmp_path, bad_folder):
    (tmp_path / "scores.parquet").write_bytes(b"what was there before")
    options = ["score", "--data", bad_folder, "--out", "scores.parquet", "--from", "2024-01-31"]
    message = one_line_error(run(tmp_path, *options, code=1))
    for part in (
        "ai_revenue_share: column 'share'",
        "row 1 (asset_id='name:[bold] b'",
        "share=25.0",
        "divide percentages",
    ):
        assert part in message
    assert (tmp_path / "scores.parquet").read_bytes() == b"what was there before"


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path, bad_folder):
    done = run(
        tmp_path,
        "score",
        "--data",
        bad_folder,
        "--out",
        "scores.parquet",
        "--from",
        "2024-01-31",
        "--debug",
        code=1,
    )
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "kifactors.errors.DataError: ai_revenue_share: column 'share'"
    )
    assert not (tmp_path / "scores.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--definition", "typo.toml"], "typo.toml: [supplier_ties] has no key 'detla'; it has delta"),
        (["--data", "nowhere"], "there is no folder nowhere"),
        (["--out", "nowhere/scores.parquet"], "cannot be written to nowhere"),
        (["--out", "."], "cannot be written to"),
    ],
    ids=["definition", "folder", "out", "out-is-a-folder"],
)
def test_what_cannot_be_read_or_written_is_one_message(tmp_path, folder, arguments, part):
    (tmp_path / "typo.toml").write_text("[supplier_ties]\ndetla = 0.5\n")
    before = sorted(tmp_path.iterdir())
    options = [
        "score",
        "--data",
        folder,
        "--out",
        "scores.parquet",
        "--from",
        "2024-01-31",
        "--to",
        "2024-01-31",
    ]
    assert part in one_line_error(run(tmp_path, *options, *arguments, code=1))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["scroe"], "No such command"),
        (["score", "--out", "x.parquet", "--from", "2024-13-01"], "'2024-13-01' is not a date"),
        (["score", "--out", "x.parquet", "--from", "2024-01-31", "--every", "year"], "'week'"),
    ],
    ids=["command", "date", "every"],
)
def test_wrong_usage_exits_with_2(tmp_path, arguments, part):
    done = run(tmp_path, *arguments, code=2)
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_its_libraries_it_names_the_extra(tmp_path):
    done = run(tmp_path, start=f"import sys; sys.modules['typer'] = None; {START}", code=1)
    assert done.stderr == "the command line needs typer: pip install 'kifactors[cli]'\n"


# show -----------------------------------------------------------------------------------------------------


@pytest.fixture
def scored(tmp_path, folder):
    scores = kf.AIInfrastructureExposure().compute(kf.read_tables(folder), ["2024-01-31", "2024-02-29"])
    return kf.write_scores(scores, tmp_path / "scores.parquet")


def test_show_ranks_the_last_date(scored):
    done = run(scored.parent, "show", scored, "--top", "2")
    lines = done.stdout.splitlines()
    assert "2024-02-29" in lines[0]
    assert [line.split()[:3] for line in lines if line.split()[:1] in (["1"], ["2"], ["3"])] == [
        ["1", "AAA", "0.500"],
        ["2", "name:[bold]", "b"],
    ]


def test_show_writes_ids_with_brackets_as_they_are(scored):
    assert " [/c] " in run(scored.parent, "show", scored).stdout


def test_show_writes_csv_that_reads_back(scored):
    done = run(scored.parent, "show", scored, "--csv", "--date", "2024-01-31")
    got = pl.read_csv(io.StringIO(done.stdout), schema=kf.schema.SCORES.polars)
    expected = kf.read_scores(scored).at("2024-01-31").top(25)
    assert got.equals(expected)
    assert got.height == 3


def test_show_as_csv_has_every_row_and_the_unknown_last(tmp_path):
    """A file of more than the 25 rows that a screen shows, one of them of a company nobody knows."""
    ids = [f"a{n:02d}" for n in range(30)]
    shares = {"asset_id": ids, "share": [n / 100 for n in range(30)], "scope": ["ai"] * 30,
              "period_end": [date(2023, 9, 30)] * 30, "available_at": [date(2023, 11, 1)] * 30}  # fmt: skip
    theta = {
        "asset_id": ["unknown"],
        "share": [0.5],
        "available_at": [date(2023, 1, 1)],
        "provenance": ["assumed"],
    }
    tables = kf.Tables(ai_revenue_share=shares, ai_capex_share=theta)
    path = kf.write_scores(
        kf.AIInfrastructureExposure().compute(tables, ["2024-01-31"]), tmp_path / "scores.parquet"
    )
    done = run(tmp_path, "show", path, "--csv")
    got = pl.read_csv(io.StringIO(done.stdout), schema=kf.schema.SCORES.polars)
    assert got["asset_id"].to_list() == [*reversed(ids), "unknown"]
    assert len(run(tmp_path, "show", path, "--csv", "--top", "4").stdout.splitlines()) == 5
    assert "1 of 31 assets have no known exposure on 2024-01-31" in run(tmp_path, "show", path).stderr


def test_show_refuses_a_date_that_was_not_computed(scored):
    message = one_line_error(run(scored.parent, "show", scored, "--date", "2024-02-01", code=1))
    assert "no scores for 2024-02-01; the nearest computed date is 2024-01-31" in message


def test_show_refuses_a_damaged_file(scored):
    scored.write_bytes(scored.read_bytes()[:-100])
    assert "scores.parquet cannot be read" in one_line_error(run(scored.parent, "show", scored, code=1))


# definition, validate, version ----------------------------------------------------------------------------


def test_the_definition_reads_back_as_the_default(tmp_path):
    assert kf.FactorDefinition.from_toml(run(tmp_path, "definition").stdout) == kf.FactorDefinition()


def test_a_good_folder_is_valid(tmp_path, folder):
    done = run(tmp_path, "validate", folder)
    assert done.stdout.splitlines() == [
        "ai_revenue_share.csv: 3 rows, valid",
        "assets.parquet: 1 rows, valid",
    ]


def test_a_bad_folder_is_told_table_by_table(tmp_path, bad_folder):
    done = run(tmp_path, "validate", bad_folder, code=1)
    for part in (
        "ai_revenue_share.csv: not valid",
        "column 'share' must be in [0, 1]",
        "row 1 (asset_id='name:[bold] b'",
    ):
        assert part in done.stdout
    assert "assets.parquet: 1 rows, valid" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_folder_without_tables_is_told(tmp_path):
    message = one_line_error(run(tmp_path, "validate", tmp_path, code=1))
    assert "holds no input table" in message
    assert "fundamentals.parquet" in message


def test_a_table_in_two_files_is_told(tmp_path, folder):
    (folder / "assets.csv").write_text("asset_id\na\n")
    message = one_line_error(run(tmp_path, "validate", folder, code=1))
    assert "assets comes in 2 files: assets.csv, assets.parquet. Keep one" in message


def test_the_version_is_the_library_s(tmp_path):
    assert run(tmp_path, "--version").stdout == f"{kf.__version__}\n"
