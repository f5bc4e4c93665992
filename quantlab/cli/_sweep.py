"""``quantlab sweep``: from a configuration to the table of its variants.

What can be wrong is asked before anything runs. The strategy's parameters in the file hold for every variant whose grid
does not say otherwise; they belong to the strategy that is logged, those of the grid to its variants.
"""

from __future__ import annotations

import difflib
import io
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from quantlab.cli import _compiling, _config, _run, _strategy
from quantlab.cli._sweep_config import SweepTable
from quantlab.core import Bars, ConfigError, QuantlabError
from quantlab.core._atomic import write_atomic
from quantlab.study import Batch, Grid, Run, Sweep, TrialLog, sweep
from quantlab.study._shelf import schema
from quantlab.study._strategy import RESERVED


@dataclass(frozen=True)
class Plan:
    """A sweep whose every part was found and accepted; the terms are keyword arguments of ``sweep``."""

    table: SweepTable
    study: str
    grid: Grid
    bars: Bars
    strategy: Callable[..., Any]
    name: str
    terms: dict[str, Any]
    workers: int | None
    general: bool


class Watch(Protocol):
    """Who is told how a sweep goes."""

    def begin(self, running: int) -> None:
        """So many variants are not there yet and are going to run."""

    def __call__(self, done: int, variants: int) -> None:
        """So many are done, those included that were there."""


class _Log(TrialLog):
    """A trial log that says how many variants a sweep is going to run, and in whose transactions Ctrl-C has to wait."""

    def __init__(self, place: str | None, tell: Callable[[int], None]) -> None:
        super().__init__(place)
        self._tell = tell

    def begin(self, study: str, **about: Any) -> Batch:
        """Open a batch, as every log does."""
        self._tell(int(about.get("planned") or 0))
        with _undisturbed():
            return super().begin(study, **about)

    def record(self, batch: Batch | int, runs: Iterable[Run]) -> None:
        """Add runs, as every log does."""
        with _undisturbed():
            super().record(batch, runs)

    def end(self, batch: Batch | int, *, status: str = "done", reason: str | None = None) -> None:
        """Close a batch, as every log does."""
        with _undisturbed():
            super().end(batch, status=status, reason=reason)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold an interruption back until the block is done.

    One that comes while SQLite commits would leave its lock held, and the word that the sweep was interrupted could
    not be written any more.
    """
    if threading.current_thread() is not threading.main_thread():
        # Where no signal arrives.
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def prepare(path: Path, *, workers: int | None = None) -> Plan:
    """Return the sweep that a configuration file describes, or raise before anything is computed.

    Parameters
    ----------
    path : of the TOML file
    workers : in place of the file's `sweep.workers`
    """
    config = _config.load(path)
    table = config.sweep
    if table is None:
        raise ConfigError(
            f"{path} has no table [sweep].", hint="add one, and below it [sweep.grid] with `lookback = [126, 252]`."
        )
    if config.backtest.strict:
        raise ConfigError(
            f"{path}: `backtest.strict` stops a backtest, and cannot stop a sweep.",
            hint="take it out: the column warnings of the table says what each variant met.",
        )
    if workers is not None and "://" in table.scheduler:
        raise ConfigError("--workers is for threads and processes: a cluster has its own.")
    for name in table.grid:
        if name in RESERVED:
            raise ConfigError(
                f"{path}: `sweep.grid.{name}`: {name} cannot be swept from a file.",
                hint=f'in Python it can: `ql.sweep(strategy, bars, {{"{name}": [...]}})`.',
            )
    _demand_metric(table.by)
    if table.path is not None:
        _run.demand_writable(Path(table.path), "sweep.path")
    function = _strategy.find(config.strategy.function, path.parent)
    fixed = {name: value for name, value in config.strategy.parameters.items() if name not in table.grid}
    _strategy.demand_parameters(function, config.strategy.parameters, table.grid, swept=True)
    try:
        grid = table.value()
    except QuantlabError as error:
        raise ConfigError(f"{path}: `sweep.grid`: {error.message}", hint=error.hint) from error
    bars = _run.bars_of(config)
    terms = _run.terms_of(config)
    _run.demand_fields(bars, terms)
    return Plan(
        table=table,
        study=table.study or path.stem,
        grid=grid,
        bars=bars,
        # Without parameters of its own the file's strategy is the one that a notebook sweeps.
        strategy=partial(function, **fixed) if fixed else function,
        name=config.strategy.function,
        terms=terms,
        workers=workers or table.workers,
        general=config.exits is not None,
    )


def run(plan: Plan, watch: Watch) -> Sweep:
    """Run what is not there yet; say how to go on when it is interrupted."""
    done = 0

    def tell(now: int, variants: int) -> None:
        nonlocal done
        done = now
        watch(now, variants)

    def begin(running: int) -> None:
        watch.begin(running)
        _compiling.tell("backtest" if plan.general else "sweep")

    table = plan.table
    try:
        return sweep(
            plan.strategy,
            plan.bars,
            plan.grid,
            **plan.terms,
            study=plan.study,
            log=_Log(table.log, begin),
            scheduler=table.scheduler,
            workers=plan.workers,
            returns=table.returns,
            memory=table.memory,
            progress=tell,
        )
    except KeyboardInterrupt:
        of = f"{done:,} of {len(plan.grid):,} variants"
        sys.stderr.write(f"{of} are finished and kept: the same command goes on from there.\n")
        raise


def write(plan: Plan, found: Sweep) -> Path | None:
    """Write the table where the configuration wants it, and return where; None when it says nothing."""
    if plan.table.path is None:
        return None
    whole = io.BytesIO()
    if plan.table.path.endswith(".csv"):
        found.table.write_csv(whole)
    else:
        found.table.write_parquet(whole)
    return write_atomic(Path(plan.table.path), whole.getbuffer())


def _demand_metric(name: str) -> None:
    known = [metric for metric, kind in schema().items() if kind.is_numeric()]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"it is one of {', '.join(known)}."
        raise ConfigError(f"`sweep.by`: there is no metric {name!r}.", hint=hint)
