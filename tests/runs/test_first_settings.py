"""`start:` as a study's file has it: the best of other studies, and what is left to the method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dfkd_ray.runs.study_file import open_study
from dfkd_ray.tune.past_studies import read
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import ConfigError
from tests.tune import toys

FILE = """study: mine
method: dfkd_fgvc
task: gliders
objective: {metric: agreement/source}
search:
  student_loss.kd.temperature: {log: [1, 20]}
  memory: {choice: [fresh, {name: pool, capacity: 64}]}
  schedule.batch: {int: [2, 512]}
sampler: random
budget: {trials: 9}
"""
OLD = """
study: old
method: m
task: t
objective: {metric: val_accuracy}
search:
  student_loss.kd.temperature: {log: [1, 100]}
sampler: {name: random, seed: 3}
budget: {trials: 4}
"""
PATH = "student_loss.kd.temperature"


@dataclass(frozen=True)
class Work(toys.Toy):
    """Trials that are better the higher the temperature is, of a batch of 32."""

    max_epochs: int = 1

    def epochs(self, job: Job) -> Iterator[Row]:
        for row in super().epochs(job):
            temperature = job.changes[PATH]
            method = {"student_loss": {"kd": {"temperature": temperature}}, "schedule": {"batch": 32}}
            yield replace(row, method=method, metrics={"val_accuracy": temperature / 100})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an earlier study in reports/old."""
    folder = tmp_path_factory.mktemp("home")
    toys.start(toys.study(text=OLD), Work(), folder / "reports" / "old")
    return folder


def opened(folder: Path, start: str) -> tuple[dict[str, object], ...]:
    path = folder / "mine.yaml"
    path.write_text(f"{FILE}start: {start}\n")
    return tuple(map(dict, open_study(path)[0].start))


def mistakes(folder: Path, start: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        opened(folder, start)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_what_a_setting_leaves_out_is_the_methods(tmp_path: Path) -> None:
    own = {PATH: 1.0, "memory": "fresh", "schedule.batch": 64}
    assert opened(tmp_path, "{}") == (own,)
    both = opened(tmp_path, f"[{{{PATH}: 4, memory: {{name: pool, capacity: 64}}}}, {{}}]")
    assert both == ({**own, PATH: 4.0, "memory": {"name": "pool", "capacity": 64}}, own)


def test_the_best_of_another_study_begin(home: Path) -> None:
    best = [trial.changes[PATH] for trial in read(home / "reports" / "old").best]
    assert best == sorted(best, reverse=True)
    within = [value for value in best if value <= 20]
    wide = FILE.replace("[1, 20]", "[1, 100]")
    (home / "wide.yaml").write_text(f"{wide}start: [{{from: reports/old, best: 2}}, {{schedule.batch: 16}}]\n")
    made, _ = open_study(home / "wide.yaml")
    assert [setting[PATH] for setting in made.start] == [*best[:2], 1.0]
    assert [setting["schedule.batch"] for setting in made.start] == [32, 32, 16], "what it was run with, or as said"
    told = mistakes(home, "{from: reports/old, best: 4}")
    assert len(told) == len(best) - len(within)
    assert told[0] == f"mine.yaml:11: start.0.{PATH}: {best[0]} is not in log [1.0, 20.0]"


def test_mistakes_have_their_line_and_their_path(home: Path) -> None:
    assert mistakes(home, "{from: reports/odl}")[0].startswith(
        "mine.yaml:11: start.from: reports/odl: there is no such folder"
    )
    assert mistakes(home, "[{}, {from: reports/old, best: 0}]") == [
        "mine.yaml:11: start.1.best: a number of trials, at least 1, got 0"
    ]
    assert mistakes(home, "{from: reports/old, bets: 1}")[0].startswith(
        "mine.yaml:11: start.bets: no such key; did you mean 'best'?"
    )
    assert mistakes(home, "{from: 3}") == ["mine.yaml:11: start.from: the folder of a study, got 3"]
    assert mistakes(home, f"\n- {PATH}: 4\n- schedule.batch: 16\n  {PATH}: 40") == [
        f"mine.yaml:14: start.1.{PATH}: 40 is not in log [1.0, 20.0]"
    ]
    assert mistakes(home, "{student_loss.kd.temp: 4}")[0].startswith(
        "mine.yaml:11: start.0.student_loss.kd.temp: no such path under `search`; did you mean"
    )
