"""Rules of docs/engine.md that two engines can break alike, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantlab.core import Panel
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
    PerTrade,
    PortfolioMargin,
    RegT,
    Tiered,
)
from quantlab.portfolio import Rebalancing

from .conftest import cash, column, make_bars, make_orders, make_weights, rules

NAN = math.nan
FULL = {"open": [100.0] * 5, "high": [101.0] * 5, "low": [99.0] * 5}
GTC = {"bar": 0, "tif": "gtc"}
STOP = GTC | {"type": "stop", "stop": 50.0}
LIMIT = GTC | {"type": "limit", "limit": 200.0}


@pytest.mark.parametrize("other", [STOP, LIMIT], ids=["stop", "limit"])
def test_an_order_that_waits_for_its_price_frees_no_buying_power(trade, other):
    """10,000 of own money carry 200 shares at 100, whatever waits to sell them."""
    bars = make_bars([100.0] * 5, **FULL)
    buy = {"bar": 0, "shares": 10_000.0}
    result = trade(make_orders(bars, buy, other | {"shares": -10_000.0}), bars, account=Account(cash=10_000.0))
    assert result.positions.values[1, 0] == 200.0
    rejected = trade(
        make_orders(bars, buy | {"shares": 250.0}, other | {"shares": -200.0}),
        bars,
        account=Account(cash=10_000.0, buying_power="reject"),
    )
    assert not rejected.positions.values.any()


def test_what_is_sold_with_certainty_pays_for_what_is_bought(trade):
    """A is sold and B bought in one decision: both are market orders and both are filled."""
    bars = make_bars([[100.0, 50.0]] * 5)
    orders = make_orders(
        bars,
        {"bar": 0, "symbol": "A", "shares": 200.0},
        {"bar": 1, "symbol": "A", "shares": -200.0},
        {"bar": 1, "symbol": "B", "shares": 400.0},
    )
    result = trade(orders, bars, account=Account(cash=10_000.0), fill="next_close")
    assert result.positions.values[-1].tolist() == [0.0, 400.0]


def test_a_buy_limit_lends_no_shares(trade):
    """50 shares can be borrowed: 50 are sold short, whatever a limit at 1 would buy back."""
    bars = make_bars([100.0] * 5, borrow=[("A", 0, 0.01, 50.0)], **FULL)
    orders = make_orders(bars, GTC | {"shares": 1000.0, "type": "limit", "limit": 1.0}, {"bar": 0, "shares": -1000.0})
    result = trade(orders, bars, account=cash(1e6, 1.0), costs=Costs(borrow=Borrow()))
    assert result.positions.values[1, 0] == -50.0
    assert "unborrowable" in rules(result)


def test_the_smaller_side_of_two_limits_needs_nothing_more(trade):
    """Buy 150 at 90 or sell 120 at 110 on 10,000: either alone fits, and only one side can be held."""
    bars = make_bars([100.0] * 5, **FULL)
    orders = make_orders(
        bars,
        GTC | {"shares": 150.0, "type": "limit", "limit": 90.0},
        GTC | {"shares": -120.0, "type": "limit", "limit": 110.0},
    )
    result = trade(orders, bars, account=Account(cash=10_000.0))
    assert "margin_scaled" not in rules(result)
    assert result.orders["status"].to_list() == ["working", "working"]


@pytest.mark.parametrize("margin", [RegT, PortfolioMargin])
def test_below_the_minimum_equity_longs_are_paid_in_full(backtest, margin):
    """1.5 of 10,000 with a factor of a half: nothing is lent below a million."""
    bars = make_bars([100.0] * 3)
    account = Account(cash=10_000.0, margin=margin(minimum_equity=1e6, factors={"A": 0.5}))
    result = backtest(make_weights(bars, {0: [1.5]}), bars, account=account, fill="next_close")
    assert result.positions.values[-1, 0] == 100.0


def test_without_an_open_nothing_fills_outside_of_the_bar(trade):
    """The bar runs from 80 to 85 after a close of 100: a stop at 95 is sold at 85, and no better."""
    bars = make_bars(
        [100.0, 100.0, 82.0, 82.0],
        open=[100.0, 100.0, NAN, 82.0],
        high=[100.0, 100.0, 85.0, 82.0],
        low=[100.0, 100.0, 80.0, 82.0],
    )
    buy = {"bar": 0, "shares": 10.0}
    stop = {"bar": 0, "shares": -10.0, "type": "stop", "stop": 95.0, "tif": "gtc"}
    result = trade(make_orders(bars, buy, stop), bars, account=cash(10_000.0, 1.0))
    assert result.fills["price"].to_list() == [100.0, 85.0]
    result = trade(make_orders(bars, buy), bars, account=cash(10_000.0, 1.0), exits=Exits(stop_loss=0.05))
    assert result.fills["price"].to_list() == [100.0, 85.0]


def test_without_an_open_a_limit_pays_no_less_than_the_low(trade):
    """The bar runs from 104 to 110 after a close of 100: a limit of 105 buys at 104."""
    bars = make_bars([100.0, 107.0], open=[100.0, NAN], high=[100.0, 110.0], low=[100.0, 104.0])
    limit = GTC | {"shares": 10.0, "type": "limit", "limit": 105.0}
    result = trade(make_orders(bars, limit), bars, account=cash(10_000.0, 1.0))
    assert result.fills["price"].to_list() == [104.0]


def renamed(**more):
    return make_bars(
        [[100.0, NAN], [100.0, NAN], [NAN, 100.0], [NAN, 100.0], [NAN, 100.0]],
        actions=[("A", 2, "conversion", 1.0, "B")],
        **more,
    )


def test_orders_that_end_with_a_conversion_are_told(trade):
    """A stop on A does not protect the B into which it turns, and a row says so."""
    bars = renamed(
        open=[[100.0, NAN]] * 2 + [[NAN, 100.0]] * 3,
        high=[[100.0, NAN]] * 2 + [[NAN, 100.0]] * 3,
        low=[[100.0, NAN]] * 2 + [[NAN, 100.0]] * 3,
    )
    orders = make_orders(
        bars,
        {"bar": 0, "symbol": "A", "shares": 10.0},
        {"bar": 0, "symbol": "A", "shares": -10.0, "type": "stop", "stop": 50.0, "tif": "gtc"},
    )
    result = trade(orders, bars, account=cash(10_000.0, 1.0))
    assert result.orders["status"].to_list() == ["filled", "delisted"]
    assert ("delisted", "A") in result.diagnostics.select("rule", "symbol").rows()


@pytest.mark.parametrize("given", [{"rebalance": Rebalancing(check="bar")}, {}], ids=["bar", "decision"])
def test_a_renamed_holding_keeps_its_weight(backtest, given):
    """All of A turns into B: the check of every bar finds B where it belongs, and nothing is sold."""
    bars = renamed()
    result = backtest(
        make_weights(bars, {0: [1.0, 0.0]}), bars, account=cash(10_000.0, 1.0), fill="next_close", **given
    )
    assert result.positions.values[:, 1].tolist() == [0.0, 0.0, 100.0, 100.0, 100.0]


def test_a_weight_that_waits_for_its_fill_follows_a_rename(backtest):
    """Decided on bar 1 for A, sized on bar 2, where A is B."""
    bars = renamed()
    fill = Fill("next_close", sizing="fill")
    result = backtest(make_weights(bars, {1: [1.0, 0.0]}), bars, account=cash(10_000.0, 1.0), fill=fill)
    assert result.positions.values[:, 1].tolist() == [0.0, 0.0, 100.0, 100.0, 100.0]


@pytest.mark.parametrize("policy", ["convert", "hold"])
def test_the_proceeds_of_a_foreign_short_are_no_loan(trade, policy):
    """1,000 euros short at a rate of 1, 36 % on debit and credit: ten days' worth of nights on 10,000 of free cash."""
    bars = make_bars([[10.0, 10.0]] * 4)
    rates = Panel(np.ones((4, 1)), bars.dates, ["EUR"])
    interest = Interest(debit=0.36, credit=0.36)
    each = {"USD": interest, "EUR": interest}
    home = trade(
        make_orders(bars, {"bar": 0, "symbol": "A", "shares": -100.0}),
        bars,
        account=Account(cash=10_000.0, margin=NoMargin(), interest=interest),
        fill="next_close",
    )
    abroad = trade(
        make_orders(bars, {"bar": 0, "symbol": "B", "shares": -100.0}),
        bars,
        account=Account(
            cash=10_000.0,
            margin=NoMargin(),
            interest=each,
            currencies=Currencies({"B": "EUR"}, rates, policy=policy),
        ),
        fill="next_close",
    )
    assert not abroad.charges["debit_interest"].to_numpy().any()
    np.testing.assert_allclose(column(abroad, "equity"), column(home, "equity"), rtol=1e-12)


def test_each_fill_pays_the_tier_of_its_day(trade):
    """2 cents up to 300 shares a month, then 1: two fills of 300 pay 6.00 and 3.00."""
    bars = make_bars([100.0] * 4, volume=[300.0] * 4, **{name: values[:4] for name, values in FULL.items()})
    costs = Costs(commission=Tiered((0, PerShare(0.02)), (300, PerShare(0.01))))
    order = GTC | {"shares": 600.0, "type": "limit", "limit": 100.0}
    result = trade(
        make_orders(bars, order), bars, costs=costs, account=cash(1e6, 1.0), fill=Fill("next_open", participation=1.0)
    )
    assert result.fills["commission"].to_list() == [6.0, 3.0]


def test_a_split_does_not_charge_filled_shares_again(trade):
    """A cent a share: 100 of 200 are filled, then 2 for 1: the other 200 pay 2.00."""
    bars = make_bars(
        [100.0, 100.0, 50.0, 50.0],
        open=[100.0, 100.0, 50.0, 50.0],
        high=[100.0, 100.0, 50.0, 50.0],
        low=[100.0, 100.0, 50.0, 50.0],
        volume=[100.0, 100.0, 200.0, 200.0],
        actions=[("A", 2, "split", 2.0)],
    )
    order = GTC | {"shares": 200.0, "type": "limit", "limit": 100.0}
    costs = Costs(commission=PerShare(0.01))
    result = trade(
        make_orders(bars, order), bars, costs=costs, account=cash(1e6, 1.0), fill=Fill("next_open", participation=1.0)
    )
    assert result.fills.select("shares", "commission").rows() == [(100.0, 1.0), (200.0, 2.0)]


def test_costs_beyond_the_equity_are_rejected_without_margin_too(trade):
    """A fee of 2,000 on 1,000 of equity, when nothing has to be put up."""
    bars = make_bars([100.0] * 3)
    account = Account(cash=1000.0, margin=RegT(initial_long=0.0, maintenance_long=0.0))
    result = trade(
        make_orders(bars, {"bar": 0, "shares": 100.0}),
        bars,
        costs=Costs(commission=PerTrade(2000.0)),
        account=account,
        fill="next_close",
    )
    assert result.orders["status"].to_list() == ["margin_rejected"]
    assert column(result, "equity") == [1000.0] * 3


def test_a_spinoff_moves_working_stops(trade):
    """40 % of 100 are spun off: the stop at 90 becomes one at 54, which an open of 60 does not meet."""
    bars = make_bars(
        [100.0, 100.0, 60.0, 50.0],
        open=[100.0, 100.0, 60.0, 58.0],
        high=[100.0, 100.0, 60.0, 58.0],
        low=[100.0, 100.0, 60.0, 50.0],
        actions=[("A", 2, "spinoff", 0.4)],
    )
    orders = make_orders(bars, {"bar": 0, "shares": 10.0}, STOP | {"shares": -10.0, "stop": 90.0})
    result = trade(orders, bars, account=cash(10_000.0, 1.0))
    assert result.fills.select("date", "price").rows()[1:] == [(bars.dates[3].item(), 54.0)]


def test_an_open_is_sized_with_the_exchange_rates_of_the_close_before(backtest):
    """10,000 at an open of 100 euros, a dollar each, buy 100 shares, whatever a euro costs at that day's close."""
    bars = make_bars([100.0] * 3, open=[100.0] * 3)
    for close in (0.8, 1.0, 1.25):
        rates = Panel(np.array([[1.0], [close], [close]]), bars.dates, ["EUR"])
        account = Account(cash=10_000.0, margin=NoMargin(), currencies=Currencies({"A": "EUR"}, rates, cost=Bps(0)))
        fill = Fill("next_open", sizing="fill")
        result = backtest(make_weights(bars, {0: [1.0]}), bars, account=account, fill=fill)
        assert result.positions.values[1, 0] == 100.0


def test_a_decision_without_equity_at_its_fill_is_told(backtest):
    """Short 10 at 10 on 100: at a fill price of 25 nothing is left, at the close of 10 all of it."""
    bars = make_bars([10.0] * 4)
    prices = Panel(np.array([[10.0], [10.0], [25.0], [10.0]]), bars.dates, bars.symbols)
    fill = Fill("vwap", prices=prices, sizing="fill")
    result = backtest(make_weights(bars, {0: [-1.0], 1: [-0.5]}), bars, account=cash(100.0, 1.0), fill=fill)
    assert result.orders.select("shares", "status").rows() == [(-10.0, "filled"), (None, "unaffordable")]
    assert "unaffordable" in rules(result)


def test_a_recall_asks_for_no_dust(backtest):
    """A third of 100 shares short and as many to be lent: what a sum leaves of it is not bought in."""
    bars = make_bars([3.0] * 4, borrow=[("A", 0, 0.01, 100.0 / 3.0 - 1e-12)])
    costs = Costs(borrow=Borrow(recall=True))
    account = Account(cash=100.0, lot=None, margin=NoMargin())
    result = backtest(make_weights(bars, {0: [-1.0]}), bars, costs=costs, account=account, fill="next_close")
    assert "buy_in" not in rules(result)
