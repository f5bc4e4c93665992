"""A fresh process with cached kernels compiles nothing, leaves numba's compiler unloaded, and gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, hashlib
import numpy as np
import quantlab as ql
from quantlab.core._kernel import Kernel
from quantlab.backtest import run_events


class Once:
    def on_bar(self, context):
        if context.t == 1:
            context.order("A", 10)


dates = np.datetime64("2020-01-01") + np.arange(300)
prices = 50 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, (300, 4)), axis=0))
close = ql.Panel(prices, dates, list("ABCD"), frequency=ql.Frequency.daily("24/7"))
bars = ql.as_bars(close)
weights = ql.portfolio.long_short(ql.signals.momentum(close, lookback=60), top=2, bottom=1, rebalance=5)
result = ql.simulate(weights, bars, costs=ql.Costs(commission=ql.Bps(5)), fill="next_close")
trades = result.trades
events = run_events(Once(), bars, fill="next_close")
digest = hashlib.sha256(result.equity.values.tobytes() + events.equity.values.tobytes()).hexdigest()
found = {}
for name, module in list(sys.modules.items()):
    if name.startswith("quantlab."):
        found.update({k: v for k, v in vars(module).items() if isinstance(v, Kernel) and v._dispatcher is not None})
assert {"run", "step_to_close", "step_from_close"} <= set(found)
misses = sum(sum(kernel.dispatcher.stats.cache_misses.values()) for kernel in found.values())
print(misses, "numba.np.linalg" in sys.modules, digest)
ql.ts.rolling_mean(close, window=5)  # a kernel of the other kind, after the plain ones
"""


ANOTHER_NUMBA = """
from quantlab.core import _kernel, _kernel_structure
_kernel.numba_is_known = _kernel_structure.numba_is_known = lambda: False
"""


def run(cache: Path | None = None, before: str = "") -> list[str]:
    environment = {**os.environ, **({} if cache is None else {"QUANTLAB_CACHE_DIR": str(cache)})}
    command = [sys.executable, "-c", before + SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_second_process_compiles_nothing_and_agrees() -> None:
    # In the cache of all tests, where the first may have nothing to compile either.
    _, _, first = run()
    assert run() == ["0", "False", first]


@pytest.mark.slow
def test_a_cold_process_compiles_to_the_same_bytes(tmp_path: Path) -> None:
    misses, _, cold = run(tmp_path)
    assert int(misses) > 0
    assert run(tmp_path) == ["0", "False", cold]


@pytest.mark.slow
def test_another_numba_takes_the_long_way_to_the_same_bytes(tmp_path: Path) -> None:
    """Without the short cuts that rest on the insides of one version."""
    assert run(tmp_path, before=ANOTHER_NUMBA)[2] == run()[2]
