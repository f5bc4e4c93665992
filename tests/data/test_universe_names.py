"""Names that do not meet, names that change over intervals, and the other ways in which a table is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import DataError, InputError, KindError, LabelError, Panel
from quantlab.data.schemas import TABLES
from quantlab.data.universe import (
    DelistingPolicy,
    SymbolHistory,
    delisting_actions,
    facts_from_snapshots,
    from_intervals,
    from_snapshots,
    membership,
    sector_at,
    sectors,
    top_by_dollar_volume,
)
from quantlab.data.universe._membership import inside
from quantlab.data.universe._screen import _chosen

CLOSE = Panel(np.ones((2, 2)), ["2024-01-02", "2024-01-03"], ["BRK-B", "AAPL"])
EMPTY = Panel(np.ones((2, 0)), ["2024-01-02", "2024-01-03"], [])


def members(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TABLES["members"].schema, orient="row")


def reference(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TABLES["reference"].schema, orient="row")


class TestNamesThatDoNotMeet:
    def test_of_members(self) -> None:
        table = members(*((name, date(2020, 1, 2), None) for name in ("BRK.B", "10107", "14593", "X", "Y")))
        with pytest.raises(
            LabelError,
            match=r"No symbol of `members` is one of `like`: BRK.B, 10107, 14593 and 2 more against BRK-B, AAPL. "
            r"Hint: are they ids and tickers, or BRK.B and BRK-B\?",
        ):
            membership(table, CLOSE)

    def test_one_that_meets_is_enough(self) -> None:
        table = members(("BRK.B", date(2020, 1, 2), None), ("AAPL", date(2020, 1, 2), None))
        assert membership(table, CLOSE).values.tolist() == [[False, True]] * 2

    def test_no_rows_and_no_columns_are_legal(self) -> None:
        assert not membership(members(), CLOSE).values.any()
        assert membership(members(("X", date(2020, 1, 2), None)), EMPTY).shape == (2, 0)

    def test_part_of_a_whole_is_held_against_the_whole(self) -> None:
        table = members(("MSFT", date(2020, 1, 2), None))
        assert not inside(table, CLOSE, among=("AAPL", "BRK-B", "MSFT")).values.any()
        with pytest.raises(LabelError, match="MSFT against AAPL, BRK-B"):
            inside(table, CLOSE, among=("AAPL", "BRK-B"))

    def test_of_sectors(self) -> None:
        table = reference(("BRK.B", "sector", "Financials", None, None), ("AAPL", "exchange", "NASDAQ", None, None))
        with pytest.raises(LabelError, match=r"No symbol of `reference` is one of `like`: BRK.B against BRK-B, AAPL"):
            sectors(table, CLOSE)
        assert sectors(table, CLOSE, field="exchange").values[0].tolist()[1] == 0.0
        assert sectors(table, EMPTY).shape == (2, 0)
        with pytest.raises(LabelError, match=r"No symbol of `reference` is one of `symbols`: BRK.B against BRK-B"):
            sector_at(table, "2024-01-02", symbols=["BRK-B"])
        assert sector_at(table, "2024-01-02", symbols=["BRK-B", "BRK.B"]) == {"BRK-B": None, "BRK.B": "Financials"}
        assert sector_at(table, "2024-01-02", symbols=[]) == {}
        assert sector_at(table, "2024-01-02", field="industry", symbols=["Z"]) == {"Z": None}


def history(*rows) -> SymbolHistory:
    return SymbolHistory(pl.DataFrame(rows, schema=["id", "symbol", "start", "end"], orient="row"))


D = date
WM = history(
    ("WAMU", "WM", D(1998, 1, 2), D(2008, 9, 26)),
    ("WASTE", "WMI", D(1998, 7, 17), D(2009, 8, 5)),
    ("WASTE", "WM", D(2009, 8, 5), None),
    ("OLD", "OLD", None, None),
)


class TestIntervals:
    def test_members_are_split_where_the_ticker_goes_over(self) -> None:
        table = members(
            ("WMI", D(2000, 1, 3), D(2009, 8, 5)),
            ("WM", D(2009, 8, 5), None),
            ("OLD", D(1990, 1, 2), None),
            ("WM", D(1999, 1, 4), D(2008, 9, 26)),
        )
        assert WM.intervals_by_id(table).rows() == [
            ("WASTE", D(2000, 1, 3), D(2009, 8, 5)),
            ("WASTE", D(2009, 8, 5), None),
            ("OLD", D(1990, 1, 2), None),
            ("WAMU", D(1999, 1, 4), D(2008, 9, 26)),
        ]

    def test_what_nobody_was_called_is_refused_or_kept_apart(self) -> None:
        table = members(("WM", D(1997, 1, 2), None))
        with pytest.raises(DataError, match=r"WM from 1997-01-02 and 1 more belongs to no company of the history"):
            WM.intervals_by_id(table)
        assert WM.intervals_by_id(table, unknown="keep").rows() == [
            ("WM@unknown", D(1997, 1, 2), D(1998, 1, 2)),
            ("WAMU", D(1998, 1, 2), D(2008, 9, 26)),
            ("WM@unknown", D(2008, 9, 26), D(2009, 8, 5)),
            ("WASTE", D(2009, 8, 5), None),
        ]
        ends = members(("WMI", D(2000, 1, 3), None), ("Q", D(2000, 1, 3), D(2001, 1, 3)))
        assert WM.intervals_by_id(ends, unknown="keep").rows() == [
            ("WASTE", D(2000, 1, 3), D(2009, 8, 5)),
            ("WMI@unknown", D(2009, 8, 5), None),
            ("Q@unknown", D(2000, 1, 3), D(2001, 1, 3)),
        ]

    def test_reference_data_keep_their_columns_and_always_begins_with_the_first(self) -> None:
        table = reference(
            ("WMI", "sector", "Industrials", None, D(2009, 8, 5)), ("OLD", "sector", "Energy", None, None)
        )
        found = WM.intervals_by_id(table)
        assert found.schema == TABLES["reference"].schema
        assert found.rows() == [
            ("WASTE", "sector", "Industrials", D(1998, 7, 17), D(2009, 8, 5)),
            ("OLD", "sector", "Energy", None, None),
        ]
        with pytest.raises(DataError, match="Q from the beginning belongs to no company"):
            WM.intervals_by_id(reference(("Q", "sector", "Energy", None, None)))

    def test_corners(self) -> None:
        assert WM.intervals_by_id(members()).schema == TABLES["members"].schema
        without_end = pl.DataFrame({"row": [7], "symbol": ["OLD"], "start": [D(2000, 1, 3)], "id": ["kept"]})
        assert WM.intervals_by_id(without_end).rows(named=True) == [
            {"row": 7, "symbol": "OLD", "start": D(2000, 1, 3), "id": "kept", "end": None}
        ]
        for wrong, error, words in (
            (None, KindError, "`frame` must be a Polars frame"),
            (members(("OLD", D(2000, 1, 3), D(2000, 1, 3))), DataError, "ends on 2000-01-03"),
            (members((None, D(2000, 1, 3), None)), DataError, "no value at row 0"),
            (pl.DataFrame({"symbol": ["OLD"]}), InputError, "needs the column `start`"),
        ):
            with pytest.raises(error, match=words):
                WM.intervals_by_id(wrong)
        with pytest.raises(InputError, match='`unknown` must be "raise" or "keep"'):
            WM.intervals_by_id(members(), unknown="drop")

    @settings(max_examples=60, deadline=None)
    @given(
        cuts=st.lists(st.integers(1, 28), min_size=1, max_size=6, unique=True),
        owners=st.lists(st.sampled_from(["a", "b", None]), min_size=6, max_size=6),
        span=st.tuples(st.integers(1, 27), st.integers(1, 28)).filter(lambda pair: pair[0] < pair[1]),
    )
    def test_each_day_is_as_the_question_for_one(self, cuts, owners, span) -> None:
        edges = [*sorted(cuts), None]
        rows = [
            (f"{owner}{number}", "T", D(2024, 1, low), None if high is None else D(2024, 1, high))
            for number, (owner, low, high) in enumerate(zip(owners, edges, edges[1:], strict=False))
            if owner is not None and low is not None
        ]
        told = history(*rows) if rows else history(("z", "Z", None, None))
        found = told.intervals_by_id(members(("T", D(2024, 1, span[0]), D(2024, 1, span[1]))), unknown="keep")
        days = {day: name for name, start, end in found.rows() for day in range(start.day, end.day)}
        expected = {day: told.id_at("T", D(2024, 1, day)) or "T@unknown" for day in range(*span)}
        assert days == expected
        assert sum((end - start).days for _, start, end in found.rows()) == span[1] - span[0]


class TestDaysOfMoments:
    def test_they_are_those_of_the_column(self) -> None:
        told = history(("one", "T", None, D(2024, 1, 3)), ("two", "T", D(2024, 1, 3), None))
        moment = datetime(2024, 1, 3, 2, tzinfo=UTC)  # in New York the evening of the 2nd
        utc = pl.DataFrame({"symbol": ["T"], "date": [moment]})
        york = utc.with_columns(pl.col("date").dt.convert_time_zone("America/New_York"))
        assert told.by_id(utc)["symbol"].to_list() == ["two"]
        assert told.by_id(york)["symbol"].to_list() == ["one"]
        assert told.by_id(utc, calendar="XNYS")["symbol"].to_list() == ["one"]
        # A bar that ends at midnight belongs to the day that ends there.
        night = york.with_columns(
            date=pl.lit(datetime(2024, 1, 3, 5, tzinfo=UTC)).dt.convert_time_zone("America/New_York")
        )
        assert told.by_id(night)["symbol"].to_list() == ["one"]
        with pytest.raises((InputError, KindError), match="time zone"):
            told.by_id(utc.with_columns(pl.col("date").dt.replace_time_zone(None)))


class TestRefusals:
    def test_one_column_with_two_meanings(self) -> None:
        frame = members(("A", D(2024, 1, 2), D(2024, 1, 3)))
        with pytest.raises(InputError, match="`start` and `end` name one column, 'end'"):
            from_intervals(frame, end_is="last_day_in", start="end")
        lists = pl.DataFrame({"date": [D(2020, 1, 1)], "symbol": ["A"]})
        with pytest.raises(InputError, match="`symbol` and `value` name one column, 'symbol'"):
            facts_from_snapshots(lists, field="symbol")
        with pytest.raises(InputError, match="`symbol` and `date` name one column"):
            from_snapshots(lists, symbol="date")

    def test_delistings(self) -> None:
        frame = pl.DataFrame({"symbol": ["A", "B"], "last": [D(2024, 3, 28), D(2024, 3, 30)], "value": [-0.5, -0.5]})
        with pytest.raises(DataError, match=r"B 2024-03-30 is no session of XNYS, and `last` is the last session"):
            delisting_actions(frame, calendar="XNYS")
        assert delisting_actions(frame.head(1), calendar="XNYS").height == 1
        with pytest.raises(KindError, match="`policy` must be a DelistingPolicy, received str"):
            delisting_actions(frame.head(1), calendar="XNYS", policy="shumway")
        assert delisting_actions(frame.head(1), calendar="XNYS", policy=DelistingPolicy()).height == 1

    @pytest.mark.parametrize("rule", ["every ²", "every -1", "every 1.5", "every "])
    def test_rules_with_odd_numbers(self, rule) -> None:
        with pytest.raises(InputError, match='must read "every n" with a whole number'):
            top_by_dollar_volume(CLOSE, CLOSE, n=1, rebalance=rule)


@pytest.mark.parametrize(("n", "band"), [(100, 0.15), (10, 0.1), (100, 0.1), (50, 0.3), (1000, 0.001)])
def test_the_band_reaches_the_rank_that_its_percentage_says(n, band):
    # In floating point 100 x 1.15 is less than 115, and 10 x 0.9 less or more than 9 in other products.
    wide = round(n * (1 + band))
    size = np.arange(2 * n, 0, -1, dtype=float)
    held = np.zeros(2 * n, dtype=bool)
    held[wide - 1 : wide + 1] = True  # ranks at the edge and one beyond
    chosen = _chosen(size, held, n, band, np.arange(2 * n))
    assert chosen[wide - 1]
    assert not chosen[wide]
    assert chosen.sum() == n
