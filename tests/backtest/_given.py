"""Small books through the public door and the plain engine, for the tests of what a result gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from quantlab.backtest import Result, reference, reference_orders
from quantlab.core import Bars, Frequency, Panel, as_bars
from quantlab.execution import Account, NoMargin

MONDAY = np.datetime64("2024-01-01")
DAILY = Frequency.daily("24/7")


def bars_of(close: Any, *, symbols: Any = None, actions: Any = None, borrow: Any = None, **fields: Any) -> Bars:
    """Bars from nested lists (T, N) or one list (T,): daily from a Monday, weekends included, symbols A, B, ...

    ``actions`` are tuples (symbol, bar, kind, value[, into or bar of payment]).
    """
    close = np.array(close, dtype=np.float64)
    close = close[:, None] if close.ndim == 1 else close
    days = MONDAY + np.arange(close.shape[0])
    names = [chr(ord("A") + i) for i in range(close.shape[1])] if symbols is None else symbols

    def panel(values: Any) -> Panel:
        return Panel(np.array(values, dtype=np.float64).reshape(close.shape), days, names, frequency=DAILY)

    given = {name: panel(values) for name, values in fields.items()}
    bars = as_bars(panel(close), adjusted="none", **given)
    return replace(bars, actions=None if actions is None else actions_of(actions), borrow=borrow)


def actions_of(rows: Any) -> pl.DataFrame:
    """A table of actions from tuples (symbol, bar, kind, value[, into or bar of payment])."""
    table = []
    for symbol, bar, kind, value, *rest in rows:
        into = rest[0] if kind == "conversion" else None
        pay = (MONDAY + rest[0]).item() if rest and kind == "dividend" else None
        table.append((symbol, (MONDAY + bar).item(), kind, float(value), into, pay))
    schema = {
        "symbol": pl.String,
        "date": pl.Date,
        "kind": pl.String,
        "value": pl.Float64,
        "into": pl.String,
        "pay_date": pl.Date,
    }
    return pl.DataFrame(table, schema=schema, orient="row")


def weights_of(bars: Bars, rows: dict[int, Any]) -> Panel:
    """Decision rows by bar number."""
    values = np.array([np.atleast_1d(row) for row in rows.values()], dtype=np.float64)
    return Panel(values.reshape(len(rows), bars.shape[1]), bars.dates[list(rows)], bars.symbols)


def held(bars: Bars, rows: dict[int, Any], *, cash: float = 10_000.0, lot: float | None = 1.0, **rest: Any) -> Result:
    """The Result of orders in shares, by bar of decision, without margin; filled at the next close unless told."""
    account = rest.pop("account", Account(cash=cash, lot=lot, margin=NoMargin()))
    values = weights_of(bars, {bar: np.where(np.equal(row, 0), np.nan, row) for bar, row in rows.items()})
    return reference_orders(values, bars, account=account, **{"fill": "next_close", **rest})


def weighed(bars: Bars, rows: dict[int, Any], **rest: Any) -> Result:
    """The Result of target weights, by bar of decision, filled at the next close unless told."""
    return reference(weights_of(bars, rows), bars, **{"fill": "next_close", **rest})
