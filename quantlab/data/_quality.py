"""``quality``: what looks wrong in Bars, as a table; nothing is changed.

A finding is a place to look at, not a verdict. Some rules need hindsight (a spike is one because the next bar takes it
back), so this table judges data and must never become a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import polars as pl

from quantlab.core import Bars, KindError
from quantlab.core._labels import DAY, show
from quantlab.core.periods import sessions

_STALE = 5  # equal closes in a row that count as stale
_SPIKE = 0.2  # one-bar move that counts, as a fraction
_BACK = 0.25  # a spike's next close lies within this part of the move from where it began
_SCHEMA = {"rule": pl.String, "symbol": pl.String, "date": pl.Date, "severity": pl.String, "detail": pl.String}

# symbol (None for a whole date), date, detail
Finding = tuple[str | None, np.datetime64, str]


def quality(bars: Bars) -> pl.DataFrame:
    """Return the findings on ``bars``, one row each.

    ================= ======== =========================================================================================
    rule              severity what it says
    ================= ======== =========================================================================================
    missing_session   warning  the calendar has a session between the first and last bar, and the data do not
    no_session        warning  the data have a date on which the calendar has no session
    gap               warning  a run of missing closes between the first and last close of a symbol
    ends_early        warning  the last close of a symbol comes before the last bar, as that of a delisted stock does
    starts_late       info     the first close of a symbol comes after the first bar
    price_order       error    the high is below, or the low above, another price of the bar
    spike             warning  a move of 20 % or more, of which the next close takes back three quarters or more
    stale             warning  five or more equal closes in a row
    zero_volume       info     a run of bars with a close and no volume
    ================= ======== =========================================================================================

    Parameters
    ----------
    bars : Bars (T, N)
        The two session rules need daily bars with a calendar, and are left out without one.

    Returns
    -------
    polars.DataFrame
        ``rule``, ``symbol`` (null for a whole date), ``date`` (of a run: its first), ``severity``, ``detail``; sorted
        by rule, symbol and date. Empty when nothing was found; a symbol without any close has no findings.

    Raises
    ------
    KindError
        When ``bars`` are not Bars.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> close = Panel([[10.0], [30.0], [10.1]], ["2024-01-02", "2024-01-03", "2024-01-04"], ["A"])
    >>> quality(as_bars(close)).row(0)
    ('spike', 'A', datetime.date(2024, 1, 3), 'warning', 'close 10, then 30, then 10.1')
    """
    if not isinstance(bars, Bars):
        raise KindError(
            f"`bars` must be Bars, received {type(bars).__name__}.", hint='`store.bars("name")` or `ql.as_bars(close)`.'
        )
    rows = [
        (rule, symbol, date.astype(DAY).item(), severity, detail)
        for rule, severity, find in _RULES
        for symbol, date, detail in find(bars)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").sort("rule", "symbol", "date", nulls_last=False)


def _missing_session(bars: Bars) -> Iterable[Finding]:
    return ((None, day, "no bar on this session") for day in np.setdiff1d(_sessions(bars), bars.dates))


def _no_session(bars: Bars) -> Iterable[Finding]:
    held = _sessions(bars)
    if held.size == 0:
        return ()
    odd = np.flatnonzero(~np.isin(bars.dates, held))
    count = (~np.isnan(bars.close.values[odd])).sum(axis=1)
    return (
        (None, bars.dates[row], f"{n} closes on a day without a session") for row, n in zip(odd, count, strict=True)
    )


def _sessions(bars: Bars) -> np.ndarray:
    if bars.frequency is None or bars.frequency.calendar is None or bars.dates.dtype != DAY:
        return np.empty(0, dtype=DAY)
    return sessions(bars.frequency.calendar, bars.dates[0], bars.dates[-1])


def _gap(bars: Bars) -> Iterable[Finding]:
    present = ~np.isnan(bars.close.values)
    begun = np.logical_or.accumulate(present, axis=0)
    unfinished = np.logical_or.accumulate(present[::-1], axis=0)[::-1]
    for row, column, length in _runs(begun & unfinished & ~present):
        yield bars.symbols[column], bars.dates[row], f"no close on {length} {_bars(length)}"


def _ends_early(bars: Bars) -> Iterable[Finding]:
    for column, row in _first_close(bars.close.values[::-1]):
        yield bars.symbols[column], bars.dates[-1 - row], f"last close {row} {_bars(row)} before the end"


def _starts_late(bars: Bars) -> Iterable[Finding]:
    for column, row in _first_close(bars.close.values):
        yield bars.symbols[column], bars.dates[row], f"first close {row} {_bars(row)} after the start"


def _first_close(close: np.ndarray) -> Iterator[tuple[int, int]]:
    """Column and row of the first close, where that is not row 0."""
    first = (~np.isnan(close)).argmax(axis=0)  # 0 for a column without any
    columns = np.flatnonzero(first)
    yield from zip(columns.tolist(), first[columns].tolist(), strict=True)


def _price_order(bars: Bars) -> Iterable[Finding]:
    # NaN loses in fmin and fmax, so that an absent price is not compared.
    panels = [panel.values for panel in (bars.open, bars.close, bars.low, bars.high) if panel is not None]
    highest, lowest = np.fmax.reduce(panels), np.fmin.reduce(panels)
    bad = np.zeros(bars.shape, dtype=bool)
    if bars.high is not None:
        bad |= bars.high.values < highest
    if bars.low is not None:
        bad |= bars.low.values > lowest
    for row, column in np.argwhere(bad):
        prices = [(name, getattr(bars, name)) for name in ("open", "high", "low", "close")]
        shown = ", ".join(f"{name} {panel.values[row, column]:g}" for name, panel in prices if panel is not None)
        yield bars.symbols[column], bars.dates[row], shown


def _spike(bars: Bars) -> Iterable[Finding]:
    close = bars.close.values
    before, at, after = close[:-2], close[1:-1], close[2:]
    move = at - before
    bad = (np.abs(move) >= _SPIKE * before) & (np.abs(after - before) <= _BACK * np.abs(move))
    for row, column in np.argwhere(bad):
        shown = f"close {before[row, column]:g}, then {at[row, column]:g}, then {after[row, column]:g}"
        yield bars.symbols[column], bars.dates[row + 1], shown


def _stale(bars: Bars) -> Iterable[Finding]:
    close = bars.close.values
    for row, column, length in _runs(close[1:] == close[:-1]):
        if length + 1 >= _STALE:
            last = show(bars.dates[row + length])
            yield (
                bars.symbols[column],
                bars.dates[row],
                f"{length + 1} equal closes of {close[row, column]:g} to {last}",
            )


def _zero_volume(bars: Bars) -> Iterable[Finding]:
    if bars.volume is None:
        return
    for row, column, length in _runs((bars.volume.values == 0) & ~np.isnan(bars.close.values)):
        yield bars.symbols[column], bars.dates[row], f"no volume on {length} {_bars(length)}"


def _runs(mask: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """First row, column and length of every run of True down the columns of ``mask`` (T, N)."""
    edges = np.diff(np.pad(mask.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    columns, first = np.nonzero(edges == 1)
    _, past = np.nonzero(edges == -1)
    yield from zip(first.tolist(), columns.tolist(), (past - first).tolist(), strict=True)


def _bars(count: int) -> str:
    return "bar" if count == 1 else "bars"


_RULES: tuple[tuple[str, str, Callable[[Bars], Iterable[Finding]]], ...] = (
    ("missing_session", "warning", _missing_session),
    ("no_session", "warning", _no_session),
    ("gap", "warning", _gap),
    ("ends_early", "warning", _ends_early),
    ("starts_late", "info", _starts_late),
    ("price_order", "error", _price_order),
    ("spike", "warning", _spike),
    ("stale", "warning", _stale),
    ("zero_volume", "info", _zero_volume),
)
