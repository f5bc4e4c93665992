"""What groups and exposures leave: hand-made cases, pandas, statsmodels and NumPy's least squares as oracles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError, InputError, KindError, LabelError, Panel, xs
from quantlab.core.xs import _cross_kernels as kernels

NAN, INF = np.nan, np.inf


def sample(rows: int, columns: int, *, missing: float = 0.0, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns))
    values[rng.random(values.shape) < missing] = NAN
    return values


# Means of groups ---------------------------------------------------------------------------------------------------


def test_demean_by_hand(make: Callable[..., Panel]) -> None:
    panel = make([[1.0, 3.0, 5.0, NAN], [2.0, 2.0, 8.0, 4.0]])
    np.testing.assert_array_equal(xs.demean(panel).values, [[-2.0, 0.0, 2.0, NAN], [-2.0, -2.0, 4.0, 0.0]])
    groups = {"A00": "x", "A01": "y", "A02": "x", "A03": None, "other": "z"}
    np.testing.assert_array_equal(
        xs.demean(panel, groups=groups).values, [[-2.0, 0.0, 2.0, NAN], [-3.0, 0.0, 3.0, NAN]]
    )
    # The second symbol changes its group on the second date, the fourth has none on the first.
    codes = make([[1, 2, 1, 0], [1, 1, 1, 7]])
    np.testing.assert_array_equal(
        xs.demean(panel, groups=codes).values, [[-2.0, 0.0, 2.0, NAN], [-2.0, -2.0, 4.0, 0.0]]
    )


@pytest.mark.parametrize("span", [1, 10_000_000])  # codes near each other, and GICS-like ones
def test_demean_equals_pandas(make: Callable[..., Panel], span: int) -> None:
    import pandas as pd

    values = sample(20, 30, missing=0.1)
    codes = np.random.default_rng(1).integers(-2, 3, size=values.shape) * float(span)
    codes[:, 4] = NAN
    result = xs.demean(make(values), groups=make(codes)).values
    for t in range(20):
        row, group = pd.Series(values[t]), pd.Series(codes[t])
        np.testing.assert_allclose(result[t], row - row.groupby(group).transform("mean"), rtol=0, atol=1e-15)


def test_demean_is_exact_on_flat_groups_and_large_levels(make: Callable[..., Panel]) -> None:
    groups = {f"A{i:02d}": str(i % 2) for i in range(14)}
    flat = make(np.tile([0.1, 1e9 + 0.1], (3, 7)))
    np.testing.assert_array_equal(xs.demean(flat, groups=groups).values, 0.0)
    values = np.random.default_rng(2).integers(-1000, 1000, size=(5, 14)) / 1024.0  # exact after adding 1e9
    level, plain = xs.demean(make(values + 1e9), groups=groups), xs.demean(make(values), groups=groups)
    # The mean is a pair of numbers, and each of the two subtractions rounds once: a last digit of scale 1.
    np.testing.assert_allclose(level.values, plain.values, rtol=0, atol=3e-16)


def test_an_infinite_value_spoils_its_group_alone(make: Callable[..., Panel]) -> None:
    panel = make([[1.0, INF, 5.0, 7.0]])
    groups = {"A00": "x", "A01": "x", "A02": "y", "A03": "y"}
    np.testing.assert_array_equal(xs.demean(panel, groups=groups).values, [[NAN, NAN, -1.0, 1.0]])


def test_groups_that_are_all_missing(make: Callable[..., Panel]) -> None:
    panel = make(sample(2, 3))
    assert np.isnan(xs.demean(panel, groups=make(np.full((2, 3), NAN))).values).all()
    assert np.isnan(xs.demean(panel, groups=dict.fromkeys(panel.symbols)).values).all()


def test_demean_jitted_equals_original(same_bits: Callable[..., None]) -> None:
    values, codes = sample(6, 8, missing=0.2), np.array([[0, 1, 2, 0, 1, -1, 0, 2]])
    values[2, 0] = INF
    values.setflags(write=False)
    with np.errstate(all="ignore"):
        same_bits(kernels.demeaned(values, codes, 3), kernels.demeaned.py_func(values, codes, 3))
        each = np.repeat(codes, 6, axis=0)
        same_bits(kernels.demeaned(values, each, 3), kernels.demeaned.py_func(values, each, 3))


def test_demean_refusals(make: Callable[..., Panel]) -> None:
    panel = make(sample(2, 3))
    with pytest.raises(LabelError, match=r"^`groups` has no entry for A01 and 1 more\."):
        xs.demean(panel, groups={"A00": "x"})
    with pytest.raises(
        LabelError, match=r"^`groups` has no entry for A02\. Hint: map a symbol without a group to None\.$"
    ):
        xs.demean(panel, groups={"A00": "x", "A01": "x"})
    with pytest.raises(
        DataError, match=r"^`groups` of A01 2024-01-01 and 1 more is 1\.5; it must be a whole number\.$"
    ):
        xs.demean(panel, groups=make([[1.0, 1.5, NAN], [1.0, 2.0, INF]]))
    with pytest.raises(
        LabelError, match=r"^`groups` and `data` differ in symbols: the left has 2 symbols and the right 3"
    ):
        xs.demean(panel, groups=make(np.ones((2, 2))))
    with pytest.raises(LabelError, match=r"^`groups` and `data` differ in dates: the left has 3 dates and the right 2"):
        xs.demean(panel, groups=make(np.ones((3, 3))))
    with pytest.raises(KindError, match=r"^`groups` must be a Panel or a Polars frame"):
        xs.demean(panel, groups=["x", "y", "z"])


# Regression --------------------------------------------------------------------------------------------------------


def test_neutralize_by_hand(make: Callable[..., Panel]) -> None:
    # y = 1, 2, 6 on x = 1, 2, 3: slope 2.5, intercept -2, residuals 0.5, -1, 0.5.
    panel, exposure = make([[1.0, 2.0, 6.0]]), make([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(xs.neutralize(panel, exposures=exposure).values, [[0.5, -1.0, 0.5]], rtol=1e-14)
    # With the weights 1, 2, 1 the middle counts twice: the line moves down by 1/4.
    weighted = xs.neutralize(panel, exposures=exposure, weights=make([[1.0, 2.0, 1.0]])).values
    np.testing.assert_allclose(weighted, [[0.75, -0.75, 0.75]], rtol=1e-14)


@pytest.mark.parametrize("level", [0.0, 1e9])
@pytest.mark.parametrize("weighted", [False, True])
def test_neutralize_equals_statsmodels(make: Callable[..., Panel], weighted: bool, level: float) -> None:
    import statsmodels.api as sm

    y = sample(8, 40, missing=0.1) + level
    factors = [sample(8, 40, missing=0.05, seed=s) + level for s in (11, 12, 13)]
    weights = np.exp(sample(8, 40, missing=0.05, seed=14))
    weights[0, 3] = 0.0
    result = xs.neutralize(
        make(y), exposures=[make(f) for f in factors], weights=make(weights) if weighted else None
    ).values
    for t in range(8):
        w = weights[t] if weighted else np.ones(40)
        used = ~np.isnan(y[t]) & (w > 0) & ~np.any([np.isnan(f[t]) for f in factors], axis=0)
        # The oracle gets centred data: on a level of 1e9 its own normal equations fail, and a constant is in the model.
        x = sm.add_constant(np.column_stack([f[t, used] - level for f in factors]))
        expected = sm.WLS(y[t, used] - level, x, weights=w[used]).fit().resid
        assert np.isnan(result[t, ~used]).all()
        # The data at 1e9 are the numbers of scale 1 rounded at 1e-7; ours come from the same rounded numbers: the
        # subtraction above is exact. 1e-13 is the condition of the small design (about 10) times rounding.
        np.testing.assert_allclose(result[t, used], expected, rtol=0, atol=1e-13)


def test_dependent_exposures_change_nothing(make: Callable[..., Panel]) -> None:
    y, a, b = make(sample(6, 20)), make(sample(6, 20, seed=4)), make(sample(6, 20, seed=5))
    plain = xs.neutralize(y, exposures=[a, b]).values
    for extra in (a * 3.0 - b, a * 0.0 + 7.0, a * 0.0, a * 1e-9, a + b * 1e3):
        np.testing.assert_allclose(xs.neutralize(y, exposures=[a, extra, b]).values, plain, rtol=0, atol=1e-12)


def test_sector_dummies_take_out_group_means(make: Callable[..., Panel]) -> None:
    y = make(sample(5, 12))
    sector = np.arange(12) % 3
    dummies = {f"s{k}": make(np.tile(sector == k, (5, 1))) for k in range(3)}  # bool, and dependent on the constant
    expected = xs.demean(y, groups=dict(zip(y.symbols, map(str, sector), strict=True)))
    np.testing.assert_allclose(xs.neutralize(y, exposures=dummies).values, expected.values, rtol=0, atol=1e-14)


def test_the_residual_is_orthogonal_and_stays_under_a_second_pass(make: Callable[..., Panel]) -> None:
    y, x = make(sample(4, 25)), make(sample(4, 25, seed=6))
    result = xs.neutralize(y, exposures=x)
    assert np.abs((result * x).values.sum(axis=1)).max() < 1e-13
    assert np.abs(result.values.sum(axis=1)).max() < 1e-13
    np.testing.assert_allclose(xs.neutralize(result, exposures=x).values, result.values, rtol=0, atol=1e-14)


def test_what_exposures_explain_is_zero_and_not_rounding(make: Callable[..., Panel]) -> None:
    x = make(sample(3, 10))
    np.testing.assert_array_equal(xs.neutralize(x * 0.3 + 0.1, exposures=x).values, 0.0)
    np.testing.assert_array_equal(xs.neutralize(x * 0.0 + 0.1, exposures=x).values, 0.0)


@pytest.mark.parametrize("present", [0, 1, 2])
def test_too_few_symbols_give_nan(make: Callable[..., Panel], present: int) -> None:
    y = np.full((1, 5), NAN)
    y[0, :present] = [1.0, 5.0][:present]
    assert np.isnan(xs.neutralize(make(y), exposures=make([[1.0, 2.0, 4.0, 8.0, 9.0]])).values).all()


def test_two_symbols_are_enough_where_the_exposure_is_constant(make: Callable[..., Panel]) -> None:
    result = xs.neutralize(make([[1.0, 5.0]]), exposures=make([[3.0, 3.0]])).values
    np.testing.assert_allclose(result, [[-2.0, 2.0]], rtol=1e-15)


@pytest.mark.parametrize("where", ["y", "x"])
def test_an_infinity_spoils_its_date_alone(make: Callable[..., Panel], where: str) -> None:
    y, x = sample(3, 8), sample(3, 8, seed=7)
    expected = xs.neutralize(make(y), exposures=make(x)).values
    (y if where == "y" else x)[1, 2] = INF
    result = xs.neutralize(make(y), exposures=make(x)).values
    assert np.isnan(result[1]).all()
    np.testing.assert_array_equal(result[[0, 2]], expected[[0, 2]])


def test_many_dates_go_in_strips(make: Callable[..., Panel]) -> None:
    # 700 x 400 is more than one strip of 2**17 elements.
    y, x = make(sample(700, 40)), make(sample(700, 40, seed=8))
    wide = Panel(np.tile(y.values, 10), y.dates, [f"B{i}" for i in range(400)])
    wide_x = Panel(np.tile(x.values, 10), y.dates, wide.symbols)
    weights = Panel(np.ones(wide.shape), y.dates, wide.symbols)
    expected = np.tile(xs.neutralize(y, exposures=x).values, 10)
    np.testing.assert_allclose(xs.neutralize(wide, exposures=wide_x).values, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        xs.neutralize(wide, exposures=wide_x, weights=weights).values, expected, rtol=0, atol=1e-13
    )


def test_neutralize_jitted_equals_original() -> None:
    y, x, weights = sample(5, 9, missing=0.1), np.stack([sample(5, 9, seed=s) for s in (1, 2)]), np.ones((5, 9))
    y[0, 2:], x[1, 1], y[2, 0] = NAN, x[0, 1] * 2.0, INF
    y[3] = x[0, 3]
    jitted, original = np.empty(y.shape), np.empty(y.shape)
    y.setflags(write=False)
    kernels.residuals(y, x, weights, jitted)
    with np.errstate(all="ignore"):
        kernels.residuals.py_func(y, x, weights, original)
    np.testing.assert_array_equal(jitted, original)
    basis, vector = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([3.0, 4.0])
    kernels.project_out.py_func(basis, 1, np.ones(2), 2, vector)
    np.testing.assert_array_equal(vector, [0.0, 4.0])
    assert kernels.weighted_norm.py_func(np.array([4.0, 0.0]), 2, vector) == 0.0
    assert kernels.weighted_norm.py_func(np.array([0.0, 4.0]), 2, vector) == 8.0


def test_frames_of_exposures_are_taken(make: Callable[..., Panel]) -> None:
    y, x = make(sample(3, 8)), make(sample(3, 8, seed=7))
    expected = xs.neutralize(y, exposures=x).values
    for exposures in (x.to_frame(), x.to_frame().lazy(), [x.to_frame()], (x,), {"beta": x}):
        np.testing.assert_array_equal(xs.neutralize(y, exposures=exposures).values, expected)


def test_neutralize_refusals(make: Callable[..., Panel]) -> None:
    y, x = make(sample(2, 3)), make(sample(2, 3))
    with pytest.raises(InputError, match=r"^`exposures` is empty\. Hint: use `ql\.xs\.demean`"):
        xs.neutralize(y, exposures=[])
    with pytest.raises(KindError, match=r"^`exposures` must be a Panel or a sequence of Panels, received ndarray\.$"):
        xs.neutralize(y, exposures=x.values)
    with pytest.raises(KindError, match=r"^`exposures\[1\]` must be a Panel or a Polars frame"):
        xs.neutralize(y, exposures=[x, 3.0])
    with pytest.raises(
        LabelError, match=r"^`exposures\['size'\]` and `data` differ in symbols: position 0 holds A02 on"
    ):
        xs.neutralize(y, exposures={"size": x.select(["A02", "A01", "A00"])})
    with pytest.raises(
        LabelError, match=r"^`weights` and `data` differ in dates: the left has 1 dates and the right 2"
    ):
        xs.neutralize(y, exposures=x, weights=make([[1.0, 1.0, 1.0]]))
    with pytest.raises(
        DataError, match=r"^`weights` of A00 2024-01-02 and 1 more is -1; it must be zero or more and finite"
    ):
        xs.neutralize(y, exposures=x, weights=make([[1.0, NAN, 0.0], [-1.0, INF, 1.0]]))
    with pytest.raises(TypeError, match="positional"):
        xs.neutralize(y, x)


def test_a_long_frame_is_an_exposure_too(make: Callable[..., Panel]) -> None:
    y, x = make(sample(3, 8)), make(sample(3, 8, seed=7))
    long: pl.DataFrame = x.to_long("beta")
    np.testing.assert_array_equal(xs.neutralize(y, exposures=long).values, xs.neutralize(y, exposures=x).values)
