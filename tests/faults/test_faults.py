"""What accidents do to a study, a try of each kind without Ray: `python -m benchmarks faults` tries them often."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = [
    *("kill_9", "sigint", "sigterm", "race"),
    *("torn_tail", "ledger_bit", "checkpoint_bit", "checkpoint_gone", "table_bit", "student_bit"),
]


def tried(*kinds: str) -> dict[str, list[str]]:
    """Kind -> the cells of its row: tries, lost, doubled, differing bits, wrong ends, verdict; not how many trials were
    begun again, and when the event was seen."""
    command = [sys.executable, "-m", "benchmarks", "faults", "--repeat", "1"]
    words = [word for kind in kinds for word in ("--kind", kind)]
    done = subprocess.run(
        [*command, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    table = done.stdout.partition("\n\n")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert done.returncode == 0, done.stdout + done.stderr
    return {kind: [*cells[:3], *cells[4:6], cells[7]] for kind, *cells in rows}


@pytest.mark.slow
def test_each_leaves_the_study_as_it_would_have_been() -> None:
    assert tried(*KINDS) == {kind: ["1", "0", "0", "0", "0", "as undisturbed"] for kind in KINDS}


def may_mount() -> bool:
    """Whether this process may have a disk of its own: as root, and not in every container."""
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return shutil.which("unshare") is not None and subprocess.run(tried, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="a disk of its own is a tmpfs, and this process may not mount one")
def test_a_full_disk_leaves_the_study_as_it_would_have_been() -> None:
    assert tried("disk_full") == {"disk_full": ["1", "0", "0", "0", "0", "as undisturbed"]}


def test_every_kind_is_known() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "faults", "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    named = re.search(r"--kind \{([^}]*)\}", done.stdout)
    assert named is not None
    alike = {"sighup", "sigusr1"}  # what sigterm is: tests/cli/test_study_accidents.py
    of_ray = {"ray_worker", "ray_driver", "ray_head"}
    of_a_cluster = {"node_added", "node_killed", "node_drained", "head_killed", "store_killed"}
    assert {*KINDS, "disk_full", *alike, *of_ray, *of_a_cluster} == {*named[1].split(",")}
