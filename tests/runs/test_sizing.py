"""Where trials are measured, and how many suit one GPU, by arithmetic done by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.runs import probe, sizing
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.runs.sizing import Place, here, measure, packing
from dfkd_ray.study import Resources
from dfkd_ray.tune.options import NOTHING_SAID
from dfkd_ray.tune.room import Node
from tests.tune.holder import ROOT, Holder

GPUS = Place([Node("g", {"CPU": 64, "GPU": 8}), Node("a", {"CPU": 4})], cluster=True)  # 8 CPUs a GPU
GB = 10**9


def told(held: float, busy: float | None, share: Resources, place: Place = GPUS) -> list[str]:
    return list(packing(StepSeconds(1, 1, 1, int(held * GB), 80 * GB, busy), share, place))


@pytest.mark.parametrize(
    ("held", "busy", "cpu", "said"),
    [
        (10, 0.3, 1, "10.0 of 80 GB of a GPU, which computes 30% of the time: --gpu 0.3333 puts 3 on each"),  # 1 / 0.3
        (30, 0.3, 1, "30.0 of 80 GB of a GPU, which computes 30% of the time: --gpu 0.5 puts 2 on each"),  # 72 / 30
        (10, 0.1, 4, "10.0 of 80 GB of a GPU, which computes 10% of the time: --gpu 0.5 puts 2 on each"),  # 8 / 4
        (10, None, 1, "10.0 of 80 GB of a GPU: --gpu 0.1428 puts 7 on each"),  # 72 / 10
        (40, 0.2, 1, "40.0 of 80 GB of a GPU, which computes 20% of the time: one trial on each (memory)"),
        (10, 0.95, 1, "10.0 of 80 GB of a GPU, which computes 95% of the time: one trial on each (time)"),
        (10, 0.2, 8, "10.0 of 80 GB of a GPU, which computes 20% of the time: one trial on each (8 cpu a trial)"),
    ],
)
def test_how_many_suit_a_gpu(held: float, busy: float | None, cpu: float, said: str) -> None:
    assert told(held, busy, Resources(cpu=cpu, gpu=1)) == [f"a trial holds {said}"]


def test_fused_trials_share_a_gpu_as_one_process() -> None:
    (said,) = told(30, 0.3, Resources(cpu=1, gpu=1, fuse=8))
    assert said.startswith(
        "a process with 8 trials holds 30.0 of 80 GB of a GPU, which computes 30% of the time: --gpu"
    )
    (said,) = told(40, 0.2, Resources(cpu=1, gpu=1, fuse=8))
    assert said.endswith(": one process on each (memory)")
    (said,) = told(10, 0.2, Resources(cpu=8, gpu=1, fuse=8))
    assert said.endswith(": one process on each (8 cpu a process)")


def test_a_share_that_is_advised_is_one_that_ray_grants() -> None:
    for held in range(1, 36):
        (line,) = told(held, None, Resources(cpu=0.01, gpu=1))
        words = line.split()
        share, many = float(words[words.index("--gpu") + 1]), int(words[words.index("puts") + 1])
        assert sizing.fitting([Node("g", {"CPU": 64, "GPU": 1})], Resources(cpu=0.01, gpu=share)) == many


def test_nothing_is_advised_where_nothing_was_measured_or_a_trial_takes_several() -> None:
    assert told(10, 0.1, Resources(gpu=4)) == []
    assert told(10, 0.1, Resources(gpu=1), Place([Node("a", {"CPU": 4})])) == []
    assert list(packing(StepSeconds(1, 1, 1), Resources(gpu=1), GPUS)) == []


def works(*names: str) -> Any:
    return [SimpleNamespace(name=name, runtime=SimpleNamespace(device="auto")) for name in names]


def test_without_an_address_it_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "probe", lambda work, threads, seed, fuse: (work.name, threads, seed, fuse))
    monkeypatch.setattr(sizing.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(sizing, "cores", lambda: 3)
    place, share, costs = measure(works("a", "b"), Resources(cpu=2, fuse=4), 7, 5, NOTHING_SAID)
    assert (place, place.at) == (Place([Node("here", {"CPU": 3, "GPU": 2})]), "here")
    assert share == Resources(cpu=2, gpu=1, fuse=4)
    assert costs == [("a", 7, 5, 4), ("b", 7, 5, 4)]
    assert here() == Place([Node("here", {"CPU": 3, "GPU": 0})])


SCRIPT = """
import json, os, sys
from types import SimpleNamespace
from dfkd_ray.runs import probe, sizing
from dfkd_ray.study import Resources
from dfkd_ray.tune.options import Options

class Work:
    runtime = SimpleNamespace(device="auto")
    def __init__(self, name): self.name = name

def measured(work, threads, seed, fuse):
    return [work.name, threads, seed, os.environ["CUDA_VISIBLE_DEVICES"], os.getpid()]

class Probe:
    probe = staticmethod(measured)

sizing.probe = Probe
out = []
for share in (Resources(gpu=0.5), Resources(), Resources(cpu=9)):
    place, share, costs = sizing.measure([Work("a"), Work("b")], share, 3, 4, Options(address=sys.argv[1]))
    out.append([len(place.nodes), place.at, share.gpu, costs])
print(json.dumps([os.getpid(), out]))
"""


@pytest.mark.ray
def test_of_a_cluster_its_nodes_are_counted_and_the_probe_runs_there() -> None:
    """Three times in one process, as `reproduce` connects again after its plan."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    environment["PYTHONPATH"] = str(ROOT)
    with Holder() as holder:
        holder.add("g", num_cpus=1, num_gpus=2)
        command = [sys.executable, "-c", SCRIPT, holder.address]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    own, (shared, auto, misfit) = json.loads(done.stdout)
    for found, gpu in ((shared, 0.5), (auto, 1)):
        assert found[:3] == [2, "on the cluster", gpu]
        assert [each[:3] for each in found[3]] == [["a", 3, 4], ["b", 3, 4]]
        assert all(each[3] in ("0", "1") and each[4] != own for each in found[3])
    assert misfit == [2, "on the cluster", 1, None], "nobody waits"
