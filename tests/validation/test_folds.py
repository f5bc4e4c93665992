"""Where folds lie, and what a grid may hold."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError
from quantlab.validation._folds import rolling_folds
from quantlab.validation._grid import call, name_of, variants


@given(st.integers(2, 30), st.integers(1, 20), st.integers(0, 10), st.integers(0, 80), st.booleans())
def test_folds_partition_what_follows_the_first_training(train, test, purge, more, anchored):
    bars = train + purge + test + more
    folds = rolling_folds(bars, train=train, test=test, purge=purge, anchored=anchored)
    tested = [bar for fold in folds for bar in range(bars)[fold.test]]
    assert tested == list(range(train + purge, bars))
    for fold in folds:
        # The purge is a gap between training and test, and never shortens the test.
        assert fold.train.stop + purge == fold.test.start
        assert fold.train.start == 0 if anchored else fold.train.stop - fold.train.start == train
        assert fold.test.stop - fold.test.start == test or fold is folds[-1]


def test_by_hand():
    folds = rolling_folds(10, train=4, test=3, purge=1)
    assert [(f.train.start, f.train.stop, f.test.start, f.test.stop) for f in folds] == [(0, 4, 5, 8), (3, 7, 8, 10)]
    folds = rolling_folds(10, train=4, test=3, purge=1, anchored=True)
    assert [(f.train.start, f.train.stop, f.test.start, f.test.stop) for f in folds] == [(0, 4, 5, 8), (0, 7, 8, 10)]


def test_too_short():
    rolling_folds(1281, train=1008, test=252, purge=21)
    with pytest.raises(InputError, match=r"needs 1281 bars and has 1280\."):
        rolling_folds(1280, train=1008, test=252, purge=21)


@pytest.mark.parametrize(
    "windows", [{"train": 1, "test": 5}, {"train": 5, "test": 0}, {"train": 5, "test": 5, "purge": -1}]
)
def test_windows_out_of_range(windows):
    with pytest.raises(InputError, match="must be an integer"):
        rolling_folds(100, **windows)


def test_windows_are_whole():
    with pytest.raises(KindError, match="`train` must be an integer"):
        rolling_folds(100, train=5.0, test=5)


def strategy(bars, *, lookback=252, skip=21, top=0.3):
    """Never called here."""


class TestGrid:
    def test_the_last_parameter_changes_fastest(self):
        assert variants({"skip": (0, 21), "top": np.array([0.1, 0.2])}, strategy) == [
            {"skip": 0, "top": 0.1},
            {"skip": 0, "top": 0.2},
            {"skip": 21, "top": 0.1},
            {"skip": 21, "top": 0.2},
        ]
        assert type(variants({"skip": np.arange(2)}, strategy)[0]["skip"]) is int

    @pytest.mark.parametrize(
        ("grid", "error", "message"),
        [
            ({}, InputError, "`grid` is empty"),
            ([("skip", [1])], KindError, "dict of lists"),
            ({"skip": 21}, KindError, r"a list for skip.*write \[21\]"),
            ({"skip": "21"}, KindError, "a list for skip"),
            ({"skip": []}, InputError, "no value for skip"),
            ({"skip": [1, 2, 1]}, InputError, "holds 1 twice for skip"),
            ({"lookbak": [1]}, InputError, "does not take the parameter lookbak.*did you mean lookback"),
            ({"zzz": [1]}, InputError, "it takes lookback, skip, top"),
            ({"bars": [1]}, InputError, "does not take the parameter bars"),
        ],
    )
    def test_refuses(self, grid, error, message):
        with pytest.raises(error, match=message):
            variants(grid, strategy)

    def test_what_the_strategy_needs(self):
        with pytest.raises(InputError, match=r"needs b, which is not in the grid.*functools\.partial"):
            variants({"a": [1]}, lambda bars, a, b: None)
        assert variants({"a": [1]}, functools.partial(lambda bars, a, b: None, b=2)) == [{"a": 1}]
        assert variants({"anything": [1]}, lambda bars, **params: None) == [{"anything": 1}]
        with pytest.raises(InputError, match="takes none"):
            variants({"a": [1]}, lambda: None)
        with pytest.raises(InputError, match="first argument"):
            variants({"a": [1]}, lambda **params: None)
        with pytest.raises(KindError, match="must be a function"):
            variants({"a": [1]}, "momentum")

    def test_names(self):
        assert call(strategy, {"skip": 1, "top": 0.5}) == "strategy(skip=1, top=0.5)"
        assert name_of(functools.partial(strategy, top=1)) == "strategy"
        assert name_of(object()) == "function"
