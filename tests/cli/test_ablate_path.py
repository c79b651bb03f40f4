"""`ablate` along a path from one method to another: its rounds by real runs, also stopped and resumed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dfkd_ray.methods import config
from dfkd_ray.util import tables
from tests.cli import commands
from tests.cli.commands import Done, dfkd, interrupted

TINY = {**commands.TINY, "schedule.epochs": 1}
FIXED = "\n".join(f"  {path}: {value}" for path, value in TINY.items())
WAY = f"""study: way
method: dfkd_fgvc
task: gliders
fixed:
  source_loss.batchnorm: null
  source_loss.adversarial: null
{FIXED}
objective: {{metric: kl/noise}}  # which a few steps change; an accuracy would be chance
design: {{name: path, to: noise_kd}}
seeds: 2
"""
NAMES = ["source", "high_order", "semantic_contrast"]
FIRST = ["none", "source=noise", "high_order=out", "semantic_contrast=out"]


class Story(NamedTuple):
    """A path that was stopped in its second round and resumed, and the same undisturbed."""

    home: Path
    plan: Done
    stopped: Done
    resumed: Done
    whole: Done


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("path")
    (home / "way.yaml").write_text(WAY)
    plan = dfkd("plan", "way.yaml", "--concurrency", "1", cwd=home)
    with interrupted(saves=8 + 2):
        stopped = dfkd("ablate", "way.yaml", "--runner", "serial", cwd=home)
    resumed = dfkd("resume", "reports/way", cwd=home)
    whole = dfkd("ablate", "way.yaml", "--runner", "serial", "--out", "whole", cwd=home)
    return Story(home, plan, stopped, resumed, whole)


def rows(folder: Path, table: str = "trials", *drop: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tables.read(folder / f"{table}.arrow").drop_columns(list(drop)).to_pylist()
    return found


def test_the_plan_has_the_first_round_and_the_number_of_rounds(story: Story) -> None:
    assert (story.plan.code, story.plan.err) == (0, "")
    lines = story.plan.out.splitlines()
    assert lines[1:3] == ["method dfkd_fgvc, task gliders", "design: path, 4 arms"]
    assert [line.split()[0] for line in lines[4:8]] == FIRST
    assert "from dfkd_fgvc (the arm none) to noise_kd (the arm full)" in lines
    assert "  high_order: student_loss.high_order from in to out" in lines
    assert "3 rounds, at most 7 arms; these are the arms of the first round" in lines
    assert lines[-1].startswith("at most 14 trials, 1 at a time: ")


def test_each_round_is_run_on_top_of_the_best_step_of_the_one_before(story: Story) -> None:
    """The choices written out from the trials: the lowest mean of each round, both ends as the methods are."""
    assert (story.whole.code, story.whole.err) == (0, "")
    assert story.whole.out.splitlines()[0] == "way"
    trials = rows(story.home / "whole")
    mean: dict[str, float] = {}
    for row in trials:
        mean[row["arm"]] = mean.get(row["arm"], 0.0) + row["objectives"][0] / 2
    arms = list(dict.fromkeys(row["arm"] for row in trials))
    assert arms[:4] == FIRST
    assert arms[-1] == "full"
    assert len(trials) == 2 * len(arms) == 14
    first = min(arms[1:4], key=mean.__getitem__)
    assert all(first in arm for arm in arms[4:6])
    second = min(arms[4:6], key=mean.__getitem__)
    chosen = tables.metadata(tables.read(story.home / "whole" / "trials.arrow"))["ablation"]["chosen"]
    assert chosen[0] == first.partition("=")[0]
    assert {*chosen[:2]} == {part.partition("=")[0] for part in second.split(" + ")}
    assert sorted(chosen) == sorted(NAMES)
    prints = {row["arm"]: row["fingerprint"] for row in trials}
    fixed = {path: value for path, value in TINY.items() if path.startswith("schedule.")}
    assert prints["full"] == config.fingerprint(config.change(config.load("noise_kd"), fixed))


def test_its_effects_are_its_steps_in_their_order(story: Story) -> None:
    found = [row for row in rows(story.home / "whole", "effects") if row["metric"] == "kl/noise"]
    chosen = [row["component"] for row in found]
    assert sorted(chosen) == sorted(NAMES)
    assert [row["contrast"].partition(", ")[2] for row in found] == [
        "at the start",
        f"after {chosen[0]}",
        f"after {chosen[0]}, {chosen[1]}",
    ]
    value = {(row["arm"], row["seed"]): row["objectives"][0] for row in rows(story.home / "whole")}
    whole = sum(value["full", seed] - value["none", seed] for seed in (0, 1)) / 2
    assert sum(row["difference"] for row in found) == pytest.approx(whole), "the steps add up to the way"


def test_the_page_says_from_where_to_where(story: Story) -> None:
    page = (story.home / "whole" / "report.html").read_text(encoding="utf-8")
    assert "from dfkd_fgvc (the arm none) to noise_kd (the arm full)" in page
    assert "path (to noise_kd)" in page


def test_stopped_and_resumed_it_walks_the_same_way(story: Story) -> None:
    assert story.stopped.code == 130
    assert story.resumed.code == 0
    ours, whole = story.home / "reports" / "way", story.home / "whole"
    assert rows(ours, "steps", "seconds") == rows(whole, "steps", "seconds")
    assert rows(ours, "effects") == rows(whole, "effects")
    assert [(row["arm"], row["seed"], row["state"]) for row in rows(ours)] == [
        (row["arm"], row["seed"], row["state"]) for row in rows(whole)
    ]
