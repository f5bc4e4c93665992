"""The sessions of a calendar as arrays: read once per calendar and decades from the exchange_calendars library.

Which days are sessions is answered by ``quantlab.core.periods``, whose calendars are reused; this adds their hours.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import InputError, periods
from quantlab.core._labels import DAY, MICROSECOND

# Further than any exchange was closed since 1914, so that there is a next session to be found.
MARGIN = np.timedelta64(40, "D")
# The library carries today's rules back to days of which they were not true: until then New York traded on Saturdays.
FLOORS = {"XNYS": np.datetime64("1952-09-29")}
MINUTE = np.timedelta64(1, "m")
_ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Sessions in order, n of them, with their hours in UTC, and the days on which none was held.

    Attributes
    ----------
    zone : str
    first, last : datetime64[D]
        The days that it can speak of.
    sessions : (n,) datetime64[D]
    opens, closes, break_starts, break_ends : (n,) datetime64[us], UTC
        NaT for a session without a break.
    early : (n,) bool
    regular_minutes : (n,) float64
    holidays : (m,) datetime64[D]
    names : tuple of m str or None
        None where the calendar closed for once, without a rule.
    """

    zone: str
    first: np.datetime64
    last: np.datetime64
    sessions: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    break_starts: np.ndarray
    break_ends: np.ndarray
    early: np.ndarray
    regular_minutes: np.ndarray
    holidays: np.ndarray
    names: tuple[str | None, ...]

    def rows(self, start: np.datetime64, end: np.datetime64) -> slice:
        """The sessions in [start, end]."""
        low, high = np.searchsorted(self.sessions, start), np.searchsorted(self.sessions, end, side="right")
        return slice(int(low), max(int(low), int(high)))


def schedule(code: str, first: np.datetime64, last: np.datetime64) -> Schedule:
    """Return the sessions of whole decades that hold [first, last] and forty days on either side.

    Raises
    ------
    InputError
        When the calendar is unknown, or does not reach back or forward so far.
    """
    decades = [
        int((day.astype(DAY)).astype("datetime64[Y]").astype(int)) // 10 for day in (first - MARGIN, last + MARGIN)
    ]
    found = _built(code, *decades)
    if first < found.first:
        raise InputError(f"Calendar {code!r} is known from {found.first} on, received {first}.")
    if last > found.last:
        raise InputError(f"Calendar {code!r} is known until {found.last}, received {last}.")
    return found


def demand_known(code: str, first: np.datetime64) -> None:
    """Raise InputError for a day before a calendar's sessions are those that were held."""
    floor = FLOORS.get(code)
    if floor is not None and first < floor:
        raise InputError(
            f"The sessions of calendar {code!r} are known from {floor} on, received {first}.",
            hint="before that New York traded on Saturdays, too, and the library does not say on which.",
        )


def zone_of(code: str) -> str:
    """Return the time zone of an exchange."""
    return schedule(code, np.datetime64("2010-03-01"), np.datetime64("2010-03-01")).zone


def local_days(moments: np.ndarray, code: str | None) -> np.ndarray:
    """Return the day on which bars that end at ``moments`` (UTC) ended on the exchange's clock; in UTC without a code.

    A bar that ends at midnight belongs to the day that ends there.
    """
    zone = "UTC" if code is None else zone_of(code)
    within = pl.Series(moments.astype(MICROSECOND) - np.timedelta64(1, "us")).dt.replace_time_zone("UTC")
    return within.dt.convert_time_zone(zone).dt.date().to_numpy().astype(DAY)


@lru_cache(maxsize=16)
def _built(code: str, low: int, high: int) -> Schedule:
    if code == "24/7":
        return _always_open(np.datetime64(f"{1970 + 10 * low}-01-01"), np.datetime64(f"{1979 + 10 * high}-12-31"))
    held, _, start, end = periods._decades(code, low, high)
    import exchange_calendars as library

    with warnings.catch_warnings():
        # As in `core.periods`: what the library does with a coming pandas its users cannot change.
        warnings.simplefilter("ignore", DeprecationWarning)
        # The same arguments as `core.periods` gave: the library hands out the calendar that it built there.
        market = library.get_calendar(code, start=str(start), end=str(end))
        opens, closes = _micro(market.opens_nanos), _micro(market.closes_nanos)
        break_starts, break_ends = _micro(market.break_starts_nanos), _micro(market.break_ends_nanos)
        early = np.isin(held, market.early_closes.values.astype(DAY))
        closed, names = _closed(market, held, start, end)
    regular = _regular_minutes(market, held)
    for array in (opens, closes, break_starts, break_ends, early, closed, regular):
        array.setflags(write=False)
    hours = (opens, closes, break_starts, break_ends)
    return Schedule(market.tz.key, start, end, held, *hours, early, regular, closed, names)


def _micro(nanos: np.ndarray) -> np.ndarray:
    return nanos.view("datetime64[ns]").astype(MICROSECOND)


def _always_open(start: np.datetime64, end: np.datetime64) -> Schedule:
    days = np.arange(start, end + _ONE_DAY)
    opens = days.astype(MICROSECOND)
    nothing = np.full(days.size, np.datetime64("NaT"), dtype=MICROSECOND)
    minutes = np.full(days.size, 1440.0)
    closes, early = opens + _ONE_DAY, np.zeros(days.size, dtype=bool)
    for array in (days, opens, closes, nothing, early, minutes):
        array.setflags(write=False)
    return Schedule("UTC", start, end, days, opens, closes, nothing, nothing, early, minutes, days[:0], ())


def _closed(
    market: Any, held: np.ndarray, start: np.datetime64, end: np.datetime64
) -> tuple[np.ndarray, tuple[str | None, ...]]:
    """The days without a session on which the week would have had one, and the names of those that a rule gives."""
    days = np.arange(start, end + _ONE_DAY)
    # The ordinary week alone: the library names Saturdays of old for Seoul and Mumbai, and holds no sessions on them.
    closed = np.setdiff1d(days[np.is_busday(days, weekmask=market.weekmask)], held)
    rules = market.regular_holidays
    named = {} if rules is None else rules.holidays(str(start), str(end), return_name=True).to_dict()
    by_day = {str(day)[:10]: str(name) for day, name in named.items()}
    return closed, tuple(by_day.get(str(day)) for day in closed)


def _regular_minutes(market: Any, held: np.ndarray) -> np.ndarray:
    """Minutes of a session by the exchange's ordinary hours, as they were on each date."""
    spread = 1440.0 * (market.close_offset - market.open_offset)
    whole = _clock(market.close_times, held) - _clock(market.open_times, held) + spread
    if market.break_start_times is None:
        return whole
    pause = _clock(market.break_end_times, held) - _clock(market.break_start_times, held)
    return whole - np.nan_to_num(pause)


def _clock(times: tuple[tuple[Any, Any], ...], held: np.ndarray) -> np.ndarray:
    """Minutes after midnight, from pairs of (first date or None, time or None)."""
    out = np.full(held.size, np.nan)
    for first, time in times:
        rows = slice(0 if first is None else int(np.searchsorted(held, np.datetime64(str(first)[:10]))), None)
        out[rows] = np.nan if time is None else time.hour * 60.0 + time.minute
    return out
