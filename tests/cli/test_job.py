"""Studies that are sent to a cluster: what is sent, what is refused here, and one study there and back."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray import __version__
from dfkd_ray.cli import job as commands
from dfkd_ray.tune.ledger import NAME, read_records
from tests.cli.commands import Done, dfkd, refused
from tests.tune.dashboards import dashboard

STUDY = """
study: tiny
method: mine.yaml
task: gliders
objective: {metric: val_accuracy}
search:
  student_loss.kd.temperature: {log: [1, 20]}
sampler: {name: random, seed: 0}
budget: {trials: 2}
"""
METHOD = (Path(commands.__file__).parents[1] / "methods" / "noise_kd.yaml").read_text(encoding="utf-8")
ROOT = Path(__file__).resolve().parents[2]
PIPES: dict[str, Any] = {"capture_output": True, "text": True}
SMALL = ["schedule.epochs=3", "schedule.rounds=1", "schedule.student_steps=2", "schedule.batch=4"]
SETS = [word for each in SMALL for word in ("--set", each)]


class Cluster:
    """Takes jobs, and remembers the last one with the files that came with it."""

    address = "http://head:8265"

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}
        self.files: dict[str, str] = {}

    def submit(self, command: str, job: str, environment: dict[str, Any], facts: dict[str, str]) -> None:
        self.sent = {"command": shlex.split(command), "job": job, "environment": environment, "facts": facts}
        root = Path(environment["working_dir"]) if "working_dir" in environment else None
        files = sorted(root.rglob("*")) if root else []
        self.files = {path.relative_to(root).as_posix(): path.read_text() for path in files if root and path.is_file()}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    there = Cluster()

    @contextmanager
    def jobs(address: str | None, insecure: bool) -> Iterator[Cluster]:
        yield there

    monkeypatch.setattr(commands, "_jobs", jobs)
    return there


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    (tmp_path / "mine.yaml").write_text(METHOD)
    (tmp_path / "unrelated.yaml").write_text("a: 1")
    return tmp_path


def test_a_study_travels_with_what_it_names_and_nothing_else(cluster: Cluster, folder: Path) -> None:
    (folder / "teacher.pt").write_text("weights")
    (folder / "teacher.json").write_text("card")
    done = dfkd(
        *("submit", "tiny.yaml", "--out", "/shared/tiny", "--name", "first", "--weights", "teacher.pt"),
        *("--gpu", "0.5", "--env", "OMP_NUM_THREADS=2", "--env", "A=b=c"),
        cwd=folder,
    )
    own = ["sweep", "tiny.yaml", "--address", "auto", "--out", "/shared/tiny", "--gpu", "0.5"]
    words = ["python", "-m", "dfkd_ray", "--of", __version__, *own, "--weights", "weights/teacher.pt", "--continue"]
    assert cluster.sent["command"] == words
    assert cluster.files == {
        **{"tiny.yaml": STUDY, "mine.yaml": METHOD},
        **{"weights/teacher.pt": "weights", "weights/teacher.json": "card"},
    }
    assert cluster.sent["environment"]["env_vars"] == {"OMP_NUM_THREADS": "2", "A": "b=c"}
    assert cluster.sent["facts"] == {"study": "tiny", "folder": "/shared/tiny", "dfkd_ray": __version__}
    assert done == Done(
        0,
        f"first is on its way: {shlex.join(words)}\n"
        "  dfkd-ray logs -f first --address http://head:8265\n"
        "  dfkd-ray pull first --address http://head:8265\n",
        "",
    )


def test_what_ships_is_there_already(cluster: Cluster, tmp_path: Path) -> None:
    for name, command in (("mhad", "sweep"), ("components", "ablate"), ("dfkd_fgvc/table3", "reproduce")):
        assert dfkd("submit", name, "--out", "s3://b/x", cwd=tmp_path).code == 0
        assert cluster.sent["command"][5:7] == [command, name]
        assert "working_dir" not in cluster.sent["environment"]
        assert cluster.sent["job"].rpartition("-")[0] == name.replace("/", "-")


def test_a_whole_folder_with_its_runtime_environment(cluster: Cluster, folder: Path) -> None:
    (folder / "env.yaml").write_text("pip: [timm]\nenv_vars: {A: 1, B: 2}\n")
    (folder / "own.py").write_text("")
    how = ("--folder", ".", "--runtime-env", "env.yaml", "--env", "B=3")
    assert dfkd("submit", "tiny.yaml", "--out", "/x", *how, cwd=folder).code == 0
    assert cluster.sent["environment"] == {"pip": ["timm"], "env_vars": {"A": "1", "B": "3"}, "working_dir": "."}
    elsewhere = folder / "inner"
    elsewhere.mkdir()
    told = refused("submit", "tiny.yaml", "--out", "/x", "--folder", "inner", cwd=folder)
    assert told == "tiny.yaml is not in inner, which --folder sends"


def test_afresh_is_no_continuation_and_an_open_cluster_is_wanted_there_too(cluster: Cluster, tmp_path: Path) -> None:
    dfkd("submit", "mhad", "--out", "/x", "--fresh", "--insecure", cwd=tmp_path)
    assert cluster.sent["command"][5:] == ["sweep", "mhad", "--address", "auto", "--out", "/x", "--fresh", "--insecure"]


def test_mistakes_are_told_before_anything_is_sent(cluster: Cluster, folder: Path) -> None:
    assert refused("submit", "tiny.yaml", "--out", "here", cwd=folder) == (
        "--out: 'here' would lie in the job's own folder, which goes with the cluster: an absolute path, or a URI"
    )
    told = refused("submit", "tiny.yaml", "--out", "/x", "--weights", "gone.pt", cwd=folder)
    assert told == "gone.pt is not here: a path on the cluster has to be absolute"
    told = refused("submit", "tiny.yaml", "--out", "/x", "--env", "=1", cwd=folder)
    assert told == "--env: expected NAME=VALUE, got '=1'"
    (folder / "below").mkdir()
    (folder / "below" / "tiny.yaml").write_text(STUDY.replace("mine.yaml", "../mine.yaml"))
    told = refused("submit", "below/tiny.yaml", "--out", "/x", cwd=folder)
    assert told == ("below/tiny.yaml names ../mine.yaml, which is not beside it: send a folder that has both, --folder")
    done = dfkd("submit", "tiny.yaml", "--out", "/x", "--trails", "3", cwd=folder)
    assert (done.code, "No such option: --trails" in done.err) == (2, True)
    assert cluster.sent == {}


def test_the_version_that_sent_a_job_is_the_one_that_runs_it() -> None:
    assert refused("--of", "0.0.9", "ls", "methods") == (
        f"the cluster has dfkd-ray {__version__}, the job was sent by 0.0.9: it takes its own"
    )
    assert dfkd("--of", __version__, "ls", "methods").code == 0


def details(**own: Any) -> SimpleNamespace:
    class Status(str):
        def is_terminal(self) -> bool:
            return self in ("SUCCEEDED", "FAILED", "STOPPED")

    told = {"submission_id": "tiny-1", "status": "RUNNING", "start_time": None, "end_time": None, "message": None}
    made = {**told, "metadata": {"folder": "/x"}, "driver_exit_code": None, **own}
    return SimpleNamespace(**{**made, "status": Status(made["status"])})


def test_a_job_in_a_line() -> None:
    assert commands._line(details()) == "tiny-1 RUNNING, /x"
    log = "Exit code 2, log:\none\nerror: no such\n\n"
    ended = details(status="FAILED", start_time=1_000, end_time=61_000, message=log)
    assert commands._line(ended) == "tiny-1 FAILED, 60 s, /x: error: no such"
    assert commands._line(details(metadata=None, status="STOPPED", message="Stopped.")) == "tiny-1 STOPPED: Stopped."


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


@pytest.mark.ray
def test_a_study_is_sent_stopped_sent_again_and_fetched(folder: Path) -> None:
    """Each command in a process of its own: Ray reads once, when it is imported, whether there are tokens."""

    def dfkd(*words: Any) -> Done:
        command = [sys.executable, "-m", "dfkd_ray", *map(str, words)]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, **PIPES)
        return Done(done.returncode, done.stdout, done.stderr)

    there = folder / "there" / "tiny"
    sent = ("submit", "tiny.yaml", "--out", there, *SETS, "--env", "OMP_NUM_THREADS=1", "--env", "GLIBC_TUNABLES=")
    with dashboard() as address:
        where = ("--address", address)
        assert dfkd(*sent, "--name", "one", *where).code == 0
        while not (there / NAME).exists() or len(read_records(there / NAME)[0]) < 5:
            assert "FAILED" not in (told := dfkd("status", "one", *where)).out, (told, dfkd("logs", "one", *where))
            time.sleep(1)
        stopped = dfkd("stop", "one", *where)
        assert stopped.out.startswith("one STOPPED"), stopped
        assert dfkd(*sent, "--name", "two", *where).code == 0
        followed = dfkd("logs", "-f", "two", *where)
        assert followed.code == 0, followed
        assert "2 complete, 0 stopped early, 0 failed" in followed.out
        told = dfkd("status", *where).out.splitlines()
        assert [line.split(",")[0] for line in told] == ["one STOPPED", "two SUCCEEDED"]
        pulled = dfkd("pull", "two", *where)
        assert pulled.code == 0, pulled
    copy = folder / "reports" / "tiny"
    kinds = [record["kind"] for record in read_records(copy / NAME)[0]]
    assert (kinds.count("asked"), kinds.count("resumed"), kinds[-1]) == (2, 1, "finished")
    assert {"trials.arrow", "steps.arrow", "report.html", commands.PULLED} <= set(os.listdir(copy))
    students = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*.safetensors"))
    assert [path.rpartition("/")[2] for path in students] == ["student.safetensors", "student_best.safetensors"]
    assert not [*copy.rglob("checkpoint*"), *copy.rglob("*.lock")]
