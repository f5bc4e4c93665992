"""What the law tests share: every module of the package as source and syntax tree, and a store with the sample."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One file of the package: dotted name, text, syntax tree."""

    name: str
    text: str
    package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """The room that it belongs to; "" for the surface of the package itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[2]

    def at(self, node: ast.AST) -> str:
        """Where a node stands, as file:line."""
        path = self.name.replace(".", "/") + ("/__init__" if self.package else "")
        return f"{path}.py:{node.lineno}"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def planted():
    """A function that makes a module of source text, to show that a law sees a violation."""
    return Module


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    found = []
    for path in sorted((ROOT / "quantlab").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        package = parts[-1] == "__init__"
        found.append(Module(".".join(parts[:-1] if package else parts), path.read_text("utf-8"), package))
    return found


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory):
    """The folder of a store that holds the offline sample data."""
    from quantlab.data import Store, samples

    folder = tmp_path_factory.mktemp("sample") / "data"
    samples.fill(Store(folder))
    return folder
