"""Parquet store to aligned Bars, against ``pl.read_parquet`` of the same columns of the same file."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl

from quantlab.data import Store

DATES, SYMBOLS, REPEATS = 2_520, 3_000, 7
FIELDS = ("open", "high", "low", "close", "volume")


def rows() -> list[dict[str, Any]]:
    """Two rows: a full rectangle, and data with holes (8 % of the rows absent, 2 % of the prices null)."""
    frame = _frame()
    rng = np.random.default_rng(8)
    holes = frame.filter(pl.Series(rng.random(frame.height) > 0.08)).with_columns(
        pl.when(pl.int_range(pl.len()) % 50 != 0).then(name).alias(name) for name in FIELDS[:4]
    )
    with TemporaryDirectory() as folder:
        found = []
        for label, table, aim in (("full", frame, 3.0), ("with holes", holes, 3.0)):
            Store(folder).write("bench", table, calendar="24/7", adjusted="none")
            found.append(_row(folder, label, aim))
        return found


def _row(folder: str, label: str, aim: float) -> dict[str, Any]:
    path = Path(folder) / "bench" / Store(folder).describe("bench").file
    columns = ["date", "symbol", *FIELDS]
    ours, reference = [], []
    for _ in range(REPEATS):
        start = perf_counter()
        table = pl.read_parquet(path, columns=columns)
        reference.append(perf_counter() - start)
        del table
        start = perf_counter()
        # A new Store each time, so that the SHA-256 of the file is checked each time.
        bars = Store(folder).bars("bench")
        ours.append(perf_counter() - start)
        assert bars.shape == (DATES, SYMBOLS)
        del bars
    ratio = median(ours) / median(reference)
    return {
        "name": f"Parquet store to Bars, {SYMBOLS:,} x {DATES:,}, {label}",
        "ours": median(ours),
        "reference": median(reference),
        "ratio": ratio,
        "aim": aim,
        "met": ratio <= aim,
        "unit": "s",
        "note": f"pl.read_parquet of the same file; ours includes its SHA-256; medians of {REPEATS}, interleaved",
    }


def _frame() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (DATES, SYMBOLS)), axis=0))
    prices = {name: np.round(close * (1 + rng.normal(0, 0.003, close.shape)), 4).ravel() for name in FIELDS[:4]}
    days = np.datetime64("2010-01-01") + np.arange(DATES)
    names = pl.Series("symbol", [f"S{i:04d}" for i in range(SYMBOLS)])
    return pl.DataFrame(
        {
            "date": np.repeat(days, SYMBOLS),
            "symbol": names[np.tile(np.arange(SYMBOLS), DATES)],
            **prices,
            "volume": rng.integers(1_000, 10_000_000, close.size).astype(np.float64),
        }
    )


if __name__ == "__main__":
    for row in rows():
        print(row)
