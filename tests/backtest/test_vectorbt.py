"""An independent engine as oracle: vectorbt, run live on random books where both have to agree.

Two configurations make the timings meet. In a market in which every price stands for two bars, our decision on the
first and fill on the second is vectorbt's fill on the decision bar, so its target-percent sizing must find our shares.
With costs the two size differently on purpose (ours leaves room for the costs), so there our shares are handed over as
target amounts and vectorbt's ledger must find our equity and cash.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from quantlab.backtest import Result, simulate
from quantlab.execution import Account, Bps, Costs, Proportional

from .conftest import make_bars, make_weights

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SEEDS = range(25)
BARS, ASSETS = 40, 5
FRACTIONAL = Account(cash=10_000.0, lot=None)


@pytest.fixture(scope="module")
def portfolio() -> Any:
    """``vectorbt.Portfolio``; importing it takes half a minute."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vectorbt
    return vectorbt.Portfolio


def draw(seed: int, style: str) -> tuple[np.ndarray, np.ndarray]:
    """Prices (T, N) and weights (T, N) within vectorbt's reach: its cash must never run out, or it cuts the order."""
    rng = np.random.default_rng(seed)
    prices = rng.choice([5.0, 40.0, 300.0], ASSETS) * np.exp(np.cumsum(rng.normal(0.0, 0.02, (BARS, ASSETS)), axis=0))
    raw = rng.random(prices.shape) if style == "long" else rng.uniform(-1.0, 1.0, prices.shape)
    raw[rng.random(prices.shape) < 0.2] = 0.0
    return prices, 0.6 * raw / np.maximum(np.abs(raw).sum(axis=1, keepdims=True), 1e-9)


def ledger(portfolio: Any, prices: np.ndarray, size: np.ndarray, kind: str, **costs: float) -> Any:
    import pandas as pd

    return portfolio.from_orders(
        pd.DataFrame(prices),
        pd.DataFrame(size),
        size_type=kind,
        direction="both",
        init_cash=FRACTIONAL.cash,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        **costs,
    )


@pytest.fixture
def compared(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Fills of each book that was compared; their number is printed."""
    fills: list[int] = []
    yield fills
    assert min(fills) > BARS
    with capsys.disabled():
        print(f"\nvectorbt {request.node.name}: {len(fills)} books, {sum(fills):,} fills")


@pytest.mark.parametrize("style", ["long", "long_short"])
def test_target_percent_sizing(portfolio, style, compared):
    for seed in SEEDS:
        prices, weights = draw(seed, style)
        twice = make_bars(np.repeat(prices, 2, axis=0))
        decisions = make_weights(twice, {2 * t: weights[t] for t in range(BARS)})
        ours = simulate(decisions, twice, account=FRACTIONAL, fill="next_close")
        compared.append(ours.orders["filled"].count())
        theirs = ledger(portfolio, prices, weights, "targetpercent")
        np.testing.assert_allclose(ours.positions.values[1::2], theirs.assets().to_numpy(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ours.equity.values[1::2, 0], theirs.value().to_numpy(), rtol=1e-9)
        np.testing.assert_allclose(ours.cash.values[1::2, 0], theirs.cash().to_numpy(), rtol=1e-9)


def replay(portfolio: Any, result: Result, prices: np.ndarray, **costs: float) -> None:
    theirs = ledger(portfolio, prices, result.positions.values, "targetamount", **costs)
    np.testing.assert_allclose(result.positions.values, theirs.assets().to_numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(result.cash.values[:, 0], theirs.cash().to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(result.equity.values[:, 0], theirs.value().to_numpy(), rtol=1e-9)


@pytest.mark.parametrize("style", ["long", "long_short"])
@pytest.mark.parametrize(
    ("costs", "theirs"),
    [
        (Costs(), {}),
        (Costs(commission=Proportional(0.002)), {"fees": 0.002}),
        (Costs(commission=Bps(10), slippage=Bps(15)), {"fees": 0.001, "slippage": 0.0015}),
    ],
    ids=["free", "fee", "fee_and_slippage"],
)
def test_ledger(portfolio, style, costs, theirs, compared):
    for seed in SEEDS:
        prices, weights = draw(1000 + seed, style)
        bars = make_bars(prices)
        result = simulate(
            make_weights(bars, dict(enumerate(weights))), bars, costs=costs, account=FRACTIONAL, fill="next_close"
        )
        assert result.cash.values.min() > 0
        compared.append(result.orders["filled"].count())
        replay(portfolio, result, prices, **theirs)
        charged = result.charges["commission"].sum()
        paid = ledger(portfolio, prices, result.positions.values, "targetamount", **theirs).orders.records["fees"].sum()
        np.testing.assert_allclose(charged, paid, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("style", ["long", "long_short"])
def test_round_trips(portfolio, style, compared):
    """Trades from flat to flat: the same number, the same sum of profits. vectorbt calls them positions."""
    for seed in SEEDS:
        prices, weights = draw(2000 + seed, style)
        bars = make_bars(prices)
        costs = Costs(commission=Proportional(0.002))
        result = simulate(
            make_weights(bars, dict(enumerate(weights))), bars, costs=costs, account=FRACTIONAL, fill="next_close"
        )
        theirs = ledger(portfolio, prices, result.positions.values, "targetamount", fees=0.002).positions
        ours = result.trades
        compared.append(result.orders["filled"].count())
        assert ours.height == len(theirs.records)
        np.testing.assert_allclose(
            np.sort(ours["pnl"].to_numpy()), np.sort(theirs.records["pnl"].to_numpy()), rtol=1e-7, atol=1e-7
        )
