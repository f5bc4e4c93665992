"""``Grid``: the dates and symbols of a synthetic market. Sessions are those of a real exchange calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from quantlab.core import Frequency, InputError, KindError
from quantlab.core._arguments import integer
from quantlab.core._labels import DAY, check_symbols
from quantlab.core.periods import sessions


@dataclass(frozen=True, slots=True)
class Grid:
    """The labels of a synthetic market.

    Parameters
    ----------
    symbols : int >= 1, or distinct names
        A number n makes S000, S001, ...
    days : int >= 2, sessions
    start : date, or text such as "2010-01-04"
        The first session is the first of the calendar on or after it.
    calendar : str
        A code of exchange_calendars, or "24/7" for every day of the year.

    Raises
    ------
    InputError, KindError, LabelError
        For a number that is too small, a date that cannot be read, or names that are empty or doubled. An unknown
        calendar is refused when the sessions are first needed.

    Examples
    --------
    >>> Grid(symbols=["A", "B"], days=3, start="2024-03-28").labels()[0]
    array(['2024-03-28', '2024-04-01', '2024-04-02'], dtype='datetime64[D]')
    """

    symbols: int | Sequence[str] = 50
    days: int = 1260
    start: str | date | np.datetime64 = "2010-01-04"
    calendar: str = "XNYS"

    def __post_init__(self) -> None:
        if isinstance(self.symbols, (int, np.integer, bool, float)):
            object.__setattr__(self, "symbols", integer(self.symbols, name="symbols", low=1))
        else:
            names = check_symbols(self.symbols)
            if not names:
                raise InputError("`symbols` must name at least one symbol, received none.")
            object.__setattr__(self, "symbols", names)
        object.__setattr__(self, "days", integer(self.days, name="days", low=2))
        object.__setattr__(self, "start", _day(self.start))
        if not isinstance(self.calendar, str):
            raise KindError(f"`calendar` must be a code such as 'XNYS', received {type(self.calendar).__name__}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The N symbols."""
        if isinstance(self.symbols, int):
            width = max(3, len(str(self.symbols - 1)))
            return tuple(f"S{number:0{width}d}" for number in range(self.symbols))
        return tuple(self.symbols)

    def labels(self) -> tuple[np.ndarray, tuple[str, ...], Frequency]:
        """Return the dates (T,), the N symbols and the frequency."""
        frequency = Frequency.daily(self.calendar)
        first = _day(self.start)
        # A year has at least as many sessions as its calendar's average less a few, so that one extension is rare.
        span = int(self.days * 366 / (frequency.periods or 1.0)) + 30
        held = sessions(self.calendar, first, first + span)
        while held.size < self.days:
            span += 30
            held = sessions(self.calendar, first, first + span)
        return held[: self.days].copy(), self.names, frequency


def demand(grid: Grid, *, scenario: str, days: int = 2, symbols: int = 1) -> None:
    """Raise when ``grid`` is no Grid, or too small to hold what a scenario plants."""
    if not isinstance(grid, Grid):
        raise KindError(f"`grid` must be a Grid, received {type(grid).__name__}.", hint="`Grid(symbols=50, days=500)`.")
    if grid.days < days:
        raise InputError(f"{scenario} needs {days} days or more to hold what it plants, received {grid.days}.")
    if len(grid.names) < symbols:
        raise InputError(f"{scenario} needs {symbols} symbols or more, received {len(grid.names)}.")


def _day(start: str | date | np.datetime64) -> np.datetime64:
    if not isinstance(start, (str, date, np.datetime64)):
        raise KindError(f"`start` must be a date or text such as '2010-01-04', received {type(start).__name__}.")
    try:
        day = np.datetime64(start).astype(DAY)
    except ValueError as error:
        raise InputError(f"`start` must be a date such as '2010-01-04', received {start!r}.") from error
    if np.isnat(day):
        raise InputError("`start` must be a date such as '2010-01-04', received a missing one.")
    return day
