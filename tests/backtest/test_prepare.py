"""What reaches an engine: canonical columns, sessions, prices, decisions, and the types that it was compiled for."""

from __future__ import annotations

import typing
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.backtest._prepare import MODES, prepare_events, prepare_weights
from quantlab.backtest._prepare_terms import _typed, plan_of
from quantlab.backtest._prepare_world import axes_of
from quantlab.core import DataError, Frequency, Panel
from quantlab.execution import (
    Account,
    Almgren,
    Borrow,
    Bps,
    Costs,
    Currencies,
    Exits,
    Fees,
    Fill,
    Interest,
    NoMargin,
    PerShare,
    PortfolioMargin,
    RegT,
    Spread,
    SquareRootImpact,
    Tiered,
    Tiers,
)
from quantlab.execution import _kernel_types as k
from quantlab.portfolio import Rebalancing

from ._prepared import INF, MONDAY, NAN, NEW_YORK, bars_of, found, order, rules, weigh

# Columns


def test_columns_come_in_canonical_order():
    bars = bars_of([[2.0, 1.0, 3.0], [20.0, 10.0, 30.0]], symbols=["B", "A", "C"], volume=[[5, 4, 6]] * 2)
    prepared = weigh(bars, {0: [0.2, 0.1, 0.3]}, account=Account(margin=RegT(factors={"B": 3.0})))
    world = prepared.inputs.world
    np.testing.assert_array_equal(prepared.order, [1, 0, 2])
    np.testing.assert_array_equal(world.close, [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    np.testing.assert_array_equal(world.volume, [[4.0, 5.0, 6.0]] * 2)
    np.testing.assert_array_equal(prepared.inputs.values, [[0.1, 0.2, 0.3]])
    np.testing.assert_array_equal(prepared.inputs.terms.margin_long, [1.0, 3.0, 1.0])
    # What the caller gets back stands in the caller's order.
    assert prepared.decisions.symbols == ("B", "A", "C")
    np.testing.assert_array_equal(prepared.decisions.values, [[0.2, 0.1, 0.3]])


def test_what_is_in_order_is_not_copied():
    prices = np.arange(1.0, 7.0).reshape(3, 2)
    bars = bars_of(prices, open=prices, high=prices, low=prices, volume=prices)
    weights = Panel(np.full((3, 2), 0.5), bars.dates, bars.symbols)
    inputs = prepare_weights(weights, bars, plan_of(bars), "raise", "keep").inputs
    for name in ("open", "high", "low", "close", "volume"):
        assert np.shares_memory(getattr(inputs.world, name), getattr(bars, name).values)
    assert np.shares_memory(inputs.world.reference, bars.open.values)
    assert np.shares_memory(inputs.values, weights.values)


def test_a_field_that_is_missing_is_one_row_of_nan():
    world = weigh(bars_of([[1.0, 2.0]] * 3), {0: [0.5, 0.5]}).inputs.world
    for name in ("open", "high", "low", "volume"):
        assert getattr(world, name).shape == (1, 2)
        assert np.isnan(getattr(world, name)).all()
    assert world.reference is world.close


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 2**31))
def test_the_callers_column_order_changes_nothing(permutation, seed):
    rng = np.random.default_rng(seed)
    names = ["A", "B", "C", "D", "E"]
    close = rng.uniform(1, 9, (6, 5))
    close[:, 4] = np.where(np.arange(6) < 4, close[:, 4], NAN)
    rate = Panel(rng.uniform(0, 0.1, (6, 5)), MONDAY + np.arange(6), names)
    weights = rng.uniform(-1, 1, (2, 5))
    actions = [("A", "2024-01-03", "dividend", 0.1), ("C", "2024-01-03", "conversion", 2.0, "B")]

    def run(columns):
        symbols = [names[i] for i in columns]
        bars = bars_of(
            close[:, columns],
            symbols=symbols,
            actions=actions,
            high=close[:, columns] + 1,
            low=close[:, columns] / 2,
            volume=close[:, columns],
        )
        costs = Costs(slippage=SquareRootImpact(window=2, default=Bps(9)), borrow=Borrow(rate.select(symbols)))
        foreign = Currencies({"D": "EUR"}, Panel(np.full((6, 1), 1.1), bars.dates, ["EUR"]))
        account = Account(margin=RegT(factors={"D": 2.0}), currencies=foreign)
        plan = plan_of(bars, costs=costs, account=account, fill="vwap", delisting=-0.3)
        panel = Panel(weights[:, columns], bars.dates[[1, 2]], symbols)
        return prepare_weights(panel, bars, plan, "raise", "keep")

    one, other = run(list(range(5))), run(list(permutation))
    for part in ("world", "terms", "tickets"):
        for name, left, right in zip(
            getattr(one.inputs, part)._fields, getattr(one.inputs, part), getattr(other.inputs, part), strict=True
        ):
            np.testing.assert_array_equal(left, right, err_msg=name)
    np.testing.assert_array_equal(one.inputs.values, other.inputs.values)
    assert one.findings == other.findings


# Types

RICH = {
    "costs": Costs(
        commission=Tiered((0, PerShare(0.005)), (1e5, PerShare(0.003))),
        slippage=Spread(Panel(np.full((4, 2), 0.001), MONDAY + np.arange(4), ["B", "A"])),
        borrow=Borrow(0.01, convention="dealer", recall=True),
        fees=Fees([("2023-01-01", 1e-5, 0.0001, 8, 0), ("2024-01-02", 2e-5, 0.0001, None, 0)]),
    ),
    "account": Account(
        cash=10_000,
        lot=0.1,
        margin=RegT(changes={"2024-01-03": RegT(initial_long=1)}),
        buying_power="reject",
        interest=Interest(debit={"2023-01-01": 0.05, "2024-01-02": Tiers((0, 0.06), (100, 0.05))}),
        currencies=Currencies({"A": "EUR"}, Panel([[1.1], [1.2], [1.1], [1.0]], MONDAY + np.arange(4), ["EUR"])),
    ),
    "fill": Fill("next_close", sizing="fill", participation=1, carry=np.int64(3)),
    "exits": Exits(stop_loss=np.float32(0.5), take_profit=1, trailing=0.5, time_stop=np.int32(4)),
    "rebalance": Rebalancing(band=0, part=1, turnover=1, smallest=10, to="edge", check="bar"),
    "delisting": -1,
}


def pair_of_runs():
    plain = bars_of([[1.0, 2.0]] * 4, symbols=["A", "B"])
    rich = bars_of(
        [[1.0, 2.0], [1.0, 2.0], [NAN, 2.0], [NAN, 2.0]],
        symbols=["B", "A"],
        open=[[1.0, 2.0]] * 4,
        high=[[1.0, 2.0]] * 4,
        low=[[1.0, 2.0]] * 4,
        volume=np.full((4, 2), 7, dtype=np.int64),
        actions=[("A", "2024-01-02", "dividend", 1), ("A", "2024-01-02", "split", 2)],
        borrow=pl.DataFrame({"symbol": ["A"], "date": [date(2024, 1, 2)], "rate": [0.1], "available": [5.0]}),
    )
    orders = pl.DataFrame({"date": [date(2024, 1, 1)], "symbol": ["A"], "shares": [1], "limit": [1], "type": ["limit"]})
    return [
        weigh(plain, {0: [1, 0]}),
        weigh(rich, {0: [1, 0]}, **RICH),
        order(rich, orders, **{name: value for name, value in RICH.items() if name != "rebalance"}),
        order(plain, Panel([[1.0, NAN]], plain.dates[:1], plain.symbols), "target_value"),
        weigh(plain, {0: [1, 0]}, account=Account(lot=None, margin=PortfolioMargin())),
        weigh(plain, {0: [1, 0]}, account=Account(lot=100, margin=NoMargin())),
        prepare_events(rich, plan_of(rich)),
    ]


@pytest.mark.parametrize("number", range(7))
def test_every_array_and_number_has_the_type_that_the_engine_was_compiled_for(number):
    inputs = pair_of_runs()[number].inputs
    whole = {"days", "month", "session", "currency", "placed", "asset", "type", "tif", "until", "group", "reduce_only"}
    whole |= {"action_bar", "action_kind", "action_asset", "action_other", "action_pay", "pay_order"}
    for part in (inputs.world, inputs.terms, inputs.tickets):
        hints = typing.get_type_hints(type(part))
        for name, value in zip(part._fields, part, strict=True):
            if not isinstance(value, np.ndarray):
                assert type(value) is hints[name], name
                continue
            assert value.dtype == (np.int64 if name in whole else np.float64), name
            assert value.flags.c_contiguous, name
            assert not value.flags.writeable, name
    T, N = inputs.world.close.shape
    for name in ("open", "high", "low", "volume", "rate", "available", "spread", "impact", "impact2", "adv"):
        assert getattr(inputs.world, name).shape in ((1, N), (T, N)), name
    assert inputs.world.reference.shape == (T, N)
    assert inputs.rows.dtype == np.int64
    assert inputs.values.dtype == np.float64
    assert inputs.values.shape == (inputs.rows.size, N)
    assert type(inputs.cash) is float


def test_runs_with_every_feature_and_with_none_are_compiled_once():
    import numba

    seen = {
        tuple(str(numba.typeof(part)) for part in (i.world, i.terms, i.rows, i.values, i.tickets))
        for i in (prepared.inputs for prepared in pair_of_runs())
    }
    assert len(seen) == 1


def test_every_policy_reaches_its_term():
    terms = pair_of_runs()[1].inputs.terms
    assert (terms.unit, terms.step, terms.buying_power, terms.convert, terms.mode) == (0.1, 1.0, k.REJECT, 1, k.WEIGHTS)
    assert (terms.at, terms.size_at_fill, terms.participation, terms.carry) == (k.AT_CLOSE, 1, 1.0, 3)
    assert (terms.stop_loss, terms.take_profit, terms.trailing, terms.time_stop) == (0.5, 1.0, 0.5, 4)
    assert (terms.to_edge, terms.part, terms.turnover, terms.smallest, terms.every_bar) == (1, 1.0, 1.0, 10.0, 1)
    assert (terms.dealer, terms.recall, terms.margin_model) == (1, 1, k.REG_T)
    assert terms.commission.shape == (2, 7)
    assert terms.thresholds.shape == (2, 3, 2)
    np.testing.assert_array_equal(terms.currency, [1, 0])
    bare = pair_of_runs()[0].inputs.terms
    assert (bare.stop_loss, bare.take_profit, bare.trailing, bare.time_stop, bare.turnover) == (INF, INF, INF, 0, INF)
    assert (bare.make_room, bare.participation, bare.smallest) == (0, 0.0, 0.0)


def test_a_number_of_another_type_is_brought_to_the_one_of_its_term():
    assert [type(_typed(value, "float")) for value in (1, np.float32(1), True)] == [float] * 3
    assert [type(_typed(value, "int")) for value in (1.0, np.int32(1), True)] == [int] * 3
    assert _typed(np.ones((2, 3), dtype=np.float32).T, "np.ndarray").flags.c_contiguous


def test_the_powers_of_slippage_keep_their_places():
    close = np.full((30, 1), 10.0)
    bars = bars_of(close, volume=close * 100)
    terms = weigh(bars, {25: 1.0}, costs=Costs(slippage=Almgren(default=Bps(1)))).inputs.terms
    assert (terms.power, terms.power2) == (1.0, 0.6)


def test_at_the_close_of_the_decision_there_is_no_later_fill_to_size_at():
    bars = bars_of([1.0, 2.0])
    assert weigh(bars, {0: 1.0}, fill=Fill("same_close", sizing="fill")).inputs.terms.size_at_fill == 0
    assert weigh(bars, {0: 1.0}, fill=Fill("next_close", sizing="fill")).inputs.terms.size_at_fill == 1


def test_making_room_is_a_term():
    assert weigh(bars_of([1.0, 2.0]), {0: 1.0}, untradable="make_room").inputs.terms.make_room == 1


# Sessions


def test_days_of_daily_bars_are_calendar_days():
    bars = bars_of([1.0] * 4, dates=np.array(["2024-03-28", "2024-04-01", "2024-04-02", "2024-04-30"], "datetime64[D]"))
    world = weigh(bars, {0: 1.0}).inputs.world
    np.testing.assert_array_equal(world.days, [0, 4, 1, 28])
    np.testing.assert_array_equal(np.diff(world.month), [1, 0, 0])
    np.testing.assert_array_equal(np.diff(world.session), [4, 1, 28])


def test_intraday_bars_belong_to_sessions_of_the_exchange():
    dates = np.array(NEW_YORK, dtype="datetime64[us]")
    world = weigh(bars_of([1.0] * 7, dates=dates, frequency=Frequency.intraday("XNYS", 30)), {0: 1.0}).inputs.world
    np.testing.assert_array_equal(world.days, [0, 0, 0, 2, 0, 2, 1])
    np.testing.assert_array_equal(np.diff(world.session), [0, 0, 2, 0, 2, 1])
    np.testing.assert_array_equal(np.diff(world.month), [0, 0, 0, 0, 1, 0])


def test_a_session_may_begin_the_evening_before():
    # Futures of Chicago: 18:00 on Monday is in Tuesday's session.
    dates = np.array(["2024-06-03T20:00", "2024-06-03T23:00", "2024-06-04T15:00"], dtype="datetime64[us]")
    axes = axes_of(bars_of([1.0] * 3, dates=dates, frequency=Frequency(252 * 23, "CMES")))
    assert [str(day) for day in axes.sessions] == ["2024-06-03", "2024-06-04", "2024-06-04"]


def test_tokyo_trades_on_the_day_before_in_utc():
    dates = np.array(["2024-06-03T23:59", "2024-06-04T00:30", "2024-06-04T06:00"], dtype="datetime64[us]")
    axes = axes_of(bars_of([1.0] * 3, dates=dates, frequency=Frequency.intraday("XTKS", 30)))
    assert [str(day) for day in axes.sessions] == ["2024-06-04", "2024-06-04", "2024-06-04"]


@pytest.mark.parametrize("frequency", [None, Frequency(252 * 24), Frequency(365 * 24, "24/7")])
def test_without_an_exchange_the_day_is_that_of_utc(frequency):
    dates = np.array(["2024-01-05T23:00", "2024-01-06T00:00", "2024-01-06T01:00"], dtype="datetime64[us]")
    axes = axes_of(bars_of([1.0] * 3, dates=dates, frequency=frequency))
    # What ends at midnight belongs to the day that ends there.
    assert [str(day) for day in axes.sessions] == ["2024-01-05", "2024-01-05", "2024-01-06"]


# Reference prices

OHLC = bars_of(
    [[10.0], [11.0], [12.0]],
    open=[[9.0], [10.0], [11.0]],
    high=[[12.0], [13.0], [14.0]],
    low=[[8.0], [9.0], [NAN]],
    volume=[[100.0]] * 3,
)


@pytest.mark.parametrize(
    ("fill", "at", "prices"),
    [
        ("next_open", k.AT_OPEN, [9.0, 10.0, 11.0]),
        ("next_close", k.AT_CLOSE, [10.0, 11.0, 12.0]),
        ("vwap", k.AT_CLOSE, [10.0, 11.0, NAN]),
        ("same_close", k.SAME_CLOSE, [10.0, 11.0, 12.0]),
        (Fill("vwap", prices=Panel([[1.0], [NAN], [3.0]], OHLC.dates, ["A"])), k.AT_CLOSE, [1.0, NAN, 3.0]),
    ],
)
def test_reference_prices(fill, at, prices):
    prepared = weigh(OHLC, {0: 1.0}, fill=fill)
    np.testing.assert_array_equal(prepared.inputs.world.reference[:, 0], prices)
    assert prepared.inputs.terms.at == at
    marked = {"vwap": ("vwap_estimated", "info"), "same_close": ("same_close_fill", "warning")}
    said = [(finding.rule, finding.severity) for finding in prepared.findings]
    assert said == ([marked[fill]] if fill in ("vwap", "same_close") else [])


# Slippage that is not known


def spread_of(bars, values):
    return Costs(slippage=Spread(Panel(values, bars.dates, bars.symbols)))


def test_unknown_slippage_before_the_first_decision_is_the_dearest():
    bars = bars_of([[1.0, 1.0]] * 4)
    costs = spread_of(bars, [[NAN, 0.02], [NAN, NAN], [0.04, 0.04], [0.02, 0.02]])
    world = weigh(bars, {2: [0.5, 0.5]}, costs=costs).inputs.world
    np.testing.assert_allclose(world.spread, [[0.9999, 0.01], [0.9999, 0.01], [0.02, 0.02], [0.01, 0.01]])
    assert np.isinf(world.adv).all()


def test_unknown_slippage_of_what_is_traded_is_refused():
    bars = bars_of([[1.0, 1.0]] * 4)
    costs = spread_of(bars, [[0.02, 0.02], [0.02, NAN], [NAN, NAN], [0.02, 0.02]])
    # B is asked for from the third bar on, A from the first.
    with pytest.raises(DataError, match=r"The slippage of A on 2024-01-03 and 1 more is not known") as caught:
        weigh(bars, {0: [0.5, 0.0], 2: [0.5, 0.5]}, costs=costs)
    assert "default" in caught.value.hint
    # A name that is never asked for needs none.
    world = weigh(bars, {0: [0.0, 0.0]}, costs=costs).inputs.world
    assert not np.isnan(world.spread).any()


def test_where_there_was_no_bar_the_last_slippage_holds():
    bars = bars_of([[1.0], [NAN], [1.0]])
    world = weigh(bars, {0: 1.0}, costs=spread_of(bars, [[0.02], [NAN], [0.04]])).inputs.world
    np.testing.assert_allclose(world.spread[:, 0], [0.01, 0.01, 0.02])


def test_an_order_counts_as_a_decision_about_its_symbol():
    bars = bars_of([[1.0, 1.0]] * 3)
    costs = spread_of(bars, [[0.02, NAN], [0.02, 0.02], [0.02, 0.02]])
    table = pl.DataFrame({"date": [date(2024, 1, 1)], "symbol": ["B"], "shares": [1.0]})
    with pytest.raises(DataError, match="The slippage of B on 2024-01-01"):
        order(bars, table, costs=costs)
    assert order(bars, table.with_columns(symbol=pl.lit("A")), costs=costs).inputs.tickets.placed.size == 1
    # A gap in a Panel of orders is no order.
    panel = Panel([[5.0, NAN]], bars.dates[:1], bars.symbols)
    assert order(bars, panel, costs=costs).inputs.rows.size == 1
    with pytest.raises(DataError, match="The slippage of B on 2024-01-01"):
        order(bars, Panel([[NAN, 5.0]], bars.dates[:1], bars.symbols), costs=costs)


# Decisions


def test_a_delay_moves_rows_and_drops_what_nobody_could_act_upon():
    bars = bars_of([1.0] * 5)
    prepared = weigh(bars, {0: 1.0, 2: 0.5, 3: 0.2, 4: 0.1}, fill=Fill("next_close", delay=3))
    np.testing.assert_array_equal(prepared.inputs.rows, [2, 4])
    np.testing.assert_array_equal(prepared.inputs.values.ravel(), [1.0, 0.5])
    finding = found(prepared, "no_next_bar")
    assert (finding.severity, finding.date, finding.count) == ("info", "2024-01-04", 2)
    # The decision stays that of its date.
    np.testing.assert_array_equal(prepared.decisions.dates, bars.dates[[0, 2]])


def test_a_delay_that_drops_nothing_says_nothing():
    assert rules(weigh(bars_of([1.0] * 5), {0: 1.0}, fill=Fill("next_close", delay=2))) == []


def test_an_unlisted_weight_is_judged_on_the_day_of_the_decision():
    bars = bars_of([[1.0, NAN], [1.0, NAN], [1.0, 2.0], [1.0, 2.0]])
    with pytest.raises(DataError, match="B has a weight on 2024-01-02, before its first price"):
        weigh(bars, {1: [0.5, 0.5]}, fill=Fill("next_close", delay=3))
    prepared = weigh(bars, {1: [0.5, 0.5], 2: [0.5, 0.5]}, unlisted="cash")
    np.testing.assert_array_equal(prepared.inputs.values, [[0.5, 0.0], [0.5, 0.5]])
    finding = found(prepared, "unlisted")
    assert (finding.severity, finding.symbol, finding.date, finding.count) == ("warning", "B", "2024-01-02", 1)


def test_rows_of_orders_keep_their_gaps():
    bars = bars_of([[1.0, 2.0]] * 3)
    panel = Panel([[NAN, 10.0], [NAN, NAN], [-5.0, NAN]], bars.dates, bars.symbols)
    prepared = order(bars, panel)
    np.testing.assert_array_equal(prepared.inputs.rows, [0, 2])
    np.testing.assert_array_equal(prepared.inputs.values, [[NAN, 10.0], [-5.0, NAN]])
    assert rules(prepared) == ["empty_decision"]


@pytest.mark.parametrize("kind", MODES)
def test_what_the_numbers_of_a_panel_mean(kind):
    bars = bars_of([1.0] * 3)
    inputs = order(bars, Panel([[7.0]], bars.dates[:1], bars.symbols), kind, account=Account(lot=0.5)).inputs
    assert inputs.terms.mode == MODES[kind]
    # Shares stay shares: the engine counts them in units.
    np.testing.assert_array_equal(inputs.values, [[7.0]])


def test_a_long_frame_of_values_names_the_symbols_that_it_orders():
    bars = bars_of([[1.0, 2.0, 3.0]] * 3, symbols=["C", "A", "B"])
    frame = pl.DataFrame({"date": [date(2024, 1, 1)] * 2, "symbol": ["B", "C"], "value": [10.0, 20.0]})
    inputs = order(bars, frame, "value").inputs
    np.testing.assert_array_equal(inputs.values, [[NAN, 10.0, 20.0]])


def test_borrow_data_that_nobody_is_charged_for():
    borrow = pl.DataFrame({"symbol": ["A"], "date": [date(2024, 1, 1)], "rate": [0.1], "available": [5.0]})
    bars = bars_of([[1.0, 1.0]] * 3, borrow=borrow)
    assert rules(weigh(bars, {0: [-0.5, 0.5]})) == ["borrow_not_charged"]
    assert rules(weigh(bars, {0: [0.5, 0.5]})) == []
    charged = weigh(bars, {0: [-0.5, 0.5]}, costs=Costs(borrow=Borrow()))
    assert rules(charged) == []
    np.testing.assert_array_equal(charged.inputs.world.rate, [[0.1, NAN]])
    np.testing.assert_array_equal(charged.inputs.world.available, [[5.0, INF]])


def test_events_may_trade_everything():
    bars = bars_of([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, NAN, NAN]], actions=[("A", "2024-01-03", "delisting", 0.0)])
    prepared = prepare_events(bars, plan_of(bars, fill="next_close", delisting="last_price"))
    assert prepared.inputs.rows.size == 0
    assert sorted(rules(prepared)) == ["assumed_delisting", "assumed_delisting", "prices_after_delisting"]
