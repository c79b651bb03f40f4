"""How a run is computed."""

from __future__ import annotations

import pytest
import torch

from dfkd_ray.errors import ConfigError
from dfkd_ray.runtime import Runtime, parse_runtime


def test_a_runtime_from_plain_data() -> None:
    assert parse_runtime(None) == Runtime()
    assert parse_runtime({"precision": "bfloat16", "threads": 2}) == Runtime(precision="bfloat16", threads=2)
    for raw, message in {
        "devise": "devise: no such field; did you mean 'device'?",
        "precision": "precision: should be 'float32' or 'bfloat16', got 3",
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
    for precision, dtype in {"float32": torch.float32, "bfloat16": torch.bfloat16}.items():
        with Runtime(precision=precision).autocast(device):  # type: ignore[arg-type]
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
