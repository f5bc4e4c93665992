"""The disk: failing, full, killed, locked, damaged. A reader sees the old dataset or the new one, never a mix."""

from __future__ import annotations

import errno
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import quantlab
from quantlab.core import Bars, StoreError
from quantlab.data import Store, _files

ROOT = Path(quantlab.__file__).resolve().parents[1]


def version(v: float, dates: int = 40, symbols: int = 25) -> pl.DataFrame:
    """A frame that holds v everywhere, so that a mix of two versions shows."""
    days = [date(2024, 1, 2) + timedelta(days=t) for t in range(dates)]
    names = [f"S{n}" for n in range(symbols)]
    frame = pl.DataFrame({"date": days}).join(pl.DataFrame({"symbol": names}), how="cross")
    return frame.with_columns(close=pl.lit(float(v)), open=pl.lit(float(v)), volume=pl.lit(float(v)))


MAKE = f"import polars as pl\nfrom datetime import date, timedelta\n{inspect.getsource(version)}"


def write(store: Store, v: int) -> Any:
    return store.write("x", version(v), calendar="24/7", adjusted="none", note=str(v))


def value(bars: Bars) -> float:
    """The version that the bars hold, whole."""
    assert bars.shape == (40, 25)
    assert bars.open is not None
    assert bars.volume is not None
    (only,) = {float(number) for panel in (bars.close, bars.open, bars.volume) for number in panel.values.ravel()}
    return only


def files(store: Store) -> list[str]:
    return sorted(path.name for path in (store.path / "x").iterdir())


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen]:
    """A Python process running ``code`` with pipes, ended and reaped at the end."""
    command = [sys.executable, "-c", MAKE + code, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    write(store, 1)
    return store


class Breaks:
    """Lets ``allowed`` calls through, then fails once as a full disk does."""

    def __init__(self, real: Callable[..., Any], allowed: int) -> None:
        self.real, self.allowed, self.calls = real, allowed, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == self.allowed + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.real(*args, **kwargs)


# The fsyncs of one write: root folder, data, folder, manifest, folder again (which comes after the commit).
@pytest.mark.parametrize(
    ("call", "allowed"), [("fsync", 0), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("replace", 0), ("replace", 1)]
)
def test_a_failing_disk_leaves_the_old_dataset(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, allowed: int
) -> None:
    before = files(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, Breaks(getattr(os, call), allowed))
        with pytest.raises(StoreError, match=r"x could not be written: No space left on device\. Hint: .* untouched"):
            write(store, 2)
    assert files(store) == before
    assert value(store.bars("x")) == 1.0
    write(store, 2)
    assert value(store.bars("x")) == 2.0


def test_a_failing_disk_after_the_commit_is_told_and_keeps_both(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Breaks(os.fsync, 4))
        with pytest.raises(StoreError, match="was written, but may not have reached the disk: No space left"):
            write(store, 2)
    assert value(store.bars("x")) == 2.0
    assert (
        len(files(store)) == 4
    )  # the lock, the manifest, and both data files: a crash may bring the old manifest back
    write(store, 3)
    assert len(files(store)) == 3


@pytest.mark.parametrize("target", ["write_parquet", "write_text"])
def test_a_full_disk_while_writing(store: Store, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    before = files(store)

    def full(self: Any, *args: Any, **kwargs: Any) -> None:
        place = args[0] if target == "write_parquet" else self
        place.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame if target == "write_parquet" else Path, target, full)
        with pytest.raises(StoreError, match="No space left on device"):
            write(store, 2)
    assert files(store) == before
    assert value(store.bars("x")) == 1.0


def test_a_first_write_that_fails_makes_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Breaks(os.replace, 1))
        with pytest.raises(StoreError, match="could not be written"):
            write(store, 1)
    assert files(store) == [".lock"]
    assert store.datasets().height == 0


def test_a_real_limit_on_file_size(store: Store) -> None:
    """The system itself refuses the bytes, inside Polars' writer."""
    code = """
import resource, sys, numpy as np
from quantlab.data import Store
frame = version(2, 500, 100).with_columns(close=pl.Series(np.random.default_rng(1).random(50_000) + 1))
Store.write  # imported before the limit
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    Store(sys.argv[1]).write("x", frame, calendar="24/7", adjusted="none")
except Exception as error:
    print(type(error).__name__, error)
"""
    with child(code, store.path) as process:
        out, trace = process.communicate(timeout=60)
    assert out.startswith("StoreError Dataset x could not be written: "), trace
    assert "File too large" in out
    assert len(files(store)) == 3
    assert value(store.bars("x")) == 1.0


@pytest.mark.parametrize(("place", "kept"), [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)])
def test_killed_at_a_chosen_point(store: Store, place: int, kept: float) -> None:
    """SIGKILL before and after each of the two renames; the second one is the commit."""
    code = """
import os, signal, sys
from quantlab.data import Store
store, place, real, count = Store(sys.argv[1]), int(sys.argv[2]), os.replace, 0
def replace(*args):
    global count
    for step in (lambda: None, lambda: real(*args)):
        step()
        count += 1
        if count == place:
            os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
store.write("x", version(2), calendar="24/7", adjusted="none")
"""
    with child(code, store.path, place) as process:
        _, trace = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, trace
    assert value(Store(store.path).bars("x")) == kept
    # The next writer is not kept out by the dead one's lock, and removes what it left.
    write(store, 3)
    assert value(store.bars("x")) == 3.0
    assert len(files(store)) == 3


def test_reading_while_another_process_rewrites_and_is_killed(store: Store) -> None:
    code = """
import sys
from quantlab.data import Store
store = Store(sys.argv[1])
frames = [version(2), version(3)]
for number in range(1_000_000):
    store.write("x", frames[number % 2], calendar="24/7", adjusted="none")
    if number == 0:
        print("ready", flush=True)
"""
    with child(code, store.path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        seen: list[float] = []
        while sum(one != two for one, two in pairwise(seen)) < 5:
            assert process.poll() is None
            seen.append(value(store.bars("x")))
        assert set(seen) == {2.0, 3.0}
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert value(store.bars("x")) in (2.0, 3.0)
    write(store, 4)
    assert value(store.bars("x")) == 4.0
    assert len(files(store)) == 3


def test_two_writers(store: Store) -> None:
    code = """
import os, sys
from quantlab.data import Store
real = os.replace
def replace(*args):
    print("inside", flush=True)
    sys.stdin.readline()
    return real(*args)
os.replace = replace
Store(sys.argv[1]).write("x", version(2), calendar="24/7", adjusted="none")
"""
    with child(code, store.path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        with pytest.raises(StoreError, match="Dataset x is locked by another writer"):
            write(store, 3)
        # Another dataset is not concerned, and readers take no lock.
        store.write("y", version(5), calendar="24/7", adjusted="none")
        assert value(store.bars("x")) == 1.0
        _, trace = process.communicate("\n\n", timeout=60)
        assert process.returncode == 0, trace
    assert value(store.bars("x")) == 2.0
    write(store, 3)
    assert value(store.bars("x")) == 3.0


def test_two_writers_in_one_process(store: Store) -> None:
    with _files._locked(store.path / "x"), pytest.raises(StoreError, match="locked"):
        write(Store(store.path), 2)
    write(store, 2)


class TestDamage:
    def data(self, store: Store) -> Path:
        return store.path / "x" / store.describe("x").file

    def manifest(self, store: Store, **changes: Any) -> None:
        path = store.path / "x" / "manifest.json"
        facts = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: fact for key, fact in facts.items() if fact is not ...}))

    def test_truncated(self, store: Store) -> None:
        path = self.data(store)
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(StoreError, match=r"x is damaged: bars-\w+\.parquet has \d+ bytes instead of \d+"):
            store.bars("x")

    def test_one_bit(self, store: Store) -> None:
        path = self.data(store)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(StoreError, match="damaged: the SHA-256"):
            store.bars("x")

    def test_a_file_that_changes_after_it_was_read(self, store: Store) -> None:
        store.bars("x")
        self.test_one_bit(store)

    def test_data_file_gone(self, store: Store) -> None:
        self.data(store).unlink()
        with pytest.raises(StoreError, match=r"damaged: its data file bars-\w+\.parquet is missing"):
            store.bars("x")

    def test_not_parquet_although_the_hash_is_right(self, store: Store) -> None:
        path = self.data(store)
        path.write_bytes(b"no parquet at all")
        self.manifest(store, size=path.stat().st_size, sha256=_files.digest(path))
        with pytest.raises(StoreError, match="Dataset x is damaged: "):
            store.bars("x")

    def test_data_file_cannot_be_read(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path) -> str:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

        monkeypatch.setattr(_files, "digest", refuse)
        with pytest.raises(StoreError, match="Dataset x cannot be read: Permission denied"):
            store.bars("x")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"", "it is not JSON"),
            (b'{"schema": 1,', "it is not JSON"),
            (b"\xff\xfe", "it is not UTF-8"),
            (b"[]", "it has no schema version"),
            (b'{"schema": "1"}', "it has no schema version"),
            (b'{"schema": 1}', "`size` is missing"),
        ],
    )
    def test_manifest(self, store: Store, text: bytes, said: str) -> None:
        (store.path / "x" / "manifest.json").write_bytes(text)
        for read in (store.datasets, lambda: store.bars("x")):
            with pytest.raises(StoreError, match=f"The manifest of dataset x is damaged: {said}"):
                read()
        write(store, 2)
        assert value(store.bars("x")) == 2.0
        assert len(files(store)) == 3

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"rows": ...}, "`rows` is missing"),
            ({"rows": "12"}, "`rows` is missing or not of type int"),
            ({"dates": True}, "`dates` is missing or not of type int"),
            ({"file": "../../secret.parquet"}, "`file` is not a plain file name"),
            ({"first": "soon"}, "`first` or `last` is not a date"),
            ({"dataset": "y"}, "it belongs to dataset y"),
            ({"symbols": ["S0", None]}, "`symbols` holds something other than text"),
            ({"symbols": ["S0"]}, "its symbols are not those of the data file"),
        ],
    )
    def test_manifest_fact(self, store: Store, changes: dict, said: str) -> None:
        self.manifest(store, **changes)
        with pytest.raises(StoreError, match=said):
            store.bars("x")

    def test_newer_schema(self, store: Store) -> None:
        self.manifest(store, schema=2, created_by="quantlab 9.0")
        with pytest.raises(StoreError, match=r"schema version 2, and this quantlab reads up to 1.*quantlab 9\.0"):
            store.bars("x")

    def test_a_later_fact_is_ignored(self, store: Store) -> None:
        self.manifest(store, mood="good")
        assert value(store.bars("x")) == 1.0

    def test_manifest_cannot_be_read(self, store: Store) -> None:
        path = store.path / "x" / "manifest.json"
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreError, match="The manifest of dataset x cannot be read: Is a directory"):
            store.bars("x")


def test_a_reader_gives_up_on_a_dataset_that_never_stands_still(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(_files, "digest", gone)
    with pytest.raises(StoreError, match="rewritten faster than it can be read"):
        store.bars("x")
