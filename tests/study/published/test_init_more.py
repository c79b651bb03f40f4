"""The baselines of CMI's and FastDFKD's tables as the code of each table has them, and not as their own papers do."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.parts.losses.adversarial import Adversarial
from dfkd_ray.parts.losses.kd import KD
from dfkd_ray.parts.losses.onehot import OneHot
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine
from dfkd_ray.parts.sources.lifecycles import Keep
from dfkd_ray.study import published

TABLES = [f"{paper}/{task}" for paper in ("cmi", "fast_datafree") for task in ("cifar10", "cifar100")]
every_table = pytest.mark.parametrize("name", TABLES)


def arm(name: str, row: str) -> Method:
    table = published.load(name)
    return config.change(config.load(str(table.method)), table.arms[row])


def weights(terms: Any) -> dict[str, float]:
    return {name: part.weight for name, part in terms.parts.items()}


@every_table
@pytest.mark.parametrize("row", ["DAFL", "ZSKT", "DFQ"])
def test_the_generative_ones_have_one_program_in_common(name: str, row: str) -> None:
    """It gives all of them one generator, SGD, a cosine over 200 epochs, and KL at temperature 1."""
    method, large = arm(name, row), name.startswith("cmi")
    source, student, plan = method.source, method.student, method.schedule
    assert (source.registered_as, source.width, source.doublings, source.output) == ("upsampling", 64, 2, "sigmoid")
    assert (source.latent, source.start_widths) == (512 if row == "DAFL" else 256, 4 if large else 2)
    assert (source.labels, source.gives, source.lifecycle, source.clip) == ("none", "new", Keep(), None)
    assert source.optimizer == Adam(lr=1e-3, betas=(0.5, 0.999))
    assert source.lr_schedule(0.7) == 1
    assert student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert (student.lr_schedule, student.clip) == (Cosine(final=0 if large else 2e-4 / 0.1), None)
    assert method.memory == Fresh(), "new images in every step"
    assert method.views == config.parse({}).views, "nobody crops or flips what a generator makes"
    assert {name: (part.weight, part.term) for name, part in method.student_loss.parts.items()} == {"kd": (1, KD())}
    steps = 10 if row == "DFQ" else 5
    assert (plan.source_steps, plan.student_steps, plan.rounds * plan.student_steps) == (1, steps, 400)
    assert (plan.epochs, plan.batch, plan.warmup, plan.student_in_synthesis) == (200, 256, 0, "eval")


@every_table
def test_what_their_generators_look_for(name: str) -> None:
    found = {row: arm(name, row).source_loss for row in ("DAFL", "ZSKT", "DFQ")}
    assert weights(found["DAFL"]) == {"onehot": 1, "entropy": 20, "activation": 1e-3}
    assert weights(found["ZSKT"]) == {"adversarial": 1}, "KL alone, in the units of a mean over images"
    assert weights(found["DFQ"]) == {"adversarial": 1, "batchnorm": 1, "onehot": 1, "entropy": 20}
    for row in ("DAFL", "DFQ"):
        assert found[row].parts["onehot"].term == OneHot(target="teacher")
    for row in ("ZSKT", "DFQ"):
        assert found[row].parts["adversarial"].term == Adversarial(), "of all images"


def test_the_later_repository_inverts_without_total_variation() -> None:
    cmi, fast = (arm(f"{paper}/cifar10", "DeepInv") for paper in ("cmi", "fast_datafree"))
    assert cmi == config.load("adi")
    assert set(config.diff(cmi, fast)) == {"source_loss.total_variation", "student.lr_schedule.final"}
