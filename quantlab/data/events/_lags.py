"""How long after the fact each kind of number is published, with its source: what is assumed where no date is given.

A lag errs on the late side: a number that is used a day late costs little, one that is used a day early is look-ahead.
Nothing here is applied silently: every constructor puts the sentence of the lag that it used into ``Events.note``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

import polars as pl

from quantlab.core import InputError, KindError
from quantlab.core._arguments import integer
from quantlab.data.events._moments import known_zone

_AT = re.compile(r"^(?:close(?:\+(\d{1,3}))?|(\d{2}):(\d{2}))$")
_SINCE = ("day", "month", "quarter")
_LONGEST = 10_000  # days or sessions


@dataclass(frozen=True, slots=True)
class Lag:
    """From what a number speaks of to the moment at which it counts as known.

    The day (or, by ``since``, the end of the month or quarter in which it lies), plus ``days``, moved on to a session
    if it is none, plus ``sessions``, at the clock time ``at``.

    Parameters
    ----------
    days : int >= 0, calendar days
    sessions : int >= 0, sessions of ``calendar``
    at : "close", "close+15" (minutes), or "HH:MM" to "24:00"
        A clock time is one of ``zone``; the close is that of the session, early closes included.
    since : "day" | "month" | "quarter"
        What is counted from: the day itself, or the last day of its month or quarter. Monthly series are often stamped
        with the first day of the month of which they speak.
    calendar : str
        A code of exchange_calendars ("XNYS"), or "24/7", on which every day counts and closes at midnight UTC.
    zone : str
        IANA time zone of a clock time.
    source : str
        Why so, in a sentence.

    Raises
    ------
    InputError
        For a number that is negative or above 10,000, an unknown ``since`` or zone, or an unreadable ``at``.

    Examples
    --------
    >>> Lag(days=45, at="24:00").text
    '45 calendar days after the day, on a session of XNYS, at 24:00 America/New_York'
    """

    days: int = 0
    sessions: int = 0
    at: str = "24:00"
    since: str = "day"
    calendar: str = "XNYS"
    zone: str = "America/New_York"
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("days", "sessions"):
            if integer(getattr(self, name), name=name, low=0) > _LONGEST:
                raise InputError(f"`{name}` must be at most {_LONGEST:,}, received {getattr(self, name)}.")
        known_zone(self.zone)
        if self.since not in _SINCE:
            raise InputError(f'`since` must be "day", "month" or "quarter", received {self.since!r}.')
        found = _AT.match(self.at) if isinstance(self.at, str) else None
        if found is None or (found[2] and int(found[2]) * 60 + int(found[3]) > 24 * 60) or (found[3] or "0") > "59":
            raise InputError(f'`at` must be "close", "close+15" or a time such as "08:30", received {self.at!r}.')

    @property
    def after_close(self) -> int | None:
        """Minutes after the session's close; None when ``at`` is a clock time."""
        found = _AT.match(self.at)
        return None if found is None or found[2] else int(found[1] or 0)

    @property
    def minutes(self) -> int:
        """The clock time in minutes after midnight; 0 when ``at`` follows the close."""
        return 0 if self.after_close is not None else int(self.at[:2]) * 60 + int(self.at[3:])

    @property
    def text(self) -> str:
        """The lag as a sentence."""
        anchor = {"day": "the day", "month": "the end of the month", "quarter": "the end of the quarter"}[self.since]
        parts = []
        if self.days:
            parts.append(f"{self.days} calendar days after {anchor}")
        if self.sessions:
            parts.append(f"{self.sessions} sessions after {'that' if self.days else anchor}")
        if not parts:
            parts.append(anchor)
        if not self.sessions:
            parts.append(f"on a session of {self.calendar}")
        at = self.at if self.after_close is not None else f"{self.at} {self.zone}"
        return f"{', '.join(parts)}, at {'the ' if self.after_close is not None else ''}{at}"


_BY_RULE_12B25 = "the extension that Rule 12b-25 grants to late filers"
LAGS: Mapping[str, Lag] = MappingProxyType(
    {
        "annual_report": Lag(
            days=105,
            source="Form 10-K is due after 60, 75 or 90 days by size of the filer (General Instruction A); 90, and 15 "
            "of " + _BY_RULE_12B25,
        ),
        "annual_report_large": Lag(
            days=60, source="Form 10-K of a large accelerated filer, on time (75 days before fiscal year 2006)"
        ),
        "quarterly_report": Lag(
            days=50,
            source="Form 10-Q is due after 40 or 45 days by size of the filer (General Instruction A); 45, and 5 of "
            + _BY_RULE_12B25,
        ),
        "quarterly_report_large": Lag(days=40, source="Form 10-Q of an accelerated filer, on time"),
        "short_interest": Lag(
            sessions=9,
            source="FINRA Rule 4560: firms report by the second business day after settlement, and FINRA provides the "
            "file for publication on the eighth at the latest; one more for bank holidays on which exchanges trade",
        ),
        "short_volume": Lag(
            at="18:00", source="FINRA posts the daily short sale volume files by 18:00 in New York of the same day"
        ),
        "market_close": Lag(at="close", source="what the market shows at its close is known at its close"),
        "volatility_index": Lag(
            at="close+15", source="Cboe's volatility indices close 15 minutes after the stocks, with index options"
        ),
        "options": Lag(
            at="close+15",
            source="options on indices and many funds trade 15 minutes longer than stocks, and end-of-day files follow",
        ),
        "treasury": Lag(
            at="18:00", source="the Treasury derives par yields from quotes of 15:30 and posts them in the evening"
        ),
        "rates_next_day": Lag(
            sessions=2,
            at="18:00",
            source="daily series of the Federal Reserve's H.15, posted on the next business day; one more for bank "
            "holidays on which exchanges trade",
        ),
        "weekly": Lag(days=7, at="18:00", source="most weekly series appear within seven days of the week's last day"),
        "employment": Lag(
            days=12,
            since="month",
            at="08:30",
            source="the Employment Situation appears at 08:30, mostly on the first Friday after the month; later when "
            "the government was shut in 1996, 2013 and 2025, by the dates of those releases",
        ),
        "cpi": Lag(
            days=28,
            since="month",
            at="08:30",
            source="the Consumer Price Index appears at 08:30 on the 10th to 26th of the next month (January 2015 on "
            "2015-02-26); later when the government was shut in 1996, 2013 and 2025, by the dates of those releases",
        ),
        "industrial_production": Lag(
            days=20,
            since="month",
            at="09:15",
            source="the Federal Reserve's G.17 appears at 09:15 in mid-month; later when the government was shut in "
            "2013 and 2025, by the dates of those releases",
        ),
        "monthly": Lag(days=45, since="month", source="a guess on the late side for monthly series without a date"),
        "fred_md": Lag(
            days=35,
            since="month",
            source="FRED-MD has one vintage a month; the one of month m, complete by early in m + 1, ends with m - 1",
        ),
        "quarterly": Lag(
            days=60, since="quarter", source="national accounts: the advance estimate a month, the second two after"
        ),
    }
)

# Series whose release is known, by the name that FRED gives them.
SERIES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("UNRATE", "PAYEMS", "CIVPART", "CE16OV", "CLF16OV", "U6RATE", "AHETPI"), "employment"),
        **dict.fromkeys(("CPIAUCSL", "CPIAUCNS", "CPILFESL", "CPILFENS"), "cpi"),
        **dict.fromkeys(("INDPRO", "TCU", "CUMFNS", "IPMAN"), "industrial_production"),
        **dict.fromkeys(("VIXCLS", "VIX"), "volatility_index"),
        **dict.fromkeys(("DGS1MO", "DGS3MO", "DGS6MO", "DGS1", "DGS2", "DGS5", "DGS10", "DGS30"), "rates_next_day"),
        **dict.fromkeys(("DFF", "EFFR"), "rates_next_day"),
        **dict.fromkeys(("GDP", "GDPC1"), "quarterly"),
    }
)


def lags() -> pl.DataFrame:
    """Return the lags that are assumed where no publication date is given, as a table.

    Returns
    -------
    polars.DataFrame
        ``kind`` (what ``lag=`` takes), ``rule`` (the lag in words), ``source``.

    Examples
    --------
    >>> lags().filter(pl.col("kind") == "short_interest")["rule"].item()
    '9 sessions after the day, at 24:00 America/New_York'
    """
    rows = [(kind, lag.text, lag.source) for kind, lag in LAGS.items()]
    return pl.DataFrame(rows, schema={"kind": pl.String, "rule": pl.String, "source": pl.String}, orient="row")


def as_lag(lag: object) -> Lag:
    """Return a Lag, or the one of that kind; raise naming the nearest kind."""
    if isinstance(lag, Lag):
        return lag
    if not isinstance(lag, str):
        raise KindError(
            f"`lag` must be a Lag or a kind such as 'cpi', received {type(lag).__name__}.",
            hint="`ql.data.events.Lag(days=45)` says your own; `ql.data.events.lags()` lists the kinds.",
        )
    if lag not in LAGS:
        near = get_close_matches(lag, LAGS, n=1)
        raise InputError(
            f"There is no lag of kind {lag!r}.",
            hint=f"did you mean {near[0]!r}?" if near else "`ql.data.events.lags()` lists the kinds.",
        )
    return LAGS[lag]
