"""How a number is written on the page. The page shows rounded text and carries the exact number beside it.

A unit decides: fractions are written in percent, currency with thousands separators, counts whole, ratios with two
decimals.
"""

from __future__ import annotations

import math
from typing import Any

MINUS, THIN = "\u2212", "\u202f"
MISSING = "\u2013"


def show(value: Any, unit: str = "") -> str:
    r"""Return a value as people read it.

    Parameters
    ----------
    value : float, int, str, bool or None
        None and NaN are missing: an en dash.
    unit : str
        "fraction" and "fraction per year" (0.07 is 7 %), "currency", "bars", "count", "basis points" (of a fraction),
        "cell" (percent without its sign), "plain" (no separators), or any other word, which leaves two decimals, three
        below a hundredth. Text stays as it is.

    Examples
    --------
    >>> show(0.0712, "fraction"), show(1234567.8, "currency"), show(252, "bars"), show(0.5, "ratio")
    ('7.12\u202f%', '1,234,568', '252', '0.50')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return _number(value, unit).replace("-", MINUS)


def _number(value: float, unit: str) -> str:
    if unit.startswith("fraction"):
        percent = 100.0 * value
        return f"{_small(percent):,.{_places(percent)}f}{THIN}%"
    if unit == "cell":
        # A month in a narrow cell: percent, as the caption says, and no decimal where it would not fit.
        percent = round(100.0 * value, 1)
        return f"{_small(percent):,.{0 if abs(percent) >= 100 else 1}f}"
    if unit == "currency":
        return f"{_small(value):,.0f}" if abs(value) >= 1000 else f"{_small(value):,.2f}"
    if unit == "basis points":
        return f"{_small(1e4 * value):,.1f}"
    if unit in ("bars", "count"):
        return f"{value:,.0f}"
    if unit == "plain":
        return f"{value:.12g}"
    # A ratio of 0.000036 is none: more digits would say that somebody knows them.
    places = _places(value, most=3)
    return f"{_small(round(value, places)):,.{places}f}"


def _places(value: float, *, most: int = 6) -> int:
    """Two decimals; none from a thousand on, and more where two would show nothing of a small number."""
    size = abs(value)
    if size >= 1000:
        return 0
    return 2 if size == 0 or size >= 0.01 else min(most, 1 - math.floor(math.log10(size)))


def _small(value: float) -> float:
    # -0.0 prints a minus sign in front of nothing.
    return value + 0.0 if value else 0.0
