"""From log returns to bars: opens, highs, lows and volumes around given closes, and prices on ticks.

For a bar with log return x and daily standard deviation s:

* the open lies a part w = 0.25 of the day's variance after the last close: ``w x + sqrt(w (1 - w)) s z``, which splits
  a normal return into two independent parts;
* high and low are the extremes of a Brownian bridge from open to close, each from its exact law and independently of
  the other (Beaglehole, Dybvig and Zhou 1997, DOI 10.2469/faj.v53.n1.2057): low <= open, close <= high always;
* volume is log-normal and persistent, and grows with the size of the return in units of the name's own volatility
  (Karpoff 1987, DOI 10.2307/2330874);
* prices are rounded to ticks last: to a cent from 1.00 on and to a hundredth of a cent below, as SEC Rule 612 has it,
  and never below one tick. Rounding keeps the order of the four prices. Volumes are whole shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from quantlab.core import Bars, Panel
from quantlab.data import schemas
from quantlab.data.synthetic._draws import Stream, autoregressive, draws
from quantlab.data.synthetic._world import World

OVERNIGHT = 0.25  # part of a day's variance between the close and the next open
_ACTIVITY = 0.8  # power of (1 + |return| / volatility) in volume
_NOISE = 0.45  # standard deviation of the logarithm of volume, the rest
_PERSISTENCE = 0.7  # of that rest, from one day to the next


@dataclass(slots=True)
class Draft:
    """Unrounded prices and volumes (T, N) of a market in the making; what is planted later changes them in place."""

    world: World
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def prices(self) -> tuple[np.ndarray, ...]:
        """Open, high, low, close."""
        return self.open, self.high, self.low, self.close

    def erase(self, mask: np.ndarray) -> None:
        """Leave no bar where ``mask`` (T, N) is true."""
        for values in (*self.prices(), self.volume):
            values[mask] = np.nan

    def bars(
        self,
        name: str,
        *,
        note: str,
        adjusted: str = "total_return",
        actions: pl.DataFrame | None = None,
        borrow: pl.DataFrame | None = None,
    ) -> Bars:
        """Return the draft as Bars: prices on ticks, whole shares; without ``actions``, there are none."""
        world = self.world
        fields = {
            field: Panel(settled(values), world.dates, world.symbols, frequency=world.frequency)
            for field, values in zip(
                ("open", "high", "low", "close", "volume"),
                (*(on_ticks(price) for price in self.prices()), np.rint(self.volume)),
                strict=True,
            )
        }
        said = f"Drawn by quantlab.data.synthetic, seed {world.seed}; {note}"
        actions = schemas.empty("actions") if actions is None else actions
        return Bars(**fields, name=f"synthetic {name}", adjusted=adjusted, note=said, actions=actions, borrow=borrow)


def draft(
    world: World,
    log_returns: np.ndarray,
    *,
    gaps: np.ndarray | None = None,
    scale: np.ndarray | None = None,
) -> Draft:
    """Return prices whose closes follow ``log_returns`` (T, N) from each name's first price on.

    ``gaps`` (T, N) are log returns from the last close to the open, NaN where the rule above holds; ``scale`` (T, 1) or
    (T, N) multiplies the daily standard deviation. The return of row 0 is not used: its close is the first price.
    """
    shape = log_returns.shape
    sigma = np.broadcast_to(world.sigma, shape) if scale is None else world.sigma * scale
    moves = log_returns.copy()
    moves[0] = 0.0
    close = np.cumsum(moves, axis=0)
    close += np.log(world.price)
    overnight = draws(world.seed, Stream.OVERNIGHT).standard_normal(shape)
    overnight *= math.sqrt(OVERNIGHT * (1.0 - OVERNIGHT)) * sigma
    overnight += OVERNIGHT * moves
    if gaps is not None:
        np.copyto(overnight, gaps, where=~np.isnan(gaps))
    day = moves - overnight
    opening = close - day
    # 2 s^2 times the logarithm of a uniform on (0, 1].
    doubled = (2.0 * (1.0 - OVERNIGHT)) * sigma**2
    high = opening + _extreme(world.seed, Stream.HIGH, day, doubled)
    low = opening - _extreme(world.seed, Stream.LOW, -day, doubled)
    volume = _volume(world, moves)
    out = Draft(world, opening, high, low, close, volume)
    for price in out.prices():
        np.exp(price, out=price)
    return out


def _extreme(seed: int, stream: Stream, move: np.ndarray, doubled: np.ndarray) -> np.ndarray:
    """The highest value of a Brownian bridge from 0 to ``move``: (d + sqrt(d^2 - 2 s^2 ln u)) / 2."""
    out = draws(seed, stream).random(move.shape)
    np.subtract(1.0, out, out=out)
    np.log(out, out=out)
    out *= -doubled
    out += move**2
    np.sqrt(out, out=out)
    out += move
    out *= 0.5
    return out


def _volume(world: World, moves: np.ndarray) -> np.ndarray:
    out = autoregressive(draws(world.seed, Stream.VOLUME).standard_normal(moves.shape), _PERSISTENCE)
    out *= _NOISE
    out += _ACTIVITY * np.log1p(np.abs(moves) / world.sigma)
    out += np.log(world.shares)
    return np.exp(out, out=out)


def on_ticks(price: np.ndarray) -> np.ndarray:
    """Return prices rounded to the nearest tick: 0.01 from 1.00 on, 0.0001 below; never below one tick."""
    # Dividing a whole number by 100 gives the double nearest to the decimal; multiplying by 0.01 would not.
    cents = np.rint(price * 100.0)
    cents /= 100.0
    low = price < 1.0
    if low.any():
        cents[low] = np.maximum(np.rint(price[low] * 1e4), 1.0) / 1e4
    return cents


def tick(price: np.ndarray) -> np.ndarray:
    """Return the size of a tick at these prices."""
    return np.where(price < 1.0, 1e-4, 1e-2)


def settled(values: np.ndarray) -> np.ndarray:
    """Return a matrix that nobody else holds as one that a Panel can take without a copy."""
    values = np.ascontiguousarray(values)
    values.setflags(write=False)
    return values
