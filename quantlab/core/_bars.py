"""``Bars``: the aligned price and volume Panels of one dataset, with its universe, its corporate actions and borrow
data, and its identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from dataclasses import field as attribute
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import _labels, _tables
from quantlab.core._door import PanelLike, as_panel
from quantlab.core._errors import DataError, InputError, LabelError
from quantlab.core._panel import Panel
from quantlab.core.periods import Frequency

if TYPE_CHECKING:
    import polars as pl

_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False)
class Bars:
    """Price bars of N symbols over T dates.

    Parameters
    ----------
    close : PanelLike (T, N), currency per share, > 0
    open, high, low : PanelLike (T, N), currency per share, > 0, optional
        Close-only data are legal; what needs another field says so.
    volume : PanelLike (T, N), shares, >= 0, optional
    member : PanelLike (T, N), bool, optional
        True where the symbol belonged to the universe at that close. By default: where it has a close.
    name : str
        The dataset, for messages and reports.
    adjusted : "unknown" | "none" | "split" | "total_return"
        How prices were adjusted for corporate actions; the dataset's owner declares it.
    note : str
        What the data are and are not, in a sentence or two; reports show it.
    actions : polars.DataFrame, optional
        Corporate actions that are *not yet* in the prices: ``symbol``, ``date`` (the ex-date), ``kind``, ``value``,
        ``into`` where there are conversions, and what else the table "actions" of ``quantlab.data.schemas`` has. None:
        nothing is known of actions; a frame without rows: there are none. Rows of other symbols or dates are left out,
        the others sorted by date, symbol and kind; a run lists symbols that the bars do not have. A conversion stays
        when ``into`` is none of the bars' symbols: ``ql.data.quality`` lists it.
    borrow : polars.DataFrame, optional
        Cost and supply of borrowed shares: ``symbol``, ``date`` (from this day on), ``rate`` (fraction of the value per
        year) and ``available`` (shares). Left out and sorted likewise; the row that holds on the first date stays.

    Raises
    ------
    LabelError
        When a field has other labels than ``close``, there is no symbol or no date, or a row of a table stands twice:
        an action by symbol, date and kind, borrow data by symbol and date.
    DataError
        When a price is zero, negative or infinite, or a volume is negative or infinite, or a conversion does not say
        into what: the first offender is named.

    Notes
    -----
    NaN means that there was no such bar. Nothing is filled. Two Bars are compared by ``content_hash``; ``==`` asks
    whether they are the same object.
    """

    close: Panel
    open: Panel | None = None
    high: Panel | None = None
    low: Panel | None = None
    volume: Panel | None = None
    member: Panel = None  # type: ignore[assignment]  # filled in below
    name: str = "bars"
    adjusted: str = "unknown"
    note: str = ""
    actions: pl.DataFrame | None = None
    borrow: pl.DataFrame | None = None
    # Symbols of the tables that are not among the bars', by table: what a run may have to say about them.
    _strangers: dict[str, tuple[str, ...]] = attribute(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        close = as_panel(self.close, name="close")
        if close.shape[1] == 0:
            raise InputError(f"The universe of {self.name} is empty: there is no symbol.")
        if close.shape[0] == 0:
            raise InputError(f"{self.name} has no dates.", hint="check `start` and `end`.")
        object.__setattr__(self, "close", close)
        for field in (*_PRICES, "volume", "member"):
            panel = getattr(self, field)
            if panel is None:
                continue
            panel = as_panel(panel, name=field)
            _demand_labels(close, panel, field)
            if field in _PRICES:
                _demand(panel, panel.values > 0, field, "a price must be positive and finite", self.name)
            elif field == "volume":
                _demand(panel, panel.values >= 0, field, "a volume must be zero or more and finite", self.name)
            object.__setattr__(self, field, panel)
        if self.member is None:
            object.__setattr__(self, "member", close._like(~np.isnan(close.values)))
        elif self.member.values.dtype != bool:
            raise DataError("`member` must be a bool Panel.", hint="compare first: `weight > 0`.")
        if self.adjusted not in ("unknown", "none", "split", "total_return"):
            raise InputError(
                f'`adjusted` must be "unknown", "none", "split" or "total_return", received {self.adjusted!r}.'
            )
        for name in ("actions", "borrow"):
            table = getattr(self, name)
            if table is not None:
                object.__setattr__(self, name, _tables.cut(table, name, self.dates, self.symbols))
                self._strangers[name] = _tables.strangers(table, name, self.dates, self.symbols)

    @property
    def dates(self) -> np.ndarray:
        """(T,) datetime64."""
        return self.close.dates

    @property
    def symbols(self) -> tuple[str, ...]:
        """The N symbols."""
        return self.close.symbols

    @property
    def frequency(self) -> Frequency | None:
        """Bars per year and trading calendar."""
        return self.close.frequency

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N): dates, symbols."""
        return self.close.shape

    @property
    def fields(self) -> tuple[str, ...]:
        """The price and volume fields that are present."""
        return tuple(name for name in (*_PRICES, "volume") if getattr(self, name) is not None)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of labels, values, tables, adjustment and frequency, hexadecimal: two Bars with equal hash hold equal
        data, of which the same results follow. Name and note are not in it.
        """
        digest = hashlib.sha256()
        often = "" if self.frequency is None else f" {self.frequency.periods} {self.frequency.calendar}"
        digest.update(f"{self.shape} {self.dates.dtype} {self.adjusted}{often}".encode())
        digest.update(self.dates.view(np.int64).tobytes())
        for symbol in self.symbols:
            text = symbol.encode()
            digest.update(b"%d:%s" % (len(text), text))
        for field in (*_PRICES, "volume", "member"):
            panel = getattr(self, field)
            if panel is not None:
                digest.update(field.encode())
                values = panel.values
                if values.dtype != bool:
                    # Equal numbers count as equal, whatever their bits: every NaN, and -0.0 + 0.0 is 0.0.
                    values = np.where(np.isnan(values), np.nan, values) + 0.0
                digest.update(values.tobytes())
        for name in ("actions", "borrow"):
            table = getattr(self, name)
            if table is not None:
                _tables.hash_into(digest, name, table)
        return digest.hexdigest()

    def between(self, start: Any = None, end: Any = None) -> Bars:
        """Return the bars with ``start <= date <= end``."""
        return self._each(lambda panel: panel.between(start, end))

    def select(self, symbols: str | Sequence[str]) -> Bars:
        """Return the bars of ``symbols``, in that order."""
        chosen = {symbols} if isinstance(symbols, str) else set(symbols)
        others = [symbol for symbol in self.symbols if symbol not in chosen]
        tables = {name: _tables.without(getattr(self, name), others) for name in ("actions", "borrow")}
        return self._each(lambda panel: panel.select(symbols), **tables)

    def demand(self, field: str) -> Panel:
        """Return a field, or raise InputError saying that these bars do not have it."""
        panel = getattr(self, field)
        if panel is None:
            hint = 'use `fill="next_close"`.' if field == "open" else None
            raise InputError(f"{self.name} has no {field} prices (it has {', '.join(self.fields)}).", hint=hint)
        return panel

    def _each(self, function: Any, **tables: Any) -> Bars:
        changed = {
            field.name: function(getattr(self, field.name))
            for field in fields(self)
            if isinstance(getattr(self, field.name), Panel)
        }
        made = replace(self, **changed, **tables)
        made._strangers.update(self._strangers)
        return made

    def __repr__(self) -> str:
        first, last = _labels.show(self.dates[0]), _labels.show(self.dates[-1])
        return (
            f"Bars {self.name}: {self.shape[0]} dates x {self.shape[1]} symbols, {first} to {last}, "
            f"{', '.join(self.fields)}, adjusted: {self.adjusted}, sha256 {self.content_hash[:12]}"
        )


def as_bars(
    close: PanelLike,
    *,
    frequency: Frequency | None = None,
    name: str = "bars",
    adjusted: str = "unknown",
    note: str = "",
    actions: pl.DataFrame | None = None,
    borrow: pl.DataFrame | None = None,
    **panels: PanelLike,
) -> Bars:
    """Return Bars from a Panel or Polars frame of closes and, by name, the other fields.

    Parameters
    ----------
    close : PanelLike (T, N), currency per share, > 0
        A wide frame has one date column and one column per symbol; a long one has ``symbol`` and one value column.
    frequency : Frequency, optional
        Bars per year and trading calendar: ``Frequency.daily("XNYS")``. A frame cannot carry one; a Panel's own is kept
        when this is left out. Metrics need the bars per year, month-end decisions the calendar.
    name, adjusted, note, actions, borrow
        As in :class:`Bars`.
    **panels : PanelLike (T, N)
        Any of ``open``, ``high``, ``low``, ``volume``, ``member``, on the dates and symbols of ``close``.

    Returns
    -------
    Bars

    Raises
    ------
    InputError
        For a field of another name.
    LabelError, DataError
        As in :class:`Bars`.

    Examples
    --------
    >>> close = Panel([[10.0]], ["2024-01-02"], ["A"])
    >>> as_bars(close, open=close, frequency=Frequency.daily("XNYS")).frequency
    Frequency(periods=252.0, calendar='XNYS')
    """
    unknown = [field for field in panels if field not in (*_PRICES, "volume", "member")]
    if unknown:
        near = {"calendar": 'pass `frequency=ql.Frequency.daily("XNYS")`.'}
        fields = "bars have open, high, low, close, volume and member."
        raise InputError(f"`{unknown[0]}` is no field of bars.", hint=near.get(unknown[0], fields))
    base = as_panel(close, name="close", frequency=frequency)
    if frequency is not None and base.frequency != frequency:
        base = Panel._trusted(base.values, base.dates, base.symbols, frequency)
    others = {field: as_panel(panel, name=field, frequency=frequency) for field, panel in panels.items()}
    return Bars(base, name=name, adjusted=adjusted, note=note, actions=actions, borrow=borrow, **others)


def _demand_labels(close: Panel, panel: Panel, field: str) -> None:
    if not _labels.same_dates(close.dates, panel.dates):
        raise LabelError(f"`{field}` and `close` differ in dates: {_labels.date_difference(panel.dates, close.dates)}.")
    if panel.symbols != close.symbols:
        raise LabelError(
            f"`{field}` and `close` differ in symbols: {_labels.difference(panel.symbols, close.symbols)}."
        )


def _demand(panel: Panel, good: np.ndarray, field: str, rule: str, name: str) -> None:
    bad = ~(good & (panel.values != np.inf)) & ~np.isnan(panel.values)
    if not bad.any():
        return
    rows, columns = np.nonzero(bad)
    row, column = int(rows[0]), int(columns[0])
    more = f" and {rows.size - 1} more" if rows.size > 1 else ""
    raise DataError(
        f"{name} {field} of {panel.symbols[column]} {_labels.show(panel.dates[row])}{more} "
        f"is {panel.values[row, column]:g}; {rule}.",
        hint="a missing value is NaN or null.",
    )
