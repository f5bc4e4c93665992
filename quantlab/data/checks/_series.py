"""``quality_of_series``: what looks wrong in series that are no prices: rates, macro series, sentiment.

Such tables come filled: backward, so that a value stands on days long before it existed (look-ahead); forward; and
monthly figures stand on the month they speak of, weeks before they were published. None of it can be seen by a strategy
that uses them, and all of it makes backtests better than they could have been.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from quantlab.core._door import PanelLike, as_panel
from quantlab.core._labels import DAY, show
from quantlab.data.checks._findings import Finding, count, table, when

_LEAST = 40  # values that a series must have to be judged
_FILLED = 20  # least repeats that count as filled
_BACK_TIMES, _FORWARD_TIMES = 5, 10  # and as multiples of the 95th percentile of the other runs
_MONTHLY = 0.8  # least part of the changes that fall on the first row of a month
_FAR = 0.25  # both neighbors of a zero lie beyond this part of the series' median
_DECADE = float(np.log(10.0))
_SLACK = (0.02, 0.4)  # how far from a power of ten, logarithmic; between the two, three usual steps
_STEPS = 8.0  # a change of scale as a multiple of the usual step there
_BESIDE = 20  # steps that say what is usual
_RUN = 60  # most rows of a run in another scale that ends


def quality_of_series(data: PanelLike) -> pl.DataFrame:
    """Return the findings on series that are no prices, one row each; nothing is changed.

    =============== ======== =========================================================================================
    rule            severity what it says
    =============== ======== =========================================================================================
    back_filled     warning  the first value is repeated over a run far longer than is usual for the series
    forward_filled  warning  a later value is
    reference_dated warning  monthly figures stand on the first day of the month they speak of
    zero_unknown    warning  zeros between values far from zero, in a series of one sign
    scale           warning  a step by a factor of 10, 100 or 1,000
    =============== ======== =========================================================================================

    Parameters
    ----------
    data : PanelLike (T, N)
        One column per series, in any unit. Missing values are left out, so that monthly values on daily rows are judged
        as monthly. A series of fewer than 40 values has no findings.

    Returns
    -------
    polars.DataFrame
        As of ``quality``; ``symbol`` is the series, null when the finding is about all of them.

    Raises
    ------
    KindError, LabelError
        When ``data`` is no Panel or frame.

    Examples
    --------
    >>> from quantlab.core import Panel
    >>> days = np.datetime64("2024-01-01") + np.arange(100)
    >>> values = np.concatenate([np.full(60, 7.5), np.sin(np.arange(40)) + 8])
    >>> quality_of_series(Panel(values[:, None], days, ["index"])).row(0)[:5]
    ('back_filled', 'index', datetime.date(2024, 1, 1), 'warning', '60 rows of 7.5 before the first change')
    """
    panel = as_panel(data)
    with np.errstate(divide="ignore", invalid="ignore"):
        return table(_found(panel.values.astype(np.float64), panel.dates, panel.symbols))


def _found(matrix: np.ndarray, dates: np.ndarray, symbols: tuple[str, ...]) -> Iterator[Finding]:
    months = dates.astype("datetime64[M]")
    if dates.size >= _LEAST and np.unique(months).size == dates.size:
        firsts = np.count_nonzero(dates.astype(DAY) == months.astype(DAY))
        if firsts >= _MONTHLY * dates.size:
            detail = f"{firsts:,} of {count(dates.size, 'row')} stand on the first day of a month, one row a month"
            yield Finding("reference_dated", None, dates[0], dates[-1], detail)
    for column, symbol in enumerate(symbols):
        known = ~np.isnan(matrix[:, column])
        if np.count_nonzero(known) < _LEAST:
            continue
        values, days = matrix[known, column], dates[known]
        yield from _runs(values, days, symbol)
        yield from _first_days(values, days, symbol)
        yield from _zeros(values, days, symbol)
        yield from _scales(values, days, symbol)


def _runs(values: np.ndarray, dates: np.ndarray, symbol: str) -> Iterator[Finding]:
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    lengths = np.diff(np.append(starts, values.size))
    if starts.size == 1:
        detail = f"{count(values.size, 'row')} of {values[0]:g}, and no change"
        yield Finding("back_filled", symbol, dates[0], dates[-1], detail)
        return
    usual = float(np.quantile(lengths[1:], 0.95))
    if lengths[0] >= max(_FILLED, _BACK_TIMES * usual):
        detail = f"{count(int(lengths[0]), 'row')} of {values[0]:g} before the first change"
        yield Finding("back_filled", symbol, dates[0], dates[lengths[0] - 1], detail)
    long = np.flatnonzero(lengths[1:] >= max(_FILLED, _FORWARD_TIMES * usual)) + 1
    for start, length in zip(starts[long].tolist(), lengths[long].tolist(), strict=True):
        last = dates[start + length - 1]
        detail = f"{when(dates[start])}{count(length, 'row')} of {values[start]:g} to {show(last)}"
        yield Finding("forward_filled", symbol, dates[start], last, detail)


def _first_days(values: np.ndarray, dates: np.ndarray, symbol: str) -> Iterator[Finding]:
    months = dates.astype("datetime64[M]")
    new = np.concatenate([[False], months[1:] != months[:-1]])
    changed = np.concatenate([[False], values[1:] != values[:-1]])
    total, first = int(np.count_nonzero(changed)), int(np.count_nonzero(changed & new))
    # A series of one row a month changes on its month's first row whatever it is.
    if total >= 6 and first >= _MONTHLY * total and values.size >= 5 * np.count_nonzero(new):
        detail = f"{first:,} of {count(total, 'change')} fall on the first row of a month"
        yield Finding("reference_dated", symbol, dates[0], dates[-1], detail)


def _zeros(values: np.ndarray, dates: np.ndarray, symbol: str) -> Iterator[Finding]:
    zero = values == 0
    rest = values[~zero]
    # Where both signs occur (returns, spreads) zero is a value like any other.
    if not zero.any() or rest.size < _LEAST or (rest.min() < 0 < rest.max()):
        return
    place = np.flatnonzero(~zero)
    at = np.flatnonzero(zero)
    right = np.searchsorted(place, at)
    far = np.abs(values) >= _FAR * np.median(np.abs(rest))
    unknown = far[place[np.maximum(right - 1, 0)]] & far[place[np.minimum(right, place.size - 1)]]
    if unknown.any():
        bad = at[unknown]
        around = f"the median of the others is {np.median(rest):g}"
        detail = f"{count(bad.size, 'zero')} to {show(dates[bad[-1]])}; {around}"
        yield Finding("zero_unknown", symbol, dates[bad[0]], dates[bad[-1]], detail)


def _scales(values: np.ndarray, dates: np.ndarray, symbol: str) -> Iterator[Finding]:
    if values.min() <= 0:
        return
    step = np.diff(np.log(values))
    size = np.abs(step)
    power = np.rint(size / _DECADE)
    near = np.flatnonzero((power >= 1) & (power <= 3) & (np.abs(size - power * _DECADE) <= _SLACK[1]))
    at = np.array([row + 1 for row in near.tolist() if _is_scale(size, row, float(power[row]))], dtype=np.int64)
    taken = -1
    for place, row in enumerate(at.tolist()):
        if row == taken:
            continue
        after = int(at[place + 1]) if place + 1 < at.size else -1
        back = after > 0 and after - row <= _RUN and step[after - 1] * step[row - 1] < 0
        factor = np.exp(step[row - 1])
        shown = f"{when(dates[row])}{values[row - 1]:g}, then {values[row]:g}: a factor of {factor:.4g}"
        if back:
            taken = after
            detail = f"{shown}, and back after {count(after - row, 'row')}"
            yield Finding("scale", symbol, dates[row], dates[after - 1], detail)
        else:
            yield Finding("scale", symbol, dates[row], None, shown)


def _is_scale(size: np.ndarray, row: int, power: float) -> bool:
    """Whether a step of about a power of ten is one: exactly enough, and among far smaller steps."""
    # The steps before, where there are any: a shock makes those after it large too.
    before, after = size[max(0, row - _BESIDE) : row], size[row + 1 : row + 1 + _BESIDE]
    beside = before[before > 0] if np.count_nonzero(before) >= _BESIDE // 2 else after[after > 0]
    usual = float(np.median(beside)) if beside.size else 0.0
    slack = min(max(_SLACK[0], 3 * usual), _SLACK[1])
    return bool(size[row] >= _STEPS * usual and abs(size[row] - power * _DECADE) <= slack)
