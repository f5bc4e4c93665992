"""The books that the engine is timed on: prices, target weights and orders, for us and in the peers' own types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import _peers
import numpy as np
import polars as pl

import quantlab as ql
from quantlab.execution import Account, Fill, Interest, NoMargin, Proportional, RegT, Tiers, us_equity_fees

FEE, SLIPPAGE = 0.0005, 0.0005
# What both engines can do: fractions of shares, fills at the decision's close, proportional costs, no margin.
SHARED: dict[str, Any] = {"account": Account(cash=_peers.CASH, lot=None, margin=NoMargin()), "fill": Fill("same_close")}


@dataclass(frozen=True)
class Book:
    """Target weights on every ``every``-th of T bars, long and short, gross 0.95: each decision trades every name."""

    T: int
    N: int
    every: int

    @cached_property
    def close(self) -> np.ndarray:
        rng = np.random.default_rng(self.N)
        return 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.015, (self.T, self.N)), axis=0))

    @cached_property
    def rows(self) -> np.ndarray:
        return np.arange(0, self.T, self.every)

    @cached_property
    def values(self) -> np.ndarray:
        """(R, N): standing views, and news at each decision."""
        rng = np.random.default_rng(self.every)
        raw = rng.normal(size=self.N) + 0.5 * rng.normal(size=(self.rows.size, self.N))
        return 0.95 * raw / np.abs(raw).sum(axis=1, keepdims=True)

    @cached_property
    def days(self) -> np.ndarray:
        """Weekdays, so that weekends are financed."""
        return np.busday_offset("2010-01-04", np.arange(self.T))

    @cached_property
    def symbols(self) -> list[str]:
        return [f"S{i:04d}" for i in range(self.N)]

    def panel(self, values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> ql.Panel:
        return ql.Panel(values, self.days[rows], self.symbols, frequency=ql.Frequency.daily("24/7"))

    @cached_property
    def weights(self) -> ql.Panel:
        return self.panel(self.values, self.rows)

    @cached_property
    def bars(self) -> ql.Bars:
        return ql.as_bars(self.panel(self.close), adjusted="none")

    def shared(self, *, slippage: float = SLIPPAGE) -> Any:
        """A run that the peers can do too."""
        costs = ql.Costs(commission=Proportional(FEE), slippage=ql.Bps(slippage * 1e4))
        return ql.simulate(self.weights, self.bars, costs=costs, **SHARED)

    @cached_property
    def full(self) -> tuple[ql.Bars, dict[str, Any]]:
        """Bars with opens, quarterly dividends, a split each and monthly borrow rates, and terms that use them all."""
        rng = np.random.default_rng(3)
        split = rng.integers(self.T // 4, self.T - 1, self.N)
        raw = self.close / np.where(np.arange(self.T)[:, None] >= split, 2.0, 1.0)
        opens = raw * np.exp(rng.normal(0.0, 0.003, raw.shape))
        days = self.days.astype("datetime64[D]")
        paid, months = np.arange(30, self.T, 63), np.arange(0, self.T, 21)
        names = np.array(self.symbols)
        actions = pl.DataFrame(
            {
                "symbol": np.concatenate([np.tile(names, paid.size), names]),
                "date": np.concatenate([np.repeat(days[paid], self.N), days[split]]),
                "kind": ["dividend"] * (paid.size * self.N) + ["split"] * self.N,
                "value": np.concatenate([0.005 * raw[paid].ravel(), np.full(self.N, 2.0)]),
            }
        ).with_columns(pay_date=pl.when(pl.col("kind") == "dividend").then(pl.col("date").dt.offset_by("14d")))
        borrow = pl.DataFrame(
            {
                "symbol": np.tile(names, months.size),
                "date": np.repeat(days[months], self.N),
                "rate": rng.choice([0.003, 0.01, 0.2], months.size * self.N),
                "available": np.full(months.size * self.N, 1e9),
            }
        )
        bars = ql.as_bars(self.panel(raw), open=self.panel(opens), adjusted="none", actions=actions, borrow=borrow)
        interest = Interest(debit=Tiers((0, 0.06), (100_000, 0.055)), credit=0.03, short=0.02)
        costs = ql.Costs(
            commission=ql.PerShare(0.005, minimum=1.0, maximum=0.01),
            slippage=ql.Bps(5),
            borrow=ql.Borrow(0.005),
            fees=us_equity_fees(),
        )
        account = Account(cash=_peers.CASH, margin=RegT(), interest=interest)
        return bars, {"costs": costs, "account": account, "fill": "next_open"}

    def everything(self) -> Any:
        """A run with every feature that vectorbt lacks."""
        bars, terms = self.full
        return ql.simulate(self.weights, bars, **terms)


class Agreed:
    """The peers' inputs of a book, and the demand that they end where we end."""

    def __init__(self, book: Book, *, slippage: float = SLIPPAGE) -> None:
        ours = book.shared(slippage=slippage)
        self.book, self.slippage, self.final = book, slippage, float(ours.equity.values[-1, 0])
        positions, equity = ours.positions.values, ours.equity.values[:, 0]
        targets = _peers.same_targets(book.close, positions, equity, book.rows)
        self.close, self.size = _peers.frame(book.close), _peers.frame(targets)
        allocated = _peers.bt_targets(targets, book.close, positions, equity, FEE)
        self.allocated = _peers.frame(allocated).iloc[book.rows]

    def vectorbt(self, engine: str) -> Any:
        return _peers.vectorbt_run(
            self.close, self.size, "targetpercent", engine=engine, fees=FEE, slippage=self.slippage
        )

    def bt(self) -> np.ndarray:
        return _peers.bt_equity(_peers.bt_run(self.close, self.allocated, fee=FEE))

    def demand(self, equity: Any) -> None:
        """A timing is published only where both engines arrive at the same equity."""
        _peers.demand_equal(float(np.asarray(equity)[-1]), self.final, str(self.book))
