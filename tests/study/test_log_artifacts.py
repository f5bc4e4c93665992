"""Files that hang on runs and batches: named by their content, kept once, compared when they are read."""

from __future__ import annotations

import hashlib

import pytest

from quantlab.core import InputError, KindError, StoreError
from quantlab.study._log import TrialLog

DATA = bytes(range(256)) * 100
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def log(tmp_path, clock) -> TrialLog:
    log = TrialLog(tmp_path / "studies", clock=clock)
    for _ in range(2):
        with log.run("s"):
            pass
    return log


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "studies" / "artifacts"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_same_bytes_are_kept_once(log, folder):
    assert log.artifact(1, DATA, name="a") == log.artifact(2, bytearray(DATA), name="b") == NAME
    assert files(folder) == [f"{NAME[:2]}/{NAME[2:]}"]
    assert log.read(NAME) == DATA


def test_a_file_brings_its_name(log, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(DATA)
    log.artifact(1, path, kind="model")
    log.artifact(1, str(path), name="copy")
    found = log.artifacts(1)
    assert found.drop("created").rows() == [("copy", "file", NAME, 25600), ("model.bin", "model", NAME, 25600)]
    assert log.artifacts(2).height == 0


def test_a_name_is_given_once(log):
    log.artifact(1, b"old", name="a", kind="x")
    log.artifact(1, b"new", name="a", kind="y")
    ((name, kind, digest, size, _),) = log.artifacts(1).rows()
    assert (name, kind, size) == ("a", "y", 3)
    assert log.read(digest) == b"new"
    assert log.read(hashlib.sha256(b"old").hexdigest()) == b"old"


def test_a_batch_has_artifacts_of_its_own(log):
    batch = log.begin("s", kind="sweep")
    log.artifact(batch, DATA, name="a")
    assert log.artifacts(batch)["sha256"].to_list() == [NAME]
    assert log.artifacts(1).height == 0


def test_damage_is_seen_and_mended(log, folder):
    log.artifact(1, DATA, name="a")
    path = folder / NAME[:2] / NAME[2:]
    path.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(StoreError, match=f"Artifact {NAME} is damaged: .* has other bytes. Hint: attach it once more"):
        log.read(NAME)
    log.artifact(2, DATA, name="a")
    assert log.read(NAME) == DATA
    path.unlink()
    with pytest.raises(StoreError, match=f"Artifact {NAME} is not in "):
        log.read(NAME)
    path.mkdir()
    with pytest.raises(StoreError, match=f"Artifact {NAME} cannot be read: Is a directory"):
        log.read(NAME)


@pytest.mark.parametrize("name", ["../../secret", NAME[:-1], NAME.upper(), 3, "/etc/passwd"])
def test_what_is_no_digest_is_no_path(log, name):
    with pytest.raises(InputError, match="An artifact is asked for by its SHA-256"):
        log.read(name)


def test_what_is_refused_leaves_nothing(log, folder, tmp_path):
    with pytest.raises(InputError, match="There is no run 9 in this trial log"):
        log.artifact(9, DATA, name="a")
    with pytest.raises(InputError, match="`name` must be given for bytes"):
        log.artifact(1, DATA)
    with pytest.raises(InputError, match="`kind` must not be empty"):
        log.artifact(1, DATA, name="a", kind="")
    with pytest.raises(InputError, match=r"nothing\.html cannot be read: No such file"):
        log.artifact(1, tmp_path / "nothing.html")
    with pytest.raises(KindError, match="An artifact is a file or bytes, received int"):
        log.artifact(1, 3, name="a")
    assert not folder.exists()
    assert log.artifacts(1).height == 0


def test_a_folder_that_cannot_be_one(log, folder):
    folder.write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        log.artifact(1, DATA, name="a")
    assert log.artifacts(1).height == 0


def test_postgresql_needs_a_folder(postgresql, tmp_path):
    place = postgresql("artifacts")
    log = TrialLog(place)
    with log.run("s"):
        pass
    with pytest.raises(InputError, match=r"has no folder for artifacts. Hint: `TrialLog\(.postgresql://"):
        log.artifact(1, DATA, name="a")
    assert TrialLog(place, artifacts=tmp_path / "kept").artifact(1, DATA, name="a") == NAME
    assert files(tmp_path / "kept") == [f"{NAME[:2]}/{NAME[2:]}"]
