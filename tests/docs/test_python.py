"""What the page on Python and the notebook show is what these tests run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import dfkd_ray
from tests.cli.commands import few_images
from tests.docs.blocks import PAGES, ROOT, blocks

NOTEBOOK = ROOT / "docs" / "notebooks" / "first_hour.ipynb"

FEW = "from tests.cli.commands import few_images\n_few = few_images()\n_few.__enter__()\n"  # as the other tests have it


def test_every_block_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test: a block needs what those above it have left."""
    monkeypatch.chdir(tmp_path)
    page, names = PAGES / "python.md", dict[str, Any]()
    with few_images():
        for block in blocks(page):
            exec(compile(block.text, f"{page.name}, line {block.line}", "exec"), names)
    assert len(names["found"].trials) == 3
    assert set(names["told"].trials["arm"]) == {"soft", "hard"}
    assert (tmp_path / "history.html").is_file()
    assert names["logits"].shape == (1, 12)


def test_the_page_names_what_there_is() -> None:
    text = (PAGES / "python.md").read_text(encoding="utf-8")
    for name in dfkd_ray.__all__:
        assert name in text
    public = [name for name in vars(dfkd_ray.Results) if not name.startswith("_") and name != "name"]
    assert [name for name in public if f"`.{name}" not in text] == []


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of this interpreter, from the first cell to the last."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    spec = tmp_path / "kernels" / "this"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "this", "language": "python"}))
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "few.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(FEW)
    places = {"JUPYTER_PATH": tmp_path, "JUPYTER_RUNTIME_DIR": tmp_path / "runtime", "IPYTHONDIR": tmp_path / "ipython"}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    for name, value in {**places, "PYTHONPATH": path}.items():
        monkeypatch.setenv(name, str(value))
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell for cell in book.cells if cell.get("outputs") or cell.get("execution_count")] == [], "stripped"
    work = tmp_path / "work"
    work.mkdir()
    client = nbclient.NotebookClient(
        book, kernel_name="this", timeout=300, resources={"metadata": {"path": str(work)}}, allow_errors=False
    )
    client.execute()
    shown = [kind for cell in book.cells for output in cell.get("outputs", ()) for kind in output.get("data", {})]
    assert shown.count("application/vnd.plotly.v1+json") == 3
    assert "text/html" in shown
    assert (work / "reports" / "temperatures" / "report.html").is_file()
