from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from dfkd_ray import nets
from dfkd_ray.methods import config
from dfkd_ray.runs.study_file import absolute_pool, anchored, open_study
from dfkd_ray.tune.options import Options
from dfkd_ray.util import shipped
from dfkd_ray.util.errors import ConfigError, DataError
from dfkd_ray.util.yamls import Document

GOOD = """study: mine
method: dfkd_fgvc
task: gliders
fixed:
  schedule.epochs: 2
objective: {metric: agreement/source}
search:
  student_loss.kd.temperature: {log: [1, 20]}
  memory: {choice: [fresh, {name: pool, capacity: 64}]}
sampler: random
budget: {trials: 2}
seed: 0
"""


def write(folder: Path, text: str = GOOD) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """The messages for GOOD with some text replaced, without the folder."""
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        open_study(write(folder, text))
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_a_study_and_its_work(tmp_path: Path) -> None:
    made, work = open_study(write(tmp_path))
    assert made.study == "mine"
    assert work.method == config.change(config.load("dfkd_fgvc"), {"schedule.epochs": 2})
    assert (work.max_epochs, work.metric, work.sign) == (2, "agreement/source", 1.0)


def test_a_sweep_with_several_seeds_and_its_mistakes(tmp_path: Path) -> None:
    several = ("seed: 0", "seeds: [3, 5]\nracing: {risk: 0.01}")
    made, _ = open_study(write(tmp_path, GOOD.replace(*several)))
    assert (made.seeds, made.in_all) == ((3, 5), 4)
    found = mistakes(tmp_path, ("seed: 0", "seeds: [3, 3]\nracing: true"), ("schedule.epochs: 2", "schedule.epoch: 2"))
    assert found[0].startswith("mine.yaml:5: fixed.schedule.epoch: ")
    assert found[1:] == ["mine.yaml:12: seeds: 3 stands twice: the same seed is the same run"]


def test_a_pool_is_looked_for_beside_the_study_and_kept_absolute(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    arms = {"a": {"source": {"name": "stored", "folder": "mine"}}, "b": {"source": "noise"}}
    made = anchored(
        Document({"fixed": {"source.folder": "mine", "x": 1}, "arms": arms}, file=str(tmp_path / "study.yaml"))
    ).data
    assert made["fixed"] == {"source.folder": str(tmp_path / "mine"), "x": 1}
    assert made["arms"] == {"a": {"source": {"name": "stored", "folder": str(tmp_path / "mine")}}, "b": arms["b"]}
    (tmp_path / "b.npz").touch()
    found = absolute_pool({"source": {"name": "adapted", "images": "b.npz"}, "source.images": "mine"}, tmp_path)
    assert found == {
        "source": {"name": "adapted", "images": str(tmp_path / "b.npz")},
        "source.images": str(tmp_path / "mine"),
    }
    gone = {"source": {"name": "stored", "folder": "gone"}, "source.folder": 7}
    assert absolute_pool(gone, tmp_path) == gone, "whoever opens it says that it is not there"


def test_mistakes_of_every_kind_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        ("method: dfkd_fgvc", "methd: x\nmethod: dfkd_fgvc"),  # an unknown part: line 2
        ("schedule.epochs: 2", "schedule.epoch: 2"),  # a path that leads nowhere: line 6
        ("metric: agreement/source", "metric: agreement/sorce"),  # a metric that nobody reports: line 7
        ("kd.temperature: {log: [1, 20]}", "kd.temperature: {log: [-1, 20]}"),  # a domain that is none: line 9
        ("{name: pool, capacity: 64}", "{name: pol}"),  # a value that does not fit: line 10
        ("sampler: random", "sampler: radom"),  # an unknown component: line 11
        ("trials: 2", "trials: 0"),  # out of range: line 12
    )
    assert [int(line.split(":")[1]) for line in found] == [2, 6, 7, 9, 10, 11, 12]
    assert found[0].startswith("mine.yaml:2: methd: no such part of a study; did you mean 'method'? (known: ")
    assert found[1].startswith(
        "mine.yaml:6: fixed.schedule.epoch: there is no 'epoch' in schedule; did you mean 'epochs'?"
    )
    assert found[2].startswith(
        "mine.yaml:7: objective: no trial reports 'agreement/sorce'; did you mean 'agreement/source'? (known: "
    )
    assert found[3].startswith("mine.yaml:9: search.student_loss.kd.temperature: ")
    assert found[4].startswith("mine.yaml:10: search.memory: ")
    assert "unknown memory 'pol'; did you mean 'pool'?" in found[4]
    assert found[5].startswith("mine.yaml:11: sampler.name: ")
    assert "did you mean 'random'?" in found[5]
    assert found[6] == "mine.yaml:12: budget: trials must be >= 1, got 0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("task: gliders", "task: glider"), "3: task: unknown task 'glider'; did you mean 'gliders'?"),
        (("method: dfkd_fgvc", "method: dfkd_fgv"), "2: method: unknown method 'dfkd_fgv'; did you mean 'dfkd_fgvc'?"),
        (("method: dfkd_fgvc", "method: no.yaml"), "no.yaml: there is no such file"),
        (
            ("kd.temperature", "kdd.temperature"),
            "8: search.student_loss.kdd.temperature: there is no 'kdd' in student_loss; did you mean 'kd'?",
        ),
        (("{log: [1, 20]}", "{uniform: [0, 20]}"), "8: search.student_loss.kd.temperature: temperature must be > 0"),
        (
            ("budget:", "runtime: {precision: half}\nbudget:"),
            "11: runtime.precision: should be 'float32', 'mixed', 'bfloat16' or 'float16', got 'half'",
        ),
        (("schedule.epochs: 2", "student.arch: resnet9"), "5: fixed.student.arch: unknown net 'resnet9'"),
        (
            ("metric: agreement/source", "metric: test_accuracy/last"),
            "6: objective: test_accuracy/last: the test split",
        ),
    ],
)
def test_one_mistake_is_one_problem(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, change)
    assert len(found) == 1, found
    assert found[0].removeprefix("mine.yaml:").startswith(message)


def test_a_mistake_in_one_part_does_not_hide_those_of_the_others(tmp_path: Path) -> None:
    """A study without a name or an objective has its paths checked all the same."""
    found = mistakes(
        tmp_path, ("study: mine\n", ""), ("objective: {metric: agreement/source}\n", ""), ("kd.temp", "kd.tmp")
    )
    assert len(found) == 3
    assert sum("is missing" in line for line in found) == 2
    assert "search.student_loss.kd.tmperature: there is no 'tmperature'" in found[-1]


@pytest.mark.parametrize(
    "change",
    [
        ("budget: {trials: 2}", "budget: {}"),
        ("sampler: random", "sampler: cmaes"),  # which needs two ranges
        ("sampler: random", "sampler: grid"),  # which a range does not have
        ("sampler: random", "sampler: random\nresources: {cpu: 0}"),
        ("{log: [1, 20]}", "{log: [0, 20], when: {memory: [fresh]}}"),
        ("{log: [1, 20]}", "{log: [1, 20], when: {no.parent: [1]}}"),
        ("  memory: {choice: [fresh, {name: pool, capacity: 64}]}", "  memory: {chioce: [fresh]}"),
        ("seed: 0", "seed: zero"),
    ],
)
def test_whatever_else_is_wrong_the_method_is_asked(change: tuple[str, str], tmp_path: Path) -> None:
    alone = mistakes(tmp_path, change)
    both = mistakes(tmp_path, change, ("schedule.epochs: 2", "schedule.epochs: 0"))
    assert len(alone) == 1
    assert sorted(both) == sorted([*alone, "mine.yaml:5: fixed.schedule.epochs: epochs must be at least 1, got 0"])


def test_a_condition_goes_with_its_parent_and_what_is_left_is_checked(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        ("{choice: [fresh, {name: pool, capacity: 64}]}", "{choice: []}"),
        ("{log: [1, 20]}", "{log: [1, 20], when: {memory: [fresh]}}"),
        ("schedule.epochs: 2", "schedule.epochs: 0"),
    )
    assert [int(line.split(":")[1]) for line in found] == [5, 9]


@pytest.mark.parametrize("text", ["", "just words\n", "- a\n- b\n"])
def test_a_file_that_is_no_study_is_one_mistake(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a study: a mapping with study, method, task") as caught:
        open_study(write(tmp_path, text))
    assert len(caught.value.problems) == 1


def test_selecting_by_real_images_needs_some(tmp_path: Path) -> None:
    weights = tmp_path / "teacher.safetensors"
    save_file(nets.build("resnet56", 10).state_dict(), weights)
    text = GOOD.replace("gliders", "cifar10").replace("agreement/source", "val_accuracy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFKD_RAY_DATA", str(tmp_path / "nothing"))
        with pytest.raises(ConfigError, match="val_accuracy needs real images of cifar10: give --data, or select by"):
            open_study(write(tmp_path, text), Options(weights=weights))
        data_free = text.replace("val_accuracy", "agreement/source")
        assert open_study(write(tmp_path, data_free), Options(weights=weights))[1].task.name == "cifar10"
        with pytest.raises((ConfigError, DataError), match="there are no images of cifar10"):
            open_study(write(tmp_path, data_free), Options(data=str(tmp_path / "nothing"), weights=weights))


def test_a_task_without_a_teacher_is_a_mistake_of_the_study(tmp_path: Path) -> None:
    assert mistakes(tmp_path, ("task: gliders", "task: cifar10")) == [
        "mine.yaml:1: the task cifar10 ships no teacher, and `dfkd-ray teachers ls` finds none of that net: "
        "give --weights FILE (a checkpoint or safetensors), or train one with `dfkd-ray teach cifar10`"
    ]


def test_what_a_source_needs_is_asked_of_the_machine_that_runs_the_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    painted = GOOD.replace("dfkd_fgvc", "diff_dfkd").replace("schedule.epochs: 2", "source.model: ./none")
    with pytest.raises(ConfigError) as caught:
        open_study(write(tmp_path, painted))
    (problem,) = caught.value.problems
    assert (
        str(problem)
        .removeprefix(f"{tmp_path}/")
        .startswith("mine.yaml:5: fixed.source.model: there is no folder ./none;")
    )
    open_study(write(tmp_path, painted), Options(address="auto"))  # a node of the cluster may have it


def test_shipped_studies_open_by_name() -> None:
    assert open_study(shipped.study_file("mhad"))[0].study == "mhad"


def test_a_constraint_is_on_what_a_trial_reports_or_costs(tmp_path: Path) -> None:
    bounds = 'constraints: {seconds: "<= 60", peak_memory: "<= 2e9", kl/noise: "<= 1"}\n'
    made, _ = open_study(write(tmp_path, GOOD + bounds))
    assert [str(bound) for bound in made.constraints] == ["<= 60", "<= 2000000000", "<= 1"]
    with pytest.raises(ConfigError, match=r"constraints\.secnds: no trial reports 'secnds'; did you mean 'seconds'\?"):
        open_study(write(tmp_path, GOOD + bounds.replace("seconds", "secnds")))


def test_a_share_that_is_better_low_may_be_an_objective(tmp_path: Path) -> None:
    made, work = open_study(write(tmp_path, GOOD.replace("agreement/source", "outside")))
    assert [(o.metric, o.mode, o.sign) for o in made.objective] == [("outside", "min", -1.0)]
    assert (work.metric, work.sign) == ("outside", -1.0)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("val_acuracy", "no trial reports 'val_acuracy'; did you mean 'val_accuracy'? (known: "),
        ("val_acuracy, mode: max", "no trial reports 'val_acuracy'; did you mean 'val_accuracy'? (known: "),
        ("loss/student/kdd", "no trial reports 'loss/student/kdd'; did you mean 'loss/student/kd'? (known: "),
        ("lr/student", "lr/student is neither better high nor low: no study may select by it"),
        ("relative_accuracy/last", "relative_accuracy/last: the test split is for the report alone, no study may "),
        ("val_accuracy/median5", "no trial reports 'val_accuracy/median5'"),
        ("asked/source", "no trial reports 'asked/source'"),
    ],
)
def test_an_objective_that_no_trial_reports_is_refused_with_the_nearest_name(
    metric: str, message: str, tmp_path: Path
) -> None:
    (found,) = mistakes(tmp_path, ("metric: agreement/source", f"metric: {metric}"))
    assert found.startswith(f"mine.yaml:6: objective: {message}")


def test_a_choice_may_add_a_term_or_leave_it_out(tmp_path: Path) -> None:
    searched, chosen = "student_loss.kd.temperature: {log: [1, 20]}", "student_loss.logit_l1: {choice: [null, {}]}"
    _, work = open_study(write(tmp_path, GOOD.replace(searched, chosen)))
    assert work.resolve({"student_loss.logit_l1": None}) == work.method
    assert "logit_l1" in work.resolve({"student_loss.logit_l1": {}}).student_loss.parts
    found = mistakes(tmp_path, (searched, chosen.replace("l1", "l2")))
    assert any("unknown loss term 'logit_l2'; did you mean" in each for each in found)
