# mypy: allow-untyped-defs
"""Bars on which nothing is traded: what a book is worth at each of them, and the nights between, many bars at a time.

The numbers are those of the engine to the bit. Its sums over assets are eight partial sums over stretches of the
columns, in order (``total``): assets that are not held add zero to them, and can be left out.
"""

from __future__ import annotations

import numpy as np

from quantlab.backtest._compact_kernel_types import BLOCK, EARNS, LENDS
from quantlab.backtest._engine_kernels import row_of
from quantlab.core import kernel
from quantlab.execution._book_kernels import settle
from quantlab.execution._kernel_types import (
    BORROW,
    BUFFER,
    CASH,
    COUNT_DEBIT,
    EQUITY,
    HIGH_PER_SHARE,
    LONG,
    LOW_FRACTION,
    LOW_PER_SHARE,
    LOW_PRICE,
    MAINTENANCE_LONG,
    MAINTENANCE_SHORT,
    NO_MARGIN,
    RECEIVABLE,
    SHORT,
    SHORT_INTEREST,
)

# A requirement that comes so near to the equity, or an equity so near to zero, is left to the engine.
_NEAR = 1e-6


@kernel(plain=True)
def list_held(sign, m, space, units, assets, amounts, ends):
    """Write the assets held on one side, stretch by stretch, and where each of the eight stretches ends."""
    listed, spots, counts = space.listed, space.spots, space.counts
    k, h = 0, 0
    for s in range(8):
        for e in range(k, k + counts[s]):
            u = units[spots[e]]
            assets[h] = listed[e]
            amounts[h] = u
            h += 1 if u * sign > 0.0 else 0
        k += counts[s]
        # The columns behind the eighth stretch of the wide book are added after those of the first.
        for e in range(m - counts[8] if s == 0 else m, m):
            u = units[spots[e]]
            assets[h] = listed[e]
            amounts[h] = u
            h += 1 if u * sign > 0.0 else 0
        ends[s] = h
    return h


@kernel(plain=True)
def add_parts(parts, n, out):
    """The eight partial sums of each bar, added as ``total`` adds them."""
    a, b, c, d, e, f, g, h = parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7]
    for j in range(n):
        out[j] = ((a[j] + b[j]) + (c[j] + d[j])) + ((e[j] + f[j]) + (g[j] + h[j]))


@kernel(plain=True)
def side_values(assets, amounts, ends, worth, t, n, parts, out):
    """Value of one side on the ``n`` bars from t on, signed.

    Two assets at a time, because one has to wait for the sums of the asset before.
    """
    k = 0
    for s in range(8):
        part, last = parts[s], ends[s]
        if k + 1 < last:
            u, x, v, y = amounts[k], worth[assets[k]][t:], amounts[k + 1], worth[assets[k + 1]][t:]
            for j in range(n):
                part[j] = u * x[j] + v * y[j]
            k += 2
        else:
            for j in range(n):
                part[j] = 0.0
        while k + 1 < last:
            u, x, v, y = amounts[k], worth[assets[k]][t:], amounts[k + 1], worth[assets[k + 1]][t:]
            for j in range(n):
                part[j] = (part[j] + u * x[j]) + v * y[j]
            k += 2
        if k < last:
            u, x = amounts[k], worth[assets[k]][t:]
            for j in range(n):
                part[j] += u * x[j]
            k += 1
    add_parts(parts, n, out)


@kernel(plain=True)
def night_fees(assets, amounts, ends, rates, worth, t, n, days, year, parts, out):
    """Fees of the shorts for the nights before the bars from t on, by the marks of the bars before them."""
    first, T = 0, days.shape[0]
    for s in range(8):
        part = parts[s]
        for j in range(n):
            part[j] = 0.0
        for k in range(first, ends[s]):
            u, row, rate = -amounts[k], worth[assets[k]][t - 1 :], rates[assets[k]]
            for j in range(n):
                part[j] += u * row[j] * rate * (days[min(t + j, T - 1)] / year)
        first = ends[s]
    add_parts(parts, n, out)


@kernel(plain=True)
def add_demanded(assets, amounts, count, worth, t, n, unit, fraction, m, out):
    """No less than the maintenance margin of the shorts on the bars from t on."""
    low, low_per, low_part = m[LOW_PRICE] * unit, m[LOW_PER_SHARE] * unit, m[LOW_FRACTION]
    per = m[HIGH_PER_SHARE] * unit
    for j in range(n):
        out[j] = 0.0
    for k in range(count):
        u, row = -amounts[k], worth[assets[k]][t:]
        for j in range(n):
            cheap = row[j] < low
            share, part = (low_per, low_part) if cheap else (per, fraction)
            out[j] += max(share * u, part * u * row[j])


@kernel(plain=True)
def add_values(assets, amounts, count, prices, t, n, out):
    """Add the value of positions on the bars from t on, in no particular order."""
    for k in range(count):
        u, row = amounts[k], prices[assets[k]][t:]
        for j in range(n):
            out[j] += u * row[j]


@kernel(plain=True)
def quiet_bars(first, last, checked, held_long, held_short, paths, sums, world, market, space, book, terms, log):
    """Walk the bars from ``first`` to ``last``, on which no order waits, nothing is decided and no action is booked.

    Return the bar that comes next: an earlier one than ``last + 1`` when the book may be ruined or called on it, which
    the engine itself has to find out. Of bars from ``checked`` on the margin is looked at later, after a decision.
    """
    m, fx = row_of(world.margin, first), row_of(world.fx, first)
    unit, worth, opens = terms.unit, market.worth, market.opens
    margined = terms.margin_model != NO_MARGIN
    days = world.days
    cash, receivable, tape = book.cash, book.receivable, log.tape
    longs, long_units, long_ends = space.long_assets, space.long_units, space.long_ends
    shorts, short_units, short_ends = space.short_assets, space.short_units, space.short_ends
    parts, block = space.parts, space.block
    long, short, fees, demanded, opening = block[0], block[1], block[2], block[3], block[4]
    long_rate = min(m[MAINTENANCE_LONG] * market.factors[0], 1.0)
    short_rate = min(m[MAINTENANCE_SHORT] * market.factors[1], 1.0)
    lends = held_short > 0 and market.flags[LENDS] == 1
    financed = lends or market.flags[EARNS] == 1
    opened = opens.shape[0] > 1
    equities, long_path, short_path = paths[0], paths[1], paths[2]
    for j in range(BLOCK):
        long[j], short[j], fees[j], demanded[j], opening[j] = 0.0, 0.0, 0.0, 0.0, 0.0
    sold, t = tape[first - 1, SHORT] if first > 0 else 0.0, first
    while t <= last:
        n = min(BLOCK, last - t + 1)
        # Whole vectors: a rest would be computed number by number.
        wide = (n + 7) // 8 * 8
        if held_long > 0:
            side_values(longs, long_units, long_ends, worth, t, wide, parts, long)
        if held_short > 0:
            side_values(shorts, short_units, short_ends, worth, t, wide, parts, short)
            if margined:
                add_demanded(shorts, short_units, held_short, worth, t, wide, unit, short_rate, m, demanded)
        if lends:
            year = terms.borrow_days
            night_fees(shorts, short_units, short_ends, market.rates, worth, t, wide, days, year, parts, fees)
        exposed = opened and (held_short > 0 or cash[0] < 0.0 or receivable[0] < 0.0 or financed)
        if exposed:
            for j in range(BLOCK):
                opening[j] = 0.0
            add_values(longs, long_units, held_long, opens, t, wide, opening)
            add_values(shorts, short_units, held_short, opens, t, wide, opening)
        if not (financed or exposed):
            # Cash stays as it is, and one look at all bars is enough.
            money, owing = cash[0], receivable[0]
            room = (1.0 - _NEAR) / (1.0 + m[BUFFER])
            bad, debit = 0, 0
            equity, owed = block[5], block[6]
            for j in range(n):
                owed[j] = -short[j]
                equity[j] = money + owing + long[j] - owed[j]
            for j in range(n):
                needed = long[j] * long_rate + demanded[j] if margined and t + j < checked else 0.0
                worst = equity[j] <= _NEAR * (long[j] + owed[j]) or equity[j] <= 0.0
                bad += 1 if worst or needed > equity[j] * room else 0
                debit += 1 if t + j < checked and money - owed[j] < -1e-9 * equity[j] else 0
            if bad == 0:
                for j in range(n):
                    equities[t + j], long_path[t + j], short_path[t + j] = equity[j], long[j], owed[j]
                log.counts[COUNT_DEBIT, 0] += debit
                sold = owed[n - 1]
                t += n
                continue
        for j in range(n):
            now, before = t + j, cash[0]
            nights = financed and now > 0 and days[now] > 0
            if nights:
                row = tape[now]
                for column in range(row.shape[0]):
                    row[column] = 0.0
                interest = world.interest[now - 1] if world.interest.shape[0] > 1 else world.interest[0]
                settle(0, sold, sold, fees[j], days[now] / terms.interest_days, interest, fx, now, book, terms, log)
            owed = -short[j]
            equity = cash[0] + receivable[0] + long[j] - owed
            needed = 0.0
            if margined and now < checked:
                needed = (long[j] * long_rate + demanded[j]) * (1.0 + m[BUFFER])
            gross = long[j] + owed
            safe = needed <= equity * (1.0 - _NEAR) and equity > _NEAR * gross and equity > 0.0
            if exposed:
                safe = safe and cash[0] + receivable[0] + opening[j] > _NEAR * gross
            if not safe:
                cash[0] = before
                return now
            if nights:
                for column in range(BORROW, SHORT_INTEREST + 1):
                    sums[column] += tape[now, column]
            sold = owed
            equities[now], long_path[now], short_path[now] = equity, long[j], owed
            if now < checked and cash[0] - owed < -1e-9 * np.abs(equity):
                log.counts[COUNT_DEBIT, 0] += 1
        t += n
    row = tape[last]
    row[CASH], row[RECEIVABLE] = cash[0], receivable[0]
    row[LONG], row[SHORT], row[EQUITY] = long_path[last], short_path[last], equities[last]
    return last + 1
