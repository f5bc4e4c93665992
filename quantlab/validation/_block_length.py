"""How long the blocks of a bootstrap should be: long enough to keep dependence, short enough to leave many of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from quantlab.metrics._sample import RESIDUE, Returns, sample


class BlockLength(NamedTuple):
    """Block lengths in bars.

    Attributes
    ----------
    stationary : float
        Mean length of the geometric blocks of the stationary bootstrap.
    circular : float
        Length of the fixed blocks of the circular bootstrap, before rounding.
    """

    stationary: float
    circular: float


def optimal_block_length(returns: Returns) -> BlockLength:
    """Return the block lengths that minimize the error of a bootstrapped variance of the mean, for returns and
    |returns|.

    (2 g² / D · n)^(1/3) by the spectral method, where g and D come from flat-top weighted autocovariances. It is
    computed for r and for |r|, because volatility clusters where returns do not, and the longer one is returned,
    within [1, n/3].

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.

    Returns
    -------
    BlockLength
        Bars. 1 for series that do not vary or have fewer than 8 observations.

    Notes
    -----
    The bandwidth is twice the first lag of the first run of max(5, log10 n) lags whose autocorrelations are all
    insignificant. Read literally the paper takes the lag before that run; we follow the arch library, whose choice is
    one lag longer, so that results can be compared. Before the bounds our numbers equal
    ``arch.bootstrap.optimal_block_length``.

    References
    ----------
    D. N. Politis, H. White (2004), "Automatic block-length selection for the dependent bootstrap", Econometric Reviews
    23(1), DOI 10.1081/ETC-120028836, with the correction of A. Patton, D. N. Politis, H. White (2009), Econometric
    Reviews 28(4), DOI 10.1080/07474930802459016.

    Examples
    --------
    >>> returns = np.sin(np.arange(500) / 20) / 100
    >>> optimal_block_length(returns)
    BlockLength(stationary=35.48038941131686, circular=40.614907090472826)
    """
    values = sample(returns).values
    lengths = [spectral_lengths(series) for series in (values, np.abs(values))]
    longest = max(1.0, values.size / 3)
    return BlockLength(*(min(max(1.0, *pair), longest) for pair in zip(*lengths, strict=True)))


def spectral_lengths(values: np.ndarray) -> tuple[float, float]:
    """Return the stationary and circular lengths of one series (n,) by the formula, or 1 where it gives none."""
    n = values.size
    if n < 8:
        return 1.0, 1.0
    apart = values - values.mean()
    if float(np.abs(apart).max()) <= RESIDUE * max(1.0, float(np.abs(values).max())):
        return 1.0, 1.0
    run = max(5, int(math.log10(n)))
    furthest = math.ceil(math.sqrt(n)) + run
    covariance = np.array([apart[lag:] @ apart[: n - lag] for lag in range(furthest + 1)]) / n
    band = min(2 * max(_first_quiet_lag(apart, covariance, run), 1), furthest)
    lags = np.arange(1, band + 1)
    # Flat-top window: one up to half the bandwidth, then down to zero.
    weighted = np.minimum(1.0, 2.0 * (1.0 - lags / band)) * covariance[1 : band + 1]
    slope, density = 2.0 * float(lags @ weighted), float(covariance[0] + 2.0 * weighted.sum())
    if density == 0.0:
        return 1.0, 1.0
    ratio = 2.0 * n * (slope / density) ** 2
    cap = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    return min((ratio / 2.0) ** (1 / 3), cap), min((ratio / (4.0 / 3.0)) ** (1 / 3), cap)


def _first_quiet_lag(apart: np.ndarray, covariance: np.ndarray, run: int) -> int:
    """The lag at which ``run`` insignificant autocorrelations begin; where there is no such run, the last lag known."""
    n, last = apart.size, covariance.size - 1
    squares = np.concatenate(([0.0], np.cumsum(apart * apart)))
    shorter = np.minimum(np.arange(1, covariance.size + 1), n)
    # Each side of the product is scaled by its own sum of squares, one observation shorter, as arch does.
    with np.errstate(all="ignore"):
        scale = np.sqrt((squares[n] - squares[shorter]) * squares[n - shorter])
        loud = ~(np.abs(covariance) * n / scale < 2.0 * math.sqrt(math.log10(n) / n))
    since = 0
    for lag in range(last):
        since = 0 if loud[lag] else since + 1
        if since == run:
            return lag - run + 1
    return last
