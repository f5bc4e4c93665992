"""What each variant was worth in a training window: all of a fold on the same bars."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.core import Bars, Panel
from quantlab.core.periods import bars_per_year
from quantlab.study._strategy import name_of
from quantlab.study._tracks import Tracks

# Rows of a metric's array form at a time: its temporary arrays are as large.
_ROWS = 256


@dataclass(frozen=True, slots=True)
class FoldTrial:
    """The variants of one fold in its training window.

    Parameters
    ----------
    scores : (V,) float64, NaN where a variant cannot win
    bars : (V,) int64, how many bars each was scored on, 0 where it was left out
    reasons : (V,) why a score is NaN, else None
    longest : most bars of the window on which a variant has returns
    """

    scores: np.ndarray
    bars: np.ndarray
    reasons: list[str | None]
    longest: int

    @property
    def lead(self) -> int:
        """The variant with the highest score, among equals the first; -1 when none has one."""
        defined = ~np.isnan(self.scores)
        return int(np.where(defined, self.scores, -math.inf).argmax()) if defined.any() else -1


def fold_trial(objective: Callable[[Panel], Any], tracks: Tracks, window: slice, bars: Bars) -> FoldTrial:
    """Return the scores of all variants on the bars of ``window`` that all of those have which could win."""
    length = window.stop - window.start
    there = np.clip(window.stop - np.maximum(tracks.start, window.start), 0, length)
    alive = (tracks.ruined >= window.stop) | (there == 0)
    fit = (2 * there >= length) & alive
    common = int(there[fit].min()) if fit.any() else 0
    rows = slice(window.stop - common, window.stop)
    scores = np.full(there.size, math.nan)
    for part in np.array_split(np.flatnonzero(fit), max(1, -(-int(fit.sum()) // _ROWS))):
        scores[part] = _scored(objective, tracks.values[part, rows], bars, rows)
    reasons: list[str | None] = [None] * there.size
    for number in np.flatnonzero(np.isnan(scores)):
        if fit[number]:
            reasons[number] = f"{name_of(objective)} is undefined"
        elif not alive[number]:
            reasons[number] = "ruined before the end of the training window"
        else:
            reasons[number] = f"returns on {there[number]} of {length} training bars, fewer than half"
    return FoldTrial(scores, np.where(fit, common, 0), reasons, int(there.max()))


def score(objective: Callable[[Panel], Any], returns: Panel) -> float:
    """Return the objective of returns; NaN without any, and when the book was ruined by their end."""
    if returns.values.size == 0 or not (returns.values > -1.0).all():
        return math.nan
    number = float(objective(returns))
    return number if math.isfinite(number) else math.nan


def _scored(objective: Callable[[Panel], Any], matrix: np.ndarray, bars: Bars, rows: slice) -> np.ndarray:
    """The objective of each row (B, R); a metric has an array form with the same numbers."""
    points = getattr(objective, "points", None)
    if points is not None and matrix.size:
        periods = bars_per_year(bars.frequency) if getattr(objective, "annual", False) else math.nan
        found = np.asarray(points(np.ascontiguousarray(matrix), periods), dtype=np.float64)
        return np.where(np.isfinite(found), found, math.nan)
    dates, often = bars.dates[rows], bars.frequency
    return np.array([score(objective, Panel._trusted(r[:, None].copy(), dates, ("strategy",), often)) for r in matrix])
