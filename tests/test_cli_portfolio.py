"""The commands on portfolios, as a shell sees them."""

import polars as pl
import pytest

import kifactors as kf
from tests.test_cli import one_line_error, run

pytest.importorskip("typer", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")

DAY = "2026-10-31"


@pytest.fixture(scope="module")
def scores():
    return kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-09-30", DAY])


@pytest.fixture(scope="module")
def folder(scores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("portfolio")
    kf.write_scores(scores, folder / "scores.parquet")
    frame = scores.to_polars()
    frame.select(
        "date", "asset_id", industry=pl.when(pl.col("ticker") == "NVDA").then(pl.lit("Chips")).otherwise(pl.lit("Other")),
        market_cap=pl.col("exposure").fill_null(0.01).clip(0.001) * 1e12,
    ).write_parquet(folder / "universe.parquet")  # fmt: skip
    early = frame.filter(pl.col("date") < pl.date(2026, 10, 1)).select(
        "date", "asset_id", market_cap=pl.lit(1e9)
    )
    early.write_csv(folder / "early.csv")
    last = frame.filter(pl.col("date") > pl.date(2026, 10, 1)).head(3)
    last.select("date", "asset_id", market_cap=pl.lit(1e9)).write_csv(folder / "partial.csv")
    return folder


def suppliers(scores, n):
    return scores.at(DAY).to_polars().filter(role="tool_supplier").sort("exposure", descending=True).head(n)


def test_screen_chooses_within_a_role_and_caps(folder, scores):
    run(folder, "screen", "scores.parquet", "--top", 10, "--role", "tool_supplier", "--weighting", "exposure",
        "--cap", 0.11, "--out", "weights.csv")  # fmt: skip
    found = pl.read_csv(folder / "weights.csv")
    assert found.columns == ["date", "asset_id", "ticker", "role", "exposure", "weight"]
    assert set(found["ticker"]) == set(suppliers(scores, 10)["ticker"])
    assert found["weight"].sum() == pytest.approx(1.0)
    assert found["weight"].max() == pytest.approx(0.11)
    below = found.filter(pl.col("weight") < 0.11 - 1e-12)
    ratios = below["weight"] / below["exposure"]
    assert ratios.max() == pytest.approx(ratios.min())


def test_screen_says_why_the_others_are_out(folder, scores):
    done = run(folder, "screen", "scores.parquet", "--top", 5, "--min-coverage", 0.9)
    assert done.stdout.startswith(f"5 chosen on {DAY}")
    assert "out: not coverage >= 0.9\n" in done.stderr
    out = sum(int(line.split(" out:")[0].replace(",", "")) for line in done.stderr.splitlines())
    assert out == len(scores.at(DAY)) - 5


def test_screen_by_the_universe(folder, scores):
    run(folder, "screen", "scores.parquet", "--universe", "universe.parquet", "--exclude-industry", "Chips",
        "--percentile", 90, "--weighting", "cap", "--out", "weights.parquet", "--date", "2026-09-30")  # fmt: skip
    found = pl.read_parquet(folder / "weights.parquet")
    assert found["date"].unique().to_list() == [scores.dates[0]]
    assert "NVDA" not in found["ticker"]
    known = scores.at("2026-09-30").to_polars()["exposure"].drop_nulls()
    expected = known.filter(known >= known.quantile(0.9, interpolation="linear"))
    assert found.height == len(expected) - 1
    ratios = found["weight"] / found["exposure"]
    assert ratios.max() == pytest.approx(ratios.min())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--top", 10, "--cap", 0.05),
            "10 names of at most 0.05 add to 0.5, not to 1. The smallest cap that holds is 0.1",
        ),
        (("--role", "nobody"), "no asset passes on 2026-10-31"),
        (("--top", 30, "--cap", 0.01), "The smallest cap that holds is 0.033334"),
        (("--industry", "Chips"), "there is no --universe. Give one"),
        (("--weighting", "cap"), "needs --universe"),
        (("--cap", 4), "cap is 4; expected a share"),
        (("--out", "weights.xlsx"), "neither .csv nor .parquet"),
        (("--by", "beta"), "'beta'"),
        (("--by", "market_cap"), "'market_cap'"),
        (("--by", "ticker"), "the column holds String; expected numbers"),
        (("--by", "date", "--top", 3), "the column holds Date; expected numbers"),
        (
            ("--universe", "early.csv", "--weighting", "cap"),
            "early.csv has no row on 2026-10-31; it goes from 2026-09-30",
        ),
        (("--min-coverage", 0, "--weighting", "exposure"), "have no known exposure"),
        (("--universe", "partial.csv", "--weighting", "cap"), "have no known market_cap"),
        (("--out", "scores.parquet"), "would overwrite scores.parquet"),
        (("--universe", "early.csv", "--out", "./early.csv"), "would overwrite early.csv"),
    ],
)
def test_screen_refuses(folder, arguments, said):
    assert said in one_line_error(run(folder, "screen", "scores.parquet", *arguments, code=1))


def test_a_refused_screen_still_says_why_everybody_is_out(folder, scores):
    done = run(folder, "screen", "scores.parquet", "--role", "nobody", code=1)
    assert f"{len(scores.at(DAY)):,} out: not role in ('nobody',)" in done.stderr


def test_screen_ranks_by_a_column_of_the_universe(folder, scores):
    run(folder, "screen", "scores.parquet", "--universe", "universe.parquet", "--by", "market_cap", "--top", 3,
        "--min-exposure", 0, "--out", "by_cap.csv")  # fmt: skip
    found = pl.read_csv(folder / "by_cap.csv")
    known = scores.at(DAY).to_polars().filter(pl.col("exposure").is_not_null())
    assert set(found["asset_id"]) == set(known.sort("exposure", descending=True)["asset_id"].head(3))


def test_a_portfolio_with_unknown_exposures_shows_what_is_certain(folder):
    done = run(folder, "screen", "scores.parquet", "--min-coverage", 0)
    assert ">= 0.0" in next(line for line in done.stdout.splitlines() if "portfolio" in line)
    assert "unknown" in done.stdout


def test_a_refused_screen_writes_nothing(folder):
    run(folder, "screen", "scores.parquet", "--top", 10, "--cap", 0.05, "--out", "never.csv", code=1)
    assert not (folder / "never.csv").exists()


def test_exposure_of_what_a_screen_wrote(folder, scores):
    run(folder, "screen", "scores.parquet", "--top", 4, "--role", "tool_supplier", "--out", "four.csv")
    done = run(folder, "exposure", "scores.parquet", "--weights", "four.csv", "--out", "by_name.csv")
    mean = suppliers(scores, 4)["exposure"].mean()
    assert f"{DAY}  {DAY}     {mean:.3f}" in done.stdout
    found = pl.read_csv(folder / "by_name.csv")
    assert found["contribution"].sum() == pytest.approx(mean)


@pytest.mark.parametrize("out", ["scores.parquet", "own.csv", "other.csv"])
def test_exposure_never_overwrites_what_it_reads(folder, out):
    for name in ("own.csv", "other.csv"):
        (folder / name).write_text("ticker,weight\nNVDA,1.0\n")
    before = (folder / out).read_bytes()
    done = run(folder, "exposure", "scores.parquet", "--weights", "own.csv", "--benchmark", "other.csv", "--out", out,
               code=1)  # fmt: skip
    assert f"would overwrite {out}" in one_line_error(done)
    assert (folder / out).read_bytes() == before


def test_exposure_against_a_benchmark(folder):
    pl.DataFrame({"ticker": ["NVDA", "META"], "weight": [0.5, 0.5]}).write_csv(folder / "held.csv")
    pl.DataFrame({"ticker": ["NVDA", "META", "MSFT"], "weight": [0.2, 0.3, 0.5]}).write_csv(
        folder / "base.csv"
    )
    done = run(folder, "exposure", "scores.parquet", "--weights", "held.csv", "--benchmark", "base.csv")
    assert "benchmark  active" in done.stdout
    assert "pioneer" in done.stdout
    assert "tool_supplier" in done.stdout


def test_exposure_names_who_is_unknown(folder):
    pl.DataFrame({"ticker": ["NVDA", "NOBODY"], "weight": [0.5, 0.5]}).write_csv(folder / "odd.csv")
    error = one_line_error(run(folder, "exposure", "scores.parquet", "--weights", "odd.csv", code=1))
    assert "no known exposure" in error
    assert "NOBODY" in error
    done = run(folder, "exposure", "scores.parquet", "--weights", "odd.csv", "--missing", "exclude")
    assert "unknown %" in done.stdout
    assert "50.0" in done.stdout


def test_exposure_needs_names_and_weights(folder):
    pl.DataFrame({"name": ["NVDA"], "weight": [1.0]}).write_csv(folder / "wrong.csv")
    error = one_line_error(run(folder, "exposure", "scores.parquet", "--weights", "wrong.csv", code=1))
    assert "expected ticker (or asset_id) and weight" in error
    error = one_line_error(run(folder, "exposure", "scores.parquet", "--weights", "absent.csv", code=1))
    assert "absent.csv" in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "ticker,weight\nNVDA,60%\nMSFT,40%\n",
            "bad.csv: column 'weight' expects a number like 0.6 for 60 %",
        ),
        ('ticker,weight\nNVDA,"0,6"\n', "expects a number like 0.6 for 60 %"),
        ('ticker,weight\nNVDA,"1,000"\n', "expects a number"),
        ("ticker,weight\nNVDA,abc\n", "row 0: 'abc'"),
        ("date,ticker,weight\n20261031,NVDA,1\n", "expects a date like 2024-01-31"),
        ("date,ticker,weight\n31.10.2026,NVDA,1\n", "expects a date like 2024-01-31"),
        ("date,ticker,weight\n,NVDA,1\n", "column 'date' must not be null"),
        ("ticker,weight\n,1\n", "column 'asset' must not be null"),
        ("ticker;weight\nNVDA;1\n", "with commas between them"),
        ("ticker,weight,weight\nNVDA,1,1\n", "names column 'weight' twice"),
        ("ticker,weight\nNVDA,60\nMSFT,40\n", "add to 100. Expected fractions: 0.6 for 60 %"),
        ("ticker,weight\n", "bad.csv has no rows"),
        ("ticker,weight\nNVDA,1\nNVDA,1\n", "bad.csv"),
        ("ticker,weight\nNVDA,1\nNOBODY,1\n", "--missing exclude"),
    ],
)
def test_a_bad_file_of_weights_is_one_message(folder, text, said):
    (folder / "bad.csv").write_text(text)
    assert said in one_line_error(run(folder, "exposure", "scores.parquet", "--weights", "bad.csv", code=1))


def test_names_stay_text_and_an_asset_without_a_ticker_goes_by_its_id(scores, tmp_path):
    frame = scores.to_polars().filter(pl.col("exposure").is_not_null())
    first, second, third = frame.filter(date=scores.dates[-1])["asset_id"].head(3)
    renamed = frame.with_columns(
        ticker=pl.col("asset_id").replace_strict(
            {first: "000660", second: "TRUE"}, default=None, return_dtype=pl.String
        )
    )
    changed = kf.Scores(
        renamed, scores.definition, inputs=scores.inputs, dates=scores.dates, diagnostics=scores.diagnostics
    )
    kf.write_scores(changed, tmp_path / "s.parquet")
    (tmp_path / "w.csv").write_text("ticker,weight\n000660,0.5\nTRUE,0.5\n")
    assert "000660" in run(tmp_path, "exposure", "s.parquet", "--weights", "w.csv").stdout
    run(tmp_path, "screen", "s.parquet", "--out", "chosen.csv")
    assert pl.read_csv(tmp_path / "chosen.csv", infer_schema=False)["ticker"].null_count() > 0
    done = run(tmp_path, "exposure", "s.parquet", "--weights", "chosen.csv", "--top", 400)
    assert third in done.stdout


def test_no_number_is_cut_and_the_unknown_of_a_benchmark_is_shown(folder, scores):
    unknown = (
        scores.at(DAY)
        .to_polars()
        .filter(pl.col("exposure").is_null() & pl.col("ticker").is_not_null())["ticker"][0]
    )
    (folder / "held.csv").write_text("ticker,weight\nNVDA,1\n")
    (folder / "base.csv").write_text(f"ticker,weight\n{unknown},0.9\nORCL,0.1\n")
    done = run(folder, "exposure", "scores.parquet", "--weights", "held.csv", "--benchmark", "base.csv",
               "--missing", "exclude", columns=80)  # fmt: skip
    assert DAY in done.stdout
    assert "…" not in done.stdout
    assert "of benchmark %" in done.stdout
    assert " 90.0" in done.stdout
