"""Where, when and how much of an order is filled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantlab.core import Bars, InputError, as_panel
from quantlab.execution import _kernel_types as k
from quantlab.execution._demand import at_most, choice, demand, positive, values_at, whole
from quantlab.execution._value import Value

# The average price of a bar is known when the bar is over: what happens inside the bar comes first.
_AT = {"next_open": k.AT_OPEN, "next_close": k.AT_CLOSE, "vwap": k.AT_CLOSE, "same_close": k.SAME_CLOSE}


@dataclass(frozen=True, slots=True, eq=False)
class Fill(Value):
    """Where, when and how much of an order is filled.

    Parameters
    ----------
    at : "next_open" | "next_close" | "vwap" | "same_close"
        The reference price of rebalancing and market orders: the open or the close of the bar after the decision, its
        average price (``prices``), or the very close of the decision, which looks ahead and is flagged.
    prices : PanelLike (T, N), currency per share > 0
        The average prices of ``at="vwap"``, and of it alone; NaN is a bar without one. Such orders are booked at the
        end of the bar. Who has none passes ``fill="vwap"`` instead, and trades at an estimate.
    delay : int >= 1, bars
        A decision is acted upon that many bars later.
    sizing : "decision" | "fill"
        Weights become shares at the closes and the equity of the decision, as a live order must, or at the reference
        prices and the equity of the fill.
    participation : float in (0, 1], fraction of the bar's volume, or None
        The most that is filled on one bar. None sets no limit.
    carry : int >= 0, bars
        How many more bars the rest of a rebalancing order lives after one that participation cut.

    Raises
    ------
    InputError, KindError
        For an unknown word, a number out of its range, ``prices`` without "vwap" or the other way round, or a carry
        that nothing can need.

    Examples
    --------
    >>> Fill("next_close", participation=0.025, carry=2).numbers()
    {'at': 1, 'size_at_fill': 0, 'participation': 0.025, 'carry': 2}
    """

    at: str = "next_open"
    prices: Any = field(default=None, kw_only=True)
    delay: int = field(default=1, kw_only=True)
    sizing: str = field(default="decision", kw_only=True)
    participation: float | None = field(default=None, kw_only=True)
    carry: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        choice(self.at, tuple(_AT), "Fill at")
        if (self.at == "vwap") != (self.prices is not None):
            raise InputError(
                f'Fill has {"no" if self.prices is None else "its own"} prices and fills at "{self.at}".',
                hint='pass `prices` with `at="vwap"`, and only then.',
            )
        if self.prices is not None:
            panel = as_panel(self.prices, name="prices")
            demand((panel.values > 0) & np.isfinite(panel.values), panel, "Fill prices", "a price must be positive")
            object.__setattr__(self, "prices", panel)
        object.__setattr__(self, "delay", whole(self.delay, "Fill delay", "bars", low=1))
        choice(self.sizing, ("decision", "fill"), "Fill sizing")
        if self.participation is not None:
            fraction = positive(self.participation, "Fill participation", "a fraction of the volume")
            limit = at_most(fraction, 1.0, "Fill participation", "a fraction of the volume", hint="write 0.1 for 10 %.")
            object.__setattr__(self, "participation", limit)
        object.__setattr__(self, "carry", whole(self.carry, "Fill carry", "bars", low=0))
        if self.carry and self.participation is None:
            raise InputError("Fill carry needs participation: without a limit nothing is left over.")

    def numbers(self) -> dict[str, Any]:
        """Return the fields of ``Terms`` that depend on it, by name; ``delay`` is a shift of the decision rows."""
        return {
            "at": _AT[self.at],
            "size_at_fill": int(self.sizing == "fill"),
            "participation": 0.0 if self.participation is None else self.participation,
            "carry": self.carry,
        }

    def reference(self, bars: Bars) -> np.ndarray:
        """Return ``World.reference``, (T, N), in the column order of the bars.

        Raises
        ------
        InputError
            When the bars have no open.
        LabelError
            When ``prices`` lack a date or symbol of the bars.
        """
        if self.at == "vwap":
            return values_at(self.prices, bars.dates, bars.symbols, "Fill prices")
        return bars.demand("open" if self.at == "next_open" else "close").values
