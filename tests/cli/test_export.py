"""`export`: what it leaves, what it tells, and what it refuses. How the formats compute: tests/export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import datasets
from dfkd_ray.runs.export import cost, formats
from dfkd_ray.util import tables
from tests.cli.commands import dfkd, refused

SHORT = ["--set", "schedule={epochs: 1, rounds: 1, student_steps: 2, batch: 4}"]
SAFETENSORS = ["--to", "safetensors"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.01)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert dfkd("distill", "noise_kd", *SHORT, "--out", folder).code == 0
    return folder


def test_an_exported_student_is_opened_again_and_can_teach(run: Path) -> None:
    done = dfkd("export", run, *SAFETENSORS, "--which", "best")
    assert (done.code, done.err) == (0, "")
    trial = run / "trials" / "0000"
    folder = trial / "export-best"
    assert sorted(p.name for p in folder.iterdir()) == [
        "export.json",
        "tiny-resnet8-best.json",
        "tiny-resnet8-best.safetensors",
    ]
    told = json.loads((folder / "export.json").read_text())
    assert told["costs"].keys() == {"student", "teacher"}
    assert told["files"][0]["difference"] == 0
    card = json.loads((folder / "tiny-resnet8-best.json").read_text())
    final = dict(tables.read(run / "trials.arrow").to_pylist()[0]["final"])
    assert card["accuracy"] == {"test": final["test_accuracy/best"]}
    assert card["student_of"]["teacher"] == "resnet8"
    assert card["class_names"] == list(datasets.load("gliders").classes)
    lines = done.out.splitlines()
    assert lines[0].split() == ["student", "teacher"]
    names = [line[:20].strip() for line in lines[1:7]]
    assert names[:4] == ["architecture", "file of weights", "parameters", "FLOPs, one image"]
    assert lines[-2].startswith(
        f"wrote {folder / 'tiny-resnet8-best.safetensors'}: 0.307 MB, weights and a card; logits"
    )
    assert lines[-1] == f"wrote {folder / 'export.json'}"
    weights = folder / "tiny-resnet8-best.safetensors"
    again = dfkd("evaluate", "--weights", weights, "--task", "gliders", "--out", run / "again")
    assert again.code == 0
    distilled = dfkd("distill", "noise_kd", *SHORT, "--weights", weights, "--task", "gliders", "--out", run / "taught")
    assert distilled.code == 0


def test_the_same_for_programs(run: Path, tmp_path: Path) -> None:
    done = dfkd("export", run, *SAFETENSORS, "--json", "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert told.pop("folder") == str(tmp_path)
    assert told.pop("without_teacher") is None
    assert told == json.loads((tmp_path / "export.json").read_text())


def test_what_computes_something_else_ends_with_1_and_leaves_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = formats.FORMATS["safetensors"]

    def load(path: Path, net: Any) -> Any:
        return lambda images: form.load(path, net)(images) * 1.01

    monkeypatch.setitem(formats.FORMATS, "safetensors", form._replace(load=load))
    done = dfkd("export", run, *SAFETENSORS)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: tiny-resnet8-last.safetensors computes something else: logits differ by up to ")
    assert done.err.endswith("nothing was kept\n")
    assert not (run / "trials" / "0000" / "export-last").exists()


def test_what_is_not_understood(run: Path) -> None:
    for words in ([run], [run, "--to", "onxx"], ["--weights", run / "student.safetensors", *SAFETENSORS]):
        done = dfkd("export", *words)
        assert (done.code, done.out) == (2, "")
        assert "Traceback" not in done.err


def test_the_file_that_it_is_made_from_is_not_written_over(run: Path, tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    weights.write_bytes((run / "trials" / "0000" / "student.safetensors").read_bytes())
    weights.with_suffix(".json").write_text('{"arch": "resnet8", "licence": "mine"}')
    words = ["--weights", weights, "--task", "gliders", *SAFETENSORS]
    assert refused("export", *words, "--out", tmp_path).startswith(f"{weights} is the student itself")
    assert "licence" in weights.with_suffix(".json").read_text()
    assert dfkd("export", *words, "--out", tmp_path / "other").code == 0
