"""Parquet store to aligned Bars, against ``pl.read_parquet`` of the same columns of the same file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from _timing import paired, row

from quantlab.data import Store

DATES, SYMBOLS, REPEATS, AIM = 2_520, 3_000, 7, 3.0
FIELDS = ("open", "high", "low", "close", "volume")


def rows() -> list[dict[str, Any]]:
    """Two rows: a full rectangle, and data with holes (8 % of the rows absent, 2 % of the prices null)."""
    frame = _frame()
    rng = np.random.default_rng(8)
    with TemporaryDirectory() as folder:
        found = [_row(folder, "full", frame)]
        kept = frame.filter(pl.Series(rng.random(frame.height) > 0.08))
        del frame
        present = pl.Series(rng.random(kept.height) > 0.02)
        holes = kept.with_columns(pl.when(present).then(pl.col(name)) for name in FIELDS[:4])
        return [*found, _row(folder, "with holes", holes)]


def _row(folder: str, label: str, frame: pl.DataFrame) -> dict[str, Any]:
    facts = Store(folder).write("bench", frame, calendar="24/7", adjusted="none")
    path = Path(folder) / "bench" / facts.file
    columns = ["date", "symbol", *FIELDS]
    ours, reference = paired(
        # A new Store each time, so that the SHA-256 of the file is checked each time.
        lambda: Store(folder).bars("bench"),
        lambda: pl.read_parquet(path, columns=columns),
        repeats=REPEATS,
    )
    return row(
        f"Parquet store to Bars, {SYMBOLS:,} x {DATES:,}, {label}",
        ours,
        reference,
        aim=f"<= {AIM:g}x",
        met=ours <= AIM * reference,
        unit="s",
        note="against pl.read_parquet of the same columns, the floor; ours includes the SHA-256 check",
    )


def _frame() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (DATES, SYMBOLS)), axis=0))
    prices = {name: np.round(close * (1 + rng.normal(0, 0.003, close.shape)), 4).ravel() for name in FIELDS[:4]}
    names = pl.Series("symbol", [f"S{i:04d}" for i in range(SYMBOLS)])
    return pl.DataFrame(
        {
            "date": np.repeat(np.datetime64("2010-01-01") + np.arange(DATES), SYMBOLS),
            "symbol": names[np.tile(np.arange(SYMBOLS), DATES)],
            **prices,
            "volume": rng.integers(1_000, 10_000_000, close.size).astype(np.float64),
        }
    )
