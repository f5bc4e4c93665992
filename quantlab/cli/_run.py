"""From a configuration to results: what can be wrong is asked first, then everything is computed, then written."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantlab.cli import _compiling, _config, _strategy
from quantlab.core import Bars, ConfigError, Panel

if TYPE_CHECKING:
    from quantlab.backtest import Result
    from quantlab.metrics import Estimate
    from quantlab.validation import WalkForward

# Called before each step with what it is and how many parts it has (0: unknown); the answer is called after each part.
Progress = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True)
class Job:
    """A configuration whose every part was found and accepted; the terms are keyword arguments of ``simulate``."""

    config: _config.Config
    bars: Bars
    strategy: Callable[..., Any]
    terms: dict[str, Any]
    metrics: tuple[Callable[..., Estimate], ...]


@dataclass(frozen=True)
class Outcome:
    """What a job gave."""

    result: Result
    walk: WalkForward | None
    estimates: tuple[Estimate, ...]


def prepare(path: Path, *, report: str | None = None, needs_report: bool = False) -> Job:
    """Return the job that a configuration file describes, or raise before anything is computed.

    Parameters
    ----------
    path : of the TOML file
    report : in place of the file's `report.path`
    needs_report : whether it is an error that there is none
    """
    from quantlab.study._grid import variants
    from quantlab.validation._folds import rolling_folds

    config = _config.load(path)
    if report is not None:
        page = config.report or _config.ReportTable(path="report.html")
        if not report.endswith((".html", ".htm")):
            raise ConfigError(f'The report must be a file name that ends in ".html", received {report!r}.')
        config = config.model_copy(update={"report": page.model_copy(update={"path": report})})
    if config.report is not None:
        demand_writable(Path(config.report.path), "report.path")
    elif needs_report:
        raise ConfigError(f"{path} has no table [report].", hint='add one with `path = "report.html"`, or use --path.')
    function = _strategy.find(config.strategy.function, path.parent)
    grid = config.walk_forward.grid if config.walk_forward else {}
    _strategy.demand_parameters(function, config.strategy.parameters, grid)
    bars = bars_of(config)
    if (table := config.walk_forward) is not None:
        # The walk-forward asks the same later; here it costs nothing yet.
        rolling_folds(bars.shape[0], train=table.train, test=table.test, purge=table.purge, anchored=table.anchored)
        variants(table.grid, partial(function, **config.strategy.parameters))
    terms = terms_of(config)
    metrics = _metrics(config.bootstrap)
    demand_fields(bars, terms)
    return Job(config, bars, function, terms, metrics)


def compute(job: Job, progress: Progress) -> Outcome:
    """Run the backtest, and the walk-forward and bootstrap that the configuration asks for."""
    from quantlab.backtest import simulate
    from quantlab.validation import bootstrap, walk_forward

    config, fixed = job.config, job.config.strategy.parameters
    step = progress("backtest", 1)
    weights = job.strategy(job.bars, **fixed)
    _demand_weights(weights, config.strategy.function)
    _compiling.tell()
    result = simulate(weights, job.bars, **job.terms, strict=config.backtest.strict)
    # What simulate cannot know, for the report's list of settings.
    result.settings.update(strategy=config.strategy.function, parameters=dict(fixed))
    step()
    walk = None
    if (table := config.walk_forward) is not None:
        step = progress("walk-forward", math.prod(len(values) for values in table.grid.values()))
        walk = walk_forward(
            partial(job.strategy, **fixed),
            job.bars,
            table.grid,
            train=table.train,
            test=table.test,
            purge=table.purge,
            anchored=table.anchored,
            progress=lambda done, of: step(),
            **job.terms,
        )
    estimates = []
    if (plan := config.bootstrap) is not None:
        returns = result.returns if walk is None else walk.returns
        step = progress("bootstrap", len(job.metrics))
        for metric in job.metrics:
            estimates.append(bootstrap(returns, metric, method="stationary", reps=plan.reps, seed=plan.seed))
            step()
    return Outcome(result, walk, tuple(estimates))


def write(job: Job, outcome: Outcome, progress: Progress) -> Path | None:
    """Write the tearsheet and its JSON twin, and return where it stands; None when none is asked for."""
    from quantlab.report import tearsheet

    if job.config.report is None:
        return None
    step = progress("tearsheet", 1)
    parts = [part for part in (outcome.walk, *outcome.estimates) if part is not None]
    seed = job.config.bootstrap.seed if job.config.bootstrap else None
    page = tearsheet(
        outcome.result, validation=parts, path=job.config.report.path, title=job.config.report.title, seed=seed
    )
    step()
    return page


def bars_of(config: _config.Config) -> Bars:
    """Return the bars of a configuration, with opens where its fills need them."""
    from quantlab.data import Store

    data = config.data
    store = Store(data.store)
    bars = store.bars(
        data.dataset,
        start=data.start,
        end=data.end,
        symbols=data.symbols,
        adjust=data.adjust,
        known_at=data.known_at,
    )
    if config.backtest.fill == "next_open":
        bars.demand("open")
    return bars


def terms_of(config: _config.Config) -> dict[str, Any]:
    """Return how to trade, as keyword arguments of ``simulate``, ``walk_forward`` and ``sweep``."""
    trading = config.backtest
    return {
        "costs": config.costs.value(),
        "account": config.account.value(),
        "fill": trading.value(),
        "exits": None if config.exits is None else config.exits.value(),
        "rebalance": None if config.rebalancing is None else config.rebalancing.value(),
        "unlisted": trading.unlisted,
        "untradable": trading.untradable,
        "delisting": trading.delisting,
    }


def demand_fields(bars: Bars, terms: dict[str, Any]) -> None:
    """Ask the bars for what costs and fills need of them, as simulate does after the strategy ran."""
    from quantlab.backtest._prepare_terms import plan_of

    plan_of(bars, **{name: terms[name] for name in ("costs", "account", "fill", "exits", "rebalance")})
    if bars.volume is None:
        terms["costs"].slippage_terms(bars)


def _metrics(table: _config.BootstrapTable | None) -> tuple[Callable[..., Estimate], ...]:
    from quantlab import metrics

    if table is None:
        return ()
    known = {name: getattr(metrics, name) for name in metrics.__all__ if hasattr(getattr(metrics, name), "points")}
    for name in table.metrics:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"it is one of {', '.join(known)}."
            raise ConfigError(f"`bootstrap.metrics`: there is no metric {name!r}.", hint=hint)
    return tuple(known[name] for name in table.metrics)


def demand_writable(path: Path, key: str) -> None:
    """Refuse a file that could not be written, named by a key of the configuration, before the work is done."""
    if path.is_dir():
        raise ConfigError(
            f"`{key}`: {path} is a folder.", hint=f"give the name of a file that ends in {path.suffix or '.html'}."
        )
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir():
        raise ConfigError(f"`{key}`: {folder} is a file, so that {path} cannot be written.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"`{key}`: nobody but its owner can write into {folder}.", hint="choose another folder.")


def _demand_weights(weights: Any, reference: str) -> None:
    import polars as pl

    if not isinstance(weights, (Panel, pl.DataFrame, pl.LazyFrame)):
        raise ConfigError(
            f"Strategy {reference} must return target weights as a Panel, and returned {type(weights).__name__}.",
            hint="end it with `return ql.portfolio.long_short(...)`, or another Panel of weights.",
        )
