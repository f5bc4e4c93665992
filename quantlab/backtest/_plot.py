"""The figure behind ``Result.plot``: equity over drawdown, in currency and in fractions of the highest close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantlab import metrics

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from quantlab.backtest._result import Result

_INK, _WASH = "#0b62a8", "rgba(11, 98, 168, 0.16)"


def figure(result: Result) -> go.Figure:
    """Return a plotly figure of equity and drawdown.

    Parameters
    ----------
    result : Result

    Returns
    -------
    plotly.graph_objects.Figure
        Equity at every close on a logarithmic axis (a linear one when equity reached zero or less), below it the
        drawdown since the bar of the first decision. A ruin is marked.

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
        title={"text": f"{result.bars.name}: equity and drawdown", "x": 0.0, "xref": "paper"},
        showlegend=False,
        hovermode="x unified",
        height=520,
        margin={"l": 64, "r": 16, "t": 56, "b": 40},
    )
    drawn.update_yaxes(
        title_text="Equity, currency", type="log" if (equity > 0).all() else "linear", dtick="D2", row=1, col=1
    )
    drawn.update_yaxes(title_text="Drawdown", tickformat=".0%", rangemode="tozero", row=2, col=1)
    if result.ruined is not None:
        drawn.add_vline(x=str(result.ruined), line={"color": "#c2570c", "width": 1, "dash": "dot"})
    return drawn
