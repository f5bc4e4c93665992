"""The door of a sweep's table, and its parameters as levels: which values there are, in which order, and who has which.

A parameter is ordered when all its values are numbers, or all are dates; anything else, such as text or a None among
numbers, is a category, whose values stand in the order in which they first appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.core._lazy import lazy

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# A number has bins when it has more values than `few` of which each is tried less than `often`, or more than `many`.
_FEW, _OFTEN, _MANY = 8, 5, 30
_BINS = 8


@dataclass(frozen=True, slots=True)
class Levels:
    """The values of one parameter, and who has which.

    Parameters
    ----------
    name : str
    labels : the values as text, all different, in order
    codes : (rows,) int64, places in ``labels``
    ordered : bool
        Whether neighbors in ``labels`` are neighbors in value.
    low, high : (levels,) float64
        The least and the greatest number of each level; NaN for what is no number.
    binned : bool
        Whether a level is a range of numbers and not one.
    """

    name: str
    labels: tuple[str, ...]
    codes: np.ndarray
    ordered: bool
    low: np.ndarray
    high: np.ndarray
    binned: bool = False

    def __len__(self) -> int:
        return len(self.labels)


def demand_table(table: Any, parameters: Sequence[str]) -> None:
    """Raise unless a table is that of a sweep: with the columns of its variants, and those of their parameters.

    Raises
    ------
    KindError
        When it is no Polars frame, or the parameters are no list of names.
    InputError
        When a column is missing.
    """
    if not isinstance(table, pl.DataFrame):
        raise KindError(f"`table` must be a Polars DataFrame, received {type(table).__name__}.")
    if isinstance(parameters, str) or not isinstance(parameters, Sequence):
        raise KindError(f"`parameters` must be a list of names, received {parameters!r:.60}.")
    for name in ("variant", "status", *parameters):
        if name not in table.columns:
            raise InputError(f"`table` has no column {name}; it has {', '.join(table.columns) or 'none'}.")


def demand_parameter(name: str, parameters: Sequence[str], argument: str) -> None:
    """Raise unless ``name`` is a parameter of the sweep."""
    if name not in parameters:
        near = get_close_matches(str(name), parameters, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(parameters) or 'none'}."
        raise InputError(f"`{argument}` must be a parameter of the sweep, received {name!r}.", hint=hint)


def numbers_of(table: pl.DataFrame, parameters: Sequence[str], metric: str, *, argument: str = "metric") -> np.ndarray:
    """Return a metric of every variant, (rows,) float64; NaN for what failed, is missing or is not finite.

    Raises
    ------
    InputError
        When the table has no such metric.
    """
    known = [
        name
        for name, kind in table.schema.items()
        if name not in ("variant", "status", "reason", *parameters) and (kind.is_numeric() or kind == pl.Null)
    ]
    if metric not in known:
        near = get_close_matches(str(metric), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}."
        raise InputError(f"`{argument}` must be a metric of the sweep, received {metric!r}.", hint=hint)
    values = table[metric].cast(pl.Float64).fill_null(np.nan).to_numpy()
    done = table["status"].eq_missing("done").to_numpy()
    return np.where(done & np.isfinite(values), values, np.nan)


def levels_of(table: pl.DataFrame, name: str) -> Levels:
    """Return the levels of a parameter, one for each value."""
    column = table[name].to_list()
    first: dict[Any, Any] = {}
    keys = [_key(value) for value in column]
    for key, value in zip(keys, column, strict=True):
        first.setdefault(key, value)
    values = list(first.values())
    numeric = all(_is_number(value) for value in values)
    ordered = numeric or all(isinstance(value, date) for value in values)
    if ordered:
        values.sort()
    place = {_key(value): at for at, value in enumerate(values)}
    codes = np.array([place[key] for key in keys], dtype=np.int64)
    numbers = np.array([float(value) if numeric else np.nan for value in values], dtype=np.float64)
    return Levels(name, _labels(values, numeric), codes, ordered, numbers, numbers)


def coarse(levels: Levels) -> Levels:
    """Return the levels of a parameter for a summary: those of a number with many values are bins by its quantiles.

    A number has bins when it has more than 8 values that are tried fewer than 5 times each, or more than 30. There are
    8 bins at most, each with 5 variants or about as many; a bin reaches from the least to the greatest value in it.
    """
    rows, count = levels.codes.size, len(levels)
    many = count > _MANY or (count > _FEW and rows < _OFTEN * count)
    if not many or np.isnan(levels.low).any():
        return levels
    numbers = levels.low[levels.codes]
    bins = int(np.clip(rows // _OFTEN, 2, _BINS))
    edges = np.unique(np.quantile(numbers, np.arange(1, bins) / bins, method="higher"))
    inside = np.searchsorted(edges, levels.low, side="right")
    used, of_level = np.unique(inside, return_inverse=True)
    low = np.array([levels.low[inside == each].min() for each in used])
    high = np.array([levels.low[inside == each].max() for each in used])
    labels = _ranges(low, high)
    return Levels(levels.name, labels, of_level[levels.codes], True, low, high, binned=True)


def _key(value: Any) -> Any:
    """What tells one value from another: 1, 1.0 and True are three, and what cannot be hashed counts by its text."""
    try:
        hash(value)
    except TypeError:
        return type(value).__name__, repr(value)
    return type(value).__name__, "nan" if value != value else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)


def _labels(values: Sequence[Any], numeric: bool) -> tuple[str, ...]:
    if numeric:
        return tuple(_numbers(np.array(values)))
    shown = [value.isoformat() if isinstance(value, (date, datetime)) else str(value) for value in values]
    # "1" and 1 are two values; so are two texts that are long and alike at first, which no label cuts.
    return tuple(shown if len(set(shown)) == len(shown) else [repr(value) for value in values])


def _ranges(low: np.ndarray, high: np.ndarray) -> tuple[str, ...]:
    """Ranges of numbers as text, with two digits or as many more as tell the ranges apart."""
    for digits in range(2, 17):
        ends = [_numbers(each, digits) for each in (low, high)]
        shown = tuple(one if one == other else f"{one} to {other}" for one, other in zip(*ends, strict=True))
        if len(set(shown)) == len(shown):
            break
    return shown


def _numbers(values: np.ndarray, digits: int | None = None) -> list[str]:
    """Numbers as text: whole ones in full, others with so many digits, or as many as tell them apart."""
    if values.dtype.kind in "iu":
        return [str(value) for value in values.tolist()]
    if (values == np.floor(values)).all():
        digits = 15
    distinct = np.unique(values).size
    for each in (digits,) if digits else range(12, 17):
        # The second turn drops the exponent of a number that has all its digits before the point.
        shown = [f"{float(f'{value:.{each}g}'):.15g}" for value in values.tolist()]
        if digits or len(set(shown)) == distinct:
            return shown
    return [repr(value) for value in values.tolist()]
