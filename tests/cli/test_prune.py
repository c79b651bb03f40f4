"""`pool prune`: a selection, and a student that sees it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets.pools import selection
from dfkd_ray.runs import pruning
from tests.cli.commands import dfkd, refused
from tests.cli.pooled import of_gliders
from tests.datasets.pools.made import trajectory

OWN = datasets.HERE / "gliders_resnet8.safetensors"


def test_a_pool_is_pruned_and_read_so(tmp_path: Path) -> None:
    pool = of_gliders(tmp_path / "pool")  # two finished images of each trajectory, two trajectories of each class
    done = dfkd("pool", "prune", pool.folder, "--keep", "0.5", "--by-class", "balanced")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"24 of 48 images kept by teacher_loss: {pool.folder / 'keep-teacher_loss-0.5.json'}",
        "a study reads them by source.keep: teacher_loss-0.5 and source.intermediate: false",
    ]
    found = selection.read(pool.folder, "teacher_loss-0.5")
    assert (len(found.rows), found.pool, found.intermediate) == (24, pool.digest, False)
    words = ["--score", "student_gradient", "--keep", "0.25", "--name", "hard", "--student", OWN]
    assert dfkd("pool", "prune", pool.folder, *words).out.startswith("12 of 48 images kept by student_gradient")
    assert "the score student_gradient needs" in refused("pool", "prune", pool.folder, *words[:4])
    source = f"source={{name: stored, folder: {pool.folder}, intermediate: false, keep: teacher_loss-0.5}}"
    short = ["--set", source, "--set", "schedule={epochs: 1, rounds: 1, student_steps: 2, batch: 4}"]
    assert dfkd("distill", "noise_kd", *short, "--out", tmp_path / "run").code == 0
    short[1] = source.replace("teacher_loss-0.5", "teacher_los")
    assert "has no selection 'teacher_los'" in refused("distill", "noise_kd", *short, "--out", tmp_path / "other")


def test_a_pool_that_grows_meanwhile_is_pruned_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, look = of_gliders(tmp_path / "pool", 12), pruning.look
    before = pool.digest

    def slow(*told: Any) -> pruning.Looked:
        with pool.shard(1, 2) as shard:
            shard.append(12, trajectory(pool.card, 12))
        return look(*told)

    monkeypatch.setattr(pruning, "look", slow)
    assert dfkd("pool", "prune", pool.folder, "--keep", "0.5").code == 0
    assert selection.read(pool.folder, "teacher_loss-0.5").pool == before != pool.digest


def test_a_student_of_a_task_that_is_not_shipped(tmp_path: Path) -> None:
    pool = of_gliders(tmp_path / "pool", 12, "planes")
    words = ["--score", "student_gradient", "--keep", "0.5", "--weights", OWN, "--student", OWN]
    assert dfkd("pool", "prune", pool.folder, *words).out.startswith("12 of 24 images kept by student_gradient")
    bare = tmp_path / "bare.safetensors"  # whose card says nothing
    bare.write_bytes(OWN.read_bytes())
    again = dfkd("pool", "prune", pool.folder, *words[:-1], bare, "--student-arch", "resnet8")
    assert (again.code, again.err) == (0, "")
