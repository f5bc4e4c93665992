"""An independent engine as oracle: bt, run live on its own worked examples, restated, and on random books.

bt fills on the close of the decision's own bar, at fractions of shares, and knows neither slippage nor margin. Its
sizing takes a fee out of the amount that it allocates to a name, ours out of the whole book, so that books with costs
are compared share by share: bt is told to trade what we traded, and its ledger must find our cash and equity.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from quantlab.backtest import simulate, simulate_orders
from quantlab.core import Bars, Frequency, Panel, as_bars
from quantlab.execution import Account, Costs, Fill, NoMargin, PerShare, PerTrade, Proportional

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SEEDS = range(25)
BARS, ASSETS = 30, 5
CASH = 10_000.0
FRACTIONS = Account(cash=CASH, lot=None, margin=NoMargin())
DAYS = np.datetime64("2024-01-01") + np.arange(1000)
STYLES = pytest.mark.parametrize("style", ["long", "long_short"])


@pytest.fixture(scope="module")
def bt() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import bt
    return bt


@pytest.fixture
def compared(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Trades of each book that was compared; their number is printed."""
    trades: list[int] = []
    yield trades
    assert len(trades) == len(SEEDS)
    assert min(trades) > BARS
    with capsys.disabled():
        print(f"\nbt {request.node.name}: {len(trades)} books, {sum(trades):,} trades")


def panel(values: np.ndarray, rows: np.ndarray | None = None) -> Panel:
    dates = DAYS[: len(values)] if rows is None else DAYS[rows]
    return Panel(values, dates, [f"S{i}" for i in range(values.shape[1])], frequency=Frequency.daily("24/7"))


def bars_of(close: np.ndarray) -> Bars:
    return as_bars(panel(close), adjusted="none")


def frame(values: np.ndarray) -> Any:
    import pandas as pd

    return pd.DataFrame(values, pd.DatetimeIndex(DAYS[: len(values)]), [f"S{i}" for i in range(values.shape[1])])


def backtest(
    bt: Any, close: np.ndarray, algos: list[Any], *, cash: float = CASH, whole: bool = False, fee: Any = None
) -> Any:
    """A finished bt backtest: equity (T,), cash (T,), shares (T, N); bt puts a row before the first bar."""
    test = bt.Backtest(
        bt.Strategy("book", algos), frame(close), initial_capital=cash, integer_positions=whole, commissions=fee,
        progress_bar=False,
    )  # fmt: skip
    test.run()
    names = [f"S{i}" for i in range(close.shape[1])]
    shares = test.strategy.positions.reindex(columns=names, fill_value=0.0).to_numpy()[1:]
    return test.strategy.values.to_numpy()[1:], test.strategy.cash.to_numpy()[1:], shares


def daily(bt: Any, act: Callable[[Any, str, float], None], amounts: np.ndarray) -> Any:
    """An algo that calls ``act(strategy, name, amount)`` for every finite amount of the bar."""

    class Act(bt.Algo):
        def __call__(self, target: Any) -> bool:
            t = int((np.datetime64(target.now, "D") - DAYS[0]).astype(int))
            for i in np.flatnonzero(~np.isnan(amounts[t])):
                act(target, f"S{i}", float(amounts[t, i]))
            return True

    return Act()


def test_worked_example_amounts(bt):
    """Capital 1,000 at a price of 100: allocations of +500, -200, -400 leave 5, 3, -1 shares and 1,000 throughout."""
    close, amounts = np.full((4, 1), 100.0), np.array([[500.0], [-200.0], [-400.0], [np.nan]])
    equity, cash, shares = backtest(
        bt,
        close,
        [daily(bt, lambda strategy, name, amount: strategy.allocate(amount, child=name), amounts)],
        cash=1000.0,
        whole=True,
    )
    np.testing.assert_array_equal(shares.ravel(), [5, 3, -1, -1])
    account = Account(cash=1000.0, lot=1.0, margin=NoMargin())
    result = simulate_orders(panel(amounts), bars_of(close), kind="value", account=account, fill="next_close")
    # Ours are filled on the bar after.
    np.testing.assert_array_equal(result.positions.values.ravel(), [0, 5, 3, -1])
    np.testing.assert_array_equal(result.cash.values[1:, 0], cash[:3])
    np.testing.assert_array_equal(result.equity.values.ravel(), equity)


def test_worked_example_fixed_fee(bt):
    """Capital 1,000, two names at 100, one dollar an order: cash 599, 198, 397, 296, 795, 994, and equity 994."""
    close = np.full((7, 2), 100.0)
    asked = np.full(close.shape, np.nan)
    asked[range(6), [0, 1, 0, 0, 1, 0]] = [4, 4, -2, 1, -5, -2]
    fee = PerTrade(1.0)
    trade = daily(bt, lambda strategy, name, shares: strategy.transact(shares, child=name), asked)
    equity, cash, shares = backtest(bt, close, [trade], cash=1000.0, whole=True, fee=lambda q, p: 1.0)
    np.testing.assert_array_equal(cash[:6], [599, 198, 397, 296, 795, 994])
    account = Account(cash=1000.0, lot=1.0, margin=NoMargin())
    result = simulate_orders(
        panel(asked), bars_of(close), kind="shares", costs=Costs(commission=fee), account=account, fill="next_close"
    )
    np.testing.assert_array_equal(result.cash.values[1:, 0], cash[:6])
    np.testing.assert_array_equal(result.positions.values[1:], shares[:6])
    np.testing.assert_array_equal(result.equity.values[1:, 0], equity[:6])


def draw(seed: int, style: str) -> tuple[np.ndarray, np.ndarray]:
    """Prices (T, N) and weights (T, N); some are zero, which closes a position."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0.0, 0.02, (BARS, ASSETS)), axis=0)
    prices = rng.choice([5.0, 40.0, 300.0], ASSETS) * np.exp(walk)
    raw = rng.random(prices.shape) if style == "long" else rng.uniform(-1.0, 1.0, prices.shape)
    raw[rng.random(prices.shape) < 0.2] = 0.0
    return prices, 0.9 * raw / np.maximum(np.abs(raw).sum(axis=1, keepdims=True), 1e-9)


def demand_equal(result: Any, theirs: Any, bars: slice = slice(None)) -> None:
    """1e-9 leaves room for sums in another order; an error in the rules is larger by many powers of ten."""
    equity, cash, shares = theirs
    np.testing.assert_allclose(result.positions.values[bars], shares, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(result.cash.values[bars, 0], cash, rtol=1e-9, atol=1e-9 * CASH)
    np.testing.assert_allclose(result.equity.values[bars, 0], equity, rtol=1e-9)


@STYLES
@pytest.mark.parametrize("timing", ["every price twice", "same close"])
def test_random_books(bt, timing, style, compared):
    """Target weights on every bar, free of costs."""
    for seed in SEEDS:
        close, weights = draw(seed, style)
        theirs = backtest(bt, close, [bt.algos.WeighTarget(frame(weights)), bt.algos.Rebalance()])
        if timing == "same close":
            result = simulate(panel(weights), bars_of(close), account=FRACTIONS, fill=Fill("same_close"))
            demand_equal(result, theirs)
        else:
            twice = bars_of(np.repeat(close, 2, axis=0))
            decided = panel(weights, np.arange(0, 2 * BARS, 2))
            result = simulate(decided, twice, account=FRACTIONS, fill="next_close")
            demand_equal(result, theirs, slice(1, None, 2))
        compared.append((np.diff(theirs[2], axis=0) != 0).sum())


def per_share(shares: float, price: float) -> float:
    """0.5 cents a share, at least 1, at most 1 % of the value; the maximum wins."""
    return min(max(0.005 * abs(shares), 1.0), 0.01 * abs(shares) * price)


@STYLES
@pytest.mark.parametrize(
    ("commission", "fee"),
    [
        (PerShare(0.005, minimum=1.0, maximum=0.01), per_share),
        (Proportional(0.002), lambda shares, price: 0.002 * abs(shares) * price),
    ],
    ids=["per_share", "proportional"],
)
def test_ledger(bt, commission, fee, style, compared):
    """A whole-share book with commissions: bt trades our shares and has to arrive at our cash."""
    account = Account(cash=CASH, lot=1.0, margin=NoMargin())
    for seed in SEEDS:
        close, weights = draw(1000 + seed, style)
        costs = Costs(commission=commission)
        result = simulate(panel(weights), bars_of(close), costs=costs, account=account, fill="next_close")
        traded = np.diff(result.positions.values, axis=0, prepend=np.zeros((1, ASSETS)))
        traded[traded == 0.0] = np.nan
        trade = daily(bt, lambda strategy, name, shares: strategy.transact(shares, child=name), traded)
        demand_equal(result, backtest(bt, close, [trade], whole=True, fee=fee))
        compared.append((~np.isnan(traded)).sum())
