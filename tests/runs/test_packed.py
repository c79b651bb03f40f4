"""What of trials that share a process is computed trial by trial."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.methods import config
from dfkd_ray.runs import packed
from dfkd_ray.runs.packed import by_turns
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.tune.options import Options


def told(method: str, **changes: Any) -> str:
    return by_turns(prepare(config.change(config.load(method), changes), "gliders", Options(device="cpu")))


def test_on_a_cpu_trials_take_turns() -> None:
    assert told("fast") == "on a CPU they take turns, which gains nothing"


@pytest.mark.parametrize(
    ("method", "changes", "expected"),
    [
        ("fast", {}, ""),
        ("deepinversion", {}, ""),
        ("dfkd_fgvc", {"source.width": 4}, "one by one: the network of the source"),
        ("dfkd_fgvc", {"source.width": 4, "source.spectral_norm": False}, ""),
        ("fsc", {}, "one by one, since a loss takes the gradient of stages"),
    ],
)
def test_elsewhere_what_cannot_be_batched(
    method: str, changes: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "batches_on", lambda device: True)
    assert told(method, **changes) == expected
