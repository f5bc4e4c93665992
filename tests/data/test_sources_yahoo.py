"""``YFinance`` without a network: the library is real, its one function that sends a request is replaced.

The answers have the form of Yahoo's chart API, and are made from a market that is written down here: what Yahoo would
say of it is computed from what was traded (split-adjusted prices and dividends, Adj Close for both).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from quantlab.core import MissingLibraryError
from quantlab.core.periods import sessions
from quantlab.data import Store
from quantlab.data.ingestion._patience import Patience
from quantlab.data.ingestion._pull import pull
from quantlab.data.sources import YFinance
from quantlab.testing._source import SourceAcceptance

pytest.importorskip("yfinance", reason="the extra `yfinance` is not installed")

NEW_YORK = ZoneInfo("America/New_York")
DAYS = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-06-28"))
SPLIT, DIVIDEND = date(2024, 4, 10), date(2024, 2, 9)


def moment(day) -> int:
    """The stamp of a daily bar at Yahoo: the opening, in seconds."""
    return int(datetime.combine(day, time(9, 30), NEW_YORK).timestamp())


class Response:
    url = "https://query2.finance.yahoo.com/v8/finance/chart/X"

    def __init__(self, body, status_code=200):
        self.text = body if isinstance(body, str) else json.dumps(body)
        self.status_code = status_code

    def json(self):
        return json.loads(self.text)


class Yahoo:
    """A vendor whose history changes at a 2:1 split of AAA once ``today`` has reached it."""

    def __init__(self):
        self.today = date(2024, 6, 28)
        self.requests: list[str] = []
        self.refuse = 0
        self.answers: dict[str, object] = {}
        self.edits: dict[tuple[str, date], dict[str, object]] = {}

    def traded(self, symbol):
        start = 100.0 if symbol == "AAA" else 40.0
        close = start + np.arange(DAYS.size) / 4
        divide = np.where((DAYS >= np.datetime64(SPLIT)) & (symbol == "AAA"), 2.0, 1.0)
        return close / divide

    def chart(self, symbol, params):
        adjust = symbol == "AAA" and self.today >= SPLIT
        before = np.where((DAYS < np.datetime64(SPLIT)) & adjust, 2.0, 1.0)
        close = self.traded(symbol) / before
        first = datetime.fromtimestamp(params.get("period1", 0), NEW_YORK).date()
        last = datetime.fromtimestamp(params.get("period2", 2e9), NEW_YORK).date()
        rows = [place for place, day in enumerate(DAYS.tolist()) if first <= day <= last and day <= self.today]
        days = [DAYS[row].item() for row in rows]
        quote = {
            name: [float(close[row]) + shift for row in rows]
            for name, shift in (("open", -0.5), ("high", 1.0), ("low", -1.0), ("close", 0.0))
        }
        quote["volume"] = [int(1000 * before[row]) for row in rows]
        for (name, day), values in self.edits.items():
            if name == symbol and day in days:
                for field, value in values.items():
                    quote[field][days.index(day)] = value
        events = {}
        if symbol == "AAA" and DIVIDEND in days:
            events["dividends"] = {"1": {"amount": 0.5 / (2.0 if adjust else 1.0), "date": moment(DIVIDEND)}}
        if adjust and SPLIT in days:
            events["splits"] = {"2": {"date": moment(SPLIT), "numerator": 2.0, "denominator": 1.0, "splitRatio": "2:1"}}
        kind = "ETF" if symbol == "FUND" else "EQUITY"
        if symbol == "FUND":
            events["capitalGains"] = {"3": {"amount": 1.25, "date": moment(date(2024, 3, 15))}}
        trading = {"timezone": "EDT", "start": moment(DAYS[-1].item()), "end": moment(DAYS[-1].item()) + 23400,
                   "gmtoffset": -14400}  # fmt: skip
        meta = {
            "currency": "USD", "symbol": symbol, "exchangeName": "NMS", "instrumentType": kind, "gmtoffset": -14400,
            "timezone": "EDT", "exchangeTimezoneName": "America/New_York", "regularMarketPrice": 1.0, "priceHint": 2,
            "currentTradingPeriod": dict.fromkeys(("pre", "regular", "post"), trading),
            "dataGranularity": "1d", "range": "", "validRanges": ["1d", "5d", "1mo", "max"],
        }  # fmt: skip
        result = {"meta": meta, "timestamp": [moment(day) for day in days], "events": events,
                  "indicators": {"quote": [quote], "adjclose": [{"adjclose": quote["close"]}]}}  # fmt: skip
        if not rows:
            result = {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
        return {"chart": {"result": [result], "error": None}}

    def send(self, data, url, request_method, body=None, params=None, timeout=30, **rest):
        from yfinance.exceptions import YFRateLimitError

        symbol = url.rpartition("/")[2]
        self.requests.append(symbol)
        if self.refuse:
            self.refuse -= 1
            raise YFRateLimitError
        answer = self.answers.get(symbol)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if symbol not in ("AAA", "BBB", "FUND"):
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return Response({"chart": {"result": None, "error": error}}, 404)
        return Response(self.chart(symbol, params))


@pytest.fixture(autouse=True)
def yahoo(monkeypatch):
    import yfinance
    from yfinance import base, cache

    vendor = Yahoo()
    monkeypatch.setattr(
        yfinance.data.YfData, "_make_request", lambda self, *inputs, **options: vendor.send(self, *inputs, **options)
    )
    monkeypatch.setattr(cache, "get_tz_cache", lambda: cache._TzCacheDummy())
    # yfinance asks elsewhere for a missing zone, twice in a process.
    monkeypatch.setattr(base, "_tz_info_fetch_ctr", 2)
    yfinance.data.YfData.cache_get.cache_clear()
    return vendor


def no_sleep(seconds):
    assert seconds >= 0


class TestYFinance(SourceAcceptance):
    symbols, start, end = ("AAA", "BBB"), date(2024, 1, 16), date(2024, 5, 15)

    def source(self):
        return YFinance(sleep=no_sleep)


def fetched(*symbols, start=date(2024, 1, 2), end=date(2024, 6, 28), **options):
    return YFinance(sleep=no_sleep, **options).fetch(symbols, start, end)


def test_prices_are_adjusted_for_splits_and_not_for_dividends(yahoo):
    batch = fetched("AAA")
    assert YFinance().adjusted == "split"
    assert batch.bars.columns == ["date", "symbol", "open", "high", "low", "close", "volume"]
    first, last = batch.bars.row(0, named=True), batch.bars.row(-1, named=True)
    assert (first["date"], first["close"], first["volume"]) == (date(2024, 1, 2), 50.0, 2000.0)
    assert last["close"] == yahoo.traded("AAA")[-1]
    assert batch.actions.select("date", "kind", "value").rows() == [
        (DIVIDEND, "dividend", 0.25), (SPLIT, "split", 2.0)
    ]  # fmt: skip


def test_the_bars_of_the_store_follow_from_what_was_traded(yahoo, tmp_path):
    store = Store(tmp_path)
    pull(store, "y", YFinance(sleep=no_sleep), ["AAA"], "2024-01-02", "2024-06-28", clock=lambda: CLOCK)
    bars = store.bars("y", adjust="total_return")
    traded = yahoo.traded("AAA")
    paid = np.where(DAYS == np.datetime64(DIVIDEND), 0.5, 0.0)
    ratio = np.where(DAYS == np.datetime64(SPLIT), 2.0, 1.0)
    steps = (traded[1:] + paid[1:]) * ratio[1:] / traded[:-1]
    np.testing.assert_allclose(bars.close.values[1:, 0] / bars.close.values[:-1, 0], steps, rtol=1e-12)
    assert store.describe("y").fields["volume"] == "shares, split-adjusted"


def test_distributions_of_gains_are_special_dividends():
    assert fetched("FUND").actions.rows() == [("FUND", date(2024, 3, 15), "special_dividend", 1.25)]


def test_a_symbol_that_yahoo_does_not_have_is_named_with_its_reason():
    batch = fetched("AAA", "GONE", "BBB")
    assert batch.bars["symbol"].unique().sort().to_list() == ["AAA", "BBB"]
    (failure,) = batch.failures
    assert (failure.symbol, failure.transient) == ("GONE", False)
    assert failure.reason.startswith("Yahoo does not have it: ")
    assert "delisted" in failure.reason


def test_after_a_refusal_the_rest_is_not_asked(yahoo):
    yahoo.refuse = 1
    batch = fetched("AAA", "BBB", "FUND")
    assert batch.bars.height == 0
    assert [failure.transient for failure in batch.failures] == [True] * 3
    assert batch.failures[0].reason == "Yahoo answers: Too Many Requests."
    assert yahoo.requests == ["AAA"]


@pytest.mark.parametrize(
    ("answer", "reason", "transient"),
    [
        (
            ConnectionError("Failed to perform, curl: (6) Could not resolve host"),
            "Yahoo cannot be reached: Failed",
            True,
        ),
        (TimeoutError("timed out"), "Yahoo cannot be reached: timed out.", True),
        (Response("<html>busy</html>"), "Yahoo's answer cannot be read: JSONDecodeError", True),
        (
            Response({"chart": {"result": [{"meta": {}}], "error": None}}),
            "Yahoo's answer cannot be read: KeyError",
            True,
        ),
        (Response({"chart": {"result": None, "error": {"description": "Bad"}}}), "Yahoo does not have it", False),
    ],
)
def test_every_bad_answer_is_a_named_failure(yahoo, answer, reason, transient):
    yahoo.answers["BBB"] = answer
    batch = fetched("AAA", "BBB")
    assert batch.bars["symbol"].unique().to_list() == ["AAA"]
    (failure,) = batch.failures
    assert failure.symbol == "BBB"
    assert failure.reason.startswith(reason)
    assert failure.transient is transient


def test_an_empty_answer_is_no_silence():
    batch = fetched("AAA", start=date(2024, 7, 8), end=date(2024, 7, 12))
    assert batch.bars.height == 0
    assert [failure.symbol for failure in batch.failures] == ["AAA"]


def test_prices_that_cannot_be_are_rejected(yahoo):
    yahoo.edits[("BBB", date(2024, 3, 1))] = {"low": 0.0}
    yahoo.edits[("BBB", date(2024, 3, 4))] = dict.fromkeys(("open", "high", "low", "close", "volume"))
    batch = fetched("BBB")
    assert batch.rejects.select("symbol", "date", "rule").rows() == [("BBB", "2024-03-01", "price")]
    assert batch.bars.height == DAYS.size - 2


def test_requests_are_paced(yahoo):
    pauses = []
    YFinance(pause=0.7, sleep=pauses.append).fetch(["AAA", "BBB", "GONE"], date(2024, 1, 2), date(2024, 1, 5))
    assert pauses == [0.7, 0.7]


def test_the_settings_of_the_library_are_put_back():
    import yfinance

    before = yfinance.config.debug.hide_exceptions
    fetched("AAA", "GONE")
    assert yfinance.config.debug.hide_exceptions is before


CLOCK = datetime(2024, 7, 3, tzinfo=UTC)


def test_a_split_restates_the_history_and_a_pull_sees_it(yahoo, tmp_path):
    store = Store(tmp_path)
    yahoo.today = date(2024, 4, 5)
    ask = {"symbols": ["AAA", "BBB"], "start": "2024-01-02", "clock": lambda: CLOCK}
    first = pull(store, "y", YFinance(sleep=no_sleep), end="2024-04-05", **ask)
    assert first.clean
    old = store.table("y", "bars", symbols="AAA")
    assert old["close"][0] == 100.0
    yahoo.today = date(2024, 4, 12)
    # The same process asks again: nothing may come out of a cache.
    second = pull(store, "y", YFinance(sleep=no_sleep), end="2024-04-12", **ask)
    assert second.restated["symbol"].unique().to_list() == ["AAA"]
    assert set(second.restated["done"]) == {"refetched"}
    assert second.restated.filter(field="close").select("stored", "fetched").row(0) == (115.25, 57.625)
    new = store.table("y", "bars", symbols="AAA")
    assert new["close"][0] == 50.0
    assert new["volume"][0] == 2000.0
    assert store.table("y", "actions", symbols="AAA")["value"].to_list() == [0.25, 2.0]
    assert store.table("y", "bars", symbols="AAA", known_at=store.versions("y")["committed_at"][0]).equals(old)
    assert not second.clean


def test_the_library_is_needed(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest, **options):
        if name.startswith("yfinance"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingLibraryError, match="Yahoo Finance needs yfinance"):
        YFinance()


def test_patience_asks_later(yahoo, tmp_path):
    waits = []
    yahoo.refuse = 2
    store = Store(tmp_path)
    report = pull(
        store, "y", YFinance(sleep=no_sleep), ["AAA", "BBB"], "2024-06-03", "2024-06-28", clock=lambda: CLOCK,
        patience=Patience(tries=3, first=2.0, seed=1, sleep=waits.append),
    )  # fmt: skip
    assert report.clean
    assert len(waits) == 2
    assert 1.0 <= waits[0] <= 3.0
    assert 2.0 <= waits[1] <= 6.0
    assert store.table("y", "bars").height == 2 * int((DAYS >= np.datetime64("2024-06-03")).sum())


def test_a_day_is_the_exchanges_own():
    batch = fetched("BBB", start=date(2024, 3, 8), end=date(2024, 3, 12))
    # Summer time began on the 10th.
    assert batch.bars["date"].to_list() == [date(2024, 3, 8), date(2024, 3, 11), date(2024, 3, 12)]
