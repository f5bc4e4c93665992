"""How parameters, metrics and settings become text in the trial log, and what comes back.

Parameters come back as they went in: ``None``, bool, int, float, text, date, datetime, and tuples, lists and
dictionaries of these. NumPy scalars come back as the Python numbers that they equal. Anything else is kept as its
``repr``, with the name of its type beside it, and comes back as that text. In the JSON an object with one name marks
what JSON itself does not have: ``{"tuple": [1, 2]}``, ``{"float": "inf"}``, ``{"repr": "Bps(5)", "type": "..."}``.

Metrics are floats, kept to the last bit; NaN is null and comes back as null, an infinity comes back.

Settings are for reading: whatever is in them becomes the nearest JSON, and stays that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import pickle
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = (bool, int, type(None))
_READ: dict[str, Callable[[str], Any]] = {
    "float": float,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


def micros(moment: datetime, name: str) -> int:
    """Return a moment as microseconds since 1970 in UTC."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise KindError(f"`{name}` must be a moment with a time zone, received {moment!r}.")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def words(text: Any, name: str) -> str:
    """Return ``text`` if it is text that both databases can hold and is not blank, or raise naming it."""
    if not isinstance(text, str):
        raise KindError(f"{name} must be text, received {type(text).__name__}.")
    if not text.strip():
        raise InputError(f"{name} must not be empty.")
    if not _storable(text):
        raise InputError(f"{name} holds a character that no database stores: {text!r}.")
    return text


def tag_text(text: Any) -> str:
    """Return the value of a tag, which may be empty."""
    return text if text == "" else words(text, "The value of a tag")


def printable(text: str) -> str:
    """Return text with what no database stores written as an escape: the reason of a failure must not fail."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def params_text(params: Any) -> str:
    """Return parameters as JSON."""
    return json.dumps({words(name, "The name of a parameter"): _marked(value) for name, value in _items(params)})


def params_of(text: str) -> dict[str, Any]:
    """Return parameters from their JSON."""
    return {name: _unmarked(value) for name, value in json.loads(text).items()}


def metrics_text(metrics: Any, known: str = "{}") -> str:
    """Return metrics as JSON, together with those that ``known`` has already."""
    fresh = {words(name, "The name of a metric"): _number(name, value) for name, value in _items(metrics)}
    return json.dumps({**json.loads(known), **fresh})


def metrics_of(text: str) -> dict[str, float | None]:
    """Return metrics from their JSON; an infinity stands there as text."""
    found: dict[str, Any] = json.loads(text)
    if '"inf"' in text or '"-inf"' in text:
        found = {name: float(value) if isinstance(value, str) else value for name, value in found.items()}
    return found


def settings_text(settings: Any) -> str:
    """Return settings as JSON, names in the order given."""
    return json.dumps(_readable(dict(_items(settings))))


def canonical(value: Any) -> str:
    """Return JSON that is the same for equal values in any order of names, for a hash.

    What JSON cannot hold is told apart by its bytes as well: the ``repr`` of a long table leaves most of it out.
    """
    return json.dumps(_readable(value, _contents), sort_keys=True)


def _items(mapping: Any) -> Any:
    if not isinstance(mapping, Mapping):
        raise KindError(f"Parameters, metrics and settings are given by name, received {type(mapping).__name__}.")
    return mapping.items()


def _number(name: str, value: Any) -> float | str | None:
    if type(value) is not float:
        if value is None:
            return None
        if isinstance(value, str | bytes) or not hasattr(value, "__float__") or np.ndim(value):
            raise KindError(f"Metric {name} must be a number, received {value!r}.")
        try:
            value = float(value)
        except (OverflowError, TypeError, ValueError) as error:
            raise InputError(f"Metric {name} is not a number that a float can hold: {value!r}.") from error
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else repr(value)


def _marked(value: Any) -> Any:
    """A parameter as JSON has it, marked where JSON has nothing of its kind."""
    kind = type(value)
    if kind in _PLAIN or (kind is str and _storable(value)):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is list:
        return [_marked(each) for each in value]
    if kind is tuple:
        return {"tuple": [_marked(each) for each in value]}
    if kind is dict and all(type(name) is str and _storable(name) for name in value):
        return {"dict": {name: _marked(each) for name, each in value.items()}}
    if kind in (date, datetime):
        return {kind.__name__: value.isoformat()}
    if isinstance(value, np.generic):
        plain = _python(value)
        if type(plain) is not kind:
            return _marked(plain)
    return {"repr": printable(repr(value)), "type": f"{kind.__module__}.{kind.__qualname__}"}


def _python(value: np.generic) -> Any:
    """The Python value that a NumPy scalar equals, or itself where there is none."""
    if isinstance(value, np.datetime64):
        moment = value.astype("datetime64[us]")
        exact = moment == value and np.datetime_data(value.dtype)[0] != "generic"
        return (value if np.datetime_data(value.dtype)[0] == "D" else moment).item() if exact else value
    return value.item() if not isinstance(value, np.timedelta64) else value


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "repr" in value:
        return value["repr"]
    ((kind, inner),) = value.items()
    if kind == "tuple":
        return tuple(_unmarked(each) for each in inner)
    if kind == "dict":
        return {name: _unmarked(each) for name, each in inner.items()}
    return _READ[kind](inner)


def _readable(value: Any, other: Callable[[Any], Any] = repr) -> Any:
    """The nearest JSON of anything; ``other`` gives it for what JSON has nothing like."""
    if isinstance(value, np.generic):
        value = _python(value)
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, Mapping):
        return {printable(str(name)): _readable(each, other) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each, other) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _readable(getattr(value, field.name), other) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    return printable(other(value))


def _contents(value: Any) -> str:
    try:
        digest = hashlib.sha256(pickle.dumps(value)).hexdigest()
    except (AttributeError, TypeError, ValueError, pickle.PicklingError):
        # A lambda, an open file: their repr holds an address, and so is like no other.
        digest = ""
    return f"{value!r} {digest}"


def _storable(text: str) -> bool:
    """PostgreSQL holds no NUL, neither database half a surrogate pair."""
    return "\0" not in text and (text.isascii() or text == printable(text))
