"""Drawdowns: how far and how long wealth stood below its last peak.

Wealth starts at 1.0 before the first return, so a loss on the first bar is a drawdown. Drawdowns are compounded and
negative: -0.25 is a quarter below the peak. Durations count bars that have a return.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import Panel, PanelLike, as_panel
from quantlab.core._arguments import integer
from quantlab.core._door import date_series
from quantlab.core._lazy import lazy
from quantlab.core.periods import bars_per_year
from quantlab.metrics._estimate import Estimate
from quantlab.metrics._growth import _cagr_points
from quantlab.metrics._sample import Draft, Returns, Sample, metric, ruined, sample, settle

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Wealth is a product of T factors with a rounding error near sqrt(T) · 1e-16; a shallower dip than this is that error.
_SHALLOW = 1e-12


def depths(matrix: np.ndarray) -> np.ndarray:
    """Return wealth over its running peak, less one, for each row (B, T)."""
    wealth = np.cumprod(1.0 + matrix, axis=1)
    peak = np.maximum.accumulate(wealth, axis=1)
    np.maximum(peak, 1.0, out=peak)
    wealth /= peak
    wealth -= 1.0
    return wealth


def _depth_points(matrix: np.ndarray, periods: float = math.nan, **_: Any) -> np.ndarray:
    if matrix.shape[1] == 0:
        return np.full(matrix.shape[0], np.nan)
    with np.errstate(all="ignore"):
        return settle(depths(matrix).min(axis=1), ruined(matrix))


def _length_points(matrix: np.ndarray, periods: float = math.nan, **_: Any) -> np.ndarray:
    n = matrix.shape[1]
    if n == 0:
        return np.full(matrix.shape[0], np.nan)
    with np.errstate(all="ignore"):
        below = depths(matrix) < -_SHALLOW
    bars = np.arange(1, n + 1, dtype=np.float64)
    # The last bar that stood at a peak, counted from 1; 0 is the start.
    last = np.maximum.accumulate(np.where(below, 0.0, bars), axis=1)
    return settle((bars - last).max(axis=1), ruined(matrix))


def _calmar_points(matrix: np.ndarray, periods: float, **_: Any) -> np.ndarray:
    depth = _depth_points(matrix)
    with np.errstate(all="ignore"):
        return settle(_cagr_points(matrix, periods) / -depth, ~(depth < -_SHALLOW))


@metric(_depth_points, extreme=True)
def max_drawdown(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the deepest drawdown: the least of wealth over its running peak, less one.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float, optional
        Not used. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A fraction in (-1, 0]; 0 when wealth never fell. ``details`` names peak, trough and recovery (dates, or
        observation numbers for an array; peak None is the start, recovery None is not yet). No analytic interval: use
        ``ql.bootstrap``. NaN after ruin.

    Examples
    --------
    >>> max_drawdown(np.array([-0.10, 0.05, 0.05, -0.02, 0.10]))
    max_drawdown -10.00 % (no interval, n=5)
    """
    x = sample(returns)
    draft = Draft("max_drawdown", x, level, "fraction", "compounded, from a wealth of 1 before the first return")
    if reason := x.lacks(1):
        return draft.undefined(reason)
    value = float(_depth_points(x.row)[0])
    deepest = min(_spells(x), key=lambda spell: spell[3], default=None)
    if deepest is None:
        return draft.bare(value)
    peak, trough, recovery, _ = deepest
    rows = {"peak": peak, "trough": trough, "recovery": recovery}
    named: dict[str, Any] = {name: None if row is None else x.date(row) for name, row in rows.items()}
    return draft.bare(value, **named)


@metric(_length_points, extreme=True)
def max_drawdown_duration(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the longest run of bars below the last peak.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped and not counted.
    periods : float, optional
        Not used. Every metric takes it, so that all can be called alike.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A count of bars; a drawdown that has not recovered counts up to the last bar. No analytic interval: use
        ``ql.bootstrap``. NaN after ruin.

    Examples
    --------
    >>> max_drawdown_duration(np.array([-0.10, 0.05, 0.05, -0.02, 0.10]))
    max_drawdown_duration 4 (no interval, n=5)
    """
    x = sample(returns)
    draft = Draft("max_drawdown_duration", x, level, "bars", "bars below the last peak, the recovery not counted")
    if reason := x.lacks(1):
        return draft.undefined(reason)
    return draft.bare(float(_length_points(x.row)[0]))


@metric(_calmar_points, annual=True)
def calmar(returns: Returns, *, periods: float | None = None, level: float = 0.95) -> Estimate:
    """Return the Calmar ratio: CAGR over the depth of the deepest drawdown, both of the whole series.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    level : float in (0, 1)

    Returns
    -------
    Estimate
        A ratio with the sign of the CAGR. No analytic interval: use ``ql.bootstrap``. NaN when wealth never fell, or
        after ruin.

    Raises
    ------
    InputError
        When bars per year are unknown.

    Examples
    --------
    >>> calmar(np.array([-0.10, 0.05, 0.05, -0.02, 0.10]), periods=5)
    calmar 0.70 (no interval, n=5)
    """
    x = sample(returns)
    scale = bars_per_year(x.frequency, periods)
    draft = Draft("calmar", x, level, "ratio", "CAGR / |max drawdown|, whole series", {"periods": scale})
    if reason := x.lacks(1):
        return draft.undefined(reason)
    value = float(_calmar_points(x.row, scale)[0])
    return draft.undefined("wealth never fell") if math.isnan(value) else draft.bare(value)


def drawdowns(returns: PanelLike) -> Panel:
    """Return the drawdown at each bar.

    Parameters
    ----------
    returns : PanelLike (T, 1), simple per bar

    Returns
    -------
    Panel (T, 1), column "drawdown"
        Wealth over its running peak, less one; 0 at a peak. NaN where the return is missing, and after ruin (at the
        bar of ruin it is -1 or less).

    Examples
    --------
    >>> returns = Panel([[-0.5], [0.1], [0.1]], ["2024-01-02", "2024-01-03", "2024-01-04"], ["A"])
    >>> drawdowns(returns).values[:, 0].round(3)
    array([-0.5  , -0.45 , -0.395])
    """
    panel = as_panel(returns, name="returns")
    x = sample(panel)
    out = np.full((len(panel), 1), np.nan)
    if x.values.size:
        alive = _alive(x.values)
        rows = np.flatnonzero(~np.isnan(panel.values[:, 0]))[:alive]
        out[rows, 0] = depths(x.row[:, :alive])[0]
    return Panel._trusted(out, panel.dates, ("drawdown",), panel.frequency)


def drawdown_table(returns: PanelLike, *, top: int = 5) -> pl.DataFrame:
    """Return the deepest drawdowns, one per spell below a peak.

    Parameters
    ----------
    returns : PanelLike (T, 1), simple per bar
        Rows with NaN are dropped and not counted.
    top : int >= 1

    Returns
    -------
    polars.DataFrame
        ``peak`` (date; null is the start of the record), ``trough``, ``recovery`` (date; null is not yet), ``depth``
        (fraction, negative), ``bars_down`` (peak to trough), ``bars_to_recover`` (trough to recovery, or null),
        deepest first. A ruined series ends at its ruin.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
    >>> drawdown_table(Panel([[0.1], [-0.5], [1.5], [-0.1]], days, ["A"])).select("depth", "bars_to_recover").rows()
    [(-0.5, 1), (-0.09999999999999998, None)]
    """
    top = integer(top, name="top", low=1)
    panel = as_panel(returns, name="returns")
    x = sample(panel)
    column = date_series(panel.dates)
    dates = column.filter(np.isfinite(panel.values[:, 0])).to_list()
    rows: list[dict[str, Any]] = []
    for peak, trough, recovery, depth in sorted(_spells(x), key=lambda spell: spell[3])[:top]:
        rows.append(
            {
                "peak": None if peak is None else dates[peak],
                "trough": dates[trough],
                "recovery": None if recovery is None else dates[recovery],
                "depth": depth,
                "bars_down": trough - (-1 if peak is None else peak),
                "bars_to_recover": None if recovery is None else recovery - trough,
            }
        )
    schema: dict[str, Any] = dict.fromkeys(("peak", "trough", "recovery"), column.dtype)
    schema |= {"depth": pl.Float64, "bars_down": pl.Int64, "bars_to_recover": pl.Int64}
    return pl.DataFrame(rows, schema=schema)


def _alive(values: np.ndarray) -> int:
    """How many bars there are up to and including the ruin."""
    gone = np.flatnonzero(values <= -1.0)
    return int(gone[0]) + 1 if gone.size else values.size


def _spells(x: Sample) -> list[tuple[int | None, int, int | None, float]]:
    """Every spell below a peak: rows of peak (None: the start), trough and recovery (None: not yet), and the depth."""
    values = x.values[: _alive(x.values)]
    if values.size == 0:
        return []
    depth = depths(values[np.newaxis])[0]
    below = np.concatenate(([False], depth < -_SHALLOW, [False]))
    starts = np.flatnonzero(below[1:] & ~below[:-1])
    ends = np.flatnonzero(below[:-1] & ~below[1:])
    out: list[tuple[int | None, int, int | None, float]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(depth[start:end].argmin())
        peak = start - 1 if start > 0 else None
        out.append((peak, trough, end if end < values.size else None, float(depth[trough])))
    return out
