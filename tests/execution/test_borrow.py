"""Borrow: rates and supply as rows for the engine, against a plain walk through the table."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import Bars, DataError, InputError, KindError, LabelError, Panel
from quantlab.execution import Borrow, Costs

START = date(2024, 1, 1)
NAN, INF = np.nan, np.inf


def bars(T=4, symbols=("B", "A"), borrow=None):
    dates = [str(START + timedelta(days=t)) for t in range(T)]
    return Bars(Panel(np.full((T, len(symbols)), 10.0), dates, symbols), borrow=borrow, name="book")


def table(*rows, available=True):
    frame = pl.DataFrame(
        rows,
        schema={"symbol": pl.String, "date": pl.Date, "rate": pl.Float64, "available": pl.Float64},
        orient="row",
    )
    return frame if available else frame.drop("available")


def day(n):
    return START + timedelta(days=n)


def test_a_flat_rate_is_one_row():
    rate, available = Borrow(0.03).rows(bars())
    np.testing.assert_array_equal(rate, [[0.03, 0.03]])
    np.testing.assert_array_equal(available, [[INF, INF]])


def test_without_a_rate_nothing_is_known():
    rate, available = Borrow().rows(bars())
    np.testing.assert_array_equal(rate, [[NAN, NAN]])
    np.testing.assert_array_equal(available, [[INF, INF]])


def test_costs_without_borrow_are_free_whatever_the_data_say():
    rate, available = Costs().borrow_rows(bars(borrow=table(("A", day(0), 0.5, 0.0))))
    np.testing.assert_array_equal(rate, [[0.0, 0.0]])
    np.testing.assert_array_equal(available, [[INF, INF]])


def test_a_row_holds_from_its_date_until_the_next():
    data = table(
        ("A", day(1), 0.10, 500.0), ("A", day(3), 0.20, None), ("B", day(-5), 0.01, 9.0), ("B", day(2), None, 0.0)
    )
    rate, available = Borrow(0.03).rows(bars(borrow=data))
    # Columns in the order of the bars: B, A. Without a rate the default holds again; without a number any can be had.
    np.testing.assert_array_equal(rate, [[0.01, 0.03], [0.01, 0.10], [0.03, 0.10], [0.03, 0.20]])
    np.testing.assert_array_equal(available, [[9.0, INF], [9.0, 500.0], [0.0, 500.0], [0.0, INF]])
    rate, _ = Borrow().rows(bars(borrow=data))
    np.testing.assert_array_equal(rate, [[0.01, NAN], [0.01, 0.10], [NAN, 0.10], [NAN, 0.20]])


def test_a_row_between_two_bars_holds_from_the_later():
    sparse = Bars(
        Panel([[1.0], [1.0]], ["2024-01-05", "2024-01-08"], ["A"]), borrow=table(("A", date(2024, 1, 6), 0.2, None))
    )
    np.testing.assert_array_equal(Borrow(0.1).rows(sparse)[0], [[0.1], [0.2]])


def test_the_last_of_several_rows_before_a_bar_wins():
    sparse = Bars(
        Panel([[1.0], [1.0]], ["2024-01-05", "2024-01-08"], ["A"]),
        borrow=table(("A", date(2024, 1, 7), 0.3, None), ("A", date(2024, 1, 6), 0.2, None)),
    )
    np.testing.assert_array_equal(Borrow(0.1).rows(sparse)[0], [[0.1], [0.3]])


def test_sessions_decide_where_a_day_begins():
    times = np.array(["2024-01-02T23:30", "2024-01-03T00:30"], dtype="datetime64[us]")
    asia = Bars(Panel([[1.0], [1.0]], times, ["A"]), borrow=table(("A", date(2024, 1, 3), 0.2, None)))
    np.testing.assert_array_equal(Borrow(0.1).rows(asia)[0], [[0.1], [0.2]])
    sessions = np.array(["2024-01-03", "2024-01-03"], dtype="datetime64[D]")
    np.testing.assert_array_equal(Borrow(0.1).rows(asia, sessions)[0], [[0.2]])
    np.testing.assert_array_equal(Costs(borrow=Borrow(0.1)).borrow_rows(asia, sessions)[0], [[0.2]])


def test_one_row_when_nothing_changes():
    rate, available = Borrow(0.03).rows(bars(borrow=table(("A", day(-9), 0.1, 7.0))))
    assert rate.shape == available.shape == (1, 2)
    np.testing.assert_array_equal(rate, [[0.03, 0.1]])


def test_a_table_without_available_limits_nothing():
    rate, available = Borrow(0.03).rows(bars(borrow=table(("A", day(1), 0.1, 7.0), available=False)))
    assert rate.shape == (4, 2)
    np.testing.assert_array_equal(available, [[INF, INF]])


def test_a_panel_of_rates_is_the_default():
    dates = [str(day(t)) for t in range(-1, 5)]
    values = np.arange(18.0).reshape(6, 3) / 100
    values[2, 0] = NAN
    rate, _ = Borrow(Panel(values, dates, ["A", "C", "B"])).rows(bars(borrow=table(("B", day(3), 0.5, None))))
    np.testing.assert_array_equal(rate, [[0.05, 0.03], [0.08, NAN], [0.11, 0.09], [0.5, 0.12]])


@pytest.mark.parametrize(
    ("rate", "sentence"),
    [
        (Panel([[0.1]], [str(START)], ["A"]), "Borrow rate has no column B"),
        (Panel([[0.1, 0.1]] * 2, ["2024-01-01", "2024-01-02"], ["A", "B"]), r"no row of 2024-01-03 and 1 more\."),
        (Panel([[0.1, 0.1]], np.array(["2024-01-01T10:00"], dtype="datetime64[us]"), ["A", "B"]), "datetime64"),
    ],
)
def test_a_panel_has_the_labels_of_the_bars(rate, sentence):
    with pytest.raises(LabelError, match=sentence):
        Borrow(rate).rows(bars())


@pytest.mark.parametrize("bad", [-0.01, INF])
def test_a_rate_of_a_panel_is_not_negative(bad):
    with pytest.raises(InputError, match=r"^Borrow rate of B 2024-01-02 and 1 more is .*; it must be zero or more"):
        Borrow(Panel([[0.1, 0.1], [0.1, bad], [bad, 0.1]], ["2024-01-01", "2024-01-02", "2024-01-03"], ["A", "B"]))


@pytest.mark.parametrize(("column", "row"), [("rate", (-0.1, 1.0)), ("available", (0.1, -1.0)), ("rate", (INF, 1.0))])
def test_borrow_data_are_not_negative(column, row):
    data = table(("A", day(0), 0.1, 1.0), ("B", day(1), *row), ("A", day(2), *row))
    with pytest.raises(
        DataError, match=rf"^The borrow data of book give B from 2024-01-02 on and 1 more a {column} of"
    ):
        Borrow(0.1).rows(bars(borrow=data))


def test_words_and_kinds():
    with pytest.raises(InputError, match=r"^Borrow convention must be \"mark\" or \"dealer\", received 'broker'"):
        Borrow(0.1, convention="broker")
    with pytest.raises(KindError, match="Borrow recall must be True or False, received int"):
        Borrow(0.1, recall=1)
    for days in (0, -360):
        with pytest.raises(InputError, match=r"Borrow day_count must be .* \(days of a year\)"):
            Borrow(0.1, day_count=days)
    with pytest.raises(TypeError):
        Borrow(0.1, "dealer")  # everything after the rate is named


def test_the_numbers_of_the_engine():
    free = Costs().numbers()
    assert (free["dealer"], free["recall"], free["borrow_days"]) == (0, 0, 360.0)
    dealer = Costs(borrow=Borrow(0.1, convention="dealer", recall=True, day_count=365)).numbers()
    assert (dealer["dealer"], dealer["recall"], dealer["borrow_days"]) == (1, 1, 365.0)


ROWS = st.lists(
    st.tuples(
        st.sampled_from("ABC"),
        st.integers(-3, 8),
        st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3])),
        st.one_of(st.none(), st.sampled_from([0.0, 5.0])),
    ),
    max_size=12,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.lists(st.integers(1, 3), min_size=1, max_size=6), st.permutations("ABC"))
def test_rows_equal_a_plain_walk(rows, steps, symbols):
    offsets = np.cumsum(steps)
    dates = [day(int(n)) for n in offsets]
    data = table(*((name, day(n), rate, left) for name, n, rate, left in rows))
    book = Bars(Panel(np.ones((len(dates), 3)), [str(d) for d in dates], symbols), borrow=data)
    rate, available = (np.broadcast_to(found, book.shape) for found in Borrow(0.07).rows(book))
    for t, today in enumerate(dates):
        for i, name in enumerate(symbols):
            known = sorted((day(n), r, a) for s, n, r, a in rows if s == name and day(n) <= today)
            r, a = (known[-1][1], known[-1][2]) if known else (None, None)
            assert rate[t, i] == (0.07 if r is None else r)
            assert available[t, i] == (INF if a is None else a)


@pytest.mark.parametrize("rate", [25.0, 10.01])
def test_a_rate_in_percent_is_refused(rate):
    with pytest.raises(InputError, match=r"Borrow rate must be at most 10 \(a fraction per year\), received") as caught:
        Borrow(rate)
    assert caught.value.hint == "write 0.25 for 25 % a year."
    assert Borrow(10.0).rate == 10.0


def test_a_panel_in_percent_is_refused_by_the_median_of_what_is_known():
    days = bars().dates
    percent = Panel([[25.0, NAN], [30.0, NAN], [0.5, NAN], [25.0, NAN]], days, ("B", "A"))
    with pytest.raises(InputError, match="must be fractions per year, received a Panel with a median of 25") as caught:
        Borrow(percent)
    assert "divide percent by 100" in caught.value.hint
    # A squeeze of days is no slip, and what nobody knows is none either.
    squeeze = Panel([[25.0, NAN], [0.1, 0.1], [0.1, NAN], [0.1, NAN]], days, ("B", "A"))
    assert Borrow(squeeze).rows(bars())[0][0, 0] == 25.0
    assert np.isnan(Borrow(percent * NAN).rows(bars())[0]).all()
