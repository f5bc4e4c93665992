"""Days and moments at the door: what is legal, and in which words the rest is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from quantlab.core import InputError, KindError
from quantlab.core._labels import DAY, MICROSECOND, dates_of

Day: TypeAlias = "str | date | np.datetime64"


def day(value: Any, name: str) -> np.datetime64:
    """Return one day as datetime64[D]."""
    array = days(value, name)
    if array.ndim:
        raise KindError(f"`{name}` must be one day, received {array.size}.")
    only: Any = array.astype(DAY)[()]
    return np.datetime64(only)


def days(values: Any, name: str) -> np.ndarray:
    """Return days as datetime64[D] in the shape that they came in; a clock time is refused."""
    if isinstance(values, pl.Series):
        values = values.to_numpy() if values.dtype == pl.Date else values.to_list()
    array = _array(values, name)
    if array.dtype.kind == "U" or (array.dtype == object and array.size):
        array = np.array([_one_day(value, name) for value in array.ravel().tolist()], dtype=DAY).reshape(array.shape)
    if array.size == 0:
        array = array.astype(DAY)
    if array.dtype != DAY:
        raise _no_day(array.ravel()[0], name)
    if np.isnat(array).any():
        raise InputError(f"`{name}` has a missing day.")
    return array


def _one_day(value: Any, name: str) -> np.datetime64:
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            return np.datetime64(value, "D")
        if isinstance(value, str):
            parsed = np.datetime64(value)
            # NumPy takes "today" for a date.
            if parsed.dtype == DAY and value[:1].isdigit():
                return parsed
    except ValueError as error:
        raise InputError(f"`{name}` must be a day such as '2024-03-29', received {value!r}.") from error
    if isinstance(value, np.datetime64) and value.dtype == DAY:
        return value
    raise _no_day(value, name)


def _no_day(value: Any, name: str) -> KindError:
    hint = "`session_of(moments)` gives the sessions of moments." if _timed(value) else None
    return KindError(f"`{name}` must be a day such as '2024-03-29', received {_shown(value)}.", hint=hint)


def moments(values: Any, name: str = "moments") -> np.ndarray:
    """Return moments as datetime64[us] in UTC in the shape that they came in; a time without a zone is refused.

    datetime64 values are UTC by the house rule, which is how the dates of intraday Panels are kept.
    """
    if isinstance(values, pl.Series):
        values = dates_of(values, what=f"`{name}`")
    array = _array(values, name)
    if array.dtype == object and array.size:
        array = np.array([_one_moment(value, name) for value in array.ravel().tolist()], dtype=MICROSECOND).reshape(
            array.shape
        )
    if array.size == 0:
        array = array.astype(MICROSECOND)
    if array.dtype.kind != "M" or np.datetime_data(array.dtype)[0] in ("Y", "M", "W", "D"):
        raise KindError(
            f"`{name}` must be moments with a clock time, received {_shown(array.ravel()[0])}.",
            hint="give datetimes with a time zone, or datetime64 values in UTC.",
        )
    if np.isnat(array).any():
        raise InputError(f"`{name}` has a missing moment.")
    return array.astype(MICROSECOND)


def _one_moment(value: Any, name: str) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise KindError(
                f"`{name}` has a clock time without a time zone: {value}.",
                hint='`.replace(tzinfo=ZoneInfo("America/New_York"))`, or datetime64 values in UTC.',
            )
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, np.datetime64) and _timed(value):
        return value
    raise KindError(f"`{name}` must be moments with a clock time, received {_shown(value)}.")


def _array(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:  # lists of unequal length
        raise InputError(f"`{name}` must be one value or a list of them, and holds lists of unequal length.") from error


def _timed(value: Any) -> bool:
    if isinstance(value, np.datetime64):
        return np.datetime_data(value.dtype)[0] not in ("Y", "M", "W", "D")
    return isinstance(value, datetime)


def _shown(value: Any) -> str:
    if isinstance(value, (np.datetime64, date)):
        return str(value)
    return repr(value.item() if isinstance(value, np.generic) else value)
