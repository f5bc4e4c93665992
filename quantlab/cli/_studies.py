"""``quantlab studies``: what was tried, and the best of a study with statistics corrected for all its trials."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console

from quantlab.cli._show import MISSING, line, new_table
from quantlab.cli._show_sweep import notes, ranking
from quantlab.core import InputError
from quantlab.study import TrialLog, top
from quantlab.study._measures import measure

if TYPE_CHECKING:
    from datetime import datetime

# What statistics of a Sharpe ratio need of a run.
_NEEDED = ("sharpe", "skew", "kurtosis", "bars")


def studies(out: Console, log: TrialLog) -> None:
    """Print every study of a log."""
    found = log.studies()
    if not found.height:
        line(out, f"There is no study in {_place(log)} yet: `quantlab sweep CONFIG.toml` makes one.")
        return
    table = new_table(f"Studies in {_place(log)}", "Study", ">Batches", ">Runs", ">Trials", "First", "Last")
    table.columns[0].no_wrap = False
    for row in found.iter_rows(named=True):
        counts = [f"{row[name]:,}" for name in ("batches", "runs", "trials")]
        table.add_row(row["study"], *counts, _moment(row["created"]), _moment(row["last"]))
    out.print(table)
    line(out, "Trials: distinct configurations whose numbers were seen. Moments are UTC.")


def study(out: Console, log: TrialLog, name: str, *, count: int, by: str) -> None:
    """Print the batches of a study and its best runs."""
    batches, runs, trials = log.batches(name), log.runs(name), log.trials(name)
    _demand_metric(runs, by)
    title = f"{name}: {trials.count:,} trials, {trials.failed:,} failed"
    columns = (">Batch", "Strategy", "Kind", "Status", ">Planned", ">Done", ">Failed", "Began, UTC")
    table = new_table(title, *columns)
    for row in batches.iter_rows(named=True):
        counts = [MISSING if row[key] is None else f"{row[key]:,}" for key in ("planned", "done", "failed")]
        about = (row["strategy"] or MISSING, row["kind"], row["status"])
        table.add_row(str(row["batch"]), *about, *counts, _moment(row["created"]))
    out.print(table)
    for key, value in log.tags(name).items():
        line(out, f"{key}: {value}")
    for row in log.notes(name).iter_rows(named=True):
        line(out, f"{_moment(row['created'])}  {row['text']}")
    out.print()
    best = _best(runs, batches, trials.count, count=count, by=by)
    if isinstance(best, str):
        line(out, best)
        return
    params = [log.params(run) for run in best["variant"]]
    ranking(out, best, params, by=by, title=f"{measure(by).label}: the best of {trials.count:,} trials", number="Run")
    if best.height:
        line(out, notes(best, trials.count))


def _best(runs: pl.DataFrame, batches: pl.DataFrame, trials: int, *, count: int, by: str) -> pl.DataFrame | str:
    """The best runs as ``ql.study.top`` returns them, or why that cannot be told."""
    missing = [metric for metric in _NEEDED if metric not in runs.columns]
    if missing:
        return f"No run has the metric {missing[0]}, without which the best cannot be told."
    done = runs.filter(pl.col("status") == "done").unique("key", keep="last", maintain_order=True)
    periods = {row["batch"]: json.loads(row["settings"]).get("bars_per_year") for row in batches.iter_rows(named=True)}
    lengths = {periods[batch] for batch in done["batch"].unique()} - {None}
    if len(lengths) != 1:
        what = "are of bars of several lengths" if lengths else "say nothing of their bars"
        return f"The runs {what}: their Sharpe ratios have no common scale, and no best is told."
    known = done.filter(pl.col("batch").replace_strict(periods, return_dtype=pl.Float64).is_not_null())
    numbers = [pl.col(metric) for metric in dict.fromkeys((*_NEEDED, by))]
    rows = known.select(pl.col("run").alias("variant"), "status", "reason", *numbers)
    return top(rows, [], count, by=by, trials=trials, periods=lengths.pop())


def _demand_metric(runs: pl.DataFrame, name: str) -> None:
    known = [column for column, kind in runs.schema.items() if kind == pl.Float64 and column != "duration"]
    if name in known or name == "sharpe":
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"they have {', '.join(known) or 'none'}."
    raise InputError(f"`--by`: the runs have no metric {name!r}.", hint=hint)


def _place(log: TrialLog) -> str:
    return repr(log).removeprefix("TrialLog ")


def _moment(value: datetime | None) -> str:
    return MISSING if value is None else f"{value:%Y-%m-%d %H:%M}"
