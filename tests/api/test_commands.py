"""The commands as functions: they leave what the command line leaves, and raise the project's errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import dfkd_ray
from dfkd_ray.api.given import document
from dfkd_ray.methods import config
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.util import tables, yamls
from dfkd_ray.util.errors import ConfigError, GivenUp, StudyError, UnknownName
from tests.api.small import ABLATION, SCHEDULE, SWEEP
from tests.cli.commands import dfkd, interrupted, sets

ONE: dict[str, Any] = {"changes": {f"schedule.{name}": value for name, value in SCHEDULE.items()}, "quiet": True}


def measured(folder: Path) -> list[dict[str, Any]]:
    """All that has been measured, but for the time that it took."""
    return tables.read(folder / "steps.arrow").drop_columns(["seconds"]).to_pylist()


def text(study: dict[str, Any]) -> str:
    return yamls.dump(document(study).data)


def test_a_sweep_leaves_what_the_command_leaves(swept: dfkd_ray.Results, tmp_path: Path) -> None:
    (tmp_path / "warmth.yaml").write_text(text(SWEEP))
    done = dfkd("sweep", "warmth.yaml", "--runner", "serial", "--out", "out", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert measured(swept.folder) == measured(tmp_path / "out")
    assert sorted(path.name for path in swept.folder.iterdir()) == sorted(p.name for p in (tmp_path / "out").iterdir())
    assert f"best: trial {swept.best.number}, " in done.out  # type: ignore[union-attr]


def test_a_run_leaves_what_the_command_leaves(tmp_path: Path) -> None:
    made = dfkd_ray.distill("noise_kd", "gliders", seed=1, out=tmp_path / "a", student_arch="resnet8", **ONE)
    words = ("--task", "gliders", "--seed", 1, "--student-arch", "resnet8", *sets(ONE["changes"]))
    assert dfkd("distill", "noise_kd", *words, "--out", "b", cwd=tmp_path).code == 0
    assert measured(made.folder) == measured(tmp_path / "b")
    student = made.student()
    again = dfkd_ray.distill("noise_kd", "gliders", seed=1, out=tmp_path / "a", student_arch="resnet8", **ONE)
    for a, b in zip(student.state_dict().values(), again.student().state_dict().values()):
        assert torch.equal(a, b), "it was there"


def test_a_method_may_be_a_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw = yamls.load(config.method_file("noise_kd")).data
    by_name = dfkd_ray.distill("noise_kd", "gliders", student_arch="resnet8", **ONE)
    made = dfkd_ray.distill(raw, "gliders", student_arch="resnet8", **ONE)
    assert measured(made.folder) == measured(by_name.folder)
    assert made.folder.name == f"method-{config.fingerprint(config.load('noise_kd'))[:8]}-gliders-seed0"
    again = dfkd_ray.distill(raw, "gliders", student_arch="resnet8", **ONE)
    assert (again.folder, len(again.trials)) == (made.folder, 1), "it was there"
    assert "dfkd-ray distill method-" not in (made.folder / "report.html").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"student_los: not a slot of a method; did you mean 'student_loss'?"):
        dfkd_ray.distill({"student_los": {}}, "gliders", **ONE)


def test_it_is_told_in_lines_unless_it_is_to_be_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {"out": tmp_path / "a", "runner": "serial", "trials": 1, "epochs": 1}
    dfkd_ray.sweep(SWEEP, **options)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [SWEEP["question"], f"noise_kd on gliders, 1 trial, into {tmp_path / 'a'}"]
    assert lines[-1] == f"page: {tmp_path / 'a' / 'report.html'}"
    dfkd_ray.sweep(
        SWEEP,
        **{
            **options,
            "fresh": True,
            "quiet": True,
        },
    )
    assert capsys.readouterr().out == ""


def test_a_plan_is_what_the_command_prints(tmp_path: Path) -> None:
    made = dfkd_ray.plan(ABLATION, runner="serial", seeds=3)
    assert str(made).splitlines() == list(made.lines)
    assert made._repr_html_().startswith("<pre>")
    (tmp_path / "parts.yaml").write_text(text(ABLATION))
    done = dfkd("plan", "parts.yaml", "--runner", "serial", "--seeds", 3, cwd=tmp_path)
    timeless = [line for line in made.lines if not any(word in line for word in ("about", " s", " min"))]
    assert timeless
    assert [line for line in timeless if line not in done.out.splitlines()] == []


def test_what_was_interrupted_is_gone_on_with(tmp_path: Path) -> None:
    with interrupted(saves=3), pytest.raises(Interrupted) as stopped:
        dfkd_ray.sweep(SWEEP, out=tmp_path / "a", runner="serial", quiet=True)
    assert str(stopped.value) == f"interrupted; resume with: dfkd-ray resume {tmp_path / 'a'}"
    assert list(dfkd_ray.resume(tmp_path / "a", quiet=True).trials["state"]) == ["complete"] * 3
    with pytest.raises(StudyError, match="holds a study already, finished; more trials with"):
        dfkd_ray.sweep(SWEEP, out=tmp_path / "a", runner="serial", quiet=True)
    assert list(dfkd_ray.resume(tmp_path / "a", trials=4, quiet=True).trials["state"]) == ["complete"] * 4


def test_the_threads_of_whoever_asked_stay_as_they_were(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        dfkd_ray.distill("noise_kd", out=tmp_path / "a", threads=1, **ONE)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_study_that_comes_to_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any, **more: Any) -> Any:
        raise RuntimeError("no luck")

    monkeypatch.setattr(Distillation, "open", fails)
    with pytest.raises(GivenUp, match="2 trials failed, 0 are complete; once that is mended: dfkd-ray resume"):
        dfkd_ray.sweep(SWEEP, out=tmp_path / "a", runner="serial", trials=2, quiet=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dfkd_ray.sweep(ABLATION), StudyError, r"parts is an ablation: dfkd_ray.ablate runs it"),
        (lambda: dfkd_ray.ablate(SWEEP), StudyError, r"warmth is a sweep: dfkd_ray.sweep runs it"),
        (lambda: dfkd_ray.sweep(SWEEP, trails=2), UnknownName, r"no such keyword 'trails'; did you mean 'trials'\?"),
        (lambda: dfkd_ray.sweep(SWEEP, trials="2"), ConfigError, r"trials: should be a valid integer, got '2'"),
        (lambda: dfkd_ray.sweep("mhat"), UnknownName, r"unknown study 'mhat'; did you mean 'mhad'\?"),
        (lambda: dfkd_ray.plan(3), ConfigError, r"expected a study: a name, a file, a mapping or a Study, got 3"),
        (
            lambda: dfkd_ray.plan({**SWEEP, "metod": 1}),
            ConfigError,
            r"metod: no such part of a study",
        ),
        (lambda: dfkd_ray.distill("noise_kd", epoch=2), UnknownName, r"no such keyword 'epoch'"),
        (lambda: dfkd_ray.distill("noise_kd", epochs=1.5), ConfigError, r"epochs: should be a valid integer"),
        (
            lambda: dfkd_ray.distill("noise_kd", teacher={"clases": 2}),
            ConfigError,
            r"teacher: no such key 'clases'; did you mean 'classes'\?",
        ),
        (
            lambda: dfkd_ray.distill("noise_kd", teacher_arch="resnet8", changes={"teacher.arch": "resnet8"}),
            ConfigError,
            r"--set: teacher.arch is given twice",
        ),
        (lambda: dfkd_ray.resume("no/such/folder"), StudyError, r"no/such/folder holds no study to resume"),
    ],
)
def test_mistakes_are_the_projects_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        call()
