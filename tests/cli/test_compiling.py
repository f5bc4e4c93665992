"""What is said before a first run: one line, on standard error, when the engine has to be compiled."""

from __future__ import annotations

import numpy as np
import pytest

import quantlab as ql
from quantlab.cli import _compiling, main
from quantlab.core import _kernel

LINE = f"{_compiling.SENTENCE}\n"


@pytest.fixture
def compiled():
    """A run, after which the cache holds the engine."""
    close = ql.Panel([[1.0], [1.0]], np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[D]"), ["A"])
    ql.simulate(ql.Panel([[1.0]], close.dates[:1], ["A"]), ql.as_bars(close), fill="next_close")


def test_after_a_run_the_engine_is_in_the_cache(compiled, capsys):
    assert _compiling.cached()
    _compiling.tell()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("folder", [True, False])
def test_where_nothing_was_compiled_it_is_not(compiled, tmp_path, monkeypatch, capsys, folder):
    monkeypatch.setattr(_kernel, "_cache_directory", lambda source: tmp_path if folder else None)
    assert not _compiling.cached()
    _compiling.tell()
    assert capsys.readouterr() == ("", LINE)


def test_kernels_that_were_edited_are_compiled_anew(compiled, monkeypatch):
    monkeypatch.setattr(_kernel, "_stamp", lambda file: "0" * 64)
    assert not _compiling.cached()


@pytest.mark.parametrize("command", ["backtest", "tearsheet"])
def test_a_first_command_says_what_takes_so_long(desk, monkeypatch, capsys, command):
    monkeypatch.setattr(_compiling, "cached", lambda *command: False)
    assert main([command, "conf/toy.toml"]) == 0
    out, err = capsys.readouterr()
    assert err == LINE
    assert _compiling.SENTENCE not in out


def test_what_is_refused_beforehand_compiles_nothing(configured, monkeypatch, capsys):
    monkeypatch.setattr(_compiling, "cached", lambda *command: False)
    assert main(["backtest", configured('fill = "next_close"', 'fill = "yesterday"')]) == 2
    assert LINE not in capsys.readouterr().err
