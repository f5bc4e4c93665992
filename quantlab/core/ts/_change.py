"""The change over a lag; row t uses rows t - lag and t."""

from __future__ import annotations

import numpy as np

from quantlab.core._arguments import integer, numbers
from quantlab.core._door import PanelLike
from quantlab.core._panel import Panel
from quantlab.core._shared import shared


@shared
def pct_change(data: PanelLike, *, lag: int = 1) -> Panel:
    """Return the change over ``lag`` bars as a fraction: (x[t] - x[t - lag]) / x[t - lag].

    Parameters
    ----------
    data : PanelLike (T, N)
        Prices, for simple returns.
    lag : int >= 1, bars

    Returns
    -------
    Panel (T, N), fraction
        NaN in the first ``lag`` rows, where either value is missing or infinite, and where the earlier one is zero.
        Nothing is filled: after a missing bar the next two changes over one bar are missing.

    Raises
    ------
    InputError
        When ``lag`` is below 1.
    KindError
        When ``lag`` is not an integer.

    Notes
    -----
    The difference is taken first: on x[t] / x[t - lag] - 1 it loses digits when the change is small.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> pct_change(Panel([[100.0], [110.0], [99.0]], days, ["A"])).values.ravel()
    array([ nan,  0.1, -0.1])
    """
    panel = numbers(data)
    bars = integer(lag, name="lag", low=1)
    values = panel.values
    out = np.full(values.shape, np.nan)
    if len(panel) > bars:
        change, old = out[bars:], values[:-bars]
        with np.errstate(all="ignore"):
            np.subtract(values[bars:], old, out=change)
            np.divide(change, old, out=change)
        change[np.isinf(change)] = np.nan
    return panel._like(out)
