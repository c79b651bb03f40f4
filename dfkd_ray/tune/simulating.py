"""Cases of a simulation side by side: what each has found for what it cost, as the mean of many simulated studies."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from dfkd_ray.stats.paired import Mean, mean
from dfkd_ray.stats.verdicts import Comparison, judge
from dfkd_ray.study import Study
from dfkd_ray.tune.recorded import Surrogate
from dfkd_ray.tune.simulated import Case, Moment, replay
from dfkd_ray.util.progress import progress

LEVEL = 0.95
PLACES = 24  # costs at which what was found is looked at
Row = dict[str, Any]  # of the table `simulation`, see report/simulation.py
Studies = Sequence[Sequence[Moment]]
Then = Sequence[Moment | None]  # the latest moment of each study by then; None: before its first


def rows(study: Study, surrogate: Surrogate, cases: Sequence[Case], repetitions: int) -> Iterator[Row]:
    """The rows of every case: along its cost, and when as many trials have ended as the study asks for.

    Differences are to the first case of the same budget and slots, repetition by repetition; their intervals are those
    of all cases beside it together, by the rule of verdicts.
    """
    sign, families = study.objective[0].sign, _families(study, surrogate, cases, repetitions)
    for (trials, _), family in families.items():
        first = next(iter(family.values()))
        for place in range(1, PLACES + 1):
            cost, ends = trials * place / PLACES, place == PLACES
            then = {case: _at(studies, cost, ends) for case, studies in family.items()}
            yield from _together("cost", dict.fromkeys(family, cost), then, _at(first, cost, ends), sign)
        ended = {case: _after(case, studies) for case, studies in family.items()}
        costs = {case: fmean(moment.cost for moment in moments) for case, moments in ended.items()}
        yield from _together("trials", costs, ended, _at(first, trials, True), sign)


def _families(
    study: Study, surrogate: Surrogate, cases: Sequence[Case], repetitions: int
) -> dict[tuple[int, int], dict[Case, Studies]]:
    """Budget and slots -> the simulated studies of each case that has them."""
    found: dict[tuple[int, int], dict[Case, Studies]] = {}
    with progress("simulating", len(cases) * repetitions, "studies") as tell:
        for place, case in enumerate(cases):
            studies: list[Sequence[Moment]] = []
            for repetition in range(repetitions):
                studies.append(replay(study, surrogate, case, repetition))
                tell(place * repetitions + repetition + 1)
            found.setdefault((case.trials, case.slots), {})[case] = studies
    return found


def _at(studies: Studies, cost: float, ends: bool) -> Then:
    """ends: when all is spent, the very last moment."""
    found: list[Moment | None] = []
    for moments in studies:
        past = len(moments) if ends else bisect_right([moment.cost for moment in moments], cost)
        found.append(moments[past - 1] if past else None)
    return found


def _after(case: Case, studies: Studies) -> list[Moment]:
    """When as many trials have ended as the study asks for, or the last one has."""
    asked = max(1, case.trials // case.seeds)
    return [moments[min(asked, len(moments)) - 1] for moments in studies]


def _together(
    at: str, costs: Mapping[Case, float], then: Mapping[Case, Then], against: Then, sign: float
) -> Iterator[Row]:
    """The rows of all cases of a family at a moment of theirs, `against` that of the first one."""
    apart = {case: _apart(moments, against) for case, moments in then.items()}
    others = [case for case in list(then)[1:] if apart[case].deviation is not None]
    family = [Comparison(apart[case].mean or 0.0, apart[case].deviation or 0.0, apart[case].n) for case in others]
    halves = dict(zip(others, (each.half for each in judge(family, LEVEL))))
    for case, moments in then.items():
        row, difference, half = _row(case, at, costs[case], moments, sign), apart[case].mean, halves.get(case)
        if difference is not None:
            row["difference"] = difference
            if half is not None:
                row |= {"difference_low": difference - half, "difference_high": difference + half}
        yield row


def _apart(then: Then, against: Then) -> Mean:
    """The mean difference of what was found; of nothing where a study has no complete trial yet."""
    own, other = _found(then), _found(against)
    return mean([x - y for x, y in zip(own, other)] if len(own) == len(other) == len(then) else [], LEVEL)


def _found(then: Then) -> list[float]:
    return [moment.found for moment in then if moment is not None and moment.found is not None]


def _row(case: Case, at: str, cost: float, then: Then, sign: float) -> Row:
    """What is not known of every study is left out."""
    name: Row = {"trials": case.trials, "slots": case.slots, "seeds": case.seeds, "case": case.name, "at": at}
    facts: Row = {"cost": cost, "repetitions": len(then)}
    known, found = [moment for moment in then if moment is not None], _found(then)
    if len(found) == len(then):
        best = mean(found, LEVEL)
        flattered = fmean(sign * ((moment.told or 0.0) - (moment.found or 0.0)) for moment in known)
        facts |= {"found": best.mean, "low": best.low, "high": best.high, "flattered": flattered}
    if len(known) == len(then):
        facts |= {key: fmean(getattr(moment, key) for moment in known) for key in ("ended", "stopped", "clock")}
    return name | facts
