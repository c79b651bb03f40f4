"""`folder:PATH` where a task is named: a student is taught beside it, and judged on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dfkd_ray import datasets, nets
from tests.cli.commands import Done, dfkd, refused
from tests.datasets.trees import truncate, write_classes, write_image

SHORT = ["--set", "schedule={epochs: 1, rounds: 1, student_steps: 1, batch: 4}", "--set", "student.arch=resnet8"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `pets` of two classes, and a teacher of three, `t.safetensors`, with its card."""
    folder = tmp_path_factory.mktemp("folder")
    write_classes(folder / "pets" / "test", {"cat": 3, "dog": 2})
    torch.manual_seed(0)
    save_file(nets.build("resnet8", 3).state_dict(), folder / "t.safetensors")
    card = {"arch": "resnet8", "class_names": ["dog", "eel", "Cat"], "image": [3, 16, 16]}
    (folder / "t.json").write_text(json.dumps(card))
    return folder


def distill(place: Path, name: str, *words: str) -> Done:
    return dfkd("distill", "noise_kd", "--task", name, "--weights", "t.safetensors", *SHORT, *words, cwd=place)


def slug(place: Path) -> str:
    return datasets.load(f"folder:{place / 'pets'}").slug


@pytest.fixture(scope="module")
def run(place: Path) -> Done:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFKD_RAY_DATA", str(place / "data"))
        return distill(place, "folder:pets", "--cache", "memory")


def test_test_images_choose_nothing_and_are_looked_at_in_the_end(place: Path, run: Done) -> None:
    lines = run.out.splitlines()
    assert (run.code, run.err) == (0, "")
    assert lines[0].startswith("noise_kd on pets: resnet8 -> resnet8, 1 epoch, seed 0")
    assert lines[2] == "no images of pets to validate on: data-free metrics alone, and test accuracy at the end"
    assert "val " not in lines[3]
    warning = lines.pop(4)
    assert warning.startswith("warning: the synthetic images are degenerate (a teacher that is unsure of all): ")
    assert lines[4].startswith("test accuracy ")
    assert lines[4].endswith(" at the last epoch (seed 0; chance 33.3 %)")
    assert lines[5].endswith(f"reports/noise_kd-{slug(place)}-seed0/trials/0000")
    assert not (place / "data").exists(), "--cache memory writes nothing"


def test_a_run_is_judged_on_a_folder(place: Path, run: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(place / "data2"))
    write_classes(place / "others" / "test", {"Eel": 2, "DOG": 1})
    words = ["evaluate", f"reports/noise_kd-{slug(place)}-seed0", "--task", "folder:others", "--out", "e"]
    done = dfkd(*words, cwd=place)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("others, 3 images of split test: student resnet8 (student.safetensors), teacher resnet8")
    assert [path.name.partition("_16px")[0] for path in (place / "data2" / "cache").iterdir()] == ["others_test"]
    write_classes(place / "strangers", {"dog": 1, "newt": 1})
    assert "'newt' is no class of the " in refused(*words[:2], "--task", "folder:strangers", cwd=place)


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("folder:petz", [], "folder:petz: there is no folder petz; did you mean 'pets'?"),
        ("folder:pets@32", [], "but those of pets are (3, 32, 32)"),
        ("folder:eels", [], "eels: 'dogs' is no class of the teacher t.safetensors; did you mean 'dog'?"),
        ("folder:torn", ["--cache", "memory"], "1 of 2 files cannot be read as images:"),
    ],
)
def test_what_cannot_be_is_said_before_there_is_a_folder(place: Path, name: str, words: list[str], said: str) -> None:
    write_classes(place / "eels", {"eel": 1, "dogs": 1})
    write_classes(place / "torn" / "test", {"eel": 1, "dog": 1})
    truncate(write_image(place / "torn" / "test" / "eel" / "image_0001.jpg", (9, 99, 200), (400, 400)))
    arguments = ["--task", name, "--weights", "t.safetensors", *SHORT, *words, "--out", "none"]
    assert said in refused("distill", "noise_kd", *arguments, cwd=place)
    assert not (place / "none").exists()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders called photos, of other images."""
    place = tmp_path_factory.mktemp("sites")
    for site, start in (("siteA", 0), ("siteB", 60)):
        for which, count in (("train", 8), ("test", 4)):
            list(write_classes(place / site / "photos" / which, {"bobolink": count, "bunting": count}, start=start))
    return place


def test_two_folders_of_one_name_have_two_teachers_and_two_runs(sites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(sites / "data"))
    names = [f"folder:{site}/photos@16" for site in ("siteA", "siteB")]
    slugs = [datasets.load(f"folder:{sites}/{site}/photos").slug for site in ("siteA", "siteB")]
    for name, slug in zip(names, slugs):
        said = dfkd("teach", name, "--arch", "resnet8", "--epochs", "1", "--set", "recipe.batch=4", cwd=sites)
        assert said.out.splitlines()[-1].startswith(f"wrote teachers/{slug}_resnet8.safetensors and its card: ")
        words = ["distill", "noise_kd", "--task", name, "--teacher-arch", "resnet8", *SHORT]
        done = dfkd(*words, cwd=sites)
        assert (done.code, done.err) == (0, "")
        assert f"the teacher is {sites}/teachers/{slug}_resnet8.safetensors" in done.out
        assert f"are in reports/noise_kd-{slug}@16-seed0/trials/0000" in done.out
    assert len({path.name for path in (sites / "teachers").glob("*.safetensors")}) == 2


def test_after_new_photos_an_old_teacher_is_not_there_any_more(sites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(sites / "data"))
    words = ["teach", "folder:siteA/photos@16", "--arch", "resnet8", "--epochs", "1", "--set", "recipe.batch=4"]
    assert dfkd(*words, "--out", "t.safetensors", cwd=sites).out.splitlines()[-1].startswith("wrote t.safetensors")
    assert dfkd(*words, "--out", "t.safetensors", cwd=sites).out.startswith("t.safetensors is there: ")
    write_image(sites / "siteA" / "photos" / "train" / "bunting" / "new.jpg", 99)
    said = refused(*words, "--out", "t.safetensors", cwd=sites)
    assert said.startswith(
        f"t.safetensors was taught before the images of {sites}/siteA/photos changed (train: 14 files,"
    )
    assert said.endswith(": --fresh trains another in its place, --out writes elsewhere")
    assert dfkd(*words, "--out", "t.safetensors", "--fresh", cwd=sites).code == 0
