"""Slippage models as values: spreads, volatility, and the impact of a trade on its own price.

Volatility is the standard deviation of close-to-close returns and volume the mean of shares traded, both over
``window`` bars and known at the close of their row; at least half of the window must be there. Where a name has stopped
trading they keep their last known value; before there is any, they are not known. Unknown slippage takes the model's
``default``; without one it stays NaN, and a decision that would trade on it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.core import Bars, InputError, KindError, Panel, PanelLike, as_panel
from quantlab.core.ts import pct_change, rolling_mean, rolling_std
from quantlab.execution._bps import Bps
from quantlab.execution._dated import one_row
from quantlab.execution._demand import demand, number, positive, values_at, whole
from quantlab.execution._slippage_terms import SlippageTerms
from quantlab.execution._value import Value

_DAILY = 200  # bars a year, below which a bar is no day


@dataclass(frozen=True, slots=True, eq=False)
class Spread(Value):
    """Half of the bid-ask spread on every fill.

    Parameters
    ----------
    spread : Bps, or PanelLike (T, N), fraction of the price in [0, 1)
        The full spread: the distance of ask and bid over their middle. Row t is what is known at the close of t. A
        Panel has the dates and symbols of the bars; what it has beyond them is left out.
    default : Bps, optional
        Slippage where the Panel is NaN.

    Raises
    ------
    KindError, InputError
        When the spread has another type or is out of its range.
    LabelError
        From ``terms``, when the Panel lacks a date or symbol of the bars.

    Examples
    --------
    >>> close = Panel([[10.0], [11.0]], ["2024-01-02", "2024-01-03"], ["A"])
    >>> Spread(Bps(4)).terms(Bars(close)).spread
    array([[0.0002]])
    """

    spread: Any
    default: Bps | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "spread", _spread(self.spread, "Spread"))
        _check_default(self.default, "Spread")

    def terms(self, bars: Bars) -> SlippageTerms:
        """Return the slippage of every bar and symbol."""
        spread = _half(self.spread, bars, "Spread")
        none, any_size = np.zeros((1, bars.shape[1])), np.full((1, bars.shape[1]), np.inf)
        return _known(SlippageTerms(spread, none, none, any_size, 1.0, 1.0), self.default)


@dataclass(frozen=True, slots=True, eq=False)
class VolatilitySlippage(Value):
    """Slippage as a multiple of the volatility of a bar: s = multiple * sigma.

    Parameters
    ----------
    multiple : float >= 0
        0.1 with daily bars and 2 % volatility costs 20 basis points.
    window : int >= 2, bars
    default : Bps, optional
        Slippage before the volatility is known.

    Raises
    ------
    InputError, KindError
        When a number is out of its range or no number.

    Examples
    --------
    >>> close = Panel([[100.0], [101.0], [100.0]], ["2024-01-02", "2024-01-03", "2024-01-04"], ["A"])
    >>> VolatilitySlippage(0.1, window=2).terms(Bars(close)).spread.round(6)
    array([[     nan],
           [     nan],
           [0.001407]])
    """

    multiple: float = 0.1
    window: int = 21
    default: Bps | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "multiple", number(self.multiple, "VolatilitySlippage multiple", "of the volatility"))
        object.__setattr__(self, "window", whole(self.window, "VolatilitySlippage window", "bars", low=2))
        _check_default(self.default, "VolatilitySlippage")

    def terms(self, bars: Bars) -> SlippageTerms:
        """Return the slippage of every bar and symbol."""
        spread = self.multiple * _volatility(bars, self.window)
        none, any_size = np.zeros((1, bars.shape[1])), np.full((1, bars.shape[1]), np.inf)
        return _known(SlippageTerms(spread, none, none, any_size, 1.0, 1.0), self.default)


@dataclass(frozen=True, slots=True, eq=False)
class SquareRootImpact(Value):
    """The square-root law: s = coefficient * sigma * (X / V) ** 0.5, plus half the spread.

    X is the shares of the order, V the mean volume and sigma the volatility of a bar, so that on intraday bars the law
    gives what it gives on days.

    Parameters
    ----------
    coefficient : float >= 0
        About 1 in many markets.
    window : int >= 2, bars
    spread : Bps, or PanelLike (T, N), fraction of the price in [0, 1)
        The full spread; half of it is paid.
    default : Bps, optional
        Slippage before volatility and volume are known.

    Raises
    ------
    InputError
        When a number is out of its range; from ``terms``, when the bars have no volume.

    References
    ----------
    Tóth, B., Lempérière, Y., Deremble, C., de Lataillade, J., Kockelkoren, J. and Bouchaud, J.-P. (2011), Anomalous
    price impact and the critical nature of liquidity in financial markets, Physical Review X 1, 021006,
    doi:10.1103/PhysRevX.1.021006. There it is the price move of a whole order; here all of it is paid by every share,
    about half as much again as the average of a path that grows as a square root.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> close = Panel([[100.0], [101.0], [100.0]], days, ["A"])
    >>> bars = Bars(close, volume=Panel([[1e6], [2e6], [3e6]], days, ["A"]))
    >>> terms = SquareRootImpact(window=2).terms(bars)
    >>> terms.impact[-1].round(5), terms.adv[-1], terms.power
    (array([0.01407]), array([2500000.]), 0.5)
    """

    coefficient: float = 1.0
    window: int = 21
    spread: Any = Bps(0)  # noqa: RUF009  # frozen
    default: Bps | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficient", number(self.coefficient, "SquareRootImpact coefficient", "a factor"))
        object.__setattr__(self, "window", whole(self.window, "SquareRootImpact window", "bars", low=2))
        object.__setattr__(self, "spread", _spread(self.spread, "SquareRootImpact spread"))
        _check_default(self.default, "SquareRootImpact")

    def terms(self, bars: Bars) -> SlippageTerms:
        """Return the slippage of every bar and symbol."""
        adv = _volume(bars, self.window, "SquareRootImpact")
        impact = self.coefficient * _volatility(bars, self.window)
        spread = _half(self.spread, bars, "SquareRootImpact spread")
        return _known(SlippageTerms(spread, impact, np.zeros((1, bars.shape[1])), adv, 0.5, 1.0), self.default)


@dataclass(frozen=True, slots=True, eq=False)
class VolumeShare(Value):
    """Slippage by the share of the volume that is traded: s = coefficient * (X / V) ** exponent.

    Parameters
    ----------
    coefficient : float >= 0
    exponent : float > 0
    window : int >= 1, bars
        V is the mean volume over it, up to and including the bar of the decision.
    default : Bps, optional
        Slippage before the volume is known.

    Raises
    ------
    InputError
        When a number is out of its range; from ``terms``, when the bars have no volume.

    Notes
    -----
    With the exponent 2 and the coefficient 0.1 it is the volume-share model of zipline, except that V is known before
    the fill. A purchase of 250 shares of 10,000 at 20.00: 20 * (1 + 0.1 * 0.025**2) = 20.00125.

    Examples
    --------
    >>> close = Panel([[20.0]], ["2024-01-02"], ["A"])
    >>> terms = VolumeShare().terms(Bars(close, volume=Panel([[10_000.0]], ["2024-01-02"], ["A"])))
    >>> round(float(20.0 * (1 + terms.impact[0, 0] * (250 / terms.adv[0, 0]) ** terms.power)), 9)
    20.00125
    """

    coefficient: float = 0.1
    exponent: float = 2.0
    window: int = 1
    default: Bps | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficient", number(self.coefficient, "VolumeShare coefficient", "a factor"))
        object.__setattr__(self, "exponent", positive(self.exponent, "VolumeShare exponent", "a power"))
        object.__setattr__(self, "window", whole(self.window, "VolumeShare window", "bars", low=1))
        _check_default(self.default, "VolumeShare")

    def terms(self, bars: Bars) -> SlippageTerms:
        """Return the slippage of every bar and symbol."""
        none = np.zeros((1, bars.shape[1]))
        impact, adv = none + self.coefficient, _volume(bars, self.window, "VolumeShare")
        return _known(SlippageTerms(none, impact, none, adv, self.exponent, 1.0), self.default)


@dataclass(frozen=True, slots=True, eq=False)
class Almgren(Value):
    """The impact that Almgren, Thum, Hauptmann and Li measured on US equities: half the permanent part, plus the
    temporary one.

    I = gamma * sigma * (X / V) * (Theta / V) ** 0.25 is what the order moves the price for good, of which it pays half;
    J = I / 2 + eta * sigma * (X / (V * T)) ** 0.6, with T = 1: the order is worked for a day. X is the shares of the
    order, V the mean daily volume, sigma the daily volatility, Theta the shares outstanding.

    Parameters
    ----------
    gamma, eta : float >= 0
        Measured: 0.314 with a standard error of 0.041, and 0.142 with 0.0062.
    window : int >= 2, bars
        The paper takes ten days of volume.
    shares_outstanding : PanelLike (T, N), shares > 0, or None
        Row t is what is known at the close of t. None leaves the factor (Theta / V) ** 0.25 out, which is about 4 for a
        large US company: the permanent part then becomes too small, unless ``gamma`` makes up for it.
    spread : Bps, or PanelLike (T, N), fraction of the price in [0, 1)
        The full spread; half of it is paid.
    default : Bps, optional
        Slippage before volatility and volume are known.

    Raises
    ------
    InputError
        When a number is out of its range; from ``terms``, when the bars have no volume or are not daily.

    Notes
    -----
    A permanent move is charged to the order that causes it; the prices of later bars are those of the data.

    References
    ----------
    Almgren, R., Thum, C., Hauptmann, E. and Li, H. (2005), Direct estimation of equity market impact, Risk 18(7),
    58-62.

    Examples
    --------
    The paper's IBM: 10 % of a day's volume moves the price by 20 basis points for good.

    >>> V, theta, sigma = 6_561_000, 1_728_000_000, 0.0157
    >>> round(0.314 * sigma * 0.1 * (theta / V) ** 0.25 * 10_000, 1)
    19.9
    """

    gamma: float = 0.314
    eta: float = 0.142
    window: int = 21
    shares_outstanding: Any = None
    spread: Any = Bps(0)  # noqa: RUF009  # frozen
    default: Bps | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", number(self.gamma, "Almgren gamma", "a factor"))
        object.__setattr__(self, "eta", number(self.eta, "Almgren eta", "a factor"))
        object.__setattr__(self, "window", whole(self.window, "Almgren window", "bars", low=2))
        if self.shares_outstanding is not None:
            panel = as_panel(self.shares_outstanding, name="shares_outstanding")
            good = (panel.values > 0) & np.isfinite(panel.values)
            demand(good, panel, "Almgren shares_outstanding", "it must be above zero and finite")
            object.__setattr__(self, "shares_outstanding", panel)
        object.__setattr__(self, "spread", _spread(self.spread, "Almgren spread"))
        _check_default(self.default, "Almgren")

    def terms(self, bars: Bars) -> SlippageTerms:
        """Return the slippage of every bar and symbol."""
        periods = None if bars.frequency is None else bars.frequency.periods
        if bars.dates.dtype != np.dtype("datetime64[D]") or (periods is not None and periods < _DAILY):
            raise InputError(
                f"Almgren is measured on days, and the bars of {bars.name} are not daily.",
                hint="use SquareRootImpact, which holds on bars of any length.",
            )
        adv, sigma = _volume(bars, self.window, "Almgren"), _volatility(bars, self.window)
        permanent = 0.5 * self.gamma * sigma
        if self.shares_outstanding is not None:
            theta = values_at(self.shares_outstanding, bars.dates, bars.symbols, "Almgren shares_outstanding")
            # Without any volume the second term is at its bound already, and 0 * inf would be no number.
            turnover = _held(theta) / np.where(adv > 0, adv, np.nan)
            permanent = np.where(adv > 0, permanent * np.sqrt(np.sqrt(turnover)), permanent)
        spread = _half(self.spread, bars, "Almgren spread")
        return _known(SlippageTerms(spread, permanent, self.eta * sigma, adv, 1.0, 0.6), self.default)


Slippage = Bps | Spread | VolatilitySlippage | SquareRootImpact | VolumeShare | Almgren
SLIPPAGES = (Bps, Spread, VolatilitySlippage, SquareRootImpact, VolumeShare, Almgren)


def _spread(given: Bps | PanelLike, what: str) -> Bps | Panel:
    """Check a full spread, and return it."""
    if isinstance(given, Bps):
        if given.fraction >= 1:
            raise InputError(f"{what} must be below 10,000 basis points, received {given.value:g}.")
        return given
    if isinstance(given, (int, float)):
        raise KindError(
            f"{what} must be Bps or a Panel of fractions, received {type(given).__name__}.",
            hint="write `ql.Bps(4)` for four basis points between bid and ask.",
        )
    panel = as_panel(given, name="spread")
    demand((panel.values >= 0) & (panel.values < 1), panel, what, "a spread is a fraction of the price in [0, 1)")
    return panel


def _half(spread: Bps | Panel, bars: Bars, what: str) -> np.ndarray:
    """Half of a full spread, (1|T, N)."""
    if isinstance(spread, Bps):
        return np.full((1, bars.shape[1]), 0.5 * spread.fraction)
    return one_row(0.5 * values_at(spread, bars.dates, bars.symbols, what))


def _check_default(default: Any, what: str) -> None:
    if default is not None and not isinstance(default, Bps):
        raise KindError(
            f"{what} default must be Bps or None, received {type(default).__name__}.", hint="write `ql.Bps(50)`."
        )
    if default is not None and default.fraction >= 1:
        raise InputError(f"{what} default must be below 10,000 basis points, received {default.value:g}.")


def _volatility(bars: Bars, window: int) -> np.ndarray:
    """Standard deviation of close-to-close returns (ddof 1), (T, N), fraction per bar; NaN before it is known."""
    return _held(rolling_std(pct_change(bars.close), window=window, min_periods=max(2, (window + 1) // 2)).values)


def _volume(bars: Bars, window: int, what: str) -> np.ndarray:
    """Mean volume, (T, N), shares per bar; NaN before it is known."""
    if bars.volume is None:
        raise InputError(
            f"{what} needs the volume, and {bars.name} has none (it has {', '.join(bars.fields)}).",
            hint="use `ql.Bps(5)` or VolatilitySlippage.",
        )
    return _held(rolling_mean(bars.volume, window=window, min_periods=(window + 1) // 2).values)


def _held(values: np.ndarray) -> np.ndarray:
    """Each value, or the last known one before it."""
    missing = np.isnan(values)
    rows = np.flatnonzero(missing.any(axis=1))
    out = values.copy() if rows.size else values
    for t in rows[rows > 0]:
        np.copyto(out[t], out[t - 1], where=missing[t])
    return out


def _known(terms: SlippageTerms, default: Bps | None) -> SlippageTerms:
    """Put the default where a term is not known."""
    if default is None:
        return terms
    unknown = terms.unknown()
    if not unknown.any():
        return terms
    return terms._replace(
        spread=np.where(unknown, default.fraction, terms.spread),
        impact=np.where(unknown, 0.0, terms.impact),
        impact2=np.where(unknown, 0.0, terms.impact2),
        adv=np.where(unknown, np.inf, terms.adv),
    )
