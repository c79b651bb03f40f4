"""A cluster that is there already: who is refused, who is asked in what order, and each message."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import metadata
from typing import Any

import pytest

from dfkd_ray.tune import ray_address, ray_ports
from dfkd_ray.tune.ray_address import check
from dfkd_ray.util.errors import StudyError

HERE = {"ray": metadata.version("ray"), "python": platform.python_version()}
LETS_IN, REFUSES = {"address": "10.0.0.1:6379", **HERE}, {"address": "10.0.0.1:6379", "refused": True}
OPEN = (
    "the Ray cluster at 10.0.0.1:6379 asks for no token: whoever reaches it can run code on it, and as you. Start it "
    "with RAY_AUTH_MODE=token in the environment of each `ray start`, or say --insecure"
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The probe answers what a test puts into `answers`, first without and then with credentials."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)
    asked: list[Any] = []
    monkeypatch.setattr(ray_address, "_answering", lambda address: None)
    monkeypatch.setattr(ray_address, "has_token", lambda: True)
    return asked


def answering(monkeypatch: pytest.MonkeyPatch, asked: list[Any], *answers: Any) -> None:
    left = list(answers)

    class Probe(nullcontext[None]):
        def __init__(self, more: Mapping[str, str]) -> None:
            self.mode = more.get("RAY_AUTH_MODE")

        def __enter__(self) -> Any:
            return self

        def ask(self, address: str) -> Any:
            asked.append((address, self.mode))
            return left.pop(0)

    monkeypatch.setattr(ray_address, "_Probe", Probe)


def refusal(address: str, insecure: bool = False) -> str:
    with pytest.raises(StudyError) as refused:
        check(address, insecure)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_cluster_that_takes_our_token_and_no_other(monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    answering(monkeypatch, asked, REFUSES, LETS_IN)
    assert check("head:6379")
    assert asked == [("head:6379", "disabled"), ("10.0.0.1:6379", None)], "nobody gets a token who does not ask for one"


def test_one_that_lets_everybody_in_is_refused_unless_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    answering(monkeypatch, asked, LETS_IN, LETS_IN)
    assert refusal("head:6379") == OPEN
    assert not check("head:6379", insecure=True)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("setting", "token", "message"),
    [
        (None, True, "does not take this process's token: it takes its own, in RAY_AUTH_TOKEN or ~/.ray/auth_token"),
        (
            None,
            False,
            "asks for a token, and there is none here: it takes its own, in RAY_AUTH_TOKEN or ~/.ray/auth_token",
        ),
        ("disabled", True, "asks for a token, and RAY_AUTH_MODE=disabled sends none: unset it"),
    ],
)
def test_one_that_refuses_us(
    setting: str | None, token: bool, message: str, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    if setting:
        monkeypatch.setenv("RAY_AUTH_MODE", setting)
    monkeypatch.setattr(ray_address, "has_token", lambda: token)
    answering(monkeypatch, asked, REFUSES, REFUSES)
    assert refusal("head:6379") == f"the Ray cluster at 10.0.0.1:6379 {message}"


def test_what_is_no_cluster(monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    answering(monkeypatch, asked, None)
    assert (
        refusal("head:22")
        == "what answers at head:22 is no Ray cluster, or one of another kind: it says nothing to Ray"
    )


def test_certificates_keep_others_out_as_well_as_a_token(monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")
    answering(monkeypatch, asked, None, LETS_IN)
    check("head:6379")
    answering(monkeypatch, asked, LETS_IN)
    assert refusal("head:6379") == OPEN, "one that speaks without certificates too"


@pytest.mark.parametrize(("ray", "python"), [("2.59.0", HERE["python"]), (HERE["ray"], "3.10.1")])
def test_another_version(ray: str, python: str, monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    answering(monkeypatch, asked, REFUSES, {"address": "10.0.0.1:6379", "ray": ray, "python": python})
    assert refusal("head:6379") == (
        f"the Ray cluster at 10.0.0.1:6379 has Ray {ray} on Python {python}, this process Ray {HERE['ray']} on Python "
        f"{HERE['python']}: both have to be the same"
    )


def test_auto_follows_nobody_elses_cluster(monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    monkeypatch.setattr(ray_ports, "foreign", lambda port: os.getuid() if port == 6379 else None)
    answering(monkeypatch, asked, REFUSES, REFUSES, LETS_IN)
    assert refusal("auto") == (
        f"--address auto finds 10.0.0.1:6379, which the user {getpass.getuser()} runs: "
        "say --address 10.0.0.1:6379 to use it"
    )
    assert len(asked) == 1, "it has seen no token"
    check("10.0.0.1:6379")


def test_auto_goes_by_the_environment_as_ray_does(monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    answering(monkeypatch, asked, {"nowhere": "Could not find any running Ray instance."}, REFUSES, LETS_IN)
    assert refusal("auto") == "--address auto: Could not find any running Ray instance."
    monkeypatch.setenv("RAY_ADDRESS", "head:1234")
    check("auto")
    assert [address for address, _ in asked] == ["auto", "head:1234", "10.0.0.1:6379"]


def test_an_address_where_nobody_answers_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusal(f"127.0.0.1:{port}") == f"no Ray cluster answers at 127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:0", "host:65536", "host:²", "local", ""])
def test_what_is_no_address(address: str) -> None:
    assert refusal(address) == f"the address of a Ray cluster is `auto` or host:port, got {address!r}"


def test_an_address_of_ray_client_says_what_to_give_instead() -> None:
    assert refusal("ray://head:10001") == (
        "ray://head:10001 is an address of Ray Client, which dfkd-ray does not speak: run it on a machine of the "
        "cluster with --address auto, or send it there by `dfkd-ray submit`; or say --address host:port of the GCS"
    )


def answered(*said: bytes) -> str:
    """The refusal of a service that says so much to whoever connects, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            there, _ = listener.accept()
            there.recv(1_000)
            for each in said:
                there.sendall(each)
            there.close()

        thread = threading.Thread(target=serve)
        thread.start()
        at = f"127.0.0.1:{listener.getsockname()[1]}"
        told = refusal(at).replace(at, "AT")
        thread.join()
    return told


NO_CLUSTER = "what answers at AT is no Ray cluster, or one of another kind: it says nothing to Ray"


def test_another_service_on_the_port_is_told_apart() -> None:
    assert answered(b"SSH-2.0-OpenSSH_9.2") == NO_CLUSTER
    assert answered() == NO_CLUSTER
    assert answered(b"HTTP/1.1 400 Bad Request") == (
        "what answers at AT is no GCS (port 6379) but speaks HTTP: if it is the dashboard (8265), send it a job: "
        "dfkd-ray submit STUDY --address http://AT --out FOLDER"
    )


def test_one_that_waits_for_others_to_speak_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_address, "_LOOK", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        at = f"127.0.0.1:{mute.getsockname()[1]}"
        assert refusal(at) == NO_CLUSTER.replace("AT", at)


def test_what_speaks_http_2_may_be_a_cluster() -> None:
    """The frame of RFC 9113, 6.5: length 0, type 4, no flags, stream 0."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            there, _ = listener.accept()
            assert there.recv(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            there.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            there.close()

        thread = threading.Thread(target=serve)
        thread.start()
        ray_address._answering(f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
