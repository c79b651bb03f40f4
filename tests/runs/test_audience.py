"""Who is told nothing else is told by lines on standard output, as a pipe is."""

from __future__ import annotations

import pytest

from dfkd_ray.runs.audience import Audience
from dfkd_ray.tune.observers.live import Lines


def test_a_program_is_told_in_lines_and_interrupted_as_python_does(capsys: pytest.CaptureFixture[str]) -> None:
    to = Audience()
    to.say("a line")
    assert capsys.readouterr().out == "a line\n"
    assert type(to.watching(False)) is Lines, "standard output is no terminal here"
    with pytest.raises(KeyboardInterrupt), to.going_on("dfkd-ray", "resume", "reports/a"):
        raise KeyboardInterrupt
