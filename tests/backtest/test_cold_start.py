"""A fresh process with cached kernels compiles nothing, leaves numba's compiler unloaded, and gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, hashlib
import numpy as np
import quantlab as ql
from quantlab.core._kernel import Kernel
from quantlab.backtest import _engine_kernels
from quantlab.execution import _cost_kernels
from quantlab.portfolio import _sizing_kernels

free = (0.0, 0.0, 0.0, np.inf, np.inf)
rows = np.zeros(2, dtype=np.int64)
examples = {
    "commission": (100.0, 2500.0, *free),
    "fill_price": (10.0, 1.0, 0.0005),
    "round_to_lot": (0.3, 0.1),
    "plan": (np.ones(1), np.ones(1), np.ones(1, bool), np.zeros(1), 9.0, 9.0, 0.0, *free, 1.0, np.zeros(1)),
    "size_orders": (np.ones(1), np.ones(1), np.ones(1, bool), np.zeros(1), 9.0, 0.0, *free, 1.0, np.zeros(1)),
    "record": (np.zeros((1, 4), np.int64), np.zeros((1, 6)), 0, 0, 0, 0, 0, 1.0, 1.0),
    "run": (np.ones((2, 1)), np.ones((2, 1)), rows, rows[:1], np.ones((1, 1)),
            np.array([0.0, *free, 0.0, 1.0, 9.0]), np.zeros((5, 2)), np.zeros((2, 4), np.int64), np.zeros((2, 6))),
}
found = {}
for name, module in list(sys.modules.items()):
    if name.startswith("quantlab."):
        found.update({k: v for k, v in vars(module).items() if isinstance(v, Kernel) and v._plain})
assert set(found) == set(examples), f"give an example of {set(found) ^ set(examples)}"
for name, arguments in examples.items():
    found[name](*arguments)

dates = np.datetime64("2020-01-01") + np.arange(300)
prices = 50 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, (300, 4)), axis=0))
close = ql.Panel(prices, dates, list("ABCD"), frequency=ql.Frequency.daily("24/7"))
weights = ql.portfolio.long_short(ql.signals.momentum(close, lookback=60), top=2, bottom=1, rebalance=5)
result = ql.simulate(weights, ql.as_bars(close), costs=ql.Costs(commission=ql.Bps(5)), fill="next_close")
misses = sum(sum(kernel.dispatcher.stats.cache_misses.values()) for kernel in found.values())
print(misses, "numba.np.linalg" in sys.modules, hashlib.sha256(result.equity.values.tobytes()).hexdigest())
ql.ts.rolling_mean(close, window=5)  # a kernel of the other kind, after the plain ones
"""


def run(cache: Path) -> list[str]:
    environment = {**os.environ, "QUANTLAB_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_second_process_compiles_nothing_and_agrees(tmp_path: Path) -> None:
    misses, _, first = run(tmp_path)
    assert int(misses) > 0
    misses, compiler_loaded, second = run(tmp_path)
    assert (misses, compiler_loaded) == ("0", "False")
    assert second == first
