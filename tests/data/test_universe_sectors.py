"""Sectors with dates: from lists of several years, on one day, and as groups of a Panel."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from quantlab.core import DataError, InputError, Panel, as_bars, xs
from quantlab.data.schemas import TABLES
from quantlab.data.universe import facts_from_snapshots, sector_at, sector_names, sectors
from quantlab.testing import assert_causal

NAN = np.nan
SCHEMA = TABLES["reference"].schema
REFERENCE = pl.DataFrame(
    [
        ("T", "sector", "Telecom", None, date(2018, 9, 24)),
        ("T", "sector", "Communication", date(2018, 9, 24), None),
        ("GOOG", "sector", "Technology", date(2014, 4, 3), date(2018, 9, 24)),
        ("GOOG", "sector", "Communication", date(2018, 9, 24), None),
        ("ORCL", "sector", "Technology", None, None),
        ("ORCL", "exchange", "NYSE", None, None),
        ("LOST", "sector", None, date(2016, 1, 4), None),
    ],
    schema=SCHEMA,
    orient="row",
)
DAYS = ["2014-04-02", "2018-09-21", "2018-09-24"]


def score(values=None, symbols=("T", "GOOG", "ORCL", "NONE"), days=DAYS) -> Panel:
    return Panel(np.ones((len(days), len(symbols))) if values is None else values, days, list(symbols))


class TestSectors:
    def test_by_hand(self) -> None:
        assert sector_names(REFERENCE) == ("Communication", "Technology", "Telecom")
        found = sectors(REFERENCE, score())
        np.testing.assert_array_equal(found.values, [[2, NAN, 1, NAN], [2, 1, 1, NAN], [0, 0, 1, NAN]])
        np.testing.assert_array_equal(sectors(REFERENCE, as_bars(score())).values, found.values)

    def test_groups_of_the_cross_section(self) -> None:
        data = score([[1.0, 2.0, 3.0, 4.0]] * 3)
        found = xs.demean(data, groups=sectors(REFERENCE, data)).values
        np.testing.assert_array_equal(found, [[0, NAN, 0, NAN], [0, -0.5, 0.5, NAN], [-0.5, 0.5, 0, NAN]])

    def test_each_date_is_as_the_mapping_of_that_day(self) -> None:
        data = score([[1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 3.0, 4.0], [7.0, 2.0, 3.0, 4.0]])
        whole = xs.demean(data, groups=sectors(REFERENCE, data))
        for row, day in enumerate(DAYS):
            one = data.between(day, day)
            groups = sector_at(REFERENCE, day, symbols=data.symbols)
            np.testing.assert_array_equal(xs.demean(one, groups=groups).values[0], whole.values[row])

    def test_on_a_day(self) -> None:
        assert sector_at(REFERENCE, "2018-09-21") == {"T": "Telecom", "GOOG": "Technology", "ORCL": "Technology"}
        assert sector_at(REFERENCE, date(2018, 9, 24), symbols=["GOOG", "LOST", "XYZ"]) == {
            "GOOG": "Communication",
            "LOST": None,
            "XYZ": None,
        }
        assert sector_at(REFERENCE, "2018-09-21", field="exchange") == {"ORCL": "NYSE"}

    def test_the_end_is_the_first_day_without(self) -> None:
        ended = pl.DataFrame([("A", "sector", "x", None, date(2020, 1, 3))], schema=SCHEMA, orient="row")
        assert sector_at(ended, "2020-01-02") == {"A": "x"}
        assert sector_at(ended, "2020-01-03") == {}
        days = ["2020-01-02", "2020-01-03"]
        np.testing.assert_array_equal(sectors(ended, score(symbols="A", days=days)).values[:, 0], [0, NAN])

    def test_refusals(self) -> None:
        twice = pl.concat([REFERENCE, REFERENCE[4:5].with_columns(value=pl.lit("Energy"))])
        with pytest.raises(DataError, match="ORCL has two values of sector: Technology and Energy"):
            sectors(twice, score())
        overlap = pl.DataFrame(
            [("A", "sector", "x", None, date(2020, 1, 3)), ("A", "sector", "y", date(2020, 1, 2), None)],
            schema=SCHEMA,
            orient="row",
        )
        with pytest.raises(DataError, match="A has two values of sector on 2020-01-02: x and y"):
            sector_at(overlap, "2020-01-02")
        with pytest.raises(
            InputError, match="`reference` has no rows of the field 'industry'; it has exchange, sector"
        ):
            sectors(REFERENCE, score(), field="industry")

    def test_corners(self) -> None:
        assert sectors(REFERENCE, score(np.empty((0, 4)), days=[])).shape == (0, 4)
        assert np.isnan(sectors(REFERENCE, score(symbols=["LOST", "XYZ"])).values).all()
        assert sector_at(REFERENCE[:0], "2020-01-02") == {}

    def test_it_does_not_look_ahead(self) -> None:
        assert_causal(lambda like: sectors(REFERENCE, like), score())


class TestFromSnapshots:
    def lists(self, *rows) -> pl.DataFrame:
        return pl.DataFrame(rows, schema={"date": pl.Date, "symbol": pl.String, "sector": pl.String}, orient="row")

    def test_changes_and_absence(self) -> None:
        first, second, third = date(2016, 12, 31), date(2021, 4, 1), date(2025, 11, 1)
        lists = self.lists(
            (first, "T", "Telecom"),
            (second, "T", "Communication"),
            (third, "T", "Communication"),
            (first, "X", "Energy"),
            (third, "X", "Energy"),
            (second, "N", "Energy"),
        )
        found = facts_from_snapshots(lists, field="sector")
        assert found.schema == SCHEMA
        assert found.drop("field").rows() == [
            ("N", "Energy", second, third),
            ("T", "Telecom", first, second),
            ("T", "Communication", second, None),
            ("X", "Energy", first, second),
            ("X", "Energy", third, None),
        ]
        kept = facts_from_snapshots(lists, field="sector", absent="keep")
        assert kept.drop("field").rows() == [
            ("N", "Energy", second, None),
            ("T", "Telecom", first, second),
            ("T", "Communication", second, None),
            ("X", "Energy", first, None),
        ]

    def test_nothing_is_known_before_the_first_list(self) -> None:
        reference = facts_from_snapshots(self.lists((date(2018, 9, 21), "T", "Telecom")), field="sector")
        found = sectors(reference, score(symbols=["T"])).values[:, 0]
        np.testing.assert_array_equal(found, [NAN, 0, 0])

    def test_other_columns(self) -> None:
        frame = pl.DataFrame({"asof": [date(2020, 1, 2)], "ticker": ["A"], "gics": ["Energy"]})
        found = facts_from_snapshots(frame, field="sector", value="gics", symbol="ticker", date="asof")
        assert found.row(0) == ("A", "sector", "Energy", date(2020, 1, 2), None)

    def test_neighbors_in_the_table_do_not_mix(self) -> None:
        # A ends on the day on which B begins, with the same sector.
        lists = self.lists((date(2020, 1, 2), "A", "Energy"), (date(2021, 1, 4), "B", "Energy"))
        found = facts_from_snapshots(lists, field="sector")
        assert found.select("symbol", "start").rows() == [("A", date(2020, 1, 2)), ("B", date(2021, 1, 4))]

    def test_refusals(self) -> None:
        lists = self.lists((date(2020, 1, 2), "A", "Energy"), (date(2020, 1, 2), "A", "Utilities"))
        with pytest.raises(DataError, match="A stands twice in the list of 2020-01-02"):
            facts_from_snapshots(lists, field="sector")
        with pytest.raises(InputError, match='`absent` must be "end" or "keep"'):
            facts_from_snapshots(lists[:1], field="sector", absent="drop")
        with pytest.raises(InputError, match="`frame` needs the column `industry`"):
            facts_from_snapshots(lists, field="industry")
        assert facts_from_snapshots(lists[:0], field="sector").schema == SCHEMA
