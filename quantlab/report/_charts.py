"""The numbers behind the charts, as plain lists: what is drawn is what stands in the JSON twin.

A chart is a dict with its ``kind`` ("lines", "bars", "histogram"), its text, and its points; a gap is None. Long series
lose bars for display (``_thin``) and say so in their caption.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quantlab import metrics
from quantlab.backtest import Result
from quantlab.core._labels import DAY, show
from quantlab.core.periods import bars_per_year
from quantlab.metrics import Estimate
from quantlab.report._format import show as text
from quantlab.report._thin import thin
from quantlab.validation import WalkForward

# With more numbers in all windows (minute bars over a year) the rolling chart would take longer than all the rest.
_MOST_CELLS = 1_000_000_000
# What a book costs: always told, and told where it cost something.
KINDS = ("commission", "slippage", "borrow")
OTHER_KINDS = ("fees", "debit_interest", "conversion_cost")


def charts(result: Result, walks: list[WalkForward]) -> dict[str, Any]:
    """Return the charts of a backtest, by name; one that cannot be drawn is left out."""
    drawn = {
        "growth": _growth(result, walks),
        "rolling": _rolling(result),
        "exposure": _exposure(result),
        "costs": _costs(result),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}


def histogram(estimate: Estimate, title: str) -> dict[str, Any] | None:
    """Return the histogram of an estimate's draws, its value and bounds marked, or None when there is none to draw."""
    if estimate.draws is None:
        return None
    draws = estimate.draws[np.isfinite(estimate.draws)]
    if draws.size < 2 or float(np.ptp(draws)) <= 1e-12 * max(1.0, float(np.abs(draws).max())):
        return None
    # The width by Freedman and Diaconis (1981), DOI 10.1007/BF01025868, kept within what a small chart can show.
    spread = float(np.subtract(*np.quantile(draws, [0.75, 0.25])))
    width = 2 * spread / draws.size ** (1 / 3)
    bins = int(np.clip(np.ceil(np.ptp(draws) / width), 15, 60)) if width > 0 else 15
    counts, edges = np.histogram(draws, bins=bins)
    marks = [("low", estimate.low, "dot"), ("estimate", estimate.value, "solid"), ("high", estimate.high, "dot")]
    return {
        "kind": "histogram",
        "title": title,
        "axis": "number of draws",
        "unit": estimate.unit,
        "time": False,
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "marks": [{"name": name, "value": value, "dash": dash} for name, value, dash in marks if np.isfinite(value)],
        "label": f"Histogram of {draws.size:,} resampled values from {text(float(draws.min()), estimate.unit)} to "
        f"{text(float(draws.max()), estimate.unit)}.",
        "caption": f"{draws.size:,} resampled values; the solid line is the estimate, dotted lines bound the "
        f"{100 * estimate.level:g}\u202f% interval."
        + (
            f" {estimate.draws.size - draws.size:,} undefined draws are left out."
            if draws.size < estimate.draws.size
            else ""
        ),
    }


def plain(values: np.ndarray) -> list[float | None]:
    """Return a column as a list, NaN as None."""
    return [None if value != value else value for value in values.tolist()]


def days(dates: np.ndarray) -> list[str]:
    """Return dates as text that sorts as time does."""
    if dates.dtype == DAY:
        return dates.astype(str).tolist()
    return [moment.replace("T", " ") for moment in dates.astype("datetime64[s]").astype(str).tolist()]


def first_bar(result: Result) -> int:
    """Return the bar before the first return, 0 where there is none: the bar from which the track record counts."""
    return max(len(result.equity) - len(result.returns) - 1, 0) if len(result.returns) else 0


def _growth(result: Result, walks: list[WalkForward]) -> dict[str, Any]:
    start = first_bar(result)
    dates, equity = result.equity.dates[start:], result.equity.values[start:, 0]
    drawdown = np.zeros(equity.size)
    drawdown[equity.size - len(result.returns) :] = metrics.drawdowns(result.returns).values[:, 0]
    outside = _outside(result, walks, dates, equity)
    rows = thin(np.column_stack([equity, drawdown, *(line for _, *both in outside for line in both)]))
    lines = [_line("Backtest", 1, equity[rows])]
    lines += [_line(name, 2 + (i % 3), line[rows]) for i, (name, line, _) in enumerate(outside)]
    below = [_line("Drawdown", 1, drawdown[rows], fill=True, of="Backtest")]
    below += [
        _line(f"Drawdown, {name.lower()}", 2 + (i % 3), line[rows], of=name, width=1.0)
        for i, (name, _, line) in enumerate(outside)
    ]
    positive = bool((equity > 0).all())
    shades = [shade for walk in walks for shade in _shades(walk)]
    low = int(np.nanargmin(drawdown))
    return _lines(
        "Equity and drawdown",
        [
            _panel("Equity at each close", "currency", days(dates[rows]), lines, share=0.68, log=positive),
            _panel(
                "Drawdown from the highest close",
                "fraction",
                days(dates[rows]),
                below,
                share=0.32,
                zero=True,
            ),
        ],
        dates,
        label=f"Equity from {text(float(equity[0]), 'currency')} on {show(dates[0])} "
        f"to {text(float(equity[-1]), 'currency')} on {show(dates[-1])}; "
        f"deepest drawdown {text(float(drawdown[low]), 'fraction')} on {show(dates[low])}.",
        caption=_thinned(rows.size, dates.size)
        + (" Shaded: the walk-forward's test periods." if shades else "")
        + (" Its line starts at the backtest's equity." if outside else "")
        + ("" if positive else " Equity reached zero or less, which a logarithmic axis cannot show."),
        shades=shades,
    )


def _outside(
    result: Result, walks: list[WalkForward], dates: np.ndarray, equity: np.ndarray
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The walk-forwards' wealth and drawdown on the backtest's dates, from the backtest's equity; NaN where none is.

    One whose dates are not the backtest's, or that was ruined, is left out: its columns and its folds tell of it.
    """
    found = []
    for number, walk in enumerate(walks, 1):
        days_, wealth = walk.returns.dates, np.cumprod(1.0 + walk.returns.values[:, 0])
        rows = np.searchsorted(dates, days_)
        if walk.result is result or rows.size == 0 or rows[0] == 0 or rows[-1] >= dates.size:
            continue
        if (dates[rows] != days_).any() or not (wealth > 0).all():
            continue
        line, drawdown = np.full((2, dates.size), np.nan)
        line[rows[0] - 1], drawdown[rows[0] - 1] = equity[rows[0] - 1], 0.0
        line[rows] = equity[rows[0] - 1] * wealth
        drawdown[rows] = metrics.drawdowns(walk.returns).values[:, 0]
        found.append(("Walk-forward" if len(walks) == 1 else f"Walk-forward {number}", line, drawdown))
    return found


def _shades(walk: WalkForward) -> list[dict[str, str]]:
    starts, ends = (days(walk.folds[column].to_numpy()) for column in ("test_start", "test_end"))
    return [{"from": start, "to": end} for start, end in zip(starts, ends, strict=True)]


def _rolling(result: Result) -> dict[str, Any] | None:
    window = round(bars_per_year(result.frequency))
    bars = len(result.returns)
    if window < 2 or bars < window + 1 or bars * window > _MOST_CELLS:
        return None
    sharpe = metrics.rolling_sharpe(result.returns, window).values[window - 1 :, 0]
    volatility = metrics.rolling_volatility(result.returns, window).values[window - 1 :, 0]
    if not np.isfinite(volatility).any():
        return None
    dates = result.returns.dates[window - 1 :]
    rows = thin(np.column_stack([sharpe, volatility]))
    x = days(dates[rows])
    return _lines(
        "Rolling twelve months",
        [
            _panel("Sharpe ratio", "ratio", x, [_line("Sharpe ratio", 1, sharpe[rows])], share=0.5, zero=True),
            _panel(
                "Volatility per year", "fraction", x, [_line("Volatility", 2, volatility[rows])], share=0.5, zero=True
            ),
        ],
        dates,
        label=f"Rolling Sharpe ratio and volatility over {window:,} bars, {show(dates[0])} to {show(dates[-1])}.",
        caption=f"Each point looks back {window:,} bars, so that neighbors share most of their data. "
        + _thinned(rows.size, dates.size),
    )


def _exposure(result: Result) -> dict[str, Any]:
    start = len(result.equity) - len(result.returns) if len(result.returns) else 0
    dates, values = result.exposure.dates[start:], result.exposure.values[start:]
    held = dict(zip(result.exposure.symbols, values.T, strict=True))
    if np.nansum(held["short"]) == 0:
        # Long, gross and net are one line then.
        columns = {"long": held["long"]}
        caption = "Nothing was held short: long, gross and net exposure are equal. "
    else:
        # A short side is drawn below zero, where a reader looks for it.
        columns = {**held, "short": -held["short"]}
        caption = "The short side is drawn below zero; gross is long plus short, net is long less short. "
    rows = thin(np.column_stack(list(columns.values())))
    colors = {"long": 1, "short": 2, "gross": 4, "net": 3}
    lines = [_line(name.capitalize(), colors[name], column[rows]) for name, column in columns.items()]
    mean = {name: float(np.nanmean(column)) if np.isfinite(column).any() else np.nan for name, column in held.items()}
    return _lines(
        "Exposure",
        [_panel("Fraction of equity", "fraction", days(dates[rows]), lines, share=1.0, zero=True)],
        dates,
        label="Mean exposure as a fraction of equity: "
        + ", ".join(f"{name} {text(value, 'fraction')}" for name, value in mean.items())
        + ".",
        caption=caption + _thinned(rows.size, dates.size),
    )


def _costs(result: Result) -> dict[str, Any] | None:
    start = len(result.equity) - len(result.returns)
    dates, equity = result.equity.dates[start:], result.equity.values[start:, 0]
    groups = {name.capitalize(): result.charges[name].to_numpy() for name in KINDS}
    groups["Fees, interest, conversion"] = np.sum([result.charges[name].to_numpy() for name in OTHER_KINDS], axis=0)
    if not any(paid.any() for paid in groups.values()):
        return None
    years, place = np.unique(dates.astype("datetime64[Y]"), return_inverse=True)
    # After a ruin there is no equity to relate anything to.
    alive = equity > 0
    count = np.bincount(place, weights=alive)
    mean = np.divide(np.bincount(place, weights=equity * alive), count, out=np.zeros(count.size), where=count > 0)
    bars: list[dict[str, Any]] = []
    for color, (name, paid) in enumerate(groups.items(), 1):
        if name.lower() not in KINDS and not paid.any():
            continue
        total = np.bincount(place, weights=paid[start:])
        share = np.divide(total, mean, out=np.full(total.size, np.nan), where=mean > 0)
        bars.append({"name": name, "color": color, "y": plain(share)})
    return {
        "kind": "bars",
        "title": "Costs per year",
        "axis": "Fraction of the year's mean equity",
        "unit": "fraction",
        "time": False,
        "x": [str(year) for year in years],
        "bars": bars,
        "label": f"{', '.join(bar['name'] for bar in bars)} as a fraction of mean equity, {years[0]} to {years[-1]}.",
        "caption": "First and last year count only the bars that they have.",
    }


def _lines(title: str, panels: list[dict[str, Any]], dates: np.ndarray, **rest: Any) -> dict[str, Any]:
    ends = days(dates[[0, -1]])
    return {
        "kind": "lines",
        "title": title,
        "time": True,
        "daily": dates.dtype == DAY,
        "range": ends,
        "panels": panels,
        "shades": [],
        **rest,
    }


def _panel(title: str, unit: str, x: list[str], lines: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
    return {"title": title, "unit": unit, "x": x, "lines": lines, "log": False, "zero": False, **rest}


def _line(
    name: str, color: int, values: np.ndarray, *, fill: bool = False, of: str | None = None, width: float = 1.4
) -> dict[str, Any]:
    """One line; ``of`` is the legend's entry that hides it, its own name when left out."""
    return {"name": name, "of": of or name, "color": color, "width": width, "fill": fill, "y": plain(values)}


def _thinned(drawn: int, bars: int) -> str:
    if drawn == bars:
        return f"All {bars:,} bars are drawn."
    return f"{drawn:,} of {bars:,} bars are drawn: the lowest and the highest of each group of neighbors."
