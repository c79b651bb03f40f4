from __future__ import annotations

from collections.abc import Iterator

import pytest

import dfkd_ray
from tests.api.small import ABLATION, SWEEP
from tests.cli.commands import few_images


@pytest.fixture(scope="package", autouse=True)
def _few_images() -> Iterator[None]:
    with few_images():
        yield


@pytest.fixture(scope="package")
def swept(tmp_path_factory: pytest.TempPathFactory) -> dfkd_ray.Results:
    out = tmp_path_factory.mktemp("face") / "warmth"
    return dfkd_ray.sweep(SWEEP, out=out, runner="serial", quiet=True)


@pytest.fixture(scope="package")
def ablated(tmp_path_factory: pytest.TempPathFactory) -> dfkd_ray.Results:
    out = tmp_path_factory.mktemp("face") / "parts"
    return dfkd_ray.ablate(ABLATION, out=str(out), runner="serial", quiet=True)
