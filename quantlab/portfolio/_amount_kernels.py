# mypy: allow-untyped-defs
"""Rows of shares or values, and explicit orders, within the buying power ("Sizing" in docs/engine.md)."""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._fill_kernels import (
    is_exit,
    log_order,
    lots,
    note,
)
from quantlab.execution._kernel_types import (
    COUNT_BELOW_ONE_LOT,
    COUNT_MARGIN_REJECTED,
    COUNT_MARGIN_SCALED,
    COUNT_SKIPPED,
    COUNT_UNBORROWABLE,
    MARGIN_REJECTED,
    MINIMUM_EQUITY,
    NO_MARGIN,
    NO_NEXT_BAR,
    ORDER,
    REJECT,
    SCALE,
    SKIPPED,
    STOPPED,
    STRICT,
    TARGET_SHARES,
    TARGET_VALUE,
    UNBORROWABLE,
    VALUE,
)
from quantlab.execution._margin_kernels import (
    WORTH,
    requirement,
    start_rates,
)
from quantlab.execution._ticket_kernels import drop_ticket
from quantlab.portfolio._sizing_kernels import (
    CHANGE,
    CUT,
    OUT,
    PART,
    TRADED,
    WANTED,
    send,
    tier_now,
    trade_cost,
)


@kernel(plain=True)
def decide_amounts(has_row, row, present, prices, equity, impact, tickets, working, first, last, bar, book, terms, log):
    """Turn a decision row of shares or values into book orders, within the buying power, together with the explicit
    orders ``first`` to ``last`` - 1 that were placed on this bar; return False when the run has to stop.
    """
    scratch, units, n = book.scratch, book.units, book.units.shape[0]
    wanted, cut = scratch[WANTED], scratch[CUT]
    start_rates(equity, bar, book, terms)
    for i in range(n):
        scratch[CHANGE, i] = 0.0
        scratch[PART, i] = OUT
        cut[i] = 0.0
        asked = row[i] if has_row == 1 else np.nan
        if np.isnan(asked):
            continue
        targets = terms.mode == TARGET_SHARES or terms.mode == TARGET_VALUE
        if targets and book.barred[i] != 0:
            if asked * book.barred[i] <= 0.0:
                book.barred[i] = 0
            elif terms.reentry == 1:
                asked = 0.0
        if book.due[i] != 0.0 and is_exit(book.due_kind[i]):
            continue
        if np.isnan(present[i]) or book.dead[i] == 1:
            if asked != 0.0 or units[i] != 0.0:
                log_order(log, bar.t, i, ORDER, SKIPPED, np.nan, book.mark[i])
                note(log, COUNT_SKIPPED, i, bar.t)
            continue
        scratch[PART, i] = TRADED
        amount = asked / terms.unit
        if terms.mode == TARGET_VALUE or terms.mode == VALUE:
            amount = asked / scratch[WORTH, i]
        change = lots(amount, terms.step)
        if change == 0.0 and asked != 0.0:
            note(log, COUNT_BELOW_ONE_LOT, i, bar.t)
        if targets:
            change -= units[i]
        scratch[CHANGE, i] = change
        wanted[i] = change
    if not afford(prices, equity, impact, tickets, working, first, last, bar, book, terms, log):
        return False
    send(NO_NEXT_BAR, ORDER, bar.t, bar.t, book, log)
    if log.keep[0] == 1:
        log_cuts(book, log)
    return True


@kernel(plain=True)
def log_cuts(book, log):
    """Write what was asked, and what cut it, to the rows of orders that were sent with less."""
    wanted, cut = book.scratch[WANTED], book.scratch[CUT]
    for i in range(cut.shape[0]):
        if cut[i] != 0.0 and book.due[i] != 0.0:
            log.asked[book.due_row[i], 0] = wanted[i]
            log.orders[book.due_row[i], 4] = int(cut[i])


@kernel(plain=True)
def opening_part(held, change):
    """The part of ``change`` that does not close what is held."""
    if held * change >= 0.0:
        return change
    rest = np.abs(change) - np.abs(held)
    if rest <= 0.0:
        return 0.0
    return rest if change > 0.0 else -rest


@kernel(plain=True)
def within_supply(i, change, before, equity, bar, book, terms):
    """What of ``change`` units can be sold without borrowing more shares of asset i than there are."""
    poor = terms.margin_model != NO_MARGIN and equity < bar.margin[MINIMUM_EQUITY]
    available = 0.0 if poor else bar.available[i]
    if change >= 0.0 or available == np.inf:
        return change
    floor = min(-lots(available / terms.unit, terms.step), min(book.units[i], 0.0))
    return max(change, min(0.0, floor - before))


@kernel(plain=True)
def borrow_for_orders(running, equity, tickets, working, first, last, bar, book, terms, log):
    """Cut new sales to the shares that can be borrowed; ``running`` becomes the book after all orders."""
    planning = book.scratch[CHANGE]
    for i in range(planning.shape[0]):
        asked = planning[i]
        left = within_supply(i, asked, running[i], equity, bar, book, terms)
        if left != asked:
            note(log, COUNT_UNBORROWABLE, i, bar.t)
            if left == 0.0:
                log_order(log, bar.t, i, ORDER, UNBORROWABLE, asked, book.mark[i])
            planning[i] = left
            book.scratch[CUT, i] = UNBORROWABLE
        running[i] += left
    for k in range(working.count[0]):
        ticket = working.live[k]
        if tickets.reduce_only[ticket] == 0 and ticket >= first and ticket < last:
            i, asked = tickets.asset[ticket], working.left[ticket]
            left = within_supply(i, asked, running[i], equity, bar, book, terms)
            if left != asked:
                note(log, COUNT_UNBORROWABLE, i, bar.t)
                cut_ticket(ticket, left, UNBORROWABLE, working, log)
            running[i] += left


@kernel(plain=True)
def cut_ticket(ticket, left, status, working, log):
    """Leave ``left`` units of a new explicit order; with none it ends."""
    working.left[ticket] = left
    if working.row[ticket] >= 0:
        log.orders[working.row[ticket], 4] = status if left != 0.0 else 0
    if left == 0.0:
        drop_ticket(ticket, status, working, log)


@kernel(plain=True)
def cost_of_orders(prices, impact, tickets, working, bar, book, terms):
    """Expected cost of everything that works or is new, each order by itself, in the account's currency."""
    tier = tier_now(bar, book, terms)
    part, planning = book.scratch[PART], book.scratch[CHANGE]
    cost = 0.0
    for i in range(planning.shape[0]):
        change = book.due[i] if part[i] == OUT else planning[i]
        if change != 0.0:
            cost += cost_of_one(i, change, prices, tier, impact, bar, terms)
    for k in range(working.count[0]):
        ticket = working.live[k]
        if tickets.reduce_only[ticket] == 0 and working.left[ticket] != 0.0:
            cost += cost_of_one(tickets.asset[ticket], working.left[ticket], prices, tier, impact, bar, terms)
    return cost


@kernel(plain=True)
def cost_of_one(i, change, prices, tier, impact, bar, terms):
    """Expected cost of trading ``change`` units of asset i, in the account's currency."""
    return bar.fx[terms.currency[i]] * trade_cost(
        change,
        prices[i],
        terms.unit,
        impact.spread[i],
        impact.impact[i],
        impact.impact2[i],
        impact.adv[i],
        terms.power,
        terms.power2,
        terms.commission,
        tier,
        bar.fees,
    )


@kernel(plain=True)
def afford(prices, equity, impact, tickets, working, first, last, bar, book, terms, log):
    """Cut the opening parts of the planned changes and of the new explicit orders to what the account can carry."""
    scratch, units, n = book.scratch, book.units, book.units.shape[0]
    base, full, closed = scratch[11], scratch[12], scratch[13]
    for i in range(n):
        base[i] = units[i] + (book.due[i] if scratch[PART, i] == OUT else 0.0)
    for k in range(working.count[0]):
        ticket = working.live[k]
        if tickets.reduce_only[ticket] == 0 and (ticket < first or ticket >= last):
            base[tickets.asset[ticket]] += working.left[ticket]
    for i in range(n):
        full[i] = base[i]
    borrow_for_orders(full, equity, tickets, working, first, last, bar, book, terms, log)
    if terms.margin_model == NO_MARGIN:
        return True
    for i in range(n):
        closed[i] = full[i] - opening_part(base[i], full[i] - base[i])
    costs = cost_of_orders(prices, impact, tickets, working, bar, book, terms)
    least, most = requirement(closed, 1, bar, book, terms), requirement(full, 1, bar, book, terms)
    if most - least <= equity - costs - least + 1e-9 * equity or most <= least:
        return True
    if terms.buying_power == STRICT:
        book.flags[STOPPED] = 2
        return False
    factor = 0.0
    if terms.buying_power == SCALE:
        factor = max(0.0, (equity - costs - least) / (most - least))
        note(log, COUNT_MARGIN_SCALED, n, bar.t)
    for i in range(n):
        asked = scratch[CHANGE, i]
        opens = opening_part(base[i], asked)
        # Exactly what closes: the asked less the opening part would miss it by a bit.
        closes = -base[i] if base[i] * asked < 0.0 else 0.0
        base[i] += asked
        if opens != 0.0:
            left = closes + lots(opens * factor, terms.step)
            scratch[CHANGE, i] = left
            scratch[CUT, i] = scratch[CUT, i] if left == asked else MARGIN_REJECTED
            if left == 0.0:
                log_order(log, bar.t, i, ORDER, MARGIN_REJECTED, scratch[WANTED, i], book.mark[i])
            if left == 0.0 or terms.buying_power == REJECT:
                note(log, COUNT_MARGIN_REJECTED, i, bar.t)
    for k in range(working.count[0]):
        ticket = working.live[k]
        if tickets.reduce_only[ticket] == 0 and ticket >= first and ticket < last:
            i = tickets.asset[ticket]
            asked = working.left[ticket]
            opens = opening_part(base[i], asked)
            closes = -base[i] if base[i] * asked < 0.0 else 0.0
            base[i] += asked
            if opens != 0.0:
                left = closes + lots(opens * factor, terms.step)
                if left == 0.0 or terms.buying_power == REJECT:
                    note(log, COUNT_MARGIN_REJECTED, i, bar.t)
                if left != asked:
                    cut_ticket(ticket, left, MARGIN_REJECTED, working, log)
    return True
