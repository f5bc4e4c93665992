"""Numbers of the whole book over time: months, trailing windows, how its parts move together.

The formulas are those of ``quantlab.metrics`` and ``quantlab.core.ts``; here they are put on a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantlab import metrics
from quantlab.core import DataError, InputError, LabelError, Panel, PanelLike, as_panel
from quantlab.core._arguments import integer
from quantlab.core._labels import show
from quantlab.core._lazy import lazy
from quantlab.core.ts import rolling_std

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")


def rolling(returns: Panel, window: int, benchmark: PanelLike | None) -> Panel:
    """Return volatility, Sharpe ratio and, against a benchmark, correlation of trailing windows; see
    ``Result.rolling``.
    """
    bars = integer(window, name="window", low=2)
    if bars > len(returns) > 0:
        raise InputError(
            f"`window` must be at most the number of returns ({len(returns)}), received {bars}: no window is full.",
            hint="returns begin on the bar after the first decision; shorten the window, or run more bars.",
        )
    columns = [metrics.rolling_volatility(returns, bars), metrics.rolling_sharpe(returns, bars)]
    names = ["volatility", "sharpe"]
    if benchmark is not None:
        columns.append(_rolling_correlation(returns, _like(returns, benchmark), bars))
        names.append("correlation")
    values = np.hstack([column.values for column in columns])
    return Panel._trusted(values, returns.dates, tuple(names), returns.frequency)


def _like(returns: Panel, benchmark: PanelLike) -> Panel:
    """The benchmark's rows on the dates of the returns."""
    panel = as_panel(benchmark, name="benchmark")
    if panel.shape[1] != 1:
        raise InputError(f"`benchmark` must have one column, received {panel.shape[1]}.", hint="`.select(symbol)`.")
    rows = np.searchsorted(panel.dates, returns.dates)
    rows[rows == len(panel)] = 0
    if len(returns) and len(panel) == 0:
        raise LabelError("`benchmark` has no dates.")
    lacking = panel.dates[rows] != returns.dates if len(returns) else np.zeros(0, dtype=bool)
    if lacking.any():
        more = f" and {int(lacking.sum()) - 1} more" if lacking.sum() > 1 else ""
        raise LabelError(f"`benchmark` has no return on {show(returns.dates[lacking][0])}{more}.")
    values = panel.values[rows].astype(np.float64)
    if (values <= -1.0).any():
        raise DataError(
            f"`benchmark` is {values.min():g} on {show(returns.dates[int(values.argmin())])}.",
            hint="it holds simple returns per bar: `close / close.shift(1) - 1`.",
        )
    return Panel._trusted(np.ascontiguousarray(values), returns.dates, panel.symbols, returns.frequency)


def _rolling_correlation(left: Panel, right: Panel, window: int) -> Panel:
    """Pearson's, from var(x + y) - var(x - y) = 4 cov(x, y): the deviations of ``ts`` lose nothing to a level."""
    one, two = (rolling_std(panel, window=window).values for panel in (left, right))
    # On one scale, so that the greater of two variances does not swallow the smaller.
    ratio = float(np.nanstd(left.values) / np.nanstd(right.values)) if np.nanstd(right.values) > 0 else 1.0
    scaled = right.values * ratio
    add, take = (
        rolling_std(left._like(np.ascontiguousarray(values)), window=window).values
        for values in (left.values + scaled, left.values - scaled)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (add**2 - take**2) / (4.0 * one * two * ratio)
    flat = ~np.isfinite(found)
    return left._like(np.where(flat, np.nan, np.clip(found, -1.0, 1.0)))


def correlation(panel: Panel, name: str) -> pl.DataFrame:
    """Return Pearson's correlation of every two columns over the rows without NaN; see ``Result.correlation``."""
    if "symbol" in panel.symbols:
        raise LabelError(f"A symbol is called `symbol`, the name of the first column of the correlation of {name}.")
    values = panel.values[~np.isnan(panel.values).any(axis=1)]
    count = panel.shape[1]
    if values.shape[0] < 2:
        matrix = np.full((count, count), np.nan)
    else:
        varies = np.ptp(values, axis=0) > 0.0
        matrix = np.full((count, count), np.nan)
        matrix[np.ix_(varies, varies)] = np.atleast_2d(np.corrcoef(values[:, varies], rowvar=False))
    columns = [pl.Series(symbol, matrix[:, i], nan_to_null=True) for i, symbol in enumerate(panel.symbols)]
    return pl.DataFrame([pl.Series("symbol", list(panel.symbols), dtype=pl.String), *columns])
