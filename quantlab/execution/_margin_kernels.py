# mypy: allow-untyped-defs
"""Margin: what a book must hold against its positions, the call, the buy-in (sections 5, 6 of docs/engine.md)."""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._fill_kernels import log_order, note, set_status, total
from quantlab.execution._kernel_types import (
    BUFFER,
    BUY_IN,
    CALLED,
    CONCENTRATED,
    CONCENTRATED_REST,
    COUNT_BUY_IN,
    COUNT_CANCELLED,
    COUNT_MARGIN_CALL,
    EXITED,
    HIGH_PER_SHARE,
    INITIAL_LONG,
    INITIAL_SHORT,
    LARGEST,
    LOW_FRACTION,
    LOW_PER_SHARE,
    LOW_PRICE,
    MAINTENANCE_LONG,
    MAINTENANCE_SHORT,
    MARGIN_CALL,
    MINIMUM_EQUITY,
    NO_MARGIN,
    NO_NEXT_BAR,
    PORTFOLIO,
    STOP_LOSS,
    TIME_STOP,
)
from quantlab.execution._ticket_kernels import cancel_opening

# Rows of Book.scratch that this file fills.
WORTH, START_LONG, START_SHORT, HOLD_LONG, HOLD_SHORT = 0, 1, 2, 3, 4


@kernel(plain=True)
def worth_row(prices, bar, book, terms):
    """Fill the row WORTH: what a unit is worth at ``prices``, in the account's currency; 0 without a price."""
    worth, unit, fx, currency = book.scratch[WORTH], terms.unit, bar.fx, terms.currency
    for i in range(prices.shape[0]):
        worth[i] = prices[i] * unit if prices[i] > 0.0 else 0.0
    if book.cash.shape[0] > 1:
        for i in range(prices.shape[0]):
            worth[i] *= fx[currency[i]]


@kernel(plain=True)
def hold_rates(prices, bar, book, terms):
    """Fill the rows HOLD: the maintenance margin of a position at ``prices`` as a fraction of its value."""
    scratch, m = book.scratch, bar.margin
    long, factor, hold = scratch[HOLD_LONG], terms.margin_long, m[MAINTENANCE_LONG]
    for i in range(prices.shape[0]):
        long[i] = min(hold * factor[i], 1.0)
    short, factor, hold = scratch[HOLD_SHORT], terms.margin_short, m[MAINTENANCE_SHORT]
    least, low_per, low_part, high_per = m[LOW_PRICE], m[LOW_PER_SHARE], m[LOW_FRACTION], m[HIGH_PER_SHARE]
    if terms.margin_model == PORTFOLIO:
        least, high_per = 0.0, 0.0
    for i in range(prices.shape[0]):
        p = prices[i]
        # One division for both kinds of price: it is what costs here.
        per, fraction = (low_per, low_part) if p < least else (high_per, min(hold * factor[i], 1.0))
        rate = max(per / p, fraction)
        short[i] = rate if p > 0.0 else 0.0


@kernel(plain=True)
def start_rates(equity, bar, book, terms):
    """Fill the rows START from the rows HOLD: the initial margin as a fraction of a position's value."""
    if terms.margin_model == NO_MARGIN:
        return
    scratch, m = book.scratch, bar.margin
    start = 0.0 if terms.margin_model == PORTFOLIO else m[INITIAL_LONG]
    least = 1.0 if equity < m[MINIMUM_EQUITY] else 0.0
    first, hold, factor = scratch[START_LONG], scratch[HOLD_LONG], terms.margin_long
    for i in range(hold.shape[0]):
        first[i] = max(max(min(start * factor[i], 1.0), hold[i]), least)
    start = 0.0 if terms.margin_model == PORTFOLIO else m[INITIAL_SHORT]
    first, hold, factor = scratch[START_SHORT], scratch[HOLD_SHORT], terms.margin_short
    for i in range(hold.shape[0]):
        first[i] = max(min(start * factor[i], 1.0), hold[i])


@kernel(plain=True)
def margin_of(q, worth, long, short, out):
    """The sum over positions of value times rate; ``out`` is overwritten."""
    for i in range(q.shape[0]):
        v = q[i] * worth[i]
        out[i] = max(v, 0.0) * long[i] + max(-v, 0.0) * short[i]
    return total(out)


@kernel(plain=True)
def requirement(q, initial, bar, book, terms):
    """Margin of a book of ``q`` (N,) units by the rates in the scratch, the account's currency."""
    if terms.margin_model == NO_MARGIN:
        return 0.0
    scratch = book.scratch
    worth = scratch[WORTH]
    if initial == 1:
        margin = margin_of(q, worth, scratch[START_LONG], scratch[START_SHORT], scratch[10])
    else:
        margin = margin_of(q, worth, scratch[HOLD_LONG], scratch[HOLD_SHORT], scratch[10])
    if terms.margin_model == PORTFOLIO:
        return max(margin, concentrated(q, worth, bar.margin))
    return margin


@kernel(plain=True)
def concentrated(q, worth, m):
    """The scenario in which the largest positions move more than the others."""
    total, last, at = 0.0, np.inf, -1
    for i in range(q.shape[0]):
        if q[i] != 0.0:
            total += np.abs(q[i] * worth[i])
    large = 0.0
    for _ in range(int(m[LARGEST])):
        best, found = -1.0, -1
        for i in range(q.shape[0]):
            if q[i] != 0.0:
                value = np.abs(q[i] * worth[i])
                if (value < last or (value == last and i > at)) and value > best:
                    best, found = value, i
        if found < 0:
            break
        large += best
        last, at = best, found
    return m[CONCENTRATED] * large + m[CONCENTRATED_REST] * (total - large)


@kernel(plain=True)
def margin_call(equity, needed, tickets, bar, book, working, terms, log):
    """Where maintenance is not met, send what cuts every position by one factor, at the next fill; return the count.

    ``needed`` is the requirement of the book as it stands; worth and rates stand in the scratch. Orders that close
    count as done; orders that open are cancelled.
    """
    # What closes only lowers the requirement.
    if terms.margin_model == NO_MARGIN or needed * (1.0 + bar.margin[BUFFER]) <= equity * (1.0 + 1e-9):
        return 0
    units, due, close, dead = book.units, book.due, bar.close, book.dead
    kept = book.scratch[5]
    for i in range(units.shape[0]):
        kept[i] = units[i]
        if due[i] * units[i] < 0.0:
            kept[i] = units[i] + due[i] if np.abs(due[i]) < np.abs(units[i]) else 0.0
    demanded = requirement(kept, 0, bar, book, terms) * (1.0 + bar.margin[BUFFER])
    if demanded <= equity * (1.0 + 1e-9):
        return 0
    cancel_opening(tickets, book, bar.t, working, log)
    k = equity / demanded
    sent = 0
    for i in range(units.shape[0]):
        if due[i] != 0.0 and due[i] * units[i] >= 0.0:
            due[i] = 0.0
            set_status(log, book.due_row[i], CALLED)
            note(log, COUNT_CANCELLED, i, bar.t)
        elif due[i] != 0.0 and np.abs(due[i]) > np.abs(units[i]):
            due[i] = -units[i]
        if kept[i] == 0.0 or dead[i] == 1 or np.isnan(close[i]):
            continue
        cut = np.abs(kept[i]) * (1.0 - k)
        if terms.step > 0.0:
            cut = min(np.ceil(cut / terms.step - 1e-9) * terms.step, np.abs(kept[i]))
        if cut <= 0.0:
            continue
        change = kept[i] - units[i] + (-cut if kept[i] > 0.0 else cut)
        replace_order(i, change, MARGIN_CALL, bar.t, book, log)
        note(log, COUNT_MARGIN_CALL, i, bar.t)
        sent += 1
    return sent


@kernel(plain=True)
def replace_order(i, change, kind, t, book, log):
    """Make ``change`` units of ``kind`` the waiting book order of asset i, in place of what waits."""
    if book.due[i] != 0.0:
        set_status(log, book.due_row[i], EXITED if kind >= STOP_LOSS and kind <= TIME_STOP else CALLED)
        note(log, COUNT_CANCELLED, i, t)
    book.due[i] = change
    book.due_kind[i] = kind
    book.due_age[i] = 0
    book.done[0, i] = 0.0
    book.done[1, i] = 0.0
    book.due_row[i] = log_order(log, t, i, kind, NO_NEXT_BAR, change, book.mark[i])


@kernel(plain=True)
def buy_in(bar, book, terms, log):
    """Send what brings each short down to the shares that can still be borrowed."""
    if terms.recall == 0:
        return
    units, available, due, unit, step = book.units, bar.available, book.due, terms.unit, terms.step
    for i in range(units.shape[0]):
        if units[i] < 0.0:
            excess = -units[i] - available[i] / unit
            # In a fractional account a billionth of the position is rounding.
            if excess > (0.0 if step > 0.0 else -1e-9 * units[i]):
                if step > 0.0:
                    excess = min(np.ceil(excess / step - 1e-9) * step, -units[i])
                if due[i] < excess:
                    replace_order(i, excess, BUY_IN, bar.t, book, log)
                    note(log, COUNT_BUY_IN, i, bar.t)
