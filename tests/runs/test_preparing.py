"""What a study's trials are, made ready: what is missing or does not fit is told before anything is launched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray import datasets, nets, study
from dfkd_ray.methods import config, presets
from dfkd_ray.methods.presets.rules import Seen
from dfkd_ray.runs import preparing
from dfkd_ray.runs.study_file import open_study
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.tune.history import History
from dfkd_ray.tune.options import Options
from dfkd_ray.util import shipped, yamls
from dfkd_ray.util.errors import ConfigError, DataError, StudyError
from tests.datasets.trees import write_image
from tests.tune import toys


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student_loss.high_ordr.order": 1}, "student_loss.high_ordr.order: there is no 'high_ordr' in student_loss"),
        ({"student.arch": "resnet9"}, "student.arch: unknown net 'resnet9'; did you mean 'resnet8'?"),
        ({"teacher.arch": "resnet"}, "teacher.arch: unknown net 'resnet'"),
        ({"schedule.batch": 0}, "schedule.batch: batch must be at least 2, got 0"),
    ],
)
def test_changes_that_do_not_fit_are_refused_without_a_net(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nets, "build", lambda *args: pytest.fail("a net was opened"))
    method = config.load("dfkd_fgvc")
    preparing.accepts(method, {"student.arch": "resnet20", "student_loss.high_order.order": 1})
    with pytest.raises(ConfigError) as caught:
        preparing.accepts(method, changes)
    assert str(caught.value).startswith(message)


STUDY = """
study: demo
question: Which?
method: dfkd_fgvc
task: {task}
fixed: {{schedule.epochs: 7}}
objective: {{metric: {metric}}}
search: {{student_loss.kd.temperature: {{log: [1, 8]}}}}
budget: {{trials: 2}}
runtime: {{device: cpu, precision: bfloat16}}
"""


def a_study(task: str = "gliders", metric: str = "val_accuracy") -> study.Study:
    return study.parse(yamls.loads(STUDY.format(task=task, metric=metric)))


def test_how_often_a_trial_is_saved_is_the_studys_word_unless_somebody_says() -> None:
    own = study.parse(yamls.loads(STUDY.format(task="gliders", metric="kl/source") + "checkpoint: {every: 10 min}"))
    assert preparing.work(a_study()).options.checkpoint == "1"
    assert preparing.work(own).options.checkpoint == "10 min"
    assert preparing.work(own, Options(checkpoint="3")).options.checkpoint == "3"


def test_a_cluster_gets_the_real_images_along_where_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(**options: Any) -> dict[str, int]:
        made = preparing.prepare(config.load("noise_kd"), "gliders", Options(device="cpu", **options))
        return {which: len(split.images) for which, split in made.sent.items()}

    assert sent() == {}
    whole = sent(address="auto")
    assert set(whole) == {"val", "test"}
    assert min(whole.values()) > 0
    monkeypatch.setattr(preparing, "SENT", 1000)
    assert sent(address="auto") == {}


def test_a_studys_preset_is_of_all_its_methods_and_stays_theirs() -> None:
    made = open_study(shipped.study_file("methods"))[1]
    seen = Seen(made.task.image, len(made.task.classes))
    for name in ("fast", "dfkd_fgvc", "noise_kd"):
        assert made.methods[name] == presets.under(config.load(name), name, "laptop", seen)
        assert made.methods[name] != config.load(name)
    fast = made.resolve({"method": "fast", "schedule.epochs": 3})
    assert (fast.schedule.epochs, fast.source.output) == (3, "batchnorm")


def test_a_studys_work_has_its_fixed_changes_objective_and_runtime() -> None:
    work = preparing.work(a_study(metric="kl/source"))
    assert work.max_epochs == 7
    assert (work.metric, work.sign) == ("kl/source", -1.0)
    assert work.runtime == Runtime("cpu", "bfloat16")
    info = preparing.task_info(work)
    assert (info["name"], info["classes"], info["chance"]) == ("gliders", 12, pytest.approx(1 / 12))
    accuracy, digest = work.task.teacher.test_accuracy, work.teacher_digest
    assert info["teacher"] == {"arch": "resnet8", "test_accuracy": accuracy, "digest": digest}
    assert info["student"] == {"arch": "resnet8"}


def test_selecting_by_accuracy_needs_real_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path))
    weights = tmp_path / "teacher.pt"
    torch.save(nets.build(datasets.load("cifar10").teacher.arch, 10).state_dict(), weights)
    work = preparing.work(a_study("cifar10", "agreement/source"), Options(weights=weights))
    assert work.task.teacher.weights == str(weights)
    with pytest.raises(ConfigError, match="val_accuracy needs real images of cifar10: give --data, or select by"):
        preparing.work(a_study("cifar10"), Options(weights=weights))
    with pytest.raises(DataError, match="the task cifar10 ships no teacher"):
        preparing.work(a_study("cifar10"))


def begun(made: study.Study, digest: str) -> History:
    """A study that was begun with a teacher of this digest, by the method as it is now."""
    record = toys.opening(made, task={"name": "gliders", "teacher": {"digest": digest}})
    return History([{**record, "methods": {made.method: config.plain(config.load(made.method))}}])


def test_a_study_goes_on_with_its_method_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = a_study()
    first = preparing.work(made)
    history = begun(made, first.teacher_digest)
    monkeypatch.setattr(config, "load", lambda name: pytest.fail("its file was read"))
    work = preparing.resumed(history, Options(threads=3, data=str(tmp_path)))
    assert (work.method, work.methods) == (first.method, first.methods)
    assert work.runtime == Runtime("cpu", "bfloat16", threads=3)


def mine(place: Path, temperature: int = 4) -> Path:
    path = place / "mine.yaml"
    path.write_text(f"student_loss: {{kd: {{temperature: {temperature}}}}}\nschedule: {{epochs: 2}}\n")
    return path


def test_a_method_in_a_file_is_as_the_file_says_now_or_where_that_is_gone_as_it_was(tmp_path: Path) -> None:
    path = mine(tmp_path)
    history = begun(replace(a_study(), method=str(path)), "d")
    was = preparing.resumed(history, Options()).methods[str(path)]
    mine(tmp_path, 2)
    assert config.diff(was, preparing.resumed(history, Options()).methods[str(path)]) == {
        "student_loss.kd.temperature": (4.0, 2.0)
    }
    path.write_text("student_loss: {kd: {temperatur: 4}}")
    with pytest.raises(StudyError, match=r"mine.yaml:1: .*temperatur.*\nmend it, or move .*mine.yaml away: the ledger"):
        preparing.resumed(history, Options())
    path.unlink()
    assert preparing.resumed(history, Options()).methods == {str(path): was}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_task_is_as_its_file_says_now_or_where_that_is_gone_as_it_was(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "data"))
    for name in ("cat", "dog"):
        write_image(tmp_path / "pets" / name / "1.png")
    place = tmp_path / ("pets" if kind == "folder" else "pets.yaml")
    told = yamls.plain(datasets.load(f"folder:{tmp_path / 'pets'}@16")) | {"data": None, "reader": "none"}
    (tmp_path / "pets.yaml").write_text(yamls.dump({key: value for key, value in told.items() if value is not None}))
    name = f"folder:{place}@16" if kind == "folder" else str(place)
    made = replace(
        a_study(metric="agreement/source"), task=name, fixed={"schedule.epochs": 7, "teacher.arch": "resnet8"}
    )
    weights = tmp_path / "t.pt"
    torch.save(nets.build("resnet8", 2).state_dict(), weights)
    now = preparing.work(made, Options(weights=weights))
    record = toys.opening(made, task={}) | {"experiment": {"task": yamls.plain(now.task)}}
    history = History([{**record, "methods": {made.method: config.plain(config.load(made.method))}}])
    assert preparing.resumed(history, Options(weights=weights)).task == now.task
    place.rename(tmp_path / "elsewhere")
    if kind == "folder":  # what it needs of the images is told by whoever reads them
        monkeypatch.setattr(preparing, "real", lambda *args: None)
    assert preparing.resumed(history, Options(weights=weights)).task == now.task


def test_a_task_may_be_written_into_the_study() -> None:
    told = yamls.plain(datasets.load("gliders"))
    made = replace(a_study(), task={**told, "name": "mine"})
    assert (made.task_name, preparing.task_of(made).name) == ("mine", "mine")
    assert preparing.task_of(made) == replace(datasets.load("gliders"), name="mine")
    assert study.parse(yamls.Document(study.plain(made))) == made
    with pytest.raises(ConfigError, match=r"^the task of demo: imagee: no such field; did you mean 'image'\?"):
        preparing.task_of(replace(made, task={**told, "imagee": 3}))
