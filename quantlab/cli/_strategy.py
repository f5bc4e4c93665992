"""The strategy's function: found by its reference, and held against the parameters that a configuration gives it."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from quantlab.cli import _door
from quantlab.core import ConfigError

_Kind = inspect.Parameter
_POSITIONAL = (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD, _Kind.VAR_POSITIONAL)


def find(reference: str, folder: Path) -> Callable[..., Any]:
    """Return the function of "file.py:function", the file relative to ``folder``, or of "package.module:function".

    A file's own folder can be imported from, after everything that is installed.

    Raises
    ------
    ConfigError
        When there is no such file, module or function, or the file cannot be read as Python.
    """
    where, _, name = reference.rpartition(":")
    is_file = where.endswith(".py") or "/" in where
    module = _from_file(folder / where) if is_file else _from_name(where)
    # An error that comes out of the strategy's file is the strategy's; see the door.
    if module.__file__ is not None:
        _door.strategy_files.add(str(Path(module.__file__).resolve()))
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        near = difflib.get_close_matches(name, functions, n=1)
        raise ConfigError(
            f"`strategy.function`: {where} has no function `{name}`.",
            hint=f"did you mean `{near[0]}`?" if near else f"it has {', '.join(functions) or 'none'}.",
        )
    return function


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        there = sorted(found.name for found in path.parent.glob("*.py"))[:5]
        raise ConfigError(
            f"`strategy.function`: there is no file {path}.",
            hint=f"the folder has {', '.join(there)}."
            if there
            else "its path is relative to the configuration's folder.",
        )
    _door.strategy_files.add(str(path.resolve()))
    name = f"quantlab_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"`strategy.function`: {path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if (home := str(path.resolve().parent)) not in sys.path:
        sys.path.append(home)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ConfigError(f"`strategy.function`: {error.filename} line {error.lineno}: {error.msg}.") from error
    except ModuleNotFoundError as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"`strategy.function`: {line.filename} line {line.lineno} imports {error.name}, which is not installed."
        ) from error
    return module


def _from_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if not (name == missing or name.startswith(f"{missing}.")):
            raise ConfigError(f"`strategy.function`: {name} imports {missing}, which is not installed.") from error
        raise ConfigError(
            f"`strategy.function`: there is no module {missing}.",
            hint="for a file write its name with .py, relative to the configuration.",
        ) from error


def demand_parameters(
    function: Callable[..., Any], given: Iterable[str], grid: Iterable[str], *, swept: bool = False
) -> None:
    """Raise ConfigError unless ``function(bars, **given)`` can be called, and any of ``grid`` put in.

    Parameters
    ----------
    given : names of the keyword arguments in [strategy.parameters]
    grid : names of those in [walk_forward.grid], or in [sweep.grid]
    swept : whether the grid is that of a sweep, which gives a value to each of its parameters in every call
    """
    name = getattr(function, "__name__", "strategy")
    parameters = list(inspect.signature(function).parameters.values())
    first = next((p for p in parameters if p.kind in _POSITIONAL), None)
    if first is None:
        raise ConfigError(f"Strategy {name} takes no bars.", hint=f"write it as `def {name}(bars, *, ...)`.")
    named = [p for p in parameters if p is not first and p.kind in (_Kind.KEYWORD_ONLY, _Kind.POSITIONAL_OR_KEYWORD)]
    known, given, grid = [p.name for p in named], list(given), list(grid)
    table_of_grid = "sweep.grid" if swept else "walk_forward.grid"
    if not any(p.kind is _Kind.VAR_KEYWORD for p in parameters):
        for table, keys in (("strategy.parameters", given), (table_of_grid, grid)):
            for key in keys:
                if key not in known:
                    near = difflib.get_close_matches(key, known, n=1)
                    hint = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(known) or 'none'}."
                    raise ConfigError(f"`{table}.{key}`: strategy {name} has no parameter `{key}`.", hint=hint)
    there = [*given, *grid] if swept else given
    missing = [p.name for p in named if p.default is _Kind.empty and p.name not in there]
    if missing:
        where = "[strategy.parameters] or [sweep.grid]" if swept else "[strategy.parameters]"
        raise ConfigError(f"Strategy {name} needs `{missing[0]}`.", hint=f"give it in {where}.")
