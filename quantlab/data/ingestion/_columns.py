"""Which column of a file is which field: by name alone, from one table of names that vendors use.

A name that stands in no table is listed as ignored. Two columns that claim one field are a question to the user, never
a choice of ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from quantlab.core import DataError
from quantlab.data.ingestion._layout import Layout

# Compared in small letters and without anything but letters and digits: "Adj Close*" is adjclose, "Vol." is vol. The
# numbers before Alpha Vantage's names ("4. close") are cut off.
_ALIASES = {
    "date": "date day datetime timestamp tradedate tradingday barstart barend starttime endtime opentime closetime "
    "datum",
    "time": "time timeofday clock",
    "ms_since_midnight": "mssincemidnight millisecondssincemidnight",
    "symbol": "symbol ticker sym asset instrument actsymbol tickersymbol",
    "open": "open o openprice first pxopen erster eröffnung eroeffnung",
    "high": "high h highprice max pxhigh hoch",
    "low": "low l lowprice min pxlow tief",
    "close": "close c closeprice last closelast pxlast price schluss schlusskurs",
    "volume": "volume vol v pxvolume volumen stuecke stücke",
    "member": "member inuniverse isconstituent",
    "adj_close": "adjclose adjustedclose closeadj closeadjusted adjc adjcloseprice",
    "dividend": "dividend dividends dividendamount exdividend divcash cashdividend",
    "split": "split splits splitratio splitcoefficient stocksplits splitfactor",
}
_FIELD = {alias: field for field, aliases in _ALIASES.items() for alias in aliases.split()}

# Known, and left out on purpose: what is computed on read is not stored.
_ADJUSTED = [f"{word}{field}" for word in ("adj", "adjusted") for field in ("open", "high", "low", "volume")]
_DROPPED = {
    **dict.fromkeys(_ADJUSTED, "adjusted by the vendor; quantlab adjusts on read"),
    **dict.fromkeys(("change", "changepercent", "chg", "return", "returns"), "follows from the closes"),
}

_ZONES = {
    "ny": "America/New_York",
    "newyork": "America/New_York",
    "utc": "UTC",
    "gmt": "UTC",
    "london": "Europe/London",
    "tokyo": "Asia/Tokyo",
}
_END = ("barend", "endtime", "closetime")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of one file are.

    Attributes
    ----------
    of : dict of field to column name
    dropped : dict of column name to the reason
    ignored : tuple of str
        Column names that mean nothing to us.
    time_zone, stamp : str or None
        What the name of a column says of them: bar_start_ny.
    raw_close : str or None
        The close beside an adjusted close that was said to be the price: open, high and low are scaled from the one
        to the other.
    """

    of: dict[str, str]
    dropped: dict[str, str]
    ignored: tuple[str, ...]
    time_zone: str | None = None
    stamp: str | None = None
    raw_close: str | None = None


def recognize(
    names: Sequence[str], layout: Layout, what: str, *, like_tickers: bool = False, like_wide: bool = False
) -> Columns:
    """Return what the columns ``names`` are.

    Parameters
    ----------
    names : sequence of str
        As they stand in the file.
    layout : Layout
        Its ``columns`` come before any name.
    what : str
        The file, for errors.
    like_tickers : bool
        Whether a column called Name holds tickers.
    like_wide : bool
        Whether the columns beside the date look like one symbol each; for the hint of an error.

    Raises
    ------
    DataError
        When a column that the layout names is not there, two columns claim a field, or there is no date or close.

    Examples
    --------
    >>> recognize(["Date", "Close/Last", "Vol.", "Signal"], Layout(), "x.csv")
    Columns(of={'date': 'Date', 'close': 'Close/Last', 'volume': 'Vol.'}, dropped={}, ignored=('Signal',),
            time_zone=None, stamp=None, raw_close=None)
    """
    claimed: dict[str, list[str]] = {}
    dropped: dict[str, str] = {}
    ignored = []
    told = {column: field for field, column in layout.columns.items() if column}
    for column in told:
        if column not in names:
            raise DataError(f"{what} has no column {column!r}; it has {_few(names)}.")
    zone = stamp = None
    for name in names:
        plain = _plain(name)
        base, place = _without_zone(plain)
        field = told.get(name) or _FIELD.get(base)
        if field is None and plain == "name" and like_tickers:
            field = "symbol"
        if field is not None and name not in told and field in layout.columns:
            field = None  # the layout says which column that is
        if field is None:
            if base in _DROPPED:
                dropped[name] = _DROPPED[base]
            elif name.strip():
                ignored.append(name)
            continue
        claimed.setdefault(field, []).append(name)
        if field in ("date", "ms_since_midnight"):
            zone = zone or place
            stamp = stamp or _stamp(base)
    # Adj Close is at times all that a file has; it is a price then, but of another kind: the owner must say so.
    found = {field: columns[0] for field, columns in claimed.items()}
    for field, columns in claimed.items():
        if len(columns) > 1:
            raise DataError(
                f"{what} has {len(columns)} columns for {field}: {', '.join(columns)}.",
                hint=f'say which: --column {field}="{columns[0]}".',
            )
    _demand(found, names, what, like_wide=like_wide)
    raw = _raw_close(found, layout, ignored, dropped)
    return Columns(found, dropped, tuple(name for name in ignored if name != raw), zone, stamp, raw)


def is_date(name: str) -> bool:
    """Whether ``name`` is a name of the date."""
    return _FIELD.get(_without_zone(_plain(name))[0]) == "date"


def known(names: Sequence[str], told: Sequence[str] = ()) -> int:
    """How many of ``names`` are names of fields or were told: the measure by which a separator is chosen."""
    return sum(name in told or _without_zone(_plain(name))[0] in _FIELD for name in names)


def _raw_close(found: dict[str, str], layout: Layout, ignored: Sequence[str], dropped: dict[str, str]) -> str | None:
    """The close that an adjusted close has displaced; without one the other prices, which are raw, cannot stay."""
    if not layout.columns.get("close") or _FIELD.get(_plain(found["close"])) != "adj_close":
        return None
    raw = next((name for name in ignored if _FIELD.get(_plain(name)) == "close"), None)
    if raw is not None:
        dropped[raw] = f"the price is {found['close']}; it scales open, high and low"
        return raw
    for field in ("open", "high", "low"):
        if field in found and not layout.columns.get(field):
            dropped[found.pop(field)] = f"raw beside {found['close']}, and there is no raw close to scale it by"
    return None


def _demand(found: dict[str, str], names: Sequence[str], what: str, *, like_wide: bool) -> None:
    if "date" not in found and "time" in found:
        found["date"] = found.pop("time")
    for field in ("date", "close"):
        if field not in found:
            hint = f"say which column it is: --column {field}=NAME."
            if field == "close" and like_wide:
                hint = f"if every column is the close of a symbol: --wide close. Else {hint}"
            if field == "close" and "adj_close" in found:
                hint = f'say that it is the price: --column close="{found["adj_close"]}" --column adj_close= .'
            raise DataError(f"{what} has no column for {field}; it has {_few(names)}.", hint=hint)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", re.sub(r"^\s*\d+\.\s", "", name)).lower()


def _without_zone(plain: str) -> tuple[str, str | None]:
    """A name without the place at its end, and that place's time zone."""
    for ending, zone in _ZONES.items():
        base = plain.removesuffix(ending)
        if base != plain and _FIELD.get(base) in ("date", "time", "ms_since_midnight"):
            return base, zone
    return plain, None


def _stamp(base: str) -> str | None:
    if base in ("barstart", "starttime", "opentime"):
        return "start"
    return "end" if base in _END else None


def _few(names: Sequence[str]) -> str:
    shown = [name if name.strip() else '""' for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
