"""What a checkpoint is, in lines: `teachers inspect`."""

from __future__ import annotations

import argparse
import hashlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from dfkd_ray.teachers.container import contents, is_safetensors
from dfkd_ray.teachers.finite import check_finite
from dfkd_ray.teachers.recognition import Recognised, family, recognised
from dfkd_ray.teachers.unwrapping import Unwrapped, file_of, networks, noted, unwrapped
from dfkd_ray.teachers.weights import card_path, read_card
from dfkd_ray.teachers.zoo import KnownTeacher, known_by, zoo
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import counted, some

SHOWN = 6  # of what lies beside the weights
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def inspected(weights: Path) -> Iterator[tuple[str, str]]:
    """Rows (what, answer) about the file and each network in it, or the one that `FILE#NAME` asks for.

    DataError where it holds none, as everywhere.
    """
    path = file_of(weights)
    held = contents(path)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    kind = "safetensors" if is_safetensors(path) else "written by torch.save"
    yield "file", f"{path}, {path.stat().st_size:,} bytes, {kind}"
    yield "sha256", sha256
    public = known_by(sha256)
    if public is not None:
        yield "public", f"{public.name}, by {zoo().publisher(public.publisher).page}"
    card = card_path(weights)
    yield "card", str(card) if card else "carried" if read_card(weights) else "none"
    found = networks(held, path) if weights == path else (unwrapped(held, weights),)
    for each in found:
        if len(found) > 1:
            yield "", ""
        yield from _network(_alone(each), path, len(found) > 1, public, bool(read_card(weights)))


def _alone(each: Unwrapped) -> Unwrapped:
    """Without what a training noted among the weights, where the rest is a net that is known."""
    beside = noted(each.state)
    rest = {name: value for name, value in each.state.items() if name not in beside}
    if not beside or recognised(rest) is None:
        return each
    return replace(each, state=rest, beside={**each.beside, **beside})


def _network(
    each: Unwrapped, path: Path, several: bool, public: KnownTeacher | None, carded: bool
) -> Iterator[tuple[str, str]]:
    """Rows about one network."""
    at = f"under {each.key}" if each.key else "at the top"
    without = f", without the prefix {''.join(each.prefixes)}" if each.prefixes else ""
    sizes = {name: value.numel() for name, value in each.state.items() if not name.endswith(_BUFFERS)}
    types = ", ".join(sorted({str(value.dtype).removeprefix("torch.") for value in each.state.values()}))
    amount = f"{counted(len(each.state), 'tensor')}, {counted(sum(sizes.values()), 'parameter')}"
    yield "weights", f"{at}{without}: {amount}, {types}"
    if each.beside:
        yield "beside", some([_beside(name, value) for name, value in each.beside.items()], SHOWN)
    try:
        check_finite(each.state, "values")
    except DataError as error:
        yield "not finite", str(error)
    found = recognised(each.state)
    if found is None:
        kind = family(each.state)
        yield "net", f"none that is known here{f'; it looks like {kind}' if kind else ''} (see `ls nets`)"
        return
    yield "net", found.arch + (f", by {found.naming} names" if found.naming else "")
    if found.also:
        yield "or", f"{some(found.also, SHOWN)}: names and shapes are the same, so --teacher-arch has to say it"
    if found.note:
        yield "note", found.note
    yield "classes", f"{found.classes}, of images with {counted(found.channels, 'channel')}"
    yield "side", f"{found.side} pixels, which such nets are made for; the weights do not tell"
    asked = f"{path}#{each.key}" if several else str(path)
    yield "goes on", f"dfkd-ray distill METHOD --weights {shlex.quote(asked)}{_options(found, public, carded)}"


def _options(found: Recognised, public: KnownTeacher | None, carded: bool) -> str:
    """What is to be given beside the file."""
    net = f" --teacher-arch {found.arch}" if found.also else ""
    if carded or (found.side or 0) > 64:
        return net
    if public is None:
        return f"{net} --mean M,M,M --std S,S,S"
    how = zoo().publisher(public.publisher).of(public.task)
    return net + "".join(f" --{name} {','.join(map(str, getattr(how, name)))}" for name in ("mean", "std"))


def _beside(name: str, value: Any) -> str:
    """One thing that lies there too: its value where that is short, else what it is."""
    if isinstance(value, Tensor):
        return f"{name} (a tensor)" if value.ndim else f"{name} {value.item()}"
    if isinstance(value, argparse.Namespace):
        return f"{name} ({some([f'{key}={each!r}' for key, each in vars(value).items()], 3)})"
    if isinstance(value, Mapping):
        return f"{name} ({counted(len(value), 'entry', 'entries')})"
    text = str(value)
    return f"{name} {text}" if len(text) <= 40 else f"{name} ({type(value).__name__})"
