from __future__ import annotations

import base64
import re

import pytest

from dfkd_ray.report import grid, sections, thinning
from dfkd_ray.util.words import NBSP
from tests.report.studies import MHAD, ORDER, noted, picture, steps, study, trial
from tests.report.writing import written


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html).replace(NBSP, " ")


BEST = trial(
    7,
    changes={ORDER: 3, MHAD: 2.5},
    epochs=3,
    best_epoch=2,
    objectives=[0.8],
    final=[("test_accuracy/last", 0.71), ("test_accuracy/best", 0.72), ("val_accuracy/median5", 0.75)],
)


def test_validation_and_test_last_and_best_are_four_figures_named_apart() -> None:
    text = plain(written(sections.best(study([BEST], steps(7, {"val_accuracy": [0.5, 0.8, 0.79]})))))
    assert re.search(r"Last epoch \(epoch 3\)\s+Best epoch \(epoch 2\)", text)
    assert re.search(r"Validation accuracy\s+79\.0 %\s+80\.0 %", text)
    assert re.search(r"Test accuracy\s+71\.0 %\s+72\.0 %", text)
    assert "The test split chose nothing" in text
    assert "median validation accuracy of its last five epochs is 75.0 %" in text


def test_a_test_accuracy_that_is_missing_is_not_praised() -> None:
    text = plain(written(sections.best(study([trial(0)]))))
    assert "was not recorded" in text
    assert "chose nothing" not in text


def test_a_setting_the_best_trial_does_not_have_is_a_dash() -> None:
    assert re.search(r"kd\.\s*temperature\s+–", plain(written(sections.best(study([BEST])))))


def test_the_command_repeats_fixed_and_searched_changes_quoted_for_a_shell() -> None:
    changes = {ORDER: 3, "source": {"name": "pool", "size": 4}, "term": None, "flag": True, "odd": "it's $HOME"}
    html = written(sections.best(study([trial(0, changes=changes)])))
    command = re.search(r"<code>(dfkd-ray distill.*?)</code>", html, re.S)
    assert command
    import html as unescape
    import shlex

    words = shlex.split(unescape.unescape(command[1]).replace("\\\n", " "))
    assert words[:5] == ["dfkd-ray", "distill", "dfkd_fgvc", "--task", "gliders"]
    assert words[6::2] == [
        "schedule.epochs=20",
        f"{ORDER}=3",
        'source={"name": "pool", "size": 4}',
        "term=null",
        "flag=true",
        "odd=it's $HOME",
    ]


def test_pictures_are_the_best_trials_over_its_epochs_first_and_last_included() -> None:
    kept = [picture(7, epoch) for epoch in range(1, 31)] + [picture(1, 31)]
    html = written(sections.pictures(study([BEST], images=kept)))
    assert [int(e) for e in re.findall(r"<figcaption>epoch (\d+)", html)] == [1, 5, 9, 13, 18, 22, 26, 30]
    first = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert first
    assert base64.b64decode(first[1]) == kept[0]["picture"]
    assert html.count("alt=") == 8


def test_the_page_says_how_much_of_the_pictures_is_none() -> None:
    tables = study([BEST], images=[picture(7, 1)])
    assert "darker than black" not in written(sections.pictures(tables))
    last = {"trial": 7, "epoch": BEST["epochs"], "seconds": 1.0, "metric": "outside", "value": 0.25}
    told = written(sections.pictures(study([BEST], [last], [picture(7, 1)]))).replace("\N{NO-BREAK SPACE}", " ")
    assert "At the end 25.0 % of their values were darker than black or lighter than white." in told


@pytest.mark.parametrize("kept", [[], [{"trial": 7, "epoch": 1, "format": "svg+xml", "picture": b"<svg/>"}]])
def test_without_a_usable_picture_the_page_says_so(kept: list[dict[str, object]]) -> None:
    html = written(sections.pictures(study([BEST], images=kept)))
    assert "<img" not in html
    assert 'class="empty"' in html


def test_of_a_very_large_study_the_best_trials_stand_in_the_table_and_it_says_where_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thinning, "LISTED", 500)
    html = written(sections.trials(study([trial(n, objectives=[n / 1200]) for n in range(1200)])))
    assert (
        "These are the 500 best of 1 200 trials; all of them are in trials.arrow "
        "(pyarrow.feather.read_table reads it)." in plain(html)
    )


def test_several_objectives_say_how_many_trials_are_on_the_front() -> None:
    rows = [trial(n, objectives=[0.1 * n, 0.1 * n]) for n in range(3)]
    html = written(sections.best(study(rows, note=noted(objective=["val_accuracy", "kl/source"]))))
    assert "3 trials on the Pareto front" in html.replace(NBSP, " ")


def test_the_objectives_own_values_stand_before_the_accuracies() -> None:
    curves = steps(7, {"val_accuracy": [0.5, 0.8, 0.79], "agreement/source": [0.9, 0.95, 0.946]})
    note = noted(objective={"metric": "agreement/source"})
    text = plain(written(sections.best(study([{**BEST, "objectives": [0.946]}], curves, note=note))))
    assert re.search(
        r"Agreement with the teacher, own images\s+94\.6 %\s+95\.0 %\s+Validation accuracy\s+79\.0 %\s+80\.0 %\s+"
        r"Test accuracy\s+71\.0 %\s+72\.0 %",
        text,
    )


def test_trials_with_other_inputs_are_said_at_the_head_and_marked_in_the_table() -> None:
    mark = "the teacher (abc, now <i>)"
    tables = study([trial(0), trial(1, changed=mark), trial(2, changed=mark)])
    said = f"Not one experiment: 2 trials of 3 ran with other inputs: {mark}. They are marked among all trials."
    (line,) = sections.changed(tables)
    assert (line.text.replace(NBSP, " "), line.style) == (said, "warning")
    (inputs,) = (column for column in grid.columns(tables, tables.all) if column.name == "Inputs")
    assert inputs.texts == ["as begun", mark, mark]
    assert "the teacher (abc, now &lt;i&gt;)" in written(sections.summary(tables))
    whole = study([trial(0)])
    assert sections.changed(whole) == []
    assert "Inputs" not in [column.name for column in grid.columns(whole, whole.all)]
