# mypy: allow-untyped-defs
"""One walk through the fills and booked actions of a run, bar by bar, that tells the round trips apart.

A round trip goes from flat to flat; a fill that turns a position is cut in two. The entry price that excursions are
measured from moves as the engine's does: the average of what builds, rescaled by splits. On each bar the order is that
of docs/engine.md: borrow, actions, fills at the open, the bar's high and low, all other fills.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from quantlab.core import kernel
from quantlab.execution._kernel_types import AT_OPEN, DELISTING, DIVIDEND, RUIN, SPINOFF, SPLIT

# Columns of Trips.labels.
ASSET, SIDE, ENTRY, EXIT, CODE = range(5)
LABELS = 5

# Columns of Trips.sums: shares and money; PAID and RECEIVED in the asset's currency, from FLOW on in the account's.
LARGEST, BUILT, PAID, REDUCED, RECEIVED, FLOW, ENTERED, COMMISSION, FEES, SLIPPAGE, DIVIDENDS, BORROW = range(12)
ADVERSE, FAVORABLE = 12, 13
SUMS = 14

# What ended a trip: an order's kind, or one of these.
BY_SPLIT, BY_CONVERSION, BY_DELISTING = RUIN + 1, RUIN + 2, RUIN + 3

# Roles of event rows: of a conversion, the old asset (its new one on the next row, or without one) and the new asset.
PLAIN, OLD, OLD_ALONE, NEW = range(4)


class Trips(NamedTuple):
    """The round trips so far, one row each: labels (K, 5) int64, sums (K, 14), used (1,) int64."""

    labels: np.ndarray
    sums: np.ndarray
    used: np.ndarray


class Holding(NamedTuple):
    """What is open, per asset: held units, trip (its row, -1 flat) int64, entry price; the bar of a fill after the open
    (later) and of one inside the bar (inside), int64.
    """

    held: np.ndarray
    trip: np.ndarray
    entry: np.ndarray
    later: np.ndarray
    inside: np.ndarray


@kernel(plain=True)
def see(row, price, entry, trips):
    """Let a trip see a price, for the worst and the best of it."""
    move = (price / entry - 1.0) * trips.labels[row, SIDE]
    if -move > trips.sums[row, ADVERSE]:
        trips.sums[row, ADVERSE] = -move
    elif move > trips.sums[row, FAVORABLE]:
        trips.sums[row, FAVORABLE] = move


@kernel(plain=True)
def begin(i, side, t, trips):
    """Start a trip and return its row."""
    row = trips.used[0]
    trips.used[0] = row + 1
    trips.labels[row, ASSET] = i
    trips.labels[row, SIDE] = side
    trips.labels[row, ENTRY] = t
    trips.labels[row, EXIT] = -1
    trips.labels[row, CODE] = -1
    for k in range(trips.sums.shape[1]):
        trips.sums[row, k] = 0.0
    return row


@kernel(plain=True)
def end(i, code, t, holding, trips):
    """End the trip of asset i."""
    row = holding.trip[i]
    trips.labels[row, EXIT] = t
    trips.labels[row, CODE] = code
    holding.held[i] = 0.0
    holding.trip[i] = -1


@kernel(plain=True)
def leg(i, t, du, after, price, seen, fx, code, unit, holding, trips):
    """Book du units at ``price`` that leave ``after`` of the same sign or none; return the row of the trip."""
    held = holding.held[i]
    row = holding.trip[i]
    if row < 0:
        row = begin(i, 1 if du > 0.0 else -1, t, trips)
        holding.trip[i] = row
        holding.entry[i] = price
    sums, shares = trips.sums, np.abs(du) * unit
    if (du > 0.0) == (trips.labels[row, SIDE] > 0):
        holding.entry[i] = (holding.entry[i] * np.abs(held) + price * np.abs(du)) / np.abs(after)
        sums[row, BUILT] += shares
        sums[row, PAID] += shares * price
        sums[row, ENTERED] += shares * price * fx
    else:
        sums[row, REDUCED] += shares
        sums[row, RECEIVED] += shares * price
        see(row, seen, holding.entry[i], trips)
    sums[row, FLOW] -= du * unit * price * fx
    holding.held[i] = after
    sums[row, LARGEST] = max(sums[row, LARGEST], np.abs(after) * unit)
    if after == 0.0:
        end(i, code, t, holding, trips)
    return row


@kernel(plain=True)
def charge(row, part, fx, fee, fees, slip, trips):
    """Charge a part of the costs of a fill to a trip."""
    trips.sums[row, COMMISSION] += part * fee * fx
    trips.sums[row, FEES] += part * fees * fx
    trips.sums[row, SLIPPAGE] += part * slip * fx


@kernel(plain=True)
def book_fill(i, t, paid, k, code, fx, unit, step, holding, trips):
    """Book one fill; one that turns a position ends a trip and begins another, its costs by shares."""
    du, seen, price, fee, fees, slip = paid[k, 0], paid[k, 1], paid[k, 2], paid[k, 3], paid[k, 4], paid[k, 5]
    before = holding.held[i]
    after = left(before, du, step)
    if before * after < 0.0:
        part = np.abs(before) / np.abs(du)
        row = leg(i, t, -before, 0.0, price, seen, fx, code, unit, holding, trips)
        charge(row, part, fx, fee, fees, slip, trips)
        row = leg(i, t, after, after, price, seen, fx, code, unit, holding, trips)
        charge(row, 1.0 - part, fx, fee, fees, slip, trips)
    else:
        row = leg(i, t, du, after, price, seen, fx, code, unit, holding, trips)
        charge(row, 1.0, fx, fee, fees, slip, trips)


@kernel(plain=True)
def left(before, du, step):
    """Units after a change. Whole units add up exactly; of fractions a rounding may be left, which is nothing."""
    after = before + du
    if step == 0.0 and np.abs(after) <= 1e-11 * max(np.abs(before), np.abs(du)):
        return 0.0
    return after


@kernel(plain=True)
def rescale(row, ratio, trips):
    """Count a trip's shares so far in new ones."""
    trips.sums[row, LARGEST] *= ratio
    trips.sums[row, BUILT] *= ratio
    trips.sums[row, REDUCED] *= ratio


@kernel(plain=True)
def in_lieu(row, price, cash, fx, trips):
    """Book the cash for what is no whole unit, as a sale at ``price``."""
    if cash != 0.0:
        shares = trips.labels[row, SIDE] * cash / price
        trips.sums[row, REDUCED] += shares
        trips.sums[row, RECEIVED] += shares * price
        trips.sums[row, FLOW] += cash * fx


@kernel(plain=True)
def book_event(k, t, events, moved, value, role, fx, currency, unit, step, holding, trips):
    """Book the corporate action of row k."""
    i, kind = events[k, 1], events[k, 2]
    row, rate, price, cash = holding.trip[i], fx[currency[i]], moved[k, 1], moved[k, 2]
    if row < 0 or role[k] == NEW:
        return
    if kind == SPLIT:
        rescale(row, value[k], trips)
        holding.entry[i] /= value[k]
        in_lieu(row, price, cash, rate, trips)
        holding.held[i] = left(holding.held[i], moved[k, 0], step)
        if holding.held[i] == 0.0:
            end(i, BY_SPLIT, t, holding, trips)
    elif kind == SPINOFF:
        trips.sums[row, PAID] *= 1.0 - value[k]
        trips.sums[row, RECEIVED] *= 1.0 - value[k]
        trips.sums[row, FLOW] += cash * rate
        holding.entry[i] *= 1.0 - value[k]
    elif kind == DIVIDEND:
        trips.sums[row, DIVIDENDS] += cash * rate
    elif kind == DELISTING:
        leg(i, t, -holding.held[i], 0.0, price, price, rate, BY_DELISTING, unit, holding, trips)
    elif role[k] == OLD_ALONE:
        leg(i, t, -holding.held[i], 0.0, price, price, rate, BY_CONVERSION, unit, holding, trips)
    else:
        j, new, price_j = events[k + 1, 1], moved[k + 1, 0], moved[k + 1, 1]
        if holding.held[j] == 0.0:
            # The trip goes on under the new symbol.
            rescale(row, value[k], trips)
            in_lieu(row, price_j, cash, rate, trips)
            trips.labels[row, ASSET] = j
            holding.trip[j], holding.held[j], holding.entry[j] = row, new, holding.entry[i] / value[k]
            holding.trip[i], holding.held[i] = -1, 0.0
        else:
            leg(i, t, -holding.held[i], 0.0, price, price, rate, BY_CONVERSION, unit, holding, trips)
            costless = np.zeros((1, 6))
            costless[0, 0], costless[0, 1], costless[0, 2] = new, price_j, price_j
            book_fill(j, t, costless, 0, BY_CONVERSION, fx[currency[j]], unit, step, holding, trips)


@kernel(plain=True)
def watch(t, high, low, close, holding, trips):
    """Show a bar's high and low, or its close where they are missing, to every open trip."""
    for i in range(holding.held.shape[0]):
        row = holding.trip[i]
        if row < 0 or holding.inside[i] == t:
            continue
        entry = holding.entry[i]
        top = close[i] if np.isnan(high[i]) else high[i]
        bottom = close[i] if np.isnan(low[i]) else low[i]
        if not np.isnan(top):
            see(row, top, entry, trips)
        if not np.isnan(bottom):
            see(row, bottom, entry, trips)


@kernel(plain=True)
def walk(last, events, moved, value, role, fills, paid, codes, marks, borrow, world, terms, trips):
    """Walk from the first bar to ``last``, value what is open at its marks, and return how many trips there are.

    ``value`` (E,) is each action's ratio, ``role`` (E,) int64 as named above, ``codes`` (F,) int32 the kind of each
    fill's order. World and Terms are those of the run.
    """
    assets, unit, step, currency = marks.shape[1], terms.unit, terms.step, terms.currency
    nowhere = np.full(assets, -1, dtype=np.int64)
    holding = Holding(np.zeros(assets), nowhere, np.full(assets, np.nan), nowhere.copy(), nowhere.copy())
    event, fill, fx_rows = 0, 0, world.fx.shape[0]
    for t in range(last + 1):
        fx = world.fx[t if fx_rows > 1 else 0]
        opens = world.open[t if world.open.shape[0] > 1 else 0]
        close = world.close[t]
        for i in range(assets):
            if borrow[t, i] != 0.0 and holding.trip[i] >= 0:
                trips.sums[holding.trip[i], BORROW] += borrow[t, i]
        while event < events.shape[0] and events[event, 0] == t:
            book_event(event, t, events, moved, value, role, fx, currency, unit, step, holding, trips)
            event += 1
        first = fill
        while fill < fills.shape[0] and fills[fill, 1] == t:
            i, reference = fills[fill, 2], paid[fill, 1]
            # Which price it was tells when it was: a tie of open and close goes to the account's own time of fills.
            at_open = reference == opens[i] and (terms.at == AT_OPEN or reference != close[i])
            if at_open and holding.later[i] != t:
                book_fill(i, t, paid, fill, codes[fill], fx[currency[i]], unit, step, holding, trips)
            else:
                holding.later[i] = t
                if not at_open and reference != close[i]:
                    holding.inside[i] = t
            fill += 1
        watch(
            t,
            world.high[t if world.high.shape[0] > 1 else 0],
            world.low[t if world.low.shape[0] > 1 else 0],
            close,
            holding,
            trips,
        )
        for k in range(first, fill):
            i, reference = fills[k, 2], paid[k, 1]
            at_open = reference == opens[i] and (terms.at == AT_OPEN or reference != close[i])
            if not at_open or holding.later[i] == -2 - t:
                holding.later[i] = -2 - t
                book_fill(i, t, paid, k, codes[k], fx[currency[i]], unit, step, holding, trips)
    fx = world.fx[last if fx_rows > 1 else 0]
    for i in range(assets):
        row = holding.trip[i]
        if row >= 0:
            shares = holding.held[i] * unit
            trips.sums[row, REDUCED] += np.abs(shares)
            trips.sums[row, RECEIVED] += np.abs(shares) * marks[last, i]
            trips.sums[row, FLOW] += shares * marks[last, i] * fx[currency[i]]
    return trips.used[0]
