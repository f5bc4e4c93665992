"""Where folds lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError
from quantlab.validation._folds import rolling_folds


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
