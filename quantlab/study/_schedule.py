"""Who runs the variants: threads here, other processes, or a Dask cluster.

A scheduler takes chunks one after the other, when it has hands free, and gives back their rows in whatever order they
come. Rows are the same whoever makes them.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from quantlab.core import InputError, KindError
from quantlab.core._arguments import integer
from quantlab.core._stopwatch import seconds
from quantlab.study._job import Job, Rows, Worker


@dataclass(frozen=True, slots=True)
class Chunk:
    """Variants that are run together: their places in the grid, their keys and parameters."""

    numbers: Sequence[int]
    keys: Sequence[str]
    variants: Sequence[Mapping[str, Any]]

    def halves(self) -> Iterator[Chunk]:
        """Yield both halves."""
        middle = len(self.keys) // 2
        for part in (slice(middle), slice(middle, None)):
            yield Chunk(self.numbers[part], self.keys[part], self.variants[part])


@dataclass(frozen=True, slots=True)
class Finished:
    """The rows of a chunk, and how long a worker took for them in seconds."""

    chunk: Chunk
    rows: Rows
    seconds: float


class Scheduler(Protocol):
    """Runs chunks of one job while it is open."""

    @property
    def hands(self) -> int:
        """How many chunks are run at the same time, now."""

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Finished]:
        """Yield what is finished until nothing is left; left early, it takes no more and forgets what is under way."""


Opened = AbstractContextManager[Scheduler]


def scheduler_of(given: Any, workers: int | None) -> Callable[[Job], Opened]:
    """Return what opens the scheduler that a user named.

    Parameters
    ----------
    given : "threads" | "processes" | "tcp://..." | dask.distributed.Client
    workers : int >= 1, threads or processes; by default one for each processor that this process may use

    Raises
    ------
    InputError
        For an unknown name, or ``workers`` on a cluster.
    KindError
        For anything else.
    """
    count = len(os.sched_getaffinity(0)) if workers is None else integer(workers, name="workers", low=1)
    if isinstance(given, str):
        if given == "threads":
            return lambda job: Threads(job, count)
        if given == "processes":
            from quantlab.study._processes import Processes

            return lambda job: Processes(job, count)
        if "://" not in given:
            raise InputError(
                f'`scheduler` must be "threads", "processes", the address of a Dask scheduler or a Client, '
                f"received {given!r}.",
                hint='an address reads "tcp://host:8786".',
            )
    elif not hasattr(given, "scheduler_info"):
        raise KindError(
            f'`scheduler` must be "threads", "processes", the address of a Dask scheduler or a Client, '
            f"received {type(given).__name__}."
        )
    if workers is not None:
        raise InputError("`workers` is for threads and processes: a cluster has its own.")
    from quantlab.study._dask import Cluster

    return lambda job: Cluster(job, given)


class Hands:
    """Threads of this process, each of which runs chunks in its own way.

    Parameters
    ----------
    ways : function (chunk) -> Finished, one or more, for each hand

    Attributes
    ----------
    stopped : threading.Event
        Set, no hand takes another chunk.
    """

    def __init__(self, ways: Sequence[Callable[[Chunk], Iterable[Finished]]]) -> None:
        self._ways, self.stopped = ways, threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Finished]:
        """Yield what is finished; raise the first error of a hand."""
        taking = threading.Lock()
        done: queue.SimpleQueue[Finished | BaseException | None] = queue.SimpleQueue()

        def work(way: Callable[[Chunk], Iterable[Finished]]) -> None:
            with _Telling(done):
                while not self.stopped.is_set():
                    with taking:
                        chunk = next(chunks, None)
                    if chunk is None:
                        break
                    for finished in way(chunk):
                        done.put(finished)

        # A daemon does not keep an interrupted process alive: what is under way was not promised to anybody.
        self._threads = [threading.Thread(target=work, args=(way,), daemon=True) for way in self._ways]
        for thread in self._threads:
            thread.start()
        working = len(self._threads)
        while working:
            found = done.get()
            if found is None:
                working -= 1
            elif isinstance(found, BaseException):
                self.stopped.set()
                raise found
            else:
                yield found

    def join(self) -> None:
        """Wait until all have ended."""
        for thread in self._threads:
            thread.join()


class _Telling:
    """Tells the thread that waits how a hand has ended: by an error, which is raised there, or None."""

    def __init__(self, done: queue.SimpleQueue[Any]) -> None:
        self._done = done

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._done.put(error)
        return True


class Threads:
    """Threads of this process: kernels let go of the interpreter, so that they run side by side.

    Parameters
    ----------
    job : Job
    count : int
    """

    def __init__(self, job: Job, count: int) -> None:
        worker = Worker(job)
        self.hands = count
        self._hands = Hands([lambda chunk: [timed(worker, chunk)]] * count)

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *error: object) -> None:
        self._hands.stopped.set()
        if error[0] is None:
            self._hands.join()

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Finished]:
        """Yield what is finished."""
        return self._hands.run(chunks)


def timed(worker: Worker, chunk: Chunk) -> Finished:
    """Return the rows of a chunk with the time that they took."""
    start = seconds()
    rows = worker.run(chunk.keys, chunk.variants)
    return Finished(chunk, rows, seconds() - start)
