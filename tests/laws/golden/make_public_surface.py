"""Write every public name of quantlab with its signature: ``python tests/laws/golden/make_public_surface.py``.

The list is committed. A test compares it with the package, so that a public name or parameter changes only on purpose.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

GOLDEN = Path(__file__).with_name("public_surface.txt")
ROOT = Path(__file__).resolve().parents[3]


def public_modules():
    """Yield every module of quantlab no part of whose name begins with an underscore."""
    import quantlab

    yield quantlab
    for found in pkgutil.walk_packages(quantlab.__path__, "quantlab."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield importlib.import_module(found.name)


def surface() -> str:
    """The list, one public name a line, sorted by module; what the package itself re-exports is said once, at home."""
    modules = sorted(public_modules(), key=lambda module: module.__name__)
    lines = []
    for module in modules:
        lines.append(module.__name__)
        for name in module.__all__:
            thing = getattr(module, name)
            homes = [
                home.__name__ for home in modules[1:] if getattr(home, name, None) is thing and name in home.__all__
            ]
            if module is modules[0] and homes and not inspect.ismodule(thing):
                lines.append(f"  {name} = {homes[0]}.{name}")
            else:
                lines += described(name, thing)
        lines.append("")
    return "\n".join(lines)


def described(name: str, thing: object) -> list[str]:
    """The lines of one name; a class has one for each public member that quantlab defines."""
    if inspect.ismodule(thing):
        return [f"  {name}: module {thing.__name__}"]
    if inspect.isclass(thing) and thing.__module__.startswith("quantlab"):
        lines = [f"  class {name}{signature(thing)}"]
        members = {}
        for owner in reversed([owner for owner in thing.__mro__ if owner.__module__.startswith("quantlab")]):
            members.update({key: value for key, value in vars(owner).items() if not key.startswith("_")})
        for key, value in sorted(members.items()):
            if isinstance(value, (staticmethod, classmethod)):
                lines.append(f"    .{key}{signature(value.__func__)}  [{type(value).__name__}]")
            elif inspect.isfunction(value):
                lines.append(f"    .{key}{signature(value)}")
            else:
                lines.append(f"    .{key}")
        return lines
    if type(thing).__module__ in ("typing", "types") and not inspect.isfunction(thing):
        return [f"  {name}: alias"]  # what its class is called differs between versions of Python
    return [f"  {name}{signature(thing)}"] if callable(thing) else [f"  {name}: {type(thing).__name__}"]


def signature(thing: object) -> str:
    """The signature with annotations as written; defaults that are functions by their name; of a Protocol none."""
    if getattr(thing, "_is_protocol", False):
        return ""
    try:
        found = inspect.signature(thing)
    except ValueError:
        return "(...)"
    plain = [
        parameter.replace(annotation=parameter.empty, default=parameter.empty)
        for parameter in found.parameters.values()
    ]
    texts = []
    for shown, parameter in zip(plain, found.parameters.values(), strict=True):
        text = str(shown)
        if parameter.annotation is not parameter.empty:
            text += f": {annotation(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {default(parameter.default)}"
        texts.append((parameter.kind, text))
    back = "" if found.return_annotation is found.empty else f" -> {annotation(found.return_annotation)}"
    return f"({', '.join(separated(texts))}){back}"


def separated(texts: list[tuple[inspect._ParameterKind, str]]) -> list[str]:
    """The parameters with the bare ``/`` and ``*`` where they belong."""
    out: list[str] = []
    for position, (kind, text) in enumerate(texts):
        before = texts[position - 1][0] if position else None
        if before is inspect.Parameter.POSITIONAL_ONLY and kind is not before:
            out.append("/")
        if kind is inspect.Parameter.KEYWORD_ONLY and before not in (kind, inspect.Parameter.VAR_POSITIONAL):
            out.append("*")
        out.append(text)
    if texts and texts[-1][0] is inspect.Parameter.POSITIONAL_ONLY:
        out.append("/")
    return out


def annotation(value: object) -> str:
    value = getattr(value, "__forward_arg__", value)  # how a NamedTuple keeps the text
    return value if isinstance(value, str) else inspect.formatannotation(value)


def default(value: object) -> str:
    if inspect.isroutine(value) or inspect.isclass(value):
        return value.__qualname__
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    GOLDEN.write_text(surface(), "utf-8")
    sys.stdout.write(f"{GOLDEN.relative_to(ROOT)}: {len(surface().splitlines())} lines\n")
