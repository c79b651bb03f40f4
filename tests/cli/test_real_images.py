"""Folders as people have them, and what the command line says of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from dfkd_ray import datasets, nets
from dfkd_ray.cli.real_images import kind_of_file
from dfkd_ray.util import tables
from tests.cli.commands import Done, dfkd, refused
from tests.datasets.trees import write_classes, write_image

TEACH = ("--arch", "resnet8", "--epochs", "1", "--set", "recipe.batch=8", "--threads", "1", "--cache", "memory")
SHORT = ("--set", "schedule={epochs: 1, rounds: 1, student_steps: 1, batch: 4}", "--threads", "1", "--cache", "memory")
NETS = ("--teacher-arch", "resnet8", "--student-arch", "resnet8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`birds`, class folders alone, with what lies about; and a teacher of them."""
    folder = tmp_path_factory.mktemp("birds")
    write_classes(folder / "birds", {"jay": 10, "wren": 10})
    write_image(folder / "birds" / "__MACOSX" / "._1.jpg")
    write_image(folder / "birds" / "stray.jpg")
    return folder


@pytest.fixture(scope="module")
def taught(place: Path) -> Done:
    return dfkd("teach", "folder:birds@16", *TEACH, cwd=place)


def distill(place: Path, *words: str) -> tuple[str, ...]:
    return ("distill", "noise_kd", "--task", "folder:birds@16", *SHORT, *words)


def test_a_folder_of_class_folders_teaches(place: Path, taught: Done) -> None:
    lines = taught.out.splitlines()
    assert lines[0] == "birds has no splits of its own: it is split 80/10/10 by class, into train, val and test"
    assert lines[1] == "not used: 1 image in no split; __MACOSX (`dfkd-ray data verify folder:birds@16` names them)"
    assert "accuracy train " in lines[-1]
    (card,) = (json.loads(path.read_text()) for path in (place / "teachers").glob("*.json"))
    assert {which: found["files"] for which, found in card["images"].items()} == {"train": 16, "val": 2, "test": 2}
    assert card["split"] == "80/10/10"


def test_verify_agrees_with_teach(place: Path) -> None:
    done = dfkd("data", "verify", "folder:birds@16", cwd=place)
    rows = [line.split() for line in done.out.splitlines()]
    assert [row[:2] for row in rows[2:5]] == [["train", "16"], ["val", "2"], ["test", "2"]]
    assert [" ".join(row) for row in rows[5:]] == [
        "in no split, and not used: 1",
        "stray.jpg",
        "skipped: 1",
        "__MACOSX",
        "not whole: see above",
    ]
    assert done.code == 1


def test_the_split_is_one_for_teach_distill_and_evaluate(place: Path, taught: Done) -> None:
    assert dfkd(*distill(place, *NETS, "--out", "r"), cwd=place).code == 0
    done = dfkd("evaluate", "r", "--out", "e", cwd=place)
    assert done.out.startswith("birds, 2 images of split test by 80/10/10: student resnet8")
    done = dfkd("evaluate", "r", "--split", "0/0/100", "--out", "e", cwd=place)
    assert done.out.startswith("birds, 20 images of split test by 0/0/100: student resnet8")
    assert tables.metadata(tables.read(place / "e" / "evaluation.arrow"))["drawn_by"] == "0/0/100"
    assert "got 'testing'" in dfkd("evaluate", "r", "--split", "testing", "--out", "e", cwd=place).err


def test_another_split_takes_no_teacher_of_this_one_and_resumes_no_run(place: Path, taught: Done) -> None:
    other = ("--split", "60/20/20")
    done = dfkd(*distill(place, *NETS, *other, "--out", "none"), cwd=place)
    assert done.code == 2
    there = next((place / "teachers").glob("*.safetensors"))
    beside = there.with_stem(f"{there.stem}_2").relative_to(place)
    train = f"`dfkd-ray teach folder:birds@16 --split 60/20/20 --arch resnet8 --out {beside}`"
    assert f"by the split 80/10/10, not by 60/20/20; {train} trains one" in done.err
    weights = ("--weights", str(there))
    done = dfkd(*distill(place, *NETS, *other, *weights, "--out", "s"), cwd=place)
    assert "was taught by the split 80/10/10, not by 60/20/20: --split 80/10/10 takes the same images" in done.err
    said = dfkd(*distill(place, *NETS, "--split", "60/20/20:1", *weights, "--out", "s"), cwd=place).err
    assert 'split "60/20/20" there, "60/20/20:1" here' in said
    assert "the images to test on: " in said
    done = dfkd("teach", "folder:birds@16", *TEACH, *other, cwd=place)
    assert "by the split 80/10/10, not by 60/20/20: --fresh trains another in its place" in done.err


def test_the_way_from_a_net_without_a_teacher(place: Path, taught: Done) -> None:
    assert refused(*distill(place), cwd=place) == (
        "no teacher of cifar_resnet34 for birds here; there is resnet8: --teacher-arch resnet8, or teach one: "
        "dfkd-ray teach folder:birds@16 --arch cifar_resnet34"
    )


def test_damaged_files_are_left_out_and_named(place: Path) -> None:
    write_classes(place / "torn", {"jay": 10, "wren": 10})
    for path in (place / "torn" / "jay").iterdir():
        path.write_bytes(path.read_bytes()[:300] if path.stem.endswith(("1", "2", "3")) else path.read_bytes())
    done = dfkd("teach", "folder:torn@16", *TEACH, cwd=place)
    assert "or skip_damaged in a task file, goes on without them" in done.err
    done = dfkd("teach", "folder:torn@16", *TEACH, "--skip-damaged", "3", cwd=place)
    assert done.code == 0
    assert done.err.count("image_0001.jpg") + done.err.count("image_0002.jpg") + done.err.count("image_0003.jpg") == 3


def test_shares_are_for_folders(place: Path) -> None:
    done = dfkd("data", "verify", "gliders", "--split", "80/10/10")
    assert done.code == 2
    assert "gliders" in done.err
    assert "is neither" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("study: s\nmethod: mhad\n", "study"),
        ("of: cifar10\nfirst: 2\n", "task"),
        ("name: x\nreader: none\n", "task"),
        ("teacher: {}\n", "method"),
        ("- 1\n", "method"),
    ],
)
def test_what_a_file_says(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert kind_of_file(str(tmp_path / "mine.yaml")) == kind
    assert kind_of_file("cifar10") is None


def test_show_knows_a_task_from_a_method(tmp_path: Path) -> None:
    (tmp_path / "ten.yaml").write_text("of: cub200\nfirst: 10\n")
    assert dfkd("show", "ten.yaml", cwd=tmp_path).out.startswith("name: ten\nreader: cub200\nclasses:")
    (tmp_path / "wide.yaml").write_text(datasets_of("gliders"))
    images, labels = np.zeros((4, 32, 32, 3), np.uint8), np.arange(4)[:, None]
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    words = ("show", "wide.yaml", "--grid", "--data", "x.npz")
    assert dfkd(*words, cwd=tmp_path).out == "wrote gliders.png\n"


def datasets_of(name: str) -> str:
    return dfkd("show", name).out


def test_a_subset_is_distilled_and_evaluated(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("of: cifar10\nclasses: [dog, cat]\nhold_out: {test: 0.5}\n")
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8), np.arange(40)[:, None] % 10
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    save_file(nets.build("resnet8", 2).state_dict(), tmp_path / "t.safetensors")
    words = ("--task", "two.yaml", "--weights", "t.safetensors", "--data", "x.npz", *NETS, *SHORT)
    done = dfkd("distill", "noise_kd", *words, "--out", "r", cwd=tmp_path)
    assert done.code == 0, done.err
    done = dfkd("evaluate", "r", "--out", "e", cwd=tmp_path)
    assert done.out.startswith("two, 4 images of split test: student resnet8"), done.err
    assert datasets.load(str(tmp_path / "two.yaml")).classes == ("dog", "cat")
