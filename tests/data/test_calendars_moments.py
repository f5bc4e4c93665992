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

from quantlab.core import InputError, KindError
from quantlab.data.calendars import Calendar
from quantlab.data.calendars._schedule import local_days

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
