"""Statistics across the symbols of each date, over those that are present (not NaN)."""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np

from quantlab.core._kernel import kernel
from quantlab.core._sum_kernels import split_mean, two_sum

_DEPENDENT = 1e-12  # of a column's norm: less than this left after projection is rounding, not information


@kernel(plain=True)
def average_ranks(x, order, out):
    """Write into ``out`` the rank of each present value in its row, 1 for the lowest, ties averaged.

    ``x`` (T, N) float64, ``order`` (T, N) int64 sorts each row with missing values among the infinite ones at its end.
    """
    rows, columns = x.shape
    for t in range(rows):
        first = 0
        while first < columns and x[t, order[t, first]] < np.inf:
            value = x[t, order[t, first]]
            after = first + 1
            while after < columns and x[t, order[t, after]] == value:
                after += 1
            for i in range(first, after):
                out[t, order[t, i]] = 0.5 * (first + 1 + after)
            first = after
        infinite = 0
        for i in range(first, columns):
            infinite += 1 if x[t, order[t, i]] == np.inf else 0
        for i in range(first, columns):
            out[t, order[t, i]] = first + 0.5 * (infinite + 1) if x[t, order[t, i]] == np.inf else np.nan


@kernel(plain=True)
def zscores(x):
    """(x - mean) / sample deviation of each row; a row whose deviation is zero or not finite is NaN throughout."""
    rows, columns = x.shape
    out = np.empty((rows, columns))
    for t in range(rows):
        now, result = x[t], out[t]
        high, low, n = 0.0, 0.0, 0.0
        for j in range(columns):
            present = now[j] == now[j]
            high, error = two_sum(high, now[j] if present else 0.0)
            low += error
            n += 1.0 if present else 0.0
        mean, rest = split_mean(high, low, n)
        high, low = 0.0, 0.0
        for j in range(columns):
            d = (now[j] - mean) - rest
            result[j] = d
            high, error = two_sum(high, d * d if now[j] == now[j] else 0.0)
            low += error
        deviation = np.sqrt((high + low) / (n - 1.0))
        if not (n > 1.0 and deviation > 0.0 and deviation < np.inf):
            deviation = np.nan
        for j in range(columns):
            result[j] = result[j] / deviation
    return out


@kernel(plain=True)
def demeaned(x, codes, groups):
    """``x`` minus the mean of its group in its row.

    ``codes`` (T, N) or (1, N) int64 in 0..groups - 1, or -1 for no group, which gives NaN.
    """
    rows, columns = x.shape
    out = np.empty((rows, columns))
    high, low, n = np.empty(groups), np.empty(groups), np.empty(groups)
    for t in range(rows):
        now, result = x[t], out[t]
        group = codes[t if codes.shape[0] > 1 else 0]
        high[:], low[:], n[:] = 0.0, 0.0, 0.0
        for j in range(columns):
            g = group[j]
            if g >= 0 and now[j] == now[j]:
                high[g], error = two_sum(high[g], now[j])
                low[g] += error
                n[g] += 1.0
        for g in range(groups):
            if n[g] > 0.0:
                high[g], low[g] = split_mean(high[g], low[g], n[g])
        for j in range(columns):
            g = group[j]
            # An infinite mean leaves nothing to compare with: the whole group is NaN, not minus infinity.
            known = g >= 0 and high[g] - high[g] == 0.0
            result[j] = (now[j] - high[g]) - low[g] if known else np.nan
    return out


@kernel(plain=True)
def weighted_norm(w, n, vector):
    """Square root of the sum of w * vector**2 over the first ``n`` places."""
    total = 0.0
    for i in range(n):
        total += w[i] * vector[i] * vector[i]
    return np.sqrt(total)


@kernel(plain=True)
def project_out(basis, rank, w, n, vector):
    """Take from ``vector`` its parts along the first ``rank`` rows of ``basis``, orthonormal under the weights ``w``.

    Twice, because the first pass leaves rounding of the size of what it took away.
    """
    for _ in range(2):
        for k in range(rank):
            part = 0.0
            for i in range(n):
                part += w[i] * basis[k, i] * vector[i]
            for i in range(n):
                vector[i] -= part * basis[k, i]


@kernel(plain=True)
def residuals(y, exposures, weights, out):
    """Write into ``out`` what a weighted regression of each row of ``y`` on a constant and the exposures leaves.

    ``y, weights, out`` (T, N), ``exposures`` (K, T, N). A symbol takes part where all are present and its weight is
    positive; others are NaN. Gram-Schmidt with a second pass; a column of which less than 1e-12 is left is a
    combination of earlier ones and is passed over, which leaves the residual as it is. A row is NaN throughout when
    symbols are no more than independent columns, or a value is infinite. A residual of less than 1e-12 of ``y`` is
    rounding, and is zero.
    """
    count, rows, columns = exposures.shape
    basis, rest, w = np.empty((count + 1, columns)), np.empty(columns), np.empty(columns)
    place = np.empty(columns, dtype=np.int64)
    for t in range(rows):
        n = 0
        for j in range(columns):
            out[t, j] = np.nan
            present = y[t, j] == y[t, j] and weights[t, j] > 0.0
            for k in range(count):
                present = present and exposures[k, t, j] == exposures[k, t, j]
            if present:
                place[n], w[n], rest[n] = j, weights[t, j], y[t, j]
                n += 1
        rank = 0
        for k in range(-1, count):
            vector = basis[rank]
            for i in range(n):
                vector[i] = 1.0 if k < 0 else exposures[k, t, place[i]]
            whole = weighted_norm(w, n, vector)
            project_out(basis, rank, w, n, vector)
            left = weighted_norm(w, n, vector)
            if not left <= _DEPENDENT * whole:
                for i in range(n):
                    vector[i] /= left
                rank += 1
        if n <= rank:
            continue
        whole = weighted_norm(w, n, rest)
        project_out(basis, rank, w, n, rest)
        left = weighted_norm(w, n, rest)
        if left - left == 0.0:
            for i in range(n):
                out[t, place[i]] = 0.0 if left <= _DEPENDENT * whole else rest[i]
