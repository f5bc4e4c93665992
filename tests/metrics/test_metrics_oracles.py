"""Published numbers and numbers worked by hand, one row each."""

import math

import numpy as np
import pytest

from quantlab import metrics as m
from quantlab.core import Frequency, Panel

SORTINO = [0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04]
SHARPE = [0.259, 0.198, 0.364, -0.081, 0.057, 0.055, 0.188, 0.317, 0.24, 0.184, -0.01, 0.526]
DRAWDOWN = [-0.1, 0.05, 0.05, -0.02, 0.1]
LADDER = np.arange(-10, 11) / 100
ONE_TO_85 = [1.0, 81, 82, 83, 84, 85]

# name, metric, returns, options, expected, tolerance (half a unit of the last digit that the source prints), source
TABLE = [
    ("sortino", m.sortino, SORTINO, {"periods": 1}, 4.417261, 5e-7, "Red Rock Capital, Sortino: a sharper ratio"),
    ("sharpe rf", m.sharpe, SHARPE, {"periods": 1, "risk_free": 0.05}, 0.834364, 5e-7, "pypbo's published example"),
    ("var 10 %", m.value_at_risk, ONE_TO_85, {"tail": 0.1}, 41.0, 1e-12, "empyrical's documented case"),
    ("var 20 %", m.value_at_risk, ONE_TO_85, {"tail": 0.2}, 81.0, 1e-12, "empyrical's documented case"),
    ("var 30 %", m.value_at_risk, ONE_TO_85, {"tail": 0.3}, 81.5, 1e-12, "empyrical's documented case"),
    ("cvar", m.conditional_value_at_risk, LADDER, {}, -0.1045 / 1.05, 1e-15, "(-.10 + .05 * -.09) / 1.05 by hand"),
    ("max drawdown", m.max_drawdown, DRAWDOWN, {}, -0.1, 1e-15, "by hand"),
    ("duration", m.max_drawdown_duration, DRAWDOWN, {}, 4, 0, "by hand: wealth .9 .945 .99225 .972405 1.0696455"),
    ("total", m.total_return, DRAWDOWN, {}, 0.0696455, 1e-15, "by hand"),
    ("cagr", m.cagr, [0.1, 0.1, -0.5, 1.0], {"periods": 2}, 0.1, 1e-15, "by hand: 1.21 over two years"),
    ("calmar", m.calmar, [0.1, 0.1, -0.5, 1.0], {"periods": 2}, 0.2, 1e-15, "by hand: .1 / .5"),
    ("day-1 loss", m.max_drawdown, [-0.5, 0.1, 0.1], {}, -0.5, 0, "by hand"),
    ("volatility", m.volatility, [0.01, 0.03], {"periods": 4}, 0.02 * math.sqrt(2), 1e-15, "by hand"),
    ("skew", m.skew, [0.0, 0.0, 0.3], {}, 1 / math.sqrt(2), 1e-12, "by hand: m3 = .002, m2 = .02"),
    ("kurtosis", m.kurtosis, [-0.1, 0.1, -0.1, 0.1], {}, 1.0, 1e-12, "two points: the least kurtosis"),
    ("hit rate", m.hit_rate, [0.1, -0.1, 0.2, 0.0], {}, 2 / 3, 1e-15, "by hand"),
    ("profit factor", m.profit_factor, [0.1, -0.1, 0.2, 0.0], {}, 3.0, 1e-14, "by hand"),
    ("no loss but +120 %", m.total_return, [0.0, 1.2, 0.1], {}, 1.42, 1e-15, "returns above 1 are not prices"),
]


@pytest.mark.parametrize(
    ("metric", "returns", "options", "expected", "tolerance"),
    [row[1:6] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_table(metric, returns, options, expected, tolerance):
    assert metric(np.array(returns), **options).value == pytest.approx(expected, abs=tolerance, rel=0)


def test_drawdown_series_by_hand():
    dates = np.datetime64("2024-01-01") + np.arange(5)
    series = m.drawdowns(Panel(np.array(DRAWDOWN)[:, None], dates, ["A"]))
    assert series.symbols == ("drawdown",)
    assert series.values[:, 0] == pytest.approx([-0.1, -0.055, -0.00775, -0.027595, 0.0], abs=1e-15)


@pytest.mark.parametrize(
    ("ratio", "n", "expected"),
    [
        (0.5, 12, 0.306),
        (0.5, 24, 0.217),
        (0.5, 60, 0.137),
        (0.5, 125, 0.095),
        (0.5, 250, 0.067),
        (3, 12, 0.677),
        (3, 60, 0.303),
    ],
)
def test_lo_2002_table_1(ratio, n, expected):
    assert m.sharpe_error(ratio, n, normal=True) == pytest.approx(expected, abs=5e-4)


def test_mertens_of_a_skewed_fund():
    # Bailey and López de Prado (2012): SR .458 monthly, 24 months, skew -2.448, kurtosis 10.164 give PSR(0) = .9134.
    error = m.sharpe_error(0.458, 24, skew=-2.448, kurtosis=10.164)
    psr = 0.5 * (1 + math.erf(0.458 / error / math.sqrt(2)))
    assert psr == pytest.approx(0.9134, abs=5e-5)


def test_normal_moments_reproduce_lo_up_to_the_divisor():
    assert m.sharpe_error(0.3, 100) * math.sqrt(99 / 100) == pytest.approx(
        m.sharpe_error(0.3, 100, normal=True), rel=1e-14
    )


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, table I, Wilson's score method without continuity correction.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval(hits, n, low, high):
    returns = np.r_[np.full(hits, 0.01), np.full(n - hits, -0.01)]
    rate = m.hit_rate(returns)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)
    assert rate.value == hits / n


def test_annualization_of_business_days():
    # A known case: 365 days say .926 where 252 sessions say .769 (first bar a zero return) and .771 (not counted).
    prices = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0005, 0.01, 252)))
    returns = prices[1:] / prices[:-1] - 1
    panel = Panel(returns[:, None], np.datetime64("2024-01-01") + np.arange(251), ["A"], frequency=Frequency(252))
    assert m.sharpe(panel).value == pytest.approx(0.771, abs=5e-4)
    with_zero = np.r_[0.0, returns]
    assert m.sharpe(with_zero, periods=252).value == pytest.approx(0.769, abs=5e-4)
    assert m.sharpe(with_zero, periods=365).value == pytest.approx(0.926, abs=5e-4)


def test_conditional_value_at_risk_is_the_minimum_of_rockafellar_and_uryasev():
    rng = np.random.default_rng(3)
    for n, tail in [(21, 0.05), (50, 0.05), (101, 0.1), (7, 0.3), (33, 0.5)]:
        returns = rng.standard_t(3, n) / 100
        losses = -returns
        # The function is piecewise linear with its kinks at the losses, so that its minimum lies at one of them.
        oracle = -min(c + np.maximum(losses - c, 0).mean() / tail for c in losses)
        assert m.conditional_value_at_risk(returns, tail=tail).value == pytest.approx(oracle, abs=1e-15, rel=1e-12)
