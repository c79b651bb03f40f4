"""A study from a name, a file, a mapping, or made: it is one study."""

from __future__ import annotations

from pathlib import Path

from dfkd_ray import study as studies
from dfkd_ray.api.given import document
from dfkd_ray.util import yamls
from tests.api.small import ABLATION, KD, SWEEP


def test_a_study_that_was_made_a_mapping_and_a_file_are_one(tmp_path: Path) -> None:
    (tmp_path / "parts.yaml").write_text(yamls.dump(document(ABLATION).data))
    read = studies.load(tmp_path / "parts.yaml")
    assert studies.parse(document(ABLATION)) == read
    assert studies.parse(document(read)) == read
    assert studies.parse(document(tmp_path / "parts.yaml")) == read
    assert document("mhad").data["study"] == "mhad"


def test_what_python_has_and_a_file_has_not_becomes_what_a_file_has() -> None:
    found = document({**SWEEP, "task": Path("folder") / "own.yaml"}).data
    assert found["search"][KD] == {"log": [1, 20]}
    assert found["task"] == "folder/own.yaml"
