"""YAML <-> Method, changes by path, differences, fingerprints; and the Runtime, which is none of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.methods import config
from dfkd_ray.methods.config import change, diff, fingerprint, load, parse, plain
from dfkd_ray.methods.method import Method
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError, Problem, UnknownName

FGVC = load("dfkd_fgvc")
every_method = pytest.mark.parametrize("name", config.method_names())


def complaint(changes: dict[str, Any], method: Method = FGVC) -> str:
    with pytest.raises(ConfigError) as caught:
        change(method, changes)
    return str(caught.value)


# ---- reading and writing


@every_method
def test_a_shipped_method_resolves_and_round_trips(name: str) -> None:
    method = load(name)
    assert parse(plain(method)) == method
    assert plain(parse(plain(method))) == plain(method)
    shown = yaml.safe_dump(plain(method), sort_keys=False)
    assert parse(yamls.loads(shown).data) == method, "what `show` prints can be read"
    assert json.loads(json.dumps(plain(method))) == plain(method)


def test_nothing_is_a_method_too() -> None:
    assert parse({}) == Method()
    assert parse({"student_loss": None, "views": None}) == Method()
    assert load("noise_kd") != Method()


def test_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown method 'dfkd_fgcv'; did you mean 'dfkd_fgvc'"):
        load("dfkd_fgcv")
    path = tmp_path / "mine.yaml"
    path.write_text("# mine\nschedule: {batch: 8}\n")
    assert load(str(path)).schedule.batch == 8
    path.write_text("")
    assert load(str(path)) == Method()


def test_all_mistakes_of_a_file_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "sourse: noise\n"
        "student_loss:\n"
        "  kd: {temprature: 2}\n"
        "  high_order: {weight: heavy}\n"
        "  atention_transfer: {}\n"
        "schedule:\n"
        "  batch: 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems] == [
        "1: sourse: not a slot of a method; did you mean 'source'? (known: memory, schedule, source, source_loss, "
        "student, student_loss, teacher, views)",
        "3: student_loss.kd.temprature: no such field; did you mean 'temperature'? (known: direction, temperature)",
        "4: student_loss.high_order.weight: should be a finite number, got 'heavy'",
        "5: student_loss.atention_transfer: unknown loss term 'atention_transfer'; did you mean 'attention_transfer'? "
        f"(known: {', '.join(config.terms)})",
        "6: schedule: batch must be at least 2, got 1",
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "a method is a mapping of slots, got []"),
        ({"student_loss": ["kd"]}, "student_loss: expected terms by name, got ['kd']"),
        ({"student_loss": {"kd": 2}}, "student_loss.kd: expected a mapping such as {weight: 1.0}, got 2"),
        ({"student_loss": {"kd": {"weight": True}}}, "student_loss.kd.weight: should be a finite number, got True"),
        (
            {"student_loss": {"kd": {"weight": float("inf")}}},
            "student_loss.kd.weight: should be a finite number, got inf",
        ),
        ({"student_loss": {"total": {"name": "kd"}}}, "student_loss: 'total' cannot name a term"),
        ({"source": None}, "source: expected the name of a source or a mapping with one, got None"),
        ({"memory": {"name": "pol"}}, "memory.name: unknown memory 'pol'; did you mean 'pool'? (known: "),
    ],
)
def test_a_mistake_in_plain_data(raw: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    assert str(caught.value).startswith(message)


# ---- changes


def test_a_change_is_seen_where_it_was_made_and_nowhere_else() -> None:
    changed = change(FGVC, {"student_loss.high_order.order": 2})
    assert diff(FGVC, changed) == {"student_loss.high_order.order": (3, 2)}
    assert load("dfkd_fgvc") == FGVC, "the method that was changed is as it was"


def test_null_takes_a_term_or_an_optional_part_out() -> None:
    changed = change(FGVC, {"student_loss.high_order": None, "source.attention": None})
    assert list(changed.student_loss.parts) == ["kd", "semantic_contrast"]
    assert changed.source.attention is None
    assert list(diff(FGVC, changed)) == ["source.attention", "student_loss.high_order"]
    none = change(FGVC, {"source_loss": None, "student_loss": None})
    assert not none.source_loss.parts
    assert not none.student_loss.parts


def test_a_term_that_is_not_there_is_out_already() -> None:
    """So that a search may choose between null and a mapping that adds it."""
    assert change(FGVC, {"student_loss.logit_l1": None, "source_loss.kd": None}) == FGVC
    assert change(FGVC, {"student_loss.logit_l1": {}, "student_loss.kd": None}).student_loss.parts.keys() == {
        *("high_order", "semantic_contrast", "logit_l1")
    }


def test_a_mapping_replaces_a_component_whole() -> None:
    changed = change(FGVC, {"student.optimizer.lr": 0.5, "student.optimizer": {"name": "sgd"}})
    assert changed == FGVC, "the rate is the default's again"
    changed = change(FGVC, {"student_loss.high_order": {"order": 1}})
    assert changed.student_loss.parts["high_order"].weight == 1.0
    assert change(FGVC, {"memory": "pool"}) == change(FGVC, {"memory": {"name": "pool"}})
    assert change(FGVC, {"memory": "pool"}).memory.registered_as == "pool"


def test_a_mapping_adds_a_term() -> None:
    changed = change(FGVC, {"student_loss.cold": {"name": "kd", "temperature": 0.5}, "source_loss.l2": {"weight": 2}})
    assert changed.student_loss.parts["cold"].term.temperature == 0.5
    assert changed.source_loss.parts["l2"].weight == 2.0
    assert parse(plain(changed)) == changed


def test_changes_are_made_in_order() -> None:
    assert change(FGVC, {"source_loss.l2": {}, "source_loss.l2.weight": 3}).source_loss.parts["l2"].weight == 3
    assert change(FGVC, {"source.attention": None, "source.attention": {}}) == FGVC  # noqa: F601


MESSAGES = {
    "an unknown field": (
        {"student_loss.high_order.ordr": 2},
        "student_loss.high_order.ordr: there is no 'ordr' in student_loss.high_order; did you mean 'order'? "
        "(known: activation, compare, order, ramp, reduce, start, trained, weight, where)",
    ),
    "an unknown parent": (
        {"student_loss.hihg_order.order": 2},
        "student_loss.hihg_order.order: there is no 'hihg_order' in student_loss; did you mean 'high_order'? "
        "(known: high_order, kd, semantic_contrast)",
    ),
    "an unknown slot": (
        {"kd.weight": 2},
        "kd.weight: there is no 'kd' in a method (known: memory, schedule, source, source_loss, student, "
        "student_loss, teacher, views)",
    ),
    "a term that is not there": (
        {"source_loss.kdd": None},
        "source_loss.kdd: there is no 'kdd' in source_loss (known: adversarial, batchnorm)",
    ),
    "an unknown new term": (
        {"student_loss.high_ordr": {}},
        "student_loss.high_ordr: unknown loss term 'high_ordr'; did you mean 'high_order'? "
        f"(known: {', '.join(config.terms)})",
    ),
    "a term that is a number": (
        {"student_loss.l2": 3},
        "student_loss.l2: expected a mapping such as {weight: 1.0}, got 3",
    ),
    "a range": (
        {"student_loss.high_order.order": 7},
        "student_loss.high_order.order: order must be 1, 2, 3 or 4, got 7",
    ),
    "a nested range": ({"student.optimizer.lr": -1}, "student.optimizer.lr: lr must be > 0, got -1.0"),
    "a type": ({"schedule.batch": "8"}, "schedule.batch: should be a valid integer, got '8'"),
    "a truth for a number": ({"schedule.batch": True}, "schedule.batch: should be a valid integer, got True"),
    "an option": (
        {"student_loss.kd.direction": "both"},
        "student_loss.kd.direction: should be 'teacher_student' or 'student_teacher', got 'both'",
    ),
    "below nothing": (
        {"source.attention": None, "source.attention.mix": 0.1},
        "source.attention.mix: nothing can be changed in source.attention: it is null",
    ),
    "below a number": (
        {"schedule.batch.size": 1},
        "schedule.batch.size: nothing can be changed in schedule.batch: it is 64",
    ),
    "the name alone": (
        {"student.optimizer.name": "adam"},
        "student.optimizer.name: a component is replaced whole, since another has other fields: "
        "student.optimizer: {name: adam}",
    ),
    "a slot that cannot be empty": (
        {"memory": None},
        "memory: expected the name of a memory or a mapping with one, got None",
    ),
    "inside a mapping": (
        {"source.attention": {"mixx": 1, "reduction": 0.5}},
        "source.attention.mixx: no such field; did you mean 'mix'? (known: mix, reduction, softmax)\n"
        "source.attention.reduction: should be a valid integer, got 0.5",
    ),
    "several": (
        {"schedule.batch": 1, "schedule.epoch": 3},
        "schedule.batch: batch must be at least 2, got 1\n"
        "schedule.epoch: there is no 'epoch' in schedule; did you mean 'epochs'? (known: batch, epochs, "
        "rehearse_every, rounds, source_epochs, source_steps, student_in_synthesis, student_steps, warmup)",
    ),
}


def test_a_change_that_fits_only_beside_a_later_one_waits_for_it() -> None:
    long = change(FGVC, {"schedule.warmup": 20})
    made = change(long, {"schedule.epochs": 9, "schedule.warmup": 2})
    assert (made.schedule.epochs, made.schedule.warmup) == (9, 2)
    with pytest.raises(ConfigError, match=r"^schedule\.epochs: warmup must leave the student an epoch, got 20 of 9$"):
        change(long, {"schedule.epochs": 9, "schedule.batch": 32})


def test_changes_that_fit_only_together_are_made_at_once() -> None:
    both = {"source.labels": "none", "source.condition": None}
    cgdd = config.load("cgdd")
    assert cgdd.source.condition is not None
    for changes in (both, dict(reversed(both.items()))):
        made = change(cgdd, changes)
        assert (made.source.labels, made.source.condition) == ("none", None)
    there = {"source.condition": "sum_emb", "source.labels": "balanced"}
    assert change(change(FGVC, there), {"schedule.batch": 8}).source.labels == "balanced"
    crossed = {"student.optimizer.nesterov": True, "student.optimizer.momentum": 0.0}
    with pytest.raises(ConfigError, match=r"^student\.optimizer\.momentum: nesterov needs a momentum > 0$"):
        change(FGVC, crossed)


def test_a_change_may_name_another_method_to_which_the_others_are_made() -> None:
    noise = config.load("noise_kd")
    assert change(FGVC, {"schedule.batch": 8, "method": "noise_kd"}) == change(noise, {"schedule.batch": 8})
    assert change(FGVC, {"method": plain(noise)}) == noise
    assert complaint({"method": "noise_kdd"}).startswith("method: unknown method 'noise_kdd'; did you mean 'noise_kd'?")
    assert complaint({"method": {"sourc": "noise"}}).startswith("method.sourc: not a slot of a method")


@pytest.mark.parametrize("case", MESSAGES)
def test_what_a_change_that_does_not_fit_says(case: str) -> None:
    changes, message = MESSAGES[case]
    assert complaint(changes) == message


# ---- properties


def paths(node: Any, at: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            path = f"{at}.{key}" if at else key
            yield path
            yield from paths(value, path)


ALL_PATHS = sorted(paths(plain(FGVC)))
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "student_loss.kd": st.none() | st.fixed_dictionaries({"weight": st.integers(0, 9)}),
    "student_loss.kd.temperature": st.floats(0.5, 20),
    "student_loss.high_order": st.none() | st.just({"order": 1, "trained": "shared_frozen"}),
    "student_loss.again": st.sampled_from(
        [{"name": "kd"}, {"name": "l2", "weight": 3}, {"name": "kd", "temperature": 2}]
    ),
    "source_loss": st.none() | st.just({"onehot": {}, "adversarial": {"weight": 2}}),
    "source": st.sampled_from(["noise", "generator", {"name": "generator", "width": 8, "attention": None}]),
    "source.attention": st.none() | st.fixed_dictionaries({"mix": st.floats(0, 1)}),
    "student.optimizer": st.sampled_from(["sgd", "adam", {"name": "adam", "betas": [0.5, 0.9]}]),
    "student.optimizer.lr": st.floats(1e-6, 1) | st.just(1),
    "student.arch": st.none() | st.just("resnet8"),
    "memory": st.sampled_from(["fresh", {"name": "pool", "capacity": 9}]),
    "views.student": st.lists(st.sampled_from(["flip", {"name": "crop", "padding": 2}]), max_size=2),
    "schedule.batch": st.integers(2, 512),
}
some_changes = st.lists(st.sampled_from(sorted(CHANGES)), max_size=4, unique=True).flatmap(
    lambda chosen: st.fixed_dictionaries({path: CHANGES[path] for path in chosen})
)


def changed(changes: dict[str, Any]) -> Method:
    """The method with those of the changes that still have a place to be made at when their turn comes."""
    method = FGVC
    for path, value in changes.items():
        if path in set(paths(plain(method))) or (value is not None and path.count(".") == 1 and "_loss." in path):
            method = change(method, {path: value})
    return method


@given(some_changes)
@settings(max_examples=30, deadline=None)
def test_a_changed_method_round_trips(changes: dict[str, Any]) -> None:
    method = changed(changes)
    assert parse(plain(method)) == method
    assert fingerprint(parse(plain(method))) == fingerprint(method)


@given(some_changes, some_changes)
@settings(max_examples=30, deadline=None)
def test_a_difference_is_the_change_from_one_to_the_other(first: dict[str, Any], second: dict[str, Any]) -> None:
    a, b = changed(first), changed(second)
    difference = diff(a, b)
    assert change(a, {path: new for path, (_, new) in difference.items()}) == b
    assert change(b, {path: old for path, (old, _) in difference.items()}) == a
    assert (not difference) is (a == b) is (fingerprint(a) == fingerprint(b))


@given(st.sampled_from(ALL_PATHS), st.sampled_from(["x", -1, 0, 3, 0.5, True, None, [], [1], {}, {"name": "x"}]))
@settings(max_examples=150, deadline=None)
def test_any_value_at_any_path_is_taken_or_refused_under_that_path(path: str, value: Any) -> None:
    problems: tuple[Problem, ...] = ()
    made = FGVC
    try:
        made = change(FGVC, {path: value})
    except ConfigError as error:
        problems = error.problems
    assert [problem for problem in problems if not problem.path.startswith(path)] == []
    assert [at for at in diff(FGVC, made) if not f"{at}.".startswith(f"{path}.")] == []


# ---- fingerprints


def test_the_fingerprints_of_shipped_methods_are_fixed() -> None:
    """Computed by another process. A new field of a component or another default changes them; that is all that may."""
    assert fingerprint(load("dfkd_fgvc")) == "4885f1bc3a174bbb"
    assert fingerprint(load("noise_kd")) == "c4472659b6cbe57b"


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    def turned(node: Any) -> Any:
        return {key: turned(node[key]) for key in reversed(node)} if isinstance(node, dict) else node

    assert list(turned(plain(FGVC))) != list(plain(FGVC))
    assert fingerprint(parse(turned(plain(FGVC)))) == fingerprint(FGVC)


def leaves(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    for path in paths(node):
        value = node
        for key in path.split("."):
            value = value[key]
        if not isinstance(value, dict) and not path.endswith("name"):
            yield path, value


OTHER = {
    "source_loss.adversarial.clean": 0.5,
    "memory.clean": 0.5,
    "source.scales": [1, 2],
    "source.attention.softmax": "channel",
    "source.output": "normalised",
    "source.latent_lr": 0.5,
    "source.labels": "uniform",
    "source.condition": "sum_emb",
    "source.gives": "best",
    "source.ema": {"decay": 0.5, "share": 0.25},
    "source.clip": 5.0,
    "student.clip": 5.0,
    "student.init": "xavier",
    "schedule.source_epochs": 3,
    "source_loss.adversarial.divergence": "l1",
    "source_loss.adversarial.direction": "student_teacher",
    "student_loss.kd.direction": "student_teacher",
    "student_loss.high_order.activation": "sigmoid_sum",
    "student_loss.high_order.trained": "shared_joint",
    "student_loss.high_order.compare": "map",
    "student_loss.high_order.reduce": "mean",
    "student_loss.high_order.where": "embedding",
    "student_loss.high_order.order": 2,
    "schedule.student_in_synthesis": "eval",
    "student.optimizer.momentum": 0.5,
    "source.optimizer.betas": [0.5, 0.999],
}


@pytest.mark.parametrize(("path", "value"), list(leaves(plain(FGVC))), ids=lambda x: str(x))
def test_a_fingerprint_changes_with_every_field(path: str, value: Any) -> None:
    if path in OTHER:
        other = OTHER[path]
    elif isinstance(value, bool):
        other = not value
    elif isinstance(value, list):
        other = ["flip"]
    elif value is None:
        other = "resnet8"
    else:
        other = value + 1 if isinstance(value, int) else value / 2 + 0.125
    before = change(FGVC, {"source.labels": "uniform"}) if path == "source.condition" else FGVC  # it needs them
    made = change(before, {path: other})
    assert list(diff(before, made)) == [path]
    assert fingerprint(made) != fingerprint(before)


# ---- the runtime


def test_a_runtime_is_no_part_of_a_method() -> None:
    for field in ("runtime", "device", "precision", "threads"):
        assert f"there is no '{field}' in a method" in complaint({field: "cpu"})
        assert field not in set(paths(plain(FGVC)))
