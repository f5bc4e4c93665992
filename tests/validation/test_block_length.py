"""Automatic block length against the arch library, and where the formula gives nothing."""

import numpy as np
import pytest

from quantlab.core import Panel
from quantlab.validation import optimal_block_length
from quantlab.validation._block_length import spectral_lengths

arch = pytest.importorskip("arch.bootstrap")


def ar1(n, rho, seed):
    noise = np.random.default_rng(seed).normal(size=n)
    out = np.empty(n)
    out[0] = noise[0]
    for t in range(1, n):
        out[t] = rho * out[t - 1] + noise[t]
    return out


@pytest.mark.parametrize("n", [30, 100, 252, 1000, 2520])
@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.3, 0.9])
def test_equals_arch(n, rho):
    for seed in range(5):
        for series in (ar1(n, rho, seed), np.abs(ar1(n, rho, seed))):
            expected = arch.optimal_block_length(series).to_numpy()[0]
            np.testing.assert_allclose(spectral_lengths(series), expected, rtol=1e-10)


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning")
@pytest.mark.parametrize("n", [8, 9, 10, 13, 20])
def test_equals_arch_on_short_series(n):
    for seed in range(20):
        series = ar1(n, 0.3, seed)
        np.testing.assert_allclose(
            spectral_lengths(series), arch.optimal_block_length(series).to_numpy()[0], rtol=1e-10
        )


def test_the_ratio_of_the_two_is_fixed():
    stationary, circular = spectral_lengths(ar1(2000, 0.3, 0))
    assert circular / stationary == pytest.approx(1.5 ** (1 / 3), rel=1e-12)


@pytest.mark.parametrize(
    "values",
    [np.array([]), np.array([0.1]), np.full(500, 0.001), np.zeros(500), np.arange(7.0), np.full(100, np.nan)],
    ids=["empty", "one", "constant", "zero", "seven", "all NaN"],
)
def test_nothing_to_measure_gives_one(values):
    assert optimal_block_length(values) == (1.0, 1.0)


@pytest.mark.parametrize("n", [8, 30, 2520])
@pytest.mark.parametrize("kind", ["iid", "trend", "ar"])
def test_bounds(n, kind):
    series = {"iid": ar1(n, 0, 1), "trend": np.arange(float(n)), "ar": ar1(n, 0.99, 1)}[kind]
    for length in optimal_block_length(series):
        assert 1.0 <= length <= n / 3


def test_the_longest_of_returns_and_absolute_returns():
    # Volatility that clusters under returns that do not: |r| asks for the longer blocks.
    calm = np.where(np.arange(2000) // 100 % 2, 0.002, 0.02)
    series = np.random.default_rng(0).normal(size=2000) * calm
    both = optimal_block_length(series)
    assert both.stationary == pytest.approx(spectral_lengths(np.abs(series))[0])
    assert both.stationary > 3 * spectral_lengths(series)[0]


def test_missing_rows_are_dropped():
    series = ar1(300, 0.5, 1) / 100
    holed = np.insert(series, [0, 50, 300], np.nan)
    panel = Panel(holed[:, None], np.datetime64("2024-01-01") + np.arange(303), ["A"])
    assert optimal_block_length(panel) == optimal_block_length(series)
