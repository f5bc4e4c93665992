"""Adjustment against what vendors have published of whole histories; needs the folder of real data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError, Panel, as_bars
from quantlab.data.adjustment._adjust import adjust, adjustment_factors

pytestmark = pytest.mark.skipif(
    "QUANTLAB_REAL_DATA" not in os.environ, reason="QUANTLAB_REAL_DATA names no folder with vendors' prices"
)
PRICES = ("open", "high", "low", "close")


def read(name: str) -> pl.DataFrame:
    return pl.read_parquet(Path(os.environ["QUANTLAB_REAL_DATA"]) / f"{name}.parquet")


@pytest.fixture(scope="module")
def alpha() -> pl.DataFrame:
    return read("us_equity_av_raw_1999_2021")


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """The dividends and splits of Alpha Vantage as a table of actions."""
    named = (("dividend", "dividend_amount", 0.0), ("split", "split_coefficient", 1.0))
    return pl.concat(
        frame.filter(pl.col(column) != none).select("symbol", "date", kind=pl.lit(kind), value=pl.col(column))
        for kind, column, none in named
    )


class TestWiki:
    """Quandl WIKI's own adjusted columns."""

    def test_whole_histories(self) -> None:
        frame = read("wiki_raw_actions_adj")
        whole = frame.filter(pl.col("src") == "stasik0800/Datasets")
        assert whole.group_by("symbol").len().sort("symbol").rows() == [("AAPL", 9400), ("MSFT", 8076)]
        found = adjust(whole, by=("src", "symbol"))
        for field in (*PRICES, "volume"):
            # Measured: 5e-14 for prices, 0 for volume.
            np.testing.assert_allclose(found[field], whole[f"adj_{field}"], rtol=1e-12)

    def test_the_year_2014(self) -> None:
        """Its levels know later actions, its steps do not."""
        frame = read("wiki_raw_actions_adj").filter(pl.col("src") != "stasik0800/Datasets")
        assert sorted(frame["symbol"].unique()) == ["AAPL", "BRK_A", "MSFT", "ZEN"]
        found = adjust(frame).sort("symbol", "date")
        for field in PRICES:
            ratio = found[field] / frame.sort("symbol", "date")[f"adj_{field}"]
            span = pl.DataFrame({"symbol": found["symbol"], "ratio": ratio}).group_by("symbol")
            ends = span.agg(low=pl.col("ratio").min(), high=pl.col("ratio").max())
            assert (ends["high"] / ends["low"] - 1).max() < 1e-12  # type: ignore[operator]

    def test_inverse(self) -> None:
        frame = read("wiki_raw_actions_adj")
        for direction in ("backward", "forward"):
            for convention in ("close_plus_dividend", "previous_close"):
                how = {"by": ("src", "symbol"), "direction": direction, "convention": convention}
                back = adjust(adjust(frame, **how), inverse=True, **how)
                for field in (*PRICES, "volume"):
                    np.testing.assert_allclose(back[field], frame[field], rtol=1e-12)


class TestAlphaVantage:
    def test_every_step_but_six(self, alpha: pl.DataFrame) -> None:
        found = adjust(alpha)
        step = pl.col("found") / pl.col("found").shift() / (pl.col("theirs") / pl.col("theirs").shift()) - 1
        steps = (
            alpha.select("symbol", "date", theirs="adjusted_close")
            .with_columns(found=found["close"])
            .with_columns(error=step.over("symbol").abs())
        )
        assert steps["error"].drop_nulls().len() == 2_402_387
        wrong = steps.filter(pl.col("error") > 1e-4).sort("symbol", "date")
        # Their adjusted close jumps where they book no event (TRMB, ZBRA, WDC), or leaves a dividend out (TMUS).
        assert [(symbol, str(day)) for symbol, day in wrong.select("symbol", "date").rows()] == [
            ("TMUS", "2013-05-01"),
            ("TRMB", "2007-02-23"),
            ("WDC", "2020-07-17"),
            ("WDC", "2020-07-20"),
            ("ZBRA", "2003-08-21"),
            ("ZBRA", "2004-08-25"),
        ]

    def test_bars_and_frame_agree(self, alpha: pl.DataFrame) -> None:
        frame = adjust(alpha)
        panels = {field: Panel.from_long(alpha, field) for field in (*PRICES, "volume")}
        bars = as_bars(panels.pop("close"), **panels, adjusted="none", actions=table(alpha))
        found = adjust(bars)
        for field in (*PRICES, "volume"):
            np.testing.assert_array_equal(getattr(found, field).values, Panel.from_long(frame, field).values)
        back = adjust(found, inverse=True, actions=bars.actions)
        np.testing.assert_allclose(back.close.values, bars.close.values, rtol=1e-12)
        steps = adjust(adjust(bars, kind="split"))
        np.testing.assert_allclose(steps.close.values, found.close.values, rtol=1e-12)

    def test_spin_offs_booked_as_dividends(self, alpha: pl.DataFrame) -> None:
        with pytest.raises(DataError, match=r"The dividend of KSU 2000-07-13 is 1\.93 times the close before it"):
            adjust(alpha, convention="previous_close")


class TestLean:
    """LEAN's factor files: price_factor is the product of 1 - dividend / previous close, written with 7 digits."""

    def test_factors_of_apple(self, alpha: pl.DataFrame) -> None:
        symbol = "AAPL"
        lean = read("lean_factor_files").filter(pl.col("symbol") == symbol)
        lean = lean.with_columns(lean=pl.col("price_factor") * pl.col("split_factor"))
        # Raw prices of LEAN's own, dividends and splits of Alpha Vantage.
        prices = read("lean_us_daily_raw").filter(pl.col("symbol") == symbol)
        actions = table(alpha.filter(pl.col("symbol") == symbol))
        ours = adjustment_factors(prices, actions=actions, convention="previous_close")
        both = lean.select("date", "lean").join(ours, on="date")
        assert both.height == 40  # all but the last row, which stands for the future
        # Measured 1.4e-6; split_factor 0.0089286 is rounded to 5 digits.
        np.testing.assert_allclose(both["price_factor"], both["lean"], rtol=6e-6)
        # The other convention is another number: this comparison tells the two apart.
        other = lean.join(adjustment_factors(prices, actions=actions), on="date")
        assert (other["price_factor_right"] / other["lean"] - 1).abs().max() > 1e-4  # type: ignore[operator]

    def test_every_dividend_since_1999_11(self, alpha: pl.DataFrame) -> None:
        """One step of the factor at a time, of all symbols that both know."""
        lean = read("lean_factor_files").sort("symbol", "date")
        theirs = pl.col("price_factor") / pl.col("price_factor").shift(-1)
        lean = lean.with_columns(step=theirs.over("symbol"), split=pl.col("split_factor").shift(-1).over("symbol"))
        paid = lean.filter(pl.col("step") < 1, pl.col("split") == pl.col("split_factor"), pl.col("reference_price") > 1)
        dividends = alpha.sort("symbol", "date").with_columns(previous=pl.col("date").shift().over("symbol"))
        both = paid.join(
            dividends.filter(pl.col("dividend_amount") > 0),
            left_on=["symbol", "date"],
            right_on=["symbol", "previous"],
        )
        rule = 1 - both["dividend_amount"] / both["reference_price"]
        error = (both["step"] / rule - 1).abs()
        # 7 digits of a factor between 0.4 and 1. The 14 others are dividends on whose amount the two do not agree, such
        # as 0.5125 dollars of WM, or 8.275 of AIG (warrants) on 2011-01-20.
        assert (both.height, int((error > 3e-7).sum())) == (360, 14)
        wrong = both.filter(error > 3e-7).group_by("symbol").len().sort("symbol")
        assert wrong.rows() == [("AIG", 2), ("BAC", 3), ("WM", 9)]
