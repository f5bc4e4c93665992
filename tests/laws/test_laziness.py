"""What an import loads: asked of a fresh interpreter, since this one has loaded everything already."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "arch",
    "exchange_calendars",
    "ib_async",
    "ib_insync",
    "jinja2",
    "numba",
    "pandas",
    "plotly",
    "pydantic",
    "rich",
    "scipy",
    "skfolio",
    "sklearn",
    "statsmodels",
    "typer",
    "vectorbt",
}
ROOMS = ["core", "data", "execution", "signals", "portfolio", "metrics", "backtest", "validation", "report", "testing"]


def loaded_by(code: str, root) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running ``code``."""
    ask = "import sys, json; print('\\n' + json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ask}"], capture_output=True, text=True, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_quantlab_loads_next_to_nothing(root):
    assert not loaded_by("import quantlab", root) & (HEAVY | {"numpy", "polars"})


def test_the_probe_sees_what_is_loaded(root):
    assert {"quantlab", "numpy"} <= loaded_by("import quantlab; quantlab.Panel", root)


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_loads_no_heavy_library(root, room):
    assert not loaded_by(f"import quantlab; quantlab.{room}", root) & HEAVY


def test_asking_for_the_version_loads_neither_arrays_nor_frames(root):
    loaded = loaded_by("from quantlab.cli import main; assert main(['--version']) == 0", root)
    assert not loaded & (HEAVY | {"numpy", "polars"})
