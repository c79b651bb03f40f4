"""How a command ends that has run a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import typer

from dfkd_ray.cli import listening
from dfkd_ray.tune import Summary

DONE = Summary("s", Path("reports/s"), 2, 0, 0, 0, finished=True, best=None, seconds=1.0, ablation=True)


def test_a_study_that_came_to_what_it_was_to_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    listening.close(DONE)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (
            replace(DONE, failed=1),
            "1 trial failed, 2 are complete; once that is mended: dfkd-ray resume reports/s --failed\n",
        ),
        (replace(DONE, complete=0), "0 trials failed, 0 are complete\n"),
        (replace(DONE, ablation=False), "0 trials failed, 2 are complete\n"),
    ],
)
def test_else_it_is_said_with_exit_code_3(ended: Summary, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as stop:
        listening.close(ended)
    assert stop.value.exit_code == 3
    assert capsys.readouterr().err.replace("\xa0", " ") == said
