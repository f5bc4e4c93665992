"""All metrics in one pass, against the metric functions one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import metrics
from quantlab.metrics import _path_kernels as path
from quantlab.study._job import METRICS

OF_RETURNS = METRICS[:14]


def measured(returns, periods=252.0, start=0):
    """The row of metrics of a book that earned ``returns`` from bar ``start`` on, fully invested."""
    T = returns.size + start
    equity = np.concatenate([np.full(start, 100.0), 100.0 * np.cumprod(1.0 + returns)])
    out, r, space = np.empty(16), np.empty(T), np.empty(T)
    n = path.measure(equity, equity, np.zeros(T), np.zeros(T), 100.0, start, -1, periods, r, space, out)
    return dict(zip(METRICS, out, strict=True)), r[:n], equity[start:]


def demand_same(row, returns, periods=252.0, tolerance=1e-12):
    for name in OF_RETURNS:
        expected = getattr(metrics, name)(returns, periods=periods).value
        np.testing.assert_allclose(row[name], expected, rtol=tolerance, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 19, 20, 21, 39, 40, 41, 100, 252, 2519, 2520])
@pytest.mark.parametrize("shape", ["normal", "fat", "steps", "gains"])
def test_every_metric_is_that_of_its_function(n, shape):
    rng = np.random.default_rng(n)
    returns = {
        "normal": rng.normal(0.0004, 0.01, n),
        "fat": rng.standard_t(2.5, n).clip(-40, 40) * 0.01,
        "steps": rng.choice([-0.01, 0.0, 0.02], n),
        "gains": np.abs(rng.normal(0.0, 0.01, n)),
    }[shape]
    row, r, _ = measured(returns, start=3)
    demand_same(row, r)


def test_a_flat_book_has_no_ratio():
    row, r, _ = measured(np.zeros(50))
    demand_same(row, r)
    assert np.isnan(row["sharpe"])
    assert row["total_return"] == 0.0


def test_turnover_and_exposure_are_those_of_the_functions():
    rng = np.random.default_rng(3)
    T, start = 60, 7
    equity = 1000 * np.cumprod(1 + rng.normal(0, 0.01, T))
    long, short, traded = equity * rng.uniform(0, 1, T), equity * rng.uniform(0, 1, T), equity * rng.uniform(0, 0.2, T)
    out, r, space = np.empty(16), np.empty(T), np.empty(T)
    n = path.measure(equity, long, short, traded, float(equity[start - 1]), start, -1, 252.0, r, space, out)
    assert n == T - start
    turnover = metrics.turnover(traded[start:], equity[start:], initial=float(equity[start - 1]), periods=252)
    np.testing.assert_allclose(out[path.TURNOVER], turnover.value, rtol=1e-12)
    gross = long[start:] / equity[start:] + short[start:] / equity[start:]
    np.testing.assert_allclose(out[path.EXPOSURE], metrics.exposure(gross).value, rtol=1e-12)


def test_a_ruined_book_has_exposure_alone():
    equity = np.array([100.0, 110.0, -5.0, -5.0])
    out, r, space = np.empty(16), np.empty(4), np.empty(4)
    n = path.measure(equity, np.abs(equity), np.zeros(4), np.ones(4), 100.0, 0, 2, 252.0, r, space, out)
    assert n == 3
    assert np.isnan(out[: path.EXPOSURE]).all()
    assert out[path.EXPOSURE] == 1.0


def test_a_book_without_returns_has_nothing():
    out, empty = np.zeros(16), np.empty(3)
    equity = np.full(3, 100.0)
    assert path.measure(equity, equity, equity, equity, 100.0, 3, -1, 252.0, empty, empty.copy(), out) == 0
    assert np.isnan(out).all()


@given(st.lists(st.floats(-1e3, 1e3), min_size=0, max_size=300))
@settings(max_examples=200, deadline=None)
def test_values_are_sorted(values):
    x = np.array(values, dtype=np.float64)
    out = x.copy()
    path.sort_first(out, x.size)
    np.testing.assert_array_equal(out, np.sort(x))


@pytest.mark.parametrize("n", [200, 2000])
def test_values_are_sorted_when_many_are_equal(n):
    rng = np.random.default_rng(n)
    for x in (np.zeros(n), rng.integers(0, 3, n).astype(float), np.arange(n)[::-1].astype(float), np.arange(n) * 1.0):
        out = x.copy()
        path.sort_first(out, n)
        np.testing.assert_array_equal(out, np.sort(x))
