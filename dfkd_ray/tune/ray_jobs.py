"""Jobs on a Ray cluster that is elsewhere: a command that runs there, and goes on when this machine is off."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from dfkd_ray.tune import ray_dashboard
from dfkd_ray.util.errors import MissingExtra, StudyError
from dfkd_ray.util.registry import did_you_mean

STOPPING = 60  # seconds for a study to write its tables after it was told to stop; Ray alone gives it 3
_LOGGERS = (  # each tells all that it does, and minds no parent's level
    *("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"),
    "ray._private.runtime_env.packaging",
)
_LOOK = 1.0  # seconds between two looks at a job
BEGINNING = 30.0  # seconds for a cluster that has just begun to have an agent that starts jobs
_NO_AGENT = "No available agent"
_UNKNOWN = ("status code 404", "does not exist")


class Jobs:
    """Those of the cluster whose dashboard is at `address`; MissingExtra, StudyError, also of each method."""

    def __init__(self, address: str) -> None:
        for package in ("aiohttp", "requests"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtra(package, "cluster", "sending jobs to a Ray cluster")
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.address = address
        before = os.environ.get(ray_dashboard.NAMED)
        os.environ[ray_dashboard.NAMED] = address  # or the client would follow RAY_ADDRESS
        try:
            self._client: Any = self._call(JobSubmissionClient, address)
        finally:
            if before is None:
                del os.environ[ray_dashboard.NAMED]
            else:
                os.environ[ray_dashboard.NAMED] = before

    def submit(self, command: str, job: str, environment: Mapping[str, Any], facts: Mapping[str, str]) -> None:
        """Run a shell command on the cluster, as a job of that name; `environment`: Ray's runtime environment."""
        own = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOPPING)}
        env_vars = {**own, **(environment.get("env_vars") or {})}
        asked: dict[str, Any] = {
            "entrypoint": command,
            "submission_id": job,
            "runtime_env": {**environment, "env_vars": env_vars},
            "metadata": dict(facts),
        }
        deadline = time.monotonic() + BEGINNING
        while True:
            try:
                self._call(self._client.submit_job, **asked)
                return
            except StudyError as error:
                if _NO_AGENT not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK)

    def all(self) -> list[Any]:
        """Those that were submitted, the newest last, each as Ray's JobDetails."""
        found = [each for each in self._call(self._client.list_jobs) if each.submission_id]
        return sorted(found, key=lambda each: each.start_time or 0)

    def one(self, job: str) -> Any:
        """A job by its name."""
        return self._call(self._client.get_job_info, job, job=job)

    def logs(self, job: str) -> str:
        """All that a job has printed."""
        return str(self._call(self._client.get_job_logs, job, job=job))

    def follow(self, job: str, show: Callable[[str], None]) -> Any:
        """Show what a job prints until it ends; the job as it ended."""

        async def shown() -> None:
            async for text in self._client.tail_job_logs(job):
                show(text)

        self.one(job)
        self._call(asyncio.run, shown())
        return self.ended(job)

    def stop(self, job: str) -> Any:
        """Interrupt a job, and wait for its end; the job as it ended."""
        self._call(self._client.stop_job, job, job=job)
        return self.ended(job)

    def ended(self, job: str) -> Any:
        """A job, when it has ended."""
        while not (found := self.one(job)).status.is_terminal():
            time.sleep(_LOOK)
        return found

    def _call(self, act: Callable[..., Any], *args: Any, job: str | None = None, **more: Any) -> Any:
        """act(...); what Ray's client says of a failure in a line."""
        try:
            return act(*args, **more)
        except AuthenticationError as error:
            raise StudyError(f"{self.address}: {_told(error)}") from None
        except (RuntimeError, ConnectionError, ValueError) as error:
            if job is not None and any(word in str(error) for word in _UNKNOWN):
                known = [each.submission_id for each in self.all()]
                raise StudyError(f"there is no job {job!r} at {self.address}{did_you_mean(job, known)}") from None
            raise StudyError(f"the Ray cluster at {self.address} says: {_told(error)}") from None


def _told(error: Exception) -> str:
    """The first line of what is said; of a traceback of the cluster's the last."""
    lines = [line for line in str(error).splitlines() if line.strip(" .")] or [type(error).__name__]
    return lines[-1 if "Traceback" in lines[0] else 0].strip()
