"""The disk: failing, full, killed, locked, damaged. A reader sees the old version or the new one, never a mix."""

from __future__ import annotations

import errno
import hashlib
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
from quantlab.data import Store
from quantlab.data.store import _files, _manifest, _parts, _versions

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
    folder = store.path / "x"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def named(store: Store) -> list[str]:
    """What must be in the folder when nothing is left over: the lock, the versions, and the parts they name."""
    versions = [int(number) for number in store.versions("x")["version"]]
    parts = {part.file for number in versions for part in _versions.read(store._folder, "x", number).parts}
    return sorted([".lock", *parts, *(f"versions/{number:08d}.json" for number in versions)])


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


# The fsyncs of one write: root folder; the bars and the dates as drafts; the folders of the dataset, the bars and the
# dates; the manifest; the folder of the versions (which comes after the commit). The renames: bars, dates, manifest.
@pytest.mark.parametrize(
    ("call", "allowed"), [*(("fsync", number) for number in range(7)), *(("replace", number) for number in range(3))]
)
def test_a_failing_disk_leaves_the_old_version(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, allowed: int
) -> None:
    before = files(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, Breaks(getattr(os, call), allowed))
        with pytest.raises(StoreError, match=r"x could not be written: No space left on device\. Hint: .* untouched"):
            write(store, 2)
    assert files(store) == before == named(store)
    assert value(store.bars("x")) == 1.0
    write(store, 2)
    assert value(store.bars("x")) == 2.0
    assert files(store) == named(store)


def test_a_failing_disk_after_the_commit_is_told_and_keeps_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Breaks(os.fsync, 7))
        with pytest.raises(StoreError, match="was written, but may not have reached the disk: No space left"):
            write(store, 2)
    assert value(store.bars("x")) == 2.0
    assert files(store) == named(store)
    assert store.versions("x").height == 2


@pytest.mark.parametrize("target", ["write_parquet", "open"])
def test_a_full_disk_while_writing(store: Store, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    before = files(store)

    def full(self: Any, *args: Any, **kwargs: Any) -> None:
        place = args[0] if target == "write_parquet" else self
        place.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def breaking(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name.startswith(".00"):
            os.close(os.open(self, os.O_WRONLY | os.O_CREAT))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, *args, **kwargs)

    real = Path.open
    with monkeypatch.context() as patch:
        if target == "open":
            patch.setattr(Path, "open", breaking)
        else:
            patch.setattr(pl.DataFrame, target, full)
        with pytest.raises(StoreError, match="No space left on device"):
            write(store, 2)
    assert files(store) == before
    assert value(store.bars("x")) == 1.0


def test_a_first_write_that_fails_makes_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Breaks(os.replace, 2))
        with pytest.raises(StoreError, match="could not be written"):
            write(store, 1)
    assert files(store) == [".lock"]
    assert store.datasets().height == 0


def test_an_update_that_fails_leaves_the_old_version(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before, held = files(store), store.bars("x").content_hash
    for call, places in (("fsync", range(7)), ("replace", range(3))):
        for allowed in places:
            with monkeypatch.context() as patch:
                patch.setattr(os, call, Breaks(getattr(os, call), allowed))
                with pytest.raises(StoreError, match="could not be written: No space left"):
                    store.update("x", version(5, dates=41))
            assert files(store) == before
            assert store.bars("x").content_hash == held


def test_a_withdrawal_that_fails_withdraws_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bar = store.table("x", "bars").row(0, named=True)
    rows = pl.DataFrame([{"symbol": bar["symbol"], "date": bar["date"], "kind": kind, "value": 2.0} for kind in
                         ("dividend", "split")])  # fmt: skip
    store.update("x", actions=rows)
    before, held = files(store), store.table("x", "actions")
    for call, places in (("fsync", range(5)), ("replace", range(2))):
        for allowed in places:
            with monkeypatch.context() as patch:
                patch.setattr(os, call, Breaks(getattr(os, call), allowed))
                with pytest.raises(StoreError, match="could not be written: No space left"):
                    store.update("x", withdraw={"actions": rows[:1]})
            assert files(store) == before
            assert store.table("x", "actions").equals(held)
    assert store.update("x", withdraw={"actions": rows[:1]}).committed
    assert store.table("x", "actions")["kind"].to_list() == ["split"]


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
    assert files(store) == named(store)
    assert value(store.bars("x")) == 1.0


@pytest.mark.parametrize("place", range(1, 7))
def test_killed_at_a_chosen_point(store: Store, place: int) -> None:
    """SIGKILL before and after each of the three renames; the last one is the commit."""
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
    assert value(Store(store.path).bars("x")) == (2.0 if place == 6 else 1.0)
    # The next writer is not kept out by the dead one's lock, and prune removes what the dead one left.
    write(store, 3)
    assert value(store.bars("x")) == 3.0
    store.prune("x", before="2100-01-01")
    assert files(store) == named(store)
    assert store.versions("x").height == 1
    assert value(store.bars("x")) == 3.0


def test_reading_while_another_process_rewrites_and_is_killed(store: Store) -> None:
    code = """
import sys
from quantlab.data import Store
store = Store(sys.argv[1])
frames = [version(2), version(3)]
for number in range(1_000_000):
    store.write("x", frames[number % 2], calendar="24/7", adjusted="none", note=str(number))
    store.prune("x", before="2100-01-01")
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
    store.prune("x", before="2100-01-01")
    assert files(store) == named(store)


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
        _, trace = process.communicate("\n\n\n", timeout=60)
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
        return store.path / "x" / store.describe("x").of("bars")[0].file

    def manifest(self, store: Store, sealed: bool = True, **changes: Any) -> None:
        path = store.path / "x" / "versions" / "00000001.json"
        facts = json.loads(path.read_text()) | changes
        facts = {key: fact for key, fact in facts.items() if fact is not ...}
        if sealed:
            facts.pop("seal", None)
            facts["seal"] = _manifest._seal(facts)
        path.write_text(json.dumps(facts))

    def part(self, store: Store, sealed: bool = True, **changes: Any) -> None:
        """Change the first part's facts."""
        parts = json.loads((store.path / "x" / "versions" / "00000001.json").read_text())["parts"]
        first = {key: fact for key, fact in (parts[0] | changes).items() if fact is not ...}
        self.manifest(store, sealed, parts=[first, *parts[1:]])

    def test_truncated(self, store: Store) -> None:
        path = self.data(store)
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(StoreError, match=r"x is damaged: bars/2024-\w+\.parquet has \d+ bytes instead of \d+"):
            store.bars("x")
        with pytest.raises(StoreError, match="x is damaged"):
            store.table("x", "bars")
        with pytest.raises(StoreError, match="x is damaged"):
            store.update("x", version(2, dates=3))

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

    def test_the_dates_are_checked_too(self, store: Store) -> None:
        (axis,) = store.describe("x").of("axis")
        path = store.path / "x" / axis.file
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        with pytest.raises(StoreError, match=r"damaged: the SHA-256 of axis/all-"):
            store.bars("x")

    def test_writing_the_same_again_repairs(self, store: Store) -> None:
        self.test_one_bit(store)
        assert write(store, 1).version == 1
        assert value(store.bars("x")) == 1.0
        self.data(store).unlink()
        write(store, 1)
        assert value(store.bars("x")) == 1.0

    def test_part_gone(self, store: Store) -> None:
        self.data(store).unlink()
        with pytest.raises(StoreError, match=r"damaged: its part bars/2024-\w+\.parquet is missing"):
            store.bars("x")

    def test_not_parquet_although_the_hash_is_right(self, store: Store) -> None:
        content = b"no parquet at all"
        sha256 = hashlib.sha256(content).hexdigest()
        (store.path / "x" / "bars" / f"2024-{sha256[:12]}.parquet").write_bytes(content)
        self.part(store, size=len(content), sha256=sha256)
        with pytest.raises(StoreError, match="Dataset x is damaged: "):
            store.bars("x")

    def test_part_cannot_be_read(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path) -> str:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

        monkeypatch.setattr(_parts, "digest", refuse)
        with pytest.raises(StoreError, match="Dataset x cannot be read: Permission denied"):
            store.bars("x")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"", "it is not JSON"),
            (b'{"schema": 2,', "it is not JSON"),
            (b"\xff\xfe", "it is not UTF-8"),
            (b"[]", "it has no schema version"),
            (b'{"schema": "2"}', "it has no schema version"),
            (b'{"schema": true}', "it has no schema version"),
            (b'{"schema": 2}', "its seal is broken"),
        ],
    )
    def test_manifest(self, store: Store, text: bytes, said: str) -> None:
        (store.path / "x" / "versions" / "00000001.json").write_bytes(text)
        assert said in store.datasets()["problem"][0]
        assert said in store.versions("x")["problem"][0]
        with pytest.raises(StoreError, match=f"Version 1 of dataset x is damaged: {said}"):
            store.bars("x")
        assert write(store, 2).version == 2
        assert value(store.bars("x")) == 2.0

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"rows": ...}, "`rows` is missing"),
            ({"rows": "12"}, "`rows` is missing or not of type int"),
            ({"dates": True}, "`dates` is missing or not of type int"),
            ({"first": "soon"}, "holds a text that is not a date"),
            ({"committed_at": "yesterday"}, "holds a text that is not a date"),
            ({"dataset": "y"}, "it belongs to version 1 of dataset y"),
            ({"version": 7}, "it belongs to version 7 of dataset x"),
            ({"bar": "soon"}, "`bar` is 'soon'"),
            ({"symbols": ["S0", None]}, "`symbols` holds something other than text"),
            ({"symbols": ["S0"]}, "its symbols are not those of its parts"),
            ({"dates": 39}, "it has 40 dates instead of 39"),
            ({"parts": [3]}, "a part is no mapping"),
        ],
    )
    def test_manifest_fact(self, store: Store, changes: dict, said: str) -> None:
        self.manifest(store, **changes)
        with pytest.raises(StoreError, match=said):
            store.bars("x")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"partition": "../../secret"}, r"it has a part bars/\.\./\.\./secret"),
            ({"table": "../bars"}, r"it has a part \.\./bars/2024"),
            ({"sha256": "../x"}, "it has a part bars/2024-"),
            ({"size": "big"}, "`size` is missing or not of type int"),
            ({"first": "never"}, "holds a text that is not a date"),
            ({"last": "2024-01-05"}, "its dates are not those of its parts"),
            ({"first": "2024-01-03"}, "its dates are not those of its parts"),
        ],
    )
    def test_part_fact(self, store: Store, changes: dict, said: str) -> None:
        self.part(store, **changes)
        with pytest.raises(StoreError, match=said):
            store.bars("x")

    @pytest.mark.parametrize("changes", [{"note": "other"}, {"adjusted": "none "}, {"seal": ...}, {"mood": "good"}])
    def test_a_change_breaks_the_seal(self, store: Store, changes: dict) -> None:
        self.manifest(store, sealed=False, **changes)
        with pytest.raises(StoreError, match="Version 1 of dataset x is damaged: its seal is broken"):
            store.describe("x")

    def test_newer_schema(self, store: Store) -> None:
        self.manifest(store, schema=3, created_by="quantlab 9.0")
        with pytest.raises(StoreError, match=r"schema version 3, and this quantlab reads up to 2.*quantlab 9\.0"):
            store.bars("x")

    def test_a_later_fact_is_ignored(self, store: Store) -> None:
        self.manifest(store, mood="good")
        assert value(store.bars("x")) == 1.0

    def test_manifest_cannot_be_read(self, store: Store) -> None:
        path = store.path / "x" / "versions" / "00000001.json"
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreError, match="Version 1 of dataset x cannot be read: Is a directory"):
            store.bars("x")


class TestSchemaOne:
    """A folder as the first layout left it: a manifest and one data file, without versions."""

    @pytest.fixture
    def old(self, tmp_path: Path) -> Store:
        folder = tmp_path / "old" / "x"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"schema": 1, "dataset": "x"}')
        (folder / "bars-0123456789ab.parquet").write_bytes(b"PAR1")
        return Store(tmp_path / "old")

    def test_it_says_what_it_is(self, old: Store) -> None:
        said = (
            r"Dataset x in .*old has schema version 1, .*Hint: write it again from its source; `quantlab data sample`"
        )
        for read in (old.bars, old.describe, old.versions, lambda name: old.update(name, version(2))):
            with pytest.raises(StoreError, match=said):
                read("x")
        assert "schema version 1" in old.datasets()["problem"][0]

    def test_writing_it_again_replaces_it_after_the_commit(self, old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", Breaks(os.replace, 2))
            with pytest.raises(StoreError, match="could not be written"):
                write(old, 2)
        assert files(old) == [".lock", "bars-0123456789ab.parquet", "manifest.json"]
        write(old, 2)
        assert files(old) == named(old)
        assert value(old.bars("x")) == 2.0


def test_a_reader_gives_up_on_a_dataset_that_never_stands_still(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str, part: object) -> Path:
        raise FileNotFoundError(name)

    numbers = iter(range(10_000))
    monkeypatch.setattr(store._folder, "local", gone)
    real = store._folder.numbers
    # Between two looks the version that was read is pruned.
    monkeypatch.setattr(store._folder, "numbers", lambda name: real(name) if next(numbers) % 2 == 0 else [])
    with pytest.raises(StoreError, match="rewritten faster than it can be read"):
        store.bars("x")
