"""The ablation around a winner: what goes back, what is taken out, and the file that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import study as studies
from dfkd_ray.methods import config
from dfkd_ray.runs import around, preparing
from dfkd_ray.runs.around import FILE, written
from dfkd_ray.study import Study
from dfkd_ray.study.components import taken_out
from dfkd_ray.tune.history import History
from dfkd_ray.tune.launch import StudyFacts, first_record
from dfkd_ray.tune.ledger import NAME, encode
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import StudyError
from tests.tune.test_history import asked, ended, row

SWEEP = """
study: loud
question: Which settings?
method: dfkd_fgvc
task: gliders
fixed: {schedule.epochs: 3, student_loss.kd.temperature: 4.0}
objective: {metric: val_accuracy}
search:
  student_loss.high_order.order: {choice: [1, 2, 3]}
  student_loss.kd.temperature_of: {log: [1, 20]}
  memory: {choice: [fresh, {name: buffer, capacity: 8}]}
stopper: {name: asha}
budget: {trials: 4}
""".replace("student_loss.kd.temperature_of", "student_loss.semantic_contrast.temperature")
WON: dict[str, Any] = {
    "student_loss.high_order.order": 3,
    "student_loss.semantic_contrast.temperature": 0.5,
    "memory": "fresh",
}


def records(changes: dict[str, Any], text: str = SWEEP, options: Options = NOTHING_SAID) -> list[dict[str, Any]]:
    made = studies.parse(yamls.loads(text, "loud.yaml"))
    facts = StudyFacts({}, {"name": "gliders"}, {made.method: config.plain(config.load(made.method))})
    told = {**asked(0), "changes": changes, "seed": 0}
    return [first_record(made, facts, options, 0.0), told, row(0, 1, 0.5), ended(0, "complete", [0.5])]


def made(changes: dict[str, Any]) -> around.Around:
    return around.around(History(records(changes)))


def off(study: Study) -> dict[str, Any]:
    assert study.ablation is not None
    return {each.name: dict(each.levels["off"]) for each in study.ablation.components}


def test_each_setting_goes_back_to_its_default_and_each_term_is_taken_out() -> None:
    found = made(WON)
    assert off(found.study) == {
        "semantic_contrast-temperature": {"student_loss.semantic_contrast.temperature": 0.07},
        "batchnorm": {"source_loss.batchnorm": None},
        "adversarial": {"source_loss.adversarial": None},
        "kd": {"student_loss.kd": None},
        "high_order": {"student_loss.high_order": None},
        "semantic_contrast": {"student_loss.semantic_contrast": None},
    }
    assert found.left_out == [
        "student_loss.high_order.order won at its default, 3",
        "memory won at its default, fresh",
    ]


def test_it_is_a_study_that_can_be_run_at_seeds_that_nothing_was_chosen_by() -> None:
    study = made({**WON, "student_loss.high_order.order": 1}).study
    assert study.ablation is not None
    assert study.ablation.seeds.listed == (1, 2, 3, 4, 5)
    assert (study.study, study.fixed["schedule.epochs"], study.trials) == ("loud-ablation", 3, 8 * 5)
    method = config.change(config.load(study.method), study.fixed)
    for arm in study.ablation.arms:
        preparing.accepts(method, arm.changes)
    full, *rest = study.ablation.arms
    assert full.changes["student_loss.high_order.order"] == 1
    without = next(arm for arm in rest if arm.name == "without high_order")
    assert "student_loss.high_order.order" not in without.changes
    assert taken_out(study.ablation.components, without.levels)


def test_one_seed_is_refused_as_it_is_in_a_file() -> None:
    with pytest.raises(StudyError) as refused:
        around.around(History(records(WON)), seeds=1)
    assert str(refused.value) == "--seeds 1: one seed tells nothing of the spread: take 3 or more"


def test_what_cannot_be_taken_out_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def accepts(method: Any, changes: dict[str, Any]) -> None:
        if "student_loss.kd" in changes:
            from dfkd_ray.util.errors import ConfigError

            raise ConfigError.at("student_loss", "needs a term")

    monkeypatch.setattr(preparing, "accepts", accepts)
    found = made(WON)
    assert "kd" not in off(found.study)
    assert found.left_out[-1] == "student_loss.kd cannot be taken out: needs a term"


def test_what_is_there_by_anothers_value_goes_back_with_it() -> None:
    text = SWEEP.replace(
        "  memory: {choice: [fresh, {name: buffer, capacity: 8}]}",
        "  student_loss.high_order.weight: {log: [1, 20], when: {student_loss.high_order.order: [1]}}",
    )
    won = {"student_loss.high_order.order": 1, "student_loss.high_order.weight": 2.0}
    found = around.around(History(records(won, text)))
    assert found.study.ablation is not None
    order = found.study.ablation.components[0]
    assert (order.name, order.levels["on"]) == ("high_order-order", won)
    assert order.levels["off"] == {"student_loss.high_order.order": 3}


def test_the_file_is_read_back_rewritten_and_kept_where_somebody_has_edited_it(tmp_path: Path) -> None:
    told = records(WON, options=Options(data=str(tmp_path), weights=tmp_path / "w.pt"))
    (tmp_path / NAME).write_bytes(b"".join(map(encode, told)))
    path, how = written(str(tmp_path), NOTHING_SAID)
    assert (path, how.data, how.weights) == (tmp_path / FILE, str(tmp_path), tmp_path / "w.pt")
    assert studies.load(path) == around.around(History(told)).study
    assert list(around.lines(path))[1:] == [
        "Left out: student_loss.high_order.order won at its default, 3.",
        "Left out: memory won at its default, fresh.",
    ]
    written(str(tmp_path), NOTHING_SAID, seeds=3)
    again = studies.load(path).ablation
    assert again is not None
    assert again.seeds.listed == (1, 2, 3)
    path.write_text(path.read_text() + "# mine\n")
    with pytest.raises(StudyError) as refused:
        written(str(tmp_path), NOTHING_SAID)
    assert str(refused.value) == (
        f"{path} was edited: run it with dfkd-ray ablate {path}, or move it away to have it anew"
    )


def test_what_has_no_winner_is_refused() -> None:
    with pytest.raises(StudyError, match="loud has no winner yet, so there is nothing to take apart"):
        around.around(History(records(WON)[:1]))
    once = SWEEP.partition("search:")[0] + "budget: {trials: 1}\n"
    with pytest.raises(StudyError, match="loud is no sweep: an ablation around a winner needs one that has searched"):
        around.around(History(records({}, once)))


def test_of_a_sweep_with_several_seeds_the_arms_have_others(tmp_path: Path) -> None:
    told = records(WON, f"{SWEEP}seeds: 2\nracing: false\n")
    told[1]["setting"] = None
    told += [{**asked(1), "changes": WON, "seed": 1, "setting": 0}, row(1, 1, 0.7), ended(1, "complete", [0.7])]
    facts = {"reason": None, "rung": None, "values": [0.6], "errors": [0.1], "told": [0.6]}
    told.append({"kind": "settled", "time": 1.0, "trial": 0, "state": "complete", **facts})
    study = around.around(History(told)).study
    assert (study.seeds, study.racing) == ((), None)
    assert study.ablation is not None
    assert study.ablation.seeds.listed == (2, 3, 4, 5, 6)
