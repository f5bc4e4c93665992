"""What is said before the first run on a machine: the engine is compiled then, and for that long nothing else happens.

The line goes to standard error whether or not that is a terminal: it comes once, and a log that stands still for half a
minute wants a reason too.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType

SENTENCE = "Compiling the engine, once: this takes about half a minute, on a slow machine two."


def tell(command: str = "backtest") -> None:
    """Say that the engine of "backtest" or "sweep" is going to be compiled, if it is."""
    if not cached(command):
        sys.stderr.write(f"{SENTENCE}\n")
        sys.stderr.flush()


def cached(command: str = "backtest") -> bool:
    """Whether the cache holds the engine of a command, compiled from the kernels as they are."""
    from quantlab.backtest import _compact_kernels, _engine_kernels
    from quantlab.core import _kernel

    engines: dict[str, tuple[ModuleType, str]] = {
        "backtest": (_engine_kernels, "run"),
        "sweep": (_compact_kernels, "run_many"),
    }
    module, name = engines[command]
    source = Path(inspect.getfile(module)).resolve()
    folder = _kernel._cache_directory(str(source.parent))
    if folder is None:
        return False
    # Numba's index of a function; the stamp of all kernels is in its name.
    return any(folder.glob(f"{source.stem}.{name}-*-{_kernel._stamp(str(source))[:12]}*.nbi"))
