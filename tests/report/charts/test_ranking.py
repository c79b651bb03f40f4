from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from dfkd_ray.report.charts.ranking import ALIKE, COMPLETE_ONES, Ranking, agreement
from dfkd_ray.report.view import Tables
from tests.report.studies import NOTE, steps, study, trial


def made(curves: list[tuple[str, dict[str, list[float | None]]]]) -> Tables:
    rows = [trial(n, state=state) for n, (state, _) in enumerate(curves)]
    return study(rows, [r for n, (_, own) in enumerate(curves) for r in steps(n, own)])


@pytest.mark.parametrize("seed", range(5))
def test_tau_is_tau_b_ties_and_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    x, y = draw.integers(0, 5, 15).astype(float), draw.integers(0, 5, 15).astype(float)
    assert agreement(list(x), list(y))[0] == pytest.approx(kendalltau(x, y, variant="b").statistic)


def test_the_interval_is_the_percentile_bootstrap() -> None:
    draw = np.random.default_rng(7)
    x = draw.normal(size=20)
    y = x + draw.normal(size=20)
    _, low, high = agreement(list(x), list(y))
    picks = np.random.default_rng(3).integers(0, 20, (1500, 20))
    taus = [kendalltau(x[p], y[p], variant="b").statistic for p in picks]
    assert [low, high] == pytest.approx(np.quantile(taus, [0.025, 0.975]), abs=0.04)


def test_a_metric_that_never_moves_has_no_rank() -> None:
    assert agreement([1.0] * 6, [1.0, 2, 3, 4, 5, 6]) == (None, None, None)
    constant = made([("complete", {"val_accuracy": [0.1 * n], "diversity": [0.5]}) for n in range(6)])
    assert Ranking.prepare(constant).num_rows == 0


def test_a_metric_that_is_better_when_low_counts_as_agreeing_when_it_falls() -> None:
    rising = made(
        [
            ("complete", {"val_accuracy": [0.1 * n], "kl/source": [1 - 0.1 * n], "agreement/noise": [0.1 * n]})
            for n in range(6)
        ]
    )
    rows = Ranking.prepare(rising).to_pylist()
    assert {row["metric"]: row["tau"] for row in rows} == {
        "kl/source": pytest.approx(1),
        "agreement/noise": pytest.approx(1),
    }


def test_complete_trials_are_compared_at_their_end_and_all_at_the_epoch_that_all_reached() -> None:
    # At the end val and diversity agree; at epoch 2, which all six reached, they are reversed.
    curves: list[tuple[str, dict[str, list[float | None]]]] = [
        ("complete", {"val_accuracy": [0.0, -0.1 * n, 0.1 * n], "diversity": [0.0, 0.1 * n, 0.1 * n]}) for n in range(4)
    ]
    curves += [("pruned", {"val_accuracy": [0.0, -0.1 * n], "diversity": [0.0, 0.1 * n]}) for n in (4, 5)]
    curves += [("failed", {"val_accuracy": [0.9], "diversity": [0.9]})]
    rows = {row["compared"]: row for row in Ranking.prepare(made(curves)).to_pylist()}
    assert (rows[COMPLETE_ONES]["trials"], rows[COMPLETE_ONES]["epoch"]) == (4, None)
    assert rows[COMPLETE_ONES]["tau"] == pytest.approx(1)
    assert (rows[ALIKE]["trials"], rows[ALIKE]["epoch"]) == (6, 2)
    assert rows[ALIKE]["tau"] == pytest.approx(-1)


def test_only_trials_with_both_metrics_count_and_n_is_printed() -> None:
    curves: list[tuple[str, dict[str, list[float | None]]]] = [
        ("complete", {"val_accuracy": [0.1 * n], "kl/noise": [0.3 * (n % 3)]}) for n in range(5)
    ]
    curves += [("complete", {"val_accuracy": [0.7]}), ("complete", {"kl/noise": [0.7]})]
    rows = Ranking.prepare(made(curves))
    assert rows["trials"].to_pylist() == [5]
    assert "n = 5" in Ranking.notes(rows)[0]


def test_three_trials_are_too_few_and_losses_do_not_count() -> None:
    own: dict[str, list[float | None]] = {"loss/student/total": [1.0]}
    few = made([("complete", {"val_accuracy": [0.1 * n], "diversity": [0.1 * n]}) for n in range(3)])
    lossy = made([("complete", {"val_accuracy": [0.1 * n], **own}) for n in range(6)])
    assert Ranking.prepare(few).num_rows == Ranking.prepare(lossy).num_rows == 0


def test_a_mark_has_its_interval_and_the_two_comparisons_stand_apart() -> None:
    curves: list[tuple[str, dict[str, list[float | None]]]] = [
        ("complete", {"val_accuracy": [0.1 * n, 0.2 * n], "diversity": [0.3 * (n % 3), 0.1 * n]}) for n in range(6)
    ]
    curves += [("pruned", {"val_accuracy": [0.05 * n], "diversity": [0.1 * n]}) for n in (6, 7)]
    rows = Ranking.prepare(made(curves))
    told = {row["compared"]: row for row in rows.to_pylist()}
    figure = Ranking.draw(rows)
    first, second = figure.data
    for mark, row in ((first, told[COMPLETE_ONES]), (second, told[ALIKE])):
        (tau,) = mark.x
        assert tau == row["tau"]
        assert tau - mark.error_x.arrayminus[0] == pytest.approx(row["low"])
        assert tau + mark.error_x.array[0] == pytest.approx(row["high"])
    assert first.y[0] < second.y[0]
    assert second.name.endswith("(epoch 1)")
    assert "Stopped trials were never compared with complete ones at different epochs." in Ranking.notes(rows)[0]


def test_an_interval_of_no_width_is_no_certainty_and_the_common_epoch_is_named() -> None:
    alike: list[tuple[str, dict[str, list[float | None]]]] = [
        ("complete", {"val_accuracy": [0.1 * n], "diversity": [0.1 * n]}) for n in range(6)
    ]
    (note,) = Ranking.notes(Ranking.prepare(made(alike)))
    assert "An interval of no width says that these few trials agree, not that all would." in note
    assert "epoch" not in note.partition("The search")[0].replace("last epoch", "")
    stopped = [("pruned", {"val_accuracy": [0.1], "diversity": [0.7]}), *alike]
    assert "every one reached, epoch 1: n = 7" in Ranking.notes(Ranking.prepare(made(stopped)))[0]


def test_of_many_trials_a_random_part_is_compared_always_the_same_and_said() -> None:
    draw = np.random.default_rng(1)
    x = draw.normal(size=700)
    y = x + draw.normal(size=700)
    many = made([("complete", {"val_accuracy": [float(b)], "diversity": [float(a)]}) for a, b in zip(x, y)])
    rows = Ranking.prepare(many)
    (row,) = rows.to_pylist()
    assert (row["trials"], row["known"]) == (500, 700)
    assert row["tau"] == pytest.approx(kendalltau(x, y, variant="b").statistic, abs=0.05)
    assert rows == Ranking.prepare(many)
    assert "n = 500. Of 700 trials a random 500, always the same, are compared." in Ranking.notes(rows)[0]
    assert "random" not in Ranking.notes(Ranking.prepare(made(EVEN)))[0]


EVEN: list[tuple[str, dict[str, list[float | None]]]] = [
    ("complete", {"val_accuracy": [0.1 * n], "diversity": [0.1 * n]}) for n in range(6)
]


def test_of_dense_targets_validation_is_called_by_their_measure() -> None:
    curves: list[tuple[str, dict[str, list[float | None]]]] = [
        ("complete", {"val_miou": [0.1 * n], "correlation/source": [0.1 * n]}) for n in range(5)
    ]
    rows = [r for n, (_, own) in enumerate(curves) for r in steps(n, own)]
    dense = study([trial(n) for n in range(5)], rows, note=NOTE | {"task": {"targets": "segmentation"}})
    drawn = Ranking.draw(Ranking.prepare(dense))
    assert drawn.layout.xaxis.title.text == "Kendall's tau-b with validation mean IoU"
