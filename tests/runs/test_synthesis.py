"""Filling a pool: every trajectory once, the same whoever makes it, and no other after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from dfkd_ray.datasets.pools import Pool
from dfkd_ray.methods import config
from dfkd_ray.runs import preparing
from dfkd_ray.runs.synthesis import Made, Synthesis, fingerprint
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import ConfigError, DataError
from tests.tiny import shrunk

QUICK: dict[str, Any] = {"source.timesteps": 2, "source.at_once": 2, "schedule.batch": 8, "schedule.rehearse_every": 0}
REHEARSING = {"schedule.rehearse_every": 1, "schedule.batch": 8, "schedule.student_steps": 2}


def what(folder: Path, images: int = 20, shards: int = 1, **changes: Any) -> Synthesis:
    """On gliders, with four images a trajectory and two trajectories a round."""
    method = shrunk("diff_dfkd", {**QUICK, **changes})
    work = preparing.prepare(method, "gliders", Options(threads=1))
    return Synthesis(work, str(folder), images, shards=shards)


def filled(made: Synthesis, most: int | None = None) -> list[Made]:
    """All shards, or `most` trajectories of the first one, and then it is left as a kill would leave it."""
    done: list[Made] = []
    for index in range(1, made.shards + 1):
        for one in made.fill(index):
            done.append(one)
            if len(done) == most:
                return done
    return done


def rows(folder: Path) -> pa.Table:
    return Pool.open(folder).rows()


def test_a_pool_is_made_of_trajectories_whose_classes_take_turns(tmp_path: Path) -> None:
    made = what(tmp_path / "pool", images=50)
    done = filled(made)
    assert [(one.trajectory, one.label, one.images) for one in done] == [(k, k % 12, 4 * (k + 1)) for k in range(13)]
    table = rows(tmp_path / "pool")
    assert table.column("trajectory").to_pylist() == [k for k in range(13) for _ in range(4)]
    assert table.column("label").to_pylist() == [k % 12 for k in range(13) for _ in range(4)]
    assert table.column("step").to_pylist() == [2, 2, 1, 1] * 13
    assert table.column("final").to_pylist() == [True, True, False, False] * 13
    assert table.column("latent").to_pylist() == [0, 1, 0, 1] * 13
    assert set(table.column("prompt").to_pylist()) == {"A realistic photo."}
    losses = [dict(pairs) for pairs in table.column("losses").to_pylist()]
    assert all(not each for each in losses[0::4])
    assert all({"onehot", "batchnorm", "adversarial", "total"} <= each.keys() for each in losses[2::4])
    card = Pool.open(tmp_path / "pool").card
    assert (card.task, card.image, card.pixels, card.per_trajectory) == ("gliders", (3, 32, 32), 32, 4)
    assert card.teacher.digest == made.work.teacher_digest


def test_what_is_there_is_not_made_again_and_more_may_be_asked_for(tmp_path: Path) -> None:
    filled(what(tmp_path / "pool", images=8))
    before = rows(tmp_path / "pool")
    assert filled(what(tmp_path / "pool", images=7)) == []
    assert [one.trajectory for one in filled(what(tmp_path / "pool", images=16))] == [2, 3]
    assert rows(tmp_path / "pool").slice(0, 8).equals(before)


def test_shards_make_the_same_images_as_one_process(tmp_path: Path) -> None:
    filled(what(tmp_path / "one"))
    filled(what(tmp_path / "three", shards=3))
    assert rows(tmp_path / "one").equals(rows(tmp_path / "three"))


@pytest.mark.parametrize("changes", [{}, REHEARSING], ids=["alone", "rehearsing"])
@pytest.mark.parametrize("killed_after", [1, 2, 4])
def test_a_shard_that_was_killed_ends_with_the_images_of_one_that_was_not(
    changes: dict[str, Any], killed_after: int, tmp_path: Path
) -> None:
    filled(what(tmp_path / "undisturbed", **changes))
    filled(what(tmp_path / "killed", **changes), most=killed_after)
    with (tmp_path / "killed/shard-1-of-1.arrows").open("ab") as file:
        file.write(b"\xff\xff\xff\xff half a trajectory")
    assert len(filled(what(tmp_path / "killed", **changes))) == 5 - killed_after
    assert rows(tmp_path / "killed").equals(rows(tmp_path / "undisturbed"))


def test_a_student_that_rehearses_decides_what_is_painted_and_can_be_taught_again(tmp_path: Path) -> None:
    filled(what(tmp_path / "alone"))
    filled(what(tmp_path / "rehearsing", **REHEARSING))
    alone, rehearsing = (rows(tmp_path / name) for name in ("alone", "rehearsing"))
    assert alone.slice(0, 8).equals(rehearsing.slice(0, 8)), "the first round meets a student that knows nothing"
    assert not alone.slice(8).equals(rehearsing.slice(8))
    filled(what(tmp_path / "lost", **REHEARSING), most=3)
    (tmp_path / "lost/shard-1-of-1.student.pt").unlink()
    filled(what(tmp_path / "lost", **REHEARSING))
    assert rows(tmp_path / "lost").equals(rehearsing)


def test_a_shard_that_was_removed_is_made_again_without_the_student_of_the_old_one(tmp_path: Path) -> None:
    filled(what(tmp_path / "pool", **REHEARSING))
    before = rows(tmp_path / "pool")
    assert filled(what(tmp_path / "pool", **REHEARSING)) == []
    (tmp_path / "pool/shard-1-of-1.arrows").unlink()
    filled(what(tmp_path / "pool", **REHEARSING))
    assert rows(tmp_path / "pool").equals(before)


def test_a_pool_of_something_else_is_left_alone(tmp_path: Path) -> None:
    filled(what(tmp_path / "pool", images=4))
    other = what(tmp_path / "pool", images=8, **{"source.guidance_scale": 5.0})
    with pytest.raises(DataError, match=r"is a pool of another method \(method.source.guidance_scale 3.0 there, 5.0 h"):
        filled(other)
    weights = {name: value + 1 if value.is_floating_point() else value for name, value in other.work.weights.items()}
    foreign = replace(what(tmp_path / "pool", images=8), work=replace(what(tmp_path).work, weights=weights))
    with pytest.raises(DataError, match=r"is a pool of another teacher \(teacher.digest"):
        filled(foreign)
    with pytest.raises(DataError, match="is a pool of another number of shards"):
        filled(what(tmp_path / "pool", images=8, shards=2))
    assert rows(tmp_path / "pool").num_rows == 4


def test_images_may_be_kept_larger_than_the_teacher_sees_them(tmp_path: Path) -> None:
    filled(replace(what(tmp_path / "pool", images=4), pixels=48, format="webp"))
    card = Pool.open(tmp_path / "pool").card
    assert (card.pixels, card.format) == (48, "webp")
    assert Pool.open(tmp_path / "pool").images().images.shape == (4, 3, 32, 32)


def test_what_decides_the_images_and_what_does_not() -> None:
    method, models = shrunk("diff_dfkd", QUICK), {"net": "a", "decoder": "b"}
    plain = fingerprint(method, models)

    def other(**changes: Any) -> bool:
        return fingerprint(config.change(method, changes), models) != plain

    for same in ({"source.checkpointing": True}, {"student_loss.kd.temperature": 4.0}, {"schedule.epochs": 9}):
        assert not other(**same)
    for decides in ({"source.lr": 2.0}, {"source_loss.onehot.weight": 2.0}, {"schedule.source_steps": 3}):
        assert other(**decides)
    assert fingerprint(method, {"net": "c", "decoder": "b"}) != plain
    assert other(**{"schedule.rehearse_every": 1}), "then the student takes part"


@pytest.mark.parametrize(("name", "called"), [("dfkd_fgvc", "generator"), ("noise_kd", "noise")])
def test_another_source_has_no_trajectories(name: str, called: str, tmp_path: Path) -> None:
    work = preparing.prepare(config.load(name), "gliders")
    with pytest.raises(
        ConfigError, match=f"^source: a pool on the disk is filled by the source diffusion; this is {called}$"
    ):
        Synthesis(work, str(tmp_path), 4)


def test_the_numbers_of_torch_do_not_matter(tmp_path: Path) -> None:
    filled(what(tmp_path / "one", images=4))
    torch.manual_seed(99)
    filled(what(tmp_path / "other", images=4))
    assert rows(tmp_path / "one").equals(rows(tmp_path / "other"))
