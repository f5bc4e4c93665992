"""Kernels of the as-of join: one pass over the events of each id in the order in which they became known."""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np

from quantlab.core import kernel


@kernel
def as_known(column, event, available, value, back, out_value, out_event, out_first, out_last):
    """After each row, the ``back``-th latest event that is known then: its value and its moments.

    Rows are sorted by column, then by availability. The moments are the smallest int64 while there are not so many
    events. ``out_first`` is when that event was first known, ``out_last`` when its value was.
    """
    depth = back + 1
    # The latest events, newest first: an older one than these never comes to the top, since none is forgotten.
    events = np.empty(depth, np.int64)
    values = np.empty(depth, np.float64)
    firsts = np.empty(depth, np.int64)
    lasts = np.empty(depth, np.int64)
    count = 0
    for row in range(column.size):
        if row == 0 or column[row] != column[row - 1]:
            count = 0
        place = 0
        while place < count and events[place] > event[row]:
            place += 1
        if place < count and events[place] == event[row]:
            values[place] = value[row]
            lasts[place] = available[row]
        elif place < depth:
            count = min(count + 1, depth)
            for k in range(count - 1, place, -1):
                events[k], values[k], firsts[k], lasts[k] = events[k - 1], values[k - 1], firsts[k - 1], lasts[k - 1]
            events[place], values[place] = event[row], value[row]
            firsts[place], lasts[place] = available[row], available[row]
        if count > back:
            out_value[row], out_event[row] = values[back], events[back]
            out_first[row], out_last[row] = firsts[back], lasts[back]
        else:
            out_value[row] = np.nan
            out_event[row] = np.iinfo(np.int64).min
            out_first[row], out_last[row] = out_event[row], out_event[row]


@kernel
def fill(bar, column, value, until, out):
    """Write each value at its bar and column and carry it forward to bars before ``until``; later rows win."""
    rows, columns = out.shape
    state = np.full(columns, np.nan)
    ends = np.full(columns, rows, np.int64)
    k = 0
    for t in range(rows):
        while k < bar.size and bar[k] == t:
            state[column[k]] = value[k]
            ends[column[k]] = until[k]
            k += 1
        for c in range(columns):
            out[t, c] = state[c] if t < ends[c] else np.nan


@kernel
def elapsed(bar, column, moment, now, out):
    """Write at each bar the time since the moment that holds there, in the unit of both; NaN before the first."""
    rows, columns = out.shape
    state = np.zeros(columns, np.float64)
    known = np.zeros(columns, np.bool_)
    k = 0
    for t in range(rows):
        while k < bar.size and bar[k] == t:
            state[column[k]] = moment[k]
            known[column[k]] = True
            k += 1
        for c in range(columns):
            out[t, c] = now[t] - state[c] if known[c] else np.nan


@kernel
def soonest(column, start, stop, moment, now, out):
    """Write the time to the nearest of the moments that are announced at each bar: row i is, from start to stop."""
    for i in range(column.size):
        c = column[i]
        for t in range(start[i], stop[i]):
            wait = moment[i] - now[t]
            if np.isnan(out[t, c]) or wait < out[t, c]:
                out[t, c] = wait
