"""The figure of the parameters one by one: what a metric does with each alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.study._figures_parts import demand_values, finish, number_format, panels, ticks
from quantlab.study._levels import coarse, levels_of
from quantlab.study._measures import measure
from quantlab.study._reading import marginal

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

_INK, _PALE = "#0b62a8", "#9fb8d1"
_WIDE = 2
_AXIS = {"zeroline": True, "zerolinecolor": "#c3cad3"}


def marginal_figure(table: pl.DataFrame, parameters: Sequence[str], metric: str = "sharpe") -> go.Figure:
    """Return a plotly figure of a metric over each parameter alone: mean, spread and range over all others.

    Parameters
    ----------
    table : polars.DataFrame, one row per variant
    parameters : names of the parameters
    metric : str

    Returns
    -------
    plotly.graph_objects.Figure
        A panel for each parameter, all on one scale: a dot for the mean, a thick line for one standard deviation to
        either side, a thin one from the least to the greatest. A line joins the means of a parameter that is ordered.
        The titles say what share of the variance goes with the parameter, and how much of it by chance.

    Raises
    ------
    KindError
        When the table is no Polars frame.
    InputError
        When a column or the metric does not exist, or there is nothing to draw.

    Examples
    --------
    >>> import polars as pl
    >>> variants = {"variant": range(4), "a": [1, 1, 2, 2], "b": [5, 9] * 2, "status": ["done"] * 4}
    >>> table = pl.DataFrame({**variants, "sharpe": [0.1, 0.3, 0.5, 0.7]})
    >>> [note.text for note in marginal_figure(table, ["a", "b"]).layout.annotations]
    ['<b>a</b><br>80 % of the variance, 33 % by chance', '<b>b</b><br>20 % of the variance, 33 % by chance']
    """
    import plotly.graph_objects as go

    values = demand_values(table, parameters, metric)
    known, numbers = measure(metric), marginal(table, parameters, metric)
    each = [part for (_,), part in numbers.group_by(["parameter"], maintain_order=True)]
    titles = [_explained(part) for part in each]
    drawn, places = panels(len(each), _WIDE, titles, apart=0.6)
    for part, (row, column) in zip(each, places, strict=True):
        levels = coarse(levels_of(table, part["parameter"][0]))
        for trace in _ranges(go, part, joined=levels.ordered, fraction=known.fraction):
            drawn.add_trace(trace, row, column)
        drawn.update_xaxes(**ticks(levels, stacked=True), row=row, col=column, zeroline=False, showgrid=False)
        drawn.update_yaxes(
            **_AXIS, **number_format(known), row=row, col=column, matches="y", showticklabels=column == 1
        )
        if column == 1:
            drawn.update_yaxes(title_text=known.label, row=row, col=column)
    notes = ["Dot: mean over all other parameters; thick: one standard deviation; thin: least to greatest."]
    if (left := int(np.isnan(values).sum())) > 0:
        notes.append(f"{left:,} of {values.size:,} variants have no value.")
    return finish(drawn, f"{known.label} by each parameter alone", notes, 270 * places[-1][0], top=112)


def _ranges(go: Any, part: pl.DataFrame, *, joined: bool, fraction: bool) -> list[Any]:
    """Mean, spread and range of each value of one parameter."""
    x = np.arange(part.height)
    mean, spread, low, high = (part[name].to_numpy() for name in ("mean", "std", "min", "max"))
    spread = np.where(np.isnan(spread), 0.0, spread)
    sign = ".2%" if fraction else ",.3g"
    told = [
        f"{row['parameter']} {row['value']}<br>{row['count']:,} with a value, {row['missing']:,} without"
        for row in part.iter_rows(named=True)
    ]
    bars = (
        (high - mean, mean - low, 1.2),
        (np.minimum(spread, high - mean), np.minimum(spread, mean - low), 6.0),
    )
    traces = [
        go.Scatter(
            x=x,
            y=mean,
            mode="markers",
            marker={"size": 1, "color": _PALE},
            error_y={"array": up, "arrayminus": under, "thickness": width, "width": 0, "color": _PALE},
            hoverinfo="skip",
            showlegend=False,
        )
        for up, under, width in bars
    ]
    dots = go.Scatter(
        x=x,
        y=mean,
        mode="lines+markers" if joined else "markers",
        line={"color": _INK, "width": 1.4},
        marker={"size": 8, "color": _INK},
        customdata=told,
        hovertemplate=f"%{{customdata}}<br>mean %{{y:{sign}}}<extra></extra>",
        showlegend=False,
    )
    return [*traces, dots]


def _explained(part: pl.DataFrame) -> str:
    name, explained, chance, binned = part.select("parameter", "explained", "chance", "binned").row(0)
    title = f"<b>{name}</b>{', from and to' if binned else ''}"
    if explained is None:
        return title
    return f"{title}<br>{100 * explained:.0f} % of the variance, {100 * chance:.0f} % by chance"
