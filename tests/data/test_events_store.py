"""Events in the store: the same table comes back, corrections are versions, and a Panel of either is the same."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from quantlab.data import Store, events


def test_events_come_back_as_they_went_in(tmp_path):
    days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
    prices = pl.DataFrame({"date": days * 2, "symbol": ["A"] * 3 + ["B"] * 3, "close": [10.0, 11, 12, 20, 21, 22]})
    clock = iter([datetime(2024, 2, day, tzinfo=UTC) for day in range(1, 20)])
    store = Store(tmp_path / "data", clock=lambda: next(clock))
    store.write("us", prices, calendar="XNYS", adjusted="none")
    frame = pl.DataFrame(
        {"symbol": ["A", "B"], "date": [date(2024, 1, 2)] * 2, "release_time": ["pre", "post"], "eps": [1.0, 2.0]}
    )
    made = events.earnings(frame)
    store.update("us", events=made.table, note=made.note)
    stored = store.table("us", "events")
    assert stored.sort(made.table.columns).equals(made.table.sort(made.table.columns))
    bars = store.bars("us")
    whole = events.panel(made, "eps", bars)
    np.testing.assert_array_equal(whole.values, [[1.0, np.nan], [1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_array_equal(events.panel(stored, "eps", bars).values, whole.values)
    # A restatement is a further row, and what was known before stays as it was.
    later = made.table.filter(pl.col("id") == "A").with_columns(
        available_time=pl.lit(datetime(2024, 1, 4, 12, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")), value=pl.lit(1.5)
    )
    assert store.update("us", events=later).added == 1
    np.testing.assert_array_equal(
        events.panel(store.table("us", "events"), "eps", bars).values, [[1.0, np.nan], [1.0, 2.0], [1.5, 2.0]]
    )
