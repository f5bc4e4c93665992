"""Volatility that moves: ``volatility_regimes`` by GARCH, and ``jumps_and_gaps`` between close and open."""

from __future__ import annotations

import math

import numpy as np

from quantlab.core import InputError, Panel
from quantlab.data.synthetic._draws import Stream, draws, garch
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, planted, returns, whole
from quantlab.data.synthetic._ohlcv import draft, settled
from quantlab.data.synthetic._traits import Traits, between
from quantlab.data.synthetic._world import world

_LEAST_JUMP = 5.0  # in daily standard deviations: no normal return is taken for one


def volatility_regimes(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(tails=math.inf, drift=0.0),  # noqa: B008
    alpha: float = 0.08,
    beta: float = 0.90,
) -> Market:
    """Return a market of calm and turbulent times: each name's variance follows GARCH(1,1).

    ``h[t] = (1 - alpha - beta) + alpha e[t-1]^2 + beta h[t-1]`` with ``e[t] = sqrt(h[t]) z[t]``, in units of the name's
    long-run variance; the shocks z correlate across names, so that their calm and turbulent times overlap.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 250 days.
    traits : Traits
        Shocks are normal by default: the fat tails of the returns come from the recursion alone.
    alpha, beta : float >= 0, with alpha + beta < 1
        Weight of yesterday's squared return, and of yesterday's variance.

    Returns
    -------
    Market
        Planted: ``persistence`` (alpha + beta), ``alpha``; ``volatility`` holds each name's by date.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    T. Bollerslev (1986), "Generalized autoregressive conditional heteroskedasticity", Journal of Econometrics 31,
    DOI 10.1016/0304-4076(86)90063-1; constant correlations between shocks as in T. Bollerslev (1990), Review of
    Economics and Statistics 72, DOI 10.2307/2109358.

    Examples
    --------
    >>> market = volatility_regimes(grid=Grid(3, 250), seed=1)
    >>> market.planted.select("kind", "value").rows()
    [('alpha', 0.08), ('persistence', 0.98)]
    """
    between(alpha, name="alpha", low=0.0)
    between(beta, name="beta", low=0.0)
    if alpha + beta >= 1.0:
        raise InputError(f"`alpha` + `beta` must be below 1 for a finite variance, received {alpha + beta:g}.")
    demand(grid, days=250, scenario="volatility_regimes")
    here = world(grid, traits, seed)
    shocks, scale = garch(here.joined(here.market(), here.own()), alpha, beta)
    log_returns = here.drift + here.sigma * shocks
    plants = [
        whole(here, "persistence", alpha + beta, "alpha + beta of GARCH(1,1)"),
        whole(here, "alpha", alpha, "weight of yesterday's squared return"),
    ]
    return Market(
        "volatility_regimes",
        draft(here, log_returns, scale=scale).bars("volatility_regimes", note="variances follow GARCH(1,1)."),
        planted(here, plants),
        returns(here, log_returns),
        volatility=Panel(settled(here.sigma * scale), here.dates, here.symbols, frequency=here.frequency),
    )


def jumps_and_gaps(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(tails=math.inf, drift=0.0),  # noqa: B008
    jumps: float = 4.0,
) -> Market:
    """Return a market that jumps overnight: opens far from the last close, as after earnings.

    A jump adds ``+-s (5 + 2 E)`` to the log return of a bar, all of it between close and open, where s is the name's
    daily standard deviation and E exponential of mean 1. Up and down are equally likely.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 100 days.
    traits : Traits
        Shocks are normal by default: the fat tails of the returns come from the jumps alone.
    jumps : float > 0, per name and year
        Their mean number; at most one a bar.

    Returns
    -------
    Market
        Planted: ``gap``, one row per jump; its value is ``open / previous close - 1``.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    R. C. Merton (1976), "Option pricing when underlying stock returns are discontinuous", Journal of Financial
    Economics 3, DOI 10.1016/0304-405X(76)90022-2. The sizes are ours: none is so small that it could be missed.

    Examples
    --------
    >>> market = jumps_and_gaps(grid=Grid(3, 250), seed=1)
    >>> market.planted.height
    10
    """
    between(jumps, name="jumps", above=0.0)
    demand(grid, days=100, scenario="jumps_and_gaps")
    here = world(grid, traits, seed)
    rows, columns = here.shape
    chance = between(jumps / (here.frequency.periods or 1.0), name="jumps per bar", below=1.0)
    hit = draws(here.seed, Stream.PLACES).random((rows, columns)) < chance
    hit[0] = False
    draw = draws(here.seed, Stream.SIZES)
    size = here.sigma * (_LEAST_JUMP + 2.0 * draw.standard_exponential((rows, columns)))
    size *= np.where(draw.random((rows, columns)) < 0.5, -1.0, 1.0)
    log_returns = here.log_returns()
    log_returns += np.where(hit, size, 0.0)
    found = [
        ("gap", here.symbols[column], row, row, math.expm1(size[row, column]), "open against the last close")
        for row, column in np.argwhere(hit).tolist()
    ]
    gaps = np.where(hit, size, np.nan)
    return Market(
        "jumps_and_gaps",
        draft(here, log_returns, gaps=gaps).bars("jumps_and_gaps", note="opens jump from the last close at times."),
        planted(here, found),
        returns(here, log_returns),
    )
