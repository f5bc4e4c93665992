"""Adjustment of long frames: published numbers, cases by hand, the corner table, and what is refused."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError, InputError, KindError, LabelError
from quantlab.data.adjustment._adjust import adjust, adjustment_factors

NAN = math.nan


def days(count: int, start: date = date(2024, 1, 1)) -> list[date]:
    return [start + timedelta(days=n) for n in range(count)]


def long(close: list, dividend: list | None = None, split: list | None = None, **columns: list) -> pl.DataFrame:
    n = len(close)
    return pl.DataFrame(
        {
            "date": pl.Series(days(n), dtype=pl.Date),
            "symbol": pl.Series(["A"] * n, dtype=pl.String),
            "close": pl.Series(close, dtype=pl.Float64),
            "dividend": pl.Series(dividend or [0.0] * n, dtype=pl.Float64),
            "split": pl.Series(split or [1.0] * n, dtype=pl.Float64),
            **columns,
        }
    )


def actions(*rows: tuple[date, str, float], symbol: str = "A") -> pl.DataFrame:
    schema = {"symbol": pl.String, "date": pl.Date, "kind": pl.String, "value": pl.Float64}
    return pl.DataFrame([(symbol, *row) for row in rows], schema=schema, orient="row")


class TestPublished:
    """Numbers that others have published."""

    @pytest.mark.parametrize(
        ("before", "dividend", "multiplier"), [(24.96, 0.08, 0.9968), (16.51, 2.40, 0.8546), (51.20, 1.25, 0.9756)]
    )
    def test_dividend_multipliers_of_yahoo(self, before: float, dividend: float, multiplier: float) -> None:
        # Yahoo's help page on adjusted close prices, which multiplies pre-dividend data by 1 - 0.08 / 24.96 and so on.
        found = adjust(long([before, before], [0, dividend]), convention="previous_close")["close"][0] / before
        assert round(found, 4) == multiplier

    def test_table_of_yahoo(self) -> None:
        # The same page's table of a 2:1 split followed by a dividend, its dates of February.
        close = [46.99, 48.30, 24.96, 24.91, 24.95, 24.53, 24.54]
        frame = long(close, [0, 0, 0, 0, 0, 0.08, 0], [1, 1, 2, 1, 1, 1, 1])
        found = adjust(frame, convention="previous_close")["close"].round(2).to_list()
        # The page takes the multiplier of the previous close, 24.96; with 24.95 it is the same to four digits.
        assert found == [23.42, 24.07, 24.88, 24.83, 24.87, 24.53, 24.54]

    def test_factor_of_fasttrack(self) -> None:
        # FastTrack's distribution worksheet: 2.90 at a close of 132.01 is a factor of 0.978504.
        assert round(adjustment_factors(long([124.90, 132.01], [0, 2.90]))["price_factor"][0], 6) == 0.978504

    def test_apple_2014_of_wiki(self) -> None:
        # Quandl WIKI, AAPL: a dividend of 3.29, the 7:1 split of 9 June 2014, a dividend of 0.47; raw and adjusted.
        close = [592.33, 587.99, 645.57, 93.7, 94.96, 94.48]
        volume = [10_102_300, 8_224_900, 12_497_800, 75_414_997, 38_558_000, 46_711_000]
        published = [
            79.202539430031, 79.062140216076, 86.804445414535, 88.193434867471, 89.379387139969, 89.369974820346,
        ]  # fmt: skip
        frame = long(close, [0, 3.29, 0, 0, 0, 0.47], [1, 1, 1, 7, 1, 1], volume=volume)
        found = adjust(frame)
        # The published ones are adjusted for what came later too: one constant factor.
        scale = published[-1] / close[-1]
        np.testing.assert_allclose(found["close"] * scale, published, rtol=1e-13)  # 14 digits are published
        assert found["volume"].to_list() == [70_716_100, 57_574_300, 87_484_600, 75_414_997, 38_558_000, 46_711_000]


class TestByHand:
    def test_close_plus_dividend(self) -> None:
        # 100 before a 2:1 split and 1 dollar per new share at 48: 48 / (49 * 2).
        found = adjust(long([100, 48, 50], [0, 1, 0], [1, 2, 1], volume=[10, 30, 40], open=[98.0, 49.0, 49.0]))
        assert found["close"].to_list() == [100 * 48 / 98, 48, 50]
        assert found["open"].to_list() == [98 * 48 / 98, 49, 49]
        assert found["volume"].to_list() == [20, 30, 40]

    def test_previous_close(self) -> None:
        # The dividend is per new share, and the close before it is 50 in new shares: (1 - 1 / 50) / 2.
        found = adjust(long([100, 48, 50], [0, 1, 0], [1, 2, 1]), convention="previous_close")
        assert found["close"].to_list() == pytest.approx([49, 48, 50], rel=1e-15)

    def test_split_leaves_dividends_alone(self) -> None:
        found = adjust(long([100, 48, 50], [0, 1, 0], [1, 2, 1]), kind="split")
        assert found["close"].to_list() == [50, 48, 50]

    def test_forward(self) -> None:
        found = adjust(long([100, 48, 50], [0, 1, 0], [1, 2, 1], volume=[10, 30, 40]), direction="forward")
        assert found["close"].to_list() == pytest.approx([100, 98, 50 * 98 / 48], rel=1e-15)
        assert found["volume"].to_list() == [10, 15, 20]

    @pytest.mark.parametrize("convention", ["close_plus_dividend", "previous_close"])
    @pytest.mark.parametrize("kind", ["total_return", "split"])
    def test_spin_off(self, convention: str, kind: str) -> None:
        table = actions((date(2024, 1, 2), "spinoff", 0.25))
        frame = long([80, 61], volume=[5, 6])
        found = adjust(frame, actions=table, convention=convention, kind=kind)
        assert found["close"].to_list() == [60, 61]
        assert found["volume"].to_list() == [5, 6]

    def test_all_on_one_date(self) -> None:
        # 100 -> split 2:1 leaves 50 -> a fifth leaves: 40 -> 3 + 1 dollars: 36, before a close of 38.
        table = actions(
            *((date(2024, 1, 2), *pair) for pair in [("split", 2), ("spinoff", 0.2), ("dividend", 3)]),
            (date(2024, 1, 2), "special_dividend", 1),
        )
        frame = long([100, 38])
        assert adjust(frame, actions=table, convention="previous_close")["close"][0] == pytest.approx(36, rel=1e-15)
        assert adjust(frame, actions=table)["close"][0] == pytest.approx(40 * 38 / 42, rel=1e-15)

    def test_a_spin_off_column(self) -> None:
        frame = long([80, 61], spinoff=[None, 0.25])
        assert adjust(frame)["close"].to_list() == [60, 61]

    def test_two_dividends_in_a_gap(self) -> None:
        # Both are reinvested at 20, the next close; before them the last close is 40.
        frame = long([40, NAN, NAN, 20], [0, 2, 3, 0])
        assert adjust(frame)["close"][0] == pytest.approx(40 * 20 / 25, rel=1e-15)
        assert adjust(frame, convention="previous_close")["close"][0] == pytest.approx(35, rel=1e-15)

    def test_a_dividend_and_a_split_in_a_gap(self) -> None:
        # 4 dollars per old share, then 2:1, then a close of 18: an old share became two of 18 and 4 dollars.
        frame = long([40, NAN, NAN, 18], [0, 4, 0, 0], [1, 1, 2, 1])
        assert adjust(frame)["close"][0] == pytest.approx(20 * 18 / (18 + 2), rel=1e-15)
        assert adjust(frame, convention="previous_close")["close"][0] == pytest.approx(18, rel=1e-15)

    def test_a_bar_without_a_close_is_after_its_split(self) -> None:
        found = adjust(long([40, NAN, 21], split=[1, 2, 1], open=[40.0, 20.5, 20.0], volume=[1, 2, 3]))
        assert found["open"].to_list() == [20, 20.5, 20]
        assert found["volume"].to_list() == [2, 2, 3]

    def test_before_the_first_close_and_after_the_last(self) -> None:
        frame = long([NAN, 10, 11, NAN], [1, 1, 0, 1], [2, 2, 1, 2])
        for direction in ("backward", "forward"):
            for convention in ("close_plus_dividend", "previous_close"):
                found = adjust(frame, direction=direction, convention=convention)
                assert found["close"].to_list()[1:3] == [10, 11]

    def test_ex_date_without_a_row(self) -> None:
        # The 3rd is not in the data: the action acts on the 4th.
        frame = long([40, 41, 0, 20, 21]).filter(pl.col("close") > 0)
        table = actions((date(2024, 1, 3), "split", 2), (date(2024, 1, 4), "dividend", 1))
        assert adjust(frame, actions=table, kind="split")["close"].to_list() == [20, 20.5, 20, 21]
        assert adjust(frame, actions=table)["close"][1] == pytest.approx(20.5 * 20 / 21, rel=1e-15)

    def test_units_of_actions_that_fall_on_one_row(self) -> None:
        # The dividend of the 2nd is per old share, that of the 3rd would be per new one; both act on the 4th.
        frame = long([40, 0, 0, 20]).filter(pl.col("close") > 0)
        old = actions((date(2024, 1, 2), "dividend", 2), (date(2024, 1, 3), "split", 2))
        new = actions((date(2024, 1, 3), "split", 2), (date(2024, 1, 4), "dividend", 1))
        for convention in ("close_plus_dividend", "previous_close"):
            one, other = (adjust(frame, actions=table, convention=convention)["close"][0] for table in (old, new))
            assert one == pytest.approx(other, rel=1e-15)

    def test_factors(self) -> None:
        found = adjustment_factors(long([100, 48, 50], [0, 1, 0], [1, 2, 1]))
        assert found.columns == ["symbol", "date", "price_factor", "volume_factor"]
        assert found["price_factor"].to_list() == [48 / 98, 1, 1]
        assert found["volume_factor"].to_list() == [2, 1, 1]


class TestFrames:
    def test_order_columns_and_types_are_kept(self) -> None:
        frame = pl.DataFrame(
            {
                "Name": ["x", "y", "z", "w"],
                "symbol": pl.Series(["B", "A", "B", "A"], dtype=pl.Categorical),
                "date": [days(2)[1], days(2)[0], days(2)[0], days(2)[1]],
                "close": pl.Series([10.0, 8.0, 20.0, None], dtype=pl.Float32),
                "volume": [3, 4, 5, 6],
                "Stock Splits": [2, 1, None, None],
                "Dividends": [0.5, 0.0, 0.0, 0.0],
            }
        )
        found = adjust(frame)
        assert found.schema == {**frame.schema, "volume": pl.Float64}
        assert found["close"].to_list() == [10.0, 8.0, pytest.approx(20 * 10 / 10.5 / 2, rel=1e-6), None]
        assert found["volume"].to_list() == [3, 4, 10, 6]
        assert found.drop("close", "volume").equals(frame.drop("close", "volume"))
        lazy = adjust(frame.lazy())
        assert isinstance(lazy, pl.LazyFrame)
        assert lazy.collect().equals(found)

    def test_the_input_is_not_changed(self) -> None:
        frame = long([100, 48], [0, 1], [1, 2])
        copy = frame.clone()
        adjust(frame)
        assert frame.equals(copy)

    def test_shuffled_rows(self) -> None:
        rng = np.random.default_rng(3)
        parts = [
            long(list(rng.uniform(5, 9, 40)), list((rng.random(40) < 0.1) * 0.1), list(1.0 + (rng.random(40) < 0.05)))
            .with_columns(symbol=pl.lit(name))
            for name in ("A", "B", "C")
        ]  # fmt: skip
        frame = pl.concat(parts)
        expected = pl.concat([adjust(part) for part in parts])
        shuffled = frame.with_row_index().sample(fraction=1, shuffle=True, seed=1)
        assert adjust(shuffled).sort("index").drop("index").equals(expected)
        by_date = frame.sort("date", "symbol")
        assert adjust(by_date).sort("symbol", "date").equals(expected)

    def test_two_sources_in_one_frame(self) -> None:
        one = long([100, 48], [0, 1], [1, 2]).with_columns(src=pl.lit("x"))
        other = long([100, 48]).with_columns(src=pl.lit("y"))
        frame = pl.concat([one, other])
        with pytest.raises(LabelError, match="The frame has A 2024-01-01 twice and 1 more") as caught:
            adjust(frame)
        assert 'by=("src", "symbol")' in str(caught.value)
        found = adjust(frame, by=("src", "symbol"))
        assert found["close"].to_list() == [100 * 48 / 98, 48, 100, 48]
        table = actions((date(2024, 1, 2), "split", 2)).with_columns(src=pl.lit("y"))
        found = adjust(frame, by=("src", "symbol"), actions=table)
        assert found["close"].to_list() == [100, 48, 50, 48]
        assert adjustment_factors(frame, by=["src", "symbol"]).columns[:3] == ["src", "symbol", "date"]

    def test_columns_by_name(self) -> None:
        frame = long([100, 48], [0, 1], [1, 2]).rename({"dividend": "paid", "split": "ratio", "symbol": "ticker"})
        found = adjust(frame, by="ticker", columns={"dividend": "paid", "split": "ratio"})
        assert found["close"].to_list() == [100 * 48 / 98, 48]
        found = adjust(frame, by="ticker", columns={"dividend": None, "split": "ratio"})
        assert found["close"].to_list() == [50, 48]

    @pytest.mark.parametrize(
        ("dividend", "split"),
        [
            ("ex_dividend", "split_ratio"),
            ("dividend_amount", "split_coefficient"),
            ("Dividends", "Stock Splits"),
            ("Ex-Dividend", "Split Ratio"),
        ],
    )
    def test_names_of_vendors(self, dividend: str, split: str) -> None:
        frame = long([100, 48], [0, 1], [1, 2]).rename({"dividend": dividend, "split": split})
        assert adjust(frame)["close"].to_list() == [100 * 48 / 98, 48]

    def test_actions_come_before_the_columns(self) -> None:
        frame = long([100, 48], [0, 1], [1, 2])
        assert adjust(frame, actions=actions())["close"].to_list() == [100, 48]

    def test_actions_of_other_symbols_are_passed_over(self) -> None:
        frame = long([100, 48])
        table = pl.concat([actions((date(2024, 1, 2), "split", 2), symbol=name) for name in ("0", "A", "B")])
        assert adjust(frame, actions=table)["close"].to_list() == [50, 48]

    @pytest.mark.parametrize(
        "frame",
        [
            long([]),
            long([5.0], [1.0], [2.0]),
            long([NAN] * 3, [1.0] * 3, [2.0] * 3),
            long([5.0] * 3),
            long([None] * 3, [None] * 3, [None] * 3),
        ],
        ids=["empty", "one row", "no close", "no action", "null"],
    )
    @pytest.mark.parametrize("direction", ["backward", "forward"])
    def test_nothing_to_do(self, frame: pl.DataFrame, direction: str) -> None:
        for inverse in (False, True):
            for kind in ("total_return", "split"):
                assert adjust(frame, direction=direction, inverse=inverse, kind=kind).equals(frame)

    def test_nulls_and_nan_stay(self) -> None:
        found = adjust(long([100, 50], split=[1, 2], open=[None, NAN], high=[NAN, None]))
        assert found["open"].to_list()[0] is None
        assert math.isnan(found["open"][1])
        assert math.isnan(found["high"][0])
        assert found["high"].to_list()[1] is None


class TestIntraday:
    """Two half-sessions a day in New York; the ex-date's close is the last of the day."""

    def frame(self) -> pl.DataFrame:
        at = [datetime(2024, 1, day, hour, tzinfo=UTC) for day in (2, 3) for hour in (18, 21)]
        return pl.DataFrame(
            {
                "date": at,
                "symbol": ["A"] * 4,
                "close": [100.0, 102.0, 51.0, 49.0],
                "dividend": [None, None, 1.0, None],
                "split": [None, None, 2.0, None],
            }
        ).with_columns(pl.col("date").cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("America/New_York"))

    def test_as_the_daily_data(self) -> None:
        # Both bars of the 2nd have one factor, with the last close of the 3rd or of the 2nd.
        found = adjust(self.frame())
        assert found["close"].to_list() == pytest.approx([49, 49.98, 51, 49], rel=1e-15)
        found = adjust(self.frame(), convention="previous_close")
        assert found["close"].to_list() == pytest.approx([100 * 50 / 102, 50, 51, 49], rel=1e-15)

    def test_from_a_table(self) -> None:
        table = actions((date(2024, 1, 3), "split", 2), (date(2024, 1, 3), "dividend", 1))
        plain = self.frame().drop("dividend", "split")
        for convention in ("close_plus_dividend", "previous_close"):
            expected = adjust(self.frame(), convention=convention)["close"]
            assert adjust(plain, actions=table, convention=convention)["close"].equals(expected)

    def test_a_bar_that_ends_at_midnight_belongs_to_the_day_before(self) -> None:
        at = [datetime(2024, 1, 3, 0, tzinfo=UTC), datetime(2024, 1, 3, 1, tzinfo=UTC)]
        frame = pl.DataFrame({"date": at, "symbol": ["A"] * 2, "close": [10.0, 5.0]})
        frame = frame.with_columns(pl.col("date").cast(pl.Datetime("us", "UTC")))
        assert adjust(frame, actions=actions((date(2024, 1, 3), "split", 2)))["close"].to_list() == [5, 5]

    def test_an_action_twice_in_a_day(self) -> None:
        frame = self.frame().with_columns(split=pl.Series([None, None, 2.0, 2.0]))
        with pytest.raises(LabelError, match="Two rows of A 2024-01-03 state corporate actions"):
            adjust(frame)

    def test_clock_times_without_a_zone(self) -> None:
        with pytest.raises(KindError, match="clock times without a time zone"):
            adjust(self.frame().with_columns(pl.col("date").dt.replace_time_zone(None)))


class TestRefused:
    @pytest.mark.parametrize(
        ("dividend", "split", "sentence"),
        [
            (-1.0, 1.0, r"The dividend of A 2024-01-02 is -1; a dividend is currency per share, 0 or more"),
            (NAN, 1.0, r"The dividend of A 2024-01-02 is nan"),
            (math.inf, 1.0, r"The dividend of A 2024-01-02 is inf"),
            (0.0, 0.0, r"The split of A 2024-01-02 is 0; a split is the number of new shares per old one, above 0"),
            (0.0, -2.0, r"The split of A 2024-01-02 is -2"),
            (0.0, NAN, r"The split of A 2024-01-02 is nan"),
            (0.0, math.inf, r"The split of A 2024-01-02 is inf"),
        ],
    )
    def test_impossible_values(self, dividend: float, split: float, sentence: str) -> None:
        with pytest.raises(DataError, match=sentence):
            adjust(long([10, 10], [0, dividend], [1, split]))

    def test_zero_for_no_split_says_what_to_do(self) -> None:
        with pytest.raises(DataError, match=r"A 2024-01-01 and 1 more") as caught:
            adjust(long([10, 10], split=[0, 0]))
        assert "replace(0, None)" in str(caught.value)

    def test_dividend_of_the_whole_price(self) -> None:
        frame = long([10, 3], [0, 10])
        assert adjust(frame)["close"][0] == pytest.approx(10 * 3 / 13)
        with pytest.raises(DataError, match="The dividend of A 2024-01-02 is 1 times the close before it"):
            adjust(frame, convention="previous_close")

    def test_close_of_zero(self) -> None:
        with pytest.raises(DataError, match="The dividend of A 2024-01-02 is measured against a close of 0"):
            adjust(long([10, 0], [0, 1]))
        # Elsewhere a bad price is no business of the adjustment.
        assert adjust(long([0, 10, 10], [0, 0, 1]))["close"][0] == 0

    def test_actions_that_cannot_have_made_these_prices(self) -> None:
        frame = long([10, 1, 1], [0, 9, 9])
        with pytest.raises(DataError, match="The dividends of A 2024-01-02 and 1 more add up to more than"):
            adjust(frame, direction="forward", inverse=True)

    @pytest.mark.parametrize(
        ("changed", "error", "sentence"),
        [
            ({"kind": "dividend"}, InputError, '`kind` must be "total_return" or "split", received \'dividend\''),
            ({"convention": "crsp"}, InputError, "`convention` must be"),
            ({"direction": "both"}, InputError, "`direction` must be"),
            ({"inverse": 1}, KindError, "`inverse` must be True or False"),
            ({"by": "ticker"}, InputError, "The frame has no column `ticker`"),
            ({"by": ()}, InputError, "`by` names no column"),
            ({"columns": {"splits": "split"}}, InputError, "`columns` names 'splits'"),
            ({"columns": {"split": "ratio"}}, InputError, "`columns` says that split is in 'ratio'"),
            ({"columns": {"split": "symbol"}}, KindError, "Column symbol, the split, must be numbers"),
            ({"columns": {}, "actions": actions()}, InputError, "`actions` and `columns` were both given"),
        ],
    )
    def test_arguments(self, changed: dict, error: type, sentence: str) -> None:
        with pytest.raises(error, match=sentence):
            adjust(long([10, 10]), **changed)

    def test_missing_and_ambiguous_columns(self) -> None:
        frame = long([10, 10])
        with pytest.raises(InputError, match="no column of the split") as caught:
            adjust(frame.drop("split"))
        assert 'columns={"split": None}' in str(caught.value)
        with pytest.raises(InputError, match="no column of the dividend"):
            adjust(frame.drop("dividend"))
        assert adjust(frame.drop("dividend"), kind="split").height == 2
        with pytest.raises(InputError, match="2 columns that may hold the split: split, split_ratio"):
            adjust(frame.with_columns(split_ratio=1.0))
        with pytest.raises(InputError, match="no column `close`"):
            adjust(frame.drop("close"))
        with pytest.raises(KindError, match="Column close must be numbers"):
            adjust(frame.with_columns(pl.col("close").cast(pl.String)))
        with pytest.raises(KindError, match="Column date must be Date or Datetime"):
            adjust(frame.with_columns(pl.col("date").cast(pl.String)))
        with pytest.raises(LabelError, match="Column symbol has a null at row 1"):
            adjust(frame.with_columns(symbol=pl.Series(["A", None])))

    def test_not_a_frame(self) -> None:
        with pytest.raises(KindError, match="`data` must be Bars or a Polars frame, received dict"):
            adjust({})  # type: ignore[type-var]
        with pytest.raises(KindError, match="received ndarray"):
            adjustment_factors(np.ones(3))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("table", "error", "sentence"),
        [
            ({}, KindError, "`actions` must be a Polars frame, received dict"),
            (actions().drop("value"), InputError, "`actions` has no column `value`"),
            (actions((date(2024, 1, 2), "split", 0)), DataError, "The split of A 2024-01-02 is 0"),
            (actions((date(2024, 1, 2), "special_dividend", -1)), DataError, "The special dividend of A 2024-01-02"),
            (actions((date(2024, 1, 2), "spinoff", 1)), DataError, "The spinoff of A 2024-01-02 is 1"),
            (actions((date(2024, 1, 2), "rights", 1)), InputError, "The action of A 2024-01-02 is of kind rights"),
            (actions(*[(date(2024, 1, 2), "split", 2)] * 2), LabelError, "The split of A 2024-01-02 stands twice"),
            (actions((date(2024, 1, 2), "split", 2)).with_columns(value=pl.lit("2")), KindError, "must be numbers"),
            (actions().with_columns(pl.col("date").cast(pl.String)), KindError, "Column date of `actions` must be"),
            (actions((date(2024, 1, 2), "split", 2), symbol=None), LabelError, "`actions` has no symbol at row 0"),  # type: ignore[arg-type]
            (actions((date(2024, 1, 2), "split", None)), DataError, "The split of A 2024-01-02 is null"),  # type: ignore[arg-type]
        ],
    )
    def test_actions(self, table: pl.DataFrame, error: type, sentence: str) -> None:
        with pytest.raises(error, match=sentence):
            adjust(long([10, 10]), actions=table)
