"""Cases of a simulation side by side: what each has found for what it cost, as the mean of many simulated studies."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from dfkd_ray.stats.paired import mean
from dfkd_ray.study import Study
from dfkd_ray.tune.recorded import Surrogate
from dfkd_ray.tune.simulated import Case, Moment, replay
from dfkd_ray.util.progress import progress

LEVEL = 0.95
PLACES = 24  # costs at which what was found is looked at
Row = dict[str, Any]  # of the table `simulation`, see util/tables.py
Studies = Sequence[Sequence[Moment]]


def rows(study: Study, surrogate: Surrogate, cases: Sequence[Case], repetitions: int) -> Iterator[Row]:
    """The rows of every case: along its cost, and when as many trials have ended as the study asks for.

    Differences are to the first case of the same budget and the same slots, repetition by repetition.
    """
    first: dict[tuple[int, int], Studies] = {}
    with progress("simulating", len(cases) * repetitions, "studies") as tell:
        for place, case in enumerate(cases):
            studies: list[Sequence[Moment]] = []
            for repetition in range(repetitions):
                studies.append(replay(study, surrogate, case, repetition))
                tell(place * repetitions + repetition + 1)
            against = first.setdefault((case.trials, case.slots), studies)
            yield from _of_case(case, study.objective[0].sign, studies, against)


def _of_case(case: Case, sign: float, studies: Studies, against: Studies) -> Iterator[Row]:
    for place in range(1, PLACES + 1):
        cost = case.trials * place / PLACES
        ends = place == PLACES
        yield _row(case, sign, "cost", cost, _at(studies, cost, ends), _at(against, cost, ends))
    asked = max(1, case.trials // case.seeds)
    then = [ended[min(asked, len(ended)) - 1] for ended in studies]
    yield _row(case, sign, "trials", fmean(moment.cost for moment in then), then, _at(against, case.trials, True))


def _at(studies: Studies, cost: float, ends: bool) -> list[Moment | None]:
    """The latest moment of each study at a cost; None before its first. ends: when all is spent, the very last one."""
    found: list[Moment | None] = []
    for moments in studies:
        past = len(moments) if ends else bisect_right([moment.cost for moment in moments], cost)
        found.append(moments[past - 1] if past else None)
    return found


def _row(
    case: Case, sign: float, at: str, cost: float, then: Sequence[Moment | None], against: Sequence[Moment | None]
) -> Row:
    """None for what was found where a study has no complete trial by then."""
    known = [moment for moment in then if moment is not None]
    found = [moment.found for moment in known if moment.found is not None]
    flattered = [sign * (m.told - m.found) for m in known if m.found is not None and m.told is not None]
    pairs = [
        (one.found, other.found)
        for one, other in zip(then, against)
        if one is not None and other is not None and one.found is not None and other.found is not None
    ]
    best, apart = mean(found, LEVEL), mean([one - other for one, other in pairs], LEVEL)
    whole = len(found) == len(then)
    name: Row = {"trials": case.trials, "slots": case.slots, "seeds": case.seeds, "case": case.name, "at": at}
    facts: Row = {"cost": cost, "repetitions": len(then)}
    if whole:
        facts |= {"found": best.mean, "low": best.low, "high": best.high, "flattered": fmean(flattered)}
        if len(pairs) == len(then):
            facts |= {"difference": apart.mean, "difference_low": apart.low, "difference_high": apart.high}
    if len(known) == len(then):
        facts |= {key: fmean(getattr(moment, key) for moment in known) for key in ("ended", "stopped", "clock")}
    return name | facts
