"""What no file of the repository may contain, and what no notebook may carry."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

SKIPPED = {
    ".git",
    ".venv",
    "build",
    "dist",
    "__pycache__",
    ".hypothesis",
    ".ipynb_checkpoints",
    "htmlcov",
    "node_modules",
}
# Written in pieces, so that this file does not hold what it looks for.
MACHINE = re.compile("(?<![\\w.:/-])/" + "(root|home|work)" + "/")
SCRATCH = re.compile("(?<![\\w.:/-])/" + "tmp" + "/")
INDEX = re.compile(
    "|".join(
        [
            "--(extra-)?index" + "-url",
            "--find" + "-links",
            "pypi" + r"\.org",
            "file:" + "///",
            r"https?://[^ \"]*/" + "simple/",
        ]
    )
)


def text_files(root: Path):
    """Yield (relative path, text) of every text file that belongs to the repository."""
    for folder, folders, names in os.walk(root):
        kept = [name for name in folders if name not in SKIPPED and not name.endswith((".egg-info", "_cache"))]
        folders[:] = sorted(kept)
        for name in sorted(names):
            relative = Path(folder, name).relative_to(root)
            if relative.parts[0] == "data" and name != "README.md":
                continue
            try:
                yield relative, (root / relative).read_text("utf-8")
            except UnicodeDecodeError:
                continue


def lines_with(pattern: re.Pattern, relative: Path, text: str):
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.search(line):
            yield f"{relative}:{number}: {line.strip()[:120]}"


def shown_to_users(relative: Path) -> bool:
    return relative.parts[0] in ("quantlab", "docs") or relative.name == "README.md"


def test_no_file_names_a_path_of_one_machine(root):
    found = []
    for relative, text in text_files(root):
        found += lines_with(MACHINE, relative, text)
        if shown_to_users(relative):
            found += lines_with(SCRATCH, relative, text)
    assert not found, "\n".join(found)


def test_no_file_names_a_package_index(root):
    found = [line for relative, text in text_files(root) for line in lines_with(INDEX, relative, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE, 'path = "/' + 'home/ann/quantlab"'),
        (MACHINE, "see /" + "work/main"),
        (SCRATCH, "writes to /" + "tmp/x"),
        (INDEX, "pip install --index" + "-url=x"),
        (INDEX, "https://pypi" + ".org/project/x"),
        (INDEX, "file:" + "///x.whl"),
    ],
)
def test_the_patterns_see(pattern, line):
    assert pattern.search(line)


def test_the_patterns_let_relative_paths_pass():
    for line in ("docs/work/notes", "https://example.com/home/page", "network/", "./home/x"):
        assert not MACHINE.search(line)


def test_the_walk_sees_the_package_and_not_the_build(root):
    files = {relative for relative, _ in text_files(root)}
    assert Path("quantlab/__init__.py") in files
    assert Path("pyproject.toml") in files
    assert not {relative.parts[0] for relative in files} & SKIPPED


def test_notebooks_are_committed_without_outputs(root):
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
            if cell["cell_type"] == "code":
                assert not cell["outputs"], f"{path.name}: cell {number} carries outputs; clear them before you commit."
                assert cell["execution_count"] is None, f"{path.name}: cell {number} carries an execution count."
