"""Where one series leaves another: the ratio of two vendors' closes, cut into levels, steps and excursions.

The log ratio q of two series that agree is flat. A step that stays is an adjustment, or a restatement, that one side
made; an excursion that comes back within a few bars is a bad value on one side. Telling them apart needs the bars that
follow, so this judges data and must never become a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

_BACK = 0.25  # an excursion has come back when no more than this part of it is left
_ODDS = float(np.log(20.0))  # one side is named where it is wrong with odds of 20 to 1
_SMALLEST = 1e-4  # the least that a series moves in a bar, so that a stale one has odds at all


@dataclass(frozen=True, slots=True)
class Break:
    """One disagreement: rows ``first`` to ``last`` of the series, ``size`` in log, and what it is."""

    first: int
    last: int
    size: float
    kind: str


def breaks(
    a: np.ndarray,
    b: np.ndarray,
    tolerance: np.ndarray,
    judge: Callable[[int, int], str],
    *,
    within: int,
    levels: bool,
) -> tuple[list[Break], np.ndarray]:
    """Return the breaks between two series and, for every row, the log ratio to be expected of them.

    Parameters
    ----------
    a, b : (K,) float, positive
        Of the rows where both are known.
    tolerance : (K,) float
        Log ratios that differ by no more are equal.
    judge : callable (first row, last row) -> str
        The kind of an excursion.
    within : int, rows
        What comes back in so many rows is an excursion.
    levels : bool
        Whether the two should be equal; otherwise their ratio should only stay what it was at the row before.
    """
    q = np.log(a / b)
    return (_levels if levels else _changes)(q, tolerance, judge, within)


def _changes(
    q: np.ndarray, tolerance: np.ndarray, judge: Callable[[int, int], str], within: int
) -> tuple[list[Break], np.ndarray]:
    found, expected, done = [], q.copy(), 0
    for row in (np.flatnonzero(np.abs(np.diff(q)) > tolerance[1:]) + 1).tolist():
        if row <= done:
            continue
        before = float(q[row - 1])
        size = float(q[row]) - before
        back = _back(q, tolerance, row, before, size, within)
        if back is None:
            found.append(Break(row, row, size, _lasting(q.size - row, within)))
            continue
        found.append(Break(row, back - 1, size, judge(row, back - 1)))
        expected[row:back] = before
        rest = float(q[back]) - before
        if abs(rest) > tolerance[back]:
            found.append(Break(back, back, rest, _lasting(q.size - back, within)))
        done = back
    return found, expected


def _levels(
    q: np.ndarray, tolerance: np.ndarray, judge: Callable[[int, int], str], within: int
) -> tuple[list[Break], np.ndarray]:
    found: list[Break] = []
    expected = np.zeros(q.size)
    zero = np.abs(q) <= tolerance
    base, row = 0.0, 0
    lasting: int | None = None  # place in `found` of the difference that lasts, its end still unknown
    while row < q.size:
        off = np.abs(q[row:] - base) > tolerance[row:] if base else ~zero[row:]
        if base:
            off |= zero[row:]
        step = int(off.argmax()) if off.any() else q.size - row
        expected[row : row + step] = base
        row += step
        if row == q.size:
            break
        size = float(q[row]) - base
        # A step within the tolerance that ends at equality is none to come back from.
        back = _back(q, tolerance, row, base, size, within) if abs(size) > tolerance[row] else None
        if back is not None:
            found.append(Break(row, back - 1, size, judge(row, back - 1)))
            expected[row:back] = base
            row = back
            continue
        if lasting is not None:
            found[lasting] = replace(found[lasting], last=row - 1)
            lasting = None
        base = 0.0 if zero[row] else float(q[row])
        expected[row] = base
        if base:
            lasting = len(found)
            found.append(Break(row, row, base, _lasting(q.size - row, within)))
        row += 1
    if lasting is not None:
        found[lasting] = replace(found[lasting], last=q.size - 1)
    return found, expected


def _lasting(left: int, within: int) -> str:
    """What a difference is that does not come back, by the number of rows that are left to see it do so."""
    return "adjustment" if left > within else "unsettled"


def _back(q: np.ndarray, tolerance: np.ndarray, row: int, before: float, size: float, within: int) -> int | None:
    """The first row after ``row`` where the ratio is back, if it is among the next ``within``."""
    rest = np.abs(q[row + 1 : row + 1 + within] - before)
    home = rest <= np.maximum(tolerance[row + 1 : row + 1 + within], _BACK * abs(size))
    return row + 1 + int(home.argmax()) if home.any() else None


class Judge:
    """Says which of two series is wrong on rows where they disagree, if that can be said.

    A wrong value makes its series jump and come back, and days on which a stock does so by itself are rare in
    proportion to the size of the jumps. With two-sided exponential returns the odds are exp((|in| + |out| of a) -
    (|in| + |out| of b)) in units of their mean, the market's own move taken off both.

    Parameters
    ----------
    a, b : (K,) float, positive
    market : (K,) float
        Log level of the market on the same rows.
    scale : float
        Mean absolute log return of the series.
    """

    def __init__(self, a: np.ndarray, b: np.ndarray, market: np.ndarray, scale: float) -> None:
        self.sides = np.log(a) - market, np.log(b) - market
        self.scale = max(scale, _SMALLEST)

    def __call__(self, first: int, last: int) -> str:
        """Return "bad value in a", "bad value in b" or "bad value"."""
        size = self.sides[0].size
        if first == 0 or last + 1 >= size:
            return "bad value"
        moves = [abs(side[first] - side[first - 1]) + abs(side[last + 1] - side[last]) for side in self.sides]
        odds = (moves[0] - moves[1]) / self.scale
        if abs(odds) < _ODDS:
            return "bad value"
        return "bad value in a" if odds > 0 else "bad value in b"


def scale(values: np.ndarray, market: np.ndarray) -> float:
    """The mean absolute log return of a series, by its median, which bad values do not move."""
    moves = np.abs(np.diff(np.log(values) - market))
    return float(np.median(moves)) / float(np.log(2.0)) if moves.size else 0.0


def market(a: np.ndarray, b: np.ndarray, *, least: int) -> np.ndarray:
    """The log level of the market, the running sum of median returns (T,) over the symbols of both (T, N); flat where
    fewer than ``least`` have one.
    """
    moves = np.diff((np.log(a) + np.log(b)) / 2, axis=0)
    enough = (~np.isnan(moves)).sum(axis=1) >= least
    level = np.zeros(a.shape[0])
    level[1:][enough] = np.nanmedian(moves[enough], axis=1)
    return np.cumsum(level)
