"""What is said before the first run on a machine: the engine is compiled then, and for that long nothing else happens.

The line goes to standard error whether or not that is a terminal: it comes once, and a log that stands still for half a
minute wants a reason too.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

SENTENCE = "Compiling the engine, once: this takes about half a minute, on a slow machine two."


def tell() -> None:
    """Say that the engine is going to be compiled, if it is."""
    if not cached():
        sys.stderr.write(f"{SENTENCE}\n")
        sys.stderr.flush()


def cached() -> bool:
    """Whether the cache holds a run of the engine, compiled from the kernels as they are."""
    from quantlab.backtest import _engine_kernels
    from quantlab.core import _kernel

    source = Path(inspect.getfile(_engine_kernels)).resolve()
    folder = _kernel._cache_directory(str(source.parent))
    if folder is None:
        return False
    # Numba's index of a function; the stamp of all kernels is in its name.
    return any(folder.glob(f"{source.stem}.run-*-{_kernel._stamp(str(source))[:12]}*.nbi"))
