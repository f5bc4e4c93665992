"""``ImportReport``: what an import understood, kept, refused, and must ask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from quantlab.data import schemas
from quantlab.data.ingestion._evidence import Fact
from quantlab.data.ingestion._reading import Read, Unread
from quantlab.data.ingestion._rows import PRICES

_UNITS = {"dividend": "currency per share", "split": "new shares per old", "date": "session", "symbol": "text"}


@dataclass(frozen=True, eq=False)
class ImportReport:
    """What an import understood, kept and refused.

    Attributes
    ----------
    dataset : str
    version : int
        Of the dataset that now holds the data.
    committed : bool
        Whether there is a new version; an update that says nothing new makes none.
    replaced : int
        Stored values that an update put others in the place of.
    files, rows, bars, symbols : int
        Files read, rows in them, bars taken, distinct symbols.
    first, last : date or datetime
    bar, calendar, adjusted, dates : Fact
        Each with its evidence; ``dates.value`` says how dates were read.
    understood : DataFrame
        ``column``, ``field``, ``meaning``: one row per distinct column.
    actions : dict of kind to rows
    rejected : dict of rule to rows
        In table ``rejects`` of the dataset, with their values as found.
    doubled, blank : int
        Rows left out because another says the same, and because they hold no value.
    unread : tuple of Unread
        Files that could not be read: ``source``, ``reason``, ``hint``.
    notes, questions : tuple of str
        What else to know; what only a person can answer.
    """

    dataset: str
    version: int
    committed: bool
    replaced: int
    files: int
    rows: int
    bars: int
    symbols: int
    first: date | datetime
    last: date | datetime
    bar: Fact
    calendar: Fact
    adjusted: Fact
    dates: Fact
    understood: pl.DataFrame
    actions: Mapping[str, int]
    rejected: Mapping[str, int]
    doubled: int
    blank: int
    unread: tuple[Unread, ...]
    notes: tuple[str, ...] = field(default=())
    questions: tuple[str, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether every file was read and every row taken."""
        return not self.unread and not self.rejected

    def __repr__(self) -> str:
        refused = f", {sum(self.rejected.values()):,} rows rejected" if self.rejected else ""
        lost = f", {len(self.unread):,} files not read" if self.unread else ""
        return (
            f"ImportReport {self.dataset} version {self.version}: {self.bars:,} bars of {self.symbols:,} symbols, "
            f"{self.first} to {self.last}, adjusted: {self.adjusted.value}{refused}{lost}"
        )


def dates(found: Read, stamped: Fact | None) -> Fact:
    """How dates were read, over all files."""
    ways: dict[str, int] = {}
    for part in found.parts:
        # The proof is another date in every file: one of them is shown.
        ways.setdefault(part.stamps.says.partition(", proved by")[0], 0)
        ways[part.stamps.says.partition(", proved by")[0]] += 1
    says = (
        found.parts[0].stamps.says if len(ways) == 1 else "; ".join(f"{way} ({n:,} files)" for way, n in ways.items())
    )
    if stamped is None:
        return Fact(says, "")
    return Fact(says, f"times name the {stamped.value} of a bar, {stamped.evidence}; stored is the end, in UTC")


def understood(found: Read, told: Mapping[str, str]) -> pl.DataFrame:
    """What each column was taken for: ``column``, ``field``, ``meaning``."""
    units = {column.name: column.unit for column in schemas.TABLES["bars"].columns} | _UNITS | dict(told)
    rows: dict[tuple[str, str], str] = {}
    for part in found.parts:
        for name, column in part.columns.of.items():
            rows.setdefault((column, name), units.get(name, ""))
        for column, why in part.columns.dropped.items():
            rows.setdefault((column, "left out"), why)
        for column in part.columns.ignored:
            rows.setdefault((column, "ignored"), "no name that quantlab knows")
    if any(part.symbol is not None for part in found.parts):
        alone = len(found.parts) == 1
        what = str(found.parts[0].symbol) if alone else f"{found.parts[0].source} is {found.parts[0].symbol}"
        rows[("(file name)" if not alone else "(no column)", "symbol")] = what
    table = [(column, name, unit) for (column, name), unit in rows.items()]
    return pl.DataFrame(table, schema=dict.fromkeys(("column", "field", "meaning"), pl.String), orient="row")


def notes(found: Read) -> tuple[str, ...]:
    """What was left out, and which files lack what others have."""
    said = []
    if found.judged.doubled:
        said.append(
            f"{found.judged.doubled:,} {'row says' if found.judged.doubled == 1 else 'rows say'} what another row of "
            "the same date and symbol says: one is kept."
        )
    if found.judged.blank:
        one = found.judged.blank == 1
        said.append(
            f"{found.judged.blank:,} {'row holds' if one else 'rows hold'} no price and no volume, and "
            f"{'was' if one else 'were'} left out."
        )
    said.extend(_scaled(found))
    lacking: dict[str, list[str]] = {}
    held = {name for part in found.parts for name in part.columns.of}
    for part in found.parts:
        for name in ("open", "high", "low", "volume", "adj_close", "dividend", "split"):
            if name in held and name not in part.columns.of:
                lacking.setdefault(name, []).append(part.source)
    for name, sources in lacking.items():
        said.append(f"{_few(sources)} {'have' if len(sources) > 1 else 'has'} no {name}: missing there.")
    if found.skipped:
        said.append(f"Not read, as files of another kind: {_few(list(found.skipped))}.")
    return tuple(said)


def doubts(found: Read) -> tuple[str, ...]:
    """What a person can settle about rejected rows."""
    asked = []
    rules = set(found.rejects["rule"].to_list())
    if "duplicate" in rules:
        ignored = {
            column: part.raw[column].n_unique()
            for part in found.parts
            for column in part.columns.ignored
            if 1 < part.raw[column].n_unique() <= 20
        }
        way = ""
        if ignored:
            column = min(ignored, key=lambda name: ignored[name])
            value = next(part.raw[column].drop_nulls()[0] for part in found.parts if column in part.raw.columns)
            way = f' Column {column} tells rows apart: --where "{column}={value}" takes those of one source.'
        asked.append(f"Which of the doubled rows holds? They differ, so none was taken.{way}")
    if "ambiguous_date" in rules:
        shown = found.rejects.filter(pl.col("rule") == "ambiguous_date")["date"][0]
        asked.append(f"Which comes first in {shown}, month or day? Say --date-format %m/%d/%Y or %d/%m/%Y.")
    if "price" in rules and any(_zeros(part.rows) for part in found.parts):
        asked.append("Do zero prices mean unknown? --missing 0 then takes the rest of such rows.")
    asked.extend(_shared(found))
    return tuple(asked)


def _zeros(rows: pl.DataFrame) -> bool:
    return any(bool((rows[name] == 0).any()) for name in PRICES if name in rows.columns)


def _scaled(found: Read) -> list[str]:
    """What became of raw prices beside an adjusted close that was said to be the price."""
    for part in found.parts:
        close, held = part.columns.of["close"], [name for name in PRICES[:3] if name in part.columns.of]
        if part.columns.raw_close is not None and held:
            return [
                f"The price is {close}: {', '.join(held)} were multiplied by {close} / {part.columns.raw_close}, row "
                "by row. Volumes are as in the file."
            ]
        left = [column for column, why in part.columns.dropped.items() if why.startswith(f"raw beside {close}")]
        if left:
            were = "was" if len(left) == 1 else "were"
            return [f"The price is {close}: {', '.join(left)} {were} left out, with no raw close to scale by."]
    return []


def _shared(found: Read) -> list[str]:
    """A question where all names of files begin or end alike, and are the symbols."""
    names = [part.symbol for part in found.parts]
    plain = [name for name in names if name is not None]
    whole = [part.source.startswith(f"{part.symbol}.") for part in found.parts]
    if len(plain) < max(len(names), 2) or not all(whole):
        return []
    before = re.sub(r"[^_\-. ]*$", "", _alike(plain))
    after = re.sub(r"^[^_\-. ]*", "", _alike([name[::-1] for name in plain])[::-1])
    if (not before and not after) or any(len(name) <= len(before) + len(after) for name in plain):
        return []
    kind = found.parts[0].source[len(plain[0]) :]
    return [
        f"Are the symbols {_few(plain)}? Their files are all called alike: "
        f'--symbol "{before}{{symbol}}{after}{kind}" takes what differs.'
    ]


def _alike(names: list[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)
    same = next(
        (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first)
    )
    return first[:same]


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
