"""What two versions of a store differ in."""

from collections.abc import Sequence

import polars as pl

from kifactors.schema import SCORES
from kifactors.store._files import DataFile, Folder
from kifactors.store._log import Snapshot

__all__ = ["difference"]

KEY = list(SCORES.key)
COLUMNS = SCORES.names[len(KEY) :]
SCHEMA = {
    "date": pl.Date,
    "asset_id": pl.String,
    "change": pl.String,
    "column": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
    "before_label": pl.String,
    "after_label": pl.String,
}


def difference(folder: Folder, before: Snapshot, after: Snapshot) -> pl.DataFrame:
    """Return a row per asset that came or went, and per cell that changed; files both have are not read."""
    shared = {file.path for file in before.files} & {file.path for file in after.files}
    old, new = (
        _rows(folder, [file for file in snapshot.files if file.path not in shared])
        for snapshot in (before, after)
    )
    came, gone = (
        one.join(other, on=KEY, how="anti").select(*KEY, change=pl.lit(word))
        for one, other, word in ((new, old, "added"), (old, new, "removed"))
    )
    both = old.join(new, on=KEY, how="inner", suffix="_after")
    changed = [_changed(both, name) for name in COLUMNS]
    order = pl.Enum(["added", "removed", *COLUMNS])
    return (
        pl.concat([pl.DataFrame(schema=SCHEMA), came, gone, *changed], how="diagonal")
        .sort(*KEY, pl.coalesce("column", "change").cast(order))
        .select(*SCHEMA)
    )


def _rows(folder: Folder, files: Sequence[DataFile]) -> pl.DataFrame:
    empty = pl.DataFrame(schema=SCORES.polars)
    return pl.concat([empty, *(folder.scores(file).to_polars() for file in files)])


def _changed(both: pl.DataFrame, name: str) -> pl.DataFrame:
    suffix = "_label" if SCORES[name].dtype == pl.String else ""
    return both.filter(pl.col(name).ne_missing(pl.col(f"{name}_after"))).select(
        *KEY,
        pl.lit("changed").alias("change"),
        pl.lit(name).alias("column"),
        pl.col(name).alias(f"before{suffix}"),
        pl.col(f"{name}_after").alias(f"after{suffix}"),
    )
