# mypy: allow-untyped-defs
"""The arithmetic of a fill's costs: slippage, commission, exchange and regulatory fees."""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel

# What a size does to a price is cut here: a sale for nothing would divide by it later.
WORST = 0.9999


@kernel(plain=True)
def impact_term(shares, impact, adv, power):
    """The part of slippage that grows with size; without a known volume the worst there is."""
    if impact == 0.0:
        return 0.0
    if not adv > 0.0:
        return WORST
    share = shares / adv
    if power == 1.0:
        return impact * share
    if power == 0.5:
        return impact * np.sqrt(share)
    return impact * share**power


@kernel(plain=True)
def slippage(shares, spread, impact, impact2, adv, power, power2):
    """Fraction of the price that a fill of ``shares`` > 0 gives away, at most 0.9999."""
    s = spread
    if impact != 0.0 or impact2 != 0.0:
        s += impact_term(shares, impact, adv, power) + impact_term(shares, impact2, adv, power2)
    return min(s, WORST)


@kernel(plain=True)
def fill_price(reference, units, s):
    """Price per share of a fill: buys above the reference price, sales below."""
    return reference * (1.0 + s) if units > 0.0 else reference * (1.0 - s)


@kernel(plain=True)
def commission(shares, value, schedule, row):
    """Commission of an order of so many shares worth ``value``, both >= 0. Maxima win over the minimum."""
    if shares == 0.0:
        return 0.0
    fee = schedule[row, 1] + schedule[row, 2] * shares + schedule[row, 3] * value
    fee = max(fee, schedule[row, 4])
    fee = min(fee, schedule[row, 5] * value)
    return min(fee, schedule[row, 6])


@kernel(plain=True)
def schedule_row(volume, schedule):
    """The row of a commission schedule that holds after ``volume`` shares this month."""
    row = 0
    for k in range(1, schedule.shape[0]):
        if schedule[k, 0] <= volume:
            row = k
    return row


@kernel(plain=True)
def other_fees(units, shares, value, fees):
    """Exchange and regulatory fees of one fill; ``fees`` is a row of ``World.fees``."""
    total = fees[3] * shares
    if units < 0.0:
        total += fees[0] * value + min(fees[1] * shares, fees[2])
    return total
