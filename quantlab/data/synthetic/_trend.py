"""Returns that depend on their own past: ``trending`` and ``ranging`` markets.

Both keep each name's volatility per bar and the correlation between names; what differs from ``universe`` is the order
of the returns alone.
"""

from __future__ import annotations

import math

import numpy as np

from quantlab.data.synthetic._draws import Stream, autoregressive, shocks
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, planted, returns, whole
from quantlab.data.synthetic._ohlcv import draft
from quantlab.data.synthetic._traits import Traits, between
from quantlab.data.synthetic._world import world

HORIZON = 20  # bars over which the planted variance ratio is stated


def trending(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(drift=0.0),  # noqa: B008
    strength: float = 0.05,
    half_life: float = 40.0,
) -> Market:
    """Return a market whose returns trend: each carries a slow drift that comes and goes.

    Of the variance of every shock, market and own, a part ``strength`` is an AR(1) drift with the given half-life. The
    autocorrelation of returns at lag k is ``strength * 2^(-k / half_life)``.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 100 days.
    traits : Traits
    strength : float in (0, 1), part of variance
        At 0.05 the drift of a day has a standard deviation of 22 % of the day's volatility.
    half_life : float > 0, bars

    Returns
    -------
    Market
        Planted: ``variance_ratio``, that of 20-bar to 1-bar returns, above 1.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    A. W. Lo, A. C. MacKinlay (1988), "Stock market prices do not follow random walks: evidence from a simple
    specification test", Review of Financial Studies 1, DOI 10.1093/rfs/1.1.41: the variance ratio.

    Examples
    --------
    >>> trending(grid=Grid(3, 100), seed=1).planted["value"].round(2).to_list()
    [1.84]
    """
    between(strength, name="strength", above=0.0, below=1.0)
    phi = _decay(half_life)
    demand(grid, days=100, scenario="trending")
    here = world(grid, traits, seed)

    def mixed(noise: np.ndarray, stream: Stream) -> np.ndarray:
        drift = autoregressive(shocks(here.seed, stream, noise.shape, math.inf), phi)
        return math.sqrt(1.0 - strength) * noise + math.sqrt(strength) * drift

    market, own = mixed(here.market(), Stream.TREND_MARKET), mixed(here.own(), Stream.TREND_OWN)
    log_returns = here.drift + here.sigma * here.joined(market, own)
    lags = np.arange(1, HORIZON)
    ratio = 1.0 + 2.0 * float(np.sum((1.0 - lags / HORIZON) * strength * phi**lags))
    return Market(
        "trending",
        draft(here, log_returns).bars("trending", note="returns carry a slow drift that comes and goes."),
        planted(here, [whole(here, "variance_ratio", ratio, f"{HORIZON} bars against 1")]),
        returns(here, log_returns),
    )


def ranging(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(drift=0.0),  # noqa: B008
    half_life: float = 5.0,
) -> Market:
    """Return a market whose prices swing around fixed levels: what went up comes back.

    The logarithm of each price is its level plus an AR(1) deviation with the given half-life, scaled so that a bar has
    the name's volatility. The deviation has a standard deviation of ``sigma / sqrt(2 (1 - 2^(-1 / half_life)))``, some
    two days' moves for a half-life of five.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 100 days.
    traits : Traits
        A drift other than 0 tilts the level.
    half_life : float > 0, bars

    Returns
    -------
    Market
        Planted: ``variance_ratio``, that of 20-bar to 1-bar returns, below 1.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    A. W. Lo, A. C. MacKinlay (1988), Review of Financial Studies 1, DOI 10.1093/rfs/1.1.41: the variance ratio.

    Examples
    --------
    >>> ranging(grid=Grid(3, 100), seed=1).planted["value"].round(2).to_list()
    [0.36]
    """
    phi = _decay(half_life)
    demand(grid, days=100, scenario="ranging")
    here = world(grid, traits, seed)
    level = autoregressive(here.joined(here.market(), here.own()), phi)
    log_returns = np.zeros_like(level)
    log_returns[1:] = np.diff(level, axis=0) / math.sqrt(2.0 * (1.0 - phi))
    log_returns = here.drift + here.sigma * log_returns
    ratio = (1.0 - phi**HORIZON) / (HORIZON * (1.0 - phi))
    return Market(
        "ranging",
        draft(here, log_returns).bars("ranging", note="prices swing around fixed levels."),
        planted(here, [whole(here, "variance_ratio", ratio, f"{HORIZON} bars against 1")]),
        returns(here, log_returns),
    )


def _decay(half_life: float) -> float:
    return float(2.0 ** (-1.0 / between(half_life, name="half_life", above=0.0)))
