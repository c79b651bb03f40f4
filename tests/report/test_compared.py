"""Several studies on one page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dfkd_ray import report
from dfkd_ray.report import compared
from dfkd_ray.report.page import comparison
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import NBSP
from tests.report import ablations, studies
from tests.report.packed import unpacked
from tests.report.studies import noted, steps, study, trial
from tests.report.writing import written


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace(NBSP, " "))


def sweep(best: float, mode: str = "max") -> compared.Tables:
    goal = {"metric": "val_accuracy", "mode": mode}
    rows = [trial(0, objectives=[0.4]), trial(1, objectives=[best])]
    return study(rows, steps(1, {"val_accuracy": [0.2, best]}), note=noted(objective=goal))


def test_the_answer_says_who_is_ahead_and_by_how_much() -> None:
    text = plain(written(compared.summary({"a": sweep(0.8), "b": sweep(0.85)})))
    assert "Ahead is b, by 5.0 points: validation accuracy b 85.0 % (best trial: 1), a 80.0 % (best trial: 1)." in text
    less = {name: ablations.changed(ablations.leave_one_out()) for name in ("one", "same")}
    assert "Ahead is one, by 0.0 points" in plain(written(compared.summary(less)))


def test_studies_with_other_objectives_are_not_ranked() -> None:
    text = plain(written(compared.summary({"a": sweep(0.8), "b": sweep(0.85, "min")})))
    assert "The studies have different objectives, so none is ahead of another." in text
    assert "Ahead" not in text


def test_what_differs_in_what_was_asked_is_marked() -> None:
    other = study([trial(0)], note=noted(method="fast"))
    html = written(compared.differences({"a": studies.demo(), "b": other}))
    assert "<strong>Method</strong>" in html
    assert "<td>Sampler</td>" in html


def test_arms_that_both_have_stand_side_by_side() -> None:
    one, other = ablations.leave_one_out(), ablations.factorial()
    section = compared.arms({"one": one, "other": other})
    text = plain(written(section))
    assert re.search(r"without mhad \d\d\.\d ± \d\.\d \d\d\.\d ± \d\.\d 5 – – –", text)
    assert compared.arms({"a": one, "b": studies.demo()}) is None
    assert compared.arms({"a": one, "b": ablations.by_hand()}) is None, "no arm is in both"


def test_the_best_trials_of_each_study_and_their_curves() -> None:
    both = {"a": sweep(0.8), "b": sweep(0.85)}
    text = plain(written(compared.trials(both)))
    assert text.index("80.0 %") < text.index("40.0 %") < text.index("85.0 %")
    rows = compared.BestCurves.prepare(both)
    assert [(r["study"], r["epoch"], r["value"]) for r in rows.to_pylist()] == [
        ("a", 1, 0.2), ("a", 2, 0.8), ("b", 1, 0.2), ("b", 2, 0.85),
    ]  # fmt: skip
    assert [line.name for line in compared.BestCurves.draw(rows).data] == ["a", "b"]


def test_of_several_seeds_the_best_settings_are_counted_as_settings() -> None:
    rows = [trial(2 * n + seed, setting=2 * n, seed=seed, objectives=[0.5]) for n in range(2) for seed in range(2)]
    text = plain(written(compared.trials({"a": study(rows, note=noted(seeds=[0, 1])), "b": sweep(0.85)})))
    assert "The 2 best of 2 settings" in text


@pytest.mark.parametrize("other", [studies.hostile, ablations.hostile, studies.study])
def test_a_page_of_any_two(other: object) -> None:
    html = comparison({"a": studies.demo(), "b": other()}).encode("utf-8", "replace").decode()  # type: ignore[operator]
    assert "<img src=x" not in html
    assert set(json.loads(unpacked(html, "figures"))) <= {"plot-best_curves-0", "plot-best_curves-1"}
    assert html.count("<script>") == 1


def test_one_name_twice_is_told_apart_by_folder_and_one_folder_twice_is_refused(tmp_path: Path) -> None:
    one, two = (studies.write(tmp_path / name, sweep(0.8)) for name in ("one", "two"))
    assert list(compared.read([one, two])) == [str(one), str(two)]
    with pytest.raises(StudyError, match="is named twice: to compare needs several studies"):
        compared.read([one, one])
    assert report.compare([one, two]) == tmp_path / "one-and-two.html"
    assert report.compare([one, two], tmp_path / "x.html") == tmp_path / "x.html"
    assert "Ahead is" in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_a_trial_that_is_kept_from_winning_is_none_of_the_best() -> None:
    rows = [trial(0, objectives=[0.4]), trial(1, objectives=[0.9], unmet="seconds <= 60"), trial(2, objectives=[0.5])]
    text = plain(written(compared.trials({"a": study(rows)})))
    assert "The 2 best of 3 trials" in text
    assert "90.0 %" not in text
