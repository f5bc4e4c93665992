"""From Bars to the arrays that the engine walks through: canonical columns, sessions, reference prices, currencies.

Memory: a matrix of Bars whose symbols are sorted already is used as it is. Symbols in another order cost one copy of
every field that is there (8 bytes per bar, symbol and field), and so does an estimated average price; a field that the
bars lack is one row of NaN. Rates that change with time are rows per bar; what is constant is one row.

Every array is read-only, as those of a Panel are: a compiled engine distinguishes the two, and would be compiled twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab.core import Bars, DataError, InputError, Panel
from quantlab.core._labels import DAY, show
from quantlab.execution import Fill
from quantlab.execution._demand import more
from quantlab.execution._slippage_terms import SlippageTerms


def frozen(array: np.ndarray) -> np.ndarray:
    """Return an array as the engine takes it: C-contiguous and read-only; a view where that is enough."""
    out = np.ascontiguousarray(array)
    if out.flags.writeable:
        out = out.view() if out is array else out
        out.setflags(write=False)
    return out


@dataclass(frozen=True, slots=True)
class Axes:
    """The labels of the bars as the engine counts them.

    Attributes
    ----------
    dates : (T,) datetime64
    sessions : (T,) datetime64[D], the session of each bar
    symbols : tuple of N names in canonical order
    order : (N,) int64, caller's column of each canonical column
    in_order : bool, whether the caller's columns are canonical
    """

    dates: np.ndarray
    sessions: np.ndarray
    symbols: tuple[str, ...]
    order: np.ndarray
    in_order: bool

    def pick(self, matrix: np.ndarray) -> np.ndarray:
        """Return a matrix (1|T, N) of the caller with its columns in canonical order; without a copy when they are."""
        if self.in_order:
            return frozen(matrix)
        return frozen(matrix.take(self.order, axis=1))

    def bar_at(self, days: np.ndarray) -> np.ndarray:
        """Return the first bar whose session is one of ``days`` or later, T where there is none, int64."""
        return np.searchsorted(self.sessions, days.astype(DAY)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Alive:
    """Between which bars an asset can be traded, (N,) int64, T where there is none: its first close, and its delisting
    or conversion.
    """

    first: np.ndarray
    dead: np.ndarray


@dataclass(frozen=True, slots=True)
class Lot:
    """What positions are counted in: ``unit`` shares, ``step`` units to a lot; 0 trades fractions."""

    unit: float
    step: float

    def whole(self, shares: np.ndarray) -> np.ndarray:
        """Return shares in units, whole lots toward zero."""
        units = shares / self.unit
        if self.step == 0.0:
            return units
        return np.sign(units) * np.floor(np.abs(units) / self.step + 1e-9) * self.step

    def split(self, units: np.ndarray, ratio: float) -> np.ndarray:
        """Return what a split makes of ordered units: whole units toward zero, as of an order that works."""
        exact = units * ratio
        return exact if self.step == 0.0 else np.sign(exact) * np.floor(np.abs(exact) + 1e-9)


def axes_of(bars: Bars) -> Axes:
    """Return the labels of bars in canonical order."""
    order = np.argsort(np.array(bars.symbols), kind="stable").astype(np.int64)
    in_order = bool((order == np.arange(order.size)).all())
    symbols = bars.symbols if in_order else tuple(bars.symbols[i] for i in order)
    return Axes(bars.dates, session_days(bars), symbols, frozen(order), in_order)


def session_days(bars: Bars) -> np.ndarray:
    """Return the session of each bar, (T,) datetime64[D], never falling.

    Daily bars carry it. The date of an intraday bar is its end in UTC: it belongs to the session of the exchange in
    whose hours it ends, outside of them to the day on the exchange's clock, and without a calendar to the day in UTC.
    A bar that ends at midnight belongs to the day that ends there.
    """
    dates = bars.dates
    if dates.dtype == DAY:
        return dates
    calendar = None if bars.frequency is None else bars.frequency.calendar
    if calendar is None or calendar == "24/7":
        return (dates - np.timedelta64(1, "us")).astype(DAY)
    from quantlab.data.calendars import Calendar
    from quantlab.data.calendars._schedule import local_days

    inside = Calendar(calendar).session_of(dates, outside="none")
    days = np.where(np.isnat(inside), local_days(dates, calendar), inside)
    return np.maximum.accumulate(days)


def calendar_rows(axes: Axes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return days since the previous bar's session, month and session number, each (T,) int64."""
    sessions = axes.sessions
    days = np.diff(sessions, prepend=sessions[:1]).astype(np.int64)
    months = sessions.astype("datetime64[M]").astype(np.int64)
    return frozen(days), frozen(months), frozen(sessions.astype(np.int64))


def field(bars: Bars, name: str, axes: Axes) -> np.ndarray:
    """Return a field of the bars (T, N), or one row of NaN when they lack it."""
    panel = getattr(bars, name)
    return frozen(np.full((1, len(axes.symbols)), np.nan)) if panel is None else axes.pick(panel.values)


def reference_prices(bars: Bars, fill: Fill, axes: Axes, close: np.ndarray) -> np.ndarray:
    """Return where rebalancing and market orders are filled, (T, N), canonical."""
    prices = fill.reference(bars)
    return close if prices is bars.close.values else axes.pick(prices)


def average_prices(bars: Bars) -> Panel:
    """Return (high + low + close) / 3, which stands for the average price of a bar where nobody has the real one."""
    missing = [name for name in ("high", "low") if getattr(bars, name) is None]
    if missing:
        raise InputError(
            f'`fill` "vwap" needs average prices, and {bars.name} has no {" and no ".join(missing)} to estimate them.',
            hint='pass them, `ql.execution.Fill("vwap", prices=vwap)`, or use `fill="next_close"`.',
        )
    mean = (bars.demand("high").values + bars.demand("low").values + bars.close.values) / 3.0
    return Panel._trusted(mean, bars.dates, bars.symbols, bars.frequency)


def slippage_rows(
    terms: SlippageTerms, axes: Axes, close: np.ndarray, since: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return spread, impact, impact2 and volume, each (1|T, N), canonical, with no gap where somebody could trade.

    Parameters
    ----------
    terms : SlippageTerms, columns of the caller
    axes : Axes
    close : (T, N), canonical
    since : (N,) int64, canonical: first bar on which a decision or an order names the asset, T when none does

    Raises
    ------
    DataError
        When slippage is not known on a bar of an asset from its first decision on. Where the asset had no bar, the last
        known slippage holds; before its first decision nothing trades, and the gap is filled with the dearest.
    """
    spread, impact, impact2, adv = (axes.pick(rows) for rows in terms[:4])
    unknown = axes.pick(terms.unknown())
    if not unknown.any():
        return spread, impact, impact2, adv
    T, N = close.shape
    gaps = np.broadcast_to(unknown, (T, N))
    rows = np.arange(T)[:, None]
    bad = gaps & ~np.isnan(close) & (rows >= since[None, :])
    if bad.any():
        at, columns = np.nonzero(bad)
        raise DataError(
            f"The slippage of {axes.symbols[columns[0]]} on {show(axes.dates[at[0]])}{more(at.size)} is not known, and "
            "the run trades it there.",
            hint="give the model a default, such as `default=ql.Bps(50)`, or begin later.",
        )
    last = np.maximum.accumulate(np.where(gaps, 0, rows), axis=0)
    parts = (np.broadcast_to(part, (T, N)) for part in (spread, impact, impact2, adv))
    filled = [np.take_along_axis(part, last, axis=0) for part in parts]
    early = np.isnan(filled[0] + filled[1] + filled[2]) | np.isnan(filled[3])
    for part, dearest in zip(filled, (0.9999, 0.0, 0.0, np.inf), strict=True):
        part[early] = dearest
    return tuple(frozen(part) for part in filled)  # type: ignore[return-value]  # four of them
