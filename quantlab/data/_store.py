"""``Store``: named datasets of daily bars in a folder, one Parquet file and one manifest each.

At rest data are long (one row per date and symbol); in memory they are aligned ``Bars``. What is missing at rest is
null or has no row, and becomes NaN; nothing is filled. Prices stay as their owner declared them (``adjusted``), in the
unit of the manifest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from quantlab.core import Bars, Frequency, InputError, KindError, Panel, StoreError
from quantlab.core._door import demand_known, row_slice
from quantlab.core._labels import check_symbols
from quantlab.data import _files, _manifest, _scatter, _table
from quantlab.data._manifest import Manifest

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ADJUSTED = ("unknown", "none", "split", "total_return")
_SCHEMA: dict[str, Any] = {
    "name": pl.String,
    "symbols": pl.Int64,
    "first": pl.Date,
    "last": pl.Date,
    "rows": pl.Int64,
    "fields": pl.List(pl.String),
    "adjusted": pl.String,
    "calendar": pl.String,
    "source": pl.String,
    "hash": pl.String,
}
# A reader that loses its file to a writer starts again; each time, a whole dataset has been written in between.
_PATIENCE = 100


class Store:
    """A folder of datasets.

    Parameters
    ----------
    path : str | os.PathLike
        The folder. It need not exist: it is empty until the first ``write``.

    Raises
    ------
    StoreError
        When the path is a file.

    Notes
    -----
    Any number of processes may read while one writes: a reader gets the old dataset or the new one, whole. The SHA-256
    of a data file is checked when a Store first reads it.

    Examples
    --------
    >>> from datetime import date
    >>> from tempfile import mkdtemp
    >>> store = Store(mkdtemp())
    >>> days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 3)]
    >>> frame = pl.DataFrame({"date": days, "symbol": ["B", "B", "A"], "close": [10.0, 11.0, 5.0]})
    >>> facts = store.write("two", frame, calendar="XNYS", adjusted="none")
    >>> bars = store.bars("two")
    >>> bars.symbols, bars.close.values
    (('A', 'B'), array([[nan, 10.],
           [ 5., 11.]]))
    """

    def __init__(self, path: Any) -> None:
        try:
            self.path = Path(path).expanduser()
        except TypeError as error:
            raise KindError(f"`path` must be a folder, received {type(path).__name__}.") from error
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file.", hint="a store is a folder.")
        self._believed: set[tuple[int, int, int, str]] = set()

    def __repr__(self) -> str:
        return f"Store {self.path}: {', '.join(self._names()) or 'empty'}"

    def datasets(self) -> pl.DataFrame:
        """Return one row per dataset, by name.

        Returns
        -------
        polars.DataFrame
            ``name``, ``symbols`` (how many), ``first`` and ``last`` date, ``rows``, ``fields`` (list), ``adjusted``,
            ``calendar``, ``source``, ``hash`` (first 12 digits of the data file's SHA-256).

        Raises
        ------
        StoreError
            When a manifest is damaged or of a newer version.
        """
        rows = [
            {
                "name": facts.dataset,
                "symbols": len(facts.symbols),
                "fields": list(facts.fields),
                "hash": facts.sha256[:12],
                **{key: getattr(facts, key) for key in ("first", "last", "rows", "adjusted", "calendar", "source")},
            }
            for facts in map(self.describe, self._names())
        ]
        return pl.DataFrame(rows, schema=_SCHEMA)

    def describe(self, name: str) -> Manifest:
        """Return the facts of a dataset.

        Raises
        ------
        StoreError
            When there is no such dataset, or its manifest is damaged or of a newer version.
        """
        folder = self.path / _named(name)
        try:
            return _manifest.load(folder)
        except FileNotFoundError:
            raise self._unknown(name) from None

    def write(
        self,
        name: str,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        calendar: str,
        adjusted: str,
        source: str = "",
        note: str = "",
        units: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Store a long frame as dataset ``name``, in place of what was there, and return its facts.

        Parameters
        ----------
        name : str
            Letters, digits, ``_`` and ``-``.
        frame : polars.DataFrame | polars.LazyFrame
            One row per date and symbol, in any order: ``date`` (Date), ``symbol`` (text), ``close``, and any of
            ``open``, ``high``, ``low`` (currency per share, > 0), ``volume`` (shares, >= 0) and ``member`` (Boolean: in
            the universe at that close).
        calendar : str
            Whose sessions the dates are: a code of exchange_calendars ("XNYS", "XLON") or "24/7".
        adjusted : "unknown" | "none" | "split" | "total_return"
            How prices were adjusted for corporate actions.
        source, note : str
            Where the data come from, and what a user must know of them.
        units : mapping of field to unit, optional
            Where it is not currency per share, or shares.

        Returns
        -------
        Manifest

        Raises
        ------
        InputError, KindError, LabelError, DataError
            When the frame or an argument cannot be accepted: the first offender is named and nothing is written.
        StoreError
            When another writer is at it, or the disk refuses; the old dataset is then untouched.
        """
        _named(name)
        if adjusted not in _ADJUSTED:
            raise InputError(f"`adjusted` must be one of {', '.join(_ADJUSTED)}, received {adjusted!r}.")
        for label, text in (("calendar", calendar), ("source", source), ("note", note)):
            if not isinstance(text, str):
                raise KindError(f"`{label}` must be text, received {type(text).__name__}.")
        Frequency.daily(calendar)
        table = _table.checked(frame, name)
        fields = {field: _table.UNITS[field] for field in table.columns[2:]}
        for field, unit in (units or {}).items():
            if field not in fields:
                raise InputError(f"`units` names {field}, and the frame has {', '.join(fields)}.")
            if not isinstance(unit, str):
                raise KindError(f"The unit of {field} must be text, received {type(unit).__name__}.")

        def facts(file: str, sha256: str, size: int) -> Manifest:
            from quantlab import __version__

            return Manifest(
                schema=_manifest.SCHEMA,
                dataset=name,
                file=file,
                sha256=sha256,
                size=size,
                rows=table.height,
                dates=table["date"].n_unique(),
                first=table["date"][0],
                last=table["date"][-1],
                symbols=tuple(table.schema["symbol"].categories),  # type: ignore[attr-defined]
                fields=fields | dict(units or {}),
                calendar=calendar,
                adjusted=adjusted,
                source=source,
                note=note,
                created_by=f"quantlab {__version__}",
            )

        return _files.replace(self.path / name, table, facts)

    def bars(
        self,
        name: str,
        *,
        start: Any = None,
        end: Any = None,
        symbols: str | Sequence[str] | None = None,
        fields: str | Sequence[str] | None = None,
    ) -> Bars:
        """Return the aligned bars of a dataset.

        Parameters
        ----------
        name : str
        start, end : date or text such as "2015-01-31", inclusive, optional
        symbols : str or sequence of str, optional
            By default all the dataset has, whether or not they have a row in the range.
        fields : str or sequence of str, optional
            Of open, high, low, close, volume. ``close`` always comes along, and so does ``member`` where it is stored.

        Returns
        -------
        Bars (T, N)
            The T dates in the range on which the dataset has any row, by the N symbols, sorted by name. NaN where there
            is no row or no value; ``member`` is false where there is no row. The frequency is one bar per session of
            the stored calendar; ``note`` is the dataset's.

        Raises
        ------
        StoreError
            When there is no such dataset, or it is damaged.
        InputError
            When no date lies in the range, or the dataset does not have a field.
        LabelError
            When the dataset does not have a symbol.
        """

        def once(facts: Manifest) -> Bars:
            wanted = _wanted(facts, symbols)
            chosen = _chosen(facts, fields)
            span = _span(facts, start, end)
            path = self.path / name / facts.file
            self._believe(path, facts)
            dates, found = _scatter.read(path, span=span, symbols=facts.symbols, wanted=wanted, fields=chosen)
            if dates.size == 0:
                raise _no_dates(facts, start, end)
            dates.setflags(write=False)
            frequency = Frequency.daily(facts.calendar)
            panels = {field: Panel._trusted(found.pop(field), dates, wanted, frequency) for field in chosen}
            return Bars(**panels, name=name, adjusted=facts.adjusted, note=facts.note)

        return self._steady(name, once)

    def _steady(self, name: str, read: Callable[[Manifest], T]) -> T:
        """Return ``read(manifest)``, again with the new manifest when a writer has taken the file away meanwhile."""
        facts = self.describe(name)
        for _ in range(_PATIENCE):
            try:
                return read(facts)
            except FileNotFoundError:
                before, facts = facts, self.describe(name)
                if facts.file == before.file and not (self.path / name / facts.file).exists():
                    raise _damaged(name, f"its data file {facts.file} is missing") from None
            except OSError as error:
                raise StoreError(f"Dataset {name} cannot be read: {error.strerror or error}.") from error
            except pl.exceptions.PolarsError as error:
                raise _damaged(name, str(error).splitlines()[0]) from error
        raise StoreError(f"Dataset {name} is rewritten faster than it can be read.", hint="stop the writers first.")

    def _believe(self, path: Path, facts: Manifest) -> None:
        """Refuse a data file whose bytes are not those the manifest speaks of; ask once per Store and file."""
        state = path.stat()
        key = (state.st_ino, state.st_size, state.st_mtime_ns, facts.sha256)
        if key in self._believed:
            return
        if state.st_size != facts.size:
            raise _damaged(facts.dataset, f"{facts.file} has {state.st_size} bytes instead of {facts.size}")
        if _files.digest(path) != facts.sha256:
            raise _damaged(facts.dataset, f"the SHA-256 of {facts.file} is not the manifest's")
        self._believed.add(key)

    def _names(self) -> list[str]:
        if not self.path.is_dir():
            return []
        return sorted(entry.name for entry in self.path.iterdir() if (entry / _manifest.FILE).is_file())

    def _unknown(self, name: str) -> StoreError:
        names = self._names()
        if not names:
            return StoreError(
                f"There is no dataset {name}: store {self.path} is empty.",
                hint="`quantlab data sample` fills it with sample data, offline.",
            )
        near = get_close_matches(name, names, n=1)
        return StoreError(
            f"There is no dataset {name} in store {self.path}; it has {', '.join(names)}.",
            hint=f"did you mean {near[0]}?" if near else None,
        )


def _named(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"A dataset's name has letters, digits, `_` and `-`, at most 64 and no other signs, received {name!r}."
        )
    return name


def _damaged(name: str, reason: str) -> StoreError:
    return StoreError(f"Dataset {name} is damaged: {reason}.", hint="write it again from its source.")


def _wanted(facts: Manifest, symbols: str | Sequence[str] | None) -> tuple[str, ...]:
    if symbols is None:
        return facts.symbols
    names = check_symbols([symbols] if isinstance(symbols, str) else symbols)
    if not names:
        raise InputError(f"No symbol of dataset {facts.dataset} was asked for.", hint="leave `symbols` out for all.")
    demand_known(names, facts.symbols)
    return tuple(sorted(names))


def _chosen(facts: Manifest, fields: str | Sequence[str] | None) -> tuple[str, ...]:
    known = list(facts.fields)
    if fields is None:
        return tuple(known)
    asked = [fields] if isinstance(fields, str) else list(fields)
    for field in asked:
        if field not in known:
            raise InputError(f"Dataset {facts.dataset} has no field {field!r}; it has {', '.join(known)}.")
    return tuple(field for field in known if field in asked or field in ("close", "member"))


def _span(facts: Manifest, start: Any, end: Any) -> tuple[Any, Any] | None:
    """The first and last day to read, or None for all of them."""
    if start is None and end is None:
        return None
    days = np.arange(np.datetime64(facts.first, "D"), np.datetime64(facts.last, "D") + np.timedelta64(1, "D"))
    inside = days[row_slice(days, start, end)]
    if inside.size == 0:
        raise _no_dates(facts, start, end)
    return None if inside.size == days.size else (inside[0].item(), inside[-1].item())


def _no_dates(facts: Manifest, start: Any, end: Any) -> InputError:
    asked = " ".join(part for part in (f"from {start}" if start else "", f"to {end}" if end else "") if part)
    return InputError(f"Dataset {facts.dataset} has no dates {asked}; it covers {facts.first} to {facts.last}.")
