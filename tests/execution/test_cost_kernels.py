"""The arithmetic of a fill: published schedules, and the compiled functions against their Python originals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.execution import Bps, Costs, PerShare, Proportional
from quantlab.execution._cost_kernels import commission, fill_price

# Interactive Brokers, US shares, fixed pricing: 0.005 a share, at least 1.00, at most 1 % of the value.
IBKR = PerShare(0.005, minimum=1.0, maximum=0.01)

TABLE = [
    (IBKR, 100, 25.0, 1.00),
    (IBKR, 1000, 25.0, 5.00),
    (IBKR, 1000, 0.25, 2.50),
    (IBKR, 1, 20.0, 0.20),  # the maximum wins over the minimum
    (IBKR, 200, 25.0, 1.00),
    (IBKR, 201, 25.0, 1.005),
    (PerShare(0.0075), 230, 10.0, 1.725),
    (PerShare(0.0075, minimum=2.5), 230, 10.0, 2.5),
    (PerShare(0.0075, minimum=2.5), 500, 10.0, 3.75),
    (PerShare(0.0, minimum=100.0), 99, 100.0, 100.0),
    (Proportional(0.001), 100, 100.0, 10.0),
    (Bps(10), 199, 50.0, 9.95),
    (Proportional(0.001, minimum=5.0), 10, 100.0, 5.0),
    (Proportional(0.001, maximum=20.0), 1000, 100.0, 20.0),
    (None, 1000, 100.0, 0.0),
]


@pytest.mark.parametrize("function", [commission, commission.py_func], ids=["compiled", "python"])
@pytest.mark.parametrize(("schedule", "shares", "price", "fee"), TABLE)
def test_schedules(function, schedule, shares, price, fee):
    charged = function(float(shares), shares * price, Costs(commission=schedule).numbers()["commission"], 0)
    np.testing.assert_allclose(charged, fee, rtol=1e-15)


@pytest.mark.parametrize("schedule", [IBKR, Proportional(0.001, minimum=5.0), None])
def test_no_shares_cost_nothing(schedule):
    assert commission(0.0, 0.0, Costs(commission=schedule).numbers()["commission"], 0) == 0.0


money = st.floats(0.0, 1e6, allow_subnormal=False)
limits = st.one_of(st.just(np.inf), money)


@given(st.floats(1e-6, 1e6), st.floats(1e-4, 1e4), st.floats(0.0, 1.0), st.floats(0.0, 0.5), money, limits, limits)
def test_compiled_is_python_and_within_its_limits(shares, price, per_share, rate, minimum, fraction, most):
    value = shares * price
    arguments = (shares, value, np.array([[0.0, 0.0, per_share, rate, minimum, fraction, most]]), 0)
    fee = commission(*arguments)
    assert fee == commission.py_func(*arguments)
    plain = per_share * shares + rate * value
    assert 0.0 <= fee <= min(max(plain, minimum), most)
    assert fee <= fraction * value
    # Below every limit the fee is what the rates say, or the minimum.
    if fee < most and fee < fraction * value:
        assert fee == max(plain, minimum)


@given(st.floats(1e-4, 1e6), st.floats(1e-6, 1e6), st.floats(0.0, 0.99))
def test_slippage_is_against_the_trader(reference, shares, slippage):
    for function in (fill_price, fill_price.py_func):
        assert function(reference, shares, slippage) == reference * (1.0 + slippage)
        assert function(reference, -shares, slippage) == reference * (1.0 - slippage)
    assert fill_price(reference, shares, slippage) >= reference >= fill_price(reference, -shares, slippage) > 0.0
