"""Fixtures of small data sets, for the tests of data sets, teachers and whoever reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.datasets import HoldOut, Task, TeacherRef, TeachRecipe
from tests.datasets import published

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no real images and teachers: {SHARED} is not there")
    return SHARED


@pytest.fixture
def small() -> Task:
    """Two classes of 8x8 colour images, read from an .npz."""
    return Task(
        name="small",
        reader="npz",
        classes=("left", "right"),
        image=(3, 8, 8),
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.25, 0.3),
        teacher=TeacherRef("resnet8"),
        student="resnet8",
        hold_out=HoldOut(train=4, test=3),
        recipe=TeachRecipe(epochs=2, batch=8, lr=0.05),
    )


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where images of folders are cached, empty."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("DFKD_RAY_DATA", str(folder))
    return folder / "cache"


@pytest.fixture
def aircraft(tmp_path: Path) -> Task:
    """`trainval` and `test` of three variants; the image with number 1000000 + i has the grey level 2 i."""
    return published.aircraft(tmp_path)


@pytest.fixture
def cub(tmp_path: Path) -> Task:
    """Sixteen images of three birds, numbered from 1 as their classes are; image i has the grey level 2 i."""
    return published.cub(tmp_path)


@pytest.fixture
def cars(tmp_path: Path) -> Task:
    """Eight images to train and five to test, as the devkit numbers them."""
    return published.cars(tmp_path)
