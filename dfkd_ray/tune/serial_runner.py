"""Who runs: one trial, or pack of trials, after the other, in this process. No Ray; the same study, the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from dfkd_ray.tune import packs
from dfkd_ray.tune.accidents import Accident, reason
from dfkd_ray.tune.interrupts import Interrupts
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Pack, Row, Work


def run(tuner: Tuner, work: Work) -> None:
    """Run the study to its end. Raises Interrupted on Ctrl-C or where no trial can go on, GivenUp if all fail."""
    tuner.concurrency = tuner.resources.fuse
    with Interrupts() as interrupts:
        while jobs := packs.formed(tuner, tuner.resources.fuse):
            for job in jobs:
                tuner.started(job)
            _run(tuner, work, jobs, interrupts)
            tuner.check()
            interrupts.check()
        tuner.check()
        tuner.finish()


def _run(tuner: Tuner, work: Work, jobs: Sequence[Job], interrupts: Interrupts) -> None:
    members = {job.trial: job for job in jobs}
    with closing(packs.opened(work, jobs)) as pack:
        while members:
            told, accident = packs.sorted_out(_step(pack, members, tuner, interrupts))
            for trial in packs.hear(tuner, members, told):
                pack.leave(trial)
            if accident is not None:
                for job in members.values():
                    tuner.accident(job, reason(accident))
                return


def _step(pack: Pack, members: packs.Members, tuner: Tuner, interrupts: Interrupts) -> dict[int, Row | Exception]:
    """What the members tell; where one has ended by what a library has made of an interrupt, or of a hang, that."""
    try:
        with interrupts.at_once(tuner.watchdog.limit):
            found = pack.step()
    except Exception as error:
        found = dict.fromkeys(members, error)
    ended = {trial for trial, each in found.items() if isinstance(each, Exception)}
    if ended:
        interrupts.check()
    if ended and interrupts.hung:
        found |= dict.fromkeys(ended, Accident(tuner.watchdog.said))
    return found
