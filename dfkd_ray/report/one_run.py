"""The page of a single run: a study that is one, or one trial of a study by itself (`Tables.only`)."""

from __future__ import annotations

from collections.abc import Iterator

from dfkd_ray import metrics
from dfkd_ray.report import guard
from dfkd_ray.report.answer import Scores, against, chosen_by, ruler
from dfkd_ray.report.asked import basics, configured
from dfkd_ray.report.blocks import (
    Block,
    Cell,
    Code,
    Facts,
    Heading,
    Inline,
    Label,
    Number,
    Numbers,
    Section,
    Strong,
    Table,
    Text,
)
from dfkd_ray.report.evidence import folded, recorded
from dfkd_ray.report.sections import again, tested
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables, mapping, part
from dfkd_ray.util import words


def _pairs(quality: metrics.Quality) -> dict[str, tuple[str, str]]:
    """What is taken at the end, of the students of both epochs."""
    told = f"Test {quality.said}"
    relative = quality.relative("last"), quality.relative("best")
    return {told: (quality.test_last, quality.test_best), f"{told} relative to the teacher's": relative}


def title(tables: Tables, run: TrialRow) -> str:
    """`Trial 3 of mhad`, with its arm if it has one; a study that is one run is called like it."""
    name, arm = tables.study.get("study"), f": {run.arm}" if run.arm else ""
    return f"Trial {run.number} of {name or 'a study'}{arm}" if tables.alone else str(name or "A run")


def summary(tables: Tables, run: TrialRow) -> Section:
    """What the run came to, and which run it was."""
    study, ending = tables.study, _ending(run)
    question = study.get("question")
    head = title(tables, run) if tables.alone or not question else str(question)
    line = ruler(tables)
    shown: list[Block] = [Heading(head, 1), Text(sentence(tables, run), "answer")]
    shown += [Text(ending, "warning")] if ending else []
    shown += guard.warnings(tables)
    shown += [_numbers(tables, run)]
    shown += [line] if line is not None else []
    shown += [Heading("What was run", 2), Facts(list(_which(tables, run)))]
    return Section("summary", "The run", None, shown)


def sentence(tables: Tables, run: TrialRow) -> str:
    """Method, task, networks, seed and what was reached, as plain text."""
    study, task = tables.study, part(tables.note, "task").get("name")
    where = f" on {task}" if task else ""
    facts = [f"{_method(tables, run) or study.get('study') or 'A run'}{where}", *_networks(tables, run)]
    facts += [f"seed {run.row['seed']}"] if run.row["seed"] is not None else []
    reached = "; ".join([*_objectives(tables, run), *_test(run, tables.quality)])
    return f"{', '.join(facts)}: {reached or 'no epoch has ended'}{against(tables)}."


def _objectives(tables: Tables, run: TrialRow) -> Iterator[str]:
    """The objectives' own numbers, at the epoch that a search goes by; of a run that did not end at its last one."""
    scores = Scores(run, tables)
    for objective, reached in zip(tables.objectives, run.values):
        at_best = objective.at == "best" and run.complete
        epoch = scores.best_epoch if at_best else scores.last_epoch
        value = reached if reached is not None else scores.at(objective.metric, epoch)
        if value is not None:
            which = f", its {'best' if at_best else 'last'}{'' if run.state != 'running' else ' so far'}"
            when = "" if epoch is None else f" at epoch {epoch}{which}"
            yield f"{metrics.inside(objective.metric)} {metrics.with_unit(objective.metric, value)}{when}"


def _test(run: TrialRow, quality: metrics.Quality) -> list[str]:
    last, best = (run.final.get(name) for name in (quality.test_last, quality.test_best))
    if last is None:
        return []
    said = f"test {quality.said} {metrics.with_unit(quality.test_last, last)} at the last epoch"
    epoch = f", epoch {run.row['best_epoch']}" if run.row["best_epoch"] is not None else ""
    return [said if best is None else f"{said} and {metrics.with_unit(quality.test_best, best)} at the best{epoch}"]


def _ending(run: TrialRow) -> str:
    """What became of a run that is not complete; empty of one that is."""
    told = {"pruned": "It was stopped early", "failed": "It failed", "running": "It has not ended"}
    if run.complete:
        return ""
    reason = f": {run.row['reason']}" if run.row["reason"] else ""
    return f"{told.get(run.state, run.state)}, after {words.count(run.row['epochs'] or 0, 'epoch')}{reason}."


def _numbers(tables: Tables, run: TrialRow) -> Numbers:
    goal, scores = tables.objective, Scores(run, tables)
    value = run.value if run.value is not None else scores.at(goal.metric, scores.last_epoch)
    epoch = scores.compared_at(goal) if run.complete else scores.last_epoch
    when = "" if epoch is None else f"epoch {epoch}"
    shown = [] if value is None else [Number(metrics.with_unit(goal.metric, value), metrics.label(goal.metric), when)]
    quality = tables.quality
    last, best = (run.final.get(name) for name in (quality.test_last, quality.test_best))
    if last is not None:
        beside = "" if best is None else f"last epoch; best epoch {metrics.with_unit(quality.test_best, best)}"
        shown.append(Number(metrics.with_unit(quality.test_last, last), f"Test {quality.said}", beside))
    shown.append(Number(words.number(run.row["epochs"]), "Epochs", run.state))
    shown.append(Number(words.duration(run.row["seconds"]), "Time", run.row["device"] or ""))
    return Numbers(shown, first=value is not None)


def _which(tables: Tables, run: TrialRow) -> Iterator[tuple[str, object]]:
    if tables.alone:
        told = (tables.study.get("study"), tables.study.get("question"))
        yield "Study", ": ".join(str(each) for each in told if each)
        yield "Trial", str(run.number)
        yield "Arm", run.arm
    nets = _networks(tables, run)
    own = {"Method": _method(tables, run)} | ({"Teacher and student": nets[0]} if nets else {})
    yield from {**dict(basics(tables)), **own}.items()
    yield "Seed", None if run.row["seed"] is None else str(run.row["seed"])
    yield "Nuisance draw", str(run.row["draw"]) if run.row["draw"] else None
    yield "Other inputs than the study began with", run.changed
    yield "Fingerprint", Code(run.row["fingerprint"]) if run.row["fingerprint"] else None


def _method(tables: Tables, run: TrialRow) -> str:
    """The method's name; where it is a file, that of the file."""
    named = _changes(tables, run).get("method") or tables.study.get("method")
    return named.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml") if isinstance(named, str) else ""


def _networks(tables: Tables, run: TrialRow) -> list[str]:
    """`resnet8 → resnet8`: those of the trial's own method, else the task's."""
    method, task = mapping(run.row["method"]), part(tables.note, "task")
    pair = [part(method, net).get("arch") or part(task, net).get("arch") for net in ("teacher", "student")]
    return [f"{pair[0]} → {pair[1]}"] if all(pair) else []


def _changes(tables: Tables, run: TrialRow) -> dict[str, object]:
    """What was changed in the method, the run's own first; what is fixed in a component that it replaces is gone."""
    fixed = part(tables.study, "fixed")
    gone = {path for path in fixed for own in run.changes if path == own or path.startswith(f"{own}.")}
    return {**run.changes, **{path: value for path, value in fixed.items() if path not in gone}}


# ---- what stands below


def settings(tables: Tables, run: TrialRow) -> Section:
    """What was changed, then the whole method."""
    name, method = "Settings", _method(tables, run) or "the method"
    changes = {path: value for path, value in _changes(tables, run).items() if path != "method"}
    head = ["Setting", "Value", "Changed in"] if tables.alone else ["Setting", "Value"]
    whose = {path: "this trial" if path in run.changes else "all trials of the study" for path in changes}
    rows: list[list[Inline | Cell]] = [
        [
            Label(words.shorten(path), path),
            Cell(Strong(words.setting(value)), wide=True),
            *([whose[path]] if tables.alone else []),
        ]
        for path, value in changes.items()
    ]
    none = Text(f"Nothing was changed: {method} as it stands in its file.", "note")
    shown: list[Block] = [Table(head, rows, f"What differs from {method} as it stands in its file") if rows else none]
    shown += folded("The whole method, every default filled in", mapping(run.row["method"]))
    shown += again(tables, run) if tables.alone else []
    return Section("settings", name, name, shown)


def figures(tables: Tables, run: TrialRow) -> Section:
    """Every metric at the last and at the best epoch, and what was taken once."""
    name, scores = "The numbers", Scores(run, tables)
    epochs = (scores.last_epoch, scores.best_epoch)
    pairs = {metrics.label(m): (m, [scores.at(m, epoch) for epoch in epochs]) for m in tables.read_in_order}
    ended = {said: (both[0], [run.final.get(m) for m in both]) for said, both in _pairs(tables.quality).items()}
    pairs |= {said: (m, found) for said, (m, found) in ended.items() if found != [None, None]}
    rows: list[list[Inline | Cell]] = [
        [said, *(Cell(metrics.with_unit(m, v), number=True) for v in found)] for said, (m, found) in pairs.items()
    ]
    last, best = (f" ({epoch})" if epoch is not None else "" for epoch in epochs)
    head = ["Metric", f"Last epoch{last}", f"Best epoch{best}"]
    shown: list[Block] = [Table(head, rows, "What the run reached")] if rows else []
    shown += [Text(f"The best epoch is the best by {chosen_by(tables)}. {tested(run, tables.quality)}", "note")]
    shown += [Heading("Taken once"), Facts(list(_once(run, tables.quality)))]
    return Section("numbers", name, name, shown)


def _once(run: TrialRow, quality: metrics.Quality) -> Iterator[tuple[str, object]]:
    known = {name for pair in _pairs(quality).values() for name in pair}
    yield from ((metrics.label(m), metrics.with_unit(m, v)) for m, v in run.final.items() if m not in known)
    yield metrics.label(metrics.TIME), words.duration(run.row["seconds"])
    memory = run.row["peak_memory"]
    yield metrics.label(metrics.PEAK_MEMORY), words.memory(memory) if memory else "not recorded"
    yield "Attempts", str(run.row["attempts"]) if (run.row["attempts"] or 1) > 1 else None


def provenance(tables: Tables, run: TrialRow) -> Section:
    name, place = "Provenance", " ".join(filter(None, (run.row["host"], run.row["device"])))
    known = [("Ran on", place), ("Taken over from", run.reused)]
    pairs = [*recorded(tables.note), *known, ("Resources", configured(tables.study.get("resources")))]
    shown: list[Block] = [Facts(pairs), *folded("The study file, every default filled in", tables.study)]
    return Section("provenance", name, name, shown)
