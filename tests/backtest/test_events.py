"""Event strategies: the context, its orders, equality with the doors that take whole tables, and no look ahead."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.backtest import simulate, simulate_orders
from quantlab.backtest._event_context import Context
from quantlab.backtest._events import run_events
from quantlab.core import Bars, DataError, InputError, KindError, Panel
from quantlab.execution import (
    Account,
    Borrow,
    Bps,
    Costs,
    Currencies,
    Exits,
    Fill,
    Interest,
    NoMargin,
    PerShare,
    PortfolioMargin,
    RegT,
    Spread,
    SquareRootImpact,
    VolatilitySlippage,
)

from .conftest import MONDAY, cash, make_bars, make_orders, make_weights, rules

NAN, INF = float("nan"), float("inf")
FREE = cash(10_000.0, 1.0)


class Script:
    """A strategy from a dict: bar to what is done there; ``seen`` holds what the functions returned."""

    def __init__(self, **steps):
        self.steps = {int(name.strip("_")): step for name, step in steps.items()}
        self.seen = {}

    def on_bar(self, context):
        if context.t in self.steps:
            self.seen[context.t] = self.steps[context.t](context)


def ohlc(close, *, up=1.0, down=1.0, opens=None, **rest):
    """Bars of one or more symbols with a high ``up`` above and a low ``down`` below the close."""
    close = np.array(close, dtype=float)
    opens = close if opens is None else np.array(opens, dtype=float)
    high, low = np.maximum(close, opens) + up, np.minimum(close, opens) - down
    return make_bars(close, open=opens, high=high, low=low, volume=np.full(close.shape, 1000.0), **rest)


def randoms(seed, T=60, N=7, holes=False, symbols=None):
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (T, N)), axis=0))
    opens = close * np.exp(rng.normal(0, 0.005, (T, N)))
    high, low = np.maximum(close, opens) * 1.01, np.minimum(close, opens) * 0.99
    volume = rng.uniform(500, 5000, (T, N)).round()
    if holes:
        gone = rng.random((T, N)) < 0.05
        gone[0] = False
        for field in (close, opens, high, low, volume):
            field[gone] = NAN
    names = [f"S{i:02d}" for i in rng.permutation(N)] if symbols is None else symbols
    return make_bars(close, symbols=names, open=opens, high=high, low=low, volume=volume)


def same(a, b):
    """Two results agree to the bit: money, orders, fills, trades, diagnostics."""
    np.testing.assert_array_equal(a.equity.values, b.equity.values)
    np.testing.assert_array_equal(a.cash.values, b.cash.values)
    np.testing.assert_array_equal(a.margin.values, b.margin.values)
    assert a.charges.equals(b.charges)
    assert a.orders.equals(b.orders)
    assert a.fills.equals(b.fills)
    assert a.events.equals(b.events)
    assert a.trades.equals(b.trades)
    np.testing.assert_array_equal(a.positions.values, b.positions.values)
    np.testing.assert_array_equal(a._records.marks, b._records.marks)
    np.testing.assert_array_equal(a.returns.values, b.returns.values)
    key = ["rule", "symbol", "date", "count"]
    assert a.diagnostics.sort(key).equals(b.diagnostics.sort(key))


# Hand cases


def test_a_market_order_is_filled_at_the_next_open():
    bars = ohlc([10.0, 11.0, 12.0], opens=[10.0, 10.5, 12.0])
    script = Script(_0=lambda c: c.order("A", 100))
    result = run_events(script, bars, account=FREE, costs=Costs(commission=PerShare(0.01)))
    assert result.fills.select("date", "shares", "price", "commission").rows() == [(date(2024, 1, 2), 100.0, 10.5, 1.0)]
    # 10,000 - 1,050 - 1 + 100 * 11 and * 12.
    assert result.equity.values[:, 0].tolist() == [10_000.0, 10_049.0, 10_149.0]
    assert script.seen == {0: 0}
    assert result.settings["strategy"] == "Script"


def test_what_the_context_shows_at_a_close():
    bars = make_bars([[10.0, 20.0], [11.0, 19.0], [12.0, NAN]], symbols=["B", "A"])

    def look(c):
        return {
            "t": c.t,
            "date": c.date,
            "symbols": c.symbols,
            "close": c.close.tolist(),
            "member": c.member.tolist(),
            "prices": c.prices.tolist(),
            "positions": c.positions.tolist(),
            "held": c.held,
            "A": c.position("A"),
            "cash": c.cash,
            "equity": c.equity,
            "fills": c.fills,
            "open": c.open_orders,
        }

    script = Script(_0=lambda c: (c.order("A", 10), c.order("B", -5)), _1=look, _2=look)
    run_events(script, bars, account=cash(1000.0, 1.0), fill="next_close")
    seen = script.seen[1]
    assert seen["t"] == 1
    assert seen["date"] == MONDAY + 1
    assert seen["symbols"] == ("B", "A")
    assert seen["close"] == [11.0, 19.0]
    assert seen["positions"] == [-5.0, 10.0]
    assert seen["held"] == {"A": 10.0, "B": -5.0}
    assert seen["A"] == 10.0
    # 1000 - 10 * 19 + 5 * 11.
    assert (seen["cash"], seen["equity"]) == (865.0, 1000.0)
    assert [tuple(fill) for fill in seen["fills"]] == [
        ("A", 10.0, 19.0, 0.0, "order", 0),
        ("B", -5.0, 11.0, 0.0, "order", 1),
    ]
    last = script.seen[2]
    np.testing.assert_array_equal(last["close"], [12.0, NAN])
    assert last["prices"] == [12.0, 19.0]
    assert last["member"] == [True, False]
    assert last["fills"] == ()
    assert last["equity"] == 995.0


def test_rows_follow_the_order_of_the_symbols():
    bars = make_bars([[1.0, 2.0, 3.0]] * 3, symbols=["B", "C", "A"])
    script = Script(
        _0=lambda c: c.target_weights([0.1, 0.2, 0.3]),
        _1=lambda c: (c.positions.tolist(), c.prices.tolist(), c.held),
    )
    result = run_events(script, bars, account=cash(60.0, 1.0), fill="next_close")
    assert script.seen[1] == ([6.0, 6.0, 6.0], [1.0, 2.0, 3.0], {"A": 6.0, "B": 6.0, "C": 6.0})
    assert result.decisions.values.tolist() == [[0.1, 0.2, 0.3]]
    script = Script(_0=lambda c: c.target_weights({"C": 0.2, "A": 0.6}), _1=lambda c: c.positions.tolist())
    run_events(script, bars, account=cash(60.0, 1.0), fill="next_close")
    assert script.seen[1] == [0.0, 6.0, 12.0]


def test_history_ends_at_the_close_and_is_padded_before_the_first_bar():
    bars = make_bars([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    look = lambda c: (c.history("close", 2), c.panel("close"))  # noqa: E731
    script = Script(_0=look, _2=look)
    run_events(script, bars, fill="next_close")
    np.testing.assert_array_equal(script.seen[0][0], [[NAN, NAN], [1.0, 2.0]])
    np.testing.assert_array_equal(script.seen[2][0], [[3.0, 4.0], [5.0, 6.0]])
    panel = script.seen[2][1]
    assert isinstance(panel, Panel)
    np.testing.assert_array_equal(panel.values, bars.close.values)
    assert panel.symbols == bars.symbols
    assert script.seen[0][1].shape == (1, 2)


def test_arrays_of_the_context_cannot_be_written():
    script = Script(
        _1=lambda c: [c.close, c.positions, c.prices, c.history("close", 1), c.history("close", 9), c.member]
    )
    run_events(script, make_bars([[1.0], [2.0]]), fill="next_close")
    for array in script.seen[1]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize("window", [0, -1, 1.5, True, "5"])
def test_history_demands_a_window(window):
    with pytest.raises(InputError, match="window"):
        run_events(Script(_0=lambda c: c.history("close", window)), make_bars([1.0]), fill="next_close")


def test_a_field_that_the_bars_lack_is_named():
    with pytest.raises(InputError, match=r"has no high"):
        run_events(Script(_0=lambda c: c.high), make_bars([1.0]), fill="next_close")
    with pytest.raises(InputError, match="'vwap'"):
        run_events(Script(_0=lambda c: c.history("vwap", 1)), make_bars([1.0]), fill="next_close")


def test_order_value_and_targets_are_whole_lots():
    bars = make_bars([[10.0, 30.0]] * 4)

    def first(c):
        return c.order_value("A", 105.0), c.order_target("B", -7), c.order_value("A", 9.0)

    def second(c):
        # 100 % of 10,000 at 10 is 1,000 shares, 10 are there; B goes from -7 to 4; A alone is at its target then.
        return c.order_target_weight("A", 1.0), c.order_target("B", 4), c.order_target("A", 1000)

    script = Script(_0=first, _1=second)
    result = run_events(script, bars, account=FREE, fill="next_close")
    assert script.seen == {0: (0, 1, None), 1: (2, 3, None)}
    assert result.orders["shares"].to_list() == [10.0, -7.0, 990.0, 11.0]
    assert result.positions.values[-1].tolist() == [1000.0, 4.0]
    assert "below_one_lot" in rules(result)


def test_targets_count_what_is_on_its_way():
    bars = make_bars([[10.0]] * 5)
    script = Script(_0=lambda c: (c.order("A", 30), c.order_target("A", 100), c.order_target("A", 100)))
    result = run_events(script, bars, account=FREE, fill="next_close")
    assert script.seen[0] == (0, 1, None)
    assert result.positions.values[-1].tolist() == [100.0]
    # With a delay the order of bar 0 is on its way at bar 1 too.
    every = Script(_0=lambda c: c.order_target("A", 50), _1=lambda c: c.order_target("A", 50))
    result = run_events(every, bars, account=FREE, fill=Fill("next_close", delay=3))
    assert every.seen == {0: 0, 1: None}
    assert result.positions.values[:, 0].tolist() == [0.0, 0.0, 0.0, 50.0, 50.0]


def test_targets_forget_what_has_arrived():
    bars = make_bars([[10.0, 10.0]] * 9)
    steps = {f"_{t}": lambda c: c.order("B", 1) for t in (1, 2, 3)}
    script = Script(_0=lambda c: c.order_target("A", 50), **steps, _4=lambda c: c.order_target("A", 80))
    result = run_events(script, bars, account=FREE, fill=Fill("next_close", delay=3))
    assert result.orders.filter(pl.col("symbol") == "A")["shares"].to_list() == [50.0, 30.0]


def test_targets_count_the_rest_of_a_rebalancing_order():
    bars = make_bars([10.0] * 6, volume=np.full((6, 1), 100.0))
    script = Script(
        _0=lambda c: c.target_weights([1.0]), _1=lambda c: (c.order_target("A", 100), c.order_target("A", 95))
    )
    result = run_events(script, bars, account=cash(1000.0), fill=Fill("next_close", participation=0.1, carry=9))
    assert script.seen[1] == (None, 0)
    assert result.orders["shares"].to_list() == [100.0, -5.0]


def test_order_value_is_in_the_accounts_currency():
    bars = make_bars([[10.0]] * 3)
    rates = Panel(np.full((3, 1), 2.0), bars.dates, ["EUR"])
    account = Account(cash=10_000.0, margin=NoMargin(), currencies=Currencies({"A": "EUR"}, rates))
    script = Script(_0=lambda c: c.order_value("A", 1000.0))
    result = run_events(script, bars, account=account, fill="next_close")
    # A share costs 10 EUR, which are 20.
    assert result.positions.values[-1].tolist() == [50.0]


def test_a_mapping_sells_what_it_leaves_out():
    bars = make_bars([[10.0, 20.0]] * 4)
    script = Script(_0=lambda c: c.target_weights({"A": 0.5, "B": 0.5}), _1=lambda c: c.target_weights({"B": 0.25}))
    result = run_events(script, bars, account=cash(1000.0), fill="next_close")
    assert result.positions.values.tolist() == [[0.0, 0.0], [50.0, 25.0], [0.0, 12.5], [0.0, 12.5]]
    assert result.decisions.values.tolist() == [[0.5, 0.5], [0.0, 0.25]]


def test_the_last_weights_of_a_close_count_and_a_row_of_nan_is_no_decision():
    bars = make_bars([[10.0, 20.0]] * 4)
    script = Script(
        _0=lambda c: (c.target_weights([1.0, 0.0]), c.target_weights([0.0, 1.0])),
        _1=lambda c: c.target_weights([NAN, NAN]),
    )
    result = run_events(script, bars, account=cash(1000.0), fill="next_close")
    assert result.positions.values[-1].tolist() == [0.0, 50.0]
    assert "empty_decision" in rules(result)


def test_weights_and_explicit_orders_of_one_close():
    bars = make_bars([[10.0, 20.0, 5.0]] * 3)
    script = Script(_0=lambda c: (c.order("C", 10), c.target_weights({"A": 0.5})))
    result = run_events(script, bars, account=cash(1000.0), fill="next_close")
    assert result.positions.values[-1].tolist() == [50.0, 0.0, 10.0]
    assert result.orders.select("symbol", "kind").rows() == [("C", "order"), ("A", "rebalance")]


# Orders that live on


def test_cancelling_and_open_orders():
    bars = ohlc([10.0] * 5, up=0.5, down=0.5)

    def place(c):
        limit = c.order("A", 10, type="limit", limit=9.0, tif="gtc")
        trail = c.order("A", -5, type="trailing", trail=3.0, tif="gtc")
        gone = c.order("A", 7)
        return limit, trail, c.cancel(gone), c.cancel(gone), c.status(gone), c.open_orders

    def follow(c):
        return c.open_orders, c.cancel(0), c.status(0), c.cancel(0), len(c.open_orders)

    script = Script(_0=place, _1=follow, _2=lambda c: (c.status(0), c.cancel(0), c.cancel_all(), c.open_orders))
    result = run_events(script, bars, account=FREE)
    *ids, once, twice, status, opened = script.seen[0]
    assert (ids, once, twice, status) == ([0, 1], True, False, "cancelled")
    assert [(o.id, o.symbol, o.shares, o.type) for o in opened] == [
        (0, "A", 10.0, "limit"),
        (1, "A", -5.0, "trailing"),
    ]
    opened, cancelled, status, again, left = script.seen[1]
    assert (again, left) == (False, 1)
    # The water mark of the trailing sale took in the high of bar 1, 10.5.
    assert [(o.id, o.limit, o.stop) for o in opened][1:] == [(1, pytest.approx(NAN, nan_ok=True), 7.5)]
    assert (opened[0].limit, cancelled, status) == (9.0, True, "withdrawn")
    assert script.seen[2] == ("cancelled", False, 1, ())
    # What was taken back at its own close never became an order.
    assert result.orders.select("shares", "status").rows() == [(10.0, "cancelled"), (-5.0, "cancelled")]
    counts = result.diagnostics.filter(pl.col("rule") == "cancelled").select("date", "count").rows()
    assert counts == [("2024-01-02", 2)]


def test_cancel_all_of_one_symbol_and_of_weights_decided_before():
    bars = make_bars([[10.0, 20.0]] * 3, high=[[10.0, 20.0]] * 3, low=[[10.0, 20.0]] * 3)

    def step(c):
        c.order("A", 1)
        c.order("B", 1, type="limit", limit=5.0)
        c.target_weights({"A": 1.0})
        return c.cancel_all("A"), len(c.open_orders), c.cancel_all(), len(c.open_orders)

    script = Script(_0=step)
    result = run_events(script, bars, account=FREE, fill="next_close")
    assert script.seen[0] == (1, 1, 1, 0)
    assert result.orders.height == 0
    assert result.equity.values[:, 0].tolist() == [10_000.0] * 3


def test_cancel_all_drops_the_rest_of_a_rebalancing_order():
    volume = np.full((5, 1), 100.0)
    bars = make_bars([10.0] * 5, volume=volume)
    fill = Fill("next_close", participation=0.1, carry=3)
    script = Script(_0=lambda c: c.target_weights([1.0]), _2=lambda c: c.cancel_all())
    result = run_events(script, bars, account=cash(1000.0), fill=fill)
    assert result.positions.values[:, 0].tolist() == [0.0, 10.0, 20.0, 20.0, 20.0]
    assert result.orders["status"].to_list() == ["cancelled"]


def test_a_split_restates_open_orders():
    bars = ohlc([10.0, 10.0, 5.0, 5.0], up=0.1, down=0.1, actions=[("A", 2, "split", 2.0)])
    look = lambda c: [(o.shares, o.limit) for o in c.open_orders]  # noqa: E731
    script = Script(_0=lambda c: c.order("A", 10, type="limit", limit=8.0, tif="gtc"), _1=look, _2=look)
    run_events(script, bars, account=FREE)
    assert script.seen[1] == [(10.0, 8.0)]
    assert script.seen[2] == [(20.0, 4.0)]


def test_status_follows_an_order():
    bars = ohlc([10.0] * 3)
    script = Script(
        _0=lambda c: (c.order("A", 1), c.order("A", 1, type="limit", limit=5.0)),
        _1=lambda c: (c.status(0), c.status(1)),
    )
    run_events(script, bars, account=FREE)
    assert script.seen[1] == ("filled", "expired")


@pytest.mark.parametrize("order", [1, -1, None, "0", True])
def test_an_id_that_no_order_has(order):
    with pytest.raises(InputError, match="is no id of an order"):
        run_events(Script(_0=lambda c: (c.order("A", 1), c.cancel(order))), make_bars([10.0]), fill="next_close")


# Brackets


def bracket(shares=10, **levels):
    return Script(_0=lambda c: c.bracket("A", shares, **levels), _3=lambda c: c.open_orders)


def test_a_bracket_takes_its_target_and_drops_its_stop():
    bars = ohlc([10.0, 10.0, 13.0, 13.0, 5.0], up=0.1, down=0.1)
    script = bracket(stop=9.0, target=12.0)
    result = run_events(script, bars, account=FREE)
    assert tuple(script.seen[0]) == (0, 1, 2)
    assert script.seen[3] == ()
    # The open of bar 2 lies beyond the target.
    assert result.fills.select("shares", "price").rows() == [(10.0, 10.0), (-10.0, 13.0)]
    assert result.orders["status"].to_list() == ["filled", "cancelled", "filled"]


def test_a_bracket_is_stopped_on_the_bar_of_its_entry_when_that_was_at_the_open():
    bars = ohlc([10.0, 9.5, 10.0, 10.0], opens=[10.0, 10.0, 10.0, 10.0], up=0.1, down=0.6)
    result = run_events(bracket(stop=9.0, target=12.0), bars, account=FREE)
    assert result.fills.select("date", "shares", "price").rows() == [
        (date(2024, 1, 2), 10.0, 10.0),
        (date(2024, 1, 2), -10.0, 9.0),
    ]


def test_a_bracket_entered_at_the_close_is_not_stopped_before_its_entry():
    bars = ohlc([10.0, 10.0, 10.0, 8.0, 8.0], up=0.1, down=2.0)
    result = run_events(bracket(stop=9.0), bars, account=FREE, fill="next_close")
    # Bar 1 went down to 8 before the entry at its close; bar 2 does so again.
    assert result.fills.select("date", "shares", "price").rows() == [
        (date(2024, 1, 2), 10.0, 10.0),
        (date(2024, 1, 3), -10.0, 9.0),
    ]


def test_a_short_bracket_lies_the_other_way_round():
    bars = ohlc([10.0, 10.0, 12.0, 12.0, 12.0], up=0.1, down=0.1)
    result = run_events(bracket(-10, stop=11.0, target=8.0), bars, account=FREE)
    assert result.fills.select("shares", "price").rows() == [(-10.0, 10.0), (10.0, 12.0)]


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_a_bracket_ends_when_its_entry_comes_to_nothing(fill):
    close = np.array([10.0, NAN, 10.0, 13.0, 13.0])
    bars = ohlc(close, up=0.1, down=0.1)
    script = Script(_0=lambda c: c.bracket("A", 10, stop=9.0, target=12.0), _1=lambda c: c.open_orders)
    result = run_events(script, bars, account=FREE, fill=fill)
    assert script.seen[1] == ()
    assert result.fills.height == 0
    assert result.orders["status"][0] == "missing_price"


def test_a_bracket_ends_when_the_account_refuses_its_entry():
    bars = ohlc([10.0] * 4)
    account = Account(cash=1000.0, buying_power="reject")
    script = Script(_0=lambda c: c.bracket("A", 1000, stop=9.5), _1=lambda c: c.open_orders)
    result = run_events(script, bars, account=account)
    assert script.seen[1] == ()
    assert result.orders["status"].to_list() == ["margin_rejected", "cancelled"]


def test_a_refused_bracket_does_not_sell_what_was_there():
    bars = ohlc([10.0, 10.0, 8.0, 8.0], up=0.1, down=0.1)
    account = Account(cash=1000.0, buying_power="reject")
    script = Script(_0=lambda c: c.order("A", 20), _1=lambda c: c.bracket("A", 1000, stop=9.5))
    result = run_events(script, bars, account=account)
    assert result.positions.values[:, 0].tolist() == [0.0, 20.0, 20.0, 20.0]


def test_a_bracket_without_a_fill_does_not_cover_what_was_there():
    bars = make_bars(
        [10.0, 10.0, 10.0, 8.0],
        open=np.array([10.0, 10.0, NAN, 8.0]),
        high=np.array([10.1, 10.1, 10.1, 8.1]),
        low=np.array([9.9, 9.9, 9.9, 7.9]),
    )
    script = Script(
        _0=lambda c: c.order("A", 20), _1=lambda c: c.bracket("A", 10, stop=9.5), _2=lambda c: c.open_orders
    )
    result = run_events(script, bars, account=FREE)
    assert script.seen[2] == ()
    assert result.positions.values[-1].tolist() == [20.0]


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_a_bracket_ends_when_the_position_is_gone(fill):
    bars = ohlc([10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 13.0, 13.0], up=0.1, down=0.1)
    script = Script(
        _0=lambda c: c.bracket("A", 10, stop=9.0, target=12.0),
        _2=lambda c: c.order_target("A", 0),
        _3=lambda c: c.open_orders,
        _4=lambda c: c.order("A", 5),
    )
    result = run_events(script, bars, account=FREE, fill=fill)
    assert script.seen[3] == ()
    # The old target of 12 does not touch the new position.
    assert result.positions.values[-1].tolist() == [5.0]


def test_a_bracket_that_is_taken_back_at_once():
    bars = ohlc([10.0] * 3)
    script = Script(_0=lambda c: [c.cancel(order) for order in c.bracket("A", 10, stop=9.5, target=10.5)])
    result = run_events(script, bars, account=FREE)
    assert script.seen[0] == [True, True, True]
    assert result.orders.height == 0


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_the_stop_of_a_bracket_can_be_cancelled_alone(fill):
    bars = ohlc([10.0, 10.0, 5.0, 13.0], up=0.1, down=0.1)
    script = Script(_0=lambda c: c.cancel(c.bracket("A", 10, stop=9.0, target=12.0).stop))
    result = run_events(script, bars, account=FREE, fill=fill)
    assert result.fills["shares"].to_list() == [10.0, -10.0]
    assert result.fills["price"].to_list() == [10.0, 13.0]


@pytest.mark.parametrize(
    ("shares", "levels", "sentence"),
    [
        (10, {}, "A on 2024-01-01 is a bracket without a stop and a target"),
        (10, {"stop": 12.0, "target": 9.0}, "A on 2024-01-01 has a target of 9 that is not above its stop of 12"),
        (-10, {"stop": 9.0, "target": 12.0}, "A on 2024-01-01 has a target of 12 that is not below its stop of 9"),
        (10, {"stop": -1.0}, "A on 2024-01-01 has a stop that is not above zero"),
    ],
)
def test_a_bracket_that_makes_no_sense(shares, levels, sentence):
    with pytest.raises(DataError, match=sentence):
        run_events(bracket(shares, **levels), ohlc([10.0] * 2))


# Equality with the doors that take whole tables


WEIGHT_CASES = {
    "plain": {},
    "close": {"fill": "next_close"},
    "same close": {"fill": "same_close"},
    "fractions": {"account": Account(cash=50_000.0, lot=None)},
    "lots of 0.1": {"account": Account(cash=50_000.0, lot=0.1)},
    "sized at the fill": {"fill": Fill("next_open", sizing="fill")},
    "delayed": {"fill": Fill("next_close", delay=3)},
    "delayed and sized at the fill": {"fill": Fill("next_open", delay=2, sizing="fill")},
    "capped": {"fill": Fill("next_open", participation=0.05, carry=2)},
    "costs": {
        "costs": Costs(
            commission=PerShare(0.005, minimum=1.0), slippage=Bps(5), borrow=Borrow(0.02, convention="dealer")
        ),
        "account": Account(cash=200_000.0, interest=Interest(debit=0.06, credit=0.02, short=0.01)),
    },
    "exits": {"exits": Exits(stop_loss=0.05, take_profit=0.06, trailing=0.04, time_stop=9)},
    "portfolio margin": {"account": Account(margin=PortfolioMargin())},
    "leverage": {"account": Account(margin=NoMargin())},
}


class Rows:
    """``target_weights`` on the rows of a Panel."""

    def __init__(self, weights, bars):
        self.rows = dict(zip(np.searchsorted(bars.dates, weights.dates).tolist(), weights.values, strict=True))

    def on_bar(self, context):
        if context.t in self.rows:
            context.target_weights(self.rows[context.t])


def drawn(bars, seed, *, gross=1.5, every=4):
    rng = np.random.default_rng(seed)
    bar = range(0, bars.shape[0], every)
    weights = {}
    for t in bar:
        row = rng.normal(size=bars.shape[1])
        row[rng.random(row.size) < 0.3] = 0.0
        weights[t] = row / max(np.abs(row).sum(), 1e-9) * gross
    return make_weights(bars, weights)


@pytest.mark.parametrize("case", WEIGHT_CASES)
def test_weights_bar_by_bar_are_simulate_to_the_bit(case):
    bars = randoms(3, holes=True)
    weights = drawn(bars, 4)
    policies = WEIGHT_CASES[case]
    a = simulate(weights, bars, **policies)
    b = run_events(Rows(weights, bars), bars, **policies)
    same(a, b)
    assert a.fills.height > 20
    np.testing.assert_array_equal(a.decisions.values, b.decisions.values)
    assert a.decisions.dates.tolist() == b.decisions.dates.tolist()


def test_a_ruined_book_is_simulate_to_the_bit_and_its_strategy_rests():
    close = np.array([[10.0, 10.0], [10.0, 10.0], [30.0, 10.0], [31.0, 10.0], [32.0, 10.0]])
    bars = make_bars(close, open=close)
    asked = []

    class Short(Rows):
        def on_bar(self, context):
            asked.append(context.t)
            super().on_bar(context)

        def on_end(self, context):
            asked.append((context.t, context.equity))

    weights = make_weights(bars, {0: [-1.0, 0.5]})
    account = Account(cash=1000.0, margin=NoMargin())
    a, b = simulate(weights, bars, account=account), run_events(Short(weights, bars), bars, account=account)
    same(a, b)
    assert a.ruined == bars.dates[2]
    assert asked == [0, 1, (4, float(a.equity.values[-1, 0]))]


def test_actions_are_booked_as_in_simulate():
    close = np.array([[10.0, 20.0, 30.0]] * 4 + [[5.0, 20.0, 31.0]] * 2 + [[5.0, NAN, 31.0]] * 3)
    bars = ohlc(
        close,
        actions=[
            ("A", 4, "split", 2.0),
            ("C", 3, "dividend", 0.5, 5),
            ("B", 6, "delisting", -0.3),
        ],
    )
    weights = make_weights(bars, {0: [0.3, 0.3, 0.3], 2: [0.2, 0.5, -0.2], 7: [0.5, 0.0, 0.2]})
    same(simulate(weights, bars), run_events(Rows(weights, bars), bars))


TICKETS = [
    {"bar": 0, "symbol": "S00", "shares": 100},
    {"bar": 0, "symbol": "S01", "shares": -50, "type": "limit", "limit": 51.0, "tif": "gtc"},
    {"bar": 2, "symbol": "S00", "shares": -60, "type": "trailing", "trail_fraction": 0.03, "tif": "gtc"},
    {"bar": 2, "symbol": "S02", "shares": 40, "type": "stop", "stop": 51.0, "tif": "gtd", "until": 20},
    {"bar": 3, "symbol": "S03", "shares": 33.5},
    {"bar": 3, "symbol": "S03", "shares": 0.5},
    {"bar": 3, "symbol": "S04", "shares": 80, "type": "market_on_close"},
    {"bar": 5, "symbol": "S04", "shares": -80, "type": "stop", "stop": 48.0, "tif": "gtc", "group": "oco"},
    {"bar": 5, "symbol": "S04", "shares": -80, "type": "limit", "limit": 52.0, "tif": "gtc", "group": "oco"},
    {"bar": 8, "symbol": "S05", "shares": 20, "type": "stop_limit", "stop": 50.5, "limit": 51.5, "tif": "gtc"},
    {"bar": 9, "symbol": "S06", "shares": -30, "type": "limit_on_open", "limit": 45.0},
    {"bar": 12, "symbol": "S06", "shares": 90, "reduce_only": True},
    {"bar": 14, "symbol": "S00", "shares": 5000, "tif": "day"},
    {"bar": 20, "symbol": "S01", "shares": 400, "type": "limit", "limit": 60.0, "tif": "fok"},
    {"bar": 59, "symbol": "S01", "shares": 4},
]


class Tickets:
    """``order`` with the rows of a table."""

    def __init__(self, rows, bars):
        self.rows, self.bars = rows, bars

    def on_bar(self, context):
        for row in self.rows:
            if row["bar"] == context.t:
                terms = {name: value for name, value in row.items() if name not in ("bar", "symbol", "shares")}
                if "until" in terms:
                    terms["until"] = self.bars.dates[terms["until"]]
                context.order(row["symbol"], row["shares"], **terms)


def ticket_table(bars, rows):
    rows = [{**row, "shares": float(row["shares"])} for row in rows]
    return make_orders(
        bars, *({**row, "until": bars.dates[row["until"]].item()} if "until" in row else row for row in rows)
    )


@pytest.mark.parametrize(
    "policies",
    [
        {},
        {"fill": "next_close"},
        {"fill": "same_close"},
        {"fill": Fill("next_open", participation=0.02)},
        {"fill": Fill("next_open", delay=2)},
        {"account": Account(cash=20_000.0, margin=RegT())},
        {"account": Account(cash=20_000.0, buying_power="reject")},
        {"costs": Costs(commission=PerShare(0.005, minimum=1.0), slippage=SquareRootImpact(window=2, default=Bps(20)))},
        {"exits": Exits(stop_loss=0.04)},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_orders_bar_by_bar_are_simulate_orders_to_the_bit(policies, seed):
    bars = randoms(seed, symbols=[f"S{i:02d}" for i in (3, 0, 6, 1, 5, 2, 4)])
    a = simulate_orders(ticket_table(bars, TICKETS), bars, **policies)
    b = run_events(Tickets(TICKETS, bars), bars, **policies)
    same(a, b)
    assert a.fills.height >= 5


def test_more_orders_than_the_first_tables_hold():
    bars = randoms(5, T=40, N=3)
    rng = np.random.default_rng(0)
    rows = [
        {"bar": t, "symbol": f"S{rng.integers(3):02d}", "shares": int(rng.integers(-9, 10)) or 1}
        | ({"type": "limit", "limit": 50.0, "tif": "gtc"} if rng.random() < 0.5 else {})
        for t in range(39)
        for _ in range(20)
    ]
    same(simulate_orders(ticket_table(bars, rows), bars), run_events(Tickets(rows, bars), bars))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), case=st.sampled_from(sorted(WEIGHT_CASES)), gross=st.floats(0.1, 4.0))
def test_random_books_are_simulate_to_the_bit(seed, case, gross):
    bars = randoms(seed, T=25, N=4, holes=True)
    weights = drawn(bars, seed, gross=gross, every=3)
    policies = WEIGHT_CASES[case]
    same(simulate(weights, bars, **policies), run_events(Rows(weights, bars), bars, **policies))


def test_a_strategy_runs_twice_alike():
    bars = randoms(8)
    weights = drawn(bars, 9)

    class Both(Rows):
        def on_bar(self, context):
            super().on_bar(context)
            context.bracket("S01", 5, stop=float(context.close[context.symbols.index("S01")]) * 0.98)

    same(run_events(Both(weights, bars), bars), run_events(Both(weights, bars), bars))


def test_columns_in_another_order_give_the_same_book():
    bars = randoms(10)
    turned = bars.select(tuple(sorted(bars.symbols)))

    class Momentum:
        def on_bar(self, context):
            if context.t % 5 == 4:
                past = context.history("close", 5)
                change = dict(zip(context.symbols, past[-1] / past[0] - 1.0, strict=True))
                best = sorted(change, key=lambda name: change[name])[-2:]
                context.target_weights(dict.fromkeys(best, 0.5))

    a, b = run_events(Momentum(), bars), run_events(Momentum(), turned)
    np.testing.assert_array_equal(a.equity.values, b.equity.values)
    assert a.orders.equals(b.orders)
    np.testing.assert_array_equal(a.positions.select(turned.symbols).values, b.positions.values)


# Nothing later than the close


class Curious:
    """Trades on everything that it can see, in ways that any change of it would change."""

    def on_bar(self, context):
        seen = [np.nan_to_num(context.history(field, 5)).sum() for field in ("open", "high", "low", "close", "volume")]
        mixed = sum(seen) + context.equity + context.cash + context.positions.sum() + len(context.fills)
        mixed += context.buying_power + len(context.open_orders) + np.nan_to_num(context.prices).sum()
        draw = np.random.default_rng(int(mixed * 1e6) % 2**32)
        if draw.random() < 0.4:
            row = draw.normal(size=len(context.symbols))
            context.target_weights(np.where(np.isnan(context.prices), 0.0, row / np.abs(row).sum()))
        elif draw.random() < 0.5:
            name = context.symbols[draw.integers(len(context.symbols))]
            price = float(context.prices[context.symbols.index(name)])
            context.bracket(name, int(draw.integers(1, 50)), stop=price * 0.97, target=price * 1.03)
        elif draw.random() < 0.3:
            context.cancel_all()


@pytest.mark.parametrize("t", [0, 7, 23, 58])
def test_what_comes_later_changes_no_order(t):
    bars = randoms(11, holes=True)
    rng = np.random.default_rng(1)

    def poisoned(name):
        values = getattr(bars, name).values.copy()
        values[t + 1 :] = values[t + 1 :] * rng.uniform(0.3, 3.0)
        values[t + 2 :, ::2] = NAN
        return Panel(values, bars.dates, bars.symbols, frequency=bars.frequency)

    other = Bars(**{name: poisoned(name) for name in ("close", "open", "high", "low", "volume")}, adjusted="none")
    day = bars.dates[t].item()
    a, b = run_events(Curious(), bars), run_events(Curious(), other)
    columns = ["decided", "symbol", "kind", "shares", "decision_price"]
    left, right = (r.orders.filter(pl.col("decided") <= day).select(columns) for r in (a, b))
    assert left.equals(right)
    assert (
        a.fills.filter(pl.col("date") <= day).drop("order").equals(b.fills.filter(pl.col("date") <= day).drop("order"))
    )
    np.testing.assert_array_equal(a.equity.values[: t + 1], b.equity.values[: t + 1])
    assert a.orders.height > 30
    if t < 50:
        assert not np.array_equal(a.equity.values, b.equity.values)


def test_no_array_of_the_context_reaches_beyond_the_close():
    bars = randoms(12, T=20)
    names = [name for name, member in inspect.getmembers(Context) if not name.startswith("_") and not callable(member)]
    assert {"close", "history", "positions"} - set(names) == {"history"}

    def arrays(context):
        found = [getattr(context, name) for name in names]
        found += [context.history(field, 3) for field in ("open", "close", "volume", "member")]
        found += [context.panel(field).values for field in ("high", "low")] + [context.panel("close").dates]
        return [array for array in found if isinstance(array, np.ndarray)]

    def roots(array):
        while array is not None:
            yield array
            array = array.base

    checked = []

    class Look:
        def on_bar(self, context):
            if context.t != 9:
                return
            for array in arrays(context):
                for root in roots(array):
                    checked.append(root)
                    if root.ndim == 2:
                        # The memory behind the current row is empty.
                        assert not root[10:].any()
                    elif root.dtype.kind == "M":
                        assert root.max() <= context.date

    run_events(Look(), bars)
    assert len(checked) > 15


# What a strategy may not do


LATE = make_bars([[10.0, NAN], [10.0, NAN], [10.0, 5.0], [10.0, 5.0]])
DEAD = make_bars([[10.0, 5.0], [10.0, 5.0], [10.0, NAN], [10.0, NAN]], actions=[("B", 2, "delisting", -0.5)])


@pytest.mark.parametrize(
    ("bars", "step", "sentence"),
    [
        (LATE, lambda c: c.order("AA", 1), "The order of AA on 2024-01-02 is for a symbol that bars does not have.*A"),
        (LATE, lambda c: c.order(5, 1), "The order of 5 on 2024-01-02 is for a symbol"),
        (LATE, lambda c: c.order("A", NAN), "number of shares of A on 2024-01-02 is missing or infinite"),
        (LATE, lambda c: c.order("A", INF), "number of shares of A on 2024-01-02 is missing or infinite"),
        (LATE, lambda c: c.order_value("A", NAN), "value of A on 2024-01-02 is missing"),
        (LATE, lambda c: c.order_target("A", NAN), "target of A on 2024-01-02 is missing"),
        (LATE, lambda c: c.order_target_weight("A", NAN), "target weight of A on 2024-01-02 is missing"),
        (LATE, lambda c: c.order("B", 1), "The order of B on 2024-01-02 comes before the symbol's first price"),
        (LATE, lambda c: c.bracket("B", 1, stop=1.0), "The order of B on 2024-01-02 comes before"),
        (LATE, lambda c: c.target_weights({"B": 0.5}), "B has a weight on 2024-01-02, before its first price"),
        (LATE, lambda c: c.target_weights([NAN, 0.5]), "The weight of A on 2024-01-02 is missing"),
        (LATE, lambda c: c.target_weights({"A": NAN}), "The weight of A on 2024-01-02 is missing"),
        (LATE, lambda c: c.target_weights({"A": 1e7}), "The weight of A on 2024-01-02 is 10000000"),
        (LATE, lambda c: c.target_weights({"C": 0.5}), "The order of C on 2024-01-02 is for a symbol"),
        (
            LATE,
            lambda c: c.order("A", 1, type="market", limit=5.0),
            "A on 2024-01-02 has a limit, which the type market",
        ),
        (LATE, lambda c: c.order("A", 1, tif="gtd"), 'A on 2024-01-02 has the tif "gtd" and no date'),
        (LATE, lambda c: c.order("A", 1, until="2024-01-04"), "A on 2024-01-02 has a date `until`"),
        (LATE, lambda c: c.order("A", 1, tif="gtd", until="2024-01-02"), "A on 2024-01-02 ends before it meets a bar"),
        (LATE, lambda c: c.order("A", 1, group=1.5), "A on 2024-01-02 has the group 1.5"),
        (LATE, lambda c: c.order("A", 1, reduce_only=1), "A on 2024-01-02 has a reduce_only"),
        (LATE, lambda c: c.order("A", 1, type="limit_on_close"), "A on 2024-01-02 needs a limit price"),
    ],
)
def test_bad_orders_name_symbol_and_date(bars, step, sentence):
    with pytest.raises(DataError, match=sentence):
        run_events(Script(_1=step), bars, fill="next_close")


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"type": "trailing"}, "needs either a trail"),
        ({"type": "trailing", "trail": 1.0, "trail_fraction": 0.1}, "needs either a trail"),
        ({"type": "trailing", "trail_fraction": 1.0}, "trail_fraction of 1 or more"),
        ({"type": "stop"}, "needs a stop price"),
        ({"type": "stop_limit", "stop": 9.0}, "needs a limit price"),
        ({"type": "limit", "limit": 0.0}, "has a limit that is not above zero"),
        ({"type": "limit", "limit": NAN}, "limit price of A on 2024-01-01 is missing"),
    ],
)
def test_prices_of_an_order(terms, sentence):
    with pytest.raises(DataError, match=sentence):
        run_events(Script(_0=lambda c: c.order("A", 1, **terms)), ohlc([10.0] * 2))


def test_orders_after_a_delisting_are_refused():
    with pytest.raises(DataError, match="The order of B on 2024-01-03 comes after the symbol's delisting"):
        run_events(Script(_2=lambda c: c.order("B", 1)), DEAD, fill="next_close")


@pytest.mark.parametrize(
    ("step", "kind", "sentence"),
    [
        (lambda c: c.order("A", "1"), KindError, "number of shares of A on 2024-01-01 must be a number"),
        (lambda c: c.order("A", 1, type="Market"), InputError, "A on 2024-01-01 has the type 'Market'"),
        (lambda c: c.order("A", 1, tif="opg"), InputError, "A on 2024-01-01 has the tif 'opg'"),
        (lambda c: c.order("A", 1, type="stop", stop=9.0), InputError, "A on 2024-01-01 is of type stop, and"),
        (lambda c: c.order("A", 1, type="market_on_open"), InputError, "no open"),
        (lambda c: c.target_weights([1.0, 2.0]), InputError, "one number per symbol"),
        (lambda c: c.target_weights(["a"]), KindError, "mapping or one row of numbers"),
        (lambda c: c.target_weights(Panel([[1.0]], [c.date], ["A"])), KindError, "received Panel"),
        (lambda c: c.target_weights({"A": "1"}), KindError, "weight of A on 2024-01-01 must be a number"),
    ],
)
def test_values_of_another_kind(step, kind, sentence):
    with pytest.raises(kind, match=sentence):
        run_events(Script(_0=step), make_bars([10.0] * 2), fill="next_close")


def test_orders_belong_to_bars():
    class Eager:
        def on_start(self, context):
            assert (context.t, context.cash, context.equity, context.symbols) == (-1, 1_000_000.0, 1_000_000.0, ("A",))
            context.order("A", 1)

        def on_bar(self, context):
            raise AssertionError

    with pytest.raises(InputError, match="comes before the first bar") as caught:
        run_events(Eager(), make_bars([10.0]), fill="next_close")
    assert caught.value.__notes__ == ["raised by test_orders_belong_to_bars.<locals>.Eager.on_start"]

    class Late(Script):
        def on_end(self, context):
            context.target_weights({"A": 1.0})

    with pytest.raises(InputError, match="after the last bar"):
        run_events(Late(), make_bars([10.0]), fill="next_close")

    class Peeking(Script):
        def on_start(self, context):
            return context.close

    with pytest.raises(InputError, match="No bar has closed yet"):
        run_events(Peeking(), make_bars([10.0]), fill="next_close")


def test_an_exception_says_where_it_happened():
    def step(c):
        c.order("B", 1)
        return {}["nothing"]

    with pytest.raises(KeyError, match="nothing") as caught:
        run_events(Script(_1=step), make_bars([[10.0, 5.0]] * 3), fill="next_close")
    assert caught.value.__notes__ == [
        "raised by Script.on_bar at the close of 2024-01-02 (bar 1), after it had named B"
    ]


@pytest.mark.parametrize("strategy", [object(), lambda context: None, None])
def test_a_strategy_has_on_bar(strategy):
    with pytest.raises(KindError, match="on_bar"):
        run_events(strategy, make_bars([10.0]))


def test_a_class_is_no_object():
    class Strategy:
        def on_bar(self, context):
            raise AssertionError("nobody asks a class")

    with pytest.raises(KindError, match=r"`strategy` must be an object, received the class Strategy\.") as caught:
        run_events(Strategy, make_bars([10.0]))
    assert caught.value.hint == "make one: `run_events(Strategy(), bars)`."


@pytest.mark.parametrize("strict", ["no", 1, None])
def test_strict_is_true_or_false(strict):
    with pytest.raises(KindError, match="`strict` must be True or False"):
        run_events(Script(), make_bars([10.0]), strict=strict)


def test_contradicting_prices_are_listed_here_too():
    bars = make_bars([[10.0]] * 2)
    bars = replace(bars, high=bars.close, low=bars.close * 1.1)
    found = run_events(Script(), bars, fill="next_close").diagnostics
    assert found.filter(pl.col("rule") == "inconsistent_bar")["count"].to_list() == [2, 2]


def test_a_strict_account_stops_the_run_and_names_the_day():
    bars = make_bars([[10.0]] * 4)
    account = Account(cash=1000.0, buying_power="strict")
    asked = "The decision of 2024-01-02 needs more than the buying power: it asks for 500 A, worth 5,000.00, the equity"
    with pytest.raises(InputError, match=asked):
        run_events(Script(_1=lambda c: c.order("A", 500)), bars, account=account, fill="next_close")
    with pytest.raises(InputError, match=r"2024-01-03 needs more than the buying power: it asks for 300.0% long"):
        run_events(
            Script(_0=lambda c: c.target_weights([0.5]), _2=lambda c: c.target_weights([3.0])),
            bars,
            account=account,
            fill="next_close",
        )
    with pytest.raises(InputError, match=r"2024-01-02 needs more than the buying power: it asks for 300.0% long"):
        run_events(
            Script(_1=lambda c: c.target_weights([3.0])),
            bars,
            account=account,
            fill=Fill("next_close", sizing="fill"),
        )


@pytest.mark.parametrize("weights", [{}, {"_2": 0.6}])
def test_the_day_of_an_order_that_was_too_large_beside_weights(weights):
    def step(c):
        c.order("A", 500)
        if weights:
            c.target_weights([0.6])

    script = Script(_0=lambda c: c.target_weights([0.5]), _2=step)
    account = Account(cash=1000.0, buying_power="strict")
    with pytest.raises(InputError, match="decision of 2024-01-03 needs more than the buying power: it asks for 500 A"):
        run_events(script, make_bars([[10.0]] * 4), account=account, fill="next_close")


def test_strict_raises_on_the_first_finding():
    bars = make_bars([[10.0]] * 3)
    with pytest.raises(DataError, match="strict: below_one_lot at A 2024-01-01"):
        run_events(Script(_0=lambda c: c.order("A", 0.5)), bars, fill="next_close", strict=True)


def test_a_short_without_a_borrow_rate_is_an_error():
    bars = make_bars([[10.0]] * 5, borrow=[("A", 3, 0.05)])
    with pytest.raises(DataError, match="no borrow rate"):
        run_events(Script(_0=lambda c: c.order("A", -5)), bars, costs=Costs(borrow=Borrow()), fill="next_close")


# Slippage that takes time to be known


def test_orders_wait_until_the_slippage_is_known():
    bars = randoms(2, T=12, N=2, symbols=["A", "B"])
    costs = Costs(slippage=VolatilitySlippage(0.1, window=4))
    early = "The order of B on 2024-01-02 meets a slippage that is not known yet"
    with pytest.raises(DataError, match=early):
        run_events(Script(_1=lambda c: c.order("B", 5)), bars, costs=costs)
    with pytest.raises(DataError, match="B has a weight on 2024-01-02, where its slippage is not known"):
        run_events(Script(_1=lambda c: c.target_weights({"B": 0.5})), bars, costs=costs)
    rows = [{"bar": 6, "symbol": "B", "shares": 50}]
    a = simulate_orders(ticket_table(bars, rows), bars, costs=costs)
    b = run_events(Tickets(rows, bars), bars, costs=costs)
    same(a, b)
    assert b.costs is costs
    assert a.charges["slippage"].sum() > 0


def test_a_gap_in_the_slippage_stops_orders_only_where_there_is_a_bar():
    close = np.full((6, 2), 10.0)
    close[3, 1] = NAN
    bars = make_bars(close)
    known = np.full((6, 2), 0.002)
    known[[2, 3], 1] = NAN
    costs = Costs(slippage=Spread(Panel(known, bars.dates, bars.symbols)))
    with pytest.raises(DataError, match="The order of B on 2024-01-03 meets a slippage"):
        run_events(Script(_2=lambda c: c.order("B", 5)), bars, costs=costs, fill="next_close")
    result = run_events(Script(_3=lambda c: c.order("B", 5)), bars, costs=costs, fill="next_close")
    # Half of the last known spread is paid.
    assert result.fills["price"].to_list() == [10.0 * 1.001]


# Buying power


def test_buying_power():
    bars = make_bars([[100.0, 50.0]] * 3)

    def power(account, step=lambda c: c.order("A", 50)):
        script = Script(_0=step, _1=lambda c: c.buying_power)
        run_events(script, bars, account=account, fill="next_close")
        return script.seen[1]

    # 10,000 of equity; 5,000 long bind 2,500, and a short of 5,000 as much.
    assert power(Account(cash=10_000.0)) == pytest.approx(15_000.0)
    assert power(Account(cash=10_000.0), lambda c: c.order("A", -50)) == pytest.approx(15_000.0)
    assert power(Account(cash=10_000.0, margin=RegT(initial_long=1.0))) == pytest.approx(5_000.0)
    assert power(Account(cash=10_000.0, margin=NoMargin())) == INF
    # The greater scenario takes 30 % of the one position.
    assert power(Account(cash=10_000.0, margin=PortfolioMargin())) == pytest.approx((10_000 - 1_500) / 0.3)


def test_buying_power_is_what_an_order_may_cost():
    bars = make_bars([[100.0]] * 3)
    script = Script(_0=lambda c: c.order_value("A", c.buying_power), _1=lambda c: c.position("A"))
    result = run_events(script, bars, account=Account(cash=10_000.0), fill="next_close")
    assert script.seen[1] == 200.0
    assert "margin_scaled" not in rules(result)
    script = Script(_0=lambda c: c.order_value("A", 1.01 * c.buying_power))
    assert "margin_scaled" in rules(run_events(script, bars, account=Account(cash=10_000.0), fill="next_close"))


# Exits and fills of this bar


def test_fills_name_what_sent_them():
    bars = ohlc([10.0, 10.0, 8.0, 8.0], up=0.1, down=0.1)
    look = lambda c: [(f.kind, f.shares, f.order) for f in c.fills]  # noqa: E731
    script = Script(_0=lambda c: c.target_weights([0.5]), _1=look, _2=look, _3=look)
    run_events(script, bars, account=FREE, exits=Exits(stop_loss=0.1))
    assert script.seen[1] == [("rebalance", 500.0, None)]
    assert script.seen[2] == [("stop_loss", -500.0, None)]
    assert script.seen[3] == []


def test_fills_of_the_same_close_are_seen_at_the_next():
    bars = make_bars([10.0, 11.0])
    look = lambda c: [(f.price, f.order) for f in c.fills]  # noqa: E731
    script = Script(_0=lambda c: c.order("A", 1), _1=look)
    result = run_events(script, bars, account=FREE, fill="same_close")
    assert script.seen[1] == [(10.0, 0)]
    assert "same_close_fill" in rules(result)


def test_a_strategy_that_does_nothing():
    result = run_events(Script(), make_bars([10.0, 11.0]), fill="next_close")
    assert result.equity.values[:, 0].tolist() == [1_000_000.0] * 2
    assert result.orders.height == 0
    assert result.returns.shape == (0, 1)
    assert result.decisions.shape == (0, 1)
    assert "Result of bars" in repr(result)


def test_the_context_says_what_it_is():
    script = Script(_0=repr)
    run_events(script, make_bars([[10.0, 11.0]]), fill="next_close")
    assert script.seen[0] == "Context of 2 symbols, 2024-01-01: equity 1,000,000.00"


def test_what_a_delay_moves_behind_the_last_bar_is_listed():
    bars = make_bars([10.0] * 4)
    script = Script(_2=lambda c: (c.order("A", 1), c.order("A", 2)), _3=lambda c: c.target_weights([1.0]))
    result = run_events(script, bars, account=FREE, fill=Fill("next_close", delay=3))
    found = result.diagnostics.filter(pl.col("rule") == "no_next_bar").select("date", "count", "detail").rows()
    assert found == [
        ("2024-01-04", 1, "decisions that the delay moves behind the last bar"),
        ("2024-01-03", 2, "orders that the delay moves behind the last bar"),
    ]
    assert result.orders.height == 0
