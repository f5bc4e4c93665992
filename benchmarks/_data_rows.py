"""Parquet store to aligned Bars, against ``pl.read_parquet`` of the same columns of the same parts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from _timing import paired, row

from quantlab.data import Store

REPEATS, AIM = 7, 3.0
FIELDS = ("open", "high", "low", "close", "volume")
COLUMNS = ["date", "symbol", *FIELDS]
PEAK = """
import sys
from pathlib import Path
from quantlab.data import Store
bars = Store(sys.argv[1]).bars("bench")
panels = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.member)
# Not getrusage: its peak counts the parent at the fork.
line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(line.split()[1]) / 1024, sum(panel.values.nbytes for panel in panels) / 2**20)
"""


def rows() -> list[dict[str, Any]]:
    """A full rectangle, data with holes (8 % of the rows absent, 2 % of the prices null), and twenty years of 5,000."""
    rng = np.random.default_rng(8)
    with TemporaryDirectory() as folder:
        frame = pl.concat(_years(3_000, 2_520))
        _write(folder, "full", [frame])
        kept = frame.filter(pl.Series(rng.random(frame.height) > 0.08))
        del frame
        present = pl.Series(rng.random(kept.height) > 0.02)
        _write(folder, "holes", [kept.with_columns(pl.when(present).then(pl.col(name)) for name in FIELDS[:4])])
        del kept, present
        found = [
            _whole(folder, "full", "3,000 x 2,520, full", REPEATS),
            _whole(folder, "holes", "3,000 x 2,520, with holes", REPEATS),
        ]
    with TemporaryDirectory() as folder:
        _write(folder, "bench", _years(5_000, 5_040))
        found.append(_whole(folder, "bench", "5,000 x 5,040, full", 3))
        return [*found, _peak(folder), *_parts(folder)]


def _whole(folder: str, name: str, label: str, repeats: int) -> dict[str, Any]:
    paths = _paths(folder, name)
    return _row(
        f"Parquet store to Bars, {label}",
        # A new Store each time, so that the SHA-256 of every part is compared each time.
        lambda: Store(folder).bars(name),
        lambda: pl.read_parquet(paths, columns=COLUMNS),
        repeats,
        "against pl.read_parquet of the same columns, the floor; ours includes the SHA-256 of every part",
    )


def _parts(folder: str) -> list[dict[str, Any]]:
    """A symbol and a year out of the large dataset."""
    paths, store = _paths(folder, "bench"), Store(folder)
    (year,) = [path for path in paths if path.name.startswith("2015-")]
    symbol = "S2500"
    return [
        _row(
            "Parquet store to Bars, one symbol of 5,000 x 5,040",
            lambda: store.bars("bench", symbols=symbol),
            lambda: pl.scan_parquet(paths).filter(pl.col("symbol") == symbol).select(COLUMNS).collect(),
            REPEATS,
            "against pl.scan_parquet with a filter; the SHA-256 of the parts was compared before",
        ),
        _row(
            "Parquet store to Bars, one year of 5,000 x 5,040",
            lambda: Store(folder).bars("bench", start="2015", end="2015"),
            lambda: pl.read_parquet(year, columns=COLUMNS),
            REPEATS,
            "against pl.read_parquet of the year's part; ours includes its SHA-256",
        ),
    ]


def _row(name: str, ours: Callable[[], Any], reference: Callable[[], Any], repeats: int, note: str) -> dict[str, Any]:
    mine, theirs = paired(ours, reference, repeats=repeats)
    return row(name, mine, theirs, aim=f"<= {AIM:g}x", met=mine <= AIM * theirs, unit="s", note=note)


def _peak(folder: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", PEAK, folder], check=True, capture_output=True, text=True)
    peak, output = map(float, done.stdout.split())
    return row(
        "Peak memory of Store.bars, 5,000 x 5,040",
        peak,
        output,
        aim="<= 2x",
        met=peak <= 2 * output,
        unit="MiB",
        note="of a process that reads them, against the size of the Bars; 24 GiB are 24,576 MiB",
    )


def _paths(folder: str, name: str) -> list[Path]:
    return [Path(folder) / name / part.file for part in Store(folder).describe(name).of("bars")]


def _write(folder: str, name: str, frames: Any) -> None:
    store = Store(folder)
    for number, frame in enumerate(frames):
        if number:
            store.update(name, frame)
        else:
            store.write(name, frame, calendar="24/7", adjusted="none")


def _years(symbols: int, dates: int) -> Iterator[pl.DataFrame]:
    """Random walks, a year of 252 days at a time, so that the whole is never in memory."""
    rng = np.random.default_rng(7)
    names = pl.Series("symbol", [f"S{number:04d}" for number in range(symbols)])
    level = np.full(symbols, 100.0)
    for year in range(dates // 252):
        close = level * np.exp(np.cumsum(rng.normal(0, 0.01, (252, symbols)), axis=0))
        level = close[-1]
        prices = {name: np.round(close * (1 + rng.normal(0, 0.003, close.shape)), 4).ravel() for name in FIELDS[:4]}
        yield pl.DataFrame(
            {
                "date": np.repeat(np.datetime64(date(2005 + year, 1, 1)) + np.arange(252), symbols),
                "symbol": names[np.tile(np.arange(symbols), 252)],
                **prices,
                "volume": rng.integers(1_000, 10_000_000, close.size).astype(np.float64),
            }
        )
