"""The symbols of a date on one scale; row t uses row t alone."""

from __future__ import annotations

import numpy as np

from quantlab.core._arguments import numbers, real
from quantlab.core._door import PanelLike
from quantlab.core._errors import InputError
from quantlab.core._panel import Panel
from quantlab.core._shared import shared
from quantlab.core.xs import _cross_kernels as kernels
from quantlab.core.xs._strips import strips

_SLACK = 1e-9  # 0.29 * 100 is 28.999999999999996 in float64 and means 29


@shared
def zscore(data: PanelLike) -> Panel:
    """Return how many sample standard deviations each symbol lies from the mean of its date.

    (x - mean) / s with s**2 = sum (x - mean)**2 / (n - 1) over the n present symbols.

    Parameters
    ----------
    data : PanelLike (T, N)

    Returns
    -------
    Panel (T, N), standard deviations
        NaN where the value is missing; the whole date is NaN where the z-score is undefined: fewer than two present
        symbols, all equal, or one infinite.

    Examples
    --------
    >>> data = Panel([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]], ["2024-01-02", "2024-01-03"], ["A", "B", "C"])
    >>> zscore(data).values
    array([[-1.,  0.,  1.],
           [nan, nan, nan]])
    """
    panel = numbers(data)
    return panel._like(kernels.zscores(panel.values))


@shared
def winsorize(data: PanelLike, *, lower: float = 0.01, upper: float = 0.99) -> Panel:
    """Return the values with those beyond two quantiles of their date moved to these quantiles.

    Of n present values the floor(lower * n) lowest become the lowest remaining one, and the floor((1 - upper) * n)
    highest the highest remaining one. So the limits are values of that date, and a small cross-section is left as it
    is.

    Parameters
    ----------
    data : PanelLike (T, N)
    lower, upper : float, 0 <= lower < upper <= 1
        Quantiles.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where the value is missing. Infinite values are moved like any others.

    Raises
    ------
    InputError
        When ``lower`` or ``upper`` is out of range.
    KindError
        When one of them is not a number.

    Examples
    --------
    >>> data = Panel([[1.0, 2.0, 3.0, 90.0]], ["2024-01-02"], ["A", "B", "C", "D"])
    >>> winsorize(data, lower=0.25, upper=0.75).values
    array([[2., 2., 3., 3.]])
    """
    panel = numbers(data)
    low, high = real(lower, name="lower"), real(upper, name="upper")
    if not 0.0 <= low < high <= 1.0:
        raise InputError(f"`lower` and `upper` must satisfy 0 <= lower < upper <= 1, received {low:g} and {high:g}.")
    out = np.empty(panel.shape)
    for rows in strips(panel.shape):
        values = panel.values[rows]
        ordered = np.sort(values, axis=1)  # NaN last
        n = np.count_nonzero(~np.isnan(values), axis=1)
        first = np.floor(low * n + _SLACK).astype(np.int64)
        last = n - 1 - np.floor((1.0 - high) * n + _SLACK).astype(np.int64)
        known = np.flatnonzero(n)
        limits = np.full((2, n.size, 1), np.nan)
        limits[0, known, 0] = ordered[known, first[known]]
        limits[1, known, 0] = ordered[known, last[known]]
        np.clip(values, limits[0], limits[1], out=out[rows])
    return panel._like(out)
