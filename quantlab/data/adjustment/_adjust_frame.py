"""``adjust`` for long frames: which columns hold what, the order of rows, and the way back into it.

The frame itself is not sorted: two stable sorts of small integers give the order, the factors are computed in it and
put back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import InputError, KindError, LabelError
from quantlab.data.adjustment import _action_events, _factors
from quantlab.data.adjustment._factors import Closes, Rule

_FIELDS = ("open", "high", "low", "close", "volume")
# Written as `_plain` writes them. Not split_factor: LEAN's is cumulative.
_NAMES = {
    "dividend": ("dividend", "dividends", "ex_dividend", "dividend_amount", "cash_dividend", "div_cash"),
    "split": ("split", "splits", "split_ratio", "split_coefficient", "stock_splits"),
    "spinoff": ("spinoff", "spin_off"),
}
_NONE = {"dividend": 0.0, "split": 1.0, "spinoff": 0.0}


@dataclass(frozen=True, slots=True)
class _Table:
    """A frame in the order of series and date.

    Attributes
    ----------
    frame : polars.DataFrame
        As given.
    by : tuple of str
    group : (K,) int
        Series number of each sorted row.
    names : polars.DataFrame
        One row per series: its values of ``by``.
    order : (K,) int or None
        Row of the frame for each sorted row; None when it is sorted.
    days : (K,) datetime64[D], sorted rows
    """

    frame: pl.DataFrame
    by: tuple[str, ...]
    group: np.ndarray
    names: pl.DataFrame
    order: np.ndarray | None
    days: np.ndarray

    def sorted(self, values: np.ndarray) -> np.ndarray:
        return values if self.order is None else values[self.order]

    def restored(self, values: np.ndarray) -> np.ndarray:
        if self.order is None:
            return values
        out = np.empty_like(values)
        out[self.order] = values
        return out


def adjusted(
    data: Any,
    rule: Rule,
    *,
    actions: pl.DataFrame | None,
    by: str | Sequence[str],
    columns: Mapping[str, str | None] | None,
) -> Any:
    """Return the frame with its prices and volume adjusted."""
    table = _table(data, by)
    frame = table.frame
    price, volume = _both(table, rule, actions, columns)
    changed = []
    for name in _FIELDS:
        if name not in frame.columns:
            continue
        factor = pl.Series(volume if name == "volume" else price)
        kind = frame.schema[name]
        value = pl.col(name).cast(pl.Float64)
        out = value / factor if rule.inverse else value * factor
        changed.append((out.cast(kind) if kind == pl.Float32 else out).alias(name))
    frame = frame.with_columns(changed)
    return frame.lazy() if isinstance(data, pl.LazyFrame) else frame


def factors(
    data: Any,
    rule: Rule,
    *,
    actions: pl.DataFrame | None,
    by: str | Sequence[str],
    columns: Mapping[str, str | None] | None,
) -> pl.DataFrame:
    """Return the factors of each row of the frame."""
    table = _table(data, by)
    price, volume = _both(table, rule, actions, columns)
    return table.frame.select(*table.by, "date", price_factor=pl.Series(price), volume_factor=pl.Series(volume))


def _both(
    table: _Table, rule: Rule, actions: pl.DataFrame | None, columns: Mapping[str, str | None] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The factors of prices and volume, in the order of the frame."""
    frame = table.frame
    close = frame["close"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    # The sessions of each series: intraday rows of one day share one close, the last that is known.
    values, session, first = table.sorted(close), None, np.arange(table.group.size)
    if frame.schema["date"] != pl.Date:
        starts = np.ones(table.group.size, dtype=bool)
        starts[1:] = (table.group[1:] != table.group[:-1]) | (table.days[1:] != table.days[:-1])
        session, first = np.cumsum(starts) - 1, np.flatnonzero(starts)
        known = ~np.isnan(values)
        daily = np.full(first.size, np.nan)
        daily[session[known]] = values[known]  # the last assignment to a place stays
        values = daily
    length = np.bincount(table.group[first], minlength=table.names.height)
    closes = Closes(values, np.cumsum(length) - length, length, 1)
    events = (
        _from_columns(table, columns, rule, session, closes)
        if actions is None
        else _from_table(table, actions, columns, first, closes)
    )
    found = _factors.steps(closes, events, rule)
    price, volume = (_factors.spread_flat(closes, found, name, rule) for name in ("price", "volume"))
    if session is not None:
        price, volume = price[session], volume[session]
    return table.restored(price), table.restored(volume)


def _from_table(table: _Table, actions: Any, columns: Any, first: np.ndarray, closes: Closes) -> pl.DataFrame:
    if columns is not None:
        raise InputError("`actions` and `columns` were both given.", hint="one of them must say what the actions are.")
    keys = [pl.col(name).cast(pl.String) for name in table.by]
    checked = _action_events.checked(actions, by=table.by).with_columns(keys)
    names = table.names.with_columns(keys).with_row_index("group").with_columns(pl.col("group").cast(pl.Int64))
    events = _action_events.gathered(checked, by=table.by).join(names, on=list(table.by)).sort("group", "date")
    group, day = events["group"].to_numpy(), events["date"].to_numpy()
    # Position among (series, day) pairs, as one increasing number each.
    every = np.concatenate([table.days[first], day]).astype(np.int64)
    low, span = (int(every.min()), int(np.ptp(every)) + 1) if every.size else (0, 1)
    key = table.group[first].astype(np.int64) * span + (table.days[first].astype(np.int64) - low)
    row = np.searchsorted(key, group * span + (day.astype(np.int64) - low)) - closes.first[group]
    return events.with_columns(
        row=pl.Series(row, dtype=pl.Int64),
        symbol=pl.Series(_action_events.label(events, table.by), dtype=pl.String),
    )


def _from_columns(table: _Table, columns: Any, rule: Rule, session: np.ndarray | None, closes: Closes) -> pl.DataFrame:
    """One event per row with an action; its row is the session of that bar."""
    frame, chosen = table.frame, _chosen(table.frame, columns, rule)
    filled = {
        role: frame[name].cast(pl.Float64).fill_null(_NONE[role]) for role, name in chosen.items() if name is not None
    }
    some = np.zeros(frame.height, dtype=bool)
    for role, column in filled.items():
        some |= column.to_numpy() != _NONE[role]  # true for NaN
    at = np.flatnonzero(table.sorted(some))
    rows = at if table.order is None else table.order[at]
    found = frame[rows].select(*table.by, "date")
    labels = pl.DataFrame(
        {"symbol": _action_events.label(found, table.by), "date": table.days[at]},
        schema_overrides={"symbol": pl.String},
    )
    parts = {}
    for role, empty in _NONE.items():
        parts[role] = (
            filled[role][rows] if role in filled else pl.Series([empty], dtype=pl.Float64).new_from_index(0, at.size)
        )
        _action_events.values(labels.with_columns(value=parts[role]), role)
    group = table.group[at].astype(np.int64)
    place = at if session is None else session[at]
    again = np.flatnonzero(place[1:] == place[:-1])
    if again.size:
        raise LabelError(
            f"Two rows of {labels['symbol'][int(again[0])]} {labels['date'][int(again[0])]} state corporate actions.",
            hint="state them in one row of that day, or pass them as a table: `actions=`.",
        )
    return labels.with_columns(
        group=pl.Series(group, dtype=pl.Int64),
        row=pl.Series(place - closes.first[group], dtype=pl.Int64),
        split=parts["split"],
        spinoff=parts["spinoff"],
        cash=parts["dividend"],
    )


def _chosen(frame: pl.DataFrame, columns: Any, rule: Rule) -> dict[str, str | None]:
    """Role to column name, or None where the caller says that there is none."""
    given = dict(columns or {})
    for role, name in given.items():
        if role not in _NAMES:
            raise InputError(f"`columns` names {role!r}; it may name dividend, split and spinoff.")
        if name is not None and name not in frame.columns:
            raise InputError(f"`columns` says that {role} is in {name!r}; the frame has {', '.join(frame.columns)}.")
    needed = ("split",) if rule.kind == "split" else ("dividend", "split")
    chosen: dict[str, str | None] = {}
    for role, names in _NAMES.items():
        if role in given:
            chosen[role] = given[role]
            continue
        found = [name for name in frame.columns if _plain(name) in names]
        if len(found) > 1:
            raise InputError(
                f"The frame has {len(found)} columns that may hold the {role}: {', '.join(found)}.",
                hint=f'say which: `columns={{"{role}": "{found[0]}"}}`.',
            )
        if not found and role in needed:
            raise InputError(
                f"The frame has no column of the {role} (it has {', '.join(frame.columns)}).",
                hint=f'say which it is, `columns={{"{role}": "..."}}`, or that there are none, '
                f'`columns={{"{role}": None}}`; or pass `actions=`.',
            )
        chosen[role] = found[0] if found else None
    for role, name in chosen.items():
        if name is not None and not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null):
            raise KindError(f"Column {name}, the {role}, must be numbers, received {frame.schema[name]}.")
    return chosen


def _plain(name: str) -> str:
    """Ex-Dividend, Stock Splits and dividend_amount in one spelling."""
    return re.sub(r"[\s.\-]+", "_", name.strip().lower())


def _table(data: Any, by: str | Sequence[str]) -> _Table:
    if not isinstance(data, (pl.DataFrame, pl.LazyFrame)):
        raise KindError(
            f"`data` must be Bars or a Polars frame, received {type(data).__name__}.",
            hint="`pl.from_pandas(frame.reset_index())` makes one of a pandas frame.",
        )
    frame = data.collect() if isinstance(data, pl.LazyFrame) else data
    keys = (by,) if isinstance(by, str) else tuple(by)
    if not keys:
        raise InputError("`by` names no column.", hint='`by="symbol"`.')
    for name in (*keys, "date", "close"):
        if name not in frame.columns:
            hint = (
                'name the columns of a series: `by="ticker"`.' if name in keys else f"rename the column of the {name}."
            )
            raise InputError(f"The frame has no column `{name}` (it has {', '.join(frame.columns)}).", hint=hint)
    for name in _FIELDS:
        if name in frame.columns and not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null):
            raise KindError(f"Column {name} must be numbers, received {frame.schema[name]}.")
    for name in (*keys, "date"):
        if frame[name].null_count():
            raise LabelError(f"Column {name} has a null at row {int(frame[name].is_null().arg_max() or 0)}.")
    group, names = _groups(frame, keys)
    moments, days = _moments(frame["date"])
    order = None
    if not _increasing(group, moments):
        order = np.argsort(_small(moments), kind="stable")
        order = order[np.argsort(_small(group)[order], kind="stable")]
        group, moments, days = group[order], moments[order], days[order]
    table = _Table(frame, keys, group, names, order, days)
    if order is not None and not _increasing(group, moments):
        _raise_twice(table, np.flatnonzero((group[1:] == group[:-1]) & (moments[1:] == moments[:-1])))
    return table


def _raise_twice(table: _Table, twice: np.ndarray) -> None:
    more = f" and {twice.size - 1} more" if twice.size > 1 else ""
    row = int(twice[0] + 1 if table.order is None else table.order[twice[0] + 1])
    name = _action_events.label(table.frame[[row]], table.by)[0]
    raise LabelError(
        f"The frame has {name} {table.frame['date'][row]} twice{more}.",
        hint='drop one of each; where two sources are in one frame, name both columns: `by=("src", "symbol")`.',
    )


def _groups(frame: pl.DataFrame, by: tuple[str, ...]) -> tuple[np.ndarray, pl.DataFrame]:
    """The number of each row's series, sorted by name, and the names."""
    codes, levels = [], []
    for name in by:
        text = frame[name].cast(pl.String)
        level = text.unique().sort()
        codes.append(text.cast(pl.Enum(level)).to_physical().to_numpy())
        levels.append(level)
    if len(by) == 1:
        return codes[0], pl.DataFrame({by[0]: levels[0]})
    group = codes[0].astype(np.int64)
    for code, level in zip(codes[1:], levels[1:], strict=True):
        group = group * level.len() + code
    held, group = np.unique(group, return_inverse=True)
    first = np.zeros(held.size, dtype=np.int64)
    first[group] = np.arange(group.size)
    return group, frame[first].select(pl.col(name).cast(pl.String) for name in by)


def _moments(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Each row's time as an integer, and the day it counts to."""
    if column.dtype == pl.Date:
        return column.to_physical().to_numpy(), column.to_numpy()
    if not isinstance(column.dtype, pl.Datetime):
        raise KindError(f"Column date must be Date or Datetime, received {column.dtype}.", hint="`.str.to_date()`.")
    if column.dtype.time_zone is None:
        raise KindError(
            "Column date has clock times without a time zone.",
            hint='`.cast(pl.Date)` for daily bars, `.dt.replace_time_zone("America/New_York")` for intraday ones.',
        )
    # A bar is named by its end: one that ends at midnight belongs to the day that ends there.
    days = column.dt.offset_by("-1us").dt.date().to_numpy()
    return column.dt.epoch("us").to_numpy(), days


def _increasing(group: np.ndarray, moments: np.ndarray) -> bool:
    """Whether rows are in the order of series and time, and none stands twice."""
    return bool(((group[1:] > group[:-1]) | ((group[1:] == group[:-1]) & (moments[1:] > moments[:-1]))).all())


def _small(codes: np.ndarray) -> np.ndarray:
    """Integers from 0 on, in 16 bits where they fit: NumPy sorts these by radix, ten times as fast."""
    codes = codes - codes.min()
    return codes.astype(np.uint16) if codes.max() < 2**16 else codes
