"""The seam: one job is one run, whatever happens to it on the way."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from dfkd_ray import datasets, metrics, teachers
from dfkd_ray.datasets import gliders
from dfkd_ray.methods import config
from dfkd_ray.runs import distillation, evaluator, measures, preparing
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.stats import degenerate
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.tune.accidents import Accident
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import leaving
from dfkd_ray.util.errors import DataError, TrialFailed
from dfkd_ray.util.progress import displayed

SMALL: dict[str, Any] = {
    "source": {"name": "generator", "latent": 16, "width": 8, "attention": {"reduction": 2}},
    "schedule": {"epochs": 3, "rounds": 1, "source_steps": 2, "student_steps": 2, "batch": 8},
    "student.optimizer.lr": 0.1,
}
CHANGES: dict[str, Any] = {"student_loss.high_order.order": 2}


@pytest.fixture(scope="module", autouse=True)
def _few_images() -> Iterator[None]:
    """A few of the gliders, so that an evaluation is quick."""
    patch = pytest.MonkeyPatch()
    patch.setattr(gliders, "SPLITS", {"train": (48, 1), "val": (24, 2), "test": (24, 3)})
    patch.setattr(degenerate, "RULES", ())  # which images of six steps would break
    patch.setattr(measures, "HELD_OUT", 12)
    evaluator.real.cache_clear()
    threads = torch.get_num_threads()
    yield
    patch.undo()
    evaluator.real.cache_clear()
    torch.set_num_threads(threads)


def made(**fields: Any) -> Distillation:
    """A small method on gliders. Its best epoch is the first, since the rate falls: so the last is another."""
    method = config.change(config.load("dfkd_fgvc"), SMALL)
    work = prepare(method, "gliders", Options(device="cpu"))
    return replace(work, **{"metric": "lr/student", **fields})


def job(folder: Path | None, changes: Mapping[str, Any] = CHANGES, seed: int = 3) -> Job:
    return Job(0, changes, seed, None if folder is None else str(folder))


def facts(row: Row) -> dict[str, Any]:
    """A row without what depends on the clock and the machine."""
    return {key: value for key, value in vars(row).items() if key not in ("seconds", "peak_memory")}


def students(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def test_a_student_begins_as_its_method_says() -> None:
    work = made()
    runtime = Runtime("cpu")
    own, other, again = (
        work.open(config.change(work.method, {"student.init": init}), 3, runtime, torch.device("cpu")).student
        for init in (None, "xavier", "xavier")
    )
    before, weights, same = (dict(net.named_parameters()) for net in (own, other, again))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    convs = {name: weight for name, weight in weights.items() if weight.ndim == 4 and weight.numel() > 2000}
    assert convs
    for name, weight in convs.items():
        assert not torch.equal(weight, before[name])
        outputs, inputs, *kernel = weight.shape
        spread = (4 / ((inputs + outputs) * kernel[0] * kernel[1])) ** 0.5
        assert weight.std().item() == pytest.approx(spread, rel=0.1), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, _few_images: None) -> tuple[list[Row], dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    rows = list(made().epochs(job(folder)))
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.pt",
        "checkpoint_before.pt",
        "curve.json",
        "images_0001.webp",
        "images_0002.webp",
        "images_0003.webp",
        "run.json",
        "student.safetensors",
        "student_best.safetensors",
    ]
    return rows, students(folder)


# ---- rows


def test_a_row_an_epoch(undisturbed: tuple[list[Row], Any]) -> None:
    rows, _ = undisturbed
    assert made().max_epochs == 3
    assert [(row.epoch, row.last) for row in rows] == [(1, False), (2, False), (3, True)]
    assert [bool(row.final) for row in rows] == [False, False, True]
    seconds = [row.seconds for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    method = config.change(made().method, CHANGES)
    for row in rows:
        assert row.fingerprint == config.fingerprint(method)
        assert config.parse(row.method) == method
        assert row.device == "cpu"
        assert row.host
        assert row.peak_memory > 50 * 2**20, "bytes, not kilobytes"


def test_the_metrics_of_an_epoch_are_those_that_are_announced(undisturbed: tuple[list[Row], Any]) -> None:
    announced = set(preparing.reported(made().method)) - {*metrics.FOLLOWED["inverted"]}
    for row in undisturbed[0]:
        assert announced <= set(row.metrics)
        rest = set(row.metrics) - announced
        gauges = {f"loss/student/high_order/attention_{side}" for side in ("teacher", "student")}
        assert rest == {"lr/student", "loss/source/batchnorm/layers", *gauges}
        assert all(abs(value) < float("inf") for value in row.metrics.values())
        for share in ("val_accuracy", "agreement/source", "agreement/noise", "class_entropy/source"):
            assert 0 <= row.metrics[share] <= 1
    assert undisturbed[0][-1].metrics["lr/student"] == pytest.approx(0, abs=1e-9)


ENDS = [(kind, which) for kind in ("test", "relative") for which in ("last", "best")]


def test_what_is_taken_once_at_the_end(undisturbed: tuple[list[Row], Any]) -> None:
    rows, _ = undisturbed
    accuracies = [row.metrics["val_accuracy"] for row in rows]
    final = rows[-1].final
    accuracy = {"val_accuracy/median5", *(f"{kind}_accuracy/{which}" for kind, which in ENDS)}
    assert set(final) == {"best_epoch", *accuracy, "updates/student", "updates/source", "images/student"}
    assert final["best_epoch"] == 1
    assert final["val_accuracy/median5"] == pytest.approx(sorted(accuracies)[1])


def test_the_exported_students_have_the_reported_accuracies(undisturbed: tuple[list[Row], Any], tmp_path: Path) -> None:
    rows, files = undisturbed
    assert files["student.safetensors"] != files["student_best.safetensors"]
    task = datasets.load("gliders")
    part = datasets.split(task, "test")
    for name, key in {"student": "last", "student_best": "best"}.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(files[path.name])
        net = teachers.teacher(task, weights=path)  # a student is a net like any other
        accuracy = measures.quality(net, datasets.normalise(task, part.images), part.labels)["accuracy"]
        assert accuracy == pytest.approx(rows[-1].final[f"test_accuracy/{key}"])


def test_pictures_are_spread_over_the_epochs(undisturbed: tuple[list[Row], Any]) -> None:
    for row in undisturbed[0]:
        assert row.picture is not None
        picture = Image.open(io.BytesIO(row.picture))
        assert (picture.format, picture.size) == ("WEBP", (8 * 68, 4 * 68)), "32 images, doubled, with gaps between"
    assert [epoch for epoch in range(1, 41) if evaluator.pictured(epoch, 40)] == [1, 10, 20, 30, 40]
    assert [epoch for epoch in range(1, 3) if evaluator.pictured(epoch, 2)] == [1, 2]


# ---- the same bits


@pytest.mark.parametrize("closed_after", [1, 2, 3])
def test_a_job_that_was_closed_ends_in_the_same_bits_and_reports_all_rows(
    closed_after: int, undisturbed: tuple[list[Row], dict[str, bytes]], tmp_path: Path
) -> None:
    rows, files = undisturbed
    with closing(made().epochs(job(tmp_path))) as epochs:  # type: ignore[type-var]
        first = [next(epochs) for _ in range(closed_after)]
    again = list(pickle.loads(pickle.dumps(made())).epochs(job(tmp_path)))
    assert [facts(row) for row in again] == [facts(row) for row in rows]
    assert again[:closed_after] == first, "what was reported is reported again, with its seconds"
    assert [row.seconds for row in again] == sorted(row.seconds for row in again)
    assert students(tmp_path) == files
    assert list(made().epochs(job(tmp_path))) == again, "and once more, without any work"


def test_one_that_is_told_to_end_saves_between_two_rounds_and_ends_in_the_same_bits(
    undisturbed: tuple[list[Row], dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, files = undisturbed
    told = iter([None] * 2 + ["SIGTERM"] * 9)
    with monkeypatch.context() as patch:
        patch.setattr(leaving, "told", lambda: next(told))
        epochs = made().epochs(job(tmp_path))
        with pytest.raises(Accident, match=r"^told to leave, and has saved a checkpoint: SIGTERM$"):
            list(epochs)
    assert [facts(row) for row in made().epochs(job(tmp_path))] == [facts(row) for row in rows]
    assert students(tmp_path) == files


FRESH = """
import pickle, sys
from dfkd_ray.runs import measures
from dfkd_ray.datasets import gliders
from dfkd_ray.stats import degenerate
degenerate.RULES = ()
gliders.SPLITS, measures.HELD_OUT = {"train": (48, 1), "val": (24, 2), "test": (24, 3)}, 12
work, job = pickle.load(sys.stdin.buffer)
list(work.epochs(job))
"""


def test_a_process_that_has_run_another_job_runs_like_a_fresh_one(
    undisturbed: tuple[list[Row], dict[str, bytes]], tmp_path: Path
) -> None:
    """An actor that is used again carries nothing over."""
    _, files = undisturbed
    here, there = tmp_path / "here", tmp_path / "there"
    list(made().epochs(job(None, {"schedule.epochs": 1, "memory": "pool"}, seed=8)))
    list(made().epochs(job(here)))
    env = {"PYTHONPATH": str(Path(config.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    sent = pickle.dumps((made(), job(there)))
    subprocess.run([sys.executable, "-c", FRESH], input=sent, env=env, check=True)
    assert students(here) == students(there) == files


def test_rounds_are_told_as_they_are_done() -> None:
    told: list[object] = []

    @contextmanager
    def display(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        told.append((title, total, unit))
        yield told.append

    plan = made().resolve(CHANGES).schedule
    count = plan.epochs * plan.rounds
    with displayed(display):
        list(made().epochs(job(None)))
    assert told == [("rounds", count, "rounds"), *range(count)]


def test_another_seed_is_another_run(undisturbed: tuple[list[Row], Any]) -> None:
    row = next(iter(made().epochs(job(None, seed=4))))
    assert row.metrics != undisturbed[0][0].metrics
    assert row.fingerprint == undisturbed[0][0].fingerprint


def test_evaluation_changes_no_bit(undisturbed: tuple[list[Row], dict[str, bytes]], tmp_path: Path) -> None:
    patch = pytest.MonkeyPatch()
    with patch.context() as quiet:
        quiet.setattr(Distillation, "evaluate", lambda self, run: {"val_accuracy": 0.0})
        quiet.setattr(evaluator.Evaluator, "metrics", lambda self: {"val_accuracy": 0.0})
        quiet.setattr(evaluator.Evaluator, "picture", lambda self: None)
        list(made().epochs(job(tmp_path)))
    assert students(tmp_path)["student.safetensors"] == undisturbed[1]["student.safetensors"]


# ---- what is looked at, and when


def test_the_test_split_is_looked_at_once_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = evaluator.real
    monkeypatch.setattr(distillation, "real", lambda task, which, *how: asked.append(which) or real(task, which, *how))
    seen = []
    for row in made().epochs(job(None)):
        seen.append(("test" in asked, row.last))
    assert seen == [(False, False), (False, False), (True, True)]
    assert asked == ["val", "val", "val", "test"]


def test_the_test_split_chooses_nothing(undisturbed: tuple[list[Row], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    real = evaluator.real

    def shuffled(task: datasets.Task, which: Any, *how: Any) -> Any:
        images, labels = real(task, which, *how)  # type: ignore[misc]
        return datasets.Split(images, labels.flip(0)) if which == "test" else datasets.Split(images, labels)

    monkeypatch.setattr(distillation, "real", shuffled)
    rows = list(made().epochs(job(None)))
    assert [row.metrics for row in rows] == [row.metrics for row in undisturbed[0]]
    same = {key: value for key, value in rows[-1].final.items() if not key.startswith(("test_", "relative_"))}
    assert same == {key: value for key, value in undisturbed[0][-1].final.items() if key in same}


def test_images_that_were_sent_are_not_looked_for(
    undisturbed: tuple[list[Row], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = made()
    sent = {which: images for which in ("val", "test") if (images := work.real(which)) is not None}
    assert len(sent) == 2
    monkeypatch.setattr(distillation, "real", lambda *asked: None)
    rows = list(replace(work, sent=sent).epochs(job(None)))
    assert [row.metrics for row in rows] == [row.metrics for row in undisturbed[0]]
    assert rows[-1].final == undisturbed[0][-1].final


def test_a_machine_without_the_images_that_a_study_began_with_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its trials would end without a validation accuracy, and nobody would know why."""
    monkeypatch.setattr(distillation, "real", lambda *asked: None)
    monkeypatch.setattr("platform.node", lambda: "node7")
    work = replace(made(), images={"val": "abc", "test": None})
    said = r"^node7 has no images of gliders \(val\), which the study began with: --data says a path that each machine"
    with pytest.raises(DataError, match=said):
        next(work.epochs(job(None)))
    assert work.real("test") is None


def test_the_best_epoch_is_that_of_the_studys_metric() -> None:
    rows = list(made(metric="kl/source", sign=-1.0).epochs(job(None)))
    values = [row.metrics["kl/source"] for row in rows]
    assert rows[-1].final["best_epoch"] == 1 + values.index(min(values))


def test_every_number_that_a_trial_tells_has_a_row(undisturbed: tuple[list[Row], Any]) -> None:
    rows, _ = undisturbed
    told = {name: "epoch" for row in rows for name in row.metrics} | dict.fromkeys(rows[-1].final, "end")
    known = {row.name: row.when for row in metrics.ROWS}
    assert {name: when for name, when in told.items() if not name.startswith(metrics.LOSS)}.items() <= known.items()
    costs = {name for name, when in known.items() if when == "cost"}
    assert costs <= vars(rows[-1]).keys()


def test_without_any_real_image_there_are_data_free_metrics(tmp_path: Path) -> None:
    task = replace(datasets.load("gliders"), name="unseen", reader="npz")
    rows = list(made(task=task, metric="agreement/source").epochs(job(tmp_path, {"schedule.epochs": 1})))
    data_free = {row.name for row in metrics.ROWS if row.data_free}
    assert data_free - {metrics.ASKED, *metrics.FOLLOWED["inverted"]} <= set(rows[-1].metrics), (
        "its source asks for no class"
    )
    assert not any("accuracy" in key for row in rows for key in (*row.metrics, *row.final))
    assert set(students(tmp_path)) == {"student.safetensors", "student_best.safetensors"}


def test_data_that_should_be_there_and_is_not_is_an_error(tmp_path: Path) -> None:
    task = replace(datasets.load("gliders"), reader="npz")
    with pytest.raises(DataError, match=str(tmp_path)):
        next(iter(made(task=task, options=Options(data=str(tmp_path / "none.npz"))).epochs(job(None))))


# ---- what goes wrong


def test_with_damaged_checkpoints_it_begins_anew_and_ends_in_the_same_bits(
    undisturbed: tuple[list[Row], dict[str, bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("checkpoint.pt", "checkpoint_before.pt"):
        (tmp_path / name).write_bytes(b"\x00" * 100)
    rows = list(made().epochs(job(tmp_path)))
    assert [facts(row) for row in rows] == [facts(row) for row in undisturbed[0]]
    assert students(tmp_path) == undisturbed[1]
    assert capsys.readouterr().err.count("a damaged checkpoint, removed") == 2


def test_a_checkpoint_of_another_trial_is_refused(tmp_path: Path) -> None:
    with closing(made().epochs(job(tmp_path))) as epochs:  # type: ignore[type-var]
        next(epochs)
    with pytest.raises(
        DataError, match=r"a checkpoint of another run: fingerprint [0-9a-f]{16} there, [0-9a-f]{16} here"
    ):
        next(iter(made().epochs(job(tmp_path, {"student_loss.high_order.order": 1}))))


def test_a_run_that_diverges_fails_its_trial() -> None:
    with pytest.raises(TrialFailed, match=r"not finite: .*loss/student"):
        list(made().epochs(job(None, {"student.optimizer.lr": 1e30})))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory.\nTried ..."), MemoryError()])
def test_where_memory_is_not_enough_it_is_said_what_takes_less(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(run: Run, leave: object) -> Iterator[Any]:
        raise error
        yield

    monkeypatch.setattr("dfkd_ray.runs.distillation.distill", exhausted)
    told = "CUDA out of memory." if str(error) else "of the host"
    message = (
        "not enough memory for batches of 8 images of 3 x 32 x 32: --set schedule.batch=4 takes less, "
        rf"as do --precision mixed and smaller nets \({told}\)"
    )
    with pytest.raises(MemoryError, match=f"^{message}$"):
        next(made().epochs(job(None)))
    (found,) = made().fused([job(None)]).step().values()
    assert ", and a smaller --fuse (" in str(found)


def test_weights_that_do_not_fit_are_a_data_error() -> None:
    with pytest.raises(DataError, match="the teacher of gliders does not fit the net"):
        next(iter(made().epochs(job(None, {"teacher.arch": "resnet20"}))))


def test_a_job_without_a_folder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {"schedule.epochs": 1}
    list(made().epochs(job(None, changes)))
    assert list(tmp_path.iterdir()) == []


def test_the_work_travels_without_files() -> None:
    work = made()
    sent = pickle.dumps(work)
    back = pickle.loads(sent)
    assert back.teacher_digest == work.teacher_digest
    assert (back.method, back.task, back.runtime) == (work.method, work.task, work.runtime)
    assert len(sent) < 2**20
    other = dict(work.weights)
    other["linear.bias"] = other["linear.bias"] + 1
    assert replace(work, weights=other).teacher_digest != work.teacher_digest


def test_a_jobs_threads_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    for threads, own in ((3, 2), (0, 2)):
        work = made(options=Options(device="cpu", threads=own))
        with closing(work.epochs(replace(job(None), threads=threads))) as epochs:  # type: ignore[type-var]
            next(epochs)
    assert asked == [3, 2], "those of the job, else those of the runtime"
