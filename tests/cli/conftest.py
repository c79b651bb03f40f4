from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.commands import OWN_TASK, few_images


@pytest.fixture(scope="package", autouse=True)
def _few_images() -> Iterator[None]:
    with few_images():
        yield


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task of one's own, `squares.yaml`, and its images, `squares.npz`."""
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    arrays = {}
    for which, count in {"train": 64, "val": 16, "test": 16}.items():
        labels = np.arange(count) % 2
        arrays[f"{which}_images"] = (rng.integers(0, 80, (count, 16, 16)) + 150 * labels[:, None, None]).astype("uint8")
        arrays[f"{which}_labels"] = labels
    np.savez(folder / "squares.npz", **arrays)
    (folder / "squares.yaml").write_text(OWN_TASK)
    return folder
