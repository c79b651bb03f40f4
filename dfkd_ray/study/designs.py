"""Designs as a study file names them: which arms each one runs, which effects it tells, and what it confounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from dfkd_ray.stats.contrasts import Contrast, Levels, Runs, against, difference, shapley, shapley_note
from dfkd_ray.study.components import JOIN, Changes, Component, merged
from dfkd_ray.util.errors import Problem
from dfkd_ray.util.registry import Registry, did_you_mean

Components = Sequence[Component]
Hand = Mapping[str, Changes]  # arms named by hand


@dataclass(frozen=True)
class Arm:
    """One method that is run: the level of each component (none where it was named by hand), and what that changes."""

    name: str
    levels: Levels
    changes: Changes


class Design:
    """What every design has. `contrasts` finds arms by their levels, so that their names are free."""

    least: ClassVar[int] = 1  # components that it needs

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        """All arms, for components without `mistakes`."""
        raise NotImplementedError

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        """Every effect that the arms tell."""
        raise NotImplementedError

    def mistakes(self, components: Components, hand: Hand) -> Iterator[Problem]:
        """Why these components do not fit the design, or the arms that were named by hand."""
        yield from ()

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        """What the effects mean, and what they are confounded with, in words."""
        raise NotImplementedError


designs: Registry[type[Design]] = Registry("design")


def at(components: Components, end: Literal["on", "off"]) -> dict[str, str]:
    """All components at one end."""
    return {component.name: getattr(component, end) for component in components}


def arm(components: Components, levels: Levels, name: str = "") -> Arm:
    """The arm with these levels; its name says what is not off, and depends on the levels alone: `mhad + order=2`."""
    parts = [level_name(c, levels[c.name]) for c in components if levels[c.name] != c.off]
    usual = "full" if levels == at(components, "on") else JOIN.join(parts) or "none"
    return Arm(name or usual, levels, merged(components, levels))


def level_name(component: Component, level: str, usual: str = "on", word: str = "") -> str:
    """`order=2`; where the level is called as usual, the component alone, after a word."""
    return f"{word}{component.name}" if level == usual else f"{component.name}={level}"


def _one_changed(components: Components, end: Literal["on", "off"]) -> Iterator[tuple[Component, str, dict[str, str]]]:
    """(component, level, all levels) for each level that one component may have while the rest is at its end."""
    for component in components:
        for level in component.others(getattr(component, end)):
            yield component, level, at(components, end) | {component.name: level}


def _find(arms: Sequence[Arm], levels: Levels) -> str:
    names = {tuple(sorted(each.levels.items())): each.name for each in arms}
    return names[tuple(sorted(levels.items()))]


def runs(arms: Sequence[Arm]) -> Runs:
    """The levels by arm."""
    return {each.name: each.levels for each in arms}


@designs.register("leave_one_out")
@dataclass(frozen=True)
class LeaveOneOut(Design):
    """All on, and all on but one component: what is lost without it. Each of its other levels is an arm."""

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        changed = _one_changed(components, "on")
        without = (arm(components, levels, level_name(c, level, "off", "without ")) for c, level, levels in changed)
        return (arm(components, at(components, "on")), *without)

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        full = _find(arms, at(components, "on"))
        return tuple(
            difference(c.name, against(c, c.on, level, "the rest on"), full, _find(arms, levels))
            for c, level, levels in _one_changed(components, "on")
        )

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        yield "each effect is that of one component while the rest is on; its interactions with the rest are part of it"


@designs.register("add_one_in")
@dataclass(frozen=True)
class AddOneIn(Design):
    """All off, and all off but one component: what it gives alone. Each of its other levels is an arm."""

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        changed = _one_changed(components, "off")
        only = (arm(components, levels, f"only {level_name(c, level)}") for c, level, levels in changed)
        return (arm(components, at(components, "off")), *only)

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        none = _find(arms, at(components, "off"))
        return tuple(
            difference(c.name, against(c, level, c.off, "the rest off"), _find(arms, levels), none)
            for c, level, levels in _one_changed(components, "off")
        )

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        yield "each effect is that of one component while the rest is off; interactions do not show"


@designs.register("leave_one_out+add_one_in")
@dataclass(frozen=True)
class Both(Design):
    """Both ends: a component's effect with the rest on and with the rest off, which differ where it interacts."""

    least: ClassVar[int] = 2

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        every = (*LeaveOneOut().arms(components, hand), *AddOneIn().arms(components, hand))
        return tuple(each for i, each in enumerate(every) if each.levels not in [a.levels for a in every[:i]])

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        ends = (*LeaveOneOut().contrasts(components, arms), *AddOneIn().contrasts(components, arms))
        return (*ends, *shapley(components, runs(arms)))

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        yield "each component has two effects, with the rest on and with the rest off; they differ where it interacts"
        yield from shapley_note(self.contrasts(components, arms))


@designs.register("ladder")
@dataclass(frozen=True)
class Ladder(Design):
    """Components are switched on one after the other, from all off to all on; each rung minus the one below it."""

    order: tuple[str, ...] = ()  # of all components; empty: as they are written

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        return along(components, self.order or [component.name for component in components])

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        return steps(components, arms)

    def mistakes(self, components: Components, hand: Hand) -> Iterator[Problem]:
        names = [component.name for component in components]
        for i, name in enumerate(self.order):
            if name not in names:
                yield Problem(f"design.order.{i}", f"there is no component {name!r}{did_you_mean(name, names)}")
            elif name in self.order[:i]:
                yield Problem(f"design.order.{i}", f"{name} stands twice")
        if self.order and (missing := [name for name in names if name not in self.order]):
            yield Problem("design.order", f"leaves out {', '.join(missing)}: name all components, or none")

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        yield "each effect is that of a component at its place in the order; in another order it may be another"


def taken(order: Sequence[str]) -> list[str]:
    """The components of a walk's steps, one after the other: a step may be several at once, `a + b`."""
    return [name for step in order for name in step.split(JOIN)]


def along(components: Components, order: Sequence[str]) -> tuple[Arm, ...]:
    """The arms from all off, with the components of `order` switched on one step after the other."""
    on = {component.name: component.on for component in components}
    off = at(components, "off")
    ends = [taken(order[:i]) for i in range(len(order) + 1)]
    return tuple(arm(components, off | {name: on[name] for name in names}) for names in ends)


def steps(components: Components, arms: Sequence[Arm], walked: bool = False) -> tuple[Contrast, ...]:
    """Each arm minus the one before it; ValueError where an arm switches something off, or nothing on.

    walked: from one method to another, where nothing is on or off: what was changed before is told in its order.
    """
    out, walk = [], list[str]()
    for below, above in pairwise(arms):
        new = [c for c in components if above.levels[c.name] != below.levels[c.name]]
        if not new or any((below.levels[c.name], above.levels[c.name]) != (c.off, c.on) for c in new):
            raise ValueError(f"{above.name!r} is not one step after {below.name!r}: give the chosen arms in order")
        before = [c.name for c in components if below.levels[c.name] != c.off]
        rest = f"{', '.join(before)} on" if before else "the rest off"
        if walked:
            rest = f"after {', '.join(walk)}" if walk else "at the start"
        walk += [c.name for c in new]
        what = " and ".join(f"{c.name} {c.on} against {c.off}" for c in new)
        out.append(difference(JOIN.join(c.name for c in new), f"{what}, {rest}", above.name, below.name))
    return tuple(out)
