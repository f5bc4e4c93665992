"""The commands and their options, those of ``quantlab data`` aside (``_data``). What they do stands in ``_run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantlab.cli._data import FINDINGS, data

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="quantlab: signals, honest backtests, validation, tearsheets.",
    epilog=(
        "Exit codes: 0 done; 2 not done, and you can put it right (arguments, configuration, data); 3 done, with "
        "findings (rows rejected, files not read, symbols not fetched, history restated, open findings of a check, "
        "variants failed); 1 an error nobody foresaw; 130 interrupted."
    ),
)
app.add_typer(data, name="data", short_help="Bring prices in, check them, decide about them.")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _version(asked: bool) -> None:
    if asked:
        from quantlab import __version__

        typer.echo(f"quantlab {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
    debug: Debug = False,
) -> None:
    """quantlab: signals, honest backtests, validation, tearsheets."""


@app.command(short_help="Run a backtest and print the summary.")
def backtest(config: ConfigFile, debug: Debug = False) -> None:
    """Run a backtest, its walk-forward and its bootstrap; print the summary; write the tearsheet.

    The store and the report are relative to the current directory, the strategy's file to the configuration.
    """
    from quantlab.cli import _run, _show

    job = _run.prepare(config)
    with _show.progress() as progress:
        found = _run.compute(job, progress)
        page = _run.write(job, found, progress)
    out = _show.console()
    _show.outcome(out, job, found)
    if page is not None:
        _show.path(out, "Report", page)
        _show.path(out, "Numbers", page.with_suffix(".json"))


@app.command(short_help="Run a backtest and write the tearsheet.")
def tearsheet(
    config: ConfigFile,
    path: Annotated[str | None, typer.Option(help="Where to write it, if not at `report.path`.")] = None,
    debug: Debug = False,
) -> None:
    """Run the same configuration as `backtest`, and write the tearsheet without printing the summary."""
    from quantlab.cli import _run, _show

    job = _run.prepare(config, report=path, needs_report=True)
    with _show.progress() as progress:
        page = _run.write(job, _run.compute(job, progress), progress)
    out = _show.console()
    if page is not None:
        _show.path(out, "Report", page)
        _show.path(out, "Numbers", page.with_suffix(".json"))


@app.command(short_help="Run many variants of a strategy, and print the best.")
def sweep(
    config: ConfigFile,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads or processes, if not `sweep.workers`.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print where the table lies and its hash alone.")] = False,
    debug: Debug = False,
) -> None:
    """Run every variant of the grid in [sweep], and print the best with statistics corrected for the search.

    Finished variants are kept: the same command goes on where it was stopped, and ends with the same hash of the table.
    Exit code 3 when some of the variants failed.
    """
    from quantlab.cli import _show, _show_sweep, _sweep

    plan, out = _sweep.prepare(config, workers=workers), _show.console()
    with _show_sweep.Watching(out, plan, quiet=quiet) as watch:
        found = _sweep.run(plan, watch)
    table = _sweep.write(plan, found)
    _show_sweep.outcome(out, plan, found, quiet=quiet)
    _show_sweep.places(out, found, table)
    if found.failed.height:
        raise typer.Exit(FINDINGS)


@app.command(short_help="List what was tried, and the best of a study.")
def studies(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A study; without one all are listed.")] = None,
    log: Annotated[
        str | None, typer.Option(help='A folder or the URL of a database; else $QUANTLAB_STUDIES or "studies".')
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best runs to print.")] = 10,
    by: Annotated[str, typer.Option(metavar="METRIC", help="What ranks them.")] = "sharpe",
    debug: Debug = False,
) -> None:
    """List the studies of a trial log; of one study its batches, and its best runs with statistics corrected for all
    trials that it has on record.
    """
    from quantlab.cli import _show, _studies
    from quantlab.study import TrialLog

    out, trials = _show.console(), TrialLog(log)
    if name is None:
        _studies.studies(out, trials)
    else:
        _studies.study(out, trials, name, count=top, by=by)
