"""From a version of a dataset to ``Bars``: which rows and columns, whose members, adjusted how, without what was
quarantined.

Prices at rest are as their owner declared them. What can be asked of them on reading:

============== =========================== ==================================================
stored         can be read as              what rides along in ``Bars.actions``, as not priced in
============== =========================== ==================================================
none           none, split, total_return   all actions; after adjustment those it has not used
split          split, total_return         dividends, conversions, delistings
total_return   total_return                conversions, delistings
unknown        as stored alone             conversions, delistings
============== =========================== ==================================================

Cash of the date of a conversion rides along with it. Split-adjusted prices are taken to be adjusted for spin-offs too.
A dividend is stored in the unit of the stored prices: per share as the exchange counted shares on that day when prices
are raw, per split-adjusted share when they are split-adjusted. So are the two sides of a conversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import Bars, Frequency, InputError, Panel, _tables
from quantlab.core._door import demand_known, row_slice
from quantlab.core._labels import check_symbols
from quantlab.data.schemas import ACTION_KINDS, CASH
from quantlab.data.store import _parts, _scatter
from quantlab.data.store._manifest import Manifest
from quantlab.data.store._parts import Believed

ADJUSTED = ("unknown", "none", "split", "total_return")
_LOADED = ("open", "high", "low", "close", "volume", "member")
# Per stored adjustment: the kinds of actions that its prices do not hold yet.
_LEFT = {
    "none": ACTION_KINDS,
    "split": (*CASH, "conversion", "delisting"),
    "total_return": ("conversion", "delisting"),
    "unknown": ("conversion", "delisting"),
}
_CAN_BE = {
    "none": ("none", "split", "total_return"),
    "split": ("split", "total_return"),
    "total_return": ("total_return",),
    "unknown": (),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What ``Store.bars`` was asked for."""

    start: Any = None
    end: Any = None
    symbols: str | Sequence[str] | None = None
    fields: str | Sequence[str] | None = None
    adjust: str | None = None
    quarantine: bool = True


def bars(believed: Believed, facts: Manifest, request: Request) -> Bars:
    """Return the bars of one version.

    Raises
    ------
    FileNotFoundError
        When a part is gone.
    InputError, LabelError, StoreError
        As ``Store.bars``.
    """
    kind = _adjustment(facts, request.adjust)
    symbols = _symbols(facts, request.symbols)
    fields = _fields(facts, request.fields)
    axis = _dates(believed, facts)
    rows = row_slice(axis, request.start, request.end)
    dates = axis[rows]
    if dates.size == 0:
        raise no_dates(facts, request.start, request.end)
    dates.setflags(write=False)
    found = _scatter.read(
        facts.of("bars"),
        lambda part: believed.path(facts.dataset, part),
        dates=dates,
        cut=dates.size < axis.size,
        symbols=symbols,
        known=len(facts.symbols),
        fields=fields,
        parallel=believed.parallel,
        refuse=lambda reason: _parts.damaged(facts.dataset, reason),
    )
    out = _masked(believed, facts, dates, symbols, found) if request.quarantine else None
    frequency = frequency_of(facts)
    panels = {name: Panel._trusted(found.pop(name), dates, symbols, frequency) for name in fields}
    if "member" not in panels and (member := _members(believed, facts, panels["close"], out)) is not None:
        panels["member"] = member
    borrow = _parts.table_of(believed, facts, "borrow") if "borrow" in facts.tables else None
    others = sorted(set(facts.symbols).difference(symbols))
    made = Bars(
        **panels,
        name=facts.dataset,
        adjusted=facts.adjusted,
        note=facts.note,
        actions=_tables.without(_actions(believed, facts), others),
        borrow=_tables.without(borrow, others),
    )
    if kind == made.adjusted:
        return made
    from quantlab.data.adjustment._adjust import adjust

    return adjust(made, kind=kind)


def frequency_of(facts: Manifest) -> Frequency:
    """Return the frequency of a dataset."""
    if not facts.intraday:
        return Frequency.daily(facts.calendar)
    return Frequency.intraday(facts.calendar, minutes(facts.bar))


def minutes(bar: str) -> int:
    """Return the length of an intraday bar: 60 for "1h"."""
    return int(bar[:-1]) * 60 if bar.endswith("h") else int(bar.removesuffix("min"))


def no_dates(facts: Manifest, start: Any, end: Any) -> InputError:
    """Return the error for a range in which the dataset has no date."""
    asked = " ".join(part for part in (f"from {start}" if start else "", f"to {end}" if end else "") if part)
    return InputError(f"Dataset {facts.dataset} has no dates {asked}; it covers {facts.first} to {facts.last}.")


def _adjustment(facts: Manifest, asked: str | None) -> str:
    """The adjustment that the bars will have, refused where the stored prices cannot be brought to it."""
    if asked is None:
        return facts.adjusted
    if asked not in ADJUSTED[1:]:
        raise InputError(f'`adjust` must be "none", "split" or "total_return", received {asked!r}.')
    if facts.adjusted == "unknown":
        raise InputError(
            f"Dataset {facts.dataset} does not say how its prices are adjusted, so they cannot be adjusted further.",
            hint=f'find out, and write it again: `store.write("{facts.dataset}", frame, adjusted="none", ...)`.',
        )
    if asked not in _CAN_BE[facts.adjusted]:
        raise InputError(
            f'Dataset {facts.dataset} stores prices with adjusted="{facts.adjusted}", '
            f'and they cannot be read with adjust="{asked}".',
            hint="an adjustment that is in the stored prices is not taken out again; store raw prices.",
        )
    if asked != facts.adjusted and "actions" not in facts.tables:
        raise InputError(
            f"Dataset {facts.dataset} has no corporate actions, so its prices cannot be adjusted.",
            hint=f'`store.update("{facts.dataset}", actions=...)` adds them; a frame without rows says there are none.',
        )
    return asked


def _symbols(facts: Manifest, symbols: str | Sequence[str] | None) -> tuple[str, ...]:
    if symbols is None:
        return facts.symbols
    names = check_symbols([symbols] if isinstance(symbols, str) else symbols)
    if not names:
        raise InputError(f"No symbol of dataset {facts.dataset} was asked for.", hint="leave `symbols` out for all.")
    demand_known(names, facts.symbols)
    return tuple(sorted(names))


def _fields(facts: Manifest, fields: str | Sequence[str] | None) -> tuple[str, ...]:
    known = [name for name in facts.fields if name in _LOADED]
    asked = known if fields is None else [fields] if isinstance(fields, str) else list(fields)
    for field in asked:
        if field not in known:
            hint = None
            if field in facts.fields:
                hint = f'it is kept as evidence: `store.table("{facts.dataset}", "bars")` shows it.'
            raise InputError(f"Dataset {facts.dataset} has no field {field!r}; it has {', '.join(known)}.", hint=hint)
    return tuple(field for field in known if field in asked or field in ("close", "member"))


def _dates(believed: Believed, facts: Manifest) -> np.ndarray:
    days = _parts.dates_of(believed, facts)
    if facts.intraday:
        days = days.dt.replace_time_zone(None)
    dates = days.to_numpy()
    if dates.size != facts.dates:
        raise _parts.damaged(facts.dataset, f"it has {dates.size} dates instead of {facts.dates}")
    return dates


def _masked(
    believed: Believed, facts: Manifest, dates: np.ndarray, symbols: tuple[str, ...], found: dict[str, np.ndarray]
) -> np.ndarray | None:
    """Take out what was quarantined, in place; return where."""
    if not facts.tables.get("review"):
        return None
    from quantlab.data.checks._review import masked

    out = masked(_parts.table_of(believed, facts, "review"), dates, symbols)
    for name, matrix in found.items():
        matrix[out] = False if name == "member" else np.nan
    return out


def _members(believed: Believed, facts: Manifest, close: Panel, out: np.ndarray | None) -> Panel | None:
    """The universe by the table of members; None where there is none, and every close counts."""
    if "members" not in facts.tables:
        return None
    from quantlab.data.universe._membership import inside

    # Some member must be a symbol of the dataset; those that are loaded need not be.
    held = inside(_parts.table_of(believed, facts, "members"), close, among=facts.symbols)
    if out is None:
        return held
    return Panel._trusted(held.values & ~out, close.dates, close.symbols, close.frequency)


def _actions(believed: Believed, facts: Manifest) -> pl.DataFrame | None:
    if "actions" not in facts.tables:
        return None
    table, kind = _parts.table_of(believed, facts, "actions"), pl.col("kind")
    # The cash part of a conversion is no dividend of prices that go on: no adjustment has it in them.
    part = kind.is_in(CASH) & (kind == "conversion").any().over("symbol", "date")
    return table.filter(kind.is_in(_LEFT[facts.adjusted]) | part)
