"""Tables that change on dates: which entry is in force on which day, and rows that are kept once when nothing changes.

An entry holds from its date on until the next one's. Days are calendar days; of intraday bars it is the day of the
time that is passed (pass sessions, where a market's day begins on another day in UTC).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from quantlab.core import InputError
from quantlab.execution._demand import day, more, pairs

Entry = TypeVar("Entry")


def table(value: Any, what: str, hint: str, check: Callable[[Any, str], Entry]) -> tuple[tuple[str, Entry], ...]:
    """Return a mapping of dates as a sorted tuple of (date as text, checked entry)."""
    found: dict[str, Entry] = {}
    for key, entry in pairs(value, what, hint):
        start = day(key, f"A date of {what}")
        if start in found:
            raise InputError(f"{what} has two entries for {start}.")
        found[start] = check(entry, f"{what} from {start} on")
    return tuple(sorted(found.items()))


def in_force(starts: list[str], dates: np.ndarray) -> np.ndarray:
    """Return the number of the last start that is not after each date, (T,) int64; -1 before the first.

    Examples
    --------
    >>> days = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], dtype="datetime64[D]")
    >>> in_force(["2024-01-02"], days)
    array([-1,  0,  0])
    """
    days = np.asarray(dates).astype("datetime64[D]")
    return np.searchsorted(np.array(starts, dtype="datetime64[D]"), days, side="right") - 1


def demand_start(starts: list[str], dates: np.ndarray, what: str, hint: str) -> np.ndarray:
    """Return what ``in_force`` does, or raise InputError when a date lies before the first start."""
    place = in_force(starts, dates)
    early = np.flatnonzero(place < 0)
    if early.size:
        first = str(np.asarray(dates)[early[0]].astype("datetime64[D]"))
        raise InputError(f"{what} begins on {starts[0]} and says nothing of {first}{more(early.size)}.", hint=hint)
    return place


def spread_out(entries: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return ``entries[place]``, or one row when all are equal: (1|T, ...), C-ordered float64."""
    if place.size and (place == place[0]).all():
        place = place[:1]
    return one_row(np.ascontiguousarray(entries[place], dtype=np.float64))


def one_row(rows: np.ndarray) -> np.ndarray:
    """Return the first row alone, (1, ...), when all rows are equal; NaN equals NaN."""
    if rows.shape[0] > 1:
        same = rows[1:] == rows[:1]
        if rows.dtype.kind == "f":
            same |= np.isnan(rows[1:]) & np.isnan(rows[:1])
        if same.all():
            return rows[:1].copy()
    return rows
