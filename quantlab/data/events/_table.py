"""The events table: what makes a row of it, and the one door through which every frame of events comes.

A row says: about ``id``, for ``event_time``, from ``available_time`` on, ``field`` was ``value``. A value that is
restated is a further row with a later ``available_time``; null means that it was withdrawn. A reported value cannot be
known before the event of which it speaks; a scheduled event (and a forecast) is known before it happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time
from difflib import get_close_matches
from typing import TypeAlias, Union

import polars as pl

from quantlab.core import DataError, InputError, KindError
from quantlab.data.schemas import MOMENT, TABLES

KEY = TABLES["events"].key
COLUMNS = tuple(TABLES["events"].schema)
LEFT_OUT = {"rule": pl.String, "rows": pl.Int64, "first": pl.String}


@dataclass(frozen=True, eq=False)
class Events:
    """A table of events, with what was assumed about it and what was left out of it.

    Parameters
    ----------
    table : polars.DataFrame
        ``id``, ``event_time``, ``available_time``, ``field``, ``value``: the table ``events`` of
        :mod:`quantlab.data.schemas`, sorted by id, field, event and availability. ``store.update(events=...)`` takes
        it.
    note : str
        How the moments of publication were found; the words of every assumed lag.
    left_out : polars.DataFrame
        ``rule``, ``rows`` (how many), ``first`` (the first of them): input rows that are no events.

    Raises
    ------
    InputError, KindError, DataError
        When ``table`` is no events table: as for every frame of events.

    Notes
    -----
    Every function of :mod:`quantlab.data.events` takes Events and plain frames alike.
    """

    table: pl.DataFrame
    note: str = ""
    left_out: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LEFT_OUT))

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", as_table(self.table))
        if not isinstance(self.note, str):
            raise KindError(f"`note` must be text, received {type(self.note).__name__}.")
        if not isinstance(self.left_out, pl.DataFrame) or dict(self.left_out.schema) != LEFT_OUT:
            raise KindError("`left_out` must be a frame of `rule`, `rows` and `first`.")

    def __repr__(self) -> str:
        fields = self.table["field"].unique().sort().to_list()
        shown = ", ".join(fields[:4]) + (f" and {len(fields) - 4} more" if len(fields) > 4 else "")
        lost = int(self.left_out["rows"].sum())
        return (
            f"Events: {self.table.height:,} rows, {self.table['id'].n_unique():,} ids, {len(fields)} fields"
            f"{f' ({shown})' if fields else ''}, {lost:,} values left out. {self.note}".strip()
        )


EventsLike: TypeAlias = Union[Events, pl.DataFrame, "pl.LazyFrame"]


def as_table(events: object) -> pl.DataFrame:
    """Return the events table of Events or of a frame, its columns and types checked."""
    if isinstance(events, Events):
        return events.table
    if isinstance(events, pl.LazyFrame):
        events = events.collect()
    if not isinstance(events, pl.DataFrame):
        raise KindError(
            f"`events` must be Events or a Polars frame, received {type(events).__name__}.",
            hint="`ql.data.events.from_frame(frame, ...)` makes them.",
        )
    missing = [name for name in COLUMNS if name not in events.columns]
    if missing:
        raise InputError(
            f"An events table needs the column `{missing[0]}`, and has {', '.join(events.columns) or 'none'}.",
            hint="`ql.data.events.from_frame(frame, ...)` says which columns mean what.",
        )
    typed = events.select(
        text(events, "id"),
        moments(events, "event_time"),
        moments(events, "available_time"),
        text(events, "field"),
        numbers(events, "value"),
    )
    demand_whole(typed)
    return typed


def text(frame: pl.DataFrame, column: str, name: str | None = None) -> pl.Series:
    """Return a text column, or raise."""
    kind = frame.schema[column]
    if kind not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise KindError(f"Column {column} of the events must be text, received {kind}.")
    return frame[column].cast(pl.String).alias(name or column)


def moments(frame: pl.DataFrame, column: str, name: str | None = None) -> pl.Series:
    """Return a column of moments in UTC, or raise: clock times without a zone are refused, days are no moments."""
    kind = frame.schema[column]
    if not isinstance(kind, pl.Datetime):
        raise KindError(
            f"Column {column} of the events must hold moments (Datetime with a time zone), received {kind}.",
            hint="`ql.data.events.from_frame` takes days too, and says what they mean.",
        )
    if kind.time_zone is None:
        raise KindError(
            f"Column {column} of the events has clock times without a time zone.",
            hint=_DAYS if _midnights(frame[column]) else '`.dt.replace_time_zone("America/New_York")`, or "UTC".',
        )
    return frame[column].dt.convert_time_zone("UTC").cast(MOMENT).alias(name or column)


def clock_times(frame: pl.DataFrame, column: str, name: str | None = None) -> pl.Series:
    """Return moments that say when something was known, or where a lag starts; midnights alone are days, and raise.

    Days that a parser made midnights of would count as known at their start, and in New York as the day before.
    """
    found = moments(frame, column, name)
    for stamps in (found, frame[column]):
        if _midnights(stamps):
            raise KindError(
                f"Column {column} of the events holds midnights alone, such as {stamps.drop_nulls()[0]}: days, and no "
                "clock times.",
                hint=_DAYS,
            )
    return found


_DAYS = "`.cast(pl.Date)` makes days of midnights, and what a day means is said where it is used."


def _midnights(stamps: pl.Series) -> bool:
    told = stamps.drop_nulls()
    return not told.is_empty() and bool((told.dt.time() == time()).all())


def numbers(frame: pl.DataFrame, column: str, name: str | None = None) -> pl.Series:
    """Return a column of finite numbers, NaN as null; text and infinite values raise."""
    kind = frame.schema[column]
    if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
        raise KindError(
            f"Column {column} of the events must be numbers, received {kind}.",
            hint="events hold numbers; texts with a date are `reference` data.",
        )
    column_ = frame[column].cast(pl.Float64).fill_nan(None)
    bad = column_.is_infinite().fill_null(False)
    if bad.any():
        raise DataError(f"Column {column} of the events is infinite at row {bad.arg_max()}{more(int(bad.sum()) - 1)}.")
    return column_.alias(name or column)


def demand_whole(table: pl.DataFrame) -> None:
    """Raise DataError where an id, a field or a moment is missing, or two rows have the same key."""
    for column in KEY:
        holes = table[column].is_null()
        if holes.any():
            raise DataError(
                f"Column {column} of the events has a null at row {holes.arg_max()}{more(int(holes.sum()) - 1)}.",
                hint="drop these rows: `frame.drop_nulls(...)`.",
            )
    if _increasing(table):
        return
    doubled = table.select(pl.struct(KEY).is_duplicated()).to_series()
    if doubled.any():
        raise DataError(
            f"{place(table.filter(doubled))} stands twice with one available_time{more(int(doubled.sum()) - 2)}.",
            hint="keep one row for each id, field, event_time and available_time; a restatement comes later.",
        )


def _increasing(table: pl.DataFrame) -> bool:
    """Whether the keys rise from row to row, so that none stands twice: far cheaper to see than equal rows anywhere."""
    rises = pl.lit(False)
    for column in reversed(KEY):
        before = pl.col(column).shift(1)
        rises = (pl.col(column) > before) | ((pl.col(column) == before) & rises)
    return bool(table.select(rises.fill_null(True).all()).item())


def demand_after(table: pl.DataFrame) -> None:
    """Raise DataError where a reported value is known before the event of which it speaks."""
    early = table.filter(pl.col("available_time") < pl.col("event_time"))
    if early.height:
        raise DataError(
            f"{place(early)} is available at {early['available_time'][0]:%Y-%m-%d %H:%M} UTC, before it happened"
            f"{more(early.height - 1)}.",
            hint="a reported value cannot be; for announced dates and forecasts pass `scheduled=True`.",
        )


def chosen(table: pl.DataFrame, name: object, *, what: str = "field") -> pl.DataFrame:
    """Return the rows of one field; an unknown one raises, naming its nearest neighbour. Without rows, none."""
    if not isinstance(name, str):
        raise KindError(f"`{what}` must be text, received {type(name).__name__}.")
    rows = table.filter(pl.col("field") == name)
    if rows.is_empty() and table.height:
        fields = table["field"].unique().sort().to_list()
        near = get_close_matches(name, fields, n=1)
        shown = f"{', '.join(fields[:5])}{', ...' if len(fields) > 5 else ''}"
        raise InputError(
            f"The events have no field {name!r}.",
            hint=f"did you mean {near[0]!r}?" if near else f"they have {shown}.",
        )
    return rows


def place(rows: pl.DataFrame) -> str:
    """Name the first row: AAPL eps 2014-03-31."""
    first = rows.row(0, named=True)
    when = first["event_time"]
    return f"{first['id']} {first['field']} {when:%Y-%m-%d}" + (f"{when: %H:%M} UTC" if when.time().hour else "")


def more(count: int) -> str:
    """Say how many others there are."""
    return f" and {count:,} more" if count > 0 else ""


def left_out(rows: Sequence[tuple[str, int, str]]) -> pl.DataFrame:
    """Return the report on input rows that are no events, without the rules that found none."""
    return pl.DataFrame([row for row in rows if row[1]], schema=LEFT_OUT, orient="row")
