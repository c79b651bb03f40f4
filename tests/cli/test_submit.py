"""`submit`: what is sent, and what is refused before anything is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import __version__
from dfkd_ray.cli import dashboard
from dfkd_ray.runs import plugins
from tests.cli.commands import Done, dfkd, refused
from tests.cli.sent import METHOD, STUDY, write


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

    monkeypatch.setattr(dashboard, "connected", jobs)
    return there


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
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


@pytest.mark.parametrize("card", ["teacher.json", "teacher.pt.json"])
def test_the_card_of_a_teacher_goes_with_it_whatever_it_is_called(cluster: Cluster, folder: Path, card: str) -> None:
    (folder / "teacher.pt").write_text("weights")
    (folder / card).write_text("card")
    assert dfkd("submit", "tiny.yaml", "--out", "/x", "--weights", "teacher.pt", cwd=folder).code == 0
    assert cluster.files[f"weights/{card}"] == "card"


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


def test_with_a_folder_a_teacher_and_own_code_are_named_as_they_are_in_it(cluster: Cluster, folder: Path) -> None:
    (folder / "nets").mkdir()
    (folder / "nets" / "t.pt").write_text("weights")
    (folder / "own.py").write_text("")
    words = ("submit", folder / "tiny.yaml", "--out", "/x", "--folder", folder)
    inside = ("--weights", folder / "nets" / "t.pt#ema", "--plugin", folder / "own.py")
    assert dfkd(*words, *inside, cwd=folder.parent).code == 0
    assert cluster.sent["command"][-5:] == ["--weights", "nets/t.pt#ema", "--plugin", "own.py", "--continue"]
    plugins.drop("own")
    assert dfkd(*words, "--weights", "/shared/there.pt", cwd=folder.parent).code == 0
    assert cluster.sent["command"][-3:] == ["--weights", "/shared/there.pt", "--continue"]
    outside = folder.parent / f"{folder.name}.pt"
    outside.write_text("weights")
    told = refused(*words, "--weights", outside, cwd=folder)
    assert told == f"{outside} is not in {folder}, which --folder sends"


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


def test_own_code_travels_by_the_names_that_it_has(cluster: Cluster, folder: Path) -> None:
    (folder / "parts").mkdir()
    for name in ("own.py", "parts/__init__.py", "parts/inner.py"):
        (folder / name).write_text(f"# {name}\n")
    words = ("submit", "tiny.yaml", "--out", "/shared/tiny")
    dfkd(*words, "--plugin", "own.py", "--plugin", "parts", "--plugin", "json", cwd=folder)
    given = ["--plugin", "own.py", "--plugin", "parts", "--plugin", "json", "--continue"]
    assert cluster.sent["command"][-7:] == given
    assert {"own.py", "parts/__init__.py", "parts/inner.py"} <= set(cluster.files)
    assert refused(*words, "--plugin", str(folder / "own.py"), cwd=folder) == (
        f"{folder}/own.py is not below where you stand: send a folder that has it, --folder"
    )
    for name in ("own", "parts"):
        plugins.drop(name)
