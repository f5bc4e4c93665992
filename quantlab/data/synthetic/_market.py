"""``Market``: bars together with the truth about them: what was planted, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from quantlab.core import Bars, Panel
from quantlab.core._labels import DAY
from quantlab.data.synthetic._ohlcv import settled
from quantlab.data.synthetic._world import World

PLANTED = {
    "kind": pl.String,
    "symbol": pl.String,
    "start": pl.Date,
    "end": pl.Date,
    "value": pl.Float64,
    "note": pl.String,
}
# kind, symbol (None: all), first and last row (inclusive), value, note
Plant = tuple[str, str | None, int, int, float, str]


@dataclass(frozen=True, eq=False)
class Market:
    """A synthetic market and the truth about it.

    Attributes
    ----------
    name : str
        Of the generator.
    bars : Bars (T, N)
        What an observer sees; ``bars.actions`` and ``bars.borrow`` where they were planted.
    planted : polars.DataFrame
        ``kind``, ``symbol`` (null: every symbol), ``start`` and ``end`` (first and last session, inclusive), ``value``
        (its unit depends on the kind; the generator's docstring says it), ``note``; sorted by kind, symbol and start.
    returns : Panel (T, N), simple, per bar
        The total returns that were drawn, before ticks, halts, delistings and defects. Row 0 is NaN.
    clean : Bars or None
        The bars before they were damaged, where damage is what was planted.
    volatility : Panel (T, N) or None, standard deviation of a log return, per bar
        As planted, where it moves.
    """

    name: str
    bars: Bars
    planted: pl.DataFrame
    returns: Panel
    clean: Bars | None = None
    volatility: Panel | None = None

    def plants(self, kind: str) -> pl.DataFrame:
        """Return the rows of ``planted`` of one kind."""
        return self.planted.filter(pl.col("kind") == kind)

    def __repr__(self) -> str:
        kinds = self.planted.group_by("kind", maintain_order=True).len()
        listed = ", ".join(f"{kind} ({count})" for kind, count in kinds.iter_rows())
        shape = self.bars.shape
        return f"Market {self.name}: {shape[0]} dates x {shape[1]} symbols, planted: {listed}"


def planted(world: World, rows: Iterable[Plant]) -> pl.DataFrame:
    """Return the frame of what was planted, with rows as dates."""
    days: list[date] = world.dates.astype(DAY).tolist()
    dated = [(kind, symbol, days[first], days[last], value, note) for kind, symbol, first, last, value, note in rows]
    return pl.DataFrame(dated, schema=PLANTED, orient="row").sort("kind", "symbol", "start", nulls_last=False)


def whole(world: World, kind: str, value: float, note: str) -> Plant:
    """Return a plant that holds for every symbol and date."""
    return kind, None, 0, world.shape[0] - 1, value, note


def returns(world: World, log_returns: np.ndarray) -> Panel:
    """Return the drawn log returns as a Panel of simple ones."""
    values = np.expm1(log_returns)
    values[0] = np.nan
    return Panel(settled(values), world.dates, world.symbols, frequency=world.frequency)
