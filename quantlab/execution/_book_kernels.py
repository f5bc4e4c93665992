# mypy: allow-untyped-defs
"""The book between fills: financing, corporate actions, currencies, marks and ruin (sections 1, 2, 4, 5 of
docs/engine.md).
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._fill_kernels import log_event, log_order, lots, note, set_status, total, whole
from quantlab.execution._kernel_types import (
    BORROW,
    CASH,
    CONVERSION,
    CONVERSION_COST,
    COUNT_CANCELLED,
    COUNT_DEBIT,
    COUNT_DELISTED,
    COUNT_NO_BORROW_RATE,
    COUNT_RUIN,
    COUNT_STALE_MARK,
    CREDIT_INTEREST,
    DEBIT_INTEREST,
    DELISTED,
    DELISTING,
    DIVIDEND,
    DIVIDENDS,
    ENDED,
    EQUITY,
    LIQUIDATED,
    LONG,
    NO_MARGIN,
    PENDING,
    REBALANCE,
    RECEIVABLE,
    REQUIREMENT,
    RUIN,
    RUINED,
    SHORT,
    SHORT_INTEREST,
    SPINOFF,
    SPLIT,
    SPLIT_AWAY,
    STOPPED,
    TRADED,
)
from quantlab.execution._margin_kernels import WORTH, hold_rates, requirement, worth_row
from quantlab.execution._ticket_kernels import cancel_tickets, reprice_tickets, split_tickets


@kernel(plain=True)
def banded(amount, thresholds, rates):
    """Yearly interest on ``amount`` > 0: each part of it at the rate of its band."""
    total = 0.0
    last = thresholds.shape[0] - 1
    for k in range(last + 1):
        if amount <= thresholds[k]:
            break
        upper = amount if k == last else min(amount, thresholds[k + 1])
        total += (upper - thresholds[k]) * rates[k]
    return total


@kernel(plain=True)
def plain_borrow(share, rate, t, book, terms, log):
    """Value of the shorts and the fees for borrowing them, ``share`` of a year, in a book of one currency.

    The arithmetic of ``borrow_shares`` without branches, which is six times as fast.
    """
    units, mark, unit, dealer = book.units, book.mark, terms.unit, terms.dealer == 1
    values, charged = book.scratch[9], book.scratch[10]
    held, unknown = 0, 0
    for i in range(units.shape[0]):
        values[i] = -units[i] * unit * mark[i] if units[i] < 0.0 else 0.0
        held += 1 if units[i] < 0.0 else 0
    if held == 0:
        return 0.0, 0.0
    for i in range(units.shape[0]):
        price = np.ceil(1.02 * mark[i] - 1e-9) if dealer else mark[i]
        fee = -units[i] * unit * price * rate[i] * share
        charged[i] = fee if (units[i] < 0.0) & (not np.isnan(rate[i])) else 0.0
        unknown += 1 if (units[i] < 0.0) & np.isnan(rate[i]) else 0
    if unknown > 0:
        book.flags[STOPPED] = 1
        for i in range(units.shape[0]):
            if units[i] < 0.0 and np.isnan(rate[i]):
                note(log, COUNT_NO_BORROW_RATE, i, t)
    if log.keep[0] == 1:
        row = log.borrow[t]
        for i in range(units.shape[0]):
            row[i] = charged[i]
    return total(values), total(charged)


@kernel(plain=True)
def borrow_shares(share, rate, fx, t, shorts, fees, book, terms, log):
    """Add up the value of the shorts and the fees for borrowing them by currency, ``share`` of a year."""
    units, mark, unit, currency = book.units, book.mark, terms.unit, terms.currency
    borrow, keep, dealer = log.borrow, log.keep[0] == 1, terms.dealer == 1
    for i in range(units.shape[0]):
        if units[i] < 0.0:
            c = currency[i]
            shares, price = -units[i] * unit, mark[i]
            shorts[c] += shares * price
            if np.isnan(rate[i]):
                note(log, COUNT_NO_BORROW_RATE, i, t)
                book.flags[STOPPED] = 1
                continue
            if dealer:
                price = np.ceil(1.02 * price - 1e-9)
            fee = shares * price * rate[i] * share
            fees[c] += fee
            if keep:
                borrow[t, i] = fee * fx[c]


@kernel(plain=True)
def finance(days, rate, interest, before, fx, t, book, terms, log):
    """Charge the nights before bar t; ``rate`` (N,), ``interest`` (C, 3, K) and the exchange rates ``before`` (C,) are
    those of the bar before.

    Positions, marks and cash are still those of its close, so the interest is on cash before the fees of these nights.
    """
    currencies, share, years = book.cash.shape[0], days / terms.borrow_days, days / terms.interest_days
    if currencies == 1:
        short, fee = plain_borrow(share, rate, t, book, terms, log)
        settle(0, short, short, fee, years, interest, fx, t, book, terms, log)
        return
    shorts, fees = np.zeros(currencies), np.zeros(currencies)
    borrow_shares(share, rate, fx, t, shorts, fees, book, terms, log)
    for c in range(currencies):
        collateral = shorts[c]
        if terms.convert == 1:
            # The proceeds of all shorts lie in the account's currency, where each close has changed them.
            collateral = money(shorts, before) if c == 0 else 0.0
        settle(c, shorts[c], collateral, fees[c], years, interest, fx, t, book, terms, log)


@kernel(plain=True)
def settle(c, shorts, collateral, fees, years, interest, fx, t, book, terms, log):
    """Pay and earn the interest of currency c and pay its fees.

    ``shorts`` is the value of its shorts, ``collateral`` the short proceeds in its cash, which are no free cash.
    """
    tape, cash, thresholds = log.tape[t], book.cash, terms.thresholds
    free = cash[c] - collateral
    debit = banded(-free, thresholds[c, 0], interest[c, 0]) * years if free < 0.0 else 0.0
    credit = banded(free, thresholds[c, 1], interest[c, 1]) * years if free > 0.0 else 0.0
    short = banded(shorts, thresholds[c, 2], interest[c, 2]) * years
    cash[c] += credit + short - debit - fees
    tape[DEBIT_INTEREST] += debit * fx[c]
    tape[CREDIT_INTEREST] += credit * fx[c]
    tape[SHORT_INTEREST] += short * fx[c]
    tape[BORROW] += fees * fx[c]


@kernel(plain=True)
def book_actions(first, last, kinds, assets, others, values, fx, t, tickets, book, working, terms, log):
    """Book the actions ``first`` to ``last`` - 1, all of bar t."""
    for a in range(first, last):
        i, value = assets[a], values[a]
        if book.dead[i] == 1:
            continue
        kind = kinds[a]
        if kind == SPLIT:
            split(i, value, t, book, working, tickets, terms, log)
        elif kind == SPINOFF:
            cash = 0.0
            if book.units[i] != 0.0:
                cash = book.units[i] * terms.unit * book.mark[i] * value
                book.cash[terms.currency[i]] += cash
                log_event(log, t, i, SPINOFF, 0.0, book.mark[i] * value, cash)
            rescale(i, 1.0 - value, book)
            reprice_tickets(i, 1.0 - value, tickets, working)
        elif kind == DIVIDEND:
            if book.units[i] != 0.0:
                c = terms.currency[i]
                claim = book.units[i] * terms.unit * value
                book.claims[a] = claim
                book.receivable[c] += claim
                log.tape[t, DIVIDENDS] += claim * fx[c]
                log_event(log, t, i, DIVIDEND, 0.0, value, claim)
        elif kind == CONVERSION:
            convert(i, others[a], value, t, book, terms, log)
            if ordered(i, tickets, book, working):
                note(log, COUNT_DELISTED, i, t)
            pass_on(i, others[a], book)
            bury(i, t, tickets, book, working, log)
        else:
            held = book.units[i]
            if held != 0.0:
                price = book.mark[i] * (1.0 + value)
                cash = held * terms.unit * price
                book.cash[terms.currency[i]] += cash
                log_event(log, t, i, DELISTING, -held, price, cash)
            if held != 0.0 or unsized(i, book) or ordered(i, tickets, book, working):
                note(log, COUNT_DELISTED, i, t)
            bury(i, t, tickets, book, working, log)


@kernel(plain=True)
def ordered(i, tickets, book, working):
    """Whether an order of asset i waits."""
    waiting = book.due[i] != 0.0
    for k in range(working.count[0]):
        waiting = waiting or tickets.asset[working.live[k]] == i
    return waiting


@kernel(plain=True)
def pass_on(i, j, book):
    """Give the last decided weight of asset i to j, into which it turns."""
    if not np.isnan(book.target[i]):
        book.target[j] = book.target[i] + (0.0 if np.isnan(book.target[j]) else book.target[j])
        book.target[i] = 0.0


@kernel(plain=True)
def unsized(i, book):
    """Whether a decided weight of asset i waits to be sized at its fill."""
    return book.flags[PENDING] >= 0 and book.target[i] != 0.0


@kernel(plain=True)
def rescale(i, factor, book):
    """Multiply the prices that a book remembers of asset i."""
    book.mark[i] *= factor
    book.entry[i] *= factor
    book.peak[i] *= factor
    book.trough[i] *= factor


@kernel(plain=True)
def flatten(i, book):
    """Forget the position of asset i."""
    book.units[i] = 0.0
    book.entry[i] = np.nan
    book.peak[i] = np.nan
    book.trough[i] = np.nan
    book.entered[i] = -1
    book.opened[i] = 0


@kernel(plain=True)
def split(i, ratio, t, book, working, tickets, terms, log):
    """A split: ``ratio`` new shares per old one, with cash for what is no whole unit."""
    held = book.units[i]
    if held != 0.0:
        exact = held * ratio
        new = whole(exact, terms.step)
        cash = (exact - new) * terms.unit * book.mark[i] / ratio
        book.cash[terms.currency[i]] += cash
        log_event(log, t, i, SPLIT, new - held, book.mark[i] / ratio, cash)
        book.units[i] = new
        if new == 0.0:
            flatten(i, book)
    rescale(i, 1.0 / ratio, book)
    if book.due[i] != 0.0:
        book.due[i] = whole(book.due[i] * ratio, terms.step)
        if book.due[i] == 0.0:
            set_status(log, book.due_row[i], SPLIT_AWAY)
            note(log, COUNT_CANCELLED, i, t)
    split_tickets(i, ratio, t, tickets, terms, working, log)


@kernel(plain=True)
def convert(i, j, ratio, t, book, terms, log):
    """Asset i turns into ``ratio`` shares of asset j each."""
    held = book.units[i]
    if np.isnan(book.mark[j]):
        book.mark[j] = book.mark[i] / ratio
    if held == 0.0:
        return
    exact = held * ratio
    new = whole(exact, terms.step)
    price = book.mark[i] / ratio
    cash = (exact - new) * terms.unit * price
    book.cash[terms.currency[i]] += cash
    log_event(log, t, i, CONVERSION, -held, book.mark[i], cash)
    if new != 0.0:
        log_event(log, t, j, CONVERSION, new, price, 0.0)
    after = book.units[j] + new
    # What was flat, or is turned, takes the history of what comes in.
    if new != 0.0 and (book.units[j] == 0.0 or after * book.units[j] < 0.0):
        book.entry[j] = book.entry[i] / ratio
        book.peak[j] = book.peak[i] / ratio
        book.trough[j] = book.trough[i] / ratio
        book.entered[j] = book.entered[i]
        book.opened[j] = book.opened[i]
    book.units[j] = after
    if after == 0.0:
        flatten(j, book)


@kernel(plain=True)
def bury(i, t, tickets, book, working, log):
    """End asset i: no position, no orders, no trading any more."""
    flatten(i, book)
    if book.due[i] != 0.0:
        book.due[i] = 0.0
        set_status(log, book.due_row[i], DELISTED)
    if unsized(i, book):
        log_order(log, book.flags[PENDING], i, REBALANCE, DELISTED, np.nan, book.mark[i])
    cancel_tickets(i, DELISTED, t, tickets, working, log)
    book.dead[i] = 1
    book.target[i] = 0.0


@kernel(plain=True)
def pay_claims(first, last, order, assets, book, terms):
    """Turn the claims ``order[first:last]`` into cash."""
    for k in range(first, last):
        a = order[k]
        c = terms.currency[assets[a]]
        book.cash[c] += book.claims[a]
        book.receivable[c] -= book.claims[a]
        book.claims[a] = 0.0
    if last == order.shape[0]:
        # Nothing is owed any more: what sums leave of it is rounding.
        for c in range(book.receivable.shape[0]):
            book.receivable[c] = 0.0


@kernel(plain=True)
def make_room(volume, book, terms):
    """What the bar's volume allows each asset to trade."""
    if terms.participation == 0.0:
        return
    room, share, step = book.room, terms.participation / terms.unit, terms.step
    for i in range(volume.shape[0]):
        units = lots(share * volume[i], step)
        room[i] = 0.0 if np.isnan(units) else units


@kernel(plain=True)
def sweep(fx, t, book, terms, log):
    """Change every foreign balance into the account's currency."""
    for c in range(1, book.cash.shape[0]):
        amount = book.cash[c] * fx[c]
        if amount != 0.0:
            cost = np.abs(amount) * terms.conversion_cost
            book.cash[0] += amount - cost
            book.cash[c] = 0.0
            log.tape[t, CONVERSION_COST] += cost


@kernel(plain=True)
def value_at(prices, bar, book, terms):
    """Equity with each position at ``prices``, at its mark where there is none."""
    units, mark, currency, unit, fx = book.units, book.mark, terms.currency, terms.unit, bar.fx
    values, one = book.scratch[9], book.cash.shape[0] == 1
    for i in range(units.shape[0]):
        price = mark[i] if np.isnan(prices[i]) else prices[i]
        values[i] = units[i] * unit * price if units[i] != 0.0 else 0.0
    if not one:
        for i in range(units.shape[0]):
            values[i] *= fx[currency[i]]
    return money(book.cash, fx) + money(book.receivable, fx) + total(values)


@kernel(plain=True)
def money(amounts, fx):
    """The sum of amounts by currency, in the account's."""
    total = 0.0
    for c in range(amounts.shape[0]):
        total += amounts[c] * fx[c]
    return total


@kernel(plain=True)
def exposed(book):
    """Whether equity can fall below zero at all: something is short or owed."""
    cash, receivable, units = book.cash, book.receivable, book.units
    for c in range(cash.shape[0]):
        if cash[c] < 0.0 or receivable[c] < 0.0:
            return True
    short = 0
    for i in range(units.shape[0]):
        short += 1 if units[i] < 0.0 else 0
    return short > 0


@kernel(plain=True)
def ruin(prices, tickets, bar, book, working, terms, log):
    """Close everything at ``prices`` (marks where missing), free of cost, and stop the book."""
    t = bar.t
    for i in range(book.units.shape[0]):
        if book.due[i] != 0.0:
            book.due[i] = 0.0
            set_status(log, book.due_row[i], ENDED)
            note(log, COUNT_CANCELLED, i, t)
        held = book.units[i]
        if held != 0.0:
            price = book.mark[i] if np.isnan(prices[i]) else prices[i]
            row = log_order(log, t, i, RUIN, LIQUIDATED, -held, price)
            if row >= 0:
                k = log.used[1]
                log.used[1] = k + 1
                log.fills[k, 0] = row
                log.fills[k, 1] = t
                log.fills[k, 2] = i
                log.paid[k, 0] = -held
                log.paid[k, 1] = price
                log.paid[k, 2] = price
                log.paid[k, 3] = 0.0
                log.paid[k, 4] = 0.0
                log.paid[k, 5] = 0.0
            value = held * terms.unit * price
            book.cash[terms.currency[i]] += value
            log.tape[t, TRADED] += np.abs(value) * bar.fx[terms.currency[i]]
            flatten(i, book)
    cancel_tickets(-1, ENDED, t, tickets, working, log)
    left = money(book.cash, bar.fx) + money(book.receivable, bar.fx)
    for c in range(book.cash.shape[0]):
        book.cash[c] = 0.0
        book.receivable[c] = 0.0
    book.cash[0] = left
    book.flags[RUINED] = t
    note(log, COUNT_RUIN, book.units.shape[0], t)
    return left


@kernel(plain=True)
def take_marks(bar, book, log):
    """Take the closes of a bar as marks."""
    units, mark, close = book.units, book.mark, bar.close
    missing = 0
    for i in range(units.shape[0]):
        known = close[i] > 0.0
        mark[i] = close[i] if known else mark[i]
        missing += 0 if known else 1
    if missing > 0:
        for i in range(units.shape[0]):
            if units[i] != 0.0 and np.isnan(close[i]):
                note(log, COUNT_STALE_MARK, i, bar.t)


@kernel(plain=True)
def sides(units, worth, long, short):
    """Value of the long and of the short positions; the rows ``long`` and ``short`` are overwritten."""
    for i in range(units.shape[0]):
        v = units[i] * worth[i]
        long[i] = max(v, 0.0)
        short[i] = max(-v, 0.0)
    return total(long), total(short)


@kernel(plain=True)
def value_book(bar, book, terms, log):
    """Write the values of the book to the tape and return its equity.

    It leaves worth and maintenance rates at the marks in the scratch.
    """
    fx = bar.fx
    worth_row(book.mark, bar, book, terms)
    long, short = sides(book.units, book.scratch[WORTH], book.scratch[9], book.scratch[10])
    tape = log.tape[bar.t]
    cash, receivable = money(book.cash, fx), money(book.receivable, fx)
    tape[CASH] = cash
    tape[RECEIVABLE] = receivable
    tape[LONG] = long
    tape[SHORT] = short
    tape[EQUITY] = cash + receivable + long - short
    if terms.margin_model != NO_MARGIN:
        hold_rates(book.mark, bar, book, terms)
        tape[REQUIREMENT] = requirement(book.units, 0, bar, book, terms)
    return tape[EQUITY]


@kernel(plain=True)
def note_debit(bar, book, log):
    """Count a bar that ends with a loan: short proceeds are collateral, not free cash."""
    tape = log.tape[bar.t]
    # A billionth of the equity is rounding, not a loan.
    if tape[CASH] - tape[SHORT] < -1e-9 * np.abs(tape[EQUITY]):
        note(log, COUNT_DEBIT, book.units.shape[0], bar.t)
