"""The readers of DomainNet's six domains, as their publisher lays them out: lists say which image is of which split."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from dfkd_ray.datasets.readers import Opened, Part, readers
from dfkd_ray.datasets.task import Task
from dfkd_ray.datasets.trees import lines, locate, part
from dfkd_ray.util.errors import DataError

DOMAINS = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")


def _reader(domain: str) -> Callable[[Task, Path], Opened]:
    """The reader of a domain."""
    lists = {which: f"{domain}_{which}.txt" for which in ("train", "test")}

    def read(task: Task, data: Path) -> Opened:
        layout = f"domainnet/ or itself with {domain}/ and the lists {' and '.join(lists.values())}"
        root = locate(task, data, ["domainnet", "DomainNet", ""], [*lists.values()], layout)
        there = {which: root / name for which, name in lists.items() if (root / name).is_file()}
        return Opened(root, {which: partial(_listed, domain, task, table) for which, table in there.items()})

    read.__doc__ = f"""DomainNet: `{domain}/<class>/`, beside the lists `{domain}_train.txt` and `{domain}_test.txt`.

    On each line of a list stand a path such as `{domain}/axe/{domain}_011_000001.jpg` and a number of the class among
    all 345. Classes go by their names here, and images of other classes than the task's are left out.
    """
    return read


def _listed(domain: str, task: Task, table: Path) -> Part:
    known = {name: label for label, name in enumerate(task.folders or task.classes)}
    labels: dict[str, int] = {}
    for number, line in lines(table):
        path = PurePosixPath(line.rpartition(" ")[0])
        if len(path.parts) != 3 or path.parts[0] != domain or ".." in path.parts:
            raise DataError(f"{table}:{number}: expected `{domain}/CLASS/FILE NUMBER`, got {line!r}")
        if (label := known.get(path.parts[1])) is not None:
            labels[str(path)] = label
    return part(table.parent, [*labels], np.array([*labels.values()], np.int64))


for _domain in DOMAINS:
    readers.register(f"domainnet_{_domain}")(_reader(_domain))
