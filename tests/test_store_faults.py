"""A store of scores when things go wrong: killed writers, rivals, full disks, damaged files, readers in between."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path

import deltalake
import numpy as np
import pyarrow.parquet as pq
import pytest

import kifactors as kf
from kifactors.definition import SupplierTies
from kifactors.errors import DataError
from tests.stores import Child, content, data_files, made, world

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the writers of these tests fork")

REASON = "filing corrected"
NOTHING = ([], [])


def saved(scores, path):
    return str(kf.write_scores(scores, path))


def live(folder):
    """Return the files of the latest version."""
    return {str(Path(uri).relative_to(folder)) for uri in deltalake.DeltaTable(str(folder)).file_uris()}


def days(first, count):
    return [date.fromisoformat(first) + timedelta(n) for n in range(count)]


# Killed writers -------------------------------------------------------------------------------------------


def first_append(folder, store):
    return {
        "operation": "append",
        "scores": [saved(made(["2024-01-31", "2024-02-29"]), folder / "a.parquet")],
    }


def append(folder, store):
    store.append(made(["2024-01-31", "2024-02-28"]))
    new = made(["2024-02-28", "2024-02-29", "2024-03-31"])
    return {"operation": "append", "scores": [saved(new, folder / "a.parquet")]}


def restate(folder, store):
    store.append(made(["2024-01-30", "2024-01-31", "2024-02-29"]))
    new = made(["2024-01-31", "2024-02-29", "2024-03-31"], capex=30e9)
    return {
        "operation": "append", "restate": True, "reason": REASON, "scores": [saved(new, folder / "a.parquet")],
    }  # fmt: skip


def replace(folder, store):
    store.append(made(["2024-01-30", "2024-01-31", "2024-02-29", "2024-03-31"]))
    new = made(["2024-01-31", "2024-02-28"], capex=30e9)
    return {
        "operation": "replace", "start": "2024-01-31", "end": "2024-03-01", "reason": REASON,
        "scores": [saved(new, folder / "a.parquet")],
    }  # fmt: skip


def compact(folder, store):
    for n, day in enumerate(days("2024-01-30", 4)):
        store.append(made([day], capex=20e9 + n))
    return {"operation": "compact"}


def checkpoint(folder, store):
    """The 50th commit is written together with a checkpoint of the log."""
    old, new = made(["2024-01-31"]), made(["2024-01-31"], capex=30e9)
    store.append(old)
    while store.version < 47:
        store.replace(new if store.version % 2 else old, "2024-01-31", "2024-01-31", reason=REASON)
    appended = [made([day]) for day in days("2024-02-01", 4)]
    return {
        "operation": "append",
        "scores": [saved(scores, folder / f"{n}.parquet") for n, scores in enumerate(appended)],
    }


def called(store, *, operation, scores=(), **arguments):
    parts = [kf.read_scores(path) for path in scores]
    if operation == "append":
        for part in parts:
            store.append(part, **arguments)
    elif operation == "replace":
        store.replace(parts[0], **arguments)
    else:
        getattr(store, operation)(**arguments)


def reached(folder):
    """Return the version of a store and all it holds; -1 if there is none yet."""
    store = kf.open_store(folder)
    return (store.version, content(store)) if store.exists() else (-1, NOTHING)


# Minutes: python -m pytest -m exhaustive.
FULL = [pytest.mark.slow, pytest.mark.exhaustive]
OFTEN = [6, pytest.param(200, marks=FULL)]


@pytest.mark.slow
@pytest.mark.parametrize("times", OFTEN)
@pytest.mark.parametrize("operation", [first_append, append, restate, replace, compact, checkpoint])
def test_a_writer_that_is_killed_at_any_moment_leaves_a_version_and_nothing_else(tmp_path, operation, times):
    orphaned = stopped_often(tmp_path, operation, times, signal.SIGKILL)
    if times == 200:
        assert orphaned, "no moment was between the data and the log"


@pytest.mark.parametrize("times", OFTEN)
@pytest.mark.parametrize("operation", [append, replace])
def test_an_interrupt_at_any_moment_takes_back_nothing_that_was_committed(tmp_path, operation, times):
    stopped_often(tmp_path, operation, times, signal.SIGINT)


def stopped_often(tmp_path, operation, times, how):
    """Stop an operation at moments that cover all of it; return how often it left files that no version has."""
    base, whole, folder = tmp_path / "base", tmp_path / "whole", tmp_path / "store"
    command = operation(tmp_path, kf.open_store(base))
    start, _ = reached(base)
    rng = random.Random(times)
    orphaned, versions = 0, []
    with Child() as child:
        spans = []
        for _ in range(3):
            shutil.rmtree(whole, ignore_errors=True)
            _copied(base, whole)
            child.prepare(whole, **command)
            spans.append(-time.perf_counter())
            assert child.stopped(60.0)
            spans[-1] += time.perf_counter()
        if operation is checkpoint:
            assert list((whole / "_delta_log").glob("*.checkpoint.parquet"))
        states = {-1: NOTHING, **_contents(whole, first=max(start, 0))}
        last = max(states)
        span = 1.1 * max(spans)
        # The first moment is before any work and the last one after all of it; the others cover what is between.
        moments = [0.0, *(span * (n + rng.random()) / times for n in range(times - 2)), 60.0]
        for moment in moments:
            shutil.rmtree(folder, ignore_errors=True)
            _copied(base, folder)
            child.prepare(folder, **command)
            finished = child.stopped(moment, how)
            version, found = reached(folder)
            versions.append(version)
            assert start <= version <= last
            assert found == states[version]
            assert not finished or version == last
            store = kf.open_store(folder)
            if version >= 0:
                assert store.verify() == len(found[0])
                orphaned += bool(data_files(folder) - _ever(folder))
            called(store, **command)
            assert content(store) == states[last]
            if start >= 0:
                assert content(store, version=start) == states[start]
            needed, there = live(folder), data_files(folder)
            assert set(store.vacuum(keep_days=0)) == there - needed
            assert data_files(folder) == needed
            assert content(store) == states[last]
    assert last in versions
    assert len(set(versions)) > 1
    return orphaned


def _copied(source, target):
    if source.exists():
        shutil.copytree(source, target)


def _contents(folder, *, first):
    store = kf.open_store(folder)
    return {version: content(store, version=version) for version in range(first, store.version + 1)}


def _ever(folder):
    """Return the files of any version."""
    lines = [
        line for path in (folder / "_delta_log").glob("*.json") for line in path.read_text().splitlines()
    ]
    return {known["add"]["path"].replace("%3D", "=") for known in map(json.loads, lines) if "add" in known}


class LostAnswerError(OSError):
    """The answer of a server that did what it was asked to."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, LostAnswerError])
def test_what_was_committed_stays_when_the_answer_is_lost(tmp_path, monkeypatch, error):
    store = kf.open_store(tmp_path / "store")
    store.append(made(["2024-01-31"]))
    commit = deltalake.DeltaTable.create_write_transaction

    def landed(*arguments, **options):
        commit(*arguments, **options)
        raise error

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", landed)
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            store.append(made(["2024-02-29"]))
    else:
        assert store.append(made(["2024-02-29"])) == 2, "the log tells that it happened"
    monkeypatch.undo()
    assert store.version == 2
    assert store.verify() == 80
    assert store.append(made(["2024-02-29"])) == 2


def test_files_of_a_commit_that_may_have_happened_stay(tmp_path, monkeypatch):
    store = kf.open_store(tmp_path / "store")
    store.append(made(["2024-01-31"]))
    commit = deltalake.DeltaTable.create_write_transaction

    def unreachable(*_):
        raise DataError("no connection")

    def landed(*arguments, **options):
        commit(*arguments, **options)
        monkeypatch.setattr(store._log._commits, "version_of", unreachable)
        raise LostAnswerError

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", landed)
    with pytest.raises(DataError, match=r"may have happened or not\. Look at store\.versions"):
        store.append(made(["2024-02-29"]))
    monkeypatch.undo()
    assert store.verify() == 80
    assert store.append(made(["2024-02-29"])) == 2


def test_an_error_of_the_log_takes_the_files_away(tmp_path, monkeypatch):
    store = kf.open_store(tmp_path / "store")
    store.append(made(["2024-01-31"]))
    files = data_files(store.uri)

    def refused(*_, **__):
        raise OSError("Read-only file system")

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", refused)
    with pytest.raises(DataError, match=r"cannot be written: Read-only file system.*Nothing was changed"):
        store.append(made(["2024-02-29"]))
    assert data_files(store.uri) == files
    assert store.verify() == 40


# Many writers ---------------------------------------------------------------------------------------------


@contextmanager
def children(count):
    with ExitStack() as stack:
        yield [stack.enter_context(Child()) for _ in range(count)]


def at_once(writers, uri, commands):
    """Let each writer stand before its operation, start all of them, and return what they said."""
    for writer, command in zip(writers, commands, strict=True):
        writer.prepare(uri, **command)
    for writer in writers:
        writer.go()
    return [writer.finished() for writer in writers]


@pytest.mark.parametrize("commits", [4, pytest.param(25, marks=FULL)])
def test_four_writers_of_different_months_all_land(tmp_path, commits):
    uri, dates = tmp_path / "store", [days(f"2024-0{month}-01", commits) for month in (1, 2, 3, 4)]
    commands = [
        {"operation": "append", "scores": [saved(made([day]), tmp_path / f"{day}.parquet") for day in month]}
        for month in dates
    ]
    with children(4) as writers:
        # The table is not there yet: they also make it at once.
        said = at_once(writers, uri, commands)
    assert [len(words.get("done", words)) for words in said] == [commits] * 4
    store = kf.open_store(uri)
    assert store.dates() == tuple(day for month in dates for day in month)
    assert sorted(version for words in said for version in words["done"]) == list(range(1, 4 * commits + 1))
    assert store.read().rows() == made(store.dates()).to_polars().rows()
    assert store.versions()["operation"].to_list() == ["append"] * 4 * commits + ["create"]
    assert store.verify() == 4 * commits * 40
    assert data_files(uri) == live(uri)


ROUNDS = [1, pytest.param(20, marks=FULL)]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_of_two_writers_of_other_values_one_wins_and_the_other_is_told(tmp_path, rounds):
    old, new = made(["2024-01-31"]), made(["2024-01-31"], capex=30e9)
    commands = [
        {"operation": "append", "scores": [saved(scores, tmp_path / f"{n}.parquet")]}
        for n, scores in enumerate((old, new))
    ]
    with children(2) as writers:
        for n in range(rounds):
            uri = tmp_path / f"store{n}"
            said = at_once(writers, uri, commands)
            (winner,) = (at for at, words in enumerate(said) if "done" in words)
            refused = said[1 - winner]
            assert refused["error"] == "ConflictError"
            assert "2024-01-31" in refused["message"]
            assert "a000" in refused["message"]
            store = kf.open_store(uri)
            assert store.version == 1
            assert store.scores().inputs == (old, new)[winner].inputs
            assert store.read().rows() == (old, new)[winner].to_polars().rows()
            assert data_files(uri) == live(uri), "the loser took its files away"


@pytest.mark.parametrize("rounds", ROUNDS)
def test_two_writers_of_the_same_scores_make_one_commit(tmp_path, rounds):
    command = {"operation": "append", "scores": [saved(made(["2024-01-31"]), tmp_path / "a.parquet")]}
    with children(2) as writers:
        for n in range(rounds):
            uri = tmp_path / f"store{n}"
            said = at_once(writers, uri, [command, command])
            assert said == [{"done": [1]}, {"done": [1]}]
            assert kf.open_store(uri).versions()["operation"].to_list() == ["append", "create"]
            assert kf.open_store(uri).verify() == 40
            assert data_files(uri) == live(uri)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_two_writers_of_different_dates_of_a_month_both_land(tmp_path, rounds):
    both = made(["2024-01-30", "2024-01-31"])
    commands = [
        {"operation": "append", "scores": [saved(both.at(day), tmp_path / f"{day}.parquet")]}
        for day in both.dates
    ]
    with children(2) as writers:
        for n in range(rounds):
            uri = tmp_path / f"store{n}"
            said = at_once(writers, uri, commands)
            assert sorted(words["done"] for words in said) == [[1], [2]]
            store = kf.open_store(uri)
            assert store.read().rows() == both.to_polars().rows()
            assert store.verify() == 80
            assert data_files(uri) == live(uri)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_two_writers_of_two_definitions_do_not_make_one_store(tmp_path, rounds):
    day = "2024-01-31"
    other = kf.AIInfrastructureExposure(kf.FactorDefinition(supplier_ties=SupplierTies(delta=0.25)))
    both = made([day]), other.compute(world(), [day])
    commands = [
        {"operation": "append", "scores": [saved(scores, tmp_path / f"{n}.parquet")]}
        for n, scores in enumerate(both)
    ]
    with children(2) as writers:
        for n in range(rounds):
            uri = tmp_path / f"store{n}"
            said = at_once(writers, uri, commands)
            (winner,) = (at for at, words in enumerate(said) if "done" in words)
            assert said[1 - winner]["error"] == "StaleScoresError"
            store = kf.open_store(uri)
            assert store.definition == both[winner].definition
            assert store.versions()["operation"].to_list() == ["append", "create"]
            assert store.verify() == 40


# Readers in between ---------------------------------------------------------------------------------------


def test_what_is_read_while_a_writer_appends_and_compacts_is_a_version(tmp_path):
    uri = tmp_path / "store"
    store = kf.open_store(uri)
    store.append(made(["2024-01-01"]))
    commands = [
        {
            "operation": "append",
            "scores": [
                saved(made([day]), tmp_path / f"{day}.parquet") for day in days(f"2024-01-{first:02}", 4)
            ],
        }
        for first in (2, 6, 10)
    ]
    commands = [command for one in commands for command in (one, {"operation": "compact"})]
    frames, parts, during = [], [], 0
    with children(1) as (writer,):
        for command in commands:
            writer.prepare(uri, **command)
            writer.go()
            # Once at least, and as often as it takes.
            while True:
                working = not writer.has_said()
                frames.append(store.read().rows())
                parts.append(store.scores())
                during += working
                if not working:
                    break
            assert "done" in writer.finished()
    rows = [store.read(version=version).rows() for version in range(store.version + 1)]
    made_from = {
        (scores.dates, provenance_of(scores))
        for scores in (store.scores(version=version) for version in range(1, store.version + 1))
    }
    assert all(frame in rows for frame in frames)
    assert {(scores.dates, provenance_of(scores)) for scores in parts} <= made_from
    assert all(scores.to_polars().rows() in rows for scores in parts)
    assert during > len(commands), "nothing was read while the writer was at work"
    assert len({len(frame) for frame in frames}) > 3
    assert store.verify() == 13 * 40


def provenance_of(scores):
    return scores.to_arrow().schema.metadata[b"kifactors"]


# A full disk ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """Return a file system of 8 MB in memory, and a function that leaves so many bytes of it free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    ) if shutil.which("mount") else None  # fmt: skip
    if mounted is None or mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted and mounted.stderr.strip()}")

    def leave(free):
        ballast = folder / "ballast"
        ballast.unlink(missing_ok=True)
        if free is None:
            return
        known = os.statvfs(folder)
        with ballast.open("wb") as file:
            file.write(b"x" * (known.f_bavail * known.f_frsize - free))

    yield folder, leave
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("full", ["data", "log"])
def test_a_full_disk_is_told_and_the_store_goes_on_when_there_is_space(small_disk, full):
    folder, leave = small_disk
    uri = folder / "store"
    store, new = kf.open_store(uri), made(["2024-02-29"])
    store.append(made(["2024-01-31"]))
    before, files = content(store), data_files(uri)
    size = -(-next((uri / name).stat().st_size for name in files) // 4096) * 4096
    # The data file of February is about as large as the one of January.
    leave(size if full == "log" else size // 2)
    with pytest.raises(DataError, match="No space left on device") as caught:
        store.append(new)
    assert ("the log of the store" in str(caught.value)) == (full == "log")
    assert str(uri) in str(caught.value)
    assert "try again" in str(caught.value)
    assert content(store) == before
    assert store.verify() == 40
    assert data_files(uri) == files, "what could not be committed does not take the space"
    leave(None)
    assert store.append(new) == 2
    assert store.verify() == 80
    assert store.read(version=1).rows() == before[0]


# Damaged files --------------------------------------------------------------------------------------------

READS = {
    "a date": lambda store: store.read("2024-01-31"),
    "a column": lambda store: store.read(columns="score"),
    "an asset": lambda store: store.read(assets="a000"),
    "all": lambda store: store.read(),
    "scores": lambda store: store.scores(),
    "dates": lambda store: store.dates(),
    "verify": lambda store: store.verify(),
}


@pytest.fixture
def damaged(tmp_path):
    """Return a store with a file of two dates and one of one date; the path of the first one."""
    store = kf.open_store(tmp_path / "store")
    store.append(made(["2024-01-30", "2024-01-31"]))
    store.append(made(["2024-02-29"]))
    return store, next(Path(store.uri).rglob("2024-01-30_*.parquet"))


def assert_each_read_names(store, path, match):
    for what, read in READS.items():
        with pytest.raises(DataError, match=match) as caught:
            read(store)
        assert f"{path.parent.name}/{path.name}" in str(caught.value), what
    # What does not need the file is read.
    assert store.read("2024-02-29").height == 40


@pytest.mark.parametrize("step", [997, pytest.param(61, marks=FULL)])
def test_a_flipped_byte_anywhere_in_a_file_is_told_by_every_read_with_its_name(damaged, step):
    store, path = damaged
    whole = path.read_bytes()
    group = pq.ParquetFile(path).metadata.row_group(0)
    chunks = [group.column(n) for n in range(group.num_columns)]
    pages = [at for c in chunks for at in (c.dictionary_page_offset, c.data_page_offset) if at is not None]
    # Magic bytes, the headers of all pages, the end of the footer with its length, and everything else by steps.
    ends = len(whole) - 1 - np.arange(12)
    for at in sorted({0, 3, *pages, *ends.tolist(), *range(0, len(whole), step)}):
        path.write_bytes(bytes([*whole[:at], whole[at] ^ (1 << at % 8), *whole[at + 1 :]]))
        assert_each_read_names(store, path, "is damaged")
    path.write_bytes(whole)
    assert store.verify() == 120


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_told(damaged, kept):
    store, path = damaged
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    assert_each_read_names(store, path, f"is damaged: it has .* bytes of {len(whole):,}")


def test_a_file_that_was_deleted_is_told(damaged):
    store, path = damaged
    path.unlink()
    assert_each_read_names(store, path, "is gone: it was deleted, or vacuum removed it")


def test_a_damaged_date_is_mended_as_the_error_says_when_the_file_is_back(damaged):
    store, path = damaged
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="Copy it from a backup"):
        store.append(made(["2024-01-31"]))
    path.write_bytes(whole)
    assert store.append(made(["2024-01-31"])) == store.version


def test_a_version_whose_files_vacuum_removed_says_so(damaged):
    store, path = damaged
    store.append(made(["2024-01-31"], capex=30e9), restate=True, reason=REASON)
    assert store.vacuum(keep_days=1) == []
    assert store.read(version=1).height == 80
    assert store.vacuum(keep_days=0) == [f"{path.parent.name}/{path.name}"]
    for read in (store.read, store.scores, store.verify):
        with pytest.raises(DataError, match="vacuum removed it because this version is older") as caught:
            read(version=1)
        assert path.name in str(caught.value)
    assert store.verify() == 120


def test_vacuum_keeps_rather_an_hour_more_than_one_less(damaged):
    store, _ = damaged
    store.append(made(["2024-01-31"], capex=30e9), restate=True, reason=REASON)
    assert store.vacuum(keep_days=0.001) == []
    assert store.read(version=1).height == 80


def test_vacuum_spares_a_file_that_a_writer_may_be_about_to_commit(damaged):
    store, path = damaged
    fresh = path.with_name("fresh.parquet")
    fresh.write_bytes(path.read_bytes())
    assert store.vacuum(keep_days=1) == []
    assert store.vacuum(keep_days=0) == [f"{path.parent.name}/{fresh.name}"]


# A damaged log --------------------------------------------------------------------------------------------


def commit_file(store, version):
    return Path(store.uri, "_delta_log", f"{version:020}.json")


LOG_CALLS = {
    "read": lambda store: store.read(),
    "scores": lambda store: store.scores(),
    "verify": lambda store: store.verify(),
    "versions": lambda store: store.versions(),
    "dates": lambda store: store.dates(),
    "append": lambda store: store.append(made(["2024-03-31"])),
    "vacuum": lambda store: store.vacuum(),
}


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_a_damaged_commit_is_a_clean_error_of_every_call(damaged, version, damage):
    store, _ = damaged
    files, path = data_files(store.uri), commit_file(store, version)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"\xff\x00{" + whole)
    for what, call in LOG_CALLS.items():
        with pytest.raises(DataError, match="_delta_log") as caught:
            call(store)
        assert "\n" not in str(caught.value), what
        assert "backup" in str(caught.value), what
    assert data_files(store.uri) == files, "nothing is written to a store that cannot be read"
    for earlier in range(1, version):
        assert store.read(version=earlier).height == 80
    path.write_bytes(whole)
    assert store.verify() == 120


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_empty_commit_is_not_passed_over(damaged, version):
    """Delta Lake takes it for one that changes nothing; a power failure can leave it."""
    store, _ = damaged
    commit_file(store, version).write_bytes(b"")
    for call in ("read", "scores", "verify", "append"):
        with pytest.raises(DataError):
            LOG_CALLS[call](store)


def test_a_missing_commit_is_told(damaged):
    store, _ = damaged
    commit_file(store, 1).unlink()
    for call in ("read", "scores", "verify", "append"):
        with pytest.raises(DataError, match="backup"):
            LOG_CALLS[call](store)


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=FULL)])
def test_a_flipped_byte_in_a_commit_changes_no_row_without_verify_telling(damaged, step):
    store, _ = damaged
    store.append(made(["2024-01-31"], capex=30e9), restate=True, reason=REASON)
    path, expected = commit_file(store, 3), content(store)
    whole = path.read_bytes()
    unseen = 0
    for at in range(0, len(whole), step):
        path.write_bytes(bytes([*whole[:at], whole[at] ^ (1 << at % 7), *whole[at + 1 :]]))
        same = False
        # What is no error of ours ends the test.
        with suppress(DataError):
            same = content(store) == expected
        with suppress(DataError):
            store.versions()
        with suppress(DataError):
            store.verify()
            assert same, f"byte {at}: other rows, and verify says nothing"
            unseen += 1
    assert unseen, "commentary was never hit"
