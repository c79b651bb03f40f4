"""CuDFKD as its authors' code has it."""

from __future__ import annotations

from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.curriculum import Curriculum
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam
from tests.methods.bodies import agree, built, stated

METHOD = config.load("cudfkd")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.init, source.optimizer) == (512, "dcgan", Adam(lr=1e-3, betas=(0.9, 0.99)))
    parts = METHOD.source_loss.parts
    weights = {name: part.weight for name, part in parts.items()}
    assert weights == {"onehot": 1, "batchnorm": 1, "entropy": 20, "adversarial": 62}
    assert (parts["onehot"].term.target, parts["entropy"].term.temperature) == ("teacher", 20.0)
    term = parts["adversarial"].term
    assert (term.divergence, term.temperature, term.agreeing_only) == ("kl", 3.0, True)
    assert METHOD.memory == Fresh()
    (student,) = METHOD.student_loss.parts.values()
    assert (student.weight, student.term) == (1.0, Curriculum(distance="l1", of="batch", threshold=2.0, growth=1e-4))
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (250, 40, 1, 10, 512)


def test_the_adversarys_weight_is_that_of_the_codes_loop() -> None:
    """`if epoch > int(E * 0.25) and epoch < int(E * 0.75): adv += 0.5`, after each epoch, from 0."""
    part, adv, found = METHOD.source_loss.parts["adversarial"], 0.0, []
    for epoch in range(250):
        found.append(adv)
        if int(250 * 0.25) < epoch < int(250 * 0.75):
            adv += 0.5
    assert [part.at(epoch) for epoch in range(250)] == found


def test_the_generator_is_the_codes() -> None:
    agree(built(METHOD), stated(512, nn.Sigmoid(), first=256), normalised=True)
