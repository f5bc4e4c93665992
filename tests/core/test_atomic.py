"""Files that are whole or absent, and modules that load when they are used."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from quantlab.core import StoreError
from quantlab.core._atomic import write_atomic
from quantlab.core._lazy import lazy


def test_a_file_is_written_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.bin"
    assert write_atomic(path, b"one") == path
    assert write_atomic(str(path), b"two") == path
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]
    # For others to read, as far as the user's mask allows.
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError, match=r"file\.bin cannot be written: No space left on device\.$"):
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_impossible_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"below cannot be written: (Not a directory|File exists)\.$"):
        write_atomic(tmp_path / "file" / "below", b"")


def test_a_lazy_module_is_imported_at_its_first_use(python: Callable[..., str]) -> None:
    code = (
        "import sys; from quantlab.core._lazy import lazy; x = lazy('colorsys'); print('colorsys' in sys.modules); "
        "print(x.rgb_to_hsv(0, 0, 0)); print('colorsys' in sys.modules)"
    )
    assert python(code).split("\n")[:3] == ["False", "(0.0, 0.0, 0)", "True"]
    assert lazy("math").pi == __import__("math").pi
    with pytest.raises(AttributeError):
        _ = lazy("math").nothing
