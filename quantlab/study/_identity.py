"""Which strategy, data and terms a number came from: hashes that change when the number may."""

from __future__ import annotations

import hashlib
import json
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from quantlab import __version__
from quantlab.core import KindError, QuantlabError
from quantlab.study._variant import _code, _content, _tagged

_OWN = str(Path(__file__).resolve().parents[1])


def code_hash(strategy: Callable[..., Any]) -> str:
    r"""Return the SHA-256 of what a strategy does, hexadecimal.

    It covers the function, its defaults, what it closes over, and the functions and plain values of the user's own
    modules that it refers to, at any depth: comments and layout do not matter. Installed packages stand for themselves
    by name; quantlab itself by its version.

    Parameters
    ----------
    strategy : function, or ``functools.partial`` of one

    Examples
    --------
    >>> mine = {"__name__": "__main__"}
    >>> exec("def strategy(bars, n): return n + 1", mine)
    >>> before = code_hash(mine["strategy"])
    >>> exec("def strategy(bars, n):  # the same\n    return n + 1", mine)
    >>> code_hash(mine["strategy"]) == before
    True
    >>> exec("def strategy(bars, n): return n + 2", mine)
    >>> code_hash(mine["strategy"]) == before
    False
    """
    seen: dict[int, int] = {}
    text = json.dumps([__version__, _written(strategy, seen)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _written(value: Any, seen: dict[int, int]) -> Any:
    """A function with everything of the user's own that it refers to, as JSON."""
    if isinstance(value, partial):
        held = [_written(part, seen) for part in (*value.args, *value.keywords.values())]
        return ["partial", _written(value.func, seen), list(value.keywords), held]
    if isinstance(value, MethodType):
        return ["method", _written(value.__func__, seen), _written(value.__self__, seen)]
    value = getattr(value, "py_func", value)
    value = getattr(value, "__wrapped__", value) if not isinstance(value, FunctionType) else value
    if isinstance(value, type):
        if not _is_own(value.__module__):
            return ["name", value.__module__, value.__qualname__]
        return ["class", value.__qualname__, [[name, _written(part, seen)] for name, part in _members(value)]]
    if isinstance(value, FunctionType):
        if not _is_own(value.__module__):
            return ["name", value.__module__, value.__qualname__]
        if id(value) in seen:
            return ["again", seen[id(value)]]
        seen[id(value)] = len(seen)
        names = sorted(set(_names(value.__code__)))
        world = value.__globals__
        held = [[name, _written(world[name], seen)] for name in names if name in world]
        cells = [_written(_content(cell), seen) for cell in value.__closure__ or ()]
        defaults = [_written(part, seen) for part in (value.__defaults__ or ())]
        named = [[name, _written(part, seen)] for name, part in (value.__kwdefaults__ or {}).items()]
        return ["function", _code(value.__code__, "the strategy", ()), held, cells, defaults, named]
    if isinstance(value, ModuleType):
        if not _is_own(value.__name__):
            return ["module", value.__name__]
        if id(value) in seen:
            return ["again", seen[id(value)]]
        seen[id(value)] = len(seen)
        return ["module", value.__name__, [[name, _written(part, seen)] for name, part in _members(value)]]
    try:
        return _tagged(value, "the strategy", ())
    except (KindError, QuantlabError, TypeError, ValueError):
        # Of what cannot be written down only the kind is known: a model, a table, a connection.
        return ["kind", type(value).__module__, type(value).__qualname__]


def _members(owner: Any) -> Iterator[tuple[str, Any]]:
    return ((name, part) for name, part in sorted(vars(owner).items()) if not name.startswith("__"))


def _names(code: CodeType) -> Iterator[str]:
    """The global names in code and in the functions inside it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)


@cache
def _is_own(module: str) -> bool:
    """Whether a module is the user's: neither installed, nor Python's, nor quantlab."""
    if module.split(".")[0] == "quantlab":
        return False
    found = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    if module == "__main__" or file is None:
        return module == "__main__" or (found is not None and getattr(found, "__spec__", None) is None)
    path = str(Path(file).resolve())
    return not any(path.startswith(place) for place in _installed())


@cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    places = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(str(Path(place).resolve()) for place in [*places, *site.getsitepackages(), _OWN])


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain settings, hexadecimal, whatever the order of their names."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
