"""Who runs: Ray Tune, on this machine or on a cluster.

Tune starts actors and gives them their share of the machine; a trial of Tune's is a pack of ours, of one as a rule. It
decides nothing and records nothing, and tries nothing again: its searcher and its scheduler ask the tuner, and its own
state goes to a folder that is thrown away.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray
from ray import cloudpickle, tune
from ray.air._internal import usage
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from dfkd_ray import __version__
from dfkd_ray.tune import packs, ray_leaving
from dfkd_ray.tune.accidents import Accident, check_seen, reason
from dfkd_ray.tune.interrupts import Interrupted, Interrupts
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_cluster import cluster, room
from dfkd_ray.tune.ray_link import Leave, Link
from dfkd_ray.tune.ray_progress import Hearer, Teller
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Pack, Row, Work
from dfkd_ray.util.progress import displayed, silent


def run(tuner: Tuner, work: Work, options: Options) -> None:
    """Run the study to its end.

    options.address: of a running cluster ("auto", "host:port"), else one is started on this machine for as long as the
    study runs. concurrency: trials at a time at most, else as many as fit. isolate: a new process for each trial (some
    4 s each) instead of warm ones. wait: seconds for a node that fits to join. Raises Interrupted on Ctrl-C or where no
    trial can go on, StudyError.
    """

    def leave() -> str:
        tuner.close()
        return str(Interrupted(tuner.folder))

    joined = cluster(options.address, tuner.resources, options.insecure, leave)
    with joined, tempfile.TemporaryDirectory(prefix="dfkd-ray-") as scratch:
        device = options.runtime(tuner.study.runtime).get("device")
        there = room(tuner.resources, options.address, options.wait, device)
        with Interrupts() as interrupts:
            link = Link(tuner, interrupts, there, options)
            try:
                with Hearer() as shown:
                    _tune(link, work, options, scratch, shown)
            except Leave as leaving:
                raise leaving.error from None
            interrupts.check()
    tuner.check()
    tuner.finish()


@patch.object(usage, "tag_callbacks", lambda callbacks: False)  # to count what no one is told: imports every tracker
def _tune(link: Link, work: Work, options: Options, scratch: str, shown: Hearer) -> None:
    alone = link.tuner.study.one_run  # a bar of many trials would be of nobody knows which
    tune.run(
        tune.with_parameters(
            _Trial, parcel=cloudpickle.dumps(work), version=__version__, told=shown.key if alone else ""
        ),  # into the object store, once
        name="study",
        search_alg=_Asking(link),
        scheduler=_Reporting(link),
        callbacks=[_Watching(link, shown.look if alone else lambda: None)],
        num_samples=-1,
        reuse_actors=not options.isolate,
        max_failures=0,  # an accident is the tuner's to judge
        raise_on_failed_trial=False,
        storage_path=scratch,
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        trial_dirname_creator=lambda trial: trial.trial_id,
        verbose=0,
        _remote=False,
    )


class _Trial(tune.Trainable):  # type: ignore[misc]
    """The actor: it goes through a work's rows, one a step of each member of its pack, and is reused for the next pack
    with nothing left over."""

    _work: Any = None
    _pack: Pack | None = None
    _accident: Exception | None = None

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory(**config["share"])

    def setup(self, config: dict[str, Any], parcel: bytes, version: str, told: str) -> None:
        self._parcel, self._version = parcel, version
        self._display = Teller(told) if told else silent
        ray_leaving.watch()
        self._jobs: Sequence[Job] = config["jobs"]

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.cleanup()
        self._jobs = config["jobs"]
        return True

    def step(self) -> dict[str, Any]:
        told: packs.Told = {}
        if self._accident is None:
            told, self._accident = packs.sorted_out(self._found())
        if self._accident is not None and not told:  # else it comes with the next step, so that nothing told is lost
            raise Accident(reason(self._accident)) from None  # ends this process as well, whatever state it is in
        return {"told": list(told.items())}  # Tune flattens mappings

    def _found(self) -> dict[int, Row | Exception]:
        try:
            if self._version != __version__:
                told = f"{platform.node()} has dfkd-ray {__version__}, the driver {self._version}"
                raise Accident(f"{told}: both have to be the same")
            if self._work is None:  # here and not in `setup`, where an error would count as the death of a worker
                self._work = cloudpickle.loads(self._parcel)
                self._parcel = b""
            if self._pack is None:
                for job in self._jobs:
                    check_seen(job.folder)
                self._pack = packs.opened(self._work, self._jobs)
            with displayed(self._display):
                return self._pack.step()
        except Exception as error:
            return dict.fromkeys([job.trial for job in self._jobs], error)

    def leave(self, trial: int) -> None:
        """A member ends before the next step, and others go on."""
        assert self._pack is not None
        self._pack.leave(trial)

    def cleanup(self) -> None:
        if self._pack is not None:
            self._pack.close()
            self._pack = None


class _Asking(Searcher):  # type: ignore[misc]
    """Asks the tuner for packs of jobs, no more than run at a time: proposals are made when there is room for them."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def suggest(self, trial_id: str) -> Any:
        if self._link.full:
            return None
        jobs = self._link.call(packs.formed, self._link.tuner, self._link.most)
        if not jobs:  # what is running may lead to more: Tune asks again
            return None if self._link.packs else Searcher.FINISHED
        self._link.packs[trial_id] = {job.trial: job for job in jobs}
        return {"jobs": jobs, "share": self._link.share(trial_id)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        members = self._link.packs.pop(trial_id)
        trial = self._link.trials.pop(trial_id, None)
        self._link.waiting.pop(trial_id, None)
        self._link.nodes.pop(trial_id, None)
        if error:
            told = self._link.hung.pop(trial_id, None) or _death(trial)
            for job in members.values():
                self._link.call(self._link.tuner.accident, job, told)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger has it all."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study is resumed from its ledger")


class _Reporting(FIFOScheduler):  # type: ignore[misc]
    """Hands each row to the tuner, and ends a trial when the tuner says so: with the last of a pack the pack."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._link.trials[trial.trial_id] = self._link.waiting[trial.trial_id] = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Whose process may be one that has ended its trial: not Tune's first, see `Link.without_a_process`."""
        return self._link.without_a_process()

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        members = self._link.packs[trial.trial_id]
        for number in self._link.call(packs.hear, self._link.tuner, members, dict(result["told"])) or ():
            trial.temporary_state.ray_actor.leave.remote(number)  # an actor does what it is told in that order
        return str(self.CONTINUE if members else self.STOP)


class _Watching(tune.Callback):  # type: ignore[misc]
    """Tells the tuner when a trial starts (again), and is where errors and Ctrl-C come out."""

    def __init__(self, link: Link, look: Callable[[], None]) -> None:
        self._link, self._look = link, look

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._link.waiting.pop(trial.trial_id)
        for job in self._link.packs[trial.trial_id].values():
            self._link.call(self._link.tuner.started, job)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
        result.pop("told", None)  # else Tune keeps it, pictures and all

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._link.check()
        self._link.call(self._end_what_hangs)
        self._link.call(self._look)

    def _end_what_hangs(self) -> None:
        watchdog = self._link.tuner.watchdog
        if not watchdog.looks():
            return
        for name, members in self._link.packs.items():
            actor = self._link.trials[name].temporary_state.ray_actor if name in self._link.trials else None
            if actor is not None and name not in self._link.hung and any(map(watchdog.overdue, members)):
                self._link.hung[name] = watchdog.said
                ray.kill(actor)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._link.check()


def _death(trial: Any) -> str:
    """Which accident ended a trial: its own words where its process could still say it, else Ray's."""
    try:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except Exception:  # no file, or what cannot be read here
        return "the worker died, and Ray gives no reason"
    if isinstance(cause := getattr(error, "cause", None), Accident):
        return str(cause)
    return f"the worker died (killed, out of memory, or its node is gone)\n{str(error).strip()}"
