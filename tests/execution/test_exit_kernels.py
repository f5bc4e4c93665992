"""Exits of positions: tables of small bars, compiled and in plain Python, and what holds for any prices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.execution import _kernel_types as kt

from . import conftest as kit
from .conftest import make_bar, make_book, make_impact, make_log, make_terms, make_tickets, make_working, plain_python

either = pytest.mark.usefixtures("either_way")

NAN = np.nan
LONG, SHORT = 100.0, -100.0


class Desk:
    """One book under exits; positions were opened at 100 on bar 0, at its open, unless the test says otherwise."""

    def __init__(self, n: int = 1, *, keep: int = 1, impact: Any = None, **given: Any) -> None:
        terms = {name: given.pop(name) for name in kt.Terms._fields if name in given}
        self.n = n
        self.terms = make_terms(n, **terms)
        self.impact = make_impact(n, **(impact or {}))
        self.book = make_book(n, **({"mark": 100.0} | given))
        self.log = make_log(n, keep=keep)
        self.tickets = make_tickets()
        self.working = make_working(self.tickets)

    def step(self, what: int, t: int, **values: Any) -> int:
        bar = make_bar(self.n, t, **values)
        if self.terms.participation > 0.0:
            self.book.room[:] = np.floor(np.nan_to_num(bar.volume) * self.terms.participation + 1e-9)
        state = (self.tickets, self.book, bar, self.impact, self.terms, self.working, self.log)
        return kit.step(what, 0, 0, 1.0, *state)[0]

    def bar(self, t: int, opening: float, high: float, low: float, close: float = NAN, **values: Any) -> None:
        """The exits inside bar t, then its mark."""
        self.step(kit.RUN_EXITS, t, open=opening, high=high, low=low, close=close, **values)
        if not np.isnan(close):
            self.book.mark[:] = close

    def close(self, t: int, close: Any, **values: Any) -> int:
        """The mark of bar t, then the exits that its close demands."""
        self.book.mark[:] = np.where(np.isnan(close), self.book.mark, close)
        return self.step(kit.EXITS_AT_CLOSE, t, close=close, **values)

    def count(self, rule: int) -> int:
        return int(self.log.counts[rule].sum())

    @property
    def orders(self) -> list[tuple[int, int, int, float]]:
        """Bar, kind, status and units of every order."""
        rows, asked = self.log.orders[: self.log.used[0]], self.log.asked
        return [(int(row[0]), int(row[2]), int(row[3]), asked[k, 0]) for k, row in enumerate(rows)]

    @property
    def fills(self) -> list[tuple[int, float, float]]:
        """Bar, units and price of every fill."""
        rows = range(self.log.used[1])
        return [(int(self.log.fills[k, 1]), self.log.paid[k, 0], self.log.paid[k, 2]) for k in rows]


STOP = {"stop_loss": 0.125}  # 87.5 and 112.5
TARGET = {"take_profit": 0.25}  # 125 and 75
BOTH = STOP | TARGET
TRAIL = {"trailing": 0.125}

# Terms, units, (open, high, low), (kind, price) or None, ambiguous. Entry and last mark are 100.
BARS = [
    # A long stop: a touch fills, a gap fills at the open.
    (STOP, LONG, (100, 110, 88), None, 0),
    (STOP, LONG, (100, 110, 87.5), (kt.STOP_LOSS, 87.5), 0),
    (STOP, LONG, (100, 110, 70), (kt.STOP_LOSS, 87.5), 0),
    (STOP, LONG, (80, 110, 70), (kt.STOP_LOSS, 80.0), 0),
    (STOP, LONG, (87.5, 110, 87.5), (kt.STOP_LOSS, 87.5), 0),
    (STOP, LONG, (100, 900, 88), None, 0),
    # A short stop.
    (STOP, SHORT, (100, 112, 88), None, 0),
    (STOP, SHORT, (100, 112.5, 88), (kt.STOP_LOSS, 112.5), 0),
    (STOP, SHORT, (100, 130, 88), (kt.STOP_LOSS, 112.5), 0),
    (STOP, SHORT, (120, 130, 88), (kt.STOP_LOSS, 120.0), 0),
    (STOP, SHORT, (100, 112, 1), None, 0),
    # A long target: never better than the open.
    (TARGET, LONG, (100, 124, 90), None, 0),
    (TARGET, LONG, (100, 125, 90), (kt.TAKE_PROFIT, 125.0), 0),
    (TARGET, LONG, (100, 140, 90), (kt.TAKE_PROFIT, 125.0), 0),
    (TARGET, LONG, (130, 140, 90), (kt.TAKE_PROFIT, 130.0), 0),
    (TARGET, LONG, (100, 110, 1), None, 0),
    # A short target.
    (TARGET, SHORT, (100, 110, 76), None, 0),
    (TARGET, SHORT, (100, 110, 75), (kt.TAKE_PROFIT, 75.0), 0),
    (TARGET, SHORT, (70, 110, 60), (kt.TAKE_PROFIT, 70.0), 0),
    (TARGET, SHORT, (100, 900, 76), None, 0),
    # Both: the open first, then the stop, and what is unknown is counted.
    (BOTH, LONG, (100, 124, 88), None, 0),
    (BOTH, LONG, (100, 125, 88), (kt.TAKE_PROFIT, 125.0), 0),
    (BOTH, LONG, (100, 124, 87), (kt.STOP_LOSS, 87.5), 0),
    (BOTH, LONG, (100, 125, 87.5), (kt.STOP_LOSS, 87.5), 1),
    (BOTH, LONG, (126, 130, 80), (kt.TAKE_PROFIT, 126.0), 0),
    (BOTH, LONG, (85, 130, 80), (kt.STOP_LOSS, 85.0), 0),
    (BOTH, SHORT, (100, 112.5, 75), (kt.STOP_LOSS, 112.5), 1),
    (BOTH, SHORT, (74, 120, 70), (kt.TAKE_PROFIT, 74.0), 0),
    (BOTH, SHORT, (115, 120, 70), (kt.STOP_LOSS, 115.0), 0),
    (BOTH, SHORT, (100, 112, 75), (kt.TAKE_PROFIT, 75.0), 0),
    # Trailing, from the best price before this bar.
    (TRAIL, LONG, (100, 140, 88), None, 0),
    (TRAIL, LONG, (100, 101, 87.5), (kt.TRAILING, 87.5), 0),
    (TRAIL, LONG, (60, 101, 60), (kt.TRAILING, 60.0), 0),
    (TRAIL, SHORT, (100, 112, 60), None, 0),
    (TRAIL, SHORT, (100, 112.5, 99), (kt.TRAILING, 112.5), 0),
    # Of two stops the nearer one counts; the fixed one when they are equal.
    ({"stop_loss": 0.25, "trailing": 0.125}, LONG, (100, 101, 70), (kt.TRAILING, 87.5), 0),
    ({"stop_loss": 0.125, "trailing": 0.25}, LONG, (100, 101, 70), (kt.STOP_LOSS, 87.5), 0),
    ({"stop_loss": 0.125, "trailing": 0.125}, LONG, (100, 101, 70), (kt.STOP_LOSS, 87.5), 0),
    ({"stop_loss": 0.25, "trailing": 0.125}, SHORT, (100, 140, 99), (kt.TRAILING, 112.5), 0),
    ({"stop_loss": 0.125, "trailing": 0.25}, SHORT, (100, 140, 99), (kt.STOP_LOSS, 112.5), 0),
    ({"stop_loss": 0.125, "trailing": 0.125}, SHORT, (100, 140, 99), (kt.STOP_LOSS, 112.5), 0),
    (TRAIL | TARGET, LONG, (100, 125, 87), (kt.TRAILING, 87.5), 1),
    # Whole sides are wiped out by no stop at all.
    ({"stop_loss": 1.0}, LONG, (100, 101, 0.01), None, 0),
    ({"take_profit": 1.0}, SHORT, (100, 101, 0.01), None, 0),
    ({}, LONG, (1, 900, 0.01), None, 0),
    ({"time_stop": 1}, LONG, (1, 900, 0.01), None, 0),
    # A missing open counts as the last mark; without high or low nothing is tested here.
    (STOP, LONG, (NAN, 110, 87), (kt.STOP_LOSS, 87.5), 0),
    (TARGET, LONG, (NAN, 130, 99), (kt.TAKE_PROFIT, 125.0), 0),
    (BOTH, LONG, (80, NAN, 70), None, 0),
    (BOTH, LONG, (80, 130, NAN), None, 0),
]


@either
@pytest.mark.parametrize(("terms", "units", "bar", "expected", "ambiguous"), BARS)
def test_one_bar(terms, units, bar, expected, ambiguous):
    desk = Desk(units=units, **terms)
    desk.bar(1, *bar)
    assert desk.count(kt.COUNT_AMBIGUOUS) == ambiguous
    if expected is None:
        assert (desk.orders, desk.fills) == ([], [])
        assert desk.book.units[0] == units
        return
    kind, price = expected
    assert desk.orders == [(1, kind, kt.FILLED, -units)]
    assert desk.log.asked[0, 1] == 100.0
    assert desk.fills == [(1, -units, price)]
    assert desk.book.cash[0] == 1_000_000.0 + units * price
    assert (desk.book.units[0], desk.book.due[0], desk.book.entered[0]) == (0.0, 0.0, -1)
    assert np.isnan([desk.book.entry[0], desk.book.peak[0], desk.book.trough[0]]).all()


@either
def test_the_pitfall_of_the_notes():
    # Stop 95: the bar opens at 80 and fills there. Open 100, high 110, low 90 with 95 and 105: the stop, and a flag.
    desk = Desk(units=100.0, stop_loss=0.05, take_profit=0.05)
    desk.bar(1, 80, 81, 79)
    assert desk.fills[0][2] == 80.0
    desk = Desk(units=100.0, stop_loss=0.05, take_profit=0.05)
    desk.bar(1, 100, 110, 90)
    assert desk.fills[0][2] == 95.0
    assert desk.count(kt.COUNT_AMBIGUOUS) == 1


@either
def test_a_stop_pays_slippage_and_a_target_does_not():
    for bar, price in (((100, 101, 80), 87.5 * 0.99), ((100, 130, 99), 125.0)):
        desk = Desk(units=100.0, impact={"spread": 0.01}, **BOTH)
        desk.bar(1, *bar)
        assert desk.fills[0][2] == pytest.approx(price, rel=1e-15)


@either
def test_trailing_over_several_bars_moves_after_the_test():
    desk = Desk(units=100.0, **TRAIL)
    desk.bar(1, 100, 120, 90, 118)  # stop 87.5; the high of 120 counts from the next bar on
    assert (desk.book.peak[0], desk.book.trough[0]) == (120.0, 90.0)
    desk.bar(2, 118, 119, 106, 110)  # stop 105
    desk.bar(3, 110, 128, 106, 127)
    assert desk.fills == []
    desk.bar(4, 127, 127, 110, 111)  # stop 112
    assert desk.fills == [(4, -100.0, 112.0)]


@either
def test_trailing_of_a_short_follows_the_low():
    desk = Desk(units=-100.0, **TRAIL)
    desk.bar(1, 100, 105, 80, 82)
    desk.bar(2, 82, 89, 64, 66)  # stop 90
    assert desk.fills == []
    desk.bar(3, 66, 73, 65, 72)  # stop 72
    assert desk.fills == [(3, 100.0, 72.0)]


@either
def test_a_bar_without_its_high_or_low_does_not_move_the_best_price():
    desk = Desk(units=100.0, **TRAIL)
    desk.bar(1, 100, NAN, 90, 118)
    desk.bar(2, 100, 120, NAN, 118)
    assert (desk.book.peak[0], desk.book.trough[0]) == (100.0, 100.0)


# entry_bar, opened at the open, bar of the entry, whether the exit fills on bar 1, the peak if not.
ENTRIES = [
    (1, 1, 1, True, NAN),
    (1, 0, 1, False, 100.0),  # bought inside the bar: its range may lie before the purchase
    (0, 1, 1, False, 110.0),
    (0, 0, 1, False, 100.0),
    (0, 0, 0, True, NAN),
    (1, 0, 0, True, NAN),
]


@either
@pytest.mark.parametrize(("entry_bar", "opened", "entered", "exits", "peak"), ENTRIES)
def test_the_bar_of_the_entry(entry_bar, opened, entered, exits, peak):
    desk = Desk(units=100.0, entered=entered, opened=opened, entry_bar=entry_bar, **STOP)
    desk.bar(1, 100, 110, 80)
    assert len(desk.fills) == exits
    np.testing.assert_equal(desk.book.peak[0], peak)


@either
def test_an_exit_drops_the_waiting_order_and_starts_a_new_commission():
    schedule = [[0.0, 0.0, 0.0, 0.0, 5.0, np.inf, np.inf]]
    desk = Desk(units=100.0, due=50.0, due_kind=kt.REBALANCE, due_age=3, due_row=0, commission=schedule, **STOP)
    desk.book.done[:, 0] = [10.0, 1000.0]
    desk.log.orders[0] = [0, 0, kt.REBALANCE, kt.NO_NEXT_BAR]
    desk.log.used[0] = 1
    desk.bar(1, 100, 101, 80)
    assert [order[1:3] for order in desk.orders] == [(kt.REBALANCE, kt.EXITED), (kt.STOP_LOSS, kt.FILLED)]
    assert desk.count(kt.COUNT_CANCELLED) == 1
    assert desk.log.fills[0].tolist() == [1, 1, 0]
    assert desk.log.paid[0, 3] == 5.0
    assert desk.book.due[0] == 0.0


@either
@pytest.mark.parametrize("kind", [kt.STOP_LOSS, kt.TAKE_PROFIT, kt.TRAILING, kt.TIME_STOP])
def test_a_position_that_is_leaving_is_not_tested_and_its_order_stands(kind):
    desk = Desk(units=100.0, due=-40.0, due_kind=kind, due_age=1, time_stop=1, **BOTH)
    desk.bar(3, 100, 130, 80, 90)
    assert desk.close(3, 80.0) == 0
    assert (desk.orders, desk.fills) == ([], [])
    assert (desk.book.due[0], desk.book.due_kind[0], desk.book.due_age[0]) == (-40.0, kind, 1)
    assert (desk.book.peak[0], desk.book.trough[0]) == (130.0, 80.0)
    # What has been filled or dropped leaves its kind behind and holds nothing back.
    desk = Desk(units=100.0, due=0.0, due_kind=kind, **BOTH)
    desk.bar(3, 100, 101, 80)
    assert len(desk.fills) == 1


@either
def test_what_the_room_leaves_waits_as_a_book_order_of_the_same_kind():
    for units in (LONG, SHORT):
        desk = Desk(units=units, participation=0.5, **STOP)
        desk.bar(1, 100, 130, 70, 80, volume=60)
        side = np.sign(units)
        assert desk.fills == [(1, -30.0 * side, 87.5 if units > 0 else 112.5)]
        assert desk.orders == [(1, kt.STOP_LOSS, kt.NO_NEXT_BAR, -units)]
        assert desk.book.units[0] == 70.0 * side
        assert desk.book.due[0] == -70.0 * side
        assert (desk.book.due_kind[0], desk.book.due_age[0], desk.book.due_row[0]) == (kt.STOP_LOSS, 0, 0)
        assert desk.book.done[0, 0] == 30.0
        assert desk.count(kt.COUNT_CAPPED) == 1


@either
def test_without_room_the_whole_exit_waits():
    desk = Desk(units=100.0, participation=0.5, **STOP)
    desk.bar(1, 100, 101, 70)  # no volume
    assert desk.fills == []
    assert desk.book.due[0] == -100.0


@either
@pytest.mark.parametrize("reentry", [0, 1])
def test_a_closed_side_is_barred_from_the_fill_on(reentry):
    desk = Desk(4, units=[LONG, SHORT, LONG, 0.0], entry=[100.0, 100.0, 50.0, NAN], reentry=reentry, **STOP)
    desk.bar(1, 100, 115, 80)
    # What it means is decided where weights are taken in.
    assert desk.book.barred.tolist() == [1, -1, 0, 0]
    assert desk.book.target[0] == desk.book.target[1] == 0.0
    desk = Desk(4, units=[LONG, SHORT, LONG, 0.0], entry=[100.0, 80.0, 50.0, NAN], reentry=reentry, **STOP)
    assert desk.close(1, [80.0, 100.0, 100.0, 100.0]) == 2
    assert desk.book.barred.tolist() == [0, 0, 0, 0]


@either
def test_each_position_by_itself_and_in_order():
    desk = Desk(5, units=[LONG, 0.0, SHORT, LONG, SHORT], **BOTH)
    high, low = [100, 200, 100, 126, 120], [80, 50, 75, 99, 99]
    desk.step(kit.RUN_EXITS, 1, open=100.0, high=high, low=low)
    assert desk.log.orders[:4, 1:3].tolist() == [
        [0, kt.STOP_LOSS],
        [2, kt.TAKE_PROFIT],
        [3, kt.TAKE_PROFIT],
        [4, kt.STOP_LOSS],
    ]
    assert [price for _, _, price in desk.fills] == [87.5, 75.0, 125.0, 112.5]
    assert desk.book.units.tolist() == [0.0] * 5


@either
def test_without_records_the_exit_happens_all_the_same():
    desk = Desk(units=100.0, keep=0, **STOP)
    desk.bar(1, 100, 101, 80)
    assert desk.book.units[0] == 0.0
    assert desk.log.used.tolist() == [0, 0, 0]


# At the close.

# Terms, units, close, kind or None; the position is of bar 0, the bar is 3.
CLOSES = [
    (BOTH, LONG, 88.0, None),
    (BOTH, LONG, 87.5, kt.STOP_LOSS),
    (BOTH, LONG, 20.0, kt.STOP_LOSS),
    (BOTH, LONG, 124.0, None),
    (BOTH, LONG, 125.0, kt.TAKE_PROFIT),
    (BOTH, SHORT, 112.0, None),
    (BOTH, SHORT, 112.5, kt.STOP_LOSS),
    (BOTH, SHORT, 75.0, kt.TAKE_PROFIT),
    (TRAIL, LONG, 87.5, kt.TRAILING),
    (TRAIL, SHORT, 112.5, kt.TRAILING),
    (BOTH, LONG, NAN, None),
    ({"time_stop": 3}, LONG, 100.0, kt.TIME_STOP),
    ({"time_stop": 3}, SHORT, 100.0, kt.TIME_STOP),
    ({"time_stop": 3}, LONG, NAN, kt.TIME_STOP),
    ({"time_stop": 4}, LONG, 100.0, None),
    (BOTH | {"time_stop": 3}, LONG, 87.0, kt.STOP_LOSS),
    (BOTH | {"time_stop": 3}, LONG, 126.0, kt.TAKE_PROFIT),
    ({}, LONG, 1.0, None),
]


@either
@pytest.mark.parametrize(("terms", "units", "close", "kind"), CLOSES)
def test_exits_at_the_close(terms, units, close, kind):
    desk = Desk(units=units, **terms)
    assert desk.close(3, close) == (kind is not None)
    assert desk.fills == []
    assert desk.book.units[0] == units
    if kind is None:
        assert desk.orders == []
        assert desk.book.due[0] == 0.0
    else:
        assert desk.orders == [(3, kind, kt.NO_NEXT_BAR, -units)]
        assert desk.log.asked[0, 1] == desk.book.mark[0]
        assert (desk.book.due[0], desk.book.due_kind[0], desk.book.due_row[0]) == (-units, kind, 0)


@either
def test_a_bar_with_high_and_low_is_not_tested_again_at_its_close():
    desk = Desk(units=100.0, **BOTH)
    assert desk.close(3, 50.0, open=100, high=100, low=50) == 0
    assert desk.close(3, 50.0, open=100, high=NAN, low=50) == 1
    desk = Desk(units=100.0, time_stop=3)
    assert desk.close(3, 100.0, open=100, high=100, low=99) == 1


@either
def test_what_was_bought_inside_a_bar_keeps_the_price_of_its_fill_as_its_best():
    desk = Desk(units=100.0, entered=3, opened=0, **TRAIL)
    assert desk.close(3, 120.0, open=100, high=130, low=90) == 0
    assert (desk.book.peak[0], desk.book.trough[0]) == (100.0, 100.0)


@either
def test_a_missing_open_is_the_last_mark_brought_into_the_bar():
    desk = Desk(units=100.0, entry=72.0, **TARGET)
    desk.bar(1, NAN, 95, 90)
    assert desk.fills == [(1, -100.0, 95.0)]


@either
def test_trailing_over_closes_moves_after_the_test():
    desk = Desk(units=100.0, **TRAIL)
    assert desk.close(1, 128.0) == 0
    assert desk.close(2, 113.0) == 0
    assert (desk.book.peak[0], desk.book.trough[0]) == (128.0, 100.0)
    assert desk.close(3, 112.0) == 1
    desk = Desk(units=-100.0, **TRAIL)
    assert desk.close(1, 64.0) == 0
    assert desk.close(2, 72.0) == 1


@either
@pytest.mark.parametrize(("entry_bar", "opened", "sent"), [(1, 1, 1), (1, 0, 0), (0, 1, 0)])
def test_the_close_of_the_entry_bar(entry_bar, opened, sent):
    desk = Desk(units=100.0, entered=3, opened=opened, entry_bar=entry_bar, **STOP)
    assert desk.close(3, 80.0) == sent
    assert desk.book.trough[0] == 80.0


@either
def test_an_exit_at_the_close_replaces_what_waits():
    desk = Desk(units=100.0, due=20.0, due_kind=kt.REBALANCE, due_age=2, due_row=0, **STOP)
    desk.book.done[:, 0] = [5.0, 500.0]
    desk.log.orders[0] = [0, 0, kt.REBALANCE, kt.NO_NEXT_BAR]
    desk.log.used[0] = 1
    assert desk.close(3, 80.0) == 1
    assert [order[1:3] for order in desk.orders] == [(kt.REBALANCE, kt.EXITED), (kt.STOP_LOSS, kt.NO_NEXT_BAR)]
    assert desk.count(kt.COUNT_CANCELLED) == 1
    assert desk.book.due_age[0] == 0
    assert desk.book.done[:, 0].tolist() == [0.0, 0.0]


# What holds for any prices.

quarters = st.integers(200, 600).map(lambda k: k / 4.0)
rates = st.sampled_from([np.inf, 0.125, 0.25, 0.0625])
bars = st.lists(
    st.tuples(st.lists(quarters, min_size=4, max_size=4).map(sorted), st.booleans()), min_size=1, max_size=8
)


def oracle(units: float, stop_loss: float, take_profit: float, trailing: float, days: list[Any]) -> Any:
    """The first exit of one position, told price by price: every bar is a path of three points.

    The path goes from the open to the side of the stop and then to the side of the target, because the stop is
    supposed to come first. A level is met by the first step that reaches it.
    """
    side = 1.0 if units > 0.0 else -1.0
    best = 100.0
    for t, (opening, high, low) in enumerate(days, start=1):
        levels = [100.0 * (1.0 - side * stop_loss), best * (1.0 - side * trailing)]
        nearer = max(levels, key=lambda level: side * level)
        target = 100.0 * (1.0 + side * take_profit)
        bad, good = (low, high) if side > 0.0 else (high, low)
        if side * opening <= side * nearer:
            return t, opening
        if side * opening >= side * target:
            return t, opening
        for point in (bad, good):
            if side * point <= side * nearer:
                return t, nearer
            if side * point >= side * target:
                return t, target
        best = side * max(side * best, side * good)
    return None


@settings(max_examples=400)
@given(st.sampled_from([LONG, SHORT]), rates, rates, rates, bars)
def test_the_first_exit_is_that_of_a_path(units, stop_loss, take_profit, trailing, drawn):
    days = [(b if falls else a, high, low) for (low, a, b, high), falls in drawn]
    expected = oracle(units, stop_loss, take_profit, trailing, days)

    def run() -> Desk:
        desk = Desk(units=units, stop_loss=stop_loss, take_profit=take_profit, trailing=trailing)
        for t, (opening, high, low) in enumerate(days, start=1):
            desk.bar(t, opening, high, low, opening)
        return desk

    compiled = run()
    with plain_python():
        python = run()
    assert compiled.fills == ([] if expected is None else [(expected[0], -units, expected[1])])
    assert compiled.fills == python.fills
    np.testing.assert_array_equal(compiled.log.counts, python.log.counts)
    np.testing.assert_array_equal(compiled.book.peak, python.book.peak)
