"""Fees: rows by date, and the US table against what brokers and notices said at the time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from quantlab.core import InputError, KindError
from quantlab.execution import Costs, Fees, us_equity_fees

ROW = ("2024-01-01", 8e-6, 0.000166, 8.30, 0.0)


def days(*texts):
    return np.array(texts, dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("day", "per_million", "per_share", "most"),
    [
        ("2008-04-01", 5.6, 0.000075, 3.75),  # FINRA information notice 3/10/08, regulatory notice 11-27
        ("2010-01-14", 25.7, 0.000075, 3.75),  # SEC press release 2009-270: until 2010-01-15
        ("2010-01-15", 12.7, 0.000075, 3.75),
        ("2010-04-01", 16.9, 0.000075, 3.75),
        ("2011-06-30", 19.2, 0.000075, 3.75),
        ("2011-07-01", 19.2, 0.000090, 4.50),  # regulatory notice 11-27
        ("2012-02-29", 18.0, 0.000090, 4.50),
        ("2012-03-01", 18.0, 0.000095, 4.75),  # regulatory notice 12-06
        ("2012-11-15", 22.4, 0.000119, 5.95),  # SEC press release 2012-232
        ("2014-03-17", 17.4, 0.000119, 5.95),  # FINRA information notice 3/3/14
        ("2014-03-18", 22.1, 0.000119, 5.95),
        ("2016-02-25", 21.8, 0.000119, 5.95),  # FINRA information notice 3/15/16
        ("2018-05-21", 23.1, 0.000119, 5.95),  # fee rate advisory 3 for 2018
        ("2018-05-22", 13.0, 0.000119, 5.95),
        ("2019-04-15", 13.0, 0.000119, 5.95),  # fee rate advisory 2 for 2019
        ("2019-04-16", 20.7, 0.000119, 5.95),
        ("2020-02-18", 22.1, 0.000119, 5.95),
        ("2021-02-24", 22.1, 0.000119, 5.95),  # fee rate advisory 2 for 2021
        ("2021-02-25", 5.1, 0.000119, 5.95),
        ("2023-02-26", 22.9, 0.000145, 7.27),  # release 34-96724
        ("2023-02-27", 8.0, 0.000145, 7.27),
        ("2024-05-21", 8.0, 0.000166, 8.30),  # fee rate advisory 2 for 2024
        ("2024-05-22", 27.8, 0.000166, 8.30),
        ("2025-05-13", 27.8, 0.000166, 8.30),  # FINRA information notice 4/24/25
        ("2025-05-14", 0.0, 0.000166, 8.30),
        ("2026-04-03", 0.0, 0.000195, 9.79),  # SR-FINRA-2024-019
        ("2026-04-04", 20.6, 0.000195, 9.79),  # release 34-104909
        ("2026-10-01", 20.6, 0.0, 0.0),  # SR-FINRA-2026-021
        ("2026-12-31", 20.6, 0.0, 0.0),
        ("2027-01-01", 20.6, 0.000195, 9.79),
    ],
)
def test_us_equity_fees_on_the_days_around_a_change(day, per_million, per_share, most):
    np.testing.assert_allclose(
        us_equity_fees().table(days(day)), [[per_million / 1e6, per_share, most, 0.0]], rtol=1e-15
    )


def test_us_equity_fees_change_thirty_times_and_say_each_once():
    rows = us_equity_fees().rows
    assert len(rows) == 30
    assert all(before[1:] != after[1:] for before, after in pairwise(rows))


def test_the_row_in_force_is_the_last_that_is_not_later():
    fees = Fees([ROW, ("2024-05-22", 27.8e-6, 0.0, None, 0.001)])
    found = fees.table(days("2024-01-01", "2024-05-21", "2024-05-22", "2030-01-01"))
    np.testing.assert_array_equal(found[:, 0], [8e-6, 8e-6, 27.8e-6, 27.8e-6])
    np.testing.assert_array_equal(found[:, 2], [8.30, 8.30, np.inf, np.inf])
    np.testing.assert_array_equal(found[2], [27.8e-6, 0.0, np.inf, 0.001])


def test_one_row_when_nothing_changes():
    assert Fees([ROW]).table(days("2024-01-01", "2024-01-02", "2025-01-02")).shape == (1, 4)
    assert us_equity_fees().table(days("2024-06-03", "2024-06-04")).shape == (1, 4)


def test_times_count_by_their_day():
    times = np.array(["2024-05-21T23:59", "2024-05-22T00:00"], dtype="datetime64[us]")
    fees = Fees([ROW, ("2024-05-22", 0.5, 0.0, None, 0.0)])
    np.testing.assert_array_equal(fees.table(times)[:, 0], [8e-6, 0.5])


def test_before_the_first_row_nothing_is_guessed():
    with pytest.raises(
        InputError, match=r"^Fees begins on 2024-01-01 and says nothing of 2023-12-28 and 1 more\."
    ) as e:
        Fees([ROW]).table(days("2023-12-28", "2023-12-29", "2024-01-02"))
    assert "Fees([(...), *fees.rows])" in e.value.hint
    Fees([("1990-01-01", 33.3e-6, 0, 0, 0), *us_equity_fees().rows]).table(days("1995-01-03"))


def test_no_fees_are_zero():
    np.testing.assert_array_equal(Costs().fee_rows(days("2024-01-02")), [[0.0, 0.0, np.inf, 0.0]])


@pytest.mark.parametrize("rows", [[], (), None, ROW, "2024"])
def test_rows_are_a_list_of_rows(rows):
    with pytest.raises(KindError, match="Fees"):
        Fees(rows)


@pytest.mark.parametrize(
    ("row", "error", "sentence"),
    [
        (ROW[:4], KindError, r"A row of Fees must be \(date, on_sales"),
        (("2024-01", 0, 0, 0, 0), KindError, "A date of Fees must be days or times, received 2024-01"),
        (("2024-01-01", 1.0, 0, 0, 0), InputError, "on_sales from 2024-01-01 on is a fraction below 1, received 1"),
        (("2024-01-01", -1e-6, 0, 0, 0), InputError, r"on_sales from 2024-01-01 on must be zero or more \(a fraction"),
        (("2024-01-01", None, 0, 0, 0), KindError, "on_sales from 2024-01-01 on must be a number"),
        (("2024-01-01", 0, float("nan"), 0, 0), InputError, "per_share_sold from 2024-01-01 on must be zero or more"),
        (("2024-01-01", 0, 0, -5, 0), InputError, r"maximum_per_order .* \(currency per order\), received -5"),
        (("2024-01-01", 0, 0, 0, "x"), KindError, "per_share_all from 2024-01-01 on must be a number"),
    ],
)
def test_a_row_is_checked(row, error, sentence):
    with pytest.raises(error, match=sentence):
        Fees([row])


@pytest.mark.parametrize("second", ["2024-01-01", "2023-06-01"])
def test_dates_increase(second):
    with pytest.raises(InputError, match=rf"^The dates of Fees must increase: {second} follows 2024-01-01\.$"):
        Fees([ROW, (second, 0, 0, 0, 0)])
