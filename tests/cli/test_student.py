"""Which student `evaluate` and `export` take, and how what they make is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.cli.student import StudentOptions
from tests.cli.commands import dfkd

WEIGHTS = Path("s.safetensors")


@pytest.mark.parametrize("command", [("evaluate",), ("export", "--to", "onnx")])
@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "give either RUN"),
        (("run", "--weights", WEIGHTS), "give either RUN"),
        (("run", "--arch", "resnet8"), "--arch is for --weights"),
        (("--weights", WEIGHTS, "--task", "gliders", "--which", "best"), "--which is for a RUN"),
        (("--weights", WEIGHTS, "--trial", "3"), "--trial is for a RUN"),
        (("--weights", WEIGHTS, "--arm", "full"), "--arm is for a RUN"),
        (("--weights", WEIGHTS, "--seed", "0"), "--seed is for a RUN"),
    ],
)
def test_which_student_is_meant_must_be_clear(command: tuple[str, ...], words: tuple[object, ...], what: str) -> None:
    done = dfkd(*command, *words)
    assert (done.code, done.out) == (2, "")
    assert what in " ".join(done.err.replace("│", " ").split())


def test_what_is_made_is_called_after_the_student() -> None:
    assert StudentOptions(run=Path("reports/a"), which="best").called("export") == "export-best"
    assert StudentOptions(weights=Path("x/my.pt"), task="gliders").called("export") == "export-my"
