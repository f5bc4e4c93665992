"""First and last prices, returns at delisting, and what contradicts them."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from quantlab.core import Bars, DataError, Frequency, InputError, KindError, Panel, as_bars
from quantlab.data.schemas import TABLES
from quantlab.data.universe import DelistingPolicy, delisting_actions, delisting_problems, listings

NAN = np.nan
COLUMNS = {
    "symbol": pl.String,
    "last": pl.Date,
    "value": pl.Float64,
    "reason": pl.String,
    "exchange": pl.String,
}
DAYS = ["2024-03-26", "2024-03-27", "2024-03-28", "2024-04-01"]


def left(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def bars(values, symbols="ABCD", days=DAYS) -> Bars:
    return as_bars(Panel(values, days, list(symbols)), frequency=Frequency.daily("XNYS"))


# A lives, B ends on the 27th, C has no close, D begins late and has a gap.
TOY = bars([[1.0, 2.0, NAN, NAN], [1.0, 2.0, NAN, 3.0], [1.0, NAN, NAN, NAN], [1.0, NAN, NAN, 3.0]])


class TestListings:
    def test_by_hand(self) -> None:
        found = listings(TOY)
        assert found.schema == {
            "symbol": pl.String,
            "first": pl.Date,
            "last": pl.Date,
            "closes": pl.Int64,
            "at_end": pl.Boolean,
        }
        assert found.rows() == [
            ("A", date(2024, 3, 26), date(2024, 4, 1), 4, True),
            ("B", date(2024, 3, 26), date(2024, 3, 27), 2, False),
            ("C", None, None, 0, False),
            ("D", date(2024, 3, 27), date(2024, 4, 1), 2, True),
        ]

    def test_one_row(self) -> None:
        assert listings(TOY.between("2024-04-01")).row(0) == ("A", date(2024, 4, 1), date(2024, 4, 1), 1, True)

    def test_intraday(self) -> None:
        times = np.array(["2024-03-28T20:00", "2024-03-29T00:00"], dtype="datetime64[us]")  # 20:00 in New York
        close = Panel([[1.0], [2.0]], times, ["A"], frequency=Frequency(None, "XNYS"))
        assert listings(as_bars(close)).row(0) == ("A", date(2024, 3, 28), date(2024, 3, 28), 2, True)

    def test_a_panel_is_refused(self) -> None:
        with pytest.raises(KindError, match="`bars` must be Bars, received Panel"):
            listings(TOY.close)


class TestDelistingActions:
    def test_given_returns(self) -> None:
        found = delisting_actions(
            left(("B", date(2024, 3, 28), -0.4, None, None), ("A", date(2024, 3, 28), 0.02, "merger", "N")),
            calendar="XNYS",
        )
        assert found.schema == TABLES["actions"].schema
        # Good Friday and the weekend follow: the first session without a price is Easter Monday.
        assert found.rows() == [
            ("A", date(2024, 4, 1), "delisting", 0.02, None, None, "given"),
            ("B", date(2024, 4, 1), "delisting", -0.4, None, None, "given"),
        ]

    @pytest.mark.parametrize(
        ("reason", "exchange", "value", "note"),
        [
            ("merger", None, 0.0, "assumed: merger"),
            ("performance", "NYSE", -0.30, "assumed: performance, NYSE, Shumway 1997"),
            ("performance", "A", -0.30, "assumed: performance, NYSE, Shumway 1997"),
            ("performance", "Nasdaq", -0.55, "assumed: performance, Nasdaq, Shumway and Warther 1999"),
            ("performance", "Q", -0.55, "assumed: performance, Nasdaq, Shumway and Warther 1999"),
        ],
    )
    def test_the_policy_of_the_literature(self, reason, exchange, value, note) -> None:
        row = left(("A", date(2024, 3, 27), None, reason, exchange))
        found = delisting_actions(row, calendar="XNYS", policy=DelistingPolicy())
        assert found.select("value", "note").row(0) == (value, note)

    def test_an_unknown_reason_is_not_guessed(self) -> None:
        row = left(("A", date(2024, 3, 27), None, None, "N"))
        with pytest.raises(DataError, match=r"A 2024-03-27 left for an unknown reason.*assumes the worse"):
            delisting_actions(row, calendar="XNYS", policy=DelistingPolicy())
        found = delisting_actions(row, calendar="XNYS", policy=DelistingPolicy(unknown="performance"))
        note = "assumed: reason unknown, taken for performance, NYSE, Shumway 1997"
        assert found.select("value", "note").row(0) == (-0.3, note)
        found = delisting_actions(row, calendar="XNYS", policy=DelistingPolicy(unknown="merger", merger=0.01))
        assert found.select("value", "note").row(0) == (0.01, "assumed: reason unknown, taken for merger")

    def test_an_own_number_is_not_attributed_to_a_paper(self) -> None:
        row = left(("A", date(2024, 3, 27), None, "performance", "N"))
        found = delisting_actions(row, calendar="XNYS", policy=DelistingPolicy(nyse=-0.9))
        assert found.select("value", "note").row(0) == (-0.9, "assumed: performance, NYSE, own policy")

    def test_a_given_value_wins(self) -> None:
        row = left(("A", date(2024, 3, 27), -1.0, "performance", "N"))
        assert delisting_actions(row, calendar="XNYS", policy=DelistingPolicy())["value"].to_list() == [-1.0]

    def test_columns_that_may_be_absent(self) -> None:
        row = left(("A", date(2024, 3, 27), 0.1, None, None)).select("symbol", "last", "value")
        assert delisting_actions(row, calendar="XNYS").height == 1
        assert delisting_actions(row[:0], calendar="XNYS").schema == TABLES["actions"].schema

    @pytest.mark.parametrize(
        ("row", "policy", "sentence"),
        [
            ((None, None, None), None, "A 2024-03-27 has no return at delisting. Hint: .*policy=DelistingPolicy"),
            ((NAN, None, None), None, "A 2024-03-27 has no return at delisting"),
            ((-1.01, None, None), None, "A 2024-03-27 must be at least -1 and finite, received -1.01"),
            ((np.inf, None, None), None, "must be at least -1 and finite, received inf"),
            ((None, "fraud", "N"), DelistingPolicy(), 'must be "merger", "performance" or null, received \'fraud\''),
            ((None, "performance", "XLON"), DelistingPolicy(), "for performance from XLON, and the policy speaks of"),
            ((None, "performance", None), DelistingPolicy(), "from an unknown exchange"),
        ],
    )
    def test_refusals(self, row, policy, sentence) -> None:
        with pytest.raises(DataError, match=sentence):
            delisting_actions(left(("A", date(2024, 3, 27), *row)), calendar="XNYS", policy=policy)

    def test_twice(self) -> None:
        row = ("A", date(2024, 3, 27), 0.0, None, None)
        with pytest.raises(DataError, match="A 2024-03-27 stands twice"):
            delisting_actions(left(row, row), calendar="XNYS")

    @pytest.mark.parametrize(
        ("arguments", "error", "sentence"),
        [
            ({"nyse": -1.5}, InputError, "`nyse` must be a return of at least -1, received -1.5"),
            ({"merger": "none"}, KindError, "`merger` must be a number"),
            ({"unknown": "worst"}, InputError, '`unknown` must be "merger", "performance" or None'),
        ],
    )
    def test_policies(self, arguments, error, sentence) -> None:
        with pytest.raises(error, match=sentence):
            DelistingPolicy(**arguments)


class TestProblems:
    def actions(self, *rows) -> pl.DataFrame:
        schema = {"symbol": pl.String, "date": pl.Date, "kind": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def test_each_kind(self) -> None:
        found = delisting_problems(
            self.actions(
                ("A", date(2024, 3, 28), "delisting"),
                ("B", date(2024, 3, 28), "delisting"),  # right: its last close is on the session before
                ("B", date(2024, 4, 1), "delisting"),
                ("C", date(2024, 3, 28), "delisting"),
                ("Z", date(2024, 3, 28), "delisting"),
                ("D", date(2024, 4, 1), "delisting"),
                ("A", date(2024, 4, 2), "delisting"),  # after the data
                ("A", date(2024, 3, 28), "dividend"),
            ),
            TOY,
        )
        assert found.columns == ["symbol", "date", "last", "problem"]
        assert found.rows() == [
            ("A", date(2024, 3, 28), date(2024, 4, 1), "trades on"),
            ("C", date(2024, 3, 28), None, "no series"),
            ("Z", date(2024, 3, 28), None, "no series"),
            ("B", date(2024, 4, 1), date(2024, 3, 27), "ended before"),
            ("D", date(2024, 4, 1), date(2024, 4, 1), "trades on"),
        ]

    def test_the_two_agree(self) -> None:
        ended = listings(TOY).filter(~pl.col("at_end") & pl.col("last").is_not_null())
        actions = delisting_actions(ended.with_columns(value=-1.0), calendar="XNYS")
        assert actions.height == 1
        assert delisting_problems(actions, TOY).height == 0

    def test_nothing_to_look_at(self) -> None:
        assert delisting_problems(self.actions(), TOY).rows() == []

    def test_the_calendar_is_needed(self) -> None:
        with pytest.raises(InputError, match="`bars` have no calendar"):
            delisting_problems(self.actions(), as_bars(Panel([[1.0]], ["2024-03-28"], ["A"])))
