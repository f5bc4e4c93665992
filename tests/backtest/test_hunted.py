"""Defects that a hostile reading of the engine found: order of actions on one bar, orders on their way through splits,
orders that close what is closed already, the first costs of a record. Names and delays change nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quantlab.backtest import reference, run_events, simulate, simulate_orders
from quantlab.core import DataError, Frequency, InputError, Panel
from quantlab.execution import Account, Bps, Costs, Currencies, Exits, Fill, Proportional, RegT, Tiered
from quantlab.validation import walk_forward

from .conftest import (
    ENGINES,
    MONDAY,
    RandomBook,
    cash,
    make_bars,
    make_orders,
    make_weights,
    random_books,
    rules,
)

NAN = float("nan")
WHOLE = cash(10_000.0, 1.0)
SCHEMA = {
    "symbol": pl.String,
    "date": pl.Date,
    "kind": pl.String,
    "value": pl.Float64,
    "into": pl.String,
    "pay_date": pl.Date,
}


class Script:
    """A strategy from a dict of bars to what is done there."""

    def __init__(self, steps):
        self.steps = steps

    def on_bar(self, context):
        if context.t in self.steps:
            self.steps[context.t](context)


def ohlc(close, **rest):
    """Bars that open where they closed before, with highs and lows one beyond both."""
    close = np.array(close, dtype=float)
    opens = np.concatenate([close[:1], close[:-1]]) if "open" not in rest else np.array(rest.pop("open"), dtype=float)
    fields = {"open": opens, "high": np.maximum(close, opens) + 1, "low": np.minimum(close, opens) - 1}
    return make_bars(close, **fields, **rest)


def ends(result, symbols):
    """Positions at the end, by symbol, and the equity."""
    held = dict(zip(result.bars.symbols, result.positions.values[-1].tolist(), strict=True))
    return [held[name] for name in symbols], float(result.equity.values[-1, 0])


# The order of actions on one bar


@pytest.mark.parametrize(("old", "new"), [("A", "B"), ("B", "A")])
def test_a_conversion_counts_the_shares_after_a_split_of_its_date(trade, old, new):
    """10 at 100 turn into 20 of the other, which has just been split 2:1 to 50; without the order of kinds into 40."""
    closes = {old: [100.0, 100.0, NAN, NAN], new: [100.0, 100.0, 50.0, 50.0]}
    actions = [(old, 2, "conversion", 2.0, new), (new, 2, "split", 2.0)]
    bars = make_bars(np.column_stack([closes["A"], closes["B"]]), actions=actions)
    result = trade(make_orders(bars, {"bar": 0, "symbol": old, "shares": 10}), bars, account=WHOLE, fill="next_close")
    assert ends(result, (old, new)) == ([0.0, 20.0], 10_000.0)


@pytest.mark.parametrize(("old", "new"), [("A", "B"), ("B", "A")])
def test_a_conversion_into_a_name_that_is_delisted_that_day_is_paid_out(trade, old, new):
    """10 at 100 turn into 10 of a name that pays 50 the same day: 10,000 - 500, and no dead shares are left."""
    bars = make_bars(
        [[100.0, 100.0], [100.0, 100.0], [NAN, NAN]],
        actions=[(old, 2, "conversion", 1.0, new), (new, 2, "delisting", -0.5)],
    )
    result = trade(make_orders(bars, {"bar": 0, "symbol": old, "shares": 10}), bars, account=WHOLE, fill="next_close")
    assert ends(result, (old, new)) == ([0.0, 0.0], 9_500.0)
    assert result.trades["pnl"].sum() == -500.0


@pytest.mark.parametrize("names", ["ABC", "CBA", "BCA", "ACB", "BAC", "CAB"])
def test_a_chain_of_conversions_on_one_bar_arrives_at_its_end(trade, names):
    """10 become 20, 20 become 10: first * 2, then * 0.5, whatever the names sort like; worth 10 * 100."""
    first, middle, last = names
    actions = [(first, 2, "conversion", 2.0, middle), (middle, 2, "conversion", 0.5, last)]
    price = {first: [100.0, 100.0, NAN], middle: [50.0, 50.0, NAN], last: [100.0, 100.0, 100.0]}
    bars = make_bars(np.column_stack([price[name] for name in "ABC"]), actions=actions)
    result = trade(make_orders(bars, {"bar": 0, "symbol": first, "shares": 10}), bars, account=WHOLE, fill="next_close")
    assert ends(result, names) == ([0.0, 0.0, 10.0], 10_000.0)
    trades = result.trades.select("symbol", "status", "pnl", "shares").rows()
    assert trades == [(last, "open", 0.0, 10.0)]


def test_actions_of_several_dates_on_one_bar_come_by_date(trade):
    """A into 1 B on Saturday, B split 3:1 on Sunday: 30 B on Monday; A's own later split finds nothing."""
    days = np.array(["2024-01-04", "2024-01-05", "2024-01-08"], dtype="datetime64[D]")
    bars = make_bars([[90.0, 90.0], [90.0, 90.0], [NAN, 30.0]], dates=days, actions=[("A", 0, "split", 1.0)])
    rows = [
        ("A", date(2024, 1, 6), "conversion", 1.0, "B", None),
        ("A", date(2024, 1, 7), "split", 2.0, None, None),
        ("B", date(2024, 1, 7), "split", 3.0, None, None),
    ]
    bars = replace(bars, actions=pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    orders = make_orders(bars, {"bar": 0, "symbol": "A", "shares": 10})
    assert ends(trade(orders, bars, account=WHOLE, fill="next_close"), "AB") == ([0.0, 30.0], 10_000.0)


def renamed(book: RandomBook, names: dict[str, str]) -> RandomBook:
    """The same book with other symbols."""

    def panel(values):
        columns = tuple(names[symbol] for symbol in values.symbols)
        return Panel(values.values, values.dates, columns, frequency=values.frequency)

    bars, fields = book.bars, ("open", "high", "low", "close", "volume", "member")
    tables = {
        "actions": bars.actions.with_columns(pl.col("symbol", "into").replace(names)),
        "borrow": bars.borrow.with_columns(pl.col("symbol").replace(names)),
    }
    bars = replace(bars, **{name: panel(getattr(bars, name)) for name in fields}, **tables)
    frame = isinstance(book.decisions, pl.DataFrame)
    decisions = book.decisions.with_columns(pl.col("symbol").replace(names)) if frame else panel(book.decisions)
    return replace(book, decisions=decisions, bars=bars)


def with_a_chain(book: RandomBook, rng: np.random.Generator) -> RandomBook:
    """The book with two chained conversions, splits of what they turn into and a delisting at the end, all on a bar."""
    bars = book.bars
    day = bars.dates[int(rng.integers(1, bars.shape[0]))].item()
    one, two, *rest = rng.permutation(bars.symbols).tolist()
    into = rest[0] if rest else two
    rows = [(one, day, "conversion", float(rng.choice([1.0, 0.5, 3.0])), two, None)]
    rows += [(two, day, "conversion", float(rng.choice([1.0, 2.0])), into, None)] if rest else []
    rows += [(name, day, "split", 2.0, None, None) for name in {two, into} if rng.random() < 0.7]
    rows += [(into, day, "delisting", -0.3, None, None)] if rng.random() < 0.3 else []
    table = bars.actions.filter(~pl.col("kind").is_in(["conversion", "delisting"])).select(list(SCHEMA))
    table = pl.concat([pl.DataFrame(rows, schema=SCHEMA, orient="row"), table])
    table = table.unique(["symbol", "date", "kind"], keep="first", maintain_order=True)
    return replace(book, bars=replace(bars, actions=table))


@pytest.mark.parametrize("engine", list(ENGINES))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_other_names_change_no_result(engine, data):
    """Symbols in another order of the alphabet give the same equity, conversions in chains included."""
    book = data.draw(random_books().filter(lambda book: book.door == "weights"))
    # Volume of the month is used up in order of names, and factors are given by name.
    costs, account = book.rest["costs"], replace(book.rest["account"], margin=RegT())
    assume(not isinstance(costs.commission, Tiered))
    book = replace(book, rest=book.rest | {"account": account, "delisting": "table"})
    book = with_a_chain(book, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    names = dict(zip(book.bars.symbols, data.draw(st.permutations(book.bars.symbols)), strict=True))
    one, other = book.run(ENGINES[engine]), renamed(book, names).run(ENGINES[engine])
    np.testing.assert_allclose(other.equity.values, one.equity.values, rtol=1e-9, atol=1e-6)
    moved = sorted((names[s], d, k, n) for s, d, k, n in one.events.select("symbol", "date", "kind", "shares").rows())
    told = sorted(other.events.select("symbol", "date", "kind", "shares").rows())
    assert [row[:3] for row in moved] == [row[:3] for row in told]
    np.testing.assert_allclose([row[3] for row in moved], [row[3] for row in told], rtol=1e-9, atol=1e-6)


# Conversions into nothing


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (("B", 1, "delisting", -0.5), "B, which was delisted 2024-01-02"),
        (("B", 1, "conversion", 1.0, "C"), "B, which was turned into C 2024-01-02"),
    ],
)
def test_a_conversion_into_a_dead_name_is_refused(trade, end, sentence):
    """Ten shares of B could not be sold from the third bar on; of what nobody holds it is said nothing."""
    bars = make_bars([[10.0, 10.0, 10.0]] * 4, actions=[end, ("A", 2, "conversion", 1.0, "B")])
    sentence = f"The conversion of A 2024-01-03 is into {sentence}: nobody could sell it."
    with pytest.raises(DataError, match=sentence) as caught:
        trade(make_orders(bars, {"bar": 0, "shares": 10}), bars, account=WHOLE)
    assert "in `actions`" in caught.value.hint
    trade(make_orders(bars, {"bar": 0, "symbol": "C", "shares": 10}), bars, account=WHOLE, fill="next_close")


def test_a_conversion_into_a_name_that_is_taken_for_delisted_is_refused(backtest):
    """B's closes end a bar before A turns into it: "last_price" closes B there, "table" keeps it."""
    bars = make_bars([[10.0, 10.0], [10.0, NAN], [NAN, NAN]], actions=[("A", 2, "conversion", 1.0, "B")])
    with pytest.raises(DataError, match="is into B, which was taken for delisted 2024-01-02") as caught:
        backtest(make_weights(bars, {0: [0.5, 0.0]}), bars, delisting="last_price")
    assert 'delisting="table"' in caught.value.hint
    backtest(make_weights(bars, {0: [0.5, 0.0]}), bars, fill="next_close")


def test_a_circle_of_conversions_is_refused(backtest):
    """A into B and B into A on one day leave nothing alive."""
    actions = [("A", 1, "conversion", 1.0, "B"), ("B", 1, "conversion", 1.0, "A")]
    bars = make_bars([[10.0, 10.0]] * 3, actions=actions)
    with pytest.raises(DataError, match=r"The conversion of [AB] 2024-01-02 is into [AB], which was turned into"):
        backtest(make_weights(bars, {0: [0.5, 0.0]}), bars)


def test_a_conversion_into_another_currency_is_refused(backtest):
    """10 dollars a share do not become 10 euros."""
    bars = make_bars([[10.0, 10.0]] * 3, actions=[("A", 1, "conversion", 1.0, "B")])
    foreign = Currencies({"B": "EUR"}, Panel(np.full((3, 1), 1.1), bars.dates, ["EUR"]))
    account = Account(currencies=foreign)
    sentence = "The conversion of A 2024-01-02 is into B, which trades in EUR, and A in USD"
    with pytest.raises(InputError, match=sentence) as caught:
        backtest(make_weights(bars, {0: [0.5, 0.0]}), bars, account=account, fill="next_close")
    assert "one currency" in caught.value.hint
    backtest(make_weights(bars, {0: [0.0, 0.5]}), bars, account=account, fill="next_close")


# Orders on their way


SPLIT = [100.0, 100.0, 50.0, 50.0, 50.0, 50.0]


@pytest.mark.parametrize("delay", [1, 2, 3])
@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_shares_on_their_way_are_split(trade, delay, fill):
    """10 shares that are decided on before a split of 2:1 are 20 after it, whenever they are placed."""
    bars = ohlc(SPLIT, open=[100.0, 100.0, 50.0, 50.0, 50.0, 50.0], actions=[("A", 2, "split", 2.0)])
    how = Fill(fill, delay=delay)
    table = trade(make_orders(bars, {"bar": 1, "shares": 10}), bars, account=WHOLE, fill=how)
    assert ends(table, "A") == ([20.0], 10_000.0)
    for kind in ("shares", "target_shares"):
        panel = trade(make_weights(bars, {1: [10.0]}), bars, kind=kind, account=WHOLE, fill=how)
        assert ends(panel, "A") == ([20.0], 10_000.0)
    events = run_events(Script({1: lambda c: c.order_target("A", 10)}), bars, account=WHOLE, fill=how)
    assert ends(events, "A") == ([20.0], 10_000.0)
    # Money is no number of shares: 1,000 buys 20 of 50 where nothing was split.
    panel = trade(make_weights(bars, {1: [1000.0]}), bars, kind="value", account=WHOLE, fill=how)
    assert ends(panel, "A") == ([20.0], 10_000.0)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_prices_on_their_way_are_split(trade, delay):
    """A limit of 90 at 100 is one of 45 at 50, which lows of 49 do not touch."""
    bars = ohlc(SPLIT, open=[100.0, 100.0, 50.0, 50.0, 50.0, 50.0], actions=[("A", 2, "split", 2.0)])
    row = {"bar": 1, "shares": 10, "type": "limit", "limit": 90.0, "tif": "gtc"}
    assert trade(make_orders(bars, row), bars, account=WHOLE, fill=Fill(delay=delay)).fills.height == 0
    script = Script({1: lambda c: c.order("A", 10, type="limit", limit=90.0, tif="gtc")})
    assert run_events(script, bars, account=WHOLE, fill=Fill(delay=delay)).fills.height == 0


@pytest.mark.parametrize("delay", [2, 3])
def test_prices_on_their_way_know_spin_offs(trade, delay):
    """A quarter of 100 leaves: a stop of 96 is one of 72, which lows of 74 do not touch."""
    close = [100.0, 100.0, 75.0, 75.0, 75.0, 75.0]
    bars = ohlc(close, open=close, actions=[("A", 2, "spinoff", 0.25)])
    row = {"bar": 1, "shares": -10, "type": "stop", "stop": 96.0, "tif": "gtc"}
    assert trade(make_orders(bars, row), bars, account=WHOLE, fill=Fill(delay=delay)).fills.height == 0
    script = Script({1: lambda c: c.order("A", -10, type="stop", stop=96.0, tif="gtc")})
    assert run_events(script, bars, account=WHOLE, fill=Fill(delay=delay)).fills.height == 0


def test_an_order_that_a_split_makes_less_than_a_share_is_told(trade):
    """3 shares on their way through 1:4 are none: an order row without a fill, and a finding."""
    bars = make_bars([10.0, 10.0, 40.0, 40.0, 40.0], actions=[("A", 2, "split", 0.25)])
    how = Fill("next_close", delay=2)
    script = Script({1: lambda c: c.order("A", 3)})
    for result in (
        trade(make_orders(bars, {"bar": 1, "shares": 3}), bars, account=WHOLE, fill=how),
        run_events(script, bars, account=WHOLE, fill=how),
    ):
        assert result.fills.height == 0
        assert result.orders["status"].to_list() == ["skipped"]
        assert "below_one_lot" in rules(result)


def test_a_target_counts_split_shares_that_are_on_their_way():
    """10 on their way are 20 after the split: asking for 20 then sends nothing, asking for 25 sends 5."""
    bars = make_bars([100.0, 100.0, 50.0, 50.0, 50.0, 50.0, 50.0], actions=[("A", 2, "split", 2.0)])
    steps = {1: lambda c: c.order("A", 10), 2: lambda c: (c.order_target("A", 20), c.order_target("A", 25))}
    result = run_events(Script(steps), bars, account=WHOLE, fill=Fill("next_close", delay=3))
    assert result.fills["shares"].to_list() == [20.0, 5.0]


@pytest.mark.parametrize(
    ("kind", "level"),
    [("split", 0.5), ("spinoff", 0.75)],
)
@pytest.mark.parametrize("delay", [1, 2])
def test_stop_and_target_wait_for_an_entry_at_the_close_in_its_shares(kind, level, delay):
    """A stop of 95 and a target of 120 at 100 are 47.5 and 60 after 2:1: neither is met at 49 to 51."""
    after = 100.0 * level
    value = 2.0 if kind == "split" else 0.25
    close = [100.0, 100.0, *[after] * 6]
    bars = ohlc(close, open=close, actions=[("A", 2, kind, value)])
    seen = {}

    def look(c):
        seen.update({order.type: (order.shares, order.limit, order.stop) for order in c.open_orders})

    steps = {1: lambda c: c.bracket("A", 10, stop=95.0, target=120.0), 5: look}
    result = run_events(Script(steps), bars, account=WHOLE, fill=Fill("next_close", delay=delay))
    shares = 20.0 if kind == "split" else 10.0
    assert result.fills["shares"].to_list() == [shares]
    assert seen["stop"][0] == seen["limit"][0] == -shares
    assert seen["stop"][2] == pytest.approx(95.0 * level)
    assert seen["limit"][1] == pytest.approx(120.0 * level)


def with_splits(book: RandomBook, rng: np.random.Generator) -> RandomBook:
    """The book with splits and spin-offs throughout, and no other action."""
    days, names = book.bars.dates, book.bars.symbols
    rows = {}
    for _ in range(8):
        name, day = names[rng.integers(len(names))], days[rng.integers(len(days))].item()
        kind = "split" if rng.random() < 0.8 else "spinoff"
        rows[name, day, kind] = float(rng.choice([2.0, 3.0, 0.5, 1 / 7]) if kind == "split" else 0.2)
    table = [(name, day, kind, value, None, None) for (name, day, kind), value in rows.items()]
    return replace(book, bars=replace(book.bars, actions=pl.DataFrame(table, schema=SCHEMA, orient="row")))


def changes_of(bars):
    """Bar, symbol, and what shares and prices are multiplied by, by bar."""
    kinds = {"split": lambda v: (v, 1.0 / v), "spinoff": lambda v: (1.0, 1.0 - v)}
    table = bars.actions.filter(pl.col("kind").is_in(list(kinds))).sort("date", maintain_order=True)
    return [
        (int(np.searchsorted(bars.dates, np.datetime64(row["date"]))), row["symbol"], *kinds[row["kind"]](row["value"]))
        for row in table.iter_rows(named=True)
    ]


def later_table(book: RandomBook, late: int) -> pl.DataFrame:
    """The orders as somebody would place them ``late`` bars later, in the shares and prices of then."""
    bars, lot = book.bars, book.rest["account"].lot
    unit = 1.0 if lot is None or lot == round(lot) else lot
    out = []
    for row in book.decisions.iter_rows(named=True):
        decided = int(np.searchsorted(bars.dates, np.datetime64(row["date"])))
        if decided + late >= bars.shape[0]:
            continue
        units = row["shares"] / unit
        units = units if lot is None else np.sign(units) * np.floor(abs(units) / max(lot / unit, 1) + 1e-9)
        units = units if lot is None else units * (lot / unit if lot == round(lot) else 1.0)
        if units == 0:
            continue
        for bar, symbol, shares, price in changes_of(bars):
            if symbol == row["symbol"] and decided < bar <= decided + late:
                units *= shares
                units = units if lot is None else np.sign(units) * np.floor(abs(units) + 1e-9)
                row |= {name: row[name] * price for name in ("limit", "stop", "trail") if row[name] is not None}
        out.append(row | {"date": bars.dates[decided + late].item(), "shares": float(units * unit)})
    return pl.DataFrame(out, schema=book.decisions.schema)


def later_panel(book: RandomBook, late: int) -> Panel:
    """The rows as somebody would decide on them ``late`` bars later."""
    bars, panel = book.bars, book.decisions
    decided = np.searchsorted(bars.dates, panel.dates)
    values = panel.values.copy()
    for bar, symbol, shares, _ in changes_of(bars):
        if book.rest["kind"] != "target_value":
            values[(decided < bar) & (bar <= decided + late), panel.symbols.index(symbol)] *= shares
    keep = decided + late < bars.shape[0]
    return Panel(values[keep], bars.dates[decided[keep] + late], panel.symbols)


@pytest.mark.parametrize("engine", list(ENGINES))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_delay_is_the_same_orders_placed_later(engine, data):
    """Delay d is delay 1 with every order d - 1 bars later, its shares and prices as splits have left them."""
    delay = data.draw(st.integers(2, 4))
    book = data.draw(random_books().filter(lambda book: book.door == "orders"))
    book = with_splits(book, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    if book.rest.get("kind") == "shares" and data.draw(st.booleans()):
        book = replace(book, rest=book.rest | {"kind": "target_shares"})
    book = replace(book, rest=book.rest | {"delisting": "table"})
    table = isinstance(book.decisions, pl.DataFrame)
    later = later_table(book, delay - 1) if table else later_panel(book, delay - 1)
    assume(len(later))
    fill = book.rest["fill"]
    one = book.run(ENGINES[engine], rest=book.rest | {"fill": replace(fill, delay=delay)})
    other = book.run(ENGINES[engine], decisions=later, rest=book.rest | {"fill": replace(fill, delay=1)})
    np.testing.assert_allclose(one.equity.values, other.equity.values, rtol=1e-9)
    columns = ["date", "symbol", "shares", "price", "commission"]
    assert one.fills.height == other.fills.height
    for name in columns[2:]:
        np.testing.assert_allclose(one.fills[name].to_numpy(), other.fills[name].to_numpy(), rtol=1e-9, atol=1e-9)
    assert one.fills.select(columns[:2]).equals(other.fills.select(columns[:2]))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_delayed_strategy_is_its_table_of_orders(data):
    """A strategy that hands over the rows of a table at their bars gets the fills of the table, through splits."""
    book = data.draw(random_books().filter(lambda book: book.door == "orders" and "kind" not in book.rest))
    book = with_splits(book, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    fill = replace(book.rest["fill"], delay=data.draw(st.integers(1, 4)))
    rest = book.rest | {"fill": fill, "delisting": "table"}
    by_bar = {}
    for row in book.decisions.sort("date", maintain_order=True).iter_rows(named=True):
        by_bar.setdefault(int(np.searchsorted(book.bars.dates, np.datetime64(row.pop("date")))), []).append(row)

    def place(rows):
        return lambda c: [c.order(row["symbol"], **{n: v for n, v in row.items() if n != "symbol"}) for row in rows]

    table = simulate_orders(book.decisions, book.bars, **rest)
    events = run_events(Script({bar: place(rows) for bar, rows in by_bar.items()}), book.bars, **rest)
    np.testing.assert_array_equal(table.equity.values, events.equity.values)
    assert table.fills.equals(events.fills)
    assert table.orders.equals(events.orders)


# Orders that close


def test_a_target_of_zero_and_an_exit_do_not_turn_the_position():
    """A stop at 95 closes the 10 inside the bar at whose close the target's order comes: 0 are left, not -10."""
    bars = ohlc([100.0, 100.0, 100.0, 90.0, 90.0])
    steps = {0: lambda c: c.order("A", 10), 2: lambda c: c.order_target("A", 0)}
    for how in (Fill("next_close"), Fill("next_open", delay=2)):
        result = run_events(Script(steps), bars, account=WHOLE, fill=how, exits=Exits(stop_loss=0.05))
        assert result.fills["shares"].to_list() == [10.0, -10.0]
        assert result.positions.values[-1].tolist() == [0.0]


@pytest.mark.parametrize("account", [WHOLE, Account(cash=10_000.0)])
@pytest.mark.parametrize("ask", [lambda c: c.order_target("A", 2), lambda c: c.order_target_weight("A", 0.018)])
def test_a_target_that_reduces_and_a_stop_do_not_turn_the_position(account, ask):
    """A stop order sells the 10 at 95, and the 8 that were to be sold at the close find nothing."""
    bars = ohlc([100.0, 100.0, 100.0, 90.0, 90.0])
    steps = {
        0: lambda c: c.order("A", 10),
        1: lambda c: c.order("A", -10, type="stop", stop=95.0, tif="gtc", reduce_only=True),
        2: ask,
    }
    result = run_events(Script(steps), bars, account=account, fill="next_close")
    assert result.fills["shares"].to_list() == [10.0, -10.0]
    assert result.orders["status"].to_list()[-1] == "cancelled"


def test_targets_that_turn_or_build_are_no_closing_orders():
    """10, then -5, then -8, then 4: changes of -15, -3 and 12, with a stop that is never met beside them."""
    bars = ohlc([100.0] * 7)
    steps = {
        0: lambda c: (c.order("A", 10), c.order("A", -1, type="stop", stop=10.0, tif="gtc")),
        1: lambda c: c.order_target("A", -5),
        2: lambda c: c.order_target("A", -8),
        3: lambda c: c.order_target("A", 4),
    }
    result = run_events(Script(steps), bars, account=WHOLE, fill="next_close", exits=Exits(stop_loss=0.5))
    assert result.positions.values[:, 0].tolist() == [0.0, 10.0, -5.0, -8.0, 4.0, 4.0, 4.0]


def test_what_a_target_sells_pays_for_what_is_bought():
    """All of 10,000 moves from A to B at one open although every share must be paid in full: 100 B."""
    bars = ohlc([[100.0, 100.0]] * 5)
    steps = {
        0: lambda c: c.order("A", 100),
        2: lambda c: (c.order_target("A", 0), c.order_target("B", 100)),
    }
    for how in ("next_open", "next_close"):
        account = Account(cash=10_000.0, margin=RegT(initial_long=1.0))
        result = run_events(Script(steps), bars, account=account, fill=how)
        assert result.positions.values[-1].tolist() == [0.0, 100.0]


# The first costs of a record


COMMISSION = Costs(commission=Proportional(0.01))


@pytest.mark.parametrize("late", [0, 2])
def test_the_costs_of_a_fill_at_its_own_close_are_in_the_returns(backtest, late):
    """All of 10,000 at 1 %: 10,000 / 1.01 = 9,900.99 is a return of -0.99 % on the bar of the decision."""
    bars = make_bars([100.0] * 5)
    result = backtest(
        make_weights(bars, {late: [1.0]}), bars, account=cash(10_000.0), costs=COMMISSION, fill="same_close"
    )
    assert result.equity.values[late, 0] == pytest.approx(10_000.0 / 1.01)
    assert result.returns.dates[0] == bars.dates[late]
    np.testing.assert_allclose(result.returns.values[:, 0], [1 / 1.01 - 1, *[0.0] * (4 - late)], rtol=1e-12)
    numbers = {estimate.name: estimate.value for estimate in result.estimates()}
    assert numbers["total_return"] == pytest.approx(1 / 1.01 - 1)
    assert numbers["max_drawdown"] == pytest.approx(1 / 1.01 - 1)
    # The entry is part of the turnover of the record: half of 99 % (one-way) in 5 - late bars of 365 a year.
    assert numbers["turnover"] == pytest.approx(0.5 / 1.01 * 365 / (5 - late), rel=1e-3)
    np.testing.assert_allclose(
        result.contribution.values.sum(axis=1)[late:], result.returns.values[:, 0], rtol=1e-9, atol=1e-15
    )


def test_compounded_returns_are_the_growth_of_equity():
    """With every fill, the product of 1 + r is the last equity over the cash at the start."""
    rng = np.random.default_rng(5)
    bars = ohlc(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (40, 3)), axis=0)) + 5)
    weights = make_weights(bars, {t: rng.dirichlet([1, 1, 1]) for t in (3, 9, 20)})
    for fill in ("next_open", "next_close", "same_close", Fill("same_close", delay=3)):
        result = simulate(weights, bars, account=cash(1e6), costs=COMMISSION, fill=fill)
        grown = result.equity.values[-1, 0] / 1e6
        assert np.prod(1 + result.returns.values) == pytest.approx(grown, rel=1e-12)


def test_a_walk_forward_holds_the_costs_of_its_first_fill():
    """The record of the stitched book is that of its result, whose returns compound to its equity."""
    rng = np.random.default_rng(6)
    frequency = Frequency.daily("24/7")
    close = Panel(
        50 * np.exp(np.cumsum(rng.normal(0, 0.02, (60, 2)), axis=0)),
        MONDAY + np.arange(60),
        ["A", "B"],
        frequency=frequency,
    )
    bars = make_bars(close.values)

    def hold(bars, share=0.5):
        return make_weights(bars, {t: [share, 0.0] for t in range(bars.shape[0])})

    out = walk_forward(hold, bars, {"share": [0.5, 1.0]}, train=20, test=20, costs=COMMISSION, fill="same_close")
    assert out.returns.dates.tolist() == out.result.returns.dates.tolist()
    grown = out.result.equity.values[-1, 0] / out.result.initial
    assert np.prod(1 + out.returns.values) == pytest.approx(grown, rel=1e-12)
    assert out.returns.values[0, 0] < 0.0


def test_both_engines_start_the_record_alike():
    """The reference's record begins on the same bar."""
    bars = make_bars([100.0] * 4)
    weights = make_weights(bars, {1: [1.0]})
    for engine in (simulate, reference):
        result = engine(weights, bars, costs=Costs(slippage=Bps(5)), fill="same_close")
        assert result.returns.dates[0] == bars.dates[1]
