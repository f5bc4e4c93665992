"""The figure behind ``Result.plot``: equity over drawdown, in currency and in fractions of the highest close."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab import metrics

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from quantlab.backtest._result import Result

# From this ratio of the highest to the lowest equity on, the axis is logarithmic.
_LOGARITHMIC = 3.0
_INK, _WASH = "#0b62a8", "rgba(11, 98, 168, 0.16)"


def figure(result: Result) -> go.Figure:
    """Return a plotly figure of equity and drawdown.

    Parameters
    ----------
    result : Result

    Returns
    -------
    plotly.graph_objects.Figure
        Equity at every close on a logarithmic axis (a linear one when the highest is less than three times the lowest,
        where the two look alike, or when equity reached zero or less), below it the drawdown since the bar of the first
        decision. A ruin is marked.

    Examples
    --------
    >>> from quantlab.backtest import simulate
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> bars = as_bars(Panel([[10.0], [10.0], [9.0]], days, ["A"]))
    >>> drawn = figure(simulate(Panel([[1.0]], days[:1], ["A"]), bars, fill="next_close"))
    >>> [(line.name, round(float(line.y[-1]), 3)) for line in drawn.data]
    [('Equity', 900000.0), ('Drawdown', -0.1)]
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    dates, equity = result.equity.dates, result.equity.values[:, 0]
    drawdown = np.zeros(equity.size)
    drawdown[equity.size - len(result.returns) :] = metrics.drawdowns(result.returns).values[:, 0]
    drawn = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06)
    drawn.add_trace(
        go.Scatter(x=dates, y=equity, name="Equity", line={"color": _INK, "width": 1.4}, hovertemplate="%{y:,.0f}"),
        1,
        1,
    )
    drawn.add_trace(
        go.Scatter(
            x=dates,
            y=drawdown,
            name="Drawdown",
            line={"color": _INK, "width": 1.0},
            fill="tozeroy",
            fillcolor=_WASH,
            hovertemplate="%{y:.2%}",
        ),
        2,
        1,
    )
    drawn.update_layout(
        template="plotly_white",
        # Two short lines from the left edge on: one would be cut in a narrow cell.
        title={
            "text": f"{result.bars.name}<br>equity and drawdown",
            "font": {"size": 14},
            "x": 0.0,
            "xref": "container",
            "pad": {"l": 12},
        },
        showlegend=False,
        hovermode="x unified",
        height=520,
        margin={"l": 64, "r": 16, "t": 64, "b": 40},
    )
    drawn.update_yaxes(title_text="Equity, currency", **_axis(equity), row=1, col=1)
    drawn.update_yaxes(title_text="Drawdown", tickformat=".0%", rangemode="tozero", row=2, col=1)
    if result.ruined is not None:
        drawn.add_vline(x=str(result.ruined), line={"color": "#c2570c", "width": 1, "dash": "dot"})
    return drawn


def _axis(equity: np.ndarray) -> dict[str, Any]:
    """The axis of equity: where it is logarithmic, with three labels or more that each say the whole number."""
    low, high = float(equity.min()), float(equity.max())
    if not low > 0.0 or high < _LOGARITHMIC * low:
        return {"type": "linear"}
    decades = math.log10(high / low)
    digits = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0) if decades < 1.0 else (1.0, 2.0, 5.0) if decades < 3.0 else (1.0,)
    step = max(1, math.ceil(decades / 8.0))
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**exponent for exponent in exponents if exponent % step == 0 for digit in digits]
    near = 10.0**0.05
    return {
        "type": "log",
        "tickmode": "array",
        "tickvals": [tick for tick in ticks if low / near <= tick <= high * near],
        "tickformat": "~s",
    }
