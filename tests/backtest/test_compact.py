"""Many runs over one market against the engine: every path has its bits, on random books with every feature.

What a compact book leaves out adds zero to the engine's sums, so that nothing may differ, not even the last bit; only
sums over bars are added in another order.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from quantlab.backtest import _compact as compact
from quantlab.backtest import _compact_kernel_types as kinds
from quantlab.backtest._engine import kernel_run
from quantlab.backtest._prepare_world import frozen
from quantlab.execution import _kernel_types as k

from ._random_inputs import FEATURES, random_inputs

# What a sweep can meet: weights, and every account. The others say that they need the engine.
MET = FEATURES - {"modes", "tickets", "exits", "time_stop", "reentry", "currencies"}
COLUMNS = (k.EQUITY, k.LONG, k.SHORT, k.TRADED)


def decided(*runs):
    """The decisions of runs without their zeros."""
    rows = [run.rows for run in runs]
    found = [np.nonzero(run.values) for run in runs]
    each = [np.bincount(r, minlength=run.rows.size) for (r, _), run in zip(found, runs, strict=True)]
    starts = np.concatenate([[0], np.cumsum(np.concatenate(each))])
    return kinds.Decided(
        frozen(np.concatenate([[0], np.cumsum([row.size for row in rows])])),
        frozen(np.concatenate(rows)),
        frozen(starts.astype(np.int64)),
        frozen(np.concatenate([asset for _, asset in found])),
        frozen(np.concatenate([run.values[at] for run, at in zip(runs, found, strict=True)])),
    )


def run_alone(inputs):
    """One run on a compact book: status, paths, counts, ruin, sums."""
    arena = compact.arena_of(inputs)
    shop = compact.workshop_of(arena, 1)
    compact.compact_runs(arena, decided(inputs), shop)
    states = shop.states
    return (
        int(states.status[0]),
        states.paths[0],
        states.counts[0].sum(axis=1),
        states.flags[0, k.RUINED],
        states.sums[0],
    )


def demand_same(inputs, label):
    """Hold a compact run against the engine; return what kind of run it was."""
    run = kernel_run(inputs)
    status, paths, counts, ruined, sums = run_alone(inputs)
    if run.stopped >= 0:
        assert status == kinds.HALTED, label
        return "stopped"
    assert status == kinds.ENDED, label
    tape = run.tape.copy()
    if run.ruined >= 0:
        tape[run.ruined + 1 :, [k.LONG, k.SHORT, k.TRADED]] = 0.0
    for path, column in zip(paths, COLUMNS, strict=True):
        np.testing.assert_array_equal(path, tape[:, column], err_msg=label)
    np.testing.assert_array_equal(counts, run.counts.sum(axis=1), err_msg=label)
    np.testing.assert_allclose(sums[k.BORROW :], tape.sum(axis=0)[k.BORROW :], rtol=1e-10, atol=1e-6, err_msg=label)
    assert ruined == run.ruined, label
    return "ruined" if run.ruined >= 0 else "traded"


def check_random_books(seeds, features=MET):
    seen = Counter()
    for seed in seeds:
        inputs = random_inputs(seed, features=frozenset(features))
        if inputs.rows.size == 0:
            seen["no decision"] += 1
        elif why := compact.why_not(inputs):
            seen[why] += 1
        else:
            seen[demand_same(inputs, f"seed {seed}")] += 1
    return seen


@pytest.mark.parametrize("part", range(4))
def test_random_books_have_the_bits_of_the_engine(part):
    seen = check_random_books(range(10_000 + 100 * part, 10_100 + 100 * part))
    assert seen["traded"] > 40


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_many_random_books_have_the_bits_of_the_engine(part):
    seen = check_random_books(range(20_000 + 1000 * part, 21_000 + 1000 * part))
    print(f"compact books, part {part}: {dict(seen)}")
    assert seen["traded"] > 400
    assert seen["ruined"] > 5


# Without these no bar is quiet, or nothing stays to walk over.
@pytest.mark.parametrize(
    "left_out", [set(), {"holes", "late"}, {"actions"}, {"every_bar", "recall", "dated_margin", "portfolio"}]
)
def test_quiet_books_have_the_bits_of_the_engine(left_out):
    features = MET - {"every_bar", "recall", "participation", "carry"} - left_out
    seen = check_random_books(range(30_000, 30_080), features)
    assert seen["traded"] > 40


def test_runs_of_a_batch_do_not_know_of_one_another():
    """Runs of the same market one by one and together, more of them than the market has assets."""
    base = next(
        found
        for seed in range(40_000, 41_000)
        if (found := random_inputs(seed, features=frozenset(MET))).rows.size > 3 and not compact.why_not(found)
    )
    rng = np.random.default_rng(5)
    runs = []
    for _ in range(17):
        keep = np.sort(rng.choice(base.rows.size, rng.integers(1, base.rows.size + 1), replace=False))
        values = base.values[keep] * rng.choice([0.0, 0.5, 1.0], base.values[keep].shape)
        runs.append(
            type(base)(base.world, base.terms, base.cash, frozen(base.rows[keep]), frozen(values), base.tickets)
        )
    arena = compact.arena_of(base)
    shop = compact.workshop_of(arena, len(runs))
    for _ in range(2):  # the second time in memory that has been used
        compact.compact_runs(arena, decided(*runs), shop)
        for v, inputs in enumerate(runs):
            status, paths, counts, *_ = run_alone(inputs)
            assert shop.states.status[v] == status
            if status == kinds.ENDED:
                np.testing.assert_array_equal(shop.states.paths[v], paths)
                np.testing.assert_array_equal(shop.states.counts[v].sum(axis=1), counts)


@pytest.mark.parametrize(
    ("feature", "reason"), [("tickets", "explicit orders"), ("currencies", "several currencies"), ("exits", "exits")]
)
def test_what_needs_the_engine_says_so(feature, reason):
    reasons = {compact.why_not(random_inputs(seed, features=frozenset({feature}))) for seed in range(50_000, 50_030)}
    assert reason in reasons


def test_marks_are_those_of_the_engine():
    """Missing closes, splits and spin-offs: the marks that are prepared once are those that a run keeps."""
    checked = 0
    for seed in range(60_000, 60_060):
        inputs = random_inputs(seed, features=frozenset({"holes", "late", "actions"}))
        if inputs.rows.size == 0 or not np.isnan(inputs.world.close).any():
            continue
        run = kernel_run(inputs, keep=True)
        marks, dead = run.records.marks, compact._dead_from(inputs.world)
        bars = np.arange(marks.shape[0])[:, None]
        # A ruined book looks at no price any more.
        alive = (bars < dead[None, :]) & ((run.ruined < 0) | (bars < run.ruined))
        np.testing.assert_array_equal(compact.marks_of(inputs.world)[alive], marks[alive], err_msg=f"seed {seed}")
        checked += 1
    assert checked > 20
