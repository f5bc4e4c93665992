"""The values of a variant: as Python has them, as plain JSON for records, and as a key that names the variant for good.

The key is the SHA-256 of JSON in which every value carries its type. It depends on no hash of Python's, so that another
process, another day and another machine find the same one.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from quantlab.core import KindError

# A change of how values are written changes every key; this number says so.
_VERSION = 1


def variant_key(params: Mapping[str, Any]) -> str:
    """Return the key of a variant: SHA-256, hexadecimal, of its parameters and their values.

    Parameters
    ----------
    params : mapping of parameter name to value
        None, bool, int, float, str, dates and times, Decimal, Enum; tuples, lists, sets and dicts of such; values with
        a method ``parameters()``, as ``ql.Costs``; functions and classes.

    Returns
    -------
    str
        64 digits; equal for equal variants, in whatever order the parameters stand. 1, 1.0 and True differ. NumPy
        scalars count as the Python values that they hold, -0.0 as 0.0.

    Raises
    ------
    KindError
        When a value is of another kind, such as a frame or an array.

    Notes
    -----
    A Python function counts by its module, its name, its compiled code, its defaults and what it has closed over, not
    by the functions that it calls: an edit of it gives another key, an edit of those does not. So does another version
    of Python. A function or class of a compiled library counts by its name.

    Examples
    --------
    >>> variant_key({"lookback": 252, "top": 0.3})[:16]
    '9b05bff74d5d84f8'
    >>> variant_key({"lookback": 252}) == variant_key({"lookback": np.int64(252)}) != variant_key({"lookback": 252.0})
    True
    """
    if not isinstance(params, Mapping):
        raise KindError(f"`params` must be a dict of parameters, received {type(params).__name__}.")
    items = []
    for name, value in params.items():
        if not isinstance(name, str):
            raise KindError(f"`params` must have names of type str, received {name!r}.")
        items.append([name, _tagged(value, name, ())])
    return _sha256(["variant", _VERSION, sorted(items, key=lambda item: item[0])])


def python_value(value: Any) -> Any:
    """Return what a NumPy scalar holds as a Python value, and anything else as it is.

    Raises
    ------
    KindError
        For a moment that is missing, or finer than a microsecond.
    """
    if not isinstance(value, np.generic):
        return value
    if not isinstance(value, (np.datetime64, np.timedelta64)):
        return value.item()
    if np.isnat(value):
        raise KindError("A missing date (NaT) cannot be a value of a parameter.")
    moment = isinstance(value, np.datetime64)
    if moment and np.datetime_data(value.dtype)[0] in ("Y", "M", "W", "D"):
        return value.astype("datetime64[D]").item()
    exact = value.astype("datetime64[us]" if moment else "timedelta64[us]")
    if exact != value:
        raise KindError(f"{value} is finer than a microsecond, which no Python value can hold.")
    return exact.item()


def plain(value: Any) -> Any:
    """Return a value in types that JSON knows, for records that people read; what JSON has no type for as text.

    Examples
    --------
    >>> plain((date(2024, 1, 2), float("nan"), abs))
    ['2024-01-02', 'nan', 'abs']
    """
    value = python_value(value)
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if (held := _parameters(value)) is not None:
        return plain(held)
    return str(getattr(value, "__qualname__", value if isinstance(value, Enum) else repr(value)))


def _tagged(value: Any, name: str, inside: tuple[int, ...]) -> Any:
    """A value with its type, as JSON; ``inside`` are the functions in which it was found."""
    value = python_value(value)
    if value is None or value is Ellipsis:
        return [type(value).__name__]
    if isinstance(value, Enum):
        return ["enum", type(value).__qualname__, value.name]
    for kind, write in _SCALARS.items():
        if isinstance(value, kind):
            return [kind.__name__, write(value)]
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, [_tagged(part, name, inside) for part in value]]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted((_tagged(part, name, inside) for part in value), key=json.dumps)]
    if isinstance(value, Mapping):
        pairs = ([_tagged(key, name, inside), _tagged(part, name, inside)] for key, part in value.items())
        return ["dict", sorted(pairs, key=json.dumps)]
    if (held := _parameters(value)) is not None:
        return ["value", type(value).__qualname__, _tagged(held, name, inside)]
    if (tagged := _tagged_callable(value, name, inside)) is not None:
        return tagged
    raise KindError(
        f"{name} holds a {type(value).__name__}, by which no variant can be named.",
        hint="write a number, a text or a tuple, or a name that the strategy looks up; or give its class a method "
        "`parameters()` that returns a dict of such.",
    )


# In this order: a bool is an int, and a datetime a date.
_SCALARS: dict[type, Callable[[Any], Any]] = {
    bool: bool,
    int: lambda value: str(int(value)),
    # Adding 0.0 makes -0.0 the 0.0 that it equals.
    float: lambda value: repr(float(value) + 0.0),
    complex: repr,
    str: str,
    bytes: bytes.hex,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda value: [value.days, value.seconds, value.microseconds],
    Decimal: str,
}


def _tagged_callable(value: Any, name: str, inside: tuple[int, ...]) -> Any:
    """A function, method, class or partial as JSON; None for anything else."""
    if isinstance(value, functools.partial):
        return ["partial", _tagged([value.func, value.args, value.keywords], name, inside)]
    if isinstance(value, MethodType):
        return ["method", _tagged([value.__func__, value.__self__], name, inside)]
    # What numba has compiled keeps the function that it was made of.
    value = getattr(value, "py_func", value)
    if isinstance(value, FunctionType):
        if id(value) in inside:
            return ["function", "itself"]
        inside = (*inside, id(value))
        cells = [_content(cell) for cell in value.__closure__ or ()]
        rest = [value.__defaults__, value.__kwdefaults__, *cells]
        code = _code(value.__code__, name, inside)
        return ["function", value.__module__, value.__qualname__, code, _tagged(rest, name, inside)]
    called = getattr(value, "__qualname__", getattr(value, "__name__", None))
    if not callable(value) or not isinstance(called, str):
        return None
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        return ["method", called, _tagged(owner, name, inside)]
    return ["name", str(getattr(value, "__module__", None)), called]


def _code(code: CodeType, name: str, inside: tuple[int, ...]) -> Any:
    """What code does, as JSON: neither the file nor the lines in which it stands."""
    constants = [
        _code(part, name, inside) if isinstance(part, CodeType) else _constant(part, name, inside)
        for part in code.co_consts
    ]
    counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
    return [counts, names, code.co_code.hex(), code.co_exceptiontable.hex(), constants]


def _constant(part: Any, name: str, inside: tuple[int, ...]) -> Any:
    """A constant of a function: 0.0 and -0.0 are two there."""
    if isinstance(part, float):
        return ["float", repr(part)]
    if isinstance(part, tuple):
        return ["tuple", [_constant(each, name, inside) for each in part]]
    return _tagged(part, name, inside)


def _content(cell: Any) -> Any:
    """What a function has closed over; the ellipsis where that has no value yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return Ellipsis


def _parameters(value: Any) -> Mapping[str, Any] | None:
    """What a value of quantlab, or one like it, says that it holds."""
    method = getattr(value, "parameters", None)
    if isinstance(value, type) or not callable(method):
        return None
    held = method()
    return held if isinstance(held, Mapping) else None


def _sha256(tagged: Any) -> str:
    return hashlib.sha256(json.dumps(tagged, separators=(",", ":"), allow_nan=False).encode()).hexdigest()
