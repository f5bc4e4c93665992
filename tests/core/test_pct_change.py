"""The change over a lag, and that no public function of ``ts`` is left without its timing test."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError, Panel, ts


def change(values: np.ndarray, lag: int = 1) -> np.ndarray:
    days = np.datetime64("2024-01-01") + np.arange(values.shape[0])
    return ts.pct_change(Panel(values, days, [f"A{i}" for i in range(values.shape[1])]), lag=lag).values


def test_by_hand() -> None:
    values = np.array([[100.0, 1.0], [110.0, np.nan], [99.0, 3.0], [99.0, 1.5]])
    np.testing.assert_allclose(
        change(values), [[np.nan, np.nan], [0.1, np.nan], [-0.1, np.nan], [0.0, -0.5]], rtol=1e-15
    )
    np.testing.assert_allclose(change(values, 2)[2:], [[-0.01, 2.0], [-0.1, np.nan]], rtol=1e-14)


@pytest.mark.parametrize("lag", [1, 3, 20])
def test_equals_pandas(lag: int) -> None:
    import pandas as pd

    rng = np.random.default_rng(4)
    values = np.exp(rng.normal(size=(15, 4)))
    values[rng.random(values.shape) < 0.2] = np.nan
    expected = pd.DataFrame(values).pct_change(lag, fill_method=None).to_numpy()
    # pandas divides first and subtracts 1, which rounds at 1e-16 of the ratio (here up to 50).
    np.testing.assert_allclose(change(values, lag), expected, atol=1e-14, rtol=1e-13)


def test_what_cannot_be_divided_is_missing_and_never_infinite() -> None:
    values = np.array(
        [[0.0, 1.0, np.inf, -np.inf, 1e-300], [1.0, np.inf, 1.0, np.inf, 1e300], [0.0, 2.0, 2.0, 1.0, 1e300]]
    )
    np.testing.assert_array_equal(
        change(values)[1:], [[np.nan, np.nan, np.nan, np.nan, np.nan], [-1.0, np.nan, 1.0, np.nan, 0.0]]
    )


def test_a_small_change_on_a_large_level_keeps_its_digits() -> None:
    old, new = 1e9, 1e9 + 1.0
    exact = float((Fraction(new) - Fraction(old)) / Fraction(old))
    assert change(np.array([[old], [new]]))[1, 0] == exact
    assert new / old - 1.0 != exact  # so the test can fail


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (3, 0), (1, 2)])
def test_small_shapes(shape: tuple[int, int]) -> None:
    result = change(np.ones(shape), 2)
    assert result.shape == shape
    assert np.isnan(result).all()


anything = st.one_of(st.sampled_from([0.0, 1.0, np.nan, np.inf, 1e9, 1e300]), st.floats(-100, 100))


@given(
    hnp.arrays(np.float64, (12, 2), elements=anything),
    st.integers(0, 11),
    st.integers(1, 14),
    st.sampled_from([np.nan, np.inf, 7.0]),
)
def test_only_the_two_rows_count(values: np.ndarray, t: int, lag: int, garbage: float) -> None:
    other = np.full_like(values, garbage)
    other[t] = values[t]
    other[max(t - lag, 0)] = values[max(t - lag, 0)]
    np.testing.assert_array_equal(change(values, lag)[t], change(other, lag)[t])
    np.testing.assert_array_equal(change(values[: t + 1], lag), change(values, lag)[: t + 1])


def test_refusals(make: Callable[..., Panel]) -> None:
    panel = make(np.ones((3, 1)))
    with pytest.raises(InputError, match=r"^`lag` must be an integer >= 1, received 0\.$"):
        ts.pct_change(panel, lag=0)
    with pytest.raises(KindError, match=r"^`lag` must be an integer >= 1, received 1\.0\.$"):
        ts.pct_change(panel, lag=1.0)


def test_every_function_of_ts_has_its_timing_test() -> None:
    tested = {"pct_change", "ewm_mean", "ewm_std", *(name for name in ts.__all__ if name.startswith("rolling_"))}
    assert set(ts.__all__) == tested
