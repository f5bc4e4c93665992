"""Replacing the future by garbage that is as wrong as it can be without being illegal.

Bars keep legal prices and volumes. A Panel keeps what all of its values have in common: positive ones, which may be
prices, stay positive, those of zero or more stay so, whole numbers, which may be codes, stay whole, and bool stays
bool. A function that checks its input can so be poisoned and still runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from quantlab.core import Bars, Panel
from quantlab.testing._cut import each

KINDS = ("noise", "nan", "huge", "sign", "permuted")


def poisoned(inputs: Any, date: np.datetime64, kind: str, draw: np.random.Generator) -> Any:
    """Return the inputs with every row after ``date`` replaced by garbage of one kind.

    The kinds: "noise" unrelated random numbers, "nan" nothing at all, "huge" 1e300, "sign" the opposite sign (where
    no value is negative: the reciprocal; in Bars, of codes and where there are zeros: noise again), "permuted"
    another symbol's value.
    """

    def change(value: Panel | Bars) -> Panel | Bars:
        return _bars(value, date, kind, draw) if isinstance(value, Bars) else _panel(value, date, kind, draw)

    return each(inputs, change)


def _panel(panel: Panel, date: np.datetime64, kind: str, draw: np.random.Generator) -> Panel:
    rows = panel.dates > date
    values = panel.values.copy()
    values[rows] = _flags(values[rows], kind, draw) if values.dtype == bool else _numbers(values, rows, kind, draw)
    return panel._like(values)


def _flags(future: np.ndarray, kind: str, draw: np.random.Generator) -> np.ndarray:
    fixed = {"nan": np.zeros_like(future), "huge": np.ones_like(future), "sign": ~future}
    if kind == "permuted":
        return _permuted(future, draw)
    return fixed[kind] if kind in fixed else draw.random(future.shape) < 0.5


def _numbers(values: np.ndarray, rows: np.ndarray, kind: str, draw: np.random.Generator) -> np.ndarray:
    known, future = values[~np.isnan(values)], values[rows]
    least = known.min() if known.size else 0.0
    whole = bool((np.floor(known) == known).all())
    if kind == "permuted":
        return _permuted(future, draw)
    if kind == "nan":
        return np.full_like(future, np.nan)
    if kind == "huge":
        return np.full_like(future, 1e300)
    if kind == "sign" and (least < 0 or (least > 0 and not whole)):
        return -future if least < 0 else 1.0 / future
    noise = np.exp(draw.normal(0.0, 3.0, future.shape))
    if least < 0:
        noise *= draw.choice([-1.0, 1.0], future.shape)
    return np.ceil(noise) if whole else noise


def _permuted(future: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Each row in an order of its own, the gaps with it; a single column takes the values of other dates."""
    return draw.permuted(future, axis=1 if future.shape[1] > 1 else 0)


def _bars(bars: Bars, date: np.datetime64, kind: str, draw: np.random.Generator) -> Bars:
    rows = bars.dates > date
    shape = (int(rows.sum()), bars.shape[1])
    # One order and one level for all fields keep low <= open, close <= high.
    order = draw.permuted(np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1)
    center = np.exp(draw.normal(0.0, 3.0, shape))
    spread = {"open": 1.0 + 0.01 * draw.random(shape), "high": 1.03, "low": 0.97, "close": 1.0}
    changed = {}
    for field in (*bars.fields, "member"):
        panel = getattr(bars, field)
        values = panel.values.copy()
        if kind == "permuted":
            values[rows] = np.take_along_axis(values[rows], order, axis=1)
        elif field == "member":
            values[rows] = draw.random(shape) < 0.5
        elif kind == "nan":
            values[rows] = np.nan
        elif kind == "huge":
            values[rows] = 1e300
        elif field == "volume":
            values[rows] = np.floor(center * 1000.0)
        else:
            values[rows] = center * spread[field]
        changed[field] = panel._like(values)
    return replace(bars, **changed)
