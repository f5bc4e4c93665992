"""What ``quantlab sweep`` prints: what runs, how far it is, the best variants with what their search took from them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from quantlab.cli._show import MISSING, line, new_table, path
from quantlab.metrics._estimate import show
from quantlab.study._measures import measure

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from quantlab.cli._sweep import Plan
    from quantlab.study import Sweep


class Rate(ProgressColumn):
    """Variants per second."""

    def render(self, task: Task) -> Text:
        """Return the rate, nothing before it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s")


class Watching:
    """Says what is going to run, and draws a bar on standard error while it does.

    Parameters
    ----------
    out : Console
    plan : Plan
    quiet : bool
        Neither the one nor the other.
    """

    def __init__(self, out: Console, plan: Plan, *, quiet: bool) -> None:
        self._out, self._plan, self._quiet, self._began = out, plan, quiet, False
        errors = Console(stderr=True)
        columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("variants"), Rate())
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._bar = Progress(*columns, *times, console=errors, transient=True, disable=quiet or not errors.is_terminal)
        self._task = self._bar.add_task("sweep", total=len(plan.grid), start=False)

    def __enter__(self) -> Watching:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._began:
            self._say(0)
        self._bar.stop()

    def begin(self, running: int) -> None:
        """Say what runs, and start the bar."""
        self._began = True
        self._say(running)
        self._bar.update(self._task, completed=len(self._plan.grid) - running)
        self._bar.start_task(self._task)
        self._bar.start()

    def __call__(self, done: int, variants: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done)

    def _say(self, running: int) -> None:
        if self._quiet:
            return
        plan, bars = self._plan, self._plan.bars
        first, last = bars.dates[[0, -1]]
        data = f"{bars.name}: {bars.shape[1]} symbols, {bars.shape[0]:,} bars, {first} to {last}"
        line(self._out, f"Study {plan.study}: {_counted(len(plan.grid), 'variant')} of {plan.name} on {data}.")
        there = len(plan.grid) - running
        to_run = f"{running:,} to run on {_hands(plan)}" if running else "nothing to run"
        line(self._out, f"On record already: {there:,}; {to_run}.")


def outcome(out: Console, plan: Plan, found: Sweep, *, quiet: bool) -> None:
    """Print the best variants with corrected statistics, what each parameter does, and what failed."""
    table = plan.table
    best = found.top(table.top, by=table.by)
    if best.height and not quiet:
        out.print()
        title = f"{measure(table.by).label}: the best, corrected for {_trials(plan, found)}"
        ranking(out, best, [found.params(number) for number in best["variant"]], by=table.by, title=title)
        line(out, notes(best, found.trials or found.table.height))
        if (parameters := marginal(found, table.by)).row_count:
            out.print()
            out.print(parameters)
    if (general := found.table.filter(engine="general").height) and not quiet:
        line(
            out, f"{_counted(general, 'variant')} by the general engine, bar by bar: docs/sweeps.md says which and why."
        )
    if (failed := found.failed).height:
        variant, *_, reason = failed.row(0)
        params = found.params(variant)
        line(
            out,
            f"{failed.height:,} of {_counted(found.table.height, 'variant')} failed; the first is {variant} "
            f"({_listed(params)}): {reason}",
        )


def places(out: Console, found: Sweep, table: Path | None) -> None:
    """Print where rows and table lie, and the hash of the table."""
    if found.place is not None:
        path(out, "Rows", _relative(found.place))
    if table is not None:
        path(out, "Table", table)
    out.print(Text(f"table sha256 {found.content_hash}"), soft_wrap=True)


def ranking(
    out: Console,
    best: pl.DataFrame,
    params: Sequence[Mapping[str, Any]],
    *,
    by: str,
    title: str,
    number: str = "Variant",
) -> None:
    """Print the best, with a column for each parameter; below the table where there is no room for them.

    Parameters
    ----------
    out : Console
    best : as ``ql.study.top`` returns it
    params : the parameters of each row
    by : the metric that ranks
    title : str
    number : what the column ``variant`` holds
    """
    names = list(dict.fromkeys(name for each in params for name in each))
    apart = by != "sharpe"
    tail = [*([f">{by}"] if apart else []), ">Sharpe", ">95 % interval", ">Deflated", ">Holm p"]
    narrow = new_table(title, f">{number}", *tail)
    wide = new_table(title, f">{number}", *(f">{name}" for name in names), *tail)
    for row, each in zip(best.iter_rows(named=True), params, strict=True):
        head = str(row["variant"])
        numbers = [_text(row["sharpe"]), _interval(row), _deflated(row["dsr"]), _probability(row["p_holm"])]
        if apart:
            numbers.insert(0, _metric(by, row[by]))
        wide.add_row(head, *(_value(each.get(name)) for name in names), *numbers)
        narrow.add_row(head, *numbers)
    room = Console(width=10_000)
    if room.measure(wide).maximum <= out.width:
        out.print(wide)
        return
    out.print(narrow)
    for head, each in zip(best["variant"], params, strict=True):
        line(out, f"{number} {head}: {_listed(each)}")


def notes(best: pl.DataFrame, trials: int) -> str:
    """Return what the columns of the ranking mean."""
    expected = best["expected_max"][0]
    luck = "what" if expected is None else f"the {expected:.2f} that"
    return (
        f"Deflated: the probability that the true Sharpe ratio exceeds {luck} luck alone gives the best of "
        f"{_counted(trials, 'trial')}. Holm p: how likely one of so many trials looks so good when none has any skill. "
        "The intervals know nothing of the search."
    )


def marginal(found: Sweep, by: str) -> Table:
    """Return a table of what each parameter does to a metric: where its mean is best and worst, and how much of the
    variance goes with it.
    """
    columns = ("Parameter", ">Best", ">Mean", ">Worst", ">Mean", ">Explained", ">Chance")
    table = new_table(f"{measure(by).label} by each parameter alone", *columns)
    for column in table.columns:
        # Ranges of numbers may be long, and no digit may be cut off.
        column.no_wrap = False
    for (name,), rows in found.marginal(by).group_by("parameter", maintain_order=True):
        known = rows.drop_nulls("mean").sort("mean", descending=not measure(by).less_is_better, maintain_order=True)
        if known.height < 2:
            continue
        best, worst = known.row(0, named=True), known.row(-1, named=True)
        shares = [MISSING if best[key] is None else f"{100 * best[key]:.0f} %" for key in ("explained", "chance")]
        ends = [text for row in (best, worst) for text in (row["value"], _metric(by, row["mean"]))]
        table.add_row(str(name), *ends, *shares)
    return table


def _trials(plan: Plan, found: Sweep) -> str:
    count = found.trials or found.table.height
    return f"{_counted(count, 'trial')} of study {plan.study}"


def _hands(plan: Plan) -> str:
    if "://" in plan.table.scheduler:
        return f"the cluster at {plan.table.scheduler}"
    count = plan.workers or len(os.sched_getaffinity(0))
    return _counted(count, "thread") if plan.table.scheduler == "threads" else _counted(count, "process", "es")


def _counted(count: int, what: str, more: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else more}"


def _relative(place: Path) -> Path:
    here = type(place).cwd()
    return place.relative_to(here) if place.is_relative_to(here) else place


def _listed(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in params.items())


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else MISSING if value is None else str(value)


def _text(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _probability(value: float | None) -> str:
    if value is None:
        return MISSING
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def _deflated(value: float | None) -> str:
    # Nothing is certain: what rounds to 1 is said to be close to it.
    return ">0.999" if value is not None and value >= 0.9995 else _probability(value)


def _interval(row: Mapping[str, Any]) -> str:
    low, high = row["sharpe_low"], row["sharpe_high"]
    return MISSING if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _metric(name: str, value: float | None) -> str:
    known = measure(name)
    unit = "fraction" if known.fraction else "bars" if known.whole else "ratio"
    return MISSING if value is None else show(value, unit)
