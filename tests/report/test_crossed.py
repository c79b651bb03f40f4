"""Arms x tasks: the numbers of each study's own table side by side, and what differs beside the task."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import report
from dfkd_ray.report import crossed, paste
from dfkd_ray.report.view import Tables
from dfkd_ray.util.errors import StudyError
from tests.report import ablations, studies
from tests.report.test_paste import rows_of, unescaped


def on_task(tables: Tables, task: str, **study: Any) -> Tables:
    """The same study on another task, and with other settings."""
    note = tables.note
    return ablations.changed(tables, task={**note["task"], "name": task}, study={**note["study"], **study})


def grid(*found: Tables) -> paste.ArmTable:
    return crossed.arm_table({Path(f"reports/{i}"): tables for i, tables in enumerate(found)})


ONE, OTHER = ablations.leave_one_out(), on_task(ablations.leave_one_out(), "cifar10")


def test_each_block_has_the_numbers_of_its_own_table() -> None:
    both, alone = grid(ONE, on_task(ablations.factorial(), "cifar10")), [ONE, ablations.factorial()]
    for write, separator, pattern, none in (
        (paste.markdown, r"(?<!\\)\|", r"^\| .* ± ", "–"),
        (paste.latex, r"(?<!\\)&", r"\\pm", "--"),
    ):
        rows = {unescaped(name): numbers for name, numbers in rows_of(write(both), separator, pattern)}
        own = [dict(rows_of(write(paste.arm_table(each)), separator, pattern)) for each in alone]
        own = [{unescaped(name): numbers for name, numbers in each.items()} for each in own]
        assert rows == {name: own[0].get(name, []) + own[1].get(name, []) for name in own[0] | own[1]}
        assert rows["full"] == own[0]["full"] + own[1]["full"]
        line = next(line for line in write(both).splitlines() if "without mhad" in line)
        assert [cell.strip(" |\\") for cell in re.split(separator, line.strip().strip("|"))][-3:] == [none] * 3


def test_a_column_is_called_by_its_task() -> None:
    text = paste.markdown(grid(ONE, OTHER))
    head = [cell.strip() for cell in text.splitlines()[0].strip("|").split("|")]
    metrics = ["Validation accuracy (%)", "Test accuracy, last epoch (%)", "n"]
    assert head == ["arm", *(f"{task}: {metric}" for task in ("gliders", "cifar10") for metric in metrics)]
    latex = paste.latex(grid(ONE, OTHER)).splitlines()
    assert r" & \multicolumn{3}{c}{gliders} & \multicolumn{3}{c}{cifar10} \\" in latex
    assert r"\cmidrule(lr){2-4} \cmidrule(lr){5-7}" in latex
    assert r"\begin{tabular}{lrrrrrr}" in latex


def test_of_one_task_a_column_is_called_by_its_study_and_of_one_name_by_its_folder() -> None:
    again = on_task(ONE, "gliders", study="again")
    assert [block.title for block in grid(ONE, again, OTHER).blocks] == ["components", "again", "cifar10"]
    assert [block.title for block in grid(ONE, ONE, OTHER).blocks] == ["reports/0", "reports/1", "cifar10"]


def test_what_differs_beside_the_task_is_said() -> None:
    seeds = {**OTHER.ablation, "seeds": [0, 1]}
    fixed = {"schedule.epochs": 12, "schedule.batch": 8}
    other = ablations.changed(on_task(OTHER, "cifar10", method="noise_kd", fixed=fixed), ablation=seeds)
    notes = grid(ONE, other, on_task(ONE, "svhn")).notes
    differ = [note.removeprefix("Not the same in all: ") for note in notes if note.startswith("Not the same in all: ")]
    assert differ == [
        "method: dfkd_fgvc (gliders, svhn) and noise_kd (cifar10).",
        "fixed schedule.epochs: 20 (gliders, svhn) and 12 (cifar10).",
        "fixed schedule.batch: not fixed (gliders, svhn) and 8 (cifar10).",
        "seeds: 0, 1, 2, 3, 4 (gliders, svhn) and 0, 1 (cifar10).",
    ]
    assert not any("Not the same" in note for note in grid(ONE, OTHER).notes)


def test_other_budgets_and_objectives_are_said() -> None:
    rows = [{**row, "final": [*dict(row["final"] or {}, **{"updates/student": 648.0}).items()]} for row in rows_(ONE)]
    more = on_task(ablations.with_trials(rows), "cifar10", objective={"metric": "kl/source", "mode": "min"})
    text = "\n".join(grid(ONE, more).notes)
    assert "Not the same in all: student updates: 324 (gliders) and 648 (cifar10)." in text
    assert (
        "objective: validation accuracy, max, at its last epoch (gliders) and KL to the teacher, own images, " in text
    )
    assert grid(ONE, more).blocks[1].metrics == ("kl/source", "test_accuracy/last")


def rows_(tables: Tables) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tables.trials.to_pylist()
    return found


def test_arms_that_are_called_alike_and_differ_are_said() -> None:
    arms = [dict(arm) for arm in OTHER.ablation["arms"]]
    arms[1]["changes"] = {"student_loss.high_order.weight": 0.1}
    other = ablations.changed(OTHER, ablation={**OTHER.ablation, "arms": arms})
    assert grid(ONE, other).notes[-1] == (
        'The arm without mhad makes other changes: {"student_loss.high_order": null} (gliders); '
        '{"student_loss.high_order.weight": 0.1} (cifar10).'
    )


def test_what_failed_is_said_of_its_study() -> None:
    text = paste.markdown(grid(ablations.factorial(), OTHER))
    assert "\ncifar10: Failed trials, not in the means: without sfcl (1).\n" in text
    assert "gliders: Failed" not in text


def test_what_is_no_table_of_arms(tmp_path: Path) -> None:
    one = studies.write(tmp_path / "one", ONE)
    sweep = studies.write(tmp_path / "sweep", studies.demo())
    empty = tmp_path / "empty"
    empty.mkdir()
    other = studies.write(tmp_path / "other", ablations.by_hand())
    for folders, message in (
        ([one, sweep], f"{sweep} holds a sweep: a table of arms is made of ablations"),
        ([one, empty], f"{empty}: a report needs trials.arrow, steps.arrow and images.arrow, missing here"),
        ([one, tmp_path / "none"], f"{tmp_path / 'none'}: a report needs trials.arrow, steps.arrow and images.arrow, "),
        ([one, one / ".." / "one"], f"{one / '..' / 'one'} is named twice: a table of arms needs several studies"),
        ([one, other], f"no arm is in two of these studies: {one} has full, without mhad, without sfcl and "),
    ):
        with pytest.raises(StudyError) as refused:
            report.cross(folders)
        assert str(refused.value).startswith(message)


def test_it_is_written_where_one_says(tmp_path: Path) -> None:
    folders = [studies.write(tmp_path / "one", ONE), studies.write(tmp_path / "other", OTHER)]
    text, files = report.cross(folders, tmp_path / "table.v2")
    assert files == [tmp_path / "table.v2.md", tmp_path / "table.v2.tex"]
    assert files[0].read_text(encoding="utf-8") == text == paste.markdown(grid(ONE, OTHER))
    assert files[1].read_text(encoding="utf-8") == paste.latex(grid(ONE, OTHER))
    assert report.cross(folders, tmp_path / "arms.tex")[1] == [tmp_path / "arms.md", tmp_path / "arms.tex"]
    assert report.cross(folders) == (text, [])
    with pytest.raises(StudyError, match="none: there is no such folder"):
        report.cross(folders, tmp_path / "none" / "table")
