"""``Calendar``: one exchange's sessions and hours under its code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl

from quantlab.core import InputError, KindError, Panel, PanelLike, as_panel
from quantlab.core._arguments import integer
from quantlab.core._labels import DAY, show
from quantlab.data.calendars import _align, _parts
from quantlab.data.calendars._moments import Day, day, days, moments
from quantlab.data.calendars._schedule import Schedule, demand_known, schedule, zone_of

Days: TypeAlias = "Day | Sequence[Day] | np.ndarray | pl.Series"
Moments: TypeAlias = "datetime | np.datetime64 | Sequence[datetime] | np.ndarray | pl.Series"
_LONGEST = 10_000_000  # days, more than there are between any two dates
Stamp: TypeAlias = Literal["end", "start"]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The sessions and trading hours of an exchange.

    Parameters
    ----------
    code : str
        A code of the exchange_calendars library ("XNYS", "XLON", "XTKS") or "24/7", whose sessions are the days of UTC.

    Raises
    ------
    KindError
        When ``code`` is no text. An unknown one is refused where it is first needed, since asking takes the library.

    Notes
    -----
    A day is a label (``datetime64[D]``, a date, or text such as "2024-03-29"). A moment is a datetime with a time zone
    or a ``datetime64`` in UTC, and stands for the end of a bar: the bar that ends at the close belongs to the session,
    the one that ends at the open does not. ``stamp="start"`` says that moments are starts of bars, or instants.

    Methods that take several days or moments return arrays of their shape, and one for one. What a calendar cannot
    answer, since it does not reach back or forward so far, raises InputError.

    Sessions are those that were held: a day that was called off (2001-09-11) is none, though the evening before nobody
    knew. Decisions that depend on the *planned* schedule are made by ``quantlab.core.periods.period_ends``.

    The days are those of exchange_calendars, which carries the rules that it knows back to years in which others held.
    Sessions of "XNYS" are refused before 1952-09-29, since until then New York traded on Saturdays, too. The early
    years of other exchanges were not checked.

    Examples
    --------
    >>> new_york = Calendar("XNYS")
    >>> new_york.session_on_or_after("2024-03-29")  # Good Friday
    np.datetime64('2024-04-01')
    >>> new_york.early_closes("2024-11-01", "2024-11-30")["session", "close_local"].row(0)
    (datetime.date(2024, 11, 29), datetime.time(13, 0))
    """

    code: str

    def __post_init__(self) -> None:
        if not isinstance(self.code, str) or not self.code:
            raise KindError(f"`code` must be a text such as 'XNYS', received {self.code!r}.")

    @property
    def zone(self) -> str:
        """The exchange's time zone: "America/New_York"."""
        return zone_of(self.code)

    def sessions(self, start: Day, end: Day) -> np.ndarray:
        """Return the sessions from ``start`` to ``end``, both included, (n,) datetime64[D]."""
        plan, rows = self._span(start, end)
        return plan.sessions[rows].copy()

    def is_session(self, days: Days) -> Any:
        """Return whether each day is a session, bool."""
        plan, wanted = self._around(days)
        at = np.minimum(np.searchsorted(plan.sessions, wanted), plan.sessions.size - 1)
        return (plan.sessions[at] == wanted)[()]

    def next_session(self, days: Days) -> Any:
        """Return the first session after each day, never the day itself, datetime64[D]."""
        return self._neighbor(days, "right", 0)

    def previous_session(self, days: Days) -> Any:
        """Return the last session before each day, never the day itself, datetime64[D]."""
        return self._neighbor(days, "left", -1)

    def session_on_or_after(self, days: Days) -> Any:
        """Return each day if it is a session, else the first session after it, datetime64[D]."""
        return self._neighbor(days, "left", 0)

    def session_on_or_before(self, days: Days) -> Any:
        """Return each day if it is a session, else the last session before it, datetime64[D]."""
        return self._neighbor(days, "right", -1)

    def holidays(self, start: Day, end: Day) -> pl.DataFrame:
        """Return the days without a session, weekends left out.

        Returns
        -------
        polars.DataFrame
            ``date``; ``name`` by the exchange's rules, null where it closed for once (storms, funerals, 2001-09-11).
        """
        plan, _ = self._span(start, end)
        low, high = (
            np.searchsorted(plan.holidays, day(start, "start")),
            np.searchsorted(plan.holidays, day(end, "end"), side="right"),
        )
        names = pl.Series(plan.names[low : max(low, high)], dtype=pl.String)
        return pl.DataFrame({"date": pl.Series(plan.holidays[low : max(low, high)], dtype=pl.Date), "name": names})

    def early_closes(self, start: Day, end: Day) -> pl.DataFrame:
        """Return the sessions that closed before the usual time.

        Returns
        -------
        polars.DataFrame
            ``session``, ``close`` (UTC), ``close_local`` (time on the exchange's clock), ``zone``, ``minutes`` of
            trading, ``regular_minutes``.
        """
        plan, rows = self._span(start, end)
        local = pl.col("close").dt.convert_time_zone(plan.zone).dt.time().alias("close_local")
        short = self.windows(start, end).filter(pl.Series(plan.early[rows], dtype=pl.Boolean))
        return short.with_columns(local).select("session", "close", "close_local", "zone", "minutes", "regular_minutes")

    def windows(self, start: Day, end: Day, *, part: str | None = None) -> pl.DataFrame:
        """Return the trading hours of each session, or of a part of it.

        Parameters
        ----------
        start, end : day
            Both included.
        part : "first 30 minutes" | "last 30 minutes" | "09:30-10:00", optional
            Any number of minutes on the clock after the open or before the close, or two times on the exchange's clock.
            A part never leaves its session.

        Returns
        -------
        polars.DataFrame
            ``session``; ``open``, ``close`` (UTC); ``break_start``, ``break_end`` (UTC, null where the exchange does
            not pause); ``zone`` of the exchange; ``minutes`` of trading between the two without the break;
            ``regular_minutes`` of a whole ordinary session at that time. A session without the part has a null open
            and close and 0 minutes.

        Raises
        ------
        InputError
            For another kind of part.

        Examples
        --------
        New York left summer time on 2024-11-03:

        >>> Calendar("XNYS").windows("2024-11-01", "2024-11-04")["open"].dt.time().to_list()
        [datetime.time(13, 30), datetime.time(14, 30)]
        """
        plan, rows = self._span(start, end)
        begin, finish = _parts.bounds(plan, rows, part)
        lasting = _parts.minutes(plan, rows, begin, finish)
        return pl.DataFrame(
            {
                "session": pl.Series(plan.sessions[rows], dtype=pl.Date),
                "open": _utc(begin),
                "close": _utc(finish),
                "break_start": _utc(plan.break_starts[rows]),
                "break_end": _utc(plan.break_ends[rows]),
                "zone": pl.Series([plan.zone] * begin.size, dtype=pl.String),
                "minutes": lasting,
                "regular_minutes": plan.regular_minutes[rows],
            },
        )

    def in_session(self, moments: Moments, *, part: str | None = None, stamp: Stamp = "end") -> Any:
        """Return whether each moment lies in the trading hours, or in a part of them, bool.

        Parameters
        ----------
        moments : moments
        part : as in :meth:`windows`
        stamp : "end" | "start"
            Whether moments are ends of bars, for which the hours are (open, close], or starts, for which they are
            [open, close). A break is outside.
        """
        plan, wanted, at = self._holding(moments, stamp)
        begin, finish = _parts.bounds(plan, slice(None), part)
        inside = (at >= 0) & _between(wanted, begin[at], finish[at], stamp)
        return (inside & ~_between(wanted, plan.break_starts[at], plan.break_ends[at], stamp))[()]

    def session_at(self, moment: datetime | np.datetime64, *, stamp: Stamp = "end") -> np.datetime64 | None:
        """Return the session between whose open and close a moment lies, breaks included, or None."""
        found = self.session_of(moment, outside="none", stamp=stamp)
        if np.ndim(found):
            raise KindError(f"`moment` must be one moment, received {np.size(found)}.", hint="`session_of` takes many.")
        return None if np.isnat(found) else found

    def session_of(
        self, moments: Moments, *, outside: Literal["next", "previous", "none"] = "next", stamp: Stamp = "end"
    ) -> Any:
        """Return the session to which each moment belongs, datetime64[D].

        Parameters
        ----------
        moments : moments
        outside : "next" | "previous" | "none"
            Which session a moment between two has: "next", the first at whose close it is known, so that news after
            the close belongs to the following day; "previous"; or none, NaT.
        stamp : "end" | "start"
            As in :meth:`in_session`.

        Examples
        --------
        >>> evening = np.datetime64("2024-03-28T22:00")  # after the last close before Good Friday
        >>> Calendar("XNYS").session_of(evening)
        np.datetime64('2024-04-01')
        """
        if outside not in ("next", "previous", "none"):
            raise InputError(f'`outside` must be "next", "previous" or "none", received {outside!r}.')
        plan, wanted, at = self._holding(moments, stamp)
        if outside == "none":
            return np.where(at >= 0, plan.sessions[at], np.datetime64("NaT", "D"))[()]
        if outside == "next":
            at = np.searchsorted(plan.closes, wanted, side="left" if stamp == "end" else "right")
        else:
            at = np.searchsorted(plan.opens, wanted, side="left" if stamp == "end" else "right") - 1
        self._demand_inside(plan, at, wanted)
        return plan.sessions[at][()]

    def align(self, signals: PanelLike, *, on_conflict: Literal["raise", "first", "last"] = "raise") -> Panel:
        """Return signals on sessions: one dated on a day without a session moves once, to the next session.

        Parameters
        ----------
        signals : PanelLike (T, N), dated by day
            NaN is no signal; in a bool Panel every value is one.
        on_conflict : "raise" | "first" | "last"
            What happens where two signals of one symbol meet on a session: an error, the one with the older date, or
            the one with the newer date.

        Returns
        -------
        Panel (t, N)
            Its dates are the sessions that got a row. The last may lie after the last date of ``signals``.

        Raises
        ------
        DataError
            When two signals meet and ``on_conflict`` is "raise": the first is named.
        InputError
            For intraday signals.

        Examples
        --------
        >>> signals = Panel([[1.0], [2.0]], ["2024-03-28", "2024-03-29"], ["A"])
        >>> [str(date) for date in Calendar("XNYS").align(signals).dates]
        ['2024-03-28', '2024-04-01']
        """
        panel = as_panel(signals, name="signals")
        if panel.dates.dtype != DAY:
            raise InputError(
                f"`signals` must be dated by day, and begin at {show(panel.dates[0]) if len(panel) else 'a time'}.",
                hint="`session_of(panel.dates)` gives the sessions of moments.",
            )
        targets = self.session_on_or_after(panel.dates) if len(panel) else panel.dates
        return _align.moved(panel, targets, on_conflict)

    def known_at_close(self, data: PanelLike, *, max_age: int, source: str | None = None) -> Panel:
        """Return the last known value of each symbol at each close of this exchange.

        A daily row of another exchange is known at that exchange's close: London's of the same day at New York's close,
        New York's of the day before at London's. An intraday row is known at its own time.

        Parameters
        ----------
        data : PanelLike (T, N)
            NaN is no value: an older one stands in for it until it is too old.
        max_age : int >= 0, days
            How many calendar days before the session the value may be dated; 0 takes those of the same day alone. Of
            intraday rows: how many times 24 hours before the close.
        source : str, optional
            The calendar code of ``data``; by default that of its frequency.

        Returns
        -------
        Panel (t, N)
            On the sessions between the first and the last date of ``data``; NaN (False for bool) where nothing, or
            nothing young enough, was known. Row t uses rows that were known at the close of session t.

        Raises
        ------
        InputError
            When the calendar of daily data is unknown.
        DataError
            When a daily row has a date that is no session of its own calendar.

        Examples
        --------
        >>> london = Panel([[1.0], [2.0]], ["2024-11-28", "2024-11-29"], ["VOD"])  # New York: Thanksgiving, half a day
        >>> Calendar("XNYS").known_at_close(london, source="XLON", max_age=3).values
        array([[2.]])
        """
        panel = as_panel(data)
        days_old = min(integer(max_age, name="max_age", low=0), _LONGEST)
        if source is None and panel.frequency is not None:
            source = panel.frequency.calendar
        if source is None and panel.dates.dtype == DAY:
            raise InputError(
                "The calendar of `data` is unknown, and so is when its rows were known.", hint='pass `source="XLON"`.'
            )
        return _align.known(panel, source=source or "24/7", target=self.code, max_age=days_old)

    def _span(self, start: Day, end: Day) -> tuple[Schedule, slice]:
        first, last = day(start, "start"), day(end, "end")
        if last < first:
            raise InputError(f"`end` must not come before `start`, received {first} and {last}.")
        demand_known(self.code, first)
        plan = schedule(self.code, first, last)
        return plan, plan.rows(first, last)

    def _around(self, values: Days) -> tuple[Schedule, np.ndarray]:
        wanted = days(values, "days")
        if wanted.size == 0:
            wanted_from = wanted_to = np.datetime64("2010-03-01", "D")
        else:
            wanted_from, wanted_to = wanted.min(), wanted.max()
            demand_known(self.code, wanted_from)
        return schedule(self.code, wanted_from, wanted_to), wanted

    def _neighbor(self, values: Days, side: Literal["left", "right"], step: int) -> Any:
        plan, wanted = self._around(values)
        at = np.searchsorted(plan.sessions, wanted, side=side) + step
        self._demand_inside(plan, at, wanted)
        return plan.sessions[at][()]

    def _holding(self, values: Moments, stamp: Stamp) -> tuple[Schedule, np.ndarray, np.ndarray]:
        """The schedule, the moments, and for each the row of the session that holds it, or -1."""
        if stamp not in ("end", "start"):
            raise InputError(f'`stamp` must be "end" or "start", received {stamp!r}.')
        wanted = moments(values)
        label = wanted.astype(DAY)
        plan, _ = self._around(label)
        at = np.searchsorted(plan.opens, wanted, side="left" if stamp == "end" else "right") - 1
        inside = (at >= 0) & _between(wanted, plan.opens[at], plan.closes[at], stamp)
        return plan, wanted, np.where(inside, at, -1)

    def _demand_inside(self, plan: Schedule, at: np.ndarray, wanted: np.ndarray) -> None:
        lost = np.ravel((at < 0) | (at >= plan.sessions.size))
        if lost.any():
            raise InputError(
                f"Calendar {self.code!r} is known from {plan.sessions[0]} to {plan.sessions[-1]}, and has no such "
                f"session for {np.ravel(wanted)[lost][0]}."
            )


def _between(wanted: np.ndarray, begin: np.ndarray, finish: np.ndarray, stamp: Stamp) -> Any:
    if stamp == "end":
        return (begin < wanted) & (wanted <= finish)
    return (begin <= wanted) & (wanted < finish)


def _utc(array: np.ndarray) -> pl.Series:
    return pl.Series(array, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
