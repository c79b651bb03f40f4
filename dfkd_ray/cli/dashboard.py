"""The cluster that jobs are sent to: how it is named, being connected to it, and what is said of a job."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.util import limits
from dfkd_ray.util.words import roughly

if TYPE_CHECKING:
    from dfkd_ray.tune.ray_jobs import Jobs

Address = Annotated[
    str | None,
    typer.Option(
        help="Of the cluster's dashboard: http://HOST:8265.",
        show_default="RAY_API_SERVER_ADDRESS, or this machine's",
    ),
]


@contextmanager
def connected(address: str | None, insecure: bool) -> Iterator[Jobs]:
    """The jobs of a cluster; StudyError where it may not be used, MissingExtra."""
    from dfkd_ray.tune import ray_dashboard
    from dfkd_ray.tune.ray_setup import environment

    at, other = ray_dashboard.check(address, insecure)
    if other:
        typer.echo(f"{other}: its own runs the job", err=True)
    with environment(at):
        from dfkd_ray.tune.ray_jobs import Jobs

        yield Jobs(at)


def plain_name(study: str) -> str:
    """A study's name as it may stand in a URL and be a folder, whoever has written it."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", study)[: limits.NAME].strip("-") or "study"


def line(job: Any) -> str:
    """`mhad-1f2e3d RUNNING, 5 min, /shared/mhad: message`."""
    facts = job.metadata or {}
    end = (job.end_time or time.time() * 1000) / 1000
    took = f", {roughly(end - job.start_time / 1000)}" if job.start_time else ""
    folder = f", {facts['folder']}" if "folder" in facts else ""
    message = f": {_last_words(str(job.message))}" if job.message and job.status.is_terminal() else ""
    return f"{job.submission_id} {job.status}{took}{folder}{message}"


def plain(job: Any) -> dict[str, Any]:
    """The same as plain data."""
    facts = job.metadata or {}
    times = {name: None if not at else at / 1000 for name, at in (("began", job.start_time), ("ended", job.end_time))}
    told = {"job": job.submission_id, "state": str(job.status), "folder": facts.get("folder"), **times}
    return {**told, "message": _last_words(str(job.message)) if job.message else None}


def _last_words(message: str) -> str:
    """Of what Ray says of a job that has ended: its first line, or where it quotes the job's log the last of that."""
    first, *log = [line for line in message.splitlines() if line.strip()] or [""]
    return log[-1] if log else first
