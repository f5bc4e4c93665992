"""How amounts become units: the two roundings of "Quantities" in docs/engine.md, and their mirror that rounds up.

In whole-share accounts units are Python integers, so that fills add up exactly whatever their number. In a fractional
account nothing is rounded and units are floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from quantlab.execution._kernel_types import Terms

__all__ = ["lots", "lots_up", "sign", "total", "whole"]

TOLERANCE = 1e-9


def sign(x: float) -> int:
    """Return -1, 0 or 1."""
    return (x > 0) - (x < 0)


def total(amounts: Iterable[float]) -> float:
    """Return the sum, rounded once."""
    return math.fsum(amounts)


def whole(x: float, terms: Terms) -> float:
    """Return whole units toward zero; 2.9999999999 is three. In a fractional account, x itself."""
    if terms.step == 0:
        return float(x)
    return sign(x) * math.floor(abs(x) + TOLERANCE)


def lots(x: float, terms: Terms) -> float:
    """Return whole lots toward zero, in units. In a fractional account, x itself."""
    if terms.step == 0:
        return float(x)
    return sign(x) * math.floor(abs(x) / terms.step + TOLERANCE) * int(terms.step)


def lots_up(x: float, terms: Terms) -> float:
    """Return the fewest whole lots that are not below x >= 0, in units. In a fractional account, x itself."""
    if terms.step == 0:
        return float(x)
    return math.ceil(x / terms.step - TOLERANCE) * int(terms.step)
