"""``Bps``: a fraction that says its unit."""

from __future__ import annotations

from dataclasses import dataclass

from quantlab.core import Bars
from quantlab.execution._demand import number
from quantlab.execution._slippage_terms import SlippageTerms, flat
from quantlab.execution._value import Value


@dataclass(frozen=True, slots=True, eq=False)
class Bps(Value):
    """A fraction given in basis points: ``Bps(5)`` is 0.0005.

    As a commission it is charged on the trade's value; as slippage every fill is worse than its reference price by it.

    Parameters
    ----------
    value : float >= 0, basis points

    Raises
    ------
    InputError
        When the value is negative or not finite.

    Examples
    --------
    >>> Bps(5).fraction
    0.0005
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", number(self.value, "Bps", "basis points"))

    @property
    def fraction(self) -> float:
        """The value as a fraction."""
        return self.value / 10_000

    def terms(self, bars: Bars) -> SlippageTerms:
        """Return the slippage that all trades have alike."""
        return flat(self.fraction, bars.shape[1])
