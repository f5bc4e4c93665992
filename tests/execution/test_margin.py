"""Margin models as the columns and factors that the engine reads."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.core import InputError, KindError
from quantlab.execution import NoMargin, PortfolioMargin, RegT
from quantlab.execution import _kernel_types as k

DAYS = np.array(["2020-03-13", "2020-03-16", "2020-03-17", "2020-06-01"], dtype="datetime64[D]")


def test_regulation_t():
    """12 CFR 220.12 and FINRA 4210: 50 % of longs and (beside the proceeds) of shorts; 25 %, 30 %, and the floors."""
    (row,) = RegT().rows(DAYS)
    assert row.size == k.MARGIN_COLUMNS
    assert row[[k.INITIAL_LONG, k.INITIAL_SHORT, k.MAINTENANCE_LONG, k.MAINTENANCE_SHORT]].tolist() == [
        0.5,
        0.5,
        0.25,
        0.3,
    ]
    assert row[[k.LOW_PRICE, k.LOW_PER_SHARE, k.LOW_FRACTION, k.HIGH_PER_SHARE]].tolist() == [5.0, 2.5, 1.0, 5.0]
    assert row[[k.CONCENTRATED, k.CONCENTRATED_REST, k.LARGEST, k.MINIMUM_EQUITY, k.BUFFER]].tolist() == [0.0] * 5
    assert RegT().model == k.REG_T


@pytest.mark.parametrize(
    ("price", "shares", "requirement"),
    [
        (2, 100, 250),
        (4, 100, 400),
        (10, 100, 500),
        (50, 100, 1500),
        (50, 1000, 15_000),
        (5, 10_000, 50_000),
        (4.5, 10_000, 45_000),
        (1, 50_000, 125_000),
    ],
)
def test_the_floors_of_shorts_are_those_of_worked_examples(price, shares, requirement):
    """Examples of a broker (siliconinvestor, message 14932764) and of notes/backtest.md, by the rule of the engine."""
    (row,) = RegT().rows(DAYS)
    value = price * shares
    if price < row[k.LOW_PRICE]:
        fraction = max(row[k.LOW_PER_SHARE] / price, row[k.LOW_FRACTION])
    else:
        fraction = max(row[k.HIGH_PER_SHARE] / price, row[k.MAINTENANCE_SHORT])
    assert fraction * value == pytest.approx(requirement, rel=1e-12)


def test_every_number_has_its_column():
    numbers = {
        "initial_long": 0.61, "initial_short": 0.62, "maintenance_long": 0.63, "maintenance_short": 0.64,
        "low_price": 6.5, "low_per_share": 6.6, "low_fraction": 0.67, "high_per_share": 6.8,
        "minimum_equity": 2000.0, "buffer": 0.05,
    }  # fmt: skip
    (row,) = RegT(**numbers).rows(DAYS)
    for name, number in numbers.items():
        assert row[getattr(k, name.upper())] == number
    assert np.count_nonzero(row) == len(numbers)


def test_changes_hold_from_their_date():
    margin = RegT(changes={"2020-06-01": RegT(), "2020-03-16": RegT(maintenance_long=0.4, buffer=0.1)})
    rows = margin.rows(DAYS)
    np.testing.assert_array_equal(rows[:, k.MAINTENANCE_LONG], [0.25, 0.4, 0.4, 0.25])
    np.testing.assert_array_equal(rows[:, k.BUFFER], [0.0, 0.1, 0.1, 0.0])
    assert margin.rows(DAYS[1:3]).shape == (1, 13)
    assert margin.rows(DAYS[:1])[0, k.MAINTENANCE_LONG] == 0.25


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (NoMargin(), KindError, "RegT changes from 2020-03-16 on must be RegT, received NoMargin"),
        (RegT(factors={"T": 3.0}), InputError, "RegT changes from 2020-03-16 on has factors of its own"),
        (RegT(changes={"2021-01-01": RegT()}), InputError, "has changes of its own"),
    ],
)
def test_a_change_is_plain(change, error, sentence):
    with pytest.raises(error, match=sentence):
        RegT(changes={"2020-03-16": change})


def test_portfolio_margin():
    margin = PortfolioMargin(shock=0.12, concentrated=0.4, rest=0.06, largest=3, minimum_equity=100_000, buffer=0.01)
    (row,) = margin.rows(DAYS)
    columns = [k.INITIAL_LONG, k.INITIAL_SHORT, k.MAINTENANCE_LONG, k.MAINTENANCE_SHORT]
    assert row[columns].tolist() == [0.12] * 4
    assert row[[k.CONCENTRATED, k.CONCENTRATED_REST, k.LARGEST]].tolist() == [0.4, 0.06, 3.0]
    assert row[[k.MINIMUM_EQUITY, k.BUFFER]].tolist() == [100_000.0, 0.01]
    assert np.count_nonzero(row) == 9
    assert margin.model == k.PORTFOLIO


def test_no_margin():
    np.testing.assert_array_equal(NoMargin().rows(DAYS), np.zeros((1, 13)))
    assert NoMargin().model == k.NO_MARGIN
    np.testing.assert_array_equal(NoMargin().factor_rows(("A", "B")), np.ones((2, 2)))


@pytest.mark.parametrize("model", [RegT, PortfolioMargin])
def test_factors(model):
    """FINRA regulatory notice 09-53: a threefold fund takes three times the fraction."""
    long, short = model(factors={"TQQQ": 3, "SSO": 2.0, "ELSEWHERE": 9}).factor_rows(("SPY", "TQQQ", "SSO"))
    np.testing.assert_array_equal(long, [1.0, 3.0, 2.0])
    np.testing.assert_array_equal(short, [1.0, 3.0, 2.0])
    for bad in (0, -1, np.nan):
        with pytest.raises(InputError, match=rf"^{model.__name__} factor of A must be"):
            model(factors={"A": bad})
    for kinds in (["A"], "A", (("A", 1.0, 2.0),), {1: 2.0}):
        with pytest.raises(KindError, match=model.__name__):
            model(factors=kinds)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: RegT(initial_short=1.5), r"^RegT initial_short must be at most 1 .*received 1\.5"),
        (lambda: RegT(maintenance_long=25), r"^RegT maintenance_long must be at most 1"),
        (
            lambda: RegT(initial_long=-0.1),
            r"^RegT initial_long must be zero or more \(a fraction of the position's value",
        ),
        (lambda: RegT(low_price=np.nan), r"^RegT low_price must be zero or more \(currency per share\)"),
        (lambda: RegT(low_fraction=-1), "^RegT low_fraction must be zero or more"),
        (lambda: RegT(minimum_equity=-1), r"^RegT minimum_equity must be zero or more \(currency of the account\)"),
        (lambda: RegT(buffer=1), r"^RegT buffer must be below 1"),
        (lambda: PortfolioMargin(shock=15), r"^PortfolioMargin shock must be at most 1"),
        (lambda: PortfolioMargin(largest=-1), r"^PortfolioMargin largest must be 0 or more \(positions\)"),
        (lambda: PortfolioMargin(buffer=-0.1), r"^PortfolioMargin buffer must be zero or more"),
    ],
)
def test_numbers_are_checked(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
