"""Section 3, "Exits", and step 1 of section 6: what closes a position by its own price or age.

A bar with high and low is tested inside, before the close. A bar without them is tested at the close, and what it
triggers is an order like any other. A position is not tested on its entry bar, unless it was opened at the open.
"""

from __future__ import annotations

import math

from quantlab.backtest._reference._fills import cut_to_room, fill
from quantlab.backtest._reference._state import EXITS, Position, State
from quantlab.execution import _kernel_types as kt

__all__ = ["exit_at_close", "exit_inside"]


def exit_inside(state: State) -> None:
    """Step 2 (b): test every position against this bar's open, high and low, unless an exit of it waits already."""
    for i, position in enumerate(state.positions):
        high, low, first = state.now("high")[i], state.now("low")[i], state.now("open")[i]
        if not position.units or math.isnan(high) or math.isnan(low):
            continue
        if math.isnan(first):
            first = min(max(position.mark, low), high)
        under_exit = position.waiting is not None and position.waiting.order.kind in EXITS
        if not under_exit and (position.entered < state.t or (position.opened and state.terms.entry_bar)):
            _test(state, i, first, high, low)
        if position.units and (position.entered < state.t or position.opened):
            # A position that was opened at the open has this bar's range whether or not it was tested.
            position.peak, position.trough = max(position.peak, high), min(position.trough, low)


def _test(state: State, i: int, first: float, high: float, low: float) -> None:
    position = state.positions[i]
    side = 1 if position.units > 0 else -1
    stop, kind = _stop(state, position)
    target = _target(state, position)
    # In the direction of the position: what is at or below the stop is lost, what is at or above the target is won.
    worst, best = (low, high) if side > 0 else (high, low)
    if side * first <= side * stop:
        _exit(state, i, kind, first, limit=False)
    elif side * first >= side * target:
        _exit(state, i, kt.TAKE_PROFIT, first, limit=True)
    elif side * worst <= side * stop:
        if side * best >= side * target:
            state.ledger.count(kt.COUNT_AMBIGUOUS, state.t, i)
        _exit(state, i, kind, stop, limit=False)
    elif side * best >= side * target:
        _exit(state, i, kt.TAKE_PROFIT, target, limit=True)


def _stop(state: State, position: Position) -> tuple[float, int]:
    """Return the stop that comes first, and its kind; the fixed one where both are the same."""
    terms = state.terms
    if position.units > 0:
        fixed, moving = position.entry * (1 - terms.stop_loss), position.peak * (1 - terms.trailing)
        return (moving, kt.TRAILING) if moving > fixed else (fixed, kt.STOP_LOSS)
    fixed, moving = position.entry * (1 + terms.stop_loss), position.trough * (1 + terms.trailing)
    return (moving, kt.TRAILING) if moving < fixed else (fixed, kt.STOP_LOSS)


def _target(state: State, position: Position) -> float:
    away = state.terms.take_profit
    return position.entry * (1 + away if position.units > 0 else 1 - away)


def _exit(state: State, i: int, kind: int, reference: float, *, limit: bool) -> None:
    """Close a position inside the bar; what the room does not allow waits as a book order of the same kind."""
    position = state.positions[i]
    state.wait(i, kind, -position.units)
    live = position.waiting
    if live is None:
        return
    fill(state, live, cut_to_room(state, live, live.left), reference, limit=limit, row=state.t - 1)
    if live.left == 0:
        state.end(live, kt.FILLED)


def exit_at_close(state: State) -> None:
    """Step 1 of section 6: exits of bars without high and low, then positions that have reached their age."""
    terms, closes = state.terms, state.now("close")
    highs, lows = state.now("high"), state.now("low")
    for i, position in enumerate(state.positions):
        if not position.units:
            continue
        untested = math.isnan(highs[i]) or math.isnan(lows[i])
        close = closes[i]
        kind = None
        if untested and not math.isnan(close):
            if position.entered < state.t or (position.opened and terms.entry_bar):
                kind = _kind_at(state, position, close)
            # Whatever is held at the close has seen it.
            position.peak, position.trough = max(position.peak, close), min(position.trough, close)
        if kind is None and terms.time_stop and state.t - position.entered >= terms.time_stop:
            kind = kt.TIME_STOP
        # An exit that waits already stands: asked anew, its rest would never come of age.
        under_exit = position.waiting is not None and position.waiting.order.kind in EXITS
        if kind is not None and not under_exit:
            state.wait(i, kind, -position.units)


def _kind_at(state: State, position: Position, close: float) -> int | None:
    side = 1 if position.units > 0 else -1
    stop, kind = _stop(state, position)
    if side * close <= side * stop:
        return kind
    return kt.TAKE_PROFIT if side * close >= side * _target(state, position) else None
