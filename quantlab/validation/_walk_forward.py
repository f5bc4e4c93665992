"""Walk-forward: choose parameters on the past, hold them on what follows, and keep one book through all of it.

The strategy runs once per variant on all bars. Signals are causal, so that a decision row at bar t is what it would
have been at bar t, and a window needs no warm-up of its own. One simulation per variant gives the returns that are
scored in the training windows; one more, of the stitched decisions, gives the out-of-sample book with the real costs
of changing parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.backtest import Result, simulate
from quantlab.core import Bars, DataError, InputError, KindError, LabelError, Panel, as_panel
from quantlab.core._door import date_series
from quantlab.core._labels import difference, show
from quantlab.core._lazy import lazy
from quantlab.core.periods import bars_per_year
from quantlab.execution import Account, Costs
from quantlab.metrics import sharpe
from quantlab.validation._folds import Fold, rolling_folds
from quantlab.validation._grid import call, name_of, variants

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

_COLUMNS = ("fold", "train_start", "train_end", "test_start", "test_end", "in_sample", "out_of_sample", "variants")


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
        fold, one column per parameter, in_sample (null where undefined). Training windows alone: how the losers did
        out of sample is hindsight, and stands nowhere.
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
    grid: Mapping[str, Sequence[Any]],
    *,
    train: int,
    test: int,
    purge: int = 0,
    anchored: bool = False,
    objective: Callable[[Panel], Any] = sharpe,
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str = "next_open",
    unlisted: str = "raise",
    progress: Callable[[int, int], Any] | None = None,
) -> WalkForward:
    """Return the out-of-sample track record of a strategy whose parameters are chosen anew before each test window.

    1. Every variant of the grid: ``strategy(bars, **params)`` once, ``simulate`` once, over all bars.
    2. Every fold: the variant with the highest objective of its returns inside the training window is chosen; among
    equals
       the first of the grid. Returns begin on the bar after a variant's first decision; the objective is of what is
       there. A variant without returns, with an undefined objective, or ruined before the window's end cannot win.
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
    grid : mapping of parameter name to a list of values
        All combinations are variants, and each is a trial.
    train, test : int, bars
        Length of the windows. The first training window starts at the first bar; test windows follow each other
        without a gap, and the last one takes what is left, one bar or more.
    purge : int >= 0, bars
        Left out between training and test, against training scores that know the first days of the test.
    anchored : bool
        Whether training windows all start at the first bar.
    objective : metric function, or function of returns (R, 1) that returns a number or an Estimate
        Higher is better.
    costs, account, fill, unlisted
        As in :func:`quantlab.backtest.simulate`, for variants and book alike.
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
        When no variant has a defined objective in a fold.

    Notes
    -----
    A fold whose test window ends before t does not change when the data after t do. Memory: the decision rows of the
    variants that lead in some fold, and one number per fold and variant.

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
    tried = variants(grid, strategy)
    clash = sorted(set(grid) & set(_COLUMNS))
    if clash:
        raise InputError(f"The parameter {clash[0]} has the name of a column of the fold table.", hint="rename it.")
    T = bars.shape[0]
    folds = rolling_folds(T, train=train, test=test, purge=purge, anchored=anchored)
    if getattr(objective, "annual", False):
        bars_per_year(bars.frequency)
    policy: dict[str, Any] = {"costs": costs, "account": account, "fill": fill, "unlisted": unlisted}
    scores = np.full((len(folds), len(tried)), np.nan)
    leads = np.full(len(folds), -1)
    held: dict[int, Panel] = {}
    for number, params in enumerate(tried):
        weights = _decisions(strategy(bars, **params), bars, call(strategy, params))
        returns = simulate(weights, bars, **policy).returns
        scores[:, number] = [_score(objective, returns, fold.train, T) for fold in folds]
        # Strictly better: among equals the first of the grid stays. A comparison with NaN is False.
        best = np.where(leads >= 0, scores[np.arange(len(folds)), leads], -math.inf)
        leads[scores[:, number] > best] = number
        held[number] = weights
        held = {lead: panel for lead, panel in held.items() if lead in leads}
        if progress is not None:
            progress(number + 1, len(tried))
    _demand_winners(leads, folds, bars, objective, len(tried))
    stitched = _stitch(folds, leads, held, bars)
    result = simulate(stitched, bars, **policy)
    book = result.returns
    tested = [_score(objective, book, fold.test, T) for fold in folds]
    settings = {
        "strategy": name_of(strategy),
        "objective": name_of(objective),
        "train": train,
        "test": test,
        "purge": purge,
        "anchored": anchored,
        "grid": {name: [_plain(value) for value in values] for name, values in grid.items()},
        "trials": len(tried),
        "simulation": result.settings,
    }
    return WalkForward(
        Panel._trusted(book.values, book.dates, ("out_of_sample",), book.frequency),
        _fold_table(folds, tried, leads.tolist(), scores, tested, bars),
        _score_table(scores, tried),
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


def _score(objective: Callable[[Panel], Any], returns: Panel, window: slice, bars: int) -> float:
    """The objective of the returns on the bars of ``window``; NaN without any, and when the book was ruined by then."""
    # Returns end with the last bar and begin on the bar after the first decision.
    missing = bars - len(returns)
    rows = slice(max(window.start - missing, 0), max(window.stop - missing, 0))
    values = returns.values[rows]
    if values.size == 0 or not (values > -1.0).all():
        return math.nan
    number = float(objective(Panel._trusted(values, returns.dates[rows], returns.symbols, returns.frequency)))
    return number if math.isfinite(number) else math.nan


def _demand_winners(
    leads: np.ndarray, folds: tuple[Fold, ...], bars: Bars, objective: Callable[..., Any], tried: int
) -> None:
    for number, (lead, fold) in enumerate(zip(leads, folds, strict=True), start=1):
        if lead < 0:
            first, last = (show(bars.dates[fold.train][i]) for i in (0, -1))
            raise DataError(
                f"Fold {number} (training {first} to {last}) has no winner: {name_of(objective)} is undefined for all "
                f"{tried} variants.",
                hint="a longer `train` leaves room for the first decisions and enough returns after them.",
            )


def _stitch(folds: tuple[Fold, ...], leads: np.ndarray, held: dict[int, Panel], bars: Bars) -> Panel:
    """The chosen variants' decision rows, each from the bar before its test window to the bar before the next."""
    values: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for number, (fold, lead) in enumerate(zip(folds, leads.tolist(), strict=True)):
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
    tried: list[dict[str, Any]],
    leads: list[int],
    scores: np.ndarray,
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
            *_parameters(tried, leads),
            pl.Series("in_sample", scores[np.arange(len(folds)), leads], nan_to_null=True),
            pl.Series("out_of_sample", np.array(tested), nan_to_null=True),
            pl.Series("variants", [len(tried)] * len(folds), dtype=pl.Int64),
        ]
    )


def _score_table(scores: np.ndarray, tried: list[dict[str, Any]]) -> pl.DataFrame:
    folds = scores.shape[0]
    return pl.DataFrame(
        [
            pl.Series("fold", np.repeat(np.arange(1, folds + 1), len(tried))),
            *_parameters(tried, list(range(len(tried))) * folds),
            pl.Series("in_sample", scores.ravel(), nan_to_null=True),
        ]
    )


def _parameters(tried: list[dict[str, Any]], rows: list[int]) -> list[pl.Series]:
    """One column per parameter, of the variants ``rows``: numbers, booleans and strings as they are, the rest as text.

    The type of a column follows from the whole grid, whatever was chosen.
    """
    out = []
    for name in tried[0]:
        values = [_plain(params[name]) for params in tried]
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1:
            cast = float if kinds == {int, float} else str
            values = [None if value is None else cast(value) for value in values]
        out.append(pl.Series(name, values).gather(rows))
    return out


def _plain(value: Any) -> Any:
    """The value as JSON knows it, or its text."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)
