"""The Result of one small book, every table and matrix by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from quantlab.backtest import Result, simulate
from quantlab.core import Frequency, InputError, Panel, as_bars
from quantlab.execution import Account, Borrow, Bps, Costs, PerShare, Proportional

from .conftest import make_bars, make_weights

NAN = np.nan


@pytest.fixture(scope="module")
def result() -> Result:
    """Long 40 A and short 10 B of 1,000, filled at the next close; on bar 3 all of B is bought back, half of A sold."""
    bars = make_bars(
        [[10.0, 20.0], [10.0, 20.0], [12.0, 24.0], [12.0, 24.0], [15.0, 24.0], [15.0, 30.0]],
        symbols=["B2", "A1"],
    )
    weights = make_weights(bars, {0: [0.4, -0.2], 3: [0.24, 0.0]})
    costs = Costs(commission=PerShare(0.1), slippage=Bps(100), borrow=Borrow(0.36))
    return simulate(weights, bars, costs=costs, account=Account(cash=1000.0), fill="next_close")


def test_money(result):
    # 0.4 and -0.2 of 1,000 less the costs of about 10 are 39 shares at 10 and 9 at 20; 0.24 of the equity of 1,031 of
    # bar 3 are 20 shares at 12.
    shares = result.orders["shares"].to_list()
    assert shares == [-9.0, 39.0, 9.0, -19.0]
    np.testing.assert_allclose(result.charges["commission"], [0.0, 4.8, 0.0, 0.0, 2.8, 0.0], rtol=1e-14)
    np.testing.assert_allclose(result.charges["slippage"], [0.0, 1.8 + 3.9, 0.0, 0.0, 2.16 + 2.85, 0.0], rtol=1e-13)
    # 9 short at 20, then at 24: 0.1 % a day.
    np.testing.assert_allclose(result.charges["borrow"], [0.0, 0.0, 0.18, 0.216, 0.216, 0.0], rtol=1e-13)
    assert result.charges["date"].to_list() == [day.item() for day in result.bars.dates]
    bought = 1000.0 + 9 * 19.8 - 39 * 10.1 - 4.8
    closed = bought - 0.18 - 0.216 - 0.216 - 9 * 24.24 + 19 * 14.85 - 2.8
    cash = [1000.0, bought, bought - 0.18, bought - 0.396, closed, closed]
    np.testing.assert_allclose(result.cash.values[:, 0], cash, rtol=1e-14)
    worth = [0.0, 390 - 180, 468 - 216, 468 - 216, 300.0, 300.0]
    np.testing.assert_allclose(result.equity.values[:, 0], np.add(cash, worth), rtol=1e-14)
    assert result.initial == 1000.0
    assert result.ruined is None


def test_returns_start_after_the_first_decision(result):
    equity = result.equity.values[:, 0]
    np.testing.assert_array_equal(result.returns.values[:, 0], equity[1:] / equity[:-1] - 1)
    assert result.returns.symbols == ("strategy",)
    assert result.returns.frequency == result.frequency == Frequency.daily("24/7")


def test_holdings_stand_in_the_callers_column_order(result):
    assert result.positions.symbols == result.weights.symbols == ("B2", "A1")
    expected = [[0.0, 0.0], *[[39.0, -9.0]] * 3, *[[20.0, 0.0]] * 2]
    np.testing.assert_array_equal(result.positions.values, expected)
    worth = np.array(expected) * result.bars.close.values
    np.testing.assert_allclose(result.weights.values, worth / result.equity.values, rtol=1e-15)
    long, short = np.maximum(worth, 0), np.maximum(-worth, 0)
    columns = [long, short, long + short, long - short]
    exposure = np.stack([column.sum(axis=1) for column in columns], axis=1) / result.equity.values
    assert result.exposure.symbols == ("long", "short", "gross", "net")
    np.testing.assert_allclose(result.exposure.values, exposure, rtol=1e-14)
    traded = [0.0, 9 * 19.8 + 39 * 10.1, 0.0, 0.0, 9 * 24.24 + 19 * 14.85, 0.0]
    np.testing.assert_allclose(result.traded.values[:, 0], traded, rtol=1e-14)


def test_orders(result):
    orders = result.orders
    assert orders.columns == [
        "decided",
        "filled",
        "symbol",
        "shares",
        "decision_price",
        "reference_price",
        "fill_price",
        "commission",
        "slippage",
        "status",
    ]
    assert orders["symbol"].to_list() == ["A1", "B2", "A1", "B2"]
    day = [date.item() for date in result.bars.dates]
    assert orders["decided"].to_list() == [day[0], day[0], day[3], day[3]]
    assert orders["filled"].to_list() == [day[1], day[1], day[4], day[4]]
    assert orders["decision_price"].to_list() == [20.0, 10.0, 24.0, 12.0]
    assert orders["reference_price"].to_list() == [20.0, 10.0, 24.0, 15.0]
    np.testing.assert_allclose(orders["fill_price"], [19.8, 10.1, 24.24, 14.85], rtol=1e-15)
    np.testing.assert_allclose(orders["commission"], [0.9, 3.9, 0.9, 1.9], rtol=1e-15)
    np.testing.assert_allclose(orders["slippage"], [1.8, 3.9, 2.16, 2.85], rtol=1e-13)
    assert set(orders["status"]) == {"filled"}


def test_trades(result):
    trades = result.trades
    assert trades["symbol"].to_list() == ["A1", "B2"]
    assert trades["side"].to_list() == ["short", "long"]
    day = [date.item() for date in result.bars.dates]
    assert trades["entry"].to_list() == [day[1], day[1]]
    assert trades["exit"].to_list() == [day[4], None]
    assert trades["bars"].to_list() == [3, 4]
    assert trades["shares"].to_list() == [9.0, 39.0]
    np.testing.assert_allclose(trades["entry_price"], [19.8, 10.1], rtol=1e-15)
    # 19 of 39 were sold at 14.85, the rest stands at 15.
    np.testing.assert_allclose(trades["exit_price"], [24.24, (19 * 14.85 + 20 * 15) / 39], rtol=1e-15)
    pnl = [9 * (19.8 - 24.24) - 1.8, 19 * 14.85 + 20 * 15 - 39 * 10.1 - 5.8]
    np.testing.assert_allclose(trades["pnl"], pnl, rtol=1e-13)
    np.testing.assert_allclose(trades["costs"], [1.8 + 1.8 + 2.16, 5.8 + 3.9 + 2.85], rtol=1e-13)
    assert trades["status"].to_list() == ["closed", "open"]
    earned = trades["pnl"].sum() - result.charges["borrow"].sum()
    np.testing.assert_allclose(result.initial + earned, result.equity.values[-1, 0], rtol=1e-14)


def test_settings_are_json_and_hold_every_policy(result):
    settings = json.loads(json.dumps(result.settings))
    assert settings["fill"] == "next_close"
    assert settings["unlisted"] == "raise"
    assert settings["costs"]["commission"] == {"kind": "PerShare", "rate": 0.1, "minimum": 0.0, "maximum": None}
    assert settings["costs"]["slippage_bps"] == 100.0
    assert settings["costs"]["borrow_rate"] == 0.36
    assert settings["account"] == {"cash": 1000.0, "lot": 1.0}
    assert settings["data_sha256"] == result.bars.content_hash
    assert settings["bars_per_year"] == 365.0
    assert set(settings["versions"]) >= {"quantlab", "python", "numpy", "numba", "polars"}
    free = simulate(result.decisions, result.bars, fill="next_close").settings
    assert free["costs"] == {"commission": None, "slippage_bps": 0.0, "borrow_rate": None}


def test_decisions_and_name(result):
    np.testing.assert_array_equal(result.decisions.values, [[0.4, -0.2], [0.24, 0.0]])
    assert repr(result).startswith("Result of bars, 2024-01-01 to 2024-01-06: equity 1,")
    assert "4 fills, 0 diagnostics" in repr(result)


def test_diagnostics_of_a_clean_run_have_a_schema(result):
    assert result.diagnostics.schema == {
        "rule": pl.String,
        "severity": pl.String,
        "date": pl.String,
        "symbol": pl.String,
        "count": pl.Int64,
        "detail": pl.String,
    }
    assert result.diagnostics.height == 0


def test_summary_is_one_row_per_metric(result):
    summary = result.summary()
    assert summary.columns == ["metric", "value", "se", "low", "high", "unit", "reason"]
    value = dict(zip(summary["metric"], summary["value"], strict=True))
    np.testing.assert_allclose(value["total_return"], result.equity.values[-1, 0] / 1000.0 - 1, rtol=1e-12)
    assert value["max_drawdown"] <= 0
    np.testing.assert_allclose(value["exposure"], result.exposure.values[1:, 2].mean(), rtol=1e-12)


def test_summary_needs_bars_per_year(result):
    bars = as_bars(Panel(result.bars.close.values, result.bars.dates, result.bars.symbols))
    with pytest.raises(InputError, match="bars per year"):
        simulate(result.decisions, bars, fill="next_close").summary()


def test_plot(result):
    figure = result.plot()
    equity = next(line for line in figure.data if line.name == "Equity")
    np.testing.assert_array_equal(np.asarray(equity.y, dtype=float), result.equity.values[:, 0])


def test_tables_without_any_order():
    bars = make_bars([[10.0, 20.0]] * 3)
    result = simulate(make_weights(bars, {1: [0.0, 0.0]}), bars, fill="next_close")
    traded = simulate(make_weights(bars, {1: [0.5, 0.5]}), bars, fill="next_close")
    for name in ("orders", "trades"):
        empty, full = getattr(result, name), getattr(traded, name)
        assert empty.height == 0
        assert empty.schema == full.schema, name
    np.testing.assert_array_equal(result.equity.values, np.full((3, 1), 1e6))
    np.testing.assert_array_equal(result.exposure.values, np.zeros((3, 4)))
    np.testing.assert_array_equal(result.traded.values, np.zeros((3, 1)))


@pytest.mark.parametrize("row", [0, 1, 2])
def test_returns_when_the_only_decision_is_at_any_bar(row):
    bars = make_bars([10.0, 10.0, 11.0])
    result = simulate(make_weights(bars, {row: [0.5]}), bars, fill="next_close")
    np.testing.assert_array_equal(result.returns.dates, bars.dates[row + 1 :])
    assert result.returns.shape == (2 - row, 1)


def test_only_empty_decisions_leave_cash():
    bars = make_bars([10.0, 10.0, 11.0])
    result = simulate(make_weights(bars, {0: [NAN], 2: [NAN]}), bars, fill="next_close")
    np.testing.assert_array_equal(result.equity.values, np.full((3, 1), 1e6))
    assert len(result.returns) == 0
    assert result.diagnostics["count"].to_list() == [2]


def test_one_bar():
    bars = make_bars([10.0])
    result = simulate(make_weights(bars, {0: [1.0]}), bars, fill="next_close")
    assert result.orders["status"].to_list() == ["no_next_bar"]
    assert result.returns.shape == (0, 1)
    np.testing.assert_array_equal(result.positions.values, [[0.0]])


def test_a_stale_holding_weighs_its_last_close():
    bars = make_bars([[10.0, 10.0], [10.0, 10.0], [20.0, NAN], [20.0, 20.0]])
    result = simulate(make_weights(bars, {0: [0.5, 0.5]}), bars, fill="next_close", account=Account(cash=100.0))
    np.testing.assert_allclose(result.weights.values[2], [100 / 150, 50 / 150], rtol=1e-15)
    np.testing.assert_array_equal(result.equity.values[:, 0], [100.0, 100.0, 150.0, 200.0])


def test_after_a_ruin_weights_are_unknown_and_positions_zero():
    bars = make_bars([[10.0, 10.0], [10.0, 10.0], [50.0, 10.0], [10.0, 10.0]])
    result = simulate(make_weights(bars, {0: [-1.0, 0.5]}), bars, fill="next_close", account=Account(cash=100.0))
    assert result.ruined == bars.dates[2]
    assert np.isnan(result.weights.values[2:]).all()
    assert np.isnan(result.exposure.values[2:]).all()
    np.testing.assert_array_equal(result.positions.values[2:], np.zeros((2, 2)))
    assert result.trades["status"].to_list() == ["liquidated", "liquidated"]
    assert "ruined 2024-01-03" in repr(result)
    # Two shorts bought back at 50, five longs sold at 10, all at their marks.
    np.testing.assert_array_equal(result.traded.values[:, 0], [0.0, 150.0, 550.0, 0.0])


def test_intraday_bars_pay_borrow_by_calendar_days():
    times = np.array(
        ["2024-01-05T15:00", "2024-01-05T20:00", "2024-01-08T15:00", "2024-01-08T20:00"], dtype="datetime64[us]"
    )
    bars = as_bars(Panel([[50.0]] * 4, times, ["A"]))
    weights = Panel([[-1.0]], times[:1], ["A"])
    account, costs = Account(cash=5000.0), Costs(borrow=Borrow(0.03))
    result = simulate(weights, bars, costs=costs, account=account, fill="next_close")
    np.testing.assert_allclose(result.charges["borrow"], [0.0, 0.0, 1.25, 0.0], rtol=1e-15)
    assert result.trades["entry"].dtype == pl.Datetime("us", "UTC")
    assert result.orders["filled"].to_list()[0] == result.charges["date"].to_list()[1]


def test_debit_counts_its_bars_and_names_the_lowest():
    bars = make_bars([10.0, 10.0, 10.0, 10.0, 10.0])
    weights = make_weights(bars, {0: [1.5], 1: [2.0], 3: [0.5]})
    found = simulate(weights, bars, fill="next_close", account=Account(cash=100.0)).diagnostics
    row = found.row(0, named=True)
    assert (row["rule"], row["severity"], row["date"], row["count"]) == ("debit", "info", "2024-01-02", 3)
    assert "-100.00 (-100.00% of equity) on 2024-01-03" in row["detail"]


def test_rounding_is_not_a_debit():
    bars = make_bars([[3.0, 7.0, 11.0]] * 4)
    weights = make_weights(bars, {0: [1 / 3, 1 / 3, 1 / 3], 1: [0.7, 0.2, 0.1], 2: [0.1, 0.2, 0.7]})
    costs = Costs(commission=Proportional(0.001), slippage=Bps(5))
    account = Account(cash=1000.0, lot=None)
    result = simulate(weights, bars, costs=costs, account=account, fill="next_close", strict=True)
    assert result.diagnostics.height == 0


def test_diagnostics_count_and_date_each_symbol():
    bars = make_bars([[10.0, 10.0], [10.0, NAN], [10.0, NAN], [10.0, 10.0], [10.0, 10.0]])
    weights = make_weights(bars, {0: [0.1, 0.1], 1: [0.1, 0.1], 2: [0.1, 0.1], 4: [0.5, 0.5]})
    found = simulate(weights, bars, fill="next_close").diagnostics
    rows = found.select("rule", "severity", "date", "symbol", "count").rows()
    assert rows == [
        ("skipped", "warning", "2024-01-02", "B", 2),
        ("missing_price", "warning", "2024-01-01", "B", 1),
        ("no_next_bar", "info", "2024-01-05", "A", 1),
        ("no_next_bar", "info", "2024-01-05", "B", 1),
    ]


def test_the_name_of_the_data_reaches_the_messages():
    bars = replace(make_bars([10.0, 11.0]), name="toy")
    assert repr(simulate(make_weights(bars, {0: [1.0]}), bars, fill="next_close")).startswith("Result of toy")
    with pytest.raises(InputError, match="toy has no open prices"):
        simulate(make_weights(bars, {0: [1.0]}), bars)
