"""What Ray is told before it starts, and that it is taken back."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from dfkd_ray.study import Resources
from dfkd_ray.tune.ray_setup import answering, ensure_token, environment, fitting, has_token, worker_environment
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


def test_an_address_where_nobody_answers_is_refused_at_once() -> None:
    answering("auto")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        with pytest.raises(StudyError, match=rf"no Ray cluster answers at 127\.0\.0\.1:{port}: Connection refused"):
            answering(f"127.0.0.1:{port}")
        listener.listen()
        answering(f"127.0.0.1:{port}")
    with pytest.raises(StudyError, match=r"is `auto` or host:port, got 'nonsense'"):
        answering("nonsense")


def test_how_many_trials_fit() -> None:
    assert fitting({"CPU": 8.0}, Resources(cpu=3)) == 2
    assert fitting({"CPU": 2.0}, Resources(cpu=0.5)) == 4
    assert fitting({"CPU": 64.0, "GPU": 2.0}, Resources(cpu=4, gpu=0.25)) == 8
    with pytest.raises(StudyError, match=r"a trial takes 1 cpu and 1 gpu \(resources\), this cluster has 8 and 0"):
        fitting({"CPU": 8.0}, Resources(gpu=1))


def test_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = worker_environment(3)
    assert {found[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"3"}
    assert found["GLIBC_TUNABLES"].startswith("glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    assert "GLIBC_TUNABLES" not in worker_environment(3)
