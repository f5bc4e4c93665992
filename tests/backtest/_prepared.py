"""Runs as they reach an engine, from nested lists and through the checks that users meet."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from quantlab.backtest._prepare import prepare_orders, prepare_weights
from quantlab.backtest._prepare_terms import plan_of
from quantlab.core import Panel, as_bars

NAN, INF = math.nan, math.inf
MONDAY = np.datetime64("2024-01-01")
SCHEMA = {
    "symbol": pl.String,
    "date": pl.Date,
    "kind": pl.String,
    "value": pl.Float64,
    "into": pl.String,
    "pay_date": pl.Date,
}


def bars_of(close, *, dates=None, symbols=None, actions=None, borrow=None, frequency=None, **fields):
    """Bars from nested lists; without other dates daily from a Monday on, symbols A, B, ..."""
    close = np.array(close, dtype=np.float64)
    close = close[:, None] if close.ndim == 1 else close
    dates = MONDAY + np.arange(close.shape[0]) if dates is None else np.array(dates)
    symbols = [chr(ord("A") + i) for i in range(close.shape[1])] if symbols is None else symbols
    panels = {
        name: Panel(np.array(values, dtype=np.float64).reshape(close.shape), dates, symbols)
        for name, values in fields.items()
    }
    bars = as_bars(Panel(close, dates, symbols), frequency=frequency, adjusted="none", **panels)
    return replace(bars, actions=None if actions is None else table_of(actions), borrow=borrow)


def table_of(rows):
    """A table of actions from (symbol, date, kind, value[, into or pay date])."""
    out = []
    for symbol, day, kind, value, *rest in rows:
        into = rest[0] if rest and kind == "conversion" else None
        paid = date.fromisoformat(rest[0]) if rest and kind != "conversion" else None
        out.append((symbol, date.fromisoformat(day), kind, value, into, paid))
    return pl.DataFrame(out, schema=SCHEMA, orient="row")


def weigh(bars, rows, *, unlisted="raise", untradable="keep", **plan):
    """The run of target weights by bar number."""
    values = np.array([np.atleast_1d(row) for row in rows.values()], dtype=np.float64)
    weights = Panel(values, bars.dates[list(rows)], bars.symbols)
    return prepare_weights(weights, bars, plan_of(bars, **{"fill": "next_close", **plan}), unlisted, untradable)


def order(bars, orders, kind="shares", **plan):
    """The run of orders."""
    return prepare_orders(orders, bars, plan_of(bars, **{"fill": "next_close", **plan}), kind)


def rules(prepared):
    return [finding.rule for finding in prepared.findings]


def found(prepared, rule):
    return next(finding for finding in prepared.findings if finding.rule == rule)


NEW_YORK = [
    "2024-11-27T15:30",  # half an hour after the open
    "2024-11-27T21:00",  # the close
    "2024-11-27T23:00",  # after hours: still Wednesday
    "2024-11-29T13:00",  # before the open, after Thanksgiving
    "2024-11-29T18:00",  # the early close
    "2024-12-01T23:30",  # Sunday evening in New York
    "2024-12-02T14:31",
]
