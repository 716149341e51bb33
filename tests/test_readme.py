"""What the README and the examples say is what a user gets."""

import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

import kifactors as kf

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in blocks("python"):
        exec(block, namespace)
    printed = capsys.readouterr().out
    assert "NVDA" in printed
    assert (tmp_path / "ai_infrastructure_exposure.parquet").is_file()
    known = namespace["scores"].at("2024-02-21").to_polars()
    row = known.row(by_predicate=pl.col("asset_id") == "switch maker", named=True)
    assert [round(row[n], 6) for n in ("exposure", "exposure_high")] == [0.24, 0.92]
    assert namespace["scores"].at("2024-02-20").top(5)["asset_id"].to_list() == []


@pytest.mark.skipif(find_spec("typer") is None, reason="needs the extra 'cli'")
def test_first_screen_is_real_output(tmp_path):
    code = "from kifactors.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=True,
        env={"PYTHONIOENCODING": "utf-8", "PATH": ""},
    )  # fmt: skip
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    shown = blocks("text")[0].rstrip().splitlines()
    assert printed[: len(shown)] == shown


def test_first_screen_holds_the_two_commands():
    commands = blocks("bash")
    assert len(commands) == 2
    assert commands[0].strip().endswith(".venv/bin/kifactors")
    assert commands[1].strip().endswith("-m pytest -q -n auto")


def test_article_example(capsys):
    runpy.run_path(str(ROOT / "examples" / "article.py"), run_name="__main__")
    printed = capsys.readouterr().out
    amazon, microsoft, meta, alibaba = printed.split("\n\n")[:4]
    assert all(
        text in amazon for text in ("118 USD bn", "100.0 to 105.2", "131.8 USD bn", "0001018724-26-000004")
    )
    assert all(text in microsoft for text in ("80 USD bn", "64.6 USD bn"))
    assert all(text in meta for text in ("66-72 USD bn", "66.0 to 72.0 USD bn", "69.7 USD bn"))
    assert all(text in alibaba for text in ("52 USD bn", "380.0 CNY bn", "unknown"))


def test_the_explanation_is_real_output():
    (shown,) = [block for block in blocks("text") if block.startswith("ANET on ")]
    tables = kf.load_bundled()
    scores = kf.AIInfrastructureExposure().compute(tables, ["2026-10-31"])
    told = str(kf.explain(scores, tables, "ANET")).splitlines()
    lines = [line for line in shown.splitlines() if not line.endswith("...")]
    assert len(lines) > 15
    assert [line for line in told if line in lines] == lines
