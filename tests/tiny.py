"""Small networks and runs for the tests of what teaches."""

from __future__ import annotations

import atexit
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.nets import Taps, attach_taps
from dfkd_ray.nets.pipelines.library import quiet
from dfkd_ray.train.loop import Epoch, distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime

IMAGE, CLASSES, NAMES = (3, 16, 16), 5, ("a", "b", "c", "d", "e")
CPU = torch.device("cpu")


class Toy(nn.Module):
    """Two stages, BatchNorm, dropout and a linear head; counts its forward passes and whether it was training."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU()
        )
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(2 * width, CLASSES)
        self.passes: list[bool] = []
        attach_taps(self, Taps(("first", "second"), head="head"))

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append(self.training)
        return self.head(self.dropout(self.second(self.first(x)).mean((2, 3))))


def toy(seed: int, width: int = 8, dropout: float = 0.0) -> Toy:
    """A toy net whose running statistics are not those of a fresh layer."""
    torch.manual_seed(seed)
    net = Toy(width, dropout)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    with torch.no_grad():
        net.head.weight.mul_(4)
    return net


SMALL: dict[str, Any] = {
    "source": {
        "name": "generator",
        "latent": 8,
        "width": 4,
        "attention": {"reduction": 2, "softmax": "spatial_rescaled"},
        "optimizer": {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.99]},
    },
    "student_loss.semantic_contrast.dim": 8,
    "schedule": {"epochs": 3, "rounds": 2, "source_steps": 2, "student_steps": 2, "batch": 4},
}


def small(changes: Mapping[str, Any] | None = None, name: str = "dfkd_fgvc") -> Method:
    """A shipped method at the size of a toy."""
    fit = SMALL if name == "dfkd_fgvc" else {"schedule": SMALL["schedule"]}
    return config.change(config.load(name), {**fit, **(changes or {})})


SIZES: dict[str, Any] = {  # what a field of this name becomes at the size of a toy, where it is larger
    "latent": 8,
    "width": 4,
    "doublings": 2,
    "dim": 8,
    "hidden": 8,
    "capacity": 24,
    "bank": 24,
    "negatives": 6,
    "collect": 12,
    "prototypes": 3,
    "padding": 2,
    "epochs": 3,
    "rounds": 2,
    "source_steps": 2,
    "student_steps": 2,
    "batch": 8,
    "warmup": 1,
    "source_epochs": 2,
    "start": 0,
    "ramp": 2,
    "timesteps": 3,
    "parts": 2,
    "kept": 2,
    "at_once": 4,
    "first": 12,
}


def shrunk(name: str, changes: Mapping[str, Any] | None = None) -> Method:
    """Any method at the size of a toy: all its parts, little of each; every term counts from the beginning."""

    def smaller(value: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            return {each: smaller(inner, each) for each, inner in value.items()}
        if isinstance(value, list):
            return [smaller(inner) for inner in value]
        sized = isinstance(value, (int, float)) and not isinstance(value, bool) and key in SIZES
        return min(value, SIZES[key]) if sized else value

    plain = smaller(config.plain(config.load(name)))
    if plain["source"]["name"] == "diffusion":
        plain["source"] |= {"model": painter(), "checkpointing": False}
    if plain["memory"].get("varied"):
        plain["memory"]["varied"] |= {"model": painter(), "strength": 0.5, "similarity": -1.0}
    return config.change(config.parse(plain), changes or {})


@cache
def painter() -> str:
    """A folder with a small pipeline that has learned nothing; it goes with the process."""
    from dfkd_ray.nets.pipelines.small import PipelineSizes

    folder = tempfile.mkdtemp(prefix="painter-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sizes = PipelineSizes(coder=(8, 8), net=(8, 16), width=16, depth=1, heads=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipe = sizes.text_to_image(IMAGE, ["A realistic photo.", "A realistic photo of class 0 1 2 3 4."])
    with quiet():
        pipe.save_pretrained(folder)
    return folder


def opened(
    method: Method,
    seed: int = 0,
    teacher: nn.Module | None = None,
    student: nn.Module | None = None,
    runtime: Runtime | None = None,
    image: tuple[int, int, int] = IMAGE,
) -> Run:
    teacher, student = teacher or toy(1), student or toy(2, dropout=0.3)
    return Run(method, teacher, student, image, (0.5,) * 3, (0.25,) * 3, seed, runtime or Runtime(), CPU, NAMES)


def walked(run: Run, epochs: int | None = None) -> Iterator[Epoch]:
    """The epochs of a run, at most so many."""
    for done, epoch in enumerate(distill(run), start=1):
        yield epoch
        if done == epochs:
            return


def through_a_file(state: Any) -> Any:
    """What a checkpoint file gives back."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def flat(state: Any, at: str = "") -> dict[str, Any]:
    """The leaves of a nested state by path; tensors are copied."""
    if isinstance(state, Tensor):
        return {at: state.detach().clone()}
    if isinstance(state, Mapping):
        items: Any = state.items()
    elif isinstance(state, (list, tuple)):
        items = enumerate(state)
    else:
        return {at: state}
    return {path: leaf for key, item in items for path, leaf in flat(item, f"{at}/{key}" if at else str(key)).items()}


def differing(a: Any, b: Any) -> list[str]:
    """Paths at which two states differ, in a bit or in being there."""
    one, other = flat(a), flat(b)
    return [
        path for path in {**one, **other} if path not in one or path not in other or not same(one[path], other[path])
    ]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    return bool(a == b)


def pretended_gpu(monkeypatch: pytest.MonkeyPatch, bfloat16: bool) -> torch.device:
    """A device that says of itself whether it computes in bfloat16; nothing else can be asked of it."""
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or bfloat16)
    return torch.device("cuda:0")


def overflowing(x: Tensor) -> Tensor:
    """0, with a gradient that is not finite: what a scaled loss looks like whose backward pass overflowed."""
    return (0 * x).abs().sqrt().sum()
