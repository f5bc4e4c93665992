"""What trading costs, as plain values with units: commissions, slippage, borrow, and the account that pays them.

A cost object only holds numbers; the arithmetic stands once, in ``_cost_kernels``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real

from quantlab.core import InputError, KindError


@dataclass(frozen=True, slots=True)
class Bps:
    """A fraction given in basis points: ``Bps(5)`` is 0.0005.

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
        object.__setattr__(self, "value", _number(self.value, "Bps", "basis points"))

    @property
    def fraction(self) -> float:
        """The value as a fraction."""
        return self.value / 10_000


@dataclass(frozen=True, slots=True)
class PerShare:
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
    >>> PerShare(0.005, minimum=1.0, maximum=0.01)
    PerShare(rate=0.005, minimum=1.0, maximum=0.01)
    """

    rate: float
    minimum: float = 0.0
    maximum: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _number(self.rate, "PerShare rate", "currency per share"))
        object.__setattr__(self, "minimum", _number(self.minimum, "PerShare minimum", "currency per order"))
        if self.maximum is not None:
            number = _number(self.maximum, "PerShare maximum", "a fraction of the trade's value")
            if number > 1:
                raise InputError(
                    f"PerShare maximum is a fraction of the trade's value, at most 1, received {number:g}.",
                    hint="write 0.01 for 1 %.",
                )
            object.__setattr__(self, "maximum", number)


@dataclass(frozen=True, slots=True)
class Proportional:
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
        rate = (
            self.rate.fraction if isinstance(self.rate, Bps) else _number(self.rate, "Proportional rate", "a fraction")
        )
        if rate >= 1:
            raise InputError(
                f"Proportional rate is a fraction of the trade's value below 1, received {rate:g}.",
                hint="write Bps(10) for ten basis points.",
            )
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "minimum", _number(self.minimum, "Proportional minimum", "currency per order"))
        if self.maximum is not None:
            number = _number(self.maximum, "Proportional maximum", "currency per order")
            if number < self.minimum:
                raise InputError(f"Proportional maximum {number:g} is below its minimum {self.minimum:g}.")
            object.__setattr__(self, "maximum", number)


@dataclass(frozen=True, slots=True)
class Borrow:
    """The fee for borrowed shares: a yearly rate on the short value at the previous mark, by calendar days, ACT/360.

    Parameters
    ----------
    rate : float >= 0, fraction per year

    Raises
    ------
    InputError
        When the rate is negative or not finite.

    Examples
    --------
    Short 100 shares at 50 over a weekend at 3 %: 5,000 * 0.03 * 3 / 360 = 1.25.

    >>> Borrow(0.03)
    Borrow(rate=0.03)
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _number(self.rate, "Borrow rate", "a fraction per year"))


Commission = PerShare | Proportional | Bps


@dataclass(frozen=True, slots=True)
class Costs:
    """All costs of a book.

    Parameters
    ----------
    commission : PerShare | Proportional | Bps | None
        Bps is a proportional commission without limits. None is free.
    slippage : Bps
        Every fill is worse than its reference price by this fraction: buys above, sells below.
    borrow : Borrow | None
        Fee on short positions. None is free.

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
    slippage: Bps = field(default_factory=lambda: Bps(0.0))
    borrow: Borrow | None = None

    def __post_init__(self) -> None:
        if isinstance(self.commission, Bps):
            object.__setattr__(self, "commission", Proportional(self.commission.fraction))
        if self.commission is not None and not isinstance(self.commission, (PerShare, Proportional)):
            raise KindError(
                f"`commission` must be PerShare, Proportional, Bps or None, received {type(self.commission).__name__}.",
                hint="write `ql.Bps(10)` for ten basis points of the trade's value.",
            )
        if not isinstance(self.slippage, Bps):
            raise KindError(
                f"`slippage` must be Bps, received {type(self.slippage).__name__}.", hint="write `ql.Bps(5)`."
            )
        if self.slippage.fraction >= 1:
            raise InputError(f"`slippage` must be below 10,000 basis points, received {self.slippage.value:g}.")
        if self.borrow is not None and not isinstance(self.borrow, Borrow):
            raise KindError(
                f"`borrow` must be Borrow or None, received {type(self.borrow).__name__}.",
                hint="write `ql.Borrow(0.005)` for 0.5 % a year.",
            )

    def parameters(self) -> tuple[float, float, float, float, float]:
        """The commission as the kernel takes it: per_share, rate, minimum, maximum_fraction, maximum_cash."""
        if isinstance(self.commission, PerShare):
            limit = math.inf if self.commission.maximum is None else self.commission.maximum
            return self.commission.rate, 0.0, self.commission.minimum, limit, math.inf
        if isinstance(self.commission, Proportional):
            limit = math.inf if self.commission.maximum is None else self.commission.maximum
            return 0.0, self.commission.rate, self.commission.minimum, math.inf, limit
        return 0.0, 0.0, 0.0, math.inf, math.inf


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a book runs in.

    Parameters
    ----------
    cash : float > 0, currency
        The capital at the start.
    lot : float > 0, shares, or None
        Orders are whole multiples of it, rounded toward zero: 1.0 trades whole shares. None trades any fraction.

    Raises
    ------
    InputError
        When cash or lot is not positive and finite.

    Notes
    -----
    This version knows no margin: leverage and shorts are granted, a debit costs no interest and is listed in the
    result's diagnostics. An equity of zero or less is ruin.

    Examples
    --------
    >>> Account(cash=1_000_000)
    Account(cash=1000000.0, lot=1.0)
    """

    cash: float = 1_000_000.0
    lot: float | None = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "cash", _positive(self.cash, "cash", "currency"))
        if self.lot is not None:
            object.__setattr__(self, "lot", _positive(self.lot, "lot", "shares; None trades fractions"))


def _number(value: float, what: str, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise KindError(f"{what} must be a number ({unit}), received {type(value).__name__}.")
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{what} must be zero or more ({unit}), received {value}.")
    return float(value)


def _positive(value: float, what: str, unit: str) -> float:
    if _number(value, f"Account {what}", unit) == 0:
        raise InputError(f"Account {what} must be above zero ({unit}), received {value}.")
    return float(value)
