# mypy: allow-untyped-defs
"""Target weights to book orders: the rules 1 to 7 of "Sizing" in docs/engine.md, and what they leave to size."""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._fill_kernels import (
    filled,
    is_exit,
    log_order,
    note,
    set_status,
    total,
)
from quantlab.execution._kernel_types import (
    COUNT_BELOW_ONE_LOT,
    COUNT_CANCELLED,
    COUNT_MARGIN_REJECTED,
    COUNT_MARGIN_SCALED,
    COUNT_SKIPPED,
    COUNT_UNBORROWABLE,
    DECIDED,
    MARGIN_REJECTED,
    MINIMUM_EQUITY,
    NO_MARGIN,
    NO_NEXT_BAR,
    PORTFOLIO,
    REBALANCE,
    REPLACED,
    SCALE,
    SKIPPED,
    STOPPED,
    STRICT,
    UNAFFORDABLE,
    UNBORROWABLE,
)
from quantlab.execution._margin_kernels import (
    HOLD_LONG,
    HOLD_SHORT,
    START_LONG,
    START_SHORT,
    WORTH,
    concentrated,
    start_rates,
)
from quantlab.portfolio._sizing_kernels import (
    ALONE,
    CHANGE,
    HELD,
    OUT,
    PART,
    TARGET,
    TRADED,
    fit,
    send,
)

# A row of Book.scratch: the status of what made a target smaller.
SCALED = 12


@kernel(plain=True)
def take_part(present, equity, book):
    """Fill the rows TARGET, HELD and PART of the scratch from the targets of the book; return how many stay out."""
    units, decided, due, kinds, dead = book.units, book.target, book.due, book.due_kind, book.dead
    scratch = book.scratch
    worth, target, held, part = scratch[WORTH], scratch[TARGET], scratch[HELD], scratch[PART]
    out = 0
    for i in range(units.shape[0]):
        held[i] = units[i] * worth[i] / equity
        target[i] = decided[i]
        closed = np.isnan(present[i]) or dead[i] == 1 or (due[i] != 0.0 and is_exit(kinds[i]))
        part[i] = OUT if closed else TRADED
        out += 1 if closed else 0
    return out


@kernel(plain=True)
def take_targets(row, book, terms):
    """Remember a decision row; a name that an exit has closed may stay at 0 until a row gives 0 or the other side."""
    target, barred = book.target, book.barred
    for i in range(row.shape[0]):
        target[i] = row[i]
    book.flags[DECIDED] = 1
    for i in range(row.shape[0] if filled(barred) > 0 else 0):
        if barred[i] != 0:
            if row[i] * barred[i] <= 0.0:
                barred[i] = 0
            elif terms.reentry == 1:
                target[i] = 0.0


@kernel(plain=True)
def make_way(book):
    """Shrink the targets beside holdings that cannot trade, on each side by itself."""
    scratch = book.scratch
    for side in (1.0, -1.0):
        stuck, wanted, traded = 0.0, 0.0, 0.0
        for i in range(book.units.shape[0]):
            w, h = scratch[TARGET, i] * side, scratch[HELD, i] * side
            wanted += max(w, 0.0)
            if scratch[PART, i] == OUT:
                stuck += max(h, 0.0)
            else:
                traded += max(w, 0.0)
        if stuck > 0.0 and traded > 0.0:
            factor = min(max(0.0, wanted - stuck) / traded, 1.0)
            for i in range(book.units.shape[0]):
                if scratch[PART, i] != OUT and scratch[TARGET, i] * side > 0.0:
                    scratch[TARGET, i] *= factor


@kernel(plain=True)
def hold_back(equity, book, terms):
    """Bands, partial steps, turnover and the smallest trade: what a decision leaves alone or does by half."""
    scratch = book.scratch
    n = book.units.shape[0]
    if terms.band > 0.0 or terms.relative_band > 0.0:
        for i in range(n):
            w, h = scratch[TARGET, i], scratch[HELD, i]
            if scratch[PART, i] == TRADED and w != 0.0:
                width = max(terms.band, terms.relative_band * np.abs(w))
                if np.abs(h - w) <= width:
                    scratch[PART, i] = ALONE
                elif terms.to_edge == 1:
                    scratch[TARGET, i] = w + (width if h > w else -width)
    if terms.part < 1.0:
        for i in range(n):
            if scratch[PART, i] == TRADED:
                scratch[TARGET, i] = scratch[HELD, i] + terms.part * (scratch[TARGET, i] - scratch[HELD, i])
    if terms.turnover < np.inf:
        total = 0.0
        for i in range(n):
            if scratch[PART, i] == TRADED:
                total += np.abs(scratch[TARGET, i] - scratch[HELD, i])
        if total > terms.turnover:
            for i in range(n):
                if scratch[PART, i] == TRADED:
                    change = scratch[TARGET, i] - scratch[HELD, i]
                    scratch[TARGET, i] = scratch[HELD, i] + change * terms.turnover / total
    if terms.smallest > 0.0:
        for i in range(n):
            change = np.abs(scratch[TARGET, i] - scratch[HELD, i]) * equity
            if scratch[PART, i] == TRADED and scratch[TARGET, i] != 0.0 and change < terms.smallest:
                scratch[PART, i] = ALONE


@kernel(plain=True)
def borrowable(equity, t, bar, book, terms, log):
    """Raise targets below what can be borrowed; a short that is there may stay."""
    scratch, supply, unit = book.scratch, bar.available, terms.unit
    worth, target, held, part = scratch[WORTH], scratch[TARGET], scratch[HELD], scratch[PART]
    poor = terms.margin_model != NO_MARGIN and equity < bar.margin[MINIMUM_EQUITY]
    scarce = 0
    for i in range(supply.shape[0]):
        scarce += 1 if supply[i] < np.inf else 0
    if scarce == 0 and not poor:
        return
    for i in range(target.shape[0]):
        if target[i] < 0.0 and part[i] == TRADED:
            available = 0.0 if poor else supply[i]
            if available < np.inf:
                limit = min(-available / unit * worth[i] / equity, min(held[i], 0.0))
                if target[i] < limit:
                    target[i] = limit
                    scratch[SCALED, i] = UNBORROWABLE
                    note(log, COUNT_UNBORROWABLE, i, t)


@kernel(plain=True)
def margin_of_part(weights, part, which, long, short, out):
    """Margin of the weights of one part, as a fraction of equity; ``out`` is overwritten."""
    for i in range(part.shape[0]):
        w = weights[i] if part[i] == which else 0.0
        out[i] = max(w, 0.0) * long[i] + max(-w, 0.0) * short[i]
    return total(out)


@kernel(plain=True)
def within_margin(t, bar, book, terms, log):
    """Bring the targets within the initial margin, by policy; return False when the run has to stop."""
    if terms.margin_model == NO_MARGIN:
        return True
    scratch, n = book.scratch, book.units.shape[0]
    target, held, part = scratch[TARGET], scratch[HELD], scratch[PART]
    hold_long, hold_short = scratch[HOLD_LONG], scratch[HOLD_SHORT]
    start_long, start_short = scratch[START_LONG], scratch[START_SHORT]
    others, alone, still = 0.0, 0.0, 0
    for i in range(n):
        still += 1 if part[i] != TRADED else 0
    if still > 0:
        others = margin_of_part(held, part, OUT, hold_long, hold_short, scratch[9])
        alone = margin_of_part(held, part, ALONE, start_long, start_short, scratch[9])
    asked = margin_of_part(target, part, TRADED, start_long, start_short, scratch[9])
    if terms.margin_model == PORTFOLIO:
        for i in range(n):
            scratch[CHANGE, i] = scratch[HELD, i] if scratch[PART, i] == OUT else 0.0
        others = max(others, concentrated_weights(book, bar.margin))
        for i in range(n):
            w = scratch[TARGET, i] if scratch[PART, i] == TRADED else scratch[HELD, i]
            scratch[CHANGE, i] = 0.0 if scratch[PART, i] == OUT else w
        asked, alone = max(asked + alone, concentrated_weights(book, bar.margin)), 0.0
    if asked + alone <= (1.0 - others) * (1.0 + 1e-9) or asked + alone == 0.0:
        return True
    if terms.buying_power == STRICT:
        book.flags[STOPPED] = 2
        return False
    if terms.buying_power == SCALE:
        factor = max(0.0, (1.0 - others - alone) / asked) if asked > 0.0 else 1.0
        for i in range(n):
            if scratch[PART, i] == TRADED:
                scratch[TARGET, i] *= min(factor, 1.0)
                scratch[SCALED, i] = MARGIN_REJECTED
        note(log, COUNT_MARGIN_SCALED, n, t)
        return True
    for i in range(n):
        if scratch[PART, i] == TRADED:
            w, h = scratch[TARGET, i], scratch[HELD, i]
            kept = 0.0
            if w * h > 0.0:
                kept = w if np.abs(w) <= np.abs(h) else h
            if kept != w:
                scratch[TARGET, i] = kept
                scratch[SCALED, i] = MARGIN_REJECTED
                if kept == h:
                    scratch[PART, i] = ALONE
                    log_order(log, t, i, REBALANCE, MARGIN_REJECTED, np.nan, book.mark[i])
                note(log, COUNT_MARGIN_REJECTED, i, t)
    return True


@kernel(plain=True)
def concentrated_weights(book, m):
    """The concentrated scenario of the weights in row CHANGE."""
    for i in range(book.units.shape[0]):
        book.scratch[9, i] = 1.0
    return concentrated(book.scratch[CHANGE], book.scratch[9], m)


@kernel(plain=True)
def cancel_outside(t, book, log):
    """Cancel what waits from the decision before for names that cannot trade now; an exit stands."""
    due, kinds, part = book.due, book.due_kind, book.scratch[PART]
    for i in range(due.shape[0]):
        if due[i] != 0.0 and part[i] == OUT and not is_exit(kinds[i]):
            due[i] = 0.0
            set_status(log, book.due_row[i], REPLACED)
            note(log, COUNT_CANCELLED, i, t)


@kernel(plain=True)
def note_skipped(t, book, log):
    """Record names that have a weight or a position and no price to trade at."""
    part, target = book.scratch[PART], book.scratch[TARGET]
    due, kinds, units = book.due, book.due_kind, book.units
    for i in range(units.shape[0]):
        if part[i] == OUT and (target[i] != 0.0 or units[i] != 0.0) and not (due[i] != 0.0 and is_exit(kinds[i])):
            log_order(log, t, i, REBALANCE, SKIPPED, np.nan, book.mark[i])
            note(log, COUNT_SKIPPED, i, t)


@kernel(plain=True)
def note_below_one_lot(x, step, t, book, log):
    """Count the traded names whose weight of equity x buys less than a lot."""
    target, part, worth = book.scratch[TARGET], book.scratch[PART], book.scratch[WORTH]
    counts, firsts = log.counts[COUNT_BELOW_ONE_LOT], log.firsts[COUNT_BELOW_ONE_LOT]
    lost = 0
    for i in range(target.shape[0]):
        w = np.abs(target[i])
        lost += 1 if (part[i] == TRADED) & (w > 0.0) & (w * x < step * worth[i] * (1.0 - 1e-9)) else 0
    for i in range(target.shape[0] if lost > 0 else 0):
        # In a small account it is true of many names at every decision: no branch.
        w = np.abs(target[i])
        below = (part[i] == TRADED) & (w > 0.0) & (w * x < step * worth[i] * (1.0 - 1e-9))
        counts[i] += 1 if below else 0
        firsts[i] = t if below & (firsts[i] < 0) else firsts[i]


@kernel(plain=True)
def decide_weights(t, present, prices, equity, impact, bar, book, terms, log):
    """Turn the targets of the book into book orders; return False when the run has to stop.

    ``t`` is the bar of the decision, ``present`` NaN where a name cannot trade, ``prices`` what a share is
    sized at; the worth of a unit and the maintenance rates at these prices stand in the scratch.
    """
    start_rates(equity, bar, book, terms)
    out = take_part(present, equity, book)
    if out > 0:
        note_skipped(t, book, log)
        if terms.make_room == 1:
            make_way(book)
    hold_back(equity, book, terms)
    scaled = book.scratch[SCALED]
    for i in range(scaled.shape[0]):
        scaled[i] = 0.0
    borrowable(equity, t, bar, book, terms, log)
    if not within_margin(t, bar, book, terms, log):
        return False
    x = fit(equity, prices, impact, bar, book, terms)
    if terms.step > 0.0 and x >= 0.0:
        note_below_one_lot(x, terms.step, t, book, log)
    if out > 0:
        cancel_outside(bar.t, book, log)
    send(NO_NEXT_BAR if x >= 0.0 else UNAFFORDABLE, REBALANCE, t, bar.t, book, log)
    if log.keep[0] == 1:
        for i in range(scaled.shape[0]):
            if scaled[i] != 0.0 and book.due[i] != 0.0 and not is_exit(book.due_kind[i]):
                log.orders[book.due_row[i], 4] = int(scaled[i])
    return True
