"""Own code reaches a process that has none of its files."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.runs.shipping import NONE_OWN, OwnCode, TravelsWithCode, importable
from tests.cli.commands import ROOT

TREE = {
    "sent_loss.py": "from sent_parts.deep import sizes\nimport sent_beside\n\n\nclass Thing:\n    size = sizes.SIZE\n",
    "sent_beside.py": "def fails():\n    raise RuntimeError('here')\n",
    "sent_parts/__init__.py": "",
    "sent_parts/deep/sizes.py": "SIZE = 3\n",  # in a folder without __init__.py
}
THERE = """
import pickle, sys, traceback
work = pickle.loads(sys.stdin.buffer.read())
module = sys.modules["sent_loss"]
print(work.thing.size, type(work.thing) is module.Thing, module.__file__)
try:
    module.sent_beside.fails()
except RuntimeError as error:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    print(frame.filename, frame.lineno, frame.line)
"""


@dataclass
class Work(TravelsWithCode):
    thing: Any
    code: OwnCode = NONE_OWN


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("sent_loss")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("sent_")]:
        del sys.modules[name]


def test_it_is_there_before_what_is_made_of_it_and_names_its_lines(tree: Path, tmp_path: Path) -> None:
    parcel = pickle.dumps(Work(sys.modules["sent_loss"].Thing(), importable(["sent_loss", "__main__"])))
    for file in sorted(tree.rglob("*.py")):
        file.unlink()
    done = subprocess.run(
        [sys.executable, "-c", THERE], input=parcel, env={"PYTHONPATH": str(ROOT)}, cwd="/", capture_output=True
    )
    file, beside = (tree / name for name in ("sent_loss.py", "sent_beside.py"))
    assert done.stdout.decode().splitlines() == [f"3 True {file}", f"{beside} 2 raise RuntimeError('here')"], (
        done.stderr
    )


def test_here_nothing_is_loaded_again(tree: Path) -> None:
    before, finders = sys.modules["sent_loss"], list(sys.meta_path)
    work = pickle.loads(pickle.dumps(Work(before.Thing(), importable(["sent_loss"]))))
    assert (sys.modules["sent_loss"], sys.meta_path) == (before, finders)
    assert type(work.thing) is before.Thing
    assert work.code == OwnCode(("sent_loss",))


def test_what_is_installed_is_imported_there_by_its_name() -> None:
    _, (names, sent) = OwnCode(("json",)).__reduce__()
    assert (names, sent) == (("json",), {})
    with pytest.raises(ModuleNotFoundError, match="nobody_has_this"):
        pickle.loads(pickle.dumps(OwnCode(("nobody_has_this",))))
