"""Ranks, buckets, scales: hand-made cases, SciPy and pandas as oracles, and the laws of the cross-section."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mstats, rankdata
from scipy.stats import zscore as scipy_zscore

from quantlab.core import InputError, KindError, Panel, xs
from quantlab.core.xs import _cross_kernels as kernels

NAN, INF = np.nan, np.inf
CALLS: dict[str, Callable[[Panel], Panel]] = {
    "rank": xs.rank,
    "rank_pct": lambda panel: xs.rank(panel, pct=True),
    "quantile_buckets": lambda panel: xs.quantile_buckets(panel, buckets=3),
    "zscore": xs.zscore,
    "winsorize": lambda panel: xs.winsorize(panel, lower=0.2, upper=0.7),
    "demean": xs.demean,
    "neutralize": lambda panel: xs.neutralize(panel, exposures=_exposure(panel)),
}
every = pytest.mark.parametrize("name", sorted(CALLS))


def _exposure(panel: Panel) -> Panel:
    """A fixed exposure per symbol, whatever the order of the symbols."""
    return Panel(
        np.tile([float(int(name[1:]) % 5) ** 2 for name in panel.symbols], (len(panel), 1)).reshape(panel.shape),
        panel.dates,
        panel.symbols,
    )


def _panel(values: np.ndarray) -> Panel:
    days = np.datetime64("2024-01-01") + np.arange(values.shape[0])
    return Panel(values, days, [f"A{i:03d}" for i in range(values.shape[1])])


def _sample(rows: int, columns: int, *, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(rows, columns)).round(1)
    values[rng.random(values.shape) < missing] = NAN
    return values


def test_every_function_of_xs_is_in_the_table() -> None:
    assert set(CALLS) - {"rank_pct"} == set(xs.__all__)


# Laws --------------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0)])
def test_empty_data_give_empty_results(name: str, shape: tuple[int, int]) -> None:
    assert CALLS[name](_panel(np.empty(shape))).shape == shape


@every
def test_missing_stays_missing_in_its_place_and_is_not_counted(name: str) -> None:
    values = _sample(30, 12)
    holes = values.copy()
    holes[:, [2, 7]] = NAN
    result = CALLS[name](_panel(holes)).values
    assert np.isnan(result[:, [2, 7]]).all()
    keep = [j for j in range(12) if j not in (2, 7)]
    panel = _panel(values)
    alone = CALLS[name](panel.select([panel.symbols[j] for j in keep])).values
    assert not np.isnan(alone).any()
    # Sums over the symbols take the same terms in the same order; regression adds 1e-15 of scale 1 by its own blocks.
    np.testing.assert_allclose(result[:, keep], alone, rtol=0, atol=1e-14)


@every
def test_a_date_without_values_is_missing(name: str) -> None:
    assert np.isnan(CALLS[name](_panel(np.full((2, 6), NAN))).values).all()


anything = st.one_of(st.sampled_from([0.0, 1.0, NAN, INF, -INF, 1e9, 1e15, 1e300]), st.floats(-100, 100))
matrices = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=anything)


@every
@given(matrices)
def test_a_row_depends_on_itself_alone(name: str, values: np.ndarray) -> None:
    whole = CALLS[name](_panel(values)).values
    for t in range(values.shape[0]):
        row = CALLS[name](_panel(values[[t]])).values[0]
        np.testing.assert_array_equal(np.isnan(whole[t]), np.isnan(row))
        np.testing.assert_array_equal(whole[t][~np.isnan(row)].view(np.int64), row[~np.isnan(row)].view(np.int64))


@every
@given(matrices, st.randoms(use_true_random=False))
def test_the_order_of_symbols_changes_nothing(name: str, values: np.ndarray, random: object) -> None:
    order = list(range(values.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    panel = _panel(values)
    whole = CALLS[name](panel)
    other = CALLS[name](panel.select([panel.symbols[j] for j in order])).select(panel.symbols)
    if name == "neutralize":
        # Plain dot products: their rounding depends on the order, by 1e-13 of the size of the data.
        size = np.nanmax(np.abs(np.where(np.isfinite(values), values, 0.0)), axis=1, keepdims=True)
        assert np.nanmax(np.abs(whole.values - other.values) / np.maximum(size, 1.0), initial=0.0) <= 1e-13
    else:
        # Compensated sums: equal to the last bit.
        np.testing.assert_array_equal(whole.values, other.values)


@every
def test_input_and_labels_are_kept(name: str) -> None:
    panel = _panel(_sample(4, 7))
    before = panel.values.copy()
    result = CALLS[name](panel)
    assert result.symbols == panel.symbols
    assert result.dates is panel.dates
    assert not result.values.flags.writeable
    np.testing.assert_array_equal(panel.values, before)


@every
def test_frames_are_taken_and_arrays_refused(name: str) -> None:
    if name == "neutralize":  # its exposure is built from a Panel here; its own test has frames
        return
    panel = _panel(_sample(4, 7))
    np.testing.assert_array_equal(CALLS[name](panel.to_frame()).values, CALLS[name](panel).values)
    with pytest.raises(KindError, match=r"^`data` must be a Panel or a Polars frame"):
        CALLS[name](panel.values)


# Ranks -------------------------------------------------------------------------------------------------------------


def test_ranks_by_hand() -> None:
    values = np.array([[3.0, 1.0, 3.0, NAN], [INF, -INF, 0.0, INF], [NAN, NAN, 5.0, NAN], [0.0, -0.0, NAN, INF]])
    expected = [[2.5, 1.0, 2.5, NAN], [3.5, 1.0, 2.0, 3.5], [NAN, NAN, 1.0, NAN], [1.5, 1.5, NAN, 3.0]]
    np.testing.assert_array_equal(xs.rank(_panel(values)).values, expected)
    share = [[2.5 / 3, 1 / 3, 2.5 / 3, NAN], [0.875, 0.25, 0.5, 0.875], [NAN, NAN, 1.0, NAN], [0.5, 0.5, NAN, 1.0]]
    np.testing.assert_array_equal(xs.rank(_panel(values), pct=True).values, share)


@pytest.mark.parametrize("shape", [(40, 30), (3, 1000), (1, 150_000)])
def test_ranks_equal_scipy(shape: tuple[int, int]) -> None:
    values = _sample(*shape, missing=0.05)
    expected = rankdata(values, axis=1, nan_policy="omit")
    np.testing.assert_array_equal(xs.rank(_panel(values)).values, expected)
    n = (~np.isnan(values)).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(xs.rank(_panel(values), pct=True).values, expected / n)


def test_average_ranks_jitted_equals_original() -> None:
    values = _sample(6, 9, missing=0.2)
    values[0, :4] = [INF, NAN, INF, -INF]
    order = np.argsort(np.where(np.isnan(values), INF, values), axis=1)
    jitted, original = np.empty(values.shape), np.empty(values.shape)
    kernels.average_ranks(values, order, jitted)
    kernels.average_ranks.py_func(values, order, original)
    np.testing.assert_array_equal(jitted, original)
    np.testing.assert_array_equal(jitted, rankdata(values, axis=1, nan_policy="omit"))


def test_rank_refuses_a_pct_that_is_no_bool() -> None:
    with pytest.raises(KindError, match=r"^`pct` must be True or False, received 1\.$"):
        xs.rank(_panel(_sample(2, 2)), pct=1)


def test_buckets_by_hand() -> None:
    values = np.array([[5.0, 1.0, 4.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0, NAN], [7.0, NAN, NAN, NAN, NAN]])
    # Ranks 1..5 stand at 0.1, 0.3, 0.5, 0.7, 0.9 of the way; four equal values at 0.5; a single one at 0.5.
    np.testing.assert_array_equal(
        xs.quantile_buckets(_panel(values), buckets=3).values,
        [[3.0, 1.0, 3.0, 1.0, 2.0], [2.0, 2.0, 2.0, 2.0, NAN], [2.0, NAN, NAN, NAN, NAN]],
    )
    np.testing.assert_array_equal(xs.quantile_buckets(_panel(values), buckets=2).values[0], [2.0, 1.0, 2.0, 1.0, 2.0])


@given(st.integers(1, 300), st.integers(2, 20))
def test_buckets_of_distinct_values_are_as_equal_as_can_be(n: int, buckets: int) -> None:
    values = np.random.default_rng(n).permutation(n).astype(float)[np.newaxis]
    result = xs.quantile_buckets(_panel(values), buckets=buckets).values[0]
    sizes = np.bincount(result.astype(int), minlength=buckets + 1)
    assert sizes[0] == 0
    assert sizes.size == buckets + 1
    assert sizes[1:].max() - sizes[1:].min() <= 1
    assert (np.diff(result[np.argsort(values[0])]) >= 0).all()


@given(hnp.arrays(np.int64, 30, elements=st.integers(0, 8)), st.integers(2, 11))
def test_buckets_equal_exact_arithmetic(values: np.ndarray, buckets: int) -> None:
    result = xs.quantile_buckets(_panel(values[np.newaxis].astype(float)), buckets=buckets).values[0]
    twice = (2 * rankdata(values)).astype(int)
    np.testing.assert_array_equal(result, [(int(r) - 1) * buckets // (2 * 30) + 1 for r in twice])


def test_buckets_refuse_a_wrong_number() -> None:
    with pytest.raises(InputError, match=r"^`buckets` must be an integer >= 2, received 1\.$"):
        xs.quantile_buckets(_panel(_sample(2, 2)), buckets=1)
    with pytest.raises(KindError, match=r"^`buckets` must be an integer >= 2, received 5\.0\.$"):
        xs.quantile_buckets(_panel(_sample(2, 2)), buckets=5.0)


# Z-scores ----------------------------------------------------------------------------------------------------------


def test_zscores_by_hand() -> None:
    values = np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [4.0, NAN, NAN], [1.0, INF, 3.0], [1.0, NAN, 3.0]])
    half = np.sqrt(0.5)
    expected = [[-1.0, 0.0, 1.0], [NAN] * 3, [NAN] * 3, [NAN] * 3, [-half, NAN, half]]
    np.testing.assert_allclose(xs.zscore(_panel(values)).values, expected, rtol=1e-15)


@pytest.mark.parametrize("value", [0.1, 1e9 + 0.1, -3e-300])
@pytest.mark.parametrize("n", [2, 7, 1001])
def test_a_flat_date_has_no_zscore(value: float, n: int) -> None:
    # In plain arithmetic the mean of 0.1 taken seven times is not 0.1, and the z-scores are noise of size 1.
    assert np.isnan(xs.zscore(_panel(np.full((1, n), value))).values).all()


def test_zscores_equal_scipy() -> None:
    values = _sample(50, 40, missing=0.1)
    # SciPy's mean and deviation round at 1e-16 of scale 1; z-scores are of scale 1.
    np.testing.assert_allclose(
        xs.zscore(_panel(values)).values, scipy_zscore(values, axis=1, ddof=1, nan_policy="omit"), rtol=0, atol=1e-14
    )


def test_zscores_do_not_feel_a_large_level() -> None:
    values = np.random.default_rng(9).integers(-1000, 1000, size=(20, 50)) / 1024.0  # exact after adding 1e9
    # The mean is a pair of numbers, and each of the two subtractions rounds once: a last digit of scale 1.
    np.testing.assert_allclose(
        xs.zscore(_panel(values + 1e9)).values, xs.zscore(_panel(values)).values, rtol=0, atol=1e-15
    )


def test_zscores_jitted_equal_original(same_bits: Callable[..., None]) -> None:
    values = _sample(8, 11, missing=0.2)
    values[0], values[1, 1:], values[2, 0] = 0.1, NAN, INF
    values.setflags(write=False)
    with np.errstate(all="ignore"):
        same_bits(kernels.zscores(values), kernels.zscores.py_func(values))


# Winsorizing -------------------------------------------------------------------------------------------------------


def test_winsorize_by_hand() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0, 100.0], [NAN, -INF, 3.0, 4.0, INF], [NAN, NAN, NAN, NAN, 7.0]])
    expected = [[2.0, 2.0, 3.0, 4.0, 4.0], [NAN, 3.0, 3.0, 4.0, 4.0], [NAN, NAN, NAN, NAN, 7.0]]
    np.testing.assert_array_equal(xs.winsorize(_panel(values), lower=0.25, upper=0.75).values, expected)
    # Quantiles of one percent cut nothing off five values.
    np.testing.assert_array_equal(xs.winsorize(_panel(values)).values, values)


@pytest.mark.parametrize(("lower", "upper"), [(0.0, 1.0), (0.05, 0.95), (0.1, 1.0), (0.0, 0.75), (0.3, 0.6)])
@pytest.mark.parametrize("n", [1, 2, 7, 20, 101])
def test_winsorize_equals_scipy(lower: float, upper: float, n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    # SciPy takes the share to cut at the top; rounded, since 1 - 0.95 is a little more than 0.05.
    expected = mstats.winsorize(values, limits=(lower, round(1.0 - upper, 9))).data
    np.testing.assert_array_equal(
        xs.winsorize(_panel(values[np.newaxis]), lower=lower, upper=upper).values[0], expected
    )


def test_a_quantile_is_not_moved_by_rounding() -> None:
    # 0.29 * 100 is 28.999999999999996 in float64.
    result = xs.winsorize(_panel(np.arange(100.0)[np.newaxis]), lower=0.29, upper=0.9).values
    assert (result.min(), result.max()) == (29.0, 89.0)


@pytest.mark.parametrize(("lower", "upper"), [(-0.1, 0.9), (0.5, 0.5), (0.6, 0.4), (0.0, 1.1)])
def test_winsorize_refuses_impossible_quantiles(lower: float, upper: float) -> None:
    with pytest.raises(InputError, match=r"^`lower` and `upper` must satisfy 0 <= lower < upper <= 1, received "):
        xs.winsorize(_panel(_sample(2, 2)), lower=lower, upper=upper)
    with pytest.raises(KindError, match=r"^`lower` must be a number, received None\.$"):
        xs.winsorize(_panel(_sample(2, 2)), lower=None)
