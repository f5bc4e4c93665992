# mypy: allow-untyped-defs
"""Explicit orders ("tickets"): placing, filling at the open, inside the bar and at the close, and their end (section 3
of docs/engine.md).

A ticket is alive from the close at which it is placed until it has a final status. ``Working.live`` lists the live ones
in order of placement; those that end stay in the list, with nothing left to fill, until ``compact`` runs once per bar.
A price is met *at the open* or *inside* the bar: of two orders of a group, what is met at the open comes first.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._fill_kernels import fill_order, is_exit, log_order, lots, note, set_status, whole
from quantlab.execution._kernel_types import (
    AT_CLOSE,
    AT_OPEN,
    CALLED,
    CAPPED,
    CLOSED,
    COUNT_AMBIGUOUS,
    COUNT_BELOW_ONE_LOT,
    COUNT_CANCELLED,
    COUNT_CAPPED,
    COUNT_EXPIRED,
    COUNT_MISSING_PRICE,
    COUNT_NO_NEXT_BAR,
    COUNT_SKIPPED,
    DAY,
    DELISTED,
    EXPIRED,
    FILL_OR_KILL,
    FILLED,
    GOOD_TILL_DATE,
    GROUPED,
    IMMEDIATE_OR_CANCEL,
    LEAVING,
    LIMIT,
    LIMIT_CLOSE,
    LIMIT_OPEN,
    MARKET,
    MARKET_CLOSE,
    MARKET_OPEN,
    MISSING_PRICE,
    NO_NEXT_BAR,
    ORDER,
    SAME_CLOSE,
    SKIPPED,
    SPLIT_AWAY,
    STOP,
    STOP_LIMIT,
    TOO_SMALL,
    TRAIL,
    WORKING,
)

# When a bar meets a price.
NEVER, OPENING, INSIDE = 0, 1, 2

# Bits of Working.triggered: the stop has been met; the bar's volume has cut the order at least once.
TRIGGERED, CUT = 1, 2


@kernel(plain=True)
def limit_met(side, limit, opening, high, low):
    """When and at what price a bar meets a limit; ``side`` 1 buys, -1 sells."""
    if side * opening <= side * limit:
        return OPENING, opening
    best = low if side > 0.0 else high
    if side * best <= side * limit:
        return INSIDE, limit
    return NEVER, np.nan


@kernel(plain=True)
def stop_met(side, stop, opening, high, low):
    """When and at what price a bar meets a stop; ``side`` 1 buys, -1 sells."""
    if side * opening >= side * stop:
        return OPENING, opening
    worst = high if side > 0.0 else low
    if side * worst >= side * stop:
        return INSIDE, stop
    return NEVER, np.nan


@kernel(plain=True)
def stop_limit_met(side, stop, limit, opening, high, low):
    """When and at what price a bar fills a stop-limit order that has not been triggered before."""
    when, _ = stop_met(side, stop, opening, high, low)
    if when == OPENING:
        return limit_met(side, limit, opening, high, low)
    if when == INSIDE and side * stop <= side * limit:
        return INSIDE, stop
    return NEVER, np.nan


@kernel(plain=True)
def alive(k, working):
    """Whether ticket k can still be filled."""
    return working.status[k] == NO_NEXT_BAR or working.status[k] == WORKING


@kernel(plain=True)
def one_bar(kind):
    """Whether orders of this type live for one bar, whatever their time in force."""
    return kind == MARKET or kind >= MARKET_OPEN


@kernel(plain=True)
def was_triggered(k, working):
    """Whether the stop of ticket k has been met: a stop is then a market order, a stop-limit a limit order."""
    return working.triggered[k] & TRIGGERED != 0


@kernel(plain=True)
def drop_ticket(k, status, working, log):
    """End ticket k; the caller counts."""
    working.status[k] = status
    working.left[k] = 0.0
    set_status(log, working.row[k], status)


@kernel(plain=True)
def compact(working):
    """Take the tickets that have ended out of the list, order kept."""
    live, n = working.live, 0
    for a in range(working.count[0]):
        k = live[a]
        if alive(k, working):
            live[n] = k
            n += 1
    working.count[0] = n


@kernel(plain=True)
def place_ticket(k, tickets, book, bar, terms, working, log):
    """Write the first state of ticket k; it is alive unless a reason stands against it."""
    i, t = tickets.asset[k], bar.t
    units = lots(tickets.units[k], terms.step)
    status = NO_NEXT_BAR
    leaving = book.due[i] != 0.0 and is_exit(book.due_kind[i])
    if book.dead[i] == 1 or np.isnan(book.mark[i]) or leaving:
        # A position that an exit closes takes no other order.
        status = LEAVING if leaving else SKIPPED
        note(log, COUNT_SKIPPED, i, t)
    elif units == 0.0:
        status = TOO_SMALL
        note(log, COUNT_BELOW_ONE_LOT, i, t)
    elif tickets.tif[k] == GOOD_TILL_DATE and tickets.until[k] <= t and not one_bar(tickets.type[k]):
        status = EXPIRED
        note(log, COUNT_EXPIRED, i, t)
    working.status[k] = status
    working.left[k] = units if status == NO_NEXT_BAR else 0.0
    working.limit[k] = tickets.limit[k]
    working.stop[k] = tickets.stop[k]
    working.trail[k] = tickets.trail[k]
    working.trail_fraction[k] = tickets.trail_fraction[k]
    working.water[k] = book.mark[i]
    working.triggered[k] = 0
    working.met[k] = 0
    working.first_session[k] = -1
    working.done[0, k] = 0.0
    working.done[1, k] = 0.0
    asked = tickets.units[k] if units == 0.0 else units
    working.row[k] = log_order(log, t, i, ORDER, status, asked, book.mark[i])
    if status == NO_NEXT_BAR:
        working.live[working.count[0]] = k
        working.count[0] += 1


@kernel(plain=True)
def place_tickets(tickets, book, bar, terms, working, log):
    """Place the tickets of this close; return the first of them and the one behind the last."""
    first = working.count[1]
    k = first
    while k < tickets.placed.shape[0] and tickets.placed[k] <= bar.t:
        place_ticket(k, tickets, book, bar, terms, working, log)
        k += 1
    working.count[1] = k
    return first, k


@kernel(plain=True)
def closing_part(held, change):
    """The part of ``change`` that brings ``held`` towards zero and not beyond."""
    if held * change >= 0.0:
        return 0.0
    return change if np.abs(change) <= np.abs(held) else -held


@kernel(plain=True)
def cancel_group(group, tickets, bar, working, log):
    """Cancel what is alive in a group of which one order has been filled in full."""
    for a in range(working.count[0]):
        j = working.live[a]
        if tickets.group[j] == group and alive(j, working):
            note(log, COUNT_CANCELLED, tickets.asset[j], bar.t)
            drop_ticket(j, GROUPED, working, log)


@kernel(plain=True)
def fill_ticket(k, price, limited, at_open, tickets, book, bar, impact, terms, working, log):
    """Fill ticket k at ``price`` as far as its limit, the position and the room allow, and say what becomes of it."""
    i, kind = tickets.asset[k], tickets.type[k]
    left, status, rule = working.left[k], WORKING, -1
    if tickets.reduce_only[k] == 1:
        left = closing_part(book.units[i], left)
    if np.isnan(price):
        status, rule = MISSING_PRICE, COUNT_MISSING_PRICE
    elif limited and (price - working.limit[k]) * working.left[k] > 0.0:
        return
    elif left == 0.0:
        status, rule = CLOSED, COUNT_CANCELLED
    elif tickets.tif[k] == FILL_OR_KILL and terms.participation > 0.0 and np.abs(left) > book.room[i]:
        status, rule = CAPPED, COUNT_CAPPED
    else:
        passive, row, done = 1 if limited else 0, working.row[k], working.done
        left -= fill_order(i, left, price, passive, at_open, row, done, k, book, bar, impact, terms, log)
        working.left[k] = left
        if left == 0.0:
            status = FILLED
        elif one_bar(kind):
            status = CAPPED
        else:
            working.triggered[k] |= CUT if kind == LIMIT else (CUT | TRIGGERED)
    if rule >= 0:
        note(log, rule, i, bar.t)
    if status != WORKING:
        drop_ticket(k, status, working, log)
    if status == FILLED and tickets.group[k] >= 0:
        cancel_group(tickets.group[k], tickets, bar, working, log)


@kernel(plain=True)
def fill_tickets_at_open(tickets, book, bar, impact, terms, working, log):
    """Fill what fills at the open: MARKET at the reference price, MARKET_OPEN and LIMIT_OPEN at the open."""
    for a in range(working.count[0]):
        k = working.live[a]
        if not alive(k, working):
            continue
        i, kind = tickets.asset[k], tickets.type[k]
        market = kind == MARKET and terms.at == AT_OPEN
        if market or kind in (MARKET_OPEN, LIMIT_OPEN):
            price = bar.reference[i] if market else bar.open[i]
            fill_ticket(k, price, kind == LIMIT_OPEN, 1, tickets, book, bar, impact, terms, working, log)


@kernel(plain=True)
def fill_tickets_at_close(tickets, book, bar, impact, terms, working, log):
    """Fill what fills at the close: MARKET at the reference price, MARKET_CLOSE and LIMIT_CLOSE at the close.

    Of tickets placed at this very close only MARKET with SAME_CLOSE is filled.
    """
    for a in range(working.count[0]):
        k = working.live[a]
        if not alive(k, working):
            continue
        i, kind, waited = tickets.asset[k], tickets.type[k], tickets.placed[k] < bar.t
        market = kind == MARKET and (terms.at == SAME_CLOSE or (terms.at == AT_CLOSE and waited))
        if market or (waited and kind in (MARKET_CLOSE, LIMIT_CLOSE)):
            price = bar.reference[i] if market else bar.close[i]
            fill_ticket(k, price, kind == LIMIT_CLOSE, 0, tickets, book, bar, impact, terms, working, log)


@kernel(plain=True)
def stop_price(k, side, tickets, working):
    """The stop of ticket k; that of a trailing order hangs on its water mark before this bar."""
    if tickets.type[k] != TRAIL:
        return working.stop[k]
    water, distance = working.water[k], working.trail[k]
    if np.isnan(distance):
        distance = water * working.trail_fraction[k]
    return water + side * distance


@kernel(plain=True)
def ticket_met(k, tickets, book, bar, working):
    """When and at what price this bar fills ticket k; NEVER for the types that the inside of a bar does not fill."""
    i, kind = tickets.asset[k], tickets.type[k]
    opening, high, low = bar.open[i], bar.high[i], bar.low[i]
    if one_bar(kind) or np.isnan(high) or np.isnan(low):
        return NEVER, np.nan
    if np.isnan(opening):
        opening = min(max(book.mark[i], low), high)
    side = 1.0 if working.left[k] > 0.0 else -1.0
    if kind == LIMIT or (kind == STOP_LIMIT and was_triggered(k, working)):
        return limit_met(side, working.limit[k], opening, high, low)
    if was_triggered(k, working):
        return OPENING, opening
    stop = stop_price(k, side, tickets, working)
    if kind == STOP_LIMIT:
        return stop_limit_met(side, stop, working.limit[k], opening, high, low)
    return stop_met(side, stop, opening, high, low)


@kernel(plain=True)
def acts_as_limit(k, tickets, working):
    """Whether ticket k stands against the stops of its group."""
    return tickets.type[k] == LIMIT or (tickets.type[k] == STOP_LIMIT and was_triggered(k, working))


@kernel(plain=True)
def rank_of(k, when, tickets, working):
    """How early ticket k is met: the open before the inside, then the stop before the limit; 0 where it is not."""
    if when == NEVER:
        return 0
    return (1 if when == OPENING else 3) + (1 if acts_as_limit(k, tickets, working) else 0)


@kernel(plain=True)
def yields(a, tickets, bar, working, log):
    """Whether entry ``a`` of the live tickets leaves this bar to another of its group, whatever becomes of that one.

    A stop that goes before a limit of the same moment is counted as ambiguous, once per group.
    """
    k = working.live[a]
    rank, first, rival = working.rank[k], True, False
    for b in range(working.count[0]):
        j = working.live[b]
        if b == a or tickets.group[j] != tickets.group[k] or working.rank[j] == 0:
            continue
        if working.rank[j] < rank:
            return True
        first = first and not (working.rank[j] == rank and b < a)
        rival = rival or (rank % 2 == 1 and working.rank[j] == rank + 1)
    if first and rival:
        note(log, COUNT_AMBIGUOUS, tickets.asset[k], bar.t)
    return False


@kernel(plain=True)
def follow(tickets, bar, book, working):
    """After the tests: water marks take in this bar, and stop-limits that it has triggered become limits."""
    for a in range(working.count[0]):
        k = working.live[a]
        i, kind = tickets.asset[k], tickets.type[k]
        high, low = bar.high[i], bar.low[i]
        if not alive(k, working) or np.isnan(high) or np.isnan(low):
            continue
        buys = working.left[k] > 0.0
        if kind == TRAIL:
            working.water[k] = min(working.water[k], low) if buys else max(working.water[k], high)
        elif kind == STOP_LIMIT:
            opening = min(max(book.mark[i], low), high) if np.isnan(bar.open[i]) else bar.open[i]
            when, _ = stop_met(1.0 if buys else -1.0, working.stop[k], opening, high, low)
            if when != NEVER:
                working.triggered[k] |= TRIGGERED


@kernel(plain=True)
def fill_tickets_inside(tickets, book, bar, impact, terms, working, log):
    """Fill LIMIT, STOP, STOP_LIMIT and TRAIL orders that this bar's open, high and low meet."""
    if working.count[0] == 0:
        return
    for a in range(working.count[0]):
        k = working.live[a]
        when, price = NEVER, np.nan
        if alive(k, working):
            when, price = ticket_met(k, tickets, book, bar, working)
        working.rank[k] = rank_of(k, when, tickets, working)
        working.price[k] = price
    for a in range(working.count[0]):
        k = working.live[a]
        rank, price = working.rank[k], working.price[k]
        if rank == 0 or (tickets.group[k] >= 0 and yields(a, tickets, bar, working, log)) or not alive(k, working):
            continue
        limited = tickets.type[k] in (LIMIT, STOP_LIMIT)
        at_open = 1 if rank <= 2 else 0
        fill_ticket(k, price, limited, at_open, tickets, book, bar, impact, terms, working, log)
    follow(tickets, bar, book, working)


@kernel(plain=True)
def over(k, tickets, bar):
    """Whether ticket k, which has met a bar, ends with this one."""
    tif = tickets.tif[k]
    if one_bar(tickets.type[k]) or tif in (IMMEDIATE_OR_CANCEL, FILL_OR_KILL):
        return True
    return (tif == DAY and bar.session_ends == 1) or (tif == GOOD_TILL_DATE and bar.t >= tickets.until[k])


@kernel(plain=True)
def expire_tickets(tickets, book, bar, working, log):
    """After the fills of a bar: end what does not live on, and clear the list."""
    if working.count[0] == 0:
        return
    for a in range(working.count[0]):
        k = working.live[a]
        if not alive(k, working) or tickets.placed[k] >= bar.t:
            continue
        working.met[k] += 1
        if working.met[k] == 1:
            working.first_session[k] = bar.session
            working.status[k] = WORKING
            set_status(log, working.row[k], WORKING)
        if not over(k, tickets, bar):
            continue
        if working.triggered[k] & CUT != 0:
            drop_ticket(k, CAPPED, working, log)
        else:
            note(log, COUNT_EXPIRED, tickets.asset[k], bar.t)
            drop_ticket(k, EXPIRED, working, log)
    compact(working)


@kernel(plain=True)
def note_no_next_bar(tickets, bar, working, log):
    """On the last bar, after everything: count the tickets that meet no bar any more."""
    for a in range(working.count[0]):
        k = working.live[a]
        if working.status[k] == NO_NEXT_BAR:
            note(log, COUNT_NO_NEXT_BAR, tickets.asset[k], bar.t)


@kernel(plain=True)
def split_tickets(asset, ratio, t, tickets, terms, working, log):
    """Restate the live tickets of an asset after a split, ``ratio`` new shares per old; return how many it ended."""
    ended = 0
    for a in range(working.count[0]):
        k = working.live[a]
        if tickets.asset[k] != asset or not alive(k, working):
            continue
        working.left[k] = whole(working.left[k] * ratio, terms.step)
        reprice_ticket(k, 1.0 / ratio, working)
        if working.left[k] == 0.0:
            drop_ticket(k, SPLIT_AWAY, working, log)
            note(log, COUNT_CANCELLED, asset, t)
            ended += 1
    return ended


@kernel(plain=True)
def reprice_ticket(k, factor, working):
    """Multiply the prices of ticket k."""
    working.limit[k] *= factor
    working.stop[k] *= factor
    working.trail[k] *= factor
    working.water[k] *= factor


@kernel(plain=True)
def reprice_tickets(asset, factor, tickets, working):
    """Multiply the prices of the live tickets of an asset."""
    for a in range(working.count[0]):
        k = working.live[a]
        if tickets.asset[k] == asset and alive(k, working):
            reprice_ticket(k, factor, working)


@kernel(plain=True)
def certain(k, tickets, working):
    """Whether ticket k meets a price on its next bar whatever that is."""
    kind = tickets.type[k]
    met = kind in (STOP, TRAIL) and was_triggered(k, working)
    return met or kind in (MARKET, MARKET_OPEN, MARKET_CLOSE)


@kernel(plain=True)
def cancel_opening(tickets, book, t, working, log):
    """Cancel the live tickets that would open or build a position."""
    for a in range(working.count[0]):
        k = working.live[a]
        i = tickets.asset[k]
        opens = closing_part(book.units[i], working.left[k]) != working.left[k]
        if alive(k, working) and tickets.reduce_only[k] == 0 and opens:
            drop_ticket(k, CALLED, working, log)
            note(log, COUNT_CANCELLED, i, t)


@kernel(plain=True)
def cancel_tickets(asset, status, t, tickets, working, log):
    """End the live tickets of an asset, or all with -1; return how many."""
    ended = 0
    for a in range(working.count[0]):
        k = working.live[a]
        if alive(k, working) and (asset < 0 or tickets.asset[k] == asset):
            drop_ticket(k, status, working, log)
            if status != DELISTED:
                note(log, COUNT_CANCELLED, tickets.asset[k], t)
            ended += 1
    return ended
