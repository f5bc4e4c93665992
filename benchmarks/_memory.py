"""Peak memory of one job in a process of its own, above what its inputs and imports hold already."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent


def peak_of(job: Callable[[], object]) -> float:
    """MiB that a job adds to this process at its highest. Linux can forget an earlier peak; elsewhere it counts."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        # What was freed before goes back to the system, or the job would use it again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        clear.write_text("5")
    before = _highest()
    job()
    return _highest() - before


def child(module: str, function: str, *arguments: object) -> float:
    """What ``module.function(*arguments)`` of this folder returns in a fresh process: its own ``peak_of``."""
    code = f"import {module} as m; print('peak', m.{function}(*{arguments!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    return float(done.stdout.split("peak")[-1])


def _highest() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
