"""The shipped studies, and the keys of a study's and of a method's file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dfkd_ray.methods.method import Schedule, Student, Teacher
from dfkd_ray.parts.augmenting import Views
from dfkd_ray.study.ablation import Tune
from dfkd_ray.study.priors import Prior
from dfkd_ray.study.study import Budget, Objective, Resources, Saving
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util import shipped
from makers import fields, markup
from makers.told import told

STUDY: dict[str, tuple[str, type[Any]]] = {
    "objective": ("What is optimised: one, or a list of them.", Objective),
    "prior": ("Of a domain under `search`.", Prior),
    "budget": ("", Budget),
    "resources": ("", Resources),
    "runtime": ("", Runtime),
    "checkpoint": ("", Saving),
    "tune": ("Of an ablation.", Tune),
}
METHOD: dict[str, type[Any]] = {"teacher": Teacher, "student": Student, "views": Views, "schedule": Schedule}


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown)."""
    about = "`dfkd-ray cp NAME .` copies one, so that you can change it; a file's own comments say why it is as it is."
    yield "gallery/studies.md", "Studies", markup.page("Studies", about, *map(_study, shipped.studies()))
    about = (
        "The keys that are mappings; the whole file is explained in [sweeps](../concepts/sweeps.md) and "
        "[ablations](../concepts/ablations.md)."
    )
    entries = (_keys(key, component, said) for key, (said, component) in STUDY.items())
    yield "reference/study.md", "Keys of a study", markup.page("Keys of a study", about, *entries)
    about = "The slots that are no component of a [registry](../gallery/methods/index.md)."
    entries = (_keys(key, component) for key, component in METHOD.items())
    yield "reference/method.md", "Keys of a method", markup.page("Keys of a method", about, *entries)


def _study(path: Any) -> str:
    return "\n\n".join(
        [
            f"## `{path.stem}`",
            markup.text(shipped.question(path)),
            markup.folded(f"{path.name}", markup.fence(path.read_text("utf-8"), "yaml")),
        ]
    )


def _keys(key: str, component: type[Any], said: str = "") -> str:
    found = told(component)
    paragraphs = [markup.text(each) for each in (said, found.first, *found.more) if each]
    return "\n\n".join([f"## `{key}`", *paragraphs, fields.table(component)])
