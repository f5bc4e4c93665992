"""Where training and test windows lie: plain bar numbers, before any data are looked at."""

from __future__ import annotations

from dataclasses import dataclass

from quantlab.core import InputError, KindError
from quantlab.core._arguments import integer


@dataclass(frozen=True, slots=True)
class Fold:
    """One split in time.

    Parameters
    ----------
    train : slice of bars that may be used to choose
    test : slice of bars on which the choice is held, after the training bars
    """

    train: slice
    test: slice


def rolling_folds(bars: int, *, train: int, test: int, purge: int = 0, anchored: bool = False) -> tuple[Fold, ...]:
    """Return the folds of a walk-forward.

    Fold k tests on the bars from train + purge + k · test on; the bars before, less the last ``purge``, are for
    training. Test windows follow each other without gap or overlap up to the last bar, so the last one may be shorter.

    Parameters
    ----------
    bars : int
        How many there are.
    train : int >= 2, bars
    test : int >= 1, bars
    purge : int >= 0, bars
        Left out between training and test.
    anchored : bool
        Whether every training window starts at the first bar and grows, instead of having ``train`` bars.

    Returns
    -------
    tuple of Fold

    Raises
    ------
    InputError
        When the first fold does not fit.

    Examples
    --------
    >>> [(fold.train, fold.test) for fold in rolling_folds(8, train=4, test=2, purge=1)]
    [(slice(0, 4, None), slice(5, 7, None)), (slice(2, 6, None), slice(7, 8, None))]
    """
    train = integer(train, name="train", low=2)
    test = integer(test, name="test", low=1)
    purge = integer(purge, name="purge", low=0)
    if not isinstance(anchored, bool):
        raise KindError(f"`anchored` must be True or False, received {type(anchored).__name__}.")
    need = train + purge + test
    if bars < need:
        raise InputError(
            f"A walk-forward with train={train}, purge={purge} and test={test} needs {need} bars and has {bars}.",
            hint="shorten `train` or `test`, or use more history.",
        )
    return tuple(
        Fold(slice(0 if anchored else start - purge - train, start - purge), slice(start, min(start + test, bars)))
        for start in range(train + purge, bars, test)
    )
