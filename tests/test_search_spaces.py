"""Every study that ships: read, checked against its method, written back, and one tiny trial of it with its page."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from dfkd_ray import datasets, nets, report, study
from dfkd_ray.methods import config
from dfkd_ray.runs import preparing
from dfkd_ray.runs.study_file import open_study
from dfkd_ray.tune import launch
from dfkd_ray.tune.options import Options
from dfkd_ray.util import shipped, tables, yamls
from dfkd_ray.util.choices import PAPER
from dfkd_ray.util.errors import ConfigError
from tests.cli.commands import few_images
from tests.tiny import painter

STUDIES = {path.stem: path for path in shipped.studies()}
every_study = pytest.mark.parametrize("name", STUDIES)
TINY = {
    "schedule.epochs": 1,
    "schedule.rounds": 1,
    "schedule.source_steps": 1,
    "schedule.student_steps": 1,
    "schedule.batch": 4,
}
SMALL = {"teacher.arch": "resnet8", "student.arch": "resnet8"}


@pytest.fixture(autouse=True)
def _painter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small diffusion model stands where `teach-diffusion gliders` leaves one; it has learned nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "diffusion").mkdir()
    (tmp_path / "diffusion/gliders").symlink_to(painter())


def test_there_are_studies() -> None:
    assert {"mhad", "paper_mhad"} <= STUDIES.keys()


@every_study
def test_it_reads_asks_and_is_named_after_its_file(name: str) -> None:
    made = study.load(STUDIES[name])
    assert made.study == name
    assert made.question.endswith("?")
    head = STUDIES[name].read_text(encoding="utf-8").partition("\n")[0]
    assert head.startswith("# "), "says what it is for"


@every_study
def test_it_fits_its_method(name: str) -> None:
    """Every end of every range, every choice. A teacher that does not ship is all that may be missing."""
    task = datasets.load(study.load(STUDIES[name]).task)
    if task.teacher.weights is not None:
        open_study(STUDIES[name])
        return
    with pytest.raises(ConfigError, match=f"the task {task.name} ships no teacher") as caught:
        open_study(STUDIES[name])
    assert len(caught.value.problems) == 1


@every_study
def test_it_can_be_written_back(name: str) -> None:
    made = study.load(STUDIES[name])
    plain = study.plain(made)
    assert study.parse(yamls.Document(plain)) == made
    assert study.parse(yamls.loads(yaml.safe_dump(plain, sort_keys=False))) == made


def tiny_arm(changes: dict[str, Any]) -> dict[str, Any]:
    """What an arm changes, but two steps long: without the lengths that it sets, and no phase longer than an epoch."""
    lengths = {path: value for path, value in changes.items() if path.startswith("schedule.")}
    none = {path: None for path, value in lengths.items() if value is None}
    numbers = {path: value for path, value in lengths.items() if path not in {*none, "schedule.batch"}}
    short = none | {path: min(value, 1 if path in TINY else 0) for path, value in numbers.items()}
    if "method" in changes:  # whose lengths its preset may leave to the method
        own = config.load(changes["method"]).schedule
        short = {"schedule.warmup": 0, "schedule.source_epochs": 0} | short if own.source_epochs else short
        short |= {"schedule.warmup": 0} if own.warmup else {}
    if short.get("schedule.source_epochs") == 0:
        short["schedule.source_epochs"] = 1
    return {path: value for path, value in changes.items() if path not in lengths} | short


def made_up(made: study.Study, folder: Path) -> tuple[str, dict[str, Any]]:
    """Where a task ships no teacher: the task at 32 pixels, a small one that has learned nothing, images of noise."""
    task = replace(datasets.load(made.task), image=(3, 32, 32))
    (folder / "task.yaml").write_text(yaml.safe_dump(yamls.plain(task)), encoding="utf-8")
    net = nets.build(SMALL["teacher.arch"], len(task.classes))
    torch.save(net.state_dict(), folder / "teacher.pt")
    rng = np.random.default_rng(0)
    parts = {"val": 8, "test": 8}
    images = {f"{which}_images": rng.integers(0, 256, (n, 32, 32, 3), np.uint8) for which, n in parts.items()}
    labels = {f"{which}_labels": rng.integers(0, len(task.classes), n) for which, n in parts.items()}
    np.savez(folder / "images.npz", **images, **labels)
    return str(folder / "task.yaml"), {"data": str(folder / "images.npz"), "weights": folder / "teacher.pt"}


@every_study
def test_a_tiny_trial_of_it_leaves_tables_and_a_page(name: str, tmp_path: Path) -> None:
    made = study.load(STUDIES[name])
    ships = datasets.load(made.task).teacher.weights is not None
    task, brought = (made.task, {}) if ships else made_up(made, tmp_path)
    method = config.plain(config.load(made.method))
    tiny = {} if ships else dict(SMALL)
    tiny |= {path: value for path, value in TINY.items() if method["schedule"][path.partition(".")[2]] >= value}
    plain: dict[str, Any] = study.plain(made) | {"task": task}
    if "schedule.warmup" in plain["fixed"] or (made.preset != PAPER and method["schedule"]["warmup"]):
        tiny |= {"schedule.warmup": 0}
    plain["fixed"] = {**{k: v for k, v in plain["fixed"].items() if k != "schedule"}, **tiny}
    if made.search:
        plain["search"] = {path: domain for path, domain in plain["search"].items() if path not in tiny}
    plain |= {"stopper": "none", "budget": {"trials": 1}, "runtime": {"device": "cpu"}, "resources": {"cpu": 1}}
    if made.confirm is not None:
        plain["confirm"] = {"top": 1, "seeds": 3}
    if made.ablation is not None:
        plain |= {"seeds": 2, "budget": {}, "components": dict(list(plain.get("components", {}).items())[:2])}
        plain["arms"] = {arm: tiny_arm(each) for arm, each in list(plain.get("arms", {}).items())[:3]}
        plain["design"] = plain["design"]["name"]
        plain = {key: value for key, value in plain.items() if key not in ("arms", "components") or value}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    with few_images():
        cut, work = open_study(path, Options(**brought))
        facts = launch.StudyFacts({}, preparing.task_info(work), {})
        done = launch.start(cut, work, tmp_path / "study", facts, Options(runner="serial"))
    arms = [work.fingerprint(arm) for arm in plain.get("arms", {}).values()]  # some differ in lengths alone: one here
    same = 2 * (len(arms) - len(set(arms)))
    assert (done.complete, done.failed, done.finished) == ((cut.in_all or 0) - same, 0, True)
    trials = tables.read(tmp_path / "study" / "trials.arrow").to_pylist()
    assert {trial["state"] for trial in trials} == {"complete"}
    page = report.build(tmp_path / "study").read_text(encoding="utf-8")
    assert made.question in html.unescape(page)
    assert all(path in page for path in cut.search)


README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_readmes_studies_are_valid(number: int, tmp_path: Path) -> None:
    path = tmp_path / "readme.yaml"
    path.write_text(EXAMPLES[number], encoding="utf-8")
    open_study(path)
