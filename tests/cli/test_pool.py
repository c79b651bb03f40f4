"""Pools of images: listed, checked, looked at, learned from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dfkd_ray import datasets, nets, teachers
from dfkd_ray.datasets.pools import Pool, TeacherFacts
from dfkd_ray.methods import config
from dfkd_ray.nets.digest import digest
from dfkd_ray.runs import distillation
from dfkd_ray.teachers.teach import write_weights
from dfkd_ray.teachers.weights import network_facts
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import tables
from tests.cli.commands import TINY, dfkd, refused, sets
from tests.cli.pooled import of_gliders
from tests.datasets.pools.made import CARD, changed, fill, rewrite

TASK = datasets.load("gliders")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return of_gliders(tmp_path_factory.mktemp("pools") / "gliders")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The weights of another teacher of gliders, and their digest."""
    path = tmp_path_factory.mktemp("teachers") / "other.safetensors"
    net = nets.build("resnet8", 12)
    save_file(net.state_dict(), path)
    return path, digest(net.state_dict())


def foreign(pool: Pool, other: tuple[Path, str]) -> str:
    made = f"gliders, made from the teacher resnet8 with the weights {pool.card.teacher.digest}"
    return f"{pool.folder} is a pool for {made}; those here are {other[1]}"


# ---- ls


def test_a_row_a_pool_and_what_is_wrong_below(pool: Pool, tmp_path: Path) -> None:
    folder = tmp_path / "pools"
    of_gliders(folder / "b", 13)
    behind = fill(folder / "c", 9, only=[1])
    (folder / "a").mkdir()
    (folder / "a" / "pool.json").write_text("{")
    done = dfkd("pool", "ls", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    head, a, b, c, wrong = done.out.splitlines()
    assert head.split() == ["folder", "task", "teacher", "source", "images", "trajectories", "classes", "shards"]
    assert a.split() == ["pools/a", *["–"] * 7]
    assert b.split("  ")[0] == "pools/b"
    cells = [cell.strip() for cell in b.split("  ") if cell.strip()]
    assert cells == ["pools/b", "gliders", "resnet8", "noise", "52", "13", "12 of 12", "2 of 2"]
    cells = [cell.strip() for cell in c.split("  ") if cell.strip()]
    assert cells == ["pools/c", "shapes", "toy", "diffusion", "20", "5", "5 of 5", "1 of 2"]
    assert wrong.startswith("pools/a/pool.json: the card of the pool is damaged: ")
    alone = dfkd("pool", "ls", behind.folder).out.splitlines()
    assert [line.split()[0] for line in alone] == ["folder", str(behind.folder)]


def test_no_pools(tmp_path: Path) -> None:
    assert dfkd("pool", "ls", cwd=tmp_path).out == "no pools in pools; `dfkd-ray synthesize METHOD` makes one\n"
    assert refused("pool", "ls", tmp_path / "none") == f"{tmp_path / 'none'}: there is no such folder"


# ---- verify


def test_a_whole_pool_and_what_its_teacher_sees(pool: Pool) -> None:
    done = dfkd("pool", "verify", pool.folder)
    assert (done.code, done.err) == (0, "")
    first, counts, head, *rows, last = done.out.splitlines()
    assert first == f"{pool.folder}: 96 images in 24 trajectories, digest {pool.digest}"
    assert counts == f"8 images a class: {', '.join(TASK.classes[:8])} and 4 more"
    assert head.split("  ")[0] == "the teacher sees"
    assert last == "whole: every image can be read"
    images, labels, _, final = pool.images()
    with torch.no_grad():
        scores = teachers.teacher(TASK)(datasets.normalise(TASK, images)).softmax(1)
    for line, (name, chosen) in zip(rows, {"final": final, "intermediate": ~final}.items(), strict=True):
        right = (scores.argmax(1) == labels)[chosen].float().mean()
        confidence = scores.max(1).values[chosen].mean()
        assert line.split() == [name, "48", f"{100 * right:.1f}", "%", f"{confidence:.3f}"]
    assert float(rows[0].split()[2]) > float(rows[1].split()[2]), "noise hides a class"


def test_the_teacher_in_a_file_of_its_own(pool: Pool, other: tuple[Path, str], tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    save_file(teachers.teacher(TASK).state_dict(), own)
    assert dfkd("pool", "verify", pool.folder, "--weights", own).code == 0
    assert refused("pool", "verify", pool.folder, "--weights", other[0]) == foreign(pool, other)
    assert refused("pool", "verify", pool.folder, "--task", "digits") == (
        f"{pool.folder} is a pool for gliders: images (channels, height, width) (3, 32, 32) there, (1, 32, 32) here"
    )


def test_of_several_teachers_of_a_task_that_one_is_asked_which_made_the_pool(tmp_path: Path) -> None:
    net, file = nets.build("resnet8", 12), tmp_path / "teachers" / "own.safetensors"
    file.parent.mkdir()
    write_weights(net, {**network_facts(TASK, "resnet8", False), "classes": 12}, file)
    of = {name: getattr(TASK, name) for name in ("classes", "image", "mean", "std")}
    card = replace(CARD, task="gliders", teacher=TeacherFacts("resnet8", digest(net.state_dict())), pixels=32, **of)
    pool = fill(tmp_path / "pool", 2, card)
    done = dfkd("pool", "verify", pool.folder, cwd=tmp_path)
    assert (done.code, done.err, "the teacher sees" in done.out) == (0, "", True)


def test_a_pool_of_a_task_that_is_not_shipped(tmp_path: Path) -> None:
    weights = tmp_path / "toy.safetensors"
    own = of_gliders(tmp_path / "pool", 12, "planes")
    done = dfkd("pool", "verify", own.folder, cwd=tmp_path)
    assert done.code == 0
    assert done.out.splitlines()[-2:] == [
        "no teacher of planes here, so nobody says what is in these images (--weights)",
        "whole: every image can be read",
    ]
    save_file(teachers.teacher(TASK).state_dict(), weights)
    known = dfkd("pool", "verify", own.folder, "--weights", weights)
    assert known.code == 0
    assert "the teacher sees" in known.out


def test_a_broken_pool_ends_with_exit_code_2(tmp_path: Path) -> None:
    pool = of_gliders(tmp_path, 24)
    first, *rest = pool.held(1).batches
    images = first.column("image").to_pylist()
    rewrite(pool.path(1), [changed(first, image=[images[0][:50], images[2], *images[2:]]), *rest[1:]])
    done = dfkd("pool", "verify", pool.folder)
    assert (done.code, done.err) == (2, "")
    name = "shard-1-of-2.arrows"
    *_, twice, gap, damaged, last = done.out.splitlines()
    assert twice == f"{name}: trajectory 0: image 2 is the same as image 1 of trajectory 0"
    assert gap == f"{name}: not there, but later ones: trajectory 2"
    assert damaged.startswith(f"{name}: trajectory 0: image 0 cannot be decoded: ")
    assert last == "broken: remove a shard that is, and make it again"
    assert "the teacher sees" not in done.out


def test_of_many_mistakes_a_few_are_shown(tmp_path: Path) -> None:
    pool = of_gliders(tmp_path, 24)
    rewrite(pool.path(1), [batch.slice(0, 1) for batch in pool.held(1).batches])
    lines = dfkd("pool", "verify", pool.folder).out.splitlines()
    assert lines[-2] == "and 2 more (--list names them)"
    assert len(dfkd("pool", "verify", pool.folder, "--list").out.splitlines()) == len(lines) + 1


def test_no_pool_there(pool: Pool) -> None:
    for words in (["verify"], ["sample", "--out", "x.png"]):
        said = refused("pool", words[0], pool.folder.with_name("glider"), *words[1:])
        assert said.endswith("glider: there is no pool; did you mean 'gliders'? (known: gliders)")


# ---- sample


@pytest.mark.parametrize(
    ("words", "cells"),
    [
        ([], (8, 12)),
        (["--rows", 3, "--columns", 5], (5, 3)),
        (["--rows", 99], (8, 12)),
        (["--label", TASK.classes[1]], (8, 4)),
        (["--label", TASK.classes[1], "--rows", 1, "--columns", 2, "--intermediate"], (2, 1)),
    ],
)
def test_a_picture_of_a_pool(words: list[Any], cells: tuple[int, int], pool: Pool, tmp_path: Path) -> None:
    out = tmp_path / "new" / "sheet.png"
    done = dfkd("pool", "sample", pool.folder, "--out", out, *words)
    assert (done.code, done.out) == (0, f"wrote {out}\n")
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.size == tuple(68 * count for count in cells)


def test_its_cells_are_the_images_of_the_classes_in_turn(pool: Pool, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    dfkd("pool", "sample", pool.folder, "--out", out, "--columns", 5)
    images = pool.images(intermediate=False)
    with Image.open(out) as picture:
        sheet = torch.tensor(list(picture.tobytes()), dtype=torch.uint8).view(12, 68, 5, 68, 3)
    for row in (0, 7):
        of_class = images.images[images.labels == row]
        assert len(of_class) == 4
        for column in range(4):
            cell = sheet[row, 2:66, column, 2:66].permute(2, 0, 1)
            assert torch.equal(cell[:, ::2, ::2], of_class[column])
        assert (sheet[row, :, 4] == 255).all(), "there is no fifth image"


def test_a_webp_and_nothing_else(pool: Pool, tmp_path: Path) -> None:
    out = tmp_path / "sheet.webp"
    dfkd("pool", "sample", pool.folder, "--out", out)
    with Image.open(out) as picture:
        assert picture.format == "WEBP"
    done = dfkd("pool", "sample", pool.folder, "--out", tmp_path / "sheet.gif")
    assert done.code == 2
    assert "--out must end in .webp or .png" in done.err
    said = refused("pool", "sample", pool.folder, "--out", out, "--label", "swept-v-3")
    assert said.startswith(f"{pool.folder} has no class 'swept-v-3'; did you mean 'swept-v-")


# ---- distill --pool


SHORT = sets({k: v for k, v in TINY.items() if k.startswith("schedule")})


def test_a_student_learns_from_a_pool(pool: Pool, tmp_path: Path) -> None:
    words = ["distill", "cmi", *SHORT, "--pool", pool.folder, "--out", tmp_path / "run"]
    done = dfkd(*words)
    assert (done.code, done.err) == (0, "")
    method = json.loads((tmp_path / "run" / "trials" / "0000" / "run.json").read_text())["method"]
    assert method["source"] == {
        "name": "stored",
        "folder": str(pool.folder.resolve()),
        "digest": pool.digest,
        "keep": None,
        "intermediate": True,
        "per_class": None,
        "held_out": 0.1,
    }
    assert (method["source_loss"], method["memory"]) == ({}, {"name": "fresh", "reuse": 1, "clean": None})
    plan = {name: method["schedule"][name] for name in ("warmup", "rehearse_every", "source_epochs", "epochs")}
    assert plan == {"warmup": 0, "rehearse_every": 0, "source_epochs": None, "epochs": 2}
    final = dict(tables.read(tmp_path / "run" / "trials.arrow").to_pylist()[0]["final"])
    assert (final["updates/source"], final["updates/student"]) == (0.0, 4.0)
    told = {row["metric"] for row in tables.read(tmp_path / "run" / "steps.arrow").to_pylist()}
    assert "loss/source/total" not in told
    again = dfkd(*words)
    assert "holds this run already" in again.out


def test_the_student_has_the_epochs_after_the_warm_up_and_what_is_set_comes_last(pool: Pool, tmp_path: Path) -> None:
    full = config.load("cmi").schedule
    assert full.warmup > 0
    tiny = {"schedule.rounds": 1, "schedule.student_steps": 1, "schedule.batch": 4, "source.per_class": 4}
    with pytest.MonkeyPatch.context() as patch:  # no row: the run is not what this is about
        patch.setattr(distillation.Distillation, "epochs", lambda self, job: (_ for _ in ()))
        assert dfkd("distill", "cmi", *sets(tiny), "--pool", pool.folder, "--out", tmp_path / "run").code == 3
    history = History(read_records(tmp_path / "run" / NAME)[0])
    method = config.plain(config.change(config.parse(history.methods["cmi"]), history.study.fixed))
    assert method["schedule"]["epochs"] == full.epochs - full.warmup
    assert method["source"]["per_class"] == 4


def test_the_pool_of_another_teacher_or_task_is_refused_before_there_is_a_folder(
    pool: Pool, other: tuple[Path, str], tmp_path: Path
) -> None:
    words = ["distill", "noise_kd", "--pool", pool.folder, "--out", tmp_path / "run"]
    assert refused(*words, "--task", "gliders", "--weights", other[0]) == f"source.folder: {foreign(pool, other)}"
    shapes = fill(tmp_path / "shapes", 3)
    assert refused("distill", "noise_kd", "--pool", shapes.folder, "--out", tmp_path / "run") == (
        f"source.folder: {shapes.folder} is a pool for shapes: images (channels, height, width) {CARD.image} there, "
        f"(3, 32, 32) here"
    )
    assert refused(*words, "--set", "source=noise") == "--set: source is given twice: --pool says it too"
    assert refused("distill", "noise_kd", "--pool", tmp_path / "shaps").endswith(
        "there is no pool; did you mean 'shapes'? (known: shapes)"
    )
    assert not (tmp_path / "run").exists()
