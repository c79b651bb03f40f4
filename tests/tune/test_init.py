"""What the room gives, and what each module of it loads: a worker no Optuna, nothing torch, Ray only where it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dfkd_ray import tune

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "ray", "optuna", "pyarrow", "plotly", "numpy", "rich")


def loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import dfkd_ray.study", set()),
        (
            "import dfkd_ray.tune.work, dfkd_ray.tune.stoppers, dfkd_ray.tune.observers.live, dfkd_ray.tune.ray_setup, "
            "dfkd_ray.tune.ray_address, dfkd_ray.tune.ray_folder, dfkd_ray.tune.ray_head, dfkd_ray.tune.ray_ports",
            set(),
        ),
        ("from dfkd_ray.tune import start, resume, Interrupted", {"optuna", "pyarrow", "numpy"}),
        ("import dfkd_ray.tune.ray_runner", {"ray", "optuna", "pyarrow", "numpy", "rich"}),
    ],
)
def test_imports(statement: str, allowed: set[str]) -> None:
    assert loaded(statement) <= allowed


def test_a_whole_study_loads_no_torch(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "serial", "start", "{}"]
    found = loaded(f"from tests.tune import driver; assert driver.main({arguments!r}) == 0")
    assert "torch" not in found
    assert "ray" not in found


OPTUNA = ("hub", "importance", "optuna", "optuna_study", "results", "sampling", "search", "sight")
RAY = ("ray_cluster", "ray_jobs", "ray_leaving", "ray_probe", "ray_progress", "ray_runner", "ray_shards")


@pytest.mark.parametrize(("name", "expected"), [("ray", RAY), ("optuna", OPTUNA)])
def test_these_files_alone_import_it(name: str, expected: tuple[str, ...]) -> None:
    files = [path for path in (ROOT / "dfkd_ray").rglob("*.py") if _imports(path, name)]
    assert sorted(path.stem for path in files) == sorted(expected)


def _imports(path: Path, name: str) -> bool:
    lines = [line.strip() for line in path.read_text().splitlines()]
    return any(line.startswith((f"import {name}", f"from {name} ", f"from {name}.")) for line in lines)


def test_every_public_name_is_there_and_no_other() -> None:
    for name in tune.__all__:
        assert getattr(tune, name).__name__ == name
    with pytest.raises(AttributeError, match=r"^module 'dfkd_ray\.tune' has no attribute 'strat'$"):
        getattr(tune, "strat")  # noqa: B009
