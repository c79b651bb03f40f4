"""An ablation of four components, as a study file has it and as designs see it; for several of these tests."""

from __future__ import annotations

from collections.abc import Sequence

from dfkd_ray import study
from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.study.components import Component
from dfkd_ray.study.designs import Arm
from dfkd_ray.util.yamls import loads

EXAMPLE = """\
study: parts
method: m
task: t
objective: {metric: val_accuracy}
design: leave_one_out
components:
  mhad: {off: {loss.mhad: null}}
  sfcl:
    off: {loss.sfcl: null}
    on: {loss.sfcl.weight: 2}
  order: {path: loss.mhad.order, levels: [1, 2, 3], on: 2}
  view: {levels: {plain: {view: 1}, rich: {view: 2, crop: 3}}}
seeds: 3
"""
SEARCH = "search: {kd.temperature: {log: [1, 20]}}\n"

MHAD = Component("mhad", {"off": {"loss.mhad": None}, "on": {}}, "on", "off")
SFCL = Component("sfcl", {"off": {"loss.sfcl": None}, "on": {}}, "on", "off")
ORDER = Component("order", {str(n): {"loss.mhad.order": n} for n in (1, 2, 3)}, "2", "1")
VIEW = Component("view", {"plain": {"view": 1}, "rich": {"view": 2}}, "rich", "plain")
ALL = (MHAD, SFCL, ORDER, VIEW)


def parsed(text: str = EXAMPLE) -> study.Study:
    return study.parse(loads(text, "parts.yaml"))


def changed(*changes: tuple[str, str], more: str = "") -> str:
    """The example with some of its text replaced, and more under it."""
    text = EXAMPLE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text + more


def differences(contrasts: Sequence[Contrast]) -> list[tuple[str, str, str]]:
    """(name, arm, the arm that it is compared with) of every comparison of two arms."""
    out = []
    for contrast in contrasts:
        if contrast.kind == "simple":
            (plus,) = (arm for arm, weight in contrast.weights.items() if weight == 1)
            (minus,) = (arm for arm, weight in contrast.weights.items() if weight == -1)
            out.append((contrast.name, plus, minus))
    return out


def levels(arms: Sequence[Arm]) -> dict[str, str]:
    return {arm.name: " ".join(arm.levels.values()) for arm in arms}
