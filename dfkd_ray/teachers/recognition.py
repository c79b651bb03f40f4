"""Which net a state_dict is of, by its names and shapes, among all that can be built here and those of timm.

What is mathematically one of our nets under other names counts too, see `renaming`. timm's models are known by a list
of digests (`timm.txt`), so that they are named where timm is not installed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from dfkd_ray.nets import build, classifiers, taps_of
from dfkd_ray.nets.imagenet import TAPS
from dfkd_ray.teachers.renaming import NAMINGS, counted, renamed
from dfkd_ray.teachers.unwrapping import noted
from dfkd_ray.util import words

LIST = Path(__file__).with_name("timm.txt")
SMALL, LARGE = 32, 224  # pixels that nets with a 3x3 stem of stride 1, and all others, are made for
Shapes = Mapping[str, tuple[int, ...]]

FAMILIES: tuple[tuple[str, str], ...] = (  # a name that tells them, and what they are: known, but not to be built here
    (
        r"features\.\d+\.weight",
        "a VGG with its max-pools among `features`, as torchvision, kuangliu and chenyaofo have",
    ),
    (r"(.*\.)?residual_function\.", "a net of weiaicunzai/pytorch-cifar100"),
    (r"stage_\d\.\d+\.conv_a\.", "a ResNet of D-X-Y/ResNeXt-DenseNet, whose shortcuts average"),
    (r"(layer\d\.\d+)\.shortcut\.0\.", "a ResNet of kuangliu/pytorch-cifar's kind, perhaps with pre-activation"),
    (r"(layer\d\.\d+)\.conv1\.", "a ResNet"),
    (r"blocks?\.\d+\.(attn|norm1)\.", "a vision transformer"),
)


@dataclass(frozen=True)
class Recognised:
    """arch: as `nets.build` takes it. side: of the images that such nets are made for, in pixels, None where nobody
    knows. naming: whose names the file has, where they are not ours. also: other nets with these names and shapes."""

    arch: str
    classes: int
    channels: int = 3
    side: int | None = None
    naming: str = ""
    note: str = ""
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = f" ({self.naming} names)" if self.naming else ""
        return f"{self.arch}{named}, {words.counted(self.classes, 'class', 'classes')}"


def recognised(state: Mapping[str, Tensor]) -> Recognised | None:
    """The net of that state_dict; None where it is none that is known. Without its head it is none either.

    What a training noted among its weights is passed over, unless a net of a plug-in has weights of those names.
    """
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    found, beside = _known(shapes), noted(state)
    return _known({name: shapes[name] for name in shapes if name not in beside}) if beside and not found else found


def _known(shapes: Shapes) -> Recognised | None:
    return next(_ours(shapes), None) or _timms(shapes)


def family(state: Mapping[str, Tensor]) -> str:
    """What kind of net a state_dict that was not recognised may be of; "" where nothing tells."""
    found = (said for pattern, said in FAMILIES if any(re.match(pattern, name) for name in state))
    return next(found, "")


def _ours(shapes: Shapes) -> Iterator[Recognised]:
    named = [(shapes, None), *((renamed(shapes, naming), naming) for naming in NAMINGS)]
    known = [(counted(each.keys()), each, naming) for each, naming in named]
    for arch in sorted(classifiers, key=lambda arch: arch in TAPS):  # torchvision takes seconds to import
        own = _made(arch, 2, 3)
        for names, each, naming in known:
            if names != counted(own.shapes.keys()):
                continue
            head, stem = each[f"{own.head}.weight"], each[own.stem]
            if len(head) not in (2, 4) or len(stem) != 4 or not head[0] or not stem[1]:
                continue
            classes, channels = head[0], stem[1]
            exact = _made(arch, classes, channels).shapes
            if all(each[name] == exact[name] for name in names):
                side = SMALL if own.small else LARGE
                told = ("", _doubles(arch, shapes)) if naming is None or each == shapes else (naming.whose, naming.note)
                yield Recognised(arch, classes, channels, side, told[0], told[1] if len(own.stages) > 3 else "")
                break


def _doubles(arch: str, shapes: Shapes) -> str:
    """A note on models of timm that compute something else with the names and shapes of one of our nets, which is by
    far the more usual one. timm's model of the same name is ours."""
    others = [f"timm:{name}" for name, *_ in _listed().get(signature(shapes), ()) if name != arch]
    have = "has" if len(others) == 1 else "have"
    taken = f"taken to be {arch}: {words.listed(others)} {have} the same names and shapes"
    return f"{taken} (--teacher-arch says otherwise)" if others else ""


@dataclass(frozen=True)
class _Made:
    """A net without its values: shapes by name, the names of its head and its first convolution, and its stages."""

    shapes: Shapes
    head: str
    stem: str
    stages: tuple[str, ...]
    small: bool


@cache
def _made(arch: str, classes: int, channels: int) -> _Made:
    with torch.device("meta"):
        net = build(arch, classes, channels)
    stem, first = next((name, each) for name, each in net.named_modules() if isinstance(each, nn.Conv2d))
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    taps = taps_of(net)
    small = first.stride == (1, 1) and not arch.startswith("vgg")
    return _Made(shapes, taps.head, f"{stem}.weight", taps.stages, small)


def signature(shapes: Shapes) -> str:
    """64 bits of SHA-256 over names, and over shapes but those of vectors and matrices: it leaves the classes open."""
    lines = [f"{name} {shapes[name] if len(shapes[name]) > 2 else ''}" for name in sorted(counted(shapes.keys()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _timms(shapes: Shapes) -> Recognised | None:
    """A model of timm's, with three channels: the first of those with these names and shapes."""
    lines = _listed().get(signature(shapes), ())
    fits = [
        (name, side, shapes[f"{head}.weight"])
        for name, side, head in lines
        if len(shapes.get(f"{head}.weight", ())) == 2
    ]
    if not fits:
        return None
    name, side, weight = fits[0]
    also = tuple(f"timm:{other}" for other, *_ in fits[1:])
    return Recognised(f"timm:{name}", weight[0], 3, int(side), also=also)


@cache
def _listed() -> Mapping[str, list[tuple[str, str, str]]]:
    """(name, side, head) of timm's models, by signature."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            key, side, head, *names = line.split()
            found.setdefault(key, []).extend((name, side, head) for name in names)
    return found
