"""What the data themselves prove: whose sessions the dates are, how prices were adjusted, how long a bar is.

A fact is taken from data only where another reading does not fit them. Where nothing is proved the answer says so and
carries the question that a person must answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from quantlab.core import InputError
from quantlab.core.periods import sessions
from quantlab.data.calendars import Calendar

# The calendars that are held against the dates, the likeliest first: each takes up to a second to build.
_CALENDARS = ("XNYS", "XLON", "XETR", "XTKS", "XHKG", "XTSE", "XASX", "XSHG")
_STRAY = 0.01  # share of dates that may be no session of a calendar that is still taken, with a sentence
_WHOLE = 0.97  # share of the sessions that the dates must cover for the first calendar to be taken without a rival
_AGREE = 1e-4  # relative: two steps of an adjusted series agree within it (vendors round to four digits)
# Seconds of trading before the open and after the close.
_EXTENDED = {"XNYS": (19_800, 14_400), "XNAS": (19_800, 14_400)}
_SURE = 0.95  # share of the steps with an action that must agree with a reading


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact, the evidence in words, and the question that remains, if one does."""

    value: str
    evidence: str
    question: str | None = None


def calendar(days: np.ndarray, told: str | None) -> Fact | None:
    """Return whose sessions ``days`` are, or None when no calendar fits and none was told.

    Parameters
    ----------
    days : (T,) datetime64[D], distinct, sorted
    told : str, optional
        What the user says; the evidence is then about that calendar.

    Raises
    ------
    InputError
        When the told calendar is unknown, or does not reach so far.
    """
    if told is not None:
        held = sessions(told, days[0], days[-1])
        stray = int(np.isin(days, held, invert=True).sum())
        doubt = None
        if stray > _STRAY * days.size:
            doubt = (
                f"Are these dates really {told} sessions? {stray:,} of {days.size:,} are not. Import again with "
                "--replace and --calendar CODE, or --time-zone, if it is another or its days are those of another zone."
            )
        return Fact(told, f"as you said; {_fit(days, held, told)}", doubt)
    if _daily(days):
        every = np.arange(days[0], days[-1] + np.timedelta64(1, "D"))
        return Fact("24/7", f"weekends included: {_fit(days, every, '24/7')}")
    fits: list[tuple[int, int, str, np.ndarray]] = []
    for code in _CALENDARS:
        try:
            held = sessions(code, days[0], days[-1])
        except InputError:
            continue
        stray = int(np.isin(days, held, invert=True).sum())
        fits.append((stray, int(np.isin(held, days, invert=True).sum()), code, held))
        if stray == 0 and days.size >= _WHOLE * held.size and days.size > 250:
            break
    # `min` keeps the first of equals. Sessions without a row count second: data may be a sample of days.
    best = min(fits, key=lambda fit: fit[:2], default=None)
    if best is None or best[0] > _STRAY * days.size:
        return None
    whole = days.size >= _WHOLE * best[3].size and days.size > 250
    if not whole:
        # A sample of days says little of the sessions that it lacks: the likeliest of those that fit.
        best = next(fit for fit in fits if fit[0] == best[0])
    rivals = [] if whole else [fit[2] for fit in fits if fit[0] == best[0] and fit[2] != best[2]]
    question = None
    if rivals:
        question = (
            f"Whose sessions are these dates? They fit {best[2]}, which was taken, and {', '.join(rivals)} as well. "
            "Say --calendar CODE if it is another."
        )
    return Fact(best[2], _fit(days, best[3], best[2]), question)


def _daily(days: np.ndarray) -> bool:
    """Whether (nearly) every day of the calendar is there."""
    span = int((days[-1] - days[0]).astype(np.int64)) + 1
    return days.size >= 14 and days.size >= _WHOLE * span


def _fit(days: np.ndarray, held: np.ndarray, code: str) -> str:
    stray = days[np.isin(days, held, invert=True)]
    absent = held[np.isin(held, days, invert=True)]
    said = f"all {days.size:,} dates are {code} sessions"
    if stray.size:
        shown = ", ".join(str(day) for day in stray[:3]) + (" and more" if stray.size > 3 else "")
        said = f"{days.size - stray.size:,} of {days.size:,} dates are {code} sessions, but not {shown}"
    if absent.size:
        said += f"; {absent.size:,} session{'s'[: absent.size > 1]} between the first and the last without a row"
    return said


def adjusted(bars: pl.DataFrame, events: pl.DataFrame, told: str | None) -> Fact:
    """Return how prices were adjusted.

    The steps of the vendor's own adjusted close are held against three readings of the close on every date with a
    dividend or split: unadjusted, ``close / ((close + dividend) * split)``; adjusted for splits, the same without the
    split; no step at all, which proves nothing: prices adjusted for both look so, and an adjusted close that is a mere
    copy. Unadjusted and split-adjusted differ on splits alone, so that a split must be among the dates.

    Parameters
    ----------
    bars : DataFrame
        Sorted by symbol and date: ``symbol``, ``date``, ``close``, perhaps ``adj_close``.
    events : DataFrame
        ``symbol``, ``date``, ``dividend``, ``split``.
    told : str, optional
        What the user says.
    """
    found = _proved(bars, events) if "adj_close" in bars.columns and events.height else None
    if told is not None:
        note = "as you said"
        if found is not None:
            note += ", and the file agrees" if found.value == told else f", but the file looks like {found.value}"
            note += f": {found.evidence}"
        return Fact(told, note)
    if found is not None:
        return found
    why = "the files have no dividends and splits beside an adjusted close to prove it by"
    if "adj_close" in bars.columns and events.height:
        why = "the steps of the adjusted close do not tell the readings apart"
        if _copied(bars):
            why = "the adjusted close is the close itself: so it looks with all prices adjusted, and with none"
    question = (
        "How were the prices adjusted? Nothing in the files says it, so it is stored as unknown. Import again with "
        "--replace and --adjusted none (prices as traded), split (history divided by later splits) or total_return "
        "(for dividends too)."
    )
    return Fact("unknown", why, question)


def _copied(bars: pl.DataFrame) -> bool:
    """Whether the adjusted close is the close, row by row."""
    same = ((bars["adj_close"] / bars["close"] - 1).abs() < _AGREE).drop_nulls()
    return same.len() > 0 and bool(same.all())


def _proved(bars: pl.DataFrame, events: pl.DataFrame) -> Fact | None:
    steps = (
        bars.lazy()
        .filter(pl.col("close").is_not_null() & pl.col("adj_close").is_not_null())
        .select(
            "symbol", "date", "close",
            (pl.col("adj_close").shift() / pl.col("adj_close")).over("symbol").alias("step"),
            pl.col("close").shift().over("symbol").alias("before"),
        )
        .join(events.lazy(), on=["symbol", "date"], how="left")
        .with_columns(pl.col("dividend").fill_null(0.0), pl.col("split").fill_null(1.0))
        .filter(pl.col("step").is_not_null())
        .with_columns(
            (pl.col("before") / (pl.col("split") * (pl.col("close") + pl.col("dividend")))).alias("none"),
            (pl.col("before") / (pl.col("close") + pl.col("dividend"))).alias("split_only"),
            (pl.col("before") / pl.col("close")).alias("total_return"),
        )
        .with_columns(
            ((pl.col(name) / pl.col("step") - 1).abs() < _AGREE).alias(name)
            for name in ("none", "split_only", "total_return")
        )
        .collect()
    )  # fmt: skip
    acted = steps.filter((pl.col("dividend") != 0) | (pl.col("split") != 1))
    splits = acted.filter(pl.col("split") != 1)
    paid = acted.filter(pl.col("split") == 1)
    total = steps.height
    shares = {
        "none": (splits["none"].mean(), paid["none"].mean()),
        "split": (splits["split_only"].mean(), paid["none"].mean()),
    }
    flat = [mark for mark in (splits["total_return"].mean(), paid["total_return"].mean()) if isinstance(mark, float)]
    if _copied(bars) or (flat and min(flat) >= _SURE):
        # It moves as the close does: all prices are adjusted, or none, by a vendor that copies what it has.
        return None
    for name, marks in shares.items():
        given = [float(mark) for mark in marks if isinstance(mark, float)]
        enough = given and min(given) >= _SURE
        # Without a split `none` and `split` are one.
        if enough and splits.height:
            column = "split_only" if name == "split" else name
            agree = int(steps[column].sum())
            return Fact(
                name,
                f"{agree:,} of {total:,} steps of the adjusted close follow from the close, {paid.height:,} dividends "
                f"and {splits.height:,} splits, within {_AGREE:g}",
            )
    return None


def bar_length(bars: pl.DataFrame, told: str | None) -> Fact | None:
    """Return the length of intraday bars: the shortest step of any symbol, if all its steps within a day are whole
    multiples of it; None when that is no length a bar can have.

    Parameters
    ----------
    bars : DataFrame
        Sorted by symbol and date (Datetime).
    told : str, optional
    """
    if told is not None:
        return Fact(told, "as you said")
    steps = bars.select(
        (pl.col("date") - pl.col("date").shift()).over("symbol").dt.total_seconds().alias("step"),
    ).to_series()
    steps = steps.filter((steps > 0) & (steps < 12 * 3600))
    least = steps.min()
    if not isinstance(least, int) or least % 60:
        return None
    whole = bool((steps % least == 0).all())
    if not whole:
        return None
    name = f"{least // 3600}h" if least % 3600 == 0 else f"{least // 60}min"
    return Fact(name, f"the shortest of {steps.len():,} steps, and the others are multiples of it")


def stamp(
    moments: pl.Series, seconds: int, named: str | None, told: str | None, whose: Fact | None = None
) -> Fact | None:
    """Return whether the times of bars name their start or their end.

    By the name of the column, else by the sessions of the calendar, on the exchange's own clock: of bars that are named
    by their start the last one starts before the close, of bars that are named by their end it ends at the close or
    after it; the first bar must not say otherwise of the open. Without such a calendar, or where trading never
    closes, nothing is proved.

    Parameters
    ----------
    moments : Datetime in UTC
    seconds : length of a bar
    named : "start" | "end", optional
        What the name of the column says.
    told : "start" | "end", optional
        What the user says.
    whose : Fact, optional
        The calendar; one with a question needs the proof of both the open and the close.
    """
    if told is not None:
        return Fact(told, "as you said")
    if named is not None:
        return Fact(named, "by the name of the column")
    if whose is None or whose.value == "24/7":
        return None
    days = _spans(moments, whose.value)
    if days.height == 0:
        return None
    last, first = int(days["late"].max()), int(days["early"].min())  # type: ignore[arg-type]
    # Extended trading, where there is one.
    before, after = _EXTENDED.get(whose.value, (0, 0))
    at_close = "start" if -seconds <= last < 0 else "end" if 0 <= last < seconds else None
    if at_close is None and after:
        at_close = "start" if -seconds <= last - after < 0 else "end" if last == after else None
    at_open = "start" if -seconds < first <= 0 else "end" if 0 < first <= seconds else None
    if at_open is None and before:
        at_open = "start" if -seconds < first + before <= 0 else "end" if 0 < first + before <= seconds else None
    if at_close is None or at_open not in (at_close, None) or (whose.question and at_open is None):
        return None
    clock = days.filter(pl.col("late") == last)["last"][0]
    shown = f"the last bar of a day is stamped {clock:%H:%M} on the clock of {whose.value}"
    return Fact(at_close, f"{shown}, {'before' if at_close == 'start' else 'at or after'} trading ends")


def _spans(moments: pl.Series, calendar: str) -> pl.DataFrame:
    """The first and last moment of each ordinary session, in seconds from its open (early) and its close (late)."""
    held = moments.drop_nulls().unique()
    day = held.dt.date()
    windows = Calendar(calendar).windows(day.min(), day.max())  # type: ignore[arg-type]
    zone = Calendar(calendar).zone
    days = (
        pl.DataFrame({"moment": held.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)})
        .group_by(pl.col("moment").dt.date().alias("session"))
        .agg(pl.col("moment").min().alias("first"), pl.col("moment").max().alias("last"))
        .join(windows.filter(pl.col("minutes") == pl.col("regular_minutes")), on="session")
        # A session that opens the evening before is no day on any clock.
        .filter(pl.col("open").dt.convert_time_zone(zone).dt.date() == pl.col("session"))
    )
    return days.select(
        "last",
        (pl.col("last").dt.convert_time_zone("UTC") - pl.col("close")).dt.total_seconds().alias("late"),
        (pl.col("first").dt.convert_time_zone("UTC") - pl.col("open")).dt.total_seconds().alias("early"),
    )


def seconds_of(bar: str) -> int:
    """Return the length of an intraday bar, "5min" or "1h", in seconds."""
    return int(bar[:-1]) * 3600 if bar.endswith("h") else int(bar[:-3]) * 60
