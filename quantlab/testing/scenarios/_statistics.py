"""Statistics that tell what is in a matrix of returns or closes; plain NumPy, no knowledge of what was planted.

All of them judge whole samples in hindsight; none is a signal.
"""

from __future__ import annotations

import math

import numpy as np

_START = (math.log(0.95 / 0.05), math.log(0.1 / 0.9))  # persistence and alpha's part of it, as logits


def log_returns(close: np.ndarray) -> np.ndarray:
    """Return log returns (T - 1, N) of closes (T, N)."""
    return np.diff(np.log(close), axis=0)


def variance_ratio(returns: np.ndarray, horizon: int) -> np.ndarray:
    """Return by column (N,) the variance of overlapping ``horizon``-bar returns over ``horizon`` times that of one bar.

    Both unbiased under a random walk, after A. W. Lo and A. C. MacKinlay (1988), DOI 10.1093/rfs/1.1.41.
    """
    rows = len(returns)
    mean = returns.mean(axis=0)
    single = ((returns - mean) ** 2).sum(axis=0) / (rows - 1)
    levels = np.concatenate([np.zeros((1, returns.shape[1])), np.cumsum(returns, axis=0)])
    longer = levels[horizon:] - levels[:-horizon] - horizon * mean
    weight = horizon * (rows - horizon + 1) * (1.0 - horizon / rows)
    return (longer**2).sum(axis=0) / weight / single


def correlation(returns: np.ndarray, first: np.ndarray, second: np.ndarray | None = None) -> float:
    """Return the mean correlation over pairs of two columns of ``first``, or of one of ``first`` and one of ``second``.

    Of normal scores, the normal quantiles of ranks: with fat tails one day can decide Pearson's coefficient, whose
    standard error does not exist. From sums over columns, since the mean needs no matrix of pairs.
    """
    from scipy.special import ndtri

    scored = ndtri((returns.argsort(axis=0).argsort(axis=0) + 0.5) / len(returns))
    scored /= scored.std(axis=0)
    one = scored[:, first].sum(axis=1)
    if second is None:
        return float(((one**2).mean() - first.size) / (first.size * (first.size - 1)))
    return float((one * scored[:, second].sum(axis=1)).mean() / (first.size * second.size))


def tail_index(values: np.ndarray, part: float) -> float:
    """Return the tail index of ``abs(values)`` from its largest ``part``, after B. M. Hill (1975).

    DOI 10.1214/aos/1176343247. A Student t with v degrees of freedom has index v; a normal has none and gives a large
    number.
    """
    ordered = np.sort(np.abs(values), axis=None)
    count = max(2, int(part * ordered.size))
    top = ordered[-count:]
    return float(1.0 / np.mean(np.log(top / ordered[-count - 1])))


def garch_persistence(returns: np.ndarray) -> tuple[float, float]:
    """Return (alpha + beta, alpha) of GARCH(1,1) by normal quasi-likelihood, one pair for all columns (T, N).

    Each column's long-run variance is taken as its sample variance (variance targeting), so that two parameters
    are left.
    """
    from scipy.optimize import minimize
    from scipy.signal import lfilter

    squares = ((returns - returns.mean(axis=0)) / returns.std(axis=0)) ** 2

    def loss(logits: np.ndarray) -> float:
        persistence, part = 1.0 / (1.0 + np.exp(-logits))
        alpha, beta = persistence * part, persistence * (1.0 - part)
        # h[t] - beta h[t-1] = (1 - persistence) + alpha e[t-1]^2 from h[0] = 1 on.
        driven = np.concatenate([np.ones_like(squares[:1]), (1.0 - persistence) + alpha * squares[:-1]])
        variance = lfilter([1.0], [1.0, -beta], driven, axis=0)
        return float(np.mean(np.log(variance) + squares / variance))

    best = minimize(loss, _START, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-9, "maxiter": 400})
    persistence, part = 1.0 / (1.0 + np.exp(-best.x))
    return float(persistence), float(persistence * part)


def rank_correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation of two matrices by column (N,)."""
    ranks = [values.argsort(axis=0).argsort(axis=0).astype(np.float64) for values in (left, right)]
    scored = [(rank - rank.mean(axis=0)) / rank.std(axis=0) for rank in ranks]
    return (scored[0] * scored[1]).mean(axis=0)
