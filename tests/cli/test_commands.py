"""The commands as a user meets them: what they print, what they write, how they end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import quantlab
from quantlab.cli import main

ROOT = Path(__file__).resolve().parents[2]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def shell(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """The command in a process of its own, as a terminal would start it."""
    return subprocess.run(
        [sys.executable, "-m", "quantlab.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_version(capsys):
    assert run(capsys, "--version") == (0, f"quantlab {quantlab.__version__}\n", "")
    assert run(capsys, "--version", "--debug")[:2] == (0, f"quantlab {quantlab.__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["data", "--help"], ["backtest", "--help"], ["tearsheet", "--help"]])
def test_help_is_plain_text(capsys, arguments):
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert out.startswith("Usage: quantlab")
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["backtset"], "No such command 'backtset'"),
        (["backtest"], "Missing argument"),
        (["backtest", "--fast", "x.toml"], "No such option: --fast"),
        (["data", "smaple"], "No such command 'smaple'"),
    ],
)
def test_a_wrong_command_line_is_said_with_exit_code_2(capsys, arguments, sentence):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


def test_a_backtest_prints_its_summary_and_where_the_report_is(capsys, desk):
    code, out, err = run(capsys, "backtest", "conf/toy.toml")
    assert (code, err) == (0, "")
    assert "toy: 5 symbols, 503 bars, 2018-01-02 to 2019-12-31" in out
    assert re.search(r"Metric +Value +95 % interval +Unit", out)
    for label in (
        "Total return",
        "Sharpe ratio",
        "Maximum drawdown",
        "Profit factor",
        "Turnover, one-way",
        "Gross exposure, mean",
    ):
        assert label in out
    assert re.search(r"Sharpe ratio, out of sample: -?\d+\.\d\d, 95 % interval -?\d+\.\d\d to -?\d+\.\d\d", out)
    assert re.search(r"\d folds\s+from 2 trials", out)
    assert "200 resamples, seed 3" in out.replace("\n", " ")
    assert "Annual growth (CAGR), out of sample: " in out
    report, numbers = out.splitlines()[-2:]
    assert report.split() == ["Report", "out/toy.html"]
    assert numbers.split() == ["Numbers", "out/toy.json"]
    assert "\x1b" not in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    told = json.loads((desk / "out" / "toy.json").read_text())
    assert told["title"] == "Toy"
    settings = {row["key"]: row["value"] for row in told["footer"]["settings"]}
    assert settings["strategy"] == "mine.py:strategy"
    assert settings["parameters.lookback"] == "30" or settings["parameters.lookback"] == 30


def test_two_runs_write_the_same_bytes(capsys, desk):
    run(capsys, "backtest", "conf/toy.toml")
    first = (desk / "out" / "toy.html").read_bytes(), (desk / "out" / "toy.json").read_bytes()
    run(capsys, "tearsheet", "conf/toy.toml")
    assert ((desk / "out" / "toy.html").read_bytes(), (desk / "out" / "toy.json").read_bytes()) == first


def test_a_tearsheet_prints_where_it_stands_and_no_table(capsys, desk):
    code, out, _ = run(capsys, "tearsheet", "conf/toy.toml", "--path", "elsewhere/page.html")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["Report", "elsewhere/page.html"],
        ["Numbers", "elsewhere/page.json"],
    ]
    assert (desk / "elsewhere" / "page.html").is_file()
    assert not (desk / "out").exists()


def test_a_tearsheet_needs_a_place(capsys, configured):
    configured('[report]\npath = "out/toy.html"\ntitle = "Toy"\n', "")
    code, _, err = run(capsys, "tearsheet", "conf/toy.toml")
    assert code == 2
    assert (
        err
        == 'Error: conf/toy.toml has no table [report].\nHint: add one with `path = "report.html"`, or use --path.\n'
    )
    assert run(capsys, "tearsheet", "conf/toy.toml", "--path", "page.pdf")[0] == 2
    assert run(capsys, "tearsheet", "conf/toy.toml", "--path", "page.html")[0] == 0


def test_without_walk_forward_and_bootstrap_nothing_is_called_out_of_sample(capsys, desk):
    text = Path("conf/toy.toml").read_text()
    Path("conf/toy.toml").write_text(text[: text.index("[walk_forward]")])
    code, out, _ = run(capsys, "backtest", "conf/toy.toml")
    assert code == 0
    assert "Nothing here is out of sample: the configuration has no [walk_forward]." in out
    assert "Report" not in out
    assert not (desk / "out").exists()


def test_a_bootstrap_alone_says_in_sample(capsys, desk):
    text = Path("conf/toy.toml").read_text()
    start, end = text.index("[walk_forward]"), text.index("[bootstrap]")
    Path("conf/toy.toml").write_text(text[:start] + text[end:])
    _, out, _ = run(capsys, "backtest", "conf/toy.toml")
    assert "Sharpe ratio, in sample: " in out
    assert "out of sample" not in out


def test_a_walk_forward_alone_has_an_analytic_interval(capsys, desk):
    text = Path("conf/toy.toml").read_text()
    start, end = text.index("[bootstrap]"), text.index("[report]")
    Path("conf/toy.toml").write_text(text[:start] + text[end:])
    _, out, _ = run(capsys, "backtest", "conf/toy.toml")
    assert "Sharpe ratio, out of sample: " in out
    assert "resamples" not in out


def test_diagnostics_are_printed(capsys, configured):
    _, out, _ = run(capsys, "backtest", configured("lookback = 30", "lookback = 30\ntop = 0.4\nbottom = 0.4"))
    assert "Diagnostics" in out
    assert "no_next_bar" in out


def test_strict_turns_diagnostics_into_an_error(capsys, configured, desk):
    # One trade costs more than the whole account.
    (desk / "conf" / "mine.py").write_text(
        "import quantlab as ql\n\n\ndef strategy(bars, *, lookback=1):\n"
        "    return ql.Panel([[2.0] * 5], bars.dates[:1], bars.symbols)\n"
    )
    text = Path(configured('fill = "next_close"', 'fill = "next_close"\nstrict = true')).read_text()
    text = text.replace("minimum = 1.0, maximum = 0.01", "minimum = 1e9")
    Path("conf/toy.toml").write_text(text[: text.index("[walk_forward]")])
    code, out, err = run(capsys, "backtest", "conf/toy.toml")
    assert (code, out) == (2, "")
    assert err.startswith("Error: strict: unaffordable at ")


def test_sample_data_say_what_they_are_and_are_not(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(capsys, "data", "sample", "--store", "here")
    assert (code, err) == (0, "")
    assert "Written to here" in out
    assert re.search(r"sample +20 +166,260 +1990-01-02 +2022-12-28", out)
    assert "But: Survivors only" in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    assert set(quantlab.Store("here").datasets()["name"]) >= {"sample", "indices", "vix"}


def test_a_store_that_is_a_file_is_refused(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "data", "sample", "--store", str(tmp_path / "file"))
    assert code == 2
    assert "is a file.\nHint: a store is a folder." in err


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "lookback = 30",
            "lookbak = 30",
            "Error: `strategy.parameters.lookbak`: strategy strategy has no parameter `lookbak`.",
        ),
        (
            "lookback = [20, 40]",
            "tops = [0.5]",
            "Error: `walk_forward.grid.tops`: strategy strategy has no parameter `tops`.",
        ),
        ('dataset = "toy"', 'dataset = "tay"', "Error: There is no dataset tay in store data; it has toy."),
        (
            "purge = 5",
            "purge = -5",
            "Error: conf/toy.toml: `walk_forward.purge` must be a whole number of bars, 0 or more",
        ),
    ],
)
def test_nothing_is_written_for_a_wrong_configuration(capsys, configured, desk, old, new, sentence):
    code, out, err = run(capsys, "backtest", configured(old, new))
    assert (code, out) == (2, "")
    assert err.startswith(sentence)
    assert "Traceback" not in err
    assert not (desk / "out").exists()


def write_strategy(body: str) -> None:
    Path("conf/mine.py").write_text(f"import quantlab as ql\n\n\ndef strategy(bars, *, lookback=1):\n    {body}\n")


def test_an_error_of_quantlab_in_the_strategy_names_the_line(capsys, desk):
    write_strategy("return ql.signals.momentum(bars.close, lookback=5, skip=9)")
    code, _, err = run(capsys, "backtest", "conf/toy.toml")
    assert code == 2
    assert err == "Error: `lookback` must be above `skip` (9 bars), received 5. (strategy, conf/mine.py line 5)\n"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
        ("import numpy as np; return np.reshape(np.ones(3), 2)", "ValueError: cannot reshape array of size 3"),
        ("return ql.signals.momentum(bars.close, look=3)", "TypeError: momentum() got an unexpected keyword argument"),
    ],
)
def test_a_failing_strategy_is_named_with_its_line(capsys, desk, body, what):
    write_strategy(body)
    code, out, err = run(capsys, "backtest", "conf/toy.toml")
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: the strategy failed in strategy, conf/mine.py line 5: {what}")
    assert err.endswith("Hint: --debug shows the traceback.\n")
    assert "Traceback" not in err
    assert not (desk / "out").exists()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import sys; sys.exit()", "SystemExit"),
        ("import sys; sys.exit('enough')", "SystemExit: enough"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return bars.close.map(lambda values: exit(0))", "SystemExit: 0"),
    ],
)
def test_a_strategy_that_ends_the_program_has_failed(capsys, desk, body, what):
    write_strategy(body)
    code, out, err = run(capsys, "backtest", "conf/toy.toml")
    assert (code, out) == (1, "")
    assert re.match(rf"Error: the strategy failed in (strategy|<lambda>), conf/mine\.py line 5: {what}\nHint: a ", err)
    assert "Traceback" not in err
    assert not (desk / "out").exists()
    assert "Traceback" in run(capsys, "backtest", "conf/toy.toml", "--debug")[2]


def test_a_file_that_ends_the_program_while_it_is_loaded_has_failed(capsys, desk):
    Path("conf/mine.py").write_text("import sys\n\nsys.exit(0)\n")
    code, out, err = run(capsys, "backtest", "conf/toy.toml")
    assert (code, out) == (1, "")
    assert err.startswith("Error: the strategy failed in <module>, conf/mine.py line 3: SystemExit: 0\n")


def test_a_module_that_ends_the_program_while_it_is_loaded_has_failed(capsys, configured, desk, monkeypatch):
    (desk / "leaving_module.py").write_text("import sys\n\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(str(desk))
    code, out, err = run(capsys, "backtest", configured("mine.py:strategy", "leaving_module:strategy"))
    assert (code, out) == (1, "")
    assert err.startswith("Error: the strategy failed in <module>, leaving_module.py line 3: SystemExit: 0\n")


def test_the_exits_of_typer_are_left_alone(capsys, monkeypatch):
    from quantlab.cli import _door

    def completed(*inputs, **options):
        sys.exit(0)

    with pytest.raises(SystemExit) as caught:
        _door.guarded(completed, [])
    assert caught.value.code == 0
    assert run(capsys, "--help")[0] == 0
    assert run(capsys, "--version")[0] == 0
    assert run(capsys, "data", "--nonsense")[0] == 2


def test_debug_shows_the_traceback(capsys, desk):
    write_strategy("return 1 / 0")
    code, _, err = run(capsys, "--debug", "backtest", "conf/toy.toml")
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert "ZeroDivisionError" in err
    assert "Hint" not in err
    code, _, err = run(capsys, "backtest", "conf/nothing.toml", "--debug")
    assert code == 2
    assert "Traceback" in err
    assert err.splitlines()[-2].startswith("Error: There is no configuration file conf/nothing.toml.")


@pytest.mark.parametrize("body", ["return None", "return 3.0", "return bars.close.values"])
def test_a_strategy_that_returns_something_else_is_told_what_to_return(capsys, desk, body):
    write_strategy(body)
    code, _, err = run(capsys, "backtest", "conf/toy.toml")
    assert code == 2
    assert err.startswith("Error: Strategy mine.py:strategy must return target weights as a Panel, and returned ")


def test_bad_weights_name_the_first_offender(capsys, desk):
    write_strategy("return ql.Panel([[float('nan'), 1, 0, 0, 0]], bars.dates[:1], bars.symbols)")
    code, _, err = run(capsys, "backtest", "conf/toy.toml")
    assert code == 2
    assert "A" in err
    assert "2018-01-02" in err


def test_a_bug_of_quantlab_says_so(capsys, desk, monkeypatch):
    from quantlab import backtest

    def broken(*inputs, **options):
        raise IndexError("out of range")

    monkeypatch.setattr(backtest, "simulate", broken)
    code, out, err = run(capsys, "backtest", "conf/toy.toml")
    assert (code, out) == (1, "")
    assert err == (
        "Error: unforeseen, which is a bug of quantlab: IndexError: out of range\nHint: --debug shows the traceback.\n"
    )


def test_an_interruption_is_one_line_and_130(capsys, desk):
    write_strategy("raise KeyboardInterrupt")
    code, out, err = run(capsys, "backtest", "conf/toy.toml")
    assert (code, out, err.strip()) == (130, "", "Interrupted.")
    assert not (desk / "out").exists()


def test_a_real_process_ends_with_the_code_and_says_it_on_stderr(desk):
    done = shell("backtest", "conf/nothing.toml", cwd=desk)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("Error: There is no configuration file conf/nothing.toml.\nHint: there is conf/toy.toml.\n")


def test_a_real_process_writes_plain_text_into_a_pipe(desk):
    done = shell("backtest", "conf/toy.toml", cwd=desk, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["Numbers", "out/toy.json"]


def test_a_reader_that_leaves_early_is_no_error(desk):
    command = f"{sys.executable} -m quantlab.cli data --help | true"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_the_prices_are_what_the_store_holds(desk):
    # The fixture itself: what the commands above ran on.
    assert quantlab.Store("data").bars("toy").shape == (503, 5)
    assert isinstance(quantlab.Store("data").datasets(), pl.DataFrame)


def test_an_interruption_while_loading_is_one_line_too(capsys, monkeypatch):
    from quantlab.cli import _door

    def interrupted(*inputs):
        raise KeyboardInterrupt

    monkeypatch.setattr(_door, "guarded", interrupted)
    assert run(capsys, "backtest", "x.toml") == (130, "", "Interrupted.\n")
