from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.commands import few_images


@pytest.fixture(scope="package", autouse=True)
def _few_images() -> Iterator[None]:
    with few_images():
        yield
