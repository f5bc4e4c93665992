"""How old versions are freed: their manifests first, the oldest first, then every file that no version names.

Killed in between, it leaves files that no version names, and the next call removes those.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantlab.data.store import _versions
from quantlab.data.store._names import version_file


@dataclass(frozen=True, slots=True)
class Pruned:
    """What ``Store.prune`` freed.

    Attributes
    ----------
    versions : tuple of int
        Numbers of the versions that are no longer there.
    files : int
        Parts that no version names any more, and what killed writers left.
    size : int, bytes
        Of those files.
    """

    versions: tuple[int, ...]
    files: int
    size: int


def prune(folder: Any, name: str, before: datetime, now: datetime) -> Pruned:
    """Remove the versions of a dataset that were no longer in force at ``before``, and unnamed files.

    Parameters
    ----------
    folder : LocalFolder | ObjectFolder
    name : str
    before, now : datetime, UTC

    Raises
    ------
    StoreError
        When another writer holds the lock, the disk refuses, or a version that stays is damaged: then which files it
        names is unknown, and nothing is removed.
    """
    with folder.writing(name) as writer:
        numbers = folder.numbers(name)
        # From the newest down to the first that was in force already.
        kept = []
        for number in reversed(numbers):
            kept.append(_versions.read(folder, name, number))
            if kept[-1].committed_at <= before:
                break
        gone = tuple(number for number in numbers if number < kept[-1].version)
        named = {part.file for facts in kept for part in facts.parts}
        writer.remove(version_file(number) for number in gone)
        files = writer.unnamed(named, now)
        writer.remove(files)
        return Pruned(gone, len(files), sum(files.values()))
