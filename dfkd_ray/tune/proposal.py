"""What to run next, as whoever decides says it: a sampler, a design, or nobody, where there is one run alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dfkd_ray.tune.history import History

MODEL, DRAWN, START, PRIOR = "model", "start-up", "start", "prior"


@dataclass(frozen=True)
class Proposal:
    """What to try next, and what the sampler has to remember of it: all of it goes into the ledger.

    seed: None means the study's. arm, draw and tuning: which trial of an ablation it is, see tune/designed.py.
    phase, setting: see Trial; with a phase `arm` is what it confirms.
    proposed_by: MODEL, or DRAWN at random where a model has nothing to go by yet, None where there is no model; START,
    one of the settings that the study starts with; PRIOR, drawn from what is believed of the domains.
    repeats: how many settings that were run already the sampler proposed before.
    """

    number: int
    changes: Mapping[str, Any]
    attrs: Mapping[str, Any]
    study_attrs: Mapping[str, Any]
    seed: int | None = None
    arm: str | None = None
    draw: int = 0
    tuning: int | None = None
    proposed_by: str | None = None
    repeats: int = 0
    phase: str | None = None
    setting: int | None = None


class Proposer(Protocol):
    """Who decides what is run; told what became of it."""

    @property
    def total(self) -> int | None:
        """How many trials there will be at most, where that is known."""
        ...

    def propose(self) -> Proposal | None:
        """The next trial; None where there is none, or none until a running one has ended."""
        ...

    def tell(
        self,
        number: int,
        state: Any,
        values: Sequence[float] | None,
        intermediate: Mapping[int, float],
        rung: int | None,
        excesses: Mapping[str, float] = ...,
    ) -> None:
        """How a trial ended: its values if complete; its learning curve and rung if it was stopped; by how much it is
        outside of each constraint, see tune/trials.py."""
        ...

    def rebuild(self, history: History) -> None:
        """Take over what the ledger knows; running trials stay running, to be told later."""
        ...


class OneRun:
    """Nothing is searched: the method as it is, once."""

    total = 1

    def __init__(self) -> None:
        self.proposed = False

    def propose(self) -> Proposal | None:
        if self.proposed:
            return None
        self.proposed = True
        return Proposal(0, {}, {}, {})

    def tell(self, *told: Any) -> None:
        """Nothing: nobody learns of it."""

    def rebuild(self, history: History) -> None:
        self.proposed = bool(history.trials)
