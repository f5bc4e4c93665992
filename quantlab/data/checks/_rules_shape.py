"""Rules about single bars and runs of equal ones: order of prices, bad ticks, copies, volume, rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quantlab.core import Bars
from quantlab.core._labels import show
from quantlab.data.checks._findings import Finding, count, runs, when
from quantlab.data.checks._rules_trail import AROUND, Trail

# Prices stored with 32 bits carry 6e-8 of rounding, and adjusting them separately as much again: less is no violation.
_ROUNDING = 2e-7
_STALE = 5  # equal closes in a row that count as stale
_LEADING = 20  # equal closes at the start of a symbol that nobody observed day by day: a month
_TRADED = 0.3  # least multiple of the usual dollars that cannot trade at one price
_LIVELY = 0.005  # least usual range of a bar in which no range is odd
_COARSE = 0.005  # one step of the price as a fraction of it
_COARSE_RUN = 20  # coarse bars that are worth a line
_TICK = 0.1  # reach of a bad tick beyond the other prices, logarithmic
_TICK_RANGES = 8.0  # and as a multiple of the usual range of a bar

_SIDES = np.concatenate([np.arange(-AROUND, 0), np.arange(1, AROUND + 1)])


def price_order(bars: Bars) -> Iterator[Finding]:
    """High below, or low above, another price of the bar."""
    # A comparison with NaN is false, so that an absent price is no violation.
    others = [panel.values for panel in (bars.open, bars.close) if panel is not None]
    bad = np.zeros(bars.shape, dtype=bool)
    if bars.high is not None:
        for values in others if bars.low is None else [*others, bars.low.values]:
            bad |= bars.high.values < values * (1 - _ROUNDING)
    if bars.low is not None:
        for values in others:
            bad |= bars.low.values > values * (1 + _ROUNDING)
    for row, column in np.argwhere(bad).tolist():
        prices = [(name, getattr(bars, name)) for name in ("open", "high", "low", "close")]
        shown = ", ".join(f"{name} {panel.values[row, column]:g}" for name, panel in prices if panel is not None)
        yield Finding("price_order", bars.symbols[column], bars.dates[row], None, f"{when(bars.dates[row])}{shown}")


def zero_volume(bars: Bars) -> Iterator[Finding]:
    """Runs of bars with a close and no volume; those in which prices moved have a volume that is not known."""
    if bars.volume is None:
        return
    close = bars.close.values
    silent = (bars.volume.values == 0) & ~np.isnan(close)
    if not silent.any():
        return
    rows, columns = np.nonzero(silent)
    moved = (rows > 0) & (close[rows, columns] != close[np.maximum(rows - 1, 0), columns])
    moved &= ~np.isnan(close[np.maximum(rows - 1, 0), columns])
    if bars.high is not None and bars.low is not None:
        moved |= bars.high.values[rows, columns] > bars.low.values[rows, columns]
    unknown = np.zeros_like(silent)
    unknown[rows[moved], columns[moved]] = True
    for rule, mask, said in (
        ("zero_volume", silent & ~unknown, "no volume"),
        ("unknown_volume", unknown, "no volume, yet the prices moved,"),
    ):
        for row, column, length in runs(mask):
            detail = f"{when(bars.dates[row])}{said} on {count(length)}"
            yield Finding(rule, bars.symbols[column], bars.dates[row], bars.dates[row + length - 1], detail)


def equal_bars(trail: Trail) -> Iterator[Finding]:
    """Runs of equal closes (stale; at the very start: back-filled), and bars that copy the one before."""
    if trail.size == 0:
        return
    same = np.zeros(trail.size, dtype=bool)
    same[1:] = trail.close[1:] == trail.close[:-1]
    same &= trail.next_door
    for index, _, length in runs(same[:, None]):
        start, bars = index - 1, length + 1
        if bars < _STALE:
            continue
        last = trail.date(start + length)
        leading = bars >= _LEADING and trail.first[start]
        detail = f"{when(trail.date(start))}{bars:,} equal closes of {trail.close[start]:g} to {show(last)}"
        yield Finding("back_filled" if leading else "stale", trail.symbol(start), trail.date(start), last, detail)
    others = (trail.open, trail.high, trail.low, trail.volume)
    if any(values is None for values in others):
        return
    for values in others:
        same[1:] &= values[1:] == values[:-1]  # type: ignore[index]
    for index, _, length in runs(same[:, None]):
        bar = f"close {trail.close[index]:g}, volume {trail.volume[index]:,.0f}"  # type: ignore[index]
        detail = f"{when(trail.date(index))}{count(length)} equal to the one before ({bar})"
        yield Finding("repeat", trail.symbol(index), trail.date(index), trail.date(index + length - 1), detail)


def carried(trail: Trail) -> Iterator[Finding]:
    """Bars whose prices all stand at the close before, although the usual dollars were traded."""
    if trail.open is None or trail.spread is None or trail.volume is None:
        return
    flat = (trail.high == trail.close) & (trail.low == trail.close) & (trail.close == trail.base) & (trail.volume > 0)
    at = np.flatnonzero(flat & (trail.open == trail.close))
    turnover = trail.turnover(at)
    # A stock that hardly trades has such bars in earnest.
    spread = trail.usual(trail.spread, at, _SIDES)
    for index, traded in zip(at[spread >= _LIVELY].tolist(), turnover[spread >= _LIVELY].tolist(), strict=True):
        if traded >= _TRADED:
            detail = (
                f"{when(trail.date(index))}open, high, low and close {trail.close[index]:g} like the close before, on "
                f"{traded:.2g} times the usual dollars"
            )
            yield Finding("carried", trail.symbol(index), trail.date(index), None, detail)


def bad_ticks(trail: Trail) -> Iterator[Finding]:
    """An open, high or low that lies far outside the other prices, for this symbol in this month."""
    if trail.spread is None:
        return
    least = np.exp(_TICK)
    top = bottom = trail.close
    if trail.open is not None:
        top, bottom = np.fmax(trail.open, trail.close), np.fmin(trail.open, trail.close)
    far = {"high": np.flatnonzero(trail.high > least * top), "low": np.flatnonzero(trail.low * least < bottom)}
    if trail.open is not None:
        # Beyond both closes: an open between them is no bad tick, whatever its distance from one.
        ceiling, floor = np.fmax(trail.base, trail.close), np.fmin(trail.base, trail.close)
        far["open"] = np.flatnonzero((trail.open > least * ceiling) | (trail.open * least < floor))
    for name, at in far.items():
        value = getattr(trail, name)[at]
        edges = (trail.base[at], trail.close[at]) if name == "open" else (top[at], bottom[at])
        reach = np.fmax(np.log(value / np.fmax(*edges)), np.log(np.fmin(*edges) / value))
        usual = trail.usual(trail.spread, at, _SIDES)
        for place in np.flatnonzero(reach >= _TICK_RANGES * usual).tolist():
            bar = int(at[place])
            detail = (
                f"{when(trail.date(bar))}{name} {value[place]:g}, {np.expm1(reach[place]):.0%} beyond the other prices "
                f"(close {trail.close[bar]:g}); a bar usually spans {usual[place]:.1%}"
            )
            yield Finding("bad_tick", trail.symbol(bar), trail.date(bar), None, detail)


def rounding(trail: Trail, adjusted: str) -> Iterator[Finding]:
    """Symbols whose adjusted prices were rounded to steps that are large against them."""
    if adjusted == "none" or trail.size == 0:
        return
    starts = np.flatnonzero(trail.first)
    lengths = np.diff(np.append(starts, trail.size))
    # The step of each symbol: the largest of a cent, a mill and a tenth of one that all its closes are multiples of.
    step = np.full(starts.size, np.nan)
    for digits in (4, 3, 2):
        ticks = trail.close * 10**digits
        whole = np.logical_and.reduceat(np.abs(ticks - np.rint(ticks)) < 1e-6, starts)
        step[whole] = 10.0**-digits
    coarse = trail.close * _COARSE <= np.repeat(step, lengths) * (1 + 1e-9)
    number = np.add.reduceat(coarse, starts, dtype=np.int64)
    for place in np.flatnonzero(number >= _COARSE_RUN).tolist():
        start = int(starts[place])
        inside = start + np.flatnonzero(coarse[start : start + lengths[place]])
        first, last, lowest = int(inside[0]), int(inside[-1]), trail.close[inside].min()
        share = f"{step[place] / lowest:.1%} of {lowest:g}"
        detail = f"{number[place]:,} closes in steps of {step[place]:g}, which is up to {share}"
        yield Finding("coarse", trail.symbol(first), trail.date(first), trail.date(last), detail)
