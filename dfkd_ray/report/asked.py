"""What was asked: the study file in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report import fronts, seed_by_seed
from dfkd_ray.report.answer import states
from dfkd_ray.report.blocks import Facts
from dfkd_ray.report.settings import is_number
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words

NAMED = 12  # trials of an earlier study


def asked(tables: Tables) -> Facts:
    """What was asked: method, task, objective, space and budget."""
    study = tables.study
    budget = part(study, "budget")
    limits = [seed_by_seed.noun(tables, budget["trials"])] if isinstance(budget.get("trials"), int) else []
    limits += [f"{budget['hours']}{words.NBSP}h"] if is_number(budget.get("hours")) else []
    pairs = [
        *basics(tables),
        ("Searched", space(tables)),
        ("Fixed", fixed(tables)),
        ("Constraints", words.listed([f"{name} {bound}" for name, bound in part(study, "constraints").items()])),
        ("Outside of them", ", ".join(str(t.number) for t in tables.complete if t.outside)),
        ("Taken of the front", fronts.taken(tables) if len(tables.objectives) > 1 else None),
        ("Sampler", configured(study.get("sampler"))),
        (
            "Proposed",
            words.by_model(who) if (who := Counter(filter(None, (t.proposed_by for t in tables.all)))) else None,
        ),
        ("Learnt from", learnt(tables)),
        ("Stopper", configured(study.get("stopper"))),
        ("Seeds", seed_by_seed.told(tables)),
        ("Budget", " or ".join(limits)),
        ("Edited", edited(tables)),
        ("Trials", states(tables) or "none has ended yet"),
    ]
    return Facts(pairs)


def learnt(tables: Tables) -> str:
    """The earlier studies whose trials the sampler knew, which are none of this one's and cannot win it."""
    told = []
    for each in _mappings(tables.note.get("earlier")):
        numbers, best = each.get("trials"), each.get("best")
        listed = list(map(str, numbers)) if isinstance(numbers, list) else []
        at = f", the best {metrics.with_unit(tables.objective.metric, best)}" if is_number(best) else ""
        told.append(f"{each.get('folder')}: {words.count(len(listed), 'trial')} ({words.some(listed, NAMED)}){at}")
    return "; ".join(told) + (" (none of this study's, so none can win it)" if told else "")


def edited(tables: Tables) -> str:
    """How the study's file was changed while it had trials."""
    amendments = _mappings(tables.note.get("amendments"))
    return "; ".join(f"after {words.setting(each.get('asked'))} trials: {each.get('changed')}" for each in amendments)


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def experiment(tables: Tables) -> Facts:
    """What was asked of an ablation: method, task, objective, design, seeds and draws."""
    study = tables.study
    run = [arm for arm in tables.arms if arm.runs_as is None]
    twins = f", of which {len(run)} are run" if len(run) < len(tables.arms) else ""
    draws, tune = study.get("draws"), part(study, "tune")
    seeds = tables.ablation.get("seeds")
    pairs = [
        *basics(tables),
        ("Design", configured({k: v for k, v in part(study, "design").items() if v and k != "compare"})),
        ("Components", words.listed(list(part(study, "components")))),
        ("Arms", f"{len(tables.arms)}{twins}"),
        ("Seeds", ", ".join(map(str, seeds)) if isinstance(seeds, list) else None),
        ("Draws", f"{draws}, the same for all arms" if isinstance(draws, int) and draws > 1 else None),
        ("Tuned", f"{words.count(tune['trials'], 'trial')} for each arm" if tune.get("trials") else None),
        ("Searched", space(tables)),
        ("Fixed", fixed(tables)),
        ("Edited", edited(tables)),
        ("Trials", states(tables) or "none has ended yet"),
    ]
    return Facts(pairs)


def basics(tables: Tables) -> list[tuple[str, object]]:
    """What every study has: method, preset (None: as published), task, networks and objectives."""
    study, task = tables.study, part(tables.note, "task")
    goals = [
        f"{metrics.label(o.metric)} ({'higher' if o.mode == 'max' else 'lower'} is better)" for o in tables.objectives
    ]
    return [
        ("Method", study.get("method")),
        ("Preset", study.get("preset")),
        ("Task", _task(study, task)),
        ("Teacher and student", _networks(task)),
        ("Objective", words.listed(goals)),
    ]


def space(tables: Tables) -> str:
    """The searched settings and their domains."""
    told = [f"{p.label} ({p.domain}{f'; only if {p.condition}' if p.condition else ''})" for p in tables.parameters]
    return words.listed(told)


def fixed(tables: Tables) -> str:
    """The changes that all trials share."""
    return ", ".join(f"{path} = {words.setting(v)}" for path, v in part(tables.study, "fixed").items())


def configured(raw: Any) -> str:
    """`{name: asha, grace: 2}` as `asha (grace 2)`."""
    if not isinstance(raw, Mapping):
        return "" if raw is None else str(raw)
    name = raw.get("name")
    options = ", ".join(
        f"{key} {words.setting(value)}" for key, value in raw.items() if key != "name" and value not in (None, {})
    )
    return options if name is None else f"{name} ({options})" if options else str(name)


def _task(study: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    name = task.get("name") or study.get("task")
    named = name.get("name") if isinstance(name, Mapping) else name
    classes = task.get("classes")
    return (
        f"{named}, {words.count(classes, 'class', 'classes')}"
        if named and isinstance(classes, int)
        else str(named or "")
    )


def _networks(task: Mapping[str, Any]) -> str:
    pair = [part(task, side).get("arch") for side in ("teacher", "student")]
    return f"{pair[0]} teaches {pair[1]}" if all(pair) else ""
