"""The order of the symbols of a date; row t uses row t alone."""

from __future__ import annotations

import numpy as np

from quantlab.core._arguments import integer, numbers
from quantlab.core._door import PanelLike
from quantlab.core._errors import KindError
from quantlab.core._panel import Panel
from quantlab.core._shared import shared
from quantlab.core.xs import _cross_kernels as kernels
from quantlab.core.xs._strips import strips


@shared
def rank(data: PanelLike, *, pct: bool = False) -> Panel:
    """Return the rank of each symbol on its date: 1 for the lowest, equal values share the mean of their ranks.

    Parameters
    ----------
    data : PanelLike (T, N)
    pct : bool
        True divides by the number of symbols present on that date.

    Returns
    -------
    Panel (T, N), 1 to n, or fraction in (0, 1] with ``pct``
        NaN where the value is missing. Infinite values rank first or last.

    Raises
    ------
    KindError
        When ``pct`` is not a bool.

    Examples
    --------
    >>> data = Panel([[0.3, 0.1, 0.3, float("nan")]], ["2024-01-02"], ["A", "B", "C", "D"])
    >>> rank(data).values
    array([[2.5, 1. , 2.5, nan]])
    """
    panel = numbers(data)
    if not isinstance(pct, (bool, np.bool_)):
        raise KindError(f"`pct` must be True or False, received {pct!r}.")
    ranks = _ranks(panel.values)
    if pct:
        ranks /= np.maximum(_present(panel.values), 1)
    return panel._like(ranks)


@shared
def quantile_buckets(data: PanelLike, *, buckets: int) -> Panel:
    """Return the number of the quantile bucket of each symbol on its date, 1 for the lowest values.

    floor((rank - 1/2) / n * buckets) + 1 with the ranks of :func:`rank` among n present symbols. Bucket sizes differ by
    at most one when no values are equal; equal values share a bucket, so that with many of them buckets may be empty.

    Parameters
    ----------
    data : PanelLike (T, N)
    buckets : int >= 2

    Returns
    -------
    Panel (T, N), whole numbers 1 to ``buckets``
        NaN where the value is missing.

    Raises
    ------
    InputError
        When ``buckets`` is below 2.
    KindError
        When ``buckets`` is not an integer.

    Examples
    --------
    >>> data = Panel([[0.3, 0.1, 0.5, 0.7]], ["2024-01-02"], ["A", "B", "C", "D"])
    >>> quantile_buckets(data, buckets=2).values
    array([[1., 1., 2., 2.]])
    """
    panel = numbers(data)
    q = integer(buckets, name="buckets", low=2)
    twice = 2.0 * _ranks(panel.values)
    # Whole numbers on both sides of the division: no bucket edge is a matter of rounding.
    return panel._like(np.floor((twice - 1.0) * q / np.maximum(2 * _present(panel.values), 1)) + 1.0)


def _ranks(values: np.ndarray) -> np.ndarray:
    out = np.empty(values.shape)
    for rows in strips(values.shape):
        part = values[rows]
        # NumPy's fast sort steps back to one five times slower where it meets a NaN.
        order = np.argsort(np.where(np.isnan(part), np.inf, part), axis=1)
        kernels.average_ranks(part, order, out[rows])
    return out


def _present(values: np.ndarray) -> np.ndarray:
    return np.count_nonzero(~np.isnan(values), axis=1)[:, np.newaxis]
