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
    START_LONG,
    START_SHORT,
    WORTH,
    requirement,
    start_rates,
)
from quantlab.execution._ticket_kernels import certain, closing_part, drop_ticket
from quantlab.portfolio._sizing_kernels import (
    ALL_BUYS,
    ALL_SELLS,
    ALL_SURE,
    BUYS,
    CHANGE,
    CUT,
    OUT,
    PART,
    SELLS,
    SURE,
    TRADED,
    WANTED,
    WORSE,
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
def is_new(k, tickets, first, last):
    """Whether ticket k was placed on this bar; one that only reduces needs neither shares nor buying power."""
    return tickets.reduce_only[k] == 0 and first <= k < last


@kernel(plain=True)
def borrow_for_orders(equity, tickets, working, first, last, bar, book, terms, log):
    """Cut new sales to the shares that can be borrowed once everything is sold that is for sale.

    What is bought with certainty counts against it; a buy that needs its price does not.
    """
    scratch, planning = book.scratch, book.scratch[CHANGE]
    running = scratch[WORSE]
    for i in range(planning.shape[0]):
        running[i] = scratch[SURE, i] + scratch[SELLS, i]
        asked = planning[i]
        left = within_supply(i, asked, running[i], equity, bar, book, terms)
        if left != asked:
            note(log, COUNT_UNBORROWABLE, i, bar.t)
            if left == 0.0:
                log_order(log, bar.t, i, ORDER, UNBORROWABLE, asked, book.mark[i])
            planning[i] = left
            scratch[CUT, i] = UNBORROWABLE
        running[i] += left
    for a in range(working.count[0]):
        k = working.live[a]
        if is_new(k, tickets, first, last):
            i, asked = tickets.asset[k], working.left[k]
            left = within_supply(i, asked, running[i], equity, bar, book, terms)
            if left != asked:
                note(log, COUNT_UNBORROWABLE, i, bar.t)
                cut_ticket(k, left, UNBORROWABLE, working, log)
            running[i] += left if left < 0.0 or certain(k, tickets, working) else 0.0


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
def stand(tickets, working, first, last, book):
    """Fill the rows SURE, BUYS and SELLS: the book after everything that waits with certainty, and the orders beside it
    that need their price, bought and sold.
    """
    scratch, units = book.scratch, book.units
    sure, buys, sells, part = scratch[SURE], scratch[BUYS], scratch[SELLS], scratch[PART]
    for i in range(units.shape[0]):
        sure[i] = units[i] + (book.due[i] if part[i] == OUT else 0.0)
        buys[i] = 0.0
        sells[i] = 0.0
    for a in range(working.count[0]):
        k = working.live[a]
        if tickets.reduce_only[k] == 0 and not is_new(k, tickets, first, last):
            add_ticket(k, working.left[k], sure, buys, sells, tickets, working)
        elif tickets.reduce_only[k] == 1 and certain(k, tickets, working):
            # It opens nothing, so nothing cuts it: what it closes is as good as closed.
            i = tickets.asset[k]
            sure[i] += closing_part(sure[i], working.left[k])


@kernel(plain=True)
def add_ticket(k, units, sure, buys, sells, tickets, working):
    """Add ``units`` of ticket k to what is sure, bought or sold."""
    i = tickets.asset[k]
    if certain(k, tickets, working):
        sure[i] += units
    elif units > 0.0:
        buys[i] += units
    else:
        sells[i] += units


@kernel(plain=True)
def need(sure, buys, sells, bar, book, terms):
    """Initial margin of a book whose orders that need their price are filled on the worse side of each asset."""
    scratch = book.scratch
    worth, long, short, worst = scratch[WORTH], scratch[START_LONG], scratch[START_SHORT], scratch[WORSE]
    for i in range(sure.shape[0]):
        up, down = (sure[i] + buys[i]) * worth[i], (sure[i] + sells[i]) * worth[i]
        above = max(up, 0.0) * long[i] + max(-up, 0.0) * short[i]
        below = max(down, 0.0) * long[i] + max(-down, 0.0) * short[i]
        worst[i] = sure[i] + (buys[i] if above >= below else sells[i])
    return requirement(worst, 1, bar, book, terms)


@kernel(plain=True)
def afford(prices, equity, impact, tickets, working, first, last, bar, book, terms, log):
    """Cut the opening parts of the planned changes and of the new explicit orders to what the account can carry."""
    scratch, n = book.scratch, book.units.shape[0]
    sure, buys, sells = scratch[SURE], scratch[BUYS], scratch[SELLS]
    all_sure, all_buys, all_sells = scratch[ALL_SURE], scratch[ALL_BUYS], scratch[ALL_SELLS]
    stand(tickets, working, first, last, book)
    borrow_for_orders(equity, tickets, working, first, last, bar, book, terms, log)
    if terms.margin_model == NO_MARGIN:
        return True
    for i in range(n):
        all_sure[i] = sure[i] + scratch[CHANGE, i]
        all_buys[i] = buys[i]
        all_sells[i] = sells[i]
    for a in range(working.count[0]):
        k = working.live[a]
        if is_new(k, tickets, first, last):
            add_ticket(k, working.left[k], all_sure, all_buys, all_sells, tickets, working)
    most = need(all_sure, all_buys, all_sells, bar, book, terms)
    opened = 0
    for i in range(n):
        # What is left when nothing new opens.
        # Added, not taken off: what only closes then ends at 0, and what only opens where it was, to the last bit.
        change, bought, sold = all_sure[i] - sure[i], all_buys[i] - buys[i], all_sells[i] - sells[i]
        closed = closing_part(sure[i], change)
        all_sure[i] = sure[i] + closed
        covered = closing_part(all_sure[i] + buys[i], bought)
        all_buys[i] = buys[i] + covered
        reduced = closing_part(all_sure[i] + sells[i], sold)
        all_sells[i] = sells[i] + reduced
        opened += 1 if closed != change or covered != bought or reduced != sold else 0
    if opened == 0:
        return True
    least = need(all_sure, all_buys, all_sells, bar, book, terms)
    costs = cost_of_orders(prices, impact, tickets, working, bar, book, terms)
    if most - least <= equity - costs - least + 1e-9 * equity:
        return True
    if terms.buying_power == STRICT:
        book.flags[STOPPED] = 2
        return False
    factor = 0.0
    if terms.buying_power == SCALE:
        factor = max(0.0, (equity - costs - least) / (most - least)) if most > least else 0.0
        note(log, COUNT_MARGIN_SCALED, n, bar.t)
    for i in range(n):
        asked = scratch[CHANGE, i]
        left = cut_opening(sure[i], asked, factor, terms)
        sure[i] += asked
        if left != asked:
            scratch[CHANGE, i] = left
            scratch[CUT, i] = MARGIN_REJECTED
            if left == 0.0:
                log_order(log, bar.t, i, ORDER, MARGIN_REJECTED, scratch[WANTED, i], book.mark[i])
            if left == 0.0 or terms.buying_power == REJECT:
                note(log, COUNT_MARGIN_REJECTED, i, bar.t)
    for a in range(working.count[0]):
        k = working.live[a]
        if is_new(k, tickets, first, last):
            i, asked = tickets.asset[k], working.left[k]
            beside = sure
            held = sure[i]
            if not certain(k, tickets, working):
                beside = buys if asked > 0.0 else sells
                held = all_sure[i] + beside[i]
            left = cut_opening(held, asked, factor, terms)
            beside[i] += asked
            if left != asked:
                if left == 0.0 or terms.buying_power == REJECT:
                    note(log, COUNT_MARGIN_REJECTED, i, bar.t)
                cut_ticket(k, left, MARGIN_REJECTED, working, log)
    return True


@kernel(plain=True)
def cut_opening(held, asked, factor, terms):
    """``asked`` with its part that opens beside ``held`` multiplied by ``factor``, in whole lots."""
    opens = opening_part(held, asked)
    if opens == 0.0:
        return asked
    # Exactly what closes: the asked less the opening part would miss it by a bit.
    closes = -held if held * asked < 0.0 else 0.0
    return closes + lots(opens * factor, terms.step)
