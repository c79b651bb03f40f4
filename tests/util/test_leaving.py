"""That a process is told to end, once, and by whom first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dfkd_ray.util import leaving


@pytest.fixture(autouse=True)
def _nobody_said_so() -> Iterator[None]:
    yield
    leaving.forget()


def test_who_said_it_first_is_why() -> None:
    assert leaving.told() is None
    leaving.tell("SIGTERM")
    leaving.tell("its node is being drained")
    assert leaving.told() == "SIGTERM"
    leaving.forget()
    assert leaving.told() is None
