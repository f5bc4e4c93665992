"""What the rules act upon: the market as rows, and the book between two steps.

A row of the market is asked for by bar. An input with a single row holds for every bar. No rule asks for a row behind
the bar that it stands on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from quantlab.backtest._reference._records import Ledger, Order
from quantlab.backtest._reference._rounding import lots, sign, total
from quantlab.backtest._run import Inputs
from quantlab.execution import _kernel_types as kt
from quantlab.execution._kernel_types import Terms

__all__ = ["EXITS", "Claim", "Live", "Position", "State", "Ticket"]

# An asset with one of these waiting is "under an exit".
EXITS = (kt.STOP_LOSS, kt.TAKE_PROFIT, kt.TRAILING, kt.TIME_STOP)


class Market:
    """The World as plain lists, row by row: ``market.row("close", t)[i]``."""

    def __init__(self, inputs: Inputs) -> None:
        world = inputs.world
        self._rows: dict[str, list[Any]] = {name: getattr(world, name).tolist() for name in world._fields}
        self.bars, self.assets = world.close.shape

    def row(self, name: str, t: int) -> list[Any]:
        """Return the row of an input at bar t."""
        rows = self._rows[name]
        return rows[t] if len(rows) > 1 else rows[0]

    def number(self, name: str, t: int) -> int:
        """Return a number of bar t: days, month, session."""
        return int(self._rows[name][t])

    def column(self, name: str) -> list[Any]:
        """Return a whole input: the table of actions."""
        return self._rows[name]


@dataclass(slots=True)
class Live:
    """An order that may still fill: what is left of it, and what it has filled (shares, value at fill prices, and the
    commission on them).

    ``age`` counts the bars that it has met; ``cut`` says whether volume has ever cut it.
    """

    order: Order
    left: float
    shares: float = 0.0
    value: float = 0.0
    age: int = 0
    cut: bool = False


@dataclass(slots=True)
class Ticket(Live):
    """An explicit order with its terms, rescaled by splits."""

    type: int = kt.MARKET
    tif: int = kt.GOOD_TILL_CANCELLED
    until: int = 0
    group: int = -1
    reduce_only: bool = False
    limit: float = math.nan
    stop: float = math.nan
    trail: float = math.nan
    trail_fraction: float = math.nan
    water: float = math.nan
    triggered: bool = False


@dataclass(slots=True)
class Position:
    """What the book knows of one asset; flat when ``units`` is 0, and then without an entry.

    ``waiting`` is its book order, ``target`` the last decided weight, ``barred`` the side that an exit has closed.
    """

    units: float = 0
    mark: float = math.nan
    entry: float = math.nan
    peak: float = math.nan
    trough: float = math.nan
    entered: int = -1
    opened: bool = False
    dead: bool = False
    barred: int = 0
    target: float = math.nan
    waiting: Live | None = None

    def forget_entry(self) -> None:
        """Close the position's history once it is flat."""
        self.entry = self.peak = self.trough = math.nan
        self.entered, self.opened = -1, False


@dataclass(slots=True)
class Claim:
    """A dividend that was booked on its ex-date and is paid at bar ``pay``; owed by shorts."""

    pay: int
    currency: int
    amount: float


@dataclass(slots=True)
class State:
    """The book at bar t, the market around it and the ledger that it writes.

    ``at_open``: nothing of this bar is known but its open, and exchange rates are those of the close before.
    """

    market: Market
    terms: Terms
    ledger: Ledger
    cash: list[float]
    receivable: list[float]
    positions: list[Position]
    tickets: list[Ticket] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    room: list[float] = field(default_factory=list)
    unsized: list[float] | None = None
    unsized_at: int = -1
    decided: bool = False
    month: int = -1
    month_shares: float = 0.0
    t: int = 0
    at_open: bool = False
    ruined: int = -1
    stopped: int = -1

    def now(self, name: str) -> list[Any]:
        """Return the row of an input at this bar."""
        return self.market.row(name, self.t)

    def currency(self, i: int) -> int:
        """Return the currency of an asset, a column of the rates."""
        return int(self.terms.currency[i])

    def rate(self, i: int) -> float:
        """Return the account's currency per unit of the asset's, at this bar."""
        return float(self.rates()[self.currency(i)])

    def rates(self) -> list[float]:
        """Return the account's currency per unit of each, as known now."""
        return self.market.row("fx", max(self.t - 1, 0)) if self.at_open else self.now("fx")

    def worth(self, i: int, price: float) -> float:
        """Return the value of one unit at a price, in the account's currency."""
        return self.terms.unit * price * self.rate(i)

    def marks(self) -> list[float]:
        """Return the marks of all assets."""
        return [position.mark for position in self.positions]

    def units(self) -> list[float]:
        """Return the units of all assets."""
        return [position.units for position in self.positions]

    def cash_in_base(self) -> float:
        """Return the cash of all currencies at this bar's rates."""
        return total(cash * rate for cash, rate in zip(self.cash, self.rates(), strict=True))

    def receivable_in_base(self) -> float:
        """Return what is due and not paid, at this bar's rates."""
        return total(claim * rate for claim, rate in zip(self.receivable, self.rates(), strict=True))

    def equity(self, prices: list[float]) -> float:
        """Return cash, receivables and positions at the given prices."""
        values = [held.units * self.worth(i, prices[i]) for i, held in enumerate(self.positions) if held.units]
        return total([self.cash_in_base(), self.receivable_in_base(), *values])

    def book_money(self, column: int, amount: float) -> None:
        """Write an amount of the account's currency on the tape of this bar."""
        self.ledger.money[column].append(amount)

    def lots(self, x: float) -> float:
        """Return whole lots toward zero, in units."""
        return lots(x, self.terms)

    def closing(self, i: int, units: float) -> float:
        """Return the part of a change that brings the position towards flat: 0 when it opens."""
        return closing_part(self.positions[i].units, units)

    def end(self, live: Live, status: int) -> None:
        """Give an order its last status and take it off the book."""
        self.ledger.end(live.order, status, self.t)
        position = self.positions[live.order.asset]
        if position.waiting is live:
            position.waiting = None

    def wait(self, i: int, kind: int, units: float) -> None:
        """Set the order that closes a position; it takes the place of what waits."""
        position = self.positions[i]
        if position.waiting is not None:
            self.end(position.waiting, kt.CALLED if kind in (kt.MARGIN_CALL, kt.BUY_IN) else kt.EXITED)
        order = self.ledger.order(self.t, i, kind, kt.WORKING, units, position.mark)
        position.waiting = Live(order, units)

    def working(self) -> list[Ticket]:
        """Return the explicit orders that are alive, by placement."""
        return [ticket for ticket in self.tickets if ticket.order.status == kt.WORKING]


def closing_part(held: float, change: float) -> float:
    """Return the part of a change that brings ``held`` towards 0, and not beyond."""
    if sign(held) * sign(change) >= 0:
        return 0
    return sign(change) * min(abs(change), abs(held))
