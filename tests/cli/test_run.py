"""A job gives what the functions give when they are called by hand."""

from __future__ import annotations

import functools
from pathlib import Path

import quantlab as ql
from quantlab.cli import _run
from quantlab.testing import assert_panel_equal


def silent(what, parts):
    return lambda: None


def test_a_job_is_the_notebook_flow(desk):
    job = _run.prepare(Path("conf/toy.toml"))
    found = _run.compute(job, silent)

    bars = ql.Store("data").bars("toy")
    strategy = functools.partial(job.strategy, lookback=30)
    costs = ql.Costs(
        commission=ql.PerShare(0.005, minimum=1.0, maximum=0.01), slippage=ql.Bps(5), borrow=ql.Borrow(0.005)
    )
    policy = {"costs": costs, "account": ql.Account(cash=100_000), "fill": "next_close"}
    result = ql.simulate(strategy(bars), bars, **policy)
    walk = ql.walk_forward(strategy, bars, {"lookback": [20, 40]}, train=150, test=60, purge=5, **policy)
    assert_panel_equal(found.result.equity, result.equity)
    assert found.result.orders.equals(result.orders)
    assert_panel_equal(found.walk.returns, walk.returns)
    assert found.walk.folds.equals(walk.folds)
    # The bootstrap is of the out-of-sample returns, not of the backtest's.
    by_hand = [ql.bootstrap(walk.returns, metric, reps=200, seed=3) for metric in (ql.metrics.sharpe, ql.metrics.cagr)]
    assert list(found.estimates) == by_hand
    assert not (desk / "out").exists()


def test_progress_counts_what_is_done(desk):
    steps = {}

    def progress(what, parts):
        steps[what] = [parts, 0]
        return lambda: steps[what].__setitem__(1, steps[what][1] + 1)

    job = _run.prepare(Path("conf/toy.toml"))
    page = _run.write(job, _run.compute(job, progress), progress)
    assert page == Path("out/toy.html")
    assert steps == {"backtest": [1, 1], "walk-forward": [2, 2], "bootstrap": [2, 2], "tearsheet": [1, 1]}


def test_anchored_and_unlisted_reach_the_walk_forward(configured):
    path = Path(configured("purge = 5", "purge = 5\nanchored = true"))
    path.write_text(path.read_text().replace('fill = "next_close"', 'fill = "next_open"\nunlisted = "cash"'))
    found = _run.compute(_run.prepare(path), silent)
    assert found.walk.settings["anchored"] is True
    for settings in (found.result.settings, found.walk.settings["simulation"]):
        assert (settings["fill"], settings["unlisted"]) == ("next_open", "cash")
