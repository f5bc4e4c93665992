"""Fewer points for the screen: a chart is some 1,200 pixels wide, and 30 years of days are 8,000 points.

Every bucket of neighboring bars keeps its lowest and its highest value, so that no peak, trough or gap disappears from view;
what is kept are bars as they were, never averages.
"""

from __future__ import annotations

import numpy as np

LIMIT = 4_000


def thin(values: np.ndarray, limit: int = LIMIT) -> np.ndarray:
    """Return the rows to draw, ascending.

    Parameters
    ----------
    values : array (T,) or (T, K)
        One or several lines that share their dates. NaN is a gap.
    limit : int >= 2
        Up to this many rows all are kept. With K lines, fewer buckets of more rows each.

    Returns
    -------
    numpy.ndarray (n,), int64
        The first and the last row, and of every bucket and line the rows of the least and the greatest value.

    Examples
    --------
    >>> thin(np.array([0.0, 9.0, 1.0, 2.0, -7.0, 3.0]), limit=4)
    array([0, 1, 4, 5])
    """
    matrix = values[:, None] if values.ndim == 1 else values
    rows, lines = matrix.shape
    if rows <= limit:
        return np.arange(rows)
    size = -(-rows * 2 * lines // limit)
    starts = np.arange(0, rows, size)
    gap = np.isnan(matrix)
    kept = [np.array([0, rows - 1])]
    for line in range(lines):
        for fill, pick in ((np.inf, np.argmin), (-np.inf, np.argmax)):
            column = np.full(starts.size * size, fill)
            column[:rows] = np.where(gap[:, line], fill, matrix[:, line])
            place = starts + pick(column.reshape(starts.size, size), axis=1)
            kept.append(place)
        # Where a gap begins or ends, both sides are kept.
        edges = np.flatnonzero(gap[1:, line] != gap[:-1, line])
        kept += [edges, edges + 1]
    return np.unique(np.concatenate(kept))
