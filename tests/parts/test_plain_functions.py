"""A plain function of tensors is a term like any other: it reads what its arguments are called, and nothing else."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.parts.plain_functions import TENSORS
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import TotalLoss, Weighted, terms
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError, TrialFailed
from dfkd_ray.util.registry import forget
from tests.tiny import toy


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    forget(__name__)


def power(teacher_logits: Tensor, student_logits: Tensor, power: float = 1.0, root=False) -> Tensor:  # type: ignore[no-untyped-def]
    """L = mean |t - s|^p.

    power: p
    """
    mean = (teacher_logits - student_logits).abs().pow(power).mean()
    return mean.sqrt() if root else mean


def signals(labels: Tensor | None = None) -> Signals:
    torch.manual_seed(3)
    return Signals(torch.randn(4, 3, 16, 16), labels, toy(1).eval(), toy(2).eval())


def test_it_is_called_with_the_tensors_that_its_arguments_name_and_its_fields() -> None:
    assert terms.register("own_power")(power) is power, "a function of one's own stays one's own to call"
    term = yamls.component(terms, {"name": "own_power", "power": 2.0, "root": True})
    of = signals()
    t, s = of.teacher._net(of.images), of.student._net(of.images)
    assert torch.equal(term(of), (t - s).square().mean().sqrt())
    assert yamls.plain(term) == {"name": "own_power", "power": 2.0, "root": True}
    assert term == type(term)(2.0, True) != type(term)()
    assert type(term).__doc__ == power.__doc__


def test_only_what_is_named_is_computed() -> None:
    terms.register("own_images")(lambda images, student_embedding: images.mean() + student_embedding.mean())
    of = signals()
    terms["own_images"]()(of)
    assert (of.teacher.ran, of.student.ran) == (False, True)


def test_every_tensor_has_a_name() -> None:
    of = signals(torch.arange(4))
    read = {name: get(of) for name, get in TENSORS.items()}
    assert read["images"] is of.images
    assert read["teacher_logits"] is of.teacher.logits
    assert read["student_stages"] is of.student.stages
    assert read["teacher_norms"] is of.teacher.norms
    assert set(read) == {"images", "labels"} | {
        f"{net}_{what}" for net in ("teacher", "student") for what in ("logits", "embedding", "stages", "norms")
    }


def test_it_travels_and_is_copied() -> None:
    terms.register("own_power")(power)
    term = terms["own_power"](power=3.0)
    assert pickle.loads(pickle.dumps(term)) == copy.deepcopy(term) == term
    assert type(pickle.loads(pickle.dumps(term))) is terms["own_power"]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda teacher_logit: 0, "no tensor is called 'teacher_logit'; did you mean 'teacher_logits'?"),
        (lambda images, scale: 0, "no tensor is called 'scale'.*; a number of its own has a default"),
        (lambda *tensors: 0, r"passed by their names, \*tensors cannot be"),
        (lambda images, **more: 0, r"passed by their names, \*\*more cannot be"),
    ],
)
def test_an_argument_that_is_neither_is_refused_when_it_is_registered(function: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^own_wrong: .*{said}"):
        terms.register("own_wrong")(function)
    assert "own_wrong" not in terms


def test_a_field_of_another_type_is_refused_as_of_any_component() -> None:
    terms.register("own_power")(power)
    with pytest.raises(ConfigError, match=r"^power: should be a valid number, got 'two'$"):
        yamls.component(terms, {"name": "own_power", "power": "two"})
    with pytest.raises(ConfigError, match=r"^root: should be a valid boolean, got 1$"):
        yamls.component(terms, {"name": "own_power", "root": 1})


@pytest.mark.parametrize(
    ("value", "said"),
    [(lambda images: images.flatten(1).mean(1), r"a tensor of shape \(4,\)"), (lambda images: 1.0, "float")],
)
def test_what_is_no_number_is_told_by_the_name_of_the_term(value: Any, said: str) -> None:
    terms.register("own_vector")(value)
    live = TotalLoss({"mine": Weighted(1.0, terms["own_vector"]())}).open(None)  # type: ignore[arg-type]
    with pytest.raises(TrialFailed, match=rf"^the loss mine is {said}, and has to be one number, a tensor: its .mean"):
        live(signals())
