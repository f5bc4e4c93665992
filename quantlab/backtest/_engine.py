"""Runs of the compiled engine: the arrays of a book, the log that grows with its records, and the outcome."""

from __future__ import annotations

import numpy as np

from quantlab.backtest import _engine_kernels as kernels
from quantlab.backtest._run import Inputs, Records, Run
from quantlab.execution._kernel_types import COLUMNS, COUNTS, PENDING, RUINED, STOPPED, Book, Log, Working

__all__ = ["kernel_run"]


def kernel_run(inputs: Inputs, *, keep: bool = False) -> Run:
    """Return the run of the compiled engine; ``keep`` asks for its records too.

    Without records memory is one row per bar and a few per asset; with them three (T, N) matrices, 36 bytes per order,
    60 per fill and 36 per action that was booked.
    """
    world, terms = inputs.world, inputs.terms
    book = new_book(inputs)
    working = new_working(inputs.tickets.placed.size)
    log = new_log(inputs, keep)
    cursor = np.zeros(3, dtype=np.int64)
    T = world.close.shape[0]
    t = 0
    while True:
        t = kernels.run(t, T, world, terms, inputs.rows, inputs.values, inputs.tickets, cursor, book, working, log)
        if t >= T or book.flags[STOPPED] > 0:
            break
        log = grown(log, inputs)
    return Run(
        log.tape,
        log.counts,
        log.firsts,
        int(book.flags[RUINED]),
        int(t) if book.flags[STOPPED] > 0 else -1,
        records(log) if keep else None,
    )


def new_book(inputs: Inputs) -> Book:
    """Return the book of an account before its first bar."""
    N, C = inputs.world.close.shape[1], inputs.world.fx.shape[1]
    nothing, none = np.full(N, np.nan), np.full(N, -1, dtype=np.int64)
    cash = np.zeros(C)
    cash[0] = inputs.cash
    flags = np.zeros(5, dtype=np.int64)
    flags[[0, RUINED, PENDING]] = -1

    def whole() -> np.ndarray:
        return np.zeros(N, dtype=np.int64)

    return Book(
        cash=cash,
        receivable=np.zeros(C),
        units=np.zeros(N),
        mark=nothing.copy(),
        entry=nothing.copy(),
        peak=nothing.copy(),
        trough=nothing.copy(),
        entered=none.copy(),
        opened=whole(),
        dead=whole(),
        barred=whole(),
        due=np.zeros(N),
        due_kind=whole(),
        due_age=whole(),
        due_row=none.copy(),
        done=np.zeros((2, N)),
        target=nothing.copy(),
        room=np.full(N, np.inf),
        claims=np.zeros(inputs.world.action_bar.size),
        month_volume=np.zeros(1),
        flags=flags,
        scratch=np.zeros((19, N)),
    )


def new_working(K: int) -> Working:
    """Return the state of K explicit orders before the first is placed."""

    def whole() -> np.ndarray:
        return np.zeros(K, dtype=np.int64)

    def number() -> np.ndarray:
        return np.full(K, np.nan)

    return Working(
        status=whole(),
        left=number(),
        limit=number(),
        stop=number(),
        trail=number(),
        trail_fraction=number(),
        water=number(),
        triggered=whole(),
        met=whole(),
        first_session=whole(),
        done=np.zeros((2, K)),
        rank=whole(),
        price=number(),
        row=np.full(K, -1, dtype=np.int64),
        live=whole(),
        count=np.zeros(2, dtype=np.int64),
    )


def new_log(inputs: Inputs, keep: bool) -> Log:
    """Return an empty log; with ``keep`` with space for one order per name and decision."""
    T, N = inputs.world.close.shape
    if keep:
        expected = 8 * N + min(inputs.rows.size, T) * N + 2 * inputs.tickets.placed.size
        sizes = (expected, expected, 2 * inputs.world.action_bar.size + 2)
        matrix = (T, N)
    else:
        sizes, matrix = (0, 0, 0), (0, 0)
    return Log(
        tape=np.zeros((T, COLUMNS)),
        counts=np.zeros((COUNTS, N + 1), dtype=np.int64),
        firsts=np.full((COUNTS, N + 1), -1, dtype=np.int64),
        keep=np.array([int(keep)]),
        # Memory that no row touches is never committed by the operating system.
        orders=np.zeros((sizes[0], 5), dtype=np.int32),
        asked=np.empty((sizes[0], 2)),
        fills=np.empty((sizes[1], 3), dtype=np.int32),
        paid=np.empty((sizes[1], 6)),
        events=np.empty((sizes[2], 3), dtype=np.int32),
        moved=np.empty((sizes[2], 3)),
        used=np.zeros(3, dtype=np.int64),
        units=np.zeros(matrix),
        marks=np.full(matrix, np.nan),
        borrow=np.zeros(matrix),
    )


def grown(log: Log, inputs: Inputs) -> Log:
    """Return the log with more space for records."""
    N = inputs.world.close.shape[1]
    extra = 12 * N + inputs.tickets.placed.size + inputs.world.action_bar.size

    def longer(table: np.ndarray) -> np.ndarray:
        out = np.zeros((table.shape[0] + table.shape[0] // 2 + extra, table.shape[1]), dtype=table.dtype)
        out[: table.shape[0]] = table
        return out

    return log._replace(
        orders=longer(log.orders),
        asked=longer(log.asked),
        fills=longer(log.fills),
        paid=longer(log.paid),
        events=longer(log.events),
        moved=longer(log.moved),
    )


def records(log: Log) -> Records:
    """Return what a log holds, without its spare space."""
    orders, fills, events = (int(n) for n in log.used)
    return Records(
        log.orders[:orders],
        log.asked[:orders],
        log.fills[:fills],
        log.paid[:fills],
        log.events[:events],
        log.moved[:events],
        log.units,
        log.marks,
        log.borrow,
    )
