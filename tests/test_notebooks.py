"""Every notebook runs from top to bottom in a fresh kernel; its assertions are its figures."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbclient
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.py"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's own machinery
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = jupytext.read(path)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    assert any(cell.cell_type == "code" and cell.outputs for cell in notebook.cells)


def test_there_are_notebooks_with_assertions() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        assert "\nassert " in path.read_text(encoding="utf-8"), path.name
