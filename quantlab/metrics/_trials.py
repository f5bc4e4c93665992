"""What a Sharpe ratio is worth after many trials: the chance that it is real, and p-values corrected for the search.

Plain functions of numbers or arrays, which broadcast. Ratios are per bar, never annualized: divide an annualized one by
sqrt(periods), and a variance of annualized ones by periods. Kurtosis is raw (normal = 3). NaN is missing and stays NaN.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from quantlab.core import InputError, KindError

Numbers: TypeAlias = "float | np.ndarray"

# Method -> whether it is of a single step, and so needs no whole number of trials that holds every p-value.
_METHODS = {"bonferroni": True, "sidak": True, "holm": False, "bhy": False}


def probabilistic_sharpe(
    ratio: Numbers, n: Numbers, *, benchmark: Numbers = 0.0, skew: Numbers = 0.0, kurtosis: Numbers = 3.0
) -> Numbers:
    """Return the probability that the true Sharpe ratio exceeds a benchmark, given the estimated one.

    PSR = Φ((SR - benchmark)·sqrt(n - 1) / sqrt(1 - skew·SR + (kurtosis - 1)/4·SR²)), the variance at the estimated SR.

    Parameters
    ----------
    ratio : float or array, Sharpe ratio per bar
    n : float or array >= 2, observations
    benchmark : float or array, Sharpe ratio per bar
    skew : float or array
    kurtosis : float or array >= 1, raw (normal = 3)

    Returns
    -------
    float or array
        In [0, 1]; NaN where an input is. 1 minus it is the one-sided p-value against the benchmark.

    Raises
    ------
    InputError, KindError
        When a number is infinite or out of its range, or is none.

    Notes
    -----
    It assumes independent returns, as :func:`sharpe_error` does. Taking the variance at the benchmark instead, as some
    libraries do, makes skew and kurtosis drop out against a benchmark of 0.

    References
    ----------
    D. Bailey, M. López de Prado (2012), "The Sharpe ratio efficient frontier", Journal of Risk 15(2), DOI
    10.21314/JOR.2012.255.

    Examples
    --------
    The fund of the paper, two years of months:

    >>> round(probabilistic_sharpe(0.458, 24, skew=-2.448, kurtosis=10.164), 4)
    0.9134
    """
    from scipy.special import ndtr

    estimate, against = _numbers(ratio, "ratio"), _numbers(benchmark, "benchmark")
    count = _numbers(n, "n", low=2)
    spread = _spread(estimate, _numbers(skew, "skew"), _kurtosis(kurtosis))
    with np.errstate(divide="ignore", invalid="ignore"):
        return _plain(ndtr((estimate - against) * np.sqrt(count - 1) / spread))


def expected_maximum_sharpe(trials: Numbers, variance: Numbers) -> Numbers:
    """Return the Sharpe ratio per bar to expect of the best of several trials none of which has any skill.

    SR0 = sqrt(variance)·((1 - γ)·Z(1 - 1/N) + γ·Z(1 - 1/(N·e))), γ = 0.5772... (Euler), Z the normal quantile: the
    False Strategy Theorem.

    Parameters
    ----------
    trials : float or array >= 1
        How many were tried; a fraction where it is an effective number.
    variance : float or array >= 0, of the Sharpe ratios per bar across the trials

    Returns
    -------
    float or array
        Per bar. 0 for one trial, of which nothing was selected; and never below 0, where the approximation falls for
        fractions of a second trial. NaN where an input is.

    Raises
    ------
    InputError, KindError
        When a number is infinite or out of its range, or is none.

    Notes
    -----
    It takes the trials as independent. Those of a grid are not: their variance comes out lower, which makes the result
    lower too.

    References
    ----------
    D. Bailey, J. Borwein, M. López de Prado, Q. Zhu (2014), "Pseudo-mathematics and financial charlatanism", Notices
    of the AMS 61(5), DOI 10.1090/noti1105. D. Bailey, M. López de Prado (2014), "The deflated Sharpe ratio", Journal
    of Portfolio Management 40(5), DOI 10.3905/jpm.2014.40.5.094.

    Examples
    --------
    >>> round(expected_maximum_sharpe(100, 1.0), 4)
    2.5306
    """
    from scipy.special import ndtri

    count, spread = _numbers(trials, "trials", low=1), np.sqrt(_numbers(variance, "variance", low=0))
    # -Z(q) is Z(1 - q), without the rounding of 1 - q. One trial is set apart: its quantile is -inf.
    many = np.where(count > 1, count, 2.0)
    quantile = -(1 - np.euler_gamma) * ndtri(1 / many) - np.euler_gamma * ndtri(1 / (many * math.e))
    quantile = np.where(count > 1, np.maximum(quantile, 0.0), np.where(np.isnan(count), np.nan, 0.0))
    return _plain(spread * quantile)


def deflated_sharpe(
    ratio: Numbers,
    n: Numbers,
    *,
    trials: Numbers,
    variance: Numbers,
    skew: Numbers = 0.0,
    kurtosis: Numbers = 3.0,
) -> Numbers:
    """Return the probability that the true Sharpe ratio exceeds what the best of as many trials shows by luck.

    DSR = PSR against the benchmark :func:`expected_maximum_sharpe`.

    Parameters
    ----------
    ratio : float or array, Sharpe ratio per bar
        Of the trial that was selected.
    n : float or array >= 2, observations
    trials : float or array >= 1
        All that were tried, the abandoned ones included.
    variance : float or array >= 0, of the Sharpe ratios per bar across the trials
        Where it is unknown, 1 / (n - 1) is its value when no trial has any skill.
    skew : float or array
    kurtosis : float or array >= 1, raw (normal = 3)

    Returns
    -------
    float or array
        In [0, 1]; NaN where an input is. For one trial it is the probabilistic Sharpe ratio against 0.

    Raises
    ------
    InputError, KindError
        When a number is infinite or out of its range, or is none.

    Notes
    -----
    More than 0.95 is not a test at 5 %: when no trial has any skill it happens to one search of 100 independent trials
    in 700, and above 0.5 to 43 in 100. ``adjusted_p_values`` is a test.

    References
    ----------
    D. Bailey, M. López de Prado (2014), "The deflated Sharpe ratio", Journal of Portfolio Management 40(5), DOI
    10.3905/jpm.2014.40.5.094.

    Examples
    --------
    The example of the paper, five years of 250 days and 100 trials:

    >>> year, days = 250, 1250
    >>> dsr = deflated_sharpe(2.5 / year**0.5, days, trials=100, variance=0.5 / year, skew=-3, kurtosis=10)
    >>> round(dsr, 4)
    0.9004
    """
    return probabilistic_sharpe(
        ratio, n, benchmark=expected_maximum_sharpe(trials, variance), skew=skew, kurtosis=kurtosis
    )


def minimum_track_record(
    ratio: Numbers,
    *,
    benchmark: Numbers = 0.0,
    level: float = 0.95,
    skew: Numbers = 0.0,
    kurtosis: Numbers = 3.0,
) -> Numbers:
    """Return how many observations it takes until the probabilistic Sharpe ratio reaches a level.

    1 + (1 - skew·SR + (kurtosis - 1)/4·SR²)·(Z(level) / (SR - benchmark))², Z the normal quantile.

    Parameters
    ----------
    ratio : float or array, Sharpe ratio per bar
    benchmark : float or array, Sharpe ratio per bar
    level : float in (0.5, 1)
    skew : float or array
    kurtosis : float or array >= 1, raw (normal = 3)

    Returns
    -------
    float or array
        Observations, not rounded. Infinite where the ratio does not exceed the benchmark, since no record is long
        enough then; NaN where an input is.

    Raises
    ------
    InputError, KindError
        When a number is infinite or out of its range, or is none.

    References
    ----------
    See :func:`probabilistic_sharpe`.

    Examples
    --------
    In years of months, for an annualized 2 against 1:

    >>> round(minimum_track_record(2 / 12**0.5, benchmark=1 / 12**0.5) / 12, 3)
    3.24
    """
    from scipy.special import ndtri

    if not 0.5 < level < 1:
        raise InputError(
            f"`level` must lie strictly between 0.5 and 1, received {level}.", hint="95 % is `level=0.95`."
        )
    estimate, against = _numbers(ratio, "ratio"), _numbers(benchmark, "benchmark")
    spread = _spread(estimate, _numbers(skew, "skew"), _kurtosis(kurtosis))
    beyond = estimate - against
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = 1 + (spread * float(ndtri(level)) / beyond) ** 2
    return _plain(np.where(beyond <= 0, np.where(np.isnan(spread), np.nan, np.inf), needed))


def adjusted_p_values(p: Numbers, *, method: str = "holm", trials: float | None = None) -> Numbers:
    """Return p-values corrected for the number of tests.

    With m tests and the p-values in ascending order, p(1) first: "bonferroni" m·p; "sidak" 1 - (1 - p)^m; "holm" the
    largest of (m - j + 1)·p(j) over j <= i; "bhy" the least of m·c(m)/j·p(j) over j >= i, c(m) = 1 + 1/2 + ... + 1/m.
    None exceeds 1.

    Parameters
    ----------
    p : float or array (N,), in [0, 1]
        NaN is a test without a p-value: it stays NaN and is not counted.
    method : "holm" | "bonferroni" | "sidak" | "bhy"
        "bonferroni" and "holm" bound the chance of any false discovery for tests that depend on each other in any way,
        and "holm" rejects more. "sidak" does so for independent tests. "bhy" bounds the share of false discoveries.
    trials : float >= 1, optional
        m, when more was tried than has a p-value here; by default their number. "holm" and "bhy" need a whole number
        that is at least that; the others take an effective number too.

    Returns
    -------
    float or array (N,)
        In [0, 1], in the order of ``p``. Trials that are not in ``p`` count as if each were larger than all in it; if
        some are smaller, the result is on the careful side.

    Raises
    ------
    InputError, KindError
        When a p-value lies outside [0, 1], the method is unknown, or there are fewer trials than p-values.

    References
    ----------
    S. Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2),
    https://www.jstor.org/stable/4615733. Z. Šidák (1967), "Rectangular confidence regions for the means of
    multivariate normal distributions", JASA 62(318), DOI 10.1080/01621459.1967.10482935. Y. Benjamini, D. Yekutieli
    (2001), "The control of the false discovery rate in multiple testing under dependency", Annals of Statistics 29(4),
    DOI 10.1214/aos/1013699998. C. Harvey, Y. Liu (2015), "Backtesting", Journal of Portfolio Management 42(1), DOI
    10.3905/jpm.2015.42.1.013, uses them on Sharpe ratios.

    Examples
    --------
    >>> adjusted_p_values(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    >>> round(adjusted_p_values(0.000796, method="sidak", trials=200), 4)
    0.1472
    """
    if method not in _METHODS:
        raise InputError(f"`method` must be one of {', '.join(_METHODS)}, received {method!r}.")
    values = _numbers(p, "p", low=0)
    if values.ndim > 1:
        raise InputError(f"`p` must be a number or an array of one dimension, received {values.ndim}.")
    if (values > 1).any():
        raise InputError(f"`p` must lie in [0, 1], received {values[values > 1].flat[0]:g}.")
    known = np.flatnonzero(~np.isnan(np.atleast_1d(values)))
    m = _tests(trials, known.size, method)
    out = np.array(np.atleast_1d(values))
    if known.size:
        out[known] = np.minimum(_adjusted(out[known], m, method), 1.0)
    return _plain(out.reshape(values.shape))


def _adjusted(p: np.ndarray, m: float, method: str) -> np.ndarray:
    if method == "bonferroni":
        return m * p
    if method == "sidak":
        with np.errstate(divide="ignore"):
            return -np.expm1(m * np.log1p(-p))
    order = np.argsort(p, kind="stable")
    rank, out = np.arange(1, p.size + 1), np.empty(p.size)
    if method == "holm":
        out[order] = np.maximum.accumulate((m - rank + 1) * p[order])
    else:
        harmonic = float((1 / np.arange(1, m + 1)).sum())
        out[order] = np.minimum.accumulate((m * harmonic / rank * p[order])[::-1])[::-1]
    return out


def _tests(trials: float | None, counted: int, method: str) -> float:
    """How many tests there were."""
    if trials is None:
        return counted
    m = float(_numbers(trials, "trials", low=1))
    if math.isnan(m):
        raise InputError("`trials` must be a number, received nan.")
    if not _METHODS[method] and m != math.floor(m):
        raise InputError(f'`trials` must be a whole number for "{method}", received {m:g}.', hint='use "sidak".')
    if not _METHODS[method] and m < counted:
        raise InputError(f'`trials` is {m:g}, and "{method}" corrects {counted} p-values: each was a trial.')
    return m


def _spread(ratio: np.ndarray, skew: np.ndarray, kurtosis: np.ndarray) -> np.ndarray:
    """The standard error of a Sharpe ratio per bar times sqrt(n - 1)."""
    # Not below zero, because kurtosis >= 1 + skew²; at equality rounding could make it so.
    return np.sqrt(np.maximum(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2, 0.0))


def _kurtosis(value: Any) -> np.ndarray:
    array = _numbers(value, "kurtosis")
    # Two returns alone have a kurtosis of 1 less rounding.
    if (array < 1 - 1e-9).any():
        raise InputError(
            f"`kurtosis` must be at least 1, received {array[array < 1].flat[0]:g}.",
            hint="it is raw, 3 for a normal distribution: add 3 to an excess kurtosis.",
        )
    return array


def _numbers(value: Any, name: str, *, low: float | None = None) -> np.ndarray:
    """The value as a float64 array, of no dimension for a single number; NaN passes."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise KindError(f"`{name}` must be a number or an array of numbers, received {value!r:.60}.")
    array = array.astype(np.float64)
    if np.isinf(array).any():
        raise InputError(f"`{name}` must be finite, received {array[np.isinf(array)].flat[0]:g}.")
    if low is not None and (array < low).any():
        raise InputError(f"`{name}` must be at least {low:g}, received {array[array < low].flat[0]:g}.")
    return array


def _plain(values: np.ndarray) -> Numbers:
    return float(values) if np.ndim(values) == 0 else values
