"""The commands and their options, those of ``quantlab data`` aside (``_data``). What they do stands in ``_run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantlab.cli._data import data

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="quantlab: signals, honest backtests, validation, tearsheets.",
    epilog=(
        "Exit codes: 0 done; 2 not done, and you can put it right (arguments, configuration, data); 3 done, with "
        "findings (rows rejected, files not read, symbols not fetched, history restated, open findings of a check); "
        "1 an error nobody foresaw; 130 interrupted."
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
