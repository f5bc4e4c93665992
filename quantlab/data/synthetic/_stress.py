"""Moves that hurt one side of a book: ``crash_and_rebound``, ``momentum_crash`` and ``short_squeeze``.

The moves are pinned: from the close before a window to its last close each name makes exactly the planted return, but
for the rounding of prices to ticks, and the noise within the window stays.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from quantlab.core import Panel
from quantlab.core._arguments import integer
from quantlab.core._labels import DAY
from quantlab.data import schemas
from quantlab.data.synthetic._draws import Stream, draws, pin
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, Plant, planted, returns
from quantlab.data.synthetic._ohlcv import draft, settled
from quantlab.data.synthetic._traits import Traits, between
from quantlab.data.synthetic._world import World, world

FORMATION, SKIP = 252, 21  # bars of 12-1 momentum
_PANIC = 2.5  # volatility in a crash, in units of what it is else
_FRENZY = 15.0  # volume in a squeeze, in units of what it is else
_LENT = 0.003  # fee on an easy borrow, per year


def crash_and_rebound(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    fall: float = 0.35,
    rise: float = 0.40,
    crash_days: int = 23,
    rebound_days: int = 60,
) -> Market:
    """Return a market that crashes and rebounds, each name by its beta, at 2.5 times the usual volatility.

    In the middle of the dates the name with beta 1 loses ``fall`` within ``crash_days`` and then gains ``rise`` within
    ``rebound_days``; log returns are proportional to beta, which lies between 0.5 and 1.5 with a mean of 1. The
    defaults are of the size of February to June 2020.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        Days for both windows and 60 more on each side.
    traits : Traits
    fall : float in (0, 1), fraction of price
    rise : float > 0, fraction of the lowest price
    crash_days, rebound_days : int >= 2, sessions

    Returns
    -------
    Market
        Planted: ``crash`` and ``rebound`` for each symbol, whose values are simple returns from the close before
        ``start`` to the close of ``end``; ``volatility`` by name and date.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    Examples
    --------
    >>> market = crash_and_rebound(grid=Grid(1, 300))
    >>> market.planted.select("kind", pl.col("value").round(2)).rows()
    [('crash', -0.35), ('rebound', 0.4)]
    """
    between(fall, name="fall", above=0.0, below=1.0)
    between(rise, name="rise", above=0.0)
    integer(crash_days, name="crash_days", low=2)
    integer(rebound_days, name="rebound_days", low=2)
    demand(grid, days=crash_days + rebound_days + 120, scenario="crash_and_rebound")
    here = world(grid, traits, seed)
    rows, columns = here.shape
    first = (rows - crash_days - rebound_days) // 2
    bottom, last = first + crash_days - 1, first + crash_days + rebound_days - 1
    # Evenly spread and shuffled, so that the mean is 1 for any number of names.
    beta = draws(here.seed, Stream.SIZES).permutation(np.linspace(0.5, 1.5, columns) if columns > 1 else np.ones(1))
    scale = np.ones((rows, 1))
    scale[first : last + 1] = _PANIC
    log_returns = here.log_returns() * scale
    down, up = beta * math.log1p(-fall), beta * math.log1p(rise)
    pin(log_returns, first, bottom, down)
    pin(log_returns, bottom + 1, last, up)
    plants = [
        *_moves(here, "crash", first, bottom, down),
        *_moves(here, "rebound", bottom + 1, last, up),
    ]
    bars = draft(here, log_returns, scale=scale).bars("crash_and_rebound", note=f"a crash from {here.dates[first]} on.")
    volatility = Panel(settled(here.sigma * scale), here.dates, here.symbols, frequency=here.frequency)
    return Market("crash_and_rebound", bars, planted(here, plants), returns(here, log_returns), volatility=volatility)


def momentum_crash(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(days=756),  # noqa: B008 (frozen)
    traits: Traits = Traits(drift=0.0),  # noqa: B008
    share: float = 0.1,
    losers: float = 1.6,
    winners: float = 0.08,
    crash_days: int = 63,
) -> Market:
    """Return a market in which past losers rebound violently, which ruins a book long winners and short losers.

    Over the 12-1 formation period before the crash the names are spread evenly from -70 % to +40 %, and the month that
    is skipped is flat. In the crash the ``share`` that had fallen most rises by ``losers`` and the share that had risen
    most by ``winners``; the names between rise by their rank. The defaults are of the size of March to May 2009.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 252 days, the crash and 22 more; at least 10 symbols.
    traits : Traits
    share : float in (0, 0.5], part of the names, at least one
        0.1: deciles.
    losers, winners : float > -1, simple returns over the crash
    crash_days : int >= 2, sessions

    Returns
    -------
    Market
        Planted for each symbol: ``formation`` (252 to 21 bars before the crash) and ``crash``, simple returns from the
        close before ``start`` to the close of ``end``; the note of ``crash`` says loser, winner or middle.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    K. Daniel, T. J. Moskowitz (2016), "Momentum crashes", Journal of Financial Economics 122,
    DOI 10.1016/j.jfineco.2015.12.002. They describe crashes that follow bear markets and rise with the beta of losers;
    here the returns themselves are planted.

    Examples
    --------
    >>> market = momentum_crash(grid=Grid(10, 400))
    >>> market.plants("crash").filter(pl.col("note") != "middle").select("note", pl.col("value").round(2)).rows()
    [('loser', 1.6), ('winner', 0.08)]
    """
    between(share, name="share", above=0.0, high=0.5)
    between(losers, name="losers", above=-1.0)
    between(winners, name="winners", above=-1.0)
    integer(crash_days, name="crash_days", low=2)
    demand(grid, days=FORMATION + crash_days + 22, symbols=10, scenario="momentum_crash")
    here = world(grid, traits, seed)
    rows, columns = here.shape
    first = rows - crash_days - 21
    rank = draws(here.seed, Stream.SIZES).permutation(columns)
    count = max(1, int(share * columns))
    past = np.linspace(math.log(0.3), math.log(1.4), columns)[rank]
    inner = np.linspace(math.log1p(losers), math.log1p(winners), columns - 2 * count + 2)
    future = np.concatenate([np.full(count - 1, inner[0]), inner, np.full(count - 1, inner[-1])])[rank]
    log_returns = here.log_returns()
    # 12-1 momentum at the close before the crash is close[first - 1 - 21] / close[first - 1 - 252].
    begin, end = first - FORMATION, first - 1 - SKIP
    pin(log_returns, begin, end, past)
    pin(log_returns, end + 1, first - 1, np.zeros(columns))
    pin(log_returns, first, first + crash_days - 1, future)
    group = np.select([rank < count, rank >= columns - count], ["loser", "winner"], "middle").tolist()
    plants = [
        *_moves(here, "formation", begin, end, past, notes=group),
        *_moves(here, "crash", first, first + crash_days - 1, future, notes=group),
    ]
    bars = draft(here, log_returns).bars("momentum_crash", note=f"past losers rebound from {here.dates[first]} on.")
    return Market("momentum_crash", bars, planted(here, plants), returns(here, log_returns))


def short_squeeze(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(days=504),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    squeezed: int = 2,
    rise: float = 4.0,
    fall: float = 0.7,
    squeeze_days: int = 8,
    fee: float = 1.0,
) -> Market:
    """Return a market in which a few crowded shorts are squeezed: price and volume explode, and no share is to be had.

    Half a year before, the fee on the squeezed names rises from 0.3 % to a quarter of ``fee`` a year, with few shares
    to be had, while they lose 40 %. Then they gain ``rise`` within ``squeeze_days``, at ``fee`` with nothing to
    borrow, on 15 times the volume that moves of this size have anyhow, and lose ``fall`` of it over the next 20 days.
    All others can be borrowed at 0.3 %.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        Days for the squeeze and 210 more; more symbols than are squeezed.
    traits : Traits
    squeezed : int >= 1
        How many names; the first symbols of a random order.
    rise : float > 0, fraction of price
    fall : float in (0, 1), fraction of the highest close
    squeeze_days : int >= 2, sessions
    fee : float > 0, fraction of value per year

    Returns
    -------
    Market
        Planted for each squeezed name: ``crowding``, ``squeeze`` and ``collapse``, simple returns from the close before
        ``start`` to the close of ``end``; ``volume``, the factor on volume; ``fee``, the yearly borrow fee in the
        squeeze. ``bars.borrow`` holds fees and available shares of all names.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    Examples
    --------
    >>> market = short_squeeze(grid=Grid(4, 300), squeezed=1)
    >>> market.planted.select("kind", pl.col("value").round(2)).rows()
    [('collapse', -0.7), ('crowding', -0.4), ('fee', 1.0), ('squeeze', 4.0), ('volume', 15.0)]
    """
    integer(squeezed, name="squeezed", low=1)
    between(rise, name="rise", above=0.0)
    between(fall, name="fall", above=0.0, below=1.0)
    between(fee, name="fee", above=0.0)
    integer(squeeze_days, name="squeeze_days", low=2)
    demand(grid, days=squeeze_days + 210, symbols=squeezed + 1, scenario=f"short_squeeze of {squeezed} names")
    here = world(grid, traits, seed)
    rows, columns = here.shape
    names = np.sort(draws(here.seed, Stream.SIZES).permutation(columns)[:squeezed])
    last = rows - 41
    first = last - squeeze_days + 1
    windows = {
        "crowding": (first - 126, first - 1, math.log(0.6)),
        "squeeze": (first, last, math.log1p(rise)),
        "collapse": (last + 1, last + 20, math.log1p(-fall)),
    }
    log_returns = here.log_returns()
    plants: list[Plant] = []
    for kind, (begin, end, total) in windows.items():
        pin(log_returns, begin, end, np.full(squeezed, total), names)
        plants += _moves(here, kind, begin, end, np.full(columns, total), columns=names)
    made = draft(here, log_returns)
    made.volume[first : last + 1, names] *= _FRENZY
    for column in names.tolist():
        plants.append(("volume", here.symbols[column], first, last, _FRENZY, "factor on volume"))
        plants.append(("fee", here.symbols[column], first, last, fee, "per year, nothing to borrow"))
    bars = made.bars(
        "short_squeeze",
        note=f"{squeezed} crowded shorts are squeezed from {here.dates[first]} on.",
        borrow=_borrow(here, names, first, last, fee),
    )
    return Market("short_squeeze", bars, planted(here, plants), returns(here, log_returns))


def _moves(
    here: World,
    kind: str,
    first: int,
    last: int,
    totals: np.ndarray,
    *,
    columns: np.ndarray | None = None,
    notes: list[str] | None = None,
) -> list[Plant]:
    chosen = range(here.shape[1]) if columns is None else columns.tolist()
    return [
        (kind, here.symbols[column], first, last, math.expm1(totals[column]), notes[column] if notes else "")
        for column in chosen
    ]


def _borrow(here: World, names: np.ndarray, first: int, last: int, fee: float) -> pl.DataFrame:
    """Fees and available shares: easy, then crowded, none in the squeeze, easy again 20 days after it."""
    days = here.dates.astype(DAY).tolist()
    shares = np.rint(here.shares).tolist()
    steps = [(first - 126, fee / 4.0, 0.05), (first, fee, 0.0), (last + 21, _LENT, 1.0)]
    rows = [(symbol, days[0], _LENT, shares[column]) for column, symbol in enumerate(here.symbols)]
    rows += [
        (here.symbols[column], days[row], rate, round(part * shares[column]))
        for column in names.tolist()
        for row, rate, part in steps
    ]
    return pl.DataFrame(rows, schema=schemas.TABLES["borrow"].schema, orient="row").sort("symbol", "date")
