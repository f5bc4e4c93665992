"""Row and column labels: what is a legal date axis and a legal symbol axis, and how two of them differ.

Dates are ``datetime64[D]`` (daily and slower bars) or ``datetime64[us]`` in UTC (intraday), strictly increasing.
Symbols are unique, non-empty strings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import numpy as np

from quantlab.core._errors import KindError, LabelError
from quantlab.core._lazy import lazy

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Control characters and halves of surrogate pairs: they print as nothing, end C strings, or have no bytes in UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
DAY, MICROSECOND = np.dtype("datetime64[D]"), np.dtype("datetime64[us]")


def show(date: np.datetime64) -> str:
    """Return a date as people write it: 2014-06-09, or 2014-06-09 15:30 UTC."""
    if date.dtype == DAY:
        return str(date)
    return str(date.astype("datetime64[s]")).replace("T", " ") + " UTC"


def check_dates(dates: object, *, what: str = "`dates`") -> np.ndarray:
    """Return ``dates`` as a read-only datetime64 array, or raise LabelError naming the first bad one."""
    if not isinstance(dates, (np.ndarray, list, tuple)) and isinstance(dates, pl.Series):
        dates = dates_of(dates, what=what)
    if isinstance(dates, np.ma.MaskedArray) and dates.dtype.kind == "M":
        dates = dates.filled(np.datetime64("NaT", "D"))
    array = np.asarray(dates)
    if array.ndim != 1:
        raise LabelError(f"{what} must have one dimension, received {array.ndim}.")
    if array.size == 0 and array.dtype.kind != "M":
        array = array.astype(DAY)
    if array.dtype.kind != "M":
        array = _parsed(array, what)
    if array.dtype not in (DAY, MICROSECOND):
        if np.datetime_data(array.dtype)[0] in ("Y", "M", "W") and array.size:
            raise _no_day(what, str(array[0]), 0)
        array = array.astype(MICROSECOND)
    if np.isnat(array).any():
        raise LabelError(f"{what} has a missing date at row {int(np.flatnonzero(np.isnat(array))[0])}.")
    steps = np.diff(array)
    bad = np.flatnonzero(steps <= np.zeros(1, dtype=steps.dtype))
    if bad.size:
        row = int(bad[0])
        before, after = show(array[row]), show(array[row + 1])
        if before == after:
            raise LabelError(f"{what} has {after} twice (rows {row} and {row + 1}).", hint="keep one row per date.")
        raise LabelError(f"{what} must increase: {after} follows {before} (row {row + 1}).", hint="sort by date.")
    return _frozen(array)


def dates_of(series: pl.Series, *, what: str) -> np.ndarray:
    """Return a Polars date column as datetime64: time zones become UTC. Without a zone midnights throughout are days,
    as pandas writes them, and clock times are refused.
    """
    if series.dtype == pl.Date:
        return series.to_numpy()
    if isinstance(series.dtype, pl.Datetime):
        if series.dtype.time_zone is None:
            days = series.cast(pl.Date)
            if bool((days.cast(series.dtype) == series).all()):
                return days.to_numpy()
            raise KindError(
                f"{what} has clock times without a time zone.",
                hint='`.cast(pl.Date)` for daily bars; for intraday ones `.dt.replace_time_zone("...")` with the zone '
                'that the times are in, "UTC" for times out of `bars.dates`.',
            )
        return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).dt.cast_time_unit("us").to_numpy()
    raise KindError(f"{what} must be a Date or Datetime column, received {series.dtype}.")


def check_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return ``symbols`` as a tuple, or raise naming the first that is doubled, empty or not a string."""
    if isinstance(symbols, str):
        raise KindError("`symbols` must be a sequence of strings, received one string.", hint=f'write ["{symbols}"].')
    names = tuple(symbols)
    for position, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise KindError(f"`symbols` must be non-empty strings, received {name!r} at position {position}.")
        if _CONTROL.search(name):
            raise LabelError(f"Symbol {name!r} at position {position} holds a control character.")
    if len(set(names)) != len(names):
        doubled = next(name for position, name in enumerate(names) if name in names[:position])
        raise LabelError(f"Symbol {doubled} stands twice in `symbols`.", hint="keep one column per symbol.")
    return tuple(str(name) for name in names)


def same_dates(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two date axes are equal."""
    return left is right or (left.shape == right.shape and bool((left == right).all()))


def difference(left: Sequence[str], right: Sequence[str]) -> str:
    """Describe the first place where two symbol axes differ."""
    for position, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return f"position {position} holds {one} on the left and {other} on the right"
    return f"the left has {len(left)} symbols and the right {len(right)}"


def date_difference(left: np.ndarray, right: np.ndarray) -> str:
    """Describe the first place where two date axes differ."""
    n = min(left.size, right.size)
    bad = np.flatnonzero(left[:n] != right[:n])
    if bad.size:
        row = int(bad[0])
        return f"row {row} holds {show(left[row])} on the left and {show(right[row])} on the right"
    return f"the left has {left.size} dates and the right {right.size}"


def settled(array: np.ndarray) -> bool:
    """Whether nobody can write to an array: it is read-only, and so is what it is a view of, down to the memory."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return False
        owner = owner.base
    # A bytearray or a mapped file may change below a read-only array, and so may a Polars series: one made from a NumPy
    # array (Polars 1.x) shares its memory.
    return owner is None or isinstance(owner, bytes)


def _parsed(array: np.ndarray, what: str) -> np.ndarray:
    """Texts, dates and moments as datetime64, none of them cut to its day; a number is no date."""
    try:
        if array.dtype.kind not in "OUT":
            raise TypeError
        moments = array.tolist()
        if all(isinstance(each, datetime) and each.tzinfo is None and each.time() == time() for each in moments):
            moments = [each.date() for each in moments]
        moments = [_in_utc(moment, what) if isinstance(moment, datetime) else moment for moment in moments]
        moments = [np.datetime64("NaT", "D") if moment in ("NaT", "") else moment for moment in moments]
        parsed = np.asarray(moments, dtype="datetime64")
    except (ValueError, TypeError) as error:
        if isinstance(error, KindError):
            raise
        raise KindError(f"{what} must be dates or datetime64 values, received {array.dtype}.") from error
    for row, moment in enumerate(moments):
        # NumPy takes "2024-01" for the first of January, and "today" for a date.
        if isinstance(moment, str) and moment.lstrip("-").count("-") < 2 and not np.isnat(parsed[row]):
            raise _no_day(what, moment, row)
    return parsed


def _no_day(what: str, received: str, row: int) -> KindError:
    return KindError(
        f"{what} must be days or times, received {received} at row {row}.",
        hint="give the day on which the bar ended: 2024-01-31, not 2024-01.",
    )


def _in_utc(moment: datetime, what: str) -> datetime:
    if moment.tzinfo is None:
        raise KindError(
            f"{what} has clock times without a time zone.",
            hint="`.date()` for daily bars; for intraday ones `.replace(tzinfo=...)` with the zone that the times are "
            "in, UTC for times out of `bars.dates`.",
        )
    return moment.astimezone(UTC).replace(tzinfo=None)


def _frozen(array: np.ndarray) -> np.ndarray:
    if not settled(array):
        array = array.copy()
        array.setflags(write=False)
    return array
