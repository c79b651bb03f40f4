"""What a study has left, as an object."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import dfkd_ray
from dfkd_ray.report import finding, standings
from dfkd_ray.tune.ledger import NAME
from dfkd_ray.util import folders
from dfkd_ray.util.errors import StudyError, UnknownName
from dfkd_ray.util.registry import forget
from dfkd_ray.util.words import NBSP
from tests.api.small import KD, SWEEP
from tests.report import over_seeds
from tests.report.ablations import by_hand, leave_one_out
from tests.report.studies import demo, noted, one_run, study, trial, write

CHART = """from dfkd_ray import register
from dfkd_ray.report.charts.history import History

@register.chart("own_history")
class Own(History):
    title = "{title}"
"""


def saved(folder: Path, tables: Any) -> dfkd_ray.Results:
    return dfkd_ray.load(write(folder, tables))


def test_it_says_what_came_out(swept: dfkd_ray.Results) -> None:
    best = swept.best
    assert best is not None
    complete = swept.trials["val_accuracy"]
    assert best.values == {"val_accuracy": complete.max()}
    assert best.settings == {KD: swept.trials.loc[best.number, KD]}
    assert (swept.name, swept.study.study, swept.study.search[KD].low) == ("warmth", "warmth", 1)
    assert str(swept) == f"warmth: {swept.answer}"
    assert swept.answer.startswith(f"Best of 3{NBSP}trials: validation accuracy ")
    assert repr(swept) == f"Results(folder={swept.folder!r})"


def test_of_several_objectives_there_is_a_front_and_the_one_that_the_study_takes(tmp_path: Path) -> None:
    values = [(0.9, 1.0), (0.8, 0.3), (0.4, 0.1), (0.3, 0.9)]
    note = noted(objective=[{"metric": "val_accuracy"}, {"metric": "kl/noise"}], best="knee")
    found = saved(tmp_path, study([trial(n, objectives=list(own)) for n, own in enumerate(values)], note=note))
    assert [each.number for each in found.front] == [0, 1, 2]
    assert found.front[1] == found.best
    assert found.front[2].values == {"val_accuracy": 0.4, "kl/noise": 0.1}


def test_in_a_notebook_it_is_html_of_escaped_text(swept: dfkd_ray.Results) -> None:
    shown = swept._repr_html_()
    assert shown.startswith(f"<h3>Which temperature is &lt;best&gt;?</h3><p>Best of 3{NBSP}trials: ")
    assert f"<caption>Trial {swept.best.number}</caption>" in shown  # type: ignore[union-attr]
    assert str(swept.folder / "report.html") in shown


def test_a_student_is_a_module_that_gives_logits(swept: dfkd_ray.Results) -> None:
    net = swept.student()
    assert isinstance(net, torch.nn.Module)
    assert not net.training
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 12)
    assert (net.card["arch"], net.card["task"]) == ("resnet8", "gliders")
    folder = folders.of_trial(swept.folder, swept.best.number)  # type: ignore[union-attr]
    for which, file in folders.STUDENTS.items():
        weights = load_file(folder / file)
        own = swept.student(which=which).state_dict()  # type: ignore[arg-type]
        assert all(torch.equal(value, own[name]) for name, value in weights.items())
    with pytest.raises(StudyError, match="keeps no student"):
        swept.student(next(n for n in range(3) if n != swept.best.number))  # type: ignore[union-attr]


def test_the_student_of_an_arm(ablated: dfkd_ray.Results) -> None:
    assert ablated.student(arm="soft", seed=1).card["student_of"]["seed"] == 1
    with pytest.raises(StudyError, match=r"^no trial of an arm 'sotf'; did you mean 'soft'\?"):
        ablated.student(arm="sotf", seed=1)


def test_a_sweep_has_no_effects(swept: dfkd_ray.Results) -> None:
    with pytest.raises(StudyError, match=r"^warmth is no ablation: it has no effects$"):
        _ = swept.effects


def test_figures_are_plotlys_own(swept: dfkd_ray.Results) -> None:
    import plotly.graph_objects as go

    assert swept.figures[0] == "history"
    made = swept.figure("history")
    assert type(made) is go.Figure
    assert list(made.data[-1].x) == [swept.best.number], "the best lies on top"  # type: ignore[union-attr]
    with pytest.raises(UnknownName, match=r"^unknown figure 'histroy'; did you mean 'history'\?"):
        swept.figure("histroy")


def test_the_plug_ins_of_a_study_are_there_when_it_is_loaded(swept: dfkd_ray.Results, tmp_path: Path) -> None:
    own = tmp_path / "own_chart.py"
    own.write_text(CHART.format(title="Mine"))
    options: dict[str, Any] = {"runner": "serial", "trials": 1, "quiet": True, "out": tmp_path / "out"}
    try:
        made = dfkd_ray.sweep(SWEEP, plugin=own, **options)
        assert made.figure("own_history").layout.title.text == "Mine"
        own.write_text(CHART.format(title="Changed"))
        assert dfkd_ray.load(made.folder).figure("own_history").layout.title.text == "Changed"
        own.unlink()
        assert "history" in dfkd_ray.load(made.folder).figures, "what is gone is not needed here"
    finally:
        forget("own_chart")


def test_an_optuna_study_has_the_trials(swept: dfkd_ray.Results) -> None:
    import optuna

    made = swept.to_optuna()
    assert [trial.params for trial in made.trials] == [{KD: value} for value in swept.trials[KD]]
    assert [trial.value for trial in made.trials] == list(swept.trials["val_accuracy"])
    assert made.best_trial.number == swept.best.number  # type: ignore[union-attr]
    curve = swept.steps.query("trial == 1 and metric == 'val_accuracy'")
    assert made.trials[1].intermediate_values == dict(zip(curve["epoch"], curve["value"]))
    assert len(optuna.visualization.plot_optimization_history(made).data[0].x) == 3


def test_a_degenerate_trial_that_may_not_win_has_failed_for_optuna(tmp_path: Path) -> None:
    goal = {"metric": "agreement/source", "mode": "max"}
    made = demo(fail=False)
    rows: list[dict[str, Any]] = []
    for row in made.trials.to_pylist():
        sound = {"class_entropy/source": 0.0 if row["trial"] == 0 else 0.9, "agreement/source": 0.5}
        rows += [
            {"trial": row["trial"], "epoch": epoch, "seconds": 1.0, "metric": metric, "value": value}
            for epoch in range(1, (row["epochs"] or 0) + 1)
            for metric, value in sound.items()
        ]
    found = saved(tmp_path, study(made.trials.to_pylist(), rows, note=noted(objective=goal)))
    barred = sorted(found.tables.degenerate)
    assert barred == [0]
    told = found.to_optuna().trials
    assert told[0].state.name == "FAIL"
    assert told[0].user_attrs["degenerate"] == list(found.tables.degenerate[0])


def test_an_ablation_and_a_run_answer_as_their_pages_do(tmp_path: Path) -> None:
    assert saved(tmp_path / "a", leave_one_out()).answer == finding.sentence(leave_one_out())
    arms = by_hand()
    assert saved(tmp_path / "c", arms).answer == f"{standings.sentence(arms)} {finding.sentence(arms)}"
    assert saved(tmp_path / "b", one_run()).answer.startswith("dfkd_fgvc on gliders, ")


def test_the_tables_are_enough_but_for_a_student(swept: dfkd_ray.Results, tmp_path: Path) -> None:
    for path in swept.folder.glob("*.arrow"):
        shutil.copy(path, tmp_path)
    there = dfkd_ray.load(tmp_path)
    assert there.best == swept.best
    assert len(there.to_optuna().trials) == 3
    with pytest.raises(StudyError, match=f"neither {NAME}"):
        there.student()


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    other = study(demo().trials.to_pylist(), [], note=noted(sampler={"name": "psychic"}))
    with pytest.raises(StudyError, match=r"a report needs trials.arrow, steps.arrow and images.arrow, missing here$"):
        dfkd_ray.load(tmp_path)
    with pytest.raises(StudyError, match="its tables hold no study that this dfkd-ray knows"):
        _ = saved(tmp_path, other).study


def test_of_several_seeds_the_best_is_a_mean_with_its_standard_error(tmp_path: Path) -> None:
    found = saved(tmp_path, over_seeds.tables())
    assert found.best is not None
    assert (found.best.number, found.best.seeds) == (3, 3)
    assert found.best.values == {"val_accuracy": pytest.approx(over_seeds.MEAN)}
    assert found.best.errors == {"val_accuracy": pytest.approx(over_seeds.ERROR)}
    assert found.trials["setting"].tolist() == [0, 0, 0, 3, 3, 3, 6, 6, 8, 9, 9]
