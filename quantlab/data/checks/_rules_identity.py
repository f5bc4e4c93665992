"""Identical series under two symbols: two numbers sum up every 32 moves, and equal ones are compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quantlab.core import Bars
from quantlab.core.rng import generator
from quantlab.data.checks._findings import Finding, count

_CHUNK = 32  # dates that are summed up together, so that 63 equal bars hold one whole
_MOVES = 10  # equal moves, none of them zero, that chance does not give
# Two copies of one series that were scaled and stored with 32 bits differ by 2e-7 per move; two series do by 1e-2.
_EQUAL, _SUMS = 1e-6, 1e-5


def identical(bars: Bars) -> Iterator[Finding]:
    """Symbols whose moves equal those of an earlier one over at least a chunk; a scaled copy is a copy."""
    close = bars.close.values
    T, N = close.shape
    if N < 2 or T < 2:
        return
    twins: dict[int, int] = {}
    weights = generator(0).standard_normal((2, _CHUNK))
    for low in range(1, T, _CHUNK):
        moves = np.log(close[low : low + _CHUNK]) - np.log(close[low - 1 : min(low + _CHUNK, T) - 1])
        known = ~np.isnan(moves)
        moves[~known] = 0
        columns = np.flatnonzero((moves != 0).sum(axis=0) >= _MOVES)
        one, two = weights[:, : moves.shape[0]] @ moves[:, columns]
        order = np.lexsort((two, one))
        near = (np.abs(np.diff(one[order])) <= _SUMS) & (np.abs(np.diff(two[order])) <= _SUMS)
        for place in np.flatnonzero(near).tolist():
            head, tail = sorted(columns[order[place : place + 2]].tolist())
            twins[tail] = min(twins.get(tail, head), head)
    for column, twin in sorted(twins.items()):
        yield from _compared(bars, twin, column)


def _compared(bars: Bars, twin: int, column: int) -> Iterator[Finding]:
    one, two = bars.close.values[:, twin], bars.close.values[:, column]
    moves = np.abs(np.diff(np.log(one)) - np.diff(np.log(two)))
    equal = np.flatnonzero(moves <= _EQUAL)
    changed = equal[np.diff(one)[equal] != 0]
    if changed.size < _MOVES:
        return
    shared = np.count_nonzero(~np.isnan(moves))
    dates = bars.dates
    detail = f"{count(equal.size, 'move')} of {shared:,} in common equal to those of {bars.symbols[twin]}"
    if bars.volume is not None:
        volumes = bars.volume.values
        alike = np.count_nonzero(volumes[equal + 1, twin] == volumes[equal + 1, column])
        detail += f", {alike / equal.size:.0%} of the volumes too"
    yield Finding("identical", bars.symbols[column], dates[changed[0]], dates[changed[-1] + 1], detail)
