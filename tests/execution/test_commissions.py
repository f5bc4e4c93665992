"""Commissions: the schedule that the engine reads, against the published examples of a broker."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantlab.core import InputError, KindError
from quantlab.execution import Bps, PerShare, PerTrade, Proportional, Tiered
from quantlab.execution._commissions import schedule

INF = math.inf
IBKR_TIERED = Tiered(
    (0, PerShare(0.0035, minimum=0.35, maximum=0.01)),
    (300_000, PerShare(0.002, minimum=0.35, maximum=0.01)),
    (3_000_000, PerShare(0.0015, minimum=0.35, maximum=0.01)),
    (20_000_000, PerShare(0.001, minimum=0.35, maximum=0.01)),
    (100_000_000, PerShare(0.0005, minimum=0.35, maximum=0.01)),
)


def fee(commission, shares, price, month=0.0):
    """The rule of docs/engine.md, in plain Python."""
    rows = schedule(commission)
    _, fixed, per_share, rate, minimum, fraction, cash = rows[rows[:, 0] <= month][-1]
    value = shares * price
    limit = INF if math.isinf(fraction) else fraction * value
    return min(max(fixed + per_share * shares + rate * value, minimum), limit, cash)


@pytest.mark.parametrize(
    ("commission", "rows"),
    [
        (None, [[0, 0, 0, 0, 0, INF, INF]]),
        (PerShare(0.005), [[0, 0, 0.005, 0, 0, INF, INF]]),
        (PerShare(0.005, minimum=1.0, maximum=0.01), [[0, 0, 0.005, 0, 1.0, 0.01, INF]]),
        (Proportional(0.001), [[0, 0, 0, 0.001, 0, INF, INF]]),
        (Proportional(0.001, minimum=5.0, maximum=20.0), [[0, 0, 0, 0.001, 5.0, INF, 20.0]]),
        (Bps(10), [[0, 0, 0, 0.001, 0, INF, INF]]),
        (PerTrade(4.95), [[0, 4.95, 0, 0, 0, INF, INF]]),
        (
            Tiered((0, PerTrade(2.0)), (1000, Bps(10))),
            [[0, 2.0, 0, 0, 0, INF, INF], [1000, 0, 0, 0.001, 0, INF, INF]],
        ),
    ],
)
def test_schedule(commission, rows):
    found = schedule(commission)
    assert found.dtype == np.float64
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, np.array(rows, dtype=float))


@pytest.mark.parametrize(("shares", "price", "charge"), [(100, 25.0, 1.0), (1000, 25.0, 5.0), (1000, 0.25, 2.5)])
def test_the_examples_of_the_fixed_schedule(shares, price, charge):
    """Interactive Brokers' pricing page, US stocks, fixed: the maximum of 1 % wins over the minimum of 1.00."""
    assert fee(PerShare(0.005, minimum=1.0, maximum=0.01), shares, price) == pytest.approx(charge, rel=1e-15)


def test_the_example_of_the_tiered_schedule():
    """Interactive Brokers' comparison of 30 million shares at 5: 1,050 + 5,400 + 25,500 + 10,000, tier by tier."""
    parts = [(300_000, 0), (2_700_000, 300_000), (17_000_000, 3_000_000), (10_000_000, 20_000_000)]
    charges = [fee(IBKR_TIERED, shares, 5.0, month) for shares, month in parts]
    np.testing.assert_allclose(charges, [1050, 5400, 25_500, 10_000], rtol=1e-14)


def test_the_first_share_beyond_a_threshold_is_of_the_next_tier():
    assert fee(IBKR_TIERED, 1000, 50.0, 299_999) == pytest.approx(3.5)
    assert fee(IBKR_TIERED, 1000, 50.0, 300_000) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("tiers", "received"),
    [
        ((), r"\[\]"),
        (((1, PerTrade(1)),), r"\[1\.0\]"),
        (((0, PerTrade(1)), (0, PerTrade(2))), r"\[0\.0, 0\.0\]"),
        (((0, PerTrade(1)), (9, PerTrade(2)), (5, PerTrade(2))), r"\[0\.0, 9\.0, 5\.0\]"),
    ],
)
def test_thresholds_ascend_from_zero(tiers, received):
    with pytest.raises(InputError, match=rf"^The thresholds of Tiered must ascend from 0 .*received {received}\.$"):
        Tiered(*tiers)


@pytest.mark.parametrize(
    ("tier", "sentence"),
    [
        (5, "must be a pair"),
        ((0, PerTrade(1), 2), "must be a pair"),
        ((0, 0.005), "from 0 shares on must be PerShare, Proportional, PerTrade or Bps, received float"),
        ((0, IBKR_TIERED), "received Tiered"),
        (("0", PerTrade(1)), "Tiered threshold must be a number"),
    ],
)
def test_a_tier_is_a_threshold_and_a_commission(tier, sentence):
    with pytest.raises(KindError, match=sentence):
        Tiered(tier)


def test_a_threshold_is_not_negative():
    with pytest.raises(InputError, match=r"^Tiered threshold must be zero or more \(shares a month\), received -1"):
        Tiered((-1, PerTrade(1)))
