"""Phrases that a diffusion model is told, and a policy that learns which of them to say for a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.parts.losses.checks import positive
from dfkd_ray.parts.optimizers import Adam


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """A phrase of `words` a trajectory, in the place of {name} in the source's prompt, drawn by p_y = softmax(theta_y).

    The counterpart for images of PromptDFD (Ma et al., "Prompting to Distill: Boosting Data-Free Knowledge Distillation
    via Reinforced Prompt", IJCAI 2022, arXiv:2205.07523), of which the abstract alone could be read: for text, with a
    frozen language model and a prompter of topics that is reinforced. All of this is a reconstruction. The reward of a
    trajectory is r = -L - seldom * log f, with L the source loss of its finished images (by `onehot` how sure the
    teacher is of the class, by `adversarial` what the student does not know) and f the phrase's share of the last
    `window` draws. Adam ascends (r - b_y) log p_y(phrase) + entropy * H(p_y), REINFORCE (Williams, Machine Learning 8,
    1992) with b_y the running mean of the class's rewards. No gradient passes the diffusion model for that; with
    schedule.source_steps 0 none does.

    baseline: what a reward counts in b_y, at least: as the student learns the term `adversarial` falls, and what was
        earned long ago is no measure. It begins anew where a term of the source loss begins to count: else all phrases
        that are said then would look good, and those that are said first would stay.
    learn: false is the control, in which all phrases are drawn alike.
    lr: of Adam.
    """

    words: tuple[str, ...]
    learn: bool = True
    lr: float = 0.1
    baseline: float = 0.2
    entropy: float = 0.01
    seldom: float = 0.1
    window: int = 100

    def __post_init__(self) -> None:
        if len({*self.words}) != len(self.words) or len(self.words) < 2:
            raise ValueError(f"words must be at least two different phrases, got {list(self.words)}")
        positive(lr=self.lr, window=self.window)
        if not 0 <= self.baseline <= 1:
            raise ValueError(f"baseline must be in [0, 1], got {self.baseline}")
        for name in ("entropy", "seldom"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")

    def open(self, classes: int, device: torch.device) -> LivePrompts:
        return LivePrompts(self, classes, device)


class LivePrompts:
    """theta (K, P), its optimiser, the mean reward of each class by the terms that count, and the last phrases."""

    def __init__(self, spec: Prompts, classes: int, device: torch.device) -> None:
        self.spec = spec
        self.theta = nn.Parameter(torch.zeros(classes, len(spec.words), device=device))
        self.optimizer = Adam(lr=spec.lr).open([self.theta])
        self.terms: list[str] = []
        self.means, self.counts = [0.0] * classes, [0] * classes
        self.last: list[int] = []

    def draw(self, label: int, rng: torch.Generator) -> int:
        """The number of a phrase for a class."""
        phrase = int(torch.multinomial(self.theta[label].detach().softmax(0), 1, generator=rng))
        self.last = [*self.last, phrase][-self.spec.window :]
        return phrase

    def learn(self, label: int, phrase: int, loss: float, terms: Iterable[str] = ()) -> dict[str, Tensor]:
        """One step for a phrase whose images have this source loss, of these terms; what is logged of it."""
        if self.terms != (terms := sorted(terms)):
            self.terms, self.means, self.counts = terms, [0.0] * len(self.means), [0] * len(self.means)
        reward = -loss - self.spec.seldom * log(self.last.count(phrase) / len(self.last))
        advantage = reward - self.means[label] if self.counts[label] else 0.0
        self.counts[label] += 1
        self.means[label] += (reward - self.means[label]) * max(1 / self.counts[label], self.spec.baseline)
        log_p = self.theta[label].log_softmax(0)
        entropy = -(log_p.exp() * log_p).sum()
        if self.spec.learn:
            self.optimizer.zero_grad()
            (-advantage * log_p[phrase] - self.spec.entropy * entropy).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return {"reward": torch.tensor(reward), "prompt_entropy": entropy.detach()}

    def state_dict(self) -> dict[str, Any]:
        held = {"terms": self.terms, "means": self.means, "counts": self.counts, "last": self.last}
        return {"theta": self.theta.detach().clone(), "optimizer": self.optimizer.state_dict(), **held}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.theta.data.copy_(state["theta"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.terms = [*state.get("terms", self.terms)]
        self.means, self.counts, self.last = [*state["means"]], [*state["counts"]], [*state["last"]]
