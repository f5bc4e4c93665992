"""Sessions, holidays, early closes and hours of exchanges, against facts and the library's own answers."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time

import exchange_calendars
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError, periods
from quantlab.data.calendars import Calendar
from quantlab.data.calendars import _schedule as schedules

NEW_YORK = Calendar("XNYS")


def d(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


class TestSessions:
    def test_easter_2024(self) -> None:
        found = NEW_YORK.sessions("2024-03-27", "2024-04-02")
        assert found.astype(str).tolist() == ["2024-03-27", "2024-03-28", "2024-04-01", "2024-04-02"]
        assert found.dtype == np.dtype("datetime64[D]")

    def test_the_days_after_the_attacks(self) -> None:
        days = [f"2001-09-{day}" for day in range(10, 18)]
        assert NEW_YORK.is_session(days).tolist() == [True, *[False] * 6, True]

    def test_an_empty_span_of_holidays(self) -> None:
        assert NEW_YORK.sessions("2024-03-29", "2024-03-31").size == 0

    def test_every_day_is_a_session_around_the_clock(self) -> None:
        always = Calendar("24/7")
        assert always.sessions("2024-02-28", "2024-03-01").size == 3
        assert always.next_session("2024-12-31") == d("2025-01-01")
        assert always.zone == "UTC"
        assert always.holidays("2024-01-01", "2024-12-31").height == 0
        assert always.early_closes("2024-01-01", "2024-12-31").height == 0

    def test_sessions_are_those_of_core(self) -> None:
        for code in ("XNYS", "XLON", "XTKS", "24/7"):
            expected = periods.sessions(code, d("2019-12-20"), d("2020-01-10"))
            np.testing.assert_array_equal(Calendar(code).sessions("2019-12-20", "2020-01-10"), expected)

    def test_the_library_builds_each_calendar_once(self) -> None:
        # The calendar that core asked for is the one whose hours are read: no second one of the same decades.
        schedules._built.cache_clear()
        built = []
        factory = exchange_calendars.calendar_utils.global_calendar_dispatcher
        original = type(factory)._fabricate

        def counted(self, name, **arguments):
            built.append(name)
            return original(self, name, **arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(factory), "_fabricate", counted)
            periods._decades.cache_clear()
            periods.sessions("XMEX", d("2013-01-01"), d("2014-01-01"))
            Calendar("XMEX").windows("2013-01-01", "2014-01-01")
            Calendar("XMEX").early_closes("2015-01-01", "2015-02-01")
        assert built == ["XMEX"]

    def test_what_is_returned_can_be_changed_without_harm(self) -> None:
        found = NEW_YORK.sessions("2024-03-27", "2024-04-02")
        found[0] = d("1999-01-01")
        assert NEW_YORK.sessions("2024-03-27", "2024-04-02")[0] == d("2024-03-27")


class TestNeighbors:
    @pytest.mark.parametrize(
        ("day", "next_", "previous", "or_after", "or_before"),
        [
            ("2024-03-28", "2024-04-01", "2024-03-27", "2024-03-28", "2024-03-28"),
            ("2024-03-29", "2024-04-01", "2024-03-28", "2024-04-01", "2024-03-28"),
            ("2024-03-30", "2024-04-01", "2024-03-28", "2024-04-01", "2024-03-28"),
            ("2024-04-01", "2024-04-02", "2024-03-28", "2024-04-01", "2024-04-01"),
            ("2001-09-11", "2001-09-17", "2001-09-10", "2001-09-17", "2001-09-10"),
        ],
    )
    def test_by_hand(self, day: str, next_: str, previous: str, or_after: str, or_before: str) -> None:
        assert NEW_YORK.next_session(day) == d(next_)
        assert NEW_YORK.previous_session(day) == d(previous)
        assert NEW_YORK.session_on_or_after(day) == d(or_after)
        assert NEW_YORK.session_on_or_before(day) == d(or_before)

    def test_one_day_gives_one_and_many_give_many(self) -> None:
        assert isinstance(NEW_YORK.next_session("2024-03-29"), np.datetime64)
        assert NEW_YORK.next_session(date(2024, 3, 29)) == NEW_YORK.next_session(d("2024-03-29")) == d("2024-04-01")
        for days in (
            ["2024-03-29", "2024-03-28"],
            [date(2024, 3, 29), date(2024, 3, 28)],
            np.array(["2024-03-29", "2024-03-28"], dtype="datetime64[D]"),
            pl.Series([date(2024, 3, 29), date(2024, 3, 28)]),
        ):
            assert NEW_YORK.next_session(days).astype(str).tolist() == ["2024-04-01", "2024-04-01"]
        assert NEW_YORK.next_session([]).shape == (0,)
        assert NEW_YORK.is_session([]).shape == (0,)
        assert NEW_YORK.is_session("2024-03-28") == True  # noqa: E712  # a NumPy bool

    @given(st.dates(date(1990, 1, 1), date(2030, 12, 31)))
    def test_neighbors_agree_with_each_other(self, day: date) -> None:
        after, before = NEW_YORK.next_session(day), NEW_YORK.previous_session(day)
        assert before < d(str(day)) < after
        between = NEW_YORK.sessions(str(before + np.timedelta64(1, "D")), str(after - np.timedelta64(1, "D")))
        assert between.tolist() == ([day] if NEW_YORK.is_session(day) else [])


class TestHolidays:
    def test_new_york_2024(self) -> None:
        found = NEW_YORK.holidays("2024-01-01", "2024-12-31")
        assert found.schema == {"date": pl.Date, "name": pl.String}
        assert found["date"].to_list() == [
            date(2024, 1, 1),
            date(2024, 1, 15),
            date(2024, 2, 19),
            date(2024, 3, 29),
            date(2024, 5, 27),
            date(2024, 6, 19),
            date(2024, 7, 4),
            date(2024, 9, 2),
            date(2024, 11, 28),
            date(2024, 12, 25),
        ]
        assert found.row(3) == (date(2024, 3, 29), "Good Friday")

    def test_closed_for_once_has_no_name(self) -> None:
        found = NEW_YORK.holidays("2001-09-01", "2001-09-30")
        assert found.rows() == [
            (date(2001, 9, 3), "Labor Day"),
            *((date(2001, 9, day), None) for day in (11, 12, 13, 14)),
        ]

    @pytest.mark.parametrize("code", ["XNYS", "XLON", "XHKG", "XKRX", "XBOM"])
    def test_no_day_is_both(self, code: str) -> None:
        exchange = Calendar(code)
        held, closed = exchange.sessions("2015-01-01", "2019-12-31"), exchange.holidays("2015-01-01", "2019-12-31")
        assert not np.isin(closed["date"].to_numpy(), held).any()
        weekdays = np.arange(d("2015-01-01"), d("2020-01-01"))
        weekdays = weekdays[np.is_busday(weekdays)]
        assert not set(weekdays.tolist()) - set(held.tolist()) - set(closed["date"].to_list())

    def test_no_saturdays_of_old(self) -> None:
        found = Calendar("XKRX").holidays("1997-11-01", "1998-12-31")["date"]
        assert found.dt.weekday().max() == 5
        assert date(1998, 1, 28) in found.to_list()  # the lunar new year


class TestHours:
    def test_half_days_of_2024(self) -> None:
        found = NEW_YORK.early_closes("2024-01-01", "2024-12-31")
        assert found["session"].to_list() == [date(2024, 7, 3), date(2024, 11, 29), date(2024, 12, 24)]
        assert found.row(1, named=True) == {
            "session": date(2024, 11, 29),
            "close": datetime(2024, 11, 29, 18, tzinfo=UTC),
            "close_local": time(13),
            "zone": "America/New_York",
            "minutes": 210.0,
            "regular_minutes": 390.0,
        }

    def test_the_clock_changes(self) -> None:
        opens = NEW_YORK.windows("2024-03-07", "2024-03-12")["open"].dt.time().to_list()
        assert opens == [time(14, 30), time(14, 30), time(13, 30), time(13, 30)]  # summer time from 2024-03-10
        opens = NEW_YORK.windows("2024-11-01", "2024-11-04")["open"].dt.time().to_list()
        assert opens == [time(13, 30), time(14, 30)]

    def test_tokyo_has_lunch_and_a_later_close_since_2024_11_05(self) -> None:
        found = Calendar("XTKS").windows("2024-11-01", "2024-11-05")
        assert found["session"].to_list() == [date(2024, 11, 1), date(2024, 11, 5)]  # 2024-11-04: Culture Day
        assert found["break_start"].to_list()[0] == datetime(2024, 11, 1, 2, 30, tzinfo=UTC)
        assert found["break_end"].to_list()[0] == datetime(2024, 11, 1, 3, 30, tzinfo=UTC)
        assert found["minutes"].to_list() == found["regular_minutes"].to_list() == [300.0, 330.0]
        assert found["zone"].unique().to_list() == ["Asia/Tokyo"]

    def test_a_half_day_without_its_break(self) -> None:
        found = Calendar("XHKG").windows("2024-12-24", "2024-12-24")  # closes at noon, before lunch
        assert found["break_start"].to_list() == [None]
        assert found.select("minutes", "regular_minutes").row(0) == (150.0, 330.0)

    def test_a_session_that_begins_the_evening_before(self) -> None:
        found = Calendar("CMES").windows("2024-01-16", "2024-01-16").row(0, named=True)
        assert found["open"] == datetime(2024, 1, 15, 23, tzinfo=UTC)  # 17:00 in Chicago on the 15th
        assert found["minutes"] == 1440.0

    def test_schema(self) -> None:
        moment = pl.Datetime("us", "UTC")
        expected = {
            "session": pl.Date,
            "open": moment,
            "close": moment,
            "break_start": moment,
            "break_end": moment,
            "zone": pl.String,
            "minutes": pl.Float64,
            "regular_minutes": pl.Float64,
        }
        for code in ("XNYS", "XTKS", "24/7"):
            assert Calendar(code).windows("2024-03-28", "2024-03-28").schema == expected
            assert Calendar(code).windows("2024-03-28", "2024-03-28", part="first 5 minutes").schema == expected
        assert NEW_YORK.windows("2024-03-29", "2024-03-31").schema == expected

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library on a coming pandas
    @pytest.mark.parametrize("code", ["XNYS", "XLON", "XTKS", "XHKG", "CMES", "24/5"])
    def test_hours_are_those_of_the_library(self, code: str) -> None:
        market = exchange_calendars.get_calendar(code, start="2010-01-01", end="2029-12-31")
        ours = Calendar(code).windows("2012-01-01", "2025-12-31")
        theirs = market.schedule.loc["2012-01-01":"2025-12-31"]
        assert ours["session"].to_list() == [day.date() for day in theirs.index]
        for column in ("open", "close", "break_start", "break_end"):
            expected = theirs[column].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
            found = ours[column].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
            np.testing.assert_array_equal(found, expected)


class TestParts:
    def test_first_and_last_half_hour(self) -> None:
        first = NEW_YORK.windows("2024-11-27", "2024-11-29", part="first 30 minutes")
        last = NEW_YORK.windows("2024-11-27", "2024-11-29", part="last 30 minutes")
        assert first["close"].dt.time().to_list() == [time(15), time(15)]
        assert last["open"].dt.time().to_list() == [time(20, 30), time(17, 30)]  # Friday closes at 18:00 UTC
        assert first["minutes"].to_list() == last["minutes"].to_list() == [30.0, 30.0]

    def test_the_exchanges_clock(self) -> None:
        found = NEW_YORK.windows("2024-03-08", "2024-03-11", part="09:30-10:00")
        assert found["open"].dt.time().to_list() == [time(14, 30), time(13, 30)]
        assert found["minutes"].to_list() == [30.0, 30.0]

    def test_a_part_never_leaves_its_session(self) -> None:
        found = NEW_YORK.windows("2024-11-29", "2024-11-29", part="12:30-14:00").row(0, named=True)
        assert (found["close"].hour, found["minutes"]) == (18, 30.0)
        assert NEW_YORK.windows("2024-11-29", "2024-11-29", part="first 999 minutes")["minutes"].to_list() == [210.0]
        assert NEW_YORK.windows("2024-11-29", "2024-11-29", part="last 999 minutes")["minutes"].to_list() == [210.0]

    def test_a_part_that_a_session_lacks(self) -> None:
        found = NEW_YORK.windows("2024-11-29", "2024-11-29", part="15:00-15:30").row(0, named=True)
        assert (found["open"], found["close"], found["minutes"]) == (None, None, 0.0)

    def test_the_break_is_no_trading(self) -> None:
        found = Calendar("XTKS").windows("2024-11-01", "2024-11-01", part="11:00-13:00")
        assert found["minutes"].to_list() == [60.0]

    def test_over_midnight(self) -> None:
        found = Calendar("CMES").windows("2024-01-16", "2024-01-16", part="23:00-01:00").row(0, named=True)
        assert found["open"] == datetime(2024, 1, 16, 5, tzinfo=UTC)
        assert found["minutes"] == 120.0
        # 02:00 in Chicago comes after midnight in the session that opened on the 15th.
        found = Calendar("CMES").windows("2024-01-16", "2024-01-16", part="02:00-03:00").row(0, named=True)
        assert found["open"] == datetime(2024, 1, 16, 8, tzinfo=UTC)

    @pytest.mark.parametrize("part", ["first", "first 0 minutes", "9:30-10:00", "24:00-25:00", "opening", 30, ""])
    def test_other_words_are_refused(self, part: object) -> None:
        with pytest.raises(InputError, match="`part` must be such as 'first 30 minutes'"):
            NEW_YORK.windows("2024-03-28", "2024-03-28", part=part)


class TestRefusals:
    def test_codes(self) -> None:
        with pytest.raises(KindError, match="`code` must be a text such as 'XNYS', received 5"):
            Calendar(5)
        with pytest.raises(InputError, match="Calendar 'XNOPE' is unknown"):
            Calendar("XNOPE").sessions("2024-01-01", "2024-01-02")

    def test_before_the_calendar(self) -> None:
        with pytest.raises(InputError, match="Calendar 'XTKS' is known from 1997-01-01 on, received 1996-06-03"):
            Calendar("XTKS").sessions("1996-06-03", "1997-06-03")

    def test_after_the_calendar(self) -> None:
        with pytest.raises(InputError, match="Calendar 'XHKG' is known until 2049-12-31, received 2050-01-01"):
            Calendar("XHKG").is_session("2050-01-01")
        with pytest.raises(InputError, match="has no such session for 2049-12-31"):
            Calendar("XHKG").next_session("2049-12-31")
        with pytest.raises(InputError, match="has no such session for 1997-01-01"):
            Calendar("XTKS").previous_session("1997-01-01")

    def test_end_before_start(self) -> None:
        with pytest.raises(InputError, match="`end` must not come before `start`"):
            NEW_YORK.sessions("2024-02-01", "2024-01-01")

    @pytest.mark.parametrize(
        ("value", "sentence"),
        [
            ("2024-03", "received '2024-03'"),
            ("today", "received 'today'"),
            ("soon", "received 'soon'"),
            (20240329, "received 20240329"),
            (None, "received None"),
            (datetime(2024, 3, 29, 12), "received 2024-03-29 12:00:00. Hint: `session_of"),
            (np.datetime64("2024-03-29T12:00"), "received 2024-03-29T12:00. Hint: `session_of"),
        ],
    )
    def test_no_days(self, value: object, sentence: str) -> None:
        with pytest.raises((KindError, InputError), match=sentence):
            NEW_YORK.next_session(value)

    def test_missing_and_many(self) -> None:
        with pytest.raises(InputError, match="`days` has a missing day"):
            NEW_YORK.next_session(np.array(["2024-03-29", "NaT"], dtype="datetime64[D]"))
        with pytest.raises(KindError, match="`start` must be one day, received 2"):
            NEW_YORK.sessions(["2024-03-29", "2024-03-30"], "2024-04-01")


def test_making_one_loads_no_pandas() -> None:
    code = (
        "import sys; from quantlab.data.calendars import Calendar; Calendar('XNYS'); Calendar('24/7').sessions("
        "'2024-01-01', '2024-02-01'); assert not {'pandas', 'exchange_calendars'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
