"""No data, no variation, ruin: NaN with a reason, never infinity, 1e16 or an invented zero."""

import math

import numpy as np
import pytest

from quantlab import metrics as m
from quantlab.core import DataError, InputError, KindError, Panel
from quantlab.metrics._tables import STANDARD

INPUTS = {
    "empty": np.array([]),
    "all NaN": np.full(10, np.nan),
    "one": np.array([0.01]),
    "two": np.array([0.01, -0.02]),
    "constant": np.full(50, 0.001),
    "zero": np.zeros(50),
    "no loss": np.linspace(0.0, 0.02, 50),
    "ruin": np.r_[np.full(20, 0.01), -1.5, np.full(20, 0.01)],
    "wealth is zero": np.r_[np.full(20, 0.01), -1.0],
    "residue": np.random.default_rng(1).normal(0, 1e-18, 50),
    "constant and residue": 0.001 + np.random.default_rng(1).normal(0, 1e-18, 50),
    "large constant": np.full(50, 1e6 / 7),
}
ALWAYS = set(STANDARD)
GROWTH = {m.total_return, m.cagr, m.max_drawdown, m.max_drawdown_duration}
TAIL = {m.value_at_risk, m.conditional_value_at_risk}
# Which metrics are undefined on which input; on all others the value is finite.
UNDEFINED = {
    "empty": ALWAYS,
    "all NaN": ALWAYS,
    "one": {*TAIL, m.volatility, m.sharpe, m.sortino, m.calmar, m.skew, m.kurtosis, m.profit_factor},
    "two": {m.skew, m.kurtosis},
    "constant": {m.volatility, m.sharpe, m.sortino, m.calmar, m.skew, m.kurtosis, m.profit_factor},
    "zero": {m.volatility, m.sharpe, m.sortino, m.calmar, m.skew, m.kurtosis, m.profit_factor, m.hit_rate},
    "no loss": {m.sortino, m.calmar, m.profit_factor},
    "ruin": ALWAYS,
    "wealth is zero": ALWAYS,
    "residue": {m.volatility, m.sharpe, m.sortino, m.calmar, m.skew, m.kurtosis, m.profit_factor, m.hit_rate},
    "constant and residue": {m.volatility, m.sharpe, m.sortino, m.calmar, m.skew, m.kurtosis, m.profit_factor},
    "large constant": {m.volatility, m.sharpe, m.sortino, m.calmar, m.skew, m.kurtosis, m.profit_factor},
}


@pytest.mark.parametrize("metric", STANDARD, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("name", INPUTS)
def test_degenerate(name, metric):
    estimate = metric(INPUTS[name], periods=252)
    numbers = [estimate.value, estimate.se, estimate.low, estimate.high]
    assert not any(math.isinf(number) for number in numbers)
    overflows = name == "large constant" and metric is m.cagr
    if metric in UNDEFINED[name] or overflows:
        assert math.isnan(estimate.value)
        assert estimate.reason
        assert all(math.isnan(number) for number in numbers)
        assert estimate.reason.startswith("ruined") == (name in ("ruin", "wealth is zero"))
    else:
        assert math.isfinite(estimate.value)
        assert estimate.reason == ""
        assert estimate.method == "none" or math.isfinite(estimate.low + estimate.high + estimate.se)
        assert (estimate.method == "none") == ("no_interval" in estimate.details)


@pytest.mark.parametrize("metric", STANDARD, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("name", INPUTS)
def test_points_are_undefined_where_the_metric_is(name, metric):
    clean = INPUTS[name][~np.isnan(INPUTS[name])]
    expected = metric(clean, periods=252).value
    points = metric.points(np.vstack([clean, clean]), 252.0)
    assert points.shape == (2,)
    np.testing.assert_array_equal(points, [expected, expected])


def test_ruin_names_its_date():
    dates = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]")
    estimate = m.sharpe(Panel([[0.1], [-1.2], [np.nan]], dates, ["A"]), periods=252)
    assert estimate.reason == "ruined: the return is -120.0% on 2024-01-03"


def test_a_return_below_minus_one_is_not_recovered_from():
    # Wealth 1 -> -0.5 -> 0.75 would read as a gain without the rule.
    assert math.isnan(m.total_return(np.array([-1.5, -2.5])).value)


def test_losing_strategies_look_like_losers():
    losing = np.full(100, -0.005) + np.random.default_rng(0).normal(0, 0.001, 100)
    for metric in (m.cagr, m.calmar, m.sharpe, m.sortino, m.total_return):
        assert metric(losing, periods=252).value < 0


def test_overflow_has_a_reason():
    # Wealth beyond 1e308 has no float64.
    estimate = m.total_return(np.full(400, 9.0))
    assert math.isnan(estimate.value)
    assert "float64" in estimate.reason


class TestRefusals:
    def test_two_columns(self):
        panel = Panel(np.zeros((3, 2)), np.datetime64("2024-01-01") + np.arange(3), ["A", "B"])
        with pytest.raises(InputError, match=r"one column, received 2.*table"):
            m.sharpe(panel, periods=252)

    def test_two_dimensions(self):
        with pytest.raises(InputError, match="received 2"):
            m.sharpe(np.zeros((3, 1)), periods=252)

    def test_not_numbers(self):
        with pytest.raises(KindError, match="must be numbers"):
            m.sharpe(np.array(["a"]), periods=252)
        with pytest.raises(KindError, match="must be numbers"):
            m.sharpe(np.array([True, False]), periods=252)
        panel = Panel([[True], [False]], ["2024-01-02", "2024-01-03"], ["A"])
        with pytest.raises(KindError, match="must be numbers"):
            m.sharpe(panel, periods=252)

    def test_a_list_is_no_array(self):
        with pytest.raises(KindError, match="Panel or a Polars frame"):
            m.sharpe([0.1, 0.2], periods=252)

    def test_infinite(self):
        panel = Panel([[0.1], [np.inf]], ["2024-01-02", "2024-01-03"], ["A"])
        with pytest.raises(DataError, match="2024-01-03"):
            m.sharpe(panel, periods=252)

    def test_periods_unknown(self):
        for metric in STANDARD:
            if metric.annual:
                with pytest.raises(InputError, match="bars per year"):
                    metric(np.array([0.1, -0.1, 0.2]))
            else:
                assert metric(np.array([0.1, -0.1, 0.2])).reason == ""

    @pytest.mark.parametrize("level", [0, 1, 95, -0.1, float("nan")])
    def test_level(self, level):
        with pytest.raises(InputError, match="`level`"):
            m.sharpe(np.array([0.1, 0.2]), periods=252, level=level)

    @pytest.mark.parametrize("tail", [0, 0.6, 5, -0.05])
    def test_tail(self, tail):
        for metric in TAIL:
            with pytest.raises(InputError, match="`tail`"):
                metric(np.array([0.1, 0.2]), tail=tail)

    def test_interval(self):
        with pytest.raises(InputError, match="Lo-Mertens"):
            m.sharpe(np.array([0.1, 0.2]), periods=252, interval="hac")

    def test_sharpe_error_needs_two(self):
        with pytest.raises(InputError, match="at least 2"):
            m.sharpe_error(0.1, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_rate_that_is_not_finite_is_refused(value):
    # It would otherwise be told as returns that do not vary, or as no return below the target.
    returns = np.array([0.01, -0.02, 0.015, 0.0])
    panel = Panel(returns[:, None], np.datetime64("2024-01-01") + np.arange(4), ["A"])
    with pytest.raises(InputError, match="`risk_free` must be a finite number"):
        m.sharpe(returns, periods=252, risk_free=value)
    with pytest.raises(InputError, match="`risk_free` must be a finite number"):
        m.rolling_sharpe(panel, 2, periods=252, risk_free=value)
    with pytest.raises(InputError, match="`target` must be a finite number"):
        m.sortino(returns, periods=252, target=value)
