"""The way out: a result as pandas objects, and as a Portfolio of vectorbt.

These are the doors of two libraries that quantlab itself has no use for; both are imported when a door is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import InputError, MissingLibraryError, Panel
from quantlab.core._labels import show
from quantlab.core._lazy import lazy
from quantlab.execution import _kernel_types as k

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from quantlab.backtest._result import Result
else:
    pl = lazy("polars")

PANELS = (
    "equity",
    "cash",
    "returns",
    "positions",
    "weights",
    "exposure",
    "margin",
    "financing",
    "traded",
    "contribution",
    "decisions",
)
FRAMES = ("charges", "orders", "fills", "events", "trades", "diagnostics")


def to_pandas(result: Result) -> dict[str, pd.DataFrame | pd.Series]:
    """Return the panels and tables of a result as pandas objects; see ``Result.to_pandas``."""
    pandas = _pandas()
    out: dict[str, Any] = {}
    for name in PANELS:
        panel: Panel = getattr(result, name)
        index = pandas.DatetimeIndex(panel.dates, name="date")
        frame = pandas.DataFrame(panel.values.copy(), index=index, columns=list(panel.symbols))
        out[name] = frame.iloc[:, 0].rename(name) if panel.shape[1] == 1 and name in _ONE else frame
    for name in FRAMES:
        table: pl.DataFrame = getattr(result, name)
        out[name] = pandas.DataFrame({column.name: _column(column) for column in table.get_columns()})
    return out


_ONE = ("equity", "cash", "returns", "traded")


def _column(column: pl.Series) -> Any:
    if column.dtype == pl.String:
        return column.to_list()
    if isinstance(column.dtype, pl.Datetime):
        # pandas means UTC by a moment without a zone nowhere, but its index of times in a Panel has none either.
        column = column.dt.replace_time_zone(None)
    return column.to_numpy()


def to_vectorbt(result: Result) -> Any:
    """Return a ``vectorbt.Portfolio`` of the fills of a result; see ``Result.to_vectorbt``."""
    pandas = _pandas()
    try:
        import vectorbt
        from vectorbt.portfolio.enums import log_dt, order_dt
    except ImportError as error:
        raise MissingLibraryError("`to_vectorbt` needs vectorbt.", hint=_EXTRA) from error
    inputs, records = result._prepared.inputs, result._records
    _demand_carried(result)
    world, unit = inputs.world, inputs.terms.unit
    fx = np.broadcast_to(world.fx, (world.close.shape[0], world.fx.shape[1]))
    exchanged = np.flatnonzero(np.isin(records.events[:, 2], (k.CONVERSION, k.DELISTING)))
    bar = np.concatenate([records.events[exchanged, 0], records.fills[:, 1]])
    asset = np.concatenate([records.events[exchanged, 1], records.fills[:, 2]])
    size = np.concatenate([records.moved[exchanged, 0], records.paid[:, 0]]) * unit
    price = np.concatenate([records.moved[exchanged, 1], records.paid[:, 2]])
    fees = np.concatenate([np.zeros(exchanged.size), records.paid[:, 3] + records.paid[:, 4]])
    # Actions come before the fills of their bar.
    order = np.argsort(bar, kind="stable")
    rate = fx[bar, inputs.terms.currency[asset]]
    table = np.zeros(order.size, dtype=order_dt)
    table["id"] = np.arange(order.size)
    table["col"] = result._prepared.order[asset][order]
    table["idx"] = bar[order]
    table["size"] = np.abs(size)[order]
    # A position that became worthless was sold at 0, which vectorbt takes for a mistake.
    table["price"] = np.maximum(price * rate, np.finfo(np.float64).tiny)[order]
    table["fees"] = (fees * rate)[order]
    table["side"] = (size < 0)[order]
    index = pandas.DatetimeIndex(result.bars.dates)
    columns = pandas.Index(list(result.bars.symbols), name="symbol")
    close = np.empty_like(world.close)
    close[:, result._prepared.order] = _marks(inputs, records) * fx[:, inputs.terms.currency]
    wrapper = vectorbt.ArrayWrapper(
        index, columns, 2, freq="1D" if index.dtype.kind == "M" else None, group_by=np.zeros(len(columns), dtype=int)
    )
    return vectorbt.Portfolio(wrapper, close, table, np.empty(0, dtype=log_dt), np.array([result.initial]), True)


def _demand_carried(result: Result) -> None:
    records = result._records
    kinds = records.events[:, 2]
    bad = np.flatnonzero((kinds == k.SPLIT) | (kinds == k.SPINOFF))
    if bad.size == 0:
        return
    bar, asset, kind = records.events[bad[0]]
    more = f" and {bad.size - 1} more" if bad.size > 1 else ""
    raise InputError(
        f"vectorbt knows orders alone, and the {'split' if kind == k.SPLIT else 'spin-off'} of "
        f"{result._canonical[asset]} on {show(result.bars.dates[bar])}{more} changed a position without one.",
        hint='run it on adjusted prices: `ql.data.adjust(bars)`, or `store.bars(name, adjust="total_return")`.',
    )


def _marks(inputs: Any, records: Any) -> np.ndarray:
    """The prices at which positions are valued; where nothing was ever known, 1, since nothing can be held there."""
    marks = np.where(np.isnan(inputs.world.close), records.marks, inputs.world.close)
    return np.where(np.isnan(marks), 1.0, marks)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingLibraryError("pandas is not installed.", hint=_EXTRA) from error
    return pandas


_EXTRA = "pip install 'quantlab[research]'"
