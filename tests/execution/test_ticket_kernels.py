"""Explicit orders, bar by bar: tables of small bars, compiled and in plain Python, and what holds for any orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.execution import _kernel_types as kt
from quantlab.execution import _ticket_kernels as tk

from . import conftest as kit
from .conftest import (
    make_bar,
    make_book,
    make_impact,
    make_log,
    make_terms,
    make_tickets,
    make_working,
    plain_python,
    step,
)

either = pytest.mark.usefixtures("either_way")

NAN = np.nan
DAY, GTC, GTD, IOC, FOK = range(5)


class Desk:
    """One book and its tickets, stepped in the order of the engine."""

    def __init__(self, *orders: dict[str, Any], n: int = 1, keep: int = 1, **state: Any) -> None:
        self.tickets = make_tickets(*orders)
        self.working = make_working(self.tickets)
        self.terms = make_terms(n, **state.pop("terms", {}))
        self.impact = make_impact(n, **state.pop("impact", {}))
        self.book = make_book(n, **({"mark": 100.0} | state))
        self.log = make_log(n, keep=keep)
        self.n = n

    def step(self, what: int, a: int = 0, b: int = 0, x: float = 1.0, **values: Any) -> tuple[int, int]:
        bar = make_bar(self.n, **values)
        state = (self.tickets, self.book, bar, self.impact, self.terms, self.working, self.log)
        return step(what, a, b, x, *state)

    def place(self, t: int = 0, **values: Any) -> tuple[int, int]:
        return self.step(kit.PLACE, t=t, **values)

    def bar(self, t: int = 1, **values: Any) -> None:
        """Fills of bar t, then its mark."""
        bar = make_bar(self.n, t, **values)
        if self.terms.participation > 0.0:
            self.book.room[:] = np.floor(np.nan_to_num(bar.volume) * self.terms.participation + 1e-9)
        for what in (kit.AT_OPEN, kit.INSIDE, kit.AT_CLOSE, kit.EXPIRE):
            self.step(what, t=t, **values)
        self.book.mark[:] = np.where(np.isnan(bar.close), self.book.mark, bar.close)

    def count(self, rule: int) -> int:
        return int(self.log.counts[rule].sum())

    @property
    def status(self) -> list[int]:
        """As the log has it, which must be as the tickets have it."""
        placed = self.working.count[1]
        logged = self.log.orders[: self.log.used[0], 3].tolist()
        assert logged == self.working.status[:placed].tolist()
        return logged

    @property
    def fills(self) -> list[tuple[int, float, float]]:
        """Bar, units and price of every fill."""
        rows = range(self.log.used[1])
        return [(int(self.log.fills[k, 1]), self.log.paid[k, 0], self.log.paid[k, 2]) for k in rows]


# Type, units, its prices, (open, high, low, close), price of the fill or None. The mark before the bar is 100.
BARS = [
    # Limit orders: the open if it is better, else the limit; a touch fills.
    (kt.LIMIT, 10, {"limit": 95.0}, (100, 101, 96, 97), None),
    (kt.LIMIT, 10, {"limit": 95.0}, (100, 101, 95, 97), 95.0),
    (kt.LIMIT, 10, {"limit": 95.0}, (100, 101, 90, 97), 95.0),
    (kt.LIMIT, 10, {"limit": 95.0}, (94, 101, 90, 97), 94.0),
    (kt.LIMIT, 10, {"limit": 95.0}, (95, 101, 90, 97), 95.0),
    (kt.LIMIT, 10, {"limit": 120.0}, (100, 101, 90, 97), 100.0),
    (kt.LIMIT, -10, {"limit": 105.0}, (100, 104, 96, 97), None),
    (kt.LIMIT, -10, {"limit": 105.0}, (100, 105, 96, 97), 105.0),
    (kt.LIMIT, -10, {"limit": 105.0}, (100, 110, 96, 97), 105.0),
    (kt.LIMIT, -10, {"limit": 105.0}, (108, 110, 96, 97), 108.0),
    # A missing open counts as the last mark; without high or low nothing is tested.
    (kt.LIMIT, 10, {"limit": 100.0}, (NAN, 104, 99, 101), 100.0),
    (kt.LIMIT, 10, {"limit": 99.0}, (NAN, 104, 98, 101), 99.0),
    (kt.LIMIT, 10, {"limit": 95.0}, (90, NAN, 90, 90), None),
    (kt.LIMIT, 10, {"limit": 95.0}, (90, 91, NAN, 90), None),
    # Stops: the open if it is worse, else the stop.
    (kt.STOP, 10, {"stop": 105.0}, (100, 104, 96, 97), None),
    (kt.STOP, 10, {"stop": 105.0}, (100, 105, 96, 97), 105.0),
    (kt.STOP, 10, {"stop": 105.0}, (100, 109, 96, 97), 105.0),
    (kt.STOP, 10, {"stop": 105.0}, (108, 109, 96, 97), 108.0),
    (kt.STOP, 10, {"stop": 105.0}, (105, 109, 96, 97), 105.0),
    (kt.STOP, -10, {"stop": 95.0}, (100, 104, 96, 97), None),
    (kt.STOP, -10, {"stop": 95.0}, (100, 104, 95, 97), 95.0),
    (kt.STOP, -10, {"stop": 95.0}, (100, 104, 90, 97), 95.0),
    (kt.STOP, -10, {"stop": 95.0}, (80, 104, 79, 97), 80.0),
    (kt.STOP, -10, {"stop": 100.0}, (NAN, 104, 99, 101), 100.0),
    (kt.STOP, -10, {"stop": 95.0}, (80, NAN, 79, 97), None),
    # Stop-limit, triggered at the open: a limit order for the whole bar.
    (kt.STOP_LIMIT, 10, {"stop": 105.0, "limit": 107.0}, (106, 109, 104, 108), 106.0),
    (kt.STOP_LIMIT, 10, {"stop": 105.0, "limit": 107.0}, (108, 109, 104, 108), 107.0),
    (kt.STOP_LIMIT, 10, {"stop": 105.0, "limit": 107.0}, (108, 112, 107.5, 108), None),
    (kt.STOP_LIMIT, -10, {"stop": 95.0, "limit": 93.0}, (94, 96, 90, 92), 94.0),
    (kt.STOP_LIMIT, -10, {"stop": 95.0, "limit": 93.0}, (92, 93, 90, 92), 93.0),
    (kt.STOP_LIMIT, -10, {"stop": 95.0, "limit": 93.0}, (92, 92.5, 90, 92), None),
    # Triggered inside: at the stop if the limit allows it, else not on this bar.
    (kt.STOP_LIMIT, 10, {"stop": 105.0, "limit": 107.0}, (100, 110, 99, 108), 105.0),
    (kt.STOP_LIMIT, 10, {"stop": 105.0, "limit": 105.0}, (100, 110, 99, 108), 105.0),
    (kt.STOP_LIMIT, 10, {"stop": 105.0, "limit": 103.0}, (100, 110, 99, 108), None),
    (kt.STOP_LIMIT, 10, {"stop": 105.0, "limit": 107.0}, (100, 104, 99, 104), None),
    (kt.STOP_LIMIT, -10, {"stop": 95.0, "limit": 93.0}, (100, 101, 90, 92), 95.0),
    (kt.STOP_LIMIT, -10, {"stop": 95.0, "limit": 97.0}, (100, 101, 90, 92), None),
    # Trailing stops hang on the mark at first, not on this bar's own high or low.
    (kt.TRAIL, -10, {"trail": 5.0}, (100, 101, 96, 97), None),
    (kt.TRAIL, -10, {"trail": 5.0}, (100, 101, 95, 97), 95.0),
    (kt.TRAIL, -10, {"trail": 5.0}, (100, 120, 96, 97), None),
    (kt.TRAIL, -10, {"trail": 5.0}, (90, 91, 89, 90), 90.0),
    (kt.TRAIL, -10, {"trail_fraction": 0.1}, (100, 101, 91, 97), None),
    (kt.TRAIL, -10, {"trail_fraction": 0.1}, (100, 101, 89, 97), 90.0),
    (kt.TRAIL, 10, {"trail": 5.0}, (100, 104, 80, 97), None),
    (kt.TRAIL, 10, {"trail": 5.0}, (100, 105, 99, 97), 105.0),
    (kt.TRAIL, 10, {"trail_fraction": 0.1}, (112, 113, 99, 100), 112.0),
    # At the open and at the close.
    (kt.MARKET, 10, {}, (101, 103, 99, 102), 101.0),
    (kt.MARKET_OPEN, -10, {}, (101, 103, 99, 102), 101.0),
    (kt.MARKET_CLOSE, 10, {}, (101, 103, 99, 102), 102.0),
    (kt.LIMIT_OPEN, 10, {"limit": 101.0}, (101, 103, 90, 102), 101.0),
    (kt.LIMIT_OPEN, 10, {"limit": 100.0}, (101, 103, 90, 102), None),
    (kt.LIMIT_OPEN, -10, {"limit": 100.0}, (101, 103, 90, 102), 101.0),
    (kt.LIMIT_OPEN, -10, {"limit": 102.0}, (101, 103, 90, 102), None),
    (kt.LIMIT_CLOSE, 10, {"limit": 103.0}, (101, 103, 90, 102), 102.0),
    (kt.LIMIT_CLOSE, 10, {"limit": 101.0}, (101, 103, 90, 102), None),
    (kt.LIMIT_CLOSE, -10, {"limit": 102.0}, (101, 103, 90, 102), 102.0),
    (kt.LIMIT_CLOSE, -10, {"limit": 102.5}, (101, 103, 90, 102), None),
    (kt.LIMIT_CLOSE, 10, {"limit": 103.0}, (NAN, NAN, NAN, 102), 102.0),
]


@either
@pytest.mark.parametrize(("kind", "units", "prices", "bar", "price"), BARS)
def test_the_price_of_one_bar(kind, units, prices, bar, price):
    desk = Desk({"type": kind, "units": units, **prices})
    assert desk.place() == (0, 1)
    desk.bar(open=bar[0], high=bar[1], low=bar[2], close=bar[3])
    if price is None:
        assert desk.fills == []
        assert desk.book.units[0] == 0.0
    else:
        assert desk.fills == [(1, units, price)]
        assert desk.status == [kt.FILLED]
        assert desk.book.units[0] == units
        assert desk.book.cash[0] == 1_000_000.0 - units * price
        assert desk.working.count.tolist() == [0, 1]


@either
def test_limit_fills_have_no_slippage_and_stops_have():
    limited = {kt.LIMIT, kt.STOP_LIMIT, kt.LIMIT_OPEN, kt.LIMIT_CLOSE}
    for kind in range(9):
        order = {"type": kind, "units": 10, "limit": 110.0, "stop": 100.0, "trail": 0.0}
        desk = Desk(order, impact={"spread": 0.01})
        desk.place()
        desk.bar(open=100, high=100, low=100, close=100)
        assert desk.fills[0][2] == pytest.approx(100.0 if kind in limited else 101.0, rel=1e-15), kind


@either
def test_a_fill_at_the_open_of_the_bar_opens_the_position_at_the_open():
    for kind, expected in ((kt.MARKET, 1), (kt.MARKET_OPEN, 1), (kt.MARKET_CLOSE, 0)):
        desk = Desk({"type": kind, "units": 10})
        desk.place()
        desk.bar(open=100, high=101, low=99, close=100)
        assert (desk.book.entered[0], desk.book.opened[0]) == (1, expected)
    for limit, expected in ((105.0, 1), (100.0, 1), (99.5, 0)):
        desk = Desk({"type": kt.LIMIT, "units": 10, "limit": limit})
        desk.place()
        desk.bar(open=100, high=101, low=99, close=100)
        assert desk.book.opened[0] == expected


@either
@pytest.mark.parametrize("kind", [kt.MARKET, kt.MARKET_OPEN, kt.LIMIT_OPEN, kt.MARKET_CLOSE, kt.LIMIT_CLOSE])
def test_without_its_price_an_order_of_one_moment_is_dropped(kind):
    desk = Desk({"type": kind, "units": 10, "limit": 200.0})
    desk.place()
    desk.bar(volume=5.0)
    assert desk.status == [kt.MISSING_PRICE]
    assert desk.count(kt.COUNT_MISSING_PRICE) == 1
    assert desk.log.firsts[kt.COUNT_MISSING_PRICE, 0] == 1
    assert desk.fills == []


@either
def test_market_orders_follow_the_reference_of_the_account():
    bar = {"open": 100, "high": 110, "low": 90, "close": 105, "reference": 103}
    for at in (kt.AT_OPEN, kt.AT_CLOSE):
        desk = Desk({"units": 10}, terms={"at": at})
        desk.place()
        desk.bar(**bar)
        assert desk.fills == [(1, 10.0, 103.0)]


@either
def test_same_close_fills_market_orders_just_placed_and_nothing_else():
    kinds = (kt.MARKET, kt.MARKET_CLOSE, kt.LIMIT_CLOSE, kt.LIMIT)
    orders = [{"type": kind, "units": 10, "limit": 200.0} for kind in kinds]
    desk = Desk(*orders, terms={"at": kt.SAME_CLOSE})
    desk.place(close=100.0)
    desk.step(kit.AT_CLOSE, t=0, open=99, high=101, low=98, close=100)
    assert desk.fills == [(0, 10.0, 99.0)]
    assert desk.status == [kt.FILLED, kt.NO_NEXT_BAR, kt.NO_NEXT_BAR, kt.NO_NEXT_BAR]
    desk.bar(open=100, high=101, low=98, close=101)
    assert desk.status == [kt.FILLED] * 4
    assert desk.fills[1:] == [(1, 10.0, 100.0), (1, 10.0, 101.0), (1, 10.0, 101.0)]


@either
def test_a_market_order_at_the_same_close_that_is_cut_is_over_at_once():
    desk = Desk({"units": 10}, terms={"at": kt.SAME_CLOSE, "participation": 1.0}, room=4.0)
    desk.place(close=100.0)
    desk.step(kit.AT_CLOSE, t=0, close=100.0)
    assert desk.fills == [(0, 4.0, 100.0)]
    assert desk.status == [kt.CAPPED]
    assert desk.working.left[0] == 0.0


@either
def test_stop_limit_waits_as_a_limit_once_triggered():
    desk = Desk({"type": kt.STOP_LIMIT, "units": 10, "stop": 105.0, "limit": 103.0})
    desk.place()
    desk.bar(1, open=100, high=106, low=99, close=104)  # triggered inside, its limit lies below the stop
    assert desk.fills == []
    desk.bar(2, open=104, high=104, low=103.5, close=104)
    assert desk.fills == []
    desk.bar(3, open=104, high=104, low=102, close=104)  # below the stop, but that is history
    assert desk.fills == [(3, 10.0, 103.0)]


@either
def test_stop_limit_triggered_at_the_open_waits_as_a_limit_too():
    desk = Desk({"type": kt.STOP_LIMIT, "units": -10, "stop": 95.0, "limit": 94.0})
    desk.place()
    desk.bar(1, open=90, high=93, low=89, close=91)
    desk.bar(2, open=96, high=97, low=96, close=97)
    assert desk.fills == [(2, -10.0, 96.0)]


@either
def test_trailing_stop_follows_the_high_after_the_test():
    desk = Desk({"type": kt.TRAIL, "units": -10, "trail": 5.0})
    desk.place()
    desk.bar(1, open=100, high=110, low=96, close=108)  # stop 95 in this bar, water 110 from now on
    assert desk.working.water[0] == 110.0
    desk.bar(2, open=108, high=109, low=106, close=107)  # stop 105
    assert desk.fills == []
    desk.bar(3, open=107, high=112, low=105, close=106)
    assert desk.fills == [(3, -10.0, 105.0)]


@either
def test_trailing_stop_of_a_buy_follows_the_low_by_a_fraction():
    desk = Desk({"type": kt.TRAIL, "units": 10, "trail_fraction": 0.1})
    desk.place()
    desk.bar(1, open=95, high=96, low=80, close=85)
    assert desk.working.water[0] == 80.0
    desk.bar(2, open=85, high=NAN, low=70, close=85)  # not a whole bar: neither tested nor followed
    assert desk.working.water[0] == 80.0
    desk.bar(3, open=85, high=90, low=82, close=88)
    assert desk.fills == [(3, 10.0, pytest.approx(88.0, rel=1e-15))]


# A bracket around a long position of 100: (open, high, low), filled order of (stop 90, limit 110), price, ambiguous.
BRACKETS = [
    ((100, 105, 95), None, NAN, 0),
    ((100, 110, 95), 1, 110.0, 0),
    ((100, 105, 90), 0, 90.0, 0),
    ((100, 110, 90), 0, 90.0, 1),
    ((112, 115, 85), 1, 112.0, 0),  # the limit is met at the open; what comes later finds nothing to sell
    ((85, 115, 80), 0, 85.0, 0),
]


@either
@pytest.mark.parametrize("first", ["stop first", "limit first"])
@pytest.mark.parametrize(("bar", "which", "price", "ambiguous"), BRACKETS)
def test_one_cancels_the_other(first, bar, which, price, ambiguous):
    orders = [
        {"type": kt.STOP, "units": -100, "stop": 90.0, "group": 7},
        {"type": kt.LIMIT, "units": -100, "limit": 110.0, "group": 7},
    ]
    if first == "limit first":
        orders.reverse()
        which = None if which is None else 1 - which
    desk = Desk(*orders, units=100.0)
    desk.place()
    desk.bar(open=bar[0], high=bar[1], low=bar[2], close=100)
    assert desk.count(kt.COUNT_AMBIGUOUS) == ambiguous
    if which is None:
        assert desk.status == [kt.WORKING, kt.WORKING]
        return
    assert desk.fills == [(1, -100.0, price)]
    assert desk.status[which] == kt.FILLED
    assert desk.status[1 - which] == kt.GROUPED
    assert desk.count(kt.COUNT_CANCELLED) == 1
    assert desk.book.units[0] == 0.0
    assert desk.working.count[0] == 0


@either
def test_a_trailing_stop_of_a_group_is_tested_with_the_water_of_before_wherever_it_stands():
    trail = {"type": kt.TRAIL, "units": -100, "trail": 5.0, "group": 1}
    limit = {"type": kt.LIMIT, "units": -100, "limit": 110.0, "group": 1}
    for orders, which in (((trail, limit), 1), ((limit, trail), 0)):
        desk = Desk(*orders, units=100.0)
        desk.place()
        # The stop lies at 95; with this bar's high of 112 it would lie at 107 and be met.
        desk.bar(open=100, high=112, low=99, close=104)
        assert desk.fills == [(1, -100.0, 110.0)]
        assert desk.status[which] == kt.FILLED
        assert desk.count(kt.COUNT_AMBIGUOUS) == 0


@either
def test_other_groups_and_orders_without_a_group_stay():
    groups = (3, 3, -1, 4, -1)
    orders = [{"type": kt.LIMIT, "units": 10, "limit": 90.0 - k, "group": group} for k, group in enumerate(groups)]
    desk = Desk(*orders)
    desk.place()
    desk.bar(open=100, high=101, low=90, close=100)
    assert desk.status == [kt.FILLED, kt.GROUPED, kt.WORKING, kt.WORKING, kt.WORKING]
    assert desk.working.live[:3].tolist() == [2, 3, 4]


@either
def test_a_group_spans_assets_and_is_cancelled_by_a_market_order_too():
    orders = [{"units": 5, "group": 1}, {"asset": 1, "type": kt.LIMIT, "units": 5, "limit": 1000.0, "group": 1}]
    desk = Desk(*orders, n=2)
    desk.place()
    desk.bar(open=100, high=101, low=99, close=100)
    assert desk.status == [kt.FILLED, kt.GROUPED]
    assert desk.book.units.tolist() == [5.0, 0.0]


@either
def test_a_part_filled_in_a_group_cancels_nothing_until_it_is_whole():
    orders = [
        {"type": kt.STOP, "units": -100, "stop": 90.0, "group": 7},
        {"type": kt.LIMIT, "units": -100, "limit": 110.0, "group": 7},
    ]
    desk = Desk(*orders, units=100.0, terms={"participation": 0.5})
    desk.place()
    desk.bar(1, open=100, high=115, low=90, close=91, volume=120)
    assert desk.fills == [(1, -60.0, 90.0)]
    assert desk.status == [kt.WORKING, kt.WORKING]
    desk.bar(2, open=95, high=96, low=94, close=95, volume=200)
    assert desk.fills[1:] == [(2, -40.0, 95.0)]
    assert desk.status == [kt.FILLED, kt.GROUPED]


# Position, order, units filled (None: cancelled).
REDUCE_ONLY = [
    (30.0, -100, -30.0),
    (100.0, -40, -40.0),
    (-30.0, 100, 30.0),
    (0.0, -100, None),
    (-30.0, -100, None),
    (30.0, 100, None),
]


@either
@pytest.mark.parametrize(("held", "units", "filled"), REDUCE_ONLY)
@pytest.mark.parametrize("kind", [kt.MARKET, kt.STOP, kt.LIMIT])
def test_reduce_only_never_opens_or_turns(kind, held, units, filled):
    order = {"type": kind, "units": units, "stop": 100.0, "limit": 100.0, "reduce_only": 1, "tif": FOK}
    desk = Desk(order, units=held)
    desk.place()
    desk.bar(open=100, high=100, low=100, close=100)
    if filled is None:
        assert desk.status == [kt.CLOSED]
        assert desk.count(kt.COUNT_CANCELLED) == 1
        assert desk.book.units[0] == held
    else:
        assert desk.status == [kt.FILLED]
        assert desk.fills == [(1, filled, 100.0)]


@either
def test_reduce_only_is_looked_at_when_its_price_is_met():
    desk = Desk({"type": kt.LIMIT_OPEN, "units": -10, "limit": 110.0, "reduce_only": 1})
    desk.place()
    desk.bar(open=100, high=120, low=99, close=100)
    assert desk.status == [kt.EXPIRED]


@either
def test_reduce_only_waits_for_the_entry_of_its_bracket():
    orders = [
        {"type": kt.LIMIT, "units": 10, "limit": 95.0},
        {"type": kt.STOP, "units": -10, "stop": 90.0, "reduce_only": 1},
    ]
    desk = Desk(*orders)
    desk.place()
    desk.bar(1, open=100, high=101, low=96, close=97)
    assert desk.status == [kt.WORKING, kt.WORKING]
    desk.bar(2, open=97, high=98, low=94, close=95)
    desk.bar(3, open=92, high=93, low=85, close=86)
    assert desk.fills == [(2, 10.0, 95.0), (3, -10.0, 90.0)]


def quiet(t: int, **given: Any) -> dict[str, Any]:
    """A bar that meets none of the limits below."""
    return {"t": t, "open": 100, "high": 101, "low": 99, "close": 100, "session": t} | given


# Time in force, `until`, the bars as (session, ends), bar after which it is gone (None: still working).
LIVES = [
    (DAY, 0, [(0, 1), (1, 1)], 1),
    (DAY, 0, [(0, 0), (0, 0), (0, 1), (1, 1)], 3),
    (GTC, 0, [(0, 1), (1, 1), (2, 1)], None),
    (GTD, 2, [(0, 1), (1, 1), (2, 1)], 2),
    (GTD, 9, [(0, 1), (1, 1), (2, 1)], None),
    (IOC, 0, [(0, 0), (0, 0)], 1),
    (FOK, 0, [(0, 0), (0, 0)], 1),
]


@either
@pytest.mark.parametrize(("tif", "until", "bars", "gone"), LIVES)
@pytest.mark.parametrize("kind", [kt.LIMIT, kt.STOP_LIMIT])
def test_time_in_force(kind, tif, until, bars, gone):
    order = {"type": kind, "units": 10, "limit": 90.0, "stop": 200.0, "tif": tif, "until": until}
    desk = Desk(order)
    desk.place()
    assert desk.status == [kt.NO_NEXT_BAR]
    for t, (session, ends) in enumerate(bars, start=1):
        desk.bar(**quiet(t, session=session, session_ends=ends))
        dead = gone is not None and t >= gone
        assert desk.status == [kt.EXPIRED if dead else kt.WORKING], t
        assert desk.working.count[0] == (0 if dead else 1)
    assert desk.count(kt.COUNT_EXPIRED) == (gone is not None)
    assert desk.log.firsts[kt.COUNT_EXPIRED, 0] == (-1 if gone is None else gone)
    assert desk.working.first_session[0] == 0


@either
@pytest.mark.parametrize("kind", [kt.LIMIT_OPEN, kt.LIMIT_CLOSE])
def test_orders_of_one_moment_live_for_one_bar_whatever_they_say(kind):
    desk = Desk({"type": kind, "units": 10, "limit": 90.0, "tif": GTC})
    desk.place()
    desk.bar(**quiet(1, session_ends=0))
    assert desk.status == [kt.EXPIRED]


@either
def test_good_till_a_bar_that_is_over_never_lives():
    desk = Desk({"type": kt.LIMIT, "units": 10, "limit": 200.0, "tif": GTD, "until": 0})
    desk.place()
    assert desk.status == [kt.EXPIRED]
    desk.bar(**quiet(1))
    assert desk.fills == []


# Time in force, room on the first bar, fills, status after the first bar, cuts.
CUTS = [
    (GTC, 100, [100.0], kt.FILLED, 0),
    (GTC, 30, [30.0], kt.WORKING, 1),
    (GTC, 0, [], kt.WORKING, 1),
    (DAY, 30, [30.0], kt.CAPPED, 1),
    (DAY, 0, [], kt.CAPPED, 1),
    (IOC, 30, [30.0], kt.CAPPED, 1),
    (FOK, 99, [], kt.CAPPED, 1),
    (FOK, 100, [100.0], kt.FILLED, 0),
]


@either
@pytest.mark.parametrize(("tif", "room", "fills", "status", "cuts"), CUTS)
@pytest.mark.parametrize("kind", [kt.LIMIT, kt.STOP])
def test_cut_by_volume(kind, tif, room, fills, status, cuts):
    order = {"type": kind, "units": 100, "limit": 100.0, "stop": 100.0, "tif": tif}
    desk = Desk(order, terms={"participation": 1.0})
    desk.place()
    desk.bar(**quiet(1, volume=room))
    assert [units for _, units, _ in desk.fills] == fills
    assert desk.status == [status]
    assert desk.count(kt.COUNT_CAPPED) == cuts
    assert desk.count(kt.COUNT_EXPIRED) == 0


@either
@pytest.mark.parametrize("kind", [kt.MARKET, kt.MARKET_OPEN, kt.MARKET_CLOSE, kt.LIMIT_OPEN, kt.LIMIT_CLOSE])
def test_a_market_order_that_is_cut_is_over(kind):
    desk = Desk({"type": kind, "units": 100, "limit": 100.0}, terms={"participation": 1.0})
    desk.place()
    desk.bar(**quiet(1, volume=30))
    assert desk.status == [kt.CAPPED]
    assert desk.book.units[0] == 30.0


@either
def test_a_limit_that_was_once_cut_dies_capped():
    order = {"type": kt.LIMIT, "units": 100, "limit": 100.0, "tif": GTD, "until": 2}
    desk = Desk(order, terms={"participation": 1.0})
    desk.place()
    desk.bar(**quiet(1, volume=30))
    desk.bar(2, open=110, high=111, low=109, close=110, volume=30)
    assert desk.status == [kt.CAPPED]
    assert desk.count(kt.COUNT_EXPIRED) == 0


@either
def test_a_triggered_stop_is_a_market_order_from_then_on():
    for kind in (kt.STOP, kt.TRAIL):
        order = {"type": kind, "units": -100, "stop": 95.0, "trail": 5.0}
        desk = Desk(order, units=100.0, terms={"participation": 1.0})
        desk.place()
        desk.bar(1, open=100, high=100, low=94, close=99, volume=60)
        desk.bar(2, open=103, high=104, low=102, close=103, volume=60)  # back above the stop: still sold
        assert desk.fills == [(1, -60.0, 95.0), (2, -40.0, 103.0)]


@either
def test_a_triggered_stop_limit_that_is_cut_is_a_limit_from_then_on():
    order = {"type": kt.STOP_LIMIT, "units": -100, "stop": 95.0, "limit": 94.0}
    desk = Desk(order, units=100.0, terms={"participation": 1.0})
    desk.place()
    desk.bar(1, open=100, high=100, low=94, close=93, volume=60)
    desk.bar(2, open=92, high=93, low=91, close=92, volume=60)
    assert len(desk.fills) == 1
    desk.bar(3, open=96, high=97, low=96, close=96, volume=60)
    assert desk.fills == [(1, -60.0, 95.0), (3, -40.0, 96.0)]


@either
def test_orders_of_one_bar_share_its_room_in_the_order_of_placement():
    orders = [{"type": kt.LIMIT, "units": 60, "limit": 100.0} for _ in range(3)]
    desk = Desk(*orders, terms={"participation": 1.0})
    desk.place()
    desk.bar(**quiet(1, volume=100))
    assert [units for _, units, _ in desk.fills] == [60.0, 40.0]
    assert desk.working.left.tolist() == [0.0, 20.0, 60.0]
    assert desk.count(kt.COUNT_CAPPED) == 2


@either
def test_partial_fills_share_the_minimum():
    # The zipline figures of the notes: 0.0075 a share, at least 2.50, fills of 230, 170 and 100 shares.
    schedule = [[0.0, 0.0, 0.0075, 0.0, 2.5, np.inf, np.inf]]
    terms = {"participation": 1.0, "commission": schedule}
    desk = Desk({"type": kt.LIMIT, "units": 500, "limit": 100.0}, terms=terms)
    desk.place()
    for t, volume in enumerate((230, 170, 100), start=1):
        desk.bar(**quiet(t, volume=volume))
    np.testing.assert_allclose(desk.log.paid[:3, 3].cumsum(), [2.5, 3.0, 3.75], rtol=1e-15)
    assert desk.status == [kt.FILLED]


# Placing.


@either
def test_placing_writes_the_order_with_the_mark_of_its_decision():
    orders = [{"placed": 0, "units": 5}, {"placed": 2, "units": -7, "asset": 1}, {"placed": 2, "units": 1}]
    desk = Desk(*orders, n=2, mark=[100.0, 50.0])
    assert desk.place(0) == (0, 1)
    assert desk.place(1) == (1, 1)
    assert desk.place(2) == (1, 3)
    assert desk.place(3) == (3, 3)
    expected = [[0, 0, kt.ORDER, 2], [2, 1, kt.ORDER, 2], [2, 0, kt.ORDER, 2]]
    assert desk.log.orders[:3].tolist() == expected
    assert desk.log.asked[:3].tolist() == [[5.0, 100.0], [-7.0, 50.0], [1.0, 100.0]]
    assert desk.working.row.tolist() == [0, 1, 2]
    assert desk.working.live[:3].tolist() == [0, 1, 2]
    assert desk.working.water.tolist() == [100.0, 50.0, 100.0]


@either
def test_what_cannot_live_is_skipped():
    orders = [{"asset": asset, "units": 5} for asset in range(3)] + [{"asset": 2, "units": 0.4}]
    desk = Desk(*orders, n=3, mark=[NAN, 100.0, 100.0], dead=[0, 1, 0])
    assert desk.place() == (0, 4)
    assert desk.status == [kt.SKIPPED, kt.SKIPPED, kt.NO_NEXT_BAR, kt.TOO_SMALL]
    assert desk.log.counts[kt.COUNT_SKIPPED].tolist() == [1, 1, 0, 0]
    assert desk.log.counts[kt.COUNT_BELOW_ONE_LOT].tolist() == [0, 0, 1, 0]
    assert desk.working.live[: desk.working.count[0]].tolist() == [2]
    assert desk.working.left.tolist() == [0.0, 0.0, 5.0, 0.0]


@either
def test_a_position_that_is_leaving_takes_no_other_order():
    for kind, status in ((kt.TIME_STOP, kt.LEAVING), (kt.ORDER, kt.NO_NEXT_BAR), (kt.REBALANCE, kt.NO_NEXT_BAR)):
        desk = Desk({"units": 5}, units=100.0, due=-100.0, due_kind=kind)
        desk.place()
        assert desk.status == [status]


@either
def test_orders_are_cut_to_whole_lots():
    for lot, left in ((1.0, 250.0), (100.0, 200.0), (0.0, 250.5)):
        desk = Desk({"units": 250.5}, terms={"step": lot})
        desk.place()
        assert desk.working.left[0] == left


@either
def test_without_records_everything_happens_all_the_same():
    orders = [{"type": kt.LIMIT, "units": 5, "limit": 99.0}, {"type": kt.LIMIT, "units": 5, "limit": 1.0, "tif": DAY}]
    desk = Desk(*orders, keep=0)
    desk.place()
    desk.bar(**quiet(1))
    assert desk.working.status.tolist() == [kt.FILLED, kt.EXPIRED]
    assert desk.log.used.tolist() == [0, 0, 0]
    assert desk.book.units[0] == 5.0


@either
def test_orders_of_the_last_bar_have_no_next_bar():
    orders = [{"type": kt.LIMIT, "units": 5, "limit": 1.0}, {"placed": 1, "units": 5}]
    desk = Desk(*orders)
    desk.place(0)
    desk.bar(**quiet(1, last=1))
    desk.place(1)
    desk.step(kit.LAST, t=1, last=1)
    assert desk.status == [kt.WORKING, kt.NO_NEXT_BAR]
    assert desk.count(kt.COUNT_NO_NEXT_BAR) == 1


@either
def test_dropping_and_compacting_keep_the_order():
    desk = Desk(*[{"type": kt.LIMIT, "units": 1, "limit": 1.0}] * 5)
    desk.place()
    for k in (0, 3):
        desk.step(kit.DROP, k, kt.MARGIN_REJECTED)
    assert desk.working.left.tolist() == [0.0, 1.0, 1.0, 0.0, 1.0]
    desk.bar(open=0.5, high=0.5, low=0.5, close=0.5)
    filled, rejected = kt.FILLED, kt.MARGIN_REJECTED
    assert desk.status == [rejected, filled, filled, rejected, filled]
    desk = Desk(*[{"type": kt.LIMIT, "units": 1, "limit": 1.0}] * 5)
    desk.place()
    for k in (0, 3):
        desk.step(kit.DROP, k, kt.MARGIN_REJECTED)
    desk.step(kit.COMPACT)
    assert desk.working.live[: desk.working.count[0]].tolist() == [1, 2, 4]


# Corporate actions.


@either
def test_a_split_restates_what_works():
    orders = [
        {"type": kt.STOP_LIMIT, "units": -90, "stop": 96.0, "limit": 93.0},
        {"type": kt.TRAIL, "units": 11, "trail": 6.0},
        {"type": kt.TRAIL, "units": 11, "trail_fraction": 0.1},
        {"asset": 1, "type": kt.LIMIT, "units": 10, "limit": 60.0},
    ]
    desk = Desk(*orders, n=2, mark=[99.0, 99.0])
    desk.place()
    desk.working.done[:, 0] = [30.0, 2880.0]
    assert desk.step(kit.SPLIT, 0, x=3.0)[0] == 0
    assert desk.working.left.tolist() == [-270.0, 33.0, 33.0, 10.0]
    assert desk.working.stop[0] == 32.0
    assert desk.working.limit[[0, 3]].tolist() == [31.0, 60.0]
    assert desk.working.trail[1] == 2.0
    assert desk.working.trail_fraction[2] == 0.1
    assert desk.working.water.tolist() == [33.0, 33.0, 33.0, 99.0]
    # What was filled before the split is charged and done with.
    assert desk.working.done[:, 0].tolist() == [30.0, 2880.0]


@either
def test_a_reverse_split_leaves_whole_units_and_ends_what_is_none():
    orders = [{"type": kt.LIMIT, "units": units, "limit": 10.0} for units in (100, 6)]
    desk = Desk(*orders, mark=10.0)
    desk.place()
    assert desk.step(kit.SPLIT, 0, x=1.0 / 7.0)[0] == 1
    assert desk.working.left.tolist() == [14.0, 0.0]
    assert desk.status == [kt.NO_NEXT_BAR, kt.SPLIT_AWAY]
    desk.bar(open=80, high=80, low=65, close=70)
    assert desk.fills == [(1, 14.0, pytest.approx(70.0, rel=1e-15))]


@either
def test_cancelling_by_asset_and_all():
    orders = [{"asset": k % 2, "type": kt.LIMIT, "units": 5, "limit": 1.0} for k in range(4)]
    desk = Desk(*orders, n=2)
    desk.place()
    assert desk.step(kit.CANCEL, 1, kt.DELISTED)[0] == 2
    assert desk.status == [kt.NO_NEXT_BAR, kt.DELISTED, kt.NO_NEXT_BAR, kt.DELISTED]
    assert desk.step(kit.CANCEL, -1, kt.ENDED)[0] == 2
    assert desk.status == [kt.ENDED, kt.DELISTED, kt.ENDED, kt.DELISTED]
    desk.bar(open=0.5, high=0.5, low=0.5, close=0.5)
    assert desk.fills == []


# What holds for any prices and orders.

prices = st.integers(1, 400).map(lambda k: k / 4.0)
ranges = st.lists(prices, min_size=3, max_size=3).map(sorted)


@given(st.sampled_from([1.0, -1.0]), prices, prices, ranges)
def test_prices_met_lie_within_the_bar_and_keep_their_promise(side, limit, stop, bar):
    low, opening, high = bar
    when, price = tk.limit_met(side, limit, opening, high, low)
    assert (when == tk.NEVER) == (low > limit if side > 0 else high < limit)
    if when != tk.NEVER:
        assert low <= price <= high
        assert side * price <= side * limit
    when, price = tk.stop_met(side, stop, opening, high, low)
    assert (when == tk.NEVER) == (high < stop if side > 0 else low > stop)
    if when != tk.NEVER:
        assert low <= price <= high
        assert side * price >= side * stop
    when, price = tk.stop_limit_met(side, stop, limit, opening, high, low)
    if when != tk.NEVER:
        assert low <= price <= high
        assert side * price <= side * limit
        assert tk.stop_met(side, stop, opening, high, low)[0] != tk.NEVER


@given(prices, prices, ranges)
def test_a_sale_is_a_purchase_in_the_mirror(limit, stop, bar):
    low, opening, high = bar
    for function, levels in ((tk.limit_met, [limit]), (tk.stop_met, [stop]), (tk.stop_limit_met, [stop, limit])):
        buys = function(1.0, *levels, opening, high, low)
        # Quarters are exact, so that the mirrored prices have the same bits.
        sells = function(-1.0, *[200.0 - level for level in levels], 200.0 - opening, 200.0 - low, 200.0 - high)
        assert buys[0] == sells[0]
        np.testing.assert_equal(buys[1], 200.0 - sells[1])
        assert function.py_func(1.0, *levels, opening, high, low)[0] == buys[0]


orders = st.fixed_dictionaries(
    {
        "placed": st.integers(0, 3),
        "type": st.integers(0, 8),
        "tif": st.integers(0, 4),
        "until": st.integers(0, 6),
        "group": st.integers(-1, 1),
        "reduce_only": st.integers(0, 1),
        "units": st.integers(-50, 50).filter(bool).map(float),
        "limit": st.integers(90, 110).map(float),
        "stop": st.integers(90, 110).map(float),
        "trail": st.sampled_from([NAN, 2.0, 5.0]),
        "trail_fraction": st.just(0.05),
    }
)
whole_bars = st.tuples(
    st.lists(st.integers(88, 112), min_size=4, max_size=4).map(sorted), st.booleans(), st.integers(0, 120)
)


def run_and_check(rows: list[dict[str, Any]], bars: list[Any], participation: float) -> Desk:
    """Run the orders over the bars, and demand what must hold for any of them."""
    desk = Desk(*rows, units=20.0, terms={"participation": participation})
    desk.place(0, close=100.0)
    for t, ((low, a, b, high), falls, volume) in enumerate(bars, start=1):
        opening, close = (b, a) if falls else (a, b)
        before, used = desk.book.units[0], desk.log.used[1]
        desk.bar(t, open=opening, high=high, low=low, close=close, volume=volume)
        traded = desk.log.paid[used : desk.log.used[1]]
        assert desk.book.units[0] == before + traded[:, 0].sum()
        assert ((low <= traded[:, 2]) & (traded[:, 2] <= high)).all()
        assert participation == 0.0 or np.abs(traded[:, 0]).sum() <= participation * volume
        desk.place(t, close=close)
    paid, rows_filled = desk.log.paid[: desk.log.used[1]], desk.log.fills[: desk.log.used[1], 0]
    # Quantities are whole numbers and prices twentieths of them, far from the limits of a double.
    np.testing.assert_allclose(desk.book.cash[0], 1_000_000.0 - (paid[:, 0] * paid[:, 2]).sum(), rtol=1e-14)
    tickets, live = desk.tickets, desk.working.live[: desk.working.count[0]].tolist()
    assert live == sorted(live)
    for k, status in enumerate(desk.status):
        asked, mine, side = tickets.units[k], paid[rows_filled == k], np.sign(tickets.units[k])
        assert (side * mine[:, 0] > 0.0).all()
        assert np.abs(mine[:, 0].sum()) <= np.abs(asked)
        assert status != kt.FILLED or tickets.reduce_only[k] == 1 or mine[:, 0].sum() == asked
        assert status == kt.FILLED or tickets.tif[k] != FOK or len(mine) == 0
        assert status in (kt.NO_NEXT_BAR, kt.FILLED, kt.CAPPED, kt.WORKING) or len(mine) == 0 or participation > 0.0
        waiting = status in (kt.NO_NEXT_BAR, kt.WORKING)
        assert (desk.working.left[k] != 0.0) == waiting
        assert waiting == (k in live)
        if tickets.type[k] in (kt.LIMIT, kt.STOP_LIMIT, kt.LIMIT_OPEN, kt.LIMIT_CLOSE):
            assert (side * mine[:, 2] <= side * tickets.limit[k]).all()
    return desk


@settings(max_examples=300)
@given(st.lists(orders, max_size=8), st.lists(whole_bars, min_size=1, max_size=6), st.sampled_from([0.0, 0.5]))
def test_any_orders_over_any_bars_add_up(drawn, bars, participation):
    rows = sorted(drawn, key=lambda order: order["placed"])
    compiled = run_and_check(rows, bars, participation)
    with plain_python():
        python = run_and_check(rows, bars, participation)
    assert compiled.status == python.status
    assert compiled.fills == python.fills
    np.testing.assert_array_equal(compiled.log.counts, python.log.counts)
