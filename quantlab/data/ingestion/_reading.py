"""From a path to rows: every file for itself, by its own header, and what cannot be read is named and passed by.

``read`` finds the files (``found``) and reads each (``_file``): rows of text or numbers (``_csv``, else Polars),
columns (``_columns``), dates (``_dates``), numbers (``_numbers``). All rows are judged together (``_rows``), since a
date and symbol may stand in two files.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from quantlab.core import DataError, InputError, QuantlabError
from quantlab.data import schemas
from quantlab.data.ingestion import _rows
from quantlab.data.ingestion._file import PARQUET, TEXT, Part, ending, part_of
from quantlab.data.ingestion._layout import Layout


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read, and why."""

    source: str
    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """All files of a path, read and judged.

    Attributes
    ----------
    parts : tuple of Part
    unread : tuple of Unread
    skipped : tuple of str
        Files of the folder that are of another kind.
    judged : Judged
    rejects : DataFrame
        Table rejects.
    rows : int
        Rows in the files that were read.
    """

    parts: tuple[Part, ...]
    unread: tuple[Unread, ...]
    skipped: tuple[str, ...]
    judged: _rows.Judged
    rejects: pl.DataFrame
    rows: int

    @property
    def daily(self) -> bool:
        """Whether the dates are days."""
        return self.parts[0].stamps.daily


def read(path: Path, layout: Layout, *, kinds: Sequence[str] = (*TEXT, *PARQUET)) -> Read:
    """Return what stands in the file, folder or glob ``path``.

    Parameters
    ----------
    path : Path
    layout : Layout
    kinds : sequence of str
        Endings of the files to take from a folder.

    Raises
    ------
    InputError
        When there is no such path or no file of these kinds in it.
    DataError
        When no file could be read: the reason of the first.
    """
    files, skipped = found(path, kinds)
    called = _called(files)
    parts: list[Part] = []
    unread: list[Unread] = []
    for file in files:
        try:
            parts.append(replace(part_of(file, layout, alone=len(files) == 1), source=called[file]))
        except QuantlabError as error:
            unread.append(Unread(called[file], error.message, error.hint))
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            unread.append(Unread(called[file], f"{called[file]} cannot be read: {reason}."))
    parts, mixed = _one_kind(parts)
    unread.extend(mixed)
    if not parts:
        raise _none_read(unread)
    judged = _rows.judge(_together(parts))
    rejects = _rejects(parts, judged.rejected)
    return Read(
        tuple(parts), tuple(unread), skipped, judged, rejects, sum(p.rows.height + len(p.ragged) for p in parts)
    )


def _none_read(unread: list[Unread]) -> DataError:
    """The first reason, how many files it holds for, and the first of the others."""
    first = unread[0]
    kinds = [re.sub(r"'[^']*'|\d+", "", file.reason.replace(file.source, "")) for file in unread]
    same = kinds.count(kinds[0]) - 1
    others = [file for file, kind in zip(unread, kinds, strict=True) if kind != kinds[0]]
    more = f" So it is with {same:,} more." if same else ""
    if others:
        rest = f" and {len(others) - 1:,} more for other reasons" if len(others) > 1 else ""
        more += f" Not read either{rest}: {others[0].reason}"
    return DataError(f"{first.reason}{more}", hint=first.hint)


def found(path: Path, kinds: Sequence[str]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the files to read, sorted by name, and the names of those that are passed by."""
    if any(sign in str(path) for sign in "*?[") and not path.exists():
        entries = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor) if path.anchor else path)))
        if not entries:
            raise InputError(f"No file matches {path}.")
        return [entry for entry in entries if not entry.is_dir()], ()
    if path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        files = [entry for entry in entries if ending(entry).lower() in kinds and not entry.is_dir()]
        skipped = tuple(entry.name + ("/" if entry.is_dir() else "") for entry in entries if entry not in files)
        if not files:
            inside = f"; it has {', '.join(skipped[:5])}" if skipped else "; it is empty"
            raise InputError(f"Folder {path} has no file that ends in {', '.join(kinds)}{inside}.")
        return files, skipped
    if not path.exists() and not path.is_symlink():
        near = sorted(entry.name for entry in path.parent.glob("*") if entry.suffix.lower() in kinds)[:5]
        hint = (
            f"{path.parent} has {', '.join(near)}." if near else "give a file, a folder, or a pattern such as a/*.csv."
        )
        raise InputError(f"There is no file or folder {path}.", hint=hint)
    return [path], ()


def _called(files: list[Path]) -> dict[Path, str]:
    """What each file is called: its name, and where that repeats its path below the folder that all share."""
    counts = Counter(file.name for file in files)
    if all(count == 1 for count in counts.values()):
        return {file: file.name for file in files}
    shared = os.path.commonpath([file.parent for file in files])
    return {file: file.name if counts[file.name] == 1 else os.path.relpath(file, shared) for file in files}


def _one_kind(parts: list[Part]) -> tuple[list[Part], list[Unread]]:
    """Days and moments cannot share a dataset: the kind of the first file stays."""
    kept = [part for part in parts if part.stamps.daily == parts[0].stamps.daily]
    kind, other = ("days", "clock times") if parts and parts[0].stamps.daily else ("clock times", "days")
    return kept, [
        Unread(part.source, f"{part.source} has {other}, and the files before it have {kind}.")
        for part in parts
        if part.stamps.daily != parts[0].stamps.daily
    ]


def _together(parts: list[Part]) -> pl.DataFrame:
    frames = [part.rows.with_columns(pl.lit(place, dtype=pl.UInt32).alias("part")) for place, part in enumerate(parts)]
    return pl.concat(frames, how="diagonal")


def _rejects(parts: list[Part], rejected: pl.DataFrame) -> pl.DataFrame:
    """The table of rejects: rejected rows and ragged lines with their values as found."""
    frames = [schemas.empty("rejects")]
    for (place,), group in rejected.group_by("part"):
        part = parts[int(place)]
        picked = part.raw[group["row"]]
        numbers = group["row"].cast(pl.Int64) + 1 if part.lines is None else pl.Series(part.lines)[group["row"]]
        text = picked.select(_text(column) for column in picked)
        frames.append(
            pl.DataFrame(
                {
                    "source": pl.repeat(part.source, group.height, eager=True),
                    "line": numbers,
                    "symbol": text[part.columns.of["symbol"]] if part.symbol is None
                    else pl.repeat(part.symbol, group.height, eager=True),
                    "date": text[part.columns.of["date"]],
                    "rule": group["rule"],
                    "row": text.select(pl.struct(pl.all()).struct.json_encode()).to_series(),
                }
            )
        )  # fmt: skip
    for part in parts:
        if part.ragged:
            lines, texts = zip(*part.ragged, strict=True)
            frames.append(
                pl.DataFrame({"source": part.source, "line": lines, "rule": "fields", "row": texts}).select(
                    "source", "line", pl.lit(part.symbol, dtype=pl.String).alias("symbol"),
                    pl.lit(None, dtype=pl.String).alias("date"), "rule", "row",
                )
            )  # fmt: skip
    return pl.concat(frames).sort("source", "line", "rule")


def _text(column: pl.Series) -> pl.Series:
    """The values of a column as text: lists and records as JSON, bytes as Python writes them."""
    if column.dtype == pl.Binary or column.dtype == pl.Object:
        texts = [None if value is None else repr(value) for value in column]
    elif column.dtype.is_nested():
        texts = [None if value is None else json.dumps(value, default=str) for value in column.to_list()]
    else:
        return column.cast(pl.String, strict=False)
    return pl.Series(column.name, texts, dtype=pl.String)
