"""Absurd numbers, names and files: one line, exit code 2, and nothing is built before it is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.commands import dfkd, refused

SWEEP = """study: absurd
method: noise_kd
task: gliders
objective: {metric: val_accuracy}
search: {student_loss.kd.temperature: {log: [1, 20]}}
budget: {trials: 2}
"""
ABLATION = """study: absurd
method: dfkd_fgvc
task: gliders
objective: {metric: val_accuracy}
design: leave_one_out
seeds: 3
components: {mhad: {off: {student_loss.high_order: null}}}
"""
BINARY = ", ".join(f"c{i}: {{off: {{source.p{i}: 1}}}}" for i in range(40))
BOMB = "\n".join(["a0: &a0 [1, 1]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))])
DIGITS = "9" * 400


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials: 2", "trials: 1000000000000", "6: budget.trials: must be at most 1,000,000, got 1,000,000,000,000"),
        ("trials: 2", f"trials: {DIGITS}", "6: budget.trials: 9+…9+ is too large"),
        ("trials: 2", f"trials: {'9' * 5_000}", "6: budget.trials: 9+…9+ is too large"),
        ("trials: 2", "hours: 1e90", r"6: budget.hours: must be at most 1,000,000, got 1e\+90"),
        ("log: [1, 20]", f"choice: [{'1, ' * 30_000}]", "5: more than 20,000 values"),
        ("log: [1, 20]", f"choice: [{', '.join(map(str, range(1, 1_002)))}]", ".*: at most 1,000 values, got 1,001"),
        ("log: [1, 20]", "log: [1e-300, 1]", ".*: a log domain starts at 1e-100 or above, got 1e-300"),
        ("log: [1, 20]}", "log: [1, 20], points: 1000000000}", ".*points: must be at most 100,000, got 1,000,000,000"),
        (
            "log: [1, 20]}}",
            "int: [1, 1000000000000]}}\nsampler: grid",
            "5: search: the grid has more than 100,000",
        ),
        (
            "budget",
            f"seed: {10**30}\nbudget",
            "6: seed: 10+ is too large",
        ),
        (
            "budget",
            "runtime: {threads: 1000000000}\nbudget",
            "6: runtime.threads: must be at most 1,024, got",
        ),
        ("budget", f"runtime: {{threads: {10**30}}}\nbudget", "6: runtime.threads: 10+ is too large"),
        (
            "budget",
            "fixed: {schedule.batch: 1000000000}\nbudget",
            "6: fixed.schedule.batch: must be at most 65,536, got ",
        ),
        (
            "budget",
            "fixed: {schedule.epochs: 1000000000}\nbudget",
            "6: fixed.schedule.epochs: must be at most 1,000,000, ",
        ),
        (
            "budget",
            "resources: {cpu: 1000000000}\nbudget",
            r"6: resources.cpu: must be at most 100,000, got 1e\+09",
        ),
        ("budget", f"{BOMB}\nbudget", r"\d+: more than 20,000 values, each alias counted with all that it stands for"),
        (
            "budget",
            f"question: {'[' * 3_000}\nbudget",
            "6: nested too deep: more than 32 lists and mappings in one another",
        ),
        (
            "budget",
            f"question: {'x' * 20_000}\nbudget",
            "6: question: has 20,000 characters, more than 10,000: 'x+…x+'",
        ),
        ("study: absurd", r'study: "absurd\0"', r"1: study: has the character U\+0000 in it: 'absurd\\x00'"),
        ("study: absurd", f"study: {'a' * 300}", "1: study: a name has at most 100 characters, got 300"),
        (
            "method: noise_kd",
            r'method: "noise\0kd.yaml"',
            r"2: method: has the character U\+0000 in it: 'noise\\x00kd.yaml'",
        ),
    ],
)
def test_of_a_sweep(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SWEEP.replace(old, new))
    said = refused("validate", "s.yaml", cwd=tmp_path)
    assert "\n" not in said
    assert len(said) < 3_000
    assert re.match(rf"s\.yaml:{message}", said), said


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 3", "seeds: 1000000000000", "6: seeds: at most 1,000 seeds, got 1,000,000,000,000"),
        ("seeds: 3", "seeds: 1e12", "6: seeds: expected a number of seeds, a list, or .* got 1000000000000.0"),
        ("seeds: 3", f"seeds: [{', '.join(map(str, range(1_001)))}]", "6: seeds: at most 1,000 seeds, got 1,001"),
        ("seeds: 3", "seeds: 3\ndraws: 1000000000000", "7: draws: must be at most 1,000,000, got 1,000,000,000,000"),
        ("leave_one_out", "factorial", "5: design: factorial has 1,099,511,627,776 arms, more than 256: take "),
    ],
)
def test_of_an_ablation(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = ABLATION.replace(old, new)
    if new == "factorial":
        text = text.replace("mhad: {off: {student_loss.high_order: null}}", BINARY)
    (tmp_path / "s.yaml").write_text(text)
    said = refused("validate", "s.yaml", cwd=tmp_path)
    assert re.search(rf"s\.yaml:{message}", said), said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", 10**30), "'--seed': must be at most 9,223,372,036,854,775,807, got one of 31 digits"),
        (("--epochs", 10**30), "'--epochs': must be at most 1,000,000, got one of 31 digits"),
        (("--seed", "9" * 5_000), "as an integer, exceeded maximum size"),
    ],
)
def test_of_an_option(words: tuple[str, int], message: str) -> None:
    done = dfkd("distill", "noise_kd", *words)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--threads", 10**30), "--threads: must be at most 1,024, got one of 31 digits"),
        (("--concurrency", 10**30), "--concurrency: must be at most 100,000, got one of 31 digits"),
        (("--cpu", "inf"), "--cpu: must be at most 100,000, got inf"),
        (("--set", f"schedule.batch={DIGITS}"), "--set: schedule.batch: 9+…9+ is too large"),
        (("--set", "schedule.batch=" + "[" * 3_000), "--set: schedule.batch: nested too deep"),
    ],
)
def test_of_what_a_command_sets(words: tuple[str, int], message: str) -> None:
    said = refused("distill", "noise_kd", *words)
    assert re.search(message, said), said


def test_files_of_gigabytes_are_refused_by_their_size(tmp_path: Path) -> None:
    for name in ("s.yaml", "m.yaml"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(5 * 10**9)
    said = "cannot be read: has 5.00 GB, more than the 1 MB that such a file may have"
    assert refused("validate", "s.yaml", cwd=tmp_path) == f"s.yaml: {said}"
    assert refused("distill", "m.yaml", cwd=tmp_path).endswith(f"m.yaml: {said}")
    assert "File name too long" in refused("validate", "a" * 5_000)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("sweep", "mhad", "--out", "s4://b/x"),
            r"--out: s4://b/x: unknown scheme 's4'; did you mean 's3'\? \(known: .*\)",
        ),
        (("resume", "hdfs://host/x"), r"hdfs://host/x: unknown scheme 'hdfs' \(known: az, file, gs, s3\)"),
        (("distill", "noise_kd", "--out", "s3:/b"), r"--out: s3:/b: name a folder in a bucket: s3://BUCKET/STUDY"),
    ],
)
def test_a_place_of_another_scheme_is_refused_and_no_folder_is_made(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = dfkd(*words, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(f"error: {message}\n", done.err), done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("synthesize", "diff_dfkd"), ("teach", "gliders"), ("show", "gliders", "--grid"), ("teach-diffusion", "gliders")],
)
def test_a_store_is_for_studies_alone(words: tuple[str, ...], tmp_path: Path) -> None:
    done = dfkd(*words, "--out", "s3://bucket/x", cwd=tmp_path)
    assert done.code == 2
    said = re.sub(r"[\s│]+", " ", done.err)
    assert "s3:/bucket/x is no path of this disk; only a study, or a run, may lie in a store" in said
    assert list(tmp_path.iterdir()) == []
