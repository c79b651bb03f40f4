"""Which files somebody's own component is made of."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfkd_ray.runs import own_code

TREE = {
    "own_loss.py": "import torch\nfrom own_parts import sizes\nfrom own_parts.deep import DEPTH\n",
    "own_parts/__init__.py": "",
    "own_parts/sizes.py": "import json\nSIZE = 3\n",
    "own_parts/deep.py": "from . import deeper\nfrom dfkd_ray.util import words\nDEPTH = 1\n",
    "own_parts/deeper.py": "def late():\n    import own_late\n    from own_parts import deep\n",
    "own_late.py": "import own_loss\n",
    "own_other.py": "",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("own_loss", "own_other", "own_late"):
        importlib.import_module(name)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def test_a_module_and_what_it_imports_of_ones_own_at_any_depth(tree: Path) -> None:
    found = [path.relative_to(tree.resolve()).as_posix() for path in own_code.files("own_loss")]
    assert found == sorted(set(TREE) - {"own_other.py"})
    assert own_code.files("own_other") == ((tree / "own_other.py").resolve(),)


@pytest.mark.parametrize("name", ["json", "torch", "pytest", "dfkd_ray.util.words", "sys", "nobody_has_this"])
def test_libraries_and_this_package_are_nobodys_own(name: str) -> None:
    assert own_code.files(name) == ()


@pytest.mark.parametrize("name", [name for name in TREE if name != "own_other.py"])
def test_the_digest_changes_with_each_of_its_files(tree: Path, name: str) -> None:
    before, other = own_code.digest("own_loss"), own_code.digest("own_other")
    assert len(before) == 16
    (tree / name).write_text(TREE[name] + "# changed\n")
    assert own_code.digest("own_loss") != before
    assert own_code.digest("own_other") == other
    (tree / name).write_text(TREE[name])
    assert own_code.digest("own_loss") == before
