"""Which version of a dataset a reader gets: the newest, or the one in force at a moment.

Commit moments rise strictly with the version numbers, so the version in force is found by halving: a dozen small files
for ten years of daily commits.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Any, Protocol

from quantlab.core import InputError, KindError, StoreError
from quantlab.data.store import _manifest
from quantlab.data.store._manifest import Manifest
from quantlab.data.store._names import demand_legal

_TICK = timedelta(microseconds=1)
# A reader that loses its version to `prune` looks again; each time, a whole version has been committed in between.
PATIENCE = 100


class Versioned(Protocol):
    """What a folder of datasets must answer for a version to be found in it."""

    def names(self) -> list[str]: ...
    def numbers(self, name: str) -> list[int]: ...
    def outdated(self, name: str) -> bool: ...
    def version(self, name: str, number: int) -> bytes: ...


def moment(known_at: Any) -> datetime:
    """Return ``known_at`` in UTC: a moment with its zone, or the last microsecond of a day in UTC.

    Raises
    ------
    InputError, KindError
        For a clock time without a time zone, or what is no date.
    """
    if isinstance(known_at, str):
        try:
            # A text of ten signs such as 2024-01-31 is a day; datetime would read it as midnight.
            known_at = date.fromisoformat(known_at) if len(known_at) <= 10 else datetime.fromisoformat(known_at)
        except ValueError as error:
            raise InputError(
                f"`known_at` must be a date or a moment such as 2024-01-31T18:00:00+00:00, received {known_at!r}."
            ) from error
    if isinstance(known_at, datetime):
        if known_at.tzinfo is None:
            raise KindError(
                f"`known_at` is a clock time without a time zone: {known_at}.",
                hint="say where: `datetime(..., tzinfo=UTC)`; a date alone means the end of that day in UTC.",
            )
        return known_at.astimezone(UTC)
    if isinstance(known_at, date):
        return datetime.combine(known_at, time.max, tzinfo=UTC)
    raise KindError(f"`known_at` must be a date or a moment with a time zone, received {type(known_at).__name__}.")


def find(folder: Versioned, name: str, known_at: Any = None) -> Manifest:
    """Return the manifest of the newest version, or of the one in force at ``known_at``.

    Raises
    ------
    StoreError
        When there is no such dataset, it is of schema version 1, the version is damaged, or none was committed yet.
    """
    demand_legal(name)
    asked = None if known_at is None else moment(known_at)
    for _ in range(PATIENCE):
        numbers = folder.numbers(name)
        if not numbers:
            raise _absent(folder, name)
        try:
            if asked is None:
                return read(folder, name, numbers[-1])
            return _unbroken(_in_force(folder, name, numbers, asked), numbers)
        except FileNotFoundError:
            continue  # pruned between the listing and the reading
    raise StoreError(f"Dataset {name} is rewritten faster than it can be read.", hint="stop the writers first.")


def read(folder: Versioned, name: str, number: int) -> Manifest:
    """Return the manifest of one version; FileNotFoundError when it is not there, StoreError when it is damaged."""
    try:
        content = folder.version(name, number)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"Version {number} of dataset {name} cannot be read: {error.strerror or error}.") from error
    return _manifest.parsed(name, number, content)


def readable(folder: Versioned, name: str) -> Manifest | None:
    """Return the newest version that is not damaged, or None. For writers: they hold the lock."""
    for number in reversed(folder.numbers(name)):
        try:
            return read(folder, name, number)
        except (StoreError, FileNotFoundError):
            continue
    return None


def after(before: Manifest | None, now: datetime) -> datetime:
    """Return the moment of a commit: now, or just after the one before when the clock does not rise."""
    return now if before is None else max(now, before.committed_at + _TICK)


def _in_force(folder: Versioned, name: str, numbers: list[int], asked: datetime) -> Manifest:
    low, high = 0, len(numbers)  # the answer is one before the first version committed later
    best = None
    while low < high:
        middle = (low + high) // 2
        try:
            facts = read(folder, name, numbers[middle])
        except StoreError:
            return _past_damage(folder, name, numbers, asked)
        if facts.committed_at <= asked:
            best, low = facts, middle + 1
        else:
            high = middle
    if best is None:
        raise _before_the_first(read(folder, name, numbers[0]), asked)
    return best


def _unbroken(facts: Manifest, numbers: list[int]) -> Manifest:
    """Refuse a version whose successor is gone: it may be the lost one that was in force. Pruning takes the oldest."""
    if facts.version != numbers[-1] and facts.version + 1 not in numbers:
        raise StoreError(
            f"Version {facts.version + 1} of dataset {facts.dataset} is missing, and may be the one in force then.",
            hint="bring its file back from a backup; the newest version is not touched by this.",
        )
    return facts


def _past_damage(folder: Versioned, name: str, numbers: list[int], asked: datetime) -> Manifest:
    """One by one: a damaged version matters only where it may be the one in force."""
    best: Manifest | None = None
    broken: StoreError | None = None
    for number in numbers:
        try:
            facts = read(folder, name, number)
        except StoreError as error:
            broken = error
            continue
        if facts.committed_at > asked:
            break
        best, broken = facts, None
    if broken is not None:
        raise broken
    if best is None:
        raise _before_the_first(read(folder, name, numbers[0]), asked)
    return best


def _before_the_first(first: Manifest, asked: datetime) -> StoreError:
    return StoreError(
        f"Dataset {first.dataset} was not known at {shown(asked)}: its first version in the store, {first.version}, "
        f"was committed at {shown(first.committed_at)}.",
        hint=None if first.version == 1 else "earlier versions were pruned.",
    )


def shown(when: datetime) -> str:
    """Return a moment as it can be given to ``known_at`` again."""
    return when.astimezone(UTC).isoformat()


def _absent(folder: Versioned, name: str) -> StoreError:
    if folder.outdated(name):
        return StoreError(
            f"Dataset {name} in {folder} has schema version 1, which this quantlab does not read.",
            hint="write it again from its source; `quantlab data sample` writes the samples.",
        )
    names = folder.names()
    if not names:
        return StoreError(
            f"There is no dataset {name}: store {folder} is empty.",
            hint="`quantlab data sample` fills it with sample data, offline.",
        )
    near = get_close_matches(name, names, n=1)
    return StoreError(
        f"There is no dataset {name} in store {folder}; it has {', '.join(names)}.",
        hint=f"did you mean {near[0]}?" if near else None,
    )
