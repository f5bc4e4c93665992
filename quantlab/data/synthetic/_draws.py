"""Random numbers of a synthetic market: independent streams by purpose, and the shapes that shocks can take.

Each purpose has a stream of its own, so that a scenario that plants something more changes nothing else: under one
seed, all scenarios of one grid share their noise. Matrices are drawn row by row and turned into prices by elementwise
arithmetic and by recursions along time, never by a matrix product, whose bits depend on the number of threads. More
``days`` therefore extend a market without changing its past.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from quantlab.core.rng import generator


class Stream(IntEnum):
    """What a stream of random numbers is for; its number is the replicate."""

    NAMES = 0
    MARKET = 1
    OWN = 2
    OVERNIGHT = 3
    HIGH = 4
    LOW = 5
    VOLUME = 6
    PLACES = 7
    SIZES = 8
    SECTOR = 9
    TREND_MARKET = 10
    TREND_OWN = 11


def draws(seed: int, stream: Stream) -> np.random.Generator:
    """Return the generator of one purpose."""
    return generator(seed, int(stream))


def shocks(seed: int, stream: Stream, shape: tuple[int, int], tails: float) -> np.ndarray:
    """Return independent shocks of mean 0 and variance 1: Student t with ``tails`` degrees of freedom, or normal."""
    draw = draws(seed, stream)
    if tails == math.inf:
        return draw.standard_normal(shape)
    values = draw.standard_t(tails, shape)
    values *= math.sqrt((tails - 2.0) / tails)
    return values


def autoregressive(noise: np.ndarray, phi: float) -> np.ndarray:
    """Return y[t] = phi y[t-1] + sqrt(1 - phi^2) noise[t] along rows, of variance 1 if the noise has it."""
    out = noise * math.sqrt(1.0 - phi * phi)
    out[0] = noise[0]
    for row in range(1, len(out)):
        out[row] += phi * out[row - 1]
    return out


def garch(noise: np.ndarray, alpha: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (e, s): e = s * noise with s[t]^2 = 1 - alpha - beta + alpha e[t-1]^2 + beta s[t-1]^2.

    The long-run variance of ``e`` is 1, and it begins there.
    """
    scale, out = np.empty_like(noise), np.empty_like(noise)
    variance = np.ones(noise.shape[1])
    for row in range(len(noise)):
        scale[row] = np.sqrt(variance)
        out[row] = scale[row] * noise[row]
        variance = (1.0 - alpha - beta) + alpha * out[row] ** 2 + beta * variance
    return out, scale


def pin(log_returns: np.ndarray, first: int, last: int, totals: np.ndarray, columns: np.ndarray | None = None) -> None:
    """Make the log returns of rows ``first`` to ``last`` (inclusive) sum to ``totals``, keeping their noise; in place.

    The noise of the window loses its mean, as a bridge between two known prices does.
    """
    window = log_returns[first : last + 1]
    chosen = np.arange(log_returns.shape[1]) if columns is None else columns
    part = window[:, chosen]
    window[:, chosen] = part - part.mean(axis=0) + totals / len(window)


def places(
    draw: np.random.Generator, rows: int, columns: int, *, length: int, chance: float, shortest: int = 1
) -> list[tuple[int, int, int]]:
    """Return (column, first row, number of rows) of runs of ``shortest`` to ``length`` rows, none touching another.

    The rows but the first and the last are cut into slots of ``length + 2``; each slot of each column holds a run with
    probability ``chance``, somewhere inside it with a free row on each side.
    """
    slot = length + 2
    slots = max((rows - 2) // slot, 0)
    chosen = draw.random((slots, columns)) < chance
    lengths = draw.integers(shortest, length + 1, (slots, columns))
    offset = np.floor(draw.random((slots, columns)) * (length + 1 - lengths)).astype(np.int64)
    number, column = np.nonzero(chosen)
    first = 1 + number * slot + 1 + offset[number, column]
    found = zip(column.tolist(), first.tolist(), lengths[number, column].tolist(), strict=True)
    return sorted(found)


def runs(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (column, first row, number of rows) of every run of True down the columns of ``mask`` (T, N)."""
    edges = np.diff(np.pad(mask.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    columns, first = np.nonzero(edges == 1)
    _, past = np.nonzero(edges == -1)
    return list(zip(columns.tolist(), first.tolist(), (past - first).tolist(), strict=True))
