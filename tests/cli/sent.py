"""A study with a method of its own, for the tests of jobs."""

from __future__ import annotations

from pathlib import Path

from dfkd_ray import methods

STUDY = """
study: tiny
method: mine.yaml
task: gliders
objective: {metric: val_accuracy}
search:
  student_loss.kd.temperature: {log: [1, 20]}
sampler: {name: random, seed: 0}
budget: {trials: 2}
"""
METHOD = (Path(methods.__file__).parent / "noise_kd.yaml").read_text(encoding="utf-8")


def write(folder: Path) -> None:
    """The study, its method, and a file that it does not name."""
    for name, text in {"tiny.yaml": STUDY, "mine.yaml": METHOD, "unrelated.yaml": "a: 1"}.items():
        (folder / name).write_text(text, encoding="utf-8")
