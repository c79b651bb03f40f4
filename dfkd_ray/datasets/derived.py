"""A task made of another one: `of: cub200` and what is to be otherwise, such as `first: 10`.

```yaml
of: cub200             # a task by name, a file, or folder:PATH@SIDE
classes: [013.Bobolink, 014.Indigo_Bunting]   # or first: 10
hold_out: {train: 0.2}
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray.datasets import folder
from dfkd_ray.datasets.naming import Classes
from dfkd_ray.datasets.task import HERE, HoldOut, Task
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError

OF, FIRST = "of", "first"


def spread(document: yamls.Document, load: Callable[[str], Task]) -> yamls.Document:
    """The same with all that it takes from the task that it is of; ConfigError with the line of each mistake.

    A mapping such as `hold_out` changes what it names. Where there are fewer classes no teacher of all is theirs, nor
    a published number of images, and of images that are set aside by number there are fewer too.
    """
    problems = yamls.Problems()
    own = {key: value for key, value in document.data.items() if key not in (OF, FIRST)}
    name = problems.attempt("", _beside, document.data[OF], Path(document.file or ".").parent)
    base = None if name is None else problems.attempt(OF, load, name)
    if base is None:
        raise document.locate(problems.found)
    chosen = problems.attempt("", _chosen, base, own.pop("classes", None), document.data.get(FIRST))
    if chosen is None:
        raise document.locate(problems.found)
    made = yamls.plain(_of_classes(base, chosen) if chosen != base.classes else _placed(base))
    made["name"] = Path(document.file or base.name).stem
    for key, value in own.items():
        made[key] = {**made[key], **value} if isinstance(value, Mapping) and isinstance(made.get(key), dict) else value
    return replace(document, data=made)


def _chosen(base: Task, classes: Any, first: Any) -> tuple[str, ...]:
    """The classes by the names that the whole task has for them, in the order of the file."""
    if classes is not None and first is not None:
        raise ConfigError.at(FIRST, "classes says it too: take one of the two out")
    if first is not None:
        if type(first) is not int or not 2 <= first <= len(base.classes):
            raise ConfigError.at(
                FIRST, f"should be a number from 2 to the {len(base.classes)} of {base.name}, got {first!r}"
            )
        return base.classes[:first]
    if classes is None:
        return base.classes
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ConfigError.at("classes", f"should be a list of names, got {classes!r}")
    known = Classes(base.classes, base.name)
    labels = [known.label(name) for name in classes]
    if unknown := [name for name, label in zip(classes, labels) if label is None]:
        raise ConfigError.at("classes", known.unknown(unknown))
    if len(labels) < 2 or len({*labels}) < len(labels):
        raise ConfigError.at("classes", "must be at least two different names")
    return tuple(base.classes[label] for label in labels if label is not None)


def _of_classes(base: Task, classes: tuple[str, ...]) -> Task:
    share = len(classes) / len(base.classes)
    aside = {which: _fewer(count, share) for which, count in vars(base.hold_out).items()}
    origin = None if base.origin is None else replace(base.origin, counts=type(base.origin.counts)())
    teacher = replace(base.teacher, weights=None, test_accuracy=None)
    whole = base.among or base.classes
    return replace(base, classes=classes, among=whole, hold_out=HoldOut(**aside), origin=origin, teacher=teacher)


def _placed(base: Task) -> Task:
    """The same with the whole path of its teacher, which stands beside the shipped tasks."""
    held = base.teacher.weights
    return replace(base, teacher=replace(base.teacher, weights=None if held is None else str(HERE / held)))


def _fewer(count: float, share: float) -> float:
    return count if count < 1 else max(1, round(count * share))


def _beside(name: Any, home: Path) -> str:
    """The name of a task, where it is a path one beside the file; ConfigError for what is no text."""
    if not isinstance(name, str):
        raise ConfigError.at(OF, f"should be a task by name, a YAML file or {folder.PREFIX}PATH, got {name!r}")
    if name.startswith(folder.PREFIX):
        return f"{folder.PREFIX}{home / Path(name.removeprefix(folder.PREFIX)).expanduser()}"
    return str(home / name) if Path(name).suffix in (".yaml", ".yml") else name
