"""Trading that stops: ``halts`` (no bar at all) and ``low_liquidity`` (a bar on which nothing traded)."""

from __future__ import annotations

import numpy as np

from quantlab.core._arguments import integer
from quantlab.data.synthetic._draws import Stream, draws, places, runs
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, planted, returns
from quantlab.data.synthetic._ohlcv import draft
from quantlab.data.synthetic._traits import Traits, between
from quantlab.data.synthetic._world import world


def halts(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    share: float = 0.03,
    longest: int = 10,
) -> Market:
    """Return a market in which names stop trading for some sessions: there is no bar, and the price moves on meanwhile.

    The dates are cut into stretches of ``longest + 2``; in each of them each name halts with probability ``share``, for
    1 to ``longest`` sessions. The first and last session always trade, and two halts of a name never touch.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 100 days.
    traits : Traits
    share : float in (0, 1]
    longest : int in [1, 40], sessions

    Returns
    -------
    Market
        Planted: ``halt``, one row each; its value is the number of sessions without a bar. All fields are NaN there.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    Examples
    --------
    >>> market = halts(grid=Grid(2, 100), share=1.0, seed=1)
    >>> int(np.isnan(market.bars.close.values).sum()) == int(market.planted["value"].sum())
    True
    """
    between(share, name="share", above=0.0, high=1.0)
    between(integer(longest, name="longest", low=1), name="longest", high=40)
    demand(grid, days=100, scenario="halts")
    here = world(grid, traits, seed)
    found = places(draws(here.seed, Stream.PLACES), *here.shape, length=longest, chance=share)
    mask = np.zeros(here.shape, dtype=bool)
    for column, first, length in found:
        mask[first : first + length, column] = True
    log_returns = here.log_returns()
    made = draft(here, log_returns)
    made.erase(mask)
    plants = [
        ("halt", here.symbols[column], first, first + length - 1, float(length), "no bar")
        for column, first, length in found
    ]
    return Market(
        "halts",
        made.bars("halts", note="names stop trading for some sessions."),
        planted(here, plants),
        returns(here, log_returns),
    )


def low_liquidity(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    share: float = 0.5,
    idle: float = 0.3,
    thin: float = 0.002,
) -> Market:
    """Return a market some of whose names hardly trade: days of zero volume on which the last close is repeated.

    A thin name trades on a day with probability ``1 - idle``, independently of all else, and then at the price that it
    would have had anyhow, on ``thin`` times the usual volume. On a day without a
    trade all four prices are the last close.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 100 days.
    traits : Traits
    share : float in (0, 1], part of the names that are thin, at least one
    idle : float in (0, 1), probability of a day without a trade
    thin : float in (0, 1], factor on volume

    Returns
    -------
    Market
        Planted: ``thin`` for each thin name (value: ``idle``) and ``no_trade`` for each run of sessions without a trade
        (value: their number).

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    A. W. Lo, A. C. MacKinlay (1990), "An econometric analysis of nonsynchronous trading", Journal of Econometrics 45,
    DOI 10.1016/0304-4076(90)90098-E: trades that fail to happen independently. Stale closes make names that trade lead
    those that do not, and index returns seem to trend.

    Examples
    --------
    >>> market = low_liquidity(grid=Grid(2, 100), seed=1)
    >>> int((market.bars.volume.values == 0).sum()) == int(market.plants("no_trade")["value"].sum())
    True
    """
    between(share, name="share", above=0.0, high=1.0)
    between(idle, name="idle", above=0.0, below=1.0)
    between(thin, name="thin", above=0.0, high=1.0)
    demand(grid, days=100, scenario="low_liquidity")
    here = world(grid, traits, seed)
    rows, columns = here.shape
    names = np.sort(draws(here.seed, Stream.SIZES).permutation(columns)[: max(1, int(share * columns))])
    quiet = np.zeros((rows, columns), dtype=bool)
    quiet[1:, names] = draws(here.seed, Stream.PLACES).random((rows, columns))[1:, names] < idle
    log_returns = here.log_returns()
    made = draft(here, log_returns)
    # A thin day has a share or more, or it would be one without a trade.
    made.volume[:, names] = np.maximum(made.volume[:, names] * thin, 1.0)
    made.volume[quiet] = 0.0
    traded = np.maximum.accumulate(np.where(quiet, 0, np.arange(rows)[:, None]), axis=0)
    last = np.take_along_axis(made.close, traded, axis=0)
    for price in made.prices():
        np.copyto(price, last, where=quiet)
    plants = [("thin", here.symbols[column], 0, rows - 1, idle, "part of days without a trade") for column in names]
    plants += [
        ("no_trade", here.symbols[column], first, first + length - 1, float(length), "volume 0, the last close")
        for column, first, length in runs(quiet)
    ]
    return Market(
        "low_liquidity",
        made.bars("low_liquidity", note=f"{names.size} names hardly trade."),
        planted(here, plants),
        returns(here, log_returns),
    )
