"""How often bars come: bars per year are declared or come from the trading calendar, never guessed from the dates.

A :class:`Frequency` rides on every ``Panel`` and ``Bars``. It answers two questions: how many bars a year has (to
annualise) and which sessions the market holds (to know, at the close of a bar, that it was the last of its month).
The second cannot be read off the data: in data cut at any date, the last row *looks* like a month's end.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from quantlab.core._errors import InputError, KindError
from quantlab.core._labels import show

__all__ = ["Frequency", "bars_per_year", "period_ends", "sessions"]

# Bars per year that the field has settled on, where the average count of sessions is a nearby fraction (XNYS: 251.7).
_CONVENTION = {"24/7": 365.0, "XNYS": 252.0, "XNAS": 252.0}
_RULES = ("week_end", "month_end")


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often bars come.

    Parameters
    ----------
    periods : float > 0, bars per year, or None when it is unknown
    calendar : str, optional
        A code of the exchange_calendars library ("XNYS", "XLON") or "24/7". Needed for month-end and week-end
        decisions.

    Raises
    ------
    InputError
        When ``periods`` is not a positive finite number. An unknown calendar is refused where it is first needed, since
        asking takes the calendar library.

    Examples
    --------
    >>> Frequency.daily("XNYS")
    Frequency(periods=252.0, calendar='XNYS')
    >>> Frequency(12)
    Frequency(periods=12.0, calendar=None)
    """

    periods: float | None
    calendar: str | None = None

    def __post_init__(self) -> None:
        if self.periods is not None:
            object.__setattr__(self, "periods", _positive(self.periods))
        if self.calendar is not None and not isinstance(self.calendar, str):
            raise KindError(f"`calendar` must be a code such as 'XNYS', received {type(self.calendar).__name__}.")

    @classmethod
    def daily(cls, calendar: str) -> Frequency:
        """Return one bar per session: 252 a year for XNYS and XNAS, 365 for 24/7, else the calendar's average,
        rounded.
        """
        if calendar in _CONVENTION:
            return cls(_CONVENTION[calendar], calendar)
        ten_years = sessions(calendar, np.datetime64("2010-01-01"), np.datetime64("2019-12-31"))
        return cls(float(round(ten_years.size / 10)), calendar)

    @classmethod
    def intraday(cls, calendar: str, minutes: int) -> Frequency:
        """Return one bar per ``minutes`` of the regular session: sessions a year, times minutes of a session, over
        ``minutes``.

        An hour at XNYS gives 252 * 390 / 60 = 1638 a year. Sessions are those of ``daily``; breaks at midday do not
        count, nor do bars outside of regular hours; a session is as long as most were in 2025.

        Raises
        ------
        InputError
            When ``minutes`` is not a whole number of at least 1, or longer than a session.
        """
        if isinstance(minutes, bool) or not isinstance(minutes, (int, np.integer)) or minutes < 1:
            raise InputError(f"`minutes` must be an integer >= 1, received {minutes!r}.")
        session = _session_minutes(calendar)
        if minutes > session:
            raise InputError(
                f"A session of {calendar} has {session} minutes, and a bar of {minutes} is longer.",
                hint="store daily bars.",
            )
        days = cls.daily(calendar).periods or math.nan
        return cls(days * session / int(minutes), calendar)


def bars_per_year(frequency: Frequency | None, declared: float | None = None) -> float:
    """Return the bars per year: the declared number if given, else the frequency's.

    Raises
    ------
    InputError
        When neither is known.

    Examples
    --------
    >>> bars_per_year(Frequency(12))
    12.0
    """
    if declared is not None:
        return _positive(declared)
    if frequency is None or frequency.periods is None:
        raise InputError(
            "The number of bars per year is unknown.",
            hint='say it with the data, `ql.as_bars(close, frequency=ql.Frequency.daily("XNYS"))`, or `periods=252`.',
        )
    return frequency.periods


def sessions(calendar: str, start: np.datetime64, end: np.datetime64) -> np.ndarray:
    """Return the session dates of a calendar in [start, end], shape (n,), datetime64[D].

    Source: the exchange_calendars library. "24/7" has every day. These are the sessions that were held.

    Raises
    ------
    InputError
        When the calendar is unknown, or does not reach back or forward so far.
    """
    first, last = start.astype("datetime64[D]"), end.astype("datetime64[D]")
    if calendar == "24/7":
        return np.arange(first, last + np.timedelta64(1, "D"))
    days, _ = _covering(calendar, first, last)
    return days[(days >= first) & (days <= last)]


def period_ends(dates: np.ndarray, rule: str | int, frequency: Frequency | None) -> np.ndarray:
    """Return the rows on which a calendar rule takes a decision, as a (T,) bool mask.

    ``"month_end"`` and ``"week_end"`` are true on the last session of a month or ISO week *by the exchange's
    calendar*; where that bar is missing in the data, on the next bar that exists. An integer n is true on rows 0, n,
    2n, ... Row t depends on ``dates[:t + 1]`` alone.

    Parameters
    ----------
    dates : (T,) datetime64, increasing
    rule : "month_end" | "week_end" | int >= 1
    frequency : Frequency
        Its calendar is needed by the two named rules.

    Raises
    ------
    InputError
        For an unknown rule, or a named rule without a calendar.

    Examples
    --------
    March 2024 ended on Thursday the 28th, because the 29th was Good Friday:

    >>> days = np.array(["2024-03-27", "2024-03-28", "2024-04-01"], dtype="datetime64[D]")
    >>> period_ends(days, "month_end", Frequency.daily("XNYS"))
    array([False,  True, False])
    """
    if isinstance(rule, (int, np.integer)) and not isinstance(rule, bool):
        if rule < 1:
            raise InputError(f"A rebalance every n bars needs n >= 1, received {rule}.")
        return np.arange(dates.size) % int(rule) == 0
    if rule not in _RULES:
        raise InputError(f"The calendar rule must be one of {', '.join(_RULES)} or an integer, received {rule!r}.")
    if frequency is None or frequency.calendar is None:
        raise InputError(
            f'"{rule}" needs the trading calendar: that a day ends its period cannot be read off data that stop there.',
            hint='say it with the data, `ql.as_bars(close, frequency=ql.Frequency.daily("XNYS"))`, or list dates.',
        )
    if dates.size == 0:
        return np.zeros(0, dtype=bool)
    days = dates.astype("datetime64[D]")
    known = _scheduled(frequency.calendar, days[0], days[-1])
    group = known.astype("datetime64[M]") if rule == "month_end" else _weeks(known)
    ends = known[:-1][group[1:] != group[:-1]]
    # Count the period ends up to each bar: a step up means that this bar is the first at or after a period's end.
    passed = np.searchsorted(ends, days, side="right")
    mask = np.empty(days.size, dtype=bool)
    mask[0] = bool((ends == days[0]).any())
    mask[1:] = passed[1:] > passed[:-1]
    if dates.dtype != days.dtype:
        # Intraday: the decision belongs to the last bar of the session, which is not known from the dates alone.
        raise InputError(
            f'"{rule}" is defined for daily bars, and these begin at {show(dates[0])}.',
            hint='for daily bars use days, `dates.astype("datetime64[D]")`; for intraday bars pass a list of times.',
        )
    return mask


def _scheduled(calendar: str, first: np.datetime64, last: np.datetime64) -> np.ndarray:
    """The sessions that were planned: those held, and the days that were called off at short notice.

    On Monday 2001-09-10 nobody knew that it was the last session of its week. With the called-off days in the
    schedule that week ends on Friday the 14th, which has no bar, and the decision falls on the 17th. Forty days are
    added on both sides, so that the period of the first and of the last bar is seen whole.
    """
    low, high = first - np.timedelta64(40, "D"), last + np.timedelta64(40, "D")
    if calendar == "24/7":
        return np.arange(low, high + np.timedelta64(1, "D"))
    _, days = _covering(calendar, first, last)
    return days[(days >= low) & (days <= high)]


def _covering(calendar: str, first: np.datetime64, last: np.datetime64) -> tuple[np.ndarray, np.ndarray]:
    """Sessions held and planned, from 40 days before ``first`` to 40 days after ``last`` or farther."""
    # Whole decades, so that nearby requests share one calendar.
    margin = np.timedelta64(40, "D")
    low, high = (int(day.astype("datetime64[Y]").astype(int)) // 10 for day in (first - margin, last + margin))
    held, planned, start, end = _decades(calendar, low, high)
    if first < start:
        raise InputError(f"Calendar {calendar!r} is known from {start} on, received {first}.")
    if last > end:
        raise InputError(f"Calendar {calendar!r} is known until {end}, received {last}.")
    return held, planned


def _weeks(days: np.ndarray) -> np.ndarray:
    return (days.astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday: weeks start on Monday


@lru_cache(maxsize=16)
def _session_minutes(calendar: str) -> int:
    """Minutes of trading in most sessions of 2025, breaks at midday left out."""
    if calendar == "24/7":
        return 1440
    import exchange_calendars as library

    _factory(calendar)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        market = library.get_calendar(calendar, start="2025-01-01", end="2025-12-31")
    length = market.closes_nanos - market.opens_nanos
    # A session without a break has the least integer there, the library's NaT.
    rested = market.break_starts_nanos > np.iinfo(np.int64).min
    length = length - np.where(rested, market.break_ends_nanos - market.break_starts_nanos, 0)
    lengths, counts = np.unique(length // 60_000_000_000, return_counts=True)
    return int(lengths[counts.argmax()])


def _factory(calendar: str) -> Any:
    """The class of a calendar, or InputError when there is none."""
    import exchange_calendars as library

    try:
        return library.calendar_utils._default_calendar_factories[library.resolve_alias(calendar)]
    except (library.errors.InvalidCalendarName, KeyError) as error:
        raise InputError(
            f"Calendar {calendar!r} is unknown.", hint="use a code of exchange_calendars such as XNYS, or 24/7."
        ) from error


@lru_cache(maxsize=16)
def _decades(calendar: str, low: int, high: int) -> tuple[np.ndarray, np.ndarray, np.datetime64, np.datetime64]:
    """Sessions held, and sessions planned, of whole decades counted from 1970, cut to what the calendar can answer."""
    import exchange_calendars as library

    factory = _factory(calendar)
    first, last = np.datetime64(f"{1970 + 10 * low}-01-01"), np.datetime64(f"{1979 + 10 * high}-12-31")
    least, greatest = factory.bound_min(), factory.bound_max()
    start = first if least is None else max(first, _day(least))
    end = last if greatest is None else min(last, _day(greatest))
    if start >= end:
        raise InputError(
            f"Calendar {calendar!r} is known from {_day(least)} to {_day(greatest)}, not in {first} to {last}."
        )
    try:
        with warnings.catch_warnings():
            # The library uses what a coming pandas will drop; its users cannot change that.
            warnings.simplefilter("ignore", DeprecationWarning)
            market = library.get_calendar(calendar, start=str(start), end=str(end))
            held = market.sessions.values.astype("datetime64[D]")
            called_off = np.array([_day(day) for day in market.adhoc_holidays], dtype="datetime64[D]")
    except (NotImplementedError, ValueError) as error:
        raise InputError(
            f"Calendar {calendar!r} cannot be built by the installed exchange_calendars library.",
            hint="pass a list of dates instead of a calendar rule.",
        ) from error
    inside = (called_off >= held[0]) & (called_off <= held[-1]) & np.is_busday(called_off, weekmask=market.weekmask)
    planned = np.union1d(held, called_off[inside])
    held.setflags(write=False)
    planned.setflags(write=False)
    return held, planned, start, end


def _day(moment: object) -> np.datetime64:
    # The library hands out pandas, NumPy and text dates.
    return np.datetime64(str(moment)[:10])


def _positive(number: float) -> float:
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, float, np.integer, np.floating)):
        raise KindError(f"`periods` (bars per year) must be a number, received {number!r}.")
    value = float(number)
    if not math.isfinite(value) or value <= 0:
        raise InputError(f"`periods` (bars per year) must be a positive number, received {number!r}.")
    return value
