"""The world before anything is planted: labels, each name's traits, and the shocks of the market and of the names."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from quantlab.core import Frequency, KindError
from quantlab.core.rng import resolve_seed
from quantlab.data.synthetic._draws import Stream, draws, shocks
from quantlab.data.synthetic._grid import Grid
from quantlab.data.synthetic._traits import Traits


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Labels and traits of T dates x N names.

    ``sigma`` (N,) daily standard deviation of log returns; ``price`` (N,) first prices; ``shares`` (N,) traded on a
    quiet day.
    """

    seed: int
    dates: np.ndarray
    symbols: tuple[str, ...]
    frequency: Frequency
    traits: Traits
    sigma: np.ndarray
    price: np.ndarray
    shares: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N)."""
        return self.dates.size, len(self.symbols)

    @property
    def drift(self) -> float:
        """Log return per bar."""
        return self.traits.drift / (self.frequency.periods or 1.0)

    def market(self) -> np.ndarray:
        """Shocks of the market, (T, 1), variance 1."""
        return shocks(self.seed, Stream.MARKET, (self.shape[0], 1), self.traits.tails)

    def own(self) -> np.ndarray:
        """Shocks of the names alone, (T, N), variance 1."""
        return shocks(self.seed, Stream.OWN, self.shape, self.traits.tails)

    def joined(self, market: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Shocks (T, N) of variance 1 that correlate across names as the traits say."""
        rho = self.traits.correlation
        return math.sqrt(rho) * market + math.sqrt(1.0 - rho) * own

    def log_returns(self) -> np.ndarray:
        """Log returns (T, N) of names that follow one market and themselves, and nothing else."""
        out = self.joined(self.market(), self.own())
        out *= self.sigma
        out += self.drift
        return out


def world(grid: Grid, traits: Traits, seed: int | np.random.Generator | None) -> World:
    """Return the world of a grid: each name's volatility, first price and volume are drawn here."""
    if not isinstance(traits, Traits):
        raise KindError(f"`traits` must be Traits, received {type(traits).__name__}.", hint="`Traits(volatility=0.2)`.")
    number = resolve_seed(seed)
    dates, symbols, frequency = grid.labels()
    # One row of three draws per name, so that more names leave the traits of the first ones as they are.
    normal = draws(number, Stream.NAMES).standard_normal((len(symbols), 3))
    sigma = traits.volatility / math.sqrt(frequency.periods or 1.0) * np.exp(traits.spread * normal[:, 0])
    price = traits.price * np.exp(0.5 * normal[:, 1])
    shares = traits.turnover * np.exp(1.0 * normal[:, 2]) / price
    return World(number, dates, symbols, frequency, traits, sigma, price, shares)
