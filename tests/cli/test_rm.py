"""`rm`: to the trash, by path or by name."""

from __future__ import annotations

from pathlib import Path

from dfkd_ray.tune.ledger import Ledger
from tests.cli.commands import dfkd, refused
from tests.tune.test_standing import write


def test_a_study_goes_to_the_trash_and_is_listed_no_more(tmp_path: Path) -> None:
    folder = write(tmp_path / "reports" / "toy")
    with Ledger(folder):
        assert refused("rm", "toy", cwd=tmp_path).startswith("reports/toy: this study is being run already by process ")
    done = dfkd("rm", "toy", cwd=tmp_path)
    trash = tmp_path / "reports" / "trash" / "toy"
    assert done.out == f"moved to {trash}; delete that folder to free its space, or move it back\n"
    assert (trash / "ledger.jsonl").is_file()
    assert dfkd("ls", "runs", cwd=tmp_path).out == "no study and no run in reports\n"
    message = "toy holds no study and no run, so it is left alone: there is no such folder"
    assert refused("rm", "toy", cwd=tmp_path) == message
