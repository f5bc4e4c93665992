"""Finding the strategy's function, and holding its parameters against its signature."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from quantlab.cli._strategy import demand_parameters, find
from quantlab.core import ConfigError

HERE = Path("conf")


def test_a_file_beside_the_configuration(desk):
    assert find("mine.py:strategy", HERE).__name__ == "strategy"
    (desk / "conf" / "sub").mkdir()
    (desk / "conf" / "sub" / "mine2.py").write_text("def f(bars): ...\n")
    assert find("sub/mine2.py:f", HERE).__name__ == "f"


def test_a_file_may_import_its_neighbor(desk):
    (desk / "conf" / "neighbor_of_mine.py").write_text("ANSWER = 42\n")
    (desk / "conf" / "mine3.py").write_text("from neighbor_of_mine import ANSWER\ndef f(bars):\n    return ANSWER\n")
    assert find("mine3.py:f", HERE)(None) == 42


def test_an_installed_module():
    import quantlab

    assert find("quantlab.signals:momentum", HERE) is quantlab.signals.momentum


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("mien.py:strategy", "there is no file conf/mien.py", "the folder has mine.py."),
        ("nowhere/mine.py:strategy", "there is no file conf/nowhere/mine.py", "relative to the configuration's folder"),
        ("mine.py:stratgy", "mine.py has no function `stratgy`", "did you mean `strategy`?"),
        ("mine.py:zzz", "mine.py has no function `zzz`", "it has strategy, other."),
        ("mine.py:ql", "mine.py has no function `ql`", "it has strategy, other."),
        ("no_such_module_at_all:f", "there is no module no_such_module_at_all", "for a file write its name with .py"),
        ("quantlab.signals:moment", "has no function `moment`", None),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(desk, reference, message, hint):
    with pytest.raises(ConfigError) as caught:
        find(reference, HERE)
    assert message in caught.value.message
    if hint:
        assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(bars:\n    return 1\n", "broken.py line 1: "),
        (
            "import numpy\nimport not_there_at_all\n",
            "broken.py line 2 imports not_there_at_all, which is not installed.",
        ),
    ],
)
def test_a_file_that_is_no_python_is_named_with_its_line(desk, source, message):
    (desk / "conf" / "broken.py").write_text(source)
    with pytest.raises(ConfigError, match=r"`strategy.function`") as caught:
        find("broken.py:f", HERE)
    assert message in caught.value.message


def plain(bars, *, lookback=252, skip=21): ...


def needy(bars, *, lookback, skip=21): ...


def open_minded(bars, **rest): ...


def positional(bars, lookback=252): ...


def test_fitting_parameters_pass():
    demand_parameters(plain, ["lookback"], ["skip"])
    demand_parameters(needy, ["lookback"], ["lookback"])
    demand_parameters(open_minded, ["anything"], ["else"])
    demand_parameters(positional, ["lookback"], [])
    demand_parameters(functools.partial(plain, skip=3), ["lookback"], [])
    demand_parameters(lambda *inputs: None, [], [])


@pytest.mark.parametrize(
    ("function", "given", "grid", "message", "hint"),
    [
        (
            plain,
            ["lookbak"],
            [],
            "`strategy.parameters.lookbak`: strategy plain has no parameter `lookbak`.",
            "`lookback`?",
        ),
        (plain, [], ["skp"], "`walk_forward.grid.skp`: strategy plain has no parameter `skp`.", "`skip`?"),
        (plain, ["zzz"], [], "has no parameter `zzz`.", "it has lookback, skip."),
        (plain, ["bars"], [], "has no parameter `bars`.", "it has lookback, skip."),
        (needy, [], ["lookback"], "Strategy needy needs `lookback`.", "give it in [strategy.parameters]."),
        (lambda: None, [], [], "takes no bars.", "(bars, *, ...)"),
        (lambda bars: None, ["x"], [], "has no parameter `x`.", "it has none."),
    ],
)
def test_parameters_that_do_not_fit_are_named(function, given, grid, message, hint):
    with pytest.raises(ConfigError) as caught:
        demand_parameters(function, given, grid)
    assert message in caught.value.message
    assert hint in caught.value.hint
