"""The arms of an ablation: what a design runs, which effects that tells, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.study import factorials  # noqa: F401  fills the registry
from dfkd_ray.study.by_hand import ByHand, read_hand
from dfkd_ray.study.components import Changes, conflicts, same_changes, taken_out
from dfkd_ray.study.designs import Arm, Components, Design, Hand, along, designs
from dfkd_ray.study.domains import canonical
from dfkd_ray.study.paths import Walk, next_arms, step
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.words import counted

__all__ = [
    "Arm",
    "ByHand",
    "Contrast",
    "Design",
    "Walk",
    "along",
    "build",
    "contrasts",
    "describe",
    "designs",
    "mistakes",
    "next_arms",
    "read_hand",
    "step",
]


def build(design: Design, components: Components, hand: Hand | None = None) -> tuple[Arm, ...]:
    """All arms of a design, of `path` those of its first round; ConfigError with all that is wrong with it."""
    found = list(mistakes(design, components, hand))
    if found:
        raise ConfigError(found)
    return design.arms(components, hand or {})


def contrasts(design: Design, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
    """Every effect that the arms tell; of `path` give the chosen arms alone, as `along(components, chosen)` does."""
    return design.contrasts(components, arms)


def mistakes(design: Design, components: Components, hand: Hand | None = None) -> Iterator[Problem]:
    """What is wrong with a design for these components, or with arms that were named by hand."""
    name: str = design.registered_as  # type: ignore[attr-defined]
    found = list(conflicts(components))
    if hand and not isinstance(design, ByHand):
        found.append(Problem("arms", f"{name} makes its own arms: leave `arms` out, or take `design: arms`"))
    if len(components) < design.least:
        few = "one component" if design.least == 1 else f"{design.least} components"
        few += ", or `to` a method" if isinstance(design, Walk) else ""
        found.append(Problem("components", f"{name} needs at least {few}, got {len(components)}"))
    else:
        found += design.mistakes(components, hand or {})
    yield from found
    if not found and not isinstance(design, Walk):
        yield from _nothing_to_tell(design, components, design.arms(components, hand or {}))


def _nothing_to_tell(design: Design, components: Components, arms: Sequence[Arm]) -> Iterator[Problem]:
    """Comparisons of two arms that make the same changes: their effect would be nothing, whatever is run."""
    by_name = {arm.name: arm for arm in arms}
    for contrast in design.contrasts(components, arms):
        a, b, *more = (by_name[name] for name in contrast.weights)
        if not more and same_changes(a.changes, b.changes):
            why = [*dict.fromkeys(each for arm in (a, b) if arm.levels for each in taken_out(components, arm.levels))]
            where = f"{'components' if components else 'arms'}.{contrast.component}"
            text = f"{a.name!r} and {b.name!r} make the same changes, so there is nothing to compare"
            yield Problem(where, "; ".join([text, *why]))


def describe(design: Design, components: Components, arms: Sequence[Arm], method: str = "") -> list[str]:
    """A design in lines of text: its matrix, arms that are alike, generators, and what is confounded, in words.

    method: the study's own, where a path begins.
    """
    name: str = design.registered_as  # type: ignore[attr-defined]
    if components:
        rows = [["arm", *(component.name for component in components)]]
        rows += [[arm.name, *(arm.levels[component.name] for component in components)] for arm in arms]
    else:
        rows = [["arm", "changes"], *([arm.name, _changes(arm.changes)] for arm in arms)]
    lost = (each for arm in arms if arm.levels for each in taken_out(components, arm.levels))
    return [
        f"design: {name}, {counted(len(arms), 'arm')}",
        *_table(rows),
        *(design.way(method, components) if isinstance(design, Walk) else ()),
        *design.notes(components, arms),
        *(f"left out where nothing holds it: {each}" for each in dict.fromkeys(lost)),
        *(f"the same changes, run once: {', '.join(names)}" for names in _alike(arms)),
    ]


def _alike(arms: Sequence[Arm]) -> list[list[str]]:
    """The names of arms whose changes are the same, in groups of two and more."""
    groups: dict[str, list[str]] = {}
    for arm in arms:
        groups.setdefault(canonical(dict(arm.changes)), []).append(arm.name)
    return [names for names in groups.values() if len(names) > 1]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _changes(changes: Changes) -> str:
    return ", ".join(f"{path}: {canonical(value)}" for path, value in changes.items()) or "none"
