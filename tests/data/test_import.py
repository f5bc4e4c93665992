"""``ingest``: facts by evidence, questions, intraday bars, and the three modes."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError, InputError, KindError, StoreError
from quantlab.core.periods import sessions
from quantlab.core.rng import generator
from quantlab.data import Store
from quantlab.data.ingestion import _evidence
from quantlab.data.ingestion._import import ingest

real = pytest.mark.skipif("QUANTLAB_REAL_DATA" not in os.environ, reason="QUANTLAB_REAL_DATA names no folder of prices")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def vendor(adjusted: str, *, split: bool = True) -> pl.DataFrame:
    """A year of one stock with a dividend and a 2:1 split, and the vendor's adjusted close, by the exact formula."""
    days = sessions("XNYS", np.datetime64("2023-01-03"), np.datetime64("2023-12-29"))
    value = 100.0 * np.exp(np.cumsum(generator(7).normal(0, 0.01, days.size)))
    dividend, ratio = np.zeros(days.size), np.ones(days.size)
    dividend[60], dividend[180], ratio[120] = 0.5, 0.6, 2.0 if split else 1.0
    close = value / np.cumprod(ratio)
    steps = np.ones(days.size)
    steps[1:] = close[:-1] / ((close[1:] + dividend[1:]) * ratio[1:])
    adj = close[-1] * np.append(np.cumprod(steps[:0:-1])[::-1], 1.0)
    later = np.append(np.cumprod(ratio[:0:-1])[::-1], 1.0)
    shown = {"none": close, "split": close / later, "total_return": adj}[adjusted]
    paid = {"none": dividend, "split": dividend / later, "total_return": dividend / later}[adjusted]
    return pl.DataFrame(
        {"date": days, "close": shown, "Adj Close": adj, "dividend_amount": paid, "split_coefficient": ratio}
    )


@pytest.mark.parametrize("adjusted", ["none", "split"])
def test_the_adjustment_is_proved_by_the_steps_of_the_adjusted_close(store, tmp_path, adjusted):
    vendor(adjusted).write_csv(tmp_path / "ABC.csv")
    report = ingest(tmp_path / "ABC.csv", store=store, dataset="d")
    assert report.adjusted.value == adjusted
    assert report.adjusted.evidence.startswith("249 of 249 steps of the adjusted close follow from the close")
    assert report.actions == {"dividend": 2, "split": 1}
    assert report.questions == ()
    assert store.describe("d").adjusted == adjusted


def test_without_a_split_raw_and_split_adjusted_cannot_be_told_apart(store, tmp_path):
    vendor("none", split=False).write_csv(tmp_path / "ABC.csv")
    report = ingest(tmp_path / "ABC.csv", store=store, dataset="d")
    assert report.adjusted.value == "unknown"
    assert "How were the prices adjusted?" in report.questions[0]
    assert report.clean


def test_what_the_user_says_is_held_against_the_file(store, tmp_path):
    vendor("none").write_csv(tmp_path / "ABC.csv")
    report = ingest(tmp_path / "ABC.csv", store=store, dataset="d", adjusted="total_return")
    assert report.adjusted.evidence.startswith("as you said, but the file looks like none: 249 of 249")
    agreed = ingest(tmp_path / "ABC.csv", store=store, dataset="e", adjusted="none")
    assert agreed.adjusted.evidence.startswith("as you said, and the file agrees")


def test_stored_adjustment_reproduces_the_adjusted_close(store, tmp_path):
    frame = vendor("none")
    frame.write_csv(tmp_path / "ABC.csv")
    ingest(tmp_path / "ABC.csv", store=store, dataset="d")
    read = store.bars("d", adjust="total_return").close.values[:, 0]
    np.testing.assert_allclose(read, frame["Adj Close"].to_numpy(), rtol=1e-9)


def write(path: Path, days, closes=None) -> None:
    pl.DataFrame({"date": days, "close": 5.0 if closes is None else closes}).write_csv(path)


def test_the_calendar_is_the_one_whose_sessions_they_are(store, tmp_path):
    for code in ("XNYS", "XLON", "XTKS"):
        days = sessions(code, np.datetime64("2020-01-01"), np.datetime64("2022-12-31"))
        write(tmp_path / "A.csv", days)
        report = ingest(tmp_path / "A.csv", store=store, dataset=code)
        assert (report.calendar.value, report.calendar.evidence) == (
            code, f"all {days.size} dates are {code} sessions"
        )  # fmt: skip
    write(tmp_path / "A.csv", [date(2022, 1, 1) + timedelta(days=n) for n in range(100)])
    assert ingest(tmp_path / "A.csv", store=store, dataset="coins").calendar.value == "24/7"


def test_a_stray_date_is_named_and_many_are_a_question(store, tmp_path):
    days = sessions("XNYS", np.datetime64("2020-01-01"), np.datetime64("2021-12-31"))
    # 2020-04-10 was Good Friday.
    write(tmp_path / "A.csv", np.sort(np.append(days, np.datetime64("2020-04-10"))))
    report = ingest(tmp_path / "A.csv", store=store, dataset="d")
    assert report.calendar.evidence == "505 of 506 dates are XNYS sessions, but not 2020-04-10"
    write(tmp_path / "A.csv", [date(2020, 1, 1) + timedelta(days=5 * n) for n in range(100)])
    with pytest.raises(DataError, match="fit no calendar that was tried") as caught:
        ingest(tmp_path / "A.csv", store=store, dataset="e")
    assert "--calendar" in caught.value.hint
    told = ingest(tmp_path / "A.csv", store=store, dataset="e", calendar="24/7")
    assert told.calendar.evidence.startswith("as you said; all 100 dates are 24/7 sessions; 396 sessions")


def test_few_dates_fit_many_calendars_and_the_report_says_so(store, tmp_path):
    write(tmp_path / "A.csv", [date(2024, 1, 9), date(2024, 1, 10)])
    report = ingest(tmp_path / "A.csv", store=store, dataset="d")
    assert report.calendar.value == "XNYS"
    assert "They fit XNYS, which was taken, and XLON" in report.questions[0]


def minutes(zone: str | None = None, first: str = "09:30", last: str = "15:59") -> pl.DataFrame:
    moments = pl.datetime_range(
        datetime.fromisoformat(f"2024-01-02T{first}"), datetime.fromisoformat(f"2024-01-02T{last}"), "1m", eager=True
    )
    return pl.DataFrame({"time": moments if zone is None else moments.dt.replace_time_zone(zone), "close": 5.0})


def test_intraday_bars_are_stored_by_their_end_in_utc(store, tmp_path):
    minutes().write_parquet(tmp_path / "A.parquet")
    with pytest.raises(DataError, match="times without a time zone"):
        ingest(tmp_path / "A.parquet", store=store, dataset="d")
    report = ingest(tmp_path / "A.parquet", store=store, dataset="d", time_zone="America/New_York")
    assert (report.bar.value, report.calendar.value, report.adjusted.value) == ("1min", "XNYS", "unknown")
    assert "times name the start of a bar, the last bar of a day is stamped 15:59" in report.dates.evidence
    assert report.first == datetime(2024, 1, 2, 14, 31, tzinfo=UTC)
    assert report.last == datetime(2024, 1, 2, 21, 0, tzinfo=UTC)
    # The other convention, told by the same rule, gives the same bars.
    minutes("America/New_York", "09:31", "16:00").write_parquet(tmp_path / "A.parquet")
    other = ingest(tmp_path / "A.parquet", store=store, dataset="e")
    assert "times name the end of a bar" in other.dates.evidence
    assert store.table("e", "bars").equals(store.table("d", "bars"))
    assert store.bars("d").dates[0] == np.datetime64("2024-01-02T14:31", "us")


def test_what_a_time_names_is_asked_for_when_the_times_do_not_show_it(store, tmp_path):
    minutes("America/New_York", "10:00", "11:00").write_parquet(tmp_path / "A.parquet")
    with pytest.raises(DataError, match="Whether the times name the start or the end"):
        ingest(tmp_path / "A.parquet", store=store, dataset="d")
    report = ingest(tmp_path / "A.parquet", store=store, dataset="d", stamp="end")
    assert report.first == datetime(2024, 1, 2, 15, 0, tzinfo=UTC)


def test_a_day_and_milliseconds_since_its_midnight(store, tmp_path):
    frame = pl.DataFrame(
        {
            "symbol": "A",
            "date": [date(2024, 1, 2), date(2024, 1, 2), date(2024, 7, 2)],
            "ms_since_midnight_ny": [34_200_000, 57_540_000, 57_540_000],
            "close": [1.0, 2.0, 3.0],
        }
    )
    frame.write_parquet(tmp_path / "all.parquet")
    report = ingest(tmp_path / "all.parquet", store=store, dataset="d", bar="1min")
    assert store.table("d", "bars")["date"].to_list() == [
        datetime(2024, 1, 2, 14, 31, tzinfo=UTC), datetime(2024, 1, 2, 21, 0, tzinfo=UTC),
        datetime(2024, 7, 2, 20, 0, tzinfo=UTC),
    ]  # fmt: skip
    assert "America/New_York" in report.dates.value


def test_a_day_and_a_clock_time_in_two_columns(store, tmp_path):
    (tmp_path / "A.txt").write_text("<DATE>,<TIME>,<CLOSE>\n20240102,093000,1\n20240102,093100,2\n20240102,155900,3\n")
    ingest(tmp_path / "A.txt", store=store, dataset="d", time_zone="America/New_York")
    assert store.table("d", "bars")["date"][0] == datetime(2024, 1, 2, 14, 31, tzinfo=UTC)


def test_the_length_of_a_bar_is_the_step_that_divides_the_others():
    base = datetime(2024, 1, 2, 14, 30)
    frame = lambda *steps: pl.DataFrame(  # noqa: E731
        {"symbol": "A", "date": [base + timedelta(minutes=step) for step in steps]}
    )
    assert _evidence.bar_length(frame(0, 5, 15, 30), None).value == "5min"
    assert _evidence.bar_length(frame(0, 60, 180), None).value == "1h"
    assert _evidence.bar_length(frame(0, 2, 5), None) is None
    assert _evidence.bar_length(frame(0), None) is None
    assert _evidence.bar_length(frame(0, 2, 5), "1min").value == "1min"


def test_an_update_adds_and_corrects_and_says_nothing_twice(store, tmp_path):
    (tmp_path / "A.csv").write_text("Date,Close\n2024-01-02,5\n2024-01-03,6\n")
    first = ingest(tmp_path / "A.csv", store=store, dataset="d", calendar="XNYS", adjusted="split", note="mine")
    (tmp_path / "A.csv").write_text("Date,Close\n2024-01-03,6.5\n2024-01-04,7\n")
    second = ingest(tmp_path / "A.csv", store=store, dataset="d", mode="update")
    assert (first.version, second.version, second.adjusted.value) == (1, 2, "split")
    assert (first.replaced, second.replaced) == (0, 1)
    assert store.table("d", "bars")["close"].to_list() == [5.0, 6.5, 7.0]
    assert (store.describe("d").note, store.describe("d").source) == ("mine", str(tmp_path / "A.csv"))
    third = ingest(tmp_path / "A.csv", store=store, dataset="d", mode="update")
    assert (third.version, third.committed, third.replaced) == (2, False, 0)
    known = store.describe("d", known_at=store.versions("d")["committed_at"][0])
    assert known.version == 1


def test_an_update_of_another_kind_is_refused(store, tmp_path):
    write(tmp_path / "A.csv", [date(2024, 1, 2), date(2024, 1, 3)])
    ingest(tmp_path / "A.csv", store=store, dataset="d", adjusted="split")
    for options, sentence in (
        ({"adjusted": "none"}, "has prices with adjustment split, and these files none"),
        ({"calendar": "XLON"}, "has calendar XNYS, and these files XLON"),
    ):
        with pytest.raises(DataError, match=sentence):
            ingest(tmp_path / "A.csv", store=store, dataset="d", mode="update", **options)
    minutes("America/New_York").write_parquet(tmp_path / "A.parquet")
    with pytest.raises(InputError, match="The dates have times"):
        ingest(tmp_path / "A.parquet", store=store, dataset="d", mode="update")
    assert store.versions("d").height == 1


def test_a_replacement_keeps_what_people_have_added(store, tmp_path):
    write(tmp_path / "A.csv", [date(2024, 1, 2), date(2024, 1, 3)])
    ingest(tmp_path / "A.csv", store=store, dataset="d", calendar="XNYS")
    decision = {"rule": "*", "symbol": "A", "start": date(2024, 1, 2), "decision": "quarantine"}
    store.review("d", pl.DataFrame([decision]))
    report = ingest(tmp_path / "A.csv", store=store, dataset="d", mode="replace", adjusted="none", calendar="XNYS")
    assert (report.version, store.describe("d").adjusted) == (3, "none")
    assert store.table("d", "review")["decision"].to_list() == ["quarantine"]
    again = ingest(tmp_path / "A.csv", store=store, dataset="d", mode="replace", adjusted="none", calendar="XNYS")
    assert (again.version, again.committed) == (3, False)


def test_units_and_notes_are_kept(store, tmp_path):
    write(tmp_path / "A.csv", [date(2024, 1, 2)])
    report = ingest(
        tmp_path / "A.csv", store=store, dataset="d", source="an index", note="levels", units={"close": "points"}
    )
    facts = store.describe("d")
    assert (facts.source, facts.note, facts.fields["close"]) == ("an index", "levels", "points")
    assert ("close", "close", "points") in report.understood.rows()


def test_bad_actions_are_rejected_and_their_bars_kept(store, tmp_path):
    (tmp_path / "A.csv").write_text(
        "Date,Close,Dividends,Stock Splits\n"
        "2024-01-02,5,-1,0\n2024-01-03,5,0.5,0\n2024-01-04,5,0,-2\n2024-01-05,5,0,3\n"
    )
    report = ingest(tmp_path / "A.csv", store=store, dataset="d")
    assert report.rejected == {"dividend": 1, "split": 1}
    assert report.bars == 4
    assert store.table("d", "actions").select("date", "kind", "value").rows() == [
        (date(2024, 1, 3), "dividend", 0.5), (date(2024, 1, 5), "split", 3.0)
    ]  # fmt: skip


def test_nothing_is_visible_when_the_store_refuses(store, tmp_path, monkeypatch):
    write(tmp_path / "A.csv", [date(2024, 1, 2)])

    def full(*inputs, **options):
        raise StoreError("No space left on device.")

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(StoreError):
        ingest(tmp_path / "A.csv", store=store, dataset="d")
    assert store.datasets().height == 0


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"dataset": "a b"}, InputError, "A dataset's name"),
        ({"mode": "append"}, InputError, "`mode` must be one of new, update, replace"),
        ({"adjusted": "raw"}, InputError, "`adjusted` must be one of none"),
        ({"bar": "5min"}, InputError, "The bars are daily, and `bar` says 5min"),
        ({"calendar": "XXXX"}, InputError, "Calendar 'XXXX' is unknown"),
        ({"columns": {"close": "Last"}}, DataError, "has no column 'Last'"),
        ({"where": {"src": "x"}}, DataError, "has no column 'src' to choose rows by"),
        ({"where": {"close": "7"}}, DataError, "has no rows where close is 7"),
    ],
)
def test_wrong_arguments_are_named(store, tmp_path, options, error, sentence):
    write(tmp_path / "A.csv", [date(2024, 1, 2)])
    with pytest.raises(error, match=sentence):
        ingest(tmp_path / "A.csv", store=store, **({"dataset": "d"} | options))
    assert not store.path.exists()


def test_a_path_must_be_a_path(store):
    with pytest.raises(KindError, match="`path` must be a path, received int"):
        ingest(5, store=store, dataset="d")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The folder of real files, and a store for all of them."""
    return Path(os.environ["QUANTLAB_REAL_DATA"]), Store(tmp_path_factory.mktemp("real") / "store")


@real
class TestRealFiles:
    """What a user types first; the facts are those that the README of the files states."""

    def test_raw_prices_with_actions(self, desk):
        folder, store = desk
        report = ingest(folder / "us_equity_av_raw_1999_2021.parquet", store=store, dataset="us")
        assert (report.bars, report.symbols, report.calendar.value) == (2_402_891, 504, "XNYS")
        assert report.adjusted.value == "none"
        assert report.adjusted.evidence.startswith("2,402,381 of 2,402,387 steps")
        assert report.actions == {"dividend": 27_729, "split": 473}
        assert report.clean

    def test_two_sources_in_one_file_agree_where_they_overlap(self, desk):
        folder, store = desk
        report = ingest(folder / "wiki_raw_actions_adj.parquet", store=store, dataset="wiki")
        assert (report.bars, report.doubled, report.adjusted.value) == (17_888, 504, "none")
        assert "1985-09-27" in report.calendar.evidence

    @pytest.mark.parametrize(
        ("name", "bars", "stray"),
        [
            ("sp500_kaggle5yr_2013_2018", 619_040, None),
            ("sp500_wiki_adj_2013_2018", 619_626, "2017-04-14"),
            ("lean_us_daily_raw", 70_025, None),
            ("etf_adj_1999_2017", 184_321, None),
        ],
    )
    def test_prices_alone_are_taken_with_a_question(self, desk, name, bars, stray):
        folder, store = desk
        report = ingest(folder / f"{name}.parquet", store=store, dataset=name)
        assert (report.bars, report.calendar.value, report.adjusted.value) == (bars, "XNYS", "unknown")
        assert (stray or "all") in report.calendar.evidence
        assert report.clean
        assert len(report.questions) == 1

    @pytest.mark.parametrize(
        ("name", "bar", "last"),
        [
            ("lean_minute_trade_bars", "1min", datetime(2023, 8, 4, 0, 0, tzinfo=UTC)),
            ("lean_hour_bars_spy_aapl", "1h", datetime(2021, 3, 31, 20, 0, tzinfo=UTC)),
        ],
    )
    def test_intraday_bars(self, desk, name, bar, last):
        folder, store = desk
        report = ingest(folder / f"{name}.parquet", store=store, dataset=name, time_zone="America/New_York")
        assert (report.bar.value, report.last, report.calendar.value) == (bar, last, "XNYS")
        assert "times name the start of a bar" in report.dates.evidence

    def test_an_index_needs_a_name(self, desk):
        folder, store = desk
        with pytest.raises(DataError, match="has no column for the symbol"):
            ingest(folder / "vix_daily_1990_2026.parquet", store=store, dataset="vix")
        report = ingest(folder / "vix_daily_1990_2026.parquet", store=store, dataset="vix", symbol="VIX")
        assert report.calendar.evidence.startswith("9,202 of 9,235 dates are XNYS sessions, but not 2004-06-11")

    def test_files_that_are_no_bars_are_refused(self, desk):
        folder, store = desk
        for name in ("lean_minute_quote_bars", "sp500_membership_1996_2025", "macro_fred_daily_1990_2025"):
            with pytest.raises(DataError):
                ingest(folder / f"{name}.parquet", store=store, dataset=name)
            assert name not in store.datasets()["name"].to_list()
