"""``sentiment``: posts, news and scores with their own clock times, counted or averaged by session."""

from __future__ import annotations

import numpy as np
import polars as pl

from quantlab.core import InputError, KindError
from quantlab.core import _labels as labels
from quantlab.data.calendars._schedule import schedule
from quantlab.data.events import _moments
from quantlab.data.events import _table as tables
from quantlab.data.events._build import taken
from quantlab.data.events._table import Events
from quantlab.data.schemas import empty


def sentiment(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    symbol: str = "symbol",
    created: str = "created_at",
    values: str | list[str] | None = None,
    format: str | None = None,  # noqa: A002
    calendar: str = "XNYS",
    minutes: int = 0,
) -> Events:
    """Return posts as events of sessions: how many there were, and the mean of their scores.

    A session takes what was created after the close before it and up to its own close; that is known at its close, so
    the bar of a session knows all posts of its day, and those after the close belong to the next.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
        One row per post.
    symbol, created : str
        Columns: id, and moment of creation: a Datetime with a time zone, or text with ``format``.
    values : str or list of str, optional
        Columns of scores to average. The field ``posts`` counts all rows, those without a score too.
    format : str, optional
        Of text: "%a %b %d %H:%M:%S %z %Y" is Twitter's. It must hold the offset from UTC (``%z``).
    calendar : str
        A code of exchange_calendars, or "24/7".
    minutes : int >= 0
        What it takes to collect and score a post: it counts as created so much later.

    Returns
    -------
    Events
        Fields ``posts`` and, by ``values``, ``<name>_mean`` (null scores are left aside; a session without any has no
        row). ``posts`` is 0 on sessions without a post between the symbol's first and the last of the whole frame,
        so that a count does not stand still; a mean does, see ``panel(max_age=)``.

    Raises
    ------
    KindError
        For text without ``format``, or clock times without a time zone.
    InputError, DataError
        As in :func:`from_frame`.

    Examples
    --------
    On 2024-11-29 the NYSE closed at 13:00, 18:00 UTC; what came at 18:30 belongs to Monday:

    >>> frame = pl.DataFrame({"symbol": ["A", "A"], "created_at": ["2024-11-29 17:30 +0000", "2024-11-29 18:30 +0000"]})
    >>> found = sentiment(frame, format="%Y-%m-%d %H:%M %z")
    >>> [(row["available_time"].isoformat(), row["value"]) for row in found.table.rows(named=True)]
    [('2024-11-29T18:00:00+00:00', 1.0), ('2024-12-02T21:00:00+00:00', 1.0)]
    """
    if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 0:
        raise InputError(f"`minutes` must be an integer >= 0, received {minutes!r}.")
    names = [values] if isinstance(values, str) else list(values or [])
    frame = taken(frame, (symbol, created, *names))
    lost = []
    moments = _parsed(frame, created, format)
    for rule, good in (("no id", frame[symbol].is_not_null()), ("no time", moments.is_not_null())):
        bad = frame.filter(~good)
        lost.append((rule, bad.height, "" if bad.is_empty() else f"{bad[symbol][0]} {bad[created][0]}"))
    kept = frame[symbol].is_not_null() & moments.is_not_null()
    posts = pl.DataFrame(
        [
            tables.text(frame, symbol, "id"),
            moments.dt.offset_by(f"{minutes}m").alias("at"),
            *(tables.numbers(frame, name, f"__{name}") for name in names),
        ]
    ).filter(kept)
    if posts.is_empty():
        return Events(empty("events"), "", tables.left_out(lost))
    days, closes = _sessions(posts["at"], calendar)
    place = np.searchsorted(closes, posts["at"].dt.replace_time_zone(None).to_numpy(), side="left")
    posts = posts.with_columns(pl.Series("session", place))
    counts = posts.group_by("id", "session").agg(
        pl.len().cast(pl.Float64).alias("posts"), *(pl.col(f"__{name}").mean().alias(f"{name}_mean") for name in names)
    )
    full = _zeros(counts, int(place.max()))
    table = full.unpivot(index=["id", "session"], variable_name="field", value_name="value").drop_nulls("value")
    when = table["session"].to_numpy()
    table = table.with_columns(
        _moments.series(days[when].astype(labels.MICROSECOND), "event_time"),
        _moments.series(closes[when], "available_time"),
    ).select(tables.COLUMNS)
    note = f"Posts by session of {calendar}, known at its close"
    note += f", {minutes} minutes after they were written." if minutes else "."
    return Events(table.sort(*tables.KEY), note, tables.left_out(lost))


def _parsed(frame: pl.DataFrame, column: str, form: str | None) -> pl.Series:
    if frame.schema[column] != pl.String:
        return tables.moments(frame, column)
    if form is None:
        raise KindError(
            f"Column {column} is text, and nothing says how it is to be read.",
            hint='`format="%a %b %d %H:%M:%S %z %Y"`, or parse it first: `pl.col(...).str.to_datetime(...)`.',
        )
    if "%z" not in form and "%:z" not in form:
        raise KindError(
            f"`format` {form!r} has no offset from UTC.", hint="clock times without a time zone say nothing."
        )
    return frame[column].str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC")


def _sessions(at: pl.Series, calendar: str) -> tuple[np.ndarray, np.ndarray]:
    """Sessions and their closes, from before the first moment to after the last."""
    span = at.dt.replace_time_zone(None).to_numpy().astype(labels.DAY)
    margin = np.timedelta64(15, "D")
    plan = schedule(calendar, span.min() - margin, span.max() + margin)
    rows = plan.rows(span.min() - margin, span.max() + margin)
    return plan.sessions[rows], plan.closes[rows]


def _zeros(counts: pl.DataFrame, last: int) -> pl.DataFrame:
    """The counts with 0 on sessions without a post, from each id's first session to the last of all."""
    spans = counts.group_by("id").agg(pl.col("session").min().alias("start"))
    grid = spans.select("id", pl.int_ranges("start", last + 1).alias("session")).explode("session")
    return grid.join(counts, on=["id", "session"], how="left").with_columns(pl.col("posts").fill_null(0.0))
