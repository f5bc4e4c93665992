"""Signals on days without a session, and one exchange's data at another's close."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import DataError, Frequency, InputError, Panel
from quantlab.core.rng import generator
from quantlab.data.calendars import Calendar
from quantlab.testing import assert_causal

NEW_YORK, LONDON = Calendar("XNYS"), Calendar("XLON")
NAN = np.nan


def panel(values, days, symbols=("A",), **keywords) -> Panel:
    return Panel(values, days, list(symbols), **keywords)


class TestAlign:
    def test_good_friday_executes_on_easter_monday(self) -> None:
        # London is closed on Easter Monday, New York is not.
        signals = panel([[1.0], [2.0]], ["2024-03-28", "2024-03-29"], frequency=Frequency.daily("XNYS"))
        found = NEW_YORK.align(signals)
        assert found.dates.astype(str).tolist() == ["2024-03-28", "2024-04-01"]
        assert found.values.tolist() == [[1.0], [2.0]]
        assert found.frequency == signals.frequency
        assert LONDON.align(signals).dates.astype(str).tolist() == ["2024-03-28", "2024-04-02"]

    def test_two_signals_meet(self) -> None:
        days = ["2024-03-29", "2024-03-30", "2024-04-01"]
        signals = panel([[1.0, 5.0], [2.0, NAN], [3.0, NAN]], days, "AB")
        with pytest.raises(
            DataError, match=r"A has two signals for 2024-04-01: of 2024-03-29 and of 2024-03-30\..*on_conflict"
        ):
            NEW_YORK.align(signals)
        assert NEW_YORK.align(signals, on_conflict="first").values.tolist() == [[1.0, 5.0]]
        assert NEW_YORK.align(signals, on_conflict="last").values.tolist() == [[3.0, 5.0]]

    def test_a_missing_value_is_no_signal(self) -> None:
        signals = panel([[1.0, NAN], [NAN, 4.0]], ["2024-03-29", "2024-04-01"], "AB")
        assert NEW_YORK.align(signals).values.tolist() == [[1.0, 4.0]]

    def test_of_booleans_every_value_is_one(self) -> None:
        signals = panel([[True], [False]], ["2024-03-29", "2024-04-01"])
        with pytest.raises(DataError, match="A has two signals for 2024-04-01"):
            NEW_YORK.align(signals)
        assert NEW_YORK.align(signals, on_conflict="last").values.tolist() == [[False]]
        assert NEW_YORK.align(signals, on_conflict="first").values.dtype == bool

    def test_the_conflict_names_the_signals_that_meet(self) -> None:
        signals = panel([[NAN, 1.0], [2.0, NAN], [NAN, 3.0]], ["2024-03-29", "2024-03-30", "2024-04-01"], "AB")
        with pytest.raises(DataError, match="B has two signals for 2024-04-01: of 2024-03-29 and of 2024-04-01"):
            NEW_YORK.align(signals)

    def test_frames_come_through_the_door(self) -> None:
        frame = panel([[1.0]], ["2024-03-29"]).to_frame()
        assert NEW_YORK.align(frame).dates.astype(str).tolist() == ["2024-04-01"]
        long = panel([[1.0]], ["2024-03-29"]).to_long("score")
        assert NEW_YORK.align(long).values.tolist() == [[1.0]]

    def test_corners(self) -> None:
        empty = panel(np.empty((0, 1)), np.empty(0, dtype="datetime64[D]"))
        assert NEW_YORK.align(empty).shape == (0, 1)
        nothing = panel([[NAN], [NAN]], ["2024-03-29", "2024-04-01"])
        assert NEW_YORK.align(nothing).shape == (1, 1)
        intraday = panel([[1.0]], np.array(["2024-03-29T12:00"], dtype="datetime64[us]"))
        with pytest.raises(InputError, match="`signals` must be dated by day, and begin at 2024-03-29 12:00:00 UTC"):
            NEW_YORK.align(intraday)
        with pytest.raises(InputError, match='`on_conflict` must be "raise", "first" or "last", received \'mean\''):
            NEW_YORK.align(nothing, on_conflict="mean")

    @given(st.sets(st.integers(0, 60), min_size=1), st.sampled_from(["first", "last"]))
    def test_every_signal_lands_on_the_first_session_not_before_it(self, offsets, rule) -> None:
        days = np.datetime64("2024-03-01") + np.array(sorted(offsets), dtype="timedelta64[D]")
        signals = panel(np.arange(1.0, days.size + 1)[:, None], days)
        found = NEW_YORK.align(signals, on_conflict=rule)
        assert NEW_YORK.is_session(found.dates).all()
        expected: dict = {}
        for day, value in zip(days, signals.values[:, 0], strict=True):
            session = next(s for s in NEW_YORK.sessions("2024-03-01", "2024-06-01") if s >= day)
            expected[session] = value if rule == "last" else expected.get(session, value)
        assert dict(zip(found.dates, found.values[:, 0], strict=True)) == expected

    def test_it_does_not_look_ahead(self) -> None:
        days = np.arange(np.datetime64("2024-02-26"), np.datetime64("2024-04-20"))
        signals = panel(generator(1).random((days.size, 3)) + 1.0, days, "ABC")
        for rule in ("first", "last"):
            assert_causal(NEW_YORK.align, signals, on_conflict=rule)


class TestKnownAtClose:
    def test_london_closes_before_new_york(self) -> None:
        # 2024-11-28 is Thanksgiving; 2024-11-29 closes in New York at 18:00, in London at 16:30 UTC.
        days = ["2024-11-27", "2024-11-28", "2024-11-29"]
        found = NEW_YORK.known_at_close(panel([[1.0], [2.0], [3.0]], days), source="XLON", max_age=0)
        assert found.dates.astype(str).tolist() == ["2024-11-27", "2024-11-29"]
        assert found.values.tolist() == [[1.0], [3.0]]
        assert found.frequency == Frequency.daily("XNYS")

    def test_new_york_is_known_in_london_a_day_later(self) -> None:
        days = ["2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02"]
        data = panel([[1.0], [2.0], [3.0], [4.0]], days, frequency=Frequency.daily("XNYS"))
        found = LONDON.known_at_close(data, max_age=3)
        assert found.dates.astype(str).tolist() == [f"2024-11-{day}" for day in (26, 27, 28, 29)] + ["2024-12-02"]
        np.testing.assert_array_equal(found.values[:, 0], [NAN, 1.0, 2.0, 2.0, 3.0])

    def test_a_half_day_can_close_before_the_other_exchange(self) -> None:
        # 2024-12-24: New York closes at 18:00 UTC as always before London's next day; London at 12:30.
        found = LONDON.known_at_close(panel([[1.0], [2.0]], ["2024-12-23", "2024-12-24"]), source="XNYS", max_age=9)
        np.testing.assert_array_equal(found.values[:, 0], [NAN, 1.0])

    def test_a_day_of_utc_ends_after_new_york(self) -> None:
        data = panel([[1.0], [2.0]], ["2024-03-27", "2024-03-28"], frequency=Frequency.daily("24/7"))
        np.testing.assert_array_equal(NEW_YORK.known_at_close(data, max_age=1).values[:, 0], [NAN, 1.0])

    def test_age(self) -> None:
        days = [str(day) for day in LONDON.sessions("2024-03-18", "2024-03-28")]
        values = np.full((len(days), 1), NAN)
        values[0] = 7.0
        for age, count in ((0, 1), (1, 2), (4, 5), (7, 6), (99, 9)):
            found = NEW_YORK.known_at_close(panel(values, days), source="XLON", max_age=age)
            assert (found.values == 7.0).sum() == count, age

    def test_each_symbol_by_itself(self) -> None:
        data = panel([[1.0, NAN], [NAN, 2.0]], ["2024-03-27", "2024-03-28"], "AB")
        found = NEW_YORK.known_at_close(data, source="XLON", max_age=1)
        np.testing.assert_array_equal(found.values, [[1.0, NAN], [1.0, 2.0]])

    def test_booleans(self) -> None:
        data = panel([[True], [False]], ["2024-03-26", "2024-03-27"])
        assert LONDON.known_at_close(data, source="XNYS", max_age=5).values.tolist() == [[False], [True]]

    def test_intraday_rows_are_known_at_their_own_time(self) -> None:
        times = np.array(["2024-03-26T19:59", "2024-03-26T20:00", "2024-03-26T20:01", "2024-03-27T20:00"], "M8[us]")
        data = panel([[1.0], [2.0], [3.0], [NAN]], times)
        found = NEW_YORK.known_at_close(data, max_age=1)
        assert found.dates.astype(str).tolist() == ["2024-03-26", "2024-03-27"]
        assert found.values[:, 0].tolist() == [2.0, 3.0]
        np.testing.assert_array_equal(NEW_YORK.known_at_close(data, max_age=0).values[:, 0], [2.0, NAN])
        # After the last moment nothing was recorded: the session of that day is left out.
        noon = Panel([[1.0], [2.0]], np.array(["2024-03-26T20:00", "2024-03-27T16:00"], "M8[us]"), ["A"])
        assert NEW_YORK.known_at_close(noon, max_age=1).dates.astype(str).tolist() == ["2024-03-26"]

    def test_refusals(self) -> None:
        with pytest.raises(InputError, match="The calendar of `data` is unknown"):
            NEW_YORK.known_at_close(panel([[1.0]], ["2024-03-28"]), max_age=1)
        holiday = panel([[1.0], [2.0]], ["2024-12-25", "2024-12-26"])
        with pytest.raises(DataError, match=r"2024-12-25 and 1 more is no session of XLON.*on_conflict"):
            NEW_YORK.known_at_close(holiday, source="XLON", max_age=1)
        with pytest.raises(InputError, match="`max_age` must be an integer >= 0, received -1"):
            NEW_YORK.known_at_close(holiday, source="24/7", max_age=-1)

    def test_corners(self) -> None:
        empty = panel(np.empty((0, 1)), np.empty(0, dtype="datetime64[D]"))
        assert NEW_YORK.known_at_close(empty, source="XLON", max_age=1).shape == (0, 1)
        one = panel([[1.0]], ["2024-07-04"])  # a session in London, a holiday in New York
        assert NEW_YORK.known_at_close(one, source="XLON", max_age=1).shape == (0, 1)

    @pytest.mark.parametrize("source", ["XLON", "XTKS", "24/7"])
    def test_against_a_search_row_by_row(self, source: str) -> None:
        days = Calendar(source).sessions("2024-10-01", "2024-12-31")
        draw = generator(2)
        values = draw.random((days.size, 3))
        values[draw.random(values.shape) < 0.3] = NAN
        found = NEW_YORK.known_at_close(panel(values, days, "ABC"), source=source, max_age=2)
        closes = dict(Calendar(source).windows("2024-10-01", "2024-12-31").select("session", "close").rows())
        last = str(days[-1])
        for session, close in NEW_YORK.windows("2024-10-01", last).select("session", "close").rows():
            for column, name in enumerate("ABC"):
                expected = NAN
                for day, value in zip(days.tolist(), values[:, column], strict=True):
                    if closes[day] <= close and value == value and (session - day).days <= 2:
                        expected = value
                row = np.flatnonzero(found.dates == np.datetime64(session))
                got = found.values[row, found.symbols.index(name)][0]
                assert got == expected or (np.isnan(got) and np.isnan(expected))

    @pytest.mark.parametrize("source", ["XLON", "XTKS", "XASX", "24/7"])
    def test_it_does_not_look_ahead(self, source: str) -> None:
        days = Calendar(source).sessions("2024-08-01", "2024-12-31")
        data = panel(generator(3).random((days.size, 2)) + 1.0, days, "AB", frequency=Frequency.daily(source))
        assert_causal(NEW_YORK.known_at_close, data, max_age=5)

    def test_it_takes_frames(self) -> None:
        frame = pl.DataFrame({"date": ["2024-03-28"], "A": [1.0]}).with_columns(pl.col("date").str.to_date())
        assert NEW_YORK.known_at_close(frame, source="XLON", max_age=0).values.tolist() == [[1.0]]
