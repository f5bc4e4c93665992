# mypy: allow-untyped-defs
"""The fused engine: one pass over the bars with cash, positions and orders in a few arrays.

It follows the order of events that ``_reference`` spells out in plain Python; hypothesis holds the two together.
Columns come in canonical order (symbols sorted by name), so that sums do not depend on the caller's column order.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.execution._cost_kernels import commission, fill_price
from quantlab.portfolio._sizing_kernels import size_orders

FILLED, MISSING_PRICE, NO_NEXT_BAR, LIQUIDATED, SKIPPED, UNAFFORDABLE = 0, 1, 2, 3, 4, 5

# Columns of the order records.
DECIDED, FILL_BAR, ASSET, STATUS = 0, 1, 2, 3
SHARES, DECISION_PRICE, REFERENCE, PRICE, FEE, SLIP = 0, 1, 2, 3, 4, 5


@kernel(plain=True)
def run(close, fill, days, rows, weights, params, bars_out, labels, amounts):
    """Run the book; return (number of order records, ruin bar or -1).

    Parameters
    ----------
    close, fill : (T, N) float64, currency; NaN where there is no price
    days : (T,) int64, calendar days since the previous bar
    rows : (R,) int64, decision bars, ascending
    weights : (R, N) float64
    params : (9,) float64: slippage, per_share, rate, minimum, maximum_fraction, maximum_cash, borrow, lot, cash
    bars_out : (5, T) float64, written: equity, cash, borrow, commission, slippage per bar
    labels : (M, 4) int64, written: decided, filled, asset, status; M >= (R + 1) * N
    amounts : (M, 6) float64, written: shares, decision price, reference, price, commission, slippage
    """
    T, N = close.shape
    slippage, per_share, rate, minimum = params[0], params[1], params[2], params[3]
    max_fraction, max_cash, borrow, lot, cash = params[4], params[5], params[6], params[7], params[8]
    unit = 1.0 if lot == 0.0 else lot
    units = np.zeros(N)
    mark = np.full(N, np.nan)
    delta = np.zeros(N)
    present = np.zeros(N, dtype=np.bool_)
    pending_from = 0  # records [pending_from, count) are the orders decided at the previous bar
    count = 0
    turn = 0
    ruined = -1
    for t in range(T):
        fees, slip_cost, financing = 0.0, 0.0, 0.0
        if t > 0 and borrow > 0.0:
            for i in range(N):
                if units[i] < 0.0:
                    financing += -units[i] * unit * mark[i] * borrow * days[t] / 360.0
            cash -= financing
        for k in range(pending_from, count):
            if labels[k, STATUS] != NO_NEXT_BAR:
                continue
            i = labels[k, ASSET]
            reference = fill[t, i]
            if np.isnan(reference):
                labels[k, STATUS] = MISSING_PRICE
                continue
            shares = amounts[k, SHARES]
            size = np.abs(shares)
            price = fill_price(reference, shares, slippage)
            fee = commission(size, size * price, per_share, rate, minimum, max_fraction, max_cash)
            cash -= shares * price + fee
            units[i] += delta[i]
            labels[k, STATUS] = FILLED
            labels[k, FILL_BAR] = t
            amounts[k, REFERENCE] = reference
            amounts[k, PRICE] = price
            amounts[k, FEE] = fee
            amounts[k, SLIP] = size * np.abs(price - reference)
            fees += fee
            slip_cost += amounts[k, SLIP]
        pending_from = count
        value = 0.0
        for i in range(N):
            if not np.isnan(close[t, i]):
                mark[i] = close[t, i]
            if units[i] != 0.0:
                value += units[i] * unit * mark[i]
        equity = cash + value
        if equity <= 0.0 and ruined < 0:
            ruined = t
            for i in range(N):
                if units[i] != 0.0:
                    record(labels, amounts, count, t, t, i, LIQUIDATED, -units[i] * unit, mark[i])
                    amounts[count, REFERENCE] = mark[i]
                    amounts[count, PRICE] = mark[i]
                    amounts[count, FEE] = 0.0
                    amounts[count, SLIP] = 0.0
                    count += 1
                    units[i] = 0.0
            cash = equity
            pending_from = count
        bars_out[0, t] = equity
        bars_out[1, t] = cash
        bars_out[2, t] = financing
        bars_out[3, t] = fees
        bars_out[4, t] = slip_cost
        if turn < rows.shape[0] and rows[turn] == t:
            target = weights[turn]
            turn += 1
            if ruined >= 0:
                continue
            for i in range(N):
                present[i] = not np.isnan(close[t, i])
            base = size_orders(
                target,
                mark,
                present,
                units,
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
            for i in range(N):
                if not present[i]:
                    if target[i] != 0.0 or units[i] != 0.0:
                        record(labels, amounts, count, t, -1, i, SKIPPED, np.nan, mark[i])
                        count += 1
                elif delta[i] != 0.0:
                    # NO_NEXT_BAR is the status of an order that waits; at the last bar nothing follows and it stays.
                    status = NO_NEXT_BAR if base >= 0.0 else UNAFFORDABLE
                    record(labels, amounts, count, t, -1, i, status, delta[i] * unit, mark[i])
                    count += 1
    return count, ruined


@kernel(plain=True)
def record(labels, amounts, k, decided, filled, asset, status, shares, decision_price):
    """Write one order record at row ``k``; what is not known yet is NaN."""
    labels[k, DECIDED] = decided
    labels[k, FILL_BAR] = filled
    labels[k, ASSET] = asset
    labels[k, STATUS] = status
    amounts[k, SHARES] = shares
    amounts[k, DECISION_PRICE] = decision_price
    for column in range(2, 6):
        amounts[k, column] = np.nan
