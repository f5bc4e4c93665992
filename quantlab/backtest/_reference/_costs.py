"""What a trade costs: "Price of a fill", "Commission" and "Fees" of section 3, and their estimate at a decision."""

from __future__ import annotations

import math

from quantlab.backtest._reference._rounding import total
from quantlab.backtest._reference._state import State

__all__ = ["commission", "expected_cost", "fees", "month_shares", "slippage"]

# A price never falls to zero by slippage.
MOST = 0.9999


def slippage(state: State, i: int, shares: float, row: int) -> float:
    """Return the fraction by which a trade of so many shares worsens its price, by the row of the decision."""
    spread, adv = state.market.row("spread", row)[i], state.market.row("adv", row)[i]
    first = _impact(state.market.row("impact", row)[i], shares, adv, state.terms.power)
    second = _impact(state.market.row("impact2", row)[i], shares, adv, state.terms.power2)
    return min(spread + first + second, MOST)


def _impact(impact: float, shares: float, adv: float, power: float) -> float:
    if impact == 0.0:
        return 0.0
    if math.isnan(impact) or math.isnan(adv) or adv == 0.0:
        return MOST
    return float(impact * (shares / adv) ** power)


def worsened(reference: float, units: float, slip: float) -> float:
    """Return the price of a fill: a buy pays more, a sale receives less."""
    return reference * (1 + slip) if units > 0 else reference * (1 - slip)


def month_shares(state: State) -> float:
    """Return the shares traded in this bar's month so far."""
    return state.month_shares if state.month == state.market.number("month", state.t) else 0.0


def commission(state: State, shares: float, value: float) -> float:
    """Return the commission on an order that has filled so many shares worth ``value``; maxima win over the minimum."""
    if shares == 0.0:
        return 0.0
    traded = month_shares(state)
    schedule = [row for row in state.terms.commission.tolist() if row[0] <= traded]
    _, fixed, per_share, rate, minimum, maximum_fraction, maximum_cash = schedule[-1]
    fee = max(fixed + per_share * shares + rate * value, minimum)
    most = maximum_fraction * value if value else 0.0
    return float(min(fee, most, maximum_cash))


def fees(state: State, units: float, value: float) -> float:
    """Return exchange and regulatory fees on one fill."""
    on_sales, per_share_sold, maximum, per_share_all = state.now("fees")
    shares = abs(units) * state.terms.unit
    charged = per_share_all * shares
    if units < 0:
        charged += on_sales * value + min(per_share_sold * shares, maximum)
    return float(charged)


def expected_cost(state: State, i: int, change: float, price: float, row: int) -> float:
    """Return what a change of position would cost at a price, in the account's currency."""
    if change == 0:
        return 0.0
    shares = abs(change) * state.terms.unit
    slip = slippage(state, i, shares, row)
    value = shares * worsened(price, change, slip)
    charged = [shares * price * slip, commission(state, shares, value), fees(state, change, value)]
    return total(charged) * state.rate(i)


def costs_of(state: State, changes: list[tuple[int, float]], prices: list[float], row: int) -> float:
    """Return the expected cost of all changes together."""
    return total(expected_cost(state, i, change, prices[i], row) for i, change in changes)
