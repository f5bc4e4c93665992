"""Moments and the sessions that hold them: time zones, both ends of a bar, breaks, nights."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import Frequency, InputError, KindError, Panel
from quantlab.data.calendars import Calendar, _parts
from quantlab.data.calendars._schedule import FLOORS, Schedule, local_days

NEW_YORK, TOKYO = Calendar("XNYS"), Calendar("XTKS")


def utc(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


class TestInSession:
    def test_both_ends(self) -> None:
        moments = utc("2024-11-29T14:30", "2024-11-29T14:31", "2024-11-29T18:00", "2024-11-29T18:01")
        assert NEW_YORK.in_session(moments).tolist() == [False, True, True, False]
        assert NEW_YORK.in_session(moments, stamp="start").tolist() == [True, True, False, False]

    def test_lunch_in_tokyo(self) -> None:
        moments = utc("2024-11-01T02:30", "2024-11-01T02:31", "2024-11-01T03:30", "2024-11-01T03:31")
        assert TOKYO.in_session(moments).tolist() == [True, False, False, True]
        assert TOKYO.in_session(moments, stamp="start").tolist() == [False, False, True, True]
        assert TOKYO.session_of(moments, outside="none").astype(str).tolist() == ["2024-11-01"] * 4

    def test_parts(self) -> None:
        moments = utc("2024-11-29T15:00", "2024-11-29T15:01", "2024-11-29T17:30", "2024-11-29T17:31")
        assert NEW_YORK.in_session(moments, part="first 30 minutes").tolist() == [True, False, False, False]
        assert NEW_YORK.in_session(moments, part="last 30 minutes").tolist() == [False, False, False, True]
        assert NEW_YORK.in_session(moments, part="15:00-15:30").tolist() == [False] * 4

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library on a coming pandas
    @pytest.mark.parametrize("code", ["XNYS", "XTKS", "XHKG", "CMES"])
    def test_every_minute_of_two_weeks_is_as_in_the_library(self, code: str) -> None:
        # Thanksgiving 2024, and Christmas 2023 with Hong Kong's half day after it.
        for first, last in (("2024-11-25", "2024-12-02"), ("2023-12-22", "2023-12-29")):
            minutes = np.arange(np.datetime64(first, "m"), np.datetime64(last, "m")).astype("datetime64[us]")
            for side, stamp in (("right", "end"), ("left", "start")):
                market = exchange_calendars.get_calendar(code, start="2023-01-01", end="2025-12-31", side=side)
                expected = np.isin(minutes, market.minutes.tz_convert(None).to_numpy().astype("datetime64[us]"))
                assert expected.any()
                np.testing.assert_array_equal(Calendar(code).in_session(minutes, stamp=stamp), expected)

    def test_nothing_and_one(self) -> None:
        assert NEW_YORK.in_session([]).shape == (0,)
        assert NEW_YORK.in_session(np.datetime64("2024-11-29T15:00")) == True  # noqa: E712  # a NumPy bool
        assert NEW_YORK.in_session(utc("2024-11-29T15:00").reshape(1, 1)).shape == (1, 1)


class TestSessionOf:
    def test_nights_and_weekends(self) -> None:
        moments = utc("2024-03-28T20:00", "2024-03-28T20:01", "2024-03-30T12:00", "2024-04-01T13:30")
        assert NEW_YORK.session_of(moments).astype(str).tolist() == ["2024-03-28", *["2024-04-01"] * 3]
        found = NEW_YORK.session_of(moments, outside="previous").astype(str).tolist()
        assert found == ["2024-03-28"] * 4
        assert NEW_YORK.session_of(moments, outside="none").astype(str).tolist() == ["2024-03-28", "NaT", "NaT", "NaT"]

    def test_an_instant_at_the_close_belongs_to_the_next_session(self) -> None:
        close = np.datetime64("2024-03-28T20:00")
        assert NEW_YORK.session_of(close, stamp="start") == np.datetime64("2024-04-01")
        assert NEW_YORK.session_of(close) == np.datetime64("2024-03-28")

    def test_sessions_without_a_gap(self) -> None:
        # The day of 24/7 ends where the next begins: midnight as the end of a bar belongs to the day before.
        always, midnight = Calendar("24/7"), np.datetime64("2024-03-29T00:00")
        assert always.session_of(midnight) == np.datetime64("2024-03-28")
        assert always.session_of(midnight, stamp="start") == np.datetime64("2024-03-29")
        assert always.session_of(midnight, outside="previous") == np.datetime64("2024-03-28")

    def test_session_at(self) -> None:
        assert NEW_YORK.session_at(datetime(2024, 11, 29, 18, tzinfo=UTC)) == np.datetime64("2024-11-29")
        assert NEW_YORK.session_at(datetime(2024, 11, 29, 18, 1, tzinfo=UTC)) is None
        assert Calendar("CMES").session_at(np.datetime64("2024-01-15T23:30")) == np.datetime64("2024-01-16")
        with pytest.raises(KindError, match="`moment` must be one moment, received 2"):
            NEW_YORK.session_at(utc("2024-11-29T15:00", "2024-11-29T16:00"))

    @given(
        st.datetimes(datetime(2000, 1, 1), datetime(2025, 12, 31)),
        st.sampled_from(["XNYS", "XTKS", "CMES", "24/7"]),
        st.sampled_from(["end", "start"]),
    )
    def test_the_next_session_is_the_first_at_whose_close_it_is_known(self, moment, code, stamp) -> None:
        exchange, at = Calendar(code), np.datetime64(moment)
        found = exchange.session_of(at, stamp=stamp)
        closes = exchange.windows(str(found - np.timedelta64(10, "D")), str(found)).select("session", "close")
        before, own = closes["close"].dt.replace_time_zone(None).to_numpy()[-2:]
        assert closes["session"][-1] == found.item()
        assert (before < at <= own) if stamp == "end" else (before <= at < own)

    def test_other_words_are_refused(self) -> None:
        with pytest.raises(InputError, match='`outside` must be "next", "previous" or "none", received \'nearest\''):
            NEW_YORK.session_of(utc("2024-03-28T20:00"), outside="nearest")
        with pytest.raises(InputError, match='`stamp` must be "end" or "start", received \'middle\''):
            NEW_YORK.in_session(utc("2024-03-28T20:00"), stamp="middle")


class TestTheDoor:
    def test_time_zones_are_equal_moments(self) -> None:
        local = datetime(2024, 3, 28, 16, 0, tzinfo=ZoneInfo("America/New_York"))
        for moments in (
            [local, local.astimezone(UTC), local.astimezone(timezone(timedelta(hours=9)))],
            pl.Series([local, local, local]),
            np.array(["2024-03-28T20:00:00"] * 3, dtype="datetime64[ns]"),
        ):
            assert NEW_YORK.session_of(moments).astype(str).tolist() == ["2024-03-28"] * 3

    @pytest.mark.parametrize(
        ("moments", "sentence"),
        [
            (datetime(2024, 3, 28, 16), "`moments` has a clock time without a time zone: 2024-03-28 16:00:00"),
            ([datetime(2024, 3, 28, 16)], "without a time zone"),
            (pl.Series([datetime(2024, 3, 28, 16)]), "clock times without a time zone"),
            (pl.Series([date(2024, 3, 28)]), "must be moments with a clock time, received 2024-03-28"),
            (date(2024, 3, 28), "must be moments with a clock time, received 2024-03-28"),
            (np.datetime64("2024-03-28"), "must be moments with a clock time, received 2024-03-28"),
            ("2024-03-28 16:00", "must be moments with a clock time, received '2024-03-28 16:00'"),
            (1711656000, "must be moments with a clock time, received 1711656000"),
        ],
    )
    def test_what_has_no_zone_or_no_clock_is_refused(self, moments: object, sentence: str) -> None:
        with pytest.raises(KindError, match=sentence):
            NEW_YORK.session_of(moments)

    def test_a_missing_moment_is_refused(self) -> None:
        with pytest.raises(InputError, match="`moments` has a missing moment"):
            NEW_YORK.session_of(utc("2024-03-28T20:00", "NaT"))


def test_local_days() -> None:
    moments = utc("2024-03-28T20:00", "2024-03-29T00:00", "2024-03-29T04:00", "2024-03-29T04:00:01")
    assert local_days(moments, "XNYS").astype(str).tolist() == [*["2024-03-28"] * 3, "2024-03-29"]
    assert local_days(moments, None).astype(str).tolist() == ["2024-03-28", "2024-03-28", "2024-03-29", "2024-03-29"]
    assert local_days(moments[:0], "XNYS").shape == (0,)


# What is refused, and edges


def test_a_start_exactly_at_an_open_belongs_to_that_session_and_an_end_to_the_one_before():
    opened = np.datetime64("2024-03-28T13:30")
    for stamp, expected in (("start", "2024-03-28"), ("end", "2024-03-27")):
        assert Calendar("XNYS").session_of(opened, outside="previous", stamp=stamp) == np.datetime64(expected)


def test_a_part_within_the_hour_that_comes_twice_takes_the_first_time():
    # New York put its clocks back at 02:00 on 2024-11-03: 01:30 was at 05:30 and at 06:30 UTC.
    moment = np.array(["2024-11-03T04:00", "2024-11-04T05:00"], dtype="datetime64[us]")
    day = np.array(["2024-11-03"], dtype="datetime64[D]")
    none, no_day = np.full(1, np.datetime64("NaT"), "datetime64[us]"), day[:0]
    numbers = (np.zeros(1, bool), np.full(1, 1500.0))
    plan = Schedule("America/New_York", day[0], day[0], day, moment[:1], moment[1:], none, none, *numbers, no_day, ())
    for part, begin, end in (
        ("01:30-02:30", "2024-11-03T05:30", "2024-11-03T07:30"),
        ("00:30-01:30", "2024-11-03T04:30", "2024-11-03T05:30"),
    ):
        found = _parts.bounds(plan, slice(None), part)
        assert [moments[0] for moments in found] == [np.datetime64(begin, "us"), np.datetime64(end, "us")]


@pytest.mark.parametrize("part", ["10:00-10:00", "15:00-10:00", "00:01-00:01"])
def test_a_part_that_ends_before_it_begins_is_refused(part):
    with pytest.raises(InputError, match=r"ends (when|before) it begins"):
        Calendar("XNYS").windows("2024-01-02", "2024-01-03", part=part)


def test_a_part_over_midnight_is_legal_where_sessions_go_on():
    found = Calendar("CMES").windows("2024-01-03", "2024-01-03", part="23:00-01:00")
    assert found["minutes"].to_list() == [120.0]
    whole = Calendar("24/7").windows("2024-01-03", "2024-01-03", part="22:00-00:00")
    assert whole["minutes"].to_list() == [120.0]


def test_huge_numbers_are_all_there_is():
    windows = Calendar("XNYS").windows("2024-01-02", "2024-01-02", part=f"first {10**20} minutes")
    assert windows["minutes"].to_list() == [390.0]
    data = Panel([[1.0], [np.nan]], ["2024-01-02", "2024-01-03"], ["A"], frequency=Frequency.daily("XNYS"))
    assert Calendar("XNYS").known_at_close(data, max_age=10**30).values[:, 0].tolist() == [1.0, 1.0]


def test_ragged_lists_are_refused():
    with pytest.raises(InputError, match="`days` must be one value or a list of them"):
        Calendar("XNYS").next_session([["2024-01-01"], ["2024-01-01", "2024-01-02"]])


def test_new_york_is_known_since_it_gave_up_saturdays():
    first = FLOORS["XNYS"]
    calendar = Calendar("XNYS")
    assert calendar.is_session(first)
    assert first.astype(object).weekday() == 0
    data = Panel([[1.0]], ["1952-09-26"], ["A"])
    for ask in (
        lambda: calendar.is_session("1952-09-26"),
        lambda: calendar.sessions("1929-10-24", "1960-01-04"),
        lambda: calendar.session_of(np.datetime64("1952-09-26T15:00")),
        lambda: calendar.known_at_close(data, max_age=1, source="24/7"),
    ):
        with pytest.raises(InputError, match="sessions of calendar 'XNYS' are known from 1952-09-29 on, received"):
            ask()
