"""What a study, or a run, has left in its folder, as an object; `load` opens it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfkd_ray import metrics
from dfkd_ray import study as studies
from dfkd_ray.report import finding, one_run
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import store, tables, words
from dfkd_ray.util.errors import ConfigError, DfkdError, StudyError
from dfkd_ray.util.yamls import Document

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    import plotly.graph_objects as go
    from torch import nn

    from dfkd_ray.runs.card import Which
    from dfkd_ray.study import Study

FACTS = ("seed", "draw", "tuning", "fingerprint", "reason", "rung", "host", "device")


@dataclass(frozen=True)
class Best:
    """A trial that is best, or on the front: its settings by path, its objectives and what was measured at its end, by
    metric. Of a sweep with several seeds it is a setting, by the trial of its first seed: these are then means over so
    many `seeds`, and `errors` the standard errors of its objectives."""

    number: int
    arm: str | None
    seed: int
    settings: Mapping[str, Any]
    values: Mapping[str, float | None]
    final: Mapping[str, float]
    errors: Mapping[str, float | None] = field(default_factory=dict)
    seeds: int = 1

    @classmethod
    def of(cls, trial: TrialRow, goals: list[str]) -> Best:
        own = (trial.number, trial.arm, trial.pair[0], trial.changes, dict(zip(goals, trial.values)), trial.final)
        return cls(*own, dict(zip(goals, trial.errors)), max(1, len(trial.runs)))


@dataclass(frozen=True)
class Results:
    """What a study, or a run, has left: its tables as DataFrames, the best trial, its student, the figures of its page.

    It is the study as it was when it was loaded: while one runs, `load` it again.
    """

    folder: Path
    tables: Tables = field(repr=False)

    @property
    def name(self) -> str:
        """How the study is called."""
        return str(self.tables.study.get("study") or self.folder.name)

    @cached_property
    def study(self) -> Study:
        """The study itself, every default filled in; StudyError where its tables do not say."""
        self._load_plugins()
        try:
            return studies.parse(Document(self.tables.study, file=str(self.folder / "trials.arrow")))
        except DfkdError as error:
            raise StudyError(f"{self.folder}: its tables hold no study that this dfkd-ray knows: {error}") from None

    @property
    def answer(self) -> str:
        """What its page says first, in a sentence or two."""
        if (run := self.tables.run) is not None:
            return one_run.sentence(self.tables, run)
        return " ".join(finding.answers(self.tables))

    @property
    def confirmed(self) -> Mapping[str, Any]:
        """What fresh seeds say of a sweep's best settings, as plain data: `settings` (the best first, with the value
        that each had in the search), `won` with the winner's curse, `control`; empty where none were confirmed."""
        return self.tables.confirmed

    @property
    def best(self) -> Best | None:
        """The best complete trial, of several objectives by the study's rule `best`; None where there is none that may
        win."""
        goals = [objective.metric for objective in self.tables.objectives]
        return None if self.tables.best is None else Best.of(self.tables.best, goals)

    @property
    def front(self) -> list[Best]:
        """The complete trials that no other dominates, by number; of one objective those that are best."""
        goals = [objective.metric for objective in self.tables.objectives]
        return [Best.of(trial, goals) for trial in self.tables.front]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row a trial, by its number: how it ended, its objectives by metric, its settings by path, what was measured
        at its end by metric, its cost. Needs pandas."""
        from dfkd_ray.api import frames

        return frames.trials(self.tables)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """Learning curves: a row for each trial, epoch and metric, with seconds and value. Needs pandas."""
        from dfkd_ray.api import frames

        return frames.frame(tables.read(self.folder / "steps.arrow"))

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Of an ablation: a row an effect and metric, with difference, intervals, p values and verdict. Needs pandas.

        StudyError of a sweep.
        """
        from dfkd_ray.api import frames

        if self.tables.effects is None:
            raise StudyError(f"{self.name} is no ablation: it has no effects")
        return frames.frame(self.tables.effects)

    @property
    def figures(self) -> list[str]:
        """The names that `figure` knows for this study, in the order of its page."""
        from dfkd_ray.report import figures

        self._load_plugins()
        return figures.names(self.tables)

    def figure(self, name: str, *, panel: str | None = None, dark: bool = False) -> go.Figure:
        """A chart of the page as a Plotly figure of its own, to show, change or save.

        Args:
            name: such as `history`; see `figures`.
            panel: of a chart with several, the one with this title; else the first.
            dark: in the page's dark colours. The template is `dfkd_ray`, or `dfkd_ray_dark`.

        Raises:
            UnknownName: if there is no such figure, or panel.
            StudyError: if the study has nothing to show there.
        """
        from dfkd_ray.report import figures

        self._load_plugins()
        return figures.figure(self.tables, name, panel, dark)

    def student(
        self, trial: int | None = None, *, arm: str | None = None, seed: int | None = None, which: Which = "last"
    ) -> nn.Module:
        """A student in evaluation mode, on the CPU; what is known of it is in its attribute `card`: its net, classes,
        image, normalisation, accuracy, teacher and versions.

        Args:
            trial: by number; else the best.
            arm: of an ablation, with `seed`.
            seed: of the arm's trials.
            which: of its last epoch, or of its best by the study's first objective.

        Raises:
            StudyError: if there is no such trial, or it has kept no student.
        """
        from dfkd_ray.runs import students
        from dfkd_ray.tune.chosen import choose

        return students.network(choose(self.folder, trial, arm, seed).folder, which)

    def to_optuna(self) -> optuna.Study:
        """An Optuna study in memory, with trials, distributions, intermediate values and states, for
        `optuna.visualization`. As the sampler was told, a degenerate trial that may not win has failed.
        """
        from dfkd_ray.tune.optuna_study import Past, optuna_study

        made = self.tables
        curve, barred = made.curve(made.objective.metric), made.degenerate if made.guarded else {}

        def past(trial: TrialRow) -> Past:
            state = "failed" if trial.number in barred or (trial.complete and None in trial.values) else trial.state
            facts = {name: trial.row[name] for name in FACTS if trial.row[name] is not None} | trial.final
            facts |= {"degenerate": list(barred[trial.number])} if trial.number in barred else {}
            values = [value for value in trial.values if value is not None] if state == "complete" else None
            own, at = curve.get(trial.number, {}), (trial.row["started"], trial.row["seconds"])
            return Past(trial.number, state, trial.changes, trial.arm, values, own, *at, facts)

        return optuna_study(self.study, map(past, made.searched))

    def _load_plugins(self) -> None:
        """Those of the study, for what they register; where one is gone, whatever needs it says so."""
        from dfkd_ray.runs import plugins

        with suppress(ConfigError):
            plugins.load(self._recorded)

    @cached_property
    def _recorded(self) -> tuple[str, ...]:
        """The plug-ins that the ledger names, which is read once: it may be long."""
        from dfkd_ray.runs import plugins

        return plugins.recorded(self.folder)

    def __str__(self) -> str:
        return f"{self.name}: {self.answer}"

    def _repr_html_(self) -> str:
        """In a notebook: the question, the answer, what the best trial was, and where the page is."""
        question, best = self.tables.study.get("question"), self.best
        told = [f"<h3>{escape(str(question or self.name))}</h3>", f"<p>{escape(self.answer)}</p>"]
        if best is not None and best.settings:
            cells = {path: words.setting(value) for path, value in best.settings.items()}
            cells |= {metrics.label(name): metrics.with_unit(name, value) for name, value in best.values.items()}
            rows = (f"<tr><th>{escape(what)}</th><td>{escape(said)}</td></tr>" for what, said in cells.items())
            told.append(f"<table><caption>Trial {best.number}</caption>{''.join(rows)}</table>")
        page = self.folder / "report.html"
        told += [f"<p>Its page: <code>{escape(str(page))}</code></p>"] if page.is_file() else []
        return "".join(told)


def load(folder: str | Path) -> Results:
    """Open what a study, or a run, has left.

    Args:
        folder: such as `reports/mhad`, or the URI of one in a store.

    Raises:
        StudyError: if its tables are missing or damaged.
    """
    from dfkd_ray.tune.copies import refresh

    place = store.existing(folder)
    refresh(place)
    return Results(place, Tables.read(place))
