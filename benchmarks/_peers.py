"""How each peer engine is called, at its best: vectorbt 1.2 with either of its engines, bt 1.4.

What is timed is a run and its equity series, from inputs that already have the peer's own type (DataFrames). Both
fill on the close of the decision's own bar; neither knows margin, borrow, interest, dividends or splits.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

CASH = 10_000_000.0
ENGINES = ("numba", "rust")


@cache
def vectorbt() -> Any:
    """The module; its import takes seconds and warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vectorbt
    return vectorbt


def frame(values: np.ndarray) -> Any:
    """A DataFrame of (T, N) values with daily dates, as both peers want it."""
    import pandas as pd

    names = [f"S{i:04d}" for i in range(values.shape[1])]
    return pd.DataFrame(values, pd.date_range("2000-01-03", periods=values.shape[0]), names)


def vectorbt_run(close: Any, size: Any, kind: str, *, engine: str, call_seq: str = "auto", **costs: float) -> Any:
    """One shared-cash Portfolio; "auto" puts sales before purchases. Orders are recorded, as always in vectorbt."""
    return vectorbt().Portfolio.from_orders(
        close, size, size_type=kind, direction="both", init_cash=CASH, cash_sharing=True, group_by=True,
        call_seq=call_seq, freq="D", engine=engine, **costs,
    )  # fmt: skip


def better_engine(run: Callable[[str], Any]) -> tuple[str, str]:
    """Which of vectorbt's engines does a job faster, the better of two warm runs each, and a note of both."""
    best = {}
    for engine in ENGINES:
        run(engine)
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            run(engine).value()
            seconds.append(time.perf_counter() - start)
        best[engine] = min(seconds)
    fast, slow = sorted(ENGINES, key=best.__getitem__)
    return fast, f"vectorbt {fast} ({slow} takes {best[slow] / best[fast]:.2f}x)"


def bt_run(close: Any, weights: Any, *, fee: float = 0.0) -> Any:
    """One bt Backtest of target weights (rows of a DataFrame on the dates of decisions), shares in fractions."""
    import bt

    charge = (lambda shares, price: abs(shares) * price * fee) if fee else None
    algos = [bt.algos.WeighTarget(weights), bt.algos.Rebalance()]
    test = bt.Backtest(
        bt.Strategy("book", algos), close, initial_capital=CASH, integer_positions=False, commissions=charge,
        progress_bar=False,
    )  # fmt: skip
    test.run()
    return test


def bt_equity(test: Any) -> np.ndarray:
    """(T,) equity; bt puts a row before the first bar."""
    return test.strategy.values.to_numpy()[1:]


def same_targets(close: np.ndarray, positions: np.ndarray, equity: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(T, N) weights that make a peer hold ``positions``: shares times close over the equity before the trades.

    quantlab keeps the costs of a rebalancing out of what it invests, peers do not. With these weights both trade the
    same shares, so that their equities have to agree to rounding. NaN on bars without a decision.
    """
    before = np.concatenate([[CASH], equity[:-1] + (positions[:-1] * np.diff(close, axis=0)).sum(axis=1)])
    targets = np.full(close.shape, np.nan)
    targets[rows] = positions[rows] * close[rows] / before[rows, None]
    return targets


def bt_targets(targets: np.ndarray, close: np.ndarray, positions: np.ndarray, equity: np.ndarray, fee: float) -> Any:
    """The same for bt, which takes a fee out of the amount that it allocates to a name: that is added here."""
    before = np.concatenate([[CASH], equity[:-1] + (positions[:-1] * np.diff(close, axis=0)).sum(axis=1)])
    traded = np.abs(np.diff(positions, axis=0, prepend=np.zeros((1, positions.shape[1])))) * close
    return targets + fee * traded / before[:, None]


def demand_equal(theirs: float, ours: float, what: str) -> None:
    """Stop the run when a peer ends elsewhere: a timing is published only where both engines agree."""
    if not abs(theirs / ours - 1) < 1e-9:
        raise SystemExit(f"{what}: the peer ends at {theirs!r}, quantlab at {ours!r}")
