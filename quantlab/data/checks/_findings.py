"""What a finding is: the columns of the table, the rules with their severities, and how findings become rows.

``error``: the data are wrong for certain, whatever the truth is. ``warning``: probably wrong, or a person must decide.
``info``: genuine as far as anybody can tell from the data, and worth knowing. No rule quarantines by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from quantlab.core._labels import DAY, show

SCHEMA: dict[str, pl.DataType] = {
    "rule": pl.String(),
    "symbol": pl.String(),
    "date": pl.Date(),
    "severity": pl.String(),
    "detail": pl.String(),
    "action": pl.String(),
    "end": pl.Date(),
    "status": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: how severe its findings are, what they say, and what to do next."""

    severity: str
    says: str
    action: str


RULES: dict[str, Rule] = {
    "unknown_adjusted": Rule(
        "warning",
        "nobody said how the prices are adjusted: a split in them looks like a loss",
        "Find out, and import the data again with --adjusted none, split or total_return.",
    ),
    "members_without_bars": Rule(
        "warning",
        "the table of members names symbols that have no bars: the universe is smaller than it was, and survives",
        "Get the bars of the missing members; until then results on this universe look too good.",
    ),
    "missing_session": Rule(
        "warning",
        "the calendar has a session between the first and last bar, and the data do not",
        "Load the day from the vendor again, or from another.",
    ),
    "no_session": Rule(
        "warning",
        "the data have a date on which the calendar has no session",
        "Check calendar and time zone; quarantine the day if it is a holiday.",
    ),
    "gap": Rule(
        "warning",
        "a run of missing closes between the first and last close of a symbol",
        "Load the days from another vendor; accept a halt.",
    ),
    "starts_late": Rule(
        "info", "the first close of a symbol comes after the first bar", "Nothing, if it was listed or joined then."
    ),
    "ends_early": Rule(
        "warning",
        "the last close of a symbol comes before the last bar",
        "Add the delisting with its return, or the conversion, to the actions; accept it if the symbol only left the "
        "index.",
    ),
    "back_filled": Rule(
        "warning",
        "the first value is repeated over a long run at the start: it was not known then",
        "Quarantine the run: it is look-ahead.",
    ),
    "price_order": Rule(
        "error",
        "the high is below, or the low above, another price of the bar",
        "Compare with another vendor; quarantine the bar.",
    ),
    "stale": Rule(
        "warning", "five or more equal closes in a row", "Compare with another vendor; accept it where nothing traded."
    ),
    "repeat": Rule(
        "warning",
        "open, high, low, close and volume all equal those of the bar before",
        "Quarantine the bar: it is a copy.",
    ),
    "carried": Rule(
        "warning",
        "open, high, low and close all stand at the close before, although shares traded as usual",
        "Quarantine the bar: its prices are not of that day.",
    ),
    "zero_volume": Rule("info", "a run of bars with a close and no volume", "Nothing, if the stock did not trade."),
    "unknown_volume": Rule(
        "warning",
        "no volume, and yet the prices moved: the zero means unknown",
        "Load the volume again; until then do not size by it.",
    ),
    "coarse": Rule(
        "info",
        "prices rounded so that one step is 0.5 % of the price or more",
        "Do not measure daily returns here; get unrounded prices.",
    ),
    "spike": Rule(
        "warning",
        "a close far from both neighbors, of which the next takes back three quarters or more",
        "Compare with another vendor; quarantine the bar if it is a bad print.",
    ),
    "bad_tick": Rule(
        "warning",
        "an open, high or low far outside the other prices of the bar",
        "Compare with another vendor; quarantine the bar before using its range.",
    ),
    "scale": Rule(
        "warning", "prices jump by a factor of 10, 100 or 1,000", "Check the unit (cents, dollars); quarantine the run."
    ),
    "level_run": Rule(
        "warning",
        "prices jump to another level and, some bars later, back",
        "Compare with another vendor; quarantine the run.",
    ),
    "unrecorded_split": Rule(
        "warning",
        "the price jumps by a simple ratio on ordinary turnover, stays, and no action says why",
        "Look the split up and add it to the actions.",
    ),
    "unrecorded_action": Rule(
        "warning",
        "the price jumps overnight on ordinary turnover, stays, and no action says why",
        "Look for a spin-off or special dividend and add it to the actions.",
    ),
    "ticker_reuse": Rule(
        "warning",
        "the symbol looks like another security from this bar on",
        "Give the two securities two names, or drop the bars before.",
    ),
    "extreme_move": Rule(
        "info", "a move of +50 % or -33 % or more that stays and has no action", "Check it against the news; accept it."
    ),
    "split_no_move": Rule(
        "error",
        "a split is booked and the price did not move",
        "Delete the split, or move it to the day it took effect.",
    ),
    "split_mismatch": Rule(
        "warning",
        "a split is booked and the price moved otherwise",
        "Look for a spin-off or dividend of that date, or another ratio.",
    ),
    "dividend_no_move": Rule(
        "warning",
        "a large dividend is booked and the price did not fall",
        "Check amount and ex-date; delete it if it was not paid.",
    ),
    "spinoff_dividend": Rule(
        "warning",
        "a dividend so large, or one beside a split, that it is a spin-off or a special dividend",
        "Book it as spinoff or special_dividend.",
    ),
    "action_no_bar": Rule(
        "warning", "an action on a date on which the symbol has no bar", "Check the ex-date; load the missing bar."
    ),
    "trades_on": Rule(
        "error",
        "a symbol has closes on or after the day of its delisting or conversion",
        "Move or withdraw that action, or give the two securities that share the symbol two names.",
    ),
    "conversion_lost": Rule(
        "warning",
        "a symbol turns into one that has no close from that day on",
        "Load the bars of the symbol that takes over, or correct `into`; of a security that is gone, book a delisting.",
    ),
    "adjusted_step": Rule(
        "warning",
        "the vendor's adjusted close makes a step that the actions do not explain",
        "Do not use the vendor's adjusted close; check the actions of that date.",
    ),
    "identical": Rule(
        "error", "two symbols have the same returns", "Find out whose they are and quarantine the other."
    ),
    "forward_filled": Rule(
        "warning",
        "a value is repeated over a run far longer than is usual for the series",
        "Quarantine the run, or end the series there.",
    ),
    "reference_dated": Rule(
        "warning",
        "a series of months stands on the month it speaks of, not on the day it was published",
        "Store it as events with `available_time`; until then lag it by its publication delay.",
    ),
    "zero_unknown": Rule(
        "warning", "zeros between values far from zero: they mean unknown", "Replace the zeros by missing values."
    ),
}

REJECTED = Rule("error", "a row that the import could not take", "Correct the row at its source and import it again.")


class Finding(NamedTuple):
    """One row before it becomes one. ``symbol`` is None for a whole date, ``end`` where there is no run."""

    rule: str
    symbol: str | None
    date: np.datetime64
    end: np.datetime64 | None
    detail: str


def table(found: Iterable[Finding]) -> pl.DataFrame:
    """Return findings as a frame in ``SCHEMA``, sorted by rule, symbol, date and detail."""
    rows = list(found)
    rules = [RULES[row.rule] for row in rows]
    none = np.datetime64("NaT", "D")
    columns = {
        "rule": [row.rule for row in rows],
        "symbol": [row.symbol for row in rows],
        "date": np.array([row.date for row in rows], dtype=DAY),
        "severity": [rule.severity for rule in rules],
        "detail": [row.detail for row in rows],
        "action": [rule.action for rule in rules],
        "end": np.array([none if row.end is None else row.end for row in rows], dtype=DAY),
        "status": ["open"] * len(rows),
    }
    frame = pl.DataFrame(columns, schema=SCHEMA, nan_to_null=True)
    return frame.sort("rule", "symbol", "date", "detail", nulls_last=False)


def runs(mask: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """First row, column and length of every run of True down the columns of ``mask`` (T, N)."""
    edges = np.diff(np.pad(mask.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    columns, first = np.nonzero(edges == 1)
    _, past = np.nonzero(edges == -1)
    yield from zip(first.tolist(), columns.tolist(), (past - first).tolist(), strict=True)


def count(number: int, noun: str = "bar") -> str:
    """Return "1 bar" or "3 bars"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def when(date: np.datetime64) -> str:
    """Return what a finding's date column cannot say: the time of an intraday bar, else nothing."""
    return "" if date.dtype == DAY else f"at {show(date)}: "
