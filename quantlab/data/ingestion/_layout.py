"""``Layout``: what a person says about a file of prices that the file does not say itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from quantlab.core import InputError, KindError

# What a column of a file can be. `date` and the two next to it make up the moment of a bar.
_MOMENT = ("date", "time", "ms_since_midnight")
EPOCHS = ("epoch_s", "epoch_ms", "epoch_us")
FIELDS = (*_MOMENT, "symbol", "open", "high", "low", "close", "volume", "member", "adj_close", "dividend", "split")


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read files of prices. Whatever is left out is read off the file where that takes no guess.

    Parameters
    ----------
    columns : mapping of field to column name
        ``{"close": "Last"}``. Fields are date, time, ms_since_midnight, symbol, open, high, low, close, volume,
        member, adj_close, dividend, split. A name of "" leaves the field out.
    symbol : str, optional
        The symbol of a file without a symbol column, or where it stands in the file names: "WIKI-{symbol}.csv".
    date_format : str, optional
        As in ``strftime``, "%m/%d/%Y"; "epoch_s", "epoch_ms" or "epoch_us" for counts since 1970 in UTC.
    time_zone : str, optional
        Whose clock the times without an offset show: "America/New_York".
    stamp : "start" | "end", optional
        What the time of an intraday bar names. At rest it is always the end.
    separator, decimal, encoding : str, optional
        Of text files: the character between two fields, "." or "," before decimals, and "cp1252" or the like.
    missing : tuple of str
        Further values that mean "unknown": ("0",) where a vendor writes zero for a price that it lacks.
    where : mapping of column name to text
        Only the rows in which these columns of the file hold these values.
    wide : "close", optional
        Of a table with a date and one column per symbol, named by it: what the columns hold.

    Examples
    --------
    >>> Layout(columns={"close": "Last"}, date_format="%m/%d/%Y").columns["close"]
    'Last'
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    symbol: str | None = None
    date_format: str | None = None
    time_zone: str | None = None
    stamp: str | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    wide: str | None = None

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in FIELDS:
                raise InputError(f"`columns` names the field {name!r}.", hint=_near(name, FIELDS))
        for name, legal in (("stamp", ("start", "end")), ("decimal", (".", ",")), ("wide", ("close",))):
            value = getattr(self, name)
            if value is not None and value not in legal:
                raise InputError(f"`{name}` must be one of {' '.join(legal)}, received {value!r}.")
        if self.separator is not None and len(self.separator) != 1:
            raise InputError(f"`separator` must be one character, received {self.separator!r}.")
        if self.date_format is not None and "%" not in self.date_format and self.date_format not in EPOCHS:
            raise InputError(
                f"`date_format` {self.date_format!r} names no part of a date.",
                hint=f"%m/%d/%Y, %d.%m.%Y, or one of {', '.join(EPOCHS)}.",
            )
        if self.time_zone is not None:
            check_zone(self.time_zone)
        if isinstance(self.missing, str):
            object.__setattr__(self, "missing", (self.missing,))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Layout:
        """Return the layout that keyword arguments of a reader describe.

        Raises
        ------
        InputError
            For an unknown option, or an impossible value.
        """
        known = tuple(item.name for item in fields(cls))
        for name in options:
            if name not in known:
                raise InputError(f"There is no option `{name}` for reading files.", hint=_near(name, known))
        return cls(**options)


def check_zone(name: str) -> str:
    """Return the name of a time zone, or raise InputError."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not isinstance(name, str):
        raise KindError(f"`time_zone` must be text, received {type(name).__name__}.")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"`time_zone` {name!r} is unknown.", hint="give a name such as America/New_York, Europe/London or UTC."
        ) from error
    return name


def _near(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
