"""The cores that a process may use: by affinity and by the quotas of cgroups, of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfkd_ray.util import host


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 cores whose cgroups lie under a temporary folder."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(host, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(host, "OWN", tmp_path / "own")
    return tmp_path


def write(machine: Path, own: str, **files: str) -> None:
    (machine / "own").write_text(own)
    for name, text in files.items():
        path = machine / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_without_a_quota_the_affinity_holds(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.cores() == 64, "no /proc at all"
    write(machine, "0::/a\n", **{"a/cpu.max": "max 100000\n"})
    assert host.cores() == 64
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert host.cores() == 1


@pytest.mark.parametrize(
    ("quota", "expected"), [("200000 100000", 2), ("350000 100000", 3), ("50000 100000", 1), ("9900000 100000", 64)]
)
def test_version_2_at_the_root_and_inside(machine: Path, quota: str, expected: int) -> None:
    write(machine, "0::/\n", **{"cpu.max": quota})
    assert host.cores() == expected
    (machine / "cgroup" / "cpu.max").unlink()
    write(machine, "0::/job/step\n", **{"job/step/cpu.max": quota})
    assert host.cores() == expected


def test_the_smallest_quota_above_a_process_holds(machine: Path) -> None:
    files = {"job/cpu.max": "400000 100000", "job/step/cpu.max": "800000 100000", "other/cpu.max": "100000 100000"}
    write(machine, "0::/job/step\n", **files)
    assert host.cores() == 4


@pytest.mark.parametrize(("line", "folder"), [("4:cpu,cpuacct:/x", "cpu,cpuacct"), ("1:cpu:/docker/1f", "cpu")])
def test_version_1(machine: Path, line: str, folder: str) -> None:
    """Also where the path is the one outside the container, and the mount shows the process's own at its root."""
    files = {f"{folder}/cpu.cfs_quota_us": "300000\n", f"{folder}/cpu.cfs_period_us": "100000\n"}
    write(machine, f"9:memory:/y\n{line}\n0::/\n", **files)
    assert host.cores() == 3
    write(machine, f"{line}\n", **{f"{folder}/cpu.cfs_quota_us": "-1\n"})
    assert host.cores() == 64


@pytest.mark.parametrize("text", ["", "max", "a b", "1 0", "nan 100000", "1 2 3"])
def test_what_is_no_quota_is_none(machine: Path, text: str) -> None:
    write(machine, "0::/\n", **{"cpu.max": text})
    assert host.cores() == 64


def test_decoders_are_as_many_as_the_cores_allow(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with host.decoders() as pool:
        assert pool._max_workers == 32
    write(machine, "0::/\n", **{"cpu.max": "200000 100000"})
    with host.decoders() as pool:
        assert pool._max_workers == 6
