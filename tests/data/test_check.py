"""The findings of stored datasets: actions, adjusted closes, refused rows and decisions all come together."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantlab.core import StoreError
from quantlab.core.rng import generator
from quantlab.data import Store, schemas
from quantlab.data.checks._check import check
from quantlab.data.checks._findings import SCHEMA
from quantlab.data.checks._review import decide

START, T = date(2023, 1, 2), 60
DAY = START + timedelta(days=30)


def frame(*, adjusted: bool = False) -> pl.DataFrame:
    close = 20 * np.exp(np.cumsum(generator(4).normal(0, 0.01, (T, 2)), axis=0))
    days = [START + timedelta(days=n) for n in range(T)]
    parts = []
    for n, symbol in enumerate("AB"):
        part = pl.DataFrame({"date": days, "symbol": symbol, "close": close[:, n]})
        parts.append(part.with_columns(adj_close=pl.col("close")) if adjusted else part)
    return pl.concat(parts)


def write(store: Store, table: pl.DataFrame, **tables: pl.DataFrame) -> None:
    store.write("one", table, calendar="24/7", adjusted="none", **tables)


def row(table: str, *values: object) -> pl.DataFrame:
    return pl.DataFrame([values], schema=schemas.TABLES[table].schema, orient="row")


def test_a_clean_dataset(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, frame())
    found = check(store, "one")
    assert found.height == 0
    assert dict(found.schema) == SCHEMA


def test_recorded_actions_explain_moves_and_are_checked(tmp_path: Path) -> None:
    halved = pl.when((pl.col("symbol") == "A") & (pl.col("date") >= DAY)).then(0.5).otherwise(1.0)
    store = Store(tmp_path)
    write(store, frame().with_columns(pl.col("close") * halved))
    assert check(store, "one").select("rule", "symbol", "date").rows() == [("unrecorded_split", "A", DAY)]
    store.update("one", actions=row("actions", "A", DAY, "split", 2.0, None, None, None))
    assert check(store, "one").height == 0
    store.update("one", actions=row("actions", "B", DAY, "split", 2.0, None, None, None))
    assert check(store, "one").select("rule", "symbol").rows() == [("split_no_move", "B")]


def test_the_vendors_adjusted_close_is_compared(tmp_path: Path) -> None:
    table = frame(adjusted=True)
    store = Store(tmp_path)
    write(store, table)
    assert check(store, "one").height == 0
    wrong = pl.when((pl.col("symbol") == "B") & (pl.col("date") < DAY)).then(0.999).otherwise(1.0)
    write(store, table.with_columns(pl.col("adj_close") * wrong))
    assert check(store, "one").select("rule", "symbol", "date").rows() == [("adjusted_step", "B", DAY)]


def test_refused_rows_are_findings(tmp_path: Path) -> None:
    rejects = pl.concat(
        [
            row("rejects", "a.csv", 7, "A", "2023-02-01", "duplicate", '{"close": "5"}'),
            row("rejects", "a.csv", 9, "A", "02/30/2023", "date_format", None),
            row("rejects", "b.csv", None, None, None, "not_a_table", None),
        ]
    )
    store = Store(tmp_path)
    write(store, frame(), rejects=rejects)
    assert check(store, "one").select("rule", "symbol", "date", "severity", "detail", "status").rows() == [
        ("date_format", "A", None, "error", "a.csv line 9, date 02/30/2023", "open"),
        ("duplicate", "A", date(2023, 2, 1), "error", 'a.csv line 7, date 2023-02-01: {"close": "5"}', "open"),
        ("not_a_table", None, None, "error", "b.csv", "open"),
    ]
    store.review("one", decide(check(store, "one").filter(pl.col("symbol") == "A"), "accept"))
    assert check(store, "one")["status"].to_list() == ["accepted", "accepted", "open"]


def test_accept_quarantine_and_what_was_known_then(tmp_path: Path) -> None:
    moments = iter(datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 20))
    store = Store(tmp_path, clock=lambda: next(moments))
    wrong = pl.when(pl.col("date") == DAY).then(1.5).otherwise(1.0)
    write(store, frame().with_columns(pl.col("close") * wrong))
    found = check(store, "one")
    assert found.select("rule", "symbol", "status").rows() == [("spike", "A", "open"), ("spike", "B", "open")]
    store.review("one", decide(found.filter(symbol="A"), "accept", note="it traded there"))
    store.review("one", decide(found.filter(symbol="B"), "quarantine"))
    assert check(store, "one")["status"].to_list() == ["accepted", "quarantined"]
    missing = np.isnan(store.bars("one").close.values)
    assert np.argwhere(missing).tolist() == [[30, 1]]
    assert not np.isnan(store.bars("one", quarantine=False).close.values).any()
    assert check(store, "one", known_at=datetime(2024, 1, 1, 12, tzinfo=UTC))["status"].to_list() == ["open", "open"]


def test_no_such_dataset(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no dataset"):
        check(Store(tmp_path), "one")


def test_an_adjustment_that_nobody_declared_is_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("one", frame(), calendar="24/7", adjusted="unknown")
    found = check(store, "one").filter(rule="unknown_adjusted")
    assert found.select("symbol", "date", "severity", "status").rows() == [(None, START, "warning", "open")]
    store.review("one", decide(found, "accept", note="returns only"))
    assert check(store, "one").filter(rule="unknown_adjusted")["status"].to_list() == ["accepted"]
    write(store, frame())
    assert check(store, "one").filter(rule="unknown_adjusted").is_empty()


def test_members_without_bars_are_counted_once(tmp_path: Path) -> None:
    after, before = START + timedelta(days=T), START - timedelta(days=9)
    members = pl.DataFrame(
        [
            ("A", before, None),
            ("GONE", before, START + timedelta(days=5)),
            ("LOST", START, None),
            ("EARLIER", before, START),  # left on the first day: never a member within the bars
            ("LATER", after, None),
        ],
        schema=schemas.TABLES["members"].schema,
        orient="row",
    )
    store = Store(tmp_path)
    write(store, frame(), members=members)
    found = check(store, "one").filter(rule="members_without_bars")
    assert found.select("symbol", "date", "detail").rows() == [
        (None, START, "2 of 3 members have no bars (GONE, LOST)")
    ]
    write(store, frame(), members=members.filter(symbol="A"))
    assert check(store, "one").filter(rule="members_without_bars").is_empty()
