"""`validate`, `plan`, `sweep`, `resume`, `report`: a study from its file to its page, with a Ctrl-C on the way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet
import pytest

from dfkd_ray.methods import config
from dfkd_ray.runs import probe
from dfkd_ray.tune import ledger
from dfkd_ray.tune.history import History
from dfkd_ray.util import tables
from tests.cli.commands import TINY, Done, dfkd, interrupted, refused

ROOT = Path(__file__).parents[2]
FIXED = "\n".join(f"  {path}: {value}" for path, value in TINY.items())
STUDY = f"""study: tiny
question: Which temperature & weight <best>?
method: dfkd_fgvc
task: gliders
fixed:
{FIXED}
objective: {{metric: val_accuracy}}
search:
  student_loss.kd.temperature: {{log: [1, 20]}}
  student_loss.high_order.weight: {{log: [0.1, 100]}}
sampler: random
budget: {{trials: 3}}
"""


class Story(NamedTuple):
    """One study's life, and what was said at each step."""

    home: Path
    folder: Path
    stopped: Done
    before: list[dict[str, Any]]  # rows of trials.arrow when it was stopped
    again: Done
    fetched: Done
    resumed: Done
    undisturbed: Done


def rows(folder: Path, table: str = "trials", drop: tuple[str, ...] = ("seconds",)) -> list[dict[str, Any]]:
    return tables.read(folder / f"{table}.arrow").drop_columns(list(drop)).to_pylist()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("story")
    (home / "tiny.yaml").write_text(STUDY)
    folder = home / "reports" / "tiny"
    serial = ("--runner", "serial")
    with interrupted(saves=4):  # the second epoch of the second trial
        stopped = dfkd("sweep", "tiny.yaml", *serial, cwd=home)
    before = rows(folder)
    again = dfkd("sweep", "tiny.yaml", *serial, cwd=home)
    resumed = dfkd("resume", "reports/tiny", "--parquet", cwd=home)
    fetched = dfkd("resume", "reports/tiny", cwd=home)
    undisturbed = dfkd("sweep", "tiny.yaml", *serial, "--out", "straight", cwd=home)
    return Story(home, folder, stopped, before, again, fetched, resumed, undisturbed)


def test_ctrl_c_ends_with_130_and_a_line_that_resumes(story: Story) -> None:
    assert story.stopped.code == 130
    assert story.stopped.err == "interrupted; resume with: dfkd-ray resume reports/tiny\n"
    lines = story.stopped.out.splitlines()
    assert lines[:2] == [
        "Which temperature & weight <best>?",
        "dfkd_fgvc on gliders, 3 trials, into reports/tiny",
    ]
    assert re.match(r"trial 0 complete(, degenerate \(.*\))?: val_accuracy \d+\.\d % after ", lines[2])
    assert len(lines) == 3
    assert [(row["trial"], row["state"], row["epochs"]) for row in story.before] == [
        (0, "complete", 2),
        (1, "running", 1),
    ]


def test_a_folder_with_a_study_is_not_swept_again(story: Story) -> None:
    assert story.again.code == 2
    assert story.again.err == (
        "error: reports/tiny holds a study already; resume with: dfkd-ray resume reports/tiny "
        "(or start afresh with --fresh, which moves it aside)\n"
    )


def test_resume_goes_on_with_the_runner_of_the_study_and_finishes(story: Story) -> None:
    assert (story.resumed.code, story.resumed.err) == (0, "")
    lines = story.resumed.out.splitlines()
    assert [re.split(":|,", line)[0] for line in lines[:2]] == ["trial 1 complete", "trial 2 complete"]
    assert lines[2].startswith("3 complete, 0 stopped, 0 failed, ")
    assert lines[3].startswith("best: trial ")
    assert ", seed 0, val_accuracy " in lines[3]
    assert " at the best by val_accuracy (chance 8.3 %)" in lines[3]
    assert [line.split(" = ")[0].strip() for line in lines[4:6]] == [
        "student_loss.kd.temperature",
        "student_loss.high_order.weight",
    ]
    assert lines[6].startswith("degenerate, compared on real images all the same")
    assert lines[-1] == "page: reports/tiny/report.html"
    kinds = [record["kind"] for record in ledger.read_records(story.folder / ledger.NAME)[0]]
    assert kinds.count("resumed") == 2
    assert kinds[-1] == "finished"
    metadata = tables.metadata(tables.read(story.folder / "trials.arrow"))
    assert metadata["provenance"]["command"] == "dfkd-ray sweep tiny.yaml --runner serial"
    assert metadata["provenance"]["runner"] == "serial"


def test_a_finished_study_that_is_resumed_says_what_it_found(story: Story) -> None:
    assert story.fetched.code == 0
    assert story.fetched.out.splitlines() == story.resumed.out.splitlines()[2:]


def test_stopped_and_resumed_it_found_what_it_finds_undisturbed(story: Story) -> None:
    assert story.undisturbed.code == 0
    straight = story.home / "straight"
    assert rows(straight, "steps") == rows(story.folder, "steps")
    told = ("trial", "state", "changes", "final", "value", "values", "fingerprint", "epochs")
    ours, theirs = (
        [{key: row[key] for key in told if key in row} for row in rows(f)] for f in (story.folder, straight)
    )
    assert ours == theirs
    (student,) = story.folder.glob("trials/*/student.safetensors")
    assert student.read_bytes() == (straight / student.relative_to(story.folder)).read_bytes()


def test_parquet_is_written_where_it_was_asked_for(story: Story) -> None:
    for table in ("trials", "steps"):
        read = pyarrow.parquet.read_table(story.folder / f"{table}.parquet")
        assert read.num_rows == tables.read(story.folder / f"{table}.arrow").num_rows
    assert not list((story.home / "straight").glob("*.parquet"))


ELSEWHERE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "ray", "optuna", "safetensors"):
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Blocked())
from dfkd_ray.cli import main
main()
"""


def test_the_page_is_built_again_where_neither_torch_nor_ray_nor_optuna_is(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "tiny"
    folder.mkdir(parents=True)
    for name in ("trials", "steps", "images"):
        (folder / f"{name}.arrow").write_bytes((story.folder / f"{name}.arrow").read_bytes())
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", ELSEWHERE, "report", "reports/tiny"]
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "wrote reports/tiny/report.html\n"), done.stderr
    assert (folder / "report.html").read_bytes() == (story.folder / "report.html").read_bytes()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Which temperature &amp; weight &lt;best&gt;?" in page


def test_the_page_of_a_trial_needs_no_torch_and_a_run_is_shown_as_distill_takes_it(
    story: Story, tmp_path: Path
) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", ELSEWHERE, "report", str(story.folder / "trials" / "0001")]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"wrote {story.folder}/trials/0001/report.html\n"), done.stderr
    best = History(ledger.read_records(story.folder / ledger.NAME)[0]).best()
    assert best is not None
    shown = dfkd("show", "reports/tiny", cwd=story.home)
    assert (shown.code, shown.err) == (0, "")
    head = [f"run: trial {best.number} of tiny, the best", "study: tiny", f"trial: {best.number}", "seed: 0"]
    assert shown.out.splitlines()[:4] == [f"# {line}" for line in head]
    (tmp_path / "again.yaml").write_text(shown.out, encoding="utf-8")
    assert config.fingerprint(config.load(str(tmp_path / "again.yaml"))) == best.fingerprint
    own = dfkd("show", f"reports/tiny/trials/{best.number:04d}", cwd=story.home)
    assert own.out == shown.out.partition("\n")[2]


def test_fresh_moves_the_old_study_aside_and_deletes_nothing(story: Story, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY.replace("trials: 3", "trials: 1"))
    old = tmp_path / "out"
    old.mkdir()
    for path in (story.home / "straight").glob("*.*"):
        (old / path.name).write_bytes(path.read_bytes())
    kept = {path.name: path.read_bytes() for path in old.iterdir()}
    words = ["sweep", "tiny.yaml", "--runner", "serial", "--out", "out"]
    assert "  budget.trials: 3 were asked for already, 1 here\n" in dfkd(*words, cwd=tmp_path).err
    done = dfkd(*words, "--fresh", cwd=tmp_path)
    assert done.code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out.old1").iterdir()} == kept
    assert [row["trial"] for row in rows(old)] == [0]


def test_options_of_ray_are_refused_without_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    for option in (["--address", "auto"], ["--concurrency", "2"], ["--isolate"]):
        done = dfkd("sweep", "tiny.yaml", "--runner", "serial", *option, cwd=tmp_path)
        assert done.code == 2
        assert f"{option[0]}: is for --runner ray" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_damaged_ledger_is_said_not_resumed(story: Story, tmp_path: Path) -> None:
    lines = (story.folder / ledger.NAME).read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"0", b"1", 1)
    (tmp_path / ledger.NAME).write_bytes(b"".join(lines))
    assert refused("resume", tmp_path).startswith(f"{tmp_path / ledger.NAME}:3: this record is damaged")
    (tmp_path / ledger.NAME).write_bytes(b"")
    assert refused("resume", tmp_path) == f"{tmp_path} holds no study to resume: ledger.jsonl is empty"


# ---- looking, not touching


def test_validate_and_plan_launch_nothing_and_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    monkeypatch.setattr("dfkd_ray.tune.launch.start", lambda *args, **options: pytest.fail("launched"))
    done = dfkd("validate", "tiny.yaml", cwd=tmp_path)
    assert done == (0, "tiny: 2 searched paths, method dfkd_fgvc, task gliders: valid\n", "")
    done = dfkd("plan", "tiny.yaml", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:2] == [
        "tiny: Which temperature & weight <best>?",
        "method dfkd_fgvc, task gliders, sampler random, stopper none",
    ]
    assert lines[2].startswith("noise between seeds: not known, ")
    assert lines[5] == "a trial: 2 epochs x 1 round, 2 source steps and 4 student steps of 4 images"
    assert lines[-1].startswith("3 trials, ")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_plan_is_of_the_trials_as_they_will_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the study's own changes, threads and seed, and the trials at a time that were asked for."""
    longer = STUDY.replace("schedule.epochs: 2", "schedule.epochs: 3")
    (tmp_path / "tiny.yaml").write_text(longer + "resources: {cpu: 2}\nseed: 5\n")
    asked: list[Any] = []

    def measured(work: Any, threads: int, seed: int, fuse: int) -> probe.StepSeconds:
        asked.append((work.method.schedule.batch, threads, seed, fuse))
        return probe.StepSeconds(10.0, 20.0, 30.0)

    monkeypatch.setattr("dfkd_ray.runs.probe.probe", measured)
    done = dfkd("plan", "tiny.yaml", "--concurrency", "3", cwd=tmp_path)
    assert asked == [(4, 2, 5, 1)]
    assert done.out.splitlines()[-1] == "3 trials, 3 at a time: at most 24 min of CPU, 4 min on the clock"
    done = dfkd("plan", "tiny.yaml", "--fuse", "3", "--runner", "serial", cwd=tmp_path)
    assert asked[1:] == [(4, 2, 5, 3)]
    last = "3 trials, 3 at a time, 3 in a process: at most 8 min of CPU, 4 min on the clock"
    assert done.out.splitlines()[-1] == last
    done = dfkd("plan", "tiny.yaml", "--fuse", "3", "--gpu", "2", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: resources: fuse 3 is for trials on one GPU, or a part of it, and gpu is 2\n"


@pytest.mark.parametrize("command", ["validate", "plan", "sweep"])
def test_every_mistake_of_a_file_at_once_with_its_line(command: str, tmp_path: Path) -> None:
    text = STUDY
    for old, new in {
        "task: gliders": "task: glider",
        "schedule.epochs": "schedule.epoch",
        "kd.temperature: {log: [1, 20]}": "kd.temperatur: {log: [1, 20]}",
        "high_order.weight: {log: [0.1, 100]}": "high_order.weight: {log: [-1, 100]}",
        "sampler: random": "sampler: radnom",
    }.items():
        text = text.replace(old, new)
    (tmp_path / "tiny.yaml").write_text(text)
    head, *lines = refused(command, "tiny.yaml", cwd=tmp_path).splitlines()
    assert head == "5 mistakes"
    wanted = ["task: glider", "epoch:", "temperatur:", "high_order.weight:", "radnom"]
    numbers = [next(i for i, line in enumerate(text.splitlines(), 1) if word in line) for word in wanted]
    assert [line.split(":")[:2] for line in lines] == [["  tiny.yaml", str(number)] for number in numbers]
    for line, near in zip(lines, ["gliders", "epochs", "temperature", None, "random"]):
        if near is not None:
            assert f"did you mean '{near}'?" in line
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_trial_that_fails_is_told_and_all_of_them_failing_ends_the_study(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY.replace("source.latent: 8", "source.doublings: 9"))
    done = dfkd("sweep", "tiny.yaml", "--runner", "serial", cwd=tmp_path)
    assert done.code == 3
    assert done.err.startswith("error: the first 3 trials have all failed alike, so the study was stopped ")
    assert "Traceback" not in done.err
    assert sum(line.startswith("trial ") and " failed: " in line for line in done.out.splitlines()) == 3
