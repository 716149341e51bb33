"""`Scores`: the result table, with the definition and the inputs that made it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from kifactors import __version__
from kifactors.asof import History
from kifactors.calendar import parse_date
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.schema import SCORES, ArrowStream, as_requested, check, coerce, from_stream, to_arrow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["METADATA_KEY", "Scores"]

METADATA_KEY = b"kifactors"
FORMAT = 2
# Format 1 has neither release nor history: such scores can be read, not continued.
READABLE = (1, FORMAT)
KEY = ("date", "asset_id")


class Scores:
    """Dated exposures and scores, immutable; made by `AIInfrastructureExposure.compute` or `read_scores`.

    Speaks ``__arrow_c_stream__``: ``pyarrow.table(scores)``, ``polars.DataFrame(scores)``,
    ``duckdb.sql("from scores")`` take it as it is, with numbers shared and not copied. A schema that a reader asks for
    may change how values are stored (string_view, timestamps), not which columns there are.

    Parameters
    ----------
    frame : polars.DataFrame
        The columns of `kifactors.schema.SCORES`, sorted and unique on (date, asset_id).
    definition : FactorDefinition
        The definition that made it.
    inputs : mapping of str to str
        Digest of the content of each input table.
    dates : iterable of date
        The dates that were computed; one without any asset has no rows.
    diagnostics : polars.DataFrame
        A row per date: assets, known, tie_sweeps, tie_error_bound, neutral_score.
    history : History, optional
        Digests of what was known by the last date. None: unknown, and the scores cannot be continued.
    release : str, optional
        The release of this library that made them; absent: this one.
    """

    __slots__ = ("_diagnostics", "_frame", "_inputs", "dates", "definition", "history", "release")

    dates: tuple[date, ...]
    definition: FactorDefinition
    history: History | None
    release: str | None
    _frame: pl.DataFrame
    _diagnostics: pl.DataFrame
    _inputs: dict[str, str]

    def __init__(
        self,
        frame: pl.DataFrame,
        definition: FactorDefinition,
        *,
        inputs: Mapping[str, str],
        dates: Iterable[date],
        diagnostics: pl.DataFrame,
        history: History | None = None,
        release: str | None = __version__,
    ) -> None:
        object.__setattr__(self, "_frame", frame)
        object.__setattr__(self, "_diagnostics", diagnostics)
        object.__setattr__(self, "_inputs", dict(inputs))
        object.__setattr__(self, "dates", tuple(dates))
        object.__setattr__(self, "definition", definition)
        object.__setattr__(self, "history", history)
        object.__setattr__(self, "release", release)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Scores is immutable; compute again, or work on scores.to_polars().")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Scores is immutable; compute again, or work on scores.to_polars().")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (
            self._frame,
            self.definition,
            {
                "inputs": self._inputs,
                "dates": self.dates,
                "diagnostics": self._diagnostics,
                "history": self.history,
                "release": self.release,
            },
        )

    def __len__(self) -> int:
        return self._frame.height

    def __repr__(self) -> str:
        span = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) > 1 else str(self.dates[0])
        return (
            f"Scores({len(self.dates)} date(s), {span}, {self._frame['asset_id'].n_unique()} assets, "
            f"definition {self.definition.fingerprint()[:8]})\n{self._frame}"
        )

    def _repr_html_(self) -> str:
        return self._frame._repr_html_()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        table = self.to_arrow()
        if requested_schema is not None:
            table = as_requested("scores", table, requested_schema)
        return table.__arrow_c_stream__()

    @property
    def inputs(self) -> dict[str, str]:
        """Digest of the content of each input table."""
        return dict(self._inputs)

    @property
    def diagnostics(self) -> pl.DataFrame:
        """A row per date: assets, known, tie_sweeps, tie_error_bound, and why a neutral score is missing."""
        return self._diagnostics.clone()

    def to_polars(self) -> pl.DataFrame:
        """Return the long frame, sorted on (date, asset_id)."""
        # A clone shares the data and keeps an assignment to it from reaching the scores.
        return self._frame.clone()

    def to_arrow(self) -> "pa.Table":
        """Return an Arrow table: date32, large_string, float64; definition and fingerprints in its metadata.

        Numbers are shared with the scores, not copied. The metadata of the fields tell units and ranges.
        """
        schema = SCORES.arrow().with_metadata({METADATA_KEY: json.dumps(self._provenance()).encode()})
        return to_arrow(self._frame, schema)

    def to_pandas(self) -> "pd.DataFrame":
        """Return a pandas frame with a (date, asset_id) index; dates are datetime64, unknown numbers NaN."""
        import pandas as pd

        columns = {
            c.name: c.to_list() if c.dtype == pl.String else c.to_numpy() for c in self._frame.iter_columns()
        }
        return pd.DataFrame(columns).set_index(list(KEY))

    def at(self, day: str | date) -> "Scores":
        """Return the scores of one computed date.

        Parameters
        ----------
        day : str or date
            One of `dates`; ISO text is taken.

        Returns
        -------
        Scores
            The rows of that date; none if no asset was eligible.

        Raises
        ------
        DateError
            The date was not computed; the nearest computed one is named.
        """
        wanted = parse_date(day)
        if wanted not in self.dates:
            nearest = min(self.dates, key=lambda known: abs((known - wanted).days))
            raise DateError(f"there are no scores for {wanted}; the nearest computed date is {nearest}.")
        return Scores(
            self._frame.filter(pl.col("date") == wanted),
            self.definition,
            inputs=self._inputs,
            dates=(wanted,),
            diagnostics=self._diagnostics.filter(pl.col("date") == wanted),
            history=self.history,
            release=self.release,
        )

    def top(self, n: int = 10, *, by: str = "exposure") -> pl.DataFrame:
        """Return the n largest of each date, largest first.

        Parameters
        ----------
        n : int
            How many of each date; fewer if fewer are known.
        by : str
            Column that ranks. Unknown values are left out, equal ones go by asset_id.

        Returns
        -------
        polars.DataFrame
            All columns.

        Raises
        ------
        MissingColumnError
            There is no such column.
        """
        self._check_column(by)
        place = pl.int_range(pl.len()).over("date")
        return (
            self._frame.filter(pl.col(by).is_not_null())
            .sort("date", by, "asset_id", descending=[False, True, False])
            .filter(place < max(n, 0))
        )

    def wide(self, column: str = "exposure") -> pl.DataFrame:
        """Return one column as date x asset.

        Parameters
        ----------
        column : str
            Any column but the key.

        Returns
        -------
        polars.DataFrame
            (computed dates, 1 + assets): ``date``, then a column per asset in the order of its key; null where
            unknown or not scored.

        Raises
        ------
        MissingColumnError
            There is no such column.
        """
        self._check_column(column)
        if (self._frame["asset_id"] == "date").any():
            raise DataError("an asset has the id 'date', which is a column here. Give the asset another id.")
        table = self._frame.pivot(on="asset_id", index="date", values=column, sort_columns=True)
        return pl.DataFrame({"date": self.dates}).join(table, on="date", how="left", maintain_order="left")

    def _check_column(self, column: str) -> None:
        if column not in self._frame.columns or column in KEY:
            names = ", ".join(name for name in self._frame.columns if name not in KEY)
            raise MissingColumnError(f"scores have no column {column!r}; they have {names}.")

    def _provenance(self) -> dict[str, Any]:
        content = {
            "format": FORMAT,
            "release": self.release,
            "definition": self.definition.to_toml(),
            "definition_fingerprint": self.definition.fingerprint(),
            "inputs": self._inputs,
            "uncovered": self.definition.supplier_ties.uncovered,
            "dates": [str(day) for day in self.dates],
            "diagnostics": self._diagnostics.drop("date").to_dict(as_series=False),
            "history": None if self.history is None else self.history.to_dict(),
        }
        return {**content, "digest": _digest(content)}

    @classmethod
    def from_arrow(cls, table: ArrowStream, *, what: str = "scores") -> "Scores":
        """Rebuild scores from an Arrow table that `to_arrow` made.

        Parameters
        ----------
        table : ArrowStream
            Anything that speaks ``__arrow_c_stream__`` and keeps the metadata of the schema: a table of pyarrow,
            nanoarrow or arro3 does; polars, pandas and duckdb drop it.
        what : str
            What the table is, named in errors: a path, for example.

        Raises
        ------
        DataError
            It is no Arrow stream; the provenance is missing, damaged or of another release; a column is missing or of
            another type; a value is outside its range, a key repeats, or a date was not computed.

        Examples
        --------
        >>> import pyarrow as pa
        >>> theta = {"asset_id": ["a"], "share": [0.0], "available_at": ["2024-01-01"], "provenance": ["assumed"]}
        >>> tables = kf.Tables(ai_capex_share=pl.DataFrame(theta).with_columns(pl.col("available_at").str.to_date()))
        >>> scores = kf.AIInfrastructureExposure().compute(tables, ["2024-01-31"])
        >>> kf.Scores.from_arrow(pa.table(scores)).inputs == scores.inputs
        True
        """
        if not (hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__")):
            raise DataError(
                f"{what}: expected an Arrow table, anything with __arrow_c_stream__; got {type(table).__name__}. Read "
                "files with kf.read_scores."
            )
        read = from_stream(what, table)
        definition, known = _read_provenance(read, what)
        dates = [date.fromisoformat(day) for day in known["dates"]]
        diagnostics = pl.DataFrame({"date": dates, **known["diagnostics"]})
        frame = check(SCORES, coerce(SCORES, read), drop_repeats=False, share=True)
        others = frame.filter(~pl.col("date").is_in(dates))
        if others.height:
            raise DataError(
                f"{what} has rows on {others['date'][0]}, which its provenance does not name as computed. Compute "
                "and write it again."
            )
        return cls(
            frame,
            definition,
            inputs=known["inputs"],
            dates=dates,
            diagnostics=diagnostics,
            history=known["history"],
            release=known.get("release"),
        )


def _read_provenance(table: "pa.Table", what: str) -> tuple[FactorDefinition, dict[str, Any]]:
    written = (table.schema.metadata or {}).get(METADATA_KEY)
    if written is None:
        raise DataError(
            f"{what} carries no kifactors provenance in its metadata. Write it with kf.write_scores, or hand on the "
            "scores themselves: polars, pandas and duckdb drop the metadata of a schema."
        )
    try:
        known = json.loads(written)
        digest = known.pop("digest")
        if known["format"] not in READABLE:
            raise DataError(f"it is of format {known['format']!r}; this release reads up to format {FORMAT}")
        if digest != _digest(known):
            raise DataError("its digest does not fit: it is damaged or was edited")
        definition = FactorDefinition.from_toml(known["definition"])
        fingerprint = known["definition_fingerprint"]
        history = known.get("history")
        known["history"] = None if history is None else History.from_dict(history)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{what} carries a provenance that cannot be read ({error}). Compute and write it again."
        ) from error
    if definition.fingerprint() != fingerprint:
        raise DataError(
            f"{what} was made by definition {fingerprint}, and the definition it carries gives "
            f"{definition.fingerprint()}. It was made by another release: compute it again."
        )
    return definition, known


def _digest(content: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def _rebuild(frame: pl.DataFrame, definition: FactorDefinition, options: dict[str, Any]) -> Scores:
    return Scores(frame, definition, **options)
