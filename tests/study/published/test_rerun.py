"""From a table to a study; and the ablations that ship beside it."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from dfkd_ray.methods import config, presets
from dfkd_ray.study import published
from dfkd_ray.util import shipped, yamls
from dfkd_ray.util.errors import ConfigError
from tests.study.published.test_init import of

RUNNABLE = [name for name in published.names() if published.load(name).runnable]
CASES = [(name, column) for name in RUNNABLE for column in published.load(name).runs]
KEYS = {"study", "question", "method", "task", "fixed", "objective", "design", "arms", "seeds"}
SMALL, CLAIMS, METHODS = (yamls.load(shipped.find(name)).data for name in ("mhad", "fgvc_claims", "methods"))
OF_METHODS = {f"{paper}/{task}" for paper in ("cmi", "cudfkd", "fast_datafree") for task in ("cifar10", "cifar100")}
NETS = {"ResNet-34": "cifar_resnet34", "ResNet-18": "cifar_resnet18", "VGG-11": "cifar_vgg11_bn"}
METHOD = config.load("dfkd_fgvc")


def check(plain: dict[str, Any]) -> None:
    """What holds for every scale: the form of the file, and that the method takes each arm."""
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", plain["study"])
    assert plain["question"].endswith("?")
    assert plain["design"] == "arms"
    assert plain["objective"] == {"metric": "val_accuracy", "mode": "max"}
    assert yamls.loads(yaml.safe_dump(plain)).data == plain
    method = config.load(plain["method"])
    prints = {config.fingerprint(config.change(method, of(plain["fixed"] | arm))) for arm in plain["arms"].values()}
    assert len(prints) == len(plain["arms"])


@pytest.mark.parametrize(("name", "column"), CASES)
def test_at_the_papers_scale(name: str, column: str) -> None:
    table = published.load(name)
    plain = published.study(table, column)
    check(plain)
    assert plain.keys() == KEYS | {"resources"}
    assert plain["task"] == table.runs[column]["task"]
    assert plain["fixed"].keys() == {"teacher.arch", "student.arch"}, "the schedule is the method's"
    assert plain["arms"] == table.arms
    pair = table.columns[column].split(" to ")
    own = [NETS.get(net, net.lower().replace("-", "_")) for net in pair] if len(pair) == 2 else ["resnet34", "resnet18"]
    assert list(plain["fixed"].values()) == own, "teacher and student"
    assert plain["seeds"] == published.SEEDS == 5


@pytest.mark.parametrize("name", RUNNABLE)
def test_on_gliders(name: str) -> None:
    table = published.load(name)
    plain = published.study(table, scale="gliders", seeds=7)
    check(plain)
    assert plain.keys() == KEYS | {"preset"}
    assert (plain["preset"], plain["task"], plain["seeds"]) == ("laptop", "gliders", 7)
    for column in table.runs:
        assert plain == published.study(table, column, "gliders", 7), "a column is only what it is put beside"
    if name in OF_METHODS:
        arms = METHODS["arms"]
        assert plain["fixed"] == METHODS["fixed"]
        assert plain["arms"] == {row: arms[each.get("method", table.method)] for row, each in table.arms.items()}
    else:
        lengths = {path: value for path, value in SMALL["fixed"].items() if "schedule" in path}
        assert plain["fixed"] == (CLAIMS["fixed"] if table.method == "dfkd_fgvc" else lengths)
        assert plain["arms"] == table.arms


def test_a_small_generator_has_the_losses_as_published() -> None:
    """Lengths without the preset's generator and rates would end at chance; its weights would be another claim."""
    plain = published.study(published.load("dfkd_fgvc/table3"), scale="gliders")
    small = presets.under(METHOD, plain["method"], plain["preset"], presets.Seen((3, 32, 32), 12))
    method = config.change(small, plain["fixed"])
    assert (method.source.width, method.student.optimizer.lr) == (16, 0.1)
    losses = {name: part.weight for name, part in method.student_loss.parts.items()}
    assert losses == {name: part.weight for name, part in METHOD.student_loss.parts.items()}


def test_no_two_studies_have_one_name() -> None:
    names = [published.study(published.load(name), column)["study"] for name, column in CASES]
    names += [published.study(published.load(name), scale="gliders")["study"] for name in RUNNABLE]
    assert len(set(names)) == len(names)


def test_what_is_returned_is_the_callers_own() -> None:
    table = published.load("dfkd_fgvc/table3")
    first = published.study(table, "aircraft")
    first["fixed"]["x"], first["arms"]["baseline"]["x"], first["resources"]["x"] = 1, 1, 1
    again = published.study(table, "aircraft")
    assert "x" not in again["fixed"] | again["arms"]["baseline"] | again["resources"]


@pytest.mark.parametrize(
    ("name", "column", "scale", "message"),
    [
        ("dfkd_fgvc/table1", None, "gliders", "dfkd_fgvc/table1 is data alone: The settings of"),
        ("dfkd_fgvc/table3", None, "paper", r"which column of dfkd_fgvc/table3\? \(known: aircraft, cars196, cub200\)"),
        ("dfkd_fgvc/table3", "aircrft", "paper", "no run for 'aircrft'; did you mean 'aircraft'"),
        ("dfkd_fgvc/table5", "average", "gliders", "dfkd_fgvc/table5 has no run for 'average'"),
        ("dfkd_fgvc/table3", "aircraft", "papr", "unknown scale 'papr'; did you mean 'paper'"),
    ],
)
def test_what_cannot_be_run_says_why(name: str, column: str | None, scale: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        published.study(published.load(name), column, scale)


ABLATIONS = {name: yamls.load(shipped.find(name)).data for name in ("fgvc_claims", "components")}


@pytest.mark.parametrize("name", ABLATIONS)
def test_the_shipped_ablations_stand_on_the_same_ground(name: str) -> None:
    plain = ABLATIONS[name]
    assert plain["study"] == name
    assert plain["question"].endswith("?")
    for key in ("method", "preset", "task", "objective"):
        assert plain[key] == SMALL[key], key
    published_weight = {"student_loss.semantic_contrast.weight": 8.0}  # the preset has another
    assert plain["fixed"] == SMALL["fixed"] | published_weight


def test_the_arms_of_fgvc_claims_are_different_methods() -> None:
    plain = ABLATIONS["fgvc_claims"]
    methods = {name: config.change(METHOD, plain["fixed"] | arm) for name, arm in plain["arms"].items()}
    assert methods["both"] == config.change(METHOD, plain["fixed"])
    for (one, a), (other, b) in combinations(methods.items(), 2):
        assert config.fingerprint(a) != config.fingerprint(b), (one, other)
    assert plain["seeds"] >= 5


def test_fgvc_claims_has_the_cells_that_decide() -> None:
    """Each as what its arm changes in `both`, path by path."""
    plain = ABLATIONS["fgvc_claims"]
    both = config.change(METHOD, plain["fixed"])
    gone = {"high_order": "MHAD", "semantic_contrast": "SFCL"}
    for name, kept in {"baseline": (), "+SFCL": ("SFCL",), "+MHAD": ("MHAD",), "both": ("MHAD", "SFCL")}.items():
        for suffix, mix in {"": 0.05, " at lambda 0": 0.0}.items():
            method = config.change(both, plain["arms"][name + suffix])
            assert {gone[term] for term in gone if term in method.student_loss.parts} == set(kept)
            assert method.source.attention.mix == mix
    single = {
        "order 1": ("student_loss.high_order.order", 1),
        "order 2": ("student_loss.high_order.order", 2),
        "softmax channels": ("source.attention.softmax", "channel"),
        "softmax rescaled": ("source.attention.softmax", "spatial_rescaled"),
        "attention frozen": ("student_loss.high_order.trained", "shared_frozen"),
        "attention joint": ("student_loss.high_order.trained", "shared_joint"),
    }
    for name, (path, value) in single.items():
        difference = config.diff(both, config.change(both, plain["arms"][name]))
        assert {at: new for at, (_, new) in difference.items()} == {path: value}
    for name, weight in {"plain features": 10.0, "plain features at 2.5": 2.5}.items():
        parts = config.change(both, plain["arms"][name]).student_loss.parts
        assert list(parts) == ["kd", "semantic_contrast", "feature_mse"]
        assert parts["feature_mse"].weight == weight
    assert set(plain["arms"]) == {
        *(base + suffix for base in ("baseline", "+SFCL", "+MHAD", "both") for suffix in ("", " at lambda 0")),
        *single,
        *("plain features", "plain features at 2.5"),
    }


def test_components_switches_each_part_of_the_method_off() -> None:
    plain = ABLATIONS["components"]
    assert plain["design"] == "leave_one_out"
    full = config.change(METHOD, plain["fixed"])
    touched = {}
    for name, component in plain["components"].items():
        assert component.keys() == {"off"}
        touched[name] = list(config.diff(full, config.change(full, component["off"])))
    assert touched == {
        "mhad": ["student_loss.high_order"],
        "sfcl": ["student_loss.semantic_contrast"],
        "adversarial": ["source_loss.adversarial"],
        "bn_prior": ["source_loss.batchnorm"],
        "generator_attention": ["source.attention.mix"],
    }
