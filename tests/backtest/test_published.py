"""Published worked examples of other engines, brokers and regulators, with the numbers that they state.

The arithmetic is restated; docstrings name the source and say where our model differs.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantlab.backtest._engine import kernel_run
from quantlab.backtest._reference import run as reference_run
from quantlab.execution import (
    Account,
    Borrow,
    Costs,
    Fill,
    Interest,
    PerShare,
    PerTrade,
    RegT,
    Tiers,
)
from quantlab.execution import _kernel_types as kt

from ._random_inputs import make_inputs
from .conftest import cash, column, make_bars, make_weights, rules

NAN, INF = math.nan, math.inf
BOTH = pytest.mark.parametrize("run", [reference_run, kernel_run], ids=["reference", "kernel"])

# zipline


@pytest.mark.parametrize(
    ("minimum", "cumulative"),
    [(1.0, [1.725, 3.0, 3.75]), (2.5, [2.5, 3.0, 3.75]), (3.5, [3.5, 3.5, 3.75]), (5.5, [5.5, 5.5, 5.5])],
)
def test_zipline_commission_per_share(trade, minimum, cumulative):
    """zipline, test_commissions: 0.0075 a share; fills of 230, 170 and 100 of one order share its minimum."""
    bars = make_bars([10.0] * 4, volume=[1.0, 230.0, 170.0, 1e6])
    costs = Costs(commission=PerShare(0.0075, minimum=minimum))
    fill = Fill("next_close", participation=1.0, carry=2)
    result = trade(make_weights(bars, {0: [500.0]}), bars, costs=costs, account=cash(10_000.0, 1.0), fill=fill)
    assert result.fills["shares"].to_list() == [230.0, 170.0, 100.0]
    np.testing.assert_allclose(result.fills["commission"].cum_sum(), cumulative, rtol=1e-14)


@BOTH
def test_zipline_commission_per_contract(run):
    """zipline, test_commissions: 0.01 a contract and 0.30 an order for the exchange: 2.60, 4.30, 5.30.

    A fee per order beside one per share is a row of the schedule that the engine knows; no public commission has both.
    """
    inputs = make_inputs(
        [[10.0]] * 4, {0: [500.0]}, mode=kt.SHARES, lot=1.0, cash=10_000.0, carry=2, participation=1.0,
        volume=[[1.0], [230.0], [170.0], [100.0]], commission=[[0.0, 0.3, 0.01, 0.0, 0.0, INF, INF]],
    )  # fmt: skip
    records = run(inputs, keep=True).records
    assert records.paid[:, 0].tolist() == [230.0, 170.0, 100.0]
    np.testing.assert_allclose(np.cumsum(records.paid[:, 3]), [2.6, 4.3, 5.3], rtol=1e-14)


ENDING = np.array([[10.0 + t, 20.0 + t, 30.0 + t] for t in range(7)])
ENDING[3:, 0] = ENDING[5:, 1] = NAN


@pytest.mark.parametrize("side", [1.0, -1.0], ids=["long", "short"])
def test_zipline_auto_close(trade, side):
    """zipline, TestDailyEquityAutoClose: names at 10, 20, 30 that rise by 1 a day, 10 shares of each bought on day 2,
    ending on day 3, 5 and 7, closed two trading days later at their last price: K, K - 630 (x3), K - 510 (x2), K - 270.
    """
    actions = [("A", 4, "delisting", 0.0), ("B", 6, "delisting", 0.0)]
    bars = make_bars(ENDING, actions=actions)
    account = cash(100_000.0, 1.0)
    result = trade(make_weights(bars, {0: [10.0 * side] * 3}), bars, account=account, fill="next_close")
    change = -side * np.array([0.0, 630.0, 630.0, 630.0, 510.0, 510.0, 270.0])
    assert column(result, "cash") == (100_000.0 + change).tolist()
    assert np.count_nonzero(result.positions.values, axis=1).tolist() == [0, 3, 3, 3, 2, 2, 1]
    assert result.trades.sort("symbol")["exit_price"].to_list() == [12.0, 24.0, 36.0]


def test_zipline_auto_close_by_policy(trade):
    """The same names without a table: "last_price" closes on the bar behind the last price, a day before zipline."""
    bars = make_bars(ENDING)
    account = cash(100_000.0, 1.0)
    result = trade(
        make_weights(bars, {0: [10.0] * 3}), bars, account=account, fill="next_close", delisting="last_price"
    )
    change = np.array([0.0, 630.0, 630.0, 510.0, 510.0, 270.0, 270.0])
    assert column(result, "cash") == (100_000.0 - change).tolist()
    assert rules(result).count("assumed_delisting") == 2


# bt


def test_bt_allocations(trade):
    """bt, test_core: 1,000 at a price of 100; allocations of +500, -200, -400 leave 5, 3, -1 shares and 1,000."""
    bars = make_bars([100.0] * 5)
    orders = make_weights(bars, {0: [500.0], 1: [-200.0], 2: [-400.0]})
    result = trade(orders, bars, kind="value", account=cash(1000.0, 1.0), fill="next_close")
    assert result.positions.values[:, 0].tolist() == [0.0, 5.0, 3.0, -1.0, -1.0]
    assert column(result, "cash") == [1000.0, 500.0, 700.0, 1100.0, 1100.0]
    assert column(result, "equity") == [1000.0] * 5


def test_bt_fixed_fee(trade):
    """bt, test_core: 1,000, two names at 100, one dollar an order: 599, 198, 397, 296, 795, 994."""
    bars = make_bars([[100.0, 100.0]] * 7)
    asked = {0: [4.0, NAN], 1: [NAN, 4.0], 2: [-2.0, NAN], 3: [1.0, NAN], 4: [NAN, -5.0], 5: [-2.0, NAN]}
    costs = Costs(commission=PerTrade(1.0))
    result = trade(make_weights(bars, asked), bars, costs=costs, account=cash(1000.0, 1.0), fill="next_close")
    assert column(result, "cash") == [1000.0, 599.0, 198.0, 397.0, 296.0, 795.0, 994.0]
    assert column(result, "equity")[-1] == 994.0
    assert result.positions.values[-1].tolist() == [1.0, -1.0]


# LEAN


@pytest.mark.parametrize("side", [1.0, -1.0], ids=["long", "short"])
def test_lean_buying_power(backtest, side):
    """LEAN, SecurityMarginModelTests: equity 100,000, price 25, leverage 2, a fee of 5: a full target is 7,979 shares.

    LEAN keeps 0.25 % of the buying power back as a setting; here it stands in the weight. Leverage 2 is Regulation T.
    """
    bars = make_bars([25.0] * 3)
    weights = make_weights(bars, {0: [side * 2.0 * (1 - 0.0025)]})
    account = Account(cash=100_000.0, buying_power="reject")
    result = backtest(weights, bars, costs=Costs(commission=PerTrade(5.0)), account=account, fill="next_close")
    assert result.positions.values[-1, 0] == side * 7979.0
    assert "margin_rejected" not in rules(result)


@pytest.mark.parametrize("side", [1.0, -1.0], ids=["long", "short"])
def test_lean_buying_power_is_exceeded(backtest, side):
    """LEAN, the same with a target of 2.1: 8,378 shares, which the buying power rejects. Granted without margin."""
    bars = make_bars([25.0] * 3)
    weights = make_weights(bars, {0: [side * 2.1 * (1 - 0.0025)]})
    costs = Costs(commission=PerTrade(5.0))
    account = Account(cash=100_000.0, buying_power="reject")
    result = backtest(weights, bars, costs=costs, account=account, fill="next_close")
    assert result.positions.values[-1, 0] == 0.0
    assert "margin_rejected" in rules(result)
    result = backtest(weights, bars, costs=costs, account=cash(100_000.0, 1.0), fill="next_close")
    assert result.positions.values[-1, 0] == side * 8378.0


# vectorbt

RISING = [1.0, 2.0, 3.0, 4.0, 5.0]


def at_once(backtest, weights):
    """The orders of target weights that are filled at the close of their decision, in fractions, without margin."""
    bars = make_bars(RISING)
    rows = weights if isinstance(weights, dict) else {t: [weights] for t in range(5)}
    return backtest(make_weights(bars, rows), bars, account=cash(100.0), fill="same_close")


def test_vectorbt_all_in_both_ways(backtest):
    """vectorbt, TestFromOrders: prices 1 to 5, cash 100: buy 100 at 1, sell 200 at 2, buy 100 at 4.

    vectorbt covers at 4 since it is told to buy; here the equity is 0 at 4, which is ruin, and closes the same short.
    """
    result = at_once(backtest, {0: [1.0], 1: [-1.0], 3: [1.0], 4: [-1.0]})
    assert result.fills.select("shares", "price").rows() == [(100.0, 1.0), (-200.0, 2.0), (100.0, 4.0)]
    assert column(result, "cash")[-1] == 0.0
    assert result.fills["kind"].to_list() == ["rebalance", "rebalance", "ruin"]


@pytest.mark.parametrize(
    ("weight", "shares"),
    [
        (0.5, [50.0, -12.5, -6.25, -3.90625, -2.734375]),
        (-0.5, [-50.0, 37.5, 6.25, 2.34375, 1.171875]),
    ],
)
def test_vectorbt_target_percent(backtest, weight, shares):
    """vectorbt, TestFromOrders: 50 % of 100 at prices 1 to 5: 50, 12.5, 6.25, 3.90625, 2.734375; and -50 %."""
    assert at_once(backtest, weight).fills["shares"].to_list() == shares


@BOTH
@pytest.mark.parametrize(
    ("given", "filled", "price", "left"),
    [
        ({"mode": kt.SHARES, "amount": -10.0}, -10.0, 9.0, 180.0),
        ({"mode": kt.WEIGHTS, "amount": 1.0}, 90 / 11, 11.0, 0.0),
    ],
    ids=["sell", "buy_all"],
)
def test_vectorbt_execute_order(run, given, filled, price, left):
    """vectorbt, test_execute_order: cash 100, fee 0.1, slippage 0.1, fixed 1. -10 at 10 fills at 9 and leaves 180;
    +100 at 10 is cut to the cash: 8.181818 at 11, fees of 10, cash 0. Here the whole equity is asked for.
    """
    inputs = make_inputs(
        [[10.0]] * 2, {0: [given["amount"]]}, mode=given["mode"], at=kt.SAME_CLOSE, cash=100.0, spread=[[0.1]],
        commission=[[0.0, 1.0, 0.0, 0.1, 0.0, INF, INF]],
    )  # fmt: skip
    outcome = run(inputs, keep=True)
    units, _, paid, commission, _, _ = outcome.records.paid[0]
    np.testing.assert_allclose([units, paid, commission], [filled, price, 10.0], rtol=1e-12)
    np.testing.assert_allclose(outcome.tape[0, kt.CASH], left, atol=1e-10)


# Brokers and regulators


@pytest.mark.parametrize(
    ("shares", "price", "fee"),
    [(100.0, 25.0, 1.0), (1000.0, 25.0, 5.0), (-1000.0, 0.25, 2.5), (100.0, 0.5, 0.5), (1.0, 25.0, 0.25)],
)
def test_interactive_brokers_fixed_schedule(trade, shares, price, fee):
    """Interactive Brokers, fixed pricing: 0.005 a share, at least 1.00, at most 1 % of the value, which wins."""
    bars = make_bars([price] * 3)
    costs = Costs(commission=PerShare(0.005, minimum=1.0, maximum=0.01))
    result = trade(make_weights(bars, {0: [shares]}), bars, costs=costs, account=cash(1e6, 1.0), fill="next_close")
    assert result.fills["commission"].to_list() == [fee]


@pytest.mark.parametrize(
    ("price", "shares", "rate", "fee"), [(7.0, 50.0, 4.50, 5.0), (0.10, 100.0, 0.36, 0.10), (100.0, 100.0, 0.36, 10.20)]
)
def test_interactive_brokers_borrow_fee(trade, price, shares, rate, fee):
    """Interactive Brokers, "Borrow Fee Details": 7.00 x 1.02 is charged on 8.00: 50 shares at 450 % pay 5.00 a day.

    A stock at 0.10 is charged on 1.00, and one at 100 on 102, not on 103.
    """
    bars = make_bars([price] * 5)
    costs = Costs(borrow=Borrow(rate, convention="dealer"))
    account = cash(100_000.0, 1.0)
    result = trade(make_weights(bars, {0: [-shares]}), bars, costs=costs, account=account, fill="next_close")
    np.testing.assert_allclose(column(result, "borrow"), [0.0, 0.0, fee, fee, fee], rtol=1e-13)


def test_interactive_brokers_interest_on_short_proceeds(trade):
    """Interactive Brokers, tiers on short proceeds: none to 100,000, then the benchmark less 1.5 %, less 0.75 % from
    1,000,000 on. At a benchmark of 5.33 % and 2,000,000 short: 900,000 at 3.83 % and 1,000,000 at 4.58 %.
    """
    bars = make_bars([100.0] * 4)
    interest = Interest(short=Tiers((0, 0.0), (100_000, 0.0383), (1_000_000, 0.0458)))
    account = Account(cash=2e6, interest=interest)
    result = trade(make_weights(bars, {0: [-20_000.0]}), bars, account=account, fill="next_close")
    night = (900_000 * 0.0383 + 1_000_000 * 0.0458) / 360
    np.testing.assert_allclose(column(result, "short_interest"), [0.0, 0.0, night, night], rtol=1e-14)


def requirement(trade, price, shares, **margin):
    bars = make_bars([price] * 3)
    account = Account(cash=1e6, margin=RegT(**margin))
    result = trade(make_weights(bars, {0: [shares]}), bars, account=account, fill="next_close")
    return result.margin.values[1, 0]


@pytest.mark.parametrize(("price", "needed"), [(2.0, 250.0), (4.0, 400.0), (10.0, 500.0), (50.0, 1500.0)])
def test_finra_floors(trade, price, needed):
    """FINRA Rule 4210(c): 100 short at 2 need 250, at 4 400, at 10 500, at 50 1,500."""
    np.testing.assert_allclose(requirement(trade, price, -100.0), needed, rtol=1e-13)


@pytest.mark.parametrize(
    ("price", "needed"),
    [(1.0, 2.50), (2.5, 2.50), (4.99, 4.99), (5.0, 5.0), (10.0, 5.0), (16.67, 5.001), (20.0, 6.0), (100.0, 30.0)],
)
def test_finra_maintenance_of_a_short_per_share(trade, price, needed):
    """FINRA Rule 4210(c), and Interactive Brokers' table of the same: what one share short takes to keep."""
    np.testing.assert_allclose(requirement(trade, price, -1.0), needed, rtol=1e-13)


@pytest.mark.parametrize(
    ("factor", "side", "needed"),
    [(3.0, 1.0, 0.75), (3.0, -1.0, 0.90), (2.0, 1.0, 0.5), (2.0, -1.0, 0.6), (5.0, 1.0, 1.0)],
)
def test_finra_leveraged_funds(trade, factor, side, needed):
    """FINRA Regulatory Notice 09-53: 25 % long and 30 % short times the leverage of the fund, at most its value."""
    found = requirement(trade, 100.0, 100.0 * side, factors={"A": factor})
    np.testing.assert_allclose(found, needed * 10_000, rtol=1e-13)


@pytest.mark.parametrize(("side", "deposit"), [(1.0, 5000.0), (-1.0, 5000.0)], ids=["long", "short"])
def test_regulation_t_initial(trade, side, deposit):
    """12 CFR 220.12: 10,000 long take 50 %; 10,000 short take 150 %, of which the proceeds are 100. A dollar less does
    not do.
    """
    bars = make_bars([100.0] * 3)
    for capital, shares in ((deposit, 100.0), (deposit - 1.0, 0.0)):
        account = Account(cash=capital, buying_power="reject")
        result = trade(make_weights(bars, {0: [100.0 * side]}), bars, account=account, fill="next_close")
        assert result.positions.values[-1, 0] == side * shares


@pytest.mark.parametrize(("capital", "shares"), [(2000.0, 30.0), (1999.0, 19.0)])
def test_finra_minimum_equity(trade, capital, shares):
    """FINRA Rule 4210(b): below 2,000 nothing is bought on credit."""
    bars = make_bars([100.0] * 3)
    account = Account(cash=capital, margin=RegT(minimum_equity=2000.0))
    result = trade(make_weights(bars, {0: [30.0]}), bars, account=account, fill="next_close")
    assert result.positions.values[-1, 0] == shares
