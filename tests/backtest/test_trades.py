"""Round trips by hand, against a plain walk in Python, and the identity that they add up to equity at every bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.backtest import _attribution, _reference, _trades
from quantlab.backtest import _trade_kernels as tk
from quantlab.core import DataError, InputError, KindError
from quantlab.execution import Account, Borrow, Bps, Costs, Exits, Fill, NoMargin, PerShare, PerTrade, Proportional
from quantlab.execution import _kernel_types as kt

from ._given import bars_of, held, weighed
from ._plain_trades import trips_of
from ._random_inputs import random_inputs
from .conftest import make_bars

NAN = np.nan


def rows(result, *columns):
    return result.trades.select(columns).rows()


def adds_up(result):
    """Equity less cash at the start equals what trades earned, closed and open, when there is no interest."""
    trades = result.trades
    earned = trades["pnl"].sum() + trades["dividends"].sum() - trades["borrow"].sum()
    np.testing.assert_allclose(result.initial + earned, result.equity.values[-1, 0], rtol=1e-13)


def test_one_closed_and_one_open_trade():
    bars = bars_of([[10.0, 20.0], [10.0, 20.0], [12.0, 24.0], [12.0, 24.0], [15.0, 24.0], [15.0, 30.0]])
    costs = Costs(commission=PerShare(0.1), slippage=Bps(100), borrow=Borrow(0.36))
    result = held(bars, {0: [39.0, -9.0], 3: [-19.0, 9.0]}, costs=costs)
    day = [date.item() for date in bars.dates]
    assert rows(result, "symbol", "side", "entry", "exit", "bars", "shares", "exit_kind", "status") == [
        ("A", "long", day[1], None, 4, 39.0, None, "open"),
        ("B", "short", day[1], day[4], 3, 9.0, "order", "closed"),
    ]
    trades = result.trades
    np.testing.assert_allclose(trades["entry_price"], [10.1, 19.8], rtol=1e-15)
    # 19 of 39 were sold at 14.85, the rest stands at 15.
    np.testing.assert_allclose(trades["exit_price"], [(19 * 14.85 + 20 * 15) / 39, 24.24], rtol=1e-15)
    pnl = np.array([19 * 14.85 + 20 * 15 - 39 * 10.1 - 5.8, 9 * (19.8 - 24.24) - 1.8])
    np.testing.assert_allclose(trades["pnl"], pnl, rtol=1e-13)
    np.testing.assert_allclose(trades["costs"], [5.8 + 3.9 + 2.85, 1.8 + 1.8 + 2.16], rtol=1e-13)
    np.testing.assert_allclose(trades["borrow"], [0.0, 0.18 + 0.216 + 0.216], rtol=1e-13)
    np.testing.assert_allclose(trades["return"], pnl / [39 * 10.1, 9 * 19.8], rtol=1e-13)
    adds_up(result)


def test_a_reversal_is_two_trades_and_shares_its_costs():
    """Trap 26: +100 at 10, then -200 at 12 with a fee of 2 for the order."""
    result = held(bars_of([10.0, 10.0, 12.0, 12.0, 11.0]), {0: [100.0], 1: [-200.0]}, costs=Costs(PerTrade(2.0)))
    assert rows(result, "side", "shares", "entry_price", "exit_price", "status") == [
        ("long", 100.0, 10.0, 12.0, "closed"),
        ("short", 100.0, 12.0, 11.0, "open"),
    ]
    np.testing.assert_allclose(result.trades["pnl"], [200.0 - 2.0 - 1.0, 100.0 - 1.0], rtol=1e-14)
    adds_up(result)


def test_fills_of_one_order_in_parts_build_one_trade():
    bars = bars_of([10.0, 10.0, 13.0, 16.0, 14.0, 14.0], volume=[1e9, 400.0, 300.0, 300.0, 1e9, 1e9])
    result = held(bars, {0: [100.0], 3: [-100.0]}, fill=Fill("next_close", participation=0.1, carry=5))
    assert rows(result, "bars", "shares", "entry_price", "exit_price", "pnl") == [
        (3, 100.0, pytest.approx((40 * 10 + 30 * 13 + 30 * 16) / 100), 14.0, pytest.approx(1400.0 - 1270.0))
    ]


def test_a_position_that_goes_flat_and_comes_back_is_two_trades():
    result = held(bars_of([10.0, 10.0, 11.0, 12.0, 13.0]), {0: [5.0], 1: [-5.0], 2: [5.0]})
    assert rows(result, "entry_price", "exit_price", "status") == [(10.0, 11.0, "closed"), (12.0, 13.0, "open")]


def test_ten_tenths_less_one_are_flat():
    closes = [1.0] * 14
    rows_ = {bar: [0.1] for bar in range(10)} | {10: [-1.0]}
    for lot in (0.1, None):
        trades = held(bars_of(closes), rows_, lot=lot, costs=Costs(Proportional(0.01))).trades
        assert trades["status"].to_list() == ["closed"], lot
        assert trades["shares"].to_list() == pytest.approx([1.0], rel=1e-14)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_split_rescales_a_trade(side):
    """Trap 15: 100 shares, 1 for 7 at 70: 14 shares at 490 and 140 in cash."""
    bars = bars_of([70.0, 70.0, 490.0, 560.0, 560.0], actions=[("A", 2, "split", 1 / 7)])
    result = held(bars, {0: [100.0 * side], 2: [-14.0 * side]})
    (trade,) = result.trades.rows(named=True)
    assert trade["status"] == "closed"
    assert trade["shares"] == pytest.approx(100 / 7)
    assert trade["entry_price"] == pytest.approx(490.0, rel=1e-14)
    # Two sevenths of a new share are sold for 140 at 490, 14 at 560.
    assert trade["exit_price"] == pytest.approx((140 + 14 * 560) / (100 / 7), rel=1e-14)
    assert trade["pnl"] == pytest.approx(side * (140 + 14 * 560 - 7000), rel=1e-13)
    adverse, favorable = (0.0, 560 / 490 - 1) if side > 0 else (560 / 490 - 1, 0.0)
    assert trade["mae"] == pytest.approx(adverse, rel=1e-13)
    assert trade["mfe"] == pytest.approx(favorable, rel=1e-13)
    adds_up(result)


def test_two_splits_on_one_bar():
    days = np.array(["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], dtype="datetime64[D]")
    bars = make_bars([60.0, 60.0, 10.0, 11.0], dates=days, actions=[("A", 2, "split", 2.0), ("A", 3, "split", 3.0)])
    # The second falls on the Sunday before the bar of the first.
    sunday = pl.when(pl.col("value") == 3.0).then(pl.date(2024, 1, 7)).otherwise(pl.col("date"))
    bars = replace(bars, actions=bars.actions.with_columns(date=sunday))
    assert rows(held(bars, {0: [10.0]}), "shares", "entry_price", "exit_price", "pnl") == [(60.0, 10.0, 11.0, 60.0)]
    short = held(bars, {0: [-10.0]}).trades
    np.testing.assert_allclose(short.select("mae", "mfe").row(0), (0.1, 0.0), rtol=1e-13, atol=1e-15)


def test_a_position_too_small_for_a_reverse_split_is_closed_by_it():
    bars = bars_of([7.0, 7.0, 490.0, 490.0], actions=[("A", 2, "split", 1 / 70)])
    result = held(bars, {0: [50.0]})
    assert rows(result, "exit_kind", "status", "exit_price", "pnl") == [
        ("split", "closed", pytest.approx(490.0), pytest.approx(0.0, abs=1e-11))
    ]


def test_a_symbol_change_continues_the_trade():
    bars = bars_of(
        [[10.0, NAN], [10.0, NAN], [9.0, NAN], [NAN, 12.0], [NAN, 13.0], [NAN, 13.0]],
        actions=[("A", 3, "conversion", 1.0, "B")],
    )
    result = held(bars, {0: [50.0, 0.0], 3: [0.0, -50.0]})
    day = [date.item() for date in bars.dates]
    assert rows(result, "symbol", "entry", "exit", "bars", "shares", "entry_price", "exit_price", "pnl", "status") == [
        ("B", day[1], day[4], 3, 50.0, 10.0, 13.0, pytest.approx(150.0), "closed")
    ]
    np.testing.assert_allclose(result.trades.select("mae", "mfe").row(0), (0.1, 0.3), rtol=1e-13)


def test_a_conversion_into_a_flat_symbol_counts_new_shares():
    bars = bars_of(
        [[10.0, 25.0], [10.0, 25.0], [12.0, 25.0], [NAN, 30.0], [NAN, 33.0]],
        actions=[("A", 3, "conversion", 0.4, "B")],
    )
    # 51 old shares are 20 new ones and 0.4 of one, at 12 / 0.4, in cash.
    result = held(bars, {0: [51.0, 0.0], 3: [0.0, -20.0]})
    (trade,) = result.trades.rows(named=True)
    assert trade["shares"] == pytest.approx(20.4)
    assert trade["entry_price"] == pytest.approx(25.0)
    assert trade["pnl"] == pytest.approx(20 * 33 + 12.0 - 510.0, rel=1e-13)
    assert trade["exit_price"] == pytest.approx((20 * 33 + 12.0) / 20.4, rel=1e-13)
    assert trade["return"] == pytest.approx(trade["pnl"] / 510.0, rel=1e-13)
    adds_up(result)


def test_a_conversion_into_a_held_symbol_ends_one_trade_and_adds_to_the_other():
    bars = bars_of(
        [[10.0, 25.0], [10.0, 25.0], [12.0, 25.0], [NAN, 30.0], [NAN, 30.0]],
        actions=[("A", 3, "conversion", 0.5, "B")],
    )
    result = held(bars, {0: [40.0, 10.0]})
    assert rows(result, "symbol", "shares", "entry_price", "exit_price", "pnl", "exit_kind") == [
        ("A", 40.0, 10.0, 12.0, pytest.approx(80.0), "conversion"),
        # 10 bought at 25 and 20 taken over at 24.
        ("B", 30.0, pytest.approx(73 / 3), 30.0, pytest.approx(900.0 - 730.0), None),
    ]
    adds_up(result)


def test_a_conversion_into_a_short_turns_it():
    bars = bars_of(
        [[10.0, 25.0], [10.0, 25.0], [12.0, 25.0], [NAN, 30.0], [NAN, 30.0]],
        actions=[("A", 3, "conversion", 0.5, "B")],
    )
    result = held(bars, {0: [40.0, -15.0]})
    assert rows(result, "symbol", "side", "shares", "entry_price", "exit_price", "exit_kind") == [
        ("A", "long", 40.0, 10.0, 12.0, "conversion"),
        ("B", "short", 15.0, 25.0, 24.0, "conversion"),
        ("B", "long", 5.0, 24.0, 30.0, None),
    ]
    adds_up(result)


def test_a_chain_of_conversions_on_one_bar_is_one_trade():
    bars = bars_of(
        [[10.0, NAN, NAN], [10.0, NAN, NAN], [NAN, NAN, 7.0], [NAN, NAN, 8.0]],
        actions=[("A", 2, "conversion", 1.0, "B"), ("B", 2, "conversion", 2.0, "C")],
    )
    result = held(bars, {0: [5.0, 0.0, 0.0]})
    assert rows(result, "symbol", "shares", "entry_price", "exit_price", "pnl") == [("C", 10.0, 5.0, 8.0, 30.0)]


def test_a_conversion_all_in_cash_ends_the_trade():
    bars = bars_of([[10.0, 900.0]] * 3 + [[NAN, 900.0]] * 2, actions=[("A", 3, "conversion", 0.01, "B")])
    result = held(bars, {0: [50.0, 0.0]})
    assert rows(result, "symbol", "exit_kind", "exit_price") == [("A", "conversion", 10.0)]
    adds_up(result)


def test_a_delisting_closes_at_its_value():
    bars = bars_of([[10.0], [10.0], [8.0], [NAN], [NAN]], actions=[("A", 3, "delisting", -0.3)])
    result = held(bars, {0: [100.0]})
    (trade,) = result.trades.rows(named=True)
    assert (trade["exit_kind"], trade["status"]) == ("delisting", "closed")
    assert trade["exit_price"] == pytest.approx(5.6)
    assert trade["pnl"] == pytest.approx(-440.0)
    assert trade["mae"] == pytest.approx(0.44)
    assert trade["exit"] == bars.dates[3].item()


def test_a_spinoff_lowers_the_entry_price_and_is_part_of_the_gain():
    bars = bars_of([10.0, 10.0, 8.0, 8.0, 9.0], actions=[("A", 2, "spinoff", 0.2)])
    result = held(bars, {0: [100.0], 3: [-100.0]})
    (trade,) = result.trades.rows(named=True)
    assert trade["entry_price"] == pytest.approx(8.0)
    assert trade["exit_price"] == pytest.approx(9.0)
    assert trade["pnl"] == pytest.approx(100.0 + 0.0)
    assert trade["mae"] == pytest.approx(0.0, abs=1e-15)
    adds_up(result)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_dividends_are_paid_to_longs_and_by_shorts(side):
    actions = [("A", 2, "dividend", 0.4, 4), ("A", 2, "special_dividend", 0.1)]
    result = held(bars_of([10.0, 10.0, 9.5, 9.5, 9.5], actions=actions), {0: [100.0 * side], 2: [-100.0 * side]})
    assert result.trades["dividends"].to_list() == pytest.approx([50.0 * side])
    assert result.trades["pnl"].to_list() == pytest.approx([-50.0 * side])
    adds_up(result)


def test_borrow_of_the_night_belongs_to_the_trade_that_was_held():
    """Turned on bar 2: the fee of the night before is the first short's, none is the long's."""
    result = held(bars_of([10.0] * 5), {0: [-100.0], 1: [200.0], 2: [-200.0]}, costs=Costs(borrow=Borrow(0.36)))
    assert rows(result, "side", "borrow") == [
        ("short", pytest.approx(1.0)),
        ("long", 0.0),
        ("short", pytest.approx(1.0)),
    ]
    adds_up(result)


def test_ends_are_named_by_what_sent_the_order():
    closes = np.array([10.0, 10.0, 10.0, 8.0, 8.0, 8.0, 8.0])
    bars = bars_of(closes, open=closes, high=closes + 0.5, low=closes - 0.5)
    account = Account(cash=1000.0, margin=NoMargin())
    stopped = weighed(bars, {0: [0.5]}, exits=Exits(stop_loss=0.1), account=account)
    assert rows(stopped, "exit_kind", "exit_price") == [("stop_loss", 8.0)]
    timed = weighed(bars, {0: [0.5]}, exits=Exits(time_stop=2), account=account)
    assert timed.trades["exit_kind"].to_list() == ["time_stop"]
    called = weighed(bars_of([10.0, 10.0, 5.2, 5.2, 5.2]), {0: [1.9]}, account=Account(cash=1000.0))
    assert called.orders["kind"].to_list() == ["rebalance", "margin_call"]


OPEN = [10.0, 10.0, 11.0, 12.0, 12.0]
HIGH = [10.5, 13.0, 14.0, 15.0, 12.0]
LOW = [9.5, 7.0, 8.0, 6.0, 12.0]
CLOSE = [10.0, 10.0, 11.0, 12.0, 12.0]


@pytest.mark.parametrize(
    ("fill", "out", "mae", "mfe"),
    [
        # In at the open of bar 1: its range counts. Out at the open of bar 3: its range does not.
        ("next_open", 2, 3.0, 4.0),
        # In at the close of bar 1: its range does not count. Out at the close of bar 3: its range does.
        ("next_close", 2, 4.0, 5.0),
        ("next_open", 4, 4.0, 5.0),
        ("next_close", 0, 0.0, 0.0),
    ],
)
def test_excursions_see_the_bars_between_fills(fill, out, mae, mfe):
    # Opens differ from closes by a hair, so that the price of a fill says which it was.
    bars = bars_of(CLOSE, open=np.array(OPEN) * (1 - 1e-12), high=HIGH, low=LOW)
    orders = {0: [10.0], **({out: [-10.0]} if 0 < out < 4 else {})}
    if out == 0:
        bars = bars_of(CLOSE[:2], open=OPEN[:2], high=HIGH[:2], low=LOW[:2])
    long = held(bars, orders, fill=fill).trades
    np.testing.assert_allclose(long.select("mae", "mfe").row(0), (mae / 10, mfe / 10), rtol=1e-9)
    short = held(bars, {bar: [-row[0]] for bar, row in orders.items()}, fill=fill).trades
    np.testing.assert_allclose(short.select("mae", "mfe").row(0), (mfe / 10, mae / 10), rtol=1e-9)


def test_excursions_of_closes_alone():
    trades = held(bars_of([10.0, 10.0, 9.0, NAN, 13.0]), {0: [10.0]}).trades
    np.testing.assert_allclose(trades.select("mae", "mfe").row(0), (0.1, 0.3), rtol=1e-14)


def test_a_stop_inside_the_bar_sees_its_own_price_and_not_the_low_below_it():
    bars = bars_of([10.0, 10.0, 9.5], open=[10.0, 10.0, 10.2], high=[10.0, 10.0, 10.6], low=[10.0, 10.0, 5.0])
    result = weighed(bars, {0: [1.0]}, account=Account(cash=1000.0), exits=Exits(stop_loss=0.1))
    assert rows(result, "exit_kind", "exit_price") == [("stop_loss", 9.0)]
    np.testing.assert_allclose(result.trades.select("mae", "mfe").row(0), (0.1, 0.0), rtol=1e-13, atol=1e-15)


def test_slippage_is_no_excursion_of_the_price():
    trades = held(bars_of([10.0, 10.0, 10.0]), {0: [10.0], 1: [-10.0]}, costs=Costs(slippage=Bps(100))).trades
    # The entry price is 10.1, the market stood at 10.
    np.testing.assert_allclose(trades.select("mae", "mfe").row(0), (1 - 10 / 10.1, 0.0), rtol=1e-12)


def test_excursions_are_measured_from_the_average_of_that_time():
    """10 at 10, a low of 9, then 30 more at 20: 9 was 10 % below the entry, and 17 is nothing below 17.5."""
    bars = bars_of(
        [10.0, 10.0, 12.0, 20.0, 18.0],
        open=[10.0, 10.0, 12.0, 20.0, 18.0],
        high=[10.0, 10.0, 12.0, 20.0, 18.0],
        low=[10.0, 10.0, 9.0, 20.0, 17.0],
    )
    trades = held(bars, {0: [10.0], 2: [30.0]}).trades
    np.testing.assert_allclose(trades.select("mae", "mfe").row(0), (0.1, 1.0), rtol=1e-13)


def walked_rows(inputs, records):
    labels, sums = _trades.walked(inputs, records, inputs.world.close.shape[0] - 1)
    rows_ = []
    for label, total in zip(labels, sums, strict=True):
        costs = total[[tk.COMMISSION, tk.FEES, tk.SLIPPAGE]].sum()
        money = (total[tk.FLOW] - total[tk.COMMISSION] - total[tk.FEES], costs, total[tk.DIVIDENDS], total[tk.BORROW])
        rows_.append((*label[[tk.ASSET, tk.SIDE, tk.ENTRY, tk.EXIT]], *money, total[tk.ADVERSE], total[tk.FAVORABLE]))
    return rows_


def in_order(trips):
    """By asset and entry; of two on one bar, first the one that ended first, an open one last."""
    return sorted(trips, key=lambda row: (row[0], row[2], row[3] % 10**6))


def money_scale(inputs, run):
    tape = run.tape
    return inputs.cash + np.abs(tape[:, [kt.EQUITY, kt.LONG, kt.SHORT]]).max() + tape[:, kt.TRADED].sum()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_walk_is_that_of_a_plain_one(seed):
    inputs = random_inputs(seed)
    run = _reference.run(inputs, keep=True)
    if (run.records.events[:, 2] == kt.CONVERSION).any():
        return
    mine, other = in_order(walked_rows(inputs, run.records)), in_order(trips_of(inputs, run.records))
    assert [row[:4] for row in mine] == [row[:4] for row in other]
    scale = 1e-10 * money_scale(inputs, run)
    for left, right in zip(mine, other, strict=True):
        np.testing.assert_allclose(left[4:8], right[4:8], rtol=1e-9, atol=scale)
        np.testing.assert_allclose(left[8:], right[8:], rtol=1e-9, atol=1e-9)


def test_the_compiled_walk_is_its_python_original():
    kinds, ends = set(), set()
    for seed in range(150):
        inputs = random_inputs(seed)
        records = _reference.run(inputs, keep=True).records
        last = inputs.world.close.shape[0] - 1
        labels, sums = _trades.walked(inputs, records, last)
        most = len(records.fills) + len(records.events)
        trips = tk.Trips(np.empty((most, tk.LABELS), dtype=np.int64), np.empty((most, tk.SUMS)), np.zeros(1, dtype=int))
        value, role = _trades._actions(inputs, records)
        codes = records.orders[:, 2][records.fills[:, 0]]
        moves = (records.events, records.moved, value, role, records.fills, records.paid, codes)
        used = tk.walk.py_func(last, *moves, records.marks, records.borrow, inputs.world, inputs.terms, trips)
        np.testing.assert_array_equal(trips.labels[:used], labels)
        np.testing.assert_array_equal(trips.sums[:used], sums)
        kinds |= set(records.events[:, 2].tolist())
        ends |= set(labels[:, tk.CODE].tolist())
    assert kinds == {kt.SPLIT, kt.SPINOFF, kt.DIVIDEND, kt.CONVERSION, kt.DELISTING}
    assert len(ends) > 8


def equity_from_trades(inputs, run):
    """Equity at each bar as the trades up to it explain it, and the engine's."""
    own = _attribution.account_profits(inputs, run, run.records).sum(axis=1).cumsum()
    explained = []
    for last in range(inputs.world.close.shape[0]):
        _, sums = _trades.walked(inputs, run.records, last)
        pnl = sums[:, tk.FLOW] - sums[:, tk.COMMISSION] - sums[:, tk.FEES]
        explained.append(inputs.cash + (pnl + sums[:, tk.DIVIDENDS] - sums[:, tk.BORROW]).sum() + own[last])
    return np.array(explained), run.tape[:, kt.EQUITY]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_trades_and_financing_are_equity_at_every_bar(seed):
    """Identity I4 on random books with every feature. Foreign cash is a remainder there, so it is hand-made below."""
    inputs = random_inputs(seed)
    run = _reference.run(inputs, keep=True)
    if run.stopped >= 0:
        return
    explained, equity = equity_from_trades(inputs, run)
    np.testing.assert_allclose(explained, equity, rtol=0, atol=1e-10 * money_scale(inputs, run))
    labels, _ = _trades.walked(inputs, run.records, len(equity) - 1)
    still = sorted(labels[labels[:, tk.EXIT] < 0, tk.ASSET])
    assert still == np.flatnonzero(run.records.units[-1]).tolist()


@pytest.mark.slow
def test_trades_and_financing_are_equity_in_many_books(capsys):
    books = trades = 0
    for seed in range(10**6, 10**6 + 3000):
        inputs = random_inputs(seed)
        run = _reference.run(inputs, keep=True)
        if run.stopped < 0:
            explained, equity = equity_from_trades(inputs, run)
            np.testing.assert_allclose(
                explained, equity, rtol=0, atol=1e-10 * money_scale(inputs, run), err_msg=str(seed)
            )
            books, trades = books + 1, trades + len(_trades.walked(inputs, run.records, len(equity) - 1)[0])
    with capsys.disabled():
        print(f"\nidentity I4 at every bar of {books:,} random books with {trades:,} trades")


def frame(pnl, mae, status="closed", side="long"):
    count = len(pnl)
    return pl.DataFrame(
        {
            "side": [side] * count if isinstance(side, str) else side,
            "bars": list(range(1, count + 1)),
            "pnl": np.array(pnl, dtype=float),
            "return": np.array(pnl, dtype=float) / 100,
            "mae": np.array(mae, dtype=float),
            "mfe": np.array(mae, dtype=float) * 2,
            "status": [status] * count if isinstance(status, str) else status,
        }
    )


def test_statistics_by_hand():
    trades = frame(
        [30.0, -10.0, 10.0, 0.0, -20.0, 99.0],
        [0.1, 0.2, 0.3, 0.4, 0.5, 9.0],
        status=["closed", "closed", "closed", "closed", "liquidated", "open"],
        side=["long", "long", "long", "short", "short", "short"],
    )
    found = _trades.trade_statistics(trades)
    everything, long, short = found.rows(named=True)
    assert (everything["side"], everything["closed"], everything["open"]) == ("all", 5, 1)
    assert everything["win_rate"] == 2 / 5
    assert (everything["average_win"], everything["average_loss"]) == (20.0, -15.0)
    assert everything["payoff"] == pytest.approx(4 / 3)
    assert everything["expectancy"] == pytest.approx(2.0)
    assert everything["profit_factor"] == pytest.approx(40 / 30)
    assert everything["mean_return"] == pytest.approx(0.02)
    assert (everything["bars_50"], everything["mae_50"], everything["mfe_50"]) == (3.0, 0.3, 0.6)
    assert everything["bars_5"] == pytest.approx(1.2)
    assert (long["closed"], long["open"], long["win_rate"]) == (3, 0, pytest.approx(2 / 3))
    assert (short["closed"], short["average_win"], short["payoff"], short["profit_factor"]) == (2, None, None, 0.0)


def test_statistics_without_trades_or_losses():
    empty = _trades.trade_statistics(frame([], []))
    assert empty["closed"].to_list() == [0, 0, 0]
    assert empty["win_rate"].to_list() == [None] * 3
    winners = _trades.trade_statistics(frame([1.0, 2.0], [0.1, 0.1])).row(0, named=True)
    assert (winners["win_rate"], winners["profit_factor"], winners["payoff"]) == (1.0, None, None)
    assert empty.schema == _trades.trade_statistics(frame([1.0], [0.1])).schema


def test_statistics_of_a_result():
    result = held(bars_of([10.0, 10.0, 11.0, 12.0, 13.0]), {0: [5.0], 1: [-5.0], 2: [5.0]})
    assert result.trade_statistics().row(0, named=True)["closed"] == 1


def test_the_limit_asks_winners_alone():
    winners = frame([1.0, 2.0, 3.0, 4.0, 5.0], [0.01, 0.02, 0.03, 0.04, 0.05])
    limit = _trades.mae_limit(winners, quantile=0.75)
    assert limit == pytest.approx(0.04)
    others = pl.concat(
        [
            winners,
            frame([-1.0, 0.0], [0.9, 0.9]),
            frame([7.0], [0.9], status="open"),
            frame([-9.0], [0.9], status="liquidated"),
        ]
    )
    assert _trades.mae_limit(others, quantile=0.75) == limit
    assert _trades.mae_limit(others, quantile=1.0) == 0.05
    # More than one in twenty would have been stopped at less.
    assert _trades.mae_limit(others) == pytest.approx(np.quantile([0.01, 0.02, 0.03, 0.04, 0.05], 0.95))


def test_the_limit_refuses():
    with pytest.raises(DataError, match="None of the 1 trades was closed with a gain"):
        _trades.mae_limit(frame([-1.0], [0.1]))
    with pytest.raises(KindError, match="must be a Polars DataFrame, received dict"):
        _trades.mae_limit({})
    with pytest.raises(InputError, match="no column `mae`"):
        _trades.mae_limit(frame([1.0], [0.1]).drop("mae"))
    for quantile in (0.0, 1.1):
        with pytest.raises(InputError, match="above 0 and at most 1"):
            _trades.mae_limit(frame([1.0], [0.1]), quantile=quantile)
