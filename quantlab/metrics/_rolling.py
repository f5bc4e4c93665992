"""Metrics over a trailing window. Row t uses the bars t - window + 1 to t."""

from __future__ import annotations

import math

import numpy as np

from quantlab.core import Panel, PanelLike, as_panel
from quantlab.core._arguments import real
from quantlab.core.periods import bars_per_year
from quantlab.core.ts import rolling_mean, rolling_min, rolling_std
from quantlab.metrics._sample import RESIDUE


def rolling_sharpe(returns: PanelLike, window: int, *, periods: float | None = None, risk_free: float = 0.0) -> Panel:
    """Return the annualized Sharpe ratio of the trailing ``window`` bars.

    Parameters
    ----------
    returns : PanelLike (T, N), simple per bar
    window : int >= 2, bars
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    risk_free : float, simple return per bar

    Returns
    -------
    Panel (T, N), ratio
        NaN on the first window - 1 rows, where the window holds a missing value, where returns are flat, and after
        ruin inside the window.

    Raises
    ------
    InputError
        When bars per year are unknown, or ``risk_free`` is not finite.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> rolling_sharpe(Panel([[0.01], [0.03], [-0.01]], days, ["A"]), 2, periods=2).values[:, 0].round(3)
    array([nan, 2. , 0.5])
    """
    risk_free = real(risk_free, name="risk_free")
    panel = as_panel(returns, name="returns")
    scale = bars_per_year(panel.frequency, periods)
    mean, spread = _moments(panel, window)
    return panel._like((mean - risk_free) / spread * math.sqrt(scale))


def rolling_volatility(returns: PanelLike, window: int, *, periods: float | None = None) -> Panel:
    """Return the annualized standard deviation of the trailing ``window`` bars, divisor window - 1.

    Parameters
    ----------
    returns : PanelLike (T, N), simple per bar
    window : int >= 2, bars
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.

    Returns
    -------
    Panel (T, N), fraction per year
        NaN where :func:`rolling_sharpe` is.

    Raises
    ------
    InputError
        When bars per year are unknown.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> rolling_volatility(Panel([[0.01], [0.03], [-0.01]], days, ["A"]), 2, periods=2).values[:, 0].round(3)
    array([ nan, 0.02, 0.04])
    """
    panel = as_panel(returns, name="returns")
    scale = bars_per_year(panel.frequency, periods)
    return panel._like(_moments(panel, window)[1] * math.sqrt(scale))


def _moments(panel: Panel, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each window; NaN where a metric of returns is undefined."""
    mean = rolling_mean(panel, window=window).values
    spread = rolling_std(panel, window=window).values
    with np.errstate(invalid="ignore"):
        bad = (spread <= RESIDUE * np.maximum(1.0, np.abs(mean))) | (rolling_min(panel, window=window).values <= -1.0)
    return mean, np.where(bad, np.nan, spread)
