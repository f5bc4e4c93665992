"""Traps of sizing (19 to 25): one equity, costs inside, whole lots, and nothing left over."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from quantlab.backtest import _simulate, simulate, simulate_orders
from quantlab.core import Panel
from quantlab.execution import Account, Bps, Costs, Fill, PerShare, PerTrade, Proportional

from .conftest import cash, column, make_bars, make_orders, make_weights, rules

IBKR = Costs(commission=PerShare(0.005, minimum=1.0, maximum=0.01))


def test_19_percent_of_one_equity(backtest):
    """Percent of what: five orders of 20 % of 100 are 20 each in any column order, not 20, 16, 12.8, 10.24, 8.19."""
    for names in itertools.permutations("ABCDE"):
        bars = make_bars([[1.0] * 5] * 3, symbols=names)
        result = backtest(make_weights(bars, {0: [0.2] * 5}), bars, account=cash(100.0), fill="next_close")
        assert result.positions.values[-1].tolist() == [20.0] * 5


@pytest.mark.parametrize("symbols", [("A", "B"), ("B", "A")], ids="".join)
@pytest.mark.parametrize("swapped", [False, True], ids=["as_is", "swapped"])
def test_20_a_full_switch_sells_and_buys_at_once(backtest, symbols, swapped):
    """Order independence: switching 10,000 from a at 100 to b at 50 with 10 bps buys 199, and leaves 30.05."""
    side = slice(None, None, -1) if swapped else slice(None)
    bars = make_bars([[100.0, 50.0][side]] * 4, symbols=symbols[side])
    weights = make_weights(bars, {0: [1.0, 0.0][side], 1: [0.0, 1.0][side]})
    # 10,010 buys 100 shares at 100 with their fee, and leaves the equity of 10,000 that is switched.
    costs = Costs(commission=Bps(10))
    result = backtest(weights, bars, costs=costs, account=Account(cash=10_010.0), fill="next_close")
    assert result.positions.values[1].tolist() == [100.0, 0.0][side]
    assert result.positions.values[-1].tolist() == [0.0, 199.0][side]
    np.testing.assert_allclose(column(result, "equity")[1], 10_000.0, rtol=1e-15)
    np.testing.assert_allclose(column(result, "commission"), [0.0, 10.0, 10.0 + 9.95, 0.0], rtol=1e-15)
    np.testing.assert_allclose(column(result, "cash")[-1], 30.05, rtol=1e-12)


@pytest.mark.parametrize("lot", [None, 1.0, 0.1])
@pytest.mark.parametrize("target", [[1.0, 0.0], [0.5, 0.5], [0.9, -0.6], [-0.5, -0.3]])
@pytest.mark.parametrize("margin", [True, False], ids=["reg_t", "no_margin"])
def test_21_rebalancing_again_trades_nothing(backtest, lot, target, margin):
    """Idempotence: the same weights at the same prices trade once, also with costs that the first time has paid."""
    bars = make_bars([[7.0, 13.0]] * 8)
    costs = Costs(commission=Proportional(0.002, minimum=0.5), slippage=Bps(10))
    weights = make_weights(bars, dict.fromkeys((0, 1, 2, 5), target))
    account = Account(cash=1000.0, lot=lot) if margin else cash(1000.0, lot)
    result = backtest(weights, bars, costs=costs, account=account, fill="next_close")
    assert set(result.orders["decided"]) == {bars.dates[0].item()}


@pytest.mark.parametrize("commission", [PerTrade(100.0), PerShare(0.0, minimum=100.0)])
def test_22_a_fixed_fee_is_one_fee_per_order(backtest, commission):
    """Fees inside sizing: 10,000 at 100 with a fee of 100 buy 99 shares, not 49."""
    bars = make_bars([100.0] * 3)
    result = backtest(
        make_weights(bars, {0: [1.0]}),
        bars,
        costs=Costs(commission=commission),
        account=Account(cash=10_000.0),
        fill="next_close",
    )
    assert result.orders["shares"].to_list() == [99.0]
    assert column(result, "cash")[-1] == 0.0


@pytest.mark.parametrize(("minimum", "shares"), [(0.0, 100.0), (0.6, 100.0), (0.61, 99.0), (1.0, 99.0)])
def test_22_a_minimum_fee_makes_the_last_share_unaffordable(backtest, minimum, shares):
    """Fees inside sizing: 100 shares at 10 cost 1,000.50; a minimum of 0.61 does not fit into 1,000.60 any more."""
    bars = make_bars([10.0] * 3)
    costs = Costs(commission=PerShare(0.005, minimum=minimum))
    account = Account(cash=1000.6)
    result = backtest(make_weights(bars, {0: [1.0]}), bars, costs=costs, account=account, fill="next_close")
    assert result.orders["shares"].to_list() == [shares]
    assert column(result, "cash")[-1] >= 0.0


def test_22_a_fee_beyond_the_equity_sends_nothing_and_is_told(backtest):
    """Fees inside sizing: where no size leaves room for its fee there is no order, no endless search, and a row."""
    bars = make_bars([10.0] * 3)
    costs = Costs(commission=PerTrade(200.0))
    account = Account(cash=100.0)
    result = backtest(make_weights(bars, {0: [1.0]}), bars, costs=costs, account=account, fill="next_close")
    assert result.orders["status"].to_list() == ["unaffordable"]
    assert column(result, "equity") == [100.0] * 3
    assert rules(result) == ["unaffordable"]


@pytest.mark.parametrize(
    ("shares", "price", "fee"), [(100, 25.0, 1.0), (1000, 25.0, 5.0), (1000, 0.25, 2.5), (100, 0.5, 0.5)]
)
def test_23_the_fixed_schedule_of_a_broker(backtest, shares, price, fee):
    """IBKR: 0.005 a share, at least 1, at most 1 % of the value, where the maximum wins: 1.00, 5.00, 2.50.

    Of 100 at 0.50 the maximum is below the minimum, and wins: 0.50.
    """
    bars = make_bars([price] * 4)
    # Half a share more, so that the fee inside the sizing does not cost one; then out again.
    weights = make_weights(bars, {0: [(shares + 0.5) * price / 1e6], 1: [0.0]})
    result = backtest(weights, bars, costs=IBKR, account=Account(cash=1e6), fill="next_close")
    assert result.orders["shares"].to_list() == [shares, -shares]
    assert result.orders["commission"].to_list() == [fee, fee]
    np.testing.assert_allclose(column(result, "equity")[-1], 1e6 - 2 * fee, rtol=1e-15)


@pytest.mark.parametrize("explicit", [False, True], ids=["carried", "good_till_cancelled"])
def test_23_partial_fills_share_one_minimum(trade, explicit):
    """IBKR: 0.0075 a share, at least 2.50; fills of 230, 170, 100 have cost 2.50, 3.00, 3.75 in the end."""
    price, volume = [10.0] * 5, [1.0, 230.0, 170.0, 100.0, 1e6]
    bars = make_bars(price, volume=volume, open=price, high=price, low=price)
    costs = Costs(commission=PerShare(0.0075, minimum=2.5))
    order = {"bar": 0, "shares": 500.0, "type": "limit", "limit": 10.0, "tif": "gtc"}
    orders = make_orders(bars, order) if explicit else make_weights(bars, {0: [500.0]})
    fill = Fill("next_close", participation=1.0, carry=0 if explicit else 2)
    result = trade(orders, bars, costs=costs, account=Account(cash=20_000.0), fill=fill)
    assert result.fills["shares"].to_list() == [230.0, 170.0, 100.0]
    np.testing.assert_allclose(np.cumsum(result.fills["commission"]), [2.5, 3.0, 3.75], rtol=1e-15)
    assert result.orders.select("status", "filled_shares", "commission").rows() == [("filled", 500.0, 3.75)]


@pytest.mark.parametrize("price", [1.0, 7.0])
def test_24_three_lots_of_a_tenth_are_three_tenths(trade, backtest, price):
    """Lot rounding: 0.3 with a lot of 0.1 is 0.3, in weights, in shares and in an order; floors of floats give 0.2."""
    bars = make_bars([price] * 3)
    weights = make_weights(bars, {0: [0.3]})
    result = backtest(weights, bars, account=cash(price, 0.1), fill="next_close")
    np.testing.assert_allclose(result.positions.values[-1], 0.3, rtol=1e-15)
    for orders in (weights, make_orders(bars, {"bar": 0, "shares": 0.3})):
        result = trade(orders, bars, account=cash(price, 0.1), fill="next_close")
        np.testing.assert_allclose(result.positions.values[-1], 0.3, rtol=1e-15)
        assert "rounded_order" not in rules(result)
    # And 0.29999 is 0.2: the tolerance is for the rounding of floats alone.
    result = trade(make_orders(bars, {"bar": 0, "shares": 0.29999}), bars, account=cash(price, 0.1), fill="next_close")
    np.testing.assert_allclose(result.positions.values[-1], 0.2, rtol=1e-15)


def accumulated(door, lot, steps):
    """Buy 0.1 on every bar, sell all of it at the end."""
    bars = make_bars(np.ones(steps + 3))
    shares = np.full((steps + 1, 1), 0.1)
    shares[-1] = -0.1 * steps
    return door(
        Panel(shares, bars.dates[: steps + 1], bars.symbols), bars, account=cash(0.2 * steps, lot), fill="next_close"
    )


@pytest.mark.parametrize("lot", [0.1, None], ids=["lots", "fractional"])
@pytest.mark.parametrize("steps", [10, 2000])
def test_25_many_small_buys_and_one_sale(trade, lot, steps):
    """Float accumulation: 0.1 bought ten times and 1.0 sold is flat. In lots it is exactly flat, and so are fractions
    when the sale is of what is held; naive floats leave -1.1e-16.
    """
    result = accumulated(trade, lot, steps)
    left = result.positions.values[-2:, 0].tolist()
    if lot:
        assert left == [0.0, 0.0]
        assert result.trades["status"].to_list() == ["closed"]
    else:
        assert sum([0.1] * 10) - 1.0 == pytest.approx(-1.1e-16, rel=0.01)
        np.testing.assert_allclose(left, 0.0, atol=1e-13 * steps)
    # The money is a sum of rounded numbers of up to 0.2 * steps.
    np.testing.assert_allclose(column(result, "equity"), 0.2 * steps, rtol=1e-12)


@pytest.mark.slow
def test_25_a_million_small_buys_and_one_sale():
    """Float accumulation: 0.1 bought a million times and 100,000 sold is exactly flat; naive floats leave 1.3e-6."""
    steps = 1_000_000
    result = accumulated(simulate_orders, 0.1, steps)
    assert result.positions.values[steps, 0] == pytest.approx(100_000.0, rel=1e-15)
    assert result.positions.values[-2:, 0].tolist() == [0.0, 0.0]
    assert result.fills.height == steps + 1
    np.testing.assert_allclose(column(result, "equity")[-1], 0.2 * steps, rtol=1e-9)
    assert float(np.cumsum(np.full(steps, 0.1))[-1]) - 100_000.0 == pytest.approx(1.3e-6, rel=0.03)


@pytest.mark.parametrize("lot", [0.1, None], ids=["lots", "fractional"])
def test_25_flat_means_flat_in_every_table(backtest, lot):
    """Float accumulation: a target of 0 sells what is there, and leaves no ghost position, trade or order."""
    bars = make_bars([1.0] * 14)
    rows = {t: [0.1 * (t + 1)] for t in range(10)} | {10: [0.0], 11: [0.0]}
    result = backtest(make_weights(bars, rows), bars, account=cash(1.0, lot), fill="next_close")
    assert result.positions.values[-3:].tolist() == [[0.0]] * 3
    assert result.orders.height == 11
    assert result.trades["status"].to_list() == ["closed"]
    np.testing.assert_allclose(result.trades["shares"], [1.0], rtol=1e-15)


@pytest.mark.parametrize("held", [0.1, 0.3, 1 / 3, 2 / 7])
def test_25_an_order_that_is_cut_to_what_closes_closes_it(trade, held):
    """Float accumulation: without buying power a sale of 5 is cut to the shares that are held, to the last bit."""
    # 2,000 of a fell to 1,800: 800 of equity carry it, and nothing more.
    bars = make_bars([[100.0, 10.0]] * 2 + [[90.0, 10.0]] * 3)
    orders = make_orders(
        bars,
        {"bar": 0, "symbol": "A", "shares": (2000 - 10 * held) / 100},
        {"bar": 0, "symbol": "B", "shares": held},
        {"bar": 2, "symbol": "B", "shares": -5.0},
    )
    result = trade(orders, bars, account=Account(cash=1000.0, lot=None), fill="next_close")
    assert result.positions.values[:, 1].tolist() == [0.0, held, held, 0.0, 0.0]
    assert result.fills["shares"].to_list()[1:] == [held, -held]
    assert result.trades["status"].to_list() == ["open", "closed"]


def test_simulate_is_the_compiled_engine(monkeypatch):
    """The engines that these tests compare are two: without its engine ``simulate`` does not run."""

    class Called(Exception):
        pass

    def refuse(*args, **rest):
        raise Called

    monkeypatch.setattr(_simulate, "kernel_run", refuse)
    bars = make_bars([10.0, 11.0, 12.0])
    for door in (simulate, simulate_orders):
        with pytest.raises(Called):
            door(make_weights(bars, {0: [1.0]}), bars, fill="next_close")
