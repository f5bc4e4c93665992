"""Series that are no prices: each rule by hand, its boundary from both sides, and the corner table."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from quantlab.core import KindError, Panel
from quantlab.core.rng import generator
from quantlab.data.checks._findings import SCHEMA
from quantlab.data.checks._series import quality_of_series

START = date(2020, 1, 1)


def walk(size: int = 400, seed: int = 1, step: float = 0.02) -> np.ndarray:
    return 20 * np.exp(np.cumsum(generator(seed).normal(0, step, size)))


def found(values: np.ndarray, dates: np.ndarray | None = None) -> pl.DataFrame:
    days = np.datetime64(START) + np.arange(values.size) if dates is None else dates
    return quality_of_series(Panel(values[:, None], days, ["x"]))


def spans(frame: pl.DataFrame) -> list[tuple]:
    return [
        (rule, (first - START).days, None if last is None else (last - START).days)
        for rule, first, last in frame.select("rule", "date", "end").rows()
    ]


def test_a_series_that_lives_has_no_findings() -> None:
    for seed in range(30):
        assert found(walk(seed=seed)).height == 0
        assert found(np.log(walk(seed=seed))).height == 0  # of both signs: returns, spreads


@pytest.mark.parametrize(("length", "there"), [(20, True), (19, False)])
def test_back_filled(length: int, there: bool) -> None:
    values = walk()
    values[:length] = 30.0
    assert spans(found(values)) == ([("back_filled", 0, length - 1)] if there else [])


@pytest.mark.parametrize(("length", "there"), [(20, True), (19, False)])
def test_forward_filled_within_and_at_the_end(length: int, there: bool) -> None:
    for first in (100, 400 - length):
        values = walk()
        values[first : first + length] = values[first]
        assert spans(found(values)) == ([("forward_filled", first, first + length - 1)] if there else [])


def test_what_is_long_depends_on_the_series() -> None:
    # A rate that a committee sets stays for some 60 days at a time.
    values = np.repeat(walk(30), 60)
    assert found(values).height == 0
    values[: 60 * 6] = 7.0
    assert spans(found(values)) == [("back_filled", 0, 359)]


def test_missing_values_are_left_out() -> None:
    values = walk()
    values[:100] = np.nan
    values[::2] = np.nan
    assert found(values).height == 0


def test_a_series_that_never_changes() -> None:
    [row] = found(np.full(50, 3.5)).rows()
    assert row[:5] == ("back_filled", "x", START, "warning", "50 rows of 3.5, and no change")


def test_months_on_days() -> None:
    days = np.datetime64(START) + np.arange(400)
    months = np.unique(days.astype("datetime64[M]"), return_inverse=True)[1]
    assert spans(found(walk(20)[months], days)) == [("reference_dated", 0, 399)]
    # Published on the tenth: the value changes when it is known.
    late = np.unique((days - np.timedelta64(9, "D")).astype("datetime64[M]"), return_inverse=True)[1]
    assert found(walk(20)[late], days).height == 0


def test_months_as_rows() -> None:
    firsts = np.arange("2000-01", "2010-01", dtype="datetime64[M]").astype("datetime64[D]")
    [row] = found(walk(firsts.size), firsts).rows()
    assert row[:2] == ("reference_dated", None)
    lasts = np.arange("2000-02", "2010-02", dtype="datetime64[M]").astype("datetime64[D]") - np.timedelta64(1, "D")
    assert found(walk(lasts.size), lasts).height == 0


def test_zeros_that_mean_unknown() -> None:
    values = walk()
    values[[50, 51, 300]] = 0
    [row] = found(values).rows()
    assert row[:3] == ("zero_unknown", "x", START + timedelta(days=50))
    assert row[4].startswith("3 zeros to 2020-10-27; the median of the others is ")


def test_zeros_that_mean_zero() -> None:
    falling = np.maximum(np.linspace(1, -0.5, 400) + walk() / 1e4, 0)  # a rate that comes down to zero and stays
    assert "zero_unknown" not in found(falling)["rule"].to_list()
    signs = walk() - 20
    signs[50] = 0
    assert found(signs).height == 0


@pytest.mark.parametrize("factor", [10.0, 0.01, 1000.0])
def test_scale(factor: float) -> None:
    values = walk()
    values[100:140] *= factor
    assert spans(found(values)) == [("scale", 100, 139)]
    values = walk()
    values[100:] *= factor
    assert spans(found(values)) == [("scale", 100, None)]
    values = walk()
    values[100:] *= factor * 1.5
    assert found(values).height == 0


@pytest.mark.parametrize(("level", "there"), [(0.24, False), (0.26, True)])
def test_a_zero_is_far_from_both_neighbors(level: float, there: bool) -> None:
    values = 20 + np.tile([0.0, 0.1, 0.2, 0.1], 100)
    values[99:102] = [20 * level, 0, 21]
    assert ("zero_unknown" in found(values)["rule"].to_list()) == there
    values[99:102] = values[101], 0, values[99]
    assert ("zero_unknown" in found(values)["rule"].to_list()) == there


@pytest.mark.parametrize(("length", "ends"), [(60, [160 - 1]), (61, [None, None])])
def test_a_scale_that_comes_back_within_sixty_values_is_one_run(length: int, ends: list) -> None:
    values = walk()
    values[100 : 100 + length] *= 100
    assert [end for _, _, end in spans(found(values))] == ends


@pytest.mark.parametrize(("off", "there"), [(0.025, True), (0.035, False)])
def test_how_far_from_a_power_of_ten(off: float, there: bool) -> None:
    values = 20 * np.exp(0.01 * np.cumsum(np.tile([1, -1], 200)))  # usual step 0.01: three of them are 0.03
    values[100:] *= 100 * np.exp(off) * values[99] / values[100]
    assert ("scale" in found(values)["rule"].to_list()) == there


def test_a_series_that_moves_by_such_steps_has_no_scale() -> None:
    assert "scale" not in found(walk(step=0.8))["rule"].to_list()


@pytest.mark.parametrize("size", [0, 1, 39])
def test_too_short_to_judge(size: int) -> None:
    frame = found(np.full(size, 1.0))
    assert frame.height == 0
    assert dict(frame.schema) == SCHEMA


def test_all_missing() -> None:
    assert found(np.full(100, np.nan)).height == 0


def test_a_wide_frame_and_several_series() -> None:
    one, two = walk(), walk(seed=2)
    two[:50] = 1.0
    frame = pl.DataFrame({"day": [START + timedelta(days=n) for n in range(400)], "one": one, "two": two})
    before = frame.clone()
    assert quality_of_series(frame).select("rule", "symbol").rows() == [("back_filled", "two")]
    assert frame.equals(before)


def test_no_panel() -> None:
    with pytest.raises(KindError):
        quality_of_series(np.zeros((50, 2)))  # type: ignore[arg-type]
