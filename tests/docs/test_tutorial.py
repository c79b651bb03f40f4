"""What the tutorial shows is what this test types, in the order of the page."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from dfkd_ray import datasets
from dfkd_ray.cli.options import assignments
from dfkd_ray.methods import config, presets
from dfkd_ray.methods.presets.rules import Seen
from dfkd_ray.runs.export import cost
from dfkd_ray.util import shipped, yamls
from tests.cli.commands import dfkd, few_images
from tests.docs.blocks import PAGES, Block, blocks, commands

TUTORIAL = blocks(PAGES / "tutorial.md")


def test_the_page_has_every_kind_of_block() -> None:
    """Else the tests below might run nothing."""
    assert {block.language for block in TUTORIAL if block.tested} == {"sh", "yaml", "python"}
    shown = {words[1] for block in TUTORIAL if block.tested and block.language == "sh" for words in commands(block)}
    assert {"ls", "show", "distill", "validate", "plan", "sweep", "ablate", "resume", "reproduce"} <= shown


def test_every_block_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test: a block needs what those above it have left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cost, "SECONDS", 0.01)  # a student's time is measured that long
    for block in (each for each in TUTORIAL if each.tested):
        if block.language == "yaml":
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, f"tutorial.md, line {block.line}", "exec"), {})
        else:
            _typed(block, tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    run = ("run.json", "curve.json", "student.safetensors", "student_best.safetensors")
    one = {"reports/one/report.html", *(f"reports/one/trials/0000/{name}" for name in run)}
    assert one | {"gliders.png", "reports/search/report.html", "reports/experiment/report.html"} <= names


def _typed(block: Block, folder: Path) -> None:
    for words in commands(block):
        assert words[0] == "dfkd-ray", "a shell is not needed"
        with few_images():  # of the splits: an evaluation is then quick
            done = dfkd(*words[1:], cwd=folder)
        assert done.code == 0, f"tutorial.md, line {block.line}: {done.err}"


def test_the_student_that_learns_is_the_one_that_was_measured() -> None:
    """Too long for a test; its figure is that of an arm of the study `methods`."""
    (words,) = (words for block in TUTORIAL if not block.tested for words in commands(block) if "distill" in words)
    sets = [value for option, value in pairwise(words) if option == "--set"]
    study = yamls.load(shipped.find("methods")).data
    task = datasets.load(study["task"])
    assert ["--preset", study["preset"]] == words[words.index("--preset") :][:2]
    own = presets.under(config.load(words[2]), words[2], study["preset"], Seen(task.image, len(task.classes)))
    arms = {path: value for path, value in study["arms"]["fast"].items() if path != "method"}
    assert config.change(own, assignments(sets)) == config.change(own, {**study["fixed"], **arms})
