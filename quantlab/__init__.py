"""quantlab: vectorised quant research, honest backtests, validation and tearsheets.

The way data take: ``data`` (Parquet store to Bars) -> ``signals`` (Bars to scores) -> ``portfolio`` (scores to
weights) -> ``backtest`` (weights to a Result, with ``execution``'s costs) -> ``study`` (thousands of them, all on
record) -> ``metrics`` and ``validation`` (numbers with their uncertainty) -> ``report`` (one offline HTML file).
``core`` holds the types, ``ts`` and ``xs`` the whole-array operations.

Importing this package loads nothing: every name below is fetched from its room when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> the module that defines it; a name that ends in its own module is the module itself.
_HOME = {
    "Account": "quantlab.execution",
    "Bars": "quantlab.core",
    "Borrow": "quantlab.execution",
    "Bps": "quantlab.execution",
    "Costs": "quantlab.execution",
    "Frequency": "quantlab.core",
    "NoMargin": "quantlab.execution",
    "Panel": "quantlab.core",
    "PerShare": "quantlab.execution",
    "PortfolioMargin": "quantlab.execution",
    "Proportional": "quantlab.execution",
    "QuantlabError": "quantlab.core",
    "RegT": "quantlab.execution",
    "Store": "quantlab.data",
    "align": "quantlab.core",
    "as_bars": "quantlab.core",
    "as_panel": "quantlab.core",
    "bootstrap": "quantlab.validation",
    "simulate": "quantlab.backtest",
    "sweep": "quantlab.study",
    "tearsheet": "quantlab.report",
    "walk_forward": "quantlab.validation",
}
_ROOMS = {
    "backtest": "quantlab.backtest",
    "core": "quantlab.core",
    "data": "quantlab.data",
    "execution": "quantlab.execution",
    "metrics": "quantlab.metrics",
    "portfolio": "quantlab.portfolio",
    "report": "quantlab.report",
    "signals": "quantlab.signals",
    "study": "quantlab.study",
    "testing": "quantlab.testing",
    "ts": "quantlab.core.ts",
    "validation": "quantlab.validation",
    "xs": "quantlab.core.xs",
}

__all__ = [
    "Account",
    "Bars",
    "Borrow",
    "Bps",
    "Costs",
    "Frequency",
    "NoMargin",
    "Panel",
    "PerShare",
    "PortfolioMargin",
    "Proportional",
    "QuantlabError",
    "RegT",
    "Store",
    "__version__",
    "align",
    "as_bars",
    "as_panel",
    "backtest",
    "bootstrap",
    "core",
    "data",
    "execution",
    "metrics",
    "portfolio",
    "report",
    "signals",
    "simulate",
    "study",
    "sweep",
    "tearsheet",
    "testing",
    "ts",
    "validation",
    "walk_forward",
    "xs",
]

if TYPE_CHECKING:
    from quantlab import (
        backtest,
        core,
        data,
        execution,
        metrics,
        portfolio,
        report,
        signals,
        study,
        testing,
        validation,
    )
    from quantlab.backtest import simulate
    from quantlab.core import Bars, Frequency, Panel, QuantlabError, align, as_bars, as_panel, ts, xs
    from quantlab.data import Store
    from quantlab.execution import (
        Account,
        Borrow,
        Bps,
        Costs,
        NoMargin,
        PerShare,
        PortfolioMargin,
        Proportional,
        RegT,
    )
    from quantlab.report import tearsheet
    from quantlab.study import sweep
    from quantlab.validation import bootstrap, walk_forward


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        found: Any = import_module(_ROOMS[name])
    elif name in _HOME:
        found = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'quantlab' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
