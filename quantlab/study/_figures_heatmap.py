"""The heatmap of a sweep: a metric over two parameters, and a third in panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import InputError
from quantlab.study._cells import REDUCTIONS, VALUES, Cells, best_of, cells, scale_of
from quantlab.study._figures_parts import color_bar, colors, demand_values, finish, panels, shown, ticks
from quantlab.study._levels import Levels, coarse, demand_parameter, levels_of
from quantlab.study._measures import Measure, measure

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

_GAP = "#dfe3e8"
_WIDE, _MOST_FACETS = 3, 12
# Numbers are written into the cells of a panel of at most as many.
_WRITTEN = 120
_WORDS = {"mean": "Mean", "median": "Median", "min": "Least", "max": "Greatest", "std": "Taken"}


def heatmap(
    table: pl.DataFrame,
    parameters: Sequence[str],
    x: str,
    y: str,
    metric: str = "sharpe",
    *,
    reduce: str = "mean",
    facet: str | None = None,
) -> go.Figure:
    """Return a plotly figure of a metric over two parameters, brought to one number over all others.

    Parameters
    ----------
    table : polars.DataFrame, one row per variant
    parameters : names of the parameters
    x, y : names of two parameters
        Values stand side by side in order, whatever their distance. Numbers of a random grid have bins, as in
        ``marginal``.
    metric : str
    reduce : "mean" | "median" | "min" | "max" | "std" | "count"
        What a cell says of its variants.
    facet : name of a third parameter, optional
        One panel for each of its values, 12 at most.

    Returns
    -------
    plotly.graph_objects.Figure
        A cell that was not tried is a gap, one in which everything failed a gap with a cross. The best cell is
        outlined, but for "std" and "count". Colors are two-sided around the value of a book without merit (0 for a
        Sharpe ratio) when there are values on both sides of it.

    Raises
    ------
    KindError
        When the table is no Polars frame.
    InputError
        When a parameter or the metric does not exist, a parameter stands twice, there is nothing to draw, or a facet
        has too many values.

    Examples
    --------
    >>> import polars as pl
    >>> variants = {"variant": range(4), "a": [1, 1, 2, 2], "b": [5, 9] * 2, "status": ["done"] * 4}
    >>> table = pl.DataFrame({**variants, "sharpe": [0.1, 0.3, -0.5, 1.0]})
    >>> heatmap(table, ["a", "b"], "a", "b").data[0].z.tolist()
    [[0.1, -0.5], [0.3, 1.0]]
    """
    import plotly.graph_objects as go

    values = demand_values(table, parameters, metric)
    axes = {"x": x, "y": y} | ({} if facet is None else {"facet": facet})
    _demand_axes(axes, parameters, reduce)
    across, down = (coarse(levels_of(table, name)) for name in (x, y))
    facets = _everybody(values.size) if facet is None else coarse(levels_of(table, facet))
    if len(facets) > _MOST_FACETS:
        raise InputError(f"`facet` must have at most {_MOST_FACETS} values, and {facet} has {len(facets)}.")
    known, found = _reduced(metric, reduce), cells(values, down, across, facets, reduce)
    best = best_of(found.value, known) if reduce in VALUES else None
    drawn, places = panels(len(facets), _WIDE, [f"{facet} {label}" for label in facets.labels] if facet else None)
    for number, (row, column) in enumerate(places):
        panel = Cells(found.value[number], found.count[number], found.missing[number])
        for trace in _traces(go, panel, across, down, known, reduce):
            drawn.add_trace(trace, row, column)
        _name_axes(drawn, across, down, row, column, outer=(number + _WIDE >= len(facets), column == 1))
    if best is not None:
        _outline(drawn, best[1:], *places[best[0]])
    drawn.update_layout(
        coloraxis={**colors(scale_of(found.value, known)), "colorbar": color_bar(known)}, plot_bgcolor=_GAP
    )
    others = [name for name in parameters if name not in axes.values() and len(levels_of(table, name)) > 1]
    notes = [f"{_WORDS[reduce]} over {', '.join(others)}." if others and reduce in _WORDS else ""]
    if best is not None:
        notes.append(f"Outlined: the best cell, chosen among {values.size:,} variants and not corrected for that.")
    if ((found.count == 0) & (found.missing > 0)).any():
        notes.append("Crosses: no variant has a value.")
    rows = places[-1][0]
    height = min(max(26 * len(down) + 60, 300 if rows == 1 else 220), 640)
    title = f"{known.label} by {y} and {x}"
    return finish(drawn, title, notes, rows * height, top=72 if facet is None else 96)


def _demand_axes(axes: Mapping[str, str], parameters: Sequence[str], reduce: str) -> None:
    for argument, name in axes.items():
        demand_parameter(name, parameters, argument)
    if len(set(axes.values())) < len(axes):
        raise InputError(f"`{'`, `'.join(axes)}` must be different parameters, received {', '.join(axes.values())}.")
    if reduce not in REDUCTIONS:
        raise InputError(f"`reduce` must be one of {', '.join(REDUCTIONS)}, received {reduce!r}.")


def _reduced(metric: str, reduce: str) -> Measure:
    """What the number of a cell is."""
    known = measure(metric)
    if reduce == "count":
        return Measure("Variants with a value", whole=True)
    if reduce == "std":
        return Measure(f"Standard deviation of {known.label[0].lower()}{known.label[1:]}", known.fraction)
    return known


def _everybody(rows: int) -> Levels:
    """The levels of no parameter: everybody has the same."""
    nothing = np.full(1, np.nan)
    return Levels("", ("",), np.zeros(rows, dtype=np.int64), False, nothing, nothing)


def _traces(go: Any, found: Cells, across: Levels, down: Levels, known: Measure, reduce: str) -> list[Any]:
    """The traces of one panel of a heatmap: its cells, and crosses where everything failed."""
    told = [[_told(found, across, down, known, reduce, i, j) for j in range(len(across))] for i in range(len(down))]
    written = found.value.size <= _WRITTEN
    text = [[shown(number, known) for number in row] for row in found.value.tolist()]
    traces = [
        go.Heatmap(
            z=found.value,
            customdata=told,
            text=text if written else None,
            texttemplate="%{text}" if written else None,
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=False,
            coloraxis="coloraxis",
            xgap=1,
            ygap=1,
        )
    ]
    failed = np.argwhere((found.count == 0) & (found.missing > 0))
    if failed.size:
        traces.append(
            go.Scatter(
                x=failed[:, 1],
                y=failed[:, 0],
                mode="markers",
                marker={"symbol": "x-thin", "size": 9, "line": {"width": 1.5, "color": "#56606c"}},
                customdata=[told[i][j] for i, j in failed.tolist()],
                hovertemplate="%{customdata}<extra></extra>",
                showlegend=False,
            )
        )
    return traces


def _told(found: Cells, across: Levels, down: Levels, known: Measure, reduce: str, i: int, j: int) -> str:
    """What the mouse reads off a cell."""
    count, missing = int(found.count[i, j]), int(found.missing[i, j])
    lines = [f"{across.name} {across.labels[j]}", f"{down.name} {down.labels[i]}"]
    if count:
        of = "" if reduce == "count" else f"{reduce} of {count:,}: " if count > 1 else ""
        lines.append(f"{of}{known.label} {shown(float(found.value[i, j]), known)}")
    if missing:
        lines.append(f"{missing:,} without a value")
    return "<br>".join(lines)


def _outline(drawn: go.Figure, cell: tuple[int, ...], row: int, column: int) -> None:
    i, j = cell
    for color, width in (("#ffffff", 5), ("#16191d", 2.5)):
        drawn.add_shape(
            type="rect",
            x0=j - 0.5,
            x1=j + 0.5,
            y0=i - 0.5,
            y1=i + 0.5,
            line={"color": color, "width": width},
            row=row,
            col=column,
        )


def _name_axes(
    drawn: go.Figure, across: Levels, down: Levels, row: int, column: int, *, outer: tuple[bool, bool]
) -> None:
    """Values at every panel's axes, names at the outer ones: (the lowest row, the first column)."""
    below, left = outer
    plain = {"showgrid": False, "zeroline": False, "ticks": "outside", "ticklen": 3}
    wide, high = (
        {**ticks(levels, stacked=levels is across), "range": [-0.5, len(levels) - 0.5], **plain}
        for levels in (across, down)
    )
    drawn.update_xaxes(**wide, title_text=_titled(across) if below else None, row=row, col=column)
    drawn.update_yaxes(**high, title_text=_titled(down) if left else None, showticklabels=left, row=row, col=column)


def _titled(levels: Levels) -> str:
    return f"{levels.name}, from and to" if levels.binned else levels.name
