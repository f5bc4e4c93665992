"""A writer killed at random moments, many times: what it said it had committed is there, whole, and nothing is stuck.

The writer is a process that writes, updates and prunes until SIGKILL ends it. It says what it is about to do and what
it has done over a pipe. After each kill everything is read again. The next writer is started while the present one
works, so that a kill costs less than the start of a process.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import quantlab
from quantlab.data import Store

ROOT = Path(quantlab.__file__).resolve().parents[1]
WRITER = """
import sys, tempfile
from datetime import date, timedelta
import numpy as np, polars as pl
from quantlab.data import Store

store, rng = Store(sys.argv[1]), np.random.default_rng(int(sys.argv[2]))
say = lambda *words: print(*words, flush=True)

def frame(days, names):
    first = date(2022, 12, 1) + timedelta(days=int(rng.integers(0, 40)))
    keys = [(first + timedelta(days=t), f"S{n}") for t in range(days) for n in range(names)]
    rows = [(*key, float(rng.integers(1, 1000))) for key in keys]
    return pl.DataFrame(rows, schema={"date": pl.Date, "symbol": pl.String, "close": pl.Float64}, orient="row")

def actions():
    day = date(2022, 12, 1) + timedelta(days=int(rng.integers(0, 60)))
    return pl.DataFrame({"symbol": ["S0"], "date": [day], "kind": ["dividend"], "value": [float(rng.integers(1, 9))]})

# Elsewhere, so that what is done for the first time is done before it counts.
with tempfile.TemporaryDirectory() as other:
    Store(other).write("x", frame(30, 12), calendar="24/7", adjusted="none")
    Store(other).update("x", frame(5, 14), actions=actions())
    Store(other).update("x", frame(5, 14), withdraw={"actions": Store(other).table("x", "actions")})
    Store(other).bars("x").content_hash
say("warm")
sys.stdin.readline()
while True:
    kind = rng.choice(["write", "update", "update", "update", "withdraw", "prune"])
    say("begin", kind)
    if kind == "write":
        done = store.write("x", frame(30, 12), calendar="24/7", adjusted="none", actions=actions()).version
    elif kind == "update":
        done = store.update("x", frame(5, 14), actions=actions()).version
    elif kind == "withdraw":
        # The table may be empty by now, and is read by the same eyes that look after a kill.
        gone = store.table("x", "actions").head(2)
        left = store.table("x", "actions").height - gone.height
        done = store.update("x", frame(5, 14), withdraw={"actions": gone}).version
        assert store.table("x", "actions").height == left
    else:
        known = store.versions("x")["committed_at"]
        say("pruning", int(store.versions("x")["version"][-1]))
        store.prune("x", before=known[int(rng.integers(0, len(known)))])
        say("pruned")
        continue
    say("done", done, store.describe("x").hash, store.bars("x").content_hash)
"""


class Writer:
    """The process, warmed up, waiting to be let go."""

    def __init__(self, folder: Path, seed: int) -> None:
        command = [sys.executable, "-c", WRITER, str(folder), str(seed)]
        # One thread each: two processes share few cores here, and a pool of threads takes longer to start.
        surroundings = os.environ | {"POLARS_MAX_THREADS": "1"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.lines: list[list[str]] = []
        self._rest = b""

    def go(self) -> None:
        while not self.lines:
            self.hear(60)
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def hear(self, seconds: float) -> bool:
        """Take in what the process says within some time; whether it still lives."""
        out = self.process.stdout
        assert out is not None
        if select.select([out], [], [], seconds)[0]:
            data = os.read(out.fileno(), 1 << 16)
            *whole, self._rest = (self._rest + data).split(b"\n")
            self.lines += [line.decode().split() for line in whole]
            return bool(data)
        return True

    def kill(self, after: float) -> str:
        """Let it run for some seconds, kill it, and return what went wrong before, if anything."""
        end = time.monotonic() + after
        while (left := end - time.monotonic()) > 0 and self.hear(left):
            pass
        self.process.send_signal(signal.SIGKILL)
        while self.hear(10):
            pass
        self.process.wait()
        assert self.process.stderr is not None
        trace = "" if self.process.returncode == -signal.SIGKILL else self.process.stderr.read().decode()
        self.close()
        return trace

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def rounds(folder: Path, kills: int, seed: int) -> Counter:
    """Kill a writer so many times; return what was counted."""
    rng = np.random.default_rng(seed)
    store = Store(folder)
    start = pl.DataFrame({"date": [date(2022, 12, 1)], "symbol": ["S0"], "close": [1.0]})
    store.write("x", start, calendar="24/7", adjusted="none")
    # Of each version: the hash of its parts and facts, and of the bars that it reads as, actions included.
    known = {1: (store.describe("x").hash, store.bars("x").content_hash)}
    counts: Counter = Counter()
    coming = Writer(folder, seed * 10_000)
    try:
        for number in range(kills):
            writer, coming = coming, Writer(folder, seed * 10_000 + number + 1)
            writer.go()
            trace = writer.kill(float(rng.uniform(0.0, 0.25)))
            assert not trace
            last = ""
            for word, *facts in writer.lines:
                counts[word] += 1
                last = facts[0] if word == "begin" else "" if word in ("done", "pruned") else last
                if word == "done":
                    known[int(facts[0])] = (facts[1], facts[2])
            counts[f"killed in {last or 'between'}"] += 1
            counts["kills"] += 1
            _examine(folder, known, counts)
            # The lock is free: this very process can write.
            row = start.with_columns(close=pl.lit(1.0 + number / 1024), date=pl.lit(date(2023, 6, 1)))
            own = Store(folder).update("x", row)
            assert own.committed
            known[own.version] = (Store(folder).describe("x").hash, Store(folder).bars("x").content_hash)
            counts["own commits"] += 1
    finally:
        coming.close()
    done = Store(folder).prune("x", before=date(2999, 1, 1))
    counts["files left for prune"] += done.files
    facts = Store(folder).describe("x")
    on_disk = {path.relative_to(folder / "x").as_posix() for path in (folder / "x").rglob("*") if path.is_file()}
    assert on_disk == {".lock", f"versions/{facts.version:08d}.json", *(part.file for part in facts.parts)}
    return counts


def _examine(folder: Path, known: dict[int, tuple[str, str]], counts: Counter) -> None:
    """Read every version, by a Store that has seen nothing yet; compare those that are known, learn the others."""
    store = Store(folder)
    table = store.versions("x")
    assert table["problem"].null_count() == table.height
    numbers = table["version"].to_list()
    # A prune takes the oldest; what follows is without a gap, and the newest is never older than what was said.
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[-1] in (max(known), max(known) + 1)
    for version, moment in zip(numbers, table["committed_at"], strict=True):
        facts, bars = store.describe("x", known_at=moment), store.bars("x", known_at=moment)
        assert facts.version == version
        if version not in known:
            # Killed between the commit and the word: it is there, whole, and stays.
            known[version] = (facts.hash, bars.content_hash)
            counts["committed without a word"] += 1
        assert known[version] == (facts.hash, bars.content_hash)
        store.table("x", "actions", known_at=moment)
        counts["versions read"] += 1
    for version in [version for version in known if version < numbers[0]]:
        del known[version]


def test_a_writer_killed_five_times(tmp_path: Path) -> None:
    counts = rounds(tmp_path / "store", kills=5, seed=1)
    assert counts["kills"] == counts["own commits"] == 5
    assert counts["versions read"] > 5


@pytest.mark.slow
def test_a_writer_killed_two_hundred_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = rounds(tmp_path / "store", kills=200, seed=2)
    with capsys.disabled():
        print(f"\nstore: {dict(sorted(counts.items()))}")
    assert counts["kills"] == 200
    # Of the moments that matter, each was hit.
    for moment in ("write", "update", "withdraw", "prune"):
        assert counts[f"killed in {moment}"] > 0


def test_days_of_the_test_lie_in_two_parts() -> None:
    assert (date(2022, 12, 1) + timedelta(days=40)).year == 2023
