"""Dated values on the sessions of a calendar: signals move forward, values of another exchange are known at a close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantlab.core import DataError, Frequency, InputError, Panel
from quantlab.core._labels import DAY, MICROSECOND, show
from quantlab.data.calendars._schedule import Schedule, demand_known, schedule

if TYPE_CHECKING:
    from collections.abc import Iterator


def moved(panel: Panel, targets: np.ndarray, on_conflict: str) -> Panel:
    """Return ``panel`` with each row dated on its target session; what meets there follows the rule."""
    if on_conflict not in ("raise", "first", "last"):
        raise InputError(f'`on_conflict` must be "raise", "first" or "last", received {on_conflict!r}.')
    sessions, place = np.unique(targets, return_inverse=True)
    boolean = panel.values.dtype == bool
    out = np.full((sessions.size, len(panel.symbols)), False if boolean else np.nan, dtype=panel.values.dtype)
    taken = np.zeros(out.shape, dtype=bool)
    for row, values, present in _signals(panel):
        at = place[row]
        met = taken[at] & present
        if met.any() and on_conflict == "raise":
            raise _two_signals(panel, sessions[at], place, row, int(met.argmax()))
        write = present & ~met if on_conflict == "first" else present
        out[at, write] = values[write]
        taken[at] |= present
    return Panel._trusted(out, sessions, panel.symbols, panel.frequency)


def _signals(panel: Panel) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Row number, values, and where there is a signal: NaN is none, while True and False both are."""
    present = np.ones(panel.shape, dtype=bool) if panel.values.dtype == bool else ~np.isnan(panel.values)
    yield from zip(range(len(panel)), panel.values, present, strict=True)


def _two_signals(panel: Panel, session: np.datetime64, place: np.ndarray, row: int, column: int) -> DataError:
    same = [other for other in range(row) if place[other] == place[row]]
    earlier = [other for other in same if panel.values.dtype == bool or not np.isnan(panel.values[other, column])]
    return DataError(
        f"{panel.symbols[column]} has two signals for {show(session)}: of {show(panel.dates[earlier[-1]])} and of "
        f"{show(panel.dates[row])}.",
        hint='`on_conflict="last"` keeps the newer one, `"first"` the older.',
    )


def known(panel: Panel, *, source: str, target: str, max_age: int) -> Panel:
    """Return the last value of each symbol that was known at each close of the target calendar."""
    if len(panel) == 0:
        return Panel._trusted(panel.values, panel.dates, panel.symbols, Frequency.daily(target))
    moments = _known_at(panel, source)
    first, last = panel.dates[0].astype(DAY), panel.dates[-1].astype(DAY)
    demand_known(target, first)
    plan = schedule(target, first, last)
    rows = plan.rows(first, last)
    sessions, closes = plan.sessions[rows], plan.closes[rows]
    if panel.dates.dtype != DAY:
        # After the last moment nothing was recorded, so that it is unknown what was known.
        heard = closes <= moments[-1]
        sessions, closes = sessions[heard], closes[heard]
    boolean = panel.values.dtype == bool
    present = np.ones(panel.shape, dtype=bool) if boolean else ~np.isnan(panel.values)
    newest = np.maximum.accumulate(np.where(present, np.arange(len(panel))[:, None], -1), axis=0)
    row = np.searchsorted(moments, closes, side="right") - 1
    pick = np.where((row >= 0)[:, None], newest[row], -1)
    age = sessions[:, None] - panel.dates[pick] if panel.dates.dtype == DAY else closes[:, None] - moments[pick]
    good = (pick >= 0) & (age <= np.timedelta64(max_age, "D"))
    values = np.where(good, np.take_along_axis(panel.values, pick, axis=0), False if boolean else np.nan)
    return Panel._trusted(np.ascontiguousarray(values), sessions, panel.symbols, Frequency.daily(target))


def _known_at(panel: Panel, source: str) -> np.ndarray:
    """The moment at which each row was known: the close of its session, or of an intraday row its own time."""
    if panel.dates.dtype != DAY:
        return panel.dates
    plan: Schedule = schedule(source, panel.dates[0], panel.dates[-1])
    row = np.minimum(np.searchsorted(plan.sessions, panel.dates), plan.sessions.size - 1)
    odd = plan.sessions[row] != panel.dates
    if odd.any():
        more = f" and {int(odd.sum()) - 1} more" if odd.sum() > 1 else ""
        raise DataError(
            f"{show(panel.dates[odd][0])}{more} is no session of {source}, so that nobody can say when it was known.",
            hint=f'move such rows first: `Calendar("{source}").align(data, on_conflict="first")`.',
        )
    return plan.closes[row].astype(MICROSECOND)
