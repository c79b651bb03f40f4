"""Studies on a cluster of three raylets, by their user's commands: nodes that join, are lost, have no disk in common.

The head runs nothing; `a` has a GPU that is none, and so has `b`, which has `hidden` for itself. Each test says which
of them it begins with.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfkd_ray.datasets.pools import Pool
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import store, tables
from tests import s3
from tests.cli.commands import TINY, Done, ended, process, sets
from tests.cli.test_synthesize import words as synthesize
from tests.tune.holder import Holder

pytestmark = pytest.mark.ray
SERIAL = ("sweep", "small.yaml", "--runner", "serial", "--threads", 1)
SWEEP = {
    "study": "small",
    "method": "dfkd_fgvc",
    "task": "gliders",
    "fixed": TINY,
    "objective": {"metric": "val_accuracy"},
    "search": {"student_loss.kd.temperature": {"log": [1, 20]}},
    "sampler": {"name": "random", "seed": 0},
    "budget": {"trials": 2},
}
ABLATION = {
    **{key: SWEEP[key] for key in ("method", "task", "objective")},
    "study": "parts",
    "fixed": {**TINY, "schedule.epochs": 1},
    "arms": {"base": {}, "warm": {"student_loss.kd.temperature": 8.0}},
    "seeds": 2,
}


@dataclass
class Place:
    """The cluster and two folders: `seen` by all nodes, `hidden` from node `b`. apart: whether it is."""

    holder: Holder
    seen: Path
    hidden: Path
    apart: bool = True
    there: set[str] = field(default_factory=set)

    def has(self, *names: str) -> None:
        """The cluster has these nodes, and no others."""
        for name in self.there - {*names}:
            self.kill(name)
        for name in {*names} - self.there:
            self.add(name)

    def add(self, name: str) -> None:
        alone = {"apart": self.hidden} if name == "b" and self.apart else {}
        try:
            self.holder.add(name, num_cpus=2 if name == "b" else 1, num_gpus=1, **alone)
        except PermissionError:
            self.apart = False
            self.add(name)
        self.there.add(name)

    def kill(self, name: str) -> None:
        self.holder.kill(name)
        self.there.remove(name)

    def begin(
        self, *words: Any, cwd: Path | None = None, alone: bool = False, **environment: str
    ) -> subprocess.Popen[str]:
        """alone: without the cluster."""
        cwd = cwd or self.seen
        cwd.mkdir(exist_ok=True)
        for study in (SWEEP, ABLATION):
            (cwd / f"{study['study']}.yaml").write_text(yaml.safe_dump(study))
        at = () if alone else ("--address", self.holder.address)
        return process(*words, *at, cwd=cwd, **environment)

    def run(self, *words: Any, cwd: Path | None = None, **environment: str) -> Done:
        return ended(self.begin(*words, cwd=cwd, **environment))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, s3_server: str) -> Iterator[Place]:
    seen, hidden = (tmp_path_factory.mktemp(name) for name in ("seen", "hidden"))
    with Holder(s3.environment(s3_server)) as holder:
        yield Place(holder, seen, hidden)


def trials(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tables.read(folder / "trials.arrow").to_pylist()
    return found


def records(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / NAME
    return [each for each in read_records(path)[0] if each["kind"] == kind] if path.exists() else []


def told(folder: Path) -> list[dict[str, Any]]:
    """What does not depend on where and when trials ran."""
    kept = ("trial", "state", "changes", "objectives", "epochs", "best_epoch", "fingerprint")
    return [{key: each[key] for key in kept} for each in trials(folder)]


def tensors(path: Path) -> str:
    """The digest of what a file of safetensors has behind its head."""
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def wait(seen: Callable[[], object], running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not seen() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def test_another_token_and_a_trial_that_fits_nowhere_are_a_line(place: Place) -> None:
    place.has("a")
    done = place.run("sweep", "small.yaml", RAY_AUTH_TOKEN="another")
    told = "does not take this process's token: it takes its own, in RAY_AUTH_TOKEN or ~/.ray/auth_token"
    assert (done.code, done.err) == (2, f"error: the Ray cluster at {place.holder.address} {told}\n")
    done = place.run("sweep", "small.yaml", "--cpu", 2, "--gpu", 0, "--wait", 0, "--out", "misfit")
    why = "a trial takes 2 cpu (resources), and the largest of 2 nodes has 1 cpu"
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"error: {why}; --wait says how long to wait for another node"


@pytest.mark.slow
def test_a_trial_that_fits_nowhere_waits_for_a_node_that_joins(place: Place) -> None:
    place.has("a")
    waiting = place.begin(
        "sweep", "small.yaml", "--trials", 1, "--epochs", 1, "--cpu", 2, "--gpu", 0, "--out", "waited"
    )
    said: list[str] = []
    assert waiting.stderr is not None
    for line in waiting.stderr:
        said.append(line)
        if "waiting for another node, 1 h 0 min more (--wait)" in line:
            break
    else:
        pytest.fail("".join(said))
    place.add("b")
    done = ended(waiting)
    assert done.code == 0, done
    assert "the cluster has 3 nodes now: 1 at a time" in done.err
    assert [each["state"] for each in trials(place.seen / "waited")] == ["complete"]


@pytest.mark.slow
def test_an_ablation_a_published_table_and_a_pool_at_the_same_time(place: Place) -> None:
    """Each by its own command: drivers share a cluster."""
    place.has("a", "b")
    ablation = place.begin("ablate", "parts.yaml", "--out", "parts")
    table = ("reproduce", "dfkd_fgvc/table5", "--scale", "gliders", "--seeds", 2, "--epochs", 1, "--out", "table")
    changes = {path: value for path, value in TINY.items() if path != "schedule.epochs"}
    published = place.begin(*table, *sets(changes))
    pool = place.run(*synthesize(8, "--shards", 2, "--out", "pool"))
    for done in (ended(ablation), ended(published), pool):
        assert done.code == 0, done
    found = [(each["arm"], each["state"]) for each in trials(place.seen / "parts")]
    assert sorted(found) == [("base", "complete")] * 2 + [("warm", "complete")] * 2
    assert [each["state"] for each in trials(place.seen / "table")] == ["complete"] * 6
    assert (place.seen / "table" / "report.html").exists()
    assert Pool.open(place.seen / "pool").size == 8


@pytest.mark.slow
def test_a_study_in_a_store_loses_a_raylet_and_its_driver_and_goes_on_elsewhere(
    place: Place, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes without a disk in common, a driver that is killed, and another machine's working directory."""
    place.has("a", "b")
    one, two, straight = place.hidden / "one", place.hidden / "two", place.seen / "straight"
    first = place.begin("sweep", "small.yaml", "--out", bucket, cwd=one)
    monkeypatch.chdir(one)
    copy = one / store.folder_of(bucket)
    wait(lambda: records(copy, "row"), first)
    place.kill("a")
    wait(lambda: records(copy, "accident"), first)
    assert len(records(copy, "accident")) <= 1, "of the node that was lost, no other's"
    first.kill()
    ended(first)
    done = place.run("resume", bucket, cwd=two)
    assert done.code == 0, done
    assert ended(place.begin(*SERIAL, "--out", straight, alone=True)).code == 0
    monkeypatch.chdir(two)
    folder = store.folder_of(bucket)
    assert told(folder) == told(straight)
    best = max(trials(folder), key=lambda each: each["objectives"])["trial"]
    student = Path("trials") / f"{best:04d}" / "student.safetensors"
    assert tensors(folder / student) == tensors(straight / student)


def test_a_node_that_does_not_see_the_folder_says_so(place: Place) -> None:
    place.has("b")
    if not place.apart:
        pytest.skip("this process may give no node a mount namespace of its own (root, or CAP_SYS_ADMIN)")
    home = place.hidden / "three"
    done = place.run("sweep", "small.yaml", "--trials", 1, "--retries", 0, "--out", "apart", cwd=home)
    assert done.code == 130, done
    why = f"does not see {home}/apart/trials/0000: nodes without a shared disk need --out s3://BUCKET/STUDY"
    *_, told, way = done.out.splitlines() + done.err.splitlines()
    assert why in told, done
    assert way == "interrupted; resume with: dfkd-ray resume apart"
