"""What cannot be run is refused before anything is computed: one sentence with the first offender, and a way out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

import quantlab
from quantlab.backtest import reference, reference_orders, simulate, simulate_orders
from quantlab.core import DataError, InputError, KindError, LabelError, Panel, QuantlabError, as_bars
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
    Proportional,
    RegT,
    SquareRootImpact,
)

from ._prepared import MONDAY, NAN, bars_of, table_of

ENGINES = pytest.mark.parametrize("run", [simulate, reference])


def make_weights(bars, rows):
    """Decision rows by bar number."""
    values = np.array([np.atleast_1d(row) for row in rows.values()], dtype=np.float64)
    return Panel(values, bars.dates[list(rows)], bars.symbols)


BARS = bars_of(
    [[10.0, 20.0, NAN], [11.0, 21.0, NAN], [12.0, 22.0, 5.0], [13.0, 23.0, 6.0]],
    open=[[10.0, 20.0, NAN], [11.0, 21.0, NAN], [12.0, 22.0, 5.0], [13.0, 23.0, 6.0]],
)
CLOSES = replace(BARS, open=None)
GOOD = make_weights(BARS, {0: [0.4, 0.4, 0.0], 2: [0.3, 0.3, 0.3]})


def weights(rows, dates=None, symbols=("A", "B", "C")):
    dates = BARS.dates[: len(rows)] if dates is None else np.array(dates, dtype="datetime64[D]")
    return Panel(np.array(rows, dtype=np.float64).reshape(len(dates), len(symbols)), dates, symbols)


CASES = {
    "nan_on_part_of_a_row": (
        {"weights": weights([[0.5, 0.5, 0.0], [0.5, NAN, 0.0], [NAN, 0.5, 0.5]])},
        DataError,
        r"The weight of B on 2024-01-02 and 1 more is missing \(NaN\)\.",
        "NaN throughout no decision",
    ),
    "infinite": (
        {"weights": weights([[0.5, 0.5, 0.0], [-np.inf, 0.5, 0.0]])},
        DataError,
        r"The weight of A on 2024-01-02 is -inf\.",
        "0 means none",
    ),
    "absurdly_large": (
        {"weights": weights([[0.5, 1e300, 0.0], [0.5, 0.5, 0.0]])},
        DataError,
        r"The weight of B on 2024-01-01 is 1e\+300\.",
        "fraction of equity",
    ),
    "before_the_first_price": (
        {"weights": weights([[0.5, 0.5, 0.1], [0.5, 0.5, 0.1], [0.5, 0.4, 0.1]])},
        DataError,
        r"C has a weight on 2024-01-01 and 1 more, before its first price\.",
        'unlisted="cash"',
    ),
    "on_no_bar": (
        {"weights": weights([[0.5, 0.5, 0.0]] * 3, dates=["2024-01-01", "2024-03-29", "2024-03-30"])},
        LabelError,
        r"`weights` decide on 2024-03-29 and 1 more, which is no date of bars\.",
        "dates that have a bar",
    ),
    "intraday_weights_on_daily_bars": (
        {"weights": Panel([[0.5, 0.5, 0.0]], np.array(["2024-01-01T12:00"], dtype="datetime64[us]"), BARS.symbols)},
        LabelError,
        "datetime64",
        None,
    ),
    "other_symbols": (
        {"weights": weights([[0.5, 0.5, 0.0]], symbols=("A", "X", "C"))},
        LabelError,
        r"`weights` and `bars` differ in symbols: bars has no X\.",
        "load the bars with it",
    ),
    "a_symbol_of_another_case": (
        {"weights": weights([[0.5, 0.5, 0.0]], symbols=("a", "B", "C"))},
        LabelError,
        r"`weights` and `bars` differ in symbols: bars has no a\.",
        "did you mean A?",
    ),
    "more_symbols": (
        {"weights": weights([[0.5, 0.5, 0.0, 0.0, 0.0]], symbols=("A", "B", "C", "Y", "Z"))},
        LabelError,
        r"`weights` and `bars` differ in symbols: bars has no Y and 1 more\.",
        "`weights.select(bars.symbols)`",
    ),
    "fewer_symbols": (
        {"weights": weights([[0.5, 0.5]], symbols=("A", "B"))},
        LabelError,
        r"`weights` and `bars` differ in symbols: `weights` has no C\.",
        "`bars.select(weights.symbols)`, or give the others a column of 0",
    ),
    "symbols_in_another_order": (
        {"weights": weights([[0.5, 0.5, 0.0]], symbols=("B", "A", "C"))},
        LabelError,
        r"position 0 holds B on the left and A on the right",
        "weights.select",
    ),
    "no_rows": (
        {"weights": weights([])},
        InputError,
        r"`weights` has no rows",
        "decision",
    ),
    "without_labels": (
        {"weights": np.ones((4, 3))},
        KindError,
        "`weights` must be a Panel or a Polars frame",
        "ql.Panel",
    ),
    "booleans": ({"weights": GOOD > 0.0}, KindError, "`weights` must be numbers, received a bool Panel", None),
    "bars_that_are_closes": ({"bars": BARS.close}, KindError, "`bars` must be Bars, received Panel", "as_bars"),
    "weights_that_add_up_to_nonsense": (
        {"weights": weights([[0.5, 0.4, 0.0], [9e5, -9e5, 0.0], [0.0, 9e5, 9e5]])},
        DataError,
        r"The weights of 2024-01-02 and 1 more add up to 1.8e\+06 times the equity",
        "0.05 is 5 %",
    ),
    "unknown_fill": (
        {"fill": "tomorrow"},
        InputError,
        r'`fill` must be "next_open", "next_close", "vwap", "same_close" or a Fill, received \'tomorrow\'',
        "next_close",
    ),
    "a_slip_of_a_fill": ({"fill": "nextopen"}, InputError, r"received \'nextopen\'", 'did you mean "next_open"?'),
    "a_fill_that_is_a_number": ({"fill": 1}, InputError, "`fill` must be .* or a Fill, received 1", None),
    "an_average_price_that_is_not_there": (
        {"fill": "vwap"},
        InputError,
        r'`fill` "vwap" needs average prices, and bars has no high and no low to estimate them',
        "prices=vwap",
    ),
    "volume_that_is_not_there": (
        {"fill": Fill("next_close", participation=0.1)},
        InputError,
        r"Fill participation is a fraction of the volume, and bars has none \(it has open, close\)",
        None,
    ),
    "impact_without_volume": (
        {"costs": Costs(slippage=SquareRootImpact())},
        InputError,
        r"SquareRootImpact needs the volume, and bars has none",
        None,
    ),
    "daily_impact_on_minutes": (
        {
            "bars": bars_of([1.0] * 3, dates=np.datetime64("2024-01-02T15:00", "us") + np.arange(3) * 60_000_000),
            "weights": Panel([[1.0]], np.array(["2024-01-02T15:00"], dtype="datetime64[us]"), ["A"]),
            "costs": Costs(slippage=Almgren()),
            "fill": "next_close",
        },
        InputError,
        r"Almgren is measured on days, and the bars of bars are not daily",
        None,
    ),
    "unknown_delisting": (
        {"delisting": "forget"},
        InputError,
        r'`delisting` must be "table", "last_price" or a return such as -0.3, received \'forget\'',
        None,
    ),
    "unknown_untradable": (
        {"untradable": "drop"},
        InputError,
        r'`untradable` must be "keep" or "make_room", received \'drop\'',
        None,
    ),
    "exits_that_are_a_number": (
        {"exits": 0.1},
        KindError,
        "`exits` must be Exits, received float",
        "ql.execution.Exits(stop_loss=0.1)",
    ),
    "a_delisting_in_percent": ({"delisting": 30}, InputError, "`delisting` is a return of at most 10", "-0.3 for 30 %"),
    "a_word_for_true": ({"strict": "no"}, KindError, "`strict` must be True or False, received str", None),
    "a_number_for_true": ({"strict": 1}, KindError, "`strict` must be True or False, received int", None),
    "rebalancing_by_calendar": (
        {"rebalance": "month_end"},
        KindError,
        "`rebalance` must be Rebalancing, received str",
        "dates are those of the weights",
    ),
    "fees_that_begin_later": (
        {"costs": Costs(fees=Fees([("2024-01-02", 1e-5, 0.0, None, 0.0)]))},
        InputError,
        r"Fees begins on 2024-01-02 and says nothing of 2024-01-01",
        None,
    ),
    "interest_that_begins_later": (
        {"account": Account(interest=Interest(debit={"2024-01-02": 0.05}))},
        InputError,
        r"Interest debit begins on 2024-01-02 and says nothing of 2024-01-01",
        None,
    ),
    "a_currency_without_a_rate": (
        {
            "account": Account(
                currencies=Currencies({"B": "EUR"}, Panel([[1.1], [NAN], [NAN], [1.1]], MONDAY + np.arange(4), ["EUR"]))
            )
        },
        DataError,
        r"The rate of EUR on 2024-01-02 and 1 more is missing",
        "carry the last one forward",
    ),
    "a_currency_without_a_column": (
        {"account": Account(currencies=Currencies({"B": "EUR"}, Panel([[1.1]] * 4, MONDAY + np.arange(4), ["GBP"])))},
        LabelError,
        r"Currencies has no rates of EUR, in which B trades",
        "USD per EUR",
    ),
    "a_currency_without_a_date": (
        {"account": Account(currencies=Currencies({"B": "EUR"}, Panel([[1.1]] * 2, MONDAY + np.arange(2), ["EUR"])))},
        LabelError,
        r"Currencies rates has no row of 2024-01-03 and 1 more",
        None,
    ),
    "borrow_data_below_zero": (
        {
            "bars": replace(
                BARS,
                borrow=pl.DataFrame({"symbol": ["B"], "date": [date(2024, 1, 2)], "rate": [-0.1], "available": [1.0]}),
            ),
            "costs": Costs(borrow=Borrow()),
        },
        DataError,
        r"The borrow data of bars give B from 2024-01-02 on a rate of -0.1",
        None,
    ),
    "opens_that_are_not_there": (
        {"bars": CLOSES, "fill": "next_open"},
        InputError,
        r"bars has no open prices \(it has close\)",
        'fill="next_close"',
    ),
    "unknown_policy": (
        {"unlisted": "drop"},
        InputError,
        r'`unlisted` must be "raise" or "cash", received \'drop\'',
        None,
    ),
    "costs_that_are_a_number": ({"costs": 0.001}, KindError, "`costs` must be Costs, received float", "ql.Costs"),
    "an_account_that_is_a_number": (
        {"account": 1e6},
        KindError,
        "`account` must be an Account, received float",
        "cash",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_refused(case):
    changes, kind, sentence, hint = case
    arguments = {"weights": GOOD, "bars": BARS} | changes
    with pytest.raises(kind, match=sentence) as caught:
        simulate(**arguments)
    error = caught.value
    assert isinstance(error, QuantlabError)
    assert error.message.endswith(".")
    assert "\n" not in error.message
    if hint is not None:
        assert hint in error.hint


def test_the_good_case_runs():
    assert simulate(GOOD, BARS).equity.shape == (4, 1)


def test_inputs_are_not_changed():
    before = GOOD.values.copy(), BARS.close.values.copy()
    simulate(GOOD, BARS)
    np.testing.assert_array_equal(GOOD.values, before[0])
    np.testing.assert_array_equal(BARS.close.values, before[1])


@pytest.mark.parametrize("cash", [-1.0, 0.0, NAN, np.inf])
def test_an_account_needs_cash(cash):
    with pytest.raises(InputError, match="Account cash must be"):
        simulate(GOOD, BARS, account=Account(cash=cash))


@pytest.mark.parametrize("lot", [-1.0, 0.0, NAN, np.inf])
def test_a_lot_is_positive(lot):
    with pytest.raises(InputError, match="Account lot must be"):
        simulate(GOOD, BARS, account=Account(lot=lot))


def test_weights_come_through_the_door_as_wide_and_long_frames():
    expected = simulate(GOOD, BARS).equity.values
    for frame in (GOOD.to_frame(), GOOD.to_frame().lazy(), GOOD.to_long("weight")):
        np.testing.assert_array_equal(simulate(frame, BARS).equity.values, expected)


def test_a_null_in_a_frame_of_weights_is_missing_and_not_zero():
    frame = GOOD.to_frame().with_columns(pl.when(pl.col("A") < 0.35).then(None).otherwise(pl.col("A")).alias("A"))
    with pytest.raises(DataError, match=r"The weight of A on 2024-01-03 is missing"):
        simulate(frame, BARS)


def test_a_row_that_is_nan_throughout_takes_no_decision():
    rows = make_weights(BARS, {0: [0.4, 0.4, 0.0], 1: [NAN] * 3, 2: [0.3, 0.3, 0.3]})
    result = simulate(rows, BARS)
    np.testing.assert_array_equal(result.equity.values, simulate(GOOD, BARS).equity.values)
    np.testing.assert_array_equal(result.decisions.dates, GOOD.dates)
    found = result.diagnostics.row(0, named=True)
    assert (found["rule"], found["severity"], found["date"], found["count"]) == (
        "empty_decision",
        "info",
        "2024-01-02",
        1,
    )
    # An information is no reason to refuse.
    assert simulate(rows, BARS, strict=True).equity.shape == (4, 1)


NO_MARGIN = Account(margin=NoMargin())
HOLE = bars_of([[10.0, 10.0], [10.0, NAN], [10.0, 10.0]])
STRICT = {
    "unlisted": ({"weights": make_weights(BARS, {0: [0.5, 0.5, 0.1]}), "unlisted": "cash"}, "C 2024-01-01"),
    "unaffordable": ({"costs": Costs(commission=Proportional(0.0, minimum=5e6))}, ""),
    "ruin": (
        {
            "bars": bars_of([10.0, 10.0, 50.0]),
            "weights": make_weights(bars_of([10.0] * 3), {0: [-1.0]}),
            "account": NO_MARGIN,
        },
        "2024-01-03",
    ),
    "skipped": ({"bars": HOLE, "weights": make_weights(HOLE, {1: [0.1, 0.1]})}, "B 2024-01-02"),
    "missing_price": ({"bars": HOLE, "weights": make_weights(HOLE, {0: [0.1, 0.1]})}, "B"),
    "stale_mark": (
        {
            "bars": bars_of([[10.0, 10.0], [10.0, 10.0], [10.0, NAN], [10.0, 10.0]]),
            "weights": make_weights(bars_of([[1.0, 1.0]] * 4), {0: [0.1, 0.1]}),
        },
        "B 2024-01-03",
    ),
    "same_close_fill": ({"fill": "same_close"}, "2024-01-01"),
    "margin_scaled": ({"weights": make_weights(BARS, {0: [2.0, 1.0, 0.0]})}, "2024-01-01"),
    "margin_call": (
        {
            "bars": bars_of([10.0, 10.0, 5.5, 5.5]),
            "weights": make_weights(bars_of([10.0] * 4), {0: [2.0]}),
        },
        "A 2024-01-03",
    ),
    "prices_end": (
        {
            "bars": bars_of([[10.0, 10.0], [10.0, 10.0], [10.0, NAN], [10.0, NAN]]),
            "weights": make_weights(bars_of([[1.0, 1.0]] * 4), {0: [0.1, 0.1]}),
        },
        None,
    ),
    "prices_after_delisting": (
        {"bars": replace(BARS, actions=table_of([("A", "2024-01-03", "delisting", -0.3)]))},
        "A 2024-01-03",
    ),
    "borrow_not_charged": (
        {
            "bars": replace(
                BARS,
                borrow=pl.DataFrame({"symbol": ["B"], "date": [date(2024, 1, 2)], "rate": [0.1], "available": [1.0]}),
            ),
            "weights": make_weights(BARS, {0: [0.4, -0.4, 0.0]}),
        },
        "2024-01-01",
    ),
}


@pytest.mark.parametrize("rule", STRICT)
@ENGINES
def test_strict_turns_a_finding_into_an_error(run, rule):
    changes, place = STRICT[rule]
    arguments = {"weights": GOOD, "bars": BARS, "fill": "next_close"} | changes
    result = run(**arguments)
    row = result.diagnostics.filter(pl.col("rule") == rule).row(0, named=True)
    assert row["severity"] in ("warning", "error")
    with pytest.raises(DataError, match=r"^strict: .+ at .+ \(\d+ times\): .+\.") as caught:
        run(**arguments, strict=True)
    assert "strict=False" in caught.value.hint
    # The first row that is more than an information is the one that is named.
    first = result.diagnostics.filter(pl.col("severity") != "info").row(0, named=True)
    assert f"strict: {first['rule']} at {first['symbol']} {first['date']}".replace("  ", " ") in caught.value.message
    if place:
        assert f"{row['symbol']} {row['date']}".strip().startswith(place)


def test_strict_accepts_a_clean_run():
    result = simulate(GOOD, BARS, costs=Costs(slippage=Bps(5)), strict=True)
    assert not set(result.diagnostics["severity"]) & {"warning", "error"}


# What a run finds out


def short_bars(rates, **changes):
    """A short in B over four bars whose borrow table holds ``rates``: (date, rate)."""
    table = pl.DataFrame(
        {"symbol": ["B"] * len(rates), "date": [day for day, _ in rates], "rate": [rate for _, rate in rates]},
        schema={"symbol": pl.String, "date": pl.Date, "rate": pl.Float64},
    )
    return bars_of([[10.0, 20.0]] * 4, borrow=table, **changes)


@ENGINES
def test_a_short_without_a_borrow_rate_names_symbol_and_night(run):
    bars = short_bars([(date(2024, 1, 1), 0.1), (date(2024, 1, 3), None)])
    weights = make_weights(bars, {0: [0.5, -0.5]})
    with pytest.raises(DataError, match=r"B was short on 2024-01-03.*, and no borrow rate is known") as caught:
        run(weights, bars, costs=Costs(borrow=Borrow()), fill="next_close")
    assert "ql.Borrow(0.01)" in caught.value.hint
    # A default covers it, and a book that is not short needs no rate.
    assert run(weights, bars, costs=Costs(borrow=Borrow(0.01)), fill="next_close").equity.shape == (4, 1)
    longs = make_weights(bars, {0: [0.5, 0.5]})
    assert run(longs, bars, costs=Costs(borrow=Borrow()), fill="next_close").equity.shape == (4, 1)


@ENGINES
def test_a_strict_account_refuses_what_it_cannot_carry(run):
    account = Account(buying_power="strict", cash=1000)
    weights = make_weights(BARS, {0: [0.5, 0.5, 0.0], 2: [1.5, -1.0, 0.0]})
    with pytest.raises(InputError, match=r"The decision of 2024-01-03 .* 150\.0% long and 100\.0% short") as caught:
        run(weights, BARS, account=account, fill="next_close")
    # 50 A at 11 and 25 B at 21 cost 1,075 and are worth 50 * 12 + 25 * 22 = 1,150 on the third day.
    assert "equity is 1,075.00" in caught.value.message
    assert 'buying_power="scale"' in caught.value.hint


@ENGINES
def test_a_strict_account_names_the_decision_that_was_sized_at_its_fill(run):
    account = Account(buying_power="strict", cash=1000)
    weights = make_weights(BARS, {0: [0.5, 0.5, 0.0], 1: [3.0, 0.0, 0.0], 2: [0.0, 0.5, 0.0]})
    with pytest.raises(InputError, match=r"The decision of 2024-01-02 .* asks for 300\.0% long, the equity"):
        run(weights, BARS, account=account, fill=Fill("next_close", sizing="fill"))
    with pytest.raises(InputError, match=r"The decision of 2024-01-02 .* asks for 300\.0% long, the equity"):
        run(weights, BARS, account=account, fill=Fill("next_close", delay=2))


ORDER_RUNS = pytest.mark.parametrize("run", [simulate_orders, reference_orders])
STRICT_ACCOUNT = Account(buying_power="strict", cash=1000)


@ORDER_RUNS
@pytest.mark.parametrize(
    ("kind", "row", "asked"),
    [
        ("shares", [1000.0, NAN, NAN], "1,000 A, worth 11,000.00"),
        ("shares", [1000.0, -0.0, NAN], "1,000 A, worth 11,000.00"),
        ("value", [11000.0, -21.0, NAN], "11,000.00 of A, -21.00 of B, worth 11,021.00"),
        ("target_shares", [1000.0, 0.0, NAN], "targets of 1,000 A, 0 B, worth 11,000.00"),
        ("target_value", [11000.0, NAN, NAN], "targets of 11,000.00 of A, worth 11,000.00"),
    ],
)
def test_a_strict_account_refuses_orders_and_names_them(run, kind, row, asked):
    orders = Panel([[NAN, 1.0, NAN], row], BARS.dates[:2], BARS.symbols)
    sentence = rf"The decision of 2024-01-02 needs more than the buying power: it asks for {asked}, the equity is "
    with pytest.raises(InputError, match=sentence):
        run(orders, BARS, kind=kind, account=STRICT_ACCOUNT, fill="next_close")


@ORDER_RUNS
def test_a_strict_account_names_the_orders_of_a_table(run):
    rows = [("A", 1, 5), ("B", 2, 300), ("A", 2, -700), ("B", 2, 1), ("A", 2, 1), ("B", 3, 1)]
    table = pl.DataFrame(
        {
            "symbol": [symbol for symbol, _, _ in rows],
            "date": [date(2024, 1, day) for _, day, _ in rows],
            "shares": [shares for _, _, shares in rows],
        }
    )
    worth = 301 * 21 + 701 * 11
    asked = f"300 B, -700 A, 1 B and 1 more, worth {worth:,.2f}"
    with pytest.raises(InputError, match=rf"The decision of 2024-01-02 .* it asks for {asked}, the equity is 1,000.00"):
        run(table, BARS, account=STRICT_ACCOUNT, fill="next_close")
    other = BARS.select(["C", "B", "A"])
    with pytest.raises(InputError, match=rf"it asks for {asked}"):
        run(table, other, account=STRICT_ACCOUNT, fill="next_close")


@ENGINES
def test_a_holding_that_outlives_its_prices_is_told(run):
    close = [[10.0, 10.0, 10.0], [10.0, NAN, 10.0], [10.0, 10.0, 10.0], [10.0, NAN, 10.0], [10.0, NAN, 10.0]]
    bars = bars_of(close)

    def told(rows, **policy):
        found = run(make_weights(bars, rows), bars, fill="next_close", **policy).diagnostics
        return found.filter(pl.col("rule") == "prices_end").select("symbol", "date", "severity").rows()

    assert told({1: [0.1, 0.1, 0.1]}) == []  # B had no price that day: it was never bought
    assert told({0: [0.1, 0.0, 0.1], 2: [0.1, 0.1, 0.1]}) == []  # asked for when its prices were over
    held = [[10.0, 10.0], [10.0, 10.0], [10.0, NAN], [10.0, 10.0], [10.0, NAN], [10.0, NAN]]
    bars = bars_of(held)
    assert told({0: [0.1, 0.1]}) == [("B", "2024-01-05", "warning")]
    assert told({0: [0.1, 0.1], 2: [0.1, 0.0]}) == [("B", "2024-01-05", "warning")]  # that sale met no price
    assert told({0: [0.1, 0.1], 1: [0.1, 0.0]}) == [("B", "2024-01-05", "warning")]
    assert told({0: [0.1, 0.1]}, delisting="last_price") == []


# The other doors


def test_prices_of_zero_and_negative_volume_never_reach_an_engine():
    good = Panel([[10.0], [11.0]], MONDAY + np.arange(2), ["A"])
    with pytest.raises(DataError, match=r"bars close of A 2024-01-02 is 0; a price must be positive and finite"):
        simulate(GOOD, as_bars(Panel([[10.0], [0.0]], good.dates, ["A"])))
    with pytest.raises(DataError, match=r"bars volume of A 2024-01-01 is -5; a volume must be zero or more"):
        simulate(GOOD, as_bars(good, volume=Panel([[-5.0], [1.0]], good.dates, ["A"])))
    with pytest.raises(DataError, match=r"bars open of A 2024-01-01 is inf"):
        simulate(GOOD, as_bars(good, open=Panel([[np.inf], [1.0]], good.dates, ["A"])))


ORDER = pl.DataFrame({"date": [date(2024, 1, 1)], "symbol": ["A"], "shares": [10]})
ORDERS = {
    "without_labels": (np.ones((4, 3)), {}, KindError, "`orders` must be a Panel or a Polars frame"),
    "no_rows": (ORDER.head(0), {}, InputError, "`orders` has no rows"),
    "no_rows_of_a_panel": (weights([]), {}, InputError, "`orders` has no rows"),
    "no_bar": (
        ORDER.with_columns(date=pl.lit(date(2024, 3, 29))),
        {},
        LabelError,
        r"`orders` stand on 2024-03-29, which is no date of bars",
    ),
    "unknown_kind": (ORDER, {"kind": "lots"}, InputError, r'`kind` must be one of "shares", "value", .* \'lots\''),
    "values_in_a_table": (
        ORDER,
        {"kind": "value"},
        InputError,
        'A table of orders holds shares, received `kind` "value"',
    ),
    "a_strange_column": (
        ORDER.with_columns(price=1.0),
        {},
        InputError,
        r"`orders` has the column `price`, which is none of an order's",
    ),
    "no_shares": (
        ORDER.drop("shares").with_columns(type=pl.lit("market")),
        {},
        InputError,
        "`orders` has the column `type` and no column `shares`",
    ),
    "a_null": (
        ORDER.with_columns(shares=pl.lit(None, pl.Float64)),
        {},
        DataError,
        "Column shares of `orders` has a null",
    ),
    "shares_in_words": (
        ORDER.with_columns(shares=pl.lit("ten")),
        {},
        KindError,
        "Column shares of `orders` must be numbers",
    ),
    "an_unknown_type": (
        ORDER.with_columns(type=pl.lit("iceberg")),
        {},
        InputError,
        r"The order of A 2024-01-01 has the type 'iceberg'",
    ),
    "an_unknown_life": (ORDER.with_columns(tif=pl.lit("week")), {}, InputError, r"has the tif 'week'"),
    "a_flag_in_words": (
        ORDER.with_columns(reduce_only=pl.lit("yes")),
        {},
        KindError,
        "Column reduce_only of `orders` must be true or false",
    ),
    "a_group_in_fractions": (ORDER.with_columns(group=1.5), {}, KindError, "Column group of `orders` must be whole"),
    "an_unknown_symbol": (
        ORDER.with_columns(symbol=pl.lit("Z")),
        {},
        DataError,
        "The order of Z 2024-01-01 is for a symbol that bars does not have",
    ),
    "an_unlisted_symbol": (
        ORDER.with_columns(symbol=pl.lit("C")),
        {},
        DataError,
        "The order of C 2024-01-01 comes before the symbol's first price",
    ),
    "an_infinite_number": (
        weights([[np.inf, NAN, NAN]]),
        {},
        DataError,
        "The order of A on 2024-01-01 is inf",
    ),
    "booleans": (GOOD > 0.0, {}, KindError, "`orders` must be numbers, received a bool Panel"),
    "other_symbols": (
        weights([[1.0, 1.0, NAN]], symbols=("A", "X", "C")),
        {},
        LabelError,
        "`orders` and `bars` differ",
    ),
    "no_opens": (
        ORDER,
        {"bars": CLOSES},
        InputError,
        r"bars has no open prices \(it has close\)",
    ),
}


@pytest.mark.parametrize("case", ORDERS)
def test_orders_that_are_refused(case):
    orders, changes, kind, sentence = ORDERS[case]
    with pytest.raises(kind, match=sentence) as caught:
        simulate_orders(orders, **{"bars": BARS} | changes)
    assert isinstance(caught.value, QuantlabError)
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


def test_orders_come_through_the_door_in_every_form():
    panel = Panel([[10.0, NAN, NAN], [NAN, -5.0, NAN]], BARS.dates[:2], BARS.symbols)
    want = simulate_orders(panel, BARS)
    assert want.positions.values[-1].tolist() == [10.0, -5.0, 0.0]
    table = pl.DataFrame({"date": [date(2024, 1, 1), date(2024, 1, 2)], "symbol": ["A", "B"], "shares": [10, -5]})
    for form in (panel.to_frame(), panel.to_frame().lazy(), panel.to_long("amount"), table, table.lazy()):
        np.testing.assert_array_equal(simulate_orders(form, BARS).equity.values, want.equity.values)


def test_the_ways_out_of_other_symbols_lead_out():
    """Each hint is followed, for Panels and for frames."""
    fewer = weights([[0.5, 0.5], [0.4, 0.4]], symbols=("A", "B"))
    more = weights([[0.5, 0.5, 0.0, 0.0]], symbols=("A", "B", "C", "Z"))
    for given in (fewer, more, fewer.to_frame(), more.to_frame()):
        with pytest.raises(LabelError) as caught:
            simulate(given, BARS)
        way = caught.value.hint.split("`")[1]
        names = {"ql": quantlab, "weights": given, "bars": BARS}
        if way.startswith("bars"):
            assert simulate(given, eval(way, names)).equity.shape == (4, 1)
        else:
            assert simulate(eval(way, names), BARS).equity.shape == (4, 1)
    zeros = weights([[0.5, 0.5, 0.0], [0.4, 0.4, 0.0]])
    np.testing.assert_array_equal(
        simulate(fewer, BARS.select(fewer.symbols)).equity.values, simulate(zeros, BARS).equity.values
    )
    orders = Panel([[1.0, 2.0]], BARS.dates[:1], ("A", "B"))
    with pytest.raises(LabelError, match="`orders` has no C") as caught:
        simulate_orders(orders, BARS)
    assert caught.value.hint.endswith("a column of NaN.")


@pytest.mark.parametrize("run", [simulate, reference, simulate_orders, reference_orders])
def test_no_word_counts_as_true(run):
    given = GOOD if run in (simulate, reference) else ORDER
    for strict in ("no", 0, None):
        with pytest.raises(KindError, match="`strict` must be True or False"):
            run(given, BARS, strict=strict)


# What the bars say about themselves


def named(result, rule):
    columns = ("severity", "date", "symbol", "count")
    return result.diagnostics.filter(pl.col("rule") == rule).select(*columns).rows()


def test_prices_of_a_bar_that_contradict_one_another_are_listed():
    close = [[10.0, 20.0], [10.0, 20.0], [10.0, NAN], [10.0, 20.0]]
    fields = {
        "open": [[10.0, 20.0], [10.0, 25.0], [10.0, NAN], [10.0, 20.0]],
        "high": [[11.0, 21.0], [11.0, 21.0], [11.0, NAN], [9.5, 21.0]],
        "low": [[9.0, 19.0], [9.0, 19.0], [12.0, NAN], [9.0, NAN]],
    }
    bars = bars_of(close, symbols=["B", "A"], **fields)
    rows = make_weights(bars, {0: [0.1, 0.1]})
    result = simulate(rows, bars, fill="next_close")
    # The low of 12 is above the high of 11, and the close and the open of 10 are below it.
    assert named(result, "inconsistent_bar") == [
        ("warning", "2024-01-03", "B", 1),
        ("warning", "2024-01-03", "B", 2),
        ("warning", "2024-01-02", "A", 3),
    ]
    details = result.diagnostics.filter(pl.col("rule") == "inconsistent_bar")["detail"].to_list()
    assert [detail.split(":")[0] for detail in details] == [
        "the high is below the low",
        "the close is not between low and high",
        "the open is not between low and high",
    ]
    with pytest.raises(DataError, match="strict: inconsistent_bar at B 2024-01-03"):
        simulate(rows, bars, fill="next_close", strict=True)
    assert named(simulate_orders(ORDER, bars, fill="next_close"), "inconsistent_bar") != []
    # Without highs and lows there is nothing to contradict; where prices touch, nothing does.
    assert named(simulate(rows, replace(bars, high=None), fill="next_close"), "inconsistent_bar") == []
    flat = bars_of(close, open=close, high=close, low=close)
    assert named(simulate(make_weights(flat, {0: [0.1, 0.1]}), flat, fill="next_close"), "inconsistent_bar") == []


def test_contradictions_are_found_in_every_part_of_long_bars():
    close = np.full((100, 2), 10.0)
    low = close.copy()
    low[[17, 63, 99], [1, 0, 1]] = 10.5
    bars = bars_of(close, high=close, low=low)
    found = named(simulate(make_weights(bars, {0: [0.1, 0.1]}), bars, fill="next_close"), "inconsistent_bar")
    assert found == [("warning", "2024-01-18", "B", 3)] * 2


def test_symbols_that_the_bars_do_not_have_are_listed():
    splits = [(symbol, "2024-01-03", "split", 2.0) for symbol in ("V", "W", "X", "Y", "Z", "b")]
    borrow = pl.DataFrame({"symbol": ["B", "Q"], "date": [date(2024, 1, 1)] * 2, "rate": [0.1, 0.1]})
    bars = replace(BARS, actions=table_of(splits), borrow=borrow)
    margin = RegT(factors={"A": 2.0, "TQQQ": 3.0})
    rates = Panel(np.full((4, 1), 1.1), MONDAY + np.arange(4), ["EUR"])
    account = Account(margin=margin, currencies=Currencies({"SAP": "EUR", "c": "EUR"}, rates))
    result = simulate(GOOD, bars, account=account)
    found = result.diagnostics.filter(pl.col("rule") == "unknown_symbol").select(
        "severity", "symbol", "count", "detail"
    )
    assert found.rows() == [
        ("warning", "B", 1, "`actions` has b, which the bars do not have: did you mean B?"),
        ("info", "", 5, "`actions` has V, W, X and 2 more, which the bars do not have"),
        ("info", "", 1, "`borrow` has Q, which the bars do not have"),
        ("warning", "C", 1, "`Currencies of` has c, which the bars do not have: did you mean C?"),
        ("info", "", 1, "`Currencies of` has SAP, which the bars do not have"),
        ("info", "", 1, "`margin factors` has TQQQ, which the bars do not have"),
    ]
    assert result.diagnostics.filter(pl.col("rule") == "unknown_symbol")["date"].unique().to_list() == ["2024-01-01"]
    with pytest.raises(DataError, match="strict: unknown_symbol at B 2024-01-01"):
        simulate(GOOD, bars, strict=True)
    # Another selection of bars is meant, and so is one whose tables are those of the bars.
    assert named(simulate(GOOD, replace(BARS, actions=table_of(splits[:5])), strict=True), "unknown_symbol") == [
        ("info", "2024-01-01", "", 5)
    ]
    whole = replace(BARS, actions=table_of([("A", "2024-01-03", "split", 2.0)]))
    some = whole.select(["B", "C"])
    picked = GOOD.select(["B", "C"])
    assert named(simulate(picked, some), "unknown_symbol") == []
    assert named(simulate(GOOD, whole), "unknown_symbol") == []


def test_an_undeclared_adjustment_is_said():
    row = simulate(GOOD, replace(BARS, adjusted="unknown")).diagnostics.row(0, named=True)
    assert (row["rule"], row["severity"], row["date"]) == ("unknown_adjustment", "info", "2024-01-01")
    assert "unknown_adjustment" not in simulate(GOOD, BARS).diagnostics["rule"]


def test_bars_without_actions_have_nothing_to_list():
    none = table_of([])
    assert simulate(GOOD, replace(BARS, actions=none)).diagnostics.equals(simulate(GOOD, BARS).diagnostics)


@pytest.mark.parametrize("adjusted", ["none", "split"])
@ENGINES
def test_a_split_in_the_prices_is_booked(run, adjusted):
    split = table_of([("A", "2024-01-03", "split", 2.0)])
    bars = bars_of([[10.0], [10.0], [5.0], [5.0]], actions=[("A", "2024-01-03", "split", 2.0)])
    assert bars.actions.equals(split)
    result = run(make_weights(bars, {0: [1.0]}), replace(bars, adjusted=adjusted), fill="next_close")
    np.testing.assert_array_equal(result.equity.values, np.full((4, 1), 1e6))
    assert result.positions.values[-1, 0] == 200_000


def test_exits_and_bands_are_parts_of_the_settings():
    settings = simulate(GOOD, BARS, exits=Exits(stop_loss=0.1), delisting=-0.3, untradable="make_room").settings
    assert settings["delisting"] == -0.3
    assert settings["untradable"] == "make_room"
    assert settings["unlisted"] == "raise"
    assert settings["exits"]["stop_loss"] == 0.1
