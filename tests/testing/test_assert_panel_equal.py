"""assert_panel_equal: labels before values, bits before numbers."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.core import InputError, KindError, Panel
from quantlab.testing import assert_panel_equal

DAYS = ["2024-01-02", "2024-01-03"]


def panel(values, days=DAYS, symbols=("A", "B")):
    return Panel(values, days, symbols)


def test_equal_panels_pass():
    values = [[1.0, np.nan], [-0.5, 3.0]]
    assert_panel_equal(panel(values), panel(values))


def test_polars_frames_come_through_the_door():
    assert_panel_equal(panel([[1.0, 2.0], [3.0, 4.0]]).to_frame(), panel([[1.0, 2.0], [3.0, 4.0]]))


def test_every_nan_is_the_same_nan():
    odd = np.array([[1.0, 0.0], [2.0, 3.0]])
    odd.view(np.int64)[0, 1] = 0x7FF8_0000_0000_0123
    assert np.isnan(odd[0, 1])
    assert_panel_equal(panel(odd), panel([[1.0, np.nan], [2.0, 3.0]]))


@pytest.mark.parametrize(
    ("right", "message"),
    [
        (panel([[1.0, 2.0], [3.0, 5.0]]), "B 2024-01-03 is 4.0 on the left and 5.0 on the right."),
        (
            panel([[1.0, 9.0], [3.0, 5.0]]),
            r"B 2024-01-02 \(and 1 more\) is 2.0 on the left and 9.0 on the right.",
        ),
        (panel([[1.0, np.nan], [3.0, 4.0]]), "B 2024-01-02 is 2.0 on the left and nan on the right."),
        (panel([[1.0, 2.0], [3.0, 4.0]], symbols=("A", "C")), "Symbol 1 is B on the left and C on the right."),
        (panel([[1.0], [3.0]], symbols=("A",)), "The left has 2 symbols and the right 1."),
        (panel([[1.0, 2.0]], days=DAYS[:1]), "The left has a row 2024-01-03 and the right has none."),
        (
            panel([[1.0, 2.0], [3.0, 4.0]], days=["2024-01-01", DAYS[0]]),
            "The right has a row 2024-01-01 and the left has none",
        ),
        (panel([[True, True], [True, True]]), "The left holds float64 values and the right bool."),
    ],
)
def test_the_first_difference_is_named(right, message):
    with pytest.raises(AssertionError, match=message):
        assert_panel_equal(panel([[1.0, 2.0], [3.0, 4.0]]), right)


def test_intraday_and_daily_dates_differ():
    times = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[us]")
    with pytest.raises(AssertionError, match="dates of type"):
        assert_panel_equal(panel([[1.0, 2.0], [3.0, 4.0]]), panel([[1.0, 2.0], [3.0, 4.0]], days=times))


def test_zero_and_minus_zero_are_different_bits():
    with pytest.raises(AssertionError, match=r"0.0 on the left and -0.0"):
        assert_panel_equal(panel([[0.0, 1.0], [1.0, 1.0]]), panel([[-0.0, 1.0], [1.0, 1.0]]))
    assert_panel_equal(panel([[0.0, 1.0], [1.0, 1.0]]), panel([[-0.0, 1.0], [1.0, 1.0]]), rtol=0.0)


def test_rtol_is_relative_to_the_right():
    left, right = panel([[1.0 + 1e-9, 2.0], [3.0, np.inf]]), panel([[1.0, 2.0], [3.0, np.inf]])
    assert_panel_equal(left, right, rtol=2e-9)
    with pytest.raises(AssertionError, match="A 2024-01-02"):
        assert_panel_equal(left, right, rtol=5e-10)


@pytest.mark.parametrize("rtol", [-1e-9, np.nan, np.inf])
def test_an_impossible_rtol_is_refused(rtol):
    with pytest.raises(InputError, match="`rtol` must be zero or more"):
        assert_panel_equal(panel([[1.0, 2.0], [3.0, 4.0]]), panel([[1.0, 2.0], [3.0, 4.0]]), rtol=rtol)


def test_other_types_are_refused():
    with pytest.raises(KindError, match="`right` must be a Panel"):
        assert_panel_equal(panel([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2)))
