"""A pool for the shipped teacher, made of gliders that were drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import gliders
from dfkd_ray.datasets.pools import Pool, PoolRow, TeacherFacts
from dfkd_ray.methods import config
from dfkd_ray.nets.digest import digest
from tests.datasets.pools.made import CARD


def of_gliders(folder: Path, count: int = 24, name: str = "gliders") -> Pool:
    """Trajectories of two gliders each for the shipped teacher, each glider behind noise and then without it."""
    task = datasets.load("gliders")
    made = TeacherFacts(task.teacher.arch, digest(teachers.teacher(task).state_dict()))
    method = config.plain(config.load("noise_kd"))
    card = replace(CARD, task=name, teacher=made, method=method, classes=task.classes, image=task.image)
    card = replace(card, mean=task.mean, std=task.std, pixels=32)
    kinds, rng = len(task.classes), torch.Generator().manual_seed(0)
    drawn = torch.from_numpy(gliders.draw(2 * kinds * (count // kinds + 1), seed=5)[0]).permute(0, 3, 1, 2)

    def noisy(image: Tensor) -> Tensor:
        return (image.float() + 60 * torch.randn(image.shape, generator=rng)).clamp(0, 255).byte()

    def row(number: int, latent: int, final: bool) -> PoolRow:
        image = drawn[(2 * (number // kinds) + latent) * kinds + number % kinds]
        losses = {} if final else {"onehot": 1.5}
        said = (number % kinds, "A realistic photo.", number, losses)
        return PoolRow(latent, 20 if final else 10, final, *said, image if final else noisy(image))

    pool = Pool.create(folder, card)
    for index in range(1, card.shards + 1):
        with pool.shard(index, card.shards) as shard:
            for number in range(index - 1, count, card.shards):
                shard.append(number, [row(number, latent, final) for latent in (0, 1) for final in (False, True)])
    return pool
