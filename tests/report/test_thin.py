"""Fewer points for the screen, without losing a peak, a trough or a gap."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantlab.report._thin import LIMIT, thin


def test_a_short_line_keeps_every_bar():
    assert (thin(np.arange(LIMIT)) == np.arange(LIMIT)).all()
    assert thin(np.empty(0)).size == 0


def test_hand_computed_buckets():
    # Six bars in buckets of two: (0, 9), (1, 2), (-7, 3), every bar an extreme of its bucket; in buckets of three
    # (0, 9, 1) and (2, -7, 3).
    values = np.array([0.0, 9.0, 1.0, 2.0, -7.0, 3.0])
    assert thin(values, limit=4).tolist() == [0, 1, 4, 5]


def test_a_spike_of_one_bar_survives_a_million_bars():
    values = np.zeros(1_000_000)
    values[123_456], values[654_321] = 5.0, -5.0
    rows = thin(values)
    assert rows.size <= LIMIT
    assert {123_456, 654_321, 0, 999_999} <= set(rows.tolist())


def test_lines_that_share_their_dates_all_keep_their_extremes():
    generator = np.random.Generator(np.random.Philox(1))
    values = np.cumsum(generator.normal(size=(20_000, 3)), axis=0)
    rows = thin(values, limit=1_000)
    assert rows.size <= 1_000
    for line in range(3):
        assert {int(values[:, line].argmin()), int(values[:, line].argmax())} <= set(rows.tolist())


def test_both_sides_of_a_gap_are_kept():
    values = np.ones(10_000)
    values[4_321:4_400] = np.nan
    assert {4_320, 4_321, 4_399, 4_400} <= set(thin(values, limit=100).tolist())


@given(
    arrays(np.float64, st.integers(1, 300), elements=st.one_of(st.floats(-1e6, 1e6), st.just(np.nan))),
    st.integers(2, 50),
)
def test_the_range_is_never_changed(values, limit):
    rows = thin(values, limit=limit)
    assert (np.diff(rows) > 0).all()
    assert rows[0] == 0
    assert rows[-1] == values.size - 1
    if np.isfinite(values).any():
        assert np.nanmin(values[rows]) == np.nanmin(values)
        assert np.nanmax(values[rows]) == np.nanmax(values)
