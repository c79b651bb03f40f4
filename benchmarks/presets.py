"""Which amounts of a preset serve several tasks? Mean ranks of the arms of one ablation on each, one task left out.

    dfkd-ray ablate presets --task gliders
    dfkd-ray ablate presets --task fashion_mnist --data fashion_mnist.npz --weights fashion_resnet8.safetensors
    python -m benchmarks presets reports/presets reports/presets-fashion_mnist

A rank is among the arms of a task by their mean over seeds, 1 the best. `left out`: what the arm that is best by the
other tasks has on a task, beside the best of that task and the first arm, the preset as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from dfkd_ray.util.tables import read

Table = Mapping[str, Mapping[str, list[float]]]  # of each task, of each arm: a value a seed


def accuracies(folder: Path) -> dict[str, list[float]]:
    """Of each arm of an ablation, in their order: its objective, validation accuracy, in points, a seed."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in read(folder / "trials.arrow").to_pylist():
        if row["state"] == "complete":
            found[row["arm"]].append(100 * row["objectives"][0])
    return found


def ranks(values: Mapping[str, list[float]]) -> dict[str, float]:
    """1 for the arm with the greatest mean; arms with one mean share theirs."""
    means = {arm: fmean(own) for arm, own in values.items()}
    return {
        arm: 1 + sum(other > mean for other in means.values()) + (sum(o == mean for o in means.values()) - 1) / 2
        for arm, mean in means.items()
    }


def best(table: Table, tasks: list[str]) -> str:
    """The arm with the least mean rank over these tasks."""
    ranked = [ranks(table[task]) for task in tasks]
    return min(ranked[0], key=lambda arm: fmean(each[arm] for each in ranked))


def lines(table: Table) -> list[str]:
    tasks = list(table)
    ranked = {task: ranks(table[task]) for task in tasks}
    found = [f"| arm | {' | '.join(tasks)} | mean rank |", f"|{'---|' * (len(tasks) + 2)}"]
    first, *_ = arms = list(table[tasks[0]])
    for arm in sorted(arms, key=lambda arm: fmean(ranked[task][arm] for task in tasks)):
        cells = [f"{fmean(table[t][arm]):.1f} ({', '.join(f'{v:.1f}' for v in table[t][arm])})" for t in tasks]
        found.append(f"| {arm} | {' | '.join(cells)} | {fmean(ranked[t][arm] for t in tasks):.1f} |")
    found += ["", "| left out | chosen by the others | it has | best of the task | first arm |", f"|{'---|' * 5}"]
    for task in tasks if len(tasks) > 1 else []:
        chosen, own = best(table, [other for other in tasks if other != task]), best(table, [task])
        told = [fmean(table[task][arm]) for arm in (chosen, own, first)]
        found.append(f"| {task} | {chosen} | {told[0]:.1f} | {told[1]:.1f} ({own}) | {told[2]:.1f} |")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks presets", description=__doc__)
    parser.add_argument("folder", nargs="+", type=Path)
    folders = parser.parse_args().folder
    table = {folder.name: accuracies(folder) for folder in folders}
    shared = set.intersection(*(set(own) for own in table.values()))
    if left := {arm for own in table.values() for arm in own} - shared:
        print(f"not on every task: {', '.join(sorted(left))}", file=sys.stderr)
    print("\n".join(lines({task: {arm: own[arm] for arm in own if arm in shared} for task, own in table.items()})))
