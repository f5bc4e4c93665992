# mypy: allow-untyped-defs
"""Targets to units: the one place where a target becomes a number of units ("Sizing" in docs/engine.md), for the
backtest and the live desk. ``_weight_kernels`` and ``_amount_kernels`` decide what takes part; both send from here.

All orders of a decision are sized from one equity, so the result does not depend on the order of columns; the trades'
own costs are inside: a weight is a fraction of the equity that remains after them.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._cost_kernels import WORST, commission, fill_price, other_fees, schedule_row, slippage
from quantlab.execution._fill_kernels import (
    impactful,
    note,
    places_of,
    set_status,
    total,
)
from quantlab.execution._kernel_types import (
    COUNT_CANCELLED,
    COUNT_UNAFFORDABLE,
    MONTH,
    REPLACED,
    UNAFFORDABLE,
)
from quantlab.execution._margin_kernels import (
    WORTH,
)

# Rows of Book.scratch: target weights, held weights, what takes part, planned changes.
TARGET, HELD, PART, CHANGE = 5, 6, 7, 8

# In decisions of amounts, which have no weights: what was asked, and the status of what cut it.
WANTED, CUT = 5, 6

# And the book that orders lead to: what is sure, and beside it what buys and sells when it meets its price; before and
# after the new ones; the worse of both sides.
SURE, BUYS, SELLS, ALL_SURE, ALL_BUYS, ALL_SELLS, WORSE = 11, 12, 13, 14, 15, 16, 17

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
        for row in range(2):
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
            set_status(log, rows[i], REPLACED)
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
    used[0] = k
