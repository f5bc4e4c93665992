"""The engine: against vectorbt and bt where all of them agree, against the copy floor, its memory and compilation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import _memory
import numpy as np
from _books import SHARED, Agreed, Book
from _peers import ENGINES, better_engine, demand_equal, frame, vectorbt_run
from _timing import in_turn, paired, process, row

import quantlab as ql
from quantlab.backtest import simulate_orders

MONTHLY, DAILY, WIDE = Book(2520, 500, 21), Book(2520, 500, 1), Book(2520, 2000, 1)


def demo_backtest() -> list[dict[str, Any]]:
    dates = np.datetime64("1995-01-02") + np.arange(7053)
    rng = np.random.default_rng(0)
    prices = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.015, (dates.size, 20)), axis=0))
    close = ql.Panel(prices, dates, [f"S{i:02d}" for i in range(20)], frequency=ql.Frequency.daily("24/7"))
    bars = ql.as_bars(close)
    weights = ql.portfolio.long_short(ql.signals.momentum(close), top=0.3, rebalance=21)
    costs = ql.Costs(
        commission=ql.PerShare(0.005, minimum=1.0, maximum=0.01), slippage=ql.Bps(5), borrow=ql.Borrow(0.005)
    )

    def simulate() -> None:
        ql.simulate(weights, bars, costs=costs, fill="next_close").equity  # noqa: B018

    ours, floor = paired(simulate, lambda: close.values.copy(), repeats=50)
    return [
        row(
            "demo backtest, warm", ours * 1e3, floor * 1e3, aim="< 5 ms", met=ours < 0.005, unit="ms",
            note="7,053 x 20, decisions every 21 bars, all costs; reference is a copy of the price matrix",
        )
    ]  # fmt: skip


def rebalanced() -> list[dict[str, Any]]:
    """Target weights, shared cash, costs: lean, with records, and with what vectorbt cannot do."""
    return [
        line
        for book, often, repeats in ((MONTHLY, "monthly", 7), (DAILY, "daily", 7), (WIDE, "daily", 3))
        for line in _rebalanced(book, often, repeats)
    ]


def _rebalanced(book: Book, often: str, repeats: int) -> list[dict[str, Any]]:
    agreed = Agreed(book)
    engine, note = better_engine(agreed.vectorbt)
    agreed.demand(agreed.vectorbt(engine).value())

    def recorded() -> None:
        result = book.shared()
        _ = result.equity, result.orders, result.positions

    def their_records() -> None:
        result = agreed.vectorbt(engine)
        _ = result.value(), result.orders.records, result.assets()

    lean, records, full, theirs, recorded_there, floor, full_floor = in_turn(
        lambda: book.shared().equity,
        recorded,
        lambda: book.everything().equity,
        lambda: agreed.vectorbt(engine).value(),
        their_records,
        copies(book.close, book.values),
        copies(book.close, book.close, book.close, book.values),
        repeats=repeats,
    )
    shape, orders = f"engine {book.N:,} x {book.T:,} {often}", book.values.size
    more = "Reg-T, interest, borrow, dividends, splits, minimum commission, fees: vectorbt has none"
    return [
        against(f"{shape}, equity only", lean, theirs, f"{note}; same fills, same equity"),
        against(f"{shape}, with records", records, recorded_there, f"{note}; {orders:,} orders, positions"),
        against(f"{shape}, every feature", full, theirs, more, aim=100.0 if book is DAILY else 1.0),
        floor_row(f"{shape}, equity only", lean, floor, "close and weights", orders),
        floor_row(f"{shape}, every feature", full, full_floor, "close, open, rates, weights", orders),
    ]


def against(name: str, ours: float, theirs: float, note: str, *, aim: float = 1.0) -> dict[str, Any]:
    """A row against vectorbt."""
    return row(
        f"{name}, vectorbt", ours * 1e3, theirs * 1e3, unit="ms", ratio=theirs / ours, note=note,
        aim=f"peer / ours {'>' if aim == 1 else '>='} {aim:g}", met=theirs >= aim * ours,
    )  # fmt: skip


def floor_row(name: str, ours: float, floor: float, what: str, orders: int) -> dict[str, Any]:
    return row(
        f"{name}, copy floor", ours * 1e3, floor * 1e3, unit="ms", aim="none", met=True,
        note=f"reference is one copy of {what}; {ours / orders * 1e9:.1f} ns an order",
    )  # fmt: skip


def copies(*matrices: np.ndarray) -> Callable[[], None]:
    """A side that copies each matrix once into memory that is there already: what has to be moved at least."""
    targets = [matrix.copy() for matrix in matrices]

    def run() -> None:
        for target, matrix in zip(targets, matrices, strict=True):
            np.copyto(target, matrix)

    return run


def against_bt() -> list[dict[str, Any]]:
    """The same books in bt, which steps a tree of Python objects: half a year of daily rebalancing has to do."""
    rows = []
    for book, label, note in (
        (MONTHLY, "500 x 2,520 monthly", ""),
        (Book(126, 500, 1), "500 x 126 daily", "; 126 bars, since 2,520 take bt more than a minute"),
    ):
        agreed = Agreed(book, slippage=0.0)
        agreed.demand(agreed.bt())

        def ours(book: Book = book) -> Any:
            return book.shared(slippage=0.0).equity

        mine, theirs = paired(ours, agreed.bt, repeats=3)
        ratio = theirs / mine
        rows.append(
            row(
                f"engine {label}, equity only, bt", mine * 1e3, theirs * 1e3, unit="ms", ratio=ratio,
                aim="peer / ours > 1", met=ratio > 1,
                note=f"fee in %; {theirs / book.T * 1e3:.1f} ms a bar against {mine / book.T * 1e6:.0f} us{note}",
            )
        )  # fmt: skip
    return rows


def explicit_orders() -> list[dict[str, Any]]:
    """An order in every cell: a million fills, in fractions of shares, with proportional costs."""
    book = Book(1000, 1000, 1)
    amounts = np.random.default_rng(5).normal(0.0, 10.0, book.close.shape)
    orders, costs = book.panel(amounts), ql.Costs(commission=ql.Proportional(0.0005), slippage=ql.Bps(5))
    close, size = frame(book.close), frame(amounts)

    def ours() -> Any:
        return simulate_orders(orders, book.bars, kind="shares", costs=costs, **SHARED)

    def theirs(engine: str) -> Any:
        return vectorbt_run(close, size, "amount", engine=engine, fees=0.0005, slippage=0.0005, call_seq="default")

    engine, note = better_engine(theirs)
    peer = theirs(engine)
    demand_equal(float(peer.value().iloc[-1]), float(ours().equity.values[-1, 0]), "explicit orders")
    demand_equal(len(peer.order_records), amounts.size, "the number of explicit orders")

    def recorded() -> None:
        result = ours()
        _ = result.equity, result.orders, result.positions

    def their_records() -> None:
        result = theirs(engine)
        _ = result.value(), result.orders.records, result.assets()

    lean, records, peer_lean, peer_records, floor = in_turn(
        lambda: ours().equity,
        recorded,
        lambda: theirs(engine).value(),
        their_records,
        copies(book.close, amounts),
        repeats=5,
    )
    name, rate = "engine 1,000 x 1,000 explicit orders", amounts.size / lean
    return [
        against(f"{name}, equity only", lean, peer_lean, f"{note}; an order in every cell"),
        against(f"{name}, with records", records, peer_records, f"{note}; an order in every cell"),
        floor_row(name, lean, floor, "close and orders", amounts.size),
        row(
            "engine trades per second", rate, 1000.0, unit="1/s", aim=">= 10,000,000", met=rate >= 1e7,
            note="1,000,000 explicit orders, all filled; 1,000 trades a second are required",
        ),
    ]  # fmt: skip


def memory() -> list[dict[str, Any]]:
    """Peak memory of one run above its inputs, each in a fresh process."""
    rows = []
    for book, often in ((MONTHLY, "monthly"), (DAILY, "daily"), (WIDE, "daily")):
        shape = (book.T, book.N, book.every)
        for keep, label in ((False, "equity only"), (True, "with records")):
            ours = _memory.child("_engine_rows", "peak_of_ours", *shape, keep)
            peer = min(_memory.child("_engine_rows", "peak_of_vectorbt", *shape, keep, engine) for engine in ENGINES)
            rows.append(
                row(
                    f"engine {book.N:,} x {book.T:,} {often}, peak memory, {label}", ours, peer, unit="MiB",
                    aim="<= 1x", met=ours <= peer, note="above the inputs, fresh process; vectorbt's leaner engine",
                )
            )  # fmt: skip
    return rows


def peak_of_ours(T: int, N: int, every: int, keep: bool) -> float:
    small, book = Book(50, 20, 1), Book(T, N, every)
    warm = small.shared()
    _ = warm.orders, warm.positions
    _ = book.weights, book.bars

    def job() -> object:
        result = book.shared()
        return (result.equity, result.orders, result.positions) if keep else result.equity

    return _memory.peak_of(job)


def peak_of_vectorbt(T: int, N: int, every: int, keep: bool, engine: str) -> float:
    small, book = Book(50, 20, 1), Book(T, N, every)
    values = np.full(book.close.shape, np.nan)
    values[book.rows] = book.values
    close, size = frame(book.close), frame(values)
    vectorbt_run(frame(small.close), frame(small.values), "targetpercent", engine=engine).value()

    def job() -> object:
        result = vectorbt_run(close, size, "targetpercent", engine=engine, fees=0.0005, slippage=0.0005)
        return (result.value(), result.orders.records, result.assets()) if keep else result.value()

    return _memory.peak_of(job)


_KERNELS = """
from _books import Book
book = Book(60, 5, 1)
for result in (book.shared(), book.everything()):
    result.equity, result.orders, result.positions, result.trades
import quantlab as ql
from quantlab.backtest import simulate_orders
orders = simulate_orders(book.panel(0 * book.close + 1), book.bars, kind="shares", fill="next_close")
orders.equity, orders.orders
"""


def compilation() -> list[dict[str, Any]]:
    """All kernels that a backtest calls, compiled for the first time ever and taken from the cache."""
    setting = {"PYTHONPATH": str(_memory.HERE)}
    with tempfile.TemporaryDirectory() as directory:
        before = os.times().children_user
        cold = process(_KERNELS, QUANTLAB_CACHE_DIR=directory, **setting)
        worked = os.times().children_user - before
        warm = min(process(_KERNELS, QUANTLAB_CACHE_DIR=directory, **setting) for _ in range(3))
    spent = cold - warm
    return [
        row(
            "engine, first-ever compilation of every kernel", spent, 60.0, unit="s", aim="< 60 s", met=spent < 60,
            note=f"cold process {cold:.1f} s, {worked:.1f} s of it at work; whole process from the cache {warm:.1f} s",
        )
    ]  # fmt: skip
