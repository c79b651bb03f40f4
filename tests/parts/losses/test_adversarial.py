from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.adversarial import Adversarial

# predicted classes: 0 and 0, 2 and 1, 1 and 1
TEACHER = [[2.0, 0.5, -1.0], [0.0, 1.0, 1.5], [-1.0, 3.0, 0.0]]
STUDENT = [[1.0, 0.0, 0.5], [0.2, 2.0, -1.0], [0.0, 0.5, 0.0]]
AGREE = [1, 0, 1]


def kl(a: list[float], b: list[float]) -> float:
    za, zb = (sum(math.exp(value) for value in row) for row in (a, b))
    return sum(math.exp(x) / za * ((x - math.log(za)) - (y - math.log(zb))) for x, y in zip(a, b))


def js(a: list[float], b: list[float]) -> float:
    p, q = ([math.exp(x) / sum(math.exp(value) for value in row) for x in row] for row in (a, b))
    m = [(x + y) / 2 for x, y in zip(p, q)]
    return sum(x * math.log(x / z) + y * math.log(y / z) for x, y, z in zip(p, q, m)) / 2


ORACLES = {
    "js": js,
    "kl": kl,
    "l1": lambda a, b: sum(abs(x - y) for x, y in zip(a, b)) / len(a),
    "mse": lambda a, b: sum((x - y) ** 2 for x, y in zip(a, b)) / len(a),
}


def signals_of(see: Any) -> Any:
    t, s = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (TEACHER, STUDENT))
    return see(teacher={"logits": t}, student={"logits": s})


@pytest.mark.parametrize("divergence", sorted(ORACLES))
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_minus_the_divergence(see: Any, divergence: Any, masked: bool) -> None:
    each = [ORACLES[divergence](t, s) for t, s in zip(TEACHER, STUDENT)]
    expected = -sum(d * (m if masked else 1) for d, m in zip(each, AGREE)) / 3
    value = Adversarial(divergence=divergence, agreeing_only=masked)(signals_of(see))
    assert value.item() == pytest.approx(expected)
    assert expected < 0


def test_its_logarithm_is_of_the_mean(see: Any) -> None:
    each = [ORACLES["l1"](t, s) for t, s in zip(TEACHER, STUDENT)]
    value = Adversarial(divergence="l1", log=True)(signals_of(see))
    assert value.item() == pytest.approx(-math.log(1 + sum(each) / 3))


def test_the_direction_and_the_temperature(see: Any) -> None:
    term = Adversarial(direction="student_teacher", temperature=2.0)
    halves = [([x / 2 for x in s], [x / 2 for x in t]) for t, s in zip(TEACHER, STUDENT)]
    expected = -4 * sum(kl(s, t) for s, t in halves) / 3
    assert term(signals_of(see)).item() == pytest.approx(expected)


def test_js_has_a_temperature_but_not_its_square(see: Any) -> None:
    thirds = [([x / 3 for x in t], [x / 3 for x in s]) for t, s in zip(TEACHER, STUDENT)]
    expected = -sum(js(t, s) for t, s in thirds) / 3
    assert Adversarial(divergence="js", temperature=3.0)(signals_of(see)).item() == pytest.approx(expected)


def test_js_of_opposite_certainties_is_log_2_and_has_a_finite_gradient(see: Any) -> None:
    t, s = (torch.tensor([row], requires_grad=True) for row in ([400.0, 0.0, -400.0], [-400.0, 0.0, 400.0]))
    value = Adversarial(divergence="js")(see(teacher={"logits": t}, student={"logits": s}))
    value.backward()
    assert value.item() == pytest.approx(-math.log(2))
    assert t.grad is not None
    assert s.grad is not None
    assert t.grad.isfinite().all()
    assert s.grad.isfinite().all()


@pytest.mark.parametrize("through", [False, True])
def test_the_gradient_passes_the_teacher_only_if_asked(see: Any, through: bool) -> None:
    signals = signals_of(see)
    Adversarial(through_teacher=through)(signals).backward()
    assert (signals.teacher.logits.grad is not None) is through
    assert signals.student.logits.grad.abs().max() > 0


def test_images_that_disagree_get_no_gradient_under_the_mask(see: Any) -> None:
    signals = signals_of(see)
    Adversarial(agreeing_only=True)(signals).backward()
    moved = signals.student.logits.grad.abs().sum(1) > 0
    assert moved.tolist() == [bool(agree) for agree in AGREE]


def test_the_mean_may_be_one_over_what_is_clean_to_the_teacher(see: Any) -> None:
    """Two images of which it is sure, and two of which it is not."""
    teacher = [[9.0, 0.0, 0.0], [0.1, 0.0, 0.2], [0.0, 8.0, 0.0], [0.3, 0.2, 0.3]]
    t, s = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (teacher, [*STUDENT, [1.0, 0.0, 1.0]]))
    signals = see(teacher={"logits": t}, student={"logits": s})
    value = Adversarial(clean=0.5)(signals)
    expected = -sum(kl(teacher[i], s.tolist()[i]) for i in (0, 2)) / 2
    assert value.item() == pytest.approx(expected)
    value.backward()
    assert s.grad is not None
    assert (s.grad.abs().sum(1) > 0).tolist() == [True, False, True, False]


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="divergence must be one of kl, l1, mse, js, got 'jsd'"):
        Adversarial(divergence="jsd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="temperature must be > 0, got -1"):
        Adversarial(temperature=-1)
    with pytest.raises(ValueError, match=r"clean must be in \[0, 1\), got 1"):
        Adversarial(clean=1)
