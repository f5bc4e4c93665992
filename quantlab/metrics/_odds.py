"""Ratios of good bars to bad ones: Sortino, profit factor, hit rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from quantlab.core._arguments import real
from quantlab.core.periods import bars_per_year
from quantlab.metrics._estimate import Estimate, normal_quantile
from quantlab.metrics._sample import RESIDUE, Draft, Returns, metric, ruined, sample, settle


def _sortino_points(matrix: np.ndarray, periods: float, *, target: float = 0.0, **_: Any) -> np.ndarray:
    if matrix.shape[1] < 2:
        return np.full(matrix.shape[0], np.nan)
    apart = matrix - target
    mean = apart.mean(axis=1)
    np.minimum(apart, 0.0, out=apart)
    apart *= apart
    down = np.sqrt(apart.mean(axis=1))
    with np.errstate(all="ignore"):
        return settle(mean / down * math.sqrt(periods), (down <= RESIDUE) | ruined(matrix))


def _factor_points(matrix: np.ndarray, periods: float = math.nan, **_: Any) -> np.ndarray:
    if matrix.shape[1] == 0:
        return np.full(matrix.shape[0], np.nan)
    gain, loss = np.maximum(matrix, 0.0).sum(axis=1), -np.minimum(matrix, 0.0).sum(axis=1)
    with np.errstate(all="ignore"):
        return settle(gain / loss, (loss <= RESIDUE * matrix.shape[1]) | ruined(matrix))


def _hit_points(matrix: np.ndarray, periods: float = math.nan, **_: Any) -> np.ndarray:
    up, down = (matrix > RESIDUE).sum(axis=1), (matrix < -RESIDUE).sum(axis=1)
    with np.errstate(all="ignore"):
        return settle(up / (up + down), ruined(matrix))


@metric(_sortino_points, annual=True)
def sortino(returns: Returns, *, periods: float | None = None, level: float = 0.95, target: float = 0.0) -> Estimate:
    """Return the annualized Sortino ratio, mean(r - target) / sqrt(mean(min(r - target, 0)²)) · sqrt(periods).

    The downside deviation averages over all bars, not over the losing ones.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    level : float in (0, 1)
    target : float, simple return per bar

    Returns
    -------
    Estimate
        A ratio without an analytic interval: use ``ql.bootstrap``. NaN when no return lies below the target, or after
        ruin.

    Raises
    ------
    InputError
        When bars per year are unknown, or ``target`` is not finite.

    References
    ----------
    F. A. Sortino, L. N. Price (1994), "Performance measurement in a downside risk framework", Journal of Investing
    3(3), DOI 10.3905/joi.3.3.59.

    Examples
    --------
    >>> sortino(np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04]), periods=1)
    sortino 4.42 (no interval, n=8)
    """
    target = real(target, name="target")
    x = sample(returns)
    scale = bars_per_year(x.frequency, periods)
    draft = Draft(
        "sortino",
        x,
        level,
        "ratio",
        f"downside over all bars, sqrt(periods), target {target:g} per bar",
        {"periods": scale, "target": target},
    )
    if reason := x.lacks(2):
        return draft.undefined(reason)
    value = float(_sortino_points(x.row, scale, target=target)[0])
    return draft.undefined(f"no return lies below the target {target:g}") if math.isnan(value) else draft.bare(value)


@metric(_factor_points)
def profit_factor(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the profit factor of bars: the sum of gains over the sum of losses.

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
        A ratio >= 0 without an analytic interval: use ``ql.bootstrap``. NaN when no bar lost, or after ruin.

    Examples
    --------
    >>> profit_factor(np.array([0.02, -0.01, 0.01]))
    profit_factor 3.00 (no interval, n=3)
    """
    x = sample(returns)
    draft = Draft("profit_factor", x, level, "ratio", "sums of simple returns per bar")
    if reason := x.lacks(1):
        return draft.undefined(reason)
    value = float(_factor_points(x.row)[0])
    return draft.undefined("no bar lost") if math.isnan(value) else draft.bare(value)


@metric(_hit_points)
def hit_rate(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the share of bars that gained, among those that gained or lost.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped. Bars with a return of zero (up to 1e-14, rounding) decide nothing and are not
        counted.
    periods : float, optional
        Not used. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A fraction in [0, 1] with Wilson's interval for independent bars; ``n`` counts the bars that gained or lost.
        NaN when there is none, or after ruin.

    References
    ----------
    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22(158), DOI 10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> hit_rate(np.array([0.02, -0.01, 0.01, 0.0]))
    hit_rate 66.67 % [20.77 %, 93.85 %] (95 %, Wilson, n=3)
    """
    x = sample(returns)
    draft = Draft("hit_rate", x, level, "fraction", "gains / (gains + losses), bars at zero left out")
    if reason := x.lacks(1):
        return draft.undefined(reason)
    value = float(_hit_points(x.row)[0])
    if math.isnan(value):
        return draft.undefined("no bar gained or lost")
    n = int((np.abs(x.values) > RESIDUE).sum())
    z = normal_quantile(level)
    center = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2))
    # The bounds are 0 and 1 exactly at a rate of 0 and 1; rounding must not carry them outside.
    low, high = max(center - half, 0.0), min(center + half, 1.0)
    return draft.between(value, math.sqrt(value * (1 - value) / n), low, high, "Wilson", n=n)
