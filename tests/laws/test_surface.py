"""The public surface: every public name and its signature stands in a golden list."""

from __future__ import annotations

import difflib
import importlib.util

import pytest


@pytest.fixture(scope="module")
def maker(root):
    path = root / "tests" / "laws" / "golden" / "make_public_surface.py"
    spec = importlib.util.spec_from_file_location("make_public_surface", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_public_surface_equals_the_golden_list(maker):
    golden = maker.GOLDEN.read_text("utf-8") if maker.GOLDEN.is_file() else ""
    found = maker.surface()
    if found != golden:
        changes = difflib.unified_diff(golden.splitlines(), found.splitlines(), "golden", "package", lineterm="", n=1)
        pytest.fail(
            "The public surface changed. If that is meant, run `python tests/laws/golden/make_public_surface.py`, look "
            "at its diff and add a line to CHANGELOG.md.\n" + "\n".join(list(changes)[:80]),
            pytrace=False,
        )


def test_the_surface_of_the_package_is_small():
    import quantlab

    assert len(quantlab.__all__) <= 40
    assert len(set(quantlab.__all__)) == len(quantlab.__all__)


def test_every_public_module_says_what_is_public(maker):
    missing = [module.__name__ for module in maker.public_modules() if not hasattr(module, "__all__")]
    assert not missing, f"These public modules have no __all__: {', '.join(missing)}."


def test_every_public_name_exists_and_has_a_docstring(maker):
    bare = []
    for module in maker.public_modules():
        if not module.__doc__:
            bare.append(module.__name__)
        for name in module.__all__:
            thing = getattr(module, name)
            if (callable(thing) and getattr(thing, "__module__", "").startswith("quantlab")) and not thing.__doc__:
                bare.append(f"{module.__name__}.{name}")
    assert not bare, f"These public names have no docstring: {', '.join(bare)}."


def test_unknown_names_of_the_package_are_refused():
    import quantlab

    with pytest.raises(AttributeError, match="module 'quantlab' has no attribute 'sharp'"):
        _ = quantlab.sharp
    assert dir(quantlab) == list(quantlab.__all__)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("def f(a: 'Panel', /, b=1, *, c: int = 2) -> 'Panel': ...", "(a: Panel, /, b = 1, *, c: int = 2) -> Panel"),
        ("def f(*inputs, seed=None, **rest): ...", "(*inputs, seed = None, **rest)"),
        ("def f(x, g=len, k=dict): ...", "(x, g = len, k = dict)"),
        ("def f(x, thing=object()): ...", "(x, thing = <object object>)"),
        ("def f(a, /): ...", "(a, /)"),
    ],
)
def test_signatures_read_as_written(maker, source, text):
    scope: dict = {}
    exec(compile(source, "planted", "exec", dont_inherit=True), scope)
    assert maker.signature(scope["f"]) == text
