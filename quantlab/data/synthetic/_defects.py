"""What feeds get wrong: ``bad_ticks``, with the bars as they were before."""

from __future__ import annotations

import numpy as np

from quantlab.data.synthetic._draws import Stream, draws, places
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, Plant, planted, returns
from quantlab.data.synthetic._ohlcv import Draft, draft
from quantlab.data.synthetic._traits import Traits, between
from quantlab.data.synthetic._world import world

_KINDS = ("spike", "scale", "price_order", "stale", "zero_volume")
_STALE = 6  # equal bars in a row


def bad_ticks(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    share: float = 0.05,
) -> Market:
    """Return a market with the errors of a bad feed at known places, and the bars before they were damaged.

    The dates are cut into stretches of eight; each name has one defect in each of them with probability ``share``. The
    kinds come in turn:

    =========== ==================================================================================================
    spike       one close (with its high or low) off by 30 to 60 %; the next bar is right
    scale       one bar's prices 100 times too high or too low, as with a lost decimal point
    price_order the high of one bar 1 % below its low
    stale       a bar repeated on the next five sessions, volume included
    zero_volume a volume of 0 on a bar with a range of prices
    =========== ==================================================================================================

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 100 days.
    traits : Traits
    share : float in (0, 1]

    Returns
    -------
    Market
        Planted: one row per defect; ``value`` is the factor on the close (spike, scale), the number of bars that repeat
        (stale), else 0. ``clean`` holds the undamaged bars: outside of the planted places both are equal.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    Examples
    --------
    >>> market = bad_ticks(grid=Grid(2, 100), seed=1, share=0.5)
    >>> market.planted.group_by("kind").len().sort("kind").rows()
    [('price_order', 3), ('scale', 3), ('spike', 4), ('stale', 3), ('zero_volume', 3)]
    """
    between(share, name="share", above=0.0, high=1.0)
    demand(grid, days=100, scenario="bad_ticks")
    here = world(grid, traits, seed)
    log_returns = here.log_returns()
    made = draft(here, log_returns)
    clean = made.bars("bad_ticks", note="before its defects.")
    found = places(draws(here.seed, Stream.PLACES), *here.shape, length=_STALE, shortest=_STALE, chance=share)
    size = draws(here.seed, Stream.SIZES).random((len(found), 3))
    plants = [
        _damage(made, _KINDS[number % len(_KINDS)], column, first, *size[number].tolist())
        for number, (column, first, _) in enumerate(found)
    ]
    bars = made.bars("bad_ticks", note=f"{len(plants)} defects.")
    return Market("bad_ticks", bars, planted(here, plants), returns(here, log_returns), clean=clean)


def _damage(made: Draft, kind: str, column: int, first: int, size: float, side: float, place: float) -> Plant:
    """Plant one defect within six rows from ``first`` on and return what it is; three uniforms say how and where."""
    row = first if kind == "stale" else first + int(place * _STALE)
    symbol, last, value = made.world.symbols[column], row, 0.0
    if kind == "spike":
        value = 1.0 + (0.3 + 0.3 * size) * (-1.0 if side < 0.5 else 1.0)
        made.close[row, column] *= value
        made.high[row, column] = max(made.high[row, column], made.close[row, column])
        made.low[row, column] = min(made.low[row, column], made.close[row, column])
    elif kind == "scale":
        value = 0.01 if side < 0.5 else 100.0
        for price in made.prices():
            price[row, column] *= value
    elif kind == "price_order":
        made.high[row, column] = 0.99 * made.low[row, column]
    elif kind == "stale":
        last, value = row + _STALE - 1, float(_STALE)
        for values in (*made.prices(), made.volume):
            values[row : last + 1, column] = values[row, column]
    else:
        made.volume[row, column] = 0.0
    return kind, symbol, row, last, value, ""
