"""Metrics over a trailing window. Row t uses the bars t - window + 1 to t."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from quantlab.core import InputError, KindError, Panel, PanelLike, as_panel
from quantlab.core.periods import bars_per_year
from quantlab.metrics._moments import _volatility_points
from quantlab.metrics._sharpe import _sharpe_points

# Windows are laid out as rows of a matrix for the array form of the metric: at most this many numbers at a time (8 MB).
_NUMBERS = 1_000_000


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
        When bars per year are unknown.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> rolling_sharpe(Panel([[0.01], [0.03], [-0.01]], days, ["A"]), 2, periods=2).values[:, 0].round(3)
    array([nan, 2. , 0.5])
    """
    panel = as_panel(returns, name="returns")
    scale = bars_per_year(panel.frequency, periods)
    return _roll(panel, window, lambda matrix: _sharpe_points(matrix, scale, risk_free=risk_free))


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
    return _roll(panel, window, lambda matrix: _volatility_points(matrix, scale))


def _roll(panel: Panel, window: int, points: Callable[[np.ndarray], np.ndarray]) -> Panel:
    if isinstance(window, bool) or not isinstance(window, (int, np.integer)):
        raise KindError(f"`window` must be an integer, received {type(window).__name__}.")
    if window < 2:
        raise InputError(f"`window` must be an integer >= 2, received {window}.")
    out = np.full(panel.shape, np.nan)
    step = max(1, math.floor(_NUMBERS / window))
    for column in range(panel.shape[1]):
        if len(panel) < window:
            break
        values = np.ascontiguousarray(panel.values[:, column], dtype=np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(values, window)
        for first in range(0, windows.shape[0], step):
            block = windows[first : first + step]
            # A missing value anywhere in the window makes its mean NaN, and the metric with it.
            with np.errstate(all="ignore"):
                out[first + window - 1 : first + window - 1 + block.shape[0], column] = points(block)
    return panel._like(out)
