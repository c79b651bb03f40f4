"""A slice of the fuzzer, with a fixed seed: `python -m benchmarks fuzz` makes as many more as one has time for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INPUTS = 15  # of each kind


def fuzz(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks", "fuzz", *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.mark.slow
def test_no_hostile_input_ends_in_a_traceback_a_hang_or_a_crash(tmp_path: Path) -> None:
    done = fuzz("--inputs", str(INPUTS), "--seconds", "600", "--seed", "13", "--out", str(tmp_path))
    failed = [path.read_text() for path in sorted(tmp_path.glob("failures/*/reason.txt"))]
    assert done.returncode == 0, done.stdout + done.stderr + "\n".join(failed)
    head, *rows, total, _ = done.stdout.splitlines()
    assert head.split() == ["kind", "inputs", "accepted", "refused", "traceback", "hang", "crash", "outside"]
    assert {row.split()[1] for row in rows} == {str(INPUTS)}
    name, inputs, accepted, refused, *failures = total.replace(",", "").split()
    assert (name, failures) == ("all", ["0"] * 4)
    assert int(inputs) == int(accepted) + int(refused) == INPUTS * len(rows)
    assert int(accepted) > 0


def test_the_same_seed_makes_the_same_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import hostile  # type: ignore[import-not-found]

    data = {"a": [1, {"b": "c"}], "d": 0.5}
    for number in range(50):
        one, two = (repr(hostile.mutated(data, hostile.Random(f"x {number}"))) for _ in range(2))
        assert one == two
    assert data == {"a": [1, {"b": "c"}], "d": 0.5}
