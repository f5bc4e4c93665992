"""The quality check of the 2.4 million bars of a 500-stock market, against a copy of its matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from _timing import paired, row

from quantlab.core import Bars, Frequency, Panel
from quantlab.core.periods import sessions
from quantlab.data import quality, schemas

SYMBOLS, REPEATS, AIM = 504, 5, 10.0
FIRST, LAST = "1999-11-01", "2021-04-21"  # the sessions of us_equity_av_raw_1999_2021, 2.4 million bars of it


def rows() -> list[dict[str, Any]]:
    """One row: all rules, with recorded actions and the vendor's adjusted close."""
    bars, actions, adjusted = _market()
    matrices = [getattr(bars, name).values for name in bars.fields]
    ours, reference = paired(
        lambda: quality(bars, actions=actions, adj_close=adjusted),
        lambda: [matrix.copy() for matrix in matrices],
        repeats=REPEATS,
    )
    count = int((~np.isnan(bars.close.values)).sum())
    return [
        row(
            f"quality check of {count:,} bars, all rules",
            ours,
            reference,
            aim=f"<= {AIM:g} s",
            met=ours <= AIM,
            unit="s",
            note="against a NumPy copy of the five matrices; aim is absolute: under 10 s on 2 cores",
        )
    ]


def _market() -> tuple[Bars, pl.DataFrame, Panel]:
    rng = np.random.default_rng(11)
    dates = sessions("XNYS", np.datetime64(FIRST), np.datetime64(LAST))
    shape = (dates.size, SYMBOLS)
    # Student's t with 3 degrees of freedom: as many large moves as stocks have, each of which the rules look at.
    moves = 0.011 * rng.standard_t(3, shape)
    close = np.round(40 * np.exp(np.cumsum(moves - moves.mean(axis=0), axis=0)), 2) + 0.01
    opened = close * np.exp(0.004 * rng.standard_normal(shape))
    high = np.maximum(opened, close) * np.exp(np.abs(0.006 * rng.standard_normal(shape)))
    low = np.minimum(opened, close) / np.exp(np.abs(0.006 * rng.standard_normal(shape)))
    volume = np.round(np.exp(14 + 0.5 * rng.standard_normal(shape)))
    fields = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    late = rng.integers(0, dates.size // 2, SYMBOLS) * (rng.random(SYMBOLS) < 0.3)
    for column, start in enumerate(late.tolist()):
        for values in fields.values():
            values[:start, column] = np.nan
    symbols = [f"S{n:03}" for n in range(SYMBOLS)]
    frequency = Frequency.daily("XNYS")
    panels = {name: Panel(values, dates, symbols, frequency=frequency) for name, values in fields.items()}
    picked = rng.integers(0, dates.size, (28_000, 2)) % np.array(shape)
    actions = pl.DataFrame(
        {
            "symbol": [symbols[column] for column in picked[:, 1].tolist()],
            "date": dates[picked[:, 0]],
            "kind": "dividend",
            "value": 0.1,
        }
    ).unique(("symbol", "date"), maintain_order=True)
    return Bars(**panels, name="bench", adjusted="none"), schemas.whole(actions, "actions"), panels["close"]
