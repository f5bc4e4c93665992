"""The Parquet files of a dataset: how tables are cut into them, and how a part's bytes are believed.

Bars are cut by calendar year when daily and by month when intraday (in UTC), and sorted by symbol and date: a range of
dates skips whole files, a choice of symbols skips row groups by their statistics. A correction does not rewrite its
year: it becomes a small part of its own, which wins over the earlier parts of that year. So that there are never many
of them, a new part takes in the one before it as long as that is not more than twice as large. Measured: a year of
daily pulls of 5,000 symbols with five fields leaves at most nine parts and writes 141 MB, where rewriting the year at
each pull writes 2,967 MB; after ``prune`` it is 24 MB.

Every other table is one part, written anew when it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from quantlab.core import StoreError
from quantlab.data import schemas
from quantlab.data.schemas import MOMENT, TABLES
from quantlab.data.store._files import digest
from quantlab.data.store._manifest import AXIS, Manifest, Part

KEY = ("symbol", "date")
# About 260 symbols of a daily year: few enough to skip most of a file for one symbol, enough to compress.
_ROW_GROUP = 65_536
# Columns that a table got after this layout was first written. While they are null throughout they are left out of the
# file: it is then, byte for byte, what an older quantlab writes and reads.
_LATER = {"actions": ("into",)}


class Readable(Protocol):
    """What a folder must answer for its parts to be read."""

    parallel: int

    def local(self, name: str, part: Part) -> Path:
        """Return a file on this machine that holds the part."""

    def forget(self, name: str, part: Part) -> bool:
        """Drop a damaged copy; whether there is an original to fetch again."""


class Writable(Protocol):
    """What a writer must offer for parts to be written."""

    def draft(self) -> Path:
        """Return a path for bytes without a name."""

    def place(self, draft: Path, part: Part) -> None:
        """Give a draft its name."""


class Believed:
    """The parts of a folder, each with its bytes compared with the manifest's SHA-256 when it is first read."""

    def __init__(self, folder: Readable) -> None:
        self._folder = folder
        self._known: set[tuple[int, int, int, str]] = set()
        self.parallel = folder.parallel

    def path(self, dataset: str, part: Part) -> Path:
        """Return a local file with exactly the bytes of the part.

        Raises
        ------
        FileNotFoundError
            When it is gone.
        StoreError
            When its bytes are others.
        """
        try:
            return self._compared(dataset, part)
        except StoreError:
            if not self._folder.forget(dataset, part):
                raise
        return self._compared(dataset, part)

    def paths(self, dataset: str, parts: Iterable[Part]) -> list[Path]:
        """Return such a file for each part."""
        return [self.path(dataset, part) for part in parts]

    def _compared(self, dataset: str, part: Part) -> Path:
        try:
            path = self._folder.local(dataset, part)
            state = path.stat()
        except FileNotFoundError as error:
            raise FileNotFoundError(part.file) from error
        key = (state.st_ino, state.st_size, state.st_mtime_ns, part.sha256)
        if key not in self._known:
            if state.st_size != part.size:
                raise damaged(dataset, f"{part.file} has {state.st_size} bytes instead of {part.size}")
            if digest(path) != part.sha256:
                raise damaged(dataset, f"the SHA-256 of {part.file} is not the manifest's")
            self._known.add(key)
        return path


def damaged(name: str, reason: str) -> StoreError:
    """Return the error for a dataset whose files cannot be believed."""
    return StoreError(f"Dataset {name} is damaged: {reason}.", hint="write it again from its source.")


def cut(bars: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the partitions of bars, in the order of time: (name, rows), the rows in the order they have."""
    daily = bars.schema["date"] == pl.Date
    label = pl.col("date").dt.truncate("1y" if daily else "1mo").cast(pl.Date)
    labels = bars.select(label)["date"]
    for start in labels.unique().sort():
        yield start.strftime("%Y" if daily else "%Y-%m"), bars.filter(labels == start)


def stored(parts: Sequence[Part], partition: str) -> tuple[Part, ...]:
    """Return the parts of one partition."""
    return tuple(part for part in parts if part.partition == partition)


def add(writer: Writable, table: str, partition: str, frame: pl.DataFrame) -> Part:
    """Write a frame as a part and return its facts. Bars come sorted by symbol and date."""
    draft = writer.draft()
    if frame.schema.get("symbol") not in (None, pl.String):
        frame = frame.with_columns(pl.col("symbol").cast(pl.String))
    frame = frame.drop(name for name in _LATER.get(table, ()) if frame[name].null_count() == frame.height)
    frame.write_parquet(draft, compression="zstd", statistics=True, row_group_size=_ROW_GROUP)
    first: Any = None
    last: Any = None
    if table in ("bars", AXIS):
        first, last = frame["date"].min(), frame["date"].max()
    part = Part(table, partition, digest(draft), draft.stat().st_size, frame.height, first, last)
    writer.place(draft, part)
    return part


def add_bars(
    writer: Writable, before: Sequence[Part], partition: str, rows: pl.DataFrame, believed: Believed, dataset: str
) -> tuple[Part, ...]:
    """Write ``rows`` on top of the parts that a partition has, and return the parts it has then."""
    kept, frames, height = list(before), [rows], rows.height
    while kept and 2 * height >= kept[-1].rows:
        earlier = kept.pop()
        frames.insert(0, read(believed.path(dataset, earlier)))
        height += earlier.rows
    return (*kept, add(writer, "bars", partition, latest(frames)))


def add_axis(writer: Writable, dates: pl.Series) -> Part:
    """Write the sorted distinct dates of a dataset."""
    return add(writer, AXIS, "all", pl.DataFrame({"date": dates}))


def read(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return a part, or some columns of it."""
    return pl.read_parquet(path, columns=None if columns is None else list(columns), glob=False)


def scan(path: Path) -> pl.LazyFrame:
    """Return a part to be filtered."""
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def latest(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of bars that hold, sorted by symbol and date: at the same key those of the last frame."""
    frames = [frame.with_columns(pl.col("symbol").cast(pl.String)) for frame in frames]
    if len(frames) == 1:
        return frames[0]
    order = [column.name for column in TABLES["bars"].columns]
    rows = pl.concat(frames, how="diagonal").sort(KEY, maintain_order=True)
    same = [pl.col(name) == pl.col(name).shift(-1) for name in KEY]
    last = ~pl.all_horizontal(same).fill_null(False)
    return rows.filter(last).select([name for name in order if name in rows.columns])


def bars_of(
    believed: Believed,
    facts: Manifest,
    *,
    low: Any = None,
    high: Any = None,
    symbols: Sequence[str] | None = None,
    partition: str | None = None,
) -> pl.DataFrame:
    """Return the long bars of a version, sorted by symbol and date.

    Parameters
    ----------
    believed : Believed
    facts : Manifest
    low, high : date | datetime, inclusive, optional
    symbols : sequence of str, optional
    partition : str, optional
        Read this one alone.
    """
    groups: dict[str, list[pl.DataFrame]] = {}
    for part in facts.of("bars"):
        if (partition is not None and part.partition != partition) or not overlaps(part, low, high):
            continue
        rows = scan(believed.path(facts.dataset, part))
        if low is not None:
            rows = rows.filter(pl.col("date") >= low)
        if high is not None:
            rows = rows.filter(pl.col("date") <= high)
        if symbols is not None:
            rows = rows.filter(pl.col("symbol").is_in(list(symbols)))
        groups.setdefault(part.partition, []).append(rows.collect())
    found = [latest(frames) for frames in groups.values()]
    kinds = TABLES["bars"].schema | {"date": MOMENT if facts.intraday else pl.Date()}
    names = ["date", "symbol", *facts.fields]
    whole = pl.concat([pl.DataFrame(schema={name: kinds[name] for name in names}), *found], how="diagonal").select(
        names
    )
    return whole.sort(KEY) if len(found) > 1 else whole


def overlaps(part: Part, low: Any, high: Any) -> bool:
    """Whether a part of bars may hold dates from ``low`` to ``high``, None: any."""
    return (high is None or part.first <= high) and (low is None or part.last >= low)


def dates_of(believed: Believed, facts: Manifest) -> pl.Series:
    """Return the sorted dates of a version."""
    (part,) = facts.of(AXIS)
    return read(believed.path(facts.dataset, part))["date"]


def table_of(believed: Believed, facts: Manifest, table: str) -> pl.DataFrame:
    """Return a table other than bars, sorted by its key; without rows when the version does not have it."""
    frames = [read(path) for path in believed.paths(facts.dataset, facts.of(table))]
    return schemas.whole(frames[0], table) if frames else schemas.empty(table)
