"""Many variants of a strategy, and the record of everything that was tried.

The way a sweep takes: a ``Grid`` (``_grid``; lists, draws and conditions in ``_draws``, ``_space``, ``_dependent``) is
cut into chunks (``_sweep``, in the order of ``_order``), which a scheduler (``_schedule``: threads, ``_processes``,
``_dask``) gives to workers; a worker (``_job``) calls the strategy and the engine's ``Course`` and makes one row of
metrics for each variant; rows go to a shelf of Parquet files (``_shelf``) and to the ``TrialLog`` (``_log``), both by
hashes of code, data and terms (``_identity``, ``_record``), so that a sweep goes on where it was stopped. The outcome
is a ``Sweep`` (``_result``), read by ``_reading``, ``_stability`` and ``_figures``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Public name -> the module that defines it: a notebook that only draws needs no database.
_HOME = {
    "Batch": "_run",
    "Grid": "_grid",
    "Run": "_run",
    "Sweep": "_result",
    "TrialLog": "_log",
    "Trials": "_log_trials",
    "code_hash": "_identity",
    "heatmap": "_figures",
    "integers": "_space",
    "latin_hypercube": "_draws",
    "log_uniform": "_space",
    "marginal": "_reading",
    "marginal_figure": "_figures",
    "parallel_coordinates": "_figures",
    "product": "_grid",
    "random_grid": "_draws",
    "run_key": "_run",
    "shared": "quantlab.core._shared",
    "stability": "_stability",
    "sweep": "_sweep",
    "top": "_reading",
    "uniform": "_space",
    "zipped": "_grid",
}

__all__ = [
    "Batch",
    "Grid",
    "Run",
    "Sweep",
    "TrialLog",
    "Trials",
    "code_hash",
    "heatmap",
    "integers",
    "latin_hypercube",
    "log_uniform",
    "marginal",
    "marginal_figure",
    "parallel_coordinates",
    "product",
    "random_grid",
    "run_key",
    "shared",
    "stability",
    "sweep",
    "top",
    "uniform",
    "zipped",
]

if TYPE_CHECKING:
    from quantlab.core._shared import shared
    from quantlab.study._draws import latin_hypercube, random_grid
    from quantlab.study._figures import heatmap, marginal_figure, parallel_coordinates
    from quantlab.study._grid import Grid, product, zipped
    from quantlab.study._identity import code_hash
    from quantlab.study._log import TrialLog
    from quantlab.study._log_trials import Trials
    from quantlab.study._reading import marginal, top
    from quantlab.study._result import Sweep
    from quantlab.study._run import Batch, Run, run_key
    from quantlab.study._space import integers, log_uniform, uniform
    from quantlab.study._stability import stability
    from quantlab.study._sweep import sweep


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'quantlab.study' has no attribute {name!r}")
    home = _HOME[name]
    found = getattr(import_module(home if "." in home else f"quantlab.study.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
