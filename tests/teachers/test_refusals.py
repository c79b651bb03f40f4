"""What is said of files that hold no weights which can be opened."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dfkd_ray.nets import build
from dfkd_ray.teachers.container import contents
from dfkd_ray.util.errors import DataError

SAVE = r"torch\.save\(net\.state_dict\(\), 'weights\.pt'\)"


def said(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        contents(path)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty: its copy or download came to nothing"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 45806\n",
            "a pointer of Git LFS in place of the file of 45,806 bytes: `git lfs pull` brings the file itself",
        ),
        (
            b"\n<!DOCTYPE html><html><head><title>Sign in \xc2\xb7 x</title>",
            "an HTML page ('Sign in · x'), not weights: its link led to a page; take the link of the raw file",
        ),
        (b"<html><body>no", "an HTML page, not weights: its link led to a page; take the link of the raw file"),
        (
            b'{"metadata": {}, "weight_map": {"a": "b"}}',
            "the index of weights in several files, not weights: name the file with the tensors",
        ),
        (b'{"arch": "resnet8"}', "JSON, not weights: name the file with the tensors"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes its weights: there is no reader for it"),
        (b"\x1f\x8b\x08\x00", "packed by gzip: unpack it first"),
        (
            b"PK\x03\x04" + bytes(30),
            "cut short, or damaged: a zip archive without its end, 34 bytes: copy or download it again",
        ),
        (
            b"nothing that anybody could read",
            "neither safetensors nor a file of torch.save, or damaged: "
            "torch.save(net.state_dict(), 'weights.pt') writes one",
        ),
    ],
)
def test_a_file_that_is_something_else(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "t.pth").write_bytes(data)
    assert said(tmp_path / "t.pth") == message


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inside", ["alone", "beside", "parallel"])
def test_a_whole_network(tmp_path: Path, zipped: bool, inside: str) -> None:
    held: Any = {"alone": Own(), "beside": {"net": Own(), "epoch": 1}, "parallel": nn.DataParallel(Own())}[inside]
    torch.save(held, tmp_path / "t.pt", _use_new_zipfile_serialization=zipped)
    assert said(tmp_path / "t.pt") == (
        f"a whole network ({Own.__module__}.Own) that was pickled with its code, which would run: where it can be "
        "opened, torch.save(net.state_dict(), 'weights.pt') saves its weights alone"
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [4, 5])
def test_a_protocol_that_is_not_read(tmp_path: Path, protocol: int, zipped: bool) -> None:
    path = tmp_path / "t.pt"
    state = build("resnet8", 2).state_dict()  # its counters are of another type, whose name comes from the memo
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    warnings.simplefilter("error")  # torch's own word on it would stand beside the message
    assert said(path) == (
        f"written with pickle protocol {protocol}, which is not read: save it again without pickle_protocol, "
        "as torch.save(net.state_dict(), 'weights.pt') does"
    )
    torch.save(state, path, pickle_protocol=3, _use_new_zipfile_serialization=zipped)
    assert contents(path).keys() == state.keys()


class Sneaky:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code of the file runs",)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_would_run_is_called_by_its_name(tmp_path: Path, protocol: int) -> None:
    held = {"model": build("resnet8", 2).state_dict(), "more": [Sneaky(), Sneaky()]}
    torch.save(held, tmp_path / "t.pt", pickle_protocol=protocol)
    name = "__builtin__.print" if protocol == 2 else "builtins.print"
    assert said(tmp_path / "t.pt") == (
        f"not opened: it holds more than tensors and plain data, and that could run code: {name}; "
        "where you trust it, torch.save(net.state_dict(), 'weights.pt') saves the weights alone"
    )


def test_torchscript(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 3)), tmp_path / "t.pt")  # type: ignore[no-untyped-call]
    assert said(tmp_path / "t.pt") == (
        "a TorchScript archive, which is a program: where you trust it, "
        "torch.save(torch.jit.load('t.pt').state_dict(), 'weights.pt') saves its weights alone"
    )


def test_a_program_of_torch_export(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(nn.Linear(2, 3), (torch.zeros(1, 2),)), tmp_path / "t.pt2")
    assert said(tmp_path / "t.pt2") == "a program of torch.export, not weights: save the state_dict of its module"


def test_other_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", a=np.zeros(2))
    assert said(tmp_path / "t.npz").startswith("an .npz of numpy's arrays: weights are tensors with names")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for name in ("weights/a.pth", "weights/b.pth", "README", "LICENSE"):
            archive.writestr(name, "")
    assert said(tmp_path / "t.zip") == (
        "a zip archive of weights/a.pth, weights/b.pth, README and 1 more: "
        "unpack it, and name the file of weights in it"
    )


def test_a_zip_with_a_flipped_byte(tmp_path: Path) -> None:
    path = tmp_path / "t.pt"
    torch.save(build("resnet8", 2).state_dict(), path)
    data = bytearray(path.read_bytes())
    data[data.index(b"data.pkl") + 40] ^= 0xFF
    path.write_bytes(data)
    assert said(path)
