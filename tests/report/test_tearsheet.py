"""Files: whole or absent, the same twice, and one sentence when the disk refuses."""

import json
import os
import stat

import pytest

import quantlab as ql
from quantlab.core import InputError, StoreError


def test_page_and_twin(result, walk, draws, told, tmp_path):
    page = ql.tearsheet(result, validation=[walk, *draws], path=tmp_path / "new" / "folder" / "sheet.html", seed=7)
    assert page == tmp_path / "new" / "folder" / "sheet.html"
    assert sorted(file.name for file in page.parent.iterdir()) == ["sheet.html", "sheet.json"]
    assert json.loads(page.with_suffix(".json").read_bytes()) == told
    assert page.read_bytes().startswith(b"<!doctype html>")


def test_same_inputs_same_bytes(brief, tmp_path):
    one, two = (ql.tearsheet(brief, path=str(tmp_path / name)) for name in ("a.html", "b.html"))
    assert one.read_bytes() == two.read_bytes()
    assert one.with_suffix(".json").read_bytes() == two.with_suffix(".json").read_bytes()


def test_title(brief, tmp_path):
    page = ql.tearsheet(brief, path=tmp_path / "a.html", title="Five shares")
    assert b"<title>Five shares</title>" in page.read_bytes()
    assert b"<title>Backtest of market</title>" in ql.tearsheet(brief, path=tmp_path / "a.html").read_bytes()


@pytest.mark.parametrize("name", ["sheet", "sheet.json", "sheet.pdf", ""])
def test_another_suffix_is_refused(name, brief, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.html"):
        ql.tearsheet(brief, path=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_path_through_a_file_is_one_sentence(brief, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        ql.tearsheet(brief, path=tmp_path / "file" / "sheet.html")


def test_a_full_disk_leaves_the_old_page(brief, tmp_path, monkeypatch):
    page = ql.tearsheet(brief, path=tmp_path / "a.html")
    before = page.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        ql.tearsheet(brief, path=page, title="another")
    assert page.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_others_may_read_the_page(brief, tmp_path):
    before = os.umask(0o022)
    try:
        page = ql.tearsheet(brief, path=tmp_path / "a.html")
    finally:
        os.umask(before)
    assert stat.S_IMODE(page.stat().st_mode) == 0o644
