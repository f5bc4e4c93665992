"""One acceptance test for every kind of store: a local folder, and a bucket behind a real S3 protocol server."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from quantlab.core import InputError, KindError, MissingLibraryError, StoreError
from quantlab.data import Store
from quantlab.data.store._versions import find

pytest.importorskip("obstore")
KEYS = {"aws_region": "us-east-1", "aws_access_key_id": "key", "aws_secret_access_key": "secret"}
# Later than any upload to the server, whose clock is real: `prune` spares what was uploaded within a day.
NOON = datetime(2100, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server on the loopback interface with an empty bucket."""
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket="bucket")
    yield url
    running.stop()


@pytest.fixture
def open_s3(server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Store]:
    """Opens the same place of the bucket again, each time with an empty cache unless told."""
    prefix = f"{request.node.name}-{os.getpid()}".replace("[", "-").replace("]", "")
    count = iter(range(1000))

    def opened(**more: Any) -> Store:
        options = KEYS | {"aws_endpoint_url": server, "aws_allow_http": "true"}
        facts: dict[str, Any] = {"cache": tmp_path / f"cache-{next(count)}", "clock": lambda: NOON}
        return Store(f"s3://bucket/{prefix}", storage_options=options, **facts | more)

    return opened


@pytest.fixture(params=["folder", "s3"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Store]:
    if request.param == "s3":
        return request.getfixturevalue("open_s3")
    return lambda clock=lambda: NOON: Store(tmp_path / "store", clock=clock)


def day(number: int) -> date:
    return date(2023, 12, 20) + timedelta(days=number)


def frame(v: float, dates: int = 30, names: str = "ABC") -> pl.DataFrame:
    rows = [(day(t), name, v + t) for t in range(dates) for name in names]
    return pl.DataFrame(rows, schema={"date": pl.Date, "symbol": pl.String, "close": pl.Float64}, orient="row")


def write(store: Store, v: float = 1.0, **more: Any) -> Any:
    return store.write("x", frame(v), calendar="24/7", adjusted="none", **more)


class TestAnyStore:
    def test_empty(self, opened: Callable[..., Store]) -> None:
        store = opened()
        assert store.datasets().height == 0
        assert repr(store) == f"Store {store.path}: empty"
        with pytest.raises(StoreError, match=r"There is no dataset x: store .* is empty"):
            store.bars("x")

    def test_write_and_read_elsewhere(self, opened: Callable[..., Store]) -> None:
        facts = write(opened())
        store = opened()
        assert store.describe("x") == facts
        assert store.datasets()["name"].to_list() == ["x"]
        assert repr(store) == f"Store {store.path}: x"
        bars = store.bars("x")
        assert bars.shape == (30, 3)
        assert bars.close.values[:, 1].tolist() == [1.0 + t for t in range(30)]
        assert store.bars("x", symbols="B", start="2024").shape == (18, 1)
        assert store.table("x", "bars").height == 90
        with pytest.raises(StoreError, match=r"There is no dataset z in store .*; it has x\."):
            store.bars("z")

    def test_update_known_at_and_prune(self, opened: Callable[..., Store]) -> None:
        write(opened())
        known = [(opened().describe("x").committed_at, opened().bars("x").content_hash)]
        for number in range(2, 5):
            store = opened(clock=lambda number=number: NOON + timedelta(days=number))
            change = store.update("x", frame(float(number), dates=number))
            assert (change.version, change.changed.height) == (number, 3 * number)
            assert not store.update("x", frame(float(number), dates=number)).committed
            known.append((store.describe("x").committed_at, store.bars("x").content_hash))
        for moment, content in known:
            assert opened().bars("x", known_at=moment).content_hash == content
        assert opened().versions("x")["version"].to_list() == [1, 2, 3, 4]
        done = opened(clock=lambda: NOON + timedelta(days=9)).prune("x", before=known[2][0])
        assert done.versions == (1, 2)
        assert done.files > 0
        for moment, content in known[2:]:
            assert opened().bars("x", known_at=moment).content_hash == content
        with pytest.raises(StoreError, match="earlier versions were pruned"):
            opened().bars("x", known_at=known[1][0])

    def test_tables_travel_too(self, opened: Callable[..., Store]) -> None:
        actions = pl.DataFrame({"symbol": ["A"], "date": [day(3)], "kind": ["split"], "value": [2.0]})
        write(opened(), actions=actions)
        assert opened().table("x", "actions").height == 1
        assert opened().bars("x", adjust="split").close.values[0, 0] == 0.5

    def test_the_same_data_again_is_no_version(self, opened: Callable[..., Store]) -> None:
        assert write(opened()).version == 1
        assert write(opened()).version == 1
        assert write(opened(), 2.0).version == 2

    def test_of_two_writers_one_is_told(self, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
        write(opened())
        slow, fast = opened(), opened()
        with slow._folder.writing("x") as writer:
            before = find(slow._folder, "x")
            if isinstance(slow.path, Path):
                with pytest.raises(StoreError, match=r"Dataset x is locked by another writer\."):
                    fast.update("x", frame(7.0, dates=1))
                return
            fast.update("x", frame(7.0, dates=1))
            # An object store: the first one to commit wins.
            with pytest.raises(StoreError, match="Another writer has committed version 2 of dataset x meanwhile"):
                writer.commit(before.version + 1, b"{}")
        assert opened().bars("x").close.values[0, 0] == 7.0
        assert opened().versions("x").height == 2

    def test_many_writers_at_once(self, opened: Callable[..., Store]) -> None:
        """Every update that was not refused is there, and the versions are those of the updates."""
        write(opened())
        done: list[int] = []
        last: dict[str, float] = {}

        def work(number: int) -> None:
            store, name = opened(), "DEFG"[number]
            for attempt in range(4):
                with suppress(StoreError):
                    done.append(store.update("x", frame(100.0 + attempt, dates=1, names=name)).version)
                    last[name] = 100.0 + attempt

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done
        assert sorted(done) == list(range(2, 2 + len(done)))
        assert opened().versions("x")["version"].to_list() == list(range(1, 2 + len(done)))
        for moment in opened().versions("x")["committed_at"]:
            opened().bars("x", known_at=moment)
        # No update was lost to a writer that had read an older version.
        bars = opened().bars("x").between(end=day(0))
        assert dict(zip(bars.symbols[3:], bars.close.values[0, 3:].tolist(), strict=True)) == last

    def test_a_damaged_part_is_refused(self, opened: Callable[..., Store]) -> None:
        store = opened()
        part = write(store).of("bars")[0]
        if isinstance(store.path, Path):
            (store.path / "x" / part.file).write_bytes(b"x" * part.size)
        else:
            import obstore

            obstore.put(store._folder._store, f"x/{part.file}", b"x" * part.size)
        with pytest.raises(
            StoreError, match=rf"Dataset x is damaged: the SHA-256 of {part.file} is not the manifest's"
        ):
            opened().bars("x")

    def test_a_missing_part_is_told(self, opened: Callable[..., Store]) -> None:
        store = opened()
        part = write(store).of("bars")[0]
        if isinstance(store.path, Path):
            (store.path / "x" / part.file).unlink()
        else:
            import obstore

            obstore.delete(store._folder._store, f"x/{part.file}")
        with pytest.raises(StoreError, match=f"Dataset x is damaged: its part {part.file} is missing"):
            opened().bars("x")


class TestObjects:
    def test_parts_are_fetched_once(self, open_s3: Callable[..., Store], tmp_path: Path) -> None:
        write(open_s3())
        first = open_s3(cache=tmp_path / "kept")
        expected = first.bars("x").content_hash
        again = open_s3(cache=tmp_path / "kept")
        fetched: list[str] = []
        real = again._folder._lib

        class Counting:
            exceptions, list = real.exceptions, staticmethod(real.list)

            @staticmethod
            def get(store: Any, path: str) -> Any:
                fetched.append(path)
                return real.get(store, path)

        again._folder._lib = Counting
        assert again.bars("x").content_hash == expected
        assert fetched == ["x/versions/00000001.json"]
        assert not list((tmp_path / "kept").glob(".*"))

    def test_a_damaged_copy_is_fetched_again(self, open_s3: Callable[..., Store], tmp_path: Path) -> None:
        write(open_s3())
        expected = open_s3(cache=tmp_path / "kept").bars("x").content_hash
        for path in (tmp_path / "kept").rglob("*.parquet"):
            path.write_bytes(b"short")
        assert open_s3(cache=tmp_path / "kept").bars("x").content_hash == expected

    def test_a_commit_whose_answer_was_lost_counts(self, open_s3: Callable[..., Store]) -> None:
        store = open_s3()
        facts = write(store)
        with store._folder.writing("x") as writer:
            writer.commit(1, facts.to_json().encode())
            with pytest.raises(StoreError, match="Another writer has committed version 1"):
                writer.commit(1, b"other")

    def test_a_commit_without_an_answer_is_told_as_unknown(
        self, open_s3: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = open_s3()
        write(store)
        real = store._folder._lib

        def lost(place: Any, path: str, *args: Any, **kwargs: Any) -> Any:
            real.put(place, path, *args, **kwargs)
            if path.endswith(".json"):
                raise real.exceptions.GenericError("connection reset\n\nDebug source: ...")

        monkeypatch.setattr(store._folder, "_lib", SimpleNamespace(**vars(real) | {"put": lost}))
        with pytest.raises(
            StoreError, match="Whether version 2 of dataset x was committed is unknown: connection reset"
        ):
            write(store, 2.0)
        assert open_s3().bars("x").close.values[0, 0] == 2.0

    def test_young_parts_are_spared(self, open_s3: Callable[..., Store]) -> None:
        """A writer may have uploaded them and be about to commit."""
        store = open_s3(clock=lambda: datetime.now(UTC))
        write(store)
        write(store, 2.0)
        done = store.prune("x", before="2100-01-01")
        assert (done.versions, done.files) == ((1,), 0)
        assert open_s3().prune("x", before="2100-01-01").files == 2

    def test_the_environment_speaks_where_options_do_not(
        self, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for key, text in (KEYS | {"aws_endpoint_url": server, "aws_allow_http": "true"}).items():
            monkeypatch.setenv(key.upper(), text)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        store = Store("s3://bucket/environment/", clock=lambda: NOON)
        write(store)
        assert store.bars("x").shape == (30, 3)
        assert list((tmp_path / "xdg" / "quantlab" / "parts").rglob("*.parquet"))

    def test_no_such_bucket(self, server: str, tmp_path: Path) -> None:
        options = KEYS | {"aws_endpoint_url": server, "aws_allow_http": "true"}
        store = Store("s3://nobody/prefix", storage_options=options, cache=tmp_path)
        for read in (store.datasets, lambda: store.bars("x"), lambda: write(store)):
            with pytest.raises(StoreError, match="there is no such bucket"):
                read()

    def test_nobody_answers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from quantlab.data.store import _objects

        monkeypatch.setattr(_objects, "_RETRY", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
        with socket.socket() as taken:  # bound and not listening: every connection is refused
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            options = KEYS | {"aws_endpoint_url": url, "aws_allow_http": "true"}
            store = Store("s3://bucket/p", storage_options=options, cache=tmp_path)
            for read, said in (
                (store.datasets, "The datasets of s3://bucket/p cannot be listed: "),
                (lambda: store.bars("x"), "The versions of dataset x cannot be listed: "),
                (lambda: write(store), "Dataset x could not be written: |The versions of dataset x cannot be listed: "),
            ):
                with pytest.raises(StoreError, match=said) as caught:
                    read()
                assert "\n" not in str(caught.value)
                assert "check the address, the credentials" in str(caught.value)

    def test_the_disk_of_the_cache_is_full(
        self, open_s3: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        write(open_s3())
        store = open_s3(cache=tmp_path / "full")
        real = Path.open

        def full(self: Path, *args: Any, **kwargs: Any) -> Any:
            if self.parent.name == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(self, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", full)
            with pytest.raises(StoreError, match="Dataset x cannot be read: No space left on device"):
                store.bars("x")
        assert store.bars("x").shape == (30, 3)

    @pytest.mark.parametrize(
        ("url", "options", "said"),
        [
            ("ftp://host/x", {}, "A store cannot be at ftp://.*known are s3"),
            ("file:" + "///x", {}, "A store cannot be at file://.*give the path of the folder itself"),
            ("s3://bucket/x", {"nonsense": "1"}, "A store cannot be opened at s3://bucket/x: .*nonsense"),
        ],
    )
    def test_what_is_no_address(self, url: str, options: dict, said: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=said):
            Store(url, storage_options=options, cache=tmp_path)

    def test_options_are_for_object_stores(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="are for object stores such as s3://bucket/prefix"):
            Store(tmp_path, cache=tmp_path)
        with pytest.raises(KindError, match="`path` must be a folder, received SimpleNamespace"):
            Store(SimpleNamespace())

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "obstore", None)
        with pytest.raises(MissingLibraryError, match=r"needs obstore, which is not installed.*quantlab\[s3\]"):
            Store("s3://bucket/x")
