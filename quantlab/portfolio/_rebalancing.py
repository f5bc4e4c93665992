"""How far a decision goes towards its target weights, and when it is worth trading at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from quantlab.execution._demand import at_most, choice, number, positive
from quantlab.execution._value import Value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rebalancing(Value):
    """How far a decision goes towards its target weights, and when it is worth trading at all.

    In this order: names within their band are left alone, the others go part of the way, all trades together stay
    within the turnover, and the smallest are not sent. Weights are fractions of equity.

    Parameters
    ----------
    band : float >= 0, fraction of equity
        A holding that is at most this far from its target is left alone. A target of 0 is always traded.
    relative_band : float >= 0, fraction of the target
        The same, in proportion to the target; the wider of the two counts.
    to : "target" | "edge"
        Where a name outside of its band is traded to.
    part : float in (0, 1]
        How much of the way from the holding to the target one decision goes.
    turnover : float > 0, fraction of equity, or None
        The most that one decision trades, buys and sells together; beyond it all trades shrink alike. None sets no
        limit.
    smallest : float >= 0, currency of the account
        Trades of less value are not sent, unless the target is 0.
    check : "decision" | "bar"
        Test the bands at decisions alone, or at every close against the last target.

    Raises
    ------
    InputError, KindError
        When a number is out of its range or a word unknown.

    Notes
    -----
    With a band, trading to the edge is what proportional costs call for, and trading to the target what fixed costs do
    (Donohue and Yip 2003).

    References
    ----------
    Donohue, C. and Yip, K. (2003), Optimal portfolio rebalancing with transaction costs, Journal of Portfolio
    Management 29(4), 49-63.

    Examples
    --------
    >>> Rebalancing(band=0.02, to="edge", check="bar").numbers()["every_bar"]
    1
    """

    band: float = 0.0
    relative_band: float = 0.0
    to: str = "target"
    part: float = 1.0
    turnover: float | None = None
    smallest: float = 0.0
    check: str = "decision"

    def __post_init__(self) -> None:
        object.__setattr__(self, "band", number(self.band, "Rebalancing band", "a fraction of equity"))
        relative = number(self.relative_band, "Rebalancing relative_band", "a fraction of the target")
        object.__setattr__(self, "relative_band", relative)
        choice(self.to, ("target", "edge"), "Rebalancing to")
        part = positive(self.part, "Rebalancing part", "a fraction of the way")
        object.__setattr__(self, "part", at_most(part, 1.0, "Rebalancing part", "a fraction of the way"))
        if self.turnover is not None:
            most = positive(self.turnover, "Rebalancing turnover", "a fraction of equity; None sets no limit")
            object.__setattr__(self, "turnover", most)
        smallest = number(self.smallest, "Rebalancing smallest", "currency of the account")
        object.__setattr__(self, "smallest", smallest)
        choice(self.check, ("decision", "bar"), "Rebalancing check")

    def numbers(self) -> dict[str, Any]:
        """Return the fields of ``Terms`` that depend on it, by name."""
        return {
            "band": self.band,
            "relative_band": self.relative_band,
            "to_edge": int(self.to == "edge"),
            "part": self.part,
            "turnover": math.inf if self.turnover is None else self.turnover,
            "smallest": self.smallest,
            "every_bar": int(self.check == "bar"),
        }
