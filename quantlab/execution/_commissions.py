"""Commissions as values: per share, of the value, per order, and tiered by the month's volume.

Every commission becomes rows of ``Terms.commission``: from this many shares a month on; fixed; per share; rate;
minimum; maximum fraction; maximum cash. An order of q shares worth v then costs min(max(fixed + per_share * q + rate *
v, minimum), maximum_fraction * v, maximum_cash), in the asset's currency; its partial fills share the minimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.execution._bps import Bps
from quantlab.execution._demand import number
from quantlab.execution._value import Value

_HINT = "write `ql.Bps(10)` for ten basis points of the trade's value."


@dataclass(frozen=True, slots=True, eq=False)
class PerShare(Value):
    """A commission per share, with a minimum and a maximum per order.

    Parameters
    ----------
    rate : float >= 0, currency per share
    minimum : float >= 0, currency per order
    maximum : float >= 0, fraction of the trade's value, or None
        Wins over the minimum, as in Interactive Brokers' fixed schedule: 1,000 shares at 0.25 cost 2.50, not 5.00.

    Raises
    ------
    InputError
        When a number is negative or not finite.

    Examples
    --------
    The fixed schedule of Interactive Brokers for US stocks (its pricing page, read in 2025):

    >>> PerShare(0.005, minimum=1.0, maximum=0.01)
    PerShare(rate=0.005, minimum=1.0, maximum=0.01)
    """

    rate: float
    minimum: float = 0.0
    maximum: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", number(self.rate, "PerShare rate", "currency per share"))
        object.__setattr__(self, "minimum", number(self.minimum, "PerShare minimum", "currency per order"))
        if self.maximum is not None:
            fraction = number(self.maximum, "PerShare maximum", "a fraction of the trade's value")
            if fraction > 1:
                raise InputError(
                    f"PerShare maximum is a fraction of the trade's value, at most 1, received {fraction:g}.",
                    hint="write 0.01 for 1 %.",
                )
            object.__setattr__(self, "maximum", fraction)


@dataclass(frozen=True, slots=True, eq=False)
class Proportional(Value):
    """A commission proportional to the trade's value, with a minimum and a maximum per order.

    Parameters
    ----------
    rate : Bps, or float in [0, 1), fraction of the trade's value
    minimum : float >= 0, currency per order
    maximum : float >= minimum, currency per order, or None

    Raises
    ------
    InputError
        When a number is out of its range.

    Examples
    --------
    >>> Proportional(Bps(10), minimum=5.0).rate
    0.001
    """

    rate: float
    minimum: float = 0.0
    maximum: float | None = None

    def __post_init__(self) -> None:
        given: Any = self.rate
        rate = given.fraction if isinstance(given, Bps) else number(given, "Proportional rate", "a fraction")
        if rate >= 1:
            raise InputError(
                f"Proportional rate is a fraction of the trade's value below 1, received {rate:g}.",
                hint="write Bps(10) for ten basis points.",
            )
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "minimum", number(self.minimum, "Proportional minimum", "currency per order"))
        if self.maximum is not None:
            most = number(self.maximum, "Proportional maximum", "currency per order")
            if most < self.minimum:
                raise InputError(f"Proportional maximum {most:g} is below its minimum {self.minimum:g}.")
            object.__setattr__(self, "maximum", most)


@dataclass(frozen=True, slots=True, eq=False)
class PerTrade(Value):
    """A commission that every order costs, whatever its size.

    Parameters
    ----------
    amount : float >= 0, currency per order
        Partial fills of one order pay it once.

    Raises
    ------
    InputError
        When the amount is negative or not finite.

    Examples
    --------
    >>> PerTrade(4.95).amount
    4.95
    """

    amount: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", number(self.amount, "PerTrade amount", "currency per order"))


@dataclass(frozen=True, slots=True, eq=False, init=False, repr=False)
class Tiered(Value):
    """A commission that depends on how many shares the account has traded in the calendar month.

    Parameters
    ----------
    *tiers : (float, PerShare | Proportional | PerTrade | Bps)
        Shares a month from which on the commission holds, ascending from 0.

    Raises
    ------
    InputError
        When the tiers do not ascend from 0.
    KindError
        When a tier is no such pair.

    Notes
    -----
    A fill pays the tier that the month's earlier fills have reached; one that crosses a threshold is not divided, and
    the broker's own statement does divide it. The count starts anew with the month.

    Examples
    --------
    The tiered schedule of Interactive Brokers for US stocks (its pricing page, read in 2025; exchange, clearing and
    regulatory fees come on top, see :class:`Fees`). Share number 300,001 is the first of the second tier:

    >>> tiers = [(0, 0.0035), (300_000, 0.002), (3_000_000, 0.0015), (20_000_000, 0.001), (100_000_000, 0.0005)]
    >>> Tiered(*((start, PerShare(rate, minimum=0.35, maximum=0.01)) for start, rate in tiers)).tiers[1]
    (300000.0, PerShare(rate=0.002, minimum=0.35, maximum=0.01))
    """

    tiers: tuple[tuple[float, PerShare | Proportional | PerTrade], ...]

    def __init__(self, *tiers: tuple[float, PerShare | Proportional | PerTrade | Bps]) -> None:
        found: list[tuple[float, PerShare | Proportional | PerTrade]] = []
        for tier in tiers:
            if not isinstance(tier, (tuple, list)) or len(tier) != 2:
                raise KindError(
                    f"A tier of Tiered must be a pair of shares a month and a commission, received {tier!r}.",
                    hint="write `Tiered((0, PerShare(0.0035)), (300_000, PerShare(0.002)))`.",
                )
            start = number(tier[0], "Tiered threshold", "shares a month")
            rule = plain_commission(tier[1], f"The commission of Tiered from {start:g} shares on")
            found.append((start, rule))
        starts = [start for start, _ in found]
        if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise InputError(f"The thresholds of Tiered must ascend from 0 (shares a month), received {starts}.")
        object.__setattr__(self, "tiers", tuple(found))

    def __repr__(self) -> str:
        return f"Tiered({', '.join(repr(tier) for tier in self.tiers)})"


Commission = PerShare | Proportional | PerTrade | Tiered | Bps


def plain_commission(given: Any, what: str) -> PerShare | Proportional | PerTrade:
    """Return a commission of one tier; Bps become Proportional."""
    if isinstance(given, Bps):
        return Proportional(given)  # type: ignore[arg-type]  # taken and turned into a fraction there
    if isinstance(given, (PerShare, Proportional, PerTrade)):
        return given
    raise KindError(
        f"{what} must be PerShare, Proportional, PerTrade or Bps, received {type(given).__name__}.", hint=_HINT
    )


def schedule(commission: Commission | None) -> np.ndarray:
    """Return the rows of ``Terms.commission``, (K, 7): one without tiers, and zeros when trading is free.

    Examples
    --------
    >>> schedule(PerShare(0.005, minimum=1.0, maximum=0.01))
    array([[0.   , 0.   , 0.005, 0.   , 1.   , 0.01 ,   inf]])
    """
    if commission is None:
        return np.array([[0.0, 0.0, 0.0, 0.0, 0.0, math.inf, math.inf]])
    tiers = commission.tiers if isinstance(commission, Tiered) else ((0.0, plain_commission(commission, "A tier")),)
    return np.array([[start, *_row(rule)] for start, rule in tiers])


def _row(rule: PerShare | Proportional | PerTrade) -> tuple[float, ...]:
    if isinstance(rule, PerTrade):
        return rule.amount, 0.0, 0.0, 0.0, math.inf, math.inf
    limit = math.inf if rule.maximum is None else rule.maximum
    if isinstance(rule, PerShare):
        return 0.0, rule.rate, 0.0, rule.minimum, limit, math.inf
    return 0.0, 0.0, rule.rate, rule.minimum, math.inf, limit
