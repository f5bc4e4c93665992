"""Shared by the tests of core: small Panels, bitwise comparison, and Python processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import quantlab
from quantlab.core import Panel

ROOT = Path(quantlab.__file__).resolve().parents[1]


def _days(count: int, start: str = "2024-01-01") -> np.ndarray:
    return np.datetime64(start) + np.arange(count)


@pytest.fixture
def days() -> Callable[..., np.ndarray]:
    """``days(5)``: five calendar days from 2024-01-01."""
    return _days


@pytest.fixture
def make() -> Callable[..., Panel]:
    """``make(values)``: a Panel with days from 2024-01-01 and symbols A00, A01, ..."""

    def panel(values: object, **kwargs: object) -> Panel:
        array = np.array(values)
        names = [f"A{i:02d}" for i in range(array.shape[1])]
        return Panel(array, _days(array.shape[0]), names, **kwargs)

    return panel


@pytest.fixture
def same_bits() -> Callable[[np.ndarray, np.ndarray], None]:
    """Assert that two arrays are missing in the same places and elsewhere hold the same bytes (0.0 is not -0.0)."""

    def check(left: np.ndarray, right: np.ndarray) -> None:
        assert left.shape == right.shape
        assert left.dtype == right.dtype
        gone = np.isnan(left)
        np.testing.assert_array_equal(gone, np.isnan(right))
        np.testing.assert_array_equal(left[~gone].view(np.int64), right[~gone].view(np.int64))

    return check


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., str]:
    """``python(code, root=..., **environment)``: run code in a process of its own and return what it prints."""

    def run(code: str, root: Path = ROOT, **environment: str) -> str:
        own = {name: value for name, value in os.environ.items() if name != "QUANTLAB_CACHE_DIR"}
        child = {**own, "PYTHONPATH": str(root), "PYTHONWARNINGS": "default", **environment}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=child,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run
