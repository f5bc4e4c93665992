"""Traps of shorts, margin and financing (4 to 13): an account that can be called, ruined and charged."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from quantlab.core import InputError
from quantlab.execution import Account, Borrow, Costs, Interest, NoMargin, RegT, Tiers

from .conftest import cash, column, make_bars, make_weights, rules

NAN = math.nan
MARGINS = pytest.mark.parametrize("margin", [NoMargin(), RegT()], ids=["no_margin", "reg_t"])
# Without the floors per share, which would bind at prices around 10.
NO_FLOORS = RegT(low_price=0.0, high_per_share=0.0)


def calls(result) -> pl.DataFrame:
    return result.orders.filter(pl.col("kind") == "margin_call")


@MARGINS
def test_04_a_short_that_blows_up_never_recovers(backtest, margin):
    """Short blow-up: 100 short 10 at 10, which go to 25 and back to 8. The account owes 50, and is not up 20 %."""
    bars = make_bars([10.0, 10.0, 25.0, 8.0, 8.0])
    weights = make_weights(bars, {0: [-1.0], 3: [0.0]})
    result = backtest(weights, bars, account=cash(100.0, margin=margin), fill="next_close")
    assert column(result, "equity") == [100.0, 100.0, -50.0, -50.0, -50.0]
    assert column(result, "cash") == [100.0, 200.0, -50.0, -50.0, -50.0]
    assert result.positions.values.ravel().tolist() == [0.0, -10.0, 0.0, 0.0, 0.0]
    assert result.ruined == bars.dates[2]
    np.testing.assert_array_equal(result.returns.values.ravel(), [0.0, -1.5, NAN, NAN])
    assert result.orders.select("kind", "status", "fill_price").rows() == [
        ("rebalance", "filled", 10.0),
        ("ruin", "liquidated", 25.0),
    ]
    ruin = result.diagnostics.filter(pl.col("rule") == "ruin").row(0, named=True)
    assert (ruin["severity"], ruin["date"]) == ("error", "2024-01-03")
    assert "-50.00" in ruin["detail"]
    assert result.trades["pnl"].to_list() == [-150.0]
    sharpe = result.summary().row(by_predicate=pl.col("metric") == "sharpe", named=True)
    assert sharpe["value"] is None
    assert sharpe["reason"].startswith("ruined")


@MARGINS
@pytest.mark.parametrize("close", [25.0, 12.0, 40.0])
def test_05_a_gap_is_paid_at_the_open(backtest, margin, close):
    """Gap through liquidation: 10 to 25 overnight is closed at 25, not where the margin ran out; the deficit is 50."""
    bars = make_bars([10.0, 10.0, close, 8.0], open=[10.0, 10.0, 25.0, 8.0])
    result = backtest(make_weights(bars, {0: [-1.0]}), bars, account=cash(100.0, margin=margin))
    assert column(result, "equity") == [100.0, 100.0, -50.0, -50.0]
    assert result.fills.select("kind", "price", "shares").rows() == [("rebalance", 10.0, -10.0), ("ruin", 25.0, 10.0)]


def test_05_a_cover_that_was_ordered_is_paid_at_the_open(backtest):
    """Gap through liquidation: a cover decided at 10 meets the open of 25, and ruins the account all the same."""
    bars = make_bars([10.0, 10.0, 25.0, 8.0], open=[10.0, 10.0, 25.0, 8.0])
    result = backtest(make_weights(bars, {0: [-1.0], 1: [0.0]}), bars, account=cash(100.0))
    assert column(result, "equity") == [100.0, 100.0, -50.0, -50.0]
    assert result.orders["fill_price"].to_list() == [10.0, 25.0]
    assert result.orders["status"].to_list() == ["filled", "filled"]
    assert result.ruined == bars.dates[2]


LONG = Account(cash=5000.0, lot=1.0)


def bought(trade, price, **rest):
    """Buy 100 at 100 with 5,000 of equity; then the price is what it is."""
    bars = make_bars([100.0, 100.0, price, price, price])
    account = Account(cash=5000.0, **rest)
    return trade(make_weights(bars, {0: [100.0]}), bars, account=account, fill="next_close")


@pytest.mark.parametrize("lot", [None, 1.0])
def test_06_a_long_is_not_called_at_66_67(trade, lot):
    """Reg-T long: equity 5,000, a debit of 5,000, maintenance 25 %: the call comes below 66.67."""
    result = bought(trade, 66.67, lot=lot)
    np.testing.assert_allclose(result.margin.values[2, :2], [0.25 * 6667, 1667 - 0.25 * 6667], rtol=1e-10)
    assert result.margin.values[2, 2] < 1.0
    assert calls(result).height == 0


@pytest.mark.parametrize(("lot", "sold", "kept"), [(None, 2.0 / 66.66, 0.25), (1.0, 1.0, 1666 / 6599.34)])
def test_06_a_long_is_called_at_66_66(trade, lot, sold, kept):
    """Reg-T long: at 66.66 the smallest sale is 6,666 - 1,666 / 0.25 = 2.00, or one whole share (25.245 %)."""
    result = bought(trade, 66.66, lot=lot)
    call = calls(result).row(0, named=True)
    assert (call["decided"].day, call["filled"].day, call["fill_price"]) == (3, 4, 66.66)
    np.testing.assert_allclose(call["filled_shares"], -sold, rtol=1e-9)
    # What is sold for 2.00 is the small difference of large numbers.
    np.testing.assert_allclose(-call["filled_shares"] * 66.66, 2.0 if lot is None else 66.66, rtol=1e-9)
    assert result.margin.values[2, 2] > 1.0
    np.testing.assert_allclose(column(result, "equity")[3] / (result.positions.values[3, 0] * 66.66), kept, rtol=1e-12)
    assert round(1666 / 6599.34, 5) == 0.25245
    # The book meets its requirement now, and is not called again.
    assert calls(result).height == 1
    assert ("margin_call", "2024-01-03") in result.diagnostics.select("rule", "date").rows()


def test_06_a_call_is_filled_at_the_next_open_whatever_it_is(trade):
    """Reg-T long: the sale of a call is sized at the close, and paid at the open behind a gap."""
    bars = make_bars([100.0, 100.0, 60.0, 50.0, 50.0], open=[100.0, 100.0, 60.0, 52.0, 50.0])
    account = Account(cash=5000.0, lot=None)
    result = trade(make_weights(bars, {0: [100.0]}), bars, account=account)
    call = calls(result).row(0, named=True)
    # Equity 1,000 carries 4,000: a third of the 100 shares goes, at 52.
    np.testing.assert_allclose(call["filled_shares"], -100 / 3, rtol=1e-12)
    assert call["fill_price"] == 52.0
    # 66.67 shares at 50 leave 66.67 of equity after the debit of 5,000 - 1,733.33: called again, to a twelfth.
    np.testing.assert_allclose(column(result, "equity")[3], 5000 / 75, rtol=1e-12)
    np.testing.assert_allclose(result.positions.values[4, 0], 4 * (5000 / 75) / 50, rtol=1e-10)


def test_06_a_buffer_sells_more_at_once(trade):
    """Reg-T long: with a buffer of a tenth the call leaves 27.5 %."""
    result = bought(trade, 66.66, lot=None, margin=RegT(buffer=0.1))
    np.testing.assert_allclose(column(result, "equity")[3] / (result.positions.values[3, 0] * 66.66), 0.275, rtol=1e-12)


def sold(trade, *later, opens=None, **rest):
    """Sell 100 short at 50 with a deposit of 2,500; then the price is what it is."""
    close = [50.0, 50.0, *later]
    bars = make_bars(close) if opens is None else make_bars(close, open=[50.0, 50.0, *opens])
    account = Account(cash=2500.0, **{"lot": 1.0, **rest})
    fill = "next_close" if opens is None else "next_open"
    return trade(make_weights(bars, {0: [-100.0]}), bars, account=account, fill=fill)


def test_07_a_short_is_not_called_at_57_69(trade):
    """Reg-T short: a credit of 7,500, maintenance 30 %: the call comes above 7,500 / 130 = 57.69."""
    result = sold(trade, 57.69, 57.69)
    assert column(result, "cash")[1] == 7500.0
    np.testing.assert_allclose(result.margin.values[2, 0], 0.3 * 5769, rtol=1e-12)
    np.testing.assert_allclose(result.margin.values[2, 1], 1731 - 1730.7, rtol=1e-9)
    assert calls(result).height == 0


@pytest.mark.parametrize(("lot", "kept"), [(None, 0.3), (1.0, 1730 / (99 * 57.70))])
def test_07_a_short_is_called_at_57_70(trade, lot, kept):
    """Reg-T short: a cent above it the smallest purchase brings the book to 30 %, or one whole share does."""
    result = sold(trade, 57.70, 57.70, lot=lot)
    assert calls(result)["filled_shares"].to_list() == pytest.approx(
        [1.0 if lot else 100 * (1 - 1730 / 1731)], rel=1e-9
    )
    ratio = column(result, "equity")[3] / (-result.positions.values[3, 0] * 57.70)
    np.testing.assert_allclose(ratio, kept, rtol=1e-12)


def test_07_a_call_behind_a_gap(trade):
    """Reg-T short: called at 60 (equity 1,500 of 1,800), filled at 70, called again from there."""
    result = sold(trade, 60.0, 70.0, 70.0, opens=[60.0, 70.0, 70.0])
    # A sixth of 100 shares, rounded up to 17, at 70: 83 short and 7,500 - 1,190 of cash.
    first = calls(result).row(0, named=True)
    assert (first["filled_shares"], first["fill_price"]) == (17.0, 70.0)
    assert column(result, "equity")[3] == 500.0
    # 500 carries 1,666.67, which is 23.8 shares: 83 * (1 - 500 / 1,743) rounded up is 60.
    assert result.positions.values[:, 0].tolist() == [0.0, -100.0, -100.0, -83.0, -23.0]


@pytest.mark.parametrize(("price", "needed"), [(2.0, 250.0), (4.0, 400.0), (10.0, 500.0), (50.0, 1500.0)])
def test_07_the_floors_per_share(trade, price, needed):
    """Reg-T short: 2.50 a share or 100 % below 5 dollars, 5.00 a share or 30 % from there on (FINRA 4210)."""
    bars = make_bars([price] * 3)
    result = trade(make_weights(bars, {0: [-100.0]}), bars, account=Account(cash=10_000.0), fill="next_close")
    np.testing.assert_allclose(result.margin.values[1, 0], needed, rtol=1e-12)


@pytest.mark.parametrize(("price", "called"), [(134.61, False), (134.62, True)])
def test_08_margin_is_per_side_on_gross(backtest, price, called):
    """Per side: +100 and -100 on equity 100; 0.25 * 100 + 0.30 * S meets the equity of 200 - S at S = 134.62."""
    bars = make_bars([[100.0, 100.0]] * 2 + [[100.0, price]] * 2)
    account = Account(cash=100.0, lot=None)
    result = backtest(make_weights(bars, {0: [1.0, -1.0]}), bars, account=account, fill="next_close")
    np.testing.assert_allclose(result.margin.values[2, 0], 25 + 0.3 * price, rtol=1e-13)
    np.testing.assert_allclose(column(result, "equity")[2], 200 - price, rtol=1e-13)
    assert (calls(result).height == 2) is called
    if called:
        k = (200 - price) / (25 + 0.3 * price)
        np.testing.assert_allclose(result.positions.values[3], [k, -k], rtol=1e-13)


def test_08_a_hedged_book_is_cut_while_its_short_rises(backtest):
    """Per side: a million long and short, the short from 100 to 260. Netted margin never calls: -600,000 at the end."""
    price = np.r_[100.0, 100.0, np.arange(101.0, 261.0)]
    bars = make_bars(np.column_stack([np.full(price.size, 100.0), price]))
    account = Account(cash=1e6, lot=None)
    result = backtest(make_weights(bars, {0: [1.0, -1.0]}), bars, account=account, fill="next_close")
    # By hand: 10,000 shares a side, cut to equity / requirement of each call at the close behind it.
    equity, shares, share, path = 1e6, 1e4, 1.0, []
    for before, now in pairwise(price[1:]):
        equity -= shares * (now - before)
        shares *= share
        needed = shares * (0.25 * 100 + 0.30 * now)
        share = min(equity / needed, 1.0)
        path.append(equity)
    np.testing.assert_allclose(column(result, "equity")[2:], path, rtol=1e-9)
    assert path[-1] > 0.0
    assert result.ruined is None
    first = calls(result)["decided"].min()
    assert first == bars.dates[1 + 35].item()  # the close of 135
    netted = 1e6 - 1e4 * (260 - 100)
    assert netted == -600_000.0


@pytest.mark.parametrize("pair", [[1.3, -0.3], [1.0, -1.0]])
@pytest.mark.parametrize("lot", [None, 1.0])
def test_09_short_proceeds_are_neither_free_cash_nor_locked(backtest, pair, lot):
    """Short proceeds: with 50 % initial margin +130/-30 and +100/-100 on 100 both fill exactly."""
    bars = make_bars([[10.0, 10.0]] * 3)
    weights = make_weights(bars, {0: pair})
    result = backtest(weights, bars, account=Account(cash=100.0, lot=lot), fill="next_close")
    assert result.positions.values[-1].tolist() == [10 * pair[0], 10 * pair[1]]
    assert column(result, "cash")[-1] == 100 - 100 * sum(pair)
    # The 30 that are bought beyond the equity are a loan: the proceeds of the short secure the short.
    assert ("debit" in rules(result)) is (pair[0] > 1.0)
    assert not {"margin_scaled", "margin_call"} & set(rules(result))


def test_09_what_the_margin_does_not_carry_is_scaled_and_told(backtest):
    """Short proceeds: +200/-100 takes 150 of equity 100. All of it shrinks by a third, and a row says so."""
    bars = make_bars([[10.0, 10.0]] * 3)
    weights = make_weights(bars, {0: [2.0, -1.0]})
    result = backtest(weights, bars, account=Account(cash=100.0, lot=None), fill="next_close")
    np.testing.assert_allclose(result.positions.values[-1], [40 / 3, -20 / 3], rtol=1e-12)
    assert "margin_scaled" in rules(result)


def test_09_or_rejected_or_refused(backtest):
    """Short proceeds: the other two policies send nothing that opens, or stop."""
    bars = make_bars([[10.0, 10.0]] * 3)
    weights = make_weights(bars, {0: [2.0, -1.0]})
    account = Account(cash=100.0, lot=None, buying_power="reject")
    result = backtest(weights, bars, account=account, fill="next_close")
    assert result.positions.values[-1].tolist() == [0.0, 0.0]
    assert result.diagnostics.select("rule", "symbol", "count").rows() == [
        ("margin_rejected", "A", 1),
        ("margin_rejected", "B", 1),
    ]
    assert result.orders.select("symbol", "status").rows() == [("A", "margin_rejected"), ("B", "margin_rejected")]
    account = Account(cash=100.0, lot=None, buying_power="strict")
    with pytest.raises(InputError, match=r"2024-01-01 needs more than the buying power.*200.0% long and 100.0% short"):
        backtest(weights, bars, account=account, fill="next_close")


def test_09_a_200_percent_long_is_200_percent_where_it_is_granted(backtest):
    """Short proceeds: without margin the whole 200 % is bought, and the debit is told; nothing becomes 100 %."""
    bars = make_bars([10.0] * 3)
    weights = make_weights(bars, {0: [2.0]})
    result = backtest(weights, bars, account=cash(100.0), fill="next_close")
    assert result.positions.values[-1].tolist() == [20.0]
    assert rules(result) == ["debit"]
    result = backtest(weights, bars, account=Account(cash=100.0, lot=None), fill="next_close")
    np.testing.assert_allclose(result.positions.values[-1], [20.0], rtol=1e-12)
    assert "margin_scaled" not in rules(result)


WEEKEND = np.array(["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10"], dtype="datetime64[D]")
NIGHT = 5000 * 0.03 / 360


def borrowed(backtest, rate, *, borrow=None):
    """The fees on 100 short at 50, sold on Friday."""
    bars = make_bars([50.0] * 5, dates=WEEKEND, borrow=borrow)
    costs = Costs(borrow=Borrow(rate))
    account = Account(cash=5000.0, lot=None)
    return column(
        backtest(make_weights(bars, {0: [-1.0]}), bars, costs=costs, account=account, fill="next_close"), "borrow"
    )


def test_10_borrow_over_a_weekend(backtest):
    """Borrow fee: 100 at 50, 3 % a year over 360 days, Friday to Monday: 5,000 * 0.03 * 3 / 360 = 1.25."""
    fees = borrowed(backtest, 0.03)
    # Nothing on the day of the sale; its first night is charged once.
    np.testing.assert_allclose(fees[:3], [0.0, 0.0, 1.25], rtol=1e-15)
    # From there on the weights drift by the fee itself, and the shares stay.
    np.testing.assert_allclose(fees[3:], [1.25 / 3, 1.25 / 3], rtol=1e-15)


def test_10_a_rate_that_changes_in_mid_hold(backtest):
    """Borrow fee: Monday's rate is charged from Monday's close on, not for the weekend before."""
    fees = borrowed(backtest, 0.99, borrow=[("A", 0, 0.03), ("A", 2, 0.06), ("A", 3, 0.09)])
    np.testing.assert_allclose(fees, [0.0, 0.0, 3 * NIGHT, 2 * NIGHT, 3 * NIGHT], rtol=1e-14)


def test_10_a_missing_rate_takes_the_default_and_keeps_the_clock(backtest):
    """Borrow fee: a null on Friday is the configured default over the weekend, all three nights of it."""
    fees = borrowed(backtest, 0.06, borrow=[("A", 0, 0.03), ("A", 1, None), ("A", 2, 0.03)])
    np.testing.assert_allclose(fees, [0.0, 0.0, 6 * NIGHT, NIGHT, NIGHT], rtol=1e-14)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_11_a_long_neither_pays_nor_earns_for_borrowing(backtest, weight):
    """Rebate sign: lending is no policy of this engine, so that a long pays no fee and gets no rebate."""
    bars = make_bars([50.0] * 4)
    interest = Interest(debit=0.06, short=0.04)
    account = Account(cash=5000.0, lot=None, interest=interest)
    costs = Costs(borrow=Borrow(0.5))
    result = backtest(make_weights(bars, {0: [weight]}), bars, costs=costs, account=account, fill="next_close")
    assert column(result, "equity") == [5000.0] * 4
    assert not result.financing.values.any()


def test_11_a_rebate_is_earned_on_the_collateral_of_a_short(backtest):
    """Rebate sign: 5,000 of proceeds at 3.6 % earn 0.50 a night, and the short is charged its fee beside it."""
    bars = make_bars([50.0] * 4)
    account = Account(cash=5000.0, lot=None, interest=Interest(short=0.036))
    costs = Costs(borrow=Borrow(0.072))
    result = backtest(make_weights(bars, {0: [-1.0]}), bars, costs=costs, account=account, fill="next_close")
    np.testing.assert_allclose(column(result, "short_interest"), [0.0, 0.0, 0.5, 0.5], rtol=1e-15)
    np.testing.assert_allclose(column(result, "borrow"), [0.0, 0.0, 1.0, 1.0], rtol=1e-15)
    np.testing.assert_allclose(column(result, "equity"), [5000.0, 5000.0, 4999.5, 4999.0], rtol=1e-15)


MONTH = np.array(["2024-01-01", "2024-01-02", "2024-02-01"], dtype="datetime64[D]")


def from_the_purchase(rate):
    """A rate that begins with the purchase on the second day."""
    return {"2024-01-01": 0.0, "2024-01-02": rate}


@pytest.mark.parametrize(
    ("capital", "interest", "charged", "earned"),
    [
        (5000.0, Interest(debit=0.06, credit=from_the_purchase(0.5)), 25.0, 0.0),
        (15_000.0, Interest(debit=0.5, credit=from_the_purchase(0.03)), 0.0, 12.5),
        (5000.0, Interest(debit=Tiers((0, 0.06), (2000, 0.12))), 40.0, 0.0),
        (5000.0, Interest(debit=from_the_purchase(0.06) | {"2024-01-15": 0.5}), 25.0, 0.0),
        (5000.0, Interest(debit=0.0730, day_count=365), 30.0, 0.0),
    ],
    ids=["debit", "credit", "tiers", "dated", "365"],
)
def test_12_interest_of_a_month(trade, capital, interest, charged, earned):
    """Margin interest: a debit of 5,000 at 6 % for 30 days over 360 is 25.00; a credit has its own rate."""
    bars = make_bars([100.0] * 3, dates=MONTH)
    account = Account(cash=capital, interest=interest)
    result = trade(make_weights(bars, {0: [100.0]}), bars, account=account, fill="next_close")
    np.testing.assert_allclose(column(result, "debit_interest"), [0.0, 0.0, charged], rtol=1e-14)
    np.testing.assert_allclose(column(result, "credit_interest"), [0.0, 0.0, earned], rtol=1e-14)
    np.testing.assert_allclose(column(result, "equity")[2], capital - charged + earned, rtol=1e-15)


def test_13_drift_of_a_short(backtest):
    """Drift: at 10 % less a short of -100 % weighs -90/110, and going back to -100 % sells a fifth of the capital."""
    bars = make_bars([10.0, 10.0, 9.0, 9.0])
    account = Account(cash=100.0, lot=None, margin=NO_FLOORS)
    result = backtest(make_weights(bars, {0: [-1.0], 2: [-1.0]}), bars, account=account, fill="next_close")
    np.testing.assert_allclose(result.weights.values.ravel(), [0.0, -1.0, -90 / 110, -1.0], rtol=1e-15)
    # The equity grew while the short shrank: 20 is sold, and not 10.
    np.testing.assert_allclose(column(result, "traded"), [0.0, 100.0, 0.0, 20.0], rtol=1e-13)
    assert round(-90 / 110, 3) == -0.818
