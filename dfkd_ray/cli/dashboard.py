"""The cluster that jobs are sent to: how it is named, and being connected to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dfkd_ray.util import limits

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
