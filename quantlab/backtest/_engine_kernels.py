# mypy: allow-untyped-defs
"""The compiled engine: the day of docs/engine.md, bar by bar, over the state of one book."""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._book_kernels import (
    book_actions,
    exposed,
    finance,
    make_room,
    note_debit,
    pay_claims,
    ruin,
    sweep,
    take_marks,
    value_at,
    value_book,
)
from quantlab.execution._exit_kernels import exits_at_close, run_exits
from quantlab.execution._fill_kernels import fill_book_orders, is_exit, log_order, note, set_status, tracked
from quantlab.execution._kernel_types import (
    AT_CLOSE,
    AT_OPEN,
    CASH,
    COUNT_CANCELLED,
    COUNT_NO_NEXT_BAR,
    COUNT_UNAFFORDABLE,
    DECIDED,
    EQUITY,
    NO_NEXT_BAR,
    PENDING,
    REBALANCE,
    REPLACED,
    REQUIREMENT,
    RUINED,
    SAME_CLOSE,
    STOPPED,
    UNAFFORDABLE,
    WEIGHTS,
    bar_reference,
    book_reference,
    impact_reference,
    log_reference,
    terms_reference,
    tickets_reference,
    working_reference,
    world_reference,
)
from quantlab.execution._margin_kernels import buy_in, hold_rates, margin_call, worth_row
from quantlab.execution._ticket_kernels import (
    compact,
    expire_tickets,
    fill_tickets_at_close,
    fill_tickets_at_open,
    fill_tickets_inside,
    note_no_next_bar,
    place_tickets,
)
from quantlab.portfolio._amount_kernels import decide_amounts
from quantlab.portfolio._weight_kernels import decide_weights, take_targets


@kernel(plain=True, _nrt=True)  # numba demands it of what returns an array
def row_of(matrix, t):
    """Row t of a matrix that may hold one row for all bars."""
    return matrix[t] if matrix.shape[0] > 1 else matrix[0]


@kernel(plain=True)
def impact_of(world, t):
    """What was known about slippage at the close of bar t."""
    return impact_reference(
        row_of(world.spread, t), row_of(world.impact, t), row_of(world.impact2, t), row_of(world.adv, t)
    )


@kernel(plain=True)
def bar_of(world, t):
    """Bar t, and nothing of a later one but whether there is one."""
    T = world.close.shape[0]
    last = 1 if t == T - 1 else 0
    ends = 1 if last == 1 or world.session[min(t + 1, T - 1)] != world.session[t] else 0
    return bar_reference(
        t,
        row_of(world.open, t),
        row_of(world.high, t),
        row_of(world.low, t),
        world.close[t],
        row_of(world.volume, t),
        world.reference[t],
        row_of(world.fx, t),
        row_of(world.fx, max(t - 1, 0)),
        row_of(world.available, t),
        impact_of(world, max(t - 1, 0)),
        impact_of(world, t),
        row_of(world.fees, t),
        row_of(world.margin, t),
        world.month[t],
        world.session[t],
        last,
        ends,
    )


@kernel(plain=True, _nrt=False)
def morning(world, bar, cursor, book, working, tickets, terms, log):
    """Financing, corporate actions, payments: what happens before the market opens."""
    t = bar.t
    if t > 0 and world.days[t] > 0:
        rate, interest, before = row_of(world.rate, t - 1), row_of(world.interest, t - 1), row_of(world.fx, t - 1)
        finance(world.days[t], rate, interest, before, bar.fx, t, book, terms, log)
    first = cursor[0]
    while cursor[0] < world.action_bar.shape[0] and world.action_bar[cursor[0]] == t:
        cursor[0] += 1
    if cursor[0] > first:
        book_actions(
            first,
            cursor[0],
            world.action_kind,
            world.action_asset,
            world.action_other,
            world.action_value,
            bar.fx,
            t,
            tickets,
            book,
            working,
            terms,
            log,
        )
    first = cursor[1]
    while cursor[1] < world.pay_order.shape[0] and world.action_pay[world.pay_order[cursor[1]]] == t:
        cursor[1] += 1
    if cursor[1] > first:
        pay_claims(first, cursor[1], world.pay_order, world.action_asset, book, terms)


@kernel(plain=True, _nrt=True)  # numba demands it of what returns an array
def reference_prices(bar, book):
    """The prices at which weights are sized at their fill: the reference, the mark where it is missing."""
    prices = book.scratch[13]
    for i in range(prices.shape[0]):
        prices[i] = book.mark[i] if np.isnan(bar.reference[i]) else bar.reference[i]
    return prices


@kernel(plain=True)
def opening_bar(bar):
    """The bar as its open knows it: with the exchange rates of the close before."""
    return bar_reference(
        bar.t,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.reference,
        bar.fx_known,
        bar.fx_known,
        bar.available,
        bar.known,
        bar.coming,
        bar.fees,
        bar.margin,
        bar.month,
        bar.session,
        bar.last,
        bar.session_ends,
    )


@kernel(plain=True)
def size_pending(values, bar, book, terms, log):
    """Size the decision row that waits for this fill; return False when the run has to stop."""
    if book.flags[PENDING] < 0:
        return True
    decided = book.flags[PENDING]
    book.flags[PENDING] = -1
    if terms.at == AT_OPEN:
        bar = opening_bar(bar)
    equity = value_at(bar.reference, bar, book, terms)
    if equity <= 0.0:
        for i in range(book.target.shape[0]):
            if book.target[i] != 0.0 and book.dead[i] == 0:
                log_order(log, decided, i, REBALANCE, UNAFFORDABLE, np.nan, book.mark[i])
                note(log, COUNT_UNAFFORDABLE, i, decided)
        return True
    prices = reference_prices(bar, book)
    worth_row(prices, bar, book, terms)
    hold_rates(prices, bar, book, terms)
    if not decide_weights(bar.t - 1, bar.reference, prices, equity, bar.known, bar, book, terms, log):
        return False
    # A name that trades before its first close is worth what is paid until then.
    for i in range(prices.shape[0]):
        if np.isnan(book.mark[i]) and book.due[i] != 0.0:
            book.mark[i] = prices[i]
    return True


@kernel(plain=True)
def drop_decided(t, book, log):
    """Cancel what waits from the decision before."""
    for i in range(book.due.shape[0]):
        if book.due[i] != 0.0 and not is_exit(book.due_kind[i]):
            book.due[i] = 0.0
            set_status(log, book.due_row[i], REPLACED)
            note(log, COUNT_CANCELLED, i, t)


@kernel(plain=True)
def log_unsized(t, book, log):
    """Record what the last bar decided and no fill will size."""
    for i in range(book.due.shape[0]):
        if book.target[i] != 0.0 or book.units[i] != 0.0:
            log_order(log, t, i, REBALANCE, NO_NEXT_BAR, np.nan, book.mark[i])
            note(log, COUNT_NO_NEXT_BAR, i, t)


@kernel(plain=True, inline="always")
def market(values, bar, book, working, tickets, terms, log):
    """The fills of a bar, in their order; return False when the book was ruined or the run has to stop."""
    make_room(bar.volume, book, terms)
    impact = bar.known
    if terms.at == AT_OPEN:
        if not size_pending(values, bar, book, terms, log):
            return False
        fill_book_orders(1, book, bar, impact, terms, log)
    if tickets.placed.shape[0] > 0:
        fill_tickets_at_open(tickets, book, bar, impact, terms, working, log)
    if exposed(book) and has_price(bar.open) and value_at(bar.open, bar, book, terms) <= 0.0:
        ruin(bar.open, tickets, bar, book, working, terms, log)
        return False
    if tickets.placed.shape[0] > 0:
        fill_tickets_inside(tickets, book, bar, impact, terms, working, log)
    if tracked(terms):
        run_exits(book, bar, impact, terms, log)
    if terms.at == AT_CLOSE:
        if not size_pending(values, bar, book, terms, log):
            return False
        fill_book_orders(0, book, bar, impact, terms, log)
    if tickets.placed.shape[0] > 0:
        fill_tickets_at_close(tickets, book, bar, impact, terms, working, log)
        expire_tickets(tickets, book, bar, working, log)
    return True


@kernel(plain=True)
def has_price(prices):
    """Whether a row has a price at all."""
    found = 0
    for i in range(prices.shape[0]):
        found += 0 if np.isnan(prices[i]) else 1
    return found > 0


@kernel(plain=True, inline="always")
def evening(turn, rows, values, equity, bar, book, working, tickets, terms, log):
    """Decisions at the close; return False when the run has to stop."""
    if tracked(terms):
        exits_at_close(book, bar, terms, log)
    before = working.count[1]
    first, last = before, before
    if tickets.placed.shape[0] > before and tickets.placed[before] == bar.t:
        first, last = place_tickets(tickets, book, bar, terms, working, log)
    decided = turn < rows.shape[0] and rows[turn] == bar.t
    if terms.mode == WEIGHTS:
        if decided:
            take_targets(values[turn], book, terms)
        if decided or (terms.every_bar == 1 and book.flags[DECIDED] == 1):
            if terms.size_at_fill == 1 and terms.at != SAME_CLOSE:
                drop_decided(bar.t, book, log)
                book.flags[PENDING] = bar.t
            elif not decide_weights(bar.t, bar.close, book.mark, equity, bar.coming, bar, book, terms, log):
                return False
    if last > first or (decided and terms.mode != WEIGHTS):
        has_row = 1 if decided and terms.mode != WEIGHTS else 0
        row = values[turn] if has_row == 1 else book.target
        if not decide_amounts(
            has_row, row, bar.close, book.mark, equity, bar.coming, tickets, working, first, last, bar, book, terms, log
        ):
            return False
    return True


@kernel(plain=True)
def close_bar(bar, equity, tickets, book, working, terms, log):
    """What the broker demands after the decisions: buy-ins and the margin call."""
    buy_in(bar, book, terms, log)
    margin_call(equity, log.tape[bar.t, REQUIREMENT], tickets, bar, book, working, terms, log)


@kernel(plain=True)
def keep_rows(t, book, log):
    """Write positions and marks of bar t."""
    units, marks, held, mark = log.units[t], log.marks[t], book.units, book.mark
    for i in range(held.shape[0]):
        units[i] = held[i]
        marks[i] = mark[i]


@kernel(plain=True)
def short_of_space(world, tickets, working, cursor, t, log):
    """Whether the log may be too small for one more bar."""
    n = world.close.shape[1]
    placed = 0
    k = working.count[1]
    while k < tickets.placed.shape[0] and tickets.placed[k] == t:
        placed += 1
        k += 1
    actions, a = 0, cursor[0]
    while a < world.action_bar.shape[0] and world.action_bar[a] == t:
        actions += 1
        a += 1
    orders = 6 * n + placed
    fills = 5 * n + placed + working.count[0]
    return (
        log.used[0] + orders > log.orders.shape[0]
        or log.used[1] + fills > log.fills.shape[0]
        or log.used[2] + 2 * actions > log.events.shape[0]
    )


@kernel(plain=True, inline="always")
def begin(bar, values, cursor, world, terms, tickets, book, working, log):
    """Bar t up to its close: financing, actions, fills, marks. Return whether there is something to decide on it."""
    t = bar.t
    if book.flags[RUINED] >= 0:
        log.tape[t, EQUITY] = log.tape[t - 1, EQUITY]
        log.tape[t, CASH] = log.tape[t - 1, CASH]
        return False
    morning(world, bar, cursor, book, working, tickets, terms, log)
    return day(bar, values, terms, tickets, book, working, log)


@kernel(plain=True, inline="always")
def day(bar, values, terms, tickets, book, working, log):
    """The fills and the marks of a bar whose morning is over; return whether there is something to decide on it."""
    t = bar.t
    if book.flags[STOPPED] > 0:
        return False
    alive = market(values, bar, book, working, tickets, terms, log)
    if book.flags[STOPPED] > 0:
        return False
    if alive and terms.convert == 1:
        sweep(bar.fx, t, book, terms, log)
    if alive:
        take_marks(bar, book, log)
    equity = value_book(bar, book, terms, log)
    if alive and equity <= 0.0:
        ruin(bar.close, tickets, bar, book, working, terms, log)
        alive = False
    if not alive:
        value_book(bar, book, terms, log)
    return alive


@kernel(plain=True, inline="always")
def end(bar, rows, values, cursor, terms, tickets, book, working, log):
    """The decisions at the close of bar t, and what the broker demands after them."""
    t = bar.t
    equity = log.tape[t, EQUITY]
    turn = cursor[2]
    if turn < rows.shape[0] and rows[turn] == t:
        cursor[2] += 1
    if not evening(turn, rows, values, equity, bar, book, working, tickets, terms, log):
        return
    close_bar(bar, equity, tickets, book, working, terms, log)
    if terms.at == SAME_CLOSE:
        fill_book_orders(0, book, bar, bar.coming, terms, log)
        if tickets.placed.shape[0] > 0:
            fill_tickets_at_close(tickets, book, bar, bar.coming, terms, working, log)
        if terms.convert == 1:
            sweep(bar.fx, t, book, terms, log)
        if value_book(bar, book, terms, log) <= 0.0:
            ruin(bar.close, tickets, bar, book, working, terms, log)
            value_book(bar, book, terms, log)
    if tickets.placed.shape[0] > 0:
        compact(working)
    if bar.last == 1:
        for i in range(book.due.shape[0]):
            if book.due[i] != 0.0:
                note(log, COUNT_NO_NEXT_BAR, i, t)
        if book.flags[PENDING] >= 0:
            log_unsized(t, book, log)
        note_no_next_bar(tickets, bar, working, log)
    if book.flags[RUINED] < 0:
        note_debit(bar, book, log)


@kernel(plain=True)
def run(start, stop, world, terms, rows, values, tickets, cursor, book, working, log):
    """Step the book from bar ``start`` to ``stop`` - 1; return the bar that comes next, an earlier one than ``stop``
    when the log needs more space or ``Book.flags`` asks to stop.

    ``cursor`` (3,) int64: the next action, payment and decision.
    """
    world, terms, tickets = world_reference(*world), terms_reference(*terms), tickets_reference(*tickets)
    book, working, log = book_reference(*book), working_reference(*working), log_reference(*log)
    for t in range(start, stop):
        if log.keep[0] == 1 and short_of_space(world, tickets, working, cursor, t, log):
            return t
        bar = bar_of(world, t)
        alive = begin(bar, values, cursor, world, terms, tickets, book, working, log)
        if book.flags[STOPPED] > 0:
            return t
        if alive:
            end(bar, rows, values, cursor, terms, tickets, book, working, log)
            if book.flags[STOPPED] > 0:
                return t
        if log.keep[0] == 1:
            keep_rows(t, book, log)
    return stop


@kernel(plain=True)
def step_to_close(t, world, terms, values, tickets, cursor, book, working, log):
    """One bar up to its close, for whoever decides outside; return whether there is something to decide on it."""
    world, terms, tickets = world_reference(*world), terms_reference(*terms), tickets_reference(*tickets)
    book, working, log = book_reference(*book), working_reference(*working), log_reference(*log)
    return begin(bar_of(world, t), values, cursor, world, terms, tickets, book, working, log)


@kernel(plain=True)
def step_from_close(t, world, terms, rows, values, tickets, cursor, book, working, log):
    """The decisions of one bar, for whoever decides outside."""
    world, terms, tickets = world_reference(*world), terms_reference(*terms), tickets_reference(*tickets)
    book, working, log = book_reference(*book), working_reference(*working), log_reference(*log)
    end(bar_of(world, t), rows, values, cursor, terms, tickets, book, working, log)
    if log.keep[0] == 1:
        keep_rows(t, book, log)
