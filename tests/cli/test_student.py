"""Which student `evaluate` and `export` take, and where they leave what they make."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.cli.student import Student, Which
from tests.cli.commands import dfkd

WEIGHTS = Path("s.safetensors")


@pytest.mark.parametrize("command", [("evaluate",), ("export", "--to", "onnx")])
@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "give either RUN"),
        (("run", "--weights", WEIGHTS), "give either RUN"),
        (("--weights", WEIGHTS), "--weights needs --task"),
        (("run", "--arch", "resnet8"), "--arch is for --weights"),
        (("--weights", WEIGHTS, "--task", "gliders", "--which", "best"), "--which is for a RUN"),
    ],
)
def test_which_student_is_meant_must_be_clear(command: tuple[str, ...], words: tuple[object, ...], what: str) -> None:
    done = dfkd(*command, *words)
    assert (done.code, done.out) == (2, "")
    assert what in " ".join(done.err.replace("│", " ").split())


def test_what_is_made_stands_in_the_run_or_under_reports() -> None:
    run = Student(run=Path("reports/a"), which=Which.best)
    assert run.folder("export") == Path("reports/a/export-best")
    assert Student(weights=Path("x/my.pt"), task="gliders").folder("export") == Path("reports/export-my")
