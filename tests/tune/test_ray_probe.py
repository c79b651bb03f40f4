"""The program that asks a cluster, and what comes of it: with real clusters, one behind a token and one open to all."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune import ray_address
from dfkd_ray.tune.ray_address import check
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.util.errors import StudyError
from tests.tune.holder import Holder

pytestmark = pytest.mark.ray
TOKEN = "t0ken" * 8


@pytest.fixture(scope="module", params=["token", "disabled"])
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """(its mode, its address)."""
    mode: str = request.param
    with Holder({"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": TOKEN}) as holder:
        yield mode, holder.address


@pytest.fixture(autouse=True)
def _of_this_machine_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


def asked(address: str, more: Mapping[str, str]) -> dict[str, Any] | None:
    with ray_address._Probe(more) as probe:
        return probe.ask(address)


def test_what_it_says(cluster: tuple[str, str]) -> None:
    mode, address = cluster
    told = {"address": address, "ray": metadata.version("ray"), "python": platform.python_version()}
    assert asked(address, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}) == told
    nobody = {"address": address, "refused": True} if mode == "token" else told
    assert asked(address, {"RAY_AUTH_MODE": "disabled"}) == nobody


def test_who_is_let_in(cluster: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    mode, address = cluster
    with environment(address), pytest.raises(StudyError, match=r"there is none here|asks for no token"):
        check(address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with environment(address), pytest.raises(StudyError, match=r"does not take this process's token|asks for no token"):
        check(address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    with environment(address):
        if mode == "token":
            check(address)
        else:
            check(address, insecure=True)


def test_where_there_is_no_cluster_it_says_so() -> None:
    found = asked("no address", {})
    assert found is not None
    assert [*found] == ["nowhere"]
