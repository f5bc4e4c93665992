"""``Estimate``: one number with its uncertainty, its convention, and the reason when there is no number.

Every metric, bootstrap and significance test returns one. Two things can be missing and are told apart:

* the **value** is undefined (too few bars, no variation, ruin): ``value`` is NaN and ``reason`` says why;
* the value is defined and the **interval** is not: ``reason`` is "", ``method`` is "none", ``low`` and ``high`` are
NaN, and
  ``details["no_interval"]`` says why.

No field is ever infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from statistics import NormalDist
from typing import Any

import numpy as np

from quantlab.core import InputError

_NUMBERS = ("value", "se", "low", "high", "level")
# Below it two decimals hide a number.
_FINE = 0.01


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Estimate:
    """One number with its uncertainty.

    Parameters
    ----------
    name : str
        What was measured.
    value : float
        The number; NaN when it is undefined.
    se : float
        Standard error, in the unit of ``value``; NaN when unknown.
    low, high : float
        Bounds of the interval; NaN when unknown. The interval need not be symmetric.
    level : float in (0, 1)
        Coverage that the interval aims at.
    n : int
        Observations used: rows with NaN were dropped before.
    method : str
        How the interval was made: "Lo-Mertens", "stationary percentile", ... or "none".
    convention : str
        The choices that other libraries make differently (divisor, annualization, sign).
    unit : str
        "fraction" (0.07 is 7 %), "fraction per year", "ratio", "bars", ...
    reason : str
        Why the value is undefined; "" when it is defined.
    details : dict
        Further facts: dates, dropped rows, block length, seed, and under "no_interval" why there is none.
    draws : numpy.ndarray (reps,) or None
        The resampled values behind the interval; left out of ``repr``, ``==`` and ``to_dict``.

    Raises
    ------
    InputError
        When a field is infinite, when ``level`` lies outside (0, 1), or when the value is NaN and no reason is given.

    Examples
    --------
    >>> sharpe = Estimate("sharpe", 0.71, se=0.2, low=0.31, high=1.12, n=5040, method="Lo-Mertens", unit="ratio")
    >>> sharpe
    sharpe 0.71 [0.31, 1.12] (95 %, Lo-Mertens, n=5040)
    >>> float(sharpe) > 0.5
    True
    >>> Estimate("sharpe", float("nan"), n=1, reason="needs 2 observations")
    sharpe undefined: needs 2 observations (n=1)
    """

    name: str
    value: float
    se: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    n: int = 0
    method: str = "none"
    convention: str = ""
    unit: str = ""
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    draws: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            number = float(getattr(self, name))
            if math.isinf(number):
                raise InputError(f"`{name}` of {self.name} must be finite or NaN, received {number}.")
            object.__setattr__(self, name, number)
        normal_quantile(self.level)
        if math.isnan(self.value) == (self.reason == ""):
            raise InputError(
                f"An Estimate has either a value or a reason, and {self.name} has value {self.value} and reason "
                f"{self.reason!r}."
            )
        if self.draws is not None and self.draws.flags.writeable:
            draws = np.array(self.draws, dtype=np.float64)
            draws.setflags(write=False)
            object.__setattr__(self, "draws", draws)

    def __float__(self) -> float:
        return self.value

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Estimate) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.reason:
            return f"{self.name} undefined: {self.reason} (n={self.n})"
        # A value of 0.0003 has bounds of its size: two decimals would show none of the three.
        fine = 0 < abs(self.value) < _FINE
        number = show(self.value, self.unit, fine=fine)
        if self.method == "none":
            return f"{self.name} {number} (no interval, n={self.n})"
        low, high = (show(bound, self.unit, fine=fine) for bound in (self.low, self.high))
        return f"{self.name} {number} [{low}, {high}] ({100 * self.level:g} %, {self.method}, n={self.n})"

    def to_dict(self) -> dict[str, Any]:
        """Return every field but ``draws`` as plain JSON values; NaN becomes None.

        Examples
        --------
        >>> Estimate("skew", -0.5, n=100).to_dict()["se"] is None
        True
        """
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self) if item.name != "draws"}


def normal_quantile(level: float) -> float:
    """Return the two-sided normal quantile of ``level``: 1.96 for 0.95.

    Raises
    ------
    InputError
        When ``level`` lies outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"`level` must lie strictly between 0 and 1, received {level}.", hint="95 % is `level=0.95`.")
    return NormalDist().inv_cdf(0.5 + level / 2)


def show(value: float, unit: str, *, fine: bool = False) -> str:
    """Return a number as people write it: fractions in percent, bars whole, the rest with two decimals.

    With ``fine`` the rest has three significant digits instead.
    """
    if math.isnan(value):
        return "nan"
    sign, number = (" %", 100 * value) if unit.startswith("fraction") else ("", value)
    if abs(number) >= 1e7:
        return f"{number:.3g}{sign}"
    if fine and not sign and unit != "bars":
        return f"{number:.3g}"
    return f"{number:,.0f}{sign}" if unit == "bars" else f"{number:,.2f}{sign}"


def _plain(value: Any) -> Any:
    """The value in types that JSON knows."""
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, (np.bool_, np.integer)):
        return value.item()
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, int) else str(value)
