"""Sources: all of ours pass the acceptance class, and the acceptance class sees the faults of broken ones."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError, InputError, KindError, LabelError, QuantlabError
from quantlab.core.periods import sessions
from quantlab.data.sources import Batch, Csv, Failure, Parquet, Samples, Source
from quantlab.data.sources._source import check
from quantlab.testing._source import SourceAcceptance

DAYS = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-03-28"))


def prices(symbol: str, days=DAYS) -> pl.DataFrame:
    close = 50.0 + 10 * len(symbol) + np.arange(days.size) / 8
    return pl.DataFrame({"date": days, "open": close - 0.5, "close": close, "volume": 1000.0})


class _Files(SourceAcceptance):
    symbols, start, end = ("AB", "CDE"), date(2024, 1, 16), date(2024, 3, 15)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "prices"
        self.folder.mkdir()
        self.write()


class TestCsvFolder(_Files):
    def write(self):
        for symbol in self.symbols:
            prices(symbol).write_csv(self.folder / f"{symbol}.csv")

    def source(self):
        return Csv(self.folder)


class TestCsvFile(_Files):
    def write(self):
        frames = [prices(symbol).with_columns(Ticker=pl.lit(symbol)) for symbol in reversed(self.symbols)]
        pl.concat(frames).sample(fraction=1.0, shuffle=True, seed=1).write_csv(self.folder / "all.csv", separator=";")

    def source(self):
        return Csv(self.folder / "all.csv", calendar="XNYS", adjusted="split")


class TestParquetFolder(_Files):
    def write(self):
        for symbol in self.symbols:
            prices(symbol).write_parquet(self.folder / f"{symbol}.parquet")

    def source(self):
        return Parquet(self.folder, units={"close": "points"})


class TestParquetIntraday(_Files):
    def write(self):
        hours = pl.datetime_range(datetime(2024, 1, 2), datetime(2024, 3, 28), "1h", eager=True)
        inside = hours.filter(hours.dt.hour().is_between(10, 16) & hours.dt.date().is_in(list(DAYS.tolist())))
        for symbol in self.symbols:
            frame = pl.DataFrame({"bar_end_ny": inside, "close": np.arange(inside.len()) + 5.0})
            frame.write_parquet(self.folder / f"{symbol}.parquet")

    def source(self):
        return Parquet(self.folder)


class TestSamples(SourceAcceptance):
    symbols, start, end = ("AAPL", "JPM"), date(2015, 1, 2), date(2015, 2, 27)

    def source(self):
        return Samples("sample")


class Fake:
    """A right source, of which every test below breaks one thing."""

    name, calendar, adjusted, bar = "fake", "XNYS", "none", "1d"
    units: dict[str, str] = {}  # noqa: RUF012
    asked = 0

    def symbols(self):
        return ("A", "B")

    def fetch(self, symbols, start, end):
        self.asked += 1
        frames, failures = [], []
        for symbol in sorted(symbols):
            if symbol not in ("A", "B"):
                failures.append(Failure(symbol, "There is none."))
                continue
            frame = prices(symbol).with_columns(symbol=pl.lit(symbol))
            frames.append(frame.filter(pl.col("date").is_between(start, end)))
        empty = prices("A").with_columns(symbol=pl.lit("A")).clear()
        bars = self.broken(pl.concat([empty, *frames]), symbols, start, end)
        notes = tuple(f"{symbol} has no bars." for symbol in symbols if bars.height == 0)
        return Batch(bars, failures=tuple(failures), notes=notes)

    def broken(self, bars, symbols, start, end):
        return bars


class _Accept(SourceAcceptance):
    symbols, start, end = ("A", "B"), date(2024, 1, 16), date(2024, 3, 15)
    made = Fake

    def source(self):
        return self.made()


def run(made) -> dict[str, str]:
    """The tests of the acceptance class that a source fails, with what they say."""
    trial = _Accept()
    trial.made = made
    failed = {}
    for name in dir(trial):
        if name.startswith("test_"):
            try:
                getattr(trial, name)()
            except (AssertionError, QuantlabError, NotImplementedError) as error:
                failed[name] = str(error)
    return failed


def test_a_right_source_passes():
    assert run(Fake) == {}


def breaking(**attributes):
    return type("Broken", (Fake,), attributes)


def shifted(self, bars, symbols, start, end):
    return bars.with_columns(pl.col("date").cast(pl.Datetime("us")))


def other_name(self, bars, symbols, start, end):
    return bars.with_columns(symbol=pl.lit("X") + pl.col("symbol"))


def with_state(self, bars, symbols, start, end):
    return bars.with_columns(pl.col("close") + self.asked)


def by_company(self, bars, symbols, start, end):
    return bars.with_columns(pl.col("close") + len(symbols))


def by_range(self, bars, symbols, start, end):
    # What an adjustment that ends at the last day asked for does.
    return bars.with_columns((pl.col("close") / pl.col("close").first()).over("symbol"))


def unasked_days(bars):
    before = prices("A").with_columns(symbol=pl.lit("A"))
    return bars.vstack(before).unique(["symbol", "date"]).sort("symbol", "date")


def a_day_off(self, bars, symbols, start, end):
    moved = bars.with_columns(pl.col("date").dt.offset_by("-1d"))
    return moved.filter(pl.col("date").is_between(start, end))


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"broken": lambda self, bars, *rest: bars.reverse()}, "is not sorted by symbol and date"),
        ({"broken": lambda self, bars, *rest: pl.concat([bars, bars]).sort("symbol", "date")}, "stands twice"),
        ({"broken": lambda self, bars, *rest: unasked_days(bars)}, "outside of"),
        ({"broken": shifted}, "clock times without a time zone"),
        ({"broken": other_name}, "which nobody asked for"),
        ({"broken": with_state}, "The same question has another answer"),
        ({"broken": by_company}, "alone differs from"),
        ({"broken": by_range}, "differ from those of the whole range"),
        ({"broken": a_day_off}, "days are no XNYS sessions"),
        ({"broken": lambda self, bars, *rest: bars.with_columns(close=0.0)}, "In a batch close of A"),
        ({"broken": lambda self, bars, *rest: bars.drop("close")}, "has no column close"),
        ({"broken": lambda self, bars, *rest: bars.with_columns(vwap=1.0)}, "that a store does not know"),
        ({"broken": lambda self, bars, *rest: bars.with_columns(pl.col("close").cast(pl.String))}, "must be numbers"),
        ({"broken": lambda self, bars, *rest: bars.filter(symbol="A")}, "says nothing of B"),
        ({"adjusted": "raw"}, "`adjusted` must be one of"),
        ({"bar": "daily"}, "`bar` must be 1d"),
        ({"bar": "1min"}, "Bars of 1min have dates of Date"),
        ({"name": ""}, "`name` must be text"),
        ({"units": {"vwap": "points"}}, "`units` names"),
        ({"calendar": "NYSE!"}, "is unknown"),
        ({"symbols": lambda self: ("B", "A")}, "must be sorted, each name once"),
        ({"symbols": lambda self: ("A",)}, "lacks one of"),
        ({"adjusted": property(lambda self: "split" if self.asked else "none")}, "The facts were"),
    ],
)  # fmt: skip
def test_a_broken_source_fails(attributes, sentence):
    said = run(breaking(**attributes))
    assert any(sentence in words for words in said.values()), said


def test_what_lacks_a_method_is_no_source():
    trial = _Accept()
    trial.made = type("Half", (), {"name": "x"})
    with pytest.raises(AssertionError, match="Half lacks an attribute or method"):
        trial.test_the_protocol()


def test_a_silent_unknown_symbol_fails():
    def silent(self, symbols, start, end):
        batch = Fake.fetch(self, symbols, start, end)
        return Batch(batch.bars, notes=batch.notes)

    assert "neither bars nor a failure" in run(breaking(fetch=silent))["test_an_unknown_symbol_is_a_named_failure"]


def test_the_source_must_be_defined():
    with pytest.raises(NotImplementedError, match="Define `source`"):
        SourceAcceptance().source()


def test_ours_are_sources(tmp_path):
    prices("A").write_csv(tmp_path / "A.csv")
    for source in (Csv(tmp_path), Samples("vix"), Fake()):
        assert isinstance(source, Source)


def test_a_file_that_cannot_be_read_is_the_failure_of_its_symbol(tmp_path):
    prices("A").write_csv(tmp_path / "A.csv")
    (tmp_path / "B.csv").write_text('{"Note": "Thank you for using us"}')
    batch = Csv(tmp_path).fetch(["A", "B", "C"], None, None)
    assert [(failure.symbol, failure.transient) for failure in batch.failures] == [("B", False), ("C", False)]
    assert "B.csv is no table but the answer of a server" in batch.failures[0].reason
    assert batch.failures[1].reason == f"{tmp_path} has no C."


def test_rejected_rows_come_along(tmp_path):
    (tmp_path / "A.csv").write_text("Date,Close,Dividend\n2024-01-02,5,0\n2024-01-03,0,0\n2024-01-04,6,0.5\n")
    batch = Csv(tmp_path, calendar="XNYS").fetch(["A"], None, None)
    assert batch.rejects.select("line", "rule").rows() == [(3, "price")]
    assert batch.actions.select("kind", "value").rows() == [("dividend", 0.5)]


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda path: Csv(path / "none").symbols(), InputError, "There is no file or folder"),
        (lambda path: Csv(path, date_fmt="%Y"), InputError, "There is no option `date_fmt`"),
        (lambda path: Samples("apples"), InputError, "There is no sample dataset 'apples'"),
    ],
)
def test_impossible_sources_are_refused(tmp_path, make, error, sentence):
    with pytest.raises(error, match=sentence):
        make(tmp_path)


def test_a_batch_is_checked_when_it_is_made():
    day = date(2024, 1, 2)
    with pytest.raises(KindError, match="`bars` of a batch must be a Polars frame, received dict"):
        Batch({})
    with pytest.raises(KindError, match="must be days or moments in UTC, received String"):
        Batch(pl.DataFrame({"date": ["2024-01-02"], "symbol": ["A"], "close": [1.0]}))
    with pytest.raises(LabelError, match="A 2024-01-02 stands twice"):
        Batch(pl.DataFrame({"date": [day, day], "symbol": ["A", "A"], "close": [1.0, 1.0]}))
    with pytest.raises(DataError, match="volume of A 2024-01-02 is -1"):
        Batch(pl.DataFrame({"date": [day], "symbol": ["A"], "close": [1.0], "volume": [-1.0]}))


def test_an_action_outside_of_the_range_is_refused():
    bars = pl.DataFrame({"date": [date(2024, 1, 2)], "symbol": ["A"], "close": [1.0]})
    late = pl.DataFrame({"symbol": ["A"], "date": [date(2024, 2, 1)], "kind": ["split"], "value": [2.0]})
    with pytest.raises(DataError, match="actions of A 2024-02-01, outside of"):
        check(Batch(bars, late), ["A"], date(2024, 1, 1), date(2024, 1, 31))
    check(Batch(bars, late), ["A"], date(2024, 1, 1), date(2024, 1, 31) + timedelta(days=1))
