"""Book-keeping identities I1 to I6, at every bar of random runs through the public door, with every feature.

Tolerances: money is compared to 1e-9 of what moved through the account, because float sums of large legs cancel to
small equities in ruinous and levered books; what must be exact is compared by its bits.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.backtest import Result
from quantlab.core import Panel
from quantlab.execution import Account, Borrow, Bps, Costs, NoMargin, PerShare, Proportional, RegT

from .conftest import (
    ENGINES,
    Engine,
    RandomBook,
    draw_weights,
    make_bars,
    make_weights,
    random_books,
    rules,
)

KERNEL, REFERENCE = ENGINES["kernel"], ENGINES["reference"]


@dataclass
class Ledger:
    """A run as its tables tell it, bar by bar: positions and marks (T, N), money (T,)."""

    units: np.ndarray
    marks: np.ndarray
    cash: np.ndarray
    receivable: np.ndarray
    held_over: np.ndarray  # what positions gained from close to close before fills, actions included
    acted: np.ndarray  # shares that actions gave
    paid_out: np.ndarray  # and cash that they paid at once, by symbol

    @property
    def equity(self) -> np.ndarray:
        return self.cash + self.receivable + value(self.units, self.marks).sum(axis=1)


def value(held: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Held times price, where nothing held is worth nothing at no price."""
    return np.where(held == 0, 0.0, held * price)


def ledger(result: Result) -> Ledger:
    """Walk through fills, events and charges of a result; what an action does to a mark is read in the table itself."""
    bars = result.bars
    T, N = bars.shape
    row = {day.item(): t for t, day in enumerate(bars.dates)}
    column = {name: i for i, name in enumerate(bars.symbols)}
    out = Ledger(*(np.zeros(size) for size in ((T, N), (T, N), T, T, T, (T, N), (T, N))))
    size = unit(result)

    def shares(number: float) -> float:
        return round(number / size) if size else number

    charges = result.charges
    earned = charges["credit_interest"] + charges["short_interest"] - charges["borrow"] - charges["debit_interest"]
    flow, moved = earned.to_numpy().copy(), np.zeros((T, N))
    for fill in result.fills.iter_rows(named=True):
        t = row[fill["date"]]
        flow[t] -= fill["shares"] * fill["price"] + fill["commission"] + fill["fees"]
        moved[t, column[fill["symbol"]]] += shares(fill["shares"])
    due = np.zeros(T + 1)
    for event in result.events.iter_rows(named=True):
        t, i = row[event["date"]], column[event["symbol"]]
        out.acted[t, i] += shares(event["shares"])
        if event["kind"] != "dividend":
            out.paid_out[t, i] += event["cash"]
    flow += out.paid_out.sum(axis=1)
    for t, amount in enumerate(charges["dividends"]):
        out.receivable[t:] += amount
    for t, amount in paid(result, row):
        due[t] += amount
    flow += due[:T]
    out.receivable -= np.cumsum(due[:T])

    marks = adjusted_marks(result)
    size = size or 1.0
    held = np.zeros(N)
    for t in range(T):
        before = value(held * size, marks[t - 1]).sum() if t else 0.0
        held = held + out.acted[t]
        out.held_over[t] = value(held * size, marks[t]).sum() + out.paid_out[t].sum() - before
        held = held + moved[t]
        out.units[t] = held * size
    out.acted *= size
    out.marks, out.cash = marks, result.initial + np.cumsum(flow)
    if result.ruined is not None:
        t = int(np.searchsorted(bars.dates, result.ruined))
        # Claims become cash, and nothing happens any more.
        out.cash[t:] = out.cash[t] + out.receivable[t]
        out.receivable[t:] = 0.0
    return out


def unit(result: Result) -> float:
    """What positions are counted in: a share of a whole lot, a broken lot, 0 for fractions.

    A split leaves whole shares and may break a lot of a hundred.
    """
    lot = result.account.lot
    return 0.0 if lot is None else 1.0 if lot == round(lot) else lot


def paid(result: Result, row: dict) -> list[tuple[int, float]]:
    """Bar and amount of each dividend that was paid: the claims of the events at the pay dates of the table."""
    bars = result.bars
    out = []
    days = np.array([action["date"] for action in bars.actions.iter_rows(named=True)], dtype="datetime64[D]")
    for event in result.events.filter(pl.col("kind") == "dividend").iter_rows(named=True):
        t = row[event["date"]]
        # The row of the table that acted on this bar.
        acted = np.flatnonzero(np.searchsorted(bars.dates, days) == t)
        rows = [bars.actions.row(int(a), named=True) for a in acted]
        rows = [r for r in rows if r["symbol"] == event["symbol"] and r["kind"] == "dividend"]
        days_of_pay = {r["pay_date"] or r["date"] for r in rows}
        assert len(days_of_pay) == 1
        pay = int(np.searchsorted(bars.dates, np.datetime64(days_of_pay.pop())))
        out.append((max(pay, t), event["cash"]))
    return out


def adjusted_marks(result: Result) -> np.ndarray:
    """Last close up to each bar, as splits, spin-offs and conversions leave it."""
    bars = result.bars
    actions: dict[int, list] = {}
    for action in bars.actions.iter_rows(named=True):
        at = int(np.searchsorted(bars.dates, np.datetime64(action["date"])))
        actions.setdefault(at, []).append(action)
    order = {"split": 0, "spinoff": 1, "conversion": 2}
    mark, out = np.full(bars.shape[1], np.nan), np.empty(bars.shape)
    for t, close in enumerate(bars.close.values):
        for action in sorted(actions.get(t, []), key=lambda a: order.get(a["kind"], 9)):
            i = bars.symbols.index(action["symbol"])
            if action["kind"] == "split":
                mark[i] /= action["value"]
            elif action["kind"] == "spinoff":
                mark[i] *= 1 - action["value"]
            elif action["kind"] == "conversion":
                j = bars.symbols.index(action["into"])
                mark[j] = mark[i] / action["value"] if np.isnan(mark[j]) else mark[j]
        mark = np.where(np.isnan(close), mark, close)
        out[t] = mark
    return out


def scale(result: Result) -> float:
    dividends = result.events["cash"].abs().sum()
    moved = float(result.traded.values.sum()) + dividends + float(np.abs(result.financing.values).sum())
    return result.initial + moved + float(np.abs(result.equity.values).max())


def i1_equity_is_cash_claims_and_marked_positions(book: RandomBook, engine: Engine) -> None:
    result = book.run(engine)
    told = ledger(result)
    assert np.abs(result.cash.values[:, 0] - told.cash).max() <= 1e-9 * scale(result)
    assert np.abs(result.equity.values[:, 0] - told.equity).max() <= 1e-9 * scale(result)


def i2_equity_changes_by_prices_fills_and_charges(book: RandomBook, engine: Engine) -> None:
    result = book.run(engine)
    told = ledger(result)
    explained = told.held_over
    row = {day.item(): t for t, day in enumerate(book.bars.dates)}
    column = {name: i for i, name in enumerate(book.bars.symbols)}
    for fill in result.fills.iter_rows(named=True):
        t, i = row[fill["date"]], column[fill["symbol"]]
        # A fill is booked at its reference price: slippage stands once, among the charges. An asset that trades on a
        # bar without a close is worth what it last was, and the gain or loss comes with its next close.
        explained[t] += fill["shares"] * (told.marks[t, i] - fill["reference_price"])
    earned = pl.sum_horizontal("dividends", "credit_interest", "short_interest")
    charged = pl.sum_horizontal("commission", "fees", "slippage", "borrow", "debit_interest", "conversion_cost")
    explained += result.charges.select(earned - charged).to_numpy()[:, 0]
    change = np.diff(result.equity.values[:, 0], prepend=result.initial)
    assert np.abs(change - explained).max() <= 1e-9 * scale(result)


def i3_fills_and_actions_add_up_to_the_position_exactly(book: RandomBook, engine: Engine) -> None:
    result = book.run(engine)
    told = ledger(result)
    size = unit(result)
    if size:
        for number in (*result.fills["shares"], *result.events["shares"]):
            assert number == round(number / size) * size
        np.testing.assert_array_equal(result.positions.values, told.units)
    else:
        # Fractions are not promised to add up, but for what closes a position.
        largest = 1e-12 * np.abs(told.units).max()
        np.testing.assert_allclose(result.positions.values, told.units, rtol=1e-12, atol=largest)


def i4_trades_explain_the_equity_at_every_bar(book: RandomBook, engine: Engine) -> None:
    for day in book.bars.dates:
        cut = book.between(day)
        if cut is None:
            continue
        result = cut.run(engine)
        trades, charges = result.trades, result.charges.drop("date").sum().row(0, named=True)
        earned = trades["pnl"].sum() + trades["dividends"].sum() - trades["borrow"].sum()
        earned += charges["credit_interest"] + charges["short_interest"] - charges["debit_interest"]
        assert abs(result.initial + earned - result.equity.values[-1, 0]) <= 1e-9 * scale(result)
        still_open = trades.filter(pl.col("exit").is_null())
        held = {s for s, p in zip(cut.bars.symbols, result.positions.values[-1], strict=True) if p != 0}
        assert set(still_open["symbol"]) == held
        assert len(held) == still_open.height
        for name in ("borrow", "dividends"):
            assert abs(trades[name].sum() - charges[name]) <= 1e-9 * scale(result), name
        costs = charges["commission"] + charges["fees"] + charges["slippage"]
        assert abs(trades["costs"].sum() - costs) <= 1e-9 * scale(result)


def i5_the_order_of_columns_changes_no_bit(book: RandomBook, engine: Engine) -> None:
    symbols = book.bars.symbols[::-1]
    left, right = book.run(engine), book.reversed().run(engine)
    for name in ("equity", "cash", "returns", "exposure", "margin", "financing", "traded"):
        assert getattr(left, name).values.tobytes() == getattr(right, name).values.tobytes(), name
    for name in ("positions", "weights"):
        assert getattr(left, name).select(symbols).values.tobytes() == getattr(right, name).values.tobytes(), name
    for name in ("orders", "fills", "events", "trades", "charges", "diagnostics"):
        assert getattr(left, name).equals(getattr(right, name)), name


def i6_twice_the_price_and_half_the_shares_is_the_same_money(book: RandomBook, engine: Engine) -> None:
    left, right = book.run(engine), book.doubled().run(engine)
    for name in ("equity", "cash", "returns", "weights", "exposure", "margin", "financing", "traded"):
        assert getattr(left, name).values.tobytes() == getattr(right, name).values.tobytes(), name
    assert (left.positions.values / 2).tobytes() == right.positions.values.tobytes()
    assert left.charges.equals(right.charges)
    assert left.orders["status"].equals(right.orders["status"])


def actions_make_no_money(book: RandomBook, engine: Engine) -> None:
    """A split and a spin-off leave what a position is worth at its last mark; a delisting loses what it states."""
    result = book.run(engine)
    told = ledger(result)
    table: dict[tuple[int, int], list] = {}
    for action in book.bars.actions.iter_rows(named=True):
        t = int(np.searchsorted(book.bars.dates, np.datetime64(action["date"])))
        table.setdefault((t, book.bars.symbols.index(action["symbol"])), []).append(action)
    into = {(t, action["into"]) for (t, _), actions in table.items() for action in actions}
    for (t, i), actions in table.items():
        kinds = {action["kind"] for action in actions}
        # A conversion states a ratio, whatever the two are worth; the rest of a split is paid before a delisting.
        stated = "conversion" in kinds or (t, book.bars.symbols[i]) in into or {"split", "delisting"} <= kinds
        if t == 0 or stated or told.units[t - 1, i] == 0:
            continue
        factor = 1.0
        for action in actions:
            factor /= action["value"] if action["kind"] == "split" else 1.0
            factor *= 1 - action["value"] if action["kind"] == "spinoff" else 1.0
            factor *= 1 + action["value"] if action["kind"] == "delisting" else 1.0
        before, mark = told.units[t - 1, i], told.marks[t - 1, i]
        lost = -sum(a["value"] for a in actions if a["kind"] == "delisting")
        # Spin-offs come first; the rest of a delisted position loses its part.
        spun = np.prod([1 - a["value"] for a in actions if a["kind"] == "spinoff"])
        left = (before + told.acted[t, i]) * mark * factor + told.paid_out[t, i]
        assert abs(left - before * mark * (1 - lost * spun)) <= 1e-9 * scale(result)
        if "delisting" in kinds:
            assert (told.units[t:, i] == 0).all()


def nothing_happens_after_a_ruin(book: RandomBook, engine: Engine) -> None:
    result = book.run(engine)
    if result.ruined is None:
        assert (result.equity.values > 0).all()
        assert np.isfinite(result.weights.values).all()
        return
    t = int(np.searchsorted(book.bars.dates, result.ruined))
    assert (result.equity.values[:t] > 0).all()
    assert (result.equity.values[t:] == result.equity.values[t]).all()
    assert result.equity.values[t] <= 0
    assert (result.positions.values[t:] == 0.0).all()
    assert np.isnan(result.returns.between(start=result.ruined).values[1:]).all()
    last = result.ruined.item()
    assert (result.orders["decided"] <= last).all()
    assert not result.charges.filter(pl.col("date") > last).drop("date").to_numpy().any()


def the_requirement_is_met_or_called(book: RandomBook, engine: Engine) -> None:
    """A book below its requirement has orders that reduce what can be traded, unless the run ends there."""
    result = book.run(engine)
    buffer = getattr(result.account.margin, "buffer", 0.0)
    requirement, equity = result.margin.values[:, 0], result.equity.values[:, 0]
    below = requirement * (1 + buffer) > equity * (1 + 1e-9)
    if result.ruined is not None:
        below[int(np.searchsorted(book.bars.dates, result.ruined)) :] = False
    orders = result.orders.filter(pl.col("shares").is_not_null())
    for t in np.flatnonzero(below):
        day, held = book.bars.dates[t].item(), result.positions.values[t]
        priced = np.flatnonzero((held != 0) & ~np.isnan(book.bars.close.values[t]))
        asked = orders.filter(pl.col("decided") <= day)
        against = [
            (asked.filter(pl.col("symbol") == book.bars.symbols[i])["shares"] * held[i] < 0).any() for i in priced
        ]
        assert any(against) or not priced.size, day


def the_two_engines_agree(book: RandomBook, engine: Engine) -> None:
    """What a user sees of both, with orders and fills of one bar in any order."""
    left, right = book.run(engine), book.run(REFERENCE if engine is KERNEL else KERNEL)
    size = scale(left)
    for name in ("equity", "cash", "margin", "financing", "traded"):
        a, b = getattr(left, name).values, getattr(right, name).values
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * size, err_msg=name)
    assert left.ruined == right.ruined
    shares = 1e-9 * np.abs(left.positions.values).max()
    np.testing.assert_allclose(left.positions.values, right.positions.values, rtol=1e-9, atol=shares)
    labels = ["decided", "filled", "symbol", "kind", "status"]
    assert left.orders[labels].sort(labels).equals(right.orders[labels].sort(labels))
    found = ["rule", "date", "symbol", "count"]
    both = [run.diagnostics.filter(pl.col("rule") != "debit")[found].sort(found) for run in (left, right)]
    assert both[0].equals(both[1])


# The identity, the books, and how many of them the compiled engine takes; the plain one takes a fifth.
IDENTITIES = [
    (i1_equity_is_cash_claims_and_marked_positions, random_books(), 60),
    (i2_equity_changes_by_prices_fills_and_charges, random_books(), 60),
    (i3_fills_and_actions_add_up_to_the_position_exactly, random_books(), 60),
    (i4_trades_explain_the_equity_at_every_bar, random_books(), 20),
    (i5_the_order_of_columns_changes_no_bit, random_books(), 40),
    (i6_twice_the_price_and_half_the_shares_is_the_same_money, random_books(clean=True), 40),
    (actions_make_no_money, random_books(), 60),
    (nothing_happens_after_a_ruin, random_books(), 60),
    (the_requirement_is_met_or_called, random_books(), 60),
    (the_two_engines_agree, random_books(), 40),
]
SLOW = 40
each_identity = pytest.mark.parametrize(
    ("check", "books", "count"), IDENTITIES, ids=[check.__name__ for check, _, _ in IDENTITIES]
)


def search(check, books, engine, count):
    @settings(max_examples=count)
    @given(books)
    def look(book):
        check(book, engine)

    look()


@each_identity
def test_identity(check, books, count, each_engine):
    search(check, books, each_engine, count if each_engine is KERNEL else count // 5)


@pytest.mark.slow
@each_identity
def test_identity_on_many_books(check, books, count, each_engine, capsys):
    many = SLOW * (count if each_engine is KERNEL else count // 5)
    search(check, books, each_engine, many)
    with capsys.disabled():
        print(f"\n{check.__name__}: {many:,} random books")


@st.composite
def flat_markets(draw: st.DrawFn) -> tuple[RandomBook, list[float]]:
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
    account = Account(
        cash=draw(st.sampled_from([1000.0, 100_000.0])),
        lot=draw(st.sampled_from([None, 1.0, 0.1])),
        margin=draw(st.sampled_from([NoMargin(), RegT()])),
    )
    rest = {"costs": costs, "account": account, "fill": "next_close"}
    return RandomBook("weights", make_weights(bars, {0: target}), bars, rest), target.tolist()


@settings(max_examples=60)
@given(flat_markets())
def test_costs_inside_the_sizing_leave_no_debit(market):
    book, _ = market
    result = book.run(KERNEL)
    assert result.cash.values.min() >= -1e-9 * result.initial
    assert "debit" not in rules(result)


@settings(max_examples=60)
@given(flat_markets())
def test_a_second_decision_for_the_same_weights_trades_nothing(market):
    book, target = market
    again = make_weights(book.bars, dict.fromkeys((0, 1, 3), target))
    result = book.run(KERNEL, decisions=again)
    first = book.bars.dates[0].item()
    assert (result.orders["decided"] == first).all(), result.orders


def test_the_identities_are_checked_on_books_that_matter():
    """The random books hold every way in which a book can end, be cut or be paid, or the identities would be cheap."""
    seen: set[str] = set()

    @settings(max_examples=400)
    @given(random_books())
    def look(book):
        result = book.run(KERNEL)
        seen.update(rules(result))
        for table, names in (("trades", ("status", "side", "exit_kind")), ("orders", ("kind",)), ("events", ("kind",))):
            for name in names:
                seen.update(getattr(result, table)[name].drop_nulls())
        seen.update(name for name in result.charges.columns[1:] if (result.charges[name] != 0.0).any())

    look()
    wanted = {"ruin", "debit", "skipped", "missing_price", "stale_mark", "unlisted", "no_next_bar", "margin_call"}
    wanted |= {"margin_scaled", "margin_rejected", "unborrowable", "buy_in", "volume_cap", "cancelled", "expired"}
    wanted |= {
        "closed",
        "open",
        "liquidated",
        "long",
        "short",
        "split",
        "spinoff",
        "dividend",
        "conversion",
        "delisting",
    }
    wanted |= {"rebalance", "order", "stop_loss", "take_profit", "trailing", "time_stop", "ambiguous_exit"}
    wanted |= {"commission", "fees", "slippage", "borrow", "debit_interest", "credit_interest", "short_interest"}
    assert not wanted - seen


def test_a_run_is_repeated_bit_for_bit(each_engine):
    rng = np.random.default_rng(30)
    close = 10 * np.exp(np.cumsum(rng.normal(0.0, 0.1, (40, 5)), axis=0))
    bars = make_bars(close)
    weights = make_weights(bars, dict(enumerate(rng.uniform(-0.5, 0.5, (40, 5)))))
    costs = Costs(commission=Proportional(0.001), slippage=Bps(10), borrow=Borrow(0.03))
    one, two = (each_engine.weights(weights, bars, costs=costs, fill="next_close") for _ in range(2))
    assert one.equity.values.tobytes() == two.equity.values.tobytes()
    assert one.orders.equals(two.orders)


def test_a_result_cannot_be_edited(backtest):
    bars = make_bars([10.0, 10.0, 11.0])
    result = backtest(make_weights(bars, {0: [1.0]}), bars, fill="next_close")
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.fill = "next_open"
    assert isinstance(result.equity, Panel)
    with pytest.raises(ValueError, match="read-only"):
        result.equity.values[0, 0] = 0.0
