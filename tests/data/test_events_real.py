"""Real files through the constructors into the one table and onto bars: values found by hand, and no look ahead."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantlab.core import Frequency, Panel
from quantlab.core.periods import sessions
from quantlab.data import events
from quantlab.data.calendars import Calendar

pytestmark = pytest.mark.skipif(
    "QUANTLAB_REAL_DATA" not in os.environ, reason="QUANTLAB_REAL_DATA names no folder with real market data"
)


def read(name: str) -> pl.DataFrame:
    return pl.read_parquet(Path(os.environ["QUANTLAB_REAL_DATA"]) / f"{name}.parquet")


def bars(start: str, end: str, *symbols: str) -> Panel:
    days = sessions("XNYS", np.datetime64(start), np.datetime64(end))
    return Panel(np.ones((days.size, len(symbols))), days, symbols, frequency=Frequency.daily("XNYS"))


def value(panel: Panel, day: str) -> float:
    """The one-column Panel's value on a day."""
    return float(panel.between(day, day).values.item())


def first_day(panel: Panel, number: float) -> str:
    """The first day on which the one-column Panel has a number."""
    return str(panel.dates[np.flatnonzero(panel.values[:, 0] == number)[0]])


def demand_no_look_ahead(found: events.Events, field: str, like: Panel, **options: object) -> None:
    """Cut the table at five closes: what was known later changes no earlier row."""
    whole = events.panel(found, field, like, **options)
    closes = Calendar("XNYS").windows(like.dates[0], like.dates[-1])["close"].to_list()
    present = np.flatnonzero(~np.isnan(whole.values).all(axis=1))
    assert present.size > 0
    for t in np.unique(np.linspace(present[0], len(like) - 1, 5).astype(int)):
        table = found.table
        later = pl.col("available_time") > closes[t]
        for changed in (
            table.filter(~later),
            table.with_columns(pl.when(later).then(1e9).otherwise("value").alias("value")),
        ):
            rows = events.panel(changed, field, like, **options).values[: t + 1]
            np.testing.assert_array_equal(rows, whole.values[: t + 1])


def test_fundamentals_wait_for_the_legal_deadline():
    frame = read("fundamentals_nyse_2012_2016")
    items = ["total_revenue", "earnings_per_share", "for_year"]
    found = events.fundamentals(frame, symbol="ticker_symbol", period="period_ending", fields=items)
    lost = {rule: rows for rule, rows, _ in found.left_out.rows()}
    assert lost == {"no value": 219 + 173}  # 219 without earnings per share, 173 without year
    assert found.table.height == 3 * 1781 - 219 - 173
    # The year 1215 is a value of the vendor, and no date of ours: IPG's period ended in 2015.
    odd = found.table.filter(pl.col("value") == 1215)
    assert odd.select("id", pl.col("event_time").dt.year()).rows() == [("IPG", 2015)]
    like = bars("2013-06-03", "2016-12-30", "AAPL")
    revenue = events.panel(found, "total_revenue", like)
    # 2014-09-27 + 105 days is Saturday 2015-01-10; Monday's end is known on Tuesday. (Apple filed on 2014-10-27.)
    assert first_day(revenue, 182_795_000_000.0) == "2015-01-13"
    assert value(revenue, "2015-01-12") == 170_910_000_000.0
    growth = events.panel(found, "total_revenue", like, kind="change")
    assert value(growth, "2015-01-13") == 182_795_000_000.0 - 170_910_000_000.0
    assert value(events.age(found, "total_revenue", like, since="event"), "2015-01-13") == pytest.approx(108 + 21 / 24)
    demand_no_look_ahead(found, "total_revenue", bars("2013-06-03", "2016-12-30", "AAPL", "IPG", "XOM"))
    missing = events.coverage(found, like).filter(~pl.col("matched"))
    assert missing["id"].n_unique() == 447


def test_earnings_after_the_close_move_the_next_session():
    found = events.earnings(read("earnings_surprises_2012_2019"), fields=["eps", "eps_est"])
    assert found.table.height == 2 * 72_970
    assert found.left_out.is_empty()
    like = bars("2014-01-02", "2014-12-31", "AAPL")
    eps = events.panel(found, "eps", like)
    assert first_day(eps, 2.07) == "2014-01-28"  # announced after the close of Monday 2014-01-27
    assert value(eps, "2014-01-27") == 1.18
    surprise = events.surprise(found)
    assert value(events.panel(surprise, "eps_surprise", like), "2014-01-28") == pytest.approx(0.06, abs=1e-12)
    assert value(events.age(found, "eps", like, unit="bars"), "2014-01-30") == 2
    vendor = read("earnings_surprises_2012_2019").select(
        pl.col("symbol").alias("id"), pl.col("date").cast(pl.Datetime("us", "UTC")).alias("event_time"), "surp"
    )
    both = surprise.join(vendor, on=["id", "event_time"])
    off = both.filter((pl.col("value") - pl.col("surp")).abs() > 0.0051)
    assert both.height == 72_970
    assert off.height / both.height < 0.005  # the vendor's own subtraction, rounded to cents
    # What is announced before the open is known at that day's close.
    frame = read("earnings_surprises_2012_2019").filter(pl.col("symbol") == "JPM", pl.col("release_time") == "pre")
    first = frame.filter(pl.col("date").dt.year() == 2014).row(0, named=True)
    jpm = events.panel(found, "eps", bars("2014-01-02", "2014-12-31", "JPM"))
    assert value(jpm, str(first["date"])) == first["eps"]
    demand_no_look_ahead(found, "eps", bars("2014-01-02", "2015-12-31", "AAPL", "JPM", "XOM"))


def test_short_interest_is_known_two_weeks_later():
    fields = {"shares_sold_short": "short_interest", "public_float": "public_float"}
    found = events.short_interest(read("short_interest_us_202106"), settled="short_interest_date", fields=fields)
    lost = {rule: rows for rule, rows, _ in found.left_out.rows()}
    assert lost["no date"] == 93
    like = bars("2021-06-01", "2021-08-31", "AMC")
    short = events.panel(found, "short_interest", like)
    # Settled 2021-06-30, published by FINRA on the evening of 2021-07-12; the lag is two sessions on the safe side.
    assert first_day(short, 75_480_000.0) == "2021-07-15"
    assert np.isnan(value(short, "2021-07-14"))
    assert np.isnan(value(events.panel(found, "short_interest", like, max_age=30), "2021-08-31"))
    stragglers = found.table.filter(pl.col("event_time") < datetime(2021, 1, 1, tzinfo=UTC))
    assert stragglers["event_time"].min() == datetime(2020, 3, 13, tzinfo=UTC)
    demand_no_look_ahead(found, "short_interest", bars("2021-06-01", "2021-08-31", "AMC", "AAPL", "A"))


def test_short_volume_of_a_day_is_known_on_the_next():
    fields = ["short_vol", "total_vol"]
    found = events.short_interest(
        read("finra_short_volume_202604"), symbol="ticker", settled="date", fields=fields, lag="short_volume"
    )
    assert found.table.height == 2 * 10_132
    like = bars("2026-04-20", "2026-04-28", "AAPL")
    ratio = events.panel(found, "short_vol", like) / events.panel(found, "total_vol", like)
    assert np.isnan(value(ratio, "2026-04-20"))
    assert value(ratio, "2026-04-21") == pytest.approx(5_260_935 / 13_001_545)
    assert value(ratio, "2026-04-27") == pytest.approx(0.4521, abs=5e-5)  # of Friday the 24th
    demand_no_look_ahead(found, "short_vol", bars("2026-04-20", "2026-04-28", "AAPL", "IQMM"))


def test_fred_md_is_known_with_its_vintage_or_by_release():
    frame = read("fred_md_202310")
    found = events.macro(frame, lag="fred_md")
    assert found.table["field"].n_unique() == 118
    assert found.left_out["rows"].sum() == 732
    like = bars("2020-01-02", "2020-12-31", "AAPL")
    # April + 35 days is 2020-06-04, its end; by release the rate of 2020-05-08 is known after 12 days at 08:30.
    assert first_day(events.panel(found, "UNRATE", like, series="US"), 14.7) == "2020-06-05"
    released = events.macro(frame, fields=["UNRATE", "CPIAUCSL", "INDPRO"])
    assert first_day(events.panel(released, "UNRATE", like, series="US"), 14.7) == "2020-05-12"
    assert first_day(events.panel(released, "INDPRO", like, series="US"), 84.5979) == "2020-05-20"
    demand_no_look_ahead(found, "UNRATE", like, series="US")


def test_a_back_filled_file_loses_its_fills():
    frame = read("macro_fred_daily_1990_2025")
    lags = {
        "sp500_price": "market_close",
        "vix_close": "volatility_index",
        "cpi": "cpi",
        "unemployment_rate": "employment",
        "industrial_production_index": "industrial_production",
        "breakeven_inflation_10y": "rates_next_day",
        "trade_weighted_dollar_index": "weekly",
    }
    like = bars("1990-01-02", "2025-11-07", "SPY")
    filled = events.macro(frame, fields=list(lags), lag=lags)
    # With the fills the S&P 500 of 2015 is "known" in 1990.
    assert value(events.panel(filled, "sp500_price", like, series="US"), "1990-01-02") == 2078.58
    found = events.macro(frame, fields=list(lags), lag=lags, drop_fills=True)
    price = events.panel(found, "sp500_price", like, series="US")
    assert np.isnan(price.between(None, "2015-11-06").values).all()
    assert value(price, "2015-11-13") == 2023.04
    assert value(price, "2020-04-30") == 2912.43
    for series, begins in (("breakeven_inflation_10y", "2003-01-02"), ("trade_weighted_dollar_index", "2006-01-02")):
        known = events.panel(found, series, like, series="US")
        assert str(known.dates[~np.isnan(known.values[:, 0])][0]) >= begins
    # Unemployment of April 2020, stamped on its first day, was published on 2020-05-08.
    rate = events.panel(found, "unemployment_rate", like, series="US")
    assert value(rate, "2020-05-11") == 4.4
    assert value(rate, "2020-05-12") == 14.8
    demand_no_look_ahead(found, "cpi", bars("2019-01-02", "2021-12-31", "SPY"), series="US")


def test_tweets_are_counted_by_session():
    frame = read("tweets_stocknet_2014_2016")
    form = "%a %b %d %H:%M:%S %z %Y"
    found = events.sentiment(frame, format=form)
    assert found.left_out.is_empty()
    # Every tweet is in exactly one session.
    assert found.table["value"].sum() == frame.height
    like = bars("2014-01-02", "2015-12-31", "AAPL")
    count = events.panel(found, "posts", like)
    moments = frame.filter(pl.col("symbol") == "AAPL")["created_at"].str.to_datetime(form)
    # Earnings came after the close of Monday 2014-01-27: its posts are Tuesday's, from 21:00 UTC to 21:00 UTC.
    low, high = datetime(2014, 1, 27, 21, tzinfo=UTC), datetime(2014, 1, 28, 21, tzinfo=UTC)
    by_hand = int(((moments > low) & (moments <= high)).sum())
    assert value(count, "2014-01-28") == by_hand == 163
    demand_no_look_ahead(found, "posts", bars("2014-01-02", "2015-12-31", "AAPL", "GOOG", "BABA"))


def test_the_skew_of_an_option_chain_is_known_on_the_next_bar():
    chain = read("options_chain_lean_eod")
    spots = read("options_chain_lean_underlying").select("underlying", "date", pl.col("close").alias("spot"))
    # An implied volatility of 0 means unknown; above 200 % it is no volatility that anybody traded.
    known = chain.filter(pl.col("implied_volatility").is_between(0, 2, closed="right")).join(
        spots, on=["underlying", "date"]
    )
    near = known.filter(
        (pl.col("expiry") - pl.col("date")).dt.total_days().is_between(20, 60),
        (pl.col("strike") / pl.col("spot") - 1).abs() < 0.1,
    )
    by_right = near.group_by("underlying", "date").agg(
        pl.col("implied_volatility").filter(pl.col("right") == right).mean().alias(right) for right in ("P", "C")
    )
    skew = by_right.select("underlying", "date", (pl.col("P") - pl.col("C")).alias("put_call_skew"))
    found = events.from_frame(skew, symbol="underlying", event="date", lag="options", fields="put_call_skew")
    like = bars("2014-06-02", "2014-06-16", "AAPL")
    panel = events.panel(found, "put_call_skew", like)
    by_hand = skew.filter(pl.col("underlying") == "AAPL").sort("date").drop_nulls()
    day, expected = by_hand.row(0)[1:]
    assert np.isnan(value(panel, str(day)))  # the chain is complete a quarter of an hour after the close
    following = str(panel.dates[np.searchsorted(panel.dates, np.datetime64(day)) + 1])
    assert value(panel, following) == expected
    demand_no_look_ahead(found, "put_call_skew", like)


def test_the_volatility_index_closes_after_the_stocks():
    found = events.macro(read("vix_daily_1990_2026"), name="VIX", lag="volatility_index")
    like = bars("2020-03-02", "2020-03-31", "SPY")
    # The close of Monday 2020-03-16, 82.69, came at 16:15; the shares' bar had closed at 16:00.
    assert first_day(events.panel(found, "close", like, series="VIX"), 82.69) == "2020-03-17"
    at_close = events.macro(read("vix_daily_1990_2026"), name="VIX", lag="market_close")
    assert first_day(events.panel(at_close, "close", like, series="VIX"), 82.69) == "2020-03-16"
    demand_no_look_ahead(found, "close", like, series="VIX")


def test_the_treasury_curve_is_posted_in_the_evening():
    found = events.macro(read("treasury_curve_daily_1990_2017"), name="UST", lag="treasury")
    like = bars("2008-12-01", "2008-12-31", "SPY")
    assert first_day(events.panel(found, "10year", like, series="UST"), 0.0208) == "2008-12-19"
    assert np.isnan(events.panel(found, "20year", bars("1990-01-02", "1990-12-31", "SPY"), series="UST").values).all()
    demand_no_look_ahead(found, "10year", like, series="UST")
