"""The figure of all variants as lines through their parameters to a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.study._cells import scale_of
from quantlab.study._figures_parts import color_bar, colors, demand_values, finish, number_format, ticks
from quantlab.study._levels import Levels, levels_of
from quantlab.study._measures import measure

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

# An axis names its values up to this many; from this ratio on, its numbers are on a logarithmic scale.
_NAMED, _LOGARITHMIC = 12, 100.0
# Lines that share a value pass it within this distance of its place.
_SPREAD = 0.2
_TEXT = "#16191d"


def parallel_coordinates(table: pl.DataFrame, parameters: Sequence[str], metric: str = "sharpe") -> go.Figure:
    """Return a plotly figure of all variants, each a line through the values of its parameters to its metric.

    Parameters
    ----------
    table : polars.DataFrame, one row per variant
    parameters : names of the parameters
    metric : str

    Returns
    -------
    plotly.graph_objects.Figure
        A range of an axis can be chosen with the mouse, and axes moved. Up to 12 values of a parameter stand at equal
        distances, and lines that share one pass around it, the best at the top; more values stand where they lie, on a
        logarithmic scale when they reach over two decades. Variants without a value are left out, which the title says.

    Raises
    ------
    KindError
        When the table is no Polars frame.
    InputError
        When a column or the metric does not exist, or there is nothing to draw.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"variant": [0, 1], "a": [63, 252], "status": ["done"] * 2, "sharpe": [0.1, 0.3]})
    >>> [(axis.label, axis.values.tolist()) for axis in parallel_coordinates(table, ["a"]).data[0].dimensions]
    [('a', [0.0, 1.0]), ('Sharpe ratio', [0.1, 0.3])]
    """
    import plotly.graph_objects as go

    values = demand_values(table, parameters, metric)
    known = measure(metric)
    # The best last, so that no other line covers it.
    rows = np.argsort(-values if known.less_is_better else values, kind="stable")
    rows = rows[np.isfinite(values[rows])]
    shown = values[rows]
    scale = scale_of(shown, known, lines=True)
    axis = {"label": known.label, "values": shown, **number_format(known)}
    axes = [_axis(levels_of(table, name), rows) for name in parameters] if rows.size else []
    drawn = go.Figure(
        go.Parcoords(
            line={"color": shown, **colors(scale), "showscale": True, "colorbar": color_bar(known)},
            dimensions=[*axes, axis] if rows.size else None,
            labelfont={"size": 12, "color": _TEXT},
            tickfont={"size": 11, "color": _TEXT},
            rangefont={"size": 1, "color": "rgba(0, 0, 0, 0)"},
        )
    )
    left = values.size - rows.size
    notes = [f"{left:,} of {values.size:,} have no value and are left out." if left else ""]
    count = f"{rows.size:,} variant{'s' if rows.size != 1 else ''}"
    return finish(drawn, f"{known.label} of {count}", notes, 440, top=116)


def _axis(levels: Levels, rows: np.ndarray) -> dict[str, Any]:
    codes = levels.codes[rows]
    if len(levels) <= _NAMED or np.isnan(levels.low).any():
        ends = [-1.5 * _SPREAD, len(levels) - 1 + 1.5 * _SPREAD]
        return {"label": levels.name, "values": _apart(codes), **ticks(levels), "range": ends}
    numbers = levels.low[codes]
    if levels.low[0] <= 0 or levels.low[-1] < _LOGARITHMIC * levels.low[0]:
        return {"label": levels.name, "values": numbers}
    first, last = math.floor(math.log10(levels.low[0])), math.ceil(math.log10(levels.low[-1]))
    decades = list(range(first, last + 1))
    return {
        "label": f"{levels.name} (log)",
        "values": np.log10(numbers),
        "tickvals": decades,
        "ticktext": [f"{10.0**decade:g}" for decade in decades],
    }


def _apart(codes: np.ndarray) -> np.ndarray:
    """Places of levels, those that share one spread around it in their order."""
    places = codes.astype(np.float64)
    for code in np.unique(codes):
        same = np.flatnonzero(codes == code)
        if same.size > 1:
            places[same] += np.linspace(-_SPREAD, _SPREAD, same.size)
    return places
