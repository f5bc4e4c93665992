"""What the doors of events refuse or say: midnights for days, shut governments, wrong names, and silent losses."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import DataError, Frequency, InputError, KindError, Panel
from quantlab.core.periods import sessions
from quantlab.data import events
from quantlab.data.events import Lag
from quantlab.data.events._delays import DELAYS
from quantlab.data.events._lags import LAGS
from quantlab.data.schemas import TABLES

UNKNOWN = r"holds midnights alone, such as .*: days, and no clock times. Hint: `.cast\(pl.Date\)`"


def known(found: events.Events) -> list[str]:
    return [moment.strftime("%Y-%m-%d %H:%M") for moment in found.table["available_time"]]


def days(*texts: str, zone: str | None = "UTC") -> pl.Series:
    """Days as a parser gives them that makes midnights of all."""
    midnights = pl.Series([date.fromisoformat(text) for text in texts]).cast(pl.Datetime("us"))
    return midnights.dt.replace_time_zone(zone)


# Midnights are days


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_midnights_are_refused_where_a_lag_starts(zone):
    stamps = days("2020-04-01", "2020-05-01", zone=zone)
    frame = pl.DataFrame({"symbol": ["A", "A"], "date": stamps, "UNRATE": [14.7, 13.2]})
    for made in (
        lambda: events.macro(frame.drop("symbol")),
        lambda: events.short_interest(frame),
        lambda: events.fundamentals(frame, period="date"),
        lambda: events.earnings(frame, release=None),
        lambda: events.from_frame(frame, symbol="symbol", event="date", lag="cpi", fields="UNRATE"),
    ):
        with pytest.raises(KindError, match="Column date of the events " + UNKNOWN):
            made()
    # One real clock time among them, and they are moments.
    real = frame.with_columns(pl.col("date") + pl.duration(minutes=pl.int_range(pl.len()) * 90))
    assert events.macro(real.drop("symbol")).table.height == 2


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_midnights_are_refused_as_moments_of_publication(zone):
    frame = pl.DataFrame(
        {"symbol": ["A"], "date": [date(2024, 1, 2)], "out": days("2024-01-09", zone=zone), "shares": [1.0]}
    )
    for made in (
        lambda: events.macro(frame.drop("symbol"), published="out"),
        lambda: events.short_interest(frame, published="out"),
        lambda: events.fundamentals(frame, period="date", filed="out"),
        lambda: events.from_frame(frame, symbol="symbol", event="date", available="out", fields="shares"),
    ):
        with pytest.raises(KindError, match="Column out of the events " + UNKNOWN):
            made()
    day = frame.with_columns(pl.col("out").dt.date())
    assert known(events.short_interest(day, published="out")) == ["2024-01-10 05:00"]


def test_midnights_stay_legal_where_they_are_a_label():
    frame = pl.DataFrame(
        {"id": ["A"], "event_time": days("2024-01-02"), "out": [datetime(2024, 1, 9, 14, tzinfo=UTC)], "x": [1.0]}
    )
    assert known(events.from_frame(frame, available="out", fields="x")) == ["2024-01-09 14:00"]
    # A lag for holes that there are none of is no lag.
    assert known(events.from_frame(frame, available="out", lag="cpi", fields="x")) == ["2024-01-09 14:00"]
    table = pl.DataFrame([("A", frame["event_time"][0], frame["event_time"][0], "x", 1.0)], orient="row")
    table.columns = list(TABLES["events"].schema)
    assert events.known_at(table, "2024-01-02").height == 1


def test_naive_midnights_are_called_days_too():
    frame = pl.DataFrame({"date": days("2020-04-01", zone=None), "UNRATE": [14.7]})
    with pytest.raises(KindError, match=r"without a time zone. Hint: `.cast\(pl.Date\)`"):
        events.macro(frame)
    with pytest.raises(KindError, match="replace_time_zone"):
        events.macro(frame.with_columns(pl.col("date").dt.offset_by("1h")))


# Earnings


def test_earnings_with_midnights_are_days_and_with_moments_say_so():
    frame = pl.DataFrame(
        {"symbol": ["AAPL"], "date": days("2014-01-27"), "release_time": ["post"], "eps": [14.5]},
    )
    with pytest.raises(KindError, match="Column date of the events " + UNKNOWN):
        events.earnings(frame)
    moment = frame.with_columns(date=pl.lit(datetime(2014, 1, 27, 21, 30, tzinfo=UTC)))
    found = events.earnings(moment)
    assert known(found) == ["2014-01-27 21:30"]
    assert found.note == "The moments of date say when announcements were known; release_time is left aside."
    unsaid = moment.with_columns(release_time=pl.lit(None, pl.String))
    assert events.earnings(unsaid).note == events.earnings(moment, release=None).note == ""


def test_earnings_before_the_open_are_not_known_before_the_open():
    frame = pl.DataFrame({"symbol": ["A"], "date": [date(2024, 1, 25)], "release_time": ["pre"], "eps": [1.0]})
    found = events.earnings(frame)
    assert '"pre" counts from the open of XNYS, "post" from the end of the day in America/New_York' in found.note
    ends = np.array(["2024-01-25T05:00", "2024-01-25T14:00", "2024-01-25T14:30", "2024-01-25T15:00"], "datetime64[us]")
    seen = events.panel(found, "eps", Panel(np.ones((4, 1)), ends, ["A"]))
    np.testing.assert_array_equal(seen.values[:, 0], [np.nan, np.nan, 1.0, 1.0])
    daily = Panel([[1.0]] * 2, ["2024-01-24", "2024-01-25"], ["A"], frequency=Frequency.daily("XNYS"))
    np.testing.assert_array_equal(events.panel(found, "eps", daily).values[:, 0], [np.nan, 1.0])


# Releases that came late


def test_a_late_release_is_named_in_the_note_and_a_lag_of_ones_own_stands():
    frame = pl.DataFrame({"date": [date(2013, 8, 1), date(2013, 9, 1), date(2013, 10, 1)], "UNRATE": [7.3, 7.2, 7.3]})
    found = events.macro(frame)
    assert known(found) == ["2013-09-12 12:30", "2013-10-22 12:30", "2013-11-12 13:30"]
    assert "Later than that, for the government was shut: 2013-09 on 2013-10-22." in found.note
    own = events.macro(frame, lag=LAGS["employment"])
    assert known(own)[1] == "2013-10-14 12:30"  # a Monday on which the banks were closed
    assert "Later than that" not in own.note
    assert "Later than that" not in events.macro(frame.head(1)).note


def test_no_late_release_makes_anything_known_earlier():
    for kind, months in DELAYS.items():
        lag = LAGS[kind]
        for month in months:
            day = date.fromisoformat(f"{month}-01")
            frame = pl.DataFrame({"id": ["A"], "event_time": [day], "v": [1.0]})
            ruled = events.from_frame(frame, lag=lag, fields="v").table["available_time"][0]
            actual = events.from_frame(frame, lag=kind, fields="v").table["available_time"][0]
            assert actual >= ruled
            assert actual.date() >= date.fromisoformat(months[month])


# Names


FRAME = pl.DataFrame({"date": [date(2024, 1, 1)], "UNRATE": [3.7], "PETROL": [3.1]})


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lag": {"PETROL": "monthly", "UNRAT": "cpi"}}, InputError, r"speaks of 'UNRAT', .* did you mean 'UNRATE'"),
        ({"lag": {"qqq": "monthly"}}, InputError, "speaks of 'qqq', which is no series of the frame. Hint: it has"),
        ({"lag": {5: "monthly"}}, InputError, "speaks of 5, which is no series"),
        ({"lag": {"PETROL": ["monthly"]}}, KindError, "`lag` must be a Lag or a kind such as 'cpi', received list"),
        ({"lag": ["monthly"]}, KindError, "`lag` must be a Lag or a kind such as 'cpi', received list"),
        ({"lag": 5}, KindError, "`lag` must be a Lag or a kind such as 'cpi', received int"),
        ({"fields": "CPI"}, InputError, "The frame has no column 'CPI'"),
        ({"fields": ["UNRATE", "UNRATE"]}, InputError, "`fields` names the column 'UNRATE' twice"),
        ({"fields": {"UNRATE": "x", "PETROL": "x"}}, InputError, "`fields` gives one name to two columns"),
        ({"fields": 3}, KindError, "`fields` must be a column, a list of them or a mapping"),
        ({"fields": [3]}, KindError, "`fields` must hold texts, and has 3"),
        ({"fields": {"UNRATE": 3}}, KindError, "`fields` must hold texts, and has 3"),
        ({"fields": ["UNRATE", "date"]}, InputError, "Column 'date' is in `fields` and says who or when"),
        ({"fields": []}, InputError, "`fields` names no column"),
    ],
)
def test_wrong_names_and_lags_of_series_are_refused_in_a_sentence(options, error, words):
    with pytest.raises(error, match=words):
        events.macro(FRAME, **options)


def test_lags_may_speak_of_titles_and_of_columns_that_are_left_out():
    found = events.macro(FRAME, fields={"PETROL": "gas"}, lag={"gas": Lag(days=3), "UNRATE": "employment"})
    assert known(found) == ["2024-01-05 05:00"]


def test_wrong_fields_and_zones_of_frames_are_refused_in_a_sentence():
    frame = pl.DataFrame({"id": ["A"], "e": [date(2020, 1, 1)], "a": [date(2020, 1, 2)], "v": [1.0]})
    for fields, error in ((["v", "v"], InputError), (3, KindError), ([None], KindError), (b"v", KindError)):
        with pytest.raises(error, match="`fields`"):
            events.from_frame(frame, event="e", available="a", fields=fields)
    both = frame.rename({"v": "value"}).with_columns(field=pl.lit(2.0))
    # Names of the events table's own columns of values are names like others.
    found = events.from_frame(both, event="e", available="a", fields=["value", "field"])
    assert found.table.select("field", "value").rows() == [("field", 2.0), ("value", 1.0)]
    for zone in ("America", None, "Nowhere"):
        with pytest.raises(InputError, match=f"Time zone {zone!r} is unknown"):
            events.from_frame(frame, event="e", available="a", fields="v", zone=zone)


# Events


def test_events_are_checked_where_they_are_made():
    with pytest.raises(KindError, match="`events` must be Events or a Polars frame, received NoneType"):
        events.Events(None)
    with pytest.raises(InputError, match="An events table needs the column `id`"):
        events.Events(pl.DataFrame({"x": [1]}))
    moment = datetime(2024, 1, 2, 3, tzinfo=UTC)
    table = pl.DataFrame([("A", moment, moment, "x", 1.0)] * 2, schema=TABLES["events"].schema, orient="row")
    with pytest.raises(DataError, match="stands twice"):
        events.Events(table)
    # Also where the two rows are far apart.
    other = table.head(1).with_columns(id=pl.lit("B"))
    with pytest.raises(DataError, match="A x 2024-01-02 03:00 UTC stands twice"):
        events.Events(pl.concat([table.head(1), other, table.head(1)]))
    with pytest.raises(KindError, match="`note` must be text"):
        events.Events(table.head(1), note=5)
    with pytest.raises(KindError, match="`left_out` must be a frame"):
        events.Events(table.head(1), left_out=None)
    assert events.Events(table.head(1).lazy()).table.equals(table.head(1))


# The join


def rows_of(*rows: tuple[datetime, datetime, float | None]) -> pl.DataFrame:
    full = [("A", event, available, "x", value) for event, available, value in rows]
    return pl.DataFrame(full, schema=TABLES["events"].schema, orient="row")


MOMENT = datetime(2024, 1, 2, 15, tzinfo=UTC)
DAILY = Panel([[1.0]] * 3, ["2024-01-02", "2024-01-03", "2024-01-04"], ["A"], frequency=Frequency.daily("XNYS"))


@pytest.mark.parametrize("age", [1e7, 1e9, 1e300, 10**30])
def test_a_huge_age_is_none(age):
    table = rows_of((MOMENT, MOMENT, 1.0))
    np.testing.assert_array_equal(events.panel(table, "x", DAILY, max_age=age).values, np.ones((3, 1)))


@pytest.mark.parametrize("close_time", ["24:30 America/New_York", "24:01 UTC", "25:00 UTC"])
def test_a_clock_has_no_hour_after_midnight(close_time):
    bare = Panel(DAILY.values, DAILY.dates, DAILY.symbols)
    with pytest.raises(InputError, match="`close_time` must read like"):
        events.panel(rows_of((MOMENT, MOMENT, 1.0)), "x", bare, close_time=close_time)
    assert events.panel(rows_of((MOMENT, MOMENT, 1.0)), "x", bare, close_time="24:00 UTC").values[0, 0] == 1.0


def test_a_clock_time_is_refused_where_the_calendar_knows_early_closes():
    table = rows_of((MOMENT, MOMENT, 1.0))
    with pytest.raises(InputError, match=r"The bars have the calendar XNYS, which knows when they closed"):
        events.panel(table, "x", DAILY, close_time="16:00 America/New_York")
    moments = np.array(["2024-01-02T14:00", "2024-01-03T14:00", "2024-01-04T14:00"], "datetime64[us]")
    found = events.panel(table, "x", DAILY, close_time=moments)
    np.testing.assert_array_equal(found.values[:, 0], [np.nan, 1.0, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8), st.integers(0, 9)), max_size=30, unique_by=lambda r: r[:2])
)
def test_the_two_latest_events_are_those_of_a_list_of_all(rows):
    # Oracle: after every arrival sort all that is known.
    start = datetime(2024, 1, 2, 1, tzinfo=UTC)
    table = rows_of(*((start + timedelta(hours=e), start + timedelta(days=a), float(v)) for e, a, v in rows))
    dates = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-01-12"))
    like = Panel(np.ones((dates.size, 1)), dates, ["A"], frequency=Frequency.daily("XNYS"))
    latest, before = (events.panel(table, "x", like, kind=kind).values[:, 0] for kind in ("latest", "previous"))
    for t, day in enumerate(dates.tolist()):
        close = datetime.combine(day, time(21), UTC)
        told: dict[int, float] = {}
        for e, a, v in sorted(rows, key=lambda row: row[1]):
            if start + timedelta(days=a) <= close:
                told[e] = float(v)
        expected = [told[e] for e in sorted(told, reverse=True)] + [np.nan, np.nan]
        np.testing.assert_array_equal([latest[t], before[t]], expected[:2])


def test_events_that_arrive_newest_first_take_no_square_of_time():
    # 200,000 of them would move 2e10 places in a kernel that keeps all in order: minutes instead of milliseconds.
    n = 200_000
    start = np.datetime64("2020-01-02T00:00", "us")
    event = start + np.arange(n)[::-1] * np.timedelta64(1, "m")
    available = np.datetime64("2021-01-04T00:00", "us") + np.arange(n) * np.timedelta64(1, "s")
    table = pl.DataFrame(
        {
            "id": pl.repeat("A", n, eager=True),
            "event_time": pl.Series(event).dt.replace_time_zone("UTC"),
            "available_time": pl.Series(available).dt.replace_time_zone("UTC"),
            "field": pl.repeat("x", n, eager=True),
            "value": np.arange(n, dtype=float),
        }
    )
    late = Panel([[1.0]], ["2021-01-11"], ["A"], frequency=Frequency.daily("XNYS"))
    assert events.panel(table, "x", late).values.item() == 0.0
    assert events.panel(table, "x", late, kind="previous").values.item() == 1.0


# Posts


def posts(n: int, seed: int = 3) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    at = np.datetime64("2024-01-02T00:00", "us") + draw.integers(0, 60 * 24 * 60, n) * np.timedelta64(1, "m")
    return pl.DataFrame(
        {
            "symbol": draw.choice(["B", "A", "C"], n),
            "created_at": pl.Series(at).dt.replace_time_zone("UTC"),
            "score": np.where(draw.random(n) < 0.2, np.nan, draw.normal(size=n)),
        }
    )


def test_counts_and_means_are_those_of_a_group_by_and_do_not_depend_on_the_order_of_rows():
    frame = posts(4000)
    found = events.sentiment(frame, values="score").table
    for seed in (1, 2):
        again = events.sentiment(frame.sample(fraction=1.0, shuffle=True, seed=seed), values="score").table
        assert again.equals(found)
    assert found.equals(found.sort("id", "field", "event_time", "available_time"))
    closes = found["available_time"].unique().sort().to_frame("close")
    by_hand = frame.sort("created_at").join_asof(closes, left_on="created_at", right_on="close", strategy="forward")
    grouped = by_hand.group_by("symbol", "close").agg(
        pl.len().cast(pl.Float64).alias("posts"), pl.col("score").fill_nan(None).mean().alias("score_mean")
    )
    for field in ("posts", "score_mean"):
        rows = found.filter((pl.col("field") == field) & (pl.col("value") != 0.0)).select(
            "id", "available_time", "value"
        )
        hand = grouped.select(pl.col("symbol").alias("id"), pl.col("close").alias("available_time"), value=field)
        hand = hand.drop_nulls().sort("id", "available_time")
        assert rows.select("id", "available_time").equals(hand.select("id", "available_time"))
        np.testing.assert_allclose(rows["value"], hand["value"], rtol=0, atol=1e-14)


def test_a_silence_is_two_zeros_and_its_panel_is_zero_throughout():
    stamps = [datetime(2024, 1, day, 15, tzinfo=UTC) for day in (2, 2, 3, 12, 17)]
    frame = pl.DataFrame({"symbol": ["A", "A", "A", "A", "B"], "created_at": stamps})
    found = events.sentiment(frame)
    rows = found.table.filter(pl.col("id") == "A").select(pl.col("event_time").dt.day(), "value").rows()
    # The 15th is no session: the 16th and the 17th are the silence at the end.
    assert rows == [(2, 2.0), (3, 1.0), (4, 0.0), (5, 0.0), (12, 1.0), (16, 0.0), (17, 0.0)]
    dates = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-01-17"))
    like = Panel(np.ones((dates.size, 2)), dates, ["A", "B"], frequency=Frequency.daily("XNYS"))
    count = events.panel(found, "posts", like)
    np.testing.assert_array_equal(count.values[:, 0], [2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0])
    np.testing.assert_array_equal(count.values[:, 1], [np.nan] * 10 + [1])
    change = events.panel(found, "posts", like, kind="change")
    np.testing.assert_array_equal(change.values[:, 0], [np.nan, -1, -1, 0, 0, 0, 0, 0, 1, -1, 0])


def test_wrong_scores_and_delays_are_refused():
    frame = posts(5)
    for values, error in ((["score", "score"], InputError), (3, KindError), ([3], KindError), ("skore", InputError)):
        with pytest.raises(error, match=r"values|no column .skore."):
            events.sentiment(frame, values=values)
    with pytest.raises(InputError, match="`minutes` must be an integer >= 0 and at most a year"):
        events.sentiment(frame, minutes=10**20)
    assert set(events.sentiment(frame, values=[]).table["field"]) == {"posts"}
