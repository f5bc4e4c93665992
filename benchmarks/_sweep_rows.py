"""Sweeps: momentum variants against vectorbt one by one, against a BLAS product, against themselves on more hands."""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import Any

import _memory
import numpy as np
from _peers import CASH, better_engine, demand_equal, frame, same_targets, vectorbt_run
from _timing import in_turn, row

import quantlab as ql
from quantlab.execution import Account, Fill, NoMargin, Proportional

FEE = SLIPPAGE = 0.0005
# What vectorbt can do too: fractions of shares at the decision's close, proportional costs, no margin.
SHARED: dict[str, Any] = {
    "costs": ql.Costs(commission=Proportional(FEE), slippage=ql.Bps(SLIPPAGE * 1e4)),
    "account": Account(cash=CASH, lot=None, margin=NoMargin()),
    "fill": Fill("same_close"),
}
# And what it cannot: whole shares, minimum commission, Regulation T, fills on the next bar.
FULL: dict[str, Any] = {
    "costs": ql.Costs(commission=ql.PerShare(0.005, minimum=1.0, maximum=0.01), slippage=ql.Bps(5)),
    "account": Account(cash=CASH),
    "fill": "next_close",
}


def momentum(bars, *, lookback, skip, top):
    score = ql.xs.zscore(ql.signals.momentum(bars.close, lookback=lookback, skip=skip).where(bars.member))
    return ql.portfolio.long_short(score, top=top, rebalance=21)


class Market:
    """500 names, 2,520 days, decisions every 21 bars; 20 lookbacks x 5 skips x 10 sizes from 2 % to 20 %."""

    T, N = 2520, 500

    @cached_property
    def bars(self) -> ql.Bars:
        rng = np.random.default_rng(self.N)
        close = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.015, (self.T, self.N)), axis=0))
        days = np.busday_offset("2010-01-04", np.arange(self.T))
        names = [f"S{i:04d}" for i in range(self.N)]
        return ql.as_bars(ql.Panel(close, days, names, frequency=ql.Frequency.daily("24/7")), adjusted="none")

    def grid(self, variants: int) -> dict[str, list[Any]]:
        lookbacks = 20 * variants // 1000
        return {
            "lookback": [40 + 200 * i // lookbacks for i in range(lookbacks)],
            "skip": [0, 5, 10, 21, 30],
            "top": [0.02 * i for i in range(1, 11)],
        }

    def sweep(self, variants: int = 1000, **options: Any) -> ql.study.Sweep:
        return ql.sweep(momentum, self.bars, self.grid(variants), **{**SHARED, "study": None, **options})


MARKET = Market()


def rows() -> list[dict[str, Any]]:
    return [*against_vectorbt_and_blas(), *schedulers(), *memory()]


def against_vectorbt_and_blas() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    left, right = rng.random((MARKET.T, MARKET.N)), rng.random((MARKET.N, 1000))
    found = MARKET.sweep()
    middle = 555
    own = found.result(middle)
    positions, equity = own.positions.values, own.equity.values[:, 0]
    decided = np.searchsorted(MARKET.bars.dates, own.decisions.dates)
    targets = same_targets(MARKET.bars.close.values, positions, equity, decided)
    close, size = frame(MARKET.bars.close.values), frame(targets)

    def theirs(engine: str) -> Any:
        return vectorbt_run(close, size, "targetpercent", engine=engine, fees=FEE, slippage=SLIPPAGE)

    def measured(engine: str) -> float:
        """One run with its metrics, as a sweep makes them for every variant."""
        run = theirs(engine)
        return float(run.sharpe_ratio() + run.max_drawdown() + run.total_return() + run.sortino_ratio())

    engine, note = better_engine(theirs)
    demand_equal(float(theirs(engine).value().iloc[-1]), float(found.table["final_equity"][middle]), "the sweep")
    sweep, full, product, peer = in_turn(
        MARKET.sweep,
        lambda: MARKET.sweep(**FULL),
        lambda: left @ right,
        lambda: measured(engine),
        repeats=5,
    )
    threads = os.cpu_count()
    what = "500 x 2,520, 1,000 momentum variants, monthly"
    ratio = 1000 * peer / sweep
    return [
        row(
            f"sweep {what}, vectorbt one by one", sweep, 1000 * peer, unit="s", ratio=ratio, aim="peer / ours >= 1,000",
            met=ratio >= 1000,
            note=f"{note}; per variant {sweep:.3f} ms against {peer * 1e3:.0f} ms, {threads} threads",
        ),
        row(
            f"sweep {what}, one BLAS product", sweep * 1e3, product * 1e3, unit="ms", aim="<= 5x",
            met=sweep <= 5 * product,
            note=f"(2520 x 500)(500 x 1000) in float64, all cores; all 16 metrics, {threads} threads",
        ),
        row(
            f"sweep {what}, whole shares, minimum commission, Reg-T", full * 1e3, product * 1e3, unit="ms", aim="none",
            met=True, note="reference is the same product; vectorbt has none of these",
        ),
    ]  # fmt: skip


def schedulers() -> list[dict[str, Any]]:
    from distributed import Client, LocalCluster

    one, two = in_turn(lambda: MARKET.sweep(workers=1), lambda: MARKET.sweep(workers=2), repeats=5)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        threads, dask = in_turn(lambda: MARKET.sweep(workers=2), lambda: MARKET.sweep(scheduler=client), repeats=5)
    return [
        row(
            "sweep 1,000 variants, 1 thread to 2", two, one, unit="s", ratio=one / two, aim="one / two >= 1.5",
            met=one >= 1.5 * two, note="the strategy's Python runs on one thread at a time",
        ),
        row(
            "sweep 1,000 variants, Dask with 2 workers, 2 threads", dask, threads, unit="s", aim="<= 1.5x",
            met=dask <= 1.5 * threads, note="warm workers on this machine, the bars scattered anew for each sweep",
        ),
    ]  # fmt: skip


def memory() -> list[dict[str, Any]]:
    few = _memory.child("_sweep_rows", "peak_of", 1000)
    many = _memory.child("_sweep_rows", "peak_of", 10_000)
    return [
        row(
            "sweep peak memory, 10,000 variants, 1,000", many, few, unit="MiB", aim="<= 1.1x, < 1,024 MiB",
            met=many <= 1.1 * few and many < 1024, note="above the bars and imports, fresh process, 2 threads",
        )
    ]  # fmt: skip


def peak_of(variants: int) -> float:
    MARKET.sweep(50)
    return _memory.peak_of(lambda: MARKET.sweep(variants))


def scaling() -> None:
    """Print seconds per variant from 100 to 100,000 variants, for docs/sweeps.md."""
    for variants in (100, 1000, 10_000, 100_000):
        start = time.perf_counter()
        MARKET.sweep(variants)
        spent = time.perf_counter() - start
        print(f"{variants:>7,} variants: {spent:8.2f} s, {spent / variants * 1e3:.3f} ms each")


if __name__ == "__main__":
    scaling()
