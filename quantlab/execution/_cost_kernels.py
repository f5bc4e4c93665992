# mypy: allow-untyped-defs
"""The arithmetic of a fill's costs, stepped by the backtest kernel."""

from __future__ import annotations

from quantlab.core import kernel


@kernel(plain=True)
def commission(shares, value, per_share, rate, minimum, maximum_fraction, maximum_cash):
    """Commission of one order in currency; ``shares`` and ``value`` are absolute. Maxima win over the minimum."""
    if shares == 0.0:
        return 0.0
    fee = per_share * shares + rate * value
    fee = max(fee, minimum)
    fee = min(fee, maximum_fraction * value)
    return min(fee, maximum_cash)


@kernel(plain=True)
def fill_price(reference, shares, slippage):
    """Price per share of a fill: buys above the reference price, sells below."""
    if shares > 0.0:
        return reference * (1.0 + slippage)
    return reference * (1.0 - slippage)
