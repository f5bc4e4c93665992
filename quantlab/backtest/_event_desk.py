"""The book-keeper of an event strategy: the compiled engine stepped one close at a time, and the orders on their way.

What a strategy decides at the close of bar t is a *batch*; it is acted upon at that close, or ``delay - 1`` bars later.
Cancellations of a batch come first, then its orders, then its weights. Explicit orders become rows of ``Tickets``, in
arrays that double when they are full: a row beyond the last order is placed on no bar.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quantlab.backtest import _engine_kernels as kernels
from quantlab.backtest._engine import grown, new_book, new_log, new_working, records
from quantlab.backtest._event_batch import FOR_ITS_ENTRY, ON_ITS_WAY, WITHDRAWN, Asked, Batch, Bracketed
from quantlab.backtest._prepare_actions import Restatement, restatements
from quantlab.backtest._run import Inputs, Run
from quantlab.execution._kernel_types import (
    AT_CLOSE,
    COUNT_CANCELLED,
    MARKET,
    MARKET_CLOSE,
    MARKET_OPEN,
    NO_NEXT_BAR,
    ORDER,
    RUINED,
    SHARES,
    STOPPED,
    TAKEN_BACK,
    WEIGHTS,
    WORKING,
    Tickets,
    Working,
)

# Orders that are filled at the next price of their kind, whatever it is.
_SURE = (MARKET, MARKET_OPEN, MARKET_CLOSE)

_NEVER = np.iinfo(np.int64).max
_FIRST_CAPACITY = 64


class Desk:
    """The state of one run between two closes.

    Attributes
    ----------
    inputs : Inputs, with ``Terms.mode`` WEIGHTS and without decisions
    book, working, log : the engine's, read by the context
    asked : list of Asked, by order id
    ticket_of : list of int, by order id: its row among the tickets, or one of the three above
    id_of : list of int, by ticket
    withdrawn : set of int, orders that are taken back and not ended yet
    coming : (N,), units that are on their way to be traded for sure, at the next price
    """

    def __init__(self, inputs: Inputs, delay: int) -> None:
        self.inputs = inputs
        self.terms = inputs.terms._replace(mode=WEIGHTS)
        self.delay = delay
        T, self.columns = inputs.world.close.shape
        self.book, self.log = new_book(inputs), new_log(inputs, True)
        self.cursor = np.zeros(3, dtype=np.int64)
        self.actions = np.bincount(inputs.world.action_bar, minlength=T)
        self._changes: dict[int, list[Restatement]] = {}
        world = inputs.world
        for change in restatements(world.action_bar, world.action_kind, world.action_asset, world.action_value):
            self._changes.setdefault(change.bar, []).append(change)
        # The one decision row that can be acted upon now; it stays for weights that are sized at their fill.
        self._row, self._values = np.full(1, -1, dtype=np.int64), np.zeros((1, self.columns))
        self._rows, self._decided = _locked(self._row), _locked(self._values)
        self.decisions: list[tuple[int, np.ndarray]] = []
        self.used = 0
        self.asked: list[Asked] = []
        self.ticket_of: list[int] = []
        self.id_of: list[int] = []
        self.withdrawn: set[int] = set()
        self.coming = np.zeros(self.columns)
        self._batches: dict[int, Batch] = {}
        self._brackets: list[Bracketed] = []
        self._id_of_row: dict[int, int] = {}
        self._seen_fills = 0
        self._stop_mode = WEIGHTS
        self.working = new_working(0)
        self._whole, self._real = np.empty((7, 0), dtype=np.int64), np.empty((5, 0))
        self.tickets = inputs.tickets

    # Bars

    def to_close(self, t: int) -> bool:
        """Bring the book to the close of bar t; return whether there is something to decide on it."""
        self._make_space(t, 0)
        alive = kernels.step_to_close(
            t,
            self.inputs.world,
            self.terms,
            self._decided,
            self.tickets,
            self.cursor,
            self.book,
            self.working,
            self.log,
        )
        if alive:
            for change in self._changes.get(t, ()):
                self._restate(change)
            self._tend(t)
        elif not self.stopped:
            self.log.units[t], self.log.marks[t] = self.book.units, self.book.mark
        return bool(alive)

    def from_close(self, t: int) -> None:
        """Act on what was decided, and let the broker demand what he demands."""
        self._seen_fills = int(self.log.used[1])
        batch = self._batches.pop(t, None)
        self._row[0] = -1
        first = self.used
        if batch is not None:
            for identity in batch.cancels:
                self._cancel(identity, t)
            for asset in batch.rests:
                self._drop_rest(asset, t)
            self._place(batch, t)
            if batch.weights is not None:
                self._row[0], self._values[0] = t, batch.weights
                self.decisions.append((t, batch.weights))
        if not self._batches:
            # All has been placed; sums of fractions would leave a rest.
            self.coming[:] = 0.0
        self.cursor[2] = 0
        self._make_space(t, self.used - first)
        self._stop_mode = WEIGHTS if self._row[0] == t and self.used == first else SHARES
        kernels.step_from_close(
            t,
            self.inputs.world,
            self.terms,
            self._rows,
            self._decided,
            self.tickets,
            self.cursor,
            self.book,
            self.working,
            self.log,
        )
        self._stop_mode = self._stop_mode if self.stopped else WEIGHTS
        if self.used > first:
            self._id_of_row.update(zip(self.working.row[first : self.used].tolist(), self.id_of[first:], strict=True))
            # The account may have refused the entry of a bracket.
            self._tend(t)

    @property
    def stopped(self) -> bool:
        """Whether the account or a missing borrow rate stopped the run."""
        return bool(self.book.flags[STOPPED] > 0)

    def finished(self, t: int) -> tuple[Inputs, Run]:
        """Return the inputs with all that was sent, and the run; ``t`` is the bar at which it stopped, if it did."""
        rows = np.array([bar for bar, _ in self.decisions], dtype=np.int64)
        values = np.array([row for _, row in self.decisions]).reshape(rows.size, self.columns)
        whole, real = self._whole[:, : self.used], self._real[:, : self.used]
        tickets = Tickets(*(np.ascontiguousarray(column) for column in (*whole, *real)))
        inputs = Inputs(
            self.inputs.world,
            self.terms._replace(mode=self._stop_mode if rows.size else SHARES),
            self.inputs.cash,
            rows,
            values,
            tickets,
        )
        log, flags = self.log, self.book.flags
        stopped = t if self.stopped else -1
        return inputs, Run(log.tape, log.counts, log.firsts, int(flags[RUINED]), stopped, records(log))

    def left_over(self) -> list[tuple[str, int, int]]:
        """What the delay moved behind the last bar: orders or decisions, the bar of the first, and how many."""
        T = self.actions.size
        bars = [bar for bar in sorted(self._batches) if bar >= T]
        ordered = [(bar, len(self._batches[bar].orders)) for bar in bars if self._batches[bar].orders]
        decided = [(bar, 1) for bar in bars if self._batches[bar].weights is not None]
        early = self.delay - 1
        return [
            (what, found[0][0] - early, sum(count for _, count in found))
            for what, found in (("decisions", decided), ("orders", ordered))
            if found
        ]

    # Decisions

    def batch(self, t: int) -> Batch:
        """What is acted upon of the decisions of the close of bar t."""
        return self._batch(t + self.delay - 1)

    def send(self, asked: Asked, t: int) -> int:
        """Put an order on its way; return its id."""
        identity = self._new(asked, ON_ITS_WAY)
        self.batch(t).orders[identity] = asked
        self._expect(asked, 1.0)
        return identity

    def send_bracket(self, entry: Asked, children: list[Asked], t: int) -> list[int]:
        """Put an entry and what closes it on their way; return the ids.

        Where entries are filled at the close, their children wait for the fill: inside that bar there was no position.
        """
        held_back = self.terms.at == AT_CLOSE
        identities = [self.send(entry, t)]
        waiting = {}
        for child in children:
            identity = self._new(child, FOR_ITS_ENTRY) if held_back else self.send(child, t)
            waiting[identity] = child
        self._brackets.append(Bracketed(identities[0], waiting, held_back))
        return [*identities, *waiting]

    def withdraw(self, identity: int, t: int) -> bool:
        """Take an order back at the close of bar t; return whether there was something left of it."""
        if identity in self.withdrawn or not self.is_open(identity):
            return False
        orders = self.batch(t).orders
        if self.ticket_of[identity] == FOR_ITS_ENTRY or identity in orders:
            # What was ordered at this very close never leaves.
            if orders.pop(identity, None) is not None:
                self._expect(self.asked[identity], -1.0)
            self.ticket_of[identity] = WITHDRAWN
        else:
            self.batch(t).cancels.append(identity)
            self.withdrawn.add(identity)
        return True

    def is_open(self, identity: int) -> bool:
        """Whether an order can still be filled."""
        k = self.ticket_of[identity]
        return k != WITHDRAWN if k < 0 else self.working.status[k] in (NO_NEXT_BAR, WORKING)

    def open_orders(self) -> Iterator[tuple[int, Asked, float, int]]:
        """Id, order, units that are left and ticket (below 0: none yet) of every open order, oldest ticket first;
        what is taken back is left out.
        """
        for found in self._open_orders():
            if found[0] not in self.withdrawn:
                yield found

    def _open_orders(self) -> Iterator[tuple[int, Asked, float, int]]:
        for k in self.working.live[: self.working.count[0]]:
            if self.working.status[k] in (NO_NEXT_BAR, WORKING):
                identity = self.id_of[k]
                yield identity, self.asked[identity], float(self.working.left[k]), int(k)
        for bar in sorted(self._batches):
            for identity, asked in self._batches[bar].orders.items():
                yield identity, asked, asked.units, ON_ITS_WAY
        for bracket in self._brackets:
            for identity, asked in bracket.children.items():
                if self.ticket_of[identity] == FOR_ITS_ENTRY:
                    yield identity, asked, asked.units, FOR_ITS_ENTRY

    def new_fills(self) -> range:
        """The rows of the log that were filled since the last decision."""
        return range(self._seen_fills, int(self.log.used[1]))

    def id_of_fill(self, row: int) -> int | None:
        """The order id of a row of the log's orders, None for what the strategy did not order by itself."""
        return self._id_of_row.get(row)

    # Inside

    def _new(self, asked: Asked, where: int) -> int:
        self.asked.append(asked)
        self.ticket_of.append(where)
        return len(self.asked) - 1

    def _batch(self, bar: int) -> Batch:
        found = self._batches.get(bar)
        if found is None:
            found = self._batches[bar] = Batch()
        return found

    def _expect(self, asked: Asked, sign: float) -> None:
        if asked.kind in _SURE:
            self.coming[asked.asset] += sign * asked.units

    def _restate(self, change: Restatement) -> None:
        """Do to the orders that are not placed yet what a split or spin-off does to those that work."""
        for identity, asked, _, k in tuple(self._open_orders()):
            if k >= 0 or asked.asset != change.asset:
                continue
            self.asked[identity] = new = asked.restated(change, self.terms.step)
            if k == ON_ITS_WAY:
                self._expect(asked, -1.0)
                self._expect(new, 1.0)
            orders = [batch.orders for batch in self._batches.values()]
            for place in (*orders, *(bracket.children for bracket in self._brackets)):
                if identity in place:
                    place[identity] = new

    def _make_space(self, t: int, placed: int) -> None:
        """Give the log the space that one more bar can need."""
        n, log = self.columns, self.log
        orders, fills = 6 * n + placed, 5 * n + placed + int(self.working.count[0])
        events = 2 * int(self.actions[t])
        while (
            log.used[0] + orders > log.orders.shape[0]
            or log.used[1] + fills > log.fills.shape[0]
            or log.used[2] + events > log.events.shape[0]
        ):
            self.log = log = grown(log, self.inputs)

    def _place(self, batch: Batch, t: int) -> None:
        needed = self.used + len(batch.orders)
        if needed > self._whole.shape[1]:
            self._grow(needed)
        if not batch.orders:
            return
        block = np.array(list(batch.orders.values()))
        self._whole[0, self.used : needed] = t
        self._whole[1:, self.used : needed] = block[:, :6].T
        self._real[:, self.used : needed] = block[:, 6:].T
        for k, identity in enumerate(batch.orders, self.used):
            self.ticket_of[identity] = k
        self.id_of.extend(batch.orders)
        self.used = needed
        if self.delay > 1:
            for asked in batch.orders.values():
                self._expect(asked, -1.0)

    def _grow(self, needed: int) -> None:
        capacity = max(_FIRST_CAPACITY, 2 * self._whole.shape[1], needed)
        whole, real = np.full((7, capacity), _NEVER, dtype=np.int64), np.full((5, capacity), np.nan)
        whole[:, : self.used], real[:, : self.used] = self._whole[:, : self.used], self._real[:, : self.used]
        self._whole, self._real = whole, real
        self.tickets = Tickets(*_locked(whole), *_locked(real))
        old, new = self.working, new_working(capacity)
        kept = old.status.size
        for name in Working._fields:
            before, after = getattr(old, name), getattr(new, name)
            after[..., : before.shape[-1] if name == "count" else kept] = before
        self.working = new

    def _cancel(self, identity: int, t: int) -> None:
        self.withdrawn.discard(identity)
        k = self.ticket_of[identity]
        if k == FOR_ITS_ENTRY:
            self.ticket_of[identity] = WITHDRAWN
        if k < 0 or not self.is_open(identity):
            return
        working, log = self.working, self.log
        working.status[k], working.left[k] = TAKEN_BACK, 0.0
        log.orders[working.row[k], 3] = TAKEN_BACK
        self._count_cancelled(self.asked[identity].asset, t)

    def _drop_rest(self, asset: int, t: int) -> None:
        """Drop what waits of a book order that a decision sent."""
        book = self.book
        if book.due[asset] == 0.0 or book.due_kind[asset] > ORDER:
            return
        book.due[asset] = 0.0
        self.log.orders[book.due_row[asset], 3] = TAKEN_BACK
        self._count_cancelled(asset, t)

    def _count_cancelled(self, asset: int, t: int) -> None:
        counts, firsts = self.log.counts, self.log.firsts
        counts[COUNT_CANCELLED, asset] += 1
        if firsts[COUNT_CANCELLED, asset] < 0:
            firsts[COUNT_CANCELLED, asset] = t

    def _tend(self, t: int) -> None:
        """End the stops and targets of entries that came to nothing, and of positions that are gone."""
        for bracket in tuple(self._brackets):
            k = self.ticket_of[bracket.entry]
            if k == ON_ITS_WAY or (k >= 0 and self.is_open(bracket.entry)):
                continue
            held = self.book.units[self.asked[bracket.entry].asset]
            holds = k >= 0 and self.working.done[0, k] > 0.0 and held * self.asked[bracket.entry].units > 0.0
            if not holds:
                for identity in bracket.children:
                    self._batch_without(identity)
                    self._cancel(identity, t)
            elif bracket.held_back:
                bracket.held_back = False
                batch = self._batch(t)
                for identity, child in bracket.children.items():
                    if self.ticket_of[identity] == FOR_ITS_ENTRY:
                        self.ticket_of[identity] = ON_ITS_WAY
                        batch.orders[identity] = child
            if not any(self.is_open(identity) for identity in bracket.children):
                self._brackets.remove(bracket)

    def _batch_without(self, identity: int) -> None:
        if self.ticket_of[identity] != ON_ITS_WAY:
            return
        for batch in self._batches.values():
            batch.orders.pop(identity, None)
        self.ticket_of[identity] = WITHDRAWN


def _locked(array: np.ndarray) -> np.ndarray:
    """A read-only view: the engine is compiled for read-only inputs, and would be compiled again for others."""
    view = array.view()
    view.setflags(write=False)
    return view
