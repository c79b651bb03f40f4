"""A network by its weights: the same for the same values, whatever the order, and another for any other."""

from __future__ import annotations

import hashlib

import pytest
import torch

from dfkd_ray.nets.digest import digest

STATE = {"b": torch.tensor([1.5, -2.0]), "a": torch.tensor(3), "c": torch.tensor([True, False])}


def test_it_is_the_sha256_of_names_and_bytes_in_the_order_of_the_names() -> None:
    written = b"a" + (3).to_bytes(8, "little") + b"b" + STATE["b"].numpy().tobytes() + b"c" + b"\x01\x00"
    assert digest(STATE) == hashlib.sha256(written).hexdigest()[:16]
    assert digest(dict(sorted(STATE.items()))) == digest(STATE)


@pytest.mark.parametrize(
    "other",
    [
        {**STATE, "b": torch.tensor([1.5, 2.0])},
        {**STATE, "a": torch.tensor(4)},
        {"b": STATE["b"], "a": STATE["a"]},
        {"b": STATE["b"], "a": STATE["a"], "d": STATE["c"]},
        {},
    ],
)
def test_any_other_value_or_name_is_another_network(other: dict[str, torch.Tensor]) -> None:
    assert digest(other) != digest(STATE)


def test_how_a_tensor_lies_in_memory_does_not_count() -> None:
    images = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert digest({"a": images.to(memory_format=torch.channels_last)}) == digest({"a": images})
    every_other = images[..., ::2]
    assert digest({"a": every_other}) == digest({"a": every_other.clone(memory_format=torch.contiguous_format)})


def test_bfloat16_which_numpy_does_not_know_has_one_too() -> None:
    assert digest({"a": torch.tensor([1.0, 2.0], dtype=torch.bfloat16)}) == digest(
        {"a": torch.tensor([0x3F80, 0x4000], dtype=torch.int16)}
    ), "its bytes"
