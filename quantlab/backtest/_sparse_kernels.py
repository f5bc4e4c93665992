# mypy: allow-untyped-defs
"""Decision rows without their zeros: a weight matrix is looked at once, checked and shortened."""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel

# What is wrong with a matrix of weights; the checks of a single run then say it.
FINE, NOT_FINITE, TOO_LARGE, UNLISTED = 0, 1, 2, 3


@kernel(plain=True)
def examine(values, rows, first, limit, starts):
    """Count the weights of each row that are not zero, into ``starts`` (R + 1,); return what is wrong.

    ``rows`` (R,) is the bar of each row, ``first`` (N,) the bar of each asset's first close.
    """
    R, N = values.shape
    starts[0] = 0
    for r in range(R):
        row, bar = values[r], rows[r]
        found, wild, gross, early = 0, 0, 0.0, 0
        for i in range(N):
            size = np.abs(row[i])
            found += 1 if row[i] != 0.0 else 0
            wild += 0 if size <= limit else 1
            gross += size
            early += 1 if (row[i] != 0.0) & (first[i] > bar) else 0
        if wild > 0:
            return NOT_FINITE
        if gross > limit:
            return TOO_LARGE
        if early > 0:
            return UNLISTED
        starts[r + 1] = starts[r] + found
    return FINE


@kernel(plain=True)
def shorten(values, order, assets, weights):
    """Write the weights that are not zero and their assets; ``order`` (N,) is the column of each asset."""
    R, N = values.shape
    k = 0
    for r in range(R):
        row = values[r]
        for i in range(N):
            w = row[order[i]]
            # One place more than there are weights: what is no weight is written over.
            assets[k] = i
            weights[k] = w
            k += 1 if w != 0.0 else 0
    return k
