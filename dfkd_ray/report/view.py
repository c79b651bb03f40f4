"""What the tables of a study say, in the shape that the page and its charts ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import arms, loading, over_seeds, picking
from dfkd_ray.report.arms import ArmRow, Spread
from dfkd_ray.report.notes import mapping, part, sound
from dfkd_ray.report.settings import Parameter, is_number, parameters
from dfkd_ray.report.steps import CurveTable, curves, named
from dfkd_ray.report.trial import Goal, TrialRow, finite, goals
from dfkd_ray.stats import degenerate
from dfkd_ray.stats import front as pareto
from dfkd_ray.util import tables, words
from dfkd_ray.util.errors import StudyError

__all__ = ["Tables", "mapping", "part", "sound"]


@dataclass(frozen=True)
class Tables:
    """The tables of a study and what follows from them; the only input of every chart."""

    trials: pa.Table
    steps: pa.Table
    images: pa.Table | Path  # or where they stand: those of one trial are read, never all
    effects: pa.Table | None = None  # of an ablation alone
    alone: bool = False  # whether they are of one trial of the study, see `only`

    @classmethod
    def read(cls, folder: Path) -> Tables:
        """The tables in a study's folder; StudyError names the ones that are missing or damaged."""
        missing = [f"{kind}.arrow" for kind in tables.SCHEMAS if not (folder / f"{kind}.arrow").is_file()]
        if missing:
            found = "" if folder.is_dir() else ": there is no such folder"
            raise StudyError(f"{folder}: a report needs {words.listed(missing)}, missing here{found}")
        kinds = [*tables.SCHEMAS, *(kind for kind in tables.OPTIONAL if (folder / f"{kind}.arrow").is_file())]
        return cls(**{kind: loading.read(kind, folder / f"{kind}.arrow") for kind in kinds})

    def only(self, number: int) -> Tables:
        """The tables of one trial by itself; StudyError where the study has none of this number."""
        known = self.trials["trial"].to_pylist()
        if number not in known:
            there = f"they go from {min(known)} to {max(known)}" if known else "none has begun"
            raise StudyError(f"{self.study.get('study') or 'the study'} has no trial {number}: {there}")
        own = {kind: loading.of_trial(getattr(self, kind), number) for kind in tables.SCHEMAS}
        return Tables(**own, alone=True)

    @cached_property
    def note(self) -> dict[str, Any]:
        return sound(tables.metadata(self.trials))

    @cached_property
    def study(self) -> dict[str, Any]:
        return part(self.note, "study")

    @cached_property
    def ablation(self) -> dict[str, Any]:
        """What the tables say of an ablation's design; empty for a sweep."""
        return part(self.note, "ablation")

    @property
    def is_ablation(self) -> bool:
        return bool(self.ablation) and not self.alone

    @cached_property
    def run(self) -> TrialRow | None:
        """The one trial that there is: of `only`, or of a study that neither searches nor compares; else None."""
        one = self.alone or (bool(self.study) and not self.study.get("search") and not self.ablation)
        return self.all[0] if one and len(self.all) == 1 else None

    @cached_property
    def arms(self) -> tuple[ArmRow, ...]:
        """The arms of an ablation in the order of its design, twins included; none of a sweep."""
        return arms.parse(self.ablation.get("arms"), self.all) if self.is_ablation else ()

    @cached_property
    def quality(self) -> metrics.Quality:
        """What networks of the study's task are compared by on real images: accuracy, where it does not say."""
        return metrics.QUALITY.get(part(self.note, "task").get("targets") or "classes", metrics.ACCURACY)

    @cached_property
    def objectives(self) -> tuple[Goal, ...]:
        """The study's objectives; quality on validation images where the study does not say."""
        return goals(self.study.get("objective"), self.quality.val)

    @property
    def objective(self) -> Goal:
        """The first objective: it names the best trial and its best epoch."""
        return self.objectives[0]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What was searched, in the order of the study file."""
        search = self.study.get("search")
        if self.is_ablation and not search:  # what differs between trials is then what their arms change
            return ()
        return parameters(search, [t.changes for t in self.all], self.study.get("fixed"))

    @cached_property
    def importance(self) -> dict[str, dict[str, float]]:
        """What the sweep has estimated, only numbers: objective -> path -> importance."""
        told = part(part(self.note, "importance"), "objectives")
        shares = {metric: {p: float(v) for p, v in part(told, metric).items() if is_number(v)} for metric in told}
        return {metric: own for metric, own in shares.items() if own}

    @cached_property
    def all(self) -> tuple[TrialRow, ...]:
        """Every trial, by number."""
        return tuple(sorted(map(self._trial, self.trials.to_pylist()), key=lambda t: t.number))

    @cached_property
    def searched(self) -> tuple[TrialRow, ...]:
        """The trials of the search, or of the design: all but those that confirm a winner; of a search with several
        seeds its settings, each as one."""
        own = tuple(trial for trial in self.all if trial.row["phase"] is None)
        return over_seeds.settings(own, len(self.seeds)) if self.seeds and not self.alone else own

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Those of every setting of a sweep, where it has several."""
        told, several = self.study.get("seeds"), self.trials["setting"].null_count < len(self.trials)
        return tuple(told) if several and isinstance(told, (list, tuple)) else ()

    @property
    def confirmed(self) -> dict[str, Any]:
        """What the tables say of the confirmation of a winner, see `tune/confirm.py`; empty where there is none."""
        return part(self.note, "confirmed")

    def _trial(self, row: Mapping[str, Any]) -> TrialRow:
        told = row["objectives"] or []
        values = [self._value(row, i, told[i] if i < len(told) else None) for i in range(len(self.objectives))]
        return TrialRow(row["trial"], row["state"] or "", row["arm"], mapping(row["changes"]), tuple(values), row)

    def _value(self, row: Mapping[str, Any], index: int, told: float | None) -> float | None:
        if row["state"] != "complete":  # a pruned trial's value is where it was stopped, a failed one has none
            curve = self.curve(self.objectives[index].metric)
            told = curve.last(row["trial"])[1] if row["trial"] in curve and row["state"] != "failed" else None
        return finite(told)

    def reached(self, trial: TrialRow, metric: str) -> float | None:
        """A metric of a complete trial, as effects are told from it; one that is no objective at the last epoch."""
        if not trial.complete:
            return None
        for objective, value in zip(self.objectives, trial.values):
            if objective.metric == metric:
                return value
        return finite(trial.final.get(metric, self.curve(metric).at(trial.number, trial.row["epochs"])))

    def spread(self, trials: Iterable[TrialRow], metric: str) -> Spread:
        """Mean and interval of what these trials reached, as far as they did."""
        return Spread.of(metric, [value for t in trials if (value := self.reached(t, metric)) is not None])

    @cached_property
    def complete(self) -> tuple[TrialRow, ...]:
        """Complete trials whose objectives are all there: the only ones that are compared as equals."""
        return tuple(t for t in self.searched if t.complete and None not in t.values)

    @cached_property
    def best(self) -> TrialRow | None:
        """The best complete trial that nothing keeps from winning, of several objectives by the study's `best`; of a
        search that was confirmed, the one whose setting came out first."""
        settled = self.confirmed.get("complete") and not self.alone
        number = self.confirmed.get("first") if settled else None
        if number is None:
            number = picking.pick(self.front_points, self.study.get("best"), self.objectives)
        return next((trial for trial in self.complete if trial.number == number), None)

    @property
    def shown(self) -> TrialRow | None:
        """The trial that the page looks into: the only one, or the best."""
        return self.run or self.best

    @cached_property
    def front(self) -> tuple[TrialRow, ...]:
        """Complete trials that no other one dominates."""
        return tuple(trial for trial in self.complete if trial.number in self.front_points)

    @cached_property
    def front_points(self) -> dict[int, list[float]]:
        """The points of the front."""
        return {number: self.points[number] for number in pareto.front(self.points)}

    @cached_property
    def points(self) -> dict[int, list[float]]:
        """Of each complete trial that may win its objectives, higher is better."""
        barred = self.degenerate if self.guarded else {}
        known = [t for t in self.complete if t.number not in barred and not t.outside]
        return {t.number: [o.sign * (v or 0.0) for o, v in zip(self.objectives, t.values)] for t in known}

    @property
    def guarded(self) -> bool:
        """Whether degenerate trials are kept from winning."""
        return self.run is None and degenerate.guarded(o.metric for o in self.objectives)

    @cached_property
    def degenerate(self) -> dict[int, tuple[str, ...]]:
        """The complete trials that are degenerate at the epoch that was compared, and why."""
        column = "best_epoch" if self.objective.at == "best" else "epochs"
        curves = {rule.metric: self.curve(rule.metric) for rule in degenerate.RULES}
        return over_seeds.degenerate_of(self.complete, {t.number: t.row[column] for t in self.all}, curves)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that some trial recorded, sorted."""
        return tuple(sorted(named(self.steps)))

    @cached_property
    def read_in_order(self) -> tuple[str, ...]:
        """The same as a run is read: the objectives, then as the rows of metrics.py have them, then losses."""
        first = [*(o.metric for o in self.objectives), *(row.name for row in metrics.ROWS)]
        return tuple(sorted(self.metrics, key=lambda m: (first.index(m) if m in first else len(first), m)))

    @cached_property
    def _curves(self) -> dict[str, CurveTable]:
        return {}

    def curve(self, metric: str) -> CurveTable:
        """A metric's finite values: trial -> epoch -> value."""
        if metric not in self._curves:
            self._curves[metric] = curves(self.steps, metric)
        return self._curves[metric]

    @cached_property
    def _steps_shown(self) -> pa.Table:
        return self.steps if self.shown is None else loading.of_trial(self.steps, self.shown.number)

    def curve_shown(self, metric: str) -> Mapping[int, float]:
        """A metric of the trial that the page looks into: epoch -> value; the others' are not looked at for it."""
        return {} if self.shown is None else curves(self._steps_shown, metric).get(self.shown.number, {})

    def pictures(self, trial: TrialRow) -> list[dict[str, Any]]:
        """The rows of `images` of one trial."""
        found: list[dict[str, Any]] = loading.of_trial(self.images, trial.number).to_pylist()
        return found

    def about(self, trial: TrialRow, *lines: str) -> str:
        """What to say of a trial when one points at it, as lines of plain text."""
        whose = f" ({trial.whose})" if trial.whose else ""
        own = trial.changes
        chosen = [f"{p.label}: {words.setting(own[p.path])}" for p in self.parameters if p.path in own]
        return "\n".join([f"Trial {trial.number}{whose}, {words.state(trial.state)}", *lines, *chosen[:12]])
