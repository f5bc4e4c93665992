"""Sums, means, deviations and extremes of a trailing window; row t uses rows t - window + 1 to t."""

from __future__ import annotations

from quantlab.core._arguments import numbers, rolling_window
from quantlab.core._door import PanelLike
from quantlab.core._panel import Panel
from quantlab.core._shared import shared
from quantlab.core.ts import _rolling_kernels as kernels


@shared
def rolling_sum(data: PanelLike, *, window: int, min_periods: int | None = None) -> Panel:
    """Return the sum of the present values of each window.

    Parameters
    ----------
    data : PanelLike (T, N)
        In bool data True counts 1.
    window : int >= 1, bars
    min_periods : int in 1..window, optional
        How many values must be present; by default all of them.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where fewer than ``min_periods`` values are present, or where infinities of both signs meet.

    Raises
    ------
    InputError
        When ``window`` or ``min_periods`` is out of range.
    KindError
        When one of them is not an integer.

    Notes
    -----
    Sums are compensated, so the result is the true sum to the last digit or so, whatever the size of single values.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
    >>> data = Panel([[1e15], [1.0], [2.0], [3.0]], days, ["A"])
    >>> rolling_sum(data, window=2).values.ravel()
    array([   nan, 1.e+15, 3.e+00, 5.e+00])
    """
    panel = numbers(data)
    bars, least = rolling_window(window, min_periods)
    return panel._like(kernels.rolling_sums(panel.values, bars, least, False))


@shared
def rolling_mean(data: PanelLike, *, window: int, min_periods: int | None = None) -> Panel:
    """Return the mean of the present values of each window.

    Parameters
    ----------
    data : PanelLike (T, N)
        In bool data True counts 1: the mean is the fraction of bars on which it held.
    window : int >= 1, bars
    min_periods : int in 1..window, optional
        How many values must be present; by default all of them.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where fewer than ``min_periods`` values are present, or where infinities of both signs meet.

    Raises
    ------
    InputError
        When ``window`` or ``min_periods`` is out of range.
    KindError
        When one of them is not an integer.

    Notes
    -----
    The mean of equal values is exactly that value.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> data = Panel([[1.0], [float("nan")], [3.0]], days, ["A"])
    >>> rolling_mean(data, window=3, min_periods=2).values.ravel()
    array([nan, nan,  2.])
    """
    panel = numbers(data)
    bars, least = rolling_window(window, min_periods)
    return panel._like(kernels.rolling_sums(panel.values, bars, least, True))


@shared
def rolling_std(data: PanelLike, *, window: int, min_periods: int | None = None) -> Panel:
    """Return the sample standard deviation of the present values of each window.

    sqrt(sum (x - mean)**2 / (n - 1)), where n is the number of present values.

    Parameters
    ----------
    data : PanelLike (T, N)
    window : int >= 2, bars
    min_periods : int in 1..window, optional
        How many values must be present; by default all of them. With one present value the result is NaN in any case.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where fewer than ``min_periods`` or 2 values are present, and where a window holds an infinite value or its
        squares exceed float64. A window of equal values gives exactly 0.

    Raises
    ------
    InputError
        When ``window`` or ``min_periods`` is out of range.
    KindError
        When one of them is not an integer.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque (1983), "Algorithms for computing the sample variance", The American
    Statistician 37, DOI 10.1080/00031305.1983.10483115: how the two halves of a window are joined.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> rolling_std(Panel([[1e9], [1e9 + 2.0], [1e9 + 4.0]], days, ["A"]), window=3).values.ravel()
    array([nan, nan,  2.])
    """
    panel = numbers(data)
    bars, least = rolling_window(window, min_periods, low=2)
    return panel._like(kernels.rolling_deviations(panel.values, bars, least))


@shared
def rolling_min(data: PanelLike, *, window: int, min_periods: int | None = None) -> Panel:
    """Return the least of the present values of each window.

    Parameters
    ----------
    data : PanelLike (T, N)
    window : int >= 1, bars
    min_periods : int in 1..window, optional
        How many values must be present; by default all of them.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where fewer than ``min_periods`` values are present.

    Raises
    ------
    InputError
        When ``window`` or ``min_periods`` is out of range.
    KindError
        When one of them is not an integer.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> rolling_min(Panel([[3.0], [1.0], [2.0]], days, ["A"]), window=2).values.ravel()
    array([nan,  1.,  1.])
    """
    panel = numbers(data)
    bars, least = rolling_window(window, min_periods)
    return panel._like(kernels.rolling_extremes(panel.values, bars, least, 1.0))


@shared
def rolling_max(data: PanelLike, *, window: int, min_periods: int | None = None) -> Panel:
    """Return the greatest of the present values of each window.

    Parameters
    ----------
    data : PanelLike (T, N)
    window : int >= 1, bars
    min_periods : int in 1..window, optional
        How many values must be present; by default all of them.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where fewer than ``min_periods`` values are present.

    Raises
    ------
    InputError
        When ``window`` or ``min_periods`` is out of range.
    KindError
        When one of them is not an integer.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> rolling_max(Panel([[3.0], [1.0], [2.0]], days, ["A"]), window=2).values.ravel()
    array([nan,  3.,  2.])
    """
    panel = numbers(data)
    bars, least = rolling_window(window, min_periods)
    return panel._like(kernels.rolling_extremes(panel.values, bars, least, -1.0))
