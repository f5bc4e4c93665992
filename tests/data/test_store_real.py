"""Real vendors' files through the store and back, bit for bit. They are not shipped: see ``QUANTLAB_REAL_DATA``."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantlab.core import Panel
from quantlab.data import Store

FOLDER = Path(os.environ.get("QUANTLAB_REAL_DATA") or "none-given")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="QUANTLAB_REAL_DATA names no folder with real data")
FIELDS = ("open", "high", "low", "close", "volume")


def test_daily_bars_of_a_vendor(tmp_path: Path) -> None:
    """Two years at the turn of which the file has late listings, a gap of a day, and splits."""
    frame = pl.read_parquet(FOLDER / "us_equity_av_raw_1999_2021.parquet").filter(
        pl.col("date").is_between(pl.date(2013, 7, 1), pl.date(2015, 6, 30))
    )
    bars = frame.select("date", "symbol", *FIELDS, adj_close="adjusted_close")
    actions = frame.filter(pl.col("split_coefficient") != 1).select(
        "symbol", "date", kind=pl.lit("split"), value="split_coefficient"
    )
    store = Store(tmp_path)
    # The second half first, then the rest by an update that repeats a part of it.
    cut = pl.date(2014, 5, 1)
    store.write("us", bars.filter(pl.col("date") >= cut), calendar="XNYS", adjusted="none", actions=actions)
    change = store.update("us", bars.filter(pl.col("date") < pl.date(2014, 9, 1)))
    assert change.changed.height == 0
    assert change.unchanged == bars.filter(pl.col("date").is_between(cut, pl.date(2014, 9, 1), closed="left")).height
    found = store.bars("us")
    for field in FIELDS:
        expected = Panel.from_long(bars.select("date", "symbol", field), field)
        assert found.symbols == expected.symbols
        np.testing.assert_array_equal(found.dates, expected.dates)
        np.testing.assert_array_equal(getattr(found, field).values, expected.values)
    long = store.table("us", "bars")
    assert long.equals(bars.cast(long.schema).select(long.columns).sort("date", "symbol"))  # type: ignore[arg-type]
    split = store.bars("us", adjust="split").close.select("AAPL").between("2014-06-06", "2014-06-09").values.ravel()
    # The vendor books 7.000007 shares for one.
    np.testing.assert_allclose(split, [645.57 / 7, 93.70], rtol=2e-6)


def test_minute_bars_with_extended_hours(tmp_path: Path) -> None:
    raw = pl.read_parquet(FOLDER / "lean_minute_trade_bars.parquet")
    # LEAN names a bar by its beginning, New York time.
    begin = pl.col("date").cast(pl.Datetime("us")) + pl.duration(milliseconds="ms_since_midnight_ny")
    frame = raw.with_columns((begin + pl.duration(minutes=1)).dt.replace_time_zone("America/New_York").alias("date"))
    frame = frame.select("date", "symbol", *FIELDS)
    store = Store(tmp_path)
    facts = store.write("minutes", frame, calendar="XNYS", adjusted="none", bar="1min")
    assert {part.partition for part in facts.of("bars")} == set(raw["date"].dt.strftime("%Y-%m").unique())
    day = raw["date"].max()
    bars = store.bars("minutes", start=day, end=day)
    # A bar that ends at 20:00 in New York ends at midnight in UTC, which is the next day.
    days = frame.filter(pl.col("date").dt.convert_time_zone("UTC").dt.date() == day)
    expected = Panel.from_long(days.select("date", "symbol", "close"), "close")
    np.testing.assert_array_equal(bars.dates, expected.dates)
    np.testing.assert_array_equal(bars.select(expected.symbols).close.values, expected.values)
    long = store.table("minutes", "bars")
    assert long.equals(frame.cast(long.schema).select(long.columns).sort("date", "symbol"))  # type: ignore[arg-type]
