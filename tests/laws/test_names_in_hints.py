"""Every ``ql.name`` that a message, a docstring or a page shows exists: who follows a hint must arrive."""

from __future__ import annotations

import ast
import re

import pytest

import quantlab

NAME = re.compile(r"\bql((?:\.[A-Za-z_]\w*)+)")


def names_of(source: str) -> set[str]:
    """The dotted names behind ``ql.`` in the string constants of a module, docstrings and f-strings included."""
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {name[1:] for text in constants if isinstance(text, str) for name in NAME.findall(text)}


def missing(names) -> list[str]:
    """The names that do not resolve."""
    found = []
    for name in sorted(names):
        place = quantlab
        for part in name.split("."):
            place = getattr(place, part, missing)
            if place is missing:
                found.append(f"ql.{name}")
                break
    return found


def test_every_name_in_the_texts_of_the_package_exists(root):
    files = sorted((root / "quantlab").rglob("*.py"))
    wrong = {str(file.relative_to(root)): missing(names_of(file.read_text("utf-8"))) for file in files}
    assert not {file: names for file, names in wrong.items() if names}


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in ("data", "events", "behaviour"))])
def test_every_name_on_a_page_exists(root, page):
    assert not missing({name[1:] for name in NAME.findall((root / page).read_text("utf-8"))})


def test_the_collector_reads_messages_docstrings_and_fstrings():
    source = '"""See `ql.a`."""\nraise E(f"x {n}", hint=f"write `ql.b.c({n})`.")\nql.d()  # ql.e'
    assert names_of(source) == {"a", "b.c"}
    assert missing({"Exits", "execution.Exits", "Panel.nothing", "as_bars"}) == ["ql.Exits", "ql.Panel.nothing"]
