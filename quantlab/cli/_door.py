"""The way out: every error becomes a sentence on standard error and an exit code, a traceback only with ``--debug``."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quantlab.core import QuantlabError

USER, UNFORESEEN, INTERRUPTED = 2, 1, 130

_PACKAGE = Path(__file__).resolve().parents[1]
# Files that a strategy was loaded from, so that an error in them can be told from an error of quantlab.
strategy_files: set[str] = set()


def guarded(app: Any, arguments: Sequence[str]) -> int:
    """Run a typer app on arguments; return its exit code, with every error told in a sentence."""
    import typer

    debug = "--debug" in arguments
    try:
        code = app(list(arguments), prog_name="quantlab", standalone_mode=False)
    except typer.TyperException as error:
        # A wrong command, option or argument: typer's own sentence with its usage line.
        usage: Any = error
        usage.show()
        return usage.exit_code
    except QuantlabError as error:
        if debug:
            traceback.print_exc()
        return _say(f"Error: {error.message}{_place(error)}", USER, error.hint)
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _say(f"Error: {_unforeseen(error)}", UNFORESEEN, None if debug else "--debug shows the traceback.")
    except SystemExit as error:
        # Typer leaves this way by itself after printing a shell completion; a strategy must not end the program.
        if not _ended_by_user(error):
            raise
        if debug:
            traceback.print_exc()
        hint = "a strategy returns its weights and leaves the program running: take the exit out."
        return _say(f"Error: {_unforeseen(error)}", UNFORESEEN, hint)
    if code == INTERRUPTED:
        # Typer has caught the interruption and given back its exit code.
        return _say("Interrupted.", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _say(sentence: str, code: int, hint: str | None = None) -> int:
    sys.stderr.write(f"{sentence}\n")
    if hint:
        sys.stderr.write(f"Hint: {hint}\n")
    return code


def _place(error: BaseException) -> str:
    """Where in the strategy's file a quantlab function refused something, or nothing."""
    frame = _strategy_frame(error)
    return "" if frame is None else f" ({frame.name}, {_short(frame.filename)} line {frame.lineno})"


def _ended_by_user(error: SystemExit) -> bool:
    """Whether code that quantlab called wants the program to end, and not typer."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(_is_strategy(frame.filename) for frame in frames) or any(
        _is_quantlab(frame.filename) and Path(frame.filename).resolve() != Path(__file__).resolve() for frame in frames
    )


def _unforeseen(error: BaseException) -> str:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frame = _strategy_frame(error)
    if frame is not None:
        return f"the strategy failed in {frame.name}, {_short(frame.filename)} line {frame.lineno}: {what}"
    if isinstance(error, SystemExit):
        # Quantlab never leaves this way: it is a module that ends the program while it is imported.
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"the strategy failed in {last.name}, {_short(last.filename)} line {last.lineno}: {what}"
    return f"unforeseen, which is a bug of quantlab: {what}"


def _strategy_frame(error: BaseException) -> traceback.FrameSummary | None:
    """The last frame in a strategy's file, if what came after it is not quantlab calling on its own behalf."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [place for place, frame in enumerate(frames) if _is_quantlab(frame.filename) and not _passes_on(frame)]
    user = [place for place, frame in enumerate(frames) if _is_strategy(frame.filename)]
    if not user:
        return None
    called_into = own and own[-1] > user[-1]
    return None if called_into and not isinstance(error, QuantlabError) else frames[user[-1]]


def _passes_on(frame: traceback.FrameSummary) -> bool:
    """Whether a frame of quantlab only hands a call on: what it raises is the caller's doing."""
    return Path(frame.filename).resolve() == _PACKAGE / "core" / "_shared.py"


def _is_strategy(filename: str) -> bool:
    return str(Path(filename).resolve()) in strategy_files


def _is_quantlab(filename: str) -> bool:
    path = Path(filename).resolve()
    return path.is_relative_to(_PACKAGE) and str(path) not in strategy_files


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
