"""What Ray is told before it starts, and that it is taken back."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path

import pytest

from dfkd_ray.tune.ray_setup import (
    OLDEST,
    ensure_token,
    environment,
    has_token,
    in_a_job,
    new_enough,
    token,
    worker_environment,
)
from dfkd_ray.util.errors import StudyError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        "sys.modules", {name: module for name, module in __import__("sys").modules.items() if name != "ray"}
    )
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_token_is_nobody_elses(home: Path) -> None:
    old = os.umask(0)
    try:
        assert not has_token()
        assert ensure_token() == {}
    finally:
        os.umask(old)
    token = home / ".ray" / "auth_token"
    assert (mode(token), mode(token.parent)) == (0o600, 0o700)
    assert len(token.read_text()) == 64
    text = token.read_text()
    assert has_token()
    ensure_token()
    assert token.read_text() == text


def test_a_token_that_ray_left_open_is_closed(home: Path) -> None:
    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("x")
    token.chmod(0o644)
    ensure_token()
    assert (mode(token), token.read_text()) == (0o600, "x")


def test_without_a_home_to_write_to_the_token_stays_in_the_environment(home: Path) -> None:
    (home / ".ray").write_text("in the way")
    found = ensure_token()
    assert len(found["RAY_AUTH_TOKEN"]) == 64


def test_a_token_of_the_users_own_is_respected(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    assert ensure_token() == {}
    assert not (home / ".ray").exists()


def test_the_environment_is_set_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")  # the user's choice wins
    before = dict(os.environ)
    with environment(None):
        assert os.environ["RAY_AUTH_MODE"] == "token"
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
        assert os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] == "1"
    assert dict(os.environ) == before
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with environment(None):
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
        os.environ["RAY_AUTH_MODE"] = "token"  # as Ray does
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_a_cluster_elsewhere_is_met_with_a_token_if_there_is_one(home: Path) -> None:
    with environment("host:6379"):
        assert "RAY_AUTH_MODE" not in os.environ
        assert not (home / ".ray").exists()
    ensure_token()
    with environment("host:6379"):
        assert os.environ["RAY_AUTH_MODE"] == "token"


def test_a_ray_of_ones_own_listens_on_the_loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    monkeypatch.delenv(name, raising=False)
    with environment(None):
        assert os.environ[name] == "0"
    with environment("host:6379"):
        assert name not in os.environ, "the machines of a cluster have to reach one another"


@pytest.mark.parametrize("version", ["2.52.0", "2.60.0", "2.100.1", "3.0.0.dev0"])
def test_a_ray_that_knows_tokens(version: str) -> None:
    new_enough(version)


@pytest.mark.parametrize("version", ["2.51.1", "2.9.3", "1.13.0"])
def test_a_ray_without_tokens_is_refused(version: str) -> None:
    with pytest.raises(StudyError) as refused:
        new_enough(version)
    assert str(refused.value) == (
        f"Ray {version} has no token authentication, so others could run code here: pip install -U 'ray[tune]>=2.52', "
        "or say --runner serial"
    )


def test_the_oldest_ray_is_the_one_that_is_asked_for() -> None:
    asked = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"ray[tune]>={'.'.join(map(str, OLDEST))}" in asked


def test_what_a_job_has_said_of_its_workers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray refuses to merge a variable that is said twice, whatever the values are."""
    told = {"runtime_env": {"env_vars": {"OMP_NUM_THREADS": "7", "OTHER": "x"}}, "metadata": {}}
    assert not in_a_job()
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(told))
    assert in_a_job()
    found = worker_environment(3)
    assert "OMP_NUM_THREADS" not in found
    assert found["MKL_NUM_THREADS"] == "3"
    for nothing in ({}, {"runtime_env": None}, {"runtime_env": {"pip": ["timm"]}}):
        monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(nothing))
        assert worker_environment(3)["OMP_NUM_THREADS"] == "3"


def test_the_token_is_where_ray_looks_for_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert token() is None
    ensure_token()
    assert token() == (home / ".ray" / "auth_token").read_text()
    (home / "other").write_text("  in a file\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "other"))
    assert token() == "in a file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "said")
    assert token() == "said"


def test_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = worker_environment(3)
    assert {found[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"3"}
    assert found["GLIBC_TUNABLES"].startswith("glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    assert "GLIBC_TUNABLES" not in worker_environment(3)
