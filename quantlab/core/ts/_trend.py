"""Where the newest value stands in its window, and how steeply that climbs; row t uses rows t - window + 1 to t."""

from __future__ import annotations

from quantlab.core._arguments import numbers, rolling_window
from quantlab.core._door import PanelLike
from quantlab.core._panel import Panel
from quantlab.core._shared import shared
from quantlab.core.ts import _rolling_kernels as kernels


@shared
def rolling_rank(data: PanelLike, *, window: int, min_periods: int | None = None) -> Panel:
    """Return the rank of the newest value among the present values of its window, as a fraction.

    (number below it + (number equal to it, itself included, + 1) / 2) / number present: 1 is the highest, equal values
    share the mean of their ranks.

    Parameters
    ----------
    data : PanelLike (T, N)
    window : int >= 2, bars
        The time taken grows with it: each value is compared with every other of its window.
    min_periods : int in 1..window, optional
        How many values must be present; by default all of them.

    Returns
    -------
    Panel (T, N), fraction in (0, 1]
        NaN where the newest value is missing, or fewer than ``min_periods`` values are present.

    Raises
    ------
    InputError
        When ``window`` or ``min_periods`` is out of range.
    KindError
        When one of them is not an integer.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
    >>> rolling_rank(Panel([[3.0], [1.0], [2.0], [2.0]], days, ["A"]), window=2).values.ravel()
    array([ nan, 0.5 , 1.  , 0.75])
    """
    panel = numbers(data)
    bars, least = rolling_window(window, min_periods, low=2)
    return panel._like(kernels.rolling_ranks(panel.values, bars, least))


@shared
def rolling_slope(data: PanelLike, *, window: int, min_periods: int | None = None) -> Panel:
    """Return the slope of the least-squares line through the present values of each window against the bar number.

    sum (i - mean i) (x - mean x) / sum (i - mean i)**2 over the present values, i counting bars.

    Parameters
    ----------
    data : PanelLike (T, N)
        For a rate of growth pass the logarithm of a price.
    window : int >= 2, bars
    min_periods : int in 1..window, optional
        How many values must be present; by default all of them. With one present value the result is NaN in any case.

    Returns
    -------
    Panel (T, N), unit of the data per bar
        NaN where fewer than ``min_periods`` or 2 values are present, and where a window holds an infinite value.

    Raises
    ------
    InputError
        When ``window`` or ``min_periods`` is out of range.
    KindError
        When one of them is not an integer.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> rolling_slope(Panel([[1.0], [2.0], [5.0]], days, ["A"]), window=3).values.ravel()
    array([nan, nan,  2.])
    """
    panel = numbers(data)
    bars, least = rolling_window(window, min_periods, low=2)
    return panel._like(kernels.rolling_slopes(panel.values, bars, least))
