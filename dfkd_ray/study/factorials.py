"""Factorial designs: all combinations of the components' levels, or a fraction of them with known aliases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import ClassVar, Literal

from dfkd_ray.stats import aliases
from dfkd_ray.stats.aliases import LETTERS, ROMAN, spelled
from dfkd_ray.stats.contrasts import Contrast, interactions, joint, mains, shapley, shapley_note
from dfkd_ray.study.designs import Arm, Components, Design, Hand, arm, designs, runs
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import did_you_mean

LIMIT = 256  # arms: a larger design is a mistake


@designs.register("factorial")
@dataclass(frozen=True)
class Factorial(Design):
    """Every combination of levels: main effects, two-way interactions and exact Shapley values."""

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        names = [component.name for component in components]
        return tuple(arm(components, dict(zip(names, levels))) for levels in product(*(c.levels for c in components)))

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        by_name = runs(arms)
        return (*mains(components, by_name), *interactions(components, by_name), *shapley(components, by_name))

    def mistakes(self, components: Components, hand: Hand) -> Iterator[Problem]:
        count = prod(len(component.levels) for component in components)
        if count > LIMIT:
            yield Problem("design", f"factorial has {count:,} arms, more than {LIMIT}: take `fractional_factorial`")

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        yield "nothing is confounded; a main effect is a mean over all levels of the rest"
        if many := [component.name for component in components if not component.binary]:
            yield f"no interactions of {', '.join(many)} and no Shapley values: more than two levels"


@designs.register("fractional_factorial")
@dataclass(frozen=True)
class FractionalFactorial(Design):
    """The smallest fraction of a factorial of binary components at a resolution (Box, Hunter and Hunter, 2005).

    III: main effects cannot be told from two-way interactions. IV: they can, but these not all from each other. V: all
    of both can be told. `wanted: [mhad x sfcl]` names interactions that must have an estimate of their own.
    """

    resolution: Literal[3, 4, 5] = 4
    wanted: tuple[str, ...] = ()
    least: ClassVar[int] = 3

    def fraction(self, components: Components) -> aliases.Fraction:
        """The fraction that is run; ConfigError where there is none."""
        found = aliases.smallest(len(components), self.resolution, self._pairs(components))
        if found is None:
            text = f"{self.resolution} with {len(components)} components is a full factorial; take `factorial`"
            raise ConfigError.at("design.resolution", text)
        return found

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        return tuple(
            arm(components, {c.name: c.on if sign > 0 else c.off for c, sign in zip(components, signs)})
            for signs in self.fraction(components).signs()
        )

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        fraction, by_name = self.fraction(components), runs(arms)

        def aliased(contrast: Contrast, effect: int) -> Contrast:
            return replace(contrast, aliases=tuple(_called(components, each) for each in fraction.aliases(effect)))

        out = [aliased(contrast, 1 << i) for i, contrast in enumerate(mains(components, by_name))]
        two_way = {contrast.component: contrast for contrast in interactions(components, by_name)}
        told = {each for i in range(len(components)) for each in fraction.aliases(1 << i, 2)}
        for a, b in [*self._pairs(components), *aliases.pairs(len(components))]:
            effect = 1 << a | 1 << b
            if effect not in told:
                told |= {effect, *fraction.aliases(effect, 2)}
                out.append(aliased(two_way[_called(components, effect)], effect))
        return (*out, *shapley(components, by_name))

    def mistakes(self, components: Components, hand: Hand) -> Iterator[Problem]:
        for component in components:
            if not component.binary:
                text = f"fractional_factorial takes two levels, got {', '.join(component.levels)}"
                yield Problem(f"components.{component.name}", text)
        unread = list(self._unread(components))
        yield from unread
        if len(components) > len(LETTERS):
            yield Problem("components", f"fractional_factorial takes {len(LETTERS)} components, got {len(components)}")
        elif not unread:
            yield from self._hidden(components)

    def _hidden(self, components: Components) -> Iterator[Problem]:
        wanted = self._pairs(components)
        try:
            found = self.fraction(components)
        except ConfigError as error:
            yield from error.problems
            return
        behind = dict(aliases.hidden(found, wanted))
        for i, pair in enumerate(wanted):
            if pair in behind:
                what = _called(components, behind[pair])
                text = f"{self.wanted[i]} cannot be told from {what} in {1 << found.base} arms"
                yield Problem(f"design.wanted.{i}", f"{text}: take a higher resolution, or `factorial`")

    def _unread(self, components: Components) -> Iterator[Problem]:
        names = [component.name for component in components]
        for i, text in enumerate(self.wanted):
            a, *rest = text.split(" x ")
            if len(rest) != 1 or a == rest[0]:
                yield Problem(f"design.wanted.{i}", f"expected two components, as in `mhad x sfcl`, got {text!r}")
                continue
            for name in (a, rest[0]):
                if name not in names:
                    tail = did_you_mean(name, names)
                    yield Problem(f"design.wanted.{i}", f"there is no component {name!r}{tail}")
            if {a, rest[0]} in [set(each.split(" x ")) for each in self.wanted[:i]]:
                yield Problem(f"design.wanted.{i}", f"{text} stands twice")

    def _pairs(self, components: Components) -> tuple[aliases.Pair, ...]:
        """The wanted interactions, by the places of their components."""
        names = [component.name for component in components]
        places = [sorted(names.index(name) for name in text.split(" x ")) for text in self.wanted]
        return tuple((a, b) for a, b in places)

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        found, count = self.fraction(components), len(components)
        what = f"2^({count}-{count - found.base}) of resolution {ROMAN[found.resolution]}"
        yield f"{what}: {len(arms)} arms of {2**count}"
        yield ", ".join(f"{LETTERS[i]} = {component.name}" for i, component in enumerate(components))
        made = (f"{LETTERS[found.base + j]} = {spelled(each)}" for j, each in enumerate(found.generators))
        yield f"generators: {', '.join(made)}"
        yield f"defining relation: I = {' = '.join(spelled(each) for each in found.relation)}"
        contrasts = [each for each in self.contrasts(components, arms) if each.kind != "shapley"]
        for each in contrasts:
            if each.aliases:
                yield f"{each.component} cannot be told from {', '.join(each.aliases)}"
        if clear := [each.component for each in contrasts if not each.aliases]:
            yield f"clear of all others up to order 3: {', '.join(clear)}"
        yield from shapley_note(self.contrasts(components, arms))


def _called(components: Components, effect: int) -> str:
    return joint(*(component.name for i, component in enumerate(components) if effect >> i & 1))
