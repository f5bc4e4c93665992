"""What the tables of this package demand of a frame: its columns, their types, and whole half-open intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import Bars, DataError, InputError, KindError, LabelError, Panel
from quantlab.core._labels import DAY
from quantlab.data.calendars._moments import day

# A day before every table and one after every table, where an interval is open on that side.
EVER, NEVER = np.datetime64("0001-01-01"), np.datetime64("9999-12-31")


def checked(
    frame: object, columns: Mapping[str, pl.DataType], *, name: str, optional: tuple[str, ...] = ()
) -> pl.DataFrame:
    """Return the named columns of a frame in that order; an optional one that is absent is null throughout.

    Text columns take what Polars can show as text, dates take Date alone.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        raise KindError(f"`{name}` must be a Polars frame, received {type(frame).__name__}.")
    missing = [column for column in columns if column not in frame.columns and column not in optional]
    if missing:
        raise InputError(
            f"`{name}` needs the column `{missing[0]}`, and has {', '.join(frame.columns) or 'none'}.",
            hint="rename your column: `frame.rename({...})`.",
        )
    wanted = []
    for column, kind in columns.items():
        if column not in frame.columns:
            wanted.append(pl.lit(None, dtype=kind).alias(column))
            continue
        found = frame.schema[column]
        if not _fits(found, kind):
            hint = "parse it first: `.str.to_date()`, or `.cast(pl.Date)` for midnights." if kind == pl.Date else None
            raise KindError(f"Column {column} of `{name}` must be {_word(kind)}, received {found}.", hint=hint)
        wanted.append(pl.col(column).cast(kind))
    return frame.select(wanted)


def distinct(**columns: str) -> None:
    """Raise InputError where two arguments name one column."""
    seen: dict[str, str] = {}
    for argument, column in columns.items():
        if column in seen:
            raise InputError(f"`{seen[column]}` and `{argument}` name one column, {column!r}.")
        seen[column] = argument


def demand_met(found: pl.Series, symbols: Collection[str], *, name: str, others: str = "like") -> None:
    """Raise LabelError where a table has symbols and none of them is asked for: then names differ, not facts."""
    if found.is_empty() or not symbols or found.is_in(list(symbols)).any():
        return
    theirs = found.unique(maintain_order=True).to_list()
    raise LabelError(
        f"No symbol of `{name}` is one of `{others}`: {_some(theirs)} against {_some(list(symbols))}.",
        hint="are they ids and tickers, or BRK.B and BRK-B? `SymbolHistory.intervals_by_id` brings tickers to ids.",
    )


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:3])}{f' and {len(names) - 3:,} more' if len(names) > 3 else ''}"


def no_null(frame: pl.DataFrame, columns: tuple[str, ...], *, name: str) -> None:
    """Raise DataError naming the first row in which one of the columns is null or an empty text."""
    for column in columns:
        bad = frame[column].is_null()
        if frame.schema[column] == pl.String:
            bad |= (frame[column] == "").fill_null(False)
        if bad.any():
            raise DataError(f"Column {column} of `{name}` has no value at row {int(bad.arg_max() or 0)}.")


def forward(frame: pl.DataFrame, *, name: str, who: str = "symbol") -> None:
    """Raise DataError naming the first interval that ends where it starts or before."""
    bad = frame.filter(pl.col("end") <= pl.col("start"))
    if bad.height:
        first = bad.row(0, named=True)
        raise DataError(
            f"{first[who]} {first['start']}{more(bad.height)} of `{name}` ends on {first['end']}; an interval ends "
            "after it starts.",
            hint="`end` is the first day on which it no longer holds.",
        )


def one_day(value: Any, name: str) -> date:
    """Return a day as a date."""
    return date.fromisoformat(str(day(value, name)))


def more(count: int) -> str:
    """The words for the offenders after the first."""
    return f" and {count - 1} more" if count > 1 else ""


def labels(like: object, *, name: str = "like") -> Panel:
    """Return a Panel that carries the labels: of Bars their close."""
    panel = like.close if isinstance(like, Bars) else like
    if not isinstance(panel, Panel):
        raise KindError(
            f"`{name}` must be a Panel or Bars, received {type(like).__name__}.", hint="`ql.as_panel(frame)`."
        )
    return panel


def row_span(days: np.ndarray, start: pl.Series, end: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return for each interval its first row and the row past its last on a (T,) axis of days."""
    low = np.where(start.is_null().to_numpy(), EVER, start.fill_null(pl.lit(0).cast(pl.Date)).to_numpy())
    high = np.where(end.is_null().to_numpy(), NEVER, end.fill_null(pl.lit(0).cast(pl.Date)).to_numpy())
    return np.searchsorted(days, low.astype(DAY)), np.searchsorted(days, high.astype(DAY))


def _fits(found: pl.DataType, wanted: pl.DataType) -> bool:
    if found == pl.Null:
        return True
    if wanted == pl.String:
        return found in (pl.String, pl.Categorical, pl.Enum)
    if wanted == pl.Float64:
        return found.is_numeric()
    return found == wanted


def _word(kind: Any) -> str:
    return {pl.String: "text", pl.Date: "a Date", pl.Float64: "numbers"}.get(kind, str(kind))


def vintages(rows: pl.DataFrame, *, until: object, name: str = "frame") -> pl.DataFrame:
    """Return dated lists (symbol, start, ...) with the ``end`` of each row: the day of the next list, or ``until``."""
    no_null(rows, ("symbol", "start"), name=name)
    doubled = rows.filter(pl.struct("symbol", "start").is_duplicated())
    if doubled.height:
        first = doubled.sort("start", "symbol").row(0, named=True)
        raise DataError(f"{first['symbol']} stands twice in the list of {first['start']}.")
    lists = rows.select(pl.col("start").unique().sort())
    last = None if until is None else one_day(until, "until")
    if last is not None and lists.height and last <= lists["start"].to_list()[-1]:
        raise InputError(f"`until` must come after the last list, {lists['start'][-1]}, received {last}.")
    lists = lists.with_columns(end=pl.col("start").shift(-1, fill_value=pl.lit(last, dtype=pl.Date)))
    return rows.join(lists, on="start", how="left")
