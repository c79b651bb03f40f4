"""What the page says of a sweep with several seeds."""

from __future__ import annotations

from dfkd_ray.report import answer, grid, sections, seed_by_seed
from dfkd_ray.report.page import page
from dfkd_ray.util.words import NBSP
from tests.report import over_seeds
from tests.report.studies import demo, noted, steps, study, trial
from tests.report.writing import written


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


def test_the_answer_is_a_mean_with_its_standard_error() -> None:
    given = over_seeds.tables()
    assert plain(answer.sentence(given)) == (
        "Best of 5 settings: validation accuracy 72.0 % ± 1.2 points (mean of 3 seeds ± standard error) with "
        "kd.temperature 4; test 70.0 % on average at the last epochs (chance 8.3 %, teacher 96.7 %)."
    )
    big = plain(written(answer.numbers(given)))
    assert "mean of 3 seeds, standard error 1.2 points" in big


def test_what_each_setting_has_and_what_the_race_has_spared() -> None:
    given = over_seeds.tables()
    assert plain(seed_by_seed.told(given)) == (
        "0, 1, 2 of each setting, raced at a risk of 0.05: 11 trials of at most 15, 2 settings with every seed"
    )
    assert "raced" not in seed_by_seed.told(over_seeds.tables(racing=False))
    assert seed_by_seed.told(demo()) == ""


def test_the_seeds_of_the_best_setting_one_by_one() -> None:
    given = over_seeds.tables()
    text = plain(written(sections.best(given)))
    assert "The seeds of the setting of trial 3" in text
    for cell in ("70.0 %", "74.0 %", "72.0 % ± 1.2 points", "What trial 3 reached, with its first seed (0)"):
        assert cell in text, cell
    best = demo().best
    assert best is not None
    assert seed_by_seed.blocks(demo(), best) == []


def test_the_table_of_trials_has_a_row_a_run_and_names_its_setting() -> None:
    given = over_seeds.tables()
    columns = {column.name: column for column in grid.columns(given, given.all)}
    assert columns["Setting"].values == [0, 0, 0, 3, 3, 3, 6, 6, 8, 9, 9]
    assert columns["Seed"].values == [0, 1, 2, 0, 1, 2, 0, 1, 0, 0, 1]
    assert [plain(text) for text in columns["Validation accuracy, mean"].texts[3:7]] == [
        *["72.0 % ± 1.2 points"] * 3,
        "59.0 % ± 1.0 points",
    ]
    assert "Setting" not in {column.name for column in grid.columns(demo(), demo().all)}


def test_the_whole_page_is_made() -> None:
    assert "The seeds of the setting of trial 3" in page(over_seeds.tables())


def test_before_any_setting_has_every_seed_there_is_no_answer() -> None:
    rows = [trial(0, setting=0), trial(1, setting=0, seed=1, state="running", objectives=[])]
    given = study(rows, steps(0, {"val_accuracy": [0.1, 0.5]}), note=noted(seeds=[0, 1, 2], racing={"risk": 0.05}))
    assert answer.sentence(given) == "No setting has every seed, so there is no answer (1 complete and 1 running)."
    assert "as the mean over its seeds" in written(sections.best(over_seeds.tables()))
