# mypy: allow-untyped-defs
"""Exits of positions: stop loss, trailing stop, take profit and time stop (sections 3 and 6 of docs/engine.md).

With high and low an exit is filled inside the bar that meets it (``run_exits``). Without them the close is tested, and
the exit is filled like any order on a later bar (``exits_at_close``). Either way it is a book order of its kind.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._fill_kernels import bar_again, fill_order, is_exit, note, set_status, tracked
from quantlab.execution._kernel_types import (
    AT_OPEN,
    COUNT_AMBIGUOUS,
    FILLED,
    STOP_LOSS,
    TAKE_PROFIT,
    TIME_STOP,
    TRAILING,
)
from quantlab.execution._margin_kernels import replace_order
from quantlab.execution._ticket_kernels import INSIDE, NEVER, OPENING, limit_met, stop_met


@kernel(plain=True)
def exit_levels(held, entry, peak, trough, stop_loss, take_profit, trailing):
    """The stop that counts, whether it is the fixed or the trailing one, and the target; infinite where unused."""
    if held > 0.0:
        fixed, trail, target = entry * (1.0 - stop_loss), peak * (1.0 - trailing), entry * (1.0 + take_profit)
        return (trail, TRAILING, target) if trail > fixed else (fixed, STOP_LOSS, target)
    fixed, trail, target = entry * (1.0 + stop_loss), trough * (1.0 + trailing), entry * (1.0 - take_profit)
    return (trail, TRAILING, target) if trail < fixed else (fixed, STOP_LOSS, target)


@kernel(plain=True)
def levels_met(opens, highs, lows, t, book, terms):
    """Which positions meet their stop or target on a bar, as booleans.

    Not tested are those that are leaving anyway, and on its entry bar what was not there at the open. Without
    ``entry_bar`` no position is tested on its entry bar.

    Both sides are computed for every asset and without a branch, which LLVM turns into vector code: signs in a book
    look random to a processor, and a branch on each costs ten times the arithmetic. Flat names have NaN and meet none.
    """
    n = opens.shape[0]
    met = np.empty(n, dtype=np.bool_)
    units, entry, peak, trough, mark = book.units, book.entry, book.peak, book.trough, book.mark
    entered, opened, entry_bar, due, due_kind = book.entered, book.opened, terms.entry_bar, book.due, book.due_kind
    stop_loss, take_profit, trailing = terms.stop_loss, terms.take_profit, terms.trailing
    for i in range(n):
        high, low, price = highs[i], lows[i], entry[i]
        opening = opens[i] if opens[i] == opens[i] else min(max(mark[i], low), high)
        highest = high if high > opening else opening
        lowest = low if low < opening else opening
        fixed, trail = price * (1.0 - stop_loss), peak[i] * (1.0 - trailing)
        stop = trail if trail > fixed else fixed
        sold = (units[i] > 0.0) & ((lowest <= stop) | (highest >= price * (1.0 + take_profit)))
        fixed, trail = price * (1.0 + stop_loss), trough[i] * (1.0 + trailing)
        stop = trail if trail < fixed else fixed
        bought = (units[i] < 0.0) & ((highest >= stop) | (lowest <= price * (1.0 - take_profit)))
        tested = (entered[i] != t) | ((entry_bar == 1) & (opened[i] == 1))
        leaving = (due[i] != 0.0) & (due_kind[i] >= STOP_LOSS) & (due_kind[i] <= TIME_STOP)
        met[i] = (high == high) & (low == low) & tested & (sold | bought) & (not leaving)
    return met


@kernel(plain=True)
def exit_inside(i, book, bar, impact, terms, log):
    """Close position i, whose stop or target this bar meets: the open before the inside, then the stop first."""
    held, high, low = book.units[i], bar.high[i], bar.low[i]
    opening = min(max(book.mark[i], low), high) if np.isnan(bar.open[i]) else bar.open[i]
    stop, kind, target = exit_levels(
        held, book.entry[i], book.peak[i], book.trough[i], terms.stop_loss, terms.take_profit, terms.trailing
    )
    side = -1.0 if held > 0.0 else 1.0
    passive = 0
    when, price = stop_met(side, stop, opening, high, low)
    target_when, target_price = limit_met(side, target, opening, high, low)
    if when == NEVER or (when == INSIDE and target_when == OPENING):
        kind, price, passive = TAKE_PROFIT, target_price, 1
    elif when == INSIDE and target_when == INSIDE:
        note(log, COUNT_AMBIGUOUS, i, bar.t)
    replace_order(i, -held, kind, bar.t, book, log)
    row = book.due_row[i]
    rest = -held - fill_order(i, -held, price, passive, 0, row, book.done, i, book, bar, impact, terms, log)
    bar_again(i, held, book)
    # The rest waits for the next reference price, like any book order; the close of this bar is not the next.
    book.due[i] = rest
    book.due_age[i] = 0 if terms.at == AT_OPEN else -1
    if rest == 0.0:
        set_status(log, row, FILLED)


@kernel(plain=True)
def run_exits(book, bar, impact, terms, log):
    """Test and fill the exits of every position that lived through this bar's high and low."""
    if terms.stop_loss == np.inf and terms.take_profit == np.inf and terms.trailing == np.inf:
        return
    peak, trough, entered, opened, t = book.peak, book.trough, book.entered, book.opened, bar.t
    highs, lows = bar.high, bar.low
    met = levels_met(bar.open, highs, lows, t, book, terms)
    for i in range(met.shape[0]):
        if met[i]:
            exit_inside(i, book, bar, impact, terms, log)
    for i in range(met.shape[0]):
        high, low = highs[i], lows[i]
        # Bought inside the bar: its high and low may lie before the purchase.
        seen = (high == high) & (low == low) & ((entered[i] != t) | (opened[i] == 1))
        peak[i] = high if seen & (high > peak[i]) else peak[i]
        trough[i] = low if seen & (low < trough[i]) else trough[i]


@kernel(plain=True)
def exits_at_close(book, bar, terms, log):
    """Send the exits that this close demands: price exits without high and low, and time stops; return how many."""
    if not tracked(terms):
        return 0
    units, peak, trough, entered = book.units, book.peak, book.trough, book.entered
    highs, lows, closes, t = bar.high, bar.low, bar.close, bar.t
    met = levels_met(closes, closes, closes, t, book, terms)
    last = t - terms.time_stop if terms.time_stop > 0 else -1
    sent = 0
    for i in range(units.shape[0]):
        priced = met[i] & ((highs[i] != highs[i]) | (lows[i] != lows[i]))
        timed = (entered[i] >= 0) & (entered[i] <= last) & (units[i] != 0.0)
        if priced | timed:
            if book.due[i] != 0.0 and is_exit(book.due_kind[i]):
                continue
            kind = exit_on_close(i, closes[i], book, terms) if priced else TIME_STOP
            replace_order(i, -units[i], kind, t, book, log)
            sent += 1
    for i in range(units.shape[0]):
        close = closes[i]
        bare = (highs[i] != highs[i]) | (lows[i] != lows[i])
        peak[i] = close if bare & (close > peak[i]) else peak[i]
        trough[i] = close if bare & (close < trough[i]) else trough[i]
    return sent


@kernel(plain=True)
def exit_on_close(i, close, book, terms):
    """The kind of exit that this close demands of position i; the stop comes first."""
    stop, kind, _ = exit_levels(
        book.units[i], book.entry[i], book.peak[i], book.trough[i], terms.stop_loss, terms.take_profit, terms.trailing
    )
    side = 1.0 if book.units[i] > 0.0 else -1.0
    return kind if side * close <= side * stop else TAKE_PROFIT
