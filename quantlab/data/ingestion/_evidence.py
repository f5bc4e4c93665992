"""What the data themselves prove: whose sessions the dates are, how prices were adjusted, how long a bar is.

A fact is taken from data only where another reading does not fit them. Where nothing is proved the answer says so and
carries the question that a person must answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

import numpy as np
import polars as pl

from quantlab.core import InputError
from quantlab.core.periods import sessions

# The calendars that are held against the dates, the likeliest first: each takes up to a second to build.
_CALENDARS = ("XNYS", "XLON", "XETR", "XTKS", "XHKG", "XTSE", "XASX", "XSHG")
_STRAY = 0.01  # share of dates that may be no session of a calendar that is still taken, with a sentence
_WHOLE = 0.97  # share of the sessions that the dates must cover for the first calendar to be taken without a rival
_AGREE = 1e-4  # relative: two steps of an adjusted series agree within it (vendors round to four digits)
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
        return Fact(told, f"as you said; {_fit(days, held, told)}")
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
    split; adjusted for both, no step at all. Unadjusted and split-adjusted differ on splits alone, so that a split
    must be among the dates.

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
    question = (
        "How were the prices adjusted? Nothing in the files says it, so it is stored as unknown. Import again with "
        "--replace and --adjusted none (prices as traded), split (history divided by later splits) or total_return "
        "(for dividends too)."
    )
    return Fact("unknown", why, question)


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
        "total_return": (splits["total_return"].mean(), paid["total_return"].mean()),
    }
    for name, marks in shares.items():
        given = [float(mark) for mark in marks if isinstance(mark, float)]
        enough = given and min(given) >= _SURE
        # Without a split `none` and `split` are one; total_return shows itself on dividends alone.
        if enough and (splits.height or name == "total_return"):
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


def stamp(local: pl.Series, seconds: int, named: str | None, told: str | None) -> Fact | None:
    """Return whether the times of bars name their start or their end.

    By the name of the column, else by the last time of day: a market that closes on the hour has no bar that starts
    at its close, nor one that ends before it.

    Parameters
    ----------
    local : Datetime, as the clock of the exchange shows them
    seconds : length of a bar
    named : "start" | "end", optional
        What the name of the column says.
    told : "start" | "end", optional
        What the user says.
    """
    if told is not None:
        return Fact(told, "as you said")
    if named is not None:
        return Fact(named, "by the name of the column")
    last = local.dt.time().max()
    if not isinstance(last, time):
        return None
    moment = last.hour * 3600 + last.minute * 60 + last.second
    # Closing times of regular and extended trading; New York's and London's.
    closes = (16 * 3600, 20 * 3600, 16 * 3600 + 1800)
    if moment in closes:
        return Fact("end", f"the last bar of a day is stamped {last:%H:%M}, when trading ends")
    if moment + seconds in closes:
        return Fact("start", f"the last bar of a day is stamped {last:%H:%M}, one bar before trading ends")
    return None


def seconds_of(bar: str) -> int:
    """Return the length of an intraday bar, "5min" or "1h", in seconds."""
    return int(bar[:-1]) * 3600 if bar.endswith("h") else int(bar[:-3]) * 60
