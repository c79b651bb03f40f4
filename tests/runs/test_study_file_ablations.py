"""Ablations from their file to their work: every mistake at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.runs.study_file import open_study
from dfkd_ray.util.errors import ConfigError

PARTS = """study: mine
method: dfkd_fgvc
task: gliders
fixed:
  schedule.epochs: 2
objective: {metric: val_accuracy}
design: leave_one_out
components:
  mhad: {off: {student_loss.high_order: null}}
  sfcl:
    off: {student_loss.semantic_contrast: null}
    on: {student_loss.semantic_contrast.weight: 2}
  order: {path: student_loss.high_order.order, levels: [1, 2, 3]}
search:
  student_loss.kd.temperature: {log: [1, 20]}
draws: 2
seeds: 3
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """The messages for PARTS with some text replaced, without the folder."""
    text = PARTS
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        open_study(write(folder, text))
    return [str(problem).removeprefix(f"{folder}/mine.yaml:") for problem in caught.value.problems]


def test_an_ablation_and_its_work(tmp_path: Path) -> None:
    made, work = open_study(write(tmp_path, PARTS))
    assert made.ablation is not None
    assert (made.trials, work.metric, work.max_epochs) == (5 * 3 * 2, "val_accuracy", 2)
    assert len({work.fingerprint(arm.changes) for arm in made.ablation.arms}) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("{student_loss.high_order: null}", "{student_loss.high_ordr: null}"),
            "9: components.mhad.off.student_loss.high_ordr: there is no 'high_ordr' in student_loss; did you mean "
            "'high_order'? (known: high_order, kd, semantic_contrast)",
        ),
        (
            ("contrast.weight: 2", "contrast.wieght: 2"),
            "12: components.sfcl.on.student_loss.semantic_contrast.wieght: there is no 'wieght' in ",
        ),
        (
            ("[1, 2, 3]", "[1, 2, 9]"),
            "13: components.order.levels: student_loss.high_order.order: order must be 1, 2, 3 or 4, got 9",
        ),
        (("kd.temperature", "kd.temprature"), "15: search.student_loss.kd.temprature: there is no 'temprature' in "),
        (
            ("student_loss.kd.temperature", "student_loss.high_order.weight"),
            "15: search.student_loss.high_order.weight: the arm 'without mhad' takes out student_loss.high_order, so ",
        ),
        (("seeds: 3", "seeds: 1"), "17: seeds: one seed tells nothing of the spread: take 3 or more"),
        (("draws: 2", "draws: 0"), "16: draws: expected a whole number from 1, got 0"),
        (("  sfcl:", "  MHAD:"), "10: components.MHAD: there is 'mhad' as well: two of one name"),
        (
            ("draws: 2", "tune: {trials: 4}\nsampler: cmaes"),
            "17: sampler: `tune` takes tpe or random",
        ),
        (("draws: 2", "tune: {trials: 4, seed: 1}"), "16: tune.seed: 1 is also among the seeds: "),
        (("schedule.epochs: 2", "schedule.epochs: 0"), "5: fixed.schedule.epochs: epochs must be at least 1, got 0"),
    ],
)
def test_one_mistake_of_an_ablation_is_one_problem(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, change)
    assert len(found) == 1, found
    assert found[0].startswith(message)


def test_mistakes_of_an_ablation_and_of_the_rest_at_once(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        ("schedule.epochs: 2", "schedule.epoch: 2"),
        ("metric: val_accuracy", "metric: val_acuracy, mode: max"),
        ("design: leave_one_out", "design: leave_one_in"),
        ("kd.temperature", "kd.temprature"),
        ("draws: 2", "draws: 0"),
    )
    assert [int(line.partition(":")[0]) for line in found] == [5, 6, 7, 15, 16]


def test_fixed_changes_are_tried_whatever_the_sampler_needs(tmp_path: Path) -> None:
    """They are tried by themselves, where there is nothing to search."""
    sweep = PARTS[: PARTS.index("design")]
    searched = "search: {student_loss.kd.temperature: {log: [1, 20]}, student_loss.kd.weight: {log: [1, 20]}}\n"
    assert open_study(write(tmp_path, f"{sweep}{searched}sampler: cmaes\nbudget: {{trials: 3}}\n"))[0].trials == 3
