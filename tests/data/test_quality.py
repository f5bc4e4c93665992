"""Rules on dates, runs and single bars: a case by hand each, runs and spikes against plain loops, the corner table."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import Bars, Frequency, KindError, LabelError, Panel, as_bars
from quantlab.data import quality
from quantlab.data.checks._findings import RULES, SCHEMA

NAN = math.nan
XNYS = Frequency.daily("XNYS")
FIRST = ["rule", "symbol", "date", "severity", "detail"]


def panel(columns: dict[str, list[float]], start: str = "2024-03-04", frequency: Frequency | None = None) -> Panel:
    values = np.array(list(columns.values()), dtype=float).T
    dates = np.datetime64(start) + np.arange(len(values))
    return Panel(values, dates, list(columns), frequency=frequency)


def only(bars: Bars, rule: str) -> list[tuple]:
    return quality(bars).filter(rule=rule).select("symbol", "date", "severity", "detail").rows()


def test_missing_and_odd_sessions() -> None:
    # Thursday 28 March 2024, then Good Friday (no session), and Tuesday: Monday's session is missing.
    dates = ["2024-03-28", "2024-03-29", "2024-04-02"]
    close = Panel([[1.0, NAN], [1.1, NAN], [1.2, 2.0]], dates, ["A", "B"], frequency=XNYS)
    assert quality(as_bars(close)).select(FIRST).rows() == [
        ("missing_session", None, date(2024, 4, 1), "warning", "no bar on this session"),
        ("no_session", None, date(2024, 3, 29), "warning", "1 close on a day without a session"),
        ("starts_late", "B", date(2024, 4, 2), "info", "first close 2 bars after the start"),
    ]


def test_no_calendar_no_session_rules() -> None:
    close = Panel([[1.0], [1.1]], ["2024-03-29", "2024-04-09"], ["A"], frequency=Frequency(252))
    assert quality(as_bars(close)).height == 0


def test_intraday_bars_have_no_session_rules() -> None:
    times = np.array(["2024-03-29T15:30", "2024-04-09T15:30"], dtype="datetime64[us]")
    assert quality(as_bars(Panel([[1.0], [1.1]], times, ["A"], frequency=XNYS))).height == 0


def test_an_intraday_finding_says_the_time() -> None:
    times = np.datetime64("2024-03-04T14:31", "us") + np.arange(3) * np.timedelta64(1, "m")
    found = quality(as_bars(Panel([[10.0], [30.0], [10.1]], times, ["A"])))
    assert found.select(FIRST).rows() == [
        ("spike", "A", date(2024, 3, 4), "warning", "at 2024-03-04 14:32:00 UTC: close 10, then 30, then 10.1")
    ]


def test_gap() -> None:
    bars = as_bars(panel({"A": [NAN, 1, NAN, NAN, 2, NAN, 3], "B": [NAN] * 7, "C": [1, 2, 3, NAN, NAN, NAN, NAN]}))
    assert only(bars, "gap") == [
        ("A", date(2024, 3, 6), "warning", "no close on 2 bars"),
        ("A", date(2024, 3, 9), "warning", "no close on 1 bar"),
    ]
    assert quality(bars).filter(rule="gap")["end"].to_list() == [date(2024, 3, 7), date(2024, 3, 9)]


@pytest.mark.parametrize(("missing", "lines"), [(11, 1), (10, 10)])
def test_a_day_that_most_symbols_miss_is_one_gap(missing: int, lines: int) -> None:
    close = np.full((3, 20), 5.0) + np.arange(3)[:, None] / 100
    close[1, :missing] = NAN
    bars = as_bars(Panel(close, np.datetime64("2024-03-04") + np.arange(3), [f"S{n:02}" for n in range(20)]))
    found = quality(bars).filter(rule="gap")
    assert found.height == lines
    if lines == 1:
        assert found.select("symbol", "detail").row(0) == (None, "no close of 11 of 20 symbols")


def test_others_than_the_few_that_trade_on_a_holiday_have_no_gap() -> None:
    close = np.full((3, 20), 5.0) + np.arange(3)[:, None] / 100
    close[1, 1:] = NAN
    dates = ["2024-03-28", "2024-03-29", "2024-04-01"]
    found = quality(as_bars(Panel(close, dates, [f"S{n:02}" for n in range(20)], frequency=XNYS)))
    assert found["rule"].to_list() == ["no_session"]


def test_ends_early_and_starts_late() -> None:
    full = [50.0 + n / 10 for n in range(30)]
    bars = as_bars(
        panel(
            {
                "full": full,
                "gone": [*full[:5], *[NAN] * 25],
                "new": [NAN, *full[1:]],
                "brief": [NAN, NAN, *full[2:4], NAN, *full[5:29], NAN],
                "none": [NAN] * 30,
            }
        )
    )
    unknown = "nothing in its last bars says why (index exit, merger or source)"
    pinned = "its last 10 moves average 0.19%, as after a cash offer"
    assert only(bars, "ends_early") == [
        ("brief", date(2024, 4, 1), "warning", f"last close 1 bar before the end, at 52.8: {pinned}"),
        ("gone", date(2024, 3, 8), "warning", f"last close 25 bars before the end, at 50.4: {unknown}"),
    ]
    assert only(bars, "starts_late") == [
        ("brief", date(2024, 3, 6), "info", "first close 2 bars after the start"),
        ("new", date(2024, 3, 5), "info", "first close 1 bar after the start"),
    ]
    assert only(bars, "gap") == [("brief", date(2024, 3, 8), "warning", "no close on 1 bar")]


@pytest.mark.parametrize(
    ("last", "volume", "said"),
    [
        ([10, 9, 8, 7, 6, 4.9], 100, "51% below the high of its last quarter, as before a delisting"),
        ([10, 9, 8, 7, 6, 5.1], 100, "nothing in its last bars"),
        ([1.02, 1.0, 1.01, 1.03, 1.0, 0.99], 100, "as before a delisting"),
        ([10, 9.8, 9.9, 9.7, 9.6, 9.9], 0, "no volume on the last bar, as after a halt"),
    ],
)
def test_what_the_last_bars_say_about_an_ending(last: list[float], volume: float, said: str) -> None:
    gone = [*last, *[NAN] * 3]
    others = [20.0 + n / 7 for n in range(9)]
    bars = as_bars(panel({"A": gone, "B": others}), volume=panel({"A": [volume] * 9, "B": [100] * 9}))
    [row] = only(bars, "ends_early")
    assert said in row[3]


def test_an_end_that_many_symbols_share_is_one_finding() -> None:
    close = np.full((5, 30), 5.0) + np.arange(5)[:, None] / 100
    close[4, :12] = NAN
    close[:2, 12:24] = NAN
    bars = as_bars(Panel(close, np.datetime64("2024-03-04") + np.arange(5), [f"S{n:02}" for n in range(30)]))
    assert quality(bars).select("rule", "symbol", "detail").rows() == [
        ("ends_early", None, "last close of 12 symbols, 1 bar before the end"),
        ("starts_late", None, "first close of 12 symbols, 2 bars after the start"),
    ]


def test_price_order() -> None:
    close = panel({"A": [10, 10, 10, 10, 10]})
    bars = as_bars(
        close,
        open=panel({"A": [10, 12, 10, 10, NAN]}),
        high=panel({"A": [11, 11, 11, 9, 11]}),
        low=panel({"A": [9, 9, 10.5, 9, NAN]}),
    )
    assert only(bars, "price_order") == [
        ("A", date(2024, 3, 5), "error", "open 12, high 11, low 9, close 10"),
        ("A", date(2024, 3, 6), "error", "open 10, high 11, low 10.5, close 10"),
        ("A", date(2024, 3, 7), "error", "open 10, high 9, low 9, close 10"),
    ]


def test_high_below_low_without_an_open() -> None:
    bars = as_bars(panel({"A": [NAN]}), high=panel({"A": [1]}), low=panel({"A": [2]}))
    assert only(bars, "price_order") == [("A", date(2024, 3, 4), "error", "high 1, low 2, close nan")]


@pytest.mark.parametrize(("excess", "count"), [(1.5e-7, 0), (3e-7, 1)])
def test_rounding_to_32_bits_violates_no_order(excess: float, count: int) -> None:
    bars = as_bars(panel({"A": [10.0]}), high=panel({"A": [10.0 * (1 - excess)]}))
    assert len(only(bars, "price_order")) == count


def test_spike() -> None:
    bars = as_bars(
        panel(
            {
                "back": [10, 12, 10.5, 10.4],
                "stays": [10, 12, 10.6, 10.4],  # takes back 70 %
                "small": [10, 11.9, 10, 10.1],
                "down": [10, 5, 11.25, 11],
                "hole": [10, NAN, 10, 10.1],
            }
        )
    )
    assert [(symbol, day) for symbol, day, _, _ in only(bars, "spike")] == [
        ("back", date(2024, 3, 5)),
        ("down", date(2024, 3, 5)),
    ]


def test_stale() -> None:
    bars = as_bars(panel({"A": [1, 1, 1, 1, 2, 2], "B": [3, 5, 5, 5, 5, 5], "C": [5, 5, 5, NAN, 5, 5]}))
    assert only(bars, "stale") == [("B", date(2024, 3, 5), "warning", "5 equal closes of 5 to 2024-03-09")]
    assert quality(bars).filter(rule="stale")["end"].to_list() == [date(2024, 3, 9)]


@pytest.mark.parametrize(("length", "rule"), [(19, "stale"), (20, "back_filled")])
def test_a_month_of_equal_closes_at_the_start_was_filled_backward(length: int, rule: str) -> None:
    values = [7.0] * length + [7.1, 7.2, 7.15]
    found = quality(as_bars(panel({"A": values})))
    assert found["rule"].to_list() == [rule]
    later = quality(as_bars(panel({"A": [7.1, *values]})))
    assert later["rule"].to_list() == ["stale"]


def test_zero_volume_and_volume_that_is_not_known() -> None:
    close = panel({"A": [2, 2.1, 2.1, 2.1, NAN], "B": [3, 3, 3.1, 3.2, 3.1]})
    bars = as_bars(close, volume=panel({"A": [5, 5, 0, 0, 0], "B": [1, 0, 0, 0, 1]}))
    assert only(bars, "zero_volume") == [
        ("A", date(2024, 3, 6), "info", "no volume on 2 bars"),
        ("B", date(2024, 3, 5), "info", "no volume on 1 bar"),
    ]
    assert only(bars, "unknown_volume") == [
        ("B", date(2024, 3, 6), "warning", "no volume, yet the prices moved, on 2 bars")
    ]


def test_a_range_says_that_shares_traded() -> None:
    close = panel({"A": [2, 2, 2]})
    bars = as_bars(close, high=panel({"A": [2, 2.1, 2]}), low=panel({"A": [2] * 3}), volume=panel({"A": [5, 0, 0]}))
    assert [row[1] for row in only(bars, "unknown_volume")] == [date(2024, 3, 5)]
    assert [row[1] for row in only(bars, "zero_volume")] == [date(2024, 3, 6)]


def test_repeat_takes_all_five_fields() -> None:
    fields = {
        "open": panel({"A": [1.0, 1.2, 1.2, 1.2], "B": [1.0, 1.2, 1.2, 1.2]}),
        "high": panel({"A": [1.4, 1.5, 1.5, 1.5], "B": [1.4, 1.5, 1.5, 1.5]}),
        "low": panel({"A": [0.9, 1.1, 1.1, 1.1], "B": [0.9, 1.1, 1.1, 1.1]}),
        "volume": panel({"A": [7, 8, 8, 8], "B": [7, 8, 9, 8]}),
    }
    bars = as_bars(panel({"A": [1.1, 1.3, 1.3, 1.3], "B": [1.1, 1.3, 1.3, 1.3]}), **fields)
    assert only(bars, "repeat") == [
        ("A", date(2024, 3, 6), "warning", "2 bars equal to the one before (close 1.3, volume 8)")
    ]


@pytest.mark.parametrize(("prices", "found"), [([2.0, 1.99], 1), ([2.02, 2.01], 0)])
def test_coarse_steps_of_half_a_percent(prices: list[float], found: int) -> None:
    bars = Bars(panel({"A": prices * 10, "B": [100.01, 100.02] * 10}), adjusted="total_return")
    assert len(only(bars, "coarse")) == found
    # In raw prices a cent is the step at which the stock trades.
    assert only(Bars(bars.close, adjusted="none"), "coarse") == []


def test_coarse_needs_a_month_of_bars() -> None:
    assert only(Bars(panel({"A": [0.5, 0.51] * 9}), adjusted="split"), "coarse") == []
    [row] = only(Bars(panel({"A": [0.5, 0.51] * 10}), adjusted="split"), "coarse")
    assert row[3] == "20 closes in steps of 0.01, which is up to 2.0% of 0.5"


@pytest.mark.parametrize(
    "columns",
    [{"A": [1.0]}, {"A": [NAN]}, {"A": [NAN] * 5}, {"A": [1.0, 1.3]}, {"A": [1.0, 1.1, 1.2], "B": [NAN] * 3}],
)
def test_nothing_to_find(columns: dict[str, list[float]]) -> None:
    nothing = panel({name: [NAN] * len(values) for name, values in columns.items()})
    found = quality(as_bars(panel(columns), open=nothing, high=nothing, low=nothing, volume=nothing))
    assert found.height == 0
    assert dict(found.schema) == SCHEMA


def test_a_flat_symbol_is_stale_or_back_filled_and_nothing_else() -> None:
    assert quality(as_bars(panel({"A": [3.0] * 10})))["rule"].to_list() == ["stale"]
    assert quality(as_bars(panel({"A": [3.0] * 40})))["rule"].to_list() == ["back_filled"]


def test_not_bars() -> None:
    with pytest.raises(KindError, match="`bars` must be Bars, received Panel"):
        quality(panel({"A": [1.0]}))  # type: ignore[arg-type]


def test_adjusted_closes_of_other_labels() -> None:
    bars = as_bars(panel({"A": [1.0, 1.1]}))
    with pytest.raises(LabelError, match="`adj_close` and the bars differ in symbols: position 0 holds B"):
        quality(bars, adj_close=panel({"B": [1.0, 1.1]}))
    with pytest.raises(LabelError, match="`adj_close` and the bars differ in dates"):
        quality(bars, adj_close=panel({"A": [1.0, 1.1]}, start="2024-03-05"))


def test_findings_are_sorted() -> None:
    bars = as_bars(panel({"B": [10, 20, 10, 20, 10], "A": [10, NAN, 10, 20, 10]}))
    found = quality(bars).select("rule", "symbol", "date").rows()
    assert found == sorted(found)
    assert len(found) > 2


def test_the_docstring_lists_the_rules_with_their_severities() -> None:
    text = quality.__doc__ or ""
    series = {
        "forward_filled",
        "reference_dated",
        "zero_unknown",
        "unknown_adjusted",
        "members_without_bars",
    }  # of quality_of_series alone
    for name, rule in RULES.items():
        assert rule.severity in ("error", "warning", "info")
        line = f"    {name:<17} {rule.severity:<8} {rule.says}\n"
        assert (line in text) == (name not in series), name


prices = st.sampled_from([1.0, 1.0, 1.0, 1.25, 4.0, NAN])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(prices, prices), min_size=1, max_size=11))
def test_equals_plain_loops(rows: list[tuple[float, float]]) -> None:
    # Eleven bars are too few to say what is usual, so that the rules by size alone remain.
    close = panel({"A": [a for a, _ in rows], "B": [b for _, b in rows]})
    expected = []
    for n, name in enumerate(("A", "B")):
        x = [row[n] for row in rows]
        known = [t for t, price in enumerate(x) if not math.isnan(price)]
        for one, two in pairwise(known):
            if two - one > 1:
                expected.append(("gap", name, one + 1))
        if known and known[-1] < len(x) - 1:
            expected.append(("ends_early", name, known[-1]))
        if known and known[0] > 0:
            expected.append(("starts_late", name, known[0]))
        t = 0
        while t < len(x):
            end = t
            while end + 1 < len(x) and x[end + 1] == x[t]:
                end += 1
            if end - t + 1 >= 5:
                expected.append(("stale", name, t))
            t = end + 1
        for t in range(1, len(x) - 1):
            move = abs(x[t] - x[t - 1])
            if move >= 0.2 * x[t - 1] and abs(x[t + 1] - x[t - 1]) <= 0.25 * move:
                expected.append(("spike", name, t))
    dates = [day.astype(object) for day in close.dates]
    wanted = ("gap", "ends_early", "starts_late", "stale", "spike")
    found = quality(as_bars(close)).filter(pl.col("rule").is_in(wanted)).select("rule", "symbol", "date").rows()
    assert found == sorted((rule, name, dates[t]) for rule, name, t in expected)
