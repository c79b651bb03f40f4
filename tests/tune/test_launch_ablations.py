"""Ablations from their start: arms that are one method, and what no interruption may change."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import tune
from dfkd_ray.tune import launch
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME
from dfkd_ray.util.errors import ConfigError
from tests.tune import ablations, toys

pytestmark = pytest.mark.usefixtures("no_fsync")
DESIGNS: dict[str, tuple[dict[str, str], toys.Parts]] = {
    "plain": ({}, toys.Parts(1, fails=(("without b", 1),))),
    "twins": (ablations.TWINS, toys.Parts(1)),
    "draws": (ablations.DRAWS, toys.Parts(1)),
    "tuned": (ablations.TUNED | {"trials: 6": "trials: 4"}, toys.Parts(1, bend=1.0, fails=(("without c", 1000),))),
    "adaptive": (dict(ablations.adaptive(4.0, most=6)), toys.Parts(1, noise=0.02)),
    "path": (ablations.PATH, toys.Parts(1, nans=(("b", 0),))),
    "path with twins": (ablations.PATH | ablations.TWINS, toys.Parts(1)),
    "path in order": (ablations.PATH, toys.Parts(1, needs=(("a", "b"), ("b", "c")))),
    "path by two": (ablations.PATH, toys.Parts(1, needs=(("a", "b"), ("b", "a")))),
}


@pytest.mark.parametrize("name", [*DESIGNS, "reuse"])
def test_an_ablation_cut_off_after_any_record_goes_on_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The same cells in the same order, with the same settings and values: the history decides, nothing else."""
    changes, work = DESIGNS.get(name, ({"seeds: 3": "seeds: 4"}, toys.Parts(1)))
    reuse = [tmp_path / "earlier"] if name == "reuse" else []
    for folder in reuse:
        ablations.run(folder, work=work)
    monkeypatch.setattr(launch.Tuner, "close", lambda self: None)
    expected = told(ablations.run(tmp_path / "whole", changes, work, reuse=reuse))
    lines = (tmp_path / "whole" / NAME).read_bytes().splitlines(keepends=True)
    for k in range(2, len(lines)):
        folder = tmp_path / f"{k}"
        folder.mkdir()
        (folder / NAME).write_bytes(b"".join(lines[:k]))
        assert toys.resume(folder, work, reuse=tuple(reuse)).finished
        assert told(ablations.history(folder)) == expected, f"cut off after record {k} of {len(lines)}"
        shutil.rmtree(folder)


def told(history: History) -> list[Any]:
    """All trials, without their times, and without who ran them."""
    return [
        (
            (t.reason or "")[:7],
            t.number,
            t.arm,
            t.seed,
            t.draw,
            t.tuning,
            t.changes,
            t.state,
            repr(t.values),
            t.final,
            t.fingerprint,
        )
        for t in history.trials.values()
    ]


def test_arms_of_one_method_are_found_by_fingerprint() -> None:
    assert launch.alike(toys.study(), toys.Toy()) == {}, "a sweep has no arms"
    assert launch.alike(ablations.study(), toys.Parts()) == {}
    assert launch.alike(ablations.study(ablations.TWINS), toys.Parts()) == {"without same": "full"}
    assert launch.alike(ablations.study(ablations.TWINS | ablations.PATH), toys.Parts()) == {}, "in its rounds"


def test_an_arm_that_is_no_method_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^arms\.without b: a: needs b$"):
        ablations.run(tmp_path, work=toys.Parts(needs=(("a", "b"),)))
    assert ablations.read_records(tmp_path / NAME) == ([], 0)


def test_a_summary_knows_an_ablation(tmp_path: Path) -> None:
    ablations.run(tmp_path)
    summary = tune.summary(tmp_path)
    assert (summary.ablation, summary.complete, summary.finished) == (True, 12, True)
