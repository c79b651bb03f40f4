"""Ranks, alone and as two processes; that whole methods are the same on two is tested with the loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.sharing import ALONE, Ranks, present, shared, sharing
from dfkd_ray.train.processes import together


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_are_the_mean_and_the_biased_variance(offset: float) -> None:
    x = torch.randn(5, 3, 4, 6, dtype=torch.float64, requires_grad=True) + offset
    mean, var = ALONE.moments(x)
    torch.testing.assert_close(mean, x.mean((0, 2, 3)), rtol=1e-14, atol=1e-14)
    expected = x.transpose(0, 1).flatten(1).var(1, unbiased=False)
    torch.testing.assert_close(var, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (5, 3)])
def test_moments_have_their_gradients_to_the_second_order(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ALONE.moments, (x,))
    assert torch.autograd.gradgradcheck(ALONE.moments, (x,))


def test_moments_in_single_precision_do_not_cancel() -> None:
    """E[x^2] - E[x]^2 loses every digit here: mean 1e3, standard deviation 1e-1."""
    x = (1e3 + 0.1 * torch.randn(8, 1, 16, 16)).float()
    expected = x.double().var(unbiased=False).item()
    assert ALONE.moments(x)[1].item() == pytest.approx(expected, rel=1e-3)


def test_moments_and_their_gradient_in_single_precision_are_those_of_double_precision() -> None:
    x = (1 + 2 * torch.randn(32, 16, 16, 16)).to(memory_format=torch.channels_last).requires_grad_()
    exact = x.detach().double().requires_grad_()
    for own, expected in zip(ALONE.moments(x), (exact.mean((0, 2, 3)), exact.var((0, 2, 3), unbiased=False))):
        torch.testing.assert_close(own.double(), expected, rtol=1e-6, atol=1e-7)
        (slope,) = torch.autograd.grad(own.square().sum(), x, retain_graph=True)
        (expected_slope,) = torch.autograd.grad(expected.square().sum(), exact, retain_graph=True)
        assert slope.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(slope.double(), expected_slope, rtol=1e-5, atol=1e-9)


def test_one_rank_alone_changes_nothing() -> None:
    x = torch.randn(4, 3)
    assert ALONE.part(x) is ALONE.whole(x) is ALONE.mean(x) is x
    ALONE.average([x])
    ALONE.wait()
    assert [ALONE.any(own) for own in (True, False)] == [True, False]
    with ALONE.passing():
        assert present() is ALONE
    assert torch.equal(shared(torch.square, x), x.square())


def test_who_shares_what() -> None:
    ranks = Ranks(3, 1)
    assert sharing(6) is ALONE, "nobody is together"
    steps = iter([0, 1])
    seen: list[tuple[int, Ranks]] = []

    def step() -> Iterator[int]:
        for number in steps:
            seen.append((number, present()))
            yield number

    for _ in ranks.each(step()):
        assert present() is ALONE, "between two steps a rank is on its own"
    assert seen == [(0, ranks), (1, ranks)]
    with ranks.together():
        assert sharing(6) is ranks
        assert sharing(7) is ALONE, "it cannot be shared evenly, so each rank has it whole"
        with ALONE.together():
            assert present() is ALONE
        assert present() is ranks
    with pytest.raises(ValueError, match="stop"), ranks.together():
        raise ValueError("stop")
    assert present() is ALONE


class Net(nn.Module):
    """All that looks at a batch as a whole: BatchNorm over maps and rows, with and without an affine part, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, momentum=None)
        self.rows, self.head = nn.BatchNorm1d(4, affine=False, eps=0.8), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = F.dropout2d(F.softplus(self.norm(self.conv(x))), 0.3, self.training)
        return self.head(F.dropout(self.rows(maps.mean((2, 3))), 0.4, self.training))


def step(ranks: Ranks, training: bool) -> dict[str, Tensor]:
    """One pass, a loss that couples the images of a batch, and all gradients, averaged."""
    torch.manual_seed(0)
    net, start = Net().double().train(training), torch.randn(6, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    images = start.to(memory_format=torch.channels_last) * 2
    with ranks.together():
        out = shared(net, images)
        loss = (out @ out.T).softmax(1).square().mean() + images.square().mean()
        first, second = torch.autograd.grad(loss, start, create_graph=True)[0], dict(net.named_parameters())
        (loss + first.square().sum()).backward()
        ranks.average([p.grad for p in second.values() if p.grad is not None] + [start.grad])  # type: ignore[list-item]
    gradients = {f"gradient of {name}": p.grad for name, p in second.items() if p.grad is not None}
    drawn = torch.rand(3)  # what comes next of torch's own numbers
    state = {"out": out, "loss": loss, "images": start.grad, "first": first, "next": drawn, **gradients}
    return {name: value.detach() for name, value in {**net.state_dict(), **state}.items() if value is not None}


def steps(ranks: Ranks, device: str) -> Iterator[dict[str, Tensor]]:
    for training in (False, True):
        yield step(ranks, training)
    x = torch.arange(4.0).view(4, 1) + 10 * ranks.own
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.int64):
        yield {"whole": ranks.whole(x.to(dtype)), "part": ranks.part(x.to(dtype))}
    maps = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    yield {"lies": torch.tensor(ranks.whole(maps).is_contiguous(memory_format=torch.channels_last))}
    ranks.wait()
    yield {"moments": torch.stack(ranks.moments(x))}
    yield {"any": torch.tensor([ranks.any(ranks.own == 1), ranks.any(False)])}
    yield {"agree": torch.tensor([ranks.agree([torch.ones(3), maps[:0]]), ranks.agree([torch.ones(3), x])])}


@pytest.fixture(scope="module")
def on_two() -> list[dict[str, Tensor]]:
    return list(together(2, steps, "cpu"))


@pytest.mark.parametrize("training", [False, True])
def test_a_shared_pass_is_that_of_one_process_with_its_gradients_to_the_second_order(
    training: bool, on_two: list[dict[str, Tensor]]
) -> None:
    alone, two = step(ALONE, training), on_two[training]
    assert alone.keys() == two.keys()
    for name, value in alone.items():
        torch.testing.assert_close(two[name], value, rtol=1e-9, atol=1e-9, msg=lambda said, at=name: f"{at}: {said}")


def test_rows_of_every_kind_are_joined(on_two: list[dict[str, Tensor]]) -> None:
    for found, dtype in zip(on_two[2:6], (torch.float32, torch.bfloat16, torch.float16, torch.int64)):
        assert found["whole"].dtype == dtype
        assert found["whole"].flatten().tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
        assert found["part"].flatten().tolist() == [0, 1]
    assert bool(on_two[6]["lies"]), "as they lay in memory before"
    mean, variance = on_two[7]["moments"].flatten().tolist()
    assert (mean, variance) == (6.5, 26.25)


def test_what_one_rank_says_all_hear(on_two: list[dict[str, Tensor]]) -> None:
    assert on_two[8]["any"].tolist() == [True, False]


def test_ranks_that_have_come_to_differ_know_it(on_two: list[dict[str, Tensor]]) -> None:
    assert on_two[9]["agree"].tolist() == [True, False]
    assert ALONE.agree([torch.ones(2)])
