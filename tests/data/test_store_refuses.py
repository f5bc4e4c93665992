"""What a store refuses to take: one sentence with the first offender and the way out, and nothing written."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from quantlab.core import DataError, InputError, KindError, LabelError
from quantlab.data import Store

D1, D2 = date(2014, 6, 9), date(2014, 6, 10)


def good() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [D1, D1, D2, D2],
            "symbol": ["AAPL", "MSFT"] * 2,
            "close": [1.0, 2.0, 3.0, 4.0],
            "volume": [1, 2, 3, 4],
        }
    )


def having(**columns: list) -> pl.DataFrame:
    return good().with_columns(**{name: pl.Series(name, values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("frame", "error", "said"),
    [
        (good().drop("close"), InputError, "no column `close` (it has date, symbol, volume)"),
        (good().rename({"close": "Close"}), InputError, 'rename({"Close": "close"})'),
        (good().drop("symbol"), InputError, "unpivot"),
        *(
            (good().rename({"symbol": name}), InputError, f'rename({{"{name}": "symbol"}})')
            for name in ("Symbol", "ticker", "Ticker", "sym", "asset")
        ),
        (pl.DataFrame({"date": [D1], "SYM": [20.5], "MSFT": [41.0]}), InputError, "unpivot"),
        (good().drop("date"), InputError, "no column `date`"),
        (pl.DataFrame(), InputError, "it has no columns"),
        (good().with_columns(adj=1, x=2), InputError, "does not know: adj and 1 more."),
        (good().with_columns(Open=1.0), InputError, 'rename({"Open": "open"})'),
        (good().clear(), InputError, "has no rows"),
        (having(date=[1.5] * 4), KindError, "must be of type Date, received Float64."),
        (having(symbol=[1, 2, 1, 2]), KindError, "Column symbol of dataset prices must be text, received Int64"),
        (
            having(close=["1", "2", "3", "4"]),
            KindError,
            "Column close of dataset prices must be numbers, received String",
        ),
        (having(close=[True] * 4), KindError, "must be numbers, received Boolean"),
        (having(member=[1, 0, 1, 0]), KindError, "must be Boolean, received Int64"),
        (having(date=[D1, None, D2, None]), LabelError, "Column date of dataset prices is null at row 1 and 1 more"),
        (having(symbol=["A", "B", None, "C"]), LabelError, "Column symbol of dataset prices is null at row 2."),
        (having(symbol=["A", "", "A", "B"]), LabelError, "Symbol ''"),
        (having(symbol=["A", "B", "A", "B "]), LabelError, "Symbol 'B '"),
        (having(symbol=["A", "B", "A", "B\x07"]), LabelError, r"Symbol 'B\x07'"),
        (having(adj_close=[1.0, 0.0, 1.0, 1.0]), DataError, "adj_close of MSFT 2014-06-09 is 0"),
        (pl.concat([good(), good()]), LabelError, "AAPL 2014-06-09 and 3 more twice, with the same values."),
        (having(close=[1.0, 0.0, 0.0, 2.0]), DataError, "close of MSFT 2014-06-09 and 1 more is 0; a price must be"),
        (having(close=[1.0, 2.0, -3.5, 2.0]), DataError, "close of AAPL 2014-06-10 is -3.5"),
        (having(open=[1.0, math.inf, 1.0, None]), DataError, "open of MSFT 2014-06-09 is inf"),
        (having(low=[1.0, math.nan, 1.0, -math.inf]), DataError, "low of MSFT 2014-06-10 is -inf"),
        (having(volume=[0, 0, -1, 0]), DataError, "volume of AAPL 2014-06-10 is -1; a volume must be"),
        (having(volume=[0.0, math.inf, 1, 0]), DataError, "volume of MSFT 2014-06-09 is inf"),
        (having(member=[True, None, False, None]), DataError, "member of MSFT 2014-06-09 and 1 more is null"),
        ([1, 2], KindError, "needs a Polars frame, received builtins.list"),
    ],
)
def test_frame(tmp_path: Path, frame: object, error: type[Exception], said: str) -> None:
    store = Store(tmp_path / "s")
    with pytest.raises(error) as caught:
        store.write("prices", frame, calendar="XNYS", adjusted="none")  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert not store.path.exists()


ZONED = [datetime(2014, 6, 9, tzinfo=ZoneInfo("Asia/Tokyo"))] * 4


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (pl.Series([datetime(2014, 6, 9)] * 4), "`pl.col('date').dt.date()`. Intraday bars are stored with"),
        (pl.Series(ZONED, dtype=pl.Datetime("us", "Asia/Tokyo")), "which is the day in Asia/Tokyo"),
        (pl.Series(ZONED, dtype=pl.Datetime("ns", "Asia/Tokyo")), "`.dt.convert_time_zone()` comes first for another."),
        (pl.Series(["2014-06-09"] * 4), "US dates `.str.to_date(format='%m/%d/%Y')`."),
        (pl.Series(["2014-06-09"] * 4, dtype=pl.Categorical), "parse it first"),
        (pl.Series([20140609] * 4), "parse a number such as 20140609"),
    ],
)
def test_the_hint_gives_the_day_that_the_user_sees(tmp_path: Path, dates: pl.Series, said: str) -> None:
    frame = good().with_columns(dates.alias("date"))
    with pytest.raises(KindError) as caught:
        Store(tmp_path).write("prices", frame, calendar="XNYS", adjusted="none")
    assert said in str(caught.value)
    way = re.search(r"`(pl\.col[^`]*)`", str(caught.value))
    assert way is not None
    assert frame.with_columns(eval(way[1], {"pl": pl}))["date"].to_list() == [D1] * 4


def test_the_hint_for_text_dates_does_not_guess(tmp_path: Path) -> None:
    # A bare to_date() reads 06/09/2014 as 6 September.
    frame = having(date=["06/09/2014"] * 4)
    with pytest.raises(KindError) as caught:
        Store(tmp_path).write("prices", frame, calendar="XNYS", adjusted="none")
    iso, us = re.findall(r"\.str\.to_date\([^)]*\)", str(caught.value))
    with pytest.raises(pl.exceptions.InvalidOperationError):
        eval(f"date{iso}", {"date": frame["date"]})
    assert eval(f"date{us}", {"date": frame["date"]}).to_list() == [D1] * 4


def doubled(**columns: list) -> pl.DataFrame:
    """``good()``, and its two rows of the first day again with other values."""
    again = good().head(2).with_columns(**{name: pl.Series(name, values) for name, values in columns.items()})
    return pl.concat([good().with_columns(member=True), again], how="diagonal_relaxed").with_columns(
        pl.col("member").fill_null(True)
    )


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (doubled(), "AAPL 2014-06-09 and 1 more twice, with the same values. "),
        (doubled(close=[1.0, 99.0]), "MSFT 2014-06-09 twice, with different values: close 2 against 99."),
        (doubled(close=[0.5, 99.0]), "AAPL 2014-06-09 and 1 more twice, with different values: close 0.5 against 1."),
        (doubled(close=[1.0000001, 2.0]), "AAPL 2014-06-09 twice, with different values: close 1 against 1.0000001."),
        (doubled(close=[1.0, math.nan]), "MSFT 2014-06-09 twice, with different values: close missing against 2."),
        (doubled(volume=[1, 7]), "MSFT 2014-06-09 twice, with different values: volume 2 against 7."),
        (doubled(volume=[9, 7], close=[1.0, 3.0]), "AAPL 2014-06-09 and 1 more twice, with different values: volume 1"),
        (doubled(member=[False, True]), "AAPL 2014-06-09 twice, with different values: member false against true."),
        (pl.concat([doubled(close=[1.0, 10.0]), doubled(close=[1.0, 99.0])]), "different values: close 2 against 99."),
    ],
)
def test_doubled_rows(tmp_path: Path, frame: pl.DataFrame, said: str) -> None:
    for rows in (frame, frame.reverse()):
        with pytest.raises(LabelError) as caught:
            Store(tmp_path).write("prices", rows, calendar="XNYS", adjusted="none")
        assert said in str(caught.value)
        assert ("keep='last'" in str(caught.value)) == ("the same values" in said)
        assert ("must be chosen" in str(caught.value)) == ("different values" in said)


def test_missing_twice_is_the_same_value(tmp_path: Path) -> None:
    frame = doubled(close=[math.nan, 2.0]).with_columns(pl.when(pl.col("symbol") != "AAPL").then(pl.col("close")))
    with pytest.raises(LabelError, match="with the same values"):
        Store(tmp_path).write("prices", frame, calendar="XNYS", adjusted="none")


def test_a_refused_frame_leaves_the_old_dataset(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = store.write("prices", good(), calendar="XNYS", adjusted="none")
    with pytest.raises(DataError):
        store.write("prices", having(close=[1.0, 0.0, 3.0, 4.0]), calendar="XNYS", adjusted="none")
    assert store.describe("prices") == before
    assert store.bars("prices").close.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_pandas_frame_names_the_conversion(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(KindError, match=r"received pandas\.DataFrame.*pl\.from_pandas"):
        Store(tmp_path).write("prices", pandas.DataFrame(), calendar="XNYS", adjusted="none")


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"adjusted": "total"}, InputError, "`adjusted` must be one of unknown, none, split, total_return"),
        ({"calendar": "NYSE!"}, InputError, "Calendar 'NYSE!' is unknown"),
        ({"calendar": None}, KindError, "`calendar` must be text"),
        ({"source": 3}, KindError, "`source` must be text, received int"),
        ({"note": None}, KindError, "`note` must be text, received NoneType"),
        ({"units": {"open": "EUR"}}, InputError, "`units` names open, and the frame has close, volume"),
        ({"units": {"close": 1}}, KindError, "The unit of close must be text"),
        ({"bar": "2d"}, InputError, '`bar` must be "1d", or minutes or hours such as "5min" and "1h", received \'2d\''),
        ({"bar": 5}, InputError, "received 5."),
        ({"bar": "1min"}, KindError, "Column date of dataset prices must be moments with a time zone, received Date."),
        ({"bar": "12h"}, InputError, "A session of XNYS has 390 minutes, and a bar of 720 is longer."),
    ],
)
def test_argument(tmp_path: Path, changed: dict, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        Store(tmp_path).write("prices", good(), **{"calendar": "XNYS", "adjusted": "none", **changed})
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_missing_values_are_no_offense(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("prices", having(close=[None, math.nan, 3.0, 4.0]), calendar="XNYS", adjusted="none")
    stored = pl.read_parquet(tmp_path / "prices" / store.describe("prices").of("bars")[0].file)
    assert stored.rows() == [
        (D1, "AAPL", None, 1.0), (D2, "AAPL", 3.0, 3.0), (D1, "MSFT", None, 2.0), (D2, "MSFT", 4.0, 4.0),
    ]  # fmt: skip
    assert stored.schema == {"date": pl.Date, "symbol": pl.String, "close": pl.Float64, "volume": pl.Float64}
