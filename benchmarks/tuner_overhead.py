"""Seconds a trial takes beside its work: ours, bare Ray Tune's and bare actors', in turn on one Ray. See `tuner.py`.

The work reports three rows of 16 metrics and does nothing. Two trials run at a time, in processes that are kept: ours
through tuner, ledger and Tune; Tune's with a class that it reuses, and a random searcher that is nothing but random;
and two actors that are called once a report, from one loop of `ray.wait`. What is told of each is the median over
rounds, from the end of its first trial to the end of its last: seconds of the clock, and of the driver's own time.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from load import reports
from load_data import a_study

from dfkd_ray.tune import launch
from dfkd_ray.tune.launch import StudyFacts
from dfkd_ray.tune.observers.live import Lines
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.tune.work import Job, Row

REPORTS, METRICS, AT_ONCE = 3, 16, 2


class Idle:
    """The work of a trial: none."""

    max_epochs = REPORTS

    def fingerprint(self, changes: Any) -> str:
        return str(changes)

    def epochs(self, job: Job) -> Iterator[Row]:
        return reports(job.trial, REPORTS, METRICS)


class Ends(Lines):
    """Notes when trials end."""

    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__(io.StringIO())
        self.note = note

    def end(self, trial: Any) -> None:
        super().end(trial)
        self.note()


def ours(trials: int, note: Callable[[], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study = a_study(trials, "random")
        options, facts = Options(concurrency=AT_ONCE), StudyFacts({}, {"name": "gliders"}, {})
        launch.start(study, Idle(), Path(folder) / "study", facts, options, Ends(note))


def bare_tune(trials: int, note: Callable[[], None]) -> None:
    from ray import tune

    class Idly(tune.Trainable):  # type: ignore[misc]
        def setup(self, config: dict[str, Any]) -> None:
            self.rows = reports(0, REPORTS, METRICS)

        def reset_config(self, config: dict[str, Any]) -> bool:
            self.setup(config)
            return True

        def step(self) -> dict[str, Any]:
            row = next(self.rows)
            return {**row.metrics, "done": row.last}

    class Noting(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            note()

    with tempfile.TemporaryDirectory() as folder:
        tune.run(
            Idly,
            config={name: tune.uniform(0, 1) for name in "abcdefgh"},
            num_samples=trials,
            reuse_actors=True,
            callbacks=[Noting()],
            storage_path=folder,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
            _remote=False,
        )


def bare_actors(trials: int, note: Callable[[], None]) -> None:
    import ray

    class Actor:
        def begin(self, trial: int) -> None:
            self.rows = reports(trial, REPORTS, METRICS)

        def step(self) -> Row:
            return next(self.rows)

    there = [ray.remote(Actor).options(num_cpus=1).remote() for _ in range(AT_ONCE)]
    asked, done, under_way = 0, 0, {}
    for actor in there:
        actor.begin.remote(asked)
        under_way[actor.step.remote()] = actor
        asked += 1
    while done < trials:
        (ready,), _ = ray.wait(list(under_way))
        actor = under_way.pop(ready)
        if ray.get(ready).last:
            done += 1
            note()
            if asked >= trials:
                continue
            actor.begin.remote(asked)
            asked += 1
        under_way[actor.step.remote()] = actor
    for actor in there:
        ray.kill(actor)


KINDS = {"ours": ours, "bare Tune, reuse": bare_tune, "bare actors": bare_actors}


def measured(run: Callable[[int, Callable[[], None]], None], trials: int) -> tuple[float, float, float]:
    """Seconds to the end of the first trial; then of the clock and of the driver's own for each of the others."""
    marks: list[tuple[float, float]] = []
    count = 0

    def note() -> None:
        nonlocal count
        count += 1
        if count in (1, trials):
            marks.append((time.perf_counter(), time.process_time()))

    began = time.perf_counter()
    run(trials, note)
    (first, spent), (last, in_all) = marks
    return first - began, (last - first) / (trials - 1), (in_all - spent) / (trials - 1)


def overhead(trials: int, rounds: int) -> None:
    with environment(None):
        from dfkd_ray.study import Resources
        from dfkd_ray.tune.ray_cluster import cluster

        with cluster(None, Resources(gpu=0)):
            found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in KINDS}
            for _ in range(rounds):
                for name, run in KINDS.items():
                    found[name].append(measured(run, trials))
    print(f"{trials} trials, {AT_ONCE} at a time, medians of {rounds} rounds")
    print("                    first, s   s a trial   own time, s")
    for name, all_of_it in found.items():
        first, clock, own = (statistics.median(column) for column in zip(*all_of_it))
        print(f"{name:18} {first:9.2f} {clock:11.4f} {own:14.4f}")
