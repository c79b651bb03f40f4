"""Labels, and what is kept of a round."""

from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.sources.batches import KeptBatch, draw_labels


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_balanced_labels_come_in_turn_from_a_random_one_on() -> None:
    firsts = set()
    for seed in range(20):
        labels = draw_labels("balanced", 5, 12, rng(seed))
        assert labels is not None
        assert labels.dtype == torch.int64
        assert sorted(labels.bincount(minlength=5).tolist()) == [2, 2, 2, 3, 3]
        assert ((labels[1:] - labels[:-1]) % 5 == 1).all()
        firsts.add(int(labels[0]))
    assert firsts == set(range(5))


def test_uniform_labels_are_of_all_classes_and_independent() -> None:
    labels = draw_labels("uniform", 4, 4000, rng(0))
    assert labels is not None
    assert labels.bincount(minlength=4).min() > 900
    assert (labels[1:] == labels[:-1]).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert draw_labels("none", 4, 10, rng(0)) is None


LOSSES = [3.0, 1.0, 2.0, 1.0, 4.0]


@pytest.mark.parametrize(("gives", "step"), [("new", None), ("last", 4), ("best", 1)])
@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_kept_of_a_round(gives: str, step: int | None, labelled: bool) -> None:
    kept = KeptBatch(gives)
    for number, loss in enumerate(LOSSES):
        labels = torch.tensor([number]) if labelled else None
        maps = tuple(torch.full((1, 2), float(number), requires_grad=True) + depth for depth in (0, 1))
        kept.offer(torch.full((1, 1, 2, 2), float(number), requires_grad=True), labels, torch.tensor(loss), maps)
    if step is None:
        assert kept.batch is None
        assert kept.maps == ()
        return
    assert [each.tolist() for each in kept.maps] == [[[step, step]], [[step + 1, step + 1]]]
    assert not any(each.requires_grad for each in kept.maps)
    assert kept.batch is not None
    assert kept.batch.images.unique().tolist() == [step]
    assert not kept.batch.images.requires_grad
    assert (kept.batch.labels is not None) is labelled
    if kept.batch.labels is not None:
        assert kept.batch.labels.tolist() == [step]
