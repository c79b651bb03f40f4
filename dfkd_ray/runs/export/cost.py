"""What a network costs where it is used: parameters, operations, time."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from dfkd_ray.runs.students import Network
from dfkd_ray.train.runtime import Runtime

SECONDS = 1.0  # that a measurement of time takes at least
ONE, MANY = 1, 64  # images of a batch: for the latency, for the throughput


def cost(network: Network, runtime: Runtime, device: torch.device) -> dict[str, Any]:
    """Of a network on `device`: bytes of its file, parameters, FLOPs of one image, and its times.

    flops: of convolutions and matrix products alone, a multiplication and an addition each (torch's counter). latency:
    seconds for one image, the median of repeated runs; throughput: images a second, from the median for 64.
    """
    network.to(device)
    with torch.no_grad(), runtime.autocast(device):
        batches = {n: torch.zeros(n, *network.task.image, device=device) for n in (ONE, MANY)}
        with FlopCounterMode(display=False) as counter:
            network.net(batches[ONE])
        times = {n: _median(network, batch) for n, batch in batches.items()}
    return {
        "arch": network.arch,
        "bytes": network.weights.stat().st_size,
        "parameters": sum(p.numel() for p in network.net.parameters()),
        "flops": counter.get_total_flops(),
        "latency": times[ONE],
        "throughput": MANY / times[MANY],
    }


def _median(network: Network, batch: torch.Tensor) -> float:
    batch = batch.to(memory_format=torch.channels_last)
    timer = Timer("net(batch)", globals={"net": network.net, "batch": batch}, num_threads=torch.get_num_threads())
    return float(timer.blocked_autorange(min_run_time=SECONDS).median)
