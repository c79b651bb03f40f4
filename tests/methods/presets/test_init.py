"""Presets as a user names them: every method on tasks of every shape."""

from __future__ import annotations

import pytest

from dfkd_ray.methods import config, presets
from dfkd_ray.methods.presets.rules import Seen
from dfkd_ray.util.errors import UnknownName

TASKS = [
    Seen((3, 32, 32), 10),
    Seen((1, 28, 28), 10),
    Seen((3, 224, 224), 200),
    Seen((3, 64, 48), 102),
    Seen((3, 8, 8), 2),
]


@pytest.mark.parametrize("preset", ["gpu-hour", "hour", "laptop"])
@pytest.mark.parametrize("name", config.method_names())
def test_every_method_has_it_on_every_task(name: str, preset: str) -> None:
    own = config.load(name)
    for seen in TASKS:
        made, found = presets.under(own, name, preset, seen), presets.changes(own, name, preset, seen)
        assert made != own
        assert all(change.why.startswith(preset) and len(change.why) > len(preset) + 3 for change in found)
        plan = made.schedule
        assert plan.batch >= min(256, seen.classes)
        assert plan.warmup < plan.epochs
        if (source := getattr(made.source, "doublings", None)) is not None:
            assert all(side % 2**source == 0 for side in seen.image[1:]), "a generator that ends at the image's sides"


def test_paper_is_what_is_published() -> None:
    own = config.load("fast")
    assert presets.changes(own, "fast", "paper", TASKS[0]) == []
    assert presets.under(own, "fast", "paper", TASKS[0]) is own
    assert presets.headline("paper") == "As published: every value of the method's own file."


def test_the_shorter_ones_take_fewer_steps() -> None:
    assert presets.names() == ["paper", "gpu-hour", "hour", "laptop"]
    for name in config.method_names():
        plans = [presets.under(config.load(name), name, each, TASKS[0]).schedule for each in presets.names()[1:]]
        images = [p.batch * (p.source_rounds * p.source_steps + p.student_rounds * p.student_steps) for p in plans]
        assert images == sorted(images, reverse=True), name
        assert images[1] >= 4 * images[2], "an hour is many minutes"


def test_a_mean_over_ten_classes_becomes_one_over_the_tasks() -> None:
    for classes in (10, 100):
        made = presets.under(config.load("zskt"), "zskt", "laptop", Seen((3, 32, 32), classes))
        assert made.student_loss.parts["kd"].weight == 1 / classes


def test_a_method_of_ones_own_has_it_too() -> None:
    """What is known of a method by its name alone is left out; all else follows from its parts."""
    shipped = presets.changes(config.load("dfkd_fgvc"), "dfkd_fgvc", "laptop", TASKS[0])
    own = presets.changes(config.load("dfkd_fgvc"), "mine.yaml", "laptop", TASKS[0])
    assert [c.path for c in shipped if c not in own] == [
        "source_loss.batchnorm.weight",
        "source_loss.adversarial.weight",
        "source.optimizer.lr",
        "student_loss.semantic_contrast.weight",
    ]


def test_an_unknown_one_is_told_with_the_nearest() -> None:
    said = r"^unknown preset 'labtop'; did you mean 'laptop'\? \(known: gpu-hour, hour, laptop, paper\)$"
    with pytest.raises(UnknownName, match=said):
        presets.check("labtop")
