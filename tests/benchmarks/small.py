"""The benchmark of a step, at a size for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STEPS = {"fast": (5, 5), "dfad": (1, 5), "dfkd_fgvc": (4, 3), "cmi": (5, 5), "dafl": (1, 1), "spaceshipnet": (5, 5)}
NARROW = {"source.width": 4, "source.latent": 8}
CHANGES = {
    **dict.fromkeys(STEPS, NARROW),
    "cmi": NARROW | {"source_loss.contrastive.dim": 8, "source_loss.contrastive.bank": 64},
    "dfkd_fgvc": NARROW | {"source.attention.reduction": 2, "source.attention.softmax": "spatial_rescaled"},
}


def small(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `step`, which knows a size `small`."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import step
    import step_cases

    size = step_cases.Size("small", "resnet8", "resnet8", 5, 16, (8, 8), preset="laptop", changes=CHANGES)
    monkeypatch.setitem(step_cases.SIZES, "small", size)
    monkeypatch.setattr(step_cases, "NEGATIVES", 40)
    assert step_cases.STEPS == STEPS
    return step
