"""``ingest``: files of prices into a dataset, with a report of what was understood and what must be asked.

The order: every file is read and judged (``_reading``), the facts that the data prove are taken from them
(``_evidence``), and then everything is written in one commit. Whatever goes wrong before that, the store is as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from quantlab.core import DataError, InputError, KindError, StoreError
from quantlab.data.ingestion import _evidence, _import_report, _reading, _rows
from quantlab.data.ingestion._at_rest import bars_at_rest, days_of
from quantlab.data.ingestion._evidence import Fact
from quantlab.data.ingestion._import_report import ImportReport
from quantlab.data.ingestion._layout import Layout
from quantlab.data.ingestion._reading import Read
from quantlab.data.store._manifest import Manifest
from quantlab.data.store._names import demand_legal
from quantlab.data.store._store import Store
from quantlab.data.store._table import FIELDS

MODES = ("new", "update", "replace")
# What an import cannot know of: a replacement keeps it.
_KEPT = ("borrow", "members", "reference", "events", "review")


def ingest(
    path: Any,
    *,
    store: Store,
    dataset: str,
    calendar: str | None = None,
    adjusted: str | None = None,
    bar: str | None = None,
    source: str | None = None,
    note: str = "",
    units: Mapping[str, str] | None = None,
    mode: str = "new",
    **layout: Any,
) -> ImportReport:
    """Store the prices of a file, folder or pattern as a dataset, and return what was understood.

    What the files do not prove is not guessed: the adjustment is then stored as unknown, with a question in the
    report; a calendar, time zone or symbol that cannot be known is asked for by an error, before anything is written.

    Parameters
    ----------
    path : path
        A CSV or Parquet file, a folder of them, or a pattern such as "prices/*.csv". Without a column for the symbol
        the names of the files of a folder are the symbols.
    store : Store
    dataset : str
    calendar : str, optional
        Whose sessions the dates are: a code of exchange_calendars or "24/7". By default the one that they fit.
    adjusted : "none" | "split" | "total_return" | "unknown", optional
        By default what dividends, splits and an adjusted close prove, else unknown.
    bar : str, optional
        "1d", "5min", "1h"; by default the shortest step.
    source, note : str, optional
        Where the data come from (by default the path), and what a user must know of them.
    units : mapping of field to unit, optional
        Where it is not currency per share, or shares.
    mode : "new" | "update" | "replace"
        Refuse a dataset that exists; add to it and correct it by date and symbol; or write it anew, with its review,
        members, borrow rates, reference data and events kept. Older versions stay readable in each case.
    **layout
        How to read the files: the fields of ``Layout`` (``columns``, ``symbol``, ``date_format``, ``time_zone``,
        ``stamp``, ``separator``, ``decimal``, ``encoding``, ``missing``, ``where``, ``wide``).

    Returns
    -------
    ImportReport

    Raises
    ------
    InputError
        For an argument or a path that cannot be used.
    DataError
        When no file can be read, no row is left, or what must be known cannot be.
    StoreError
        When the dataset exists or does not, against ``mode``, or cannot be written.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> lines = ["Date,Open,Close,Vol.", "01/02/2024,9.5,10,1.2M", "01/30/2024,n/a,11,900K", "01/31/2024,11,0,5K"]
    >>> _ = (folder / "ABC.csv").write_text(chr(10).join(lines))
    >>> store = Store(folder / "store")
    >>> report = ingest(folder / "ABC.csv", store=store, dataset="abc", adjusted="none")
    >>> report
    ImportReport abc version 1: 2 bars of 1 symbols, 2024-01-02 to 2024-01-30, adjusted: none, 1 rows rejected
    >>> report.dates.value, report.rejected
    ('%m/%d/%Y, proved by 01/30/2024', {'price': 1})
    >>> store.table("abc", "bars").drop("date").rows()
    [('ABC', 9.5, 10.0, 1200000.0), ('ABC', None, 11.0, 900000.0)]
    """
    where = _checked(path, dataset, mode, adjusted)
    before = _before(store, dataset, mode)
    # What an update does not say, the dataset has said.
    known = before if mode == "update" else None
    found = _reading.read(where, Layout.of(layout))
    if found.judged.bars.height == 0:
        raise _nothing_left(found)
    if known is not None:
        _demand_equal_fields(found)
    calendar = calendar or (known.calendar if known else None)
    length, bars, stamped = bars_at_rest(found, bar or (known.bar if known else None), layout.get("stamp"), calendar)
    sessions = _sessions(bars, found, calendar, where)
    prices = _prices(bars, found, adjusted)
    if known is not None:
        prices = _same(known, prices, adjusted, sessions, length)
    draft = _Draft(bars, _actions(found), found.rejects, sessions.value, prices.value, length.value, dict(units or {}))
    named = str(path) if source is None and known is None else source
    version, committed, replaced = _write(store, dataset, draft, before, named, note, anew=known is None)
    return ImportReport(
        dataset=dataset,
        version=version,
        committed=committed,
        replaced=replaced,
        files=len(found.parts),
        rows=found.rows,
        bars=bars.height,
        symbols=bars["symbol"].n_unique(),
        first=bars.select(pl.col("date").min()).item(),
        last=bars.select(pl.col("date").max()).item(),
        bar=length,
        calendar=sessions,
        adjusted=prices,
        dates=_import_report.dates(found, stamped),
        understood=_import_report.understood(found, draft.units),
        actions={} if draft.actions is None else dict(draft.actions.group_by("kind").len().sort("kind").iter_rows()),
        rejected=dict(found.rejects.group_by("rule").len().sort("rule").iter_rows()),
        doubled=found.judged.doubled,
        blank=found.judged.blank,
        unread=found.unread,
        notes=_import_report.notes(found),
        questions=(
            *(fact.question for fact in (sessions, prices) if fact.question),
            *_import_report.doubts(found),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is to be written."""

    bars: pl.DataFrame
    actions: pl.DataFrame | None
    rejects: pl.DataFrame
    calendar: str
    adjusted: str
    bar: str
    units: dict[str, str]


def _checked(path: Any, dataset: str, mode: str, adjusted: str | None) -> Path:
    demand_legal(dataset)
    if mode not in MODES:
        raise InputError(f"`mode` must be one of {', '.join(MODES)}, received {mode!r}.")
    known = ("none", "split", "total_return", "unknown")
    if adjusted is not None and adjusted not in known:
        raise InputError(f"`adjusted` must be one of {', '.join(known)}, received {adjusted!r}.")
    try:
        return Path(path).expanduser()
    except TypeError as error:
        raise KindError(f"`path` must be a path, received {type(path).__name__}.") from error


def _before(store: Store, dataset: str, mode: str) -> Manifest | None:
    """The facts of the dataset as it is, refused before an hour of reading where the mode does not allow it."""
    names = store.datasets()["name"].to_list()
    if dataset not in names:
        if mode == "update":
            raise StoreError(
                f"There is no dataset {dataset} in store {store.path} to update.", hint="leave --update out."
            )
        return None
    if mode == "new":
        raise StoreError(
            f"Dataset {dataset} exists in store {store.path}.",
            hint="--update adds to it and corrects it, --replace writes it anew; its older versions stay in both.",
        )
    return store.describe(dataset)


def _nothing_left(found: Read) -> DataError:
    counts = found.rejects.group_by("rule").len().sort("len", descending=True)
    if counts.height == 0:
        return DataError(f"{found.parts[0].source} has no row with a value.")
    rule, first = str(counts["rule"][0]), found.rejects.row(0, named=True)
    hint = None
    if rule == "price":
        hint = "if the zero means unknown: --missing 0."
    elif rule in ("not_a_date", "ambiguous_date"):
        hint = "say how the dates are written: --date-format %d/%m/%Y."
    return DataError(
        f"None of {found.rows:,} rows can be stored; the rule that most break is {rule} "
        f"({first['source']} line {first['line']}: {first['row'][:160]}).",
        hint=hint,
    )


def _sessions(bars: pl.DataFrame, found: Read, told: str | None, where: Path) -> Fact:
    days = days_of(bars, found)
    fact = _evidence.calendar(days, told)
    if fact is None:
        raise DataError(
            f"The {days.size:,} dates of {where.name}, from {days[0]} to {days[-1]}, fit no calendar that was tried.",
            hint="say whose sessions they are: --calendar XNYS, or another code of exchange_calendars, or 24/7.",
        )
    return fact


def _prices(bars: pl.DataFrame, found: Read, told: str | None) -> Fact:
    if found.daily:
        fact = _evidence.adjusted(bars, found.judged.dividends, told)
        column = next((part.columns.of["adj_close"] for part in found.parts if "adj_close" in part.columns.of), None)
        if fact.question is None or column is None:
            return fact
        route = (
            f'Or take the adjusted close for the price: --replace --column close="{column}" --adjusted total_return.'
        )
        return replace(fact, question=f"{fact.question} {route}")
    if told is not None:
        return Fact(told, "as you said")
    return Fact(
        "unknown",
        "intraday files have nothing to prove it by",
        "How were the prices adjusted? Import again with --replace and --adjusted none, split or total_return.",
    )


def _same(before: Manifest, prices: Fact, told: str | None, sessions: Fact, length: Fact) -> Fact:
    """An update speaks of the dataset as it is: another calendar, bar or adjustment cannot join it."""
    for name, new in (("calendar", sessions.value), ("bar", length.value)):
        if new != getattr(before, name):
            raise DataError(f"Dataset {before.dataset} has {name} {getattr(before, name)}, and these files {new}.")
    if prices.value != before.adjusted and (told is not None or prices.value != "unknown"):
        raise DataError(
            f"Dataset {before.dataset} has prices with adjustment {before.adjusted}, and these files {prices.value}.",
            hint="prices of two kinds cannot share a dataset: import them under another name, or --replace it.",
        )
    return Fact(before.adjusted, "as the dataset says")


def _demand_equal_fields(found: Read) -> None:
    """In an update a column that one file lacks would be missing on its rows, and overwrite what is stored there."""
    held = [{name for name in part.columns.of if name in FIELDS} for part in found.parts]
    every = set().union(*held)
    for part, names in zip(found.parts, held, strict=True):
        if lacking := sorted(every - names):
            raise DataError(
                f"{part.source} has no {', '.join(lacking)}, which other files have: taken together, its stored values "
                "would become missing.",
                hint="update with the files of each kind by themselves: a column that no file has stays as it is.",
            )


def _actions(found: Read) -> pl.DataFrame | None:
    """The table of actions; none at all where no file speaks of dividends or splits."""
    if any("dividend" in part.columns.of or "split" in part.columns.of for part in found.parts):
        return _rows.actions_of(found.judged.dividends)
    return None


def _write(
    store: Store, dataset: str, draft: _Draft, before: Manifest | None, source: str | None, note: str, *, anew: bool
) -> tuple[int, bool, int]:
    """One commit, or none where nothing is new; the version, whether there was one, and how many values it replaced."""
    if not anew:
        rejects = draft.rejects if draft.rejects.height else None
        change = store.update(
            dataset, draft.bars, actions=draft.actions, rejects=rejects, source=source, note=note or None
        )
        return change.version, change.committed, change.changed.height
    kept: dict[str, Any] = {}
    if before is not None:
        kept = {name: store.table(dataset, name) for name in _KEPT if name in before.tables}
    made = store.write(
        dataset,
        draft.bars,
        calendar=draft.calendar,
        adjusted=draft.adjusted,
        bar=draft.bar,
        source=source or "",
        note=note,
        units=draft.units,
        actions=draft.actions,
        rejects=draft.rejects,
        **kept,
    )
    return made.version, before is None or made.version != before.version, 0
