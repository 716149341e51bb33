"""companyfacts: equal to what is known of the real documents, and what is no such document is refused."""

import gzip
import json
import zipfile

import polars as pl
import pytest

from kifactors.errors import DataError
from kifactors.sources import Documents, Skips, TagMap, companyfacts, companyfacts_frame, merge, tagged
from tests.sec import DATA, companyfacts_files, document, needs_files

TAGS = TagMap.default()
ASSETS = "us-gaap:Assets"
ONE = [(ASSETS, "USD", None, "2023-12-31", 5, "2024-02-01")]


def rows(data, tags=TAGS):
    return companyfacts_frame([companyfacts(data, tags)])


def test_a_document_by_hand():
    data = document(
        [
            *ONE,
            ("us-gaap:Revenues", "USD", "2023-01-01", "2023-12-31", 7.5, "2024-02-01"),
            ("us-gaap:NotWanted", "USD", None, "2023-12-31", 1, "2024-02-01"),
            ("dei:EntityCommonStockSharesOutstanding", "shares", None, "2024-01-15", 3, "2024-02-01"),
        ],
        cik=320193,
    )
    found = rows(data)
    assert found["cik"].unique().to_list() == ["0000320193"]
    assert found.sort("tag").select("tag", "unit", "value").rows() == [
        ("dei:EntityCommonStockSharesOutstanding", "shares", 3.0),
        ("us-gaap:Assets", "USD", 5.0),
        ("us-gaap:Revenues", "USD", 7.5),
    ]
    assert companyfacts(data, TAGS).name == "One"


@pytest.fixture(scope="module")
def ours():
    filers = [companyfacts(data, TAGS) for data in companyfacts_files().values()]
    return tagged(companyfacts_frame(filers), TAGS, file="f", skips=Skips())


@pytest.fixture(scope="module")
def theirs(ours):
    known = pl.read_csv(DATA / "fundamentals_tagged.csv", infer_schema=False)
    return known.filter(pl.col("asset_id").is_in(ours["asset_id"].unique().implode())).with_columns(
        pl.col("value").cast(pl.Float64), pl.col("period_start", "period_end", "available_at").str.to_date()
    )


@needs_files
class TestRealFiles:
    """Nine filers whose facts were also taken out by others."""

    COLUMNS = ("asset_id", "metric", "tag", "period_start", "period_end", "value", "currency", "form",
               "available_at", "source")  # fmt: skip

    def test_every_fact_both_ways(self, ours, theirs):
        one = ours.filter(pl.col("metric").is_in(["capex", "revenue", "assets"])).select(
            "asset_id", "metric", pl.col("tag").str.replace("us-gaap:", ""), "period_start", "period_end", "value",
            "form", currency="unit", available_at="filed", source="accession",
        )  # fmt: skip
        assert theirs["asset_id"].n_unique() == 9
        assert theirs.height == 4993
        order = ["asset_id", "metric", "tag", "period_start", "period_end", "available_at", "source"]
        assert one.select(self.COLUMNS).sort(order).equals(theirs.select(self.COLUMNS).sort(order))

    def test_after_the_tag_order_too(self, ours, theirs):
        """The same rule on the other's rows, in plain Python."""
        order = {name.partition(":")[2]: k for k, name in enumerate(
            tag for metric in ("capex", "revenue", "assets") for group in TAGS.metrics[metric].groups for tag in group
        )}  # fmt: skip
        best, kept = {}, {}
        for row in sorted(
            theirs.rows(named=True),
            key=lambda r: (r["available_at"], order[r["tag"]], r["form"], r["source"]),
        ):
            period = (row["asset_id"], row["metric"], row["period_start"], row["period_end"])
            if order[row["tag"]] <= best.get(period, 99):
                best[period] = order[row["tag"]]
                kept.setdefault((*period, row["available_at"]), row["value"])
        done = merge(ours.rename({"filed": "available_at"}), {}, file="f", skips=Skips()).facts
        done = done.filter(pl.col("metric").is_in(["capex", "revenue", "assets"]))
        key = ("asset_id", "metric", "period_start", "period_end", "available_at")
        assert {row[:-1]: row[-1] for row in done.select(*key, "value").rows()} == kept

    def test_52_and_53_weeks(self, ours):
        """Walmart's year ends in January; NVIDIA's and Intel's have 52 or 53 weeks."""
        years = ours.filter(pl.col("metric") == "revenue").with_columns(
            days=(pl.col("period_end") - pl.col("period_start")).dt.total_days() + 1
        )
        nvidia = years.filter((pl.col("asset_id") == "cik:0001045810") & pl.col("days").is_between(350, 380))
        assert set(nvidia["days"].unique()) == {364, 371}

    def test_rolling_twelve_months_stand_as_filed(self, ours):
        """Amazon states twelve months in every quarterly report: the dates tell, not the form."""
        amazon = ours.filter(
            (pl.col("asset_id") == "cik:0001018724")
            & (pl.col("metric") == "capex")
            & (pl.col("form") == "10-Q")
            & ((pl.col("period_end") - pl.col("period_start")).dt.total_days() > 360)
        )
        assert amazon.height > 50

    def test_facts_dated_after_their_filing_are_left_out(self):
        """NVIDIA's cover page of August 2011 dates its float later than the filing's own day."""
        skips = Skips()
        data = companyfacts_files()["0001045810"]
        tagged(companyfacts_frame([companyfacts(data, TAGS)]), TAGS, file="f", skips=skips)
        assert skips.to_polars().select("filer", "reason", "rows").rows() == [
            ("cik:0001045810", "a period that ends after its filing", 1)
        ]


def broken(key, value):
    tree = json.loads(document(ONE))
    tree["facts"]["us-gaap"]["Assets"]["units"]["USD"][0][key] = value
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (document(ONE)[:-20], "truncated"),
        (b"[]", "Expected `object`"),
        (b"\xff\xfe" + document(ONE), "malformed"),
        (document(ONE).decode().encode("utf-16"), "malformed"),
        (document(ONE).replace(b"One", b"\xe9"), "utf-8"),
        (document(ONE).replace(b'"val": 5', b'"val": NaN'), "malformed"),
        (document(ONE).replace(b'"val": 5', b'"val": "5"'), "float"),
        (document(ONE).replace(b'"val": 5', b'"val": 1' + b"0" * 400), "out of range"),
        (document(ONE).replace(b'"val": 5', b'"val": 1e400'), "out of range"),
        (document(ONE).replace(b'"val": 5', b'"val": 5, "val": 6'), "'val' stands twice"),
        (document(ONE).replace(b'"units"', b'"units": {}, "units"'), "'units' stands twice"),
        (document(ONE).replace(b'"USD"', b'"USD": [], "USD"'), "'USD' stands twice"),
        (document(ONE).replace(b'"Assets": {', b'"Assets": {"units": {}}, "Assets": {'), "'Assets' stands twice"),
        (document(ONE).replace(b'"facts"', b'"facts": {}, "facts"'), "'facts' stands twice"),
        (document(ONE).replace(b'"cik": 1', b'"cik": 2, "cik": 1'), "'cik' stands twice"),
        (document(ONE).replace(b'"cik": 1', b'"cik": -1'), ">= 1"),
        (document(ONE).replace(b'"cik": 1', b'"cik": 99999999999'), "<= "),
        (document(ONE).replace(b'"filed"', b'"fled"'), "missing required field `filed`"),
        (b'{"cik": 1, "entityName": "x", "facts": ' + b"[" * 100_000, "it is no companyfacts document"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        companyfacts(data, TAGS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (document(ONE).replace(b'"val": 5', b'"val": 1e21'), "no number, or one beyond all money"),
        (broken("val", None), "no number, or one beyond all money"),
        (broken("end", "2023-02-30"), "no such date"),
        (broken("filed", "yesterday"), "no such date"),
        (broken("start", "2023-01-01"), "a value on a day with a first day"),
    ],
)
def test_what_is_no_fact_is_counted(data, reason):
    skips = Skips()
    try:
        found = rows(data)
    except DataError:
        pytest.fail("one bad fact must not cost the document")
    assert tagged(found, TAGS, file="f", skips=skips).is_empty()
    assert skips.to_polars()["reason"].to_list() == [reason]


def test_a_repeated_word_in_a_text_is_no_repeated_key():
    data = document(ONE, note='the "units" and "cik": 1, "val": 3 of a text')
    assert rows(data)["value"].to_list() == [5.0]


def wanted(name):
    return name.endswith(".json")


def read_all(path, **options):
    skips = Skips()
    with Documents(path, wanted, skips=skips, **options) as documents:
        return {name: documents.read(name) for name in documents.names}, skips.to_polars()


class TestDocuments:
    """Files, folders and archives."""

    def test_a_file_a_folder_and_an_archive_say_the_same(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.json").write_bytes(b"A")
        (tmp_path / "in" / "more").mkdir()
        (tmp_path / "in" / "more" / "b.json.gz").write_bytes(gzip.compress(b"B"))
        (tmp_path / "in" / "c.txt").write_bytes(b"C")
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr("b.json", "B")
            archive.writestr("folder/a.json", "A")
        assert read_all(tmp_path / "in")[0] == {"a.json": b"A", "more/b.json.gz": b"B"}
        assert read_all(tmp_path / "all.zip")[0] == {"b.json": b"B", "folder/a.json": b"A"}
        assert read_all(tmp_path / "in" / "more" / "b.json.gz")[0] == {"b.json.gz": b"B"}

    def test_names_that_point_outside_and_bombs_are_never_read(self, tmp_path):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("../outside.json", "x")
            archive.writestr("/absolute.json", "x")
            archive.writestr("bomb.json", b"0" * 10_000_000)
            archive.writestr("good.json", "G")
        found, skipped = read_all(path)
        assert found == {"good.json": b"G"}
        assert dict(skipped.select("detail", "reason").rows()) == {
            "../outside.json": "a name that points outside the archive",
            "/absolute.json": "a name that points outside the archive",
            "bomb.json": "packed more than 200 times: a zip bomb",
        }
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip"]

    def test_a_size_that_is_only_declared(self, tmp_path):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.json", "x" * 100)
        data = path.read_bytes()
        at = data.index(b"PK\x01\x02") + 24
        path.write_bytes(data[:at] + (2**31).to_bytes(4, "little") + data[at + 4 :])
        found, skipped = read_all(path)
        assert found == {}
        assert skipped["reason"].to_list() == ["larger than 536,870,912 bytes"]

    def test_a_gzip_bomb_stops_at_the_limit(self, tmp_path):
        path = tmp_path / "a.json.gz"
        path.write_bytes(gzip.compress(b"0" * 10_000_000))
        with pytest.raises(DataError, match="larger than 1,000,000 bytes"):
            read_all(path, most_bytes=1_000_000)

    def test_a_truncated_archive_and_a_damaged_member(self, tmp_path):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.json", "x" * 1000)
        data = path.read_bytes()
        path.write_bytes(data[:-10])
        with pytest.raises(DataError, match=r"a\.zip is no whole zip archive"):
            read_all(path)
        path.write_bytes(data[:100] + b"y" + data[101:])
        with pytest.raises(DataError, match="cannot be read"):
            read_all(path)

    def test_truncated_gzip_and_absent_paths(self, tmp_path):
        path = tmp_path / "a.json.gz"
        path.write_bytes(gzip.compress(b"some text")[:-6])
        with pytest.raises(DataError, match="cannot be read"):
            read_all(path)
        for absent in ("absent", "absent.zip"):
            with pytest.raises(DataError, match="there is no file"):
                read_all(tmp_path / absent)
