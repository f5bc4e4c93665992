"""A sweep on a Dask cluster; the one module that knows Dask.

The job is scattered once and stays in the memory of the workers; chunks are tasks with priorities in their order, of
which so many are under way as the cluster has threads for, now. What the variants of a job share is kept beside the
job in each worker process, and goes with it. A worker that dies costs the chunk that it ran: Dask gives it to another.
What is lost nevertheless, because several died of it or the last holder of the job died, is suspected; the job is
scattered again, and suspects wait until all others are done and then have a worker each for themselves, so that
nobody is blamed for another's death.
"""

from __future__ import annotations

import pickle
import pkgutil
import platform
import queue
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from quantlab import __version__
from quantlab.core import InputError, KindError, MissingLibraryError
from quantlab.core._stopwatch import seconds
from quantlab.study._job import Job, Rows, Worker, failed_rows
from quantlab.study._parcel import Parcel, parcel_of, received_variants, sent_variants
from quantlab.study._schedule import Chunk, Finished

# Chunks under way for each thread of the cluster: an adaptive cluster grows when its threads have more than five
# seconds of work before them. Fewer at first, while nobody knows how long a chunk takes.
_AHEAD, _FIRST = 16, 2
# Seconds to wait for the scheduler to answer, and for a first worker to come.
_ANSWER, _PATIENCE = 10.0, 120.0
# How often a variant that runs alone may lose its worker, and how long a worker must be there before it is tried so.
_LOSSES, _SETTLED = 2, 2.0
_KEPT = "rows that are finished are kept with the study: start the same sweep again."


class Cluster:
    """A Dask cluster.

    Parameters
    ----------
    job : Job
    given : distributed.Client, which stays open; or the address of a scheduler, or a cluster object

    Raises
    ------
    KindError
        When the job cannot be sent to another process, or ``given`` is of another kind.
    MissingLibraryError
        Without ``distributed``.
    """

    def __init__(self, job: Job, given: Any) -> None:
        self._dask = _library()
        if not isinstance(given, (str, self._dask.Client, self._dask.deploy.Cluster)):
            raise KindError(f"`scheduler` must be a Dask Client or an address, received {type(given).__name__}.")
        self._job, self._given, self._held = job, given, _Held(parcel_of(job))
        self._name, self._count = secrets.token_hex(8), 0
        self._under_way: dict[Any, _Try] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads, self._looked, self._met = 0, float("-inf"), 0.0
        self._seen: dict[str, float] = {}
        self._ahead = _FIRST
        self._client: Any = None
        self._data: Any = None

    def __enter__(self) -> Cluster:
        self._is_mine = not isinstance(self._given, self._dask.Client)
        self._client = self._opened() if self._is_mine else self._given
        try:
            if self._client.asynchronous:
                raise InputError("`scheduler` is an asynchronous Client.", hint="make it with `Client(address)`.")
            if self._client.status != "running":
                raise InputError("`scheduler` is a Client that is closed.", hint="open one: `Client(address)`.")
            with self._told():
                self._scatter()
            self._met = seconds()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError, TimeoutError, CancelledError):
            if self._under_way and self._client.status == "running":
                self._client.cancel([one.future for one in self._under_way.values()], force=True)
        self._under_way.clear()
        # With the last handle of the job the workers drop it, and what they keep beside it.
        self._data = None
        if self._is_mine:
            with suppress(OSError, TimeoutError):
                self._client.close(timeout=_ANSWER)

    @property
    def hands(self) -> int:
        """How many threads the cluster has, now."""
        if seconds() - self._looked > 1.0:
            found, self._looked = self._client.nthreads(), seconds()
            self._seen = {worker: self._seen.get(worker, self._looked) for worker in found}
            self._threads = sum(found.values())
        return self._threads

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Finished]:
        """Yield what is finished."""
        suspects: list[_Try] = []
        with self._told():
            while True:
                if not self._filled(chunks) and all(one.worker for one in self._under_way.values()):
                    if not self._under_way and not suspects:
                        return
                    self._try_alone(suspects)
                for one in self._came():
                    found = self._result(one)
                    if found is not None:
                        self._ahead = _AHEAD
                        yield Finished(one.chunk, *found)
                    elif one.worker is None:
                        suspects.append(_Try(one.chunk))
                    elif len(one.chunk.keys) > 1:
                        suspects.extend(_Try(part) for part in one.chunk.halves())
                    elif one.losses < _LOSSES:
                        suspects.append(_Try(one.chunk, one.losses))
                    else:
                        reason = "Every worker of the cluster that ran this variant died."
                        yield Finished(one.chunk, failed_rows(self._job, one.chunk.keys, reason), 0.0)

    def _filled(self, chunks: Iterator[Chunk]) -> bool:
        """Submit what the cluster can take, and say whether there may be more."""
        while len(self._under_way) < self._ahead * max(self.hands, 1):
            chunk = next(chunks, None)
            if chunk is None:
                return False
            self._submit(_Try(chunk))
        return True

    def _try_alone(self, suspects: list[_Try]) -> None:
        """Give a suspect to each worker that has nothing else."""
        busy = {one.worker for one in self._under_way.values()}
        for worker, since in self._seen.items() if self.hands else ():
            # One that dies while its nanny is starting it is not always started again.
            if suspects and worker not in busy and seconds() - since > _SETTLED:
                one = suspects.pop()
                one.worker = worker
                self._submit(one)

    def _submit(self, one: _Try) -> None:
        # A tuple is a task of a group; of a large group no more are given to workers than they can begin.
        key = (f"sweep-{self._name}", self._count)
        order = (list(one.chunk.keys), sent_variants(one.chunk.variants))
        one.future = self._client.submit(
            _run, self._data, _versions(), *order, key=key, priority=-self._count, pure=False, workers=one.worker
        )
        self._count += 1
        self._under_way[key] = one
        one.future.add_done_callback(lambda future: self._done.put(future.key))

    def _came(self) -> Iterator[_Try]:
        """Wait for chunks that come back, finished or lost, for a second at the most."""
        with suppress(queue.Empty):
            one = self._under_way.pop(self._done.get(timeout=1.0), None)
            if one is not None:
                yield one
            return
        if self._client.status != "running":
            raise OSError("it does not answer any more")
        if self.hands:
            self._met = seconds()
        elif seconds() - self._met > _PATIENCE:
            raise self._nobody()
        for key, one in list(self._under_way.items()):
            if one.worker is not None and one.worker not in self._seen:
                # It would wait for that worker for ever.
                del self._under_way[key]
                self._client.cancel([one.future], force=True)
                yield one

    def _result(self, one: _Try) -> tuple[Rows, float] | None:
        """What came of a chunk; None when it was lost."""
        future, one.future = one.future, None
        try:
            found: tuple[Rows, float] = future.result(timeout=_PATIENCE)
            return found
        except self._dask.KilledWorker:
            # The scheduler has tried several times.
            one.losses += _LOSSES
        except (CancelledError, TimeoutError):
            one.losses += 1
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "quantlab":
                raise _without("that came last") from error
            raise
        if not self._is_there():
            self._scatter()
        return None

    def _is_there(self) -> bool:
        """Whether a worker holds the job still."""
        if self._client.status != "running":
            raise OSError("it does not answer any more")
        try:
            return bool(self._client.who_has([self._data]).get(self._data.key))
        except CancelledError:
            return False

    def _opened(self) -> Any:
        try:
            return self._dask.Client(self._given, timeout=_ANSWER, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"`scheduler`: no Dask scheduler answers at {self._given}: {_first_line(error)}.",
                hint="is it running, and can this machine reach it?",
            ) from error

    def _scatter(self) -> None:
        """Give the job to all workers, when there is one and all are of this version."""
        if not self._client.nthreads():
            # An adaptive cluster starts nobody before there is something to do.
            call = self._client.submit(len, (), pure=False, key=f"quantlab-{self._name}-{secrets.token_hex(4)}")
            try:
                call.result(timeout=_PATIENCE)
            except TimeoutError:
                raise self._nobody() from None
        # Functions of the standard library: a worker without quantlab can answer too.
        versions = self._client.run(pkgutil.resolve_name, "quantlab:__version__", on_error="return")
        pythons = self._client.run(platform.python_version, on_error="ignore")
        for worker, version in versions.items():
            if isinstance(version, ImportError):
                raise _without(worker)
            if worker in pythons and isinstance(version, str):
                _demand_same(worker, (version, pythons[worker]), _versions())
        self._data = self._client.scatter(self._held, broadcast=True, hash=False)

    def _nobody(self) -> InputError:
        return InputError(
            f"`scheduler`: the Dask cluster at {self._address} has no workers, and none came within "
            f"{_PATIENCE:.0f} seconds.",
            hint=f"start one: `dask worker {self._address}`.",
        )

    @property
    def _address(self) -> str:
        return str(getattr(self._client.scheduler, "address", self._given))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the connection, as one sentence."""
        address = self._address
        try:
            yield
        except (OSError, TimeoutError, CancelledError) as error:
            raise InputError(
                f"`scheduler`: the Dask scheduler at {address} is gone: {_first_line(error)}.", hint=_KEPT
            ) from error


@dataclass(slots=True)
class _Try:
    """A chunk, how often it was lost, and the worker that it has for itself."""

    chunk: Chunk
    losses: int = 0
    worker: str | None = None
    future: Any = None


class _Held:
    """A job in the memory of a worker process, with what its chunks share there."""

    def __init__(self, parcel: Parcel) -> None:
        self._parcel, self._lock = parcel, threading.Lock()
        self._worker: Worker | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self._parcel.head, *(pickle.PickleBuffer(part) for part in self._parcel.buffers))

    def __sizeof__(self) -> int:
        return self._parcel.size

    def worker(self) -> Worker:
        """Return what runs chunks of the job in this process."""
        with self._lock:
            if self._worker is None:
                self._worker = Worker(self._parcel.job())
            return self._worker


def _received(head: bytes, *buffers: Any) -> _Held:
    return _Held(Parcel(head, tuple(memoryview(part).cast("B") for part in buffers)))


def _run(held: _Held, versions: tuple[str, str], keys: list[str], variants: bytes) -> tuple[Rows, float]:
    """Run a chunk in a worker of the cluster."""
    # One that came later was not asked at the beginning.
    if _versions() != versions:
        _demand_same(_library().get_worker().address, _versions(), versions)
    worker, given = held.worker(), received_variants(variants)
    start = seconds()
    return worker.run(keys, given), seconds() - start


def _versions() -> tuple[str, str]:
    return __version__, platform.python_version()


def _demand_same(worker: str, theirs: tuple[str, str], ours: tuple[str, str]) -> None:
    """Raise InputError unless a worker has this quantlab, and a Python that can run functions compiled here."""
    if theirs[0] != ours[0]:
        raise InputError(
            f"`scheduler`: the worker {worker} has quantlab {theirs[0]}, and this is quantlab {ours[0]}.",
            hint="install the same version everywhere.",
        )
    if theirs[1].split(".")[:2] != ours[1].split(".")[:2]:
        raise InputError(
            f"`scheduler`: the worker {worker} has Python {theirs[1]}, too old or new for Python {ours[1]}.",
            hint="use the same minor version everywhere.",
        )


def _without(worker: str) -> InputError:
    return InputError(f"`scheduler`: the worker {worker} has no quantlab.", hint="install it there.")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__


def _library() -> Any:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "A sweep on a cluster needs distributed, which is not installed.", hint='`pip install "quantlab[dask]"`.'
        ) from error
    return distributed
