"""Parameters and metrics survive their way through text, whatever they are."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import KindError
from quantlab.execution import Bps
from quantlab.study._log_values import metrics_of, metrics_text, micros, params_of, params_text, settings_text

# NUL and halves of surrogate pairs are marked, and come back as their repr.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NAMES = TEXT.filter(lambda name: name.strip())
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.dates(), st.datetimes())
VALUES = st.recursive(
    PLAIN | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


def same(one, other):
    """Equal in type and value, NaN like NaN and zero with its sign."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    return one == other


@given(st.dictionaries(NAMES, VALUES))
def test_parameters_come_back(params):
    text = params_text(params)
    assert same(params_of(text), params)
    assert text.isascii()
    json.loads(text, parse_constant=pytest.fail)


@given(st.dictionaries(NAMES, st.floats() | st.integers(-(2**70), 2**70)))
def test_metrics_come_back(metrics):
    text = metrics_text(metrics)
    found = metrics_of(text)
    assert list(found) == list(metrics)
    for name, value in metrics.items():
        assert found[name] is None if math.isnan(value) else repr(found[name]) == repr(float(value))
    json.loads(text, parse_constant=pytest.fail)


def test_metrics_are_added_to_those_that_are_there():
    assert json.loads(metrics_text({"b": 2.0, "c": math.inf}, '{"a": 1.0, "b": "-inf"}')) == {
        "a": 1.0,
        "b": 2.0,
        "c": "inf",
    }


def test_what_is_not_plain_is_kept_as_text_with_its_type():
    odd = {
        "value": Bps(5),
        "kind": np.float64,
        "set": {1},
        "keys": {1: 2},
        "half": "\ud800",
        "span": np.timedelta64(1, "D"),
        "nanosecond": np.datetime64("2020-01-01T00:00:00.000000001"),
        "never": np.datetime64("NaT"),
        "array": np.arange(2),
    }
    stored = json.loads(params_text(odd))
    assert stored["value"] == {"repr": "Bps(value=5.0)", "type": "quantlab.execution._bps.Bps"}
    assert {name: each["repr"] for name, each in stored.items()} == {name: repr(each) for name, each in odd.items()}
    assert params_of(params_text(odd)) == {name: repr(each) for name, each in odd.items()}


def test_settings_become_the_nearest_json():
    settings = {
        "costs": Bps(np.float64(5)),
        "dates": (datetime(2020, 1, 1, tzinfo=UTC), np.datetime64("2020-01-02")),
        "bounds": [math.inf, math.nan, np.int64(3), True, None],
        3: {"half": "\ud800"},
        "function": len,
    }
    assert json.loads(settings_text(settings)) == {
        "costs": {"type": "Bps", "value": 5.0},
        "dates": ["2020-01-01T00:00:00+00:00", "2020-01-02"],
        "bounds": ["inf", "nan", 3, True, None],
        "3": {"half": "\\ud800"},
        "function": "<built-in function len>",
    }


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.timezones()))
def test_moments_are_exact(moment):
    there = np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
    assert micros(moment, "x") == there.astype(np.int64)


def test_a_moment_has_a_time_zone():
    assert micros(datetime(1970, 1, 1, 0, 0, 1, 2, tzinfo=UTC), "x") == 1_000_002
    for moment in (datetime(2020, 1, 1), "2020-01-01"):
        with pytest.raises(KindError, match="`started` must be a moment with a time zone"):
            micros(moment, "started")
