"""Dates and numbers out of text: what is read, what is asked, and what is rejected by which rule."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import DataError, InputError
from quantlab.data.ingestion import _dates, _numbers
from quantlab.data.ingestion._layout import Layout


def parsed(*texts, **layout):
    return _dates.parse(pl.Series(texts, dtype=pl.String), Layout(**layout), "x.csv")


@pytest.mark.parametrize(
    "text",
    [
        "2014-06-09", "2014-6-9", "2014/06/09", "2014.06.09", "20140609", "09-Jun-2014", "9 Jun 2014", "9 June 2014",
        "Jun 09, 2014", "June 9, 2014", " 2014-06-09 ", "2014-06-09 00:00:00", "2014-06-09T00:00:00Z",
        "2014-06-09 00:00:00-04:00", "2014-06-09 16:00",
    ],
)  # fmt: skip
def test_a_date_that_can_be_read_one_way_is_read(text):
    found = parsed(text, text.replace("09", "10").replace("9", "10") if "16:00" in text else text)
    assert found.daily
    assert found.values[0] == date(2014, 6, 9)
    assert found.rules.to_list() == [None, None]


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["06/09/2014", "6/13/2014"], "%m/%d/%Y"),
        (["09.06.2014", "13.06.2014"], "%d.%m.%Y"),
        (["09-06-2014", "13-06-2014"], "%d-%m-%Y"),
    ],
)
def test_an_order_is_proved_by_a_day_above_12(texts, order):
    found = parsed(*texts)
    assert found.values.to_list() == [date(2014, 6, 9), date(2014, 6, 13)]
    assert found.says == f"{order}, proved by {texts[1]}"


def test_what_can_be_read_two_ways_is_never_guessed():
    with pytest.raises(
        DataError, match=r"x\.csv has dates like 06/09/2014, in which day and month cannot be told"
    ) as caught:
        parsed("06/09/2014", "07/09/2014")
    assert "--date-format" in caught.value.hint
    assert parsed("06/09/2014", date_format="%m/%d/%Y").values[0] == date(2014, 6, 9)
    assert parsed("06/09/2014", date_format="%d/%m/%Y").values[0] == date(2014, 9, 6)
    assert parsed("06/06/2014").values[0] == date(2014, 6, 6)


def test_two_orders_in_one_file_are_refused():
    with pytest.raises(DataError, match="mixes two orders of day and month: 13/06/2014 and 06/14/2014"):
        parsed("13/06/2014", "06/14/2014")


def test_in_a_mixed_file_each_date_must_prove_itself():
    found = parsed("2013-02-01", "2/13/2013", "2/1/2013", "2/2/2013", "31/31/2013", "soon", "", None)
    assert found.values.to_list() == [
        date(2013, 2, 1), date(2013, 2, 13), None, date(2013, 2, 2), None, None, None, None
    ]  # fmt: skip
    assert found.rules.to_list() == [
        None, None, "ambiguous_date", None, "not_a_date", "not_a_date", "not_a_date", "missing_date"
    ]  # fmt: skip
    told = parsed("2013-02-01", "2/13/2013", "2/1/2013", date_format="%m/%d/%Y")
    assert told.values.to_list() == [date(2013, 2, 1), date(2013, 2, 13), date(2013, 2, 1)]


@pytest.mark.parametrize(
    "text", ["6/9/14", "2014-02-30", "2014", "1402300800", "yesterday", "00/00/2014", "2014-13-01"]
)
def test_what_is_no_date_is_named(text):
    assert parsed(text, "2014-06-09").rules.to_list() == ["not_a_date", None]


def test_moments_need_a_zone_that_somebody_says():
    with pytest.raises(DataError, match=r"x\.csv has times without a time zone \(2014-06-09 09:30\)"):
        parsed("2014-06-09 09:30", "2014-06-09 09:31")
    found = parsed("2014-06-09 09:30", "2014-12-09 9:31:00.5", time_zone="America/New_York")
    assert found.values.to_list() == [datetime(2014, 6, 9, 13, 30), datetime(2014, 12, 9, 14, 31, 0, 500000)]
    aware = parsed("2014-06-09 09:30-04:00", "2014-06-09T13:31:00Z", "2014-06-09 15:32+0200")
    assert aware.values.to_list() == [datetime(2014, 6, 9, 13, 30 + minute) for minute in (0, 1, 2)]


def test_mixed_zones_are_refused():
    with pytest.raises(DataError, match=r"mixes times with a UTC offset \(2014-06-09 09:30-04:00\) and without"):
        parsed("2014-06-09 09:30-04:00", "2014-06-09 09:31")


def test_the_hour_that_the_clock_skips_is_no_moment_and_the_hour_that_comes_twice_is_the_first():
    found = parsed("2014-03-09 02:30", "2014-03-10", "2014-11-02 01:30", time_zone="America/New_York")
    assert found.rules.to_list() == ["no_such_time", "no_time", None]
    assert found.values[2] == datetime(2014, 11, 2, 5, 30)


def test_one_stamp_a_day_is_a_day():
    found = parsed("2014-06-09 16:00:00", "2014-06-10 16:00:00")
    assert found.values.to_list() == [date(2014, 6, 9), date(2014, 6, 10)]
    # Midnight in New York, written in UTC: winter and summer.
    alike = parsed("2014-01-02T05:00:00Z", "2014-06-09T04:00:00Z", time_zone="America/New_York")
    assert alike.values.to_list() == [date(2014, 1, 2), date(2014, 6, 9)]


@pytest.mark.parametrize(("form", "factor"), [("epoch_s", 1), ("epoch_ms", 1_000), ("epoch_us", 1_000_000)])
def test_counts_since_1970_are_read_when_told(form, factor):
    texts = [str(second * factor) for second in (1402320600, 1402320660)]
    found = parsed(*texts, "x", date_format=form)
    assert found.values.to_list() == [datetime(2014, 6, 9, 13, 30), datetime(2014, 6, 9, 13, 31), None]
    assert found.rules.to_list() == [None, None, "not_a_date"]


def test_typed_dates_keep_the_day_of_their_own_zone():
    tokyo = pl.Series([datetime(2014, 6, 9)]).dt.replace_time_zone("Asia/Tokyo")
    assert _dates.typed(tokyo, Layout(), "x").values.to_list() == [date(2014, 6, 9)]
    clock = pl.Series([datetime(2014, 6, 9, 9, 30), datetime(2014, 6, 9, 9, 31), None])
    with pytest.raises(DataError, match="without a time zone"):
        _dates.typed(clock, Layout(), "x")
    moments = _dates.typed(clock.dt.replace_time_zone("America/New_York"), Layout(), "x")
    assert moments.values[0] == datetime(2014, 6, 9, 13, 30)
    assert moments.rules.to_list() == [None, None, "missing_date"]


@pytest.mark.parametrize("texts", [[], [None], [""]])
def test_columns_without_any_date(texts):
    found = parsed(*texts)
    assert found.values.null_count() == len(texts)


DAYS = st.lists(st.dates(date(1990, 1, 1), date(2030, 1, 1)), min_size=1, max_size=30)


@given(DAYS, st.sampled_from(["%m/%d/%Y", "%d/%m/%Y"]))
def test_a_date_is_read_right_or_not_at_all(days, form):
    texts = [day.strftime(form) for day in days]
    try:
        found = parsed(*texts)
    except DataError:
        assert all(day.day <= 12 for day in days)
        return
    assert found.values.to_list() == days


@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)), min_size=2, max_size=20, unique=True))
def test_moments_in_utc_come_back(moments):
    moments = [moment.replace(microsecond=0) for moment in moments]
    texts = [f"{moment:%Y-%m-%dT%H:%M:%S}+00:00" for moment in moments]
    found = parsed(*texts)
    assert found.values.to_list() == ([moment.date() for moment in moments] if found.daily else moments)


def numbers(*texts, decimal=".", missing=()):
    values, bad = _numbers.numbers(pl.Series(texts, dtype=pl.String), decimal, missing)
    return values.to_list(), bad.to_list()


def test_numbers_as_vendors_write_them():
    texts = ["1.5", "-2", "1e3", "1,234.5", "12.3M", "900K", "1.2B", "$1,000", "1 234", "+7", ".5"]
    assert numbers(*texts)[0] == [1.5, -2, 1000, 1234.5, 12.3e6, 900e3, 1.2e9, 1000, 1234, 7, 0.5]
    assert numbers("9,5", "1.234,5", "1.234", "5", decimal=",")[0] == [9.5, 1234.5, 1234, 5]


def test_what_is_missing_is_missing_and_what_is_no_number_is_bad():
    assert numbers("", "-", "n/a", "NaN", "null", "-999", missing=("-999",)) == ([None] * 6, [False] * 6)
    values, bad = numbers("12,34", "(5)", "5%", "1.2.3", "x", "12.34")
    assert (values, bad) == ([None] * 5 + [12.34], [True] * 5 + [False])
    assert numbers("12.34", "9,5", decimal=",") == ([None, 9.5], [True, False])


def test_the_mark_before_decimals_is_proved_or_asked_for():
    mark = lambda *texts: _numbers.decimal_mark([pl.Series(texts)], None, "x.csv")  # noqa: E731
    assert mark("1.5", "2") == "."
    assert mark("1,5", "1,234") == ","
    assert mark("1,234.5", "1,234") == "."
    assert mark("1.234,5") == ","
    assert mark("1,234,567") == "."
    with pytest.raises(DataError, match=r"the comma may stand before decimals or between thousands"):
        mark("1,234", "5,678")
    with pytest.raises(DataError, match=r"with a decimal comma and .1,234\.5. with a decimal point"):
        mark("1,5", "1,234.5")
    assert _numbers.decimal_mark([pl.Series(["1,234"])], ",", "x") == ","


@given(st.lists(st.floats(0.0001, 1e9).map(lambda x: round(x, 4)), min_size=1))
def test_numbers_come_back(values):
    assert numbers(*[repr(value) for value in values])[0] == values
    assert numbers(*[f"{value:,.4f}" for value in values])[0] == pytest.approx(values, abs=1e-4)
    german = [f"{value:,.4f}".translate(str.maketrans(",.", ".,")) for value in values]
    assert numbers(*german, decimal=",")[0] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"columns": {"closing": "Last"}}, "`columns` names the field 'closing'"),
        ({"stamp": "middle"}, "`stamp` must be one of start end"),
        ({"decimal": ";"}, "`decimal` must be one of"),
        ({"separator": ";;"}, "`separator` must be one character"),
        ({"time_zone": "New York"}, "`time_zone` 'New York' is unknown"),
        ({"date_fmt": "%Y"}, "There is no option `date_fmt`"),
    ],
)
def test_an_impossible_layout_is_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        Layout.of(options)
