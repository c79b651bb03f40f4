"""The page of a single run: what it came to, its settings, curves, images and numbers, and nothing that compares."""

from __future__ import annotations

import json
import re

import pytest

from dfkd_ray.report import one_run
from dfkd_ray.report.blocks import Section
from dfkd_ray.report.page import page
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report import ablations, studies
from tests.report.packed import unpacked
from tests.report.studies import KD, MHAD, demo, noted, steps, study, trial
from tests.report.test_page import Reader
from tests.report.writing import written

METHOD = {"teacher": {"arch": None}, "student": {"arch": "wrn16_1"}, "student_loss": {"kd": {"temperature": 4.0}}}
RUN = trial(
    3,
    seed=5,
    arm="without mhad",
    changes={"student_loss.high_order": None, KD: 4.0},
    method=json.dumps(METHOD),
    epochs=3,
    best_epoch=2,
    objectives=[0.75],
    final=[("test_accuracy/last", 0.71), ("test_accuracy/best", 0.72), ("updates/student", 1200.0)],
)
CURVES = {"val_accuracy": [0.5, 0.8, 0.75], "loss/student/kd": [3.0, 2.0, 1.0], "kl/source": [0.3, 0.2, 0.1]}
FIXED = {"schedule.epochs": 20, "student_loss.high_order.weight": 2.0, "student_loss.kd.weight": 3.0}


def tables(fixed: dict[str, object] = FIXED, objective: object = "val_accuracy", **row: object) -> Tables:
    others = [trial(0, objectives=[0.9]), trial(1)]
    note = noted(fixed=fixed, objective=objective)
    return study([*others, {**RUN, **row}], steps(3, CURVES), note=note).only(3)


def plain(section: Section) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", written(section).replace("<wbr>", "")).replace(NBSP, " "))


def said(given: Tables) -> str:
    assert given.run is not None
    return one_run.sentence(given, given.run).replace(NBSP, " ")


def shown(given: Tables, part: str) -> str:
    assert given.run is not None
    return plain(getattr(one_run, part)(given, given.run))


AGAINST = "(chance 8.3 %, teacher 96.7 %)."
HEAD = "dfkd_fgvc on gliders, resnet8 → wrn16_1, seed 5: "


def test_the_headline_says_what_was_run_and_what_it_reached() -> None:
    test = "test accuracy 71.0 % at the last epoch and 72.0 % at the best, epoch 2"
    assert said(tables()) == f"{HEAD}validation accuracy 75.0 % at epoch 3, its last; {test} {AGAINST}"
    bare = tables(final=[], method=None)
    assert said(bare) == (
        f"dfkd_fgvc on gliders, resnet8 → resnet8, seed 5: validation accuracy 75.0 % at epoch 3, its last {AGAINST}"
    )


def test_the_objectives_own_number_is_quoted_at_the_epoch_that_counts() -> None:
    best = tables(objective=[{"metric": "val_accuracy", "at": "best"}, "kl/source"], objectives=[0.8, 0.1], final=[])
    assert said(best) == (
        f"{HEAD}validation accuracy 80.0 % at epoch 2, its best; "
        f"KL to the teacher, own images 0.1 nats at epoch 3, its last {AGAINST}"
    )


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        ("pruned", "asha: not in the best third at epoch 3", "It was stopped early, after 3 epochs: asha: not in the"),
        ("failed", "loss is not finite", "It failed, after 3 epochs: loss is not finite."),
        ("running", None, "It has not ended, after 3 epochs."),
    ],
)
def test_a_run_that_is_not_complete_says_so_and_shows_how_far_it_came(state: str, reason: str, told: str) -> None:
    given = tables(state=state, reason=reason, objectives=None, final=[])
    when = "its last so far" if state == "running" else "its last"
    assert said(given) == f"{HEAD}validation accuracy 75.0 % at epoch 3, {when} {AGAINST}"
    assert told in shown(given, "summary")
    assert "It was stopped" not in shown(tables(), "summary")


def test_a_run_that_has_not_begun_has_a_page_too() -> None:
    row = {**RUN, "state": "running", "epochs": 0, "objectives": None, "best_epoch": None, "final": None}
    given = study([{**row, "seconds": None, "method": None, "peak_memory": None}]).only(3)
    assert "no epoch has ended" in said(given)
    assert "No epoch has ended yet." in page(given)


def test_what_was_changed_comes_before_the_whole_method() -> None:
    """The trial's own first; what the study fixes inside a term that the trial takes out is not there any more."""
    text = shown(tables(), "settings")
    rows = (
        r"student_loss\.high_order none this trial .*kd\.temperature 4 this trial .*schedule\.epochs 20 all trials of"
    )
    assert re.search(rows, text)
    assert "student_loss.kd.weight 3 all trials of the study" in text
    assert "high_order.weight" not in text.split("The whole method")[0]
    assert "temperature: 4.0" in text.split("The whole method")[1]
    assert "dfkd-ray distill dfkd_fgvc" in text


def test_a_method_that_an_arm_takes_instead_is_named() -> None:
    given = tables(changes=json.dumps({"method": "mine/noise.yaml"}))
    assert said(given).startswith("noise on gliders, ")
    assert "What differs from noise as it stands in its file" in shown(given, "settings")
    unchanged = tables({}, changes=json.dumps({"method": "noise_kd"}))
    assert "Nothing was changed: noise_kd as it stands in its file." in shown(unchanged, "settings")


def test_every_metric_at_the_last_and_at_the_best_epoch_and_what_was_taken_once() -> None:
    text = shown(tables(), "figures")
    assert "Metric Last epoch (3) Best epoch (2) Validation accuracy 75.0 % 80.0 %" in text
    assert "KL to the teacher, own images 0.1 nats 0.2 nats loss/student/kd 1 2 Test accuracy 71.0 % 72.0 %" in text
    assert "The best epoch is the best by validation accuracy. The test split chose nothing" in text
    assert "Taken once Student updates 1 200 Time 43 s Peak memory 400 MB" in text


def test_provenance_names_host_command_and_where_it_was_taken_from() -> None:
    text = shown(tables(reason="reused: reports/first, trial 3"), "provenance")
    for each in (
        "Ran on laboratory cpu",
        "Taken over from reports/first, trial 3",
        "dfkd-ray sweep search_spaces/mhad",
    ):
        assert each in text


ORDER = ["summary", "settings", "learning-curves", "images", "numbers", "provenance"]
COMPARED = ("flattered", "trials.html", "Optimisation history", "Which settings matter", "Best of", "best trial")


@pytest.mark.parametrize(
    "given",
    [studies.one_run(), demo().only(3), demo().only(5), ablations.factorial().only(1)],
    ids=["distill", "trial", "failed", "arm"],
)
def test_the_page_of_a_run_compares_nothing(given: Tables) -> None:
    html = page(given)
    read = Reader(html)
    assert [attrs["id"] for tag, attrs in read.elements if tag == "section"] == ORDER
    for phrase in COMPARED:
        assert phrase not in read.text, phrase
    plots = {attrs["id"] for _, attrs in read.elements if attrs.get("class") == "plot"}
    assert plots == set(json.loads(unpacked(html, "figures")))
    assert {plot.split("-")[1] for plot in plots} <= {"run_curves", "losses"}
    where = "in the study's folder, two above this one" if given.alone else "beside it"
    assert f"images.arrow {where}. It loads nothing" in re.sub(r"\s+", " ", read.text)


def test_pages_are_called_after_the_study_the_trial_and_its_arm() -> None:
    titles = [re.findall(r"<title>(.*) · dfkd-ray", page(each))[0] for each in (studies.one_run(), tables())]
    assert titles == ["dfkd_fgvc-gliders-seed7", "Trial 3 of mhad: without mhad"]
    assert "Study mhad: Which attention order" in shown(tables(), "summary")


def test_text_of_a_user_stays_text_on_the_page_of_a_trial() -> None:
    given = studies.hostile()
    for number in given.trials["trial"].to_pylist()[:3]:
        read = Reader(page(given.only(number)).encode("utf-8", "replace").decode())
        assert len(read.scripts) == 3
        assert not [a for _, a in read.elements if any(key.startswith("on") for key in a)]


def test_a_sweep_of_one_trial_is_still_a_sweep() -> None:
    assert demo(1).run is None
    assert 'id="the-search"' in page(demo(1))
    assert demo(1).only(0).run is not None
    assert MHAD in page(demo(1).only(0))


def test_other_inputs_are_said_of_the_trial() -> None:
    assert "Other inputs than the study began with the task (a, now b)" in shown(
        tables(changed="the task (a, now b)"), "summary"
    )
    assert "Other inputs" not in shown(tables(), "summary")
