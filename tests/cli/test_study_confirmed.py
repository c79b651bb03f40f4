"""From a search to what of its winner holds, and to which of its settings matter: as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from dfkd_ray.util import tables
from tests.cli.commands import TINY, Done, dfkd, refused

FIXED = "\n".join(f"  {path}: {value}" for path, value in {**TINY, "schedule.epochs": 1}.items())
SWEEP = f"""study: loud
question: How loud?
method: dfkd_fgvc
task: gliders
fixed:
{FIXED}
objective: {{metric: val_accuracy}}  # of so few steps it is chance; a data-free metric would find them degenerate
search:
  student_loss.high_order.weight: {{choice: [1.0, 10.0, 30.0]}}
budget: {{trials: 2}}
"""


class Story(NamedTuple):
    """A sweep that was confirmed, and the ablation around its winner."""

    home: Path
    sweep: Done
    around: Done


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("story")
    (home / "loud.yaml").write_text(SWEEP)
    swept = dfkd("sweep", "loud.yaml", "--runner", "serial", "--confirm", "1x3", cwd=home)
    return Story(home, swept, dfkd("ablate", "--from", "loud", "--runner", "serial", "--seeds", "2", cwd=home))


def test_the_last_lines_are_the_fresh_estimate(story: Story) -> None:
    assert story.sweep.code == 0, story.sweep
    rows = tables.read(story.home / "reports" / "loud" / "trials.arrow").to_pylist()
    again = [(row["arm"], row["seed"]) for row in rows if row["phase"] == "confirm"]
    name = again[0][0]
    twins = len(again) == 3  # where 10, the default, has won
    assert again == [(arm, seed) for seed in (1, 2, 3) for arm in ([name] if twins else [name, "defaults"])]
    values = [row["objectives"][0] for row in rows if row["arm"] == name]
    told = next(line for line in story.sweep.out.splitlines() if " is confirmed: " in line)
    reached = f"validation accuracy {100 * sum(values) / 3:.1f} % on 3 fresh seeds"
    assert told.startswith(f"{name.capitalize()} is confirmed: {reached} (95 % interval ")
    assert f"\nin the search: {name}, seed 0, val_accuracy " in story.sweep.out


def test_status_and_its_json_say_the_same(story: Story) -> None:
    said = dfkd("status", "loud", cwd=story.home).out
    told = next(line for line in story.sweep.out.splitlines() if " is confirmed: " in line)
    assert told in said.splitlines()
    plain = json.loads(dfkd("status", "loud", "--json", cwd=story.home).out)["confirmed"]
    assert (plain["complete"], plain["seeds"], len(plain["settings"])) == (True, [1, 2, 3], 1)


def test_which_of_what_won_matters_is_one_command_from_the_folder(story: Story) -> None:
    assert story.around.code == 0, story.around
    assert "the ablation around the winner is reports/loud/ablation.yaml: " in story.around.err
    rows = tables.read(story.home / "reports" / "loud-ablation" / "trials.arrow").to_pylist()
    arms = {row["arm"] for row in rows}
    assert {"full", "without kd", "without high_order", "without batchnorm"} <= arms
    assert {row["seed"] for row in rows} == {4, 5}
    assert {row["state"] for row in rows} == {"complete"}


def test_what_that_would_cost_is_planned_by_the_same_folder(story: Story) -> None:
    planned = dfkd("plan", "--from", "loud", "--seeds", "2", cwd=story.home)
    assert planned.code == 0, planned
    assert "2 seeds for each arm: 2 pairs" in planned.out


def test_one_study_is_named(story: Story) -> None:
    for words in (("ablate",), ("plan",), ("ablate", "parts.yaml", "--from", "loud")):
        why = refused(*words, cwd=story.home)
        assert why == "which study? Give its file, or --from and the folder of a sweep"
    why = refused("ablate", "--from", "loud-ablation", cwd=story.home)
    assert why == "loud-ablation is no sweep: an ablation around a winner needs one that has searched"


def test_a_finished_sweep_is_confirmed_by_its_edited_file(tmp_path: Path) -> None:
    (tmp_path / "loud.yaml").write_text(SWEEP)
    assert dfkd("sweep", "loud.yaml", "--runner", "serial", cwd=tmp_path).code == 0
    for seeds in (3, 4):
        (tmp_path / "loud.yaml").write_text(f"{SWEEP}confirm: {{top: 1, seeds: {seeds}}}\n")
        done = dfkd("sweep", "loud.yaml", "--runner", "serial", cwd=tmp_path)
        assert done.code == 0, done
        rows = tables.read(tmp_path / "reports" / "loud" / "trials.arrow").to_pylist()
        again = {row["seed"] for row in rows if row["phase"] == "confirm"}
        assert again == {*range(1, seeds + 1)}
        assert f"on {seeds} fresh seeds" in done.out, done.out
