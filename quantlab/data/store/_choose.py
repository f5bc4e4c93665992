"""Rows of a long table by symbol and time, for people who look at what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from quantlab.core import InputError
from quantlab.core._door import _moment
from quantlab.core._labels import DAY, MICROSECOND
from quantlab.data.store._manifest import Manifest

# By table: the column of the symbol, and the columns of the first and last day of which a row speaks.
_SYMBOL = {"events": "id"}
_TIME = {
    "bars": ("date", "date"),
    "actions": ("date", "date"),
    "borrow": ("date", "date"),
    "events": ("available_time", "available_time"),
}
# Intervals: a half-open one ends on the day before `end`; a review without an end is its first day alone.
_HALF_OPEN = ("members", "reference")


def span(facts: Manifest, table: str, start: Any, end: Any) -> tuple[Any, Any]:
    """Return the first and the last date or moment of a range as Python objects, None where it is open."""
    if (start is not None or end is not None) and table == "rejects":
        raise InputError("The rejects of an import have their dates as they were found, and cannot be chosen by date.")
    moments = table == "events" or (table == "bars" and facts.intraday)
    kind = MICROSECOND if moments else DAY
    bounds = [
        None if bound is None else _moment(bound, name, kind).astype(kind).item()
        for name, bound in (("start", start), ("end", end))
    ]
    low, high = (bound.replace(tzinfo=UTC) if isinstance(bound, datetime) else bound for bound in bounds)
    return low, high


def rows(frame: pl.DataFrame, table: str, symbols: Sequence[str] | None, low: Any, high: Any) -> pl.DataFrame:
    """Return the rows of some symbols whose time, or of whose interval any day, lies in the range."""
    if symbols is not None:
        frame = frame.filter(pl.col(_SYMBOL.get(table, "symbol")).is_in(list(symbols)))
    first, last = (pl.col(name) for name in _TIME.get(table, ("start", "end")))
    if table == "review":
        last = pl.coalesce("end", "start")
    if high is not None:
        frame = frame.filter(first.is_null() | (first <= high))
    if low is not None:
        inside = last > low if table in _HALF_OPEN else last >= low
        frame = frame.filter(last.is_null() | inside)
    return frame
