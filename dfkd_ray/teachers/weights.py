"""Teachers from files, as people save them, with a JSON card beside them where there is one.

The teacher owns its normalisation. A card (`resnet56.json` or `resnet56.pt.json` beside `resnet56.pt`, or in the header
of a safetensors file that carries its own) may hold `{"normalise": {"mean": [...], "std": [...]}, "arch": "resnet56",
"accuracy": {"test": 0.93}}`; `adopt` makes a task speak its language.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dfkd_ray.datasets.folder import as_trained
from dfkd_ray.datasets.named import spoken
from dfkd_ray.datasets.task import HERE, Task, TeacherRef
from dfkd_ray.nets import build, taps_of
from dfkd_ray.teachers.container import contents, is_safetensors
from dfkd_ray.teachers.finite import check_finite
from dfkd_ray.teachers.recognition import recognised
from dfkd_ray.teachers.renaming import COUNTED, fitted
from dfkd_ray.teachers.stated import architecture, class_count, class_names, image_size
from dfkd_ray.teachers.unwrapping import file_of, noted, unwrapped
from dfkd_ray.util import limits, sealed
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import counted

CARD = "dfkd_ray"  # in the header of a safetensors file that carries its own


def teacher(task: Task, arch: str | None = None, weights: Path | None = None) -> nn.Module:
    """The frozen teacher: in eval mode, no parameter requires a gradient, on the CPU.

    arch, weights: in place of the task's own. Raises DataError when there is no file, when it does not fit the net (all
    missing and unexpected keys and all wrong shapes are listed), or when its card asks for another normalisation than
    the task's: see `adopt`.
    """
    path = weights or _own(task)
    mean, std = _normalisation(path, task)
    if (mean, std) != (task.mean, task.std):
        raise DataError(
            f"{path}: its card says mean {mean} and std {std}, but {task.name} normalises by mean {task.mean} and "
            f"std {task.std}: take the task from adopt(task, weights)"
        )
    net = build(arch or task.teacher.arch, len(task.classes), task.image[0])
    check_sha256(path)
    fill(net, read_weights(path), str(path))
    return net.eval().requires_grad_(False)


def adopt(task: Task, weights: Path, arch: str | None = None) -> Task:
    """The same task with the teacher in the file `weights`, and the normalisation that the card beside it states.

    The net is `arch`, else the card's, else what its names and shapes say, else the task's. Without a card the
    normalisation stays the task's; `normalised_by` says which. Raises DataError when the card says other classes or
    another size of images.
    """
    card = read_card(weights) or {}
    task = _fitting(task, weights, card)
    mean, std = _normalisation(weights, task)
    accuracy = card.get("accuracy")
    measured = accuracy.get("test") if isinstance(accuracy, Mapping) else None
    chosen = arch or architecture(weights, card) or _guessed(weights, task.teacher.arch)
    teacher = TeacherRef(chosen, str(weights.resolve()), measured)
    by = f"the card beside {weights.name}" if "normalise" in card else task.normalised_by
    return replace(task, teacher=teacher, mean=mean, std=std, normalised_by=by)


def _guessed(weights: Path, usual: str) -> str:
    """The net of a file without a card; the usual one where that is as likely, or where nothing tells."""
    found = recognised(read_weights(weights)) if file_of(weights).is_file() else None
    return usual if found is None or found.also else found.arch


def network_facts(task: Task, arch: str, pretrained: bool = False) -> dict[str, Any]:
    """What a card says of a network of this task: all that opens its weights again."""
    return {
        "task": task.name,
        "arch": arch,
        "class_names": list(task.classes),
        "image": list(task.image),
        "normalise": {"mean": list(task.mean), "std": list(task.std)},
        "pretrained": pretrained,
        **({} if task.targets == "classes" else {"targets": task.targets}),
    }


def card_path(weights: Path) -> Path | None:
    """Where the card of a file of weights is, None where there is none."""
    weights = file_of(weights)
    beside = weights.with_name(f"{weights.name}.json"), weights.with_suffix(".json")
    return next((path for path in beside if path.is_file()), None)


def read_card(weights: Path) -> dict[str, Any] | None:
    """What the JSON beside a file of weights says, else the card that it carries; None where there is none."""
    weights, path = file_of(weights), card_path(weights)
    carried = _carried(weights) if path is None else None
    if path is None and carried is None:
        return None
    path = path or weights
    try:
        if carried is None and sealed.is_sound(path) is False:
            raise DataError(sealed.edited(path))
        card = limits.read_json(path) if carried is None else limits.json_of(carried)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the card of {weights.name} cannot be read: {error}") from None
    if not isinstance(card, dict):
        raise DataError(f"{path}: the card of {weights.name} must be a JSON object")
    card.pop(sealed.KEY, None)
    return card


def _carried(weights: Path) -> str | None:
    """The card in the header of a safetensors file; None where it has none, or is no such file."""
    if weights.is_file():
        sealed.check(weights)  # before it is asked what it is: a damaged one may look like another kind
    if not is_safetensors(weights):
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "pt") as file:
            told: str | None = (file.metadata() or {}).get(CARD)
    except (OSError, SafetensorError):  # it is read again with its tensors, and that says what is wrong
        return None
    return told


def _normalisation(weights: Path, task: Task) -> tuple[tuple[float, ...], tuple[float, ...]]:
    stated = (read_card(weights) or {}).get("normalise")
    if stated is None:
        return task.mean, task.std
    try:
        mean, std = (tuple(float(v) for v in stated[key]) for key in ("mean", "std"))
        limits.check("normalise", mean + std)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(
            f"the card of {weights}: normalise must be {{mean: [...], std: [...]}}, got {stated!r}"
        ) from None
    if not len(mean) == len(std) == task.image[0] or min(std) <= 0:
        raise DataError(
            f"the card of {weights}: normalise must have {counted(task.image[0], 'channel')} and std > 0, "
            f"got {stated!r}"
        )
    return mean, std


def _fitting(task: Task, weights: Path, card: Mapping[str, Any]) -> Task:
    """The task, that of a folder as the teacher sees it; DataError if a teacher with this card cannot be one of it."""
    names, image, what = class_names(weights, card), image_size(weights, card), f"the card of {weights}:"
    if card.get("targets", task.targets) != task.targets:
        told = f"{card['targets']} does not fit {task.name}, whose targets are {task.targets}"
        raise DataError(f"{what} a teacher of {told}")
    task = as_trained(task, names, image, f"the teacher {weights.name}")
    count = class_count(weights, card)
    if count not in (None, len(task.classes)):
        own = f"a teacher of {counted(int(count or 0), 'class', 'classes')}"
        raise DataError(f"{what} {own} does not fit the {len(task.classes)} of {task.name}")
    if image not in (None, task.image):
        sizes = f"{image}, but those of {task.name} are {task.image} (channels, height, width)"
        raise DataError(f"{what} a teacher of images of {sizes}")
    if names not in (None, task.classes) and {*names} == {*task.classes}:
        raise DataError(f"{what} the classes of {task.name} in another order: {_some(list(names))}")
    return task


def check_sha256(weights: Path) -> None:
    """DataError if `weights` are not the bytes whose sha256 their card states; nothing where it states none."""
    stated = (read_card(weights) or {}).get("sha256")
    if stated is None:
        return
    try:
        with file_of(weights).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{weights}: cannot be read: {error.strerror}") from None
    if found != stated:
        raise DataError(f"{weights}: damaged, or not the file of its card: sha256 {found[:12]}, not {str(stated)[:12]}")


def _own(task: Task) -> Path:
    if task.teacher.weights is None:
        raise DataError(
            f"the task {task.name} ships no teacher, and `dfkd-ray teachers ls` finds none of that net: give "
            f"--weights FILE (a checkpoint or safetensors), or train one with `dfkd-ray teach {spoken(task)}`"
        )
    return HERE / task.teacher.weights


def read_weights(path: Path) -> dict[str, Tensor]:
    """The names and tensors of the network in a file, see `container` and `unwrapping`: `t.pth`, or `t.pth#ema`."""
    return dict(unwrapped(contents(file_of(path)), path).state)


def fill(net: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load `state` into `net` strictly, by other repositories' names too (see `renaming`); DataError lists what is
    missing, unexpected, of another shape or not finite.

    `num_batches_tracked` may be missing: old files lack it, and a net in eval mode does not read it. What a training
    noted among its weights, such as its epoch, is passed over.
    """
    own = net.state_dict()
    beside = noted(state).keys() - own.keys()
    state = {name: value for name, value in state.items() if name not in beside}
    state, _ = fitted(state, own.keys())
    missing = [key for key in own if key not in state and not key.endswith(COUNTED)]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} {tuple(state[key].shape)} in the file, {tuple(own[key].shape)} in the net"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    if any(found.values()):
        lines = [f"  {len(keys)} {what}: {_some(keys)}" for what, keys in found.items() if keys]
        known = recognised(state)
        lines += [f"  by its names and shapes it is {known}"] if known else []
        head = _head(net, state)
        raise DataError("\n".join([f"{origin} does not fit the net {type(net).__name__}:{head}", *lines]))
    check_finite(state, origin)
    net.load_state_dict({**own, **state})


def _head(net: nn.Module, state: Mapping[str, Tensor]) -> str:
    """First of all, where it is so: that the weights are those of another number of classes."""
    name = f"{taps_of(net).head}.weight"
    if name not in state:
        return ""
    there, here = (part[name].shape[:1].numel() for part in (state, net.state_dict()))
    return "" if there == here else f" the head has {counted(there, 'class', 'classes')}, the task {here}"


def _some(keys: list[str], limit: int = 40) -> str:
    more = f" and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more
