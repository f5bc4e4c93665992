"""Momentum scores: how far a price has come, across names and along its own past.

Timing: row t uses closes up to and including t.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import InputError, Panel, PanelLike, as_panel, ts
from quantlab.core._shared import shared
from quantlab.core.periods import bars_per_year


@shared
def momentum(close: PanelLike, *, lookback: int = 252, skip: int = 21, kind: str = "simple") -> Panel:
    """Return the price change from ``lookback`` to ``skip`` bars ago; 252 and 21 give the classic 12-1 momentum.

    simple: close[t - skip] / close[t - lookback] - 1; log: the logarithm of that ratio.

    Parameters
    ----------
    close : PanelLike (T, N), currency per share, > 0
        Adjusted for splits and dividends, or their jumps count as momentum.
    lookback : int > skip, bars
    skip : int >= 0, bars
        The newest bars are left out, because returns over a month tend to reverse.
    kind : "simple" | "log"

    Returns
    -------
    Panel (T, N), fraction ("simple") or log return ("log")
        NaN in the first ``lookback`` rows and where either of the two closes is missing.

    Raises
    ------
    InputError
        When ``lookback`` is not above ``skip``, ``skip`` is negative, or ``kind`` is unknown.

    References
    ----------
    N. Jegadeesh, S. Titman (1993), "Returns to buying winners and selling losers", Journal of Finance 48,
    DOI 10.1111/j.1540-6261.1993.tb04702.x. They rank on monthly data; the windows here are in bars.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> momentum(Panel([[10.0], [11.0], [12.0]], days, ["A"]), lookback=2, skip=1).values.ravel()
    array([nan, nan, 0.1])
    """
    panel = as_panel(close, name="close")
    _check_window(lookback, skip)
    if kind not in ("simple", "log"):
        raise InputError(f'`kind` must be "simple" or "log", received {kind!r}.')
    values = panel.values
    out = np.full(values.shape, np.nan)
    if len(panel) > lookback:
        new, old = values[lookback - skip : len(panel) - skip], values[: len(panel) - lookback]
        with np.errstate(all="ignore"):
            np.divide(new, old, out=out[lookback:])
            if kind == "log":
                np.log(out[lookback:], out=out[lookback:])
            else:
                out[lookback:] -= 1.0
    return panel._like(out)


@shared
def time_series_momentum(
    close: PanelLike,
    *,
    lookback: int = 252,
    skip: int = 0,
    target: float = 0.4,
    center_of_mass: float = 60.0,
    periods: float | None = None,
) -> Panel:
    """Return each name's position by the sign of its own past return, scaled to a target volatility.

    sign(close[t - skip] / close[t - lookback] - 1) * target / sigma[t], where sigma is the exponentially weighted
    standard deviation of daily returns, annualised. A position of 1 is all of the capital given to that name; divide
    by the number of names for a portfolio.

    Parameters
    ----------
    close : PanelLike (T, N), currency per share, > 0
    lookback : int > skip, bars
    skip : int >= 0, bars
    target : float > 0, annual volatility as a fraction
    center_of_mass : float > 0, bars
        Mean age of the weights of the variance; the decay is center_of_mass / (1 + center_of_mass).
    periods : float, bars per year
        By default from the Panel's frequency.

    Returns
    -------
    Panel (T, N), signed fraction of capital
        NaN where the past return is missing, before two returns are known, and where volatility is zero.

    Raises
    ------
    InputError
        For an impossible window, target or center of mass, or when bars per year are unknown.

    References
    ----------
    T. J. Moskowitz, Y. H. Ooi, L. H. Pedersen (2012), "Time series momentum", Journal of Financial Economics 104,
    DOI 10.1016/j.jfineco.2011.11.003. They use 40 % and a center of mass of 60 days with 261 days a year, and lag the
    volatility by one period; here it includes bar t, since the engine trades after it.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> close = Panel([[10.0], [11.0], [11.55]], days, ["A"])
    >>> time_series_momentum(close, lookback=2, periods=252).values.ravel().round(3)
    array([ nan,  nan, 0.713])
    """
    panel = as_panel(close, name="close")
    _check_window(lookback, skip)
    for name, value in (("target", target), ("center_of_mass", center_of_mass)):
        if not np.isfinite(value) or value <= 0:
            raise InputError(f"`{name}` must be a positive number, received {value!r}.")
    year = bars_per_year(panel.frequency, periods)
    direction = momentum(panel, lookback=lookback, skip=skip).map(np.sign)
    returns = ts.pct_change(panel, lag=1)
    sigma = ts.ewm_std(returns, span=2.0 * center_of_mass + 1.0) * np.sqrt(year)
    return (direction * target / sigma).where(sigma > 0)


def _check_window(lookback: int, skip: int) -> None:
    for name, value in (("lookback", lookback), ("skip", skip)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InputError(f"`{name}` must be an integer number of bars, received {value!r}.")
    if skip < 0:
        raise InputError(f"`skip` must be >= 0 bars, received {skip}.")
    if lookback <= skip:
        raise InputError(f"`lookback` must be above `skip` ({skip} bars), received {lookback}.")
