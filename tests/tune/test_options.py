"""One bundle of options: what was said, what holds, what a ledger keeps of it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study import Resources
from dfkd_ray.tune.options import NOTHING_SAID, Options, parse_gpu
from dfkd_ray.util.errors import ConfigError

SAID: dict[str, Any] = {
    "out": "there",
    "runner": "ray",
    "address": "auto",
    "insecure": True,
    "cpu": 2.0,
    "gpu": 0.5,
    "memory": 8.0,
    "accelerator": "H100",
    "custom": ("licence=1", "tpu=2.5"),
    "fuse": 8,
    "wait": 0.0,
    "concurrency": 3,
    "retries": 0,
    "watchdog": 0.0,
    "checkpoint": "5",
    "isolate": True,
    "fresh": True,
    "go_on": True,
    "parquet": True,
    "track": ("tensorboard", "mlflow:http://here"),
    "reuse": (Path("a"), Path("b")),
    "weights": Path("w.pt"),
    "data": "d",
    "plugin": ("mine.py", "my.parts"),
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


@pytest.mark.parametrize(
    "name",
    [*("address", "insecure", "cpu", "gpu", "memory", "accelerator", "custom", "wait"), "concurrency", "isolate"],
)
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
    said = Options(gpu="auto", memory=8, accelerator="T4", custom=("b=2.5",))
    assert said.resources(Resources(2, 1, custom={"a": 1, "b": 1})) == Resources(2, "auto", 8, "T4", {"a": 1, "b": 2.5})
    assert Options(fuse=4, runner="serial").resources(Resources(fuse=2)) == Resources(fuse=4)
    with pytest.raises(ConfigError, match=r"^resources: cpu must be > 0, got 0$"):
        Options(cpu=0).resources(Resources())
    with pytest.raises(
        ConfigError, match=r"^resources: fuse 4 is for trials on one GPU, or a part of it, and gpu is 2$"
    ):
        Options(fuse=4).resources(Resources(gpu=2))


@pytest.mark.parametrize("said", ["licence", "licence=", "licence=one", "=1", "a=nan"])
def test_an_amount_is_a_name_and_a_number(said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--custom: takes name=amount, such as licence=1, got '{said}'$"):
        Options(custom=(said,))


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("0", 0), ("0.5", 0.5), ("2", 2)])
def test_gpus_are_a_number_or_auto(text: str, value: float | str) -> None:
    assert parse_gpu(text) == value


def test_gpus_are_nothing_else() -> None:
    with pytest.raises(ValueError, match=r"^takes auto or a number of GPUs, got 'all'$"):
        parse_gpu("all")


def test_a_ledger_keeps_no_secret() -> None:
    kept = Options(data="images?token=abc", weights=Path("w.pt?token=abc")).plain()
    assert kept["data"].endswith("images?token=REDACTED")
    assert kept["weights"].endswith("w.pt?token=REDACTED")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("s3://me:pw@bucket/x", "--data: s3://...: credentials go into the environment, see "),
        ("s4://bucket/x", "--data: s4://bucket/x: unknown scheme 's4'; did you mean 's3'?"),
    ],
)
def test_images_of_no_store_are_refused(data: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Options(data=data)
    assert str(refused.value).startswith(said)


def test_images_stay_where_they_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = ["x.npz", f"file://{tmp_path}/x.npz", "S3://bucket//x.npz"]
    whole = [f"{tmp_path}/x.npz", f"{tmp_path}/x.npz", "s3://bucket/x.npz"]
    assert [Options(data=place).absolute().data for place in places] == whole
    assert Options.of(Options(data="s3://bucket/x.npz").plain()).data == "s3://bucket/x.npz"


def test_a_ledger_keeps_what_holds_again_with_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = json.loads(json.dumps(Options(**SAID).plain()))
    assert kept == {
        **{key: value for key, value in SAID.items() if key not in ("out", "fresh", "go_on")},
        "reuse": [str(tmp_path / "a"), str(tmp_path / "b")],
        "custom": ["licence=1", "tpu=2.5"],
        "plugin": ["mine.py", "my.parts"],
        "track": ["tensorboard", "mlflow:http://here"],
        "weights": str(tmp_path / "w.pt"),
        "data": str(tmp_path / "d"),
    }
    back = Options.of({**kept, "of a later version": 1})
    assert back == Options(**{**SAID, "out": None, "fresh": False, "go_on": False}).absolute()
    assert back.plain() == kept


def test_how_often_and_where_to_are_read_at_once() -> None:
    for said in ("5", "10 min", "1h"):
        assert Options(checkpoint=said).plain() == {"checkpoint": said}
    with pytest.raises(
        ConfigError, match=r"^--checkpoint: every so many epochs \(5\) or minutes \(10 min\), got 'often'$"
    ):
        Options(checkpoint="often")
    with pytest.raises(ConfigError, match=r"^--out: s4://b/x: unknown scheme 's4'; did you mean 's3'"):
        Options(out="s4://b/x")
    assert Options(out="s3://b/x").plain() == {}, "it holds for one command"
