"""Sizing against brute force: what is affordable is never refused, and the size found is nearly the largest."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.backtest import reference, simulate
from quantlab.core import Panel, as_bars
from quantlab.execution import Account, Bps, Costs, NoMargin


@pytest.mark.parametrize("engine", [simulate, reference])
@pytest.mark.parametrize("lot", [None, 1.0])
def test_a_leveraged_book_that_only_reduces_is_not_refused(engine, lot):
    # Three times long, then one and a half, at 3 %: what is sold shrinks as the base grows, and each of the eight
    # passes is too large by a little. By hand: x + 0.03 * (300 - 1.5 x) = equity.
    days = np.datetime64("2020-01-01") + np.arange(6)
    bars = as_bars(Panel(np.full((6, 1), 100.0), days, ["A"]))
    weights = Panel([[3.0], [1.5]], days[[0, 2]], ["A"])
    costs, account = Costs(slippage=Bps(300)), Account(cash=1_000_000.0, lot=lot, margin=NoMargin())
    result = engine(weights, bars, costs=costs, account=account, fill="next_close")
    assert result.orders["status"].to_list() == ["filled", "filled"]
    equity, held = result.equity.values[2, 0], result.positions.values[2, 0]
    base = (equity - 0.03 * held * 100) / (1 - 0.03 * 1.5)
    # Whole lots round toward zero: at most one share below.
    assert result.positions.values[3, 0] == pytest.approx(1.5 * base / 100, rel=1e-9 if lot is None else 1e-4)


@pytest.mark.parametrize("seed", range(40))
def test_fractional_sizes_against_a_fine_grid(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    slippage = float(rng.choice([0.0, 0.01, 0.03, 0.1]))
    first, weights = rng.normal(0, 0.3, n), rng.normal(0, 2, n)
    mark = rng.uniform(0.5, 2, n)
    days = np.datetime64("2020-01-01") + np.arange(4)
    names = [f"S{i}" for i in range(n)]
    bars = as_bars(Panel(np.tile(mark, (4, 1)), days, names), adjusted="none")
    decisions = Panel(np.array([first, weights]), days[[0, 2]], names)
    account = Account(cash=1.0, lot=None, margin=NoMargin())
    result = simulate(decisions, bars, costs=Costs(slippage=Bps(1e4 * slippage)), account=account, fill="next_close")
    equity, held = result.equity.values[2, 0], result.positions.values[2]
    grid = np.linspace(1e-6, 1.0, 200_001) * equity
    cost = slippage * np.abs(weights * grid[:, None] - held * mark).sum(axis=1)
    affordable = grid[grid + cost <= equity]
    if affordable.size == 0:
        assert "unaffordable" in result.orders["status"].to_list()
        return
    base = result.positions.values[3] * mark / weights
    spent = base + slippage * np.abs(weights * base - held * mark).sum() if n == 1 else base
    assert (spent <= equity * (1 + 1e-9)).all()
    # The passes leave an error of (costs of the gross)^8, and the grid is 5e-6 apart.
    if slippage * np.abs(weights).sum() < 0.2:
        np.testing.assert_allclose(base, affordable.max(), atol=1e-5 * equity)
