"""DataFrames say what the tables say."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest

import dfkd_ray
from dfkd_ray.api import frames
from dfkd_ray.util import tables
from dfkd_ray.util.errors import MissingExtra
from tests.report.studies import KD, demo


def test_a_row_a_trial_with_its_settings_as_columns(swept: dfkd_ray.Results) -> None:
    table = tables.read(swept.folder / "trials.arrow").to_pylist()
    found = swept.trials
    assert found.index.name == "trial"
    assert list(found.index) == [0, 1, 2]
    assert list(found[KD]) == [json.loads(row["changes"])[KD] for row in table]
    assert list(found["val_accuracy"]) == [row["objectives"][0] for row in table]
    assert list(found["test_accuracy/last"]) == [dict(row["final"])["test_accuracy/last"] for row in table]
    assert "arm" not in found, "a sweep has none"
    assert "method" not in found


def test_what_a_trial_lacks_is_missing() -> None:
    made = demo()
    found = frames.trials(made)
    states = dict(zip(found.index, found["state"]))
    assert set(states.values()) == {"complete", "pruned", "failed"}
    for trial in made.all:
        row = found.loc[trial.number]
        assert (row["val_accuracy"] != row["val_accuracy"]) == (trial.value is None)
    assert found.dtypes[KD].kind == "f"


def test_steps_and_effects_are_the_tables(ablated: dfkd_ray.Results) -> None:
    for name in ("steps", "effects"):
        table = tables.read(ablated.folder / f"{name}.arrow")
        found: Any = getattr(ablated, name)
        assert list(found.columns) == table.schema.names
        assert len(found) == len(table)
    assert set(ablated.trials["arm"]) == {"soft", "hard"}


def test_without_pandas_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"^a DataFrame needs pandas, .*: pip install 'dfkd-ray\[python\]'$"):
        frames.trials(demo())
