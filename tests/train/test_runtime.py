"""How a run is computed."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch

from dfkd_ray.nets.precision import Precision, dtype_of
from dfkd_ray.train import runtime
from dfkd_ray.train.runtime import Meter, Runtime, parse_runtime
from dfkd_ray.util.errors import ConfigError
from tests.tiny import pretended_gpu


def test_a_runtime_from_plain_data() -> None:
    assert parse_runtime(None) == Runtime()
    assert parse_runtime({"precision": "bfloat16", "threads": 2}) == Runtime(precision="bfloat16", threads=2)
    assert parse_runtime({"cache": "memory"}).cache == "memory"
    for raw, message in {
        "devise": "devise: no such field; did you mean 'device'?",
        "precision": "precision: should be 'float32', 'mixed', 'bfloat16' or 'float16', got 3",
        "threads": "threads must be at least 0, got -3",
    }.items():
        with pytest.raises(ConfigError, match=message):
            parse_runtime({raw: -3 if raw == "threads" else 3})


def test_a_runtime_opens_a_device_or_says_why_not() -> None:
    before = torch.get_num_threads()
    try:
        assert Runtime("cpu", threads=1).open() == torch.device("cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert Runtime().open().type in ("cpu", "cuda")
    for name in ("gpu", "cuda:99", ""):
        with pytest.raises(ConfigError, match=f"runtime.device: '{name}' cannot be used here"):
            Runtime(name).open()


def test_autocast_is_on_only_where_it_is_asked_for() -> None:
    device = torch.device("cpu")
    for precision in get_args(Precision):
        with Runtime(precision=precision).autocast(device):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype_of(precision)


def test_a_device_that_lacks_the_precision_is_told_with_the_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended_gpu(monkeypatch, bfloat16=False)
    monkeypatch.setattr(torch, "empty", lambda size, device: None)
    with pytest.raises(ConfigError, match=r"^runtime\.precision: cuda:0 does not compute in bfloat16: take float16$"):
        Runtime("cuda:0", "bfloat16").open()
    assert Runtime("cuda:0", "float16").open() == torch.device("cuda:0")


def test_a_meter_tells_the_highest_memory_since_it_was_opened() -> None:
    """A process goes from trial to trial: what an earlier one held at its highest is not the next one's."""
    cpu, size = torch.device("cpu"), 200_000_000
    first = Meter(cpu)
    before = first.peak()
    held = torch.ones(size // 4)
    assert first.peak() >= before + 0.9 * size
    del held
    if Meter(cpu).status.is_file():  # Linux
        assert Meter(cpu).peak() < before + 0.5 * size
    assert Meter(cpu).peak() > 10_000_000


def test_where_the_mark_cannot_be_set_back_it_is_that_of_the_process() -> None:
    meter = Meter(torch.device("cpu"))
    meter.status = Path()
    assert meter.peak() > 10_000_000


def test_torchs_own_choice_of_threads_keeps_to_the_cores_that_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch counts the cores of the affinity, and knows no quota of a container."""
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(runtime, "cores", lambda: 2)
    Runtime("cpu").open()
    Runtime("cpu", threads=5).open()
    monkeypatch.setattr(runtime, "cores", lambda: 64)
    Runtime("cpu").open()
    assert asked == [2, 5]
