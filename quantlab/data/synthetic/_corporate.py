"""What companies do: ``splits_and_dividends`` in raw prices, and ``delistings_and_listings``."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import polars as pl

from quantlab.core._arguments import integer
from quantlab.core._labels import DAY
from quantlab.data import schemas
from quantlab.data.synthetic._draws import Stream, draws, pin
from quantlab.data.synthetic._grid import Grid, demand
from quantlab.data.synthetic._market import Market, Plant, planted, returns
from quantlab.data.synthetic._ohlcv import draft
from quantlab.data.synthetic._traits import Traits, between
from quantlab.data.synthetic._world import World, world

_RATIOS = (2.0, 3.0, 1.5, 4.0, 0.1)  # new shares per old; the last one is a reverse split
_QUARTER = 63  # sessions
_DECLINE = 60  # sessions over which a bankrupt name falls

# symbol, row of the ex-date, kind, value, note
Action = tuple[str, int, str, float, str]


def splits_and_dividends(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    dividend_yield: float = 0.02,
    splits: int = 1,
) -> Market:
    """Return a market of raw prices, whose steps at splits, spin-offs and dividends say nothing about returns.

    ``close[t] = close[t-1] (1 - spinoff) exp(x) / split - dividend`` with the total log return x. Three of four names
    pay each quarter, in whole cents and at most half of the price; every fourth pays a special dividend of a tenth of
    its price once, and every fourth other has a spin-off of 5 to 30 % once. Split ratios are 2, 3, 1.5, 4 and 0.1 in
    turn. The first symbol's first split falls on a dividend's ex-date.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 252 days.
    traits : Traits
        Its drift is that of total returns.
    dividend_yield : float in [0, 0.5], fraction of price per year
        Of those that pay.
    splits : int in [0, 5], per name

    Returns
    -------
    Market
        ``bars`` are declared ``adjusted="none"`` and hold the actions. Planted: the same actions by kind; ``value`` as
        in the table "actions". ``returns`` are the total returns that adjustment must give back, but for the rounding
        of prices to ticks.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    Examples
    --------
    >>> market = splits_and_dividends(grid=Grid(4, 252), seed=1)
    >>> market.bars.actions.filter(pl.col("kind") == "split").select("symbol", "value").rows()
    [('S001', 3.0), ('S003', 4.0), ('S002', 1.5), ('S000', 2.0)]
    """
    between(dividend_yield, name="dividend_yield", low=0.0, high=0.5)
    between(integer(splits, name="splits", low=0), name="splits", high=5)
    demand(grid, days=252, scenario="splits_and_dividends")
    here = world(grid, traits, seed)
    rows, columns = here.shape
    log_returns = here.log_returns()
    split, spinoff, special, offset = _events(here, splits)
    pays = (np.arange(columns) % 4 != 3) & (dividend_yield > 0)
    made = draft(here, log_returns)
    # Raw closes by the recursion above; the other prices keep their distance from the close.
    raw = made.close[0].copy()
    factor, shares = np.ones_like(made.close), np.cumprod(split, axis=0)
    actions: list[Action] = []
    for row in range(1, rows):
        worth = raw * (1.0 - spinoff[row]) / split[row]
        regular = np.where(pays & (row % _QUARTER == offset), dividend_yield / 4.0, 0.0)
        paid = {"dividend": np.rint(worth * regular * 100.0), "special_dividend": np.rint(worth * special[row] * 100.0)}
        raw = worth * np.exp(log_returns[row])
        # After a great fall less is paid: at most half of the price, so that what is left is worth the dividend.
        left = np.floor(raw * 50.0)
        for kind, wanted in paid.items():
            cents = np.minimum(wanted, left)
            left -= cents
            raw -= cents / 100.0
            actions += [(here.symbols[i], row, kind, cents[i] / 100.0, "") for i in np.flatnonzero(cents).tolist()]
        factor[row] = raw / made.close[row]
    for price in made.prices():
        price *= factor
    made.volume *= shares
    for kind, values, none in (("split", split, 1.0), ("spinoff", spinoff, 0.0)):
        for row, column in np.argwhere(values != none).tolist():
            actions.append((here.symbols[column], row, kind, float(values[row, column]), ""))
    bars = made.bars(
        "splits_and_dividends",
        note="raw prices, with actions.",
        adjusted="none",
        actions=_table(here, actions, pay_after=10),
    )
    return Market("splits_and_dividends", bars, _planted(here, actions), returns(here, log_returns))


def delistings_and_listings(
    *,
    seed: int | np.random.Generator | None = 0,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    traits: Traits = Traits(),  # noqa: B008
    delisted: float = 0.2,
    late: float = 0.2,
) -> Market:
    """Return a market that names join late and leave early, by bankruptcy or because they are bought.

    Of the names that leave, every other one goes bankrupt: it loses 70 % over its last 60 sessions, and its holders get
    30 % less than the last close (a delisting return of -0.3) or nothing (-1) in turn. The others are bought: up 25 %
    over the last 60 sessions, and paid out at the last close (0).

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
    grid : Grid
        At least 252 days and four symbols.
    traits : Traits
    delisted, late : float >= 0 with a sum of at most 1, parts of the names
        At least two leave and one comes late.

    Returns
    -------
    Market
        Planted: ``delisting`` (value: the delisting return; ``end`` is the first session without a bar, the date of the
        action), ``decline`` (value: simple return over the last 60 sessions) and ``listing`` (``start``: the first
        bar). ``bars.actions`` holds the delistings.

    Raises
    ------
    InputError, KindError
        For an argument out of its range.

    References
    ----------
    T. Shumway (1997), "The delisting bias in CRSP data", Journal of Finance 52, DOI 10.1111/j.1540-6261.1997.tb03818.x:
    -0.3 is his mean delisting return of NYSE and AMEX names that leave for poor performance.

    Examples
    --------
    >>> market = delistings_and_listings(grid=Grid(10, 252), seed=1)
    >>> market.bars.actions.select("kind", "value", "note").rows()
    [('delisting', -0.3, 'bankrupt'), ('delisting', 0.0, 'bought')]
    """
    between(delisted, name="delisted", low=0.0)
    between(late, name="late", low=0.0)
    between(delisted + late, name="delisted + late", high=1.0)
    demand(grid, days=252, symbols=4, scenario="delistings_and_listings")
    here = world(grid, traits, seed)
    rows, columns = here.shape
    order = draws(here.seed, Stream.SIZES).permutation(columns)
    leaving = max(2, int(delisted * columns))
    leavers, comers = order[:leaving], order[leaving : leaving + max(1, int(late * columns))]
    draw = draws(here.seed, Stream.PLACES)
    last = draw.integers(_DECLINE + rows // 4, rows - 2, leavers.size)
    first = draw.integers(rows // 10, rows - rows // 10, comers.size)
    log_returns = here.log_returns()
    plants: list[Plant] = []
    actions: list[Action] = []
    gone = np.zeros(here.shape, dtype=bool)
    for number, (column, row) in enumerate(zip(leavers.tolist(), last.tolist(), strict=True)):
        bankrupt = number % 2 == 0
        change, paid = (-0.7, (-0.3, -1.0)[number // 2 % 2]) if bankrupt else (0.25, 0.0)
        why, symbol = "bankrupt" if bankrupt else "bought", here.symbols[column]
        pin(log_returns, row - _DECLINE + 1, row, np.array([math.log1p(change)]), np.array([column]))
        gone[row + 1 :, column] = True
        plants.append(("decline", symbol, row - _DECLINE + 1, row, change, why))
        plants.append(("delisting", symbol, row, row + 1, paid, why))
        actions.append((symbol, row + 1, "delisting", paid, why))
    for column, row in zip(comers.tolist(), first.tolist(), strict=True):
        gone[:row, column] = True
        plants.append(("listing", here.symbols[column], row, rows - 1, float(rows - row), "sessions listed"))
    made = draft(here, log_returns)
    made.erase(gone)
    bars = made.bars(
        "delistings_and_listings",
        note=f"{leavers.size} names leave early and {comers.size} come late.",
        actions=_table(here, actions),
    )
    return Market("delistings_and_listings", bars, planted(here, plants), returns(here, log_returns))


def _events(here: World, splits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Split ratios, spun-off fractions and special dividend yields (T, N), no two of a name on one date; and the
    sessions into a quarter on which each name pays its dividend (N,).

    The rows but the first and the last are cut into ``splits + 2`` stretches; each holds one event of each name.
    """
    rows, columns = here.shape
    draw = draws(here.seed, Stream.PLACES)
    edges = np.linspace(1, rows - 1, splits + 3).astype(int)
    row = draw.integers(edges[:-1, None], edges[1:, None], (splits + 2, columns))
    offset = (5 + 7 * np.arange(columns)) % _QUARTER
    parts = np.round(draw.uniform(0.05, 0.3, columns), 3)
    split, spinoff, special = np.ones((rows, columns)), np.zeros((rows, columns)), np.zeros((rows, columns))
    for column in range(columns):
        for number in range(splits):
            when = int(row[number + 1, column])
            if column == 0 and number == 0:
                # The corner that adjustments get wrong: the dividend is per new share.
                offset[0] = when % _QUARTER
            split[when, column] = _RATIOS[(column + number) % len(_RATIOS)]
        if column % 4 == 1:
            special[row[0, column], column] = 0.1
        if column % 4 == 2:
            spinoff[row[-1, column], column] = parts[column]
    return split, spinoff, special, offset


def _planted(here: World, actions: list[Action]) -> pl.DataFrame:
    return planted(here, ((kind, symbol, row, row, value, note) for symbol, row, kind, value, note in actions))


def _table(here: World, actions: list[Action], pay_after: int | None = None) -> pl.DataFrame:
    """The table "actions"; cash is paid ``pay_after`` sessions after the ex-date where that is known."""
    days: list[date] = here.dates.astype(DAY).tolist()

    def paid(row: int, kind: str) -> date | None:
        cash = pay_after is not None and kind in ("dividend", "special_dividend")
        return days[row + pay_after] if cash and pay_after and row + pay_after < len(days) else None

    rows = [(symbol, days[row], kind, value, paid(row, kind), note) for symbol, row, kind, value, note in actions]
    kinds = schemas.TABLES["actions"].schema
    named = {name: kinds[name] for name in ("symbol", "date", "kind", "value", "pay_date", "note")}
    frame = pl.DataFrame(rows, schema=named, orient="row")
    return schemas.whole(frame, "actions").sort("date", "symbol", "kind")
