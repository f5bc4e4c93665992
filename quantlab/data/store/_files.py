"""How versions reach a local folder: one writer at a time, and a version whole or not at all.

Order of events, under the dataset's lock:

1. Each new part goes to a hidden draft in the dataset's folder, is flushed to the disk (fsync), and gets its name by
   ``os.replace``. The name holds the hash of the bytes, so no file of another content is touched.
2. The folders of the parts are flushed. Then the version's manifest goes the same way, under the next free number. Its
   ``os.replace`` is the commit: before it readers see the old version as the newest, after it the new one.
3. The folder of the versions is flushed.

Files are never changed, so a reader takes no lock. Only ``prune`` removes any.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import polars as pl

from quantlab.core import StoreError
from quantlab.data.store._manifest import Part
from quantlab.data.store._names import legal, number_of, version_file

_LOCK = ".lock"
# What a dataset of schema version 1 consists of; it had one version, in these files.
_OLD_MANIFEST, _OLD_DATA = "manifest.json", "bars-*.parquet"


class LocalFolder:
    """A store in a folder of this machine.

    Attributes
    ----------
    root : pathlib.Path
    """

    # How many parts to compare at a time: one keeps up with the reader.
    parallel = 1

    def __init__(self, root: Path) -> None:
        self.root = root
        if root.exists() and not root.is_dir():
            raise StoreError(f"{root} is a file.", hint="a store is a folder.")

    def __str__(self) -> str:
        return str(self.root)

    def names(self) -> list[str]:
        """The datasets, sorted: folders of legal names that hold a version, or a manifest of schema version 1."""
        if not self.root.is_dir():
            return []
        found = [entry.name for entry in self.root.iterdir() if legal(entry.name) and entry.is_dir()]
        return sorted(name for name in found if self.numbers(name) or self.outdated(name))

    def numbers(self, name: str) -> list[int]:
        """The version numbers of a dataset, rising."""
        try:
            entries = os.listdir(self.root / name / "versions")  # noqa: PTH208 - names alone, twice as fast
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(number for entry in entries if (number := number_of(entry)) is not None)

    def outdated(self, name: str) -> bool:
        """Whether a dataset of schema version 1 stands there."""
        return (self.root / name / _OLD_MANIFEST).is_file()

    def version(self, name: str, number: int) -> bytes:
        """The manifest of a version; FileNotFoundError when it is not there."""
        return (self.root / name / version_file(number)).read_bytes()

    def local(self, name: str, part: Part) -> Path:
        """A file on this machine with the bytes of a part; whether they are the right ones is not asked here."""
        return self.root / name / part.file

    def forget(self, name: str, part: Part) -> bool:
        """Whether a damaged part can be fetched once more: never, this is the original."""
        return False

    @contextmanager
    def writing(self, name: str) -> Iterator[LocalWriter]:
        """Hold the dataset's lock and give the one who may write.

        Raises
        ------
        StoreError
            When another writer holds the lock, or the disk refuses. No version is then added.
        """
        folder = self.root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flush(self.root)
            with _locked(folder):
                writer = LocalWriter(folder)
                try:
                    yield writer
                finally:
                    writer.close()
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise StoreError(
                f"Dataset {name} could not be written: {reason}.",
                hint="make room or check the rights; what the store held before is untouched.",
            ) from error


class LocalWriter:
    """Adds parts, then commits them under a version number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new: list[Path] = []
        self._touched = {folder}
        self._drafts = 0
        self._committed = False
        # Left by a killed writer: the lock says that nobody else is at work on them.
        self._sweep()

    def draft(self) -> Path:
        """A path for bytes that have no name yet."""
        self._drafts += 1
        return self.folder / f".draft-{self._drafts}"

    def place(self, draft: Path, part: Part) -> None:
        """Give a finished draft its name."""
        target = self.folder / part.file
        flush(draft)
        if not target.parent.is_dir():
            target.parent.mkdir()
        if not target.exists():
            self._new.append(target)
        # Over a file of the same name too: it may be damaged.
        os.replace(draft, target)  # noqa: PTH105
        self._touched.add(target.parent)

    def keep(self) -> None:
        """Let the parts stand without a new version: an older one names them."""
        for folder in self._touched:
            flush(folder)
        self._committed = True

    def commit(self, number: int, content: bytes) -> None:
        """Make a version readable, or raise and leave none."""
        target = self.folder / version_file(number)
        target.parent.mkdir(exist_ok=True)
        # No manifest may be on the disk before the files that it names.
        for folder in self._touched:
            flush(folder)
        note = target.with_name(f".{target.name}")
        try:
            with note.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # Set before the rename: a Ctrl-C in between must not take the parts from a manifest that stands.
            self._committed = True
            try:
                os.replace(note, target)  # noqa: PTH105
            except OSError:
                self._committed = False
                raise
        finally:
            with suppress(OSError):
                note.unlink(missing_ok=True)
        try:
            flush(target.parent)
        except OSError as error:
            raise StoreError(
                f"Dataset {self.folder.name} was written, but may not have reached the disk: {error.strerror}.",
                hint="look after the disk, then write the dataset again.",
            ) from error
        # A dataset of schema version 1 is replaced by the new version.
        with suppress(OSError):
            for path in (self.folder / _OLD_MANIFEST, *self.folder.glob(_OLD_DATA)):
                path.unlink(missing_ok=True)

    def unnamed(self, named: set[str], now: datetime) -> dict[str, int]:
        """Every part on the disk that is not ``named``, with its size in bytes."""
        found = {path.relative_to(self.folder).as_posix(): path for path in self.folder.glob("*/*.parquet")}
        return {file: path.stat().st_size for file, path in sorted(found.items()) if file not in named}

    def remove(self, files: Iterable[str]) -> None:
        """Remove files in the given order, and flush their folders."""
        folders = set()
        for file in files:
            path = self.folder / file
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in folders:
            flush(folder)

    def close(self) -> None:
        """Remove drafts, and parts that no version names. What is left where even this fails, ``prune`` removes."""
        with suppress(OSError):
            if not self._committed:
                for path in self._new:
                    path.unlink(missing_ok=True)
            self._sweep()

    def _sweep(self) -> None:
        for path in [*self.folder.glob(".draft-*"), *self.folder.glob("versions/.*")]:
            path.unlink(missing_ok=True)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
