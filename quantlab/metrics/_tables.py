"""Metrics as Polars tables, for people: months by year, a list of Estimates, one row per strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import KindError, Panel, PanelLike, as_panel
from quantlab.core._lazy import lazy
from quantlab.core.periods import bars_per_year
from quantlab.metrics._drawdown import _alive, calmar, max_drawdown, max_drawdown_duration
from quantlab.metrics._estimate import Estimate
from quantlab.metrics._growth import cagr, total_return
from quantlab.metrics._moments import kurtosis, skew, volatility
from quantlab.metrics._odds import hit_rate, profit_factor, sortino
from quantlab.metrics._sample import Metric, sample
from quantlab.metrics._sharpe import sharpe
from quantlab.metrics._tail import conditional_value_at_risk, value_at_risk

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Every metric of a return series, in the order in which a reader wants them.
STANDARD: tuple[Metric[Any], ...] = (
    total_return,
    cagr,
    volatility,
    sharpe,
    sortino,
    calmar,
    max_drawdown,
    max_drawdown_duration,
    value_at_risk,
    conditional_value_at_risk,
    skew,
    kurtosis,
    hit_rate,
    profit_factor,
)


def summary_table(estimates: Sequence[Estimate]) -> pl.DataFrame:
    """Return Estimates as a table, one row each.

    Parameters
    ----------
    estimates : sequence of Estimate

    Returns
    -------
    polars.DataFrame
        metric, value, se, low, high, unit, reason. What is undefined is null, and ``reason`` says why: for the value,
        or where only the interval is missing, for the interval.

    Examples
    --------
    >>> summary_table([sharpe(np.array([0.01, 0.01]), periods=252)]).row(0)
    ('sharpe', None, None, None, None, 'ratio', 'the returns do not vary')
    """
    for estimate in estimates:
        if not isinstance(estimate, Estimate):
            raise KindError(f"`estimates` must hold Estimates, received {type(estimate).__name__}.")
    columns: dict[str, Any] = {"metric": [e.name for e in estimates]}
    for name in ("value", "se", "low", "high"):
        columns[name] = [_null(getattr(e, name)) for e in estimates]
    columns["unit"] = [e.unit for e in estimates]
    columns["reason"] = [e.reason or e.details.get("no_interval", "") for e in estimates]
    text, number = pl.String, pl.Float64
    schema = {
        "metric": text,
        "value": number,
        "se": number,
        "low": number,
        "high": number,
        "unit": text,
        "reason": text,
    }
    return pl.DataFrame(columns, schema=schema)


def table(
    returns: PanelLike,
    *,
    metrics: Sequence[Metric[Any]] | None = None,
    periods: float | None = None,
    level: float = 0.95,
    intervals: bool = False,
) -> pl.DataFrame:
    """Return the metrics of every column of returns, one row per column.

    Parameters
    ----------
    returns : PanelLike (T, N), simple per bar
        In each column by itself, rows with NaN are dropped.
    metrics : sequence of metric functions, optional
        By default all metrics of a return series.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency.
    level : float in (0, 1)
    intervals : bool
        Whether each metric has columns ``..._low`` and ``..._high``; null where it has no analytic interval.

    Returns
    -------
    polars.DataFrame (N rows)
        symbol, n, one column per metric (null where undefined), and ``reason``, which says what is undefined and why.

    Raises
    ------
    InputError
        When bars per year are unknown.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> panel = Panel([[0.01, 0.01], [0.03, 0.01], [-0.01, 0.01]], days, ["A", "B"])
    >>> table(panel, metrics=[total_return, volatility], periods=252).row(1)
    ('B', 3, 0.03030099999999991, None, 'volatility: the returns do not vary')
    """
    panel = as_panel(returns, name="returns")
    chosen = STANDARD if metrics is None else tuple(metrics)
    scale = bars_per_year(panel.frequency, periods) if any(_annual(item) for item in chosen) else periods
    schema: dict[str, Any] = {"symbol": pl.String, "n": pl.Int64}
    for item in chosen:
        for suffix in ("", "_low", "_high") if intervals else ("",):
            schema[item.__name__ + suffix] = pl.Float64
    schema["reason"] = pl.String
    rows = []
    for place, symbol in enumerate(panel.symbols):
        column = Panel._trusted(
            np.ascontiguousarray(panel.values[:, place : place + 1]), panel.dates, (symbol,), panel.frequency
        )
        row: dict[str, Any] = {"symbol": symbol, "n": sample(column).values.size}
        reasons: list[str] = []
        for item in chosen:
            estimate = item(column, periods=scale, level=level)
            row[item.__name__] = _null(estimate.value)
            if intervals:
                row[item.__name__ + "_low"], row[item.__name__ + "_high"] = _null(estimate.low), _null(estimate.high)
            if estimate.reason:
                reasons.append(f"{item.__name__}: {estimate.reason}")
        row["reason"] = "; ".join(reasons)
        rows.append(row)
    return pl.DataFrame(rows, schema=schema)


def monthly_returns(returns: PanelLike) -> pl.DataFrame:
    """Return compounded returns by month.

    Parameters
    ----------
    returns : PanelLike (T, 1), simple per bar
        Rows with NaN are dropped. A ruined series ends at its ruin.

    Returns
    -------
    polars.DataFrame
        year, Jan ... Dec, total (the year's), fractions. A month without a return is null. A first or last month that
        the data cover in part has the return of that part.

    Examples
    --------
    >>> panel = Panel([[0.10], [0.10], [-0.5]], ["2024-01-02", "2024-01-31", "2024-02-01"], ["A"])
    >>> monthly_returns(panel).select("year", "Jan", "Feb", "Mar", "total").row(0)
    (2024, 0.21000..., -0.5, None, -0.39...)
    """
    panel = as_panel(returns, name="returns")
    x = sample(panel)
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    schema: dict[str, Any] = {"year": pl.Int64, **dict.fromkeys(months, pl.Float64), "total": pl.Float64}
    if x.dates is None or x.values.size == 0:
        return pl.DataFrame(schema=schema)
    alive = _alive(x.values)
    values, month = x.values[:alive], x.dates[:alive].astype("datetime64[M]").astype(np.int64)
    starts = np.flatnonzero(np.diff(month, prepend=month[0] - 1))
    growth = np.multiply.reduceat(1.0 + values, starts)
    rows: dict[int, dict[str, Any]] = {}
    for number, wealth in zip(month[starts].tolist(), growth.tolist(), strict=True):
        year = 1970 + number // 12
        row = rows.setdefault(year, {"year": year, "total": 1.0})
        row[months[number % 12]] = wealth - 1.0
        row["total"] *= wealth
    for row in rows.values():
        row["total"] -= 1.0
    return pl.DataFrame(list(rows.values()), schema=schema)


def _annual(item: Metric[Any]) -> bool:
    if not hasattr(item, "annual"):
        raise KindError(f"`metrics` must hold metric functions of quantlab.metrics, received {item!r}.")
    return item.annual


def _null(number: float) -> float | None:
    return None if math.isnan(number) else number
