"""Settings of a sweep with several seeds, each as one trial."""

from __future__ import annotations

import pytest

from dfkd_ray.report import over_seeds as whole
from dfkd_ray.report.charts.history import History
from dfkd_ray.stats import degenerate
from tests.report import over_seeds
from tests.report.studies import noted, steps, study, trial


def test_a_setting_is_the_mean_of_its_seeds() -> None:
    given = over_seeds.tables()
    found = {setting.number: setting for setting in given.searched}
    assert {number: setting.state for number, setting in found.items()} == {
        **{0: "complete", 3: "complete", 6: "pruned"},  # left: drawn as what was stopped is
        **{8: "pruned", 9: "failed"},
    }
    assert {number: setting.runs for number, setting in found.items()} == {
        **{0: (0, 1, 2), 3: (3, 4, 5), 6: (6, 7)},
        **{8: (8,), 9: (9, 10)},
    }
    best = given.best
    assert best is not None
    assert (best.number, best.value, best.errors[0]) == (3, *map(pytest.approx, (over_seeds.MEAN, over_seeds.ERROR)))
    assert best.row["seconds"] == 30.0
    assert best.final == {"test_accuracy/last": pytest.approx(over_seeds.MEAN - 0.02)}
    assert found[6].value == pytest.approx(0.59)
    assert found[9].value is None, "0.76 with its first seed is not what it comes to"
    assert [trial.number for trial in given.complete] == [0, 3]
    assert len(given.all) == 11


def test_one_seed_and_older_tables_have_no_settings() -> None:
    given = study([trial(0), trial(1)], note=noted(seeds=[0, 1, 2]))
    assert (given.seeds, [t.runs for t in given.searched]) == ((), [(), ()])


def test_a_setting_of_which_a_trial_is_degenerate_does_not_win() -> None:
    blind = {"objective": {"metric": "kl/noise", "mode": "max"}, "seeds": [0, 1], "racing": {"risk": 0.0}}
    rows = [trial(n, setting=n - n % 2, seed=n % 2, objectives=[0.5 - n / 100]) for n in range(4)]
    sound = {"kl/noise": [0.1, 0.2], "entropy/classes": [1.0, 1.0]}
    curves = [row for n in range(4) for row in steps(n, {**sound, "agreement/source": [0.5, 0.5]})]
    given = study(rows, curves, note=noted(**blind))
    assert given.best is not None
    assert given.best.number == 0
    compared = {t.number: 2 for t in given.all}
    rule = degenerate.RULES[0]
    broken = next(v for v in (-1e9, 1e9, 0.0) if rule.broken(v))
    wrong = study(rows, [*curves, *steps(1, {rule.metric: [broken, broken]})], note=noted(**blind))
    curve = {rule.metric: wrong.curve(rule.metric)}
    assert [*whole.degenerate_of(wrong.complete, compared, curve)] == [0], "by its second seed"


def test_the_history_draws_means_with_bars() -> None:
    rows = History.prepare(over_seeds.tables())
    assert rows["trial"].to_pylist() == [0, 3, 6, 8]
    assert rows["error"].to_pylist()[1] == pytest.approx(over_seeds.ERROR)
    assert rows["error"].to_pylist()[3] is None
    assert "72.0 % ± 1.2 points" in rows["about"][1].as_py().replace("\N{NO-BREAK SPACE}", " ")
    figure = History.draw(rows)
    bars = [trace.error_y.array for trace in figure.data if trace.error_y.array is not None]
    assert sorted(map(len, bars)) == [1, 1, 2], "the best, complete, stopped"
    assert len(History.notes(rows)) == 1
    alone = History.prepare(study([trial(0)], steps(0, {"val_accuracy": [0.1, 0.5]})))
    assert History.notes(alone) == []
    assert all(trace.error_y.array is None for trace in History.draw(alone).data)
