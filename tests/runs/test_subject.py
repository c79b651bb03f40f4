"""What a run is of, said in Python; `tests/cli/test_subject.py` says it on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import datasets
from dfkd_ray.runs.subject import chosen, folder_name, read_as
from dfkd_ray.util.errors import ConfigError

GLIDERS = datasets.load("gliders")
FOLDER = replace(GLIDERS, name="birds", reader="folder")


@pytest.mark.parametrize(("said", "expected"), [(None, "gliders"), ("digits", "digits"), (GLIDERS, GLIDERS)])
def test_a_task_by_name_or_made_or_the_one_that_ships(said: Any, expected: Any) -> None:
    assert chosen(said, None, None, print, classes=None) == expected


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("gliders", "--mean is for a teacher without a task: leave it out, or --task"),
        (None, "--mean is for a teacher without a task: give its --weights"),
    ],
)
def test_what_is_said_of_a_teacher_without_a_task_needs_one(task: str | None, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        chosen(task, None, None, print, classes=None, mean=(0.5,))
    assert str(told.value) == message


def test_real_images_are_read_as_it_is_said() -> None:
    made = read_as(FOLDER, skip_damaged=3, hold_out=0.25, shares="60/20/20")
    assert (made.skip_damaged, made.hold_out.test, made.split) == (3, 0.25, "60/20/20")
    assert read_as(FOLDER) == FOLDER
    with pytest.raises(ConfigError, match=r"^--split is for class folders .*: gliders is neither$"):
        read_as(GLIDERS, shares="60/20/20")
    with pytest.raises(ConfigError, match="60/60/60"):
        read_as(FOLDER, shares="60/60/60")


def test_a_folder_is_called_after_the_task(tmp_path: Path) -> None:
    assert folder_name("gliders") == "gliders"
    assert folder_name(str(tmp_path / "own.yaml")) == "own"
    assert folder_name(FOLDER) == FOLDER.slug
