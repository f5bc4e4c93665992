"""The tables that ride on ``Bars``: corporate actions and borrow data, cut to the symbols and dates of the bars.

Their full schema stands in ``quantlab.data.schemas``; here are the columns that the core needs to keep them consistent
with the Panels beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import _labels
from quantlab.core._errors import DataError, InputError, KindError, LabelError
from quantlab.core._lazy import lazy

if TYPE_CHECKING:
    import hashlib

    import polars as pl
else:
    pl = lazy("polars")

_ORDER = {"actions": ("date", "symbol", "kind"), "borrow": ("date", "symbol")}
_NEEDED = {"actions": ("symbol", "date", "kind", "value"), "borrow": ("symbol", "date", "rate")}


def cut(table: Any, name: str, dates: np.ndarray, symbols: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows of a table that concern the bars, sorted.

    Actions: those with an ex-date from the first to the last date. Borrow data: those from the first to the last date,
    and for each symbol the row before, which still holds on the first. Of intraday bars the days in UTC count, and the
    day after, since in the exchange's time zone it may have begun.

    Raises
    ------
    KindError
        When it is no Polars frame, or its dates are not of type Date.
    InputError
        When a column is missing.
    LabelError
        When an action (symbol, date, kind) or a borrow row (symbol, date) stands twice: it would be booked twice.
    DataError
        When a conversion among the rows does not say into what, is into its own symbol, or has no number of shares.
    """
    if not isinstance(table, pl.DataFrame):
        raise KindError(
            f"`{name}` must be a Polars DataFrame, received {type(table).__name__}.",
            hint=f"its columns are {', '.join(_NEEDED[name])}: `ql.data.schemas.TABLES['{name}']`.",
        )
    for column in _NEEDED[name]:
        if column not in table.columns:
            raise InputError(f"`{name}` has no column `{column}` (it has {', '.join(table.columns) or 'none'}).")
    if table.schema["date"] != pl.Date:
        raise KindError(f"Column date of `{name}` must be of type Date, received {table.schema['date']}.")
    texts = [column for column in ("symbol", "kind", "into") if table.schema.get(column) not in (None, pl.String)]
    table = table.with_columns(pl.col(texts).cast(pl.String)) if texts else table
    day, symbol = pl.col("date"), pl.col("symbol")
    first, after = _days(dates)
    rows = table.filter(symbol.is_in(symbols), day <= after).sort(_ORDER[name], maintain_order=True)
    if name == "actions":
        rows = rows.filter(day >= first)
        _demand_once(rows, name)
        _demand_into(rows)
        return rows
    still = day.filter(day <= first).max().over("symbol")
    rows = rows.filter((day >= first) | (day == still))
    _demand_once(rows, name)
    return rows


def strangers(table: pl.DataFrame, name: str, dates: np.ndarray, symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the symbols whose rows :func:`cut` leaves out although their dates are those of the bars, sorted."""
    first, after = _days(dates)
    day, symbol = pl.col("date"), pl.col("symbol").cast(pl.String)
    rows = table.filter(day <= after, *([day >= first] if name == "actions" else []))
    return tuple(rows.select(symbol.filter(~symbol.is_in(symbols)).unique().sort())["symbol"].to_list())


def without(table: pl.DataFrame | None, symbols: Sequence[str]) -> pl.DataFrame | None:
    """Return a table without the rows of ``symbols``, which somebody left out on purpose."""
    return None if table is None else table.filter(~pl.col("symbol").cast(pl.String).is_in(symbols))


def _days(dates: np.ndarray) -> tuple[date, date]:
    """The first and the last day of a table that concern the bars."""
    first, last = dates[[0, -1]].astype(_labels.DAY)
    return first.item(), (last if dates.dtype == _labels.DAY else last + np.timedelta64(1, "D")).item()


def _demand_once(rows: pl.DataFrame, name: str) -> None:
    """Raise for the first row of a sorted table that has the keys of the row before."""
    keys = _ORDER[name]
    twice = rows.filter(pl.all_horizontal(pl.col(key) == pl.col(key).shift() for key in keys))
    if twice.height == 0:
        return
    first = twice.row(0, named=True)
    more = f" and {twice.height - 1} more" if twice.height > 1 else ""
    what, hint = f"The {first.get('kind')}", "keep one row per symbol, date and kind; two dividends of one date add up."
    if name == "borrow":
        what, hint = "The borrow row", "keep one row per symbol and date."
    verb = "stand" if more else "stands"
    raise LabelError(f"{what} of {first['symbol']} {first['date']}{more} {verb} twice in `{name}`.", hint=hint)


def _demand_into(actions: pl.DataFrame) -> None:
    """Raise for the first conversion that cannot be booked: what it turns into is no matter of taste."""
    rows = actions.filter(pl.col("kind") == "conversion")
    if rows.height == 0:
        return
    rows = rows if "into" in rows.columns else rows.with_columns(into=pl.lit(None, pl.String))
    into, value = pl.col("into"), pl.col("value").cast(pl.Float64, strict=False)
    for bad, shown, says in (
        (into.is_null() | (into == ""), "into", "column `into` names the symbol whose shares take over"),
        (into == pl.col("symbol"), "into", "it is into another symbol (a new ratio of the same is a split)"),
        ((~(value > 0) | ~value.is_finite()).fill_null(True), "value", "it is shares of `into` per share, above 0"),
    ):
        found = rows.filter(bad)
        if found.height:
            first = found.row(0, named=True)
            more = f" and {found.height - 1} more" if found.height > 1 else ""
            got = "missing" if first[shown] in (None, "") else first[shown]
            raise DataError(
                f"The conversion of {first['symbol']} {first['date']}{more} has {shown} {got}; {says}.",
                hint="correct the row, or leave it out.",
            )


def hash_into(digest: hashlib._Hash, name: str, table: pl.DataFrame) -> None:
    """Feed a table to a hash: equal rows in equal columns give equal bytes."""
    digest.update(f"{name} {table.height}".encode())
    for column in sorted(table.columns):
        values = table[column]
        text = values.dtype in (pl.String, pl.Categorical, pl.Enum)
        kind = "text" if text else "float" if values.dtype.is_float() else "other"
        digest.update(f" {column} {kind}".encode())
        digest.update(np.packbits(values.is_null().to_numpy()).tobytes())
        if text:
            texts = values.cast(pl.String).fill_null("")
            names = texts.unique().sort()
            for word in names.to_list():
                digest.update(b"%d:%s" % (len(word.encode()), word.encode()))
            numbers = texts.cast(pl.Enum(names)).to_physical().to_numpy()
            digest.update(numbers.astype(np.int64).tobytes())
        elif kind == "float":
            floats = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
            # Equal numbers count as equal, whatever their bits.
            digest.update((np.where(np.isnan(floats), np.nan, floats) + 0.0).tobytes())
        else:
            digest.update(values.to_physical().cast(pl.Int64).fill_null(0).to_numpy().tobytes())
