"""A dashboard that is there already: who is refused, who is asked in what order, and each message."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import pytest

from dfkd_ray.tune import ray_dashboard
from dfkd_ray.tune.ray_dashboard import check
from dfkd_ray.util.errors import StudyError

HERE = metadata.version("ray")


@pytest.fixture(autouse=True)
def _no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", ray_dashboard.NAMED, "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def serving(
    token: str | None, version: str = HERE, body: bytes | None = None
) -> Iterator[tuple[str, list[str | None]]]:
    """A dashboard's address, and the credentials that it was shown; `token`: the one that it takes, None takes all."""
    shown: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = self.headers.get("Authorization")
            shown.append(key)
            code = 200 if token is None or key == f"Bearer {token}" else 401 if key is None else 403
            said = json.dumps({"version": "4", "ray_version": version, "ray_commit": "c"}).encode()
            self.send_response(code if self.path == "/api/version" else 404)
            self.end_headers()
            self.wfile.write(said if body is None else body)

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", shown
    server.shutdown()
    server.server_close()
    thread.join()


def refusal(address: str | None, insecure: bool = False) -> str:
    with pytest.raises(StudyError) as refused:
        check(address, insecure)
    return str(refused.value)


def test_one_that_takes_our_token_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "ours")
    with serving("ours") as (at, shown):
        assert check(at) == (at, None)
        assert check(at.removeprefix("http://") + "/") == (at, None)
    assert shown == [None, "Bearer ours"] * 2, "nobody gets a token who does not ask for one"


def test_the_token_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("ours\n")
    with serving("ours") as (at, _):
        assert check(at) == (at, None)
        (tmp_path / "other").write_text("another")
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
        assert refusal(at).endswith(
            "does not take this process's token: it takes its own, in RAY_AUTH_TOKEN or ~/.ray/auth_token"
        )


def test_one_that_lets_everybody_in_is_refused_unless_that_is_wanted() -> None:
    with serving(None) as (at, _):
        assert refusal(at) == (
            f"the Ray cluster at {at} asks for no token: whoever reaches it can run code on it, and as you. Start it "
            "with RAY_AUTH_MODE=token in the environment of each `ray start`, or say --insecure"
        )
        assert check(at, insecure=True) == (at, None)


def test_one_that_refuses_us(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("theirs") as (at, shown):
        assert refusal(at) == (
            f"the Ray cluster at {at} asks for a token, and there is none here: it takes its own, in RAY_AUTH_TOKEN or "
            "~/.ray/auth_token"
        )
        monkeypatch.setenv("RAY_AUTH_TOKEN", "ours")
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        assert refusal(at) == (
            f"the Ray cluster at {at} asks for a token, and RAY_AUTH_MODE=disabled sends none: unset it"
        )
        assert shown == [None, None]


def test_another_version_is_said_and_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(None, "2.59.0") as (at, _):
        assert check(at, insecure=True) == (at, f"the Ray cluster at {at} has Ray 2.59.0, this machine {HERE}")


def test_where_nobody_says_where_it_is_as_ray_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(None) as (at, _):
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", at)
        assert check(None, insecure=True) == (at, None)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"ray_version": 3}', b"\xff"])
def test_another_website(body: bytes) -> None:
    with serving(None, body=body) as (at, _):
        assert refusal(at) == (
            f"what answers at {at} is no Ray dashboard: its port is 8265, where 6379 is that of the GCS"
        )


def test_what_does_not_speak_http_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_dashboard, "LIMIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            for said in (b"SSH-2.0-OpenSSH_9.2\r\n", b""):
                there, _ = listener.accept()
                there.recv(1_000)
                there.sendall(said)
                there.close()

        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(2):
            assert refusal(f"127.0.0.1:{port}").startswith(
                f"what answers at http://127.0.0.1:{port} is no Ray dashboard"
            )
        thread.join()
        assert refusal(f"127.0.0.1:{port}") == f"no Ray dashboard answers at http://127.0.0.1:{port}: timed out"
    assert refusal(f"127.0.0.1:{port}") == f"no Ray dashboard answers at http://127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize(
    "address", ["nonsense", "host:", "host:0", "host:65536", "host:²", "ftp://host:1", "a:1/b", "://a:1"]
)
def test_what_is_no_address(address: str) -> None:
    assert refusal(address) == f"the address of a Ray dashboard is http://HOST:8265, got {address!r}"


def test_an_address_of_ray_client_says_what_to_give_instead() -> None:
    assert refusal("ray://head:10001") == (
        "ray://head:10001 is an address of Ray Client; jobs are sent to the dashboard: http://HOST:8265"
    )
