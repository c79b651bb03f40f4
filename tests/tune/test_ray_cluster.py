"""Being connected to Ray, with Ray itself replaced: what it is told, and that it is gone afterwards."""

from __future__ import annotations

import logging
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.study import Resources
from dfkd_ray.tune.ray_setup import environment, worker_environment
from dfkd_ray.util.errors import StudyError

SHARE = Resources(cpu=3)


class FakeHead:
    lost: str | None = None

    def __init__(self, address: str, leave: Any) -> None:
        self.address, self.leave = address, leave

    def __enter__(self) -> FakeHead:
        return self

    def __exit__(self, *error: object) -> None:
        pass


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
        __version__="2.60.0",
        is_initialized=lambda: False,
        get_runtime_context=lambda: SimpleNamespace(gcs_address="head:1"),
        init=init,
        shutdown=lambda: calls.append("shutdown"),
        calls=calls,
    )
    monkeypatch.setattr(ray_cluster, "ray", fake)
    monkeypatch.setattr(ray_cluster, "Head", FakeHead)
    monkeypatch.setattr(FakeHead, "lost", None)
    monkeypatch.setattr(ray_cluster.ray_address, "check", lambda *args: bool(calls.append(("check", *args))))
    monkeypatch.setattr(ray_cluster.ray_ports, "open_ports", dict)
    monkeypatch.setattr(ray_cluster, "cores", lambda: 3)
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
        folder = Path(options["_temp_dir"]).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert (options["num_cpus"], options["object_store_memory"]) == (3, module.ray_folder.object_store()[0])
    assert options["address"] == "local", "not whatever RAY_ADDRESS names"
    assert options["include_dashboard"] is False
    assert (options["log_to_driver"], options["logging_level"]) == (False, logging.CRITICAL)
    assert options["runtime_env"] == {"env_vars": dict(worker_environment(SHARE.threads))}
    assert module.ray.calls[1:] == ["shutdown"]


def test_a_named_cluster_is_asked_whether_it_answers_before_ray_tries(module: Any) -> None:
    with module.cluster("host:6379", SHARE, insecure=True):
        first, options = module.ray.calls
    assert first == ("check", "host:6379", True)
    assert options["address"] == "host:6379"
    own = {"include_dashboard", "num_cpus", "object_store_memory", "_temp_dir"}
    assert not own & options.keys(), "it has its own, or none"


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
    assert str(refused.value) == ("the Ray cluster at host:6379 does not let this process in: no token")
    assert module.ray.calls[-1] == "shutdown"


def test_an_error_inside_ends_the_connection_and_is_the_callers(module: Any) -> None:
    with pytest.raises(KeyError), module.cluster(None, SHARE):
        raise KeyError
    assert module.ray.calls[-1] == "shutdown"


def test_a_connection_that_breaks_inside_is_no_matter_of_tokens(module: Any) -> None:
    with pytest.raises(ConnectionError, match=r"^broken$"), module.cluster(None, SHARE):
        raise ConnectionError("broken")


def test_an_old_ray_is_refused_before_it_starts(module: Any) -> None:
    module.ray.__version__ = "2.51.0"
    with pytest.raises(StudyError, match=r"^Ray 2\.51\.0 has no token authentication"), module.cluster(None, SHARE):
        pytest.fail("it is not entered")
    assert module.ray.calls == []


def test_a_ray_that_does_not_start_says_where_its_logs_are(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**options: Any) -> None:
        (Path(options["_temp_dir"]) / "session_latest" / "logs").mkdir(parents=True)
        raise RuntimeError("no raylet\nand much more")

    module.ray.init = fail
    with pytest.raises(StudyError) as refused, module.cluster(None, SHARE):
        pytest.fail("it is not entered")
    found = re.fullmatch(
        r"Ray does not start: no raylet \(its logs: (.*)\); or say --runner serial", str(refused.value)
    )
    assert found
    assert Path(found[1]).is_dir()
    shutil.rmtree(Path(found[1]).parents[2])


def test_little_shared_memory_is_said_once(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.ray_folder, "object_store", lambda: (123, "little memory"))
    with module.cluster(None, SHARE):
        assert module.ray.calls[0]["object_store_memory"] == 123
    assert capsys.readouterr().err == "little memory\n"


PORTS = {"raylet": [3, 4], "this process": [1]}
OPEN = "Ray listens on all interfaces (raylet 3 4, this process 1): it lets in "
CLOSE = " a firewall or --runner serial closes it\n"


@pytest.mark.parametrize(
    ("ports", "mode", "said"),
    [
        ({}, "token", ""),
        (PORTS, "token", f"{OPEN}whoever has its token;{CLOSE}"),
        (PORTS, "disabled", f"{OPEN}everybody, without a token;{CLOSE}"),
        ({}, "disabled", "Ray lets in everybody on this machine, without a token\n"),
    ],
)
def test_who_gets_in_is_said_where_others_do(
    ports: dict[str, list[int]],
    mode: str,
    said: str,
    module: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    monkeypatch.setattr(module.ray_ports, "open_ports", lambda: ports)
    with module.cluster(None, SHARE):
        pass
    assert capsys.readouterr().err == said


def test_room_is_on_the_nodes_that_live(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def node(name: str, alive: bool = True, **has: float) -> dict[str, Any]:
        return {"NodeID": name, "Alive": alive, "Resources": has}

    there = [node("a", CPU=2), node("dead", alive=False), node("g", CPU=8, GPU=3)]
    module.ray.nodes = lambda: there
    assert [(each.id, each.has) for each in module.nodes()] == [("a", {"CPU": 2}), ("g", {"CPU": 8, "GPU": 3})]
    assert (module.room(Resources(), "host:1").count, module.room(Resources(), None, device="cpu").count) == (3, 10)
    assert capsys.readouterr().err.startswith("warning: 3 of 3 GPUs will be idle: a trial takes 1 cpu; ")
    with pytest.raises(StudyError, match=r"and the largest of 2 nodes has 8 cpu, 3 gpu; --wait says how long"):
        module.room(Resources(cpu=9), "host:1", wait=0)
    with pytest.raises(StudyError, match=r"and this machine has 8 cpu, 3 gpu$"):
        module.room(Resources(cpu=9), None, wait=60)
    assert module.room(Resources(cpu=9), "host:1").count == 0, "others may join"
    assert capsys.readouterr().err.endswith("waiting for another node, 1 h 0 min more (--wait)\n")


def test_a_cluster_whose_head_is_dead_is_left_without_waiting_for_it(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unregistered: list[Any] = []
    monkeypatch.setattr(module.atexit, "unregister", unregistered.append)

    def die() -> None:
        monkeypatch.setattr(FakeHead, "lost", "it is dead")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), module.cluster("host:6379", SHARE):
        die()
    assert "shutdown" not in module.ray.calls
    assert unregistered == [module.ray.shutdown]


@pytest.mark.parametrize(("keeps_out", "who"), [(True, "whoever has its token"), (False, "everybody, without a token")])
def test_of_a_cluster_that_was_there_it_is_said_too(
    keeps_out: bool, who: str, module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.ray_address, "check", lambda address, insecure: keeps_out)
    monkeypatch.setattr(module.ray_ports, "open_ports", lambda: PORTS)
    with module.cluster("host:6379", SHARE, insecure=True):
        pass
    assert capsys.readouterr().err == f"{OPEN}{who};{CLOSE}"
