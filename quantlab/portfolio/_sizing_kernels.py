# mypy: allow-untyped-defs
"""Weights to orders: the one place where a target weight becomes a number of shares, for the backtest and later the
live desk.

All orders of a decision are sized from one equity, so the result does not depend on the order of columns; the trades'
own costs are inside: a weight is a fraction of the equity that remains after them.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._cost_kernels import commission, fill_price

_PASSES = 8  # costs are a few 1e-3 of a trade, so each pass shrinks the error by that factor: 4 reach 1e-12
_BISECTIONS = 60
_SPENT = 0.999  # share of equity that a size found by bisection must use, costs included
_DUST = 1e-9  # fraction of equity below which a fractional order is rounding noise and is not sent
_CLOSE = 1e-12  # relative agreement of two passes


@kernel(plain=True)
def round_to_lot(shares, lot):
    """Whole lots in ``shares``, toward zero; the 1e-9 keeps 0.3 shares at lot 0.1 from being 2 lots. Lot 0: as it
    is.
    """
    if lot == 0.0:
        return shares
    lots = np.floor(np.abs(shares) / lot + 1e-9)
    return lots if shares >= 0.0 else -lots


@kernel(plain=True)
def plan(
    weights, mark, present, units, x, equity, slippage, per_share, rate, minimum, max_fraction, max_cash, lot, delta
):
    """Write into ``delta`` the orders (in lots) that bring the book to ``weights`` of equity ``x``; return their
    cost.
    """
    unit = 1.0 if lot == 0.0 else lot
    cost = 0.0
    for i in range(weights.shape[0]):
        delta[i] = 0.0
        if not present[i]:
            continue
        change = round_to_lot(weights[i] * x / mark[i], lot) - units[i]
        # A target of zero closes whatever is left, or a worthless rest would stay for ever.
        if lot == 0.0 and weights[i] != 0.0 and np.abs(change) * mark[i] <= _DUST * equity:
            continue
        if change == 0.0:
            continue
        delta[i] = change
        shares = np.abs(change) * unit
        value = shares * mark[i]
        cost += value * slippage
        paid = shares * fill_price(mark[i], change, slippage)
        cost += commission(shares, paid, per_share, rate, minimum, max_fraction, max_cash)
    return cost


@kernel(plain=True)
def size_orders(
    weights, mark, present, units, equity, slippage, per_share, rate, minimum, max_fraction, max_cash, lot, delta
):
    """Write into ``delta`` the orders (in lots) of one decision; return the equity that the weights were applied to.

    ``weights, mark, units, delta`` are (N,) float64, ``present`` (N,) bool: assets that take part. The equity x solves
    x + cost(x) = equity. Of at most eight passes the largest affordable x is used; where every one was too large by a
    little, as when a leveraged book only reduces, x is found by bisection. Where only x = 0 is affordable, which would
    sell what was meant to be held, or nothing at all, -1 is returned and ``delta`` holds the orders that the whole
    equity asks for.
    """
    x, best, planned = equity, -1.0, equity
    wanted = False
    for i in range(weights.shape[0]):
        wanted = wanted or weights[i] != 0.0
    for _ in range(_PASSES):
        planned = x
        cost = plan(
            weights,
            mark,
            present,
            units,
            x,
            equity,
            slippage,
            per_share,
            rate,
            minimum,
            max_fraction,
            max_cash,
            lot,
            delta,
        )
        if x + cost <= equity * (1.0 + _CLOSE) and x > best:
            best = x
        following = max(equity - cost, 0.0)
        if np.abs(following - x) <= _CLOSE * equity:
            break
        x = following
    if best <= 0.0:
        low, high, spent = 0.0, equity, 0.0
        for _ in range(_BISECTIONS):
            if high - low <= _CLOSE * equity:
                break
            planned = 0.5 * (low + high)
            cost = plan(
                weights,
                mark,
                present,
                units,
                planned,
                equity,
                slippage,
                per_share,
                rate,
                minimum,
                max_fraction,
                max_cash,
                lot,
                delta,
            )
            if planned + cost <= equity * (1.0 + _CLOSE):
                low, spent = planned, planned + cost
            else:
                high = planned
        # Costs with a minimum jump: a size at which nothing trades, or at which costs take all, is no answer.
        if spent >= _SPENT * equity and low > (1.0 - _SPENT) * equity:
            best = low
    rejected = best < 0.0 or (best == 0.0 and wanted)
    final = equity if rejected else best
    if final != planned:
        plan(
            weights,
            mark,
            present,
            units,
            final,
            equity,
            slippage,
            per_share,
            rate,
            minimum,
            max_fraction,
            max_cash,
            lot,
            delta,
        )
    return -1.0 if rejected else final
