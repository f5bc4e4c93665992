"""Rolling operations: hand-made cases, independent oracles, and the laws that hold for every one of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from quantlab.core import InputError, KindError, Panel, ts
from quantlab.core.ts import _rolling_kernels as kernels

Window = np.ndarray


def _two_pass_mean(present: Window) -> float:
    first = present.mean()
    return first + (present - first).mean() if np.isfinite(first) else first


def _two_pass_std(present: Window) -> float:
    if present.size < 2:
        return math.nan
    off = present - present.mean()
    # The second term takes out the rounding of the mean, which at a level of 1e9 is 1e-7.
    return math.sqrt(((off * off).sum() - off.sum() ** 2 / off.size) / (off.size - 1))


def _slope(window: Window) -> float:
    place = np.flatnonzero(~np.isnan(window)).astype(float)
    values = window[~np.isnan(window)]
    if place.size < 2:
        return math.nan
    run = place - _two_pass_mean(place)
    return float((run * (values - _two_pass_mean(values))).sum() / (run * run).sum())


def _rank(window: Window) -> float:
    if np.isnan(window[-1]):
        return math.nan
    present = window[~np.isnan(window)]
    return float(rankdata(present)[-1] / present.size)


# Each computed afresh from one window, in two passes: what the rolling functions must agree with.
FRESH: dict[str, Callable[[Window], float]] = {
    "rolling_sum": lambda w: math.fsum(w[~np.isnan(w)]),
    "rolling_mean": lambda w: _two_pass_mean(w[~np.isnan(w)]),
    "rolling_std": lambda w: _two_pass_std(w[~np.isnan(w)]),
    "rolling_min": lambda w: np.nanmin(w),
    "rolling_max": lambda w: np.nanmax(w),
    "rolling_rank": _rank,
    "rolling_slope": _slope,
}
KERNELS = {
    "rolling_sum": (kernels.rolling_sums, (False,)),
    "rolling_mean": (kernels.rolling_sums, (True,)),
    "rolling_std": (kernels.rolling_deviations, ()),
    "rolling_min": (kernels.rolling_extremes, (1.0,)),
    "rolling_max": (kernels.rolling_extremes, (-1.0,)),
    "rolling_rank": (kernels.rolling_ranks, ()),
    "rolling_slope": (kernels.rolling_slopes, ()),
}
LOWEST = {"rolling_std": 2, "rolling_rank": 2, "rolling_slope": 2}
every = pytest.mark.parametrize("name", sorted(FRESH))


def rolling(name: str, values: np.ndarray, window: int, min_periods: int | None = None) -> np.ndarray:
    days = np.datetime64("2024-01-01") + np.arange(values.shape[0])
    panel = Panel(values, days, [f"A{i:03d}" for i in range(values.shape[1])])
    return getattr(ts, name)(panel, window=window, min_periods=min_periods).values


def fresh(name: str, values: np.ndarray, window: int, min_periods: int | None = None) -> np.ndarray:
    out = np.full(values.shape, np.nan)
    for t, j in np.ndindex(values.shape):
        seen = values[max(t - window + 1, 0) : t + 1, j]
        if np.sum(~np.isnan(seen)) >= (min_periods or window):
            out[t, j] = FRESH[name](seen)
    return out


def sample(rows: int, columns: int, *, missing: float = 0.0, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns)).round(2)  # rounded, so that there are ties
    values[rng.random(values.shape) < missing] = np.nan
    return values


def frozen(values: np.ndarray) -> np.ndarray:
    # Panels hand read-only arrays to the kernels; a writable one would be a second compilation.
    values.setflags(write=False)
    return values


def test_the_tables_above_miss_no_rolling_function() -> None:
    assert set(FRESH) == set(KERNELS) == {name for name in ts.__all__ if name.startswith("rolling_")}


# By hand -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rolling_sum", [[np.nan, np.nan], [4.0, np.nan], [8.0, np.nan]]),
        ("rolling_mean", [[np.nan, np.nan], [2.0, np.nan], [4.0, np.nan]]),
        ("rolling_std", [[np.nan, np.nan], [math.sqrt(2.0), np.nan], [math.sqrt(2.0), np.nan]]),
        ("rolling_min", [[np.nan, np.nan], [1.0, np.nan], [3.0, np.nan]]),
        ("rolling_max", [[np.nan, np.nan], [3.0, np.nan], [5.0, np.nan]]),
        ("rolling_rank", [[np.nan, np.nan], [1.0, np.nan], [1.0, np.nan]]),
        ("rolling_slope", [[np.nan, np.nan], [2.0, np.nan], [2.0, np.nan]]),
    ],
)
def test_three_rows_by_hand(name: str, expected: list[list[float]]) -> None:
    values = np.array([[1.0, 7.0], [3.0, np.nan], [5.0, 4.0]])
    np.testing.assert_array_equal(rolling(name, values, 2), expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rolling_sum", [1.0, 1.0, 1.0, 5.0]),
        ("rolling_mean", [1.0, 1.0, 1.0, 5.0]),
        ("rolling_std", [np.nan, np.nan, np.nan, np.nan]),
        ("rolling_min", [1.0, 1.0, 1.0, 5.0]),
        ("rolling_max", [1.0, 1.0, 1.0, 5.0]),
        ("rolling_rank", [1.0, np.nan, np.nan, 1.0]),
        ("rolling_slope", [np.nan, np.nan, np.nan, np.nan]),
    ],
)
def test_a_window_needs_only_min_periods_values(name: str, expected: list[float]) -> None:
    values = np.array([[1.0], [np.nan], [np.nan], [5.0]])
    np.testing.assert_array_equal(rolling(name, values, 3, min_periods=1).ravel(), expected)


# Corners -----------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_empty_data_give_empty_results(name: str, shape: tuple[int, int]) -> None:
    assert rolling(name, np.empty(shape), 2).shape == shape


@every
def test_one_row_and_short_data_give_nan(name: str) -> None:
    assert np.isnan(rolling(name, np.array([[1.0, 2.0]]), 2)).all()
    assert np.isnan(rolling(name, sample(4, 2), 5)).all()


@every
def test_all_missing_gives_nan(name: str) -> None:
    assert np.isnan(rolling(name, np.full((9, 2), np.nan), 3, min_periods=1)).all()


@pytest.mark.parametrize("level", [0.0, 0.1, -1e9, 1e-300])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rolling_mean", 1.0),
        ("rolling_min", 1.0),
        ("rolling_max", 1.0),
        ("rolling_std", 0.0),
        ("rolling_slope", 0.0),
        ("rolling_rank", None),
    ],
)
def test_flat_data_are_exact(name: str, expected: float | None, level: float) -> None:
    # 0.1 summed seven times and divided by seven is not 0.1 in plain arithmetic.
    result = rolling(name, np.full((30, 1), level), 7)[6:]
    np.testing.assert_array_equal(result, 4 / 7 if expected is None else expected * level)


@every
def test_a_window_longer_than_the_data_counts_what_is_there(name: str) -> None:
    values = sample(20, 3)
    np.testing.assert_allclose(rolling(name, values, 500, 3), fresh(name, values, 500, 3), rtol=1e-12, atol=1e-14)


# Oracles -----------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize(("window", "min_periods"), [(2, None), (5, 1), (7, 3), (40, 10), (64, None)])
def test_equals_pandas(name: str, window: int, min_periods: int | None) -> None:
    import pandas as pd

    values = sample(130, 70, missing=0.05)  # more columns than one strip
    if name == "rolling_slope":
        # pandas has no slope; covariance over variance of the row numbers of the present values is one.
        place = pd.DataFrame(np.where(np.isnan(values), np.nan, np.arange(130.0)[:, None]))
        frame = pd.DataFrame(values).rolling(window, min_periods)
        expected = (frame.cov(place) / place.rolling(window, min_periods).var()).to_numpy()
    else:
        frame = pd.DataFrame(values).rolling(window, min_periods)
        keywords: dict[str, Any] = {"pct": True} if name == "rolling_rank" else {}
        expected = getattr(frame, name.removeprefix("rolling_"))(**keywords).to_numpy()
    result = rolling(name, values, window, min_periods)
    if name == "rolling_rank":
        expected = np.where(np.isnan(values), np.nan, expected)
    # pandas keeps running sums, whose own error is about 1e-13 on these data of scale 1.
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)


def test_slope_equals_statsmodels() -> None:
    import statsmodels.api as sm

    values = sample(60, 2).cumsum(axis=0) + 50.0
    result = rolling("rolling_slope", values, 21)
    for t in (20, 21, 41, 42, 59):
        fit = sm.OLS(values[t - 20 : t + 1, 0], sm.add_constant(np.arange(21.0))).fit()
        assert result[t, 0] == pytest.approx(fit.params[1], rel=1e-11)


@every
@pytest.mark.parametrize(
    ("rows", "columns", "window", "least"), [(17, 3, 5, 5), (17, 66, 5, 2), (9, 1, 20, 4), (8, 2, 2, 1)]
)
def test_jitted_equals_original(
    name: str, rows: int, columns: int, window: int, least: int, same_bits: Callable[..., None]
) -> None:
    function, extra = KERNELS[name]
    values = sample(rows, columns, missing=0.1)
    values[3, 0] = np.inf
    with np.errstate(all="ignore"):
        original = function.py_func(frozen(values), window, least, *extra)
    same_bits(function(values, window, least, *extra), original)


# Laws --------------------------------------------------------------------------------------------------------------

# Everything a column may meet: ties, missing values, infinities, a large level, spikes.
anything = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e9, 1e9 + 1, 1e15, -1e15, 1e300, -1e300]),
    st.floats(-100, 100),
)


@st.composite
def columns(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    rows, width = draw(st.integers(1, 24)), draw(st.integers(1, 3))
    values = draw(hnp.arrays(np.float64, (rows, width), elements=anything))
    window = draw(st.integers(2, 8))
    return values, window, draw(st.integers(1, window))


@every
@given(columns(), st.integers(0, 23), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, 1e15, 7.0]))
def test_only_the_window_counts(name: str, case: tuple[np.ndarray, int, int], row: int, garbage: float) -> None:
    """No residue of earlier rows, no knowledge of later ones: bit for bit, whatever stands there."""
    values, window, least = case
    t = row % values.shape[0]
    other = np.full_like(values, garbage)
    inside = slice(max(t - window + 1, 0), t + 1)
    other[inside] = values[inside]
    left, right = rolling(name, values, window, least)[t], rolling(name, other, window, least)[t]
    np.testing.assert_array_equal(left.view(np.int64)[~np.isnan(left)], right.view(np.int64)[~np.isnan(right)])
    np.testing.assert_array_equal(np.isnan(left), np.isnan(right))


@every
@given(columns(), st.integers(0, 24))
def test_truncation_changes_nothing(name: str, case: tuple[np.ndarray, int, int], cut: int) -> None:
    values, window, least = case
    whole = rolling(name, values, window, least)
    part = rolling(name, values[:cut], window, least)
    np.testing.assert_array_equal(whole[:cut].view(np.int64)[~np.isnan(part)], part.view(np.int64)[~np.isnan(part)])
    np.testing.assert_array_equal(np.isnan(whole[:cut]), np.isnan(part))


@every
def test_the_number_and_order_of_columns_change_nothing(name: str, same_bits: Callable[..., None]) -> None:
    values = sample(90, 150, missing=0.02)
    whole = rolling(name, values, 20, 15)
    order = np.random.default_rng(3).permutation(150)
    same_bits(rolling(name, values[:, order], 20, 15), whole[:, order])
    for j in (0, 63, 64, 149):
        same_bits(rolling(name, values[:, [j]], 20, 15), whole[:, [j]])


@every
@given(columns())
def test_an_infinity_does_what_it_does_in_a_fresh_computation(name: str, case: tuple[np.ndarray, int, int]) -> None:
    values, window, least = case
    values = np.where(np.isin(np.abs(values), (1e300, 1e15)), np.inf, values)
    with np.errstate(all="ignore"):
        try:
            expected = fresh(name, values, window, least)
        except (ValueError, OverflowError):  # math.fsum refuses inf - inf
            return
    result = rolling(name, values, window, least)
    if name in ("rolling_std", "rolling_slope"):
        expected[np.isinf(expected)] = np.nan
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(expected))


@every
@pytest.mark.parametrize("window", [5, 16, 50])
@pytest.mark.parametrize("kind", ["level", "spike", "first", "both"])
def test_a_level_of_1e9_and_a_spike_of_1e15_cost_no_digits(name: str, window: int, kind: str) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(160, 4))
    if kind in ("level", "both"):
        values += 1e9
    if kind in ("spike", "both"):
        values[47, 0], values[48, 1], values[49, 2], values[96, 3] = 1e15, -1e15, 1e15, 1e15
    if kind == "first":
        values[0] = 1e15
    result, expected = rolling(name, values, window), fresh(name, values, window)
    # An error is measured by the spread of its own window, not by the level: a window of scale 1 without the spike has
    # to be right to 1e-14, although its neighbours hold 1e15. Means and sums end in a value as large as the level, and
    # NumPy's own last digit there is 1e9 * 2**-53 = 1e-7, or that of the spike while it is inside.
    scale = np.empty(values.shape)
    for t in range(values.shape[0]):
        seen = values[max(t - window + 1, 0) : t + 1]
        scale[t] = np.ptp(seen, axis=0)
        if name in ("rolling_sum", "rolling_mean", "rolling_min", "rolling_max"):
            scale[t] = np.maximum(scale[t], np.abs(seen).max(axis=0) * (window if name == "rolling_sum" else 1))
    error = np.abs(result - expected)[window - 1 :] / scale[window - 1 :]
    assert error.max() <= 1e-14
    assert not np.isnan(error).any()


@pytest.mark.parametrize("window", [5, 50])
def test_sums_and_means_are_right_to_the_last_digit(window: int) -> None:
    from fractions import Fraction

    values = np.random.default_rng(6).normal(size=(120, 1)) + 1e9
    values[60] = 1e15
    sums, means = rolling("rolling_sum", values, window), rolling("rolling_mean", values, window)
    for t in range(window - 1, 120):
        exact = sum(map(Fraction, values[t - window + 1 : t + 1, 0].tolist()))
        assert sums[t, 0] == float(exact)
        assert means[t, 0] == float(exact / window)


# Within this range neither scaling nor squaring meets the ends of float64.
tame = st.integers(-(10**8), 10**8).map(lambda x: x / 97)


@every
@given(hnp.arrays(np.float64, (15, 2), elements=tame), st.integers(-20, 20))
def test_scaling_by_a_power_of_two_scales_the_result(name: str, values: np.ndarray, power: int) -> None:
    factor = 1.0 if name == "rolling_rank" else 2.0**power
    np.testing.assert_array_equal(rolling(name, values * 2.0**power, 4), rolling(name, values, 4) * factor)


@pytest.mark.parametrize("name", ["rolling_std", "rolling_slope", "rolling_rank"])
@given(hnp.arrays(np.int64, (15, 2), elements=st.integers(-1000, 1000)), st.integers(-(2**40), 2**40))
def test_a_shift_changes_nothing(name: str, values: np.ndarray, shift: int) -> None:
    # Whole numbers, so that the shifted data are exact: then the results are equal to the last bit.
    np.testing.assert_array_equal(rolling(name, values + float(shift), 4), rolling(name, values.astype(float), 4))


@given(hnp.arrays(np.float64, (15, 2), elements=anything))
def test_the_maximum_is_the_minimum_upside_down(values: np.ndarray) -> None:
    np.testing.assert_array_equal(rolling("rolling_max", values, 4, 1), -rolling("rolling_min", -values, 4, 1))


# The door ----------------------------------------------------------------------------------------------------------


@every
def test_labels_and_frequency_are_kept_and_the_input_is_not_touched(name: str, make: Callable[..., Panel]) -> None:
    from quantlab.core import Frequency

    panel = make(sample(9, 3), frequency=Frequency(252))
    before = panel.values.copy()
    result = getattr(ts, name)(panel, window=3)
    assert result.symbols == panel.symbols
    assert result.dates is panel.dates
    assert result.frequency == Frequency(252)
    assert not result.values.flags.writeable
    np.testing.assert_array_equal(panel.values, before)


@every
def test_frames_and_bool_panels_are_taken(
    name: str, make: Callable[..., Panel], same_bits: Callable[..., None]
) -> None:
    function, flags = getattr(ts, name), sample(12, 3) > 0
    expected = function(make(flags.astype(float)), window=3)
    same_bits(function(make(flags), window=3).values, expected.values)
    frame = make(flags.astype(float)).to_frame()
    same_bits(function(frame, window=3).values, expected.values)
    same_bits(function(frame.lazy(), window=3).values, expected.values)


@every
def test_refusals(name: str, make: Callable[..., Panel]) -> None:
    function, panel, low = getattr(ts, name), make(sample(5, 2)), LOWEST.get(name, 1)
    with pytest.raises(InputError, match=rf"^`window` must be an integer >= {low}, received {low - 1}\.$"):
        function(panel, window=low - 1)
    with pytest.raises(KindError, match=rf"^`window` must be an integer >= {low}, received 2\.5\.$"):
        function(panel, window=2.5)
    with pytest.raises(KindError, match=r"received True\.$"):
        function(panel, window=True)
    with pytest.raises(InputError, match=r"^`min_periods` must be at most `window` \(3\), received 4\.$"):
        function(panel, window=3, min_periods=4)
    with pytest.raises(InputError, match=r"^`min_periods` must be an integer >= 1, received 0\.$"):
        function(panel, window=3, min_periods=0)
    with pytest.raises(KindError, match=r"^`data` must be a Panel or a Polars frame, received numpy\.ndarray\."):
        function(panel.values, window=3)
    with pytest.raises(TypeError, match="positional"):
        function(panel, 3)


def test_integers_of_numpy_are_integers(make: Callable[..., Panel]) -> None:
    panel = make(sample(5, 2))
    result = ts.rolling_sum(panel, window=np.int32(2), min_periods=np.int64(1))
    np.testing.assert_array_equal(result.values, ts.rolling_sum(panel, window=2, min_periods=1).values)
