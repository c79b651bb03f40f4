"""Plug-ins are loaded once, again where they have changed, and say where they are wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import datasets
from dfkd_ray.nets.builders import classifiers
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.runs import own_code, plugins
from dfkd_ray.tune.ledger import NAME, encode
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import forget

LOSS = """from dfkd_ray import register
from plug_beside import SCALE


@register.loss("plug_loss")
def plug_loss(student_logits):
    return SCALE * student_logits.mean()
"""
TASK = (
    "name: squares\nreader: npz\nclasses: [dark, bright]\nimage: [1, 16, 16]\nmean: [0.5]\nstd: [0.3]\n"
    "teacher: {arch: resnet8}\nstudent: resnet8\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where one stands, with a plug-in and what it imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "plug.py").write_text(LOSS)
    (tmp_path / "plug_beside.py").write_text("SCALE = 2\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("plug")]:
        plugins.drop(name)
    forget(plugins.__name__)
    sys.path_importer_cache.clear()


def written(name: str, text: str) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)
    return name


def wrong(plugin: str) -> str:
    before = {*sys.modules}
    with pytest.raises(ConfigError) as caught:
        plugins.load([plugin])
    assert not {name for name in {*sys.modules} - before if name.startswith("plug")}, "nothing of it stays"
    return str(caught.value)


def test_a_file_is_loaded_once_with_what_stands_beside_it() -> None:
    plugins.load(["plug.py"])
    first = terms["plug_loss"]
    plugins.load(["plug.py", os.path.abspath("plug.py")])
    assert terms["plug_loss"] is first
    assert plugins.origin(first) == "plug.py"
    assert plugins.origin(terms["kd"]) == ""


@pytest.mark.parametrize("changed", ["plug.py", "plug_beside.py"])
def test_a_file_that_has_changed_is_loaded_anew(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which would be that of the same second and length
    plugins.load(["plug.py"])
    text = Path(changed).read_text().replace("plug_loss", "plug_lose").replace("SCALE = 2", "SCALE = 25")
    Path(changed).write_text(text)
    plugins.load(["plug.py"])
    if changed == "plug.py":
        assert "plug_loss" not in terms
        assert "plug_lose" in terms
    else:
        assert sys.modules["plug"].SCALE == 25


def test_a_folder_and_a_module_by_name(folder: Path) -> None:
    written("plugged/__init__.py", "from plugged import inner\n")
    written(
        "plugged/inner.py",
        LOSS.replace("plug_loss", "plugged_loss").replace("from plug_beside import SCALE", "SCALE = 1"),
    )
    written("plug_named.py", LOSS.replace("plug_loss", "plug_named_loss"))
    plugins.load(["plugged", "plug_named"])
    assert plugins.origin(terms["plugged_loss"]) == "plugged/inner.py"
    assert "plug_named_loss" in terms
    assert plugins.modules(["plugged", f"{folder}/plugged", "a/plug.py", "plug.py", "my.parts", "task.yaml"]) == (
        *("plugged", "plug", "my.parts"),
    )


def test_the_yaml_of_a_task_is_known_by_its_name() -> None:
    written("plug_task.yaml", TASK)
    plugins.load(["plug_task.yaml", "plug_task.yaml"])
    assert datasets.load("plug_task").classes == ("dark", "bright")
    assert plugins.origin(datasets.named.tasks["plug_task"]) == "plug_task.yaml"
    assert wrong(written("gliders.yaml", TASK)) == (
        f"{Path.cwd()}/gliders.yaml: the task gliders ships with dfkd-ray: give the file another name"
    )
    assert wrong(written("plug_bad.yaml", TASK.replace("16, 16]", "16]"))).startswith(
        f"{Path.cwd()}/plug_bad.yaml:4: image"
    )


MISTAKES = {
    "import os\ndef f(:\n": "plug_bad.py:2: SyntaxError: invalid syntax",
    "import os\n\nos.nothing\n": "plug_bad.py:3: AttributeError: module 'os' has no attribute 'nothing'",
    "import plug_nobody\n": "plug_bad.py:1: ModuleNotFoundError: No module named 'plug_nobody'",
    "\nfrom dfkd_ray.objective import terms\n": "plug_bad.py:2: ModuleNotFoundError: No module named "
    "'dfkd_ray.objective'; what a file of one's own registers by is imported so: from dfkd_ray import register",
    "raise SystemExit(3)\n": "plug_bad.py:1: SystemExit: 3",
    "import plug_worse\n": "plug_worse.py:2: ZeroDivisionError: division by zero",
    LOSS.replace("student_logits)", "student_logit)"): "plug_bad.py:5: ValueError: plug_loss: no tensor is called "
    "'student_logit'; did you mean 'student_logits'?",
    LOSS.replace('"plug_loss"', '"kd"'): "plug_bad.py:5: ValueError: loss term 'kd' is registered twice: "
    "dfkd_ray.parts.losses.kd has it",
    LOSS + "1 / 0\n": "plug_bad.py:8: ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_file_names_its_line_and_leaves_nothing_registered(text: str) -> None:
    written("plug_worse.py", "SIZE = 1\nSIZE / 0\n")
    assert wrong(written("plug_bad.py", text)).startswith(MISTAKES[text])
    assert "plug_loss" not in terms


def test_a_plug_in_that_is_not_there_names_the_nearest() -> None:
    assert wrong("plugg.py") == "plugg.py: there is no such file; did you mean 'plug.py'?"
    assert (
        wrong("plug_besid")
        == "plug_besid: there is no file, folder or module 'plug_besid'; did you mean 'plug_beside.py'?"
    )
    assert wrong("no/such.py") == "no/such.py: there is no such file"
    Path("plugless").mkdir()
    assert wrong("plugless") == "plugless: there is no such file: a package has an __init__.py"


def test_a_name_that_no_module_can_have_or_another_has_is_refused() -> None:
    assert wrong(written("plug-1.py", LOSS)) == (
        "plug-1.py: a module is called by letters, digits and _, and 'plug-1' is not: rename it"
    )
    for name in ("json.py", "optuna.py"):
        module = Path(name).stem
        assert wrong(written(name, LOSS)) == f"{name}: there is another module {module!r}: give the file another name"
    written("plugs/plug.py", LOSS)
    plugins.load(["plug.py"])
    with pytest.raises(ConfigError, match=r"^plugs/plug.py: there is another module 'plug'"):
        plugins.load(["plugs/plug.py"])


def test_each_has_what_stands_beside_it_and_not_what_stands_beside_another(folder: Path) -> None:
    written("plug_a/plug_one.py", "import plug_beside\n")
    written("plug_a/plug_beside.py", "SCALE = 3\n")
    written("plug_b/plug_two.py", "from plug_beside import SCALE\n")
    written("plug_b/plug_beside.py", "SCALE = 4\n")
    plugins.load(["plug_a/plug_one.py"])
    with pytest.raises(ConfigError) as caught:
        plugins.load(["plug_b/plug_two.py"])
    assert str(caught.value) == (
        f"{folder}/plug_b/plug_beside.py: plug_two would import plug_a/plug_beside.py in place of it, which is loaded: "
        "give one another name"
    )
    plugins.drop("plug_one")
    plugins.load(["plug_b/plug_two.py"])
    assert sys.modules["plug_two"].SCALE == 4


def test_what_is_installed_is_loaded_without_a_word(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written("plug_net.py", "from dfkd_ray import register\nregister.net('plug_net')(lambda classes, channels: None)\n")
    monkeypatch.syspath_prepend(str(folder))
    entry = metadata.EntryPoint("mine", "plug_net", plugins.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == "dfkd_ray.plugins" else [])
    plugins.installed.cache_clear()
    plugins.load(())
    assert "plug_net" in classifiers
    monkeypatch.setattr(metadata, "entry_points", lambda group: [metadata.EntryPoint("bad", "plug_nobody", group)])
    plugins.installed.cache_clear()
    with pytest.raises(
        ConfigError, match=r"^the plug-in bad of a package: ModuleNotFoundError: No module named 'plug_nob"
    ):
        plugins.load(())
    monkeypatch.undo()
    plugins.installed.cache_clear()


def test_a_study_remembers_its_plug_ins_by_place_and_digest(folder: Path) -> None:
    plugins.load(["plug.py"])
    told = {"name": "plug", "digest": own_code.digest("plug"), "said": f"{folder}/plug.py, {folder}/plug_beside.py"}
    assert plugins.facts(["plug.py"]) == [told]
    assert plugins.recorded(folder, ["a.py"]) == ("a.py",), "there is no study"
    records: list[dict[str, Any]] = [
        {"kind": "study", "study": {"plugins": ["/a/one.py"]}, "options": {"plugin": ["/a/two.py"]}},
        {"kind": "asked"},
        {"kind": "resumed", "options": {"plugin": ["/a/two.py", "/b/three.py"]}},
    ]
    (folder / NAME).write_bytes(b"".join(map(encode, records)))
    assert plugins.recorded(folder) == ("/a/one.py", "/a/two.py", "/b/three.py")
    assert plugins.recorded(folder, ["here/two.py"]) == ("/a/one.py", "here/two.py", "/b/three.py"), "it has moved"
