"""``Trail``: the bars of some symbols in one line, symbol after symbol, with what stood before and around each bar.

A bar without a close is no bar here, so that "the bar before" is the last one that exists, whatever the gap. Actions
are taken out of the moves: what remains is what the rules must explain. Windows are gathered at few candidates only,
never for every bar.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from quantlab.core import Bars, Panel
from quantlab.core._labels import DAY

# Cells of one block of symbols: some 30 arrays of this size is what the rules need, whatever the universe (4 MB each).
CELLS = 500_000
# Bars on each side that say what is usual around a bar: a month, and the least that give a median.
AROUND, LEAST = 20, 10


@dataclass(frozen=True)
class Effects:
    """The recorded actions of a trail: at which bars, by which numbers. Arrays of equal length, bars increasing."""

    at: np.ndarray
    split: np.ndarray
    dividend: np.ndarray
    spinoff: np.ndarray


@dataclass(frozen=True)
class Trail:
    """The bars that have a close, sorted by symbol and date. All arrays have shape (M,)."""

    dates: np.ndarray
    symbols: tuple[str, ...]
    row: np.ndarray
    column: np.ndarray
    open: np.ndarray | None
    high: np.ndarray | None
    low: np.ndarray | None
    close: np.ndarray
    volume: np.ndarray | None
    effects: Effects
    whole: Market

    @property
    def size(self) -> int:
        return self.close.size

    def symbol(self, index: int) -> str:
        return self.symbols[self.column[index]]

    def date(self, index: int) -> np.datetime64:
        return self.dates[self.row[index]]

    @cached_property
    def first(self) -> np.ndarray:
        """Whether a bar is its symbol's first."""
        return np.concatenate([[True], self.column[1:] != self.column[:-1]]) if self.size else np.zeros(0, dtype=bool)

    @cached_property
    def next_door(self) -> np.ndarray:
        """Whether the bar before is of the same symbol and of the date before."""
        return ~self.first & np.concatenate([[False], np.diff(self.row) == 1]) if self.size else self.first

    @cached_property
    def base(self) -> np.ndarray:
        """The close before, in the shares and without the dividend of this bar; NaN at a symbol's first bar."""
        base = np.full(self.size, np.nan)
        base[1:] = self.close[:-1]
        base[self.first] = np.nan
        at, effects = self.effects.at, self.effects
        kept = self.close[at] / ((self.close[at] + effects.dividend) * effects.split)
        base[at] *= kept * (1 - effects.spinoff)
        return base

    @cached_property
    def move(self) -> np.ndarray:
        """Logarithm of close over ``base``."""
        return np.log(self.close / self.base)

    @cached_property
    def spread(self) -> np.ndarray | None:
        """Logarithm of high over low."""
        return None if self.high is None or self.low is None else np.log(self.high / self.low)

    @cached_property
    def dollars(self) -> np.ndarray | None:
        """Close times volume; NaN where volume is 0 or unknown."""
        if self.volume is None:
            return None
        worth = self.close * self.volume
        worth[worth == 0] = np.nan
        return worth

    def usual(self, values: np.ndarray, at: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Median of ``values`` at ``at + offsets`` within the symbol; NaN with fewer than ``LEAST`` values."""
        medians = np.full(at.size, np.nan)
        for low in range(0, at.size, 50_000):
            some = at[low : low + 50_000]
            index = some[:, None] + offsets
            inside = (index >= 0) & (index < self.size)
            index = np.where(inside, index, 0)
            inside &= self.column[index] == self.column[some][:, None]
            medians[low : low + 50_000] = row_medians(np.where(inside, values[index], np.nan), LEAST)
        return medians

    @cached_property
    def sizes(self) -> np.ndarray:
        """Absolute ``move``."""
        return np.abs(self.move)

    def sigma(self, at: np.ndarray) -> np.ndarray:
        """Robust standard deviation of the moves around bars, the greater of before and after; NaN if unknown."""
        before = self.usual(self.sizes, at, np.arange(-AROUND, 0))
        after = self.usual(self.sizes, at, np.arange(2, AROUND + 2))
        return 1.4826 * np.fmax(before, after)

    def turnover(self, at: np.ndarray) -> np.ndarray:
        """Dollar volume of bars as a multiple of what is usual before or after, the greater; NaN if unknown."""
        if self.dollars is None:
            return np.full(at.size, np.nan)
        before = self.usual(self.dollars, at, np.arange(-AROUND, 0))
        after = self.usual(self.dollars, at, np.arange(1, AROUND + 1))
        return self.dollars[at] / np.fmax(before, after)

    def market(self, at: np.ndarray) -> np.ndarray:
        """Median move of all symbols on the dates of bars, logarithmic; 0 where fewer than ``LEAST`` have one."""
        return self.whole.on(self.row[at])


class Market:
    """Median move of all symbols by date, computed on the dates that are asked for."""

    def __init__(self, close: np.ndarray) -> None:
        self._close = close  # (T, N)
        self._move = np.full(close.shape[0], np.nan)

    def on(self, rows: np.ndarray) -> np.ndarray:
        """Logarithmic median moves of rows."""
        new = np.unique(rows[np.isnan(self._move[rows])])
        step = max(1, CELLS // max(self._close.shape[1], 1))
        for low in range(0, new.size, step):
            some = new[low : low + step]
            moves = np.log(self._close[some] / self._close[np.maximum(some - 1, 0)])
            self._move[some] = np.nan_to_num(row_medians(moves, LEAST))
        return self._move[rows]


def row_medians(window: np.ndarray, least: int) -> np.ndarray:
    """Median of each row of (n, k) without its NaN; NaN where fewer than ``least`` values remain."""
    ordered = np.sort(window, axis=1)  # NaN sort to the end
    known = (~np.isnan(ordered)).sum(axis=1)
    low, high = np.maximum((known - 1) // 2, 0), np.minimum(known // 2, window.shape[1] - 1)
    rows = np.arange(window.shape[0])
    return np.where(known >= least, (ordered[rows, low] + ordered[rows, high]) / 2, np.nan)


def trails(bars: Bars, actions: pl.DataFrame) -> Iterator[Trail]:
    """Yield the bars of all symbols, in blocks of symbols."""
    T, N = bars.shape
    whole = Market(bars.close.values)
    width = max(1, CELLS // max(T, 1))
    places = _places(actions, bars)
    for low in range(0, N, width):
        block = slice(low, min(low + width, N))
        close = _turned(bars.close, block)
        present = ~np.isnan(close)
        column, row = np.nonzero(present)
        column += low
        others = {
            name: None if panel is None else _turned(panel, block)[present]
            for name in ("open", "high", "low", "volume")
            for panel in (getattr(bars, name),)
        }
        yield Trail(
            dates=bars.dates,
            symbols=bars.symbols,
            row=row,
            column=column,
            close=close[present],
            **others,
            effects=_effects(places, row, column, T),
            whole=whole,
        )


def _turned(panel: Panel, block: slice) -> np.ndarray:
    return np.ascontiguousarray(panel.values[:, block].T)


@dataclass(frozen=True)
class _Places:
    """Actions of known symbols: column, first row on or after the ex-date, kind and value."""

    column: np.ndarray
    row: np.ndarray
    kind: np.ndarray
    value: np.ndarray


def _places(actions: pl.DataFrame, bars: Bars) -> _Places:
    column = {symbol: place for place, symbol in enumerate(bars.symbols)}
    known = actions.filter(pl.col("symbol").is_in(list(bars.symbols)))
    dates = known["date"].to_numpy().astype(DAY)
    return _Places(
        np.array([column[symbol] for symbol in known["symbol"].to_list()], dtype=np.int64),
        np.searchsorted(bars.dates.astype(DAY), dates),
        known["kind"].to_numpy().astype(str),
        known["value"].to_numpy(),
    )


def _effects(places: _Places, row: np.ndarray, column: np.ndarray, T: int) -> Effects:
    """The actions at the bars of a trail on which their symbol first trades with them."""
    key = column * (T + 1) + row
    at = np.searchsorted(key, places.column * (T + 1) + places.row)
    inside = at < key.size
    inside[inside] = column[at[inside]] == places.column[inside]
    at, kind, value = at[inside], places.kind[inside], places.value[inside]
    bars = np.unique(at)
    split, dividend, kept = np.ones(bars.size), np.zeros(bars.size), np.ones(bars.size)
    slot = np.searchsorted(bars, at)
    paid, splits, spun = np.isin(kind, ("dividend", "special_dividend")), kind == "split", kind == "spinoff"
    np.multiply.at(split, slot[splits], value[splits])
    np.add.at(dividend, slot[paid], value[paid])
    np.multiply.at(kept, slot[spun], 1 - value[spun])
    return Effects(bars, split, dividend, 1 - kept)
