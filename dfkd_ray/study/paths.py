"""The greedy ablation path: from all components off to all on, or from the study's method to another one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.study.components import JOIN
from dfkd_ray.study.designs import Arm, Components, Design, Hand, arm, at, designs, steps, taken
from dfkd_ray.study.domains import canonical
from dfkd_ray.util.words import counted


@designs.register("path")
@dataclass(frozen=True)
class Walk(Design):
    """A greedy ablation path (Fawcett and Hoos, 2016), by real runs: from all off to all on, or `to` another method.

    In each round every remaining component is switched on alone on top of those chosen; the one with the best mean is
    chosen. `arms` has the first round, `next_arms` has the others. `contrasts` wants the chosen arms alone, as `along`
    gives them.

    to: a method, by name or file; or {path: value}, changes of the study's own method, or of the one that `method`
        names among them. The components are then what differs, `on` as the target has it (runs/path_to.py), and what
        the study has under `fixed` is the same on the whole way.
    """

    to: str | dict[str, Any] | None = None
    least: ClassVar[int] = 2

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        return next_arms(components, ())

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        return steps(components, arms, walked=self.to is not None)

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        rounds = counted(len(components), "round")
        yield f"{rounds}, at most {most(components)} arms; these are the arms of the first round"
        yield "the trials that pick a step also estimate it, so a chosen step looks larger than it is"

    def way(self, method: str, components: Components) -> Iterator[str]:
        """From where to where, what each step changes, and what its effect means; nothing of a path of components."""
        if self.to is None:
            return
        yield f"from {method} (the arm none) to {target_name(self.to, method)} (the arm full)"
        for each in components:
            yield f"  {each.name}: {', '.join(each.paths)} from {each.off} to {each.on}"
        yield "each effect is what its change does at its place on this way; on another way it may be another"
        yield "in each round the change with the best mean is made: those that cost most come last"


def target_name(to: str | Mapping[str, Any], method: str) -> str:
    """What the target of a path is called: `noise_kd`, or `dfkd_fgvc with views.student []`."""
    if isinstance(to, str):
        return to
    changes = ", ".join(f"{path} {canonical(value)}" for path, value in to.items() if path != "method")
    return f"{to.get('method', method)} with {changes}"


def most(components: Components) -> int:
    """How many arms a path has at most: each round tries every component that remains."""
    rounds = len(components)
    return 1 + rounds * (rounds + 1) // 2


def next_arms(components: Components, chosen: Sequence[str], refused: Collection[str] = ()) -> tuple[Arm, ...]:
    """The candidates of a path's next round; the first round begins with `none`, and after the last there are none.

    refused: arms that are no method. They are left out; where no single component can be switched on, all that remain
    are switched on together.
    """
    before = taken(chosen)
    start = at(components, "off") | {c.name: c.on for c in components if c.name in before}
    remaining = [c for c in components if c.name not in before]
    single = [arm(components, start | {c.name: c.on}) for c in remaining]
    together = [arm(components, at(components, "on"))] if remaining else []
    candidates = [each for each in single if each.name not in refused] or [
        each for each in together if each.name not in refused
    ]
    return tuple(candidates) if chosen else (arm(components, start), *candidates)


def step(components: Components, chosen: Sequence[str], best: Arm) -> str:
    """What an arm of the next round switches on, as `chosen` has it: a component, or several as `a + b`."""
    before = taken(chosen)
    return JOIN.join(c.name for c in components if best.levels[c.name] == c.on and c.name not in before)
