"""Search: right states, right proposals, the same again after a rebuild from the ledger."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from dfkd_ray.study import Budget, Objective, Study
from dfkd_ray.study.constraints import Constraint
from dfkd_ray.study.domains import Bool, Choice, Int, Log, Uniform
from dfkd_ray.study.space import enumerate_grid
from dfkd_ray.study.specs import Cmaes, Gp, Grid, Nsga2, Qmc, Random, SamplerSpec, Tpe, samplers
from dfkd_ray.tune.history import History
from dfkd_ray.tune.sampling import builders
from dfkd_ray.tune.search import REPEATS, Search
from dfkd_ray.tune.trials import excesses, outside

RANGES = {"x": Uniform(0, 1, points=5), "y": Log(0.1, 10, points=3), "n": Int(1, 4)}
MIXED = {**RANGES, "c": Choice(("a", {"k": [1]}, 1, True)), "z": Uniform(0, 1, points=2, when={"c": ("a", 1)})}
CASES: list[tuple[SamplerSpec, dict[str, Any]]] = [
    (Tpe(seed=1, startup=4), MIXED),
    (Random(seed=1), MIXED),
    (Grid(seed=1), MIXED),
    (Qmc(seed=1), MIXED),
    (Qmc(seed=1, sequence="halton", scramble=False), RANGES),
    (Cmaes(seed=1), RANGES),
    (Gp(seed=1, startup=5), RANGES),
    (Nsga2(seed=1, population=4), MIXED),
]
IDS = [f"{spec.registered_as}{i}" for i, (spec, _) in enumerate(CASES)]  # type: ignore[attr-defined]


def make(sampler: SamplerSpec, search: dict[str, Any], objectives: int = 1) -> Study:
    metrics = (Objective("val_accuracy"), Objective("kl/noise"))[:objectives]
    return Study(
        study="s", method="m", task="t", objective=metrics, search=search, sampler=sampler, budget=Budget(trials=99)
    )


def value(changes: dict[str, Any]) -> float:
    return -((changes["x"] - 0.7) ** 2) - 0.1 * (changes["n"] - 3) ** 2 - 0.1 * abs(math.log10(changes["y"]))


class Ledger:
    """What the tuner would write of each event, folded at once."""

    def __init__(self, study: Study) -> None:
        self.history = History()
        self.history._study = study

    def note(self, kind: str, **facts: Any) -> None:
        self.history.apply({"kind": kind, "time": 0.0, **facts})

    def asked(self, proposal: Any) -> None:
        facts = dict(vars(proposal))
        attrs, study_attrs, changes = facts["attrs"], facts["study_attrs"], facts["changes"]
        self.note(
            "asked", trial=proposal.number, changes=changes, seed=0, arm=None, attrs=attrs, study_attrs=study_attrs
        )

    def ended(self, number: int, state: str, values: list[float] | None) -> None:
        if values:
            self.note(
                "row", trial=number, epoch=1, seconds=1.0, metrics={"val_accuracy": values[0]}, last=True, final={}
            )
        self.note("ended", trial=number, state=state, reason=None, rung=None, values=values, final={})


def drive(search: Search, ledger: Ledger, trials: int) -> list[tuple[Any, ...]]:
    """Ask and tell, one at a time; each fifth fails, each seventh is stopped."""
    out: list[tuple[Any, ...]] = []
    several = len(search.study.objective) > 1
    for _ in range(trials):
        proposal = search.propose()
        if proposal is None:
            break
        ledger.asked(proposal)
        result = value(dict(proposal.changes))
        n = proposal.number
        state: Any = "failed" if n % 5 == 4 else "pruned" if n % 7 == 6 and not several else "complete"
        told = None if state == "failed" else [result, -result] if several else [result]
        search.tell(n, state, told, {} if told is None else {1: told[0]}, None)
        ledger.ended(n, state, told)
        out.append((n, dict(proposal.changes), result))
    return out


def test_every_spec_has_its_builder_and_its_row_here() -> None:
    assert list(builders) == list(samplers)
    others = {"optunahub"}  # somebody else's code: see test_hub.py
    assert {spec.registered_as for spec, _ in CASES} == set(samplers) - others  # type: ignore[attr-defined]


@pytest.mark.parametrize(("spec", "space"), CASES, ids=IDS)
def test_the_same_proposals_again_and_after_a_rebuild_at_any_trial(spec: SamplerSpec, space: dict[str, Any]) -> None:
    study = make(spec, space)
    total = 14 if not isinstance(spec, Gp) else 9
    undisturbed = drive(Search(study), Ledger(study), total)
    assert len({str(changes) for _, changes, _ in undisturbed}) > 4
    for cut in (0, 1, 5, 9, 12) if not isinstance(spec, Gp) else (8,):
        ledger = Ledger(study)
        drive(Search(study), ledger, cut)
        resumed = Search(study)
        resumed.rebuild(ledger.history)
        assert drive(resumed, ledger, total - cut) == undisturbed[cut:]


@pytest.mark.parametrize("spec", [Tpe(startup=4), Random(), Grid(), Qmc(), Gp(startup=7), Nsga2(population=4)], ids=str)
def test_several_objectives(spec: SamplerSpec) -> None:
    study = make(spec, RANGES if isinstance(spec, Gp) else MIXED, objectives=2)
    undisturbed = drive(Search(study), Ledger(study), 12)
    ledger = Ledger(study)
    drive(Search(study), ledger, 7)
    resumed = Search(study)
    resumed.rebuild(ledger.history)
    assert drive(resumed, ledger, 5) == undisturbed[7:]


@pytest.mark.parametrize("spec", [Tpe(startup=6), Cmaes(), Gp(startup=6), Nsga2(population=6)], ids=str)
def test_models_come_nearer_to_the_optimum_than_their_first_draws(spec: SamplerSpec) -> None:
    study = make(spec, RANGES)
    few = isinstance(spec, Gp)  # it needs fewer trials, and takes its time for each
    values = [result for _, _, result in drive(Search(study), Ledger(study), 14 if few else 40)]
    assert statistics.fmean(values[-6:]) > statistics.fmean(values[:6])
    assert max(values) > -0.1


@pytest.mark.parametrize("spec", [Cmaes(seed=1, population=4), Nsga2(seed=1, population=4)], ids=str)
def test_with_a_stopper_proposals_are_not_those_of_random_and_generations_go_on(spec: SamplerSpec) -> None:
    """All trials but the first are stopped, as by a strict stopper: Optuna's own samplers would see one trial."""
    proposed: dict[bool, list[Any]] = {}
    generations: list[int] = []
    for drawn in (True, False):
        search = Search(make(Random(seed=spec.seed) if drawn else spec, RANGES))
        proposed[drawn] = []
        for number in range(17):
            proposal = search.propose()
            assert proposal is not None
            proposed[drawn].append(proposal.changes)
            result = value(dict(proposal.changes))
            search.tell(number, "pruned" if number else "complete", [result], {1: result}, 1 if number else None)
            generations += [said for key, said in proposal.attrs.items() if key.endswith(":generation")]
    assert sum(own != drawn for own, drawn in zip(proposed[False], proposed[True])) >= 12
    assert max(generations) >= 3


@pytest.mark.parametrize(
    ("spec", "first"),
    [(Tpe(startup=4), 4), (Gp(startup=5), 5), (Nsga2(population=4), 4), (Cmaes(population=4), 5), (Random(), None)],
    ids=str,
)
def test_who_made_a_proposal_is_known(spec: SamplerSpec, first: int | None) -> None:
    search, who = Search(make(spec, RANGES)), []
    for number in range(7):
        proposal = search.propose()
        assert proposal is not None
        who.append(proposal.proposed_by)
        search.tell(number, "complete", [value(dict(proposal.changes))], {}, None)
    assert who == ([None] * 7 if first is None else ["start-up"] * first + ["model"] * (7 - first))


BOUND = (Constraint("val_accuracy", most=True, bound=-0.25), Constraint("seconds", most=False, bound=0.5))


@pytest.mark.parametrize("spec", [Tpe(startup=3), Gp(startup=4), Nsga2(population=3)], ids=str)
def test_samplers_are_told_of_constraints_and_propose_something_else_for_them(spec: SamplerSpec) -> None:
    """A bound from above on the objective itself: what comes too near to the optimum is outside of it."""
    total, runs = 8, []
    for constraints in ((), BOUND):
        study = replace(make(spec, RANGES), constraints=constraints)
        search, ledger = Search(study), Ledger(study)
        proposed = []
        for number in range(total):
            proposal = search.propose()
            assert proposal is not None
            ledger.asked(proposal)
            proposed.append(proposal.changes)
            result = value(dict(proposal.changes))
            excess = {"val_accuracy": result + 0.25, "seconds": -0.5} if constraints else {}
            ledger.ended(number, "complete", [result])
            assert excesses(study, ledger.history.trials[number]) == pytest.approx(excess)
            search.tell(number, "complete", [result], {}, None, excess)
        resumed = Search(study)
        resumed.rebuild(ledger.history)
        live, again = search._optuna.get_trials(), resumed._optuna.get_trials()
        assert [trial.constraints for trial in live] == [trial.constraints for trial in again]
        assert resumed.propose() == search.propose()
        runs.append(proposed)
    assert runs[0][:3] == runs[1][:3]
    assert runs[0] != runs[1]


def test_what_does_not_keep_to_a_constraint_does_not_win() -> None:
    study = replace(make(Random(), RANGES), constraints=BOUND)
    ledger, search = Ledger(study), Search(study)
    for number, result in enumerate([-0.1, -0.3, -0.5]):
        proposal = search.propose()
        assert proposal is not None
        ledger.asked(proposal)
        ledger.ended(number, "complete", [result])
    best = ledger.history.best()
    assert best is not None
    assert best.number == 1
    assert outside(study, ledger.history.trials[0]) == ("val_accuracy not <= -0.25",)
    assert outside(study, ledger.history.trials[1]) == ()


def test_a_rebuilt_study_holds_running_trials_open_and_can_be_told_of_them() -> None:
    study = make(Tpe(startup=2), MIXED)
    ledger, search = Ledger(study), Search(study)
    drive(search, ledger, 3)
    open_one = search.propose()
    assert open_one is not None
    ledger.asked(open_one)
    resumed = Search(study)
    resumed.rebuild(ledger.history)
    states = [trial.state for trial in resumed._optuna.get_trials()]
    assert states == [TrialState.COMPLETE] * 3 + [TrialState.RUNNING]
    following = resumed.propose()
    assert following is not None
    assert following.number == 4
    resumed.tell(3, "pruned", [0.5], {1: 0.4, 2: 0.5}, 2)
    resumed.tell(4, "failed", None, {}, None)
    told = resumed._optuna.get_trials()
    assert [trial.state for trial in told[3:]] == [TrialState.PRUNED, TrialState.FAIL]
    assert told[3].intermediate_values == {2: 0.5}, "of a curve samplers look at the last epoch alone"
    assert (told[3].value, told[3].user_attrs) == (0.5, {"rung": 2})
    assert told[3].params.keys() == open_one.changes.keys()


def test_a_pruned_trial_is_rebuilt_as_it_was_told() -> None:
    study = make(Random(), RANGES)
    ledger, live = Ledger(study), Search(study)
    proposal = live.propose()
    assert proposal is not None
    ledger.asked(proposal)
    live.tell(0, "pruned", [0.5], {1: 0.5}, 1)
    row = {"epoch": 1, "seconds": 1.0, "metrics": {"val_accuracy": 0.5}, "last": False}
    ledger.note("row", trial=0, **row)
    ledger.note("ended", trial=0, state="pruned", reason="r", rung=1, values=[0.5], final={})
    rebuilt = Search(study)
    rebuilt.rebuild(ledger.history)
    told, again = live._optuna.get_trials()[0], rebuilt._optuna.get_trials()[0]
    for name in ("state", "values", "params", "distributions", "intermediate_values", "user_attrs", "system_attrs"):
        assert getattr(told, name) == getattr(again, name), name


def test_a_grid_visits_every_point_once_and_ends() -> None:
    study = make(Grid(seed=3), MIXED)
    points = enumerate_grid(MIXED)
    search = Search(study)
    assert study.trials == min(99, len(points))
    assert len(points) == 5 * 3 * 4 * (2 * 2 + 2)
    seen = [changes for _, changes, _ in drive(search, Ledger(study), 10_000)]
    assert search.propose() is None
    assert sorted(map(str, map(sorted, (c.items() for c in seen)))) == sorted(
        map(str, map(sorted, (p.items() for p in points)))
    )
    in_order = Search(make(Grid(shuffle=False), MIXED))
    assert in_order.propose().changes == points[0]  # type: ignore[union-attr]


def test_parallel_grid_proposals_are_different() -> None:
    search = Search(make(Grid(), {"a": Bool(), "b": Int(1, 3)}))
    proposals = [search.propose() for _ in range(7)]
    assert proposals[-1] is None
    assert len({str(proposal.changes) for proposal in proposals if proposal}) == 6


SMALL = {"c": Choice(("a", {"k": [1]})), "n": Int(1, 3)}


@pytest.mark.parametrize(
    "spec",
    [Tpe(startup=2), Random(), Qmc(), Gp(startup=2), Nsga2(population=2), Tpe(startup=2, multivariate=False)],
    ids=str,
)
def test_no_setting_is_run_twice_and_an_exhausted_space_ends_the_study(spec: SamplerSpec) -> None:
    """Six settings and 99 trials: each once, three at a time, the same where each round is rebuilt from the ledger."""
    study = make(spec, SMALL)
    assert study.trials == 6
    runs: list[list[str]] = []
    for rebuilt in (False, True):
        search, ledger, seen = Search(study), Ledger(study), list[str]()
        for _ in range(2):
            together = [proposal for proposal in (search.propose() for _ in range(3)) if proposal is not None]
            for proposal in together:
                ledger.asked(proposal)
                seen.append(str(proposal.changes))
            for proposal in together:
                told = [float(proposal.changes["n"])]
                search.tell(proposal.number, "complete", told, {}, None)
                ledger.ended(proposal.number, "complete", told)
            if rebuilt:
                search = Search(study)
                search.rebuild(ledger.history)
        assert search.propose() is None
        runs.append(seen)
    assert runs[0] == runs[1]
    assert sorted(runs[0]) == sorted(str(point) for point in enumerate_grid(SMALL))


def test_what_was_asked_for_again_is_counted_and_the_numbers_of_trials_have_no_gaps() -> None:
    study = make(Random(seed=0), SMALL)
    search = Search(study)
    proposals = [search.propose() for _ in range(7)]
    assert proposals.pop() is None
    assert [proposal.number for proposal in proposals if proposal] == list(range(6))
    drawn = [(str(dict(p.changes)), p.repeats) for p in proposals if p]
    assert sum(repeats for _, repeats in drawn) == 2
    assert drawn[0][1] == 0
    assert max(repeats for _, repeats in drawn) <= REPEATS
    assert [trial.number for trial in search._optuna.get_trials()] == list(range(6))


@pytest.mark.parametrize("spec", [Tpe(startup=2), Random(), Qmc(), Cmaes(population=3), Nsga2(population=3)], ids=str)
def test_steps_and_logarithms_of_whole_numbers_hold_for_every_sampler(spec: SamplerSpec) -> None:
    space = {"u": Uniform(0.1, 0.7, step=0.2), "n": Int(1, 1000, log=True)}
    search = Search(make(spec, space))
    found = []
    for number in range(24):
        proposal = search.propose()
        assert proposal is not None
        found.append(proposal.changes)
        search.tell(number, "complete", [0.5], {}, None)
    assert {changes["u"] for changes in found} <= {0.1, 0.3, 0.5, 0.7}
    assert len({changes["u"] for changes in found}) >= 3
    assert {type(changes["n"]) for changes in found} == {int}
    assert sum(changes["n"] <= 100 for changes in found) >= 10, "half of a logarithm and more; of plain numbers 2"


def test_a_range_that_nobody_can_count_is_never_exhausted_and_designs_may_repeat() -> None:
    mixed = {"c": Bool(), "x": Uniform(0, 1, points=2, when={"c": (True,)})}
    search = Search(make(Random(seed=0), mixed))
    proposals = [search.propose() for _ in range(12)]
    settings = [str(proposal.changes) for proposal in proposals if proposal]
    assert len(set(settings)) == 12
    assert settings.count(str({"c": False})) == 1
    again = Search(make(Random(seed=0), {"c": Bool()}), repeating=True)
    assert len([again.propose() for _ in range(5)]) == 5


def test_choices_of_any_kind_come_back_as_they_were() -> None:
    search = Search(make(Grid(shuffle=False), {"c": Choice(({"k": [1]}, 1, True, None, "1"))}))
    values = [search.propose().changes["c"] for _ in range(5)]  # type: ignore[union-attr]
    assert values == [{"k": [1]}, 1, True, None, "1"]
    assert [type(v) for v in values] == [dict, int, bool, type(None), str]


@pytest.mark.parametrize("objectives", [1, 2])
def test_of_more_trials_than_it_may_see_tpe_models_some_and_proposes_the_same_after_a_rebuild(
    objectives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make(Tpe(seed=1, startup=4, seen=200), RANGES, objectives)
    ledger, search = Ledger(study), Search(study)
    drive(search, ledger, 270)
    seen: list[int] = []
    real = optuna.samplers._tpe.sampler._split_trials
    spy = lambda study, trials, count: seen.append(len(trials)) or real(study, trials, count)  # noqa: E731
    monkeypatch.setattr("optuna.samplers._tpe.sampler._split_trials", spy)
    resumed = Search(study)
    resumed.rebuild(ledger.history)
    assert resumed.propose() == search.propose()
    assert sum(trial.state != "failed" for trial in ledger.history.trials.values()) == 216
    assert set(seen) == {200}


def test_optuna_says_nothing(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    for spec, space in CASES:
        study = make(spec, space)
        drive(Search(study), Ledger(study), 10)
    assert capfd.readouterr() == ("", "")
    assert not [w for w in recwarn if "optuna" in str(w.filename)]
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


@pytest.mark.parametrize(("state", "rung"), [("complete", None), ("pruned", 1)])
def test_a_degenerate_trial_is_rebuilt_as_it_was_told(state: str, rung: int | None) -> None:
    study = replace(make(Random(), RANGES), objective=(Objective("agreement/source"),))
    ledger, live = Ledger(study), Search(study)
    proposal = live.propose()
    assert proposal is not None
    ledger.asked(proposal)
    live.tell(0, "failed", [1.0], {1: 1.0}, rung)
    found = {"agreement/source": 1.0, "class_entropy/source": 0.0}
    ledger.note("row", trial=0, epoch=1, seconds=1.0, metrics=found, last=True, final={})
    ledger.note("ended", trial=0, state=state, reason=None, rung=rung, values=[1.0], final={})
    rebuilt = Search(study)
    rebuilt.rebuild(ledger.history)
    told, again = live._optuna.get_trials()[0], rebuilt._optuna.get_trials()[0]
    assert (told.state, told.values) == (again.state, again.values) == (TrialState.FAIL, None)
