"""Section 5, "Requirement", and steps 4 and 5 of section 6: what a book needs, buy-ins and margin calls.

A book is a list of units; prices are in each asset's currency, requirements in the account's.
"""

from __future__ import annotations

import math

from quantlab.backtest._reference._rounding import lots_up, sign, total
from quantlab.backtest._reference._state import State, closing_part
from quantlab.execution import _kernel_types as kt

__all__ = ["buy_in", "call", "initial", "initial_fraction", "initial_part", "requirement", "shares_to_borrow"]


def requirement(state: State, units: list[float], prices: list[float]) -> float:
    """Return the maintenance requirement of a book."""
    values = _values(state, units, prices)
    if state.terms.margin_model == kt.NO_MARGIN:
        return 0.0
    if state.terms.margin_model == kt.PORTFOLIO:
        return _scenarios(state, units, values, paid_in_full=False)
    return total(maintenance_fraction(state, i, units[i], prices[i]) * value for i, value in values.items())


def initial(state: State, units: list[float], prices: list[float], equity: float) -> float:
    """Return the initial requirement of a book; below the minimum equity longs are paid in full."""
    values = _values(state, units, prices)
    if state.terms.margin_model == kt.NO_MARGIN:
        return 0.0
    if state.terms.margin_model == kt.PORTFOLIO:
        return _scenarios(state, units, values, paid_in_full=below_minimum(state, equity))
    return total(initial_fraction(state, i, units[i], prices[i], equity) * value for i, value in values.items())


def maintenance_fraction(state: State, i: int, side: float, price: float) -> float:
    """Return the part of a position's value that REG_T wants to see kept."""
    row, terms = state.now("margin"), state.terms
    if side > 0:
        return float(min(row[kt.MAINTENANCE_LONG] * terms.margin_long[i], 1.0))
    if price < row[kt.LOW_PRICE]:
        return float(max(row[kt.LOW_PER_SHARE] / price, row[kt.LOW_FRACTION]))
    return float(max(row[kt.HIGH_PER_SHARE] / price, min(row[kt.MAINTENANCE_SHORT] * terms.margin_short[i], 1.0)))


def initial_fraction(state: State, i: int, side: float, price: float, equity: float) -> float:
    """Return the part of a position's value that REG_T wants to see when it is opened."""
    row, terms = state.now("margin"), state.terms
    if side > 0 and below_minimum(state, equity):
        return 1.0
    asked = row[kt.INITIAL_LONG] * terms.margin_long[i] if side > 0 else row[kt.INITIAL_SHORT] * terms.margin_short[i]
    return float(max(min(asked, 1.0), maintenance_fraction(state, i, side, price)))


def initial_part(state: State, i: int, side: float, price: float, equity: float) -> float:
    """Return the same in either model; of PORTFOLIO what its first scenario takes."""
    if state.terms.margin_model == kt.PORTFOLIO:
        return shock(state, i, side, paid_in_full=below_minimum(state, equity))
    return initial_fraction(state, i, side, price, equity)


def below_minimum(state: State, equity: float) -> bool:
    """Return whether the account is too small to borrow money or shares."""
    return bool(state.terms.margin_model != kt.NO_MARGIN and equity < state.now("margin")[kt.MINIMUM_EQUITY])


def shares_to_borrow(state: State, i: int, equity: float) -> float:
    """Return how many shares may be sold short in all."""
    return 0.0 if below_minimum(state, equity) else float(state.now("available")[i])


def _values(state: State, units: list[float], prices: list[float]) -> dict[int, float]:
    """Return the absolute value of each position that there is."""
    return {i: abs(held) * state.worth(i, prices[i]) for i, held in enumerate(units) if held}


def shock(state: State, i: int, side: float, *, paid_in_full: bool) -> float:
    """Return the part of a position's value that PORTFOLIO's first scenario takes."""
    row, terms = state.now("margin"), state.terms
    if side > 0:
        return 1.0 if paid_in_full else float(min(row[kt.MAINTENANCE_LONG] * terms.margin_long[i], 1.0))
    return float(min(row[kt.MAINTENANCE_SHORT] * terms.margin_short[i], 1.0))


def _scenarios(state: State, units: list[float], values: dict[int, float], *, paid_in_full: bool) -> float:
    """PORTFOLIO: the greater of a shock to all, and one concentrated on the largest positions."""
    row = state.now("margin")
    shocked = total(shock(state, i, units[i], paid_in_full=paid_in_full) * value for i, value in values.items())
    ordered = sorted(values.values(), reverse=True)
    largest = int(row[kt.LARGEST])
    concentrated = row[kt.CONCENTRATED] * total(ordered[:largest])
    return float(max(shocked, concentrated + row[kt.CONCENTRATED_REST] * total(ordered[largest:])))


def buy_in(state: State) -> None:
    """Step 4: buy back at least what can no longer be borrowed."""
    terms = state.terms
    if not terms.recall:
        return
    for i, position in enumerate(state.positions):
        available = state.now("available")[i]
        shares = -position.units * terms.unit
        # In a fractional account a billionth of the position is rounding.
        spare = 1e-9 * shares if terms.step == 0 else 0.0
        if shares <= 0 or shares - available <= spare:
            continue
        excess = min(lots_up((shares - available) / terms.unit, terms), -position.units)
        due = position.waiting.left if position.waiting else 0
        if due < excess:
            state.wait(i, kt.BUY_IN, excess)
            state.ledger.count(kt.COUNT_BUY_IN, state.t, i)


def call(state: State, equity: float) -> None:
    """Step 5: when the book that the reducing orders leave needs more than the equity, cut it to what it can carry."""
    if state.terms.margin_model == kt.NO_MARGIN:
        return
    left = []
    for position in state.positions:
        due = position.waiting.left if position.waiting else 0
        left.append(position.units + closing_part(position.units, due))
    marks = state.marks()
    needed = requirement(state, left, marks) * (1 + state.now("margin")[kt.BUFFER])
    # A book that was cut to its requirement meets it up to rounding.
    if needed <= equity * (1 + 1e-9):
        return
    _cancel_opening(state)
    keep = max(equity / needed, 0.0)
    for i, position in enumerate(state.positions):
        if not left[i] or math.isnan(state.now("close")[i]):
            continue
        cut = min(lots_up(abs(left[i]) * (1 - keep), state.terms), abs(left[i]))
        if cut:
            state.wait(i, kt.MARGIN_CALL, left[i] - sign(left[i]) * cut - position.units)
            state.ledger.count(kt.COUNT_MARGIN_CALL, state.t, i)


def _cancel_opening(state: State) -> None:
    """Cancel what would open or build a position; of an order that turns one, the closing part stands."""
    for position in state.positions:
        live = position.waiting
        if live is None:
            continue
        closing = closing_part(position.units, live.left)
        if closing == 0:
            state.end(live, kt.CALLED)
        else:
            live.left = closing
    for ticket in state.working():
        held = state.positions[ticket.order.asset].units
        if not ticket.reduce_only and closing_part(held, ticket.left) != ticket.left:
            state.end(ticket, kt.CALLED)
