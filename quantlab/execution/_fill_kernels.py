# mypy: allow-untyped-defs
"""Fills: what one fill does to a book, and the waiting book orders of a bar (section 3 of docs/engine.md).

``fill_order`` is the general way, for explicit orders and exits; ``fill_book_orders`` walks the waiting book orders of
a bar with the same arithmetic and its arrays in locals, because a book rebalanced daily fills millions.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._cost_kernels import WORST, commission, fill_price, other_fees, schedule_row, slippage
from quantlab.execution._kernel_types import (
    CAPPED,
    CLOSED,
    COMMISSION,
    COUNT_CANCELLED,
    COUNT_CAPPED,
    COUNT_MISSING_PRICE,
    FEES,
    FILLED,
    MISSING_PRICE,
    MONTH,
    ORDER,
    SLIPPAGE,
    STOP_LOSS,
    TIME_STOP,
    TRADED,
)


@kernel(plain=True)
def whole(x, step):
    """Whole units in x toward zero; the 1e-9 keeps 2.9999999999999996 from being 2. Step 0: as it is."""
    if step == 0.0:
        return x
    units = np.floor(np.abs(x) + 1e-9)
    return units if x >= 0.0 else -units


@kernel(plain=True)
def lots(x, step):
    """Units of whole lots in x units, toward zero. Step 0: as it is."""
    if step == 0.0:
        return x
    units = np.floor(np.abs(x) / step + 1e-9) * step
    return units if x >= 0.0 else -units


@kernel(plain=True)
def note(log, rule, i, t):
    """Count a diagnostics row of asset i (N: the book) at bar t."""
    log.counts[rule, i] += 1
    if log.firsts[rule, i] < 0:
        log.firsts[rule, i] = t


@kernel(plain=True)
def log_order(log, t, i, kind, status, units, price):
    """Write an order row and return its number, or -1 when the run keeps no records."""
    if log.keep[0] == 0:
        return -1
    k = log.used[0]
    log.used[0] = k + 1
    log.orders[k, 0] = t
    log.orders[k, 1] = i
    log.orders[k, 2] = kind
    log.orders[k, 3] = status
    log.asked[k, 0] = units
    log.asked[k, 1] = price
    return k


@kernel(plain=True)
def set_status(log, row, status):
    """Set the status of an order that is logged."""
    if row >= 0:
        log.orders[row, 3] = status


@kernel(plain=True)
def log_fill(log, row, t, i, units, reference, price, fee, fees, slip):
    """Write a fill row; money in the asset's currency."""
    if row < 0:
        return
    k = log.used[1]
    log.used[1] = k + 1
    log.fills[k, 0] = row
    log.fills[k, 1] = t
    log.fills[k, 2] = i
    log.paid[k, 0] = units
    log.paid[k, 1] = reference
    log.paid[k, 2] = price
    log.paid[k, 3] = fee
    log.paid[k, 4] = fees
    log.paid[k, 5] = slip


@kernel(plain=True)
def log_event(log, t, i, kind, units, price, cash):
    """Write a row for a corporate action that was booked; cash in the asset's currency."""
    if log.keep[0] == 0:
        return
    k = log.used[2]
    log.used[2] = k + 1
    log.events[k, 0] = t
    log.events[k, 1] = i
    log.events[k, 2] = kind
    log.moved[k, 0] = units
    log.moved[k, 1] = price
    log.moved[k, 2] = cash


@kernel(plain=True)
def track(i, before, du, price, t, at_open, book):
    """Entry, peak and trough of asset i after a fill of du units on a position of ``before`` units."""
    after = before + du
    if after == 0.0:
        book.entry[i] = np.nan
        book.peak[i] = np.nan
        book.trough[i] = np.nan
        book.entered[i] = -1
        book.opened[i] = 0
    elif before == 0.0 or (before > 0.0) != (after > 0.0):
        book.entry[i] = price
        book.peak[i] = price
        book.trough[i] = price
        book.entered[i] = t
        book.opened[i] = at_open
    elif np.abs(after) > np.abs(before):
        book.entry[i] = (book.entry[i] * np.abs(before) + price * np.abs(du)) / np.abs(after)


@kernel(plain=True)
def new_month(bar, book):
    """Forget the volume of another month."""
    if book.flags[MONTH] != bar.month:
        book.flags[MONTH] = bar.month
        book.month_volume[0] = 0.0


@kernel(plain=True)
def next_commission(shares, value, done, k, schedule, tier):
    """Commission of one more fill of order k, by the schedule's row of now: the fills of an order share its minimum."""
    before, worth = done[0, k], done[1, k]
    fee = commission(before + shares, worth + value, schedule, tier) - commission(before, worth, schedule, tier)
    return max(fee, 0.0)


@kernel(plain=True)
def fill_order(i, asked, reference, passive, at_open, row, done, k, book, bar, impact, terms, log):
    """Fill ``asked`` units of asset i as far as the bar's room reaches; return the units filled.

    ``passive`` 1 has no slippage (limit fills). ``row`` is the order's row in the log, ``done[:, k]`` what it has
    filled before: shares and value. ``at_open`` 1 marks an entry at the open. The caller sets the
    order's status.
    """
    du = asked
    if terms.participation > 0.0 and np.abs(du) > book.room[i]:
        note(log, COUNT_CAPPED, i, bar.t)
        du = book.room[i] if du > 0.0 else -book.room[i]
    if du == 0.0:
        return 0.0
    if terms.participation > 0.0:
        book.room[i] -= np.abs(du)
    shares = np.abs(du) * terms.unit
    s = 0.0
    if passive == 0:
        s = slippage(
            shares, impact.spread[i], impact.impact[i], impact.impact2[i], impact.adv[i], terms.power, terms.power2
        )
    price = fill_price(reference, du, s)
    value = shares * price
    new_month(bar, book)
    tier = schedule_row(book.month_volume[0], terms.commission)
    book.month_volume[0] += shares
    fee = next_commission(shares, value, done, k, terms.commission, tier)
    done[0, k] += shares
    done[1, k] += value
    fees = other_fees(du, shares, value, bar.fees)
    slip = shares * np.abs(price - reference)
    c = terms.currency[i]
    rate = bar.fx[c]
    book.cash[c] -= du * terms.unit * price + fee + fees
    tape = log.tape[bar.t]
    tape[COMMISSION] += fee * rate
    tape[FEES] += fees * rate
    tape[SLIPPAGE] += slip * rate
    tape[TRADED] += value * rate
    track(i, book.units[i], du, price, bar.t, at_open, book)
    book.units[i] += du
    log_fill(log, row, bar.t, i, du, reference, price, fee, fees, slip)
    return du


@kernel(plain=True)
def is_exit(kind):
    """Whether an order of this kind comes from a stop, a target or the age of a position."""
    return STOP_LOSS <= kind <= TIME_STOP


@kernel(plain=True)
def bar_again(i, before, book):
    """After an exit has closed a position: its side may be kept out, and no check between decisions brings it back."""
    if before != 0.0 and book.units[i] == 0.0:
        book.barred[i] = 1 if before > 0.0 else -1
        book.target[i] = 0.0


@kernel(plain=True)
def tracked(terms):
    """Whether entries have to be remembered."""
    return terms.stop_loss != np.inf or terms.take_profit != np.inf or terms.trailing != np.inf or terms.time_stop > 0


@kernel(plain=True)
def total(x):
    """Sum of a row; eight sums that are added last, because one sum waits on itself.

    Each runs over a stretch of its own: an index like i + 1 would be tested for being negative.
    """
    q = x.shape[0] // 8
    x1, x2, x3, x4, x5, x6, x7 = x[q:], x[2 * q :], x[3 * q :], x[4 * q :], x[5 * q :], x[6 * q :], x[7 * q :]
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(q):
        a += x[i]
        b += x1[i]
        c += x2[i]
        d += x3[i]
        e += x4[i]
        f += x5[i]
        g += x6[i]
        h += x7[i]
    for i in range(8 * q, x.shape[0]):
        a += x[i]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@kernel(plain=True)
def plain_fills(due, reference, spread, unit, schedule, tier, fees, out):
    """What filling every waiting order in full moves, where only the spread and fees cost, in one currency.

    The arithmetic of ``fill_book_orders`` without branches, which is four times as fast. ``out`` (5, N) is overwritten:
    cash that leaves, commission, fees, slippage, value.
    """
    fixed, per_share, part_of, least = schedule[tier, 1], schedule[tier, 2], schedule[tier, 3], schedule[tier, 4]
    most, cap = schedule[tier, 5], schedule[tier, 6]
    sale, sale_share, sale_cap, every = fees[0], fees[1], fees[2], fees[3]
    spent, charged, other, slipped, traded = out[0], out[1], out[2], out[3], out[4]
    for i in range(due.shape[0]):
        du, quote = due[i], reference[i]
        some = du != 0.0
        s = min(spread[i], WORST)
        price = quote * (1.0 + s) if du > 0.0 else quote * (1.0 - s)
        shares = np.abs(du) * unit
        value = shares * price
        fee = min(min(max(fixed + per_share * shares + part_of * value, least), most * value), cap)
        sold = sale * value + min(sale_share * shares, sale_cap)
        extra = every * shares + (sold if du < 0.0 else 0.0)
        spent[i] = du * unit * price + fee + extra if some else 0.0
        charged[i] = fee if some else 0.0
        other[i] = extra if some else 0.0
        slipped[i] = shares * np.abs(price - quote) if some else 0.0
        traded[i] = value if some else 0.0


@kernel(plain=True)
def places_of(row, places):
    """Write the places of what is not 0 in a row to the start of ``places``; return how many.

    Which names trade looks random to a processor: a branch on each costs more than writing all of them.
    """
    found = 0
    for i in range(row.shape[0]):
        places[found] = i
        found += 1 if row[i] != 0.0 else 0
    return found


@kernel(plain=True)
def log_plain_fills(t, due, reference, spread, out, rows, places, log):
    """Write the rows of ``plain_fills``; ``places`` is overwritten."""
    orders, fills, paid, k = log.orders, log.fills, log.paid, log.used[1]
    for j in range(places_of(due, places)):
        i = int(places[j])
        fills[k, 0] = rows[i]
        fills[k, 1] = t
        fills[k, 2] = i
        paid[k, 0] = due[i]
        paid[k, 1] = reference[i]
        paid[k, 2] = fill_price(reference[i], due[i], min(spread[i], WORST))
        paid[k, 3] = out[1, i]
        paid[k, 4] = out[2, i]
        paid[k, 5] = out[3, i]
        orders[rows[i], 3] = FILLED
        k += 1
    log.used[1] = k


@kernel(plain=True)
def without_price_or_closing(due, kinds, reference):
    """How many waiting orders meet no price or only close."""
    found = 0
    for i in range(due.shape[0]):
        found += 1 if (due[i] != 0.0) & (np.isnan(reference[i]) | (kinds[i] > ORDER)) else 0
    return found


@kernel(plain=True)
def impactful(first, second):
    """Whether slippage grows with size anywhere in a row."""
    found = 0
    for i in range(first.shape[0]):
        found += 1 if (first[i] != 0.0) | (second[i] != 0.0) else 0
    return found > 0


@kernel(plain=True)
def filled(row):
    """How many entries of a row are not 0."""
    found = 0
    for i in range(row.shape[0]):
        found += 1 if row[i] != 0 else 0
    return found


@kernel(plain=True)
def fill_book_orders(at_open, book, bar, impact, terms, log):
    """Fill the waiting book orders of a bar at its reference prices, by asset."""
    if filled(book.due) == 0:
        return
    # Everything the loop touches stands in a local: taking an array out of a tuple costs more than a fill.
    due, kinds, ages, rows, done, room = book.due, book.due_kind, book.due_age, book.due_row, book.done, book.room
    units, cash, reference, fees_row, fx = book.units, book.cash, bar.reference, bar.fees, bar.fx
    spread, first, second, adv = impact.spread, impact.impact, impact.impact2, impact.adv
    power, power2, schedule, unit, currency = terms.power, terms.power2, terms.commission, terms.unit, terms.currency
    capped, remembers, one, carry = terms.participation > 0.0, tracked(terms), cash.shape[0] == 1, terms.carry
    orders, fills, paid, used, keep = log.orders, log.fills, log.paid, log.used, log.keep[0] == 1
    spent, fee_sum, fees_sum, slip_sum, traded, shares_sum = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    t = bar.t
    new_month(bar, book)
    volume, tiers, k = book.month_volume[0], schedule.shape[0], used[1]
    tape = log.tape[t]
    if (
        one
        and tiers == 1
        and not (capped or remembers)
        and not impactful(first, second)
        and without_price_or_closing(due, kinds, reference) == 0
    ):
        out = book.scratch[9:14]
        plain_fills(due, reference, spread, unit, schedule, 0, fees_row, out)
        if keep:
            log_plain_fills(t, due, reference, spread, out, rows, book.scratch[8], log)
        for i in range(units.shape[0]):
            units[i] += due[i]
            due[i] = 0.0
        cash[0] -= total(out[0])
        tape[COMMISSION] += total(out[1])
        tape[FEES] += total(out[2])
        tape[SLIPPAGE] += total(out[3])
        tape[TRADED] += total(out[4])
        return
    for i in range(units.shape[0]):
        du = due[i]
        if du == 0.0:
            continue
        if ages[i] < 0:
            # The rest of an exit inside this very bar waits for the next.
            ages[i] = 0
            continue
        if kinds[i] > ORDER:
            # An exit or a call closes, whatever happened to the position since it was sent.
            if du * units[i] >= 0.0:
                du = 0.0
            elif np.abs(du) > np.abs(units[i]):
                du = -units[i]
            due[i] = du
            if du == 0.0:
                set_status(log, rows[i], CLOSED)
                note(log, COUNT_CANCELLED, i, t)
                continue
        quote = reference[i]
        if np.isnan(quote):
            due[i] = 0.0
            note(log, COUNT_MISSING_PRICE, i, t)
            set_status(log, rows[i], MISSING_PRICE)
            continue
        if capped:
            if np.abs(du) > room[i]:
                note(log, COUNT_CAPPED, i, t)
                du = room[i] if du > 0.0 else -room[i]
            room[i] -= np.abs(du)
        if du != 0.0:
            shares = np.abs(du) * unit
            s = slippage(shares, spread[i], first[i], second[i], adv[i], power, power2)
            price = fill_price(quote, du, s)
            value = shares * price
            tier = 0 if tiers == 1 else schedule_row(volume + shares_sum, schedule)
            shares_sum += shares
            if capped:
                fee = next_commission(shares, value, done, i, schedule, tier)
                done[0, i] += shares
                done[1, i] += value
            else:
                fee = commission(shares, value, schedule, tier)
            fees = other_fees(du, shares, value, fees_row)
            slip = shares * np.abs(price - quote)
            if one:
                spent += du * unit * price + fee + fees
                fee_sum += fee
                fees_sum += fees
                slip_sum += slip
                traded += value
            else:
                c = currency[i]
                cash[c] -= du * unit * price + fee + fees
                fee_sum += fee * fx[c]
                fees_sum += fees * fx[c]
                slip_sum += slip * fx[c]
                traded += value * fx[c]
            if remembers:
                track(i, units[i], du, price, t, at_open, book)
            units[i] += du
            if is_exit(kinds[i]):
                bar_again(i, units[i] - du, book)
            if keep:
                fills[k, 0] = rows[i]
                fills[k, 1] = t
                fills[k, 2] = i
                paid[k, 0] = du
                paid[k, 1] = quote
                paid[k, 2] = price
                paid[k, 3] = fee
                paid[k, 4] = fees
                paid[k, 5] = slip
                k += 1
        rest = due[i] - du
        status = FILLED
        if rest != 0.0:
            if ages[i] >= carry:
                rest = 0.0
                status = CAPPED
            else:
                status = -1
                ages[i] += 1
        due[i] = rest
        if keep and status >= 0:
            orders[rows[i], 3] = status
    used[1] = k
    if one:
        cash[0] -= spent
    book.month_volume[0] += shares_sum
    tape[COMMISSION] += fee_sum
    tape[FEES] += fees_sum
    tape[SLIPPAGE] += slip_sum
    tape[TRADED] += traded
