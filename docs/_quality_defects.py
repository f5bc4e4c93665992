"""Planted defects: one function each that spoils bars at given places and says where; used by make_quality.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from quantlab.core import Bars, Panel
from quantlab.core.rng import generator
from quantlab.data import Store, quality, schemas
from quantlab.data.checks._series import quality_of_series

WANTED = 300  # planted defects of each kind
APART, EDGE = 130, 140  # bars between two of them, and to the ends
SEED = 20240229
PRICES = ("open", "high", "low", "close")


@dataclass
class Spoiled:
    """Bars being spoiled: arrays by field, actions, and where the defects are."""

    dates: np.ndarray
    symbols: tuple[str, ...]
    fields: dict[str, np.ndarray]
    actions: list[tuple] = field(default_factory=list)
    places: list[tuple[str | None, np.datetime64, np.datetime64]] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    adjusted: np.ndarray | None = None  # the vendor's adjusted closes, which agree with the actions
    judged: bool = False  # whether quality is to see them

    def mark(self, column: int | None, first: int, last: int) -> None:
        symbol = None if column is None else self.symbols[column]
        self.places.append((symbol, self.dates[first], self.dates[last]))

    def scale(self, rows: slice, column: int, factor: float, *, volume: bool = False) -> None:
        for name in PRICES:
            if name in self.fields:
                self.fields[name][rows, column] *= factor
        if volume and "volume" in self.fields:
            self.fields["volume"][rows, column] /= factor


@dataclass(frozen=True)
class Outcome:
    """What became of one kind of defect."""

    defect: str
    rules: tuple[str, ...]
    planted: int
    found: int
    other: int
    years: float

    def row(self) -> dict:
        return {
            "defect": self.defect,
            "rules": list(self.rules),
            "planted": self.planted,
            "found": self.found,
            "other": self.other,
            "years": round(self.years, 1),
        }


Plant = Callable[[Spoiled, int, int, np.random.Generator], None]
KINDS: list[tuple[str, tuple[str, ...], tuple[str, ...], Plant]] = []


def kind(defect: str, rules: str, needs: str = "") -> Callable[[Plant], Plant]:
    def keep(function: Plant) -> Plant:
        KINDS.append((defect, tuple(rules.split()), tuple(needs.split()), function))
        return function

    return keep


@kind("session left out", "missing_session")
def _(bars: Spoiled, row: int, column: int, rng: np.random.Generator) -> None:
    bars.dropped.append(row)
    bars.places.append((None, bars.dates[row], bars.dates[row]))


@kind("1 to 10 closes missing", "gap")
def _(bars, row, column, rng):
    past = row + int(rng.integers(1, 11))
    for values in bars.fields.values():
        values[row:past, column] = np.nan
    bars.mark(column, row, past - 1)


@kind("5 to 20 equal closes", "stale")
def _(bars, row, column, rng):
    past = row + int(rng.integers(5, 21))
    bars.fields["close"][row:past, column] = bars.fields["close"][row, column]
    bars.mark(column, row, past - 1)


@kind("1 to 3 bars copied from the one before", "repeat", "volume")
def _(bars, row, column, rng):
    past = row + int(rng.integers(1, 4))
    for values in bars.fields.values():
        values[row:past, column] = values[row - 1, column]
    bars.mark(column, row, past - 1)


@kind("prices stand at the last close, volume is new", "carried", "volume open")
def _(bars, row, column, rng):
    for name in PRICES:
        bars.fields[name][row, column] = bars.fields["close"][row - 1, column]
    bars.mark(column, row, row)


@kind("high and low exchanged", "price_order", "high low")
def _(bars, row, column, rng):
    high, low = bars.fields["high"], bars.fields["low"]
    high[row, column], low[row, column] = low[row, column], high[row, column]
    bars.mark(column, row, row)


@kind("volume 0 for 1 to 5 bars", "unknown_volume zero_volume", "volume")
def _(bars, row, column, rng):
    past = row + int(rng.integers(1, 6))
    bars.fields["volume"][row:past, column] = 0
    bars.mark(column, row, past - 1)


@kind("close wrong by 6 to 20 %, one bar", "spike")
def _(bars, row, column, rng):
    _spike(bars, row, column, rng, 0.06, 0.2)


@kind("close wrong by 20 to 100 %, one bar", "spike")
def _(bars, row, column, rng):
    _spike(bars, row, column, rng, 0.2, 1.0)


def _spike(bars, row, column, rng, low, high):
    factor = 1 + rng.uniform(low, high)
    factor = factor if rng.random() < 0.5 else 1 / factor
    close = bars.fields["close"]
    close[row, column] *= factor
    if "high" in bars.fields:
        bars.fields["high"][row, column] = max(bars.fields["high"][row, column], close[row, column])
        bars.fields["low"][row, column] = min(bars.fields["low"][row, column], close[row, column])
    bars.mark(column, row, row)


@kind("high or low wrong by 15 to 200 %", "bad_tick", "high low")
def _(bars, row, column, rng):
    factor = 1 + rng.uniform(0.15, 2)
    if rng.random() < 0.5:
        bars.fields["high"][row, column] *= factor
    else:
        bars.fields["low"][row, column] /= factor
    bars.mark(column, row, row)


@kind("open wrong by 15 to 200 %", "bad_tick price_order", "open high low")
def _(bars, row, column, rng):
    factor = 1 + rng.uniform(0.15, 2)
    bars.fields["open"][row, column] *= factor if rng.random() < 0.5 else 1 / factor
    bars.mark(column, row, row)


@kind("factor 10, 100 or 1,000 for 2 to 40 bars", "scale")
def _(bars, row, column, rng):
    past = row + int(rng.integers(2, 41))
    bars.scale(slice(row, past), column, float(10 ** rng.integers(1, 4)) ** rng.choice([-1, 1]))
    bars.mark(column, row, past - 1)


@kind("another unit from one bar on (10, 100 or 1,000)", "scale")
def _(bars, row, column, rng):
    bars.scale(slice(0, row), column, float(10 ** rng.integers(1, 4)) ** rng.choice([-1, 1]))
    bars.mark(column, row, row)


@kind("level wrong by 25 to 100 % for 2 to 20 bars", "level_run unrecorded_split unrecorded_action")
def _(bars, row, column, rng):
    past = row + int(rng.integers(2, 21))
    factor = 1 + rng.uniform(0.25, 1.0)
    bars.scale(slice(row, past), column, factor if rng.random() < 0.5 else 1 / factor)
    bars.mark(column, row, past)


@kind("split 2:1 to 10:1, 1:2 to 1:10, not recorded", "unrecorded_split unrecorded_action scale")
def _(bars, row, column, rng):
    factor = float(rng.choice([2, 2, 2, 3, 4, 5, 7, 10]))
    bars.scale(slice(0, row), column, factor if rng.random() < 0.7 else 1 / factor, volume=True)
    bars.mark(column, row, row)


@kind("split 3:2, not recorded", "unrecorded_split unrecorded_action")
def _(bars, row, column, rng):
    bars.scale(slice(0, row), column, 1.5, volume=True)
    bars.mark(column, row, row)


@kind("spin-off of 15 to 60 %, not recorded", "unrecorded_action unrecorded_split", "open volume")
def _(bars, row, column, rng):
    bars.scale(slice(0, row), column, 1 / (1 - rng.uniform(0.15, 0.6)))
    bars.mark(column, row, row)


@kind("split booked, price did not move", "split_no_move")
def _(bars, row, column, rng):
    bars.actions.append((bars.symbols[column], bars.dates[row], "split", float(rng.choice([1.5, 2, 3, 4, 0.5, 0.1]))))
    bars.mark(column, row, row)


@kind("dividend of 8 to 30 % booked, price did not move", "dividend_no_move")
def _(bars, row, column, rng):
    value = rng.uniform(0.08, 0.3) * bars.fields["close"][row - 1, column]
    bars.actions.append((bars.symbols[column], bars.dates[row], "dividend", float(value)))
    bars.mark(column, row, row)


@kind("spin-off of 16 to 60 % booked as dividend", "spinoff_dividend")
def _(bars, row, column, rng):
    part = rng.uniform(0.16, 0.6)
    bars.scale(slice(0, row), column, 1 / (1 - part))
    value = part * bars.fields["close"][row - 1, column]
    bars.actions.append((bars.symbols[column], bars.dates[row], "dividend", float(value)))
    bars.mark(column, row, row)


@kind("action on a day without a bar", "action_no_bar")
def _(bars, row, column, rng):
    for values in bars.fields.values():
        values[row, column] = np.nan
    bars.actions.append((bars.symbols[column], bars.dates[row], "dividend", 0.01))
    bars.mark(column, row, row)


@kind("step of 0.1 to 50 % in the vendor's adjusted close", "adjusted_step")
def _(bars, row, column, rng):
    step = 1 - 10 ** rng.uniform(-3, -0.3)
    bars.adjusted[:row, column] *= step if rng.random() < 0.5 else 1 / step
    bars.judged = True
    bars.mark(column, row, row)


@kind("silence of 70 to 120 bars, then a level 2.5 to 20 times as high or low", "ticker_reuse")
def _(bars, row, column, rng):
    past = row + int(rng.integers(70, 121))
    factor = rng.uniform(2.5, 20)
    bars.scale(slice(0, row), column, factor if rng.random() < 0.5 else 1 / factor)
    for values in bars.fields.values():
        values[row:past, column] = np.nan
    bars.mark(column, row, past)


# Defects of a whole symbol: one per symbol and round.
WHOLE: list[tuple[str, str, Plant]] = []


def whole(defect: str, rule: str) -> Callable[[Plant], Plant]:
    def keep(function: Plant) -> Plant:
        WHOLE.append((defect, rule, function))
        return function

    return keep


@whole("first close 5 to 500 bars late", "starts_late")
def _(bars, _row, column, rng):
    row = int(rng.integers(5, 501))
    for values in bars.fields.values():
        values[:row, column] = np.nan
    bars.mark(column, row, row)


@whole("last close 5 to 500 bars early", "ends_early")
def _(bars, _row, column, rng):
    row = bars.dates.size - int(rng.integers(5, 501))
    for values in bars.fields.values():
        values[row:, column] = np.nan
    bars.mark(column, row - 1, row - 1)


@whole("first 30 to 500 bars filled backward", "back_filled")
def _(bars, _row, column, rng):
    row = int(rng.integers(30, 501))
    for values in bars.fields.values():
        values[:row, column] = values[row, column]
    bars.mark(column, 0, row)


@whole("100 to 500 bars of another symbol, scaled", "identical")
def _(bars, _row, column, rng):
    twin = (column + 1) % len(bars.symbols)
    row = EDGE + int(rng.integers(0, bars.dates.size - EDGE - 501))
    rows = slice(row, row + int(rng.integers(100, 501)))
    factor = rng.uniform(0.5, 2)
    for name in PRICES:
        if name in bars.fields:
            bars.fields[name][rows, column] = bars.fields[name][rows, twin] * factor
    bars.mark(max(column, twin), rows.start, rows.stop - 1)


@whole("prices around 1 rounded to 0.01", "coarse")
def _(bars, _row, column, rng):
    bars.scale(slice(None), column, 1 / float(np.nanmedian(bars.fields["close"][:, column])))
    for name in PRICES:
        if name in bars.fields:
            bars.fields[name][:, column] = np.maximum(np.round(bars.fields[name][:, column], 2), 0.01)
    bars.mark(column, 0, bars.dates.size - 1)


def plant_all(bars: Bars, adj_close: Panel | None = None) -> Iterator[Outcome]:
    """Plant every kind that ``bars`` have the fields for, and yield what became of it."""
    clean = quality(bars, actions=bars.actions)
    yearly = float((~np.isnan(bars.close.values)).sum()) / 252
    for number, (defect, rules, needs, plant) in enumerate(KINDS):
        if all(getattr(bars, name) is not None for name in needs):
            yield _outcome(bars, adj_close, clean, yearly, number, (defect, rules, plant))
    for number, (defect, rule, plant) in enumerate(WHOLE):
        if rule != "coarse" or bars.adjusted != "none":
            yield _outcome(bars, adj_close, clean, yearly, 1000 + number, (defect, (rule,), plant))
    yield _saturdays(bars, clean, yearly)


def _outcome(
    bars: Bars, adj_close: Panel | None, clean: pl.DataFrame, yearly: float, number: int, what: tuple
) -> Outcome:
    defect, rules, plant = what
    planted = found = rounds = 0
    while planted < WANTED:
        rng = generator(SEED + number, rounds)
        spoiled = _copy(bars, adj_close)
        for row, column in _places(bars, rng, rules, whole=number >= 1000):
            plant(spoiled, row, column, rng)
        hits = _hits(_findings(bars, spoiled), rules, spoiled.places)
        planted, found, rounds = planted + len(spoiled.places), found + hits, rounds + 1
    other = clean.filter(pl.col("rule").is_in(rules)).height * rounds
    return Outcome(defect, rules, planted, found, other, yearly * rounds)


def _saturdays(bars: Bars, clean: pl.DataFrame, yearly: float) -> Outcome:
    """Fridays repeated on Saturdays."""
    planted = found = rounds = 0
    fridays = np.flatnonzero(np.diff(bars.dates).astype(int) == 3)
    while planted < WANTED:
        rows = np.sort(generator(SEED + 2000, rounds).choice(fridays, size=min(60, fridays.size), replace=False))
        saturdays = bars.dates[rows] + np.timedelta64(1, "D")
        dates = np.insert(bars.dates, rows + 1, saturdays)
        panels = {
            name: Panel(np.insert(panel.values, rows + 1, panel.values[rows], axis=0), dates, bars.symbols,
                        frequency=bars.frequency)
            for name in (*PRICES, "volume") if (panel := getattr(bars, name)) is not None
        }  # fmt: skip
        places = [(None, day, day) for day in saturdays]
        rules = ("no_session",)
        found += _hits(quality(Bars(**panels, adjusted=bars.adjusted), actions=bars.actions), rules, places)
        planted, rounds = planted + rows.size, rounds + 1
    other = clean.filter(pl.col("rule") == "no_session").height * rounds
    return Outcome("Friday repeated on Saturday", ("no_session",), planted, found, other, yearly * rounds)


def _copy(bars: Bars, adj_close: Panel | None) -> Spoiled:
    names = [name for name in (*PRICES, "volume") if getattr(bars, name) is not None]
    fields = {name: getattr(bars, name).values.copy() for name in names}
    adjusted = bars.close.values if adj_close is None else adj_close.values
    return Spoiled(bars.dates, bars.symbols, fields, adjusted=adjusted.copy())


def _places(bars: Bars, rng: np.random.Generator, rules: tuple[str, ...], *, whole: bool) -> list[tuple[int, int]]:
    """Random places, from the last to the first, so that what changes all the past does not move what was planted."""
    close = bars.close.values
    if whole:
        # Every second symbol, so that no twin is spoiled itself.
        full = np.flatnonzero(~np.isnan(close).any(axis=0))
        return [(0, column) for column in full[:: 2 if rules == ("identical",) else 1].tolist()]
    spots = []
    for column in range(1 if rules == ("missing_session",) else close.shape[1]):
        row = EDGE + int(rng.integers(0, APART))
        while row < close.shape[0] - EDGE:
            if rules == ("missing_session",) or not np.isnan(close[row - EDGE : row + EDGE, column]).any():
                spots.append((row, column))
            row += APART + int(rng.integers(0, 2 * APART))
    return spots[::-1]


def _findings(bars: Bars, spoiled: Spoiled) -> pl.DataFrame:
    kept = np.setdiff1d(np.arange(bars.dates.size), spoiled.dropped)

    def panel(values: np.ndarray) -> Panel:
        return Panel(values[kept], bars.dates[kept], bars.symbols, frequency=bars.frequency)

    schema = schemas.TABLES["actions"].schema
    rows = [
        (symbol, day.item(), what, value, *[None] * (len(schema) - 4)) for symbol, day, what, value in spoiled.actions
    ]
    actions = pl.DataFrame(rows, schema=schema, orient="row")
    if bars.actions is not None:
        actions = pl.concat([bars.actions.select(list(schema)).cast(schema), actions])
    new = Bars(
        **{name: panel(values) for name, values in spoiled.fields.items()}, name=bars.name, adjusted=bars.adjusted
    )
    return quality(new, actions=actions, adj_close=panel(spoiled.adjusted) if spoiled.judged else None)


def _hits(found: pl.DataFrame, rules: tuple[str, ...], places: list[tuple]) -> int:
    rows = found.filter(pl.col("rule").is_in(rules)).select(
        "symbol", "date", last=pl.col("end").fill_null(pl.col("date"))
    )
    by: dict = {}
    for symbol, first, last in rows.iter_rows():
        by.setdefault(symbol, []).append((np.datetime64(first), np.datetime64(last)))
    return sum(any(one <= end and two >= start for one, two in by.get(symbol, ())) for symbol, start, end in places)


SERIES: list[tuple[str, str, Callable]] = []


def series(defect: str, rule: str) -> Callable[[Callable], Callable]:
    def keep(function: Callable) -> Callable:
        SERIES.append((defect, rule, function))
        return function

    return keep


@series("first 30 to 500 values filled backward", "back_filled")
def _(values, dates, rng):
    row = int(rng.integers(30, 501))
    values[:row] = values[row]
    return 0, row


@series("30 to 500 values filled forward", "forward_filled")
def _(values, dates, rng):
    row = int(rng.integers(100, values.size - 500))
    past = row + int(rng.integers(30, 501))
    values[row:past] = values[row]
    return row, past


@series("months' averages on the months' first days", "reference_dated")
def _(values, dates, rng):
    _, month = np.unique(dates.astype("datetime64[M]"), return_inverse=True)
    values[:] = (np.bincount(month, values) / np.bincount(month))[month]
    return 0, values.size - 1


@series("1 to 20 values replaced by 0", "zero_unknown")
def _(values, dates, rng):
    rows = np.sort(rng.choice(values.size, size=int(rng.integers(1, 21)), replace=False))
    values[rows] = 0
    return int(rows[0]), int(rows[-1])


@series("factor 10, 100 or 1,000 for 1 to 40 values", "scale")
def _(values, dates, rng):
    row = int(rng.integers(100, values.size - 100))
    past = row + int(rng.integers(1, 41))
    values[row:past] *= float(10 ** rng.integers(1, 4)) ** rng.choice([-1, 1])
    return row, past - 1


@series("another unit from one value on", "scale")
def _(values, dates, rng):
    row = int(rng.integers(100, values.size - 100))
    values[row:] *= float(10 ** rng.integers(1, 4)) ** rng.choice([-1, 1])
    return row, row


def plant_series(store: Store) -> Iterator[Outcome]:
    """Plant every kind of defect of series in closes and volumes of the samples, and yield what became of it."""
    indices, vix = store.bars("indices"), store.bars("vix")
    columns = [(bars.dates, panel.values[:, n])
               for bars in (indices, vix) for panel in (bars.close, bars.volume) if panel is not None
               for n in range(len(bars.symbols))]  # fmt: skip
    # Two days of NASDAQ have a volume of 0: true defects, which stay out of the copies that get planted ones.
    columns = [(dates[values > 0], values[values > 0]) for dates, values in columns]
    yearly = sum(values.size for _, values in columns) / 252
    clean = [quality_of_series(Panel(values[:, None], dates, ["x"])) for dates, values in columns]
    for number, (defect, rule, plant) in enumerate(SERIES):
        planted = found = rounds = 0
        while planted < WANTED:
            for place, (dates, values) in enumerate(columns):
                spoiled = values.copy()
                first, last = plant(spoiled, dates, generator(SEED + 3000 + number, rounds * 100 + place))
                rows = quality_of_series(Panel(spoiled[:, None], dates, ["x"]))
                found += _hits(rows, (rule,), [("x", dates[first], dates[last])])
                planted += 1
            rounds += 1
        other = sum(frame.filter(pl.col("rule") == rule).height for frame in clean) * rounds
        yield Outcome(defect, (rule,), planted, found, other, yearly * rounds)
