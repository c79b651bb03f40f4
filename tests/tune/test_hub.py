"""Samplers of others: built from a folder, told apart by their code, refused with the reason."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray.study import Budget, Objective, Study
from dfkd_ray.study.domains import Choice, Uniform
from dfkd_ray.study.specs import Optunahub
from dfkd_ray.tune import hub
from dfkd_ray.tune.search import Search
from dfkd_ray.util.errors import ConfigError, MissingExtra
from tests.tune import hubs
from tests.tune.hubs import optunahub  # noqa: F401  a fixture

SPACE = {"x": Uniform(0.0, 1.0), "c": Choice((1, 2, 3))}


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return hubs.registry(tmp_path)


def proposals(spec: Optunahub, count: int = 12) -> list[dict[str, object]]:
    goal = (Objective("val_accuracy"),)
    search = Search(Study("s", "m", "t", goal, SPACE, sampler=spec, budget=Budget(trials=count)))
    found = []
    for number in range(count):
        proposal = search.propose()
        assert proposal is not None
        found.append(dict(proposal.changes))
        search.tell(number, "complete", [0.1 * number], {}, None)
    return found


@pytest.mark.usefixtures("optunahub")
def test_a_sampler_from_a_folder_proposes_and_its_options_and_seed_count(registry: Path) -> None:
    spec = Optunahub("samplers/half", registry=str(registry))
    found = proposals(spec)
    assert all(0 <= each["x"] <= 0.5 for each in found)  # type: ignore[operator]
    assert len({each["x"] for each in found}) == len(found)
    assert found == proposals(spec), "a seed is a seed"
    assert found != proposals(Optunahub("samplers/half", seed=1, registry=str(registry)))
    few = proposals(Optunahub("samplers/half", registry=str(registry), options={"share": 0.01}))
    assert all(0 <= each["x"] <= 0.01 for each in few)  # type: ignore[operator]


@pytest.mark.usefixtures("optunahub")
def test_its_code_is_known_by_all_of_its_files(registry: Path) -> None:
    spec = Optunahub("samplers/half", registry=str(registry))
    before = hub.identity(spec)
    folder = registry / "samplers" / "half"
    made = hashlib.sha256()
    for name in ("__init__.py", "share.py"):
        content = (folder / name).read_bytes()
        made.update(f"{name} {len(content)}\n".encode() + content)
    assert before["digest"] == made.hexdigest()
    assert before["said"].startswith(f"samplers/half of {registry}, optunahub ")
    (folder / "share.py").write_text("SHARE = 0.25\n")
    assert hub.identity(spec)["digest"] != before["digest"]


@pytest.mark.usefixtures("optunahub")
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Optunahub("samplers/hlaf"), "samplers/hlaf: no such package in REGISTRY; did you mean 'samplers/half'?"),
        (Optunahub("samplers/broken"), "samplers/broken: not loaded: ModuleNotFoundError: No module named 'no_such"),
        (Optunahub("samplers/seedless"), "Fixed takes no `seed`, so no study of it could be run again"),
        (Optunahub("samplers/two"), "one sampler is wanted, and there are several: say `sampler:` One, Two"),
        (Optunahub("samplers/two", sampler="Tow"), "samplers/two: no sampler 'Tow'; did you mean 'Two'?"),
        (Optunahub("samplers/half", options={"seed": 3}), "the seed stands beside `options`, not among them"),
        (Optunahub("samplers/half", options={"shaer": 3}), "HalfSampler is not made: TypeError: "),
    ],
)
def test_what_cannot_be_used_is_refused(registry: Path, spec: Optunahub, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        hub.build(replace(spec, registry=str(registry)), 0)
    assert f"{message.replace('REGISTRY', str(registry))}" in str(refused.value)
    assert str(refused.value).startswith("optunahub samplers/")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, registry: Path) -> None:
    monkeypatch.setitem(sys.modules, "optunahub", None)
    said = r"the sampler samplers/half needs optunahub, which is not installed: pip install 'dfkd-ray\[optunahub\]'"
    with pytest.raises(MissingExtra, match=said):
        hub.build(Optunahub("samplers/half", registry=str(registry)), 0)
