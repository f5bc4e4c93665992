"""Section 3 of docs/engine.md, explicit orders: what fills at the open, inside the bar and at the close, and what dies.

A ticket meets its first bar after its placement (SAME_CLOSE fills MARKET orders at once). Within a step tickets go by
placement.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from quantlab.backtest._reference._fills import cut_to_room, fill
from quantlab.backtest._reference._state import State, Ticket
from quantlab.execution import _kernel_types as kt

__all__ = ["ONE_BAR", "expire", "fill_at_close", "fill_at_once", "fill_at_open", "fill_inside"]

ONE_BAR = (kt.MARKET, kt.MARKET_OPEN, kt.LIMIT_OPEN, kt.MARKET_CLOSE, kt.LIMIT_CLOSE)


@dataclass(frozen=True, slots=True)
class Touch:
    """Where a bar would fill an order: the reference price, whether as a limit fill, whether at the open."""

    price: float
    limit: bool
    at_open: bool


def fill_at_open(state: State) -> None:
    """Step 1 (b): MARKET when the reference is at the open, MARKET_OPEN and LIMIT_OPEN at the open."""
    prices = {kt.MARKET_OPEN: state.now("open"), kt.LIMIT_OPEN: state.now("open")}
    if state.terms.at == kt.AT_OPEN:
        prices[kt.MARKET] = state.now("reference")
    _fill_at(state, prices, opened=True)


def fill_at_close(state: State) -> None:
    """Step 3 (b): MARKET when the reference is at the close, MARKET_CLOSE and LIMIT_CLOSE at the close."""
    prices = {kt.MARKET_CLOSE: state.now("close"), kt.LIMIT_CLOSE: state.now("close")}
    if state.terms.at == kt.AT_CLOSE:
        prices[kt.MARKET] = state.now("reference")
    _fill_at(state, prices)


def fill_at_once(state: State) -> None:
    """SAME_CLOSE: fill MARKET orders at the close of the bar on which they were placed."""
    _fill_at(state, {kt.MARKET: state.now("reference")}, placed_now=True)


def _fill_at(state: State, prices: dict[int, list[float]], *, opened: bool = False, placed_now: bool = False) -> None:
    for ticket in state.working():
        if ticket.type not in prices or (ticket.order.decided == state.t) != placed_now:
            continue
        if ticket.order.status != kt.WORKING:  # cancelled by its group in this very step
            continue
        price = prices[ticket.type][ticket.order.asset]
        limited = ticket.type in (kt.LIMIT_OPEN, kt.LIMIT_CLOSE)
        if math.isnan(price):
            state.end(ticket, kt.MISSING_PRICE)
        elif not limited or _within(ticket, price):
            _fill(state, ticket, price, limit=limited, opened=opened)
        if placed_now and ticket.order.status == kt.WORKING:
            _die(state, ticket)


def fill_inside(state: State) -> None:
    """Step 2 (a): limits, stops and trailing stops against this bar's open, high and low."""
    working = [
        ticket
        for ticket in state.working()
        if ticket.type not in ONE_BAR and ticket.order.decided < state.t and _tested(state, ticket)
    ]
    touches = {ticket.order.row: _touch(state, ticket) for ticket in working}
    held_back = _held_back(state, working, touches)
    for ticket in working:
        touch = touches[ticket.order.row]
        alive = ticket.order.status == kt.WORKING
        if alive and touch is not None and ticket.order.row not in held_back:
            _fill(state, ticket, touch.price, limit=touch.limit, opened=touch.at_open)
            # A stop that was reached is a market order for what the volume did not allow.
            ticket.triggered |= ticket.type in (kt.STOP, kt.TRAIL)
        _learn(state, ticket)


def expire(state: State) -> None:
    """End what does not live beyond this bar: after the fills at the close."""
    session = state.market.number("session", state.t)
    last = state.t + 1 == state.market.bars
    session_ends = last or state.market.number("session", state.t + 1) != session
    for ticket in state.working():
        if ticket.order.decided == state.t:
            continue
        ticket.age += 1
        if (
            ticket.type in ONE_BAR
            or ticket.tif in (kt.IMMEDIATE_OR_CANCEL, kt.FILL_OR_KILL)
            or (ticket.tif == kt.DAY and session_ends)
            or (ticket.tif == kt.GOOD_TILL_DATE and state.t >= ticket.until)
        ):
            _die(state, ticket)


def _die(state: State, ticket: Ticket) -> None:
    state.end(ticket, kt.CAPPED if ticket.cut else kt.EXPIRED)


def _fill(state: State, ticket: Ticket, price: float, *, limit: bool, opened: bool = False) -> None:
    """Fill a ticket as far as its own rules and the room reach, and settle its group."""
    i = ticket.order.asset
    if ticket.reduce_only:
        ticket.left = state.closing(i, ticket.left)
        if ticket.left == 0:
            state.end(ticket, kt.CLOSED)
            return
    units = cut_to_room(state, ticket, ticket.left)
    if ticket.tif == kt.FILL_OR_KILL and units != ticket.left:
        state.end(ticket, kt.CAPPED)
        return
    row = state.t if ticket.order.decided == state.t else state.t - 1
    fill(state, ticket, units, price, limit=limit, opened=opened, row=row)
    if ticket.left == 0:
        state.end(ticket, kt.FILLED)
        for other in state.working():
            if other.group >= 0 and other.group == ticket.group:
                state.end(other, kt.GROUPED)
    elif ticket.type in ONE_BAR:
        state.end(ticket, kt.CAPPED)


def _tested(state: State, ticket: Ticket) -> bool:
    """Return whether the bar has the high and low that a test needs."""
    i = ticket.order.asset
    return not (math.isnan(state.now("high")[i]) or math.isnan(state.now("low")[i]))


def _within(ticket: Ticket, price: float) -> bool:
    """Return whether a price is at the limit or better."""
    return price <= ticket.limit if ticket.left > 0 else price >= ticket.limit


def _stop(ticket: Ticket) -> float:
    """Return the price at which an order turns into a fill: its stop, or the distance from its water mark."""
    if ticket.type != kt.TRAIL:
        return ticket.stop
    away = ticket.water * ticket.trail_fraction if math.isnan(ticket.trail) else ticket.trail
    return ticket.water + away if ticket.left > 0 else ticket.water - away


def _touch(state: State, ticket: Ticket) -> Touch | None:
    """Return where this bar would fill a ticket, None where it would not."""
    i = ticket.order.asset
    first, high, low = _open(state, i), state.now("high")[i], state.now("low")[i]
    if _is_limit(ticket):
        return _touch_limit(ticket, first, high, low)
    if ticket.triggered:
        return Touch(first, False, True)
    stop = _stop(ticket)
    at_open, inside = _stopped(ticket, stop, first, high, low)
    if ticket.type != kt.STOP_LIMIT:
        return Touch(first, False, True) if at_open else Touch(stop, False, False) if inside else None
    if at_open:
        return _touch_limit(ticket, first, high, low)
    # Nothing is known of the bar after the trigger: the limit holds from the next bar, unless the stop meets it.
    return Touch(stop, True, False) if inside and _within(ticket, stop) else None


def _is_limit(ticket: Ticket) -> bool:
    """Return whether an order is a limit order by now."""
    return ticket.type == kt.LIMIT or (ticket.type == kt.STOP_LIMIT and ticket.triggered)


def _touch_limit(ticket: Ticket, first: float, high: float, low: float) -> Touch | None:
    if _within(ticket, first):
        return Touch(first, True, True)
    if _within(ticket, low if ticket.left > 0 else high):
        return Touch(ticket.limit, True, False)
    return None


def _stopped(ticket: Ticket, stop: float, first: float, high: float, low: float) -> tuple[bool, bool]:
    """Return whether a stop is reached by the open, and whether inside the bar."""
    return (first >= stop, high >= stop) if ticket.left > 0 else (first <= stop, low <= stop)


def _open(state: State, i: int) -> float:
    """Return the open; where it is missing the last mark, within the bar."""
    first, high, low = state.now("open")[i], state.now("high")[i], state.now("low")[i]
    return min(max(state.positions[i].mark, low), high) if math.isnan(first) else first


def _learn(state: State, ticket: Ticket) -> None:
    """Take this bar in after the test: a stop-limit that was triggered, the water mark of a trailing stop."""
    i = ticket.order.asset
    high, low = state.now("high")[i], state.now("low")[i]
    if ticket.type == kt.STOP_LIMIT:
        ticket.triggered |= any(_stopped(ticket, ticket.stop, _open(state, i), high, low))
    elif ticket.type == kt.TRAIL:
        known = [] if math.isnan(ticket.water) else [ticket.water]
        ticket.water = min([*known, low]) if ticket.left > 0 else max([*known, high])


def _held_back(state: State, working: list[Ticket], touches: dict[int, Touch | None]) -> set[int]:
    """Return the rows of orders that their group keeps from filling on this bar.

    What the open meets goes before what the inside meets, and of one moment the stop before the limit. Whether the
    first can be filled plays no part.
    """
    groups: dict[int, list[tuple[bool, bool, Ticket]]] = defaultdict(list)
    for ticket in working:
        touch = touches[ticket.order.row]
        if ticket.group >= 0 and touch is not None:
            groups[ticket.group].append((not touch.at_open, _is_limit(ticket), ticket))
    held_back: set[int] = set()
    for members in groups.values():
        moment, kind, first = min(members, key=lambda member: member[:2])
        held_back |= {ticket.order.row for inside, limit, ticket in members if (inside, limit) != (moment, kind)}
        if not kind and any(member[:2] == (moment, True) for member in members):
            state.ledger.count(kt.COUNT_AMBIGUOUS, state.t, first.order.asset)
    return held_back
