"""``Manifest``: what one version of a dataset says about itself, and the JSON text that holds it.

The manifest is the commit: it names every Parquet part with its size and SHA-256, so whoever has read it knows which
bytes belong to the version. It is never changed. It ends with a seal, the SHA-256 of itself without the seal, so that
damage to it is seen too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from quantlab.core import StoreError
from quantlab.data.schemas import TABLES, VERSION

# Beside the tables of the schema: the sorted dates of the dataset, so that one symbol is read with all their rows.
AXIS = "axis"
_BAR = re.compile(r"1d|[1-9][0-9]{0,3}(min|h)")
_PARTITION = re.compile(r"all|\d{4}(-\d{2})?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Part:
    """One immutable Parquet file of a dataset.

    Attributes
    ----------
    table : str
        Of ``schemas.TABLES``, or "axis".
    partition : str
        "2014" or "2014-06" for bars, else "all".
    sha256 : str
        Of the file, hexadecimal.
    size : int, bytes
    rows : int
    first, last : date | datetime | None
        Of the bars in it; None for other tables.
    """

    table: str
    partition: str
    sha256: str
    size: int
    rows: int
    first: date | datetime | None = None
    last: date | datetime | None = None

    @property
    def file(self) -> str:
        """Its place in the dataset's folder, named after its content."""
        return f"{self.table}/{self.partition}-{self.sha256[:12]}.parquet"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts of one version of a dataset.

    Attributes
    ----------
    schema : int
        Version of the layout on disk.
    dataset : str
    version : int
        From 1 on.
    committed_at : datetime.datetime, UTC
        When it became readable; later in every version.
    change : str
        What this version changed.
    bar : str
        Length of a bar: "1d", or "<n>min", "<n>h" for intraday bars.
    rows : int
        Of bars: one is one (date, symbol).
    dates : int
        Number of distinct dates.
    first, last : datetime.date, or datetime.datetime in UTC for intraday bars
    symbols : tuple of str, sorted
    fields : dict of field to unit
        The columns of the bars at rest, in the order open, high, low, close, volume, member, adj_close.
    calendar : str
        Code of the exchange_calendars library, or "24/7".
    adjusted : "unknown" | "none" | "split" | "total_return"
    source, note : str
        Free text of the owner.
    created_by : str
        The program and version that wrote it.
    tables : dict of table to rows
        The tables that were given, bars included; one of 0 rows says that there is nothing, one that is absent says
        nothing.
    parts : tuple of Part
        The files of the bars by partition, later ones winning over earlier ones at the same date and symbol; then
        those of the other tables, and the dates.
    """

    schema: int
    dataset: str
    version: int
    committed_at: datetime
    change: str
    bar: str
    rows: int
    dates: int
    first: date | datetime
    last: date | datetime
    symbols: tuple[str, ...]
    fields: dict[str, str]
    calendar: str
    adjusted: str
    source: str
    note: str
    created_by: str
    tables: dict[str, int]
    parts: tuple[Part, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of what is stored, whenever and as whichever version it was committed."""
        facts = _plain(self)
        for key in ("version", "committed_at", "change", "created_by"):
            del facts[key]
        return _seal(facts)

    @property
    def intraday(self) -> bool:
        """Whether a date is a moment."""
        return self.bar != "1d"

    def of(self, table: str) -> tuple[Part, ...]:
        """The parts of one table, in the order in which they are to be read."""
        return tuple(part for part in self.parts if part.table == table)

    def to_json(self) -> str:
        """Return the manifest as sealed JSON text with a final newline."""
        facts = _plain(self)
        return json.dumps(facts | {"seal": _seal(facts)}, indent=1, ensure_ascii=False) + "\n"


def legal_bar(bar: Any) -> bool:
    """Whether a text is the length of a bar: "1d", "5min", "1h"."""
    return isinstance(bar, str) and _BAR.fullmatch(bar) is not None


# The JSON type of each fact; dates travel as text.
_TYPES: dict[str, type] = {
    **dict.fromkeys(("schema", "version", "rows", "dates"), int),
    **dict.fromkeys(("dataset", "committed_at", "change", "bar", "first", "last"), str),
    **dict.fromkeys(("calendar", "adjusted", "source", "note", "created_by"), str),
    **dict.fromkeys(("symbols", "parts"), list),
    **dict.fromkeys(("fields", "tables"), dict),
}
_PART_TYPES: dict[str, type] = {
    **dict.fromkeys(("table", "partition", "sha256"), str),
    **dict.fromkeys(("size", "rows"), int),
}


def parsed(name: str, number: int, content: bytes) -> Manifest:
    """Return the manifest that ``content`` holds.

    Raises
    ------
    StoreError
        When it is damaged, belongs elsewhere, or comes from a newer quantlab.
    """
    try:
        facts = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise damaged(name, number, "it is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise damaged(name, number, f"it is not JSON (line {error.lineno})") from error
    if not isinstance(facts, Mapping) or type(facts.get("schema")) is not int:
        raise damaged(name, number, "it has no schema version")
    if facts["schema"] > VERSION:
        raise StoreError(
            f"Dataset {name} has schema version {facts['schema']}, and this quantlab reads up to {VERSION}.",
            hint=f"it was written by {facts.get('created_by', 'a newer quantlab')}; upgrade this one.",
        )
    facts = dict(facts)
    if facts.pop("seal", None) != _seal(facts):
        raise damaged(name, number, "its seal is broken")
    _check(facts, _TYPES, name, number)
    if not all(isinstance(symbol, str) for symbol in facts["symbols"]):
        raise damaged(name, number, "`symbols` holds something other than text")
    if (facts["dataset"], facts["version"]) != (name, number):
        raise damaged(name, number, f"it belongs to version {facts['version']} of dataset {facts['dataset']}")
    if not legal_bar(facts["bar"]):
        raise damaged(name, number, f"`bar` is {facts['bar']!r}")
    day = date.fromisoformat if facts["bar"] == "1d" else datetime.fromisoformat
    try:
        facts |= {key: day(facts[key]) for key in ("first", "last")}
        facts["committed_at"] = datetime.fromisoformat(facts["committed_at"]).astimezone(UTC)
        parts = tuple(_part(part, day, name, number) for part in facts["parts"])
    except ValueError as error:
        raise damaged(name, number, "it holds a text that is not a date where a date should be") from error
    known = {key: facts[key] for key in _TYPES}
    return Manifest(**known | {"symbols": tuple(facts["symbols"]), "parts": parts})


def damaged(dataset: str, number: int, reason: str) -> StoreError:
    """Return the error for a manifest that cannot be believed."""
    return StoreError(
        f"Version {number} of dataset {dataset} is damaged: {reason}.", hint="write the dataset again from its source."
    )


def _part(facts: Any, day: Any, name: str, number: int) -> Part:
    if not isinstance(facts, Mapping):
        raise damaged(name, number, "a part is no mapping")
    _check(facts, _PART_TYPES, name, number)
    # A part's place is made of these three: nothing in them may lead out of the dataset's folder.
    legal = facts["table"] in (*TABLES, AXIS) and _PARTITION.fullmatch(facts["partition"])
    if not legal or not _DIGEST.fullmatch(facts["sha256"]):
        raise damaged(name, number, f"it has a part {facts['table']}/{facts['partition']}-{facts['sha256'][:12]}")
    dates = {key: day(facts[key]) for key in ("first", "last") if facts.get(key) is not None}
    return Part(**{key: facts[key] for key in _PART_TYPES}, **dates)


def _check(facts: Mapping[str, Any], types: Mapping[str, type], name: str, number: int) -> None:
    for key, kind in types.items():
        if type(facts.get(key)) is not kind:
            raise damaged(name, number, f"`{key}` is missing or not of type {kind.__name__}")


def _plain(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON types."""
    facts = {key: getattr(manifest, key) for key in _TYPES}
    facts |= {key: facts[key].isoformat() for key in ("first", "last", "committed_at")}
    parts = [
        {key: getattr(part, key) for key in _PART_TYPES}
        | {key: day.isoformat() for key in ("first", "last") if (day := getattr(part, key)) is not None}
        for part in manifest.parts
    ]
    return facts | {"symbols": list(manifest.symbols), "parts": parts}


def _seal(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
