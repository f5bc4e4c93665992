"""The Python originals of the kernels give the bits of the compiled ones: what is compiled is what was written."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.backtest import _compact as compact
from quantlab.backtest._engine import kernel_run
from quantlab.core._kernel import Kernel
from quantlab.metrics import _path_kernels as path

from ._random_inputs import random_inputs
from .test_compact import MET, run_alone


@pytest.fixture
def as_python(monkeypatch):
    """Call the Python original of a kernel, and of those that it calls."""

    def begin():
        monkeypatch.setattr(Kernel, "__call__", lambda self, *args, **kwargs: self.py_func(*args, **kwargs))

    yield begin
    monkeypatch.undo()


def books():
    """Small random books, some of them quiet, that a compact book can run."""
    for features in (MET, MET - {"every_bar", "recall", "participation", "carry", "portfolio", "dated_margin"}):
        for seed in range(70_000, 70_030):
            inputs = random_inputs(seed, features=frozenset(features))
            if inputs.rows.size and not compact.why_not(inputs):
                yield inputs


def test_compact_books(as_python):
    cases = list(books())
    expected = [run_alone(inputs) for inputs in cases]
    as_python()
    with np.errstate(all="ignore"):
        for inputs, (status, paths, counts, ruined, sums) in zip(cases, expected, strict=True):
            found = run_alone(inputs)
            assert found[0] == status
            np.testing.assert_array_equal(found[1], paths)
            np.testing.assert_array_equal(found[2], counts)
            assert found[3] == ruined
            np.testing.assert_array_equal(found[4], sums)
    assert len(cases) > 30


def test_the_engine(as_python):
    cases = [random_inputs(seed) for seed in range(71_000, 71_025)]
    expected = [kernel_run(inputs) for inputs in cases]
    as_python()
    with np.errstate(all="ignore"):
        for inputs, run in zip(cases, expected, strict=True):
            found = kernel_run(inputs)
            np.testing.assert_array_equal(found.tape, run.tape)
            np.testing.assert_array_equal(found.counts, run.counts)


@pytest.mark.parametrize("n", [1, 2, 30, 300])
def test_metrics(as_python, n):
    returns = np.random.default_rng(n).standard_t(3, n) * 0.01
    equity = 100 * np.cumprod(1 + returns)

    def row():
        out, r, space = np.empty(16), np.empty(n), np.empty(n)
        path.measure(equity, equity, equity / 3, equity / 9, 100.0, 0, -1, 252.0, r, space, out)
        return out

    expected = row()
    as_python()
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(row(), expected, rtol=1e-13)
