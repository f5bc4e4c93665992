"""All costs of a book in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.core import Bars, InputError, KindError
from quantlab.execution._borrow import Borrow
from quantlab.execution._bps import Bps
from quantlab.execution._commissions import Commission, PerShare, PerTrade, Proportional, Tiered, schedule
from quantlab.execution._fees import Fees
from quantlab.execution._slippage import SLIPPAGES, Slippage
from quantlab.execution._slippage_terms import SlippageTerms
from quantlab.execution._value import Value


@dataclass(frozen=True, slots=True, eq=False)
class Costs(Value):
    """All costs of a book.

    Parameters
    ----------
    commission : PerShare | Proportional | PerTrade | Tiered | Bps | None
        Bps is a proportional commission without limits. None is free.
    slippage : Bps | Spread | VolatilitySlippage | SquareRootImpact | VolumeShare | Almgren
        How much worse than its reference price a fill is: buys above, sells below. Bps is the same for every trade.
    borrow : Borrow | None
        Fee on short positions. None is free and knows no scarcity, whatever ``bars.borrow`` says.
    fees : Fees | None
        Exchange and regulatory fees. None is free.

    Raises
    ------
    KindError
        When a part has another type.

    Examples
    --------
    >>> Costs(commission=Bps(10), slippage=Bps(5)).commission
    Proportional(rate=0.001, minimum=0.0, maximum=None)
    """

    commission: Commission | None = None
    slippage: Slippage = Bps(0.0)  # noqa: RUF009  # frozen
    borrow: Borrow | None = None
    fees: Fees | None = None

    def __post_init__(self) -> None:
        if isinstance(self.commission, Bps):
            object.__setattr__(self, "commission", Proportional(self.commission.fraction))
        if self.commission is not None and not isinstance(self.commission, (PerShare, Proportional, PerTrade, Tiered)):
            raise KindError(
                "`commission` must be PerShare, Proportional, PerTrade, Tiered, Bps or None, "
                f"received {type(self.commission).__name__}.",
                hint="write `ql.Bps(10)` for ten basis points of the trade's value.",
            )
        if not isinstance(self.slippage, SLIPPAGES):
            raise KindError(
                "`slippage` must be Bps, Spread, VolatilitySlippage, SquareRootImpact, VolumeShare or Almgren, "
                f"received {type(self.slippage).__name__}.",
                hint="write `ql.Bps(5)`.",
            )
        if isinstance(self.slippage, Bps) and self.slippage.fraction >= 1:
            raise InputError(f"`slippage` must be below 10,000 basis points, received {self.slippage.value:g}.")
        if self.borrow is not None and not isinstance(self.borrow, Borrow):
            raise KindError(
                f"`borrow` must be Borrow or None, received {type(self.borrow).__name__}.",
                hint="write `ql.Borrow(0.005)` for 0.5 % a year.",
            )
        if self.fees is not None and not isinstance(self.fees, Fees):
            raise KindError(
                f"`fees` must be Fees or None, received {type(self.fees).__name__}.",
                hint="write `ql.execution.us_equity_fees()`.",
            )

    def numbers(self) -> dict[str, Any]:
        """Return the fields of ``Terms`` that depend on the costs alone, by name.

        ``commission, dealer, recall, borrow_days``; the powers of slippage stand in ``slippage_terms``.
        """
        borrow = Borrow(0.0) if self.borrow is None else self.borrow
        return {
            "commission": schedule(self.commission),
            "dealer": int(borrow.convention == "dealer"),
            "recall": int(borrow.recall),
            "borrow_days": borrow.day_count,
        }

    def slippage_terms(self, bars: Bars) -> SlippageTerms:
        """Return spread, impacts, volume and powers, arrays (1|T, N) in the column order of the bars."""
        return self.slippage.terms(bars)

    def borrow_rows(self, bars: Bars, days: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return ``World.rate`` and ``World.available``, (1|T, N) each, in the column order of the bars.

        ``days`` are the sessions of the bars, (T,) datetime64[D]; left out, the days of their dates.
        """
        if self.borrow is None:
            return np.zeros((1, bars.shape[1])), np.full((1, bars.shape[1]), np.inf)
        return self.borrow.rows(bars, days)

    def fee_rows(self, dates: np.ndarray) -> np.ndarray:
        """Return ``World.fees``, (1|T, 4)."""
        return np.array([[0.0, 0.0, np.inf, 0.0]]) if self.fees is None else self.fees.table(dates)
