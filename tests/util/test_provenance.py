from __future__ import annotations

import json
import platform
import subprocess
from datetime import datetime
from importlib import metadata
from pathlib import Path

import pytest

from dfkd_ray import __version__
from dfkd_ray.util import provenance


def test_it_says_what_ran_where_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/dfkd-ray", "sweep", "a b.yaml"])
    facts = provenance.provenance(runner="serial")
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["dfkd_ray"], facts["torch"]) == (__version__, metadata.version("torch"))
    assert (facts["python"], facts["host"]) == (platform.python_version(), platform.node())
    assert facts["command"] == "dfkd-ray sweep 'a b.yaml'", "without the folder of whoever ran it"
    assert facts["runner"] == "serial"
    assert facts["cpus"] >= 1
    assert datetime.fromisoformat(facts["started"]).tzinfo is not None


def test_the_options_of_a_notebooks_kernel_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/ipykernel_launcher.py", "-f", "/somewhere/kernel-1.json"])
    assert provenance.provenance()["command"] == "a notebook"


def test_a_package_that_is_not_installed_is_left_out() -> None:
    assert set(provenance._versions(("torch", "no-such-package-here"))) == {"torch"}


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    assert provenance._commit(package) == (None, None)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert provenance._commit(package) == (None, None), "nothing is committed yet"
    (package / "a.py").write_text("1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
    commit, dirty = provenance._commit(package)
    assert commit is not None
    assert (len(commit), dirty) == (40, False)
    (package / "a.py").write_text("2")
    assert provenance._commit(package) == (commit, True)


def test_no_secret_of_the_command_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["dfkd-ray", "sweep", "a.yaml", "--token", "s3cret", "--data", "https://me:s3cret@host/x?sig=s3cret"]
    monkeypatch.setattr("sys.argv", words)
    facts = provenance.provenance()
    assert facts["command"] == "dfkd-ray sweep a.yaml --token REDACTED --data 'https://REDACTED@host/x?sig=REDACTED'"
