"""Members of an index: intervals to a bool Panel, vendors' tables to intervals."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import DataError, Frequency, InputError, KindError, Panel, as_bars
from quantlab.data.schemas import TABLES, empty
from quantlab.data.universe import from_intervals, from_snapshots, membership
from quantlab.testing import assert_causal

SCHEMA = TABLES["members"].schema
DAYS = [f"2024-01-0{day}" for day in (2, 3, 4, 5, 8)]


def day(number: int) -> date:
    return date(2024, 1, number)


def members(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def close(symbols="ABC", days=DAYS, **keywords) -> Panel:
    return Panel(np.ones((len(days), len(symbols))), days, list(symbols), **keywords)


class TestMembership:
    def test_by_hand(self) -> None:
        table = members(
            ("A", day(3), day(5)),  # two days; the third is the first out
            ("A", day(8), None),  # back again, and still there
            ("B", date(1990, 1, 1), day(3)),
            ("Z", day(2), None),  # nobody asked for it
        )
        found = membership(table, close())
        assert found.values.dtype == bool
        assert found.values.T.tolist() == [
            [False, True, True, False, True],
            [True, False, False, False, False],
            [False] * 5,
        ]

    def test_labels_are_those_of_the_question(self) -> None:
        like = close("BA", frequency=Frequency.daily("XNYS"))
        found = membership(members(("A", day(1), None)), like)
        assert found.symbols == ("B", "A")
        assert found.frequency == like.frequency
        np.testing.assert_array_equal(found.dates, like.dates)
        np.testing.assert_array_equal(membership(members(("A", day(1), None)), like=as_bars(like)).values, found.values)

    def test_overlapping_and_touching_stays_are_their_union(self) -> None:
        table = members(("A", day(2), day(5)), ("A", day(3), day(4)), ("A", day(5), day(8)))
        assert membership(table, close("A")).values[:, 0].tolist() == [True, True, True, True, False]

    def test_days_between_the_bars(self) -> None:
        # In on Saturday, out on Sunday; in on Sunday, out on Tuesday: what counts is the day of a bar.
        assert not membership(members(("A", day(6), day(7))), close("A")).values.any()
        assert membership(members(("A", day(7), day(9))), close("A")).values[:, 0].tolist() == [False] * 4 + [True]

    def test_corners(self) -> None:
        assert not membership(empty("members"), close()).values.any()
        assert membership(members(("A", day(2), None)), close("ABC", days=[])).shape == (0, 3)
        assert membership(members(("A", date(2030, 1, 1), None)), close()).values.sum() == 0
        assert membership(members(("A", date(1990, 1, 1), date(1991, 1, 1))), close()).values.sum() == 0
        without_end = pl.DataFrame({"symbol": ["A"], "start": [day(4)]})
        assert membership(without_end, close("A")).values[:, 0].tolist() == [False, False, True, True, True]

    def test_intraday_bars_belong_to_the_day_of_the_exchange(self) -> None:
        # 20:00 in New York on the 3rd is 01:00 on the 4th in UTC; a bar that ends at midnight is of the day before.
        times = np.array(["2024-01-03T14:31", "2024-01-04T01:00", "2024-01-04T05:00", "2024-01-04T14:31"], "M8[us]")
        table = members(("A", day(4), None))
        new_york = Panel(np.ones((4, 1)), times, ["A"], frequency=Frequency(None, "XNYS"))
        assert membership(table, new_york).values[:, 0].tolist() == [False, False, False, True]
        anywhere = Panel(np.ones((4, 1)), times, ["A"])
        assert membership(table, anywhere).values[:, 0].tolist() == [False, True, True, True]

    @pytest.mark.parametrize(
        ("table", "error", "sentence"),
        [
            (members(("A", day(4), day(4))), DataError, "A 2024-01-04 of `members` ends on 2024-01-04"),
            (
                members(("A", day(4), day(3)), ("B", day(4), day(3))),
                DataError,
                "A 2024-01-04 and 1 more of `members` ends on 2024-01-03; an interval ends after it starts",
            ),
            (members((None, day(4), None)), DataError, "Column symbol of `members` has no value at row 0"),
            (members(("A", day(4), None), ("B", None, None)), DataError, "Column start .* no value at row 1"),
            (
                members(("A", day(4), None)).drop("start"),
                InputError,
                "`members` needs the column `start`, and has symbol",
            ),
            (
                members(("A", day(4), None)).with_columns(start=pl.lit("2024-01-04")),
                KindError,
                "Column start of `members` must be a Date, received String",
            ),
            (members(("A", day(4), None)).with_columns(symbol=pl.lit(5)), KindError, "Column symbol .* must be text"),
            ({"symbol": ["A"]}, KindError, "`members` must be a Polars frame, received dict"),
        ],
    )
    def test_what_is_refused(self, table, error, sentence) -> None:
        with pytest.raises(error, match=sentence):
            membership(table, close())

    def test_another_like_is_refused(self) -> None:
        with pytest.raises(KindError, match="`like` must be a Panel or Bars, received DataFrame"):
            membership(empty("members"), close().to_frame())

    @given(
        st.lists(
            st.tuples(st.sampled_from("ABC"), st.integers(1, 28), st.one_of(st.none(), st.integers(1, 10))), max_size=12
        )
    )
    def test_against_a_question_per_cell(self, rows) -> None:
        table = members(
            *((symbol, day(start), None if length is None else date.fromordinal(day(start).toordinal() + length))
              for symbol, start, length in rows)
        )  # fmt: skip
        days = [f"2024-01-{number:02d}" for number in range(1, 31, 2)]
        found = membership(table, close(days=days))
        for row, text in enumerate(days):
            for column, symbol in enumerate("ABC"):
                at = date.fromisoformat(text)
                expected = any(s == symbol and a <= at and (b is None or at < b) for s, a, b in table.rows())
                assert found.values[row, column] == expected

    def test_it_does_not_look_ahead(self) -> None:
        assert_causal(lambda like: membership(members(("A", day(3), day(5)), ("B", day(4), None)), like), close())


class TestFromIntervals:
    def test_what_the_end_says(self) -> None:
        frame = pl.DataFrame({"ticker": ["A", "B"], "in": [day(2), day(3)], "out": [day(4), None]})
        names = {"symbol": "ticker", "start": "in", "end": "out"}
        assert from_intervals(frame, end_is="first_day_out", **names).rows() == [
            ("A", day(2), day(4)),
            ("B", day(3), None),
        ]
        assert from_intervals(frame, end_is="last_day_in", **names).rows() == [
            ("A", day(2), day(5)),
            ("B", day(3), None),
        ]

    def test_schema_and_order(self) -> None:
        frame = members(("B", day(2), day(3)), ("A", day(4), day(5)), ("A", day(2), day(3)))
        found = from_intervals(frame, end_is="first_day_out")
        assert found.schema == SCHEMA
        assert found.rows() == [("A", day(2), day(3)), ("A", day(4), day(5)), ("B", day(2), day(3))]
        assert from_intervals(empty("members"), end_is="first_day_out").schema == SCHEMA

    def test_touching_and_overlapping_stays_are_one(self) -> None:
        frame = members(
            ("A", day(2), day(4)),
            ("A", day(4), day(5)),  # touches
            ("A", day(3), day(4)),  # lies within
            ("A", day(7), None),
            ("A", day(8), day(9)),  # within one that is open
            ("A", day(10), day(12)),  # and after one that lies within
            ("B", day(2), day(4)),
        )
        assert from_intervals(frame, end_is="first_day_out").rows() == [
            ("A", day(2), day(5)),
            ("A", day(7), None),
            ("B", day(2), day(4)),
        ]

    def test_one_day_as_the_last_day_in(self) -> None:
        assert from_intervals(members(("A", day(2), day(2))), end_is="last_day_in").rows() == [("A", day(2), day(3))]
        with pytest.raises(DataError, match="A 2024-01-02 of `frame` ends on 2024-01-02"):
            from_intervals(members(("A", day(2), day(2))), end_is="first_day_out")

    def test_it_must_be_said(self) -> None:
        with pytest.raises(TypeError, match="end_is"):
            from_intervals(empty("members"))
        with pytest.raises(InputError, match='`end_is` must be "first_day_out" or "last_day_in"'):
            from_intervals(empty("members"), end_is="inclusive")

    @given(
        st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 20), st.integers(1, 8)), max_size=10),
        st.sampled_from(["first_day_out", "last_day_in"]),
    )
    def test_joining_stays_changes_no_day(self, rows, end_is) -> None:
        table = members(*((s, day(a), date.fromordinal(day(a).toordinal() + n)) for s, a, n in rows))
        joined = from_intervals(table, end_is=end_is)
        assert joined.select("symbol", "start").is_duplicated().sum() == 0
        if end_is == "last_day_in":
            table = table.with_columns(pl.col("end").dt.offset_by("1d"))
        like = close("AB", days=[f"2024-01-{number:02d}" for number in range(1, 32)])
        np.testing.assert_array_equal(membership(joined, like).values, membership(table, like).values)


class TestFromSnapshots:
    def test_each_list_holds_until_the_next(self) -> None:
        lists = pl.DataFrame(
            [(day(2), "A"), (day(2), "B"), (day(4), "B"), (day(4), "C"), (day(8), "A"), (day(8), "B")],
            schema={"asof": pl.Date, "ticker": pl.String},
            orient="row",
        )
        found = from_snapshots(lists, symbol="ticker", date="asof")
        assert found.schema == SCHEMA
        assert found.rows() == [
            ("A", day(2), day(4)),
            ("A", day(8), None),
            ("B", day(2), None),
            ("C", day(4), day(8)),
        ]
        until = from_snapshots(lists, symbol="ticker", date="asof", until="2024-01-10")
        assert until.filter(pl.col("end").is_null()).height == 0
        assert until.rows()[1] == ("A", day(8), day(10))

    def test_nobody_is_a_member_before_the_first_list(self) -> None:
        lists = pl.DataFrame({"date": [day(4)], "symbol": ["A"]})
        assert membership(from_snapshots(lists), close("A")).values[:, 0].tolist() == [False, False, True, True, True]

    def test_refusals(self) -> None:
        lists = pl.DataFrame({"date": [day(4), day(4)], "symbol": ["A", "A"]})
        with pytest.raises(DataError, match="A stands twice in the list of 2024-01-04"):
            from_snapshots(lists)
        with pytest.raises(InputError, match="`until` must come after the last list, 2024-01-04, received 2024-01-04"):
            from_snapshots(lists[:1], until="2024-01-04")
        with pytest.raises(InputError, match="`frame` needs the column `vintage`"):
            from_snapshots(lists, date="vintage")
        assert from_snapshots(lists[:0]).schema == SCHEMA
