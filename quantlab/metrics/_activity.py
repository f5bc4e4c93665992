"""How much a book trades and holds: turnover and exposure."""

from __future__ import annotations

import math

import numpy as np

from quantlab.core import DataError, InputError, LabelError, Panel, as_panel
from quantlab.core._labels import date_difference, same_dates
from quantlab.core.periods import bars_per_year
from quantlab.metrics._estimate import Estimate
from quantlab.metrics._sample import Draft, Returns, Sample, sample


def turnover(
    traded: Returns, equity: Returns, *, initial: float, periods: float | None = None, level: float = 0.95
) -> Estimate:
    """Return the annual one-way turnover, mean(traded / equity of the bar before) · periods / 2.

    Parameters
    ----------
    traded : PanelLike (T, 1) or array (T,), currency, >= 0
        Absolute value of all fills of the bar, bought and sold.
    equity : PanelLike (T, 1) or array (T,), currency
        At the close, same dates as ``traded``.
    initial : float > 0, currency
        Equity before the first bar.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    level : float in (0, 1)
        Kept with the result; there is no analytic interval.

    Returns
    -------
    Estimate
        Multiples of equity per year: 1.0 means that the book was replaced once a year. NaN when equity was lost.

    Raises
    ------
    LabelError
        When the dates differ.
    DataError
        When a value is missing or ``traded`` is negative.
    InputError
        When ``initial`` is not positive or bars per year are unknown.

    Examples
    --------
    Buy half the equity on the first bar, sell it on the last of four:

    >>> turnover(np.array([50.0, 0.0, 0.0, 50.0]), np.full(4, 100.0), initial=100.0, periods=4)
    turnover 0.50 (no interval, n=4)
    """
    if not (math.isfinite(initial) and initial > 0):
        raise InputError(f"`initial` must be a positive amount, received {initial!r}.")
    spent, worth = sample(traded, name="traded"), sample(equity, name="equity")
    scale = bars_per_year(spent.frequency or worth.frequency, periods)
    for name, x in (("traded", spent), ("equity", worth)):
        if x.dropped:
            raise DataError(f"`{name}` has {x.dropped} missing values.", hint="give both for every bar.")
    if spent.dates is not None and worth.dates is not None and not same_dates(spent.dates, worth.dates):
        raise LabelError(f"`traded` and `equity` differ in dates: {date_difference(spent.dates, worth.dates)}.")
    if spent.values.size != worth.values.size:
        raise LabelError(f"`traded` has {spent.values.size} bars and `equity` {worth.values.size}.")
    below = np.flatnonzero(spent.values < 0)
    if below.size:
        raise DataError(
            f"`traded` is {spent.values[below[0]]:g} on {spent.date(int(below[0]))}; it is an absolute value.",
            hint="take `abs(traded)`.",
        )
    draft = Draft("turnover", spent, level, "per year", "one-way, of the equity one bar before", {"periods": scale})
    if spent.values.size == 0:
        return draft.undefined("there are no bars")
    before = np.concatenate(([float(initial)], worth.values[:-1]))
    lost = np.flatnonzero(before <= 0)
    if lost.size:
        return draft.undefined(f"ruined: equity is {before[lost[0]]:g} after {worth.date(int(lost[0]) - 1)}")
    return draft.bare(float((spent.values / before).mean()) * scale / 2, "no analytic interval")


def exposure(panel: Returns, *, level: float = 0.95) -> Estimate:
    """Return the mean gross exposure.

    Parameters
    ----------
    panel : PanelLike (T, N) with a column "gross", or (T, 1), or array (T,), fractions of equity
        Such as ``result.exposure``. Rows with NaN are dropped.
    level : float in (0, 1)
        Kept with the result; there is no analytic interval.

    Returns
    -------
    Estimate
        A fraction of equity: 1.0 is a fully invested book, 2.0 is 100 % long and 100 % short.

    Raises
    ------
    InputError
        When there are several columns and none is called "gross".

    Examples
    --------
    >>> exposure(np.array([0.0, 1.0, 1.0, 1.0]))
    exposure 75.00 % (no interval, n=4)
    """
    x = _gross(panel)
    draft = Draft("exposure", x, level, "fraction", "mean of gross exposure at the close, of equity")
    if x.values.size == 0:
        return draft.undefined(x.lacks(1))
    return draft.bare(float(x.values.mean()), "no analytic interval")


def _gross(panel: Returns) -> Sample:
    if isinstance(panel, np.ndarray):
        return sample(panel, name="panel")
    table: Panel = as_panel(panel, name="panel")
    if table.shape[1] != 1:
        if "gross" not in table.symbols:
            raise InputError(
                f"`panel` has {table.shape[1]} columns and none is called gross ({', '.join(table.symbols[:4])}, ...).",
                hint="pass `result.exposure`.",
            )
        table = table.select("gross")
    return sample(table, name="panel")
