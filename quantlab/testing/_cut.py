"""Taking the future away: which dates the checks cut at, and inputs and outputs without the rows after a cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import Bars, InputError, KindError, Panel, as_panel
from quantlab.core.rng import generator

AIMED = 4  # Cuts on rows of a sparse output: with the 5 random ones and one for each lag, 12 in all.
LAGS = (2, 5, 21)  # Bars between a row of a sparse output and a later cut: days, a week, a month.


def panels_in(inputs: object) -> list[Panel]:
    """Return every Panel among the inputs, those inside Bars included."""
    if isinstance(inputs, Panel):
        return [inputs]
    if isinstance(inputs, Bars):
        return [getattr(inputs, field) for field in (*inputs.fields, "member")]
    if isinstance(inputs, Mapping):
        return [panel for value in inputs.values() for panel in panels_in(value)]
    if isinstance(inputs, (tuple, list)):
        return [panel for value in inputs for panel in panels_in(value)]
    return []


def through_the_door(inputs: Any) -> Any:
    """Return the inputs with Polars frames as Panels."""
    return each(inputs, lambda value: value)


def until(inputs: Any, date: np.datetime64) -> Any:
    """Return the inputs with the rows up to ``date`` alone."""
    return each(inputs, lambda value: value.between(None, date))


def each(inputs: Any, function: Callable[[Any], Any]) -> Any:
    """Apply ``function`` to every Panel and Bars; tuples, lists and mappings are searched, anything else stays."""
    if isinstance(inputs, (pl.DataFrame, pl.LazyFrame)):
        inputs = as_panel(inputs, name="input")
    if isinstance(inputs, (Panel, Bars)):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {name: each(value, function) for name, value in inputs.items()}
    if isinstance(inputs, (tuple, list)):
        return [each(value, function) for value in inputs]
    return inputs


def cut_dates(
    dates: np.ndarray, cuts: int | Sequence[int], seed: int, results: Sequence[Panel] = ()
) -> list[np.datetime64]:
    """Return the last dates that the cut inputs keep, ascending.

    An integer asks for so many: one drawn from each of as many equal stretches of the dates, the last one always
    leaving one date out; those aimed at the rows of ``results`` come on top. A sequence names them all as numbers of
    dates to keep.
    """
    size = dates.size
    if size < 2:
        raise InputError(f"A cut needs data with two dates or more, received {size}.")
    if not isinstance(cuts, int):
        kept = sorted({int(row) for row in cuts})
        wrong = [row for row in kept if not 1 <= row < size]
        if wrong or not kept:
            received = f"received {wrong[0]}" if wrong else "and there is none"
            raise InputError(f"`cuts` as a list holds numbers of rows to keep, from 1 to {size - 1}, {received}.")
    else:
        if cuts < 1:
            raise InputError(f"`cuts` must be 1 or more, received {cuts}.")
        draw = generator(seed)
        kept = _spread(size - 1, cuts, draw)
        kept[-1] = size - 1
        kept = sorted({*kept, *_aimed(dates, results, draw)})
    return [dates[row - 1] for row in kept]


def _spread(size: int, count: int, draw: np.random.Generator) -> list[int]:
    """Return one number from each of ``count`` equal stretches of 1, ..., ``size``, all of them if there are fewer."""
    edges = np.linspace(0, size, min(count, size) + 1).astype(int)
    return [int(draw.integers(low + 1, high + 1)) for low, high in pairwise(edges)]


def _aimed(dates: np.ndarray, results: Sequence[Panel], draw: np.random.Generator) -> set[int]:
    """Return numbers of dates to keep that end on rows of the results, where a random cut would rarely fall.

    A row that uses the next bar alone is seen by one cut, the one right after it. Sparse results share ``AIMED`` such
    cuts, at least one for each set of rows, and get one more for each of ``LAGS``; dense ones get their first row.
    """
    kept, sparse = set(), {}
    for panel in results:
        rows, is_sparse = _telling_rows(dates, panel)
        if is_sparse:
            sparse[rows.tobytes()] = rows
        elif rows.size:
            kept.add(int(rows[0]))
    for rows in sparse.values():
        kept |= {int(rows[number - 1]) for number in _spread(rows.size, max(1, AIMED // len(sparse)), draw)}
    for lag in LAGS:
        later = [row + lag for rows in sparse.values() for row in rows if row + lag < dates.size]
        if later:
            kept.add(int(draw.choice(later)))
    return kept


def _telling_rows(dates: np.ndarray, panel: Panel) -> tuple[np.ndarray, bool]:
    """Return the numbers of dates up to each row that says something, and whether such rows are sparse.

    They are the rows with a value; if those are most of the dates and mostly repeat the row before (weights that are
    held from one decision to the next), the rows that differ from it.
    """
    missing = np.zeros(panel.shape, dtype=bool) if panel.values.dtype == bool else np.isnan(panel.values)
    before, after = panel.values[:-1], panel.values[1:]
    same = (before == after) | (missing[:-1] & missing[1:])
    kept = np.searchsorted(dates, panel.dates, side="right")
    valued = ~missing.all(axis=1) & (kept >= 1)
    fresh = valued & np.append(True, ~same.all(axis=1))[: len(panel)]
    if not valued.any():
        return kept[:0], False
    span = dates.size - int(kept[valued][0]) + 1
    held = 2 * valued.sum() > span and 2 * fresh.sum() <= valued.sum()
    rows = np.unique(kept[fresh if held else valued])
    return rows[rows < dates.size], bool(rows.size < span)


def outputs(result: Any, name: str, where: str = "") -> dict[str, Panel]:
    """Return the Panels of a result by their place in it: "" alone, "[0]" in a tuple, "['a']" in a dict, ".a" else."""
    if result is None:
        return {}
    if isinstance(result, (pl.DataFrame, pl.LazyFrame)):
        result = as_panel(result, name=f"{name}{where}")
    if isinstance(result, Panel):
        return {where: result}
    inner: list[tuple[str, Any]]
    if isinstance(result, Bars):
        inner = [(f"{where}.{field}", getattr(result, field)) for field in (*result.fields, "member")]
    elif isinstance(result, Mapping):
        inner = [(f"{where}[{key!r}]", value) for key, value in result.items()]
    elif isinstance(result, (tuple, list)):
        inner = [(f"{where}[{position}]", value) for position, value in enumerate(result)]
    elif is_dataclass(result) and not isinstance(result, type):
        inner = [(f"{where}.{field.name}", getattr(result, field.name)) for field in fields(result)]
    else:
        raise KindError(
            f"{name} must return Panels, and returned {type(result).__name__}{f' at {where}' if where else ''}.",
            hint="a Panel, or a tuple, dict or dataclass of Panels, can be checked.",
        )
    return {place: panel for key, value in inner for place, panel in outputs(value, name, key).items()}
