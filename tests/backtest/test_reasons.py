"""What became of an order and why: asked shares stay what they were, and the reason says what made them fewer."""

from __future__ import annotations

import math

import polars as pl
import pytest

from quantlab.backtest import simulate, simulate_orders
from quantlab.core import DataError, InputError
from quantlab.execution import Account, Borrow, Costs, Exits, Fill, RegT

from .conftest import cash, make_bars, make_orders, make_weights

NAN = math.nan


def fates(result):
    return result.orders.select("symbol", "shares", "filled_shares", "status", "reason").rows()


def detail(result, rule):
    return result.diagnostics.row(by_predicate=pl.col("rule") == rule, named=True)["detail"]


def test_an_order_beyond_the_buying_power_is_recorded_as_asked(trade):
    bars = make_bars([100.0] * 3)
    given = {"account": Account(cash=10_000.0), "fill": "next_close"}
    result = trade(make_orders(bars, {"bar": 0, "shares": 300.0}), bars, **given)
    assert fates(result) == [("A", 300.0, 200.0, "filled", "cut to the buying power; filled in full")]
    assert detail(result, "margin_scaled").endswith("asked and filled shares stand in the orders")
    # The same as a Panel of shares.
    result = trade(make_weights(bars, {0: [300.0]}), bars, **given)
    assert fates(result) == [("A", 300.0, 200.0, "filled", "cut to the buying power; filled in full")]


def test_an_order_beyond_the_shares_to_borrow_is_recorded_as_asked(trade):
    bars = make_bars([100.0] * 3, borrow=[("A", 0, 0.01, 40.0)])
    given = {"costs": Costs(borrow=Borrow()), "fill": "next_close"}
    result = trade(make_orders(bars, {"bar": 0, "shares": -60.0}), bars, account=Account(cash=10_000.0), **given)
    assert fates(result) == [("A", -60.0, -40.0, "filled", "cut to the shares that could be borrowed; filled in full")]
    # Both cuts: the last is told; nothing is left of the second order, which keeps what it asked for.
    orders = make_orders(bars, {"bar": 0, "shares": -60.0}, {"bar": 0, "shares": -10.0})
    result = trade(orders, bars, account=Account(cash=1000.0), **given)
    assert fates(result) == [
        ("A", -60.0, -20.0, "filled", "cut to the buying power; filled in full"),
        ("A", -10.0, 0.0, "unborrowable", "no more shares could be borrowed"),
    ]


def test_weights_beyond_the_buying_power_say_what_was_asked(backtest):
    bars = make_bars([[10.0, 10.0]] * 3)
    result = backtest(make_weights(bars, {0: [12.0, -3.0]}), bars, account=Account(cash=1000.0), fill="next_close")
    assert {reason for *_, reason in fates(result)} == {"cut to the buying power; filled in full"}
    assert detail(result, "margin_scaled").endswith("the first asks for 1,200.0% long and 300.0% short")


def test_a_cancelled_order_says_by_what(backtest, trade):
    bars = make_bars([100.0, 100.0, 90.0, 90.0], open=[100.0] * 4, high=[101.0] * 4, low=[99.0, 99.0, 89.0, 89.0])
    gtc = {"bar": 0, "tif": "gtc"}

    def reasons(*orders, **given):
        result = trade(make_orders(bars, *orders), bars, **({"account": cash(10_000.0, 1.0)} | given))
        return result.orders["reason"].to_list()

    either = gtc | {"group": 1}
    limit, stop = {"type": "limit", "limit": 120.0}, {"type": "stop", "stop": 95.0}
    assert reasons(gtc | {"shares": 10.0}, either | limit | {"shares": -10.0}, either | stop | {"shares": -10.0}) == [
        "filled in full",
        "another order of its group was filled",
        "filled in full",
    ]
    assert reasons(gtc | {"shares": -10.0, "reduce_only": True}) == ["nothing was left to close"]
    # A margin call drops what would build the position.
    assert reasons(
        gtc | {"shares": 199.0},
        gtc | {"shares": 1.0, "type": "limit", "limit": 50.0},
        account=Account(cash=10_000.0, margin=RegT(maintenance_long=0.45)),
    )[1:] == ["a margin call or a buy-in came first", "filled in full"]
    # A decision that comes before the volume has filled the one before it.
    bars = make_bars([100.0] * 4, volume=[100.0] * 4)
    fill = Fill("next_close", participation=0.1, carry=3)
    result = backtest(make_weights(bars, {0: [0.5], 1: [0.0]}), bars, account=cash(10_000.0, 1.0), fill=fill)
    assert result.orders["reason"].to_list() == ["replaced by a later decision", "filled in full"]


def test_an_order_on_a_position_that_is_leaving_says_so(trade):
    bars = make_bars([100.0, 100.0, 80.0, 80.0])
    orders = make_orders(bars, {"bar": 0, "shares": 10.0}, {"bar": 2, "shares": 5.0})
    result = trade(orders, bars, account=cash(10_000.0, 1.0), fill="next_close", exits=Exits(stop_loss=0.1))
    assert sorted(row[3:] for row in fates(result)) == [
        ("filled", "filled in full"),
        ("filled", "filled in full"),
        ("skipped", "an exit closes the position"),
    ]


@pytest.mark.parametrize("kind", ["shares", "value", "target_shares", "target_value"])
def test_amounts_below_one_lot_are_told(kind):
    bars = make_bars([[100.0, 100.0]] * 3)
    orders = make_weights(bars, {0: [0.5, -0.5]})
    result = simulate_orders(orders, bars, kind=kind, fill="next_close")
    assert not result.positions.values.any()
    assert result.diagnostics.select("rule", "symbol", "count").rows() == [
        ("below_one_lot", "A", 1),
        ("below_one_lot", "B", 1),
    ]
    with pytest.raises(DataError, match="strict: below_one_lot at A"):
        simulate_orders(orders, bars, kind=kind, fill="next_close", strict=True)


def test_amounts_that_are_rounded_are_told():
    bars = make_bars([[100.0, 100.0]] * 4)
    orders = make_weights(bars, {0: [10.7, NAN], 1: [10.7, 5.0]})
    for kind, held in (("shares", [20.0, 5.0]), ("target_shares", [10.0, 5.0])):
        result = simulate_orders(orders, bars, kind=kind, fill="next_close")
        assert result.positions.values[-1].tolist() == held
        assert result.diagnostics.select("rule", "symbol", "count").rows() == [("rounded_order", "A", 2)]


def test_weights_are_no_orders():
    bars = make_bars([100.0] * 3)
    frame = pl.DataFrame({"date": [bars.dates[0].item()], "symbol": ["A"], "weight": [0.5]})
    with pytest.raises(InputError, match=r"has the column `weight`, and orders are shares or values.*simulate"):
        simulate_orders(frame, bars)
    assert simulate(frame, bars, fill="next_close").positions.values[-1, 0] == 5000.0
