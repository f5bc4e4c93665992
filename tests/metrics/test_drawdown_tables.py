"""Drawdown series and table, months, table of columns, rolling windows, turnover, exposure."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from quantlab import metrics as m
from quantlab.core import DataError, Frequency, InputError, KindError, LabelError, Panel

DAYS = np.datetime64("2024-01-01") + np.arange(400)


def panel(values, start=0):
    values = np.asarray(values, dtype=float)
    return Panel(values[:, None], DAYS[start : start + values.size], ["A"], frequency=Frequency(252))


def plain_depths(values):
    """The drawdown at each bar by a loop."""
    wealth, peak, out = 1.0, 1.0, []
    for value in values:
        wealth *= 1 + value
        peak = max(peak, wealth)
        out.append(wealth / peak - 1)
    return out


class TestDrawdowns:
    def test_against_a_loop(self):
        values = np.random.default_rng(0).normal(0, 0.02, 300)
        assert m.drawdowns(panel(values)).values[:, 0] == pytest.approx(plain_depths(values), abs=1e-14)

    def test_missing_rows_stay_missing(self):
        out = m.drawdowns(panel([-0.1, np.nan, 0.05])).values[:, 0]
        np.testing.assert_allclose(out, [-0.1, np.nan, -0.055], atol=1e-15)

    def test_after_ruin_there_is_nothing(self):
        out = m.drawdowns(panel([0.1, -1.5, 0.5, 0.5])).values[:, 0]
        np.testing.assert_allclose(out, [0.0, -1.5, np.nan, np.nan], atol=1e-15)

    def test_empty(self):
        assert m.drawdowns(panel([])).shape == (0, 1)
        assert np.isnan(m.drawdowns(panel([np.nan])).values).all()


class TestTable:
    def test_by_hand(self):
        #         1.1  .55  .66  1.32  1.254 1.2540 1.32
        values = [0.1, -0.5, 0.2, 1.0, -0.05, 0.0, 1 / 0.95 - 1]
        out = m.drawdown_table(panel(values))
        assert out.columns == ["peak", "trough", "recovery", "depth", "bars_down", "bars_to_recover"]
        assert out.select("peak", "trough", "recovery").rows() == [
            (date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 4)),
            (date(2024, 1, 4), date(2024, 1, 5), date(2024, 1, 7)),
        ]
        assert out["depth"].to_list() == pytest.approx([-0.5, -0.05])
        assert out.select("bars_down", "bars_to_recover").rows() == [(1, 2), (1, 2)]

    def test_first_day_and_not_recovered(self):
        out = m.drawdown_table(panel([-0.5, 0.1, 0.1]))
        assert out.rows() == [(None, date(2024, 1, 1), None, -0.5, 1, None)]

    def test_rounding_is_no_drawdown(self):
        # Down 1 %, up 0.1 %, and back: the way back ends 1e-16 or so low, and must not leave one spell for ever.
        values = [-0.01, 0.001, 1 / (0.99 * 1.001) - 1] * 30
        assert -1e-14 < m.drawdowns(panel(values)).values[-1, 0] < 0
        assert m.drawdown_table(panel(values), top=100)["recovery"].null_count() == 0
        assert m.max_drawdown_duration(np.array(values)).value == 2

    def test_top_and_order(self):
        values = np.random.default_rng(0).normal(0, 0.02, 300)
        full = m.drawdown_table(panel(values), top=1000)
        assert full["depth"].is_sorted()
        assert m.drawdown_table(panel(values), top=3).equals(full.head(3))
        assert full["depth"][0] == m.max_drawdown(values).value

    def test_none_and_empty(self):
        schema = m.drawdown_table(panel([0.1])).schema
        assert m.drawdown_table(panel([0.1, 0.0])).height == 0
        assert m.drawdown_table(panel([])).schema == schema

    def test_ruin_ends_it(self):
        out = m.drawdown_table(panel([0.1, -1.0, 5.0, 5.0]))
        assert out.select("trough", "recovery", "depth").rows() == [(date(2024, 1, 2), None, -1.0)]

    def test_missing_rows_are_not_counted(self):
        out = m.drawdown_table(panel([0.1, np.nan, -0.1, np.nan, np.nan, -0.1, 0.5]))
        assert out.row(0)[:3] == (date(2024, 1, 1), date(2024, 1, 6), date(2024, 1, 7))
        assert out.select("bars_down", "bars_to_recover").row(0) == (2, 1)

    def test_details_of_the_deepest(self):
        details = m.max_drawdown(panel([0.1, -0.5, 0.2, 1.0])).details
        assert (details["peak"], details["trough"], details["recovery"]) == ("2024-01-01", "2024-01-02", "2024-01-04")
        details = m.max_drawdown(np.array([-0.5, 0.2])).details
        assert (details["peak"], details["trough"], details["recovery"]) == (None, "observation 0", None)

    def test_times_are_utc(self):
        times = np.array(["2024-01-02T14:30", "2024-01-02T15:00"], dtype="datetime64[us]")
        out = m.drawdown_table(Panel([[0.1], [-0.1]], times, ["A"]))
        assert out["trough"][0] == datetime(2024, 1, 2, 15, 0, tzinfo=UTC)

    @pytest.mark.parametrize("top", [0, -1, 1.5, True])
    def test_refuses(self, top):
        with pytest.raises((InputError, KindError), match="`top`"):
            m.drawdown_table(panel([0.1]), top=top)


class TestMonths:
    def test_against_products(self):
        values = np.random.default_rng(1).normal(0, 0.01, 400)
        values[40] = np.nan
        out = m.monthly_returns(panel(values))
        assert out.columns == [
            "year",
            "Jan",
            "Feb",
            "Mar",
            "Apr",
            "May",
            "Jun",
            "Jul",
            "Aug",
            "Sep",
            "Oct",
            "Nov",
            "Dec",
            "total",
        ]
        assert out["year"].to_list() == [2024, 2025]
        january = np.prod(1 + values[:31]) - 1
        february = np.nanprod(1 + values[31:60]) - 1
        assert out["Jan"][0] == pytest.approx(january, abs=1e-14)
        assert out["Feb"][0] == pytest.approx(february, abs=1e-14)
        assert out["total"][0] == pytest.approx(np.nanprod(1 + values[:366]) - 1, abs=1e-13)
        assert out["Mar"][1] is None
        whole = (1 + out["total"]).product() - 1
        assert whole == pytest.approx(m.total_return(values).value, abs=1e-12)

    def test_ruin_and_empty(self):
        out = m.monthly_returns(panel(np.r_[np.zeros(35), -1.5, np.full(60, 0.1)]))
        assert out.select("Jan", "Feb", "Mar", "total").row(0) == (0.0, -1.5, None, -1.5)
        assert m.monthly_returns(panel([np.nan])).height == 0


class TestTableOfColumns:
    def test_equals_each_column(self):
        values = np.random.default_rng(1).normal(0, 0.01, (200, 3))
        values[5, 1] = np.nan
        values[:, 2] = 0.0
        many = Panel(values, DAYS[:200], ["A", "B", "C"], frequency=Frequency(252))
        out = m.table(many, intervals=True)
        assert out["symbol"].to_list() == ["A", "B", "C"]
        assert out["n"].to_list() == [200, 199, 200]
        one = m.sharpe(many.select("B"))
        assert out.select("sharpe", "sharpe_low", "sharpe_high").row(1) == (one.value, one.low, one.high)
        assert out["sharpe"][2] is None
        assert "sharpe: the returns do not vary" in out["reason"][2]
        assert out["reason"][0] == ""

    def test_schema_is_fixed(self):
        empty = Panel(np.empty((0, 1)), DAYS[:0], ["A"], frequency=Frequency(252))
        full = Panel(np.ones((5, 1)) * 0.1, DAYS[:5], ["A"], frequency=Frequency(252))
        assert m.table(empty).schema == m.table(full).schema
        assert m.table(Panel(np.empty((5, 0)), DAYS[:5], [], frequency=Frequency(252))).schema == m.table(full).schema

    def test_periods_only_where_needed(self):
        values = Panel(np.ones((5, 1)) * 0.1, DAYS[:5], ["A"])
        assert m.table(values, metrics=[m.skew, m.hit_rate]).width == 5
        with pytest.raises(InputError, match="bars per year"):
            m.table(values)
        with pytest.raises(KindError, match="metric functions"):
            m.table(values, metrics=[np.mean])


class TestRolling:
    @pytest.mark.parametrize("window", [2, 3, 21])
    def test_equals_each_window(self, window):
        values = np.random.default_rng(1).normal(0, 0.01, 100)
        values[50] = np.nan
        values[60:64] = 0.001
        for rolling, single in ((m.rolling_sharpe, m.sharpe), (m.rolling_volatility, m.volatility)):
            out = rolling(panel(values), window).values[:, 0]
            assert np.isnan(out[: window - 1]).all()
            for t in range(window - 1, 100):
                trailing = values[t - window + 1 : t + 1]
                expected = np.nan if np.isnan(trailing).any() else single(trailing, periods=252).value
                # The means differ by an ulp or so, which an offsetting mean magnifies.
                np.testing.assert_allclose(out[t], expected, rtol=1e-12, atol=1e-14)

    def test_truncation(self):
        values = np.random.default_rng(1).normal(0, 0.01, 300)
        whole = m.rolling_sharpe(panel(values), 20).values
        np.testing.assert_array_equal(m.rolling_sharpe(panel(values[:150]), 20).values, whole[:150])

    def test_longer_than_the_data(self):
        assert np.isnan(m.rolling_sharpe(panel([0.1, 0.2]), 3).values).all()

    def test_ruin_inside_the_window(self):
        out = m.rolling_volatility(panel([0.1, -1.2, 0.1, 0.2]), 2).values[:, 0]
        np.testing.assert_array_equal(np.isnan(out), [True, True, True, False])

    def test_risk_free(self):
        out = m.rolling_sharpe(panel([0.01, 0.03]), 2, risk_free=0.02).values[1, 0]
        assert out == pytest.approx(0.0, abs=1e-12)

    def test_refuses(self):
        with pytest.raises(InputError, match="`window`"):
            m.rolling_sharpe(panel([0.1]), 1)
        with pytest.raises(KindError, match="`window`"):
            m.rolling_sharpe(panel([0.1]), 2.0)


class TestActivity:
    def test_turnover_by_hand(self):
        # Currency traded 100, 0, 55 against equity before of 200, 190, 220: (.5 + 0 + .25) / 3 * 252 / 2.
        estimate = m.turnover(panel([100, 0, 55]), panel([190, 220, 210]), initial=200.0)
        assert estimate.value == pytest.approx(0.25 * 126)
        assert (estimate.n, estimate.unit, estimate.method) == (3, "per year", "none")

    def test_turnover_refuses(self):
        good = panel([1.0, 2.0])
        with pytest.raises(InputError, match="`initial`"):
            m.turnover(good, good, initial=0.0)
        with pytest.raises(DataError, match=r"`traded` is -1 on 2024-01-02"):
            m.turnover(panel([1.0, -1.0]), good, initial=1.0)
        with pytest.raises(DataError, match="missing"):
            m.turnover(panel([1.0, np.nan]), good, initial=1.0)
        with pytest.raises(LabelError, match="differ in dates"):
            m.turnover(good, panel([1.0, 2.0], start=1), initial=1.0)
        with pytest.raises(LabelError, match="2 bars and `equity` 3"):
            m.turnover(np.ones(2), np.ones(3), initial=1.0, periods=252)
        with pytest.raises(InputError, match="bars per year"):
            m.turnover(np.ones(2), np.ones(2), initial=1.0)

    def test_turnover_of_nothing_and_of_the_ruined(self):
        assert m.turnover(panel([]), panel([]), initial=1.0).reason == "there are no bars"
        ruined = m.turnover(panel([1.0, 0.0, 0.0]), panel([1.0, -0.5, -0.5]), initial=1.0)
        assert "ruined: equity is -0.5 after 2024-01-02" in ruined.reason

    def test_exposure(self):
        names = ["long", "short", "gross", "net"]
        book = Panel([[0.5, 0.5, 1.0, 0.0], [0.5, 0.0, 0.5, 0.5]], DAYS[:2], names)
        assert m.exposure(book).value == 0.75
        assert m.exposure(book.select("gross")).value == 0.75
        assert m.exposure(np.array([np.nan, 1.0])).value == 1.0
        assert m.exposure(np.array([])).reason == "there are no observations"
        assert m.exposure(np.array([np.nan])).reason == "all 1 observations are missing"
        with pytest.raises(InputError, match="none is called gross"):
            m.exposure(book.select(["long", "short"]))


def test_months_of_a_frame():
    frame = pl.DataFrame({"date": [date(2024, 1, 31), date(2024, 2, 1)], "A": [0.1, 0.2]})
    assert m.monthly_returns(frame).select("Jan", "Feb").row(0) == pytest.approx((0.1, 0.2))
