"""The example under `reports/`: the tables of a study that was run, from which the README's picture comes."""

from __future__ import annotations

import shutil
from pathlib import Path

from dfkd_ray import report, tables

EXAMPLE = Path(__file__).parents[2] / "reports" / "example"


def test_its_page_is_built_from_the_tables_alone(tmp_path: Path) -> None:
    for path in EXAMPLE.glob("*.arrow"):
        shutil.copy(path, tmp_path)
    best = next(row for row in tables.read(tmp_path / "trials.arrow").to_pylist() if row["trial"] == 3)
    page = report.build(tmp_path).read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert f"test {100 * dict(best['final'])['test_accuracy/last']:.1f} % at its last epoch" in page
    assert {f"epoch {epoch}</figcaption>" in page for epoch in (1, 2, 4, 7, 9)} == {True}, "pictures of the best trial"


def test_the_readme_says_what_its_tables_say() -> None:
    trials = tables.read(EXAMPLE / "trials.arrow").to_pylist()
    best = max((row for row in trials if row["state"] == "complete"), key=lambda row: row["objectives"][0])
    readme = " ".join((EXAMPLE.parents[1] / "README.md").read_text(encoding="utf-8").split())
    stopped = sum(row["state"] == "pruned" for row in trials)
    assert f"{len(trials)} trials, {stopped} of them stopped early" in readme
    assert f"seed {best['seed']}) at {100 * dict(best['final'])['test_accuracy/last']:.1f} % test accuracy" in readme
