"""Traps of corporate actions and missing data (14 to 18): nothing is counted twice, frozen or forgotten."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError
from quantlab.data.adjustment import adjust
from quantlab.execution import Account, Exits, Fill

from .conftest import cash, column, make_bars, make_orders, make_weights, rules

NAN = math.nan
SIDES = pytest.mark.parametrize("side", [1.0, -1.0], ids=["long", "short"])

# Trap 14: 100 shares at 50, a dividend of 1 with the ex-date on bar 2 and the payment on bar 4.
PAYING = [50.0, 50.0, 49.0, 49.0, 49.0, 49.0]
DIVIDEND = [("A", 2, "dividend", 1.0, 4)]


def held_over(trade, rows, *, actions=DIVIDEND, **rest):
    bars = make_bars(PAYING, actions=actions)
    return trade(make_weights(bars, rows), bars, account=Account(cash=5000.0), fill="next_close", **rest)


@SIDES
def test_14_a_dividend_is_due_on_the_ex_date_and_paid_on_the_pay_date(trade, side):
    """Dividends: price 49 and a claim of 100 on the ex-date, cash on the pay date, equity 5,000 throughout."""
    result = held_over(trade, {0: [100.0 * side]})
    assert column(result, "equity") == [5000.0] * 6
    bought = 5000.0 - side * 5000.0
    assert column(result, "cash") == [5000.0, *[bought] * 3, *[bought + 100.0 * side] * 2]
    assert column(result, "dividends") == [0.0, 0.0, 100.0 * side, 0.0, 0.0, 0.0]
    assert result.events.select("kind", "price", "cash").rows() == [("dividend", 1.0, 100.0 * side)]
    assert result.trades.select("pnl", "dividends").rows() == [(-100.0 * side, 100.0 * side)]


@SIDES
def test_14_a_claim_outlives_the_position(trade, side):
    """Dividends: a position that is closed between ex-date and payment is still paid, or still pays."""
    result = held_over(trade, {0: [100.0 * side], 2: [-100.0 * side]})
    assert result.positions.values[:, 0].tolist() == [0.0, 100.0 * side, 100.0 * side, 0.0, 0.0, 0.0]
    assert column(result, "equity") == [5000.0] * 6
    assert column(result, "cash")[2:] == [5000.0 - 5000.0 * side, 5000.0 - 100.0 * side, 5000.0, 5000.0]


@SIDES
def test_14_who_trades_on_the_ex_date_trades_without_it(trade, side):
    """Dividends: what is opened on the ex-date has no claim, what is closed there has it."""
    result = held_over(trade, {1: [100.0 * side]})
    assert column(result, "dividends") == [0.0] * 6
    result = held_over(trade, {0: [100.0 * side], 1: [-100.0 * side]})
    assert column(result, "dividends")[2] == 100.0 * side
    assert column(result, "cash")[-1] == 5000.0


def test_14_a_dividend_without_a_pay_date_is_paid_at_once_and_told(trade):
    """Dividends: the pay date that nobody knows is the ex-date."""
    result = held_over(trade, {0: [100.0]}, actions=[("A", 2, "dividend", 1.0)])
    assert column(result, "cash") == [5000.0, 0.0, 100.0, 100.0, 100.0, 100.0]
    assert "unknown_pay_date" in rules(result)


def test_14_a_dividend_paid_behind_the_last_bar_stays_a_claim(trade):
    """Dividends: the equity holds it, the cash does not."""
    result = held_over(trade, {0: [100.0]}, actions=[("A", 2, "dividend", 1.0, 9)])
    assert column(result, "equity")[-1] == 5000.0
    assert column(result, "cash")[-1] == 0.0


def test_14_adjusted_prices_pay_nothing_more(trade):
    """Dividends: in total-return prices the dividend is in the price, and leaves the table of actions."""
    raw = make_bars(PAYING, actions=DIVIDEND)
    bars = adjust(raw, kind="total_return")
    np.testing.assert_allclose(bars.close.values, 49.0, rtol=1e-15)
    account = Account(cash=5000.0, lot=None)
    weights = make_weights(bars, {0: [1.0]})
    result = trade(weights * 4900.0, bars, kind="value", account=account, fill="next_close")
    assert column(result, "dividends") == [0.0] * 6
    np.testing.assert_allclose(column(result, "equity"), 5000.0, rtol=1e-15)
    assert result.events.height == 0


# Trap 15.


@SIDES
def test_15_a_split_of_three_for_one(trade, side):
    """Splits: 3 for 1 makes 100 shares at 90 into 300 at 30, and no money."""
    bars = make_bars([90.0, 90.0, 30.0, 30.0], actions=[("A", 2, "split", 3.0)])
    result = trade(make_weights(bars, {0: [100.0 * side]}), bars, account=Account(cash=9000.0), fill="next_close")
    assert result.positions.values[:, 0].tolist() == [0.0, 100.0 * side, 300.0 * side, 300.0 * side]
    assert column(result, "equity") == [9000.0] * 4
    assert result.events.select("kind", "shares", "cash").rows() == [("split", 200.0 * side, 0.0)]


@SIDES
@pytest.mark.parametrize("entry", [70.0, 35.0])
def test_15_a_reverse_split_pays_the_rest_at_market(trade, side, entry):
    """Splits: 1 for 7 at 70 makes 100 shares into 14 at 490 and 140 in cash, whatever was paid for them."""
    bars = make_bars([entry, entry, 70.0, 490.0, 490.0], actions=[("A", 3, "split", 1 / 7)])
    account = cash(20_000.0, 1.0)
    result = trade(make_weights(bars, {0: [100.0 * side]}), bars, account=account, fill="next_close")
    assert result.positions.values[2:, 0].tolist() == [100.0 * side, 14.0 * side, 14.0 * side]
    # 0.2857 shares at 490; a short owes them.
    np.testing.assert_allclose(result.events["cash"], [140.0 * side], rtol=1e-12)
    paid = column(result, "cash")
    np.testing.assert_allclose(paid[3] - paid[2], 140.0 * side, rtol=1e-10)
    equity = 20_000.0 + (70.0 - entry) * 100 * side
    np.testing.assert_allclose(column(result, "equity")[2:], equity, rtol=1e-14)


def test_15_fractional_accounts_keep_the_fraction(trade):
    """Splits: where fractions of shares are held there is nothing to pay out."""
    bars = make_bars([70.0, 70.0, 490.0, 490.0], actions=[("A", 2, "split", 1 / 7)])
    result = trade(make_weights(bars, {0: [100.0]}), bars, account=cash(7000.0), fill="next_close")
    np.testing.assert_allclose(result.positions.values[-1], 100 / 7, rtol=1e-15)
    assert column(result, "cash") == [7000.0, 0.0, 0.0, 0.0]


def test_15_open_stops_and_trade_records_are_rescaled(trade):
    """Splits: a stop at 75 under 100 shares at 90 is one at 25 under 300 at 30, and the trade is of 300 at 30."""
    bars = make_bars(
        [90.0, 90.0, 30.0, 26.0, 26.0],
        open=[90.0, 90.0, 30.0, 29.0, 26.0],
        high=[91.0, 91.0, 31.0, 29.0, 27.0],
        low=[89.0, 89.0, 29.0, 24.0, 25.5],
        actions=[("A", 2, "split", 3.0)],
    )
    orders = make_orders(
        bars,
        {"bar": 0, "shares": 100.0},
        {"bar": 1, "shares": -100.0, "type": "stop", "stop": 75.0, "tif": "gtc"},
    )
    result = trade(orders, bars, account=Account(cash=9000.0))
    assert result.fills.select("shares", "price").rows() == [(100.0, 90.0), (-300.0, 25.0)]
    row = result.trades.row(0, named=True)
    assert (row["shares"], row["entry_price"], row["exit_price"], row["pnl"]) == (300.0, 30.0, 25.0, -1500.0)


def test_15_exits_are_rescaled(trade):
    """Splits: a stop loss of 10 % of an entry at 90 is at 27 after 3 for 1; the fall from 90 to 30 is none."""
    bars = make_bars(
        [90.0, 90.0, 30.0, 28.0, 28.0],
        open=[90.0, 90.0, 30.0, 30.0, 28.0],
        high=[90.0, 90.0, 30.0, 30.0, 28.0],
        low=[90.0, 90.0, 30.0, 26.0, 28.0],
        actions=[("A", 2, "split", 3.0)],
    )
    account = Account(cash=9000.0)
    result = trade(make_weights(bars, {0: [100.0]}), bars, account=account, exits=Exits(stop_loss=0.1))
    assert result.fills.select("kind", "shares", "price").rows()[1:] == [("stop_loss", -300.0, 27.0)]


def test_15_an_order_that_waits_over_a_split_is_for_the_new_shares(trade):
    """Splits: 100 shares decided at 90 are 300 at the open of 30."""
    bars = make_bars([90.0, 30.0, 30.0], open=[90.0, 30.0, 30.0], actions=[("A", 1, "split", 3.0)])
    result = trade(make_weights(bars, {0: [100.0]}), bars, account=Account(cash=9000.0))
    assert result.positions.values[:, 0].tolist() == [0.0, 300.0, 300.0]
    assert column(result, "cash") == [9000.0, 0.0, 0.0]


def test_15_a_sale_that_waits_over_a_split_leaves_nothing(backtest):
    """Splits: a short of 500 that is bought back behind 1 for 7 is flat, to the last bit, also in fractions."""
    bars = make_bars([2.0, 2.2, 2.3, 2.3], open=[2.0, 2.2, 2.3, 2.3], actions=[("A", 2, "split", 1 / 7)])
    result = backtest(make_weights(bars, {0: [-1.0], 1: [0.0], 2: [0.0]}), bars, account=cash(1000.0))
    assert result.positions.values[:, 0].tolist() == [0.0, -500.0, 0.0, 0.0]
    assert result.orders.height == 2
    assert result.trades["status"].to_list() == ["closed"]


def test_15_a_conversion_that_turns_a_short_brings_its_own_entry(trade):
    """Splits: 100 a bought at 10 become 100 b, of which 50 are short at 20: 50 long at 10 are left, stop at 9."""
    bars = make_bars(
        [[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [NAN, 19.0], [NAN, 8.0]],
        open=[[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [NAN, 20.0], [NAN, 12.0]],
        high=[[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [NAN, 20.0], [NAN, 12.0]],
        low=[[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [NAN, 17.0], [NAN, 8.0]],
        actions=[("A", 3, "conversion", 1.0, "B")],
    )
    orders = make_weights(bars, {0: [100.0, -50.0]})
    result = trade(orders, bars, account=cash(5000.0, 1.0), exits=Exits(stop_loss=0.1))
    assert result.positions.values[:, 1].tolist() == [0.0, -50.0, -50.0, 50.0, 0.0]
    # The fall to 17 on bar 3 is none from 10; the one to 8 is.
    last = result.fills.row(-1, named=True)
    assert (last["date"], last["kind"], last["price"]) == (bars.dates[4].item(), "stop_loss", 9.0)


# Trap 16.
DYING = [[10.0, 10.0], [10.0, 10.0], [10.0, 5.0], [10.0, NAN], [10.0, NAN], [10.0, NAN]]


def died(backtest, *, actions=None, **rest):
    """50 a and 50 b at 10; b prints 5, and then nothing; the target turns to 100 % a."""
    bars = make_bars(DYING, actions=actions)
    weights = make_weights(bars, {0: [0.5, 0.5], 3: [1.0, 0.0]})
    return backtest(weights, bars, account=cash(1000.0, 1.0), fill="next_close", **rest)


def test_16_a_delisting_has_its_return(backtest):
    """Delisting: -30 % of 5.00 is 3.50, the equity 675; the position is closed that day, told, and the rest trades."""
    result = died(backtest, actions=[("B", 3, "delisting", -0.3)])
    assert column(result, "equity") == [1000.0, 1000.0, 750.0, 675.0, 675.0, 675.0]
    assert result.positions.values[:, 1].tolist() == [0.0, 50.0, 50.0, 0.0, 0.0, 0.0]
    assert result.events.select("date", "symbol", "kind", "shares", "price", "cash").rows() == [
        (result.bars.dates[3].item(), "B", "delisting", -50.0, 3.5, 175.0)
    ]
    # 675 buy 67 of a; vectorbt would drop this order with all later ones of the group.
    assert result.positions.values[:, 0].tolist() == [0.0, 50.0, 50.0, 50.0, 67.0, 67.0]
    row = result.diagnostics.filter(pl.col("rule") == "delisted").row(0, named=True)
    assert (row["symbol"], row["date"], row["count"]) == ("B", "2024-01-04", 1)
    lost = result.trades.filter(pl.col("symbol") == "B").row(0, named=True)
    assert (lost["exit_kind"], lost["exit_price"], lost["pnl"], lost["status"]) == ("delisting", 3.5, -325.0, "closed")


@pytest.mark.parametrize(
    ("policy", "equity", "held"), [("last_price", 750.0, 75.0), (-0.3, 675.0, 67.0), (-1.0, 500.0, 50.0)]
)
def test_16_prices_that_end_without_a_word(backtest, policy, equity, held):
    """Delisting: where no table tells, the policy closes the position, and says that it was assumed."""
    result = died(backtest, delisting=policy)
    assert column(result, "equity") == [1000.0, 1000.0, 750.0, equity, equity, equity]
    assert result.positions.values[-1].tolist() == [held, 0.0]
    assert "assumed_delisting" in rules(result)


def test_16_without_table_and_policy_the_holding_stays_and_is_told(backtest):
    """Delisting: the dead name keeps its last price, every row says so, and the others go on trading."""
    result = died(backtest)
    assert column(result, "equity") == [1000.0, 1000.0, 750.0, 750.0, 750.0, 750.0]
    # 75 shares of a are wanted and 250 of cash are less; the rest is a loan, since b cannot be sold.
    assert result.positions.values[-1].tolist() == [75.0, 50.0]
    found = {row["rule"]: row for row in result.diagnostics.iter_rows(named=True)}
    assert (found["skipped"]["symbol"], found["skipped"]["count"]) == ("B", 1)
    assert (found["stale_mark"]["symbol"], found["stale_mark"]["count"]) == ("B", 3)
    assert found["prices_end"]["severity"] == "warning"
    with pytest.raises(DataError, match="strict"):
        died(backtest, strict=True)


@pytest.mark.parametrize("sizing", ["decision", "fill"])
def test_16_an_order_that_meets_no_market_any_more_is_told(backtest, sizing):
    """Delisting: what was decided for a name that is gone before the fill is an order with its fate, and a row."""
    bars = make_bars([[10.0, 10.0]] * 3, open=[[10.0, 10.0]] * 3, actions=[("B", 1, "delisting", 0.0)])
    fill = Fill("next_open", sizing=sizing)
    result = backtest(make_weights(bars, {0: [0.4, 0.6]}), bars, account=cash(1000.0), fill=fill)
    orders = {row["symbol"]: row["status"] for row in result.orders.iter_rows(named=True)}
    assert orders == {"A": "filled", "B": "delisted"}
    assert orders["B"] in rules(result)
    assert result.positions.values[-1].tolist() == [40.0, 0.0]


# Trap 17.
HOLE = [[10.0, 10.0], [10.0, 10.0], [10.0, 10.0], [10.0, NAN], [10.0, 12.0]]


def test_17_a_holding_without_a_price_is_marked_at_its_last(backtest):
    """NaN price: 50 % each of 1,000; b has no price on day 3 and 12 on day 4: 1000, 1000, 1000, 1000, 1100."""
    bars = make_bars(HOLE)
    weights = make_weights(bars, {0: [0.5, 0.5], 2: [0.25, 0.75], 3: [0.3, 0.7]})
    result = backtest(weights, bars, account=cash(1000.0), fill="next_close")
    assert column(result, "equity") == [1000.0, 1000.0, 1000.0, 1000.0, 1100.0]
    # Bar 2 decides both and b meets no price on bar 3; bar 3 can size a alone, and does.
    assert result.positions.values[:, 0].tolist() == [0.0, 50.0, 50.0, 25.0, 30.0]
    assert result.positions.values[:, 1].tolist() == [0.0, 50.0, 50.0, 50.0, 50.0]
    orders = result.orders.sort("decided", "symbol")
    assert orders["status"].to_list() == ["filled", "filled", "filled", "missing_price", "filled", "skipped"]
    found = result.diagnostics.select("rule", "symbol", "date", "count").rows()
    assert sorted(found) == [
        ("missing_price", "B", "2024-01-04", 1),
        ("skipped", "B", "2024-01-04", 1),
        ("stale_mark", "B", "2024-01-04", 1),
    ]


@pytest.mark.parametrize(("untradable", "shares"), [("keep", 80.0), ("make_room", 50.0)])
def test_17_what_cannot_trade_is_kept_or_makes_room(backtest, untradable, shares):
    """NaN price: 80/20 while half of the equity is stuck in b: a takes its 80 %, or what room is left."""
    bars = make_bars(HOLE)
    weights = make_weights(bars, {0: [0.5, 0.5], 3: [0.8, 0.2]})
    result = backtest(weights, bars, account=cash(1000.0), fill="next_close", untradable=untradable)
    np.testing.assert_allclose(result.positions.values[-1], [shares, 50.0], rtol=1e-14)
    assert ("debit" in rules(result)) is (untradable == "keep")


# Trap 18.


@pytest.mark.parametrize(("weight", "held"), [(0.25, [0.25, 0.25, 0.25, 0.0]), (1 / 3, [1 / 3, 1 / 3, 1 / 3, 0.0])])
def test_18_a_late_listing_stays_in_cash(backtest, weight, held):
    """Late listing: one name of four does not exist yet. The others hold 25 % each, or 33.3 % if that is asked for."""
    bars = make_bars([[10.0, 10.0, 10.0, NAN]] * 3 + [[10.0] * 4] * 3)
    rows = {t: [weight] * 3 + [weight if weight == 0.25 else 0.0] for t in (0, 1)} | {3: [0.25] * 4}
    result = backtest(make_weights(bars, rows), bars, account=cash(120.0), fill="next_close", unlisted="cash")
    np.testing.assert_allclose(result.weights.values[2], held, rtol=1e-15)
    np.testing.assert_allclose(column(result, "cash")[1:4], 120.0 * (1 - sum(held)), atol=1e-12)
    np.testing.assert_allclose(result.weights.values[-1], [0.25] * 4, rtol=1e-15)
    found = result.diagnostics.select("rule", "severity", "date", "symbol", "count").rows()
    assert found == ([("unlisted", "warning", "2024-01-01", "D", 2)] if weight == 0.25 else [])


def test_18_a_weight_before_the_first_price_is_refused_unless_told(backtest):
    """Late listing: by default the weight on a name without a price is an error that names it."""
    bars = make_bars([[10.0, NAN], [10.0, 10.0], [10.0, 10.0]])
    with pytest.raises(DataError, match="B has a weight on 2024-01-01, before its first price"):
        backtest(make_weights(bars, {0: [0.5, 0.5]}), bars, fill="next_close")
