"""The two ways to a new version: a whole dataset in place of the old one, and an update of what is there.

Frames are checked before the lock is taken; what is compared with the stored rows is read under it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import datetime
from typing import Any

import polars as pl

from quantlab.core import Frequency, InputError, KindError
from quantlab.data.schemas import TABLES, VERSION
from quantlab.data.store import _load, _manifest, _parts, _table, _tables, _upsert, _versions
from quantlab.data.store._manifest import AXIS, Manifest, Part
from quantlab.data.store._parts import Believed
from quantlab.data.store._upsert import Change

Clock = Callable[[], datetime]
# Above this share of the symbols a filter by name costs more than it saves.
_FEW = 0.1


@dataclass(frozen=True, slots=True)
class Draft:
    """The facts that the owner of a dataset declares."""

    name: str
    calendar: str
    adjusted: str
    bar: str
    source: str
    note: str
    units: Mapping[str, str]


def replace(folder: Any, draft: Draft, frame: Any, tables: Mapping[str, Any], clock: Clock) -> Manifest:
    """Commit a whole dataset, unless the newest version is just that, and return its manifest."""
    name = draft.name
    intraday = draft.bar != "1d"
    if intraday:
        Frequency.intraday(draft.calendar, _load.minutes(draft.bar))
    else:
        Frequency.daily(draft.calendar)
    bars = _table.checked(frame, name, intraday=intraday)
    fields = {field: _table.UNITS[field] for field in bars.columns[2:]}
    for field, unit in draft.units.items():
        if field not in fields:
            raise InputError(f"`units` names {field}, and the frame has {', '.join(fields)}.")
        if not isinstance(unit, str):
            raise KindError(f"The unit of {field} must be text, received {type(unit).__name__}.")
    checked = {table: _tables.whole(_tables.checked(rows, table, name), table) for table, rows in tables.items()}
    dates = bars["date"].unique().sort()
    with folder.writing(name) as writer:
        # Taken now: where there is no lock, a version that another writer commits meanwhile must stand in the way.
        number = _next(folder, name)
        before = _versions.readable(folder, name)
        parts = [_parts.add(writer, "bars", partition, rows) for partition, rows in _parts.cut(bars)]
        for table, rows in checked.items():
            parts += [_parts.add(writer, table, "all", rows)] if rows.height else []
        parts.append(_parts.add_axis(writer, dates))
        manifest = Manifest(
            schema=VERSION,
            dataset=name,
            version=number,
            committed_at=_versions.after(before, clock()),
            change=f"written: {bars.height:,} rows",
            bar=draft.bar,
            rows=bars.height,
            dates=dates.len(),
            first=dates[0],
            last=dates[-1],
            symbols=tuple(bars.schema["symbol"].categories),  # type: ignore[attr-defined]
            fields=fields | dict(draft.units),
            calendar=draft.calendar,
            adjusted=draft.adjusted,
            source=draft.source,
            note=draft.note,
            created_by=_program(),
            tables={"bars": bars.height, **{table: rows.height for table, rows in checked.items()}},
            parts=tuple(parts),
        )
        newest = before is not None and before.version == manifest.version - 1
        if before is not None and newest and before.hash == manifest.hash:
            writer.keep()  # the parts are those of the version that stands, perhaps repaired
            return before
        writer.commit(manifest.version, _readable(manifest))
    return manifest


def update(
    folder: Any,
    believed: Believed,
    facts: Manifest,
    frame: Any,
    tables: Mapping[str, Any],
    withdraw: Mapping[str, Any],
    texts: Mapping[str, str | None],
    clock: Clock,
) -> Change:
    """Commit what is new in the frames against the newest version, if anything is."""
    name = facts.dataset
    bars = None if frame is None else _table.checked(frame, name, intraday=facts.intraday)
    checked = {table: _tables.checked(rows, table, name) for table, rows in tables.items()}
    gone = {table: _tables.keys(rows, table, name) for table, rows in withdraw.items()}
    with folder.writing(name) as writer:
        before = _versions.find(folder, name)
        if before.bar != facts.bar:
            raise InputError(f"Dataset {name} was replaced meanwhile by one of {before.bar} bars.")
        work = _Update(writer, believed, before)
        if bars is not None:
            work.bars(bars)
        for table in [*checked, *(table for table in gone if table not in checked)]:
            work.table(table, checked.get(table), gone.get(table))
        cells = pl.concat([_upsert.no_cells(before.intraday), *work.cells])
        said: dict[str, Any] = {
            key: text for key, text in texts.items() if text is not None and text != getattr(before, key)
        }
        if not work.said and not said:
            return Change(before.version, 0, work.unchanged, cells, False)
        manifest = replaced(
            work.facts,
            version=before.version + 1,
            committed_at=_versions.after(before, clock()),
            change="updated: " + "; ".join([*work.said, *said]),
            created_by=_program(),
            **said,
        )
        writer.commit(manifest.version, _readable(manifest))
    return Change(manifest.version, work.added, work.unchanged, cells, True, work.withdrawn)


class _Update:
    """The manifest of an update in the making."""

    def __init__(self, writer: Any, believed: Believed, facts: Manifest) -> None:
        self._writer, self._believed, self.facts = writer, believed, facts
        self.cells: list[pl.DataFrame] = []
        self.said: list[str] = []
        self.withdrawn: dict[str, pl.DataFrame] = {}
        self.added = self.unchanged = 0

    def bars(self, new: pl.DataFrame) -> None:
        """Take in bars."""
        facts = self.facts
        if ("member" in new.columns) != ("member" in facts.fields):
            has, lacks = ("frame", "dataset") if "member" in new.columns else ("dataset", "frame")
            raise InputError(
                f"Dataset {facts.dataset} cannot be updated so: the {has} has a column `member` and the {lacks} not.",
                hint="a membership is true or false, never unknown; give it on both sides, or in the table `members`.",
            )
        groups: dict[str, tuple[Part, ...]] = {}
        for part in facts.of("bars"):
            groups[part.partition] = (*groups.get(part.partition, ()), part)
        found = []
        for partition, rows in _parts.cut(new.with_columns(pl.col("symbol").cast(pl.String))):
            difference = _upsert.compare("bars", rows, self._held(rows, partition), moments=facts.intraday)
            found.append(difference)
            if difference.rows.height:
                groups[partition] = _parts.add_bars(
                    self._writer, groups.get(partition, ()), partition, difference.rows, self._believed, facts.dataset
                )
        if not self._noted("bars", found):
            return
        keys = pl.concat([difference.rows.select("date", "symbol") for difference in found])
        before = _parts.dates_of(self._believed, facts)
        dates = pl.concat([before, keys["date"]]).unique().sort()
        axis = facts.of(AXIS) if dates.len() == before.len() else (_parts.add_axis(self._writer, dates),)
        names = {*facts.fields, *new.columns}
        height = facts.rows + sum(difference.appended for difference in found)
        self.facts = replaced(
            facts,
            rows=height,
            dates=dates.len(),
            first=dates[0],
            last=dates[-1],
            symbols=tuple(sorted({*facts.symbols, *keys["symbol"].unique()})),
            fields={name: facts.fields.get(name, _table.UNITS[name]) for name in _table.FIELDS if name in names},
            tables=facts.tables | {"bars": height},
            parts=(
                *(part for partition in sorted(groups) for part in groups[partition]),
                *(part for part in facts.parts if part.table not in ("bars", AXIS)),
                *axis,
            ),
        )

    def table(self, table: str, new: pl.DataFrame | None, gone: pl.DataFrame | None) -> None:
        """Take rows of another table out by their keys, then rows in."""
        facts = self.facts
        rows = _parts.table_of(self._believed, facts, table)
        if gone is not None and gone.height:
            rows, self.withdrawn[table] = _tables.without(rows, gone, table, facts.dataset)
            self.said.append(f"{table} {gone.height:,} withdrawn")
        if new is not None:
            found = _upsert.compare(table, new, rows, moments=facts.intraday)
            if self._noted(table, [found]):
                rows = pl.concat([rows, _tables.whole(found.rows, table)])
                rows = rows.unique(TABLES[table].key, keep="last", maintain_order=True)
            elif table not in facts.tables:
                self.said.append(f"{table} declared empty")
                self.facts = replaced(facts, tables=facts.tables | {table: 0})
                return
            elif table not in self.withdrawn:
                return
        elif table not in self.withdrawn:
            return
        others = [other for other in facts.parts if other.table != table]
        if rows.height:
            others.append(_parts.add(self._writer, table, "all", _tables.whole(rows, table)))
        self.facts = replaced(facts, tables=facts.tables | {table: rows.height}, parts=tuple(others))

    def _held(self, rows: pl.DataFrame, partition: str) -> pl.DataFrame:
        """The stored rows of a partition that can have a key of ``rows``."""
        names = rows["symbol"].unique()
        return _parts.bars_of(
            self._believed,
            self.facts,
            partition=partition,
            low=rows["date"].min(),
            high=rows["date"].max(),
            symbols=names.to_list() if names.len() <= _FEW * len(self.facts.symbols) else None,
        )

    def _noted(self, table: str, found: list[_upsert.Difference]) -> bool:
        """Count what was found; whether there is anything to write."""
        self.cells += [difference.cells for difference in found]
        self.unchanged += sum(difference.unchanged for difference in found)
        added = sum(difference.appended + difference.gained for difference in found)
        revised = sum(difference.revised for difference in found)
        self.added += added
        if added or revised:
            self.said.append(f"{table} {added:,} added, {revised:,} changed")
        return bool(added or revised)


def _next(folder: Any, name: str) -> int:
    """The next free number; a damaged version keeps its own."""
    numbers = folder.numbers(name)
    return numbers[-1] + 1 if numbers else 1


def _program() -> str:
    from quantlab import __version__

    return f"quantlab {__version__}"


def _readable(manifest: Manifest) -> bytes:
    """The bytes of a version file, refused before the commit if a reader would refuse them after it."""
    content = manifest.to_json().encode()
    _manifest.parsed(manifest.dataset, manifest.version, content)
    return content
