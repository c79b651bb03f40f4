from __future__ import annotations

import torch

from dfkd_ray.runs.evaluation.shown import EACH, RIGHT, SALIENCY, WRONG, for_gallery, for_saliency

LABELS = torch.arange(60) % 6
NAMED = torch.where(torch.arange(60) % 4 == 0, (LABELS + 1) % 6, LABELS)
SURE = torch.linspace(0.99, 0.2, 60)


def test_pairs_then_sure_mistakes_then_one_right_of_each_class() -> None:
    pair = {"label": 0, "named": 1, "images": 5}
    rows = for_gallery(LABELS, NAMED, SURE, [pair])
    assert len(set(rows)) == len(rows)
    of_pair = [i for i in range(60) if LABELS[i] == 0 and NAMED[i] == 1]
    beside = next(i for i in range(60) if LABELS[i] == NAMED[i] == 1)
    assert rows[: EACH + 1] == [*of_pair[:EACH], beside], "the confidence falls with the row"
    wrong = [i for i in range(60) if LABELS[i] != NAMED[i]]
    assert set(wrong[:WRONG]) <= set(rows)
    right = {int(LABELS[i]) for i in rows if LABELS[i] == NAMED[i]}
    assert right == set(range(6))
    assert len(rows) <= EACH + 1 + WRONG + RIGHT


def test_the_networks_look_at_mistakes_and_at_what_is_right() -> None:
    rows = for_saliency(LABELS, NAMED, SURE)
    assert len(rows) == len(set(rows)) == SALIENCY
    wrong = [i for i in rows if LABELS[i] != NAMED[i]]
    assert wrong == rows[: len(wrong)]
    assert len(wrong) == len({int(LABELS[i]) for i in wrong}) == 3, "all classes that are confused at all"
    assert for_saliency(LABELS, LABELS, SURE) == list(range(6)), "no mistake: one right image of each class"
    assert len(for_saliency(LABELS, (LABELS + 1) % 6, SURE)) == SALIENCY // 2, "nothing right"
