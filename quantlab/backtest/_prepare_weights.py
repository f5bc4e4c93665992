"""Decision rows: what is checked about target weights, and about share and value orders that come as a Panel.

A row of weights is finite throughout; a row that is NaN throughout takes no decision. In rows of orders NaN is no
order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.core import Bars, DataError, InputError, KindError, LabelError, Panel
from quantlab.core._labels import difference, show
from quantlab.execution._demand import more, nearest

UNLISTED = ("raise", "cash")

# Beyond it the money of the account is lost in the rounding of the positions, and further on it overflows.
_LARGEST_WEIGHT = 1e6


@dataclass(frozen=True, slots=True)
class Decisions:
    """Checked decision rows in the caller's column order.

    Attributes
    ----------
    panel : Panel (R, N)
    rows : (R,) int64, the bar of each
    """

    panel: Panel
    rows: np.ndarray


def weights_of(
    weights: Panel, bars: Bars, first: np.ndarray, unlisted: str, *, frame: bool = False
) -> tuple[Decisions, list[Finding]]:
    """Return checked target weights.

    Parameters
    ----------
    weights : Panel (R, N)
    bars : Bars
    first : (N,) int64, bar of the first close in the caller's column order, T without any
    unlisted : "raise" | "cash"
    frame : whether the caller passed a frame, for hints
    """
    demand_unlisted(unlisted)
    target, rows, findings = _on_bars(weights, bars, "weights", frame)
    _check_weights(target)
    target, replaced = _listed(target, rows, first, unlisted)
    return Decisions(target, rows), [*findings, *replaced]


def demand_unlisted(unlisted: str) -> None:
    """Raise InputError unless this is a policy for weights before a symbol's first price."""
    if unlisted not in UNLISTED:
        raise InputError(f'`unlisted` must be "raise" or "cash", received {unlisted!r}.')


def amounts_of(
    orders: Panel, bars: Bars, first: np.ndarray, dead: np.ndarray, *, frame: bool = False
) -> tuple[Decisions, list[Finding]]:
    """Return checked rows of share or value orders: NaN is no order, everything else is finite.

    ``first`` and ``dead`` are the bars of the first close and of the delisting of each symbol, (N,) in the caller's
    column order, T without one. ``frame`` says whether the caller passed a frame, for hints.
    """
    panel, rows, findings = _on_bars(orders, bars, "orders", frame)
    infinite = np.isinf(panel.values)
    if infinite.any():
        at, columns = np.nonzero(infinite)
        raise DataError(
            f"The order of {panel.symbols[columns[0]]} on {show(panel.dates[at[0]])}{more(at.size)} is "
            f"{panel.values[at[0], columns[0]]}.",
            hint="NaN is no order.",
        )
    wanted = ~np.isnan(panel.values) & (panel.values != 0)
    early = wanted & (rows[:, None] < first[None, :])
    late = wanted & (rows[:, None] >= dead[None, :]) & ~early
    for bad, what in ((early, "before its first price"), (late, "after its delisting")):
        if bad.any():
            at, columns = np.nonzero(bad)
            raise DataError(
                f"{panel.symbols[columns[0]]} has an order on {show(panel.dates[at[0]])}{more(at.size)}, {what}.",
                hint="NaN is no order.",
            )
    return Decisions(panel, rows), findings


def _on_bars(panel: Panel, bars: Bars, name: str, frame: bool) -> tuple[Panel, np.ndarray, list[Finding]]:
    """The rows that decide, and their bars."""
    one = "weight" if name == "weights" else "number"
    if panel.values.dtype == bool:
        raise KindError(f"`{name}` must be numbers, received a bool Panel.", hint=f"multiply by the {one} per name.")
    if panel.symbols != bars.symbols:
        raise _other_symbols(panel, bars, name, frame)
    if len(panel) == 0:
        raise InputError(
            f"`{name}` has no rows: there is no decision to run.",
            hint="check that the first decision is not later than the last bar.",
        )
    rows = demand_bars(panel.dates, bars, name)
    # One sum says that there is no NaN at all, which is the ordinary case.
    if np.isfinite(panel.values.sum()):
        return panel, rows, []
    empty = np.isnan(panel.values).all(axis=1)
    if not empty.any():
        return panel, rows, []
    keep = ~empty
    detail = f"rows without any {one} take no decision: the book drifts on"
    finding = Finding("empty_decision", "info", show(panel.dates[empty][0]), "", int(empty.sum()), detail)
    kept = Panel._trusted(panel.values[keep], panel.dates[keep], panel.symbols, panel.frequency)
    return kept, rows[keep], [finding]


def _other_symbols(panel: Panel, bars: Bars, name: str, frame: bool) -> LabelError:
    """The error of decisions that do not have exactly the symbols of the bars, in their order."""
    own = f"ql.as_panel({name})" if frame else name
    known, given = set(bars.symbols), set(panel.symbols)
    unknown = [symbol for symbol in panel.symbols if symbol not in known]
    missing = [symbol for symbol in bars.symbols if symbol not in given]
    onto = f"`{own}.select(bars.symbols)`"
    if unknown:
        near = nearest(unknown[0], missing or bars.symbols)
        leave = f"leave out what {bars.name} does not have, {onto}." if not missing else "load the bars with it."
        return LabelError(
            f"`{name}` and `bars` differ in symbols: {bars.name} has no {unknown[0]}{more(len(unknown))}.",
            hint=f"did you mean {near}?" if near else leave,
        )
    if missing:
        fill = "0" if name == "weights" else "NaN"
        return LabelError(
            f"`{name}` and `bars` differ in symbols: `{name}` has no {missing[0]}{more(len(missing))}.",
            hint=f"run on those that it has, `bars.select({own}.symbols)`, or give the others a column of {fill}.",
        )
    return LabelError(
        f"`{name}` and `bars` differ in the order of symbols: {difference(panel.symbols, bars.symbols)}.",
        hint=f"bring them into the bars' order: {onto}.",
    )


def demand_bars(dates: np.ndarray, bars: Bars, name: str) -> np.ndarray:
    """Return the bar of each date, or raise LabelError naming the first that has none."""
    if dates.dtype != bars.dates.dtype:
        raise LabelError(
            f"`{name}` have dates of {dates.dtype} and `bars` of {bars.dates.dtype}.",
            hint="daily bars take days, intraday bars the times at which they end.",
        )
    place = np.searchsorted(bars.dates, dates)
    known = bars.dates[np.minimum(place, bars.dates.size - 1)] == dates
    if not known.all():
        missing = dates[~known]
        verb = "decide on" if name == "weights" else "stand on"
        raise LabelError(
            f"`{name}` {verb} {show(missing[0])}{more(missing.size)}, which is no date of {bars.name}.",
            hint="decide on dates that have a bar.",
        )
    return place.astype(np.int64)


def _check_weights(target: Panel) -> None:
    values = target.values
    if values.size == 0:
        return
    # Two passes without a copy; a NaN fails both.
    largest = max(values.max(), -values.min())
    if not largest <= _LARGEST_WEIGHT:
        rows, columns = np.nonzero(~(np.abs(values) <= _LARGEST_WEIGHT))
        value = values[rows[0], columns[0]]
        kind = "missing (NaN)" if np.isnan(value) else f"{value}"
        raise DataError(
            f"The weight of {target.symbols[columns[0]]} on {show(target.dates[rows[0]])}{more(rows.size)} is {kind}.",
            hint="a weight is a fraction of equity: 0 means none, and a row that is NaN throughout no decision.",
        )
    if largest * values.shape[1] <= _LARGEST_WEIGHT:
        return
    gross = np.abs(values).sum(axis=1)
    if gross.max() > _LARGEST_WEIGHT:
        row = int((gross > _LARGEST_WEIGHT).argmax())
        raise DataError(
            f"The weights of {show(target.dates[row])}{more(int((gross > _LARGEST_WEIGHT).sum()))} add up to "
            f"{gross[row]:g} times the equity, long and short.",
            hint="a weight is a fraction of equity: 0.05 is 5 %.",
        )


def _listed(target: Panel, rows: np.ndarray, first: np.ndarray, policy: str) -> tuple[Panel, list[Finding]]:
    """Refuse weights on symbols that have had no price yet, or set them to zero and say so."""
    late = np.flatnonzero(first > (rows[0] if rows.size else 0))
    if late.size == 0:
        return target, []
    early = (target.values[:, late] != 0) & (rows[:, None] < first[None, late])
    if not early.any():
        return target, []
    at, columns = np.nonzero(early)
    columns = late[columns]
    if policy == "raise":
        raise DataError(
            f"{target.symbols[columns[0]]} has a weight on {show(target.dates[at[0]])}{more(at.size)}, before its "
            "first price.",
            hint='mask the score with `bars.member`, or pass `unlisted="cash"` to leave that weight in cash.',
        )
    findings = []
    for column in sorted(np.unique(columns), key=lambda column: target.symbols[column]):
        dates = target.dates[at[columns == column]]
        detail = "no price yet: the weight stays in cash"
        findings.append(Finding("unlisted", "warning", show(dates[0]), target.symbols[column], dates.size, detail))
    values = target.values.copy()
    values[at, columns] = 0.0
    return Panel._trusted(values, target.dates, target.symbols, target.frequency), findings
