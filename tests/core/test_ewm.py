"""Exponentially weighted mean and deviation: hand-made cases, pandas, exact arithmetic, and the timing laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError, Panel, ts
from quantlab.core.ts import _ewm_kernels as kernels

both = pytest.mark.parametrize("name", ["ewm_mean", "ewm_std"])


def ewm(name: str, values: np.ndarray, **keywords: float) -> np.ndarray:
    days = np.datetime64("2024-01-01") + np.arange(values.shape[0])
    return getattr(ts, name)(Panel(values, days, [f"A{i}" for i in range(values.shape[1])]), **keywords).values


def exact(name: str, past: np.ndarray, halflife: float) -> float:
    """From the definition, in rational numbers, over one column up to its last row."""
    decay = Fraction(0.5 ** (1.0 / halflife))
    pairs = [(decay ** (past.size - 1 - i), Fraction(x)) for i, x in enumerate(past.tolist()) if not math.isnan(x)]
    v = sum(w for w, _ in pairs)
    mean = sum(w * x for w, x in pairs) / v
    if name == "ewm_mean":
        return float(mean)
    return math.sqrt(sum(w * (x - mean) ** 2 for w, x in pairs) / (v - sum(w * w for w, _ in pairs) / v))


def sample(rows: int, columns: int, *, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(rows, columns))
    values[rng.random(values.shape) < missing] = np.nan
    return values


def test_by_hand() -> None:
    values = np.array([[4.0, np.nan], [1.0, 2.0], [np.nan, np.nan], [3.0, 6.0]])
    # Half-life 1: weights 1, 1/2, 1/4, 1/8 from the newest back. (3 + 1/4 + 4/8) / (1 + 1/4 + 1/8) = 30 / 11.
    expected = [[4.0, np.nan], [2.0, 2.0], [2.0, 2.0], [30 / 11, (6 + 0.5) / 1.25]]
    np.testing.assert_allclose(ewm("ewm_mean", values, halflife=1), expected, rtol=1e-15)
    # Two values 4 apart have deviation sqrt(8) under any weights, by the correction for bias.
    np.testing.assert_allclose(ewm("ewm_std", values, halflife=1)[3, 1], math.sqrt(8.0), rtol=1e-15)


@both
@pytest.mark.parametrize(
    "decay", [{"halflife": 0.7}, {"halflife": 1}, {"halflife": 21.5}, {"halflife": 500}, {"span": 2}, {"span": 60.0}]
)
@pytest.mark.parametrize("min_periods", [1, 2, 9])
def test_equals_pandas(name: str, decay: dict[str, float], min_periods: int) -> None:
    import pandas as pd

    values = sample(120, 5, missing=0.2)
    values[:7, 1], values[:, 2] = np.nan, np.nan
    frame = pd.DataFrame(values).ewm(**decay, min_periods=min_periods, adjust=True, ignore_na=False)
    expected = getattr(frame, name.removeprefix("ewm_"))().to_numpy()
    # pandas subtracts sums of squared weights that may be nearly equal; 1e-9 is its own error at short half-lives.
    np.testing.assert_allclose(ewm(name, values, **decay, min_periods=min_periods), expected, rtol=1e-9, atol=1e-12)


@both
def test_default_min_periods(name: str) -> None:
    result = ewm(name, sample(4, 1), halflife=3)
    assert np.isnan(result[0, 0]) == (name == "ewm_std")
    assert not np.isnan(result[1:]).any()


@both
@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0), (1, 1)])
def test_small_shapes(name: str, shape: tuple[int, int]) -> None:
    assert ewm(name, np.zeros(shape), halflife=3).shape == shape


@both
def test_all_missing(name: str) -> None:
    assert np.isnan(ewm(name, np.full((5, 1), np.nan), halflife=3)).all()


@pytest.mark.parametrize("level", [0.1, 1e9 + 0.1, -1e-300])
def test_flat_data_are_exact(level: float) -> None:
    values = np.full((200, 1), level)
    np.testing.assert_array_equal(ewm("ewm_mean", values, halflife=7.3), values)
    np.testing.assert_array_equal(ewm("ewm_std", values, halflife=7.3)[1:], 0.0)


def test_a_span_of_one_sees_the_newest_value_alone() -> None:
    values = sample(9, 1)
    np.testing.assert_array_equal(ewm("ewm_mean", values, span=1), values)
    assert np.isnan(ewm("ewm_std", values, span=1)).all()


@both
@pytest.mark.parametrize("kind", ["level", "spike", "first"])
def test_a_level_of_1e9_and_a_spike_of_1e15_cost_no_digits(name: str, kind: str) -> None:
    values = sample(400, 1)
    start = {"level": 0, "spike": 20, "first": 0}[kind]
    if kind == "level":
        values += 1e9
    else:
        values[start] += 1e15
    result = ewm(name, values, halflife=1.0)
    for t in (1, 19, 20, 21, 60, 90, 200, 399):
        expected = exact(name, values[: t + 1, 0], 1.0)
        # With a half-life of one bar a spike's weight is 2**-k after k bars, and its share of a deviation 2**-(k / 2).
        # The error may be the last digits of that share; after 200 bars nothing of it may be left.
        age = (t - start) if name == "ewm_mean" else (t - start) / 2
        scale = max(1e15 * 2.0**-age, 1.0) if kind != "level" and t >= start else 1.0
        last_digit = np.spacing(abs(expected)) if name == "ewm_mean" else 0.0
        assert abs(result[t, 0] - expected) <= 1e-14 * scale + last_digit


@both
def test_after_a_very_long_gap_the_past_is_forgotten(name: str) -> None:
    values = np.full((9000, 1), np.nan)
    values[:5, 0], values[-2:, 0] = [1.0, 2.0, 3.0, 4.0, 5.0], [7.0, 9.0]
    result = ewm(name, values, halflife=1)
    # 8,000 half-lives are far below the least float64; while nothing comes the last result stands, bit for bit.
    assert np.unique(result[4:-2]).size == 1
    expected = (7.0 + 2 * 9.0) / 3 if name == "ewm_mean" else math.sqrt(2.0)
    assert result[-1, 0] == pytest.approx(expected, rel=1e-15)


@both
@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e300, -1e200])
def test_an_infinity_spoils_its_own_row_only(name: str, bad: float) -> None:
    values = sample(40, 2)
    spoiled, missing = values.copy(), values.copy()
    spoiled[7, 0], missing[7, 0] = bad, np.nan
    result, expected = ewm(name, spoiled, halflife=5), ewm(name, missing, halflife=5).copy()
    assert np.isnan(result[7, 0])
    expected[7, 0] = np.nan
    np.testing.assert_array_equal(result, expected)


anything = st.one_of(st.sampled_from([0.0, 1.0, np.nan, np.inf, 1e9, 1e15, -1e15, 1e300]), st.floats(-100, 100))


@both
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=anything),
    st.integers(0, 30),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e300, 3.0]),
    st.sampled_from([0.3, 2.0, 60.0]),
)
def test_truncation_and_garbage_after_t_change_nothing(
    name: str, values: np.ndarray, cut: int, garbage: float, halflife: float
) -> None:
    poisoned = values.copy()
    poisoned[cut:] = garbage
    whole = ewm(name, values, halflife=halflife)[:cut]
    for other in (ewm(name, values[:cut], halflife=halflife), ewm(name, poisoned, halflife=halflife)[:cut]):
        np.testing.assert_array_equal(np.isnan(whole), np.isnan(other))
        np.testing.assert_array_equal(whole[~np.isnan(whole)].view(np.int64), other[~np.isnan(other)].view(np.int64))


@both
def test_the_number_and_order_of_columns_change_nothing(name: str, same_bits: Callable[..., None]) -> None:
    values = sample(60, 37, missing=0.1)
    whole = ewm(name, values, span=9)
    order = np.random.default_rng(3).permutation(37)
    same_bits(ewm(name, values[:, order], span=9), whole[:, order])
    same_bits(ewm(name, values[:, [36]], span=9), whole[:, [36]])


@both
def test_jitted_equals_original(name: str, same_bits: Callable[..., None]) -> None:
    values = sample(25, 9, missing=0.2)
    values[4, 0] = np.inf
    values.setflags(write=False)
    arguments = (values, 0.9, 2, name == "ewm_std")
    with np.errstate(all="ignore"):
        original = kernels.ewm.py_func(*arguments)
    same_bits(kernels.ewm(*arguments), original)


@both
def test_refusals(name: str, make: Callable[..., Panel]) -> None:
    function, panel = getattr(ts, name), make(sample(5, 2))
    with pytest.raises(InputError, match=r"^Exactly one of `halflife` and `span` must be given, received neither\.$"):
        function(panel)
    with pytest.raises(InputError, match=r"received both\.$"):
        function(panel, halflife=3, span=3)
    with pytest.raises(InputError, match=r"^`halflife` must be a positive number of bars, received 0\.$"):
        function(panel, halflife=0)
    with pytest.raises(InputError, match=r"^`halflife` must be a finite number, received nan\.$"):
        function(panel, halflife=math.nan)
    with pytest.raises(InputError, match=r"^`span` must be a number of bars >= 1, received 0\.5\.$"):
        function(panel, span=0.5)
    with pytest.raises(KindError, match=r"^`span` must be a number, received '20'\.$"):
        function(panel, span="20")
    with pytest.raises(KindError, match=r"^`halflife` must be a number, received True\.$"):
        function(panel, halflife=True)
    with pytest.raises(InputError, match=r"^`min_periods` must be an integer >= 1, received 0\.$"):
        function(panel, halflife=3, min_periods=0)
