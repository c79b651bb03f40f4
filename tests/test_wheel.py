"""What travels: the wheel holds every file that a command reads, and no test."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; it comes with the extra `dev`")
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    "pattern",
    [
        "methods/*.yaml",
        "study/published/*.yaml",
        "datasets/*.yaml",
        "datasets/*.safetensors",
        "datasets/*.json",
        "teachers/*.yaml",
        "teachers/*.txt",
        "**/*.py",
    ],
)
def test_the_package_is_complete(names: set[str], pattern: str) -> None:
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "dfkd_ray").glob(pattern)}
    assert here
    assert here <= names


def test_the_studies_travel_in_the_package(names: set[str]) -> None:
    assert {f"dfkd_ray/search_spaces/{path.name}" for path in (ROOT / "search_spaces").glob("*.yaml")} <= names


@pytest.mark.parametrize("folder", ["static", "templates"])
def test_the_page_has_its_style_its_script_and_its_templates(names: set[str], folder: str) -> None:
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "dfkd_ray/report" / folder).iterdir() if path.is_file()}
    assert here
    assert here <= names


def test_nothing_else_travels(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert all(top == "dfkd_ray" or top.endswith(".dist-info") for top in tops)
    assert "dfkd_ray/py.typed" in names
