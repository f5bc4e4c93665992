"""When a bar closes and when a lag ends, as moments in UTC.

Only here does a day become a moment. The close of a session, early closes included, comes from the exchange's calendar;
a calendar day without a calendar has no close, and none is made up.
"""

from __future__ import annotations

import datetime as dates
import re
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from quantlab.core import InputError, KindError, Panel
from quantlab.core import _labels as labels
from quantlab.data.calendars._schedule import schedule
from quantlab.data.schemas import MOMENT

if TYPE_CHECKING:
    from quantlab.data.events._lags import Lag

_CLOCK = re.compile(r"^((?:[01]\d|2[0-3]):[0-5]\d|24:00) ([A-Za-z_]+(?:/[A-Za-z_+\-0-9]+)*)$")
_DAY = np.timedelta64(1, "D")


def close_moments(like: Panel, close_time: object = None) -> np.ndarray:
    """Return the moments at which the bars of ``like`` close, (T,), datetime64[us] in UTC, increasing.

    Intraday bars are labelled by their end. Daily ones close when the session of ``like.frequency.calendar`` does, or
    at ``close_time``: one moment per bar, or, where there is no calendar, "16:00 America/New_York".
    """
    if close_time is not None:
        return _declared(like, close_time)
    if like.dates.dtype != labels.DAY:
        return like.dates
    calendar = None if like.frequency is None else like.frequency.calendar
    if calendar is None:
        raise InputError(
            "The bars have dates and no calendar, so that nobody knows when they closed.",
            hint='say it with the data, `frequency=ql.Frequency.daily("XNYS")`, or here: '
            '`close_time="16:00 America/New_York"`.',
        )
    return session_closes(calendar, like.dates, what="The bars have")


def session_closes(calendar: str, days: np.ndarray, *, what: str) -> np.ndarray:
    """Return the close of each day in UTC; a day that is no session raises, naming it."""
    if days.size == 0:
        return days.astype(labels.MICROSECOND)
    plan = schedule(calendar, days.min(), days.max())
    place = np.minimum(np.searchsorted(plan.sessions, days), plan.sessions.size - 1)
    wrong = np.flatnonzero(plan.sessions[place] != days)
    if wrong.size:
        more = f" and {wrong.size - 1} more" if wrong.size > 1 else ""
        raise InputError(
            f"{what} {days[wrong[0]]}{more}, which is no session of {calendar}: nobody knows when it closed.",
            hint="drop it, or give the moments at which the bars closed: `close_time=moments`, one per bar.",
        )
    return plan.closes[place]


def session_opens(calendar: str, days: np.ndarray) -> np.ndarray:
    """Return the open of each day's session, or of the first after it, in UTC."""
    if days.size == 0:
        return days.astype(labels.MICROSECOND)
    plan = schedule(calendar, days.min(), days.max())
    return plan.opens[np.searchsorted(plan.sessions, days)]


def known_from(days: np.ndarray, lag: Lag) -> np.ndarray:
    """Return the moment at which a lag that starts on each day ends, (n,), datetime64[us] in UTC."""
    if days.size == 0:
        return days.astype(labels.MICROSECOND)
    start = days
    if lag.since != "day":
        months = days.astype("datetime64[M]")
        step = np.ones(days.size, np.int64) if lag.since == "month" else 3 - months.astype(np.int64) % 3
        start = (months + step.astype("timedelta64[M]")).astype(labels.DAY) - _DAY
    moved = start + np.timedelta64(lag.days, "D")
    # Farther than any run of holidays and as many sessions as asked for.
    margin = np.timedelta64(40 + 2 * lag.sessions, "D")
    plan = schedule(lag.calendar, moved.min(), moved.max() + margin)
    # Counting starts after the day itself: from a Saturday the first session is Monday.
    side: Literal["left", "right"] = "right" if lag.sessions else "left"
    place = np.searchsorted(plan.sessions, moved, side=side) + max(lag.sessions - 1, 0)
    held = plan.sessions[place]
    if lag.after_close is not None:
        return plan.closes[place] + np.timedelta64(lag.after_close, "m")
    return local(held, lag.minutes, lag.zone)


def local(days: np.ndarray, minutes: int, zone: str) -> np.ndarray:
    """Return a clock time of a time zone on each day, in UTC."""
    known_zone(zone)
    clock = pl.col("day").cast(pl.Datetime("us")) + pl.duration(minutes=minutes)
    # Of an hour that comes twice, the later; for one that never comes, the hour after it.
    placed = [
        moment.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
        for moment in (clock, clock + pl.duration(hours=1))
    ]
    moments = pl.coalesce(placed).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return pl.DataFrame({"day": days}).select(moments).to_series().to_numpy()


def local_days(moments: pl.Series, zone: str) -> pl.Series:
    """Return the calendar day of each moment in a time zone."""
    known_zone(zone)
    return moments.dt.convert_time_zone(zone).dt.date()


def known_zone(zone: str) -> str:
    """Return the name of a time zone, or raise."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:  # OSError: "America" is a folder
        raise InputError(f"Time zone {zone!r} is unknown.", hint='use a name such as "America/New_York".') from error
    return zone


def series(moments: np.ndarray, name: str) -> pl.Series:
    """Return moments in UTC as a column of the events table."""
    return pl.Series(name, moments.astype(labels.MICROSECOND)).dt.replace_time_zone("UTC").cast(MOMENT)


def numbers(column: pl.Series) -> np.ndarray:
    """Return a column of moments as microseconds since 1970 UTC, int64."""
    return column.cast(MOMENT).to_physical().to_numpy()


def moment(value: object, *, name: str) -> int:
    """Return a moment as microseconds since 1970 UTC; a day means all of it, in UTC."""
    if isinstance(value, str):
        try:
            value = dates.date.fromisoformat(value) if len(value) == 10 else dates.datetime.fromisoformat(value)
        except ValueError as error:
            raise InputError(f"`{name}` must be a date or a moment, received {value!r}.") from error
    if isinstance(value, dates.datetime):
        if value.tzinfo is None:
            raise KindError(f"`{name}` has a clock time without a time zone.", hint="`.replace(tzinfo=UTC)`.")
        return int(np.datetime64(value.astimezone(dates.UTC).replace(tzinfo=None), "us").astype(np.int64))
    if isinstance(value, (dates.date, np.datetime64)) and not np.isnat(np.datetime64(value)):
        found = np.datetime64(value)
        if np.datetime_data(found)[0] == "D":
            found = (found + _DAY).astype(labels.MICROSECOND) - np.timedelta64(1, "us")
        return int(found.astype(labels.MICROSECOND).astype(np.int64))
    raise KindError(f"`{name}` must be a date or a moment, received {type(value).__name__}.")


def _declared(like: Panel, close_time: object) -> np.ndarray:
    if isinstance(close_time, str):
        found = _CLOCK.match(close_time)
        if found is None:
            raise InputError(f'`close_time` must read like "16:00 America/New_York", received {close_time!r}.')
        if like.dates.dtype != labels.DAY:
            raise InputError("`close_time` is for daily bars; intraday ones are labelled by their end.")
        if like.frequency is not None and like.frequency.calendar is not None:
            raise InputError(
                f"The bars have the calendar {like.frequency.calendar}, which knows when they closed, early closes "
                f"too: `close_time` {close_time!r} says otherwise.",
                hint="leave `close_time` out; for other closes give one moment in UTC per bar.",
            )
        return local(like.dates, int(found[1][:2]) * 60 + int(found[1][3:]), found[2])
    moments = labels.check_dates(close_time, what="`close_time`")
    if moments.shape != like.dates.shape:
        raise InputError(f"`close_time` must have one moment per bar ({len(like)}), received {moments.size}.")
    if moments.dtype == labels.DAY and moments.size:
        raise InputError("`close_time` must be moments in UTC, received days.", hint='"16:00 America/New_York".')
    return moments
