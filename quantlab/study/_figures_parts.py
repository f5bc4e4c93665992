"""What all figures of a sweep have in common: ground and title, panels, labels at axes, colors and their bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import InputError
from quantlab.study._cells import Scale
from quantlab.study._levels import Levels, demand_table, numbers_of
from quantlab.study._measures import Measure

if TYPE_CHECKING:
    import plotly.graph_objects as go

# An axis names at most as many of its values, in labels of at most as many characters.
_LABELED, _LONGEST = 16, 24


def demand_values(table: Any, parameters: Sequence[str], metric: str) -> np.ndarray:
    """Return the metric of every variant, or raise when there is nothing to draw."""
    demand_table(table, parameters)
    values = numbers_of(table, parameters, metric)
    if not values.size or not parameters:
        raise InputError(f"There is nothing to draw: {values.size:,} variants of {len(parameters)} parameters.")
    return values


def panels(
    count: int, wide: int, titles: list[str] | None, *, apart: float = 0.5
) -> tuple[go.Figure, list[tuple[int, int]]]:
    """Return a figure of as many panels, ``wide`` beside each other, and the row and column of each."""
    from plotly.subplots import make_subplots

    columns = min(count, wide)
    rows = math.ceil(count / columns)
    drawn = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=titles,
        horizontal_spacing=0.06 if columns > 1 else None,
        vertical_spacing=apart / (2 * rows) if rows > 1 else None,
    )
    drawn.update_annotations(font_size=12)
    return drawn, [(1 + at // columns, 1 + at % columns) for at in range(count)]


def ticks(levels: Levels, *, stacked: bool = False) -> dict[str, Any]:
    """Return labels at the places of levels: of all, or of some at equal distances; ranges in two lines if asked."""
    step = math.ceil(len(levels) / _LABELED)
    places = list(range(0, len(levels), step))
    labels = [_cut(levels.labels[place]) for place in places]
    if not (levels.binned and stacked):
        return {"tickvals": places, "ticktext": labels}
    labels = [label.replace(" to ", "<br>") for label in labels]
    return {"tickvals": places, "ticktext": labels, "tickangle": 0, "tickfont": {"size": 10}}


def shown(number: float, known: Measure) -> str:
    """Return a number as a reader wants it."""
    if math.isnan(number):
        return ""
    if known.whole:
        return f"{number:,.0f}"
    if known.fraction:
        return f"{100 * number:z,.1f} %"
    return f"{number:z,.2f}" if abs(number) < 100 else f"{number:,.0f}"


def number_format(known: Measure) -> dict[str, str]:
    """Return the format of the numbers at an axis: percent for fractions."""
    return {"tickformat": ",.1~%"} if known.fraction else {}


def colors(scale: Scale) -> dict[str, Any]:
    """Return the colors of a scale as plotly wants them."""
    return {"colorscale": [list(stop) for stop in scale.colors], "cmin": scale.low, "cmax": scale.high}


def color_bar(known: Measure) -> dict[str, Any]:
    """Return the bar that explains the colors."""
    better = "less is better" if known.less_is_better else ""
    title = "<br>".join(filter(None, [known.label.replace(", ", ",<br>"), better]))
    return {
        "title": {"text": title, "font": {"size": 11}},
        "thickness": 14,
        "outlinewidth": 0,
        **number_format(known),
    }


def finish(drawn: go.Figure, title: str, notes: Sequence[str], height: int, *, top: int) -> go.Figure:
    """Return a figure with title, a line of notes and ground; ``top`` is the space above the panels."""
    drawn.update_layout(
        template="plotly_white",
        paper_bgcolor="#ffffff",
        title={
            "text": title,
            "subtitle": {"text": " ".join(filter(None, notes)), "font": {"size": 11, "color": "#56606c"}},
            "font": {"size": 14},
            "x": 0.0,
            "xref": "container",
            "y": 1.0,
            "yanchor": "top",
            "pad": {"l": 12, "t": 14},
        },
        height=height + top + 48,
        margin={"l": 72, "r": 24, "t": top, "b": 48},
    )
    return drawn


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 3]}..."
