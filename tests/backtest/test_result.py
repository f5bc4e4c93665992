"""The Result of one small book, every table and matrix by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantlab.backtest import Result, simulate
from quantlab.core import Frequency, InputError, Panel, as_bars
from quantlab.execution import Account, Borrow, Bps, Costs, Fill, Interest, NoMargin, PerShare, Proportional, RegT
from quantlab.execution import _kernel_types as kt

from ._given import bars_of, held, weighed, weights_of

NAN = np.nan
ORDERS = [
    "decided",
    "filled",
    "symbol",
    "kind",
    "shares",
    "filled_shares",
    "decision_price",
    "reference_price",
    "fill_price",
    "commission",
    "fees",
    "slippage",
    "status",
    "reason",
]


@pytest.fixture(scope="module")
def result() -> Result:
    """Long 39 A1 and short 9 B2 of 1,000, filled at the next close; then all of one is bought back, half sold."""
    bars = bars_of(
        [[10.0, 20.0], [10.0, 20.0], [12.0, 24.0], [12.0, 24.0], [15.0, 24.0], [15.0, 30.0]],
        symbols=["B2", "A1"],
    )
    costs = Costs(commission=PerShare(0.1), slippage=Bps(100), borrow=Borrow(0.36))
    return weighed(bars, {0: [0.4, -0.2], 3: [0.24, 0.0]}, costs=costs, account=Account(cash=1000.0))


def test_money(result):
    # 0.4 and -0.2 of 1,000 less the costs of about 10 are 39 shares at 10 and 9 at 20; 0.24 of the equity of 1,031 of
    # bar 3 are 20 shares at 12.
    assert result.orders["shares"].to_list() == [-9.0, 39.0, 9.0, -19.0]
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


def test_charges_have_every_kind_and_financing_its_sign():
    bars = bars_of([[10.0, 10.0]] * 4, actions=[("A", 3, "dividend", 0.5, 3)])
    rates = Interest(debit=0.36, credit=0.036, short=0.072)
    account = Account(cash=1000.0, margin=NoMargin(), interest=rates)
    result = held(bars, {0: [200.0, -50.0]}, account=account, costs=Costs(borrow=Borrow(0.36)))
    assert result.charges.columns == [
        "date",
        "commission",
        "fees",
        "slippage",
        "borrow",
        "debit_interest",
        "credit_interest",
        "short_interest",
        "dividends",
        "conversion_cost",
    ]
    # The first night earns 0.01 % on 1,000. Then 1,000.1 less 2,000 plus 500, of which the proceeds of 500 are
    # collateral: 999.9 owed at 0.1 % a day, 500 short at 0.02 %; the fee of 0.1 % on 500 and this interest are owed on
    # the third.
    charges = result.charges
    owed = 999.9 + 0.5 + 0.9999 - 0.1
    np.testing.assert_allclose(charges["credit_interest"], [0.0, 0.1, 0.0, 0.0], rtol=1e-13)
    np.testing.assert_allclose(charges["debit_interest"], [0.0, 0.0, 0.9999, owed * 0.001], rtol=1e-13)
    np.testing.assert_allclose(charges["short_interest"], [0.0, 0.0, 0.1, 0.1], rtol=1e-13)
    np.testing.assert_allclose(charges["dividends"], [0.0, 0.0, 0.0, 100.0], rtol=1e-14)
    assert result.financing.symbols == ("borrow", "debit_interest", "credit_interest", "short_interest", "dividends")
    np.testing.assert_allclose(result.financing.values[2], [-0.5, -0.9999, 0.0, 0.1, 0.0], rtol=1e-13)


def test_margin_follows_the_requirement():
    bars = bars_of([[10.0, 10.0], [10.0, 10.0], [8.0, 12.0]])
    result = held(bars, {0: [100.0, -50.0]}, account=Account(cash=1000.0, margin=RegT()))
    assert result.margin.symbols == ("requirement", "excess", "usage")
    # Long 25 % of 1,000, short 50 % of 500 (5 dollars a share); then 25 % of 800, 5 dollars on 50 shares at 12.
    equity = [1000.0, 1000.0, 1000.0 - 200.0 - 100.0]
    need = np.array([0.0, 500.0, 200.0 + 250.0])
    np.testing.assert_allclose(result.margin.values[:, 0], need, rtol=1e-14)
    np.testing.assert_allclose(result.margin.values[:, 1], equity - need, rtol=1e-14)
    np.testing.assert_allclose(result.margin.values[:, 2], need / equity, rtol=1e-14)


def test_returns_start_after_the_first_decision(result):
    equity = result.equity.values[:, 0]
    np.testing.assert_array_equal(result.returns.values[:, 0], equity[1:] / equity[:-1] - 1)
    assert result.returns.symbols == ("strategy",)
    assert result.returns.frequency == result.frequency == Frequency.daily("24/7")


def test_returns_start_after_the_first_explicit_order():
    bars = bars_of([10.0, 10.0, 11.0, 12.0], low=[9.0] * 4, high=[12.0] * 4)
    orders = pl.DataFrame(
        {"date": [bars.dates[1].item()], "symbol": ["A"], "shares": [10.0], "type": ["limit"], "limit": [9.5]}
    )
    from quantlab.backtest import reference_orders

    result = reference_orders(orders, bars, fill="next_close", account=Account(cash=1000.0))
    np.testing.assert_array_equal(result.returns.dates, bars.dates[2:])
    assert result.orders["kind"].to_list() == ["order"]


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


def test_contributions_add_up_to_the_returns(result):
    assert result.contribution.symbols == ("B2", "A1", "cash")
    # On bar 2 each of 39 shares gains 2, each of 9 short ones loses 4, and the fee of the night is 0.18.
    before = result.equity.values[1, 0]
    np.testing.assert_allclose(result.contribution.values[2] * before, [78.0, -36.18, 0.0], rtol=1e-13)
    np.testing.assert_allclose(
        result.contribution.values[1:].sum(axis=1), result.returns.values[:, 0], rtol=0, atol=1e-15
    )


def test_orders(result):
    orders = result.orders
    assert orders.columns == ORDERS
    assert orders["symbol"].to_list() == ["A1", "B2", "A1", "B2"]
    day = [date.item() for date in result.bars.dates]
    assert orders["decided"].to_list() == [day[0], day[0], day[3], day[3]]
    assert orders["filled"].to_list() == [day[1], day[1], day[4], day[4]]
    assert orders["filled_shares"].to_list() == orders["shares"].to_list()
    assert orders["decision_price"].to_list() == [20.0, 10.0, 24.0, 12.0]
    np.testing.assert_allclose(orders["reference_price"], [20.0, 10.0, 24.0, 15.0], rtol=1e-15)
    np.testing.assert_allclose(orders["fill_price"], [19.8, 10.1, 24.24, 14.85], rtol=1e-15)
    np.testing.assert_allclose(orders["commission"], [0.9, 3.9, 0.9, 1.9], rtol=1e-15)
    np.testing.assert_allclose(orders["slippage"], [1.8, 3.9, 2.16, 2.85], rtol=1e-13)
    assert set(orders["status"]) == {"filled"}
    assert set(orders["reason"]) == {"filled in full"}
    assert set(orders["kind"]) == {"rebalance"}


def test_fills(result):
    fills = result.fills
    assert fills["order"].to_list() == [0, 1, 2, 3]
    assert fills["shares"].to_list() == [-9.0, 39.0, 9.0, -19.0]
    assert fills["date"].to_list() == result.orders["filled"].to_list()
    np.testing.assert_array_equal(fills["price"], result.orders["fill_price"])
    assert fills["kind"].to_list() == ["rebalance"] * 4


def test_an_order_in_parts_is_one_row_with_its_average_price():
    bars = bars_of([10.0, 10.0, 13.0, 10.0], volume=[1000.0, 400.0, 200.0, 500.0])
    fill = Fill("next_close", participation=0.1, carry=1)
    result = held(bars, {0: [70.0]}, fill=fill, costs=Costs(commission=PerShare(0.01, minimum=0.5)))
    row = result.orders.row(0, named=True)
    assert (row["shares"], row["filled_shares"], row["status"]) == (70.0, 60.0, "capped")
    assert row["reason"] == "the bar's volume allowed no more"
    assert row["fill_price"] == pytest.approx((40 * 10 + 20 * 13) / 60, rel=1e-15)
    assert row["filled"] == bars.dates[2].item()
    # The minimum of half a dollar once; 0.6 for 60 shares in all.
    assert row["commission"] == pytest.approx(0.6, rel=1e-14)
    assert result.fills["shares"].to_list() == [40.0, 20.0]
    assert result.diagnostics["rule"].to_list() == ["volume_cap"]


def test_events():
    actions = [("A", 2, "split", 2.0), ("A", 3, "dividend", 0.5, 4), ("B", 3, "delisting", -0.5)]
    bars = bars_of([[10.0, 8.0], [10.0, 8.0], [5.0, 8.0], [5.0, NAN], [5.0, NAN]], actions=actions)
    events = held(bars, {0: [10.0, 20.0]}).events
    assert events["kind"].to_list() == ["split", "dividend", "delisting"]
    assert events["symbol"].to_list() == ["A", "A", "B"]
    assert events["shares"].to_list() == [10.0, 0.0, -20.0]
    assert events["price"].to_list() == [5.0, 0.5, 4.0]
    assert events["cash"].to_list() == [0.0, 10.0, 80.0]
    assert events["date"].to_list() == [bars.dates[2].item(), bars.dates[3].item(), bars.dates[3].item()]


def test_settings_are_json_and_hold_every_policy(result):
    settings = json.loads(json.dumps(result.settings))
    assert settings["fill"] == "next_close"
    assert settings["filling"]["delay"] == 1
    assert (settings["unlisted"], settings["untradable"], settings["delisting"]) == ("raise", "keep", "table")
    assert settings["costs"]["commission"] == {"kind": "PerShare", "rate": 0.1, "minimum": 0.0, "maximum": None}
    assert settings["costs"]["slippage"] == {"kind": "Bps", "value": 100.0}
    assert settings["costs"]["borrow"]["rate"] == 0.36
    assert settings["account"]["cash"] == 1000.0
    assert settings["account"]["margin"]["kind"] == "RegT"
    assert settings["exits"] is None
    assert settings["rebalance"] is None
    assert settings["data_sha256"] == result.bars.content_hash
    assert settings["bars_per_year"] == 365.0
    assert set(settings["versions"]) >= {"quantlab", "python", "numpy", "numba", "polars"}


def test_decisions_and_name(result):
    np.testing.assert_array_equal(result.decisions.values, [[0.4, -0.2], [0.24, 0.0]])
    assert repr(result).startswith("Result of bars, 2024-01-01 to 2024-01-06: equity 1,")
    traded = 9 * 19.8 + 39 * 10.1 + 9 * 24.24 + 19 * 14.85
    assert repr(result).endswith(f"from 1,000.00, {traded:,.2f} traded, 0 diagnostics")


def test_what_the_tape_tells_asks_for_no_records():
    bars = bars_of([[10.0, 20.0]] * 6)
    first = weighed(bars, {0: [0.5, -0.5], 2: [0.0, 1.0]})
    asked = []

    def again():
        asked.append(1)
        return first._records

    run = replace(first._run, records=None)
    result = replace(first, _run=run, _again=again)
    for name in ("equity", "cash", "returns", "charges", "financing", "margin", "exposure", "traded", "diagnostics"):
        getattr(result, name)
    assert result.settings
    assert result.summary().height
    assert repr(result)
    assert asked == []
    assert result.orders.height == first.orders.height
    assert result.trades.height == first.trades.height
    assert result.positions.values.shape == (6, 2)
    assert asked == [1]


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
        weighed(bars, {0: [0.4, 0.2]}).summary()


def test_plot(result):
    figure = result.plot()
    equity = next(line for line in figure.data if line.name == "Equity")
    np.testing.assert_array_equal(np.asarray(equity.y, dtype=float), result.equity.values[:, 0])


def test_tables_without_any_order():
    bars = bars_of([[10.0, 20.0]] * 3)
    result = weighed(bars, {1: [0.0, 0.0]})
    traded = weighed(bars, {1: [0.5, 0.5]})
    for name in ("orders", "fills", "events", "trades"):
        empty, full = getattr(result, name), getattr(traded, name)
        assert empty.height == 0
        assert empty.schema == full.schema, name
    np.testing.assert_array_equal(result.equity.values, np.full((3, 1), 1e6))
    np.testing.assert_array_equal(result.exposure.values, np.zeros((3, 4)))
    np.testing.assert_array_equal(result.traded.values, np.zeros((3, 1)))
    np.testing.assert_array_equal(result.contribution.values, np.zeros((3, 3)))


@pytest.mark.parametrize("row", [0, 1, 2])
def test_returns_when_the_only_decision_is_at_any_bar(row):
    bars = bars_of([10.0, 10.0, 11.0])
    result = weighed(bars, {row: [0.5]})
    np.testing.assert_array_equal(result.returns.dates, bars.dates[row + 1 :])
    assert result.returns.shape == (2 - row, 1)


def test_only_empty_decisions_leave_cash():
    bars = bars_of([10.0, 10.0, 11.0])
    result = weighed(bars, {0: [NAN], 2: [NAN]})
    np.testing.assert_array_equal(result.equity.values, np.full((3, 1), 1e6))
    assert len(result.returns) == 0
    assert result.diagnostics["count"].to_list() == [2]


def test_one_bar():
    result = weighed(bars_of([10.0]), {0: [1.0]})
    assert result.orders["status"].to_list() == ["no_next_bar"]
    assert result.orders["filled"].to_list() == [None]
    assert result.orders["fill_price"].to_list() == [None]
    assert result.orders["filled_shares"].to_list() == [0.0]
    assert result.returns.shape == (0, 1)
    np.testing.assert_array_equal(result.positions.values, [[0.0]])


def test_a_stale_holding_weighs_its_last_close():
    bars = bars_of([[10.0, 10.0], [10.0, 10.0], [20.0, NAN], [20.0, 20.0]])
    result = weighed(bars, {0: [0.5, 0.5]}, account=Account(cash=100.0))
    np.testing.assert_allclose(result.weights.values[2], [100 / 150, 50 / 150], rtol=1e-15)
    np.testing.assert_array_equal(result.equity.values[:, 0], [100.0, 100.0, 150.0, 200.0])


def test_after_a_ruin_weights_are_unknown_and_positions_zero():
    bars = bars_of([[10.0, 10.0], [10.0, 10.0], [50.0, 10.0], [10.0, 10.0]])
    account = Account(cash=100.0, margin=NoMargin())
    result = weighed(bars, {0: [-1.0, 0.5]}, account=account)
    assert result.ruined == bars.dates[2]
    assert np.isnan(result.weights.values[2:]).all()
    assert np.isnan(result.exposure.values[2:]).all()
    assert np.isnan(result.margin.values[2:, 2]).all()
    np.testing.assert_array_equal(result.positions.values[2:], np.zeros((2, 2)))
    assert result.trades["status"].to_list() == ["liquidated", "liquidated"]
    assert result.trades["exit_kind"].to_list() == ["ruin", "ruin"]
    assert "ruined 2024-01-03" in repr(result)
    # Ten shorts fell from 10 to 50 of 100: the bar of the ruin has its return, later ones have none.
    np.testing.assert_allclose(result.returns.values[:, 0], [0.0, -4.0, NAN], rtol=1e-14)
    np.testing.assert_allclose(result.contribution.values[2], [-4.0, 0.0, 0.0], rtol=1e-14)
    assert np.isnan(result.contribution.values[3]).all()
    assert result.orders.filter(pl.col("kind") == "ruin")["reason"].unique().to_list() == [
        "closed by the ruin of the book"
    ]


def test_intraday_bars_pay_borrow_by_calendar_days():
    times = np.array(
        ["2024-01-05T15:00", "2024-01-05T20:00", "2024-01-08T15:00", "2024-01-08T20:00"], dtype="datetime64[us]"
    )
    bars = as_bars(Panel([[50.0]] * 4, times, ["A"]), adjusted="none")
    account, costs = Account(cash=5000.0, margin=NoMargin()), Costs(borrow=Borrow(0.03))
    result = weighed(bars, {0: [-1.0]}, costs=costs, account=account)
    np.testing.assert_allclose(result.charges["borrow"], [0.0, 0.0, 1.25, 0.0], rtol=1e-15)
    assert result.trades["entry"].dtype == pl.Datetime("us", "UTC")
    assert result.orders["filled"].to_list()[0] == result.charges["date"].to_list()[1]


LEVERED = Account(cash=100.0, margin=NoMargin())


def test_debit_counts_its_bars_and_names_the_lowest():
    bars = bars_of([10.0, 10.0, 10.0, 10.0, 10.0])
    found = weighed(bars, {0: [1.5], 1: [2.0], 3: [0.5]}, account=LEVERED).diagnostics
    row = found.row(0, named=True)
    assert (row["rule"], row["severity"], row["date"], row["count"]) == ("debit", "info", "2024-01-02", 3)
    assert "-100.00 (-100.00% of equity) on 2024-01-03" in row["detail"]


def test_a_debit_that_pays_interest_is_no_finding():
    account = replace(LEVERED, interest=Interest(debit=0.05))
    bars = bars_of([10.0] * 4)
    assert weighed(bars, {0: [1.5]}, account=account).diagnostics.height == 0
    free = weighed(bars, {0: [1.5]}, account=replace(LEVERED, interest=Interest(credit=0.05)))
    assert free.diagnostics["rule"].to_list() == ["debit"]


def test_short_proceeds_are_no_free_cash():
    bars = bars_of([[10.0, 10.0]] * 3)
    found = weighed(bars, {0: [1.5, -1.0]}, account=LEVERED).diagnostics
    assert found["rule"].to_list() == ["debit", "no_borrow_charged"]
    assert "lowest -50.00" in found["detail"][0]


def test_shorts_without_a_borrow_rate_are_told():
    bars = bars_of([10.0, 10.0, 10.0, 10.0])
    row = weighed(bars, {0: [-0.5], 2: [0.0]}).diagnostics.row(0, named=True)
    assert (row["rule"], row["severity"], row["date"], row["count"]) == ("no_borrow_charged", "info", "2024-01-02", 2)
    assert weighed(bars, {0: [-0.5]}, costs=Costs(borrow=Borrow(0.01))).diagnostics.height == 0
    table = pl.DataFrame({"symbol": ["A"], "date": [bars.dates[0].item()], "rate": [0.1], "available": [1e9]})
    # What is known and not charged is told once, and louder.
    found = weighed(replace(bars, borrow=table), {0: [-0.5]}).diagnostics
    assert found["rule"].to_list() == ["borrow_not_charged"]


def test_rounding_is_not_a_debit():
    bars = bars_of([[3.0, 7.0, 11.0]] * 4)
    rows = {0: [1 / 3, 1 / 3, 1 / 3], 1: [0.7, 0.2, 0.1], 2: [0.1, 0.2, 0.7]}
    costs = Costs(commission=Proportional(0.001), slippage=Bps(5))
    account = Account(cash=1000.0, lot=None)
    result = simulate(weights_of(bars, rows), bars, costs=costs, account=account, fill="next_close", strict=True)
    assert result.diagnostics.height == 0


def test_diagnostics_count_and_date_each_symbol():
    bars = bars_of([[10.0, 10.0], [10.0, NAN], [10.0, NAN], [10.0, 10.0], [10.0, 10.0]])
    found = weighed(bars, {0: [0.1, 0.1], 1: [0.1, 0.1], 2: [0.1, 0.1], 4: [0.5, 0.5]}).diagnostics
    rows = found.select("rule", "severity", "date", "symbol", "count").rows()
    # A dropped order is dated by the bar on which it met no price.
    assert rows == [
        ("skipped", "warning", "2024-01-02", "B", 2),
        ("missing_price", "warning", "2024-01-02", "B", 1),
        ("no_next_bar", "info", "2024-01-05", "A", 1),
        ("no_next_bar", "info", "2024-01-05", "B", 1),
    ]


def test_every_count_has_a_rule():
    """A count that no rule reads would be something hidden."""
    from quantlab.backtest import _diagnostics

    read = {row for row, *_ in _diagnostics._COUNTED} | {kt.COUNT_DEBIT, kt.COUNT_RUIN}
    assert read == set(range(kt.COUNTS))
    table = _diagnostics.__doc__
    for _, rule, severity, _ in _diagnostics._COUNTED:
        assert f"\n{rule} " in table, rule
        line = next(line for line in table.splitlines() if line.startswith(f"{rule} "))
        assert line.split()[1] == severity, rule


def test_every_finding_stands_in_the_table_of_rules():
    from quantlab.backtest import _diagnostics

    folder = Path(_diagnostics.__file__).parent
    text = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    made = set(re.findall(r'Finding\("([a-z_]+)", "([a-z]+)"', text)) | set(
        re.findall(r'"([a-z_]+)", "(info|warning|error)"', text)
    )
    assert len(made) > 25
    lines = [line.split() for line in _diagnostics.__doc__.splitlines()]
    told = {(words[0], words[1]) for words in lines if len(words) > 2 and words[1] in ("info", "warning", "error")}
    assert made == told


def test_every_status_and_kind_has_its_word():
    from quantlab.backtest import _records, _trades

    assert len(_records.FATES) == kt.LEAVING + 1
    assert len(_trades.KINDS) == kt.RUIN + 1
    assert len(_trades.ACTIONS) == kt.DELISTING + 1


def test_the_name_of_the_data_reaches_the_messages():
    bars = replace(bars_of([10.0, 11.0]), name="toy")
    assert repr(weighed(bars, {0: [1.0]})).startswith("Result of toy")
    with pytest.raises(InputError, match="toy has no open prices"):
        simulate(weights_of(bars, {0: [1.0]}), bars)


def test_both_engines_give_equal_tables(result):
    twin = simulate(result.decisions, result.bars, costs=result.costs, account=result.account, fill="next_close")
    for name in ("orders", "fills", "trades", "diagnostics", "charges"):
        mine, other = getattr(result, name), getattr(twin, name)
        assert mine.schema == other.schema
        for column in mine.columns:
            if mine.schema[column] == pl.Float64:
                # The kernel adds in another order: a few roundings of the money that moved.
                np.testing.assert_allclose(mine[column], other[column], rtol=1e-12, atol=1e-9)
            else:
                assert mine[column].to_list() == other[column].to_list(), column
