"""The numbers of a heatmap: a metric of the variants of each cell made one number, and the colors that tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantlab.core._lazy import lazy
from quantlab.study._levels import Levels
from quantlab.study._measures import Measure

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# What a cell can say of its variants; the first four are values of the metric, of which one is the best.
REDUCTIONS = ("mean", "median", "min", "max", "std", "count")
VALUES = REDUCTIONS[:4]

# Blue and orange are told apart by color-blind readers too; blue is better. The ends are darker than the house's, so
# that lightness tells the distance from the middle.
_TWO_SIDED = ((0.0, "#8a3a04"), (0.25, "#dd8a4a"), (0.5, "#f4f2ee"), (0.75, "#5f9fd0"), (1.0, "#084a80"))
_ONE_SIDED = ((0.0, "#440154"), (0.25, "#3b528b"), (0.5, "#21918c"), (0.75, "#5ec962"), (1.0, "#fde725"))  # viridis
# Lines on white: nothing as light as the ground.
_TWO_SIDED_LINES = ((0.0, "#b4500a"), (0.5, "#bdbfc3"), (1.0, "#0b62a8"))
_ONE_SIDED_LINES = ((0.0, "#d3cfc6"), (0.5, "#6fa3a8"), (1.0, "#07406f"))


@dataclass(frozen=True, slots=True)
class Cells:
    """One number for each cell, (facets, down, across) each.

    Parameters
    ----------
    value : float64, NaN where there is none
    count : int64, variants with a value
    missing : int64, variants without one
    """

    value: np.ndarray
    count: np.ndarray
    missing: np.ndarray


@dataclass(frozen=True, slots=True)
class Scale:
    """Colors for values from ``low`` to ``high``."""

    colors: tuple[tuple[float, str], ...]
    low: float
    high: float


def cells(values: np.ndarray, down: Levels, across: Levels, facets: Levels, reduce: str) -> Cells:
    """Return the values of all variants by cell; ``reduce`` is one of ``REDUCTIONS``."""
    shape = (len(facets), len(down), len(across))
    place = np.ravel_multi_index((facets.codes, down.codes, across.codes), shape)
    known = np.isfinite(values)
    size = int(np.prod(shape))
    count = np.bincount(place[known], minlength=size)
    missing = np.bincount(place[~known], minlength=size)
    found = np.where(count > 0, count, np.nan)
    if reduce != "count":
        column = getattr(pl.col("value"), reduce)()
        reduced = pl.DataFrame({"place": place[known], "value": values[known]}).group_by("place").agg(column)
        found = np.full(size, np.nan)
        found[reduced["place"].to_numpy()] = reduced["value"].fill_null(np.nan).to_numpy()
    return Cells(found.reshape(shape), count.reshape(shape), missing.reshape(shape))


def best_of(value: np.ndarray, known: Measure) -> tuple[int, ...] | None:
    """Return the place of the best value, the first of equals; None when there is no value."""
    if not np.isfinite(value).any():
        return None
    flat = np.nanargmin(value) if known.less_is_better else np.nanargmax(value)
    return tuple(int(at) for at in np.unravel_index(flat, value.shape))


def scale_of(value: np.ndarray, known: Measure, *, lines: bool = False) -> Scale:
    """Return the colors of values: two-sided around the neutral value of a metric when there are values on both sides
    of it, else from the least to the greatest; those of lines are dark enough for a white ground.
    """
    there = value[np.isfinite(value)]
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 1.0)
    if known.neutral is not None and low < known.neutral < high:
        reach = max(known.neutral - low, high - known.neutral)
        colors = _TWO_SIDED_LINES if lines else _TWO_SIDED
        return Scale(_better(colors, known), known.neutral - reach, known.neutral + reach)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Scale(_better(_ONE_SIDED_LINES if lines else _ONE_SIDED, known), low, high)


def _better(colors: tuple[tuple[float, str], ...], known: Measure) -> tuple[tuple[float, str], ...]:
    """The colors so that their last is that of the best."""
    if not known.less_is_better:
        return colors
    return tuple((1 - at, color) for at, color in reversed(colors))
