"""Corners of docs/engine.md that no other case reaches: what only two things at once, or an exact number, bring about.

Each case runs through both engines; its arithmetic stands in its docstring.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from quantlab.backtest import _engine
from quantlab.backtest import _trade_kernels as tk
from quantlab.backtest._engine import kernel_run
from quantlab.backtest._reference import run as reference_run
from quantlab.backtest._run import Inputs, Run
from quantlab.backtest._trades import walked
from quantlab.execution import _kernel_types as kt

from ._random_inputs import demand_equal_runs, make_inputs, margin_row, random_inputs

NAN = math.nan
Engine = Callable[[Inputs], Run]


@pytest.fixture(params=["reference", "kernel"])
def engine(request) -> Engine:
    return reference_run if request.param == "reference" else lambda inputs: kernel_run(inputs, keep=True)


def fills(run: Run) -> list[tuple[int, int, float, float]]:
    """Bar, asset, units, price of each fill."""
    rows = zip(run.records.fills.tolist(), run.records.paid.tolist(), strict=True)
    return [(t, i, paid[0], paid[2]) for (_, t, i), paid in rows]


def order(units: float, placed: int = 0, asset: int = 0, **terms: Any) -> dict[str, Any]:
    return {"placed": placed, "asset": asset, "units": units} | terms


def last_units(run: Run) -> list[float]:
    return run.records.units[-1].tolist()


# Margin calls and buy-ins.


def test_a_call_closes_no_more_than_an_order_at_the_open_has_left(engine):
    """Equity 1,000 of 1,500 cuts 100 by 33.3 to whole 34; 80 are sold at the open, so 20 of the 34 are filled."""
    close = [[100.0], [100.0], [60.0], [60.0]]
    sale = order(-80, placed=2, type=kt.MARKET_OPEN)
    given = {"open": close, "margin_model": kt.REG_T, "lot": 1.0, "cash": 5000.0}
    run = engine(make_inputs(close, **given, tickets=[order(100), sale]))
    assert fills(run) == [(1, 0, 100, 100), (3, 0, -80, 60), (3, 0, -20, 60)]
    assert run.records.orders[2].tolist() == [2, 0, kt.MARGIN_CALL, kt.FILLED, 0]
    assert run.records.asked[2, 0] == -34
    assert last_units(run) == [0]


def test_a_call_of_a_name_that_was_turned_since_is_dropped(engine):
    """Each sale of 60 closes a part of 100, so the call of 34 cancels neither; both make it -20: nothing to close."""
    close = [[100.0], [100.0], [60.0], [60.0]]
    sales = [order(-60, placed=2, type=kt.MARKET_OPEN)] * 2
    given = {"open": close, "margin_model": kt.REG_T, "lot": 1.0, "cash": 5000.0}
    run = engine(make_inputs(close, **given, tickets=[order(100), *sales]))
    assert fills(run)[1:] == [(3, 0, -60, 60), (3, 0, -60, 60)]
    assert run.records.orders[-1].tolist() == [2, 0, kt.MARGIN_CALL, kt.CLOSED, 0]
    assert last_units(run) == [-20]


def test_a_call_leaves_of_an_order_that_turns_a_name_what_closes_it(engine):
    """A's 10 - 30 waits for volume when B is called: equity 1,000 of 0.25 * 5,000 sells 20 of B, and A ends at 0."""
    close = [[10.0, 100.0], [10.0, 100.0], [10.0, 50.0], [10.0, 50.0]]
    volume = [[1000.0, 1000.0], [1000.0, 1000.0], [0.0, 1000.0], [1000.0, 1000.0]]
    given = {"margin_model": kt.REG_T, "lot": 1.0, "cash": 6000.0, "mode": kt.SHARES}
    given |= {"volume": volume, "participation": 1.0, "carry": 5}
    run = engine(make_inputs(close, {0: [10.0, 100.0], 1: [-30.0, NAN]}, **given))
    assert run.records.units.tolist() == [[0, 0], [10, 100], [10, 100], [0, 80]]
    assert fills(run)[2:] == [(3, 0, -10, 10), (3, 1, -20, 50)]
    assert run.records.asked[2:, 0].tolist() == [-30, -20]


def test_a_call_of_whole_lots_is_not_rounded_up_by_one(engine):
    """Equity 700 of 0.25 * 4,000: 100 * (1 - 0.7) is 30.000000000000004 in floating point, and 30 are sold."""
    close = [[100.0], [100.0], [40.0], [40.0]]
    run = engine(make_inputs(close, margin_model=kt.REG_T, lot=1.0, cash=6700.0, tickets=[order(100)]))
    assert fills(run)[1:] == [(3, 0, -30, 40)]


def test_a_buy_in_of_whole_lots_is_not_rounded_up_by_one(engine):
    """10 lots of 0.1 are short and 0.6 / 0.1 = 5.999999999999999 lots can be borrowed: 4 are bought, not 5."""
    available = [[100.0], [100.0], [0.6], [0.6]]
    run = engine(make_inputs([[10.0]] * 4, available=available, recall=1, lot=0.1, tickets=[order(-10)]))
    assert run.records.units[:, 0].tolist() == [0, -10, -10, -6]


def test_a_call_leaves_orders_that_only_reduce(engine):
    """The call sells 34 of 100 at 60; the order to sell up to 150 at 90 closes the other 66."""
    close = [[100.0], [100.0], [60.0], [60.0], [60.0]]
    high = [[100.0], [100.0], [60.0], [60.0], [95.0]]
    sale = order(-150, placed=1, type=kt.LIMIT, limit=90.0, reduce_only=1)
    given = {"open": close, "high": high, "low": close, "margin_model": kt.REG_T, "lot": 1.0, "cash": 5000.0}
    run = engine(make_inputs(close, **given, tickets=[order(100), sale]))
    assert fills(run) == [(1, 0, 100, 100), (3, 0, -34, 60), (4, 0, -66, 90)]
    assert run.records.orders[:, 3].tolist() == [kt.FILLED] * 3


@pytest.mark.parametrize(("cash", "price", "called"), [(5500.0, 60.0, 0), (5194.75, 64.07, 0), (5500.0, 59.99, 1)])
def test_a_requirement_that_equals_the_equity_is_met(engine, cash, price, called):
    """5,500 - 10,000 + 6,000 is 0.25 * 6,000; 1,601.75 equals but for rounding; 1,499 is less than 1,499.75."""
    close = [[100.0], [100.0], [price], [price]]
    run = engine(make_inputs(close, margin_model=kt.REG_T, cash=cash, tickets=[order(100)]))
    assert run.counts[kt.COUNT_MARGIN_CALL, 0] == called


@pytest.mark.parametrize(("price", "needed"), [(5.0, 200.0), (4.99, 499.0)])
def test_a_short_at_the_low_price_itself_is_not_low(engine, price, needed):
    """100 short: 2 a share from 5.00 on, max(2.50 a share, the whole value) below."""
    given = {"margin_model": kt.REG_T, "margin": margin_row(high_per_share=2.0), "cash": 1e5}
    run = engine(make_inputs([[price]] * 2, **given, tickets=[order(-100)]))
    np.testing.assert_allclose(run.tape[1, kt.REQUIREMENT], needed, rtol=1e-14)


# What may be opened.


def test_the_concentrated_scenario_limits_targets(engine):
    """0.5 * 3 + 0.02 * 1 = 1.52 of equity, more than 0.05 * 4: targets of 300 % and 100 % are divided by 1.52."""
    row = margin_row(maintenance_long=0.05, maintenance_short=0.05, concentrated=0.5, concentrated_rest=0.02, largest=1)
    given = {"margin_model": kt.PORTFOLIO, "margin": row}
    run = engine(make_inputs([[10.0, 10.0]] * 2, {0: [3.0, 1.0]}, **given))
    np.testing.assert_allclose(last_units(run), [30 / 1.52, 10 / 1.52], rtol=1e-12)


def test_the_concentrated_scenario_of_what_cannot_trade_takes_room(engine):
    """A keeps 0.5 * 100 % of the equity, not 0.05 * 100 %: B's 0.5 * 200 % is halved to 100 %."""
    row = margin_row(maintenance_long=0.05, maintenance_short=0.05, concentrated=0.5, concentrated_rest=0.02, largest=1)
    close = [[10.0, 10.0], [10.0, 10.0], [NAN, 10.0], [10.0, 10.0]]
    given = {"margin_model": kt.PORTFOLIO, "margin": row}
    run = engine(make_inputs(close, {0: [1.0, 0.0], 2: [1.0, 2.0]}, **given))
    np.testing.assert_allclose(last_units(run), [10, 10], rtol=1e-12)


def test_a_short_beyond_the_supply_may_be_turned_over(engine):
    """5 are short and 3 can be borrowed now: beside a purchase of 4, a sale of 4 goes back to the 5 that were there."""
    tickets = [order(-5), order(4, placed=1), order(-4, placed=1)]
    run = engine(make_inputs([[10.0]] * 3, available=[[5.0], [3.0], [3.0]], lot=1.0, tickets=tickets))
    assert [fill[2] for fill in fills(run)] == [-5, 4, -4]
    assert run.counts[kt.COUNT_UNBORROWABLE, 0] == 0


def test_the_minimum_equity_itself_may_borrow(engine):
    """Equity 200 of 200: 0.5 * (150 % + 50 %) is all of it, so 30 and -10 at 10 are held; an order sells 10 as well."""
    given = {"margin_model": kt.REG_T, "margin": margin_row(minimum_equity=200.0), "cash": 200.0}
    run = engine(make_inputs([[10.0, 10.0]] * 2, {0: [1.5, -0.5]}, **given))
    np.testing.assert_allclose(last_units(run), [30, -10], rtol=1e-12)
    assert last_units(engine(make_inputs([[10.0]] * 2, **given, tickets=[order(-10)]))) == [-10]


def test_a_turnover_that_is_just_met_changes_nothing(engine):
    """0.03 + 0.24 is 0.27 to the bit; scaled by 0.27 / 0.27, 0.24 would be 0.23999999999999996."""
    run = engine(make_inputs([[1.0, 1.0]] * 2, {0: [0.03, 0.24]}, cash=1.0, turnover=0.03 + 0.24))
    assert last_units(run) == [0.03, 0.24]


def test_fill_or_kill_asks_for_no_more_room_than_what_closes(engine):
    """500 are asked, 50 held, and the room is 100: 50 are filled."""
    sale = order(-500, placed=1, tif=kt.FILL_OR_KILL, reduce_only=1)
    given = {"volume": [[100.0]], "participation": 1.0, "lot": 1.0, "cash": 1000.0}
    run = engine(make_inputs([[10.0]] * 3, **given, tickets=[order(50), sale]))
    assert fills(run) == [(1, 0, 50, 10), (2, 0, -50, 10)]
    assert run.records.orders[:, 3].tolist() == [kt.FILLED] * 2
    assert run.counts[kt.COUNT_CAPPED, 0] == 0


# Ruin.


def test_costs_at_the_same_close_are_ruin_on_that_bar(engine):
    """100 less a commission of 150 is -50 on bar 0; the share bought there is closed at its price."""
    fee = [[0.0, 150.0, 0.0, 0.0, 0.0, math.inf, math.inf]]
    run = engine(make_inputs([[10.0], [90.0]], {0: [1.0]}, at=kt.SAME_CLOSE, mode=kt.SHARES, commission=fee))
    assert run.ruined == 0
    assert run.tape[:, kt.EQUITY].tolist() == [-50, -50]
    assert fills(run) == [(0, 0, 1, 10), (0, 0, -1, 10)]
    assert run.records.units.tolist() == [[0], [0]]
    assert run.tape[0, [kt.CASH, kt.LONG]].tolist() == [-50, 0]


def test_an_owed_dividend_alone_can_be_ruin_at_the_open(engine):
    """The cover leaves 150 of cash, 50 of it owed; 15 B at 10 take it all, and at an open of 3 45 - 50 = -5 is left."""
    close = [[10.0, 10.0], [10.0, 10.0], [5.0, 10.0], [5.0, 10.0], [5.0, 10.0], [5.0, 10.0]]
    opens = [[10.0, 10.0], [10.0, 10.0], [5.0, 10.0], [5.0, 10.0], [5.0, 3.0], [5.0, 10.0]]
    actions = [(2, kt.DIVIDEND, 0, -1, 5.0, 6)]
    tickets = [order(-10), order(10, placed=1), order(15, placed=2, asset=1)]
    run = engine(make_inputs(close, open=opens, actions=actions, tickets=tickets))
    assert run.tape[3, [kt.CASH, kt.RECEIVABLE, kt.SHORT]].tolist() == [0, -50, 0]
    assert run.ruined == 4
    assert run.tape[:, kt.EQUITY].tolist() == [100, 100, 100, 100, -5, -5]
    assert fills(run)[-1] == (4, 1, -15, 3)


# Exits on a bar with one of high and low.


@pytest.mark.parametrize("missing", ["high", "low"])
@pytest.mark.parametrize("side", [1, -1])
def test_a_bar_with_half_a_range_shows_its_close_to_exits(engine, side, missing):
    """A close of 120 trails to 0.9 * 120 = 108, of 80 to 1.1 * 80 = 88; a range to 130 or 70 is no target nor peak."""
    bar, after = ([100, 130, 99, 120], [115, 116, 107, 110]) if side > 0 else ([100, 101, 70, 80], [85, 93, 84, 90])
    table = np.array([[100.0] * 4, [100.0] * 4, bar, after])
    table[2, 1 if missing == "high" else 2] = NAN
    given = {name: table[:, [k]] for k, name in enumerate(("open", "high", "low", "close"))}
    run = engine(make_inputs(**given, trailing=0.1, take_profit=0.25, tickets=[order(side)]))
    np.testing.assert_allclose(fills(run)[1:], [(3, 0, -side, 108 if side > 0 else 88)], rtol=1e-14)
    assert run.records.orders[1].tolist() == [3, 0, kt.TRAILING, kt.FILLED, 0]


@pytest.mark.parametrize(("high", "low"), [(101.0, NAN), (NAN, 80.0)])
def test_a_bar_with_half_a_range_is_left_at_the_next_price(engine, high, low):
    """The close of 89 is below 0.9 * 100; without both high and low the way out is the next close, 100."""
    table = np.array([[100.0] * 4, [100.0] * 4, [100, high, low, 89], [100.0] * 4])
    given = {name: table[:, [k]] for k, name in enumerate(("open", "high", "low", "close"))}
    run = engine(make_inputs(**given, stop_loss=0.1, tickets=[order(1)]))
    assert fills(run)[1:] == [(3, 0, -1, 100)]
    assert run.records.orders[1].tolist() == [2, 0, kt.STOP_LOSS, kt.FILLED, 0]


# Rounding.


@pytest.mark.parametrize(("held", "ratio", "new"), [(3, 1 / 3, 1), (49, 1 / 49, 1), (100, 1.15, 115)])
def test_a_split_into_whole_shares_loses_none(engine, held, ratio, new):
    """3 / 3 = 1; 49 * (1 / 49) is 0.9999999999999999 and 100 * 1.15 is 114.99999999999999 in floating point."""
    close = [[100.0], [100.0], [100.0 / ratio]]
    given = {"lot": 1.0, "cash": 1e4, "actions": [(2, kt.SPLIT, 0, -1, ratio, 2)]}
    waiting = order(held, placed=1)
    run = engine(make_inputs(close, **given, tickets=[order(held), waiting]))
    # The order that waits is restated alike, and filled after the split.
    assert run.records.units[:, 0].tolist() == [0, held, 2 * new]
    np.testing.assert_allclose(run.tape[:, kt.EQUITY], 1e4, rtol=1e-13)


@pytest.mark.parametrize("currency", [0, 1])
def test_dealers_do_not_round_up_what_is_whole(engine, currency):
    """1.02 * 50.00000000000001 is 51.00000000000001: charged is 100 * 51 * 0.36 / 360 = 5.1, not 5.2, a night."""
    mark = math.nextafter(50.0, 60.0)
    given = {"rate": [[0.36]], "dealer": 1, "lot": 1.0, "cash": 1e4}
    given |= {"fx": [[1.0] * (currency + 1)], "currency": [currency]}
    run = engine(make_inputs([[mark]] * 3, **given, tickets=[order(-100)]))
    np.testing.assert_allclose(run.tape[:, kt.BORROW], [0, 0, 5.1], rtol=1e-13)


@pytest.mark.parametrize(("rest", "closed"), [(1e-13, True), (1e-9, False)])
def test_a_trade_of_fractions_is_closed_up_to_rounding(engine, rest, closed):
    """Of 1 all but 1e-13, a hundredth of 1e-11, is sold: closed on bar 2. All but 1e-9 is a trade that is open."""
    inputs = make_inputs([[10.0]] * 4, tickets=[order(1), order(rest - 1.0, placed=1)])
    labels, _ = walked(inputs, engine(inputs).records, 3)
    assert labels[:, tk.EXIT].tolist() == [2 if closed else -1]


# The log of the compiled engine.


def busy_inputs() -> Inputs:
    """Twenty names over thirty bars: on each 20 decisions, 7 orders by hand and up to 20 exits, on six 20 splits."""
    rng = np.random.default_rng(5)
    bars, assets = 30, 20
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.04, (bars, assets)), axis=0))
    decisions = {t: rng.uniform(-0.1, 0.1, assets) for t in range(bars)}
    actions = [(t, kt.SPLIT, i, -1, 2.0, t) for t in range(3, bars, 5) for i in range(assets)]
    tickets = [order(rng.integers(-9, 10) or 1, placed=t, asset=i) for t in range(bars) for i in range(0, assets, 3)]
    given = {"open": close, "high": close * 1.02, "low": close * 0.98, "lot": 1.0, "cash": 1e5}
    given |= {"stop_loss": 0.05, "take_profit": 0.05, "actions": actions, "tickets": tickets}
    return make_inputs(close, decisions, **given)


def crowded_inputs() -> Inputs:
    """One name: 40 orders placed and filled on bar 0, 60 fills of a share, 40 limits that wait for the last bar."""
    close = np.full((60, 1), 10.0)
    high = close.copy()
    high[-1] = 20.0
    tickets = [order(3), order(-1, type=kt.LIMIT, limit=15.0)] * 40
    given = {"open": close, "high": high, "low": close, "at": kt.SAME_CLOSE, "mode": kt.SHARES, "lot": 1.0}
    return make_inputs(close, {t: [1.0] for t in range(60)}, **given, cash=1e4, tickets=tickets)


@pytest.mark.parametrize("scarce", [("orders", "asked"), ("fills", "paid"), ("events", "moved")], ids=lambda t: t[0])
@pytest.mark.parametrize("book", [busy_inputs, crowded_inputs, *range(12)])
def test_a_log_that_grows_by_single_rows_holds_the_same(monkeypatch, book, scarce):
    """From 0 rows, 1 more whenever the next bar might not fit: every record is that of a log with space for all."""
    inputs = random_inputs(book) if isinstance(book, int) else book()
    roomy, tables = kernel_run(inputs, keep=True), ("orders", "asked", "fills", "paid", "events", "moved")
    new_log = _engine.new_log

    def with_rows(log: kt.Log, name: str, rows: int) -> np.ndarray:
        old = getattr(log, name)
        table = np.zeros((rows, old.shape[1]), dtype=old.dtype)
        table[: len(old)] = old[:rows]
        return table

    def tight(inputs: Inputs, keep: bool) -> kt.Log:
        log = new_log(inputs, keep)
        return log._replace(**{name: with_rows(log, name, 0 if name in scarce else 20_000) for name in tables})

    def longer(log: kt.Log, _: Inputs) -> kt.Log:
        return log._replace(**{name: with_rows(log, name, len(getattr(log, name)) + 1) for name in scarce})

    monkeypatch.setattr(_engine, "new_log", tight)
    monkeypatch.setattr(_engine, "grown", longer)
    run = kernel_run(inputs, keep=True)
    for name in (*tables, "units", "marks", "borrow"):
        np.testing.assert_array_equal(getattr(run.records, name), getattr(roomy.records, name), err_msg=name)
    np.testing.assert_array_equal(run.tape, roomy.tape)
    demand_equal_runs(run, reference_run(inputs), inputs)
