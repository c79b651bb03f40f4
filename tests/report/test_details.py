"""What opens at a click on a trial."""

from __future__ import annotations

import base64
import json
import shlex

import pytest

from dfkd_ray.report import details, thinning
from dfkd_ray.report.details import command
from tests.report import ablations
from tests.report.studies import KD, demo, hostile, noted, picture, steps, study, trial


def test_a_trial_has_its_curves_method_command_and_last_picture() -> None:
    tables = demo()
    found = details.details(tables)
    assert list(found) == [str(n) for n in range(12)]
    own, row = found["0"], tables.all[0].row
    (curve,) = own["curves"]
    assert (curve["name"], curve["unit"], curve["epochs"]) == ("Validation accuracy", "%", list(range(1, 21)))
    assert curve["values"] == [float(f"{v:.5g}") for v in tables.curve("val_accuracy")[0].values()]
    assert own["method"] == json.loads(row["method"])
    assert own["command"] == command(tables, tables.all[0])
    kept = [image for image in tables.images.to_pylist() if image["trial"] == 0]  # type: ignore[union-attr]
    assert own["picture"]["epoch"] == 20
    assert base64.b64decode(own["picture"]["source"].partition(",")[2]) == kept[-1]["picture"]


def test_a_long_curve_keeps_its_ends() -> None:
    tables = study([trial(0, epochs=500)], steps(0, {"val_accuracy": [e / 500 for e in range(500)]}))
    (curve,) = details.details(tables)["0"]["curves"]
    assert len(curve["epochs"]) == details.POINTS
    assert (curve["epochs"][0], curve["epochs"][-1]) == (1, 500)


def test_pictures_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [picture(n, 2) for n in range(3)]
    tables = study([trial(n, objectives=[n / 3]) for n in range(3)], images=images)
    monkeypatch.setattr(details, "BYTES", len(images[0]["picture"]) + len(images[1]["picture"]) + 2000)
    assert sum(own["picture"] is not None for own in details.details(tables).values()) == 2
    monkeypatch.setattr(details, "PICTURED", 1)
    assert [n for n, own in details.details(tables).items() if own["picture"]] == ["2"], "the best"


def test_of_a_large_study_the_best_are_known_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "ROWS", 3)
    tables = study([trial(n, objectives=[n / 10]) for n in range(10)])
    assert list(details.details(tables)) == ["7", "8", "9"]


def test_an_arm_of_another_method_is_taught_by_that_method_in_its_preset_and_seed() -> None:
    changes = {"method": "fast", KD: 4, "student.name": "it's"}
    tables = study([trial(0, changes=changes, seed=3)], note=noted(preset="laptop"))
    said = command(tables, tables.all[0])
    assert said is not None
    assert shlex.split(said.replace("\\\n", " ")) == [
        *("dfkd-ray", "distill", "fast", "--task", "gliders", "--preset", "laptop"),
        *("--set", "schedule.epochs=20", "--set", f"{KD}=4", "--set", "student.name=it's", "--seed", "3"),
    ]
    assert command(study([trial(0)], note={}), tables.all[0]) is None


def test_a_task_is_named_as_the_study_names_it_and_its_own_code_with_it() -> None:
    task = {"name": "photos", "classes": 3}
    own = study([trial(0)], note=noted(task="folder:/my images@32", plugins=["/code/loss.py"]) | {"task": task})
    said = command(own, own.all[0])
    assert said is not None
    words = shlex.split(said.replace("\\\n", " "))
    assert words[3:5] == ["--task", "folder:/my images@32"]
    assert words[-2:] == ["--plugin", "/code/loss.py"]
    held = study([trial(0)], note=noted(task={"name": "gliders", "teacher": {"weights": "/mine.pth"}}))
    assert command(held, held.all[0]) is None, "by its name it would be another teacher's"


def test_a_method_with_a_number_that_json_lacks_and_hostile_text_stay_json() -> None:
    one = details.details(study([trial(0, method='{"a": NaN, "b": [Infinity]}')]))
    assert one["0"]["method"] == {"a": "NaN", "b": ["Infinity"]}
    for tables in (hostile(), ablations.hostile()):
        json.dumps(details.details(tables), allow_nan=False)
