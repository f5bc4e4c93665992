"""Everything that a tearsheet says, as one plain structure: the page and its JSON twin are two prints of it.

No number is computed for the page alone. A value that is undefined is None with its reason beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from quantlab.backtest import Result
from quantlab.core import KindError, Panel
from quantlab.core._labels import show as show_date
from quantlab.core.rng import resolve_seed
from quantlab.metrics import Estimate
from quantlab.report import _charts, _tables
from quantlab.report._format import show
from quantlab.report._headline import LABELS, headline
from quantlab.validation import WalkForward

SCHEMA = "quantlab.tearsheet/1"
RULES = (
    "Returns are simple, per bar, net of all costs, and start on the bar after the first decision.",
    "A decision at the close of a bar is filled on a later bar.",
    "Missing values are dropped and never filled; n counts what was used.",
    "Losses are negative: drawdowns, value at risk and conditional value at risk.",
)
_AT_ONCE = "Returns are simple, per bar, net of all costs, and start on the bar of the first decision."
_PEEK = "A decision is filled at its own close: it is made with a price at which nobody can still trade."


def content(
    result: Result, validation: Sequence[WalkForward | Estimate] = (), *, title: str | None = None, seed: Any = None
) -> dict[str, Any]:
    """Return what the tearsheet of a backtest says, ready for JSON.

    Parameters
    ----------
    result : Result
    validation : sequence of WalkForward and Estimate
        A walk-forward adds out-of-sample columns, its folds and its line; an Estimate, as ``ql.bootstrap`` gives it,
        its interval and the histogram of its draws.
    title : str, optional
        "Backtest of" and the dataset's name when left out.
    seed : int | numpy.random.Generator | None
        For the bootstrap intervals. None takes it from the returns, so that one result has one tearsheet.

    Returns
    -------
    dict
        Only dicts, lists, strings, numbers, booleans and None.

    Raises
    ------
    KindError
        When ``result``, an item of ``validation`` or ``title`` is of another type.
    InputError
        When bars per year are unknown.
    """
    walks, estimates = _sorted(result, validation)
    if title is not None and not isinstance(title, str):
        raise KindError(f"`title` must be a string, received {type(title).__name__}.")
    number = _seed(result.returns, seed)
    named = [f"Walk-forward{f' {i}' if len(walks) > 1 else ''}, out of sample" for i in range(1, len(walks) + 1)]
    books = [(name, walk.returns, walk.result) for name, walk in zip(named, walks, strict=True)]
    if not any(walk.result is result for walk in walks):
        books.insert(0, ("Backtest", result.returns, result))
    table = headline(books, number)
    costs = _tables.costs(result)
    charts = _charts.charts(result, walks)
    resampled = []
    for place, estimate in enumerate(estimates):
        chart = _charts.histogram(estimate, LABELS.get(estimate.name, estimate.name))
        if chart is not None:
            charts[f"draws-{place}"] = chart
        resampled.append(
            {
                "label": LABELS.get(estimate.name, estimate.name),
                "estimate": estimate.to_dict(),
                "how": _how(estimate),
                "of": _origin(estimate, table),
                "chart": None if chart is None else f"draws-{place}",
            }
        )
    return {
        "schema": SCHEMA,
        "title": title if title is not None else f"Backtest of {result.settings['data']}",
        "header": _header(result, walks),
        "ruin": _ruin(result),
        "notices": _notices(result, walks),
        "cards": _cards(table, costs, walks, estimates),
        "headline": table,
        "monthly": _tables.monthly(result.returns),
        "drawdowns": _tables.drawdowns(result.returns),
        "costs": costs,
        "sources": _tables.sources(result),
        "trading": _tables.trading(result),
        "walk_forward": [_walk(walk, table, i, len(walks)) for i, walk in enumerate(walks, 1)],
        "bootstrap": resampled,
        "diagnostics": _tables.diagnostics(result),
        "charts": charts,
        "footer": _footer(result, table, number),
    }


def _sorted(result: Result, validation: Sequence[Any]) -> tuple[list[WalkForward], list[Estimate]]:
    if not isinstance(result, Result):
        raise KindError(
            f"`result` must be a Result, received {type(result).__name__}.", hint="pass what `ql.simulate` returned."
        )
    items = [validation] if isinstance(validation, (WalkForward, Estimate)) else list(validation)
    for place, item in enumerate(items):
        if not isinstance(item, (WalkForward, Estimate)):
            raise KindError(
                f"`validation` may hold WalkForward and Estimate, received {type(item).__name__} at position {place}.",
                hint="pass what `ql.walk_forward` and `ql.bootstrap` returned.",
            )
    return [i for i in items if isinstance(i, WalkForward)], [i for i in items if isinstance(i, Estimate)]


def _seed(returns: Panel, seed: Any) -> int:
    if seed is not None:
        return resolve_seed(seed)
    # 32 bits are enough to differ and short enough to type.
    return int(hashlib.sha256(returns.values.tobytes()).hexdigest()[:8], 16)


def _header(result: Result, walks: list[WalkForward]) -> dict[str, Any]:
    dates, frequency, base = result.equity.dates, result.frequency, _base(result)
    return {
        "dataset": result.settings["data"],
        "start": show_date(dates[0]),
        "end": show_date(dates[-1]),
        "bars": int(dates.size),
        "symbols": len(result.bars.symbols),
        "bars_per_year": None if frequency is None else frequency.periods,
        "calendar": None if frequency is None else frequency.calendar,
        "record_start": show_date(result.returns.dates[0]) if len(result.returns) else None,
        "record_bars": len(result.returns),
        "record_from": None if base is None or base < 0 else show_date(dates[base]),
        "record_base": _equity_before(result),
        "initial": result.initial,
        "final": float(result.equity.values[-1, 0]),
        "trials": sum(walk.trials for walk in walks) or None,
    }


def _base(result: Result) -> int | None:
    """The bar whose close the track record counts from, -1 for the start; None without a record."""
    return len(result.equity) - len(result.returns) - 1 if len(result.returns) else None


def _equity_before(result: Result) -> float | None:
    """The equity that the track record counts from; None without a record."""
    base = _base(result)
    if base is None:
        return None
    return result.initial if base < 0 else float(result.equity.values[base, 0])


def _ruin(result: Result) -> dict[str, Any] | None:
    if result.ruined is None:
        return None
    row = int(np.searchsorted(result.equity.dates, result.ruined))
    return {"date": show_date(result.ruined), "equity": float(result.equity.values[row, 0])}


def _notices(result: Result, walks: list[WalkForward]) -> list[str]:
    found = [f"About the data: {result.bars.note}"] if result.bars.note else []
    if not len(result.returns):
        found.append("No decision was taken before the last bar: there is no track record to measure.")
    base, start = _base(result), _equity_before(result)
    if base is not None and start != result.initial:
        day, kept = show_date(result.equity.dates[base]), show(result.initial, "currency")
        found.append(
            f"The track record counts from the close of {day} and its equity of {show(start, 'currency')}: what came "
            f"of the initial {kept} before is in no metric."
        )
    if not walks:
        found.append("No walk-forward was given: nothing on this page is out of sample.")
    found += [
        f"The walk-forward chose among {walk.trials:,} variants in each training period. Its own columns carry that "
        "choice out of sample"
        + ("." if walk.result is result else "; the backtest's numbers are not corrected for it.")
        for walk in walks
        if walk.trials > 1
    ]
    return found


def _cards(
    table: dict[str, Any], costs: dict[str, Any], walks: list[WalkForward], estimates: list[Estimate]
) -> list[dict[str, Any]]:
    """Six numbers to see first: of the backtest, or of the walk-forward where that is the book shown.

    A card's interval is the one of the resampling section where that has the same number, lest the page say two.
    """
    rows = {row["name"]: row for row in table["rows"]}

    def card(name: str, label: str, book: int = 0, **rest: Any) -> dict[str, Any]:
        cell = rows[name]["cells"][book]
        same = (e.to_dict() for e in estimates if _resampled(e) and _is(e, name, cell))
        bounds = next(same, cell)
        bounded = bounds["low"] is not None or bounds["high"] is not None
        return {
            "label": label,
            **{key: cell[key] for key in ("value", "unit", "reason")},
            **{key: bounds[key] for key in ("low", "high")},
            "how": f"{100 * bounds['level']:g}\u202f%, {bounds['method']}" if bounded else "",
            "below": "",
            **rest,
        }

    total = costs["rows"][-1]
    chosen = f"best of {walks[0].trials:,} per fold" if walks and walks[0].trials > 1 else ""
    outside = len(table["books"]) - len(walks)
    cards = [
        card("cagr", "Growth per year"),
        card("sharpe", "Sharpe ratio", below=chosen if walks and not outside else ""),
        card("volatility", "Volatility per year"),
        card("max_drawdown", "Maximum drawdown"),
        {
            "label": "Costs per year",
            "value": total["per_year"],
            "low": None,
            "high": None,
            "how": "",
            "unit": "fraction per year",
            "reason": "" if total["per_year"] is not None else "no returns to relate them to",
            "below": "of mean equity",
        },
    ]
    if walks and outside:
        return [*cards, card("sharpe", "Sharpe, out of sample", outside, below=chosen)]
    return [*cards, card("turnover", "Turnover per year", below="one-way, times equity")]


def _walk(walk: WalkForward, table: dict[str, Any], number: int, of: int) -> dict[str, Any]:
    name = walk.settings["objective"]
    units = {row["name"]: row["cells"][0]["unit"] for row in table["rows"]}
    label, unit = LABELS.get(name, name), units.get(name, "ratio")
    own = {key: value for key, value in walk.settings.items() if key != "simulation"}
    both = walk.folds.drop_nulls(["in_sample", "out_of_sample"])
    return {
        "label": "Walk-forward" if of == 1 else f"Walk-forward {number}",
        "trials": walk.trials,
        "objective": label,
        "unit": unit,
        "mean_in_sample": _tables.cell(both["in_sample"].mean()),
        "mean_out_of_sample": _tables.cell(both["out_of_sample"].mean()),
        "about": _about(walk, label),
        "folds": _tables.folds(walk, (label, unit)),
        "settings": _flat(own),
    }


def _about(walk: WalkForward, label: str) -> str:
    own = walk.settings
    window = "all bars before" if own["anchored"] else f"{own['train']:,} training bars"
    chosen = (
        f"of {walk.trials:,} variants the one with the best {label}"
        if walk.trials > 1
        else f"the one variant, scored by {label}"
    )
    purged = f", {own['purge']:,} bars between the two left out" if own["purge"] else ""
    return (
        f"In each of {walk.folds.height:,} folds, {chosen} over {window} is held for the next {own['test']:,} bars"
        f"{purged}. One book is kept through all test windows and pays for every change."
    )


def _how(estimate: Estimate) -> str:
    """The interval's method with the numbers that would repeat it."""
    facts = estimate.details
    parts = [estimate.method if estimate.method != "none" else facts.get("no_interval", "no interval")]
    for key, words in (("block", "mean block {} bars"), ("reps", "{} resamples"), ("failed", "{} undefined")):
        if facts.get(key):
            parts.append(words.format(f"{facts[key]:,.3g}" if key == "block" else show(facts[key], "count")))
    if "seed" in facts:
        parts.append(f"seed {facts['seed']}")
    return ", ".join(parts)


def _origin(estimate: Estimate, table: dict[str, Any]) -> str:
    """The column of the headline whose number this is, or "" when it stands in none."""
    for row in table["rows"]:
        for book, cell in zip(table["books"], row["cells"], strict=True):
            if _is(estimate, row["name"], cell):
                return str(book["label"])
    return ""


def _is(estimate: Estimate, name: str, cell: dict[str, Any]) -> bool:
    """Whether an estimate is the number of a cell of the headline, its interval aside."""
    return bool(name == estimate.name and cell["value"] == estimate.value and cell["n"] == estimate.n)


def _resampled(estimate: Estimate) -> bool:
    return "reps" in estimate.details and bool(np.isfinite([estimate.low, estimate.high]).any())


def _footer(result: Result, table: dict[str, Any], seed: int) -> dict[str, Any]:
    settings = {key: value for key, value in result.settings.items() if key not in ("versions", "data_sha256")}
    return {
        "seed": seed,
        "data_sha256": result.settings["data_sha256"],
        "conventions": [
            {"label": row["label"], "convention": row["cells"][0]["convention"]}
            for row in table["rows"]
            if row["cells"][0]["convention"]
        ],
        "rules": [_AT_ONCE, _PEEK, *RULES[2:]] if result.settings["fill"] == "same_close" else list(RULES),
        "settings": _flat(settings),
        "versions": {**result.settings["versions"], **{name: version(name) for name in ("jinja2", "plotly")}},
    }


def _flat(settings: dict[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """A nested dict as rows of dotted key and plain value."""
    rows: list[dict[str, Any]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            rows += _flat(value, f"{name}.")
        else:
            rows.append({"key": name, "value": _tables.cell(value)})
    return rows
