"""``sentiment``: posts, news and scores with their own clock times, counted or averaged by session."""

from __future__ import annotations

import numpy as np
import polars as pl

from quantlab.core import InputError, KindError
from quantlab.core import _labels as labels
from quantlab.data.calendars._schedule import schedule
from quantlab.data.events import _moments
from quantlab.data.events import _table as tables
from quantlab.data.events._build import named, taken
from quantlab.data.events._table import Events
from quantlab.data.schemas import empty

_YEAR = 366 * 24 * 60  # minutes


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
        row). ``posts`` is 0 between the symbol's first session and the last of the whole frame where there is no post,
        so that a count does not stand still. Only the first two sessions of such a silence have a row, since a value
        holds until the next: a panel with ``max_age`` loses the zeros of a longer one, and ages count from the second.
        A mean stands until the next, see ``panel(max_age=)``. Neither depends on the order of rows.

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
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 0 <= minutes <= _YEAR:
        raise InputError(f"`minutes` must be an integer >= 0 and at most a year, received {minutes!r}.")
    names = [] if values is None or values == [] else list(named(values, name="values"))
    frame = taken(frame, (symbol, created, *names))
    lost = []
    moments = _parsed(frame, created, format)
    for rule, good in (("no id", frame[symbol].is_not_null()), ("no time", moments.is_not_null())):
        bad = frame.filter(~good)
        lost.append((rule, bad.height, "" if bad.is_empty() else f"{bad[symbol][0]} {bad[created][0]}"))
    kept = frame[symbol].is_not_null() & moments.is_not_null()
    ids, who = _codes(tables.text(frame, symbol, "id").filter(kept))
    at = moments.filter(kept).dt.offset_by(f"{minutes}m").dt.replace_time_zone(None).to_numpy()
    scores = {name: tables.numbers(frame, name).filter(kept).fill_null(np.nan).to_numpy() for name in names}
    if at.size == 0:
        return Events(empty("events"), "", tables.left_out(lost))
    days, closes = _sessions(at, calendar)
    session = np.searchsorted(closes, at, side="left")
    parts = [("posts", *_counts(who, session, days.size))]
    parts += [(f"{name}_mean", *_means(who, session, at, score, days.size)) for name, score in scores.items()]
    # Ids and fields are numbers until the last: a row of text costs what the rest of the row does.
    id_, when, value = (np.concatenate([part[place] for part in parts]) for place in (1, 2, 3))
    fields = pl.Series([name for name, *_ in parts], dtype=pl.String)
    place = np.repeat(np.arange(len(parts)), [part[1].size for part in parts])
    order = np.lexsort((when, fields.rank("ordinal").to_numpy()[place], id_))
    when = when[order]
    table = pl.DataFrame(
        [
            ids.gather(id_[order]),
            _moments.series(days[when].astype(labels.MICROSECOND), "event_time"),
            _moments.series(closes[when], "available_time"),
            fields.gather(place[order]).alias("field"),
            pl.Series("value", value[order]),
        ]
    )
    note = f"Posts by session of {calendar}, known at its close"
    note += f", {minutes} minutes after they were written." if minutes else "."
    return Events(table.select(tables.COLUMNS), note, tables.left_out(lost))


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


def _codes(ids: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """The ids in order, and the number of each row's."""
    known = ids.unique().sort()
    places = pl.DataFrame({"id": known, "place": np.arange(known.len())})
    return known, ids.to_frame().join(places, on="id", how="left", maintain_order="left")["place"].to_numpy()


def _sessions(at: np.ndarray, calendar: str) -> tuple[np.ndarray, np.ndarray]:
    """Sessions and their closes, from before the first moment to after the last."""
    first, last = at.min().astype(labels.DAY), at.max().astype(labels.DAY)
    margin = np.timedelta64(15, "D")
    plan = schedule(calendar, first - margin, last + margin)
    rows = plan.rows(first - margin, last + margin)
    return plan.sessions[rows], plan.closes[rows]


def _counts(who: np.ndarray, session: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Id, session and number of posts: where there are any, and 0 at the first two sessions after without."""
    cells, counts = np.unique(who * width + session, return_counts=True)
    id_, when = cells // width, cells % width
    # Until when there is none: the id's next session with a post, or the end of all.
    until = np.full(cells.size, int(session.max()) + 1)
    same = np.flatnonzero(id_[1:] == id_[:-1])
    until[same] = when[same + 1]
    # The second zero lets `panel(kind="change")` say 0 - 0 until the next post.
    quiet = [cells[when + step < until] + step for step in (1, 2)]
    every = np.concatenate([cells, *quiet])
    return every // width, every % width, np.concatenate([counts, *map(np.zeros_like, quiet)]).astype(np.float64)


def _means(
    who: np.ndarray, session: np.ndarray, at: np.ndarray, score: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Id, session and mean score where there is one; sums run in order of time and score, whatever the rows' order."""
    there = ~np.isnan(score)
    cell, at, score = (who * width + session)[there], at[there], score[there]
    order = np.lexsort((score, at, cell))
    cells, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(score[order], first) if cells.size else score
    return cells // width, cells % width, sums / count
