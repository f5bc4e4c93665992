"""What a worker does: some variants of a strategy in, one row of numbers for each out.

A ``Job`` is all that a worker has to know, and is sent to it once. A variant that fails leaves its reason in its row,
and the others go on. Rows do not depend on which worker made them, nor on what it made before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.backtest._diagnostics import _COUNTED
from quantlab.backtest._many import Course, Decisions, Outcome
from quantlab.backtest._prepare_terms import plan_of
from quantlab.core import Bars, KindError, LabelError, Panel, QuantlabError
from quantlab.core._labels import difference
from quantlab.core._lazy import lazy
from quantlab.core._shared import Scope
from quantlab.execution import _kernel_types as k
from quantlab.metrics import _path_kernels as measures
from quantlab.study._ask import Failure, ask
from quantlab.study._strategy import RESERVED, call

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

METRICS = (
    *("total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown", "max_drawdown_duration"),
    *("value_at_risk", "conditional_value_at_risk", "skew", "kurtosis", "hit_rate", "profit_factor", "turnover"),
    "exposure",
)
# What a run was charged and earned over all bars, currency.
CHARGES = {
    "commission": k.COMMISSION,
    "fees": k.FEES,
    "slippage": k.SLIPPAGE,
    "borrow": k.BORROW,
    "debit_interest": k.DEBIT_INTEREST,
    "credit_interest": k.CREDIT_INTEREST,
    "short_interest": k.SHORT_INTEREST,
    "dividends": k.DIVIDENDS,
}
# Variants whose decisions a worker holds at a time.
_BATCH = 64
_WARNINGS = tuple((rule, name) for rule, name, severity, _ in _COUNTED if severity != "info")


@dataclass(frozen=True, slots=True)
class Terms:
    """How every variant trades, unless its own parameters say otherwise; as in ``simulate``."""

    costs: Any = None
    account: Any = None
    fill: Any = "next_open"
    exits: Any = None
    rebalance: Any = None
    unlisted: str = "raise"
    untradable: str = "keep"
    delisting: Any = "table"

    def of(self, params: Mapping[str, Any]) -> Terms:
        """Return the terms of a variant."""
        own = {name: params[name] for name in RESERVED if name in params}
        return replace(self, **own) if own else self

    def course(self, bars: Bars) -> Course:
        """Return the course of these terms; raises as ``simulate`` does."""
        plan = plan_of(
            bars,
            costs=self.costs,
            account=self.account,
            fill=self.fill,
            exits=self.exits,
            rebalance=self.rebalance,
            delisting=self.delisting,
        )
        return Course(bars, plan, self.unlisted, self.untradable)


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker has to know.

    Parameters
    ----------
    strategy : function ``(bars, **params) -> weights``
    bars : Bars
    terms : Terms
    periods : float, bars per year
    keep : whether to give the returns of every variant too
    memory : int, bytes for work that variants share
    """

    strategy: Callable[..., Any]
    bars: Bars
    terms: Terms
    periods: float
    keep: bool
    memory: int


@dataclass(frozen=True, slots=True)
class Rows:
    """What came of some variants.

    Parameters
    ----------
    table : polars.DataFrame, one row per variant, in order: key, status, reason, engine, METRICS, bars, final_equity,
        CHARGES, warnings
    returns : (V, T) float32, NaN before a variant's first return and after its ruin; None when nobody asked
    """

    table: pl.DataFrame
    returns: np.ndarray | None


class Worker:
    """A job, and what its variants share, in one process.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.scope = Scope(job.memory)
        self._courses: dict[Terms, Course] = {}
        self._base: Course | None = None
        self._lock = threading.Lock()
        self._own = threading.local()

    def run(self, keys: Sequence[str], variants: Sequence[Mapping[str, Any]]) -> Rows:
        """Return the rows of some variants."""
        job, bars = self.job, self.job.bars
        T = bars.shape[0]
        made = _Columns(len(variants), T, job.keep)
        for first in range(0, len(variants), _BATCH):
            # Decisions are held for so many at a time.
            self._batch(variants, range(first, min(first + _BATCH, len(variants))), made)
        return Rows(made.table(keys), made.returns)

    def _batch(self, variants: Sequence[Mapping[str, Any]], numbers: range, made: _Columns) -> None:
        ready: dict[Terms, list[tuple[int, Decisions]]] = {}
        for number in numbers:
            decided = ask(partial(self.decided, variants[number]))
            if isinstance(decided, Failure):
                made.fail(number, decided.reason)
            else:
                ready.setdefault(decided[0], []).append((number, decided[1]))
        for terms, items in ready.items():
            course = self.course(terms)
            outcomes = course.outcomes([decisions for _, decisions in items], self.workshop(course))
            for (number, _), outcome in zip(items, outcomes, strict=True):
                if isinstance(outcome, QuantlabError):
                    made.fail(number, Failure(outcome).reason)
                else:
                    made.take(number, outcome, float(course.plan.account.cash), self.job.periods)

    def decided(self, params: Mapping[str, Any]) -> tuple[Terms, Decisions]:
        """The terms of a variant, and what it decides."""
        terms = self.job.terms.of(params)
        course = self.course(terms)
        own = {name: value for name, value in params.items() if name not in RESERVED}
        with self.scope.open():
            answer = self.job.strategy(self.job.bars, **own)
        if not isinstance(answer, Panel):
            frames = (pl.DataFrame, pl.LazyFrame)
            if not isinstance(answer, frames):
                what = call(self.job.strategy, own)
                kind = type(answer).__name__
                raise KindError(f"{what} must return a Panel or a Polars frame of weights, returned {kind}.")
        elif answer.symbols != self.job.bars.symbols:
            raise LabelError(
                f"{call(self.job.strategy, own)} returned other symbols than the bars have: "
                f"{difference(answer.symbols, self.job.bars.symbols)}.",
                hint="weights need a column for every symbol of the bars, in their order.",
            )
        return terms, course.decisions(answer)

    def course(self, terms: Terms) -> Course:
        """Return the course of these terms; made once."""
        with self._lock:
            if terms is self.job.terms and self._base is not None:
                return self._base
            course = self._courses.get(terms)
            if course is None:
                if len(self._courses) >= 8:
                    # What a course prepares is as large as the bars.
                    self._courses.pop(next(iter(self._courses)))
                course = self._courses[terms] = terms.course(self.job.bars)
            if terms is self.job.terms:
                # Found without a hash, which may have to read a matrix.
                self._base = course
            return course

    def workshop(self, course: Course) -> Any:
        """The memory of this thread for a course."""
        shop = getattr(self._own, "shop", None)
        if shop is None or shop[0] is not course:
            shop = self._own.shop = (course, course.workshop())
        return shop[1]


def failed_rows(job: Job, keys: Sequence[str], reason: str) -> Rows:
    """Return the rows of variants that failed for a reason outside of them."""
    made = _Columns(len(keys), job.bars.shape[0], job.keep)
    for row in range(len(keys)):
        made.fail(row, reason)
    return Rows(made.table(keys), made.returns)


@dataclass(slots=True)
class _Columns:
    """Rows that are being filled."""

    count: int
    bars: int
    keep: bool
    numbers: np.ndarray = field(init=False)
    returns: np.ndarray | None = field(init=False)
    texts: list[list[str | None]] = field(init=False)
    space: tuple[np.ndarray, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        self.numbers = np.full((self.count, len(METRICS) + 2 + len(CHARGES)), np.nan)
        self.returns = np.full((self.count, self.bars), np.nan, dtype=np.float32) if self.keep else None
        self.texts = [["done", None, None, None] for _ in range(self.count)]
        self.space = (np.empty(self.bars), np.empty(self.bars))

    def fail(self, row: int, reason: str) -> None:
        self.texts[row] = ["failed", reason, None, None]

    def take(self, row: int, outcome: Outcome, cash: float, periods: float) -> None:
        r, space = self.space
        start, out = outcome.start, self.numbers[row]
        before = float(outcome.equity[start - 1]) if start else cash
        n = measures.measure(
            outcome.equity, outcome.long, outcome.short, outcome.traded, before, start, outcome.ruined, periods, r,
            space, out[: len(METRICS)],
        )  # fmt: skip
        out[len(METRICS)], out[len(METRICS) + 1] = n, outcome.equity[-1]
        out[len(METRICS) + 2 :] = outcome.sums[list(CHARGES.values())]
        self.texts[row][2] = outcome.engine
        said = [f"{name} {outcome.counts[rule]}" for rule, name in _WARNINGS if outcome.counts[rule]]
        if outcome.ruined >= 0:
            said.append("ruin")
        self.texts[row][3] = ", ".join(said) or None
        if self.returns is not None:
            self.returns[row, start : start + n] = r[:n]

    def table(self, keys: Sequence[str]) -> pl.DataFrame:
        status, reason, engine, warnings = zip(*self.texts, strict=True) if self.texts else ((), (), (), ())
        names = (*METRICS, "bars", "final_equity", *CHARGES)
        numbers = [pl.Series(name, self.numbers[:, i], nan_to_null=True) for i, name in enumerate(names)]
        frame = pl.DataFrame(
            [
                pl.Series("key", list(keys), dtype=pl.String),
                pl.Series("status", status, dtype=pl.String),
                pl.Series("reason", reason, dtype=pl.String),
                pl.Series("engine", engine, dtype=pl.String),
                *numbers,
                pl.Series("warnings", warnings, dtype=pl.String),
            ]
        )
        return frame.with_columns(pl.col("bars", "max_drawdown_duration").cast(pl.Int64))
