"""A long frame goes in, the same numbers come out as aligned Bars."""

from __future__ import annotations

import math
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import Frequency, InputError, KindError, LabelError, StoreError
from quantlab.data import Store

FIRST = date(2024, 1, 2)
SYMBOLS = ("A", "AB", "B", "a", "Ä")


def long(rows: list[tuple], columns: tuple[str, ...] = ("date", "symbol", "close")) -> pl.DataFrame:
    kinds = {"date": pl.Date, "symbol": pl.String, "member": pl.Boolean}
    return pl.DataFrame(rows, schema={name: kinds.get(name, pl.Float64) for name in columns}, orient="row")


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_three_by_three(store: Store) -> None:
    rows = [(day(2), "B", 6.0), (day(0), "C", 3.0), (day(0), "A", 1.0), (day(1), "A", None), (day(2), "A", math.nan)]
    store.write("hand", long(rows), calendar="XNYS", adjusted="split")
    bars = store.bars("hand")
    nan = math.nan
    np.testing.assert_array_equal(bars.close.values, [[1.0, nan, 3.0], [nan, nan, nan], [nan, 6.0, nan]])
    assert bars.symbols == ("A", "B", "C")
    assert bars.dates.tolist() == [day(0), day(1), day(2)]
    assert bars.fields == ("close",)
    assert (bars.name, bars.adjusted, bars.frequency) == ("hand", "split", Frequency.daily("XNYS"))
    np.testing.assert_array_equal(bars.member.values, ~np.isnan(bars.close.values))
    assert not bars.close.values.flags.writeable
    assert bars.close.values.flags.c_contiguous


def test_the_note_comes_along(store: Store) -> None:
    facts = store.write("hand", long([(day(0), "A", 1.0)]), calendar="XNYS", adjusted="none", note="Survivors only.")
    assert store.bars("hand").note == facts.note == "Survivors only."
    store.write("hand", long([(day(0), "A", 1.0)]), calendar="XNYS", adjusted="none")
    assert store.bars("hand").note == ""


def test_member_is_false_where_there_is_no_row(store: Store) -> None:
    rows = [(day(0), "A", 1.0, False), (day(0), "B", None, True), (day(1), "B", 2.0, True)]
    store.write("index", long(rows, ("date", "symbol", "close", "member")), calendar="XNYS", adjusted="none")
    np.testing.assert_array_equal(store.bars("index", fields="close").member.values, [[False, True], [False, True]])


@pytest.mark.parametrize(("dates", "symbols"), [(1, 1), (1, 3), (4, 1), (4, 3)])
def test_a_full_rectangle_comes_back_in_place(store: Store, dates: int, symbols: int) -> None:
    values = np.arange(1.0, dates * symbols + 1).reshape(dates, symbols)
    rows = [(day(t), SYMBOLS[n], values[t, n]) for n in reversed(range(symbols)) for t in reversed(range(dates))]
    store.write("full", long(rows), calendar="XNYS", adjusted="none")
    np.testing.assert_array_equal(store.bars("full").close.values, values)


def test_as_many_rows_as_a_rectangle_but_not_one(store: Store) -> None:
    """Three symbols, two rows on each of two dates, one symbol asked for twice as often: 4 rows = 2 x 2 of {A, B}."""
    rows = [(day(0), "A", 1.0), (day(0), "B", 2.0), (day(1), "A", 3.0), (day(1), "C", 4.0), (day(2), "B", 5.0)]
    store.write("odd", long(rows), calendar="XNYS", adjusted="none")
    nan = math.nan
    np.testing.assert_array_equal(store.bars("odd", symbols=["B"]).close.values, [[2.0], [nan], [5.0]])
    np.testing.assert_array_equal(store.bars("odd", symbols="A", end=day(1)).close.values, [[1.0], [3.0]])
    # 3 rows of B and C on 3 dates x 1: a count that fits, columns that do not.
    np.testing.assert_array_equal(
        store.bars("odd", symbols=["C", "B"]).close.values, [[2.0, nan], [nan, 4.0], [5.0, nan]]
    )


def test_more_symbols_than_one_byte_counts(store: Store) -> None:
    names = [f"S{number:03d}" for number in range(300)]
    rows = [(day(t), name, 1.0 + t + number) for t in range(2) for number, name in enumerate(names) if number != 7 * t]
    store.write("wide", long(rows), calendar="XNYS", adjusted="none")
    bars = store.bars("wide")
    expected = 1.0 + np.arange(2)[:, None] + np.arange(300)[None, :]
    expected[0, 0] = expected[1, 7] = math.nan
    np.testing.assert_array_equal(bars.close.values, expected)
    np.testing.assert_array_equal(store.bars("wide", symbols=names[250:]).close.values, expected[:, 250:])


cells = st.one_of(st.none(), st.just(math.nan), st.floats(1e-6, 1e9))
keys = st.tuples(st.integers(0, 40), st.sampled_from(SYMBOLS))
tables = st.dictionaries(
    keys, st.tuples(cells, cells, st.one_of(st.none(), st.floats(0, 1e12)), st.booleans()), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(tables, st.sets(st.sampled_from(["open", "volume", "member"])), st.data())
def test_round_trip_equals_a_dictionary(table: dict, extra: set[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(sorted(table)))
    columns = ["close", *sorted(extra)]
    position = {"close": 0, "open": 1, "volume": 2, "member": 3}
    rows = [(day(t), name, *(table[t, name][position[column]] for column in columns)) for t, name in order]
    frame = long(rows, ("date", "symbol", *columns))
    days = sorted({t for t, _ in table})
    names = sorted({name for _, name in table})

    def expected(field: str) -> np.ndarray:
        if field == "member" and "member" not in extra:
            return ~np.isnan(expected("close"))
        out = np.full((len(days), len(names)), False if field == "member" else math.nan)
        for (t, name), values in table.items():
            value = values[position[field]]
            out[days.index(t), names.index(name)] = math.nan if value is None else value
        return out

    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        facts = store.write("random", frame, calendar="24/7", adjusted="unknown")
        whole = store.bars("random")
        assert whole.symbols == tuple(names) == facts.symbols
        assert whole.dates.tolist() == [day(t) for t in days]
        assert (facts.rows, facts.dates, facts.first, facts.last) == (
            len(table),
            len(days),
            day(days[0]),
            day(days[-1]),
        )
        for field in (*(column for column in columns), "member"):
            np.testing.assert_array_equal(getattr(whole, field).values, expected(field))
        # A part read from disk equals that part of the whole.
        first = data.draw(st.sampled_from(days))
        last = data.draw(st.sampled_from([t for t in days if t >= first]))
        some = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        part = store.bars("random", start=day(first), end=day(last), symbols=some, fields=[])
        same = whole.between(day(first), day(last)).select(sorted(some))
        assert part.symbols == same.symbols
        np.testing.assert_array_equal(part.dates, same.dates)
        np.testing.assert_array_equal(part.close.values, same.close.values)
        np.testing.assert_array_equal(part.member.values, same.member.values)
        assert part.fields == ("close",)


def test_numbers_of_any_kind_become_float64(store: Store) -> None:
    frame = pl.DataFrame(
        {
            "date": [day(0), day(1)],
            "symbol": ["A", "A"],
            "close": pl.Series([1.5, 2.5], dtype=pl.Float32),
            "open": pl.Series([1, 2], dtype=pl.Int32),
            "high": pl.Series(["3.25", "4.5"]).cast(pl.Decimal(scale=2)),
            "low": pl.Series([None, None], dtype=pl.Null),
        }
    )
    store.write("kinds", frame.lazy(), calendar="XNYS", adjusted="none")
    bars = store.bars("kinds")
    assert bars.open is not None
    assert bars.high is not None
    assert bars.low is not None
    assert bars.open.values.ravel().tolist() == [1.0, 2.0]
    assert bars.high.values.ravel().tolist() == [3.25, 4.5]
    assert bars.close.values.ravel().tolist() == [1.5, 2.5]
    assert np.isnan(bars.low.values).all()


def test_symbols_of_a_categorical_column_come_sorted_by_name(store: Store) -> None:
    frame = long([(day(0), "Z", 1.0), (day(0), "A", 2.0), (day(0), "M", 3.0)])
    for kind in (pl.Categorical, pl.Enum(["Z", "M", "A", "unused"])):
        store.write("text", frame.with_columns(pl.col("symbol").cast(kind)), calendar="XNYS", adjusted="none")
        bars = store.bars("text")
        assert bars.symbols == ("A", "M", "Z")
        assert bars.close.values.tolist() == [[2.0, 3.0, 1.0]]


def test_same_data_same_files_and_hash_in_any_row_order(tmp_path: Path) -> None:
    frame = long([(day(t), name, 1.0 + t) for t in range(50) for name in SYMBOLS])
    written = []
    for number, table in enumerate((frame, frame.reverse(), frame.sample(fraction=1, shuffle=True, seed=3))):
        store = Store(tmp_path / str(number), clock=lambda: datetime(2024, 5, 1, tzinfo=UTC))
        facts = store.write("same", table, calendar="XNYS", adjusted="none", source="s", note="n")
        written.append((facts, facts.hash, (store.path / "same" / "versions" / "00000001.json").read_bytes()))
    assert written[0] == written[1] == written[2]
    assert str(tmp_path).encode() not in written[0][2]


def test_rewriting_the_same_data_makes_no_version_but_other_facts_do(store: Store) -> None:
    frame = long([(day(0), "A", 1.0)])
    before = store.write("again", frame, calendar="XNYS", adjusted="none")
    assert store.write("again", frame, calendar="XNYS", adjusted="none") == before
    after = store.write("again", frame, calendar="XNYS", adjusted="split", note="now declared")
    assert (before.version, after.version) == (1, 2)
    assert before.parts == after.parts
    assert store.bars("again").adjusted == "split"
    # Back to what was: a version that says so, not the old one.
    assert store.write("again", frame, calendar="XNYS", adjusted="none").version == 3


def test_describe_and_datasets(store: Store) -> None:
    columns = ("date", "symbol", "close", "volume")
    rows = [(day(0), "A", 1.0, 5.0), (day(3), "B", 1.0, 5.0)]
    units = {"close": "index points"}
    written = store.write(
        "one", long(rows, columns), calendar="XLON", adjusted="none", source="here", note="why", units=units
    )
    store.write("another", long(rows[:1], columns), calendar="XNYS", adjusted="split")
    facts = store.describe("one")
    assert facts == written
    assert facts.fields == {"close": "index points", "volume": "shares"}
    assert (facts.rows, facts.dates, facts.first, facts.last) == (2, 2, day(0), day(3))
    assert (facts.schema, facts.version, facts.bar, facts.tables) == (2, 1, "1d", {"bars": 2})
    assert facts.change == "written: 2 rows"
    assert facts.created_by.startswith("quantlab ")
    table = store.datasets()
    assert table.columns == [
        "name", "symbols", "first", "last", "rows", "fields", "bar", "adjusted", "calendar", "source", "tables",
        "version", "hash", "problem",
    ]  # fmt: skip
    assert table["name"].to_list() == ["another", "one"]
    assert table.row(1, named=True) == {
        "name": "one", "symbols": 2, "first": day(0), "last": day(3), "rows": 2, "fields": ["close", "volume"],
        "bar": "1d", "adjusted": "none", "calendar": "XLON", "source": "here", "tables": ["bars"], "version": 1,
        "hash": facts.hash[:12], "problem": None,
    }  # fmt: skip
    assert repr(store) == f"Store {store.path}: another, one"


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert store.datasets().height == 0
    assert store.datasets().schema["fields"] == pl.List(pl.String)
    assert repr(store).endswith("empty")
    assert not store.path.exists()


def test_strange_things_in_the_folder_are_no_datasets(store: Store) -> None:
    store.path.mkdir()
    (store.path / "README.md").write_text("hello")
    (store.path / "empty").mkdir()
    (store.path / "versions").mkdir()
    for folder in ("my data", ".hidden", "half"):
        (store.path / folder / "versions").mkdir(parents=True)
        (store.path / folder / "versions" / ("notes.txt" if folder == "half" else "00000001.json")).write_text("{}")
    assert store.datasets().height == 0
    with pytest.raises(StoreError, match="There is no dataset README"):
        store.bars("README")


def test_a_damaged_dataset_is_listed_with_its_problem_beside_the_others(store: Store) -> None:
    for name in ("a", "b", "c"):
        store.write(name, long([(day(0), "A", 1.0)]), calendar="XNYS", adjusted="none")
    (store.path / "b" / "versions" / "00000001.json").write_text("{")
    table = store.datasets()
    assert table["name"].to_list() == ["a", "b", "c"]
    assert table["rows"].to_list() == [1, None, 1]
    assert table["problem"].to_list() == [None, "Version 1 of dataset b is damaged: it is not JSON (line 1).", None]
    with pytest.raises(StoreError, match="Version 1 of dataset b is damaged"):
        store.describe("b")


@pytest.mark.parametrize("folder", ["with space", "a*[b]?", "key=value", "日本"])
def test_any_folder_name(tmp_path: Path, folder: str) -> None:
    store = Store(tmp_path / folder)
    store.write("x", long([(day(0), "A", 1.0)]), calendar="XNYS", adjusted="none")
    assert store.bars("x", symbols="A", start="2024").close.values.tolist() == [[1.0]]


def test_path_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        Store(tmp_path / "file")
    with pytest.raises(KindError, match="received int"):
        Store(3)


class TestWhatCannotBeRead:
    @pytest.fixture
    def filled(self, store: Store) -> Store:
        rows = [(day(t), name, 1.0) for t in (0, 1, 6) for name in ("AAPL", "MSFT")]
        store.write("prices", long(rows), calendar="XNYS", adjusted="none")
        return store

    def test_unknown_dataset_in_an_empty_store(self, store: Store) -> None:
        with pytest.raises(StoreError, match=r"There is no dataset sample: store .* is empty.*quantlab data sample"):
            store.bars("sample")

    def test_unknown_dataset_names_what_exists(self, filled: Store) -> None:
        with pytest.raises(StoreError, match=r"There is no dataset price in store .*; it has prices.*mean prices\?"):
            filled.bars("price")
        with pytest.raises(StoreError, match="There is no dataset"):
            filled.describe("xyz")

    def test_unknown_symbol_names_the_nearest(self, filled: Store) -> None:
        with pytest.raises(LabelError, match=r"Symbol AAPX and 1 more .*did you mean AAPL\?"):
            filled.bars("prices", symbols=["AAPX", "MSFT", "ZZ"])
        with pytest.raises(LabelError, match="twice"):
            filled.bars("prices", symbols=["AAPL", "AAPL"])
        with pytest.raises(InputError, match="No symbol"):
            filled.bars("prices", symbols=[])

    def test_unknown_field(self, filled: Store) -> None:
        with pytest.raises(InputError, match=r"no field 'open'; it has close\."):
            filled.bars("prices", fields=["close", "open"])

    @pytest.mark.parametrize(
        ("start", "end", "said"),
        [
            ("2025-01-01", None, "from 2025-01-01;"),
            (None, date(2023, 12, 31), "to 2023-12-31;"),
            ("2024-01-04", "2024-01-05", "from 2024-01-04 to 2024-01-05;"),
            ("2024-01-08", "2024-01-02", "from 2024-01-08 to 2024-01-02;"),
        ],
    )
    def test_empty_range(self, filled: Store, start: object, end: object, said: str) -> None:
        with pytest.raises(InputError, match=f"no dates {said} it covers 2024-01-02 to 2024-01-08"):
            filled.bars("prices", start=start, end=end)

    def test_start_must_be_a_date(self, filled: Store) -> None:
        with pytest.raises(InputError, match="`start` must be a date"):
            filled.bars("prices", start="soon")

    @pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 65, None, 3])
    def test_bad_name(self, filled: Store, name: object) -> None:
        with pytest.raises(InputError, match="A dataset's name"):
            filled.bars(name)  # type: ignore[arg-type]


def test_a_symbol_without_rows_in_the_range_keeps_its_column(store: Store) -> None:
    rows = [(day(0), "OLD", 1.0), (day(5), "NEW", 2.0)]
    store.write("eras", long(rows), calendar="XNYS", adjusted="none")
    bars = store.bars("eras", start=day(3))
    assert bars.symbols == ("NEW", "OLD")
    np.testing.assert_array_equal(bars.close.values, [[2.0, math.nan]])


def test_a_missing_day_of_a_chosen_symbol_stays_a_row(store: Store) -> None:
    rows = [(day(0), "A", 1.0), (day(1), "B", 2.0), (day(2), "A", 3.0)]
    store.write("gap", long(rows), calendar="XNYS", adjusted="none")
    np.testing.assert_array_equal(store.bars("gap", symbols="A").close.values, [[1.0], [math.nan], [3.0]])
