"""What the values of this room demand of their numbers, words and Panels, and in which sentences they refuse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError, LabelError, Panel
from quantlab.core._labels import check_dates, show


def number(value: Any, what: str, unit: str, *, signed: bool = False) -> float:
    """Return ``value`` as a finite float, zero or more unless ``signed``, or raise naming ``what`` and its unit."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise KindError(f"{what} must be a number ({unit}), received {type(value).__name__}.")
    found = float(value)
    if signed and not math.isfinite(found):
        raise InputError(f"{what} must be a finite number ({unit}), received {value}.")
    if not signed and not (math.isfinite(found) and found >= 0):
        raise InputError(f"{what} must be zero or more ({unit}), received {value}.")
    return found


def positive(value: Any, what: str, unit: str) -> float:
    """Return ``value`` as a finite float above zero."""
    found = number(value, what, unit)
    if found == 0:
        raise InputError(f"{what} must be above zero ({unit}), received {value}.")
    return found


def at_most(value: Any, limit: float, what: str, unit: str, *, hint: str | None = None) -> float:
    """Return ``value`` as a float from zero to ``limit``."""
    found = number(value, what, unit)
    if found > limit:
        raise InputError(f"{what} must be at most {limit:g} ({unit}), received {value}.", hint=hint)
    return found


def whole(value: Any, what: str, unit: str, *, low: int) -> int:
    """Return ``value`` as an int from ``low`` on."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise KindError(f"{what} must be a whole number ({unit}), received {type(value).__name__}.")
    if value < low:
        raise InputError(f"{what} must be {low} or more ({unit}), received {value}.")
    return int(value)


def truth(value: Any, what: str) -> bool:
    """Return ``value`` as a bool; nothing else counts as one."""
    if not isinstance(value, (bool, np.bool_)):
        raise KindError(f"{what} must be True or False, received {type(value).__name__}.")
    return bool(value)


def choice(value: Any, options: tuple[str, ...], what: str) -> str:
    """Return ``value`` if it is one of ``options``."""
    if not isinstance(value, str) or value not in options:
        *others, last = (f'"{option}"' for option in options)
        near = nearest(value, options) if isinstance(value, str) else None
        raise InputError(
            f"{what} must be {', '.join(others)} or {last}, received {value!r}.",
            hint=f'did you mean "{near}"?' if near else None,
        )
    return value


def nearest(word: str, options: Sequence[str]) -> str | None:
    """Return the option that ``word`` was probably meant to be, that of another case first, or None."""
    folded = {option.casefold(): option for option in options}
    if word.casefold() in folded:
        return folded[word.casefold()]
    near = get_close_matches(word, options, n=1)
    return near[0] if near else None


def text(value: Any, what: str) -> str:
    """Return ``value`` if it is a string with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise KindError(f"{what} must be a text that is not empty, received {value!r}.")
    return value


def pairs(value: Any, what: str, hint: str) -> list[tuple[Any, Any]]:
    """Return the items of a mapping; a tuple of pairs, as values keep it, is taken too."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        return list(value)
    raise KindError(f"{what} must be a mapping, received {type(value).__name__}.", hint=hint)


def day(value: Any, what: str) -> str:
    """Return a date as text, 2024-01-31."""
    return str(check_dates([value], what=what)[0].astype("datetime64[D]"))


def is_table(value: Any) -> bool:
    """Whether ``value`` is a Panel or a Polars frame, without loading Polars to find out."""
    return isinstance(value, Panel) or type(value).__module__.partition(".")[0] == "polars"


def values_at(panel: Panel, dates: np.ndarray, symbols: tuple[str, ...], what: str) -> np.ndarray:
    """Return the rows and columns of a Panel that ``dates`` and ``symbols`` name, (T, N); what it has beyond stays out.

    Raises
    ------
    LabelError
        When a date or symbol is missing, or the dates are of another kind: the first offender is named.
    """
    if panel.dates.dtype != dates.dtype:
        raise LabelError(f"{what} has dates of {panel.dates.dtype}, and the bars have {dates.dtype}.")
    place = {name: column for column, name in enumerate(panel.symbols)}
    missing = [name for name in symbols if name not in place]
    if missing:
        raise LabelError(f"{what} has no column {missing[0]}{more(len(missing))}.", hint="a missing value is NaN.")
    rows = np.minimum(np.searchsorted(panel.dates, dates), max(panel.dates.size - 1, 0))
    absent = np.ones(dates.size, dtype=bool) if panel.dates.size == 0 else panel.dates[rows] != dates
    if absent.any():
        first = show(dates[absent.argmax()])
        raise LabelError(
            f"{what} has no row of {first}{more(int(absent.sum()))}.", hint="bring it onto the bars: `a.align(close)`."
        )
    columns = np.array([place[name] for name in symbols], dtype=np.intp)
    return np.ascontiguousarray(panel.values[np.ix_(rows, columns)], dtype=np.float64)


def demand(good: np.ndarray, panel: Panel, what: str, rule: str) -> None:
    """Raise InputError naming the first value of a Panel that is neither NaN nor ``good``."""
    bad = ~good & ~np.isnan(panel.values.astype(np.float64))
    if bad.any():
        rows, columns = np.nonzero(bad)
        row, column = int(rows[0]), int(columns[0])
        raise InputError(
            f"{what} of {panel.symbols[column]} {show(panel.dates[row])}{more(rows.size)} is "
            f"{panel.values[row, column]:g}; {rule}."
        )


def more(count: int) -> str:
    """Return " and 3 more" for four, nothing for one."""
    return f" and {count - 1} more" if count > 1 else ""
