"""Being connected to Ray, with Ray itself replaced: what it is told, and that it is gone afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.study import Resources
from dfkd_ray.tune.ray_setup import environment, worker_environment
from dfkd_ray.util.errors import StudyError

SHARE = Resources(cpu=3)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module; `ray.calls` has what Ray was asked for, in order. The level of Ray's logger is left as it was."""
    with environment("elsewhere:1"):  # what Ray reads when it is imported
        ray_cluster = pytest.importorskip("dfkd_ray.tune.ray_cluster")
    calls: list[Any] = []

    def init(**options: Any) -> None:
        calls.append(options)
        logging.getLogger("ray").setLevel(options["logging_level"])  # as Ray does

    fake = SimpleNamespace(
        is_initialized=lambda: False,
        init=init,
        shutdown=lambda: calls.append("shutdown"),
        calls=calls,
    )
    monkeypatch.setattr(ray_cluster, "ray", fake)
    monkeypatch.setattr(ray_cluster, "answering", lambda address: calls.append(f"answering {address}"))
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield ray_cluster
    assert logger.level == logging.WARNING
    logger.setLevel(before)


def test_a_cluster_of_ones_own_is_local_quiet_and_gone_afterwards(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "another:6379")
    with module.cluster(None, SHARE):
        (options,) = module.ray.calls
    assert options["address"] == "local", "not whatever RAY_ADDRESS names"
    assert options["include_dashboard"] is False
    assert (options["log_to_driver"], options["logging_level"]) == (False, logging.CRITICAL)
    assert options["runtime_env"] == {"env_vars": dict(worker_environment(SHARE.threads))}
    assert module.ray.calls[1:] == ["shutdown"]


def test_a_named_cluster_is_asked_whether_it_answers_before_ray_tries(module: Any) -> None:
    with module.cluster("host:6379", SHARE):
        first, options = module.ray.calls
    assert first == "answering host:6379"
    assert options["address"] == "host:6379"
    assert "include_dashboard" not in options, "it has its own, or none"


def test_where_the_caller_is_connected_nothing_is_started_or_ended(module: Any) -> None:
    module.ray.is_initialized = lambda: True
    with module.cluster("host:6379", SHARE):
        pass
    assert module.ray.calls == []


def test_a_cluster_that_lets_nobody_in_is_told_with_the_way_in(module: Any) -> None:
    def refuse(**options: Any) -> None:
        raise ConnectionError("no token\nand a long traceback")

    module.ray.init = refuse
    with pytest.raises(StudyError) as refused, module.cluster("host:6379", SHARE):
        pytest.fail("it is not entered")
    assert str(refused.value) == (
        "the Ray cluster at host:6379 does not let this process in: no token (it needs the cluster's token, in "
        "RAY_AUTH_TOKEN or ~/.ray/auth_token, and the same version of Ray)"
    )
    assert module.ray.calls[-1] == "shutdown"


def test_an_error_inside_ends_the_connection_and_is_the_callers(module: Any) -> None:
    with pytest.raises(KeyError), module.cluster(None, SHARE):
        raise KeyError
    assert module.ray.calls[-1] == "shutdown"


def test_a_connection_that_breaks_inside_is_no_matter_of_tokens(module: Any) -> None:
    with pytest.raises(ConnectionError, match=r"^broken$"), module.cluster(None, SHARE):
        raise ConnectionError("broken")
