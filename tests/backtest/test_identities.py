"""Book-keeping identities I1 to I6, at every bar of random runs through the public door.

Tolerances: money is compared to 1e-9 of what moved through the account, because float sums of large legs cancel to
small equities in ruinous and levered books; what must be exact is compared by its bits.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.backtest import Result, simulate
from quantlab.core import Panel, as_bars
from quantlab.execution import Account, Borrow, Bps, Costs, PerShare, Proportional

from .conftest import Book, draw_weights, make_bars, make_weights, random_books

EXAMPLES, MANY = 100, 2000


def run(book: Book, **changes) -> Result:
    return simulate(**book.arguments(**changes))


def marks(book: Book) -> np.ndarray:
    """Last close up to each bar, NaN before the first."""
    out = book.bars.close.values.copy()
    for t in range(1, out.shape[0]):
        out[t] = np.where(np.isnan(out[t]), out[t - 1], out[t])
    return out


def value(held: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Held times price, where nothing held is worth nothing at no price."""
    return np.where(held == 0, 0.0, held * price)


def scale(result: Result) -> float:
    return result.initial + float(result.traded.values.sum()) + float(np.abs(result.equity.values).max())


def fills(result: Result) -> pl.DataFrame:
    return result.orders.filter(pl.col("filled").is_not_null())


def i1_equity_is_cash_plus_marked_positions(book: Book) -> None:
    result = run(book)
    worth = value(result.positions.values, marks(book)).sum(axis=1)
    difference = result.equity.values[:, 0] - result.cash.values[:, 0] - worth
    assert np.abs(difference).max() <= 1e-9 * scale(result)


def i2_equity_changes_by_prices_fills_and_charges(book: Book) -> None:
    result = run(book)
    mark, positions = marks(book), result.positions.values
    explained = np.zeros(len(positions))
    explained[1:] = value(positions[:-1], np.diff(mark, axis=0)).sum(axis=1)
    row = {day.item(): t for t, day in enumerate(book.bars.dates)}
    column = {name: i for i, name in enumerate(book.bars.symbols)}
    for order in fills(result).iter_rows(named=True):
        t, i = row[order["filled"]], column[order["symbol"]]
        # A fill is booked at its reference price: slippage stands once, among the charges. An asset that trades on a
        # bar without a close is worth what it last was, and the gain or loss comes with its next close.
        explained[t] += order["shares"] * (mark[t, i] - order["reference_price"])
    explained -= result.charges.select(pl.sum_horizontal("commission", "slippage", "borrow")).to_numpy()[:, 0]
    change = np.diff(result.equity.values[:, 0], prepend=result.initial)
    assert np.abs(change - explained).max() <= 1e-9 * scale(result)


def i3_fills_add_up_to_the_position_exactly(book: Book) -> None:
    result = run(book)
    lot = book.account.lot
    held = dict.fromkeys(book.bars.symbols, 0.0)
    row = {day.item(): t for t, day in enumerate(book.bars.dates)}
    expected = np.zeros(book.bars.shape)
    for order in fills(result).iter_rows(named=True):
        lots = round(order["shares"] / lot) if lot else order["shares"]
        assert order["shares"] == (lots * lot if lot else lots)
        held[order["symbol"]] += lots
        t = row[order["filled"]]
        expected[t:, book.bars.symbols.index(order["symbol"])] = held[order["symbol"]] * (lot or 1.0)
    np.testing.assert_array_equal(result.positions.values, expected)


def i4_trades_explain_the_equity_at_every_bar(book: Book) -> None:
    for day in book.bars.dates:
        bars, weights = book.bars.between(end=day), book.weights.between(end=day)
        if len(weights) == 0:
            continue
        result = run(book, bars=bars, weights=weights)
        earned = result.trades["pnl"].sum() - result.charges["borrow"].sum()
        assert abs(result.initial + earned - result.equity.values[-1, 0]) <= 1e-9 * scale(result)
        still_open = result.trades.filter(pl.col("exit").is_null())
        held = {s for s, p in zip(bars.symbols, result.positions.values[-1], strict=True) if p != 0}
        assert set(still_open["symbol"]) == held
        assert len(held) == still_open.height
        charged = result.charges["commission"].sum() + result.charges["slippage"].sum()
        assert abs(result.trades["costs"].sum() - charged) <= 1e-9 * scale(result)


def i5_the_order_of_columns_changes_no_bit(book: Book) -> None:
    symbols = book.bars.symbols[::-1]
    left = run(book)
    right = run(book, bars=book.bars.select(symbols), weights=book.weights.select(symbols))
    for name in ("equity", "cash", "returns", "exposure", "traded"):
        assert getattr(left, name).values.tobytes() == getattr(right, name).values.tobytes(), name
    for name in ("positions", "weights"):
        assert getattr(left, name).select(symbols).values.tobytes() == getattr(right, name).values.tobytes(), name
    for name in ("orders", "trades", "charges", "diagnostics"):
        assert getattr(left, name).equals(getattr(right, name)), name


def i6_twice_the_price_and_half_the_shares_is_the_same_money(book: Book) -> None:
    doubled = as_bars(book.bars.close * 2, open=book.bars.open * 2)
    left, right = run(book), run(book, bars=doubled)
    for name in ("equity", "cash", "returns", "weights", "exposure", "traded"):
        assert getattr(left, name).values.tobytes() == getattr(right, name).values.tobytes(), name
    assert (left.positions.values / 2).tobytes() == right.positions.values.tobytes()
    assert left.charges.equals(right.charges)


def nothing_happens_after_a_ruin(book: Book) -> None:
    result = run(book)
    if result.ruined is None:
        assert (result.equity.values > 0).all()
        assert np.isfinite(result.weights.values).all()
        return
    t = int(np.searchsorted(book.bars.dates, result.ruined))
    assert (result.equity.values[:t] > 0).all()
    assert (result.equity.values[t:] == result.equity.values[t]).all()
    assert result.equity.values[t] <= 0
    assert (result.positions.values[t:] == 0.0).all()
    after = result.returns.between(start=result.ruined).values[1:]
    assert np.isnan(after).all()
    assert (result.orders["decided"] <= result.ruined.item()).all()


IDENTITIES = [
    (i1_equity_is_cash_plus_marked_positions, random_books()),
    (i2_equity_changes_by_prices_fills_and_charges, random_books()),
    (i3_fills_add_up_to_the_position_exactly, random_books()),
    (i4_trades_explain_the_equity_at_every_bar, random_books()),
    (i5_the_order_of_columns_changes_no_bit, random_books()),
    (i6_twice_the_price_and_half_the_shares_is_the_same_money, random_books(clean=True)),
    (nothing_happens_after_a_ruin, random_books()),
]
each_identity = pytest.mark.parametrize(("check", "books"), IDENTITIES, ids=[check.__name__ for check, _ in IDENTITIES])


@each_identity
def test_identity(check, books):
    settings(max_examples=EXAMPLES)(given(books)(check))()


@pytest.mark.slow
@each_identity
def test_identity_on_many_books(check, books, capsys):
    settings(max_examples=MANY)(given(books)(check))()
    with capsys.disabled():
        print(f"\n{check.__name__}: {MANY:,} random books")


@st.composite
def flat_markets(draw: st.DrawFn) -> tuple[Book, list[float]]:
    """A long-only target of at most the whole equity, in a market whose prices stand still."""
    assets = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    prices = rng.choice([0.25, 1.0, 7.0, 33.3, 250.0], assets)
    bars = make_bars(np.tile(prices, (6, 1)))
    target = draw_weights(rng, "long", (1, assets))[0]
    target *= min(1.0, 1.0 / max(target.sum(), 1e-9))
    commission = draw(
        st.sampled_from([None, Proportional(0.001), Proportional(0.002, minimum=1.0), PerShare(0.005, minimum=0.5)])
    )
    costs = Costs(commission=commission, slippage=Bps(draw(st.sampled_from([0, 5, 50]))), borrow=Borrow(0.01))
    account = Account(cash=draw(st.sampled_from([1000.0, 100_000.0])), lot=draw(st.sampled_from([None, 1.0, 0.1])))
    return Book(make_weights(bars, {0: target}), bars, costs, account, "next_close"), target.tolist()


@settings(max_examples=EXAMPLES)
@given(flat_markets())
def test_costs_inside_the_sizing_leave_no_debit(market):
    book, _ = market
    result = run(book)
    assert result.cash.values.min() >= -1e-9 * result.initial
    assert "debit" not in result.diagnostics["rule"].to_list()


@settings(max_examples=EXAMPLES)
@given(flat_markets())
def test_a_second_decision_for_the_same_weights_trades_nothing(market):
    book, target = market
    again = make_weights(book.bars, dict.fromkeys((0, 1, 3), target))
    result = run(book, weights=again)
    first = book.bars.dates[0].item()
    assert (result.orders["decided"] == first).all(), result.orders


def test_the_identities_are_checked_on_books_that_matter():
    """The random books hold ruins, debits, shorts, holes and reversals, or the identities would be cheap."""
    seen: set[str] = set()

    @settings(max_examples=EXAMPLES)
    @given(random_books())
    def look(book):
        result = run(book)
        seen.update(result.diagnostics["rule"])
        seen.update(result.trades["status"])
        seen.update(result.trades["side"])
        seen.update(["ruined"] * (result.ruined is not None))

    look()
    wanted = {"ruin", "debit", "skipped", "missing_price", "stale_mark", "unlisted", "no_next_bar"}
    assert wanted | {"closed", "open", "liquidated", "long", "short"} <= seen


def test_a_result_cannot_be_edited():
    bars = make_bars([10.0, 10.0, 11.0])
    result = simulate(make_weights(bars, {0: [1.0]}), bars, fill="next_close")
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.fill = "next_open"
    assert isinstance(result.equity, Panel)
    with pytest.raises(ValueError, match="read-only"):
        result.equity.values[0, 0] = 0.0
