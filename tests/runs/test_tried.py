"""The method of a trial, by its card or by the ledger alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.methods import config
from dfkd_ray.runs.tried import tried
from dfkd_ray.util import folders
from dfkd_ray.util.errors import StudyError
from tests.cli.commands import dfkd

SWEEP = """
study: few
method: noise_kd
preset: laptop
task: gliders
fixed: {schedule.epochs: 1, schedule.rounds: 1, schedule.student_steps: 1, schedule.batch: 4}
objective: {metric: val_accuracy}
search:
  student_loss.kd.temperature: {choice: [1, 4]}
sampler: grid
budget: {trials: 2}
"""
ARMS = """
study: arms
method: noise_kd
task: gliders
fixed: {schedule.epochs: 1, schedule.rounds: 1, schedule.source_steps: 1, schedule.student_steps: 1, schedule.batch: 4}
objective: {metric: val_accuracy}
design: arms
arms:
  noise_kd: {}
  adversary: {method: dfad, source.width: 8}
seeds: 2
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("tried")
    for name, text, command in (("few", SWEEP, "sweep"), ("arms", ARMS, "ablate")):
        (at / f"{name}.yaml").write_text(text)
        done = dfkd(command, f"{name}.yaml", "--runner", "serial", cwd=at)
        assert done.code == 0, done
    return at / "reports"


@pytest.mark.parametrize(("study", "number"), [("few", 0), ("few", 1), ("arms", 0), ("arms", 1)])
def test_the_ledger_says_the_method_that_the_card_says(home: Path, study: str, number: int, tmp_path: Path) -> None:
    card = folders.of_trial(home / study, number) / folders.CARD
    if card.exists():
        method, told = tried(home / study, number)
        aside = card.rename(tmp_path / "card")
        try:
            again, less = tried(home / study, number)
            assert tried(card.parent)[0] == again, "of its folder as well"
        finally:
            aside.rename(card)
        assert again == method
        assert told["fingerprint"] == less["fingerprint"] == config.fingerprint(method)
        assert set(less) - set(told) == {"state"}
    method, told = tried(home / study, number)
    assert told["trial"] == number
    assert method.schedule.batch == 4


def test_a_trial_that_kept_no_student_has_its_settings(home: Path) -> None:
    lost = [n for n in (0, 1) if not (folders.of_trial(home / "few", n) / folders.CARD).exists()]
    assert len(lost) == 1, "the better one alone keeps its student"
    method, told = tried(home / "few", lost[0])
    assert told["state"] == "complete, no student is kept"
    other, _ = tried(home / "few")
    mine, best = (config.plain(each)["student_loss"]["kd"]["temperature"] for each in (method, other))
    assert {mine, best} == {1, 4}
    done = dfkd("show", home / "few", "--trial", str(lost[0]))
    assert done.code == 0, done
    assert "# state: complete, no student is kept" in done.out
    assert f"temperature: {mine}" in done.out


def test_a_trial_without_an_epoch(home: Path, tmp_path: Path) -> None:
    begun = ('"kind":"study"', '"kind":"asked"', '"kind":"started"')
    lines = (home / "few" / "ledger.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "ledger.jsonl").write_text("".join(line for line in lines[:3] if any(each in line for each in begun)))
    with pytest.raises(StudyError, match=r"trial 0 \(running\) has no epoch, and so no method on record"):
        tried(tmp_path, 0)


def test_none_of_that_number(home: Path) -> None:
    with pytest.raises(StudyError, match="few has no trial 7: they go from 0 to 1"):
        tried(home / "few", 7)
