"""Settings that are given: each value in its domain, each setting a point of the space, and what a method has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray import study
from dfkd_ray.study.domains import Bool, Choice, Int, Log, Uniform
from dfkd_ray.study.starting import completed, contains, describe, fitted, held, setting_of
from dfkd_ray.study.study import Study
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import loads

TEXT = """\
study: s
method: m
task: t
objective: {metric: val_accuracy}
search:
  a.b: {log: [0.1, 100], prior: {value: 1, confidence: high}}
  kind: {choice: [soft, {name: hard, weight: 2}, null]}
  n: {int: [2, 10], step: 2, when: {flag: true}}
  flag: {bool: true}
budget: {trials: 3}
"""


def parsed(more: str = "", **edits: str) -> Study:
    text = TEXT + more
    for old, new in edits.items():
        text = text.replace(old, new)
    return study.parse(loads(text, "s.yaml"))


def refusal(more: str) -> str:
    with pytest.raises(ConfigError) as error:
        parsed(more)
    return str(error.value)


def test_a_start_is_one_setting_or_several_and_is_written_back() -> None:
    one = parsed("start: {a.b: 1}\n")
    assert one.start == ({"a.b": 1},)
    two = parsed("start:\n- {a.b: 1, kind: soft}\n- {}\n")
    assert two.start == ({"a.b": 1, "kind": "soft"}, {})
    again = study.parse(study.reading.Document(study.plain(two)))
    assert again == two
    assert "start" not in study.plain(parsed())


def test_mistakes_of_a_start_have_their_path_and_line() -> None:
    told = refusal("start:\n- {a.b: 1}\n- a.b: 1000\n  kid: soft\n  kind: hard\n").splitlines()
    assert told == [
        "s.yaml:13: start.1.a.b: 1000 is not in log [0.1, 100.0]",
        "s.yaml:14: start.1.kid: no such path under `search`; did you mean 'kind'? (known: a.b, flag, kind, n)",
        's.yaml:15: start.1.kind: "hard" is not in choice ["soft", {"name"…rd", "weight": 2}, null]',
    ]
    assert refusal("start: 3\n") == "s.yaml:11: start: expected {path: value} or a list of such settings, got 3"
    assert refusal("start: [{}, {n: 2}, {n: 4}, {n: 6}]\n") == (
        "s.yaml:11: start: has 4 settings, and the budget is 3 trials"
    )


def test_a_start_is_for_a_sweep_that_has_a_choice() -> None:
    with pytest.raises(ConfigError, match="start: a grid runs each of its points once: take another sampler"):
        study.parse(loads(TEXT.replace("log: [0.1, 100]", "choice: [1, 2]") + "sampler: grid\nstart: {a.b: 1}\n"))
    arms = "\n".join(line for line in TEXT.splitlines() if not line.startswith("budget"))
    with pytest.raises(ConfigError) as error:
        study.parse(loads(f"{arms}\nstart: {{a.b: 1}}\narms: {{one: {{}}, two: {{c: 1}}}}\nseeds: 2\n"))
    assert {
        "search.a.b.prior: is for a sweep: an ablation draws what its arms share without",
        "start: is for a sweep: an ablation runs its arms",
    } <= {str(problem).partition(": ")[2] for problem in error.value.problems}


def test_a_prior_has_its_value_in_the_domain() -> None:
    assert study.plain(parsed())["search"]["a.b"] == {"log": [0.1, 100], "prior": {"value": 1, "confidence": "high"}}
    text = TEXT.replace("value: 1,", "value: 0.01,")
    with pytest.raises(ConfigError, match=r"search\.a\.b\.prior\.value: 0\.01 is not in log \[0\.1, 100\.0\]"):
        study.parse(loads(text))
    with pytest.raises(ConfigError, match=r"search\.a\.b\.prior\.confidence: should be 'low', 'medium' or 'high'"):
        study.parse(loads(TEXT.replace("high}", "sure}")))
    alone = study.parse(loads(TEXT.replace("{value: 1, confidence: high}", "3")))
    assert alone.search["a.b"].prior == study.priors.Prior(3, "medium")


ROWS: list[tuple[Any, Any, Any]] = [
    (Log(0.1, 100), 1, 1.0),
    (Log(0.1, 100), 0.09, None),
    (Log(0.1, 100), "1", None),
    (Log(0.1, 100), True, None),
    (Uniform(0, 1, step=0.1), 0.30000000000000004, 0.3),
    (Uniform(0, 1, step=0.1), 0.35, None),
    (Uniform(0, 1), float("nan"), None),
    (Int(2, 10, step=2), 4.0, 4),
    (Int(2, 10, step=2), 5, None),
    (Bool(), True, True),
    (Bool(), 1, None),
    (Choice((1, 2)), 2.0, 2),
    (Choice(({"a": 1},)), {"a": 1}, {"a": 1}),
    (Choice((None,)), None, None),
]


@pytest.mark.parametrize(("domain", "value", "own"), ROWS)
def test_a_value_is_taken_as_its_domain_has_it(domain: Any, value: Any, own: Any) -> None:
    if own is None and domain != Choice((None,)):
        assert not contains(domain, value)
        with pytest.raises(ValueError, match="is not in"):
            fitted(domain, value)
    else:
        assert (fitted(domain, value), type(fitted(domain, value))) == (own, type(own))
    assert not contains(None, value)


@given(st.sampled_from([Int(1, 9, log=True), Int(3, 30, step=3), Uniform(-1, 1, step=0.25), Bool(), Choice((1, "1"))]))
@settings(deadline=None)
def test_every_point_of_a_domain_is_in_it(domain: Any) -> None:
    assert [fitted(domain, value) for value in domain.grid()] == list(domain.grid())


METHOD = {"a": {"b": 4}, "kind": {"name": "hard", "weight": 2, "bias": 0}, "flag": True, "n": 6}


def test_what_a_setting_leaves_out_is_as_the_method_has_it() -> None:
    space = parsed().search
    assert completed(space, {}, METHOD) == {
        "a.b": 4.0,
        "kind": {"name": "hard", "weight": 2},
        "flag": True,
        "n": 6,
    }
    assert completed(space, {"flag": False, "kind": None}, METHOD) == {"a.b": 4.0, "kind": None, "flag": False}
    with pytest.raises(ConfigError) as error:
        completed(space, {"n": 4, "flag": False, "c": 1}, {**METHOD, "kind": {"name": "none"}})
    assert [str(problem) for problem in error.value.problems] == [
        'kind: the method has {"name": "none"} there, which is not in choice ["soft", {"name"…rd", "weight": 2}, null]',
        "c: is not searched",
    ]
    with pytest.raises(ConfigError, match="n: is drawn only where flag is true"):
        completed(space, {"n": 4, "flag": False}, METHOD)


def test_of_choices_the_one_that_says_most_of_what_is_there() -> None:
    options = Choice(({"name": "hard"}, {"name": "hard", "weight": 2}, "hard", {"name": "hard", "weight": 3}))
    assert held(options, METHOD, "kind") == {"name": "hard", "weight": 2}
    assert held(Choice((None, 1)), METHOD, "kind.bias.none") is None, "what is not there is null"
    with pytest.raises(ValueError, match=r"the method has null there, which is not in log \[1, 2\]"):
        held(Log(1, 2), METHOD, "nowhere.at.all")


def test_a_trial_of_another_study_as_a_setting_of_this_space() -> None:
    space = parsed().search
    changes = {"a.b": 9, "other": 1}
    assert setting_of(space, changes, {**METHOD, "kind": "no"}) == {"a.b": 9, "flag": True, "n": 6}


def test_what_a_search_begins_with_is_said() -> None:
    made = parsed("start: [{}, {n: 2}]\n")
    assert list(describe(made.start, made.search)) == [
        "first the study's own start: 2 settings",
        "priors run first, and half of what is drawn at random lies around them: a.b",
    ]
    assert list(describe((), {"x": Bool()})) == []
