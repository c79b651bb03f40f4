"""Each rule by itself, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from dfkd_ray.methods import config
from dfkd_ray.methods.presets import rules
from dfkd_ray.methods.presets.rules import Amounts, Seen, doublings, kind_of

KINDS = {
    "noise": ["noise_kd"],
    "pixels": ["adi", "deepinversion"],
    "diffusion": ["diff_dfkd", "dm_kd", "prompt_dfd"],
    "kept": ["cae_dfkd", "fast"],
    "first": ["two_stage"],
    "anew": ["cmi", "csd", "dda", "fsc", "muse", "nayer", "spaceshipnet"],
    "fresh": [
        *("cgdd", "cgdd_caltech101", "cpsc", "cudfkd", "dafl", "dfad", "dfad_segmentation", "dfkd_fgvc"),
        *("dfq", "mad", "pre_dfkd", "ta_dfkd", "zskt"),
    ],
}
SMALL = Seen((3, 32, 32), 10)


def test_every_method_is_of_one_kind() -> None:
    assert {name: kind_of(config.load(name)) for name in config.method_names()} == {
        name: kind for kind, names in KINDS.items() for name in names
    }


def found(rule: rules.Rule, method: str, amounts: Amounts, seen: Seen = SMALL) -> dict[str, object]:
    return {path: value for path, value, _ in rule(config.load(method), amounts, seen) if value is not None}


@pytest.mark.parametrize(
    ("image", "times"),
    [
        ((3, 32, 32), 2),  # from 8
        ((1, 28, 28), 2),  # from 7
        ((3, 224, 224), 5),  # from 7
        ((3, 64, 48), 3),  # from 8 and 6
        ((3, 30, 30), 1),  # 30 is halved once in whole pixels
        ((3, 8, 8), 1),
    ],
)
def test_a_generator_begins_at_about_eight_pixels(image: tuple[int, int, int], times: int) -> None:
    assert doublings(image) == times


def test_a_batch_has_room_for_every_class() -> None:
    for classes, size in ((10, 32), (32, 32), (33, 64), (200, 224), (1000, 256)):
        assert found(rules.batch, "fast", Amounts(1, batch=32), Seen((3, 32, 32), classes)) == {"schedule.batch": size}


def test_a_memory_holds_the_run_or_two_gigabytes() -> None:
    assert found(rules.memory, "fast", Amounts(10, rounds=4, batch=64)) == {"memory.capacity": 2560}
    large = found(rules.memory, "fast", Amounts(200, rounds=50, batch=64), Seen((3, 224, 224), 10))
    assert large == {"memory.capacity": (2 << 30) // (2 * 3 * 224 * 224) // 64 * 64}
    assert found(rules.memory, "dfkd_fgvc", Amounts(10)) == {}
    first = found(rules.memory, "two_stage", Amounts(10, rounds=4, batch=64, warmup=3))
    assert first == {"memory.capacity": 3 * 4 * 64}
    varied = found(rules.memory, "dda", Amounts(10, rounds=4, batch=64, warmup=2))
    assert varied == {"memory.varied.first": 512, "memory.capacity": 2560 + 512}


def test_a_generator_of_smaller_images_begins_as_small_as_others() -> None:
    made = found(rules.generator, "muse", Amounts(1, width=16), Seen((3, 224, 224), 1000))
    assert (made["source.doublings"], made["source.width"]) == (4, 32)
    assert found(rules.generator, "muse", Amounts(1))["source.doublings"] == 1, "from 8 to 16 pixels"


def test_a_generator_that_ends_in_a_tanh_or_a_sigmoid_has_the_datas_range_at_once() -> None:
    for name in ("dfad_segmentation", "cgdd_caltech101", "cmi"):  # normalised, tanh, sigmoid
        assert found(rules.generator, name, Amounts(1, output="batchnorm"))["source.output"] == "batchnorm"
    assert "source.output" not in found(rules.generator, "zskt", Amounts(1, output="batchnorm"))


def test_rates_are_raised_and_never_lowered() -> None:
    assert found(rules.rates, "dfq", Amounts(1, source_lr=0.01, student_lr=0.2)) == {
        "source.optimizer.lr": 0.01,
        "student.optimizer.lr": 0.2,
    }
    assert found(rules.rates, "dafl", Amounts(1, source_lr=0.01)) == {}, "0.02 as published"
    assert found(rules.rates, "zskt", Amounts(1, student_lr=0.1, nesterov=True)) == {}, "its student has Adam"


def test_so_is_the_decay_of_a_students_weights() -> None:
    more = Amounts(1, student_decay=3e-4, nesterov=True)
    momentum = {"student.optimizer.nesterov": True}
    assert found(rules.rates, "fast", more) == {"student.optimizer.weight_decay": 3e-4, **momentum}, "1e-4 as published"
    assert found(rules.rates, "two_stage", more) == momentum, "5e-4 of its own"


def test_a_weight_grows_for_the_same_share_of_the_run() -> None:
    assert found(rules.terms, "cudfkd", Amounts(10)) == {
        "source_loss.adversarial.start": 0,
        "source_loss.adversarial.ramp": 5,
    }
    assert found(rules.terms, "cudfkd", Amounts(1))["source_loss.adversarial.ramp"] == 1


def test_what_begins_after_the_warm_up_still_does() -> None:
    assert found(rules.terms, "fast", Amounts(10, warmup=2)) == {"source_loss.adversarial.start": 2}
    for warmup in (1, 20):
        late = found(rules.terms, "prompt_dfd", Amounts(10, warmup=warmup))
        assert late == {"source_loss.adversarial.start": warmup + 1}, "as published: an epoch after it"
    assert found(rules.length, "fast", Amounts(10, 8, 5, 25, warmup=2)) == {
        "schedule.epochs": 10,
        "schedule.rounds": 8,
        "schedule.source_steps": 5,
        "schedule.student_steps": 25,
        "schedule.warmup": 2,
    }
    assert found(rules.length, "dfkd_fgvc", Amounts(10, warmup=2))["schedule.warmup"] == 0
    for name in ("deepinversion", "two_stage"):
        both = found(rules.length, name, Amounts(10, warmup=4))
        assert both["schedule.source_epochs"] == both["schedule.warmup"] == 4, "two phases"


def test_a_source_that_is_not_guided_still_is_not() -> None:
    assert found(rules.length, "diff_dfkd", Amounts(1, source_steps=2))["schedule.source_steps"] == 2
    for name in ("dm_kd", "prompt_dfd", "noise_kd"):
        assert "schedule.source_steps" not in found(rules.length, name, Amounts(1, source_steps=2))


def test_a_generator_is_wider_for_large_images() -> None:
    small, large = (
        found(rules.generator, "dfkd_fgvc", Amounts(1, width=16), Seen(image, 10))
        for image in ((3, 64, 64), (3, 96, 96))
    )
    assert (small["source.width"], large["source.width"]) == (16, 32)


def test_a_generator_that_begins_again_does_so_four_times() -> None:
    assert found(rules.renewal, "nayer", Amounts(12, rounds=3)) == {"source.lifecycle.every": 9}
    assert found(rules.renewal, "cmi", Amounts(12)) == {}, "it does for each batch"
