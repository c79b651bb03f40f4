"""What trials will take, measured where they will run: on this machine, or on a cluster; and how many suit one GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from dfkd_ray.runs import probe
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.study import Resources
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.tune.room import Node, fitting, misfit, settled, taker
from dfkd_ray.util.host import cores

SPARE = 0.1  # share of a GPU's memory that is left free: what fits in a probe may grow
BUSY = 0.9  # of the time: a GPU that computes more is not shared


@dataclass(frozen=True)
class Place:
    """Where trials will run: its nodes, and whether they are a cluster's."""

    nodes: Sequence[Node]
    cluster: bool = False

    @property
    def at(self) -> str:
        return "on the cluster" if self.cluster else "here"

    def misfit(self, share: Resources) -> str | None:
        """That no trial fits, where none does."""
        if fitting(self.nodes, share):
            return None
        return f"no trial fits {self.at}: {misfit(self.nodes, share, '' if self.cluster else 'this machine')}"


def here(gpus: int = 0) -> Place:
    """This machine, with so many GPUs."""
    return Place([Node("here", {"CPU": float(cores()), "GPU": float(gpus)})])


def measure(
    works: Sequence[Distillation], share: Resources, threads: int, seed: int, options: Options
) -> tuple[Place, Resources, list[StepSeconds] | None]:
    """The place, the share of a trial with a number of GPUs, and what a trial of each work takes there, among others
    where they are fused.

    Of a cluster where no trial fits now nothing is measured, and nobody waits for a node.
    """
    if options.address is None:
        place = here(torch.cuda.device_count())
        share = settled(share, place.nodes, works[0].runtime.device)
        return place, share, [probe.probe(work, threads, seed, share.fuse) for work in works]
    with environment(options.address):
        from dfkd_ray.tune import ray_cluster, ray_shards

        def measured(number: int) -> StepSeconds:
            return probe.probe(works[number], threads, seed, share.fuse)

        with ray_cluster.cluster(options.address, share, options.insecure):
            place = Place(ray_cluster.nodes(), True)
            share = settled(share, place.nodes, works[0].runtime.device)
            alone = replace(share, gpu=1) if 0 < float(share.gpu) < 1 else share  # a GPU that nobody shares
            if not fitting(place.nodes, alone):
                return place, share, None
            found = dict(ray_shards.each(measured, range(len(works)), alone, options.address, options.insecure))
            return place, share, [found[number] for number in sorted(found)]


def packing(cost: StepSeconds, share: Resources, place: Place) -> Iterator[str]:
    """How many trials, or packs, suit one GPU, by memory, by the time that it computes, and by the CPUs beside it."""
    gpus = [node for node in place.nodes if node.gpus]
    if not (cost.memory and cost.gpu_memory and gpus) or float(share.gpu) > 1:
        return
    by_memory = int((1 - SPARE) * cost.gpu_memory / cost.memory)
    by_time = (
        by_memory if cost.busy is None else 1 if cost.busy > BUSY else int(1 / cost.busy) if cost.busy else by_memory
    )
    by_cpus = max(int(node.has.get("CPU", 0) / share.cpu / node.gpus) for node in gpus)
    held = f"{taker(share)} holds {cost.memory / 1e9:.1f} of {cost.gpu_memory / 1e9:.0f} GB of a GPU"
    busy = "" if cost.busy is None else f", which computes {cost.busy:.0%} of the time"
    many = min(by_memory, by_time, by_cpus)
    if many < 2:
        what = "trial" if share.fuse == 1 else "process"
        why = "memory" if by_memory < 2 else "time" if by_time < 2 else f"{share.cpu:g} cpu a {what}"
        yield f"{held}{busy}: one {what} on each ({why})"
    else:
        yield f"{held}{busy}: --gpu {int(10_000 / many) / 10_000:g} puts {many} on each"
