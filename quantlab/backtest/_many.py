"""``Course``: many runs over the same bars, costs and account, each of other weights.

What the runs share is prepared once. A run gives its equity and what else is money at each bar, bit for bit those of
``simulate``; who wants its orders or positions simulates it by itself. Runs that a compact book cannot make (exits,
several currencies, ...) are made by the engine one by one, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from quantlab.backtest import _sparse_kernels as sparse_kernels
from quantlab.backtest._afterwards import demand_finished
from quantlab.backtest._compact import Arena, Workshop, arena_of, compact_runs, why_not, workshop_of
from quantlab.backtest._compact_kernel_types import ENDED, Decided
from quantlab.backtest._engine import kernel_run
from quantlab.backtest._prepare import Prepared, prepare_events, prepare_weights
from quantlab.backtest._prepare_actions import priced
from quantlab.backtest._prepare_terms import Plan, make_room
from quantlab.backtest._prepare_weights import _LARGEST_WEIGHT, demand_unlisted, weights_of
from quantlab.backtest._prepare_world import frozen
from quantlab.backtest._run import Run
from quantlab.core import Bars, Panel, PanelLike, QuantlabError, as_panel
from quantlab.execution import _kernel_types as k

__all__ = ["Course", "Decisions", "Outcome"]

# What a thread's memory for runs may take, bytes; a batch has at least one.
_BATCH = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Decisions:
    """Checked decision rows of one run, without their zeros.

    Parameters
    ----------
    rows : (R,) int64, bars, ascending
    starts : (R + 1,) int64, the first weight of each row
    assets : (W,) int64, in canonical order; weights : (W,)
    """

    rows: np.ndarray
    starts: np.ndarray
    assets: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to. Arrays are views that hold until the next is asked for.

    Parameters
    ----------
    equity, long, short, traded : (T,), currency at each bar
    sums : (16,), what the columns of the tape from BORROW on add up to
    counts : (19,) int64, diagnostics by rule, over all assets
    ruined : int, bar of the ruin, -1 none
    start : int, the first bar with a return
    engine : "fast" | "general"
    """

    equity: np.ndarray
    long: np.ndarray
    short: np.ndarray
    traded: np.ndarray
    sums: np.ndarray
    counts: np.ndarray
    ruined: int
    start: int
    engine: str


class Course:
    """Runs of other weights over the same bars, costs and account.

    Parameters
    ----------
    bars : Bars
    plan : Plan
    unlisted, untradable : as in ``simulate``

    Attributes
    ----------
    general : str
        Why the engine has to make all runs by itself; "" when they are made fast.
    """

    def __init__(self, bars: Bars, plan: Plan, unlisted: str, untradable: str) -> None:
        demand_unlisted(unlisted)
        self._room = make_room(untradable)
        self.bars, self.plan, self.unlisted, self.untradable = bars, plan, unlisted, untradable
        self.first, _ = priced(bars.close.values)
        self.order = np.argsort(np.array(bars.symbols), kind="stable").astype(np.int64)
        self.arena: Arena | None = None
        self.general = "the delay of the fill" if plan.fill.delay > 1 else ""
        if not self.general:
            self.general = self._prepare()

    def _prepare(self) -> str:
        try:
            prepared = prepare_events(self.bars, self.plan)
        except QuantlabError as error:
            # Of assets that a run may never hold: each finds out by itself.
            return error.message
        inputs = prepared.inputs
        terms = inputs.terms._replace(mode=k.WEIGHTS, make_room=self._room)
        inputs = type(inputs)(inputs.world, terms, inputs.cash, inputs.rows, inputs.values, inputs.tickets)
        if reason := why_not(inputs):
            return reason
        self.arena = arena_of(inputs)
        return ""

    @property
    def batch(self) -> int:
        """How many runs a thread makes at a time."""
        T, N = self.bars.shape
        actions = 0 if self.arena is None else self.arena.world.action_bar.size
        each = 8 * (4 * T + 19 * (N + 80) + 2 * N + actions)
        return max(1, min(64, _BATCH // each))

    def workshop(self) -> Workshop | None:
        """Return memory for one thread, None where the engine makes its own."""
        return None if self.arena is None else workshop_of(self.arena, self.batch)

    def decisions(self, weights: PanelLike) -> Decisions:
        """Return checked decisions; raises as ``simulate`` does."""
        panel = as_panel(weights, name="weights")
        values, dates = panel.values, panel.dates
        if panel.symbols == self.bars.symbols and values.dtype == np.float64 and dates.dtype == self.bars.dates.dtype:
            rows = np.searchsorted(self.bars.dates, dates)
            starts = np.empty(rows.size + 1, dtype=np.int64)
            known = rows.size > 0 and bool((self.bars.dates[np.minimum(rows, self.bars.shape[0] - 1)] == dates).all())
            if known and not sparse_kernels.examine(values, rows, self.first, _LARGEST_WEIGHT, starts):
                return self._short(values, rows, starts)
        found, _ = weights_of(panel, self.bars, self.first, self.unlisted, frame=panel is not weights)
        starts = np.empty(found.rows.size + 1, dtype=np.int64)
        sparse_kernels.examine(found.panel.values, found.rows, self.first, np.inf, starts)
        return self._short(found.panel.values, found.rows, starts)

    def _short(self, values: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> Decisions:
        count = int(starts[-1])
        assets, weights = np.empty(count + 1, dtype=np.int64), np.empty(count + 1)
        sparse_kernels.shorten(values, self.order, assets, weights)
        return Decisions(rows, starts, assets[:count], weights[:count])

    def panel(self, decisions: Decisions) -> Panel:
        """Return decisions as the Panel that they came from."""
        values = np.zeros((decisions.rows.size, self.bars.shape[1]))
        row = np.repeat(np.arange(decisions.rows.size), np.diff(decisions.starts))
        values[row, self.order[decisions.assets]] = decisions.weights
        return Panel._trusted(values, self.bars.dates[decisions.rows], self.bars.symbols, self.bars.frequency)

    def outcomes(self, decisions: Sequence[Decisions], workshop: Workshop | None) -> Iterator[Outcome | QuantlabError]:
        """Yield what each run came to, in order, or the error that ``simulate`` would raise."""
        for first in range(0, len(decisions), self.batch):
            part = decisions[first : first + self.batch]
            if self.arena is None or workshop is None:
                yield from (self._general(one) for one in part)
                continue
            compact_runs(self.arena, joined(part), workshop)
            states = workshop.states
            for v, one in enumerate(part):
                if states.status[v] != ENDED:
                    yield self._general(one)
                    continue
                paths = states.paths[v]
                counts, ruined = states.counts[v].sum(axis=1), int(states.flags[v, k.RUINED])
                yield Outcome(
                    paths[0], paths[1], paths[2], paths[3], states.sums[v], counts, ruined, self._start(one), "fast"
                )

    def _start(self, decisions: Decisions) -> int:
        return min(int(decisions.rows[0]) + int(self.plan.fill.at != "same_close"), self.bars.shape[0])

    def _general(self, decisions: Decisions) -> Outcome | QuantlabError:
        """One run by the engine."""
        try:
            prepared = prepare_weights(self.panel(decisions), self.bars, self.plan, self.unlisted, self.untradable)
            run = kernel_run(prepared.inputs)
            demand_finished(prepared, run, self.bars)
        except QuantlabError as error:
            return error
        return _outcome(prepared, run, self.bars.shape[0])


def _outcome(prepared: Prepared, run: Run, bars: int) -> Outcome:
    inputs, tape = prepared.inputs, run.tape
    first = int(inputs.rows[0]) if inputs.rows.size else bars
    start = min(first + int(inputs.terms.at != k.SAME_CLOSE), bars)
    equity, long, short, traded = (np.ascontiguousarray(tape[:, c]) for c in (k.EQUITY, k.LONG, k.SHORT, k.TRADED))
    return Outcome(equity, long, short, traded, tape.sum(axis=0), run.counts.sum(axis=1), run.ruined, start, "general")


def joined(decisions: Sequence[Decisions]) -> Decided:
    """Return the decisions of many runs as one table."""

    def cumulated(sizes: list[int]) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    before = cumulated([one.weights.size for one in decisions])
    starts = [one.starts[:-1] + shift for one, shift in zip(decisions, before[:-1], strict=True)]
    return Decided(
        frozen(cumulated([one.rows.size for one in decisions])),
        frozen(np.concatenate([one.rows for one in decisions])),
        frozen(np.concatenate([*starts, before[-1:]])),
        frozen(np.concatenate([one.assets for one in decisions])),
        frozen(np.concatenate([one.weights for one in decisions])),
    )
