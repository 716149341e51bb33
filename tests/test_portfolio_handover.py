"""Hand-over frames and files, where it can be by the classes that read them."""

import runpy
import warnings
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.errors import DataError, DateError, MissingColumnError, UnmatchedAssetError
from kifactors.portfolio.handover import read_barra, to_alphalens, to_qlib, to_zipline, write_barra

pytestmark = pytest.mark.portfolio

JANUARY, MARCH = date(2024, 1, 31), date(2024, 3, 31)
# 31 March 2024 was a Sunday, 29 March a holiday.
SESSIONS = pd.DatetimeIndex(
    ["2024-01-30", "2024-01-31", "2024-02-01", "2024-03-28", "2024-04-01", "2024-04-02"]
)


def exposures():
    frame = pl.DataFrame(
        {
            "date": [MARCH, MARCH, JANUARY, JANUARY, JANUARY],
            "asset": ["NA", "0005", "0005", "NA", "gone"],
            "exposure": [0.7, 1 / 3, 0.1, None, 0.3],
            "score": [1.5, -1.5, 0.1 + 0.2, None, 1e-300],
            "industry": ["chips", None, None, "chips", 'a "quoted", name'],
            "market_cap": [2e12, 1.0, None, 1e12, 3.0],
        }
    )
    return kf.portfolio.FactorExposures(frame, {"exposure": "share", "score": "z"})


# ---- alphalens


def test_alphalens_dates_are_sessions_on_or_after():
    factor = to_alphalens(exposures(), SESSIONS, factor="exposure")
    assert factor.index.names == ["date", "asset"]
    assert factor.to_dict() == {
        (pd.Timestamp("2024-01-31"), "0005"): 0.1,
        (pd.Timestamp("2024-01-31"), "gone"): 0.3,
        (pd.Timestamp("2024-04-01"), "0005"): 1 / 3,
        (pd.Timestamp("2024-04-01"), "NA"): 0.7,
    }


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_alphalens_takes_zone_and_times_of_the_prices(zone):
    closes = (SESSIONS + pd.Timedelta(hours=16)).tz_localize(zone)
    days = to_alphalens(exposures(), closes, factor="score").index.levels[0]
    assert days.tz == closes.tz
    assert days.tolist() == [closes[1], closes[4]]


def test_alphalens_two_dates_on_one_session_the_newest_counts():
    factor = to_alphalens(exposures(), pd.DatetimeIndex(["2024-04-02"]), factor="exposure")
    assert factor.droplevel("date").to_dict() == {"0005": 1 / 3, "NA": 0.7}


def test_alphalens_without_prices_to_come():
    early = to_alphalens(exposures(), SESSIONS[:4], factor="exposure")
    assert early.index.levels[0].tolist() == [pd.Timestamp("2024-01-31")]
    with pytest.raises(DateError, match="no price lies on a score"):
        to_alphalens(exposures(), SESSIONS[:1], factor="exposure")
    with pytest.raises(DateError, match="must ascend"):
        to_alphalens(exposures(), SESSIONS[::-1], factor="exposure")
    with pytest.raises(MissingColumnError, match="Name one of them"):
        to_alphalens(exposures(), SESSIONS)


# It uses what pandas 3 will drop, and says of monthly dates that they are not daily.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:alphalens")
@pytest.mark.filterwarnings("ignore:Factor dates do not conform to the inferred trading calendar:UserWarning")
def test_alphalens_finds_the_correlation_we_built():
    """Ranks 1, 2, 3, 4 against returns in their order, then against 2, 1, 4, 3: 1 - 6 * 4 / (4 * 15) = 0.6."""
    with warnings.catch_warnings():
        # Its plotting half sets styles and reads escapes as it is imported.
        warnings.simplefilter("ignore")
        utils = pytest.importorskip("alphalens.utils", reason="needs the extra 'alphalens'")
        performance = pytest.importorskip("alphalens.performance", reason="needs the extra 'alphalens'")
    assets, days = ["A", "B", "C", "D"], [date(2024, 1, 31), date(2024, 2, 29)]
    frame = pl.DataFrame(
        {"date": days[:1] * 4 + days[1:] * 4, "asset": assets * 2, "exposure": [0.1, 0.2, 0.3, 0.4] * 2}
    )
    sessions = pd.bdate_range("2024-01-29", "2024-03-06", tz="UTC")
    steps = pd.DataFrame(0.0, index=sessions, columns=["D", "B", "A", "C"])
    steps.loc["2024-02-01", assets] = [0.01, 0.02, 0.03, 0.04]
    steps.loc["2024-03-01", assets] = [0.02, 0.01, 0.04, 0.03]
    prices = 100.0 * (1.0 + steps).cumprod()
    factor = to_alphalens(kf.portfolio.FactorExposures(frame, {"exposure": "share"}), prices.index)
    clean = utils.get_clean_factor_and_forward_returns(
        factor, prices, quantiles=2, periods=(1,), filter_zscore=None, max_loss=0.0
    )
    assert len(clean) == 8
    assert clean["1D"].xs("A", level="asset").tolist() == pytest.approx([0.01, 0.02])
    ic = performance.factor_information_coefficient(clean)["1D"]
    assert ic.tolist() == pytest.approx([1.0, 0.6])


# ---- zipline

SIDS = {"NA": 24, "0005": 8, "gone": 3, "never scored": 5}


def test_zipline_carries_the_newest_date_and_no_older():
    handed = to_zipline(exposures(), SIDS, SESSIONS, factor="exposure")
    assert handed.sids == {"0005": 8, "NA": 24, "gone": 3}
    expected = pd.DataFrame(np.nan, index=SESSIONS.astype("datetime64[ns]"), columns=[3, 8, 24])
    expected.iloc[1:3, :2] = [0.3, 0.1]
    # 28 March is 57 days after January's scores; the asset that left has no value in March's.
    expected.iloc[4:, 1:] = [1 / 3, 0.7]
    pd.testing.assert_frame_equal(handed.baseline, expected, check_column_type=False)
    patient = to_zipline(exposures(), SIDS, SESSIONS, factor="exposure", max_age_days=57).baseline
    assert patient.loc["2024-03-28", 3] == 0.3


def test_zipline_later_labels():
    later = to_zipline(exposures(), SIDS, SESSIONS, factor="exposure", delay_sessions=1).baseline
    assert later[8].dropna().to_dict() == {pd.Timestamp("2024-02-01"): 0.1, pd.Timestamp("2024-04-02"): 1 / 3}
    with pytest.raises(DataError, match="look ahead"):
        to_zipline(exposures(), SIDS, SESSIONS, factor="exposure", delay_sessions=-1)


def test_zipline_sids_are_never_made_up():
    some = {"0005": np.int64(8)}
    with pytest.raises(UnmatchedAssetError, match="2 of 3 assets have no sid: NA, gone"):
        to_zipline(exposures(), some, SESSIONS, factor="exposure")
    handed = to_zipline(exposures(), some, SESSIONS, factor="exposure", unmapped="drop")
    assert handed.dropped == ("NA", "gone")
    assert handed.baseline.columns.tolist() == [8]
    with pytest.raises(DataError, match="stands for"):
        to_zipline(exposures(), SIDS | {"NA": 8}, SESSIONS, factor="exposure")
    with pytest.raises(DataError, match="whole number"):
        to_zipline(exposures(), SIDS | {"NA": 8.5}, SESSIONS, factor="exposure")


@pytest.mark.parametrize(
    "sessions",
    [[], SESSIONS.tz_localize("UTC"), SESSIONS + pd.Timedelta(hours=9), SESSIONS[::-1], SESSIONS.repeat(2)],
)
def test_sessions_are_ascending_days(sessions):
    with pytest.raises(DateError):
        to_zipline(exposures(), SIDS, sessions, factor="exposure")
    with pytest.raises(DateError):
        to_qlib(exposures(), sessions)


@pytest.mark.skipif(find_spec("zipline") is None, reason="needs the extra 'zipline'")
def test_zipline_loads_it():
    with warnings.catch_warnings():
        # Its imports warn of what pandas will drop.
        warnings.simplefilter("ignore")
        from zipline.pipeline.data import Column, DataSet
        from zipline.pipeline.domain import US_EQUITIES
        from zipline.pipeline.loaders.frame import DataFrameLoader

    class Exposure(DataSet):
        value = Column(dtype=float)

    handed = to_zipline(exposures(), SIDS, SESSIONS, factor="exposure")
    loader = DataFrameLoader(Exposure.value, handed.baseline)
    sids = pd.Index([handed.sids["NA"], 99, handed.sids["0005"]])
    days = SESSIONS[[0, 1, 4]]
    found = loader.load_adjusted_array(US_EQUITIES, [Exposure.value], days, sids, np.ones((3, 3), bool))
    data = found[Exposure.value].data
    np.testing.assert_array_equal(data, [[np.nan] * 3, [np.nan, np.nan, 0.1], [0.7, np.nan, 1 / 3]])


# ---- qlib


def test_qlib_frame():
    frame = to_qlib(exposures(), SESSIONS)
    assert frame.index.names == ["datetime", "instrument"]
    assert frame.index.is_monotonic_increasing
    assert frame.columns.tolist() == [("feature", "exposure"), ("feature", "score")]
    assert frame.index.get_level_values(0).unique().tolist() == SESSIONS[[1, 2, 4, 5]].tolist()
    assert frame.loc[("2024-02-01", "0005")].tolist() == [0.1, 0.1 + 0.2]
    assert frame.loc[("2024-01-31", "NA")].isna().all()
    assert ("2024-04-02", "gone") not in frame.index
    one = to_qlib(exposures(), [datetime(2024, 4, 2)], factors=["score"], group="label")
    assert one[("label", "score")].tolist() == [-1.5, 1.5]


# qlib 0.9.7 sorts in place, which pandas 3 will drop.
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.sort_index is deprecated")
@pytest.mark.skipif(find_spec("qlib") is None, reason="needs the extra 'qlib'")
def test_qlib_loads_it():
    with warnings.catch_warnings():
        # Its imports warn of what its own dependencies will drop.
        warnings.simplefilter("ignore")
        from qlib.data.dataset.handler import DataHandlerLP
        from qlib.data.dataset.loader import StaticDataLoader

    frame = to_qlib(exposures(), SESSIONS)
    loaded = StaticDataLoader(frame).load(["0005"], "2024-02-01", "2024-04-01")
    assert loaded[("feature", "exposure")].tolist() == [0.1, 1 / 3]
    grouped = StaticDataLoader({"feature": frame["feature"]}).load()
    pd.testing.assert_frame_equal(grouped, frame)
    handler = DataHandlerLP(data_loader=StaticDataLoader(frame))
    features = handler.fetch(slice("2024-01-31", "2024-02-01"), col_set="feature")
    assert features.columns.tolist() == ["exposure", "score"]
    assert features.loc[("2024-01-31", "0005"), "exposure"] == 0.1


# ---- exposure files


@pytest.mark.parametrize("layout", ["long", "wide"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_barra_comes_back_as_it_was(tmp_path, layout, ending):
    path = write_barra(exposures(), tmp_path / f"exposures.{ending}", layout=layout)
    back = read_barra(path)
    assert back.units == {"exposure": "share", "score": "z"}
    assert_frame_equal(back.to_polars(), exposures().to_polars(), check_exact=True)


def test_barra_long_text(tmp_path):
    path = write_barra(exposures(), tmp_path / "long.csv", day="2024-03-31")
    assert path.read_text().splitlines() == [
        "as_of,asset,factor,unit,exposure,industry,market_cap",
        "2024-03-31,0005,exposure,share,0.3333333333333333,,1.0",
        "2024-03-31,0005,score,z,-1.5,,1.0",
        "2024-03-31,NA,exposure,share,0.7,chips,2000000000000.0",
        "2024-03-31,NA,score,z,1.5,chips,2000000000000.0",
    ]
    assert read_barra(path).vector("2024-04-01", ["NA", "0005"]).as_of == MARCH


def test_barra_wide_heads_name_units(tmp_path):
    path = write_barra(exposures(), tmp_path / "wide.csv", layout="wide")
    first, second = path.read_text().splitlines()[:2]
    assert first == "as_of,asset,exposure [share],score [z],industry,market_cap"
    assert second == "2024-01-31,0005,0.1,0.30000000000000004,,"


def test_barra_coverage_as_a_factor_of_its_own(tmp_path):
    frame = pl.DataFrame({"date": [JANUARY], "asset": ["A"], "coverage": [0.5], "exposure": [0.25]})
    both = kf.portfolio.FactorExposures(frame, {"coverage": "share", "exposure": "share"})
    for layout in ("long", "wide"):
        back = read_barra(write_barra(both, tmp_path / "both.csv", layout=layout))
        assert_frame_equal(back.to_polars(), both.to_polars())


def test_barra_refuses(tmp_path):
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        write_barra(exposures(), tmp_path / "exposures.txt")
    with pytest.raises(DateError, match="no exposures of 2024-02-29"):
        write_barra(exposures(), tmp_path / "exposures.csv", day="2024-02-29")
    with pytest.raises(DataError, match="cannot be written"):
        write_barra(exposures(), tmp_path / "absent" / "exposures.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_barra(tmp_path / "absent.csv")
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(MissingColumnError, match="as_of"):
        read_barra(file)
    rows = "as_of,asset,factor,unit,exposure\n2024-01-31,A,exposure,share,0.1\n"
    file.write_text(rows + "2024-01-31,A,exposure,z,0.2\n")
    with pytest.raises(DataError, match="two units"):
        read_barra(file)
    file.write_text(rows + "2024-01-31,A,exposure,share,0.2\n")
    with pytest.raises(DataError, match="two exposures"):
        read_barra(file)
    file.write_text(rows.replace("0.1", "much"))
    with pytest.raises(DataError, match="or no number"):
        read_barra(file)


def test_example(capsys):
    runpy.run_path(str(Path(__file__).parents[1] / "examples" / "handover.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "217 sessions x 30 sids" in printed
    assert "2026-08-31,AMD,exposure,share," in printed
    assert "SIMULATED" in printed


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_barra_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, layout):
    path = tmp_path / "h.csv"
    write_barra(exposures(), path, layout=layout)
    before = path.read_bytes()

    def fail(_frame, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", fail)
    with pytest.raises(DataError, match=r"exposures cannot be written to .*h\.csv: No space left"):
        write_barra(exposures(), path, layout=layout)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["h.csv"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("as_of,asset,e\n2024-01-31,A,0.1\n", "has no factor"),
        ("as_of,asset,e [share],e [z]\n2024-01-31,A,0.1,1\n", "two columns of one factor"),
        ("as_of,asset,e [share]\n,A,0.1\n", "other.csv: exposures: column 'date' must not be null"),
        ("as_of,asset,e [share]\n2024-01-31,A,7\n", "other.csv: exposures: column 'e' must be in"),
        ("as_of,asset,factor,unit,exposure\n2024-01-31,A,,share,0.1\n", "a row without a factor"),
    ],
)
def test_barra_says_which_file_and_why(tmp_path, text, said):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said.replace("[", r"\[")):
        read_barra(path)


def test_alphalens_leaves_out_what_is_too_old():
    with pytest.raises(DateError, match="within 45 days"):
        to_alphalens(exposures(), pd.DatetimeIndex(["2030-01-01"]), factor="exposure")
    with pytest.raises(DateError, match="expected a DatetimeIndex"):
        to_alphalens(exposures(), pd.Index(["2024-04-02"]), factor="exposure")
    old = to_alphalens(exposures(), pd.DatetimeIndex(["2030-01-01"]), factor="exposure", max_age_days=9999)
    assert len(old) == 2
