"""`Tables`: the validated inputs of a computation, immutable, with a fingerprint for each."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from kifactors import __version__
from kifactors.errors import DataError
from kifactors.schema._arrow import to_arrow, with_fields
from kifactors.schema._content import Content, content, fingerprints
from kifactors.schema._given import Given, TableLike, read_given
from kifactors.schema._inputs import INPUTS
from kifactors.schema._validate import validate

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Tables"]

ID_COLUMNS = ("asset_id", "supplier_id", "customer_id")
# Their absence has a meaning of its own; every other table may as well be empty.
NULLABLE_TABLES = ("universe", "fx", "assets")


class Tables:
    """Dated input tables, validated when the object is made.

    Every argument takes a polars frame or lazy frame, a pandas frame, anything that speaks
    ``__arrow_c_stream__``, a mapping of columns, or the path of a Parquet, CSV or Arrow file. Attributes of
    the same names are polars frames, sorted and unique on their key; absent tables are None.

    `to_arrow` hands on one of them. A stream is one table, and these are several that have nothing but ids in
    common, so tables as a whole are no stream.

    Parameters
    ----------
    universe : TableLike, optional
        Who is scored when. Absent: every asset with a visible, unexpired row, and no neutral score.
    fundamentals : TableLike, optional
        Reported capex, revenue and assets. Absent: p is known (0) only where theta is 0.
    capex_guidance : TableLike, optional
        Announced capex. Absent: `guided_capex` is null where theta is not 0.
    ai_capex_share : TableLike, optional
        theta. An asset that is not listed has theta 0.
    ai_revenue_share, revenue_ties, tie_disclosures : TableLike, optional
        What covers a supplier. Absent: nobody is covered and `ai_revenue` is null.
    index_membership : TableLike, optional
        Absent: `index_relevance` is null.
    fx : TableLike, optional
        Needed as soon as money in two currencies meets.
    assets : TableLike, optional
        Names for display only.

    Raises
    ------
    DataError
        A table breaks its schema, or no table is given.

    Examples
    --------
    >>> from datetime import date
    >>> theta = {
    ...     "asset_id": ["b", "a"], "share": [1.0, 0.5],
    ...     "available_at": [date(2024, 1, 1)] * 2, "provenance": ["assumed"] * 2,
    ... }
    >>> kf.Tables(ai_capex_share=theta).ai_capex_share["asset_id"].to_list()
    ['a', 'b']
    """  # fmt: skip

    __slots__ = ("_contents", "_encoded", "_fields", "_frames")

    _frames: dict[str, pl.DataFrame]
    _fields: dict[str, Mapping[str, Any]]
    _contents: dict[str, Content]
    _encoded: "Tables | None"

    universe: pl.DataFrame | None
    fundamentals: pl.DataFrame | None
    capex_guidance: pl.DataFrame | None
    ai_capex_share: pl.DataFrame | None
    ai_revenue_share: pl.DataFrame | None
    revenue_ties: pl.DataFrame | None
    tie_disclosures: pl.DataFrame | None
    index_membership: pl.DataFrame | None
    fx: pl.DataFrame | None
    assets: pl.DataFrame | None

    def __init__(
        self,
        *,
        universe: TableLike | None = None,
        fundamentals: TableLike | None = None,
        capex_guidance: TableLike | None = None,
        ai_capex_share: TableLike | None = None,
        ai_revenue_share: TableLike | None = None,
        revenue_ties: TableLike | None = None,
        tie_disclosures: TableLike | None = None,
        index_membership: TableLike | None = None,
        fx: TableLike | None = None,
        assets: TableLike | None = None,
    ) -> None:
        given: dict[str, TableLike | None] = {
            "universe": universe,
            "fundamentals": fundamentals,
            "capex_guidance": capex_guidance,
            "ai_capex_share": ai_capex_share,
            "ai_revenue_share": ai_revenue_share,
            "revenue_ties": revenue_ties,
            "tie_disclosures": tie_disclosures,
            "index_membership": index_membership,
            "fx": fx,
            "assets": assets,
        }
        if all(data is None for name, data in given.items() if name != "assets"):
            raise DataError(f"Tables needs at least one table; the tables are {', '.join(INPUTS)}.")
        frames, fields = {}, {}
        for name, data in given.items():
            if data is None:
                continue
            read = data if isinstance(data, pl.LazyFrame) else read_given(name, data)
            frames[name] = validate(name, read)
            fields[name] = read.fields if isinstance(read, Given) else {}
        self._fill(frames, fields)

    def _fill(self, frames: dict[str, pl.DataFrame], fields: Mapping[str, Mapping[str, Any]]) -> None:
        object.__setattr__(self, "_frames", frames)
        # What the Arrow fields of a given table say, for `to_arrow`.
        object.__setattr__(self, "_fields", {name: dict(said) for name, said in fields.items() if said})
        object.__setattr__(self, "_contents", {})
        object.__setattr__(self, "_encoded", None)

    def __getattr__(self, name: str) -> pl.DataFrame | None:
        if name not in INPUTS:
            raise AttributeError(f"Tables has no attribute {name!r}; the tables are {', '.join(INPUTS)}.")
        # A clone shares the data and keeps an assignment to it from reaching the table inside.
        frame = self._frames.get(name)
        return None if frame is None else frame.clone()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Tables is immutable; use tables.replace({name}=...).")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Tables is immutable; use tables.replace({name}=None).")

    def __reduce__(self) -> tuple[object, ...]:
        return _unpickled, (dict(self), self._fields, __version__)

    def __iter__(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield name and frame of each table that is there."""
        for name in INPUTS:
            frame = getattr(self, name)
            if frame is not None:
                yield name, frame

    def __repr__(self) -> str:
        return f"Tables({', '.join(f'{name}: {frame.height:,} rows' for name, frame in self)})"

    def replace(self, **tables: TableLike | None) -> "Tables":
        """Return a copy with some tables replaced (None removes one)."""
        return _rebuild({**self._given(), **tables})

    def _given(self) -> dict[str, Given]:
        return {name: Given(frame, fields=self._fields.get(name, {})) for name, frame in self}

    def encoded(self) -> "Tables":
        """Return the same tables with ids and industries as codes (polars Enum), as fast as integers.

        Tables that may be absent become empty ones, so that every frame has columns of the same types. For
        computations; to users ids are text. Made once; shares every column that is not an id.
        """
        if self._encoded is None:
            object.__setattr__(self, "_encoded", self._encode())
        return self._encoded  # type: ignore[return-value]

    def _encode(self) -> "Tables":
        frames = dict(self)
        for name, schema in INPUTS.items():
            if name not in NULLABLE_TABLES and name not in frames:
                frames[name] = pl.DataFrame(schema=schema.polars)
        columns = [(frame, name) for frame in frames.values() for name in ID_COLUMNS if name in frame.columns]
        # All at once: every cast goes through all codes.
        ids = pl.concat([frame[name] for frame, name in columns])
        ids = ids.cast(pl.Enum(ids.unique().drop_nulls().sort()))
        for frame, name in columns:
            coded, ids = ids.head(frame.height), ids.slice(frame.height)
            frame.replace_column(frame.get_column_index(name), coded.alias(name))
        universe = frames.get("universe")
        if universe is not None and "industry" in universe.columns:
            industries = pl.Enum(universe["industry"].drop_nulls().unique().sort())
            frames["universe"] = universe.with_columns(pl.col("industry").cast(industries))
        return Tables.unchecked(frames)

    @classmethod
    def unchecked(cls, frames: Mapping[str, pl.DataFrame]) -> "Tables":
        """Return tables of frames that were made from validated ones: rows left out, ids as codes."""
        tables = object.__new__(cls)
        tables._fill(dict(frames), {})
        return tables

    def to_arrow(self, table: str) -> "pa.Table":
        """Return one table as Arrow, for anything that speaks ``__arrow_c_stream__``.

        Parameters
        ----------
        table : str
            Its name.

        Returns
        -------
        pyarrow.Table
            Columns are date32, large_string, float64 and bool, with description, unit and range in the metadata of
            the fields. Numbers without nulls are shared, not copied. A table that came as an Arrow stream keeps what
            its fields said beside that, and an extension type that is stored as one of these types.

        Raises
        ------
        DataError
            The table is not there.

        Examples
        --------
        >>> from datetime import date
        >>> rates = kf.Tables(fx={"date": [date(2024, 1, 31)], "currency": ["EUR"], "usd_per_unit": [1.08]})
        >>> field = rates.to_arrow("fx").schema.field("usd_per_unit")
        >>> field.type, field.metadata[b"unit"], field.metadata[b"range"]
        (DataType(double), b'USD', b'[1e-12, 1e+06]')
        """
        frame: pl.DataFrame | None = getattr(self, table) if table in INPUTS else None
        if frame is None:
            raise DataError(f"there is no table {table!r} here; there are {', '.join(n for n, _ in self)}.")
        schema = INPUTS[table].arrow(tuple(frame.columns))
        return to_arrow(frame, with_fields(schema, self._fields.get(table, {})))

    def contents(self) -> dict[str, Content]:
        """Return digests of what each table says, by the day it was known; found once, and kept."""
        for name, frame in self:
            if name not in self._contents:
                self._contents[name] = content(INPUTS[name], frame)
        return dict(self._contents)

    def fingerprints(self) -> dict[str, str]:
        """Return a stable digest of everything in each table that can change a score; names and sources cannot."""
        return fingerprints(self.contents())


def _rebuild(given: Mapping[str, TableLike | Given | None]) -> Tables:
    return Tables(**given)  # type: ignore[arg-type]


def _unpickled(
    frames: dict[str, pl.DataFrame], fields: Mapping[str, Mapping[str, Any]], release: str
) -> Tables:
    if release != __version__:
        # Another release may have other rules.
        return _rebuild({name: Given(frame, fields=fields.get(name, {})) for name, frame in frames.items()})
    tables = Tables.unchecked(frames)
    tables._fill(frames, fields)  # noqa: SLF001
    return tables
