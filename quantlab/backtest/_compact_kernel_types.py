"""The plain types of many runs over one market: what the runs share, what one run leaves, and where it works.

``T`` is bars, ``N`` assets in canonical order, ``A`` corporate actions, ``M`` the places of a compact book: the most
assets that can be held or wanted between two decisions, in eight stretches. This file's name puts it under the stamp of
the kernel cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from quantlab.core._kernel_structure import Structure

# Bars that are valued together. What lies behind the end of a stretch is computed and thrown away.
BLOCK = 64

# Rows of Space.rows: what a compact book sees of the market.
(
    OPEN,
    HIGH,
    LOW,
    CLOSE,
    VOLUME,
    REFERENCE,
    AVAILABLE,
    RATE,
    SPREAD,
    FIRST_IMPACT,
    SECOND_IMPACT,
    ADV,
    COMING_SPREAD,
    COMING_FIRST,
    COMING_SECOND,
    COMING_ADV,
    LONG_FACTOR,
    SHORT_FACTOR,
    WANTED,
) = range(19)
ROWS = 19

# How a row of the market changes: the same for all assets and bars, one row for all bars, a row per bar.
UNIFORM, STATIC, DATED = 0, 1, 2


class Market(NamedTuple):
    """What all runs over the same bars, costs and account share, beside World and Terms.

    marks : (T, N), the price at which each asset is valued at each close
    worth : (N, T + BLOCK + 1), what a unit is worth at them, the account's currency; 0 before the first
    opens : (N, T + BLOCK + 1), the same at the opens, (1, 1) where the bars have none
    gaps : (T + 1, N) int64, bars before each without a close; (1, 1) where no close is missing
    dead_from : (N,) int64, bar from whose morning an asset is dead; T none
    conversions : (C,) int64, actions that turn an asset into another
    changes : (12,) int64, UNIFORM, STATIC or DATED: open to adv of ``World``, in the order of the rows above
    flags : (8,) int64, named below
    rates : (N,), borrow rate per year, where it does not change with time
    long_factor, short_factor : (N,), factors on the margin
    factors : (2,), the largest of each
    """

    marks: np.ndarray
    worth: np.ndarray
    opens: np.ndarray
    gaps: np.ndarray
    dead_from: np.ndarray
    conversions: np.ndarray
    changes: np.ndarray
    flags: np.ndarray
    rates: np.ndarray
    long_factor: np.ndarray
    short_factor: np.ndarray
    factors: np.ndarray


# Market.flags, each 1 or 0.
(
    QUIET,  # bars on which nothing happens may be walked at once
    LENDS,  # nights of a short cost a fee
    EARNS,  # cash earns or costs interest
    LOUD_SHORTS,  # bars of a book with shorts are never quiet
    UNEQUAL,  # factors of the margin differ
    WHOLE,  # no close is missing: marks are closes
    AT_CLOSES,  # reference prices are closes
    MORTAL,  # an asset dies
) = range(8)


class Decided(NamedTuple):
    """The decisions of many runs, without their zeros.

    first : (V + 1,) int64, the first row of each run
    rows : (R,) int64, the bar of each row
    starts : (R + 1,) int64, the first weight of each row
    assets : (W,) int64, ascending within a row; weights : (W,), not 0
    """

    first: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    assets: np.ndarray
    weights: np.ndarray


class States(NamedTuple):
    """How far many runs are, one row each.

    bar : (V,) int64, the close at which a run stands, -1 before the first. turn : (V,) int64, its next decision
    status : (V,) int64, named below. held : (V,) int64, how many assets it holds
    assets : (V, N) int64, which, ascending; units : (V, N), how much
    cash, receivable, month_volume : (V, 1). flags : (V, 5) int64. claims : (V, A). As in Book
    cursor : (V, 3) int64, the next action and payment
    sums : (V, 16), what the tape adds up to. counts : (V, 19, M + 1) int64, diagnostics; only their sums mean something
    paths : (V, 4, T): equity, long, short, traded at each bar
    """

    bar: np.ndarray
    turn: np.ndarray
    status: np.ndarray
    held: np.ndarray
    assets: np.ndarray
    units: np.ndarray
    cash: np.ndarray
    receivable: np.ndarray
    month_volume: np.ndarray
    flags: np.ndarray
    claims: np.ndarray
    cursor: np.ndarray
    sums: np.ndarray
    counts: np.ndarray
    paths: np.ndarray


# States.status: under way; came to its end, if by ruin; stopped for an error; has to be run by the engine itself.
GOING, ENDED, HALTED, LEFT = 0, 1, 2, 3


class Space(NamedTuple):
    """Where a thread works; nothing in it outlives a segment, from one decision to the next.

    rows : (19, M), the rows named above; seen : the same memory, read-only
    at : (N,) int64, the place of each asset, -1 without one
    listed : (N + 1,) int64, the assets of the compact book in order; spots : (N + 1,) int64, their places;
        counts : (9,) int64, how many each stretch has
    book : (8, M) and whole : (7, M) int64, columns of the compact Book. scratch : (19 * M,). done : (2 * M,)
    mapped, others : (A,) int64, places of the assets of actions
    long_assets, short_assets : (M,) int64, what is held; long_units, short_units : (M,); long_ends, short_ends : (8,)
        int64, where each stretch of them ends
    parts : (8, BLOCK), block : (7, BLOCK)
    turn : (1,) int64
    """

    rows: np.ndarray
    seen: np.ndarray
    at: np.ndarray
    listed: np.ndarray
    spots: np.ndarray
    counts: np.ndarray
    book: np.ndarray
    whole: np.ndarray
    scratch: np.ndarray
    done: np.ndarray
    mapped: np.ndarray
    others: np.ndarray
    long_assets: np.ndarray
    short_assets: np.ndarray
    long_units: np.ndarray
    short_units: np.ndarray
    long_ends: np.ndarray
    short_ends: np.ndarray
    parts: np.ndarray
    block: np.ndarray
    turn: np.ndarray


market_reference, decided_reference = Structure(Market), Structure(Decided)
states_reference, space_reference = Structure(States), Structure(Space)
