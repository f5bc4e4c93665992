"""What a run writes down: the tape, the counts, and every order, fill and booked action.

Money arrives as single amounts in the account's currency and is summed once per bar, by ``math.fsum``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from quantlab.backtest._reference._rounding import total
from quantlab.backtest._run import Records
from quantlab.execution import _kernel_types as kt

__all__ = ["Ledger", "Order"]

# What is counted when an order gets this status. A cut by volume and a delisting are counted where they happen.
COUNTED = {
    kt.SKIPPED: kt.COUNT_SKIPPED,
    kt.MISSING_PRICE: kt.COUNT_MISSING_PRICE,
    kt.UNAFFORDABLE: kt.COUNT_UNAFFORDABLE,
    kt.NO_NEXT_BAR: kt.COUNT_NO_NEXT_BAR,
    kt.MARGIN_REJECTED: kt.COUNT_MARGIN_REJECTED,
    kt.LEAVING: kt.COUNT_SKIPPED,
    kt.TOO_SMALL: kt.COUNT_BELOW_ONE_LOT,
    **dict.fromkeys(
        (kt.TAKEN_BACK, kt.REPLACED, kt.GROUPED, kt.CALLED, kt.EXITED, kt.CLOSED, kt.SPLIT_AWAY, kt.ENDED),
        kt.COUNT_CANCELLED,
    ),
    kt.EXPIRED: kt.COUNT_EXPIRED,
}


@dataclass(slots=True)
class Order:
    """One order as it is recorded. ``units`` is NaN where nothing could be sized.

    ``cut`` is the status of what made it smaller than asked.
    """

    row: int
    decided: int
    asset: int
    kind: int
    status: int
    units: float
    price: float
    cut: int = 0


@dataclass(slots=True)
class Ledger:
    """The written side of a run: nothing in it is ever read by the rules."""

    bars: int
    assets: int
    tape: np.ndarray = field(init=False)
    counts: np.ndarray = field(init=False)
    firsts: np.ndarray = field(init=False)
    money: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    orders: list[Order] = field(default_factory=list)
    fills: list[tuple[int, int, int]] = field(default_factory=list)
    paid: list[tuple[float, ...]] = field(default_factory=list)
    events: list[tuple[int, int, int]] = field(default_factory=list)
    moved: list[tuple[float, ...]] = field(default_factory=list)
    units: list[list[float]] = field(default_factory=list)
    marks: list[list[float]] = field(default_factory=list)
    borrow: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tape = np.zeros((self.bars, kt.COLUMNS))
        self.counts = np.zeros((kt.COUNTS, self.assets + 1), dtype=np.int64)
        self.firsts = np.full((kt.COUNTS, self.assets + 1), -1, dtype=np.int64)
        self.borrow = [[0.0] * self.assets for _ in range(self.bars)]

    def order(self, t: int, asset: int, kind: int, status: int, units: float, price: float) -> Order:
        """Write an order down and return it; its status may change later."""
        order = Order(len(self.orders), t, asset, kind, kt.WORKING, units, price)
        self.orders.append(order)
        self.end(order, status, t)
        return order

    def end(self, order: Order, status: int, t: int) -> None:
        """Give an order its status at bar t."""
        order.status = status
        if status in COUNTED:
            self.count(COUNTED[status], t, order.asset)

    def count(self, what: int, t: int, asset: int | None = None) -> None:
        """Count something for an asset, or for the book."""
        column = self.assets if asset is None else asset
        self.counts[what, column] += 1
        if self.firsts[what, column] < 0:
            self.firsts[what, column] = t

    def fill(self, order: Order, t: int, units: float, reference: float, price: float, *costs: float) -> None:
        """Write a fill down; ``costs`` are commission, fees and slippage in the asset's currency."""
        self.fills.append((order.row, t, order.asset))
        self.paid.append((units, reference, price, *costs))

    def event(self, t: int, asset: int, kind: int, units: float, price: float, cash: float) -> None:
        """Write a booked action down: the change of units, the price per share, the cash or claim."""
        self.events.append((t, asset, kind))
        self.moved.append((units, price, cash))

    def end_bar(self, t: int) -> None:
        """Sum the money of the bar into the tape."""
        for column, amounts in self.money.items():
            self.tape[t, column] = total(amounts)
        self.money.clear()

    def records(self) -> Records:
        """Return everything as arrays."""

        def table(rows: list[tuple[float, ...]], width: int) -> np.ndarray:
            return np.array(rows, dtype=np.float64).reshape(len(rows), width)

        labels = [(order.decided, order.asset, order.kind, order.status, order.cut) for order in self.orders]
        return Records(
            orders=np.array(labels, dtype=np.int32).reshape(len(labels), 5),
            asked=table([(order.units, order.price) for order in self.orders], 2),
            fills=np.array(self.fills, dtype=np.int32).reshape(len(self.fills), 3),
            paid=table(self.paid, 6),
            events=np.array(self.events, dtype=np.int32).reshape(len(self.events), 3),
            moved=table(self.moved, 3),
            units=np.array(self.units, dtype=np.float64).reshape(self.bars, self.assets),
            marks=np.array(self.marks, dtype=np.float64).reshape(self.bars, self.assets),
            borrow=np.array(self.borrow, dtype=np.float64).reshape(self.bars, self.assets),
        )
