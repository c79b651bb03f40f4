"""The ablation around a winner: from the folder of a sweep to the study that says which of what won matters.

Each searched setting goes back to its default, and each loss term is taken out, one at a time, at equal seeds that
nothing was chosen by.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.runs import plugins, preparing
from dfkd_ray.study import Study
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.study.components import RESERVED, Changes, Component, same_changes
from dfkd_ray.study.designs import LeaveOneOut
from dfkd_ray.study.seeds import Seeds
from dfkd_ray.study.space import Space
from dfkd_ray.study.specs import NoStopper
from dfkd_ray.study.study import Budget
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.standing import found
from dfkd_ray.util import words, yamls
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.limits import NAME, WHOLE

FILE = "ablation.yaml"  # beside the sweep's ledger
SEEDS = 5
SLOTS = ("source_loss", "student_loss")  # whose terms are taken out
_DIGEST = re.compile(r"# Written by dfkd-ray, digest (\w+)\n")


@dataclass(frozen=True)
class Around:
    """The study around a winner, and in sentences what it leaves out."""

    study: Study
    left_out: Sequence[str]


def written(place: str, how: Options, seeds: int | None = None) -> tuple[Path, Options]:
    """Write the study around the winner of the sweep in `place` beside its ledger; the file, and the options with the
    sweep's own weights and images where none are said. StudyError where there is no winner, or for a file that somebody
    has edited.
    """
    folder = found(place)
    plugins.load(plugins.recorded(folder, how.plugin))
    history = read_history(folder)
    path, text = folder / FILE, _text(around(history, seeds), place)
    if path.exists() and not _as_written(path.read_text(encoding="utf-8")):
        way = f"run it with dfkd-ray ablate {words.typed(path)}, or move it away to have it anew"
        raise StudyError(f"{path} was edited: {way}")
    with atomic_write(path) as file:
        file.write(text.encode())
    before = Options.of(history.options)
    return path, replace(how, weights=how.weights or before.weights, data=how.data or before.data)


def around(history: History, seeds: int | None = None) -> Around:
    """The study around the winner of a sweep: the setting that was confirmed, else the best trial."""
    study, best = history.study, history.best()
    if study.ablation is not None or not study.search:
        raise StudyError(f"{study.study} is no sweep: an ablation around a winner needs one that has searched")
    if best is None:
        raise StudyError(f"{study.study} has no winner yet, so there is nothing to take apart")
    base = config.change(config.parse(history.methods[study.method]), study.fixed)
    components, left_out = _components(study.search, best.changes, base)
    if not components:
        raise StudyError(f"nothing of trial {best.number} can be taken back: {'; '.join(left_out)}")
    used = max(trial.seed for trial in history.trials.values())
    first, count = used + 1, SEEDS if seeds is None else seeds
    first = first if first + count <= WHOLE else 0
    made = replace(
        study,
        study=f"{study.study[: NAME - len('-ablation')]}-ablation",
        question=f"Which settings and which terms of what won {study.study} (its trial {best.number}) matter?",
        search={},
        constraints=(),
        stopper=NoStopper(),
        budget=Budget(),
        confirm=None,
        seed=0,
        seeds=(),
        racing=None,
        ablation=Ablation(LeaveOneOut(), _seeds(first, count), components),
    )
    return Around(made, left_out)


def _seeds(first: int, count: int) -> Seeds:
    try:
        return Seeds(tuple(range(first, first + count)), count)
    except ValueError as error:
        raise StudyError(f"--seeds {count}: {error}") from None


def _components(space: Space, won: Changes, base: Method) -> tuple[tuple[Component, ...], list[str]]:
    """A component for each searched setting and each term, and why there is none of the others."""
    default, method = config.plain(base), config.plain(config.change(base, won))
    groups = _groups(space, won)
    terms = [f"{slot}.{term}" for slot in SLOTS for term in method[slot]]
    named = _names([*groups, *(term for term in terms if term not in groups)])
    made, left_out = list[Component](), list[str]()
    for path, name in named.items():
        on = {each: won[each] for each in groups.get(path, ())}
        off: dict[str, Any] = {path: _at(default, path) if path in groups else None}
        if on and all(same_changes({each: _at(method, each)}, {each: _at(default, each)}) for each in on):
            left_out.append(f"{path} won at its default, {words.setting(on[path])}")
        elif why := _refused(base, won, on, off):
            left_out.append(f"{path} cannot be {'taken back' if on else 'taken out'}: {why}")
        else:
            made.append(Component(name, {"off": off, "on": on}, "on", "off"))
    return tuple(made), left_out


def _groups(space: Space, won: Changes) -> dict[str, list[str]]:
    """The searched paths that won, each with those that are there by its value alone, which go back with it."""

    def root(path: str) -> str:
        above = (each for each in won if path.startswith(f"{each}.") or each in space[path].when)
        return next((root(each) for each in above), path)

    roots = {path: root(path) for path in won}
    return {each: [path for path in won if roots[path] == each] for each in dict.fromkeys(roots.values())}


def _refused(base: Method, won: Changes, on: Changes, off: Changes) -> str | None:
    """Why the winner is no method with this component off."""
    gone = [path for path, value in off.items() if value is None]
    rest = {p: v for p, v in won.items() if p not in on and not any(p.startswith(f"{each}.") for each in gone)}
    try:
        preparing.accepts(base, {**rest, **off})
    except ConfigError as error:
        return "; ".join(problem.message for problem in error.problems)
    return None


def _at(plain: Any, path: str) -> Any:
    """What stands at a path of plain data; None where there is nothing."""
    for key in path.split("."):
        plain = plain.get(key) if isinstance(plain, Mapping) else None
    return plain


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Each path's name as a component: its last two parts of a setting, one of a term, or all where two are alike."""

    def short(path: str) -> str:
        keys = path.split(".")
        return "-".join(keys[1:][-2:] or keys)

    shorts = [short(path).casefold() for path in paths]
    return {
        path: short(path) if shorts.count(own) == 1 and own not in RESERVED else path.replace(".", "-")
        for path, own in zip(paths, shorts)
    }


def _text(made: Around, place: str) -> str:
    """The file: what it is in comments, then the study."""
    plain = {key: value for key, value in studies.plain(made.study).items() if value or key == "fixed"}
    for key in ("sampler", "stopper", "budget", "seed", "track"):
        plain.pop(key, None)
    body = yamls.dump(plain, allow_unicode=True, width=110)
    head = [f"# What won {place}, one thing less at a time: dfkd-ray plan {FILE}, dfkd-ray ablate {FILE}."]
    head += [f"# Left out: {each}." for each in map(_line, made.left_out)]
    rest = "\n".join([*head, body])
    return f"# Written by dfkd-ray, digest {_digest(rest)}\n{rest}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _as_written(text: str) -> bool:
    """Whether a file is as it was written here."""
    head = _DIGEST.match(text)
    return head is not None and head[1] == _digest(text[head.end() :])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def lines(path: Path) -> Iterator[str]:
    """What a terminal says of the file: where it is, and what it leaves out."""
    show = f"dfkd-ray plan {words.typed(path)}"
    yield f"the ablation around the winner is {path}: show it with {show}, edit it, run it again"
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# Left out: "):
            yield line.removeprefix("# ")
