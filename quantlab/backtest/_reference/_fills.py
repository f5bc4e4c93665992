"""Section 3 of docs/engine.md: room, the booking of a fill, and what a book order does at its price.

Explicit orders stand in ``_tickets``, exits inside the bar in ``_exits``; both fill through ``fill``.
"""

from __future__ import annotations

import math

from quantlab.backtest._reference._costs import commission, fees, month_shares, slippage, worsened
from quantlab.backtest._reference._rounding import sign
from quantlab.backtest._reference._state import EXITS, Live, Position, State
from quantlab.execution import _kernel_types as kt

__all__ = ["cut_to_room", "fill", "fill_book_orders", "open_room"]


def open_room(state: State) -> None:
    """Say how many units of each asset the volume of this bar allows."""
    state.room = [math.inf] * state.market.assets
    if state.terms.participation > 0.0:
        for i, volume in enumerate(state.now("volume")):
            allowed = state.terms.participation * volume / state.terms.unit
            state.room[i] = 0 if math.isnan(volume) else state.lots(allowed)


def cut_to_room(state: State, live: Live, units: float) -> float:
    """Return what the bar's volume leaves of a quantity; a cut is counted."""
    room = state.room[live.order.asset]
    if abs(units) <= room:
        return units
    live.cut = True
    state.ledger.count(kt.COUNT_CAPPED, state.t, live.order.asset)
    return sign(units) * room


def fill(
    state: State, live: Live, units: float, reference: float, *, limit: bool = False, opened: bool = False, row: int
) -> None:
    """Fill units of an order at a reference price: slippage by ``row``, none for limit fills; costs; booking."""
    i, terms = live.order.asset, state.terms
    if units == 0:
        return
    shares = abs(units) * terms.unit
    slip = 0.0 if limit else slippage(state, i, shares, row)
    price = worsened(reference, units, slip)
    value = shares * price

    # All fills of one order share its minimum. The tier is that of the month's volume before this fill.
    earlier = commission(state, live.shares, live.value)
    live.shares += shares
    live.value += value
    charged = max(commission(state, live.shares, live.value) - earlier, 0.0)
    duties = fees(state, units, value)
    state.month_shares = month_shares(state) + shares
    state.month = state.market.number("month", state.t)

    live.left -= units
    state.room[i] -= abs(units)
    state.cash[state.currency(i)] -= units * terms.unit * price + charged + duties
    held = state.positions[i].units
    if math.isnan(state.positions[i].mark):
        # An open before the first close: until then the position is worth what was paid.
        state.positions[i].mark = reference
    _book(state.positions[i], units, price, state.t, opened)
    if live.order.kind in EXITS and held and not state.positions[i].units:
        # With reentry 1 this side stays closed until a decision gives 0 or the other side; the checks between
        # decisions (every_bar) never bring a name back.
        state.positions[i].barred = sign(held)
        state.positions[i].target = 0.0

    rate = state.rate(i)
    lost = shares * abs(price - reference)
    state.book_money(kt.COMMISSION, charged * rate)
    state.book_money(kt.FEES, duties * rate)
    state.book_money(kt.SLIPPAGE, lost * rate)
    state.book_money(kt.TRADED, value * rate)
    state.ledger.fill(live.order, state.t, units, reference, price, charged, duties, lost)


def _book(position: Position, units: float, price: float, t: int, opened: bool) -> None:
    """Change a position, and its entry: the average of what builds it."""
    held = position.units
    position.units += units
    if position.units == 0:
        position.forget_entry()
    elif sign(held) != sign(position.units):
        position.entry = position.peak = position.trough = price
        position.entered, position.opened = t, opened
    elif sign(held) == sign(units):
        position.entry = (position.entry * abs(held) + price * abs(units)) / (abs(held) + abs(units))


def fill_book_orders(state: State, *, opened: bool = False, row: int) -> None:
    """Fill the book orders that waited for the reference price of this bar."""
    references = state.now("reference")
    same_close = state.terms.at == kt.SAME_CLOSE
    for i, position in enumerate(state.positions):
        live = position.waiting
        # The rest of an exit inside this bar was decided on it, and waits for the next.
        if live is None or (live.order.decided == state.t and (live.cut or not same_close)):
            continue
        if math.isnan(references[i]):
            state.end(live, kt.MISSING_PRICE)
            continue
        if live.order.kind not in (kt.REBALANCE, kt.ORDER):
            live.left = state.closing(i, live.left)
            if live.left == 0:
                state.end(live, kt.CLOSED)
                continue
        fill(state, live, cut_to_room(state, live, live.left), references[i], opened=opened, row=row)
        live.age += 1
        if live.left == 0:
            state.end(live, kt.FILLED)
        elif live.age > state.terms.carry:
            state.end(live, kt.CAPPED)
