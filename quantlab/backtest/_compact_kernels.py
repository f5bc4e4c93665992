# mypy: allow-untyped-defs
"""Many runs on the assets that matter: between two decisions a book holds a few of many; the rest costs nothing here.

A *compact* book has a place for every asset that is held or wanted at a decision, and steps through the same kernels as
the engine. Their sums over assets are eight partial sums over stretches of the columns, added in a fixed order. So the
places of a compact book come in eight stretches of equal length too, each with the assets of that stretch of the wide
book in their order, filled up with places without an asset, which add zero: every sum has the bits of the engine's.
Bars on which nothing happens are walked many at a time (``_quiet_kernels``).

All runs take a stretch of time before any goes on to the next, so that its prices stay in the processor's cache.
"""

from __future__ import annotations

import numpy as np

from quantlab.backtest._compact_kernel_types import (
    ADV,
    AT_CLOSES,
    AVAILABLE,
    CLOSE,
    COMING_ADV,
    COMING_FIRST,
    COMING_SECOND,
    COMING_SPREAD,
    DATED,
    ENDED,
    FIRST_IMPACT,
    GOING,
    HALTED,
    HIGH,
    LEFT,
    LONG_FACTOR,
    LOUD_SHORTS,
    LOW,
    MORTAL,
    OPEN,
    QUIET,
    RATE,
    REFERENCE,
    SECOND_IMPACT,
    SHORT_FACTOR,
    SPREAD,
    STATIC,
    UNEQUAL,
    UNIFORM,
    VOLUME,
    WANTED,
    WHOLE,
    decided_reference,
    market_reference,
    space_reference,
    states_reference,
)
from quantlab.backtest._engine_kernels import day, end, row_of
from quantlab.backtest._quiet_kernels import list_held, quiet_bars
from quantlab.core import kernel
from quantlab.execution._book_kernels import book_actions, finance, pay_claims
from quantlab.execution._fill_kernels import filled
from quantlab.execution._kernel_types import (
    BORROW,
    CASH,
    CONVERSION_COST,
    COUNT_STALE_MARK,
    EQUITY,
    LONG,
    NO_MARGIN,
    PENDING,
    RECEIVABLE,
    REQUIREMENT,
    RUINED,
    SAME_CLOSE,
    SHORT,
    STOPPED,
    TRADED,
    bar_reference,
    book_reference,
    impact_reference,
    log_reference,
    terms_reference,
    tickets_reference,
    working_reference,
    world_reference,
)
from quantlab.execution._margin_kernels import hold_rates, requirement, worth_row


@kernel(plain=True)
def merge(v, d, states, decided, listed, wanted):
    """List the assets that run v holds or wants by decision d (-1: by none), with what it wants; return how many."""
    held, wishes, weights, count = states.assets[v], decided.assets, decided.weights, states.held[v]
    b = decided.starts[d] if d >= 0 else 0
    stop = decided.starts[d + 1] if d >= 0 else 0
    a, m = 0, 0
    while a < count and b < stop:
        x, y = held[a], wishes[b]
        listed[m] = min(x, y)
        wanted[m] = weights[b] if y <= x else 0.0
        a += 1 if x <= y else 0
        b += 1 if y <= x else 0
        m += 1
    for k in range(a, count):
        listed[m] = held[k]
        wanted[m] = 0.0
        m += 1
    for k in range(b, stop):
        listed[m] = wishes[k]
        wanted[m] = weights[k]
        m += 1
    return m


@kernel(plain=True)
def with_conversions(after, until, m, world, market, listed, wanted):
    """Add what the listed assets turn into before the next decision; return how many are listed now."""
    conversions = market.conversions
    for c in range(conversions.shape[0]):
        a = conversions[c]
        if not after < world.action_bar[a] <= until:
            continue
        i, j, found = world.action_asset[a], world.action_other[a], 0
        for k in range(m):
            found += 1 if listed[k] == i else (2 if listed[k] == j else 0)
        if found == 1:
            k = m
            while k > 0 and listed[k - 1] > j:
                listed[k] = listed[k - 1]
                wanted[k] = wanted[k - 1]
                k -= 1
            listed[k] = j
            wanted[k] = 0.0
            m += 1
    return m


@kernel(plain=True)
def count_stretches(m, N, listed, counts):
    """Count the listed assets of each stretch of the wide book, in ``counts`` (9,); return the longest."""
    q, k, W = N // 8, 0, 1
    for s in range(8):
        before = k
        while k < m and listed[k] < (s + 1) * q:
            k += 1
        counts[s] = k - before
    counts[8] = m - k
    for s in range(8):
        W = max(W, counts[s])
    return W


@kernel(plain=True)
def lay_out(W, listed, counts, spots, at):
    """Give each listed asset its place."""
    k = 0
    for s in range(9):
        for j in range(s * W, s * W + counts[s]):
            spots[k] = j
            at[listed[k]] = j
            k += 1


@kernel(plain=True)
def gather(row, m, space, out):
    """The values of the listed assets at their places."""
    listed, spots = space.listed, space.spots
    for k in range(m):
        out[spots[k]] = row[listed[k]]


@kernel(plain=True)
def gather_slippage(t, m, world, market, space, first):
    """What was known about slippage at the close of bar t, in the rows from ``first`` on."""
    changes, rows = market.changes, space.rows
    if changes[SPREAD] == DATED:
        gather(world.spread[t], m, space, rows[first])
    if changes[FIRST_IMPACT] == DATED:
        gather(world.impact[t], m, space, rows[first + 1])
    if changes[SECOND_IMPACT] == DATED:
        gather(world.impact2[t], m, space, rows[first + 2])
    if changes[ADV] == DATED:
        gather(world.adv[t], m, space, rows[first + 3])


@kernel(plain=True)
def gather_bar(t, m, n, world, market, space):
    """What changes from bar to bar."""
    changes, rows = market.changes, space.rows
    close, reference = rows[CLOSE], rows[REFERENCE]
    gather(world.close[t], m, space, close)
    if market.flags[AT_CLOSES] == 1:
        for j in range(n):
            reference[j] = close[j]
    else:
        gather(world.reference[t], m, space, reference)
    if changes[OPEN] == DATED:
        gather(world.open[t], m, space, rows[OPEN])
    if changes[HIGH] == DATED:
        gather(world.high[t], m, space, rows[HIGH])
    if changes[LOW] == DATED:
        gather(world.low[t], m, space, rows[LOW])
    if changes[VOLUME] == DATED:
        gather(world.volume[t], m, space, rows[VOLUME])
    if changes[AVAILABLE] == DATED:
        gather(world.available[t], m, space, rows[AVAILABLE])
    if changes[RATE] == DATED and t > 0:
        gather(world.rate[t - 1], m, space, rows[RATE])
    gather_slippage(max(t - 1, 0), m, world, market, space, SPREAD)
    gather_slippage(t, m, world, market, space, COMING_SPREAD)


@kernel(plain=True)
def empty_places(n, market, rows):
    """Give places without an asset what harms no sum, in every row that is not uniform."""
    for field in range(12):
        if market.changes[field] == UNIFORM:
            continue
        empty = 1.0 if field <= CLOSE or field == REFERENCE else 0.0
        if field in (VOLUME, AVAILABLE, ADV):
            empty = np.inf
        row = rows[field]
        for j in range(n):
            row[j] = empty
        if field >= SPREAD:
            row = rows[field + COMING_SPREAD - SPREAD]
            for j in range(n):
                row[j] = empty
    if market.flags[UNEQUAL] == 1:
        for j in range(n):
            rows[LONG_FACTOR, j] = 1.0
            rows[SHORT_FACTOR, j] = 1.0


@kernel(plain=True)
def gather_static(m, world, market, space):
    """What stays as it is until the next decision."""
    changes, rows = market.changes, space.rows
    if changes[AVAILABLE] == STATIC:
        gather(world.available[0], m, space, rows[AVAILABLE])
    if changes[RATE] == STATIC:
        gather(world.rate[0], m, space, rows[RATE])
    if changes[SPREAD] == STATIC:
        gather(world.spread[0], m, space, rows[SPREAD])
        gather(world.spread[0], m, space, rows[COMING_SPREAD])
    if changes[FIRST_IMPACT] == STATIC:
        gather(world.impact[0], m, space, rows[FIRST_IMPACT])
        gather(world.impact[0], m, space, rows[COMING_FIRST])
    if changes[SECOND_IMPACT] == STATIC:
        gather(world.impact2[0], m, space, rows[SECOND_IMPACT])
        gather(world.impact2[0], m, space, rows[COMING_SECOND])
    if changes[ADV] == STATIC:
        gather(world.adv[0], m, space, rows[ADV])
        gather(world.adv[0], m, space, rows[COMING_ADV])
    if market.flags[UNEQUAL] == 1:
        gather(market.long_factor, m, space, rows[LONG_FACTOR])
        gather(market.short_factor, m, space, rows[SHORT_FACTOR])


@kernel(plain=True)
def fill_places(v, t, m, n, wanted, world, market, states, space, book):
    """Bring the compact book to the positions, marks, wishes and deaths at the close of bar t."""
    units, mark, dead, rows = book.units, book.mark, book.dead, space.rows
    listed, spots, close, wishes = space.listed, space.spots, rows[CLOSE], rows[WANTED]
    for j in range(n):
        units[j], mark[j], wishes[j] = 0.0, 1.0, 0.0
    empty_places(n, market, rows)
    gather_static(m, world, market, space)
    for k in range(m):
        wishes[spots[k]] = wanted[k]
    assets, amounts, at = states.assets[v], states.units[v], space.at
    for k in range(states.held[v]):
        units[at[assets[k]]] = amounts[k]
    if t < 0:
        return
    gather_bar(t, m, n, world, market, space)
    if market.flags[WHOLE] == 1:
        for j in range(n):
            mark[j] = close[j]
    else:
        gather(market.marks[t], m, space, mark)
    if market.flags[MORTAL] == 1:
        gone = market.dead_from
        for j in range(n):
            dead[j] = 0
        for k in range(m):
            dead[spots[k]] = 1 if gone[listed[k]] <= t else 0


@kernel(plain=True)
def keep_positions(v, m, states, space, book):
    """Remember what run v holds, and forget the places."""
    units, listed, spots, at = book.units, space.listed, space.spots, space.at
    assets, amounts, h = states.assets[v], states.units[v], 0
    for k in range(m):
        u = units[spots[k]]
        assets[h] = listed[k]
        amounts[h] = u
        h += 1 if u != 0.0 else 0
        at[listed[k]] = -1
    states.held[v] = h


@kernel(plain=True)
def next_action(first, until, world, at):
    """The bar of the first action from ``first`` on of an asset that has a place, ``until`` + 1 when there is none."""
    a = first
    while a < world.action_bar.shape[0] and world.action_bar[a] <= until:
        if at[world.action_asset[a]] >= 0:
            return world.action_bar[a]
        a += 1
    return until + 1


@kernel(plain=True)
def next_payment(first, until, world, book):
    """The bar of the next payment that moves something, ``until`` + 1 when there is none up to it."""
    k, last, claims = first, world.pay_order.shape[0] - 1, book.claims
    while k <= last:
        a = world.pay_order[k]
        if world.action_pay[a] > until:
            break
        # After the last of all payments the engine takes what is left of the claims for rounding.
        if claims[a] != 0.0 or (k == last and book.receivable[0] != 0.0):
            return world.action_pay[a]
        k += 1
    return until + 1


@kernel(plain=True, _nrt=False)
def morning_of(t, n, cursor, world, bar, space, book, working, tickets, terms, log):
    """Financing, corporate actions of assets with a place, payments."""
    at = space.at
    if t > 0 and world.days[t] > 0:
        rate, interest, before = space.seen[RATE][:n], row_of(world.interest, t - 1), row_of(world.fx, t - 1)
        finance(world.days[t], rate, interest, before, bar.fx, t, book, terms, log)
    while cursor[0] < world.action_bar.shape[0] and world.action_bar[cursor[0]] <= t:
        a = cursor[0]
        i, j = world.action_asset[a], world.action_other[a]
        if world.action_bar[a] == t and at[i] >= 0:
            space.mapped[a] = at[i]
            space.others[a] = at[j] if j >= 0 else -1
            book_actions(
                a,
                a + 1,
                world.action_kind,
                space.mapped,
                space.others,
                world.action_value,
                bar.fx,
                t,
                tickets,
                book,
                working,
                terms,
                log,
            )
        cursor[0] += 1
    first = cursor[1]
    while cursor[1] < world.pay_order.shape[0] and world.action_pay[world.pay_order[cursor[1]]] <= t:
        cursor[1] += 1
    if cursor[1] > first:
        pay_claims(first, cursor[1], world.pay_order, world.action_asset, book, terms)


@kernel(plain=True)
def take_sums(t, row, paths, sums):
    """Add a row of the tape to the paths and sums of a run."""
    paths[0, t], paths[1, t], paths[2, t], paths[3, t] = row[EQUITY], row[LONG], row[SHORT], row[TRADED]
    for column in range(BORROW, CONVERSION_COST + 1):
        sums[column] += row[column]


@kernel(plain=True)
def clear(row, first):
    """Empty a row of the tape from a column on."""
    for column in range(first, row.shape[0]):
        row[column] = 0.0


@kernel(plain=True)
def bar_at(t, n, world, known, coming, space):
    """Bar t as a compact book sees it."""
    T, seen = world.close.shape[0], space.seen
    last = 1 if t == T - 1 else 0
    ends = 1 if last == 1 or world.session[min(t + 1, T - 1)] != world.session[t] else 0
    fees, margin = row_of(world.fees, t), row_of(world.margin, t)
    return bar_reference(
        t,
        seen[OPEN][:n],
        seen[HIGH][:n],
        seen[LOW][:n],
        seen[CLOSE][:n],
        seen[VOLUME][:n],
        seen[REFERENCE][:n],
        row_of(world.fx, t),
        row_of(world.fx, max(t - 1, 0)),
        seen[AVAILABLE][:n],
        known,
        coming,
        fees,
        margin,
        world.month[t],
        world.session[t],
        last,
        ends,
    )


@kernel(plain=True, _nrt=False)
def decide(t, values, bar, paths, sums, cursor, space, tickets, book, working, terms, log):
    """The decision at the close of bar t, whose values stand in the tape."""
    row = log.tape[t]
    worth_row(book.mark, bar, book, terms)
    if terms.margin_model != NO_MARGIN:
        hold_rates(book.mark, bar, book, terms)
        row[REQUIREMENT] = requirement(book.units, 0, bar, book, terms)
    clear(row, BORROW)
    space.turn[0] = t
    cursor[2] = 0
    end(bar, space.turn, values, cursor, terms, tickets, book, working, log)
    if terms.at == SAME_CLOSE:
        before = paths[3, t]
        take_sums(t, row, paths, sums)
        paths[3, t] += before


@kernel(plain=True, _nrt=False)
def step(t, ends, n, values, bar, paths, sums, cursor, world, space, tickets, book, working, terms, log):
    """One bar by the engine; ``ends`` 0 leaves its end to the decision that follows."""
    clear(log.tape[t], 0)
    morning_of(t, n, cursor, world, bar, space, book, working, tickets, terms, log)
    alive = day(bar, values, terms, tickets, book, working, log)
    if book.flags[STOPPED] > 0:
        return
    if alive and ends == 1:
        space.turn[0] = -1
        cursor[2] = 0
        end(bar, space.turn, values, cursor, terms, tickets, book, working, log)
        if book.flags[STOPPED] > 0:
            return
    take_sums(t, log.tape[t], paths, sums)


@kernel(plain=True)
def count_gaps(first, after, longs, shorts, market, space, log):
    """Count the bars from ``first`` to ``after`` - 1 on which something held has no close."""
    gaps = market.gaps
    for k in range(longs):
        i = space.long_assets[k]
        log.counts[COUNT_STALE_MARK, 0] += gaps[after, i] - gaps[first, i]
    for k in range(shorts):
        i = space.short_assets[k]
        log.counts[COUNT_STALE_MARK, 0] += gaps[after, i] - gaps[first, i]


@kernel(plain=True, _nrt=False)
def stay_quiet(t, until, final, m, paths, sums, cursor, world, market, space, book, terms, log):
    """Walk from bar t as far as nothing happens; return the bar that comes next."""
    if market.flags[QUIET] == 0 or book.flags[PENDING] >= 0 or filled(book.due) > 0:
        return t
    shorts, lowest = 0, 0.0
    for u in book.units:
        lowest = min(lowest, u)
    for s in range(8):
        space.short_ends[s] = 0
    if lowest < 0.0:
        shorts = list_held(-1.0, m, space, book.units, space.short_assets, space.short_units, space.short_ends)
    if shorts > 0 and market.flags[LOUD_SHORTS] == 1:
        return t
    longs = list_held(1.0, m, space, book.units, space.long_assets, space.long_units, space.long_ends)
    stop = min(next_action(cursor[0], until, world, space.at), next_payment(cursor[1], until, world, book)) - 1
    if stop < t:
        return t
    checked = until if final == 0 else until + 1
    after = quiet_bars(t, stop, checked, longs, shorts, paths, sums, world, market, space, book, terms, log)
    if market.flags[WHOLE] == 0:
        count_gaps(t, after, longs, shorts, market, space, log)
    if t < after <= until:
        gather(market.marks[after - 1], m, space, book.mark)
    return after


@kernel(plain=True)
def advance(v, limit, world, market, decided, states, space, tickets, working, terms, log):
    """Let run v make its decisions up to bar ``limit``."""
    T, N = world.close.shape
    seen, b, w, flags = space.seen, space.book, space.whole, states.flags[v]
    paths, sums, cursor = states.paths[v], states.sums[v], states.cursor[v]
    # Columns behind the eighth stretch stay behind it: where something is missing, costs are added one by one.
    spare = N - 8 * (N // 8)
    known = impact_reference(seen[SPREAD], seen[FIRST_IMPACT], seen[SECOND_IMPACT], seen[ADV])
    coming = impact_reference(seen[COMING_SPREAD], seen[COMING_FIRST], seen[COMING_SECOND], seen[COMING_ADV])
    if states.bar[v] >= 0:
        row, t = log.tape[states.bar[v]], states.bar[v]
        row[EQUITY], row[LONG], row[SHORT] = paths[0, t], paths[1, t], paths[2, t]
        row[CASH], row[RECEIVABLE] = states.cash[v, 0], states.receivable[v, 0]
    while states.status[v] == GOING and states.bar[v] < limit:
        first, d = states.bar[v], states.turn[v]
        final = 0 if d + 1 < decided.first[v + 1] else 1
        until = decided.rows[d + 1] if final == 0 else T - 1
        wanted = space.scratch
        m = merge(v, d if first >= 0 else -1, states, decided, space.listed, wanted)
        if market.conversions.shape[0] > 0:
            m = with_conversions(first, until, m, world, market, space.listed, wanted)
        W = count_stretches(m, N, space.listed, space.counts)
        n = 8 * W + spare
        lay_out(W, space.listed, space.counts, space.spots, space.at)
        book = book_reference(
            states.cash[v],
            states.receivable[v],
            b[0][:n],
            b[1][:n],
            b[2][:n],
            b[3][:n],
            b[4][:n],
            w[0][:n],
            w[1][:n],
            w[2][:n],
            w[3][:n],
            b[5][:n],
            w[4][:n],
            w[5][:n],
            w[6][:n],
            space.done[: 2 * n].reshape(2, n),
            b[6][:n],
            b[7][:n],
            states.claims[v],
            states.month_volume[v],
            flags,
            space.scratch[: 19 * n].reshape(19, n),
        )
        fill_places(v, first, m, n, wanted, world, market, states, space, book)
        values = seen[WANTED][:n].reshape(1, n)
        if first >= 0:
            bar = bar_at(first, n, world, known, coming, space)
            decide(first, values, bar, paths, sums, cursor, space, tickets, book, working, terms, log)
        t = first + 1
        while t <= until and flags[STOPPED] == 0 and flags[RUINED] < 0:
            t = stay_quiet(t, until, final, m, paths, sums, cursor, world, market, space, book, terms, log)
            if t > until:
                break
            gather_bar(t, m, n, world, market, space)
            bar = bar_at(t, n, world, known, coming, space)
            ends = 1 if t < until or final == 1 else 0
            step(t, ends, n, values, bar, paths, sums, cursor, world, space, tickets, book, working, terms, log)
            t += 1
        left, due = filled(book.due), book.due
        for j in range(n if left > 0 else 0):
            # The next run begins with no order.
            due[j] = 0.0
        keep_positions(v, m, states, space, book)
        states.bar[v], states.turn[v] = until, d + 1
        if flags[STOPPED] > 0:
            states.status[v] = HALTED
        elif flags[RUINED] >= 0:
            states.status[v] = ENDED
            last = flags[RUINED]
            for t in range(last + 1, T):
                paths[0, t], paths[1, t], paths[2, t] = paths[0, last], 0.0, 0.0
        elif final == 1:
            states.status[v] = ENDED
        elif left > 0:
            # An order that outlives the next decision is more than a compact book knows.
            states.status[v] = LEFT


@kernel(plain=True)
def start(cash, count, states):
    """Bring the first ``count`` runs to before their first bar."""
    for v in range(count):
        states.bar[v], states.status[v], states.held[v] = -1, GOING, 0
        states.cash[v, 0], states.receivable[v, 0], states.month_volume[v, 0] = cash, 0.0, 0.0
        flags, sums, claims = states.flags[v], states.sums[v], states.claims[v]
        flags[0], flags[1], flags[2], flags[3], flags[4] = -1, -1, 0, 0, -1
        for k in range(sums.shape[0]):
            sums[k] = 0.0
        for a in range(claims.shape[0]):
            claims[a] = 0.0
        for k in range(3):
            states.cursor[v, k] = 0
        traded, counts = states.paths[v, 3], states.counts[v]
        for t in range(traded.shape[0]):
            traded[t] = 0.0
        for rule in range(counts.shape[0]):
            row = counts[rule]
            for j in range(row.shape[0]):
                row[j] = 0


@kernel(plain=True)
def run_many(count, cash, stride, world, terms, market, decided, states, space, tickets, working, log):
    """Run the first ``count`` of the decided ones, ``stride`` bars at a time."""
    world, terms, tickets = world_reference(*world), terms_reference(*terms), tickets_reference(*tickets)
    market, decided, space = market_reference(*market), decided_reference(*decided), space_reference(*space)
    states, working = states_reference(*states), working_reference(*working)
    start(cash, count, states)
    for v in range(count):
        states.turn[v] = decided.first[v] - 1
    T = world.close.shape[0]
    limit = 0
    while limit < T:
        limit = min(limit + stride, T)
        for v in range(count):
            own = log_reference(
                log.tape,
                states.counts[v],
                log.firsts,
                log.keep,
                log.orders,
                log.asked,
                log.fills,
                log.paid,
                log.events,
                log.moved,
                log.used,
                log.units,
                log.marks,
                log.borrow,
            )
            # On the last bar too there may be a decision.
            last = limit - 1 if limit < T else T
            advance(v, last, world, market, decided, states, space, tickets, working, terms, own)
