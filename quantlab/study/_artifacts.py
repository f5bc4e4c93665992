"""Files that belong to runs, named by what is in them: ``artifacts/ab/cdef...`` is the file whose SHA-256 is abcdef....

The same bytes are kept once, whichever runs they belong to. A file is whole or absent, and is compared with its name
whenever it is read.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from quantlab.core import InputError, KindError, StoreError
from quantlab.core._atomic import write_atomic

_SHA256 = re.compile(r"[0-9a-f]{64}")


def content(thing: Any) -> bytes:
    """Return bytes as they are, or those of a file."""
    if isinstance(thing, bytes | bytearray | memoryview):
        return bytes(thing)
    if not isinstance(thing, str | os.PathLike):
        raise KindError(f"An artifact is a file or bytes, received {type(thing).__name__}.")
    try:
        return Path(thing).expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"{thing} cannot be read: {error.strerror or error}.") from error


def keep(folder: Path, data: bytes) -> str:
    """Write ``data`` under its SHA-256 and return that; a file that stands there whole is left alone."""
    name = hashlib.sha256(data).hexdigest()
    place = _place(folder, name)
    try:
        whole = place.read_bytes() == data
    except OSError:
        whole = False
    if not whole:
        write_atomic(place, data)
    return name


def load(folder: Path, name: str) -> bytes:
    """Return what was kept under a SHA-256, or raise when it is gone or damaged."""
    if not isinstance(name, str) or not _SHA256.fullmatch(name):
        raise InputError(f"An artifact is asked for by its SHA-256, 64 hexadecimal digits, received {name!r}.")
    place = _place(folder, name)
    try:
        data = place.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"Artifact {name} is not in {folder}.") from error
    except OSError as error:
        raise StoreError(f"Artifact {name} cannot be read: {error.strerror or error}.") from error
    if hashlib.sha256(data).hexdigest() != name:
        raise StoreError(f"Artifact {name} is damaged: {place} has other bytes.", hint="attach it once more.")
    return data


def _place(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:]
