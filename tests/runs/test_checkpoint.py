"""What outlives a killed trial."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytest
import torch

from dfkd_ray import datasets
from dfkd_ray.methods import config
from dfkd_ray.runs.card import RunCard
from dfkd_ray.runs.checkpoint import CHECKPOINT, CURVE, Checkpoint
from dfkd_ray.teachers.weights import read_card, read_weights
from dfkd_ray.tune.work import Row
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.folders import STUDENTS
from dfkd_ray.util.sealed import sealed_write
from tests.tiny import CPU, differing, flat, opened, small, toy, walked

NAN = math.nan
INPUTS = {"teacher": "t", "task": "k", "images to val": None, "images to test": "i"}
CARD = RunCard(
    study="demo",
    trial=0,
    arm=None,
    seed=3,
    changes={},
    method=config.load("noise_kd"),
    task=datasets.load("gliders"),
    teacher_digest="d",
    metric="val_accuracy",
    data=None,
    versions={},
)


def noted(values: list[float], sign: float = 1.0, metric: str = "val_accuracy") -> Checkpoint:
    checkpoint = Checkpoint(opened(small()), None)
    for epoch, value in enumerate(values, start=1):
        with torch.no_grad():
            checkpoint.run.student.head.bias.fill_(epoch)  # type: ignore[union-attr]
        checkpoint.note(epoch, {metric: value}, metric, sign)
    return checkpoint


@pytest.mark.parametrize(("metric", "best"), [("agreement/source", 2), ("val_accuracy", 1)])
def test_degenerate_images_make_no_best_student_of_a_data_free_metric(metric: str, best: int) -> None:
    checkpoint = Checkpoint(opened(small()), None)
    for epoch, (value, entropy) in enumerate([(1.0, 0.0), (0.7, 0.9), (0.9, 0.0), (0.6, 0.9)], start=1):
        checkpoint.note(epoch, {metric: value, "class_entropy/source": entropy}, metric, 1)
    assert checkpoint.best_epoch == best


@pytest.mark.parametrize(
    ("values", "sign", "best"),
    [
        ([0.1, 0.5, 0.3], 1, 2),
        ([0.1, 0.5, 0.3], -1, 1),
        ([0.5, 0.5], 1, 1),
        ([NAN, 0.1, NAN], 1, 2),
        ([NAN, NAN], 1, 2),
        ([-1.0, -0.5], 1, 2),
    ],
)
def test_the_best_student_is_kept_as_it_was(values: list[float], sign: float, best: int) -> None:
    checkpoint = noted(values, sign)
    assert checkpoint.best_epoch == best
    assert checkpoint.best["head.bias"].unique().item() == best
    assert len(checkpoint.curve) == len(values)


def test_the_curve_is_that_of_the_validation_accuracy_whatever_chooses() -> None:
    checkpoint = noted([1.0, 0.5], sign=-1, metric="kl/source")
    assert checkpoint.best_epoch == 2
    assert all(map(math.isnan, checkpoint.curve))


def kept(folder: Path, seed: int = 0, epochs: int = 2) -> Checkpoint:
    """A checkpoint that has saved `epochs` epochs of a run."""
    checkpoint = Checkpoint(opened(small(), seed=seed), folder, INPUTS)
    for epoch in walked(checkpoint.run, epochs):
        checkpoint.note(epoch.number, {"val_accuracy": 1 / epoch.number}, "val_accuracy", 1)
        row = Row(epoch.number, 0.5 * epoch.number, {"a": 1.0}, picture=b"\x00\xff", method={"x": [1, None, "y"]})
        checkpoint.save(row)
    return checkpoint


def test_everything_is_found_again(tmp_path: Path) -> None:
    first = kept(tmp_path / "new" / "folder")
    second = Checkpoint(opened(small(), student=toy(9, dropout=0.3)), tmp_path / "new" / "folder", INPUTS)
    assert second.restore(CPU) == first.rows == second.rows
    assert (second.best_epoch, second.best_value, second.curve) == (1, 1.0, [1.0, 0.5])
    assert second.seconds == 1.0
    assert not differing(second.run.state_dict(), first.run.state_dict())
    assert not differing(second.best, first.best)
    folder = tmp_path / "new" / "folder"
    names = [CHECKPOINT, "checkpoint_before.pt", CURVE, "images_0001.webp", "images_0002.webp"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert [(row["epoch"], row["metrics"]) for row in json.loads((folder / CURVE).read_text())] == [
        (1, {"a": 1.0}),
        (2, {"a": 1.0}),
    ]
    assert (folder / "images_0002.webp").read_bytes() == b"\x00\xff"


def test_without_a_folder_or_a_checkpoint_there_is_nothing_to_find(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        checkpoint = Checkpoint(opened(small()), folder)
        before = flat(checkpoint.run.state_dict())
        assert checkpoint.restore(CPU) == []
        assert checkpoint.seconds == 0
        assert not differing(checkpoint.run.state_dict(), before)
    Checkpoint(opened(small()), None).export(CARD, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["empty", "garbage", "half", "another thing", "another dictionary", "no seal"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = kept(tmp_path)
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    if damage == "another thing":
        torch.save([1, 2], path)
    elif damage == "another dictionary":
        torch.save({"state_dict": {}}, path)
    else:
        broken = {"empty": b"", "garbage": b"garbage" * 99, "half": whole[: len(whole) // 2], "no seal": whole[:-80]}
        path.write_bytes(broken[damage])
    assert Checkpoint(opened(small()), tmp_path).restore(CPU) == first.rows[:1]
    said = "a damaged checkpoint, removed"
    assert capsys.readouterr().err == f"warning: {path}: {said}: the one before it goes on, to the same end\n"
    older = tmp_path / "checkpoint_before.pt"
    older.write_bytes(b"garbage")
    assert Checkpoint(opened(small()), tmp_path).restore(CPU) == []
    assert capsys.readouterr().err == f"warning: {older}: {said}: it begins anew, to the same end\n"
    assert not list(tmp_path.glob("checkpoint*"))


@pytest.mark.usefixtures("no_fsync")
def test_whatever_bit_of_a_checkpoint_flips_the_run_ends_in_the_same_bits(tmp_path: Path) -> None:
    """Positions all over the file, and its first and last bytes: the zip, the pickle, the tensors, the seal. What was
    restored is in each case the state before, bit for bit; in every eighth it also goes on to the end."""
    straight = kept(tmp_path / "straight", epochs=3).run.state_dict()
    before = flat(kept(tmp_path / "before", epochs=1).run.state_dict())
    kept(tmp_path / "cut")
    files = {path.name: path.read_bytes() for path in (tmp_path / "cut").glob("checkpoint*")}
    size, draw = len(files[CHECKPOINT]), random.Random(0)
    places = [*range(4), *range(size - 90, size, 6), *(draw.randrange(size) for _ in range(12))]
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, held in files.items():
            (folder / name).write_bytes(held)
        broken = bytearray(files[CHECKPOINT])
        broken[place] ^= 1 << draw.randrange(8)
        (folder / CHECKPOINT).write_bytes(broken)
        again = Checkpoint(opened(small()), folder)
        assert [row.epoch for row in again.restore(CPU)] == [1], f"byte {place}"
        assert not differing(again.run.state_dict(), before), f"byte {place}"
        if number % 8:
            continue
        for epoch in walked(again.run):
            again.note(epoch.number, {"val_accuracy": 1 / epoch.number}, "val_accuracy", 1)
            if epoch.number == 3:
                break
        assert not differing(again.run.state_dict(), straight)


def test_a_checkpoint_that_calls_code_is_refused(tmp_path: Path) -> None:
    class Sly:
        def __reduce__(self) -> Any:
            return (Path.mkdir, (tmp_path / "was_here",))

    with sealed_write(tmp_path / CHECKPOINT) as file:
        torch.save({"of": Sly()}, file)
    with pytest.raises(UnpicklingError):
        Checkpoint(opened(small()), tmp_path).restore(CPU)
    assert not (tmp_path / "was_here").exists()


@pytest.mark.parametrize(
    ("changes", "seed", "inputs", "message"),
    [
        ({"schedule.epochs": 9}, 0, {}, "fingerprint [0-9a-f]{16} there, [0-9a-f]{16} here"),
        ({}, 1, {}, "seed 0 there, 1 here"),
        ({}, 0, {"teacher": "u"}, "teacher t there, u here"),
        ({}, 0, {"task": "l", "images to val": "j"}, "task k there, l here; images to val None there, j here"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    changes: dict[str, Any], seed: int, inputs: dict[str, str], message: str, tmp_path: Path
) -> None:
    kept(tmp_path, epochs=1)
    again = Checkpoint(opened(small(changes), seed=seed), tmp_path, {**INPUTS, **inputs})
    with pytest.raises(DataError, match=f"{CHECKPOINT}: a checkpoint of another run: {message}$"):
        again.restore(CPU)


def test_of_accepted_inputs_the_seed_alone_has_to_be_the_same(tmp_path: Path) -> None:
    kept(tmp_path, epochs=1)
    others = dict.fromkeys(INPUTS, "another")
    run = opened(small({"schedule.batch": 6}))
    assert len(Checkpoint(run, tmp_path, others, accepted=True).restore(CPU)) == 1
    with pytest.raises(DataError, match="a checkpoint of another run: seed 0 there, 1 here"):
        Checkpoint(opened(small(), seed=1), tmp_path, INPUTS, accepted=True).restore(CPU)


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = kept(tmp_path, epochs=1)

    def fail(state: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        checkpoint.save(Row(2, 1.0, {}))
    monkeypatch.undo()
    assert [row.epoch for row in Checkpoint(opened(small()), tmp_path, INPUTS).restore(CPU)] == [1]


def test_the_students_can_be_loaded_by_anybody(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    checkpoint = kept(tmp_path)
    checkpoint.export(CARD, {"test_accuracy/last": 0.5})
    for name, state in {"student": checkpoint.run.student.state_dict(), "student_best": checkpoint.best}.items():
        assert not differing(load_file(tmp_path / f"{name}.safetensors"), dict(state))
    toy(5).load_state_dict(load_file(tmp_path / "student.safetensors"))
    told = {which: read_card(tmp_path / name) for which, name in STUDENTS.items()}
    assert told["last"] is not None
    assert told["best"] is not None
    assert told["last"]["accuracy"] == {"test": 0.5}
    assert "accuracy" not in told["best"], "of it nothing was measured"
    assert [card["student_of"]["which"] for card in told.values() if card] == ["last", "best"]
    assert (told["last"]["task"], told["last"]["arch"], len(told["last"]["class_names"])) == ("gliders", "resnet8", 12)


def test_any_flipped_bit_of_a_student_is_told(tmp_path: Path) -> None:
    """One in the mark of its seal apart, of which nothing is read."""
    kept(tmp_path).export(CARD, {"test_accuracy/last": 0.5})
    path = tmp_path / STUDENTS["last"]
    whole, draw = path.read_bytes(), random.Random(0)
    mark = whole.index(b"sealed-sha256:")
    for place in [*range(0, 9), *(draw.randrange(len(whole)) for _ in range(60))]:
        if not mark <= place < mark + 14:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :])
            for read in (read_weights, read_card):
                with pytest.raises(
                    DataError, match=rf"^{path}: damaged: its checksum does not fit; take it from a copy"
                ):
                    read(path)
    path.write_bytes(whole)
    assert sorted(read_weights(path)) == sorted(toy(5).state_dict())


def test_a_student_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        kept(tmp_path / name).export(CARD, {})
    one, other = ((tmp_path / name / STUDENTS["best"]).read_bytes() for name in ("a", "b"))
    assert one == other
