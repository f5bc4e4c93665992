"""``sweep``: every variant of a grid through the same backtest, and each of them on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from quantlab.core import Bars, InputError, KindError, StoreError
from quantlab.core._arguments import real
from quantlab.core._lazy import lazy
from quantlab.core.periods import bars_per_year
from quantlab.execution import Account, Costs, Exits, Fill
from quantlab.portfolio import Rebalancing
from quantlab.study._grid import Grid, as_grid
from quantlab.study._job import Job, Terms
from quantlab.study._order import expensive_first
from quantlab.study._progress import Progress, progress_of
from quantlab.study._record import Record, record_of
from quantlab.study._result import Sweep
from quantlab.study._schedule import Chunk, Finished, scheduler_of
from quantlab.study._strategy import RESERVED, demand_taken

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# A chunk takes about so long, seconds: what a kill can cost, against what a chunk costs beside its variants.
_CHUNK = 0.5
_MOST = 1024
# What this process needs for a chunk that comes back, seconds: so many hands must not keep it from anything else.
_KEPT = 0.03


def sweep(
    strategy: Callable[..., Any],
    bars: Bars,
    grid: Grid | Mapping[str, Sequence[Any]],
    *,
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str | Fill = "next_open",
    exits: Exits | None = None,
    rebalance: Rebalancing | None = None,
    unlisted: str = "raise",
    untradable: str = "keep",
    delisting: str | float = "table",
    study: str | None = "default",
    log: Any = None,
    scheduler: Any = "threads",
    workers: int | None = None,
    returns: bool = False,
    memory: float = 256.0,
    progress: bool | Callable[[int, int], Any] | None = None,
) -> Sweep:
    """Return the Sweep of a strategy over a grid of parameters: one row of metrics per variant.

    Every variant is ``simulate(strategy(bars, **params), bars, ...)``. The strategy is called once for each; what
    variants ask of quantlab's functions in common (the same momentum, the same ranking) is worked out once. Weights are
    kept as their decision rows alone, and of a run only its metrics, so that memory does not grow with bars times
    variants.

    Parameters
    ----------
    strategy : function ``(bars, **params) -> PanelLike (R, N)``
        Target weights: decision rows as in :func:`quantlab.backtest.simulate`. Row t may use bars up to t alone.
    bars : Bars (T, N)
    grid : Grid, or mapping of parameter name to a list of values
        A mapping stands for all combinations; ``ql.study`` has other grids. The names "costs", "account", "fill",
        "exits" and "rebalance" sweep those arguments, and are not passed to the strategy.
    costs, account, fill, exits, rebalance, unlisted, untradable, delisting
        As in :func:`quantlab.backtest.simulate`, for every variant whose parameters do not say otherwise.
    study : str or None
        The name under which every variant is logged and counted as a trial, and under which finished rows are kept: the
        same sweep goes on where it was stopped. None logs nothing and keeps nothing.
    log : TrialLog, path or URL, optional
        Where studies are; by default ``$QUANTLAB_STUDIES``, else the folder ``studies``.
    scheduler : "threads" | "processes" | dask.distributed.Client | "tcp://..."
        Who runs the variants. The table is the same, whoever does.
    workers : int >= 1, optional
        Threads or processes; by default one for each processor.
    returns : bool
        Whether to keep the returns of every variant, as float32 in Parquet files; needs a study.
    memory : float > 0, MiB
        What results that variants share may take in each process.
    progress : bool, or function ``(done, variants)``, optional
        A bar with rate and time left; by default on a terminal and in a notebook.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError
        When the grid is empty or does not fit the strategy, an argument is impossible, or bars per year are unknown.
    KindError
        When an argument has another type.
    StoreError
        When the study cannot be read or written. What was committed before is kept.

    Notes
    -----
    A variant whose strategy raises, or returns what is no decision, is "failed" in the table with the reason, and the
    others go on. Ctrl-C leaves what is finished on record: the same call goes on from there.

    Equity, and so the returns, of a variant are bit for bit those of ``simulate``; metrics are those of
    ``Result.summary`` to 1e-12, because a sweep adds up in another order.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlab.core import Frequency, Panel, as_bars
    >>> days = np.datetime64("2024-01-01") + np.arange(60)
    >>> wave = 100 * np.exp(np.sin(np.arange(60) / 5) / 10)
    >>> bars = as_bars(Panel(wave[:, None], days, ["A"], frequency=Frequency(365)))
    >>> def trend(bars, *, lag):
    ...     return (bars.close > bars.close.shift(lag)).map(lambda up: up.astype(float))
    >>> out = sweep(trend, bars, {"lag": [1, 10]}, fill="next_close", study=None)
    >>> out.table.select("variant", "lag", "status", "bars").rows()
    [(0, 1, 'done', 59), (1, 10, 'done', 59)]
    """
    if not isinstance(bars, Bars):
        raise KindError(
            f"`bars` must be Bars, received {type(bars).__name__}.", hint="build them: `ql.as_bars(close)`."
        )
    made = as_grid(grid)
    demand_taken(strategy, made.parameters, reserved=RESERVED)
    terms = Terms(costs, account, fill, exits, rebalance, unlisted, untradable, delisting)
    periods = bars_per_year(bars.frequency)
    # Impossible arguments are refused before anything runs; those in the grid fail by themselves.
    terms.course(bars)
    if returns and study is None:
        raise InputError("`returns` are kept with a study, and `study` is None.", hint="name one.")
    limit = real(memory, name="memory")
    if not limit > 0:
        raise InputError(f"`memory` must be a positive number of MiB, received {memory!r}.")
    job = Job(strategy, bars, terms, periods, returns, int(limit * 2**20))
    opening = scheduler_of(scheduler, workers)
    record = record_of(study, log, job, made)
    with record, progress_of(progress, len(made)) as shown:
        table = _run(job, made, record, opening, shown)
    return Sweep(table, made, job, record.trials(), record.folder)


def _run(job: Job, grid: Grid, record: Record, opening: Any, shown: Progress) -> pl.DataFrame:
    """Run what is not there yet, and return all rows in the order of the grid."""
    keys = record.keys(grid)
    there = record.finished()
    todo = [number for number, key in enumerate(keys) if key not in there]
    shown.start(len(grid) - len(todo))
    if todo:
        todo = expensive_first(job, grid, todo)
        pace = _Pace()
        with opening(job) as scheduler:
            # Not before there is somebody to run them: a strategy that cannot be sent leaves no batch behind.
            record.begin(len(todo))
            with _leaving(record):
                for finished in scheduler.run(_chunks(grid, keys, todo, pace, scheduler)):
                    record.put(finished)
                    pace.learn(finished)
                    shown.add(len(finished.chunk.keys))
    return record.table(grid, keys)


class _Pace:
    """How many variants make a chunk: few at first, then as many as take half a second, or longer for many hands."""

    def __init__(self) -> None:
        self.size = 8

    def learn(self, finished: Finished) -> None:
        each = finished.seconds / max(len(finished.chunk.keys), 1)
        self.size = max(1, min(_MOST, int(_CHUNK / max(each, 1e-9))))

    def next(self, left: int, hands: int) -> int:
        """Return how many of so many that are left make the next chunk."""
        wanted = int(self.size * max(1.0, hands * _KEPT / _CHUNK))
        # At the end every hand has something to do.
        fair = -(-left // (2 * max(hands, 1)))
        return max(1, min(_MOST, wanted, fair))


def _chunks(grid: Grid, keys: Sequence[str], todo: Sequence[int], pace: _Pace, scheduler: Any) -> Iterator[Chunk]:
    first = 0
    while first < len(todo):
        numbers = todo[first : first + pace.next(len(todo) - first, scheduler.hands)]
        yield Chunk(numbers, [keys[n] for n in numbers], [grid[n] for n in numbers])
        first += len(numbers)


@contextmanager
def _leaving(record: Record) -> Iterator[None]:
    """Say on record why a sweep ends early."""
    try:
        yield
    except KeyboardInterrupt:
        record.stop("interrupted")
        raise
    except BaseException as error:
        # A disk that is full refuses this too; the error that is told is the first.
        with suppress(StoreError):
            record.stop("failed", f"{type(error).__name__}: {error}")
        raise
