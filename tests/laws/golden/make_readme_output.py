"""Run README.md's code and write what it prints: ``python tests/laws/golden/make_readme_output.py STORE``.

A block marked ``text`` that follows a block marked ``python`` holds what that block prints, as a notebook cell would:
printed text, then the value of a last expression. STORE is a folder that holds the sample data; the blocks see it as
``data``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)

# Runs in a fresh interpreter: takes the blocks from standard input, gives back what each one shows.
DRIVER = r"""
import ast, contextlib, io, json, sys, traceback
shown, scope = [], {"__name__": "__main__"}
for code in json.load(sys.stdin):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            tree = ast.parse(code)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<README>", "exec"), scope)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "<README>", "eval"), scope)
                if value is not None:
                    print(repr(value))
        except Exception:
            shown.append({"error": traceback.format_exc()})
            break
    shown.append({"text": text.getvalue()})
json.dump(shown, sys.stdout)
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file: its language, its text, and where the text stands in the file."""

    language: str
    text: str
    line: int
    span: tuple[int, int]


def blocks_of(markdown: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text, in order."""
    return [
        Block(found[1], found[2], markdown.count("\n", 0, found.start()) + 1, found.span(2))
        for found in FENCE.finditer(markdown)
    ]


def furnish(folder: Path, store: Path) -> dict[str, str]:
    """Make a folder look like a fresh clone after its set-up, and return the environment for commands in it.

    Beside it lie a vendor's files: a folder ``prices`` with two stocks, of which one has a bad close.
    """
    for name, target in (("notebooks", ROOT / "notebooks"), (".venv", Path(sys.prefix))):
        (folder / name).symlink_to(target, target_is_directory=True)
    shutil.copytree(store, folder / "data")
    vendor = folder / "prices"
    vendor.mkdir()
    days = [f"2016-05-{day}" for day in ("16", "17", "18", "19", "20", "23", "24")]
    closes = {"LNT": (36.3, 35.4, 35.1, 17.87, 36.0, 35.8, 36.5), "MSFT": (51.8, 50.5, 50.8, 50.3, 50.6, 50.0, 51.6)}
    for symbol, values in closes.items():
        rows = [f"{day},{close}" for day, close in zip(days, values, strict=True)]
        (vendor / f"{symbol}.csv").write_text("\n".join(["Date,Close", *rows]) + "\n", "utf-8")
    binaries = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": binaries, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


def shown_by(codes: list[str], folder: Path, environment: dict[str, str]) -> list[dict[str, str]]:
    """Run Python blocks in one namespace, in order; return for each its text, or the error that ended the run."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(codes),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"The interpreter ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def expected_outputs(blocks: list[Block]) -> dict[int, Block]:
    """Return by the number of each Python block the text block that directly follows it."""
    python = [number for number, block in enumerate(blocks) if block.language == "python"]
    return {
        place: blocks[number + 1]
        for place, number in enumerate(python)
        if number + 1 < len(blocks) and blocks[number + 1].language == "text"
    }


def commands(bash: str) -> list[str]:
    """Return the commands of a shell block that a test can run: not the set-up, the clone, or what waits for a user."""
    joined = bash.replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    lines = [re.sub(r"\s+#.*$", "", line) for line in lines if line and not line.startswith("#")]
    return [line for line in lines if not re.match(r"(make|git clone|cd|jupyter|\S*/jupyter|xdg-open|open)\b", line)]


def rewritten(markdown: str, shown: list[dict[str, str]]) -> str:
    """Return the text with what the Python blocks showed in the text blocks that follow them."""
    for place, block in sorted(expected_outputs(blocks_of(markdown)).items(), reverse=True):
        start, end = block.span
        markdown = markdown[:start] + shown[place]["text"].rstrip() + "\n" + markdown[end:]
    return markdown


def main() -> None:
    text = README.read_text("utf-8")
    codes = [block.text for block in blocks_of(text) if block.language == "python"]
    with tempfile.TemporaryDirectory() as name:
        shown = shown_by(codes, Path(name), furnish(Path(name), Path(sys.argv[1]).resolve()))
    if "error" in shown[-1]:
        sys.exit(shown[-1]["error"])
    README.write_text(rewritten(text, shown), "utf-8")


if __name__ == "__main__":
    main()
