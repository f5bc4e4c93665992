"""The door between Polars frames and Panels: nulls, duplicates, booleans, time zones, and round trips."""

from __future__ import annotations

from datetime import date, datetime

import hypothesis.extra.numpy as hnp
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import Frequency, InputError, KindError, LabelError, Panel, as_panel

NAN = np.nan
D2, D3 = date(2024, 1, 2), date(2024, 1, 3)
WIDE = pl.DataFrame({"day": [D2, D3], "B": [1.0, None], "A": [3, 4]})
LONG = pl.DataFrame({"close": [1.0, 2.0, None], "symbol": ["B", "A", "B"], "date": [D2, D2, D3]})


@pytest.mark.parametrize("lazy", [False, True])
def test_a_wide_frame(lazy: bool) -> None:
    panel = as_panel(WIDE.lazy() if lazy else WIDE, frequency=Frequency(252))
    assert panel.symbols == ("B", "A")
    np.testing.assert_array_equal(panel.values, [[1.0, 3.0], [NAN, 4.0]])
    assert [str(day) for day in panel.dates] == ["2024-01-02", "2024-01-03"]
    assert panel.frequency == Frequency(252)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Enum(["B", "A"])])
def test_a_long_frame_in_any_order(lazy: bool, kind: pl.DataType) -> None:
    frame = LONG.with_columns(pl.col("symbol").cast(kind)).reverse()
    panel = as_panel(frame.lazy() if lazy else frame)
    assert panel.symbols == ("A", "B")  # sorted by name, whatever the codes of a category
    np.testing.assert_array_equal(panel.values, [[2.0, 1.0], [NAN, NAN]])


def test_a_panel_goes_through_as_it_is() -> None:
    panel = as_panel(WIDE)
    assert as_panel(panel) is panel


def test_a_long_frame_with_two_values_wants_a_name() -> None:
    frame = LONG.with_columns(volume=pl.lit(5))
    with pytest.raises(InputError, match=r"^`prices` is a long frame with 2 value columns \(close, volume\)\."):
        as_panel(frame, name="prices")
    np.testing.assert_array_equal(Panel.from_long(frame, "volume").values, [[5.0, 5.0], [NAN, 5.0]])


def test_other_types_are_refused() -> None:
    import pandas as pd

    for wrong, name in (
        (np.ones((2, 2)), r"numpy\.ndarray"),
        (pd.DataFrame(), r"pandas\.DataFrame"),
        (None, "builtins"),
    ):
        with pytest.raises(KindError, match=rf"^`close` must be a Panel or a Polars frame, received {name}"):
            as_panel(wrong, name="close")


def test_booleans() -> None:
    frame = pl.DataFrame({"day": [D2, D3], "A": [True, None], "B": [False, True]})
    np.testing.assert_array_equal(as_panel(frame).values, [[True, False], [False, True]])
    mixed = frame.with_columns(C=pl.lit(2))
    np.testing.assert_array_equal(as_panel(mixed).values, [[1.0, 0.0, 2.0], [NAN, 1.0, 2.0]])
    long = pl.DataFrame({"day": [D2, D3], "symbol": ["A", "B"], "member": [True, None]})
    np.testing.assert_array_equal(Panel.from_long(long, "member").values, [[True, False], [False, False]])


@pytest.mark.parametrize(
    "kind", [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2), pl.Null], ids=lambda kind: str(kind)
)
def test_numbers_of_every_kind(kind: pl.DataType) -> None:
    value = None if kind == pl.Null else 2
    wide = pl.DataFrame({"day": [D2], "A": [value]}, schema_overrides={"A": kind})
    long = wide.rename({"A": "x"}).with_columns(symbol=pl.lit("A"))
    for panel in (as_panel(wide), Panel.from_long(long, "x")):
        np.testing.assert_array_equal(panel.values, [[NAN if value is None else 2.0]])


def test_zones_become_utc_and_clock_times_without_one_are_refused() -> None:
    for unit in ("ms", "us", "ns"):
        times = pl.Series("t", [datetime(2024, 1, 3, 9, 30)]).dt.cast_time_unit(unit)
        frame = pl.DataFrame({"t": times.dt.replace_time_zone("America/New_York"), "A": [1.0]})
        panel = as_panel(frame)
        assert panel.dates.dtype == np.dtype("datetime64[us]")
        assert panel.dates[0] == np.datetime64("2024-01-03T14:30")
        back = panel.to_frame()
        assert back.schema["date"] == pl.Datetime("us", "UTC")
        np.testing.assert_array_equal(as_panel(back).dates, panel.dates)
        with pytest.raises(
            KindError, match=r"^Column t has clock times without a time zone\. Hint: `\.cast\(pl\.Date\)`"
        ) as caught:
            as_panel(pl.DataFrame({"t": times, "A": [1.0]}))
        # A zone that the hint guessed would shift the times of who takes them out of `bars.dates`.
        assert '"UTC" for times out of `bars.dates`' in caught.value.hint
        assert "New_York" not in caught.value.hint


def test_midnights_without_a_zone_are_days_as_pandas_writes_them() -> None:
    for unit in ("ms", "us", "ns"):
        days = pl.Series("index", [datetime(2024, 1, 2), datetime(2024, 1, 3)]).dt.cast_time_unit(unit)
        frame = pl.DataFrame({"index": days, "A": [1.0, 2.0]})
        for each in (frame, frame.lazy(), frame.rename({"A": "close"}).with_columns(symbol=pl.lit("A"))):
            panel = as_panel(each)
            assert panel.dates.dtype == np.dtype("datetime64[D]")
            assert [str(day) for day in panel.dates] == ["2024-01-02", "2024-01-03"]
    assert Panel([[1.0]], [datetime(2024, 1, 2)], ["A"]).dates.dtype == np.dtype("datetime64[D]")
    # With a zone a midnight is a moment.
    zoned = frame.with_columns(pl.col("index").dt.replace_time_zone("UTC"))
    assert as_panel(zoned).dates.dtype == np.dtype("datetime64[us]")


def test_the_way_from_pandas_that_the_hint_shows() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"A": [1.0, 2.0]}, index=pandas.DatetimeIndex(["2024-01-02", "2024-01-03"]))
    with pytest.raises(KindError) as caught:
        as_panel(table)
    assert "`pl.from_pandas(frame.reset_index())`" in caught.value.hint
    panel = as_panel(pl.from_pandas(table.reset_index()))
    assert [str(day) for day in panel.dates] == ["2024-01-02", "2024-01-03"]


@pytest.mark.parametrize(
    ("frame", "kind", "message"),
    [
        (WIDE.drop("day"), InputError, "A frame needs exactly one Date or Datetime column, and has none."),
        (
            WIDE.with_columns(when=pl.col("day")),
            InputError,
            "A frame needs exactly one Date or Datetime column, and has day, when.",
        ),
        (WIDE.with_columns(C=pl.lit("x")), KindError, "Column C of a wide frame must be numbers, received String."),
        (WIDE.reverse(), LabelError, "`dates` must increase: 2024-01-02 follows 2024-01-03 (row 1)."),
        (pl.concat([WIDE[:1], WIDE[:1]]), LabelError, "`dates` has 2024-01-02 twice (rows 0 and 1)."),
        (
            WIDE.with_columns(day=pl.Series([D2, None])),
            LabelError,
            "Column day has a null at row 1.",
        ),
        (
            LONG.with_columns(date=pl.Series([D2, None, D3])),
            LabelError,
            "Column date has a null at row 1.",
        ),
        (
            LONG.with_columns(symbol=pl.Series(["B", "A", None])),
            LabelError,
            "Column symbol has a null at row 2.",
        ),
        (pl.concat([LONG, LONG[1:2]]), LabelError, "A 2024-01-02 stands twice."),
        (
            LONG.with_columns(close=pl.lit("x")),
            KindError,
            "Column close of a long frame must be numbers, received String.",
        ),
        (LONG.with_columns(symbol=pl.lit("")), LabelError, " 2024-01-02 stands twice."),
    ],
)
def test_bad_frames_are_named(frame: pl.DataFrame, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        as_panel(frame)
    assert caught.value.message == message


@pytest.mark.parametrize("kind", [pl.Int64, pl.UInt8, pl.Float64])
def test_numbered_symbols_are_refused(kind: pl.DataType) -> None:
    # Read as a wide frame, it would be a Panel of the two symbols "symbol" and "close".
    frame = pl.DataFrame({"date": [D2, D3], "symbol": [1, 1], "close": [1.0, 2.0]}).with_columns(
        pl.col("symbol").cast(kind)
    )
    for read in (as_panel, lambda given: Panel.from_long(given, "close")):
        for table in (frame, frame.lazy()):
            with pytest.raises(KindError) as caught:
                read(table)
            assert (
                caught.value.message == f"Column symbol of a long frame must be text, received {frame['symbol'].dtype}."
            )
            assert caught.value.hint.startswith('`.with_columns(pl.col("symbol").cast(pl.String))`')
    assert as_panel(frame.with_columns(pl.col("symbol").cast(pl.String))).shape == (2, 1)
    assert Panel.from_frame(frame).symbols == ("symbol", "close")


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match=r"^A long frame needs the column `open`, and has close, symbol, date\.$"):
        Panel.from_long(LONG, "open")
    with pytest.raises(InputError, match=r"^A long frame needs the column `symbol`"):
        Panel.from_long(LONG.drop("symbol"), "close")


def test_empty_frames() -> None:
    assert as_panel(WIDE[:0]).shape == (0, 2)
    assert as_panel(WIDE.select("day")).shape == (2, 0)
    assert as_panel(LONG[:0]).shape == (0, 0)
    assert Panel.from_frame(WIDE[:0].lazy()).shape == (0, 2)


def test_to_long_leaves_out_what_is_missing() -> None:
    panel = as_panel(WIDE)
    frame = panel.to_long("close")
    assert frame.columns == ["date", "symbol", "close"]
    assert frame.rows() == [(D2, "B", 1.0), (D2, "A", 3.0), (D3, "A", 4.0)]
    assert panel.to_long().columns[-1] == "value"
    flags = (panel > 2).to_long()
    assert flags.height == 4
    assert flags.schema["value"] == pl.Boolean
    for empty in (panel.select([]), as_panel(WIDE[:0]), panel * NAN):
        assert empty.to_long().height == 0
        assert empty.to_long().schema == {"date": pl.Date, "symbol": pl.String, "value": pl.Float64}


def test_to_frame() -> None:
    panel = as_panel(WIDE)
    assert panel.to_frame().columns == ["date", "B", "A"]
    assert panel.select([]).to_frame().shape == (2, 1)
    assert (panel > 2).to_frame().schema["A"] == pl.Boolean
    with pytest.raises(LabelError, match=r"^A symbol is called `date`"):
        Panel([[1.0]], [D2], ["date"]).to_frame()


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    values = draw(hnp.arrays(draw(st.sampled_from([np.float64, bool])), (rows, columns)))
    names = draw(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=5).filter(
                lambda x: x != "date"
            ),
            min_size=columns,
            max_size=columns,
            unique=True,
        )
    )
    days = np.datetime64("2024-01-01") + np.cumsum(draw(st.lists(st.integers(1, 9), min_size=rows, max_size=rows)))
    return Panel(values, days, names)


@given(panels())
def test_round_trips(panel: Panel) -> None:
    wide = as_panel(panel.to_frame())
    assert wide.symbols == panel.symbols
    assert wide.values.dtype == panel.values.dtype
    np.testing.assert_array_equal(wide.values, panel.values)
    np.testing.assert_array_equal(wide.dates, panel.dates)
    long = as_panel(panel.to_long())
    if long.shape == panel.shape:  # rows or columns without any value do not come back
        np.testing.assert_array_equal(long.select(panel.symbols).values, panel.values)


def test_a_panel_does_not_change_with_the_array_behind_a_frame() -> None:
    # Polars wraps the memory of a NumPy array instead of copying it.
    behind = np.array([1.0, 2.0])
    panel = as_panel(pl.DataFrame({"day": [D2, D3], "A": behind}))
    behind[:] = 9.0
    np.testing.assert_array_equal(panel.values, [[1.0], [2.0]])


def test_a_frame_cannot_be_changed_through_its_panel() -> None:
    frame = pl.DataFrame({"day": [D2, D3], "A": [1.0, 2.0]})
    panel = as_panel(frame)
    assert not panel.values.flags.writeable
    assert frame["A"].to_list() == [1.0, 2.0]
