"""What is fuzzed: for each kind of file, real ones, how they are mutated, and what the command line does with them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from random import Random
from typing import Any

import hostile
import torch
import variants
from PIL import Image

from dfkd_ray import nets, report, teachers
from dfkd_ray.cli import app, options
from dfkd_ray.datasets import HERE, named
from dfkd_ray.datasets.pools import Pool, PoolCard, PoolRow, TeacherFacts
from dfkd_ray.datasets.pools.verify import verify
from dfkd_ray.datasets.readers import opened
from dfkd_ray.methods import config
from dfkd_ray.report.view import Tables
from dfkd_ray.runs.card import RunCard
from dfkd_ray.runs.checkpoint import Checkpoint
from dfkd_ray.runs.study_file import open_study
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.tune import ledger
from dfkd_ray.tune.history import History
from dfkd_ray.tune.packing import pack, unpack
from dfkd_ray.tune.work import Row
from dfkd_ray.util import shipped
from dfkd_ray.util.tables import read

ROOT = Path(__file__).parents[1]
TASK = named.load("gliders")
DERIVED = b"of: cub200\nclasses: [013.Bobolink, 014.Indigo_Bunting]\nhold_out: {train: 0.2}\nskip_damaged: 2\n"
LABELS = b"file,label,split\na.png,cat,train\nb,dog,train\n"
SHORT = {"schedule.epochs": 1, "schedule.rounds": 1, "schedule.student_steps": 1, "schedule.batch": 4}


@dataclass(frozen=True)
class Kind:
    """files: real ones. mutate: one of them, from a random number, others of its kind beside it. name: of the input in
    its folder. call: what is done with it there; whatever it raises that is no deliberate error is a failure."""

    files: Sequence[bytes]
    mutate: Callable[[bytes, Random, Sequence[bytes]], bytes]
    name: str
    call: Callable[[Path], Any]
    beside: dict[str, bytes] = field(default_factory=dict)  # other files that it needs, whole

    def made(self, rng: Random) -> bytes:
        return self.mutate(rng.choice(self.files), rng, self.files)

    def run(self, folder: Path, data: bytes) -> None:
        """In an empty folder."""
        for name, content in {**self.beside, self.name: data}.items():
            (folder / name).write_bytes(content)
        self.call(folder / self.name)


def _study(path: Path) -> None:
    open_study(path)


def _method(path: Path) -> None:
    method = config.load(str(path))
    assert config.parse(config.plain(method)) == method
    config.fingerprint(method)


def _set(path: Path) -> None:
    pairs = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    changed = config.change(config.load("dfkd_fgvc"), options.assignments(pairs))
    config.fingerprint(changed)


def _task(path: Path) -> None:
    named.load(str(path))


def _labels(path: Path) -> None:
    opened(named.load(f"folder:{path}@8"))


def _card(path: Path) -> None:
    weights = path.with_suffix(".safetensors")
    teachers.teacher(teachers.with_teacher(TASK, weights), weights=weights)
    teachers.bare(weights=weights)


def _run_card(path: Path) -> None:
    card = RunCard.read(path.parent)
    card.student("last")


def _pool(path: Path) -> None:
    pool = Pool.open(path.parent)
    pool.card.other(pool.card)
    verify(pool)
    pool.images()


def _shard(path: Path) -> None:
    pool = Pool.open(path.parent)
    verify(pool)
    pool.images()


def _table(path: Path) -> None:
    read(path)
    Tables.read(path.parent)


def _page(path: Path) -> None:
    report.build(path.parent)


def _ledgered(path: Path) -> None:
    records, _ = ledger.read_records(path)
    History(records)


def _packed(path: Path) -> None:
    unpack(path.read_text(encoding="utf-8", errors="replace").splitlines(), path.parent / "unpacked")


def _run() -> Run:
    torch.manual_seed(0)
    method = config.change(config.load("noise_kd"), SHORT)
    pair = nets.build("resnet8", 10), nets.build("resnet8", 10)
    return Run(method, *pair, (3, 32, 32), (0.5,) * 3, (0.5,) * 3, 0, Runtime("cpu"), torch.device("cpu"))


def _checkpoint(path: Path) -> None:
    Checkpoint(_run(), path.parent).restore(torch.device("cpu"))


def _teacher(path: Path) -> None:
    teachers.teacher(TASK, weights=path)


def _weights() -> list[bytes]:
    """The same teacher as safetensors and as a state_dict of torch's."""
    shipped_file = HERE / str(TASK.teacher.weights)
    kept = BytesIO()
    torch.save(teachers.teacher(TASK).state_dict(), kept)
    return [shipped_file.read_bytes(), kept.getvalue()]


def samples(folder: Path) -> None:
    """Files that a real run, a checkpoint and a pool leave, into a folder; once."""
    if folder.is_dir():
        return
    making = folder.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    Checkpoint(_run(), making).save(Row(1, 1.0, {"val_accuracy": 0.5}))
    changes = [f"--set={path}={value}" for path, value in SHORT.items()]
    sys.argv = ["dfkd-ray", "distill", "noise_kd", *changes, "--threads", "1", "--out", str(making / "run")]
    with redirect_stdout(StringIO()):
        app(sys.argv[1:], standalone_mode=False)
    card = PoolCard(
        **{"task": "shapes", "classes": ("a", "b"), "image": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.25,) * 3},
        **{
            "teacher": TeacherFacts("toy", "0" * 16),
            "method": {"source": {"name": "diffusion"}},
            "fingerprint": "f" * 16,
        },
        **{"seed": 7, "per_trajectory": 2, "pixels": 8},
    )
    with Pool.create(making / "pool", card).shard(1, 1) as shard:
        for number in range(3):
            picture = torch.full((3, 8, 8), 40 * number, dtype=torch.uint8)
            rows = [PoolRow(place, 10, True, number % 2, "a photo", 1, {"l": 0.5}, picture) for place in range(2)]
            shard.append(number, rows)
    making.rename(folder)


def kinds(folder: Path) -> dict[str, Kind]:
    """By name; folder: where `samples` are."""
    example = ROOT / "reports" / "example" / "guidance"
    tables = {path.name: path.read_bytes() for path in example.glob("*.arrow")}
    set_lines = b"\n".join(
        f"{path}={json.dumps(value)}".encode()
        for path, value in variants.leaves(config.plain(config.load("dfkd_fgvc")))
    )
    weights = _weights()
    run, pool = folder / "run", folder / "pool"
    run_folder = run / "trials" / "0000"
    card = (HERE / str(TASK.teacher.weights)).with_suffix(".json").read_bytes()
    pooled = {path.name: path.read_bytes() for path in pool.iterdir() if path.suffix in (".json", ".arrows")}
    shard = next(name for name in pooled if name.endswith(".arrows"))
    found = {
        "study": Kind(_files(*shipped.studies()), variants.of_yaml, "study.yaml", _study),
        "method": Kind(_files(*config.METHODS.glob("*.yaml")), variants.of_yaml, "method.yaml", _method),
        "set": Kind([set_lines], variants.assignments, "set.txt", _set),
        "task": Kind([*_files(*HERE.glob("*.yaml")), DERIVED], variants.of_yaml, "task.yaml", _task),
        "labels": Kind([LABELS], hostile.broken, "labels.csv", _labels, dict.fromkeys(("a.png", "b.png"), _picture())),
        "card": Kind([card], variants.of_json, "t.json", _card, {"t.safetensors": weights[0]}),
        "run": Kind(_files(run_folder / "run.json"), variants.of_json, "run.json", _run_card),
        "pool": Kind([pooled["pool.json"]], variants.of_json, "pool.json", _pool, {shard: pooled[shard]}),
        "shard": Kind([pooled[shard]], hostile.broken, shard, _shard, {"pool.json": pooled["pool.json"]}),
        "ledger": Kind(_files(run / ledger.NAME), variants.ledger_lines, ledger.NAME, _ledgered),
        "packed": Kind(["\n".join(pack(run)).encode()], hostile.broken, "log.txt", _packed),
        "checkpoint": Kind(_files(folder / "checkpoint.pt"), hostile.broken, "checkpoint.pt", _checkpoint),
        "safetensors": Kind(weights[:1], hostile.broken, "t.safetensors", _teacher),
        "state_dict": Kind(weights[1:], hostile.broken, "t.pt", _teacher),
    }
    for name in tables:
        beside = {other: content for other, content in tables.items() if other != name}
        found[name.removesuffix(".arrow")] = Kind([tables[name]], variants.of_arrow, name, _table, beside)
    small = {path.name: path.read_bytes() for path in run.glob("*.arrow")}
    found["page"] = Kind([small["trials.arrow"]], variants.of_arrow, "trials.arrow", _page, small)
    return found


def _picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


def _files(*paths: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(paths)]
