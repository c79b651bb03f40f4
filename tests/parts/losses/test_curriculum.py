from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.curriculum import Curriculum, LiveCurriculum
from dfkd_ray.parts.losses.kd import KD
from dfkd_ray.parts.losses.logit_l1 import LogitL1
from tests.parts.losses.test_kdci import SETTING
from tests.tiny import opened, small, through_a_file, walked

TEACHER = [[2.0, 0.5, -1.0], [0.0, 1.0, 1.5], [-1.0, 3.0, 0.0]]
STUDENT = [[1.0, 0.0, 0.5], [0.2, 2.0, -1.0], [0.0, 0.5, 0.0]]


def live(**fields: Any) -> LiveCurriculum:
    return Curriculum(**fields).open(SETTING)


def seen(see: Any) -> Any:
    t, s = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (TEACHER, STUDENT))
    return see(teacher={"logits": t}, student={"logits": s})


def l1(t: list[float], s: list[float]) -> float:
    return sum(abs(x - y) for x, y in zip(t, s)) / len(t)


def kl(t: list[float], s: list[float]) -> float:
    """At temperature 2, times 4."""
    zt, zs = (sum(math.exp(x / 2) for x in row) for row in (t, s))
    return 4 * sum(math.exp(x / 2) / zt * ((x - y) / 2 - math.log(zt / zs)) for x, y in zip(t, s))


def weight(loss: float, height: float) -> float:
    return (1 + math.exp(-height)) / (1 + math.exp(loss - height))


@pytest.mark.parametrize(("distance", "oracle"), [("l1", l1), ("kl", kl)])
@pytest.mark.parametrize("of", ["batch", "image"])
def test_it_is_the_formula_at_every_step(see: Any, distance: Any, oracle: Any, of: Any) -> None:
    term = live(distance=distance, of=of, threshold=0.5, growth=0.25, temperature=2.0)
    each = [oracle(t, s) for t, s in zip(TEACHER, STUDENT)]
    losses = each if of == "image" else [sum(each) / 3]
    for step in range(4):
        height = 0.5 + 0.25 * step
        weights = [weight(loss, height) for loss in losses]
        value = term(seen(see))
        assert value.item() == pytest.approx(sum(w * x for w, x in zip(weights, losses)) / len(losses))
        assert term.gauges["weight"].item() == pytest.approx(sum(weights) / len(weights))


def test_the_weight_is_a_constant_for_the_gradient(see: Any) -> None:
    term, signals = live(of="image", threshold=0.5), seen(see)
    term(signals).backward()
    other = seen(see)
    per_image = (other.student.logits - other.teacher.logits.detach()).abs().mean(1)
    weights = torch.tensor([weight(loss, 0.5) for loss in per_image.tolist()], dtype=torch.float64)
    (weights * per_image).mean().backward()
    assert torch.allclose(signals.student.logits.grad, other.student.logits.grad)
    assert signals.teacher.logits.grad is None


def test_under_a_high_threshold_it_is_the_plain_term(see: Any) -> None:
    for of in ("batch", "image"):
        signals = seen(see)
        assert live(of=of, threshold=1e6)(signals).item() == pytest.approx(LogitL1()(signals).item())
        soft = live(of=of, distance="kl", threshold=1e6, temperature=3.0)
        assert soft(signals).item() == pytest.approx(KD(3.0)(signals).item())


def test_easy_images_weigh_more_and_hard_ones_more_with_time() -> None:
    term = live(of="image", threshold=1.0, growth=0.1)
    losses = torch.tensor([0.0, 0.5, 1.0, 4.0])
    first = term.weights(losses)
    term.steps = 20
    later = term.weights(losses)
    assert first.tolist() == sorted(first.tolist(), reverse=True)
    assert first[0].item() == pytest.approx(1)
    assert (later[1:] > first[1:]).all()
    huge = term.weights(torch.tensor([1e30]))
    assert huge.item() == 0


def test_it_goes_on_counting_after_a_checkpoint() -> None:
    method = small({"student_loss.kd": {"name": "curriculum", "of": "image", "growth": 0.1}})
    run = opened(method)
    list(walked(run, 1))
    again = opened(method)
    again.load_state_dict(through_a_file(run.state_dict()))
    term: Any = again.student_loss.calls["kd"]
    assert term.steps == method.schedule.rounds * method.schedule.student_steps
    assert "loss/student/kd/weight" in next(walked(again, 1)).losses


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="distance must be one of l1, kl, got 'mse'"):
        Curriculum(distance="mse")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="of must be one of batch, image, got 'pixel'"):
        Curriculum(of="pixel")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threshold must be >= 0, got -1"):
        Curriculum(threshold=-1)
    with pytest.raises(ValueError, match="growth must be >= 0, got nan"):
        Curriculum(growth=float("nan"))
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        Curriculum(temperature=0)
    assert config.load("cudfkd").student_loss.parts["curriculum"].term == Curriculum()
