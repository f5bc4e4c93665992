"""Many processes at one log, and processes that die at it."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import quantlab
from quantlab.study import _log_abandoned, _log_process, _log_tables
from quantlab.study._log import TrialLog
from quantlab.study._run import Run

ROOT = Path(quantlab.__file__).resolve().parents[1]
START = """
import sys
import polars
from quantlab.study import _log_tables
from quantlab.study._log import TrialLog
from quantlab.study._run import Run

place, name = sys.argv[1:]
say = lambda *words: print(*words, flush=True)
def some(number, size):
    keys = [f"{name} {number} {i}" for i in range(size)]
    return [Run(key=key, number=number, metrics={"sharpe": number, "m": 1 / 3}, params={"by": name}) for key in keys]
say("ready")
"""
WRITER = """
sys.stdin.readline()
log = TrialLog(place)
batch = log.begin("s", kind="sweep", planned=500)
for number in range(10):
    log.record(batch, some(number, 50))
log.end(batch)
"""
CREATOR = """
for line in sys.stdin:
    TrialLog(place + line.strip()).begin("s", kind="sweep")
    say("made")
"""
KILLED = """
sys.stdin.readline()
log = TrialLog(place)
batch = log.begin("s", kind="sweep")
number = 0
while True:
    say("begin", number)
    log.record(batch, some(number, 300))
    say("done", number)
    number += 1
"""
BY_HAND = """
with TrialLog(place).run("s", params={"by": name}) as run:
    run.metric("sharpe", 0.5)
    say("open")
    sys.stdin.readline()
"""


class Child:
    """A process that has loaded everything and waits for a line."""

    def __init__(self, code: str, place: object, name: str) -> None:
        command = [sys.executable, "-c", START + code, str(place), name]
        pipe = subprocess.PIPE
        given = os.environ | {"POLARS_MAX_THREADS": "1"}
        self.process = subprocess.Popen(command, cwd=ROOT, env=given, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self) -> None:
        _, errors = self.process.communicate()
        assert self.process.returncode == 0, errors

    def kill(self) -> list[list[str]]:
        """End it at once; return what it has said until then."""
        self.process.send_signal(signal.SIGKILL)
        # Not `communicate`: it does not know of the lines that `hear` has read ahead.
        assert self.process.stdout is not None
        said = [line.split() for line in self.process.stdout.read().splitlines()]
        assert self.process.wait() == -signal.SIGKILL, self.process.stderr
        return [words for words in said if len(words) == 2]


@contextmanager
def children(code: str, place: object, count: int) -> Iterator[list[Child]]:
    """So many processes, ready to go."""
    made = [Child(code, place, f"p{number}") for number in range(count)]
    try:
        assert [child.hear() for child in made] == ["ready"] * count
        yield made
    finally:
        for child in made:
            child.process.kill()
            child.process.communicate()


def test_four_processes_write_at_the_same_time(place):
    with children(WRITER, place, 4) as made:
        for child in made:
            child.say("go")
        for child in made:
            child.finish()
    log = TrialLog(place)
    assert log.batches().select("status", "runs").rows() == [("done", 500)] * 4
    runs = log.runs("s")
    assert sorted(runs["key"]) == sorted(f"p{p} {n} {i}" for p in range(4) for n in range(10) for i in range(50))
    assert (runs["sharpe"] == runs["number"]).all()
    assert (runs["by"] == runs["key"].str.split(" ").list.first()).all()
    assert runs.group_by("by", "batch").len().height == 4
    assert log.trials("s").count == 2000


def test_four_processes_make_the_same_log(tmp_path):
    with children(CREATOR, tmp_path / "log", 4) as made:
        for number in range(12):
            for child in made:
                child.say(str(number))
            assert [child.hear() for child in made] == ["made"] * 4
            log = TrialLog(tmp_path / f"log{number}")
            assert log.batches()["batch"].to_list() == [1, 2, 3, 4]
            assert log.studies().height == 1


def test_four_processes_make_the_same_log_in_postgresql(postgresql):
    places = [postgresql(f"made_{number}") for number in range(3)]
    with children(CREATOR, places[0][:-1], 4) as made:
        for number in range(3):
            for child in made:
                child.say(str(number))
            assert [child.hear() for child in made] == ["made"] * 4
            assert TrialLog(places[number]).batches()["batch"].to_list() == [1, 2, 3, 4]


def examine(place: str, said: list[list[str]], batch: int) -> Counter:
    """Read a log whose writer was killed: each chunk of 300 is there whole or not at all."""
    log = TrialLog(place)
    row = log.batches().filter(batch=batch).row(0, named=True)
    assert row["status"] == "abandoned"
    chunks = Counter(log.runs(batch=batch)["number"].to_list())
    assert set(chunks.values()) <= {300}
    done = {int(number) for word, number in said if word == "done"}
    begun = {int(number) for word, number in said if word == "begin"}
    assert done <= chunks.keys() <= begun
    # Whoever comes next can write.
    log.record(log.begin("s", kind="sweep"), [Run(key="next")])
    return Counter(
        kills=1, chunks=len(chunks), inside=len(begun - done), **{"committed without a word": len(chunks.keys() - done)}
    )


def rounds(place: str, kills: int, seed: int) -> Counter:
    """Kill a writer so many times, each at a moment of its own."""
    rng = np.random.default_rng(seed)
    counts: Counter = Counter()
    for number in range(kills):
        with children(KILLED, place, 1) as (child,):
            child.say("go")
            assert child.hear() == "begin 0"
            first = [["begin", "0"], *(child.hear().split() for _ in range(int(rng.integers(0, 8))))]
            # Then within what one chunk takes, unless it says something before that.
            select.select([child.process.stdout], [], [], float(rng.uniform(0.0, 0.02)))
            said = first + child.kill()
        counts += examine(place, said, 2 * number + 1)
    if "://" not in place:
        with closing(sqlite3.connect(Path(place, "trials.db"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return counts


def test_a_writer_killed_four_times(place):
    counts = rounds(place, kills=4, seed=1)
    assert counts["kills"] == 4
    assert counts["chunks"] > 0


@pytest.mark.slow
def test_a_writer_killed_a_hundred_times(place, capsys):
    counts = rounds(place, kills=100, seed=2)
    with capsys.disabled():
        name = "PostgreSQL" if "://" in place else "SQLite"
        print(f"\ntrial log in {name}: {dict(sorted(counts.items()))}")
    assert counts["kills"] == 100
    # Most of them hit a writer at work.
    assert counts["inside"] > 30


def test_who_dies_is_abandoned_and_who_lives_is_not(place):
    log = TrialLog(place)
    with children(BY_HAND, place, 2) as (dying, living):
        assert [dying.hear(), living.hear()] == ["open"] * 2
        assert log.runs().select("status", "sharpe").rows() == [("running", 0.5)] * 2
        dying.kill()
        statuses = dict(log.runs().select("by", "status").rows())
        assert statuses == {"p0": "abandoned", "p1": "running"}
        assert sorted(log.batches()["status"]) == ["abandoned", "running"]
        # Not even its own machine's patience ends it while it lives.
        assert log.abandon(older_than=timedelta(0)) == 0
        # Both have shown a number.
        assert log.trials("s").count == 2
        living.say("go")
        living.finish()
    assert sorted(log.runs()["status"]) == ["abandoned", "done"]


def test_a_process_that_is_dead_but_not_buried_is_dead(tmp_path):
    with children(BY_HAND, tmp_path, 1) as (child,):
        assert child.hear() == "open"
        child.process.send_signal(signal.SIGKILL)
        # Its end is awaited and not asked for: it stays a zombie.
        os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)
        assert TrialLog(tmp_path).runs()["status"].to_list() == ["abandoned"]


def test_another_process_of_the_same_number_is_another(tmp_path, monkeypatch):
    log = TrialLog(tmp_path)
    log.begin("s", kind="sweep")
    assert log.batches()["status"].to_list() == ["running"]
    began = _log_process._began(os.getpid())
    monkeypatch.setattr(_log_process, "_began", lambda pid: began + 1)
    assert log.batches()["status"].to_list() == ["abandoned"]


@pytest.mark.parametrize("there", ["elsewhere", None])
def test_elsewhere_the_last_sign_of_life_decides(place, clock, monkeypatch, there):
    log = TrialLog(place, clock=clock)
    here = _log_process._machine()
    monkeypatch.setattr(_log_process, "_machine", lambda: there)
    batch = log.begin("s", kind="sweep")
    monkeypatch.setattr(_log_process, "_machine", lambda: here)
    clock.moment += timedelta(hours=23)
    assert log.batches()["status"].to_list() == ["running"]
    log.record(batch, [Run(key="k", status="running")])
    clock.moment += timedelta(hours=23)
    assert log.runs()["status"].to_list() == ["running"]
    assert log.abandon(older_than=timedelta(hours=24)) == 0
    assert log.abandon(older_than=timedelta(hours=22)) == 1
    assert log.runs()["status"].to_list() == ["abandoned"]
    # It was only slow: what it records takes the batch up again, and now it is seen from here.
    log.record(batch, [Run(key="k"), Run(key="l", status="running")])
    assert log.batches()["status"].to_list() == ["running"]
    clock.moment += timedelta(days=9)
    assert log.runs()["status"].to_list() == ["done", "running"]
    log.end(batch)
    assert log.batches()["status"].to_list() == ["done"]


def test_after_a_day_elsewhere_a_batch_is_abandoned_by_itself(place, clock, monkeypatch):
    log = TrialLog(place, clock=clock)
    with monkeypatch.context() as away:
        away.setattr(_log_process, "_machine", lambda: "elsewhere")
        log.begin("s", kind="sweep")
    clock.moment += timedelta(hours=25)
    assert log.studies()["batches"].to_list() == [1]
    assert log.batches()["status"].to_list() == ["abandoned"]


def test_who_writes_while_others_look_is_not_abandoned(place, clock):
    log = TrialLog(place, clock=clock)
    batch = log.begin("s", kind="sweep")
    with log._database.reading() as connection:
        ((heartbeat,),) = connection.execute(sa.select(_log_tables.batches.c.heartbeat)).all()
    log.record(batch, [Run(key="k", status="running")])
    with log._database.writing() as connection:
        # Somebody saw it silent before that.
        assert _log_abandoned.mark(connection, {batch.id: heartbeat}) == 0
    assert log.runs()["status"].to_list() == ["running"]


def test_threads_add_metrics_to_one_run(place):
    log = TrialLog(place)
    with log.run("s") as run:
        start = threading.Barrier(6)

        def measure(thread):
            start.wait()
            for number in range(5):
                run.metric(f"m {thread} {number}", number)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(measure, range(6)))
    row = log.runs().row(0, named=True)
    assert {name: row.get(name) for name in row if name[:2] == "m "} == {
        f"m {thread} {number}": number for thread in range(6) for number in range(5)
    }


def test_a_log_goes_through_a_fork(tmp_path):
    log = TrialLog(tmp_path)
    batch = log.begin("s", kind="sweep")
    child = os.fork()
    if child == 0:  # pragma: no cover
        log.record(batch, [Run(key="child")])
        os._exit(0)
    log.record(batch, [Run(key="parent")])
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(log.runs()["key"]) == ["child", "parent"]
    # The batch is its parent's still.
    assert log.batches()["status"].to_list() == ["running"]


def test_no_name_of_a_machine_is_kept(tmp_path):
    log = TrialLog(tmp_path)
    log.begin("s", kind="sweep")
    with closing(sqlite3.connect(tmp_path / "trials.db")) as connection:
        machine, text = connection.execute("SELECT machine, environment FROM trials_batches").fetchone()
    assert re.fullmatch("[0-9a-f]{32}", machine)
    assert os.uname().nodename not in json.loads(text).values()
