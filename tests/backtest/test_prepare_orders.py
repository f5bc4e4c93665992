"""Explicit orders as they reach an engine: one row per order."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from quantlab.backtest._prepare_orders import LIVES, TYPES
from quantlab.core import DataError, Frequency, InputError, Panel
from quantlab.execution import (
    Account,
    Fill,
)
from quantlab.execution import _kernel_types as k

from ._prepared import INF, NAN, NEW_YORK, bars_of, order, rules

FULL = bars_of(
    [[10.0, 20.0]] * 6,
    open=[[10.0, 20.0]] * 6,
    high=[[11.0, 21.0]] * 6,
    low=[[9.0, 19.0]] * 6,
    volume=[[100.0, 100.0]] * 6,
)


def rows_of(*rows):
    """A table of orders from dictionaries."""
    schema = {
        "date": pl.Date,
        "symbol": pl.String,
        "shares": pl.Float64,
        "type": pl.String,
        "limit": pl.Float64,
        "stop": pl.Float64,
        "trail": pl.Float64,
        "trail_fraction": pl.Float64,
        "tif": pl.String,
        "until": pl.Date,
        "group": pl.String,
        "reduce_only": pl.Boolean,
    }
    given = [{"date": date(2024, 1, 1), "symbol": "A", "shares": 10.0} | row for row in rows]
    used = [name for name in schema if any(name in row for row in given)]
    return pl.DataFrame(given, schema={name: schema[name] for name in used})


NEEDS = {
    "limit": {"limit": 9.5},
    "limit_on_open": {"limit": 9.5},
    "limit_on_close": {"limit": 9.5},
    "stop": {"stop": 8.0},
    "stop_limit": {"stop": 8.0, "limit": 7.5},
    "trailing": {"trail": 1.0},
}


@pytest.mark.parametrize("word", TYPES)
def test_every_type_of_order(word):
    tickets = order(FULL, rows_of({"type": word} | NEEDS.get(word, {}))).inputs.tickets
    assert tickets.type.tolist() == [TYPES[word]]
    for name in ("limit", "stop", "trail", "trail_fraction"):
        np.testing.assert_array_equal(getattr(tickets, name), [NEEDS.get(word, {}).get(name, NAN)])
    assert tickets.tif.tolist() == [k.DAY]
    assert (tickets.group.tolist(), tickets.until.tolist(), tickets.reduce_only.tolist()) == ([-1], [-1], [0])


@pytest.mark.parametrize("word", LIVES)
def test_every_time_in_force(word):
    until = {"until": date(2024, 1, 4)} if word == "gtd" else {}
    tickets = order(FULL, rows_of({"tif": word} | until)).inputs.tickets
    assert tickets.tif.tolist() == [LIVES[word]]
    assert tickets.until.tolist() == [3 if word == "gtd" else -1]


def test_orders_are_sorted_by_bar_and_keep_their_order_within_one():
    table = rows_of(
        {"date": date(2024, 1, 3), "shares": 1.0},
        {"date": date(2024, 1, 1), "symbol": "B", "shares": 2.0},
        {"date": date(2024, 1, 3), "symbol": "B", "shares": 3.0},
        {"date": date(2024, 1, 1), "shares": -4.0},
    )
    tickets = order(FULL, table).inputs.tickets
    np.testing.assert_array_equal(tickets.placed, [0, 0, 2, 2])
    np.testing.assert_array_equal(tickets.asset, [1, 0, 0, 1])
    np.testing.assert_array_equal(tickets.units, [2.0, -4.0, 1.0, 3.0])


def test_groups_and_flags():
    table = rows_of({"group": "x"}, {}, {"group": "y", "reduce_only": True}, {"group": "x"})
    tickets = order(FULL, table).inputs.tickets
    np.testing.assert_array_equal(tickets.group, [0, -1, 1, 0])
    np.testing.assert_array_equal(tickets.reduce_only, [0, 0, 1, 0])
    numbers = rows_of({}, {}).with_columns(group=pl.Series([7, None], dtype=pl.Int64))
    np.testing.assert_array_equal(order(FULL, numbers).inputs.tickets.group, [0, -1])


def test_until_is_the_last_bar_that_is_not_later():
    days = np.array(["2024-01-05", "2024-01-08", "2024-01-09"], dtype="datetime64[D]")
    bars = bars_of([1.0] * 3, dates=days)
    given = {"date": date(2024, 1, 5), "tif": "gtd"}
    assert order(bars, rows_of(given | {"until": date(2024, 1, 8)})).inputs.tickets.until.tolist() == [1]
    assert order(bars, rows_of(given | {"until": date(2025, 1, 1)})).inputs.tickets.until.tolist() == [2]
    with pytest.raises(DataError, match=r"The order of A 2024-01-05 ends before it meets a bar"):
        order(bars, rows_of(given | {"until": date(2024, 1, 7)}))


def test_until_of_intraday_orders_is_a_moment():
    dates = np.array(NEW_YORK, dtype="datetime64[us]")
    bars = bars_of([1.0] * 7, dates=dates, frequency=Frequency.intraday("XNYS", 30))
    first = datetime(2024, 11, 27, 15, 30, tzinfo=UTC)
    table = pl.DataFrame(
        {
            "date": [first],
            "symbol": ["A"],
            "shares": [1],
            "tif": ["gtd"],
            "until": [datetime(2024, 11, 29, 17, tzinfo=UTC)],
        }
    )
    assert order(bars, table).inputs.tickets.until.tolist() == [3]
    day = table.with_columns(until=pl.lit(date(2024, 11, 29)))
    assert order(bars, day).inputs.tickets.until.tolist() == [4]


def test_orders_are_rounded_to_lots_and_told():
    table = rows_of(
        {"shares": 10.5}, {"shares": -0.4}, {"symbol": "B", "shares": -7.0}, {"date": date(2024, 1, 2), "shares": 0.0}
    )
    prepared = order(FULL, table)
    np.testing.assert_array_equal(prepared.inputs.tickets.units, [10.0, -7.0])
    said = [(f.rule, f.severity, f.symbol, f.date, f.count) for f in prepared.findings]
    assert said == [("rounded_order", "info", "A", "2024-01-01", 1), ("below_one_lot", "warning", "A", "2024-01-01", 1)]
    hundred = order(FULL, rows_of({"shares": 250.0}), account=Account(lot=100)).inputs.tickets
    np.testing.assert_array_equal(hundred.units, [200.0])
    # The trap of 0.3 / 0.1: three lots, not two.
    tenth = order(FULL, rows_of({"shares": 0.3}), account=Account(lot=0.1))
    np.testing.assert_array_equal(tenth.inputs.tickets.units, [3.0])
    assert rules(tenth) == []
    exact = order(FULL, rows_of({"shares": 10.5}), account=Account(lot=None))
    np.testing.assert_array_equal(exact.inputs.tickets.units, [10.5])
    assert rules(exact) == []


def test_a_delay_moves_orders():
    table = rows_of({}, {"date": date(2024, 1, 6)})
    prepared = order(FULL, table, fill=Fill("next_close", delay=2))
    np.testing.assert_array_equal(prepared.inputs.tickets.placed, [1])
    assert rules(prepared) == ["no_next_bar"]


BAD_ORDERS = {
    "no limit": ({"type": "limit"}, r"The order of A 2024-01-01 needs a limit price\."),
    "no stop": ({"type": "stop_limit", "limit": 9.0}, r"needs a stop price"),
    "no trail": ({"type": "trailing"}, r"is a trailing stop and needs either a trail"),
    "two trails": ({"type": "trailing", "trail": 1.0, "trail_fraction": 0.1}, r"needs either a trail"),
    "a whole trail": ({"type": "trailing", "trail_fraction": 1.0}, r"has a trail_fraction of 1 or more"),
    "a limit too many": ({"type": "market", "limit": 9.0}, r"has a limit, which its type does not take"),
    "a stop too many": ({"type": "limit", "limit": 9.0, "stop": 8.0}, r"has a stop, which its type does not take"),
    "a price of zero": ({"type": "limit", "limit": 0.0}, r"has a limit that is not above zero"),
    "an infinite price": ({"type": "stop", "stop": INF}, r"has a stop that is not above zero"),
    "no date": ({"tif": "gtd"}, r'has the tif "gtd" and no date'),
    "a date too many": ({"until": date(2024, 1, 5)}, r"has a date `until`, which only the tif gtd takes"),
    "infinite": ({"shares": -INF}, r"is for a number of shares that is missing or infinite"),
    "not a number": ({"shares": NAN}, r"is for a number of shares that is missing or infinite"),
    "unknown symbol": ({"symbol": "AA"}, r"The order of AA 2024-01-01 is for a symbol that bars does not have"),
}


@pytest.mark.parametrize("case", BAD_ORDERS)
def test_an_order_that_cannot_be_names_symbol_and_date(case):
    row, sentence = BAD_ORDERS[case]
    with pytest.raises(DataError, match=sentence) as caught:
        order(FULL, rows_of({"shares": 5.0, "symbol": "B"}, row))
    message = caught.value.message
    assert " 2024-01-01" in message
    assert message.endswith(".")


def test_orders_before_the_first_price_and_after_the_delisting():
    bars = bars_of([[1.0, NAN], [1.0, 1.0], [NAN, 1.0], [NAN, 1.0]], actions=[("A", "2024-01-03", "delisting", 0.0)])
    with pytest.raises(DataError, match=r"The order of B 2024-01-01 comes before the symbol's first price"):
        order(bars, rows_of({"symbol": "B"}))
    with pytest.raises(DataError, match=r"The order of A 2024-01-03 comes after the symbol's delisting"):
        order(bars, rows_of({"date": date(2024, 1, 3)}))
    # On the day before nobody knew.
    assert order(bars, rows_of({"date": date(2024, 1, 2)})).inputs.tickets.placed.size == 1
    for row, column, what in ((0, 1, "before its first price"), (2, 0, "after its delisting")):
        values = np.full((1, 2), NAN)
        values[0, column] = 5.0
        day = f"2024-01-0{row + 1}"
        with pytest.raises(DataError, match=rf"{'AB'[column]} has an order on {day}, {what}"):
            order(bars, Panel(values, bars.dates[[row]], bars.symbols))


@pytest.mark.parametrize(
    ("row", "fields", "missing"),
    [
        ({"type": "market_on_open"}, {}, "open"),
        ({"type": "limit_on_open", "limit": 1.0}, {}, "open"),
        ({"type": "limit", "limit": 1.0}, {"open": [1.0] * 3}, "high and no low"),
        ({"type": "trailing", "trail": 1.0}, {"low": [1.0] * 3}, "high"),
    ],
)
def test_orders_that_the_bars_cannot_answer(row, fields, missing):
    with pytest.raises(
        InputError, match=rf"The order of A 2024-01-01 is of type {row['type']}, and bars has no {missing}"
    ):
        order(bars_of([1.0] * 3, **fields), rows_of(row))


def test_first_prices_follow_the_callers_columns():
    close = [[NAN, 1.0, 1.0], [1.0, 1.0, 1.0]]
    bars = bars_of(close, symbols=["B", "C", "A"])
    assert order(bars, Panel([[NAN, 1.0, 1.0]], bars.dates[:1], bars.symbols)).inputs.rows.size == 1
    with pytest.raises(DataError, match="B has an order on 2024-01-01, before its first price"):
        order(bars, Panel([[1.0, NAN, NAN]], bars.dates[:1], bars.symbols))
