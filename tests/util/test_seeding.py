from __future__ import annotations

import pytest
import torch

from dfkd_ray.util.seeding import stream, stream_seed


def test_the_seeds_are_fixed_for_ever() -> None:
    """A published fingerprint and seed must name the same run in the next release."""
    assert stream_seed(0, "source") == GOLDEN["source"]
    assert stream_seed(7, "epoch", 3) == GOLDEN["epoch"]


GOLDEN = {"source": 3442227558543566741, "epoch": 1951696543287698749}


def test_streams_differ_in_the_bits_that_torch_reads() -> None:
    """torch's generator on the CPU reads the lowest 32 bits of a seed and no more."""
    names = [("source",), ("student",), ("term", "kd"), ("term", "high_order")]
    names += [(kind, epoch) for kind in ("epoch", "torch") for epoch in range(300)]
    seeds = [stream_seed(seed, *name) for seed in range(10) for name in names]
    assert len({seed & 0xFFFFFFFF for seed in seeds}) == len(seeds)


@pytest.mark.parametrize("seed", [0, 1, -1, 2**31, 2**40, 2**63 - 1])
def test_any_integer_seeds_torch(seed: int) -> None:
    assert 0 <= stream_seed(seed, "epoch", 1) < 1 << 63
    torch.Generator().manual_seed(stream_seed(seed, "epoch", 1))


def test_a_block_has_its_own_numbers_and_leaves_the_others_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with stream(0, "a"):
        first = torch.rand(4)
    assert torch.equal(torch.rand(4), expected)
    with stream(0, "a"):
        assert torch.equal(torch.rand(4), first)
    with stream(0, "b"):
        assert not torch.equal(torch.rand(4), first)
    with stream(1, "a"):
        assert not torch.equal(torch.rand(4), first)


def test_a_block_that_fails_restores_the_numbers_too() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), stream(0, "a"):
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)
