"""What is opened of a file, whatever its name, and that nothing in it runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dfkd_ray.teachers.container import contents, is_safetensors
from dfkd_ray.util.errors import DataError

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor([1.5, -2.0])}


def same(held: Any) -> bool:
    return held.keys() == STATE.keys() and all(torch.equal(held[name], value) for name, value in STATE.items())


@pytest.mark.parametrize("name", ["t.pt", "t.pth", "t.pth.tar", "t.th", "t.bin", "t.ckpt", "t.safetensors", "t"])
@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_every_kind_under_every_name(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    assert same(contents(path))
    assert is_safetensors(path) is (kind == "safetensors")


BESIDE = {
    "float64": np.float64(91.7),
    "float32": np.float32(0.5),
    "int64": np.int64(-3),
    "bool": np.bool_(True),
    "text": np.str_("ä"),
    "args": argparse.Namespace(lr=0.1, sizes=[1, 2], best=np.float64(2.0)),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", BESIDE)
def test_numpys_scalars_and_namespaces_beside_the_weights(tmp_path: Path, kind: str, zipped: bool) -> None:
    torch.save({"net": STATE, "more": BESIDE[kind]}, tmp_path / "t.pt", _use_new_zipfile_serialization=zipped)
    held = contents(tmp_path / "t.pt")
    assert same(held["net"])
    assert held["more"] == BESIDE[kind]
    assert type(held["more"]) is type(BESIDE[kind])


def test_a_scalar_of_numpy_1(tmp_path: Path) -> None:
    """Its module had no underscore."""
    path = tmp_path / "t.pt"
    torch.save({"net": STATE, "more": np.float64(91.7)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    for now, then in ((b"numpy._core.multiarray", b"numpy.core.multiarray"),):
        assert now in data
        data = data.replace(now, then)
    path.write_bytes(data)
    assert contents(path)["more"] == 91.7


class Sneaky:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inside", ["alone", "beside", "namespace", "scalar"])
def test_no_code_runs_wherever_it_hides(tmp_path: Path, zipped: bool, inside: str) -> None:
    sneaky, mark = Sneaky(tmp_path / "ran"), tmp_path / "ran"
    held: Any = {
        "alone": sneaky,
        "beside": {"net": STATE, "more": sneaky},
        "namespace": {"net": STATE, "args": argparse.Namespace(lr=sneaky)},
        "scalar": {"net": STATE, "more": np.array([sneaky], object)},
    }[inside]
    torch.save(held, tmp_path / "t.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"t\.pt: not opened: it holds more than tensors and plain data"):
        contents(tmp_path / "t.pt")
    assert not mark.exists()


def test_a_types_name_is_said(tmp_path: Path) -> None:
    torch.save({"net": STATE, "where": Path("a"), "more": np.zeros(2)}, tmp_path / "t.pt")
    with pytest.raises(DataError) as caught:
        contents(tmp_path / "t.pt")
    assert str(caught.value) == (
        f"{tmp_path}/t.pt: not opened: it holds more than tensors and plain data, and that could run code: "
        "pathlib.PosixPath, numpy._core.multiarray._reconstruct, numpy.ndarray; where you trust it, "
        "torch.save(net.state_dict(), 'weights.pt') saves the weights alone"
    ).replace("pathlib.PosixPath", f"{type(Path('a')).__module__}.PosixPath")


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.pt: there is no such file$"):
        contents(tmp_path / "t.pt")
    with pytest.raises(DataError, match=r": is a folder: name a file of weights in it$"):
        contents(tmp_path)
    assert not is_safetensors(tmp_path / "t.pt")


@pytest.mark.parametrize("kept", [20, 150])
def test_safetensors_cut_short(tmp_path: Path, kept: int) -> None:
    save_file(STATE, tmp_path / "t.bin")
    (tmp_path / "t.bin").write_bytes((tmp_path / "t.bin").read_bytes()[:kept])
    with pytest.raises(DataError, match=r"t\.bin: safetensors, but damaged \(.*\): copy or download it again$"):
        contents(tmp_path / "t.bin")
