"""Section 6, steps 2 and 3 of docs/engine.md: target weights, amounts and explicit orders, and their buying power.

Weights are checked while they are sized (``_sizing``). Amounts and explicit orders are checked together: what closes is
always sent; what opens is cut, or not sent, when the initial requirement does not fit into the equity less the costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from quantlab.backtest._reference._costs import costs_of
from quantlab.backtest._reference._margin import initial, initial_part, shares_to_borrow
from quantlab.backtest._reference._rounding import sign
from quantlab.backtest._reference._sizing import View, size, tradable
from quantlab.backtest._reference._state import EXITS, Live, State, Ticket, closing_part
from quantlab.backtest._reference._tickets import ONE_BAR
from quantlab.execution import _kernel_types as kt
from quantlab.execution._kernel_types import Tickets

__all__ = ["decide", "place_tickets", "size_at_fill"]


def decide(state: State, row: list[float] | None, tickets: Tickets, equity: float) -> None:
    """Take in what is decided at this close: explicit orders, the decision row, then the check of buying power."""
    fresh = place_tickets(state, tickets)
    if state.terms.mode == kt.WEIGHTS:
        if row is not None:
            _decide_weights(state, row)
        if row is not None or (state.terms.every_bar and state.decided):
            _send_weights(state, equity)
        amounts: list[Live] = []
    else:
        amounts = _send_amounts(state, row) if row is not None else []
    if state.stopped < 0 and (fresh or amounts):
        _check_buying_power(state, [*amounts, *fresh], equity)


def place_tickets(state: State, tickets: Tickets) -> list[Live]:
    """Take in the explicit orders of this bar and return them; not without a mark, dead or under an exit."""
    fresh: list[Live] = []
    for k, bar in enumerate(tickets.placed.tolist()):
        if bar != state.t:
            continue
        i = int(tickets.asset[k])
        position = state.positions[i]
        asked, ends = float(tickets.units[k]), tickets.tif[k] == kt.GOOD_TILL_DATE and tickets.until[k] <= state.t
        units = state.lots(asked)
        order = state.ledger.order(state.t, i, kt.ORDER, kt.WORKING, units or asked, position.mark)
        under_exit = position.waiting is not None and position.waiting.order.kind in EXITS
        if position.dead or under_exit or math.isnan(position.mark):
            state.ledger.end(order, kt.LEAVING if under_exit else kt.SKIPPED, state.t)
            continue
        if units == 0:
            state.ledger.end(order, kt.TOO_SMALL, state.t)
            continue
        if ends and tickets.type[k] not in ONE_BAR:
            state.ledger.end(order, kt.EXPIRED, state.t)
            continue
        ticket = Ticket(
            order,
            units,
            type=int(tickets.type[k]),
            tif=int(tickets.tif[k]),
            until=int(tickets.until[k]),
            group=int(tickets.group[k]),
            reduce_only=bool(tickets.reduce_only[k]),
            limit=float(tickets.limit[k]),
            stop=float(tickets.stop[k]),
            trail=float(tickets.trail[k]),
            trail_fraction=float(tickets.trail_fraction[k]),
            water=position.mark,
        )
        state.tickets.append(ticket)
        fresh.append(ticket)
    return fresh


def _decide_weights(state: State, row: list[float]) -> None:
    """Remember the targets; a name that an exit has closed stays at 0 until a decision gives 0 or the other side."""
    state.decided = True
    for position, weight in zip(state.positions, row, strict=True):
        position.target = weight
        if sign(weight) != position.barred:
            position.barred = 0
        if position.barred and state.terms.reentry:
            position.target = 0.0


def _send_weights(state: State, equity: float) -> None:
    targets = [position.target for position in state.positions]
    if state.terms.size_at_fill and state.terms.at != kt.SAME_CLOSE:
        _replace(state, range(state.market.assets))
        state.unsized, state.unsized_at = targets, state.t
        return
    closes = state.now("close")
    view = View(state.marks(), tradable(state, closes), equity, state.t)
    _size_and_send(state, targets, closes, view, state.t)


def size_at_fill(state: State) -> None:
    """Size the weights that were decided at the close before, at the reference prices and the equity of this fill."""
    if state.unsized is None:
        return
    state.at_open = state.terms.at == kt.AT_OPEN
    _size_at_fill(state)
    state.at_open = False


def _size_at_fill(state: State) -> None:
    # What an exit has closed since then is not bought back by an older decision.
    targets, state.unsized = [position.target for position in state.positions], None
    references = state.now("reference")
    prices = [
        position.mark if math.isnan(reference) else reference
        for reference, position in zip(references, state.positions, strict=True)
    ]
    equity = state.equity(prices)
    if equity <= 0.0:
        for i, position in enumerate(state.positions):
            if position.target != 0.0 and not position.dead:
                state.ledger.order(state.unsized_at, i, kt.REBALANCE, kt.UNAFFORDABLE, math.nan, position.mark)
        return
    view = View(prices, tradable(state, references), equity, state.t - 1)
    _size_and_send(state, targets, references, view, state.unsized_at)


def _size_and_send(state: State, targets: list[float], prices: list[float], view: View, decided: int) -> None:
    """Turn weights into book orders; what waited from the decision before is REPLACED."""
    changes, affordable, cuts = size(state, targets, view)
    _replace(state, range(state.market.assets))
    for i, change in enumerate(changes):
        mark = state.positions[i].mark
        if not view.tradable[i]:
            _skip(state, i, targets[i], prices[i], kt.REBALANCE, decided)
        elif change and not affordable:
            state.ledger.order(decided, i, kt.REBALANCE, kt.UNAFFORDABLE, change, mark)
        elif change:
            order = state.ledger.order(decided, i, kt.REBALANCE, kt.WORKING, change, mark)
            order.cut = cuts.get(i, 0)
            state.positions[i].waiting = Live(order, change)


def _skip(state: State, i: int, wanted: float, price: float, kind: int, decided: int) -> None:
    """Record that a name with a target or a position cannot trade. That an exit of it waits is no such reason."""
    position = state.positions[i]
    leaving = position.waiting is not None and position.waiting.order.kind in EXITS
    if not leaving and (position.dead or math.isnan(price)) and (wanted != 0.0 or position.units):
        state.ledger.order(decided, i, kind, kt.SKIPPED, math.nan, position.mark)


def _replace(state: State, names: range | list[int]) -> None:
    """Cancel the book orders that a new decision replaces. An exit stands."""
    for i in names:
        live = state.positions[i].waiting
        if live is not None and live.order.kind not in EXITS:
            state.end(live, kt.REPLACED)


def _send_amounts(state: State, row: list[float]) -> list[Live]:
    """Turn a row of shares or values into book orders."""
    terms = state.terms
    closes = state.now("close")
    can = tradable(state, closes)
    sent: list[Live] = []
    for i, (amount, position) in enumerate(zip(row, state.positions, strict=True)):
        if math.isnan(amount):
            continue
        targets = terms.mode in (kt.TARGET_SHARES, kt.TARGET_VALUE)
        if targets:
            if sign(amount) != position.barred:
                position.barred = 0
            if position.barred and terms.reentry:
                amount = 0.0
        if not can[i]:
            _skip(state, i, amount, closes[i], kt.ORDER, state.t)
            continue
        if terms.mode in (kt.TARGET_VALUE, kt.VALUE):
            units = state.lots(amount / state.worth(i, position.mark))
        else:
            units = state.lots(amount / terms.unit)
        if units == 0 and amount != 0.0:
            state.ledger.count(kt.COUNT_BELOW_ONE_LOT, state.t, i)
        _replace(state, [i])
        change = units - position.units if targets else units
        if change:
            order = state.ledger.order(state.t, i, kt.ORDER, kt.WORKING, change, position.mark)
            position.waiting = Live(order, change)
            sent.append(position.waiting)
    return sent


@dataclass(slots=True)
class Sides:
    """A book and its orders: what is sure to be held, and beside it what limits and stops may buy or sell."""

    sure: list[float]
    buys: list[float]
    sells: list[float]

    def copy(self) -> Sides:
        """Return a second one to change."""
        return Sides(list(self.sure), list(self.buys), list(self.sells))

    def add(self, live: Live) -> None:
        """Add an order."""
        side = self.sure if _sure(live) else self.buys if live.left > 0 else self.sells
        side[live.order.asset] += live.left

    def worse(self, state: State, equity: float) -> list[float]:
        """Return the book in which, asset by asset, those limits and stops are met that need more margin."""
        marks, book = state.marks(), []
        for i, held in enumerate(self.sure):
            sides = [held + self.buys[i], held + self.sells[i]]
            needs = [initial_part(state, i, units, marks[i], equity) * abs(units) if units else 0.0 for units in sides]
            book.append(sides[0] if needs[0] >= needs[1] else sides[1])
        return book


def _sure(live: Live) -> bool:
    """Return whether an order meets a price on its next bar, whatever that is."""
    if not isinstance(live, Ticket):
        return True
    met = live.type in (kt.STOP, kt.TRAIL) and live.triggered
    return met or live.type in (kt.MARKET, kt.MARKET_OPEN, kt.MARKET_CLOSE)


def _check_buying_power(state: State, fresh: list[Live], equity: float) -> None:
    """Step 3: see whether the book after all orders fits; else cut, or do not send, what opens.

    What already works stands: the fresh orders share what it leaves.
    """
    book = [position.waiting for position in state.positions if position.waiting is not None]
    explicit = [ticket for ticket in state.working() if not ticket.reduce_only]
    standing = [live for live in [*book, *explicit] if not any(live is one for one in fresh)]
    asked = [live for live in [*book, *explicit] if any(live is one for one in fresh)]

    before = Sides(state.units(), [0] * state.market.assets, [0] * state.market.assets)
    for live in [*book, *state.working()]:
        i = live.order.asset
        if any(live is one for one in standing):
            before.add(live)
        elif isinstance(live, Ticket) and live.reduce_only and _sure(live):
            # It opens nothing, so nothing cuts it: what it closes is as good as closed.
            before.sure[i] += closing_part(before.sure[i], live.left)
    asked = _borrowed(state, before, asked, equity)
    if state.terms.margin_model == kt.NO_MARGIN:
        return
    everything = before.copy()
    for live in asked:
        everything.add(live)
    closed = before.copy()
    for i in range(state.market.assets):
        closed.sure[i] += closing_part(before.sure[i], everything.sure[i] - before.sure[i])
        for side in ("buys", "sells"):
            old, new, left = getattr(before, side), getattr(everything, side), getattr(closed, side)
            left[i] += closing_part(closed.sure[i] + old[i], new[i] - old[i])
    if closed == everything:
        return
    marks = state.marks()
    known = [live for live in [*standing, *asked] if live.left]
    costs = costs_of(state, [(live.order.asset, live.left) for live in known], marks, state.t)
    base = initial(state, closed.worse(state, equity), marks, equity)
    opening = initial(state, everything.worse(state, equity), marks, equity) - base
    free = equity - costs - base
    if opening <= free + 1e-9 * equity:
        return
    if state.terms.buying_power == kt.STRICT:
        state.stopped = state.t
        return
    scale = state.terms.buying_power == kt.SCALE
    factor = max(0.0, free / opening) if scale and opening > 0.0 else 0.0
    if scale:
        state.ledger.count(kt.COUNT_MARGIN_SCALED, state.t)
    _cut(state, before, closed, asked, factor, scale=scale)


def _borrowed(state: State, before: Sides, asked: list[Live], equity: float) -> list[Live]:
    """Cut fresh sales to the shares that can be borrowed once all is sold that is for sale; what is left of them."""
    running = [held + sold for held, sold in zip(before.sure, before.sells, strict=True)]
    left = []
    for live in asked:
        i = live.order.asset
        supply = shares_to_borrow(state, i, equity) / state.terms.unit
        if live.left < 0 and supply < math.inf:
            floor = min(-state.lots(supply), state.positions[i].units, 0)
            cut = max(live.left, min(0, floor - running[i]))
            if cut != live.left:
                live.left, live.order.cut = cut, kt.UNBORROWABLE
                state.ledger.count(kt.COUNT_UNBORROWABLE, state.t, i)
        if live.left == 0:
            live.order.cut = 0
            state.end(live, kt.UNBORROWABLE)
            continue
        if live.left < 0 or _sure(live):
            running[i] += live.left
        left.append(live)
    return left


def _cut(state: State, before: Sides, closed: Sides, asked: list[Live], factor: float, *, scale: bool) -> None:
    """Multiply the opening parts of fresh orders; each opens what the orders before it on its side have not closed."""
    running = before.copy()
    for live in asked:
        i = live.order.asset
        if _sure(live):
            held = running.sure[i]
        else:
            held = closed.sure[i] + (running.buys[i] if live.left > 0 else running.sells[i])
        running.add(live)
        closing = closing_part(held, live.left)
        opening = live.left - closing
        if not opening:
            continue
        whole, live.left = live.left, closing + state.lots(opening * factor)
        if live.left == whole:
            continue
        live.order.cut = kt.MARGIN_REJECTED
        if not scale and live.left:
            state.ledger.count(kt.COUNT_MARGIN_REJECTED, state.t, i)
        if live.left == 0:
            live.order.cut = 0
            state.end(live, kt.MARGIN_REJECTED)
