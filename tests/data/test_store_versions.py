"""Updates, and what the store knew at a moment: every old version reads as it did."""

from __future__ import annotations

import math
import tempfile
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import InputError, KindError, LabelError, StoreError
from quantlab.data import Store
from quantlab.data.store import _upsert

FIRST = date(2024, 12, 20)
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Store:
    return Store(tmp_path / "store", clock=clock)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def long(rows: list[tuple], *fields: str) -> pl.DataFrame:
    kinds: dict[str, Any] = {"date": pl.Date, "symbol": pl.String, "member": pl.Boolean}
    names = ("date", "symbol", *(fields or ("close",)))
    return pl.DataFrame(rows, schema={name: kinds.get(name, pl.Float64) for name in names}, orient="row")


def begin(store: Store, rows: list[tuple], *fields: str, **more: Any) -> None:
    store.write("x", long(rows, *fields), calendar="24/7", adjusted="none", **more)


class TestUpdate:
    def test_by_hand(self, store: Store) -> None:
        begin(store, [(day(0), "A", 1.0), (day(0), "B", 2.0), (day(1), "A", 3.0), (day(1), "B", None)])
        change = store.update(
            "x", long([(day(1), "A", 3.0), (day(1), "B", 4.0), (day(0), "B", None), (day(2), "A", 5.0)])
        )
        assert (change.version, change.added, change.unchanged, change.committed) == (2, 1, 1, True)
        assert change.changed.rows() == [
            ("bars", "B", day(0), "close", "2.0", None),
            ("bars", "B", day(1), "close", None, "4.0"),
        ]
        assert change.changed.columns == ["table", "symbol", "date", "field", "before", "after"]
        np.testing.assert_array_equal(store.bars("x").close.values, [[1.0, math.nan], [3.0, 4.0], [5.0, math.nan]])
        assert store.table("x", "bars").rows() == [
            (day(0), "A", 1.0), (day(0), "B", None), (day(1), "A", 3.0), (day(1), "B", 4.0), (day(2), "A", 5.0),
        ]  # fmt: skip
        facts = store.describe("x")
        assert (facts.rows, facts.dates, facts.first, facts.last) == (5, 3, day(0), day(2))
        assert facts.change == "updated: bars 1 added, 2 changed"

    def test_nothing_new_makes_no_version_and_no_file(self, store: Store) -> None:
        rows = [(day(t), name, 1.0 + t, 5.0) for t in range(20) for name in "ABC"]
        begin(store, rows, "close", "volume")
        before = sorted(path.name for path in (store.path / "x").rglob("*"))
        change = store.update("x", long(rows[10:50], "close", "volume").reverse())
        assert (change.version, change.added, change.unchanged, change.changed.height) == (1, 0, 40, 0)
        assert not change.committed
        # Columns that the frame does not have are not compared.
        assert store.update("x", long([row[:3] for row in rows])).unchanged == 60
        assert not store.update("x", source="", note="").committed
        assert sorted(path.name for path in (store.path / "x").rglob("*")) == before

    def test_columns_that_the_frame_lacks_stay(self, store: Store) -> None:
        begin(store, [(day(0), "A", 1.0, 10.0, 5.0)], "close", "open", "volume")
        change = store.update("x", long([(day(0), "A", 2.0), (day(1), "A", 3.0)]))
        assert (change.added, change.changed.height) == (1, 1)
        assert store.table("x", "bars").rows() == [(day(0), "A", 10.0, 2.0, 5.0), (day(1), "A", None, 3.0, None)]

    def test_a_new_symbol_a_new_year_and_a_new_field(self, store: Store) -> None:
        begin(store, [(day(t), "B", 1.0 + t) for t in range(5)])
        store.update("x", long([(day(2), "A", 7.0), (day(40), "C", 8.0)]))
        bars = store.bars("x")
        assert bars.symbols == ("A", "B", "C")
        assert bars.dates.tolist() == [*(day(t) for t in range(5)), day(40)]
        change = store.update("x", long([(day(3), "B", 4.0, 6.0), (day(4), "B", 5.0, None)], "close", "volume"))
        # Its values are no corrections: there was nothing to correct.
        assert (change.added, change.unchanged, change.changed.height) == (1, 1, 0)
        volume = store.bars("x").demand("volume").values
        assert np.argwhere(~np.isnan(volume)).tolist() == [[3, 1]]
        assert store.describe("x").fields == {"close": "currency per share", "volume": "shares"}
        assert store.table("x", "bars")["volume"].drop_nulls().to_list() == [6.0]

    def test_only_the_touched_years_get_new_files(self, store: Store) -> None:
        begin(store, [(date(year, month, 1), "A", 1.0) for year in (2020, 2021, 2022) for month in (1, 5, 9)])
        before = {part.file for part in store.describe("x").of("bars")}
        store.update("x", long([(date(2021, 5, 1), "A", 2.0)]))
        after = {part.file for part in store.describe("x").of("bars")}
        assert before < after
        assert {file[:9] for file in after - before} == {"bars/2021"}

    def test_few_parts_however_many_pulls(self, store: Store) -> None:
        """A part takes in the one before it while that is not more than twice as large."""
        begin(store, [(date(2023, 1, 1), "A", 1.0)])
        days = [date(2024, 1, 1) + timedelta(days=number) for number in range(100)]
        for number, today in enumerate(days):
            store.update("x", long([(today, name, number + 1.0) for name in "ABCDE"]))
            sizes = [part.rows for part in store.describe("x").of("bars") if part.partition == "2024"]
            assert sum(sizes) == 5 * (number + 1)
            assert all(2 * later < earlier for earlier, later in pairwise(sizes))
        expected = np.repeat(np.arange(1.0, 101.0)[:, None], 5, axis=1)
        np.testing.assert_array_equal(store.bars("x", start="2024").close.values, expected)
        assert store.versions("x").height == 101

    def test_the_last_correction_wins(self, store: Store) -> None:
        begin(store, [(day(t), name, 1.0) for t in range(4) for name in "ABCDEFGH"])
        for number in range(2, 6):
            store.update("x", long([(day(1), "C", float(number)), (day(number % 4), "D", float(number))]))
        closes = store.bars("x").close
        assert closes.select("C").values.ravel().tolist() == [1.0, 5.0, 1.0, 1.0]
        assert closes.select("D").values.ravel().tolist() == [4.0, 5.0, 2.0, 3.0]
        assert len(store.describe("x").of("bars")) > 1

    def test_member_must_stand_on_both_sides(self, store: Store) -> None:
        begin(store, [(day(0), "A", 1.0)])
        with pytest.raises(InputError, match="the frame has a column `member` and the dataset not"):
            store.update("x", long([(day(1), "A", 1.0, True)], "close", "member"))
        store.write("x", long([(day(0), "A", 1.0, True)], "close", "member"), calendar="24/7", adjusted="none")
        with pytest.raises(InputError, match="the dataset has a column `member` and the frame not"):
            store.update("x", long([(day(1), "A", 1.0)]))
        change = store.update("x", long([(day(0), "A", 1.0, False)], "close", "member"))
        assert change.changed.rows() == [("bars", "A", day(0), "member", "true", "false")]

    def test_texts_alone(self, store: Store) -> None:
        begin(store, [(day(0), "A", 1.0)], source="vendor", note="n")
        change = store.update("x", note="better")
        assert (change.committed, change.added, change.version) == (True, 0, 2)
        facts = store.describe("x")
        assert (facts.source, facts.note, facts.change) == ("vendor", "better", "updated: note")
        with pytest.raises(KindError, match="`note` must be text"):
            store.update("x", note=3)  # type: ignore[arg-type]

    def test_a_refused_frame_changes_nothing(self, store: Store) -> None:
        begin(store, [(day(0), "A", 1.0)])
        with pytest.raises(InputError, match="no column `close`"):
            store.update("x", long([(day(0), "A", 1.0)]).rename({"close": "price"}))
        with pytest.raises(StoreError, match="There is no dataset y"):
            store.update("y", long([(day(0), "A", 1.0)]))
        assert store.versions("x").height == 1

    def test_numbers_in_the_report_read_back_exactly(self, store: Store) -> None:
        values = [0.1 + 0.2, 1e-7, 123456789.123456789, 5e-324, 1.7976931348623157e308]
        begin(store, [(day(t), "A", value) for t, value in enumerate(values)])
        cells = store.update("x", long([(day(t), "A", 1.0) for t in range(5)])).changed
        assert cells["before"].cast(pl.Float64).to_list() == values


class TestKnownAt:
    def test_each_version_reads_as_it_did(self, store: Store, clock: Clock) -> None:
        rng = np.random.default_rng(3)
        begin(store, [(day(t), f"S{n}", 1.0 + n) for t in range(30) for n in range(8)])
        known = [(store.describe("x"), store.bars("x"))]
        for number in range(1, 12):
            clock.moment = NOON + timedelta(days=number)
            rows = [(day(int(t)), f"S{n}", float(rng.integers(1, 9))) for t in rng.integers(0, 60, 5) for n in (1, 9)]
            store.update("x", long(rows).unique(["date", "symbol"]))
            known.append((store.describe("x"), store.bars("x")))
        for facts, bars in known:
            for moment in (
                facts.committed_at,
                facts.committed_at + timedelta(hours=3),
                facts.committed_at.astimezone(timezone(timedelta(hours=9))),
                facts.committed_at.date(),
                facts.committed_at.date().isoformat(),
                facts.committed_at.isoformat(),
            ):
                assert store.describe("x", known_at=moment) == facts
            again = Store(store.path).bars("x", known_at=facts.committed_at)
            assert again.content_hash == bars.content_hash
            assert again.symbols == bars.symbols
            part = store.bars("x", known_at=facts.committed_at, symbols="S1", start=day(3), end=day(9))
            assert part.content_hash == bars.between(day(3), day(9)).select("S1").content_hash
            assert store.table("x", "bars", known_at=facts.committed_at).height == facts.rows
        assert len({bars.content_hash for _, bars in known}) == len(known)
        assert store.bars("x", known_at=NOON + timedelta(days=900)).content_hash == known[-1][1].content_hash

    def test_before_the_first(self, store: Store) -> None:
        begin(store, [(day(0), "A", 1.0)])
        said = (
            r"Dataset x was not known at 2025-02-28T23:59:59\.999999\+00:00: its first version in the store, 1, was "
            r"committed at 2025-03-01T12:00:00\+00:00\."
        )
        with pytest.raises(StoreError, match=said):
            store.bars("x", known_at=date(2025, 2, 28))
        with pytest.raises(StoreError, match="was not known at"):
            store.describe("x", known_at=NOON - timedelta(microseconds=1))

    @pytest.mark.parametrize(
        ("known_at", "error", "said"),
        [
            (datetime(2025, 3, 1), KindError, "is a clock time without a time zone: 2025-03-01 00:00:00"),
            ("2025-03-01T12:00:00", KindError, "without a time zone"),
            ("2025-03-01 12:00", KindError, "without a time zone"),
            ("soon", InputError, "`known_at` must be a date or a moment such as"),
            ("2025-02-30", InputError, "`known_at` must be a date"),
            (3, KindError, "must be a date or a moment with a time zone, received int"),
        ],
    )
    def test_what_is_no_moment(self, store: Store, known_at: Any, error: type[Exception], said: str) -> None:
        begin(store, [(day(0), "A", 1.0)])
        with pytest.raises(error, match=said):
            store.bars("x", known_at=known_at)

    @pytest.mark.parametrize("step", [timedelta(0), timedelta(days=-1), timedelta(days=-4000)])
    def test_commits_rise_even_if_the_clock_does_not(self, store: Store, clock: Clock, step: timedelta) -> None:
        begin(store, [(day(0), "A", 1.0)])
        for number in range(2, 6):
            clock.moment += step
            store.update("x", long([(day(0), "A", float(number))]))
        moments = store.versions("x")["committed_at"].to_list()
        assert moments == [NOON + timedelta(microseconds=number) for number in range(5)]
        for number, moment in enumerate(moments, 1):
            assert store.bars("x", known_at=moment).close.values.tolist() == [[float(number)]]

    def test_the_clock_must_have_a_zone(self, tmp_path: Path) -> None:
        store = Store(tmp_path, clock=lambda: datetime(2024, 1, 1))
        with pytest.raises(KindError, match="`clock` must give moments with a time zone"):
            begin(store, [(day(0), "A", 1.0)])

    def test_the_systems_clock_is_the_default(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        before = datetime.now(UTC)
        begin(store, [(day(0), "A", 1.0)])
        assert before <= store.describe("x").committed_at <= datetime.now(UTC)

    def test_a_damaged_version_matters_only_where_it_may_be_in_force(self, store: Store, clock: Clock) -> None:
        begin(store, [(day(0), "A", 1.0)])
        for number in range(2, 8):
            clock.moment = NOON + timedelta(days=number)
            store.update("x", long([(day(0), "A", float(number))]))
        (store.path / "x" / "versions" / "00000004.json").write_text("{}")
        for number in (2, 3, 5, 6, 7):
            if number != 3:
                assert store.bars("x", known_at=NOON + timedelta(days=number, hours=3)).close.values[0, 0] == number
        for days in (3, 4):
            with pytest.raises(StoreError, match="Version 4 of dataset x is damaged"):
                store.bars("x", known_at=NOON + timedelta(days=days, hours=3))
        with pytest.raises(StoreError, match="was not known at"):
            store.bars("x", known_at=NOON - timedelta(days=1))
        assert store.versions("x")["problem"].is_not_null().to_list() == [number == 4 for number in range(1, 8)]
        clock.moment += timedelta(days=1)
        assert store.update("x", long([(day(0), "A", 9.0)])).version == 8

    def test_write_starts_a_new_history_and_keeps_the_old(self, store: Store, clock: Clock) -> None:
        begin(store, [(day(0), "A", 1.0)], actions=None)
        clock.moment += timedelta(days=1)
        store.write("x", long([(day(5), "Z", 2.0)]), calendar="XNYS", adjusted="split")
        assert store.bars("x").symbols == ("Z",)
        old = store.bars("x", known_at=NOON)
        assert old.frequency is not None
        assert (old.symbols, old.adjusted, old.frequency.calendar) == (("A",), "none", "24/7")

    def test_versions(self, store: Store) -> None:
        begin(store, [(day(0), "A", 1.0)])
        store.update("x", long([(day(0), "B", 1.0), (day(1), "B", 1.0)]))
        table = store.versions("x")
        assert table.columns == [
            "version", "committed_at", "change", "rows", "symbols", "last", "size", "hash", "problem",
        ]  # fmt: skip
        assert table["version"].to_list() == [1, 2]
        assert table["rows"].to_list() == [1, 3]
        assert table["symbols"].to_list() == [1, 2]
        assert table["last"].to_list() == [day(0), day(1)]
        assert table["change"].to_list() == ["written: 1 rows", "updated: bars 2 added, 0 changed"]
        assert table["hash"][1] == store.describe("x").hash[:12]
        with pytest.raises(StoreError, match="There is no dataset y"):
            store.versions("y")
        with pytest.raises(InputError, match="A dataset's name"):
            store.versions("../x")


class TestPrune:
    def fill(self, store: Store, clock: Clock, count: int = 6) -> None:
        begin(store, [(day(t), name, 1.0) for t in range(20) for name in "ABCDEFGH"])
        for number in range(2, count + 1):
            clock.moment = NOON + timedelta(days=number)
            store.update("x", long([(day(number), "A", float(number))]))

    def files(self, store: Store) -> set[str]:
        return {path.name for path in (store.path / "x").rglob("*.parquet")}

    def test_reads_from_that_moment_on_stay(self, store: Store, clock: Clock) -> None:
        self.fill(store, clock)
        before = {number: store.bars("x", known_at=NOON + timedelta(days=number)) for number in range(2, 7)}
        # Version 3 was in force at that moment.
        done = store.prune("x", before=NOON + timedelta(days=3, hours=5))
        assert done.versions == (1, 2)
        assert store.versions("x")["version"].to_list() == [3, 4, 5, 6]
        for number in range(3, 7):
            again = store.bars("x", known_at=NOON + timedelta(days=number))
            assert again.content_hash == before[number].content_hash
        with pytest.raises(StoreError, match=r"in the store, 3, was committed at .* earlier versions were pruned"):
            store.bars("x", known_at=NOON + timedelta(days=2))
        named = {part.file for number in range(3, 7) for part in store.describe(
            "x", known_at=NOON + timedelta(days=number)).parts}  # fmt: skip
        assert self.files(store) == {Path(file).name for file in named}

    def test_the_newest_always_stays(self, store: Store, clock: Clock) -> None:
        self.fill(store, clock)
        last = store.bars("x").content_hash
        done = store.prune("x", before="2100-01-01")
        assert done.versions == (1, 2, 3, 4, 5)
        assert store.bars("x").content_hash == last
        assert store.update("x", long([(day(0), "A", 99.0)])).version == 7

    def test_nothing_to_free(self, store: Store, clock: Clock) -> None:
        self.fill(store, clock)
        for moment in (NOON, NOON - timedelta(days=9)):
            done = store.prune("x", before=moment)
            assert (done.versions, done.files, done.size) == ((), 0, 0)
        assert store.versions("x").height == 6

    def test_what_a_killed_writer_left_goes_too(self, store: Store, clock: Clock) -> None:
        self.fill(store, clock, 2)
        folder = store.path / "x"
        (folder / "bars" / "2024-0123456789ab.parquet").write_bytes(b"12345")
        (folder / ".draft-1").write_bytes(b"1")
        (folder / "versions" / ".00000003.json").write_bytes(b"{")
        (folder / "mine.txt").write_text("not ours")
        done = store.prune("x", before=NOON)
        assert (done.files, done.size) == (1, 5)
        assert sorted(path.name for path in folder.iterdir()) == [
            ".lock", "axis", "bars", "mine.txt", "versions"
        ]  # fmt: skip
        assert sorted(path.name for path in (folder / "versions").iterdir()) == ["00000001.json", "00000002.json"]

    def test_a_version_that_stays_must_be_readable(self, store: Store, clock: Clock) -> None:
        self.fill(store, clock)
        path = store.path / "x" / "versions" / "00000005.json"
        content = path.read_bytes()
        path.write_text("{}")
        files = self.files(store)
        with pytest.raises(StoreError, match="Version 5 of dataset x is damaged"):
            store.prune("x", before=NOON + timedelta(days=4))
        assert self.files(store) == files
        path.write_bytes(content)
        assert store.prune("x", before=NOON + timedelta(days=4)).versions == (1, 2, 3)

    def test_unknown(self, store: Store) -> None:
        with pytest.raises(StoreError, match="There is no dataset x"):
            store.prune("x", before="2024-01-01")
        assert not store.path.exists()
        begin(store, [(day(0), "A", 1.0)])
        with pytest.raises(KindError, match="without a time zone"):
            store.prune("x", before=datetime(2024, 1, 1))


cells = st.one_of(st.none(), st.sampled_from([1.0, 2.0, 3.0]))
# Around a turn of the year, so that updates fall into several parts.
rows_ = st.dictionaries(
    st.tuples(st.integers(0, 25), st.sampled_from("ABCD")),
    st.fixed_dictionaries({"close": cells}, optional={"open": cells}),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows_, min_size=2, max_size=6).filter(lambda batches: bool(batches[0])), st.data())
def test_any_updates_equal_a_dictionary(batches: list[dict], data: st.DataObject) -> None:
    """The model: one dictionary, updated cell by cell; each version is a copy of it."""
    model: dict[tuple[int, str], dict[str, float | None]] = {}
    history: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, clock=lambda: NOON)
        for batch in batches:
            if not batch:
                continue
            fields = ["close", "open"] if any("open" in row for row in batch.values()) else ["close"]
            frame = long([(day(t), name, *(row.get(f) for f in fields)) for (t, name), row in batch.items()], *fields)
            had = {key: dict(row) for key, row in model.items()}
            known = {field for row in model.values() for field in row}
            for key, row in batch.items():
                model.setdefault(key, {}).update({field: row.get(field) for field in fields})
            if not had:
                store.write("x", frame, calendar="24/7", adjusted="none")
            else:
                change = store.update("x", frame)
                expected = {
                    (name, day(t), field, had[t, name].get(field), row.get(field))
                    for (t, name), row in batch.items()
                    for field in fields
                    if (t, name) in had and field in known and had[t, name].get(field) != row.get(field)
                }
                number = [pl.col(name).cast(pl.Float64) for name in ("before", "after")]
                assert set(change.changed.drop("table").with_columns(number).rows()) == expected
                revised = {(row[0], row[1]) for row in expected}
                assert change.added + change.unchanged + len(revised) == len(batch)
                if not change.committed:
                    assert model == had or all(
                        value is None for key in model for field, value in model[key].items() if field not in known
                    )
                    model = had
                    continue
            history.append({key: dict(row) for key, row in model.items()})
        moments = store.versions("x")["committed_at"].to_list()
        assert len(moments) == len(history)
        number = data.draw(st.integers(0, len(history) - 1))
        bars = store.bars("x", known_at=moments[number])
        held = history[number]
        assert bars.dates.tolist() == sorted({day(t) for t, _ in held})
        assert bars.symbols == tuple(sorted({name for _, name in held}))
        for field in bars.fields:
            found = {
                (row, name): value
                for row, values in zip(bars.dates.tolist(), getattr(bars, field).values, strict=True)
                for name, value in zip(bars.symbols, values, strict=True)
                if not math.isnan(value)
            }
            assert found == {
                (day(t), name): row[field] for (t, name), row in held.items() if row.get(field) is not None
            }


def test_changes_of_bars_are_listed_in_the_order_of_fields_and_rows() -> None:
    old = long([(day(0), "A", 1.0, 2.0), (day(1), "A", 1.0, 2.0)], "close", "volume")
    found = _upsert.compare("bars", old.with_columns(pl.col("close", "volume") * 2), old, moments=False)
    assert found.cells.select("field", "date").rows() == [
        ("close", day(0)), ("close", day(1)), ("volume", day(0)), ("volume", day(1)),
    ]  # fmt: skip
    assert (found.appended, found.revised, found.unchanged) == (0, 2, 0)


def test_a_version_that_was_lost_is_noticed(tmp_path: Path) -> None:
    hours = iter(range(1, 9))
    store = Store(tmp_path, clock=lambda: datetime(2024, 1, 1, next(hours), tzinfo=UTC))
    frame = pl.DataFrame({"date": [date(2023, 1, 3)], "symbol": ["A"], "close": [1.0]})
    store.write("one", frame, calendar="XNYS", adjusted="none")
    for close in (2.0, 3.0, 4.0):
        store.update("one", frame.with_columns(close=pl.lit(close)))
    moments = store.versions("one")["committed_at"].to_list()
    (tmp_path / "one" / "versions" / "00000003.json").unlink()
    again = Store(tmp_path)
    assert again.bars("one", known_at=moments[0]).close.values.item() == 1.0
    assert again.bars("one", known_at=moments[3]).close.values.item() == 4.0
    for moment in moments[1:3]:  # the second held until the third came, and nobody knows when that was
        with pytest.raises(StoreError, match="Version 3 of dataset one is missing"):
            again.bars("one", known_at=moment)


def test_a_year_has_four_digits(tmp_path: Path) -> None:
    store = Store(tmp_path)
    frame = pl.DataFrame({"date": [date(2023, 1, 3)], "symbol": ["A"], "close": [1.0]})
    store.write("one", frame, calendar="24/7", adjusted="none")
    old = frame.with_columns(date=pl.lit(date(24, 1, 6)))
    with pytest.raises(LabelError, match="a bar of A in the year 24"):
        store.update("one", old)
    far = frame.with_columns(date=pl.lit(3_000_000).cast(pl.Int32).cast(pl.Date))
    with pytest.raises(LabelError, match="in the year 10183"):
        store.write("two", far, calendar="24/7", adjusted="none")
    assert store.bars("one").close.values.item() == 1.0


def test_a_new_field_on_some_rows_is_missing_on_the_others(tmp_path: Path) -> None:
    days = [date(2023, 1, day) for day in range(2, 22)]
    close = pl.DataFrame({"date": days * 40, "symbol": [f"S{n:02d}" for n in range(40) for _ in days], "close": 5.0})
    store = Store(tmp_path)
    store.write("one", close, calendar="24/7", adjusted="none")
    late = close.filter(pl.col("date") == days[-1], pl.col("symbol") < "S05").with_columns(open=pl.lit(4.0))
    store.update("one", late)
    opens = store.bars("one").demand("open").values
    assert np.argwhere(~np.isnan(opens)).tolist() == [[19, column] for column in range(5)]
    assert (opens[19, :5] == 4.0).all()
