"""What a long frame of bars must be before it is stored: columns, types, and values, each refused with the first
offender's name. The other tables are checked by ``_tables``.

Nothing is repaired here. The frame is sorted, NaN becomes null (one way to say "missing" at rest), numbers become
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from quantlab.core import DataError, InputError, KindError, LabelError
from quantlab.data.schemas import MOMENT

PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume", "member", "adj_close")
UNITS = {
    **dict.fromkeys((*PRICES, "adj_close"), "currency per share"),
    "volume": "shares",
    "member": "true or false",
}
TEXT = (pl.String, pl.Categorical, pl.Enum)
# Control characters and halves of surrogate pairs: `Panel` refuses such symbols.
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}]"
_ALIASES = ("ticker", "sym", "asset")


def checked(frame: Any, dataset: str, *, intraday: bool = False) -> pl.DataFrame:
    """Return ``frame`` sorted by symbol and date, in the types of the store.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
        Long: ``date`` (Date; when intraday a moment with its time zone), ``symbol`` (text), ``close``, and any of
        ``open high low volume member adj_close``.
    dataset : str
        What to call it in an error.
    intraday : bool
        Whether a date is the moment at which the bar ended.

    Returns
    -------
    polars.DataFrame
        ``date`` Date or Datetime in UTC, ``symbol`` Enum of the sorted symbols, then the fields in the order of
        ``FIELDS``: Float64, null where missing; ``member`` Boolean.

    Raises
    ------
    InputError
        For missing or unknown columns, or no rows.
    KindError
        For a column of a wrong type, or anything but a Polars frame.
    LabelError
        For a missing date or symbol, or a (date, symbol) that stands twice.
    DataError
        For a price that is zero, negative or infinite, a negative or infinite volume, or a missing membership.
    """
    table = _columns(frame, dataset)
    _types(table, dataset, intraday)
    if table.height == 0:
        raise InputError(f"The frame for dataset {dataset} has no rows.", hint="check the filter or file it came from.")
    _labels(table, dataset)
    present = [name for name in FIELDS if name in table.columns]
    symbols = table["symbol"].unique().cast(pl.String).sort()
    table = table.select(
        utc("date") if intraday else pl.col("date"),
        pl.col("symbol").cast(pl.String).cast(pl.Enum(symbols)),
        *(pl.col(name) if name == "member" else pl.col(name).cast(pl.Float64).fill_nan(None) for name in present),
    ).sort("symbol", "date")
    _single(table, dataset)
    _values(table, dataset)
    return table


def utc(name: str) -> pl.Expr:
    """A column of moments with a time zone, in UTC and microseconds."""
    return pl.col(name).dt.convert_time_zone("UTC").cast(MOMENT)


def frame_of(frame: Any, what: str) -> None:
    """Raise KindError unless ``frame`` is a Polars frame."""
    if not isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
        kind = type(frame)
        hint = "convert it: `pl.from_pandas(frame.reset_index())`." if kind.__module__.startswith("pandas") else None
        raise KindError(
            f"{what} needs a Polars frame, received {kind.__module__.split('.')[0]}.{kind.__name__}.", hint=hint
        )


def _columns(frame: Any, dataset: str) -> pl.DataFrame:
    frame_of(frame, f"Dataset {dataset}")
    schema = frame.collect_schema()
    names = schema.names()
    for needed in ("date", "symbol", "close"):
        if needed not in names:
            raise InputError(
                f"The frame for dataset {dataset} has no column `{needed}` (it has {few(names)}).",
                hint=_way_out(needed, schema),
            )
    unknown = [name for name in names if name not in ("date", "symbol", *FIELDS)]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        hint = f"known are date, symbol, {', '.join(FIELDS)}; drop or rename the others."
        if unknown[0].lower() in FIELDS:
            hint = f'rename it: `frame.rename({{"{unknown[0]}": "{unknown[0].lower()}"}})`.'
        raise InputError(
            f"The frame for dataset {dataset} has a column the store does not know: {unknown[0]}{more}.", hint=hint
        )
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


def _way_out(needed: str, schema: pl.Schema) -> str:
    near = [name for name in schema if name.lower() == needed]
    if not near and needed == "symbol":
        # Text only: in a wide frame SYM is a ticker itself, over a column of prices.
        near = [name for name, kind in schema.items() if name.lower() in _ALIASES and kind in TEXT]
    if near:
        return f'rename it: `frame.rename({{"{near[0]}": "{needed}"}})`.'
    if needed == "symbol":
        return 'a wide frame becomes long by `frame.unpivot(index="date", variable_name="symbol", value_name="close")`.'
    return f"a long frame has one row per date and symbol; rename the column that holds the {needed}."


def _types(table: pl.DataFrame, dataset: str, intraday: bool) -> None:
    kind = table.schema["date"]
    if intraday:
        moments(kind, "date", f"dataset {dataset}")
    elif kind != pl.Date:
        raise KindError(f"Column date of dataset {dataset} must be of type Date, received {kind}.", hint=day(kind))
    if table.schema["symbol"] not in TEXT:
        raise KindError(
            f"Column symbol of dataset {dataset} must be text, received {table.schema['symbol']}.",
            hint="cast it: `pl.col('symbol').cast(pl.String)`.",
        )
    for name in FIELDS:
        if name not in table.columns:
            continue
        kind = table.schema[name]
        if kind == (pl.Boolean if name == "member" else pl.Null):
            continue
        if name == "member":
            hint = "compare first: `(pl.col('member') == 1).alias('member')`."
            raise KindError(f"Column member of dataset {dataset} must be Boolean, received {kind}.", hint=hint)
        if not kind.is_numeric():
            hint = f"cast it: `pl.col('{name}').cast(pl.Float64)`."
            raise KindError(f"Column {name} of dataset {dataset} must be numbers, received {kind}.", hint=hint)


def moments(kind: pl.DataType, name: str, of: str) -> None:
    """Raise KindError unless a column holds moments with a time zone."""
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return
    wanted = f"Column {name} of {of} must be moments with a time zone"
    if isinstance(kind, pl.Datetime):
        hint = f"say where the clock hangs: `pl.col('{name}').dt.replace_time_zone('America/New_York')`."
        raise KindError(f"{wanted}, received clock times without one.", hint=hint)
    hint = f"a day becomes its midnight in UTC by `pl.col('{name}').cast(pl.Datetime).dt.replace_time_zone('UTC')`."
    raise KindError(f"{wanted}, received {kind}.", hint=hint if kind == pl.Date else None)


def day(kind: pl.DataType, name: str = "date") -> str | None:
    """How a column of this type becomes a Date, never by way of a guess."""
    column = f"pl.col('{name}')"
    if isinstance(kind, pl.Datetime):
        # Not cast(pl.Date), which takes the day in UTC: midnight in Tokyo falls on the day before.
        hint = f"take the day: `{column}.dt.date()`"
        if kind.time_zone is not None:
            hint += f", which is the day in {kind.time_zone}; `.dt.convert_time_zone()` comes first for another"
        return f'{hint}. Intraday bars are stored with `bar="5min"`.' if name == "date" else f"{hint}."
    if kind in TEXT:
        # With its format: a bare to_date() guesses, and reads 06/09/2014 as 6 September.
        text = column if kind == pl.String else f"{column}.cast(pl.String)"
        return f"parse it first: `{text}.str.to_date('%Y-%m-%d')`; US dates `.str.to_date(format='%m/%d/%Y')`."
    if kind.is_integer():
        return f"parse a number such as 20140609 by `{column}.cast(pl.String).str.to_date('%Y%m%d')`."
    return None


def _labels(table: pl.DataFrame, dataset: str) -> None:
    for name in ("date", "symbol"):
        if nulls := table[name].null_count():
            more = f" and {nulls - 1} more" if nulls > 1 else ""
            row = int(table[name].is_null().arg_max() or 0)
            hint = f"drop or repair such rows: `frame.drop_nulls('{name}')`."
            raise LabelError(f"Column {name} of dataset {dataset} is null at row {row}{more}.", hint=hint)
    clean(table["symbol"], f"dataset {dataset}")
    strange = table.lazy().filter(~pl.col("date").dt.year().is_between(1000, 9999)).select("symbol", "date").collect()
    if strange.height:
        more = f" and {strange.height - 1} more" if strange.height > 1 else ""
        year = strange["date"].dt.year()[0]
        raise LabelError(
            f"Dataset {dataset} has a bar of {strange['symbol'][0]} in the year {year}{more}.",
            hint="a year has four digits: dates such as 01/05/24 are read by `str.to_date('%m/%d/%y')`.",
        )


def clean(column: pl.Series, of: str) -> None:
    """Raise LabelError for a symbol that is empty, has blanks around it, or holds a control character."""
    names = column.drop_nulls().unique().cast(pl.String).sort()
    bad = names.filter((names == "") | (names != names.str.strip_chars()) | names.str.contains(_CONTROL))
    if bad.len():
        raise LabelError(
            f"Symbol {bad[0]!r} of {of} is empty, has blanks around it or holds a control character.",
            hint=f"strip the column: `pl.col('{column.name}').str.strip_chars()`.",
        )


def _single(table: pl.DataFrame, dataset: str) -> None:
    """Refuse a doubled (date, symbol); in a sorted table it follows its twin."""
    twice = (pl.col("date") == pl.col("date").shift()) & (pl.col("symbol") == pl.col("symbol").shift())
    found = table.lazy().filter(twice).select("date", "symbol").collect().unique().sort("date", "symbol")
    if found.height == 0:
        return
    fields = ["close", *(name for name in table.columns[2:] if name != "close")]
    both = table.join(found, on=["symbol", "date"], how="semi").sort("date", "symbol")
    groups = both.group_by("symbol", "date", maintain_order=True)
    # Sorted, so that the message does not hang on the order of the rows.
    unlike = groups.agg(pl.col(fields).unique().sort()).filter(
        pl.any_horizontal(pl.col(name).list.len() > 1 for name in fields)
    )
    if unlike.height == 0:
        raise LabelError(
            f"Dataset {dataset} has {_offender(found)} twice, with the same values.",
            hint="keep one row of each: `frame.unique(['date', 'symbol'], keep='last')`.",
        )
    name = next(name for name in fields if len(unlike[name][0]) > 1)
    one, *_, other = (_shown(value) for value in unlike[name][0])
    raise LabelError(
        f"Dataset {dataset} has {_offender(unlike)} twice, with different values: {name} {one} against {other}.",
        hint="one of them must be chosen: drop the rows that are wrong (`unique` would choose blindly).",
    )


def _shown(value: float | bool | None) -> str:
    if value is None:
        return "missing"
    return str(value).lower().removesuffix(".0")


def _values(table: pl.DataFrame, dataset: str) -> None:
    for name in table.columns[2:]:
        column, rule = pl.col(name), "a price must be positive and finite"
        if name == "member":
            bad, rule = column.is_null(), "membership must be true or false"
        elif name == "volume":
            bad, rule = ~((column >= 0) & column.is_finite()), "a volume must be zero or more and finite"
        else:
            bad = ~((column > 0) & column.is_finite())
        found = table.lazy().filter(bad).select("symbol", "date", name).collect().sort("date", "symbol")
        if found.height:
            value = found[name][0]
            shown = "null" if value is None else f"{value:g}"
            hint = None if name == "member" else "a missing value is null or NaN; repair the source or set it to null."
            raise DataError(f"Dataset {dataset} {name} of {_offender(found)} is {shown}; {rule}.", hint=hint)


def _offender(found: pl.DataFrame) -> str:
    more = f" and {found.height - 1} more" if found.height > 1 else ""
    return f"{found['symbol'][0]} {day_text(found['date'][0])}{more}"


def day_text(day: Any) -> str:
    """A day, or a moment in UTC, as people write it."""
    return f"{day:%Y-%m-%d %H:%M:%S} UTC" if isinstance(day, datetime) else str(day)


def few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "no columns"
