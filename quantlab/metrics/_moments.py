"""Volatility, skew and kurtosis: the spread and the shape of returns, by central moments.

Skew and kurtosis are population moments (divisor n). Kurtosis is raw: 3 for a normal distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from quantlab.core.periods import bars_per_year
from quantlab.metrics._estimate import Estimate, normal_quantile
from quantlab.metrics._sample import RESIDUE, Draft, Returns, metric, ruined, sample, settle

FLAT = "the returns do not vary"


def deviations(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of each row (B,), the deviations from it (B, T), and whether the row is flat (B,).

    Flat means that the standard deviation is rounding and not variation: 1e-14, relative to a mean above one.
    """
    mean = matrix.mean(axis=1)
    apart = matrix - mean[:, np.newaxis]
    spread = np.sqrt((apart * apart).mean(axis=1))
    return mean, apart, spread <= RESIDUE * np.maximum(1.0, np.abs(mean))


def shape(values: np.ndarray) -> tuple[float, float]:
    """Return skew and raw kurtosis of a series (n,) by population moments; NaN when it is flat."""
    row = values[np.newaxis]
    return float(_skew_points(row)[0]), float(_kurtosis_points(row)[0])


def _volatility_points(matrix: np.ndarray, periods: float, **_: Any) -> np.ndarray:
    n = matrix.shape[1]
    if n < 2:
        return np.full(matrix.shape[0], np.nan)
    apart, flat = deviations(matrix)[1:]
    return settle(np.sqrt((apart * apart).sum(axis=1) / (n - 1)) * math.sqrt(periods), flat | ruined(matrix))


def _skew_points(matrix: np.ndarray, periods: float = math.nan, **_: Any) -> np.ndarray:
    if matrix.shape[1] < 3:
        return np.full(matrix.shape[0], np.nan)
    apart, flat = deviations(matrix)[1:]
    square = apart * apart
    with np.errstate(all="ignore"):
        return settle((square * apart).mean(axis=1) / square.mean(axis=1) ** 1.5, flat | ruined(matrix))


def _kurtosis_points(matrix: np.ndarray, periods: float = math.nan, **_: Any) -> np.ndarray:
    if matrix.shape[1] < 3:
        return np.full(matrix.shape[0], np.nan)
    apart, flat = deviations(matrix)[1:]
    square = apart * apart
    with np.errstate(all="ignore"):
        return settle((square * square).mean(axis=1) / square.mean(axis=1) ** 2, flat | ruined(matrix))


@metric(_volatility_points, annual=True)
def volatility(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the annualized standard deviation of returns.

    The standard deviation per bar (divisor n - 1) times sqrt(periods).

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A fraction per year. The interval is the delta method with the sample's kurtosis,
        var(s) = s² (kurtosis - 1) / (4 n), on the logarithm, so that it stays positive. It assumes independent
        returns: when volatility clusters it is too narrow, and ``ql.bootstrap`` is not. NaN for flat returns.

    Raises
    ------
    InputError
        When bars per year are unknown.

    Examples
    --------
    >>> volatility(np.array([0.01, -0.02, 0.015, 0.0]), periods=252)
    volatility 24.57 % [15.43 %, 39.12 %] (95 %, delta-kurtosis, n=4)
    """
    x = sample(returns)
    scale = bars_per_year(x.frequency, periods)
    draft = Draft("volatility", x, level, "fraction per year", "divisor n - 1, sqrt(periods)", {"periods": scale})
    if reason := x.lacks(2):
        return draft.undefined(reason)
    value = float(_volatility_points(x.row, scale)[0])
    if math.isnan(value):
        return draft.undefined(FLAT)
    if x.values.size < 3:
        return draft.bare(value, "an interval needs 3 observations")
    relative = math.sqrt(max(shape(x.values)[1] - 1.0, 0.0) / (4 * x.values.size))
    stretch = math.exp(normal_quantile(level) * relative)
    return draft.between(value, value * relative, value / stretch, value * stretch, "delta-kurtosis")


@metric(_skew_points)
def skew(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the skewness of returns, m3 / m2^1.5.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float, optional
        Not used: skew is per bar. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A ratio; 0 for a symmetric distribution. The interval is the delta method for independent returns of any
        distribution; for normal ones its standard error is sqrt(6 / n). NaN for flat returns or n < 3.

    Examples
    --------
    >>> skew(np.array([0.01, -0.05, 0.015, 0.0, 0.01]))
    skew -1.35 [-3.76, 1.05] (95 %, delta, n=5)
    """
    x = sample(returns)
    draft = Draft("skew", x, level, "ratio", "population moments, per bar")
    return _shape_estimate(draft, _skew_points, _skew_influence)


@metric(_kurtosis_points)
def kurtosis(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the raw kurtosis of returns, m4 / m2²; it is 3 for a normal distribution.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float, optional
        Not used: kurtosis is per bar. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A ratio >= 1. Subtract 3 for excess kurtosis. The interval is the delta method for independent returns of any
        distribution; for normal ones its standard error is sqrt(24 / n). It rests on eighth powers: with very fat
        tails both the value and the interval come out low. NaN for flat returns or n < 3.

    Examples
    --------
    >>> kurtosis(np.array([0.01, -0.05, 0.015, 0.0, 0.01]))
    kurtosis 3.04 [-4.05, 10.13] (95 %, delta, n=5)
    """
    x = sample(returns)
    draft = Draft("kurtosis", x, level, "ratio", "raw (normal = 3), population moments, per bar")
    return _shape_estimate(draft, _kurtosis_points, _kurtosis_influence)


def _shape_estimate(draft: Draft, points: Any, influence: Callable[[np.ndarray, float], np.ndarray]) -> Estimate:
    x = draft.sample
    if reason := x.lacks(3):
        return draft.undefined(reason)
    value = float(points(x.row)[0])
    if math.isnan(value):
        return draft.undefined(FLAT)
    apart = x.values - x.values.mean()
    error = float(influence(apart / apart.std(), value).std()) / math.sqrt(x.values.size)
    if error <= RESIDUE:
        return draft.bare(value, "the standard error is zero: the returns take two values alone")
    return draft.normal(value, error, "delta")


def _skew_influence(z: np.ndarray, value: float) -> np.ndarray:
    """How much each standardized return moves the skew, times n; its variance is 6 for normal returns."""
    return z**3 - 3 * z - 1.5 * value * (z**2 - 1) - value


def _kurtosis_influence(z: np.ndarray, value: float) -> np.ndarray:
    """How much each standardized return moves the kurtosis, times n; its variance is 24 for normal returns."""
    return z**4 - 4 * float((z**3).mean()) * z - 2 * value * (z**2 - 1) - value
