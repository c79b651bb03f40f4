"""What a study says of the published table that it re-runs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from dfkd_ray import study
from dfkd_ray.study import published
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document, loads

TABLE = published.load("dfkd_fgvc/table5")
RAW: dict[str, Any] = {**published.study(TABLE, None, "gliders", 3), "published": "dfkd_fgvc/table5#cub200"}
SWEEP: dict[str, Any] = {
    **{key: RAW[key] for key in ("study", "method", "task", "objective", "published")},
    "search": {"schedule.batch": {"choice": [8, 16]}},
    "budget": {"trials": 2},
}


@pytest.mark.parametrize("reference", ["dfkd_fgvc/table5", "dfkd_fgvc/table5#cub200"])
def test_it_is_kept_and_written_back(reference: str) -> None:
    made = study.parse(Document({**RAW, "published": reference}))
    assert made.published == reference
    plain = study.plain(made)
    assert plain["published"] == reference
    assert study.parse(loads(yaml.safe_dump(plain, sort_keys=False))) == made


def test_a_study_of_its_own_says_nothing() -> None:
    made = study.parse(Document({key: value for key, value in RAW.items() if key != "published"}))
    assert made.published == ""
    assert "published" not in study.plain(made)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (
            {**RAW, "published": "dfkd_fgvc/tabel5"},
            "published: unknown table 'dfkd_fgvc/tabel5'; did you mean 'dfkd_fgvc/table5'?",
        ),
        (
            {**RAW, "published": "dfkd_fgvc/table5#average"},
            "published: dfkd_fgvc/table5 has no run for 'average' (known: aircraft, cars196, cub200)",
        ),
        (
            {**RAW, "published": "dafl/cifar"},
            "published: dafl/cifar is data alone: One method alone compares with nothing.",
        ),
        ({**RAW, "published": 5}, "published: should be"),
        (
            {**RAW, "arms": {"order 2": {"schedule.batch": 8}, "other": {}}},
            "published: the rows of dfkd_fgvc/table5 are arms, named by hand; missing: order 1, order 3",
        ),
        (SWEEP, "published: the rows of dfkd_fgvc/table5 are arms, named by hand; missing: order 1, order 2, order 3"),
        (
            {**RAW, "objective": {"metric": "agreement/noise"}},
            "objective: dfkd_fgvc/table5 is of accuracies: val_accuracy comes first, got agreement/noise",
        ),
    ],
)
def test_what_cannot_stand_beside_it_is_one_mistake(raw: dict[str, Any], line: str) -> None:
    text = yaml.safe_dump(raw, sort_keys=False)
    with pytest.raises(ConfigError) as refused:
        study.parse(loads(text, "mine.yaml"))
    (problem,) = refused.value.problems
    head = next(i for i, each in enumerate(text.splitlines(), 1) if each.startswith(line.partition(":")[0]))
    assert str(problem).startswith(f"mine.yaml:{head}: {line}")


def test_arms_that_cannot_be_read_are_not_missed_as_well() -> None:
    with pytest.raises(ConfigError) as refused:
        study.parse(Document({**RAW, "seeds": 1}))
    assert [problem.path for problem in refused.value.problems] == ["seeds"]


def test_a_trial_has_a_process_for_each_of_its_gpus() -> None:
    assert [study.Resources(gpu=gpu).ranks for gpu in (0, 0.5, 1, 4)] == [1, 1, 1, 4]
