"""The order of events of one bar: docs/engine.md from "Order of events at bar t" on, one call per step."""

from __future__ import annotations

import math

from quantlab.backtest._reference._actions import act
from quantlab.backtest._reference._decisions import decide, size_at_fill
from quantlab.backtest._reference._exits import exit_at_close, exit_inside
from quantlab.backtest._reference._fills import fill_book_orders, open_room
from quantlab.backtest._reference._financing import finance
from quantlab.backtest._reference._margin import buy_in, call, requirement
from quantlab.backtest._reference._rounding import total
from quantlab.backtest._reference._state import State
from quantlab.backtest._reference._tickets import expire, fill_at_close, fill_at_once, fill_at_open, fill_inside
from quantlab.execution import _kernel_types as kt
from quantlab.execution._kernel_types import Tickets

__all__ = ["day"]


def day(state: State, row: list[float] | None, tickets: Tickets) -> None:
    """Take the book from the close before to the close of bar t; ``row`` is what is decided at that close, if any."""
    finance(state)
    act(state)
    open_room(state)

    _fill_at_the_open(state)
    if state.ruined >= 0 or state.stopped >= 0:
        return
    fill_inside(state)
    exit_inside(state)
    _fill_at_the_close(state)
    expire(state)
    if state.stopped >= 0:
        return

    _change_currencies(state)
    equity = _mark(state)
    if state.ruined >= 0:
        return
    exit_at_close(state)
    decide(state, row, tickets, equity)
    if state.stopped >= 0:
        return
    buy_in(state)
    call(state, equity)
    if state.terms.at == kt.SAME_CLOSE:
        fill_book_orders(state, row=state.t)
        fill_at_once(state)
        _change_currencies(state)
        _value(state)
        if state.ruined >= 0:
            return
    if state.t == state.market.bars - 1:
        _end_of_bars(state)


def _fill_at_the_open(state: State) -> None:
    if state.terms.at == kt.AT_OPEN:
        size_at_fill(state)
        fill_book_orders(state, opened=True, row=state.t - 1)
    fill_at_open(state)
    opens = state.now("open")
    owes = min(state.cash) < 0.0 or min(state.receivable) < 0.0
    short = any(position.units < 0 for position in state.positions)
    if all(math.isnan(price) for price in opens) or not (owes or short):
        return
    prices = [
        position.mark if math.isnan(price) else price for price, position in zip(opens, state.positions, strict=True)
    ]
    equity = state.equity(prices)
    if equity <= 0.0:
        _ruin(state, prices, equity)


def _fill_at_the_close(state: State) -> None:
    if state.terms.at == kt.AT_CLOSE:
        size_at_fill(state)
        fill_book_orders(state, row=state.t - 1)
    fill_at_close(state)


def _change_currencies(state: State) -> None:
    """Section 4: change every foreign balance into the account's currency."""
    if not state.terms.convert:
        return
    for currency in range(1, len(state.cash)):
        amount = state.cash[currency] * state.now("fx")[currency]
        cost = abs(amount) * state.terms.conversion_cost
        state.cash[0] += amount - cost
        state.cash[currency] = 0.0
        state.book_money(kt.CONVERSION_COST, cost)


def _mark(state: State) -> float:
    """Section 5: take in the closes, and value the book. Return the equity."""
    for i, (position, close) in enumerate(zip(state.positions, state.now("close"), strict=True)):
        if not math.isnan(close):
            position.mark = close
        elif position.units:
            state.ledger.count(kt.COUNT_STALE_MARK, state.t, i)
    return _value(state)


def _value(state: State) -> float:
    """Write the values of the book on the tape; an equity of 0 or less is ruin."""
    marks, tape = state.marks(), state.ledger.tape[state.t]
    values = [(p.units, p.units * state.worth(i, marks[i])) for i, p in enumerate(state.positions) if p.units]
    equity = state.equity(marks)
    tape[kt.EQUITY] = equity
    tape[kt.CASH] = state.cash_in_base()
    tape[kt.RECEIVABLE] = state.receivable_in_base()
    tape[kt.LONG] = total(value for units, value in values if units > 0)
    tape[kt.SHORT] = total(-value for units, value in values if units < 0)
    tape[kt.REQUIREMENT] = requirement(state, state.units(), marks)
    if equity <= 0.0:
        _ruin(state, marks, equity)
    return equity


def _ruin(state: State, prices: list[float], equity: float) -> None:
    """Close everything at the given prices, free of costs; what is left or owed becomes cash."""
    state.ruined = state.t
    state.ledger.count(kt.COUNT_RUIN, state.t)
    for ticket in state.working():
        state.end(ticket, kt.ENDED)
    for i, position in enumerate(state.positions):
        if position.waiting is not None:
            state.end(position.waiting, kt.ENDED)
        if position.units:
            order = state.ledger.order(state.t, i, kt.RUIN, kt.LIQUIDATED, -position.units, prices[i])
            state.ledger.fill(order, state.t, -position.units, prices[i], prices[i], 0.0, 0.0, 0.0)
            state.book_money(kt.TRADED, abs(position.units) * state.worth(i, prices[i]))
            position.units = 0
            position.forget_entry()
    state.cash = [equity] + [0.0] * (len(state.cash) - 1)
    state.receivable = [0.0] * len(state.cash)
    tape = state.ledger.tape[state.t]
    tape[: kt.REQUIREMENT + 1] = 0.0
    tape[kt.EQUITY] = tape[kt.CASH] = equity


def _end_of_bars(state: State) -> None:
    """Step 6 of section 6: on the last bar every order stays without a next one."""
    for position in state.positions:
        if position.waiting is not None:
            state.end(position.waiting, kt.NO_NEXT_BAR)
    for ticket in state.working():
        if ticket.order.decided == state.t:
            state.end(ticket, kt.NO_NEXT_BAR)
    if state.unsized is not None:
        for i, (weight, position) in enumerate(zip(state.unsized, state.positions, strict=True)):
            if weight != 0.0 or position.units:
                state.ledger.order(state.t, i, kt.REBALANCE, kt.NO_NEXT_BAR, math.nan, position.mark)
