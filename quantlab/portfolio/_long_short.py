"""Scores to weights: the top and the bottom of the cross-section, on decision dates."""

from __future__ import annotations

import numpy as np

from quantlab.core import DataError, InputError, KindError, Panel, PanelLike, as_panel
from quantlab.core._labels import show
from quantlab.core._shared import shared
from quantlab.portfolio import _pick_kernels as kernels
from quantlab.portfolio._calendar import Rebalance, decision_rows


def long_short(
    score: PanelLike,
    *,
    top: float | int = 0.3,
    bottom: float | int = 0.0,
    weighting: str = "equal",
    gross: float = 1.0,
    net: float | None = None,
    rebalance: Rebalance = "month_end",
) -> Panel:
    """Return target weights: long the highest scores, short the lowest, on decision dates only.

    Of the n symbols that have a score on a decision date, a fraction picks floor(fraction * n), at least one; a whole
    number picks that many. Should both sides ask for more than n together, each is cut in proportion, to at least one.
    Equal scores are taken in order of symbol name, so that the column order does not matter.

    Parameters
    ----------
    score : PanelLike (T, N), unitless, higher means longer
    top, bottom : float in [0, 1) or int >= 0
        How many to hold long and short: a fraction of those with a score, or a count. 0 leaves that side out.
    weighting : "equal" | "score"
        Equal weights within a side, or in proportion to how far the score lies above (long) or below (short) the median
        of the date: a name that is picked on the wrong side of the median gets 0, and where all do, weights are equal.
    gross : float > 0, fraction of equity
        Sum of absolute weights.
    net : float, fraction of equity
        Sum of weights; by default ``gross`` with one side (minus ``gross`` if it is short) and 0 with two.
    rebalance : "month_end" | "week_end" | "every n" | int | dates
        When to decide; the named rules follow the trading calendar that the score carries.

    Returns
    -------
    Panel (R, N), signed fraction of equity
        Decision dates only, every value finite. Left out are dates on which no symbol has a score, or just one where
        both sides are asked for.

    Raises
    ------
    InputError
        For impossible sizes, weighting, gross, net or rebalance rule.
    DataError
        When a score on a decision date is infinite.

    Notes
    -----
    NaN scores are not held. Between the rows the book drifts.

    Examples
    --------
    >>> score = Panel([[3.0, 1.0, 2.0, np.nan]], ["2024-01-31"], ["A", "B", "C", "D"])
    >>> long_short(score, top=1, bottom=1, rebalance=1).values
    array([[ 0.5, -0.5,  0. ,  0. ]])
    """
    panel = as_panel(score, name="score")
    if panel.values.dtype == bool:
        raise KindError("`score` must be numbers, received a bool Panel.", hint="score membership as 1.0 and NaN.")
    long_gross, short_gross = _sides(_size(top, "top"), _size(bottom, "bottom"), gross, net)
    if weighting not in ("equal", "score"):
        raise InputError(f'`weighting` must be "equal" or "score", received {weighting!r}.')
    rows, order, n = _ranking(panel, rebalance)
    # A book of two sides needs two names: with one it would be half of what was asked for.
    enough = n >= (2 if top and bottom else 1)
    if not enough.all():
        rows, order, n = rows[enough], order[enough], n[enough]
    k_long, k_short = _sizes(n, top, bottom)
    out = np.zeros(order.shape)
    if weighting == "equal":
        kernels.equal_legs(order, n, k_long, k_short, long_gross, short_gross, out)
    else:
        values = panel.values[rows]
        present = ~np.isnan(values)
        place = np.empty(order.shape, dtype=np.int64)
        np.put_along_axis(place, order, np.arange(order.shape[1])[None, :], axis=1)
        longs, shorts = place < k_long[:, None], present & (place >= (n - k_short)[:, None])
        above, below = _beyond_median(values, present)
        out = _leg(longs, above, long_gross) - _leg(shorts, below, short_gross)
    return Panel._trusted(out, panel.dates[rows], panel.symbols, panel.frequency)


def _size(size: float | int, name: str) -> float | int:
    if isinstance(size, bool) or not isinstance(size, (int, float, np.integer, np.floating)):
        raise KindError(f"`{name}` must be a fraction or a count, received {type(size).__name__}.")
    whole = isinstance(size, (int, np.integer))
    if not np.isfinite(size) or size < 0 or (not whole and size >= 1):
        raise InputError(
            f"`{name}` must be a fraction in [0, 1) or a whole number of symbols, received {size!r}.",
            hint="write 10, not 10.0, for ten symbols.",
        )
    return size


def _sides(top: float | int, bottom: float | int, gross: float, net: float | None) -> tuple[float, float]:
    """Gross exposure of the long and of the short side."""
    if not np.isfinite(gross) or gross <= 0:
        raise InputError(f"`gross` must be a positive fraction of equity, received {gross!r}.")
    if top == 0 and bottom == 0:
        raise InputError("`top` and `bottom` are both 0, so that nothing is held.")
    if isinstance(top, float) and isinstance(bottom, float) and top + bottom > 1:
        raise InputError(f"`top` and `bottom` overlap: {top:g} + {bottom:g} is above 1.")
    if bottom == 0 or top == 0:
        only = gross if bottom == 0 else -gross
        if net is not None and net != only:
            raise InputError(f"With one side only, `net` is {only:g}, received {net:g}.", hint="leave `net` out.")
        return (gross, 0.0) if bottom == 0 else (0.0, gross)
    net = 0.0 if net is None else net
    if not np.isfinite(net) or abs(net) > gross:
        raise InputError(f"`net` must lie between -gross and gross ({gross:g}), received {net!r}.")
    return (gross + net) / 2, (gross - net) / 2


@shared
def _ranking(panel: Panel, rebalance: Rebalance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The decision rows (R,), their columns from the highest score to the lowest and then those without one (R, N), and
    how many have a score (R,).
    """
    rows = decision_rows(panel, rebalance)
    values = panel.values[rows]
    if np.isinf(values).any():
        at, column = (int(x[0]) for x in np.nonzero(np.isinf(values)))
        where = f"{panel.symbols[column]} on {show(panel.dates[rows[at]])}"
        raise DataError(f"The score of {where} is infinite.", hint="a score that does not exist is NaN.")
    present = ~np.isnan(values)
    by_name = np.argsort(np.array(panel.symbols), kind="stable")
    descending = np.argsort(np.where(present, -values, np.inf)[:, by_name], axis=1, kind="stable")
    answer = rows, by_name[descending], present.sum(axis=1)
    for part in answer:
        part.setflags(write=False)
    return answer


def _sizes(n: np.ndarray, top: float | int, bottom: float | int) -> tuple[np.ndarray, np.ndarray]:
    """How many of n to hold long and short."""
    k_long, k_short = (_count(size, n) for size in (top, bottom))
    both = k_long + k_short
    k_long = np.where(both > n, np.maximum(n * k_long // np.maximum(both, 1), k_long > 0), k_long)
    return k_long, np.minimum(k_short, n - k_long)


def _count(size: float | int, n: np.ndarray) -> np.ndarray:
    if size == 0:
        return np.zeros_like(n)
    if isinstance(size, (int, np.integer)):
        return np.minimum(size, n)
    return np.maximum(np.floor(size * n + 1e-9).astype(n.dtype), 1)


def _beyond_median(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each score lies above and below the median of its date; 0 on the other side of it."""
    middle = np.nanmedian(np.where(present, values, np.nan), axis=1, keepdims=True) if values.size else 0.0
    apart = np.where(present, values - middle, 0.0)
    return np.maximum(apart, 0.0), np.maximum(-apart, 0.0)


def _leg(held: np.ndarray, strength: np.ndarray, gross: float) -> np.ndarray:
    """Weights of one side, adding up to ``gross``; equal where no held name has any strength."""
    raw = np.where(held, strength, 0.0)
    total = raw.sum(axis=1, keepdims=True)
    raw = np.where(total > 0, raw, held)
    total = raw.sum(axis=1, keepdims=True)
    return np.divide(gross * raw, total, out=np.zeros(raw.shape), where=total > 0)
