"""Margin models as values: Regulation T with FINRA's maintenance, a portfolio scenario model, and none.

Every model becomes rows of ``World.margin`` (13 columns, named in ``_kernel_types``) and a factor per symbol; how a
requirement follows from them stands under "Mark" in docs/engine.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.execution import _kernel_types as k
from quantlab.execution._dated import in_force, spread_out, table
from quantlab.execution._demand import at_most, number, pairs, positive, text, whole
from quantlab.execution._value import Value

_FRACTION, _SHARE = "a fraction of the position's value", "currency per share"
_FACTOR_HINT = 'write `{"TQQQ": 3.0}` for a threefold leveraged fund.'


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RegT(Value):
    """Regulation T: what a new position takes, and FINRA's maintenance: what it takes to keep it.

    Parameters
    ----------
    initial_long, initial_short : float in [0, 1], fraction of the value
        Own money behind a new position; a short's proceeds stay beside it (0.5 is the "150 %" of the regulation).
    maintenance_long, maintenance_short : float in [0, 1], fraction of the value
    low_price : float >= 0, currency per share
        Below it a short takes the greater of ``low_per_share`` a share and ``low_fraction`` of its value, from it on
        the greater of ``high_per_share`` a share and ``maintenance_short`` of its value.
    low_per_share, high_per_share : float >= 0, currency per share
    low_fraction : float >= 0, fraction of the value
    factors : mapping of symbols to float > 0
        What the maintenance fraction is multiplied by, up to the whole value: 3 for a threefold leveraged fund. Symbols
        that a run does not have are left out.
    minimum_equity : float >= 0, currency of the account
        Below it nothing may be borrowed and no share sold short: 2,000 by FINRA's rule.
    buffer : float in [0, 1), fraction of the requirement
        A call comes when equity is below requirement * (1 + buffer), and brings the book back to that.
    changes : mapping of dates to RegT
        From each date on the other's numbers hold; before the first, these do. Factors are not dated.

    Raises
    ------
    InputError, KindError
        When a number is out of its range; when an entry of ``changes`` has factors or changes of its own.

    Notes
    -----
    Brokers ask for more where they see risk; raise the fractions for that. Confirmed in the texts: 12 CFR 220.12 (50 %
    long, 150 % short) and the leveraged funds of FINRA's Regulatory Notice 09-53 (25 % and 30 % times the leverage, up
    to 100 %, from 2009-12-01). The floors of shorts ($2.50 a share or 100 % below $5, $5 a share or 30 % from it on)
    agree with a broker's worked examples; the text of Rule 4210(c) itself was not at hand. Amounts are in the currency
    of the account and of the price.

    References
    ----------
    12 CFR 220.12 (Regulation T, supplement: margin requirements). FINRA Rule 4210(b), (c), (g).

    Examples
    --------
    >>> margin = RegT(factors={"TQQQ": 3.0}, changes={"2020-03-16": RegT(maintenance_long=0.35)})
    >>> margin.rows(np.array(["2020-03-13", "2020-03-16"], dtype="datetime64[D]"))[:, k.MAINTENANCE_LONG]
    array([0.25, 0.35])
    >>> margin.factor_rows(("SPY", "TQQQ"))[0]
    array([1., 3.])
    """

    initial_long: float = 0.5
    initial_short: float = 0.5
    maintenance_long: float = 0.25
    maintenance_short: float = 0.30
    low_price: float = 5.0
    low_per_share: float = 2.5
    low_fraction: float = 1.0
    high_per_share: float = 5.0
    factors: Any = ()
    minimum_equity: float = 0.0
    buffer: float = 0.0
    changes: Any = ()

    def __post_init__(self) -> None:
        for name in ("initial_long", "initial_short", "maintenance_long", "maintenance_short"):
            hint = "a short's proceeds are not counted: write 0.5 for 150 %."
            checked = at_most(getattr(self, name), 1.0, f"RegT {name}", _FRACTION, hint=hint)
            object.__setattr__(self, name, checked)
        for name in ("low_price", "low_per_share", "high_per_share"):
            object.__setattr__(self, name, number(getattr(self, name), f"RegT {name}", _SHARE))
        object.__setattr__(self, "low_fraction", number(self.low_fraction, "RegT low_fraction", _FRACTION))
        _common(self, "RegT")
        hint = 'write `{"2020-03-16": RegT(maintenance_long=0.35)}`.'
        object.__setattr__(self, "changes", table(self.changes, "RegT changes", hint, _change))

    @property
    def model(self) -> int:
        """``Terms.margin_model``."""
        return k.REG_T

    def rows(self, dates: np.ndarray) -> np.ndarray:
        """Return ``World.margin``, (1|T, 13)."""
        entries = np.array([_regt_row(margin) for margin in (self, *(margin for _, margin in self.changes))])
        return spread_out(entries, 1 + in_force([start for start, _ in self.changes], dates))

    def factor_rows(self, symbols: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return ``Terms.margin_long`` and ``Terms.margin_short``, (N,) each."""
        return _factor_rows(self.factors, symbols)


@dataclass(frozen=True, slots=True, eq=False)
class NoMargin(Value):
    """No margin: leverage and shorts are granted, and nothing is ever called. Equity of zero or less is still ruin.

    Examples
    --------
    >>> NoMargin()
    NoMargin()
    """

    @property
    def model(self) -> int:
        """``Terms.margin_model``."""
        return k.NO_MARGIN

    def rows(self, dates: np.ndarray) -> np.ndarray:
        """Return ``World.margin``, (1, 13): zeros."""
        return np.zeros((1, k.MARGIN_COLUMNS))

    def factor_rows(self, symbols: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return ``Terms.margin_long`` and ``Terms.margin_short``, (N,) each: ones."""
        return _factor_rows((), symbols)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PortfolioMargin(Value):
    """A scenario model of portfolio margin: the loss when every position moves against the book at once.

    The requirement is the greater of two scenarios: every position loses ``shock`` of its value, and the ``largest``
    positions lose ``concentrated`` while all others lose ``rest``. It is asked for at entry and kept alike.

    Parameters
    ----------
    shock : float in [0, 1], fraction of the value
        15 % is the move of single US stocks in FINRA Rule 4210(g); diversified indices take 8 to 10 %.
    concentrated, rest : float in [0, 1], fraction of the value
    largest : int >= 0
        How many positions count as concentrated.
    factors : mapping of symbols to float > 0
        What the shock of a symbol is multiplied by: 3 for a threefold leveraged fund. Symbols that a run does not have
        are left out.
    minimum_equity : float >= 0, currency of the account
        Below it nothing may be borrowed and no share sold short: brokers ask for 100,000 and more.
    buffer : float in [0, 1), fraction of the requirement
        A call comes when equity is below requirement * (1 + buffer), and brings the book back to that.

    Raises
    ------
    InputError, KindError
        When a number is out of its range.

    Notes
    -----
    A model, not the rule: TIMS, which the rule prescribes, nets long and short positions of one class and takes the
    worst of ten moves; here nothing is netted, so that a hedged book needs more. The concentrated scenario is in the
    manner of Interactive Brokers' (30 % on the largest positions, 5 % on the others; from memory).

    References
    ----------
    FINRA Rule 4210(g).

    Examples
    --------
    100 in one stock and 100 in nine others: the first scenario takes 0.15 * 200 = 30, the second 0.30 * (100 + 11.1) +
    0.05 * 88.9 = 37.8.

    >>> PortfolioMargin().rows(np.array(["2024-01-02"], dtype="datetime64[D]"))[0, [k.MAINTENANCE_LONG, k.CONCENTRATED]]
    array([0.15, 0.3 ])
    """

    shock: float = 0.15
    concentrated: float = 0.30
    rest: float = 0.05
    largest: int = 2
    factors: Any = ()
    minimum_equity: float = 0.0
    buffer: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shock", "concentrated", "rest"):
            checked = at_most(
                getattr(self, name), 1.0, f"PortfolioMargin {name}", _FRACTION, hint="write 0.15 for 15 %."
            )
            object.__setattr__(self, name, checked)
        object.__setattr__(self, "largest", whole(self.largest, "PortfolioMargin largest", "positions", low=0))
        _common(self, "PortfolioMargin")

    @property
    def model(self) -> int:
        """``Terms.margin_model``."""
        return k.PORTFOLIO

    def rows(self, dates: np.ndarray) -> np.ndarray:
        """Return ``World.margin``, (1, 13)."""
        row = np.zeros((1, k.MARGIN_COLUMNS))
        row[0, [k.INITIAL_LONG, k.INITIAL_SHORT, k.MAINTENANCE_LONG, k.MAINTENANCE_SHORT]] = self.shock
        row[0, [k.CONCENTRATED, k.CONCENTRATED_REST, k.LARGEST]] = self.concentrated, self.rest, self.largest
        row[0, [k.MINIMUM_EQUITY, k.BUFFER]] = self.minimum_equity, self.buffer
        return row

    def factor_rows(self, symbols: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return ``Terms.margin_long`` and ``Terms.margin_short``, (N,) each."""
        return _factor_rows(self.factors, symbols)


Margin = RegT | NoMargin | PortfolioMargin

_REGT_COLUMNS = {
    "initial_long": k.INITIAL_LONG,
    "initial_short": k.INITIAL_SHORT,
    "maintenance_long": k.MAINTENANCE_LONG,
    "maintenance_short": k.MAINTENANCE_SHORT,
    "low_price": k.LOW_PRICE,
    "low_per_share": k.LOW_PER_SHARE,
    "low_fraction": k.LOW_FRACTION,
    "high_per_share": k.HIGH_PER_SHARE,
    "minimum_equity": k.MINIMUM_EQUITY,
    "buffer": k.BUFFER,
}


def _common(margin: RegT | PortfolioMargin, what: str) -> None:
    """Check the fields that both models have."""
    found: dict[str, float] = {}
    for symbol, factor in pairs(margin.factors, f"{what} factors", _FACTOR_HINT):
        name = text(symbol, f"A symbol of {what} factors")
        found[name] = positive(factor, f"{what} factor of {name}", "times the requirement")
    object.__setattr__(margin, "factors", tuple(sorted(found.items())))
    equity = number(margin.minimum_equity, f"{what} minimum_equity", "currency of the account")
    object.__setattr__(margin, "minimum_equity", equity)
    buffer = number(margin.buffer, f"{what} buffer", "a fraction of the requirement")
    if buffer >= 1:
        raise InputError(f"{what} buffer must be below 1 (a fraction of the requirement), received {margin.buffer}.")
    object.__setattr__(margin, "buffer", buffer)


def _change(given: Any, what: str) -> RegT:
    if not isinstance(given, RegT):
        raise KindError(f"{what} must be RegT, received {type(given).__name__}.")
    for name in ("changes", "factors"):
        if getattr(given, name):
            raise InputError(f"{what} has {name} of its own.", hint=f"state all {name} in the outer RegT.")
    return given


def _regt_row(margin: RegT) -> np.ndarray:
    row = np.zeros(k.MARGIN_COLUMNS)
    for name, column in _REGT_COLUMNS.items():
        row[column] = getattr(margin, name)
    return row


def _factor_rows(factors: tuple[tuple[str, float], ...], symbols: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    known = dict(factors)
    row = np.array([known.get(symbol, 1.0) for symbol in symbols])
    return row, row.copy()
