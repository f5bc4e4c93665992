"""The tables around the bars: what is refused and in which words, what comes back, and what Bars take from them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError, Frequency, InputError, KindError, LabelError, StoreError
from quantlab.data import Store
from quantlab.data.schemas import TABLES, empty

D1, D2, D3 = date(2014, 6, 9), date(2014, 6, 10), date(2014, 6, 11)
T1 = datetime(2014, 6, 9, 20, tzinfo=UTC)

GOOD: dict[str, pl.DataFrame] = {
    "actions": pl.DataFrame({"symbol": ["AAPL"], "date": [D2], "kind": ["split"], "value": [7.0]}),
    "borrow": pl.DataFrame({"symbol": ["AAPL"], "date": [D1], "rate": [0.0025]}),
    "members": pl.DataFrame({"symbol": ["AAPL"], "start": [D1]}),
    "reference": pl.DataFrame({"symbol": ["AAPL"], "field": ["sector"], "value": ["Technology"]}),
    "events": pl.DataFrame(
        {"id": ["AAPL"], "event_time": [T1], "available_time": [T1], "field": ["eps"], "value": [1.5]}
    ),
    "rejects": pl.DataFrame({"source": ["a.csv"], "rule": ["negative price"]}),
    "review": pl.DataFrame({"rule": ["spike"], "symbol": ["AAPL"], "start": [D1], "decision": ["accept"]}),
}


def bars() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [D1, D2, D3] * 2,
            "symbol": ["AAPL"] * 3 + ["MSFT"] * 3,
            "close": [700.0, 100.0, 99.0, 40.0, 41.0, 42.0],
        }
    )


def having(table: str, **columns: list) -> pl.DataFrame:
    """The good frame of a table with other columns; as long as the longest of them."""
    height = max((len(values) for values in columns.values()), default=1)
    frame = pl.concat([GOOD[table]] * height)
    return frame.with_columns(**{name: pl.Series(name, values, strict=False) for name, values in columns.items()})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(store: Store, frame: pl.DataFrame | None = None, **more: Any) -> None:
    facts = {"calendar": "XNYS", "adjusted": "none"} | more
    store.write("x", bars() if frame is None else frame, **facts)


@pytest.mark.parametrize("table", list(GOOD))
def test_each_table_comes_back_whole(store: Store, table: str) -> None:
    write(store, **{table: GOOD[table]})
    found = store.table("x", table)
    assert found.schema == TABLES[table].schema
    assert found.select(GOOD[table].columns).equals(GOOD[table].cast(found.select(GOOD[table].columns).schema))
    assert store.describe("x").tables == {"bars": 6, table: 1}
    assert store.table("x", "bars").height == 6
    for other in set(GOOD) - {table}:
        assert store.table("x", other).equals(empty(other))


@pytest.mark.parametrize("table", list(GOOD))
def test_a_table_without_rows_says_that_there_are_none(store: Store, table: str) -> None:
    write(store, **{table: empty(table)})
    assert store.describe("x").tables == {"bars": 6, table: 0}
    assert store.table("x", table).equals(empty(table))
    write(store, note="again")
    change = store.update("x", **{table: GOOD[table].clear()})
    assert (change.committed, change.added) == (True, 0)
    assert store.describe("x").tables == {"bars": 6, table: 0}
    assert not store.update("x", **{table: GOOD[table].clear()}).committed


@pytest.mark.parametrize("table", list(GOOD))
def test_the_same_again_is_no_change(store: Store, table: str) -> None:
    write(store, **{table: GOOD[table]})
    change = store.update("x", **{table: pl.concat([GOOD[table]]).lazy()})
    assert (change.committed, change.added, change.unchanged) == (False, 0, 1)


ACTION = "In table actions of dataset x, value of AAPL 2014-06-10"


@pytest.mark.parametrize(
    ("table", "frame", "error", "said"),
    [
        ("actions", [1], KindError, "Table actions of dataset x needs a Polars frame, received builtins.list"),
        (
            "actions",
            GOOD["actions"].drop("value"),
            InputError,
            "The frame for table actions of dataset x has no column",
        ),
        ("actions", GOOD["actions"].rename({"date": "Date"}), InputError, 'rename({"Date": "date"})'),
        ("actions", having("actions", ratio=[1.0]), InputError, "has a column the store does not know: ratio"),
        ("members", having("members", ends=[D2]), InputError, 'rename({"ends": "end"})'),
        (
            "actions",
            having("actions", symbol=[1]),
            KindError,
            "Column symbol of table actions of dataset x must be text",
        ),
        ("actions", having("actions", date=["2014-06-10"]), KindError, "str.to_date('%Y-%m-%d')"),
        ("members", having("members", start=[T1]), KindError, "take the day: `pl.col('start').dt.date()`"),
        ("actions", having("actions", value=["7"]), KindError, "must be numbers, received String"),
        ("rejects", having("rejects", line=[1.5]), KindError, "must be whole numbers, received Float64"),
        ("events", having("events", event_time=[D1]), KindError, "must be moments with a time zone, received Date"),
        (
            "events",
            having("events", available_time=[datetime(2014, 6, 9)]),
            KindError,
            "received clock times without one. Hint: say where the clock hangs: `pl.col('available_time')",
        ),
        ("actions", having("actions", symbol=["A", None, None]), LabelError, "is null at row 1 and 1 more"),
        (
            "actions",
            having("actions", value=[math.nan]),
            LabelError,
            "Column value of table actions of dataset x is null",
        ),
        ("members", having("members", symbol=[" A"]), LabelError, "Symbol ' A' of table members of dataset x"),
        ("events", having("events", id=[""]), LabelError, "Symbol '' of table events"),
        (
            "actions",
            having("actions", value=[7.0, 7.0]),
            LabelError,
            "AAPL 2014-06-10 split twice, with the same values",
        ),
        ("actions", having("actions", value=[7.0, 2.0]), LabelError, "split twice, with different values"),
        ("reference", having("reference", value=["a", "b"]), LabelError, "AAPL sector twice, with different values"),
        (
            "actions",
            having("actions", kind=["Split"]),
            DataError,
            "kind of AAPL 2014-06-10 Split is Split; a kind is one",
        ),
        (
            "actions",
            having("actions", value=[0.0]),
            DataError,
            f"{ACTION} split is 0; a split is a number of new shares",
        ),
        ("actions", having("actions", value=[math.inf]), DataError, f"{ACTION} split is inf; a number must be finite"),
        (
            "actions",
            having("actions", kind=["dividend"] * 2, value=[-1.0, 0.0], date=[D2, D3]),
            DataError,
            f"{ACTION} dividend and 1 more is -1; a dividend is an amount per share, above 0",
        ),
        ("actions", having("actions", kind=["special_dividend"], value=[0.0]), DataError, "a dividend is an amount"),
        ("actions", having("actions", kind=["spinoff"], value=[1.0]), DataError, "between 0 and 1"),
        ("actions", having("actions", kind=["spinoff"], value=[0.0]), DataError, "between 0 and 1"),
        (
            "actions",
            having("actions", kind=["delisting"], value=[-1.5]),
            DataError,
            "a delisting is a return, at least",
        ),
        (
            "actions",
            having("actions", kind=["conversion"], value=[0.0], into=["MSFT"]),
            DataError,
            f"{ACTION} conversion is 0; a conversion is a number of new shares per old one, above 0",
        ),
        (
            "actions",
            having("actions", kind=["conversion"]),
            DataError,
            "into of AAPL 2014-06-10 conversion is null; a conversion names the symbol whose shares take over",
        ),
        (
            "actions",
            having("actions", kind=["conversion"] * 2, date=[D2, D3], into=[None, None]),
            DataError,
            "into of AAPL 2014-06-10 conversion and 1 more is null",
        ),
        (
            "actions",
            having("actions", kind=["conversion"], into=["AAPL"]),
            DataError,
            "into of AAPL 2014-06-10 conversion is AAPL; a conversion is into another symbol",
        ),
        (
            "actions",
            having("actions", into=["MSFT"]),
            DataError,
            "into of AAPL 2014-06-10 split is MSFT; only a conversion is into another symbol",
        ),
        ("actions", having("actions", kind=["conversion"], into=[" B"]), LabelError, "Symbol ' B' of table actions"),
        ("actions", having("actions", kind=["conversion"], into=[1]), KindError, "Column into of table actions of"),
        ("borrow", having("borrow", rate=[-0.1]), DataError, "rate of AAPL 2014-06-09 is -0.1; a borrow rate"),
        ("borrow", having("borrow", available=[-1.0]), DataError, "a number of shares is 0 or more"),
        ("members", having("members", end=[D1]), DataError, "end of AAPL 2014-06-09 is 2014-06-09; an interval ends"),
        ("reference", having("reference", start=[D2], end=[D1]), DataError, "an interval ends after its start"),
        ("review", having("review", decision=["yes"]), DataError, "a decision is accept, quarantine or withdrawn"),
        ("review", having("review", end=[date(2014, 6, 8)]), DataError, "the last day is not before the first"),
        ("events", having("events", value=[math.inf]), DataError, "a number must be finite"),
    ],
)
def test_refused(store: Store, table: str, frame: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        write(store, **{table: frame})
    assert said in str(caught.value)
    assert not store.path.exists()
    write(store)
    with pytest.raises(error):
        store.update("x", **{table: frame})
    assert store.versions("x").height == 1


@pytest.mark.parametrize(
    ("table", "frame"),
    [
        ("actions", having("actions", kind=["delisting"], value=[-1.0])),
        ("actions", having("actions", symbol=["NOT_IN_BARS"])),
        ("actions", having("actions", kind=["conversion"], into=["NOT_IN_BARS"])),
        ("actions", having("actions", into=[None])),
        ("actions", having("actions", value=[2], note=[None])),
        ("borrow", having("borrow", rate=[None], available=[None])),
        ("members", having("members", end=[None])),
        ("reference", having("reference", value=[None], start=[None], end=[D1])),
        ("events", having("events", value=[math.nan])),
        ("rejects", having("rejects", symbol=[" strange "], date=["31.02.2014"], line=[3])),
        ("review", having("review", symbol=[None], end=[D1])),
        ("events", having("events", event_time=[datetime(2014, 6, 9, tzinfo=ZoneInfo("Asia/Tokyo"))])),
    ],
)
def test_legal(store: Store, table: str, frame: pl.DataFrame) -> None:
    write(store, **{table: frame})
    assert store.table("x", table).height == frame.height


def test_moments_become_utc_and_numbers_float(store: Store) -> None:
    tokyo = datetime(2014, 6, 9, 0, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
    events = having("events", available_time=[tokyo], value=[3]).with_columns(pl.col("id").cast(pl.Categorical))
    write(store, events=events)
    row = store.table("x", "events").row(0, named=True)
    assert row["available_time"] == datetime(2014, 6, 8, 15, tzinfo=UTC)
    assert row["value"] == 3.0
    assert row["id"] == "AAPL"


class TestUpdate:
    def test_by_key(self, store: Store) -> None:
        write(store, actions=having("actions", note=["first"]))
        change = store.update(
            "x",
            actions=pl.DataFrame(
                {"symbol": ["AAPL", "MSFT"], "date": [D2, D3], "kind": ["split", "dividend"], "value": [8.0, 0.5]}
            ),
        )
        assert (change.added, change.unchanged) == (1, 0)
        assert change.changed.rows() == [("actions", "AAPL", D2, "value", "7.0", "8.0")]
        # The note stays: the frame has no such column.
        assert store.table("x", "actions").rows() == [
            ("AAPL", D2, "split", 8.0, None, None, "first"),
            ("MSFT", D3, "dividend", 0.5, None, None, None),
        ]
        assert store.describe("x").change == "updated: actions 1 added, 1 changed"
        assert len(store.describe("x").of("actions")) == 1

    def test_a_conversion_is_corrected_like_any_row(self, store: Store) -> None:
        write(store, actions=having("actions", kind=["conversion"], value=[0.5], into=["MSFT"]))
        change = store.update("x", actions=having("actions", kind=["conversion"], value=[0.5], into=["IBM"]))
        assert change.changed.rows() == [("actions", "AAPL", D2, "into", "MSFT", "IBM")]
        assert store.table("x", "actions")["into"].to_list() == ["IBM"]

    def test_conversions_are_the_only_rows_that_need_the_newer_column(self, store: Store) -> None:
        """A table without them is stored as before there was `into`: the same bytes, which are read as before."""

        def part() -> Any:
            return store.describe("x").of("actions")[0]

        def columns() -> list[str]:
            return pl.read_parquet(store.path / "x" / part().file).columns

        write(store, actions=having("actions", into=[None], note=["x"]))
        older = ["symbol", "date", "kind", "value", "pay_date", "note"]
        assert columns() == older
        assert store.table("x", "actions").schema == TABLES["actions"].schema
        assert store.table("x", "actions").rows() == [("AAPL", D2, "split", 7.0, None, None, "x")]
        first = part()
        conversion = having("actions", kind=["conversion"], into=["MSFT"])
        store.update("x", actions=conversion)
        assert columns() == list(TABLES["actions"].schema)
        assert store.table("x", "actions")["into"].to_list() == ["MSFT", None]
        store.update("x", withdraw={"actions": conversion})
        assert (columns(), part()) == (older, first)

    def test_null_is_a_key_like_another(self, store: Store) -> None:
        write(store, reference=GOOD["reference"])
        change = store.update("x", reference=having("reference", value=["Energy"]))
        assert change.changed.rows() == [("reference", "AAPL", None, "value", "Technology", "Energy")]
        assert store.table("x", "reference").height == 1
        assert store.update("x", reference=having("reference", start=[D2])).added == 1

    def test_an_interval_ends_by_an_update(self, store: Store) -> None:
        write(store, members=GOOD["members"])
        change = store.update("x", members=having("members", end=[D3]))
        assert change.changed.rows() == [("members", "AAPL", D1, "end", None, "2014-06-11")]

    def test_several_tables_are_one_version(self, store: Store) -> None:
        write(store)
        change = store.update("x", bars().with_columns(pl.col("close") + 1), **GOOD)
        assert change.version == 2
        assert (change.added, change.changed.height) == (7, 6)
        assert set(store.describe("x").tables) == set(TABLES)
        assert store.table("x", "events", known_at=store.versions("x")["committed_at"][0]).height == 0

    def test_a_review_is_an_update(self, store: Store) -> None:
        write(store)
        assert store.review("x", GOOD["review"]).added == 1
        change = store.review("x", having("review", decision=["quarantine"]))
        assert change.changed.select("field", "before", "after").rows() == [("decision", "accept", "quarantine")]
        assert store.table("x", "review")["decision"].to_list() == ["quarantine"]


class TestTable:
    def test_bars_are_sorted_by_date_and_symbol_with_the_vendors_close(self, store: Store) -> None:
        write(store, bars().with_columns(adj_close=pl.col("close") / 7))
        found = store.table("x", "bars", symbols="MSFT", start=D2)
        assert found.rows() == [(D2, "MSFT", 41.0, 41 / 7), (D3, "MSFT", 42.0, 6.0)]
        assert store.table("x", "bars").select("date", "symbol").rows() == [
            (D1, "AAPL"), (D1, "MSFT"), (D2, "AAPL"), (D2, "MSFT"), (D3, "AAPL"), (D3, "MSFT"),
        ]  # fmt: skip
        assert store.table("x", "bars", start="2015").height == 0
        assert store.table("x", "bars", end="2014-06").height == 6

    @pytest.mark.parametrize(
        ("table", "start", "end", "kept"),
        [
            ("actions", D2, D2, [D2]),
            ("actions", D3, None, []),
            ("members", D2, D2, [D1]),
            ("members", D3, None, []),
            ("members", None, date(2014, 6, 8), []),
            ("review", D1, D1, [D1]),
            ("review", D2, D2, []),
            ("events", D1, D1, [T1]),
            ("events", datetime(2014, 6, 9, 20, 1, tzinfo=UTC), None, []),
            ("reference", date(1999, 1, 1), date(1999, 1, 1), [None]),
        ],
    )
    def test_by_time(self, store: Store, table: str, start: Any, end: Any, kept: list) -> None:
        write(store, **GOOD | {"members": having("members", end=[D3])})
        column = {"actions": "date", "events": "event_time"}.get(table, "start")
        assert store.table("x", table, start=start, end=end)[column].to_list() == kept

    def test_by_symbol(self, store: Store) -> None:
        write(store, **GOOD)
        for table in set(GOOD) - {"rejects"}:
            assert store.table("x", table, symbols=["AAPL", "ELSE"]).height == 1
            assert store.table("x", table, symbols="ELSE").height == 0
        with pytest.raises(LabelError, match="ELSE is not in the data"):
            store.table("x", "bars", symbols="ELSE")

    def test_what_cannot_be_asked(self, store: Store) -> None:
        write(store, **GOOD)
        with pytest.raises(InputError, match="There is no table 'prices'; there are bars, actions"):
            store.table("x", "prices")
        with pytest.raises(InputError, match="cannot be chosen by date"):
            store.table("x", "rejects", start=D1)
        with pytest.raises(StoreError, match="There is no dataset y"):
            store.table("y", "bars")


class TestWithdraw:
    """Rows leave a table by their key; the versions before keep them."""

    ROWS = pl.concat([having("actions", date=[D2, D3]), having("actions", kind=["dividend"], value=[0.5])])

    @pytest.mark.parametrize("table", list(GOOD))
    def test_each_table(self, store: Store, table: str) -> None:
        write(store, **{table: GOOD[table]})
        held, moment = store.table("x", table), store.describe("x").committed_at
        change = store.update("x", withdraw={table: held.lazy()})
        assert (change.version, change.committed, change.added, change.unchanged) == (2, True, 0, 0)
        assert change.changed.height == 0
        assert list(change.withdrawn) == [table]
        assert change.withdrawn[table].equals(held)
        facts = store.describe("x")
        assert facts.change == f"updated: {table} 1 withdrawn"
        # It has the table still, and says that there is nothing.
        assert (facts.tables, facts.of(table)) == ({"bars": 6, table: 0}, ())
        assert store.table("x", table).equals(empty(table))
        assert store.table("x", table, known_at=moment).equals(held)
        assert Store(store.path).table("x", table, known_at=moment).equals(held)
        assert store.update("x", **{table: held}).added == 1
        assert store.table("x", table).equals(held)

    def test_by_the_columns_of_the_key_alone(self, store: Store) -> None:
        write(store, actions=self.ROWS)
        keys = pl.DataFrame({"symbol": ["AAPL"] * 2, "date": [D3, D3], "kind": ["split"] * 2, "value": ["?"] * 2})
        change = store.update("x", withdraw={"actions": keys.with_columns(pl.col("symbol").cast(pl.Categorical))})
        assert change.withdrawn["actions"].select("date", "kind", "value").rows() == [(D3, "split", 7.0)]
        assert store.table("x", "actions").select("date", "kind").rows() == [(D2, "dividend"), (D2, "split")]
        assert [action["kind"] for action in store.bars("x").actions.rows(named=True)] == ["dividend", "split"]  # type: ignore[union-attr]

    def test_null_in_a_key(self, store: Store) -> None:
        write(store, reference=pl.concat([GOOD["reference"], having("reference", start=[D2])], how="diagonal"))
        change = store.update("x", withdraw={"reference": GOOD["reference"].drop("value")})
        assert change.withdrawn["reference"]["start"].to_list() == [None]
        assert store.table("x", "reference")["start"].to_list() == [D2]

    def test_withdrawn_before_others_are_added(self, store: Store) -> None:
        write(store, actions=self.ROWS.with_columns(note=pl.lit("old")))
        new = having("actions", value=[8.0, 8.0], date=[D1, D2])
        change = store.update("x", bars().head(1), actions=new, withdraw={"actions": self.ROWS.filter(kind="split")})
        # The split of D2 is a new one: nothing of the old row stays, and nothing was corrected.
        assert (change.added, change.unchanged, change.changed.height) == (2, 1, 0)
        assert change.withdrawn["actions"].height == 2
        assert store.table("x", "actions").select("date", "kind", "value", "note").rows() == [
            (D1, "split", 8.0, None), (D2, "dividend", 0.5, "old"), (D2, "split", 8.0, None)
        ]  # fmt: skip
        assert store.describe("x").change == "updated: actions 2 withdrawn; actions 2 added, 0 changed"

    def test_withdrawn_although_the_rest_says_nothing_new(self, store: Store) -> None:
        write(store, actions=self.ROWS)
        kept = self.ROWS.filter(kind="dividend")
        change = store.update("x", actions=kept, withdraw={"actions": self.ROWS.filter(kind="split")})
        assert (change.committed, change.added, change.unchanged) == (True, 0, 1)
        assert store.table("x", "actions")["kind"].to_list() == ["dividend"]

    def test_nothing_to_withdraw(self, store: Store) -> None:
        write(store, actions=self.ROWS)
        for nothing in (None, {}, {"actions": self.ROWS[:0]}, {"members": empty("members")}):
            change = store.update("x", withdraw=nothing)
            assert (change.committed, change.withdrawn) == (False, {})
        assert store.versions("x").height == 1
        assert store.describe("x").tables == {"bars": 6, "actions": 3}

    @pytest.mark.parametrize(
        ("withdraw", "error", "said"),
        [
            ({"actions": having("actions", date=[D1])}, InputError, "Table actions of dataset x has no AAPL 2014-06-09"
             " split to withdraw. Hint: `store.table(\"x\", \"actions\")` shows what it has"),
            ({"actions": having("actions", date=[D1, D2, D3], symbol=["A"] * 3)}, InputError, "split and 2 more to"),
            ({"borrow": GOOD["borrow"]}, InputError, "Table borrow of dataset x has no AAPL 2014-06-09 to withdraw"),
            ({"bars": bars()}, InputError, "`withdraw` names 'bars'. Hint: a bar is put into quarantine"),
            ({"prices": bars()}, InputError, "Rows can be withdrawn from actions, borrow, members, reference, events"),
            ({"actions": GOOD["actions"].drop("kind")}, InputError, "have no column `kind` (they have symbol, d"),
            ({"actions": having("actions", date=["2014-06-10"])}, KindError, "Column date of table actions of dataset"),
            ({"actions": [1]}, KindError, "`withdraw` of table actions of dataset x needs a Polars frame"),
            (GOOD["actions"], KindError, "`withdraw` must say from which table, received DataFrame."),
        ],
    )  # fmt: skip
    def test_refused(self, store: Store, withdraw: Any, error: type[Exception], said: str) -> None:
        write(store, actions=self.ROWS)
        with pytest.raises(error) as caught:
            store.update("x", members=GOOD["members"], withdraw=withdraw)
        assert said in str(caught.value)
        assert store.versions("x").height == 1
        assert store.table("x", "actions").height == 3


class TestBars:
    ACTIONS = pl.DataFrame(
        {
            "symbol": ["AAPL", "MSFT", "MSFT", "OTHER"],
            "date": [D2, D3, D1, D2],
            "kind": ["split", "dividend", "delisting", "split"],
            "value": [7.0, 2.0, -1.0, 3.0],
        }
    )

    def kinds(self, bars: Any) -> list[str] | None:
        return None if bars.actions is None else bars.actions["kind"].to_list()

    def test_adjustment_on_read(self, store: Store) -> None:
        write(store, actions=self.ACTIONS)
        raw = store.bars("x")
        assert (raw.adjusted, self.kinds(raw)) == ("none", ["delisting", "split", "dividend"])
        assert store.bars("x", adjust="none").content_hash == raw.content_hash
        split = store.bars("x", adjust="split")
        assert split.adjusted == "split"
        assert split.close.values[:, 0].tolist() == [100.0, 100.0, 99.0]
        assert split.close.values[:, 1].tolist() == [40.0, 41.0, 42.0]
        assert self.kinds(split) == ["delisting", "dividend"]
        total = store.bars("x", adjust="total_return")
        assert total.adjusted == "total_return"
        np.testing.assert_allclose(total.close.values[:, 1], [40 * 42 / 44, 41 * 42 / 44, 42.0], rtol=1e-15)
        assert self.kinds(total) == ["delisting"]

    def test_what_comes_after_the_range_does_not_reach_into_it(self, store: Store) -> None:
        write(store, actions=self.ACTIONS)
        early = store.bars("x", adjust="total_return", end=D2)
        assert early.close.values[-1].tolist() == [100.0, 41.0]
        assert early.close.values[0].tolist() == [100.0, 40.0]
        late = store.bars("x", adjust="total_return", start=D3)
        assert late.close.values.tolist() == [[99.0, 42.0]]

    @pytest.mark.parametrize(
        ("stored", "asked", "left"),
        [
            ("none", "none", ["delisting", "split", "dividend"]),
            ("none", "split", ["delisting", "dividend"]),
            ("none", "total_return", ["delisting"]),
            ("split", "split", ["delisting", "dividend"]),
            ("split", "total_return", ["delisting"]),
            ("total_return", "total_return", ["delisting"]),
            ("unknown", None, ["delisting"]),
            ("split", None, ["delisting", "dividend"]),
        ],
    )
    def test_what_is_left_to_do(self, store: Store, stored: str, asked: str | None, left: list[str]) -> None:
        write(store, adjusted=stored, actions=self.ACTIONS)
        bars = store.bars("x", adjust=asked)
        assert bars.adjusted == (asked or stored)
        assert self.kinds(bars) == left

    @pytest.mark.parametrize(
        ("stored", "asked", "said"),
        [
            ("split", "none", 'stores prices with adjusted="split", and they cannot be read with adjust="none"'),
            ("total_return", "split", 'adjusted="total_return", and they cannot be read with adjust="split"'),
            ("total_return", "none", "cannot be read"),
            ("unknown", "split", "does not say how its prices are adjusted.*write it again"),
            ("unknown", "none", "does not say how"),
            ("none", "unknown", '`adjust` must be "none", "split" or "total_return", received \'unknown\''),
            ("none", 1, "`adjust` must be"),
        ],
    )
    def test_what_cannot_be_asked(self, store: Store, stored: str, asked: Any, said: str) -> None:
        write(store, adjusted=stored, actions=self.ACTIONS)
        with pytest.raises(InputError, match=said):
            store.bars("x", adjust=asked)

    @pytest.mark.parametrize(
        ("stored", "asked"),
        [
            ("none", "none"),
            ("none", "split"),
            ("none", "total_return"),
            ("split", "total_return"),
            ("total_return", "total_return"),
            ("unknown", None),
        ],
    )
    def test_a_conversion_and_its_cash_are_always_left(self, store: Store, stored: str, asked: str | None) -> None:
        # A merger on D3: half a share of MSFT and 3 in cash; a dividend of AAPL the day before.
        actions = pl.DataFrame(
            {
                "symbol": ["AAPL"] * 3,
                "date": [D3, D3, D2],
                "kind": ["conversion", "special_dividend", "dividend"],
                "value": [0.5, 3.0, 1.0],
                "into": ["MSFT", None, None],
            }
        )
        ending = bars().filter((pl.col("symbol") != "AAPL") | (pl.col("date") < D3))
        write(store, ending, adjusted=stored, actions=actions)
        left = store.bars("x", adjust=asked).actions
        assert left is not None
        rows = left.select("date", "kind", "value", "into").rows()
        merger = [(D3, "conversion", 0.5, "MSFT"), (D3, "special_dividend", 3.0, None)]
        before = [(D2, "dividend", 1.0, None)] if asked in ("none", "split") else []
        assert rows == before + merger
        # Under one of the two symbols it stays: whoever books it must know.
        assert store.bars("x", adjust=asked, symbols="AAPL").actions["into"].to_list()[-2:] == ["MSFT", None]

    def test_nothing_known_of_actions_is_not_none_of_them(self, store: Store) -> None:
        write(store)
        assert store.bars("x").actions is None
        with pytest.raises(InputError, match="has no corporate actions, so its prices cannot be adjusted"):
            store.bars("x", adjust="total_return")
        store.update("x", actions=empty("actions"))
        assert store.bars("x", adjust="total_return").close.values.tolist() == store.bars("x").close.values.tolist()

    def test_members_from_column_table_or_closes(self, store: Store) -> None:
        holes = bars().filter((pl.col("symbol") != "MSFT") | (pl.col("date") != D2))
        write(store, holes)
        assert store.bars("x").member.values.tolist() == [[True, True], [True, False], [True, True]]
        members = pl.DataFrame({"symbol": ["AAPL", "MSFT"], "start": [D2, D1], "end": [None, D3]})
        store.update("x", members=members)
        assert store.bars("x").member.values.tolist() == [[False, True], [True, True], [True, False]]
        column = holes.with_columns(member=pl.col("symbol") == "AAPL")
        write(store, column, members=members)
        assert store.bars("x").member.values.tolist() == [[True, False]] * 3

    @pytest.mark.parametrize("source", ["closes", "table", "column"])
    def test_quarantine(self, store: Store, source: str) -> None:
        frame = bars().with_columns(volume=pl.lit(5.0))
        more: dict[str, Any] = {}
        if source == "column":
            frame = frame.with_columns(member=pl.lit(True))
        if source == "table":
            more["members"] = pl.DataFrame({"symbol": ["AAPL", "MSFT"], "start": [D1, D1]})
        write(store, frame, **more)
        store.review("x", having("review", symbol=["AAPL", "MSFT"], start=[D2, D1], decision=["quarantine", "accept"]))
        bars_ = store.bars("x")
        out = np.array([[False, False], [True, False], [False, False]])
        for panel in (bars_.close, bars_.volume):
            np.testing.assert_array_equal(np.isnan(panel.values), out)
        np.testing.assert_array_equal(bars_.member.values, ~out)
        whole = store.bars("x", quarantine=False)
        assert not np.isnan(whole.close.values).any()
        assert whole.member.values.all()
        np.testing.assert_array_equal(store.bars("x", symbols="AAPL", start=D2).close.values, [[math.nan], [99.0]])

    def test_borrow_holds_from_the_row_before_the_range(self, store: Store) -> None:
        borrow = pl.DataFrame(
            {"symbol": ["AAPL"] * 3 + ["ELSE"], "date": [date(2014, 1, 2), D1, D3, D1], "rate": [0.1, 0.2, 0.3, 9.0]}
        )
        write(store, borrow=borrow)
        assert store.bars("x", start=D2).borrow["rate"].to_list() == [0.2, 0.3]  # type: ignore[index]
        assert store.bars("x", end=D2).borrow["rate"].to_list() == [0.2]  # type: ignore[index]
        assert store.bars("x", symbols="MSFT").borrow.height == 0  # type: ignore[union-attr]

    def test_the_vendors_close_is_no_field(self, store: Store) -> None:
        write(store, bars().with_columns(adj_close=pl.col("close")))
        assert store.bars("x").fields == ("close",)
        with pytest.raises(InputError, match=r"no field 'adj_close'; it has close.*store\.table\(\"x\", \"bars\"\)"):
            store.bars("x", fields="adj_close")


class TestIntraday:
    ZONE = ZoneInfo("America/New_York")

    def frame(self, months: tuple[int, ...] = (1, 2), symbols: str = "AB") -> pl.DataFrame:
        moments = [
            datetime(2024, month, number, 9, 30, tzinfo=self.ZONE) + timedelta(minutes=5 * bar)
            for month in months
            for number in (30, 31) if month != 2 or number < 30
            for bar in range(1, 79)
        ] + [datetime(2024, 2, 1, 20, 0, tzinfo=self.ZONE)]  # fmt: skip
        rows = [(moment, name, 10.0 + number) for number, moment in enumerate(moments) for name in symbols]
        schema = {"date": pl.Datetime("us", "America/New_York"), "symbol": pl.String, "close": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def test_round_trip(self, store: Store) -> None:
        frame = self.frame()
        facts = store.write("m", frame, calendar="XNYS", adjusted="none", bar="5min")
        assert (facts.bar, facts.dates) == ("5min", 157)
        assert facts.first == datetime(2024, 1, 30, 14, 35, tzinfo=UTC)
        # After hours in New York is the next day in UTC, and legal.
        assert facts.last == datetime(2024, 2, 2, 1, 0, tzinfo=UTC)
        assert [part.partition for part in facts.of("bars")] == ["2024-01", "2024-02"]
        bars = Store(store.path).bars("m")
        assert bars.dates.dtype == np.dtype("datetime64[us]")
        assert bars.frequency == Frequency(252 * 390 / 5, "XNYS")
        np.testing.assert_array_equal(bars.close.values, np.repeat(10.0 + np.arange(157), 2).reshape(-1, 2))
        assert store.table("m", "bars").schema["date"] == pl.Datetime("us", "UTC")
        assert store.datasets()["first"].to_list() == [date(2024, 1, 30)]
        assert store.versions("m")["last"].to_list() == [date(2024, 2, 2)]

    def test_ranges_by_day_and_by_moment(self, store: Store) -> None:
        store.write("m", self.frame(), calendar="XNYS", adjusted="none", bar="5min")
        assert store.bars("m", start="2024-01-31", end="2024-01-31").shape == (78, 2)
        noon = datetime(2024, 1, 31, 12, tzinfo=self.ZONE)
        assert store.bars("m", start=noon, end=noon + timedelta(minutes=10), symbols="B").shape == (3, 1)
        assert store.table("m", "bars", start=noon, end=noon).height == 2
        assert store.table("m", "bars", start="2024-02", symbols="A").height == 1
        with pytest.raises(InputError, match="has no dates from 2025"):
            store.bars("m", start="2025")

    def test_update(self, store: Store) -> None:
        frame = self.frame()
        store.write("m", frame, calendar="XNYS", adjusted="none", bar="5min")
        later = frame.tail(2).with_columns(pl.col("date").dt.offset_by("5m"), close=pl.lit(1.0))
        change = store.update("m", pl.concat([frame.head(1).with_columns(close=pl.lit(2.0)), frame.tail(2), later]))
        assert (change.added, change.unchanged) == (2, 2)
        assert change.changed.rows() == [
            ("bars", "A", datetime(2024, 1, 30, 14, 35, tzinfo=UTC), "close", "10.0", "2.0")
        ]
        closes = store.bars("m").close.values
        assert closes[0].tolist() == [2.0, 10.0]
        assert closes[-1].tolist() == [1.0, 1.0]
        with pytest.raises(KindError, match="must be moments with a time zone, received Date"):
            store.update("m", bars())

    def test_hours_and_other_calendars(self, store: Store) -> None:
        hours = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(24)]
        frame = pl.DataFrame({"date": hours, "symbol": ["BTC"] * 24, "close": [1.0] * 24})
        store.write("h", frame, calendar="24/7", adjusted="none", bar="1h")
        assert store.bars("h").frequency == Frequency(365 * 24, "24/7")

    def test_two_bars_of_one_moment_in_two_zones_are_doubled(self, store: Store) -> None:
        moment = datetime(2024, 1, 30, 10, tzinfo=self.ZONE)
        frame = pl.DataFrame({"date": [moment, moment], "symbol": ["A", "A"], "close": [1.0, 2.0]})
        with pytest.raises(LabelError, match="A 2024-01-30 15:00:00 UTC twice, with different values"):
            store.write("m", frame, calendar="XNYS", adjusted="none", bar="1min")
        naive = frame.with_columns(pl.col("date").dt.replace_time_zone(None))
        with pytest.raises(KindError, match="received clock times without one"):
            store.write("m", naive, calendar="XNYS", adjusted="none", bar="1min")


def test_loaded_symbols_need_not_be_members_but_some_of_the_dataset_must(tmp_path: Path) -> None:
    frame = pl.DataFrame({"date": [D1, D2] * 2, "symbol": ["A", "A", "B", "B"], "close": [1.0, 2.0, 3.0, 4.0]})
    store = Store(tmp_path)
    store.write("one", frame, calendar="XNYS", adjusted="none", members=pl.DataFrame({"symbol": ["A"], "start": [D2]}))
    assert store.bars("one", symbols="B").member.values.tolist() == [[False], [False]]
    assert store.bars("one", symbols="A").member.values.tolist() == [[False], [True]]
    other = pl.DataFrame({"symbol": ["A.N"], "start": [D2]})
    store.write("one", frame, calendar="XNYS", adjusted="none", members=other)
    with pytest.raises(LabelError, match=r"A\.N"):
        store.bars("one")
