"""``Store``: named datasets of bars and the tables around them, in a folder or an object store, with every version.

At rest data are long (one row per date and symbol); in memory they are aligned ``Bars``. What is missing at rest is
null or has no row, and becomes NaN; nothing is filled. Prices stay as their owner declared them (``adjusted``), in the
unit of the manifest; adjustment happens on reading.

A dataset is a row of versions. A version is never changed: what a store knew at a moment can be read again as long as
it is not pruned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from quantlab.core import Bars, InputError, KindError, StoreError
from quantlab.core._door import demand_known
from quantlab.core._labels import check_symbols
from quantlab.data.schemas import TABLES
from quantlab.data.store import _choose, _clock, _commit, _listing, _load, _parts, _prune, _versions
from quantlab.data.store._files import LocalFolder
from quantlab.data.store._manifest import Manifest, legal_bar
from quantlab.data.store._names import demand_legal
from quantlab.data.store._prune import Pruned
from quantlab.data.store._upsert import Change

T = TypeVar("T")


class Store:
    """A folder, or a place in an object store, that holds datasets.

    Parameters
    ----------
    path : str | os.PathLike
        A folder, which need not exist: it is empty until the first ``write``. Or a URL such as ``s3://bucket/prefix``
        (the extra ``s3``).
    storage_options : mapping of str to str, optional
        For an object store, with the names that Polars and object_store use: ``aws_region``, ``aws_access_key_id``,
        ``aws_secret_access_key``, ``aws_endpoint_url``, ``aws_allow_http``. What is left out comes from the environment
        (``AWS_REGION``, ...).
    cache : path, optional
        For an object store: the folder that keeps parts once downloaded. By default one in the user's cache directory.
    clock : callable () -> datetime, optional
        Says when a version is committed; by default the system's clock.

    Raises
    ------
    StoreError
        When the path is a file.
    MissingLibraryError
        For a URL, when obstore is not installed.

    Notes
    -----
    Any number of processes may read while one writes: a reader gets a version whole. The SHA-256 of every Parquet part
    is checked when a Store first reads it. In a folder a second writer of a dataset is refused while the first is at
    work; in an object store of two writers one commits and the other is told.

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

    A correction is a new version, and the old one can still be read:

    >>> change = store.update("two", frame.filter(symbol="A").with_columns(close=5.5))
    >>> change.changed.drop("table").rows()
    [('A', datetime.date(2024, 1, 3), 'close', '5.0', '5.5')]
    >>> store.bars("two", known_at=facts.committed_at).content_hash == bars.content_hash
    True
    """

    def __init__(
        self,
        path: Any,
        *,
        storage_options: Mapping[str, str] | None = None,
        cache: Any = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        if isinstance(path, str) and "://" in path:
            from quantlab.data.store._objects import ObjectFolder

            self.path: Any = path.rstrip("/")
            self._folder: Any = ObjectFolder(path, options=storage_options or {}, cache=cache)
        else:
            try:
                self.path = Path(path).expanduser()
            except TypeError as error:
                raise KindError(f"`path` must be a folder, received {type(path).__name__}.") from error
            if storage_options or cache is not None:
                raise InputError("`storage_options` and `cache` are for object stores such as s3://bucket/prefix.")
            self._folder = LocalFolder(self.path)
        self._clock = clock or _clock.now
        self._believed = _parts.Believed(self._folder)

    def __repr__(self) -> str:
        return f"Store {self.path}: {', '.join(self._folder.names()) or 'empty'}"

    def datasets(self) -> pl.DataFrame:
        """Return one row per dataset, by name.

        Returns
        -------
        polars.DataFrame
            ``name``, ``symbols`` (how many), ``first`` and ``last`` date, ``rows`` of bars, ``fields`` (list), ``bar``,
            ``adjusted``, ``calendar``, ``source``, ``tables`` (list), ``version``, ``hash`` (first 12 digits of the
            SHA-256 of what is stored), ``problem``: null, or why the dataset cannot be read (the rest is null then).
        """
        return _listing.datasets(self._folder)

    def describe(self, name: str, *, known_at: Any = None) -> Manifest:
        """Return the facts of a dataset: of its newest version, or of the one in force at ``known_at``.

        Raises
        ------
        StoreError
            When there is no such dataset or version, or its manifest is damaged or of another schema version.
        """
        return _versions.find(self._folder, name, known_at)

    def versions(self, name: str) -> pl.DataFrame:
        """Return one row per version of a dataset, the oldest first.

        Returns
        -------
        polars.DataFrame
            ``version``, ``committed_at`` (UTC), ``change``, ``rows`` of bars, ``symbols`` (how many), ``last`` date,
            ``size`` of all its parts (bytes; parts are shared between versions), ``hash``, ``problem``.

        Raises
        ------
        StoreError
            When there is no such dataset.
        """
        self._demand(name)
        return _listing.versions(self._folder, name)

    def write(
        self,
        name: str,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        calendar: str,
        adjusted: str,
        bar: str = "1d",
        source: str = "",
        note: str = "",
        units: Mapping[str, str] | None = None,
        actions: pl.DataFrame | None = None,
        borrow: pl.DataFrame | None = None,
        members: pl.DataFrame | None = None,
        reference: pl.DataFrame | None = None,
        events: pl.DataFrame | None = None,
        rejects: pl.DataFrame | None = None,
        review: pl.DataFrame | None = None,
    ) -> Manifest:
        """Store a long frame and its tables as dataset ``name``, in place of what was there, and return its facts.

        What was there stays readable by ``known_at``. The same data and facts again make no new version.

        Parameters
        ----------
        name : str
            Letters, digits, ``_`` and ``-``.
        frame : polars.DataFrame | polars.LazyFrame
            One row per date and symbol, in any order: ``date`` (Date; for intraday bars the moment at which the bar
            ended, with its time zone), ``symbol`` (text), ``close``, and any of ``open``, ``high``, ``low``,
            ``adj_close`` (currency per share, > 0), ``volume`` (shares, >= 0) and ``member`` (Boolean: in the universe
            at that close).
        calendar : str
            Whose sessions the dates are: a code of exchange_calendars ("XNYS", "XLON") or "24/7".
        adjusted : "unknown" | "none" | "split" | "total_return"
            How prices were adjusted for corporate actions.
        bar : str
            Length of a bar: "1d", or minutes or hours such as "5min" and "1h".
        source, note : str
            Where the data come from, and what a user must know of them.
        units : mapping of field to unit, optional
            Where it is not currency per share, or shares.
        actions, borrow, members, reference, events, rejects, review : polars.DataFrame, optional
            Tables of ``quantlab.data.schemas``. One without rows says that there is nothing to tell; one that is left
            out says nothing, and the new version does not have it.

        Returns
        -------
        Manifest

        Raises
        ------
        InputError, KindError, LabelError, DataError
            When a frame or an argument cannot be accepted: the first offender is named and nothing is written.
        StoreError
            When another writer is at it, or the disk refuses; the old version is then the newest still.
        """
        demand_legal(name)
        if adjusted not in _load.ADJUSTED:
            raise InputError(f"`adjusted` must be one of {', '.join(_load.ADJUSTED)}, received {adjusted!r}.")
        for label, text in (("calendar", calendar), ("source", source), ("note", note)):
            _demand_text(label, text)
        if not legal_bar(bar):
            raise InputError(f'`bar` must be "1d", or minutes or hours such as "5min" and "1h", received {bar!r}.')
        given = _given(
            actions=actions,
            borrow=borrow,
            members=members,
            reference=reference,
            events=events,
            rejects=rejects,
            review=review,
        )
        draft = _commit.Draft(name, calendar, adjusted, bar, source, note, dict(units or {}))
        return _commit.replace(self._folder, draft, frame, given, self._now)

    def update(
        self,
        name: str,
        frame: pl.DataFrame | pl.LazyFrame | None = None,
        *,
        actions: pl.DataFrame | None = None,
        borrow: pl.DataFrame | None = None,
        members: pl.DataFrame | None = None,
        reference: pl.DataFrame | None = None,
        events: pl.DataFrame | None = None,
        rejects: pl.DataFrame | None = None,
        review: pl.DataFrame | None = None,
        withdraw: Mapping[str, pl.DataFrame] | None = None,
        source: str | None = None,
        note: str | None = None,
    ) -> Change:
        """Add rows to a dataset, correct and withdraw those it has, by key, and return what changed.

        A row of a new key is added. At a known key the columns that the frame has take its values, missing ones
        included; the others stay. Rows that say nothing new are dropped; when nothing is left, there is no new version.
        What is withdrawn stays in the versions before.

        Parameters
        ----------
        name : str
        frame : polars.DataFrame | polars.LazyFrame, optional
            Bars as in :meth:`write`. New symbols, new dates and fields that the dataset did not have are welcome.
        actions, borrow, members, reference, events, rejects, review : polars.DataFrame, optional
            Tables of ``quantlab.data.schemas``. A table without rows that the dataset does not have is added as such.
        withdraw : mapping of table to polars.DataFrame, optional
            Rows that the tables are to have no more, by the columns of their key; other columns are not looked at, so
            that rows of :meth:`table` will do. They go before others are added. Bars cannot be withdrawn: see
            :meth:`review`.
        source, note : str, optional
            In place of the old ones.

        Returns
        -------
        Change

        Raises
        ------
        InputError, KindError, LabelError, DataError
            As :meth:`write`; also for a ``member`` column on one side alone, since a membership is never unknown, and
            for a row to withdraw that is not there.
        StoreError
            As :meth:`write`, and when there is no such dataset or it is damaged.
        """
        facts = self.describe(name)
        for label, text in (("source", source), ("note", note)):
            if text is not None:
                _demand_text(label, text)
        given = _given(
            actions=actions,
            borrow=borrow,
            members=members,
            reference=reference,
            events=events,
            rejects=rejects,
            review=review,
        )
        if not isinstance(withdraw, Mapping | None):
            raise KindError(
                f"`withdraw` must say from which table, received {type(withdraw).__name__}.",
                hint='`withdraw={"actions": rows}`.',
            )
        texts = {"source": source, "note": note}
        return _commit.update(self._folder, self._believed, facts, frame, given, withdraw or {}, texts, self._now)

    def review(self, name: str, frame: pl.DataFrame) -> Change:
        """Add decisions about findings: the same as ``update(name, review=frame)``."""
        return self.update(name, review=frame)

    def table(
        self,
        name: str,
        table: str,
        *,
        symbols: str | Sequence[str] | None = None,
        start: Any = None,
        end: Any = None,
        known_at: Any = None,
    ) -> pl.DataFrame:
        """Return a table of a dataset as it is stored: long, sorted by its key.

        Parameters
        ----------
        name : str
        table : str
            Of ``quantlab.data.schemas.TABLES``: "bars", "actions", "borrow", ...
        symbols : str or sequence of str, optional
            Of events: their ``id``.
        start, end : date, moment or text, inclusive, optional
            Rows of that time; of tables with intervals, those that hold on any day of it; of events, those that became
            known in it.
        known_at : date, moment or text, optional
            As in :meth:`bars`.

        Returns
        -------
        polars.DataFrame
            In the schema of the table (bars: with the fields that are stored). Without rows when there are none.

        Raises
        ------
        StoreError
            When there is no such dataset or version, or it is damaged.
        InputError
            For an unknown table.
        LabelError
            When the dataset has no bars of a symbol, for table "bars".
        """
        if table not in TABLES:
            raise InputError(f"There is no table {table!r}; there are {', '.join(TABLES)}.")
        names = None
        if symbols is not None:
            names = check_symbols([symbols] if isinstance(symbols, str) else symbols)

        def once(facts: Manifest) -> pl.DataFrame:
            low, high = _choose.span(facts, table, start, end)
            if table != "bars":
                return _choose.rows(_parts.table_of(self._believed, facts, table), table, names, low, high)
            if names is not None:
                demand_known(names, facts.symbols)
            frame = _parts.bars_of(self._believed, facts, low=low, high=high, symbols=names)
            return frame.sort(TABLES["bars"].key)

        return self._steady(name, known_at, once)

    def bars(
        self,
        name: str,
        *,
        start: Any = None,
        end: Any = None,
        symbols: str | Sequence[str] | None = None,
        fields: str | Sequence[str] | None = None,
        adjust: str | None = None,
        known_at: Any = None,
        quarantine: bool = True,
    ) -> Bars:
        """Return the aligned bars of a dataset.

        Parameters
        ----------
        name : str
        start, end : date or text such as "2015-01-31", inclusive, optional
            For intraday bars also moments; a day given as the end means all of it, in UTC.
        symbols : str or sequence of str, optional
            By default all the dataset has, whether or not they have a row in the range.
        fields : str or sequence of str, optional
            Of open, high, low, close, volume. ``close`` always comes along, and so does ``member`` where it is stored.
        adjust : "none" | "split" | "total_return", optional
            By default prices come as stored. Prices that are stored raw can be read in all three ways; split-adjusted
            ones with dividends as well; what an adjustment has done is not undone. Actions with an ex-date in the range
            are used, so that the last bar keeps its price: what comes later does not reach back.
        known_at : date, moment with a time zone, or text, optional
            Read what the store knew then: the version in force at that moment, or at the end of that day in UTC.
        quarantine : bool
            Whether bars that a review has put into quarantine load as missing.

        Returns
        -------
        Bars (T, N)
            The T dates in the range on which the dataset has any row, by the N symbols, sorted by name. NaN where there
            is no row or no value. ``member`` is the stored column (False where there is no row), else what the table
            ``members`` says, else true where there is a close. ``actions`` are those that are not in the prices. The
            frequency follows from the calendar and the length of a bar; ``note`` is the dataset's.

        Raises
        ------
        StoreError
            When there is no such dataset, it is damaged, or it had no version at ``known_at``.
        InputError
            When no date lies in the range, or the dataset does not have a field or cannot be adjusted so.
        LabelError
            When the dataset does not have a symbol.
        """
        request = _load.Request(start, end, symbols, fields, adjust, quarantine)
        return self._steady(name, known_at, lambda facts: _load.bars(self._believed, facts, request))

    def prune(self, name: str, *, before: Any) -> Pruned:
        """Free the versions that were no longer in force at a moment, and the files that no version names.

        ``known_at`` keeps answering from that moment on; the newest version always stays.

        Parameters
        ----------
        name : str
        before : date, moment with a time zone, or text
            A date means its end in UTC.

        Returns
        -------
        Pruned

        Raises
        ------
        StoreError
            When there is no such dataset, another writer is at it, or a version that stays is damaged.
        """
        self._demand(name)
        return _prune.prune(self._folder, name, _versions.moment(before), self._now())

    def _steady(self, name: str, known_at: Any, read: Callable[[Manifest], T]) -> T:
        """Return ``read(manifest)``, again with another manifest when ``prune`` has taken the files away meanwhile."""
        facts = self.describe(name, known_at=known_at)
        for _ in range(_versions.PATIENCE):
            try:
                return read(facts)
            except FileNotFoundError as error:
                if facts.version in self._folder.numbers(name):
                    raise _parts.damaged(name, f"its part {error} is missing") from error
                facts = self.describe(name, known_at=known_at)
            except OSError as error:
                raise StoreError(f"Dataset {name} cannot be read: {error.strerror or error}.") from error
            except pl.exceptions.PolarsError as error:
                raise _parts.damaged(name, str(error).splitlines()[0]) from error
        raise StoreError(f"Dataset {name} is rewritten faster than it can be read.", hint="stop the writers first.")

    def _demand(self, name: str) -> None:
        demand_legal(name)
        if not self._folder.numbers(name):
            _versions.find(self._folder, name)

    def _now(self) -> datetime:
        moment = self._clock()
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise KindError(f"`clock` must give moments with a time zone, received {moment!r}.")
        return moment.astimezone(UTC)


def _given(**tables: Any) -> dict[str, Any]:
    return {name: frame for name, frame in tables.items() if frame is not None}


def _demand_text(label: str, text: Any) -> None:
    if not isinstance(text, str):
        raise KindError(f"`{label}` must be text, received {type(text).__name__}.")
