"""The notebooks run from top to bottom, each in a fresh kernel of this environment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS, "notebooks/ holds no notebook."


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the Jupyter client, in this process
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs(notebook, root, sample_store, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    # A copy, so that nothing is written into the repository.
    shutil.copytree(root / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    (tmp_path / "data").symlink_to(sample_store, target_is_directory=True)
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    client = NotebookClient(
        content, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path / "notebooks")}}
    )
    client.execute()
