"""The constructors: when each kind of number counts as known, what is left out, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from quantlab.core import DataError, InputError, KindError
from quantlab.data import events
from quantlab.data.events import Lag
from quantlab.data.events._lags import LAGS, SERIES
from quantlab.data.schemas import TABLES


def known(found: events.Events) -> list[str]:
    return [moment.strftime("%Y-%m-%d %H:%M") for moment in found.table["available_time"]]


def one(day: str, *, lag) -> str:
    frame = pl.DataFrame({"id": ["A"], "event_time": [date.fromisoformat(day)], "v": [1.0]})
    return known(events.from_frame(frame, lag=lag, fields="v"))[0]


# Lags, by hand from the calendar of the NYSE (UTC: New York + 5 in winter, + 4 in summer)


@pytest.mark.parametrize(
    ("kind", "day", "moment"),
    [
        ("annual_report", "2015-12-31", "2016-04-15 04:00"),  # + 105 days: 2016-04-14, its end
        ("annual_report_large", "2015-12-31", "2016-03-01 05:00"),  # + 60 days: Monday 2016-02-29
        ("quarterly_report", "2016-03-31", "2016-05-21 04:00"),  # + 50 days: Friday 2016-05-20
        ("quarterly_report_large", "2016-03-31", "2016-05-11 04:00"),
        ("short_interest", "2021-06-30", "2021-07-15 04:00"),  # 1 2 6 7 8 9 12 13 14 July; published on the 12th
        ("short_volume", "2026-04-24", "2026-04-24 22:00"),
        ("market_close", "2024-11-29", "2024-11-29 18:00"),  # 13:00 on the day after Thanksgiving
        ("volatility_index", "2024-11-29", "2024-11-29 18:15"),
        ("options", "2014-06-02", "2014-06-02 20:15"),
        ("treasury", "2017-03-28", "2017-03-28 22:00"),
        ("rates_next_day", "2024-03-28", "2024-04-02 22:00"),  # over Good Friday and the weekend, and one session more
        ("weekly", "2024-03-02", "2024-03-11 22:00"),  # + 7 days is a Saturday, so Monday, in summer time
        ("employment", "2020-04-01", "2020-05-12 12:30"),  # released on Friday 2020-05-08, 08:30
        ("cpi", "2024-01-01", "2024-02-28 13:30"),  # released on 2024-02-13
        ("cpi", "2024-01-31", "2024-02-28 13:30"),  # any day of the month
        ("industrial_production", "2024-01-01", "2024-02-20 14:15"),  # released on 2024-02-15
        ("monthly", "2024-01-01", "2024-03-19 04:00"),  # 45 days after the 31st is Saturday the 16th; Monday's end
        ("fred_md", "2023-09-01", "2023-11-07 05:00"),  # + 35: Saturday 4 November; Monday 6, its end
        ("quarterly", "2024-01-01", "2024-05-31 04:00"),  # from 31 March: Thursday 30 May
        ("quarterly", "2024-03-31", "2024-05-31 04:00"),
        (Lag(sessions=1, at="close"), "2024-03-30", "2024-04-01 20:00"),  # from a Saturday the first is Monday
        (Lag(days=1, sessions=2, at="close+15"), "2024-03-28", "2024-04-02 20:15"),
        (Lag(at="08:30", calendar="XTKS", zone="Asia/Tokyo"), "2024-01-05", "2024-01-05 00:00"),  # never before the day
        (Lag(at="close", calendar="24/7"), "2024-01-06", "2024-01-07 00:00"),
        (Lag(at="24:00", calendar="XLON", zone="Europe/London"), "2024-07-05", "2024-07-05 23:00"),
    ],
)
def test_lags_end_when_the_calendar_says(kind, day, moment):
    assert one(day, lag=kind) == moment


def test_no_lag_is_earlier_than_a_release_that_happened():
    # Dates of release as printed by the publishers, among the latest of ordinary years.
    released = [
        ("cpi", "2014-01-01", "2014-02-20 13:30"),  # BLS: Thursday 2014-02-20
        ("cpi", "2015-01-01", "2015-02-26 13:30"),  # and after the yearly change of seasonal factors
        ("cpi", "2015-02-01", "2015-03-24 12:30"),
        ("cpi", "1995-12-01", "1996-02-01 13:30"),  # the government had been shut
        ("cpi", "2013-09-01", "2013-10-30 12:30"),
        ("cpi", "2025-09-01", "2025-10-24 12:30"),
        ("cpi", "2025-11-01", "2025-12-18 13:30"),
        ("employment", "1995-12-01", "1996-01-19 13:30"),
        ("employment", "2013-09-01", "2013-10-22 12:30"),
        ("employment", "2025-09-01", "2025-11-20 13:30"),
        ("employment", "2025-10-01", "2025-12-16 13:30"),
        ("employment", "2025-11-01", "2025-12-16 13:30"),
        ("industrial_production", "2013-09-01", "2013-10-28 13:15"),
        ("industrial_production", "2025-09-01", "2025-12-03 14:15"),
        ("industrial_production", "2025-11-01", "2025-12-23 14:15"),
        ("quarterly", "2025-07-01", "2025-12-23 13:30"),
        ("rates_next_day", "2019-10-11", "2019-10-15 20:15"),  # Columbus Day: banks are closed, the NYSE is not
        ("employment", "2015-03-01", "2015-04-03 12:30"),
        ("employment", "2012-12-01", "2013-01-04 13:30"),
        ("industrial_production", "2019-12-01", "2020-01-17 14:15"),
        ("short_interest", "2021-06-30", "2021-07-12 20:00"),
        ("short_interest", "2013-10-31", "2013-11-12 21:00"),
    ]
    for kind, day, moment in released:
        assert one(day, lag=kind) >= moment


def test_the_table_of_lags_names_a_source_for_each():
    table = events.lags()
    assert table["kind"].to_list() == list(LAGS)
    assert not table["source"].str.len_chars().eq(0).any()
    assert set(SERIES.values()) <= set(LAGS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"zone": "Nowhere"}, "Time zone 'Nowhere' is unknown"),
        ({"zone": "America"}, "Time zone 'America' is unknown"),
        ({"days": 10**30}, "`days` must be at most 10,000"),
        ({"sessions": 10**9}, "`sessions` must be at most 10,000"),
        ({"days": -1}, "`days` must be an integer >= 0, received -1"),
        ({"sessions": -2}, "`sessions` must be an integer >= 0"),
        ({"since": "week"}, '`since` must be "day", "month" or "quarter", received \'week\''),
        ({"at": "25:00"}, "`at` must be"),
        ({"at": "24:01"}, "`at` must be"),
        ({"at": "08:60"}, "`at` must be"),
        ({"at": "noon"}, "`at` must be"),
        ({"at": None}, "`at` must be"),
    ],
)
def test_impossible_lags_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        Lag(**options)


def test_unknown_kinds_zones_and_calendars_are_refused():
    with pytest.raises(InputError, match=r"no lag of kind 'anual_report'.*did you mean 'annual_report'"):
        one("2024-01-05", lag="anual_report")
    with pytest.raises(InputError, match=r"no lag of kind 'zz'.*lists the kinds"):
        one("2024-01-05", lag="zz")
    with pytest.raises(KindError, match="`lag` must be a Lag or a kind"):
        one("2024-01-05", lag=45)
    with pytest.raises(InputError, match="Time zone 'New York' is unknown"):
        one("2024-01-05", lag=Lag(zone="New York"))
    with pytest.raises(InputError, match="Calendar 'NYSE2' is unknown"):
        one("2024-01-05", lag=Lag(calendar="NYSE2"))


# from_frame


def test_long_and_wide_frames_give_the_schema_of_the_table():
    wide = pl.DataFrame({"id": ["B", "A"], "event_time": [date(2024, 1, 2)] * 2, "x": [1, 2], "y": [3.0, None]})
    found = events.from_frame(wide, lag="market_close", fields={"x": "eks", "y": "ypsilon"})
    assert found.table.schema == TABLES["events"].schema
    assert found.table.select("id", "field", "value").rows() == [
        ("A", "eks", 2.0),
        ("B", "eks", 1.0),
        ("B", "ypsilon", 3.0),
    ]
    assert found.left_out.rows() == [("no value", 1, "A ypsilon 2024-01-02")]
    long = found.table.select("id", pl.col("event_time").cast(pl.Date), "field", "value")
    assert events.from_frame(long, lag="market_close").table.equals(found.table)
    assert events.from_frame(found.table.lazy(), available="available_time").table.equals(found.table)
    assert "3 rows" in repr(found)
    assert "1 values left out" in repr(found)


def test_the_assumed_lag_stands_in_the_note():
    frame = pl.DataFrame(
        {"id": ["A", "B"], "event_time": [date(2024, 1, 2)] * 2, "filed": [date(2024, 1, 5), None], "v": 1.0}
    )
    assumed = events.from_frame(frame, lag="options", fields="v")
    assert assumed.note.startswith("Known by assumption: the day, on a session of XNYS, at the close+15 (options: ")
    some = events.from_frame(frame, available="filed", lag=Lag(days=9), fields="v")
    assert "Days of filed count from their end in America/New_York." in some.note
    assert "Known by assumption for 1 of 2 rows: 9 calendar days after the day" in some.note
    assert known(some) == ["2024-01-06 05:00", "2024-01-12 05:00"]
    whole = frame.head(1)
    assert "assumption" not in events.from_frame(whole, available="filed", lag=Lag(days=9), fields="v").note
    with pytest.raises(DataError, match="Column available_time of the events has a null at row 1"):
        events.from_frame(frame, available="filed", fields="v")


def test_a_day_of_publication_counts_at_its_end_in_its_zone():
    frame = pl.DataFrame({"id": ["A"], "event_time": [date(2024, 7, 1)], "filed": [date(2024, 7, 5)], "v": 1.0})
    for zone, moment in (
        ("America/New_York", "2024-07-06 04:00"),
        ("UTC", "2024-07-06 00:00"),
        ("Asia/Tokyo", "2024-07-05 15:00"),
    ):
        assert known(events.from_frame(frame, available="filed", fields="v", zone=zone)) == [moment]


def test_days_on_which_midnight_does_not_exist_or_comes_twice():
    # Chile skips from 24:00 of the last day to 01:00 in spring, and has 23:00 to 24:00 twice in autumn.
    frame = pl.DataFrame({"id": ["A", "B"], "event_time": [date(2023, 9, 2), date(2023, 4, 1)], "v": 1.0})
    found = events.from_frame(frame, lag=Lag(calendar="24/7", zone="America/Santiago"), fields="v")
    assert known(found) == ["2023-09-03 04:00", "2023-04-02 04:00"]
    # In Havana the first hour of 2023-11-05 came twice; the second time counts.
    frame = pl.DataFrame({"id": ["A"], "event_time": [date(2023, 11, 4)], "v": 1.0})
    assert known(events.from_frame(frame, lag=Lag(calendar="24/7", zone="America/Havana"), fields="v")) == [
        "2023-11-05 05:00"
    ]


def test_moments_keep_their_clock_and_a_lag_counts_from_their_local_day():
    moment = datetime(2024, 1, 5, 2, tzinfo=UTC)  # Thursday evening in New York
    frame = pl.DataFrame({"id": ["A"], "event_time": [moment], "v": 1.0})
    assert known(events.from_frame(frame, available="event_time", fields="v")) == ["2024-01-05 02:00"]
    assert known(events.from_frame(frame, lag="short_volume", fields="v")) == ["2024-01-05 02:00"]
    assert known(events.from_frame(frame, lag=Lag(sessions=1, at="close"), fields="v")) == ["2024-01-05 21:00"]


def test_withdrawals_are_kept_when_asked_for():
    frame = pl.DataFrame(
        {"id": "A", "event_time": date(2024, 1, 1), "known": [date(2024, 1, 5), date(2024, 1, 9)], "v": [1.0, None]}
    )
    assert events.from_frame(frame, available="known", fields="v").table.height == 1
    assert events.from_frame(frame, available="known", fields="v", withdrawn=True).table["value"].to_list() == [
        1.0,
        None,
    ]


def test_what_is_known_before_it_happens_is_legal_only_when_scheduled():
    frame = pl.DataFrame({"id": "A", "event_time": [date(2024, 2, 1)], "known": [date(2024, 1, 5)], "v": [1.0]})
    with pytest.raises(
        DataError, match=r"A v 2024-02-01 is available at 2024-01-06 05:00 UTC, before it happened.*scheduled"
    ):
        events.from_frame(frame, available="known", fields="v")
    assert events.from_frame(frame, available="known", fields="v", scheduled=True).table.height == 1


def test_rows_without_id_or_possible_date_are_left_out_and_counted():
    days = [date(2015, 12, 31), None, date(1215, 12, 31), date(2015, 12, 31)]
    frame = pl.DataFrame({"id": ["A", "B", "IPG", None], "event_time": days, "v": [1.0, 2.0, 3.0, 4.0]})
    found = events.from_frame(frame, lag="annual_report", fields="v")
    assert found.table["id"].to_list() == ["A"]
    assert found.left_out.rows() == [
        ("no id", 1, "None 2015-12-31"),
        ("no date", 1, "B None"),
        ("impossible date", 1, "IPG 1215-12-31"),
    ]


def test_no_rows_make_no_events():
    none = pl.DataFrame(schema={"id": pl.String, "event_time": pl.Date, "v": pl.Float64})
    for lag in ("annual_report", "cpi", "market_close"):
        found = events.from_frame(none, lag=lag, fields="v")
        assert found.table.schema == TABLES["events"].schema
        assert found.table.is_empty()


BASE = pl.DataFrame({"id": ["A", "B"], "event_time": [date(2024, 1, 2)] * 2, "v": [1.0, 2.0], "word": ["a", "b"]})


@pytest.mark.parametrize(
    ("frame", "options", "error", "words"),
    [
        (BASE, {"fields": "v"}, InputError, "Nothing says when these values were known"),
        (BASE, {"lag": "cpi"}, InputError, "The frame has no column 'field'"),
        (BASE, {"lag": "cpi", "fields": "vv"}, InputError, "no column 'vv'. Hint: did you mean 'v'"),
        (BASE, {"lag": "cpi", "fields": "v", "symbol": "ids"}, InputError, "no column 'ids'. Hint: did you mean 'id'"),
        (
            BASE,
            {"lag": "cpi", "fields": "v", "event": "qqqq"},
            InputError,
            "no column 'qqqq'. Hint: it has id, event_time",
        ),
        (
            BASE,
            {"lag": "cpi", "fields": "word"},
            KindError,
            "Column word of the events must be numbers, received String",
        ),
        (BASE, {"lag": "cpi", "fields": "v", "event": "word"}, KindError, "Column word must hold days or moments"),
        (BASE, {"available": "word", "fields": "v"}, KindError, "Column word of the events must hold moments"),
        (BASE, {"lag": "cpi", "fields": []}, InputError, "`fields` names no column"),
        (BASE, {"lag": "cpi", "fields": ["id"]}, InputError, "'id' is in `fields` and says who or when"),
        (BASE, {"lag": "cpi", "fields": {"v": "x", "word": "x"}}, InputError, "gives one name to two columns"),
        (BASE, {"lag": "cpi", "fields": {"v": "event_time"}}, InputError, "A field cannot be called 'event_time'"),
        (BASE.to_dict(), {"lag": "cpi", "fields": "v"}, KindError, "must be a Polars frame, received dict"),
        (BASE.with_columns(id=pl.lit("A")), {"lag": "cpi", "fields": "v"}, DataError, "A v 2024-01-02 stands twice"),
        (
            BASE.with_columns(v=pl.lit(-float("inf"))),
            {"lag": "cpi", "fields": "v"},
            DataError,
            "is infinite at row 0 and 1",
        ),
        (
            BASE.with_columns(pl.col("event_time").cast(pl.Datetime("us"))),
            {"lag": "cpi", "fields": "v"},
            KindError,
            "clock times without a time zone",
        ),
    ],
)
def test_bad_frames_are_refused_in_a_sentence(frame, options, error, words):
    with pytest.raises(error, match=words):
        events.from_frame(frame, **options)


# fundamentals, short interest, earnings


def test_filings_count_from_the_end_of_their_day_and_else_by_the_lag():
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B"],
            "period": [date(2023, 12, 31)] * 2,
            "filed": [date(2024, 2, 1), None],
            "revenue": [1.0, 2.0],
            "note": ["x", "y"],
        }
    )
    found = events.fundamentals(frame, filed="filed")
    assert known(found) == ["2024-02-02 05:00", "2024-04-16 04:00"]  # 2024-04-14 is a Sunday: Monday's end
    assert found.table["field"].unique().to_list() == ["revenue"]
    assert "Rule 12b-25" in found.note
    assert known(events.fundamentals(frame, lag="annual_report_large", fields="revenue"))[0] == "2024-03-01 05:00"


def test_earnings_before_the_open_and_after_the_close():
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B", "C", "D"],
            "date": [date(2014, 1, 28)] * 3 + [None],
            "release_time": ["pre", "post", None, "pre"],
            "eps": [1.0, 2.0, 3.0, 4.0],
        }
    )
    found = events.earnings(frame)
    assert known(found) == ["2014-01-28 14:30", "2014-01-29 05:00", "2014-01-29 05:00"]
    assert "1 of 4 announcements do not say and count as post" in found.note
    assert found.left_out.rows() == [("no date", 1, "D None")]
    assert known(events.earnings(frame, release=None)) == ["2014-01-29 05:00"] * 3
    moved = frame.head(1).with_columns(date=pl.lit(datetime(2014, 1, 28, 12, tzinfo=UTC)))
    assert known(events.earnings(moved, fields="eps")) == ["2014-01-28 12:00"]
    # In Tokyo trading starts at the label of the day, which is midnight UTC, and the day ends at 15:00.
    tokyo = events.earnings(frame.head(2), zone="Asia/Tokyo", calendar="XTKS")
    assert known(tokyo) == ["2014-01-28 00:00", "2014-01-28 15:00"]
    # In Wellington it starts before the label: nothing is known before the event of which it speaks.
    assert known(events.earnings(frame.head(1), zone="Pacific/Auckland", calendar="XNZE")) == ["2014-01-28 00:00"]
    # A Saturday's counts at the open of Monday; a slip of the pen has no session, and is left out.
    odd = frame.head(2).with_columns(date=pl.Series([date(2014, 1, 25), date(1215, 1, 28)]), release_time=pl.lit("pre"))
    strange = events.earnings(odd)
    assert known(strange) == ["2014-01-27 14:30"]
    assert strange.left_out.rows() == [("impossible date", 1, "B 1215-01-28")]
    with pytest.raises(DataError, match=r'must say "pre" or "post", and says \'noon\' for A 2014-01-28.'):
        events.earnings(frame.head(1).with_columns(release_time=pl.lit("noon")))
    with pytest.raises(InputError, match="no column of numbers"):
        events.earnings(frame.drop("eps"))


def test_short_interest_by_lag_or_by_publication():
    frame = pl.DataFrame({"symbol": ["A"], "date": [date(2021, 6, 30)], "out": [date(2021, 7, 12)], "shares": [5]})
    assert known(events.short_interest(frame)) == ["2021-07-15 04:00"]
    assert known(events.short_interest(frame, published="out")) == ["2021-07-13 04:00"]
    assert known(events.short_interest(frame, lag="short_volume")) == ["2021-06-30 22:00"]


# macro


def test_each_series_takes_the_lag_of_its_release():
    frame = pl.DataFrame({"date": [date(2024, 1, 1)], "UNRATE": [3.7], "CPIAUCSL": [309.7], "PETROL": [3.1]})
    with pytest.raises(InputError, match="Nothing says when the series 'PETROL' is published"):
        events.macro(frame)
    found = events.macro(frame, lag={"PETROL": Lag(days=3)}, name="USA")
    assert dict(zip(found.table["field"], known(found), strict=True)) == {
        "UNRATE": "2024-02-12 13:30",
        "CPIAUCSL": "2024-02-28 13:30",
        "PETROL": "2024-01-05 05:00",
    }
    assert found.table["id"].unique().to_list() == ["USA"]
    assert "UNRATE: Known by assumption" in found.note
    assert known(events.macro(frame, lag="monthly", fields={"PETROL": "gas"})) == ["2024-03-19 04:00"]


def test_vintages_are_restatements():
    frame = pl.DataFrame(
        {"date": [date(2024, 1, 1)] * 2, "out": [date(2024, 4, 25), date(2024, 5, 30)], "GDP": [1.6, 1.3]}
    )
    found = events.macro(frame, published="out")
    assert events.history(found, "US", "GDP")["version"].to_list() == [1, 2]
    with pytest.raises(InputError, match="`drop_fills` is for files without a column of publication"):
        events.macro(frame, published="out", drop_fills=True)


def test_values_carried_forward_and_back_are_dropped():
    days = pl.date_range(date(2024, 1, 1), date(2024, 1, 9), eager=True)
    frame = pl.DataFrame({"date": days, "x": [5.0, 5, 5, 6, 6, 5, 5, None, 5], "y": [1.0] * 9})
    found = events.macro(frame, lag="market_close", drop_fills=True)
    x = found.table.filter(pl.col("field") == "x")
    # Of the first run its last row (3rd); then the changes, on the 4th and the 6th. The hole is no change.
    assert [(row["event_time"].day, row["value"]) for row in x.rows(named=True)] == [(3, 5.0), (4, 6.0), (6, 5.0)]
    # A series that never changes is known at the end of its only run.
    assert found.table.filter(pl.col("field") == "y")["event_time"].dt.day().to_list() == [9]
    assert found.left_out.rows() == [("no value", 1, "US x 2024-01-08"), ("repeats the value before", 13, "US")]
    assert "dropped" in found.note


# sentiment


def posts(*rows: tuple[str, str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["symbol", "created_at", "score"], orient="row")


FORMAT = "%Y-%m-%d %H:%M:%S %z"


def test_posts_belong_to_the_session_that_closes_next():
    frame = posts(
        ("A", "2024-11-27 20:59:00 +0000", 1.0),  # Wednesday, a minute before the close
        ("A", "2024-11-27 21:00:00 +0000", 3.0),  # at the close: still Wednesday's
        ("A", "2024-11-27 21:00:01 +0000", 5.0),  # Thanksgiving is no session: Friday's, which closes at 18:00
        ("A", "2024-11-29 19:00:00 +0100", None),  # 18:00 UTC
        ("A", "2024-12-02 12:00:00 +0000", None),
        ("B", "2024-12-03 12:00:00 +0000", 2.0),
    )
    found = events.sentiment(frame, values="score", format=FORMAT).table
    a = found.filter(pl.col("id") == "A")
    assert [
        (row["field"], row["available_time"].strftime("%m-%d %H:%M"), row["value"]) for row in a.rows(named=True)
    ] == [
        ("posts", "11-27 21:00", 2.0),
        ("posts", "11-29 18:00", 2.0),
        ("posts", "12-02 21:00", 1.0),
        ("posts", "12-03 21:00", 0.0),
        ("score_mean", "11-27 21:00", 2.0),
        ("score_mean", "11-29 18:00", 5.0),
    ]
    assert found.filter(pl.col("id") == "B")["value"].to_list() == [1.0, 2.0]  # no zeros before its first post


def test_collecting_posts_takes_time():
    frame = posts(("A", "2024-11-27 20:59:00 +0000", 1.0))
    for minutes, day in ((1, 27), (2, 29)):
        found = events.sentiment(frame, format=FORMAT, minutes=minutes)
        assert found.table["available_time"].item().day == day
        assert f"{minutes} minutes after" in found.note


def test_posts_without_a_time_are_counted_and_texts_need_a_format():
    frame = posts(
        ("A", "2024-11-27 20:59:00 +0000", 1.0), ("B", "yesterday", 1.0), (None, "2024-11-27 20:59:00 +0000", 1.0)
    )
    found = events.sentiment(frame, format=FORMAT)
    assert found.table["id"].to_list() == ["A"]
    assert found.left_out.rows() == [("no id", 1, "None 2024-11-27 20:59:00 +0000"), ("no time", 1, "B yesterday")]
    with pytest.raises(KindError, match="Column created_at is text, and nothing says how it is to be read"):
        events.sentiment(frame)
    with pytest.raises(KindError, match="has no offset from UTC"):
        events.sentiment(frame, format="%Y-%m-%d %H:%M:%S")
    naive = frame.with_columns(created_at=pl.lit(datetime(2024, 1, 2, 3)))
    with pytest.raises(KindError, match="clock times without a time zone"):
        events.sentiment(naive)
    with pytest.raises(InputError, match="`minutes` must be an integer >= 0"):
        events.sentiment(frame, format=FORMAT, minutes=-1)
    assert events.sentiment(frame.clear(), format=FORMAT).table.is_empty()


# Views


def test_views_of_a_restated_table():
    moments = [datetime(2024, 1, day, tzinfo=UTC) for day in (3, 5, 9)]
    table = pl.DataFrame(
        {
            "id": "A",
            "event_time": datetime(2024, 1, 1, tzinfo=UTC),
            "available_time": moments,
            "field": "eps",
            "value": [1.0, None, 0.5],
        },
        schema=TABLES["events"].schema,
    )
    assert events.as_first_reported(table)["value"].to_list() == [1.0]
    assert events.known_at(table, "2024-01-05")["value"].to_list() == [1.0, None]
    assert events.known_at(table, "2024-01-04T23:59:59+00:00")["value"].to_list() == [1.0]
    assert events.known_at(table, datetime(2024, 1, 5, tzinfo=UTC)).height == 2
    story = events.history(table, "A", "eps")
    assert story.select("version", "value", "change").rows() == [(1, 1.0, None), (2, None, None), (3, 0.5, None)]
    with pytest.raises(InputError, match="Nothing is said about 'eps' of 'B'"):
        events.history(table, "B", "eps")
    for wrong, error in ((datetime(2024, 1, 5), KindError), ("soon", InputError), (5, KindError)):
        with pytest.raises(error, match="`moment`"):
            events.known_at(table, wrong)


def test_the_estimate_of_a_restated_report_is_the_one_of_its_first():
    event = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        ("A", event, datetime(2024, 1, 2, tzinfo=UTC), "eps_est", 1.0),
        ("A", event, datetime(2024, 1, 4, tzinfo=UTC), "eps", 1.5),
        ("A", event, datetime(2024, 1, 5, tzinfo=UTC), "eps_est", 1.5),  # the vendor copies the report over it
        ("A", event, datetime(2024, 1, 6, tzinfo=UTC), "eps_est", None),  # and takes it back
        ("A", event, datetime(2024, 1, 7, tzinfo=UTC), "eps", 1.25),
        ("A", event, datetime(2024, 1, 8, tzinfo=UTC), "eps", None),  # withdrawn
    ]
    table = pl.DataFrame(rows, schema=TABLES["events"].schema, orient="row")
    assert events.surprise(table)["value"].to_list() == [0.5, 0.25, None]


def test_a_surprise_takes_the_estimate_that_stood_when_the_report_came():
    event = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        ("A", event, datetime(2024, 1, 2, tzinfo=UTC), "eps_est", 1.0),
        ("A", event, datetime(2024, 1, 4, tzinfo=UTC), "eps_est", 1.25),
        ("A", event, datetime(2024, 1, 5, tzinfo=UTC), "eps", 1.5),
        ("A", event, datetime(2024, 1, 6, tzinfo=UTC), "eps_est", 9.0),  # too late
        ("A", event, datetime(2024, 1, 7, tzinfo=UTC), "eps", None),  # withdrawn
        ("B", event, datetime(2024, 1, 5, tzinfo=UTC), "eps", 1.5),  # nobody expected anything
        ("C", event, datetime(2024, 1, 3, tzinfo=UTC), "eps_est", 1.0),
        ("C", event, datetime(2024, 1, 4, tzinfo=UTC), "eps_est", None),  # nor here any more
        ("C", event, datetime(2024, 1, 5, tzinfo=UTC), "eps", 1.5),
    ]
    table = pl.DataFrame(rows, schema=TABLES["events"].schema, orient="row")
    found = events.surprise(table)
    assert found.schema == TABLES["events"].schema
    assert found.select("id", "field", "value").rows() == [("A", "eps_surprise", 0.25), ("A", "eps_surprise", None)]
    with pytest.raises(InputError, match="no field 'epps'"):
        events.surprise(table, actual="epps")
