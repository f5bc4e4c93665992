"""Names that move together: ``correlated_sectors``, and a ``correlation_breakdown`` on a known date."""

from __future__ import annotations

import math

import numpy as np

from quantlab.core import InputError
from quantlab.core._arguments import integer
from quantlab.data.synthetic._draws import Stream, shocks
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, planted, returns, whole
from quantlab.data.synthetic._ohlcv import draft
from quantlab.data.synthetic._traits import Traits, between
from quantlab.data.synthetic._world import world


def correlated_sectors(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    sectors: int = 5,
    within: float = 0.6,
    across: float = 0.2,
) -> Market:
    """Return a market of sectors: names of one sector move together, names of different ones less so.

    Each shock is ``sqrt(across) market + sqrt(within - across) sector + sqrt(1 - within) own``. Symbol i belongs to
    sector ``i mod sectors``.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 100 days and two symbols per sector.
    traits : Traits
        Its ``correlation`` is not used.
    sectors : int >= 2
    within, across : float, 0 <= across <= within < 1
        Correlation of the returns of two names of one sector, and of different sectors.

    Returns
    -------
    Market
        Planted: ``correlation_within``, ``correlation_across``, and ``sector`` for each symbol (value: its number).

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    Examples
    --------
    >>> correlated_sectors(grid=Grid(4, 100), sectors=2).plants("sector")["note"].to_list()
    ['sector 0', 'sector 1', 'sector 0', 'sector 1']
    """
    integer(sectors, name="sectors", low=2)
    between(across, name="across", low=0.0)
    between(within, name="within", below=1.0)
    if across > within:
        raise InputError(f"`across` must be at most `within` ({within:g}), received {across:g}.")
    demand(grid, days=100, symbols=2 * sectors, scenario=f"correlated_sectors with {sectors} sectors")
    here = world(grid, traits, seed)
    number = np.arange(here.shape[1]) % sectors
    common = shocks(here.seed, Stream.SECTOR, (here.shape[0], sectors), traits.tails)
    joined = math.sqrt(across) * here.market() + math.sqrt(within - across) * common[:, number]
    joined += math.sqrt(1.0 - within) * here.own()
    log_returns = here.drift + here.sigma * joined
    last = here.shape[0] - 1
    plants = [
        whole(here, "correlation_within", within, "two names of one sector"),
        whole(here, "correlation_across", across, "two names of different sectors"),
        *(
            ("sector", symbol, 0, last, float(group), f"sector {group}")
            for symbol, group in zip(here.symbols, number.tolist(), strict=True)
        ),
    ]
    return Market(
        "correlated_sectors",
        draft(here, log_returns).bars("correlated_sectors", note=f"{sectors} sectors."),
        planted(here, plants),
        returns(here, log_returns),
    )


def correlation_breakdown(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    before: float = 0.6,
    after: float = 0.05,
    when: float = 0.5,
) -> Market:
    """Return a market whose correlations change on one date, while each name's volatility stays as it was.

    By default names that moved together go their own ways, so that hedges and pairs fail; with ``before=0.1`` and
    ``after=0.8`` everything falls into step, so that diversification fails.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 200 days and two symbols.
    traits : Traits
        Its ``correlation`` is not used.
    before, after : float in [0, 1)
        Correlation of the returns of any two names.
    when : float in [0.2, 0.8]
        Part of the dates that lies before the change.

    Returns
    -------
    Market
        Planted: ``correlation`` twice, before and after, each with its first and last session.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    M. Loretan, W. B. English (2000), "Evaluating 'correlation breakdowns' during periods of market volatility",
    International Finance Discussion Paper 658, Board of Governors of the Federal Reserve System: a change of measured
    correlation may come from volatility alone. Here it does not: the correlation itself changes and nothing else.

    Examples
    --------
    >>> correlation_breakdown(grid=Grid(4, 200)).planted["value"].to_list()
    [0.6, 0.05]
    """
    between(before, name="before", low=0.0, below=1.0)
    between(after, name="after", low=0.0, below=1.0)
    between(when, name="when", low=0.2, high=0.8)
    demand(grid, days=200, symbols=2, scenario="correlation_breakdown")
    here = world(grid, traits, seed)
    rows = here.shape[0]
    change = round(rows * when)
    rho = np.where(np.arange(rows) < change, before, after)[:, None]
    log_returns = here.drift + here.sigma * (np.sqrt(rho) * here.market() + np.sqrt(1.0 - rho) * here.own())
    plants = [
        ("correlation", None, 0, change - 1, before, "before"),
        ("correlation", None, change, rows - 1, after, "after"),
    ]
    return Market(
        "correlation_breakdown",
        draft(here, log_returns).bars("correlation_breakdown", note=f"correlations change on {here.dates[change]}."),
        planted(here, plants),
        returns(here, log_returns),
    )
