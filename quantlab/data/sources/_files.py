"""``Csv`` and ``Parquet``: files on the disk as sources, read as an import reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from quantlab.core import DataError
from quantlab.data.ingestion import _evidence, _reading, _rows
from quantlab.data.ingestion._at_rest import bars_at_rest, days_of
from quantlab.data.ingestion._evidence import Fact
from quantlab.data.ingestion._file import PARQUET, TEXT
from quantlab.data.ingestion._layout import Layout
from quantlab.data.ingestion._reading import Read
from quantlab.data.sources._source import Batch, Failure, cut


class Files:
    """Files of one kind, read at their first use and once."""

    _kinds: tuple[str, ...] = ()

    def __init__(
        self,
        path: Any,
        *,
        calendar: str | None = None,
        adjusted: str | None = None,
        bar: str | None = None,
        units: Mapping[str, str] | None = None,
        **layout: Any,
    ) -> None:
        self.path = Path(path).expanduser()
        self._told = {"calendar": calendar, "adjusted": adjusted, "bar": bar}
        self._units = dict(units or {})
        self._layout = Layout.of(layout)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.path}"

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def units(self) -> Mapping[str, str]:
        """As given."""
        return dict(self._units)

    @property
    def calendar(self) -> str | None:
        """As given, else the calendar that the dates fit; None when there is none."""
        if self._told["calendar"] is not None:
            return self._told["calendar"]
        fact = _evidence.calendar(days_of(self._bars[1], self._read), None)
        return None if fact is None else fact.value

    @property
    def adjusted(self) -> str:
        """As given, else what the files prove, else "unknown"."""
        if self._told["adjusted"] is not None or not self._read.daily:
            return self._told["adjusted"] or "unknown"
        events = self._read.judged.dividends.with_columns(pl.col("symbol").cast(pl.String))
        return _evidence.adjusted(self._bars[1], events, None).value

    @property
    def bar(self) -> str:
        """As given, else by the steps of the dates."""
        return self._bars[0].value

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols of all files, sorted."""
        return tuple(self._bars[1]["symbol"].unique().cast(pl.String).sort())

    def fetch(self, symbols: Sequence[str], start: date | None, end: date | None) -> Batch:
        """Return the bars of ``symbols`` in [start, end]; what a file lacks is a failure, what it refuses a reject."""
        known = set(self.symbols())
        unread = {Path(name.source.removesuffix(".gz")).stem: name.reason for name in self._read.unread}
        failures = [
            Failure(symbol, unread.get(symbol, f"{self.path} has no {symbol}."))
            for symbol in symbols
            if symbol not in known
        ]
        # What a file that cannot be read would have held nobody knows: it is told with every answer.
        failures += [Failure(stem, reason) for stem, reason in unread.items() if stem not in {*symbols, *known}]
        held = cut(self._bars[1], symbols, start, end)
        here = set(held["symbol"].unique().cast(pl.String))
        notes = [f"{symbol} has no bars from {start} to {end}." for symbol in symbols if symbol in known - here]
        events = _rows.actions_of(cut(self._read.judged.dividends, symbols, start, end))
        notes += [f"Not read: {unread[symbol]}" for symbol in sorted(known & set(unread))]
        # A row without a symbol may be of any of them.
        name, rule = pl.col("symbol").str.strip_chars(), pl.col("rule")
        nobody = (name.is_null() | (name == "") | (rule == "missing_symbol")).fill_null(False)
        rejects = self._read.rejects.filter(name.is_in(list(symbols)) | nobody)
        lost = rejects.filter(nobody).height
        if lost:
            rows = "row without a symbol was" if lost == 1 else "rows without a symbol were"
            notes.append(f"{lost:,} {rows} rejected in {self.path}.")
        return Batch(held, events, rejects, tuple(failures), tuple(notes))

    @cached_property
    def _read(self) -> Read:
        found = _reading.read(self.path, self._layout, kinds=self._kinds)
        if found.judged.bars.height == 0:
            raise DataError(f"{self.path} has no row that could be a bar.")
        return found

    @cached_property
    def _bars(self) -> tuple[Fact, pl.DataFrame]:
        length, bars, _ = bars_at_rest(self._read, self._told["bar"], self._layout.stamp, self._told["calendar"])
        return length, bars.with_columns(pl.col("symbol").cast(pl.String)).sort("symbol", "date")


class Csv(Files):
    r"""A CSV file, or a folder or pattern of them, as a source.

    Parameters
    ----------
    path : path
        Without a column for the symbol, the names of the files are the symbols.
    calendar, adjusted, bar : str, optional
        By default what the files prove.
    units : mapping of field to unit, optional
    **layout
        The fields of ``Layout``: ``columns``, ``symbol``, ``date_format``, ``time_zone``, ``stamp``, ``separator``,
        ``decimal``, ``encoding``, ``missing``, ``where``, ``wide``.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> _ = (folder / "AB.csv").write_text("Date;Last\n2024-01-02;9,5\n2024-01-03;9,75\n")
    >>> source = Csv(folder, calendar="XNYS", adjusted="none", columns={"close": "Last"})
    >>> source.fetch(["AB"], date(2024, 1, 3), None).bars.rows()
    [(datetime.date(2024, 1, 3), 'AB', 9.75)]
    """

    _kinds = TEXT


class Parquet(Files):
    """A Parquet file, or a folder or pattern of them, as a source.

    Parameters
    ----------
    path : path
    calendar, adjusted, bar : str, optional
        By default what the files prove.
    units : mapping of field to unit, optional
    **layout
        As for ``Csv``.
    """

    _kinds = PARQUET
