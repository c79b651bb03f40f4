"""`teach-diffusion`: what it says, what it leaves, what it refuses."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.teachers.diffusion_course import DiffusionCourse
from tests.cli.commands import Done, dfkd, refused, sets

TINY = {"recipe.images": 16, "recipe.coder_batch": 8, "recipe.batch": 8}


def teach_diffusion(squares: Path, folder: Path, *words: Any) -> Done:
    task = (squares / "squares.yaml", "--data", squares / "squares.npz", "--device", "cpu")
    return dfkd("teach-diffusion", *task, *sets(TINY), "--epochs", 1, *words, cwd=folder)


def test_it_tells_of_each_epoch_and_writes_where_it_says(squares: Path, tmp_path: Path, capfd: Any) -> None:
    done = teach_diffusion(squares, tmp_path)
    assert (done.code, done.err) == (0, "")
    coder, net, wrote = done.out.splitlines()
    assert coder.startswith("auto-encoder  epoch 1/1  loss ")
    assert net.startswith("U-Net         epoch 1/1  loss ")
    folder = tmp_path / "diffusion" / "squares"
    card = json.loads((folder / "card.json").read_text())
    count = sum(card["parameters"].values())
    assert wrote.startswith(f"wrote diffusion/squares: {count:,} parameters, trained on images of squares, ")
    assert card["recipe"]["epochs"] == 1
    assert (folder / "model_index.json").is_file()
    again = teach_diffusion(squares, tmp_path)
    assert again.out == wrote.replace("wrote diffusion/squares", "diffusion/squares is there") + "\n"
    assert capfd.readouterr() == ("", ""), "the libraries are silent"
    said = teach_diffusion(squares, tmp_path, "--seed", 1)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: diffusion/squares is another pipeline (seed 0 there, 1 here): --fresh trains")


def test_ctrl_c_says_how_to_go_on(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        train = DiffusionCourse.train_epoch

        def interrupting(course: DiffusionCourse, *arguments: Any) -> float:
            if course.epochs:
                signal.raise_signal(signal.SIGINT)
            return train(course, *arguments)

        patch.setattr(DiffusionCourse, "train_epoch", interrupting)
        done = teach_diffusion(squares, tmp_path, "--fresh", "--out", "mine")
    assert done.code == 130
    assert done.err.startswith("interrupted; resume with: dfkd-ray teach-diffusion ")
    assert "--out mine" in done.err
    assert "--fresh" not in done.err
    done = teach_diffusion(squares, tmp_path, "--out", "mine")
    assert (done.code, done.out.splitlines()[-1][:11]) == (0, "wrote mine:")


def test_what_is_refused(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = squares / "squares.yaml"
    assert "did you mean 'gliders'" in refused("teach-diffusion", "glider", cwd=tmp_path)
    said = refused("teach-diffusion", task, "--set", "recipe.epoch=3", cwd=tmp_path)
    assert said.startswith("--set: no such path 'recipe.epoch'; did you mean 'recipe.epochs'?")
    assert refused("teach-diffusion", task, "--epochs", 0, cwd=tmp_path) == "recipe: epochs must be > 0, got 0"
    assert "named and dropped" in refused("teach-diffusion", task, "--set", "recipe.named=1", cwd=tmp_path)
    (tmp_path / "small.yaml").write_text(task.read_text().replace("[1, 16, 16]", "[1, 8, 8]"))
    said = refused("teach-diffusion", "small.yaml", cwd=tmp_path)
    assert said == (
        "image: a small pipeline paints square ones of 16 to 64 pixels, a multiple of 8; the task's are 8x8"
    )
    monkeypatch.setitem(sys.modules, "diffusers", None)
    said = refused("teach-diffusion", task, cwd=tmp_path)
    assert said.startswith("training a diffusion model needs diffusers, which is not installed: pip install")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml"]
