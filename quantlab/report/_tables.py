"""The tables of the page: columns with their units, and rows of plain values.

``{"columns": [{"key", "label", "unit"}], "rows": [{key: value}]}``; a missing value is None. Months, drawdowns and
costs are counted from the first bar of ``result.returns``.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from quantlab import metrics
from quantlab.backtest import Result
from quantlab.core import Panel
from quantlab.core.periods import bars_per_year
from quantlab.report._charts import KINDS, OTHER_KINDS
from quantlab.validation import WalkForward


def table(columns: list[tuple[str, str, str]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a table from (key, label, unit) triples and rows."""
    return {"columns": [{"key": key, "label": label, "unit": unit} for key, label, unit in columns], "rows": rows}


def monthly(returns: Panel) -> dict[str, Any]:
    """Return compounded returns per calendar month and year, newest year first; a month without any return is None."""
    frame = metrics.monthly_returns(returns)
    years = [
        {"year": str(year), "months": [cell(value) for value in months], "total": cell(total)}
        for year, *months, total in frame.rows()
    ]
    names = [name for name in frame.columns if name not in ("year", "total")]
    return {"unit": "fraction", "names": names, "years": years[::-1]}


def drawdowns(returns: Panel, *, top: int = 5) -> dict[str, Any]:
    """Return the deepest drawdowns: depth, dates, and bars down and back up."""
    frame = metrics.drawdown_table(returns, top=top)
    rows = [
        {"rank": rank, **{key: cell(value) for key, value in row.items()}}
        for rank, row in enumerate(frame.rows(named=True), 1)
    ]
    for row in rows:
        row["peak"] = row["peak"] or "start"
        row["recovery"] = row["recovery"] or "not yet"
    return table(
        [
            ("rank", "", "count"),
            ("depth", "Depth", "fraction"),
            ("peak", "Peak", "date"),
            ("trough", "Trough", "date"),
            ("recovery", "Recovery", "date"),
            ("bars_down", "Bars down", "bars"),
            ("bars_to_recover", "Bars to recover", "bars"),
        ],
        rows,
    )


def costs(result: Result) -> dict[str, Any]:
    """Return what trading and holding cost: currency, share of the initial cash, drag per year, and share of what was
    traded. Kinds beside the usual three stand there when they cost something.
    """
    start = len(result.equity) - len(result.returns)
    equity = result.equity.values[start:, 0]
    # After a ruin there is no equity to relate anything to.
    equity = equity[equity > 0]
    years = equity.size / bars_per_year(result.frequency)
    mean = float(equity.mean()) if equity.size else math.nan
    traded = float(result.traded.values.sum())
    totals = {name: float(result.charges[name].sum()) for name in (*KINDS, *OTHER_KINDS)}
    totals = {name: value for name, value in totals.items() if name in KINDS or value != 0.0}
    totals["total"] = sum(totals.values())
    rows = [
        {
            "kind": name.replace("_", " ").capitalize(),
            "currency": value,
            "of_initial": value / result.initial,
            "per_year": value / mean / years if mean > 0 and years > 0 else None,
            # Borrow and interest are paid for holding, not for trading.
            "of_traded": value / traded if traded > 0 and name in ("commission", "slippage", "fees") else None,
        }
        for name, value in totals.items()
    ]
    out = table(
        [
            ("kind", "", "text"),
            ("currency", "Currency", "currency"),
            ("of_initial", "Of initial cash", "fraction"),
            ("per_year", "Per year, of mean equity", "fraction per year"),
            ("of_traded", "Basis points of traded value", "basis points"),
        ],
        rows,
    )
    return {**out, "traded": traded, "mean_equity": None if math.isnan(mean) else mean, "years": years}


def sources(result: Result) -> dict[str, Any]:
    """Return what longs, shorts and the account itself earned; the rows add up to the change in equity.

    A side that never held anything has no row. ``financing`` is borrow, interest and what currencies did.
    """
    rows = []
    for side in result.attribution("side").iter_rows(named=True):
        parts = {
            "price": side["price"],
            "dividends": side["dividends"],
            "costs": side["commission"] + side["fees"] + side["slippage"],
            "financing": side["borrow"] + side["interest"] + side["conversion_cost"] + side["currency"],
        }
        if any(parts.values()):
            name = "Account" if side["side"].startswith("cash") else side["side"].capitalize()
            rows.append(
                {"side": name, **parts, "profit": side["profit"], "of_initial": side["profit"] / result.initial}
            )
    return table(
        [
            ("side", "", "text"),
            ("price", "Price, before costs", "currency"),
            ("dividends", "Dividends", "currency"),
            ("costs", "Trading costs", "currency"),
            ("financing", "Borrow and interest", "currency"),
            ("profit", "Profit", "currency"),
            ("of_initial", "Of initial cash", "fraction"),
        ],
        rows,
    )


def trading(result: Result) -> dict[str, Any]:
    """Return how many orders and round trips there were, what became of them, and the highest use of margin."""
    fates = dict(result.orders.group_by("status").len().sort("status").iter_rows()) if result.orders.height else {}
    closed = result.trades.filter(pl.col("status") != "open")
    won = int((closed["pnl"] > 0).sum())
    rows: list[dict[str, Any]] = [{"what": "Orders", "value": result.orders.height, "unit": "count"}]
    rows += [
        {"what": f"of these {status.replace('_', ' ')}", "value": count, "unit": "count"}
        for status, count in fates.items()
    ]
    rows += [
        {"what": "Round trips closed", "value": closed.height, "unit": "count"},
        {
            "what": "of these with a gain, net of commission, fees and slippage, before borrow fees and dividends",
            "value": won / closed.height if closed.height else None,
            "unit": "fraction",
        },
        {"what": "Mean bars held", "value": closed["bars"].mean(), "unit": "bars"},
        {"what": "Round trips still open", "value": result.trades.height - closed.height, "unit": "count"},
    ]
    usage = result.margin.select("usage").values
    if np.nanmax(usage, initial=0.0) > 0.0:
        rows.append(
            {"what": "Highest margin requirement, of equity", "value": float(np.nanmax(usage)), "unit": "fraction"}
        )
    return {"rows": rows}


def diagnostics(result: Result) -> dict[str, Any]:
    """Return the findings by rule and meaning: severity, how often, how many symbols, the first date, and what it
    means.
    """
    order = {"error": 0, "warning": 1, "info": 2}
    rows = []
    for (rule, severity, detail), found in result.diagnostics.group_by(
        "rule", "severity", "detail", maintain_order=True
    ):
        part = found.sort("date", "symbol")
        names = [name for name in part["symbol"].unique(maintain_order=True).to_list() if name]
        rows.append(
            {
                "rule": rule,
                "severity": severity,
                "count": int(part["count"].sum()),
                "symbols": ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else ""),
                "first": str(part["date"][0]),
                "detail": detail,
            }
        )
    rows.sort(key=lambda row: (order.get(row["severity"], 3), row["rule"]))
    return table(
        [
            ("severity", "Severity", "level"),
            ("rule", "Rule", "text"),
            ("count", "Count", "count"),
            ("first", "First", "text"),
            ("symbols", "Symbols", "wrap"),
            ("detail", "Meaning", "wrap"),
        ],
        rows,
    )


def folds(walk: WalkForward, objective: tuple[str, str]) -> dict[str, Any]:
    """Return the folds of a walk-forward: dates, chosen parameters, objective in training and in the test.

    ``objective`` is its label and its unit.
    """
    label, unit = objective
    dates = ("train_start", "train_end", "test_start", "test_end")
    last = ("in_sample", "out_of_sample")
    parameters = [name for name in walk.folds.columns if name not in (*dates, *last, "fold", "variants")]
    columns = [
        ("fold", "Fold", "count"),
        *((name, name.replace("_", " ").capitalize(), "date") for name in dates),
        *((name, name, "plain") for name in parameters),
        ("in_sample", f"{label}, training", unit),
        ("out_of_sample", f"{label}, test", unit),
    ]
    rows = [{key: cell(row[key]) for key, _, _ in columns} for row in walk.folds.rows(named=True)]
    return table(columns, rows)


def cell(value: Any) -> Any:
    """Return a value as JSON knows it: NaN as None, lists and dates as text."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return str(value)
