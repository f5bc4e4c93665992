"""The compiled engine against the plain reference: random books with every feature in every combination.

Orders, fills, statuses and counts are equal; money agrees to 1e-9 of what moved. The run that keeps records and the one
that does not give the same bytes.
"""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.backtest._engine import kernel_run
from quantlab.backtest._reference import run as reference_run

from ._random_inputs import demand_equal_runs, random_inputs, simple_inputs

BOOKS = 300
PARTS, MANY = 12, 500


def compare(inputs) -> int:
    """Both engines on one book; return its number of fills."""
    kept, lean, judge = kernel_run(inputs, keep=True), kernel_run(inputs), reference_run(inputs)
    demand_equal_runs(kept, judge, inputs)
    for name in ("tape", "counts", "firsts"):
        np.testing.assert_array_equal(getattr(lean, name), getattr(kept, name), err_msg=name)
    return kept.records.fills.shape[0]


@pytest.mark.parametrize("draw", [random_inputs, simple_inputs])
def test_engines_agree(draw):
    assert sum(compare(draw(seed)) for seed in range(BOOKS)) > BOOKS


@pytest.mark.slow
@pytest.mark.parametrize("draw", [random_inputs, simple_inputs])
@pytest.mark.parametrize("part", range(PARTS))
def test_engines_agree_on_many(draw, part):
    """Twelve thousand books in all, none of them one of the quick tier."""
    seeds = range(BOOKS + part * MANY, BOOKS + (part + 1) * MANY)
    fills = sum(compare(draw(seed)) for seed in seeds)
    print(f"{draw.__name__} {seeds.start} to {seeds.stop - 1}: {len(seeds)} books agree, {fills} fills")
    assert fills > len(seeds)


def test_a_run_can_be_repeated():
    inputs = random_inputs(7)
    np.testing.assert_array_equal(kernel_run(inputs).tape, kernel_run(inputs).tape)
