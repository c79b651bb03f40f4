"""What becomes of the trials of a study: its winner, one of its trials, an arm, each taken as a run; from anywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from dfkd_ray import nets
from dfkd_ray.methods import config
from dfkd_ray.runs import experiment
from dfkd_ray.runs.card import RunCard
from dfkd_ray.runs.export import cost
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import tables
from tests.cli.commands import TINY, Done, dfkd, interrupted, refused, sets
from tests.report.packed import unpacked

MINE = "\n".join(
    ["schedule: {epochs: 2, rounds: 1, student_steps: 2, batch: 4}", "student_loss: {kd: {temperature: 4}}"]
)
SWEEP = """study: mine
method: mine.yaml
task: gliders
objective: {metric: val_accuracy}
search:
  student_loss.kd.temperature: {log: [1, 20]}
sampler: random
budget: {trials: 3}
"""
ABLATION = """study: parts
method: mine.yaml
task: gliders
objective: {metric: val_accuracy}
arms:
  soft: {student_loss.kd.temperature: 8}
  hard: {student_loss.kd.temperature: 1}
seeds: 2
"""
SERIAL = ("--runner", "serial")


class Home(NamedTuple):
    place: Path
    sweep: Path
    ablation: Path


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.01)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A sweep that was interrupted and resumed from elsewhere when its method's file was gone, and an ablation."""
    place = tmp_path_factory.mktemp("home")
    for name, text in {"mine.yaml": MINE, "sweep.yaml": SWEEP, "parts.yaml": ABLATION}.items():
        (place / name).write_text(text)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert dfkd("ablate", place / "parts.yaml", *SERIAL, "--out", place / "parts", cwd=elsewhere).code == 0
    with interrupted(saves=4):
        assert dfkd("sweep", place / "sweep.yaml", *SERIAL, "--out", place / "out", cwd=elsewhere).code == 130
    (place / "mine.yaml").unlink()
    done = dfkd("resume", place / "out", cwd=elsewhere)
    assert (done.code, done.err) == (0, "")
    return Home(place, place / "out", place / "parts")


def history(folder: Path) -> History:
    return History(read_records(folder / NAME)[0])


def best(folder: Path) -> int:
    found = history(folder).best()
    assert found is not None
    return found.number


def test_a_study_goes_on_with_its_method_as_it_was_wherever_one_stands(home: Home) -> None:
    rows = tables.read(home.sweep / "trials.arrow").to_pylist()
    assert [row["state"] for row in rows] == ["complete"] * 3
    for row in rows:
        method = config.parse(json.loads(row["method"]))
        assert method.schedule.batch == 4
        assert (
            method.student_loss.parts["kd"].term.temperature
            == json.loads(row["changes"])["student_loss.kd.temperature"]
        )


def test_what_has_won_goes_on_to_evaluate_and_export(home: Home, tmp_path: Path) -> None:
    number = best(home.sweep)
    done = dfkd("evaluate", home.sweep, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"trial {number} of mine, the best"
    assert lines[1].startswith(
        "gliders, 24 images of split test: student resnet8 (student.safetensors), teacher resnet8"
    )
    assert lines[-1] == f"page: {home.sweep}/trials/{number:04d}/evaluation-last/evaluation.html"
    done = dfkd("export", home.sweep, "--to", "safetensors", "--which", "best", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    folder = home.sweep / "trials" / f"{number:04d}" / "export-best"
    assert f"wrote {folder / f'mine-trial{number}-resnet8-best.safetensors'}: " in done.out
    assert list(tmp_path.iterdir()) == []


def test_a_trials_own_folder_is_a_run_like_that_of_a_distill(home: Home, tmp_path: Path) -> None:
    folder = home.sweep / "trials" / f"{best(home.sweep):04d}"
    by_itself = dfkd(
        "distill", "noise_kd", *sets({k: v for k, v in TINY.items() if k.startswith("schedule")}), cwd=tmp_path
    )
    assert by_itself.code == 0
    alone = tmp_path / "reports" / "noise_kd-gliders-seed0" / "trials" / "0000"
    names = {p.name for p in folder.iterdir() if p.is_file()} - {"images_0002.webp"}
    assert names == {p.name for p in alone.iterdir()} - {"images_0002.webp", "images_0003.webp"}
    assert json.loads((folder / "run.json").read_text()).keys() == json.loads((alone / "run.json").read_text()).keys()
    done = dfkd("evaluate", folder, "--out", tmp_path / "e")
    assert done.code == 0
    assert done.out.startswith("gliders, 24 images of split test")


def test_one_trial_and_one_arm(home: Home, tmp_path: Path) -> None:
    number = best(home.sweep)
    others = [trial for trial in range(3) if trial != number]
    assert refused("export", home.sweep, "--to", "safetensors", "--trial", others[0]) == (
        f"{home.sweep}: trial {others[0]} (complete) keeps no student; that of trial {number} is there"
    )
    words = ["export", home.ablation, "--to", "safetensors", "--arm", "hard", "--seed", "1", "--out", tmp_path / "hard"]
    done = dfkd(*words)
    wanted = next(t for t in history(home.ablation).trials.values() if (t.arm, t.seed) == ("hard", 1))
    assert done.out.splitlines()[0] == f"trial {wanted.number} of parts, hard, seed 1"
    card = RunCard.read(home.ablation / "trials" / f"{wanted.number:04d}")
    assert (card.arm, card.seed, card.method.student_loss.parts["kd"].term.temperature) == ("hard", 1, 1)
    assert [p.name for p in (tmp_path / "hard").glob("*.safetensors")] == [
        f"parts-trial{wanted.number}-resnet8-last.safetensors"
    ]
    assert refused("export", home.ablation, "--to", "safetensors", "--arm", "hard") == (
        "which trial of hard? --seed 0, 1"
    )


def test_a_student_is_used_when_all_else_is_gone(home: Home, tmp_path: Path) -> None:
    folder = home.sweep / "trials" / f"{best(home.sweep):04d}"
    alone = shutil.copy(folder / "student.safetensors", tmp_path / "winner.safetensors")
    done = dfkd("export", "--weights", alone, "--to", "safetensors", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    made = tmp_path / "reports" / "export-winner" / "winner.safetensors"
    assert f"wrote {made.relative_to(tmp_path)}: " in done.out
    with safe_open(alone, "pt") as file:
        told = json.loads(file.metadata()["dfkd_ray"])
    card = RunCard.read(folder)
    assert told["student_of"]["fingerprint"] == card.fingerprint
    assert json.loads(made.with_suffix(".json").read_text())["student_of"] == told["student_of"]


def test_a_small_try_needs_no_copy_and_stands_in_the_ledger(home: Home, tmp_path: Path) -> None:
    (home.place / "mine.yaml").write_text(MINE)
    done = small("sweep", home.place / "sweep.yaml", tmp_path / "a", "--trials", "1", "--epochs", "1")
    assert done.code == 0
    again = small("ablate", home.place / "parts.yaml", tmp_path / "b", "--seeds", "2", "--set", "schedule.epochs=1")
    assert again.code == 0
    for folder, trials in ((tmp_path / "a", 1), (tmp_path / "b", 4)):
        told = history(folder)
        assert len(told.trials) == trials
        assert told.study.fixed == {"schedule.epochs": 1}
        assert {trial.epoch for trial in told.trials.values()} == {1}
    words = ["sweep", home.place / "sweep.yaml", *SERIAL]
    assert "student_loss.kd.temperatur" in refused(*words, "--set", "student_loss.kd.temperatur=2")
    assert "is under `search` as well" in refused(*words, "--set", "student_loss.kd.temperature=2")


def small(command: str, file: Path, out: Path, *words: str) -> Done:
    return dfkd(command, file, *SERIAL, "--out", out, *words)


def test_a_study_in_another_precision_is_another_study(home: Home) -> None:
    assert refused("resume", home.sweep, "--precision", "bfloat16") == (
        "mine was begun in float32: its trials cannot be compared with others in bfloat16, which would be a study of "
        "its own"
    )


def test_a_shipped_study_by_its_path_outside_of_a_checkout(tmp_path: Path) -> None:
    assert refused("sweep", "search_spaces/mhad.yaml", cwd=tmp_path) == (
        "search_spaces/mhad.yaml: there is no such file; the shipped study is called 'mhad' alone"
    )
    assert refused("sweep", "search_spaces/mine.yaml", cwd=tmp_path) == (
        "search_spaces/mine.yaml: there is no such file"
    )


# ---- the same experiment, or none


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The folder of a sweep that was interrupted in its second trial; its method's file is `mine.yaml` beside it."""
    for name, text in {"mine.yaml": MINE, "sweep.yaml": SWEEP}.items():
        (tmp_path / name).write_text(text)
    with interrupted(saves=4):
        assert dfkd("sweep", "sweep.yaml", *SERIAL, "--out", "out", cwd=tmp_path).code == 130
    return tmp_path / "out"


def prints(folder: Path) -> list[str]:
    """The first letters of the digests of the method before and after its batch was edited."""
    own = config.load(str(folder.parent / "mine.yaml"))
    return [config.fingerprint(config.change(own, {"schedule.batch": batch}))[:12] for batch in (4, 8)]


def batches(folder: Path) -> list[int]:
    rows = tables.read(folder / "trials.arrow").to_pylist()
    return [config.parse(json.loads(row["method"])).schedule.batch for row in rows]


def marks(folder: Path) -> list[str | None]:
    found: list[str | None] = tables.read(folder / "trials.arrow")["changed"].to_pylist()
    return found


def test_an_edited_method_is_refused_with_both_digests(stopped: Path) -> None:
    mine = stopped.parent / "mine.yaml"
    before, (old, new) = (stopped / NAME).read_bytes(), prints(stopped)
    mine.write_text(MINE.replace("batch: 4", "batch: 8"))
    assert refused("resume", stopped).splitlines() == [
        f"{stopped} was begun as another experiment:",
        f"  the method {mine}: {old} there, {new} here; schedule.batch 4 there, 8 here",
        "bring back what it was begun with (a file to its place, --weights, --data), or go on all the same with "
        "--accept-changes, which marks every later trial",
    ]
    assert (stopped / NAME).read_bytes() == before
    mine.write_text(MINE.replace("temperature: 4", "temperature: 2") + "\n# a word")
    assert refused("resume", stopped).splitlines()[1].endswith("student_loss.kd.temperature 4.0 there, 2.0 here")
    mine.write_text(MINE + "\n# a word changes no method")
    assert dfkd("resume", stopped).code == 0
    assert marks(stopped) == [None] * 3


def test_a_job_that_is_tried_again_goes_on_from_wherever_its_files_are_now(stopped: Path) -> None:
    there = stopped.parent / "another session"
    there.mkdir()
    for name in ("mine.yaml", "sweep.yaml"):
        (stopped.parent / name).rename(there / name)
    again = ("sweep", "sweep.yaml", *SERIAL, "--out", stopped, "--continue")
    for edited, told in ((("batch: 4", "batch: 8"), "schedule.batch: 4 there, 8 here"), (("", ""), "")):
        (there / "mine.yaml").write_text(MINE.replace(*edited))
        if told:
            assert refused(*again, cwd=there).splitlines() == [
                f"{stopped} holds another study than this:",
                f"  methods.mine.yaml.{told}",
                f"name another folder with --out, or go on with what it holds: dfkd-ray resume {stopped} "
                "(or start afresh with --fresh, which moves it aside)",
            ]
    done = dfkd(*again, cwd=there)
    assert (done.code, marks(stopped)) == (0, [None] * 3), done
    before = (stopped / NAME).read_bytes()
    once_more = dfkd(*again, cwd=there)
    assert once_more.code == 0
    assert "3 complete" in once_more.out
    assert (stopped / NAME).read_bytes().startswith(before)
    with (there / "sweep.yaml").open("a") as file:
        file.write("\ntrack: optuna\n")
    assert dfkd(*again, cwd=there).code == 0, "a tracker makes no other study"
    assert (stopped / "optuna.db").exists()
    told = refused(*again[:2], *SERIAL, "--out", stopped, "--trials", "2", "--continue", cwd=there)
    assert told.splitlines()[1] == "  budget.trials: 3 were asked for already, 2 here"


def test_to_go_on_needs_no_study_that_is_there(tmp_path: Path) -> None:
    for name, text in {"mine.yaml": MINE, "sweep.yaml": SWEEP}.items():
        (tmp_path / name).write_text(text)
    words = ("sweep", "sweep.yaml", *SERIAL, "--out", "out", "--trials", "1", "--continue")
    assert refused(*words, "--fresh", cwd=tmp_path) == "--continue: goes on with what --fresh moves aside"
    assert dfkd(*words, cwd=tmp_path).code == 0
    told = refused("resume", tmp_path / "out", "--continue")
    assert told == f"resume goes on in {tmp_path}/out: --out, --fresh and --continue are for `sweep` and `ablate`"


def test_a_job_of_ray_leaves_nothing_in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    for name, text in {"mine.yaml": MINE, "sweep.yaml": SWEEP}.items():
        (tmp_path / name).write_text(text)
    assert refused("sweep", "sweep.yaml", *SERIAL, cwd=tmp_path).endswith(
        " would go with this Ray job: say --out with an absolute path on a disk that stays, or a URI"
    )


def test_accepted_changes_are_run_and_marked_in_tables_page_and_terminal(stopped: Path) -> None:
    mine, (old, new) = stopped.parent / "mine.yaml", prints(stopped)
    mine.write_text(MINE.replace("batch: 4", "batch: 8"))
    with interrupted(saves=2):
        halted = dfkd("resume", stopped, "--accept-changes")
    mark = f"the method {mine} ({old}, now {new})"
    said = f"every trial from here on is marked, since it is run with other inputs: {mark}"
    assert halted.code == 130
    assert halted.out.splitlines()[0] == said
    done = dfkd("resume", stopped)
    assert (done.code, done.err) == (0, ""), "what was accepted once is not asked for again"
    assert done.out.splitlines()[0] == said
    assert marks(stopped) == [None, mark, mark]
    assert [batches(stopped)[0], batches(stopped)[2]] == [4, 8]
    page = (stopped / "report.html").read_text(encoding="utf-8")
    assert page.count(mark) == 1, "at the head"
    (inputs,) = (own for own in json.loads(unpacked(page, "trials-data"))["columns"] if own["name"] == "Inputs")
    assert inputs["values"] == ["as begun", mark, mark]
    mine.write_text(MINE)
    assert f"{new} there, {old} here" in refused("resume", stopped)
    mine.unlink()
    assert dfkd("resume", stopped).code == 0, "the ledger has the method that was accepted, too"


def test_another_teacher_under_the_same_path_is_another_experiment(tmp_path: Path) -> None:
    weights = tmp_path / "t.safetensors"
    save_file(nets.build("resnet8", 12).state_dict(), weights)
    for name, text in {"mine.yaml": MINE, "sweep.yaml": SWEEP}.items():
        (tmp_path / name).write_text(text)
    with interrupted(saves=4):
        assert dfkd("sweep", "sweep.yaml", *SERIAL, "--weights", weights, "--out", "out", cwd=tmp_path).code == 130
    (old,) = {card["teacher_digest"][:12] for card in cards(tmp_path / "out")}
    save_file(nets.build("resnet8", 12).state_dict(), weights)
    said = refused("resume", tmp_path / "out").splitlines()[1]
    assert said.startswith(f"  the teacher: {old} (resnet8, {weights}) there, ")
    assert dfkd("resume", tmp_path / "out", "--accept-changes").code == 0
    assert [mark is None for mark in marks(tmp_path / "out")] == [True, False, False]


def cards(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("trials/*/run.json")]


def test_other_versions_are_said_in_one_line(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_here, now = experiment.versions()["torch"], {**experiment.versions(), "torch": "9.9"}
    monkeypatch.setattr(experiment, "versions", lambda: now)
    done = dfkd("resume", stopped)
    assert done.code == 0
    assert done.err == (
        f"warning: {stopped} was begun with other versions (torch {torch_here} there, 9.9 here: results may "
        "differ in their last bits)\n"
    )
