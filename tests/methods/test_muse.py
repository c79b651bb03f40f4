"""MUSE, as far as its abstract tells, on NAYER."""

from __future__ import annotations

from typing import Any

from dfkd_ray.methods import config, origins
from dfkd_ray.parts.losses.class_map import ClassMap
from tests.tiny import opened, shrunk, walked

METHOD, RELATIVE = config.load("muse"), config.load("nayer")


def test_what_the_abstract_names_is_there() -> None:
    assert origins.evidence("muse") == "reconstruction"
    assert (METHOD.source.shrink, METHOD.source.scales) == (2, (1, 2))
    assert METHOD.source_loss.parts["class_map"].term == ClassMap()
    others = {name: part for name, part in METHOD.source_loss.parts.items() if name != "class_map"}
    assert {n: (p.weight, p.term) for n, p in others.items()} == {
        n: (p.weight, p.term) for n, p in RELATIVE.source_loss.parts.items()
    }
    assert METHOD.source.doublings == 4, "224 / 2 / 2^4 = 7"


def test_what_is_remembered_of_a_round_is_of_its_full_resolution() -> None:
    run = opened(shrunk("muse", {"schedule.source_steps": 4}))
    prior: Any = run.source_loss.calls["batchnorm"]
    sides: list[int] = []
    remembered: list[int] = []
    run.teacher.register_forward_pre_hook(lambda net, args: sides.append(args[0].shape[-1]))
    settle = prior.settle
    prior.settle = lambda: (remembered.append(sides[-1]), settle())
    list(walked(run))
    assert {*remembered} == {8}, "not 4, of the half"


def test_the_source_sees_small_images_and_the_student_large_ones() -> None:
    run = opened(shrunk("muse"))
    teacher: list[Any] = []
    student: list[Any] = []
    run.teacher.register_forward_pre_hook(lambda net, args: teacher.append(args[0].shape[-1]))
    run.student.register_forward_pre_hook(lambda net, args: student.append((net.training, args[0].shape[-1])))
    list(walked(run))
    assert {8, 4} < set(teacher)
    assert {side for training, side in student if training} == {16}
