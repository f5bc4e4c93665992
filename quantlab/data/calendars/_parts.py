"""Parts of a session by name: "first 30 minutes", "last 30 minutes", "09:30-10:00" on the exchange's clock."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from quantlab.core import InputError
from quantlab.core._labels import DAY, MICROSECOND
from quantlab.data.calendars._schedule import MINUTE, Schedule

_COUNTED = re.compile(r"(first|last) ([1-9]\d*) minutes?")
_LONGEST = 10_000  # minutes, longer than any session
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def bounds(plan: Schedule, rows: slice, part: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return where the part of each session begins and ends, (n,) datetime64[us] in UTC; NaT where there is none of it.

    A part never leaves its session: on an early close the last 30 minutes end at that close, and "15:00-15:30" is
    missing on a day that closes at 13:00.
    """
    opens, closes = plan.opens[rows], plan.closes[rows]
    if part is None:
        return opens.copy(), closes.copy()
    if isinstance(part, str) and (counted := _COUNTED.fullmatch(part)):
        length = min(int(counted[2]), _LONGEST) * MINUTE
        if counted[1] == "first":
            return opens.copy(), np.minimum(opens + length, closes)
        return np.maximum(closes - length, opens), closes.copy()
    if isinstance(part, str) and (clock := _CLOCK.fullmatch(part)):
        hours = [int(text) for text in clock.groups()]
        first, last = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3] or 1440
        if first == last:
            raise InputError(f"`part` {part!r} ends when it begins.")
        if first > last and not _overnight(plan):
            raise InputError(f"`part` {part!r} ends before it begins, and no session goes on past midnight there.")
        return _on_the_clock(plan, rows, first, last)
    raise InputError(
        f"`part` must be such as 'first 30 minutes', 'last 30 minutes' or '09:30-10:00', received {part!r}.",
        hint="clock times are the exchange's own, two digits each.",
    )


def minutes(plan: Schedule, rows: slice, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the minutes of trading between two moments of each session, (n,) float64: the break is left out."""
    first, last = np.maximum(plan.break_starts[rows], begin), np.minimum(plan.break_ends[rows], end)
    pause = np.where(np.isnat(first) | (last <= first), np.timedelta64(0, "us"), last - first)
    whole = np.where(np.isnat(begin), np.timedelta64(0, "us"), end - begin)
    return (whole - pause) / MINUTE


def _overnight(plan: Schedule) -> bool:
    """Whether a session goes on past midnight of the exchange's clock."""
    local = [
        pl.Series(moments).dt.replace_time_zone("UTC").dt.convert_time_zone(plan.zone).dt.date()
        for moments in (plan.opens, plan.closes - np.timedelta64(1, "us"))
    ]
    return bool((local[0] != local[1]).any())


def _on_the_clock(plan: Schedule, rows: slice, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    opens, closes = plan.opens[rows], plan.closes[rows]
    nothing = np.full(opens.size, np.datetime64("NaT"), dtype=MICROSECOND)
    begin, end = nothing.copy(), nothing.copy()
    opened_on = pl.Series(opens).dt.replace_time_zone("UTC").dt.convert_time_zone(plan.zone).dt.date()
    # A session that began the evening before meets the clock time on the day it opened, or on the next.
    for later in (0, 1):
        day = opened_on.to_numpy().astype(DAY) + np.timedelta64(later, "D")
        low = np.maximum(_utc(day, first, plan.zone), opens)
        high = np.minimum(_utc(day, last + (1440 if last <= first else 0), plan.zone), closes)
        fits = np.isnat(begin) & (low < high)
        begin, end = np.where(fits, low, begin), np.where(fits, high, end)
    return begin, end


def _utc(day: np.ndarray, minute: int, zone: str) -> np.ndarray:
    """Moments of a clock time on days. One that the clock skips is NaT; one that it shows twice is the earlier."""
    local = pl.Series(day.astype(MICROSECOND) + minute * MINUTE)
    moved = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return moved.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().astype(MICROSECOND)
