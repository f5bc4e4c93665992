"""``Manifest``: what a dataset says about itself, and the JSON file that holds it.

The manifest is the dataset's commit: it names the one data file and that file's SHA-256, so whoever has read it knows
which bytes belong to it. Nothing in it depends on the machine or the hour: the same data written twice give the same
manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from quantlab.core import StoreError

SCHEMA = 1
FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts of one dataset.

    Attributes
    ----------
    schema : int
        Version of this layout.
    dataset : str
    file : str
        Name of the data file, beside the manifest.
    sha256 : str
        Of the data file, hexadecimal.
    size : int, bytes
    rows : int
        One row is one (date, symbol).
    dates : int
        Number of distinct dates.
    first, last : datetime.date
    symbols : tuple of str, sorted
    fields : dict of field to unit
        In the order open, high, low, close, volume, member.
    calendar : str
        Code of the exchange_calendars library, or "24/7".
    adjusted : "unknown" | "none" | "split" | "total_return"
    source, note : str
        Free text of the owner.
    created_by : str
        The program and version that wrote it.
    """

    schema: int
    dataset: str
    file: str
    sha256: str
    size: int
    rows: int
    dates: int
    first: date
    last: date
    symbols: tuple[str, ...]
    fields: dict[str, str]
    calendar: str
    adjusted: str
    source: str
    note: str
    created_by: str

    def to_json(self) -> str:
        """Return the manifest as JSON text with a final newline."""
        facts = asdict(self) | {"first": self.first.isoformat(), "last": self.last.isoformat()}
        return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


# The JSON type of each fact; dates travel as text.
_TYPES: dict[str, type] = {
    **dict.fromkeys(("schema", "size", "rows", "dates"), int),
    **dict.fromkeys(("dataset", "file", "sha256", "first", "last"), str),
    **dict.fromkeys(("calendar", "adjusted", "source", "note", "created_by"), str),
    "symbols": list,
    "fields": dict,
}


def load(folder: Path) -> Manifest:
    """Return the manifest in ``folder``.

    Raises
    ------
    FileNotFoundError
        When there is none: the folder is no dataset.
    StoreError
        When it cannot be read, is damaged, or comes from a newer version.
    """
    name = folder.name
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(name) from None
    except UnicodeDecodeError as error:
        raise damaged(name, "it is not UTF-8 text") from error
    except OSError as error:
        raise StoreError(f"The manifest of dataset {name} cannot be read: {error.strerror}.") from error
    try:
        facts = json.loads(text)
    except json.JSONDecodeError as error:
        raise damaged(name, f"it is not JSON (line {error.lineno})") from error
    return _parsed(name, facts)


def damaged(dataset: str, reason: str) -> StoreError:
    """Return the error for a manifest that cannot be believed."""
    return StoreError(f"The manifest of dataset {dataset} is damaged: {reason}.", hint="write the dataset again.")


def _parsed(name: str, facts: Any) -> Manifest:
    if not isinstance(facts, Mapping) or not isinstance(facts.get("schema"), int):
        raise damaged(name, "it has no schema version")
    if facts["schema"] > SCHEMA:
        raise StoreError(
            f"Dataset {name} has schema version {facts['schema']}, and this quantlab reads up to {SCHEMA}.",
            hint=f"it was written by {facts.get('created_by', 'a newer quantlab')}; upgrade this one.",
        )
    for key, kind in _TYPES.items():
        if not isinstance(facts.get(key), kind) or isinstance(facts[key], bool):
            raise damaged(name, f"`{key}` is missing or not of type {kind.__name__}")
    if not all(isinstance(symbol, str) for symbol in facts["symbols"]):
        raise damaged(name, "`symbols` holds something other than text")
    if facts["dataset"] != name:
        raise damaged(name, f"it belongs to dataset {facts['dataset']}")
    if Path(facts["file"]).name != facts["file"]:
        raise damaged(name, "`file` is not a plain file name")
    known = {field.name for field in fields(Manifest)}
    try:
        first, last = date.fromisoformat(facts["first"]), date.fromisoformat(facts["last"])
    except ValueError as error:
        raise damaged(name, "`first` or `last` is not a date") from error
    changed = {"first": first, "last": last, "symbols": tuple(facts["symbols"]), "fields": dict(facts["fields"])}
    return Manifest(**{key: value for key, value in facts.items() if key in known} | changed)
