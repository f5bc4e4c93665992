"""Rules about dates: sessions that are missing or too many, gaps, and series that start late or end early."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quantlab.core import Bars
from quantlab.core._labels import DAY
from quantlab.core.periods import sessions
from quantlab.data.checks._findings import Finding, count, runs
from quantlab.data.checks._rules_trail import Trail

_MANY = 10  # symbols that make a day's finding the day's
# What an ending looks like: measured on sp500_wiki_adj, where takeovers, index exits and source gaps are mixed.
_COLLAPSE = 0.5  # a last close below half of that a quarter before: failing
_CHEAP = 1.0  # currency per share: below it exchanges delist
_PINNED = 0.004  # mean absolute move of the last bars; a cash offer pins the price (large stocks move 0.8 % and more)
_LAST, _QUARTER = 10, 63  # bars


def dates(bars: Bars) -> Iterator[Finding]:
    """The two rules on dates against the calendar; none without a calendar, or for intraday bars."""
    held = _sessions(bars)
    if held.size == 0:
        return
    for day in np.setdiff1d(held, bars.dates):
        yield Finding("missing_session", None, day, None, "no bar on this session")
    odd = np.flatnonzero(~np.isin(bars.dates, held))
    closes = (~np.isnan(bars.close.values[odd])).sum(axis=1)
    for row, number in zip(odd.tolist(), closes.tolist(), strict=True):
        detail = f"{count(number, 'close')} on a day without a session"
        yield Finding("no_session", None, bars.dates[row], None, detail)


def _sessions(bars: Bars) -> np.ndarray:
    if bars.frequency is None or bars.frequency.calendar is None or bars.dates.dtype != DAY:
        return np.empty(0, dtype=DAY)
    return sessions(bars.frequency.calendar, bars.dates[0], bars.dates[-1])


def spans(bars: Bars) -> Iterator[Finding]:
    """Where the closes of a symbol begin and pause.

    What most symbols share is one finding of the date. A day without a session on which most have no close is no gap.
    """
    present = ~np.isnan(bars.close.values)
    begun = np.logical_or.accumulate(present, axis=0)
    unfinished = np.logical_or.accumulate(present[::-1], axis=0)[::-1]
    absent = begun & unfinished & ~present
    missing, alive = absent.sum(axis=1), (begun & unfinished).sum(axis=1)
    shared = (missing >= _MANY) & (missing > alive / 2)
    held = _sessions(bars)
    closed = ~np.isin(bars.dates, held) if held.size else np.zeros(bars.dates.size, dtype=bool)
    for row in np.flatnonzero(shared & ~closed).tolist():
        detail = f"no close of {missing[row]:,} of {alive[row]:,} symbols"
        yield Finding("gap", None, bars.dates[row], None, detail)
    absent[shared] = False
    for row, column, length in runs(absent):
        detail = f"no close on {count(length)}"
        yield Finding("gap", bars.symbols[column], bars.dates[row], bars.dates[row + length - 1], detail)
    first = present.argmax(axis=0)  # 0 for a column without any
    crowded = _crowded(first[first > 0], bars)
    for row in np.flatnonzero(crowded).tolist():
        detail = f"first close of {np.count_nonzero(first == row):,} symbols, {count(row)} after the start"
        yield Finding("starts_late", None, bars.dates[row], None, detail)
    for column in np.flatnonzero((first > 0) & ~crowded[first]).tolist():
        detail = f"first close {count(int(first[column]))} after the start"
        yield Finding("starts_late", bars.symbols[column], bars.dates[first[column]], None, detail)


def last_rows(bars: Bars) -> tuple[np.ndarray, np.ndarray]:
    """Row of the last close of each symbol (-1 without any), and the rows on which so many end that it is one fact."""
    present = ~np.isnan(bars.close.values)
    last = np.where(present.any(axis=0), bars.shape[0] - 1 - present[::-1].argmax(axis=0), -1)
    return last, _crowded(last[(last >= 0) & (last < bars.shape[0] - 1)], bars)


def _crowded(rows: np.ndarray, bars: Bars) -> np.ndarray:
    together = np.bincount(rows, minlength=bars.shape[0])
    return (together >= _MANY) & (together > bars.shape[1] / 10)


def common_endings(bars: Bars) -> Iterator[Finding]:
    """Dates on which many symbols end at once, although the data go on."""
    last, crowded = last_rows(bars)
    for row in np.flatnonzero(crowded).tolist():
        left = count(bars.shape[0] - 1 - row)
        detail = f"last close of {np.count_nonzero(last == row):,} symbols, {left} before the end"
        yield Finding("ends_early", None, bars.dates[row], None, detail)


def endings(trail: Trail, crowded: np.ndarray, gone: np.ndarray) -> Iterator[Finding]:
    """The last close of a symbol, where the data go on without it, with what the last bars say about the reason.

    ``gone`` (N,) is the row of its delisting or conversion, which explains the end when it comes later; -1: none.
    """
    if trail.size == 0:
        return
    T = trail.dates.size
    last = np.flatnonzero(np.concatenate([trail.first[1:], [True]]))
    unexplained = gone[trail.column[last]] <= trail.row[last]
    for at in last[(trail.row[last] < T - 1) & ~crowded[trail.row[last]] & unexplained].tolist():
        left = T - 1 - int(trail.row[at])
        detail = f"last close {count(left)} before the end, at {trail.close[at]:g}: {_reason(trail, at)}"
        yield Finding("ends_early", trail.symbol(at), trail.date(at), None, detail)


def _reason(trail: Trail, at: int) -> str:
    begin = int(np.searchsorted(trail.column, trail.column[at]))
    quarter = trail.close[max(begin, at - _QUARTER) : at + 1]
    fall = quarter[-1] / quarter.max() - 1
    if trail.close[at] < _CHEAP or fall < -_COLLAPSE:
        return f"{-fall:.0%} below the high of its last quarter, as before a delisting"
    recent = np.abs(trail.move[max(begin + 1, at - _LAST + 1) : at + 1])
    if recent.size == _LAST and recent.mean() < _PINNED and np.count_nonzero(recent) > _LAST // 2:
        return f"its last {_LAST} moves average {recent.mean():.2%}, as after a cash offer"
    if trail.volume is not None and trail.volume[at] == 0:
        return "no volume on the last bar, as after a halt"
    return "nothing in its last bars says why (index exit, merger or source)"
