"""Compensated sums against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core._sum_kernels import split_mean, two_sum

sizes = st.floats(min_value=-1e100, max_value=1e100, allow_subnormal=False)


@given(sizes, sizes)
def test_two_sum_loses_nothing(a: float, b: float) -> None:
    total, error = two_sum(a, b)
    assert total == a + b
    # Below 1e-200 the error itself may be too small for a normal float64.
    if min(abs(a), abs(b)) > 1e-200:
        assert Fraction(total) + Fraction(error) == Fraction(a) + Fraction(b)


@given(sizes, sizes)
def test_two_sum_jitted_equals_original(a: float, b: float) -> None:
    assert two_sum(a, b) == two_sum.py_func(a, b)


@given(st.floats(min_value=1e-100, max_value=1e100), st.integers(1, 10_000))
def test_mean_of_equal_values_is_that_value(value: float, n: int) -> None:
    total = Fraction(value) * n
    high = float(total)
    low = float(total - Fraction(high))
    for function in (split_mean, split_mean.py_func):
        mean, rest = function(high, low, float(n))
        assert mean == value
        assert rest == 0.0


@given(sizes.filter(lambda x: abs(x) > 1e-100), st.integers(1, 10_000))
def test_mean_is_the_nearest_float(high: float, n: int) -> None:
    mean, rest = split_mean(high, 0.0, float(n))
    exact = Fraction(high) / n
    assert mean == float(exact)
    # The pair together is right to twice the digits: 2**-100, where two float64 would at best hold 2**-106.
    assert abs(Fraction(mean) + Fraction(rest) - exact) <= abs(exact) / 2**100


@pytest.mark.parametrize("function", [split_mean, split_mean.py_func])
def test_mean_that_is_not_finite_has_no_rest(function: object) -> None:
    with np.errstate(all="ignore"):
        assert function(np.float64(np.inf), np.float64(np.nan), np.float64(3)) == (np.inf, 0.0)
        mean, rest = function(np.float64(0.0), np.float64(0.0), np.float64(0))
    assert np.isnan(mean)
    assert rest == 0.0
