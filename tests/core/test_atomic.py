"""A file is whole or absent."""

import os

import pytest

from quantlab.core import StoreError
from quantlab.core._atomic import write_atomic


def test_writes_and_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "a" / "b.txt"
    assert write_atomic(path, b"one") == path
    write_atomic(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    write_atomic(path, b"old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(type(path), "replace", refuse)
    with pytest.raises(StoreError, match=r"a\.txt cannot be written: No space left on device\."):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_an_interrupt_leaves_no_rubbish(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a.txt", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_atomic(tmp_path / "a.txt", b"new")


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(type(tmp_path), "replace", lambda self, to: (order.append("replace"), replace(self, to))[1])
    write_atomic(tmp_path / "a.txt", b"new")
    assert order == ["fsync", "replace", "fsync"]
