"""`teach_diffusion`: the folder and its card, what goes on after a kill, what is refused before anything is lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfkd_ray.datasets import Task, TeacherRef
from dfkd_ray.nets.pipelines.library import libraries, quiet
from dfkd_ray.nets.pipelines.small import PipelineSizes
from dfkd_ray.teachers.diffusion_course import DiffusionEpoch, DiffusionRecipe
from dfkd_ray.teachers.teach_diffusion import teach_diffusion
from dfkd_ray.util.errors import ConfigError, DataError, MissingExtra
from dfkd_ray.util.progress import displayed

TINY: dict[str, Any] = {
    "recipe": DiffusionRecipe(images=16, coder_batch=8, batch=8, epochs=2),
    "small": PipelineSizes(coder=(8, 8), latent=2, net=(8,), width=8, depth=1, heads=2),
}
GREY = Task("small", "npz", ("left", "right"), (1, 16, 16), (0.5,), (0.2,), TeacherRef("resnet8"), "resnet8")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, labels = np.random.default_rng(0), np.arange(24) % 2
    path = tmp_path_factory.mktemp("data") / "data.npz"
    images = rng.integers(0, 256, (24, 16, 16), dtype=np.uint8)
    np.savez(path, train_images=images, train_labels=labels, val_images=images[:2], val_labels=labels[:2])
    return path


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was trained once for all that only look at it."""
    out = tmp_path_factory.mktemp("made") / "small"
    teach_diffusion(GREY, out=out, data=data, **TINY)
    return out


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def sums(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.safetensors"))
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@contextmanager
def told_to(tell: Callable[[int], None]) -> Iterator[None]:
    @contextmanager
    def display(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        yield tell

    with displayed(display):
        yield


def test_a_folder_that_diffusers_opens_and_its_card(made: Path) -> None:
    assert names(made.parent) == ["small"], "nothing beside it stays"
    card = json.loads((made / "card.json").read_text())
    assert (card["task"], card["seed"], card["image"]) == ("small", 0, [1, 16, 16])
    assert card["recipe"]["images"] == 16
    assert card["sizes"]["net"] == [8]
    assert "no run with this pipeline is data-free" in card["trained_on"]
    assert [(part, number) for part, number, _ in card["losses"]] == [("auto-encoder", 1), ("U-Net", 1), ("U-Net", 2)]
    assert len(card["sha256"]) == 3
    assert card["sha256"] == sums(made)
    assert {"dfkd_ray", "torch", "python", "diffusers", "transformers"} == card["versions"].keys()
    diffusers, _ = libraries("a test")
    with quiet():
        pipe = diffusers.DiffusionPipeline.from_pretrained(made)
    assert type(pipe) is diffusers.StableDiffusionPipeline
    assert pipe.vae.config.scaling_factor != 0.18215
    counted = sum(w.numel() for name in ("vae", "unet", "text_encoder") for w in getattr(pipe, name).parameters())
    assert sum(card["parameters"].values()) == counted
    untrained = TINY["small"].text_to_image(GREY.image, TINY["recipe"].captions(GREY.classes))
    assert untrained.tokenizer.get_vocab() == pipe.tokenizer.get_vocab()


def test_the_same_call_finds_it_there(made: Path, data: Path) -> None:
    told: list[DiffusionEpoch] = []
    card = teach_diffusion(GREY, out=made, data=data, report=told.append, **TINY)
    assert (told, card) == ([], json.loads((made / "card.json").read_text()))
    with pytest.raises(DataError, match=r"small is another pipeline \(seed 0 there, 1 here\): --fresh trains another"):
        teach_diffusion(GREY, 1, out=made, data=data, **TINY)
    longer = {**TINY, "recipe": replace(TINY["recipe"], epochs=3)}
    with pytest.raises(DataError, match=r"recipe.epochs 2 there, 3 here"):
        teach_diffusion(GREY, out=made, data=data, **longer)


def test_a_damaged_one_is_told_and_can_be_replaced(made: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(made, out)
    weights = out / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"model.safetensors: its sha256 is not that of the card: damaged; --fresh"):
        teach_diffusion(GREY, out=out, data=data, **TINY)
    (out / "card.json").write_text("[]")
    with pytest.raises(DataError, match=r"card.json: cannot be read"):
        teach_diffusion(GREY, out=out, data=data, **TINY)
    teach_diffusion(GREY, out=out, data=data, fresh=True, **TINY)
    assert sums(out) == sums(made)


def test_a_killed_training_goes_on_to_the_same_bits(made: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    steps: list[int] = []

    def killing(done: int) -> None:
        steps.append(done)
        if done == 5:  # the first step of the last epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), told_to(killing):
        teach_diffusion(GREY, out=out, data=data, **TINY)
    assert names(tmp_path) == ["small.checkpoint", "small_before.checkpoint"]
    with pytest.raises(DataError, match="a checkpoint of another training"):
        teach_diffusion(GREY, 1, out=out, data=data, **TINY)
    told: list[DiffusionEpoch] = []
    with told_to(steps.append):
        teach_diffusion(GREY, out=out, data=data, report=told.append, **TINY)
    assert steps == [1, 2, 3, 4, 5, 5, 6]
    assert [(epoch.part, epoch.epoch) for epoch in told] == [("auto-encoder", 1), ("U-Net", 1), ("U-Net", 2)]
    assert sums(out) == sums(made)
    assert names(tmp_path) == ["small"]


def test_a_kill_while_it_is_written_leaves_the_checkpoint(
    made: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, replaced = tmp_path / "small", os.replace

    def killed(beside: Path, target: Path) -> None:
        if target == out:
            raise KeyboardInterrupt
        replaced(beside, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            teach_diffusion(GREY, out=out, data=data, **TINY)
    assert names(tmp_path) == ["small.checkpoint", "small_before.checkpoint"]
    (tmp_path / ".small.123" / "vae").mkdir(parents=True)  # as kill -9 leaves it
    steps: list[int] = []
    with told_to(steps.append):
        teach_diffusion(GREY, out=out, data=data, **TINY)
    assert steps == [], "all that was left to do is to write"
    assert sums(out) == sums(made)
    assert names(tmp_path) == ["small"]


def test_nobody_elses_folder_is_replaced(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    (tmp_path / "file").write_text("")
    for out, said in {
        "mine": "is there, and was not made by `teach-diffusion`: --out writes elsewhere",
        "file": "is there, and was not made",
        "file/small": "the pipeline cannot be written",
    }.items():
        with pytest.raises(DataError, match=said):
            teach_diffusion(GREY, out=tmp_path / out, data=data, fresh=True, **TINY)
    assert names(tmp_path / "mine") == ["thesis.txt"]
    with pytest.raises(DataError, match="name the folder that is to be made"):
        teach_diffusion(GREY, out=Path(), data=data, **TINY)


def test_what_does_not_fit_and_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"square ones of 16 to 64 pixels.*; the task's are 8x8"):
        teach_diffusion(replace(GREY, image=(1, 8, 8)), out=tmp_path / "a")
    with pytest.raises(DataError, match=r"this task reads an \.npz"):
        teach_diffusion(GREY, out=tmp_path / "a", data=tmp_path, **TINY)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtra, match=r"training a diffusion model needs diffusers, .*dfkd-ray\[diffusion\]"):
        teach_diffusion(GREY, out=tmp_path / "a")
    assert names(tmp_path) == []


def test_torchs_own_generator_plays_no_part_and_is_left_alone(made: Path, data: Path, tmp_path: Path) -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    teach_diffusion(GREY, out=tmp_path / "a", data=data, **TINY)
    assert torch.equal(before, torch.get_rng_state())
    assert sums(tmp_path / "a") == sums(made)
