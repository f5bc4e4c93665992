"""Walk-forward: choose parameters on the past, hold them on what follows, and keep one book through all of it.

Every variant runs once, on all bars, as in a sweep. Signals are causal, so that a decision row at bar t is what it
would have been at bar t, and a window takes its warm-up from the bars before it. One run per variant gives the returns
that are scored in the training windows (``_fold_scores``); one more, of the stitched decisions, gives the out-of-sample
book with the real costs of changing parameters.

The variants of a fold are scored on the same bars, because a variant that needs a long warm-up would otherwise be
judged by a handful of returns, whose objective is wild and wins by luck.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.backtest import Result, simulate
from quantlab.core import Bars, DataError, InputError, KindError, LabelError, Panel, as_panel
from quantlab.core._arguments import integer
from quantlab.core._door import date_series
from quantlab.core._labels import difference, show
from quantlab.core._lazy import lazy
from quantlab.core.periods import bars_per_year
from quantlab.execution import Account, Costs, Exits, Fill
from quantlab.metrics import sharpe
from quantlab.portfolio import Rebalancing
from quantlab.study._grid import Grid, as_grid
from quantlab.study._job import Job, Terms
from quantlab.study._record import parameter_columns
from quantlab.study._strategy import call, demand_function, demand_taken, name_of
from quantlab.study._tracks import tracks_of
from quantlab.validation._fold_scores import FoldTrial, fold_trial, score
from quantlab.validation._folds import Fold, rolling_folds
from quantlab.validation._recorded import recorded

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Bytes for what variants share.
_MEMORY = 256 * 2**20

# Columns of the two tables that no parameter may be called after.
_COLUMNS = (
    *("fold", "train_start", "train_end", "test_start", "test_end", "in_sample", "out_of_sample", "variants"),
    *("bars", "reason"),
)


@dataclass(frozen=True, eq=False, repr=False)
class WalkForward:
    """The outcome of a walk-forward.

    Attributes
    ----------
    returns : Panel (R, 1), column "out_of_sample", simple, per bar
        Of the test windows alone: from the first test bar to the last bar. NaN after ruin.
    folds : polars.DataFrame, one row per fold
        fold (from 1), train_start, train_end, test_start, test_end (first and last dates), one column per parameter,
        in_sample (objective of the chosen variant in training), out_of_sample (objective of the book in the test
        window, or null), variants (how many were tried).
    scores : polars.DataFrame, one row per fold and variant
        fold, one column per parameter, in_sample (null where the variant could not win), bars (how many it was scored
        on: the same number for all of a fold, 0 for a variant left out), reason (why in_sample is null). Training
        windows alone: how the losers did out of sample is hindsight, and stands nowhere.
    weights : Panel (R, N), the stitched decision rows
    result : Result
        Of the one book that held them, over all bars; before the first test window it is cash.
    trials : int
        Variants tried.
    settings : dict
        Windows, objective, grid, trials, and the settings of the simulation, ready for JSON.
    """

    returns: Panel
    folds: pl.DataFrame
    scores: pl.DataFrame
    weights: Panel
    result: Result
    trials: int
    settings: dict[str, Any]

    def __repr__(self) -> str:
        first, last = (show(self.returns.dates[i]) for i in (0, -1))
        return (
            f"WalkForward of {self.settings['strategy']} on {self.result.bars.name}: {self.folds.height} folds, "
            f"{self.trials} variants tried, out of sample {first} to {last} ({len(self.returns)} bars)"
        )


def walk_forward(
    strategy: Callable[..., Any],
    bars: Bars,
    grid: Grid | Mapping[str, Sequence[Any]],
    *,
    train: int,
    test: int,
    purge: int = 0,
    anchored: bool = False,
    objective: Callable[[Panel], Any] = sharpe,
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
    workers: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> WalkForward:
    """Return the out-of-sample track record of a strategy whose parameters are chosen anew before each test window.

    1. Every variant of the grid: ``strategy(bars, **params)`` once, ``simulate`` once, over all bars.
    2. Every fold: the variant with the highest objective of its returns inside the training window is chosen; among
    equals
       the first of the grid. Returns begin on the bar after a variant's first decision, and with the fill "same_close"
       on that of the decision, whose fills cost there. All variants of a fold are scored on the same bars: from the
       first on which each of them has returns to the window's end. A variant with returns on fewer than half of the
       window's bars, or ruined before the window's end, is left out: it cannot win, and does not shorten the common
       bars. Nor can one with an undefined objective win.
    3. The chosen variant's decision rows from the bar before the test window on are held. Where it differs from the
    fold
       before, its standing target (its newest decision row up to that bar) is a decision at the bar before the test
       window.
    4. The stitched rows are simulated as one book, which pays for every change.

    Parameters
    ----------
    strategy : function ``(bars, **params) -> PanelLike (R, N)``
        Target weights: decision rows as in :func:`quantlab.backtest.simulate`. Row t may use bars up to t alone.
    bars : Bars (T, N)
    grid : Grid, or mapping of parameter name to a list of values
        A mapping stands for all combinations; ``ql.study`` has other grids. Each variant is a trial.
    train, test : int, bars
        Length of the windows. The first training window starts at the first bar; test windows follow each other
        without a gap, and the last one takes what is left, one bar or more.
    purge : int >= 0, bars
        Left out between training and test, against training scores that know the first days of the test.
    anchored : bool
        Whether training windows all start at the first bar.
    objective : metric function, or function of returns (R, 1) that returns a number or an Estimate
        Higher is better.
    costs, account, fill, exits, rebalance, unlisted, untradable, delisting
        As in :func:`quantlab.backtest.simulate`, for variants and book alike.
    study : str or None
        The name under which every variant is logged and counted as a trial, with its scores in the training windows;
        the fold table is kept with them. None logs nothing.
    log : TrialLog, path or URL, optional
        Where studies are; by default ``$QUANTLAB_STUDIES``, else the folder ``studies``.
    workers : int >= 1, optional
        Threads; by default one for each processor.
    progress : function ``(done, variants)``, optional
        Called after each variant.

    Returns
    -------
    WalkForward

    Raises
    ------
    InputError
        When the grid is empty or does not fit the strategy, or the windows do not fit the bars.
    KindError, LabelError
        When the strategy returns something else than weights on the labels of the bars.
    DataError
        When in a fold no variant has returns on half of the training window, or none has a defined objective.

    Notes
    -----
    A fold whose test window ends before t does not change when the data after t do. Variants run as in
    :func:`quantlab.study.sweep`, many at a time, and what they have in common is worked out once. Memory: one row of
    numbers per bar for those that are under way; the returns of all lie in a file while it runs (8 bytes per bar and
    variant), because the last of them may still move the bars on which the first are scored.

    Examples
    --------
    >>> from quantlab.core import Frequency, Panel, as_bars
    >>> days = np.datetime64("2024-01-01") + np.arange(60)
    >>> wave = 100 * np.exp(np.sin(np.arange(60) / 5) / 10)
    >>> bars = as_bars(Panel(wave[:, None], days, ["A"], frequency=Frequency(365)))
    >>> def trend(bars, *, lag):
    ...     return (bars.close > bars.close.shift(lag)).map(lambda up: up.astype(float))
    >>> out = walk_forward(trend, bars, {"lag": [1, 10]}, train=20, test=20, fill="next_close")
    >>> out
    WalkForward of trend on bars: 2 folds, 2 variants tried, out of sample 2024-01-21 to 2024-02-29 (40 bars)
    >>> out.folds["lag"].to_list()
    [1, 1]
    """
    if not isinstance(bars, Bars):
        raise KindError(
            f"`bars` must be Bars, received {type(bars).__name__}.", hint="build them: `ql.as_bars(close)`."
        )
    made = as_grid(grid)
    demand_taken(strategy, made.parameters)
    tried = list(made)
    clash = sorted(set(made.parameters) & set(_COLUMNS))
    if clash:
        raise InputError(f"The parameter {clash[0]} has the name of a column of the fold table.", hint="rename it.")
    T = bars.shape[0]
    folds = rolling_folds(T, train=train, test=test, purge=purge, anchored=anchored)
    demand_function(objective, "objective")
    if getattr(objective, "annual", False):
        bars_per_year(bars.frequency)
    policy: dict[str, Any] = {
        "costs": costs,
        "account": account,
        "fill": fill,
        "exits": exits,
        "rebalance": rebalance,
        "unlisted": unlisted,
        "untradable": untradable,
        "delisting": delisting,
    }
    windows = {"train": train, "test": test, "purge": purge, "anchored": anchored, "objective": name_of(objective)}
    job = Job(strategy, bars, Terms(**policy), math.nan, False, _MEMORY)
    threads = len(os.sched_getaffinity(0)) if workers is None else integer(workers, name="workers", low=1)
    with recorded(study, log, job, made, windows) as record:
        with tracks_of(job, tried, threads, progress) as tracks:
            trials = [fold_trial(objective, tracks, fold.train, bars) for fold in folds]
        record.scored(trials)
        leads = [trial.lead for trial in trials]
        _demand_winners(leads, trials, folds, bars, objective)
        # The strategy is asked again for the few that won: holding the decisions of all would grow with them.
        held = {
            lead: _decisions(strategy(bars, **tried[lead]), bars, call(strategy, tried[lead])) for lead in set(leads)
        }
        stitched = _stitch(folds, leads, held, bars)
        result = simulate(stitched, bars, **policy)
        tested = [score(objective, _inside(result.returns, fold.test, T)) for fold in folds]
        table = _fold_table(folds, made, leads, trials, tested, bars)
        record.chosen(table)
    book = result.returns
    settings = {
        "strategy": name_of(strategy),
        **windows,
        "grid": made.describe(),
        "trials": len(tried),
        "simulation": result.settings,
    }
    return WalkForward(
        Panel._trusted(book.values, book.dates, ("out_of_sample",), book.frequency),
        table,
        _score_table(trials, made),
        stitched,
        result,
        len(tried),
        settings,
    )


def _decisions(answer: Any, bars: Bars, what: str) -> Panel:
    """What the strategy returned, checked against the bars; rows without any weight left out."""
    if not isinstance(answer, (Panel, pl.DataFrame, pl.LazyFrame)):
        raise KindError(f"{what} must return a Panel or a Polars frame of weights, returned {type(answer).__name__}.")
    weights = as_panel(answer, name=what)
    if weights.symbols != bars.symbols:
        raise LabelError(
            f"{what} returned other symbols than the bars have: {difference(weights.symbols, bars.symbols)}.",
            hint="weights need a column for every symbol of the bars, in their order.",
        )
    strange = weights.dates[~np.isin(weights.dates, bars.dates)]
    if strange.size:
        raise LabelError(f"{what} returned a decision on {show(strange[0])}, which is no bar.")
    if weights.values.dtype == bool:
        raise KindError(f"{what} must return numbers, returned bool.", hint="weights are fractions of equity.")
    keep = ~np.isnan(weights.values).all(axis=1)
    return Panel._trusted(weights.values[keep], weights.dates[keep], weights.symbols, bars.frequency)


def _inside(returns: Panel, window: slice, bars: int) -> Panel:
    """The returns on the bars of ``window``."""
    # Returns end with the last bar and begin with the first that can have a fill.
    missing = bars - len(returns)
    rows = slice(max(window.start - missing, 0), max(window.stop - missing, 0))
    return Panel._trusted(returns.values[rows], returns.dates[rows], returns.symbols, returns.frequency)


def _demand_winners(
    leads: list[int], trials: list[FoldTrial], folds: tuple[Fold, ...], bars: Bars, objective: Callable[..., Any]
) -> None:
    for number, (lead, trial, fold) in enumerate(zip(leads, trials, folds, strict=True), start=1):
        if lead >= 0:
            continue
        first, last = (show(bars.dates[fold.train][i]) for i in (0, -1))
        where = f"Fold {number} (training {first} to {last})"
        length = fold.train.stop - fold.train.start
        if 2 * trial.longest < length:
            raise DataError(
                f"{where}: no variant has returns on half of the training window, and at most on {trial.longest} of "
                f"its {length} bars.",
                hint="lengthen `train` or shorten the lookback.",
            )
        raise DataError(
            f"{where} has no winner: {name_of(objective)} is undefined for all {len(trial.reasons)} variants, or they "
            "are ruined.",
            hint="a longer `train` leaves room for the first decisions and enough returns after them.",
        )


def _stitch(folds: tuple[Fold, ...], leads: list[int], held: Mapping[int, Panel], bars: Bars) -> Panel:
    """The chosen variants' decision rows, each from the bar before its test window to the bar before the next."""
    values: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for number, (fold, lead) in enumerate(zip(folds, leads, strict=True)):
        weights = held[lead]
        where = np.searchsorted(bars.dates, weights.dates)
        first = fold.test.start - 1
        stop = fold.test.stop - 1 if number + 1 < len(folds) else fold.test.stop
        low, high = np.searchsorted(where, (first, stop))
        changed = number == 0 or lead != leads[number - 1]
        if changed and (low == where.size or where[low] != first):
            # It has decided before, because it has returns in the training window.
            rows.append(np.array([first]))
            values.append(weights.values[low - 1 : low])
        rows.append(where[low:high])
        values.append(weights.values[low:high])
    return Panel._trusted(np.concatenate(values), bars.dates[np.concatenate(rows)], bars.symbols, bars.frequency)


def _fold_table(
    folds: tuple[Fold, ...],
    made: Grid,
    leads: list[int],
    trials: list[FoldTrial],
    tested: list[float],
    bars: Bars,
) -> pl.DataFrame:
    dates = date_series(bars.dates)
    ends = {
        "train_start": [fold.train.start for fold in folds],
        "train_end": [fold.train.stop - 1 for fold in folds],
        "test_start": [fold.test.start for fold in folds],
        "test_end": [fold.test.stop - 1 for fold in folds],
    }
    return pl.DataFrame(
        [
            pl.Series("fold", range(1, len(folds) + 1), dtype=pl.Int64),
            *(dates.gather(rows).alias(name) for name, rows in ends.items()),
            *(column.gather(leads) for column in parameter_columns(made)),
            pl.Series("in_sample", [float(trial.scores[lead]) for trial, lead in zip(trials, leads, strict=True)]),
            pl.Series("out_of_sample", np.array(tested), nan_to_null=True),
            pl.Series("variants", [len(made)] * len(folds), dtype=pl.Int64),
        ]
    )


def _score_table(trials: list[FoldTrial], made: Grid) -> pl.DataFrame:
    folds = len(trials)
    return pl.DataFrame(
        [
            pl.Series("fold", np.repeat(np.arange(1, folds + 1), len(made))),
            *(column.gather(list(range(len(made))) * folds) for column in parameter_columns(made)),
            pl.Series("in_sample", np.concatenate([trial.scores for trial in trials]), nan_to_null=True),
            pl.Series("bars", np.concatenate([trial.bars for trial in trials])),
            pl.Series("reason", [reason for trial in trials for reason in trial.reasons], dtype=pl.String),
        ]
    )
