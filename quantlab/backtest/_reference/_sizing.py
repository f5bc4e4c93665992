"""Section "Sizing", weights: from target weights to changes of positions, all from one equity and one set of prices.

The order of the columns plays no part: every rule looks at all names at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from quantlab.backtest._reference._costs import costs_of
from quantlab.backtest._reference._margin import initial, initial_fraction, requirement, shares_to_borrow
from quantlab.backtest._reference._rounding import sign, total
from quantlab.backtest._reference._state import EXITS, State
from quantlab.execution import _kernel_types as kt

__all__ = ["View", "changes_at", "size", "tradable"]


@dataclass(frozen=True, slots=True)
class View:
    """From where a decision is sized: the bar's close, or with size_at_fill the reference prices of the fill.

    ``prices`` are marks where there is no price; ``row`` is the bar whose impact row prices the trades.
    """

    prices: list[float]
    tradable: list[bool]
    equity: float
    row: int


@dataclass(slots=True)
class Plan:
    """Targets on their way through the rules: ``weight`` per name, ``held`` as a weight, who is left alone, and by the
    status of what a target was ``cut``.
    """

    held: list[float]
    weight: list[float]
    alone: set[int] = field(default_factory=set)
    cut: dict[int, int] = field(default_factory=dict)


def tradable(state: State, prices: list[float]) -> list[bool]:
    """Return who has a price, is alive, and is not under an exit."""
    return [
        not math.isnan(prices[i])
        and not position.dead
        and not (position.waiting is not None and position.waiting.order.kind in EXITS)
        for i, position in enumerate(state.positions)
    ]


def size(state: State, weights: list[float], view: View) -> tuple[list[float], bool, dict[int, int]]:
    """Return the changes in units, whether they can be afforded, and the status of what made a target smaller.

    Untradable names and names left alone have a change of 0. What cannot be afforded is shown for the whole equity.
    """
    held = [
        position.units * state.worth(i, view.prices[i]) / view.equity if position.units else 0.0
        for i, position in enumerate(state.positions)
    ]
    plan = Plan(held, list(weights))
    movers = [i for i, can in enumerate(view.tradable) if can]
    _make_room(state, plan, view)
    _bands(state, plan, movers)
    _part_and_turnover(state, plan, movers)
    for i in _moving(plan, movers):
        if plan.weight[i] != 0.0 and abs(plan.weight[i] - held[i]) * view.equity < state.terms.smallest:
            plan.alone.add(i)
    _borrowable(state, plan, _moving(plan, movers), view)
    _initial_margin(state, plan, movers, view)
    if state.stopped >= 0:
        return [0] * len(weights), True, {}

    moving = _moving(plan, movers)
    x = _affordable(state, plan, moving, view)
    if x is None:
        return changes_at(state, plan.weight, moving, view, view.equity), False, {}
    for i in moving:
        weight = plan.weight[i]
        lot = state.terms.step * state.worth(i, view.prices[i])
        if weight != 0.0 and abs(weight) * x < lot:
            state.ledger.count(kt.COUNT_BELOW_ONE_LOT, view.row, i)
    return changes_at(state, plan.weight, moving, view, x), True, plan.cut


def _moving(plan: Plan, movers: list[int]) -> list[int]:
    return [i for i in movers if i not in plan.alone]


def _make_room(state: State, plan: Plan, view: View) -> None:
    """Rule 1: per side, what cannot be traded takes its room from the targets of the others."""
    if not state.terms.make_room:
        return
    names = range(len(plan.weight))
    for side in (1, -1):
        stuck = total(abs(plan.held[i]) for i in names if not view.tradable[i] and sign(plan.held[i]) == side)
        wanted = total(abs(plan.weight[i]) for i in names if sign(plan.weight[i]) == side)
        movable = [i for i in names if view.tradable[i] and sign(plan.weight[i]) == side]
        targets = total(abs(plan.weight[i]) for i in movable)
        if stuck > 0.0 and targets > 0.0:
            for i in movable:
                plan.weight[i] *= min(max(0.0, wanted - stuck) / targets, 1.0)


def _bands(state: State, plan: Plan, movers: list[int]) -> None:
    """Rule 2: a name close to its target is left alone; outside, the trade may end at the edge."""
    terms = state.terms
    if terms.band <= 0.0 and terms.relative_band <= 0.0:
        return
    for i in movers:
        held, weight = plan.held[i], plan.weight[i]
        width = max(terms.band, terms.relative_band * abs(weight))
        if weight == 0.0:
            continue
        if abs(held - weight) <= width:
            plan.alone.add(i)
        elif terms.to_edge:
            plan.weight[i] = weight + sign(held - weight) * width


def _part_and_turnover(state: State, plan: Plan, movers: list[int]) -> None:
    """Rules 3 and 4: a part of the way, and no further than the turnover allows."""
    moving, held, weight = _moving(plan, movers), plan.held, plan.weight
    if state.terms.part < 1.0:
        for i in moving:
            weight[i] = held[i] + state.terms.part * (weight[i] - held[i])
    way = total(abs(weight[i] - held[i]) for i in moving)
    if way > state.terms.turnover:
        for i in moving:
            weight[i] = held[i] + (weight[i] - held[i]) * state.terms.turnover / way


def _borrowable(state: State, plan: Plan, moving: list[int], view: View) -> None:
    """Rule 6: no new short beyond the shares that can be borrowed; one that is there may stay."""
    for i in moving:
        price = view.prices[i] * state.rate(i)
        least = -(shares_to_borrow(state, i, view.equity) * price / view.equity)
        least = min(least, plan.held[i], 0.0)
        if plan.weight[i] < least:
            plan.weight[i] = least
            plan.cut[i] = kt.UNBORROWABLE
            state.ledger.count(kt.COUNT_UNBORROWABLE, view.row, i)


def _initial_margin(state: State, plan: Plan, movers: list[int], view: View) -> None:
    """Rule 7: the initial requirement of the targets and the requirement of the others fit into the equity."""
    terms = state.terms
    if terms.margin_model == kt.NO_MARGIN:
        return
    weight = {i: plan.held[i] if i in plan.alone else plan.weight[i] for i in movers}
    others = [0 if view.tradable[i] else position.units for i, position in enumerate(state.positions)]
    free = 1 - requirement(state, others, view.prices) / view.equity
    moving = _moving(plan, movers)

    if terms.margin_model == kt.PORTFOLIO:
        book = [
            weight.get(i, 0.0) * view.equity / state.worth(i, view.prices[i]) if weight.get(i) else 0.0
            for i in range(len(plan.weight))
        ]
        needed = initial(state, book, view.prices, view.equity) / view.equity
        factor = free / needed if needed > 0.0 else 1.0
    else:
        parts = {i: initial_fraction(state, i, w, view.prices[i], view.equity) * abs(w) for i, w in weight.items() if w}
        needed = total(parts.values())
        theirs = total(part for i, part in parts.items() if i in plan.alone)
        ours = total(part for i, part in parts.items() if i not in plan.alone)
        factor = (free - theirs) / ours if ours > 0.0 else 1.0
    if needed <= free * (1 + 1e-9) or needed == 0.0:
        return

    if terms.buying_power == kt.STRICT:
        state.stopped = state.t
    elif terms.buying_power == kt.SCALE:
        for i in moving:
            plan.weight[i] *= max(factor, 0.0)
            plan.cut[i] = kt.MARGIN_REJECTED
        state.ledger.count(kt.COUNT_MARGIN_SCALED, view.row)
    else:
        for i in moving:
            held, wanted = plan.held[i], plan.weight[i]
            # Between flat and what is held nothing opens.
            kept = min(max(wanted, min(held, 0.0)), max(held, 0.0))
            if kept != wanted:
                plan.weight[i] = kept
                plan.cut[i] = kt.MARGIN_REJECTED
                if kept == held:
                    plan.alone.add(i)
                    state.ledger.order(view.row, i, kt.REBALANCE, kt.MARGIN_REJECTED, math.nan, state.positions[i].mark)
                else:
                    state.ledger.count(kt.COUNT_MARGIN_REJECTED, view.row, i)


def changes_at(state: State, weights: list[float], moving: list[int], view: View, x: float) -> list[float]:
    """Return target less held in units, for weights of the equity x."""
    changes: list[float] = [0] * len(weights)
    for i in moving:
        worth, units = state.worth(i, view.prices[i]), state.positions[i].units
        change = state.lots(weights[i] * x / worth) - units
        tiny = state.terms.step == 0 and abs(change) * worth < 1e-9 * view.equity
        if not (tiny and weights[i] != 0.0):
            changes[i] = change
    return changes


def _affordable(state: State, plan: Plan, moving: list[int], view: View) -> float | None:
    """Rule 8: return the greatest x tried that leaves its own costs, None where none does."""
    equity = view.equity

    def cost(x: float) -> float:
        changes = changes_at(state, plan.weight, moving, view, x)
        return costs_of(state, [(i, change) for i, change in enumerate(changes) if change], view.prices, view.row)

    best, x, before = -1.0, equity, None
    for _ in range(8):
        charged = cost(x)
        if x + charged <= equity * (1 + 1e-12):
            best = max(best, x)
        slope = 0.0
        if before is not None:
            slope = min(max((charged - before[1]) / (x - before[0]), 0.0), 1.0)
        following = max((equity - charged + slope * x) / (1 + slope), 0.0)
        if abs(following - x) <= 1e-12 * equity:
            break
        before, x = (x, charged), following
    if best <= 0.0:
        best = max(best, _bisect(equity, cost))
    if best < 0.0 or (best == 0.0 and any(plan.weight[i] != 0.0 for i in moving)):
        return None
    return best


def _bisect(equity: float, cost: Callable[[float], float]) -> float:
    """Return the x up to which everything fits, if it is more than a size at which nothing trades; else -1."""
    low, high, spent = 0.0, equity, 0.0
    for _ in range(60):
        x = 0.5 * (low + high)
        charged = cost(x)
        if x + charged <= equity * (1 + 1e-12):
            low, spent = x, x + charged
        else:
            high = x
    return low if spent >= 0.999 * equity and low > 0.001 * equity else -1.0
