"""``quantlab sweep`` and ``quantlab studies``: what is refused, what is printed, and a sweep stopped half-way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import polars as pl
import pytest

import quantlab as ql
from quantlab.cli import _sweep, main
from quantlab.cli._config import load
from quantlab.core import ConfigError, QuantlabError, StoreError
from quantlab.core.rng import generator
from quantlab.data import Store, samples

ROOT = Path(__file__).resolve().parents[2]
# It can be made to stand still after so many calls, so that whoever kills it always comes half-way.
STRATEGY = """
import itertools
import os
import threading
from pathlib import Path

import quantlab as ql

asked = itertools.count(1)


def strategy(bars, *, lookback=40, skip=5, top=0.5, bottom=0.0):
    if next(asked) > int(os.environ.get("STOP_AFTER", "1000000")):
        Path("stopped").touch()
        threading.Event().wait()
    score = ql.signals.momentum(bars.close, lookback=lookback, skip=skip)
    return ql.portfolio.long_short(score, top=top, bottom=bottom, rebalance="month_end")


def needy(bars, *, lookback, skip):
    return strategy(bars, lookback=lookback, skip=skip)


def leaving(bars, *, lookback):
    raise SystemExit(3)
"""
HEAD = """
[data]
store = "data"
dataset = "toy"

[strategy]
function = "mine.py:strategy"

[strategy.parameters]
lookback = 30
bottom = 0.0

[costs]
commission = { per_share = 0.005, minimum = 1.0, maximum = 0.01 }
slippage_bps = 5

[account]
cash = 100_000

[backtest]
fill = "next_close"
"""
SMALL = """
[sweep.grid]
lookback = [20, 40, 60]
top = [0.4, 0.6]
"""
# 240 variants.
GRID = """
[sweep]
study = "momentum"
path = "out/table.parquet"

[sweep.grid]
lookback = [15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70]
skip = [0, 2, 5, 10]
top = [0.2, 0.4, 0.5, 0.6, 0.8]
"""
VARIANTS = 240


@pytest.fixture
def swept(desk, monkeypatch):
    """Return a function that writes the configuration with a text for [sweep], and returns its path."""
    monkeypatch.delenv("QUANTLAB_STUDIES", raising=False)
    (desk / "conf" / "mine.py").write_text(STRATEGY)

    def write(text: str, old: str = "", new: str = "") -> str:
        assert old in HEAD
        (desk / "conf" / "toy.toml").write_text(HEAD.replace(old, new) + text)
        return "conf/toy.toml"

    return write


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    return (code, *capsys.readouterr())


def by_hand(grid, **options):
    """The sweep of the configuration, by the function."""
    found = _sweep.prepare(Path("conf/toy.toml"))
    costs = ql.Costs(commission=ql.PerShare(0.005, minimum=1.0, maximum=0.01), slippage=ql.Bps(5))
    terms = {"costs": costs, "account": ql.Account(cash=100_000), "fill": "next_close"}
    return ql.sweep(found.strategy, Store("data").bars("toy"), grid, **terms, **{"study": None, **options})


def hash_in(out: str) -> str:
    last = out.splitlines()[-1]
    assert re.fullmatch(r"table sha256 [0-9a-f]{64}", last)
    return last.split()[-1]


# The configuration.


def test_the_least_is_a_grid(swept):
    plan = _sweep.prepare(Path(swept(SMALL)))
    assert (plan.study, plan.workers, plan.table.scheduler, plan.table.by) == ("toy", None, "threads", "sharpe")
    assert plan.grid == ql.study.product({"lookback": [20, 40, 60], "top": [0.4, 0.6]})
    assert (plan.table.returns, plan.table.memory, plan.table.top, plan.table.path) == (False, 256.0, 10, None)


@pytest.mark.parametrize(
    ("text", "grid"),
    [
        (
            '[sweep]\nkind = "zipped"\n[sweep.grid]\nlookback = [20, 40]\ntop = [0.4, 0.6]\n',
            ql.study.zipped({"lookback": [20, 40], "top": [0.4, 0.6]}),
        ),
        (
            '[sweep]\nkind = "random"\nn = 9\n[sweep.grid]\ntop = [0.4, 0.6]\n'
            'lookback = { kind = "integers", low = 20, high = 80, step = 4 }\n',
            ql.study.random_grid({"top": [0.4, 0.6], "lookback": ql.study.integers(20, 80, step=4)}, 9, seed=0),
        ),
        (
            '[sweep]\nkind = "latin_hypercube"\nn = 5\nseed = 3\n[sweep.grid]\n'
            'top = { kind = "uniform", low = 0.2, high = 1 }\n'
            'bottom = { kind = "log_uniform", low = 0.01, high = 0.4 }\n',
            ql.study.latin_hypercube(
                {"top": ql.study.uniform(0.2, 1), "bottom": ql.study.log_uniform(0.01, 0.4)}, 5, seed=3
            ),
        ),
        ("[sweep.grid]\nlookback = [[20, 40], [60]]\n", ql.study.product({"lookback": [(20, 40), (60,)]})),
    ],
    ids=["zipped", "random", "hypercube", "lists of lists"],
)
def test_each_kind_is_the_grid_of_its_function(swept, text, grid):
    assert _sweep.prepare(Path(swept(text))).grid == grid


def test_the_grid_takes_the_place_of_parameters(swept):
    plan = _sweep.prepare(Path(swept(SMALL)))
    assert isinstance(plan.strategy, partial)
    assert plan.strategy.keywords == {"bottom": 0.0}
    # A default that no variant sees is no part of what is swept: it makes no new shelf.
    other = _sweep.prepare(Path(swept(SMALL, "lookback = 30\n", "lookback = 35\n")))
    assert ql.study.code_hash(other.strategy) == ql.study.code_hash(plan.strategy)
    alone = _sweep.prepare(Path(swept(SMALL, "bottom = 0.0\n", "")))
    assert alone.strategy.__name__ == "strategy"


def test_a_parameter_that_the_strategy_needs_may_stand_in_the_grid(swept):
    text = "[sweep.grid]\nlookback = [20]\nskip = [5]\n"
    path = Path(swept(text, "lookback = 30\nbottom = 0.0\n", ""))
    path.write_text(path.read_text().replace("mine.py:strategy", "mine.py:needy"))
    assert _sweep.prepare(path).grid[0] == {"lookback": 20, "skip": 5}
    path.write_text(path.read_text().replace("skip = [5]\n", ""))
    with pytest.raises(ConfigError) as caught:
        _sweep.prepare(path)
    assert caught.value.message == "Strategy needy needs `skip`."
    assert caught.value.hint == "give it in [strategy.parameters] or [sweep.grid]."


RANGE = '{ kind = "integers", low = 20, high = 300 }'


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "conf/toy.toml has no table [sweep].", "[sweep.grid] with `lookback = [126, 252]`."),
        ("[sweep]\ntop = 5\n", "`sweep.grid` is missing.", "for each parameter of the strategy a list of values"),
        ("[sweep.grid]\n", "`sweep.grid` must be a table: for each parameter", None),
        ('[sweep]\nstudi = "x"\n[sweep.grid]\ntop = [1]\n', "unknown key `studi` in [sweep].", "did you mean `study`?"),
        ("[sweep.grid]\nlokback = [1]\n", "`sweep.grid.lokback`: strategy strategy has no", "did you mean `lookback`?"),
        ("[sweep.grid]\nlookback = 20\n", f"must be a list of values or a range such as {RANGE}, received", "[20]."),
        ("[sweep.grid]\nlookback = []\n", "`sweep.grid`: `grid` holds no value for lookback.", None),
        ("[sweep.grid]\nlookback = [20, 20]\n", "`grid` holds 20 twice for lookback.", "every variant counts"),
        ("[sweep.grid]\nlookback = [{ a = 1 }]\n", "must hold plain values for lookback", ""),
        (
            "[sweep.grid]\nlookback = { low = 1 }\n",
            "`sweep.grid.lookback`: a range has no `kind`; it is one of",
            "such",
        ),
        ('[sweep.grid]\ntop = { kind = "normal" }\n', "a range has the kind 'normal'; it is one of integers,", "such"),
        ('[sweep.grid]\ntop = { kind = "uniform", low = 0 }\n', "a range of kind uniform needs `high`.", "such as"),
        (
            '[sweep.grid]\ntop = { kind = "uniform", low = 0, high = 1, step = 1 }\n',
            "a range of kind uniform takes no `step`; it takes low, high.",
            None,
        ),
        (
            '[sweep.grid]\nlookback = { kind = "integers", low = 1.5, high = 3 }\n',
            "`sweep.grid.lookback`: `low` must be an integer",
            None,
        ),
        (
            '[sweep.grid]\ntop = { kind = "uniform", low = 1, high = 0 }\n',
            "`sweep.grid.top`: uniform must have `low` below `high`",
            None,
        ),
        (
            f"[sweep.grid]\nlookback = {RANGE}\n",
            '`sweep.grid.lookback` is a range to draw from, and `sweep.kind` "product" takes lists.',
            None,
        ),
        (
            '[sweep]\nkind = "grid"\n[sweep.grid]\ntop = [1]\n',
            '`sweep.kind` must be "product", "zipped", "random"',
            None,
        ),
        ('[sweep]\nkind = "random"\n[sweep.grid]\ntop = [1]\n', "needs `n`, how many variants to draw.", None),
        ("[sweep]\nn = 3\n[sweep.grid]\ntop = [1]\n", '"product" takes no `n`: nothing is drawn.', None),
        ('[sweep]\nkind = "zipped"\nseed = 3\n[sweep.grid]\ntop = [1]\n', "takes no `seed`: nothing is drawn.", None),
        (
            '[sweep]\nkind = "random"\nn = 3\n[sweep.grid]\ntop = [0.4, 0.6]\n',
            "`sweep.grid`: The space has 2 different variants, and `n` is 3.",
            "a product tries all of them.",
        ),
        (
            '[sweep]\nkind = "zipped"\n[sweep.grid]\ntop = [0.4, 0.6]\nlookback = [20]\n',
            "`sweep.grid`: A zipped grid must hold lists of one length",
            None,
        ),
        ('[sweep]\nscheduler = "dask"\n[sweep.grid]\ntop = [1]\n', "`sweep.scheduler` must be", None),
        (
            '[sweep]\nscheduler = "tcp://host:8786"\nworkers = 2\n[sweep.grid]\ntop = [1]\n',
            "`sweep.workers` is for threads and processes: a cluster has its own.",
            None,
        ),
        ("[sweep]\nworkers = 0\n[sweep.grid]\ntop = [1]\n", "`sweep.workers` must be a whole number", None),
        ("[sweep]\nmemory = 0\n[sweep.grid]\ntop = [1]\n", "`sweep.memory` must be a number of MiB above zero", None),
        ('[sweep]\nreturns = "yes"\n[sweep.grid]\ntop = [1]\n', "`sweep.returns` must be true", None),
        (
            "[sweep]\ntop = 0\n[sweep.grid]\ntop = [1]\n",
            "`sweep.top` must be a whole number of variants to print",
            None,
        ),
        ('[sweep]\nby = "sharp"\n[sweep.grid]\ntop = [1]\n', "there is no metric 'sharp'.", "did you mean `sharpe`?"),
        ('[sweep]\nby = "zzz"\n[sweep.grid]\ntop = [1]\n', "there is no metric 'zzz'.", "it is one of total_return,"),
        ('[sweep]\npath = "x.html"\n[sweep.grid]\ntop = [1]\n', "`sweep.path` must be a file name that ends", None),
        ('[sweep]\npath = "conf/toy.toml/x.csv"\n[sweep.grid]\ntop = [1]\n', "conf/toy.toml is a file, so that", None),
        (
            '[sweep]\nstudy = ""\n[sweep.grid]\ntop = [1]\n',
            "`sweep.study` must be the name of a line of research",
            None,
        ),
        (
            "[sweep.grid]\ncosts = [1]\n",
            "`sweep.grid.costs`: costs cannot be swept from a file.",
            'in Python it can: `ql.sweep(strategy, bars, {"costs": [...]})`.',
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(swept, text, message, hint):
    with pytest.raises(ConfigError) as caught:
        _sweep.prepare(Path(swept(text)))
    assert message in caught.value.message
    assert caught.value.hint is None if hint is None else hint in (caught.value.hint or "")
    assert not Path("studies").exists()


def test_strict_is_refused_and_not_passed_over(swept):
    path = Path(swept(SMALL, 'fill = "next_close"', 'fill = "next_close"\nstrict = true'))
    with pytest.raises(ConfigError, match="cannot stop a sweep") as caught:
        _sweep.prepare(path)
    assert "column warnings" in (caught.value.hint or "")


def test_the_terms_are_asked_for_what_they_need(swept):
    path = Path(swept(SMALL, "slippage_bps = 5", 'slippage = { model = "volume_share" }'))
    with pytest.raises(QuantlabError, match="volume"):
        _sweep.prepare(path)


def test_workers_on_the_command_line(swept, capsys):
    path = Path(swept(SMALL))
    assert _sweep.prepare(path, workers=3).workers == 3
    path.write_text(HEAD + '[sweep]\nscheduler = "tcp://host:8786"\n' + SMALL)
    assert run(capsys, "sweep", str(path), "--workers", "2") == (
        2,
        "",
        "Error: --workers is for threads and processes: a cluster has its own.\n",
    )
    assert run(capsys, "sweep", str(path), "--workers", "0")[0] == 2


def test_a_backtest_reads_the_same_file(capsys, swept):
    code, out, _ = run(capsys, "backtest", swept(SMALL))
    assert code == 0
    assert "Sharpe ratio" in out


def test_the_comments_of_the_shipped_configuration_are_keys_that_exist(tmp_path):
    text = (ROOT / "notebooks" / "sweep.toml").read_text("utf-8")
    head, grid = text.split("[sweep.grid]")
    config = load(ROOT / "notebooks" / "sweep.toml")
    assert len(config.sweep.value()) == 364
    for key in ("log", "kind", "n", "seed", "scheduler", "workers", "returns", "memory"):
        assert re.search(rf"^(# )?{key} =", head, re.MULTILINE), key
    drawn = re.sub(r"^kind = .*", "", head, flags=re.MULTILINE)
    drawn = re.sub(r"^# (?=[a-z]+ = )", "", drawn, flags=re.MULTILINE)
    ranges = re.sub(r"^lookback = .*\n", "", grid, flags=re.MULTILINE).replace("# lookback", "lookback")
    (tmp_path / "all.toml").write_text(f"{drawn}[sweep.grid]{ranges}")
    table = load(tmp_path / "all.toml").sweep
    assert (table.kind, table.n, table.returns) == ("random", 500, True)
    assert table.model_fields_set == set(type(table).model_fields)


# What is printed.


@pytest.fixture(scope="module")
def sample_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "data"
    samples.fill(Store(folder))
    return folder


def test_the_shipped_sweep_on_the_sample(capsys, sample_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("QUANTLAB_STUDIES", raising=False)
    (tmp_path / "data").symlink_to(sample_store, target_is_directory=True)
    code, out, err = run(capsys, "sweep", str(ROOT / "notebooks" / "sweep.toml"))
    assert code == 0
    assert err.replace("Compiling the engine, once: this takes about half a minute, on a slow machine two.\n", "") == ""
    assert "Study momentum: 364 variants of momentum.py:strategy on sample: 20 symbols," in out
    assert "On record already: 0; 364 to run on " in out
    assert "Sharpe ratio: the best, corrected for 364 trials of study momentum" in out
    rows = re.findall(r"^ +\d+ +\d+ +\d+ +[\d.]+ +(\S+) +(\S+) to (\S+) +(\S+) +(\S+) *$", out, re.MULTILINE)
    assert len(rows) == 10

    config = load(ROOT / "notebooks" / "sweep.toml")
    from quantlab.cli import _run, _strategy

    function = _strategy.find("momentum.py:strategy", ROOT / "notebooks")
    bars = Store("data").bars("sample", start="1995-01-01")
    terms = _run.terms_of(config)
    same = ql.sweep(partial(function, bottom=0.0, gross=1.0), bars, config.sweep.grid, **terms, study=None)
    assert hash_in(out) == same.content_hash
    best = same.top(10)
    assert [row[0] for row in rows] == [f"{value:.2f}" for value in best["sharpe"]]
    assert [row[1:3] for row in rows] == [
        (f"{low:.2f}", f"{high:.2f}") for low, high in best.select("sharpe_low", "sharpe_high").iter_rows()
    ]
    assert f"exceeds the {best['expected_max'][0]:.2f} that luck" in out
    assert pl.read_parquet("build/sweep.parquet").equals(same.table)

    # It finds everything there, and the table says the same.
    again = run(capsys, "sweep", str(ROOT / "notebooks" / "sweep.toml"))
    assert (again[0], hash_in(again[1])) == (0, same.content_hash)
    assert "On record already: 364; nothing to run." in again[1]


def test_a_sweep_prints_at_80_columns(capsys, swept):
    code, out, err = run(capsys, "sweep", swept(SMALL))
    assert (code, err) == (0, "")
    assert max(len(text.rstrip()) for text in out.splitlines()) <= 80
    assert "\x1b" not in out
    found = by_hand({"lookback": [20, 40, 60], "top": [0.4, 0.6]})
    assert hash_in(out) == found.content_hash
    assert "Rows     studies/sweeps/toy/" in out
    assert "Table" not in out.replace("table sha256", "")
    share = found.marginal().filter(parameter="lookback")["explained"][0]
    assert re.search(rf"^ lookback .* {100 * share:.0f} % ", out, re.MULTILINE)
    assert not (Path.cwd() / "out").exists()


def test_many_parameters_stand_below_the_table(capsys, swept):
    grid = "[sweep.grid]\nlookback = [20, 40]\nskip = [0, 1]\ntop = [0.4]\nbottom = [0.25]\n"
    text = f'[sweep]\nby = "max_drawdown"\ntop = 1\n{grid}'
    code, out, _ = run(capsys, "sweep", swept(text))
    assert code == 0
    assert max(len(text.rstrip()) for text in out.splitlines()) <= 80
    best = by_hand({"lookback": [20, 40], "skip": [0, 1], "top": [0.4], "bottom": [0.25]}).top(1, by="max_drawdown")
    number, drawdown = best.select("variant", "max_drawdown").row(0)
    assert f"Variant {number}: lookback={best['lookback'][0]}, skip={best['skip'][0]}, top=0.4, bottom=0.25\n" in out
    assert f"{100 * drawdown:.2f} %" in out


def test_quiet_prints_where_the_table_lies_and_its_hash(capsys, swept):
    path = swept('[sweep]\npath = "out/table.csv"\n' + SMALL)
    code, out, err = run(capsys, "sweep", path, "--quiet", "--workers", "1")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["Rows", "Table", "table"]
    table = pl.read_csv("out/table.csv")
    same = by_hand({"lookback": [20, 40, 60], "top": [0.4, 0.6]}).table
    assert table["sharpe"].to_list() == same["sharpe"].to_list()
    assert table.columns == same.columns


def test_failures_are_one_line_and_exit_code_3(capsys, swept):
    code, out, err = run(capsys, "sweep", swept("[sweep.grid]\nlookback = [4, 40]\nskip = [5, 6]\n"))
    assert (code, err) == (3, "")
    line = " ".join(out.split())
    assert "2 of 4 variants failed; the first is 0 (lookback=4, skip=5): `lookback` must be above `skip`" in line
    assert "corrected for 2 trials" in out
    # What failed is tried again, and what is done is not.
    again = run(capsys, "sweep", "conf/toy.toml")[1]
    assert "On record already: 2; 2 to run on" in again
    assert hash_in(again) == hash_in(out)


def test_when_all_fail_there_is_no_best(capsys, swept):
    code, out, _ = run(capsys, "sweep", swept("[sweep.grid]\nlookback = [4, 5]\nskip = [7]\n"))
    assert code == 3
    assert "2 of 2 variants failed" in out
    assert "the best" not in out


def test_the_general_engine_is_named(capsys, swept):
    code, out, _ = run(capsys, "sweep", swept(SMALL + "[exits]\nstop_loss = 0.05\n"))
    assert code == 0
    assert "6 variants by the general engine" in out


def test_returns_are_kept_when_asked(capsys, swept):
    code, out, _ = run(capsys, "sweep", swept("[sweep]\nreturns = true\n" + SMALL))
    assert code == 0
    place = Path(re.search(r"^Rows +(\S+)", out, re.MULTILINE)[1])
    kept = sum(pl.read_parquet(path).height for path in place.glob("returns-*.parquet"))
    assert kept == 6


def test_a_strategy_that_ends_the_program_is_named(capsys, swept):
    path = Path(swept("[sweep.grid]\nlookback = [20]\n", "bottom = 0.0\n", ""))
    path.write_text(path.read_text().replace("mine.py:strategy", "mine.py:leaving"))
    code, _, err = run(capsys, "sweep", str(path))
    assert code == 1
    assert err.startswith("Error: the strategy failed in leaving, conf/mine.py line ")
    assert "SystemExit: 3" in err


def test_a_log_in_the_place_of_a_file(capsys, swept):
    Path("taken").write_text("")
    code, out, err = run(capsys, "sweep", swept('[sweep]\nlog = "taken"\n' + SMALL))
    assert (code, out) == (2, "")
    assert err.startswith("Error: taken is a file.\nHint: ")


def test_a_first_sweep_says_what_takes_so_long(capsys, swept, monkeypatch):
    from quantlab.cli import _compiling

    asked = []
    monkeypatch.setattr(_compiling, "cached", lambda command: asked.append(command))
    assert run(capsys, "sweep", swept(SMALL))[2] == f"{_compiling.SENTENCE}\n"
    # Nothing is left to run.
    assert run(capsys, "sweep", "conf/toy.toml")[2] == ""
    assert run(capsys, "sweep", swept(SMALL + "[exits]\nstop_loss = 0.05\n"))[2] == f"{_compiling.SENTENCE}\n"
    assert asked == ["sweep", "backtest"]


# A sweep that is stopped.


def start(after: int) -> subprocess.Popen:
    """The command in a process of its own, which stands still after so many calls of the strategy."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STOP_AFTER": str(after)}
    command = [sys.executable, "-m", "quantlab.cli", "sweep", "conf/toy.toml", "--quiet", "--workers", "2"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files() -> list[Path]:
    return sorted(Path("studies").glob("sweeps/*/*/rows-*.parquet"))


def stopped(sent: signal.Signals, seed: int) -> tuple[int, str, int]:
    """Start the sweep and send it a signal as soon as some files of rows are there, or it stands still.

    Returns
    -------
    tuple
        The exit code, standard error, and how many variants are on the shelf.
    """
    draw = generator(seed)
    after, wanted = int(draw.integers(40, 200)), int(draw.integers(1, 7))
    with start(after) as process:
        while process.poll() is None and len(files()) < (1 if Path("stopped").exists() else wanted):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.001)
        process.send_signal(sent)
        _, err = process.communicate()
    Path("stopped").unlink(missing_ok=True)
    return process.returncode, err, sum(pl.read_parquet(path).height for path in files())


@pytest.fixture(scope="module")
def unbroken(toy_store, tmp_path_factory):
    """The hash of the table of a run that nobody stops, in a process of its own."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "data").symlink_to(toy_store, target_is_directory=True)
    (folder / "conf").mkdir()
    (folder / "conf" / "mine.py").write_text(STRATEGY)
    (folder / "conf" / "toy.toml").write_text(HEAD + GRID)
    command = [sys.executable, "-m", "quantlab.cli", "sweep", "conf/toy.toml", "--quiet"]
    environment = {name: text for name, text in os.environ.items() if name != "QUANTLAB_STUDIES"}
    done = subprocess.run(
        command, cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    return hash_in(done.stdout)


def seeds(few: int) -> list:
    """As many seeds in the normal tier, and thirty more in the slow one."""
    return [*range(few), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(few, few + 30))]


@pytest.mark.parametrize("seed", seeds(6))
def test_a_killed_sweep_goes_on_to_the_same_table(capsys, swept, unbroken, seed):
    swept(GRID)
    code, _, there = stopped(signal.SIGKILL, seed)
    assert code == -signal.SIGKILL
    assert 0 < there < VARIANTS
    code, out, err = run(capsys, "sweep", "conf/toy.toml")
    assert (code, err) == (0, "")
    assert f"On record already: {there}; {VARIANTS - there} to run on" in out
    assert hash_in(out) == unbroken
    assert_all_on_record("abandoned")


@pytest.mark.parametrize("seed", seeds(4))
def test_an_interrupted_sweep_says_how_to_go_on(capsys, swept, unbroken, seed):
    swept(GRID)
    code, err, there = stopped(signal.SIGINT, 100 + seed)
    assert code == 130
    said = re.fullmatch(
        rf"(\d+) of {VARIANTS} variants are finished and kept: the same command goes on from there\.\nInterrupted\.\n",
        err,
    )
    assert said, err
    # The signal may come between the rows of a chunk and the word that they are there.
    assert int(said[1]) <= there
    assert 0 < there < VARIANTS
    code, out, _ = run(capsys, "sweep", "conf/toy.toml")
    assert code == 0
    assert hash_in(out) == unbroken
    assert_all_on_record("interrupted")


def assert_all_on_record(first: str) -> None:
    """Every variant counts as a trial once, whatever became of the first batch; and the shelf holds nothing twice."""
    log = ql.study.TrialLog("studies")
    assert log.trials("momentum").count == VARIANTS
    assert log.batches("momentum")["status"].to_list() == [first, "done"]
    keys = pl.concat([pl.read_parquet(path, columns=["key"]) for path in files()])["key"]
    assert keys.n_unique() == keys.len() == VARIANTS


# What was tried.


def test_studies_are_listed(capsys, swept):
    code, out, err = run(capsys, "studies")
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert said == "There is no study in studies/trials.db yet: `quantlab sweep CONFIG.toml` makes one."
    assert not Path("studies").exists()
    run(capsys, "sweep", swept(SMALL))
    run(capsys, "sweep", swept('[sweep]\nlog = "other"\nstudy = "another line"\n' + SMALL))
    code, out, err = run(capsys, "studies")
    assert (code, err) == (0, "")
    assert re.search(r"^ toy +1 +6 +6 +\d{4}-\d\d-\d\d \d\d:\d\d ", out, re.MULTILINE)
    assert "another line" not in out
    assert "another line" in run(capsys, "studies", "--log", "other")[1]


def test_a_study_shows_its_batches_and_its_best(capsys, swept):
    run(capsys, "sweep", swept(SMALL))
    run(capsys, "sweep", swept("[sweep.grid]\nlookback = [4, 20, 80]\nskip = [5]\n"))
    log = ql.study.TrialLog("studies")
    log.tag("toy", stage="first look")
    log.note("toy", "only five symbols")
    code, out, err = run(capsys, "studies", "toy", "--top", "3")
    assert (code, err) == (0, "")
    assert max(len(text.rstrip()) for text in out.splitlines()) <= 80
    assert re.search(r"^ +1 +strategy +sweep +done +6 +6 +0 ", out, re.MULTILINE)
    assert re.search(r"^ +2 +strategy +sweep +done +3 +2 +1 ", out, re.MULTILINE)
    assert "stage: first look" in out
    assert "only five symbols" in out
    runs = log.runs("toy").filter(pl.col("sharpe").is_not_null()).sort("sharpe", descending=True)
    assert runs.height == 8
    assert "the best of 8 trials" in out
    rows = re.findall(r"^ +(\d+) .* (-?\d\.\d\d) +-?\d\.\d\d to ", out, re.MULTILINE)
    assert rows == [(str(run), f"{sharpe:.2f}") for run, sharpe in runs.select("run", "sharpe").head(3).iter_rows()]


def test_a_study_is_ranked_by_what_is_asked(capsys, swept):
    run(capsys, "sweep", swept(SMALL))
    _, out, _ = run(capsys, "studies", "toy", "--by", "max_drawdown", "--top", "1")
    best = ql.study.TrialLog("studies").runs("toy").sort("max_drawdown", descending=True).row(0, named=True)
    assert re.search(rf"^ +{best['run']} .* {100 * best['max_drawdown']:.2f} % ", out, re.MULTILINE)
    assert run(capsys, "studies", "toy", "--by", "calmer")[2] == (
        "Error: `--by`: the runs have no metric 'calmer'.\nHint: did you mean calmar?\n"
    )


def test_a_study_by_hand_has_no_best(capsys, swept):
    log = ql.study.TrialLog("studies")
    with log.run("notes", params={"a": 1}) as one:
        one.metric("sharpe", 0.5)
    code, out, _ = run(capsys, "studies", "notes")
    assert code == 0
    assert "No run has the metric skew, without which the best cannot be told." in out


def test_bars_of_several_lengths_have_no_common_best(capsys, swept):
    run(capsys, "sweep", swept(SMALL))
    log = ql.study.TrialLog("studies")
    batch = log.begin("toy", kind="single", settings={"bars_per_year": 12})
    numbers = {"sharpe": 1.0, "skew": 0.0, "kurtosis": 3.0, "bars": 60}
    log.record(batch, [ql.study.Run(key="monthly", metrics=numbers)])
    log.end(batch)
    assert "bars of several lengths" in run(capsys, "studies", "toy")[1]


def test_an_unknown_study_is_refused(capsys, swept):
    run(capsys, "sweep", swept(SMALL))
    code, out, err = run(capsys, "studies", "tay")
    assert (code, out) == (2, "")
    assert "There is no study 'tay'" in err
    assert run(capsys, "studies", "toy", "--log", "conf/toy.toml")[0] == 2
    with pytest.raises(StoreError):
        ql.study.TrialLog("conf/toy.toml")
