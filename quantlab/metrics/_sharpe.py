"""The Sharpe ratio and its standard error.

Ratios are annualized by sqrt(periods), which holds for returns without autocorrelation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from quantlab.core import InputError
from quantlab.core._arguments import real
from quantlab.core.periods import bars_per_year
from quantlab.metrics._estimate import Estimate
from quantlab.metrics._moments import FLAT, deviations, shape
from quantlab.metrics._sample import Draft, Returns, metric, ruined, sample, settle

_METHODS = {"Lo-Mertens": False, "Lo": True}


def sharpe_error(ratio: float, n: int, *, skew: float = 0.0, kurtosis: float = 3.0, normal: bool = False) -> float:
    """Return the standard error of a Sharpe ratio per bar.

    sqrt((1 - skew·SR + (kurtosis - 1)/4·SR²) / (n - 1)) for independent returns of any distribution; with ``normal``,
    sqrt((1 + SR²/2) / n).

    Parameters
    ----------
    ratio : float
        Sharpe ratio per bar, not annualized.
    n : int >= 2, observations
    skew : float
    kurtosis : float, raw (normal = 3)
    normal : bool
        Use Lo's formula for normal returns.

    Returns
    -------
    float
        Per bar; multiply by sqrt(periods) for an annualized ratio.

    References
    ----------
    A. W. Lo (2002), "The statistics of Sharpe ratios", Financial Analysts Journal 58(4), DOI 10.2469/faj.v58.n4.2453.
    E. Mertens (2002), "Comments on variance of the IID estimator in Lo (2002)", working paper. The divisor n - 1 is
    that of D. Bailey, M. López de Prado (2012), "The Sharpe ratio efficient frontier", Journal of Risk 15(2), DOI
    10.21314/JOR.2012.255.

    Examples
    --------
    >>> round(sharpe_error(0.5, 60, normal=True), 3)
    0.137
    """
    if n < 2:
        raise InputError(f"`n` must be at least 2, received {n}.")
    if normal:
        return math.sqrt((1 + ratio**2 / 2) / n)
    # Not below zero, because kurtosis >= 1 + skew²; at equality rounding could make it so.
    return math.sqrt(max(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2, 0.0) / (n - 1))


def _sharpe_points(matrix: np.ndarray, periods: float, *, risk_free: float = 0.0, **_: Any) -> np.ndarray:
    n = matrix.shape[1]
    if n < 2:
        return np.full(matrix.shape[0], np.nan)
    mean, apart, flat = deviations(matrix)
    apart *= apart
    with np.errstate(all="ignore"):
        ratio = (mean - risk_free) / np.sqrt(apart.sum(axis=1) / (n - 1)) * math.sqrt(periods)
    return settle(ratio, flat | ruined(matrix))


@metric(_sharpe_points, annual=True)
def sharpe(
    returns: Returns,
    *,
    periods: float | None = None,
    level: float = 0.95,
    risk_free: float = 0.0,
    interval: str = "Lo-Mertens",
) -> Estimate:
    """Return the annualized Sharpe ratio, (mean - risk_free) / standard deviation · sqrt(periods).

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    level : float in (0, 1)
    risk_free : float, simple return per bar
        For a rate that varies pass excess returns: ``returns - rate``, both Panels.
    interval : "Lo-Mertens" | "Lo"
        Standard error for independent returns of any distribution, or for independent normal returns.

    Returns
    -------
    Estimate
        A ratio; divisor n - 1. With autocorrelated returns the interval is too narrow (at a correlation of 0.4 it
        covers 82 % instead of 95 %): use ``ql.bootstrap``. NaN for flat returns, n < 2, or ruin.

    Raises
    ------
    InputError
        When bars per year are unknown, ``interval`` is, or ``risk_free`` is not finite.

    References
    ----------
    See :func:`sharpe_error`.

    Examples
    --------
    >>> sharpe(np.array([0.01, -0.005, 0.015, 0.0, 0.01]), periods=252)
    sharpe 11.59 [-6.35, 29.54] (95 %, Lo-Mertens, n=5)
    """
    if interval not in _METHODS:
        raise InputError(f'`interval` must be "Lo-Mertens" or "Lo", received {interval!r}.')
    risk_free = real(risk_free, name="risk_free")
    x = sample(returns)
    scale = bars_per_year(x.frequency, periods)
    draft = Draft(
        "sharpe",
        x,
        level,
        "ratio",
        f"divisor n - 1, sqrt(periods), risk-free {risk_free:g} per bar",
        {"periods": scale, "risk_free": risk_free},
    )
    if reason := x.lacks(2):
        return draft.undefined(reason)
    value = float(_sharpe_points(x.row, scale, risk_free=risk_free)[0])
    if math.isnan(value):
        return draft.undefined(FLAT)
    if x.values.size < 3:
        return draft.bare(value, "an interval needs 3 observations")
    root = math.sqrt(scale)
    lean, tails = shape(x.values)
    error = sharpe_error(value / root, x.values.size, skew=lean, kurtosis=tails, normal=_METHODS[interval])
    return draft.normal(value, error * root, interval)
