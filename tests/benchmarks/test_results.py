"""How RESULTS.md is kept: a block for each command, rewritten by it, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # behind all else
import results  # noqa: E402

STEP, SHORT, FUZZ = ["step"], ["step", "gliders", "--seconds", "0.1"], ["fuzz"]


def test_a_first_block_gets_a_heading_the_next_stands_behind_it_and_a_third_at_the_end() -> None:
    text = "# Measured\n\nBy hand.\n"
    for words, found in [(STEP, "| a |\n|---|\n| 1 |\n"), (FUZZ, "no table"), (SHORT, "again")]:
        text = results.kept(text, words, results.block(words, "a machine", found), f"Of {words[0]}.")
    assert (
        text
        == """# Measured

By hand.

## Of step

<!-- kept by: step -->
`python -m benchmarks step`, a machine:

| a |
|---|
| 1 |
<!-- end of what is kept -->

<!-- kept by: step gliders --seconds 0.1 -->
`python -m benchmarks step gliders --seconds 0.1`, a machine:

```
again
```
<!-- end of what is kept -->

## Of fuzz

<!-- kept by: fuzz -->
`python -m benchmarks fuzz`, a machine:

```
no table
```
<!-- end of what is kept -->
"""
    )


lines = st.text(st.characters(exclude_characters="<`|", exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.lists(st.tuples(st.sampled_from([STEP, SHORT, FUZZ]), lines), min_size=1, max_size=8), lines, lines)
def test_the_newest_of_each_command_stands_and_the_rest_is_as_it_was(found: list[Any], before: str, after: str) -> None:
    """Backslashes included, which a pattern's replacement would read."""
    start = results.kept(f"{before}\n", FUZZ, results.block(FUZZ, "m", "old"), "Fuzz") + f"\n## By hand\n{after}\n"
    text = start
    for words, said in found:
        text = results.kept(text, words, results.block(words, "m", said), words[0])
    for words, said in {tuple(words): said for words, said in found}.items():
        assert text.count(results.mark(words)) == 1
        assert results.block(words, "m", said) in text
    assert text.startswith(before.rstrip())
    assert f"\n## By hand\n{after}".rstrip() in text


def listing(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, env=env, capture_output=True, text=True
    )


def test_the_names_are_told_and_a_wrong_one_gets_the_nearest() -> None:
    names = {line.split()[0] for line in listing().stderr.splitlines() if line.startswith("  ")}
    assert names >= {"step", "run", "tuner", "load", "faults", "fuzz", "report", "memory", "diffusion", "all"}
    done = listing("--keep", "stap")
    assert done.returncode == 2
    assert "no benchmark 'stap'; did you mean 'step'?" in done.stderr


def test_a_device_that_is_not_there_is_told_before_anything_is_measured() -> None:
    done = listing("step", "--device", "cuda:99")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'cuda:99' cannot be used here" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_printed_is_kept_unless_it_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import runpy

    monkeypatch.chdir(ROOT)
    main = runpy.run_module("benchmarks.__main__")
    page = tmp_path / "RESULTS.md"
    page.write_text("# Measured\n")
    main["keep"].__globals__["RESULTS"] = page
    assert main["keep"](["all", "--only"], "All") == 2
    assert main["keep"](["load", "run", "--trials", "x"], "Load") == 2
    assert page.read_text() == "# Measured\n"
    assert main["keep"](["fuzz", "--help"], "Fuzzing") == 0
    assert "usage" in capsys.readouterr().out
    assert "## Fuzzing\n\n<!-- kept by: fuzz --help -->" in page.read_text()
