"""The command line: ``quantlab data ...``, ``quantlab backtest CONFIG.toml``, ``quantlab tearsheet CONFIG.toml``.

The way of one command: ``main`` hands its arguments to the commands of ``_app``; ``_config`` reads the TOML file and
refuses what it does not know; ``_strategy`` finds the strategy's function and holds its parameters against its
signature; ``_run`` first prepares everything that can be wrong and then computes; ``_compiling`` says why a first run
takes long; ``_show`` prints. The commands of ``quantlab data`` stand in ``_data``, with ``_review`` and ``_show_data``.
``_door`` turns every error into one sentence on standard error and an exit code: 2 for what the user can put right, 3
for done with findings, 1 for what nobody foresaw, 130 for an interruption.

Results go to standard output, progress and errors to standard error. Nothing is written before everything is computed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0; 2 when the arguments, the configuration or the data are at fault; 3 when it is done, with findings; 1 for
        an unforeseen error; 130 when interrupted.

    Examples
    --------
    >>> main(["--version"])
    quantlab 0.1.0
    0
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        # Answered before anything is loaded.
        from quantlab import __version__

        print(f"quantlab {__version__}")
        return 0
    try:
        from quantlab.cli._app import app
        from quantlab.cli._door import guarded

        return guarded(app, given)
    except KeyboardInterrupt:
        # Before typer was there to catch it.
        sys.stderr.write("Interrupted.\n")
        return 130
