"""Jobs: each in a line, and one study there and back."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.cli import dashboard
from dfkd_ray.cli import job as commands
from dfkd_ray.tune.ledger import NAME, read_records
from tests.cli.commands import Done, dfkd, ended, process, refused
from tests.cli.sent import write
from tests.tune import dashboards, toys

SMALL = ["schedule.epochs=3", "schedule.rounds=10", "schedule.student_steps=20", "schedule.batch=4"]
SETS = [word for each in SMALL for word in ("--set", each)]


def details(**own: Any) -> SimpleNamespace:
    class Status(str):
        def is_terminal(self) -> bool:
            return self in ("SUCCEEDED", "FAILED", "STOPPED")

    told = {"submission_id": "tiny-1", "status": "RUNNING", "start_time": None, "end_time": None, "message": None}
    made = {**told, "metadata": {"folder": "/x"}, "driver_exit_code": None, **own}
    return SimpleNamespace(**{**made, "status": Status(made["status"])})


def test_a_job_in_a_line() -> None:
    assert dashboard.line(details()) == "tiny-1 RUNNING, /x"
    log = "Exit code 2, log:\none\nerror: no such\n\n"
    ended = details(status="FAILED", start_time=1_000, end_time=61_000, message=log)
    assert dashboard.line(ended) == "tiny-1 FAILED, 60 s, /x: error: no such"
    assert dashboard.line(details(metadata=None, status="STOPPED", message="Stopped.")) == "tiny-1 STOPPED: Stopped."


@pytest.mark.parametrize(
    ("status", "driver", "code"),
    [("SUCCEEDED", 0, 0), ("FAILED", 2, 2), ("FAILED", None, 3), ("STOPPED", None, 130), ("STOPPED", 130, 130)],
)
def test_the_exit_code_is_the_jobs(status: str, driver: int | None, code: int) -> None:
    assert commands._exit_code(details(status=status, driver_exit_code=driver)) == code


def test_a_copy_is_written_over_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(Exception, match=r"is there already, and is no copy of /x: name another folder with --out$"):
        commands._check_pulled(tmp_path, "/x")
    (tmp_path / commands.PULLED).write_text('{"folder": "/x"}')
    commands._check_pulled(tmp_path, "/x")
    commands._check_pulled(tmp_path / "new", "/x")


class Cluster:
    """Has run a study into a folder, and packs it when it is sent a job that does so."""

    address = "http://head:8265"

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, ""

    def one(self, job: str) -> Any:
        return details(metadata={"study": "mhad", "folder": str(self.folder)} if job == "mhad-1" else {})

    def submit(self, command: str, job: str, environment: dict[str, Any], facts: dict[str, str]) -> None:
        done = dfkd(*shlex.split(command)[3:])
        self.said, self.code = f"Running entrypoint\n{done.err}{done.out}", done.code

    def ended(self, job: str) -> Any:
        return details(status="FAILED" if self.code else "SUCCEEDED", driver_exit_code=self.code)

    def logs(self, job: str) -> str:
        return self.said


def test_a_study_is_fetched_and_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Cluster(tmp_path / "there")
    monkeypatch.setattr(dashboard, "connected", lambda address, insecure: nullcontext(there))
    (tmp_path / "here").mkdir()
    assert refused("pull", "mhad-1", cwd=tmp_path / "here") == (
        f"{there.folder} holds no study to pull: there is no ledger.jsonl"
    )
    assert refused("pull", "other", cwd=tmp_path / "here") == (
        "other was not sent by `dfkd-ray submit`, so its folder is not known"
    )
    toys.start(toys.study({"trials: 8": "trials: 2"}), toys.Toy(), there.folder)
    for _ in range(2):
        done = dfkd("pull", "mhad-1", cwd=tmp_path / "here")
        assert (done.code, done.out.partition(" ")[2]) == (
            0,
            f"files of {there.folder} in reports/mhad; page: reports/mhad/report.html\n",
        )
    copy = tmp_path / "here" / "reports" / "mhad"
    assert (copy / NAME).read_bytes() == (there.folder / NAME).read_bytes()
    assert dfkd("pull", "mhad-1", "--students", "some").code == 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.ray
def test_a_study_is_sent_stopped_sent_again_and_fetched(folder: Path) -> None:
    def own(*words: Any) -> Done:
        return ended(process(*words, cwd=folder))

    there = folder / "there" / "tiny"
    sent = ("submit", "tiny.yaml", "--out", there, *SETS, "--env", "OMP_NUM_THREADS=1", "--env", "GLIBC_TUNABLES=")
    with dashboards.dashboard() as address:
        where = ("--address", address)
        assert own(*sent, "--name", "one", *where).code == 0
        deadline = time.monotonic() + 180
        while (not (there / NAME).exists() or len(read_records(there / NAME)[0]) < 5) and time.monotonic() < deadline:
            time.sleep(0.2)
        stopped = own("stop", "one", *where)
        assert stopped.out.startswith("one STOPPED"), (stopped, own("logs", "one", *where))
        assert own(*sent, "--name", "two", *where).code == 0
        followed = own("logs", "-f", "two", *where)
        assert followed.code == 0, followed.out + followed.err
        assert "2 complete, 0 stopped, 0 failed" in followed.out
        told = own("status", *where).out.splitlines()
        assert [line.split(",")[0] for line in told] == ["one STOPPED", "two SUCCEEDED"]
        pulled = own("pull", "two", *where)
        assert pulled.code == 0, pulled
    copy = folder / "reports" / "tiny"
    kinds = [record["kind"] for record in read_records(copy / NAME)[0]]
    assert (kinds.count("asked"), kinds.count("resumed"), kinds[-1]) == (2, 1, "finished")
    assert {"trials.arrow", "steps.arrow", "report.html", commands.PULLED} <= set(os.listdir(copy))
    students = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*.safetensors"))
    assert [path.rpartition("/")[2] for path in students] == ["student.safetensors", "student_best.safetensors"]
    assert not [*copy.rglob("checkpoint*"), *copy.rglob("*.lock")]


def test_a_job_as_plain_data() -> None:
    ended = details(status="FAILED", start_time=1_000, end_time=61_000, message="Exit code 2, log:\nerror: no such\n")
    facts = {
        "job": "tiny-1",
        "state": "FAILED",
        "folder": "/x",
        "began": 1.0,
        "ended": 61.0,
        "message": "error: no such",
    }
    assert dashboard.plain(ended) == facts
