"""A Ray cluster that is there already: whether it is one, asks for a token, takes ours, and is of our version.

Asked before Ray connects, which would try for minutes and say what it finds in lines of C++. Imports no Ray itself.
"""

from __future__ import annotations

import json
import os
import platform
import pwd
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from dfkd_ray.tune import ray_ports
from dfkd_ray.tune.ray_setup import has_token
from dfkd_ray.util.errors import StudyError

_PROBE = Path(__file__).with_name("ray_probe.py")
_LIMIT = 60.0  # seconds for the probe, which gives up by itself before, also on a busy machine
_LOOK = 2.0  # seconds for a port to answer
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # RFC 9113, 3.4: an empty SETTINGS
_TYPE, _SETTINGS = 3, bytes([4])  # where the type of a frame stands, and that of the first of a server
_PATIENCE = {"RAY_gcs_rpc_server_connect_timeout_s": "10", "RAY_gcs_rpc_server_reconnect_timeout_s": "1"}
_NOBODY = {"RAY_AUTH_MODE": "disabled", "RAY_USE_TLS": "0"}  # one that has no credentials
_WHERE = "in RAY_AUTH_TOKEN or ~/.ray/auth_token"


def check(address: str, insecure: bool = False) -> bool:
    """Whether the cluster at `host:port`, or the one that `auto` finds, keeps others out.

    StudyError unless it may be used and lets this process in. insecure: one that keeps nobody out may be used as well.
    """
    named = os.environ.get("RAY_ADDRESS") or address if address == "auto" else address
    if named != "auto":
        _answering(named)
    with _Probe(_NOBODY) as stranger, _Probe({}) as user:
        return _let_in(named, stranger, user, insecure)


def _let_in(named: str, stranger: _Probe, user: _Probe, insecure: bool) -> bool:
    """See `check`. stranger, user: who ask without and with what this process has."""
    found = stranger.ask(named)
    if found is None and os.environ.get("RAY_USE_TLS", "0") == "1":
        found = {"address": named, "refused": True}  # certificates keep others out
    told = _is_cluster(named, found)
    at = str(told["address"])
    if named == "auto":
        _ours(at)
    keeps_out = bool(told.get("refused"))
    if not keeps_out:
        if not insecure:
            raise StudyError(open_to_all(at))
    else:
        told = _is_cluster(at, user.ask(at))
        if told.get("refused"):
            raise StudyError(refusal(at))
    _same_versions(at, told)
    return keeps_out


def _answering(address: str) -> None:
    """StudyError unless something listens at `host:port`."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        raise StudyError(
            f"{address} is an address of Ray Client, which dfkd-ray does not speak: run it on a machine of the "
            f"cluster with --address auto, or send it there by `dfkd-ray submit`; or say --address host:port of the GCS"
        )
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise StudyError(f"the address of a Ray cluster is `auto` or host:port, got {address!r}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_LOOK) as there:
            told = _greeting(there)
    except (OSError, UnicodeError) as error:
        raise StudyError(f"no Ray cluster answers at {address}: {getattr(error, 'strerror', None) or error}") from None
    if told.startswith(b"HTTP/"):
        raise StudyError(
            f"what answers at {address} is no GCS (port 6379) but speaks HTTP: if it is the dashboard (8265), send it "
            f"a job: dfkd-ray submit STUDY --address http://{address} --out FOLDER"
        )
    if told[_TYPE : _TYPE + 1] != _SETTINGS and os.environ.get("RAY_USE_TLS", "0") != "1":
        raise StudyError(_no_cluster(address))


def _greeting(there: socket.socket) -> bytes:
    """The first bytes that a server says to a client of HTTP/2, as those of gRPC are; none where it is mute."""
    try:
        there.sendall(_HELLO)
        return there.recv(9)
    except (TimeoutError, ConnectionError):
        return b""


class _Probe:
    """ray_probe.py, with `more` in its environment: it starts, which takes the longest, and waits to be asked."""

    def __init__(self, more: Mapping[str, str]) -> None:
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROBE)], env={**os.environ, **_PATIENCE, **more}, text=True, **pipes
        )

    def ask(self, address: str) -> dict[str, Any] | None:
        """What it prints of the cluster there; None where nobody tells it anything."""
        try:
            said, _ = self._process.communicate(f"{address}\n", timeout=_LIMIT)
            told = json.loads(said.strip().rpartition("\n")[2])
        except (subprocess.TimeoutExpired, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def __enter__(self) -> _Probe:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()


def _is_cluster(address: str, found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        raise StudyError(_no_cluster(address))
    if "nowhere" in found:
        raise StudyError(f"--address {address}: {found['nowhere']}")
    return found


def _no_cluster(address: str) -> str:
    return f"what answers at {address} is no Ray cluster, or one of another kind: it says nothing to Ray"


def _ours(address: str) -> None:
    """StudyError where `auto` has found what another user of this machine runs, who would get our token."""
    user = ray_ports.foreign(int(address.rpartition(":")[2]))
    if user is not None:
        try:
            name = pwd.getpwuid(user).pw_name
        except KeyError:
            name = str(user)
        raise StudyError(
            f"--address auto finds {address}, which the user {name} runs: say --address {address} to use it"
        )


def open_to_all(address: str) -> str:
    """Why a cluster that keeps nobody out is not used."""
    return (
        f"the Ray cluster at {address} asks for no token: whoever reaches it can run code on it, and as you. Start "
        f"it with RAY_AUTH_MODE=token in the environment of each `ray start`, or say --insecure"
    )


def refusal(address: str) -> str:
    """Why a cluster has refused this process."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled":
        return f"the Ray cluster at {address} asks for a token, and RAY_AUTH_MODE=disabled sends none: unset it"
    what = "does not take this process's token" if has_token() else "asks for a token, and there is none here"
    return f"the Ray cluster at {address} {what}: it takes its own, {_WHERE}"


def _same_versions(address: str, told: Mapping[str, Any]) -> None:
    here = {"ray": metadata.version("ray"), "python": platform.python_version()}
    if any(told.get(name) not in (None, version) for name, version in here.items()):
        raise StudyError(
            f"the Ray cluster at {address} has Ray {told.get('ray')} on Python {told.get('python')}, this process Ray "
            f"{here['ray']} on Python {here['python']}: both have to be the same"
        )
