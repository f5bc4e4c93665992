"""``YFinance``: daily bars of Yahoo Finance through the yfinance library, which is imported here and nowhere else.

What Yahoo's numbers are: Open, High, Low, Close and Volume are adjusted for splits, those to come included, and not
for dividends; "Adj Close" is adjusted for both. Yahoo's own page says so under its table of historical data, and so do
issues ranaroussi/yfinance 1749 and joshuaulrich/quantmod 218. Dividends are per split-adjusted share as well. So this
source declares ``adjusted="split"`` and gives dividends as actions; splits come along as a record, already in the
prices. After a split Yahoo's whole history of the symbol has other numbers: the overlap check of ``pull`` sees it.

"Adj Close" is left out: every dividend changes all of it, so rows fetched on different days do not fit together.

yfinance answers with pandas frames; their columns are taken out as NumPy arrays, and pandas is not imported here.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import MissingLibraryError
from quantlab.core._arguments import real
from quantlab.data import schemas
from quantlab.data.ingestion import _rows
from quantlab.data.sources._source import Batch, Failure, cut

_FIELDS = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
_NUMBERS = (*_FIELDS, "dividend", "split", "gains")


class YFinance:
    """Daily bars of Yahoo Finance.

    Parameters
    ----------
    calendar : str
        Whose sessions the symbols follow; one source is for one exchange.
    pause : float >= 0, seconds
        Between two requests. Yahoo refuses who asks too fast; what is left unasked then is a failure that asking later
        can mend, and ``pull`` does.
    timeout : float, seconds
        Of one request.
    sleep : callable (seconds)
        Waits; a test passes its own.

    Raises
    ------
    MissingLibraryError
        When yfinance is not installed.

    Notes
    -----
    Symbols are Yahoo's own: BRK-B, ^GSPC, 7203.T. Distributions of capital gains (funds) are special dividends.
    Yahoo's terms are for personal use; its numbers are not checked by anybody before ``quality`` does it.
    """

    def __init__(
        self,
        *,
        calendar: str = "XNYS",
        pause: float = 0.5,
        timeout: float = 20.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._calendar = calendar
        self._pause = real(pause, name="pause")
        self._timeout = real(timeout, name="timeout")
        self._sleep = sleep
        _library()

    def __repr__(self) -> str:
        return "YFinance"

    @property
    def name(self) -> str:
        """Yahoo Finance."""
        return "Yahoo Finance (yfinance)"

    @property
    def calendar(self) -> str:
        """As given."""
        return self._calendar

    @property
    def adjusted(self) -> str:
        """For splits alone."""
        return "split"

    @property
    def bar(self) -> str:
        """One a day."""
        return "1d"

    @property
    def units(self) -> Mapping[str, str]:
        """Per share as counted after all splits."""
        return {"volume": "shares, split-adjusted"}

    def symbols(self) -> None:
        """Return None: Yahoo does not list its symbols."""

    def fetch(self, symbols: Sequence[str], start: date | None, end: date | None) -> Batch:
        """Return the bars of ``symbols`` in [start, end], one request each; after a refusal the rest is not asked."""
        found: list[pl.DataFrame] = []
        failures: list[Failure] = []
        refused = False
        for place, symbol in enumerate(symbols):
            if refused:
                failures.append(Failure(symbol, "Not asked, since Yahoo refuses further requests for now.", True))
                continue
            if place:
                self._sleep(self._pause)
            answer = self._one(symbol, start)
            if isinstance(answer, Failure):
                failures.append(answer)
                refused = "Too Many Requests" in answer.reason
                continue
            held = cut(answer, [symbol], start, end)
            if held.height:
                found.append(held)
            else:
                failures.append(Failure(symbol, f"Yahoo has no bars of {symbol} from {start} to {end}."))
        return _batch(found, tuple(failures))

    def _one(self, symbol: str, start: date | None) -> pl.DataFrame | Failure:
        """One symbol from ``start`` to now, as numbers, or why not.

        No end is asked for: yfinance answers requests that end in the past from a cache of the process, and a history
        that was restated meanwhile would never show.
        """
        library, missing, limited = _library()
        span = {"period": "max"} if start is None else {"start": start.isoformat()}
        try:
            with _loud(library):
                answer = library.Ticker(symbol).history(
                    **span, interval="1d", auto_adjust=False, actions=True, repair=False, timeout=self._timeout
                )
        except limited:
            return Failure(symbol, "Yahoo answers: Too Many Requests.", True)
        except missing as error:
            return Failure(
                symbol, f"Yahoo does not have it: {str(error).partition(': ')[2] or error}.".replace("..", ".")
            )
        except OSError as error:
            code = getattr(getattr(error, "response", None), "status_code", None)
            if isinstance(code, int) and 400 <= code < 500:
                return Failure(symbol, f"Yahoo answers with the HTTP code {code}.", code == 429)
            return Failure(symbol, f"Yahoo cannot be reached: {str(error).partition('. See http')[0]}.", True)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            # What yfinance raises when Yahoo's answer has another form than it expects.
            return Failure(symbol, f"Yahoo's answer cannot be read: {type(error).__name__}: {error}.", True)
        if len(answer) == 0:
            return Failure(symbol, f"Yahoo answers without any bar of {symbol}.")
        return _numbers(symbol, answer)


def _library() -> tuple[Any, Any, Any]:
    """The library, its error for what Yahoo does not have, and its error for too many requests."""
    try:
        import yfinance
        from yfinance.exceptions import YFException, YFRateLimitError
    except ImportError as error:
        raise MissingLibraryError("Yahoo Finance needs yfinance.", hint="pip install 'quantlab[yfinance]'") from error
    return yfinance, YFException, YFRateLimitError


@contextmanager
def _loud(library: Any) -> Iterator[None]:
    """Errors as errors: by default yfinance logs them and answers with an empty frame."""
    debug = library.config.debug
    log = logging.getLogger("yfinance")
    before, level = debug.hide_exceptions, log.level
    debug.hide_exceptions = False
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # It calls pandas in ways that a coming pandas will drop; its users cannot change that.
            warnings.simplefilter("ignore")
            yield
    finally:
        debug.hide_exceptions = before
        log.setLevel(level)


def _numbers(symbol: str, answer: Any) -> pl.DataFrame:
    """The columns of a pandas frame, its index as the days of the exchange's own clock."""
    days = np.array([moment.date() for moment in answer.index], dtype="datetime64[D]")
    columns = {**_FIELDS, "dividend": "Dividends", "split": "Stock Splits", "gains": "Capital Gains"}
    held = {
        name: np.asarray(answer[column].to_numpy(), dtype=np.float64)
        for name, column in columns.items()
        if column in answer.columns
    }
    frame = pl.DataFrame({"date": days, **held}, strict=False).with_columns(
        pl.lit(symbol).alias("symbol"), pl.selectors.float().fill_nan(None)
    )
    return frame.sort("date")


def _batch(found: list[pl.DataFrame], failures: tuple[Failure, ...]) -> Batch:
    empty = pl.DataFrame(schema={"date": pl.Date, "symbol": pl.String, **dict.fromkeys(_NUMBERS, pl.Float64)})
    rows = pl.concat([empty, *found], how="diagonal").with_row_index("row").with_columns(
        pl.col("row").cast(pl.UInt32), pl.lit(0, dtype=pl.UInt32).alias("part"), pl.lit(None, pl.String).alias("rule")
    )  # fmt: skip
    judged = _rows.judge(rows.drop("gains"))
    gains = rows.filter(pl.col("gains") > 0).select(
        "symbol", "date", pl.lit("special_dividend").alias("kind"), pl.col("gains").alias("value")
    )
    refused = rows.join(judged.rejected.select("row", pl.col("rule").alias("why")), on="row")
    rejects = refused.select(
        pl.lit("Yahoo Finance").alias("source"),
        pl.lit(None, pl.Int64).alias("line"),
        "symbol",
        pl.col("date").cast(pl.String),
        pl.col("why").alias("rule"),
        pl.struct(list(_FIELDS)).struct.json_encode().alias("row"),
    )
    notes = (f"{judged.blank} rows of Yahoo hold no price and were left out.",) if judged.blank else ()
    return Batch(
        judged.bars,
        pl.concat([_rows.actions_of(judged.dividends), gains]).sort("symbol", "date", "kind"),
        pl.concat([schemas.empty("rejects"), rejects]),
        failures,
        notes,
    )
