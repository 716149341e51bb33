"""The columns that a caller names: none may stand for two things."""

from collections.abc import Collection, Sequence

import polars as pl

from kifactors.errors import DataError

__all__ = ["check_finite", "check_groups", "check_styles"]

# Columns of the rows that are evaluated, and factors beside the styles; industries are factors "industry:NAME".
# industry and market_cap are the universe's own, and mean the same here.
OWN = frozenset({"date", "asset_id", "exit", "market", "return", "size", "weight"})
INDUSTRY = "industry:"


def check_finite(table: str, rows: pl.DataFrame, column: str) -> None:
    """Refuse infinite numbers.

    Raises
    ------
    DataError
        There is one; the message names its date and asset.
    """
    if not rows.schema[column].is_float():
        return
    broken = rows.filter(pl.col(column).is_infinite())
    if broken.height:
        row = broken.row(0, named=True)
        raise DataError(
            f"{table}: {column} of {row['asset_id']!r} on {row['date']} is {row[column]}; expected a finite number, null "
            "where unknown."
        )


def check_styles(styles: Sequence[str], scores: Collection[str], universe: pl.DataFrame) -> None:
    """Refuse styles of the universe whose names are taken, or that are no finite numbers.

    Raises
    ------
    DataError
        One is a column of the scores as well, a name of the evaluation's own, or holds text or an infinite number.
    """
    for name in styles:
        if name in scores:
            raise DataError(
                f"styles: {name!r} is a column of the universe and of the scores. Rename it in the universe and here."
            )
        if _is_own(name):
            raise DataError(
                f"styles: {name!r} of the universe is a name that the evaluation itself uses for its rows and factors. "
                "Rename it in the universe and here."
            )
        if universe.schema[name] == pl.String:
            raise DataError(
                f"styles: {name!r} of the universe holds String; expected numbers. Cast it, or make numbers of it."
            )
        check_finite("universe", universe, name)


def check_groups(by: str | None, scores: Collection[str], universe: Collection[str]) -> None:
    """Refuse groups that two tables have, or whose name is taken.

    Raises
    ------
    DataError
        The column is in both tables, or has a name of the evaluation's own.
    """
    if by is None:
        return
    if _is_own(by):
        raise DataError(
            f"by: {by!r} is a name that the evaluation itself uses for its rows and factors. Rename the column in its "
            "table and here."
        )
    if by in scores and by in universe:
        raise DataError(
            f"by: {by!r} is a column of the universe and of the scores. Rename it in the universe; then it is the "
            "scores' under this name, and the universe's under the new one."
        )


def _is_own(name: str) -> bool:
    return name in OWN or name.startswith(INDUSTRY)
