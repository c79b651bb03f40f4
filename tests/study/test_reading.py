"""The study file: read, written back, and refused with every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray import study
from dfkd_ray.study import Resources
from dfkd_ray.study.domains import Bool, Choice, Int, Log, Uniform
from dfkd_ray.study.specs import Asha, Grid, Median, Nsga2, Qmc, Tpe
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.yamls import Document, loads

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
EXAMPLE = """\
study: mhad
question: Which ... ?
method: dfkd_fgvc
task: gliders
fixed: {schedule.epochs: 20}
objective: {metric: val_accuracy}
search:
  high_order.order: {choice: [1, 2, 3]}
  high_order.weight: {log: [0.1, 100]}
  some.flag: {bool: true}
  other.path: {uniform: [0, 1], when: {high_order.order: [2, 3]}}
sampler: {name: tpe, seed: 3}
stopper: {name: asha, grace: 2}
budget: {trials: 12}
resources: {cpu: 2, gpu: 0.5}
runtime: {device: auto}
"""


def test_the_example() -> None:
    made = study.parse(loads(EXAMPLE, "mhad.yaml"))
    assert made.objective == (study.Objective("val_accuracy", "max", "last"),)
    assert made.search["other.path"] == Uniform(0, 1, when={"high_order.order": (2, 3)})
    assert made.sampler == Tpe(seed=3)
    assert made.stopper == Asha(grace=2, reduction=3)
    assert made.budget == study.Budget(12)
    assert made.resources.threads == 2
    assert study.plain(made)["objective"] == {"metric": "val_accuracy", "mode": "max", "at": "last"}


paths = st.from_regex(r"[a-z]{1,4}(\.[a-z]{1,4}){0,2}", fullmatch=True)
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text("abc", min_size=1, max_size=3)
plain_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=2)
)
ends = st.tuples(st.integers(1, 5), st.integers(6, 9))
simple_domains = st.one_of(
    st.lists(plain_values, min_size=1, max_size=3, unique_by=repr).map(lambda v: ("choice", v)),
    ends.map(lambda e: ("int", e)),
    ends.map(lambda e: ("uniform", e)),
    ends.map(lambda e: ("log", e)),
    st.just(("bool", True)),
)
MAKE = {
    "choice": lambda v: Choice(tuple(v)),
    "int": lambda e: Int(*e),
    "uniform": lambda e: Uniform(*e),
    "log": lambda e: Log(*e, points=3),
    "bool": Bool,
}


# PyYAML's own writer and reader do not agree on these line breaks when they stand as they are.
lines = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029")


@st.composite
def studies(draw: st.DrawFn) -> study.Study:
    search: dict[str, Any] = {}
    for path in draw(st.lists(paths, min_size=1, max_size=4, unique=True)):
        kind, value = draw(simple_domains)
        try:
            search[path] = MAKE[kind](value)
        except ValueError:  # 0.0 and -0.0, say: equal texts for choices that hypothesis holds for different
            search[path] = Bool()
    if draw(st.booleans()):
        search["parent"] = Choice(("u", 2))
        search["child"] = Log(1, 2, when={"parent": (2,)})
    several = draw(st.booleans())
    objectives = [study.Objective("val_accuracy"), study.Objective("kl/noise", at="best")][: 1 + several]
    return study.Study(
        study=draw(st.from_regex(r"[a-z0-9][a-z_0-9-]{0,5}", fullmatch=True)),
        method="m",
        task="t",
        question=draw(st.text(lines, max_size=9)),
        objective=tuple(objectives),
        search=search,
        fixed=draw(st.dictionaries(paths.filter(lambda p: p not in search), plain_values, max_size=2)),
        sampler=draw(st.sampled_from([Tpe(seed=4), Nsga2(), Qmc(sequence="halton")])),
        stopper=study.parse(loads(EXAMPLE)).stopper
        if not several
        else study.Study.__dataclass_fields__["stopper"].default_factory(),  # type: ignore[misc]
        budget=study.Budget(trials=draw(st.integers(1, 99)), hours=draw(st.none() | st.floats(0.1, 9))),
        seed=draw(st.integers(0, 2**31)),
    )


@RELAXED
@given(studies())
def test_plain_and_parse_are_inverse(made: study.Study) -> None:
    assert study.parse(Document(study.plain(made))) == made
    text = yamls.dump(study.plain(made), allow_unicode=True)
    assert study.plain(study.parse(loads(text))) == study.plain(made)


BAD = """\
study: m had
methd: x
task: 3
objective: [{metric: val_acuracy}, {metric: test_accuracy/last}]
search:
  a: {unifrom: [0, 1]}
  b: {log: [0, 1]}
  c: {choice: [1], when: {zz: [1]}}
  d: {uniform: [1, 2], pints: 3}
sampler: {name: tp, seed: 0}
stopper: {name: asha, grace: 0}
budget: {trials: 1.5}
resources: {cpu: 0}
"""


def test_all_mistakes_at_once_with_their_lines() -> None:
    with pytest.raises(ConfigError) as refused:
        study.parse(loads(BAD, "bad.yaml"))
    lines = str(refused.value).splitlines()
    assert lines[2] == (
        "bad.yaml:2: methd: no such part of a study; did you mean 'method'? (known: arms, best, budget, checkpoint, "
        "components, confirm, constraints, design, draws, fixed, method, objective, plugins, preset, published, "
        "question, racing, resources, runtime, sampler, search, seed, seeds, spread, start, stopper, study, task, "
        "track, tune)"
    )
    assert lines[0] == "bad.yaml:1: method: is missing"
    assert lines[1] == "bad.yaml:1: study: a name has letters, digits, - and _, got 'm had'"
    assert lines[3:] == [
        "bad.yaml:3: task: expected the name of a task, or the task itself as a mapping, got 3",
        "bad.yaml:4: objective.0: no trial reports 'val_acuracy'; did you mean 'val_accuracy'? (known: "
        "agreement/dead_leaves, agreement/inverted, agreement/noise, agreement/source, asked/source, batchnorm/source, "
        "class_entropy/source, correlation/dead_leaves, correlation/inverted, correlation/noise, correlation/source, "
        "embedding_distance/source, image_distance/source, kl/dead_leaves, kl/inverted, kl/noise, kl/source, "
        "loss/SLOT/TERM, outside, uncertainty/source, val_accuracy, val_delta1, val_miou, val_rel, val_rmse); "
        "a metric of your own needs `mode: max` or `mode: min`",
        "bad.yaml:4: objective.1: test_accuracy/last: "
        "the test split is for the report alone, no study may select by it",
        "bad.yaml:6: search.a: unknown domain 'unifrom'; did you mean 'uniform'? "
        "(known: bool, choice, int, log, uniform)",
        "bad.yaml:7: search.b: a log domain starts above 0, got 0",
        "bad.yaml:9: search.d.pints: no such option of a uniform domain; did you mean 'points'? "
        "(known: points, prior, step, when)",
        "bad.yaml:10: sampler.name: unknown sampler 'tp'; did you mean 'tpe'? "
        "(known: cmaes, gp, grid, nsga2, optunahub, qmc, random, tpe)",
        "bad.yaml:11: stopper: grace must be >= 1, got 0",
        "bad.yaml:12: budget.trials: should be a valid integer, got 1.5",
        "bad.yaml:13: resources: cpu must be > 0, got 0",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "some.flag: {bool: true}",
            "some.flag: {bool: true, when: {high_order.ordr: [1]}}",
            "study.yaml:10: search.some.flag.when.high_order.ordr: no such path under `search`; "
            "did you mean 'high_order.order'?",
        ),
        ("schedule.epochs", "some.flag", "study.yaml:5: fixed.some.flag: is under `search` as well"),
        ("name: tpe", "name: grid", "study.yaml:9: search.high_order.weight: a grid needs countable values"),
        ("name: tpe", "name: cmaes", "study.yaml:12: sampler: cmaes does not model conditional domains"),
        ("name: tpe", "name: gp", "study.yaml:12: sampler: gp does not model conditional domains (`when`): take tpe"),
        (
            "{metric: val_accuracy}",
            "[{metric: val_accuracy}, {metric: kl/noise}]",
            "study.yaml:13: stopper: trials with several objectives cannot be ranked early: `stopper: none`",
        ),
        ("{metric: val_accuracy}", "[{metric: kl/noise}, {metric: kl/noise}]", "objective: a metric stands twice"),
        ("{metric: val_accuracy}", "[]", "study.yaml:6: objective: at least one objective"),
        ("budget: {trials: 12}\n", "", "budget: say how many `trials`, or `hours`"),
        ("trials: 12", "trials: 0", "study.yaml:14: budget: trials must be >= 1, got 0"),
        ("gpu: 0.5", "gpu: 1.5", "study.yaml:15: resources: gpu must be 0, a fraction of one, or a whole number"),
    ],
)
def test_messages(old: str, new: str, message: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(ConfigError) as refused:
        study.parse(loads(EXAMPLE.replace(old, new), "study.yaml"))
    assert message in str(refused.value)


def test_several_objectives_need_a_sampler_that_takes_them() -> None:
    text = """
study: s
method: m
task: t
objective: [{metric: val_accuracy}, {metric: kl/noise}]
search: {a: {log: [1, 2]}, b: {log: [1, 2]}}
sampler: cmaes
budget: {trials: 3}
"""
    with pytest.raises(
        ConfigError, match="cmaes takes one objective; for several: gp, grid, nsga2, optunahub, qmc, random, tpe"
    ):
        study.parse(loads(text))


def test_a_sampler_that_cannot_be_told_of_stopped_trials_takes_no_stopper() -> None:
    text = """
study: s
method: m
task: t
objective: {metric: val_accuracy}
search: {a: {log: [1, 2]}, b: {log: [1, 2]}}
sampler: gp
stopper: asha
budget: {trials: 3}
"""
    with pytest.raises(ConfigError) as refused:
        study.parse(loads(text, "study.yaml"))
    assert str(refused.value) == (
        "study.yaml:8: stopper: gp models values, and that of a trial stopped early is none of its last epoch: "
        "`stopper: none`, or take tpe, cmaes or nsga2, which know what was stopped"
    )
    for told in ("sampler: cmaes", "sampler: nsga2", "sampler: tpe"):
        assert study.parse(loads(text.replace("sampler: gp", told))).stopper == Asha()
    assert study.parse(loads(text.replace("asha", "none"))).sampler.stopped == "refused"


def test_not_a_mapping() -> None:
    with pytest.raises(ConfigError, match="expected a study: a mapping with study, method, task, objective, search"):
        study.parse(loads("[1, 2]"))


def test_check_tries_every_choice_and_both_ends_where_they_count() -> None:
    made = study.parse(loads(EXAMPLE))
    tried: list[Mapping[str, Any]] = []

    def accepts(changes: Mapping[str, Any]) -> None:
        tried.append(dict(changes))

    study.check(made, accepts)
    orders = [t["high_order.order"] for t in tried if set(t) == {"schedule.epochs", "high_order.order"}]
    assert orders == [1, 2, 3]
    assert [t["other.path"] for t in tried if t.get("high_order.order") == 2 and "other.path" in t] == [0, 1]


def test_check_reports_once_and_where_it_stands() -> None:
    document = loads(EXAMPLE, "mhad.yaml")

    def refuses(changes: Mapping[str, Any]) -> None:
        if "some.flag" in changes:
            raise ConfigError([Problem("some", "no such field"), Problem("some.flag", "is odd")])

    with pytest.raises(ConfigError) as refused:
        study.check(study.parse(document), refuses, document)
    assert str(refused.value).splitlines() == [
        "mhad.yaml:10: search.some.flag: some: no such field",
        "mhad.yaml:10: search.some.flag: is odd",
    ]


def test_a_grid_needs_no_number_of_trials() -> None:
    made = study.Study(
        study="s",
        method="m",
        task="t",
        objective=(study.Objective("val_accuracy"),),
        search={"a": Bool()},
        sampler=Grid(),
        stopper=Median(),
    )
    assert made.budget.trials is None
    assert made.trials == 2
    assert study.parse(loads(EXAMPLE)).trials == 12


def test_how_often_a_trial_is_saved() -> None:
    def read(said: str) -> Any:
        return study.parse(loads(EXAMPLE + f"checkpoint: {said}\n", "s.yaml")).checkpoint.every

    assert [read("{every: 5}"), read("{every: 10 min}")] == [5, "10 min"]
    with pytest.raises(ConfigError, match=r"checkpoint: every so many epochs \(5\) or minutes \(10 min\), got 'often'"):
        read("{every: often}")
    with pytest.raises(ConfigError, match="checkpoint"):
        read("{each: 5}")


RESOURCES = """study: a
method: noise_kd
task: gliders
objective: {metric: val_accuracy}
budget: {trials: 1}
resources:
"""


def test_what_a_trial_takes() -> None:
    full = "  {cpu: 4, gpu: 0.5, memory: 16, accelerator: H100, custom: {licence: 1, disk/ssd: 0.5}, fuse: 8}\n"
    made = study.parse(loads(RESOURCES + full, "a.yaml"))
    assert made.resources == Resources(4, 0.5, 16, "H100", {"licence": 1, "disk/ssd": 0.5}, 8)
    assert study.parse(Document(study.plain(made))) == made
    assert study.parse(loads(RESOURCES + "  {cpu: 2, gpu: auto}\n", "a.yaml")).resources == Resources(2)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gpu: all", "gpu: should be a valid number or 'auto', got 'all'"),
        ("memory: 0", "memory must be > 0, got 0"),
        ("accelerator: 100", "accelerator: should be a valid string, got 100"),
        ("custom: {CPU: 1}", "custom is for what a cluster calls its own, and Ray has CPU itself"),
        ("custom: [1]", "custom: should be a valid dictionary, got [1]"),
        ("fuse: 1.5", "fuse: should be a valid integer"),
        ("fuse: 0", "resources: fuse must be >= 1, got 0"),
        ("fuse: 2000", "fuse: must be at most 1,024, got 2,000"),
        ("acelerator: H100", "acelerator: no such field; did you mean 'accelerator'? (known: "),
    ],
)
def test_what_no_trial_takes(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        study.parse(loads(f"{RESOURCES}  {line}\n", "a.yaml"))
    assert said in str(refused.value)
    assert str(refused.value).startswith("a.yaml:")


def test_plug_ins_are_a_list_or_one() -> None:
    text = "study: s\nmethod: noise_kd\ntask: gliders\nobjective: {metric: val_accuracy}\n"
    text += "search: {a: {choice: [1, 2]}}\nbudget: {trials: 1}\n"
    made = study.parse(yamls.loads(f"{text}plugins: mine.py\n"))
    assert made.plugins == ("mine.py",)
    assert study.plain(made)["plugins"] == ["mine.py"]
    assert study.parse(yamls.loads(f"{text}plugins: [a.py, my.parts]\n")).plugins == ("a.py", "my.parts")
    assert "plugins" not in study.plain(study.parse(yamls.loads(text)))
    for wrong in ("{a: b}", "[1]", "['']", "3"):
        with pytest.raises(ConfigError, match=r"^7: plugins: expected a list of files, folders or modules, got "):
            study.parse(yamls.loads(f"{text}plugins: {wrong}\n"))
