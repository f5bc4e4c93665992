"""Equality of Panels: labels and values bit for bit, NaN equal to NaN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab.core import InputError, Panel, PanelLike, as_panel


@dataclass(frozen=True, slots=True)
class Difference:
    """The first cell, by date and then by symbol, in which two Panels of equal labels differ, and how many do."""

    row: int
    column: int
    left: object
    right: object
    count: int


def assert_panel_equal(left: PanelLike, right: PanelLike, *, rtol: float | None = None) -> None:
    """Return None if two Panels are equal, and raise AssertionError naming the first difference if not.

    Dates, symbols (in order), the kind of values (float or bool) and the values must agree. Values agree when their
    bits do, so that 0.0 and -0.0 differ; NaN agrees with NaN.

    Parameters
    ----------
    left, right : PanelLike (T, N)
    rtol : float >= 0, optional
        Accept float values with ``abs(left - right) <= rtol * abs(right)`` as well.

    Raises
    ------
    AssertionError
        At the first difference: labels before values, values by date and then by symbol.
    InputError
        When ``rtol`` is negative or not finite.

    Examples
    --------
    >>> from quantlab.core import Panel
    >>> left = Panel([[0.1 + 0.2]], ["2024-01-02"], ["A"])
    >>> right = Panel([[0.3]], ["2024-01-02"], ["A"])
    >>> assert_panel_equal(left, right)
    Traceback (most recent call last):
    AssertionError: A 2024-01-02 is 0.30000000000000004 on the left and 0.3 on the right.
    >>> assert_panel_equal(left, right, rtol=1e-12)
    """
    if rtol is not None and not (np.isfinite(rtol) and rtol >= 0):
        raise InputError(f"`rtol` must be zero or more, received {rtol!r}.")
    one, other = as_panel(left, name="left"), as_panel(right, name="right")
    labels = label_difference(one, other)
    if labels is not None:
        raise AssertionError(labels)
    difference = first_difference(one.values, other.values, rtol=rtol)
    if difference is None:
        return
    more = f" (and {difference.count - 1:,} more)" if difference.count > 1 else ""
    raise AssertionError(
        f"{one.symbols[difference.column]} {show(one.dates[difference.row])}{more} is {difference.left!r} on the left "
        f"and {difference.right!r} on the right."
    )


def label_difference(left: Panel, right: Panel) -> str | None:
    """Say in a sentence how the labels or the kind of two Panels differ, or return None."""
    if left.values.dtype != right.values.dtype:
        return f"The left holds {left.values.dtype} values and the right {right.values.dtype}."
    if left.symbols != right.symbols:
        for position, (one, other) in enumerate(zip(left.symbols, right.symbols, strict=False)):
            if one != other:
                return f"Symbol {position} is {one} on the left and {other} on the right."
        return f"The left has {len(left.symbols)} symbols and the right {len(right.symbols)}."
    if left.dates.dtype != right.dates.dtype:
        return f"The left has dates of type {left.dates.dtype} and the right of {right.dates.dtype}."
    only_left, only_right = np.setdiff1d(left.dates, right.dates), np.setdiff1d(right.dates, left.dates)
    if only_left.size or only_right.size:
        first = np.concatenate([only_left, only_right]).min()
        here, there = ("left", "right") if first in only_left else ("right", "left")
        return f"The {here} has a row {show(first)} and the {there} has none."
    return None


def first_difference(left: np.ndarray, right: np.ndarray, *, rtol: float | None = None) -> Difference | None:
    """Return the first cell in which two matrices of equal shape and kind differ, or None."""
    if left.dtype == bool:
        equal = left == right
    else:
        equal = (left.view(np.int64) == right.view(np.int64)) | (np.isnan(left) & np.isnan(right))
        if rtol is not None:
            with np.errstate(all="ignore"):
                equal |= np.abs(left - right) <= rtol * np.abs(right)
    if equal.all():
        return None
    row, column = (int(axis[0]) for axis in np.nonzero(~equal))
    return Difference(row, column, left[row, column].item(), right[row, column].item(), int(equal.size - equal.sum()))


def show(date: np.datetime64) -> str:
    """Return a date as people write it."""
    return str(date).replace("T", " ")
