"""What launching trials costs beside their work: how many reports a second are taken in, and seconds a trial.

    python -m benchmarks tuner --slots 1000 --trials 10000
    python -m benchmarks tuner --overhead --trials 100 --rounds 3

The first runs a study on a simulated clock: tuner, ledger (with its fsync), runner and Ray Tune's controller are the
real ones, and `--slots` trials report every 30 simulated seconds. Left out are the actors, and with them Ray's messages
and what the controller waits for; rows are made beforehand. Each tenth of the study is a line: reports a second of the
process's own time without the proposals, those as the clock has them, and per report the milliseconds of own time of
the tuner and of Tune with the link, and those that the disk let it wait; and per proposal those of the sampler.

The second is in tuner_overhead.py.
"""

from __future__ import annotations

import argparse
import cProfile
import heapq
import io
import os
import pstats
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from load import reports
from load_data import a_study
from tuner_overhead import overhead

from dfkd_ray.tune import launch
from dfkd_ray.tune.launch import StudyFacts
from dfkd_ray.tune.observers.live import Lines
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.tune.room import Node, Room
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Row

EVERY = 30.0  # simulated seconds between two reports of a trial
ACTOR = SimpleNamespace(get_auto_filled_metrics=SimpleNamespace(remote=lambda **rest: {}))
HEAD = """          reports a second     ms a report, own time and disk     ms a proposal
reports  own time   by clock       tuner   Tune, link       disk"""


class Simulated:
    """Stands for Tune's RayActorManager: what actors answer comes in the order of a clock that is not waited for."""

    slots = 1
    rows: tuple[Row, ...] = ()

    def __init__(self, resource_manager: Any) -> None:
        self._clock, self._events, self._count = 0.0, list[tuple[float, int, Any, Callable[[], Any]]](), 0
        self._random = random.Random(0)
        self._live_actors_to_ray_actors_resources: dict[Any, tuple[Any, None]] = {}
        self._waiting: list[Any] = []
        self._at: dict[Any, tuple[Job, int]] = {}  # actor -> its job, and how many rows it has told
        self._actor_task_events = SimpleNamespace(resolve_future=lambda future: None)

    def add_actor(
        self, cls: Any, resource_request: Any, kwargs: Any, on_start: Any, on_stop: Any, on_error: Any
    ) -> Any:
        from ray.air.execution._internal.tracked_actor import TrackedActor

        self._count += 1
        actor = TrackedActor(self._count, on_start, on_stop, on_error)
        self._at[actor] = (kwargs["config"]["jobs"][0], 0)
        self._waiting.append(actor)
        self._begin()
        return actor

    def _begin(self) -> None:
        while self._waiting and len(self._live_actors_to_ray_actors_resources) < self.slots:
            actor = self._waiting.pop(0)
            self._live_actors_to_ray_actors_resources[actor] = (ACTOR, None)
            self._later(5.0, actor, lambda actor=actor: actor._on_start(actor))

    def _later(self, seconds: float, actor: Any, act: Callable[[], Any]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self._clock + seconds, self._count, actor, act))

    def next(self, timeout: float | None = None) -> bool:
        if not self._events:
            return False
        self._clock, _, _, act = heapq.heappop(self._events)
        act()
        return True

    def schedule_actor_task(
        self, tracked_actor: Any, method_name: str, args: Any = (), kwargs: Any = None, **calls: Any
    ) -> None:
        if method_name == "reset":
            self._at[tracked_actor] = (args[0]["jobs"][0], 0)
            self._later(0.1, tracked_actor, lambda: calls["on_result"](tracked_actor, True))
        elif method_name == "train":
            job, told = self._at[tracked_actor]
            self._at[tracked_actor] = (job, told + 1)
            row = self.rows[told]
            score = row.metrics["val_accuracy"] * (0.5 + job.trial * 0.618034 % 1)
            row = replace(row, metrics={**row.metrics, "val_accuracy": min(1.0, score)})
            result = {"told": [(job.trial, row)], "done": False, "training_iteration": told + 1}
            wait = EVERY * self._random.uniform(0.5, 1.5)
            self._later(wait, tracked_actor, lambda: calls["on_result"](tracked_actor, result))

    def remove_actor(self, tracked_actor: Any, **rest: Any) -> bool:
        lived = self._live_actors_to_ray_actors_resources.pop(tracked_actor, None) is not None
        self._waiting = [actor for actor in self._waiting if actor != tracked_actor]
        self._at.pop(tracked_actor, None)
        self._begin()
        return lived

    def is_actor_started(self, tracked_actor: Any) -> bool:
        return tracked_actor in self._live_actors_to_ray_actors_resources

    def is_actor_failed(self, tracked_actor: Any) -> bool:
        return False

    def clear_actor_task_futures(self, tracked_actor: Any) -> None:
        """An actor has ended its trial by then: none is under way."""

    def cleanup(self) -> None:
        """Nothing is there."""

    @property
    def num_live_actors(self) -> int:
        return len(self._live_actors_to_ray_actors_resources)

    @property
    def num_pending_actors(self) -> int:
        return len(self._waiting)

    num_total_actors = 0
    num_actor_tasks = 0


class Meter:
    """Where the seconds of the process go, some reports at a time."""

    def __init__(self, many: int) -> None:
        self.many, self.reports = many, 0
        self._anew()

    def _anew(self) -> None:
        self.spent, self.calls = Counter[str](), Counter[str]()
        self.own, self.clock = time.process_time(), time.perf_counter()

    def around(self, name: str, act: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            began = clock()
            try:
                return act(*given)
            finally:
                self.spent[name] += clock() - began
                self.calls[name] += 1
                if name == "report":
                    self._reported()

        return timed

    def _reported(self) -> None:
        self.reports += 1
        if self.reports % self.many:
            return
        asked, told, each = self.spent["propose"], self.spent["report"], 1000 / self.many
        own, clock = time.process_time() - self.own - asked, time.perf_counter() - self.clock
        print(
            f"{self.reports:7} {self.many / own:10.0f} {self.many / (clock - self.spent['propose by clock']):10.0f}"
            f" {told * each:11.3f} {(own - told) * each:12.3f} {self.spent['disk'] * each:10.3f}"
            f" {1000 * asked / max(1, self.calls['propose']):12.2f}",
            flush=True,
        )
        self._anew()


class Nothing:
    """The work that no actor does."""

    def __init__(self, epochs: int) -> None:
        self.max_epochs = epochs

    def fingerprint(self, changes: Any) -> str:
        return str(changes)

    def epochs(self, job: Job) -> Iterator[Row]:
        raise NotImplementedError


def metered(meter: Meter) -> None:
    """Put it around what the tuner does."""
    propose = meter.around("propose", Tuner._proposed, time.thread_time)
    Tuner._proposed = meter.around("propose by clock", propose, time.perf_counter)  # type: ignore[method-assign]
    Tuner.report = meter.around("report", Tuner.report, time.thread_time)  # type: ignore[method-assign]
    os.fsync = meter.around("disk", os.fsync, time.perf_counter)


def simulated(args: argparse.Namespace, folder: Path) -> None:
    meter = Meter(max(1, args.trials * args.epochs // 10))
    study = a_study(args.trials, args.sampler, args.stopper)
    with environment(None):
        from ray.tune.execution import tune_controller

        from dfkd_ray.tune import ray_runner

        Simulated.slots, Simulated.rows = args.slots, tuple(reports(0, args.epochs, 16))
        tune_controller.RayActorManager = Simulated
        nodes = [Node(f"n{number}", {"CPU": 8.0}) for number in range(args.slots // 8)]
        nodes.append(Node("rest", {"CPU": float(args.slots % 8)}))
        ray_runner.room = lambda share, *rest: Room(share.settled(False), lambda: nodes, None, print)
        metered(meter)
        print(f"{args.slots} slots, {args.epochs} reports a trial, {args.sampler}, stopper {args.stopper}\n{HEAD}")
        options, facts = Options(watchdog=0.0), StudyFacts({}, {"name": "gliders"}, {})
        with cProfile.Profile() if args.profile else tempfile.TemporaryFile() as profile:
            launch.start(study, Nothing(args.epochs), folder, facts, options, Lines(io.StringIO()))
        if args.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--sampler", choices=["tpe", "random", "qmc"], default="random")
    parser.add_argument("--stopper", choices=["none", "median", "asha"], default="none")
    parser.add_argument("--profile", action="store_true", help="where the seconds go, by function")
    parser.add_argument("--out", type=Path, help="on whose disk the ledger lies; else the system's temporary folder")
    parser.add_argument("--overhead", action="store_true", help="seconds a trial, beside bare Tune and bare actors")
    parser.add_argument("--rounds", type=int, default=3, help="of the overhead: how often each is measured, in turn")
    args = parser.parse_args()
    if args.overhead:
        return overhead(args.trials, args.rounds)
    with tempfile.TemporaryDirectory(dir=args.out) as folder:
        simulated(args, Path(folder) / "study")


if __name__ == "__main__":
    main()
