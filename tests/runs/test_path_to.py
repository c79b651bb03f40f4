"""A path to another method: its components are the differences, whatever is fixed; and what cannot be a target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfkd_ray import study
from dfkd_ray.methods import config
from dfkd_ray.runs import path_to
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.study_file import open_study
from dfkd_ray.study import arms
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.tune.duplicates import find_duplicates
from dfkd_ray.util.errors import ConfigError

WAY = """\
study: way
method: dfkd_fgvc
task: gliders
fixed:
  schedule.epochs: 2
objective: {metric: val_accuracy}
design:
  name: path
  to: noise_kd
seeds: 3
"""


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    text = WAY
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "way.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def opened(folder: Path, *changes: tuple[str, str]) -> tuple[Ablation, Distillation]:
    made, work = open_study(write(folder, *changes))
    assert made.ablation is not None
    return made.ablation, work


def mistakes(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """The messages, without the folder."""
    with pytest.raises(ConfigError) as caught:
        open_study(write(folder, *changes))
    return [str(problem).removeprefix(f"{folder}/way.yaml:") for problem in caught.value.problems]


def method(folder: Path, name: str, changes: Mapping[str, Any]) -> str:
    """A method file: dfkd_fgvc with changes."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config.plain(config.change(config.load("dfkd_fgvc"), changes))), encoding="utf-8")
    return str(path)


def levels(made: Ablation) -> dict[str, tuple[str, str]]:
    return {each.name: (each.off, each.on) for each in made.components}


IN, OUT = ("out", "in"), ("in", "out")


def test_what_lies_between_two_methods(tmp_path: Path) -> None:
    """Whole terms and another source each at once; what only one of them has inside is no component of its own."""
    made, work = opened(tmp_path)
    assert levels(made) == {
        "source": ("generator", "noise"),
        "batchnorm": OUT,
        "adversarial": OUT,
        "high_order": OUT,
        "semantic_contrast": OUT,
        "source_steps": ("20", "0"),
    }
    assert {each.name: each.paths for each in made.components}["batchnorm"] == ("source_loss.batchnorm",)
    assert [arm.name for arm in made.arms][:3] == ["none", "source=noise", "batchnorm=out"]
    target = config.change(config.load("noise_kd"), {"schedule.epochs": 2})
    assert work.fingerprint(made.needed[-1].changes) == config.fingerprint(target)
    assert work.fingerprint({}) == work.fingerprint(made.needed[0].changes)


def test_and_back(tmp_path: Path) -> None:
    made, work = opened(tmp_path, ("method: dfkd_fgvc", "method: noise_kd"), ("to: noise_kd", "to: dfkd_fgvc"))
    assert levels(made) == {
        "source": ("noise", "generator"),
        "batchnorm": IN,
        "adversarial": IN,
        "high_order": IN,
        "semantic_contrast": IN,
        "source_steps": ("0", "20"),
    }
    target = config.change(config.load("dfkd_fgvc"), {"schedule.epochs": 2})
    assert work.fingerprint(made.needed[-1].changes) == config.fingerprint(target)


def test_what_is_fixed_is_the_same_at_both_ends(tmp_path: Path) -> None:
    """Also where the target has another value, no such part at all, or another kind in its place."""
    fixed = "  schedule.epochs: 2\n  schedule.source_steps: 1\n  source.width: 8\n  student_loss.high_order: null\n"
    made, work = opened(tmp_path, ("  schedule.epochs: 2\n", fixed + "  student_loss.feature_mse: {weight: 2}\n"))
    assert list(levels(made)) == ["source", "batchnorm", "adversarial", "semantic_contrast"]
    changes = {"schedule.epochs": 2, "schedule.source_steps": 1, "student_loss.feature_mse": {"weight": 2}}
    target = config.change(config.load("noise_kd"), changes)
    assert work.fingerprint(made.needed[-1].changes) == config.fingerprint(target)


def test_changes_of_the_own_method_are_a_target(tmp_path: Path) -> None:
    to = (
        "{student_loss.kd.temperature: 4, student_loss.kd.weight: 2, student.optimizer: {name: adam}, "
        "source.attention: null, source_loss.adversarial.weight: 2}"
    )
    made, work = opened(tmp_path, ("to: noise_kd", f"to: {to}"))
    assert levels(made) == {
        "optimizer": ("sgd", "adam"),
        "attention": OUT,
        "adversarial-weight": ("1.0", "2.0"),
        "kd-weight": ("1.0", "2.0"),
        "temperature": ("1.0", "4.0"),
    }
    assert made.components[0].paths == ("student.optimizer",)
    changes = {**yaml.safe_load(to), "schedule.epochs": 2}
    target = config.change(config.load("dfkd_fgvc"), changes)
    assert work.fingerprint(made.needed[-1].changes) == config.fingerprint(target)


def test_a_method_with_changes_is_a_target(tmp_path: Path) -> None:
    made, work = opened(tmp_path, ("to: noise_kd", "to: {method: noise_kd, schedule.source_steps: 20}"))
    assert "source_steps" not in levels(made)
    target = config.change(config.load("noise_kd"), {"schedule.epochs": 2, "schedule.source_steps": 20})
    assert work.fingerprint(made.needed[-1].changes) == config.fingerprint(target)
    text = "\n".join(arms.describe(made.design, made.components, made.arms, "dfkd_fgvc"))
    assert "from dfkd_fgvc (the arm none) to noise_kd with schedule.source_steps 20 (the arm full)" in text


def test_a_file_is_a_target(tmp_path: Path) -> None:
    other = method(tmp_path, "other", {"source.width": 8, "student_loss.kd.temperature": 4, "views.student": []})
    made, _ = opened(tmp_path, ("to: noise_kd", f"to: {other}"))
    assert levels(made) == {"width": ("64", "8"), "temperature": ("1.0", "4.0")}


def test_values_that_are_long_or_alike_are_start_and_target(tmp_path: Path) -> None:
    views = "[{name: crop, padding: 2}, {name: flip}, {name: crop, padding: 1}]"
    made, _ = opened(tmp_path, ("to: noise_kd", f"to: {{views.student: {views}, schedule.batch: 8}}"))
    assert levels(made) == {"student": ("start", "target"), "batch": ("64", "8")}


def test_a_step_that_has_to_wait_for_another_is_refused_alone(tmp_path: Path) -> None:
    """Fewer epochs than the warm-up has: first the warm-up, in whichever order they stand."""
    own = method(tmp_path, "own", {"schedule.epochs": 20, "schedule.warmup": 9})
    to = "{schedule.epochs: 5, schedule.warmup: 2, schedule.batch: 8}"
    way = (("method: dfkd_fgvc", f"method: {own}"), ("  schedule.epochs: 2", "  schedule.rounds: 2"))
    made, work = opened(tmp_path, *way, ("to: noise_kd", f"to: {to}"))
    assert list(levels(made)) == ["epochs", "batch", "warmup"]
    found = find_duplicates(made.arms, work.fingerprint)
    assert list(found.refused) == ["epochs=5"]
    assert found.refused["epochs=5"].startswith("schedule.epochs: warmup must leave the student an epoch")
    second = arms.next_arms(made.components, ("warmup",), found.refused)
    assert [arm.name for arm in second] == ["epochs=5 + warmup=2", "batch=8 + warmup=2"]
    assert not find_duplicates(second, work.fingerprint).refused


def test_steps_that_have_to_be_made_together_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a method in which the batch has to be so many times the rounds."""
    alone = path_to._takes
    coupled = ("schedule.batch", "schedule.rounds")
    monkeypatch.setattr(path_to, "_takes", lambda m, path, value: path not in coupled and alone(m, path, value))
    to = "{schedule.batch: 8, schedule.rounds: 3, schedule.student_steps: 2, student_loss.kd.weight: 2}"
    made, work = opened(tmp_path, ("to: noise_kd", f"to: {to}"))
    assert levels(made) == {"weight": ("1.0", "2.0"), "schedule": ("start", "target")}
    target = config.change(config.load("dfkd_fgvc"), {**yaml.safe_load(to), "schedule.epochs": 2})
    assert work.fingerprint(made.needed[-1].changes) == config.fingerprint(target)
    monkeypatch.setattr(path_to, "_takes", lambda m, path, value: False)
    (found,) = mistakes(tmp_path, ("to: noise_kd", f"to: {to}"))
    assert found.startswith("9: design.to: no order of changes leads there: ")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("noise_kt", "9: design.to: unknown method 'noise_kt'; did you mean 'noise_kd'? (known: "),
        ("dfkd_fgvc", "9: design.to: dfkd_fgvc and dfkd_fgvc are one method"),
        (
            "{student_loss.kd.weight: 2}",
            "9: design.to: dfkd_fgvc and dfkd_fgvc with student_loss.kd.weight 2 differ in student_loss.kd.weight "
            "alone: compare them as `arms`",
        ),
        ("{}", "9: design.to: expected a method, or {path: value} of changes to the study's own, got {}"),
        ("[noise_kd]", "9: design.to: should be a valid string or a valid dictionary, got ['noise_kd']"),
        ("{student_loss.kd.wieght: 2}", "9: design.to.student_loss.kd.wieght: there is no 'wieght' in "),
        ("{schedule.batch: 0}", "9: design.to.schedule.batch: batch must be at least 2, got 0"),
        ("{schedule.epochs: 3, schedule.batch: 8}", "9: design.to.schedule.epochs: is under `fixed` as well"),
        ("{method: noise_kt}", "9: design.to: unknown method 'noise_kt'; did you mean 'noise_kd'? (known: "),
        ("missing.yaml", "9: design.to: missing.yaml: there is no such file"),
    ],
)
def test_what_is_no_target_is_one_problem(to: str, message: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, ("to: noise_kd", f"to: {to}"))
    assert len(found) == 1, found
    assert found[0].startswith(message)


def test_mistakes_of_the_target_and_of_the_rest_at_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, ("to: noise_kd", "to: noise_kt"), ("seeds: 3", "seeds: 1"), ("gliders", "glider"))
    assert [line.partition(": ")[2].partition(":")[0] for line in found] == ["task", "design.to", "seeds"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("method: dfkd_fgvc", "method: dfkd_fgcv"), "2: method: unknown method 'dfkd_fgcv'; did you mean "),
        (("schedule.epochs: 2", "schedule.epoch: 2"), "5: fixed.schedule.epoch: there is no 'epoch' in schedule"),
        (("name: path", "name: pth"), "8: design.name: unknown design 'pth'; did you mean 'path'? "),
        (("  to: noise_kd\n", ""), "1: components: path needs at least 2 components, or `to` a method, got 0"),
    ],
)
def test_a_mistake_of_the_start_is_one_problem(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, change)
    assert len(found) == 1, found
    assert found[0].startswith(message)


def test_a_study_that_was_written_back_has_its_components(tmp_path: Path) -> None:
    made, _ = open_study(write(tmp_path))
    plain = study.plain(made)
    path = tmp_path / "back.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    assert open_study(path)[0] == made
    assert plain["design"] == {"name": "path", "to": "noise_kd"}
    del plain["components"]["source"]
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigError, match="components: are not what differs between dfkd_fgvc and noise_kd: "):
        open_study(path)


def test_a_search_is_tried_at_both_ends(tmp_path: Path) -> None:
    """Temperature is what all arms have; the order of a term that the path takes out is not."""
    searched = "seeds: 3\nsearch: {student_loss.kd.temperature: {log: [1, 20]}}\ndraws: 2\n"
    made, _ = opened(tmp_path, ("seeds: 3\n", searched))
    assert made.points == 2
    found = mistakes(tmp_path, ("seeds: 3\n", searched.replace("kd.temperature", "high_order.weight")))
    assert found[0].startswith(
        "11: search.student_loss.high_order.weight: the arm 'high_order=out' takes out student_loss.high_order, so "
    )
