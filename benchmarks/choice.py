"""How well do data-free metrics rank trials? Kendall's tau-b of each with validation accuracy, task by task.

    python -m benchmarks choice record FOLDER --task gliders --trials 0:40
    python -m benchmarks choice record FOLDER --task cifar10 --data cifar10_test.npz --weights cifar10_resnet20.pt \
        --teacher-arch resnet20 --trials 0:40
    python -m benchmarks choice tau FOLDER

`record` runs trials of random methods and settings, each by its number, and keeps what each reports, what its student
says of two banks of fixed images, the student and 32 images. `tau` ranks them, also by the images of the other trials.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray import metrics, nets
from dfkd_ray.datasets.dead_leaves import dead_leaves
from dfkd_ray.methods import config, presets
from dfkd_ray.methods.method import Method
from dfkd_ray.methods.presets import rules
from dfkd_ray.parts.signals import Setting
from dfkd_ray.report.charts.ranking import agreement
from dfkd_ray.runs import measures, preparing
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.evaluator import Evaluator, real
from dfkd_ray.runs.inverted import inverted
from dfkd_ray.stats import degenerate
from dfkd_ray.train.loop import distill
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import ConfigError

METHODS = ("noise_kd", "dfkd_fgvc", "cmi", "fast", "nayer", "cgdd", "cpsc", "mad", "spaceshipnet", "pre_dfkd", "dafl")
METHODS += ("dfq", "dfad", "zskt", "fast", "nayer", "mad")  # two of an adversary alone, and more of those that learn
VAL, BANK, KEPT = 600, 128, 32  # images: to validate on, of a fixed bank, of each trial for the others
FEW = 12  # trials of a sweep
STUDENT = "resnet8"


def balanced(teacher: Tensor, student: Tensor) -> float:
    """Agreement as a mean over all K classes; a class that the teacher never names counts as 0."""
    t, same = teacher.argmax(1), teacher.argmax(1) == student.argmax(1)
    classes = range(teacher.shape[1])
    return sum(float(same[t == c].float().mean()) for c in classes if (t == c).any()) / len(classes)


def settings(key: str, seen: rules.Seen) -> tuple[Method, dict[str, Any]]:
    """A method under the laptop's preset, cut short, and changes at random, always the same for a key and a task."""
    rng = random.Random(key)
    name = rng.choice(METHODS)
    method = presets.under(config.load(name), name, "laptop", seen)
    schedule, longer = method.schedule, rng.choice((1, 2, 3))
    changes: dict[str, Any] = {"schedule.epochs": schedule.warmup + longer, "schedule.batch": 32}
    changes["schedule.rounds"] = math.ceil(schedule.rounds / 2)
    changes["schedule.student_steps"] = max(1, round(schedule.student_steps * rng.choice((0.25, 0.5, 1.0))))
    tried: list[tuple[str, Any]] = [("source.output", rng.choice(("batchnorm", "sigmoid", "tanh")))]
    tried += [
        (path, _read(method, path) * _log(rng, 0.1, 10))
        for path in ("student.optimizer.lr", "source.optimizer.lr", *_weights(method))
        if rng.random() < 0.7
    ]
    for path, value in tried:
        try:
            config.change(method, {**changes, path: value})
            changes[path] = value
        except ConfigError:  # this method has no such setting
            pass
    return config.change(method, changes), {"method": name, **changes}


def _weights(method: Method) -> list[str]:
    known = ("batchnorm", "adversarial", "onehot", "cross_entropy", "entropy")
    return [f"source_loss.{term}.weight" for term in known if term in method.source_loss.parts]


def _read(method: Method, path: str) -> float:
    found: Any = method
    for name in path.split("."):
        found = found.parts[name] if hasattr(found, "parts") else getattr(found, name, math.nan)
    return float(found)


def _log(rng: random.Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def fixed(teacher: nn.Module, setting: Setting, path: Path) -> dict[str, Tensor]:
    """The banks of fixed images, made once."""
    if not path.exists():
        torch.save(
            {
                "dead_leaves": dead_leaves(BANK, setting.image, setting.mean, setting.std),
                "inverted": inverted(teacher, setting, BANK),
            },
            path,
        )
    found: dict[str, Tensor] = torch.load(path)
    return found


def trial(
    made: Distillation, number: int, banks: dict[str, Tensor], folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What one trial reports, and what is kept of it."""
    method, changes = settings(f"{made.task.name}/{number}", rules.Seen(made.task.image, len(made.task.classes)))
    arch = {"teacher.arch": made.method.teacher.arch, "student.arch": STUDENT}
    run = made.open(config.change(method, arch), number, made.runtime, torch.device("cpu"))
    began = time.process_time()
    for _ in distill(run):
        pass
    row: dict[str, Any] = {"task": made.task.name, "trial": number, "changes": changes}
    row["seconds"] = time.process_time() - began
    found = measures.data_free(run.teacher, run.student, run.source, run.setting)
    own = measures._own(run.source, run.setting, torch.Generator().manual_seed(2)).images
    if not banks:
        banks |= fixed(run.teacher, run.setting, folder / f"{made.task.name}_banks.pt")
    for bank, images in {"source": own, **banks}.items():
        t, s = (measures.logits(net, images) for net in (run.teacher, run.student))
        found[f"agreement/{bank}"], found[f"kl/{bank}"] = measures.faithfulness(t, s)
        found[f"correlation/{bank}"] = measures.correlation(t, s)
        found[f"balanced/{bank}"], found[f"classes/{bank}"] = balanced(t, s), measures.class_entropy(t)
    split = real(made.task, "val", made.options.data, made.runtime.cache)
    assert split is not None
    some = torch.randperm(len(split.labels), generator=torch.Generator().manual_seed(0))[:VAL]
    evaluator = Evaluator(made.task, made.options.data, run)
    row[metrics.VAL_ACCURACY] = evaluator._accuracy(run.student, type(split)(split.images[some], split.labels[some]))
    row["metrics"] = found
    return row, {"student": run.student.state_dict(), "images": own[:KEPT]}


def record(args: argparse.Namespace) -> None:
    options = Options(data=args.data, weights=args.weights, precision="bfloat16", threads=1)
    method = config.change(config.load("noise_kd"), {"teacher.arch": args.teacher_arch, "student.arch": STUDENT})
    made = preparing.prepare(method, args.task, options)
    torch.set_num_threads(1)
    args.folder.mkdir(exist_ok=True, parents=True)
    banks: dict[str, Tensor] = {}
    for number in range(*map(int, args.trials.split(":"))):
        path = args.folder / f"{args.task}_{number:03d}.json"
        if path.exists():
            continue
        row, kept = trial(made, number, banks, args.folder)
        torch.save({**kept, "teacher": (args.teacher_arch, made.weights)}, path.with_suffix(".pt"))
        path.write_text(json.dumps(row))
        told = {name: round(value, 3) for name, value in row["metrics"].items()}
        print(
            f"{args.task} {number} {row['changes']['method']} {row['seconds']:.1f} s val {row['val_accuracy']:.3f}",
            told,
            flush=True,
        )


def others(rows: list[dict[str, Any]], folder: Path) -> None:
    """Metrics of each trial on the images of all others of its task, and correlations on the fixed banks."""
    kept = [torch.load(folder / f"{row['task']}_{row['trial']:03d}.pt") for row in rows]
    images, (arch, weights) = torch.cat([each["images"] for each in kept]), kept[0]["teacher"]
    channels, classes = images.shape[1], next(len(weight) for weight in weights.values() if weight.dim() == 2)
    teacher, student = nets.build(arch, classes, channels), nets.build(STUDENT, classes, channels)
    teacher.load_state_dict(weights)
    t = measures.logits(teacher, images)
    banks = torch.load(folder / f"{rows[0]['task']}_banks.pt")
    fixed = {name: (bank, measures.logits(teacher, bank)) for name, bank in banks.items()}
    for place, (row, each) in enumerate(zip(rows, kept)):
        student.load_state_dict(each["student"])
        known = torch.arange(len(images)) // KEPT != place
        pair = t[known], measures.logits(student, images[known])
        row["metrics"]["agreement/others"], row["metrics"]["kl/others"] = measures.faithfulness(*pair)
        row["metrics"]["balanced/others"] = balanced(*pair)
        row["metrics"]["correlation/others"] = measures.correlation(*pair)
        for name, (bank, told) in fixed.items():
            row["metrics"][f"correlation/{name}"] = measures.correlation(told, measures.logits(student, bank))


def ranked(rows: list[dict[str, Any]], name: str) -> list[tuple[float, float, bool]]:
    """Of each trial that reports a metric: it, higher is better, validation accuracy, and whether it is degenerate."""
    low = name.startswith("kl/") or metrics.find(name).better == "min"
    told = [(row["metrics"].get(name, math.nan), row) for row in rows]
    return [
        (-value if low else value, row[metrics.VAL_ACCURACY], bool(degenerate.reasons(row["metrics"])))
        for value, row in told
        if math.isfinite(value)
    ]


def cost(trials: list[tuple[float, float, bool]], guard: bool) -> float:
    """Points of validation accuracy that the best of FEW trials by the metric has less than the best by validation."""
    rng, lost = random.Random(0), []
    for _ in range(2000):
        few = rng.sample(trials, min(FEW, len(trials)))
        sound = [each for each in few if not (guard and each[2])] or few
        lost.append(max(y for _, y, _ in few) - max(sound)[1])
    return 100 * sum(lost) / len(lost)


def tau(args: argparse.Namespace) -> None:
    """A table: metric by task, means over tasks, and what it costs to choose by it, without and with the guard."""
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(args.folder.glob("*.json")):
        row = json.loads(path.read_text())
        tasks[row["task"]].append(row)
    found: dict[str, dict[str, tuple[str, float, float, float]]] = defaultdict(dict)
    for task, rows in tasks.items():
        others(rows, args.folder)
        truth = [row[metrics.VAL_ACCURACY] for row in rows]
        bad = sum(bool(degenerate.reasons(row["metrics"])) for row in rows)
        print(f"{task}: {len(rows)} trials, {bad} degenerate, validation {min(truth):.3f} to {max(truth):.3f}")
        for name in sorted({name for row in rows for name in row["metrics"]}):
            trials = ranked(rows, name)
            value, low, high = agreement([x for x, _, _ in trials], [y for _, y, _ in trials])
            if value is not None and len(trials) > len(rows) / 2:
                cell = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
                found[name][task] = (cell, value, cost(trials, False), cost(trials, True))
    everywhere = {name: [own[task] for task in tasks] for name, own in found.items() if len(own) == len(tasks)}
    means = {name: [fmean(each[i] for each in own) for i in (1, 2, 3)] for name, own in everywhere.items()}
    print(f"| metric | {' | '.join(tasks)} | mean | cost | guarded |\n|{'---|' * (len(tasks) + 4)}")
    for name in sorted(everywhere, key=lambda name: -means[name][0]):
        cells = " | ".join(each[0] for each in everywhere[name])
        print(f"| `{name}` | {cells} | {means[name][0]:+.2f} | {means[name][1]:.1f} | {means[name][2]:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks choice", description=__doc__)
    commands = parser.add_subparsers(required=True)
    recorder = commands.add_parser("record")
    recorder.add_argument("--task", default="gliders")
    recorder.add_argument("--data", type=Path)
    recorder.add_argument("--weights", type=Path)
    recorder.add_argument("--teacher-arch", default="resnet8")
    recorder.add_argument("--trials", default="0:40")
    recorder.set_defaults(run=record)
    commands.add_parser("tau").set_defaults(run=tau)
    for each in commands.choices.values():
        each.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.run(args)
