"""`reproduce`: the list, the plan, a tiny run on gliders to its verdicts, and what is said where data is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from torch import nn

from dfkd_ray.cli import reproduce as commands
from dfkd_ray.runs import measures
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.study import Budget, Objective, Study, published
from dfkd_ray.tune import ledger
from dfkd_ray.tune.options import Options
from dfkd_ray.util import shipped, tables, yamls
from tests.cli.commands import TINY, Done, dfkd, refused
from tests.stats.rule import verdicts_of

TABLE = published.load("dfkd_fgvc/table5")
ROWS = ["order 1", "order 2", "order 3"]
SERIAL = ("--runner", "serial")


@contextmanager
def tiny(folder: Path, epochs: int = 1) -> Iterator[None]:
    """The small scale of this project, smaller still: its studies with the fixed changes of these tests."""
    find = shipped.find
    small = {name: folder / f"{name}.yaml" for name in ("mhad", "fgvc_claims")}
    for name, path in small.items():
        path.write_text(yaml.safe_dump({**yamls.load(find(name)).data, "fixed": {**TINY, "schedule.epochs": epochs}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "find", lambda name: small.get(name) or find(name))
        yield


# ---- the list


def test_every_table_is_listed_a_line_each() -> None:
    done = dfkd("reproduce", "--list")
    assert (done.code, done.err) == (0, "")
    head, *lines = done.out.splitlines()
    assert re.split(r" {2,}", head) == ["table", "what", "paper", "can it be run again here?"]
    assert [line.split()[0] for line in lines] == published.names()
    for line, name in zip(lines, published.names()):
        table = published.load(name)
        _, what, paper, here = re.split(r" {2,}", line)
        assert (what, paper) == (f"{table.title} ({table.number})", table.source.citation)
        assert here.startswith("yes: on gliders") if table.runnable else here == f"no: {table.not_run}"
    assert any("Shao et al., ICCV 2023" in line for line in lines)


def test_a_terminal_gets_a_table_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setattr(published, "names", lambda: ["dfkd_fgvc/table1"])
    said: list[str] = []
    monkeypatch.setattr(commands.typer, "echo", said.append)
    commands._list(json=False)
    assert len(said) > 2
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in said) <= 90


def test_a_task_that_is_here_is_told_from_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands._here(TABLE) == "yes: on gliders; on aircraft, cars196, cub200 with --data and --weights"
    monkeypatch.setattr("dfkd_ray.datasets.names", lambda: ["cub200", "gliders"])
    assert commands._here(TABLE) == (
        "yes: on gliders; on cub200 with --data and --weights; there is no task aircraft, cars196 yet"
    )


# ---- what cannot be asked


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dfkd_fgvc/tabel3"], "unknown table 'dfkd_fgvc/tabel3'; did you mean 'dfkd_fgvc/table3'? (known: "),
        (["dfkd_fgvc/table1"], "dfkd_fgvc/table1 is data alone: The settings of the other methods"),
        (["dfkd_fgvc/table3"], "column: which column of dfkd_fgvc/table3? (known: aircraft, cars196, cub200)"),
        (["dfkd_fgvc/table3", "--column", "cub20"], "no run for 'cub20'; did you mean 'cub200'?"),
        (["dfkd_fgvc/table3", "--scale", "glider"], "scale: unknown scale 'glider'; did you mean 'gliders'?"),
        (["dfkd_fgvc/table3", "--scale", "gliders", "--seeds", "1"], "seeds: one seed tells nothing of the spread"),
        (["dfkd_fgvc/table3", "--scale", "gliders", "--data", "no.npz"], "no.npz: there is no such file"),
    ],
)
def test_what_cannot_be_run_is_one_message(words: list[str], message: str, tmp_path: Path) -> None:
    done = dfkd("reproduce", *words, cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_asked_for_and_options_of_ray_need_ray(tmp_path: Path) -> None:
    done = dfkd("reproduce", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "which table? See: dfkd-ray reproduce --list" in done.err
    done = dfkd("reproduce", "dfkd_fgvc/table3", *SERIAL, "--address", "auto", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "--address: is for --runner ray" in done.err


# ---- the plan


def test_the_papers_scale_without_its_data_is_a_design_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", "nowhere")
    words = ["reproduce", "dfkd_fgvc/table3", "--column", "CUB200"]
    planned = dfkd(*words, "--plan", cwd=tmp_path)
    assert (planned.code, planned.err) == (0, "")
    lines = planned.out.splitlines()
    assert lines[0] == "dfkd_fgvc/table3#cub200: What each loss of the student adds (Shao et al., ICCV 2023, Table 3)"
    assert "  +1.45  MHAD adds more than SFCL" in lines  # (55.71 - 51.34) - (54.26 - 51.34)
    assert "dfkd_fgvc_table3_cub200: Does Table 3 of DFKD-FGVC hold on cub200?" in lines
    assert "5 seeds for each arm: 5 pairs" in lines
    assert "a trial: 200 epochs x 50 rounds, 200,000 source steps and 150,000 student steps of 64 images" in lines
    missing = lines[lines.index("dfkd_fgvc_table3_cub200 cannot be run here:") :]
    assert missing[1].startswith("  the task cub200 ships no teacher, and ")
    assert missing[2] == "  nowhere: there are no images of cub200"
    assert missing[-1] == "  the same cells on the embedded task: dfkd-ray reproduce dfkd_fgvc/table3 --scale gliders"
    run = dfkd(*words, cwd=tmp_path)
    assert (run.code, run.out.splitlines()) == (2, lines[: -len(missing)])
    assert run.err.splitlines() == [f"error: {missing[0]}", *missing[1:]]
    assert list(tmp_path.iterdir()) == []


def test_teacher_and_images_are_both_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path))
    objective, fixed = (Objective("val_accuracy"),), {"teacher.arch": "resnet56"}
    study = Study("s", "dfkd_fgvc", "cifar10", objective, fixed=fixed, budget=Budget(trials=1))
    teacher, images = commands._lacking(study, Options())
    assert teacher.startswith(
        "the task cifar10 ships no teacher, and `dfkd-ray teachers ls` finds none of that net: give"
    )
    assert images.startswith(f"{tmp_path}: there are no images of cifar10\n")
    np.savez(
        tmp_path / "few.npz",
        val_images=np.zeros((4, 32, 32, 3), np.uint8),
        val_labels=np.zeros(4, np.int64),
    )
    assert commands._lacking(study, Options(data=str(tmp_path / "few.npz"))) == [teacher]
    (absent,) = commands._lacking(study, Options(data=str(tmp_path / "few.npz"), weights=tmp_path / "no.pt"))
    assert absent == f"{tmp_path}/no.pt: there is no such file"


def test_a_plan_on_gliders_launches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfkd_ray.tune.launch.start", lambda *args, **options: pytest.fail("launched"))
    monkeypatch.setattr("dfkd_ray.runs.probe.probe", lambda work, threads, seed, fuse: StepSeconds(10.0, 20.0, 30.0))
    home = tmp_path / "home"
    home.mkdir()
    with tiny(tmp_path, epochs=2):
        done = dfkd("reproduce", TABLE.id, "--scale", "gliders", "--seeds", "3", "--plan", cwd=home)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[1] == "its claims, as differences in points (mean of aircraft, cars196, cub200):"
    assert [line.split("  ", 2)[2] for line in lines[2:5]] == [claim.text for claim in TABLE.claims]
    assert lines[5] == "dfkd_fgvc_table5_gliders: Does Table 5 of DFKD-FGVC hold on gliders?"
    assert "order 1  student_loss.high_order.order: 1" in lines
    assert "a trial: 2 epochs x 1 round, 2 source steps and 4 student steps of 4 images" in lines
    assert lines[-1].startswith("9 trials, ")
    assert "at most 24 min of CPU" in lines[-1], "9 x 2 epochs of 10 s + 2 x 20 s + 30 s"
    assert list(home.iterdir()) == []


# ---- a run to its end


class Story(NamedTuple):
    """A table run again, and looked at again."""

    folder: Path
    done: Done
    resumed: Done
    note: dict[str, Any]
    trials: list[dict[str, Any]]


def marked(student: nn.Module, *images: Any, **how: Any) -> dict[str, float]:
    """A few steps leave every student at chance: this mark in [0, 1) tells students apart by their weights."""
    return {"accuracy": sum(weights.double().sum().item() for weights in student.parameters()) % 1}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("reproduced")
    words = ["reproduce", TABLE.id, "--column", "cub200", "--scale", "gliders", "--seeds", "3", *SERIAL]
    with tiny(home), pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "quality", marked)
        done = dfkd(*words, "--out", "out", cwd=home)
    resumed = dfkd("resume", "out", cwd=home)
    trials = tables.read(home / "out" / "trials.arrow")
    return Story(home / "out", done, resumed, tables.metadata(trials)["published"], trials.to_pylist())


def test_it_runs_as_an_ablation_does(story: Story) -> None:
    assert (story.done.code, story.done.err) == (0, "")
    assert [(row["arm"], row["seed"], row["state"]) for row in story.trials] == [
        (arm, seed, "complete") for seed in range(3) for arm in ROWS
    ]
    study = ledger.read_records(story.folder / ledger.NAME)[0][0]["study"]
    assert study["published"] == "dfkd_fgvc/table5#cub200"
    assert "dfkd_fgvc on gliders, 3 arms x 3 pairs, into out" in story.done.out.splitlines()
    assert story.done.out.splitlines()[-1] == "page: out/report.html"


def test_published_and_measured_stand_side_by_side(story: Story) -> None:
    note = story.note
    head = {key: value for key, value in note.items() if key not in ("cells", "claims", "cut")}
    assert head == {
        "table": "dfkd_fgvc/table5",
        "title": "Order of the mixed high-order attention",
        "source": "Shao et al., ICCV 2023, Table 5",
        "column": "cub200",
        "scale": "gliders",
        "unit": "points",
        "metric": "test_accuracy/last",
        "best_on_test": "",
    }
    measured = {
        arm: 100 * fmean(dict(row["final"])["test_accuracy/last"] for row in story.trials if row["arm"] == arm)
        for arm in ROWS
    }
    assert len(set(measured.values())) == 3
    assert [(cell["row"], cell["published"], cell["mark"], cell["n"]) for cell in note["cells"]] == [
        ("order 1", 56.12, "read", 3),
        ("order 2", 55.06, "read", 3),
        ("order 3", 56.93, "read", 3),
    ]
    for cell in note["cells"]:
        assert cell["measured"] == pytest.approx(measured[cell["row"]])
        assert cell["difference"] == pytest.approx(measured[cell["row"]] - cell["published"])
        assert cell["t_low"] <= cell["measured"] <= cell["t_high"]


def test_each_claim_has_its_verdict(story: Story) -> None:
    scores = {(row["arm"], row["seed"]): dict(row["final"])["test_accuracy/last"] for row in story.trials}
    pairs = {"order 3 beats order 1": (3, 1), "order 3 beats order 2": (3, 2), "order 1 beats order 2": (1, 2)}
    assert [claim["text"] for claim in story.note["claims"]] == list(pairs)
    assert [claim["by"] for claim in story.note["claims"]] == ["table", "table", "text"]
    family = [[100 * (scores[f"order {a}", s] - scores[f"order {b}", s]) for s in range(3)] for a, b in pairs.values()]
    _, halves = verdicts_of(family)
    for claim, values, half in zip(story.note["claims"], family, halves):
        assert claim["difference"] == pytest.approx(fmean(values), abs=1e-9)
        assert (claim["low"], claim["high"]) == pytest.approx((fmean(values) - half, fmean(values) + half))
        holds, fails = claim["low"] > 0, claim["high"] < 0
        assert claim["verdict"] == ("holds here" if holds else "fails here" if fails else "cannot be told")
        assert claim["pairs"] == 3
    assert [claim["published"] for claim in story.note["claims"]] == pytest.approx([0.81, 1.87, 1.06])


def test_the_last_words_are_the_comparison(story: Story) -> None:
    lines = story.done.out.splitlines()
    start = lines.index("Shao et al., ICCV 2023, Table 5, cub200, beside test_accuracy/last here, in points:")
    assert lines[start + 1] == "  (on gliders, a task of another scale: compare the claims, not the numbers)"
    assert lines[start + 2].split() == ["published", "measured", "here", "n", "difference"]
    for line, cell in zip(lines[start + 3 :], story.note["cells"]):
        shown = f"{cell['measured']:.1f} [{cell['t_low']:.1f}, {cell['t_high']:.1f}]"
        wanted = f"{cell['row']} {cell['published']:.2f} {shown} 3 {cell['difference']:+.1f}"
        assert line.split() == wanted.split()
    ends = {cell["row"]: (cell["t_low"], cell["t_high"]) for cell in story.note["cells"]}
    assert story.note["cut"] == [row for row, (low, high) in ends.items() if low == 0 or high == 100]
    said = lines[start + 6 : -1]
    said = said[: next((i for i, line in enumerate(said) if "on real images all the same" in line), len(said))]
    if story.note["cut"]:
        assert said.pop(0).endswith(" 0.0 % to 100.0 %, and are cut there.)")
    assert said[0] == "what the table claims, with 95 % intervals over all claims:"
    assert len(said) == 4
    for line, claim in zip(said[1:], story.note["claims"]):
        assert line.startswith(f"  {claim['verdict']}: {claim['text']} (published {claim['published']:+.2f}, here ")
        assert line.endswith(", 3 pairs)")


def test_whoever_resumes_is_told_too(story: Story) -> None:
    assert story.resumed.code == 0
    lines = story.done.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("9 complete, "))
    assert story.resumed.out.splitlines() == lines[start:]


def test_what_was_run_is_taken_over_for_another_column(story: Story, tmp_path: Path) -> None:
    words = ["reproduce", TABLE.id, "--scale", "gliders", "--seeds", "2", *SERIAL, "--reuse", story.folder]
    with tiny(tmp_path):
        done = dfkd(*words, "--out", "again", cwd=tmp_path)
    assert done.code == 0
    trials = tables.read(tmp_path / "again" / "trials.arrow")
    assert {row["reason"].partition(":")[0] for row in trials.to_pylist()} == {"reused"}
    note = tables.metadata(trials)["published"]
    assert note["column"] is None
    assert note["cells"][0]["published"] == pytest.approx((64.31 + 69.26 + 56.12) / 3)
    assert {claim["verdict"] for claim in note["claims"]} == {"cannot be told"}, "of two pairs"


def test_an_unknown_table_of_a_study_file_is_told_with_its_line(tmp_path: Path) -> None:
    with tiny(tmp_path):
        raw = published.study(TABLE, None, "gliders", 3)
    (tmp_path / "mine.yaml").write_text(f"published: dfkd_fgvc/tabel5\n{yaml.safe_dump(raw, sort_keys=False)}")
    said = refused("validate", "mine.yaml", cwd=tmp_path)
    wanted = "mine.yaml:1: published: unknown table 'dfkd_fgvc/tabel5'; did you mean 'dfkd_fgvc/table5'?"
    assert said.startswith(wanted)
