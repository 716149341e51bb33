"""From the printed name of a customer to the key of a company: by an exact table, which people complete."""

import csv
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from kifactors.errors import DataError, MissingColumnError, MissingExtraError
from kifactors.schema import read_file
from kifactors.sources._customers import is_anonymous

__all__ = ["alias_lookup", "read_aliases", "read_confirmed", "write_suggestions"]

ALIASES = {"label": pl.String, "asset_id": pl.String, "supplier_id": pl.String, "source": pl.String}
SUGGESTIONS = (
    "label", "supplier_id", "suggested_asset_id", "suggested_name", "score", "rank", "confirmed_asset_id",
)  # fmt: skip
MOST_SUGGESTIONS = 5


def alias_lookup(aliases: pl.DataFrame | None, *, supplier_id: str) -> Callable[[str], str | None]:
    """Return the function from a label in a filing of a supplier to a company; its own aliases go first."""
    known = {} if aliases is None else _checked(aliases, "aliases")

    def resolve(label: str) -> str | None:
        return known.get((_folded(label), supplier_id)) or known.get((_folded(label), None))

    return resolve


def read_aliases(path: str | PathLike[str] | None = None) -> pl.DataFrame:
    """Read the table that says which company a printed name is.

    Parameters
    ----------
    path : str or path, optional
        CSV with columns label and asset_id, and optional supplier_id (the alias holds in the filings of that company
        only; empty: in all) and source. By default the table that comes with the library.

    Returns
    -------
    polars.DataFrame
        (label, asset_id, supplier_id, source). Labels match exactly but for case and blanks around.

    Raises
    ------
    DataError
        A row without label or asset_id, a name like "Customer A", which is somebody else in the next filing, or a
        label with two companies.

    Examples
    --------
    >>> from kifactors.sources import read_aliases
    >>> aliases = read_aliases()
    >>> aliases.filter(pl.col("label") == "Dell Inc")["asset_id"].to_list()
    ['cik:0001571996']
    """
    given = Path(str(files("kifactors.sources") / "aliases.csv")) if path is None else Path(path)
    frame = _text_columns(read_file(given, what="aliases"), ("label", "asset_id"), given.name)
    frame = frame.with_columns(
        pl.lit(None, pl.String).alias(name) for name in ALIASES if name not in frame.columns
    ).select(list(ALIASES))
    _checked(frame, given.name)
    return frame


def write_suggestions(
    labels: Iterable[str] | pl.DataFrame,
    assets: pl.DataFrame,
    path: str | PathLike[str],
    *,
    most: int = MOST_SUGGESTIONS,
) -> pl.DataFrame:
    """Write the companies a label may mean, best first, for a person to confirm (extra ``sec``).

    Nothing is matched by it: an alias comes from a filled cell of confirmed_asset_id only (`read_confirmed`).

    Parameters
    ----------
    labels : iterable of str, or polars.DataFrame
        Printed names; of a frame customer_label (or label) and, if there, supplier_id, of rows without a customer_id.
        Names like "Customer A" are left out.
    assets : polars.DataFrame
        asset_id and name.
    path : str or path
        CSV to write; one that exists is not overwritten.
    most : int
        Suggestions per label.

    Returns
    -------
    polars.DataFrame
        What was written: label, supplier_id, suggested_asset_id, suggested_name, score (0 to 100), rank,
        confirmed_asset_id (empty).

    Raises
    ------
    MissingExtraError
        rapidfuzz is not installed.
    DataError
        The file exists: it may hold somebody's work.

    Notes
    -----
    The score is rapidfuzz's WRatio of the casefolded names.

    Examples
    --------
    >>> from kifactors.sources import write_suggestions
    >>> import tempfile, pathlib
    >>> assets = pl.DataFrame({"asset_id": ["a", "b"], "name": ["Dell Technologies", "HP Inc."]})
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rows = write_suggestions(["Dell Inc"], assets, folder / "names.csv", most=1)
    >>> rows.select("label", "suggested_asset_id", "confirmed_asset_id").row(0)
    ('Dell Inc', 'a', '')
    """
    try:
        from rapidfuzz import fuzz, process
    except ImportError as error:
        raise MissingExtraError("suggestions need rapidfuzz: pip install 'kifactors[sec]'.") from error
    path = Path(path)
    names = _text_columns(assets, ("asset_id", "name"), "assets").drop_nulls("name")
    ids, written = names["asset_id"].to_list(), names["name"].to_list()
    rows: list[dict[str, Any]] = []
    for label, supplier in _asked(labels):
        scored = process.cdist([label.casefold()], [name.casefold() for name in written], scorer=fuzz.WRatio)[
            0
        ]
        best = sorted(zip(scored.tolist(), written, ids, strict=True), key=lambda s: (-s[0], s[1], s[2]))[
            :most
        ]
        rows += (
            dict(zip(SUGGESTIONS, (label, supplier, asset, name, round(score, 1), rank, ""), strict=True))
            for rank, (score, name, asset) in enumerate(best, 1)
        )
    try:
        with path.open("x", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, SUGGESTIONS)
            writer.writeheader()
            writer.writerows(rows)
    except FileExistsError as error:
        raise DataError(f"{path} exists and may hold confirmed names. Choose another path.") from error
    types = dict.fromkeys(SUGGESTIONS, pl.String) | {"score": pl.Float64, "rank": pl.Int64}
    return pl.DataFrame(rows, schema=types, orient="row")


def read_confirmed(path: str | PathLike[str], assets: pl.DataFrame) -> pl.DataFrame:
    """Return the aliases that a person confirmed in a file of `write_suggestions`.

    Parameters
    ----------
    path : str or path
        CSV with label, supplier_id, confirmed_asset_id; rows without the last say nothing.
    assets : polars.DataFrame
        asset_id: the companies there are.

    Returns
    -------
    polars.DataFrame
        (label, asset_id, supplier_id, source), one row a label and supplier, for `revenue_ties_from_xbrl`.

    Raises
    ------
    DataError
        A company that is not in assets, a label with two companies, or a name like "Customer A"; with the rows.
    """
    path = Path(path)
    frame = _text_columns(
        read_file(path, what="names"), ("label", "supplier_id", "confirmed_asset_id"), path.name
    )
    frame = frame.with_row_index("row", offset=2).filter(pl.col("confirmed_asset_id").is_not_null())
    unknown = frame.filter(~pl.col("confirmed_asset_id").is_in(assets["asset_id"].to_list()))
    if unknown.height:
        raise DataError(
            f"{path.name}: {_rows(unknown['row'])}: no such asset: {', '.join(unknown['confirmed_asset_id'].unique().sort())}. "
            "Write an asset_id of the assets table."
        )
    confirmed = frame.select(
        "label",
        "supplier_id",
        "row",
        asset_id="confirmed_asset_id",
        source=pl.lit(f"confirmed in {path.name}"),
    )
    _checked(confirmed, path.name)
    return (
        confirmed.unique(["label", "supplier_id"], keep="first", maintain_order=True)
        .select(list(ALIASES))
        .sort("label", "supplier_id")
    )


def _asked(labels: Iterable[str] | pl.DataFrame) -> list[tuple[str, str]]:
    if isinstance(labels, pl.DataFrame):
        column = "customer_label" if "customer_label" in labels.columns else "label"
        frame = _text_columns(labels, (column,), "labels")
        if "customer_id" in frame.columns:
            frame = frame.filter(pl.col("customer_id").is_null())
        suppliers = frame["supplier_id"] if "supplier_id" in frame.columns else [""] * frame.height
        pairs = zip(frame[column], suppliers, strict=True)
    else:
        pairs = ((label.strip(), "") for label in labels)  # type: ignore[assignment]
    return sorted({(label, supplier or "") for label, supplier in pairs if label and not is_anonymous(label)})


def _text_columns(frame: pl.DataFrame, needed: Iterable[str], what: str) -> pl.DataFrame:
    """Return a frame whose texts are trimmed and whose empty ones are null."""
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise MissingColumnError(f"{what} lacks column {missing[0]!r}; it has {', '.join(frame.columns)}.")
    texts = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(pl.when(texts != "").then(texts).name.keep())


def _checked(frame: pl.DataFrame, what: str) -> Mapping[tuple[str, str | None], str]:
    """Return company by folded label and supplier, refusing rows that say nothing or contradict each other."""
    known: dict[tuple[str, str | None], tuple[str, int]] = {}
    frame = _text_columns(frame, ("label", "asset_id"), what)
    if "supplier_id" not in frame.columns:
        frame = frame.with_columns(supplier_id=pl.lit(None, pl.String))
    if "row" not in frame.columns:
        frame = frame.with_row_index("row", offset=2)
    for label, asset, supplier, row in frame.select("label", "asset_id", "supplier_id", "row").iter_rows():
        if label is None or asset is None:
            raise DataError(f"{what}: row {row} lacks a label or an asset_id. Fill it or drop the row.")
        if is_anonymous(label):
            raise DataError(
                f"{what}: row {row}: {label!r} names nobody, and is another company in the next filing. Drop the row."
            )
        first, at = known.setdefault((_folded(label), supplier), (asset, row))
        if first != asset:
            raise DataError(
                f"{what}: rows {at} and {row} say that {label!r} is {first} and {asset}. Keep one, or name the "
                "supplier_id each holds for."
            )
    return {key: asset for key, (asset, _) in known.items()}


def _rows(rows: pl.Series) -> str:
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows))}"


def _folded(label: str) -> str:
    return label.strip().casefold()
