"""Law 1, applied to every public function of the causal rooms: they are found, not listed.

A function is called with inputs made from its signature: parameters annotated with a Panel or Bars get random data
with gaps and late listings, required others a value from ``VALUES`` by name. Then it is called once more for each
optional input and for each value in ``CHOICES``. What cannot be called this way fails here and tells its author what
to add.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import types
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from quantlab.core import Bars, Frequency, LookAheadError, Panel, QuantlabError
from quantlab.core.periods import sessions
from quantlab.core.rng import generator
from quantlab.data.schemas import TABLES
from quantlab.testing import assert_causal

ROOMS = (
    "quantlab.core.ts",
    "quantlab.core.xs",
    "quantlab.data.events",
    "quantlab.data.universe",
    "quantlab.signals",
    "quantlab.portfolio",
)
LATER = ("quantlab.regimes", "quantlab.risk")

DAYS = [date(2019, 1, 1) + timedelta(days=23 * i) for i in range(30)]
# Tables that reach beyond the last bar: what is in them about later days must not show.
MEMBERS = pl.DataFrame(
    {"symbol": list("ABCDEF") * 5, "start": DAYS, "end": [day + timedelta(days=90 + day.day) for day in DAYS]}
)
SECTORS = pl.DataFrame(
    [(symbol, "sector", name, start, None) for symbol, name, start in zip("ABCDEF", "xyzxyx", DAYS[::5], strict=True)],
    schema=TABLES["reference"].schema,
    orient="row",
)


def published() -> pl.DataFrame:
    """900 events, some restated, some withdrawn, known from days to months after what they speak of."""
    draw = generator(14)
    happened = np.datetime64("2018-06-01T00:00:00", "us") + draw.integers(0, 900, 900) * np.timedelta64(86_400_000_000)
    delay = draw.integers(1, 120 * 24, 900) * np.timedelta64(3_600_000_000)
    values = np.where(draw.random(900) < 0.05, np.nan, draw.normal(size=900))
    frame = pl.DataFrame(
        {
            "id": draw.choice(list("ABCDEF"), 900),
            "event_time": happened,
            "available_time": happened + delay,
            "field": "eps",
            "value": values,
        }
    )
    moments = pl.col("event_time", "available_time").dt.replace_time_zone("UTC")
    frame = frame.with_columns(moments, pl.col("value").fill_nan(None))
    return frame.unique(TABLES["events"].key, maintain_order=True)


EVENTS = published()
ANNOUNCED = EVENTS.with_columns(event_time="available_time", available_time="event_time")

# A value for each parameter that has no default, or whose default would ask for long data; by name, for all functions.
VALUES = {
    "window": 20,
    "lookback": 63,
    "skip": 5,
    "lag": 3,
    "members": MEMBERS,
    "minimum_coverage": 0.5,
    "n": 3,
    "periods": 252.0,
    "reference": SECTORS,
    "top": 0.4,
    "buckets": 3,
}
# Other values worth a call, for parameters that choose between ways of computing; every text parameter must stand here.
# A parameter that is true or false is tried both ways without being listed.
CHOICES = {
    "bottom": [0.2, 2],
    "kind": ["simple", "log"],
    "rebalance": ["month_end", "week_end", "every 5", 3],
    "field": [],
    "series": [],
    "skip": [0],
    "top": [2],
    "weighting": ["equal", "score"],
}
# Further calls of single functions: arguments that only make sense together.
EXAMPLES = {
    "quantlab.core.ts.ewm_mean": [{"span": 10.0}, {"halflife": 5.0, "min_periods": 7}],
    "quantlab.core.ts.ewm_std": [{"span": 10.0}, {"halflife": 5.0, "min_periods": 7}],
    "quantlab.core.xs.demean": [{"groups": {"A": "x", "B": "x", "C": "y", "D": "y", "E": "y", "F": None}}],
    "quantlab.core.xs.winsorize": [{"lower": 0.2, "upper": 0.7}],
    "quantlab.data.events.age": [
        {"events": EVENTS, "field": "eps", **extra}
        for extra in (
            {},
            {"since": "revised"},
            {"since": "event"},
            {"unit": "bars"},
            {"since": "event", "unit": "bars"},
            {"series": "A"},
        )
    ],
    "quantlab.data.events.days_until": [{"events": ANNOUNCED, "field": "eps"}],
    "quantlab.data.events.panel": [
        {"events": EVENTS, "field": "eps", **extra}
        for extra in ({}, {"kind": "previous"}, {"kind": "change"}, {"series": "B"}, {"max_age": 20.0})
    ],
    "quantlab.data.universe.screen": [
        {"minimum_price": 38.0, "minimum_history": 30, "lag": 0},
        {"volume": "volume", "minimum_dollar_volume": 1e6, "statistic": "mean"},
        {"volume": "volume", "minimum_dollar_volume": 1.5e6, "statistic": "median"},
    ],
    "quantlab.data.universe.top_by_dollar_volume": [
        {"volume": "volume"},
        {"volume": "volume", "rebalance": "week_end", "band": 0.5, "statistic": "mean", "lag": 0},
        {"volume": "volume", "rebalance": 5, "member": "member"},
    ],
    "quantlab.portfolio.long_short": [{"bottom": 0.2, "net": 0.3, "weighting": "score"}],
}
# Functions that cannot be called with their defaults, so that their examples are all there is.
EXAMPLES_ALONE = {
    "quantlab.core.ts.ewm_mean",
    "quantlab.core.ts.ewm_std",
    "quantlab.data.events.age",
    "quantlab.data.events.days_until",
    "quantlab.data.events.panel",
    "quantlab.data.universe.screen",
    "quantlab.data.universe.top_by_dollar_volume",
}
_TABLE = "makes or reads a table, no Panel"
# Public names of the rooms that are not functions of data, with the reason.
EXEMPT: dict[str, str] = {
    "quantlab.portfolio.Rebalancing": "a value",
    "quantlab.data.events.Events": "a table with notes",
    "quantlab.data.events.EventsLike": "a type",
    "quantlab.data.events.Lag": "a value",
    "quantlab.data.events.as_first_reported": _TABLE,
    "quantlab.data.events.coverage": "says which events find no column: no value over time",
    "quantlab.data.events.earnings": _TABLE,
    "quantlab.data.events.from_frame": _TABLE,
    "quantlab.data.events.fundamentals": _TABLE,
    "quantlab.data.events.history": _TABLE,
    "quantlab.data.events.known_at": _TABLE,
    "quantlab.data.events.lags": _TABLE,
    "quantlab.data.events.macro": _TABLE,
    "quantlab.data.events.sentiment": _TABLE,
    "quantlab.data.events.short_interest": _TABLE,
    "quantlab.data.events.surprise": _TABLE,
    "quantlab.data.universe.DelistingPolicy": "a value",
    "quantlab.data.universe.SymbolHistory": "a table with questions to it",
    "quantlab.data.universe.delisting_actions": _TABLE,
    "quantlab.data.universe.delisting_problems": "judges data with hindsight, as `quality` does",
    "quantlab.data.universe.facts_from_snapshots": _TABLE,
    "quantlab.data.universe.from_intervals": _TABLE,
    "quantlab.data.universe.from_snapshots": _TABLE,
    "quantlab.data.universe.listings": "first and last prices: what a listing was, known at its end",
    "quantlab.data.universe.sector_at": "asks about one day",
    "quantlab.data.universe.sector_names": _TABLE,
}


def dates() -> np.ndarray:
    return sessions("XNYS", np.datetime64("2019-03-04"), np.datetime64("2020-10-30"))


def returns(seed: int) -> np.ndarray:
    """(T, 6) with two late listings, one end, and gaps."""
    draw = generator(11, seed)
    values = draw.standard_t(4, (dates().size, 6)) * 0.015
    values[draw.random(values.shape) < 0.02] = np.nan
    values[:40, 1], values[:150, 4], values[300:, 2] = np.nan, np.nan, np.nan
    return values


def panel(values: np.ndarray) -> Panel:
    return Panel(values, dates(), ["C", "A", "F", "B", "E", "D"], frequency=Frequency.daily("XNYS"))


def prices(seed: int = 0) -> Panel:
    values = returns(seed)
    levels = 40.0 * np.exp(np.cumsum(np.where(np.isnan(values), 0.0, values), axis=0))
    return panel(np.where(np.isnan(values), np.nan, levels))


def bars() -> Bars:
    close = prices()
    volume = panel(np.where(np.isnan(close.values), np.nan, np.floor(1e5 * generator(12).random(close.shape))))
    fields = {"open": close * 1.001, "high": close * 1.02, "low": close * 0.98, "volume": volume}
    return Bars(close, **fields, member=close > 35.0, name="toy")


# An input by the name of its parameter; any other name gets prices.
INPUTS = {
    "score": lambda: panel(returns(3)),
    "values": lambda: panel(returns(3)),
    "returns": lambda: panel(returns(4)),
    "volume": lambda: bars().volume,
    "weights": lambda: panel(np.abs(returns(5))),
    "groups": lambda: panel(np.floor(generator(13).random((dates().size, 6)) * 3)),
    "exposures": lambda: [panel(returns(6)), panel(returns(7))],
    "market": lambda: Panel(returns(8)[:, :1], dates(), ["market"]),
    "mask": lambda: prices() > 35.0,
    "member": lambda: prices() > 35.0,
}


def public_functions(module: types.ModuleType):
    """Yield (dotted name, function) of a room, through the modules that it exports."""
    for name in module.__all__:
        thing, dotted = getattr(module, name), f"{module.__name__}.{name}"
        if inspect.ismodule(thing):
            yield from public_functions(thing)
        elif callable(thing) and dotted not in EXEMPT:
            yield dotted, thing


def discovered() -> dict:
    rooms = [importlib.import_module(name) for name in ROOMS]
    rooms += [importlib.import_module(name) for name in LATER if importlib.util.find_spec(name)]
    return {name: function for room in rooms for name, function in public_functions(room)}


def takes_data(parameter: inspect.Parameter) -> bool:
    return "Panel" in str(parameter.annotation) or "Bars" in str(parameter.annotation)


def example(parameter: inspect.Parameter):
    """Return an input for a parameter that takes data."""
    if "Panel" not in str(parameter.annotation):
        return bars()
    return INPUTS.get(parameter.name, prices)()


def calls(name: str, function) -> list[tuple[list, dict]]:
    """Return the (positional, keyword) arguments of every call worth a check, or fail with what has to be added."""
    if inspect.isclass(function):
        pytest.fail(f"{name} is a class, which this test cannot call: add it to EXEMPT in {__name__} with the reason.")
    parameters = inspect.signature(function).parameters.values()
    positional, base, optional = [], {}, []
    examples = [filled(extra) for extra in EXAMPLES.get(name, [])]
    told = set.union(*map(set, examples)) if name in EXAMPLES_ALONE else set()
    for parameter in parameters:
        if parameter.name in told:
            continue
        required = parameter.default is parameter.empty
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            if not takes_data(parameter):
                pytest.fail(f"{name} takes *{parameter.name}, which are no Panels: add it to EXEMPT with the reason.")
            positional += [prices(0), prices(1)]
        elif takes_data(parameter) and required:
            if parameter.kind is parameter.KEYWORD_ONLY:
                base[parameter.name] = example(parameter)
            else:
                positional.append(example(parameter))
        elif takes_data(parameter):
            optional.append({parameter.name: example(parameter)})
        elif parameter.name in VALUES:
            base[parameter.name] = VALUES[parameter.name]
        elif required:
            pytest.fail(f"{name} needs `{parameter.name}`: add an example of it to VALUES in {__name__}.")
        elif "str" in str(parameter.annotation) and parameter.name not in CHOICES:
            pytest.fail(f"{name} has the text parameter `{parameter.name}`: add its choices to CHOICES in {__name__}.")
        if isinstance(parameter.default, bool):
            optional.append({parameter.name: not parameter.default})
        optional += [
            {parameter.name: choice} for choice in CHOICES.get(parameter.name, []) if not takes_data(parameter)
        ]
    if not positional and not any(takes_data(parameter) for parameter in parameters):
        pytest.fail(f"{name} takes no Panel and no Bars: add it to EXEMPT in {__name__} with the reason.")
    plain = [] if name in EXAMPLES_ALONE else [{}, *optional]
    return [(positional, base | extra) for extra in [*plain, *examples]]


def filled(keywords: dict) -> dict:
    """Arguments in which the name of an input in place of a Panel has become that input."""
    return {key: INPUTS[key]() if key in INPUTS and value == key else value for key, value in keywords.items()}


def with_tables(function, positional: list, keywords: dict):
    """Return (function, positional, keywords) with tables that are no Panels given to the function beforehand.

    They stay whole while the Panels are cut: a table holds later days too, and the function must not show them.
    """
    tables = {key: value for key, value in keywords.items() if isinstance(value, pl.DataFrame)}
    if not tables:
        return function, positional, keywords
    names = [name for name in inspect.signature(function).parameters if name not in keywords]

    @functools.wraps(function)
    def asked(*data, **others):
        return function(**dict(zip(names, data, strict=False)), **tables, **others)

    return asked, positional, {key: value for key, value in keywords.items() if key not in tables}


def check(name: str, function) -> None:
    for positional, keywords in calls(name, function):
        try:
            asked, data, options = with_tables(function, positional, keywords)
            assert_causal(asked, *data, **options)
        except LookAheadError:
            raise
        except (QuantlabError, TypeError) as error:
            shown = {key: value for key, value in keywords.items() if key not in INPUTS}
            pytest.fail(
                f"{name} could not be called with {shown}: {error} Add a working example to VALUES in {__name__}."
            )


@pytest.mark.parametrize(("name", "function"), discovered().items(), ids=discovered().keys())
def test_no_public_function_looks_ahead(name, function):
    check(name, function)


def test_functions_were_found():
    names = set(discovered())
    assert {"quantlab.signals.momentum", "quantlab.portfolio.long_short"} <= names
    for room in ROOMS:
        assert any(name.startswith(f"{room}.") for name in names), f"No public function was found in {room}."
    assert set(EXEMPT) <= {f"{room}.{name}" for room in ROOMS for name in importlib.import_module(room).__all__}


def whole_sample_zscore(close: Panel) -> Panel:
    known = close.where(close > 0, 1.0)
    return known.map(lambda x: (x - x.mean(axis=0)) / (x.std(axis=0) + 1.0))


def tomorrow(close: Panel) -> Panel:
    return close.shift(-1, lookahead=True)


def centered_mean(close: Panel, *, window: int) -> Panel:
    return (close.shift(window) + close + close.shift(-window, lookahead=True)) / 3.0


def backward_fill(close: Panel) -> Panel:
    def fill(x):
        rows = np.where(np.isnan(x), x.shape[0] - 1, np.arange(x.shape[0])[:, None])
        return np.take_along_axis(x, np.minimum.accumulate(rows[::-1], axis=0)[::-1], axis=0)

    return close.map(fill)


def month_ends_read_off_the_data(close: Panel) -> Panel:
    months = close.dates.astype("datetime64[M]")
    rows = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    return Panel(close.values[rows], close.dates[rows], close.symbols)


def rank_over_all_dates(close: Panel) -> Panel:
    return close.map(lambda x: np.argsort(np.argsort(x, axis=0), axis=0).astype(float))


def survivors(bars: Bars) -> Panel:
    return bars.close.select([s for s, last in zip(bars.symbols, bars.close.values[-1], strict=True) if last == last])


def scaled_by_the_highest_high(bars: Bars) -> Panel:
    return bars.close / float(np.nanmax(bars.high.values))


def median_volume(score: Panel, *, volume: Panel | None = None) -> Panel:
    return score if volume is None else score.where(volume > float(np.nanmedian(volume.values)))


PEEKING = [
    whole_sample_zscore,
    tomorrow,
    centered_mean,
    backward_fill,
    month_ends_read_off_the_data,
    rank_over_all_dates,
    survivors,
    scaled_by_the_highest_high,
    median_volume,
]


@pytest.mark.parametrize("function", PEEKING, ids=lambda function: function.__name__)
def test_a_peeking_function_is_caught(function):
    with pytest.raises(LookAheadError, match=f"{function.__name__} looks ahead"):
        check(f"planted.{function.__name__}", function)


def test_a_planted_function_is_discovered():
    room = types.ModuleType("planted")
    room.inner = types.ModuleType("planted.inner")
    room.inner.tomorrow, room.inner.__all__ = tomorrow, ["tomorrow"]
    room.trailing, room.constant, room.__all__ = centered_mean, 3, ["inner", "trailing", "constant"]
    assert dict(public_functions(room)) == {"planted.inner.tomorrow": tomorrow, "planted.trailing": centered_mean}


def needs_the_unknown(close: Panel, *, temperature: float) -> Panel:
    return close * temperature


def has_an_unlisted_choice(close: Panel, *, flavor: str = "sweet") -> Panel:
    return close


def takes_nothing(window: int) -> Panel: ...


def refuses(close: Panel) -> Panel:
    raise QuantlabError("No.")


class Shape: ...


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (needs_the_unknown, "needs `temperature`: add an example of it to VALUES"),
        (has_an_unlisted_choice, "has the text parameter `flavor`: add its choices to CHOICES"),
        (takes_nothing, "takes no Panel and no Bars: add it to EXEMPT"),
        (refuses, "could not be called with .*No. Add a working example"),
        (Shape, "is a class, which this test cannot call: add it to EXEMPT"),
    ],
)
def test_a_function_that_cannot_be_called_fails_with_advice(function, sentence):
    with pytest.raises(pytest.fail.Exception, match=sentence):
        check(f"planted.{function.__name__}", function)
