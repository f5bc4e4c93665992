"""Section 2 of docs/engine.md: corporate actions, in the order of their rows, and the payment of claims.

An event is written down only where something was held. Its price is the one that its cash was counted at: what was sold
per share, what was paid per share, or the price after a split.
"""

from __future__ import annotations

import math

from quantlab.backtest._reference._rounding import sign, whole
from quantlab.backtest._reference._state import Claim, Position, State
from quantlab.execution import _kernel_types as kt

__all__ = ["act"]


def act(state: State) -> None:
    """Book the actions of this bar, then pay the claims that are due on it."""
    column = state.market.column
    for a, bar in enumerate(column("action_bar")):
        i = column("action_asset")[a]
        if bar != state.t or state.positions[i].dead:
            continue
        kind, value = column("action_kind")[a], column("action_value")[a]
        if kind == kt.SPLIT:
            _split(state, i, value)
        elif kind == kt.SPINOFF:
            _spinoff(state, i, value)
        elif kind == kt.DIVIDEND:
            _dividend(state, i, value, column("action_pay")[a])
        elif kind == kt.CONVERSION:
            _convert(state, i, column("action_other")[a], value)
        else:
            _delist(state, i, value)
    for claim in state.claims:
        if claim.pay == state.t:
            state.receivable[claim.currency] -= claim.amount
            state.cash[claim.currency] += claim.amount


def _split(state: State, i: int, ratio: float) -> None:
    terms, position = state.terms, state.positions[i]
    exact = position.units * ratio
    new = whole(exact, terms)
    _rescale(position, 1 / ratio)
    if position.units:
        _event(state, i, kt.SPLIT, new - position.units, position.mark, (exact - new) * terms.unit * position.mark)
        # Set, not added up: a fraction would be off by a bit, and an order for all of it would not close it.
        position.units = new
    for live in [position.waiting, *state.working()]:
        if live is None or live.order.asset != i:
            continue
        live.left = whole(live.left * ratio, terms)
        if live.left == 0:
            state.end(live, kt.SPLIT_AWAY)
    _reprice(state, i, 1 / ratio)


def _reprice(state: State, i: int, factor: float) -> None:
    """Multiply the prices of the working orders of an asset."""
    for ticket in state.working():
        if ticket.order.asset == i:
            ticket.limit *= factor
            ticket.stop *= factor
            ticket.trail *= factor
            ticket.water *= factor


def _spinoff(state: State, i: int, share: float) -> None:
    position = state.positions[i]
    price = position.mark * share
    if position.units:
        _event(state, i, kt.SPINOFF, 0, price, position.units * state.terms.unit * price)
    _rescale(position, 1 - share)
    _reprice(state, i, 1 - share)


def _dividend(state: State, i: int, per_share: float, pay: int) -> None:
    units = state.positions[i].units
    if not units:
        return
    amount = units * state.terms.unit * per_share
    currency = state.currency(i)
    state.receivable[currency] += amount
    state.claims.append(Claim(pay, currency, amount))
    state.book_money(kt.DIVIDENDS, amount * state.rate(i))
    state.ledger.event(state.t, i, kt.DIVIDEND, 0, per_share, amount)


def _convert(state: State, i: int, j: int, ratio: float) -> None:
    terms, old, other = state.terms, state.positions[i], state.positions[j]
    if math.isnan(other.mark):
        other.mark = old.mark / ratio
    if old.units:
        exact = old.units * ratio
        new = whole(exact, terms)
        price = old.mark / ratio
        if new:
            _join(other, old, new, ratio)
        _event(state, i, kt.CONVERSION, -old.units, old.mark, (exact - new) * terms.unit * price)
        if new:
            _event(state, j, kt.CONVERSION, new, price, 0.0)
    if _ordered(state, i):
        state.ledger.count(kt.COUNT_DELISTED, state.t, i)
    if not math.isnan(old.target):
        # The last decided weight goes along.
        other.target = old.target + (0.0 if math.isnan(other.target) else other.target)
        old.target = 0.0
    _bury(state, i)


def _ordered(state: State, i: int) -> bool:
    """Return whether an order of an asset waits."""
    return state.positions[i].waiting is not None or any(ticket.order.asset == i for ticket in state.working())


def _join(other: Position, old: Position, new: float, ratio: float) -> None:
    """Give the other asset the history of what comes in, when it was flat or is turned; else it keeps its own."""
    held = other.units
    if held == 0 or (sign(held) != sign(new) and abs(held) < abs(new)):
        other.entry, other.peak, other.trough = old.entry / ratio, old.peak / ratio, old.trough / ratio
        other.entered, other.opened = old.entered, False


def _delist(state: State, i: int, loss: float) -> None:
    position = state.positions[i]
    if position.units or _ordered(state, i) or _unsized(state, position):
        state.ledger.count(kt.COUNT_DELISTED, state.t, i)
    if position.units:
        price = position.mark * (1 + loss)
        _event(state, i, kt.DELISTING, -position.units, price, position.units * state.terms.unit * price)
    _bury(state, i)


def _unsized(state: State, position: Position) -> bool:
    """Return whether a decided weight waits to be sized at its fill."""
    return state.unsized is not None and position.target != 0.0


def _bury(state: State, i: int) -> None:
    """Take an asset off the market: it is never traded again."""
    position = state.positions[i]
    if _unsized(state, position):
        state.ledger.order(state.unsized_at, i, kt.REBALANCE, kt.DELISTED, math.nan, position.mark)
    position.dead = True
    position.target = 0.0
    if position.waiting is not None:
        state.end(position.waiting, kt.DELISTED)
    for ticket in state.working():
        if ticket.order.asset == i:
            state.end(ticket, kt.DELISTED)


def _rescale(position: Position, factor: float) -> None:
    position.mark *= factor
    position.entry *= factor
    position.peak *= factor
    position.trough *= factor


def _event(state: State, i: int, kind: int, change: float, price: float, cash: float) -> None:
    position = state.positions[i]
    position.units += change
    if position.units == 0:
        position.forget_entry()
    state.cash[state.currency(i)] += cash
    state.ledger.event(state.t, i, kind, change, price, cash)
