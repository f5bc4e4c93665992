"""Cost values: what they hold, what they refuse, and that a number of the wrong unit is caught at the door."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.core import InputError, KindError
from quantlab.execution import (
    Account,
    Almgren,
    Borrow,
    Bps,
    Costs,
    PerShare,
    PerTrade,
    Proportional,
    Spread,
    SquareRootImpact,
    Tiered,
    VolatilitySlippage,
    VolumeShare,
    us_equity_fees,
)
from quantlab.execution._commissions import schedule
from quantlab.execution._kernel_types import Terms

INF, NAN = float("inf"), float("nan")

NUMBERS = {
    "Bps": Bps,
    "PerShare rate": PerShare,
    "PerShare minimum": lambda value: PerShare(0.005, minimum=value),
    "PerShare maximum": lambda value: PerShare(0.005, maximum=value),
    "Proportional rate": Proportional,
    "Proportional minimum": lambda value: Proportional(0.001, minimum=value),
    "Proportional maximum": lambda value: Proportional(0.001, maximum=value),
    "PerTrade amount": PerTrade,
    "Borrow rate": Borrow,
    "Account cash": lambda value: Account(cash=value),
    "Account lot": lambda value: Account(lot=value),
}


@pytest.mark.parametrize("what", NUMBERS)
@pytest.mark.parametrize("value", [-0.5, NAN, INF, -INF])
def test_a_number_is_finite_and_not_negative(what, value):
    with pytest.raises(InputError, match=rf"^{what} must be zero or more \(.+\), received {value}\."):
        NUMBERS[what](value)


@pytest.mark.parametrize("what", NUMBERS)
@pytest.mark.parametrize("value", ["5", True, [5.0], np.array([5.0]), np.True_])
def test_a_number_is_a_number(what, value):
    with pytest.raises(KindError, match=rf"^{what} must be a number \(.+\), received {type(value).__name__}\."):
        NUMBERS[what](value)


@pytest.mark.parametrize("value", [1, np.int64(1), np.float64(1.0), np.float32(1.0)])
def test_numbers_of_numpy_are_numbers(value):
    """A grid of parameters is an array, and its elements must work as they are."""
    assert Bps(value) == Bps(1.0)
    assert Account(cash=value, lot=value) == Account(cash=1.0, lot=1.0)
    assert type(Bps(value).value) is float


@pytest.mark.parametrize("make", [lambda: Bps(None), lambda: PerShare(None), lambda: Account(cash=None)])
def test_none_is_no_number_where_a_number_is_needed(make):
    with pytest.raises(KindError, match="received NoneType"):
        make()


def test_zero_is_a_cost_and_no_account():
    assert Bps(0).fraction == 0.0
    assert PerShare(0).rate == Proportional(0).rate == Borrow(0).rate == 0.0
    for changes in ({"cash": 0.0}, {"lot": 0}):
        with pytest.raises(InputError, match=r"^Account (cash|lot) must be above zero \(.+\), received 0"):
            Account(**changes)


def test_bps_is_a_fraction():
    assert Bps(5).fraction == 0.0005
    assert Bps(10_000).fraction == 1.0


def test_a_maximum_per_share_order_is_a_fraction_of_its_value():
    assert PerShare(0.005, maximum=1.0).maximum == 1.0
    with pytest.raises(InputError, match=r"at most 1, received 5\.") as caught:
        PerShare(0.005, maximum=5.0)
    assert "0.01 for 1 %" in caught.value.hint


def test_a_proportional_rate_is_a_fraction_below_one():
    assert Proportional(Bps(10)) == Proportional(0.001)
    for rate in (1.0, 10, Bps(10_000)):
        with pytest.raises(InputError, match=r"fraction of the trade's value below 1") as caught:
            Proportional(rate)
        assert "Bps(10)" in caught.value.hint


def test_a_maximum_stands_above_the_minimum():
    assert Proportional(0.001, minimum=5.0, maximum=5.0).maximum == 5.0
    with pytest.raises(InputError, match=r"maximum 2 is below its minimum 5\."):
        Proportional(0.001, minimum=5.0, maximum=2.0)


def test_costs_are_free_when_nothing_is_said():
    assert Costs() == Costs(commission=None, slippage=Bps(0), borrow=None, fees=None)
    assert Costs().numbers()["commission"].tolist() == [[0, 0, 0, 0, 0, INF, INF]]


def test_numbers_of_the_engine():
    commission = PerShare(0.005, minimum=1.0, maximum=0.01)
    found = Costs(commission=commission).numbers()
    assert set(found) <= set(Terms._fields)
    np.testing.assert_array_equal(found["commission"], schedule(commission))


@pytest.mark.parametrize(
    "commission", [PerShare(0.01), Proportional(0.001), PerTrade(1), Tiered((0, PerTrade(1)), (9, Bps(1))), None]
)
def test_every_commission_is_taken(commission):
    assert Costs(commission=commission).commission == commission


def test_bps_are_a_proportional_commission():
    assert Costs(commission=Bps(10)).commission == Proportional(0.001)


@pytest.mark.parametrize(
    "slippage", [Bps(5), Spread(Bps(4)), VolatilitySlippage(), SquareRootImpact(), VolumeShare(), Almgren()]
)
def test_every_slippage_is_taken(slippage):
    assert Costs(slippage=slippage).slippage == slippage


@pytest.mark.parametrize(
    ("changes", "sentence", "hint"),
    [
        (
            {"commission": 0.001},
            "`commission` must be PerShare, Proportional, PerTrade, Tiered, Bps or None, received float",
            "ql.Bps(10)",
        ),
        (
            {"slippage": 5},
            "`slippage` must be Bps, Spread, .*SquareRootImpact, VolumeShare or Almgren, received int",
            "ql.Bps(5)",
        ),
        ({"slippage": None}, "received NoneType", "ql.Bps(5)"),
        ({"borrow": 0.03}, "`borrow` must be Borrow or None, received float", "ql.Borrow(0.005)"),
        ({"fees": us_equity_fees}, "`fees` must be Fees or None, received function", "us_equity_fees()"),
    ],
)
def test_a_bare_number_has_no_unit(changes, sentence, hint):
    with pytest.raises(KindError, match=sentence) as caught:
        Costs(**changes)
    assert hint in caught.value.hint


def test_slippage_is_below_the_whole_price():
    with pytest.raises(InputError, match="must be below 10,000 basis points, received 10000"):
        Costs(slippage=Bps(10_000))


def test_an_account_has_a_million_and_whole_shares():
    assert Account() == Account(cash=1_000_000.0, lot=1.0)
    assert Account(lot=None).lot is None
