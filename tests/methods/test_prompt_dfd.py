"""The counterpart of PromptDFD for images: ours, but for the idea."""

from __future__ import annotations

from typing import Any

from dfkd_ray.methods import config, origins
from tests.tiny import opened, shrunk, walked

METHOD, RELATIVE = config.load("prompt_dfd"), config.load("diff_dfkd")


def test_it_is_a_policy_on_its_relatives_model() -> None:
    assert origins.evidence("prompt_dfd") == "reconstruction"
    assert METHOD.source.prompts.learn
    assert "{name}" in METHOD.source.prompt
    same = ("model", "timesteps", "guidance_scale", "lr")
    assert all(getattr(METHOD.source, name) == getattr(RELATIVE.source, name) for name in same)
    assert METHOD.schedule.source_steps == 0
    adversary = METHOD.source_loss.parts["adversarial"]
    assert adversary.start == METHOD.schedule.warmup + 1, "the student has learned for an epoch"
    control = config.change(METHOD, {"source.prompts.learn": False})
    assert list(config.diff(METHOD, control)) == ["source.prompts.learn"]


def test_the_policy_moves_and_is_logged() -> None:
    run = opened(shrunk("prompt_dfd"))
    source: Any = run.source
    losses = [epoch.losses for epoch in walked(run)]
    assert source.policy.theta.abs().max() > 0
    assert {"loss/source/reward", "loss/source/prompt_entropy"} <= set(losses[-1])
