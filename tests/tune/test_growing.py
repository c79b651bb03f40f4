"""A study that is gone on with as an edited one: what is taken up, what is refused, and that all readers see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import tune
from dfkd_ray.study import Study
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune import growing
from dfkd_ray.tune.growing import amended, longer, told
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.repair import repair
from dfkd_ray.tune.standing import standing
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from tests.tune import toys

TEXT = """
study: grown
method: m
task: t
objective: {metric: val_accuracy}
search:
  x: {uniform: [0, 1]}
  kind: {choice: [good, bad]}
sampler: {name: tpe, startup: 2}
budget: {trials: 4}
"""
WIDER = {
    "trials: 4": "trials: 7",
    "[0, 1]}": "[0, 2]}",
    "[good, bad]}": "[good, bad, best]}\n  part.y: {log: [0.1, 10]}",
    "{name: tpe, startup: 2}": "random\nstopper: {name: asha, grace: 1, reduction: 2}",
}


@dataclass(frozen=True)
class Work(toys.Toy):
    """Toy trials that report the method they resolve to."""

    def epochs(self, job: Job) -> Iterator[Row]:
        own = {"x": 0.5, "kind": "good", "part": {"y": 3}}
        for row in super().epochs(job):
            searched = {key: value for key, value in job.changes.items() if key != "part.y"}
            yield replace(row, method={**own, **searched, "part": {"y": job.changes.get("part.y", 3)}})


def study(changes: Mapping[str, str] = {}) -> Study:
    return toys.study(changes, TEXT)


def go_on(folder: Path, asked: Any, **options: Any) -> tune.Summary:
    """Resume as `asked(history)` has it."""

    def make(history: History, how: Options) -> tuple[Any, Mapping[str, Any]]:
        grown = amended(folder, history, asked(history), {})
        if grown is not None:
            history.apply(grown.record(history, {}, 7.0))
        return Work(), {"provenance": {}}

    return tune.resume(folder, make, Options(runner="serial", **options))


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of four trials."""
    folder = tmp_path_factory.mktemp("grown") / "four"
    toys.start(study(), Work(), folder)
    return folder


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    (to / NAME).write_bytes((folder / NAME).read_bytes())
    return to


def refusal(folder: Path, changes: Mapping[str, str], methods: Mapping[str, Any] = {}) -> list[str]:
    with pytest.raises(StudyError) as error:
        amended(folder, read_history(folder), study(changes), methods, "the way on")
    first, *lines, way_on = str(error.value).splitlines()
    assert first == f"{folder} holds another study than this:"
    assert way_on == "the way on"
    return [line.removeprefix("  ") for line in lines]


def test_more_trials_are_run_and_all_readers_see_the_study_as_amended(four: Path, tmp_path: Path) -> None:
    folder = copied(four, tmp_path / "more")
    done = go_on(folder, lambda history: longer(folder, history, Overrides(trials=6)))
    assert (done.complete, done.finished) == (6, True)
    history = read_history(folder)
    assert (history.study.budget.trials, len(history.trials)) == (6, 6)
    (record,) = history.amendments
    assert (record["number"], record["time"], record["changed"]) == (1, 7.0, [["budget.trials", 4, 6]])
    assert standing(folder).total == 6
    table = tables.read(folder / "trials.arrow")
    assert tables.metadata(table)["study"]["budget"]["trials"] == 6
    assert tables.metadata(table)["amendments"] == [
        {"number": 1, "time": 7.0, "asked": 4, "changed": "budget.trials 4 -> 6"}
    ]


def test_a_longer_study_proposes_what_it_would_have_from_the_start(four: Path, tmp_path: Path) -> None:
    folder = copied(four, tmp_path / "more")
    go_on(folder, lambda history: longer(folder, history, Overrides(trials=6)))
    toys.start(study({"trials: 4": "trials: 6"}), Work(), tmp_path / "whole")
    both = [[each.changes for each in read_history(at).trials.values()] for at in (folder, tmp_path / "whole")]
    assert both[0] == both[1], "the start-up is said, so nothing follows from the budget"


def test_a_wider_space_with_a_new_path_another_sampler_and_stopper(four: Path, tmp_path: Path) -> None:
    folder = copied(four, tmp_path / "wider")
    old = read_history(folder)
    done = go_on(folder, lambda history: study(WIDER))
    history = read_history(folder)
    assert done.complete + done.pruned == 7
    assert [history.trials[n].changes for n in range(4)] == [
        {**old.trials[n].changes, "part.y": 3.0} for n in range(4)
    ], "what the method has there"
    assert all(set(history.trials[n].changes) == {"x", "kind", "part.y"} for n in range(4, 7))
    assert {history.trials[n].proposed_by for n in range(4, 7)} == {None}, "random goes by no result"
    assert history.ranks is not None
    assert len(history.ranks.at(1)) == 7, "earlier trials count for the new stopper"
    go_on(folder, lambda history: study(WIDER))
    assert len(read_history(folder).amendments) == 1, "the same file changes nothing"
    changed = tables.metadata(tables.read(folder / "trials.arrow"))["amendments"][0]["changed"]
    assert "sampler {" in changed
    assert 'search.part.y nothing -> {"log": [0.1, 10.0]}' in changed


def test_a_sampler_learns_from_trials_of_before_its_space_was_wider(four: Path, tmp_path: Path) -> None:
    folder = copied(four, tmp_path / "wider")
    edits = {key: value for key, value in WIDER.items() if not key.startswith("{name")}
    go_on(folder, lambda history: study(edits))
    assert [trial.proposed_by for trial in read_history(folder).trials.values()][4:] == ["model"] * 3


@pytest.mark.parametrize("sampler", ["cmaes", "qmc", "nsga2", "gp", "random"])
def test_every_sampler_may_take_over(four: Path, tmp_path: Path, sampler: str) -> None:
    folder = copied(four, tmp_path / sampler)
    text = {"{name: tpe, startup: 2}": sampler, "kind: {choice: [good, bad]}": "kind: {choice: [good, bad]}"}
    text |= {"trials: 4": "trials: 6", "[good, bad]}": "[good, bad]}\n  part.y: {log: [0.1, 10]}"}
    done = go_on(folder, lambda history: study(text))
    assert done.complete == 6
    assert all(not trial.attrs for trial in list(read_history(folder).trials.values())[:4])


def test_killed_after_it_was_amended_it_goes_on_to_the_same_proposals(four: Path, tmp_path: Path) -> None:
    whole, cut = copied(four, tmp_path / "whole"), copied(four, tmp_path / "cut")
    go_on(whole, lambda history: study(WIDER))
    lines = (whole / NAME).read_bytes().splitlines(keepends=True)
    asked = [i for i, record in enumerate(read_records(whole / NAME)[0]) if record["kind"] == "asked"]
    (cut / NAME).write_bytes(b"".join(lines[: asked[5] + 1]) + lines[asked[5] + 1][:20])
    toys.resume(cut, Work())
    both = [[each.changes for each in read_history(at).trials.values()] for at in (whole, cut)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"method: m": "method: n"}, 'method: "m" there, "n" here'),
        ({"task: t": "task: u\nseed: 1"}, 'task: "t" there, "u" here'),
        ({"study: grown": "study: other"}, 'study: "grown" there, "other" here'),
        ({"task: t": "task: t\nfixed: {a.b: 1}"}, "fixed.a.b: nothing there, 1 here"),
        ({"task: t": "task: t\nruntime: {precision: bfloat16}"}, 'runtime.precision: nothing there, "bfloat16" here'),
        ({"val_accuracy}": "kl/noise}"}, 'objective.metric: "val_accuracy" there, "kl/noise" here'),
        ({"trials: 4": "trials: 3"}, "budget.trials: 4 were asked for already, 3 here"),
    ],
)
def test_what_would_be_another_study_is_named(four: Path, edit: dict[str, str], told: str) -> None:
    assert refusal(four, edit)[0] == told


def test_a_space_that_leaves_trials_out_is_refused_by_path_and_trial(four: Path) -> None:
    xs = {n: trial.changes["x"] for n, trial in read_history(four).trials.items()}
    middle = sorted(xs.values())[1]
    out = [n for n, x in xs.items() if x > middle]
    lines = refusal(four, {"[0, 1]}": f"[0, {middle}]}}"})
    assert sorted(lines) == [
        f"search.x: {xs[n]} is not in uniform [0.0, {middle}] (trial {n})"
        for n in sorted(out, key=lambda n: str(xs[n]))
    ]
    assert refusal(four, {"  x: {uniform: [0, 1]}\n": ""}) == ["search.x: is not searched (trial 0, 1, 2, 3)"]
    new = {"[good, bad]}": "[good, bad]}\n  part.y: {log: [10, 100]}"}
    assert refusal(four, new) == [
        "search.part.y: the method has 3 there, which is not in log [10.0, 100.0] (trial 0, 1, 2, 3)"
    ]
    assert refusal(four, {"[good, bad]}": "[good, bad], when: {x.z: [1]}}\n  x.z: {choice: [1, 2]}"})


def test_a_method_that_says_something_else_is_refused(four: Path) -> None:
    history = read_history(four)
    history.methods = {"/a/mine.yaml": {"batch": 4}}
    assert amended(four, history, study(), {"/b/mine.yaml": {"batch": 4}}) is None, "wherever the file is now"
    with pytest.raises(StudyError, match=r"  methods\.mine\.yaml\.batch: 4 there, 8 here"):
        amended(four, history, study(), {"/b/mine.yaml": {"batch": 8}})


def test_trials_that_failed_need_not_be_points_of_the_new_space(tmp_path: Path) -> None:
    folder = tmp_path / "failing"
    toys.start(study(), replace(Work(), raises_at=1, only=(0,)), folder)
    xs = {n: trial.changes["x"] for n, trial in read_history(folder).trials.items()}
    space = f"[{min(x for n, x in xs.items() if n != 0)}, 1]}}"
    assert xs[0] == min(xs.values()), "it is outside"
    done = go_on(folder, lambda history: study({"[0, 1]}": space, "trials: 4": "trials: 5"}))
    assert (done.complete, done.failed) == (4, 1)


def test_a_budget_is_a_sweeps(tmp_path: Path) -> None:
    toys.start(toys.study(text=toys.ABLATION), toys.Parts(), tmp_path / "parts")
    history = read_history(tmp_path / "parts")
    with pytest.raises(StudyError, match="--trials and --hours are the budget of a sweep, and this is an ablation"):
        longer(tmp_path, history, Overrides(trials=9))
    more = toys.study({"seeds: 3": "seeds: 4"}, toys.ABLATION)
    with pytest.raises(StudyError, match=r"  seeds\.3: nothing there, 3 here"):
        amended(tmp_path, history, more, {})
    asked = toys.study({"study: parts": "study: parts\nbudget: {hours: 2}"}, toys.ABLATION)
    grown = amended(tmp_path, history, asked, {})
    assert grown is not None
    assert told(grown.changed) == "budget.hours nothing -> 2.0"


def test_other_constraints_choose_another_winner(four: Path) -> None:
    history = read_history(four)
    best = history.best()
    assert best is not None
    assert best.values is not None
    strict = {"task: t": f'task: t\nconstraints: {{val_accuracy: "<= {best.values[0] - 1e-6}"}}'}
    grown = amended(four, history, study(strict), {})
    assert grown is not None
    history.apply(grown.record(history, {}, 0.0))
    now = history.best()
    assert now is not None
    assert now.number != best.number


def test_parts_that_an_edited_file_names_are_of_the_experiment_from_then_on(four: Path) -> None:
    history = read_history(four)
    history.begun = history.experiment = {"parts": {"the seed": {"digest": "0"}, "the pool a": {"digest": "1"}}}
    grown = growing.Amendment(study({"trials: 4": "trials: 5"}), (("budget.trials", 4, 5),), {})
    history.apply(grown.record(history, {"the pool a": None, "the pool b": {"digest": "2"}}, 0.0))
    expected = {"the seed": {"digest": "0"}, "the pool b": {"digest": "2"}}
    assert (history.begun["parts"], history.experiment["parts"], history.changed) == (expected, expected, None)


def test_a_damaged_amendment_is_set_aside_and_can_be_taken_up_again(four: Path, tmp_path: Path) -> None:
    folder = copied(four, tmp_path / "damaged")
    go_on(folder, lambda history: study(WIDER))
    before = [trial.changes for trial in read_history(folder).trials.values()]
    lines = (folder / NAME).read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"kind":"amended"' in line)
    lines[at] = lines[at].replace(b'"asked":4', b'"asked":5')
    (folder / NAME).write_bytes(b"".join(lines))
    done = repair(folder)
    ((_, why, _),) = done.aside
    assert why == (
        'damaged; it reads as "amended": the study is what it was before; sweep the edited file again, and it is taken '
        "up again"
    )
    toys.resume(folder, Work())
    assert read_history(folder).study == study(), "as before, and what was run in the wider space is no hindrance"
    go_on(folder, lambda history: study(WIDER))
    history = read_history(folder)
    assert history.study.search == study(WIDER).search
    assert [trial.changes for trial in history.trials.values()] == before


def test_a_sweep_with_several_seeds_grows_by_settings(tmp_path: Path) -> None:
    several = {"trials: 4}": "trials: 2}\nseeds: 2"}
    toys.start(study(several), Work(), tmp_path)
    more = {"trials: 4}": "trials: 3}\nseeds: 2\nracing: false"}
    go_on(tmp_path, lambda history: study(more))
    found = read_history(tmp_path)
    assert told(found.amendments[0]["changed"]) == "budget.trials 2 -> 3; racing.risk 0.05 -> 0.0"
    assert [len(setting.runs) for setting in found.settings.all.values()] == [2, 2, 2], "four trials are two settings"
    with pytest.raises(StudyError, match=r"\n  seeds.2: nothing there, 2 here$"):
        amended(tmp_path, found, study({"trials: 4}": "trials: 3}\nseeds: 3\nracing: false"}), {})
