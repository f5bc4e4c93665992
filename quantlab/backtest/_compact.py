"""Many runs over one market: what they share is prepared once, and each touches only the assets it holds or wants.

The numbers of a run are those of ``kernel_run`` bit for bit; what is missing is its records. Not every account and
policy can be run so (``why_not``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab.backtest import _compact_kernel_types as c
from quantlab.backtest import _compact_kernels as kernels
from quantlab.backtest._engine import new_working
from quantlab.backtest._prepare_world import frozen
from quantlab.backtest._run import Inputs
from quantlab.execution._kernel_types import (
    COLUMNS,
    CONVERSION,
    COUNTS,
    DELISTING,
    PORTFOLIO,
    SAME_CLOSE,
    SPINOFF,
    SPLIT,
    WEIGHTS,
    Log,
    Terms,
    Tickets,
    Working,
    World,
    no_tickets,
)

# Bars that all runs of a batch take before any goes on: of 500 assets their prices fill a quarter of a megabyte.
_STRIDE = 63

_FIELDS = ("open", "high", "low", "close", "volume", "reference", "available", "rate", "spread", "impact", "impact2")


def why_not(inputs: Inputs) -> str:
    """Return why runs on these inputs need the engine itself, "" when they do not."""
    world, terms = inputs.world, inputs.terms
    exits = (terms.stop_loss, terms.take_profit, terms.trailing)
    if terms.mode != WEIGHTS or inputs.tickets.placed.size:
        return "explicit orders"
    if world.fx.shape[1] > 1:
        return "several currencies"
    if any(np.isfinite(level) for level in exits) or terms.time_stop > 0:
        return "exits"
    if terms.participation > 0.0 and terms.carry > 0:
        return "orders that live on after a partial fill"
    if terms.participation > 0.0 and terms.at == SAME_CLOSE:
        return "a limit of volume at the close of the decision"
    return ""


@dataclass(frozen=True, slots=True)
class Arena:
    """What all runs over the same bars, costs and account share.

    Parameters
    ----------
    world : World
    terms : Terms, of a compact book
    market : Market
    cash : float
    """

    world: World
    terms: Terms
    market: c.Market
    cash: float


def arena_of(inputs: Inputs) -> Arena:
    """Return what runs on these inputs share; memory: two to three matrices of the size of the closes."""
    world, terms = inputs.world, inputs.terms
    T, N = world.close.shape
    marks = marks_of(world)
    opens = transposed(_opens(world, marks), terms.unit) if not np.isnan(world.open).all() else np.zeros((1, 1))
    missing = np.isnan(world.close)
    gaps = np.zeros((1, 1), dtype=np.int64)
    if missing.any():
        gaps = np.zeros((T + 1, N), dtype=np.int64)
        np.cumsum(missing, axis=0, out=gaps[1:])
    kind = np.array([_kind(getattr(world, name)) for name in (*_FIELDS, "adv")], dtype=np.int64)
    kind[[c.CLOSE, c.REFERENCE]] = c.DATED
    lends = bool((world.rate != 0.0).any())
    earns = bool((world.interest != 0.0).any())
    loud = lends and (kind[c.RATE] == c.DATED or terms.dealer == 1 or np.isnan(world.rate).any() or terms.unit != 1.0)
    loud = loud or (earns and terms.unit != 1.0)
    quiet = not (
        terms.every_bar == 1 or terms.recall == 1 or terms.margin_model == PORTFOLIO or world.margin.shape[0] > 1
    )
    unequal = bool((terms.margin_long != 1.0).any() or (terms.margin_short != 1.0).any())
    mortal = bool((_dead_from(world) < T).any())
    whole, at_closes = not missing.any(), world.reference is world.close
    flags = np.array([quiet, lends, earns, loud, unequal, whole, at_closes, mortal], dtype=np.int64)
    conversions = np.flatnonzero(world.action_kind == CONVERSION).astype(np.int64)
    market = c.Market(
        marks=frozen(marks),
        worth=frozen(transposed(marks, terms.unit)),
        opens=frozen(opens),
        gaps=frozen(gaps),
        dead_from=frozen(_dead_from(world)),
        conversions=frozen(conversions),
        changes=frozen(kind),
        flags=frozen(flags),
        rates=frozen(world.rate[0].copy()),
        long_factor=terms.margin_long,
        short_factor=terms.margin_short,
        factors=frozen(np.array([terms.margin_long.max(), terms.margin_short.max()])),
    )
    return Arena(world, terms, market, inputs.cash)


def marks_of(world: World) -> np.ndarray:
    """Return the price at which the engine values each asset at each close, (T, N): its last one, rescaled by what
    splits and spin-offs did since.
    """
    close = world.close
    if not np.isnan(close).any():
        return close
    marks, dead = close.copy(), _dead_from(world)
    before = np.full(close.shape[1], np.nan)
    moving = np.flatnonzero(np.isin(world.action_kind, (SPLIT, SPINOFF, CONVERSION)))
    a, last = 0, moving.size
    for t in range(close.shape[0]):
        while a < last and world.action_bar[moving[a]] == t:
            _restate(int(moving[a]), t, world, dead, before)
            a += 1
        marks[t] = np.where(close[t] > 0.0, close[t], before)
        before = marks[t].copy()
    return marks


def _restate(a: int, t: int, world: World, dead: np.ndarray, marks: np.ndarray) -> None:
    """Let action a change the marks of the bar before, as the book does."""
    i, kind, value = int(world.action_asset[a]), int(world.action_kind[a]), float(world.action_value[a])
    if dead[i] < t:
        return
    if kind == SPLIT:
        marks[i] *= 1.0 / value
    elif kind == SPINOFF:
        marks[i] *= 1.0 - value
    elif np.isnan(marks[j := int(world.action_other[a])]):
        marks[j] = marks[i] / value


def transposed(prices: np.ndarray, unit: float) -> np.ndarray:
    """Return what a unit is worth, by asset, with a margin behind the last bar; 0 without a price."""
    T, N = prices.shape
    # Rows are an odd number of cache lines long: in rows of 4,096 bytes all assets of a bar share a place in the cache.
    out = np.zeros((N, ((T + c.BLOCK + 8) // 8 | 1) * 8))
    out[:, :T] = np.where(prices > 0.0, prices * unit, 0.0).T
    return out


def _opens(world: World, marks: np.ndarray) -> np.ndarray:
    """The opens, and where there is none the mark of the bar before."""
    before = np.concatenate([np.full((1, marks.shape[1]), np.nan), marks[:-1]])
    return np.where(np.isnan(world.open), before, world.open)


def _dead_from(world: World) -> np.ndarray:
    dead = np.full(world.close.shape[1], world.close.shape[0], dtype=np.int64)
    ends = np.isin(world.action_kind, (CONVERSION, DELISTING))
    np.minimum.at(dead, world.action_asset[ends], world.action_bar[ends])
    return dead


def _kind(rows: np.ndarray) -> int:
    if rows.shape[0] > 1:
        return c.DATED
    first = rows[0, :1]
    same = np.isnan(rows).all() if np.isnan(first).all() else (rows == first).all()
    return c.UNIFORM if same else c.STATIC


@dataclass(frozen=True, slots=True)
class Workshop:
    """The memory that one thread works in; it grows with bars, assets and the runs of a batch.

    Parameters
    ----------
    terms : Terms, whose rows per asset are those of the compact book
    states : States, of up to as many runs as a batch has
    space : Space
    log : Log, without records
    tickets, working : none
    """

    terms: Terms
    states: c.States
    space: c.Space
    log: Log
    tickets: Tickets
    working: Working


def workshop_of(arena: Arena, batch: int) -> Workshop:
    """Return memory for one thread that takes up to ``batch`` runs at a time."""
    world = arena.world
    T, N = world.close.shape
    A, V = world.action_bar.size, batch
    M = 8 * (N // 8 + 8) + 8
    rows = np.zeros((c.ROWS, M))
    for field, name in enumerate((*_FIELDS, "adv")):
        if arena.market.changes[field] == c.UNIFORM:
            rows[field] = getattr(world, name)[0, 0]
            if field >= c.SPREAD:
                rows[field + c.COMING_SPREAD - c.SPREAD] = rows[field]
    rows[c.LONG_FACTOR : c.SHORT_FACTOR + 1] = 1.0
    book = np.full((8, M), np.nan)
    # Columns that stay as they are: waiting orders, room.
    book[5], book[7] = 0.0, np.inf
    space = c.Space(
        rows=rows,
        seen=_seen(rows),
        at=np.full(N, -1, dtype=np.int64),
        listed=_whole(N + 1),
        spots=_whole(N + 1),
        counts=_whole(9),
        book=book,
        whole=_whole(7, M),
        scratch=np.zeros(19 * M),
        done=np.zeros(2 * M),
        mapped=_whole(A),
        others=_whole(A),
        long_assets=_whole(M),
        short_assets=_whole(M),
        long_units=np.zeros(M),
        short_units=np.zeros(M),
        long_ends=_whole(8),
        short_ends=_whole(8),
        parts=np.zeros((8, c.BLOCK)),
        block=np.zeros((7, c.BLOCK)),
        turn=_whole(1),
    )
    states = c.States(
        bar=_whole(V),
        turn=_whole(V),
        status=_whole(V),
        held=_whole(V),
        assets=_whole(V, N + 1),
        units=np.zeros((V, N + 1)),
        cash=np.zeros((V, 1)),
        receivable=np.zeros((V, 1)),
        month_volume=np.zeros((V, 1)),
        flags=_whole(V, 5),
        claims=np.zeros((V, A)),
        cursor=_whole(V, 3),
        sums=np.zeros((V, COLUMNS)),
        counts=_whole(V, COUNTS, M + 1),
        paths=np.zeros((V, 4, T)),
    )
    log = Log(
        tape=np.zeros((T, COLUMNS)),
        counts=_whole(COUNTS, M + 1),
        firsts=_whole(COUNTS, M + 1),
        keep=_whole(1),
        orders=np.zeros((0, 5), dtype=np.int32),
        asked=np.empty((0, 2)),
        fills=np.empty((0, 3), dtype=np.int32),
        paid=np.empty((0, 6)),
        events=np.empty((0, 3), dtype=np.int32),
        moved=np.empty((0, 3)),
        used=_whole(3),
        units=np.zeros((0, 0)),
        marks=np.zeros((0, 0)),
        borrow=np.zeros((0, 0)),
    )
    # Indexed by place, and where claims are paid by asset.
    currency = frozen(_whole(max(N, M)))
    terms = arena.terms._replace(
        currency=currency, margin_long=space.seen[c.LONG_FACTOR], margin_short=space.seen[c.SHORT_FACTOR]
    )
    tickets = Tickets(*(frozen(column) for column in no_tickets()))
    return Workshop(terms, states, space, log, tickets, new_working(0))


def _whole(*shape: int) -> np.ndarray:
    return np.zeros(shape, dtype=np.int64)


def _seen(array: np.ndarray) -> np.ndarray:
    """The same memory, read-only: kernels take the market's rows so."""
    view = array.view()
    view.setflags(write=False)
    return view


def compact_runs(arena: Arena, decided: c.Decided, workshop: Workshop) -> None:
    """Run all of the decided; what came of them stands in the states of the workshop."""
    w = workshop
    kernels.run_many(
        decided.first.size - 1,
        arena.cash,
        _STRIDE,
        arena.world,
        w.terms,
        arena.market,
        decided,
        w.states,
        w.space,
        w.tickets,
        w.working,
        w.log,
    )
