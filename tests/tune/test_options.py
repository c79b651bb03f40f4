"""One bundle of options: what was said, what holds, what a ledger keeps of it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study import Resources
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.util.errors import ConfigError

SAID: dict[str, Any] = {
    "out": Path("there"),
    "runner": "ray",
    "address": "auto",
    "insecure": True,
    "cpu": 2.0,
    "gpu": 0.5,
    "concurrency": 3,
    "retries": 0,
    "watchdog": 0.0,
    "isolate": True,
    "fresh": True,
    "go_on": True,
    "parquet": True,
    "reuse": (Path("a"), Path("b")),
    "weights": Path("w.pt"),
    "data": Path("d"),
    "device": "cpu",
    "precision": "float16",
    "threads": 0,
    "cache": "memory",
}


def test_every_option_says_what_it_is_for_and_holds_only_where_it_was_said() -> None:
    assert [each.name for each in fields(Options)] == list(SAID)
    assert all(len(each.metadata["help"]) > 4 for each in fields(Options))
    assert NOTHING_SAID.said == {}
    assert Options(**SAID).said == SAID, "0 is said as well as any number"


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_later_holds_and_the_rest_is_as_it_was(name: str) -> None:
    later = Options(**{name: SAID[name]})
    before = Options(device="cuda", threads=4, weights=Path("old.pt"))
    assert later.over(before).said == {**before.said, name: SAID[name]}
    assert NOTHING_SAID.over(before) == before


def test_a_study_of_ray_may_go_on_without_it() -> None:
    before = Options(runner="ray", address="auto", cpu=2, isolate=True, threads=3)
    assert Options(runner="serial").over(before).said == {"runner": "serial", "threads": 3}


@pytest.mark.parametrize("name", ["address", "insecure", "cpu", "gpu", "concurrency", "isolate"])
def test_what_only_ray_takes_is_refused_without_it(name: str) -> None:
    value = SAID[name] or 1
    with pytest.raises(ConfigError, match=rf"^--{name}: is for --runner ray$"):
        Options(runner="serial", **{name: value})
    assert Options(**{name: value}).said == {name: value}


def test_a_trial_takes_what_the_study_says_and_what_was_said_over_it() -> None:
    own = {"device": "cuda:1", "precision": "bfloat16"}
    assert NOTHING_SAID.runtime(own) == own
    assert Options(precision="float32", threads=0).runtime(own) == {**own, "precision": "float32", "threads": 0}
    assert NOTHING_SAID.resources(Resources(2, 1)) == Resources(2, 1)
    assert Options(gpu=0.5).resources(Resources(2, 1)) == Resources(2, 0.5)
    with pytest.raises(ValueError, match="cpu must be > 0"):
        Options(cpu=0).resources(Resources())


def test_a_ledger_keeps_no_secret() -> None:
    kept = Options(data=Path("s3://me:pw@bucket/x"), weights=Path("w.pt?token=abc")).plain()
    assert "pw" not in kept["data"]
    assert kept["weights"].endswith("w.pt?token=REDACTED")


def test_a_ledger_keeps_what_holds_again_with_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = json.loads(json.dumps(Options(**SAID).plain()))
    assert kept == {
        **{key: value for key, value in SAID.items() if key not in ("out", "fresh", "go_on")},
        "reuse": [str(tmp_path / "a"), str(tmp_path / "b")],
        "weights": str(tmp_path / "w.pt"),
        "data": str(tmp_path / "d"),
    }
    back = Options.of({**kept, "of a later version": 1})
    assert back == Options(**{**SAID, "out": None, "fresh": False, "go_on": False}).absolute()
    assert back.plain() == kept
