"""The pitfalls that existing engines fall into, each with its published or hand-computed number, by the public door.

The numbers are those of the usual same-bar examples, moved to a fill on the next bar by prices that repeat.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest

from quantlab.backtest import simulate
from quantlab.backtest._reference import run as reference_run
from quantlab.backtest._simulate import kernel_run
from quantlab.execution import Account, Borrow, Bps, Costs, PerShare, Proportional

from .conftest import make_bars, make_inputs, make_weights

NAN = math.nan
IBKR = Costs(commission=PerShare(0.005, minimum=1.0, maximum=0.01))


def cash(amount: float, lot: float | None = None) -> Account:
    return Account(cash=amount, lot=lot)


# Timing ---------------------------------------------------------------------------------------------------------------

STEPS = [100.0, 100.0, 110.0, 110.0, 121.0, 121.0]


def risen(bars, size=1.0):
    """Own the asset after a bar that rose."""
    close = bars.close.values[:, 0]
    up = np.r_[0.0, np.diff(close)] > 0
    return make_weights(bars, {t: [size * up[t]] for t in range(close.size)})


def test_01_same_bar_peek_a_next_open_engine_owns_no_rising_bar(backtest):
    bars = make_bars(STEPS, open=[100.0, 100.0, 100.0, 110.0, 110.0, 121.0])
    result = backtest(risen(bars), bars, account=cash(1.0))
    np.testing.assert_allclose(result.equity.values[-1], 1.0, rtol=1e-15)


def test_01_same_bar_peek_discriminating_opens(backtest):
    bars = make_bars(STEPS, open=[100.0, 100.0, 101.0, 111.0, 109.0, 122.0])
    # Shares are sized at the close before the open, so a full weight loses 2 of 110 and then 1 of 121.
    full = backtest(risen(bars), bars, account=cash(1.0))
    np.testing.assert_allclose(full.equity.values[-1], (1 - 2 / 110) * (1 - 1 / 121), rtol=1e-14)
    # With weights that spend exactly the equity at the open: 109/111 * 121/122. A fill at the decision's own close
    # gives 1.0, an unlagged product of weight and return 1.21.
    spent = make_weights(bars, {2: [110 / 111], 3: [0.0], 4: [121 / 122], 5: [0.0]})
    result = backtest(spent, bars, account=cash(1.0))
    np.testing.assert_allclose(result.equity.values[-1], 109 / 111 * 121 / 122, rtol=1e-14)
    assert round(result.equity.values[-1].item(), 6) == 0.973933


@pytest.mark.parametrize("cut", [2, 7, 11, 16, 23])
def test_01_prices_after_a_bar_change_nothing_up_to_it(backtest, cut):
    rng = np.random.default_rng(cut)
    close = 20.0 * np.exp(np.cumsum(rng.normal(0.0, 0.1, (25, 3)), axis=0))
    opens = close * np.exp(rng.normal(0.0, 0.03, close.shape))

    def strategy(bars):
        change = np.diff(bars.close.values, axis=0, prepend=np.nan)
        rows = np.nan_to_num(np.sign(change)) / 3
        return make_weights(bars, dict(enumerate(rows)))

    known_close, known_open = close.copy(), opens.copy()
    known_close[cut + 1 :] = known_open[cut + 1 :] = np.nan
    whole, known = make_bars(close, open=opens), make_bars(known_close, open=known_open)
    costs = Costs(commission=Proportional(0.001, minimum=0.1), slippage=Bps(5), borrow=Borrow(0.03))
    full, masked = (backtest(strategy(b), b, costs=costs, account=cash(1000.0, 0.1)) for b in (whole, known))
    shorter = whole.between(end=whole.dates[cut])
    ended = backtest(strategy(shorter), shorter, costs=costs, account=cash(1000.0, 0.1))

    at = whole.dates[cut].item()
    decided = ["decided", "symbol", "shares", "decision_price"]
    columns = [c for c in full.orders.columns if c != "decided"]
    for other in (masked, ended):
        for name in ("equity", "cash", "positions"):
            left, right = getattr(full, name).values, getattr(other, name).values
            assert left[: cut + 1].tobytes() == right[: cut + 1].tobytes(), name
        early = [r.orders.filter(r.orders["decided"] <= at)[decided] for r in (full, other)]
        assert early[0].equals(early[1])
        done = [r.orders.filter(r.orders["filled"] <= at)[columns] for r in (full, other)]
        assert done[0].equals(done[1])
        assert done[0].height > 0


def test_02_decisions_on_the_first_and_the_last_bar(backtest):
    bars = make_bars([10.0, 20.0, 30.0], open=[5.0, 15.0, 25.0])
    result = backtest(make_weights(bars, {0: [1.0], 2: [0.0]}), bars, account=cash(100.0))
    orders = result.orders
    assert orders["filled"].to_list() == [bars.dates[1].item(), None]
    assert orders["status"].to_list() == ["filled", "no_next_bar"]
    assert orders["fill_price"].to_list() == [15.0, None]
    # 10 shares sized at 10 and bought at 15; the sale of the last bar meets no open, and certainly not the first one.
    np.testing.assert_array_equal(result.positions.values.ravel(), [0.0, 10.0, 10.0])
    np.testing.assert_array_equal(result.equity.values.ravel(), [100.0, 150.0, 250.0])
    assert result.diagnostics["rule"].to_list()[0] == "no_next_bar"


# Shorts, ruin, financing ----------------------------------------------------------------------------------------------


def test_04_short_blow_up_never_recovers(backtest):
    bars = make_bars([10.0, 10.0, 25.0, 8.0, 8.0])
    weights = make_weights(bars, {0: [-1.0], 3: [0.0]})
    result = backtest(weights, bars, account=cash(100.0), fill="next_close")
    np.testing.assert_array_equal(result.equity.values.ravel(), [100.0, 100.0, -50.0, -50.0, -50.0])
    np.testing.assert_array_equal(result.positions.values.ravel(), [0.0, -10.0, 0.0, 0.0, 0.0])
    assert result.ruined == bars.dates[2]
    np.testing.assert_array_equal(result.returns.values.ravel(), [0.0, -1.5, NAN, NAN])
    assert result.orders["status"].to_list() == ["filled", "liquidated"]
    assert result.orders["fill_price"].to_list() == [10.0, 25.0]
    ruin = result.diagnostics.filter(result.diagnostics["rule"] == "ruin")
    assert ruin["severity"].to_list() == ["error"]
    assert ruin["date"].to_list() == ["2024-01-03"]
    assert "-50.00" in ruin["detail"][0]
    assert result.trades["pnl"].to_list() == [-150.0]
    sharpe = result.summary().row(by_predicate=pl.col("metric") == "sharpe", named=True)
    assert sharpe["value"] is None
    assert sharpe["reason"].startswith("ruined")


def test_05_gap_fills_at_the_open_beyond_the_loss(backtest):
    bars = make_bars([10.0, 10.0, 25.0, 8.0], open=[10.0, 10.0, 25.0, 8.0])
    # A cover ordered at 10 is filled where the market opens, at 25, and leaves a deficit of 50.
    covered = backtest(make_weights(bars, {0: [-1.0], 1: [0.0]}), bars, account=cash(100.0))
    np.testing.assert_array_equal(covered.equity.values.ravel(), [100.0, 100.0, -50.0, -50.0])
    assert covered.orders["fill_price"].to_list() == [10.0, 25.0]
    assert covered.orders["status"].to_list() == ["filled", "filled"]
    assert covered.ruined == bars.dates[2]


def test_09_short_proceeds_are_neither_free_cash_nor_locked(backtest):
    bars = make_bars([[10.0, 10.0]] * 3)
    for pair, shares in (([1.3, -0.3], [13.0, -3.0]), ([1.0, -1.0], [10.0, -10.0]), ([2.0, -1.0], [20.0, -10.0])):
        result = backtest(make_weights(bars, {0: pair}), bars, account=cash(100.0), fill="next_close")
        np.testing.assert_array_equal(result.positions.values[-1], shares)
        assert "debit" not in result.diagnostics["rule"].to_list()
    # A debit is granted by this version, and said.
    result = backtest(make_weights(bars, {0: [2.0, 0.0]}), bars, account=cash(100.0), fill="next_close")
    np.testing.assert_array_equal(result.positions.values[-1], [20.0, 0.0])
    assert result.diagnostics["rule"].to_list() == ["debit"]


def test_10_borrow_fee_over_a_weekend(backtest):
    days = np.array(["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], dtype="datetime64[D]")
    bars = make_bars([50.0] * 4, dates=days)
    weights = make_weights(bars, {0: [-1.0]})
    result = backtest(weights, bars, costs=Costs(borrow=Borrow(0.03)), account=cash(5000.0), fill="next_close")
    # Nothing on the day of the sale, 5,000 * 3 % * 3 / 360 over the weekend, a third of it the next day.
    np.testing.assert_allclose(result.charges["borrow"], [0.0, 0.0, 1.25, 1.25 / 3], rtol=1e-15)
    np.testing.assert_allclose(result.equity.values[2], 4998.75, rtol=1e-15)


def test_11_a_long_pays_and_earns_no_borrow_fee(backtest):
    bars = make_bars([50.0] * 4)
    result = backtest(make_weights(bars, {0: [1.0]}), bars, costs=Costs(borrow=Borrow(0.5)), fill="next_close")
    assert result.charges["borrow"].to_list() == [0.0] * 4


def test_13_drift_of_a_short(backtest):
    bars = make_bars([10.0, 10.0, 9.0, 9.0])
    result = backtest(make_weights(bars, {0: [-1.0], 2: [-1.0]}), bars, account=cash(100.0), fill="next_close")
    np.testing.assert_allclose(result.weights.values.ravel(), [0.0, -1.0, -90 / 110, -1.0], rtol=1e-15)
    # Back to -100 % sells a fifth of the initial equity, because the equity grew while the short shrank.
    np.testing.assert_allclose(result.traded.values.ravel(), [0.0, 100.0, 0.0, 20.0], rtol=1e-13)


# Missing data ---------------------------------------------------------------------------------------------------------


def test_16_a_name_that_stops_trading_does_not_freeze_the_book(backtest):
    """Delisting returns come later; here the dead name keeps its last price, is reported, and the rest trades."""
    bars = make_bars([[10.0, 10.0], [10.0, 10.0], [10.0, 5.0], [10.0, NAN], [10.0, NAN], [10.0, NAN]])
    weights = make_weights(bars, {0: [0.5, 0.5], 3: [0.6, 0.0]})
    result = backtest(weights, bars, account=cash(1000.0), fill="next_close")
    np.testing.assert_array_equal(result.equity.values.ravel(), [1000.0, 1000.0, 750.0, 750.0, 750.0, 750.0])
    np.testing.assert_array_equal(result.positions.values[-1], [45.0, 50.0])
    rules = {row["rule"]: row for row in result.diagnostics.iter_rows(named=True)}
    assert (rules["skipped"]["symbol"], rules["skipped"]["count"]) == ("B", 1)
    assert (rules["stale_mark"]["symbol"], rules["stale_mark"]["count"]) == ("B", 3)


def test_17_missing_price_of_a_held_asset(backtest):
    bars = make_bars([[10.0, 10.0], [10.0, 10.0], [10.0, 10.0], [10.0, NAN], [10.0, 12.0]])
    weights = make_weights(bars, {0: [0.5, 0.5], 2: [0.25, 0.75], 3: [0.3, 0.7]})
    result = backtest(weights, bars, account=cash(1000.0), fill="next_close")
    np.testing.assert_array_equal(result.equity.values.ravel(), [1000.0, 1000.0, 1000.0, 1000.0, 1100.0])
    # Bar 2 decides both and B meets no price on bar 3; bar 3 can size A alone.
    np.testing.assert_array_equal(result.positions.values[:, 0], [0.0, 50.0, 50.0, 25.0, 30.0])
    np.testing.assert_array_equal(result.positions.values[:, 1], [0.0, 50.0, 50.0, 50.0, 50.0])
    assert result.orders["status"].to_list() == ["filled", "filled", "filled", "missing_price", "filled", "skipped"]
    rules = result.diagnostics.select("rule", "symbol", "date", "count").rows()
    assert sorted(rules) == [
        ("missing_price", "B", "2024-01-03", 1),
        ("skipped", "B", "2024-01-04", 1),
        ("stale_mark", "B", "2024-01-04", 1),
    ]


def test_18_late_listing_stays_in_cash(backtest):
    bars = make_bars([[10.0, 10.0, 10.0, NAN]] * 3 + [[10.0, 10.0, 10.0, 10.0]] * 3)
    weights = make_weights(bars, {t: [0.25] * 4 for t in (0, 1, 3)})
    result = backtest(weights, bars, account=cash(100.0), fill="next_close", unlisted="cash")
    np.testing.assert_array_equal(result.weights.values[2], [0.25, 0.25, 0.25, 0.0])
    np.testing.assert_array_equal(result.cash.values.ravel(), [100.0, 25.0, 25.0, 25.0, 0.0, 0.0])
    np.testing.assert_array_equal(result.weights.values[-1], [0.25] * 4)
    rows = result.diagnostics.select("rule", "severity", "date", "symbol", "count").rows()
    assert rows == [("unlisted", "warning", "2024-01-01", "D", 2)]


# Sizing ---------------------------------------------------------------------------------------------------------------


def test_19_percent_of_one_equity(backtest):
    for names in itertools.permutations("ABCDE"):
        bars = make_bars([[1.0] * 5] * 3, symbols=names)
        result = backtest(make_weights(bars, {0: [0.2] * 5}), bars, account=cash(100.0), fill="next_close")
        np.testing.assert_array_equal(result.positions.values[-1], [20.0] * 5)


@pytest.mark.parametrize("symbols", [("A", "B"), ("B", "A")], ids="".join)
@pytest.mark.parametrize("swapped", [False, True], ids=["as_is", "swapped"])
def test_20_a_full_switch_sells_and_buys_at_once(backtest, symbols, swapped):
    side = slice(None, None, -1) if swapped else slice(None)
    bars = make_bars([[100.0, 50.0][side]] * 4, symbols=symbols[side])
    weights = make_weights(bars, {0: [1.0, 0.0][side], 1: [0.0, 1.0][side]})
    # 10,010 buys 100 shares at 100 with their fee, and leaves the equity of 10,000 that is switched.
    costs = Costs(commission=Bps(10))
    result = backtest(weights, bars, costs=costs, account=cash(10_010.0, 1.0), fill="next_close")
    np.testing.assert_array_equal(result.positions.values[1], [100.0, 0.0][side])
    np.testing.assert_array_equal(result.positions.values[-1], [0.0, 199.0][side])
    np.testing.assert_allclose(result.equity.values[1], 10_000.0, rtol=1e-15)
    np.testing.assert_allclose(result.charges["commission"], [0.0, 10.0, 19.95, 0.0], rtol=1e-15)
    np.testing.assert_allclose(result.cash.values[-1], 30.05, rtol=1e-12)


@pytest.mark.parametrize("lot", [None, 1.0, 0.1])
@pytest.mark.parametrize("target", [[1.0, 0.0], [0.5, 0.5], [0.9, -0.6], [-0.5, -0.3]])
def test_21_rebalancing_again_trades_nothing(backtest, lot, target):
    bars = make_bars([[7.0, 13.0]] * 8)
    costs = Costs(commission=Proportional(0.002, minimum=0.5), slippage=Bps(10))
    weights = make_weights(bars, dict.fromkeys((0, 1, 2, 5), target))
    result = backtest(weights, bars, costs=costs, account=cash(1000.0, lot), fill="next_close")
    assert set(result.orders["decided"]) == {bars.dates[0].item()}


def test_22_a_fixed_fee_is_one_fee_per_order(backtest):
    bars = make_bars([100.0] * 3)
    costs = Costs(commission=PerShare(0.0, minimum=100.0))
    result = backtest(make_weights(bars, {0: [1.0]}), bars, costs=costs, account=cash(10_000.0, 1.0), fill="next_close")
    assert result.orders["shares"].to_list() == [99.0]
    assert result.cash.values[-1] == 0.0


def test_22_a_minimum_fee_makes_the_last_share_unaffordable(backtest):
    bars = make_bars([10.0] * 3)
    weights = make_weights(bars, {0: [1.0]})
    # 100 shares cost 1,000 and 0.50 per share fees; a minimum of 1.00 does not fit into 1,000.60 any more.
    for minimum, shares in ((0.0, 100.0), (1.0, 99.0)):
        costs = Costs(commission=PerShare(0.005, minimum=minimum))
        result = backtest(weights, bars, costs=costs, account=cash(1000.6, 1.0), fill="next_close")
        assert result.orders["shares"].to_list() == [shares]


@pytest.mark.parametrize(("shares", "price", "fee"), [(100, 25.0, 1.0), (1000, 25.0, 5.0), (1000, 0.25, 2.5)])
def test_23_ibkr_fixed_schedule(backtest, shares, price, fee):
    bars = make_bars([price] * 4)
    # Half a share more, so that the fee inside the sizing does not cost one; then out again.
    weights = make_weights(bars, {0: [(shares + 0.5) * price / 1e6], 1: [0.0]})
    result = backtest(weights, bars, costs=IBKR, account=cash(1e6, 1.0), fill="next_close")
    assert result.orders["shares"].to_list() == [shares, -shares]
    assert result.orders["commission"].to_list() == [fee, fee]
    np.testing.assert_allclose(result.equity.values[-1], 1e6 - 2 * fee, rtol=1e-15)


def test_24_three_lots_of_a_tenth_are_three_tenths(backtest):
    bars = make_bars([1.0] * 3)
    result = backtest(make_weights(bars, {0: [0.3]}), bars, account=cash(1.0, 0.1), fill="next_close")
    np.testing.assert_allclose(result.positions.values[-1], 0.3, rtol=1e-15)


@pytest.mark.parametrize("lot", [0.1, 0.0], ids=["lots", "fractional"])
@pytest.mark.parametrize("steps", [10, 10_000])
def test_25_many_small_buys_and_one_sale_leave_exactly_nothing(engine, lot, steps):
    close = np.ones((steps + 3, 1))
    # Half a lot more than meant, so that rounding of the equity moves no lot.
    rows = {t: [(t + 1.5) / steps] for t in range(steps)} | {steps: [0.0], steps + 1: [0.0]}
    run = engine(make_inputs(close=close, weights=rows, lot=lot, cash=0.1 * steps))
    orders = run.orders
    assert orders.decided.size == steps + 1  # one sale, and nothing is left to sell on the bar after it
    if lot:
        np.testing.assert_array_equal(np.round(orders.shares / lot), [1.0] * steps + [-steps])
    held = 0.0
    for shares in np.round(orders.shares / lot) if lot else orders.shares:
        held += shares
    assert held == 0.0
    # The money is a sum of 10,000 rounded numbers of up to 1,000.
    np.testing.assert_allclose(run.equity, 0.1 * steps, rtol=1e-9)


def test_25_flat_means_flat_in_every_table(backtest):
    bars = make_bars([1.0] * 13)
    rows = {t: [0.1 * (t + 1)] for t in range(10)} | {10: [0.0]}
    for lot in (0.1, None):
        result = backtest(make_weights(bars, rows), bars, account=cash(1.0, lot), fill="next_close")
        assert result.positions.values[-2:].tolist() == [[0.0], [0.0]]
        assert result.trades["status"].to_list() == ["closed"]
        np.testing.assert_allclose(result.trades["shares"], [1.0], rtol=1e-15)


# Orders ---------------------------------------------------------------------------------------------------------------


def test_26_a_reversal_is_one_order_and_two_trades(backtest):
    bars = make_bars([10.0, 10.0, 12.0, 12.0, 12.0])
    costs = Costs(commission=PerShare(0.01))
    weights = make_weights(bars, {0: [0.55], 2: [-0.6]})
    result = backtest(weights, bars, costs=costs, account=cash(2000.0, 100.0), fill="next_close")
    assert result.orders["shares"].to_list() == [100.0, -200.0]
    assert result.orders["commission"].to_list() == [1.0, 2.0]
    first, second = result.trades.rows(named=True)
    # 200 on the way up, less 1.00 at the entry and half of the order's 2.00.
    assert (first["side"], first["entry_price"], first["exit_price"]) == ("long", 10.0, 12.0)
    assert (first["shares"], first["pnl"], first["costs"], first["status"]) == (100.0, 198.0, 2.0, "closed")
    assert (first["entry"], first["exit"]) == (bars.dates[1].item(), bars.dates[3].item())
    assert (second["side"], second["entry_price"], second["exit"]) == ("short", 12.0, None)
    assert (second["shares"], second["pnl"], second["costs"], second["status"]) == (100.0, -1.0, 1.0, "open")


def test_29_no_bar_before_the_first_decision_is_track_record(backtest):
    bars = make_bars([10.0, 10.0, 10.0, 11.0, 12.1])
    result = backtest(make_weights(bars, {1: [1.0]}), bars, account=cash(100.0), fill="next_close")
    np.testing.assert_array_equal(result.returns.dates, bars.dates[2:])
    np.testing.assert_allclose(result.returns.values.ravel(), [0.0, 0.1, 0.1], rtol=1e-13, atol=1e-15)


def test_30_a_run_is_repeated_bit_for_bit():
    rng = np.random.default_rng(30)
    close = np.exp(np.cumsum(rng.normal(0.0, 0.1, (40, 5)), axis=0))
    rows = dict(enumerate(rng.uniform(-0.5, 0.5, (40, 5))))
    given = make_inputs(close=close, weights=rows, rate=0.001, slippage=0.001, borrow=0.03)
    for run in (kernel_run, reference_run):
        one, two = run(given), run(given)
        assert one.equity.tobytes() == two.equity.tobytes()
        assert one.orders.shares.tobytes() == two.orders.shares.tobytes()


def test_simulate_is_the_engine_of_the_kernel():
    bars = make_bars([10.0, 11.0, 12.0])
    weights = make_weights(bars, {0: [1.0]})
    assert simulate(weights, bars, fill="next_close").equity.values[-1] == 1_000_000 + 100_000
