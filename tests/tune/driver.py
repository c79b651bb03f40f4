"""A process that runs the toy study, to be killed: `driver.py FOLDER RUNNER start|resume TOY-JSON [STUDY-JSON]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dfkd_ray import tune
from dfkd_ray.tune.observers import live
from tests.tune import toys


def main(arguments: list[str]) -> int:
    folder, runner, how, toy, *rest = arguments
    work = toys.Toy(**json.loads(toy))
    study = toys.study(json.loads(rest[0]) if rest else {})
    try:
        if how == "start":
            toys.start(study, work, Path(folder), live.Lines(), runner=runner)
        else:
            toys.resume(Path(folder), work, live.Lines())
    except tune.Interrupted as stopped:
        print(stopped)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
