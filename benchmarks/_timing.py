"""Interleaved timing of two sides, and the shape of a result row."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any


def row(
    name: str, ours: float, reference: float, *, aim: str, met: bool, unit: str, note: str, ratio: float | None = None
) -> dict[str, Any]:
    """One line of the table; ``ratio`` is ours / reference unless given."""
    return {
        "name": name,
        "ours": ours,
        "reference": reference,
        "ratio": ours / reference if ratio is None else ratio,
        "aim": aim,
        "met": bool(met),
        "unit": unit,
        "note": note,
    }


def in_turn(*sides: Callable[[], Any], repeats: int) -> list[float]:
    """Median seconds of each side, run in turn A B C A B C ..., after one warm-up each."""
    for side in sides:
        side()
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(repeats):
        for spent, side in zip(times, sides, strict=True):
            start = time.perf_counter()
            side()
            spent.append(time.perf_counter() - start)
    return [statistics.median(spent) for spent in times]


def paired(ours: Callable[[], Any], reference: Callable[[], Any], *, repeats: int) -> tuple[float, float]:
    """Median seconds of both sides, run in turn, after one warm-up each."""
    first, second = in_turn(ours, reference, repeats=repeats)
    return first, second


def process(code: str, **environment: str) -> float:
    """Wall seconds of a fresh interpreter that runs ``code``, with bytecode cached as on an ordinary machine."""
    ordinary = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={**ordinary, **environment}, capture_output=True)
    return time.perf_counter() - start
