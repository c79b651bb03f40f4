"""`repair` as its user meets it: the study goes on afterwards."""

from __future__ import annotations

from pathlib import Path

from dfkd_ray.tune.ledger import NAME
from tests.cli.commands import dfkd, refused
from tests.tune import toys


def test_a_damaged_study_is_refused_repaired_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    toys.start(toys.study({"budget: {trials: 8}": "budget: {trials: 1}"}), toys.Toy(), folder)
    data = (folder / NAME).read_bytes()
    count = len(data.splitlines())
    assert dfkd("repair", "toy", cwd=tmp_path) == (
        0,
        f"toy: nothing to repair, {count} sound records\n",
        "",
    )
    (folder / NAME).write_bytes(data.replace(b'"epoch":2,', b'"epoch":3,', 1))
    number = next(i for i, line in enumerate(data.splitlines(), 1) if b'"epoch":2,' in line)
    damaged = f"toy/{NAME}:{number}: this record is damaged; nothing of it was changed; take it from a copy, or: "
    assert refused("resume", "toy", cwd=tmp_path) == f"{damaged}dfkd-ray repair toy"
    done = dfkd("repair", "toy", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f'line {number}: damaged; it reads as "row" of trial 0, epoch 3: its numbers are lost',
        "trial 0: epoch 2 is taken from steps.arrow",
        f"kept {count} records, 1 set aside in ledger.damaged-1.jsonl; the ledger as it was is ledger.original-1.jsonl",
        "go on with: dfkd-ray resume toy",
    ]
