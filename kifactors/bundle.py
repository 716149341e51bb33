"""The data set that comes with the package: real companies, dated, with their sources."""

from importlib.resources import as_file, files

import polars as pl

from kifactors.schema import INPUTS, Tables, read_file

__all__ = ["article_figures", "load_bundled"]


def load_bundled() -> Tables:
    """Load the bundled tables: 16 filers, two indices from 2015, ties, guidance, AI shares, names.

    Where each is from and how far to trust it is told in ``kifactors/data/PROVENANCE.md``. Few and partial on
    purpose: nothing was filled in.

    Examples
    --------
    >>> kf.load_bundled().ai_capex_share.height
    18
    """
    with as_file(files("kifactors") / "data") as folder:
        paths = {name: folder / f"{name}.csv" for name in INPUTS}
        return Tables(**{name: path for name, path in paths.items() if path.is_file()})


def article_figures() -> pl.DataFrame:
    """Load the figures of the article the project started from: entity, what, period, value (text), unit, note."""
    with as_file(files("kifactors") / "data" / "article_figures.csv") as path:
        return read_file(path, what="article_figures")
