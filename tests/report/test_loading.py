from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from dfkd_ray import report
from dfkd_ray.report import loading
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import NBSP
from tests.report.ablations import leave_one_out
from tests.report.studies import demo, write


def test_steps_are_read_as_numbers_of_the_names_and_without_the_columns_that_no_page_shows(tmp_path: Path) -> None:
    one = demo()
    write(tmp_path, one)
    read = loading.read("steps", tmp_path / "steps.arrow")
    assert read.schema.names == ["trial", "epoch", "metric", "value"]
    assert pa.types.is_dictionary(read.schema.field("metric").type)
    assert read.to_pylist() == one.steps.select(read.schema.names).to_pylist()


def test_a_table_in_many_batches_is_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH", 7)
    one = demo()
    write(tmp_path, one)
    with tables.opened(tmp_path / "steps.arrow") as file:
        assert file.num_record_batches == -(-len(one.steps) // 7)
    read = loading.read("steps", tmp_path / "steps.arrow")
    assert read.to_pylist() == one.steps.select(read.schema.names).to_pylist()
    kept = loading.read("images", tmp_path / "images.arrow")
    assert isinstance(kept, Path), "pictures of the trial that is shown are read, never all"
    for number in range(13):
        assert loading.of_trial(kept, number).to_pylist() == loading.of_trial(one.images, number).to_pylist()


@pytest.mark.parametrize("kind", ["trials", "steps", "images"])
def test_a_column_that_is_missing_is_named_before_anything_is_drawn(kind: str, tmp_path: Path) -> None:
    given = getattr(demo(), kind)
    path = tmp_path / f"{kind}.arrow"
    tables.write(given.drop_columns(["trial"]), path)
    with pytest.raises(StudyError, match=rf"{kind}\.arrow: not a table of {kind}: no column trial"):
        loading.read(kind, path)


def test_the_first_tables_had_no_draws(tmp_path: Path) -> None:
    path = tmp_path / "trials.arrow"
    tables.write(demo().trials.drop_columns(["draw", "tuning"]), path)
    assert loading.read("trials", path)["draw"].null_count == 12


def test_the_first_effects_had_no_interval_of_the_verdict(tmp_path: Path) -> None:
    """The page of a study of before there was one: no interval, rather than another one, and no refusal."""
    one = leave_one_out()
    assert one.effects is not None
    write(tmp_path, replace(one, effects=one.effects.drop_columns(["low", "high"])))
    read = loading.read("effects", tmp_path / "effects.arrow")
    assert read["low"].null_count == read["high"].null_count == len(read) > 0
    page = report.build(tmp_path).read_text(encoding="utf-8").replace(NBSP, " ")
    assert "95 % interval –, n = 5" in page
