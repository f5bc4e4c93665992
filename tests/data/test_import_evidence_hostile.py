"""What the data must not be taken to prove, and what a pull must not pass over in silence."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError
from quantlab.core.periods import sessions
from quantlab.data import Store, schemas
from quantlab.data.ingestion import _dates
from quantlab.data.ingestion._import import ingest
from quantlab.data.ingestion._layout import Layout
from quantlab.data.ingestion._numbers import numbers
from quantlab.data.ingestion._pull import pull
from quantlab.data.sources import Csv
from quantlab.data.sources._source import Batch


def held(code, first, last):
    return sessions(code, np.datetime64(first), np.datetime64(last)).tolist()


DAYS = held("XNYS", "2024-01-02", "2024-03-28")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def clocks(folder, days, hours, form="%Y-%m-%d %H:%M"):
    """A file of hourly prices at these times of each day."""
    times = [datetime.combine(day, time.fromisoformat(hour)) for day in days for hour in hours]
    rows = [f"{moment:{form}},{10 + place % 7}" for place, moment in enumerate(times)]
    (folder / "AAA.csv").write_text("\n".join(["timestamp,close", *rows]))
    return folder / "AAA.csv"


def hours(first, last, minute=0):
    return [f"{hour:02d}:{minute:02d}" for hour in range(first, last + 1)]


class TestStamp:
    def test_a_market_that_never_closes_proves_nothing(self, store, tmp_path):
        days = [date(2024, 1, 1) + timedelta(days=place) for place in range(30)]
        file = clocks(tmp_path, days, [f"{hour:02d}:00" for hour in range(0, 24, 4)], "%Y-%m-%dT%H:%M:%SZ")
        for told in (None, "24/7"):
            with pytest.raises(DataError, match="Whether the times name the start or the end") as caught:
                ingest(file, store=store, dataset="d", adjusted="none", calendar=told)
            assert "--stamp" in str(caught.value)
        report = ingest(file, store=store, dataset="d", adjusted="none", stamp="start")
        assert report.first == datetime(2024, 1, 1, 4, tzinfo=UTC)

    @pytest.mark.parametrize("calendar", [None, "XNYS"])
    @pytest.mark.parametrize(
        ("first", "last", "says", "opens"), [(14, 20, "start", 15), (15, 21, "end", 15)]
    )  # fmt: skip
    def test_new_york_in_winter_in_utc(self, store, tmp_path, calendar, first, last, says, opens):
        file = clocks(tmp_path, DAYS[:30], hours(first, last), "%Y-%m-%dT%H:%M:%SZ")
        report = ingest(file, store=store, dataset="d", adjusted="none", calendar=calendar)
        assert f"times name the {says} of a bar" in report.dates.evidence
        assert report.first == datetime(2024, 1, 2, opens, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("times", "says"),
        [(hours(8, 16), "start"), (hours(9, 17), "end"), ([*hours(9, 16), "16:30"], "end")],
    )
    def test_london_closes_at_half_past_four(self, store, tmp_path, times, says):
        file = clocks(tmp_path, held("XLON", "2024-01-02", "2024-02-15"), times)
        told = {"time_zone": "Europe/London", "calendar": "XLON", "bar": "1h"}
        report = ingest(file, store=store, dataset="d", adjusted="none", **told)
        assert f"times name the {says} of a bar" in report.dates.evidence

    def test_an_open_that_says_otherwise_than_the_close_leaves_the_question(self, store, tmp_path):
        # 09:30 to 16:00: starts with the closing auction, or ends with an opening one.
        file = clocks(
            tmp_path, DAYS[:30], [f"{hour:02d}:{minute}" for hour in range(9, 17) for minute in ("00", "30")][1:-1]
        )
        with pytest.raises(DataError, match="start or the end"):
            ingest(file, store=store, dataset="d", adjusted="none", time_zone="America/New_York", calendar="XNYS")


@pytest.mark.parametrize("split", [1.0, 4.0])
def test_an_adjusted_close_that_is_the_close_proves_nothing(store, tmp_path, split):
    days = held("XNYS", "2022-01-04", "2024-06-28")
    close = np.linspace(50, 80, len(days))
    paid = [0.5 if place % 63 == 20 else 0.0 for place in range(len(days))]
    ratio = [split if place == 300 else 1.0 for place in range(len(days))]
    frame = pl.DataFrame({"date": days, "close": close, "adj_close": close, "dividend": paid, "split": ratio})
    frame.write_csv(tmp_path / "AAA.csv")
    report = ingest(tmp_path / "AAA.csv", store=store, dataset="d")
    assert report.adjusted.value == "unknown"
    assert "the adjusted close is the close itself" in report.adjusted.evidence
    assert "--adjusted none" in report.questions[0]


class TestParquetMoments:
    @pytest.fixture
    def tokyo(self, tmp_path):
        days = held("XTKS", "2024-01-04", "2024-06-28")
        midnight = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo")
        frame = pl.DataFrame({"date": days, "close": [float(place + 1) for place in range(len(days))]})
        frame.with_columns(midnight.dt.convert_time_zone("UTC")).write_parquet(tmp_path / "JP.parquet")
        return tmp_path / "JP.parquet", days

    def test_one_moment_a_day_is_the_day_of_the_told_zone(self, store, tokyo):
        file, days = tokyo
        ingest(file, store=store, dataset="d", adjusted="none", time_zone="Asia/Tokyo", calendar="XTKS")
        assert store.table("d", "bars")["date"].to_list() == days

    def test_of_utc_it_is_asked(self, store, tokyo):
        with pytest.raises(DataError, match="one moment a day at 15:00 of UTC") as caught:
            ingest(tokyo[0], store=store, dataset="d", adjusted="none", calendar="XTKS")
        assert "--time-zone" in str(caught.value)

    def test_a_told_calendar_that_does_not_fit_is_asked_about(self, store, tokyo):
        report = ingest(tokyo[0], store=store, dataset="d", adjusted="none", time_zone="UTC", calendar="XTKS")
        assert "Are these dates really XTKS sessions?" in report.questions[0]


class TestYears:
    def test_the_year_24_is_no_date(self, store, tmp_path):
        (tmp_path / "AAA.csv").write_text("Date,Close\n2024-01-05,10\n0024-01-08,11\n12024-01-09,12\n")
        report = ingest(tmp_path / "AAA.csv", store=store, dataset="d", calendar="24/7", adjusted="none")
        assert (report.bars, report.rejected) == (1, {"not_a_date": 2})

    def test_nor_by_a_told_format(self, store, tmp_path):
        (tmp_path / "AAA.csv").write_text("Date,Close\n01/05/24,10\n01/08/24,11\n")
        with pytest.raises(DataError, match="the rule that most break is not_a_date"):
            ingest(tmp_path / "AAA.csv", store=store, dataset="d", date_format="%m/%d/%Y")
        with pytest.raises(DataError, match="not_a_date"):
            ingest(tmp_path / "AAA.csv", store=store, dataset="d", date_format="%m/%d/%Y", where={"Close": "10"})

    @pytest.mark.parametrize("kind", [pl.Date(), pl.Datetime("us")])
    def test_nor_typed(self, kind):
        near = pl.Series([date(2024, 1, 5), date(24, 1, 5)]).cast(kind)
        far = near.dt.offset_by("9000y")
        for column, good in ((near, [True, False]), (far, [False, True])):
            found = _dates.typed(column, Layout(), "x")
            assert found.values.is_not_null().to_list() == good
            assert found.rules.to_list() == [None if fine else "not_a_date" for fine in good]


class TestNames:
    def folders(self, tmp_path, *texts):
        for name, text in zip("xyz", texts, strict=False):
            (tmp_path / name).mkdir()
            (tmp_path / name / "AAPL.csv").write_text(text)
        return f"{tmp_path}/*/AAPL.csv"

    def test_files_of_one_name_in_two_folders(self, store, tmp_path):
        where = self.folders(tmp_path, *(f"Date,Close\n20{year}-01-05,10\n20{year}-01-08,11,5\n" for year in (23, 24)))
        report = ingest(where, store=store, dataset="d", calendar="24/7", adjusted="none")
        assert report.bars == 2
        assert store.table("d", "rejects")["source"].to_list() == ["x/AAPL.csv", "y/AAPL.csv"]

    def test_the_one_of_another_kind_is_named(self, store, tmp_path):
        where = self.folders(
            tmp_path, "Date,Close\n2023-01-05,10\n", "Date,Close\n2024-01-05 10:00Z,10\n2024-01-05 11:00Z,10\n"
        )
        report = ingest(where, store=store, dataset="d", calendar="24/7", adjusted="none")
        assert [file.source for file in report.unread] == ["y/AAPL.csv"]


class TestNumbers:
    def test_points_between_thousands_hold_for_the_column(self, store, tmp_path):
        (tmp_path / "AAA.csv").write_text("Date;Close;Volume\n2024-01-05;12.5;1.234.567\n2024-01-06;13.25;999.123\n")
        ingest(tmp_path / "AAA.csv", store=store, dataset="d", calendar="24/7", adjusted="none")
        assert store.table("d", "bars")["volume"].to_list() == [1_234_567, 999_123]
        assert store.table("d", "bars")["close"].to_list() == [12.5, 13.25]

    @pytest.mark.parametrize("text", ["10 11", "5$6", "1'2", "1 2345", "$", "1 234 56", "5 $ 6", "$5$6"])
    def test_what_is_no_number(self, text):
        values, bad = numbers(pl.Series([text]), ".")
        assert (values.to_list(), bad.to_list()) == ([None], [True])

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("10 111", 10_111), ("1'234'567.5", 1_234_567.5), ("$5", 5), ("5 €", 5), ("-$5", -5), ("$ -5", -5),
            ("$12.3M", 12.3e6), ("1\u202f234", 1234), ("£1,000.5", 1000.5), ("- 5", -5),
        ],
    )  # fmt: skip
    def test_what_is_one(self, text, value):
        assert numbers(pl.Series([text]), ".")[0].to_list() == [value]


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (pl.Series([["a"], ["b"], None]), '["b"]'),
        (pl.Series([b"\xff", b"\xfe", b"c"]), "xfe"),
        (pl.Series([{"x": 1}, {"x": 2}, {"x": 3}]), '"x'),
    ],
)
def test_a_rejected_row_beside_a_column_of_lists_or_bytes(store, tmp_path, column, shown):
    day, close = [date(2024, 1, 5), date(2024, 1, 6), date(2024, 1, 6)], [1.0, 2.0, 3.0]
    frame = pl.DataFrame({"date": day, "symbol": "A", "close": close, "tags": column})
    frame.write_parquet(tmp_path / "a.parquet")
    report = ingest(tmp_path / "a.parquet", store=store, dataset="d", calendar="24/7", adjusted="none")
    assert report.rejected == {"duplicate": 2}
    row = store.table("d", "rejects")["row"][0]
    assert shown in row.replace('\\"', '"')


def at(day):
    return lambda: datetime(day.year, day.month, day.day, 23, tzinfo=UTC)


def priced(days, factor=1.0, bad=-1):
    rows = [f"{day},{(10 + place) * factor if place != bad else -1},0" for place, day in enumerate(days)]
    return "\n".join(["Date,Close,Dividend", *rows])


class Vendor:
    name, calendar, adjusted, bar = "vendor", "XNYS", "none", "1d"

    def __init__(self, bars, actions=None, rejects=None):
        self.units = {}
        self.bars, self.rejects = bars, rejects
        self.actions = schemas.empty("actions") if actions is None else actions

    def symbols(self):
        return ("A",)

    def fetch(self, symbols, start, end):
        inside = pl.col("date").is_between(start or date(1900, 1, 1), end)
        rejects = schemas.empty("rejects") if self.rejects is None else self.rejects
        return Batch(self.bars.filter(inside), self.actions.filter(inside), rejects)


class TestPull:
    def source(self, folder):
        return Csv(folder, calendar="XNYS", adjusted="none")

    def test_a_file_that_cannot_be_read_is_a_failure(self, store, tmp_path):
        folder = tmp_path / "files"
        folder.mkdir()
        (folder / "A.csv").write_text(priced(DAYS[:20]))
        (folder / "B.csv").write_text('{"Error Message": "limit reached"}')
        report = pull(store, "d", self.source(folder), clock=at(DAYS[24]), chunk=1)
        assert report.failures["symbol"].to_list() == ["B"]
        assert "limit reached" in report.failures["reason"][0]
        assert not report.clean

    def test_rows_without_a_symbol_are_rejects(self, store, tmp_path):
        folder = tmp_path / "files"
        folder.mkdir()
        rows = [f"{day},{'' if place == 3 else 'A'},{10 + place}" for place, day in enumerate(DAYS[:20])]
        (folder / "all.csv").write_text("\n".join(["Date,Symbol,Close", *rows]))
        report = pull(store, "d", self.source(folder), clock=at(DAYS[24]))
        assert (report.rejected, report.clean) == (1, False)
        assert report.notes == (f"1 row without a symbol was rejected in {folder}.",)
        assert store.table("d", "rejects")["rule"].to_list() == ["missing_symbol"]

    def test_a_withdrawn_action_is_left_and_said(self, store):
        bars = pl.DataFrame({"date": DAYS[:25], "symbol": "A", "close": 10.0})
        split = pl.DataFrame({"symbol": ["A"], "date": [DAYS[17]], "kind": ["split"], "value": [2.0]})
        pull(store, "d", Vendor(bars, split), clock=at(DAYS[19]))
        report = pull(store, "d", Vendor(bars), clock=at(DAYS[24]))
        assert report.restated.select("field", "fetched", "done").rows() == [("split", None, "left")]
        assert any(f"A: the vendor has no split of {DAYS[17]} any more" in note for note in report.notes)
        assert not report.clean

    def test_a_reject_that_comes_twice_is_stored_once(self, store, tmp_path):
        folder = tmp_path / "files"
        folder.mkdir()
        (folder / "A.csv").write_text(priced(DAYS[:20], bad=18))
        pull(store, "d", self.source(folder), clock=at(DAYS[19]))
        (folder / "A.csv").write_text(priced(DAYS[:25], factor=2.0, bad=18))
        report = pull(store, "d", self.source(folder), clock=at(DAYS[24]))
        assert (report.rejected, set(report.restated["done"])) == (1, {"refetched"})
        assert store.table("d", "rejects").height == 1

    def test_so_is_one_of_two_with_other_values(self, store):
        one = {"source": "v", "line": None, "symbol": "A", "date": "2024-01-08", "rule": "duplicate"}
        rejects = pl.DataFrame([{**one, "row": "1"}, {**one, "row": "2"}], schema=schemas.TABLES["rejects"].schema)
        bars = pl.DataFrame({"date": DAYS[:5], "symbol": "A", "close": 10.0})
        report = pull(store, "d", Vendor(bars, rejects=rejects), clock=at(DAYS[4]))
        assert (report.rejected, store.table("d", "rejects").height) == (1, 1)


def test_an_update_never_replaces_stored_values_by_missing_ones(store, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    both = "Date,Open,Close\n2024-01-02,9,10\n2024-01-03,10,11\n"
    for symbol in "AB":
        (folder / f"{symbol}.csv").write_text(both)
    ingest(folder, store=store, dataset="one", calendar="XNYS", adjusted="none")
    (folder / "B.csv").write_text("Date,Close\n2024-01-02,10\n2024-01-03,12\n")
    with pytest.raises(DataError, match=r"B\.csv has no open, which other files have") as error:
        ingest(folder, store=store, dataset="one", mode="update")
    assert "files of each kind by themselves" in error.value.hint
    assert store.describe("one").version == 1
    ingest(folder / "B.csv", store=store, dataset="one", mode="update")
    bars = store.bars("one")
    assert bars.open.values.tolist() == [[9.0, 9.0], [10.0, 10.0]]
    assert bars.close.values.tolist() == [[10.0, 10.0], [11.0, 12.0]]
