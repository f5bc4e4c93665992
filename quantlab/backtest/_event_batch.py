"""What a strategy asks for at one close, in the engine's numbers, on its way to the book."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from quantlab.backtest._prepare_actions import Restatement

# Where an order is that has no ticket yet: on its way to the book; waiting for the entry of its bracket; taken back.
ON_ITS_WAY, FOR_ITS_ENTRY, WITHDRAWN = -1, -2, -3


class Asked(NamedTuple):
    """One explicit order, in the engine's numbers; prices that are not used are NaN."""

    asset: int
    kind: int
    life: int
    until: int
    group: int
    reduce_only: int
    units: float
    limit: float
    stop: float
    trail: float
    trail_fraction: float

    def restated(self, change: Restatement, step: float) -> Asked:
        """Return the order after a split or spin-off; ``step`` is 0 where fractions are traded."""
        units = self.units * change.shares
        if step > 0.0:
            units = math.copysign(math.floor(abs(units) + 1e-9), units)
        limit, stop, trail = (price * change.price for price in (self.limit, self.stop, self.trail))
        return self._replace(units=units, limit=limit, stop=stop, trail=trail)


@dataclass(slots=True)
class Batch:
    """What was decided at one close."""

    orders: dict[int, Asked] = field(default_factory=dict)
    cancels: list[int] = field(default_factory=list)
    rests: set[int] = field(default_factory=set)
    weights: np.ndarray | None = None


@dataclass(slots=True)
class Bracketed:
    """An entry and the orders that close what it opened."""

    entry: int
    children: dict[int, Asked]
    held_back: bool
