"""What lies in a file of weights, whatever its name: safetensors, or what torch.save wrote. No code of a file runs.

Beside tensors and plain data a pickle may hold numpy's scalars and argparse's Namespaces; what else it asks for is
refused by its name (see `refusals`).
"""

from __future__ import annotations

import argparse
import codecs
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dfkd_ray.teachers import refusals
from dfkd_ray.util import sealed
from dfkd_ray.util.errors import DataError

_SCALAR = np.float64(0).__reduce__()[0]  # what makes numpy's scalars; its module moved with numpy 2
ALLOWED: tuple[Any, ...] = (  # what a pickle may ask for beside what torch itself allows, and nothing else
    argparse.Namespace,
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefdFDUS"},
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    codecs.encode,  # of the bytes in a scalar, which protocol 2 writes as text
)


def contents(path: Path) -> Any:
    """The object that a file holds, its tensors on the CPU; DataError says what a file is that holds none."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder: name a file of weights in it")
    sealed.check(path)
    try:
        with path.open("rb") as file:
            head = file.read(refusals.HEAD)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    if is_safetensors(path):
        return _safetensors(path)
    if told := refusals.by_its_bytes(path, head):
        raise DataError(f"{path}: {told}")
    try:
        return _loaded(path)
    except Exception:  # a damaged pickle raises almost anything, and torch's own advice is unsafe
        raise DataError(f"{path}: {refusals.by_its_pickle(path)}") from None


def _loaded(path: Path) -> Any:
    with (
        torch.serialization.safe_globals(list(ALLOWED)),
        warnings.catch_warnings(),
        path.open("rb") as file,  # torch minds the name of a path
    ):
        warnings.filterwarnings("ignore", "Detected pickle protocol")  # where it is not read, `refusals` says so
        return torch.load(file, map_location="cpu", weights_only=True)


def is_safetensors(path: Path) -> bool:
    """By its first bytes: the length of a header, and a header of JSON."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError:
        return False
    return len(head) == 9 and head[8:] == b"{" and struct.unpack("<Q", head[:8])[0] < refusals.HEADER


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        why = str(error).splitlines()[0]
        raise DataError(f"{path}: safetensors, but damaged ({why}): copy or download it again") from None
