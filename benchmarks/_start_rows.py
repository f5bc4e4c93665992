"""How soon a fresh process gets somewhere: import, first backtest, first compilation."""

from __future__ import annotations

import tempfile
from typing import Any

from _timing import paired, process, row

_PRICES = """
import numpy as np
rng = np.random.default_rng(0)
prices = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.015, (2520, 100)), axis=0))
"""
_OURS = (
    _PRICES
    + """
import quantlab as ql
dates = np.datetime64("2010-01-01") + np.arange(2520)
close = ql.Panel(prices, dates, [f"S{i:03d}" for i in range(100)], frequency=ql.Frequency.daily("24/7"))
weights = ql.portfolio.long_short(ql.signals.momentum(close), top=0.3, rebalance=21)
costs = ql.Costs(commission=ql.Bps(5), slippage=ql.Bps(5))
ql.simulate(weights, ql.as_bars(close), costs=costs, fill="next_close").equity
"""
)
_VECTORBT = (
    _PRICES
    + """
import pandas as pd
import vectorbt as vbt
close = pd.DataFrame(prices, index=pd.date_range("2010-01-01", periods=2520))
momentum = close.shift(21) / close.shift(252) - 1
held = momentum.rank(axis=1, ascending=False) <= 30
weights = (held / held.sum(axis=1).clip(lower=1).to_numpy()[:, None]).astype(float)
weights[np.arange(2520) % 21 != 0] = np.nan
vbt.Portfolio.from_orders(
    close, weights, size_type="targetpercent", group_by=True, cash_sharing=True, call_seq="auto",
    fees=0.0005, slippage=0.0005, freq="D",
).value()
"""
)
_DEMO = """
import quantlab as ql
rng_dates = 1500
import numpy as np
rng = np.random.default_rng(0)
prices = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.015, (rng_dates, 20)), axis=0))
dates = np.datetime64("2010-01-01") + np.arange(rng_dates)
close = ql.Panel(prices, dates, [f"S{i:02d}" for i in range(20)], frequency=ql.Frequency.daily("24/7"))
bars = ql.as_bars(close, name="random walks")
def strategy(bars, *, lookback=252, top=0.3):
    score = ql.xs.zscore(ql.signals.momentum(bars.close, lookback=lookback).where(bars.member))
    return ql.portfolio.long_short(score, top=top, rebalance="month_end")
result = ql.simulate(strategy(bars), bars, fill="next_close")
walk = ql.walk_forward(strategy, bars, {"lookback": [126, 252]}, train=504, test=252, purge=21, fill="next_close")
interval = ql.bootstrap(walk.returns, ql.metrics.sharpe, reps=200, seed=7)
result.summary()
ql.tearsheet(result, validation=[walk, interval], path=__import__("os").environ["BENCH_REPORT"])
"""


def imports() -> list[dict[str, Any]]:
    ours, reference = paired(lambda: process("import quantlab"), lambda: process("import polars"), repeats=9)
    lazy = row(
        "import quantlab", ours, reference, aim="<= 1.3", met=ours <= 1.3 * reference, unit="s",
        note="against `import polars`; the package is lazy and loads nothing",
    )  # fmt: skip
    used = "import quantlab as ql; ql.Panel; ql.Store; ql.simulate"
    ours, reference = paired(lambda: process(used), lambda: process("import polars, numpy"), repeats=9)
    return [
        lazy,
        row(
            "import and touch Panel, Store, simulate", ours, reference, aim="none", met=True, unit="s",
            note="against `import polars, numpy`, which they need",
        ),
    ]  # fmt: skip


def first_backtest() -> list[dict[str, Any]]:
    ours, reference = paired(lambda: process(_OURS), lambda: process(_VECTORBT), repeats=3)
    return [
        row(
            "fresh process to first backtest", ours, reference, aim="peer / ours >= 8", met=reference >= 8 * ours,
            unit="s", ratio=reference / ours, note="kernels cached on both sides; 2,520 x 100 momentum, vectorbt 1.2",
        )
    ]  # fmt: skip


def compilation() -> list[dict[str, Any]]:
    cold, warm = [], []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as directory:
            setting = {"QUANTLAB_CACHE_DIR": directory, "BENCH_REPORT": f"{directory}/report.html"}
            cold.append(process(_DEMO, **setting))
            warm.append(process(_DEMO, **setting))
    spent = min(cold) - min(warm)
    return [
        row(
            "first-ever compilation of the demo's kernels", spent, 20.0, aim="<= 20 s", met=spent <= 20, unit="s",
            note=f"cold process {min(cold):.1f} s less warm process {min(warm):.1f} s; reference is the aim",
        )
    ]  # fmt: skip
