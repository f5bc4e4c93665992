"""What the commands print: tables for people, at 80 columns, with no color where nobody looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from quantlab.metrics import Estimate
from quantlab.metrics._estimate import show

if TYPE_CHECKING:
    import polars as pl

    from quantlab.backtest import Result
    from quantlab.cli._run import Job, Outcome

MISSING = "-"
_WIDTH = 160
# Columns that hold sentences or names of any length; the others are dates, numbers and names of rules, and never wrap.
_LONG = (*("Change", "Column", "Dataset", "Detail", "Kind", "Meaning", "Metric", "Note", "Reason", "Unit", "What"),)
_UNITS = {"fraction": "", "fraction per year": "per year"}


def console() -> Console:
    """Standard output as it is now: no colors and room for whole rows where it is no terminal.

    COLUMNS, where somebody has set it, holds in both cases.
    """
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = _WIDTH
    return out


@contextmanager
def progress() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Bars on standard error while something runs, gone when it is done, and silent when nobody looks."""
    errors = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:

        def step(what: str, parts: int) -> Callable[[], None]:
            task = bars.add_task(what, total=parts or None)
            return lambda: bars.advance(task)

        yield step


def outcome(out: Console, job: Job, found: Outcome) -> None:
    """Print what a backtest gave: the head, the summary, out of sample, and what was not as it should be."""
    bars = job.bars
    first, last = found.result.equity.dates[[0, -1]]
    line(out, f"{bars.name}: {bars.shape[1]} symbols, {bars.shape[0]:,} bars, {first} to {last}")
    out.print(summary(found.result))
    line(out, _out_of_sample(job, found))
    for estimate in found.estimates:
        if estimate.name != "sharpe":
            line(out, f"{_label(estimate.name)}, {_whose(found)}: {_number(estimate)}")
    if found.result.diagnostics.height:
        out.print(findings(found.result.diagnostics))


def summary(result: Result) -> Table:
    """The headline numbers of a backtest."""
    table = new_table("Backtest, after costs", "Metric", ">Value", ">95 % interval", "Unit")
    for row in result.summary(level=0.95).iter_rows(named=True):
        unit = row["unit"]
        value = MISSING if row["value"] is None else show(row["value"], unit)
        table.add_row(_label(row["metric"]), value, _interval(row["low"], row["high"], unit), _UNITS.get(unit, unit))
    return table


def findings(diagnostics: pl.DataFrame) -> Table:
    """The diagnostics, one row per rule and meaning: nothing that was skipped or replaced stays unsaid."""
    table = new_table("Diagnostics", "Rule", "Severity", ">Count", "First", "What")
    for (rule, severity, detail), rows in diagnostics.group_by("rule", "severity", "detail", maintain_order=True):
        top = rows.row(0, named=True)
        first = " ".join(part for part in (top["symbol"], top["date"]) if part)
        table.add_row(rule, severity, f"{rows['count'].sum():,}", first, detail)
    return table


def samples(out: Console, written: pl.DataFrame, store: Path) -> None:
    """Print what ``data sample`` wrote: a table of facts, then what each dataset is and is not."""
    table = new_table(f"Written to {store}", "Dataset", ">Symbols", ">Rows", "First", "Last")
    for row in written.iter_rows(named=True):
        table.add_row(row["dataset"], f"{row['symbols']:,}", f"{row['rows']:,}", str(row["first"]), str(row["last"]))
    out.print(table)
    for row in written.iter_rows(named=True):
        line(out, f"{row['dataset']}: {row['what']}")
        out.print(Padding(Text(f"But: {row['not']}"), (0, 0, 1, 2)))


def line(out: Console, text: str) -> None:
    """Print a line of text as it is; a terminal wraps it at words."""
    out.print(Text(text))


def path(out: Console, label: str, where: Path) -> None:
    """Print a path on one line, however long, so that it can be copied."""
    out.print(Text(f"{label:<8} {where}"), soft_wrap=True)


def _out_of_sample(job: Job, found: Outcome) -> str:
    estimate = next((one for one in found.estimates if one.name == "sharpe"), None)
    if found.walk is None:
        if estimate is None:
            return "Nothing here is out of sample: the configuration has no [walk_forward]."
        return f"Sharpe ratio, in sample: {_number(estimate)}"
    if estimate is None:
        from quantlab.metrics import sharpe

        estimate = sharpe(found.walk.returns)
    folds = found.walk.folds.height
    return (
        f"Sharpe ratio, out of sample: {_number(estimate)}. Chosen anew in each of {folds:,} folds "
        f"from {found.walk.trials:,} trials."
    )


def _number(estimate: Estimate) -> str:
    if estimate.reason:
        return f"undefined, {estimate.reason}"
    text = show(estimate.value, estimate.unit)
    if estimate.method == "none":
        return text
    how = estimate.method
    if "reps" in estimate.details:
        how += f" bootstrap, {estimate.details['reps']:,} resamples, seed {estimate.details['seed']}"
    low, high = show(estimate.low, estimate.unit), show(estimate.high, estimate.unit)
    return f"{text}, {100 * estimate.level:g} % interval {low} to {high} ({how})"


def _whose(found: Outcome) -> str:
    return "in sample" if found.walk is None else "out of sample"


def _interval(low: float | None, high: float | None, unit: str) -> str:
    return MISSING if low is None or high is None else f"{show(low, unit)} to {show(high, unit)}"


def _label(name: str) -> str:
    from quantlab.report._headline import LABELS

    return LABELS.get(name, name).replace("\u202f", " ")


def new_table(title: str, *columns: str) -> Table:
    """An empty table; a column whose name begins with > holds numbers and stands to the right."""
    from rich import box

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for name in columns:
        title = name.removeprefix(">")
        side: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(title, justify=side, overflow="fold", no_wrap=title not in _LONG)
    return table
