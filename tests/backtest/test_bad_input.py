"""What cannot be run is refused before anything is computed: one sentence with the first offender, and a way out."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from quantlab.backtest import simulate
from quantlab.core import DataError, InputError, KindError, LabelError, Panel, QuantlabError
from quantlab.execution import Account, Bps, Costs, Proportional

from .conftest import make_bars, make_weights

NAN = np.nan

BARS = make_bars(
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
        r"`weights` and `bars` differ in symbols: position 1 holds X on the left and B on the right\.",
        "weights.select",
    ),
    "fewer_symbols": (
        {"weights": weights([[0.5, 0.5]], symbols=("A", "B"))},
        LabelError,
        r"the left has 2 symbols and the right 3",
        None,
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
    "unknown_fill": (
        {"fill": "same_close"},
        InputError,
        r'`fill` must be "next_open" or "next_close", received \'same_close\'',
        "look ahead",
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


STRICT = {
    "unlisted": ({"weights": make_weights(BARS, {0: [0.5, 0.5, 0.1]}), "unlisted": "cash"}, "C 2024-01-01"),
    "unaffordable": ({"costs": Costs(commission=Proportional(0.0, minimum=5e6))}, "A 2024-01-01"),
    "ruin": (
        {"bars": make_bars([10.0, 10.0, 50.0]), "weights": make_weights(make_bars([10.0] * 3), {0: [-1.0]})},
        "2024-01-03",
    ),
    "skipped": (
        {
            "bars": make_bars([[10.0, 10.0], [10.0, NAN], [10.0, 10.0]]),
            "weights": make_weights(make_bars([[1.0, 1.0]] * 3), {1: [0.1, 0.1]}),
        },
        "B 2024-01-02",
    ),
    "missing_price": (
        {
            "bars": make_bars([[10.0, 10.0], [10.0, NAN], [10.0, 10.0]]),
            "weights": make_weights(make_bars([[1.0, 1.0]] * 3), {0: [0.1, 0.1]}),
        },
        "B 2024-01-01",
    ),
    "stale_mark": (
        {
            "bars": make_bars([[10.0, 10.0], [10.0, 10.0], [10.0, NAN]]),
            "weights": make_weights(make_bars([[1.0, 1.0]] * 3), {0: [0.1, 0.1]}),
        },
        "B 2024-01-03",
    ),
}


@pytest.mark.parametrize("rule", STRICT)
def test_strict_turns_a_finding_into_an_error(rule):
    changes, place = STRICT[rule]
    arguments = {"weights": GOOD, "bars": BARS, "fill": "next_close"} | changes
    result = simulate(**arguments)
    assert rule in result.diagnostics["rule"].to_list()
    with pytest.raises(DataError, match=rf"^strict: {rule} at {re.escape(place)} \(\d+ times\): .+\.") as caught:
        simulate(**arguments, strict=True)
    assert "strict=False" in caught.value.hint


def test_strict_accepts_a_clean_run():
    result = simulate(GOOD, BARS, costs=Costs(slippage=Bps(5)), strict=True)
    assert not set(result.diagnostics["severity"]) & {"warning", "error"}


def actions(*rows):
    schema = {"symbol": pl.String, "date": pl.Date, "kind": pl.String, "value": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema | {"date": pl.String}, orient="row")
    return frame.with_columns(pl.col("date").str.to_date("%Y-%m-%d"))


def test_prices_with_a_split_in_them_are_refused():
    split = actions(("A", "2024-01-02", "split", 2.0), ("B", "2024-01-03", "spinoff", 0.1))
    with pytest.raises(DataError, match=r"not adjusted for the split of A 2024-01-02 and 1 more") as error:
        simulate(GOOD, replace(BARS, adjusted="none", actions=split))
    assert 'adjust="total_return"' in error.value.hint


def test_what_is_not_booked_is_listed():
    bars = replace(
        BARS,
        adjusted="split",
        actions=actions(
            ("A", "2024-01-02", "dividend", 0.5),
            ("B", "2024-01-03", "special_dividend", 0.5),
            ("A", "2024-01-03", "delisting", -0.3),
        ),
    )
    found = simulate(GOOD, bars).diagnostics
    rows = found.filter(pl.col("rule").is_in(["unpaid_dividends", "unbooked_delistings"]))
    assert rows.select("rule", "severity", "date", "symbol", "count").rows() == [
        ("unpaid_dividends", "warning", "2024-01-02", "A", 2),
        ("unbooked_delistings", "warning", "2024-01-03", "A", 1),
    ]
    with pytest.raises(DataError, match="unpaid_dividends at A 2024-01-02"):
        simulate(GOOD, bars, strict=True)


def test_bars_without_actions_have_nothing_to_list():
    none = actions()
    assert simulate(GOOD, replace(BARS, actions=none)).diagnostics.equals(simulate(GOOD, BARS).diagnostics)


def test_an_undeclared_adjustment_is_said():
    row = simulate(GOOD, replace(BARS, adjusted="unknown")).diagnostics.row(0, named=True)
    assert (row["rule"], row["severity"], row["date"]) == ("unknown_adjustment", "info", "2024-01-01")
    assert "unknown_adjustment" not in simulate(GOOD, BARS).diagnostics["rule"]
