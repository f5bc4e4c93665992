"""Each rule on a case by hand, the runs and spikes against plain loops, and the corner table."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import Bars, Frequency, KindError, Panel, as_bars
from quantlab.data import quality

NAN = math.nan
XNYS = Frequency.daily("XNYS")
SCHEMA = {"rule": pl.String, "symbol": pl.String, "date": pl.Date, "severity": pl.String, "detail": pl.String}


def panel(columns: dict[str, list[float]], start: str = "2024-03-04", frequency: Frequency | None = None) -> Panel:
    values = np.array(list(columns.values()), dtype=float).T
    dates = np.datetime64(start) + np.arange(len(values))
    return Panel(values, dates, list(columns), frequency=frequency)


def only(bars: Bars, rule: str) -> list[tuple]:
    return quality(bars).filter(rule=rule).select("symbol", "date", "severity", "detail").rows()


def test_missing_and_odd_sessions() -> None:
    # Thursday 28 March 2024, then Good Friday (no session), and Tuesday: Monday's session is missing.
    dates = ["2024-03-28", "2024-03-29", "2024-04-02"]
    close = Panel([[1.0, NAN], [1.5, NAN], [1.2, 2.0]], dates, ["A", "B"], frequency=XNYS)
    assert quality(as_bars(close)).rows() == [
        ("missing_session", None, date(2024, 4, 1), "warning", "no bar on this session"),
        ("no_session", None, date(2024, 3, 29), "warning", "1 closes on a day without a session"),
        ("starts_late", "B", date(2024, 4, 2), "info", "first close 2 bars after the start"),
    ]


def test_no_calendar_no_session_rules() -> None:
    close = Panel([[1.0], [1.5]], ["2024-03-29", "2024-04-09"], ["A"], frequency=Frequency(252))
    assert quality(as_bars(close)).height == 0


def test_intraday_bars_have_no_session_rules() -> None:
    times = np.array(["2024-03-29T15:30", "2024-04-09T15:30"], dtype="datetime64[us]")
    assert quality(as_bars(Panel([[1.0], [1.5]], times, ["A"], frequency=XNYS))).height == 0


def test_gap() -> None:
    bars = as_bars(panel({"A": [NAN, 1, NAN, NAN, 2, NAN, 3], "B": [NAN] * 7, "C": [1, 2, 3, NAN, NAN, NAN, NAN]}))
    assert only(bars, "gap") == [
        ("A", date(2024, 3, 6), "warning", "no close on 2 bars"),
        ("A", date(2024, 3, 9), "warning", "no close on 1 bar"),
    ]


def test_ends_early_and_starts_late() -> None:
    full = [float(n) for n in range(1, 31)]
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
    assert only(bars, "ends_early") == [
        ("brief", date(2024, 4, 1), "warning", "last close 1 bar before the end"),
        ("gone", date(2024, 3, 8), "warning", "last close 25 bars before the end"),
    ]
    assert only(bars, "starts_late") == [
        ("brief", date(2024, 3, 6), "info", "first close 2 bars after the start"),
        ("new", date(2024, 3, 5), "info", "first close 1 bar after the start"),
    ]
    assert only(bars, "gap") == [("brief", date(2024, 3, 8), "warning", "no close on 1 bar")]


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


def test_zero_volume() -> None:
    bars = as_bars(panel({"A": [1, 2, 3, NAN]}), volume=panel({"A": [5, 0, 0, 0]}))
    assert only(bars, "zero_volume") == [("A", date(2024, 3, 5), "info", "no volume on 2 bars")]


@pytest.mark.parametrize(
    "columns",
    [{"A": [1.0]}, {"A": [NAN]}, {"A": [NAN] * 5}, {"A": [1.0, 2.0]}, {"A": [1.0, 1.1, 1.2], "B": [NAN] * 3}],
)
def test_nothing_to_find(columns: dict[str, list[float]]) -> None:
    found = quality(as_bars(panel(columns), volume=panel({name: [NAN] * len(v) for name, v in columns.items()})))
    assert found.height == 0
    assert dict(found.schema) == SCHEMA


def test_not_bars() -> None:
    with pytest.raises(KindError, match="`bars` must be Bars, received Panel"):
        quality(panel({"A": [1.0]}))  # type: ignore[arg-type]


def test_findings_are_sorted() -> None:
    bars = as_bars(panel({"B": [10, 20, 10, 20, 10], "A": [10, NAN, 10, 20, 10]}))
    found = quality(bars).select("rule", "symbol", "date").rows()
    assert found == sorted(found)
    assert len(found) > 2


prices = st.sampled_from([1.0, 1.0, 1.0, 1.25, 4.0, NAN])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(prices, prices), min_size=1, max_size=24))
def test_equals_plain_loops(rows: list[tuple[float, float]]) -> None:
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
    found = quality(as_bars(close)).select("rule", "symbol", "date").rows()
    assert found == sorted((rule, name, dates[t]) for rule, name, t in expected)
