"""A job on its way to another process: everything in it is either sent, or there by its name.

The user's own modules are sent by value, functions and all: a notebook, or a file that was loaded by its path, can be
imported nowhere else, and of a module that was edited since it was loaded the code runs that was loaded, and hashed.
What cannot be sent so is sent by name, and is imported there. Panels go beside the pickle, without being copied, so
that processes of one machine can share them.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.study._ask import Failure, ask
from quantlab.study._identity import _is_own
from quantlab.study._job import Job
from quantlab.study._strategy import name_of

# Arrays begin at such a byte: numba would compile anew for one that is not aligned.
_ALIGNED = 64
_HEADER = struct.Struct("<qq")
# Modules are registered for everybody in this process while something is pickled.
_REGISTERING = threading.RLock()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A packed job.

    Parameters
    ----------
    head : bytes, its pickle
    buffers : the memory of its read-only arrays
    """

    head: bytes
    buffers: tuple[memoryview, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.head) + sum(buffer.nbytes for buffer in self.buffers)

    def job(self) -> Job:
        """Return the job; its Panels are views of the buffers.

        Raises
        ------
        InputError
            When it refers to something that is not here.
        """
        found = ask(partial(pickle.loads, self.head, buffers=[_aligned(buffer) for buffer in self.buffers]))
        if isinstance(found, Failure):
            raise InputError(
                f"A worker cannot load the strategy: {found.reason.rstrip('.')}.",
                hint="install there what it imports.",
            )
        return found

    def write(self) -> int:
        """Return the handle of a nameless file that holds the parcel; whoever has it may :func:`read_parcel`."""
        handle = _nameless()
        with open(handle, "wb", closefd=False) as file:
            file.write(_HEADER.pack(len(self.head), len(self.buffers)))
            for buffer in self.buffers:
                file.write(struct.pack("<q", buffer.nbytes))
            file.write(self.head)
            for buffer in self.buffers:
                file.write(bytes(-file.tell() % _ALIGNED))
                file.write(buffer)
            file.write(b"\0")
        return handle


def read_parcel(handle: int) -> Parcel:
    """Return the parcel in a file of :meth:`Parcel.write`; its arrays are shared by all who read it."""
    whole = memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
    length, count = _HEADER.unpack_from(whole)
    sizes = struct.unpack_from(f"<{count}q", whole, _HEADER.size)
    place = _HEADER.size + 8 * count + length
    head, buffers = bytes(whole[place - length : place]), []
    for size in sizes:
        place += -place % _ALIGNED
        buffers.append(whole[place : place + size])
        place += size
    return Parcel(head, tuple(buffers))


def parcel_of(job: Job) -> Parcel:
    """Return a job as it can be sent.

    Raises
    ------
    KindError
        When something in it cannot leave this process.
    """
    buffers: list[memoryview] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.readonly:
            buffers.append(raw)
        # What may be written to is copied into the pickle, so that it can be written to there.
        return not raw.readonly

    def pack() -> bytes:
        buffers.clear()
        return _dumps(job, buffer_callback=beside)

    head = _sent(pack)
    if isinstance(head, Failure):
        raise KindError(
            f"{_culprit(job)} cannot be sent to another process: {head.reason.rstrip('.')}.",
            hint='open what it needs inside of it, or write `scheduler="threads"`.',
        )
    return Parcel(head, tuple(buffers))


def sent_variants(variants: Sequence[Mapping[str, Any]]) -> bytes:
    """Return parameters of variants as they can be sent, to be read by :func:`received_variants`.

    Raises
    ------
    KindError
        When a value cannot leave this process.
    """
    found = _sent(partial(_dumps, list(variants)))
    if isinstance(found, Failure):
        raise KindError(
            f"A parameter of the grid cannot be sent to another process: {found.reason.rstrip('.')}.",
            hint='write `scheduler="threads"`.',
        )
    return found


def received_variants(data: bytes) -> list[dict[str, Any]]:
    """Return what :func:`sent_variants` was given.

    Raises
    ------
    InputError
        When a value refers to something that is not here.
    """
    found = ask(partial(pickle.loads, data))
    if isinstance(found, Failure):
        raise InputError(
            f"A worker cannot load a parameter of the grid: {found.reason.rstrip('.')}.",
            hint="install there what it imports.",
        )
    return found


def _sent(pack: Callable[[], bytes]) -> bytes | Failure:
    """What packs makes, the user's modules by value; where that fails, by name."""
    with _by_value():
        first = ask(pack)
    if not isinstance(first, Failure):
        return first
    second = ask(pack)
    return first if isinstance(second, Failure) else second


def _dumps(value: Any, **options: Any) -> bytes:
    import cloudpickle  # type: ignore[import-untyped]

    return cloudpickle.dumps(value, protocol=5, **options)


@contextmanager
def _by_value() -> Iterator[None]:
    """While it is open, what the user's own modules hold is pickled by value."""
    import cloudpickle

    with _REGISTERING:
        known = cloudpickle.list_registry_pickle_by_value()
        added = [module for name, module in list(sys.modules.items()) if name not in known and _is_sent(name, module)]
        for module in added:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in added:
                cloudpickle.unregister_pickle_by_value(module)


def _is_sent(name: str, module: Any) -> bool:
    return isinstance(module, ModuleType) and module.__name__ == name != "__main__" and _is_own(name)


def _culprit(job: Job) -> str:
    """What it is in a job that cannot be sent."""
    for value, called in ((job.bars, "`bars`"), (job.terms, "One of the costs, the account and the other terms")):
        if isinstance(_sent(partial(_dumps, value)), Failure):
            return called
    return f"The strategy {name_of(job.strategy)}"


def _nameless() -> int:
    """The handle of a new file without a name: in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("quantlab")
    handle, name = tempfile.mkstemp()
    Path(name).unlink()
    return handle


def _aligned(buffer: memoryview) -> memoryview:
    if not buffer.nbytes:
        return buffer
    flat = np.frombuffer(buffer, dtype=np.uint8)
    if flat.ctypes.data % _ALIGNED:
        room = np.empty(flat.size + _ALIGNED, dtype=np.uint8)
        start = -room.ctypes.data % _ALIGNED
        room[start : start + flat.size] = flat
        flat = room[start : start + flat.size]
    return flat.data.toreadonly()
