"""``from_frame``: any frame of dated numbers, long or wide, as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

import numpy as np
import polars as pl

from quantlab.core import InputError, KindError
from quantlab.core import _labels as labels
from quantlab.data.events import _delays, _moments
from quantlab.data.events import _table as tables
from quantlab.data.events._lags import Lag, as_lag
from quantlab.data.events._table import Events
from quantlab.data.schemas import MOMENT

# A day outside of these is a slip of the pen (for_year 1215); moments of Polars and calendars reach farther.
FIRST, LAST = date(1900, 1, 1), date(2200, 1, 1)

Fields = str | Sequence[str] | Mapping[str, str] | None


def from_frame(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    symbol: str = "id",
    event: str = "event_time",
    available: str | None = None,
    lag: str | Lag | None = None,
    fields: Fields = None,
    withdrawn: bool = False,
    scheduled: bool = False,
    zone: str = "America/New_York",
) -> Events:
    """Return events from a frame, long (``field``, ``value``) or wide (a column per field).

    A column of days given as ``event`` means midnight UTC of that day, a label and no claim about the clock. A column
    of days given as ``available`` means the *end* of that day in ``zone``, since nobody says when in the day: the
    first bar that knows it is the next session's. Days must come as Date: a Datetime column of midnights alone is
    refused where it says when something was known or where a lag starts.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
    symbol : str
        Column of ids.
    event : str
        Column of days or moments of which the values speak.
    available : str, optional
        Column of days or moments from which on they were known. Its nulls take ``lag`` where one is given.
    lag : str | Lag, optional
        Where there is no such column: a kind of :func:`lags` or your own :class:`Lag`, counted from ``event``.
    fields : str, sequence of str, or mapping of column to field name, optional
        The columns that hold values. Without it the frame is long: columns ``field`` and ``value``.
    withdrawn : bool
        Whether a null value says that an earlier one was withdrawn. By default nulls are values that were never there,
        and are counted in ``left_out``.
    scheduled : bool
        Whether values may be known before their event: announced dates, forecasts.
    zone : str
        IANA time zone in which a day given as ``available`` ends.

    Returns
    -------
    Events

    Raises
    ------
    InputError
        For an unknown column, or when neither ``available`` nor ``lag`` says when values were known.
    KindError
        For columns of wrong type, clock times without a time zone, or midnights in place of days.
    DataError
        When two rows have the same id, field, event and availability, a value is infinite, or a reported value is
        available before its event: the first is named.

    Examples
    --------
    >>> frame = pl.DataFrame({"id": ["A"], "quarter": [date(2024, 3, 31)], "filed": [date(2024, 5, 3)], "eps": [1.1]})
    >>> from_frame(frame, event="quarter", available="filed", fields="eps").table.row(0)[2].isoformat()
    '2024-05-04T04:00:00+00:00'
    """
    frame = taken(frame, (symbol, event, *([] if available is None else [available])))
    if available is None and lag is None:
        raise InputError(
            "Nothing says when these values were known.",
            hint='name the column, `available="filed"`, or the lag, `lag="annual_report"`; `lags()` lists the kinds.',
        )
    spans = None if lag is None else as_lag(lag)
    return build(
        frame,
        Plan(symbol, event, available, zone, withdrawn, scheduled),
        fields=fields,
        lag=spans,
        name=lag if isinstance(lag, str) else "own",
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """Which column means what, and what is legal."""

    symbol: str
    event: str
    available: str | None
    zone: str = "America/New_York"
    withdrawn: bool = False
    scheduled: bool = False
    made: bool = False  # `available` was made here, so that a midnight is one


def build(frame: pl.DataFrame, plan: Plan, *, fields: Fields, lag: Lag | None, name: str = "") -> Events:
    """Return the events of a frame whose columns exist."""
    frame, lost = _possible(frame, plan)
    event = _label(frame, plan.event)
    known, assumed, moved = _known(frame, plan, event, lag, name)
    heads = [tables.text(frame, plan.symbol, "id"), event, known]
    values = _values(frame, fields, exclude={plan.symbol, plan.event, plan.available})
    table = pl.DataFrame(heads).with_columns(values)
    if fields is not None:
        names = [column.name for column in values]
        keys = ["id", "event_time", "available_time"]
        # Names that no column of values has: `value` is a common one.
        table = table.unpivot(on=names, index=keys, variable_name="__field", value_name="__value")
        table = table.select(*keys, pl.col("__field").alias("field"), pl.col("__value").alias("value"))
    table = table.select(tables.COLUMNS)
    empty = table.filter(pl.col("value").is_null())
    if not plan.withdrawn and empty.height:
        table = table.filter(pl.col("value").is_not_null())
        lost.append(("no value", empty.height, tables.place(empty)))
    if not plan.scheduled:
        tables.demand_after(table)
    note = " ".join(filter(None, (_note(frame, plan, lag, name, assumed), moved)))
    return Events(table.sort(*tables.KEY), note, tables.left_out(lost))


def taken(frame: object, columns: Sequence[str]) -> pl.DataFrame:
    """Return the collected frame, or raise naming the first column that it does not have."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        raise KindError(f"`frame` must be a Polars frame, received {type(frame).__name__}.")
    for column in columns:
        if column not in frame.columns:
            near = get_close_matches(str(column), frame.columns, n=1)
            shown = f"{', '.join(frame.columns[:6])}{', ...' if frame.width > 6 else ''}"
            raise InputError(
                f"The frame has no column {column!r}.",
                hint=f"did you mean {near[0]!r}?" if near else f"it has {shown}.",
            )
    return frame


def numeric(frame: pl.DataFrame, fields: Fields, exclude: set[str | None]) -> dict[str, str]:
    """Return the columns of values and their field names; by default every column of numbers."""
    if fields is None:
        found = [name for name, kind in frame.schema.items() if kind.is_numeric() and name not in exclude]
        if not found:
            raise InputError(f"The frame has no column of numbers beside {', '.join(filter(None, exclude))}.")
        return {name: name for name in found}
    names = named(fields)
    taken(frame, tuple(names))
    _demand_apart(names, exclude)
    return names


def _demand_apart(names: Mapping[str, str], exclude: set[str | None]) -> None:
    clash = [name for name in names if name in exclude]
    if clash:
        raise InputError(f"Column {clash[0]!r} is in `fields` and says who or when, too.")


def named(fields: object, *, name: str = "fields") -> dict[str, str]:
    """Return columns and the names of their fields, or raise where one is named twice or is no text."""
    if isinstance(fields, Mapping):
        pairs = list(fields.items())
    elif isinstance(fields, Sequence) and not isinstance(fields, bytes):
        pairs = [(one, one) for one in ([fields] if isinstance(fields, str) else fields)]
    else:
        raise KindError(
            f"`{name}` must be a column, a list of them or a mapping to names, received {type(fields).__name__}."
        )
    if not pairs:
        raise InputError(f"`{name}` names no column.")
    for pair in pairs:
        if not all(isinstance(one, str) for one in pair):
            raise KindError(
                f"`{name}` must hold texts, and has {next(one for one in pair if not isinstance(one, str))!r}."
            )
    columns = [column for column, _ in pairs]
    doubled = [column for column in columns if columns.count(column) > 1]
    if doubled:
        raise InputError(f"`{name}` names the column {doubled[0]!r} twice.")
    if len({one for _, one in pairs}) != len(pairs):
        raise InputError(f"`{name}` gives one name to two columns: {', '.join(one for _, one in pairs)}.")
    return dict(pairs)


def _possible(frame: pl.DataFrame, plan: Plan) -> tuple[pl.DataFrame, list[tuple[str, int, str]]]:
    """The rows that have an id and a possible date, and what the others lack."""
    kind = frame.schema[plan.event]
    if not isinstance(kind, (pl.Date, pl.Datetime)):
        raise KindError(
            f"Column {plan.event} must hold days or moments, received {kind}.",
            hint=f'parse texts first: `pl.col("{plan.event}").str.to_date()`.',
        )
    lost = []
    named = pl.col(plan.symbol).is_not_null()
    dated = pl.col(plan.event).is_not_null()
    possible = pl.col(plan.event).dt.date().is_between(FIRST, LAST)
    for rule, good in (("no id", named), ("no date", dated), ("impossible date", possible)):
        bad = frame.filter(~good)
        if bad.height:
            lost.append((rule, bad.height, f"{bad[plan.symbol][0]} {bad[plan.event][0]}"))
            frame = frame.filter(good)
    return frame, lost


def _note(frame: pl.DataFrame, plan: Plan, lag: Lag | None, name: str, assumed: str | None) -> str:
    said = []
    if plan.available is not None and isinstance(frame.schema[plan.available], pl.Date):
        said.append(f"Days of {plan.available} count from their end in {plan.zone}.")
    if lag is not None and assumed is not None:
        why = f"{name}: {lag.source}" if lag.source else name
        said.append(f"Known by assumption{assumed}: {lag.text} ({why}).")
    return " ".join(said)


def _label(frame: pl.DataFrame, column: str) -> pl.Series:
    """The event's moment: a day is midnight UTC of that day, a label and no clock time."""
    if isinstance(frame.schema[column], pl.Date):
        return frame[column].cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("event_time")
    return tables.moments(frame, column, "event_time")


def _known(
    frame: pl.DataFrame, plan: Plan, event: pl.Series, lag: Lag | None, name: str
) -> tuple[pl.Series, str | None, str]:
    """When each row was known; for how many of them that is assumed: "", " for 3 of 9 rows", or None; and which
    releases were later than assumed.
    """
    given = None
    if plan.available is not None:
        kind = frame.schema[plan.available]
        if isinstance(kind, pl.Date):
            given = frame[plan.available].alias("day")
            holes = given.is_null()
            ends = _moments.local(given.drop_nulls().to_numpy(), 24 * 60, plan.zone)
            stamps = np.full(len(given), np.datetime64("NaT", "us"))
            stamps[~holes.to_numpy()] = ends
            given = _moments.series(stamps, "available_time")
        else:
            read = tables.moments if plan.made else tables.clock_times
            given = read(frame, plan.available, "available_time")
        if lag is None or not given.null_count():
            return given, None, ""
    if lag is None:
        raise InputError("Nothing says when these values were known.", hint="pass `available=` or `lag=`.")
    if isinstance(frame.schema[plan.event], pl.Date):
        days = frame[plan.event]
    else:
        days = _moments.local_days(tables.clock_times(frame, plan.event), lag.zone)
    from_days = days.to_numpy().astype(labels.DAY)
    moments, moved = _delays.later(name, from_days, _moments.known_from(from_days, lag), lag)
    known = _moments.series(moments, "lag")
    # A morning in Tokyo comes before the label of its day, midnight UTC; no lag ends before the event.
    assumed = pl.DataFrame([event, known]).select(pl.max_horizontal("event_time", "lag").alias("available_time"))
    if given is None:
        return assumed.to_series(), "", moved
    both = assumed.select(pl.coalesce(given.alias("given"), "available_time").cast(MOMENT).alias("available_time"))
    return both.to_series(), f" for {given.null_count():,} of {len(given):,} rows", moved


def _values(frame: pl.DataFrame, fields: Fields, exclude: set[str | None]) -> list[pl.Series]:
    """The columns of values under their field names, or ``field`` and ``value`` of a long frame."""
    if fields is None:
        taken(frame, ("field", "value"))
        return [tables.text(frame, "field"), tables.numbers(frame, "value")]
    names = named(fields)
    taken(frame, tuple(names))
    _demand_apart(names, exclude)
    reserved = [name for name in names.values() if name in ("id", "event_time", "available_time")]
    if reserved:
        raise InputError(f"A field cannot be called {reserved[0]!r}, the name of a column of the events table.")
    return [tables.numbers(frame, column, name) for column, name in names.items()]
