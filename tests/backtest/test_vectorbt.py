"""An independent engine as oracle: vectorbt, run live on random books where both have to agree.

Three configurations make the timings meet: a market in which every price stands for two bars, so that our decision on
the first and fill on the second is vectorbt's fill on the decision's own bar; a fill on the same close; and sizing at
the fill against vectorbt's weights one bar later. With costs the two size differently on purpose (ours leaves room
for them), so there our shares are handed over as target amounts, and vectorbt's ledger must find our equity and cash.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from quantlab.backtest import Result, simulate, simulate_orders
from quantlab.core import Bars, Frequency, Panel, as_bars
from quantlab.execution import Account, Bps, Costs, Exits, Fill, NoMargin, PerTrade, Proportional, RegT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SEEDS = range(25)
BARS, ASSETS = 40, 5
CASH = 10_000.0
FRACTIONS = Account(cash=CASH, lot=None, margin=NoMargin())
STYLES = pytest.mark.parametrize("style", ["long", "long_short"])
ENGINES = pytest.mark.parametrize("engine", ["numba", "rust"])


@pytest.fixture(scope="module")
def portfolio() -> Any:
    """``vectorbt.Portfolio``; importing it takes half a minute on a slow disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vectorbt
    return vectorbt.Portfolio


@pytest.fixture
def compared(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Fills of each book that was compared; their number is printed."""
    fills: list[int] = []
    yield fills
    assert len(fills) == len(SEEDS)
    assert min(fills) > 0
    with capsys.disabled():
        print(f"\nvectorbt {request.node.name}: {len(fills)} books, {sum(fills):,} fills")


DAYS = np.datetime64("2024-01-01") + np.arange(1000)


def panel(values: np.ndarray, rows: np.ndarray | None = None) -> Panel:
    dates = DAYS[: len(values)] if rows is None else DAYS[rows]
    return Panel(values, dates, [f"S{i}" for i in range(values.shape[1])], frequency=Frequency.daily("24/7"))


def bars_of(close: np.ndarray, **fields: np.ndarray) -> Bars:
    return as_bars(panel(close), adjusted="none", **{name: panel(values) for name, values in fields.items()})


def draw_prices(rng: np.random.Generator) -> np.ndarray:
    walk = np.cumsum(rng.normal(0.0, 0.02, (BARS, ASSETS)), axis=0)
    return rng.choice([5.0, 40.0, 300.0], ASSETS) * np.exp(walk)


def draw(seed: int, style: str) -> tuple[np.ndarray, np.ndarray]:
    """Prices (T, N) and weights (T, N) within vectorbt's reach: its cash must never run out, or it cuts the order."""
    rng = np.random.default_rng(seed)
    prices = draw_prices(rng)
    raw = rng.random(prices.shape) if style == "long" else rng.uniform(-1.0, 1.0, prices.shape)
    raw[rng.random(prices.shape) < 0.2] = 0.0
    return prices, 0.6 * raw / np.maximum(np.abs(raw).sum(axis=1, keepdims=True), 1e-9)


def ledger(portfolio: Any, close: np.ndarray, size: np.ndarray, kind: str, **more: Any) -> Any:
    import pandas as pd

    more = {name: pd.DataFrame(value) if isinstance(value, np.ndarray) else value for name, value in more.items()}
    given = {
        "direction": "both",
        "init_cash": CASH,
        "cash_sharing": True,
        "group_by": True,
        "call_seq": "auto",
        "engine": "rust",
    }
    return portfolio.from_orders(pd.DataFrame(close), pd.DataFrame(size), size_type=kind, **given | more)


def demand_equal(positions: np.ndarray, cash: np.ndarray, equity: np.ndarray, theirs: Any) -> None:
    """1e-9 leaves room for sums in another order; an error in the rules is larger by many powers of ten."""
    np.testing.assert_allclose(positions, theirs.assets().to_numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(cash.ravel(), theirs.cash().to_numpy(), rtol=1e-9, atol=1e-9 * CASH)
    np.testing.assert_allclose(equity.ravel(), theirs.value().to_numpy(), rtol=1e-9)


# Sizing


@ENGINES
@STYLES
@pytest.mark.parametrize("timing", ["every price twice", "same close", "sized at the fill"])
def test_target_percent_sizing(portfolio, timing, style, engine, compared):
    for seed in SEEDS:
        prices, weights = draw(seed, style)
        if timing == "every price twice":
            rows, bars = np.arange(0, 2 * BARS, 2), bars_of(np.repeat(prices, 2, axis=0))
            result = simulate(panel(weights, rows), bars, account=FRACTIONS, fill="next_close")
            seen, size = slice(1, None, 2), weights
        elif timing == "same close":
            result = simulate(panel(weights), bars_of(prices), account=FRACTIONS, fill=Fill("same_close"))
            seen, size = slice(None), weights
        else:
            fill = Fill("next_close", sizing="fill")
            result = simulate(panel(weights), bars_of(prices), account=FRACTIONS, fill=fill)
            seen, size = slice(None), np.concatenate([np.full((1, ASSETS), np.nan), weights[:-1]])
        theirs = ledger(portfolio, prices, size, "targetpercent", engine=engine)
        compared.append(len(theirs.order_records))
        demand_equal(result.positions.values[seen], result.cash.values[seen], result.equity.values[seen], theirs)


# The ledger

COSTS = pytest.mark.parametrize(
    ("costs", "theirs"),
    [
        (Costs(), {}),
        (Costs(commission=Proportional(0.002)), {"fees": 0.002}),
        # Small, since vectorbt refuses a sale that earns less than its fee.
        (Costs(commission=PerTrade(0.01)), {"fixed_fees": 0.01}),
        (Costs(commission=Bps(10), slippage=Bps(15)), {"fees": 0.001, "slippage": 0.0015}),
    ],
    ids=["free", "fee", "fixed_fee", "fee_and_slippage"],
)


def run(seed: int, style: str, costs: Costs, fill: str) -> tuple[Result, dict[str, np.ndarray]]:
    """A book with decisions on every bar, and the prices that vectorbt needs to follow it."""
    prices, weights = draw(seed, style)
    opens = prices * np.exp(np.random.default_rng(seed).normal(0.0, 0.01, prices.shape))
    result = simulate(panel(weights), bars_of(prices, open=opens), costs=costs, account=FRACTIONS, fill=fill)
    assert result.cash.values.min() > 0
    return result, {"close": prices, "price": opens if fill == "next_open" else prices}


@COSTS
@STYLES
@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_ledger(portfolio, fill, style, costs, theirs, compared):
    for seed in SEEDS:
        result, prices = run(1000 + seed, style, costs, fill)
        peer = ledger(portfolio, size=result.positions.values, kind="targetamount", **prices, **theirs)
        compared.append(len(peer.order_records))
        demand_equal(result.positions.values, result.cash.values, result.equity.values, peer)
        demand_equal_fills(result, peer)


def demand_equal_fills(result: Result, peer: Any) -> None:
    """Fill by fill: bar, symbol, signed shares, price after slippage, commission."""
    records = peer.order_records
    theirs = records[np.lexsort((records["col"], records["idx"]))]
    fills = result.fills.sort("date", "symbol")
    bar = np.searchsorted(DAYS, fills["date"].to_numpy().astype("datetime64[D]"))
    column = fills["symbol"].str.slice(1).cast(int).to_numpy()
    np.testing.assert_array_equal(bar, theirs["idx"])
    np.testing.assert_array_equal(column, theirs["col"])
    signed = np.where(theirs["side"] == 0, theirs["size"], -theirs["size"])
    np.testing.assert_allclose(fills["shares"].to_numpy(), signed, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fills["price"].to_numpy(), theirs["price"], rtol=1e-12)
    np.testing.assert_allclose(fills["commission"].to_numpy(), theirs["fees"], rtol=1e-9, atol=1e-12)


@STYLES
def test_round_trips(portfolio, style, compared):
    """Trades from flat to flat: the same number, the same sum of profits. vectorbt calls them positions."""
    for seed in SEEDS:
        result, prices = run(2000 + seed, style, Costs(commission=Proportional(0.002)), "next_close")
        peer = ledger(portfolio, size=result.positions.values, kind="targetamount", **prices, fees=0.002)
        theirs, ours = peer.positions.records, result.trades
        compared.append(len(peer.order_records))
        assert ours.height == len(theirs)
        np.testing.assert_allclose(
            np.sort(ours["pnl"].to_numpy()), np.sort(theirs["pnl"].to_numpy()), rtol=1e-7, atol=1e-7
        )


# What becomes of an order

FILLED, IGNORED, REJECTED = range(3)  # vectorbt's


def statuses(peer: Any, asked: np.ndarray) -> np.ndarray:
    """What vectorbt's log says of each order that was asked for, by bar and column."""
    log = peer.logs.records
    found = np.full(asked.shape, -1)
    found[log["idx"].to_numpy(), log["col"].to_numpy()] = log["res_status"].to_numpy()
    return found[~np.isnan(asked)]


@ENGINES
@pytest.mark.parametrize("buying_power", ["reject", "scale"])
def test_orders_that_cash_does_not_cover(portfolio, buying_power, engine, compared):
    """One order a bar, long only, often for more than there is cash: rejected as a whole, or cut to the cash."""
    account = Account(cash=CASH, lot=None, margin=RegT(initial_long=1.0), buying_power=buying_power)
    refused = 0
    for seed in SEEDS:
        rng = np.random.default_rng(3000 + seed)
        prices, wanted = draw_prices(rng), np.full((BARS, ASSETS), np.nan)
        for t, i in enumerate(rng.integers(0, ASSETS, BARS)):
            wanted[t, i] = rng.choice([0.0, rng.uniform(0.1, 0.7) * CASH / prices[t, i]])
        rows, bars = np.arange(0, 2 * BARS, 2), bars_of(np.repeat(prices, 2, axis=0))
        kind = "target_shares"
        result = simulate_orders(panel(wanted, rows), bars, kind=kind, account=account, fill="next_close")
        partial = buying_power == "scale"
        more = {"direction": "longonly", "allow_partial": partial, "log": True, "engine": engine}
        peer = ledger(portfolio, prices, wanted, "targetamount", **more)
        compared.append(len(peer.order_records))
        demand_equal(result.positions.values[1::2], result.cash.values[1::2], result.equity.values[1::2], peer)
        # vectorbt also rejects a sale of nothing; to us that is no order.
        theirs = np.where(wanted[~np.isnan(wanted)] > 0, statuses(peer, wanted), IGNORED)
        refused += (theirs == REJECTED).sum()
        if not partial:
            bar = np.searchsorted(DAYS, result.orders["decided"].to_numpy().astype("datetime64[D]")) // 2
            assert (result.orders["status"] == "margin_rejected").to_list() == (theirs[bar] == REJECTED).tolist()
            assert np.isin(np.flatnonzero(theirs != IGNORED), bar).all()
    assert refused > len(SEEDS)


@ENGINES
def test_orders_without_a_price_and_whole_shares(portfolio, engine, compared):
    """Orders for fractions of shares in a whole-share account, on opens with holes: what is filled, what is not."""
    account = Account(cash=CASH, lot=1.0, margin=NoMargin())
    holes = 0
    for seed in SEEDS:
        rng = np.random.default_rng(4000 + seed)
        close = draw_prices(rng)
        opens = close * np.exp(rng.normal(0.0, 0.01, close.shape))
        opens[rng.random(close.shape) < 0.15] = np.nan
        asked = rng.uniform(-1.0, 1.0, close.shape) * 0.01 * CASH / close[0]
        asked[rng.random(close.shape) < 0.3] = np.nan
        asked[-1] = np.nan
        result = simulate_orders(
            panel(asked), bars_of(close, open=opens), kind="shares", account=account, fill="next_open"
        )
        shifted = np.concatenate([np.full((1, ASSETS), np.nan), asked[:-1]])
        more = {"price": opens, "size_granularity": 1.0, "log": True, "engine": engine}
        peer = ledger(portfolio, close, shifted, "amount", **more)
        compared.append(len(peer.order_records))
        demand_equal(result.positions.values, result.cash.values, result.equity.values, peer)
        demand_equal_fills(result, peer)
        missing = (statuses(peer, shifted) == IGNORED) & np.isnan(opens[~np.isnan(shifted)])
        whole = np.abs(shifted[~np.isnan(shifted)]) >= 1.0
        assert (result.orders["status"] == "missing_price").sum() == (missing & whole).sum()
        holes += missing.sum()
    assert holes > len(SEEDS)


# Exits

EXITS = pytest.mark.parametrize(
    ("exits", "theirs"),
    [
        (Exits(stop_loss=0.03), {"sl_stop": 0.03}),
        (Exits(take_profit=0.04), {"tp_stop": 0.04}),
        (Exits(trailing=0.03), {"sl_stop": 0.03, "sl_trail": True}),
        (Exits(stop_loss=0.03, take_profit=0.02), {"sl_stop": 0.03, "tp_stop": 0.02}),
    ],
    ids=["stop_loss", "take_profit", "trailing", "stop_and_target"],
)


@EXITS
@pytest.mark.parametrize("side", ["longonly", "shortonly"])
def test_exits_inside_the_bar(portfolio, exits, theirs, side, compared):
    """Entries at the close, exits inside later bars, gaps at the open, the stop before the target.

    A bar that opens beyond the target and falls to the stop fills at the open with us, at the stop with vectorbt, so
    where both are set there are no gaps.
    """
    import pandas as pd

    account = Account(cash=CASH * 100, lot=None, margin=NoMargin())
    for seed in SEEDS:
        rng = np.random.default_rng(5000 + seed)
        close = draw_prices(rng)
        opens = close * np.exp(rng.normal(0.0, 0.015, close.shape))
        if len(theirs) == 2 and "tp_stop" in theirs:
            opens = np.concatenate([close[:1], close[:-1]])
        high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0.0, 0.01, close.shape)))
        low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0.0, 0.01, close.shape)))
        entries = rng.random(close.shape) < 0.3
        entries[0] = False
        fields = {"open": opens, "high": high, "low": low}
        frames = {name: pd.DataFrame(values) for name, values in fields.items()}
        peer = portfolio.from_signals(
            pd.DataFrame(close), pd.DataFrame(entries), pd.DataFrame(np.zeros_like(entries)), size=10.0,
            direction=side, init_cash=CASH * 100, engine="rust", **frames, **theirs,
        )  # fmt: skip
        # vectorbt takes no second entry while it holds: its own entries are ordered one bar ahead.
        records = peer.order_records
        entered = records[records["side"] == (0 if side == "longonly" else 1)]
        orders = np.full(close.shape, np.nan)
        orders[entered["idx"] - 1, entered["col"]] = 10.0 if side == "longonly" else -10.0
        result = simulate_orders(
            panel(orders), bars_of(close, **fields), kind="shares", account=account, fill="next_close", exits=exits
        )
        compared.append(len(records))
        demand_equal_fills(result, peer)
