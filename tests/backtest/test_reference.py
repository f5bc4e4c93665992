"""Each section of docs/engine.md on cases small enough for paper, and the identities of accounting over random books.

Every case runs through both engines: the plain one states the page, the compiled one must agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from quantlab.backtest._reference import run as reference_run
from quantlab.backtest._run import Inputs, Run
from quantlab.execution import _kernel_types as kt

from ._random_inputs import COLUMN_NAMES, demand_equal_runs, make_inputs, margin_row, random_inputs, simple_inputs

NAN, INF = math.nan, math.inf
Engine = Callable[[Inputs], Run]


@pytest.fixture(params=["reference", "kernel"])
def engine(request) -> Engine:
    if request.param == "reference":
        return reference_run
    from quantlab.backtest._engine import kernel_run

    return lambda inputs: kernel_run(inputs, keep=True)


def column(run: Run, name: str) -> list[float]:
    return run.tape[:, COLUMN_NAMES.index(name)].tolist()


def fills(run: Run) -> list[tuple[int, int, float, float]]:
    """Bar, asset, units, price of each fill."""
    return [
        (t, i, paid[0], paid[2]) for (_, t, i), paid in zip(run.records.fills.tolist(), run.records.paid, strict=True)
    ]


def statuses(run: Run) -> list[int]:
    return run.records.orders[:, 3].tolist()


def order(units: float, placed: int = 0, asset: int = 0, **terms: Any) -> dict[str, Any]:
    return {"placed": placed, "asset": asset, "units": units} | terms


# Section 1: financing.


def test_borrow_over_a_weekend_is_three_days_of_the_last_mark(engine):
    given = {"close": [[50.0]] * 4, "days": [0, 1, 3, 0], "rate": [[0.03]], "lot": 1.0, "cash": 10_000.0}
    run = engine(make_inputs(**given, tickets=[order(-100)]))
    # 5,000 * 0.03 * 3 / 360; nothing on the day of the fill, nothing within a session.
    np.testing.assert_allclose(column(run, "borrow"), [0, 0, 1.25, 0], rtol=1e-14)
    np.testing.assert_allclose(run.records.borrow[:, 0], [0, 0, 1.25, 0], rtol=1e-14)
    np.testing.assert_allclose(column(run, "equity"), [10_000, 10_000, 9_998.75, 9_998.75], rtol=1e-14)


@pytest.mark.parametrize(("mark", "charged_on"), [(49.5, 51), (50.0, 51), (50.1, 52), (0.5, 1)])
def test_dealers_charge_on_102_percent_rounded_up(engine, mark, charged_on):
    # 1.02 * 50 is 51 exactly; 1.02 * 50.1 = 51.102.
    given = {"close": [[mark]] * 3, "days": [0, 1, 3], "rate": [[0.03]], "lot": 1.0, "cash": 10_000.0}
    run = engine(make_inputs(**given, dealer=1, tickets=[order(-100)]))
    np.testing.assert_allclose(column(run, "borrow")[2], 100 * charged_on * 0.03 * 3 / 360, rtol=1e-14)


def test_the_rate_is_that_of_the_close_before_and_the_fx_that_of_the_bar(engine):
    run = engine(
        make_inputs(
            [[10.0]] * 4,
            rate=[[9.0], [0.36], [0.72], [9.0]],
            fx=[[1.0, 9.0], [1.0, 2.0], [1.0, 3.0], [1.0, 9.0]],
            currency=[1],
            cash=1000.0,
            tickets=[order(-10)],
        )
    )
    # 100 * 0.36 / 360 = 0.1 of the currency at 3 each, 100 * 0.72 / 360 = 0.2 at 9 each.
    np.testing.assert_allclose(column(run, "borrow"), [0, 0, 0.3, 1.8], rtol=1e-13)


def test_a_missing_rate_charges_nothing_and_is_counted(engine):
    run = engine(make_inputs([[10.0]] * 3, rate=[[NAN]], cash=1000.0, tickets=[order(-10)]))
    assert column(run, "borrow") == [0, 0, 0]
    assert run.counts[kt.COUNT_NO_BORROW_RATE, 0] == 1
    assert run.firsts[kt.COUNT_NO_BORROW_RATE, 0] == 2


def test_debit_of_5000_at_6_percent_for_30_days_costs_25(engine):
    run = engine(make_inputs([[100.0]] * 3, debit=0.06, days=[0, 1, 30], cash=5000.0, tickets=[order(100)]))
    np.testing.assert_allclose(column(run, "debit_interest"), [0, 0, 25.0], rtol=1e-14)
    assert column(run, "credit_interest") == [0, 0, 0]


def test_interest_bands_are_marginal_and_short_proceeds_stand_apart(engine):
    bands = np.zeros((1, 1, 3, 2))
    bands[0, 0] = [[0.06, 0.05], [0.02, 0.03], [0.01, 0.04]]
    thresholds = np.array([[[0.0, 100.0], [0.0, 50.0], [0.0, 20.0]]])
    given = {"interest": bands, "thresholds": thresholds, "days": [0, 0, 360]}
    run = engine(make_inputs([[10.0]] * 3, **given, tickets=[order(30)]))
    # 100 - 300 = -200: 100 at 6 %, 100 at 5 %.
    np.testing.assert_allclose(column(run, "debit_interest")[2], 11.0, rtol=1e-13)
    run = engine(make_inputs([[10.0]] * 3, **given, tickets=[order(-5)]))
    # Cash 150 less shorts 50 is 100 free: 50 at 2 %, 50 at 3 %. Proceeds of 50: 20 at 1 %, 30 at 4 %.
    np.testing.assert_allclose(column(run, "credit_interest")[2], 2.5, rtol=1e-13)
    np.testing.assert_allclose(column(run, "short_interest")[2], 1.4, rtol=1e-13)
    np.testing.assert_allclose(column(run, "equity")[2], 103.9, rtol=1e-13)


# Section 2: actions.


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("ratio", "shares", "cash_in_lieu"), [(3.0, 300, 0.0), (1 / 7, 14, 140.0)])
def test_a_split_leaves_equity_and_pays_the_rest_at_market(engine, side, ratio, shares, cash_in_lieu):
    close = [[70.0], [70.0], [70.0 / ratio]]
    actions = [(2, kt.SPLIT, 0, -1, ratio, 2)]
    run = engine(make_inputs(close, lot=1.0, cash=10_000.0, actions=actions, tickets=[order(side * 100)]))
    np.testing.assert_allclose(column(run, "equity"), 10_000.0, rtol=1e-13)
    assert run.records.units[2, 0] == side * shares
    np.testing.assert_allclose(
        run.records.moved[0], [side * (shares - 100), 70 / ratio, side * cash_in_lieu], atol=1e-9
    )


def test_a_split_rescales_waiting_orders_and_their_prices(engine):
    ohl = {"open": [[8.0], [8.0], [4.0], [4.0]], "high": [[8.0], [8.0], [4.0], [4.0]]}
    ohl["low"] = [[8.0], [8.0], [4.0], [2.9]]
    run = engine(
        make_inputs(
            [[8.0], [8.0], [4.0], [3.0]],
            **ohl,
            at=kt.AT_OPEN,
            reference=ohl["open"],
            lot=1.0,
            actions=[(2, kt.SPLIT, 0, -1, 2.0, 2)],
            tickets=[order(5, type=kt.LIMIT, limit=6.0), order(3, placed=1)],
        )
    )
    # The limit of 6 for 5 becomes 3 for 10, and is met on bar 3; 3 at market become 6 on bar 2.
    assert fills(run) == [(2, 0, 6.0, 4.0), (3, 0, 10.0, 3.0)]


@pytest.mark.parametrize("side", [1, -1])
def test_a_dividend_is_a_claim_from_the_ex_date_and_cash_on_the_pay_date(engine, side):
    close = [[50.0], [50.0], [49.0], [49.0], [49.0]]
    actions = [(2, kt.DIVIDEND, 0, -1, 1.0, 4)]
    tickets = [order(side * 100), order(-side * 100, placed=2)]
    run = engine(make_inputs(close, cash=5000.0, actions=actions, tickets=tickets))
    # The position is closed on bar 3; the claim stays and is paid on bar 4.
    assert column(run, "equity") == [5000.0] * 5
    assert column(run, "receivable") == [0, 0, side * 100, side * 100, 0]
    assert column(run, "dividends") == [0, 0, side * 100, 0, 0]
    assert column(run, "cash")[4] == 5000.0


def test_delisting_at_minus_30_percent_leaves_675(engine):
    close = [[10.0, 10.0], [10.0, 10.0], [10.0, 5.0], [10.0, NAN], [10.0, NAN]]
    run = engine(
        make_inputs(
            close,
            {0: [0.5, 0.5], 3: [1.0, 0.5]},
            cash=1000.0,
            lot=1.0,
            actions=[(3, kt.DELISTING, 1, -1, -0.3, 3)],
        )
    )
    # 50 a at 10, 50 b at 5 * 0.7; all of it goes into a: 67 at 10.
    np.testing.assert_allclose(column(run, "equity"), [1000, 1000, 750, 675, 675], rtol=1e-13)
    assert run.records.units[4].tolist() == [67, 0]
    assert run.counts[kt.COUNT_DELISTED].tolist() == [0, 1, 0]
    # A dead asset with a weight is passed over, and that is said.
    last = sorted(run.records.orders[-2:, :4].tolist())
    assert last == [[3, 0, kt.REBALANCE, kt.FILLED], [3, 1, kt.REBALANCE, kt.SKIPPED]]


def test_a_conversion_moves_the_position_and_cancels_orders(engine):
    close = [[30.0, NAN], [30.0, NAN], [NAN, 100.0], [NAN, 100.0]]
    run = engine(
        make_inputs(
            close,
            cash=10_000.0,
            lot=1.0,
            actions=[(2, kt.CONVERSION, 0, 1, 0.3, 2)],
            tickets=[order(105), order(5, placed=1)],
        )
    )
    # 105 * 0.3 = 31.5: 31 of the new one at 30 / 0.3, and half a share in cash.
    assert run.records.units[2].tolist() == [0, 31]
    np.testing.assert_allclose(column(run, "equity"), 10_000.0, rtol=1e-13)
    np.testing.assert_allclose(run.records.moved, [[-105, 30, 50], [31, 100, 0]], rtol=1e-9)
    assert statuses(run) == [kt.FILLED, kt.DELISTED]


def test_a_spinoff_is_sold_at_once_at_the_stated_value(engine):
    actions = [(2, kt.SPINOFF, 0, -1, 0.2, 2)]
    run = engine(make_inputs([[50.0], [50.0], [NAN]], cash=5000.0, actions=actions, tickets=[order(100)]))
    assert column(run, "equity") == [5000.0] * 3
    np.testing.assert_allclose(run.tape[2, [kt.CASH, kt.LONG]], [1000, 4000], rtol=1e-14)


# Section 3: prices and costs.


def test_slippage_is_of_the_row_of_the_decision_and_has_a_ceiling(engine):
    given = {"spread": [[0.01], [0.5], [0.5], [0.5]], "cash": 10_000.0}
    assert fills(engine(make_inputs([[10.0]] * 4, **given, tickets=[order(1)]))) == [(1, 0, 1.0, 10.1)]
    assert fills(engine(make_inputs([[10.0]] * 4, **given, tickets=[order(-1)]))) == [(1, 0, -1.0, 9.9)]
    # An impact without a known volume is as bad as it gets.
    run = engine(make_inputs([[10.0]] * 3, impact=[[0.1]], cash=1000.0, tickets=[order(-1)]))
    np.testing.assert_allclose(fills(run), [(1, 0, -1, 0.001)], rtol=1e-9)


def test_250_of_a_volume_of_10000_with_quadratic_impact_pay_20_00125(engine):
    run = engine(
        make_inputs(
            [[20.0]] * 4,
            lot=1.0,
            cash=1e6,
            volume=[[10_000.0]],
            participation=0.025,
            impact=[[0.1]],
            adv=[[10_000.0]],
            power=2.0,
            tickets=[order(1000)],
        )
    )
    np.testing.assert_allclose(fills(run), [(1, 0, 250, 20.00125)], rtol=1e-14)
    assert statuses(run) == [kt.CAPPED]
    assert run.counts[kt.COUNT_CAPPED, 0] == 1


def test_two_orders_of_one_bar_share_one_cap(engine):
    given = {"lot": 1.0, "cash": 1e6, "volume": [[1000.0]], "participation": 0.1}
    run = engine(make_inputs([[20.0]] * 4, **given, tickets=[order(70), order(70)]))
    assert fills(run) == [(1, 0, 70.0, 20.0), (1, 0, 30.0, 20.0)]
    assert statuses(run) == [kt.FILLED, kt.CAPPED]


def test_fills_of_one_order_share_its_minimum(engine):
    run = engine(
        make_inputs(
            [[10.0]] * 5,
            {0: [500.0]},
            mode=kt.SHARES,
            lot=1.0,
            cash=1e6,
            volume=[[1.0], [230.0], [170.0], [100.0], [9.0]],
            participation=1.0,
            carry=2,
            commission=[[0.0, 0.0, 0.0075, 0.0, 2.5, INF, INF]],
        )
    )
    assert run.records.paid[:, 0].tolist() == [230, 170, 100]
    # 230 * 0.0075 = 1.725 is below the minimum; 3.00 and 3.75 after the next fills.
    np.testing.assert_allclose(run.records.paid[:, 3], [2.5, 0.5, 0.75], rtol=1e-12)
    assert statuses(run) == [kt.FILLED]


def test_a_rest_lives_for_carry_bars(engine):
    given = {"mode": kt.SHARES, "lot": 1.0, "cash": 1e6, "volume": [[100.0]], "participation": 1.0}
    run = engine(make_inputs([[10.0]] * 6, {0: [500.0]}, **given, carry=1))
    assert [fill[:3] for fill in fills(run)] == [(1, 0, 100.0), (2, 0, 100.0)]
    assert statuses(run) == [kt.CAPPED]


def test_commission_tiers_follow_the_shares_of_the_month(engine):
    tiers = [[0.0, 0.0, 0.02, 0.0, 0.0, INF, INF], [100.0, 0.0, 0.01, 0.0, 0.0, INF, INF]]
    run = engine(
        make_inputs(
            [[10.0]] * 5,
            month=[0, 0, 0, 1, 1],
            cash=1e6,
            commission=tiers,
            tickets=[order(100), order(100, placed=1), order(100, placed=2), order(100, placed=3)],
        )
    )
    np.testing.assert_allclose(run.records.paid[:, 3], [2.0, 1.0, 2.0, 1.0], rtol=1e-14)


@pytest.mark.parametrize(("shares", "price", "fee"), [(100, 25.0, 1.0), (1000, 25.0, 5.0), (1000, 0.25, 2.5)])
def test_the_maximum_of_one_percent_wins_over_the_minimum(engine, shares, price, fee):
    schedule = [[0.0, 0.0, 0.005, 0.0, 1.0, 0.01, INF]]
    run = engine(make_inputs([[price]] * 3, cash=1e6, commission=schedule, tickets=[order(shares)]))
    np.testing.assert_allclose(column(run, "commission"), [0, fee, 0], rtol=1e-14)


def test_fees_fall_on_sales_and_per_share_on_all(engine):
    table = [[0.001, 0.01, 0.5, 0.002]]
    run = engine(make_inputs([[10.0]] * 4, cash=1e6, fees=table, tickets=[order(100), order(-100, placed=1)]))
    # Bought: 100 * 0.002. Sold: 1000 * 0.001 + min(100 * 0.01, 0.5) + 100 * 0.002.
    np.testing.assert_allclose(column(run, "fees"), [0, 0.2, 1.7, 0], rtol=1e-13)


@pytest.mark.parametrize("lot", [0.1, 1.0])
def test_ten_buys_and_one_sale_end_exactly_flat(engine, lot):
    size = 1 if lot == 0.1 else 3
    buys = [order(size, placed=t) for t in range(10)]
    run = engine(make_inputs([[7.3]] * 12, lot=lot, cash=1000.0, tickets=[*buys, order(-10 * size, placed=10)]))
    assert run.records.units[10, 0] == 10 * size
    assert run.records.units[11, 0] == 0
    assert column(run, "long")[11] == 0


# Section 3: explicit orders. The bar before closes at 100.

INSIDE = [
    # type, units, prices, (open, high, low), expected price
    (kt.LIMIT, 1, {"limit": 95}, (94, 99, 93), 94),
    (kt.LIMIT, 1, {"limit": 95}, (98, 99, 95), 95),
    (kt.LIMIT, 1, {"limit": 95}, (98, 99, 95.5), None),
    (kt.LIMIT, -1, {"limit": 105}, (107, 108, 100), 107),
    (kt.LIMIT, -1, {"limit": 105}, (101, 105, 100), 105),
    (kt.LIMIT, -1, {"limit": 105}, (NAN, 106, 100), 105),
    (kt.LIMIT, -1, {"limit": 99}, (NAN, 106, 98), 100),  # a missing open counts as the last mark
    (kt.LIMIT, -1, {"limit": 99}, (101, NAN, 98), None),
    (kt.STOP, -1, {"stop": 95}, (80, 85, 75), 80),
    (kt.STOP, -1, {"stop": 95}, (100, 101, 95), 95),
    (kt.STOP, -1, {"stop": 95}, (100, 101, 96), None),
    (kt.STOP, 1, {"stop": 105}, (110, 112, 109), 110),
    (kt.STOP, 1, {"stop": 105}, (100, 106, 99), 105),
    (kt.STOP, 1, {"stop": 105}, (100, 105, 99), 105),
    (kt.STOP_LIMIT, 1, {"stop": 105, "limit": 106}, (100, 107, 99), 105),
    (kt.STOP_LIMIT, 1, {"stop": 105, "limit": 106}, (105.5, 107, 99), 105.5),
    (kt.STOP_LIMIT, 1, {"stop": 105, "limit": 106}, (108, 109, 105), 106),
    (kt.STOP_LIMIT, 1, {"stop": 105, "limit": 106}, (108, 109, 107), None),
    (kt.STOP_LIMIT, 1, {"stop": 105, "limit": 104}, (100, 107, 99), None),
    (kt.STOP_LIMIT, -1, {"stop": 95, "limit": 94}, (100, 101, 90), 95),
    (kt.TRAIL, -1, {"trail": 5.0}, (99, 103, 95), 95),
    (kt.TRAIL, -1, {"trail_fraction": 0.06}, (99, 103, 94), 94),
    (kt.TRAIL, -1, {"trail": 5.0}, (99, 103, 95.5), None),
    (kt.TRAIL, 1, {"trail": 5.0}, (106, 107, 105), 106),
    (kt.MARKET_OPEN, 1, {}, (97, 99, 95), 97),
    (kt.LIMIT_OPEN, 1, {"limit": 97}, (97, 99, 95), 97),
    (kt.LIMIT_OPEN, 1, {"limit": 96}, (97, 99, 95), None),
    (kt.LIMIT_OPEN, -1, {"limit": 96}, (97, 99, 95), 97),
    (kt.MARKET_CLOSE, 1, {}, (97, 110, 95), 98),
    (kt.LIMIT_CLOSE, 1, {"limit": 98}, (99, 110, 95), 98),
    (kt.LIMIT_CLOSE, 1, {"limit": 97.5}, (99, 110, 95), None),
    (kt.LIMIT_CLOSE, -1, {"limit": 97.5}, (99, 110, 95), 98),
]


def bars_of(*rows: tuple[float, float, float, float]) -> dict[str, Any]:
    """Open, high, low, close of one asset; the bar before all is 100 throughout."""
    table = np.array([(100.0, 100.0, 100.0, 100.0), *rows], dtype=float)
    return {name: table[:, [k]] for k, name in enumerate(("open", "high", "low", "close"))}


@pytest.mark.parametrize(("kind", "units", "prices", "bar", "expected"), INSIDE)
def test_where_an_explicit_order_fills(engine, kind, units, prices, bar, expected):
    run = engine(make_inputs(**bars_of((*bar, 98.0)), cash=10_000.0, tickets=[order(units, type=kind, **prices)]))
    assert fills(run) == ([] if expected is None else [(1, 0, units, expected)])


def test_stops_slip_and_limits_do_not(engine):
    tickets = [order(-1, type=kt.STOP, stop=95), order(-1, type=kt.LIMIT, limit=105)]
    bar = bars_of((100, 106, 94, 100))
    run = engine(make_inputs(**bar, spread=[[0.01]], cash=10_000.0, tickets=tickets))
    np.testing.assert_allclose(fills(run), [(1, 0, -1, 95 * 0.99), (1, 0, -1, 105)], rtol=1e-14)


def test_a_stop_limit_beyond_its_limit_waits_as_a_limit_order(engine):
    bars = bars_of((100, 107, 99, 100), (106, 108, 103, 104), (104, 104, 104, 104))
    ticket = order(1, type=kt.STOP_LIMIT, stop=105, limit=104)
    assert fills(engine(make_inputs(**bars, cash=10_000.0, tickets=[ticket]))) == [(2, 0, 1, 104)]


def test_a_trailing_stop_learns_after_the_test(engine):
    # Water 100, stop 95: low 96 holds; the high of 110 moves it to 105 for the next bar.
    bars = bars_of((100, 110, 96, 109), (108, 109, 104, 106))
    ticket = order(-1, type=kt.TRAIL, trail=5.0)
    assert fills(engine(make_inputs(**bars, cash=10_000.0, tickets=[ticket]))) == [(2, 0, -1, 105)]


def test_a_group_fills_the_stop_when_both_are_touched(engine):
    pair = [order(-1, type=kt.LIMIT, limit=105, group=1), order(-1, type=kt.STOP, stop=95, group=1)]
    for tickets in (pair, pair[::-1]):
        run = engine(make_inputs(**bars_of((100, 110, 90, 100)), cash=10_000.0, tickets=tickets))
        assert fills(run) == [(1, 0, -1, 95)]
        assert run.counts[kt.COUNT_AMBIGUOUS, 0] == 1
        assert sorted(statuses(run)) == [kt.FILLED, kt.GROUPED]


def test_a_group_fills_the_limit_that_the_open_meets(engine):
    pair = [order(-1, type=kt.STOP, stop=95, group=1), order(-1, type=kt.LIMIT, limit=105, group=1)]
    run = engine(make_inputs(**bars_of((106, 110, 90, 100)), cash=10_000.0, tickets=pair))
    assert fills(run) == [(1, 0, -1, 106)]
    assert run.counts[kt.COUNT_AMBIGUOUS, 0] == 0


def test_reduce_only_is_cut_to_the_position_and_cancelled_without_one(engine):
    bars = bars_of(*[(100, 100, 100, 100)] * 3)
    sale = {"type": kt.MARKET_CLOSE, "reduce_only": 1}
    tickets = [order(3), order(-5, placed=1, **sale), order(-5, placed=2, **sale)]
    run = engine(make_inputs(**bars, cash=10_000.0, lot=1.0, tickets=tickets))
    assert fills(run) == [(1, 0, 3, 100), (2, 0, -3, 100)]
    assert statuses(run) == [kt.FILLED, kt.FILLED, kt.CLOSED]


@pytest.mark.parametrize(
    ("tif", "until", "filled", "status"),
    [
        (kt.GOOD_TILL_CANCELLED, 0, True, kt.FILLED),
        (kt.DAY, 0, False, kt.EXPIRED),
        (kt.GOOD_TILL_DATE, 3, True, kt.FILLED),
        (kt.GOOD_TILL_DATE, 2, False, kt.EXPIRED),
        (kt.IMMEDIATE_OR_CANCEL, 0, False, kt.EXPIRED),
        (kt.FILL_OR_KILL, 0, False, kt.EXPIRED),
    ],
)
def test_how_long_an_order_lives(engine, tif, until, filled, status):
    bars = bars_of((100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 90, 100), (100, 100, 100, 100))
    ticket = order(1, type=kt.LIMIT, limit=95, tif=tif, until=until)
    run = engine(make_inputs(**bars, session=[0, 1, 1, 2, 3], cash=10_000.0, tickets=[ticket]))
    assert fills(run) == ([(3, 0, 1, 95)] if filled else [])
    assert statuses(run) == [status]


def test_a_day_order_lives_through_the_bars_of_its_session(engine):
    bars = bars_of((100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 90, 100))
    ticket = order(1, type=kt.LIMIT, limit=95, tif=kt.DAY)
    run = engine(make_inputs(**bars, session=[0, 1, 1, 1], days=[0, 1, 0, 0], cash=10_000.0, tickets=[ticket]))
    assert fills(run) == [(3, 0, 1, 95)]


@pytest.mark.parametrize(("tif", "units"), [(kt.IMMEDIATE_OR_CANCEL, [50.0]), (kt.FILL_OR_KILL, [])])
def test_what_volume_cuts_dies_as_capped(engine, tif, units):
    bars = bars_of((100, 100, 90, 100), (100, 100, 90, 100))
    ticket = order(80, type=kt.LIMIT, limit=95, tif=tif)
    run = engine(make_inputs(**bars, volume=[[100.0]], participation=0.5, cash=10_000.0, lot=1.0, tickets=[ticket]))
    assert [fill[2] for fill in fills(run)] == units
    assert statuses(run) == [kt.CAPPED]


def test_orders_without_a_price_or_a_next_bar(engine):
    close = [[10.0, 10.0], [10.0, NAN], [10.0, 10.0]]
    tickets = [order(1, asset=1), order(1, placed=2), order(1, asset=1, placed=1, type=kt.LIMIT, limit=1.0)]
    run = engine(make_inputs(close, {1: [0.1, 0.1]}, tickets=tickets))
    labels = sorted(map(tuple, run.records.orders[:, :4].tolist()))
    assert labels == [
        (0, 1, kt.ORDER, kt.MISSING_PRICE),
        (1, 0, kt.REBALANCE, kt.FILLED),
        (1, 1, kt.REBALANCE, kt.SKIPPED),
        (1, 1, kt.ORDER, kt.WORKING),
        (2, 0, kt.ORDER, kt.NO_NEXT_BAR),
    ]


# Section 3: exits. A long of 1 at 100 by the close of bar 1.

EXITS = [
    ({"stop_loss": 0.05}, (80, 85, 75), (80, kt.STOP_LOSS)),
    ({"stop_loss": 0.05}, (100, 101, 95), (95, kt.STOP_LOSS)),
    ({"stop_loss": 0.05}, (100, 101, 95.1), None),
    ({"take_profit": 0.05}, (107, 109, 100), (107, kt.TAKE_PROFIT)),
    ({"take_profit": 0.05}, (100, 105, 100), (105, kt.TAKE_PROFIT)),
    ({"stop_loss": 0.05, "take_profit": 0.05}, (100, 110, 90), (95, kt.STOP_LOSS)),
    ({"trailing": 0.05}, (100, 120, 95), (95, kt.TRAILING)),
    ({"trailing": 0.05, "stop_loss": 0.10}, (100, 120, 90), (95, kt.TRAILING)),
]


@pytest.mark.parametrize(("terms", "bar", "expected"), EXITS)
@pytest.mark.parametrize("side", [1, -1])
def test_where_an_exit_fills(engine, terms, bar, expected, side):
    first, high, low = bar if side > 0 else (200 - bar[0], 200 - bar[2], 200 - bar[1])
    bars = bars_of((100, 100, 100, 100), (first, high, low, 100))
    run = engine(make_inputs(**bars, **terms, cash=10_000.0, tickets=[order(side)]))
    assert len(fills(run)) == 1 + (expected is not None)
    if expected:
        price, kind = expected
        # The mirror of 100 + x is 100 - x, to rounding.
        np.testing.assert_allclose(fills(run)[1], (2, 0, -side, price if side > 0 else 200 - price), rtol=1e-14)
        assert run.records.orders[1].tolist() == [2, 0, kind, kt.FILLED, 0]
    assert run.counts[kt.COUNT_AMBIGUOUS, 0] == (terms == {"stop_loss": 0.05, "take_profit": 0.05})


def test_a_trailing_exit_follows_the_high_after_the_test(engine):
    bars = bars_of((100, 100, 100, 100), (100, 120, 96, 118), (118, 119, 110, 112))
    run = engine(make_inputs(**bars, trailing=0.05, cash=10_000.0, tickets=[order(1)]))
    np.testing.assert_allclose(fills(run)[1], (3, 0, -1, 114.0), rtol=1e-14)


@pytest.mark.parametrize(("entry_bar", "bar"), [(1, 1), (0, 2)])
def test_the_entry_bar_is_tested_when_asked_and_opened_at_the_open(engine, entry_bar, bar):
    bars = bars_of((100, 100, 90, 100), (100, 100, 90, 100))
    given = {"at": kt.AT_OPEN, "stop_loss": 0.05, "entry_bar": entry_bar, "cash": 10_000.0}
    assert fills(engine(make_inputs(**bars, **given, tickets=[order(1)])))[1] == (bar, 0, -1, 95)


def test_exits_without_a_range_wait_for_the_next_price_and_slip(engine):
    close = [[100.0], [100.0], [94.0], [90.0], [90.0]]
    run = engine(make_inputs(close, stop_loss=0.05, spread=[[0.01]], cash=10_000.0, tickets=[order(1)]))
    np.testing.assert_allclose(fills(run)[1], (3, 0, -1, 90 * 0.99), rtol=1e-14)
    assert run.records.orders[1].tolist() == [2, 0, kt.STOP_LOSS, kt.FILLED, 0]


def test_a_time_stop_closes_after_so_many_bars(engine):
    run = engine(make_inputs([[10.0]] * 6, time_stop=2, tickets=[order(1)]))
    # In on bar 1, two bars old at the close of bar 3, out on bar 4.
    assert [fill[0] for fill in fills(run)] == [1, 4]
    assert run.records.orders[1].tolist() == [3, 0, kt.TIME_STOP, kt.FILLED, 0]


@pytest.mark.parametrize(("reentry", "bars_in"), [(0, [1, 4]), (1, [1, 6])])
def test_reentry_may_wait_until_the_target_was_zero(engine, reentry, bars_in):
    close = [[10.0]] * 2 + [[9.0]] + [[10.0]] * 5
    rows = {0: [0.5], 3: [0.5], 4: [0.0], 5: [0.5]}
    rows = rows if reentry else {0: [0.5], 3: [0.5]}
    run = engine(make_inputs(close, rows, stop_loss=0.05, reentry=reentry, lot=1.0))
    assert [fill[0] for fill in fills(run) if fill[2] > 0] == bars_in


# Sections 4 and 5: currencies, requirement, ruin, margin calls.


def test_a_foreign_purchase_is_paid_in_its_currency_and_changed_at_the_close(engine):
    given = {"currency": [1], "fx": [[1.0, 2.0], [1.0, 2.0], [1.0, 4.0]], "days": [0, 1, 1]}
    run = engine(make_inputs([[10.0]] * 3, {0: [1.0]}, **given, convert=1))
    # 5 at 10 cost 50 abroad, 100 here; at a rate of 4 they are worth 200.
    assert column(run, "equity") == [100, 100, 200]
    run = engine(make_inputs([[10.0]] * 3, {0: [1.0]}, **given))
    # The loan of 50 is held and grows with the rate.
    assert column(run, "equity") == [100, 100, 100]
    run = engine(make_inputs([[10.0]] * 3, {0: [1.0]}, **given, convert=1, conversion_cost=0.01))
    assert column(run, "conversion_cost") == [0, 1, 0]
    assert column(run, "equity") == [100, 99, 199]


@pytest.mark.parametrize(("price", "needed"), [(2.0, 250), (4.0, 400), (10.0, 500), (50.0, 1500)])
def test_short_requirements_by_price(engine, price, needed):
    run = engine(make_inputs([[price]] * 2, margin_model=kt.REG_T, cash=1e5, tickets=[order(-100)]))
    np.testing.assert_allclose(column(run, "requirement")[1], needed, rtol=1e-14)


def test_leveraged_funds_need_their_factor_and_never_more_than_their_value(engine):
    given = {"margin_model": kt.REG_T, "cash": 1e5, "margin_long": [3.0, 5.0]}
    run = engine(make_inputs([[10.0, 10.0]] * 2, **given, tickets=[order(100), order(100, asset=1)]))
    np.testing.assert_allclose(column(run, "requirement")[1], 750 + 1000, rtol=1e-14)


def test_the_portfolio_model_takes_the_greater_scenario(engine):
    row = margin_row(maintenance_long=0.15, maintenance_short=0.15, largest=1.0)
    given = {"margin_model": kt.PORTFOLIO, "margin": row, "cash": 1e5}
    run = engine(make_inputs([[10.0, 10.0]] * 2, **given, tickets=[order(100), order(-60, asset=1)]))
    # 15 % of 1,600 is 240; 30 % of 1,000 and 5 % of 600 are 330.
    np.testing.assert_allclose(column(run, "requirement")[1], 330, rtol=1e-14)
    run = engine(make_inputs([[10.0, 10.0]] * 2, **given, tickets=[order(100), order(-100, asset=1)]))
    np.testing.assert_allclose(column(run, "requirement")[1], 350, rtol=1e-14)


@pytest.mark.parametrize(("price", "lot", "sold"), [(66.67, 1.0, 0), (66.66, 1.0, 1), (66.66, 0.0, 2 / 66.66)])
def test_a_long_on_margin_is_called_below_66_67(engine, price, lot, sold):
    close = [[100.0], [100.0], [price], [price]]
    given = {"margin_model": kt.REG_T, "cash": 5000.0, "lot": lot}
    run = engine(make_inputs(close, **given, tickets=[order(100)]))
    np.testing.assert_allclose(100 - run.records.units[3, 0], sold, rtol=1e-9)
    assert run.counts[kt.COUNT_MARGIN_CALL, 0] == (sold > 0)
    # Fractions end at 25 % exactly, whole shares above.
    assert column(run, "equity")[3] >= column(run, "requirement")[3] * (1 - 1e-12)


@pytest.mark.parametrize(("price", "called"), [(57.69, False), (57.70, True)])
def test_a_short_is_called_above_57_69(engine, price, called):
    close = [[50.0], [50.0], [price], [price]]
    run = engine(make_inputs(close, margin_model=kt.REG_T, cash=2500.0, lot=1.0, tickets=[order(-100)]))
    assert bool(run.counts[kt.COUNT_MARGIN_CALL, 0]) == called
    assert (run.records.units[3, 0] > -100) == called


@pytest.mark.parametrize(("price", "called"), [(134.61, False), (134.62, True)])
def test_margin_is_per_side_on_gross(engine, price, called):
    close = [[100.0, 100.0], [100.0, 100.0], [100.0, price], [100.0, price]]
    run = engine(make_inputs(close, {0: [1.0, -1.0]}, margin_model=kt.REG_T))
    assert run.counts[kt.COUNT_MARGIN_CALL].tolist() == [called, called, 0]
    if called:
        # Both sides are cut by one factor to what the equity carries.
        ratio = column(run, "equity")[2] / column(run, "requirement")[2]
        np.testing.assert_allclose(run.records.units[3], [ratio, -ratio], rtol=1e-12)


def test_a_margin_call_cancels_what_opens_and_the_buffer_cuts_deeper(engine):
    # 6,000 - 10,000 + 5,500 = 1,500 of equity; 25 % of 5,500 and a tenth more are 1,512.50.
    close = [[100.0, 10.0], [100.0, 10.0], [55.0, 10.0], [55.0, 10.0]]
    row = margin_row(buffer=0.1)
    tickets = [order(100), order(1, placed=1, asset=1, type=kt.LIMIT, limit=1.0)]
    run = engine(make_inputs(close, margin_model=kt.REG_T, margin=row, cash=6000.0, tickets=tickets))
    assert statuses(run)[1] == kt.CALLED
    np.testing.assert_allclose(column(run, "requirement")[3] * 1.1, column(run, "equity")[3], rtol=1e-12)


def test_a_short_that_blows_up_is_ruined_for_good(engine):
    run = engine(
        make_inputs([[10.0], [10.0], [25.0], [8.0], [8.0]], {0: [-1.0], 2: [0.0]}, tickets=[order(1, placed=3)])
    )
    assert column(run, "equity") == [100, 100, -50, -50, -50]
    assert column(run, "cash")[2:] == [-50] * 3
    assert run.ruined == 2
    assert run.counts[kt.COUNT_RUIN].tolist() == [0, 1]
    assert run.records.orders[:, :4].tolist() == [[0, 0, kt.REBALANCE, kt.FILLED], [2, 0, kt.RUIN, kt.LIQUIDATED]]
    assert fills(run)[1] == (2, 0, 10, 25)


def test_ruin_at_the_open_closes_at_the_open(engine):
    opens = [[10.0], [10.0], [25.0], [8.0]]
    run = engine(make_inputs([[10.0], [10.0], [8.0], [8.0]], {0: [-1.0]}, open=opens))
    assert column(run, "equity") == [100, 100, -50, -50]
    assert fills(run)[1] == (2, 0, 10, 25)


def test_a_recall_buys_back_what_cannot_be_borrowed(engine):
    available = [[100.0], [100.0], [40.0], [40.0], [40.0]]
    run = engine(make_inputs([[10.0]] * 5, available=available, recall=1, lot=1.0, cash=1e4, tickets=[order(-100)]))
    assert run.records.units[:, 0].tolist() == [0, -100, -100, -40, -40]
    assert run.records.orders[1].tolist() == [2, 0, kt.BUY_IN, kt.FILLED, 0]


# Section 6: sizing.


@pytest.mark.parametrize(
    ("weights", "held"), [([1.3, -0.3], [13, -3]), ([1.0, -1.0], [10, -10]), ([2.0, -1.0], [40 / 3, -20 / 3])]
)
def test_initial_margin_is_150_and_150(engine, weights, held):
    # 0.5 * (1.3 + 0.3) = 0.8 and 1.0 fit; 1.5 is scaled by two thirds.
    run = engine(make_inputs([[10.0, 10.0]] * 2, {0: weights}, margin_model=kt.REG_T))
    np.testing.assert_allclose(run.records.units[1], held, rtol=1e-12)
    assert run.counts[kt.COUNT_MARGIN_SCALED, 2] == (weights[0] == 2.0)


def test_reject_sends_only_what_closes_and_strict_stops(engine):
    close = [[10.0, 10.0]] * 4
    rows = {0: [1.0, -0.5], 1: [0.5, -2.5]}
    run = engine(make_inputs(close, rows, margin_model=kt.REG_T, buying_power=kt.REJECT))
    np.testing.assert_allclose(run.records.units[2], [5, -5], rtol=1e-12)
    assert run.counts[kt.COUNT_MARGIN_REJECTED].tolist() == [0, 1, 0]
    run = engine(make_inputs(close, rows, margin_model=kt.REG_T, buying_power=kt.STRICT))
    assert run.stopped == 1


def test_amounts_beyond_the_buying_power_are_scaled(engine):
    given = {"margin_model": kt.REG_T, "lot": 1.0, "mode": kt.TARGET_SHARES}
    run = engine(make_inputs([[10.0, 10.0]] * 4, {0: [10.0, 0.0], 1: [0.0, 30.0]}, **given))
    # 10 A close; 300 of B would need 150 of 100: two thirds of 30.
    assert run.records.units[2].tolist() == [0, 20]
    assert run.counts[kt.COUNT_MARGIN_SCALED, 2] == 1


def test_explicit_orders_share_the_check_with_working_ones(engine):
    given = {"margin_model": kt.REG_T, "lot": 1.0}
    bars = {"open": [[10.0]] * 4, "high": [[10.0]] * 4, "low": [[10.0]] * 4}
    resting = order(10, type=kt.LIMIT, limit=1.0)
    run = engine(make_inputs([[10.0]] * 4, **bars, **given, tickets=[resting, order(20, placed=1)]))
    # The resting 10 take 50 of 100: the new 20 share the other half.
    assert [fill[2] for fill in fills(run)] == [10]


def test_switching_a_book_pays_both_fees_out_of_the_size(engine):
    fee = [[0.0, 0.0, 0.0, 0.001, 0.0, INF, INF]]
    for a, b in ((0, 1), (1, 0)):
        close = np.empty((4, 2))
        close[:, a], close[:, b] = 100.0, 50.0
        first, second = [0.0, 0.0], [0.0, 0.0]
        first[a] = second[b] = 1.0
        run = engine(make_inputs(close, {0: first, 1: second}, commission=fee, lot=1.0, cash=10_010.0))
        assert sorted(run.records.units[2].tolist()) == [0, 199]
        np.testing.assert_allclose(column(run, "cash")[1:3], [0, 30.05], atol=1e-9)


def test_a_fixed_fee_leaves_99_shares_and_a_fee_beyond_the_equity_none(engine):
    fee = [[0.0, 100.0, 0.0, 0.0, 0.0, INF, INF]]
    run = engine(make_inputs([[100.0]] * 3, {0: [1.0]}, commission=fee, lot=1.0, cash=10_000.0))
    assert run.records.units[1, 0] == 99
    run = engine(make_inputs([[10.0]] * 3, {0: [1.0]}, commission=fee, lot=1.0, cash=90.0))
    assert statuses(run) == [kt.UNAFFORDABLE]
    assert run.records.units[1, 0] == 0


@pytest.mark.parametrize("lot", [0.0, 1.0, 0.1])
def test_rebalancing_twice_at_the_same_prices_trades_once(engine, lot):
    weights = [0.4, -0.3, 0.2]
    costs = {"commission": [[0.0, 0.0, 0.005, 0.0, 1.0, 0.01, INF]]}
    rows = {0: weights, 1: weights, 2: weights}
    run = engine(make_inputs([[13.0, 7.0, 29.0]] * 5, rows, lot=lot, cash=10_000.0, **(costs if lot else {})))
    assert set(run.records.fills[:, 1].tolist()) == {1}


def test_three_tenths_with_a_lot_of_a_tenth_are_three_lots(engine):
    run = engine(make_inputs([[10.0]] * 2, {0: [0.3]}, mode=kt.TARGET_SHARES, lot=0.1))
    assert run.records.units[1, 0] == 3


def test_a_short_drifts_and_goes_back_by_a_fifth(engine):
    run = engine(make_inputs([[100.0], [100.0], [90.0], [90.0]], {0: [-1.0], 2: [-1.0]}))
    # -90 of 110; -100 % of 110 are 110 / 90 shares: 20 of value sold.
    np.testing.assert_allclose(run.records.paid[1, 0] * 90, -20, rtol=1e-12)


def test_bands_leave_alone_and_trade_to_the_target_or_the_edge(engine):
    close = [[10.0, 10.0], [10.0, 10.0], [12.0, 10.0], [12.0, 10.0]]
    rows = {0: [0.5, 0.5], 2: [0.5, 0.5]}
    # 5 and 5 shares; then 60 and 50 of 110: 0.5455 and 0.4545.
    assert len(fills(engine(make_inputs(close, rows, band=0.05)))) == 2
    run = engine(make_inputs(close, rows, band=0.04))
    np.testing.assert_allclose(run.records.units[3], [55 / 12, 5.5], rtol=1e-12)
    run = engine(make_inputs(close, rows, band=0.04, to_edge=1))
    # From nothing to the lower edge, 4.6 of each. Then 55.2 and 46 of 109.2: only the second is outside.
    np.testing.assert_allclose(run.records.units[3], [4.6, 0.46 * 109.2 / 10], rtol=1e-12)
    assert len(fills(engine(make_inputs(close, rows, relative_band=0.1)))) == 2


def test_bands_may_be_tested_at_every_close(engine):
    close = [[10.0, 10.0], [10.0, 10.0], [12.0, 10.0], [12.0, 10.0]]
    run = engine(make_inputs(close, {0: [0.5, 0.5]}, band=0.04, every_bar=1))
    np.testing.assert_allclose(run.records.units[3], [55 / 12, 5.5], rtol=1e-12)


def test_a_part_of_the_way_a_turnover_and_a_smallest_order(engine):
    rows = {0: [0.8, 0.02]}
    run = engine(make_inputs([[10.0, 10.0]] * 2, rows, part=0.5))
    np.testing.assert_allclose(run.records.units[1], [4, 0.1], rtol=1e-12)
    run = engine(make_inputs([[10.0, 10.0]] * 2, rows, turnover=0.41))
    np.testing.assert_allclose(run.records.units[1], [4, 0.1], rtol=1e-12)
    run = engine(make_inputs([[10.0, 10.0]] * 2, rows, smallest=3.0))
    np.testing.assert_allclose(run.records.units[1], [8, 0], rtol=1e-12)


def test_room_is_made_beside_a_holding_that_cannot_trade(engine):
    close = [[10.0, 10.0, 10.0]] * 2 + [[10.0, NAN, 10.0]] + [[10.0, 10.0, 10.0]]
    rows = {0: [0.5, 0.5, 0.0], 2: [0.5, 0.0, 0.5]}
    run = engine(make_inputs(close, rows, make_room=1))
    np.testing.assert_allclose(run.records.units[3], [2.5, 5, 2.5], rtol=1e-12)
    run = engine(make_inputs(close, rows))
    np.testing.assert_allclose(run.records.units[3], [5, 5, 5], rtol=1e-12)


def test_a_short_stays_within_the_shares_that_can_be_borrowed(engine):
    available = [[3.0], [3.0], [1.0], [1.0]]
    run = engine(make_inputs([[10.0]] * 4, {0: [-1.0], 2: [-1.0]}, available=available, lot=1.0))
    # One that is there may stay.
    assert run.records.units[:, 0].tolist() == [0, -3, -3, -3]
    assert run.counts[kt.COUNT_UNBORROWABLE, 0] == 2


def test_below_the_minimum_equity_nothing_is_borrowed(engine):
    row = margin_row(minimum_equity=200.0)
    run = engine(make_inputs([[10.0, 10.0]] * 2, {0: [1.5, -0.5]}, margin_model=kt.REG_T, margin=row))
    np.testing.assert_allclose(run.records.units[1], [10, 0], rtol=1e-12)


def test_sizing_at_the_fill_takes_its_prices(engine):
    close = [[10.0], [20.0], [20.0]]
    assert engine(make_inputs(close, {0: [1.0]})).records.units[1, 0] == 10
    run = engine(make_inputs(close, {0: [1.0]}, size_at_fill=1))
    assert run.records.units[1, 0] == 5
    assert run.records.orders[0].tolist() == [0, 0, kt.REBALANCE, kt.FILLED, 0]


def test_the_same_close_fills_where_it_is_decided(engine):
    given = {"at": kt.SAME_CLOSE, "spread": [[0.01]]}
    run = engine(make_inputs([[10.0], [20.0]], {0: [0.5], 1: [0.0]}, **given))
    # Half of 100 less what it costs: 5 shares of 10 at 10.1, 0.5 lost; sold at 19.8 on the last bar.
    shares = fills(run)[0][2]
    np.testing.assert_allclose(column(run, "equity")[0], 100 - shares * 0.1, rtol=1e-12)
    assert [fill[0] for fill in fills(run)] == [0, 1]
    assert statuses(run) == [kt.FILLED, kt.FILLED]


def test_a_new_decision_replaces_what_waits(engine):
    given = {"lot": 1.0, "cash": 1000.0, "volume": [[10.0]], "participation": 1.0, "carry": 5}
    run = engine(make_inputs([[10.0]] * 5, {0: [1.0], 2: [0.1]}, **given))
    assert run.records.units[:, 0].tolist() == [0, 10, 20, 10, 10]
    assert statuses(run) == [kt.REPLACED, kt.FILLED]


# The identities of accounting, over random books of the reference.

SEEDS = range(250)


def books():
    for seed in SEEDS:
        inputs = random_inputs(seed) if seed % 2 else simple_inputs(seed)
        run = reference_run(inputs)
        if run.stopped < 0:
            yield seed, inputs, run


def rates_of(inputs: Inputs) -> np.ndarray:
    """The account's currency per unit of each asset's, (T, N)."""
    fx = np.broadcast_to(inputs.world.fx, (inputs.world.close.shape[0], inputs.world.fx.shape[1]))
    return fx[:, inputs.terms.currency]


def per_bar(bars: np.ndarray, amounts: np.ndarray, length: int) -> np.ndarray:
    return np.bincount(bars, weights=amounts, minlength=length)


def tolerance(run: Run) -> float:
    """A billionth of the money that has gone through the books."""
    return 1e-9 * max(1.0, np.abs(run.tape).max(), run.tape[:, kt.TRADED].sum())


def test_equity_is_cash_claims_and_positions():
    for seed, inputs, run in books():
        tape, held = run.tape, run.records.units * inputs.terms.unit
        values = np.where(held != 0, held * np.where(np.isnan(run.records.marks), 0, run.records.marks), 0.0)
        values = values * rates_of(inputs)
        parts = tape[:, kt.CASH] + tape[:, kt.RECEIVABLE] + tape[:, kt.LONG] - tape[:, kt.SHORT]
        at = tolerance(run)
        np.testing.assert_allclose(tape[:, kt.EQUITY], parts, rtol=0, atol=at, err_msg=f"seed {seed}")
        np.testing.assert_allclose(tape[:, kt.LONG], values.clip(0).sum(axis=1), rtol=0, atol=at, err_msg=f"{seed}")
        np.testing.assert_allclose(tape[:, kt.SHORT], -values.clip(None, 0).sum(axis=1), rtol=0, atol=at)


def test_every_change_of_equity_is_explained():
    """Positions carried, fills against their references, events, dividends, costs and financing; one currency."""
    explained = 0
    for seed, inputs, run in books():
        if inputs.world.fx.shape[1] > 1:
            continue
        bars, records, unit = len(run.tape), run.records, inputs.terms.unit
        values = np.where(records.units != 0, records.units * unit * np.nan_to_num(records.marks), 0.0).sum(axis=1)
        flows = np.zeros(bars)
        if len(records.fills):
            units, reference = records.paid[:, 0], records.paid[:, 1]
            costs = records.paid[:, 3:].sum(axis=1)
            flows += per_bar(records.fills[:, 1], -units * unit * reference - costs, bars)
        if len(records.events):
            flows += per_bar(records.events[:, 0], records.moved[:, 2], bars)
        earned = run.tape[:, kt.CREDIT_INTEREST] + run.tape[:, kt.SHORT_INTEREST]
        flows += earned - run.tape[:, kt.BORROW] - run.tape[:, kt.DEBIT_INTEREST]
        equity = inputs.cash + np.cumsum(flows) + values
        np.testing.assert_allclose(run.tape[:, kt.EQUITY], equity, rtol=0, atol=tolerance(run), err_msg=f"seed {seed}")
        explained += 1
    assert explained > 100


def test_fills_and_events_add_up_to_positions_exactly():
    for seed, inputs, run in books():
        records, shape = run.records, run.records.units.shape
        changes = np.zeros(shape)
        np.add.at(changes, (records.fills[:, 1], records.fills[:, 2]), records.paid[:, 0])
        np.add.at(changes, (records.events[:, 0], records.events[:, 1]), records.moved[:, 0])
        positions = np.cumsum(changes, axis=0)
        if inputs.terms.step > 0:
            np.testing.assert_array_equal(records.units, positions, err_msg=f"seed {seed}")
            np.testing.assert_array_equal(records.units, np.round(records.units))
        else:
            np.testing.assert_allclose(records.units, positions, rtol=1e-9, atol=1e-9 * np.abs(changes).max(initial=1))


def test_the_tape_is_what_the_records_say():
    for seed, inputs, run in books():
        records, rates, bars = run.records, rates_of(inputs), len(run.tape)
        bar, asset = records.fills[:, 1], records.fills[:, 2]
        traded = np.abs(records.paid[:, 0] * inputs.terms.unit * records.paid[:, 2])
        columns = {kt.TRADED: traded, kt.COMMISSION: records.paid[:, 3]}
        columns |= {kt.FEES: records.paid[:, 4], kt.SLIPPAGE: records.paid[:, 5]}
        for code, amounts in columns.items():
            said = per_bar(bar, amounts * rates[bar, asset], bars) if len(bar) else np.zeros(bars)
            message = f"seed {seed}, {COLUMN_NAMES[code]}"
            np.testing.assert_allclose(run.tape[:, code], said, rtol=1e-9, atol=1e-9, err_msg=message)
        np.testing.assert_allclose(run.tape[:, kt.BORROW], records.borrow.sum(axis=1), rtol=1e-9, atol=1e-12)
        paid = records.events[:, 2] == kt.DIVIDEND
        bar, asset = records.events[paid, 0], records.events[paid, 1]
        said = per_bar(bar, records.moved[paid, 2] * rates[bar, asset], bars) if len(bar) else np.zeros(bars)
        np.testing.assert_allclose(run.tape[:, kt.DIVIDENDS], said, rtol=1e-9, atol=1e-12)


def permuted(inputs: Inputs, order_: np.ndarray) -> Inputs:
    """The same book with its columns in another order: column k is the old ``order_[k]``."""
    assets = len(order_)
    new = np.argsort(order_)
    world, terms, tickets = inputs.world._asdict(), inputs.terms._asdict(), inputs.tickets._asdict()
    for name in ("open", "high", "low", "close", "volume", "reference", "rate", "available"):
        world[name] = np.ascontiguousarray(world[name][:, order_])
    for name in ("spread", "impact", "impact2", "adv"):
        world[name] = np.ascontiguousarray(world[name][:, order_])
    world["action_asset"] = new[world["action_asset"]]
    world["action_other"] = np.where(world["action_other"] < 0, -1, new[world["action_other"]])
    by = np.lexsort((world["action_kind"], world["action_asset"], world["action_bar"]))
    for name in ("bar", "kind", "asset", "other", "value", "pay"):
        world[f"action_{name}"] = world[f"action_{name}"][by]
    world["pay_order"] = np.argsort(world["action_pay"], kind="stable")
    for name in ("currency", "margin_long", "margin_short"):
        terms[name] = terms[name][order_]
    tickets["asset"] = new[tickets["asset"]]
    assert assets == inputs.world.close.shape[1]
    kinds = type(inputs.world), type(inputs.terms), type(inputs.tickets)
    return Inputs(
        kinds[0](**world),
        kinds[1](**terms),
        inputs.cash,
        inputs.rows,
        np.ascontiguousarray(inputs.values[:, order_]),
        kinds[2](**tickets),
    )


def test_the_order_of_the_columns_changes_nothing():
    """Left out: tiered commissions and conversions, in which orders of one bar come one after the other by the page."""
    checked = 0
    for seed, inputs, run in books():
        tiers, kinds = len(inputs.terms.commission), inputs.world.action_kind
        if tiers > 1 or (kinds == kt.CONVERSION).any():
            continue
        columns = np.random.default_rng(seed).permutation(inputs.world.close.shape[1])
        other = reference_run(permuted(inputs, columns))
        back = np.argsort(columns)
        counts = np.concatenate([back, [len(columns)]])
        records = other.records
        orders, fills_, events = records.orders.copy(), records.fills.copy(), records.events.copy()
        orders[:, 1] = columns[orders[:, 1]]
        fills_[:, 2] = columns[fills_[:, 2]]
        events[:, 1] = columns[events[:, 1]]
        by = np.lexsort((events[:, 2], events[:, 1], events[:, 0]))
        records = replace(
            records,
            orders=orders,
            fills=fills_,
            events=events[by],
            moved=records.moved[by],
            units=records.units[:, back],
            marks=records.marks[:, back],
            borrow=records.borrow[:, back],
        )
        other = replace(other, counts=other.counts[:, counts], firsts=other.firsts[:, counts], records=records)
        try:
            demand_equal_runs(run, other, inputs)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        checked += 1
    assert checked > 150


def test_nothing_behind_a_bar_is_read():
    """Poison after t: every number up to t stays."""
    for seed in range(60):
        inputs = random_inputs(seed)
        run = reference_run(inputs)
        bars = len(run.tape)
        t = bars // 2
        world = inputs.world._asdict()
        for name in ("open", "high", "low", "close", "reference", "volume", "rate", "available", "fx", "spread", "adv"):
            if len(world[name]) > 1:
                world[name] = world[name].copy()
                world[name][t + 1 :] *= 1.7
        other = reference_run(replace(inputs, world=type(inputs.world)(**world)))
        if 0 <= run.stopped <= t:
            continue
        np.testing.assert_array_equal(run.tape[: t + 1], other.tape[: t + 1], err_msg=f"seed {seed}")
        np.testing.assert_array_equal(run.records.units[: t + 1], other.records.units[: t + 1])


def test_keep_leaves_the_records_out_and_changes_nothing_else():
    inputs = random_inputs(3)
    kept, bare = reference_run(inputs), reference_run(inputs, keep=False)
    assert bare.records is None
    np.testing.assert_array_equal(kept.tape, bare.tape)
    np.testing.assert_array_equal(kept.counts, bare.counts)
