"""`simulate`: which sampler and stopper would find most, on recorded trials and a simulated clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, completion, options, printing
from dfkd_ray.util import shipped, words
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.limits import COUNT

if TYPE_CHECKING:
    from dfkd_ray.study import Study
    from dfkd_ray.tune.recorded import Recorded, Surrogate
    from dfkd_ray.tune.simulated import Case

File = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A study file, or the name of a shipped one.", autocompletion=completion.studies
    ),
]
From = Annotated[
    list[Path],
    typer.Option(
        "--from",
        metavar="FOLDER",
        help="Of a study whose complete trials are the record, the same method and space; may be given again.",
        autocompletion=completion.runs,
    ),
]


@dataclass(frozen=True)
class CaseOptions:
    """What is compared; see `options.unfolded`."""

    sampler: Annotated[
        str | None,
        typer.Option(help="As a study has them: random,tpe,'{name: tpe, startup: 4}'.", show_default="the study's"),
    ] = None
    stopper: Annotated[
        str | None, typer.Option(help="As a study has them: none,asha,median.", show_default="the study's")
    ] = None
    slots: Annotated[str, typer.Option(metavar="N,...", help="Trials at a time: 1,8,64.")] = "1"
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N,...",
            help="Of a trial, whose value is their mean: 1,3. None of them is left out by a race.",
            show_default="the study's",
        ),
    ] = None
    trials: Annotated[
        str | None,
        typer.Option(
            metavar="N,...", help="What may be spent, in trials that nobody stops: 12,120.", show_default="the study's"
        ),
    ] = None

    def cases(self, study: Study) -> tuple[list[Case], dict[str, str]]:
        """Every combination that goes together, and why others do not; ConfigError where none does."""
        from dfkd_ray.study.specs import samplers, stoppers
        from dfkd_ray.tune import simulated
        from dfkd_ray.util import yamls

        cases, refused = simulated.grid(
            study,
            [study.sampler] if self.sampler is None else _listed("sampler", self.sampler, yamls.component, samplers),
            [study.stopper] if self.stopper is None else _listed("stopper", self.stopper, yamls.component, stoppers),
            _listed("slots", self.slots, _whole),
            [len(study.each_seed)] if self.seeds is None else _listed("seeds", self.seeds, _whole),
            [_budget(study)] if self.trials is None else _listed("trials", self.trials, _whole),
        )
        if not cases:
            raise ConfigError.at("--sampler", "; ".join(f"{name}: {why}" for name, why in refused.items()))
        return cases, refused


Repetitions = Annotated[
    int, typer.Option(min=1, callback=options.bounded, help="Simulated studies of each case: intervals are over them.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        callback=options.on_disk, help="Folder of its table and page.", show_default="reports/<study>-simulation"
    ),
]


@app.command(epilog="Example: dfkd-ray simulate mhad --from reports/old --sampler random,tpe,gp --stopper none,asha")
@options.unfolded
def simulate(
    file: File,
    folders: From,
    compared: CaseOptions,
    repetitions: Repetitions = 100,
    out: Out = None,
    json: printing.Json = False,
) -> None:
    """Compare samplers, stoppers, slots and seeds on recorded trials, before a study is run.

    The engine's own samplers and stoppers run on a simulated clock; a forest that learnt the recorded curves stands for
    the trials. Cases are told by what their best trial comes to without noise, for the same cost.
    """
    from dfkd_ray import report
    from dfkd_ray import study as studies
    from dfkd_ray.report import simulation
    from dfkd_ray.tune import recorded, simulating
    from dfkd_ray.util import tables

    study = _simulable(studies.load(shipped.study_file(file)))
    cases, refused = compared.cases(study)
    record = recorded.read(study, folders, cache(lambda: _method(study)))
    surrogate = recorded.Surrogate(study, record)
    rows = list(simulating.rows(study, surrogate, cases, repetitions))
    facts = _facts(study, record, surrogate, refused) | {"repetitions": repetitions, "folders": [*map(str, folders)]}
    table = simulation.table(rows, facts)
    folder = out or Path("reports") / f"{study.study}-simulation"
    folder.mkdir(parents=True, exist_ok=True)
    tables.write(table, folder / "simulation.arrow")
    page = report.build(folder)
    if json:
        printing.as_json({**facts, "rows": rows})
    else:
        _say(table)
        typer.echo(f"page: {page}")


def _method(study: Study) -> Mapping[str, Any]:
    """A study's method as its trials have it, but for what they search."""
    from dfkd_ray.methods import config
    from dfkd_ray.runs import preparing

    methods = preparing.methods_of(study, preparing.task_of(study))
    return config.plain(config.change(methods[study.method], study.fixed))


def _say(table: Any) -> None:
    from dfkd_ray.report import simulation

    for name, value in simulation.facts(table):
        if value not in (None, ""):
            printing.say(f"{name}: {words.for_terminal(str(value))}")
    typer.echo("")
    printing.table([simulation.HEAD, *(tuple(map(words.for_terminal, row)) for row in simulation.told(table))])
    typer.echo("")
    for line in (*simulation.answers(table), *simulation.warnings(table)):
        printing.say(words.for_terminal(line))


def _facts(study: Study, record: Recorded, surrogate: Surrogate, refused: Mapping[str, str]) -> dict[str, Any]:
    """What the table keeps beside its rows."""
    objective = study.objective[0]
    known = {"recorded": len(record.curves), "others": record.others, "refused": dict(refused)}
    return {
        **{"study": study.study, "metric": objective.metric, "mode": objective.mode, **known},
        **{name: getattr(surrogate, name) for name in ("explained", "noise", "best", "median", "full")},
    }


def _simulable(study: Study) -> Study:
    """The study; StudyError for one whose trials no curve of one objective stands for."""
    why = ""
    if study.ablation is not None or study.one_run:
        why = "it searches nothing"
    elif len(study.objective) > 1:
        why = "it has several objectives"
    elif study.constraints:
        why = "it has constraints, which no recorded curve tells"
    if why:
        raise StudyError(f"{study.study} cannot be simulated: {why}")
    return study


def _budget(study: Study) -> int:
    if study.trials is None:
        raise ConfigError.at("--trials", f"{study.study} has a budget in hours: say what may be spent, such as 12,120")
    return study.trials * len(study.each_seed)


def _listed(option: str, text: str, read: Callable[..., Any], *of: Any) -> list[Any]:
    """`random,{name: tpe, startup: 4}` as a list; ConfigError says what is wrong with which of them."""
    from dfkd_ray.util import yamls

    try:
        found = [read(*of, each) for each in yamls.value(f"[{text}]")]
    except ConfigError as error:
        raise ConfigError.at(f"--{option}", error.problems[0].message) from None
    if not found:
        raise ConfigError.at(f"--{option}", "is empty")
    return list(dict.fromkeys(found))


def _whole(raw: Any) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not 1 <= raw <= COUNT:
        raise ConfigError.at("", f"expected whole numbers from 1 to {COUNT:,} with commas between them, got {raw!r}")
    return raw
