"""``pull``: it goes on where it stopped, sees a restated history, waits for a busy source, loses at most a chunk."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import DataError, InputError, KindError
from quantlab.core.periods import sessions
from quantlab.data import Store
from quantlab.data.ingestion._import import ingest
from quantlab.data.ingestion._patience import Patience
from quantlab.data.ingestion._pull import last_session, pull
from quantlab.data.sources import Batch, Csv, Failure, Parquet

DAYS = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-06-28")).tolist()
NOW = datetime(2024, 7, 1, tzinfo=UTC)


class Vendor:
    """A source in memory, whose history a test can change and whose answers it can spoil."""

    name, calendar, adjusted, bar = "vendor", "XNYS", "split", "1d"
    units: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, symbols=("A", "B", "C")):
        self.close = {
            symbol: {day: 10.0 * (place + 1) + n / 8 for n, day in enumerate(DAYS)}
            for place, symbol in enumerate(symbols)
        }
        self.volume = {symbol: dict.fromkeys(DAYS, 1000.0) for symbol in symbols}
        self.paid: list[tuple[str, date, str, float]] = []
        self.busy: dict[str, int] = {}
        self.asked: list[tuple[tuple[str, ...], date | None, date | None]] = []

    def symbols(self):
        return tuple(sorted(self.close))

    def fetch(self, symbols, start, end):
        self.asked.append((tuple(symbols), start, end))
        rows, failures = [], []
        for symbol in sorted(symbols):
            if self.busy.get(symbol, 0):
                self.busy[symbol] -= 1
                failures.append(Failure(symbol, "Busy.", True))
                continue
            if symbol not in self.close:
                failures.append(Failure(symbol, "There is none."))
                continue
            inside = [day for day in sorted(self.close[symbol]) if (start is None or day >= start) and day <= end]
            rows += [(day, symbol, self.close[symbol][day], self.volume[symbol].get(day)) for day in inside]
            if not inside:
                failures.append(Failure(symbol, "No bars then."))
        schema = {"date": pl.Date, "symbol": pl.String, "close": pl.Float64, "volume": pl.Float64}
        actions = [
            row for row in self.paid if row[0] in symbols and (start is None or row[1] >= start) and row[1] <= end
        ]
        kinds = {"symbol": pl.String, "date": pl.Date, "kind": pl.String, "value": pl.Float64}
        return Batch(
            pl.DataFrame(rows, schema=schema, orient="row"),
            pl.DataFrame(actions, schema=kinds, orient="row"),
            failures=tuple(failures),
        )


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def run(store, vendor, **options):
    waits = options.pop("waits", [])
    options.setdefault("patience", Patience(tries=3, sleep=waits.append))
    return pull(store, "d", vendor, **({"clock": lambda: NOW} | options))


def stored(store, symbol):
    return dict(store.table("d", "bars", symbols=symbol).select("date", "close").rows())


def test_a_first_pull_brings_everything(store):
    vendor = Vendor()
    vendor.paid = [("A", DAYS[10], "dividend", 0.5)]
    report = run(store, vendor, start="2024-01-02")
    assert (report.asked, report.current, report.version, report.end) == (3, 0, 1, date(2024, 6, 28))
    assert report.clean
    assert report.added == 3 * len(DAYS) + 1
    facts = store.describe("d")
    assert (facts.source, facts.adjusted, facts.calendar, facts.bar) == ("vendor", "split", "XNYS", "1d")
    assert all(stored(store, symbol) == vendor.close[symbol] for symbol in "ABC")


def test_a_second_pull_asks_for_what_is_new_and_the_overlap(store):
    vendor = Vendor()
    run(store, vendor, end=DAYS[50])
    vendor.asked.clear()
    report = run(store, vendor, end=DAYS[60], overlap=4)
    assert vendor.asked == [(("A", "B", "C"), DAYS[47], DAYS[60])]
    assert (report.added, report.changed, report.commits) == (30, 0, 1)
    vendor.asked.clear()
    third = run(store, vendor, end=DAYS[60])
    assert (third.current, third.commits, vendor.asked) == (3, 0, [])


@settings(max_examples=15)
@given(
    st.lists(st.integers(1, len(DAYS) - 1), min_size=1, max_size=5, unique=True), st.integers(1, 3), st.integers(1, 8)
)
def test_many_pulls_make_the_same_dataset_as_one(tmp_path_factory, stops, chunk, overlap):
    vendor, folder = Vendor(), tmp_path_factory.mktemp("many")
    for stop in sorted(stops):
        run(Store(folder / "many"), vendor, end=DAYS[stop], chunk=chunk, overlap=overlap)
    run(Store(folder / "one"), vendor, end=DAYS[max(stops)])
    assert Store(folder / "many").bars("d").content_hash == Store(folder / "one").bars("d").content_hash


def test_each_chunk_is_a_commit_and_a_kill_loses_one(store):
    vendor = Vendor(tuple("ABCDEF"))
    fetch, seen = vendor.fetch, []

    def killed(symbols, start, end):
        seen.extend(symbols)
        if "E" in symbols:
            raise KeyboardInterrupt
        return fetch(symbols, start, end)

    vendor.fetch = killed
    with pytest.raises(KeyboardInterrupt):
        run(store, vendor, chunk=2)
    assert store.describe("d").symbols == tuple("ABCD")
    vendor.fetch = fetch
    vendor.asked.clear()
    report = run(store, vendor, chunk=2, symbols=tuple("ABCDEF"))
    assert [symbols for symbols, _, _ in vendor.asked] == [("E", "F")]
    assert (report.current, store.describe("d").symbols) == (4, tuple("ABCDEF"))


def change(vendor, symbol="B", factor=0.5):
    vendor.close[symbol] = {day: close * factor for day, close in vendor.close[symbol].items()}


@pytest.mark.parametrize(
    ("policy", "done", "old", "new"),
    [("refetch", "refetched", 0.5, 0.5), ("accept", "accepted", 1.0, 0.5), ("report", "left", 1.0, None)],
)
def test_a_restated_history_is_reported_and_dealt_with_as_asked(store, policy, done, old, new):
    vendor = Vendor()
    run(store, vendor, end=DAYS[50])
    before, moment = stored(store, "B"), store.describe("d").committed_at
    change(vendor)
    report = run(store, vendor, end=DAYS[60], on_restated=policy, overlap=3)
    assert not report.clean
    assert report.restated.rows() == [
        ("B", day, "close", before[day], before[day] / 2, done) for day in DAYS[48:51]
    ]  # fmt: skip
    now = stored(store, "B")
    assert now[DAYS[0]] == before[DAYS[0]] * old
    assert now.get(DAYS[60]) == (None if new is None else vendor.close["B"][DAYS[60]])
    assert stored(store, "A")[DAYS[60]] == vendor.close["A"][DAYS[60]]
    assert dict(store.table("d", "bars", symbols="B", known_at=moment).select("date", "close").rows()) == before


def test_volumes_alone_do_not_fetch_a_history_again(store):
    vendor = Vendor()
    run(store, vendor, end=DAYS[50])
    vendor.volume["A"][DAYS[50]] = 1500.0
    vendor.asked.clear()
    report = run(store, vendor, end=DAYS[51])
    assert report.restated.rows() == [("A", DAYS[50], "volume", 1000.0, 1500.0, "accepted")]
    assert len(vendor.asked) == 1
    assert store.table("d", "bars", symbols="A")["volume"][50] == 1500.0


def test_bars_and_actions_that_come_or_go_are_restatements(store):
    vendor = Vendor()
    vendor.paid = [("A", DAYS[49], "dividend", 0.5), ("B", DAYS[49], "dividend", 0.5)]
    run(store, vendor, end=DAYS[50])
    del vendor.close["C"][DAYS[48]]
    vendor.paid = [("A", DAYS[49], "dividend", 0.25)]
    report = run(store, vendor, end=DAYS[51], overlap=5)
    assert report.restated.select("symbol", "date", "field", "stored", "fetched").rows() == [
        ("A", DAYS[49], "dividend", 0.5, 0.25),
        ("B", DAYS[49], "dividend", 0.5, None),
        ("C", DAYS[48], "close", 36.0, None),
    ]
    assert any("C: 1 stored bars are not in the new history" in note for note in report.notes)
    # What to do about an action that the vendor has no more is said, and does what it says.
    [note] = [note for note in report.notes if note.startswith("B: ")]
    assert note == (
        f"B: the vendor has no dividend of {DAYS[49]} any more, and the store has: left as stored. "
        '`store.update("d", withdraw={"actions": rows})` takes out rows of `store.table("d", "actions", symbols="B")`.'
    )
    assert store.table("d", "actions", symbols="B").height == 1
    store.update("d", withdraw={"actions": store.table("d", "actions", symbols="B")})
    assert store.table("d", "actions", symbols="B").height == 0
    assert "B" not in run(store, vendor, end=DAYS[52], overlap=5).restated["symbol"]
    assert store.table("d", "actions", symbols="A")["value"].to_list() == [0.25]


def test_what_the_owner_has_booked_by_hand_is_no_restatement(store):
    vendor = Vendor()
    run(store, vendor, end=DAYS[50])
    by_hand = {"symbol": ["A", "B"], "date": [DAYS[49]] * 2, "kind": ["conversion", "delisting"], "value": [1.0, -1.0]}
    store.update("d", actions=pl.DataFrame(by_hand | {"into": ["C", None]}))
    assert run(store, vendor, end=DAYS[51], overlap=5).clean


def test_noise_below_the_tolerance_is_no_restatement(store):
    vendor = Vendor()
    run(store, vendor, end=DAYS[50])
    change(vendor, factor=1 + 1e-8)
    assert run(store, vendor, end=DAYS[60]).clean
    change(vendor, factor=1 + 1e-4)
    assert not run(store, vendor, end=DAYS[61]).clean


def test_a_busy_source_is_asked_again_and_later(store):
    vendor, waits = Vendor(), []
    vendor.busy = {"B": 2}
    report = run(store, vendor, waits=waits)
    assert report.clean
    assert [symbols for symbols, _, _ in vendor.asked] == [("A", "B", "C"), ("B",), ("B",)]
    assert all(0.5 <= wait / (2 * 2**n) <= 1.5 for n, wait in enumerate(waits))
    assert len(waits) == 2


def test_who_stays_busy_is_a_named_failure_and_comes_with_the_next_pull(store):
    vendor = Vendor()
    vendor.busy = {"B": 3}
    report = run(store, vendor)
    assert report.failures.rows() == [("B", "Busy.", 3)]
    assert not report.clean
    assert store.describe("d").symbols == ("A", "C")
    assert run(store, vendor, symbols=["A", "B", "C"]).clean
    assert stored(store, "B") == vendor.close["B"]


def test_waits_are_the_same_for_a_seed_and_end_at_five_minutes():
    def waits(seed):
        found = []
        patience = Patience(tries=20, first=2.0, seed=seed, sleep=found.append)
        for tries in range(1, 20):
            patience.wait(tries)
        return found

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)
    assert max(waits(3)) <= 450
    with pytest.raises(InputError, match="`tries` must be an integer >= 1"):
        Patience(tries=0)


def test_a_symbol_that_never_was_is_a_failure_beside_the_others(store):
    report = run(store, Vendor(), symbols=["A", "NONE"])
    assert report.failures.rows() == [("NONE", "There is none.", 1)]
    assert store.describe("d").symbols == ("A",)


def test_when_nothing_comes_there_is_no_dataset(store):
    with pytest.raises(DataError, match=r"Nothing could be fetched from vendor: X and 1 more: There is none\."):
        run(store, Vendor(), symbols=["X", "Y"])
    assert store.datasets().height == 0


def test_a_stopped_symbol_is_a_failure_and_stays_stored(store):
    vendor = Vendor()
    run(store, vendor, end=DAYS[50])
    vendor.close.pop("B")
    report = run(store, vendor, end=DAYS[60])
    assert report.failures["symbol"].to_list() == ["B"]
    assert len(stored(store, "B")) == 51


def test_symbols_far_behind_catch_up(store):
    vendor = Vendor()
    run(store, vendor, end=DAYS[10], symbols=["A"])
    run(store, vendor, symbols=["B"])
    report = run(store, vendor, symbols=["A", "B"])
    assert (report.current, report.clean) == (1, True)
    assert stored(store, "A") == vendor.close["A"]


def test_only_sessions_that_are_over_are_asked_for(store):
    vendor = Vendor()
    # New York closes at 20:00 UTC in June.
    report = run(store, vendor, clock=lambda: datetime(2024, 6, 20, 19, 59, tzinfo=UTC))
    assert report.end == date(2024, 6, 18)  # the 19th is a holiday
    report = run(store, vendor, end="2024-06-25", clock=lambda: datetime(2024, 6, 20, 20, 0, tzinfo=UTC))
    assert report.end == date(2024, 6, 20)
    assert report.notes == ("Asked for sessions until 2024-06-20: later ones are not over.",)
    assert last_session("24/7", datetime(2024, 6, 20, 12, tzinfo=UTC)) == date(2024, 6, 19)
    with pytest.raises(KindError, match="moments with a time zone"):
        last_session("XNYS", datetime(2024, 6, 20))


def test_a_start_before_what_is_stored_is_said(store):
    vendor = Vendor()
    run(store, vendor, start=DAYS[20], end=DAYS[30])
    report = run(store, vendor, start=DAYS[0], end=DAYS[40])
    assert any("not from 2024-01-02 on" in note for note in report.notes)
    assert min(stored(store, "A")) == DAYS[20]


def test_a_source_of_another_kind_cannot_join(store):
    vendor = Vendor()
    run(store, vendor, end=DAYS[30])
    vendor.adjusted = "none"
    with pytest.raises(InputError, match="Dataset d has adjusted 'split', and vendor has 'none'"):
        run(store, vendor)


def test_a_source_that_answers_something_else_is_refused(store):
    vendor = Vendor()
    fetch = vendor.fetch
    vendor.fetch = lambda symbols, start, end: fetch(symbols, start, end + timedelta(days=30))
    with pytest.raises(DataError, match="outside of"):
        run(store, vendor, end=DAYS[30])
    assert store.datasets().height == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"on_restated": "ignore"}, "`on_restated` must be one of refetch, report, accept"),
        ({"overlap": 0}, "`overlap` must be an integer >= 1"),
        ({"chunk": 0}, "`chunk` must be an integer >= 1"),
        ({"start": "tomorrow"}, "`start` must be a day such as 2015-01-31"),
        ({"start": "2024-06-01", "end": "2024-05-01"}, "is after the last session to ask for"),
        ({"calendar": "NYSE!"}, "is unknown"),
        ({"symbols": ["A", "A"]}, "stands twice"),
    ],
)
def test_wrong_arguments_are_named(store, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run(store, Vendor(), **options)
    assert store.datasets().height == 0


def test_a_source_that_lists_nothing_needs_symbols(store):
    vendor = Vendor()
    vendor.symbols = lambda: None
    with pytest.raises(InputError, match="does not list its symbols"):
        run(store, vendor)
    vendor.calendar = None
    with pytest.raises(InputError, match="Whose sessions vendor has is unknown"):
        run(store, vendor, symbols=["A"])
    assert run(store, vendor, symbols=["A"], calendar="XNYS").clean


def test_progress_counts_symbols(store):
    steps = []

    def progress(what, parts):
        steps.append((what, parts))
        return lambda: steps.append("step")

    run(store, Vendor(), progress=progress)
    assert steps == [("vendor", 3), "step", "step", "step"]


def test_rejected_rows_are_kept(store):
    vendor = Vendor()
    fetch = vendor.fetch
    row = {"source": "vendor", "line": 1, "symbol": "A", "date": "2024-01-02", "rule": "price", "row": "{}"}
    bad = pl.DataFrame([row])

    def spoiled(symbols, start, end):
        batch = fetch(symbols, start, end)
        return Batch(batch.bars, batch.actions, bad, batch.failures)

    vendor.fetch = spoiled
    report = run(store, vendor)
    assert (report.rejected, report.clean) == (1, False)
    assert store.table("d", "rejects").height == 1
    assert "PullReport d version 1 to 2024-06-28: 3 symbols" in repr(report)


def paid(day_count: int) -> pl.DataFrame:
    """Raw closes with a 2:1 split and a dividend, and the adjusted close that follows from them."""
    close = 100.0 + np.arange(day_count) % 7
    dividend, split = np.zeros(day_count), np.ones(day_count)
    dividend[20], split[40] = 1.5, 2.0
    close[40:] /= 2
    steps = np.ones(day_count)
    steps[1:] = close[:-1] / ((close[1:] + dividend[1:]) * split[1:])
    adjusted = close[-1] * np.append(np.cumprod(steps[:0:-1])[::-1], 1.0)
    return pl.DataFrame(
        {"Date": DAYS[:day_count], "Close": close, "Adj Close": adjusted, "Dividends": dividend, "Stock Splits": split}
    )


@pytest.mark.parametrize("kind", [Csv, Parquet])
def test_files_with_an_adjusted_close_and_actions_prove_their_adjustment(store, tmp_path, kind):
    (tmp_path / "f").mkdir()
    for symbol in ("A", "B"):
        paid(60).write_csv(tmp_path / "f" / f"{symbol}.csv")
        paid(60).write_parquet(tmp_path / "f" / f"{symbol}.parquet")
    report = run(store, kind(tmp_path / "f"))
    assert report.clean
    assert store.describe("d").adjusted == "none"
    assert store.table("d", "actions").select("symbol", "kind", "value").rows() == [
        (symbol, kind, value) for symbol in "AB" for kind, value in (("dividend", 1.5), ("split", 2.0))
    ]


def test_files_that_do_not_say_how_they_were_adjusted_are_as_the_dataset_says(store, tmp_path):
    source, vendor = tmp_path / "A.csv", Vendor(("A",))
    pl.DataFrame({"Date": DAYS[:50], "Close": 5.0}).write_csv(source)
    ingest(source, store=store, dataset="d", adjusted="total_return", calendar="XNYS")
    pl.DataFrame({"Date": DAYS[:52], "Close": 5.0}).write_csv(source)
    report = run(store, Csv(source))
    assert report.added == 2
    assert report.notes == (
        "The files do not say how prices were adjusted: total_return, as the dataset says.",
    )  # fmt: skip
    assert store.describe("d").adjusted == "total_return"
    with pytest.raises(InputError, match="has adjusted 'total_return', and vendor has 'split'"):
        run(store, vendor)
    with pytest.raises(InputError, match=r"has adjusted 'total_return', and .* has 'none'"):
        run(store, Csv(source, adjusted="none"))


def test_files_come_in_one_commit_and_a_pull_without_news_makes_none(store, tmp_path):
    for place in range(30):
        pl.DataFrame({"Date": DAYS[:50], "Close": 5.0}).write_csv(tmp_path / f"S{place:02}.csv")
    ingest(tmp_path, store=store, dataset="d", calendar="XNYS", adjusted="none")
    same = run(store, Csv(tmp_path))
    assert (same.version, same.commits, same.added) == (1, 0, 0)
    assert run(store, Csv(tmp_path), chunk=7).version == 1
    for place in range(30):
        pl.DataFrame({"Date": DAYS[:51], "Close": 5.0}).write_csv(tmp_path / f"S{place:02}.csv")
    more = run(store, Csv(tmp_path))
    assert (more.version, more.commits, more.added) == (2, 1, 30)
