"""Arrow streams, to and from every library that speaks them: values, types, nulls, metadata, and shared memory."""

import pickle
from datetime import date, datetime

import arro3.core as arro3
import duckdb
import nanoarrow
import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.errors import DataError, MissingColumnError
from kifactors.schema import INPUTS, SCORES
from tests import worlds

DATES = worlds.DATES[-4::2]


@pytest.fixture(scope="module")
def tables():
    names = {"asset_id": ["a0", "a1"], "ticker": ["AAA", None], "name": [None, "Ä \N{SNOWMAN}"]}
    return kf.Tables(**worlds.build(7), assets=names)


@pytest.fixture(scope="module")
def scores(tables):
    return kf.AIInfrastructureExposure().compute(tables, DATES)


def nulls(rows):
    """Write pandas' NaN as null."""
    return [tuple(None if x is None or x != x else x for x in row) for row in rows]


def rows_of(columns):
    return list(zip(*columns, strict=True))


def pandas_rows(frame):
    return nulls(rows_of(frame[name].tolist() for name in frame.columns))


# Of each library: how it takes a stream, and the rows and types that it then says it has.
TAKE = {
    "pyarrow": pa.table,
    "pandas": pd.DataFrame.from_arrow,
    "polars": pl.DataFrame,
    "duckdb": duckdb.from_arrow,
    "nanoarrow": nanoarrow.ArrayStream,
    "arro3": arro3.Table,
    "narwhals-polars": lambda data: narwhals.DataFrame.from_arrow(data, backend="polars"),
    "narwhals-pyarrow": lambda data: narwhals.DataFrame.from_arrow(data, backend="pyarrow"),
    "narwhals-pandas": lambda data: narwhals.from_native(pd.DataFrame.from_arrow(data)),
}
ROWS = {
    "pyarrow": lambda got: rows_of(column.to_pylist() for column in got.columns),
    "pandas": pandas_rows,
    "polars": lambda got: got.rows(),
    "duckdb": lambda got: got.fetchall(),
    "nanoarrow": lambda got: [tuple(row.values()) for row in got.read_all().to_pylist()],
    "arro3": lambda got: rows_of(column.to_pylist() for column in got.columns),
    "narwhals-polars": lambda got: got.rows(),
    "narwhals-pyarrow": lambda got: got.rows(),
    "narwhals-pandas": lambda got: pandas_rows(got.to_native()),
}
# Types as each library writes them, of: dates, text, numbers, truth.
TYPES = {
    "pyarrow": ("date32[day]", "large_string", "double", "bool"),
    "pandas": ("object", "str", "float64", "bool"),
    "polars": ("Date", "String", "Float64", "Boolean"),
    "duckdb": ("DATE", "VARCHAR", "DOUBLE", "BOOLEAN"),
    "nanoarrow": ("date32", "large_string", "double", "bool"),
    "arro3": ("Date32", "LargeUtf8", "Float64", "Boolean"),
    "narwhals-polars": ("Date", "String", "Float64", "Boolean"),
    "narwhals-pyarrow": ("Date", "String", "Float64", "Boolean"),
    "narwhals-pandas": ("Object", "String", "Float64", "Boolean"),
}
KEEP_METADATA = {"pyarrow", "nanoarrow", "arro3"}


def types_of(library, got):
    if library == "pandas":
        return [str(dtype) for dtype in got.dtypes]
    if library == "duckdb":
        return [str(dtype) for dtype in got.types]
    if library == "nanoarrow":
        return [field.type.name.lower().replace("string_view", "view") for field in got.schema.fields]
    if library == "arro3":
        return [str(field.type).split("<")[1].split(">")[0] for field in got.schema]
    if library == "pyarrow":
        return [str(dtype) for dtype in got.schema.types]
    return [str(dtype) for dtype in (got.schema.dtypes() if library == "polars" else got.schema.values())]


def expected_types(library, schema):
    order = (pl.Date, pl.String, pl.Float64, pl.Boolean)
    return [TYPES[library][order.index(dtype)] for dtype in schema.values()]


# Out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", TAKE)
def test_scores_reach_every_library_as_they_are(scores, library):
    frame = scores.to_polars()
    assert frame.null_count().transpose().to_series().sum() > 0
    got = TAKE[library](scores)
    assert types_of(library, got) == expected_types(library, frame.schema)
    assert ROWS[library](got) == frame.rows()


@pytest.mark.parametrize("library", TAKE)
@pytest.mark.parametrize("name", INPUTS)
def test_tables_reach_every_library_as_they_are(tables, library, name):
    frame = getattr(tables, name)
    got = TAKE[library](tables.to_arrow(name))
    types = expected_types(library, frame.schema)
    if "pandas" in library:
        # A pandas column of nothing but nulls, or of truth with nulls, is an object.
        types = [
            seen if seen.lower() == "object" and frame[column].null_count() else wanted
            for column, wanted, seen in zip(frame.columns, types, types_of(library, got), strict=True)
        ]
    assert types_of(library, got) == types
    assert ROWS[library](got) == frame.rows()


@pytest.mark.parametrize("library", TAKE)
def test_scores_without_rows_are_a_table_without_rows(scores, library):
    theta = {"asset_id": ["a"], "share": [0.0], "available_at": [date(2024, 1, 1)], "provenance": ["assumed"]}
    nobody = kf.AIInfrastructureExposure().compute(kf.Tables(ai_capex_share=theta), ["2023-12-31"])
    assert len(nobody) == 0
    got = TAKE[library](nobody)
    if "pandas" not in library:
        assert types_of(library, got) == expected_types(library, nobody.to_polars().schema)
    assert ROWS[library](got) == []


@pytest.mark.parametrize("library", sorted(KEEP_METADATA))
def test_provenance_and_units_reach_the_libraries_that_keep_metadata(scores, library):
    got = pa.schema(pa.table(TAKE[library](scores)).schema)
    ours = scores.to_arrow().schema
    assert got.metadata[b"kifactors"] == ours.metadata[b"kifactors"]
    assert [field.metadata for field in got] == [field.metadata for field in ours]
    assert got.field("exposure").metadata[b"unit"] == b"fraction"


# In -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", TAKE)
def test_tables_come_from_every_library_as_they_were(tables, library):
    given = {name: TAKE[library](tables.to_arrow(name)) for name, _ in tables}
    again = kf.Tables(**given)
    for name, frame in tables:
        assert_frame_equal(getattr(again, name), frame, check_exact=True)
    assert again.fingerprints() == tables.fingerprints()


@pytest.mark.parametrize("library", sorted(KEEP_METADATA))
def test_scores_come_back_from_the_libraries_that_keep_metadata(scores, library):
    again = kf.Scores.from_arrow(TAKE[library](scores))
    assert_frame_equal(again.to_polars(), scores.to_polars(), check_exact=True)
    assert_frame_equal(again.diagnostics, scores.diagnostics, check_exact=True)
    for name in ("definition", "inputs", "dates", "history", "release"):
        assert getattr(again, name) == getattr(scores, name)


def test_scores_come_from_scores_and_readers(scores):
    for stream in (scores, scores.to_arrow().to_reader(), arro3.RecordBatchReader.from_stream(scores)):
        assert_frame_equal(kf.Scores.from_arrow(stream).to_polars(), scores.to_polars(), check_exact=True)


@pytest.mark.parametrize("library", sorted(set(TAKE) - KEEP_METADATA - {"narwhals-pyarrow"}))
def test_scores_from_a_library_that_drops_metadata_are_refused(scores, library):
    with pytest.raises(
        DataError, match=r"scores carries no kifactors provenance.*hand on the scores themselves"
    ):
        kf.Scores.from_arrow(TAKE[library](scores))


@pytest.mark.parametrize("given", [3, None, "scores.parquet", {"date": []}, [1]], ids=str)
def test_scores_are_made_of_nothing_but_arrow(given):
    with pytest.raises(DataError, match=r"scores: expected an Arrow table.*kf\.read_scores"):
        kf.Scores.from_arrow(given)


def test_a_named_index_and_a_lazy_frame_come_through_narwhals(tables):
    frame = tables.universe.drop_nulls()
    indexed = frame.to_pandas().set_index(["date", "asset_id"])
    for wrapped in (narwhals.from_native(indexed), narwhals.from_native(frame.lazy())):
        assert_frame_equal(kf.Tables(universe=wrapped).universe, frame, check_exact=True)


UNIVERSE = {
    "date": pa.array([date(2022, 12, 31)] * 4, pa.date32()),
    "asset_id": pa.array(["a", "b", "c", "d"], pa.large_string()),
    "industry": pa.array([None, "chips", "cloud", None], pa.large_string()),
    "market_cap": pa.array([None, 2e9, 0.1 + 0.2, None]),
    "estimation": pa.array([True, False, True, True]),
}
MIDNIGHT = datetime(2022, 12, 31)
CODES = pa.array([None, 1, 0, None], pa.uint32())
ENCODED = {
    "string": {"industry": UNIVERSE["industry"].cast(pa.string())},
    "string_view": {"industry": UNIVERSE["industry"].cast(pa.string_view())},
    "dictionary": {"industry": UNIVERSE["industry"].dictionary_encode()},
    "dictionary of views": {
        "industry": pa.DictionaryArray.from_arrays(CODES, pa.array(["cloud", "chips"], pa.string_view()))
    },
    "dictionary with a null value": {
        "industry": pa.DictionaryArray.from_arrays(pa.array([2, 1, 0, 2]), pa.array(["cloud", "chips", None]))
    },
    "runs": {"industry": pc.run_end_encode(UNIVERSE["industry"].cast(pa.string()))},
    "date64": {"date": UNIVERSE["date"].cast(pa.date64())},
    "seconds": {"date": pa.array([MIDNIGHT] * 4, pa.timestamp("s"))},
    "nanoseconds": {"date": pa.array([MIDNIGHT] * 4, pa.timestamp("ns"))},
    "runs of dates": {"date": pc.run_end_encode(UNIVERSE["date"])},
    "json": {"industry": pa.ExtensionArray.from_storage(pa.json_(pa.large_string()), UNIVERSE["industry"])},
}
THROUGH = {
    "pyarrow": lambda table: table,
    "nanoarrow": nanoarrow.ArrayStream,
    "arro3": arro3.Table,
    "reader": lambda table: table.to_reader(),
    # One batch is no stream, but an array of structs.
    "array": lambda table: arro3.Table(table).combine_chunks().to_batches()[0],
}
EXPECTED = [
    (date(2022, 12, 31), "a", None, None, True),
    (date(2022, 12, 31), "b", "chips", 2e9, False),
    (date(2022, 12, 31), "c", "cloud", 0.1 + 0.2, True),
    (date(2022, 12, 31), "d", None, None, True),
]


# Runs are known to pyarrow only.
CASES = [
    (encoding, through)
    for encoding in ENCODED
    for through in THROUGH
    if not encoding.startswith("runs") or through in {"pyarrow", "reader"}
]


@pytest.mark.parametrize(("encoding", "through"), CASES)
def test_values_come_in_whatever_they_are_encoded_as(encoding, through):
    table = pa.table({**UNIVERSE, **ENCODED[encoding]})
    assert kf.Tables(universe=THROUGH[through](table)).universe.rows() == EXPECTED


def cuts(table):
    """Return the same table in chunks: one row each with nothing between, and slices of something longer."""
    longer = pa.concat_tables([table[1:3], table, table[2:]]).combine_chunks()
    yield pa.concat_tables([table[:1], table[:0], table[1:2], table[2:]])
    yield longer.slice(2, 4)
    yield pa.concat_tables([longer.slice(2, 1), longer.slice(3, 3)])


@pytest.mark.parametrize("through", ["pyarrow", "nanoarrow", "arro3", "reader"])
@pytest.mark.parametrize("encoding", ["string_view", "dictionary", "date64", "json"])
def test_chunks_and_slices_come_in_whole(encoding, through):
    for cut in cuts(pa.table({**UNIVERSE, **ENCODED[encoding]})):
        assert kf.Tables(universe=THROUGH[through](cut)).universe.rows() == EXPECTED


@pytest.mark.parametrize(
    "times",
    [
        pa.array([datetime(2022, 12, 31), datetime(2022, 12, 31, 16)], pa.timestamp("us")),
        pa.array([datetime(2022, 12, 31)] * 2, pa.timestamp("us", "America/New_York")),
    ],
    ids=["a time of day", "a time zone"],
)
@pytest.mark.parametrize("library", ["pyarrow", "duckdb", "nanoarrow", "arro3", "narwhals-pyarrow"])
def test_times_that_are_no_dates_are_refused(library, times):
    if library == "narwhals-pyarrow":
        data = narwhals.from_native(pa.table({"date": times, "asset_id": ["a", "b"]}))
    else:
        data = TAKE[library](pa.table({"date": times, "asset_id": ["a", "b"]}))
    with pytest.raises(DataError, match=r"universe: column 'date' is Datetime.*expected Date"):
        kf.Tables(universe=data)


@pytest.mark.parametrize("library", TAKE)
def test_a_stream_without_rows_is_refused(library):
    with pytest.raises(DataError, match="universe has no rows"):
        kf.Tables(universe=TAKE[library](pa.table(UNIVERSE)[:0]))


def test_a_stream_without_batches_is_refused():
    empty = pa.RecordBatchReader.from_batches(pa.table(UNIVERSE).schema, [])
    with pytest.raises(DataError, match="universe has no rows"):
        kf.Tables(universe=empty)


def breaks_off():
    table = pa.table(UNIVERSE)

    def batches():
        yield from table.to_batches()
        raise RuntimeError("the disk is gone")

    return pa.RecordBatchReader.from_batches(table.schema, batches())


def read_before():
    stream = nanoarrow.ArrayStream(pa.table(UNIVERSE))
    pa.table(stream)
    return stream


def no_capsule():
    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            return 3

    return Stream()


def wrong_extension():
    field = pa.field("asset_id", pa.large_string(), metadata={"ARROW:extension:name": "arrow.uuid"})
    wrong = pa.schema([field if name == "asset_id" else (name, x.type) for name, x in UNIVERSE.items()])
    return arro3.Table(pa.table(UNIVERSE, schema=wrong))


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (breaks_off, "the disk is gone"),
        (read_before, "released"),
        (no_capsule, "PyCapsule"),
        (lambda: pa.chunked_array([[1, 2]]), "non-struct"),
        (wrong_extension, "Invalid storage type"),
    ],
    ids=["breaks off", "read before", "no capsule", "no struct", "wrong extension"],
)
def test_a_stream_that_cannot_be_read_is_an_error_of_ours(make, part):
    with pytest.raises(DataError, match=rf"universe: the Arrow stream cannot be read \(.*{part}"):
        kf.Tables(universe=make())
    with pytest.raises(DataError, match=rf"mine: the Arrow stream cannot be read \(.*{part}"):
        kf.Scores.from_arrow(make(), what="mine")


def test_a_stream_that_lacks_a_column_names_it(scores):
    with pytest.raises(MissingColumnError, match="universe lacks column 'asset_id'"):
        kf.Tables(universe=arro3.Table(pa.table(UNIVERSE).drop_columns(["asset_id"])))
    with pytest.raises(MissingColumnError, match="scores lacks column 'role'"):
        kf.Scores.from_arrow(arro3.Table(scores.to_arrow().drop_columns(["role"])))


# Memory ---------------------------------------------------------------------------------------------------


def polars_addresses(values):
    return [chunk.to_numpy(allow_copy=False).ctypes.data for chunk in values.get_chunks()]


def arrow_addresses(column):
    return [chunk.buffers()[1].address + 8 * chunk.offset for chunk in column.chunks]


def known(frame):
    """Name the float64 columns without nulls."""
    names = [c.name for c in frame if c.dtype == pl.Float64 and not c.null_count()]
    assert names
    return names


def nanoarrow_addresses(scores, name):
    column = nanoarrow.Array(scores).child(scores.to_polars().columns.index(name))
    return [np.asarray(column.buffers[1]).ctypes.data]


ADDRESSES = {
    "pyarrow": lambda scores, name: arrow_addresses(pa.table(scores)[name]),
    "numpy": lambda scores, name: [pa.table(scores)[name].chunk(0).to_numpy(zero_copy_only=True).ctypes.data],
    "polars": lambda scores, name: polars_addresses(pl.DataFrame(scores)[name]),
    "nanoarrow": nanoarrow_addresses,
    "arro3": lambda scores, name: arrow_addresses(pa.chunked_array(arro3.Table(scores).column(name))),
    "narwhals": lambda scores, name: polars_addresses(
        narwhals.DataFrame.from_arrow(scores, backend="polars").to_native()[name]
    ),
}


@pytest.mark.parametrize("library", ADDRESSES)
def test_known_numbers_of_scores_are_shared(scores, library):
    frame = scores.to_polars()
    for name in known(frame):
        assert ADDRESSES[library](scores, name) == polars_addresses(frame[name])


def test_known_numbers_of_tables_are_shared(tables):
    shared = 0
    for name, frame in tables:
        table = tables.to_arrow(name)
        for column in frame:
            if column.dtype == pl.Float64 and not column.null_count():
                assert arrow_addresses(table[column.name]) == polars_addresses(column)
                shared += 1
    assert shared > 3


def test_numbers_in_chunks_of_their_own_are_shared(scores):
    """Columns of one frame need not have the same chunks."""
    whole = scores.to_polars()
    name, other = known(whole)[:2]
    frame = pl.concat([whole[:2], whole[2:]], rechunk=False).with_columns(whole[other])
    assert (frame[name].n_chunks(), frame[other].n_chunks()) == (2, 1)
    again = kf.Scores(
        frame, scores.definition, inputs=scores.inputs, dates=scores.dates, diagnostics=scores.diagnostics
    )
    table = again.to_arrow()
    assert arrow_addresses(table[name]) == polars_addresses(frame[name])
    assert arrow_addresses(table[other]) == polars_addresses(frame[other])
    assert_frame_equal(pl.DataFrame(again), whole, check_exact=True)


def test_sorted_streams_come_in_without_a_copy(tables, scores):
    table = tables.to_arrow("fundamentals")
    got = kf.Tables(fundamentals=arro3.Table(table)).fundamentals
    assert polars_addresses(got["value"]) == arrow_addresses(table["value"])
    frame = scores.to_polars()
    again = kf.Scores.from_arrow(scores).to_polars()
    for name in known(frame):
        assert polars_addresses(again[name]) == polars_addresses(frame[name])


@pytest.mark.parametrize("seed", range(3))
def test_streams_in_any_order_are_sorted(tables, seed):
    rng = np.random.default_rng(seed)
    for name, frame in tables:
        table = tables.to_arrow(name)
        got = tables.replace(**{name: table.take(rng.permutation(table.num_rows))})
        assert_frame_equal(getattr(got, name), frame, check_exact=True)
        assert got.fingerprints().get(name) == tables.fingerprints().get(name)


@pytest.mark.parametrize("start", [None, date(2020, 1, 1)], ids=["null", "date"])
def test_rows_with_a_null_in_their_key_come_first(start):
    given = {
        "asset_id": ["a", "a", "b"],
        "valid_from": [date(2021, 1, 1), start, None],
        "ticker": ["A", "B", "C"],
    }
    rates = {"date": [date(2024, 1, 1)], "currency": ["EUR"], "usd_per_unit": [1.0]}
    got = kf.Tables(assets=pl.DataFrame(given).to_arrow(), fx=rates).assets
    assert got["ticker"].to_list() == ["B", "A", "C"]


def test_what_the_caller_may_change_is_copied():
    values = np.array([0.25, 0.5])
    rest = {"asset_id": ["a", "b"], "available_at": [date(2024, 1, 1)] * 2, "provenance": ["assumed"] * 2}
    forms = (
        pl.DataFrame({**rest, "share": values}),
        pd.DataFrame({**rest, "share": values}, copy=False),
        narwhals.from_native(pd.DataFrame({**rest, "share": values}, copy=False)),
        narwhals.from_native(pl.DataFrame({**rest, "share": values})),
        {**rest, "share": values},
    )
    made = [kf.Tables(ai_capex_share=form) for form in forms]
    values[:] = 1.0
    assert [tables.ai_capex_share["share"].to_list() for tables in made] == [[0.25, 0.5]] * len(forms)


# A requested schema ---------------------------------------------------------------------------------------


def requested(scores, **types):
    ours = scores.to_arrow().schema
    wanted = pa.schema([(field.name, types.get(field.name, field.type)) for field in ours])
    return pa.table(Capsule(scores.__arrow_c_stream__(wanted.__arrow_c_schema__())))


class Capsule:
    def __init__(self, capsule):
        self.capsule = capsule

    def __arrow_c_stream__(self, requested_schema=None):
        return self.capsule


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("asset_id", pa.string()),
        ("ticker", pa.string_view()),
        ("role", pa.dictionary(pa.int32(), pa.string())),
        ("date", pa.date64()),
        ("date", pa.timestamp("ns")),
    ],
    ids=str,
)
def test_a_requested_representation_is_given_without_loss(scores, column, dtype):
    got = requested(scores, **{column: dtype})
    assert got.schema.field(column).type == dtype
    assert got.schema.metadata[b"kifactors"], "the request says nothing of metadata, so ours stays"
    assert got.schema.field("exposure").metadata[b"unit"] == b"fraction"
    again = kf.Scores.from_arrow(got)
    assert_frame_equal(again.to_polars(), scores.to_polars(), check_exact=True)


def test_a_requested_float32_is_rounded(scores):
    got = requested(scores, exposure=pa.float32())["exposure"]
    assert got.type == pa.float32()
    assert got.to_pylist() == scores.to_polars()["exposure"].cast(pl.Float32).to_list()


def test_the_schema_of_the_scores_may_be_requested(scores):
    assert requested(scores).equals(scores.to_arrow(), check_metadata=True)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("exposure", pa.string()),
        ("exposure", pa.int64()),
        ("date", pa.string()),
        ("date", pa.timestamp("us", "UTC")),
        ("role", pa.float64()),
        ("role", pa.large_binary()),
    ],
    ids=str,
)
def test_a_request_for_other_values_is_refused(scores, column, dtype):
    with pytest.raises(DataError, match=f"scores: column '{column}' is requested as"):
        requested(scores, **{column: dtype})


@pytest.mark.parametrize(
    "wanted",
    [
        pa.schema([("exposure", pa.float64())]),
        pa.schema([(name.upper(), pa.float64()) for name in SCORES.names]),
        pa.schema(list(reversed(list(SCORES.arrow())))),
    ],
    ids=["fewer", "renamed", "another order"],
)
def test_a_request_for_other_columns_is_refused(scores, wanted):
    with pytest.raises(DataError, match="a request may change types only"):
        scores.__arrow_c_stream__(wanted.__arrow_c_schema__())


# What fields say of themselves ----------------------------------------------------------------------------


class Isin(pa.ExtensionType):
    def __init__(self):
        super().__init__(pa.large_string(), "tests.isin")

    def __arrow_ext_serialize__(self):
        return b"of ISO 6166"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        assert serialized == b"of ISO 6166"
        return cls()


@pytest.fixture
def isin():
    pa.register_extension_type(Isin())
    yield Isin()
    pa.unregister_extension_type("tests.isin")


def with_metadata(column, metadata, dtype=None):
    fields = [pa.field(name, values.type) for name, values in UNIVERSE.items()]
    at = list(UNIVERSE).index(column)
    fields[at] = pa.field(column, dtype or fields[at].type, metadata=metadata)
    return pa.table(UNIVERSE).cast(pa.schema(fields))


COPIES = {
    "itself": lambda tables: tables,
    "pickle": lambda tables: pickle.loads(pickle.dumps(tables)),
    "replace": lambda tables: tables.replace(fx={"date": [date(2024, 1, 1)], "currency": ["EUR"], "usd_per_unit": [1]}),
    "arrow": lambda tables: kf.Tables(universe=tables.to_arrow("universe")),
    "nanoarrow": lambda tables: kf.Tables(universe=nanoarrow.ArrayStream(tables.to_arrow("universe"))),
    "arro3": lambda tables: kf.Tables(universe=arro3.Table(tables.to_arrow("universe"))),
}  # fmt: skip


@pytest.mark.parametrize("copy", COPIES)
def test_what_a_field_says_survives_beside_the_units(copy):
    given = with_metadata("market_cap", {"vendor": "exchange", "unit": "EUR"})
    field = COPIES[copy](kf.Tables(universe=given)).to_arrow("universe").schema.field("market_cap")
    assert field.metadata[b"vendor"] == b"exchange"
    assert field.metadata[b"unit"] == b"USD", "the unit is the one the column is declared with"


@pytest.mark.parametrize("copy", COPIES)
def test_an_extension_type_survives(isin, copy):
    tables = COPIES[copy](kf.Tables(universe=with_metadata("asset_id", None, isin)))
    assert tables.universe["asset_id"].dtype == pl.String
    table = tables.to_arrow("universe")
    assert table.schema.field("asset_id").type == isin
    assert table["asset_id"].to_pylist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("copy", COPIES)
def test_an_extension_type_that_nobody_registered_survives(copy):
    said = {"ARROW:extension:name": "tests.unknown", "ARROW:extension:metadata": "of the desk"}
    tables = COPIES[copy](kf.Tables(universe=with_metadata("asset_id", said)))
    field = tables.to_arrow("universe").schema.field("asset_id")
    assert field.type == pa.large_string()
    assert field.metadata[b"ARROW:extension:name"] == b"tests.unknown"
    assert field.metadata[b"ARROW:extension:metadata"] == b"of the desk"


def test_an_extension_of_another_storage_becomes_the_canonical_type():
    said = {"ARROW:extension:name": "tests.unknown", "vendor": "exchange"}
    tables = kf.Tables(universe=with_metadata("asset_id", said, pa.string()))
    field = tables.to_arrow("universe").schema.field("asset_id")
    assert field.type == pa.large_string()
    assert b"ARROW:extension:name" not in field.metadata
    assert field.metadata[b"vendor"] == b"exchange"


def test_a_replaced_table_says_what_the_new_one_says():
    tables = kf.Tables(universe=with_metadata("market_cap", {"vendor": "exchange"}))
    again = tables.replace(universe=pa.table(UNIVERSE))
    assert b"vendor" not in again.to_arrow("universe").schema.field("market_cap").metadata


@pytest.mark.parametrize(
    "damaged",
    [
        {b"\xff\xfe": b"\xff"},
        {"ARROW:extension:name": b"\xff\xfe", "ARROW:extension:metadata": b"\xff"},
        {"unit": b"\xff"},
        {"ARROW:extension:name": ""},
        {"_PL_ENUM_VALUES2": "9;ab"},
    ],
    ids=str,
)
@pytest.mark.parametrize("through", ["pyarrow", "nanoarrow", "reader"])
def test_damaged_metadata_stops_nobody(damaged, through, scores):
    given = THROUGH[through](with_metadata("asset_id", damaged))
    tables = kf.Tables(universe=given)
    assert tables.universe.rows() == EXPECTED
    # Nor the next reader.
    assert pl.DataFrame(tables.to_arrow("universe")).rows() == EXPECTED
    table = scores.to_arrow()
    fields = [field.with_metadata(damaged) for field in table.schema]
    broken = pa.Table.from_arrays(table.columns, schema=pa.schema(fields, table.schema.metadata))
    again = kf.Scores.from_arrow(THROUGH[through](broken))
    assert_frame_equal(again.to_polars(), scores.to_polars(), check_exact=True)
