"""The README tells the truth: its Python prints what it says, its commands run."""

from __future__ import annotations

import doctest
import importlib.util
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def maker(root):
    path = root / "tests" / "laws" / "golden" / "make_readme_output.py"
    spec = importlib.util.spec_from_file_location("make_readme_output", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_readme_output"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def blocks(maker):
    if not maker.README.is_file():
        pytest.fail("README.md is missing: write it; its python and bash blocks are run by this test.", pytrace=False)
    return maker.blocks_of(maker.README.read_text("utf-8"))


@pytest.fixture
def clone(maker, sample_store, tmp_path):
    """A folder like a fresh clone after its set-up, and the environment for commands in it."""
    return tmp_path, maker.furnish(tmp_path, sample_store)


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def agrees(expected: str, found: str) -> bool:
    """Whether two texts are equal, line ends apart; ``...`` stands for anything."""
    return doctest.OutputChecker().check_output(plain(expected), plain(found), doctest.ELLIPSIS)


def test_python_blocks_print_what_the_readme_says(maker, blocks, clone):
    python = [block for block in blocks if block.language == "python"]
    assert python, "README.md has no python block."
    shown = maker.shown_by([block.text for block in python], *clone)
    for block, result in zip(python, shown, strict=False):
        assert "error" not in result, f"README.md, the python block at line {block.line} fails:\n{result.get('error')}"
    for place, expected in maker.expected_outputs(blocks).items():
        assert agrees(expected.text, shown[place]["text"]), (
            f"README.md, line {expected.line}: the output changed. If that is meant, run "
            f"`python tests/laws/golden/make_readme_output.py data`. The code now prints:\n{shown[place]['text']}"
        )


def test_commands_of_the_readme_run(maker, blocks, clone):
    folder, environment = clone
    for block in blocks:
        if block.language not in ("bash", "sh", "shell", "console"):
            continue
        for command in maker.commands(block.text):
            done = subprocess.run(
                ["bash", "-euc", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (
                f"README.md, line {block.line}: `{command}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )


def test_local_links_and_pictures_of_the_readme_exist(maker, blocks, root):
    import re

    targets = re.findall(r"\]\(([^)#\s]+)", maker.README.read_text("utf-8"))
    missing = [target for target in targets if "://" not in target and not (root / target).exists()]
    assert not missing, f"README.md points at files that do not exist: {', '.join(missing)}."


def test_every_block_says_its_language(blocks):
    bare = [block.line for block in blocks if not block.language]
    assert not bare, f"README.md: give the blocks at lines {bare} a language (text, if it is none)."


MARKDOWN = """# Title

```python
x = 2
print("two")
x + 1
```

```text
two
3
```

Words.

```bash
# set up first
make setup
quantlab --version   # prints the version
.venv/bin/jupyter lab
quantlab backtest \\
    notebooks/momentum.toml
```

```python
{}
```
"""


def test_blocks_are_found_and_paired(maker):
    blocks = maker.blocks_of(MARKDOWN)
    assert [(block.language, block.line) for block in blocks] == [
        ("python", 3),
        ("text", 9),
        ("bash", 16),
        ("python", 25),
    ]
    assert maker.expected_outputs(blocks) == {0: blocks[1]}
    start, end = blocks[1].span
    assert MARKDOWN[start:end] == "two\n3\n"


def test_outputs_are_written_where_they_belong(maker):
    text = maker.rewritten(MARKDOWN, [{"text": "seven\n\n"}, {"text": "unused"}])
    assert text == MARKDOWN.replace("two\n3\n", "seven\n")


def test_commands_are_chosen(maker):
    bash = maker.blocks_of(MARKDOWN)[2].text
    assert maker.commands(bash) == ["quantlab --version", "quantlab backtest      notebooks/momentum.toml"]


def test_blocks_share_a_namespace_and_show_what_a_notebook_shows(maker, tmp_path):
    shown = maker.shown_by(["x = 2\nprint('two')\nx + 1", "None", "x"], tmp_path, {})
    assert [result["text"] for result in shown] == ["two\n3\n", "", "2\n"]


def test_a_failing_block_ends_the_run_with_its_traceback(maker, tmp_path):
    shown = maker.shown_by(["1 / 0", "1"], tmp_path, {})
    assert len(shown) == 1
    assert "ZeroDivisionError" in shown[0]["error"]


def test_outputs_are_compared_by_line_with_ellipsis():
    assert agrees("a  \nb\n", "a\nb")
    assert agrees("took ... s", "took 3.1 s")
    assert not agrees("a\nb", "a\nc")
