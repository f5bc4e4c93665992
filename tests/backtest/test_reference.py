"""The plain engine on cases small enough for paper; the compiled one must give the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantlab.backtest import _reference
from quantlab.backtest._run import Status

from .conftest import make_inputs

NAN = math.nan

# Cash 1,000; half A, a quarter each short B and long C, decided on bar 0 and filled on bar 1.
THREE = {
    "close": [[10.0, 20.0, 5.0], [20.0, 20.0, 5.0], [10.0, 40.0, 5.0]],
    "weights": {0: [0.5, -0.25, 0.25]},
    "cash": 1000.0,
}


def test_three_bars_of_three_assets_by_hand(engine):
    run = engine(make_inputs(**THREE))
    # Sized at 10, 20, 5: 50 A, -12.5 B, 50 C. Filled at 20, 20, 5: -1000 + 250 - 250.
    np.testing.assert_array_equal(run.orders.shares, [50.0, -12.5, 50.0])
    np.testing.assert_array_equal(run.orders.decision_price, [10.0, 20.0, 5.0])
    np.testing.assert_array_equal(run.orders.price, [20.0, 20.0, 5.0])
    np.testing.assert_array_equal(run.cash, [1000.0, 0.0, 0.0])
    # Bar 1: 1000 - 250 + 250; bar 2: 500 - 500 + 250.
    np.testing.assert_array_equal(run.equity, [1000.0, 1000.0, 250.0])
    assert run.ruined == -1


def test_open_fills_leave_the_bar_to_the_position(engine):
    run = engine(make_inputs(**THREE, fill_price=[[9.0, 20.0, 5.0], [10.0, 20.0, 5.0], [NAN, NAN, NAN]]))
    # A is bought at its open of 10 and closes at 20: 50 * 10 gained.
    np.testing.assert_array_equal(run.equity, [1000.0, 1500.0, 750.0])


def test_whole_shares_with_slippage_and_commission_by_hand(engine):
    run = engine(make_inputs(close=[[10.0]] * 3, weights={0: [1.0]}, cash=1000.0, slippage=0.01, rate=0.01, lot=1.0))
    # n shares cost n * 10.1 * 1.01 = 10.201 n, so 98 is the most that 1,000 pays for: 999.698.
    np.testing.assert_array_equal(run.orders.shares, [98.0])
    np.testing.assert_allclose(run.orders.price, [10.1], rtol=1e-15)
    np.testing.assert_allclose(run.orders.commission, [9.898], rtol=1e-14)
    np.testing.assert_allclose(run.orders.slippage, [9.8], rtol=1e-13)
    np.testing.assert_allclose(run.cash, [1000.0, 0.302, 0.302], rtol=1e-11)
    np.testing.assert_allclose(run.commission, [0.0, 9.898, 0.0], rtol=1e-14)
    np.testing.assert_allclose(run.slippage, [0.0, 9.8, 0.0], rtol=1e-13)


def test_a_sale_receives_less_and_a_buy_pays_more(engine):
    run = engine(make_inputs(close=[[10.0]] * 4, weights={0: [-1.0], 2: [0.0]}, slippage=0.1))
    np.testing.assert_allclose(run.orders.price, [9.0, 11.0], rtol=1e-15)
    assert run.orders.shares[0] < 0 < run.orders.shares[1]


def test_borrow_is_paid_on_the_previous_mark_and_calendar_days(engine):
    run = engine(
        make_inputs(
            close=[[10.0], [10.0], [20.0], [20.0]], weights={0: [-0.5]}, days=[0, 1, 3, 1], borrow=0.36, lot=1.0
        )
    )
    # Short 5: 5 * 10 * 0.36 * 3 / 360 on bar 2 (not yet at 20), 5 * 20 * 0.36 / 360 on bar 3.
    np.testing.assert_allclose(run.borrow, [0.0, 0.0, 0.15, 0.1], rtol=1e-14)
    np.testing.assert_allclose(run.equity, [100.0, 100.0, 49.85, 49.75], rtol=1e-14)


def test_every_status_in_its_place(engine):
    close = [[10.0, 10.0, 10.0], [10.0, NAN, 10.0], [10.0, 10.0, 10.0]]
    fill = [[10.0, 10.0, 10.0], [10.0, 10.0, NAN], [10.0, 10.0, 10.0]]
    weights = {0: [0.1, 0.2, 0.3], 1: [0.0, 0.5, 0.0], 2: [0.5, 0.0, 0.0]}
    orders = engine(make_inputs(close=close, fill_price=fill, weights=weights)).orders
    np.testing.assert_array_equal(orders.decided, [0, 0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(orders.asset, [0, 1, 2, 0, 1, 0, 1])
    np.testing.assert_array_equal(orders.filled, [1, 1, -1, 2, -1, -1, -1])
    expected = [
        Status.FILLED,
        Status.FILLED,
        Status.MISSING_PRICE,  # C had no fill price on bar 1
        Status.FILLED,
        Status.SKIPPED,  # B had no close on bar 1 and keeps its 2 shares
        Status.NO_NEXT_BAR,
        Status.NO_NEXT_BAR,
    ]
    np.testing.assert_array_equal(orders.status, expected)
    np.testing.assert_array_equal(orders.shares, [1.0, 2.0, 3.0, -1.0, NAN, 5.0, -2.0])
    unfilled = orders.filled < 0
    for name in ("reference", "price", "commission", "slippage"):
        np.testing.assert_array_equal(np.isnan(getattr(orders, name)), unfilled, err_msg=name)
    # A skipped order still says at what it is marked.
    np.testing.assert_array_equal(orders.decision_price, [10.0] * 7)


def test_an_asset_that_never_had_a_price_is_skipped_at_no_price(engine):
    orders = engine(make_inputs(close=[[10.0, NAN]] * 3, weights={0: [0.5, 0.5]})).orders
    np.testing.assert_array_equal(orders.status, [Status.FILLED, Status.SKIPPED])
    np.testing.assert_array_equal(orders.decision_price, [10.0, NAN])


def test_no_record_for_an_absent_asset_that_nobody_wants(engine):
    assert engine(make_inputs(close=[[10.0, NAN]] * 3, weights={0: [0.5, 0.0]})).orders.asset.tolist() == [0]


def test_ruin_closes_every_position_at_its_mark_and_stays(engine):
    close = [[10.0, 10.0], [10.0, 10.0], [40.0, NAN], [1.0, 50.0]]
    run = engine(make_inputs(close=close, weights={0: [-1.0, 0.5], 2: [1.0, 1.0], 3: [0.0, 0.0]}, rate=0.1))
    assert run.ruined == 2
    orders = run.orders
    np.testing.assert_array_equal(orders.status, [0, 0, Status.LIQUIDATED, Status.LIQUIDATED])
    np.testing.assert_array_equal(orders.decided, [0, 0, 2, 2])
    np.testing.assert_array_equal(orders.filled, [1, 1, 2, 2])
    np.testing.assert_array_equal(orders.shares[2:], -orders.shares[:2])
    for name in ("decision_price", "reference", "price"):
        # B has no close on the bar of the ruin: its mark is the last one.
        np.testing.assert_array_equal(getattr(orders, name)[2:], [40.0, 10.0], err_msg=name)
    assert (orders.commission[2:] == 0).all()
    assert (orders.slippage[2:] == 0).all()
    assert run.equity[2] < 0
    np.testing.assert_array_equal(run.equity[2:], run.cash[2:])
    assert run.equity[3] == run.equity[2]


def test_equity_of_exactly_zero_is_ruin(engine):
    run = engine(make_inputs(close=[[10.0], [10.0], [20.0], [5.0]], weights={0: [-1.0]}))
    assert run.ruined == 2
    np.testing.assert_array_equal(run.equity, [100.0, 100.0, 0.0, 0.0])


def test_without_a_decision_nothing_happens(engine):
    run = engine(make_inputs(close=[[10.0, NAN], [20.0, 1.0]]))
    np.testing.assert_array_equal(run.equity, [100.0, 100.0])
    assert run.orders.decided.size == 0


def test_one_bar(engine):
    run = engine(make_inputs(close=[[10.0]], weights={0: [1.0]}))
    np.testing.assert_array_equal(run.orders.status, [Status.NO_NEXT_BAR])
    np.testing.assert_array_equal(run.equity, [100.0])


def test_a_fractional_order_below_a_billionth_of_equity_is_not_sent(engine):
    run = engine(make_inputs(close=[[10.0]] * 4, weights={0: [0.5], 1: [0.5 + 0.9e-9], 2: [0.5 + 1.1e-9]}))
    np.testing.assert_array_equal(run.orders.decided, [0, 2])


def test_what_cannot_be_afforded_at_any_size_is_not_sent(engine):
    # Any trade costs 150 of an equity of 100. The record holds what the whole equity asks for.
    run = engine(make_inputs(close=[[10.0]] * 3, weights={0: [1.0]}, minimum=150.0))
    np.testing.assert_array_equal(run.orders.status, [Status.UNAFFORDABLE])
    np.testing.assert_array_equal(run.orders.shares, [10.0])
    np.testing.assert_array_equal(run.orders.filled, [-1])
    np.testing.assert_array_equal(run.equity, [100.0] * 3)
    # The first trade leaves 40; the next would cost 60, more than there is, and the position stays as it was.
    run = engine(make_inputs(close=[[10.0], [10.0], [10.0], [10.0]], weights={0: [1.0], 1: [0.5]}, minimum=60.0))
    np.testing.assert_array_equal(run.orders.status, [Status.FILLED, Status.UNAFFORDABLE])
    np.testing.assert_array_equal(run.equity, [100.0, 40.0, 40.0, 40.0])


def test_a_fee_that_eats_all_but_nothing_does_not_sell_what_was_to_be_held(engine):
    # Equity 40 after the first trade; selling everything for a fee of 40 would fit, at a size of zero.
    run = engine(make_inputs(close=[[10.0], [10.0], [10.0], [10.0]], weights={0: [1.0], 1: [0.5]}, minimum=50.0))
    np.testing.assert_array_equal(run.orders.status, [Status.FILLED, Status.UNAFFORDABLE])
    np.testing.assert_array_equal(run.equity, [100.0, 50.0, 50.0, 50.0])


def test_a_target_of_zero_closes_a_worthless_rest(engine):
    run = engine(make_inputs(close=[[10.0], [10.0], [1e-12], [1e-12]], weights={0: [0.5], 2: [0.0]}))
    np.testing.assert_array_equal(run.orders.shares, [5.0, -5.0])
    np.testing.assert_array_equal(run.orders.status, [Status.FILLED, Status.FILLED])


@pytest.mark.parametrize(
    ("shares", "price", "schedule", "expected"),
    [
        (100.0, 25.0, {"per_share": 0.005, "minimum": 1.0, "maximum_fraction": 0.01}, 1.0),
        (1000.0, 25.0, {"per_share": 0.005, "minimum": 1.0, "maximum_fraction": 0.01}, 5.0),
        (1000.0, 0.25, {"per_share": 0.005, "minimum": 1.0, "maximum_fraction": 0.01}, 2.5),
        (10.0, 10.0, {"rate": 0.001, "minimum": 5.0, "maximum_cash": 20.0}, 5.0),
        (1000.0, 10.0, {"rate": 0.001, "minimum": 5.0, "maximum_cash": 20.0}, 10.0),
        (10000.0, 10.0, {"rate": 0.001, "minimum": 5.0, "maximum_cash": 20.0}, 20.0),
        (0.0, 10.0, {"minimum": 5.0}, 0.0),
        (3.0, 10.0, {}, 0.0),
    ],
)
def test_commission(shares, price, schedule, expected):
    given = make_inputs(close=[[1.0]], **schedule)
    assert _reference.commission(shares, shares * price, given) == expected
