# mypy: allow-untyped-defs
"""Weights and amounts to book orders: the one place where a target becomes a number of units ("Sizing" in
docs/engine.md), for the backtest and the live desk.

All orders of a decision are sized from one equity, so the result does not depend on the order of columns; the trades'
own costs are inside: a weight is a fraction of the equity that remains after them.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._cost_kernels import WORST, commission, fill_price, other_fees, schedule_row, slippage
from quantlab.execution._fill_kernels import (
    filled,
    impactful,
    is_exit,
    log_order,
    lots,
    note,
    places_of,
    set_status,
    total,
)
from quantlab.execution._kernel_types import (
    CANCELLED,
    COUNT_BELOW_ONE_LOT,
    COUNT_CANCELLED,
    COUNT_MARGIN_REJECTED,
    COUNT_MARGIN_SCALED,
    COUNT_SKIPPED,
    COUNT_UNAFFORDABLE,
    COUNT_UNBORROWABLE,
    DECIDED,
    MARGIN_REJECTED,
    MINIMUM_EQUITY,
    MONTH,
    NO_MARGIN,
    NO_NEXT_BAR,
    ORDER,
    PORTFOLIO,
    REBALANCE,
    REJECT,
    SCALE,
    SKIPPED,
    STOPPED,
    STRICT,
    TARGET_SHARES,
    TARGET_VALUE,
    UNAFFORDABLE,
    UNBORROWABLE,
    VALUE,
)
from quantlab.execution._margin_kernels import (
    HOLD_LONG,
    HOLD_SHORT,
    START_LONG,
    START_SHORT,
    WORTH,
    concentrated,
    requirement,
    start_rates,
)
from quantlab.execution._ticket_kernels import drop_ticket

# Rows of Book.scratch: target weights, held weights, what takes part, planned changes.
TARGET, HELD, PART, CHANGE = 5, 6, 7, 8

# Values of row PART: out of the decision, left alone, traded.
OUT, ALONE, TRADED = 0.0, 1.0, 2.0

_PASSES = 8
_BISECTIONS = 60
_SPENT = 0.999  # share of equity that a size found by bisection must use, costs included
_DUST = 1e-9  # fraction of equity below which a fractional order is rounding noise and is not sent
_CLOSE = 1e-12  # relative agreement of two passes


@kernel(plain=True)
def tier_now(bar, book, terms):
    """The row of the commission schedule that a trade would meet now."""
    volume = book.month_volume[0] if book.flags[MONTH] == bar.month else 0.0
    return schedule_row(volume, terms.commission)


@kernel(plain=True)
def trade_cost(change, price, unit, spread, first, second, adv, power, power2, schedule, tier, fees):
    """What trading ``change`` units at ``price`` is expected to cost, in the asset's currency."""
    shares = np.abs(change) * unit
    s = slippage(shares, spread, first, second, adv, power, power2)
    paid = shares * fill_price(price, change, s)
    return shares * price * s + commission(shares, paid, schedule, tier) + other_fees(change, shares, paid, fees)


@kernel(plain=True)
def plan(x, dust, rate, part, worth, units, step, planning):
    """Write the changes that bring the traded names to ``x`` times ``rate`` units."""
    for i in range(units.shape[0]):
        t = rate[i] * x
        if step > 0.0:
            size = np.floor(np.abs(t) + 1e-9) if step == 1.0 else np.floor(np.abs(t) / step + 1e-9) * step
            t = size if t >= 0.0 else -size
        change = t - units[i] if part[i] == 2.0 else 0.0
        if step == 0.0:
            # A target of zero closes whatever is left, or a worthless rest would stay for ever.
            change = 0.0 if np.abs(change) * worth[i] <= dust and rate[i] != 0.0 else change
        planning[i] = change


@kernel(plain=True)
def cost_of_plan(prices, tier, impact, bar, book, terms):
    """Expected cost of the planned changes, in the account's currency."""
    unit, fx, currency, planning = terms.unit, bar.fx, terms.currency, book.scratch[CHANGE]
    spread, first, second, adv = impact.spread, impact.impact, impact.impact2, impact.adv
    power, power2, schedule, fees = terms.power, terms.power2, terms.commission, bar.fees
    cost = 0.0
    for i in range(planning.shape[0]):
        if planning[i] != 0.0:
            cost += fx[currency[i]] * trade_cost(
                planning[i],
                prices[i],
                unit,
                spread[i],
                first[i],
                second[i],
                adv[i],
                power,
                power2,
                schedule,
                tier,
                fees,
            )
    return cost


@kernel(plain=True)
def expected_cost(x, dust, rate, part, worth, units, prices, spread, step, unit, schedule, tier, fees, out):
    """Expected cost of trading to ``x`` times ``rate`` units, where only the spread and fees cost, in one currency.

    The arithmetic of ``plan`` and ``trade_cost`` without branches, which is six times as fast; ``out`` is overwritten.
    """
    fixed, per_share, part_of, least = schedule[tier, 1], schedule[tier, 2], schedule[tier, 3], schedule[tier, 4]
    most, cap = schedule[tier, 5], schedule[tier, 6]
    sale, sale_share, sale_cap, every = fees[0], fees[1], fees[2], fees[3]
    plan(x, dust, rate, part, worth, units, step, out)
    for i in range(units.shape[0]):
        change = out[i]
        shares = np.abs(change) * unit
        s = min(spread[i], WORST)
        paid = shares * (prices[i] * (1.0 + s) if change > 0.0 else prices[i] * (1.0 - s))
        fee = min(min(max(fixed + per_share * shares + part_of * paid, least), most * paid), cap)
        sold = sale * paid + min(sale_share * shares, sale_cap)
        cost = shares * prices[i] * s + fee + every * shares + (sold if change < 0.0 else 0.0)
        out[i] = cost if change != 0.0 else 0.0
    return total(out)


@kernel(plain=True)
def plain_costs(impact, terms, book):
    """Whether trading costs a spread and fees alone, in the account's currency."""
    return book.cash.shape[0] == 1 and not impactful(impact.impact, impact.impact2)


@kernel(plain=True)
def fit(equity, prices, impact, bar, book, terms):
    """Plan the changes for the greatest equity x that pays for its own trades; return x, or -1 when there is none.

    In the last case the plan is that of the whole equity.
    """
    tier = tier_now(bar, book, terms)
    scratch, units, spread, schedule, fees = book.scratch, book.units, impact.spread, terms.commission, bar.fees
    part, target, worth, rate, out = scratch[PART], scratch[TARGET], scratch[WORTH], scratch[9], scratch[10]
    step, unit, planning = terms.step, terms.unit, scratch[CHANGE]
    plain = plain_costs(impact, terms, book)
    wanted = 0
    for i in range(part.shape[0]):
        # Also of what is not traded, and not read there: with a test of it LLVM would divide behind a branch.
        rate[i] = target[i] / worth[i]
    for i in range(part.shape[0]):
        wanted += 1 if (part[i] == TRADED) & (target[i] != 0.0) else 0
    x, best, k = equity, -1.0, 0
    before_x, before_cost = 0.0, 0.0
    low, high, spent, halving = 0.0, equity, 0.0, False
    while True:
        if plain:
            cost = expected_cost(
                x, _DUST * equity, rate, part, worth, units, prices, spread, step, unit, schedule, tier, fees, out
            )
        else:
            plan(x, _DUST * equity, rate, part, worth, units, step, planning)
            cost = cost_of_plan(prices, tier, impact, bar, book, terms)
        affordable = x + cost <= equity * (1.0 + _CLOSE)
        k += 1
        if not halving:
            if affordable and x > best:
                best = x
            following = equity - cost
            if k > 1:
                slope = min(max((cost - before_cost) / (x - before_x), 0.0), 1.0)
                following = (equity - cost + slope * x) / (1.0 + slope)
            following = max(following, 0.0)
            before_x, before_cost = x, cost
            if k < _PASSES and np.abs(following - x) > _CLOSE * equity:
                x = following
                continue
            if best > 0.0:
                break
            halving, k = True, 0
        elif affordable:
            low, spent = x, x + cost
        else:
            high = x
        if k >= _BISECTIONS or high - low <= _CLOSE * equity:
            break
        x = 0.5 * (low + high)
    # Costs with a minimum jump: a size at which nothing trades, or at which costs take all, is no answer.
    if best <= 0.0 and spent >= _SPENT * equity and low > (1.0 - _SPENT) * equity:
        best = low
    rejected = best < 0.0 or (best == 0.0 and wanted > 0)
    plan(equity if rejected else best, _DUST * equity, rate, part, worth, units, step, planning)
    return -1.0 if rejected else best


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
            set_status(log, book.due_row[i], CANCELLED)
            note(log, COUNT_CANCELLED, i, t)


@kernel(plain=True)
def log_plan(t, kind, status, planning, rows, mark, places, log):
    """Write the order rows of the planned changes; ``places`` is overwritten."""
    orders, asked, k = log.orders, log.asked, log.used[0]
    for j in range(places_of(planning, places)):
        i = int(places[j])
        orders[k, 0] = t
        orders[k, 1] = i
        orders[k, 2] = kind
        orders[k, 3] = status
        asked[k, 0] = planning[i]
        asked[k, 1] = mark[i]
        rows[i] = k
        k += 1
    log.used[0] = k


@kernel(plain=True)
def send(status, kind, t, now, book, log):
    """Make the planned changes the waiting book orders, in place of what waits from before."""
    due, kinds, ages, rows, done = book.due, book.due_kind, book.due_age, book.due_row, book.done
    part, planning = book.scratch[PART], book.scratch[CHANGE]
    orders, asked, used, keep, mark = log.orders, log.asked, log.used, log.keep[0] == 1, book.mark
    k = used[0]
    waiting = 0
    for i in range(due.shape[0]):
        waiting += 1 if due[i] != 0.0 else 0
    if waiting == 0 and status != UNAFFORDABLE:
        # Nothing to replace: what is out of the decision has no change.
        for i in range(due.shape[0]):
            due[i] = planning[i]
            kinds[i] = kind
            ages[i] = 0
            rows[i] = -1
        for row in range(3):
            for i in range(due.shape[0]):
                done[row, i] = 0.0
        if keep:
            log_plan(t, kind, status, planning, rows, mark, book.scratch[9], log)
        return
    for i in range(due.shape[0]):
        if part[i] == OUT:
            continue
        if due[i] != 0.0:
            # Only orders of a decision can wait here: those that close keep a name out of the decision.
            due[i] = 0.0
            set_status(log, rows[i], CANCELLED)
            note(log, COUNT_CANCELLED, i, now)
        change = planning[i]
        if change == 0.0:
            continue
        if keep:
            orders[k, 0] = t
            orders[k, 1] = i
            orders[k, 2] = kind
            orders[k, 3] = status
            asked[k, 0] = change
            asked[k, 1] = mark[i]
            rows[i] = k
            k += 1
        if status == UNAFFORDABLE:
            note(log, COUNT_UNAFFORDABLE, i, t)
            continue
        due[i] = change
        kinds[i] = kind
        ages[i] = 0
        done[0, i] = 0.0
        done[1, i] = 0.0
        done[2, i] = 0.0
    used[0] = k


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
    borrowable(equity, t, bar, book, terms, log)
    if not within_margin(t, bar, book, terms, log):
        return False
    x = fit(equity, prices, impact, bar, book, terms)
    if terms.step > 0.0 and x >= 0.0:
        note_below_one_lot(x, terms.step, t, book, log)
    if out > 0:
        cancel_outside(bar.t, book, log)
    send(NO_NEXT_BAR if x >= 0.0 else UNAFFORDABLE, REBALANCE, t, bar.t, book, log)
    return True


@kernel(plain=True)
def decide_amounts(has_row, row, present, prices, equity, impact, tickets, working, first, last, bar, book, terms, log):
    """Turn a decision row of shares or values into book orders, within the buying power, together with the explicit
    orders ``first`` to ``last`` - 1 that were placed on this bar; return False when the run has to stop.
    """
    scratch, units, n = book.scratch, book.units, book.units.shape[0]
    start_rates(equity, bar, book, terms)
    for i in range(n):
        scratch[CHANGE, i] = 0.0
        scratch[PART, i] = OUT
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
        if targets:
            change -= units[i]
        scratch[CHANGE, i] = change
    if not afford(prices, equity, impact, tickets, working, first, last, bar, book, terms, log):
        return False
    send(NO_NEXT_BAR, ORDER, bar.t, bar.t, book, log)
    return True


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
    if left == 0.0:
        drop_ticket(ticket, status, working, log)
    elif working.row[ticket] >= 0:
        log.asked[working.row[ticket], 0] = left


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
            if left == 0.0:
                log_order(log, bar.t, i, ORDER, MARGIN_REJECTED, asked, book.mark[i])
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
                cut_ticket(ticket, left, MARGIN_REJECTED, working, log)
    return True
