"""Value at risk and conditional value at risk, historical.

Both are returns: -0.02 is a loss of 2 %. ``tail`` is the probability of the tail, 0.05 by default.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from quantlab.core import InputError
from quantlab.metrics._estimate import Estimate, normal_quantile
from quantlab.metrics._sample import RESIDUE, Draft, Returns, metric, ruined, sample, settle


def _check(tail: float) -> float:
    if not 0 < tail <= 0.5:
        raise InputError(f"`tail` must lie in (0, 0.5], received {tail}.", hint="the worst 5 % is `tail=0.05`.")
    return float(tail)


def _var_points(matrix: np.ndarray, periods: float = math.nan, *, tail: float = 0.05, **_: Any) -> np.ndarray:
    n = matrix.shape[1]
    if n < 2:
        return np.full(matrix.shape[0], np.nan)
    place = (n - 1) * _check(tail)
    low = math.floor(place)
    high = min(low + 1, n - 1)
    part = np.partition(matrix, (low, high), axis=1)
    first, second = part[:, low], part[:, high]
    return settle(first + (place - low) * (second - first), ruined(matrix))


def _cvar_points(matrix: np.ndarray, periods: float = math.nan, *, tail: float = 0.05, **_: Any) -> np.ndarray:
    n = matrix.shape[1]
    if n < 2:
        return np.full(matrix.shape[0], np.nan)
    mass = n * _check(tail)
    whole = min(math.floor(mass), n - 1)
    if whole == 0:
        return settle(matrix.min(axis=1), ruined(matrix))
    part = np.partition(matrix, (whole - 1, whole), axis=1)
    # Sorted, so that the sum does not depend on how the partition happened to leave the tail.
    worst = np.sort(part[:, :whole], axis=1).sum(axis=1)
    return settle((worst + (mass - whole) * part[:, whole]) / mass, ruined(matrix))


@metric(_var_points)
def value_at_risk(
    returns: Returns, *, periods: float | None = None, level: float = 0.95, tail: float = 0.05
) -> Estimate:
    """Return the historical value at risk: the ``tail`` quantile of returns per bar, negative for a loss.

    The quantile interpolates linearly between order statistics (type 7 of Hyndman and Fan).

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float, optional
        Not used: the value is per bar. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)
        Coverage of the interval, not of the tail.
    tail : float in (0, 0.5]
        Probability of the tail.

    Returns
    -------
    Estimate
        A fraction per bar. The interval lies between two order statistics chosen by the binomial distribution, and
        holds for independent returns of any distribution; ``se`` is its half-width over the normal quantile. With few
        observations (fewer than 72 at 5 % and 95 %) no order statistic is low enough, and there is no interval.

    References
    ----------
    H. A. David, H. N. Nagaraja (2003), "Order statistics", section 7.1, DOI 10.1002/0471722162.

    Examples
    --------
    >>> value_at_risk(np.linspace(-0.10, 0.10, 201))
    value_at_risk -9.00 % [-9.70 %, -8.40 %] (95 %, order statistics, n=201)
    """
    x = sample(returns)
    draft = Draft(
        "value_at_risk",
        x,
        level,
        "fraction",
        f"historical, tail {_check(tail):g}, a return per bar (negative = loss), linear quantile",
        {"tail": float(tail)},
    )
    if reason := x.lacks(2):
        return draft.undefined(reason)
    value = float(_var_points(x.row, tail=tail)[0])
    ordered = np.sort(x.values)
    lower, upper = _ranks(x.values.size, tail, level)
    if lower < 1 or upper > ordered.size:
        return draft.bare(value, f"{ordered.size} observations are too few for an interval at tail {tail:g}")
    low, high = float(ordered[lower - 1]), float(ordered[upper - 1])
    if high - low <= RESIDUE:
        return draft.bare(value, "the returns do not vary in the tail")
    return draft.between(value, (high - low) / (2 * normal_quantile(level)), low, high, "order statistics")


@metric(_cvar_points)
def conditional_value_at_risk(
    returns: Returns, *, periods: float | None = None, level: float = 0.95, tail: float = 0.05
) -> Estimate:
    """Return the historical conditional value at risk: the mean of the worst ``tail`` of returns, negative for a loss.

    The observation on the border counts with the fraction that fills the tail up to n · tail observations exactly,
    which is the minimum of the Rockafellar-Uryasev function.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float, optional
        Not used: the value is per bar. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)
        Coverage of the interval, not of the tail.
    tail : float in (0, 0.5]
        Probability of the tail.

    Returns
    -------
    Estimate
        A fraction per bar. With q the value at risk, se = sd(min(r - q, 0)) / (tail · sqrt(n)), the asymptotic
        standard error for independent returns. Where the tail holds fewer than 2 observations there is no interval.

    References
    ----------
    R. T. Rockafellar, S. Uryasev (2002), "Conditional value-at-risk for general loss distributions", Journal of
    Banking & Finance 26(7), DOI 10.1016/S0378-4266(02)00271-6. Standard error: B. J. Manistre, G. H. Hancock (2005),
    "Variance of the CTE estimator", North American Actuarial Journal 9(2), DOI 10.1080/10920277.2005.10596207.

    Examples
    --------
    >>> conditional_value_at_risk(np.linspace(-0.10, 0.10, 201))
    conditional_value_at_risk -9.55 % [-9.92 %, -9.17 %] (95 %, delta, n=201)
    """
    x = sample(returns)
    draft = Draft(
        "conditional_value_at_risk",
        x,
        level,
        "fraction",
        f"historical, tail {_check(tail):g}, a return per bar (negative = loss), fractional border",
        {"tail": float(tail)},
    )
    if reason := x.lacks(2):
        return draft.undefined(reason)
    value = float(_cvar_points(x.row, tail=tail)[0])
    n = x.values.size
    if n * tail < 2:
        return draft.bare(value, f"the tail holds fewer than 2 observations (n={n}, tail {tail:g})")
    border = np.partition(x.values, math.floor(n * tail))[math.floor(n * tail)]
    spread = float(np.minimum(x.values - border, 0.0).std(ddof=1))
    if spread <= RESIDUE:
        return draft.bare(value, "the returns do not vary in the tail")
    return draft.normal(value, spread / (tail * math.sqrt(n)), "delta")


def _ranks(n: int, tail: float, level: float) -> tuple[int, int]:
    """The ranks (from 1) of the two order statistics that hold the quantile with probability of at least ``level``."""
    from scipy.special import bdtr

    below = bdtr(np.arange(n + 1), n, tail)
    lower = int(np.searchsorted(below, (1 - level) / 2))
    upper = int(np.searchsorted(below, (1 + level) / 2)) + 1
    return lower, upper
