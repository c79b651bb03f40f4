"""Single bits flipped at random places of every kind of file that is kept: how many are found, and how many are not.

    OMP_NUM_THREADS=1 python -m benchmarks flips --repeat 1000
    OMP_NUM_THREADS=1 python -m benchmarks flips --repeat 200 --seed 1 --kind ledger --kind student

Each is read by the reader that a user meets, in another process, so that a crash is counted too. Found: it is said,
and nothing of the file is taken for good. The same: it hit what nobody reads (the mark of a seal), and all values are
as they were. Other values, a traceback and a crash must not be: then the exit code is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dfkd_ray import nets
from dfkd_ray.cli import app
from dfkd_ray.datasets.cache import kept
from dfkd_ray.datasets.pools import Pool, PoolCard, PoolRow, TeacherFacts
from dfkd_ray.runs.card import RunCard
from dfkd_ray.teachers.teach import write_weights
from dfkd_ray.teachers.weights import check_sha256, read_card, read_weights
from dfkd_ray.tune import ledger
from dfkd_ray.util import folders, generations, tables
from dfkd_ray.util.errors import DfkdError

SAME, FOUND, OTHER, TRACEBACK = OUTCOMES = ("the same", "found", "other values", "traceback")
TRIAL = folders.of_trial(Path("run"), 0)
PIXELS, IMAGES = 8, 64
SHORT = {"epochs": 2, "rounds": 1, "student_steps": 1, "batch": 8}


@dataclass(frozen=True)
class Kind:
    """A file, by its path in the folder that `make` fills, and what a reader of it sees."""

    file: Path
    read: Callable[[Path], Any]


def network(folder: Path) -> Any:
    path = folder / "teacher.safetensors"
    card = read_card(path)
    check_sha256(path)
    return card, read_weights(path)


def student(folder: Path) -> Any:
    path = folder / TRIAL / folders.STUDENTS["last"]
    return read_card(path), read_weights(path)


def checkpoint(folder: Path) -> Any:
    return generations.read(folder / "checkpoint.pt", lambda path: torch.load(path, weights_only=True))


def images(folder: Path) -> Any:
    return torch.from_numpy(kept(folder / "cache.npy", "memmap", pixels))


def pixels(file: Any) -> tuple[int, ...]:
    file.write(random.Random(0).randbytes(IMAGES * PIXELS * PIXELS))
    return IMAGES, PIXELS, PIXELS


def table(kind: str) -> Kind:
    path = Path("run", f"{kind}.arrow")

    def read(folder: Path) -> Any:
        found = tables.read(folder / path)
        return found.to_pylist(), tables.metadata(found)

    return Kind(path, read)


KINDS: Mapping[str, Kind] = {
    "checkpoint": Kind(Path("checkpoint.pt"), checkpoint),
    "student": Kind(TRIAL / folders.STUDENTS["last"], student),
    "teacher": Kind(Path("teacher.safetensors"), network),
    "teacher's card": Kind(Path("teacher.json"), network),
    **{f"{kind}.arrow": table(kind) for kind in tables.SCHEMAS},
    "pool shard": Kind(Path("pool", "shard-1-of-1.arrows"), lambda at: Pool.open(at / "pool").rows().to_pylist()),
    "pool card": Kind(Path("pool", "pool.json"), lambda at: Pool.open(at / "pool").card),
    "run card": Kind(TRIAL / folders.CARD, lambda at: RunCard.read(at / TRIAL)),
    "image cache": Kind(Path("cache.npy"), images),
    "ledger": Kind(Path("run", ledger.NAME), lambda at: ledger.read_records(at / "run" / ledger.NAME)),
}


def make(folder: Path) -> None:
    """One file of each kind, as dfkd-ray writes it."""
    settings = [word for name, value in SHORT.items() for word in ("--set", f"schedule.{name}={value}")]
    words = ["distill", "noise_kd", "--task", "gliders", *settings, "--runner", "serial", "--threads", "1"]
    with redirect_stdout(io.StringIO()):
        app([*words, "--out", str(folder / "run")], standalone_mode=False)
    net = nets.build("resnet8", 10)
    optimizer = torch.optim.Adam(net.parameters())
    for epoch in (1, 2):
        sum(weight.square().sum() for weight in net.parameters()).backward()  # type: ignore[union-attr]
        optimizer.step()
        state = {"epoch": epoch, "net": net.state_dict(), "optimizer": optimizer.state_dict()}
        generations.write(folder / "checkpoint.pt", lambda file, state=state: torch.save(state, file))
    write_weights(net, {"arch": "resnet8", "normalise": {"mean": [0.5], "std": [0.5]}}, folder / "teacher.safetensors")
    seen = {"task": "t", "classes": ("a", "b"), "image": (3, PIXELS, PIXELS), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    card = PoolCard(
        **seen, teacher=TeacherFacts("x", "0"), method={}, fingerprint="0", seed=0, per_trajectory=8, pixels=PIXELS
    )
    with Pool.create(folder / "pool", card).shard(1, 1) as shard:
        for number in range(4):
            drawn = torch.randint(256, (8, 3, PIXELS, PIXELS), dtype=torch.uint8)
            shard.append(number, [PoolRow(i, 1, True, number % 2, "", 0, {"a": 0.5}, drawn[i]) for i in range(8)])
    images(folder)


def parts(value: Any) -> Iterator[bytes]:
    """All that a value consists of, to the bit."""
    if isinstance(value, torch.Tensor):
        yield f"{value.dtype}{tuple(value.shape)}".encode()
        yield value.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, Mapping):
        for key in value:
            yield repr(key).encode()
            yield from parts(value[key])
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from parts(each)
    else:
        yield repr(value).encode()


def digest(value: Any) -> str:
    return hashlib.sha256(b"\0".join(parts(value))).hexdigest()


def judged(kind: Kind, folder: Path, good: str) -> str:
    """How a reader takes what is in a folder."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            value = kind.read(folder)
    except (DfkdError, OSError):
        return FOUND
    except Exception:
        return TRACEBACK
    if "warning: " in said.getvalue():
        return FOUND
    return SAME if digest(value) == good else OTHER


def flipped(kind: Kind, whole: Path, bit: int, good: str) -> str:
    """The outcome of one flip, in a copy."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "copy"
        shutil.copytree(whole, folder, copy_function=os.link)
        data = bytearray((whole / kind.file).read_bytes())
        data[bit // 8] ^= 1 << bit % 8
        (folder / kind.file).unlink()
        (folder / kind.file).write_bytes(data)
        return judged(kind, folder, good)


def outcomes(kind: Kind, whole: Path, bits: list[int], good: str) -> Iterator[str]:
    """The outcome of each flip; a crash ends the process that has met it, and another goes on."""
    while bits:
        answers, told = os.pipe()
        child = os.fork()
        if not child:
            for bit in bits:
                os.write(told, bytes([OUTCOMES.index(flipped(kind, whole, bit, good))]))
            os._exit(0)
        os.close(told)
        with open(answers, "rb") as pipe:
            found = pipe.read()
        status = os.waitpid(child, 0)[1]
        yield from (OUTCOMES[number] for number in found)
        if len(found) < len(bits):
            yield f"crash {os.WTERMSIG(status)}"
        bits = bits[len(found) + 1 :]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=100, metavar="N", help="flips of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=KINDS, help="may be given again; all without")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    all_told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        make(Path(made))
        for name in asked.kind or KINDS:
            kind, draw = KINDS[name], random.Random(asked.seed)
            good, size = digest(kind.read(Path(made))), (Path(made) / kind.file).stat().st_size
            bits = [draw.randrange(8 * size) for _ in range(asked.repeat)]
            told = Counter(outcomes(kind, Path(made), bits, good))
            print(f"{name:<15} {size:>9,} bytes  " + ", ".join(f"{n} {what}" for what, n in told.items()), flush=True)
            all_told += told
    print("all: " + ", ".join(f"{n} {what}" for what, n in all_told.items()))
    return int(any(what not in (SAME, FOUND) for what in all_told))


if __name__ == "__main__":
    sys.exit(main())
