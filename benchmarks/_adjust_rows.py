"""Adjustment of 2.4 million rows: against a copy of the columns, and against the same computation in pandas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _timing import paired, row

from quantlab.core import Panel, as_bars
from quantlab.data.adjustment._adjust import adjust

SYMBOLS, DATES, REPEATS = 504, 4_768, 5
PRICES = ("open", "high", "low", "close")
AIM, SECONDS = 12.0, 1.0


def rows() -> list[dict[str, Any]]:
    """Rows: a long frame against a copy and against pandas, Bars against a copy."""
    frame, source = _frame()
    fields = (*PRICES, "volume")
    note = f"{frame.height:,} rows, {source}"

    def copy() -> list[np.ndarray]:
        return [frame[name].cast(pl.Float64).to_numpy().copy() for name in fields]

    ours, floor = paired(lambda: adjust(frame), copy, repeats=REPEATS)
    found = [
        row(
            "adjustment of the 2.4 million row file, against a copy of its columns",
            ours,
            floor,
            aim=f"< {SECONDS:g} s",
            met=ours < SECONDS,
            unit="s",
            note=note,
        )
    ]
    try:
        import pandas  # noqa: F401
    except ImportError:
        pass
    else:
        table = frame.to_pandas()
        assert np.allclose(_pandas(table)["close"], adjust(frame)["close"], rtol=1e-12)
        ours, theirs = paired(lambda: adjust(frame), lambda: _pandas(table), repeats=REPEATS)
        found.append(
            row(
                "adjustment of the 2.4 million row file, against pandas",
                ours,
                theirs,
                aim="<= 0.8x",
                met=ours <= 0.8 * theirs,
                unit="s",
                note=f"the same factors by groupby and cumprod; {note}",
            )
        )
    panels = {name: Panel.from_long(frame, name) for name in fields}
    bars = as_bars(panels.pop("close"), **panels, adjusted="none", actions=_actions(frame))
    ours, floor = paired(
        lambda: adjust(bars), lambda: [getattr(bars, name).values.copy() for name in fields], repeats=REPEATS
    )
    found.append(
        row(
            f"adjustment of Bars, {bars.shape[0]:,} x {bars.shape[1]:,}, against a copy of the fields",
            ours,
            floor,
            aim=f"<= {AIM:g}x",
            met=ours <= AIM * floor,
            unit="s",
            note="checks of the new Bars included",
        )
    )
    return found


def _pandas(table: Any) -> Any:
    """The usual way, for a frame sorted by symbol and date."""
    step = table["close"] / ((table["close"] + table["dividend_amount"]) * table["split_coefficient"])
    symbols = table["symbol"]
    price = step[::-1].groupby(symbols[::-1], sort=False).cumprod()[::-1].groupby(symbols, sort=False).shift(-1)
    ratio = table["split_coefficient"][::-1].groupby(symbols[::-1], sort=False).cumprod()[::-1]
    volume = ratio.groupby(symbols, sort=False).shift(-1)
    out = table.copy()
    for name in PRICES:
        out[name] = table[name] * price.fillna(1.0)
    out["volume"] = table["volume"] * volume.fillna(1.0)
    return out


def _actions(frame: pl.DataFrame) -> pl.DataFrame:
    named = (("dividend", "dividend_amount", 0.0), ("split", "split_coefficient", 1.0))
    return pl.concat(
        frame.filter(pl.col(column) != none).select("symbol", "date", kind=pl.lit(kind), value=pl.col(column))
        for kind, column, none in named
    )


def _frame() -> tuple[pl.DataFrame, str]:
    """The real file where the environment names its folder, else a synthetic one of its size."""
    folder = os.environ.get("QUANTLAB_REAL_DATA")
    file = Path(folder) / "us_equity_av_raw_1999_2021.parquet" if folder else None
    if file is not None and file.exists():
        return pl.read_parquet(file).drop("adjusted_close").sort("symbol", "date"), "real"
    rng = np.random.default_rng(11)
    size = SYMBOLS * DATES
    close = (50 * np.exp(np.cumsum(rng.normal(0, 0.015, (SYMBOLS, DATES)), axis=1))).ravel().clip(1.0)
    names = pl.Series("symbol", [f"S{n:03d}" for n in range(SYMBOLS)])
    return pl.DataFrame(
        {
            "symbol": names[np.repeat(np.arange(SYMBOLS), DATES)],
            "date": np.tile(np.datetime64("2002-01-01") + np.arange(DATES), SYMBOLS),
            **{name: close * (1 + rng.normal(0, 0.002, size)) for name in PRICES[:3]},
            "close": close,
            "volume": rng.integers(1_000, 10_000_000, size),
            "dividend_amount": np.where(rng.random(size) < 0.0115, 0.005 * close, 0.0),
            "split_coefficient": np.where(rng.random(size) < 0.0002, 2.0, 1.0),
        }
    ), "synthetic"
