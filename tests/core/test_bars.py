"""Bars: what makes a dataset legal, in which words it is refused, and when two hold the same data."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl
import pytest

from quantlab.core import Bars, DataError, Frequency, InputError, KindError, LabelError, Panel, as_bars

NAN = np.nan
DAYS, NAMES = ["2014-06-06", "2014-06-09"], ["AAPL", "MSFT"]


def panel(values: object) -> Panel:
    return Panel(values, DAYS, NAMES, frequency=Frequency(252))


@pytest.fixture
def bars() -> Bars:
    return Bars(panel([[10.0, NAN], [11.0, 20.0]]), volume=panel([[0.0, NAN], [100.0, 50.0]]), name="sample")


def test_what_is_there(bars: Bars) -> None:
    assert bars.shape == (2, 2)
    assert bars.symbols == ("AAPL", "MSFT")
    assert bars.dates is bars.close.dates
    assert bars.frequency == Frequency(252)
    assert bars.fields == ("close", "volume")
    np.testing.assert_array_equal(bars.member.values, [[True, False], [True, True]])
    assert repr(bars) == (
        "Bars sample: 2 dates x 2 symbols, 2014-06-06 to 2014-06-09, close, volume, adjusted: unknown, "
        f"sha256 {bars.content_hash[:12]}"
    )


def test_frames_are_taken(bars: Bars) -> None:
    often = Frequency(252)
    twin = as_bars(bars.close.to_frame(), volume=bars.volume.to_frame(), frequency=often, name="sample")
    assert twin.content_hash == bars.content_hash
    assert isinstance(twin.volume, Panel)


# The way in by name --------------------------------------------------------------------------------------------------


def test_as_bars_gives_frames_a_frequency(bars: Bars) -> None:
    daily = Frequency.daily("XNYS")
    made = as_bars(bars.close.to_frame(), volume=bars.volume.to_frame(), frequency=daily)
    assert (made.frequency, made.volume.frequency, made.member.frequency) == (daily,) * 3
    long = as_bars(bars.close.to_long("close").lazy(), frequency=daily)
    assert long.frequency == daily
    assert as_bars(bars.close.to_frame()).frequency is None


def test_as_bars_keeps_the_frequency_of_a_panel_unless_told(bars: Bars) -> None:
    assert as_bars(bars.close).close is bars.close
    assert as_bars(bars.close).frequency == Frequency(252)
    assert as_bars(bars.close, frequency=Frequency(252)).close is bars.close
    told = as_bars(bars.close, volume=bars.volume, frequency=Frequency.daily("XNYS"))
    assert told.frequency == Frequency.daily("XNYS")
    assert bars.frequency == Frequency(252)


def test_as_bars_refuses_what_is_no_field(bars: Bars) -> None:
    with pytest.raises(InputError) as caught:
        as_bars(bars.close, calendar="XNYS")
    assert caught.value.message == "`calendar` is no field of bars."
    assert caught.value.hint == 'pass `frequency=ql.Frequency.daily("XNYS")`.'
    with pytest.raises(InputError) as caught:
        as_bars(bars.close, open=bars.close, vwap=bars.close)
    assert caught.value.message == "`vwap` is no field of bars."
    assert caught.value.hint == "bars have open, high, low, close, volume and member."


def test_note_and_adjusted_go_along(bars: Bars) -> None:
    made = as_bars(bars.close, name="demo", adjusted="split", note="Ten survivors of 2024.")
    for kept in (made, made.between("2014-06-09"), made.select(["MSFT"]), pickle.loads(pickle.dumps(made))):
        assert (kept.name, kept.adjusted, kept.note) == ("demo", "split", "Ten survivors of 2024.")
    assert (as_bars(bars.close).note, as_bars(bars.close).adjusted) == ("", "unknown")
    # What they are called is no part of them.
    assert made.content_hash == as_bars(bars.close, adjusted="split").content_hash


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["close", "open", "high", "low"])
@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (-1.5, "-1.5"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_price_must_be_positive_and_finite(field: str, value: float, shown: str) -> None:
    fields = {"close": panel(np.ones((2, 2)))}
    fields[field] = panel([[1.0, NAN], [value, value]])
    with pytest.raises(DataError) as caught:
        Bars(**fields, name="nyse")
    assert caught.value.message == (
        f"nyse {field} of AAPL 2014-06-09 and 1 more is {shown}; a price must be positive and finite."
    )
    assert caught.value.hint == "a missing value is NaN or null."


@pytest.mark.parametrize("value", [-1.0, np.inf])
def test_a_volume_must_not_be_negative_or_infinite(value: float) -> None:
    with pytest.raises(DataError, match=r"^bars volume of MSFT 2014-06-06 is (-1|inf); a volume must be zero or more"):
        Bars(panel(np.ones((2, 2))), volume=panel([[0.0, value], [NAN, 0.0]]))


@pytest.mark.parametrize("field", ["open", "high", "low", "volume", "member"])
def test_fields_must_have_the_labels_of_close(field: str) -> None:
    close = panel(np.ones((2, 2)))
    moved = Panel(np.ones((2, 2)), ["2014-06-06", "2014-06-10"], NAMES)
    with pytest.raises(LabelError) as caught:
        Bars(close, **{field: moved})
    assert caught.value.message == (
        f"`{field}` and `close` differ in dates: row 1 holds 2014-06-10 on the left and 2014-06-09 on the right."
    )
    with pytest.raises(LabelError) as caught:
        Bars(close, **{field: close.select(["MSFT", "AAPL"])})
    assert caught.value.message == (
        f"`{field}` and `close` differ in symbols: position 0 holds MSFT on the left and AAPL on the right."
    )
    with pytest.raises(LabelError, match="the left has 1 symbols and the right 2"):
        Bars(close, **{field: close.select(["AAPL"])})


def test_an_empty_universe_or_span_is_refused() -> None:
    with pytest.raises(InputError, match=r"^The universe of bars is empty: there is no symbol\.$"):
        Bars(panel(np.ones((2, 2))).select([]))
    with pytest.raises(InputError, match=r"^bars has no dates\. Hint: check `start` and `end`\.$"):
        Bars(panel(np.ones((2, 2))).between("2030"))


def test_other_refusals() -> None:
    close = panel(np.ones((2, 2)))
    with pytest.raises(KindError, match=r"^`high` must be a Panel or a Polars frame, received builtins\.float\."):
        Bars(close, high=1.0)
    with pytest.raises(KindError, match=r"^`close` must be a Panel or a Polars frame"):
        Bars(close.values)
    with pytest.raises(DataError, match=r"^`member` must be a bool Panel\."):
        Bars(close, member=close)
    with pytest.raises(InputError, match=r'^`adjusted` must be "unknown", "none", "split" or "total_return", received'):
        Bars(close, adjusted="yes")


def test_demand(bars: Bars) -> None:
    assert bars.demand("volume") is bars.volume
    with pytest.raises(InputError, match=r"^sample has no open prices \(it has close, volume\)\. Hint: use `fill="):
        bars.demand("open")
    with pytest.raises(InputError, match=r"^sample has no high prices \(it has close, volume\)\.$"):
        bars.demand("high")


def test_between_and_select_take_every_field_along(bars: Bars) -> None:
    later = bars.between("2014-06-09")
    assert (later.shape, later.volume.shape, later.member.shape) == ((1, 2), (1, 2), (1, 2))
    one = bars.select("MSFT")
    assert (one.symbols, one.volume.symbols, one.member.symbols) == (("MSFT",),) * 3
    assert one.name == "sample"
    with pytest.raises(InputError, match="has no dates"):
        bars.between("2030")
    with pytest.raises(LabelError, match="Symbol IBM is not in the data"):
        bars.select("IBM")


def test_bars_cannot_be_changed_and_can_be_pickled(bars: Bars) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        bars.close = bars.volume
    twin = pickle.loads(pickle.dumps(bars))
    assert twin.content_hash == bars.content_hash
    np.testing.assert_array_equal(twin.member.values, bars.member.values)


def test_equality_is_identity(bars: Bars) -> None:
    # Comparing field by field would end in the truth value of a Panel, which does not exist.
    twin = dataclasses.replace(bars)
    assert bars.select("MSFT") != bars.select("MSFT")
    assert bars == bars
    assert bars != twin
    assert bars.content_hash == twin.content_hash
    assert len({bars, twin}) == 2


# Identity of the content -------------------------------------------------------------------------------------------


def test_the_hash_does_not_depend_on_how_the_data_came(bars: Bars) -> None:
    odd = np.array([[10.0, 0.0], [11.0, 20.0]])
    odd.view(np.int64)[0, 1] = 0x7FF8000000000123  # a NaN with other bits
    twin = Bars(panel(odd), volume=bars.volume, name="another name", note="said")
    assert twin.content_hash == bars.content_hash
    assert len(bars.content_hash) == 64
    assert bars.select(bars.symbols).content_hash == bars.content_hash
    assert bars.between(None, None).content_hash == bars.content_hash


def test_the_hash_takes_both_zeros_for_one(bars: Bars) -> None:
    minus = dataclasses.replace(bars, volume=panel([[-0.0, NAN], [100.0, 50.0]]))
    assert np.signbit(minus.volume.values[0, 0])
    assert minus.content_hash == bars.content_hash


def test_the_hash_knows_where_a_symbol_ends(bars: Bars) -> None:
    # The door refuses such symbols; the hash does not lean on it.
    hashes = set()
    for names in (("a\0b", "c"), ("a", "b\0c"), ("1:a", "b"), ("a", "1:b")):
        close = Panel._trusted(bars.close.values, bars.dates, names, None)
        hashes.add(Bars(close).content_hash)
    assert len(hashes) == 4


D0, D1, D2 = date(2014, 6, 5), date(2014, 6, 6), date(2014, 6, 9)
ACTIONS = pl.DataFrame(
    {
        "symbol": ["MSFT", "AAPL", "AAPL", "AAPL", "ELSE"],
        "date": [D2, D2, D2, D0, D2],
        "kind": ["dividend", "split", "dividend", "dividend", "split"],
        "value": [0.28, 7.0, 0.47, 3.29, 2.0],
    }
)
BORROW = pl.DataFrame(
    {
        "symbol": ["AAPL", "AAPL", "AAPL", "MSFT", "MSFT", "ELSE"],
        "date": [date(2014, 1, 2), D0, D2, D1, D0, D1],
        "rate": [0.1, 0.2, 0.3, 0.4, 0.5, None],
    }
)


CHANGES: dict[str, Callable[[Bars], Bars]] = {
    "a value": lambda b: dataclasses.replace(b, close=panel([[10.0, NAN], [11.0, 20.000000000000004]])),
    "a missing value": lambda b: dataclasses.replace(b, close=panel([[10.0, 1.0], [11.0, 20.0]])),
    "a field less": lambda b: dataclasses.replace(b, volume=None),
    "a field more": lambda b: dataclasses.replace(b, open=b.close),
    "another field": lambda b: dataclasses.replace(b, volume=None, open=b.volume + 1.0),
    "the universe": lambda b: dataclasses.replace(b, member=panel(np.ones((2, 2), bool))),
    "a symbol": lambda b: _renamed(b, DAYS, ["AAPL", "MSFTX"]),
    "the cut between symbols": lambda b: _renamed(b, DAYS, ["AAPLM", "SFT"]),
    "a date": lambda b: _renamed(b, ["2014-06-06", "2014-06-10"], NAMES),
    "clock times": lambda b: _renamed(b, np.array(DAYS, dtype="datetime64[us]"), NAMES),
    "the order of symbols": lambda b: b.select(["MSFT", "AAPL"]),
    "fewer dates": lambda b: b.between("2014-06-09"),
    "actions, though none": lambda b: dataclasses.replace(b, actions=ACTIONS[:0]),
    "actions": lambda b: dataclasses.replace(b, actions=ACTIONS),
    "borrow data": lambda b: dataclasses.replace(b, borrow=BORROW),
    "how prices are adjusted": lambda b: dataclasses.replace(b, adjusted="split"),
    "bars per year": lambda b: _often(b, Frequency(12)),
    "the calendar": lambda b: _often(b, Frequency(252, "XNYS")),
    "no frequency": lambda b: _often(b, None),
    "nobody's frequency": lambda b: _often(b, Frequency(None)),
}


def _often(bars: Bars, frequency: Frequency | None) -> Bars:
    panels = (Panel(p.values, p.dates, p.symbols, frequency=frequency) for p in (bars.close, bars.volume, bars.member))
    close, volume, member = panels
    return Bars(close, volume=volume, member=member, name=bars.name)


def _renamed(bars: Bars, dates: object, names: list[str]) -> Bars:
    panels = (bars.close, bars.volume, bars.member)
    close, volume, member = (Panel(p.values, dates, names, frequency=bars.frequency) for p in panels)
    return Bars(close, volume=volume, member=member, name=bars.name)


@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_changes_with(bars: Bars, change: str) -> None:
    assert CHANGES[change](bars).content_hash != bars.content_hash


# The tables that ride along ---------------------------------------------------------------------------------------


def test_tables_are_cut_to_symbols_and_dates_and_sorted(bars: Bars) -> None:
    made = as_bars(bars.close, actions=ACTIONS, borrow=BORROW)
    assert made.actions.rows() == [
        ("AAPL", D2, "dividend", 0.47), ("AAPL", D2, "split", 7.0), ("MSFT", D2, "dividend", 0.28),
    ]  # fmt: skip
    # What holds on the first date was said before it: 0.2 for AAPL. For MSFT the first date has a row of its own.
    assert made.borrow.rows() == [("AAPL", D0, 0.2), ("MSFT", D1, 0.4), ("AAPL", D2, 0.3)]
    assert as_bars(bars.close).actions is None
    assert as_bars(bars.close).borrow is None


def test_tables_stay_consistent_with_the_panels(bars: Bars) -> None:
    made = as_bars(bars.close, actions=ACTIONS, borrow=BORROW)
    assert made.select("MSFT").actions["symbol"].to_list() == ["MSFT"]
    assert made.select("MSFT").borrow["rate"].to_list() == [0.4]
    assert made.between(end=D1).actions.height == 0
    assert made.between(end=D1).actions.columns == ACTIONS.columns
    assert made.between(start=D2).borrow["rate"].to_list() == [0.4, 0.3]
    assert made.between(start=D2).content_hash == as_bars(
        bars.close.between(D2), actions=ACTIONS, borrow=BORROW.filter(pl.col("symbol") != "ELSE")
    ).content_hash  # fmt: skip


def test_the_hash_of_tables_does_not_depend_on_how_they_came(bars: Bars) -> None:
    made = dataclasses.replace(bars, actions=ACTIONS, borrow=BORROW)
    mixed = ACTIONS.reverse().select("value", "kind", "date", pl.col("symbol").cast(pl.Enum(["MSFT", "ELSE", "AAPL"])))
    twin = dataclasses.replace(bars, actions=mixed, borrow=BORROW.sample(fraction=1, shuffle=True, seed=1))
    assert twin.content_hash == made.content_hash
    other = ACTIONS.with_columns(value=pl.when(pl.col("symbol") == "MSFT").then(0.29).otherwise("value"))
    missing = ACTIONS.with_columns(value=pl.when(pl.col("symbol") != "MSFT").then("value"))
    known = {dataclasses.replace(bars, actions=table).content_hash for table in (ACTIONS, other, missing)}
    assert len(known) == 3
    assert dataclasses.replace(bars, actions=ACTIONS[:2]).content_hash not in known


def conversion(**columns: list) -> pl.DataFrame:
    row = {"symbol": ["AAPL"], "date": [D2], "kind": ["conversion"], "value": [0.5], "into": ["MSFT"]}
    return pl.DataFrame(row | columns, strict=False)


def test_a_conversion_stays_whether_or_not_its_other_side_is_there(bars: Bars) -> None:
    made = dataclasses.replace(bars, actions=conversion())
    for kept in (made, made.select("AAPL"), made.between(start=D2)):
        assert kept.actions["into"].to_list() == ["MSFT"]
    assert made.select("MSFT").actions.height == 0
    other = dataclasses.replace(bars, actions=conversion(into=["IBM"]))
    assert other.content_hash != made.content_hash
    assert dataclasses.replace(bars, actions=pl.concat([ACTIONS, conversion()], how="diagonal")).actions.height == 4


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (conversion().drop("into"), "has into missing; column `into` names the symbol whose shares take over"),
        (conversion(into=[None]), "has into missing; column `into` names"),
        (conversion(into=[""]), "has into missing; column `into` names"),
        (conversion(into=["AAPL"]), "has into AAPL; it is into another symbol (a new ratio of the same is a split)"),
        (conversion(value=[0.0]), "has value 0.0; it is shares of `into` per share, above 0"),
        (conversion(value=[-1.0]), "has value -1.0; it is shares of"),
        (conversion(value=[NAN]), "has value nan; it is shares of"),
        (conversion(value=[np.inf]), "has value inf; it is shares of"),
        (conversion(value=[None]), "has value missing; it is shares of"),
    ],
)
def test_a_conversion_without_its_other_side_is_refused(bars: Bars, table: pl.DataFrame, said: str) -> None:
    with pytest.raises(DataError) as caught:
        dataclasses.replace(bars, actions=table)
    assert caught.value.message.startswith(f"The conversion of AAPL {D2} {said}")
    # One that does not concern these bars is not looked at.
    assert dataclasses.replace(bars.select("MSFT"), actions=table).actions.height == 0


def test_conversions_that_are_refused_are_counted(bars: Bars) -> None:
    table = conversion(
        symbol=["MSFT", "AAPL"], date=[D2, D1], kind=["conversion"] * 2, value=[1.0] * 2, into=[None] * 2
    )
    with pytest.raises(DataError, match=r"^The conversion of AAPL 2014-06-06 and 1 more has into missing"):
        dataclasses.replace(bars, actions=table)


def test_intraday_bars_keep_the_actions_of_their_days() -> None:
    moments = np.array(["2014-06-06T13:35", "2014-06-06T20:00"], dtype="datetime64[us]")
    made = as_bars(Panel([[1.0], [2.0]], moments, ["AAPL"]), actions=ACTIONS)
    assert made.actions.height == 0
    # In Sydney it is the 9th already when the 8th ends in UTC.
    evening = as_bars(Panel([[1.0], [2.0]], moments + np.timedelta64(2, "D"), ["AAPL"]), actions=ACTIONS)
    assert evening.actions["kind"].to_list() == ["dividend", "split"]
    later = as_bars(Panel([[1.0], [2.0]], moments + np.timedelta64(3, "D"), ["AAPL"]), actions=ACTIONS)
    assert later.actions["kind"].to_list() == ["dividend", "split"]


@pytest.mark.parametrize(
    ("tables", "error", "said"),
    [
        ({"actions": [1]}, KindError, "`actions` must be a Polars DataFrame, received list."),
        ({"actions": ACTIONS.drop("kind")}, InputError, "`actions` has no column `kind` (it has symbol, date, value)."),
        ({"borrow": pl.DataFrame()}, InputError, "`borrow` has no column `symbol` (it has none)."),
        (
            {"borrow": BORROW.with_columns(pl.col("date").cast(pl.String))},
            KindError,
            "Column date of `borrow` must be of type Date, received String.",
        ),
    ],
)
def test_tables_that_are_none(bars: Bars, tables: dict, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        dataclasses.replace(bars, **tables)
    assert caught.value.message == said


def test_a_row_that_stands_twice_is_refused_with_its_keys(bars: Bars) -> None:
    """Each of the two would be booked."""
    doubled = pl.concat([ACTIONS, ACTIONS])
    first = dataclasses.replace(bars, actions=ACTIONS).actions.row(0, named=True)
    with pytest.raises(LabelError) as caught:
        dataclasses.replace(bars, actions=doubled)
    said = f"The {first['kind']} of {first['symbol']} {first['date']} and "
    assert caught.value.message.startswith(said)
    assert caught.value.message.endswith("stand twice in `actions`.")
    assert "one row per symbol, date and kind" in caught.value.hint
    two = pl.concat([ACTIONS, ACTIONS.filter(pl.col("kind") == "split")])
    with pytest.raises(LabelError, match=r"^The split of \w+ 2014-06-09 stands twice in `actions`\."):
        as_bars(bars.close, actions=two)
    with pytest.raises(LabelError, match=r"^The borrow row of \w+ 2014.*stand twice in `borrow`\. Hint: keep"):
        as_bars(bars.close, borrow=pl.concat([BORROW, BORROW]))
    # Another value on the same keys is the same action, and what concerns no bar is left out.
    other = ACTIONS.filter(pl.col("kind") == "split", pl.col("date") == D2).with_columns(value=pl.lit(3.0))
    with pytest.raises(LabelError, match="stands twice"):
        as_bars(bars.close, actions=pl.concat([ACTIONS, other]))
    elsewhere = pl.concat([ACTIONS, ACTIONS.with_columns(symbol=pl.lit("ELSE"))])
    assert as_bars(bars.close, actions=pl.concat([elsewhere, elsewhere.tail(1)])).actions.height > 0


def test_bars_know_the_symbols_of_tables_that_they_do_not_have(bars: Bars) -> None:
    strange = ACTIONS.with_columns(symbol=pl.lit("aapl")).head(1).with_columns(date=pl.lit(date(2014, 6, 9)))
    made = dataclasses.replace(bars, actions=pl.concat([ACTIONS.filter(pl.col("symbol") == "AAPL"), strange]))
    assert made._strangers == {"actions": ("aapl",)}
    # A selection leaves out on purpose, and forgets nothing.
    assert made.select("AAPL")._strangers == {"actions": ("aapl",)}
    assert made.select("MSFT")._strangers == {"actions": ("aapl",)}
    assert made.between(end="2014-06-06")._strangers == {"actions": ("aapl",)}
    assert pickle.loads(pickle.dumps(made))._strangers == made._strangers
    assert made.content_hash == dataclasses.replace(made).content_hash
    assert bars._strangers == {}
