"""``View``: what an event strategy sees at the close of a bar.

Nothing later than the bar is within its reach: prices are copied row by row, as the bars close, into matrices of the
view, and its arrays are read-only. Behind the current row the matrices hold zeros.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from quantlab.backtest import _event_kernels as kernels
from quantlab.backtest._event_batch import Asked
from quantlab.backtest._event_desk import Desk
from quantlab.backtest._event_orders import BarFill, OpenOrder, OrderForm
from quantlab.backtest._prepare_orders import TYPES
from quantlab.backtest._records import FATES
from quantlab.backtest._trades import KINDS
from quantlab.core import Bars, InputError, Panel
from quantlab.core._labels import show
from quantlab.execution import _kernel_types as k

OrderId: TypeAlias = int

_TYPE_WORDS = {number: word for word, number in TYPES.items()}


class Seen:
    """The rows of the bars that have closed, field by field; a field is copied when it is first asked for."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._matrix: dict[str, np.ndarray] = {}
        self._rows: dict[str, int] = {}

    def until(self, field: str, t: int) -> np.ndarray:
        """Return the rows of a field up to bar t, read-only."""
        matrix = self._matrix.get(field)
        if matrix is None:
            if field not in ("open", "high", "low", "close", "volume", "member"):
                raise InputError(f"`field` must be open, high, low, close, volume or member, received {field!r}.")
            source = self._bars.demand(field).values
            # Memory that no row touches is never committed by the operating system.
            matrix = self._matrix[field] = np.zeros(source.shape, dtype=source.dtype)
            self._rows[field] = 0
        rows = self._rows[field]
        if rows <= t:
            matrix[rows : t + 1] = getattr(self._bars, field).values[rows : t + 1]
            self._rows[field] = t + 1
        view = matrix[: t + 1]
        view.flags.writeable = False
        return view


class View:
    """What is known at the close of a bar: the half of a :class:`Context` that only looks."""

    __slots__ = ("_axes", "_back", "_desk", "_form", "_last", "_open", "_seen", "_slippage", "symbols", "t")

    def __init__(self, bars: Bars, desk: Desk, form: OrderForm, unknown_slippage: np.ndarray | None) -> None:
        self._desk, self._form, self._seen = desk, form, Seen(bars)
        self._axes = form.axes
        self._back = np.argsort(form.axes.order)
        self._slippage = unknown_slippage
        self._open = False
        self._last: int | None = None
        self.symbols: tuple[str, ...] = bars.symbols
        self.t = -1

    @property
    def date(self) -> np.datetime64:
        """The date of the bar; a daily bar's session, an intraday bar's end in UTC."""
        return self._axes.dates[self._now()]

    @property
    def open(self) -> np.ndarray:
        """(N,) opens of this bar."""
        return self._row("open")

    @property
    def high(self) -> np.ndarray:
        """(N,) highs of this bar."""
        return self._row("high")

    @property
    def low(self) -> np.ndarray:
        """(N,) lows of this bar."""
        return self._row("low")

    @property
    def close(self) -> np.ndarray:
        """(N,) closes of this bar."""
        return self._row("close")

    @property
    def volume(self) -> np.ndarray:
        """(N,) shares traded on this bar."""
        return self._row("volume")

    @property
    def member(self) -> np.ndarray:
        """(N,) bool, the universe at this close."""
        return self._row("member")

    @property
    def prices(self) -> np.ndarray:
        """(N,) last close of each symbol, at which it is valued."""
        return self._out(self._desk.book.mark)

    @property
    def positions(self) -> np.ndarray:
        """(N,) shares held, shorts negative."""
        return self._out(self._desk.book.units * self._form.lot.unit)

    @property
    def held(self) -> dict[str, float]:
        """Shares of each symbol that is held, in canonical order."""
        units, unit = self._desk.book.units, self._form.lot.unit
        return {self._axes.symbols[i]: float(units[i] * unit) for i in np.flatnonzero(units)}

    @property
    def equity(self) -> float:
        """Cash, dividends due, and positions at their last closes."""
        return self._desk.inputs.cash if self.t < 0 else float(self._desk.log.tape[self.t, k.EQUITY])

    @property
    def cash(self) -> float:
        """All currencies together."""
        return self._desk.inputs.cash if self.t < 0 else float(self._desk.log.tape[self.t, k.CASH])

    @property
    def buying_power(self) -> float:
        """What more could be bought at the initial margin, before costs and open orders."""
        desk = self._desk
        return float(kernels.buying_power(self._now(), self.equity, desk.inputs.world, desk.terms, desk.book))

    @property
    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Explicit orders that can still be filled, those of this close included, those taken back left out."""
        unit = self._form.lot.unit
        return tuple(
            OpenOrder(
                identity,
                self._axes.symbols[asked.asset],
                left * unit,
                _TYPE_WORDS[asked.kind],
                *self._levels(asked, at),
            )
            for identity, asked, left, at in self._desk.open_orders()
        )

    @property
    def fills(self) -> tuple[BarFill, ...]:
        """What was filled since the strategy was last asked, in order; exits, calls and rebalancing included."""
        log, unit, desk = self._desk.log, self._form.lot.unit, self._desk
        return tuple(
            BarFill(
                self._axes.symbols[log.fills[row, 2]],
                float(log.paid[row, 0] * unit),
                float(log.paid[row, 2]),
                float(log.paid[row, 3]),
                KINDS[log.orders[log.fills[row, 0], 2]],
                desk.id_of_fill(int(log.fills[row, 0])),
            )
            for row in desk.new_fills()
        )

    def position(self, symbol: str) -> float:
        """Return the shares held of one symbol."""
        return float(self._desk.book.units[self._form.asset(symbol, max(self.t, 0))] * self._form.lot.unit)

    def history(self, field: str, window: int) -> np.ndarray:
        """Return the last ``window`` rows of a field up to this close, oldest first.

        Parameters
        ----------
        field : "open" | "high" | "low" | "close" | "volume" | "member"
        window : int >= 1, bars

        Returns
        -------
        numpy.ndarray (window, N)
            Read-only, a view without a copy. Rows before the first bar are NaN (False for ``member``); only these are
            copied.

        Raises
        ------
        InputError
            When the bars do not have the field, or ``window`` is below 1.
        """
        if isinstance(window, bool) or not isinstance(window, (int, np.integer)) or window < 1:
            raise InputError(f"`window` must be an integer >= 1, received {window!r}.")
        seen = self._seen.until(field, self._now())
        if window <= seen.shape[0]:
            return seen[seen.shape[0] - window :]
        padded = np.full((window, seen.shape[1]), np.nan if seen.dtype == np.float64 else False, dtype=seen.dtype)
        padded[window - seen.shape[0] :] = seen
        padded.flags.writeable = False
        return padded

    def panel(self, field: str = "close") -> Panel:
        """Return a field up to this close as a Panel (t + 1, N), for the functions of ``quantlab``; nothing is copied
        but the dates.
        """
        dates = self._axes.dates[: self._now() + 1].copy()
        dates.flags.writeable = False
        return Panel._trusted(self._seen.until(field, self.t), dates, self.symbols, self._form.bars.frequency)

    def status(self, order: OrderId) -> str:
        """Return what became of an order: "open", "withdrawn" as long as it is taken back and not ended, or a status
        of ``Result.orders`` such as "filled" or "cancelled".
        """
        self._demand_order(order)
        if self._desk.is_open(order):
            return "withdrawn" if order in self._desk.withdrawn else "open"
        ticket = self._desk.ticket_of[order]
        return "cancelled" if ticket < 0 else FATES[self._desk.working.status[ticket]][0]

    def __repr__(self) -> str:
        where = "before the first bar" if self.t < 0 else show(self._axes.dates[self.t])
        return f"Context of {len(self.symbols)} symbols, {where}: equity {self.equity:,.2f}"

    # Inside

    def _now(self) -> int:
        if self.t < 0:
            raise InputError("No bar has closed yet: `on_start` sees the symbols and the cash.")
        return self.t

    def _row(self, field: str) -> np.ndarray:
        return self._seen.until(field, self._now())[-1]

    def _out(self, canonical: np.ndarray) -> np.ndarray:
        """A read-only copy in the order of ``symbols``."""
        out = canonical[self._back]
        out.flags.writeable = False
        return out

    def _levels(self, asked: Asked, ticket: int) -> tuple[float, float]:
        """Limit and stop as they stand now: splits rescale them, a trailing stop follows its price."""
        if ticket < 0:
            return asked.limit, asked.stop
        working, stop = self._desk.working, float(self._desk.working.stop[ticket])
        if asked.kind == k.TRAIL:
            water, distance = working.water[ticket], working.trail[ticket]
            distance = water * working.trail_fraction[ticket] if np.isnan(distance) else distance
            stop = float(water - distance if asked.units < 0 else water + distance)
        return float(working.limit[ticket]), stop

    def _demand_order(self, order: Any) -> None:
        known = len(self._desk.asked)
        if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or not 0 <= order < known:
            raise InputError(
                f"{order!r} is no id of an order.", hint="`order` returns it, None for one that was not sent."
            )
