"""``pull``: from a source into a dataset, a chunk of symbols at a time, and what the vendor has changed meanwhile.

What the store holds is the only state: of each known symbol the days after its last bar are asked for, and some before
it, of new ones the whole range. Each chunk is one commit, so a run that is killed loses at most a chunk and the next
one goes on where it stopped.

The days before the last bar are the overlap check. Where they come back with other values the vendor has restated its
history (a split on split-adjusted prices, a correction), and rows fetched today do not fit those of yesterday: the
symbol is fetched anew as a whole, or reported and left, as the caller says. What the store knew before stays readable
by ``known_at``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import DataError, InputError, KindError
from quantlab.core._arguments import integer, real
from quantlab.core._labels import check_symbols
from quantlab.data.calendars import Calendar
from quantlab.data.ingestion import _restated
from quantlab.data.ingestion._patience import Patience
from quantlab.data.ingestion._pull_run import Run, day_of, take
from quantlab.data.sources._files import Files
from quantlab.data.sources._source import Source
from quantlab.data.store._names import demand_legal
from quantlab.data.store._store import Store

POLICIES = ("refetch", "report", "accept")
_CHUNK = 25  # symbols per commit of a source that may fail between two of them

# Called with what runs and how many parts it has; the answer is called after each part.
Progress = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True, eq=False)
class PullReport:
    """What a pull did.

    Attributes
    ----------
    dataset : str
    version : int
        The newest version after it.
    end : date
        The last session that was asked for.
    asked : int
        Symbols.
    current : int
        Symbols that had all their sessions already, and were not asked for.
    added, changed : int
        Bars and actions that are new; stored values that were replaced.
    restated : DataFrame
        ``symbol``, ``date``, ``field`` (or kind of action), ``stored``, ``fetched`` (null: not there), ``done``:
        refetched, accepted or left.
    failures : DataFrame
        ``symbol``, ``reason``, ``tries``.
    rejected : int
        Rows in table rejects.
    commits : int
    notes : tuple of str
    """

    dataset: str
    version: int
    end: date
    asked: int
    current: int
    added: int
    changed: int
    restated: pl.DataFrame
    failures: pl.DataFrame
    rejected: int
    commits: int
    notes: tuple[str, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether every symbol came, nothing was restated and nothing rejected."""
        return self.failures.height == 0 and self.restated.height == 0 and self.rejected == 0

    def __repr__(self) -> str:
        return (
            f"PullReport {self.dataset} version {self.version} to {self.end}: {self.asked} symbols, "
            f"{self.added:,} rows added, "
            f"{self.changed:,} values changed, {self.restated['symbol'].n_unique()} symbols restated, "
            f"{self.failures.height} failures"
        )


def pull(
    store: Store,
    name: str,
    source: Source,
    symbols: str | Sequence[str] | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    *,
    overlap: int = 5,
    chunk: int | None = None,
    on_restated: str = "refetch",
    tolerance: float = 1e-6,
    calendar: str | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
) -> PullReport:
    """Bring dataset ``name`` up to date from a source, and return what happened.

    Parameters
    ----------
    store : Store
    name : str
        Made if it does not exist.
    source : Source
    symbols : str or sequence of str, optional
        By default those of the dataset, else all that the source lists.
    start : date or text, optional
        First day of symbols that the dataset does not have; by default as far back as the source goes.
    end : date or text, optional
        Last day; by default, and at most, the last session that is over.
    overlap : int >= 1, sessions
        How many stored sessions are asked for again and compared.
    chunk : int >= 1, symbols, optional
        Per commit; by default 25, and all of them of files on the disk, which nothing interrupts.
    on_restated : "refetch" | "report" | "accept"
        Of a symbol with another history: fetch all of it again; leave it as it is; or take the new days and the
        overlap alone, which leaves older days as they were. A change of volumes alone is taken without a new history.
    tolerance : float >= 0, relative
        Smaller differences are none.
    calendar : str, optional
        Where the source does not know it.
    patience : Patience, optional
    progress : callable, optional
        As the command line shows it.
    clock : callable () -> datetime, optional
        What time it is, to know which sessions are over; by default the store's.

    Returns
    -------
    PullReport

    Raises
    ------
    InputError
        For an argument that cannot be used, or a source whose facts are not those of the dataset.
    DataError
        When the source answers what it was not asked, or nothing could be fetched for a new dataset.
    StoreError
        When the store cannot be written; the chunks before stay.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from quantlab.data.sources import Samples
    >>> store = Store(mkdtemp())
    >>> pull(store, "vix", Samples("vix"), end="2018-02-02").added
    1029
    >>> pull(store, "vix", Samples("vix"), end="2018-02-09")
    PullReport vix version 2 to 2018-02-09: 1 symbols, 5 rows added, 0 values changed, 0 symbols restated, 0 failures
    """
    demand_legal(name)
    if on_restated not in POLICIES:
        raise InputError(f"`on_restated` must be one of {', '.join(POLICIES)}, received {on_restated!r}.")
    integer(overlap, name="overlap", low=1)
    if chunk is not None:
        integer(chunk, name="chunk", low=1)
    facts = store.describe(name) if name in store.datasets()["name"].to_list() else None
    sessions = _calendar(source, facts, calendar)
    inherited = _demand_same(source, facts, sessions)
    names = _symbols(source, facts, symbols)
    first, last, notes = _range(start, end, sessions, clock or store._clock)
    run = Run(
        store, name, source, patience or Patience(), real(tolerance, name="tolerance"), on_restated, sessions,
        first, last, facts is not None, 0 if facts is None else facts.version, notes=[*inherited, *notes],
    )  # fmt: skip
    held = _held(store, facts, names, overlap) if facts is not None else {}
    if facts is not None and first is not None and held and first < day_of(facts.first):
        run.notes.append(
            f"Symbols that are stored already were asked for the days after their last bar alone, not from {first} on."
        )
    windows, current = _windows(names, held, first, last, overlap, sessions)
    step = progress(f"{source.name}", len(windows)) if progress is not None and windows else None
    size = chunk or (len(windows) if isinstance(source, Files) else _CHUNK) or 1
    for place in range(0, len(windows), size):
        take(run, dict(list(windows.items())[place : place + size]), held, step)
    if not run.exists:
        raise _nothing(run)
    return PullReport(
        dataset=name,
        version=run.version,
        end=last,
        asked=len(names),
        current=current,
        added=run.added,
        changed=run.changed,
        restated=pl.concat([pl.DataFrame(schema=_restated.SCHEMA), *run.restated]),
        failures=pl.DataFrame(
            run.failures, schema={"symbol": pl.String, "reason": pl.String, "tries": pl.Int64}, orient="row"
        ),
        rejected=run.rejected,
        commits=run.commits,
        notes=tuple(run.notes),
    )


def last_session(calendar: str, now: datetime) -> date:
    """Return the last session that was over at ``now``."""
    if now.tzinfo is None:
        raise KindError("`clock` must give moments with a time zone.", hint="`datetime.now(UTC)`.")
    today = now.astimezone(UTC).date()
    windows = Calendar(calendar).windows(today - timedelta(days=20), today + timedelta(days=1))
    over = windows.filter(pl.col("close") <= now)["session"]
    return over[-1]


def _held(store: Store, facts: Any, names: Sequence[str], overlap: int) -> dict[str, pl.DataFrame]:
    """Of each stored symbol its last bars: of most they stand in the last weeks of the dataset."""
    known = [symbol for symbol in names if symbol in set(facts.symbols)]
    recent = facts.last - timedelta(days=30 + 3 * overlap)
    found: dict[str, pl.DataFrame] = {}
    for frame in (
        store.table(facts.dataset, "bars", symbols=known, start=recent) if known else pl.DataFrame(),
        None,
    ):
        if frame is None:
            rest = [symbol for symbol in known if symbol not in found]
            frame = store.table(facts.dataset, "bars", symbols=rest) if rest else pl.DataFrame()
        if frame.height == 0:
            continue
        frame = frame.with_columns(pl.col("symbol").cast(pl.String))
        days = frame["date"].dt.date() if isinstance(frame.schema["date"], pl.Datetime) else frame["date"]
        for (symbol,), rows in frame.with_columns(days.alias("_day")).sort("date").group_by("symbol"):
            first = rows["_day"].unique().sort().tail(overlap)[0]
            found.setdefault(str(symbol), rows.filter(pl.col("_day") >= first).drop("_day"))
    return found


def _windows(
    names: Sequence[str], held: dict[str, pl.DataFrame], first: date | None, last: date, overlap: int, calendar: str
) -> tuple[dict[str, date | None], int]:
    """From which day each symbol is asked for, and how many need not be asked."""
    windows: dict[str, date | None] = {}
    current = 0
    for symbol in names:
        stored = held.get(symbol)
        if stored is None:
            if first is None or first <= last:
                windows[symbol] = first
            continue
        if day_of(stored["date"].max()) >= last:
            current += 1
            continue
        windows[symbol] = day_of(stored["date"].min())
    return windows, current


def _symbols(source: Source, facts: Any, symbols: str | Sequence[str] | None) -> tuple[str, ...]:
    if symbols is not None:
        return check_symbols([symbols] if isinstance(symbols, str) else symbols)
    if facts is not None:
        return tuple(facts.symbols)
    listed = source.symbols()
    if listed is None:
        raise InputError(f"{source.name} does not list its symbols.", hint="say which: symbols=[...].")
    return check_symbols(listed)


def _calendar(source: Source, facts: Any, told: str | None) -> str:
    code = told or (facts.calendar if facts is not None else source.calendar)
    if code is None:
        raise InputError(f"Whose sessions {source.name} has is unknown.", hint='say it: calendar="XNYS".')
    return str(code)


def _demand_same(source: Source, facts: Any, calendar: str) -> list[str]:
    """Refuse a source of another kind; note what it does not know of itself and the dataset says for it."""
    if facts is None:
        return []
    adjusted, notes = source.adjusted, []
    if adjusted == "unknown" != facts.adjusted and isinstance(source, Files):
        notes.append(f"The files do not say how prices were adjusted: {facts.adjusted}, as the dataset says.")
        adjusted = facts.adjusted
    for name, own in (("adjusted", adjusted), ("bar", source.bar), ("calendar", calendar)):
        if own != getattr(facts, name):
            raise InputError(
                f"Dataset {facts.dataset} has {name} {getattr(facts, name)!r}, and {source.name} has {own!r}.",
                hint="rows of two kinds cannot share a dataset: pull into another one.",
            )
    return notes


def _range(start: Any, end: Any, calendar: str, clock: Callable[[], datetime]) -> tuple[date | None, date, list[str]]:
    """The first and last day to ask for; no session that is not over."""
    notes = []
    over = last_session(calendar, clock())
    first, last = (_parsed(value, name) for value, name in ((start, "start"), (end, "end")))
    if last is None:
        last = over
    elif last > over:
        notes.append(f"Asked for sessions until {over}: later ones are not over.")
        last = over
    if first is not None and first > last:
        raise InputError(f"`start` ({first}) is after the last session to ask for ({last}).")
    return first, last, notes


def _parsed(value: Any, name: str) -> date | None:
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else np.datetime64(value, "D").item()
    except (ValueError, TypeError) as error:
        raise InputError(f"`{name}` must be a day such as 2015-01-31, received {value!r}.") from error


def _nothing(run: Run) -> DataError:
    if not run.failures:
        return DataError(f"{run.source.name} has nothing until {run.end} for these symbols.")
    symbol, reason, tries = run.failures[0]
    more = f" and {len(run.failures) - 1} more" if len(run.failures) > 1 else ""
    times = f" ({tries} tries)" if tries > 1 else ""
    return DataError(f"Nothing could be fetched from {run.source.name}: {symbol}{more}: {reason}{times}")
