"""Pools filled from the command line: here or under Ray, at once or after a kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.datasets.pools import Pool
from tests.cli.commands import dfkd, refused, sets
from tests.tiny import painter

SMALL: dict[str, Any] = {
    "source.timesteps": 2,
    "source.at_once": 2,
    "source.kept": 2,
    "source.parts": 1,
    "source.checkpointing": "false",
    "schedule.rehearse_every": 0,
    "source_loss.adversarial": "null",
}


def words(images: int, *more: Any) -> list[Any]:
    """Four images a trajectory."""
    changes = sets({**SMALL, "source.model": painter()})
    return ["synthesize", "diff_dfkd", "--images", images, "--threads", 1, *changes, *more]


def rows(folder: Path) -> Any:
    return Pool.open(folder).rows()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = dfkd(*words(24), cwd=folder)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert re.fullmatch(r"trajectory 1/6  straight-plain-2  4 images  \d+\.\d s", lines[0])
    assert re.fullmatch(r"trajectory 6/6  swept-plain-4  24 images  \d+\.\d s", lines[5])
    assert lines[6:] == ["the pool is pools/diff_dfkd-gliders"]
    return folder / "pools/diff_dfkd-gliders"


def test_what_is_there_is_not_made_again(undisturbed: Path) -> None:
    assert dfkd(*words(24), cwd=undisturbed.parents[1]).out == "the pool is pools/diff_dfkd-gliders\n"
    assert Pool.open(undisturbed).size == 24


def test_one_shard_of_several_can_be_made_alone(undisturbed: Path, tmp_path: Path) -> None:
    done = dfkd(*words(24, "--shards", "2/4", "--out", "two"), cwd=tmp_path)
    assert [line.split("  ")[:2] for line in done.out.splitlines()[:-1]] == [
        ["trajectory 1/2", "straight-plain-4"],
        ["trajectory 2/2", "swept-plain-4"],
    ]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["pool.json", "shard-2-of-4.arrows"]
    for index in (1, 3, 4):
        dfkd(*words(24, "--shards", f"{index}/4", "--out", "two"), cwd=tmp_path)
    assert rows(tmp_path / "two").equals(rows(undisturbed))


@pytest.mark.ray
def test_all_shards_at_once_under_ray(undisturbed: Path, tmp_path: Path) -> None:
    done = dfkd(*words(24, "--shards", 2), cwd=tmp_path)
    heard = "Ray listens on all interfaces "  # so it is where another test of this process has imported Ray before
    assert (done.code, [line for line in done.err.splitlines() if not line.startswith(heard)]) == (0, [])
    *shards, last = done.out.splitlines()
    assert sorted(shards) == [f"shard {index} of 2: made now 3 of 3 trajectories" for index in (1, 2)]
    assert last == "the pool is pools/diff_dfkd-gliders"
    assert rows(tmp_path / "pools/diff_dfkd-gliders").equals(rows(undisturbed))


def test_kill_9_leaves_no_gap_and_no_duplicate(undisturbed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dfkd_ray", *map(str, words(24))]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes) as child:
        assert child.stdout is not None
        for _ in range(2):
            assert child.stdout.readline().startswith("trajectory")
        child.send_signal(signal.SIGKILL)
    held = Pool.open(tmp_path / "pools/diff_dfkd-gliders").size
    assert 8 <= held < 24
    done = dfkd(*words(24), cwd=tmp_path)
    assert len(done.out.splitlines()) == 6 - held // 4 + 1
    assert rows(tmp_path / "pools/diff_dfkd-gliders").equals(rows(undisturbed))


def test_a_student_learns_from_the_pool_without_a_diffusion_model(undisturbed: Path, tmp_path: Path) -> None:
    tiny = {"schedule.epochs": 1, "schedule.student_steps": 1, "schedule.batch": 4, "source.held_out": 0}
    done = dfkd("distill", "diff_dfkd", "--pool", undisturbed, *sets(tiny), "--threads", 1, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[2].startswith("epoch 1/1")


def test_bad_input_is_one_line(undisturbed: Path, tmp_path: Path) -> None:
    said = refused(*words(24, "--shards", "5/4"), cwd=tmp_path)
    assert said == "--shards: expected a number of shards, or one of them such as 2/4, got '5/4'"
    assert refused(*words(24, "--shards", "0"), cwd=tmp_path).startswith("--shards: expected")
    said = refused("synthesize", "dfkd_fgvc", "--images", 4, cwd=tmp_path)
    assert said == "source: a pool on the disk is filled by the source diffusion; this is generator"
    said = refused("synthesize", "diff_dfkd", "--images", 4, "--set", "source.model=./none", cwd=tmp_path)
    assert said == "source.model: there is no folder ./none; `dfkd-ray teach-diffusion TASK` makes a small one"
    assert list(tmp_path.iterdir()) == []
    said = refused(*words(24, "--set", "source.lr=2.0", "--out", undisturbed), cwd=tmp_path)
    assert said == (
        f"{undisturbed} is a pool of another method (method.source.lr 1.0 there, 2.0 here): name another folder"
    )
