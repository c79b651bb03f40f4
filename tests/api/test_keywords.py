"""Keyword arguments become the options that the command line fills."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.api import keywords
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import ConfigError, UnknownName


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ({"weights": "a.pt", "data": Path("b")}, Options(weights=Path("a.pt"), data="b")),
        ({"out": Path("c"), "wait": "2min", "gpu": "auto"}, Options(out="c", wait=120.0, gpu="auto")),
        ({"custom": "tpu=2", "reuse": ["d", Path("e")]}, Options(custom=("tpu=2",), reuse=(Path("d"), Path("e")))),
        ({"runner": "serial", "fresh": True, "threads": None}, Options(runner="serial", fresh=True)),
        ({"cpu": 2}, Options(cpu=2)),
    ],
)
def test_what_is_meant_is_taken(said: dict[str, Any], options: Options) -> None:
    assert keywords.split(said) == (options, Overrides())


def test_options_and_overrides_are_told_apart() -> None:
    how, over = keywords.split({"changes": {"a.b": [1, 2]}, "trials": 3, "until": "told", "runner": "serial"})
    assert how == Options(runner="serial")
    assert (over.changes["a.b"], over.trials, over.until) == ([1, 2], 3, "told")


def test_no_name_is_of_both() -> None:
    assert not {f.name for f in fields(Options)} & {f.name for f in fields(Overrides)}


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"epoch": 2}, UnknownName, "no such keyword 'epoch'; did you mean 'epochs'? (known: accelerator, "),
        ({"trials": 2.5}, ConfigError, "trials: should be a valid integer, got 2.5"),
        ({"runner": "dask"}, ConfigError, "runner: should be 'ray' or 'serial', got 'dask'"),
        ({"wait": "soon"}, ConfigError, "wait: "),
        ({"reuse": 3}, ConfigError, "reuse: should be a valid tuple, got 3"),
    ],
)
def test_what_does_not_fit_is_told(said: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as told:
        keywords.split(said)
    assert str(told.value).startswith(message)
