"""Resampling: kernel against its Python original and an independent oracle, and the properties of the blocks."""

import numpy as np
import pytest
from scipy import stats

from quantlab.validation import _resample_kernels as kernels
from quantlab.validation._bootstrap import Plan, _geometric

LOW = 0xFFFFFFFF


def indices(method, block, n, reps, seed=3):
    """Which observation stands where, (reps, n): the replicates of 0, 1, ..., n - 1."""
    out = np.empty((reps, n))
    Plan(method, block, seed).draw(np.arange(n, dtype=np.float64), 0, out)
    return out.astype(np.int64)


def oracle(seed, replicate, n, method, block):
    """One replicate from NumPy's own Philox, in whole-number Python."""
    words = np.random.Philox(key=np.array([seed, replicate], dtype=np.uint64)).random_raw(2 * n + 8).tolist()
    halves = [half for word in words for half in (word & LOW, word >> 32)]
    row, used = [], 0
    while len(row) < n:
        start = halves[used] * n >> 32
        used += 1
        size = 1 if method == "iid" else round(block)
        if method == "stationary":
            # P(length <= k) = 1 - (1 - 1/b)^k, rounded to units of 2**-32.
            size = 1
            while size < n and halves[used] >= round((1 - (1 - 1 / block) ** size) * 2**32):
                size += 1
            used += 1
        row += [(start + j) % n for j in range(size)]
    return row[:n]


@pytest.mark.parametrize(
    ("method", "block"),
    [
        ("iid", 1.0),
        ("circular", 5.0),
        ("circular", 40.0),
        ("stationary", 1.0),
        ("stationary", 1.7),
        ("stationary", 13.3),
        ("stationary", 37.0),
    ],
)
def test_kernel_python_and_oracle_agree(method, block):
    n, reps, seed = 37, 6, 2**62 + 5
    values = np.arange(n, dtype=np.float64)
    compiled, plain = np.empty((reps, n)), np.empty((reps, n))
    Plan(method, block, seed).draw(values, 4, compiled)
    length = 0 if method == "stationary" else round(block)
    steps, guide = _geometric(block, n)
    with np.errstate(over="ignore"):
        kernels.resample.py_func(values, np.uint64(seed), 4, length, steps, guide, plain)
    np.testing.assert_array_equal(compiled, plain)
    np.testing.assert_array_equal(compiled, [oracle(seed, 4 + i, n, method, block) for i in range(reps)])


@pytest.mark.parametrize("block", [1.5, 4.0, 30.0])
def test_lengths_are_geometric(block):
    index = indices("stationary", block, 2000, 300)
    # Where the successor does not follow, a block ended: with probability 1/b, but for a chance of 1/n to start there.
    ends = 1 - ((index[:, :-1] + 1) % 2000 == index[:, 1:]).mean()
    expected = (1 / block) * (1 - 1 / 2000)
    assert ends == pytest.approx(expected, abs=4 * np.sqrt(expected / index.size))


def test_fixed_lengths():
    index = indices("circular", 7.0, 70, 50)
    steps = (index[:, :-1] + 1) % 70 == index[:, 1:]
    inside = np.arange(1, 70) % 7 != 0
    assert steps[:, inside].all()
    assert steps[:, ~inside].mean() < 0.1


@pytest.mark.parametrize(("method", "block"), [("iid", 1.0), ("circular", 20.0), ("stationary", 20.0)])
def test_every_observation_is_equally_likely(method, block):
    # A moving-block bootstrap would draw the first row at 1/20 of the fair rate.
    n, reps = 200, 4000
    index = indices(method, block, n, reps)
    # Neighbors come together, so that blocks and not observations are independent: count block starts' worth of draws.
    counts = np.bincount(index.ravel(), minlength=n)
    spread = (counts - reps) ** 2 / reps
    assert spread.mean() < 2.5 * block
    # The first column holds the start of a first block: uniform by a chi-squared test.
    first = np.bincount(index[:, 0], minlength=n)
    assert stats.chisquare(first).pvalue > 1e-3
    assert abs(counts[0] / reps - 1) < 0.4


def test_replicates_differ_and_seeds_differ():
    index = indices("stationary", 5.0, 100, 200)
    assert len({row.tobytes() for row in index}) == 200
    assert (index != indices("stationary", 5.0, 100, 200, seed=4)).any(axis=1).all()


def test_lag_one_autocorrelation_survives():
    # AR(1) with rho .4: within a block it stays, across blocks it is gone, so rho (1 - 1/b) is left.
    rng = np.random.default_rng(0)
    n, rho, block = 4000, 0.4, 10.0
    noise = rng.normal(size=n)
    series = np.empty(n)
    series[0] = noise[0]
    for t in range(1, n):
        series[t] = rho * series[t - 1] + noise[t]
    out = np.empty((200, n))
    Plan("stationary", block, 1).draw(series, 0, out)
    apart = out - out.mean(axis=1, keepdims=True)
    lagged = (apart[:, 1:] * apart[:, :-1]).mean() / (apart * apart).mean()
    own = series - series.mean()
    sample_rho = (own[1:] * own[:-1]).mean() / (own * own).mean()
    assert lagged == pytest.approx(sample_rho * (1 - 1 / block), abs=0.01)
    Plan("iid", 1.0, 1).draw(series, 0, out)
    apart = out - out.mean(axis=1, keepdims=True)
    assert abs((apart[:, 1:] * apart[:, :-1]).mean() / (apart * apart).mean()) < 0.01


def test_blocks_as_long_as_the_sample():
    index = indices("stationary", 50.0, 50, 5000)
    whole = ((index[:, :-1] + 1) % 50 == index[:, 1:]).all(axis=1).mean()
    # A step is kept when the block goes on, and by chance (1 in 50) when it ends. Four standard errors of 0.7 %.
    assert whole == pytest.approx((1 - 1 / 50 + 1 / 50**2) ** 49, abs=0.028)
