"""Memberships as the packages index-constitution and pitindex ship them: from their data files, without their code."""

import csv
import pickle
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from kifactors.errors import DataError, MissingExtraError

__all__ = ["PACKAGES", "unpickled"]

ROWS = {
    "index_id": pl.String, "ticker": pl.String, "start": pl.Date, "end": pl.Date, "source": pl.String,
}  # fmt: skip
# What the frames of index-constitution 1 are made of. None of it runs code that a file brings along.
ALLOWED = frozenset(
    {
        ("builtins", "slice"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("pandas", "DataFrame"),
        ("pandas", "Index"),
        ("pandas", "RangeIndex"),
        ("pandas", "StringDtype"),
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"),
        ("pandas._libs.internals", "_unpickle_block"),
        ("pandas.arrays", "DatetimeArray"),
        ("pandas.arrays", "StringArray"),
        ("pandas.core.indexes.base", "_new_Index"),
        ("pandas.core.internals.managers", "BlockManager"),
    }
)
# A damaged pickle stops the machine that reads it in many ways.
_BROKEN = (
    pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, MemoryError,
    NotImplementedError, OverflowError, TypeError, ValueError, pl.exceptions.PolarsError,
)  # fmt: skip
# Wikipedia lists the changes from these days on; who was in before is dated to them, but may have been in longer.
PLACEHOLDERS = {"nasdaq100": date(2006, 1, 1), "sp500": date(1976, 7, 1)}


class _Allowed(pickle.Unpickler):
    """Find the classes of `ALLOWED` and nothing else."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(BytesIO(data))
        self.name = name

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise DataError(
                f"{self.name}: the pickle asks for {module}.{name}, which a table does not need, and was not loaded. "
                "Install the package again from its index; do not open the file otherwise."
            )
        return super().find_class(module, name)


def unpickled(data: bytes, *, name: str) -> pl.DataFrame:
    """Return ticker, start, end of a pickled history of index-constitution.

    Raises
    ------
    DataError
        The pickle asks for a class that such a table does not need (which is neither found nor called), is damaged, or holds
        something else.
    """
    try:
        frame = _Allowed(data, name).load()
        return pl.DataFrame(
            {
                "ticker": pl.Series(frame["symbol"].tolist(), dtype=pl.String),
                "start": pl.Series(frame["opt-in"].to_numpy()).cast(pl.Date),
                "end": pl.Series(frame["opt-out"].to_numpy()).cast(pl.Date),
            }
        )
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(
            f"{name}: no table with symbol, opt-in and opt-out can be read from it ({type(error).__name__}: {error}). "
            "Install index-constitution 1 again."
        ) from error


def index_constitution() -> tuple[pl.DataFrame, str]:
    """Return the histories of all indices, and the name and version of the package."""
    folder, label = _installed("index-constitution", "index_constitution")
    parts = []
    for name, path in _named(folder / "_data" / "history", ".pkl"):
        first = PLACEHOLDERS.get(name)
        placed = pl.when(pl.col("start") == pl.lit(first, pl.Date)).then(pl.lit(", start at or before"))
        parts.append(
            unpickled(path.read_bytes(), name=f"{label}, {path.name}").select(
                pl.lit(name).alias("index_id"), "ticker", "start", "end",
                source=pl.concat_str(pl.lit(label), placed.otherwise(pl.lit(""))),
            )
        )  # fmt: skip
    return _together(parts, label)


def pitindex() -> tuple[pl.DataFrame, str]:
    """Return the memberships of all indices: those of the first day, and what was added and removed since."""
    folder, label = _installed("pitindex", "pitindex")
    parts = []
    for name, path in _named(folder / "data", "_seed.csv"):
        seed, changes = _rows(path), _rows(folder / "data" / f"{name}_changes.csv")
        try:
            rows = list(_spells(seed, changes, name, label))
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(
                f"{label}, {name}: its seed or its changes are of another form ({error!r}). Install pitindex 0.2 again."
            ) from error
        parts.append(pl.DataFrame(rows, schema=ROWS, orient="row"))
    return _together(parts, label)


# The names `read_index_membership` takes, and who reads them.
PACKAGES: Mapping[str, Callable[[], tuple[pl.DataFrame, str]]] = {
    "index-constitution": index_constitution,
    "pitindex": pitindex,
}


def _installed(package: str, module: str) -> tuple[Path, str]:
    """Return the folder of a package, which is not imported, and its name and version."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            f"memberships of {package} need that package: pip install 'kifactors[membership]'."
        )
    return Path(spec.submodule_search_locations[0]), f"{package} {version(package)}"


def _named(folder: Path, ending: str) -> list[tuple[str, Path]]:
    """Return the files of a folder with an ending, each with the rest of its name."""
    return [(path.name.removesuffix(ending), path) for path in sorted(folder.glob(f"*{ending}"))]


def _together(parts: list[pl.DataFrame], label: str) -> tuple[pl.DataFrame, str]:
    if not parts:
        raise DataError(
            f"{label} has no histories where version 1 (pitindex: 0.2) has them. Install that version."
        )
    return pl.concat(parts), label


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _spells(
    seed: list[dict[str, str]], changes: list[dict[str, str]], name: str, label: str
) -> Iterator[tuple[str, str, date, date | None, str]]:
    """Yield who was in from when to when; of one day removals come before additions, as in the package."""
    first = f"{label}, start at or before"
    since = {row["ticker"]: (date.fromisoformat(row["effective_date"]), first) for row in seed}
    for change in sorted(changes, key=lambda row: (row["date"], row["action"] != "removed", row["ticker"])):
        ticker, day = change["ticker"], date.fromisoformat(change["date"])
        if change["action"] == "added":
            since.setdefault(ticker, (day, label))
        elif ticker in since:
            start, source = since.pop(ticker)
            if start < day:
                yield name, ticker, start, day, source
    for ticker, (start, source) in since.items():
        yield name, ticker, start, None, source
