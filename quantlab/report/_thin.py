"""Fewer points for the screen: a chart is some 1,200 pixels wide, and 30 years of days are 8,000 points.

Every bucket of neighboring bars keeps its lowest and its highest value, so that no peak, trough or gap disappears from
view; what is kept are bars as they were, never averages.
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
        Up to this many rows all are kept, and more only where a line has that many gaps.

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
    gap = np.isnan(matrix)
    ends = [np.array([0, rows - 1])]
    for line in range(lines):
        # Where a gap begins or ends, both sides are kept.
        edges = np.flatnonzero(gap[1:, line] != gap[:-1, line])
        ends += [edges, edges + 1]
    # One bar can be an extreme of several lines, so the smallest bucket that fits is found by trying.
    size = max(2, -(-2 * rows // limit))
    while True:
        kept = np.unique(np.concatenate([*ends, *_extremes(matrix, gap, size)]))
        if kept.size <= limit or size >= rows:
            return kept
        size += max(1, size // 8)


def _extremes(matrix: np.ndarray, gap: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows of the lowest and the highest value of every bucket of ``size`` rows, line by line."""
    rows, lines = matrix.shape
    starts = np.arange(0, rows, size)
    found = []
    for line in range(lines):
        for fill, pick in ((np.inf, np.argmin), (-np.inf, np.argmax)):
            column = np.full(starts.size * size, fill)
            column[:rows] = np.where(gap[:, line], fill, matrix[:, line])
            found.append(starts + pick(column.reshape(starts.size, size), axis=1))
    return found
