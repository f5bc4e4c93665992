"""Dates as they are stored: days, or the moments in UTC at which bars ended."""

from __future__ import annotations

import numpy as np
import polars as pl

from quantlab.core import DataError, InputError
from quantlab.data.ingestion import _evidence
from quantlab.data.ingestion._evidence import Fact
from quantlab.data.ingestion._reading import Read


def bars_at_rest(
    found: Read, told: str | None, stamp: str | None, calendar: str | None = None
) -> tuple[Fact, pl.DataFrame, Fact | None]:
    """Return the length of a bar, the bars with their dates as they are stored, and what their times named.

    Parameters
    ----------
    found : Read
    told : str, optional
        The length of a bar as the user says it.
    stamp : "start" | "end", optional
        What times name, as the user says it.
    calendar : str, optional
        Whose sessions the dates are, as the user says it.

    Raises
    ------
    DataError
        When either cannot be read off the times.
    InputError
        When what was told does not go with daily, or with intraday dates.
    """
    bars = found.judged.bars
    if found.daily:
        if told not in (None, "1d"):
            raise InputError(f"The bars are daily, and `bar` says {told}.", hint="a date without a time is a day.")
        return Fact("1d", "dates without times"), bars, None
    length = _evidence.bar_length(bars, told)
    if length is None:
        raise DataError(
            "How long a bar is cannot be read off the times: they have no common step.",
            hint="say it: --bar 1min, --bar 1h.",
        )
    if length.value == "1d":
        raise InputError("The dates have times, and `bar` says 1d.", hint="--time-zone says whose day a time is of.")
    seconds = _evidence.seconds_of(length.value)
    first = found.parts[0]
    local = bars["date"].dt.replace_time_zone("UTC").dt.convert_time_zone(first.stamps.zone or "UTC")
    unknown = stamp is None and first.columns.stamp is None
    whose = _evidence.calendar(local.dt.date().unique().sort().to_numpy(), calendar) if unknown else None
    named = _evidence.stamp(bars["date"], seconds, first.columns.stamp, stamp, whose)
    if named is None:
        raise DataError(
            "Whether the times name the start or the end of a bar cannot be read off them "
            f"({first.source}: the last of a day is {local.dt.strftime('%H:%M').max()!s}).",
            hint="say it: --stamp start or --stamp end.",
        )
    moment = pl.col("date").dt.replace_time_zone("UTC")
    if named.value == "start":
        moment = moment + pl.duration(seconds=seconds, time_unit="us")
    return length, bars.with_columns(moment.alias("date")), named


def days_of(bars: pl.DataFrame, found: Read) -> np.ndarray:
    """Return the distinct days of bars at rest, by the clock that the files showed, (n,) datetime64[D]."""
    dates = bars["date"]
    zone = next((part.stamps.zone for part in found.parts if part.stamps.zone), "UTC")
    if isinstance(dates.dtype, pl.Datetime):
        # A bar that ends at midnight belongs to the day before.
        dates = dates.dt.convert_time_zone(zone).dt.offset_by("-1us").dt.date()
    return dates.unique().sort().to_numpy()
