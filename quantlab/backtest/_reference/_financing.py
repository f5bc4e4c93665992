"""Section 1 of docs/engine.md: what the nights since the last bar cost, from the state of the close before."""

from __future__ import annotations

import math

from quantlab.backtest._reference._rounding import total
from quantlab.backtest._reference._state import State
from quantlab.execution import _kernel_types as kt

__all__ = ["finance"]


def finance(state: State) -> None:
    """Charge borrow fees and interest for the calendar days since the last bar."""
    days = state.market.number("days", state.t)
    if state.t == 0 or days <= 0:
        return
    # Both rest on the same evening: the interest is on the cash before the borrow fees of these nights.
    fees = _borrow_fees(state, days)
    interest = _interest(state, days)
    rates = state.now("fx")
    for i, fee in fees:
        currency = state.currency(i)
        state.cash[currency] -= fee
        state.book_money(kt.BORROW, fee * rates[currency])
        state.ledger.borrow[state.t][i] = fee * rates[currency]
    for currency, column, amount in interest:
        state.cash[currency] += -amount if column == kt.DEBIT_INTEREST else amount
        state.book_money(column, amount * rates[currency])


def _borrow_fees(state: State, days: int) -> list[tuple[int, float]]:
    terms = state.terms
    yearly = state.market.row("rate", state.t - 1)
    fees = []
    for i, position in enumerate(state.positions):
        if position.units >= 0:
            continue
        if math.isnan(yearly[i]):
            state.ledger.count(kt.COUNT_NO_BORROW_RATE, state.t, i)
            state.stopped = state.t
            continue
        price = math.ceil(1.02 * position.mark - 1e-9) if terms.dealer else position.mark
        shares = -position.units * terms.unit
        fees.append((i, shares * price * yearly[i] * days / terms.borrow_days))
    return fees


def _interest(state: State, days: int) -> list[tuple[int, int, float]]:
    """Return currency, column of the tape and amount of each interest."""
    terms = state.terms
    bands = state.market.row("interest", state.t - 1)
    amounts = []
    sold = [
        total(
            -position.units * terms.unit * position.mark
            for i, position in enumerate(state.positions)
            if position.units < 0 and state.currency(i) == currency
        )
        for currency in range(len(state.cash))
    ]
    # Short proceeds are collateral: neither a loan nor free cash. With convert they lie in the account's currency.
    proceeds = list(sold)
    if terms.convert:
        rates = state.market.row("fx", state.t - 1)
        proceeds = [total(shorts * rate for shorts, rate in zip(sold, rates, strict=True))] + [0.0] * (len(sold) - 1)
    for currency, (cash, shorts) in enumerate(zip(state.cash, sold, strict=True)):
        free = cash - proceeds[currency]
        for row, column, amount in (
            (0, kt.DEBIT_INTEREST, max(-free, 0.0)),
            (1, kt.CREDIT_INTEREST, max(free, 0.0)),
            (2, kt.SHORT_INTEREST, shorts),
        ):
            yearly = marginal(amount, terms.thresholds[currency][row].tolist(), bands[currency][row])
            if yearly:
                amounts.append((currency, column, yearly * days / terms.interest_days))
    return amounts


def marginal(amount: float, thresholds: list[float], rates: list[float]) -> float:
    """Return a year's interest: the part of the amount between two thresholds takes the rate of the lower one."""
    parts = []
    for k, (low, rate) in enumerate(zip(thresholds, rates, strict=True)):
        high = thresholds[k + 1] if k + 1 < len(thresholds) else math.inf
        if amount > low:
            parts.append((min(amount, high) - low) * rate)
    return total(parts)
