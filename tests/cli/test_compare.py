"""`compare`: what differs, in settings and in results."""

from __future__ import annotations

import json
from pathlib import Path

from dfkd_ray.cli import compare
from tests.cli.commands import dfkd, refused
from tests.tune.test_standing import write


def test_two_trials_side_by_side(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "toy")
    one, other = "toy/trials/0000", "toy/trials/0003"
    done = dfkd("compare", one, other, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert [line.split() for line in done.out.splitlines()] == [
        ["settings", one, other],
        ["method.x", "0.0", "0.3"],
        [],
        ["results", one, other, "difference"],
        ["epochs", "4", "1", "-3"],
        ["seconds", "8.0", "s", "2.0", "s", "-6", "s"],
        ["val_accuracy", "40.0", "%", "20.0", "%", "-20.0", "points"],
        ["kl/noise", "-0.4", "nats", "-0.2", "nats", "+0.2", "nats"],
    ]
    told = json.loads(dfkd("compare", one, other, "--json", cwd=tmp_path).out)
    assert (told["kind"], told["places"], told["settings"]) == (
        "run",
        [one, other],
        [{"path": "method.x", "values": [0.0, 0.3]}],
    )
    assert told["results"][0] == {"name": "epochs", "values": [4.0, 1.0], "difference": -3.0}


def test_a_study_and_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "toy")
    lines = dfkd("compare", folder, folder).out.splitlines()
    assert lines[0] == "settings  the same"
    message = f"{tmp_path / 'nowhere'} holds no study: there is no such folder"
    assert refused("compare", folder, tmp_path / "nowhere", cwd=tmp_path) == message  # where no run has a name to offer


def test_results_as_the_page_prints_them() -> None:
    effect = "effect on val_accuracy: a: on"
    assert (compare._printed(effect, 0.05), compare._printed(effect, None)) == ("+5.0 points", "–")
    assert compare._printed("best val_accuracy", 0.5) == "50.0 %"
    assert compare._printed("trials complete", 3.0) == "3"
