"""How a dataset reaches the disk: one writer at a time, and either the old dataset or the new one, never a mix.

Order of events, under the dataset's lock:

1. The data go to a temporary file in the same folder, are flushed to the disk (fsync), and get their name by
   ``os.replace``. That name holds the hash of the bytes, so the old data file is not touched.
2. The manifest goes the same way. Its ``os.replace`` is the commit: before it readers see the old dataset, after it
   the new one.
3. The folder is flushed, then every other data file is removed: the old one, and what a killed writer left.

A reader takes no lock. It may find that the file named by the manifest it has read is gone by now; then it reads the
manifest again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from quantlab.core import StoreError
from quantlab.data import _manifest
from quantlab.data._manifest import Manifest

_LOCK = ".lock"
# About 40 days of 3,000 symbols: small enough for a date range to skip most of a file, large enough to compress.
_ROW_GROUP = 131_072


def replace(folder: Path, table: pl.DataFrame, facts: Callable[[str, str, int], Manifest]) -> Manifest:
    """Make ``table`` the content of the dataset in ``folder``; return its manifest.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    table : polars.DataFrame
        Checked and sorted.
    facts : callable (file, sha256, size in bytes) -> Manifest

    Raises
    ------
    StoreError
        When another writer holds the lock, or the disk refuses. The old dataset is then untouched.
    """
    name = folder.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _flush(folder.parent)
        with _locked(folder):
            return _commit(folder, table, facts)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise StoreError(
            f"Dataset {name} could not be written: {reason}.",
            hint="make room or check the rights; what the store held before is untouched.",
        ) from error


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit(folder: Path, table: pl.DataFrame, facts: Callable[[str, str, int], Manifest]) -> Manifest:
    draft, note = folder / ".bars.tmp", folder / ".manifest.tmp"
    new: Path | None = None
    committed = False
    before = set(_data_files(folder))
    try:
        table.write_parquet(draft, compression="zstd", statistics=True, row_group_size=_ROW_GROUP)
        _flush(draft)
        sha256 = digest(draft)
        manifest = facts(f"bars-{sha256[:12]}.parquet", sha256, draft.stat().st_size)
        new = folder / manifest.file
        os.replace(draft, new)  # noqa: PTH105
        # The manifest must never be on the disk before the file that it names.
        _flush(folder)
        note.write_text(manifest.to_json(), encoding="utf-8")
        _flush(note)
        # Set before the rename: a Ctrl-C in between must not take the data from a manifest that stands.
        committed = True
        try:
            os.replace(note, folder / _manifest.FILE)  # noqa: PTH105
        except OSError:
            committed = False
            raise
    finally:
        # Also on Ctrl-C. What is left where even this fails, the next writer overwrites or removes.
        rubbish = [draft, note]
        if not committed and new is not None and new not in before:
            rubbish.append(new)
        with suppress(OSError):
            for path in rubbish:
                path.unlink(missing_ok=True)
    try:
        _flush(folder)
    except OSError as error:
        # The old data file stays: after a crash the folder may hold the old manifest again.
        raise StoreError(
            f"Dataset {folder.name} was written, but may not have reached the disk: {error.strerror}.",
            hint="look after the disk, then write the dataset again.",
        ) from error
    with suppress(OSError):
        for path in before - {new}:
            path.unlink(missing_ok=True)
    return manifest


def _data_files(folder: Path) -> list[Path]:
    return list(folder.glob("bars-*.parquet"))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the dataset's lock, which the system releases when this process ends in any way."""
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"Dataset {folder.name} is locked by another writer.",
                hint="wait until that process or thread has finished; the lock ends with it.",
            ) from error
        yield
    finally:
        os.close(handle)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
