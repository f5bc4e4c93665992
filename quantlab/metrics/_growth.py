"""Total return and compound annual growth rate: what the wealth of one unit became.

Wealth is the product of one plus the returns. A year is ``periods`` bars that have a return; calendar days play no
part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from quantlab.core.periods import bars_per_year
from quantlab.metrics._estimate import Estimate, normal_quantile
from quantlab.metrics._sample import RESIDUE, Draft, Returns, metric, ruined, sample, settle


def _total_points(matrix: np.ndarray, periods: float = math.nan, **_: Any) -> np.ndarray:
    if matrix.shape[1] == 0:
        return np.full(matrix.shape[0], np.nan)
    with np.errstate(all="ignore"):
        return settle(np.prod(1.0 + matrix, axis=1) - 1.0, ruined(matrix))


def _cagr_points(matrix: np.ndarray, periods: float, **_: Any) -> np.ndarray:
    if matrix.shape[1] == 0:
        return np.full(matrix.shape[0], np.nan)
    with np.errstate(all="ignore"):
        wealth = np.prod(1.0 + matrix, axis=1)
        return settle(wealth ** (periods / matrix.shape[1]) - 1.0, ruined(matrix))


@metric(_total_points)
def total_return(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the compounded return over all bars.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float, optional
        Not used. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A fraction. The interval is the delta method on the logarithm of wealth, for independent returns: exp of
        log wealth ± quantile · s · sqrt(n), where s is the standard deviation of log returns. NaN after ruin.

    Examples
    --------
    >>> total_return(np.array([0.10, -0.05, 0.02]))
    total_return 6.59 % [-16.89 %, 36.71 %] (95 %, delta-log, n=3)
    """
    x = sample(returns)
    draft = Draft("total_return", x, level, "fraction", "compounded")
    return _growth(draft, float(x.values.size), _total_points)


@metric(_cagr_points, annual=True)
def cagr(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the compound annual growth rate, wealth^(periods / n) - 1.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped, and are not counted in n.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A fraction per year. The interval is the delta method on log growth, for independent returns. NaN after ruin.

    Raises
    ------
    InputError
        When bars per year are unknown.

    Examples
    --------
    >>> cagr(np.array([0.10, -0.05, 0.02, 0.03]), periods=2)
    cagr 4.78 % [-6.85 %, 17.86 %] (95 %, delta-log, n=4)
    """
    x = sample(returns)
    scale = bars_per_year(x.frequency, periods)
    draft = Draft("cagr", x, level, "fraction per year", "compounded, n = bars with a return", {"periods": scale})
    return _growth(draft, scale, _cagr_points)


def _growth(draft: Draft, span: float, points: Any) -> Estimate:
    """The growth over ``span`` bars, with the interval of the mean log return."""
    x = draft.sample
    if reason := x.lacks(1):
        return draft.undefined(reason)
    value = float(points(x.row, span)[0])
    if math.isnan(value):
        return draft.undefined("the value exceeds the range of float64")
    if x.values.size < 2:
        return draft.bare(value, "an interval needs 2 observations")
    logs = np.log1p(x.values)
    spread = float(logs.std(ddof=1))
    if spread <= RESIDUE:
        return draft.bare(value, "the returns do not vary")
    error = span * spread / math.sqrt(x.values.size)
    stretch = math.exp(min(normal_quantile(draft.level) * error, 700.0))
    wealth = 1.0 + value
    return draft.between(value, wealth * error, wealth / stretch - 1.0, wealth * stretch - 1.0, "delta-log")
