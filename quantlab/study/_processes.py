"""A sweep in other processes of this machine: for strategies that hold the interpreter and so gain nothing by threads.

Each hand is a thread here with a process of its own at the other end of a pipe; the job is read from one file in
memory that all of them share. Processes are started afresh and never forked, and do not run the user's script again,
so that no ``if __name__ == "__main__"`` is needed. One that dies costs its chunk alone: the chunk goes to a new one.
The pipe ends with the parent, however that ends, and with the pipe the worker.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.spawn import get_executable
from pathlib import Path
from typing import Any, NoReturn

from quantlab.core import InputError
from quantlab.core._stopwatch import seconds
from quantlab.study._ask import Failure, ask
from quantlab.study._job import Job, Rows, Worker, failed_rows
from quantlab.study._parcel import parcel_of, read_parcel, received_variants, sent_variants
from quantlab.study._schedule import Chunk, Finished, Hands

# So many processes may die of a chunk before it is cut in two, and of a start before nobody tries again.
_DEATHS = 3
_FEWER = 'name fewer `workers`, or write `scheduler="threads"`.'
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from quantlab.study._processes import serve; serve()"


class Processes:
    """Processes of this machine.

    Parameters
    ----------
    job : Job
    count : int

    Raises
    ------
    KindError
        When the job cannot be sent to another process.
    """

    def __init__(self, job: Job, count: int) -> None:
        self.hands = count
        self._job, self._parcel = job, parcel_of(job)

    def __enter__(self) -> Processes:
        self._file = self._parcel.write()
        self._seats = [_Seat(self._file) for _ in range(self.hands)]
        self._hands = Hands([partial(self._finish, seat) for seat in self._seats])
        return self

    def __exit__(self, *error: object) -> None:
        self._hands.stopped.set()
        for seat in self._seats:
            seat.kill()
        self._hands.join()
        for seat in self._seats:
            seat.close()
        os.close(self._file)

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Finished]:
        """Yield what is finished."""
        return self._hands.run(chunks)

    def _finish(self, seat: _Seat, chunk: Chunk, deaths: int = 0) -> Iterator[Finished]:
        """Run a chunk, again where its process dies, at last in parts."""
        begun, how = seconds(), ""
        while deaths < _DEATHS:
            try:
                rows, took = seat.ask(chunk)
            except _Died as death:
                if self._hands.stopped.is_set():
                    return
                deaths, how = deaths + 1, str(death)
            else:
                yield Finished(chunk, rows, took)
                return
        if len(chunk.keys) == 1:
            rows = failed_rows(self._job, chunk.keys, f"Every worker process that ran this variant {how}.")
            yield Finished(chunk, rows, seconds() - begun)
            return
        for part in chunk.halves():
            yield from self._finish(seat, part, _DEATHS - 1)


class _Died(Exception):
    """A process ended before it answered; the text says how."""


class _Seat:
    """The place of a worker process: when one has died the next takes it. One thread asks; any may kill.

    Parameters
    ----------
    file : int, the handle of the job
    """

    def __init__(self, file: int) -> None:
        self._file, self._lock, self._closed = file, threading.Lock(), False
        self._process: _Process | None = None

    def ask(self, chunk: Chunk) -> tuple[Rows, float]:
        """Return the rows of a chunk, and the seconds that they took.

        Raises
        ------
        _Died
            When the process dies meanwhile.
        InputError
            When none can be started.
        """
        order = pickle.dumps((list(chunk.keys), sent_variants(chunk.variants)))
        process = self._process or self._begun()
        try:
            process.say(order)
            return process.hear()
        except _Died:
            self._process = None
            raise

    def kill(self) -> None:
        """End the process, and let none begin any more."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Wait for the end of a process that was killed."""
        if self._process is not None:
            self._process.close()

    def _begun(self) -> _Process:
        """A process that has the job."""
        deaths = 0
        while True:
            try:
                with self._lock:
                    if self._closed:
                        raise _Died("was not begun")
                    process = self._process = _Process(self._file)
                process.hear()
                return process
            except _Died as death:
                self._process, deaths = None, deaths + 1
                if self._closed:
                    raise
                if deaths == _DEATHS:
                    raise InputError(
                        f"`scheduler`: every worker process {death} before it could begin.", hint=_FEWER
                    ) from death


class _Process:
    """A worker process, with the pipe to it."""

    def __init__(self, file: int) -> None:
        self._pipe, there = Pipe()
        numbers = [str(there.fileno()), str(file)]
        # As multiprocessing does: warnings that are errors here are errors there.
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        with there:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on our own code
                    [get_executable(), *flags, "-c", _START, json.dumps(_path()), *numbers],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(there.fileno(), file),
                    # Ctrl-C is for this process, which ends its workers.
                    process_group=0,
                )
            except OSError as error:
                self._pipe.close()
                raise InputError(
                    f"`scheduler`: no worker process can be started: {error.strerror or error}.", hint=_FEWER
                ) from error

    def say(self, order: bytes) -> None:
        try:
            self._pipe.send_bytes(order)
        except OSError:
            self._bury()

    def hear(self) -> Any:
        """Return what the process answers; raise what it raised."""
        try:
            # A child of the strategy's own may keep the pipe open when the process itself is gone.
            while not self._pipe.poll(1.0):
                if self._process.poll() is not None:
                    self._bury()
            answer = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - from our own process
        except (EOFError, OSError):
            self._bury()
        if isinstance(answer, _Raised):
            raise answer.error()
        return answer

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> int:
        self._pipe.close()
        return self._process.wait()

    def _bury(self) -> NoReturn:
        self.kill()
        code = self.close()
        raise _Died(f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}")


def _path() -> list[str]:
    """Where modules are found from here; for another process "" would be wherever that began."""
    return [place or str(Path.cwd()) for place in sys.path if isinstance(place, str)]


@dataclass(frozen=True, slots=True)
class _Raised:
    """An error on its way home, with its traceback as text."""

    pickled: bytes | None
    text: str

    def error(self) -> BaseException:
        found = None if self.pickled is None else ask(partial(pickle.loads, self.pickled))
        error = found if isinstance(found, BaseException) else RuntimeError(self.text.strip().splitlines()[-1])
        error.add_note(f"In a worker process:\n{self.text}")
        return error


class _Reporting:
    """Sends an error to the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is not None:
            pickled = ask(partial(pickle.dumps, error))
            text = "".join(traceback.format_exception(error))
            self._pipe.send_bytes(pickle.dumps(_Raised(None if isinstance(pickled, Failure) else pickled, text)))
        return True


def serve() -> None:
    """Be a worker process: take chunks out of a pipe and put rows into it, until it ends."""
    pipe, file = Connection(int(sys.argv[2])), int(sys.argv[3])
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, orders), daemon=True).start()
    with _Reporting(pipe):
        worker = Worker(read_parcel(file).job())
        os.close(file)
        pipe.send_bytes(pickle.dumps("ready"))
        while True:
            keys, variants = pickle.loads(orders.get())  # noqa: S301 - from our own process
            start = seconds()
            rows = worker.run(keys, received_variants(variants))
            pipe.send_bytes(pickle.dumps((rows, seconds() - start), protocol=5))


def _listen(pipe: Connection, orders: queue.SimpleQueue[bytes]) -> None:
    """Read orders. The pipe ends with the parent, and the process with the pipe, whatever it is doing."""
    while True:
        try:
            orders.put(pipe.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
