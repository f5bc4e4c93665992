"""How old what is known is, and how far off what is announced: panels in days or bars."""

from __future__ import annotations

import numpy as np

from quantlab.core import Bars, InputError, Panel, PanelLike
from quantlab.data.events import _event_kernels as kernels
from quantlab.data.events._asof import DAY, known
from quantlab.data.events._table import EventsLike

_SINCE = ("published", "revised", "event")


def age(
    events: EventsLike,
    field: str,
    like: PanelLike | Bars,
    *,
    since: str = "published",
    unit: str = "days",
    series: str | None = None,
    close_time: object = None,
) -> Panel:
    """Return, for each bar and symbol, how long ago the latest event known at the close was published.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame
    field : str
    like : Panel | Bars | Polars frame (T, N)
        As in :func:`panel`.
    since : "published" | "revised" | "event"
        When the latest event was first known; when its present value was; or the event itself (a period's end).
    unit : "days" | "bars"
        Days between the moment and the close, with fractions. Bars: 0 at the first bar that knew it (with
        ``since="event"``, at the first that closed at or after it).
    series, close_time
        As in :func:`panel`.

    Returns
    -------
    Panel (T, N), or (T, 1) with ``series``
        NaN before the first event. In bars also NaN for what was before the first bar's close, since nobody knows how
        many bars there were before these. A withdrawn value has an age like any other. Days since a *forecast's* event
        are negative.

    Raises
    ------
    InputError, KindError, DataError
        As in :func:`panel`.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import UTC, datetime
    >>> row = ("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, 9, tzinfo=UTC), "eps", 1.0)
    >>> events = pl.DataFrame([row], schema=["id", "event_time", "available_time", "field", "value"], orient="row")
    >>> close = Panel([[1.0]] * 3, ["2024-01-02", "2024-01-03", "2024-01-04"], ["A"])
    >>> age(events, "eps", close, close_time="16:00 America/New_York").values[:, 0]
    array([nan, 0.5, 1.5])
    """
    if since not in _SINCE:
        raise InputError(f'`since` must be "published", "revised" or "event", received {since!r}.')
    if unit not in ("days", "bars"):
        raise InputError(f'`unit` must be "days" or "bars", received {unit!r}.')
    rows = known(events, field, like, series=series, strict=False, close_time=close_time)
    after = rows.after_each(0)
    moment = {"published": after.first, "revised": after.last, "event": after.event}[since]
    if unit == "days":
        # Whole microseconds are exact in float64 for 285 years; the difference of the quotients is not.
        now, then, scale = rows.closes.astype(np.float64), moment.astype(np.float64), float(DAY)
    else:
        now, scale = np.arange(rows.closes.size, dtype=np.float64), 1.0
        then = np.searchsorted(rows.closes, moment, side="left").astype(np.float64)
        first = rows.closes[0] if rows.closes.size else 0
        then[moment < first] = np.nan
    order = rows.in_order()
    out = np.empty(rows.like.shape)
    kernels.elapsed(rows.bar[order], rows.column[order], then[order], now, out)
    out /= scale
    return rows.like._like(out)


def days_until(
    events: EventsLike,
    field: str,
    like: PanelLike | Bars,
    *,
    series: str | None = None,
    close_time: object = None,
) -> Panel:
    """Return, for each bar and symbol, the days to the next event that was announced by the bar's close.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame
        Announcements: ``event_time`` is when it will happen, ``available_time`` when that was known
        (``from_frame(scheduled=True)``). A null value at a later ``available_time`` takes the date back.
    field : str
    like : Panel | Bars | Polars frame (T, N)
        As in :func:`panel`.
    series, close_time
        As in :func:`panel`.

    Returns
    -------
    Panel (T, N), days, > 0
        With fractions, from the close to ``event_time``. NaN while nothing is announced. An event that was published
        only when or after it happened never counts: nobody knew it before.

    Raises
    ------
    InputError, KindError, DataError
        As in :func:`panel`.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import UTC, datetime
    >>> row = ("A", datetime(2024, 1, 5, 21, tzinfo=UTC), datetime(2024, 1, 3, 9, tzinfo=UTC), "report", 1.0)
    >>> events = pl.DataFrame([row], schema=["id", "event_time", "available_time", "field", "value"], orient="row")
    >>> close = Panel([[1.0]] * 4, ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"], ["A"])
    >>> days_until(events, "report", close, close_time="16:00 America/New_York").values[:, 0]
    array([nan,  2.,  1., nan])
    """
    rows = known(events, field, like, series=series, strict=False, close_time=close_time)
    # Versions of one event, in the order in which they became known: each holds until the next.
    order = np.lexsort((rows.available, rows.event, rows.column))
    column, event, bar = rows.column[order], rows.event[order], rows.bar[order]
    last = np.r_[(column[1:] != column[:-1]) | (event[1:] != event[:-1]), [True] * bool(order.size)].astype(bool)
    stop = np.searchsorted(rows.closes, event, side="left")  # at its own moment it is no longer to come
    following = np.r_[bar[1:], [0] * bool(order.size)].astype(np.int64)
    stop = np.where(last, stop, np.minimum(stop, following))
    standing = ~np.isnan(rows.value[order])
    out = np.full(rows.like.shape, np.nan)
    kernels.soonest(
        column[standing],
        bar[standing],
        stop[standing],
        event[standing].astype(np.float64),
        rows.closes.astype(np.float64),
        out,
    )
    out /= DAY
    return rows.like._like(out)
