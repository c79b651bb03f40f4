"""The libraries of diffusion models: imported where they are needed, silent while they are used, and then as before."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from dfkd_ray.nets.pipelines.library import installed, libraries, quiet
from dfkd_ray.util.errors import MissingExtra


@pytest.mark.parametrize("missing", ["diffusers", "transformers"])
def test_without_one_of_them_it_is_said_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra) as refused:
        libraries("a pool of images")
    assert str(refused.value) == (
        f"a pool of images needs {missing}, which is not installed: pip install 'dfkd-ray[diffusion]'"
    )
    with pytest.raises(MissingExtra, match=f"^a pool of images needs {missing}, which is not installed"):
        installed("a pool of images")


@pytest.fixture
def loggings() -> Iterator[list[Any]]:
    """How the two libraries speak; as it was before the test."""
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")
    both = [diffusers.utils.logging, transformers.utils.logging]
    before = [each.get_verbosity() for each in both]
    yield both
    for each, level in zip(both, before):
        each.set_verbosity(level)
        each.enable_progress_bar()


def state(both: list[Any]) -> list[Any]:
    hub = logging.getLogger("huggingface_hub").level
    return [hub, *(each.get_verbosity() for each in both), both[1].is_progress_bar_enabled()]


def test_they_are_silent_inside_and_as_they_were_afterwards(loggings: list[Any]) -> None:
    loggings[0].set_verbosity_error()
    loggings[1].set_verbosity_info()
    before = state(loggings)
    with quiet(), warnings.catch_warnings(record=True) as heard:
        assert state(loggings) == [logging.CRITICAL] * 3 + [False]
        warnings.warn("an advice", stacklevel=1)
    assert heard == []
    assert state(loggings) == before
    assert before[-1]


def test_an_error_inside_takes_nothing_with_it(loggings: list[Any]) -> None:
    before = state(loggings)
    with pytest.raises(ValueError, match="odd"), quiet():
        raise ValueError("odd")
    assert state(loggings) == before


def test_bars_that_the_user_had_switched_off_stay_off(loggings: list[Any]) -> None:
    loggings[1].disable_progress_bar()
    with quiet():
        pass
    assert not loggings[1].is_progress_bar_enabled()
