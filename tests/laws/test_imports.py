"""Who may import whom: the levels of the rooms, and the home of every library."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from itertools import chain

import pytest

# A room imports rooms of lower levels alone. Level 1 so has `core` alone.
LEVELS = {
    "core": 0,
    "data": 1,
    "signals": 1,
    "regimes": 1,
    "risk": 1,
    "execution": 1,
    "metrics": 1,
    "portfolio": 2,
    "backtest": 3,
    "study": 4,
    "validation": 5,
    "ml": 6,
    "report": 6,
    "live": 7,
    "testing": 8,
    "cli": 8,
}
# What moves real orders depends on nothing that looks back in order to choose.
NARROWER = {"live": {"core", "data", "execution", "portfolio", "risk", "metrics", "report"}}

# Library -> the modules that may import it, by prefix. A library that stands in no table is not a dependency.
EVERYWHERE = {"numpy", "polars"}
HOMES = {
    "cloudpickle": ("quantlab.study._parcel",),
    "exchange_calendars": ("quantlab.core.periods", "quantlab.data.calendars"),
    "jinja2": ("quantlab.report", "quantlab.live"),
    "markupsafe": ("quantlab.report",),
    "numba": ("quantlab.core._kernel",),
    "plotly": ("quantlab.report", "quantlab.backtest._plot", "quantlab.study._figures", "quantlab.live"),
    "pyarrow": ("quantlab.data",),
    "pydantic": ("quantlab.cli", "quantlab.live"),
    "rich": ("quantlab.cli", "quantlab.live", "quantlab.study._progress"),
    "scipy": ("quantlab",),
    "sklearn": ("quantlab.ml",),
    "sqlalchemy": ("quantlab.study", "quantlab.live"),
    "statsmodels": ("quantlab.metrics", "quantlab.regimes", "quantlab.risk", "quantlab.validation", "quantlab.ml"),
    "structlog": ("quantlab.live",),
    "typer": ("quantlab.cli",),
}
# Adapted by exactly one module, so that a change of theirs is a change of one file.
ONE_MODULE = {
    "apprise",
    "apscheduler",
    "arch",
    "clarabel",
    "dash",
    "dask",
    "distributed",
    "ib_async",
    "ib_insync",
    "lightgbm",
    "mlflow",
    "obstore",
    "prometheus_client",
    "skfolio",
    "vectorbt",
    "watchfiles",
    "yfinance",
}
# Import name -> the name that pyproject.toml declares, where they differ; markupsafe is a part of jinja2.
INSTALLED_AS = {"markupsafe": "jinja2", "mlflow": "mlflow_skinny", "sklearn": "scikit_learn"}
# Forced by a library at its door: module -> the reason. quantlab itself has no use for pandas.
PANDAS_DOORS: dict[str, str] = {"quantlab.backtest._neighbours": "vectorbt and to_pandas speak pandas"}
# These may stand at the top of a module: they are loaded with it by those who asked for that module.
TOP_OF_MODULE = {
    "pydantic": ("quantlab.cli._", "quantlab.live._"),
    "rich": ("quantlab.cli._", "quantlab.live._"),
    "typer": ("quantlab.cli._",),
}


def imports(module):
    """Yield (node, dotted name, whether at the top level) of every import, those by literal name included."""
    top = {id(node) for node in module.tree.body}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.name.split(".")
                parts = parts[: len(parts) - node.level + module.package]
                base = ".".join([*parts, base] if base else parts)
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "quantlab" else [base]
            for name in names:
                yield node, name, id(node) in top
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node, node.args[0].value, False


def room_violations(module):
    """Sentences about imports of a room that stands too high."""
    if module.room == "":
        return []
    if module.room not in LEVELS:
        return [f"{module.at(module.tree.body[0])}: room {module.room} has no level; give it one in LEVELS."]
    found = []
    for node, name, _ in imports(module):
        parts = name.split(".")
        if parts[0] != "quantlab" or name == "quantlab.__version__":
            continue
        room = parts[1] if len(parts) > 1 else ""
        if room == module.room:
            continue
        if room not in LEVELS:
            found.append(f"{module.at(node)}: imports {name} from the surface; import it from its room.")
        elif room not in NARROWER.get(module.room, LEVELS) or LEVELS[room] >= LEVELS[module.room]:
            found.append(
                f"{module.at(node)}: {module.room} (level {LEVELS[module.room]}) imports {room} (level {LEVELS[room]})."
            )
    return found


def libraries(module):
    """Yield (node, library, whether at the top level) of every import from outside that is ever executed."""
    never = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node, name, top in imports(module):
        library = name.partition(".")[0]
        if library not in sys.stdlib_module_names and library != "quantlab" and id(node) not in never:
            yield node, library, top


def library_violations(modules):
    """Sentences about libraries outside their home, at the top of a module, or adapted twice."""
    found, adapters = [], {}
    for module in modules:
        for node, library, top in libraries(module):
            if library in EVERYWHERE:
                continue
            if top and not module.name.startswith(TOP_OF_MODULE.get(library, ("nowhere",))):
                found.append(f"{module.at(node)}: {library} is imported at the top; import it inside the function.")
            if library == "pandas":
                if module.name not in PANDAS_DOORS:
                    found.append(f"{module.at(node)}: imports pandas; quantlab uses Polars.")
            elif library in ONE_MODULE:
                home = adapters.setdefault(library, module.name)
                if home != module.name:
                    found.append(f"{module.at(node)}: {library} is adapted by {home} already.")
            elif library not in HOMES:
                found.append(f"{module.at(node)}: {library} is no dependency that this test knows; add it to HOMES.")
            elif not module.name.startswith(HOMES[library]):
                found.append(f"{module.at(node)}: {library} is at home in {', '.join(HOMES[library])}.")
    return found


def test_rooms_import_lower_levels_alone(modules):
    found = [sentence for module in modules for sentence in room_violations(module)]
    assert not found, "\n".join(found)


def test_libraries_stay_in_their_homes(modules):
    found = library_violations(modules)
    assert not found, "\n".join(found)


def test_every_library_is_declared(modules, root):
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.match(r"[\w.-]+", text)[0].lower().replace("-", "_") for text in declared}
    imported = {library for module in modules for _, library, _ in libraries(module)}
    missing = {INSTALLED_AS.get(library, library) for library in imported} - names
    assert not missing, f"Declare {', '.join(sorted(missing))} in pyproject.toml, or do not import it."


def test_every_room_on_disk_has_a_level(modules):
    rooms = {module.room for module in modules} - {""}
    assert rooms <= set(LEVELS), f"Give these a level in LEVELS: {sorted(rooms - set(LEVELS))}."
    assert {"core", "data", "signals", "execution", "metrics", "portfolio", "backtest", "validation", "report"} <= rooms


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quantlab.signals._x", "from quantlab.metrics import sharpe"),
        ("quantlab.core._x", "from quantlab.data import Store"),
        ("quantlab.data._x", "def f():\n    from quantlab.portfolio import long_short"),
        ("quantlab.data._x", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from quantlab import backtest"),
        ("quantlab.data._x", "from ..backtest import simulate"),
        ("quantlab.metrics._x", "from quantlab import Panel"),
        ("quantlab.metrics._x", "import quantlab"),
        ("quantlab.report._x", "from quantlab import ml"),
        ("quantlab.live._x", "from quantlab.validation import bootstrap"),
        ("quantlab.backtest._x", "from importlib import import_module\nimport_module('quantlab.report')"),
        ("quantlab.attic._x", "import numpy"),
    ],
)
def test_a_climbing_import_is_seen(planted, name, text):
    assert room_violations(planted(name, text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quantlab.data._x", "from quantlab.core import Panel\nfrom . import _y\nfrom quantlab.data._z import w"),
        ("quantlab.backtest._x", "from quantlab import __version__, metrics"),
        ("quantlab.live._x", "from quantlab.report import tearsheet"),
        ("quantlab.cli._x", "from quantlab.validation import bootstrap"),
    ],
)
def test_a_legal_import_passes(planted, name, text):
    assert not room_violations(planted(name, text))


@pytest.mark.parametrize(
    "sources",
    [
        [("quantlab.signals._x", "def f():\n    import pandas")],
        [("quantlab.metrics._x", "from scipy import stats")],
        [("quantlab.metrics._x", "def f():\n    import requests")],
        [("quantlab.metrics._x", "def f():\n    from numba import njit")],
        [("quantlab.metrics._x", "def f():\n    import plotly.graph_objects")],
        [
            ("quantlab.data._x", "def f():\n    import arch"),
            ("quantlab.risk._x", "def f():\n    import arch.univariate"),
        ],
    ],
)
def test_a_library_outside_its_home_is_seen(planted, sources):
    assert library_violations([planted(name, text) for name, text in sources])
