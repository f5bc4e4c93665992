"""The fee for borrowed shares, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import Bars, DataError, InputError, Panel, as_panel
from quantlab.core._lazy import lazy
from quantlab.execution._dated import one_row
from quantlab.execution._demand import at_most, choice, demand, is_table, more, positive, truth, values_at
from quantlab.execution._value import Value

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# 1,000 % a year: dearer shorts exist for days; as a rate of everything somebody meant percent.
LARGEST_RATE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Borrow(Value):
    """The fee for borrowed shares: a yearly rate on the value of a short, by calendar days.

    fee = shares * price * rate * days / day_count, at every close for the nights since the last.

    Parameters
    ----------
    rate : float from 0 to 10, or PanelLike (T, N) >= 0, fraction per year, or None
        What holds where ``bars.borrow`` has no rate. NaN and None: not known there, and a short that is held on such a
        day is an error. Row t of a Panel is what holds from the close of t on. It has the dates and symbols of the
        bars; what it has beyond them is left out.
    convention : "mark" | "dealer"
        The price is the last mark, or what dealers take as collateral: 102 % of the mark, rounded up to a whole unit of
        currency.
    recall : bool
        Buy back what is short beyond the shares that ``bars.borrow`` says are available.
    day_count : float > 0, days of a year
        360 in US dollars, 365 in pounds sterling.

    Raises
    ------
    InputError, KindError
        When a rate is negative, not finite or no number, or above 10 (1,000 % a year), in a Panel the median of those
        that are known.
    DataError
        From ``rows``, when ``bars.borrow`` holds a negative number.

    Notes
    -----
    A rate of ``bars.borrow`` holds from its date on, until the symbol's next row. A row without a rate takes this rate
    again; one without a number of shares says that any number can be had.

    The dealer convention is the one that Interactive Brokers describes in its guide to statements ("Borrow Fee
    Details"): 102 % of the settlement price before, rounded up to a whole dollar, times the rate, over 360 days.

    Examples
    --------
    Short 100 shares at 50 over a weekend at 3 %: 5,000 * 0.03 * 3 / 360 = 1.25.

    >>> Borrow(0.03)
    Borrow(rate=0.03, convention='mark', recall=False, day_count=360.0)
    """

    rate: Any = None
    convention: str = field(default="mark", kw_only=True)
    recall: bool = field(default=False, kw_only=True)
    day_count: float = field(default=360.0, kw_only=True)

    def __post_init__(self) -> None:
        given: Any = self.rate
        if given is not None and not is_table(given):
            hint = "write 0.25 for 25 % a year."
            rate = at_most(given, LARGEST_RATE, "Borrow rate", "a fraction per year", hint=hint)
            object.__setattr__(self, "rate", rate)
        elif given is not None:
            panel = as_panel(given, name="rate")
            good = (panel.values >= 0) & np.isfinite(panel.values)
            demand(good, panel, "Borrow rate", "it must be zero or more, a fraction per year")
            known = panel.values[~np.isnan(panel.values)]
            middle = float(np.median(known)) if known.size else 0.0
            if middle > LARGEST_RATE:
                raise InputError(
                    f"Borrow rates must be fractions per year, received a Panel with a median of {middle:g}.",
                    hint="divide percent by 100.",
                )
            object.__setattr__(self, "rate", panel)
        choice(self.convention, ("mark", "dealer"), "Borrow convention")
        object.__setattr__(self, "recall", truth(self.recall, "Borrow recall"))
        object.__setattr__(self, "day_count", positive(self.day_count, "Borrow day_count", "days of a year"))

    def rows(self, bars: Bars, days: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return ``World.rate`` and ``World.available``, (1|T, N) each, in the column order of the bars.

        The rate is NaN where it is not known, the number of shares infinite where nothing limits it. ``days`` are the
        sessions of the bars, (T,) datetime64[D]; left out, the days of their dates.
        """
        if isinstance(self.rate, Panel):
            rate = values_at(self.rate, bars.dates, bars.symbols, "Borrow rate")
        else:
            rate = np.full((1, bars.shape[1]), np.nan if self.rate is None else self.rate)
        available = np.full((1, bars.shape[1]), np.inf)
        if bars.borrow is None or bars.borrow.height == 0:
            return one_row(rate), available
        days = bars.dates if days is None else days
        known, supply = _steps(bars.borrow, bars, days.astype("datetime64[D]"))
        return one_row(np.where(np.isnan(known), rate, known)), one_row(np.where(np.isnan(supply), available, supply))


def _steps(table: pl.DataFrame, bars: Bars, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rate and available shares of ``bars.borrow`` on every bar, (T, N); NaN before a symbol's first row."""
    symbols = pl.Enum(list(bars.symbols))
    columns = table["symbol"].cast(pl.String).cast(symbols).to_physical().to_numpy().astype(np.intp)
    rows = np.searchsorted(days, table["date"].to_numpy().astype("datetime64[D]"))
    numbers = np.stack([_numbers(table, name, bars.name) for name in ("rate", "available")])
    out = np.full((2, *bars.shape), np.nan)
    state = np.full((2, bars.shape[1]), np.nan)
    # The table is sorted by date: each pass books the rows of one bar, of which the last of a symbol stays.
    starts, first = np.unique(rows, return_index=True)
    for start, end, low, high in zip(starts, [*starts[1:], None], first, [*first[1:], None], strict=True):
        state[:, columns[low:high]] = numbers[:, low:high]
        out[:, start:end] = state[:, None, :]
    return out[0], out[1]


def _numbers(table: pl.DataFrame, column: str, name: str) -> np.ndarray:
    """A column of ``bars.borrow``: NaN where it is null; a negative or infinite number is refused."""
    if column not in table.columns:
        return np.full(table.height, np.nan)
    numbers = table[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
    bad = np.flatnonzero(~np.isnan(numbers) & ~((numbers >= 0) & (numbers < np.inf)))
    if bad.size:
        row = table.row(int(bad[0]), named=True)
        raise DataError(
            f"The borrow data of {name} give {row['symbol']} from {row['date']} on{more(bad.size)} a {column} of "
            f"{row[column]:g}; it must be zero or more and finite.",
            hint="what is not known is null.",
        )
    return numbers
