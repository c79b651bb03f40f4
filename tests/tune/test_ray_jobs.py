"""Jobs on a real cluster with a dashboard and a token: sent, followed, interrupted, told apart."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.tune import ray_dashboard
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.util.errors import MissingExtra, StudyError
from tests.tune.dashboards import dashboard

SAVES = """
import signal, sys, time
def save(*told):
    time.sleep(4)  # Ray alone gives it 3
    print("saved", flush=True)
    sys.exit(130)
signal.signal(signal.SIGTERM, save)
print("begun", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def jobs() -> Iterator[Any]:
    with dashboard() as address, environment(address):
        from dfkd_ray.tune.ray_jobs import Jobs

        at, other = ray_dashboard.check(address)
        assert (at, other) == (address, None)
        yield Jobs(at)


@pytest.mark.ray
def test_a_job_runs_and_is_followed_to_its_end(jobs: Any) -> None:
    jobs.submit("echo $GREETING; exit 3", "greets", {"env_vars": {"GREETING": "hello"}}, {"study": "s"})
    shown: list[str] = []
    ended = jobs.follow("greets", shown.append)
    assert "hello" in "".join(shown).splitlines()
    assert "hello" in jobs.logs("greets").splitlines()
    assert (str(ended.status), ended.driver_exit_code, ended.metadata) == ("FAILED", 3, {"study": "s"})
    assert [each.submission_id for each in jobs.all()] == ["greets"]


@pytest.mark.ray
def test_a_job_that_is_stopped_has_time_to_save(jobs: Any) -> None:
    jobs.submit(shlex.join([sys.executable, "-c", SAVES]), "saves", {}, {})
    deadline = time.monotonic() + 120
    while "begun" not in jobs.logs("saves") and time.monotonic() < deadline:
        time.sleep(0.5)
    ended = jobs.stop("saves")
    assert str(ended.status) == "STOPPED"
    assert jobs.logs("saves").splitlines()[-1] == "saved"


@pytest.mark.ray
def test_what_the_cluster_refuses_is_a_line(jobs: Any) -> None:
    jobs.submit("true", "twice", {}, {})
    with pytest.raises(StudyError, match=r"^the Ray cluster at http://\S+ says: ValueError: .*twice already exists"):
        jobs.submit("true", "twice", {}, {})
    with pytest.raises(StudyError) as refused:
        jobs.one("twise")
    assert str(refused.value).startswith(f"there is no job 'twise' at {jobs.address}; did you mean 'twice'? (known: ")


def test_a_cluster_that_has_just_begun_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from dfkd_ray.tune import ray_jobs

    asked: list[str] = []

    def submit_job(**job: Any) -> None:
        asked.append(job["submission_id"])
        if len(asked) < 3:
            raise RuntimeError("Request failed with status code 500: No available agent to submit job, try again.")

    jobs = object.__new__(ray_jobs.Jobs)
    jobs.address, jobs._client = "http://head:8265", SimpleNamespace(submit_job=submit_job)
    monkeypatch.setattr(ray_jobs, "_LOOK", 0.0)
    jobs.submit("true", "early", {}, {})
    assert asked == ["early"] * 3
    monkeypatch.setattr(ray_jobs, "BEGINNING", -1.0)
    asked.clear()
    with pytest.raises(StudyError, match=r"^the Ray cluster at http://head:8265 says: .* No available agent to submit"):
        jobs.submit("true", "early", {}, {})
    assert asked == ["early"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from dfkd_ray.tune import ray_jobs

    monkeypatch.setattr(ray_jobs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as missing:
        ray_jobs.Jobs("http://127.0.0.1:8265")
    assert str(missing.value) == (
        "sending jobs to a Ray cluster needs aiohttp, which is not installed: pip install 'dfkd-ray[cluster]'"
    )
