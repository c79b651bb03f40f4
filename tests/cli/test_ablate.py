"""`ablate`, and what the other commands do with an ablation: from its file to its effects, with a Ctrl-C on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dfkd_ray.tune import ledger
from dfkd_ray.util import tables
from tests.cli.commands import TINY, Done, dfkd, interrupted, refused

FIXED = "\n".join(f"  {path}: {value}" for path, value in {**TINY, "schedule.epochs": 1}.items())
ABLATION = f"""study: parts
question: Which part?
method: dfkd_fgvc
task: gliders
fixed:
{FIXED}
objective: {{metric: kl/source}}  # which a few steps change; an accuracy would be chance
design: leave_one_out
components:
  mhad: {{off: {{student_loss.high_order: null}}}}
  sfcl: {{off: {{student_loss.semantic_contrast: null}}}}
  reuse: {{off: {{memory.reuse: 1}}}}  # it is 1 anyway
seeds: 3
"""
ARMS = ["full", "without mhad", "without sfcl"]
SERIAL = ("--runner", "serial")


class Story(NamedTuple):
    """An ablation that was stopped and resumed, the same undisturbed, and one with more seeds that reuses it."""

    home: Path
    stopped: Done
    resumed: Done
    whole: Done
    more: Done


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("story")
    (home / "parts.yaml").write_text(ABLATION)
    (home / "more.yaml").write_text(ABLATION.replace("seeds: 3", "seeds: 4").replace("study: parts", "study: more"))
    with interrupted(saves=2):
        stopped = dfkd("ablate", "parts.yaml", *SERIAL, cwd=home)
    resumed = dfkd("resume", "reports/parts", cwd=home)
    whole = dfkd("ablate", "parts.yaml", *SERIAL, "--out", "whole", cwd=home)
    more = dfkd("ablate", "more.yaml", *SERIAL, "--reuse", "reports/parts", "--reuse", "whole", cwd=home)
    return Story(home, stopped, resumed, whole, more)


def rows(folder: Path, table: str = "trials", *drop: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tables.read(folder / f"{table}.arrow").drop_columns(list(drop)).to_pylist()
    return found


def test_it_says_what_it_runs_and_each_trials_arm(story: Story) -> None:
    assert (story.whole.code, story.whole.err) == (0, "")
    lines = story.whole.out.splitlines()
    assert lines[:2] == ["Which part?", "dfkd_fgvc on gliders, 4 arms (3 run) x 3 pairs, into whole"]
    trials = [line.partition(" complete")[0] for line in lines[2:11]]
    assert trials == [f"trial {3 * seed + i} ({arm})" for seed in range(3) for i, arm in enumerate(ARMS)]
    assert lines[10].rpartition(" | ")[2].startswith("9 of 9")
    assert lines[11].startswith("9 complete, 0 stopped, 0 failed, ")


def test_it_ends_with_effects_and_a_page(story: Story) -> None:
    lines = story.whole.out.splitlines()
    assert lines[12] == "effects on kl/source, 95 % intervals and p, each over all effects of its kind:"
    assert [line.partition(": ")[0] for line in lines[13:16]] == [
        f"  {name} on against off, the rest on" for name in ("mhad", "sfcl", "reuse")
    ]
    assert lines[15].endswith(", p 1, 3 pairs: cannot be told apart at this budget"), "an arm beside itself"
    assert lines[-1] == "page: whole/report.html"
    assert (story.home / "whole" / "report.html").exists()


def test_the_effects_are_those_of_the_trials(story: Story) -> None:
    """Paired by seed: written out from the trials."""
    value = {(row["arm"], row["seed"]): row["objectives"][0] for row in rows(story.home / "whole")}
    assert len(value) == 9
    for name in ("mhad", "sfcl"):
        expected = sum(value["full", seed] - value[f"without {name}", seed] for seed in range(3)) / 3
        (row,) = (
            row
            for row in rows(story.home / "whole", "effects")
            if (row["component"], row["metric"]) == (name, "kl/source")
        )
        assert row["difference"] == pytest.approx(expected)
        assert (row["pairs"], row["lost"]) == (3, 0)


def test_all_arms_have_spent_the_same(story: Story) -> None:
    spent = [dict(row["final"]) for row in rows(story.home / "whole")]
    for budget in ("updates/student", "updates/source", "images/student"):
        assert len({final[budget] for final in spent}) == 1
        assert spent[0][budget] > 0


def test_an_arm_that_changes_nothing_is_run_as_the_one_that_it_is(story: Story) -> None:
    note = tables.metadata(tables.read(story.home / "whole" / "trials.arrow"))["ablation"]
    assert {arm["name"]: arm["runs_as"] for arm in note["arms"]} == {
        **dict.fromkeys(ARMS),
        "without reuse": "full",
    }


def test_stopped_and_resumed_it_found_what_it_finds_undisturbed(story: Story) -> None:
    assert story.stopped.code == 130
    assert story.stopped.err == "interrupted; resume with: dfkd-ray resume reports/parts\n"
    assert story.resumed.code == 0
    ours, whole = story.home / "reports" / "parts", story.home / "whole"
    assert rows(ours, "steps", "seconds") == rows(whole, "steps", "seconds")
    assert rows(ours, "effects") == rows(whole, "effects")
    told = ("arm", "seed", "changes", "state", "final", "fingerprint", "epochs")
    assert [{key: row[key] for key in told} for row in rows(ours)] == [
        {key: row[key] for key in told} for row in rows(whole)
    ]
    assert story.resumed.out.splitlines()[-5:-1] == story.whole.out.splitlines()[-5:-1]


def test_with_reuse_the_rest_alone_is_run(story: Story) -> None:
    assert story.more.code == 0
    folder = story.home / "reports" / "more"
    found = rows(folder)
    assert [row["reason"] for row in found[:9]] == [f"reused: reports/parts, trial {n}" for n in range(9)]
    assert [
        bool(re.search(r" reused(, degenerate \(.*\))?: kl/source ", line))
        for line in story.more.out.splitlines()[2:14]
    ] == [True] * 9 + [False] * 3
    assert [(row["arm"], row["seed"], row["reason"]) for row in found[9:]] == [(arm, 3, None) for arm in ARMS]
    begun = [record["trial"] for record in ledger.read_records(folder / ledger.NAME)[0] if record["kind"] == "started"]
    assert begun == [9, 10, 11]
    steps = rows(folder, "steps", "seconds")
    assert [step for step in steps if step["trial"] < 9] == rows(story.home / "whole", "steps", "seconds")
    assert "12 complete, 0 stopped, 0 failed" in story.more.out


def test_a_resumed_study_reuses_what_it_was_told_to(story: Story) -> None:
    home = story.home
    (home / "late.yaml").write_text(ABLATION.replace("seeds: 3", "seeds: [9, 0, 1]").replace("parts", "late"))
    with interrupted(saves=1):
        assert dfkd("ablate", "late.yaml", *SERIAL, "--reuse", "whole", cwd=home).code == 130
    assert dfkd("resume", "reports/late", cwd=home).code == 0
    told = [(row["seed"], (row["reason"] or "").partition(":")[0]) for row in rows(home / "reports" / "late")]
    assert told == [(9, "")] * 3 + [(0, "reused")] * 3 + [(1, "reused")] * 3


def test_another_task_cannot_be_reused(story: Story, tmp_path: Path) -> None:
    """Neither its trials nor its teacher are the same; nothing is launched."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    table = tables.read(story.home / "whole" / "trials.arrow")
    other = json.loads(json.dumps(tables.metadata(table)))
    other["task"]["teacher"]["digest"] = "0" * 16
    other.pop("schema")
    tables.write(tables.table("trials", [], other), folder / "trials.arrow")
    words = ("ablate", story.home / "parts.yaml", *SERIAL, "--out", "out", "--reuse", folder)
    done = dfkd(*words, cwd=tmp_path)
    assert done.code == 2
    assert done.err == (f"error: {folder}: nothing of it can be reused: its teacher or its evaluation is another\n")
    assert not (tmp_path / "out").exists()


def test_another_precision_cannot_be_reused(story: Story, tmp_path: Path) -> None:
    words = ("ablate", story.home / "parts.yaml", *SERIAL, "--out", "out", "--precision", "bfloat16")
    done = dfkd(*words, "--reuse", story.home / "whole", cwd=tmp_path)
    why = "nothing of it can be reused: its precision is float32, not bfloat16"
    assert (done.code, done.err) == (2, f"error: {story.home / 'whole'}: {why}\n")
    assert not (tmp_path / "out").exists()


def test_the_plan_prints_the_design_and_what_it_can_tell(story: Story) -> None:
    done = dfkd("plan", "parts.yaml", "--concurrency", "1", cwd=story.home)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:4] == [
        "parts: Which part?",
        "method dfkd_fgvc, task gliders",
        "design: leave_one_out, 4 arms",
        "arm            mhad  sfcl  reuse",
    ]
    assert "3 seeds for each arm: 3 pairs" in lines
    (alone, among) = (line for line in lines if line.startswith("smallest effect told with power 0.8, "))
    assert alone.endswith(" nats, measured in reports/parts)"), "the study's own folder first"
    assert ", among 3 effects that scatter alike: " in among
    assert "the same method, run once: full, without reuse" in lines
    assert lines[-1].startswith("9 trials, 1 at a time: at most ")


def test_a_plan_without_earlier_studies_measures_no_spread(story: Story, tmp_path: Path) -> None:
    done = dfkd("plan", story.home / "parts.yaml", cwd=tmp_path)
    assert "standard deviations of a paired difference of two arms" in done.out
    assert list(tmp_path.iterdir()) == []


def test_validate_counts_the_arms(story: Story) -> None:
    done = dfkd("validate", "parts.yaml", cwd=story.home)
    assert done == (0, "parts: 4 arms, method dfkd_fgvc, task gliders: valid\n", "")


def test_each_command_names_the_other(story: Story, tmp_path: Path) -> None:
    assert refused("sweep", "parts.yaml", cwd=story.home) == "parts is an ablation; run: dfkd-ray ablate parts.yaml"
    sweep = ABLATION[: ABLATION.index("design")]
    (tmp_path / "s.yaml").write_text(
        f"{sweep}search: {{student_loss.kd.temperature: {{log: [1, 2]}}}}\nbudget: {{trials: 1}}\n"
    )
    assert refused("ablate", "s.yaml", cwd=tmp_path) == "parts is a sweep; run: dfkd-ray sweep s.yaml"


@pytest.mark.parametrize("command", ["plan", "validate", "ablate"])
@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "seeds: 3\n",
            "seeds: 3\nsearch:\n  student_loss.high_order.weight: {log: [1, 2]}\ndraws: 2\n",
            21,
            "search.student_loss.high_order.weight: the arm 'without mhad' takes out student_loss.high_order, so ",
        ),
        ("seeds: 3", "seeds: 1", 19, "seeds: one seed tells nothing of the spread: take 3 or more"),
        ("  sfcl:", "  MHAD:", 17, "components.MHAD: there is 'mhad' as well: two of one name"),
        (
            "design: leave_one_out",
            "design: {name: fractional_factorial, resolution: 3, wanted: [mhad x sfcl]}",
            14,
            "design.wanted.0: mhad x sfcl cannot be told from reuse in 4 arms: ",
        ),
    ],
)
def test_what_can_tell_nothing_is_refused_before_anything_starts(
    command: str, old: str, new: str, line: int, message: str, tmp_path: Path
) -> None:
    (tmp_path / "parts.yaml").write_text(ABLATION.replace(old, new))
    assert refused(command, "parts.yaml", cwd=tmp_path).startswith(f"parts.yaml:{line}: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["parts.yaml"]
