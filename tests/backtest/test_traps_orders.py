"""Traps of orders and stops (26 to 28) and of track records (29): which price, how much of it, and whose."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from quantlab.execution import Account, Bps, Costs, Exits, Fill, PerShare, VolumeShare

from .conftest import cash, column, make_bars, make_orders, make_weights, rules

NAN = math.nan


# Trap 26.


def test_26_a_reversal_is_one_order_and_two_trades(trade):
    """Reversal: -200 at 12 after +100 at 10 with a fee of 2.00 closes one trade (200 less 1.00) and opens another."""
    bars = make_bars([10.0, 10.0, 12.0, 12.0, 12.0])
    costs = Costs(commission=PerShare(0.01))
    weights = make_weights(bars, {0: [100.0], 2: [-200.0]})
    result = trade(weights, bars, costs=costs, account=Account(cash=2000.0), fill="next_close")
    assert result.orders.select("shares", "filled_shares", "commission", "status").rows() == [
        (100.0, 100.0, 1.0, "filled"),
        (-200.0, -200.0, 2.0, "filled"),
    ]
    first, second = result.trades.rows(named=True)
    # 200 on the way up, less 1.00 at the entry and half of the order's 2.00.
    assert (first["side"], first["entry_price"], first["exit_price"]) == ("long", 10.0, 12.0)
    assert (first["shares"], first["pnl"], first["costs"], first["status"]) == (100.0, 198.0, 2.0, "closed")
    assert (first["entry"], first["exit"]) == (bars.dates[1].item(), bars.dates[3].item())
    assert (second["side"], second["entry_price"], second["exit"]) == ("short", 12.0, None)
    assert (second["shares"], second["pnl"], second["costs"], second["status"]) == (100.0, -1.0, 1.0, "open")


@pytest.mark.parametrize(("capital", "bought", "left"), [(500.0, 100.0, -100.0), (399.0, 50.0, -83.0)])
def test_26_margin_is_checked_for_the_short_part_alone(trade, capital, bought, left):
    """Reversal: what is sold of the long frees its margin; 100 short at 12 take 600, and not the 1,200 of 200 sold.

    Of 399 and a gain of 100 there are 499, which carry 83 short.
    """
    bars = make_bars([10.0, 10.0, 12.0, 12.0, 12.0])
    orders = make_weights(bars, {0: [bought], 2: [-bought - 100.0]})
    result = trade(orders, bars, account=Account(cash=capital), fill="next_close")
    assert result.positions.values[:, 0].tolist() == [0.0, bought, bought, left, left]
    assert ("margin_scaled" in rules(result)) is (left > -100.0)


@pytest.mark.parametrize("stop", [0.05, 0.2])
def test_26_a_reversal_begins_a_fresh_entry(trade, stop):
    """Reversal: the stop of the second trade counts from 12, not from 10 or an average."""
    price = [10.0, 10.0, 12.0, 12.0, 12.0, 12.0]
    high = [*price[:4], 12.0 * (1 + stop), 12.0]
    bars = make_bars(price, open=price, high=high, low=price)
    orders = make_weights(bars, {0: [100.0], 2: [-200.0]})
    result = trade(orders, bars, account=cash(5000.0, 1.0), exits=Exits(stop_loss=stop))
    last = result.fills.row(-1, named=True)
    assert (last["kind"], last["shares"], last["price"]) == ("stop_loss", 100.0, 12.0 * (1 + stop))


# Trap 27: one share bought at 100 at the open of bar 1.


def bar_of(trade, o, h, low, c, *, side=1.0, **exits):
    """What the bar after the entry does to a position at 100: the fills behind the entry's, and the result."""
    bars = make_bars(
        [100.0, 100.0, c, c],
        open=[100.0, 100.0, o, c],
        high=[100.0, 100.0, h, c],
        low=[100.0, 100.0, low, c],
    )
    orders = make_weights(bars, {0: [side]})
    result = trade(orders, bars, account=cash(1000.0, 1.0), exits=Exits(**exits))
    return result.fills.select("kind", "price").rows()[1:], result


@pytest.mark.parametrize(
    ("bar", "exits", "filled"),
    [
        ((80.0, 85.0, 75.0, 82.0), {"stop_loss": 0.05}, ("stop_loss", 80.0)),
        ((99.0, 99.0, 94.0, 96.0), {"stop_loss": 0.05}, ("stop_loss", 95.0)),
        ((99.0, 99.0, 95.0, 96.0), {"stop_loss": 0.05}, ("stop_loss", 95.0)),
        ((99.0, 99.0, 95.01, 96.0), {"stop_loss": 0.05}, None),
        ((110.0, 112.0, 108.0, 109.0), {"take_profit": 0.05}, ("take_profit", 110.0)),
        ((101.0, 112.0, 99.0, 109.0), {"take_profit": 0.05}, ("take_profit", 105.0)),
        ((101.0, 104.99, 99.0, 104.0), {"take_profit": 0.05}, None),
    ],
    ids=["gap", "inside", "touch", "missed", "gap_up", "limit", "below_limit"],
)
@pytest.mark.parametrize("side", [1.0, -1.0], ids=["long", "short"])
def test_27_which_price_a_stop_and_a_target_get(trade, bar, exits, filled, side):
    """Stops: a stop at 95 under an open of 80 fills at 80; a target fills at max(open, limit), and never better."""
    if side < 0:  # mirrored at 100
        o, h, low, c = (200.0 - price for price in bar)
        bar = (o, low, h, c)
        filled = None if filled is None else (filled[0], 200.0 - filled[1])
    found, _ = bar_of(trade, *bar, side=side, **exits)
    assert [kind for kind, _ in found] == ([] if filled is None else [filled[0]])
    np.testing.assert_allclose([price for _, price in found], [] if filled is None else [filled[1]], rtol=1e-14)


def test_27_a_bar_that_touches_both_is_a_stop_and_ambiguous(trade):
    """Stops: O100 H110 L90 with a stop at 95 and a target at 105: the stop, and the bar is counted."""
    found, result = bar_of(trade, 100.0, 110.0, 90.0, 100.0, stop_loss=0.05, take_profit=0.05)
    assert found == [("stop_loss", 95.0)]
    row = result.diagnostics.filter(pl.col("rule") == "ambiguous_exit").row(0, named=True)
    assert (row["severity"], row["date"], row["count"]) == ("warning", "2024-01-03", 1)


def test_27_an_open_that_decides_is_not_ambiguous(trade):
    """Stops: a bar that opens beyond the target has filled there before it falls to the stop."""
    found, result = bar_of(trade, 106.0, 110.0, 90.0, 100.0, stop_loss=0.05, take_profit=0.05)
    assert found == [("take_profit", 106.0)]
    assert "ambiguous_exit" not in rules(result)


def test_27_orders_of_one_group_are_ambiguous_alike(trade):
    """Stops: a bracket of explicit orders is the same stop and target, and fills the same of the two."""
    bars = make_bars([100.0] * 4, open=[100.0] * 4, high=[100.0, 100.0, 110.0, 100.0], low=[100.0, 100.0, 90.0, 100.0])
    leave = {"bar": 1, "shares": -1.0, "tif": "gtc", "group": 1, "reduce_only": True}
    orders = make_orders(
        bars,
        {"bar": 0, "shares": 1.0, "type": "market"},
        leave | {"type": "limit", "limit": 105.0},
        leave | {"type": "stop", "stop": 95.0},
    )
    result = trade(orders, bars, account=cash(1000.0, 1.0))
    assert result.fills.select("shares", "price").rows() == [(1.0, 100.0), (-1.0, 95.0)]
    assert result.orders["status"].to_list() == ["filled", "cancelled", "filled"]
    assert "ambiguous_exit" in rules(result)


def test_27_what_one_open_meets_twice_is_ambiguous_too(trade):
    """Stops: a buy stop at 105 and a sell limit at 105 of one group both meet an open of 110: the stop, and counted."""
    bars = make_bars([100.0, 110.0, 110.0], open=[100.0, 110.0, 110.0], high=[100.0, 111.0, 110.0], low=[99.0] * 3)
    either = {"bar": 0, "tif": "gtc", "group": 1}
    orders = make_orders(
        bars,
        either | {"shares": -1.0, "type": "limit", "limit": 105.0},
        either | {"shares": 1.0, "type": "stop", "stop": 105.0},
    )
    result = trade(orders, bars, account=cash(1000.0, 1.0))
    assert result.fills.select("shares", "price").rows() == [(1.0, 110.0)]
    assert "ambiguous_exit" in rules(result)


def test_27_a_stop_that_cannot_be_filled_keeps_the_limit_of_its_group_for_the_next_bar(trade):
    """Stops: whatever the order of placement, the limit waits a bar for a stop that has nothing to close."""
    bars = make_bars([100.0, 100.0, 100.0], open=[100.0] * 3, high=[106.0] * 3, low=[94.0] * 3)
    limit = {"bar": 0, "tif": "gtc", "group": 1, "shares": 1.0, "type": "limit", "limit": 95.0}
    stop = {"bar": 0, "tif": "gtc", "group": 1, "shares": -1.0, "type": "stop", "stop": 96.0, "reduce_only": True}
    for orders in ([limit, stop], [stop, limit]):
        result = trade(make_orders(bars, *orders), bars, account=cash(1000.0, 1.0))
        assert result.fills.select("date", "shares", "price").rows() == [(bars.dates[2].item(), 1.0, 95.0)]


@pytest.mark.parametrize(
    ("fill", "entry_bar", "stopped"),
    [("next_close", True, 2), ("next_open", True, 1), ("next_open", False, 2)],
)
def test_27_the_bar_of_an_entry_at_the_close_tests_no_stop(trade, fill, entry_bar, stopped):
    """Stops: the low of a bar lies before an entry at its close. It counts for an entry at its open, if wanted."""
    bars = make_bars([100.0] * 4, open=[100.0] * 4, high=[100.0] * 4, low=[100.0, 90.0, 90.0, 100.0])
    exits = Exits(stop_loss=0.05, entry_bar=entry_bar)
    orders = make_weights(bars, {0: [1.0]})
    result = trade(orders, bars, account=cash(1000.0, 1.0), exits=exits, fill=fill)
    assert result.fills["date"].to_list() == [bars.dates[1].item(), bars.dates[stopped].item()]
    assert result.fills["price"].to_list() == [100.0, 95.0]


@pytest.mark.parametrize("explicit", [False, True], ids=["exit", "order"])
def test_27_a_trailing_stop_learns_after_the_test(trade, explicit):
    """Stops: the bar that makes the high of 120 is tested against the high before it; the next one against 120."""
    bars = make_bars(
        [100.0, 100.0, 112.0, 110.0, 105.0],
        open=[100.0, 100.0, 101.0, 111.0, 106.0],
        high=[100.0, 100.0, 120.0, 112.0, 106.0],
        # 91 is 24 % under the bar's own high, and above 90 % of the high before it.
        low=[100.0, 100.0, 91.0, 109.0, 104.0],
    )
    if explicit:
        stop = {"bar": 1, "shares": -1.0, "type": "trailing", "trail_fraction": 0.1, "tif": "gtc"}
        orders, exits = make_orders(bars, {"bar": 0, "shares": 1.0}, stop), None
    else:
        orders, exits = make_weights(bars, {0: [1.0]}), Exits(trailing=0.1)
    result = trade(orders, bars, account=cash(1000.0, 1.0), exits=exits)
    # 108 lies 10 % below 120: bar 3 stops at 109, bar 4 opens at 106.
    assert result.fills.select("date", "price").rows()[1:] == [(bars.dates[4].item(), 106.0)]


def test_27_stops_slip_and_targets_do_not(trade):
    """Stops: a stop is a market order once it is hit; a target is a limit."""
    bars = make_bars([100.0] * 4, open=[100.0] * 4, high=[100.0, 100.0, 110.0, 100.0], low=[100.0, 100.0, 90.0, 100.0])
    paid = []
    for exits in (Exits(stop_loss=0.05), Exits(take_profit=0.05)):
        orders = make_weights(bars, {0: [1.0]})
        costs = Costs(slippage=Bps(100))
        paid.append(trade(orders, bars, costs=costs, account=cash(1000.0, 1.0), exits=exits).fills["price"][1])
    # The entry itself was at 101: a stop at 95.95, less one percent, and a target at 106.05.
    np.testing.assert_allclose(paid, [101 * 0.95 * 0.99, 101 * 1.05], rtol=1e-14)


# Trap 28: 1,000 shares wanted, a volume of 10,000, a cap of 2.5 %.


def capped(trade, orders, *, carry=0, price=20.0, volume=10_000.0, **rest):
    bars = make_bars([price] * 6, open=[price] * 6, high=[price] * 6, low=[price] * 6, volume=[volume] * 6)
    orders = make_weights(bars, orders) if isinstance(orders, dict) else make_orders(bars, *orders)
    fill = Fill("next_open", participation=0.025, carry=carry)
    return trade(orders, bars, account=cash(100_000.0, 1.0), fill=fill, **rest)


@pytest.mark.parametrize("carry", [0, 1, 3, 4])
def test_28_a_fill_is_cut_to_its_share_of_the_volume(trade, carry):
    """Volume cap: 2.5 % of 10,000 is 250; the rest is cancelled, or carried as many bars as is asked for."""
    result = capped(trade, {0: [1000.0]}, carry=carry)
    fills = min(carry + 1, 4)
    assert result.fills["shares"].to_list() == [250.0] * fills
    row = result.orders.row(0, named=True)
    assert (row["shares"], row["filled_shares"]) == (1000.0, 250.0 * fills)
    assert row["status"] == ("filled" if fills == 4 else "capped")
    assert rules(result) == ["volume_cap"]


def test_28_quadratic_impact(trade):
    """Volume cap: with price * (1 + 0.1 * share ** 2) a purchase of 250 of 10,000 at 20.00 pays 20.00125."""
    costs = Costs(slippage=VolumeShare(0.1, 2.0))
    result = capped(trade, {0: [1000.0], 1: [-1000.0]}, costs=costs)
    np.testing.assert_allclose(result.fills["price"], [20.00125, 19.99875], rtol=1e-15)


def test_28_two_orders_of_one_bar_share_one_cap(trade):
    """Volume cap: the second order gets what the first has left; a stop of the position gets nothing more."""
    life = {"tif": "gtc", "type": "limit", "limit": 20.0}
    result = capped(trade, [{"bar": 0, "shares": 150.0} | life, {"bar": 0, "shares": 150.0} | life])
    assert result.fills.select("order", "shares").rows() == [(0, 150.0), (1, 100.0), (1, 50.0)]
    assert len(set(result.fills["date"])) == 2


def test_28_the_cap_knows_the_bar_and_the_size_only_the_past(trade):
    """Volume cap: the bar of the fill sets the room; its volume says nothing about the price, which the past does."""
    bars = make_bars([20.0] * 4, volume=[10_000.0, 4000.0, 10_000.0, 10_000.0])
    costs = Costs(slippage=VolumeShare(0.1, 2.0))
    fill = Fill("next_close", participation=0.025)
    result = trade(make_weights(bars, {0: [1000.0]}), bars, costs=costs, account=cash(100_000.0, 1.0), fill=fill)
    row = result.fills.row(0, named=True)
    # 2.5 % of 4,000; 100 are 1 % of the 10,000 that were known.
    assert row["shares"] == 100.0
    np.testing.assert_allclose(row["price"], 20 * (1 + 0.1 * 0.01**2), rtol=1e-15)


def test_28_a_bar_without_volume_fills_nothing(trade):
    """Volume cap: a missing or empty volume is no room, and no reason to guess one."""
    for volume in (0.0, NAN):
        result = capped(trade, {0: [1000.0]}, volume=volume)
        assert result.fills.height == 0
        assert result.orders["status"].to_list() == ["capped"]


# Trap 29: the numbers of annualisation stand in tests/metrics.


def test_29_no_bar_before_the_first_decision_is_track_record(backtest):
    """Annualisation: a warm-up without a decision is no zero return, which would lower every ratio."""
    bars = make_bars([10.0, 10.0, 10.0, 11.0, 12.1])
    result = backtest(make_weights(bars, {1: [1.0]}), bars, account=cash(100.0), fill="next_close")
    np.testing.assert_array_equal(result.returns.dates, bars.dates[2:])
    np.testing.assert_allclose(result.returns.values.ravel(), [0.0, 0.1, 0.1], rtol=1e-13, atol=1e-15)


def test_29_the_drawdown_starts_at_the_initial_capital(backtest):
    """Annualisation: 100, 90, 95 is a drawdown of 10 %, also when no bar is above the start."""
    bars = make_bars([10.0, 10.0, 9.0, 9.5])
    result = backtest(make_weights(bars, {0: [1.0]}), bars, account=cash(100.0), fill="next_close")
    np.testing.assert_allclose(column(result, "equity"), [100.0, 100.0, 90.0, 95.0], rtol=1e-15)
    row = result.summary().row(by_predicate=pl.col("metric") == "max_drawdown", named=True)
    assert abs(row["value"]) == pytest.approx(0.1, rel=1e-13)


def test_29_an_account_that_does_nothing_has_no_sharpe(backtest):
    """Annualisation: zero variance is NaN with a reason, not infinity."""
    bars = make_bars([10.0] * 5)
    result = backtest(make_weights(bars, {0: [0.0]}), bars, account=cash(100.0), fill="next_close")
    row = result.summary().row(by_predicate=pl.col("metric") == "sharpe", named=True)
    assert row["value"] is None
    assert row["reason"]
