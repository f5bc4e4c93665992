"""The judge: the engine's day in short plain Python, written from the specification and not from the compiled kernel.

It is slow and meant to be read. Tests hold the kernel to it, and whoever doubts a number can follow it here.

Timing: a decision at the close of bar t uses nothing later than that close, and is filled on bar t + 1, or never.

Every sum over assets starts at 0.0 and runs over the columns from left to right. Positions are counted in *units*:
lots, or shares in a fractional account. One unit is ``lot`` shares, or one share.

The order of events on bar t
----------------------------
1. **Financing** (not on the first bar). Each short pays its value at the previous mark, times the yearly borrow
   rate, times the calendar days since the previous bar, over 360.
2. **Fills** of the orders decided on bar t - 1, in column order. Without a fill price the order is dropped. A buy
   pays the reference price plus slippage, a sale receives it less slippage; the commission is charged on that price.
3. **Mark** at the close; where a close is missing the last one stands. Equity is cash plus the marked positions.
   Equity of zero or less is **ruin**: every position is closed at its mark, free of costs, what is left (or owed)
   becomes cash, and nothing happens any more.
4. **Decision**, where the book has one on this bar. All orders are sized from this one equity at this close, with the
   expected costs inside; see ``_size``. An asset without a close on this bar keeps its position, and that is recorded.
   On the last bar orders are recorded and never filled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from quantlab.backtest._run import Inputs, Orders, Run, Status

__all__ = ["commission", "run"]


@dataclass(slots=True)
class _Order:
    """One record while the run goes on: made at the decision, completed at the fill."""

    decided: int
    asset: int
    units: float
    shares: float
    decision_price: float
    status: Status
    filled: int = -1
    reference: float = math.nan
    price: float = math.nan
    commission: float = math.nan
    slippage: float = math.nan


def run(inputs: Inputs) -> Run:
    """Return what the book did, bar by bar, by the order of events in the module's docstring.

    Parameters
    ----------
    inputs : Inputs

    Returns
    -------
    Run
        Equal to the compiled kernel's: the same orders, and money up to rounding.
    """
    close, fill_price = inputs.close.tolist(), inputs.fill_price.tolist()
    days = inputs.days.tolist()
    decisions = dict(zip(inputs.rows.tolist(), inputs.weights.tolist(), strict=True))
    bars, assets = inputs.close.shape
    unit = inputs.lot if inputs.lot > 0.0 else 1.0

    cash = inputs.cash
    units = [0.0] * assets
    mark = [math.nan] * assets
    pending: list[_Order] = []
    records: list[_Order] = []
    ruined = -1
    per_bar: dict[str, list[float]] = {name: [] for name in ("equity", "cash", "borrow", "commission", "slippage")}

    for t in range(bars):
        borrow_paid = commission_paid = slippage_paid = 0.0

        if ruined < 0:
            # 1. Financing.
            if t > 0:
                for i in range(assets):
                    if units[i] < 0.0:
                        borrow_paid += -(units[i] * unit) * mark[i] * inputs.borrow * days[t] / 360
                cash -= borrow_paid

            # 2. Fills.
            for order in pending:
                reference = fill_price[t][order.asset]
                if math.isnan(reference):
                    order.status = Status.MISSING_PRICE
                    continue
                price = reference * _worse(order.shares, inputs)
                fee = commission(abs(order.shares), abs(order.shares) * price, inputs)
                cash -= order.shares * price + fee
                units[order.asset] += order.units
                order.status = Status.FILLED
                order.filled, order.reference, order.price, order.commission = t, reference, price, fee
                order.slippage = abs(order.shares) * abs(price - reference)
                commission_paid += fee
                slippage_paid += order.slippage
            pending = []

            # 3. Mark, and ruin.
            for i in range(assets):
                if not math.isnan(close[t][i]):
                    mark[i] = close[t][i]
            value = 0.0
            for i in range(assets):
                if units[i] != 0.0:
                    value += units[i] * unit * mark[i]
            equity = cash + value
            if equity <= 0.0:
                ruined = t
                cash = equity
                for i in range(assets):
                    if units[i] != 0.0:
                        records.append(_liquidation(t, i, units[i] * unit, mark[i]))
                        units[i] = 0.0

        # 4. Decision.
        if ruined < 0 and t in decisions:
            weights = decisions[t]
            priced = [not math.isnan(close[t][i]) for i in range(assets)]
            changes, affordable = _size(weights, mark, units, priced, equity, inputs)
            for i in range(assets):
                if changes[i] != 0.0:
                    # An order that never meets a next bar keeps this status.
                    status = Status.NO_NEXT_BAR if affordable else Status.UNAFFORDABLE
                    order = _Order(t, i, changes[i], changes[i] * unit, mark[i], status)
                    if affordable:
                        pending.append(order)
                    records.append(order)
                elif not priced[i] and (weights[i] != 0.0 or units[i] != 0.0):
                    records.append(_Order(t, i, math.nan, math.nan, mark[i], Status.SKIPPED))

        for name, number in zip(per_bar, (equity, cash, borrow_paid, commission_paid, slippage_paid), strict=True):
            per_bar[name].append(number)

    series = {name: np.array(numbers, dtype=np.float64) for name, numbers in per_bar.items()}
    return Run(**series, ruined=ruined, orders=_columns(records))


def commission(shares: float, value: float, inputs: Inputs) -> float:
    """Return the commission on one order, in currency; the maximum wins over the minimum.

    Parameters
    ----------
    shares : float >= 0, shares
    value : float >= 0, currency, shares times the price paid
    inputs : Inputs
    """
    if shares == 0.0:
        return 0.0
    fee = inputs.per_share * shares + inputs.rate * value
    fee = max(fee, inputs.minimum)
    fee = min(fee, inputs.maximum_fraction * value)
    return min(fee, inputs.maximum_cash)


def _size(
    weights: list[float],
    mark: list[float],
    units: list[float],
    priced: list[bool],
    equity: float,
    inputs: Inputs,
) -> tuple[list[float], bool]:
    """Return the change of each position, in units, for target ``weights`` of a base that leaves room for the costs.

    Let C(x) be the cost of trading to ``weights`` of x. The base is the largest x tried with x + C(x) <= equity: the
    first is the equity, each next one is what the costs of the last leave, and there are eight at most. When each of
    them is too large by a little, which happens where a leveraged book only reduces, the base is found by bisection;
    it must use 999/1000 of the equity and leave more than 1/1000 of it, or it is only a size at which a minimum fee is
    not charged because nothing trades, or takes all there is.
    When nothing fits, or only zero although something was to be held, the decision cannot be afforded: the second
    value is False, and the changes are those for the whole equity.
    """

    def changes(base: float) -> list[float]:
        return _changes(weights, mark, units, priced, equity, base, inputs)

    def fits(base: float, cost: float) -> bool:
        return base + cost <= equity * (1 + 1e-12)

    best = -1.0
    base = equity
    for _ in range(8):
        cost = _cost(changes(base), mark, inputs)
        if fits(base, cost):
            best = max(best, base)
        following = max(equity - cost, 0.0)
        if abs(following - base) <= 1e-12 * equity:
            break
        base = following
    if best <= 0.0:
        low, high, spent = 0.0, equity, 0.0
        for _ in range(60):
            if high - low <= 1e-12 * equity:
                break
            base = 0.5 * (low + high)
            cost = _cost(changes(base), mark, inputs)
            if fits(base, cost):
                low, spent = base, base + cost
            else:
                high = base
        if spent >= 0.999 * equity and low > (1 - 0.999) * equity:
            best = low
    if best < 0.0 or (best == 0.0 and any(weight != 0.0 for weight in weights)):
        return changes(equity), False
    return changes(best), True


def _changes(
    weights: list[float],
    mark: list[float],
    units: list[float],
    priced: list[bool],
    equity: float,
    base: float,
    inputs: Inputs,
) -> list[float]:
    """Return target minus held, in units: whole lots toward zero, or fractions above a billionth of equity.

    A target of zero closes the position whatever its size.
    """
    changes = []
    for i, weight in enumerate(weights):
        change = 0.0
        if priced[i]:
            target = weight * base / mark[i]
            if inputs.lot > 0.0:
                # 0.3 / 0.1 is 2.9999999999999996 and means three lots.
                lots = float(math.floor(abs(target) / inputs.lot + 1e-9))
                change = (-lots if weight < 0.0 else lots) - units[i]
            else:
                change = target - units[i]
                # A target of zero closes whatever is left.
                if weight != 0.0 and abs(change) * mark[i] <= 1e-9 * equity:
                    change = 0.0
        changes.append(change)
    return changes


def _cost(changes: list[float], mark: list[float], inputs: Inputs) -> float:
    """Return the expected cost of the changes at the marks: slippage and commission, in currency."""
    unit = inputs.lot if inputs.lot > 0.0 else 1.0
    total = 0.0
    for i, change in enumerate(changes):
        if change != 0.0:
            shares = abs(change) * unit
            fee = commission(shares, shares * mark[i] * _worse(change, inputs), inputs)
            total += shares * mark[i] * inputs.slippage + fee
    return total


def _worse(change: float, inputs: Inputs) -> float:
    """Return the factor by which slippage worsens a price: above one for a buy, below one for a sale."""
    return 1 + inputs.slippage if change > 0.0 else 1 - inputs.slippage


def _liquidation(t: int, asset: int, shares: float, mark: float) -> _Order:
    return _Order(t, asset, -shares, -shares, mark, Status.LIQUIDATED, t, mark, mark, 0.0, 0.0)


def _columns(records: list[_Order]) -> Orders:
    """Return the records as one array per field."""
    whole = ("decided", "filled", "asset", "status")
    number = ("shares", "decision_price", "reference", "price", "commission", "slippage")
    arrays = {name: np.array([getattr(order, name) for order in records], dtype=np.int64) for name in whole}
    arrays |= {name: np.array([getattr(order, name) for order in records], dtype=np.float64) for name in number}
    return Orders(**arrays)
