"""``universe`` and ``ordinary``: names that follow one market and themselves; no strategy has an edge here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from quantlab.core import Bars
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, planted, returns, whole
from quantlab.data.synthetic._ohlcv import draft
from quantlab.data.synthetic._traits import Traits
from quantlab.data.synthetic._world import world

_NOTE = "one market factor and no pattern in time."


def universe(
    *,
    symbols: int | Sequence[str] = 500,
    days: int = 2520,
    seed: int | np.random.Generator | None = 0,
    start: str | date | np.datetime64 = "2010-01-04",
    calendar: str = "XNYS",
    traits: Traits = Traits(),  # noqa: B008 (frozen)
) -> Bars:
    """Return the bars of a universe of names with fat tails, one market factor and volumes that follow volatility.

    Log returns are ``drift + volatility (sqrt(c) market + sqrt(1 - c) own)`` with independent Student t shocks. Returns
    are independent over time: whatever a strategy earns here beyond the drift is luck.

    Parameters
    ----------
    symbols : int >= 1, or distinct names
        A number n makes S000, S001, ...
    days : int >= 2, sessions
    seed : int | numpy.random.Generator | None
        Stands in ``bars.note``. None asks the system for one.
    start : date, or text such as "2010-01-04"
        The first session is the first of the calendar on or after it.
    calendar : str
        A code of exchange_calendars, or "24/7".
    traits : Traits
        Volatility, tails, correlation, drift, price and volume.

    Returns
    -------
    Bars (T, N)
        Prices in currency per share, on ticks (0.01 from 1.00 on, 0.0001 below), ``low <= open, close <= high``; volume
        in whole shares. Nothing is missing. ``adjusted`` is "total_return": there are no corporate actions, so that
        raw and adjusted prices are the same.

    Raises
    ------
    InputError, KindError, LabelError
        For an argument out of its range, named with what was received; a calendar that is unknown or does not reach.

    Notes
    -----
    The same arguments give the same bytes for any number of threads; more ``days`` extend the bars and leave their past
    as it is. Another version of NumPy may draw other numbers; a test keeps the hash.

    Examples
    --------
    >>> bars = universe(symbols=3, days=4, seed=7, start="2024-01-02")
    >>> bars.close.values
    array([[ 66.64, 114.24,  55.47],
           [ 66.15, 113.74,  55.03],
           [ 65.97, 110.8 ,  54.44],
           [ 66.73, 115.32,  55.22]])
    >>> bool((bars.low.values <= bars.open.values).all())
    True
    """
    here = world(Grid(symbols, days, start, calendar), traits, seed)
    return draft(here, here.log_returns()).bars("universe", note=_NOTE)


def ordinary(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
) -> Market:
    """Return what :func:`universe` returns, with the truth about it: the control among the scenarios.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
    traits : Traits

    Returns
    -------
    Market
        Planted: ``variance_ratio`` (1: no pattern in time), ``correlation``, ``tails`` (degrees of freedom; infinite
        for normal shocks).

    Examples
    --------
    >>> market = ordinary(grid=Grid(3, 4))
    >>> bool((market.bars.close.values == universe(symbols=3, days=4).close.values).all())
    True
    """
    demand(grid, scenario="ordinary")
    here = world(grid, traits, seed)
    log_returns = here.log_returns()
    plants = [
        whole(here, "variance_ratio", 1.0, "no pattern in time"),
        whole(here, "correlation", traits.correlation, "between any two names"),
        whole(here, "tails", traits.tails, "degrees of freedom of the shocks"),
    ]
    bars = draft(here, log_returns).bars("ordinary", note=_NOTE)
    return Market("ordinary", bars, planted(here, plants), returns(here, log_returns))
