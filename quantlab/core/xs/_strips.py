"""Rows a few at a time, so that a temporary array of their size stays small and in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

_ELEMENTS = 2**17  # 1 MB of float64


def strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of rows that together cover a matrix of ``shape``."""
    rows, columns = shape
    step = max(_ELEMENTS // max(columns, 1), 1)
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))
