"""A store in an object store (``s3://bucket/prefix`` and its kin), through the library obstore.

There are no folders, renames or locks here. Parts are uploaded under names that hold their hash, so that uploading one
twice changes nothing. The commit is the upload of the version's manifest on the condition that no object of its number
exists: of two writers one wins, the other is told and leaves parts that no version names, which ``prune`` removes.

Parts are downloaded once, into a cache on this machine that is addressed by content: their SHA-256 is compared before
they get their name in it. The cache may be deleted at any time.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from quantlab.core import InputError, MissingLibraryError, StoreError, user_cache
from quantlab.data.store._files import digest
from quantlab.data.store._manifest import Part
from quantlab.data.store._names import legal, number_of, version_file

_SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "azure")
# The library repeats a request that fails on its way; after this it gives up.
_RETRY = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_TIMEOUT = timedelta(seconds=60)
_CHUNK = 8 << 20
# A writer may have uploaded a part a while before its commit: `prune` leaves alone what is younger than this.
_YOUNG = timedelta(days=1)


class ObjectFolder:
    """A store behind a URL.

    Parameters
    ----------
    url : str
    options : mapping of str to str
        As of :class:`quantlab.data.Store`.
    cache : path, optional
    """

    # How many parts to fetch at a time.
    parallel = 8

    def __init__(self, url: str, *, options: Mapping[str, str], cache: Any = None) -> None:
        self._url = url.rstrip("/")
        scheme = url.partition("://")[0]
        if scheme not in _SCHEMES:
            hint = "give the path of the folder itself." if scheme == "file" else f"known are {', '.join(_SCHEMES)}."
            raise InputError(f"A store cannot be at {scheme}://.", hint=hint)
        try:
            import obstore
            from obstore.store import from_url
        except ModuleNotFoundError as error:
            raise MissingLibraryError(
                f"A store at {scheme}:// needs obstore, which is not installed.",
                hint="`pip install 'quantlab[s3]'`.",
            ) from error
        self._lib = obstore
        self._cache = Path(cache).expanduser() if cache is not None else user_cache() / "parts"
        config = dict(options)
        client: dict[str, Any] = {"timeout": _TIMEOUT}
        plain = [config.pop(key, None) for key in ("aws_allow_http", "allow_http")]
        allowed = next((word for word in (*plain, os.environ.get("AWS_ALLOW_HTTP")) if word is not None), "")
        if str(allowed).lower() in ("true", "1", "yes"):
            client["allow_http"] = True
        try:
            # Its stub tells the options of each scheme apart, and this is any of them.
            opened: Any = from_url
            self._store = opened(self._url, config=config or None, client_options=client, retry_config=_RETRY)
        except obstore.exceptions.BaseError as error:
            raise InputError(f"A store cannot be opened at {self._url}: {_reason(error)}.") from error

    def __str__(self) -> str:
        return self._url

    def names(self) -> list[str]:
        """The datasets, sorted."""
        with self._told("The datasets of {url} cannot be listed"):
            found = self._lib.list_with_delimiter(self._store)["common_prefixes"]
        names = [prefix.rpartition("/")[2] for prefix in found]
        return sorted(name for name in names if legal(name) and self.numbers(name))

    def numbers(self, name: str) -> list[int]:
        """The version numbers of a dataset, rising."""
        with self._told("The versions of dataset {name} cannot be listed", name):
            paths = [meta["path"] for batch in self._lib.list(self._store, f"{name}/versions") for meta in batch]
        numbers = (number_of(path.rpartition("/")[2]) for path in paths)
        return sorted(number for number in numbers if number is not None)

    def outdated(self, name: str) -> bool:
        """Whether a dataset of schema version 1 stands there: those were never in object stores."""
        return False

    def version(self, name: str, number: int) -> bytes:
        """The manifest of a version; FileNotFoundError when it is not there."""
        with self._told("Version {number} of dataset {name} cannot be read", name, number=number):
            return self._lib.get(self._store, f"{name}/{version_file(number)}").bytes().to_bytes()

    def local(self, name: str, part: Part) -> Path:
        """A file on this machine with the bytes of a part, downloaded where it is not there yet."""
        path = self._cached(part)
        if path.is_file():
            return path
        draft = self.draft()
        try:
            with self._told("Dataset {name} cannot be read", name), draft.open("wb") as file:
                answer = self._lib.get(self._store, f"{name}/{part.file}")
                for chunk in answer.stream(min_chunk_size=_CHUNK):
                    file.write(chunk)
            if digest(draft) != part.sha256:
                raise StoreError(
                    f"Dataset {name} is damaged: the SHA-256 of {part.file} is not the manifest's.",
                    hint="write it again from its source.",
                )
            self.keep(draft, part)
        finally:
            draft.unlink(missing_ok=True)
        return path

    def forget(self, name: str, part: Part) -> bool:
        """Drop a damaged copy, so that the original is fetched again."""
        with suppress(FileNotFoundError):
            self._cached(part).unlink()
        return True

    def draft(self) -> Path:
        """A path in the cache that nobody else uses."""
        self._cache.mkdir(parents=True, exist_ok=True)
        return self._cache / f".{os.getpid()}-{secrets.token_hex(8)}"

    def keep(self, draft: Path, part: Part) -> None:
        """Put bytes that were compared into the cache."""
        path = self._cached(part)
        path.parent.mkdir(exist_ok=True)
        os.replace(draft, path)  # noqa: PTH105

    @contextmanager
    def writing(self, name: str) -> Iterator[ObjectWriter]:
        """Give one who may write. There is no lock: the commit decides.

        Raises
        ------
        StoreError
            When another writer was faster, or the object store or the disk of the cache refuses.
        """
        writer = ObjectWriter(self, name)
        try:
            yield writer
        except (OSError, pl.exceptions.PolarsError) as error:
            raise writer.refused(getattr(error, "strerror", None) or str(error).splitlines()[0]) from error
        finally:
            writer.close()

    def _cached(self, part: Part) -> Path:
        return self._cache / part.sha256[:2] / f"{part.sha256}.parquet"

    @contextmanager
    def _told(self, says: str, name: str = "", **facts: Any) -> Iterator[None]:
        """Turn the library's errors into a sentence. What is not there stays a FileNotFoundError."""
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StoreError(f"{says.format(url=self._url, name=name, **facts)}: {_reason(error)}.") from error
            raise
        except self._lib.exceptions.BaseError as error:
            raise StoreError(
                f"{says.format(url=self._url, name=name, **facts)}: {_reason(error)}.",
                hint="check the address, the credentials and the network.",
            ) from error


class ObjectWriter:
    """Uploads parts, then commits them under a version number."""

    def __init__(self, folder: ObjectFolder, name: str) -> None:
        self._folder, self._name = folder, name
        self._lib, self._store = folder._lib, folder._store
        self._drafts: list[Path] = []

    def draft(self) -> Path:
        """A path for bytes that have no name yet."""
        self._drafts.append(self._folder.draft())
        return self._drafts[-1]

    def place(self, draft: Path, part: Part) -> None:
        """Upload a finished draft; it stays in the cache."""
        with self._told():
            self._lib.put(self._store, f"{self._name}/{part.file}", draft)
        self._folder.keep(draft, part)

    def keep(self) -> None:
        """Let the parts stand without a new version."""

    def commit(self, number: int, content: bytes) -> None:
        """Make a version readable, or raise."""
        path = f"{self._name}/{version_file(number)}"
        errors = self._lib.exceptions
        try:
            self._lib.put(self._store, path, content, mode="create")
        except errors.AlreadyExistsError as error:
            # Our own, when the answer to a first attempt was lost on its way.
            if self._folder.version(self._name, number) == content:
                return
            raise StoreError(
                f"Another writer has committed version {number} of dataset {self._name} meanwhile.",
                hint="nothing was changed; do it again on top of that version.",
            ) from error
        except (errors.BaseError, FileNotFoundError) as error:
            raise StoreError(
                f"Whether version {number} of dataset {self._name} was committed is unknown: {_reason(error)}.",
                hint=f'look at `store.versions("{self._name}")` when the object store answers again.',
            ) from error

    def unnamed(self, named: set[str], now: datetime) -> dict[str, int]:
        """Every part that is not ``named`` and was uploaded more than a day ago, with its size in bytes."""
        with self._told():
            objects = [meta for batch in self._lib.list(self._store, self._name) for meta in batch]
        found = {}
        for meta in objects:
            file = meta["path"].removeprefix(f"{self._name}/")
            if file.endswith(".parquet") and file not in named and now - meta["last_modified"] > _YOUNG:
                found[file] = meta["size"]
        return found

    def remove(self, files: Iterable[str]) -> None:
        """Remove objects in the given order."""
        with self._told():
            for file in files:
                with suppress(FileNotFoundError):
                    self._lib.delete(self._store, f"{self._name}/{file}")

    def refused(self, reason: str) -> StoreError:
        """The error for a write that did not come about."""
        return StoreError(
            f"Dataset {self._name} could not be written: {reason}.",
            hint="check the address, the credentials, the network and the disk; the old version is untouched.",
        )

    def close(self) -> None:
        """Remove drafts."""
        for draft in self._drafts:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (self._lib.exceptions.BaseError, FileNotFoundError) as error:
            raise self.refused(_reason(error)) from error


def _reason(error: Exception) -> str:
    """The first line of what the library says; the rest is for its developers."""
    text = str(error)
    return "there is no such bucket" if "NoSuchBucket" in text else text.splitlines()[0].strip().rstrip(".")
