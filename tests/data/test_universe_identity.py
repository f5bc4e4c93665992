"""Permanent ids: renames, reuse of tickers, and the format of LEAN's map files."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import DataError, InputError, KindError
from quantlab.data.schemas import TABLES
from quantlab.data.universe import SymbolHistory

HISTORY = {"id": pl.String, "symbol": pl.String, "start": pl.Date, "end": pl.Date}


def history(*rows) -> SymbolHistory:
    return SymbolHistory(pl.DataFrame(rows, schema=HISTORY, orient="row"))


def maps(*rows) -> pl.DataFrame:
    schema = {"map_symbol": pl.String, "date": pl.Date, "ticker": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


# As LEAN has them: a first day and ticker, then tickers with their last days.
WASTE = [
    ("WM", date(1998, 1, 2), "UW"),
    ("WM", date(1998, 7, 16), "UW"),
    ("WM", date(2009, 8, 4), "WMI"),
    ("WM", date(2050, 12, 31), "WM"),
]
GOOGLE = [
    ("GOOG", date(2014, 3, 27), "GOOCV"),
    ("GOOG", date(2014, 4, 2), "GOOCV"),
    ("GOOG", date(2050, 12, 31), "GOOG"),
    ("GOOGL", date(2004, 8, 19), "GOOG"),
    ("GOOGL", date(2014, 4, 2), "GOOG"),
    ("GOOGL", date(2050, 12, 31), "GOOGL"),
]
FACEBOOK = [
    ("FB.1", date(1999, 9, 29), "FB"),
    ("FB.1", date(2003, 3, 28), "FB"),
    ("FB", date(2012, 5, 18), "FB"),
    ("FB", date(2050, 12, 31), "FB"),
]


class TestChanges:
    def test_facebook_becomes_meta(self) -> None:
        rows = [
            ("FB.1", "FB", date(1999, 9, 29), date(2003, 3, 29)),
            ("FB", "FB", date(2012, 5, 18), date(2022, 6, 9)),
            ("FB", "META", date(2022, 6, 9), None),
        ]
        found = history(*rows).to_actions()
        assert found.schema == TABLES["actions"].schema
        # The earlier owner of the ticker did not turn into anything.
        assert found.rows() == [("FB", date(2022, 6, 9), "conversion", 1.0, "META", None, "the ticker of FB")]

    def test_chains_of_map_files(self) -> None:
        found = SymbolHistory.from_map_files(maps(*WASTE, *GOOGLE)).to_actions()
        assert found.select("symbol", "date", "into").rows() == [
            ("GOOCV", date(2014, 4, 3), "GOOG"),
            ("GOOG", date(2014, 4, 3), "GOOGL"),
            ("UW", date(1998, 7, 17), "WMI"),
            ("WMI", date(2009, 8, 5), "WM"),
        ]

    def test_dates_move_to_sessions(self) -> None:
        # Good Friday was the last day of the old ticker.
        told = history(("1", "A", None, date(2024, 3, 30)), ("1", "B", date(2024, 3, 30), None))
        assert told.to_actions()["date"].to_list() == [date(2024, 3, 30)]
        assert told.to_actions(calendar="XNYS")["date"].to_list() == [date(2024, 4, 1)]
        with pytest.raises(InputError, match="NOWHERE"):
            told.to_actions(calendar="NOWHERE")

    @pytest.mark.parametrize(("gap", "found"), [(7, []), (8, [date(2024, 3, 9)]), (0, [])])
    def test_who_was_gone_and_came_back_did_not_turn_into_itself(self, gap: int, found: list[date]) -> None:
        told = history(("1", "A", None, date(2024, 3, 1)), ("1", "B", date(2024, 3, 9), None))
        assert told.to_actions(gap=gap)["date"].to_list() == found
        assert told.to_actions()["date"].to_list() == []

    @pytest.mark.parametrize("gap", [-1, 1.5, True])
    def test_a_gap_is_a_number_of_days(self, gap: object) -> None:
        with pytest.raises((InputError, KindError), match="`gap` must be an integer >= 0"):
            history(("1", "A", None, None)).to_actions(gap=gap)  # type: ignore[arg-type]

    def test_nothing_changed(self) -> None:
        same = history(("1", "A", None, date(2024, 3, 1)), ("1", "A", date(2024, 3, 1), None), ("2", "B", None, None))
        for found in (same.to_actions(calendar="XNYS"), history().to_actions()):
            assert found.schema == TABLES["actions"].schema
            assert found.height == 0


class TestMapFiles:
    def test_rows_are_last_days(self) -> None:
        found = SymbolHistory.from_map_files(maps(*WASTE)).table.sort("start")
        assert found.rows() == [
            ("WM", "UW", date(1998, 1, 2), date(1998, 7, 17)),
            ("WM", "WMI", date(1998, 7, 17), date(2009, 8, 5)),
            ("WM", "WM", date(2009, 8, 5), None),
        ]

    def test_the_last_row_is_the_end(self) -> None:
        found = SymbolHistory.from_map_files(maps(*FACEBOOK))
        assert found.id_at("FB", "2003-03-28") == "FB.1"
        assert found.id_at("FB", "2003-03-29") is None
        assert found.id_at("FB", "2012-05-17") is None
        assert found.id_at("FB", "2012-05-18") == "FB"
        assert found.ticker_at("FB", "2010-01-04") is None

    def test_a_ticker_that_went_over(self) -> None:
        found = SymbolHistory.from_map_files(maps(*GOOGLE))
        assert [found.id_at("GOOG", day) for day in ("2014-04-02", "2014-04-03")] == ["GOOGL", "GOOG"]
        assert [found.ticker_at("GOOG", day) for day in ("2014-04-02", "2014-04-03")] == ["GOOCV", "GOOG"]
        assert [found.ticker_at("GOOGL", day) for day in ("2014-04-02", "2014-04-03")] == ["GOOG", "GOOGL"]

    def test_one_day_of_life(self) -> None:
        found = SymbolHistory.from_map_files(maps(("X", date(2020, 1, 2), "X"), ("X", date(2020, 1, 2), "X")))
        assert found.table.rows() == [("X", "X", date(2020, 1, 2), date(2020, 1, 3))]

    def test_a_rename_to_and_fro(self) -> None:
        rows = [("QQQ", date(1999, 3, 10), "QQQ"), ("QQQ", date(2004, 11, 30), "QQQ")]
        rows += [("QQQ", date(2011, 3, 22), "QQQQ"), ("QQQ", date(2050, 12, 31), "QQQ")]
        found = SymbolHistory.from_map_files(maps(*rows))
        assert [found.ticker_at("QQQ", f"{year}-06-01") for year in (2000, 2008, 2015)] == ["QQQ", "QQQQ", "QQQ"]

    @pytest.mark.parametrize(
        "rows",
        [
            [("X", date(2020, 1, 2), "X")],
            [("X", date(2020, 1, 2), "X"), ("X", date(2020, 1, 1), "X")],
            [("X", date(2020, 1, 2), "X"), ("X", date(2021, 1, 4), "X"), ("X", date(2021, 1, 4), "Y")],
        ],
    )
    def test_what_is_no_map_file(self, rows) -> None:
        with pytest.raises(DataError, match=r"X 20\d\d-01-0\d stands alone or not after the row above it"):
            SymbolHistory.from_map_files(maps(*rows))


class TestTable:
    def test_two_companies_with_one_ticker_on_one_day(self) -> None:
        with pytest.raises(
            DataError, match=r"Ticker WM has two values of `id` on 2008-06-02: WAMU and WASTE\. Hint: end one interval"
        ):
            history(("WAMU", "WM", date(1998, 1, 2), date(2008, 9, 27)), ("WASTE", "WM", date(2008, 6, 2), None))

    def test_a_company_with_two_tickers_on_one_day(self) -> None:
        with pytest.raises(DataError, match="Id WASTE has two values of `symbol` on 2009-08-05: WMI and WM"):
            history(("WASTE", "WMI", date(1998, 7, 17), None), ("WASTE", "WM", date(2009, 8, 5), None))

    def test_touching_intervals_are_legal(self) -> None:
        found = history(("A", "X", None, date(2020, 1, 2)), ("B", "X", date(2020, 1, 2), None))
        assert [found.id_at("X", day) for day in ("1900-01-01", "2020-01-01", "2020-01-02")] == ["A", "A", "B"]

    def test_an_interval_hidden_behind_a_shorter_one(self) -> None:
        # The open interval comes first by start: every later one overlaps it, the nearest is named.
        with pytest.raises(DataError, match="Ticker X has two values of `id` on 2001-01-02: A and B"):
            history(
                ("A", "X", date(2000, 1, 3), None),
                ("B", "X", date(2001, 1, 2), date(2002, 1, 2)),
                ("C", "X", date(2003, 1, 2), date(2004, 1, 2)),
            )

    def test_other_refusals(self) -> None:
        with pytest.raises(DataError, match="A 2020-01-02 of `table` ends on 2020-01-02"):
            history(("A", "X", date(2020, 1, 2), date(2020, 1, 2)))
        with pytest.raises(DataError, match="Column id of `table` has no value at row 0"):
            history((None, "X", None, None))
        with pytest.raises(DataError, match="The id WM@unknown ends in @unknown"):
            history(("WM@unknown", "X", None, None))
        with pytest.raises(InputError, match="`table` needs the column `id`"):
            SymbolHistory(pl.DataFrame({"symbol": ["A"]}))
        with pytest.raises(KindError, match="`table` must be a Polars frame, received list"):
            SymbolHistory([])

    def test_to_and_from_reference_data(self) -> None:
        one = SymbolHistory.from_map_files(maps(*WASTE, *GOOGLE, *FACEBOOK))
        reference = one.to_reference()
        assert reference.schema == TABLES["reference"].schema
        assert reference["field"].unique().to_list() == ["id"]
        other = pl.DataFrame({"symbol": ["WM"], "field": ["sector"], "value": ["Industrials"]})
        again = SymbolHistory.from_reference(pl.concat([reference, other], how="diagonal"))
        assert again.table.equals(one.table)


class TestById:
    HISTORY = SymbolHistory.from_map_files(maps(*WASTE, *GOOGLE, *FACEBOOK))

    def frame(self, *rows) -> pl.DataFrame:
        return pl.DataFrame(rows, schema={"date": pl.Date, "symbol": pl.String, "close": pl.Float64}, orient="row")

    def test_one_company_is_one_and_two_are_two(self) -> None:
        frame = self.frame(
            (date(2014, 4, 3), "GOOGL", 5.0),  # rows in no order: they stay where they are
            (date(2014, 4, 3), "GOOG", 4.0),
            (date(2014, 4, 2), "GOOG", 3.0),
            (date(2014, 4, 2), "GOOCV", 2.0),
            (date(2003, 3, 28), "FB", 1.0),
            (date(2012, 5, 18), "FB", 38.0),
        )
        found = self.HISTORY.by_id(frame)
        assert found.columns == frame.columns
        assert found["symbol"].to_list() == ["GOOGL", "GOOG", "GOOGL", "GOOG", "FB.1", "FB"]
        assert found.drop("symbol").equals(frame.drop("symbol"))

    def test_unknown_tickers(self) -> None:
        frame = self.frame(
            (date(2009, 8, 5), "WM", 28.0), (date(2007, 6, 1), "WM", 43.0), (date(2007, 6, 1), "XYZ", 1.0)
        )
        with pytest.raises(DataError, match=r"WM 2007-06-01 and 1 more belongs to no company .*2 tickers.*WM@unknown"):
            self.HISTORY.by_id(frame)
        # Washington Mutual does not become a part of Waste Management, whose id is WM.
        assert self.HISTORY.by_id(frame, unknown="keep")["symbol"].to_list() == ["WM", "WM@unknown", "XYZ@unknown"]
        with pytest.raises(InputError, match='`unknown` must be "raise" or "keep"'):
            self.HISTORY.by_id(frame, unknown="drop")

    def test_the_day_after_the_last(self) -> None:
        frame = self.frame(
            (date(2003, 3, 28), "FB", 1.0), (date(2003, 3, 29), "FB", 1.0), (date(2012, 5, 17), "FB", 1.0)
        )
        assert self.HISTORY.by_id(frame, unknown="keep")["symbol"].to_list() == ["FB.1", "FB@unknown", "FB@unknown"]

    def test_moments_have_the_day_of_the_exchange(self) -> None:
        evening = datetime(2014, 4, 3, 0, 30, tzinfo=UTC)  # still the 2nd in New York
        frame = pl.DataFrame({"symbol": ["GOOG"], "date": [evening]})
        assert self.HISTORY.by_id(frame, calendar="XNYS")["symbol"].to_list() == ["GOOGL"]
        assert self.HISTORY.by_id(frame)["symbol"].to_list() == ["GOOG"]
        with pytest.raises(KindError, match="clock times without a time zone"):
            self.HISTORY.by_id(frame.with_columns(pl.col("date").dt.replace_time_zone(None)))

    def test_corners(self) -> None:
        assert self.HISTORY.by_id(self.frame()).rows() == []
        frame = self.frame((date(2014, 4, 3), "GOOG", None))
        assert self.HISTORY.by_id(frame.with_columns(pl.col("symbol").cast(pl.Categorical)))["symbol"][0] == "GOOG"
        with pytest.raises(DataError, match="Column date of `frame` has no value at row 0"):
            self.HISTORY.by_id(self.frame((None, "FB", 1.0)))
        with pytest.raises(DataError, match="Column symbol of `frame` has no value at row 0"):
            self.HISTORY.by_id(self.frame((date(2014, 4, 3), None, 1.0)))
        with pytest.raises(InputError, match="`frame` needs the column `date`, and has symbol"):
            self.HISTORY.by_id(pl.DataFrame({"symbol": ["FB"]}))
        with pytest.raises(KindError, match="`frame` must be a Polars frame, received list"):
            self.HISTORY.by_id([])

    @given(st.lists(st.tuples(st.sampled_from(["WM", "WMI", "UW", "FB", "GOOG", "GOOCV"]), st.integers(10200, 17000))))
    def test_it_agrees_with_the_question_for_one(self, rows) -> None:
        days = [date.fromordinal(date(1970, 1, 1).toordinal() + number) for _, number in rows]
        frame = pl.DataFrame(
            {"symbol": [ticker for ticker, _ in rows], "date": days}, schema={"symbol": pl.String, "date": pl.Date}
        )
        found = self.HISTORY.by_id(frame, unknown="keep")["symbol"].to_list()
        asked = [
            self.HISTORY.id_at(ticker, day) or f"{ticker}@unknown"
            for ticker, day in zip(frame["symbol"], days, strict=True)
        ]
        assert found == asked

    def test_the_question_for_one_takes_a_day(self) -> None:
        with pytest.raises(KindError, match="`day` must be a day"):
            self.HISTORY.id_at("FB", datetime(2014, 4, 3, 12))
